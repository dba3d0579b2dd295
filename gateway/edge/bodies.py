"""Bodies of requests: bounded before and after they are inflated, and of the one kind that is read (C156)."""

from __future__ import annotations

import asyncio
import zlib

from aiohttp import web

from gateway.errors import Code, Refusal, invalid_query

_CHUNK = 64 * 1024


async def read_query_body(request: web.BaseRequest, limit: int) -> str:
    """The text of ``POST <Set>/$query``: the options as they would stand in an address (C113).

    Raises:
        Refusal: 415 for another type or coding, 413 for more than ``limit`` bytes, 400 for what is no text.
    """
    media_type, _, parameters = request.headers.get("Content-Type", "").partition(";")
    if media_type.strip().lower() != "text/plain":
        raise _unsupported("the body must be text/plain")
    for parameter in parameters.lower().split(";"):
        name, _, value = parameter.strip().partition("=")
        if name == "charset" and value.strip('"') not in ("utf-8", "utf8", "us-ascii"):
            raise _unsupported("the body must be in UTF-8")
    body = await _bounded(request, limit)
    try:
        return body.decode("ascii")
    except UnicodeDecodeError:
        raise invalid_query("the body must be percent-encoded like a query") from None


async def _bounded(request: web.BaseRequest, limit: int) -> bytes:
    coding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in ("identity", "gzip"):
        raise _unsupported("this content coding is not read")
    inflate = zlib.decompressobj(wbits=31) if coding == "gzip" else None
    body = bytearray()
    received = 0
    async for chunk in request.content.iter_chunked(_CHUNK):
        received += len(chunk)
        try:
            body += chunk if inflate is None else inflate.decompress(chunk, limit + 1 - len(body))
        except zlib.error:
            raise Refusal(Code.BAD_REQUEST, "the body is not gzip", headers={"Connection": "close"}) from None
        if len(body) > limit or received > limit:
            raise Refusal(Code.PAYLOAD_TOO_LARGE, "the body is too long", headers={"Connection": "close"})
        await asyncio.sleep(0)
    if inflate is not None and not inflate.eof:
        raise Refusal(Code.BAD_REQUEST, "the body is not gzip", headers={"Connection": "close"})
    return bytes(body)


def _unsupported(message: str) -> Refusal:
    return Refusal(Code.UNSUPPORTED_MEDIA_TYPE, message, headers={"Connection": "close"})
