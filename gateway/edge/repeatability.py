"""``Repeatability-*`` of a request (OASIS Repeatable Requests 1.0): ids are the client's, and never sent on (C221)."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from aiohttp import web

from gateway.edge.negotiation import target_of
from gateway.errors import Code, Refusal, not_offered
from gateway.store.repeats import RETAINED

_RESULT = "Repeatability-Result"
_FIXDATE = re.compile("[A-Z][a-z]{2}, [0-3][0-9] [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT")
_ID, _CLIENT, _SENT = "Repeatability-Request-ID", "Repeatability-Client-ID", "Repeatability-First-Sent"
#: How far a client's clock may be ahead.
_AHEAD = timedelta(minutes=5)
_LONGEST = 255


def read_identity(request: web.BaseRequest, key_id: str, body: bytes, now: datetime, *, is_offered: bool) -> str | None:
    """What identifies a write that may be sent again; None where the client does not ask for it.

    Args:
        body: digest of the body.
        is_offered: whether there is a database to remember it in.

    Raises:
        Refusal: 400 for headers that are none, 412 for a request that is too old to be known, 501 without a database.
    """
    found = {name: request.headers.getall(name, []) for name in (_ID, _CLIENT, _SENT)}
    if not any(found.values()):
        return None
    if not is_offered:
        raise not_offered("Repeatability-Request-ID")
    if any(len(values) > 1 for values in found.values()) or not found[_ID] or not found[_SENT]:
        raise Refusal(Code.BAD_REQUEST, f"{_ID} and {_SENT} are given once each")
    identity, client = found[_ID][0], (found[_CLIENT] or [""])[0]
    if not 0 < len(identity) <= _LONGEST or len(client) > _LONGEST:
        raise Refusal(Code.BAD_REQUEST, f"{_ID} must have 1 to {_LONGEST} characters")
    sent = _moment(found[_SENT][0])
    if sent is None or sent > now + _AHEAD:
        raise Refusal(Code.BAD_REQUEST, f"{_SENT} must be a date of HTTP that has passed")
    if sent < now - RETAINED:
        # It may have been done, and what was done then is known no more.
        raise Refusal(Code.PRECONDITION_FAILED, f"{_SENT} is too long ago")
    digest = hashlib.sha256()
    for part in (key_id, request.method, target_of(request), client, identity):
        digest.update(hashlib.sha256(part.encode("utf-8", "surrogateescape")).digest())
    digest.update(body)
    return digest.hexdigest()


def _moment(text: str) -> datetime | None:
    """A date as HTTP writes it (RFC 9110, 5.6.7, IMF-fixdate), whatever language the process has."""
    if not _FIXDATE.fullmatch(text):
        return None
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return None


def outcome_header(request: web.BaseRequest, *, is_known: bool) -> dict[str, str]:
    """``Repeatability-Result`` for whoever asked for it: whether the request is one that will not be done again."""
    asked = any(name in request.headers for name in (_ID, _CLIENT, _SENT))
    is_write = request.method in ("POST", "PATCH", "DELETE")
    return {_RESULT: "accepted" if is_known else "rejected"} if asked and is_write else {}
