"""The sandbox's rows in SQLite, and OData queries as SQL: parameters for every value, names from the schema only."""

from __future__ import annotations

import itertools
import json
import math
import sqlite3
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, assert_never

import msgspec

from gateway.odata.ast import (
    And,
    Call,
    Comparison,
    Constant,
    ExpandItem,
    Expression,
    Function,
    Has,
    In,
    Intersects,
    Lambda,
    Not,
    Operand,
    Operator,
    Or,
    OrderByItem,
    PropertyPath,
    Quantifier,
    Query,
    StringTest,
)
from gateway.odata.csdl import Property, Schema, StructuredType
from gateway.odata.geography import parse_geography
from gateway.odata.literals import Alias, EnumValue, Literal, Now, Timestamp
from gateway.sandbox.rows import Row, Tables

#: Navigation of the sandbox: (set, name) to (local, target set, field there, discriminator value of ResourceName).
RELATIONS = {
    ("Property", "Media"): ("ListingKey", "Media", "ResourceRecordKey", "Property"),
    ("Property", "OpenHouse"): ("ListingKey", "OpenHouse", "ListingKey", None),
    ("Property", "Rooms"): ("ListingKey", "PropertyRooms", "ListingKey", None),
    ("Property", "UnitTypes"): ("ListingKey", "PropertyUnitTypes", "ListingKey", None),
    ("Property", "ListAgent"): ("ListAgentKey", "Member", "MemberKey", None),
    ("Property", "CoListAgent"): ("CoListAgentKey", "Member", "MemberKey", None),
    ("Property", "BuyerAgent"): ("BuyerAgentKey", "Member", "MemberKey", None),
    ("Property", "ListOffice"): ("ListOfficeKey", "Office", "OfficeKey", None),
    ("Member", "Office"): ("OfficeKey", "Office", "OfficeKey", None),
    ("Member", "Media"): ("MemberKey", "Media", "ResourceRecordKey", "Member"),
    ("Office", "MainOffice"): ("MainOfficeKey", "Office", "OfficeKey", None),
    ("Office", "OfficeBroker"): ("OfficeBrokerKey", "Member", "MemberKey", None),
    ("Office", "Media"): ("OfficeKey", "Media", "ResourceRecordKey", "Office"),
    ("Office", "ExternalProducts"): ("OfficeKey", "ExternalProducts", "OfficeKey", None),
    ("Office", "DelegatedAccess"): ("OfficeKey", "DelegatedAccess", "OfficeKey", None),
    ("OpenHouse", "Listing"): ("ListingKey", "Property", "ListingKey", None),
    ("OpenHouse", "ShowingAgent"): ("ShowingAgentKey", "Member", "MemberKey", None),
    ("PropertyRooms", "Listing"): ("ListingKey", "Property", "ListingKey", None),
    ("PropertyUnitTypes", "Listing"): ("ListingKey", "Property", "ListingKey", None),
}


_Point = tuple[float, float]


class UnknownName(Exception):
    """A query names what the schema does not have: 400 of the sandbox."""


def _compare_decimals(left: str, right: str) -> int:
    a, b = Decimal(left), Decimal(right)
    return (a > b) - (a < b)


def _null_or(function: Callable[[str], str]) -> Callable[[str | None], str | None]:
    return lambda text: None if text is None else function(text)


def _unknown_or(test: Callable[[str, str], bool]) -> Callable[[str | None, str], int | None]:
    return lambda text, pattern: None if text is None else int(test(text, pattern))


def _of_point(measure: Callable[[_Point, list[_Point]], float]) -> Callable[[str | None, str], float | None]:
    """A function of a stored point and of a place as ``geography'...'`` prints it."""

    def of_point(stored: str | None, text: str) -> float | None:
        place = parse_geography(text)
        if stored is None or place is None:
            return None
        longitude, latitude = json.loads(stored)["coordinates"]
        return measure((longitude, latitude), [(float(x), float(y)) for x, y in place.positions])

    return of_point


def _distance(point: _Point, place: list[_Point]) -> float:
    """Metres on a sphere of the Earth's mean radius."""
    (x1, y1), (x2, y2) = (tuple(map(math.radians, position)) for position in (point, place[0]))
    half = math.sin((y2 - y1) / 2) ** 2 + math.cos(y1) * math.cos(y2) * math.sin((x2 - x1) / 2) ** 2
    return 2 * 6_371_008.8 * math.asin(math.sqrt(min(1.0, half)))


def _inside(point: _Point, ring: list[_Point]) -> bool:
    """Whether a ray from the point to the east meets an odd number of edges."""
    x, y = point
    odd = False
    for (x1, y1), (x2, y2) in itertools.pairwise(ring):
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            odd = not odd
    return odd


def _stripped(text: str) -> str:
    return text.strip(" ")


@dataclass(frozen=True, slots=True)
class Page:
    rows: list[dict[str, Any]]
    count: int | None


class Database:
    """In-memory. Decimals are kept as text under a collation of numbers, so no digit is lost."""

    def __init__(self, schema: Schema, tables: Tables) -> None:
        self.schema = schema
        self._connection = sqlite3.connect(":memory:", check_same_thread=False)
        self._connection.create_collation("DECIMALS", _compare_decimals)
        # SQLite's own lower() and upper() know ASCII only.
        for name, function in (("LOWERED", str.lower), ("UPPERED", str.upper), ("STRIPPED", _stripped)):
            self._connection.create_function(name, 1, _null_or(function), deterministic=True)
        for name, test in (("CONTAINED", str.__contains__), ("STARTED", str.startswith), ("ENDED", str.endswith)):
            self._connection.create_function(name, 2, _unknown_or(test), deterministic=True)
        for name, measure in (("DISTANCE", _distance), ("INSIDE", _inside)):
            self._connection.create_function(name, 2, _of_point(measure), deterministic=True)
        for name, rows in tables.items():
            self._create(name, rows)

    def close(self) -> None:
        self._connection.close()

    def _create(self, name: str, rows: Iterable[Row]) -> None:
        structured = self.schema.type_of(name)
        columns = [f'"{column}" {_column(declared)}' for column, declared in structured.properties.items()]
        keys = ",".join(f'"{key}"' for key in structured.key)
        self._connection.execute(f'CREATE TABLE "{name}" ({",".join(columns)}, PRIMARY KEY ({keys}))')
        marks = ",".join("?" * len(structured.properties))
        self._connection.executemany(
            f'INSERT INTO "{name}" VALUES ({marks})',
            (
                [_stored(row.get(column), declared) for column, declared in structured.properties.items()]
                for row in rows
            ),
        )
        for (source, _), (_, target, there, _) in RELATIONS.items():
            if target == name and source != name and there not in structured.key:
                self._connection.execute(f'CREATE INDEX IF NOT EXISTS "{name}_{there}" ON "{name}" ("{there}")')

    def insert(self, entity_set: str, row: Row) -> None:
        declared = self.schema.type_of(entity_set).properties
        columns = ",".join(f'"{name}"' for name in row)
        values = [_stored(value, declared[name]) for name, value in row.items()]
        self._connection.execute(f'INSERT INTO "{entity_set}" ({columns}) VALUES ({",".join("?" * len(row))})', values)

    def update(self, entity_set: str, key: str, row: Row) -> None:
        structured = self.schema.type_of(entity_set)
        columns = ",".join(f'"{name}" = ?' for name in row)
        values = [_stored(value, structured.properties[name]) for name, value in row.items()]
        self._connection.execute(f'UPDATE "{entity_set}" SET {columns} WHERE "{structured.key[0]}" = ?', (*values, key))

    def delete(self, entity_set: str, key: str) -> None:
        name = self.schema.type_of(entity_set).key[0]
        self._connection.execute(f'DELETE FROM "{entity_set}" WHERE "{name}" = ?', (key,))

    def exists(self, entity_set: str, key: str) -> bool:
        return self.tag(entity_set, key) is not None

    def row(self, entity_set: str, key: str) -> Row:
        """What is stored of one row; empty where there is none."""
        name = self.schema.type_of(entity_set).key[0]
        found = self._connection.execute(f'SELECT * FROM "{entity_set}" WHERE "{name}" = ?', (key,))
        columns = [column[0] for column in found.description]
        values = found.fetchone()
        return {} if values is None else dict(zip(columns, values, strict=True))

    def tag(self, entity_set: str, key: str) -> str | None:
        """A tag of the whole row, whatever of it was asked for."""
        name = self.schema.type_of(entity_set).key[0]
        row = self._connection.execute(f'SELECT * FROM "{entity_set}" WHERE "{name}" = ?', (key,)).fetchone()
        return None if row is None else f'W/"{zlib.crc32(repr(row).encode()):08x}"'

    def read(self, entity_set: str, query: Query, pinned: tuple[tuple[str, Any], ...] = ()) -> Page:
        """Rows as JSON-ready dicts (numbers as raw text), expanded as asked; the count ignores top and skip."""
        structured = self.schema.type_of(entity_set)
        where, parameters = [], []
        for column, value in pinned:
            where.append(f'"{column}" = ?')
            parameters.append(value)
        if query.filter is not None:
            sql = _Where(self.schema, entity_set)
            where.append(sql.condition(query.filter))
            parameters += sql.parameters
        clause = f" WHERE {' AND '.join(f'({part})' for part in where)}" if where else ""
        count = None
        if query.count:
            (count,) = self._connection.execute(f'SELECT COUNT(*) FROM "{entity_set}"{clause}', parameters).fetchone()
        columns = self._columns(structured, query)
        locals_ = [RELATIONS[entity_set, item.name][0] for item in query.expand]
        fetched = list(dict.fromkeys([*columns, *locals_]))
        text = f'SELECT {",".join(_quoted(structured, c) for c in fetched)} FROM "{entity_set}"{clause}'
        text += _order(structured, query.orderby)
        text += f" LIMIT {query.top if query.top is not None else -1} OFFSET {query.skip or 0}"
        rows = []
        for values in self._connection.execute(text, parameters).fetchall():
            stored = dict(zip(fetched, values, strict=True))
            row = {name: _json(stored[name], structured.properties[name]) for name in columns}
            for item in query.expand:
                row.update(self._expanded(entity_set, item, stored))
            rows.append(row)
        return Page(rows, count)

    def _columns(self, structured: StructuredType, query: Query) -> list[str]:
        names = [item.name for item in query.select if item.name not in structured.navigation]
        if not names or "*" in names:
            return list(structured.properties)
        for name in names:
            if name not in structured.properties:
                raise UnknownName(name)
        return [name for name in structured.properties if name in names]

    def _expanded(self, entity_set: str, item: ExpandItem, stored: dict[str, Any]) -> dict[str, Any]:
        local, target, there, kind = RELATIONS[entity_set, item.name]
        value = stored[local]
        navigation = self.schema.type_of(entity_set).navigation[item.name]
        pinned: tuple[tuple[str, Any], ...] = ((there, value),)
        if kind is not None:
            pinned += (("ResourceName", kind),)
        page = self.read(target, item.query, pinned) if value is not None else Page([], 0)
        if not navigation.type.is_collection:
            return {item.name: page.rows[0] if page.rows else None}
        result: dict[str, Any] = {item.name: page.rows}
        if item.query.count:
            result[f"{item.name}@odata.count"] = page.count
        return result


def _column(declared: Property) -> str:
    if declared.type.name == "Edm.Decimal" and not declared.type.is_collection:
        return "TEXT COLLATE DECIMALS"
    if declared.type.name in ("Edm.Int64", "Edm.Boolean") and not declared.type.is_collection:
        return "INTEGER"
    return "TEXT"


def _stored(value: Any, declared: Property) -> Any:
    if value is None:
        return None
    if declared.type.is_collection or declared.type.name == "Edm.GeographyPoint":
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return int(value)
    return str(value) if isinstance(value, Decimal) else value


def _json(value: Any, declared: Property) -> Any:
    if value is None:
        return None
    if declared.type.is_collection or declared.type.name == "Edm.GeographyPoint":
        return json.loads(value)
    if declared.type.name == "Edm.Boolean":
        return bool(value)
    return msgspec.Raw(str(value).encode("ascii")) if declared.type.name == "Edm.Decimal" else value


def _quoted(structured: StructuredType, name: str) -> str:
    if name not in structured.properties:
        raise UnknownName(name)
    return f'"{name}"'


def _order(structured: StructuredType, items: tuple[OrderByItem, ...]) -> str:
    terms = [
        _quoted(structured, item.path.name) + (" DESC NULLS LAST" if item.descending else " ASC NULLS FIRST")
        for item in items
    ] + [f'"{key}"' for key in structured.key]
    return f" ORDER BY {','.join(terms)}"


class _Where:
    """A condition as SQL with parameters, under SQL's own null semantics."""

    def __init__(self, schema: Schema, entity_set: str, table: str | None = None, element: str | None = None) -> None:
        self._schema = schema
        self._set = entity_set
        self._structured = schema.type_of(entity_set)
        #: What the rows are called in SQL: columns of a subquery and of what is around it may have one name.
        self._table = table or entity_set
        self._element = element
        self.parameters: list[Any] = []

    def _column(self, name: str) -> str:
        return f'"{self._table}".{_quoted(self._structured, name)}'

    def condition(self, expression: Expression) -> str:
        match expression:
            case And(terms):
                return " AND ".join(f"({self.condition(term)})" for term in terms)
            case Or(terms):
                return " OR ".join(f"({self.condition(term)})" for term in terms)
            case Not(term):
                return f"NOT ({self.condition(term)})"
            case Constant(value):
                return "1=1" if value else "1=0"
            case PropertyPath():
                return f"{self._operand(expression)} = 1"
            case Comparison(operator, left, right):
                if right.value is None:
                    return f"{self._operand(left)} IS {'NOT ' if operator is Operator.NE else ''}NULL"
                return f"{self._operand(left)} {_SQL[operator]} {self._value(right)}"
            case Has(path, right):
                return self._has(path, right)
            case In(left, items):
                return f"{self._operand(left)} IN ({','.join(self._value(item) for item in items)})"
            case StringTest(function, operand, pattern):
                return self._string_test(function, self._operand(operand), str(pattern.value))
            case Intersects(path, area):
                self.parameters.append(str(area.value))
                return f"INSIDE({self._operand(path)}, ?)"
            case Lambda(_, path) if path.name in self._structured.navigation:
                return self._rows(expression)
            case Lambda():
                return self._lambda(expression)
            case _:
                assert_never(expression)

    def _lambda(self, expression: Lambda) -> str:
        column = self._column(expression.path.name)
        inner = _Where(self._schema, self._set, self._table, expression.variable or None)
        condition = inner.condition(expression.predicate)
        self.parameters += inner.parameters
        if expression.quantifier is Quantifier.ANY:
            return f"EXISTS (SELECT 1 FROM json_each({column}) AS element WHERE {condition})"
        return f"NOT EXISTS (SELECT 1 FROM json_each({column}) AS element WHERE NOT ({condition}))"

    def _rows(self, expression: Lambda) -> str:
        """``any`` and ``all`` over the rows behind a navigation."""
        local, target, there, kind = RELATIONS[self._set, expression.path.name]
        inner = _Where(self._schema, target, f"{self._table}_{expression.path.name}")
        condition = inner.condition(expression.predicate)
        belongs = f"{inner._column(there)} = {self._column(local)}"  # another of the same class
        if kind is not None:
            belongs += f" AND {inner._column('ResourceName')} = ?"
            self.parameters.append(kind)
        self.parameters += inner.parameters
        rows = f'SELECT 1 FROM "{target}" AS "{self._table}_{expression.path.name}" WHERE {belongs}'
        if expression.quantifier is Quantifier.ANY:
            return f"EXISTS ({rows} AND ({condition}))"
        return f"NOT EXISTS ({rows} AND ({condition}) IS NOT TRUE)"

    def _has(self, path: PropertyPath, literal: Literal) -> str:
        members = literal.value.members if isinstance(literal.value, EnumValue) else str(literal.value)
        tests = []
        for member in members.split(","):
            self.parameters.append(f",{member.strip()},")
            tests.append(f"instr(',' || replace({self._operand(path)}, ' ', '') || ',', ?) > 0")
        return " AND ".join(tests)

    def _operand(self, operand: Operand) -> str:
        match operand:
            case PropertyPath(name):
                return "element.value" if name == self._element else self._column(name)
            case Call(Function.CONCAT, arguments):
                return "(" + " || ".join(self._argument(item) for item in arguments) + ")"
            case Call(Function.GEO_DISTANCE, (PropertyPath() as path, Literal() as place)):
                self.parameters.append(str(place.value))
                return f"DISTANCE({self._operand(path)}, ?)"
            case Call(function, (PropertyPath() | Call() as inner, Literal() as pattern)) if function in _TESTS:
                return self._string_test(function, self._operand(inner), str(pattern.value))
            case Call(function, (PropertyPath() | Call() as inner,)) if function in _CALLS:
                return _CALLS[function].format(self._operand(inner))
            case Call(function):
                raise UnknownName(function.value)
            case _:
                assert_never(operand)

    def _argument(self, item: Operand | Literal) -> str:
        return self._value(item) if isinstance(item, Literal) else self._operand(item)

    def _value(self, literal: Literal) -> str:
        value: Any = literal.value
        if isinstance(value, EnumValue):
            value = value.members
        elif isinstance(value, Timestamp):
            # Stored with three digits, so texts of equal length compare as instants do.
            value = f"{value.second:%Y-%m-%dT%H:%M:%S}.{value.picoseconds // 10**9:03d}Z"
        elif isinstance(value, bool):
            value = int(value)
        elif isinstance(value, Decimal):
            value = int(value) if value == value.to_integral_value() and abs(value) < 2**62 else str(value)
        elif isinstance(value, Now | Alias):
            raise UnknownName(type(value).__name__)
        elif isinstance(value, date):
            value = value.isoformat()
        elif value is not None and not isinstance(value, str):
            value = str(value)
        self.parameters.append(value)
        return "?"

    def _string_test(self, function: Function, operand: str, pattern: str) -> str:
        # The operand stands in the text once, since it may bind values of its own.
        self.parameters.append(pattern)
        return f"{_TESTS[function]}({operand}, ?)"


_TESTS = {Function.CONTAINS: "CONTAINED", Function.STARTSWITH: "STARTED", Function.ENDSWITH: "ENDED"}
#: Texts of instants have a fixed width here, so their parts are substrings.
_CALLS = {
    Function.TOLOWER: "LOWERED({})",
    Function.TOUPPER: "UPPERED({})",
    Function.TRIM: "STRIPPED({})",
    Function.LENGTH: "length({})",
    Function.YEAR: "CAST(substr({}, 1, 4) AS INTEGER)",
    Function.MONTH: "CAST(substr({}, 6, 2) AS INTEGER)",
    Function.DAY: "CAST(substr({}, 9, 2) AS INTEGER)",
    Function.HOUR: "CAST(substr({}, 12, 2) AS INTEGER)",
    Function.MINUTE: "CAST(substr({}, 15, 2) AS INTEGER)",
    Function.SECOND: "CAST(substr({}, 18, 2) AS INTEGER)",
    Function.DATE: "substr({}, 1, 10)",
    Function.TIME: "substr({}, 12, 8)",
}
_SQL = {Operator.EQ: "=", Operator.NE: "<>", Operator.GT: ">", Operator.GE: ">=", Operator.LT: "<", Operator.LE: "<="}
