"""Cases by their numbers: one at a time, and those that one process does in a row."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.store.snapshot import Snapshot
from tests.proof.generate import Made, make_case, make_write_case
from tests.proof.oracles import Case, Counts, Trial, Violation
from tests.proof.shrinking import report, shrunk
from tests.proof.wire import WireTrial, make_wire_case


@dataclass
class Tried:
    """What came of one number: how far its requests got, and what must never be, if it was."""

    made: Made
    counts: Counts
    violation: Violation | None
    kind: str = "reads"

    def report(self) -> str:
        """The failure, cut down."""
        assert self.violation is not None
        trial = TRIALS.get(self.kind, Trial)
        # What goes through sockets takes ten times as long.
        return report(*shrunk(self.made.case, self.violation, 600 if trial is Trial else 60, trial))


#: Kind of case to what makes one of a number.
MAKERS: dict[str, Callable[[int], Made | None]] = {
    "reads": make_case, "writes": make_write_case, "wire": make_wire_case,
}  # fmt: skip
#: Kind of case to the trial that it has, where that is not ``Trial``.
TRIALS: dict[str, Callable[[Case, Snapshot | None], Trial]] = {"wire": WireTrial}


def tried(seed: int, kind: str = "reads") -> Tried | None:
    """Run the case of a number; return None where the compiler refuses its licence."""
    made = MAKERS[kind](seed)
    if made is None:
        return None
    trial = TRIALS.get(kind, Trial)(made.case, made.snapshot)
    try:
        asyncio.run(trial.run())
    except Violation as violation:
        return Tried(made, trial.counts, violation, kind)
    return Tried(made, trial.counts, None, kind)


def run_batch(seeds: tuple[int, int], kind: str = "reads") -> dict[str, Any]:
    """All cases of some seeds."""
    counts, refused = Counts(), 0
    channels: set[str] = set()
    productions: set[str] = set()
    violations = []
    for seed in range(*seeds):
        result = tried(seed, kind=kind)
        if result is None:
            refused += 1
            continue
        if result.violation is not None:
            violations.append(result.report())
        counts.add(result.counts)
        channels |= result.made.channels
        productions |= result.made.productions
    return {
        "cases": counts.cases, "refused": refused, "statuses": {str(key): value for key, value in counts.statuses.items()},
        "oracles": dict(counts.oracles), "channels": sorted(channels), "productions": sorted(productions), "violations": violations,
        "end": seeds[1],
    }  # fmt: skip
