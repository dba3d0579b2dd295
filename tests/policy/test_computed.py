"""Field and Lookup agree with the key's own metadata, because both are written from what it can see."""

from __future__ import annotations

import pytest

from gateway.odata.csdl import LOOKUP_NAME, LookupValue, parse_metadata
from gateway.policy.computed import computed_rows, with_computed
from gateway.redact.metadata import metadata_json, metadata_xml
from gateway.sandbox.rows import metadata_document, sandbox_schema
from tests.support import policy, role

VALUES = (
    LookupValue("1", "StandardStatus", "Active", None, None, "2025-01-01T00:00:00.000Z"),
    LookupValue("2", "OccupantType", "Owner", None, None, "2025-01-01T00:00:00.000Z"),
)
BASE = {
    "Property": {"Fields": {"All": {"Visible": ["City", "StandardStatus"], "Hidden": ["OwnerName"]}}},
    "Field": {"Default": "Visible"},
    "Lookup": {"Default": "Visible"},
}


@pytest.mark.channel("C169", "C235", "C310", "C311")
def test_rows_are_those_of_visible_fields_and_of_the_lookups_that_they_use() -> None:
    compiled = policy(role(BASE), schema=with_computed(sandbox_schema(), VALUES))

    fields = [(row.members["ResourceName"], row.members["FieldName"]) for row in computed_rows(compiled, "Field")]
    lookups = [row.members["LookupName"] for row in computed_rows(compiled, "Lookup")]
    metadata = parse_metadata(metadata_xml(compiled))

    assert set(fields) == {
        (name, member) for name in metadata.entity_sets for member in metadata.type_of(name).properties
    }
    assert ("Property", "OwnerName") not in fields
    assert lookups == ["StandardStatus"]
    used = {
        declared.annotations.get(LOOKUP_NAME)
        for name in metadata.entity_sets
        for declared in metadata.type_of(name).properties.values()
    }
    assert set(lookups) <= used


def test_members_of_enumerations_are_values_of_lookups() -> None:
    from tests.odata.test_csdl import BODY, HEAD, TAIL

    schema = with_computed(parse_metadata((HEAD + BODY + TAIL).encode()))
    compiled = policy(role({name: {"Default": "Visible"} for name in schema.entity_sets}), schema=schema)

    rows = [dict(row.members) for row in computed_rows(compiled, "Lookup")]

    assert rows
    enum = next(item for item in schema.enum_types.values() if item.name.endswith(str(rows[0]["LookupName"])))
    assert {row["LegacyODataValue"] for row in rows if row["LookupName"] == rows[0]["LookupName"]} == set(enum.members)


@pytest.mark.channel("C310", "C363")
def test_a_lookup_that_is_named_outside_a_property_has_its_rows_and_its_place_in_the_metadata() -> None:
    document = metadata_document().decode()
    inside = '<Annotation Term="RESO.OData.Metadata.LookupName" String="StandardStatus"/>'
    assert inside in document
    outside = f'<Annotations Target="Sandbox.Property/StandardStatus">{inside}</Annotations>'
    outside += outside.replace("StandardStatus", "OwnerName")
    moved = document.replace(inside, "").replace("<EntityContainer", outside + "<EntityContainer", 1)
    schema = with_computed(parse_metadata(moved.encode()), VALUES)
    compiled = policy(role(BASE), schema=schema)

    inline = policy(role(BASE), schema=with_computed(sandbox_schema(), VALUES))

    assert [row.members["LookupName"] for row in computed_rows(compiled, "Lookup")] == ["StandardStatus"]
    assert metadata_xml(compiled) == metadata_xml(inline)
    assert metadata_json(compiled) == metadata_json(inline)


def test_a_display_text_with_commas_is_one_value_of_a_lookup() -> None:
    from tests.odata.test_csdl import BODY, HEAD, TAIL

    text = BODY.replace('String="Active Now"', 'String="Active, and new"')
    schema = with_computed(parse_metadata((HEAD + text + TAIL).encode()))
    compiled = policy(role({name: {"Default": "Visible"} for name in schema.entity_sets}), schema=schema)

    rows = {row.members["LegacyODataValue"]: row.members["LookupValue"] for row in computed_rows(compiled, "Lookup")}

    assert rows == {"Active": "Active, and new", "Sold": "Sold"}


def test_the_upstreams_own_sets_of_that_name_are_replaced() -> None:
    schema = with_computed(sandbox_schema())

    assert schema.computed == {"Field", "Lookup"}
    assert schema.type_of("Lookup").key == ("LookupKey",)
    assert with_computed(schema) is schema
