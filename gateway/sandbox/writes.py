"""Add/Edit as the seed's page shows it: drafts of Property, published and changed by PATCH, with its error bodies."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

from gateway.sandbox.database import Database

#: What a draft must have, and what every change must say.
REQUIRED = ("ListAgentKey", "ListOfficeKey", "PropertyType", "StreetNumber", "StreetName", "City")
CHANGED_BY = "ChangedByMemberKey"
REFERENCES = {"ListAgentKey": "Member", "ListOfficeKey": "Office", CHANGED_BY: "Member"}
DRAFT = {
    "ContractStatus": "Draft",
    "MlsStatus": "Draft",
    "StandardStatus": "Incomplete",
    "OriginatingSystemName": "Sandbox",
}


class Refused(Exception):
    """Details of the error body: (code, message, target)."""

    def __init__(self, *details: tuple[str, str, str]) -> None:
        super().__init__("refused")
        self.details = details


class Writes:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._numbers = itertools.count(654321)  # as in the examples of vendors

    def create(self, entity_set: str, body: dict[str, Any]) -> str:
        """The key of the new draft."""
        faults = [("1101", f"[{name}] is required.", name) for name in REQUIRED if not body.get(name)]
        self._check(entity_set, body, faults)
        key = f"Draft{next(self._numbers)}"
        known = self._database.schema.type_of(entity_set).properties
        row = {
            name: value for name, value in {**DRAFT, **body, "ModificationTimestamp": _now()}.items() if name in known
        }
        self._database.insert(entity_set, {**row, "ListingKey": key})
        return key

    def change(self, entity_set: str, key: str, body: dict[str, Any]) -> None:
        faults = [] if body.get(CHANGED_BY) else [("1101", f"[{CHANGED_BY}] is required.", CHANGED_BY)]
        self._check(entity_set, body, faults)
        self._database.update(entity_set, key, {**body, "ModificationTimestamp": _now()})

    def remove(self, entity_set: str, key: str) -> None:
        self._database.delete(entity_set, key)

    def _check(self, entity_set: str, body: dict[str, Any], faults: list[tuple[str, str, str]]) -> None:
        """Everything wrong with a body; messages repeat the value, as the seed's do."""
        known = self._database.schema.type_of(entity_set)
        for name, value in body.items():
            if name not in known.properties or name in known.key:
                faults.append(("1104", f"[{name}] is no field that can be written.", name))
            elif name in REFERENCES and value and not self._database.exists(REFERENCES[name], str(value)):
                faults.append(("1105", f"Value [{value}] is not valid for the field [{name}].", name))
            elif name == "ListPrice" and isinstance(value, int | float) and value < 0:
                faults.append(
                    ("1105", f"Value [{value}] is not valid for the field [List Price]. Field name [ListPrice].", name)
                )
        if faults:
            raise Refused(*faults)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
