"""A TCP listener whose every answer is ours, also for bytes that are no HTTP (C301, CHANNELS 5.1)."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import Awaitable, Callable
from typing import Any
from weakref import WeakSet

from aiohttp import StreamReader, http_parser, web
from aiohttp.http import HttpVersion11
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import RequestHandler

from gateway.edge import responses
from gateway.edge.accepting import Acceptor, listening_socket
from gateway.errors import Code, Refusal
from gateway.odata.media_types import split_outside_quotes
from gateway.odata.parser import ascii_lower
from gateway.store.certificates import Certificate

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

#: aiohttp's own parser limits; ours are lower and answer first.
_PARSER_LINE = 64 * 1024
_PARSER_FIELD = 32 * 1024
#: Seconds for requests that are on their way when a listener is simply stopped, and for what is cut after that.
_PATIENCE, _CUT = 60.0, 1.0
#: Seconds between two looks at the connections that are left.
_LOOK = 0.02


class _Protocol(RequestHandler):
    """aiohttp's protocol with our error answer instead of its text, which echoes what it did not understand; and it
    knows whether a request is on it."""

    #: Requests that are being answered, and whether the head of another one has come in part.
    busy = 0
    is_partial = False
    #: The body of the request that came last.
    _body: StreamReader = EMPTY_PAYLOAD

    def data_received(self, data: bytes) -> None:
        before, is_body = self._request_count, not self._body.is_eof()
        super().data_received(data)
        if self._request_count > before and self._messages:
            self._body = self._messages[-1][1]
            # What follows a request without a body in the same piece is the beginning of the next one.
            self.is_partial = self._body is EMPTY_PAYLOAD and not data.endswith(b"\r\n\r\n")
        elif data and not is_body:  # the library gives nothing to itself when it reads on
            self.is_partial = True

    @property
    def is_queued(self) -> bool:
        """Whether a client that did not wait has sent another request behind the one that is being answered."""
        return bool(self._messages)

    @property
    def is_idle(self) -> bool:
        """Whether not one byte of a request that is not answered has been read."""
        return self._waiter is not None and not (self.busy or self.is_partial or self.is_queued)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        code = Code.UPSTREAM_ERROR if status >= 500 else Code.BAD_REQUEST
        text = "the answer could not be made" if status >= 500 else "the request is no proper HTTP"
        response = responses.refuse(Refusal(code, text, headers={"Connection": "close"}), secrets.token_hex(16))
        response.force_close()
        return response


class _Server(web.Server):
    """Makes our protocol for each connection. The constructor of aiohttp's server takes no protocol class."""

    def __init__(self, handler: Handler, options: dict[str, Any]) -> None:
        super().__init__(handler, **options)
        self._options = options
        self._running_loop = asyncio.get_running_loop()
        #: Connections that were accepted and are none yet: TLS has its say first, and may have the last word.
        self.arriving: WeakSet[_Protocol] = WeakSet()

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self.arriving.discard(handler)  # type: ignore[arg-type]  # we made it

    def __call__(self) -> RequestHandler:
        protocol = _Protocol(self, loop=self._running_loop, **self._options)
        self.arriving.add(protocol)
        return protocol


def _unknown_coding(request: web.BaseRequest) -> web.StreamResponse | None:
    """Refuse a body in transfer codings that are not read, whoever asks (RFC 9112, 6.1)."""
    headers = request.headers.getall("Transfer-Encoding", [])
    codings = [ascii_lower(part) for header in headers for part in split_outside_quotes(header, ",")]
    if not codings or (codings == ["chunked"] and request.version >= HttpVersion11):
        return None
    if request.version < HttpVersion11:
        refusal = Refusal(Code.BAD_REQUEST, "the request is no proper HTTP", headers={"Connection": "close"})
    else:
        refusal = Refusal(Code.NOT_IMPLEMENTED, "this transfer coding is not offered", headers={"Connection": "close"})
    return responses.refuse(refusal, secrets.token_hex(16))


def require_c_parser() -> None:
    """Refuse to serve with aiohttp's Python parsers: they read some malformed requests and answers otherwise."""
    if (
        http_parser.HttpRequestParser is http_parser.HttpRequestParserPy
        or http_parser.HttpResponseParser is http_parser.HttpResponseParserPy
    ):
        raise RuntimeError("aiohttp has no C parser on this machine; install it with its extensions")


class Listener:
    """One address, one handler. ``port`` is the real one once started, also when 0 was asked for.

    Args:
        inherited: a socket that listens already, and that other processes may share; else one is made.
        certificate: where TLS is spoken.
        complain: told in words for operators what goes wrong with taking connections.
    """

    def __init__(
        self,
        handler: Handler,
        host: str,
        port: int,
        inherited: socket.socket | None = None,
        certificate: Certificate | None = None,
        *,
        complain: Callable[[str], None],
    ) -> None:
        self._handler = handler
        self._complain = complain
        self._acceptor: Acceptor | None = None
        self._host = host
        self.port = port
        self._inherited = inherited
        self._certificate = certificate
        self._runner: web.ServerRunner | None = None
        self._server: _Server | None = None
        #: From when on every answer is the last one on its connection; None while this listens.
        self._insisting: float | None = None

    async def start(self) -> None:
        require_c_parser()
        listening = self._inherited or listening_socket(self._host, self.port)
        self.port = listening.getsockname()[1]
        quiet = logging.getLogger("gateway.http")
        quiet.addHandler(logging.NullHandler())
        quiet.propagate = False
        self._server = _Server(
            self._handle,
            {
                "max_line_size": _PARSER_LINE,
                "max_field_size": _PARSER_FIELD,
                "access_log": None,
                "auto_decompress": False,
                "logger": quiet,
                "keepalive_timeout": 75,
                "lingering_time": 2,
            },
        )
        self._runner = web.ServerRunner(self._server, handle_signals=False, shutdown_timeout=_CUT)
        await self._runner.setup()
        tls = self._certificate.context() if self._certificate is not None else None
        self._acceptor = Acceptor(
            listening, self._server, tls=tls, is_shared=self._inherited is not None, complain=self._complain
        )

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        protocol = request.protocol
        assert isinstance(protocol, _Protocol)
        protocol.busy += 1
        try:
            response = _unknown_coding(request) or await self._handler(request)
            # The library looks at its own flag and not at the header that the client sees.
            if "close" in response.headers.get("Connection", "") or self._is_last(protocol):
                response.force_close()
            return response
        finally:
            protocol.busy -= 1

    def _is_last(self, protocol: _Protocol) -> bool:
        """Whether a connection ends with the answer that is on its way: not before what has begun to come behind it is
        answered, unless it never ends."""
        if self._insisting is None:
            return False
        goes_on = protocol.is_queued or protocol.is_partial
        return not goes_on or asyncio.get_running_loop().time() >= self._insisting

    async def drain(self, idle: float, deadline: float) -> int:
        """Accepts no more connections, and waits for those that there are: every answer says that it is the last one on
        its connection, and no request of which a byte has been read is dropped (G7).

        Args:
            idle: seconds after which connections without a request are closed: until then a client that is about to
                send one finds an open door.
            deadline: seconds after which nothing is waited for any more.

        Returns:
            How many connections had a request on them that was given up.
        """
        if self._runner is None or self._server is None:
            return 0
        loop = asyncio.get_running_loop()
        closing, giving_up = loop.time() + idle, loop.time() + deadline
        self._insisting = loop.time() + deadline / 2
        self._stop_accepting()
        await asyncio.sleep(_LOOK)
        while True:
            connections = [found for found in self._server.connections if isinstance(found, _Protocol)]
            now = loop.time()
            if not connections and (not self._server.arriving or now >= closing):
                return 0
            if now >= giving_up:
                return sum(not found.is_idle for found in connections)
            for connection in connections:
                if now >= closing and connection.is_idle:
                    connection.force_close()
            await asyncio.sleep(_LOOK)

    def _stop_accepting(self) -> None:
        if self._acceptor is not None:
            self._acceptor.close()
            self._acceptor = None

    async def stop(self) -> None:
        if self._runner is not None:
            if self._insisting is None:
                await self.drain(0, _PATIENCE)
            self._stop_accepting()
            await self._runner.cleanup()
            self._runner = None
