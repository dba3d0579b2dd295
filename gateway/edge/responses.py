"""Answers: the only place where a response is made. Its headers are a closed list (CHANNELS section 2)."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec
from aiohttp import web

from gateway.edge.negotiation import answered_version
from gateway.errors import Refusal
from gateway.odata.media_types import JSON as JSON_FORMAT
from gateway.odata.media_types import list_elements

SERVER = "gateway"
JSON = JSON_FORMAT.content_type
_COMMON = {
    "OData-Version": "4.01",
    "Cache-Control": "private, no-store",
    "Vary": "Authorization, Accept-Encoding",
    "Server": SERVER,
}
#: The tags of a list, or the one star: what stands in quotes is a tag, whatever it spells.
_TAGS = re.compile(r'(?:W/)?"[^"]*"|\*')
#: Bodies below this are sent as they are: compressed they would hardly be shorter.
_COMPRESSED_FROM = 1_024
#: Bodies above this are compressed in a thread.
_LARGE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is data, before the client's conditions and codings are applied."""

    status: int
    body: bytes
    request_id: str
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


def error_body(refusal: Refusal) -> bytes:
    """An OData 4.01 error body; members in one fixed order, so equal refusals are equal bytes."""
    error: dict[str, object] = {"code": refusal.code.text, "message": refusal.message}
    if refusal.target is not None:
        error["target"] = refusal.target
    if refusal.details:
        error["details"] = [
            {"code": refusal.code.text, "message": detail.message, "target": detail.target}
            for detail in refusal.details
        ]
    return msgspec.json.encode({"error": error})


def refuse(refusal: Refusal, request_id: str) -> web.Response:
    return web.Response(
        status=refusal.code.status,
        body=error_body(refusal),
        headers={
            "Content-Type": "application/json",
            "Content-Language": "en",
            **_COMMON,
            "X-Request-Id": request_id,
            **refusal.headers,
        },
    )


def entity_tag(secret: str, about: Iterable[str], body: bytes) -> str:
    """A weak tag over a visible representation and what it is one of, keyed so that nobody can guess from it (C181)."""
    keyed = hmac.new(b"etag\0" + secret.encode("utf-8"), digestmod=hashlib.sha256)
    for part in about:
        keyed.update(part.encode("utf-8") + b"\0")
    keyed.update(body)
    return f'W/"{keyed.hexdigest()[:32]}"'


async def finished(request: web.BaseRequest, answer: Answer, *, compress: bool) -> web.Response:
    """The response: 304 where the client has this very representation, compressed where the client takes that."""
    headers = {
        **_COMMON,
        "OData-Version": answered_version(request),
        "X-Request-Id": answer.request_id,
        **answer.headers,
    }
    tag = answer.headers.get("ETag")
    is_read = answer.status == 200 and request.method != "PATCH"  # of a write, the condition was tested before it
    if is_read and tag is not None and has_tag(request.headers.getall("If-None-Match", []), tag):
        return web.Response(status=304, headers=headers)
    if answer.status == 204:
        return web.Response(status=204, headers=headers)
    headers["Content-Type"] = answer.content_type
    body = answer.body
    if compress and len(body) >= _COMPRESSED_FROM and _takes_gzip(request.headers.getall("Accept-Encoding", [])):
        headers["Content-Encoding"] = "gzip"
        body = await asyncio.to_thread(_gzip, body) if len(body) > _LARGE else _gzip(body)
    return web.Response(status=answer.status, body=body, headers=headers)


def _gzip(body: bytes) -> bytes:
    return gzip.compress(body, 5, mtime=0)  # no clock in it: equal bodies are equal bytes


def has_tag(headers: Iterable[str], tag: str) -> bool:
    """Whether one of the listed tags is ours, compared weakly (RFC 9110, 13.1.2)."""
    opaque = tag.removeprefix("W/")
    listed = [part for header in headers for part in _TAGS.findall(header)]
    return "*" in listed or (opaque != "" and opaque in (part.removeprefix("W/") for part in listed))


def _takes_gzip(headers: Iterable[str]) -> bool:
    """Whether gzip is named, or all codings are, and not with less weight than no coding (RFC 9110, 12.5.3)."""
    weights = {element.name: element.weight for element in list_elements(headers)}
    gzip_weight = weights.get("gzip", weights.get("*", Decimal(0)))
    return gzip_weight > 0 and gzip_weight >= weights.get("identity", Decimal(0))
