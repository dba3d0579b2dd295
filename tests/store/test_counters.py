"""Counters of windows: what was added in this one, and nothing of the one before."""

from __future__ import annotations

import pytest

from gateway.store.counters import Count, CountersUnavailableError, LocalCounters, RedisCounters


async def test_each_name_and_window_is_counted_by_itself() -> None:
    counters = LocalCounters()
    counts = [
        Count("a:requests", 10, 1),
        Count("a:requests", 60, 1),
        Count("b:requests", 10, 1),
        Count("a:bytes", 10, 500),
    ]

    first = await counters.add(counts, 100.0)
    again = await counters.add(counts, 109.9)
    next_window = await counters.add(counts, 110.0)
    next_of_all = await counters.add(counts, 120.0)

    assert first == [1, 1, 1, 500]
    assert again == [2, 2, 2, 1000]
    assert next_window == [1, 3, 1, 500]
    assert next_of_all == [1, 1, 1, 500]


async def test_nothing_added_is_a_question() -> None:
    counters = LocalCounters()
    await counters.add([Count("a", 10, 3)], 0.0)

    assert await counters.add([Count("a", 10, 0)], 1.0) == [3]


async def test_the_client_of_redis_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "redis.asyncio", None)

    with pytest.raises(CountersUnavailableError, match=r"gateway\[redis\]"):
        RedisCounters("redis://127.0.0.1:9")
