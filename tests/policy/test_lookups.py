"""Values of closed lookups: which fields have them, and that they are those which the key can see (C310)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from gateway.errors import ConfigurationError
from gateway.odata.csdl import LookupValue, Schema, parse_metadata
from gateway.odata.json_format import decode_record
from gateway.policy.computed import with_computed
from gateway.policy.documents import Source
from gateway.policy.inputs import GatewayRules
from gateway.policy.model import Policy
from gateway.policy.write_body import read_body
from tests.odata.test_csdl import HEAD, TAIL
from tests.support import policy, role

OUTSIDE = "is not one of the values of this field"
ALLOWED = '<Annotation Term="Org.OData.Validation.V1.AllowedValues"><Collection>{}</Collection></Annotation>'
LOOKUP = '<Annotation Term="RESO.OData.Metadata.LookupName" String="{}"/>'


def listed(*values: str) -> str:
    return ALLOWED.format("".join(f'<Record><PropertyValue Property="Value" {value}/></Record>' for value in values))


BODY = f"""<EnumType Name="S" IsFlags="true"><Member Name="A" Value="1"/><Member Name="B" Value="2"/><Member Name="C" Value="4"/></EnumType>
<EntityType Name="Property"><Key><PropertyRef Name="ListingKey"/></Key><Property Name="ListingKey" Type="Edm.String" Nullable="false"/>
<Property Name="Listed" Type="Edm.String">{listed('String="A"', 'String="B, C"')}</Property>
<Property Name="Number" Type="Edm.Int32">{listed('Int="1"', 'Int="20"', 'String="x"')}</Property>
<Property Name="Flag" Type="Edm.Boolean">{listed('Bool="true"')}</Property>
<Property Name="Day" Type="Edm.Date">{listed('Date="2026-01-01"')}</Property>
<Property Name="Flags" Type="Ns.S">{listed('EnumMember="Ns.S/A Ns.S/B"')}</Property>
<Property Name="Free" Type="Ns.S"/><Property Name="Plain" Type="Edm.String"/>
<Property Name="Status" Type="Edm.String">{LOOKUP.format("Status")}</Property>
<Property Name="Hidden" Type="Edm.String">{LOOKUP.format("Hidden")}</Property><Property Name="Secret" Type="Ns.S"/>
<Property Name="Many" Type="Collection(Edm.String)">{LOOKUP.format("Many")}</Property>
<Property Name="Count" Type="Edm.Int32">{LOOKUP.format("Count")}</Property>
</EntityType><EntityContainer Name="C"><EntitySet Name="Property" EntityType="Ns.Property"/></EntityContainer>"""
FIELDS = ("Listed", "Number", "Flag", "Day", "Flags", "Free", "Plain", "Status", "Many", "Count")
ROWS = (
    ("Status", "Active"), ("Status", "Sold"), ("Hidden", "Canary"), ("Many", "x"), ("Many", "y, z"), ("Count", "3"),
)  # fmt: skip


def schema() -> Schema:
    rows = tuple(LookupValue(f"{name}-{value}", name, value, None, None, "") for name, value in ROWS)
    return with_computed(parse_metadata((HEAD + BODY + TAIL).encode()), rows)


def compiled(
    closed: Mapping[str, Mapping[str, bool]], found: Schema | None = None, earlier: Schema | None = None, **more: Any
) -> Policy:
    resources = {
        "Property": {
            "Fields": {"All": {"Visible": ["ListingKey", *FIELDS]}},
            "Writes": {"Methods": ["POST", "PATCH"], "Fields": list(FIELDS), "Control": ["Hidden", "Secret"]},
        },
        **more,
    }
    rules = GatewayRules(Source("gateway.yaml"), closed_lookups=closed)
    return policy(role(resources), schema=found or schema(), rules=rules, earlier=earlier)


def told(found: Policy, body: Any) -> dict[str, str]:
    record = decode_record(json.dumps(body).encode())
    _, details = read_body(record, "POST", found.resources["Property"], found.schema, {})
    return {detail.target: detail.message for detail in details}


EVERY = dict.fromkeys(("Status", "Many", "Count", "Hidden"), True)


@pytest.mark.channel("C310")
@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("Listed", ["A", "B, C", None], ["a", "A ", "B", "", "foobar"]), ("Number", [1, 20, 1.0, 2e1, None], [2, 0]), ("Flag", [True], [False]),
        ("Day", ["2026-01-01"], ["2026-01-02"]), ("Flags", ["A", "B", "A,B"], ["C", "A,C"]), ("Status", ["Active", "Sold", None], ["active", "Canary", "foobar", ""]),
        ("Many", [[], ["x"], ["y, z", "x"]], [["x", "y"], ["X"], [""]]), ("Count", [3, None], [4]),
    ],
)  # fmt: skip
def test_a_closed_lookup_takes_its_values_and_no_others(name: str, inside: list[Any], outside: list[Any]) -> None:
    found = compiled({"Property": EVERY})

    assert [told(found, {name: value}) for value in inside] == [{}] * len(inside)
    assert [told(found, {name: value}) for value in outside] == [{name: OUTSIDE}] * len(outside)


def test_what_metadata_enumerates_is_closed_and_what_rows_of_lookup_tell_is_open() -> None:
    found = compiled({})

    body = {"Listed": "foobar", "Status": "foobar", "Many": ["foobar"], "Count": 9, "Plain": "foobar"}
    assert told(found, body) == {"Listed": OUTSIDE}


def test_the_setting_opens_what_metadata_lists() -> None:
    assert told(compiled({"Property": {"Listed": False}}), {"Listed": "foobar"}) == {}


@pytest.mark.channel("C310")
def test_values_of_a_hidden_field_are_told_by_no_write() -> None:
    """Whatever is written into a field that is only taken: its lookup and its enumeration are hidden as well."""
    found = compiled({"Property": EVERY})

    assert [told(found, {"Hidden": value, "Secret": value}) for value in ("Canary", "A", "foobar", "A,B")] == [{}] * 4
    assert told(found, {"Status": "Canary"}) == told(found, {"Status": "Nowhere"})


def test_an_enumeration_that_is_only_taken_keeps_the_spelling_of_a_member() -> None:
    found = compiled({})
    bodies = [
        read_body(
            decode_record(json.dumps({"Secret": text}).encode()), "POST", found.resources["Property"], found.schema, {}
        )[0]
        for text in ("B, A", "foobar")
    ]

    assert [body.text for body in bodies] == [b'{"Secret":"A,B"}', b'{"Secret":"foobar"}']


@pytest.mark.channel("C310")
@pytest.mark.parametrize(
    ("lookup", "active"),
    [
        ({"Default": "Visible"}, {}), ({"Default": "Visible", "Filter": "LookupValue ne 'Active'"}, {"Status": OUTSIDE}),
        ({"Default": "Visible", "Filter": "LookupValue eq 'Active'"}, {}), ({"Default": "Hidden"}, {"Status": OUTSIDE}),
        ({"Fields": {"All": {"When": [{"Condition": "LookupName eq 'Many'", "Fields": ["LookupValue"]}], "Visible": ["LookupName"]}}}, {"Status": OUTSIDE}),
        ({"Default": "Visible", "Filter": "LookupValue ne @MemberKey"}, {"Status": OUTSIDE}), ({"Default": "Visible", "Filter": "ModificationTimestamp lt now()"}, {"Status": OUTSIDE}),
    ],
)  # fmt: skip
def test_rows_of_lookup_that_the_key_cannot_read_are_no_values(lookup: Any, active: dict[str, str]) -> None:
    found = compiled({"Property": EVERY}, Lookup=lookup)

    assert told(found, {"Status": "Active"}) == active
    assert told(found, {"Status": "foobar"}) == {"Status": OUTSIDE}


def test_a_closed_lookup_of_which_no_row_is_known_takes_null_alone() -> None:
    found = compiled({"Property": {"Status": True}}, replace(schema(), lookups=()))

    assert told(found, {"Status": "Active"}) == {"Status": OUTSIDE}
    assert told(found, {"Status": None}) == {}
    message = "`Property.Status` takes no value but null: no row of the lookup `Status` is known"
    assert f"policy.closed_lookups: {message}" in found.notes


@pytest.mark.parametrize(
    ("closed", "message"),
    [
        ({"Nonsense": {"Status": True}}, "`Nonsense` is not a resource of the upstream"), ({"Property": {"Stattus": True}}, "`Stattus` is not a field of the upstream's `Property`"),
        ({"Property": {"Plain": True}}, "the upstream's metadata names no lookup of `Plain`, so it cannot be closed"), ({"Property": {"Free": False}}, "`Free` is an enumeration, and closed by its type"),
        ({"Property": {"Flags": False}}, "`Flags` is an enumeration, and closed by its type"),
    ],
)  # fmt: skip
def test_an_entry_that_could_protect_nothing_is_a_fault(closed: Mapping[str, Mapping[str, bool]], message: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        compiled(closed)

    (fault,) = refused.value.faults
    assert (fault.file, fault.path[:2], fault.message) == ("gateway.yaml", ("policy", "closed_lookups"), message)


def test_what_the_data_dictionary_knows_and_this_upstream_lacks_is_a_note() -> None:
    found = compiled({"Property": {"StandardStatus": True}, "Teams": {"TeamStatus": True}})

    assert [note for note in found.notes if "closed" in note] == [
        "policy.closed_lookups: `StandardStatus` is not a field of the upstream's `Property`"
    ]


def test_a_lookup_that_goes_away_denies_its_values_and_nothing_else() -> None:
    """A refresh of metadata that loses an annotation refuses no policy; the setting still holds."""
    now = with_computed(parse_metadata((HEAD + BODY.replace(LOOKUP.format("Status"), "") + TAIL).encode()), ())
    found = compiled({"Property": {"Status": True}}, now, schema())

    assert not found.resources["Property"].broken
    assert told(found, {"Status": "Active", "Plain": "x"}) == {"Status": OUTSIDE}


def test_a_lookup_that_gets_a_value_leaves_the_fingerprint() -> None:
    more = schema()
    more = replace(more, lookups=(*more.lookups, LookupValue("n", "Status", "New", None, None, "")))
    one, two = compiled({"Property": EVERY}), compiled({"Property": EVERY}, more)

    assert told(one, {"Status": "New"}) != told(two, {"Status": "New"})
    assert one.fingerprint == two.fingerprint != compiled({}).fingerprint
