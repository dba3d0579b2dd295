"""Spark's envelope: ``{"D": {"Success": ...}}`` around every answer, and its numbers for what is wrong.

Sources: sparkplatform.com, "Standard Response Format" and "Error Codes". Where the pages leave a case open, docs/decisions/
and docs/administration.md say what was decided.
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
    MISSING = (1050, 400)
    INVALID = (1053, 400)
    CONFLICT = (1055, 409)
    STALE = (1055, 412)
    UNCONDITIONAL = (1055, 428)
    FORBIDDEN = (1500, 403)
    NOT_FOUND = (404, 404)
    NOT_OFFERED = (405, 405)
    TOO_LARGE = (1035, 413)
    UNAVAILABLE = (1024, 503)

    @property
    def number(self) -> int:
        return self.value[0]

    @property
    def status(self) -> int:
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Detail:
    """One thing wrong with a body: ``place`` is the way to the value, as its author wrote it."""

    place: tuple[str, ...]
    message: str

    def shown(self) -> dict[str, Any]:
        """As Spark has the faults of attributes."""
        return {"Type": "InvalidAttribute", "Attribute": ".".join(self.place), "Message": self.message}


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
            inside["Errors"] = [
                {"Type": "InvalidRecord", "Errors": [detail.shown() for detail in self.details]},
            ]
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


def not_found() -> SparkError:
    """404: for ids that never were, that are gone, and that are somebody else's: one answer."""
    return SparkError(SparkCode.NOT_FOUND, "there is no such record")


def not_offered(*methods: str) -> SparkError:
    return SparkError(SparkCode.NOT_OFFERED, "this method is not offered here", headers={"Allow": ", ".join(methods)})


def forbidden() -> SparkError:
    """One constant answer for every key that may not be here."""
    return SparkError(SparkCode.FORBIDDEN, "this key has no access to this service")


def bad_body(faults: Sequence[Fault]) -> SparkError:
    """The faults of a document as one failure: missing attributes alone are 1050, bad filter texts 1040, others 1053."""
    details = [Detail(tuple(part for part in fault.path if part != "D"), fault.message) for fault in faults]
    if all(detail.message == "is missing" for detail in details):
        code = SparkCode.MISSING
    elif all(detail.place[-1:] in (("Filter",), ("When",)) for detail in details):
        code = SparkCode.BAD_FILTER
    else:
        code = SparkCode.INVALID
    return SparkError(code, "the template cannot be accepted", details)
