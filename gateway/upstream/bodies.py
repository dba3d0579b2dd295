"""Bodies of HTTP in either direction: inflated within a bound, and the type that they say they are (C156)."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterable
from typing import Literal

import aiohttp

_CHUNK = 64 * 1024
#: Bytes that the frames of a body may take beside its text.
_FRAMES = 1024
#: A content coding that is read; another one is refused before a byte of the body is.
Coding = Literal["identity", "gzip"]


class TooLongError(Exception):
    """More bytes than the bound, as they came or inflated."""


class BrokenCodingError(Exception):
    """The body is not gzip, ends before its gzip does, or goes on behind it with something else."""


def coding_of(fields: Iterable[str]) -> Coding | None:
    """Return the coding of a body; None where it is none that is read.

    RFC 9110, 8.4: the fields are one list, names are case-insensitive, and ``x-gzip`` is gzip. Stricter here: a body
    is encoded once at most.

    Args:
        fields: the values of all Content-Encoding headers.
    """
    names = [name.strip(" \t").lower() for field in fields for name in field.split(",")]
    applied = [name for name in names if name not in ("", "identity")]
    if not applied:
        return "identity"
    return "gzip" if applied in (["gzip"], ["x-gzip"]) else None


class _Members:
    """Inflates the members of a gzip, which stand one behind the other (RFC 1952, 2.2)."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)
        self._is_begun = False
        self._is_first = True

    @property
    def is_whole(self) -> bool:
        """Whether there was a member, and none is begun and not ended."""
        return not self._is_first and not self._is_begun

    def inflate(self, data: bytes, most: int) -> bytes:
        """Return the text of the next bytes, but hardly more than ``most`` of it.

        Raises:
            zlib.error: what comes is not a member.
        """
        found = bytearray()
        while data and len(found) <= most:
            self._is_begun = True
            found += self._member.decompress(data, most + 1 - len(found))
            data = b""
            if self._member.eof:
                data = self._member.unused_data
                self._member = zlib.decompressobj(wbits=31)
                self._is_begun = self._is_first = False
        return bytes(found)


def content_type(header: str) -> tuple[str, str]:
    """Media type and charset of a Content-Type header, in lower case; the charset is empty where none is said."""
    media_type, _, parameters = header.partition(";")
    for parameter in parameters.lower().split(";"):
        name, _, value = parameter.strip().partition("=")
        if name == "charset":
            return media_type.strip().lower(), value.strip('"')
    return media_type.strip().lower(), ""


async def read_answer(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """Return the whole body of an answer, inflated if need be.

    Raises:
        TooLongError, BrokenCodingError: the body cannot be used.
    """
    coding = coding_of(response.headers.getall("Content-Encoding", []))
    if coding is None:
        raise BrokenCodingError("this content coding is not read")
    return await read_bounded(response.content, coding, limit)


async def read_bounded(
    stream: aiohttp.StreamReader, coding: Coding, limit: int, *, most_received: int | None = None
) -> bytes:
    """The whole body, inflated if need be.

    Args:
        limit: bytes of the inflated body. What is compressed may be a little longer as it comes.
        most_received: bytes as they come, where they have a bound of their own.

    Raises:
        TooLongError, BrokenCodingError: the body cannot be used.
    """
    members = _Members() if coding == "gzip" else None
    # Text that does not compress gains some bytes; more than that is members without content, which have no end.
    most_received = limit + limit // 100 + _FRAMES if most_received is None else most_received
    body, received = bytearray(), 0
    async for chunk in stream.iter_chunked(_CHUNK):
        received += len(chunk)
        try:
            body += chunk if members is None else members.inflate(chunk, limit - len(body))
        except zlib.error as error:
            raise BrokenCodingError(str(error)) from None
        if len(body) > limit or received > most_received:
            raise TooLongError
        await asyncio.sleep(0)
    if members is not None and not members.is_whole:
        raise BrokenCodingError("it ends early")
    return bytes(body)
