"""The upstream's own next links, without what they repeat of the question (C292).

Most servers put every option of the request into the link. A filter and the names of two hundred fields fit no token of
ours, and we know them: the same request is decided again from its seal. So of such a link only the rest is kept.
"""

from __future__ import annotations

from urllib.parse import unquote_plus

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


def _decoded(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return unquote_plus(name), unquote_plus(value)
