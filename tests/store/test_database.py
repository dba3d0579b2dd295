"""The database opens whole or not at all, keeps what was acknowledged, and says what is wrong with it."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from gateway.store.database import (
    MIGRATIONS,
    STATE,
    TABLES,
    TEMPLATES,
    VERSION,
    Database,
    NewerDatabaseError,
    StoreError,
    mark,
)

ROW = {"mls_id": "m", "document": "{}", "revision": 1, "created": "c", "modified": "d"}


def url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path}/gateway.db"


async def test_what_is_written_is_there_after_a_restart(database_url: str) -> None:
    async with Database(database_url) as database, database.writing() as connection:
        await connection.execute(insert(TEMPLATES).values(id="a", **ROW))
        assert await mark(connection) == 1

    async with Database(database_url) as database:
        assert await database.generation() == 1
        async with database.reading() as connection:
            assert (await connection.execute(select(TEMPLATES.c.id))).scalars().all() == ["a"]
            assert (await connection.execute(select(STATE.c.version))).scalar_one() == VERSION


async def test_a_transaction_that_fails_leaves_nothing(database_url: str) -> None:
    async with Database(database_url) as database:
        with pytest.raises(StoreError, match=r"UNIQUE constraint failed|duplicate key value"):
            async with database.writing() as connection:
                await connection.execute(insert(TEMPLATES).values(id="a", **ROW))
                await mark(connection)
                await connection.execute(insert(TEMPLATES).values(id="a", **ROW))
        with pytest.raises(KeyError):
            async with database.writing() as connection:
                await mark(connection)
                raise KeyError

        assert await database.generation() == 0
        async with database.reading() as connection:
            assert (await connection.execute(select(TEMPLATES))).all() == []


@pytest.mark.parametrize("version", range(1, VERSION))
async def test_tables_of_an_older_release_are_brought_up_to_date(database_url: str, version: int) -> None:
    async with Database(database_url) as database:
        async with database.writing() as connection:
            await connection.run_sync(TABLES.drop_all)
        async with database.writing() as connection:
            for step in MIGRATIONS[:version]:
                await connection.run_sync(step)
            await connection.execute(insert(STATE).values(only=1, version=version, generation=7))
            await connection.execute(insert(TEMPLATES).values(id="a", **ROW))

    async with Database(database_url) as database, database.reading() as connection:
        assert (await connection.execute(select(STATE.c.version))).scalar_one() == VERSION
        assert (await connection.execute(select(TEMPLATES.c.id))).scalars().all() == ["a"]
        for table in TABLES.sorted_tables:
            await connection.execute(select(table))


async def test_a_newer_database_is_not_touched(database_url: str) -> None:
    async with Database(database_url) as database, database.writing() as connection:
        await connection.execute(update(STATE).values(version=VERSION + 1))

    with pytest.raises(NewerDatabaseError, match=f"of version {VERSION + 1}, this release knows {VERSION}"):
        async with Database(database_url):
            pass


async def test_somebody_elses_database_is_not_touched(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "gateway.db") as connection:
        connection.execute("CREATE TABLE other (a)")
    connection.close()

    with pytest.raises(StoreError, match="tables of something else"):
        async with Database(url(tmp_path)):
            pass


@pytest.mark.parametrize(
    "content",
    [b"no database, but a text that is long enough to be looked at" * 20, b"SQLite format 3\0" + b"\xff" * 4000],
)
async def test_a_spoiled_file_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "gateway.db").write_bytes(content)

    with pytest.raises(StoreError, match=r"gateway\.db: (file is not a database|database disk image is malformed)"):
        async with Database(url(tmp_path)):
            pass


async def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    async with Database(url(tmp_path)) as database, database.writing() as connection:
        await mark(connection)

        assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}  # noqa: ASYNC240  # a disk of the test


async def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="unable to open database file"):
        async with Database(f"sqlite+aiosqlite:///{tmp_path}/nowhere/gateway.db"):
            pass


def test_a_password_is_never_shown() -> None:
    with pytest.raises(StoreError) as told:
        Database("mysql://gateway:geheim@db.example/gateway")

    assert "geheim" not in str(told.value)


async def test_writers_of_two_processes_wait_for_each_other(database_url: str) -> None:
    """Two engines on one file stand for two processes."""

    async def write(database: Database) -> None:
        for _ in range(20):
            async with database.writing() as connection:
                await mark(connection)

    async with Database(database_url) as one, Database(database_url) as two:
        await asyncio.gather(write(one), write(two), write(one))

        assert await two.generation() == 60


async def test_a_reader_sees_one_state_while_others_write(database_url: str) -> None:
    async with Database(database_url) as one, Database(database_url) as two, one.reading() as reading:
        before = (await reading.execute(select(STATE.c.generation))).scalar_one()
        async with two.writing() as writing:
            await mark(writing)

        assert (await reading.execute(select(STATE.c.generation))).scalar_one() == before
        assert await two.generation() == before + 1
