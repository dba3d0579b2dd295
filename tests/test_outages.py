"""A service and everything around it that breaks: the upstream, the clock, what the kernel has to give. What answers leave
are right, what cannot be answered is refused, and afterwards everything is as before."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
from collections import Counter
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from gateway.observe.events import Complaint
from gateway.sandbox.rows import make_tables
from gateway.sandbox.server import Sandbox
from tests.hostile import Hostile, collection, hostile_running
from tests.load import load
from tests.processes import serving
from tests.support import CONFIG, ROOT, configuration, key_file, running, sandbox_running, until, write_configuration

QUESTION = "Property?$top=1&$select=ListingKey"
GOOD = {"ListingKey": "L1", "StandardStatus": "Active"}


class Fickle:
    """An upstream whose answers change with ``mood``."""

    def __init__(self) -> None:
        self.mood = "good"
        self.upstream = Hostile(self.answer)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        match self.mood:
            case "dying":
                response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "5000"})
                await response.prepare(request)
                await response.write(b'{"value":[{"ListingKey":"L1","Priv":"canary')
                assert request.transport is not None
                request.transport.abort()
                return response
            case "slow":
                await asyncio.sleep(0.4)
            case "busy":
                return web.Response(status=503, text="canary")
            case "broken":
                return web.Response(body=b'{"value": [canary', headers={"Content-Type": "application/json"})
        return collection([GOOD])


@pytest.mark.guarantee("G5", "G7")
async def test_an_upstream_that_is_not_there_dies_is_slow_and_flaps(directory: Path) -> None:
    """From before its start: every request is answered, none with anything that was not whole."""
    write_configuration(directory, {"keys.yaml": key_file(reader="Role: private")})
    fickle = Fickle()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        fickle.upstream.port = taken.getsockname()[1]
    settings = {
        "UPSTREAM__READ_TIMEOUT": "0.2", "UPSTREAM__BREAKER_PAUSE": "0.1", "UPSTREAM__METADATA_RETRY": "0.1",
        "UPSTREAM__PROBE": "false",
    }  # fmt: skip
    found: dict[str, set[int]] = {}
    async with (
        serving(directory, fickle.upstream.url, None, 2, ABSENT="true", **settings) as service,
        aiohttp.ClientSession(headers={"Authorization": "Bearer reader"}) as session,
    ):

        async def status() -> int:
            async with session.get(f"{service.clients}/{QUESTION}") as response:
                return response.status

        async def becomes(wanted: int) -> None:
            async with asyncio.timeout(30):
                while await status() != wanted:  # noqa: ASYNC110  # nobody there would set an event
                    await asyncio.sleep(0.05)

        found["absent"] = {await status() for _ in range(4)}
        async with hostile_running(fickle.upstream):
            await becomes(200)
            async with load(f"{service.clients}/{QUESTION}", "reader", pause=0.01) as seen:
                for mood in ("dying", "slow", "busy", "broken") * 2:
                    fickle.mood = mood
                    await asyncio.sleep(0.3)
                    found.setdefault(mood, set()).add(await status())
                    fickle.mood = "good"
                    await becomes(200)
                    await asyncio.sleep(0.3)
        gone = await status()
        async with hostile_running(fickle.upstream):
            await becomes(200)
        deaths = await service.metric("gateway_worker_deaths_total")

    assert found["absent"] == {503}
    assert found["slow"] <= {503, 504}
    assert found["dying"] | found["busy"] | found["broken"] <= {502, 503}
    assert gone == 503
    assert seen.lost == []
    assert set(seen.answers) <= {200, 502, 503, 504}
    assert seen.answers[200] > 50
    bodies = {body for body in seen.bodies if b'"error"' not in body}
    assert [json.loads(body)["value"] for body in bodies] == [[{"ListingKey": "L1"}]]
    assert not any(b"canary" in body for body in seen.bodies)
    assert deaths == 0


@pytest.mark.guarantee("G5")
async def test_a_clock_that_jumps_breaks_nothing_for_longer_than_it_jumped(directory: Path) -> None:
    """Forward, back, and far: links and tokens end by the clock, limits begin anew, and no request is unforeseen."""
    text = (CONFIG / "gateway.yaml").read_text(encoding="utf-8") + "\nlimits: {default: {requests: {60: 10}}}\n"
    write_configuration(directory, {"gateway.yaml": text, "keys.yaml": key_file(reader="Role: private")})
    async with (
        sandbox_running(Sandbox(make_tables(listings=30))) as sandbox,
        running(configuration(directory, sandbox.url)) as gateway,
    ):
        home = gateway.now[0]
        page = await gateway.request(
            "GET", f"{ROOT}/Property?$select=ListingKey", "reader", {"Prefer": "maxpagesize=5"}
        )
        link = page.json()["@odata.nextLink"]
        form = {"grant_type": "client_credentials", "client_id": "reader", "client_secret": "reader"}
        async with gateway.session.post(
            f"http://127.0.0.1:{gateway.service.listener.port}/oauth2/token", data=form
        ) as told:
            token = (await told.json())["access_token"]
        found: dict[int, tuple[int, int, int]] = {}
        for jump in (0, 600, -86_400, 400 * 86_400, -10 * 365 * 86_400, 0):
            gateway.now[0] = home + jump
            walked = await gateway.request("GET", link[link.index(ROOT) :], "reader")
            found[jump] = (
                walked.status, (await gateway.get(QUESTION, token)).status, (await gateway.get(QUESTION, "reader")).status,
            )  # fmt: skip
        exhausted = [(await gateway.get(QUESTION, "reader")).status for _ in range(12)][-1]
        gateway.now[0] = home - 3600
        back = (await gateway.get(QUESTION, "reader")).status

    assert found[600] == found[-86_400] == found[-10 * 365 * 86_400] == found[0] == (200, 200, 200)
    assert found[400 * 86_400] == (410, 401, 200)
    assert (exhausted, back) == (429, 200)
    assert [event for event in gateway.events if isinstance(event, Complaint)] == []


@pytest.mark.guarantee("G5", "G6")
async def test_no_more_files_can_be_opened(directory: Path) -> None:
    """A worker at the end of its descriptors answers those who are connected, and all when some are free again."""
    write_configuration(directory, {"keys.yaml": key_file(reader="Role: private")})
    async with (
        sandbox_running(Sandbox(make_tables(listings=5))) as sandbox,
        serving(directory, sandbox.url, None, 1) as service,
        load(f"{service.clients}/{QUESTION}", "reader", clients=2, pause=0.01) as seen,
    ):
        await until(lambda: sum(seen.answers.values()) > 20)
        (worker,) = await service.workers()
        used = len(list(Path(f"/proc/{worker}/fd").iterdir()))  # noqa: ASYNC240  # of memory
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (used + 6, used + 6))
        idle = []
        for _ in range(40):
            with suppress(OSError):
                idle.append(await asyncio.open_connection("127.0.0.1", service.port))
        before = Counter(seen.answers)
        await until(lambda: seen.answers[200] > before[200] + 50)
        during = Counter(seen.answers)
        for _, writer in idle:
            writer.close()
        async with (
            asyncio.timeout(30),
            aiohttp.ClientSession(headers={"Authorization": "Bearer reader"}) as session,
            session.get(f"{service.clients}/{QUESTION}") as response,
        ):
            after = response.status
        same = await service.workers()
        complaints = await service.metric("gateway_complaints_total")

    assert set(during) == {200}
    assert after == 200
    assert complaints >= 1
    assert same == {worker}
    assert seen.failed == []
