"""A few of the schedules of ``python -m tests.proof.faults``, which runs hundreds."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.proof.faults import run_schedule


@pytest.mark.guarantee("G5")
@pytest.mark.channel("C303", "C350", "C364")
@pytest.mark.parametrize("seed", range(4))
def test_whatever_breaks_nothing_forbidden_leaves(tmp_path: Path, seed: int) -> None:
    told = asyncio.run(run_schedule(seed, tmp_path / "config"))

    assert told.wrong == []
    assert told.statuses[200] > 5
    assert told.statuses.total() - told.statuses[200] > 5
