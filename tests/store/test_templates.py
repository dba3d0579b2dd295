"""Templates in the database: revisions, history, and two writers of whom one is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import insert

from gateway.store.database import KEYS, Database
from gateway.store.templates import ConflictError, MissingError, Owner, TemplateStore, UsedError

OWNER = Owner("20160328145437348560000000", "20160328145458846124000000")
FIRST = {"Name": "Company IDX Template", "Role": "idx", "Description": "Åre's"}
SECOND = {**FIRST, "Name": "Company VOW Template", "Role": "vow"}


class Clock:
    def __init__(self) -> None:
        self.now = 1_468_000_000.265879

    def __call__(self) -> float:
        return self.now


@pytest_asyncio.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database(f"sqlite+aiosqlite:///{tmp_path}/gateway.db") as found:
        yield found


async def test_a_template_is_kept_as_it_was_written(database: Database) -> None:
    clock = Clock()
    store = TemplateStore(database, clock)

    made = await store.create(OWNER, FIRST, "staff")

    assert len(made.id) == 26
    assert made.id.startswith("20160708174640")
    assert made.id.endswith("000000")
    assert (made.created, made.revision) == ("2016-07-08T17:46:40+00:00", 1)
    assert await store.get(made.id) == made
    assert await store.all() == (1, (made,))
    assert made.document == FIRST
    assert made.owner.id == OWNER.association
    assert Owner("m").id == "m"


async def test_ids_of_one_moment_differ_and_none_comes_back(database: Database) -> None:
    store = TemplateStore(database, Clock())
    first, second = await store.create(OWNER, FIRST, "a"), await store.create(OWNER, FIRST, "a")
    await store.remove(second.id, "a")
    third = await store.create(OWNER, FIRST, "a")

    assert int(second.id) == int(first.id) + 1
    assert int(third.id) == int(second.id) + 1


async def test_a_change_moves_the_revision_and_the_moment(database: Database) -> None:
    clock = Clock()
    store = TemplateStore(database, clock)
    made = await store.create(OWNER, FIRST, "one")
    clock.now += 60

    changed = await store.replace(made.id, SECOND, "two", made.revision)

    assert (changed.revision, changed.created, changed.modified) == (2, made.created, "2016-07-08T17:47:40+00:00")
    assert await store.get(made.id) == changed
    assert (await store.all())[0] == 2


async def test_of_two_writers_at_once_one_is_told(database: Database) -> None:
    store = TemplateStore(database, Clock())
    made = await store.create(OWNER, FIRST, "one")

    found = await asyncio.gather(
        *(store.replace(made.id, {**FIRST, "Name": str(number)}, str(number), 1) for number in range(8)),
        return_exceptions=True,
    )

    assert sum(isinstance(item, ConflictError) for item in found) == 7
    assert (await store.get(made.id)).revision == 2
    assert len(await store.history(made.id)) == 2


async def test_what_is_not_there_cannot_be_changed(database: Database) -> None:
    store = TemplateStore(database, Clock())

    with pytest.raises(MissingError):
        await store.get("nothing")
    with pytest.raises(MissingError):
        await store.replace("nothing", FIRST, "a", 1)
    with pytest.raises(MissingError):
        await store.remove("nothing", "a")
    assert await store.history("nothing") == ()
    assert await store.all() == (0, ())


async def test_a_template_that_a_key_uses_stays(database: Database) -> None:
    store = TemplateStore(database, Clock())
    made = await store.create(OWNER, FIRST, "one")
    async with database.writing() as connection:
        for name in ("b", "a"):
            await connection.execute(insert(KEYS).values(
                id=name, mls_id="m", digest=name, template_id=made.id, document="{}", revision=1, created="c", modified="d",
            ))  # fmt: skip

    with pytest.raises(UsedError) as told:
        await store.remove(made.id, "one")

    assert told.value.keys == ("a", "b")
    assert await store.get(made.id) == made


async def test_a_removal_of_another_revision_is_refused(database: Database) -> None:
    store = TemplateStore(database, Clock())
    made = await store.create(OWNER, FIRST, "one")

    with pytest.raises(ConflictError):
        await store.remove(made.id, "one", 2)
    await store.remove(made.id, "one", 1)

    with pytest.raises(MissingError):
        await store.get(made.id)


async def test_history_tells_who_did_what_and_outlives_the_template(database: Database) -> None:
    clock = Clock()
    store = TemplateStore(database, clock)
    made = await store.create(OWNER, FIRST, "one")
    await store.replace(made.id, SECOND, "two", 1)
    await store.replace(made.id, FIRST, "three", 2, "rollback")
    clock.now += 1
    await store.remove(made.id, "four", 3)

    found = await store.history(made.id)

    assert [(entry.revision, entry.action, entry.changed_by, entry.before, entry.after) for entry in found] == [
        (1, "create", "one", None, FIRST), (2, "update", "two", FIRST, SECOND), (3, "rollback", "three", SECOND, FIRST), (3, "delete", "four", FIRST, None),
    ]  # fmt: skip
    assert [entry.number for entry in found] == sorted({entry.number for entry in found})
    assert found[-1].moment == "2016-07-08T17:46:41+00:00"
