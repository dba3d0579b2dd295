"""Values of a record as typed Python values: what a rule is evaluated on. Nothing here ever raises (CHANNELS 4.6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import Enum
from typing import Final

import msgspec

from gateway.odata import json_format
from gateway.odata.csdl import TypeReference
from gateway.odata.enumerations import MemberTexts
from gateway.odata.geography import read_point
from gateway.odata.literals import (
    Geography,
    Scalar,
    Value,
    parse_date,
    parse_guid,
    parse_number,
    parse_time_of_day,
    parse_timestamp,
)


class Unknown(Enum):
    """A member that is missing, repeated or of the wrong type: neither a value nor null."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN

INTEGERS: Final = {
    "Edm.Byte": (0, 255),
    "Edm.SByte": (-128, 127),
    "Edm.Int16": (-(2**15), 2**15 - 1),
    "Edm.Int32": (-(2**31), 2**31 - 1),
    "Edm.Int64": (-(2**63), 2**63 - 1),
}
NUMBERS: Final = frozenset({*INTEGERS, "Edm.Decimal", "Edm.Double", "Edm.Single"})
#: Types whose values are text in JSON, and are no value where the text does not parse.
_PARSERS: Mapping[str, Callable[[str], Scalar | None]] = {
    "Edm.Date": parse_date,
    "Edm.DateTimeOffset": parse_timestamp,
    "Edm.TimeOfDay": parse_time_of_day,
    "Edm.Guid": parse_guid,
}


def typed_value(raw: msgspec.Raw | None, reference: TypeReference) -> Value | Unknown:
    """The value of a member as its declared type; UNKNOWN where it is missing or does not fit.

    Enum members are their text; a collection is a tuple if every element fits. Structured values are UNKNOWN.
    """
    if raw is None:
        return UNKNOWN
    if reference.is_collection:
        return _collection(raw, TypeReference(reference.name))
    return _scalar(raw, reference)


def _collection(raw: msgspec.Raw, element: TypeReference) -> Value | Unknown:
    if bytes(raw) == b"null":
        return None
    try:
        values = [_scalar(item, element) for item in json_format.decode_list(raw)]
    except json_format.BodyError:
        return UNKNOWN
    return UNKNOWN if any(isinstance(value, Unknown) for value in values) else tuple(values)  # type: ignore[arg-type]  # no Unknown among them


def _scalar(raw: msgspec.Raw, reference: TypeReference) -> Scalar | Unknown:
    text = bytes(raw)
    if text == b"null":
        return None
    name = reference.name
    if name == "Edm.GeographyPoint":
        return _point(raw)
    if name == "Edm.Boolean":
        return {b"true": True, b"false": False}.get(text, UNKNOWN)
    if name in NUMBERS:
        # IEEE754Compatible upstreams write Int64 and Decimal as strings.
        value = parse_number(text.strip(b'"').decode("ascii", errors="replace"))
        return UNKNOWN if value is None else value
    string = json_format.decode_string(raw)
    if string is None:
        return UNKNOWN
    parse = _PARSERS.get(name)
    if parse is not None:
        parsed = parse(string)
        return UNKNOWN if parsed is None else parsed
    if name == "Edm.String" or not reference.is_primitive:
        return string
    return UNKNOWN


def _point(raw: msgspec.Raw) -> Scalar | Unknown:
    numbers = read_point(raw)
    if numbers is None:
        return UNKNOWN
    longitude, latitude = (Decimal(number.decode("ascii")) for number in numbers[:2])
    return Geography("POINT", ((longitude, latitude),))


def as_members(value: Value | Unknown, texts: MemberTexts) -> Value | Unknown:
    """Return an enumeration's value by the names of its members, whether the upstream sent names or
    display texts.

    A text that stands for no members, or may stand for two sets of them, is UNKNOWN: no rule holds
    of it.
    """
    if isinstance(value, tuple):
        found = [as_members(item, texts) for item in value]
        return UNKNOWN if any(isinstance(item, Unknown) for item in found) else tuple(found)  # type: ignore[arg-type]  # no Unknown among them
    if not isinstance(value, str):
        return value
    members = texts.read(value)
    return UNKNOWN if members is None else ",".join(members)
