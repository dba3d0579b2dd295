"""Some cases in a row, by their numbers: what one process does at a time."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.proof.generate import make_case
from tests.proof.oracles import Counts, Trial, Violation
from tests.proof.shrinking import report, shrunk


def run_batch(seeds: tuple[int, int]) -> dict[str, Any]:
    """All cases of some seeds."""
    counts, refused = Counts(), 0
    channels: set[str] = set()
    productions: set[str] = set()
    violations = []
    for seed in range(*seeds):
        made = make_case(seed)
        if made is None:
            refused += 1
            continue
        trial = Trial(made.case, made.snapshot)
        try:
            asyncio.run(trial.run())
        except Violation as violation:
            violations.append(report(*shrunk(made.case, violation)))
        counts.add(trial.counts)
        channels |= made.channels
        productions |= made.productions
    return {
        "cases": counts.cases, "refused": refused, "statuses": {str(key): value for key, value in counts.statuses.items()},
        "oracles": dict(counts.oracles), "channels": sorted(channels), "productions": sorted(productions), "violations": violations,
        "end": seeds[1],
    }  # fmt: skip
