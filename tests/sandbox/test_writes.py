"""The sandbox's Add/Edit, as the page of vendors has it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from gateway.odata.ast import Query
from gateway.odata.csdl import parse_metadata
from gateway.sandbox.database import Database
from gateway.sandbox.rows import make_tables, metadata_document
from gateway.sandbox.writes import Refused, Writes

DRAFT = {
    "ListAgentKey": "123456", "ListOfficeKey": "7890", "PropertyType": "Residential", "StreetNumber": "123", "StreetName": "Main St", "City": "Springfield",
}  # fmt: skip
BY = {"ChangedByMemberKey": "123456"}


@pytest.fixture
def database() -> Iterator[Database]:
    with closing(Database(parse_metadata(metadata_document()), make_tables(listings=3))) as found:
        yield found


@pytest.fixture
def writes(database: Database) -> Writes:
    return Writes(database)


def refused(writes: Writes, key: str | None, body: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(Refused) as told:
        writes.create("Property", body) if key is None else writes.change("Property", key, body)
    return [(code, target) for code, _, target in told.value.details]


def test_a_draft_is_made_changed_and_removed(database: Database, writes: Writes) -> None:
    key = writes.create("Property", DRAFT)
    first = database.tag("Property", key)
    writes.change("Property", key, {"StandardStatus": "Active", "ListPrice": 110000, "Appliances": ["a"], **BY})
    row = database.row("Property", key)
    (read,) = database.read("Property", Query(), (("ListingKey", key),)).rows
    writes.remove("Property", key)

    assert key == "Draft654321"
    assert (row["StandardStatus"], row["ContractStatus"]) == ("Active", "Draft")
    assert read["Appliances"] == ["a"]
    assert database.tag("Property", key) is None
    assert first is not None
    assert writes.create("Property", DRAFT) != key


def test_everything_wrong_is_told_at_once(writes: Writes) -> None:
    assert refused(writes, None, {**DRAFT, "City": None, "ListAgentKey": "nobody", "ListingKey": "x", "Nope": 1, "ListPrice": -1}) == [
        ("1101", "City"), ("1105", "ListAgentKey"), ("1104", "ListingKey"), ("1104", "Nope"), ("1105", "ListPrice"),
    ]  # fmt: skip
    assert refused(writes, "L00001", {"City": "x"}) == [("1101", "ChangedByMemberKey")]
    assert refused(writes, "L00001", {"ChangedByMemberKey": "nobody"}) == [("1105", "ChangedByMemberKey")]
