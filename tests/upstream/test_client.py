"""The way to the upstream: constant headers, bounded bodies, and a failure for everything that is no answer."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from gateway.errors import Code
from gateway.settings import Upstream
from gateway.upstream.client import Fetched, UpstreamClient, UpstreamFailure
from tests.hostile import Hostile, collection, hostile_running

JSON = {"Content-Type": "application/json"}


async def read(answer: Callable[[web.BaseRequest], Any], upstream: Hostile | None = None, **settings: Any) -> Fetched:
    async with (
        hostile_running(upstream or Hostile(answer)) as running,
        UpstreamClient(Upstream(url=running.url, **settings), "secret") as client,
    ):
        return await client.read_collection("Property", "$filter=City%20eq%20%27a%252Cb%27")


async def failure(answer: Callable[[web.BaseRequest], Any], **settings: Any) -> UpstreamFailure:
    with pytest.raises(UpstreamFailure) as failed:
        await read(answer, **settings)
    return failed.value


@pytest.mark.channel("C146", "C162", "C299")
async def test_headers_and_target_are_ours() -> None:
    upstream = Hostile(lambda _: collection([]))

    await read(upstream.answer, upstream)

    (request,) = upstream.requests
    assert request.raw_path == "/odata/Property?$filter=City%20eq%20%27a%252Cb%27"
    assert {name: value for name, value in request.headers.items() if name != "Host"} == {
        "Accept": "application/json",
        "Accept-Encoding": "gzip",
        "OData-MaxVersion": "4.01",
        "User-Agent": request.headers["User-Agent"],
        "Authorization": "Bearer secret",
    }
    assert request.headers["User-Agent"].startswith("gateway/")


@pytest.mark.channel("C160", "C177", "C184", "C349")
@pytest.mark.parametrize(
    ("status", "code"),
    [(201, Code.UPSTREAM_ERROR), (202, Code.UPSTREAM_ERROR), (204, Code.UPSTREAM_ERROR), (301, Code.UPSTREAM_ERROR), (304, Code.UPSTREAM_ERROR),
     (307, Code.UPSTREAM_ERROR), (400, Code.UPSTREAM_ERROR), (401, Code.UNAVAILABLE), (403, Code.UNAVAILABLE), (404, Code.UPSTREAM_ERROR),
     (429, Code.UNAVAILABLE), (500, Code.UPSTREAM_ERROR), (503, Code.UNAVAILABLE)],
)  # fmt: skip
async def test_only_200_is_an_answer(status: int, code: Code) -> None:
    headers = {**JSON, "Location": "http://127.0.0.1:9/canary"} if status in (301, 307) else JSON

    failed = await failure(
        lambda _: web.Response(status=status, headers=headers, body=None if status in (204, 304) else b"{}")
    )

    assert failed.code is code


@pytest.mark.channel("C317")
@pytest.mark.parametrize(
    "content_type", ["text/html", "application/xml", "application/json; charset=latin-1", "text/json", ""]
)
async def test_only_json_in_utf8_is_an_answer(content_type: str) -> None:
    assert (
        await failure(lambda _: web.Response(body=b"{}", headers={"Content-Type": content_type}))
    ).code is Code.UPSTREAM_ERROR


@pytest.mark.channel("C156")
async def test_gzip_is_inflated_within_the_bound() -> None:
    small = gzip.compress(b'{"value":[]}')
    bomb = gzip.compress(b" " * 10_000_000)
    headers = {**JSON, "Content-Encoding": "gzip"}

    assert await read(lambda _: web.Response(body=small, headers=headers)) == Fetched(b'{"value":[]}')
    assert (
        "more than 2048 bytes"
        in (await failure(lambda _: web.Response(body=bomb, headers=headers), max_body=2048)).reason
    )
    assert "broken gzip" in (await failure(lambda _: web.Response(body=small[:-9], headers=headers))).reason
    assert "broken gzip" in (await failure(lambda _: web.Response(body=b"nonsense", headers=headers))).reason
    assert (
        "coding 'br'"
        in (await failure(lambda _: web.Response(body=small, headers={**JSON, "Content-Encoding": "br"}))).reason
    )


async def test_a_body_over_the_bound_is_no_answer() -> None:
    assert (
        "more than 2048 bytes"
        in (await failure(lambda _: web.Response(body=b" " * 2049, headers=JSON), max_body=2048)).reason
    )


async def test_a_slow_upstream_times_out() -> None:
    async def slow(_request: web.BaseRequest) -> web.Response:
        await asyncio.sleep(5)
        return collection([])

    assert (await failure(slow, read_timeout=0.1)).code is Code.TIMEOUT


async def test_an_upstream_that_is_down_is_unavailable() -> None:
    async with UpstreamClient(Upstream(url="http://127.0.0.1:9/odata"), None) as client:
        with pytest.raises(UpstreamFailure) as failed:
            await client.read_metadata()

    assert failed.value.code is Code.UNAVAILABLE


@pytest.mark.channel("C304")
async def test_cookies_are_not_kept() -> None:
    headers = {**JSON, "Set-Cookie": "session=canary"}
    upstream = Hostile(lambda _: web.Response(body=b'{"value":[]}', headers=headers))
    async with hostile_running(upstream), UpstreamClient(Upstream(url=upstream.url), None) as client:
        await client.read_collection("Property", "$top=1")
        await client.read_collection("Property", "$top=1")

    assert all("Cookie" not in request.headers for request in upstream.requests)
