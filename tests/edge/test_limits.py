"""Rate limits: what is left is a function of what the key has seen, and what is beyond is 429."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.edge.limits import Allowance, Limiter
from gateway.edge.service import Service
from gateway.errors import Code, Refusal
from gateway.observe.events import CountersUnavailable
from gateway.sandbox.rows import make_tables
from gateway.sandbox.server import Sandbox
from gateway.settings import Limits
from gateway.store.api_keys import ApiKey
from gateway.store.counters import Count, CountersUnavailableError, LocalCounters
from tests.hostile import Hostile, collection, hostile_running
from tests.support import (
    CONFIG,
    Answer,
    Harness,
    configuration,
    key_file,
    running,
    sandbox_running,
    write_configuration,
)

QUESTION = "Property?$top=2&$select=ListingKey&$filter=StandardStatus eq 'Active'"


class limited:  # noqa: N801  # reads as a function
    """A gateway with limits, in front of the sandbox."""

    def __init__(self, directory: Path, limits: dict[str, Any], tables: Any = None, profile: str = "") -> None:
        """``profile`` is one more line of the upstream's."""
        settings = (write_configuration(directory) / "gateway.yaml").read_text(encoding="utf-8")
        settings = settings.replace("  profile:\n", f"  profile:\n    {profile}\n", 1)
        said = json.dumps(limits).replace('"', "")
        (directory / "gateway.yaml").write_text(f"{settings}limits: {said}\n", encoding="utf-8")
        self._directory = directory
        self._sandbox = sandbox_running(Sandbox(tables))

    async def __aenter__(self) -> Harness:
        sandbox = await self._sandbox.__aenter__()
        self._running = running(configuration(self._directory, sandbox.url), clock=1_800_000_000.0)
        return await self._running.__aenter__()

    async def __aexit__(self, *about: Any) -> None:
        await self._running.__aexit__(*about)
        await self._sandbox.__aexit__(*about)


def told(answer: Answer) -> tuple[str | None, str | None]:
    return answer.header("RateLimit-Policy"), answer.header("RateLimit")


@pytest.mark.channel("C161")
async def test_requests_beyond_a_window_are_429_until_the_next(directory: Path) -> None:
    async with limited(directory, {"default": {"requests": {10: 2, 60: 3}}}) as gateway:
        answers = [await gateway.get("Property/$count", "demo-private") for _ in range(3)]
        other_key = await gateway.get("Property/$count", "demo-vow")
        gateway.now[0] += 10
        answers += [await gateway.get("Property/$count", "demo-private")]
        gateway.now[0] += 50
        answers += [await gateway.get("Property/$count", "demo-private")]

    assert [answer.status for answer in answers] == [200, 200, 429, 429, 200]
    assert [answer.header("Retry-After") for answer in answers] == [None, None, "10", "50", None]
    assert other_key.status == 200
    assert told(answers[0]) == (
        '"requests-10";q=2;w=10, "requests-60";q=3;w=60',
        '"requests-10";r=1;t=10, "requests-60";r=2;t=60',
    )
    assert told(answers[2]) == (
        '"requests-10";q=2;w=10, "requests-60";q=3;w=60',
        '"requests-10";r=0;t=10, "requests-60";r=0;t=60',
    )
    assert answers[2].json() == {
        "error": {"code": "TooManyRequests", "message": "the limit of this key is used up: requests-10"}
    }
    assert answers[3].json()["error"]["message"].endswith("requests-60")


async def test_records_and_bytes_are_counted_after_they_were_delivered(directory: Path) -> None:
    async with limited(directory, {"default": {"records": {60: 3}, "bytes": {60: 5_000}}}) as gateway:
        answers = [await gateway.get(QUESTION, "demo-private") for _ in range(3)]
        gateway.now[0] += 60
        size = len(answers[0].body)
        long = [await gateway.get("Property?$top=1", "demo-private") for _ in range(2)]

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert [told(answer)[1] for answer in answers[:2]] == [
        f'"records-60";r={3 - records if records < 3 else 0};t=60, "bytes-60";r={5_000 - records // 2 * size};t=60'
        for records in (2, 4)
    ]
    assert [answer.status for answer in long] == [200, 429]
    assert len(long[0].body) > 5_000


async def test_limits_are_of_the_key_then_of_its_role_then_of_all(directory: Path) -> None:
    limits = {
        "default": {"requests": {60: 9}},
        "roles": {"idx": {"requests": {60: 8}}, "vow": {"requests": {60: 6}}},
        "keys": {"demo-vow": {"requests": {60: 7}}},
    }
    async with limited(directory, limits) as gateway:
        found = [told(await gateway.get("Nope", key))[0] for key in ("demo-private", "demo-idx", "demo-vow")]
        stranger = told(await gateway.get("Nope", "nobody"))

    assert found == [f'"requests-60";q={most};w=60' for most in (9, 8, 7)]
    assert stranger == (None, None)


async def test_what_lifts_a_limit_says_so(directory: Path) -> None:
    limits = {"default": {"requests": {60: 1}}, "keys": {"demo-vow": {"unlimited": True}}}
    async with limited(directory, limits) as gateway:
        of_default = [(await gateway.get("Property?$top=1")).status for _ in range(2)]
        lifted = [(await gateway.get("Property?$top=1", "demo-vow")).status for _ in range(2)]

    assert (of_default, lifted) == ([200, 429], [200, 200])


async def test_without_limits_nothing_is_told(gateway: Harness) -> None:
    assert told(await gateway.get("Property/$count", "demo-private")) == (None, None)


@pytest.mark.channel("C370")
@pytest.mark.guarantee("G1")
async def test_what_is_left_says_nothing_of_what_is_hidden(directory: Path, tmp_path: Path) -> None:
    """Hundreds of rows more that the key does not see, which are read and passed over: the same is left."""
    reads_all = "unfilterable: {Property: [StandardStatus]}"
    limits = {"default": {"requests": {60: 50}, "records": {60: 5_000}, "bytes": {60: 500_000}}}
    found, asked = [], []
    for number, hidden in enumerate((0, 400)):
        tables = make_tables(listings=30)
        active = [row for row in tables["Property"] if row["StandardStatus"] == "Active"]
        tables["Property"] += [
            {**active[position % len(active)], "StandardStatus": "Incomplete", "ListingKey": f"H{position}"}
            for position in range(hidden)
        ]
        async with limited(tmp_path / str(number), limits, tables, reads_all) as gateway:
            found.append(
                [await gateway.get(target) for target in (QUESTION, "Property?$top=50&$select=City", "Nope", QUESTION)]
            )

            asked.append(sum(event.upstream_requests for event in gateway.handled))

    assert found[0] == found[1]
    assert asked[0] < asked[1]
    assert found[0][-1].header("RateLimit") is not None


async def test_what_the_client_has_already_is_not_counted_again(directory: Path) -> None:
    async with limited(directory, {"default": {"records": {60: 2}}}) as gateway:
        target = "/Reso/OData/Property('L00001')?$select=City"
        first = await gateway.request("GET", target, "demo-private")
        known = {"If-None-Match": first.header("ETag") or ""}
        again = [await gateway.request("GET", target, "demo-private", known) for _ in range(3)]
        anew = await gateway.request("GET", target, "demo-private")

    assert [answer.status for answer in (first, *again, anew)] == [200, 304, 304, 304, 200]


class Gone:
    """Counters that cannot be reached, until they can."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_gone = True

    async def add(self, counts: Sequence[Count], now: float) -> list[int]:
        self.asked += 1
        if self.is_gone:
            raise CountersUnavailableError("gone")
        return [1 for _ in counts]


@pytest.mark.guarantee("G5")
@pytest.mark.parametrize(("on_failure", "statuses"), [("local", [200, 200, 429]), ("refuse", [503, 503, 503])])
async def test_counters_that_cannot_be_reached_are_said_and_asked_again_later(
    directory: Path, monkeypatch: pytest.MonkeyPatch, on_failure: str, statuses: list[int]
) -> None:
    gone = Gone()
    plain = Service.__init__
    monkeypatch.setattr(Service, "__init__", lambda self, *found, **named: plain(self, *found, **named, counters=gone))
    async with limited(directory, {"default": {"requests": {60: 2}}, "on_failure": on_failure}) as gateway:
        found = [(await gateway.get("Property/$count", "demo-private")).status for _ in range(3)]
        asked = gone.asked
        gone.is_gone = False
        gateway.now[0] += 1
        back = await gateway.get("Property/$count", "demo-private")
        events = [event for event in gateway.events if isinstance(event, CountersUnavailable)]

    assert found == statuses
    assert asked == 1
    assert back.status == 200
    assert events == [CountersUnavailable("gone")]


@pytest.mark.channel("C264")
async def test_no_key_takes_the_places_of_the_others(directory: Path) -> None:
    """One key stalls every request that it may have at once; what others get does not depend on it."""
    stalled = asyncio.Event()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if "STALL" in request.raw_path:
            await stalled.wait()
        return collection([])

    text = (CONFIG / "gateway.yaml").read_text(encoding="utf-8") + "limits: {default: {concurrent: 2}}\n"
    write_configuration(
        directory, {"gateway.yaml": text, "keys.yaml": key_file(one="Role: private", two="Role: private")}
    )
    async with (
        hostile_running(Hostile(answer)) as upstream,
        running(configuration(directory, upstream.url, REQUESTS__MAX_CONCURRENT="4")) as gateway,
    ):
        before = await gateway.get(QUESTION, "two")
        slow = [asyncio.create_task(gateway.get("Property?$filter=City eq 'STALL'", "one")) for _ in range(6)]
        refused, pending = await asyncio.wait(slow, return_when=asyncio.FIRST_COMPLETED)
        while len(refused) < 4:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            refused |= done
        during = await gateway.get(QUESTION, "two")
        stalled.set()
        answered = [(await task).status for task in pending]
        after = await gateway.get(QUESTION, "one")

    assert before == during
    assert [task.result().status for task in refused] == [429] * 4
    assert all(task.result().header("Retry-After") == "1" for task in refused)
    assert (answered, after.status) == ([200, 200], 200)


# --- the limiter by itself

NOW = 1_800_000_000.0


class Clocked:
    """A limiter over counters of its own, and its clock."""

    def __init__(self, counters: Any = None, **limits: Any) -> None:
        self.now = NOW
        self.events: list[Any] = []
        settings = Limits.model_validate(limits)
        self.limiter = Limiter(settings, counters or LocalCounters(), lambda: self.now, self.events.append)

    async def admitted(self, key: str = "k", role: str = "idx") -> Allowance:
        found = ApiKey(Id=key, Digest="a" * 64, Role=role)
        return await self.limiter.admit(found, role)

    async def refused(self, key: str = "k", role: str = "idx") -> Refusal:
        with pytest.raises(Refusal) as error:
            await self.admitted(key, role)
        return error.value


@pytest.mark.channel("C161")
async def test_the_last_request_of_a_window_is_answered_and_the_next_is_not() -> None:
    clocked = Clocked(default={"requests": {60: 2}})
    told = [(await clocked.admitted()).headers["RateLimit"] for _ in range(2)]
    refusal = await clocked.refused()
    other = (await clocked.admitted("other")).headers["RateLimit"]
    clocked.now += 60
    after = (await clocked.admitted()).headers["RateLimit"]

    assert told == ['"requests-60";r=1;t=60', '"requests-60";r=0;t=60']
    assert (refusal.code, refusal.headers["Retry-After"]) == (Code.TOO_MANY_REQUESTS, "60")
    assert other == after == told[0]


@pytest.mark.channel("C161")
@pytest.mark.parametrize(("records", "size", "window"), [(3, 0, "records-60"), (0, 9, "bytes-3600")])
async def test_what_was_delivered_ends_a_window_when_it_is_reached(records: int, size: int, window: str) -> None:
    clocked = Clocked(default={"records": {60: 3}, "bytes": {3600: 9}})
    allowance = await clocked.admitted()
    await clocked.limiter.charge(allowance, records - bool(records), size - bool(size))
    allowance = await clocked.admitted()
    await clocked.limiter.charge(allowance, bool(records), bool(size))

    refusal = await clocked.refused()

    assert refusal.message.endswith(f": {window}")
    assert refusal.headers["Retry-After"] == window.partition("-")[2]


async def test_who_has_used_up_two_windows_waits_for_the_longer_one() -> None:
    clocked = Clocked(default={"requests": {60: 1, 3600: 1}})
    await clocked.admitted()

    assert (await clocked.refused()).headers["Retry-After"] == "3600"


@pytest.mark.channel("C264")
async def test_a_place_is_given_back_once() -> None:
    clocked = Clocked(default={"concurrent": 1})
    first = await clocked.admitted()
    refusal = await clocked.refused()
    other = await clocked.admitted("other")
    clocked.limiter.leave(first)
    second = await clocked.admitted()
    clocked.limiter.leave(first)
    again = await clocked.refused()
    clocked.limiter.leave(second)
    clocked.limiter.leave(other)

    assert refusal.code is again.code is Code.TOO_MANY_REQUESTS
    assert refusal.headers["Retry-After"] == "1"
    assert not clocked.limiter._under_way


async def test_a_limit_of_a_key_or_role_stands_in_place_of_the_general_one() -> None:
    clocked = Clocked(
        default={"requests": {60: 1}}, roles={"vow": {"requests": {60: 2}}}, keys={"k": {"unlimited": True}}
    )

    assert (await clocked.admitted("k", "vow")).headers == {}
    assert (await clocked.admitted("other", "vow")).headers["RateLimit-Policy"] == '"requests-60";q=2;w=60'
    assert (await clocked.admitted("third", "idx")).headers["RateLimit-Policy"] == '"requests-60";q=1;w=60'


@pytest.mark.guarantee("G5")
async def test_counters_that_are_gone_are_left_alone_for_a_while() -> None:
    gone = Gone()
    clocked = Clocked(gone, default={"requests": {60: 2}})
    for _ in range(2):
        await clocked.admitted()
    asked = gone.asked
    refusal = await clocked.refused()
    clocked.now += 1
    gone.is_gone = False
    await clocked.admitted()

    assert (asked, gone.asked) == (1, 2)
    assert refusal.code is Code.TOO_MANY_REQUESTS
    assert len(clocked.events) == 1


@pytest.mark.guarantee("G5")
async def test_without_counters_nothing_is_answered_where_that_is_said() -> None:
    clocked = Clocked(Gone(), default={"requests": {60: 2}}, on_failure="refuse")

    assert (await clocked.refused()).code is Code.UNAVAILABLE
    assert not clocked.limiter._under_way
