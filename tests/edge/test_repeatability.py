"""Requests that may come again (OASIS Repeatable Requests): one write, answers of today (C221)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from gateway.store.database import Database
from tests.support import Answer
from tests.writing import BY, DRAFT, Desk, writing

NOW = 1_800_000_000.0
RESULT = "Repeatability-Result"


def again(identity: str = "one", sent: float = NOW, **more: str) -> dict[str, str]:
    return {"Repeatability-Request-ID": identity, "Repeatability-First-Sent": formatdate(sent, usegmt=True), **more}


async def send(desk: Desk, method: str, path: str, body: Any = None, *, key: str = "k", **headers: str) -> Answer:
    return await desk.send(method, path, body, key=key, **headers)


@asynccontextmanager
async def remembering(directory: Path, database: str, **more: Any) -> AsyncIterator[Desk]:
    async with writing(directory, database=database, **more) as desk:
        yield desk


@pytest.mark.channel("C221")
@pytest.mark.guarantee("G4", "G7")
async def test_a_repeat_writes_nothing_and_is_answered_like_the_first(directory: Path, database_url: str) -> None:
    async with remembering(directory, database_url) as desk:
        made = [await send(desk, "POST", "Property", DRAFT, **again()) for _ in range(3)]
        path = f"Property('{made[0].json()['ListingKey']}')"
        changed = [
            await send(desk, "PATCH", path, {"City": "A", **BY}, **again("two"), Prefer="return=representation")
            for _ in range(2)
        ]
        deleted = [await send(desk, "DELETE", path, **again("three")) for _ in range(2)]
        plain = await send(desk, "DELETE", path)

        assert [method for method, _, _ in desk.sandbox.came] == ["POST", "PATCH", "DELETE"]
        assert all("Repeatability" not in name for _, _, headers in desk.sandbox.came for name in headers)
    assert made[0] == made[1] == made[2]
    assert changed[0] == changed[1]
    assert deleted[0] == deleted[1]
    assert [answers[0].status for answers in (made, changed, deleted)] == [201, 200, 204]
    assert {answers[0].header(RESULT) for answers in (made, changed, deleted)} == {"accepted"}
    assert (plain.status, plain.header(RESULT)) == (404, None)


@pytest.mark.channel("C221")
async def test_an_id_belongs_to_key_method_target_and_body(directory: Path, database_url: str) -> None:
    """With any other of them it is another request, which never meets the first."""
    async with remembering(directory, database_url) as desk:
        first = await send(desk, "POST", "Property", DRAFT, **again())
        path = f"Property('{first.json()['ListingKey']}')"
        other = await send(desk, "POST", "Property", DRAFT, key="other", **again())
        body = await send(desk, "POST", "Property", {**DRAFT, "City": "B"}, **again())
        client = await send(desk, "POST", "Property", DRAFT, **again(), **{"Repeatability-Client-ID": "c"})
        target = await send(desk, "PATCH", path, {"City": "C", **BY}, **again())
        same_body = await send(
            desk, "PATCH", f"Property('{other.json()['ListingKey']}')", {"City": "C", **BY}, **again()
        )

        assert len(desk.sandbox.came) == 6
    keys = {answer.json()["ListingKey"] for answer in (first, other, body, client)}
    assert len(keys) == 4
    assert (target.status, same_body.status) == (204, 204)


@pytest.mark.channel("C221")
@pytest.mark.guarantee("G1")
async def test_the_answer_to_a_repeat_is_todays(directory: Path, database_url: str) -> None:
    """Composed afresh: of a record that has changed, that the key sees no longer, that is gone."""
    async with remembering(directory, database_url) as desk:
        first = await send(desk, "POST", "Property", DRAFT, **again())
        path = f"Property('{first.json()['ListingKey']}')"
        desk.change(path, City="Changed")
        changed = await send(desk, "POST", "Property", DRAFT, **again())
        desk.change(path, StandardStatus="Closed")
        hidden = await send(desk, "POST", "Property", DRAFT, **again())
        desk.sandbox.database.delete("Property", path[10:-2])
        gone = await send(desk, "POST", "Property", DRAFT, **again())

        assert len(desk.sandbox.came) == 1
    assert (changed.status, changed.json()["City"]) == (201, "Changed")
    assert (hidden.status, hidden.body, hidden.header("Location")) == (204, b"", None)
    assert hidden == gone


@pytest.mark.channel("C221", "C308")
async def test_what_nobody_knows_is_not_sent_again(directory: Path, database_url: str) -> None:
    async with remembering(directory, database_url) as desk:
        desk.sandbox.drops(done=True)
        answers = [await send(desk, "POST", "Property", DRAFT, **again()) for _ in range(3)]

        assert len(desk.sandbox.came) == 1
    assert [(answer.status, answer.json()["error"]["code"], answer.header(RESULT)) for answer in answers] == [
        (504, "UnknownOutcome", "accepted")
    ] * 3


@pytest.mark.channel("C221")
async def test_what_was_refused_may_be_tried_again(directory: Path, database_url: str) -> None:
    async with remembering(directory, database_url) as desk:
        desk.sandbox.says(400, {"error": {"target": "City"}})
        desk.sandbox.says(429)
        answers = [await send(desk, "POST", "Property", DRAFT, **again()) for _ in range(3)]
        ours = await send(desk, "POST", "Property", {"City": 1}, **again("two"))

    assert [(answer.status, answer.header(RESULT)) for answer in (*answers, ours)] == [
        (400, "rejected"), (503, "rejected"), (201, "accepted"), (400, "rejected"),
    ]  # fmt: skip


@pytest.mark.channel("C221", "C307")
async def test_two_at_once_write_once(directory: Path, database_url: str) -> None:
    slow = asyncio.Event()
    async with remembering(directory, database_url) as desk:
        desk.sandbox.waits(slow)
        first = asyncio.create_task(send(desk, "POST", "Property", DRAFT, **again()))
        while not desk.sandbox.came:  # noqa: ASYNC110  # the sandbox sets no event
            await asyncio.sleep(0.01)
        second = await send(desk, "POST", "Property", DRAFT, **again())
        slow.set()
        done = await first
        third = await send(desk, "POST", "Property", DRAFT, **again())

        assert len(desk.sandbox.came) == 1
    assert (second.status, done.status, third) == (504, 201, done)


@pytest.mark.channel("C221", "C307")
async def test_a_write_that_ends_late_is_known_to_its_repeat(directory: Path, database_url: str) -> None:
    slow = asyncio.Event()
    async with remembering(directory, database_url, requests={"deadline": 1.0}) as desk:
        desk.sandbox.waits(slow)
        late = await send(desk, "POST", "Property", DRAFT, **again())
        slow.set()
        for _ in range(100):
            answer = await send(desk, "POST", "Property", DRAFT, **again())
            if answer.status == 201:
                break
            await asyncio.sleep(0.02)

        assert len(desk.sandbox.came) == 1
    assert (late.status, answer.status) == (504, 201)


@pytest.mark.channel("C221")
async def test_another_process_on_the_same_database_knows_it(directory: Path, database_url: str) -> None:
    async with remembering(directory, database_url) as one:
        first = await send(one, "POST", "Property", DRAFT, **again())
    async with remembering(directory, database_url) as two:
        second = await send(two, "POST", "Property", DRAFT, **again())

        assert two.sandbox.came == []
    assert (first.status, second.status) == (201, 204)  # its sandbox is another one: the record is not there


@pytest.mark.channel("C221")
async def test_headers_that_are_none_are_refused(directory: Path, database_url: str) -> None:
    cases: list[tuple[dict[str, str], int]] = [
        ({"Repeatability-Request-ID": "one"}, 400),
        ({"Repeatability-First-Sent": formatdate(NOW, usegmt=True)}, 400),
        (again("x" * 256), 400),
        ({**again(), "Repeatability-First-Sent": "yesterday"}, 400),
        ({**again(), "Repeatability-First-Sent": ""}, 400),
        (again(sent=NOW + 3600), 400),
        (again(sent=NOW - 25 * 3600), 412),
        (again(sent=NOW - 23 * 3600), 201),
        (again(sent=NOW + 60), 201),
    ]
    async with remembering(directory, database_url) as desk:
        found = [(await send(desk, "POST", "Property", DRAFT, **headers)) for headers, _ in cases]

        assert len(desk.sandbox.came) == 1  # the last two are one
    assert [answer.status for answer in found] == [status for _, status in cases]
    assert {answer.header(RESULT) for answer in found[:7]} == {"rejected"}


async def test_without_a_database_nothing_is_remembered(directory: Path) -> None:
    """And nothing is written under the promise that it is."""
    async with writing(directory) as desk:
        answer = await send(desk, "POST", "Property", DRAFT, **again())
        plain = await send(desk, "POST", "Property", DRAFT)

        assert len(desk.sandbox.came) == 1
    assert (answer.status, answer.header(RESULT), plain.status) == (501, "rejected", 201)


@pytest.mark.guarantee("G7")
async def test_a_database_that_cannot_be_used_lets_nothing_be_sent(directory: Path, tmp_path: Path) -> None:
    from gateway.store.database import StoreError

    async with remembering(directory, f"sqlite:///{tmp_path}/gateway.db") as desk:
        repeats = desk.gateway.service.gateway._sender.repeats  # the database has no other way to be broken in a test
        assert repeats is not None

        async def fails(_: object) -> None:
            raise StoreError("the disk is full")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(repeats), "claim", lambda self, identity: fails(identity))
            unnoted = await send(desk, "POST", "Property", DRAFT, **again())
            patch.setattr(type(repeats), "find", lambda self, identity: fails(identity))
            unread = await send(desk, "POST", "Property", DRAFT, **again())
            assert desk.sandbox.came == []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(repeats), "done", lambda self, identity, **_: fails(identity))
            written = await send(desk, "POST", "Property", DRAFT, **again())
        repeat = await send(desk, "POST", "Property", DRAFT, **again())

        assert len(desk.sandbox.came) == 1
    assert [answer.status for answer in (unnoted, unread, written, repeat)] == [503, 503, 201, 504]


async def test_what_is_long_ago_is_forgotten(directory: Path, tmp_path: Path) -> None:
    from sqlalchemy import func, select

    from gateway.store.database import REPEATS

    url = f"sqlite:///{tmp_path}/gateway.db"
    async with remembering(directory, url) as desk:
        await send(desk, "POST", "Property", DRAFT, **again())
        desk.gateway.now[0] = NOW + 3 * 24 * 3600
        await send(desk, "POST", "Property", DRAFT, **again("two", NOW + 3 * 24 * 3600))
    async with Database(url) as database, database.reading() as connection:
        assert (await connection.execute(select(func.count()).select_from(REPEATS))).scalar_one() == 1
