"""Links to the next page: which one an answer has, and where it may lead (RFC 8288; OData Protocol, 11.2.6.7)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from yarl import URL

from gateway.policy.profile import LinkHost

#: Signs that an address may have as they are (RFC 3986, 2.2 and 2.3), and the one that encodes all others.
_ADDRESS = "!#$%&'()*+,/:;=?@[]-._~"
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_TARGET = re.compile(r"<([^>]*)>")
#: A parameter: its name, and its value in quotes or as it is.
_PARAMETER = re.compile(r'[ \t]*;[ \t]*(?:([^\s=;,"<>]+)[ \t]*(?:=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"<>]*)))?)?')
_BETWEEN = re.compile(r"[ \t,]*")


class LinkError(Exception):
    """A next link cannot be read, or leads where nothing is asked. The text is for the log."""


@dataclass(frozen=True, slots=True)
class Place:
    """A page: the query that asks for it, encoded. ``host`` is the service root where another host is asked."""

    query: str
    host: str = ""


@dataclass(frozen=True, slots=True)
class _Parsed:
    target: str
    relations: frozenset[str]
    anchor: str | None


def encoded(link: str) -> str:
    """Return a link as an address: whatever an address does not have is percent-encoded, control characters and halves
    of surrogate pairs included. Some servers write into their links what their rows hold, as it is, and none of it
    decides whether a page is answered (C286)."""
    return quote(_STRAY_PERCENT.sub("%25", link.strip(" ")), safe=_ADDRESS, errors="surrogatepass")


def next_of(fields: Iterable[str], asked: URL) -> str | None:
    """Return the target of the link to the next page in the Link headers of an answer; None where there is none.

    RFC 8288: a field is a list of links (3), relations are a list in any case, of which the first ``rel`` counts (3.3),
    and a link with an ``anchor`` is about that address (3.2).

    Args:
        fields: the values of all Link headers.
        asked: the address that was answered.

    Raises:
        LinkError: a header that may name a next page cannot be read, or two links lead to two next pages.
    """
    found: dict[URL, str] = {}
    for link in (link for field in fields for link in _parsed(field) if _is_next(link, asked)):
        found.setdefault(_resolved(link.target, asked), link.target)
    if len(found) > 1:
        raise LinkError("its Link headers name several next pages")
    return next(iter(found.values()), None)


def _resolved(link: str, asked: URL) -> URL:
    try:
        return asked.join(URL(encoded(link), encoded=True))
    except ValueError:
        raise LinkError("its next link is not an address") from None


def _is_next(link: _Parsed, asked: URL) -> bool:
    if "next" not in link.relations:
        return False
    if not link.anchor:
        return True
    about = _resolved(link.anchor, asked)
    if about == asked:
        return True
    if about.raw_path.rstrip("/") == asked.raw_path.rstrip("/"):
        # It may well be about this page under another spelling: to pass it over could end a list early.
        raise LinkError("its next link is about another part of what was asked")
    return False


def _parsed(field: str) -> list[_Parsed]:
    """Return the links of one header. One that cannot be read and has no word of a next page has none."""
    links: list[_Parsed] = []
    position = _end(_BETWEEN.match(field, 0))
    while position < len(field):
        target = _TARGET.match(field, position)
        if target is None:
            return _unreadable(field, links)
        position = target.end()
        given: dict[str, str] = {}
        while (parameter := _PARAMETER.match(field, position)) is not None:
            position = parameter.end()
            name, quoted, plain = parameter.groups()
            if name is not None:
                value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain or ""
                given.setdefault(name.lower(), value)
        links.append(_Parsed(target[1], frozenset(given.get("rel", "").lower().split()), given.get("anchor")))
        end = _end(_BETWEEN.match(field, position))
        if end < len(field) and "," not in field[position:end]:
            return _unreadable(field, links)
        position = end
    return links


def _unreadable(field: str, links: list[_Parsed]) -> list[_Parsed]:
    if "next" in field.replace("\\", "").lower():
        raise LinkError("its Link header cannot be read")
    return links


def _end(match: re.Match[str] | None) -> int:
    assert match is not None  # it matches nothing, too
    return match.end()


def followed(link: str, place: Place, base: str, entity_set: str, hosts: Sequence[LinkHost]) -> Place:
    """Return the page that a next link leads to (C292): of the same set, at a listed host or at the upstream itself.

    Scheme and host of a link that are not listed are not asked: behind a proxy servers write names that only they know.
    Such a link is followed at the upstream's own address, if its path is that of the set.

    Args:
        place: the page that has the link; a relative one is resolved against its address.
        base: service root of the upstream.
        hosts: those that may be asked beside the upstream.

    Raises:
        LinkError: it leads anywhere else, or to the page that has it.
    """
    own = URL(f"{base}/{entity_set}", encoded=True)
    try:
        target = _resolved(link, URL(f"{place.host or base}/{entity_set}?{place.query}", encoded=True))
        origin = _origin(target)
    except ValueError:
        raise LinkError("its next link is not an address") from None
    if target.scheme not in ("http", "https") or not target.host or not target.raw_query_string:
        raise LinkError("its next link leads to no page")
    path = target.raw_path.rstrip("/")
    found = Place(target.raw_query_string)
    roots = [] if origin == _origin(own) else [host.url for host in hosts]
    listed = [root for root in roots if _leads_below(root, entity_set, origin, path)]
    if listed:
        found = Place(target.raw_query_string, listed[0])
    elif path != own.raw_path:
        raise LinkError("its next link leads elsewhere")
    if found == place:
        raise LinkError("its next link leads to where it stands")
    return found


def _leads_below(root: str, entity_set: str, origin: tuple[str, str, int | None], path: str) -> bool:
    there = URL(f"{root}/{entity_set}", encoded=True)
    return (_origin(there), there.raw_path) == (origin, path)


def _origin(address: URL) -> tuple[str, str, int | None]:
    """Return what tells hosts apart; raise ValueError where the port is none."""
    return address.scheme.lower(), (address.raw_host or "").lower(), address.port
