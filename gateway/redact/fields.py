"""One value of a record as canonical JSON, if it is of the shape that was declared (C198, C199, C355)."""

from __future__ import annotations

import re

import msgspec

from gateway.odata import json_format
from gateway.odata.csdl import TypeReference
from gateway.odata.geography import read_point
from gateway.odata.literals import MAX_EXPONENT, parse_number
from gateway.odata.values import NUMBERS

_NULL = b"null"
#: Values of Edm.Double that JSON has no numbers for (OData JSON Format, 7.1).
_NOT_FINITE = (b'"NaN"', b'"INF"', b'"-INF"')
#: A number of JSON (RFC 8259, 6): no zero leads another digit.
_NUMBER = re.compile(rb"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?")
#: Types whose numbers may have an exponent in JSON.
_FLOATS = ("Edm.Double", "Edm.Single")
#: Characters of a sign and an exponent that can be within ``MAX_EXPONENT``.
_EXPONENT_DIGITS = 6


#: Types whose values are strings in JSON that is IEEE754Compatible.
_QUOTED = ("Edm.Int64", "Edm.Decimal")


class ShapeError(Exception):
    """A record that is permitted holds a value that cannot be emitted: 502 for the answer. The text is for the log."""


def emit_value(raw: msgspec.Raw, declared: TypeReference, *, quoted: bool = False) -> bytes:
    """The value as it leaves. Number text stays digit by digit; strings and collections are written anew.

    Args:
        quoted: whether Edm.Int64 and Edm.Decimal are strings (OData JSON Format, 3.2: IEEE754Compatible).

    Raises:
        ShapeError: the value is not of the declared kind.
    """
    if not declared.is_collection:
        return _quoted(_emit_scalar(raw, declared.name), declared, quoted)
    if bytes(raw) == _NULL:
        return _NULL
    try:
        items = json_format.decode_list(raw)
    except json_format.BodyError:
        raise ShapeError("a collection was declared") from None
    return b"[" + b",".join(_quoted(_emit_scalar(item, declared.name), declared, quoted) for item in items) + b"]"


def _quoted(value: bytes, declared: TypeReference, quoted: bool) -> bytes:
    """A number of a type that JavaScript cannot hold as a string where that is asked for."""
    if not quoted or value == _NULL or value in _NOT_FINITE or declared.name not in _QUOTED:
        return value
    return b'"' + value + b'"'


def _emit_scalar(raw: msgspec.Raw, type_name: str) -> bytes:
    text = bytes(raw)
    if text == _NULL:
        return text
    if type_name == "Edm.Boolean":
        if text not in (b"true", b"false"):
            raise ShapeError("a boolean was declared")
        return text
    if type_name in NUMBERS:
        if text[:1] in b"-0123456789":
            return text if type_name in _FLOATS else _long(text)
        # Some servers write every Int64 and Decimal as text; digits stay as they are.
        digits = _digits(raw)
        if digits is not None:
            return digits if type_name in _FLOATS else _long(digits)
        if text in _NOT_FINITE:
            return text
        raise ShapeError("a number was declared")
    if type_name == "Edm.GeographyPoint":
        point = read_point(raw)
        if point is None:
            raise ShapeError("a point on the globe was declared")
        return b'{"type":"Point","coordinates":[' + b",".join(point) + b"]}"
    value = json_format.decode_string(raw)
    if value is None:
        raise ShapeError("a string was declared")
    return json_format.encode_string(value)


def _digits(raw: msgspec.Raw) -> bytes | None:
    """Return the digits of a number, written as a number or as text; None where it is neither."""
    text = bytes(raw)
    if text[:1] == b'"':
        text = (json_format.decode_string(raw) or "").encode("utf-8")
    return text if _NUMBER.fullmatch(text) else None


def _long(text: bytes) -> bytes:
    """Write a number without an exponent and with each of its digits (OData JSON Format 4.01, 3.3: Edm.Decimal is in
    long notation, unless the client asks for ``ExponentialDecimals``; 4.0 has no other notation).

    Raises:
        ShapeError: the exponent is so large that the text would grow without bound.
    """
    match = _NUMBER.fullmatch(text)
    if match is None or match[4] is None:
        return text
    sign, whole, fraction, exponent = match[1], match[2], match[3] or b"", match[4]
    if len(exponent) > _EXPONENT_DIGITS or abs(int(exponent)) > MAX_EXPONENT:
        raise ShapeError("the exponent of a number is out of bounds")
    point = len(whole) + int(exponent)
    figures = b"0" * -point + whole + fraction
    point = max(point, 0)
    whole, fraction = figures[:point].ljust(point, b"0"), figures[point:]
    return sign + (whole.lstrip(b"0") or b"0") + (b"." + fraction if fraction else b"")


def emit_clamped(raw: msgspec.Raw, limit: int, declared: TypeReference, *, quoted: bool = False) -> bytes:
    """A counter, never above ``limit`` (C224)."""
    text = bytes(raw)
    if text == _NULL:
        return text
    # Above the limit one value is as good as another: spelled as a string, or too large to read, it is the limit.
    digits = _digits(raw)
    if digits is None:
        raise ShapeError("a number was declared")
    value = parse_number(digits.decode("ascii"))
    shown = _long(digits) if value is not None and value <= limit else str(limit).encode("ascii")
    return _quoted(shown, declared, quoted)
