"""The raw request target, decoded exactly once and strictly: one reading of every byte, or a refusal (CHANNELS 3.9)."""

from __future__ import annotations

import re

from gateway.errors import Code, Refusal, invalid_query, not_found

_HEX = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PERCENT = re.compile(r"%([0-9A-Fa-f]{2})")
#: Segments and values are text; controls, DEL, line separators and text direction marks never are (C135).
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_MAX_SEGMENTS = 16


def decode(raw: str) -> str | None:
    """Percent-decoding of ASCII text to strict UTF-8; None for broken escapes and text that is not to be carried."""
    if not raw.isascii() or _HEX.search(raw):
        return None
    data = bytearray()
    position = 0
    for match in _PERCENT.finditer(raw):
        data += raw[position : match.start()].encode("ascii")
        data.append(int(match.group(1), 16))
        position = match.end()
    data += raw[position:].encode("ascii")
    try:
        text = data.decode("utf-8", errors="strict")
    except UnicodeDecodeError:
        return None
    return None if _FORBIDDEN.search(text) else text


def is_carried(text: str) -> bool:
    """Whether an address can carry a text."""
    return not _FORBIDDEN.search(text)


def split_target(target: str) -> tuple[str, str | None]:
    """Path and query of a request target in origin form.

    Raises:
        Refusal: absolute form (BadRequest), or a ``#`` anywhere (C139, C140).
    """
    if not target.startswith("/"):
        raise Refusal(Code.BAD_REQUEST, "the request target must be a path")
    path, mark, query = target.partition("?")
    if "#" in path:
        raise not_found()
    if "#" in query:
        raise invalid_query("the query must not contain `#`")
    return path, query if mark else None


def split_path(path: str, root: str) -> tuple[str, ...]:
    """The decoded segments below the service root; ``()`` is the root itself.

    ``root`` starts with a slash and ends without one; it may be empty. Brackets and quotes are not looked at here: a
    slash inside a key is written ``%2F`` (C138). One slash at the end counts as absent, because clients join paths so;
    a second one is an empty segment. Every other character of RFC 3986's ``pchar`` stands for itself: a plus is a plus,
    and a semicolon starts no parameter, because no name holds one (RFC 3986, 3.3; C136).
    """
    if path == root or path == root + "/":
        return ()
    if not path.startswith(root + "/"):
        raise not_found()
    raw = path[len(root) + 1 :].removesuffix("/").split("/")
    if len(raw) > _MAX_SEGMENTS:
        raise not_found()
    segments = []
    for part in raw:
        text = decode(part)
        # Empty and dot segments, and backslashes, would be read differently elsewhere (C136, C137).
        if not text or text in (".", "..") or "\\" in text:
            raise not_found()
        segments.append(text)
    return tuple(segments)


def split_query(query: str, *, plus_is_space: bool = True) -> list[tuple[str, str]]:
    """The (name, value) pairs of a raw query string, each decoded once, in the order of the client.

    An empty pair says nothing and is skipped: ``?``, ``&&`` and an ``&`` at the end come from clients that join text.
    """
    pairs = []
    for part in filter(None, query.split("&")):
        raw_name, equals, raw_value = part.partition("=")
        if not equals or not raw_name:
            raise invalid_query("the query must be `name=value` pairs joined by `&`")
        if plus_is_space:
            raw_value = raw_value.replace("+", " ")
        name, value = decode(raw_name), decode(raw_value)
        if name is None or value is None:
            raise invalid_query("the query must be percent-encoded UTF-8 without control characters")
        pairs.append((name, value))
    return pairs
