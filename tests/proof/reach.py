"""How far the prover reaches: ``python -m tests.proof --coverage``.

Two lists. The first has every setting of docs/configuration.md with the number of cases in which it was in force, that
is, not at its default and about something that the licence of the case has. The second has every statement of the
floors that decide and enforce that no case has run.

``settings.toml`` says of each setting whether the prover draws it, or why it is outside. A setting in neither table, or
drawn and in force in no case, fails the report and ``test_reach.py``.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import coverage
from pydantic import BaseModel

from tests.proof.batches import MAKERS, tried
from tests.proof.generate import Made

REPOSITORY = Path(__file__).resolve().parent.parent.parent
SETTINGS = Path(__file__).resolve().parent / "settings.toml"
_PAGE = REPOSITORY / "docs" / "configuration.md"
_FILES = (".yaml", ".json", ".*")
_PRESET = "upstream.profile.preset"
#: The floors that decide and enforce, and in the others the modules that have a part in it.
WATCHED = (
    "gateway/odata/*.py", "gateway/policy/*.py", "gateway/redact/*.py",
    *(f"gateway/edge/{name}.py" for name in (
        "answers", "app", "bodies", "computed", "continuation", "cursors", "enforcement", "joins", "links", "listener",
        "negotiation", "outcomes", "preferences", "repeatability", "responses", "scan", "sending", "trust", "writing",
    )),
    *(f"gateway/upstream/{name}.py" for name in ("bodies", "client", "next_links", "paging")),
)  # fmt: skip
#: Statements that run where something is wrong with the program itself, or at no time at all.
_NEVER = ("assert_never", "if TYPE_CHECKING", "raise NotImplementedError", "raise AssertionError", "pragma: no cover")


# --- settings


def documented(page: Path = _PAGE) -> set[str]:
    """The settings of docs/configuration.md, and each preset as ``upstream.profile.preset = name``."""
    found: set[str] = set()
    for line in page.read_text(encoding="utf-8").splitlines():
        if not line.startswith("| `"):
            continue
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        names = {name for name in re.findall(r"`([^`]+)`", cells[0]) if not name.endswith(_FILES)}
        found |= names
        if _PRESET in names:
            known = cells[2].partition(":")[2].partition(".")[0]
            found |= {f"{_PRESET} = {name}" for name in re.findall(r"`([^`]+)`", known)}
    return found


@dataclass(frozen=True)
class Lists:
    """What ``settings.toml`` says: setting to how it is drawn, and setting to why it is outside."""

    drawn: Mapping[str, str]
    outside: Mapping[str, str]

    @classmethod
    def load(cls, path: Path = SETTINGS) -> Lists:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        return cls(data.get("drawn", {}), data.get("outside", {}))

    def faults(self, settings: Iterable[str]) -> list[str]:
        """Return what is wrong with the two lists, setting by setting."""
        known = set(settings)
        found = [f"{name}: neither drawn nor outside" for name in sorted(known - {*self.drawn, *self.outside})]
        found += [f"{name}: not a setting" for name in sorted({*self.drawn, *self.outside} - known)]
        found += [f"{name}: both drawn and outside" for name in sorted(self.drawn.keys() & self.outside.keys())]
        entries = [*self.drawn.items(), *self.outside.items()]
        return found + [f"{name}: needs a sentence" for name, text in entries if len(text.split()) < 3]

    def unreached(self, counted: Mapping[str, int]) -> list[str]:
        """Return the settings that are said to be drawn, and were in force in no case."""
        return [f"{name}: drawn, and in force in no case" for name in sorted(self.drawn) if not counted.get(name)]


def in_force(made: Made) -> set[str]:
    """Return the settings that a case has not at their default and about something that its licence has."""
    settings = made.snapshot.configuration.settings
    found = set(_changed(settings, ""))
    profile = settings.upstream.profile
    if profile.preset is not None:
        found.add(f"{_PRESET} = {profile.preset}")
    sets = set(made.case.licence.sets)
    if sets & made.snapshot.configuration.rules.never_visible.keys():
        found.add("policy.never_visible")  # a case gives its rules beside its settings
    return {name for name in found if _is_about(_value(settings, name), sets)}


def _changed(model: BaseModel, prefix: str) -> Iterator[str]:
    for name, about in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _changed(value, f"{prefix}{name}.")
        elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
            for entry in value:
                yield from _changed(entry, f"{prefix}{name}.")
        elif about.is_required() or value != about.get_default(call_default_factory=True):
            yield prefix + name


def _value(settings: BaseModel, name: str) -> Any:
    value: Any = settings
    for part in name.partition(" = ")[0].split("."):
        value = getattr(value, part, None)
    return value


def _is_about(value: Any, sets: set[str]) -> bool:
    """Whether a value is about one of the sets, where it is about resources at all."""
    if not isinstance(value, Mapping):
        return True
    resources = {str(name) for name in value if str(name)[:1].isupper()}
    return not (resources & _RESOURCES) or bool(resources & sets)


#: Resources whose names are keys of settings; those of ``class_values`` are classes and no resources.
_RESOURCES = {"Property", "Media", "Member", "Office", "OpenHouse", "Listings", "ListMember", "Teams", "PropertyRooms"}


def counted(cases: Iterable[Made]) -> Counter[str]:
    """Return how many cases each setting was in force in."""
    found: Counter[str] = Counter()
    for made in cases:
        found.update(in_force(made))
    return found


# --- statements


@dataclass
class Floor:
    """One module: how many statements it has, and those that no case ran, with their text."""

    path: str
    statements: int
    missing: list[tuple[int, str]] = field(default_factory=list)


def watched(run: Callable[[], object]) -> list[Floor]:
    """Run something with the statements of the floors watched, and return those that it did not run.

    Statements outside of functions are left out: they ran when their module was imported, before this.

    The ``coverage`` package is among the development dependencies already, and its tracer is in C: a tracer of our own
    in Python makes the prover some forty times as slow.
    """
    tracer = coverage.Coverage(data_file=None, include=[str(REPOSITORY / part) for part in WATCHED], config_file=False)
    for text in _NEVER:
        tracer.exclude(re.escape(text))
    tracer.start()
    try:
        run()
    finally:
        tracer.stop()
    found = []
    for path in sorted({path for part in WATCHED for path in REPOSITORY.glob(part)}):
        _, statements, _, missing, _ = tracer.analysis2(str(path))
        lines = path.read_text(encoding="utf-8").splitlines()
        own = _inside_functions(path)
        found.append(
            Floor(
                str(path.relative_to(REPOSITORY)),
                len(own & set(statements)),
                [(number, lines[number - 1].strip()) for number in missing if number in own],
            )
        )
    return found


def _inside_functions(path: Path) -> set[int]:
    """Return the lines inside functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {
        number
        for function in functions
        for statement in function.body
        for number in range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
    }


# --- the report


def main(licences: int) -> int:
    """Print the report of so many licences of each kind of case; return 1 where a setting is not accounted for."""
    counts: Counter[str] = Counter()
    numbers: Counter[str] = Counter()

    def run() -> None:
        for kind in MAKERS:
            for seed in range(licences):
                result = tried(seed, kind=kind)
                if result is None:
                    continue
                if result.violation is not None:
                    print(f"{kind} {seed}: {result.violation.oracle}", flush=True)
                counts.update(in_force(result.made))
                numbers[kind] += 1

    floors = watched(run)
    lists = Lists.load()
    faults = lists.faults(documented()) + lists.unreached(counts)
    print("\n".join(report(lists, counts, numbers, floors)))
    print("\n".join(["", f"{len(faults)} settings are not accounted for", *faults]))
    return 1 if faults else 0


def report(
    lists: Lists, counts: Mapping[str, int], numbers: Mapping[str, int], floors: Iterable[Floor]
) -> Iterator[str]:
    """The lines of the report."""
    yield f"{sum(numbers.values())} licences: " + ", ".join(f"{name} {number}" for name, number in numbers.items())
    yield "\nsettings, and the licences that had them in force"
    for name in sorted(documented()):
        why = lists.drawn.get(name) or f"outside: {lists.outside.get(name, 'not said why')}"
        yield f"{counts.get(name, 0):7,}  {name:45} {why}"
    floors = list(floors)
    every, left = sum(floor.statements for floor in floors), sum(len(floor.missing) for floor in floors)
    yield f"\nstatements that no case ran: {left} of {every}"
    for floor in floors:
        if floor.missing:
            yield f"{floor.path}: {len(floor.missing)} of {floor.statements}"
            yield from (f"{number:7}  {text}" for number, text in floor.missing)
