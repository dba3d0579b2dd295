"""OAuth2 client credentials: renewed before they end, by one request at a time, and never a try without one."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from gateway.errors import Code
from gateway.settings import ClientCredentials, Upstream
from gateway.upstream.client import UpstreamClient, UpstreamFailure


class Server:
    """Gives tokens and takes the last one that it gave."""

    def __init__(self) -> None:
        self.forms: list[str] = []
        self.shown: list[str | None] = []
        self.life: Any = 100
        self.status = 200
        self.delay = 0.0
        self.accepted: str | None = None
        self.hangs_up = False
        #: Whether answers are compressed, and which codings were offered for that.
        self.is_pressed = False
        self.offered: list[str] = []

    async def handle(self, request: web.BaseRequest) -> web.Response:
        if request.path == "/token":
            scheme, _, pair = request.headers["Authorization"].partition(" ")
            assert (scheme, base64.b64decode(pair)) == ("Basic", b"me:s%3Acret%20%2B")
            self.forms.append((await request.read()).decode())
            await asyncio.sleep(self.delay)
            if self.hangs_up:
                assert request.transport is not None
                request.transport.abort()
            self.accepted = f"token-{len(self.forms)}"
            body = {"access_token": self.accepted, "token_type": "Bearer", "expires_in": self.life}
            self.offered.append(request.headers["Accept-Encoding"])
            if self.is_pressed:
                pressed = gzip.compress(json.dumps(body).encode())
                return web.Response(body=pressed, headers={"Content-Encoding": "gzip"}, content_type="application/json")
            return web.json_response(body, status=self.status)
        self.shown.append(request.headers.get("Authorization"))
        status = 200 if self.shown[-1] == f"Bearer {self.accepted}" else 401
        return web.json_response({"value": []}, status=status)


@asynccontextmanager
async def client(server: Server, now: list[float]) -> AsyncIterator[UpstreamClient]:
    runner = web.ServerRunner(web.Server(server.handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    root = f"http://127.0.0.1:{runner.addresses[0][1]}"
    grant = ClientCredentials(token_url=f"{root}/token", client_id="me", scope="api")
    async with UpstreamClient(Upstream(url=root, oauth2=grant), None, "s:cret +", lambda: now[0]) as made:
        yield made
    await runner.cleanup()


async def test_a_token_is_fetched_once_and_renewed_before_it_ends() -> None:
    server, now = Server(), [0.0]
    async with client(server, now) as upstream:
        for moment in (0, 1, 69, 71, 71, 99):
            now[0] = moment
            await upstream.read_collection("Property", "$top=1")
            await asyncio.sleep(0.02)  # a renewal in the background has time to end
        assert server.forms == ["grant_type=client_credentials&scope=api"] * 2

    assert server.shown == ["Bearer token-1"] * 4 + ["Bearer token-2"] * 2


async def test_there_is_one_renewal_at_a_time() -> None:
    server, now = Server(), [0.0]
    server.delay = 0.1
    async with client(server, now) as upstream:
        await asyncio.gather(*(upstream.read_collection("Property", "$top=1") for _ in range(20)))

    assert len(server.forms) == 1
    assert set(server.shown) == {"Bearer token-1"}


@pytest.mark.parametrize("is_pressed", [False, True])
async def test_a_token_may_come_compressed(is_pressed: bool) -> None:
    """The library used to offer codings in our name that were then not read."""
    server, now = Server(), [0.0]
    server.is_pressed = is_pressed
    async with client(server, now) as upstream:
        await upstream.read_collection("Property", "$top=1")

    assert server.offered == ["gzip"]
    assert server.shown == ["Bearer token-1"]


@pytest.mark.channel("C349")
@pytest.mark.parametrize(("status", "life"), [(401, 100), (500, 100), (200, "never"), (200, -1), (302, 100)])
async def test_without_a_token_nothing_is_asked(status: int, life: Any) -> None:
    server, now = Server(), [0.0]
    server.status, server.life = status, life
    async with client(server, now) as upstream:
        with pytest.raises(UpstreamFailure) as failed:
            await upstream.read_collection("Property", "$top=1")

    assert failed.value.code is Code.UNAVAILABLE
    assert "token-1" not in failed.value.reason
    assert "cret" not in failed.value.reason
    assert server.shown == []


@pytest.mark.channel("C349")
async def test_a_renewal_that_fails_costs_nothing_while_a_token_serves() -> None:
    server, now = Server(), [0.0]
    async with client(server, now) as upstream:
        await upstream.read_collection("Property", "$top=1")
        server.status, now[0] = 500, 80.0
        server_token = server.accepted
        for _ in range(3):
            server.accepted = server_token
            await upstream.read_collection("Property", "$top=1")
            await asyncio.sleep(0.02)
        now[0] = 101.0
        with pytest.raises(UpstreamFailure):
            await upstream.read_collection("Property", "$top=1")

    assert set(server.shown) == {"Bearer token-1"}


async def test_a_token_that_is_refused_is_not_shown_again() -> None:
    server, now = Server(), [0.0]
    async with client(server, now) as upstream:
        await upstream.read_collection("Property", "$top=1")
        server.accepted = "another"
        with pytest.raises(UpstreamFailure):
            await upstream.read_collection("Property", "$top=1")
        await upstream.read_collection("Property", "$top=1")

    assert server.shown == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]


@pytest.mark.channel("C349")
async def test_a_token_server_that_hangs_up_is_asked_once_a_read() -> None:
    server, now = Server(), [0.0]
    server.hangs_up = True
    async with client(server, now) as upstream:
        with pytest.raises(UpstreamFailure) as failed:
            await upstream.read_collection("Property", "$top=1")

    assert failed.value.code is Code.UNAVAILABLE
    assert (len(server.forms), server.shown) == (1, [])
