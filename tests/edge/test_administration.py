"""The admin listener over HTTP: bodies, sizes, encodings, and a database that cannot be used."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import event
from yarl import URL

from gateway.edge import administration
from gateway.observe.events import AdminHandled, Complaint
from tests.managed import SEED, Desk, code, managed, results
from tests.support import configuration, running


async def test_a_body_that_is_too_large_is_refused(directory: Path, database_url: str) -> None:
    async with managed(directory, database_url, ADMIN__MAX_BODY="2048") as desk:
        large = await desk.call("POST", "/templates", {**SEED, "Description": "x" * 2048})
        small = await desk.call("POST", "/templates", {**SEED, "Description": "x" * 1024})
        listed = results(await desk.call("GET", "/templates"))

    assert code(large) == (413, 1035)
    assert small.status == 201
    assert len(listed) == 4


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Encoding": "gzip"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
    ],
)
async def test_a_body_of_another_kind_is_refused(desk: Desk, headers: dict[str, str]) -> None:
    assert code(await desk.call("POST", "/templates", SEED, headers=headers)) == (400, 1035)


async def test_no_body_where_one_is_needed_and_one_where_none_is(desk: Desk) -> None:
    identity = await desk.made()

    assert code(await desk.call("POST", "/templates")) == (400, 1035)
    assert code(await desk.call("DELETE", f"/templates/{identity}", {})) == (400, 1035)
    assert code(await desk.call("GET", "/templates", {})) == (400, 1035)
    assert (await desk.call("GET", f"/templates/{identity}")).status == 200


async def test_who_may_not_is_not_read(desk: Desk) -> None:
    """A body is looked at for those who may send one."""
    assert code(await desk.call("POST", "/templates", raw=b"x" * 500_000, key="idx")) == (403, 1500)


async def test_health_and_metrics_stay_where_they_are(desk: Desk) -> None:
    await desk.made()
    await desk.call("GET", "/templates", key=None)
    found = {}
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/v1", "/v1/developersx"):
        url = URL(f"http://127.0.0.1:{desk.gateway.service.admin.port}{path}")
        async with desk.gateway.session.get(url) as response:
            found[path] = response.status, (await response.read()).decode()

    assert {path: status for path, (status, _) in found.items()} == {
        "/healthz": 200, "/readyz": 200, "/metrics": 200, "/openapi.json": 200, "/v1": 404, "/v1/developersx": 404,
    }  # fmt: skip
    assert 'gateway_admin_requests_total{code="0",status="201"} 1.0' in found["/metrics"][1]
    assert 'gateway_admin_requests_total{code="1000",status="401"} 1.0' in found["/metrics"][1]


async def test_one_event_tells_who_did_what(desk: Desk) -> None:
    identity = await desk.made()
    await desk.call("PUT", f"/templates/{identity}?dry_run=true", {"Name": "x"}, key="only_templates")
    await desk.call("GET", "/templates/..%2f..%0a", key="idx")

    told = [event for event in desk.gateway.events if isinstance(event, AdminHandled)]

    assert [(event.key_id, event.method, event.record, event.dry_run, event.status, event.code) for event in told] == [
        ("staff", "POST", "", False, 201, 0), ("only-templates", "PUT", identity, True, 200, 0), ("idx", "GET", "", False, 403, 1500),
    ]  # fmt: skip


@pytest.mark.guarantee("G5", "G7")
async def test_what_cannot_be_saved_is_503_and_what_was_in_force_stays(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full, or a file that another program holds: the save fails as a whole."""
    monkeypatch.setattr("gateway.store.database._PATIENCE", 0.5)
    async with managed(directory, f"sqlite:///{tmp_path}/held.db") as desk:
        identity = await desk.made({**SEED, "SyndicationId": None, "FieldOverrides": None})
        _, secret = await desk.secret({"Template": identity})
        question = "Property?$select=ListPrice&$top=1"
        before = await desk.gateway.get(question, secret)
        other = sqlite3.connect(tmp_path / "held.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")

        failed = await desk.call("PUT", f"/templates/{identity}", {"FieldOverrides": SEED["FieldOverrides"]})
        during = await desk.gateway.get(question, secret)
        other.close()
        after = await desk.gateway.get(question, secret)
        revision = (await desk.call("GET", f"/templates/{identity}")).header("ETag")
        complaints = [event.message for event in desk.gateway.events if isinstance(event, Complaint)]

    assert code(failed) == (503, 1024)
    assert failed.header("Retry-After") == "5"
    assert b"locked" not in failed.body
    assert b"sqlite" not in failed.body
    assert before.body == during.body == after.body
    assert revision == '"1"'
    assert any("database is locked" in message for message in complaints)


def as_full(connection: sqlite3.Connection) -> None:
    """As little room as there is data: what SQLite does when the disk is full."""
    connection.execute(f"PRAGMA max_page_count={connection.execute('PRAGMA page_count').fetchone()[0]}")


def read_only(connection: sqlite3.Connection) -> None:
    """What SQLite does when the disk has become read-only."""
    connection.execute("PRAGMA query_only=ON")


@pytest.mark.guarantee("G7")
@pytest.mark.parametrize("disk", [as_full, read_only])
async def test_a_disk_that_takes_no_more_loses_nothing(
    directory: Path, tmp_path: Path, disk: Callable[[sqlite3.Connection], None]
) -> None:
    async with managed(directory, f"sqlite:///{tmp_path}/full.db") as desk:
        identity = await desk.made()
        _, secret = await desk.secret({"Template": identity})
        database = desk.gateway.service.publication.database
        assert database is not None
        event.listen(database.engine.sync_engine, "connect", lambda connection, _: disk(connection))
        await database.engine.dispose()
        answers = [
            await desk.call("PUT", f"/templates/{identity}", {"Description": str(number) * 4000}) for number in range(8)
        ]
        listed = await desk.call("GET", f"/templates/{identity}")
        served = await desk.gateway.get("Property?$top=1", secret)

    failed = [answer for answer in answers if answer.status != 200]
    assert failed
    assert {code(answer) for answer in failed} == {(503, 1024)}
    assert listed.header("ETag") == f'"{1 + len(answers) - len(failed)}"'
    assert served.status == 200


async def test_a_key_that_is_revoked_while_its_body_comes_does_nothing(desk: Desk) -> None:
    """Connections that were opened in advance would else outlive every revocation."""
    identity, secret = await desk.secret({"Role": "private", "Permissions": ["manage_keys"]})
    begun, revoked = asyncio.Event(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b'{"D": '
        begun.set()
        await revoked.wait()
        yield b'{"Role": "private"}}'

    url = f"http://127.0.0.1:{desk.gateway.service.admin.port}/v1/developers/keys"
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}

    async def held() -> tuple[int, bytes]:
        async with desk.gateway.session.post(url, data=body(), headers=headers) as response:
            return response.status, await response.read()

    task = asyncio.create_task(held())
    await begun.wait()
    await asyncio.sleep(0.05)
    before = len(results(await desk.call("GET", "/keys?_limit=100")))
    await desk.call("DELETE", f"/keys/{identity}")
    revoked.set()
    status, text = await task

    assert status == 401, text
    assert len(results(await desk.call("GET", "/keys?_limit=100"))) == before - 1


async def test_a_body_that_does_not_come_is_not_waited_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(administration, "_BODY_PATIENCE", 0.05)
    never = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b'{"D": '
        await never.wait()

    url = f"http://127.0.0.1:{desk.gateway.service.admin.port}/v1/developers/templates"
    headers = {"Authorization": "Bearer staff", "Content-Type": "application/json"}
    async with desk.gateway.session.post(url, data=body(), headers=headers) as response:
        told = await response.json()

    assert (response.status, told["D"]["Code"]) == (400, 1035)


async def test_many_faults_are_told_in_part(desk: Desk) -> None:
    unknown = await desk.call("POST", "/templates", {f"a{number}": 1 for number in range(3000)})
    permissions = await desk.call("POST", "/keys", {"Role": "private", "Permissions": ["x" * 100] * 3000})
    rules = {f"F{number}": {"Rule": "Shown"} for number in range(3000)}
    overrides = await desk.call("POST", "/templates", {**SEED, "FieldOverrides": {"Property": {"All": rules}}})

    for answer in (unknown, permissions, overrides):
        assert code(answer) == (400, 1053)
        assert len(answer.json()["D"]["Details"]) <= 100
        assert len(answer.body) < 100_000
    assert "and 2999 more" in unknown.json()["D"]["Message"]


async def test_what_takes_long_to_prove_is_refused(desk: Desk) -> None:
    rule = {"Rule": "Visible", "When": "City eq '" + "x" * 3000 + "'"}
    fields = dict.fromkeys(("City", "CountyOrParish", "PostalCode", "StateOrProvince", "StreetName"), rule)
    groups = dict.fromkeys(("Residential", "Land", "Farm", "All", "Business Opportunity"), fields)

    assert code(await desk.call("POST", "/templates", {**SEED, "FieldOverrides": {"Property": groups}})) == (400, 1041)


async def test_no_effect_can_be_told_without_metadata(directory: Path, database_url: str) -> None:
    """Nor can a template be saved; what is there is shown, and keys can be disabled."""
    async with managed(directory, database_url) as desk:
        identity = await desk.made()
        key, _ = await desk.secret({"Role": "idx"})
    async with running(configuration(directory, "http://127.0.0.1:9/x", STORE__URL=database_url)) as gateway:
        desk = Desk(gateway)
        shown = await desk.call("GET", f"/templates/{identity}")
        refused = [
            await desk.call("DELETE", f"/templates/{identity}?dry_run=true"), await desk.call("PUT", f"/templates/{identity}", {"Name": "x"}),
            await desk.call("POST", "/templates", SEED),
        ]  # fmt: skip
        disabled = await desk.call("POST", f"/keys/{key}/disable")

    assert (shown.status, disabled.status) == (200, 200)
    assert {code(answer) for answer in refused} == {(503, 1024)}


async def test_empty_pairs_in_a_query_say_nothing(desk: Desk) -> None:
    plain = await desk.call("GET", "/templates?dry_run=false")

    assert plain.status == 400
    for query in ("?", "?&", "?&&"):
        assert (await desk.call("GET", f"/templates{query}")).status == 200
    assert (await desk.call("GET", "/templates?&&dry_run=false&")).body == plain.body


@pytest.mark.parametrize(
    ("headers", "path", "first"),
    [
        ("Authorization: Bearer staff\r\n", "/templates", b"HTTP/1.1 100 "), ("", "/templates", b"HTTP/1.1 401 "), ("Authorization: Bearer idx\r\n", "/templates", b"HTTP/1.1 403 "),
        ("Authorization: Bearer staff\r\n", "/nope", b"HTTP/1.1 404 "),
    ],
)  # fmt: skip
async def test_a_body_is_asked_for_of_those_who_may_send_one(desk: Desk, headers: str, path: str, first: bytes) -> None:
    """RFC 9110, 10.1.1: ``Expect: 100-continue``."""
    body = json.dumps({"D": SEED}).encode()
    head = f"POST /v1/developers{path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Type: application/json\r\nConnection: close\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", desk.gateway.service.admin.port)
    writer.write(f"{head}Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
    if answer.startswith(b"HTTP/1.1 100 "):
        writer.write(body)
        final = await asyncio.wait_for(reader.read(-1), 20)
        assert final.startswith(b"HTTP/1.1 201 ")
    writer.close()

    assert answer.startswith(first)


@pytest.mark.parametrize("length", ["5", "900000000"])
async def test_nobody_is_asked_for_a_body_that_is_not_taken(desk: Desk, length: str) -> None:
    """Where none is expected, and where it is too long."""
    method = "GET" if length == "5" else "POST"
    head = f"{method} /v1/developers/templates HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer staff\r\nContent-Type: application/json\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", desk.gateway.service.admin.port)
    writer.write(f"{head}Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
    writer.close()

    assert answer.split(b" ")[1] == (b"400" if length == "5" else b"413")


async def test_a_key_that_loses_its_permission_while_its_body_comes_does_nothing(desk: Desk) -> None:
    identity, secret = await desk.secret({"Role": "private", "Permissions": ["manage_keys"]})
    begun, taken = asyncio.Event(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b'{"D": '
        begun.set()
        await taken.wait()
        yield b'{"Role": "private"}}'

    url = f"http://127.0.0.1:{desk.gateway.service.admin.port}/v1/developers/keys"
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}

    async def held() -> int:
        async with desk.gateway.session.post(url, data=body(), headers=headers) as response:
            await response.read()
            return response.status

    task = asyncio.create_task(held())
    await begun.wait()
    before = len(results(await desk.call("GET", "/keys?_limit=100")))
    changed = await desk.call("PUT", f"/keys/{identity}", {"Permissions": ["manage_templates"]})
    taken.set()

    assert changed.status == 200
    assert await task == 403
    assert len(results(await desk.call("GET", "/keys?_limit=100"))) == before
