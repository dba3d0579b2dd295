"""Mutation testing of everything that enforces, authenticates, stores or reloads: which small changes no test notices.

    python -m tools.mutation                      an hour, from where the last run stopped
    python -m tools.mutation --minutes 10 --only edge/scan
    python -m tools.mutation --report             run nothing; tables and survivors

``tools/mutants.py`` makes the changes, ``tools/mutation_run.py`` tries them. Outcomes are kept in ``.mutation/`` by the
digest of the changed function, so that functions which stay the same are tried once. A mutant that the type checker
refuses counts as found. A survivor must be excused in ``tests/mutants.toml``, with a reason.

Tests start the supervisor and its workers as processes of their own. Mutants are put into this process only, so those
of ``workers/`` are found by the tests that call it here.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

from tests.proof.__main__ import tree_hash
from tools.mutants import Mutant, mutants, uses
from tools.mutation_run import Record, Session, choose

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGE = REPOSITORY / "gateway"
EXCUSES = REPOSITORY / "tests" / "mutants.toml"
RESULTS = REPOSITORY / "tests" / "results" / "mutation.json"
STATE = REPOSITORY / ".mutation"
#: What enforces and authenticates. Each of its survivors is killed or excused.
SECURITY = ("redact", "edge", "policy", "odata")
#: What stores, asks and reloads. Fewer than one mutant in twenty may survive there.
OTHERS = ("store", "admin", "observe/record_file", "upstream", "workers")
MOST_SURVIVING = 0.05
#: Tables of facts.
_FACTS = ("policy/data_dictionary", "policy/presets")
_TESTS = (
    "redact",
    "policy",
    "odata",
    "recorded",
    "edge",
    "store",
    "admin",
    "observe",
    "upstream",
    "workers",
    "test_supervision.py",
)
#: Slow for what they would find here; `make test` has them.
_LEFT_OUT = (
    "mutations_of_the_corpus", "test_print_is_the_inverse", "test_compiled_rules_select",
    "test_evaluation_never_raises", "two_megabytes", "test_presets",
)  # fmt: skip
#: Tests that start the service as processes run none of its lines here.
_PROCESSES = ("tests/workers/test_supervisor.py",)


@dataclass(frozen=True)
class Excuse:
    """Why a mutant may live. All that is given must fit: module, function, and a text of the changed lines."""

    reason: str
    module: str
    change: str
    function: str = ""

    def fits(self, mutant: Mutant) -> bool:
        return (
            mutant.module == self.module
            and self.function in ("", mutant.function)
            and self.change in "\n".join(mutant.change)
        )


@dataclass(frozen=True)
class Outcome:
    """``status`` is ``killed``, ``types``, ``survived`` or ``unfit``; ``by`` the test that failed."""

    status: str
    by: str = ""
    tests: int = 0


def excuses() -> list[Excuse]:
    data = tomllib.loads(EXCUSES.read_text(encoding="utf-8"))
    return [Excuse(**entry) for entry in data.get("excuse", [])]


def modules(of: Iterable[str] = (*SECURITY, *OTHERS)) -> list[str]:
    """The modules that are mutated, those of the security path first."""
    found = []
    for part in of:
        path = PACKAGE / part
        files = sorted(path.glob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
        found += [str(file.relative_to(PACKAGE).with_suffix("")) for file in files if not file.stem.startswith("__")]
    return [name for name in found if name not in _FACTS]


def is_security(module: str) -> bool:
    return module.startswith(tuple(f"{part}/" for part in SECURITY)) or module == "store/api_keys"


def rank(mutant: Mutant) -> int:
    """Guards that are gone come first, then conditions that always hold, then the rest."""
    return 0 if mutant.edit.text in ("pass", "False") else 1 if mutant.edit.text == "True" else 2


class State:
    """Outcomes by the key of a mutant, one a line of a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.outcomes: dict[str, Outcome] = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                key, *rest = json.loads(line)
                self.outcomes[key] = Outcome(*rest)

    def keep(self, mutant: Mutant, outcome: Outcome) -> None:
        self.outcomes[mutant.key] = outcome
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([mutant.key, outcome.status, outcome.by, outcome.tests]) + "\n")


class Types:
    """A copy of the package in which the type checker reads one mutant at a time."""

    def __init__(self, root: Path) -> None:
        self._root = root
        copytree(PACKAGE, root / "gateway", ignore=ignore_patterns("__pycache__"), dirs_exist_ok=True)
        strict = 'strict = true\nenable_error_code = ["redundant-expr", "truthy-bool"]\n'
        (root / "pyproject.toml").write_text(f'[tool.mypy]\npython_version = "3.11"\n{strict}', encoding="utf-8")

    def refuse(self, mutant: Mutant) -> bool:
        path = self._root / "gateway" / f"{mutant.module}.py"
        before = path.read_text(encoding="utf-8")
        path.write_text(mutant.source, encoding="utf-8")
        try:
            command = [sys.executable, "-m", "mypy", str(path.relative_to(self._root))]
            return subprocess.run(command, cwd=self._root, capture_output=True, check=False).returncode != 0  # noqa: S603  # our own
        finally:
            path.write_text(before, encoding="utf-8")


def unfit(found: Mapping[Mutant, Outcome | None], known: list[Excuse]) -> Iterator[str]:
    """Excuses that excuse nothing, and those that would excuse what a test has found."""
    for excuse in known:
        fitting = [(mutant, outcome) for mutant, outcome in found.items() if excuse.fits(mutant)]
        if not fitting:
            yield f"an excuse for nothing: {excuse}"
        for mutant, outcome in fitting:
            if outcome is not None and outcome.status == "killed":
                yield f"an excuse that is too wide: {excuse.reason}\n{mutant}"


@dataclass
class Row:
    """The numbers of one module. ``untried`` has those that could not be put in as well."""

    module: str
    mutants: int = 0
    killed: int = 0
    types: int = 0
    excused: int = 0
    surviving: int = 0
    untried: int = 0


def rows(found: Mapping[Mutant, Outcome | None], known: list[Excuse]) -> list[Row]:
    by_module: dict[str, Row] = {}
    for mutant, outcome in found.items():
        row = by_module.setdefault(mutant.module, Row(mutant.module))
        row.mutants += 1
        if outcome is None or outcome.status == "unfit":
            row.untried += 1
        elif outcome.status == "killed":
            row.killed += 1
        elif outcome.status == "types":
            row.types += 1
        elif any(excuse.fits(mutant) for excuse in known):
            row.excused += 1
        else:
            row.surviving += 1
    return list(by_module.values())


def problems(table: list[Row]) -> Iterator[str]:
    """What keeps the promise from being true."""
    for row in table:
        if is_security(row.module) and row.surviving:
            yield f"{row.module}: {row.surviving} survive"
    others = [row for row in table if not is_security(row.module)]
    tried = sum(row.mutants - row.untried - row.excused for row in others)
    surviving = sum(row.surviving for row in others)
    if surviving > MOST_SURVIVING * tried:
        yield f"of what stores, asks and reloads {surviving} of {tried} survive"
    untried = sum(row.untried for row in table)
    if untried:
        yield f"{untried} of {sum(row.mutants for row in table)} were not tried"


class Run:
    """One run: until all are tried, or the time is over."""

    def __init__(self, chosen: list[Mutant], state: State, minutes: float, *, again: bool) -> None:
        self._chosen = sorted(chosen, key=rank)
        self._state = state
        self._ends = time.monotonic() + 60 * minutes
        self._again = again
        self._types: Types | None = None
        STATE.mkdir(exist_ok=True)
        self.record = Record(STATE / "record.json", tree_hash())

    def __call__(self, session: Session) -> None:
        session.record(self.record, self._ends)
        tests = {name: seen for name, seen in self.record.tests().items() if name in session.items}
        places: dict[str, dict[str, dict[str, list[int]]]] = {}
        for mutant in self._chosen:
            before = self._state.outcomes.get(mutant.key)
            if before is not None and not (self._again and before.status in ("survived", "unfit")):
                continue
            if time.monotonic() > self._ends:
                print("the time is over", flush=True)
                return
            if mutant.is_constant and mutant.module not in places:
                places[mutant.module] = uses(mutant.module, PACKAGE)
            chosen = choose(mutant, tests, places.get(mutant.module, {}).get(mutant.function, {}))
            outcome = self._outcome(session, mutant, chosen)
            self._state.keep(mutant, outcome)
            if outcome.status in ("survived", "unfit"):
                print(f"{outcome.status} ({outcome.tests} tests): {mutant}", flush=True)

    def _outcome(self, session: Session, mutant: Mutant, chosen: list[tuple[str, float]]) -> Outcome:
        by = session.tried(mutant, chosen) if chosen else ""
        if by == "unfit":
            return Outcome("types" if self._refused(mutant) else "unfit")
        if by:
            return Outcome("killed", by, len(chosen))
        return Outcome("types" if self._refused(mutant) else "survived", "", len(chosen))

    def _refused(self, mutant: Mutant) -> bool:
        if self._types is None:
            self._types = Types(STATE / "types")
        return self._types.refuse(mutant)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.mutation", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="stop after so many minutes; go on next time")
    parser.add_argument("--only", action="append", default=[], help="modules that begin so, as `edge/scan`")
    parser.add_argument("--tests", action="append", default=[], help="files of tests, in place of all")
    parser.add_argument("--again", action="store_true", help="try survivors again, with the tests of today")
    parser.add_argument("--report", action="store_true", help="run nothing")
    parser.add_argument("--json", type=Path, default=RESULTS, help="the file of the result")
    options = parser.parse_args(arguments)
    STATE.mkdir(exist_ok=True)
    state = State(STATE / "state.jsonl")
    every = [mutant for module in modules() for mutant in mutants(module, PACKAGE / f"{module}.py")]
    chosen = [mutant for mutant in every if mutant.module.startswith(tuple(options.only) or "")]
    if not options.report:
        run = Run(chosen, state, options.minutes, again=options.again)
        tests = options.tests or [f"tests/{name}" for name in _TESTS]
        words = " and ".join(f"not {name}" for name in _LEFT_OUT)
        flags = ["-q", "-s", "-p", "no:xdist", "-p", "no:cacheprovider", "-k", words, "-m", "not interop"]
        flags += [f"--ignore={name}" for name in _PROCESSES]
        pytest.main([*flags, *tests], plugins=[Session(run)])
    found = {mutant: state.outcomes.get(mutant.key) for mutant in every}
    known = excuses()
    table = rows(found, known)
    told = [*unfit(found, known), *problems(table)]
    for mutant in chosen:
        outcome = found[mutant]
        if outcome is not None and outcome.status == "survived" and not any(known_.fits(mutant) for known_ in known):
            print(mutant)
    for row in table:
        print("  ".join(f"{name} {value}" for name, value in vars(row).items()))
    print("\n".join(told))
    report = {"tree": tree_hash(), "date": f"{datetime.now(UTC):%Y-%m-%d}", "rows": [vars(row) for row in table]}
    options.json.parent.mkdir(exist_ok=True)
    options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
