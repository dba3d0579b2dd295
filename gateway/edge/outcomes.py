"""What an upstream's answer to a write means, and how it is told: in our words, with no word of its own (C219)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from urllib.parse import unquote

import msgspec

from gateway.errors import Code, Detail, Refusal, invalid_body, unavailable, upstream_error
from gateway.odata.parser import NotOfferedError, ODataSyntaxError, parse_segment
from gateway.odata.printer import print_key
from gateway.upstream.client import Written

_DONE = (200, 201, 204)
#: It said no before it did anything. 408, 5xx but 501, and numbers of somebody's own may come from something that
#: stands between, and has seen a connection break after the write was sent.
_REFUSED = frozenset({
    400, 401, 402, 403, 404, 405, 406, *range(409, 418), *range(421, 425), 426, 428, 429, 431, 451, 501,
})  # fmt: skip
#: The record is not, or not as it was: read again, and never passed on (C308, C327).
_ANOTHER = (404, 410, 412)


class Outcome(Enum):
    DONE = "done"
    REFUSED = "refused"
    #: Refused, because the record is another one by now.
    ANOTHER = "another"
    UNKNOWN = "unknown"


def outcome(written: Written) -> Outcome:
    if written.status in _DONE:
        return Outcome.DONE
    if written.status in _ANOTHER:
        return Outcome.ANOTHER
    return Outcome.REFUSED if written.status in _REFUSED else Outcome.UNKNOWN


def refusal_of(written: Written, fields: Iterable[str]) -> Refusal:
    """A refusal or unknown outcome as ours.

    Args:
        fields: that the client has sent, in its order: the only ones that can be named.
    """
    status = written.status
    if outcome(written) is Outcome.UNKNOWN:
        return unknown_outcome()
    if status == 409:
        return Refusal(Code.CONFLICT, "the record contradicts another one")
    if status in (400, 422):
        said = _targets(written.refusal)
        details = [Detail(name, "was refused by the listing service") for name in fields if name in said]
        return invalid_body(
            details or [Detail("", "the record was refused by the listing service")], "refused by the upstream"
        )
    if status in (401, 403, 429):
        return unavailable()
    return upstream_error()


def unknown_outcome() -> Refusal:
    """504 with a code of its own: it was sent, and is not sent again."""
    return Refusal(Code.UNKNOWN_OUTCOME, "nobody can say whether the record was written: read it before trying again")


def _targets(refusal: bytes) -> set[str]:
    """The fields that an error body of OData complains of. Whatever else it says is for the log."""
    try:
        body = msgspec.json.decode(refusal)
    except (msgspec.DecodeError, RecursionError):
        return set()
    error = body.get("error") if isinstance(body, dict) else None
    found = [error]
    if isinstance(error, dict) and isinstance(error.get("details"), list):
        found += error["details"]
    targets = [item.get("target") for item in found if isinstance(item, dict)]
    return {target for target in targets if isinstance(target, str)}


def key_of(location: str | None, resource: str) -> str | None:
    """The key in the address of a new record, as it is printed in ours; None where that is no address of one of the
    resource. Nothing is asked at that address."""
    if location is None:
        return None
    last = unquote(location.partition("?")[0].rstrip("/").rpartition("/")[2])
    try:
        segment = parse_segment(last)
    except (ODataSyntaxError, NotOfferedError, Refusal):
        return None
    if segment.name != resource or not segment.key:
        return None
    return print_key(segment.key)
