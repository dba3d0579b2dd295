"""Sends each request once: the HTTP library sends GET and DELETE again by itself when a connection breaks."""

from __future__ import annotations

import aiohttp

from gateway.errors import kind_of


class ConnectionLostError(Exception):
    """A request was sent, and its connection broke before an answer came. The text is for the log."""


async def sent_once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Send a request, and hide from the library the errors after which it would send the request again (C308).

    The library does so with methods that it takes for idempotent, on a new connection too, and reports the second
    answer as if it were the first.

    Raises:
        ConnectionLostError: the connection broke.
    """
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise  # there was no connection: nothing was sent
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise ConnectionLostError(f"{request.method} was sent and not answered: {kind_of(error)}") from None
