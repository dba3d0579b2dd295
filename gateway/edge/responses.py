"""Answers: the only place where a response is made. Its headers are a closed list (CHANNELS section 2)."""

from __future__ import annotations

import msgspec
from aiohttp import web

from gateway.errors import Refusal

SERVER = "gateway"
JSON = "application/json;odata.metadata=minimal"
_COMMON = {
    "OData-Version": "4.01",
    "Cache-Control": "private, no-store",
    "Vary": "Authorization, Accept-Encoding",
    "Server": SERVER,
}


def error_body(refusal: Refusal) -> bytes:
    """An OData 4.01 error body; members in one fixed order, so equal refusals are equal bytes."""
    error: dict[str, str] = {"code": refusal.code.text, "message": refusal.message}
    if refusal.target is not None:
        error["target"] = refusal.target
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


def answer(body: bytes, request_id: str, content_type: str = JSON) -> web.Response:
    return web.Response(
        status=200,
        body=body,
        headers={"Content-Type": content_type, **_COMMON, "X-Request-Id": request_id},
    )


def nothing(request_id: str) -> web.Response:
    """204: a relation to one record that leads to none, or to none that exists for the key; the same bytes (C101)."""
    return web.Response(status=204, headers={**_COMMON, "X-Request-Id": request_id})
