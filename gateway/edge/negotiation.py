"""What of HTTP is refused before anything is decided, and which format an answer has (CHANNELS 3.10, C162)."""

from __future__ import annotations

import re
from decimal import Decimal

from aiohttp import web
from aiohttp.http import HttpVersion11

from gateway.errors import Code, Refusal
from gateway.odata.media_types import (
    JSON,
    XML,
    Format,
    chosen_format,
    format_option,
    list_elements,
    split_outside_quotes,
    takes_text,
)
from gateway.odata.parser import ascii_lower
from gateway.odata.request import Request
from gateway.policy.plan import Local, Plan, Write

#: The versions of OData in which the gateway reads and writes.
_LOWEST, _HIGHEST = Decimal("4.0"), Decimal("4.01")
_VERSION = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3})?")
_ABSOLUTE = re.compile(r"[Hh][Tt][Tt][Pp][Ss]?://([^/?#@]+)((?:[/?].*)?)", re.DOTALL)
_PORTS = re.compile(r":(?:80|443)?\Z")


def target_of(request: web.BaseRequest) -> str:
    """Return the request target in origin form; ``check_framing`` checks whose host an absolute one names."""
    absolute = _ABSOLUTE.fullmatch(request.raw_path)
    if absolute is None:
        return request.raw_path
    rest = absolute[2]
    return rest if rest.startswith("/") else f"/{rest}"


def check_framing(request: web.BaseRequest, public_url: str = "") -> None:
    """Raise the refusals that need no key: forms of HTTP that nobody needs here (CHANNELS 3.10, 5.1).

    Args:
        public_url: as ``check_host`` takes it.
    """
    if not target_of(request).startswith("/"):
        raise Refusal(Code.BAD_REQUEST, "the request target must be a path")
    check_host(request, public_url)
    if "Upgrade" in request.headers:
        raise Refusal(Code.BAD_REQUEST, "upgrades are not offered", headers={"Connection": "close"})
    if request.version >= HttpVersion11 and _expectations(request) - {"100-continue"}:
        raise Refusal(Code.EXPECTATION_FAILED, "this expectation is not offered", headers={"Connection": "close"})
    if request.method in ("GET", "HEAD") and request.body_exists:
        raise Refusal(Code.BAD_REQUEST, "a read has no body", headers={"Connection": "close"})


def check_host(request: web.BaseRequest, public_url: str = "") -> None:
    """Refuse an absolute target that names another host. RFC 9112, 3.2.2: a server must accept the absolute form.

    Args:
        public_url: the service root as clients write it: its host is ours, and so is the one that ``Host`` names.
    """
    absolute = _ABSOLUTE.fullmatch(request.raw_path)
    if absolute is not None and _host(absolute[1]) not in _own_hosts(request, public_url):
        raise Refusal(Code.BAD_REQUEST, "the request target names a host that is not served here")


def _own_hosts(request: web.BaseRequest, public_url: str) -> set[str]:
    public = _ABSOLUTE.fullmatch(public_url)
    hosts = {_host(host) for host in request.headers.getall("Host", [])[:1] if host}
    return hosts | ({_host(public[1])} if public is not None else set())


def _host(authority: str) -> str:
    return _PORTS.sub("", ascii_lower(authority))


def _expectations(request: web.BaseRequest) -> set[str]:
    texts = (part for header in request.headers.getall("Expect", []) for part in split_outside_quotes(header, ","))
    return {ascii_lower(text) for text in texts if text}


def waits_for_invitation(request: web.BaseRequest) -> bool:
    """Whether a body comes only after ``100 Continue``."""
    is_asked = request.version >= HttpVersion11 and "100-continue" in _expectations(request)
    return is_asked and request.can_read_body


async def invite_body(request: web.BaseRequest) -> None:
    """Send ``100 Continue`` to a client that waits for it (RFC 9110, 10.1.1).

    Only what reads a body calls this, once nothing but the body can refuse the request.
    """
    if waits_for_invitation(request) and not request.content.total_bytes:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # as aiohttp does: the answer has not begun


def check_protocol(request: web.BaseRequest) -> None:
    """Raise where headers of OData ask for what is not offered (OData Protocol, 8.1.5, 8.2.6, 8.2.7)."""
    if any(name in request.headers for name in ("OData-Isolation", "Isolation")):
        raise Refusal(Code.PRECONDITION_FAILED, "isolation is not offered")
    for version in request.headers.getall("OData-Version", []):
        if _version(version) not in (_LOWEST, _HIGHEST):
            raise Refusal(Code.BAD_REQUEST, "`OData-Version` must be 4.0 or 4.01")
    for version in request.headers.getall("OData-MaxVersion", []):
        most = _version(version)
        if most is None or most < _LOWEST:
            raise Refusal(Code.BAD_REQUEST, "`OData-MaxVersion` must be 4.0 or more")


def _version(text: str) -> Decimal | None:
    return Decimal(text.strip(" \t")) if _VERSION.fullmatch(text.strip(" \t")) else None


def answered_version(request: web.BaseRequest) -> str:
    """Return the version of an answer: none above the one that the client understands (OData Protocol, 8.2.7). What
    the gateway writes is in both."""
    versions = [_version(text) for text in request.headers.getall("OData-MaxVersion", [])]
    return "4.0" if any(version is not None and _LOWEST <= version < _HIGHEST for version in versions) else "4.01"


def negotiated(parsed: Request, request: web.BaseRequest, plan: Plan) -> Format:
    """Return the format of an answer; ``$format`` comes before ``Accept`` (OData Protocol, 11.2.11).

    Raises:
        Refusal: 406 where the client takes none of those offered.
    """
    xml = isinstance(plan, Local) and plan.kind == "metadata"
    default = XML if xml else JSON
    if parsed.query.format is not None:
        return format_option(parsed.query.format, xml=xml) or default  # decided before: it is one that is offered
    elements = list_elements(request.headers.getall("Accept", []))
    if not elements:
        return default
    chosen = chosen_format(elements, xml=xml)
    is_count = not isinstance(plan, Write) and plan.kind.endswith("count")
    if chosen is None and not (is_count and takes_text(elements)):
        raise Refusal(Code.NOT_ACCEPTABLE, "this format is not offered")
    return chosen or default
