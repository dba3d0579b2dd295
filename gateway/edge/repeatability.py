"""``Repeatability-*`` of a request (OASIS Repeatable Requests 1.0): ids are the client's, and never sent on (C221)."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from aiohttp import web

from gateway.errors import Code, Refusal, not_offered
from gateway.store.repeats import RETAINED

RESULT = "Repeatability-Result"
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
        raise _rejected(not_offered("Repeatability-Request-ID"))
    if any(len(values) > 1 for values in found.values()) or not found[_ID] or not found[_SENT]:
        raise _rejected(Refusal(Code.BAD_REQUEST, f"{_ID} and {_SENT} are given once each"))
    identity, client = found[_ID][0], (found[_CLIENT] or [""])[0]
    if not 0 < len(identity) <= _LONGEST or len(client) > _LONGEST:
        raise _rejected(Refusal(Code.BAD_REQUEST, f"{_ID} must have 1 to {_LONGEST} characters"))
    sent = _moment(found[_SENT][0])
    if sent is None or sent > now + _AHEAD:
        raise _rejected(Refusal(Code.BAD_REQUEST, f"{_SENT} must be a date of HTTP that has passed"))
    if sent < now - RETAINED:
        # It may have been done, and what was done then is known no more.
        raise _rejected(Refusal(Code.PRECONDITION_FAILED, f"{_SENT} is too long ago"))
    digest = hashlib.sha256()
    for part in (key_id, request.method, request.raw_path, client, identity):
        digest.update(hashlib.sha256(part.encode("utf-8", "surrogateescape")).digest())
    digest.update(body)
    return digest.hexdigest()


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _rejected(refusal: Refusal) -> Refusal:
    refusal.headers[RESULT] = "rejected"
    return refusal
