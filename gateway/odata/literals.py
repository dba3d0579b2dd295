"""Literals as typed values: what the client wrote is converted once, and only the value is printed again (C54)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Literal as OneOf
from uuid import UUID


class Kind(Enum):
    """What kind of literal was written. An enum literal keeps its qualified name in ``EnumValue``."""

    NULL = "null"
    BOOLEAN = "boolean"
    STRING = "string"
    NUMBER = "number"
    DATE = "date"
    DATE_TIME_OFFSET = "date-time"
    ENUM = "enum"
    TIME_OF_DAY = "time of day"
    GUID = "guid"
    NOW = "now"
    ALIAS = "parameter alias"
    GEOGRAPHY = "place"


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


@dataclass(frozen=True, slots=True, order=True)
class TimeOfDay:
    """An Edm.TimeOfDay, exactly: seconds since midnight, and up to twelve digits of fraction."""

    seconds: int
    picoseconds: int = 0

    def __str__(self) -> str:
        text = f"{self.seconds // 3600:02d}:{self.seconds // 60 % 60:02d}:{self.seconds % 60:02d}"
        return text + (f".{self.picoseconds:012d}".rstrip("0") if self.picoseconds else "")


@dataclass(frozen=True, slots=True)
class Now:
    """``now()`` and a constant distance from it, in picoseconds. It becomes one instant per request, never a function
    on the wire (C59); compared with an Edm.Date it is that instant's day in UTC."""

    distance: int = 0
    as_date: bool = False


@dataclass(frozen=True, slots=True)
class Alias:
    """``@name``: a client's parameter alias, or in a rule a binding of the key. Replaced before anything is decided."""

    name: str
    kind: Kind = Kind.STRING


#: Longitude and latitude, in degrees.
Position = tuple[Decimal, Decimal]


@dataclass(frozen=True, slots=True)
class Geography:
    """A point, or a polygon of one closed ring, in EPSG:4326."""

    shape: OneOf["POINT", "POLYGON"]
    positions: tuple[Position, ...]

    def __str__(self) -> str:
        text = ",".join(f"{longitude:f} {latitude:f}" for longitude, latitude in self.positions)
        return f"{self.shape}({text})" if self.shape == "POINT" else f"{self.shape}(({text}))"


#: A tuple is the value of a collection; no literal has one.
Scalar = None | bool | str | Decimal | date | Timestamp | TimeOfDay | UUID | EnumValue | Now | Alias | Geography
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
# Six digits of exponent at most: Decimal raises on longer ones, and a raise is an answer that depends on data.
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,6})?")


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


_TIME = re.compile(r"([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,12}))?)?")
_GUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_DURATION = re.compile(
    r"(-?)P(?:([0-9]{1,6})D)?(?:T(?:([0-9]{1,7})H)?(?:([0-9]{1,9})M)?(?:([0-9]{1,11})(?:\.([0-9]{1,12}))?S)?)?"
)
PICOSECONDS = 10**12
#: Farther from now than this no rule looks, and every sum stays within the calendar.
MAX_DISTANCE = 1000 * 366 * 86_400 * PICOSECONDS


def parse_time_of_day(text: str) -> TimeOfDay | None:
    match = _TIME.fullmatch(text)
    if not match:
        return None
    hour, minute, second = int(match[1]), int(match[2]), int(match[3] or 0)
    if hour > 23 or minute > 59 or second > 59:
        return None
    return TimeOfDay(hour * 3600 + minute * 60 + second, int((match[4] or "").ljust(12, "0")))


def parse_guid(text: str) -> UUID | None:
    return UUID(text) if _GUID.fullmatch(text) else None


def parse_duration(text: str) -> int | None:
    """The picoseconds of an Edm.Duration such as ``P1095D`` or ``-PT1H30M``, or None."""
    match = _DURATION.fullmatch(text)
    if not match or text.endswith(("P", "T")):
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups()[1:5])
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    picoseconds = total * PICOSECONDS + int((match[6] or "").ljust(12, "0"))
    if picoseconds > MAX_DISTANCE:
        return None
    return -picoseconds if match[1] else picoseconds


def print_duration(picoseconds: int) -> str:
    """Days and seconds are enough for the one canonical spelling of a distance."""
    sign, rest = ("-", -picoseconds) if picoseconds < 0 else ("", picoseconds)
    days, rest = divmod(rest, 86_400 * PICOSECONDS)
    seconds, fraction = divmod(rest, PICOSECONDS)
    if not rest:
        return f"{sign}P{days}D"
    text = f"{seconds}" + (f".{fraction:012d}".rstrip("0") if fraction else "")
    return f"{sign}P{days}DT{text}S"


def shift(moment: Timestamp, picoseconds: int) -> Timestamp | None:
    """The instant that far away, exactly; None beyond the calendar."""
    seconds, fraction = divmod(moment.picoseconds + picoseconds, PICOSECONDS)
    try:
        return Timestamp(moment.second + timedelta(seconds=seconds), fraction)
    except OverflowError:
        return None


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
            return format(value, "f") if abs(value.adjusted()) <= 24 else format(value, "E")
        case date():
            return value.isoformat()
        case Timestamp() | TimeOfDay() | UUID():
            return str(value)
        case Now(distance):
            # As its author wrote it; `as_date` is a matter of the field that it is compared with.
            return "now()" if not distance else f"now() add duration'{print_duration(distance)}'"
        case Alias(name):
            return "@" + name
        case Geography():
            return f"geography'SRID=4326;{value}'"
        case EnumValue(type_name, members):
            return type_name + "'" + members.replace("'", "''") + "'"


def literal_of(value: Value) -> Literal | None:
    """A value of a record as a literal of a filter; None for what cannot be compared for equality."""
    match value:
        case None:
            return NULL
        case str():
            return string(value)
        case bool():
            return Literal(Kind.BOOLEAN, value)
        case Decimal():
            return Literal(Kind.NUMBER, value)
        case UUID():
            return Literal(Kind.GUID, value)
        case Timestamp():
            return Literal(Kind.DATE_TIME_OFFSET, value)
        case TimeOfDay():
            return Literal(Kind.TIME_OF_DAY, value)
        case date():
            return Literal(Kind.DATE, value)
        case _:
            return None
