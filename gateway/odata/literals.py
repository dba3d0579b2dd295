"""Literals as typed values: what the client wrote is converted once, and only the value is printed again (C54)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum


class Kind(Enum):
    """What kind of literal was written. An enum literal keeps its qualified name in ``EnumValue``."""

    NULL = "null"
    BOOLEAN = "boolean"
    STRING = "string"
    NUMBER = "number"
    DATE = "date"
    DATE_TIME_OFFSET = "date-time"
    ENUM = "enum"


@dataclass(frozen=True, slots=True, order=True)
class Timestamp:
    """An Edm.DateTimeOffset: the instant in UTC to the second, and up to twelve digits of fraction, exactly."""

    second: datetime
    picoseconds: int = 0

    def __str__(self) -> str:
        text = self.second.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
        if self.picoseconds:
            digits = f"{self.picoseconds:012d}".rstrip("0")
            # Three digits at least: several servers refuse fractions of one or two.
            text += "." + digits.ljust(3, "0")
        return text + "Z"


@dataclass(frozen=True, slots=True)
class EnumValue:
    """``Namespace.Type'Member,Member'``."""

    type_name: str
    members: str


#: A tuple is the value of a collection; no literal has one.
Scalar = None | bool | str | Decimal | date | Timestamp | EnumValue
Value = Scalar | tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Literal:
    """A literal with its kind: the kind keeps ``true`` apart from ``1``, which Python calls equal."""

    kind: Kind
    value: Scalar


NULL = Literal(Kind.NULL, None)

#: Longest number text and largest exponent: beyond them no RESO field has a value, and Decimal gets expensive.
MAX_NUMBER_TEXT = 64
MAX_EXPONENT = 400

_TIMESTAMP = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,12}))?)?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


def string(value: str) -> Literal:
    return Literal(Kind.STRING, value)


def number(value: int | str | Decimal) -> Literal:
    return Literal(Kind.NUMBER, Decimal(value))


def boolean(value: bool) -> Literal:
    return Literal(Kind.BOOLEAN, value)


def parse_number(text: str) -> Decimal | None:
    """The exact value of a JSON or OData number, or None where it is no number or beyond every bound."""
    if len(text) > MAX_NUMBER_TEXT or not _NUMBER.fullmatch(text):
        return None
    value = Decimal(text)
    return value if abs(value.adjusted()) <= MAX_EXPONENT else None


def parse_date(text: str) -> date | None:
    """An Edm.Date of the years 0001 to 9999, or None."""
    match = _DATE.fullmatch(text)
    if not match:
        return None
    try:
        return date(*(int(part) for part in match.groups()))
    except ValueError:
        return None


def parse_timestamp(text: str) -> Timestamp | None:
    """An Edm.DateTimeOffset as an instant, or None. Leap seconds and offsets beyond 14 hours are refused."""
    match = _TIMESTAMP.fullmatch(text)
    if not match:
        return None
    year, month, day, hour, minute, second, fraction, sign, off_hour, off_minute = match.groups()
    offset = timedelta(hours=int(off_hour or 0), minutes=int(off_minute or 0))
    if offset > timedelta(hours=14) or int(off_minute or 0) > 59:
        return None
    try:
        moment = datetime(
            int(year),
            int(month),
            int(day),
            int(hour),
            int(minute),
            int(second or 0),
            tzinfo=timezone(-offset if sign == "-" else offset),
        ).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return Timestamp(moment, int((fraction or "").ljust(12, "0")))


def print_literal(literal: Literal) -> str:
    """OData text of a literal; quotes inside strings are doubled. The inverse of the parser."""
    value = literal.value
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return "'" + value.replace("'", "''") + "'"
        case Decimal():
            return format(value, "f") if abs(value.adjusted()) <= 40 else format(value, "E")
        case date():
            return value.isoformat()
        case Timestamp():
            return str(value)
        case EnumValue(type_name, members):
            return type_name + "'" + members.replace("'", "''") + "'"
