"""A key's own $metadata: everything that it can name, and nothing else."""

from __future__ import annotations

import json

import pytest

from gateway.odata.csdl import Schema, parse_metadata
from gateway.policy.computed import with_computed
from gateway.policy.model import Policy
from gateway.redact.metadata import metadata_json, metadata_xml
from gateway.sandbox.rows import metadata_document
from tests.odata.test_csdl import BODY, HEAD, TAIL
from tests.support import policy, role, template

FIELDS = [
    "City",
    "ListPrice",
    "PropertyType",
    "Appliances",
    "Media",
    "ListOffice",
    "ListOfficeKey",
    "ListAgent",
    "OpenHouse",
    "PhotosCount",
]
BASE = role(
    {
        "Property": {
            "Filter": "OwnerName ne 'x'",
            "Fields": {"All": {"Visible": FIELDS}, "Land": {"Hidden": ["ListPrice"]}},
        },
        "Media": {"Fields": {"All": {"Visible": ["Order", "MediaURL"]}}},
        "Office": {"Fields": {"All": {"Visible": ["OfficeName"]}}},
    }
)
COMPILED = policy(
    BASE, template(ListingPhotoLimit=3, RestrictiveFilters={"Property": {"Filter": "PrivateRemarks ne 'canary'"}})
)


def read(compiled: Policy) -> Schema:
    return parse_metadata(metadata_xml(compiled))


@pytest.mark.guarantee("G1")
@pytest.mark.channel("C165", "C169")
def test_sets_of_our_own_stand_in_a_namespace_that_the_key_sees() -> None:
    """Whatever set stands first in the upstream's document, and whether it has a Field of its own."""
    base = role(
        {
            "Field": {"Default": "Visible"},
            "Property": {"Fields": {"All": {"Visible": ["City"]}}},
        }
    )
    secret = (
        '<Schema xmlns="http://docs.oasis-open.org/odata/ns/edm" Namespace="Canary"><EntityType Name="Field"><Key>'
        '<PropertyRef Name="Id"/></Key><Property Name="Id" Type="Edm.String"/></EntityType></Schema>'
    )
    plain = metadata_document().decode()
    place = plain.index("<Schema ")
    hidden = plain[:place] + secret + plain[place:]
    documents = [plain] + [
        hidden.replace(container, container + f'<EntitySet Name="{name}" EntityType="Canary.Field"/>')
        for container in ['<EntityContainer Name="Container">']
        for name in ("Secret", "Field")
    ]
    found = []
    for document in documents:
        compiled = policy(base, schema=with_computed(parse_metadata(document.encode())))
        found.append((metadata_xml(compiled), metadata_json(compiled)))

    assert documents[0] != documents[1] != documents[2]
    assert found[0] == found[1] == found[2]
    assert b'<EntityType Name="Field">' in found[0][0]
    assert b"Canary" not in found[0][0] + found[0][1]


@pytest.mark.channel("C165", "C310", "C311")
def test_it_names_what_exists_for_the_key_and_nothing_else() -> None:
    schema = read(COMPILED)

    assert set(schema.entity_sets) == {"Property", "Office", "Media"}
    assert set(schema.type_of("Property").properties) == set(COMPILED.resources["Property"].fields)
    assert set(schema.type_of("Property").navigation) == {"Media", "ListOffice"}  # its target is closed, or not there
    assert set(schema.types["Sandbox.Media"].properties) == {"MediaKey", "Order", "MediaURL"}
    for document in (metadata_xml(COMPILED), metadata_json(COMPILED)):
        for hidden in (
            b"OwnerName",
            b"PrivateRemarks",
            b"canary",
            b"StreetName",
            b"Member",
            b"PhotosChangeTimestamp",
            b"OpenHouse",
        ):
            assert hidden not in document


@pytest.mark.channel("C165")
def test_bindings_lead_to_sets_that_the_container_has() -> None:
    xml, container = metadata_xml(COMPILED), json.loads(metadata_json(COMPILED))["Sandbox"]["Container"]

    assert container["Property"]["$NavigationPropertyBinding"] == {"ListOffice": "Office", "Media": "Media"}
    assert b'<NavigationPropertyBinding Path="ListOffice" Target="Office"/>' in xml
    assert xml.count(b"<NavigationPropertyBinding") == 2


@pytest.mark.channel("C165")
def test_hidden_things_of_the_upstream_change_no_byte() -> None:
    """Another upstream that lacks what is hidden here, or describes it otherwise, gives the same document."""
    text = metadata_document().decode()
    more = text.replace(
        '<EntityType Name="Property">', '<EntityType Name="Property"><Property Name="Brand" Type="Edm.String"/>', 1
    )

    assert metadata_xml(policy(BASE, schema=parse_metadata(more.encode()))) == metadata_xml(policy(BASE))


@pytest.mark.channel("C309")
def test_a_conditional_field_is_nullable() -> None:
    text = metadata_document().decode()
    start = text.index('<Property Name="ListPrice"')
    strict = text[:start] + text[start:].replace("/>", ' Nullable="false"/>', 1)
    schema = parse_metadata(strict.encode())

    everywhere = role({"Property": {"Fields": {"All": {"Visible": ["ListPrice"]}}}})

    assert not read(policy(everywhere, schema=schema)).type_of("Property").properties["ListPrice"].nullable
    assert read(policy(BASE, schema=schema)).type_of("Property").properties["ListPrice"].nullable


def test_keys_facets_lookups_and_links_are_those_of_the_upstream() -> None:
    listing = read(COMPILED).type_of("Property")

    assert listing.key == ("ListingKey",)
    assert not listing.properties["ListingKey"].nullable
    assert (listing.properties["ListPrice"].precision, listing.properties["ListPrice"].scale) == (14, 2)
    assert listing.properties["PropertyType"].annotations == {"RESO.OData.Metadata.LookupName": "PropertyType"}
    assert listing.properties["Appliances"].type.is_collection
    assert listing.navigation["ListOffice"].constraints == (("ListOfficeKey", "OfficeKey"),)


@pytest.mark.channel("C310")
def test_an_enumeration_goes_with_the_last_field_that_uses_it() -> None:
    schema = parse_metadata((HEAD + BODY + TAIL).encode())
    shown = policy(role({"Listings": {"Fields": {"All": {"Visible": ["Status"]}}}}), schema=schema)
    hidden = policy(role({"Listings": {"Fields": {"All": {"Visible": ["Price"]}}}}), schema=schema)

    assert read(shown).enum_types["Ns.Status"].members == {"Active": 1, "Sold": 2}
    assert b"Sold" not in metadata_xml(hidden)
    assert b"Status" not in metadata_json(hidden)


@pytest.mark.channel("C119")
def test_two_sets_over_one_type_have_a_type_each() -> None:
    text = metadata_document().decode()
    second = text.replace(
        '<EntitySet Name="Member"', '<EntitySet Name="Staff" EntityType="Sandbox.Member"/><EntitySet Name="Member"'
    )
    base = role(
        {
            "Member": {"Fields": {"All": {"Visible": ["MemberFullName"]}}},
            "Staff": {"Fields": {"All": {"Visible": ["MemberEmail"]}}},
        }
    )

    schema = read(policy(base, schema=parse_metadata(second.encode())))

    assert set(schema.type_of("Member").properties) == {"MemberKey", "MemberFullName"}
    assert set(schema.type_of("Staff").properties) == {"MemberKey", "MemberEmail"}


def test_json_tells_what_xml_tells() -> None:
    document = json.loads(metadata_json(COMPILED))
    schema = read(COMPILED)
    listing = document["Sandbox"]["Property"]

    assert document["$EntityContainer"] == "Sandbox.Container"
    assert {name for name in document["Sandbox"]["Container"] if not name.startswith("$")} == set(schema.entity_sets)
    names = {name for name in listing if not name.startswith("$")}
    assert names == {*schema.type_of("Property").properties, *schema.type_of("Property").navigation}
    assert listing["ListOffice"] == {
        "$Kind": "NavigationProperty",
        "$Nullable": True,
        "$Type": "Sandbox.Office",
        "$ReferentialConstraint": {"ListOfficeKey": "OfficeKey"},
    }
    assert listing["Media"] == {"$Kind": "NavigationProperty", "$Collection": True, "$Type": "Sandbox.Media"}
    assert listing["ListPrice"] == {"$Type": "Edm.Decimal", "$Nullable": True, "$Precision": 14, "$Scale": 2}


def test_a_navigation_that_cannot_be_expanded_is_not_told_of() -> None:
    """Without fields that tie rows together it is not offered, so it is not there."""
    text = metadata_document().decode().replace(
        '<NavigationProperty Name="Media" Type="Collection(Sandbox.Media)"/>',
        '<NavigationProperty Name="Media" Type="Collection(Sandbox.Media)"/><NavigationProperty Name="Odd" Type="Sandbox.Office"/>', 1
    )  # fmt: skip
    base = role({"Property": {"Default": "Visible"}, "Office": {"Fields": {"All": {"Visible": ["OfficeName"]}}}})

    compiled = policy(base, schema=parse_metadata(text.encode()))

    assert "Odd" in compiled.resources["Property"].navigation
    assert b"Odd" not in metadata_xml(compiled)


def test_values_of_members_are_strings_where_large_numbers_are() -> None:
    """CSDL JSON, 3: IEEE754Compatible."""
    schema = parse_metadata((HEAD + BODY + TAIL).encode())
    shown = policy(role({"Listings": {"Fields": {"All": {"Visible": ["Status"]}}}}), schema=schema)
    plain, quoted = [json.loads(metadata_json(shown, quoted=flag))["Ns"]["Status"] for flag in (False, True)]

    assert (plain["Active"], plain["Sold"]) == (1, 2)
    assert (quoted["Active"], quoted["Sold"]) == ("1", "2")


@pytest.mark.channel("C309")
@pytest.mark.parametrize("side", ["neither", "local", "target"])
def test_a_constraint_over_a_conditional_field_is_not_told_of(side: str) -> None:
    """It says that both fields are equal, which is not so where one of them is not there."""
    listing = {"All": {"Visible": ["PropertyType", "ListAgent", "ListAgentKey"]},
               **({"Land": {"Hidden": ["ListAgentKey"]}} if side == "local" else {})}  # fmt: skip
    member = {"Fields": {"All": {"Visible": ["MemberFullName"]}}}
    text = metadata_document().decode()
    if side == "target":
        # The navigation is tied by another field than the key, which must be visible everywhere.
        text = text.replace('ReferencedProperty="MemberKey"', 'ReferencedProperty="MemberMlsId"')
    when = {"Member": {"All": {"MemberMlsId": {"Rule": "Visible", "When": "MemberStatus eq 'Active'"}}}}
    over = template(FieldOverrides=when if side == "target" else None)
    base = role({"Property": {"Fields": listing}, "Member": member})
    compiled = policy(base, over, schema=parse_metadata(text.encode()))

    found = read(compiled).type_of("Property").navigation["ListAgent"].constraints
    told = b"ReferentialConstraint" in metadata_json(compiled)

    assert bool(found) is told is (side == "neither")


def test_json_is_written_member_by_member() -> None:
    """CSDL JSON 4.01: absent members have the values that the standard gives them."""
    schema = parse_metadata((HEAD + BODY + TAIL).encode())
    base = role({name: {"Default": "Visible"} for name in ("Listings", "Agents")})

    assert json.loads(metadata_json(policy(base, schema=schema))) == {
        "$Version": "4.01",
        "$EntityContainer": "Ns.Container",
        "Ns": {
            "Listing": {
                "$Kind": "EntityType", "$Key": ["Id"], "Id": {"$MaxLength": 20},
                "Price": {"$Type": "Edm.Decimal", "$Nullable": True, "$Precision": 14, "$Scale": 2, "@RESO.OData.Metadata.LookupName": "Prices"},
                "Status": {"$Type": "Ns.Status", "$Nullable": True},
                "Tags": {"$Collection": True, "$Nullable": True},
                "AgentKey": {"$Nullable": True},
                "Agent": {"$Kind": "NavigationProperty", "$Nullable": True, "$Type": "Ns.Agent", "$ReferentialConstraint": {"AgentKey": "Id"}},
            },
            "Agent": {"$Kind": "EntityType", "$Key": ["Id"], "Id": {"$MaxLength": 20}},
            "Status": {"$Kind": "EnumType", "$IsFlags": True, "Active": 1, "Sold": 2},
            "Container": {
                "$Kind": "EntityContainer",
                "Listings": {"$Collection": True, "$Type": "Ns.Listing", "$NavigationPropertyBinding": {"Agent": "Agents"}},
                "Agents": {"$Collection": True, "$Type": "Ns.Agent"},
            },
        },
    }  # fmt: skip
