"""What policies and plans are, as plain data: for records that are compared with what is compiled and decided now.

``python -m tests.recorded.recording`` writes ``tests/corpus/decisions.json`` anew. A change of it is a change of what the
gateway asks, verifies or shows: it is read line by line before it is kept.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any

from gateway.errors import ConfigurationError, Refusal
from gateway.odata.ast import (
    TRUE,
    And,
    Comparison,
    Constant,
    Has,
    In,
    Intersects,
    Lambda,
    Not,
    Or,
    OrderByItem,
    PropertyPath,
    Query,
    StringTest,
)
from gateway.odata.csdl import Property, parse_metadata
from gateway.odata.enumerations import MemberTexts
from gateway.odata.evaluate import Reading
from gateway.odata.literals import NULL, Literal, Timestamp, print_literal, string
from gateway.odata.parser import Limits
from gateway.odata.printer import print_expression, query_options
from gateway.odata.request import parse_request
from gateway.policy.compilation import compile_policy
from gateway.policy.computed import with_computed
from gateway.policy.decision import decide
from gateway.policy.documents import Source
from gateway.policy.explanation import explain
from gateway.policy.inputs import GatewayRules
from gateway.policy.model import FieldPolicy, Policy
from gateway.policy.plan import EmittedField, NestedPlan, Position, Read
from gateway.policy.profile import Profile
from gateway.policy.settings import AnswerSettings
from gateway.sandbox.rows import sandbox_schema
from gateway.store.configuration import load_configuration
from gateway.store.snapshot import Snapshot, build_snapshot
from tests.odata.test_csdl import HEAD, TAIL
from tests.proof.generate import make_case
from tests.proof.licence import Entry, Licence
from tests.proof.requests import ROOT, Request, query_of, target_of
from tests.proof.sides import snapshot_of
from tests.recorded.corners import CORNERS, MODEL, Corner
from tests.support import CONFIG, TRUSTING, role, syndication, template

FILE = Path(__file__).resolve().parent.parent / "corpus" / "decisions.json"
EXAMPLES = FILE.parent / "decided.txt"
NOW = Timestamp(datetime(2026, 1, 15, 12, tzinfo=UTC))
_EXPRESSIONS = (And, Comparison, Constant, Has, In, Intersects, Lambda, Not, Or, StringTest)


def shown(value: Any) -> Any:
    """Anything that a plan or a policy is made of, as JSON; what has its default is left out."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Enum():
            return value.value
        case Property():
            return value.name
        case Query():
            return dict(query_options(value))
        case OrderByItem():
            return value.path.name + (" desc" if value.descending else "")
        case Literal():
            return print_literal(value)
        case PropertyPath():
            return str(value)
        case EmittedField(property, condition, clamp):
            told = [f"if {print_expression(condition)}"] if condition != TRUE else []
            return " ".join([property.name, *told, *([f"at most {clamp}"] if clamp is not None else [])])
        case FieldPolicy(_, origin, condition, clamp, queryable):
            told = ["always" if condition == TRUE else f"if {print_expression(condition)}", f"({origin})"]
            told += [f"at most {clamp}"] if clamp is not None else []
            return " ".join([*told, *([] if queryable else ["not searched"])])
        case Reading():
            return {field.name: getattr(value, field.name) for field in fields(value) if field.name != "normal"}
        case MemberTexts(named, _):
            return {text: member for text, member in sorted(named.items()) if text != member}
        case Mapping():
            if all(isinstance(item, Property) for item in value.values()):
                return " ".join(sorted(value))
            return {str(name): shown(item) for name, item in sorted(value.items(), key=lambda pair: str(pair[0]))}
        case frozenset() | set():
            return sorted(str(shown(item)) for item in value)
        case tuple() | list():
            if value and all(isinstance(item, EmittedField) for item in value):
                return ", ".join(shown(item) for item in value)
            return [shown(item) for item in value]
    if isinstance(value, _EXPRESSIONS):
        return print_expression(value)
    if isinstance(value, NestedPlan) and value.read.record == value.record:
        # What is read apart is what would come inside: told once.
        found = _told_members(value)
        return {**found, "read": {**found["read"], "record": "the same"}}
    if is_dataclass(value) and not isinstance(value, type):
        return _told_members(value)
    return repr(value)


def _told_members(value: Any) -> dict[str, Any]:
    return {
        field.name: shown(here)
        for field in fields(value)
        if field.name not in ("schema", "type")
        and (here := getattr(value, field.name)) != field.default
        and (field.default_factory is MISSING or here != field.default_factory())
    }


def decided(policy: Policy, profile: Profile, settings: AnswerSettings, request: dict[str, Any]) -> Any:
    """What comes of a request: the plan with its explanation, or the refusal."""
    position = None
    if "position" in request:
        told = {"skip": 0, "top": None, "now": NOW, **request["position"]}
        if "after" in told:
            told["after"] = tuple(NULL if value is None else string(value) for value in told["after"])
        position = Position(**told)
    try:
        parsed = parse_request(
            request.get("method", "GET"), request["target"], root=ROOT, limits=Limits(), body=request.get("body")
        )
        plan = decide(policy, parsed, profile, settings, NOW, position)
    except Refusal as refusal:
        return {
            "refused": refusal.code.name, "message": refusal.message, "target": refusal.target,
            **({"headers": dict(refusal.headers)} if refusal.headers else {}),
        }  # fmt: skip
    found = {"plan": type(plan).__name__, **shown(plan)}
    if isinstance(plan, Read):
        found["explained"] = shown(explain(plan, policy, parsed.query))
    return found


# --- what is recorded


def licence_of(data: dict[str, Any]) -> Licence:
    sets = {name: Entry(**entry) for name, entry in data["sets"].items()}
    return Licence(**{**data, "sets": sets})


def request_of(made: Request, position: int) -> dict[str, Any] | None:
    """A request of the prover's as this reads it; None for those that follow a link."""
    if made["path"] == "follow":
        return None
    found = {"method": made.get("method", "GET"), "target": f"{ROOT}/{target_of(made)}"}
    if made.get("post"):
        return found | {"method": "POST", "body": query_of(made)}
    # Links are opened at the edge: what decide is told of them are their positions.
    if position % 5 == 0:
        return found | {"position": {"skip": 2, "passed": bool(position % 2)}}
    return found


@lru_cache(maxsize=1)
def example() -> Snapshot:
    """The shipped configuration in front of the sandbox."""
    return build_snapshot(1, load_configuration(CONFIG, {}), sandbox_schema())


def licensed(data: dict[str, Any]) -> tuple[Snapshot, Policy]:
    """What a recorded licence compiles to."""
    snapshot = snapshot_of(licence_of(data))
    return snapshot, snapshot.policies["template:t"]


def cornered(corner: Corner, requests: list[dict[str, Any]]) -> dict[str, Any]:
    """What the documents of a corner compile to, or their faults, and what is decided under them."""
    profile = Profile.model_validate({**TRUSTING.model_dump(exclude_unset=True), **corner.profile})
    source = Source("gateway.yaml")
    rules = GatewayRules(source, **corner.rules)
    earlier = with_computed(parse_metadata((HEAD + MODEL + TAIL).encode())) if corner.earlier else None
    try:
        policy = compile_policy(
            None if corner.template is None else template(**corner.template),
            role(corner.role, **corner.role_document),
            None if corner.syndication is None else syndication("opt_in"),
            corner.schema(profile),
            profile,
            rules,
            earlier=earlier,
        )
    except ConfigurationError as error:
        return {"faults": [str(fault) for fault in error.faults]}
    settings = AnswerSettings(**{"page_size": 10, **corner.settings})
    return {
        "compiled": shown(policy),
        "decided": [[request, decided(policy, profile, settings, request)] for request in requests],
    }


def as_request(told: str | dict[str, Any]) -> dict[str, Any]:
    """A request of a corner, written as one writes it: blanks are encoded here."""
    found = {"target": told} if isinstance(told, str) else told
    return {**found, "target": f"{ROOT}/{found['target'].replace(' ', '%20')}"}


def replayed(record: dict[str, Any]) -> dict[str, Any]:
    """The record as it is now: what its policy compiles to, and what is decided under it."""
    if "corner" in record:
        corner = CORNERS[record["corner"]]
        return {"corner": record["corner"], **cornered(corner, [as_request(told) for told in corner.requests])}
    if "policy" in record:
        snapshot = example()
        return record | {
            "decided": [[request, decided(snapshot.policies[record["policy"]], *_told(snapshot), request)]
                        for request, _ in record["decided"]],
        }  # fmt: skip
    snapshot, policy = licensed(record["licence"])
    return record | {
        "compiled": shown(policy),
        "decided": [[request, decided(policy, *_told(snapshot), request)] for request, _ in record["decided"]],
    }


def _told(snapshot: Snapshot) -> tuple[Profile, AnswerSettings]:
    settings = snapshot.configuration.settings
    return settings.upstream.profile, settings.answers


def main() -> None:
    """Picks what reaches a part of the engine that nothing before it has reached, and a few beside."""
    records: list[dict[str, Any]] = []
    reached: set[tuple[str, int, int]] = set()
    for seed in range(400):
        made = make_case(seed)
        if made is None:
            continue
        data = asdict(made.case.licence)
        record: dict[str, Any] = {"licence": data, "decided": []}
        with _Reached(reached) as compiling:
            snapshot, policy = licensed(data)
        for number, request in enumerate(made.case.requests):
            written = request_of(request, number)
            if written is None:
                continue
            with _Reached(reached) as deciding:
                decided(policy, *_told(snapshot), written)
            if deciding.new or (seed < _FIRST and number % 3 == 0):
                record["decided"].append([written, None])
        if compiling.new or record["decided"]:
            records.append(record)
    for line in EXAMPLES.read_text(encoding="utf-8").splitlines():
        name, _, rest = line.partition(" ")
        method, _, rest = rest.partition(" ")
        target, _, more = rest.partition(" ")
        if line.startswith("#") or not line:
            continue
        if not records or records[-1].get("policy") != name:
            records.append({"policy": name, "decided": []})
        request = {"method": method, "target": f"{ROOT}/{target}", **json.loads(more or "{}")}
        records[-1]["decided"].append([request, None])
    records += [{"corner": name} for name in CORNERS]
    text = ",\n".join(dumped(replayed(record)) for record in records)
    FILE.write_text(f"[\n{text}\n]\n", encoding="utf-8")


def dumped(record: dict[str, Any]) -> str:
    """One line for the licence, one for what it compiles to, one for each request."""
    head = {key: value for key, value in record.items() if key != "decided"}
    lines = ",\n".join(f"  {json.dumps(pair)}" for pair in record.get("decided", []))
    parts = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    return "{\n" + ",\n".join([*parts, f' "decided": [\n{lines}\n ]']) + "\n}"


#: Licences of which requests are taken that reach nothing new.
_FIRST = 25


class _Reached:
    """Counts the steps from line to line inside the engine that were never made before."""

    def __init__(self, known: set[tuple[str, int, int]]) -> None:
        self.known = known
        self.new = 0

    def __enter__(self) -> _Reached:
        sys.settrace(self._called)
        return self

    def __exit__(self, *error: object) -> None:
        sys.settrace(None)

    def _called(self, frame: FrameType, event: str, argument: Any) -> Any:
        if f"gateway{os.sep}policy" not in frame.f_code.co_filename:
            return None
        last = -1

        def stepped(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal last
            step = (frame.f_code.co_filename, last, frame.f_lineno)
            last = frame.f_lineno
            if step not in self.known:
                self.known.add(step)
                self.new += 1
            return stepped

        return stepped


if __name__ == "__main__":
    main()
