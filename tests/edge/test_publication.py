"""What is served follows files, database and metadata, and none of them waits for another."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from gateway.edge import publication as module
from gateway.errors import ConfigurationError
from gateway.observe.events import Complaint, SnapshotPublished
from gateway.store.database import TEMPLATES, StoreError, mark
from gateway.store.snapshot import build_snapshot
from gateway.store.stored import read_library
from tests.managed import SEED, STAFF, Desk, managed, results
from tests.support import key_file, until


@pytest.mark.guarantee("G7")
async def test_what_one_process_saves_another_enforces(directory: Path, database_url: str, tmp_path: Path) -> None:
    """Two gateways on one database; the real thing with two processes is in tests/cli/test_serve.py."""
    async with managed(directory, database_url) as one, managed(tmp_path / "two", database_url) as two:
        identity = await one.made({**SEED, "SyndicationId": None, "FieldOverrides": None})
        key, secret = await one.secret({"Template": identity})
        await until(lambda: key in two.gateway.service.snapshot.by_key)
        before = await two.gateway.get("Property?$select=ListPrice,PropertyType", secret)
        await one.call(
            "PUT", f"/templates/{identity}/FieldOverrides", {"Property": {"All": {"ListPrice": {"Rule": "Hidden"}}}}
        )
        await until(lambda: two.gateway.service.snapshot.configuration.templates[identity].document.FieldOverrides is not None)  # fmt: skip
        after = await two.gateway.get("Property?$select=ListPrice,PropertyType", secret)
        await two.call("POST", f"/keys/{key}/disable")
        await until(lambda: not key_of(one, key).Enabled)
        dead = await one.gateway.get("Property", secret)

    assert (before.status, after.status, dead.status) == (200, 400, 401)


def key_of(desk: Desk, identity: str) -> Any:
    return desk.gateway.service.snapshot.configuration.key_named(identity)


async def test_a_key_dies_at_once_while_everything_is_compiled_anew(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity, secret = await desk.secret({"Role": "idx"})
    publication = desk.gateway.service.publication
    schema = publication.snapshot.upstream_schema
    assert schema is not None
    new = replace(schema)
    started, go = threading.Event(), threading.Event()
    plain = build_snapshot

    def slow(revision: int, configuration: Any, used: Any, previous: Any) -> Any:
        if used is new and not go.is_set():
            started.set()
            go.wait(20)
        return plain(revision, configuration, used, previous)

    monkeypatch.setattr(module, "build_snapshot", slow)
    task = asyncio.create_task(publication.publish_schema(new))
    await asyncio.to_thread(started.wait, 20)

    disabled = await desk.call("POST", f"/keys/{identity}/disable")
    answer = await desk.gateway.get("Property", secret)
    served_meanwhile = publication.snapshot.upstream_schema
    go.set()
    done = await task

    assert (disabled.status, answer.status) == (200, 401)
    assert served_meanwhile is schema
    assert done
    assert publication.snapshot.upstream_schema is new
    assert not key_of(desk, identity).Enabled  # the long compilation did not bring it back


async def test_metadata_that_comes_meanwhile_is_not_lost(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other way round: a save is compiled while new metadata is published."""
    publication = desk.gateway.service.publication
    schema = publication.snapshot.upstream_schema
    assert schema is not None
    new, started, go = replace(schema), threading.Event(), threading.Event()
    plain = build_snapshot

    def slow(revision: int, configuration: Any, used: Any, previous: Any) -> Any:
        built = plain(revision, configuration, used, previous)
        if used is schema and not go.is_set():
            started.set()
            go.wait(20)
        return built

    monkeypatch.setattr(module, "build_snapshot", slow)
    task = asyncio.create_task(desk.made())
    await asyncio.to_thread(started.wait, 20)
    publishing = asyncio.create_task(publication.publish_schema(new))
    await asyncio.sleep(0)
    go.set()
    identity = await task
    assert await publishing

    assert publication.snapshot.upstream_schema is new
    assert f"template:{identity}" in publication.snapshot.policies


async def test_a_save_compiles_one_template_and_no_other(desk: Desk) -> None:
    identity = await desk.made()
    before = desk.gateway.service.snapshot

    await desk.call("PUT", f"/templates/{identity}", {"ListingPhotoLimit": 1})
    after = desk.gateway.service.snapshot

    changed = {name for name in after.policies if after.policies[name] is not before.policies.get(name)}
    assert changed == {f"template:{identity}"}
    assert after.revision == before.revision + 1


async def test_nothing_is_published_when_nothing_was_written(desk: Desk) -> None:
    await desk.made()
    before = len([event for event in desk.gateway.events if isinstance(event, SnapshotPublished)])
    for _ in range(3):
        assert await desk.gateway.service.publication.refresh()
    await desk.gateway.get("Property", "idx")

    assert len([event for event in desk.gateway.events if isinstance(event, SnapshotPublished)]) == before


async def test_an_id_in_a_file_and_in_the_database_refuses_the_start(directory: Path, database_url: str) -> None:
    async with managed(directory, database_url) as desk:
        identity, key = await desk.made(), (await desk.secret({"Role": "idx"}))[0]
    twice = {
        f"templates/{identity}.json": {"D": dict(SEED)},
        "keys.yaml": key_file(**STAFF) + f"  - Id: '{key}'\n    Role: idx\n    Digest: {'a' * 64}\n",
    }

    with pytest.raises(ConfigurationError) as told:
        async with managed(directory, database_url, twice):
            pass

    assert [str(fault) for fault in told.value.faults] == [
        f"keys.yaml: the key `{key}` is also in the database",
        f"templates/{identity}.json: D: the template `{identity}` is also in the database",
    ]


async def test_what_a_file_has_no_longer_is_served_to_nobody_and_the_rest_is(
    directory: Path, database_url: str
) -> None:
    async with managed(directory, database_url) as desk:
        identity = await desk.made({**SEED, "Role": "vow"})
        _, secret = await desk.secret({"Template": identity})
        _, other = await desk.secret({"Role": "idx"})
    gone: dict[str, object] = {"roles/vow.yaml": None, "templates/registered-consumers.json": None}
    async with managed(directory, database_url, gone) as desk:
        answers = [(await desk.gateway.get("Property?$top=1", key)).status for key in (secret, other)]
        told = await desk.gateway.ready()

    assert answers == [503, 200]
    assert told["faults"] == [f"template {identity}: Role: `vow` is no role"]


async def test_a_database_that_goes_away_is_said_once_and_asked_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    publication = desk.gateway.service.publication
    plain, broken = read_library, True

    async def read(*arguments: Any) -> Any:
        if broken:
            raise StoreError("the database is gone")
        return await plain(*arguments)

    monkeypatch.setattr(module, "read_library", read)
    found = [await publication.refresh() for _ in range(3)]
    told = await desk.gateway.ready()
    served = await desk.gateway.get("Property?$top=1", "idx")
    broken = False
    again = await publication.refresh()

    assert found == [False] * 3
    assert (told["unserved"], told["ready"]) == ("the database is gone", True)
    assert served.status == 200
    assert again
    assert publication.unserved == ""
    assert [event.message for event in desk.gateway.events if isinstance(event, Complaint)] == ["the database is gone"]


async def test_a_slow_upstream_does_not_hold_up_a_save(
    directory: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it was not asked in time is asked beside the requests."""
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow(questions: Any, *_: Any) -> str:
        if any("Withdrawn" in str(probe) for probe in questions):
            asked.set()
            await answer.wait()
        return ""

    monkeypatch.setattr(module, "ask_probes", slow)
    monkeypatch.setattr(module, "_PROBE_PATIENCE", 0.01)
    async with managed(directory, database_url, UPSTREAM__PROBE="true") as desk:
        identity = await desk.made(
            {**SEED, "RestrictiveFilters": {"Property": {"Filter": "StandardStatus eq 'Withdrawn'"}}}
        )
        served = desk.gateway.service.snapshot.policies
        answer.set()
        listed = results(await desk.call("GET", f"/templates/{identity}"))

    assert asked.is_set()
    assert f"template:{identity}" in served
    assert listed


async def test_a_key_dies_at_once_while_templates_are_compiled(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """An association could else keep a stolen key alive by saving templates that take long."""
    identity, secret = await desk.secret({"Role": "idx"})
    started, go = threading.Event(), threading.Event()

    def slow(*arguments: Any) -> Any:
        started.set()
        go.wait(20)
        return build_snapshot(*arguments)

    monkeypatch.setattr(module, "build_snapshot", slow)
    saving = asyncio.create_task(desk.call("POST", "/templates", SEED))
    await asyncio.to_thread(started.wait, 20)
    disabled = await desk.call("POST", f"/keys/{identity}/disable")
    answer = await desk.gateway.get("Property?$top=1", secret)
    is_saving = not saving.done()
    go.set()
    saved = await saving
    after = await desk.gateway.get("Property?$top=1", secret)

    assert (disabled.status, answer.status, is_saving, saved.status, after.status) == (200, 401, True, 201, 401)


@pytest.mark.guarantee("G7")
async def test_a_save_that_is_not_in_force_yet_is_not_called_done(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    identity = await desk.made({**SEED, "SyndicationId": None, "FieldOverrides": None})
    key, secret = await desk.secret({"Template": identity})

    async def fails(*_: Any) -> Any:
        raise StoreError("database is locked")

    monkeypatch.setattr(module, "keep_moments", fails)
    hidden = await desk.call(
        "PUT", f"/templates/{identity}/FieldOverrides", {"Property": {"All": {"ListPrice": {"Rule": "Hidden"}}}}
    )
    told = (await desk.gateway.ready())["unserved"]
    disabled = await desk.call("POST", f"/keys/{key}/disable")
    dead = await desk.gateway.get("Property?$top=1", secret)
    monkeypatch.undo()
    await until(lambda: desk.gateway.service.publication.unserved == "")
    await desk.call("POST", f"/keys/{key}/enable")
    after = await desk.gateway.get("Property?$select=ListPrice", secret)

    assert (hidden.status, hidden.json()["D"]["Code"]) == (503, 1024)
    assert "the change is saved, and not in force yet" in hidden.json()["D"]["Message"]
    assert told == "database is locked"
    assert (disabled.status, dead.status) == (200, 401)  # moments of rows hold no key alive
    assert after.status == 400


async def test_whoever_watches_outlives_what_nobody_foresaw(
    directory: Path, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with managed(directory, database_url) as one, managed(tmp_path / "two", database_url) as two:
        key, secret = await one.secret({"Role": "idx"})
        await until(lambda: key_of(two, key) is not None)
        plain, broken = two.gateway.service.publication.refresh, True

        async def breaks(**_: Any) -> bool:
            if broken:
                raise RuntimeError("nobody foresaw this")
            return await plain()

        monkeypatch.setattr(two.gateway.service.publication, "refresh", breaks)
        await until(lambda: "nobody foresaw this" in two.gateway.service.publication.unserved)
        await one.call("POST", f"/keys/{key}/disable")
        broken = False
        await until(lambda: not key_of(two, key).Enabled)
        dead = await two.gateway.get("Property?$top=1", secret)
        await until(lambda: two.gateway.service.publication.unserved == "")

    assert dead.status == 401


async def test_a_record_that_a_file_has_too_holds_up_nobody(directory: Path, database_url: str) -> None:
    """What is in the database under the id of a file costs that record, and no revocation."""
    async with managed(directory, database_url) as desk:
        key, secret = await desk.secret({"Role": "idx"})
        database = desk.gateway.service.publication.database
        assert database is not None
        async with database.writing() as connection:
            await connection.execute(insert(TEMPLATES).values(
                id="company-idx", mls_id="mls", document='{"Name": "n", "Description": "d", "Role": "private"}', revision=1, created="c", modified="m",
            ))  # fmt: skip
            await mark(connection)
        await desk.call("POST", f"/keys/{key}/disable")
        dead = await desk.gateway.get("Property?$top=1", secret)
        await until(lambda: bool(desk.gateway.service.snapshot.faults))
        faults = [str(fault) for fault in desk.gateway.service.snapshot.faults]
        served = desk.gateway.service.snapshot.policies["template:company-idx"]

    assert dead.status == 401
    assert faults == ["templates/company-idx.json: D: the template `company-idx` is also in the database"]
    assert served.role == "idx"


@pytest.mark.channel("C255")
async def test_an_answer_under_way_ends_under_the_snapshot_that_it_began_with(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = await desk.made({**SEED, "SyndicationId": None, "FieldOverrides": None})
    _, secret = await desk.secret({"Template": identity})
    enforcement, asked, go = desk.gateway.service.gateway._enforcement, asyncio.Event(), asyncio.Event()
    plain = enforcement.read

    async def slow(*arguments: Any) -> Any:
        asked.set()
        await go.wait()
        return await plain(*arguments)

    monkeypatch.setattr(enforcement, "read", slow)
    under_way = asyncio.create_task(desk.gateway.get("Property?$select=ListPrice", secret))
    await asked.wait()
    await desk.call(
        "PUT", f"/templates/{identity}/FieldOverrides", {"Property": {"All": {"ListPrice": {"Rule": "Hidden"}}}}
    )
    go.set()
    first = await under_way
    later = await desk.gateway.get("Property?$select=ListPrice", secret)

    assert first.status == 200
    assert all("ListPrice" in row for row in first.rows)
    assert first.rows
    assert later.status == 400


# --- other files


@pytest.mark.guarantee("G7")
async def test_other_files_are_served_with_what_the_database_has(desk: Desk, directory: Path) -> None:
    """Also with what was saved between the two steps."""
    publication = desk.gateway.service.publication
    _, before = await desk.secret({"Role": "idx"})
    text = (directory / "roles/idx.yaml").read_text(encoding="utf-8")
    (directory / "keys.yaml").write_text(key_file(**STAFF, filed="Role: idx"), encoding="utf-8")
    (directory / "roles/idx.yaml").write_text(
        text.replace("\nResources:\n", "\n# new\nResources:\n", 1), encoding="utf-8"
    )

    prepared = await publication.prepare(desk.reread(directory))
    not_yet = await desk.gateway.get("Property?$top=1&$select=City", "filed")
    _, meanwhile = await desk.secret({"Role": "idx"})
    revision = publication.snapshot.revision
    assert await publication.commit(prepared)
    after = [await desk.gateway.get("Property?$top=1&$select=City", secret) for secret in (before, meanwhile, "filed")]

    assert not_yet.status == 401
    assert [answer.status for answer in after] == [200, 200, 200]
    assert publication.snapshot.revision == revision + 1


@pytest.mark.guarantee("G5", "G7")
async def test_files_that_do_not_fit_the_model_are_refused_and_nothing_changes(desk: Desk, directory: Path) -> None:
    publication = desk.gateway.service.publication
    before = publication.snapshot
    (directory / "templates/bad.json").write_text('{"D": {"Name": "b", "Description": "b", "Role": "idx", "FieldOverrides": {"Property": {"All": {"Nope": {"Rule": "Hidden"}}}}}}', encoding="utf-8")  # fmt: skip

    with pytest.raises(ConfigurationError, match=r"`Nope` is no field"):
        await publication.prepare(desk.reread(directory))

    assert publication.snapshot is before


async def test_files_over_which_a_stored_template_would_have_no_role_are_refused(desk: Desk, directory: Path) -> None:
    publication = desk.gateway.service.publication
    await desk.made({**SEED, "SyndicationId": None, "FieldOverrides": None, "Role": "public"})
    (directory / "roles/public.yaml").unlink()
    for template in (directory / "templates").iterdir():
        if '"public"' in template.read_text(encoding="utf-8"):
            template.unlink()

    with pytest.raises(ConfigurationError, match=r"`public` is no role"):
        await publication.prepare(desk.reread(directory))


async def test_files_that_cannot_be_remembered_leave_everything_as_it_was(
    desk: Desk, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: Any) -> Any:
        raise StoreError("the disk is full")

    publication = desk.gateway.service.publication
    before = publication.snapshot
    (directory / "keys.yaml").write_text(key_file(**STAFF, filed="Role: idx"), encoding="utf-8")
    prepared = await publication.prepare(desk.reread(directory))
    monkeypatch.setattr(module, "keep_moments", full)
    kept = await publication.commit(prepared)
    monkeypatch.undo()
    await publication.refresh()

    assert not kept
    assert publication.snapshot is before
    assert (await desk.gateway.get("Property", "filed")).status == 401
