"""Walk docs/channels.md: take the treatment of each row away, and see a cited test fail.

    python -m tools.channel_walk                       every row; writes tests/results/channels.json
    python -m tools.channel_walk --only C25 --only C26
    python -m tools.channel_walk --sample 12           the rows of today; each row has its turn

A treatment is taken away by a patch of ``tests/channels``:

    channels: C25 C26
    what: a hidden name is looked up in the schema
    --- a/gateway/...

A patch changes files of ``gateway/`` or ``grammar/`` only, and the patched tree type-checks. A row is held when, for
each patch that names it, a test that cites it fails by an assertion with the patch, and passes without. A row of kind
``documentation`` is held when docs/guarantees.md cites its number.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.proof.__main__ import tree_hash
from tests.proof.hunt import Bug, StalePatch, patched
from tools import channels

REPOSITORY = Path(__file__).resolve().parent.parent
PATCHES = REPOSITORY / "tests" / "channels"
GUARANTEES = REPOSITORY / "docs" / "guarantees.md"
RESULTS = REPOSITORY / "tests" / "results" / "channels.json"
#: Rows that still wait for a patch, one a line. It may only become shorter.
WITHOUT = PATCHES / "without.txt"
#: Kinds of rows that are closed, and so need a patch.
CLOSED = ("read", "write")
#: Seconds after which the tests of one patch are given up: a treatment that ends something may be gone.
_PATIENCE = 900
#: The type checker stays in memory, because each patch changes a line or two.
_DAEMON = ".dmypy.json"
_CHECKER = ["-m", "mypy.dmypy", "--status-file", _DAEMON]
_LEFT_OUT = shutil.ignore_patterns(
    ".venv", ".git", "__pycache__", ".proof", ".pytest_cache", ".ruff_cache", ".hypothesis", "interop", "node_modules"
)


@dataclass(frozen=True)
class Patch:
    """One treatment taken away. ``text`` is the whole file."""

    name: str
    channels: tuple[str, ...]
    what: str
    text: str

    @property
    def files(self) -> list[str]:
        return re.findall(r"^--- a/(\S+)", self.text, flags=re.MULTILINE)


@dataclass
class Verdict:
    """The outcome for the channels of one patch: the test that fails, or why none counts."""

    patch: Patch
    held: dict[str, str] = field(default_factory=dict)
    open: dict[str, str] = field(default_factory=dict)


class BadPatch(Exception):
    """A patch that cannot be put in, or with which the tree does not type-check."""


def patches(folder: Path = PATCHES) -> list[Patch]:
    """Read all patches.

    Raises:
        BadPatch: a head line is missing, or a file outside of ``gateway/`` and ``grammar/`` is changed.
    """
    found = []
    for path in sorted(folder.glob("*.patch")):
        text = path.read_text(encoding="utf-8")
        match = re.match(r"channels: ((?:C\d+ ?)+)\nwhat: (.+)\n--- a/", text)
        if match is None:
            raise BadPatch(f"{path.name}: the head is not `channels: C1 C2`, `what: ...`, then a diff")
        patch = Patch(path.stem, tuple(match[1].split()), match[2], text)
        if any(not name.startswith(("gateway/", "grammar/")) for name in patch.files):
            raise BadPatch(f"{path.name}: changes a file outside of gateway/ and grammar/")
        found.append(patch)
    return found


def rows_of_kind(*kinds: str) -> list[str]:
    """The channels of some kinds, in the order of the page."""
    text = channels.PAGE.read_text(encoding="utf-8")
    return [channel for channel, _, kind, _ in channels.rows(text) if kind.partition(":")[0] in kinds]


def without() -> list[str]:
    """The rows that wait for a patch."""
    return WITHOUT.read_text(encoding="utf-8").split() if WITHOUT.exists() else []


def documented() -> set[str]:
    """The channels that docs/guarantees.md cites."""
    return set(re.findall(r"\bC\d+\b", GUARANTEES.read_text(encoding="utf-8")))


def sampled(rows: Sequence[str], number: int, day: date) -> list[str]:
    """Choose the rows of a day. Days that follow each other take other rows, until all have had their turn."""
    order = list(rows)
    random.Random("channels").shuffle(order)  # noqa: S311  # an order that everybody gets, not a secret
    first = day.toordinal() * number
    return [order[place % len(order)] for place in range(first, first + min(number, len(order)))]


@contextmanager
def copied(source: Path = REPOSITORY) -> Iterator[Path]:
    """A copy of the tree that patches go into, and out of again."""
    with TemporaryDirectory() as name:
        root = Path(name) / "tree"
        shutil.copytree(source, root, ignore=_LEFT_OUT, symlinks=True)
        try:
            yield root
        finally:
            stop_checker(root)


@contextmanager
def applied(root: Path, patch: Patch, source: Path = REPOSITORY) -> Iterator[None]:
    """Put a patch into a copy, and take it out."""
    try:
        patched(root, Bug(patch.name, patch.what, patch.text))
        _forget_compiled(root, patch)
        yield
    except StalePatch as error:
        raise BadPatch(f"its lines are not in the file any more:\n{error}") from None
    finally:
        for name in patch.files:
            shutil.copy2(source / name, root / name)
        _forget_compiled(root, patch)


def _forget_compiled(root: Path, patch: Patch) -> None:
    """A compiled file counts by second and size, which a patch may both keep."""
    for name in patch.files:
        path = root / name
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            compiled.unlink()


def stop_checker(root: Path) -> None:
    """End the type checker of a tree, if it runs."""
    if (root / _DAEMON).exists():
        _run(root, [*_CHECKER, "stop"], {})


def type_checked(root: Path) -> None:
    """Raises BadPatch where the gateway of a tree does not type-check: such a tree would fail any test."""
    result = _run(root, [*_CHECKER, "run", "--timeout", str(_PATIENCE), "--", "gateway"], {})
    if result.returncode > 1:  # the daemon did not come up in time, or it is broken
        stop_checker(root)
        result = _run(root, ["-m", "mypy", "gateway"], {})
    if result.returncode != 0:
        raise BadPatch(f"does not type-check:\n{(result.stdout + result.stderr)[-1500:]}")


def tested(
    root: Path, wanted: Collection[str], cited: Mapping[str, list[str]], tests: Collection[str] = (), *, stop: bool
) -> list[tuple[str, list[str], str, str]]:
    """Run the tests of channels in a tree: node id, channels, outcome, message (see tools/channel_reports.py)."""
    places = sorted({_place(test) for channel in wanted for test in cited.get(channel, ())}, key=_cost)
    if not places:
        return []
    with TemporaryDirectory() as name:
        order, report = Path(name) / "order.json", Path(name) / "report.json"
        text = {"channels": sorted(wanted), "tests": sorted(tests), "stop": stop, "report": str(report)}
        order.write_text(json.dumps(text), encoding="utf-8")
        options = ["-p", "tools.channel_reports", "-p", "no:cacheprovider", "--tb=no", "-m", "not interop"]
        try:
            result = _run(root, ["-m", "pytest", *options, *places], {"CHANNEL_WALK": str(order)})
        except subprocess.TimeoutExpired:
            return [("", sorted(wanted), "crashed", f"no end after {_PATIENCE} seconds")]
        if not report.exists():
            return [("", sorted(wanted), "error", (result.stdout + result.stderr)[-1500:])]
        return [tuple(found) for found in json.loads(report.read_text(encoding="utf-8"))]


def _cost(place: str) -> tuple[bool, str]:
    """Tests of the pure floors first: once one has failed, the slow ones need not run."""
    return not place.startswith(("tests/odata/", "tests/policy/", "tests/redact/")), place


def _place(test: str) -> str:
    file, _, name = test.partition(": ")
    return f"tests/{file}::{name}"


def _run(root: Path, arguments: list[str], variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(root), "PYTHONHASHSEED": "0", **variables}
    return subprocess.run(  # noqa: S603  # our own interpreter, on a copy of our own tree
        [sys.executable, *arguments],
        cwd=root,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE,
    )


def tried(root: Path, patch: Patch, wanted: Collection[str], source: Path = REPOSITORY) -> Verdict:
    """Find, for each wanted channel of a patch, a cited test that fails with it by an assertion."""
    verdict = Verdict(patch)
    asked = [channel for channel in patch.channels if channel in wanted]
    try:
        with applied(root, patch, source):
            type_checked(root)
            found = tested(root, asked, channels.citations(root / "tests"), stop=True)
    except BadPatch as error:
        verdict.open = {channel: str(error) for channel in asked}
        return verdict
    for channel in asked:
        of_it = [result for result in found if channel in result[1]]
        failed = [test for test, _, outcome, _ in of_it if outcome == "failed"]
        if failed:
            verdict.held[channel] = failed[0]
            continue
        other = [
            f"{test} {outcome}: {message}" for test, _, outcome, message in of_it if outcome in ("crashed", "error")
        ]
        verdict.open[channel] = "; ".join(["no cited test fails by an assertion", *other])
    return verdict


def confirmed(root: Path, verdicts: Iterable[Verdict]) -> None:
    """Take back each verdict whose test does not pass in the tree as it is."""
    held = [(verdict, channel, test) for verdict in verdicts for channel, test in verdict.held.items()]
    found = tested(
        root,
        {channel for _, channel, _ in held},
        channels.citations(root / "tests"),
        {test for _, _, test in held},
        stop=False,
    )
    passed = {test for test, _, outcome, _ in found if outcome == "passed"}
    for verdict, channel, test in held:
        if test not in passed:
            del verdict.held[channel]
            verdict.open[channel] = f"{test} does not pass without the patch"


def walked(every: Sequence[Patch], wanted: Collection[str], jobs: int, source: Path = REPOSITORY) -> list[Verdict]:
    """Try all patches of the wanted rows, each job in a copy of its own."""
    chosen = [patch for patch in every if set(patch.channels) & set(wanted)]
    trees: list[Path] = []
    lock = threading.Lock()

    def one(patch: Patch) -> Verdict:
        with lock:
            root = trees.pop()
        try:
            verdict = tried(root, patch, wanted, source)
        finally:
            with lock:
                trees.append(root)
        _say(verdict)
        return verdict

    def nested(left: int) -> list[Verdict]:
        if left:
            with copied(source) as root:
                trees.append(root)
                return nested(left - 1)
        with ThreadPoolExecutor(jobs) as pool:
            verdicts = list(pool.map(one, chosen))
        confirmed(trees[0], verdicts)
        return verdicts

    return nested(jobs)


def _say(verdict: Verdict) -> None:
    number = len(verdict.held) + len(verdict.open)
    print(f"{verdict.patch.name:40} {len(verdict.held)}/{number}  {verdict.patch.what}", flush=True)
    for channel, why in verdict.open.items():
        print(f"    {channel}: {why}", flush=True)


def summary(wanted: Sequence[str], verdicts: Sequence[Verdict]) -> dict[str, dict[str, object]]:
    """The state of each wanted row: held, not held, or no patch."""
    rows: dict[str, dict[str, object]] = {}
    closed, told = set(rows_of_kind(*CLOSED)), documented()
    waiting = set(rows_of_kind("later"))
    for channel in wanted:
        if channel in waiting:
            rows[channel] = {"state": "later"}
        elif channel not in closed:
            rows[channel] = {"state": "held" if channel in told else "not held", "place": "docs/guarantees.md"}
        else:
            tests = {verdict.patch.name: verdict.held[channel] for verdict in verdicts if channel in verdict.held}
            why = {verdict.patch.name: verdict.open[channel] for verdict in verdicts if channel in verdict.open}
            state = "not held" if why else "held" if tests else "no patch"
            rows[channel] = {"state": state, "tests": tests, **({"why": why} if why else {})}
    return rows


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.channel_walk", description=__doc__)
    parser.add_argument("--only", action="append", default=[], help="one row, by its number")
    parser.add_argument(
        "--patch", action="append", default=[], help="the rows of one patch, by its name, with it alone"
    )
    parser.add_argument("--sample", type=int, default=0, help="so many rows, other ones each day")
    parser.add_argument("--day", type=date.fromisoformat, default=datetime.now(UTC).date())
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--results", type=Path, help="where to write the outcome (JSON)")
    options = parser.parse_args(arguments)
    every = rows_of_kind(*CLOSED, "documentation", "later")
    ready = [channel for channel in rows_of_kind(*CLOSED) if channel not in without()]
    wanted = options.only or (sampled(ready, options.sample, options.day) if options.sample else every)
    known = patches()
    if options.patch:
        known = [patch for patch in known if patch.name in options.patch]
        wanted = [channel for channel in every if any(channel in patch.channels for patch in known)]
    verdicts = walked(known, wanted, options.jobs)
    rows = summary(wanted, verdicts)
    path = options.results or (None if options.only or options.patch or options.sample else RESULTS)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        result = {"tree": tree_hash(), "date": str(options.day), "rows": rows}
        path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    states = [str(row["state"]) for row in rows.values()]
    print(", ".join(f"{state}: {states.count(state)}" for state in sorted(set(states))))
    for state in ("no patch", "not held"):
        if state in states:
            print(f"{state}:", *[channel for channel, row in rows.items() if row["state"] == state])
    return 1 if {"no patch", "not held"} & set(states) else 0


if __name__ == "__main__":
    sys.exit(main())
