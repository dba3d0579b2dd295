"""From a case that fails to a small one that fails in the same way, and its report (CHANNELS 7.5).

A case is lists and dicts, so it is cut down without knowing what it means: whatever is left over must still compile,
still permit the same of both databases, and still fail by the same oracle.
"""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields, replace
from decimal import Decimal
from typing import Any

from tests.proof.licence import Entry, Licence
from tests.proof.oracles import Case, Trial, Violation
from tests.proof.upstream import Habits


def failing(case: Case, trial: Callable[[Case, None], Trial] = Trial) -> Violation | None:
    """How a case fails; None where it does not, or is none."""
    try:
        asyncio.run(trial(case, None).run())
    except Violation as violation:
        return violation
    except Exception:  # noqa: BLE001  # a case that was cut too far is no case: nothing is concluded from it
        return None
    return None


def shrunk(
    case: Case, violation: Violation, budget: int = 600, trial: Callable[[Case, None], Trial] = Trial
) -> tuple[Case, Violation]:
    """The smallest case that was found with ``budget`` trials, and how it fails."""
    kept = [*case.requests[: violation.number + 1]]
    case = replace(case, requests=kept)
    found = failing(case, trial)
    if found is None:
        return case, violation
    violation = found
    left = [budget]

    def still(candidate: Case) -> bool:
        if left[0] <= 0:
            return False
        left[0] -= 1
        result = failing(candidate, trial)
        return result is not None and result.oracle == violation.oracle

    again = True
    while again and left[0] > 0:
        again = False
        for candidate in _smaller(case):
            if still(candidate):
                case, again = candidate, True
                break
    return case, failing(case, trial) or violation


def _smaller(case: Case) -> Iterator[Case]:
    """Cases with something less, in the order of interest: requests, changes, rows, the licence, what is asked."""
    for number in range(len(case.requests) - 1, -1, -1):
        yield replace(case, requests=case.requests[:number] + case.requests[number + 1 :])
    for number in range(len(case.changes)):
        yield replace(case, changes=case.changes[:number] + case.changes[number + 1 :])
    for name, rows in case.world.items():
        for number in range(len(rows)):
            yield replace(case, world={**case.world, name: rows[:number] + rows[number + 1 :]})
    plain = Habits()
    for item in fields(Habits):
        if getattr(case.habits, item.name) != getattr(plain, item.name):
            yield replace(case, habits=replace(case.habits, **{item.name: getattr(plain, item.name)}))
    if case.beside is not None:
        yield replace(case, beside=None)
        yield from (replace(case, beside=licence) for licence in _licences(case.beside, _OWN))
    yield from (_with_licence(case, licence) for licence in _licences(case.licence, _EVERY))
    for number, request in enumerate(case.requests):
        for smaller in cuts(request):
            if "path" in smaller:
                yield replace(case, requests=[*case.requests[:number], smaller, *case.requests[number + 1 :]])


#: What a licence has for itself, and what two keys of one gateway share.
_OWN = ("limit", "strict", "bindings", "privileged", "has_privilege", "syndication", "role_never")
_SHARED = (
    "redaction",
    "unknown_select",
    "always",
    "never",
    "closed",
    "settings",
    "profile",
    "page_size",
    "enums",
    "texts",
)
_EVERY = (*_OWN, *_SHARED[:-3])


def _with_licence(case: Case, licence: Licence) -> Case:
    """The case with another licence, and what both keys share in that of the other one too."""
    if case.beside is None:
        return replace(case, licence=licence)
    shared = {name: getattr(licence, name) for name in _SHARED}
    return replace(case, licence=licence, beside=replace(case.beside, **shared))


def _licences(licence: Licence, parts: tuple[str, ...]) -> Iterator[Licence]:
    plain = Licence({})
    for name in parts:
        if name != "profile" and getattr(licence, name) != getattr(plain, name):
            yield replace(licence, **{name: getattr(plain, name)})
    for name in licence.profile if "profile" in parts else ():
        yield replace(licence, profile={key: value for key, value in licence.profile.items() if key != name})
    for name in licence.settings if "settings" in parts else ():
        yield replace(licence, settings={key: value for key, value in licence.settings.items() if key != name})
    for name in licence.sets:
        if name != "Property":
            yield replace(licence, sets={key: entry for key, entry in licence.sets.items() if key != name})
    for name, entry in licence.sets.items():
        for smaller in _entries(entry):
            yield replace(licence, sets={**licence.sets, name: smaller})


def _entries(entry: Entry) -> Iterator[Entry]:
    plain = Entry()
    for name in ("filter", "lifted", "always"):
        if getattr(entry, name) != getattr(plain, name):
            yield replace(entry, **{name: copy.deepcopy(getattr(plain, name))})
    for part in ("role", "template"):
        for smaller in cuts(getattr(entry, part)):
            yield replace(entry, **{part: smaller})
    for name in ("filter", "lifted"):
        if isinstance(getattr(entry, name), list):
            for inner in _inner(getattr(entry, name)):
                yield replace(entry, **{name: inner})


def _inner(expression: Any) -> Iterator[Any]:
    """The parts of a condition, which are conditions themselves."""
    if expression[0] in ("and", "or", "not"):
        yield from expression[1:]
        for number, term in enumerate(expression[1:], 1):
            for smaller in _inner(term):
                yield [*expression[:number], smaller, *expression[number + 1 :]]


def cuts(value: Any) -> Iterator[Any]:
    """Copies of nested dicts with one entry less, or with a smaller condition."""
    if isinstance(value, dict):
        for name in value:
            yield {key: item for key, item in value.items() if key != name}
        for name, item in value.items():
            for smaller in cuts(item):
                yield {**value, name: smaller}
    elif isinstance(value, list) and value and value[0] in ("and", "or", "not"):
        yield from _inner(value)
    elif isinstance(value, list) and value and isinstance(value[0], dict | list):
        for number in range(len(value)):
            yield value[:number] + value[number + 1 :]
        for number, item in enumerate(value):
            for smaller in cuts(item):
                yield [*value[:number], smaller, *value[number + 1 :]]


def report(case: Case, violation: Violation) -> str:
    """All that it takes to understand a failure, and to repeat it: paste it into ``replayed``."""
    plain = Habits()
    habits = {
        item.name: getattr(case.habits, item.name)
        for item in fields(Habits)
        if getattr(case.habits, item.name) != getattr(plain, item.name)
    }
    other = case.other()
    lines = [
        f"seed {case.seed}: {violation}",
        f"licence   {json.dumps(asdict(case.licence), default=_exact)}",
        f"beside    {json.dumps(case.beside and asdict(case.beside), default=_exact)}",
        f"habits    {json.dumps(habits)}",
    ]
    for name, rows in case.world.items():
        for row in rows:
            lines.append(
                f"both      {name} {json.dumps(row, default=_exact)}"
                if row in other[name]
                else f"one only  {name} {json.dumps(row, default=_exact)}"
            )
        lines += [f"two only  {name} {json.dumps(row, default=_exact)}" for row in other[name] if row not in rows]
    lines += [f"request   {json.dumps(request, default=_exact)}" for request in case.requests]
    lines.append(f"case      {dumped(case)}")
    return "\n".join(lines)


def dumped(case: Case) -> str:
    return json.dumps(asdict(case), default=_exact)


def _exact(value: Any) -> dict[str, str]:
    assert isinstance(value, Decimal)
    return {"exact": str(value)}


def _inexact(data: dict[str, Any]) -> Any:
    return Decimal(data["exact"]) if data.keys() == {"exact"} else data


def replayed(text: str) -> Case:
    """The case of a report."""
    data = json.loads(text, object_hook=_inexact)
    habits = data["habits"]
    for name, value in habits.items():
        habits[name] = tuple(value) if isinstance(value, list) else value
    rest = {key: value for key, value in data.items() if key not in ("licence", "habits", "beside")}
    beside = None if data.get("beside") is None else _licence(data["beside"])
    return Case(licence=_licence(data["licence"]), habits=Habits(**habits), beside=beside, **rest)


def _licence(data: dict[str, Any]) -> Licence:
    sets = {name: Entry(**entry) for name, entry in data["sets"].items()}
    return Licence(**{**data, "sets": sets})
