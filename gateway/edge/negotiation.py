"""What of HTTP is refused before anything is decided, and which format an answer has (CHANNELS 3.10, C162)."""

from __future__ import annotations

from aiohttp import web

from gateway.errors import Code, Refusal
from gateway.odata.request import JSON_FORMATS, Request
from gateway.policy.plan import Local, Plan


def check_framing(request: web.BaseRequest) -> None:
    """Refusals that need no key: forms of HTTP that nobody needs here (CHANNELS 3.10, 5.1)."""
    if not request.raw_path.startswith("/"):
        raise Refusal(Code.BAD_REQUEST, "the request target must be a path")
    if "Upgrade" in request.headers:
        raise Refusal(Code.BAD_REQUEST, "upgrades are not offered", headers={"Connection": "close"})
    if "Expect" in request.headers:
        raise Refusal(Code.BAD_REQUEST, "expectations are not offered", headers={"Connection": "close"})
    if request.method in ("GET", "HEAD") and request.body_exists:
        raise Refusal(Code.BAD_REQUEST, "a read has no body", headers={"Connection": "close"})


def _accepted(request: web.BaseRequest) -> list[str]:
    """The media ranges of the Accept headers, without parameters; empty where anything is welcome."""
    offered = request.headers.getall("Accept", [])
    return [part.partition(";")[0].strip().lower() for header in offered for part in header.split(",")]


def check_accept(request: web.BaseRequest, plan: Plan) -> None:
    """JSON is what there is, XML beside it for metadata; a client that takes neither is told so."""
    ranges = _accepted(request)
    welcome = {"*/*", "application/*", "application/json", "text/plain", "text/*", ""}
    if isinstance(plan, Local) and plan.kind == "metadata":
        welcome |= {"application/xml", "text/xml"}
    if ranges and not welcome & set(ranges):
        raise Refusal(Code.NOT_ACCEPTABLE, "this format is not offered")


def wants_json(parsed: Request, request: web.BaseRequest) -> bool:
    """Metadata is XML unless $format says JSON, or no range takes XML: many clients list JSON and ``*/*`` in every
    request, and read XML."""
    if parsed.query.format is not None:
        return parsed.query.format in JSON_FORMATS
    ranges = _accepted(request)
    return "application/json" in ranges and not {"application/xml", "text/xml", "*/*", "application/*"} & set(ranges)
