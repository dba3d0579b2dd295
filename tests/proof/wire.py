"""Whole HTTP in the comparison: a real listener, a real client of the upstream, and bytes on loopback between them.

The other cases call ``Gateway.handle`` and put a model in place of the upstream's client. Here the model answers behind
a socket, with headers and frames that depend on what it stores: codings, chunks, trailers, interim answers, tags, dates,
cookies. The gateway's own listener and client stand between, and a client of plain sockets reads every byte.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import re
import zlib
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from gateway.edge.listener import Listener
from gateway.observe.events import Complaint
from gateway.settings import Upstream
from gateway.store.snapshot import Snapshot
from gateway.upstream.client import Fetched, UnknownOutcomeError, UpstreamClient, UpstreamFailure
from gateway.upstream.protection import date_of
from tests.proof.generate import Made, make_case, make_write_case
from tests.proof.model import World
from tests.proof.oracles import Case, Counts, Trial
from tests.proof.requests import Request
from tests.proof.sides import TOKEN, Answer, Side
from tests.proof.upstream import Habits, Model

#: Where the numbers of these cases begin, so that no other kind has made them already.
_FIRST = 50_000_000
#: A host that may have cookies: those of bare addresses are kept by no client.
_HOST = "localhost"
_CREDENTIAL = "upstream-canary-credential"
#: Seconds after which an answer does not come any more.
_PATIENCE = 10.0
#: The year of every date that the upstream says.
_YEAR = "1997"
#: How a request is sent. Those for a body are "plain" without one.
FORMS = (
    "plain", "plain", "plain", "close", "old", "pieces", "pipelined", "absolute", "gzip", "gzip", "head", "expect", "chunked",
    "spoilt",
)  # fmt: skip
#: The headers that the gateway ever answers with.
ANSWERED = frozenset({
    "Allow", "Cache-Control", "Connection", "Content-Encoding", "Content-Language", "Content-Length", "Content-Type", "Date",
    "ETag", "EntityId", "Location", "OData-EntityId", "OData-Version", "Preference-Applied", "RateLimit", "RateLimit-Policy",
    "Repeatability-Result",
    "Retry-After", "Server", "Vary", "WWW-Authenticate", "X-Request-Id",
})  # fmt: skip
#: The headers that the upstream ever sees, each with its value; None for one that depends on the request.
ASKED: Mapping[str, str | None] = {
    "accept": "application/json", "accept-encoding": "gzip", "authorization": f"Bearer {_CREDENTIAL}", "content-length": None,
    "content-type": "application/json", "host": None, "if-match": None, "odata-maxversion": "4.01", "prefer": "return=minimal",
    "user-agent": None, "connection": "close",
}  # fmt: skip
#: Requests that are no HTTP, or none that is read. ``~`` is the target.
SPOILT: tuple[bytes, ...] = (
    b"GET ~ HTTP/1.1\r\nHost: gateway.example\r\nNo colon\r\n\r\n",
    b"GET ~ HTTP/9.9\r\nHost: gateway.example\r\n\r\n",
    b"G\x00T ~ HTTP/1.1\r\nHost: gateway.example\r\n\r\n",
    b"POST ~ HTTP/1.1\r\nHost: gateway.example\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST ~ HTTP/1.1\r\nHost: gateway.example\r\nTransfer-Encoding: gzip\r\n\r\n",
    b"GET ~ HTTP/1.1\r\nHost: gateway.example\r\nContent-Length: -1\r\n\r\n",
    b"GET ~ HTTP/1.1\r\nHost: gateway.example\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
    b"GET ~ HTTP/1.1\r\nHost: gateway.example\r\nExpect: wonders\r\nAuthorization: Bearer k\r\n\r\n",
    b"GET ~ HTTP/1.1\r\nHost: gateway.example\r\nAuthorization: Bearer k\r\nX-Long: %s\r\n\r\n" % (b"x" * 20_000),
)  # fmt: skip


def make_wire_case(seed: int) -> Made | None:
    """A case of any kind, whose requests say how they are sent."""
    rng = random.Random(f"wire {seed}")
    made = make_write_case(_FIRST + seed) if rng.random() < 0.3 else make_case(_FIRST + seed)
    if made is not None and (
        made.case.beside is not None or any("limits." in name for name in made.case.licence.settings)
    ):
        return None  # what keys tell each other, and what is left of limits, is compared in this process
    if made is None:
        return None
    made.case.seed = seed
    for request in made.case.requests:
        request["wire"] = rng.choice(FORMS)
    return made


# --- the upstream


class _Status(Exception):
    """The model refuses with a status, before it has a body."""

    def __init__(self, status: int, content_type: str = "application/json") -> None:
        super().__init__(status)
        self.status = status
        self.content_type = content_type


class Served(Model):
    """The model where a server has it: what it checks of its own answers is left to the client behind the socket."""

    def __init__(self, world: World, habits: Habits) -> None:
        super().__init__(world, habits)
        #: The Link headers of the page that was made last.
        self.links: list[str] = []

    def _collection(self, name: str, options: dict[str, str]) -> tuple[dict[str, Any], list[str]]:
        body, self.links = super()._collection(name, options)
        return body, self.links

    @staticmethod
    def _check_status(status: int, retry_after: str | None = None) -> None:
        raise _Status(status)

    @staticmethod
    def _check_type(headers: Mapping[str, str], accept: str) -> None:
        raise _Status(200, headers["Content-Type"])

    async def page(self, target: str) -> tuple[int, str, list[str], bytes]:
        """Status, type, Link headers and body of a read."""
        try:
            fetched: Fetched = await self._get(target, "application/json")
        except _Status as said:
            return said.status, said.content_type, [], b'{"value":[],"error":"canary"}'
        except UpstreamFailure:
            return 400, "application/json", [], b'{"error":{"message":"canary"}}'
        return 200, "application/json", self.links, fetched.body


def framed(
    status: int, content_type: str, links: list[str], body: bytes, more: Mapping[str, str]
) -> tuple[bytes, bool]:
    """The bytes of an answer, and whether the connection ends with it. Headers and frames come of the body: where two
    databases differ, so do they."""
    rng = random.Random(zlib.crc32(body))
    number = rng.randrange(10**9)
    fields = [
        ("Date", f"Sun, 06 Nov {_YEAR} 08:{number % 60:02d}:37 GMT"), ("ETag", f'"canary{number}"'), ("Server", f"canary/{number}"),
        ("Set-Cookie", f"canary={number}; Path=/"), ("X-Total-Count", f"canary {number}"), ("Last-Modified", f"Sun, 06 Nov {_YEAR} 08:49:37 GMT"),
        ("Warning", '299 - "canary"'), ("Content-Language", "canary"), ("Preference-Applied", "canary"), ("Retry-After", str(number % 100)),
        ("Cache-Control", f"max-age={number}"), ("X-Request-Id", f"canary{number}"), ("OData-Version", "4.0"), ("Vary", "canary"),
    ]  # fmt: skip
    kept = rng.sample(fields, rng.randint(3, len(fields)))
    head = [("Content-Type", content_type), *((name, value) for name, value in more.items()), *kept]
    head += [("Link", link) for link in links]
    if rng.random() < 0.3 and body:
        head.append(("Content-Encoding", rng.choice(("gzip", "x-gzip", "GZIP"))))
        half = rng.randrange(len(body))
        body = rng.choice((gzip.compress(body), gzip.compress(body[:half]) + gzip.compress(body[half:])))
    closes = rng.random() < 0.2
    if closes:
        head.append(("Connection", "close"))
    if rng.random() < 0.4:
        head.append(("Transfer-Encoding", "chunked"))
        size = rng.choice((1 + len(body) // 3, 7, 1_000)) if len(body) < 5_000 else 4_000
        chunks = [body[start : start + size] for start in range(0, len(body), size)]
        text = b"".join(b"%x;canary=1\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
        body = text + b"0\r\n" + rng.choice((b"", b"X-Trailer: canary\r\n")) + b"\r\n"
    elif not closes or rng.random() < 0.5:
        head.append(("Content-Length", str(len(body))))
    rng.shuffle(head)
    interim = rng.choice((b"", b"", b"", b"HTTP/1.1 103 Early Hints\r\nLink: </canary>; rel=next\r\n\r\n"))
    lines = "".join(f"{name}: {value}\r\n" for name, value in head)
    return interim + f"HTTP/1.1 {status} Canary\r\n{lines}\r\n".encode() + body, closes


# --- reading and writing by hand


class WireError(Exception):
    """What has come over a socket is no answer, or more than one."""


@dataclass
class Head:
    line: str
    fields: list[tuple[str, str]]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key.lower() == name]

    def one(self, name: str) -> str:
        return next(iter(self.all(name)), "")


async def read_head(reader: asyncio.StreamReader) -> Head:
    """Raises asyncio.IncompleteReadError where the connection ends."""
    text = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *rest = text[:-4].split("\r\n")
    fields = [(name, value.strip(" \t")) for name, _, value in (part.partition(":") for part in rest)]
    return Head(line, fields)


async def read_body(reader: asyncio.StreamReader, head: Head) -> bytes:
    if "chunked" in head.one("transfer-encoding").lower():
        parts = []
        while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
            parts.append((await reader.readexactly(size + 2))[:-2])
        while await reader.readuntil(b"\r\n") != b"\r\n":
            pass
        return b"".join(parts)
    length = head.one("content-length")
    return await reader.readexactly(int(length)) if length else b""


# --- one side


@dataclass
class WireSide(Side):
    """A gateway behind its own listener, in front of the model behind a socket. Used between ``start`` and ``stop``."""

    #: How the next request is sent.
    form: str = "plain"
    #: What went wrong with HTTP itself.
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._stack = AsyncExitStack()
        self._connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.port = self.upstream_port = 0

    async def start(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**20)
        self._stack.callback(server.close)
        self.upstream_port = server.sockets[0].getsockname()[1]
        configuration = self.snapshot.configuration
        own = {"url": f"http://{_HOST}:{self.upstream_port}/odata", "retries": 0, "breaker_failures": 0}
        settings = Upstream.model_validate({**configuration.settings.upstream.model_dump(), **own})
        client = await self._stack.enter_async_context(UpstreamClient(settings, _CREDENTIAL))
        self.gateway = self.gateway_before(client)
        listener = Listener(
            self.gateway.handle, "127.0.0.1", 0, complain=lambda text: self.events.append(Complaint(text))
        )
        await listener.start()
        self._stack.push_async_callback(listener.stop)
        self.port = listener.port

    async def stop(self) -> None:
        self._hang_up()
        await self._stack.aclose()

    # --- as the upstream

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await read_head(reader)
                body = await read_body(reader, head)
                self._look_at(head)
                data, closes = await self._made(head, body)
                writer.write(data)
                await writer.drain()
                if closes:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has gone, as it may
        finally:
            writer.close()

    async def _made(self, head: Head, body: bytes) -> tuple[bytes, bool]:
        method, address, _ = head.line.split(" ")
        target = address.removeprefix("/odata/")
        assert isinstance(self.model, Served)
        if method == "GET":
            return framed(*await self.model.page(target), {})
        try:
            written = await self.model.write(method, target, body or None, head.one("if-match") or None)
        except UnknownOutcomeError:
            return b"", True
        more = {} if written.location is None else {"Location": written.location}
        return framed(written.status, "application/json", [], b"" if written.status == 204 else written.refusal, more)

    def _look_at(self, head: Head) -> None:
        """Whether the upstream is told nothing of the client, but what is asked."""
        for name, value in head.fields:
            known = ASKED.get(name.lower(), "") if name.lower() in ASKED else ""
            if known is not None and value != known:
                self.faults.append(f"the upstream is told {name}: {value}")

    # --- as the client

    async def ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        self.events.clear()
        self.model.asked.clear()
        self.model.writes.clear()
        self.model.sent.clear()
        self.counters.clear()
        async with asyncio.timeout(_PATIENCE):
            if self.form == "spoilt":
                await self._spoilt(target)
            answer = await self._asked(method, target, headers, body)
            if self.form == "head" and method == "GET":
                await self._head(target, headers, answer)
        return answer

    async def _asked(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        form = self.form
        if (form in ("expect", "chunked") and body is None) or (form == "pipelined" and method not in ("GET", "HEAD")):
            form = "plain"
        every = {"Host": "gateway.example", **headers}
        line = f"http://gateway.example{target}" if form == "absolute" else target
        version = "1.0" if form == "old" else "1.1"
        if form == "gzip":
            every["Accept-Encoding"] = "gzip"
        if form == "close":
            every["Connection"] = "close"
        payload = body or b""
        if body is not None:
            every.setdefault("Content-Type", "text/plain")
            if form == "chunked":
                every["Transfer-Encoding"] = "chunked"
                half = len(body) // 2
                parts = [part for part in (body[:half], body[half:]) if part]
                payload = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
            else:
                every["Content-Length"] = str(len(body))
            if form == "expect":
                every["Expect"] = "100-continue"
        fields = "".join(f"{name}: {value}\r\n" for name, value in every.items())
        head = f"{method} {line} HTTP/{version}\r\n{fields}\r\n".encode("utf-8", "surrogateescape")
        reader, writer = await self._connected()
        if form == "expect":
            writer.write(head)
            return await self._received(method, reader, lambda: writer.write(payload))
        data = head + payload
        if form == "pieces":
            for start in range(0, len(data), 1 + len(data) // 4):
                writer.write(data[start : start + 1 + len(data) // 4])
                await writer.drain()
                await asyncio.sleep(0)
        else:
            writer.write(data * 2 if form == "pipelined" else data)
        answer = await self._received(method, reader)
        if form == "pipelined" and not answer.closes:
            again = await self._received(method, reader)
            if again.without_token() != answer.without_token():
                self.faults.append(f"of two requests in one piece the second one is answered otherwise: {target}")
        return answer

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._connection is None:
            self._connection = await asyncio.open_connection("127.0.0.1", self.port, limit=2**24)
        return self._connection

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection[1].close()
            self._connection = None

    async def _received(
        self, method: str, reader: asyncio.StreamReader, invited: Callable[[], None] | None = None
    ) -> Answer:
        """The next answer on the connection, which is closed where the answer says so."""
        head = await read_head(reader)
        if head.line == "HTTP/1.1 100 Continue" and invited is not None and not head.fields:
            invited()
            head = await read_head(reader)
        version, status, reason = head.line.split(" ", 2)
        bare = method == "HEAD" or status in ("204", "304")
        raw = b"" if bare else await read_body(reader, head)
        said = head.one("connection").lower()
        closes = said == "close" or (version == "HTTP/1.0" and said != "keep-alive")
        rest = b""
        if closes:
            assert self._connection is not None
            if invited is not None:
                self._connection[1].write_eof()  # else the listener waits for a body that nobody asked for
            rest = await reader.read()
            self._hang_up()
        elif reader._buffer:  # type: ignore[attr-defined]  # what has come and nobody asked for
            rest = bytes(reader._buffer) if self.form != "pipelined" else b""  # type: ignore[attr-defined]
        if rest:
            self.faults.append(f"more than the answer has come: {rest[:200]!r}")
        self._check_head(head, raw, bare=bare)
        return _answer(version, int(status), reason, head, raw, closes=closes)

    def _check_head(self, head: Head, raw: bytes, *, bare: bool) -> None:
        names = [name for name, _ in head.fields]
        if len(set(names)) != len(names) or not set(names) <= ANSWERED:
            self.faults.append(f"headers that are none of ours, or come twice: {names}")
        if not bare and head.one("content-length") != str(len(raw)):
            self.faults.append(f"the body has {len(raw)} bytes and is said to have {head.one('content-length')}")
        if date_of(head.one("date")) is None or _YEAR in head.one("date"):
            self.faults.append(f"the date is not ours: {head.one('date')}")
        if not re.fullmatch("[0-9a-f]{32}", head.one("x-request-id")):
            self.faults.append(f"the id is not ours: {head.one('x-request-id')}")

    async def _head(self, target: str, headers: Mapping[str, str], answer: Answer) -> None:
        """HEAD is answered as GET is, without the body (RFC 9110, 9.3.2)."""
        found = await self._asked("HEAD", target, headers, None)
        if found.body or (found.status, found.headers) != (answer.status, answer.headers):
            self.faults.append(f"HEAD {target}\n  {found.status} {found.headers}\n  {answer.status} {answer.headers}")

    async def _spoilt(self, target: str) -> None:
        """Sends what is no request, on a connection of its own: the answer is one of ours, and says nothing."""
        data = SPOILT[zlib.crc32(target.encode("utf-8", "surrogateescape")) % len(SPOILT)]
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data.replace(b"~", target.replace(" ", "%20").encode("utf-8", "surrogateescape")))
            head = await read_head(reader)
            raw = await read_body(reader, head)
            self._check_head(head, raw, bare=False)
            if head.one("connection") == "close" and await reader.read():
                self.faults.append("more than the answer has come to what is no request")
            if any(part in raw for part in (b"colon", b"gateway.example", b"xxxx")):
                self.faults.append(f"what is no request is echoed: {raw[:200]!r}")
            if head.line.split(" ")[1] not in ("400", "404", "405", "414", "417", "431", "501") or set(
                json.loads(raw)
            ) != {"error"}:
                self.faults.append(f"what is no request gets {head.line} {raw[:200]!r}")
            if self.model.asked:
                self.faults.append(f"for what is no request the upstream is asked {self.model.asked}")
        finally:
            writer.close()


def _answer(version: str, status: int, reason: str, head: Head, raw: bytes, *, closes: bool) -> Answer:
    """All that can be compared: dates and the ids of requests differ, and so does what is compressed with a seal."""
    body = gzip.decompress(raw) if head.one("content-encoding") == "gzip" and raw else raw
    free = {"date", "x-request-id"}
    if body is not raw and TOKEN.search(body):
        free.add("content-length")
    fields = [(name, "" if name.lower() in free else value) for name, value in head.fields]
    if body is not raw and "content-length" not in free:
        fields.append(("compressed", f"{zlib.crc32(raw):08x}"))
    return Answer(status, f"{version} {reason}", tuple(fields), body, closes)


# --- the trial


class WireTrial(Trial):
    """A trial over sockets, with the same oracles, and what they cannot see in one process."""

    def __init__(self, case: Case, snapshot: Snapshot | None = None) -> None:
        super().__init__(case, snapshot, Served)
        self.one: WireSide = WireSide(self.snapshot, case.world, case.habits, upstream=Served)
        self.two: WireSide = WireSide(self.snapshot, case.other(), case.habits, upstream=Served)

    async def run(self) -> Counts:
        try:
            for side in (self.one, self.two):
                await side.start()
            return await super().run()
        finally:
            for side in (self.one, self.two):
                await side.stop()

    async def _request(self, request: Request) -> None:
        for side in (self.one, self.two):
            side.form = request.get("wire", "plain")
        try:
            await super()._request(request)
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError, ValueError) as error:
            raise self.fail("O10", f"no answer of HTTP to {request}: {error!r}") from error
        self.counts.oracles["O11"] += 1
        for side in (self.one, self.two):
            if side.faults:
                raise self.fail("O11", f"{request}\n  " + "\n  ".join(side.faults))

    def _canaries(self, answer: Answer, targets: tuple[str, str]) -> None:
        super()._canaries(answer, targets)
        for place in (answer.body, repr(answer.headers).encode(), answer.reason.encode()):
            for side in (self.one, self.two):
                if f":{side.upstream_port}".encode() in place or _CREDENTIAL.encode() in place:
                    raise self.fail("O4", f"where the upstream is, or its credential, leaves: {place[:400]!r}")
