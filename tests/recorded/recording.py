"""What policies and plans are, as plain data: for records that are compared with what is compiled and decided now.

What goes in stands in ``tests/corpus/licences.json`` and ``decided.txt`` and in ``corners.py``. What comes out, in
``tests/corpus/decisions.json``, is what the gateway asks, verifies and shows: ``python -m tests.recorded.recording`` prints
each difference, and records it once a line of docs/decisions/ names it and gives the reason.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
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
from tests.recorded.corners import CORNERS, MODEL, Corner
from tests.recorded.differences import differences
from tests.recorded.licences import compiled, licences
from tests.support import CONFIG, REPOSITORY, ROOT, TRUSTING, role, syndication, template

FILE = Path(__file__).resolve().parent.parent / "corpus" / "decisions.json"
EXAMPLES = FILE.parent / "decided.txt"
DECISIONS = REPOSITORY / "docs" / "decisions"
#: A reason has at least so many words.
_WORDS = 5
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


@lru_cache(maxsize=1)
def example() -> Snapshot:
    """The shipped configuration in front of the sandbox."""
    return build_snapshot(1, load_configuration(CONFIG, {}), sandbox_schema())


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


def under(policy: str, snapshot: Snapshot, requests: list[dict[str, Any]]) -> list[Any]:
    settings = snapshot.configuration.settings
    profile, answers = settings.upstream.profile, settings.answers
    return [[request, decided(snapshot.policies[policy], profile, answers, request)] for request in requests]


def examples() -> dict[str, list[dict[str, Any]]]:
    """Return the requests under policies of the shipped configuration, by policy."""
    found: dict[str, list[dict[str, Any]]] = {}
    for line in EXAMPLES.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") or not line:
            continue
        name, _, rest = line.partition(" ")
        method, _, rest = rest.partition(" ")
        target, _, more = rest.partition(" ")
        found.setdefault(name, []).append({"method": method, "target": f"{ROOT}/{target}", **json.loads(more or "{}")})
    return found


def names() -> list[str]:
    """Return the name of each record, as the inputs give them: licences, policies of the example, corners."""
    return [
        *(f"licence {name}" for name in licences()),
        *(f"policy {name}" for name in examples()),
        *(f"corner {name}" for name in CORNERS),
    ]


def record(name: str) -> dict[str, Any]:
    """Make the record of one name from its inputs and the gateway of today."""
    kind, _, which = name.partition(" ")
    if kind == "corner":
        corner = CORNERS[which]
        return cornered(corner, [as_request(told) for told in corner.requests])
    if kind == "policy":
        return {"decided": under(which, example(), examples()[which])}
    licence = licences()[which]
    snapshot = compiled(licence)
    return {
        "compiled": shown(snapshot.policies["template:t"]),
        "decided": under("template:t", snapshot, licence.requests),
    }


def text_of(records: dict[str, dict[str, Any]]) -> str:
    """Return the text of the file: one line for what a licence compiles to, one for each request."""
    return "{\n" + ",\n".join(f"{json.dumps(name)}: {_dumped(record)}" for name, record in records.items()) + "\n}\n"


def _dumped(record: dict[str, Any]) -> str:
    parts = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in record.items() if key != "decided"]
    if "decided" in record:
        lines = ",\n".join(f"  {json.dumps(pair)}" for pair in record["decided"])
        parts.append(f' "decided": [\n{lines}\n ]')
    return "{\n" + ",\n".join(parts) + "\n}"


def digest_of(text: str) -> str:
    """Return the name of a recording, by which a line of docs/decisions/ gives its reason."""
    return sha256(text.encode()).hexdigest()[:16]


def has_reason(digest: str, pages: Path = DECISIONS) -> bool:
    """Tell whether a line of a page names a recording and says more than its name."""
    return any(
        digest in line and len(line.replace(digest, "").split()) >= _WORDS
        for page in sorted(pages.glob("*.md"))
        for line in page.read_text(encoding="utf-8").splitlines()
    )


def main() -> int:
    """Print how the decisions of today differ from the recorded ones; record them where a page gives the reason."""
    kept: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    now: dict[str, Any] = {name: record(name) for name in names()}
    text = text_of(now)
    if text == text_of(kept):
        print("decided as recorded")
        return 0
    for line in differences(kept, json.loads(json.dumps(now))):
        print(line)
    digest = digest_of(text)
    if not has_reason(digest):
        print(f"\nnot recorded: docs/decisions/ needs a line with `{digest}` and the reason of this difference")
        return 1
    FILE.write_text(text, encoding="utf-8")
    print(f"\nrecorded as {digest}; `python -m tools.kept` comes next")
    return 0


if __name__ == "__main__":
    sys.exit(main())
