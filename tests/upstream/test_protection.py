"""An upstream in trouble is not asked to death, and nobody waits for it without end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from gateway.errors import Code
from gateway.observe.events import BreakerChanged, Event, UpstreamAnswered, UpstreamRetried
from gateway.settings import Upstream
from gateway.upstream.client import UnknownOutcomeError, UpstreamClient
from gateway.upstream.credentials import UpstreamFailure
from gateway.upstream.protection import Breaker, Budget, Gate, seconds_of
from tests.hostile import Hostile, collection, hostile_running

OUTAGE = UpstreamFailure(Code.UNAVAILABLE, "cannot be reached", is_outage=True, may_pass=True)
REFUSAL = UpstreamFailure(Code.UPSTREAM_ERROR, "answered 400")


class Watched:
    """A breaker with a clock that stands still, and what it has told."""

    def __init__(self, failures: int = 3) -> None:
        self.now = 0.0
        self.told: list[tuple[bool, str]] = []
        self.breaker = Breaker(failures, 5.0, lambda: self.now, lambda *told: self.told.append(told))

    async def ask(self, failure: UpstreamFailure | None = None) -> str:
        try:
            async with self.breaker.watching():
                if failure is not None:
                    raise failure
        except UpstreamFailure as error:
            return error.reason
        return "answered"


async def test_after_failures_in_a_row_nothing_is_asked_until_one_try_is_answered() -> None:
    watched = Watched()
    first = [await watched.ask(OUTAGE) for _ in range(3)]
    while_open = [await watched.ask() for _ in range(3)]
    watched.now = 5.0
    failed_try = await watched.ask(OUTAGE)
    watched.now = 9.9
    still_open = await watched.ask()
    watched.now = 10.0
    closed = [await watched.ask(), await watched.ask()]

    assert first == ["cannot be reached"] * 3
    assert while_open == ["is left alone after failures"] * 3
    assert failed_try == "cannot be reached"
    assert still_open == "is left alone after failures"
    assert closed == ["answered", "answered"]
    assert watched.told == [
        (True, "3 failures in a row, the last: cannot be reached"),
        (False, "the upstream answers again"),
    ]


async def test_an_answer_between_failures_keeps_it_closed_and_a_refusal_is_one() -> None:
    watched = Watched()
    for failure in (OUTAGE, OUTAGE, None, OUTAGE, OUTAGE, REFUSAL, OUTAGE, OUTAGE):
        await watched.ask(failure)

    assert watched.told == []


async def test_one_tries_at_a_time_and_who_goes_away_learns_nothing() -> None:
    watched = Watched(1)
    await watched.ask(OUTAGE)
    watched.now = 5.0
    leave = asyncio.Event()

    async def hang() -> None:
        async with watched.breaker.watching():
            await leave.wait()

    trying = asyncio.create_task(hang())
    await asyncio.sleep(0)
    beside = await watched.ask()
    trying.cancel()
    with suppress(asyncio.CancelledError):
        await trying
    after = await watched.ask()

    assert beside == "is left alone after failures"
    assert after == "answered"


async def test_none_in_a_row_is_never() -> None:
    watched = Watched(0)

    assert {await watched.ask(OUTAGE) for _ in range(100)} == {"cannot be reached"}


def test_a_budget_is_a_share_of_what_is_asked() -> None:
    budget = Budget(0.1)
    spent = 0
    for _ in range(1000):
        budget.earn()
        spent += budget.spend()

    assert 100 <= spent <= 110


async def test_as_many_as_may_wait_do_and_no_more() -> None:
    gate, go = Gate(2, 3), asyncio.Event()
    done: list[Any] = []

    async def ask(number: int) -> None:
        try:
            async with gate.passing():
                await go.wait()
                done.append(number)
        except UpstreamFailure as failure:
            done.append(failure.code)

    tasks = [asyncio.create_task(ask(number)) for number in range(7)]
    await asyncio.sleep(0)
    shed = list(done)
    tasks[3].cancel()
    await asyncio.sleep(0)
    late = asyncio.create_task(ask(7))  # somebody has left the queue
    await asyncio.sleep(0)
    go.set()
    await asyncio.gather(*tasks, late, return_exceptions=True)

    assert shed == [Code.UNAVAILABLE] * 2
    assert sorted(found for found in done if isinstance(found, int)) == [0, 1, 2, 4, 7]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(None, None), ("7", 7.0), (" 7 ", 7.0), ("Sun, 22 Nov 2026 15:00:30 GMT", 30.0), ("Sun, 22 Nov 2026 14:00:00 GMT", 0.0),
     ("soon", None), ("-1", None), ("1" * 40, None), ("", None), ("1.5", None)],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(text: str | None, seconds: float | None) -> None:
    assert seconds_of(text, lambda: datetime(2026, 11, 22, 15, tzinfo=UTC)) == seconds


# --- the client


class Flaky:
    """Answers with each status in turn, and after them as it should."""

    def __init__(self, *statuses: int, **headers: str) -> None:
        self.statuses = list(statuses)
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.upstream = Hostile(self._answer)

    def _answer(self, _: web.BaseRequest) -> web.StreamResponse:
        if self.statuses:
            return web.Response(status=self.statuses.pop(0), headers=self.headers)
        return collection([])


async def asked(flaky: Flaky, times: int = 1, **settings: Any) -> tuple[list[str], list[Event]]:
    """What each of some reads came to, and what was told beside the answers."""
    events: list[Event] = []
    came = []
    async with (
        hostile_running(flaky.upstream) as running,
        UpstreamClient(Upstream(url=running.url, retry_wait=0.2, **settings), None, publish=events.append) as client,
    ):
        for _ in range(times):
            try:
                await client.read_collection("Property", "$top=1")
                came.append("answered")
            except UpstreamFailure as failure:
                came.append(failure.reason)
    return came, [event for event in events if not isinstance(event, UpstreamAnswered)]


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_read_that_may_be_answered_the_second_time_is_asked_again(status: int) -> None:
    flaky = Flaky(status, status)
    came, events = await asked(flaky)

    assert came == ["answered"]
    assert events == [UpstreamRetried(2), UpstreamRetried(3)]
    assert len(flaky.upstream.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 501])
async def test_what_was_refused_is_not_asked_again(status: int) -> None:
    flaky = Flaky(status)
    await asked(flaky)

    assert len(flaky.upstream.requests) == 1


@pytest.mark.parametrize("retries", [0, 2])
@pytest.mark.parametrize("answered_before", [0, 1])
async def test_an_upstream_that_hangs_up_is_asked_so_often_and_no_more(retries: int, answered_before: int) -> None:
    """The library would send each read twice, also on a connection that has been good before."""

    def answer(request: web.BaseRequest) -> web.Response:
        if len(upstream.requests) > answered_before:
            assert request.transport is not None
            request.transport.abort()
        return collection([])

    upstream = Hostile(answer)
    async with (
        hostile_running(upstream) as running,
        UpstreamClient(Upstream(url=running.url, retry_wait=0.1, retries=retries), None) as client,
    ):
        for _ in range(answered_before):
            await client.read_collection("Property", "$top=1")
        with pytest.raises(UpstreamFailure, match="connection lost"):
            await client.read_collection("Property", "$top=1")

    assert len(upstream.requests) == answered_before + 1 + retries


async def test_it_is_asked_so_often_and_no_more() -> None:
    flaky = Flaky(*[503] * 10)
    came, _ = await asked(flaky, retries=1)

    assert came == ["is busy (503)"]
    assert len(flaky.upstream.requests) == 2


async def test_a_pause_that_is_too_long_is_not_waited_for() -> None:
    flaky = Flaky(503, Retry_After="60")
    came, _ = await asked(flaky)

    assert came == ["is busy (503)"]
    assert len(flaky.upstream.requests) == 1


async def test_a_pause_that_is_asked_for_is_made() -> None:
    client = UpstreamClient(Upstream(url="http://127.0.0.1:9/odata", retry_wait=2.0), None)

    def pause(retry_after: float | None, *, may_pass: bool = True) -> bool | float:
        failure = UpstreamFailure(Code.UNAVAILABLE, "busy", may_pass=may_pass, retry_after=retry_after)
        return client._is_worth_another(failure, 1)

    assert [pause(1.5), pause(0.0), pause(None), pause(2.5), pause(1.5, may_pass=False)] == [
        1.5,
        0.1,
        True,
        False,
        False,
    ]
    assert client._is_worth_another(ValueError(), 1) is False


async def test_retries_are_a_share_of_all_reads() -> None:
    flaky = Flaky(*[503] * 1000)
    await asked(flaky, 30, retries=5, breaker_failures=0)

    assert 30 + Budget.MOST <= len(flaky.upstream.requests) <= 30 + Budget.MOST + 0.1 * 30


async def test_an_upstream_that_fails_is_left_alone() -> None:
    flaky = Flaky(*[503] * 100)
    came, events = await asked(flaky, 20, retries=0, breaker_failures=4, breaker_pause=1000)

    assert came == ["is busy (503)"] * 4 + ["is left alone after failures"] * 16
    assert len(flaky.upstream.requests) == 4
    assert events == [BreakerChanged(is_open=True, reason="4 failures in a row, the last: is busy (503)")]


@pytest.mark.channel("C308")
async def test_a_write_is_never_sent_again_and_is_not_sent_at_all_to_one_that_is_left_alone() -> None:
    flaky = Flaky(*[503] * 100)
    async with (
        hostile_running(flaky.upstream) as running,
        UpstreamClient(Upstream(url=running.url, retries=0, breaker_failures=2, breaker_pause=1000), None) as client,
    ):
        first = await client.write("POST", "Property", b"{}", None)
        with pytest.raises(UpstreamFailure, match="busy"):
            await client.read_collection("Property", "$top=1")
        with pytest.raises(UpstreamFailure, match="left alone"):
            await client.write("POST", "Property", b"{}", None)

    assert first.status == 503
    assert len(flaky.upstream.requests) == 2


async def test_a_write_that_breaks_is_not_sent_again() -> None:
    def cut(request: web.BaseRequest) -> Any:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    upstream = Hostile(cut)
    async with hostile_running(upstream) as running, UpstreamClient(Upstream(url=running.url), None) as client:
        with pytest.raises(UnknownOutcomeError):
            await client.write("PATCH", "Property('1')", b"{}", None)

    assert len(upstream.requests) == 1


async def until_waiting(happened: Callable[[], bool]) -> None:
    while not happened():  # noqa: ASYNC110  # nobody there would set an event
        await asyncio.sleep(0.005)


async def test_the_client_lets_so_many_wait() -> None:
    go = asyncio.Event()

    async def slow(_: web.BaseRequest) -> web.StreamResponse:
        await go.wait()
        return collection([])

    upstream = Hostile(slow)
    settings = Upstream(url="http://127.0.0.1:9/odata", max_connections=1, max_waiting=1)
    async with (
        hostile_running(upstream) as running,
        UpstreamClient(settings.model_copy(update={"url": running.url}), None) as client,
    ):
        tasks = [asyncio.create_task(client.read_collection("Property", "$top=1")) for _ in range(2)]
        await until_waiting(lambda: len(upstream.requests) == 1)
        with pytest.raises(UpstreamFailure, match="1 wait"):
            await client.read_collection("Property", "$top=1")
        go.set()
        await asyncio.gather(*tasks)

    assert len(upstream.requests) == 2


async def test_many_that_fail_at_once_have_one_budget() -> None:
    flaky = Flaky(*[503] * 1000)
    async with (
        hostile_running(flaky.upstream) as running,
        UpstreamClient(Upstream(url=running.url, breaker_failures=0), None) as client,
    ):
        reads = (client.read_collection("Property", "$top=1") for _ in range(60))
        await asyncio.gather(*reads, return_exceptions=True)

    assert len(flaky.upstream.requests) <= 60 + Budget.MOST + 0.1 * 60


async def test_what_takes_too_long_for_one_client_cuts_off_no_other() -> None:
    """Whoever may ask expensive questions could else open the breaker for all."""
    slow = asyncio.Event()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if "contains" in request.raw_path:
            await slow.wait()
        return web.Response(status=504) if "504" in request.raw_path else collection([])

    upstream = Hostile(answer)
    async with (
        hostile_running(upstream) as running,
        UpstreamClient(Upstream(url=running.url, breaker_failures=2, read_timeout=0.05, retries=0), None) as client,
    ):
        for query in ("$filter=contains(City,'a')", "$filter=ListPrice%20eq%20504") * 2:
            with pytest.raises(UpstreamFailure):
                await client.read_collection("Property", query)
        await client.read_collection("Property", "$top=1")
        slow.set()


async def test_outages_that_writes_meet_count() -> None:
    flaky = Flaky(*[503] * 100)
    async with (
        hostile_running(flaky.upstream) as running,
        UpstreamClient(Upstream(url=running.url, breaker_failures=2), None) as client,
    ):
        for _ in range(2):
            await client.write("POST", "Property", b"{}", None)
        with pytest.raises(UpstreamFailure, match="left alone"):
            await client.write("POST", "Property", b"{}", None)
