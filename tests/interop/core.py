"""What a RESO Web API Core 2.0 server is asked in certification, as requests on the sandbox's rows.

The shapes are those of the standard's own test; the fields and values are ours. Enumerations are strings here, so the
requests with `has` do not apply.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import product
from typing import Any

from tests.interop.model import make_tables


@dataclass(frozen=True)
class Form:
    """One request: ``whole`` without its ``$top``. ``ordered`` says that it also says which rows come first."""

    name: str
    whole: str
    top: int | None = None
    ordered: bool = False

    @property
    def target(self) -> str:
        if self.top is None:
            return self.whole
        return f"{self.whole}{'&' if '?' in self.whole else '?'}$top={self.top}"


_KEY = "ListingKey"
_INTEGER, _STAMP, _STATUS, _FEATURES = (
    "BedroomsTotal",
    "ModificationTimestamp",
    "StandardStatus",
    "AccessibilityFeatures",
)
_DECIMAL, _DATE = "ListPrice", "ListingContractDate"


def _middle() -> dict[str, Any]:
    """A listing with others on both sides of it, whatever they are compared by."""
    whole = [
        row
        for row in make_tables()["Property"]
        if row[_DECIMAL] and row[_DATE] and "2024-10" < row[_DATE] < "2025-02" and row[_INTEGER] in (3, 4)
    ]
    return sorted(whole, key=lambda row: str(row[_STAMP]))[len(whole) // 2]


def _values() -> dict[str, tuple[str, str]]:
    """Kind to field and value. Instants are given in a zone of their own, as clients do."""
    row = _middle()
    instant = datetime.fromisoformat(row[_STAMP]).astimezone(timezone(timedelta(hours=-9)))
    return {
        "integer": (_INTEGER, str(row[_INTEGER])),
        "decimal": (_DECIMAL, str(row[_DECIMAL])),
        "date": (_DATE, row[_DATE]),
        "timestamp": (_STAMP, instant.isoformat(timespec="milliseconds")),
    }


def _filtered(name: str, field: str, condition: str, top: int | None = 5) -> Form:
    return Form(name, f"Property?$select={_KEY},{field}&$filter={condition}", top)


def _comparisons() -> list[Form]:
    found = [
        _filtered(f"{kind} {operator}", field, f"{field} {operator} {value}")
        for (kind, (field, value)), operator in product(_values().items(), ("eq", "ne", "gt", "ge", "lt", "le"))
    ]
    return [
        *found,
        _filtered("integer and", _INTEGER, f"{_INTEGER} gt 1 and {_INTEGER} lt 5"),
        _filtered("integer or", _INTEGER, f"{_INTEGER} lt 1 or {_INTEGER} gt 5"),
        _filtered("integer not", _INTEGER, f"not ({_INTEGER} le 4)"),
        _filtered("timestamp lt now", _STAMP, f"{_STAMP} lt now()"),
        _filtered("timestamp le now", _STAMP, f"{_STAMP} le now()"),
    ]


def _orders() -> list[Form]:
    select = f"$select={_KEY},{_INTEGER},{_STAMP}"
    return [
        Form(f"order {way}{' of some' if rest else ''}", f"Property?{select}&$orderby={_STAMP} {way}{rest}", 20, True)
        for way, rest in product(("asc", "desc"), ("", f"&$filter={_INTEGER} gt 1"))
    ]


def _lookups() -> list[Form]:
    ramp, doors = "Accessible Approach with Ramp", "Accessible Doors"
    return [
        _filtered("lookup eq", _STATUS, f"{_STATUS} eq 'Active Under Contract'", None),
        _filtered("lookup ne", _STATUS, f"{_STATUS} ne 'Active Under Contract'", None),
        _filtered("lookup in", _STATUS, f"{_STATUS} in ('Active','Pending','Sold')", None),
        _filtered("lookups any", _FEATURES, f"{_FEATURES}/any(enum:enum eq '{doors}')"),
        _filtered("lookups any of two", _FEATURES, f"{_FEATURES}/any(enum:enum eq '{ramp}' or enum eq '{doors}')"),
        _filtered("lookups all", _FEATURES, f"{_FEATURES}/all(enum:enum eq '{doors}')"),
        _filtered("lookups all of two", _FEATURES, f"{_FEATURES}/all(enum:enum eq '{ramp}' or enum eq '{doors}')"),
    ]


#: Collections that are answered 200.
COLLECTIONS = (
    Form("select", f"Property?$select={_KEY},{_INTEGER}"),
    Form("top", f"Property?$select={_KEY}", 5),
    Form("skip", f"Property?$select={_KEY}&$skip=5", 5),
    Form("count", f"Property?$select={_KEY}&$count=true"),
    Form("one", "Property", 1),
    Form("pages", "Property"),
    Form("pages after", f"Property?$filter={_STAMP} gt 2025-01-15T00:00:00Z"),
    Form("expand", f"Property?$select={_KEY}&$expand=Media"),
    Form("expand a single one", f"Property?$select={_KEY}&$expand=ListOffice"),
    *_comparisons(),
    *_orders(),
    *_lookups(),
)
#: Records by key, and what they lead to.
RECORDS = (f"Property('L00002')?$select={_KEY}", "Property('L00002')", "Property('L00002')/ListOffice")
BELOW = "Property('L00002')/Media"
#: Requests that are refused, and how.
REFUSED = (("Property?$filter=BadField eq 'SoBad'", 400), ("ResourceNotFound", 404))
