"""Bodies of requests: bounded before and after they are inflated, and of the one kind that is read (C156)."""

from __future__ import annotations

import asyncio
import hashlib

from aiohttp import web

from gateway.edge.negotiation import invite_body
from gateway.errors import Code, Refusal, invalid_query
from gateway.odata.json_format import BodyError, Record, check_text, decode_record
from gateway.odata.media_types import pair_of, split_outside_quotes
from gateway.odata.parser import ascii_lower
from gateway.upstream.bodies import BrokenCodingError, Coding, TooLongError, coding_of, content_type, read_bounded


async def read_query_body(request: web.BaseRequest, limit: int) -> str:
    """The text of ``POST <Set>/$query``: the options as they would stand in an address (C113).

    Raises:
        Refusal: 415 for another type or coding, 413 for more than ``limit`` bytes, 400 for what is no text.
    """
    media_type, charset = content_type(request.headers.get("Content-Type", ""))
    if media_type != "text/plain":
        raise _unsupported("the body must be text/plain")
    if charset not in ("", "utf-8", "utf8", "us-ascii"):
        raise _unsupported("the body must be in UTF-8")
    body = await _bounded(request, limit)
    try:
        return body.decode("ascii")
    except UnicodeDecodeError:
        raise invalid_query("the body must be percent-encoded like a query") from None


def is_compatible(request: web.BaseRequest) -> bool:
    """Whether the numbers of a body may be strings: ``IEEE754Compatible=true`` (OData JSON Format, 3.2).

    Raises:
        Refusal: 415 where the parameter says something else than ``true`` or ``false``, or comes twice.
    """
    pairs = [pair_of(part) for part in split_outside_quotes(request.headers.get("Content-Type", ""), ";")[1:]]
    said = [ascii_lower(value) for name, value in pairs if name == "ieee754compatible"]
    if len(said) > 1 or not {"true", "false"} >= set(said):
        raise _unsupported("`IEEE754Compatible` must be `true` or `false`")
    return said == ["true"]


async def read_record(request: web.BaseRequest, limit: int) -> tuple[Record, bytes] | None:
    """The one JSON object that a write sends, and the digest of its text; None where no body came.

    Raises:
        Refusal: 415 for another type or coding, 413 for more than ``limit`` bytes, 400 for what is no object.
    """
    if not request.can_read_body:
        return None
    media_type, charset = content_type(request.headers.get("Content-Type", ""))
    if media_type != "application/json":
        raise _unsupported("the body must be application/json")
    if charset not in ("", "utf-8", "utf8"):
        raise _unsupported("the body must be in UTF-8")
    if _coding(request) != "identity":
        raise _unsupported("the body must not be encoded")
    body = await _bounded(request, limit)
    try:
        # Off the event loop: a body may be as long as the settings allow.
        return await asyncio.to_thread(_record_of, body)
    except BodyError:
        raise Refusal(Code.BAD_REQUEST, "the body is not one JSON object") from None


def _record_of(body: bytes) -> tuple[Record, bytes]:
    check_text(body)
    return decode_record(body), hashlib.sha256(body).digest()


def _coding(request: web.BaseRequest) -> Coding | None:
    return coding_of(request.headers.getall("Content-Encoding", []))


async def _bounded(request: web.BaseRequest, limit: int) -> bytes:
    coding = _coding(request)
    if coding is None:
        raise _unsupported("this content coding is not read")
    if (request.content_length or 0) > limit:
        raise _too_long()
    await invite_body(request)
    try:
        return await read_bounded(request.content, coding, limit, most_received=limit)
    except TooLongError:
        raise _too_long() from None
    except BrokenCodingError:
        raise Refusal(Code.BAD_REQUEST, "the body is not gzip", headers={"Connection": "close"}) from None


def _too_long() -> Refusal:
    return Refusal(Code.PAYLOAD_TOO_LARGE, "the body is too long", headers={"Connection": "close"})


def _unsupported(message: str) -> Refusal:
    return Refusal(Code.UNSUPPORTED_MEDIA_TYPE, message, headers={"Connection": "close"})
