"""A service under load whose database, or whose counters, are killed and come back: nobody who reads notices."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.sandbox.rows import make_tables
from gateway.sandbox.server import Sandbox
from tests.interop.postgres import postgres
from tests.interop.test_operations_page import database
from tests.interop.test_redis import redis_running
from tests.load import load
from tests.processes import Process, serving
from tests.support import CONFIG, key_file, sandbox_running, write_configuration

pytestmark = pytest.mark.interop
QUESTION = "Property?$top=1&$select=ListingKey"
LIMITS = "limits: {default: {requests: {3600: 1000000}}}\n"
STAFF = "Role: private\n    Permissions: [manage_templates, manage_keys]"


def configured(directory: Path) -> None:
    text = (CONFIG / "gateway.yaml").read_text(encoding="utf-8") + LIMITS
    write_configuration(directory, {"gateway.yaml": text, "keys.yaml": key_file(reader="Role: private", staff=STAFF)})


async def status(service: Process, secret: str) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{service.clients}/{QUESTION}", headers={"Authorization": f"Bearer {secret}"}) as response,
    ):
        return response.status


async def made(service: Process) -> tuple[int, Any]:
    """A new key, by the admin API."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{service.admin}/keys", json={"D": {"Role": "private"}}, headers={"Authorization": "Bearer staff"}
        ) as response,
    ):
        return response.status, await response.json()


@pytest.mark.guarantee("G5", "G7")
async def test_postgresql_is_killed_and_comes_back_under_load(directory: Path) -> None:
    """Keys and templates of before stay in force, staff are told 503, and what was saved before is there afterwards."""
    configured(directory)
    with postgres() as server:
        await database(server.url)
        async with (
            sandbox_running(Sandbox(make_tables(listings=5))) as sandbox,
            serving(directory, sandbox.url, f"{server.url}/gateway", workers=2) as service,
        ):
            before = await made(service)
            secret = before[1]["D"]["Results"][0]["Secret"]
            await asyncio.sleep(1)
            async with load(f"{service.clients}/{QUESTION}", secret, pause=0.005) as seen:
                for _ in range(2):
                    await asyncio.to_thread(server.kill)
                    await asyncio.sleep(1)
                    refused, _ = await made(service)
                    away = await status(service, secret)
                    await asyncio.to_thread(server.start)
                    async with asyncio.timeout(30):
                        while (after := await made(service))[0] != 201:  # noqa: ASYNC110  # as below
                            await asyncio.sleep(0.2)
            # Each worker finds the database again by itself, some moments later than the other one.
            async with asyncio.timeout(30):
                while {await status(service, after[1]["D"]["Results"][0]["Secret"]) for _ in range(8)} != {200}:  # noqa: ASYNC110
                    await asyncio.sleep(0.2)
            deaths = await service.metric("gateway_worker_deaths_total")

    assert before[0] == 201
    assert (refused, away, deaths) == (503, 200, 0)
    assert seen.failed == []
    assert sum(seen.answers.values()) > 200


@pytest.mark.guarantee("G5", "G7")
@pytest.mark.parametrize(("on_failure", "away"), [("local", 200), ("refuse", 503)])
async def test_redis_is_killed_and_comes_back_under_load(directory: Path, on_failure: str, away: int) -> None:
    configured(directory)
    with redis_running() as server:
        settings = {"LIMITS__REDIS_URL": server.url, "LIMITS__ON_FAILURE": on_failure}
        async with (
            sandbox_running(Sandbox(make_tables(listings=5))) as sandbox,
            serving(directory, sandbox.url, None, workers=2, **settings) as service,
            load(f"{service.clients}/{QUESTION}", "reader", pause=0.005) as seen,
        ):
            found = []
            for _ in range(2):
                await asyncio.sleep(0.5)
                await asyncio.to_thread(server.stop)
                await asyncio.sleep(0.5)
                found.append(await status(service, "reader"))
                await asyncio.to_thread(server.start)
                async with asyncio.timeout(20):
                    while await status(service, "reader") != 200:  # noqa: ASYNC110  # nobody there would set an event
                        await asyncio.sleep(0.1)
            uncounted = await service.metric("gateway_limits_unavailable_total")

    assert found == [away, away]
    assert seen.lost == []
    assert set(seen.answers) == {200, away}
    assert uncounted > 0
