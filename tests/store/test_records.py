"""Records in the database: revisions, history, and two writers of whom one is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from gateway.observe.events import Event, RecordChanged
from gateway.store.database import ClashError, Database
from gateway.store.records import ConflictError, MissingError, Owner, Records, UsedError

OWNER = Owner("20160328145437348560000000", "20160328145458846124000000")
FIRST = {"Name": "Company IDX Template", "Role": "idx", "Description": "Åre's"}
SECOND = {**FIRST, "Name": "Company VOW Template", "Role": "vow"}


class Clock:
    def __init__(self) -> None:
        self.now = 1_468_000_000.265879

    def __call__(self) -> float:
        return self.now


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url) as found:
        yield found


async def test_a_template_is_kept_as_it_was_written(database: Database) -> None:
    clock = Clock()
    store = Records("template", database, clock)

    made = await store.create(OWNER, FIRST, "staff")

    assert len(made.id) == 26
    assert made.id.startswith("20160708174640")
    assert made.id.endswith("000000")
    assert (made.created, made.revision) == ("2016-07-08T17:46:40+00:00", 1)
    assert await store.get(made.id) == made
    assert await store.many([made.id]) == (made,)
    assert made.document == FIRST
    assert made.owner.id == OWNER.association
    assert Owner("m").id == "m"


async def test_ids_of_one_moment_differ_and_none_comes_back(database: Database) -> None:
    store = Records("template", database, Clock())
    first, second = await store.create(OWNER, FIRST, "a"), await store.create(OWNER, FIRST, "a")
    await store.remove(second.id, "a", 1)
    third = await store.create(OWNER, FIRST, "a")

    assert int(second.id) == int(first.id) + 1
    assert int(third.id) == int(second.id) + 1


async def test_a_change_moves_the_revision_and_the_moment(database: Database) -> None:
    clock = Clock()
    store = Records("template", database, clock)
    made = await store.create(OWNER, FIRST, "one")
    clock.now += 60

    changed = await store.replace(made.id, SECOND, "two", made.revision)

    assert (changed.revision, changed.created, changed.modified) == (2, made.created, "2016-07-08T17:47:40+00:00")
    assert await store.get(made.id) == changed
    assert await database.generation() == 2


async def test_of_two_writers_at_once_one_is_told(database: Database) -> None:
    store = Records("template", database, Clock())
    made = await store.create(OWNER, FIRST, "one")

    found = await asyncio.gather(
        *(store.replace(made.id, {**FIRST, "Name": str(number)}, str(number), 1) for number in range(8)),
        return_exceptions=True,
    )

    assert sum(isinstance(item, ConflictError) for item in found) == 7
    assert (await store.get(made.id)).revision == 2
    assert len(await store.history(made.id)) == 2


async def test_what_is_not_there_cannot_be_changed(database: Database) -> None:
    store = Records("template", database, Clock())

    with pytest.raises(MissingError):
        await store.get("nothing")
    with pytest.raises(MissingError):
        await store.replace("nothing", FIRST, "a", 1)
    with pytest.raises(MissingError):
        await store.remove("nothing", "a", 1)
    assert await store.history("nothing") == ()
    assert await store.ids(OWNER) == []


async def test_a_template_that_a_key_uses_stays(database: Database) -> None:
    store, keys = Records("template", database, Clock()), Records("key", database, Clock(), {"of a file"})
    made = await store.create(OWNER, FIRST, "one")
    users = [await keys.create(OWNER, {"Template": made.id}, "one", {"digest": name}) for name in "ab"]
    await keys.create(OWNER, {"Template": "of a file"}, "one", {"digest": "c"})

    with pytest.raises(UsedError) as told:
        await store.remove(made.id, "one", 1)
    for user in users:
        await keys.replace(user.id, {"Role": "idx"}, "one", 1)
    await store.remove(made.id, "one", 1)

    assert told.value.keys == tuple(user.id for user in users)
    assert await store.ids(OWNER) == []


async def test_a_secret_is_no_part_of_a_document_nor_of_history(database: Database) -> None:
    keys = Records("key", database, Clock())
    made = await keys.create(OWNER, {"Role": "idx"}, "one", {"digest": "first"})

    turned = await keys.replace(made.id, made.document, "two", 1, "rotate", {"digest": "second", "old_digest": "first", "old_until": "u"})  # fmt: skip

    assert turned.beside == {"digest": "second", "old_digest": "first", "old_until": "u", "last_used": None}
    assert (await keys.get(made.id)).beside == turned.beside
    assert [(entry.action, entry.after) for entry in await keys.history(made.id)] == [("create", {"Role": "idx"}), ("rotate", {"Role": "idx"})]  # fmt: skip
    assert "first" not in repr(turned)


async def test_of_two_keys_with_one_secret_one_is_refused(database: Database) -> None:
    keys = Records("key", database, Clock())
    await keys.create(OWNER, {"Role": "idx"}, "one", {"digest": "d"})

    with pytest.raises(ClashError):
        await keys.create(OWNER, {"Role": "idx"}, "one", {"digest": "d"})


async def test_who_may_see_what(database: Database) -> None:
    store = Records("template", database, Clock())
    owners = [Owner("m"), Owner("m", "a"), Owner("m", "b"), Owner("n"), Owner("n", "a")]
    made = {owner: (await store.create(owner, FIRST, "one")).id for owner in owners}

    for viewer in owners:
        seen = await store.ids(viewer)
        assert seen == [made[owner] for owner in owners if viewer.may_see(owner)]
    assert [len(await store.ids(viewer)) for viewer in owners] == [3, 1, 1, 2, 1]
    assert {item.id for item in await store.many([made[owners[1]], "nothing", made[owners[0]]])} == {made[owners[0]], made[owners[1]]}  # fmt: skip


async def test_what_is_gone_can_come_back_and_counts_on(database: Database) -> None:
    store = Records("template", database, Clock())
    made = await store.create(OWNER, FIRST, "one")
    await store.remove(made.id, "one", 1)
    gone = (await store.history(made.id))[-1]

    back = await store.restore(made.id, gone, FIRST, "two")
    with pytest.raises(ConflictError):
        await store.restore(made.id, gone, FIRST, "three")

    assert (back.id, back.revision, back.owner) == (made.id, 2, OWNER)
    assert [entry.action for entry in await store.history(made.id)] == ["create", "delete", "rollback"]


async def test_a_removal_of_another_revision_is_refused(database: Database) -> None:
    store = Records("template", database, Clock())
    made = await store.create(OWNER, FIRST, "one")

    with pytest.raises(ConflictError):
        await store.remove(made.id, "one", 2)
    await store.remove(made.id, "one", 1)

    with pytest.raises(MissingError):
        await store.get(made.id)


async def test_history_tells_who_did_what_and_outlives_the_template(database: Database) -> None:
    clock = Clock()
    store = Records("template", database, clock)
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


async def test_a_key_of_a_template_that_has_gone_meanwhile_is_not_made(database: Database) -> None:
    store, keys = Records("template", database, Clock()), Records("key", database, Clock())
    made = await store.create(OWNER, FIRST, "one")
    key = await keys.create(OWNER, {"Role": "idx"}, "one", {"digest": "d"})
    await store.remove(made.id, "one", 1)

    with pytest.raises(ConflictError):
        await keys.create(OWNER, {"Template": made.id}, "one", {"digest": "e"})
    with pytest.raises(ConflictError):
        await keys.replace(key.id, {"Template": made.id}, "one", 1)

    assert await keys.ids(OWNER) == [key.id]
    assert (await keys.get(key.id)).revision == 1


async def test_a_cancellation_is_one_and_leaves_nothing_behind(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of a statement, of a transaction, of waiting for another writer; no lock stays, either."""
    monkeypatch.setattr("gateway.store.database._PATIENCE", 0.5)
    async with Database(database_url) as database:
        await _cancel_everywhere(database)


async def _cancel_everywhere(database: Database) -> None:
    store = Records("template", database, Clock())
    made = await store.create(OWNER, FIRST, "one")
    kept: list[object] = []  # who holds an exception holds its traceback, and what the statement was
    for number in range(0, 120, 2):
        await store.replace(made.id, {**FIRST, "Name": "between"}, "two", (await store.get(made.id)).revision)
        reading = asyncio.create_task(store.get(made.id))
        writing = asyncio.create_task(store.replace(made.id, {**FIRST, "Name": str(number)}, "two", (await store.get(made.id)).revision))  # fmt: skip
        for _ in range(number):
            await asyncio.sleep(0)
        reading.cancel()
        writing.cancel()
        found = await asyncio.gather(reading, writing, return_exceptions=True)
        assert not [error for error in found if isinstance(error, Exception)], found
        kept += found

    last = await store.get(made.id)
    assert [entry.revision for entry in await store.history(made.id)] == list(range(1, last.revision + 1))


async def test_every_change_is_told_with_before_and_after_once_it_is_kept(database: Database) -> None:
    told: list[Event] = []
    store = Records("template", database, Clock(), publish=told.append)
    made = await store.create(OWNER, {"Name": "a"}, "staff")
    await store.replace(made.id, {"Name": "b"}, "other", 1)
    with pytest.raises(ConflictError):
        await store.replace(made.id, {"Name": "c"}, "other", 1)
    await store.remove(made.id, "staff", 2)

    assert told == [
        RecordChanged("template", made.id, 1, "create", "staff", None, {"Name": "a"}),
        RecordChanged("template", made.id, 2, "update", "other", {"Name": "a"}, {"Name": "b"}),
        RecordChanged("template", made.id, 2, "delete", "staff", {"Name": "b"}, None),
    ]
