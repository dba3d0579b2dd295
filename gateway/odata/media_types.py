"""Formats of answers by media types and their parameters (OData JSON Format, 3; Protocol, 8.2.1), and header lists.

Names and values of format parameters ignore case. A parameter that is unknown or not offered rules its format out:
Protocol 8.2.1 demands it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal as OneOf

from gateway.odata.parser import ascii_lower

_BLANKS = " \t"
_XML_TYPES = ("application/xml", "text/xml")
_SWITCH = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Format:
    """How an answer is written. ``ieee754`` writes Edm.Int64 and Edm.Decimal, and counts, as strings; ``metadata`` of
    ``none`` leaves out all control information but nextLink and count."""

    kind: OneOf["json", "xml"] = "json"
    metadata: OneOf["minimal", "none"] = "minimal"
    ieee754: bool = False

    @property
    def content_type(self) -> str:
        """The Content-Type of data in this format."""
        if self.kind == "xml":
            return "application/xml"
        compatible = ";IEEE754Compatible=true" if self.ieee754 else ""
        return f"application/json;odata.metadata={self.metadata}{compatible}"


JSON = Format()
XML = Format("xml")
#: Every way in which a record is written.
JSON_FORMATS = (JSON, Format(ieee754=True), Format(metadata="none"), Format(metadata="none", ieee754=True))


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a header's list: its first part in lower case, its parameters but the weight, and the weight.
    ``parameters`` is None where they cannot be read, or one comes twice."""

    name: str
    parameters: dict[str, str] | None
    weight: Decimal


def split_outside_quotes(text: str, separator: str) -> list[str]:
    """Split at a separator that stands outside of quoted strings (RFC 9110, 5.6.4); the parts are stripped."""
    parts, start, quoted, escaped = [], 0, False, False
    for position, character in enumerate(text):
        if escaped:
            escaped = False
        elif quoted:
            escaped, quoted = character == "\\", character != '"'
        elif character == '"':
            quoted = True
        elif character == separator:
            parts.append(text[start:position].strip(_BLANKS))
            start = position + 1
    return [*parts, text[start:].strip(_BLANKS)]


def unquoted(text: str) -> str:
    """Return the value of a token or a quoted string."""
    if len(text) < 2 or not (text.startswith('"') and text.endswith('"')):
        return text
    result, escaped = [], False
    for character in text[1:-1]:
        if character == "\\" and not escaped:
            escaped = True
        else:
            result.append(character)
            escaped = False
    return "".join(result)


def pair_of(text: str) -> tuple[str, str]:
    """Return the name of ``name=value`` in lower case and its value, unquoted; the value is empty if there is none."""
    name, _, value = text.partition("=")
    return ascii_lower(name.strip(_BLANKS)), unquoted(value.strip(_BLANKS))


def list_elements(headers: Iterable[str]) -> list[Element]:
    """Read the elements of ``Accept`` or ``Accept-Encoding`` with their weights (RFC 9110, 12.4.2)."""
    texts = (text for header in headers for text in split_outside_quotes(header, ","))
    return [_element(text) for text in texts if text]


def _element(text: str) -> Element:
    name, *rest = split_outside_quotes(text, ";")
    weight, parameters = Decimal(1), {}
    is_readable = True
    for part in filter(None, rest):
        key, value = pair_of(part)
        if key == "q":
            weight = _weight(value)
        else:
            is_readable = is_readable and "=" in part and key not in parameters
            parameters[key] = value
    return Element(ascii_lower(name), parameters if is_readable else None, weight)


def _weight(text: str) -> Decimal:
    """Return the weight; a text that is not one says nothing, like a missing weight."""
    whole, _, fraction = text.partition(".")
    digits = whole + fraction
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 10):
        return Decimal(1)
    return min(Decimal(f"{whole or '0'}.{fraction or '0'}"), Decimal(1))


def _given(element: Element, kind: str) -> dict[str, str | bool] | None:
    """Return what the parameters say of a format of some kind; None where they ask for another than is offered."""
    if element.parameters is None:
        return None
    given: dict[str, str | bool] = {}
    for name, text in element.parameters.items():
        value = ascii_lower(text)
        if name == "charset":
            if value not in ("utf-8", "utf8"):
                return None
            continue
        plain = name.removeprefix("odata.") if name in ("odata.metadata", "odata.streaming") else name
        if kind == "xml" or plain in given:
            return None
        match plain:
            case "metadata" if value in ("minimal", "none"):
                given[plain] = value
            case "ieee754compatible" if value in _SWITCH:
                given[plain] = _SWITCH[value]
            case "streaming" if value in _SWITCH:
                given[plain] = True  # accepted, and says nothing: an answer is written at once
            case "exponentialdecimals" if value == "false":
                given[plain] = True
            case _:
                return None
    return given


def format_of(element: Element, kind: OneOf["json", "xml"]) -> Format | None:
    """Return the format of a kind that an element's parameters ask for, or None where it is not offered."""
    given = _given(element, kind)
    if given is None:
        return None
    metadata: OneOf["minimal", "none"] = "none" if given.get("metadata") == "none" else "minimal"
    return Format(kind, metadata, bool(given.get("ieee754compatible", False)))


def format_option(text: str, *, xml: bool) -> Format | None:
    """Return the format that a ``$format`` asks for, or None where it is not offered.

    Args:
        xml: whether XML is offered too.
    """
    element = _element(text)
    if element.weight != 1 or (element.name in ("json", "xml") and element.parameters):
        return None
    if element.name in ("json", "application/json"):
        return format_of(element, "json")
    if xml and element.name in ("xml", "application/xml"):
        return format_of(element, "xml")
    return None


def chosen_format(elements: list[Element], *, xml: bool) -> Format | None:
    """Return the format that the ranges of ``Accept`` prefer, or None where they take none of those offered.

    The most specific range that matches a format gives its weight (RFC 9110, 12.5.1). Between equal weights XML comes
    first where it is offered, because clients that list JSON and ``*/*`` in every request read metadata as XML; then
    the range that says more, then the one that comes first.
    """
    kinds: tuple[OneOf["json", "xml"], ...] = ("xml", "json") if xml else ("json",)
    best: tuple[tuple[Decimal, bool, Decimal, tuple[int, int], int], Format] | None = None
    for kind in kinds:
        for place, element in enumerate(elements):
            candidate = format_of(element, kind) if _level(element, kind) else None
            if candidate is None:
                continue
            weight, specific = max(_weights(elements, candidate), key=lambda found: (found[1], found[0]))
            rank = (weight, kind == "xml", element.weight, specific, -place)
            if weight > 0 and (best is None or rank > best[0]):
                best = rank, candidate
    return None if best is None else best[1]


def takes_text(elements: list[Element]) -> bool:
    """Whether the ranges of ``Accept`` take ``text/plain``, in which a ``$count`` is written."""
    levels = {"text/plain": 3, "text/*": 2, "*/*": 1}
    found = [
        (levels[item.name], item.weight) for item in elements if item.name in levels and _given(item, "xml") is not None
    ]
    return bool(found) and max(found)[1] > 0


def _weights(elements: list[Element], candidate: Format) -> list[tuple[Decimal, tuple[int, int]]]:
    """The weight of each range that matches a format, with how specific it is."""
    found = []
    for element in elements:
        level, given = _level(element, candidate.kind), _given(element, candidate.kind)
        if not level or given is None:
            continue
        own = {"metadata": candidate.metadata, "ieee754compatible": candidate.ieee754}
        if all(own.get(name, value) == value for name, value in given.items()):
            found.append((element.weight, (level, len(given))))
    return found


def _level(element: Element, kind: str) -> int:
    """How specific a range is that matches a kind, from 1; 0 where it does not match."""
    if element.name == "*/*":
        return 1
    if kind == "json":
        return {"application/*": 2, "application/json": 3}.get(element.name, 0)
    return 3 if element.name in _XML_TYPES else 2 if element.name in ("application/*", "text/*") else 0
