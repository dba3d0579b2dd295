"""Spark's envelope: ``{"D": {"Success": ...}}`` around every answer, and its numbers for what is wrong.

Sources: sparkplatform.com, "Standard Response Format" and "Error Codes". Where its pages leave a case open,
docs/administration.md says what was decided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from gateway.errors import Fault


class SparkCode(Enum):
    """Number and HTTP status of a failure; docs/administration.md explains each."""

    BAD_KEY = (1000, 401)
    DISABLED_KEY = (1010, 401)
    UNREADABLE = (1035, 400)
    BAD_FILTER = (1040, 400)
    LONG_FILTER = (1041, 400)
    MISSING = (1050, 400)
    INVALID = (1053, 400)
    CONFLICT = (1055, 409)
    STALE = (1055, 412)
    UNCONDITIONAL = (1055, 428)
    FORBIDDEN = (1500, 403)
    NOT_FOUND = (404, 404)
    NOT_OFFERED = (405, 405)
    TOO_LARGE = (1035, 413)
    FAILED = (1026, 500)
    UNAVAILABLE = (1024, 503)

    @property
    def number(self) -> int:
        return self.value[0]

    @property
    def status(self) -> int:
        return self.value[1]


#: More faults than these nobody reads; a body of a megabyte could have a hundred thousand.
_MOST_DETAILS = 100
_LONGEST_MESSAGE = 500


@dataclass(frozen=True, slots=True)
class Detail:
    """One thing wrong with a body: ``place`` is the way to the value in its author's words, ``rule`` what it breaks."""

    place: tuple[str, ...]
    message: str
    rule: str = "Valid"

    def shown(self) -> dict[str, Any]:
        """As Spark has the constraints of attributes."""
        return {".".join(self.place): [{"RuleName": self.rule, "RuleValue": shortened(self.message)}]}


class SparkError(Exception):
    """An answer that is a failure. ``details`` are all faults of a body at once."""

    def __init__(
        self,
        code: SparkCode,
        message: str,
        details: Sequence[Detail] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = tuple(details)
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        inside: dict[str, Any] = {"Success": False, "Code": self.code.number, "Message": self.message}
        if self.details:
            told = self.details[:_MOST_DETAILS]
            inside["Details"] = [detail.shown() for detail in told]
            if self.code in (SparkCode.BAD_FILTER, SparkCode.LONG_FILTER):
                inside["SparkQLErrors"] = [{"Message": shortened(detail.message)} for detail in told]
        return {"D": inside}


@dataclass(frozen=True, slots=True)
class Page:
    """Of a list that is cut: Spark's numbers for where it stands."""

    total: int
    size: int
    current: int

    def shown(self) -> dict[str, int]:
        pages = -(-self.total // self.size) if self.size else 0
        return {"TotalRows": self.total, "PageSize": self.size, "TotalPages": pages, "CurrentPage": self.current}


@dataclass(frozen=True, slots=True)
class Success:
    """``results`` is None where nothing is to be told but that it was done."""

    results: Sequence[Mapping[str, Any]] | None = None
    status: int = 200
    page: Page | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        inside: dict[str, Any] = {"Success": True}
        if self.results is not None:
            inside["Results"] = list(self.results)
        if self.page is not None:
            inside["Pagination"] = self.page.shown()
        return {"D": inside}


def shortened(message: str) -> str:
    """A message that repeats what was sent, and not all of it."""
    return message if len(message) <= _LONGEST_MESSAGE else f"{message[:_LONGEST_MESSAGE]}..."


def not_found() -> SparkError:
    """404: for ids that never were, that are gone, and that are somebody else's: one answer."""
    return SparkError(SparkCode.NOT_FOUND, "there is no such record")


def not_offered(*methods: str) -> SparkError:
    return SparkError(SparkCode.NOT_OFFERED, "this method is not offered here", headers={"Allow": ", ".join(methods)})


def forbidden() -> SparkError:
    """One constant answer for every key that may not be here."""
    return SparkError(SparkCode.FORBIDDEN, "this key has no access to this service")


def bad_value(place: tuple[str, ...], message: str) -> SparkError:
    """1053: one attribute or parameter that cannot be what it is."""
    return SparkError(SparkCode.INVALID, f"`{'.'.join(place)}` {message}", [Detail(place, message)])


def conflict(message: str, details: Sequence[Detail] = ()) -> SparkError:
    return SparkError(SparkCode.CONFLICT, message, details)


def unavailable(message: str) -> SparkError:
    """503: what is saved cannot be read or written at present; what is in force stays so."""
    return SparkError(SparkCode.UNAVAILABLE, message, headers={"Retry-After": "5"})


_MISSING = "is missing"


def bad_body(faults: Sequence[Fault], within: str = "") -> SparkError:
    """The faults of a document as one failure, one detail each: missing attributes alone are 1050, filter texts alone
    1040 or, where each of them is but too long, 1041, and all others 1053.

    Args:
        within: the attribute whose value was sent alone, so that its author has not written its name.
    """
    details = [_detail(fault, within) for fault in faults]
    rules = {detail.rule for detail in details}
    if rules == {"Required"}:
        code = SparkCode.MISSING
    elif rules == {"Length"}:
        code = SparkCode.LONG_FILTER
    elif rules <= {"Filter", "Length"}:
        code = SparkCode.BAD_FILTER
    else:
        code = SparkCode.INVALID
    first = details[0]
    more = f", and {len(details) - 1} more" if len(details) > 1 else ""
    where = f"`{'.'.join(first.place)}`: " if first.place else ""
    return SparkError(code, shortened(f"{where}{first.message}") + more, details)


def _detail(fault: Fault, within: str) -> Detail:
    place = tuple(part for part in fault.path if part != "D")
    if within and place[:1] == (within,):
        place = place[1:]
    if fault.message == _MISSING:
        return Detail(place, fault.message, "Required")
    if place[-1:] in (("Filter",), ("When",)):
        return Detail(place, fault.message, "Length" if "too long" in fault.message else "Filter")
    return Detail(place, fault.message)
