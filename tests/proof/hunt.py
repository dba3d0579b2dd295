"""The tester, tested: bugs that are put into a copy of the gateway, and how many cases it takes to find each.

    python -m tests.proof.hunt                      each bug once, from the seeds of the short form
    python -m tests.proof.hunt --seeds 3 --rare --json tests/results/hunt.json    the table of docs/proof.md

A bug is a patch in ``tests/proof/bugs``, never a switch in the product. Its second line names the oracles that may see
it. A bug is found when one of these sees it, on a tree that type-checks: a crash finds nothing, and a patch that the
type checker refuses is an error of the patch.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing.pool
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.proof.__main__ import UNFINISHED, tree_hash, write_result

REPOSITORY = Path(__file__).resolve().parent.parent.parent
BUGS = Path(__file__).resolve().parent / "bugs"
#: A bug that is not found in so many cases is not found.
CAP = 5_760
#: Far apart, so that no two walks share a case.
STRIDE = 1_000_003
#: A walk is the same whenever it is walked: the order of a set of texts would else be chance, and with it what is drawn.
_SAME = {"PYTHONHASHSEED": "2"}
_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+\d+(?:,\d+)? @@")
_ORACLES = re.compile(r"oracles: (O\d+(?: O\d+)*)")


class StalePatch(Exception):
    """The code that a patch changes is not there any more."""


class UnstatedOracles(Exception):
    """A patch does not say in its second line which oracles may see its bug."""


@dataclass(frozen=True)
class Bug:
    name: str
    what: str
    oracles: tuple[str, ...]
    text: str

    @property
    def files(self) -> frozenset[str]:
        """The files that it changes."""
        return frozenset(name.strip() for name in re.findall(r"^--- a/(.*)$", self.text, re.MULTILINE))

    @property
    def cap(self) -> int:
        """The most cases of a walk: rare bugs are for ``make prove``."""
        return CAP * 10 if self.is_rare else CAP

    @property
    def kind(self) -> str:
        """The kind of cases in which it shows."""
        return next((kind for kind in ("writes", "wire") if f"({kind}" in self.what), "reads")

    @property
    def is_rare(self) -> bool:
        return self.what.endswith("rare)")


def bug_of(text: str) -> Bug:
    """Read a patch: its name and what is wrong, the oracles that may see it, and the difference.

    Raises:
        UnstatedOracles: the second line does not name any.
    """
    first, second = text.splitlines()[:2]
    name, _, what = first.partition(": ")
    match = _ORACLES.fullmatch(second)
    if match is None:
        raise UnstatedOracles(
            f"{name}: the second line names the oracles that may see it, for example `oracles: O3 O5`"
        )
    return Bug(name, what, tuple(match[1].split()), text)


def bugs() -> list[Bug]:
    return [bug_of(path.read_text(encoding="utf-8")) for path in sorted(BUGS.glob("*.patch"))]


def applied(text: str, patch: list[str]) -> str:
    """A file after the hunks of one patch (unified diff), each where its own lines stand.

    Raises:
        StalePatch: the lines of a hunk are not in the file.
    """
    lines = text.splitlines(keepends=True)
    moved = 0
    position = 0
    while position < len(patch):
        match = _HUNK.match(patch[position])
        assert match is not None, patch[position]
        position += 1
        old: list[str] = []
        new: list[str] = []
        while position < len(patch) and not patch[position].startswith("@@"):
            sign, line = patch[position][0], patch[position][1:]
            old += [line] if sign in " -" else []
            new += [line] if sign in " +" else []
            position += 1
        wanted = int(match[1]) - 1 + moved
        places = [place for place in range(len(lines) - len(old) + 1) if lines[place : place + len(old)] == old]
        if not places:
            raise StalePatch("".join(old))
        place = min(places, key=lambda found: abs(found - wanted))
        lines[place : place + len(old)] = new
        moved += len(new) - len(old)
    return "".join(lines)


def patched(root: Path, bug: Bug) -> None:
    """Puts a bug into the tree under ``root``."""
    for part in re.split(r"^--- a/", bug.text, flags=re.MULTILINE)[1:]:
        name, _, rest = part.partition("\n")
        path = root / name.strip()
        hunks = rest.splitlines(keepends=True)[1:]
        path.write_text(applied(path.read_text(encoding="utf-8"), hunks), encoding="utf-8")


def refused(chosen: Iterable[Bug], repository: Path = REPOSITORY) -> dict[str, str]:
    """Return what the type checker says of the trees with these bugs in them, by the bug that it refuses.

    Bugs of different files are tried in one tree: none can hide another's fault, as nothing is checked across files
    but the types of what they offer. Where such a tree is refused, each of its bugs is tried alone.
    """
    rounds: list[list[Bug]] = []
    for bug in sorted(chosen, key=lambda bug: -len(bug.files)):
        fits = (some for some in rounds if not any(bug.files & other.files for other in some))
        some = next(fits, None)
        if some is None:
            rounds.append([bug])
        else:
            some.append(bug)
    found = {}
    with TemporaryDirectory() as name:
        root = Path(name)
        shutil.copytree(repository / "gateway", root / "gateway", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(repository / "pyproject.toml", root)
        if (repository / ".mypy_cache").is_dir():
            shutil.copytree(repository / ".mypy_cache", root / ".mypy_cache")
        before = {path: path.read_text(encoding="utf-8") for path in (root / "gateway").rglob("*.py")}
        for some in rounds:
            if _complaints(root, before, some):
                found.update({bug.name: told for bug in some if (told := _complaints(root, before, [bug]))})
    return found


def _complaints(root: Path, before: dict[Path, str], some: list[Bug]) -> str:
    """Return the type checker's complaints about the tree with some bugs in it."""
    for bug in some:
        patched(root, bug)
    names = {name for bug in some for name in bug.files}
    _touch(root, names)
    try:
        result = subprocess.run(
            [sys.executable, "-m", "mypy", "--strict", "gateway"], cwd=root, capture_output=True, text=True, check=False
        )
    finally:
        for name in names:
            (root / name).write_text(before[root / name], encoding="utf-8")
        _touch(root, names)
    return "" if result.returncode == 0 else result.stdout + result.stderr


_moments = itertools.count(1_000_000_000)


def _touch(root: Path, names: Iterable[str]) -> None:
    """Give files a time that they never had: the type checker takes one of the same second and size for the same."""
    moment = next(_moments)
    for name in names:
        os.utime(root / name, (moment, moment))


#: Walks cases until an oracle sees the bug that is stated for it. Other oracles, and answers that fail for a reason that
#: nobody foresaw, are counted and passed by.
_PROGRAM = """
import json, sys
from tests.proof.batches import tried
seed, cap, kind, stated = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]
cases, others = 0, {}
while cases < cap:
    result = tried(seed, kind=kind)
    seed += 1
    if result is None:
        continue
    cases += result.counts.cases
    violation = result.violation
    if violation is None:
        continue
    cases += 1
    oracle = "crash" if violation.message.startswith("unforeseen") else violation.oracle
    if oracle in stated:
        print(json.dumps([cases, oracle, str(violation)[:2000], others]))
        sys.exit()
    others[oracle] = others.get(oracle, 0) + 1
print(json.dumps([None, "", "", others]))
"""


@dataclass(frozen=True)
class Walk:
    """What came of one walk: the number of cases until a stated oracle saw the bug, and what else was seen.

    ``cases`` is None where none saw it; ``crash`` holds the end of the report where the prover itself broke.
    """

    cases: int | None
    oracle: str
    message: str
    others: dict[str, int]
    crash: str = ""


def walked(bug: Bug, first: int, cap: int, repository: Path = REPOSITORY) -> Walk:
    """Walk from a seed on until a stated oracle sees a bug, or the cap is reached."""
    with TemporaryDirectory() as name:
        root = Path(name)
        for folder in ("gateway", "grammar", "tests"):
            shutil.copytree(repository / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__", "interop"))
        patched(root, bug)
        result = subprocess.run(
            [sys.executable, "-c", _PROGRAM, str(first), str(cap), bug.kind, *bug.oracles],
            cwd=root, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(root), **_SAME},
        )  # fmt: skip
    if result.returncode != 0:
        return Walk(None, "", "", {}, result.stderr[-2000:])
    return Walk(*json.loads(result.stdout))


@dataclass
class Results:
    """The walks of one tree, by bug and first seed; kept in a file where there is one."""

    tree: str
    walks: dict[str, Walk]
    path: Path | None = None

    @classmethod
    def load(cls, path: Path | None, tree: str) -> Results:
        if path is not None and path.exists():
            kept = json.loads(path.read_text(encoding="utf-8"))
            if kept["tree"] == tree:
                return cls(tree, {name: Walk(**walk) for name, walk in kept["walks"].items()}, path)
        return cls(tree, {}, path)

    def of(self, bug: Bug, first: int) -> Walk | None:
        return self.walks.get(f"{_name(bug)} {first}")

    def all_of(self, bug: Bug) -> list[Walk]:
        return [walk for name, walk in self.walks.items() if name.startswith(f"{_name(bug)} ")]

    def add(self, bug: Bug, first: int, walk: Walk) -> None:
        self.walks[f"{_name(bug)} {first}"] = walk
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            beside = self.path.with_suffix(".new")
            beside.write_text(json.dumps(asdict(self) | {"path": None}, indent=1) + "\n", encoding="utf-8")
            beside.replace(self.path)


def _name(bug: Bug) -> str:
    """Return a name that another patch of the same number does not have."""
    return f"{bug.name} {sha256(bug.text.encode()).hexdigest()[:16]}"


def row(bug: Bug, walks: list[Walk]) -> dict[str, object]:
    """Return the line of the table for one bug, as data."""
    found = [walk.cases for walk in walks if walk.cases is not None]
    return {
        "name": bug.name,
        "what": bug.what,
        "median": round(statistics.median(found)) if found else None,
        "found": len(found),
        "walks": len(walks),
        "oracles": sorted({walk.oracle for walk in walks if walk.oracle}, key=lambda oracle: int(oracle[1:])),
    }


def told(bug: Bug, walks: list[Walk], *, verbose: bool = False) -> str:
    """Return what is printed of the walks of one bug."""
    counts = ", ".join("crash" if walk.crash else str(walk.cases) for walk in walks)
    seen = "/".join(sorted({walk.oracle for walk in walks if walk.oracle}))
    others: Counter[str] = Counter()
    for walk in walks:
        others.update(walk.others)
    passed = "".join(f", {oracle} {number} times" for oracle, number in sorted(others.items()))
    line = f"{bug.name:5} {counts:>12}  {seen:8} {bug.what}" + (f" (passed by{passed[1:]})" if passed else "")
    message = (walks[-1].crash or walks[-1].message).replace("\n", "\n      ")
    return f"{line}\n      {message}" if message and (verbose or any(walk.crash for walk in walks)) else line


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.proof.hunt", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="walks for each bug; one for a rare one")
    parser.add_argument("--rare", action="store_true", help="the rare ones too, which take ten times as many cases")
    parser.add_argument("--only", action="append", default=[], help="one bug by its name")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="write the rows of the table into this file")
    parser.add_argument("--state", type=Path, help="keep each walk in this file, and go on from there on the same tree")
    parser.add_argument(
        "--minutes", type=float, default=0, help="begin no walk after so long; 75 where some are missing"
    )
    parser.add_argument("--verbose", action="store_true", help="print what each oracle saw")
    options = parser.parse_args(arguments)
    chosen = [bug for bug in bugs() if (bug.name in options.only if options.only else options.rare or not bug.is_rare)]
    wrong = refused(chosen)
    for name, complaints in wrong.items():
        print(f"{name}: the tree with this patch does not type-check\n{complaints}")
    if wrong:
        return 1
    seeds = {bug.name: 1 if bug.is_rare else options.seeds for bug in chosen}
    results = Results.load(options.state, tree_hash())
    missing = [
        (bug, number * STRIDE)
        for bug in chosen
        for number in range(seeds[bug.name])
        if results.of(bug, number * STRIDE) is None
    ]
    ends = time.monotonic() + options.minutes * 60 if options.minutes else None

    def step(walk: tuple[Bug, int]) -> Walk | None:
        late = ends is not None and time.monotonic() > ends
        return None if late else walked(walk[0], walk[1], walk[0].cap)

    with multiprocessing.pool.ThreadPool(options.jobs) as pool:
        for (bug, first), answer in zip(missing, pool.imap(step, missing), strict=True):
            if answer is not None:
                results.add(bug, first, answer)
                if len(several := results.all_of(bug)) == seeds[bug.name]:
                    print(told(bug, several, verbose=options.verbose), flush=True)
    if any(len(results.all_of(bug)) < seeds[bug.name] for bug in chosen):
        print("the time is over; the next run goes on from here")
        return UNFINISHED
    if options.json is not None:
        write_result(options.json, [row(bug, results.all_of(bug)) for bug in chosen], results.tree)
    missed = [bug.name for bug in chosen if any(walk.cases is None for walk in results.all_of(bug))]
    print(f"{len(chosen)} bugs; not found by some walk: {', '.join(missed) or 'none'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
