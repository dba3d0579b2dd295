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


# --- the end of a listener


QUESTION = b"GET " + PATH + b"/Property?$top=1&$select=City HTTP/1.1\r\n" + HOST + AUTH + b"\r\n"


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.partition(b":")[2]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    return head + await reader.readexactly(length)


async def connected(gateway: Harness, data: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.service.listener.port)
    writer.write(data)
    await writer.drain()
    return reader, writer


@pytest.mark.guarantee("G7")
async def test_what_has_begun_to_come_is_answered_before_a_listener_ends(gateway: Harness) -> None:
    """A half of a request, one that is being answered, and one that a waiting client sends while it still may."""
    half, half_writer = await connected(gateway, QUESTION[:40])
    waiting, waiting_writer = await connected(gateway, QUESTION)
    first = await read_answer(waiting)
    idle, idle_writer = await connected(gateway, QUESTION)
    await read_answer(idle)

    draining = asyncio.create_task(gateway.service.listener.drain(idle=2, deadline=20))
    await asyncio.sleep(0.1)
    waiting_writer.write(QUESTION)
    second = await read_answer(waiting)
    closed = await idle.read()
    assert not draining.done()
    half_writer.write(QUESTION[40:])
    third = await read_answer(half)
    lost = await draining

    assert b"Connection: close" not in first
    assert [answer.split(b"\r\n")[0] for answer in (first, second, third)] == [b"HTTP/1.1 200 OK"] * 3
    assert all(b"Connection: close" in answer for answer in (second, third))
    assert closed == b""
    assert lost == 0
    for writer in (half_writer, waiting_writer, idle_writer):
        writer.close()


async def test_requests_that_a_client_sent_ahead_are_all_answered(gateway: Harness) -> None:
    reader, writer = await connected(gateway, QUESTION[:10])
    await asyncio.sleep(0.1)
    draining = asyncio.create_task(gateway.service.listener.drain(idle=0, deadline=20))
    await asyncio.sleep(0.1)
    writer.write(QUESTION[10:] + QUESTION + QUESTION)
    answers = [await read_answer(reader) for _ in range(3)]

    assert [b"Connection: close" in answer for answer in answers] == [False, False, True]
    assert await draining == 0
    writer.close()


async def test_what_does_not_end_is_given_up_at_the_deadline_and_counted(gateway: Harness) -> None:
    _, writer = await connected(gateway, QUESTION[:40])
    await asyncio.sleep(0.1)

    assert await gateway.service.listener.drain(idle=0, deadline=0.2) == 1
    writer.close()


async def test_a_listener_that_ends_takes_no_more_connections(gateway: Harness) -> None:
    await gateway.service.listener.drain(idle=0, deadline=5)

    with pytest.raises(OSError, match="Connect call failed"):
        await connected(gateway)


@pytest.mark.guarantee("G7")
async def test_half_of_a_request_behind_another_one_is_a_request_that_has_begun(gateway: Harness) -> None:
    """An attacker found that it was taken for an idle connection."""
    reader, writer = await connected(gateway, QUESTION + QUESTION[:60])
    first = await read_answer(reader)
    draining = asyncio.create_task(gateway.service.listener.drain(idle=0, deadline=20))
    await asyncio.sleep(0.2)
    writer.write(QUESTION[60:])
    second = await read_answer(reader)

    assert b"Connection: close" not in first
    assert second.startswith(b"HTTP/1.1 200")
    assert b"Connection: close" in second
    assert await draining == 0
    writer.close()


async def test_a_client_that_never_stops_to_send_ahead_ends_no_later_than_the_deadline(gateway: Harness) -> None:
    reader, writer = await connected(gateway, QUESTION * 3)
    await read_answer(reader)
    draining = asyncio.create_task(gateway.service.listener.drain(idle=0, deadline=1))
    try:
        while not draining.done():
            writer.write(QUESTION * 3)
            await read_answer(reader)
    except (OSError, asyncio.IncompleteReadError):
        pass
    await draining
    writer.close()


async def test_a_body_that_is_read_leaves_an_idle_connection(gateway: Harness) -> None:
    body = b"$top=1&$select=City"
    head = b"POST " + PATH + b"/Property/$query HTTP/1.1\r\n" + HOST + AUTH + b"Content-Type: text/plain\r\n"
    reader, writer = await connected(gateway, head + f"Content-Length: {len(body)}\r\n\r\n".encode())
    await asyncio.sleep(0.05)
    writer.write(body)
    answer = await read_answer(reader)

    assert answer.startswith(b"HTTP/1.1 200")
    assert await gateway.service.listener.drain(idle=0, deadline=5) == 0
    writer.close()
