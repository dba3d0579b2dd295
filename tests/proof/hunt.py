"""The tester, tested: bugs that are put into a copy of the gateway, and how many cases it takes to find each.

    python -m tests.proof.hunt                      each bug once, from the seeds of the short form
    python -m tests.proof.hunt --seeds 3 --rare --write    the table of docs/proof.md

A bug is a patch in ``tests/proof/bugs``, never a switch in the product.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing.pool
import os
import re
import shutil
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

REPOSITORY = Path(__file__).resolve().parent.parent.parent
BUGS = Path(__file__).resolve().parent / "bugs"
PAGE = REPOSITORY / "docs" / "proof.md"
#: A bug that is not found in so many cases is not found.
CAP = 2_880
#: Far apart, so that no two walks share a case.
STRIDE = 1_000_003
#: A walk is the same whenever it is walked: the order of a set of texts would else be chance, and with it what is drawn.
_SAME = {"PYTHONHASHSEED": "2"}
_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+\d+(?:,\d+)? @@")
_BEGIN, _END = "<!-- bugs: begin -->\n", "<!-- bugs: end -->\n"


class StalePatch(Exception):
    """The code that a patch changes is not there any more."""


@dataclass(frozen=True)
class Bug:
    name: str
    what: str
    text: str

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


def bugs() -> list[Bug]:
    found = []
    for path in sorted(BUGS.glob("*.patch")):
        text = path.read_text(encoding="utf-8")
        name, _, what = text.partition("\n")[0].partition(": ")
        found.append(Bug(name, what, text))
    return found


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


_PROGRAM = """
import json, sys
from tests.proof.batches import tried
seed, cap, kind = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
cases = 0
while cases < cap:
    try:
        result = tried(seed, kind=kind)
    except AssertionError as error:
        print(json.dumps([cases + 1, "crash", repr(error)[:2000]]))
        sys.exit()
    seed += 1
    if result is None:
        continue
    cases += result.counts.cases
    if result.violation is not None:
        print(json.dumps([cases + 1, result.violation.oracle, str(result.violation)[:2000]]))
        sys.exit()
print(json.dumps([None, "", ""]))
"""


def found_after(bug: Bug, first: int, cap: int) -> tuple[int | None, str, str]:
    """How many cases from a seed on it takes, the oracle that sees it, and what it says."""
    with TemporaryDirectory() as name:
        root = Path(name)
        for folder in ("gateway", "grammar", "tests"):
            shutil.copytree(REPOSITORY / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__", "interop"))
        patched(root, bug)
        result = subprocess.run(
            [sys.executable, "-c", _PROGRAM, str(first), str(cap), bug.kind],
            cwd=root, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(root), **_SAME},
        )  # fmt: skip
    if result.returncode != 0:
        return 1, "crash", result.stderr[-2000:]
    cases, oracle, message = json.loads(result.stdout)
    return cases, oracle, message


def table(results: dict[str, list[tuple[int | None, str, str]]]) -> str:
    """How many cases each bug takes: the median over the seeds, and how many of them find it."""
    lines = ["| bug | what is wrong | median cases | found | seen by |", "|---|---|---|---|---|"]
    for bug in bugs():
        if bug.name not in results:
            continue
        found = [cases for cases, _, _ in results[bug.name] if cases is not None]
        oracles = sorted({oracle for _, oracle, _ in results[bug.name] if oracle})
        median = f"{statistics.median(found):.0f}" if found else "none"
        lines.append(
            f"| {bug.name} | {bug.what} | {median} | {len(found)} of {len(results[bug.name])} | {', '.join(oracles)} |"
        )
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.proof.hunt", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="walks for each bug; one for a rare one")
    parser.add_argument("--rare", action="store_true", help="the rare ones too, which take ten times as many cases")
    parser.add_argument("--only", action="append", default=[], help="one bug by its name")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--write", action="store_true", help="write the table into docs/proof.md")
    parser.add_argument("--verbose", action="store_true", help="say what each oracle saw")
    options = parser.parse_args(arguments)
    chosen = [bug for bug in bugs() if (bug.name in options.only if options.only else options.rare or not bug.is_rare)]
    walks = [(bug, number * STRIDE) for bug in chosen for number in range(1 if bug.is_rare else options.seeds)]
    results: dict[str, list[tuple[int | None, str, str]]] = {bug.name: [] for bug in chosen}
    with multiprocessing.pool.ThreadPool(options.jobs) as pool:
        answers = pool.imap(lambda walk: found_after(walk[0], walk[1], walk[0].cap), walks)
        for (bug, _), answer in zip(walks, answers, strict=True):
            results[bug.name].append(answer)
            if len(results[bug.name]) == (1 if bug.is_rare else options.seeds):
                counts = ", ".join(str(cases) for cases, _, _ in results[bug.name])
                seen = "/".join(sorted({oracle for _, oracle, _ in results[bug.name]}))
                print(f"{bug.name:5} {counts:>12}  {seen:8} {bug.what}", flush=True)
                if options.verbose:
                    print("      " + answer[2].replace("\n", "\n      "), flush=True)
    if options.write:
        text = PAGE.read_text(encoding="utf-8")
        head, rest = text.split(_BEGIN)
        PAGE.write_text(head + _BEGIN + table(results) + _END + rest.split(_END)[1], encoding="utf-8")
    missed = [name for name, answers in results.items() if any(cases is None for cases, _, _ in answers)]
    print(f"{len(chosen)} bugs; not found by some walk: {', '.join(missed) or 'none'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
