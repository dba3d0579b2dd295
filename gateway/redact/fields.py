"""One value of a record as canonical JSON, if it is of the shape that was declared (C198, C199, C355)."""

from __future__ import annotations

import re

import msgspec

from gateway.odata import json_format
from gateway.odata.csdl import TypeReference
from gateway.odata.geography import read_point
from gateway.odata.literals import parse_number
from gateway.odata.values import NUMBERS

_NULL = b"null"
#: Values of Edm.Double that JSON has no numbers for (OData JSON Format, 7.1).
_NOT_FINITE = (b'"NaN"', b'"INF"', b'"-INF"')
_NUMBER = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


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
    """A number of a type that JavaScript cannot hold as a string where that is asked for, without an exponent."""
    if not quoted or value == _NULL or declared.name not in _QUOTED:
        return value
    if b"e" in value.lower():
        number = parse_number(value.decode("ascii"))
        value = value if number is None else f"{number:f}".encode("ascii")
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
            return text
        # Some servers write every Int64 and Decimal as text; digits stay as they are.
        digits = text.strip(b'"')
        if _NUMBER.fullmatch(digits):
            return digits
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


def emit_clamped(raw: msgspec.Raw, limit: int, declared: TypeReference, *, quoted: bool = False) -> bytes:
    """A counter, never above ``limit`` (C224)."""
    text = bytes(raw)
    if text == _NULL:
        return text
    # Above the limit one value is as good as another: spelled as a string, or too large to read, it is the limit.
    digits = text.strip(b'"')
    if not _NUMBER.fullmatch(digits):
        raise ShapeError("a number was declared")
    value = parse_number(digits.decode("ascii"))
    return _quoted(digits if value is not None and value <= limit else str(limit).encode("ascii"), declared, quoted)
