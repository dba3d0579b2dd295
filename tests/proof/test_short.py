"""The short form of the proof: some seeds of the same generator as ``make prove``, the same on every machine."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.proof.batches import tried
from tests.proof.oracles import Counts

#: Seeds with writes.
WRITES = 40
#: Seeds whose requests go through sockets.
WIRE = 18
#: Seeds of the short form, and how many of them one test takes: a failure names few.
SEEDS, SHARE = 120, 20


def counted(seeds: Iterable[int], kind: str) -> Counts:
    """Run the cases of some numbers, and fail with the report of the first violation."""
    counts = Counts()
    for seed in seeds:
        result = tried(seed, kind)
        if result is None:
            continue
        if result.violation is not None:
            pytest.fail(result.report(), pytrace=False)
        counts.add(result.counts)
    return counts


@pytest.mark.guarantee("G1", "G2", "G3", "G4", "G5", "G6")
@pytest.mark.parametrize("first", range(0, SEEDS, SHARE))
def test_two_databases_that_a_licence_cannot_tell_apart_give_equal_answers(first: int) -> None:
    counts = counted(range(first, first + SHARE), "reads")

    # Nothing is proven by requests that are all refused.
    assert counts.cases > 300
    assert counts.statuses[200] > counts.cases // 5
    assert all(counts.oracles[name] for name in ("O1", "O2", "O3", "O4", "O5", "O7", "O8", "O10"))


@pytest.mark.guarantee("G1", "G2", "G4")
@pytest.mark.channel("C205", "C206", "C207", "C211", "C212", "C219", "C321", "C323", "C324", "C325", "C327")
@pytest.mark.parametrize("first", range(0, WRITES, SHARE))
def test_writes_do_what_they_state_where_the_licence_allows_it(first: int) -> None:
    counts = counted(range(first, first + SHARE), "writes")

    assert counts.cases > 150
    assert counts.statuses[204] + counts.statuses[201] > 10
    assert all(counts.oracles[name] for name in ("O1", "O2", "O4", "O9", "O10"))


@pytest.mark.guarantee("G1", "G2", "G5")
@pytest.mark.channel("C157", "C304", "C316")
def test_what_http_adds_to_an_answer_tells_nothing() -> None:
    """Each byte that a client reads from a socket is compared, whatever the upstream's own headers and frames are."""
    counts = counted(range(WIRE), "wire")

    assert counts.cases > 150
    assert counts.statuses[200] > counts.cases // 5
    assert all(counts.oracles[name] for name in ("O1", "O3", "O4", "O8", "O9", "O10", "O11"))
