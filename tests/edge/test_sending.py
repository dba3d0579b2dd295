"""A write is sent once: whatever the connection, the clock or the upstream does in between (CHANNELS C206, C307, C308)."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import web
from pytest import MonkeyPatch

from gateway.edge.sending import Dispatch, Sender
from gateway.observe.events import WriteEnded
from gateway.settings import Upstream
from gateway.upstream.client import UpstreamClient, UpstreamFailure
from tests.hostile import Hostile, hostile_running
from tests.support import until
from tests.writing import BY, DRAFT, writing

UNKNOWN = (504, "UnknownOutcome")


@pytest.mark.channel("C308")
@pytest.mark.guarantee("G4")
@pytest.mark.parametrize("done", [True, False])
async def test_a_connection_that_breaks_leaves_the_outcome_unknown(directory: Path, done: bool) -> None:
    """A library would send a DELETE again, on another connection, and report what comes of that."""
    async with writing(directory) as desk:
        for method, body in (("POST", DRAFT), ("PATCH", {"City": "A", **BY}), ("DELETE", None)):
            path = await desk.draft()
            desk.sandbox.drops(done=done)
            answer = await desk.send(method, "Property" if method == "POST" else path, body)

            assert (answer.status, answer.json()["error"]["code"]) == UNKNOWN
            assert len(desk.sandbox.came) == 1
            assert desk.gateway.handled[-1].upstream_status == 0
        assert b"connect" not in answer.body.lower()


@pytest.mark.channel("C308")
async def test_each_write_has_a_connection_of_its_own(directory: Path) -> None:
    """One that was used before may be closed by the upstream just now."""
    async with writing(directory) as desk:
        path = await desk.draft()
        for city in "AB":
            assert (await desk.send("PATCH", path, {"City": city, **BY})).status == 204

        assert [headers.get("Connection") for _, _, headers in desk.sandbox.came] == ["close", "close"]


@pytest.mark.channel("C308")
@pytest.mark.parametrize("status", [202, 302, 408, 460, 499, 500, 502, 503, 504])
async def test_an_answer_that_says_neither_yes_nor_no_is_unknown(directory: Path, status: int) -> None:
    async with writing(directory) as desk:
        path = await desk.draft()
        desk.sandbox.says(status, {"error": {"message": "canary"}}, Location="http://evil.example/")
        answer = await desk.send("PATCH", path, {"City": "A", **BY})

        assert len(desk.sandbox.came) == 1
    assert (answer.status, answer.json()["error"]["code"]) == UNKNOWN
    assert b"canary" not in answer.body


@pytest.mark.parametrize(("status", "told"), [(401, 503), (403, 503), (405, 502), (413, 502), (429, 503), (501, 502)])
async def test_a_no_is_no_outcome_that_is_unknown(directory: Path, status: int, told: int) -> None:
    async with writing(directory) as desk:
        path = await desk.draft()
        desk.sandbox.says(status, {"error": {"message": "canary"}})
        answer = await desk.send("PATCH", path, {"City": "A", **BY})
        after = await desk.send("PATCH", path, {"City": "B", **BY})

    assert answer.status == told
    assert b"canary" not in answer.body
    assert after.status == 204


@pytest.mark.channel("C206", "C327")
async def test_a_record_that_changes_under_a_write_is_decided_anew(directory: Path) -> None:
    async with writing(directory) as desk:
        path = await desk.draft()
        desk.sandbox.first(lambda: desk.change(path, PrivateRemarks="hidden"))
        hidden = await desk.send("PATCH", path, {"City": "A", **BY})
        sent = len(desk.sandbox.came)

        assert desk.row(path)["City"] == "A"
        assert desk.row(path)["PrivateRemarks"] == "hidden"
    assert (hidden.status, sent) == (204, 2)


@pytest.mark.channel("C206")
@pytest.mark.guarantee("G1")
async def test_a_row_that_leaves_the_rule_between_read_and_write_stays_untouched(directory: Path) -> None:
    async with writing(directory) as desk:
        for method, body in (("PATCH", {"City": "A", **BY}), ("DELETE", None)):
            path = await desk.draft()
            desk.sandbox.first(lambda path=path: desk.change(path, StandardStatus="Closed"))  # type: ignore[misc]  # a lambda's default
            answer = await desk.send(method, path, body)

            assert (answer.status, desk.row(path)["City"]) == (404, "Springfield")
            assert len(desk.sandbox.came) == 1


@pytest.mark.channel("C327", "C206")
async def test_after_three_times_it_is_a_conflict(directory: Path) -> None:
    async with writing(directory) as desk:
        path = await desk.draft()
        for number in range(4):
            desk.sandbox.first(lambda number=number: desk.change(path, PrivateRemarks=str(number)))  # type: ignore[misc]  # a lambda's default
        answer = await desk.send("PATCH", path, {"City": "A", **BY})

        assert len(desk.sandbox.came) == 3
        assert desk.row(path)["City"] == "Springfield"
    assert (answer.status, answer.json()["error"]["code"]) == (409, "Conflict")


@pytest.mark.channel("C327")
async def test_the_clients_condition_holds_for_what_is_decided_on(directory: Path) -> None:
    """A visible change between read and write: who said If-Match is told, who did not is none the wiser."""
    async with writing(directory) as desk:
        path = await desk.draft()
        tag = (await desk.send("GET", path)).header("ETag") or ""
        desk.sandbox.first(lambda: desk.change(path, StreetName="Other St"))
        conditional = await desk.send("PATCH", path, {"City": "A", **BY}, If_Match=tag)
        desk.sandbox.first(lambda: desk.change(path, StreetName="Third St"))
        plain = await desk.send("PATCH", path, {"City": "B", **BY})

        assert desk.row(path)["City"] == "B"
    assert (conditional.status, plain.status) == (412, 204)


@pytest.mark.channel("C308")
@pytest.mark.parametrize("status", [404, 410])
async def test_what_the_upstream_does_not_find_is_read_again(directory: Path, status: int) -> None:
    """Its status is about its own routes, and nothing that is copied: the record is there, so it is a conflict."""
    async with writing(directory) as desk:
        path = await desk.draft()
        for _ in range(3):
            desk.sandbox.says(status)
        answer = await desk.send("PATCH", path, {"City": "A", **BY})
        desk.sandbox.says(status)
        once = await desk.send("PATCH", path, {"City": "A", **BY})
        desk.sandbox.first(lambda: desk.sandbox.database.delete("Property", path[10:-2]))
        gone = await desk.send("DELETE", path)

    assert (answer.status, once.status, gone.status) == (409, 204, 404)


@pytest.mark.channel("C307")
async def test_a_write_that_is_slow_goes_on_to_its_end(directory: Path) -> None:
    """The client is told in time that nobody knows; what became of it is in the log, and nothing is sent again."""
    slow = asyncio.Event()
    async with writing(directory, requests={"deadline": 0.6}) as desk:
        path = await desk.draft()
        desk.sandbox.waits(slow)
        answer = await desk.send("PATCH", path, {"City": "A", **BY})
        before = desk.row(path)["City"]
        slow.set()
        await until(lambda: any(isinstance(event, WriteEnded) for event in desk.gateway.events))
        ended = [event for event in desk.gateway.events if isinstance(event, WriteEnded)]

        assert desk.row(path)["City"] == "A"
        assert len(desk.sandbox.came) == 1
    assert (answer.status, answer.json()["error"]["code"], before) == (*UNKNOWN, "Springfield")
    assert [(event.status, event.outcome) for event in ended] == [(204, "done")]


@pytest.mark.channel("C307")
async def test_a_gateway_that_stops_lets_a_write_end(directory: Path) -> None:
    slow = asyncio.Event()
    async with writing(directory, requests={"deadline": 0.3}) as desk:
        path = await desk.draft()
        desk.sandbox.waits(slow)
        await desk.send("PATCH", path, {"City": "A", **BY})
        asyncio.get_running_loop().call_later(0.3, slow.set)
        await desk.gateway.service.__aexit__(None, None, None)

        assert desk.row(path)["City"] == "A"


@pytest.mark.channel("C325")
async def test_what_is_written_and_cannot_be_read_is_written(directory: Path) -> None:
    """That is no failure of the write."""
    async with writing(directory) as desk:
        path = await desk.draft()

        def fails(*_: object) -> None:
            raise RuntimeError("out of order")

        with MonkeyPatch.context() as patch:
            desk.sandbox.first(lambda: patch.setattr(desk.sandbox.database, "read", fails))
            answer = await desk.send("PATCH", path, {"City": "A", **BY}, Prefer="return=representation")
        slow = await desk.send("PATCH", path, {"City": "B", **BY}, Prefer="return=representation")

        assert desk.row(path)["City"] == "B"
    assert (answer.status, answer.body, answer.header("Location")) == (204, b"", None)
    assert slow.status == 200


@pytest.mark.channel("C325")
async def test_what_is_written_and_cannot_be_read_in_time_is_written(directory: Path) -> None:
    async with writing(directory, requests={"deadline": 0.6}) as desk:
        path = await desk.draft()
        desk.sandbox.first(desk.sandbox.stall)
        answer = await desk.send("PATCH", path, {"City": "A", **BY}, Prefer="return=representation")
        desk.sandbox.stalls.set()

        assert desk.row(path)["City"] == "A"
    assert (answer.status, answer.body, answer.header("Location")) == (204, b"", None)


async def test_an_upstream_that_cannot_be_reached_has_written_nothing(directory: Path) -> None:
    async with writing(directory) as desk:
        path = await desk.draft()
        await desk.sandbox.stop()
        answer = await desk.send("PATCH", path, {"City": "A", **BY})

    assert (answer.status, answer.json()["error"]["code"]) == (503, "Unavailable")


@pytest.mark.channel("C93", "C212")
@pytest.mark.parametrize(
    "location",
    [
        "http://evil.example/x",
        "Member('M001')",
        "Property('Draft000001')/Media",
        "::",
        "/odata/Property(1,2",
        "",
        "Property('nowhere')",
    ],
)
async def test_an_address_that_names_no_record_of_the_key_is_none(directory: Path, location: str) -> None:
    """What was made cannot be shown then; nothing is asked at that address, and it is not passed on."""
    async with writing(directory) as desk:
        desk.sandbox.says(201, {"ListingKey": "canary"}, Location=location)
        answer = await desk.send("POST", "Property", DRAFT)

    assert (answer.status, answer.body, answer.header("Location")) == (204, b"", None)


@pytest.mark.channel("C307")
async def test_a_write_whose_turn_comes_too_late_is_not_sent() -> None:
    """While it waited for its turn, its client was told that it took too long."""
    upstream = Hostile(lambda _: web.Response(status=204))
    async with hostile_running(upstream), UpstreamClient(Upstream(url=upstream.url), None) as client:
        sender = Sender(client, None, lambda _: None)
        for abandoned in (True, False):
            dispatch = Dispatch("PATCH", "Property", "Property('x')", b"{}", None, "'x'", None, "1")
            dispatch.write.abandoned = abandoned
            with suppress(UpstreamFailure):
                await sender.send(dispatch)
            assert len(upstream.requests) == (0 if abandoned else 1)
