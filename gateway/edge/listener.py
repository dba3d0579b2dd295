"""A TCP listener whose every answer is ours, also for bytes that are no HTTP (C301, CHANNELS 5.1)."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import http_parser, web
from aiohttp.web_protocol import RequestHandler

from gateway.edge import responses
from gateway.errors import Code, Refusal

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

#: aiohttp's own parser limits; ours are lower and answer first.
_PARSER_LINE = 64 * 1024
_PARSER_FIELD = 32 * 1024


class _Protocol(RequestHandler):
    """aiohttp's protocol with our error answer instead of its text, which echoes what it did not understand."""

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

    def __call__(self) -> RequestHandler:
        return _Protocol(self, loop=self._running_loop, **self._options)


def require_c_parser() -> None:
    """The Python parser of aiohttp reads some malformed requests otherwise; a start without the C one is refused."""
    if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
        raise RuntimeError("aiohttp has no C parser on this machine; install it with its extensions")


class ListenError(Exception):
    """An address cannot be listened on; the message says which and why."""


class Listener:
    """One address, one handler. ``port`` is the real one once started, also when 0 was asked for."""

    def __init__(self, handler: Handler, host: str, port: int) -> None:
        self._handler = handler
        self._host = host
        self.port = port
        self._runner: web.ServerRunner | None = None

    async def start(self) -> None:
        require_c_parser()
        quiet = logging.getLogger("gateway.http")
        quiet.addHandler(logging.NullHandler())
        quiet.propagate = False
        server = _Server(
            self._handler,
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
        self._runner = web.ServerRunner(server, handle_signals=False)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self.port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise ListenError(f"{self._host}:{self.port} cannot be listened on: {error.strerror or error}") from None
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
