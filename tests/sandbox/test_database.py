"""The sandbox is an honest upstream: what it selects is what a plain loop over its rows selects."""

from __future__ import annotations

import random
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

from gateway.odata.ast import Query
from gateway.odata.evaluate import evaluate
from gateway.odata.literals import Value, parse_timestamp
from gateway.odata.parser import parse_expand, parse_filter, parse_orderby
from gateway.sandbox.database import Database
from gateway.sandbox.rows import make_tables, sandbox_schema

TABLES = make_tables(listings=120)
SCHEMA = sandbox_schema()
DATABASE = Database(SCHEMA, TABLES)
ATOMS = ["ListPrice gt 500000", "ListPrice eq null", "City eq 'O''Fallon'", "City ne 'Åre'", "contains(City,'an')", "startswith(City,'S')", "endswith(City,'d')",
         "BedroomsTotal in (1,2,3)", "WaterfrontYN", "SyndicateTo/any(x:x eq 'ListHub')", "SyndicateTo/all(x:x ne 'ListHub')", "CloseDate lt 2025-01-01",
         "ModificationTimestamp ge 2025-06-01T00:00:00Z", "tolower(City) eq 'springfield'", "StandardStatus eq 'Active'",
         "endswith(concat(City,'x'),'dx')", "contains(concat('a',City),'aS')", "length(trim(City)) gt 6", "year(CloseDate) eq 2025"]  # fmt: skip


def value(row: dict[str, Any], name: str) -> Value:
    raw, declared = row[name], SCHEMA.type_of("Property").properties[name].type
    if raw is None:
        return None
    if declared.is_collection:
        return tuple(raw)
    if declared.name == "Edm.Date":
        return date.fromisoformat(raw)
    if declared.name == "Edm.DateTimeOffset":
        return parse_timestamp(raw)
    return Decimal(raw) if declared.name in ("Edm.Int64", "Edm.Decimal") and not isinstance(raw, bool) else raw


def selected(text: str) -> set[str]:
    tree = parse_filter(text)
    return {str(row["ListingKey"]) for row in TABLES["Property"] if evaluate(tree, partial(value, row)) is True}


def test_filters_select_what_a_loop_selects() -> None:
    rng = random.Random(1)
    for _ in range(200):
        text = rng.choice(ATOMS)
        for _ in range(rng.randint(0, 2)):
            text = rng.choice(
                [f"not ({text})", f"({text}) and ({rng.choice(ATOMS)})", f"({rng.choice(ATOMS)}) or ({text})"]
            )
        expected = selected(text)

        page = DATABASE.read("Property", Query(filter=parse_filter(text), count=True))

        assert {row["ListingKey"] for row in page.rows} == expected, text
        assert page.count == len(expected)


def test_order_top_skip_and_expand() -> None:
    query = Query(
        orderby=parse_orderby("ListPrice desc"),
        top=3,
        skip=1,
        expand=parse_expand("Media($count=true;$top=1),ListAgent"),
    )
    prices = sorted((row["ListPrice"] for row in TABLES["Property"] if row["ListPrice"] is not None), reverse=True)

    rows = DATABASE.read("Property", query).rows

    assert [Decimal(bytes(row["ListPrice"]).decode()) for row in rows] == prices[1:4]
    for row in rows:
        owned = [
            media
            for media in TABLES["Media"]
            if media["ResourceName"] == "Property" and media["ResourceRecordKey"] == row["ListingKey"]
        ]
        assert row["Media@odata.count"] == len(owned)
        assert len(row["Media"]) == min(1, len(owned))
        assert row["ListAgent"]["MemberKey"] == next(
            r["ListAgentKey"] for r in TABLES["Property"] if r["ListingKey"] == row["ListingKey"]
        )


def test_rows_cover_every_class_status_and_oddity() -> None:
    rows = make_tables()["Property"]

    assert len(rows) >= 300
    assert {row["PropertyType"] for row in rows} >= {
        "Residential",
        "Land",
        "Farm",
        "Business Opportunity",
        None,
        "Houseboat",
        "land",
    }
    assert {row["StandardStatus"] for row in rows} >= {"Active", "Closed", "Sold", "Coming Soon", "Withdrawn", None}
    assert any("'" in (row["City"] or "") for row in rows)
    assert any(not (row["City"] or "").isascii() for row in rows)
    assert {row["InternetAddressDisplayYN"] for row in rows} == {True, False, None}


def test_the_same_seed_gives_the_same_rows() -> None:
    assert make_tables(listings=20) == make_tables(listings=20)
