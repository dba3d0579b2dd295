"""Records of the database beside the files: read again where they changed, kept the same where not."""

from __future__ import annotations

import json

from sqlalchemy import insert, update

from gateway.store.database import KEYS, MIGRATIONS, STATE, TABLES, TEMPLATES, Database
from gateway.store.records import Owner, Records
from gateway.store.stored import Library, Merger, read_library
from tests.support import CONFIG, configuration

OWNER = Owner("mls", "A")
TEMPLATE = {"Name": "n", "Description": "d", "Role": "idx"}


def clock() -> float:
    return 1_800_000_000.0


async def test_what_has_not_changed_is_the_same_value(database_url: str) -> None:
    files = configuration(CONFIG, "http://127.0.0.1:9/x")
    async with Database(database_url) as database:
        templates, keys = Records("template", database, clock), Records("key", database, clock)
        made = [await templates.create(OWNER, TEMPLATE, "x") for _ in range(3)]
        key = await keys.create(OWNER, {"Template": made[0].id}, "x", {"digest": "a" * 64})
        merger = Merger(files)
        first = await read_library(database, Library())
        before, _ = merger.merged(first)
        same = await read_library(database, first)
        await templates.replace(made[1].id, {**TEMPLATE, "Role": "vow"}, "x", 1)
        await templates.remove(made[2].id, "x", 1)
        second = await read_library(database, first)
        after, clashes = merger.merged(second)

    assert same is first
    assert second.templates[made[0].id] is first.templates[made[0].id]
    assert after.templates[made[0].id] is before.templates[made[0].id]
    assert after.templates[made[1].id].document.Role == "vow"
    assert made[2].id in before.templates
    assert made[2].id not in after.templates
    assert after.keys["a" * 64] is before.keys["a" * 64]
    assert (after.keys["a" * 64].Id, after.keys["a" * 64].MlsId, after.keys["a" * 64].AssociationId) == (
        key.id,
        "mls",
        "A",
    )
    assert after.templates["company-idx"] is files.templates["company-idx"]
    assert after.faults == clashes == ()


async def test_a_document_that_this_release_does_not_read_is_served_to_nobody(database_url: str) -> None:
    files = configuration(CONFIG, "http://127.0.0.1:9/x")
    async with Database(database_url) as database:
        made = await Records("template", database, clock).create(OWNER, TEMPLATE, "x")
        async with database.writing() as connection:
            await connection.execute(update(TEMPLATES).values(document='{"Name": "n", "Future": 1}'))
        merged, _ = Merger(files).merged(await read_library(database, Library()))

    assert made.id not in merged.templates
    assert {str(fault) for fault in merged.faults} == {
        f"template {made.id}: Description: is missing", f"template {made.id}: Role: is missing",
        f"template {made.id}: Future: is not a known setting here",
    }  # fmt: skip


async def test_what_is_in_a_file_and_in_the_database_is_the_files_and_is_said(database_url: str) -> None:
    """At run time one record must not hold up all others; a start refuses it (tests/edge/test_publication.py)."""
    files = configuration(CONFIG, "http://127.0.0.1:9/x")
    digest, key = next(iter(files.keys.items()))
    async with Database(database_url) as database:
        made = await Records("key", database, clock).create(OWNER, {"Role": "private"}, "x", {"digest": digest})
        async with database.writing() as connection:
            same = {"mls_id": "m", "revision": 1, "created": "c", "modified": "m"}
            await connection.execute(
                insert(TEMPLATES).values(id="company-idx", document=json.dumps({**TEMPLATE, "Role": "private"}), **same)
            )
            await connection.execute(
                insert(KEYS).values(id=key.Id, digest="b" * 64, document='{"Role": "private"}', **same)
            )
        library = await read_library(database, Library())
    merged, clashes = Merger(files).merged(library)

    assert merged.templates["company-idx"] is files.templates["company-idx"]
    assert merged.keys == files.keys
    assert merged.faults == clashes
    assert sorted(str(fault) for fault in clashes) == [
        f"keys.yaml: the key `{made.id}` of the database has a secret of this file",
        f"keys.yaml: the key `{key.Id}` is also in the database",
        "templates/company-idx.json: D: the template `company-idx` is also in the database",
    ]


async def test_many_are_read_in_parts(database_url: str) -> None:
    async with Database(database_url) as database:
        templates = Records("template", database, clock)
        made = [(await templates.create(OWNER, TEMPLATE, "x")).id for _ in range(12)]
        from gateway.store import stored as module

        module._CHUNK, before = 5, module._CHUNK
        try:
            library = await read_library(database, Library())
        finally:
            module._CHUNK = before

    assert list(library.templates) == made


async def test_a_key_of_an_older_release_has_no_privilege_and_can_be_given_one(database_url: str) -> None:
    """Tables of the first version, with keys as that release wrote them: their documents name no privilege."""
    old = {
        "mls_id": "mls", "revision": 1, "created": "2026-01-01T00:00:00+00:00", "modified": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip
    documents = {"a": '{"Role":"idx","Owner":"Acme"}', "b": '{"Role":"private","Permissions":["manage_keys"]}'}
    async with Database(database_url) as database:
        async with database.writing() as connection:
            await connection.run_sync(TABLES.drop_all)
        async with database.writing() as connection:
            await connection.run_sync(MIGRATIONS[0])
            await connection.execute(insert(STATE).values(only=1, version=1, generation=3))
            for name, document in documents.items():
                await connection.execute(insert(KEYS).values(id=name, digest=name * 64, document=document, **old))

    async with Database(database_url) as database:
        merger = Merger(configuration(CONFIG, "http://127.0.0.1:9/x"))
        before, _ = merger.merged(await read_library(database, Library()))
        given = {"Role": "idx", "Owner": "Acme", "Privileges": ["DelegatedAccess"]}
        kept = await Records("key", database, clock).replace("a", given, "x", 1, "update")
        history = await Records("key", database, clock).history("a")
        after, _ = merger.merged(await read_library(database, Library()))

    keys = [{key.Id: key.Privileges for key in found.keys.values()} for found in (before, after)]
    assert [found["a"] for found in keys] == [(), ("DelegatedAccess",)]
    assert [found["b"] for found in keys] == [(), ()]
    assert (before.faults, after.faults, kept.revision) == ((), (), 2)
    assert [entry.after for entry in history] == [given]
