"""An upstream that evaluates OData in memory, and has the habits of real ones as switches.

It is a model and no product: what it says of null, of case and of lists is what a test tells it to. The evaluator is its
own; of the gateway it uses the parser only, to read what the gateway has printed.
"""

from __future__ import annotations

import gzip
import itertools
import json
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from typing import Literal as OneOf
from urllib.parse import parse_qsl, quote, urlsplit

from aiohttp import web

from gateway.odata import ast, parser
from gateway.odata.literals import EnumValue, Geography, Literal
from gateway.odata.parser import Limits
from gateway.sandbox.database import RELATIONS
from gateway.sandbox.rows import Row, Tables
from tests.hostile import Hostile

_LIMITS = Limits(filter_length=10**6, list_length=10**6, depth=400)
KEYS = {
    "Property": "ListingKey",
    "Media": "MediaKey",
    "Member": "MemberKey",
    "Office": "OfficeKey",
    "OpenHouse": "OpenHouseKey",
    "PropertyRooms": "RoomKey",
    "PropertyUnitTypes": "UnitTypeKey",
    "ExternalProducts": "ExternalProductKey",
    "DelegatedAccess": "Id",
    "HistoryTransactional": "HistoryTransactionalKey",
    "EntityEvent": "EntityEventSequence",
    "Listings": "ListingKey",
}


@dataclass
class Habits:
    """How this upstream differs from an honest one."""

    equality: OneOf["exact", "fold", "fold_pad"] = "exact"
    nulls: OneOf["sql", "odata"] = "sql"
    #: Options that it takes no notice of; ``nested`` stands for those inside $expand.
    ignores: frozenset[str] = frozenset()
    page: int | None = None
    paging: OneOf["skip", "next_link", "link_header", "silent"] = "next_link"
    #: The most rows of a nested list, cut without a word; and what the nested count then says.
    nested_cut: int | None = None
    nested_count: OneOf["right", "arrived", "missing", "doubled"] = "right"
    foreign_children: bool = False
    estimated_counts: bool = False
    #: Resource to fields that it refuses to filter or sort by (400).
    unfilterable: dict[str, tuple[str, ...]] = field(default_factory=dict)
    or_max: int | None = None
    knows_in: bool = True
    enum_literal: OneOf["any", "string"] = "any"
    url_max: int = 100_000
    skip_max: int | None = None
    mandatory: dict[str, str] = field(default_factory=dict)
    gzip_only: bool = False
    omits_nulls: bool = False
    shuffled: int | None = None
    #: Collations other than by code point: by lower case first.
    folded_order: bool = False
    nulls_last: bool = False
    #: Digits of a fraction of a second that it prints; it stores and compares all.
    printed_fraction: int | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    #: Texts that are printed as other JSON.
    spelled: dict[str, bytes] = field(default_factory=dict)
    #: Gives these lists as part of a record that is asked for them by $select, and knows no $expand of them.
    embeds: frozenset[str] = frozenset()


class RefusedError(Exception):
    """The upstream's own 400."""


class ModelUpstream(Hostile):
    """Serves tables under habits; every request is kept in ``requests`` and, decoded, in ``asked``."""

    def __init__(self, tables: Tables, habits: Habits | None = None) -> None:
        super().__init__(answer=self._answer)
        self.tables = tables
        self.habits = habits or Habits()
        self.asked: list[tuple[str, dict[str, str]]] = []

    def _answer(self, request: web.BaseRequest) -> web.Response:
        split = urlsplit(request.raw_path)
        name = split.path.rsplit("/", 1)[-1]
        options = dict(parse_qsl(split.query, keep_blank_values=True))
        self.asked.append((name, options))
        if len(split.query) > self.habits.url_max:
            return web.Response(status=414, text="canary")
        if self.habits.gzip_only and "gzip" not in request.headers.get("Accept-Encoding", ""):
            return web.Response(status=400, text="canary")
        try:
            body, link = self._collection(name, options)
        except RefusedError as error:
            return web.Response(status=400, text=f"canary {error}")
        headers = {"Content-Type": "application/json"}
        if link is not None:
            if self.habits.paging == "next_link":
                body["@odata.nextLink"] = link
            elif self.habits.paging == "link_header":
                headers["Link"] = f'<{link}>; rel="next"'
        data = json.dumps(body, default=_json).encode()
        for text, spelled in self.habits.spelled.items():
            data = data.replace(json.dumps(text).encode(), spelled)
        if self.habits.gzip_only:
            data, headers["Content-Encoding"] = gzip.compress(data), "gzip"
        return web.Response(body=data, headers=headers)

    def _collection(self, name: str, options: dict[str, str]) -> tuple[dict[str, Any], str | None]:
        habits = self.habits
        rows = list(self.tables[name])
        if habits.shuffled is not None:
            random.Random(habits.shuffled).shuffle(rows)
        condition = parser.parse_filter(options["$filter"], _LIMITS) if "$filter" in options else None
        self._check(name, options, condition)
        if condition is not None and "filter" not in habits.ignores:
            rows = [row for row in rows if self._holds(condition, row) is True]
        total = len(rows)
        if "orderby" not in habits.ignores:
            for item in reversed(parser.parse_orderby(options["$orderby"], _LIMITS) if "$orderby" in options else ()):
                rows.sort(key=lambda row, item=item: self._place(row, item), reverse=item.descending)  # type: ignore[misc]
        start = 0 if "skip" in habits.ignores else int(options.get("$skip", 0))
        if habits.skip_max is not None and start > habits.skip_max:
            raise RefusedError("skip")
        start += int(options.get("$skiptoken", 0))
        size = len(rows) if "top" in habits.ignores or "$top" not in options else int(options["$top"])
        end = start + size if habits.page is None else start + min(size, habits.page)
        body: dict[str, Any] = {"@odata.context": "http://canary.example/$metadata"}
        if "$count" in options:
            body["@odata.count"] = total * 3 + 7 if habits.estimated_counts else total
        body["value"] = [self._record(name, row, options) for row in rows[start:end]]
        link = None
        if habits.page is not None and end < min(len(rows), start + size) and habits.paging != "silent":
            kept = {key: value for key, value in options.items() if key not in ("$skip", "$skiptoken", "$top")}
            query = "&".join(f"{quote(key)}={quote(value)}" for key, value in kept.items())
            if habits.paging == "skip":
                link = f"{self.url}/{name}?{query}&%24skip={end}"
            else:
                link = f"{name}?{query}&%24skiptoken={end}"
        return body, link

    def _check(self, name: str, options: dict[str, str], condition: ast.Expression | None) -> None:
        text = options.get("$filter", "") + " " + options.get("$orderby", "")
        habits = self.habits
        for banned in habits.unfilterable.get(name, ()):
            if banned in text:
                raise RefusedError(banned)
        if habits.or_max is not None and text.count(" or ") > habits.or_max:
            raise RefusedError("or")
        if not habits.knows_in and " in (" in text:
            raise RefusedError("in")
        if habits.enum_literal == "string" and ("Sandbox." in text):
            raise RefusedError("enum")
        if name in habits.mandatory and habits.mandatory[name] not in text:
            raise RefusedError("mandatory")

    # --- what a record looks like

    def _record(self, name: str, row: Row, options: dict[str, str]) -> dict[str, Any]:
        record = self._projected(name, row, options.get("$select"))
        for embedded in self.habits.embeds & set(options.get("$select", "").split(",")):
            self._expand(name, row, ast.ExpandItem(embedded, ast.Query()), record)
        if "$expand" in options:
            for item in parser.parse_expand(options["$expand"], _LIMITS):
                self._expand(name, row, item, record)
        return {**record, **self.habits.extra, "@odata.etag": 'W/"canary"', "@odata.id": "http://canary.example/"}

    def _projected(self, name: str, row: Row, select: str | None) -> dict[str, Any]:
        names = row.keys() if select is None or "select" in self.habits.ignores else {*select.split(","), KEYS[name]}
        record = {key: self._printed(row[key]) for key in row if key in names}
        if self.habits.omits_nulls:
            record = {key: value for key, value in record.items() if value is not None}
        return record

    def _printed(self, value: Any) -> Any:
        digits = self.habits.printed_fraction
        if (
            digits is not None
            and isinstance(value, str)
            and len(value) > 20
            and value.endswith("Z")
            and value[19] == "."
        ):
            return value[: 20 + digits].rstrip(".") + "Z"
        return value

    def _expand(self, name: str, row: Row, item: ast.ExpandItem, record: dict[str, Any]) -> None:
        local, target, there, kind = RELATIONS[name, item.name]
        habits = self.habits
        is_list = item.name in ("Media", "OpenHouse", "Rooms", "UnitTypes", "ExternalProducts", "DelegatedAccess")
        found = [
            child
            for child in self.tables[target]
            if (
                child[there] == row[local]
                and row[local] is not None
                and (kind is None or child["ResourceName"] == kind)
            )
            or (habits.foreign_children and is_list)
        ]
        select = ",".join(entry.name for entry in item.query.select) or None
        if "nested" not in habits.ignores and item.query.filter is not None:
            found = [child for child in found if self._holds(item.query.filter, child) is True]
        whole = len(found)
        if habits.nested_cut is not None:
            found = found[: habits.nested_cut]
        children = []
        for child in found:
            nested = self._projected(target, child, None if "nested" in habits.ignores else select)
            for below in item.query.expand:
                self._expand(target, child, below, nested)
            children.append(nested)
        record[item.name] = children if is_list else (children[0] if children else None)
        counts = {"right": whole, "arrived": len(found), "doubled": whole * 2, "missing": None}
        if is_list and item.query.count and counts[habits.nested_count] is not None:
            record[f"{item.name}@odata.count"] = counts[habits.nested_count]

    # --- what a filter means here

    def _place(self, row: Row, item: ast.OrderByItem) -> tuple[Any, ...]:
        value = row[item.path.name]
        present = value is not None
        if self.habits.nulls_last:
            present = not present
        text = value.lower() if self.habits.folded_order and isinstance(value, str) else value
        return present, (text, value) if value is not None else ()

    def _text(self, value: str) -> str:
        match self.habits.equality:
            case "exact":
                return value
            case "fold":
                return value.casefold()
            case _:
                return value.casefold().rstrip(" ")

    def _holds(self, condition: ast.Expression, row: Row) -> bool | None:
        match condition:
            case ast.And(terms):
                return _all([self._holds(term, row) for term in terms])
            case ast.Or(terms):
                inner = _all([_not(self._holds(term, row)) for term in terms])
                return _not(inner)
            case ast.Not(term):
                return _not(self._holds(term, row))
            case ast.Constant(value):
                return value
            case ast.PropertyPath(name):
                found: bool | None = row[name]
                return found
            case ast.Intersects(path, area):
                return None if row[path.name] is None else _inside(_point(row[path.name]), _ring(area))
            case ast.Lambda(quantifier, path, variable, predicate) if path.name not in row:
                rows = self._related(path.name, row)
                results = [self._holds(predicate, child) is True for child in rows]
                return any(results) if quantifier is ast.Quantifier.ANY else all(results)
            case ast.Lambda(quantifier, path, variable, predicate):
                results = [self._holds(predicate, {variable: item}) is True for item in row[path.name] or ()]
                return any(results) if quantifier is ast.Quantifier.ANY else all(results)
            case ast.In(left, items):
                value = self._operand(left, row)
                return None if value is None else any(self._equal(value, item) for item in items)
            case ast.Has(path, right):
                members = _members(right)
                return (
                    None if row[path.name] is None else members <= {part.strip() for part in row[path.name].split(",")}
                )
            case ast.StringTest(function, operand, pattern):
                value = self._operand(operand, row)
                if value is None:
                    return None
                text, part = self._text(value), self._text(str(pattern.value))
                tests = {"contains": part in text, "startswith": text.startswith(part), "endswith": text.endswith(part)}
                return tests[function.value]
            case ast.Comparison(operator, left, right):
                return self._compare(operator, self._operand(left, row), right)

    def _related(self, name: str, row: Row) -> list[Row]:
        """The rows behind a navigation of a record that is told by its key."""
        source = next(table for table, key in KEYS.items() if key in row and (table, name) in RELATIONS)
        local, target, there, kind = RELATIONS[source, name]
        return [
            child
            for child in self.tables[target]
            if self.habits.foreign_children
            or (child[there] == row[local] is not None and (kind is None or child["ResourceName"] == kind))
        ]

    def _operand(self, operand: ast.Operand, row: Row) -> Any:
        if isinstance(operand, ast.PropertyPath):
            return row[operand.name]
        if operand.function is ast.Function.GEO_DISTANCE:
            path, place = operand.arguments
            assert isinstance(path, ast.PropertyPath) and isinstance(place, Literal)
            return None if row[path.name] is None else _distance(_point(row[path.name]), _ring(place)[0])
        values = [item.value if isinstance(item, Literal) else self._operand(item, row) for item in operand.arguments]
        if any(value is None for value in values):
            return None
        text = str(values[0])
        functions: dict[str, Callable[[], Any]] = {
            "tolower": text.lower,
            "toupper": text.upper,
            "trim": lambda: text.strip(" "),
            "length": lambda: len(text),
            "concat": lambda: text + str(values[-1]),
            "year": lambda: int(text[:4]),
            "month": lambda: int(text[5:7]),
            "day": lambda: int(text[8:10]),
            "hour": lambda: int(text[11:13]),
            "minute": lambda: int(text[14:16]),
            "second": lambda: int(text[17:19]),
            "date": lambda: text[:10],
            "time": lambda: text[11:].rstrip("Z"),
        }
        return functions[operand.function.value]()

    def _equal(self, value: Any, literal: Literal) -> bool:
        return self._compare(ast.Operator.EQ, value, literal) is True

    def _compare(self, operator: ast.Operator, value: Any, literal: Literal) -> bool | None:
        if literal.value is None:
            return {ast.Operator.EQ: value is None, ast.Operator.NE: value is not None}[operator]
        if value is None:
            return operator is ast.Operator.NE if self.habits.nulls == "odata" else None
        left, right = self._comparable(value, literal)
        order = int(left > right) - int(left < right)
        return {
            "eq": order == 0, "ne": order != 0, "gt": order > 0, "ge": order >= 0, "lt": order < 0, "le": order <= 0,
        }[operator.value]  # fmt: skip

    def _comparable(self, value: Any, literal: Literal) -> tuple[Any, Any]:
        right = literal.value
        if isinstance(value, bool):
            return value, right
        if isinstance(value, int | Decimal | float):
            return Decimal(str(value)), Decimal(str(right))
        if isinstance(right, EnumValue):
            return value, right.members
        if isinstance(right, str):
            left, wanted = self._text(value), self._text(right)
            return ((left.lower(), left), (wanted.lower(), wanted)) if self.habits.folded_order else (left, wanted)
        return str(value).rstrip("Z").rstrip("0").rstrip("."), str(right).rstrip("Z").rstrip("0").rstrip(".")


def _point(value: Any) -> tuple[float, float]:
    longitude, latitude = value["coordinates"]
    return float(longitude), float(latitude)


def _ring(literal: Literal) -> list[tuple[float, float]]:
    assert isinstance(literal.value, Geography)
    return [(float(x), float(y)) for x, y in literal.value.positions]


def _distance(one: tuple[float, float], two: tuple[float, float]) -> float:
    """Metres, by the law of cosines."""
    (x1, y1), (x2, y2) = (map(math.radians, position) for position in (one, two))
    cosine = math.sin(y1) * math.sin(y2) + math.cos(y1) * math.cos(y2) * math.cos(x1 - x2)
    return 6_371_008.8 * math.acos(max(-1.0, min(1.0, cosine)))


def _inside(point: tuple[float, float], ring: list[tuple[float, float]]) -> bool:
    """By the sum of the angles under which the edges are seen."""
    total = 0.0
    for (x1, y1), (x2, y2) in itertools.pairwise(ring):
        turn = math.atan2(y2 - point[1], x2 - point[0]) - math.atan2(y1 - point[1], x1 - point[0])
        total += (turn + math.pi) % (2 * math.pi) - math.pi
    return abs(total) > 1


def _members(literal: Literal) -> set[str]:
    text = literal.value.members if isinstance(literal.value, EnumValue) else str(literal.value)
    return {part.strip() for part in text.split(",")}


def _not(value: bool | None) -> bool | None:
    return None if value is None else not value


def _all(values: list[bool | None]) -> bool | None:
    return False if False in values else None if None in values else True


def _json(value: object) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(type(value))
