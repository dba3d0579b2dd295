"""Moments that are remembered, by all processes alike."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.store.database import Database, StoreError
from gateway.store.shown import Shown, digest_of, keep_moments, read_moments

A, B = digest_of(["a"]), digest_of(["a", "b"])


@pytest_asyncio.fixture
async def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    monkeypatch.setattr("gateway.store.database._PATIENCE", 0.5)
    async with Database(f"sqlite:///{tmp_path}/gateway.db") as found:
        yield found


def test_a_digest_is_of_the_set_and_of_nothing_else() -> None:
    assert digest_of(["b", "a"]) == B
    assert digest_of(["ab"]) != B


@pytest.mark.channel("C363")
async def test_a_set_keeps_its_moment_until_another_is_shown(database: Database) -> None:
    first = await keep_moments(database, {}, {"p": Shown(A, "1"), "q": Shown(A, "1")})
    second = await keep_moments(database, first, {**first, "p": Shown(B, "2")})
    third = await keep_moments(database, second, {**second, "p": Shown(A, "3")})

    assert third == {"p": Shown(A, "3"), "q": Shown(A, "1")}
    assert await read_moments(database) == third


@pytest.mark.channel("C363")
async def test_of_two_processes_the_first_says_since_when(database: Database) -> None:
    await keep_moments(database, {}, {"p": Shown(A, "1")})

    assert await keep_moments(database, {}, {"p": Shown(A, "2")}) == {"p": Shown(A, "1")}
    assert await keep_moments(database, {}, {"p": Shown(B, "3")}) == {"p": Shown(B, "3")}


@pytest.mark.channel("C363")
async def test_two_processes_that_show_the_same_at_once_both_do(database_url: str) -> None:
    """On PostgreSQL two may look at the same time, see nothing, and both note it."""
    async with Database(database_url) as one, Database(database_url) as two:
        for turn in range(30):
            now = {f"p{number}": Shown(A, str(turn)) for number in range(turn, turn + 2)}
            found = await asyncio.gather(keep_moments(one, {}, now), keep_moments(two, {}, now))

            assert found[0] == found[1]


async def test_many_at_once(database: Database) -> None:
    first = {f"p{number}": Shown(A, "1") for number in range(1300)}
    second = {name: Shown(B, "2") for name in first}

    assert await keep_moments(database, await keep_moments(database, {}, first), second) == second
    assert await read_moments(database) == second


@pytest.mark.channel("C363")
async def test_what_could_not_be_kept_is_not_to_be_shown(database: Database, tmp_path: Path) -> None:
    """Else a set would carry a moment that no other process, and no later one, knows of."""
    before = await keep_moments(database, {}, {"p": Shown(A, "1")})
    other = sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreError, match="database is locked"):
        await keep_moments(database, before, {"p": Shown(B, "2")})
    other.close()

    assert await read_moments(database) == before


async def test_what_has_not_changed_is_not_written(database: Database, tmp_path: Path) -> None:
    before = await keep_moments(database, {}, {"p": Shown(A, "1")})
    other = sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    assert await keep_moments(database, before, before) == before
    other.close()
