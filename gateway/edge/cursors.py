"""The upstream's own next links, without what they repeat of the question (C292).

Most servers put every option of the request into the link. A filter and the names of two hundred fields fit no token of
ours, and we know them: the same request is decided again from its seal. So of such a link only the rest is kept.
"""

from __future__ import annotations

import hashlib
from urllib.parse import unquote_plus

from gateway.upstream.next_links import Place

#: Stands in front of the name of an option whose value is that of the question; no server's option begins so.
_SAME = "="


def shortened(link: str, question: str) -> str:
    """The query of a next link with options that stand in the question, of the same value, as their names only."""
    asked = dict(map(_decoded, question.split("&")))  # of our own printing: no name of it holds a sign of the query
    parts = []
    for part in link.split("&"):
        name, value = _decoded(part)
        parts.append(_SAME + name if asked.get(name) == value else part)
    return "&".join(parts)


def lengthened(cursor: str, question: str) -> str:
    """The query of the link again: what was left out is put in as the question has it now.

    Args:
        question: the query that is asked without a cursor, as the printer writes it.
    """
    asked = {_decoded(part)[0]: part for part in question.split("&")}
    parts = (asked.get(part[1:], "") if part.startswith(_SAME) else part for part in cursor.split("&"))
    return "&".join(part for part in parts if part)


def cursor_of(place: Place, question: str) -> str:
    """Return a place as one text without blanks, or as three with blanks between them where it is at another host.

    Such a host is told nothing but what the link of the upstream says: its cursor is good for the very question that
    it came for, so that no later one is put in.
    """
    rest = shortened(place.query, question)
    return f"{place.host} {_digest(question)} {rest}" if place.host else rest


def place_of(cursor: str, question: str) -> Place | None:
    """Return the place again; None where the question is another one now and the place is at another host."""
    host, _, rest = cursor.rpartition(" ")
    if not host:
        return Place(lengthened(rest, question))
    host, _, digest = host.partition(" ")
    return Place(lengthened(rest, question), host) if digest == _digest(question) else None


def _digest(question: str) -> str:
    return hashlib.sha256(question.encode("utf-8")).hexdigest()[:16]


def _decoded(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return unquote_plus(name), unquote_plus(value)
