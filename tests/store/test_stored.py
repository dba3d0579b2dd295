"""Records of the database beside the files: read again where they changed, kept the same where not."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from gateway.errors import ConfigurationError
from gateway.store.database import TEMPLATES, Database
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
        before = merger.merged(first)
        same = await read_library(database, first)
        await templates.replace(made[1].id, {**TEMPLATE, "Role": "vow"}, "x", 1)
        await templates.remove(made[2].id, "x", 1)
        second = await read_library(database, first)
        after = merger.merged(second)

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
    assert after.faults == ()


async def test_a_document_that_this_release_does_not_read_is_served_to_nobody(database_url: str) -> None:
    files = configuration(CONFIG, "http://127.0.0.1:9/x")
    async with Database(database_url) as database:
        made = await Records("template", database, clock).create(OWNER, TEMPLATE, "x")
        async with database.writing() as connection:
            await connection.execute(update(TEMPLATES).values(document='{"Name": "n", "Future": 1}'))
        merged = Merger(files).merged(await read_library(database, Library()))

    assert made.id not in merged.templates
    assert {str(fault) for fault in merged.faults} == {
        f"template {made.id}: Description: is missing", f"template {made.id}: Role: is missing",
        f"template {made.id}: Future: is not a known setting here",
    }  # fmt: skip


async def test_a_secret_of_a_file_is_no_secret_of_the_database(database_url: str) -> None:
    files = configuration(CONFIG, "http://127.0.0.1:9/x")
    async with Database(database_url) as database:
        made = await Records("key", database, clock).create(
            OWNER, {"Role": "private"}, "x", {"digest": next(iter(files.keys))}
        )
        library = await read_library(database, Library())

    with pytest.raises(ConfigurationError, match=f"the key `{made.id}` of the database has a secret of this file"):
        Merger(files).merged(library)


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
