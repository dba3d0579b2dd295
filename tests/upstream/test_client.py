"""The way to the upstream: constant headers, bounded bodies, and a failure for everything that is no answer."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from gateway.errors import Code
from gateway.policy.profile import LinkHost, Profile
from gateway.settings import Upstream
from gateway.upstream.client import Fetched, UnknownOutcomeError, UpstreamClient, UpstreamFailure, Written
from gateway.upstream.next_links import Place
from tests.hostile import Hostile, collection, hostile_running

JSON = {"Content-Type": "application/json"}


async def read(answer: Callable[[web.BaseRequest], Any], upstream: Hostile | None = None, **settings: Any) -> Fetched:
    async with (
        hostile_running(upstream or Hostile(answer)) as running,
        UpstreamClient(Upstream(url=running.url, **{"retries": 0, **settings}), "secret") as client,
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


@pytest.mark.guarantee("G4")
@pytest.mark.parametrize("coding", ["gzip", "X-GZip", "identity, gzip"])
async def test_every_member_of_a_gzip_is_part_of_the_answer(coding: str) -> None:
    body = gzip.compress(b'{"value":') + gzip.compress(b"[]}")

    found = await read(lambda _: web.Response(body=body, headers={**JSON, "Content-Encoding": coding}))

    assert found == Fetched(b'{"value":[]}')


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
    """The upstream has a name: of a host that is an address the library keeps no cookies anyhow."""
    headers = {**JSON, "Set-Cookie": "session=canary"}
    upstream = Hostile(lambda _: web.Response(body=b'{"value":[]}', headers=headers))
    async with hostile_running(upstream):
        # A host name: the library keeps no cookies of numeric addresses, whatever it is told.
        url = upstream.url.replace("127.0.0.1", "localhost")
        async with UpstreamClient(Upstream(url=url), None) as client:
            for _ in range(2):
                await client.read_collection("Property", "$top=1")
                await client.write("PATCH", "Property('x')", b"{}", None)

    assert len(upstream.requests) == 4
    assert all("Cookie" not in request.headers for request in upstream.requests)


async def written(
    answer: Callable[[web.BaseRequest], Any], *what: Any, upstream: Hostile | None = None, **settings: Any
) -> Written:
    method, body, if_match = (*what, None, None, None)[:3]
    async with (
        hostile_running(upstream or Hostile(answer)) as running,
        UpstreamClient(Upstream(url=running.url, **{"retries": 0, **settings}), "secret") as client,
    ):
        return await client.write(method, "Property(%27a%2Fb%27)", body, if_match)


@pytest.mark.channel("C212", "C299")
async def test_a_write_has_our_headers_and_our_body() -> None:
    upstream = Hostile(lambda _: web.Response(status=204))

    await written(upstream.answer, "PATCH", b'{"City":"x"}', 'W/"1"', upstream=upstream)
    await written(upstream.answer, "DELETE", None, "*", upstream=upstream)

    patch, delete = upstream.requests
    assert patch.raw_path == "/odata/Property(%27a%2Fb%27)"
    ours = {
        "Accept": "application/json",
        "Accept-Encoding": "gzip",
        "OData-MaxVersion": "4.01",
        "Authorization": "Bearer secret",
        "User-Agent": patch.headers["User-Agent"],
    }
    shown = [
        {name: value for name, value in request.headers.items() if name not in ("Host", "Connection", "Content-Length")}
        for request in upstream.requests
    ]
    assert shown == [
        {**ours, "Content-Type": "application/json", "Prefer": "return=minimal", "If-Match": 'W/"1"'}, {**ours, "If-Match": "*"},
    ]  # fmt: skip
    assert (patch.headers["Content-Length"], delete.headers.get("Content-Length", "0")) == ("12", "0")


@pytest.mark.channel("C308", "C160")
async def test_what_came_back_of_a_write_is_told() -> None:
    def says(status: int) -> Callable[[web.BaseRequest], web.Response]:
        headers = {**JSON, "Location": "http://x/Property('1')"}
        return lambda _: web.Response(status=status, headers=headers, body=None if status == 204 else b'{"a":1}')

    found = [await written(says(status), "POST", b"{}") for status in (201, 204, 302, 400, 412)]
    other = await written(
        lambda _: web.Response(status=204, headers={"OData-EntityId": "Property('2')"}), "POST", b"{}"
    )

    assert [answer.status for answer in found] == [201, 204, 302, 400, 412]
    assert {answer.location for answer in found} == {"http://x/Property('1')"}
    assert other.location == "Property('2')"
    # Of a success nothing is read; a refusal may say which field it is about.
    assert [answer.refusal for answer in found] == [b"", b"", b'{"a":1}', b'{"a":1}', b'{"a":1}']


async def test_a_refusal_that_cannot_be_read_is_one_all_the_same() -> None:
    bomb = gzip.compress(b" " * 10_000_000)
    found = await written(
        lambda _: web.Response(status=400, body=bomb, headers={**JSON, "Content-Encoding": "gzip"}),
        "POST",
        b"{}",
        max_body=65536,
    )

    assert (found.status, found.refusal) == (400, b"")


@pytest.mark.channel("C308")
@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
async def test_a_write_is_sent_once_whatever_its_connection_does(method: str) -> None:
    """Not again on another connection, as the library does with a DELETE; nor where it is never answered."""

    def drops(request: web.BaseRequest) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def hangs(_request: web.BaseRequest) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    for answer in (drops, hangs):
        upstream = Hostile(answer)
        with pytest.raises(UnknownOutcomeError):
            await written(answer, method, None if method == "DELETE" else b"{}", upstream=upstream, read_timeout=0.3)

        assert len(upstream.requests) == 1


async def test_a_write_that_found_nobody_was_not_sent() -> None:
    async with UpstreamClient(Upstream(url="http://127.0.0.1:9/odata"), None) as client:
        with pytest.raises(UpstreamFailure) as failed:
            await client.write("POST", "Property", b"{}", None)

    assert failed.value.code is Code.UNAVAILABLE


_BROKEN = {
    "status": b"HTTP/1.1 abc CANARY\r\n\r\n",
    "header": b"HTTP/1.1 200 OK\r\nX: CANARY" + b"a" * 20_000 + b"\r\n\r\n",
    "lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nCANARY",
    "chunk": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nCANARY\r\n",
    "nothing": b"CANARY\r\n\r\n",
    "too short": b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"CANARY"',
}


@pytest.mark.channel("C257")
@pytest.mark.parametrize("kind", _BROKEN)
@pytest.mark.parametrize("method", ["GET", "PATCH"])
async def test_what_is_told_of_broken_http_has_no_word_of_it_and_none_of_the_request(kind: str, method: str) -> None:
    """The text of the library's errors has the whole request in it, with the credential, and pieces of the answer."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(_BROKEN[kind])
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/odata"
    async with server, UpstreamClient(Upstream(url=url, retries=0), "CREDENTIAL") as client:
        with pytest.raises((UpstreamFailure, UnknownOutcomeError)) as caught:
            if method == "GET":
                await client.read_collection("Property", "$filter=City%20eq%20'LITERAL'")
            else:
                written = await client.write("PATCH", "Property('LITERAL')", b'{"City": "LITERAL"}', None)
                raise UnknownOutcomeError(f"{written.status}")

    told = f"{caught.value} {caught.value!r} {getattr(caught.value, 'reason', '')}"
    assert not any(word in told for word in ("CANARY", "CREDENTIAL", "LITERAL"))


@pytest.mark.channel("C307")
async def test_a_write_that_nobody_waits_for_is_not_sent() -> None:
    """Its client was told that it took too long, while it waited for its turn."""
    upstream = Hostile(lambda _: web.Response(status=204))
    async with hostile_running(upstream), UpstreamClient(Upstream(url=upstream.url), None) as client:
        with pytest.raises(UpstreamFailure) as failed:
            await client.write("PATCH", "Property('x')", b"{}", None, is_wanted=lambda: False)
        await client.write("PATCH", "Property('y')", b"{}", None, is_wanted=lambda: True)

    assert failed.value.code is Code.TIMEOUT
    assert [request.path for request in upstream.requests] == ["/odata/Property('y')"]


@pytest.mark.channel("C292")
def test_the_host_of_a_page_is_the_listed_one_and_no_other() -> None:
    """A credential may go to one listed host and not to another."""
    one, two = LinkHost(url="https://one.example/odata", credential=True), LinkHost(url="https://two.example/odata")
    profile = Profile(link_hosts=(one, two))
    client = UpstreamClient(Upstream(url="http://127.0.0.1:9/odata"), None)

    assert client.host(profile, Place("a=b")) is None
    assert client.host(profile, Place("a=b", one.url)) == one
    assert client.host(profile, Place("a=b", two.url)) == two
    with pytest.raises(UpstreamFailure, match="not listed"):
        client.host(profile, Place("a=b", "https://three.example/odata"))
