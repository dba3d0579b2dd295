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
    assert b"Server: gateway\r\n" in head
    assert b"Content-Type: application/json\r\n" in head
    assert json.loads(body)["error"]["code"] == "BadRequest"
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


# --- answers that end a connection


def heads(answer: bytes) -> int:
    return answer.count(b"HTTP/1.")


CLOSING = [
    b"GET " + PATH + b"/Property HTTP/1.1\r\n" + HOST + AUTH + b"Upgrade: h2c\r\n\r\n",
    b"GET " + PATH + b"/Property HTTP/1.1\r\n" + HOST + AUTH + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"GET " + PATH + b"/Property HTTP/1.1\r\n" + HOST + AUTH + b"Expect: 200-ok\r\n\r\n",
    b"GET " + PATH + b"/Property HTTP/1.1\r\n" + HOST + AUTH + b"Content-Length: 5\r\n\r\nother",
    b"POST " + PATH + b"/Property/$query HTTP/1.1\r\n" + HOST + AUTH + b"Content-Type: text/html\r\nContent-Length: 6\r\n\r\n$top=1",
    b"POST " + PATH + b"/Property/$query HTTP/1.1\r\n" + HOST + AUTH
    + b"Content-Type: text/plain\r\nContent-Encoding: gzip\r\nContent-Length: 6\r\n\r\n$top=1",
    b"POST " + PATH + b"/Property/$query HTTP/1.1\r\n" + HOST + AUTH + b"Content-Type: text/plain\r\nTransfer-Encoding: foo, chunked\r\n\r\n0\r\n\r\n",
    b"POST " + PATH + b"/Property/$query HTTP/1.1\r\n" + HOST + b"Content-Length: 6\r\n\r\n$top=1",
    b"POST /oauth2/token HTTP/1.1\r\n" + HOST + b"Upgrade: h2c\r\nContent-Length: 3\r\n\r\na=b",
    b"GET " + PATH + b"/Property HTTP/1.1\r\n" + HOST + b"X : y\r\n\r\n",
]  # fmt: skip


@pytest.mark.channel("C147", "C154", "C301")
@pytest.mark.parametrize("data", CLOSING)
async def test_an_answer_that_says_close_is_the_last_one(gateway: Harness, data: bytes) -> None:
    answer = await send(gateway, data + QUESTION + QUESTION)  # it would time out if the connection stayed open

    assert b"Connection: close" in answer
    assert heads(answer) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"POST /v1/developers/templates HTTP/1.1\r\n" + HOST + AUTH + b"Content-Length: 2\r\n\r\n{}",
        b"GET /healthz HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: foo, chunked\r\n\r\n0\r\n\r\n",
        b"GET /v1/developers/templates HTTP/1.1\r\n" + HOST + b"X : y\r\n\r\n",
    ],
)
async def test_an_answer_of_the_admin_listener_that_says_close_is_the_last_one(gateway: Harness, data: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.service.admin.port)
    writer.write(data + b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
    answer = await asyncio.wait_for(reader.read(-1), 20)
    writer.close()

    assert b"Connection: close" in answer
    assert heads(answer) == 1


@pytest.mark.guarantee("G7")
async def test_an_answer_that_says_close_is_the_last_one_in_a_drain_too(gateway: Harness) -> None:
    reader, writer = await connected(gateway, QUESTION[:10])
    await asyncio.sleep(0.1)
    draining = asyncio.create_task(gateway.service.listener.drain(idle=0, deadline=20))
    await asyncio.sleep(0.1)
    writer.write(QUESTION[10:] + CLOSING[0] + QUESTION)
    answer = await asyncio.wait_for(reader.read(-1), 20)

    assert heads(answer) == 2
    assert answer.count(b"Connection: close") == 1
    assert await draining == 0
    writer.close()


# --- transfer codings


@pytest.mark.channel("C147")
@pytest.mark.parametrize("coding", [b"foo, chunked", b"gzip, chunked", b"identity, chunked", b'"a,b", chunked'])
async def test_a_transfer_coding_that_is_not_read_is_501(gateway: Harness, coding: bytes) -> None:
    """RFC 9112, 6.1; on either listener."""
    for port, path in (
        (gateway.service.listener.port, PATH + b"/Property/$query"),
        (gateway.service.admin.port, b"/healthz"),
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = (
            b"POST "
            + path
            + b" HTTP/1.1\r\n"
            + HOST
            + AUTH
            + b"Content-Type: text/plain\r\nTransfer-Encoding: "
            + coding
        )
        writer.write(head + b"\r\n\r\n6\r\n$top=1\r\n0\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(-1), 20)
        writer.close()

        assert answer.split(b" ")[1] == b"501", answer
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "NotImplemented"


@pytest.mark.channel("C147")
async def test_a_chunked_body_of_http_1_0_is_no_proper_http(gateway: Harness) -> None:
    head = (
        b"POST "
        + PATH
        + b"/Property/$query HTTP/1.0\r\n"
        + AUTH
        + b"Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    answer = await send(gateway, head + b"6\r\n$top=1\r\n0\r\n\r\n" + QUESTION)

    assert answer.split(b" ")[1] == b"400"
    assert heads(answer) == 1


# --- absolute targets


@pytest.mark.channel("C140")
@pytest.mark.parametrize(
    ("host", "named"),
    [(b"http://gateway.example", b"x"), (b"HTTP://GateWay.Example:80", b"x"), (b"https://x", b"x"), (b"http://127.0.0.1:8080", b"127.0.0.1:8080")],
)  # fmt: skip
async def test_an_absolute_target_of_ours_is_as_its_path(gateway: Harness, host: bytes, named: bytes) -> None:
    """RFC 9112, 3.2.2: a server must accept the absolute form."""
    end = b" HTTP/1.1\r\nHost: " + named + b"\r\n" + AUTH + b"Connection: close\r\n\r\n"
    answers = []
    for path in (
        PATH + b"/Property?$top=2&$select=City",
        PATH + b"/Nope",
        b"",
        b"?a=b",
        PATH + b"/Property?$filter=Nope%20eq%201",
    ):
        for target in (host + path, path if path.startswith(b"/") else b"/" + path):
            answer = await send(gateway, b"GET " + target + end)
            lines = [line for line in answer.split(b"\r\n") if not line.startswith((b"Date", b"X-Request-Id"))]
            answers.append(lines)

    assert answers[::2] == answers[1::2]
    assert [lines[0].split(b" ")[1] for lines in answers[::2]] == [b"200", b"404", b"404", b"404", b"400"]


@pytest.mark.channel("C140")
@pytest.mark.parametrize(
    "host",
    [b"http://other.example", b"http://gateway.example.other", b"http://gateway.example@other", b"http://other@gateway.example",
     b"http://gateway.example:8081", b"ftp://gateway.example", b"//gateway.example", b"http:///"],
)  # fmt: skip
async def test_an_absolute_target_of_others_is_refused(gateway: Harness, host: bytes) -> None:
    answer = await send(
        gateway, b"GET " + host + PATH + b"/Property HTTP/1.1\r\n" + HOST + AUTH + b"Connection: close\r\n\r\n"
    )

    assert answer.split(b" ")[1] == (b"404" if host.startswith(b"//") else b"400")
    assert b"other" not in answer.partition(b"\r\n\r\n")[2]


async def test_an_absolute_target_reaches_the_admin_listener(gateway: Harness) -> None:
    found = []
    for host in (b"http://x", b"http://other"):
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.service.admin.port)
        writer.write(b"GET " + host + b"/healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        found.append((await asyncio.wait_for(reader.read(-1), 20)).split(b" ")[1])
        writer.close()

    assert found == [b"200", b"400"]


# --- Expect


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def expecting(
    path: bytes, body: bytes, *headers: bytes, expect: bytes = b"100-continue", version: bytes = b"1.1"
) -> bytes:
    about = b"".join(header + b"\r\n" for header in headers)
    length = f"Content-Length: {len(body)}\r\n".encode()
    return b"POST " + path + b" HTTP/" + version + b"\r\n" + HOST + about + length + b"Expect: " + expect + b"\r\n\r\n"


TEXT = b"Content-Type: text/plain"
FORM = b"Content-Type: application/x-www-form-urlencoded"
BEARER = AUTH.strip()


@pytest.mark.channel("C155")
@pytest.mark.parametrize("expect", [b"100-continue", b"100-Continue", b"100-continue, 100-continue"])
@pytest.mark.parametrize(
    ("path", "headers", "body"),
    [
        (PATH + b"/Property/$query", (TEXT, BEARER), b"$top=1&$select=City"),
        (b"/oauth2/token", (FORM,), b"grant_type=client_credentials&client_id=demo-idx&client_secret=demo-idx"),
    ],
)
async def test_a_client_that_waits_is_told_to_go_on(
    gateway: Harness, path: bytes, headers: tuple[bytes, ...], body: bytes, expect: bytes
) -> None:
    reader, writer = await connected(gateway, expecting(path, body, *headers, expect=expect))
    first = await asyncio.wait_for(reader.readexactly(len(CONTINUE)), 20)
    writer.write(body)
    answer = await read_answer(reader)
    writer.write(QUESTION)
    following = await read_answer(reader)
    writer.close()

    assert first == CONTINUE
    assert answer.split(b" ")[1] == b"200"
    assert following.startswith(b"HTTP/1.1 200")


@pytest.mark.channel("C155", "C149")
@pytest.mark.parametrize(
    ("path", "headers", "length", "status"),
    [
        (PATH + b"/Property/$query", (TEXT,), 6, b"401"),
        (PATH + b"/Property/$query", (TEXT, b"Authorization: Bearer nobody"), 6, b"401"),
        (PATH + b"/Nope/$query", (TEXT, BEARER), 6, b"404"),
        (PATH + b"/PropertyRooms/$query", (TEXT, BEARER), 6, b"404"),
        (PATH + b"/Property", (b"Content-Type: application/json", BEARER), 6, b"405"),
        (PATH + b"/Property/$query?$top=1", (TEXT, BEARER), 6, b"400"),
        (PATH + b"/Property/$query", (b"Content-Type: text/html", BEARER), 6, b"415"),
        (PATH + b"/Property/$query", (TEXT, b"Content-Encoding: br", BEARER), 6, b"415"),
        (PATH + b"/Property/$query", (TEXT, BEARER), 10**9, b"413"),
        (PATH + b"/Property/$query", (TEXT, BEARER, b"OData-Isolation: snapshot"), 6, b"412"),
        (PATH + b"/Property/$query", (TEXT, BEARER, b"OData-Version: 3.0"), 6, b"400"),
        (b"/oauth2/token", (TEXT,), 6, b"400"),
        (b"/oauth2/token?a=b", (FORM,), 6, b"400"),
        (b"/oauth2/token", (FORM,), 10**6, b"400"),
        (b"/oauth2/token", (FORM, b"Authorization: Basic %%"), 6, b"401"),
    ],
)
async def test_nobody_who_is_refused_is_told_to_go_on(
    gateway: Harness, path: bytes, headers: tuple[bytes, ...], length: int, status: bytes
) -> None:
    head = expecting(path, b"", *headers).replace(b"Content-Length: 0", f"Content-Length: {length}".encode())
    reader, writer = await connected(gateway, head)
    answer = await asyncio.wait_for(reader.read(-1), 20)  # the connection ends, because the body is not to come
    writer.close()

    assert answer.split(b" ")[1] == status
    assert b"100 Continue" not in answer
    assert b"Connection: close" in answer


@pytest.mark.channel("C155")
@pytest.mark.parametrize("expect", [b"200-ok", b"100-continue, foo", b"100-continue=1"])
async def test_another_expectation_is_417(gateway: Harness, expect: bytes) -> None:
    answer = await send(
        gateway, expecting(PATH + b"/Property/$query", b"$top=1", TEXT, BEARER, expect=expect) + b"$top=1"
    )

    assert answer.split(b" ")[1] == b"417"


@pytest.mark.channel("C155")
async def test_an_expectation_means_nothing_without_a_body_or_in_http_1_0(gateway: Harness) -> None:
    """RFC 9110, 10.1.1."""
    read = await send(gateway, QUESTION.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"))
    body = b"$top=1&$select=City"
    old = await send(gateway, expecting(PATH + b"/Property/$query", body, TEXT, BEARER, version=b"1.0") + body)
    at_once = await send(
        gateway, expecting(PATH + b"/Property/$query", body, TEXT, BEARER, b"Connection: close") + body
    )

    assert [answer.split(b" ")[1] for answer in (read, old)] == [b"200", b"200"]
    assert b"100 Continue" not in read + old
    assert at_once.removeprefix(CONTINUE).startswith(b"HTTP/1.1 200")
