"""Bodies as they come: every member of a gzip, within one bound, and the names of codings."""

from __future__ import annotations

import asyncio
import gzip
import zlib

import aiohttp
import pytest

from gateway.upstream.bodies import BrokenCodingError, TooLongError, coding_of, read_bounded


async def read(body: bytes, limit: int = 4096, piece: int | None = None) -> bytes:
    """Read a body that arrives in pieces of so many bytes."""
    stream = aiohttp.StreamReader(_Protocol(), 2**16, loop=asyncio.get_running_loop())
    for start in range(0, len(body), piece or len(body) or 1):
        stream.feed_data(body[start : start + (piece or len(body))])
    stream.feed_eof()
    return await read_bounded(stream, "gzip", limit)


class _Protocol(aiohttp.base_protocol.BaseProtocol):
    def __init__(self) -> None:
        super().__init__(asyncio.get_running_loop())


@pytest.mark.parametrize("piece", [None, 1, 7])
@pytest.mark.parametrize("texts", [[b"a"], [b"ab", b"cd"], [b"", b"x" * 3000, b"", b"y"], [b""]])
async def test_every_member_of_a_gzip_is_read(texts: list[bytes], piece: int | None) -> None:
    """RFC 1952, 2.2: a file is a series of members, one behind the other."""
    body = b"".join(map(gzip.compress, texts))

    assert await read(body, piece=piece) == b"".join(texts)


@pytest.mark.parametrize("piece", [None, 1])
@pytest.mark.parametrize(
    "body",
    [
        gzip.compress(b"a", mtime=0) + b"garbage",
        gzip.compress(b"a", mtime=0) + b"\0",
        gzip.compress(b"a", mtime=0) + b"\x1f",
        gzip.compress(b"a", mtime=0) + gzip.compress(b"b", mtime=0)[:-1],
        gzip.compress(b"a", mtime=0) + gzip.compress(b"b", mtime=0)[:5],
        gzip.compress(b"a", mtime=0) + zlib.compress(b"b"),
        gzip.compress(b"a", mtime=0)[:-1],
        b"",
    ],
)
async def test_what_follows_the_members_of_a_gzip_must_be_another_one(body: bytes, piece: int | None) -> None:
    with pytest.raises(BrokenCodingError):
        await read(body, piece=piece)


@pytest.mark.channel("C156")
@pytest.mark.guarantee("G6")
@pytest.mark.parametrize("piece", [None, 100])
async def test_the_bound_holds_over_all_members_together(piece: int | None) -> None:
    members = gzip.compress(b" " * 1000)

    assert len(await read(members * 4, limit=4000, piece=piece)) == 4000
    with pytest.raises(TooLongError):
        await read(members * 4 + gzip.compress(b" "), limit=4000, piece=piece)


@pytest.mark.channel("C156")
@pytest.mark.guarantee("G6")
async def test_members_without_content_have_a_bound() -> None:
    with pytest.raises(TooLongError):
        await read(gzip.compress(b"") * 1000, limit=1024)


@pytest.mark.guarantee("G4")
async def test_a_body_that_does_not_compress_is_read_up_to_the_bound() -> None:
    body = bytes(range(256)) * 16

    assert await read(gzip.compress(body, compresslevel=0), limit=4096) == body


@pytest.mark.parametrize(
    ("fields", "coding"),
    [
        ([], "identity"), ([""], "identity"), (["identity"], "identity"), (["gzip"], "gzip"), (["GZip"], "gzip"), (["x-gzip"], "gzip"),
        (["X-GZIP "], "gzip"), (["identity, gzip"], "gzip"), (["gzip,identity"], "gzip"), ([", gzip ,"], "gzip"), (["identity", "gzip"], "gzip"),
        (["identity, identity"], "identity"), (["gzip, gzip"], None), (["gzip", "x-gzip"], None), (["br"], None), (["br, gzip"], None),
        (["deflate"], None), (["gzip;q=1"], None), (["gzip\x00"], None),
    ],
)  # fmt: skip
def test_names_of_codings_are_a_list_in_any_case(fields: list[str], coding: str | None) -> None:
    """RFC 9110, 8.4: a list of codings, and x-gzip is gzip; stricter here: one coding, once."""
    assert coding_of(fields) == coding
