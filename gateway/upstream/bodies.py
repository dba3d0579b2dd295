"""Bodies of HTTP in either direction: inflated within a bound, and the type that they say they are (C156)."""

from __future__ import annotations

import asyncio
import zlib

import aiohttp

#: Codings that are read; anything else is refused before a byte is.
CODINGS = ("identity", "gzip")
_CHUNK = 64 * 1024


class TooLongError(Exception):
    """More bytes than the bound, as they came or inflated."""


class BrokenCodingError(Exception):
    """The body is not gzip, or ends before its gzip does."""


def content_type(header: str) -> tuple[str, str]:
    """Media type and charset of a Content-Type header, in lower case; the charset is empty where none is said."""
    media_type, _, parameters = header.partition(";")
    for parameter in parameters.lower().split(";"):
        name, _, value = parameter.strip().partition("=")
        if name == "charset":
            return media_type.strip().lower(), value.strip('"')
    return media_type.strip().lower(), ""


async def read_bounded(
    stream: aiohttp.StreamReader, coding: str, limit: int, *, most_received: int | None = None
) -> bytes:
    """The whole body, inflated if need be.

    Args:
        coding: one of ``CODINGS``.
        limit: bytes of the inflated body.
        most_received: bytes as they come, where those are bounded too.

    Raises:
        TooLongError, BrokenCodingError: it is none that can be used.
    """
    inflate = zlib.decompressobj(wbits=31) if coding == "gzip" else None
    body, received = bytearray(), 0
    async for chunk in stream.iter_chunked(_CHUNK):
        received += len(chunk)
        try:
            body += chunk if inflate is None else inflate.decompress(chunk, limit + 1 - len(body))
        except zlib.error as error:
            raise BrokenCodingError(str(error)) from None
        if len(body) > limit or (most_received is not None and received > most_received):
            raise TooLongError
        await asyncio.sleep(0)
    if inflate is not None and not inflate.eof:
        raise BrokenCodingError("it ends early")
    return bytes(body)
