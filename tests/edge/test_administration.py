"""The admin listener over HTTP: bodies, sizes, encodings, and a database that cannot be used."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import event
from yarl import URL

from gateway.observe.events import AdminHandled, Complaint
from tests.managed import SEED, Desk, code, managed, results


async def test_a_body_that_is_too_large_is_refused(directory: Path, database_url: str) -> None:
    async with managed(directory, database_url, ADMIN__MAX_BODY="2048") as desk:
        large = await desk.call("POST", "/templates", {**SEED, "Description": "x" * 2048})
        small = await desk.call("POST", "/templates", {**SEED, "Description": "x" * 1024})
        listed = results(await desk.call("GET", "/templates"))

    assert code(large) == (413, 1035)
    assert small.status == 201
    assert len(listed) == 3


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
async def test_what_cannot_be_saved_is_503_and_what_was_in_force_stays(directory: Path, tmp_path: Path) -> None:
    """A disk that is full, or a file that another program holds: the save fails as a whole."""
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


@pytest.mark.guarantee("G7")
async def test_a_full_disk_loses_nothing(directory: Path, tmp_path: Path) -> None:
    async with managed(directory, f"sqlite:///{tmp_path}/full.db") as desk:
        identity = await desk.made()
        database = desk.gateway.service.publication.database
        assert database is not None

        def full(connection: sqlite3.Connection, *_: object) -> None:
            """As little room as there is data: what SQLite does when the disk is full."""
            connection.execute(f"PRAGMA max_page_count={connection.execute('PRAGMA page_count').fetchone()[0]}")

        event.listen(database.engine.sync_engine, "connect", full)
        await database.engine.dispose()
        answers = [
            await desk.call("PUT", f"/templates/{identity}", {"Description": str(number) * 4000}) for number in range(8)
        ]
        listed = await desk.call("GET", f"/templates/{identity}")

    failed = [answer for answer in answers if answer.status != 200]
    assert failed
    assert {code(answer) for answer in failed} == {(503, 1024)}
    assert listed.header("ETag") == f'"{1 + len(answers) - len(failed)}"'
