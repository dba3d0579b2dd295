"""The right answer, by a naive interpreter on what the licence permits (O5). Plain loops, and no optimisation."""

from __future__ import annotations

from typing import Any

from tests.proof.language import EQUALITY, Expression, Meaning, holds, names
from tests.proof.licence import Licence, Low, always_shows, ever_shows, photo_rank, shows, value_shown
from tests.proof.model import FIELDS, KEY, NAVIGATION, Row, text_sent

Record = dict[str, Any]


def client_meaning(licence: Licence) -> Meaning:
    """A client's own conditions: OData's nulls, strings equal as the profile declares it."""
    declared = licence.profile.get("string_equality", "untrusted")
    return Meaning("odata", EQUALITY["exact" if declared == "untrusted" else declared])


class Interpreter:
    def __init__(self, licence: Licence, found: Low) -> None:
        self.licence = licence
        self.low = found
        self.meaning = client_meaning(licence)

    def rows(self, request: dict[str, Any]) -> list[Row] | None:
        """The rows behind the path, before any option; None where the path leads nowhere."""
        name = request["set"]
        if request["path"] in ("collection", "count"):
            return self.low.rows[name]
        parent = next((row for row in self.low.rows[name] if row[KEY[name]] == request["key"]), None)
        if parent is None:
            return None
        if request["path"] == "entity":
            return [parent]
        if not shows(self.licence, name, parent, request["navigation"]):
            return None
        return self.behind(name, parent, request["navigation"])

    def behind(self, name: str, row: Row, navigation: str) -> list[Row]:
        return self.low.behind(name, row, navigation, self.licence.meaning.normal)

    def target(self, request: dict[str, Any]) -> str:
        if request["path"].startswith("navigation"):
            return NAVIGATION[request["set"], request["navigation"]][1]
        return str(request["set"])

    def matching(self, name: str, rows: list[Row], options: dict[str, Any], *, nested: bool) -> list[Row]:
        """The rows that filter and guards leave, in their order."""
        condition: Expression = options.get("filter", ["true"])
        looked_at = {*names(condition), *(field for field, _ in options.get("orderby", []))}
        kept = [row for row in rows if self._matches(name, row, condition, looked_at)]
        kept.sort(key=lambda row: self._usual(name, row, nested=nested))
        is_last = self.licence.profile.get("nulls") == "last" and not nested
        for field, falling in reversed(options.get("orderby", [])):
            kept.sort(
                key=lambda row, field=field: _place(value_shown(self.licence, name, row, field), is_last=is_last),  # type: ignore[misc]
                reverse=falling,
            )
        return kept

    def _matches(self, name: str, row: Row, condition: Expression, looked_at: set[str]) -> bool:
        if not all(shows(self.licence, name, row, member) for member in looked_at):
            return False
        return holds(condition, row, self.meaning, lambda navigation: self.behind(name, row, navigation)) is True

    def _usual(self, name: str, row: Row, *, nested: bool) -> Any:
        """Without an order that the client gives: by key, and media below a record by the Order that the key sees."""
        if nested and name == "Media" and self._sees_order():
            return photo_rank(row)
        return row[KEY[name]]

    def _sees_order(self) -> bool:
        return ever_shows(self.licence, "Media", "Order") and always_shows(self.licence, "Media", "Order")

    def record(self, name: str, row: Row, options: dict[str, Any]) -> Record:
        chosen = options.get("select") or list(FIELDS[name])
        record: Record = {}
        for field in FIELDS[name]:
            if field not in chosen or not ever_shows(self.licence, name, field):
                continue
            if shows(self.licence, name, row, field):
                value = value_shown(self.licence, name, row, field)
                # A list that is null and one that is not there are no two things where nulls may be missing.
                if value is not None or not (
                    FIELDS[name][field].startswith("Coll") and self.licence.profile.get("omits_nulls")
                ):
                    record[field] = text_sent(name, field, value) if self.licence.texts else value
            else:
                self._withhold(record, field, is_list=FIELDS[name][field].startswith("Coll"))
        expand = options.get("expand", [])
        asked = [item["navigation"] for item in expand]
        # A list that stands in the record may be selected like a field.
        lists = [item for item in options.get("select", ()) if item not in FIELDS[name] and item not in asked]
        for item in [*expand, *({"navigation": other, "options": {}} for other in lists)]:
            navigation = item["navigation"]
            is_list = NAVIGATION[name, navigation][3]
            if not shows(self.licence, name, row, navigation):
                self._withhold(record, navigation, is_list=is_list)
                continue
            target, inner = NAVIGATION[name, navigation][1], item["options"]
            rows = self.behind(name, row, navigation)
            if not is_list:
                record[navigation] = self.record(target, rows[0], inner) if rows else None
                continue
            found = self.matching(target, rows, inner, nested=True)
            if inner.get("count"):
                record[f"{navigation}@odata.count"] = len(found)
            record[navigation] = [self.record(target, other, inner) for other in window(found, inner)]
        return record

    def _withhold(self, record: Record, member: str, *, is_list: bool) -> None:
        if self.licence.redaction == "annotate":
            record[f"{member}@Core.Permissions"] = "None"
        elif self.licence.redaction == "null" and not is_list:
            record[member] = None


def window(rows: list[Row], options: dict[str, Any]) -> list[Row]:
    start = options.get("skip", 0)
    return rows[start : start + options["top"]] if "top" in options else rows[start:]


def _place(value: Any, *, is_last: bool) -> tuple[bool, Any]:
    return (value is not None) is not is_last, value if value is not None else 0
