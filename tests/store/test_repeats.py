"""What was sent is known before it is sent, and to everybody on the database."""

from __future__ import annotations

import asyncio

import pytest

from gateway.store.database import Database
from gateway.store.repeats import RETAINED, Repeat, Repeats


@pytest.mark.channel("C221")
@pytest.mark.guarantee("G7")
async def test_one_claims_and_the_others_are_told(database_url: str) -> None:
    async with Database(database_url) as here, Database(database_url) as there:
        one, two = Repeats(here, lambda: 0.0), Repeats(there, lambda: 0.0)

        assert await one.find("x") is None
        assert sorted(await asyncio.gather(*(repeats.claim("x") for repeats in (one, two, one, two)))) == [
            False,
            False,
            False,
            True,
        ]
        assert await two.find("x") == Repeat(done=False, created=False, record=None)
        await one.done("x", created=True, record="'K1'")
        assert await two.find("x") == Repeat(done=True, created=True, record="'K1'")
        assert not await two.claim("x")
        await two.release("x")
        assert await one.claim("x")


async def test_what_is_long_ago_is_forgotten_and_nothing_before(database_url: str) -> None:
    now = [0.0]
    async with Database(database_url) as database:
        repeats = Repeats(database, lambda: now[0])
        await repeats.claim("old")
        now[0] = 2 * RETAINED.total_seconds() - 60
        await repeats.claim("x")
        assert await repeats.find("old") is not None
        now[0] += 120
        await repeats.claim("y")
        assert await repeats.find("old") is None
        assert await repeats.find("x") is not None
