"""The proof that a record is permitted, and what rows of whole lists are under a client's own options."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.odata.json_format import decode_record
from gateway.odata.parser import Limits
from gateway.odata.request import parse_request
from gateway.odata.values import UNKNOWN
from gateway.policy.decision import decide
from gateway.policy.plan import Read
from gateway.policy.profile import Link, Profile
from gateway.policy.settings import AnswerSettings
from gateway.redact.rows import (
    ContradictionError,
    Row,
    Tally,
    belongs,
    grouped,
    in_order,
    is_of_kind,
    names_another,
    normal_of,
    prove,
)
from tests.redact.test_records import NOW
from tests.support import TRUSTING, policy, role

FIELDS = ["City", "ListPrice", "PropertyType", "OwnerName", "Appliances", "ListOfficeKey"]
KIND = Link(local="ListingKey", target="ListOfficeKey", discriminator="PropertyType", values=("Farm", "Land"))
PLAIN = Link(local="ListingKey", target="ListOfficeKey")


def plan(rule: str | None = None, profile: Profile = TRUSTING) -> Read:
    entry = {"Fields": {"All": {"Visible": FIELDS}}, **({"Filter": rule} if rule else {})}
    request = parse_request("GET", "/r/Property", root="/r", limits=Limits())
    found = decide(policy(role({"Property": entry}), profile=profile), request, profile, AnswerSettings(), NOW)
    assert isinstance(found, Read)
    return found


def row(of: Read | None = None, **members: Any) -> Row:
    return Row(decode_record(json.dumps(members).encode()), (of or plan()).record)


@pytest.mark.channel("C174", "C320")
def test_a_member_that_is_missing_is_unknown_or_null_as_the_profile_says() -> None:
    omitting = TRUSTING.model_copy(update={"omits_nulls": True})

    assert row(ListingKey="1").value("City") is UNKNOWN
    assert row(plan(profile=omitting), ListingKey="1").value("City") is None
    assert row(ListingKey="1", City=None).value("City") is None
    assert row(ListingKey="1", City=7).value("City") is UNKNOWN
    assert row(ListingKey="1", Nope="x").value("Nope") is UNKNOWN


@pytest.mark.channel("C197")
def test_a_member_that_comes_twice_is_unknown() -> None:
    twice = Row(decode_record(b'{"ListingKey":"1","City":"A","City":"A"}'), plan().record)

    assert twice.value("City") is UNKNOWN


@pytest.mark.channel("C315", "C320")
@pytest.mark.parametrize(("omits", "permitted"), [(True, True), (False, False)])
def test_a_rule_about_nothing_holds_for_what_is_left_out_only_where_nulls_are(omits: bool, permitted: bool) -> None:
    profile = TRUSTING.model_copy(update={"omits_nulls": omits})
    read = plan("OwnerName eq null", profile)

    assert (prove(decode_record(b'{"ListingKey":"1"}'), read.record, Tally()) is not None) is permitted


@pytest.mark.channel("C174")
@pytest.mark.parametrize(
    "key", ['"ListingKey":null', '"ListingKey":7', '"City":"A"', '"ListingKey":"1","ListingKey":"1"']
)
def test_a_record_without_a_key_is_none_and_blames_nothing(key: str) -> None:
    tally = Tally()

    assert prove(decode_record(f"{{{key}}}".encode()), plan().record, tally) is None
    assert dict(tally.unreadable) == {"Property.ListingKey": 1}


@pytest.mark.channel("C315")
def test_a_record_that_contradicts_costs_trust_and_one_that_cannot_be_read_does_not() -> None:
    read = plan("City eq 'A'")
    tally = Tally()

    with pytest.raises(ContradictionError) as met:
        prove(decode_record(b'{"ListingKey":"1","City":"B"}'), read.record, tally)
    assert prove(decode_record(b'{"ListingKey":"1","City":7}'), read.record, tally) is None
    assert prove(decode_record(b'{"ListingKey":"1","City":"A"}'), read.record, tally) is not None

    assert met.value.resource == "Property"
    assert str(met.value) == f"Property: {met.value.reason}"
    assert dict(tally.unreadable) == {"Property.City": 1}


@pytest.mark.channel("C315")
def test_only_what_cannot_be_read_is_named_and_one_such_member_is_enough() -> None:
    read = plan("City eq 'A' and OwnerName eq 'B'")
    tally = Tally()

    assert prove(decode_record(b'{"ListingKey":"1","City":7,"OwnerName":"B"}'), read.record, tally) is None
    assert dict(tally.unreadable) == {"Property.City": 1}


@pytest.mark.channel("C357")
@pytest.mark.parametrize(
    ("child", "is_theirs", "is_anothers"),
    [
        ({"ListOfficeKey": "1", "PropertyType": "Farm"}, True, False),
        ({"ListOfficeKey": "1", "PropertyType": "Land"}, True, False),
        ({"ListOfficeKey": "1", "PropertyType": "Residential"}, False, True),
        ({"ListOfficeKey": "1", "PropertyType": None}, False, False),
        ({"ListOfficeKey": "2", "PropertyType": "Farm"}, False, True),
        ({"ListOfficeKey": None, "PropertyType": "Farm"}, False, False),
        ({"ListOfficeKey": 7, "PropertyType": "Farm"}, False, False),
        ({}, False, False),
    ],
)
def test_a_child_belongs_to_the_record_that_its_own_fields_name(
    child: dict[str, Any], is_theirs: bool, is_anothers: bool
) -> None:
    parent, below = row(ListingKey="1"), row(ListingKey="c", **child)

    assert belongs(parent, below, KIND) is is_theirs
    assert names_another(parent, below, KIND) is is_anothers
    assert is_of_kind(below, PLAIN)
    assert belongs(parent, below, PLAIN) is (child.get("ListOfficeKey") == "1")


@pytest.mark.channel("C357")
@pytest.mark.parametrize("key", [None, 7])
def test_a_parent_without_a_value_has_no_children_and_a_row_that_names_one_is_anothers(key: Any) -> None:
    parent, child = row(ListingKey=key), row(ListingKey="c", ListOfficeKey="1", PropertyType="Farm")

    assert not belongs(parent, child, KIND)
    assert names_another(parent, child, KIND)
    assert not belongs(parent, row(ListingKey="c", ListOfficeKey=key), PLAIN)


def test_a_key_of_the_row_itself_names_no_parent() -> None:
    link = Link(local="ListOfficeKey", target="ListingKey")

    assert not names_another(row(ListingKey="1", ListOfficeKey="9"), row(ListingKey="2"), link)


@pytest.mark.channel("C293")
@pytest.mark.parametrize(("equality", "same"), [("exact", False), ("fold_pad", True)])
def test_rows_are_grouped_as_the_upstream_compares(equality: str, same: bool) -> None:
    read = plan(profile=TRUSTING.model_copy(update={"string_equality": equality}))
    rows = [row(read, ListingKey=str(number), City=city) for number, city in enumerate(("a", "A ", None, 7))]

    groups = grouped(rows, "City")

    assert [len(group) for group in groups.values()] == ([2, 2] if same else [1, 1, 2])
    assert normal_of(rows[2], "City") is normal_of(rows[3], "City") is None
    assert rows[0].same("City", "A") is same
    assert not rows[2].same("City", "a")


@pytest.mark.channel("C18")
@pytest.mark.parametrize(
    ("order", "expected"),
    [("City,ListPrice desc", "dcba"), ("City desc,ListPrice desc", "acbd"), ("ListPrice", "dbac")],
)
def test_rows_are_ordered_by_each_column_with_nulls_first(order: str, expected: str) -> None:
    request = parse_request("GET", f"/r/Property?$orderby={order.replace(' ', '%20')}", root="/r", limits=Limits())
    found = decide(policy(role({"Property": {"Default": "Visible"}})), request, TRUSTING, AnswerSettings(), NOW)
    assert isinstance(found, Read)
    values = {"a": ("B", 2), "b": ("A", 1), "c": ("A", 3), "d": (None, None)}
    rows = [row(found, ListingKey=name, City=city, ListPrice=price) for name, (city, price) in values.items()]
    client = [item for item in found.ask.orderby if item.path.name != "ListingKey"]

    assert "".join(str(one.value("ListingKey")) for one in in_order(rows, client)) == expected
