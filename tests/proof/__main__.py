"""``python -m tests.proof``: the long form. Cases from numbers, in several processes, until enough are done.

A case is one request answered in front of both databases. What was done is kept beside the tree that it was done on, so
a run that was interrupted goes on, and counts add up as long as ``gateway/``, ``grammar/`` and this folder stay as they are.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import multiprocessing
import os
import platform
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.pool import AsyncResult
from pathlib import Path
from typing import Any

from tests.proof import reach
from tests.proof.batches import run_batch
from tests.proof.surface import CHANNELS, PRODUCTIONS, WRITE_CHANNELS

REPOSITORY = Path(__file__).resolve().parent.parent.parent
#: Seeds that one process takes at a time.
_BATCH = 40
#: How a run ends that goes on next time (EX_TEMPFAIL).
UNFINISHED = 75


def tree_hash(root: Path = REPOSITORY) -> str:
    """One hash over every file of ``gateway/`` and ``grammar/``."""
    return _hash(root, [path for folder in ("gateway", "grammar") for path in sorted((root / folder).rglob("*"))])


def prover_hash(root: Path = REPOSITORY) -> str:
    """One hash over the programs of the prover: cases of another one are other cases."""
    return _hash(root, sorted((root / "tests" / "proof").glob("*.py")))


def _hash(root: Path, paths: Sequence[Path]) -> str:
    found = hashlib.sha256()
    for path in paths:
        if path.is_file() and "__pycache__" not in path.parts:
            found.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()


@dataclass
class Done:
    """What has been done on one tree, by one prover."""

    tree: str
    prover: str = ""
    next_seed: int = 0
    cases: int = 0
    seconds: float = 0.0
    runs: int = 0
    longest_run: int = 0
    refused: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    oracles: dict[str, int] = field(default_factory=dict)
    channels: list[str] = field(default_factory=list)
    productions: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    @classmethod
    def load(cls, path: Path, tree: str, prover: str) -> Done:
        if path.exists():
            kept = cls(**json.loads(path.read_text(encoding="utf-8")))
            if (kept.tree, kept.prover) == (tree, prover):
                return kept
        return cls(tree, prover)

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".new")
        beside.write_text(json.dumps(self.__dict__, indent=1) + "\n", encoding="utf-8")
        beside.replace(path)

    def add(self, batch: dict[str, Any]) -> None:
        self.cases += batch["cases"]
        self.refused += batch["refused"]
        self.statuses = dict(Counter(self.statuses) + Counter(batch["statuses"]))
        self.oracles = dict(Counter(self.oracles) + Counter(batch["oracles"]))
        self.channels = sorted({*self.channels, *batch["channels"]})
        self.productions = sorted({*self.productions, *batch["productions"]})
        self.violations += batch["violations"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000, help="cases of this run")
    parser.add_argument("--minutes", type=float, default=0, help="stop after so long, whatever --cases says")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--state", type=Path, default=None, help="where it is kept how far this tree has come")
    parser.add_argument("--seed", type=int, default=None, help="one case by its number, alone")
    parser.add_argument(
        "--until", type=int, default=0, help="stop once so many cases are done on this tree; 75 where they are not"
    )
    parser.add_argument("--json", type=Path, default=None, help="write what was done on this tree into this file")
    parser.add_argument("--writes", action="store_true", help="cases with writes among the reads")
    parser.add_argument("--wire", action="store_true", help="cases through real sockets on both sides")
    parser.add_argument("--coverage", action="store_true", help="what of settings and statements the cases reach")
    parser.add_argument("--licences", type=int, default=200, help="of each kind of case, for --coverage")
    return parser


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if options.coverage:
        return reach.main(options.licences)
    kind = "wire" if options.wire else "writes" if options.writes else "reads"
    if options.seed is not None:
        batch = run_batch((options.seed, options.seed + 1), kind)
        print("\n".join(batch["violations"]) or f"{batch['cases']} cases, no violation")
        return 1 if batch["violations"] else 0
    state = options.state or REPOSITORY / ".proof" / {"reads": "state.json"}.get(kind, f"{kind}.json")
    every = CHANNELS if kind == "reads" else CHANNELS | WRITE_CHANNELS
    done = Done.load(state, tree_hash(), prover_hash())
    done.runs += 1
    if options.until:
        options.cases = max(options.until - done.cases, 0)
    before, started, spent = done.cases, time.monotonic(), done.seconds
    last_said = 0.0
    try:
        with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
            waiting: deque[AsyncResult[dict[str, Any]]] = deque()
            starts = itertools.count(done.next_seed, _BATCH)
            while not options.until or done.cases < options.until:
                while len(waiting) < 2 * options.jobs:
                    start = next(starts)
                    waiting.append(pool.apply_async(run_batch, ((start, start + _BATCH), kind)))
                # In the order in which they were handed out, so that what is done is always one stretch.
                batch = waiting.popleft().get()
                done.add(batch)
                done.next_seed = batch["end"]
                done.seconds = spent + time.monotonic() - started
                done.longest_run = max(done.longest_run, done.cases - before)
                done.save(state)
                if done.seconds - last_said > 10 or batch["violations"]:
                    last_said = done.seconds
                    _say(done, before, len(every))
                for violation in batch["violations"]:
                    print(violation, flush=True)
                late = options.minutes and time.monotonic() - started > options.minutes * 60
                if late or done.cases - before >= options.cases or len(done.violations) >= 20:
                    break
    except KeyboardInterrupt:
        print("interrupted; the next run goes on from here", flush=True)
    print(summary(done, before, len(every)))
    if options.json is not None:
        write_result(options.json, [row(done, len(every))], done.tree)
    if done.violations:
        return 1
    return UNFINISHED if done.cases < options.until else 0


def row(done: Done, channels: int) -> dict[str, Any]:
    """Return what was done on one tree, as a row of docs/proof.md."""
    return {
        "cases": done.cases,
        "seconds": round(done.seconds),
        "licences": done.next_seed,
        "refused": done.refused,
        "channels": f"{len(done.channels)} of {channels}",
        "productions": f"{len(done.productions)} of {len(PRODUCTIONS)}",
        "violations": len(done.violations),
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}",
    }


def write_result(path: Path, rows: list[dict[str, Any]], tree: str) -> None:
    """Write the result of a long run as ``tools/proof_page.py`` reads it: rows, with their tree and date."""
    found = {"tree": tree, "date": datetime.now(UTC).date().isoformat(), "rows": rows}
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    beside.replace(path)


def _say(done: Done, before: int, channels: int) -> None:
    print(
        f"{done.cases - before:>9,} cases of this run, {done.cases:,} on this tree, {done.seconds:,.0f} s; "
        f"channels {len(done.channels)}/{channels}, productions {len(done.productions)}/{len(PRODUCTIONS)}; "
        f"violations {len(done.violations)}",
        flush=True,
    )


def summary(done: Done, before: int = 0, channels: int = len(CHANNELS)) -> str:
    """The report of a run."""
    statuses = ", ".join(f"{status} {number:,}" for status, number in sorted(done.statuses.items()))
    oracles = ", ".join(f"{name} {number:,}" for name, number in sorted(done.oracles.items()))
    return "\n".join([
        f"tree        {done.tree}",
        f"cases       {done.cases - before:,} in this run, {done.cases:,} in {done.runs} runs on this tree, the longest {done.longest_run:,}",
        f"time        {done.seconds:,.0f} s on {platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}",
        f"licences    {done.next_seed:,}, of which the compiler refused {done.refused:,}",
        f"answers     {statuses}",
        f"checks      {oracles}",
        f"channels    {len(done.channels)} of {channels}, productions {len(done.productions)} of {len(PRODUCTIONS)}",
        f"violations  {len(done.violations)}",
    ])  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
