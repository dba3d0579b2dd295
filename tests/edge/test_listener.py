"""Raw bytes: whatever is sent, the answer is ours, says nothing back, and no traceback is anywhere (CHANNELS 5.1)."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.support import ROOT, Harness

HOST = b"Host: x\r\n"
AUTH = b"Authorization: Bearer demo-idx\r\n"
PATH = ROOT.encode()


async def send(gateway: Harness, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.service.listener.port)
    writer.write(data)
    await writer.drain()
    try:
        return await asyncio.wait_for(reader.read(-1), 20)
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.channel("C147", "C148", "C301")
@pytest.mark.parametrize(
    "data",
    [
        b"GET " + PATH + b"/Property HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET " + PATH + b"/Property HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"GET " + PATH + b"/Property HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: xchunked\r\n\r\n",
        b"GET " + PATH + b"/Property HTTP/1.1\r\n" + HOST + b"X : canary\r\n\r\n",
        b"GET " + PATH + b"/Property HTTP/1.1\r\n" + HOST + b"X: a\r\n canary\r\n\r\n",
        b"GET " + PATH + b"/Property HTTP/1.1\r\n" + HOST + b"X: a\x00canary\r\n\r\n",
        b"GET " + PATH + b"/Property HTTP/1.1\r\nX: 1\r\n\r\n",
        b"GET " + PATH + b"/Property\xff HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET " + PATH + b"/Prop\terty HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET " + PATH + b"/Property HTTP/1.1\r\n" + HOST + b"Host: canary\r\n\r\n",
        b"GET " + PATH + b"/Property HTTP/1.1\n" + b"Host: x\n\n",
        b"canary " + PATH + b"/Property HTTP/1.1\r\n" + HOST + b"\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01canary\r\n\r\n",
        b"GET " + PATH + b"/" + b"x" * 70_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET " + PATH + b"/Property HTTP/1.1\r\n" + HOST + b"X: " + b"x" * 70_000 + b"\r\n\r\n",
    ],
)
async def test_bytes_that_are_no_proper_http_get_our_400(gateway: Harness, data: bytes) -> None:
    answer = await send(gateway, data)  # the connection is closed, or this would time out

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == b"400"
    assert json.loads(body)["error"]["code"] == "BadRequest"
    assert b"Server: gateway\r\n" in head
    assert b"canary" not in answer
    assert b"Traceback" not in answer
    assert b"aiohttp" not in answer


@pytest.mark.channel("C140", "C149", "C301", "C302")
@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET http://other.example" + PATH + b"/Property HTTP/1.1\r\n" + HOST + AUTH + b"\r\n", b"400"),
        (b"OPTIONS * HTTP/1.1\r\n" + HOST + AUTH + b"\r\n", b"400"),
        (b"CONNECT other:443 HTTP/1.1\r\n" + HOST + AUTH + b"\r\n", b"400"),
        (b"GET " + PATH + b"/Property HTTP/1.1\r\n" + HOST + AUTH + AUTH + b"\r\n", b"401"),
        (b"GET " + PATH + b"/%2e%2e/Property HTTP/1.1\r\n" + HOST + AUTH + b"\r\n", b"404"),
        (b"GET " + PATH + b"/Property#x HTTP/1.1\r\n" + HOST + AUTH + b"\r\n", b"404"),
        (b"GET " + PATH + b"/Property?$filter=%ff HTTP/1.1\r\n" + HOST + AUTH + b"\r\n", b"400"),
        (b"GET " + PATH + b"/Property?$filter=%00 HTTP/1.1\r\n" + HOST + AUTH + b"\r\n", b"400"),
        (b"GET " + PATH + b"/Property?$top=1&$top=2 HTTP/1.1\r\n" + HOST + AUTH + b"\r\n", b"400"),
        (b"GET " + PATH + b"/Property?$filter=a&%24FILTER=b HTTP/1.1\r\n" + HOST + AUTH + b"\r\n", b"400"),
        (b"GET " + PATH + b"/Property HTTP/1.1\r\n" + HOST + AUTH + b"Content-Length: 5\r\n\r\nother", b"400"),
        (
            b"GET " + PATH + b"/Property HTTP/1.1\r\n" + HOST + AUTH + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"400",
        ),
        (b"GET " + PATH + b"/Property%00 HTTP/1.1\r\n" + HOST + AUTH + b"\r\n", b"404"),
        (b"GET " + PATH + b"/Property(%27a%27%27) HTTP/1.1\r\n" + HOST + AUTH + b"\r\n", b"404"),
        (b"GET " + PATH + b"/Property?" + b"x" * 60_000 + b" HTTP/1.1\r\n" + HOST + AUTH + b"\r\n", b"414"),
        (b"GET " + PATH + b"/Property HTTP/1.1\r\n" + HOST + AUTH + b"X: " + b"x" * 30_000 + b"\r\n\r\n", b"431"),
        (b"GET / HTTP/1.1\r\n" + HOST + AUTH + b"\r\n", b"404"),
        (b"GET " + PATH + b"/Property?$top=1 HTTP/1.0\r\n" + AUTH + b"\r\n", b"200"),
    ],
)
async def test_odd_targets_get_an_answer_of_the_table(gateway: Harness, data: bytes, status: bytes) -> None:
    answer = await send(gateway, data.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == status
    assert b"other" not in answer
    assert isinstance(json.loads(body), dict)


async def test_pipelined_requests_are_answered_in_order(gateway: Harness) -> None:
    one = b"GET " + PATH + b"/Property?$top=1&$select=City HTTP/1.1\r\n" + HOST + AUTH
    two = b"GET " + PATH + b"/Nope HTTP/1.1\r\n" + HOST + AUTH + b"Connection: close\r\n\r\n"

    answer = await send(gateway, one + b"\r\n" + two)

    assert answer.startswith(b"HTTP/1.1 200")
    assert b"HTTP/1.1 404" in answer
