"""Documents become a policy, or every fault is told at once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.errors import ConfigurationError
from gateway.odata.ast import TRUE
from gateway.odata.csdl import Schema, parse_metadata
from gateway.odata.printer import print_expression
from gateway.policy import data_dictionary
from gateway.policy.binding import bind_policy
from gateway.policy.compilation import GatewayRules
from gateway.policy.computed import with_computed
from gateway.policy.documents import PRIVILEGES, Role, RoleDocument, Source, validate
from gateway.policy.embedded import with_embedded
from gateway.policy.model import Policy
from gateway.policy.profile import Link, Profile
from gateway.sandbox.rows import metadata_document, sandbox_schema
from gateway.store.documents import read_document
from gateway.store.tree import Tree
from tests.support import CONFIG, TRUSTING, policy, role, syndication, template

PROPERTY = {"Fields": {"All": {"Visible": ["City", "ListPrice", "PropertyType", "StandardStatus", "PhotosCount", "VideosCount",
                                           "PhotosChangeTimestamp", "Media", "ListAgent", "ListAgentKey"]}}}  # fmt: skip
MEDIA = {"Fields": {"All": {"Visible": ["Order", "MediaURL"]}}}
MEMBER = {"Fields": {"All": {"Visible": ["MemberFullName"]}}}


def visible(compiled: Policy, resource: str = "Property") -> set[str]:
    found = compiled.resources[resource]
    return {*found.fields, *found.navigation}


def condition(compiled: Policy, name: str) -> str:
    return print_expression(compiled.resources["Property"].fields[name].condition)


def faults(*arguments: Any, **keywords: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as refused:
        policy(*arguments, **keywords)
    return [str(fault) for fault in refused.value.faults]


def shipped(name: str) -> Role:
    document = read_document(Tree(CONFIG), f"roles/{name}.yaml")
    source = Source(f"roles/{name}.yaml")
    return Role(validate(RoleDocument, document.data, source), source)


# --- P1, P2: closed by default, and the order of the layers


@pytest.mark.channel("C2", "C234")
def test_what_no_rule_names_does_not_exist() -> None:
    compiled = policy(role({"Property": PROPERTY}))

    assert set(compiled.resources) == {"Property"}
    assert "PrivateRemarks" not in visible(compiled)
    assert "Media" not in visible(compiled)  # its resource is closed


@pytest.mark.parametrize(
    ("role_all", "role_land", "over_all", "over_land", "elsewhere", "land"),
    [
        ("Visible", None, None, None, True, True),
        (None, None, None, None, False, False),
        ("Visible", "Hidden", None, None, True, False),
        ("Hidden", "Visible", None, None, False, True),
        ("Visible", "Hidden", "Visible", None, True, True),
        ("Visible", "Visible", "Hidden", None, False, False),
        ("Visible", None, "Hidden", "Visible", False, True),
        ("Hidden", "Hidden", "Visible", "Hidden", True, False),
    ],
)
def test_the_most_particular_rule_of_the_upper_layer_wins(
    role_all: str | None,
    role_land: str | None,
    over_all: str | None,
    over_land: str | None,
    elsewhere: bool,
    land: bool,
) -> None:
    """P2: template's class, template's All, role's class, role's All, role's default."""
    groups = {
        "All": {"Visible": ["PropertyType"], **({role_all: ["City"]} if role_all == "Hidden" else {})},
        "Land": {},
    }
    if role_all == "Visible":
        groups["All"]["Visible"].append("City")
    if role_land:
        groups["Land"] = {role_land: ["City"]}
    overrides = {
        "All": {"City": {"Rule": over_all}} if over_all else {},
        "Land": {"City": {"Rule": over_land}} if over_land else {},
    }

    compiled = policy(role({"Property": {"Fields": groups}}), template(FieldOverrides={"Property": overrides}))

    field = compiled.resources["Property"].fields.get("City")
    text = print_expression(field.condition) if field else "false"
    assert (
        text
        == {
            (True, True): "true",
            (False, False): "false",
            (
                True,
                False,
            ): "(PropertyType ne null) and (PropertyType in ('Residential','Residential Lease','Residential Income',"
            "'Manufactured In Park','Farm','Commercial Sale','Commercial Lease','Business Opportunity'))",
            (False, True): "(PropertyType ne null) and (PropertyType in ('Land'))",
        }[elsewhere, land]
    )


@pytest.mark.channel("C246", "C247", "C341")
def test_class_rules_are_positive_so_a_null_or_unlisted_class_sees_least() -> None:
    compiled = policy(
        role({"Property": PROPERTY}), template(FieldOverrides={"Property": {"Land": {"ListPrice": {"Rule": "Hidden"}}}})
    )

    assert " ne '" not in condition(compiled, "ListPrice")
    assert "'Land'" not in condition(compiled, "ListPrice")


@pytest.mark.channel("C339")
def test_a_condition_and_a_class_are_one_mechanism() -> None:
    when = {"Rule": "Visible", "When": "InternetAddressDisplayYN eq true"}
    over = template(
        FieldOverrides={"Property": {"All": {"StreetName": when}, "Land": {"StreetName": {"Rule": "Visible"}}}}
    )

    compiled = policy(role({"Property": PROPERTY}), over)

    flag = "(InternetAddressDisplayYN ne null) and (InternetAddressDisplayYN eq true)"
    in_land = "(PropertyType ne null) and (PropertyType in ('Land'))"
    others = condition(compiled, "StreetName")
    # Of an unlisted class nothing is known, so it is under the stricter of the two: the flag.
    assert others.startswith(f"({flag}) or (")
    assert in_land in others


def test_a_field_with_one_condition_in_every_class_needs_no_class() -> None:
    when = {"Rule": "Visible", "When": "InternetAddressDisplayYN eq true"}

    compiled = policy(
        role({"Property": PROPERTY}), template(FieldOverrides={"Property": {"All": {"StreetName": when}}})
    )

    assert (
        condition(compiled, "StreetName") == "(InternetAddressDisplayYN ne null) and (InternetAddressDisplayYN eq true)"
    )


# --- P5: row rules


def rule(compiled: Policy, resource: str = "Property") -> list[str]:
    return [print_expression(part.expression) for part in compiled.resources[resource].parts]


BASE = {
    "Property": {**PROPERTY, "Filter": "City eq 'A'", "Always": ["ListingId ne 'X'"]},
    "Member": {**MEMBER, "Filter": "MemberStatus eq 'Active'"},
}
ROLE_FILTER = "(City ne null) and (City eq 'A')"
ALWAYS = "(ListingId ne null) and (ListingId ne 'X')"


@pytest.mark.channel("C368")
@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (None, [ROLE_FILTER, ALWAYS]),
        ({"Property": None}, [ROLE_FILTER, ALWAYS]),
        ({"RESODictionaryVersion": 1.0}, [ROLE_FILTER, ALWAYS]),
        ({"Property": {"Filter": None}}, [ALWAYS]),
        ({"Properties": {"Filter": "City eq 'B'"}}, ["(City ne null) and (City eq 'B')", ALWAYS]),
    ],
)
def test_a_template_replaces_or_lifts_the_filter_and_never_what_always_holds(filters: Any, expected: list[str]) -> None:
    compiled = policy(role(BASE), template(RestrictiveFilters=filters))

    assert rule(compiled) == expected


@pytest.mark.channel("C368")
def test_null_under_an_alias_keeps_the_filter_of_members() -> None:
    """The seed's own example has `"Agent": null`: read as "no restriction" it would open every member."""
    compiled = policy(role(BASE), template(RestrictiveFilters={"Agent": None}))

    assert rule(compiled, "Member") == ["(MemberStatus ne null) and (MemberStatus eq 'Active')"]


@pytest.mark.channel("C368")
def test_conditions_of_the_gateway_hold_for_every_key() -> None:
    rules = GatewayRules(Source("gateway.yaml"), always={"Property": ("ListingKey ne 'L1'",)})

    compiled = policy(role(BASE), template(RestrictiveFilters={"Property": {"Filter": None}}), rules=rules)

    assert rule(compiled) == [ALWAYS, "(ListingKey ne null) and (ListingKey ne 'L1')"]


@pytest.mark.channel("C338")
def test_syndications_are_definite() -> None:
    opt_in = policy(role({"Property": PROPERTY}), template(), syndicated=syndication("opt_in"))
    opt_out = policy(role({"Property": PROPERTY}), template(), syndicated=syndication("opt_out"))
    by_flag = policy(role({"Property": PROPERTY}), template(), syndicated=syndication("opt_in", "IDXOptInYN", True))

    assert rule(opt_in) == ["SyndicateTo/any(x__:x__ eq 'ListHub')"]
    assert rule(opt_out) == ["SyndicateTo/all(x__:(x__ ne null) and (x__ ne 'ListHub'))"]
    assert rule(by_flag) == ["(IDXOptInYN ne null) and (IDXOptInYN eq true)"]


@pytest.mark.channel("C251")
def test_a_rule_may_test_what_the_key_cannot_see() -> None:
    compiled = policy(role({"Property": {**PROPERTY, "Filter": "OwnerName eq 'X'"}}))

    assert "OwnerName" not in visible(compiled)
    assert "OwnerName" in rule(compiled)[0]


# --- P7: media


@pytest.mark.channel("C224", "C335")
def test_a_limit_clamps_the_counter_and_hides_the_time() -> None:
    compiled = policy(role({"Property": PROPERTY, "Media": MEDIA}), template(ListingPhotoLimit=3))
    counter = compiled.resources["Property"].fields["PhotosCount"]

    assert (counter.clamp, counter.queryable) == (3, False)
    assert "PhotosChangeTimestamp" not in visible(compiled)
    assert compiled.resources["Media"].photo is not None


@pytest.mark.channel("C224")
def test_a_template_that_says_visible_declassifies() -> None:
    shown = {"All": {"PhotosCount": {"Rule": "Visible"}, "PhotosChangeTimestamp": {"Rule": "Visible"}}}

    compiled = policy(
        role({"Property": PROPERTY, "Media": MEDIA}), template(ListingPhotoLimit=3, FieldOverrides={"Property": shown})
    )

    assert compiled.resources["Property"].fields["PhotosCount"].clamp is None
    assert "PhotosChangeTimestamp" in visible(compiled)


@pytest.mark.channel("C335")
def test_counters_go_when_media_has_a_rule_of_its_own_or_is_not_visible() -> None:
    closed = policy(role({"Property": PROPERTY}))
    ruled = policy(role({"Property": PROPERTY, "Media": {**MEDIA, "Filter": "MediaCategory eq 'Photo'"}}))
    free = policy(role({"Property": PROPERTY, "Media": MEDIA}))

    assert not {"PhotosCount", "VideosCount"} & visible(closed)
    assert not {"PhotosCount", "VideosCount"} & visible(ruled)
    assert {"PhotosCount", "VideosCount"} <= visible(free)


# --- P10: faults


def test_every_fault_is_told_at_once_in_the_authors_words() -> None:
    over = template(
        ListingPhotoLimit=2,
        RestrictiveFilters={
            "Property": {"Filter": "Statuss eq 'Active'"},
            "Agent": {"Filter": "MemberStatus eq"},
            "Nope": None,
        },
        FieldOverrides={
            "Property": {
                "Residental": {"ListPrice": {"Rule": "Hidden"}},
                "All": {"TotalBath": {"Rule": "Hidden"}, "City": {"Rule": "Visible", "When": "BedroomsTotal eq 'x'"}},
            },
            "Member": {"All": {"MemberPassword": {"Rule": "Visible"}}},
            "Members": {"All": {}},
        },
    )

    told = faults(role({"Property": PROPERTY, "Member": MEMBER}), over)

    expected = {
        "RestrictiveFilters.Property.Filter: `Statuss` in `Statuss eq 'Active'` is no field of the upstream's `Property`",
        "RestrictiveFilters.Agent.Filter: `MemberStatus eq` is not understood at character 14",
        "RestrictiveFilters.Nope: `Nope` is no resource of the upstream",
        "FieldOverrides.Property.All.TotalBath: `TotalBath` is no field of the upstream's `Property`",
        "FieldOverrides.Property.All.City.When: `BedroomsTotal` in `BedroomsTotal eq 'x'` is compared with a literal that is no number",
        "FieldOverrides.Members: `Member` is given twice, once as an alias",
        "FieldOverrides.Member.All.MemberPassword: `MemberPassword` may not be made visible",
    }
    assert {line.removeprefix("templates/t.json: D.") for line in told if "Residental" not in line} == expected
    assert any("`Residental` is no class of this resource; known are `All`, `Residential`" in line for line in told)


@pytest.mark.channel("C272", "C246")
def test_keys_and_the_class_field_cannot_be_hidden() -> None:
    base = role({"Property": PROPERTY})
    key = faults(base, template(FieldOverrides={"Property": {"All": {"ListingKey": {"Rule": "Hidden"}}}}))
    by_class = {"All": {"PropertyType": {"Rule": "Hidden"}}, "Land": {"City": {"Rule": "Hidden"}}}
    class_field = faults(base, template(FieldOverrides={"Property": by_class}))

    assert any("the key `ListingKey` of `Property` must be visible" in line for line in key)
    assert any("`PropertyType` must be visible" in line for line in class_field)


@pytest.mark.channel("C346")
@pytest.mark.parametrize("when", ["StreetName ne null", "UnitNumber ne null"])
def test_a_condition_rests_on_nothing_conditional(when: str) -> None:
    rules = {
        "StreetName": {"Rule": "Visible", "When": when},
        "UnitNumber": {"Rule": "Visible", "When": "WaterfrontYN eq true"},
    }

    told = faults(role({"Property": PROPERTY}), template(FieldOverrides={"Property": {"All": rules}}))

    assert any("is conditional itself" in line for line in told)


@pytest.mark.channel("C340", "C236")
def test_some_fields_are_revealed_by_nobody() -> None:
    everything = role(
        {"Member": {"Default": "Visible"}, "Property": PROPERTY}, NeverVisible={"Member": ["MemberLoginId"]}
    )
    rules = GatewayRules(Source("gateway.yaml"), never_visible={"Member": ("MemberEmail",)})

    compiled = policy(everything, rules=rules)

    assert not {"MemberPassword", "MemberLoginId", "MemberEmail"} & visible(compiled, "Member")
    assert "MemberFullName" in visible(compiled, "Member")


def test_hiding_alone_opens_no_resource() -> None:
    over = template(
        FieldOverrides={
            "Office": {"All": {"OfficeName": {"Rule": "Hidden"}}},
            "Member": {"All": {"MemberFullName": {"Rule": "Visible"}}},
        }
    )

    compiled = policy(role({"Property": PROPERTY}), over)

    assert set(compiled.resources) == {"Property", "Member"}
    assert visible(compiled, "Member") == {"MemberFullName", "MemberKey"}


@pytest.mark.channel("C273")
def test_a_hidden_foreign_key_hides_what_it_leads_to_unless_named() -> None:
    hidden = {
        "Default": "Visible",
        "Fields": {"All": {"Hidden": ["ListAgentKey", "BuyerAgentKey"], "Visible": ["BuyerAgent"]}},
    }

    compiled = policy(role({"Property": hidden, "Member": MEMBER}))

    assert "ListAgent" not in visible(compiled)
    assert "BuyerAgent" in visible(compiled)


@pytest.mark.channel("C119")
def test_a_second_set_over_the_same_type_stays_closed_until_named() -> None:
    text = metadata_document().decode()
    second = text.replace(
        '<EntitySet Name="Member"', '<EntitySet Name="Listings" EntityType="Sandbox.Property"/><EntitySet Name="Member"'
    )

    compiled = policy(role({"Property": PROPERTY}), schema=parse_metadata(second.encode()))

    assert set(compiled.resources) == {"Property"}


# --- P10, P13: schemas that change


def schema_without(*names: str) -> Schema:
    lines = metadata_document().decode().split("\n")
    kept, skipping = [], False
    for line in lines:
        if any(f'<Property Name="{name}"' in line for name in names):
            skipping = not line.rstrip().endswith("/>")
            continue
        if skipping:
            skipping = "</Property>" not in line
            continue
        kept.append(line)
    return parse_metadata("\n".join(kept).encode())


@pytest.mark.channel("C260", "C350")
def test_a_rule_that_cannot_be_decided_any_more_denies_its_resource_and_no_other() -> None:
    base = role({"Property": {**PROPERTY, "Filter": "WaterfrontYN eq true"}, "Member": MEMBER})
    over = template(FieldOverrides={"Property": {"Land": {"ListPrice": {"Rule": "Hidden"}}}})

    compiled = policy(base, over, schema=schema_without("WaterfrontYN"), earlier=sandbox_schema())

    assert compiled.resources["Property"].broken
    assert not compiled.resources["Member"].broken


@pytest.mark.channel("C260", "C350")
def test_documents_that_were_never_whole_are_not_served_because_a_schema_came_before() -> None:
    """An attack found this: a second fetch of the metadata turned a misspelt Hidden into a note."""
    over = template(
        RestrictiveFilters={"Propertys": {"Filter": "City eq 'A'"}},
        FieldOverrides={"Property": {"All": {"ListPrise": {"Rule": "Hidden"}}}},
    )

    told = faults(role({"Property": PROPERTY}), over, earlier=sandbox_schema())

    assert any("Propertys" in line for line in told)


@pytest.mark.channel("C260", "C350")
def test_a_misspelt_field_denies_its_resource_even_after_an_earlier_schema() -> None:
    over = template(FieldOverrides={"Property": {"All": {"ListPrise": {"Rule": "Hidden"}}}})

    assert policy(role({"Property": PROPERTY}), over, earlier=sandbox_schema()).resources["Property"].broken


@pytest.mark.channel("C333", "C357")
def test_a_constraint_of_the_metadata_does_not_stand_in_for_the_kind_of_parent() -> None:
    """An attack found this: keys of members and listings may be equal, and the photos of one showed under the other."""
    constraint = (
        '<ReferentialConstraint Property="MemberKey" ReferencedProperty="ResourceRecordKey"/></NavigationProperty>'
    )
    text = metadata_document().decode()
    start = text.index('<EntityType Name="Member">')
    old = '<NavigationProperty Name="Media" Type="Collection(Sandbox.Media)"/>'
    schema = parse_metadata((text[:start] + text[start:].replace(old, old[:-2] + ">" + constraint, 1)).encode())
    base = role({"Member": {"Fields": {"All": {"Visible": ["MemberFullName", "Media"]}}}, "Media": MEDIA})
    links = Profile(links={"Member": {"Media": Link(local="MemberKey", target="ResourceRecordKey")}})

    for compiled in (policy(base, schema=schema), policy(base, profile=links)):
        link = compiled.resources["Member"].navigation["Media"].link
        assert link is not None
        assert (link.discriminator, link.values) == ("ResourceName", ("Member",))


@pytest.mark.channel("C340")
def test_fields_that_nobody_may_reveal_are_spelt_right_or_a_fault() -> None:
    base = role({"Member": {"Default": "Visible"}}, NeverVisible={"Members": ["MemberEmail"]})
    wrong = role(
        {"Member": {"Default": "Visible"}}, NeverVisible={"Membrs": ["MemberEmail"], "Member": ["MemberEmial"]}
    )
    rules = GatewayRules(Source("gateway.yaml"), never_visible={"Agent": ("MemberFax", "MemberFaks")})

    assert "MemberEmail" not in visible(policy(base), "Member")
    told = faults(wrong, rules=rules)
    assert any("NeverVisible.Membrs: `Membrs` is no resource" in line for line in told)
    assert any("NeverVisible.Member.0: `MemberEmial` is no field" in line for line in told)
    assert any("policy.never_visible.Agent.1: `MemberFaks` is no field" in line for line in told)


def test_what_follows_what_names_resources_that_exist() -> None:
    rules = GatewayRules(Source("gateway.yaml"), follows={"Nonsense": ("Property",), "Media": ("Prperty",)})

    told = faults(role({"Property": PROPERTY}), rules=rules)

    assert any("policy.follows.Nonsense: `Nonsense`" in line for line in told)
    assert any("policy.follows.Media: `Prperty`" in line for line in told)


def test_one_class_under_two_spellings_is_a_fault() -> None:
    rules = {
        "Residential Lease": {"City": {"Rule": "Visible", "When": "WaterfrontYN eq true"}},
        "ResidentialLease": {"City": {"Rule": "Visible"}},
    }

    told = faults(role({"Property": PROPERTY}), template(FieldOverrides={"Property": rules}))

    assert any("ResidentialLease.City: `City` has two rules for one class" in line for line in told)


def test_a_name_that_no_client_could_write_is_left_out_and_noted() -> None:
    text = (
        metadata_document()
        .decode()
        .replace(
            '<EntityType Name="Property">', '<EntityType Name="Property"><Property Name="Größe" Type="Edm.String"/>', 1
        )
    )

    compiled = policy(role({"Property": {"Default": "Visible"}}), schema=parse_metadata(text.encode()))

    assert "Größe" not in visible(compiled)
    assert any("Größe" in note for note in compiled.notes)


@pytest.mark.channel("C350")
def test_a_vanished_field_that_was_only_shown_or_hidden_is_noted() -> None:
    over = template(FieldOverrides={"Property": {"All": {"TotalBaths": {"Rule": "Visible"}}}})

    compiled = policy(role({"Property": PROPERTY}), over, schema=schema_without("TotalBaths"), earlier=sandbox_schema())

    assert not compiled.resources["Property"].broken
    assert any("TotalBaths" in note for note in compiled.notes)


@pytest.mark.channel("C350", "C367")
def test_a_new_upstream_field_is_hidden_and_changes_no_fingerprint() -> None:
    text = metadata_document().decode()
    grown = text.replace(
        '<EntityType Name="Property">',
        '<EntityType Name="Property">\n    <Property Name="Brand" Type="Edm.String"/>',
        1,
    )
    before, after = (
        policy(role({"Property": PROPERTY})),
        policy(role({"Property": PROPERTY}), schema=parse_metadata(grown.encode())),
    )

    assert "Brand" not in visible(after)
    assert before.fingerprint == after.fingerprint


@pytest.mark.channel("C367")
def test_the_fingerprint_follows_what_can_be_seen_and_nothing_else() -> None:
    base = role({"Property": PROPERTY, "Media": MEDIA})
    one = policy(
        base,
        template(Description="one", FieldOverrides={"Property": {"Land": {"City": {"Rule": "Hidden"}}, "All": {}}}),
    )
    same = policy(
        base,
        template(Description="two", FieldOverrides={"Property": {"All": {}, "Land": {"City": {"Rule": "Hidden"}}}}),
    )
    others = [
        policy(base),
        policy(base, template(ListingPhotoLimit=3)),
        policy(base, template(RestrictiveFilters={"Property": {"Filter": "City eq 'A'"}})),
        policy(base, template(FieldOverrides={"Property": {"Farm": {"City": {"Rule": "Hidden"}}}})),
    ]

    assert one.fingerprint == same.fingerprint
    assert len({one.fingerprint, *(other.fingerprint for other in others)}) == 5


# --- the shipped roles


@pytest.mark.channel("C260", "C340")
@pytest.mark.parametrize("name", ["idx", "public", "vow", "portal", "private"])
def test_shipped_roles_load_and_show_no_credentials(name: str) -> None:
    compiled = policy(shipped(name))

    for resource in compiled.resources:
        assert not {"MemberPassword", "MemberLoginId", "ResourceRecordUrl"} & visible(compiled, resource)
    assert "ListPrice" in visible(compiled)
    hidden = {
        "PrivateRemarks",
        "LockBoxLocation",
        "ShowingInstructions",
        "AccessCode",
        "OwnerName",
        "BuyerBrokerageCompensation",
    }
    assert bool(hidden & visible(compiled)) is (name == "private")


@pytest.mark.channel("C260")
@pytest.mark.parametrize("name", ["idx", "public", "vow", "portal", "private"])
def test_shipped_roles_load_on_an_upstream_that_lacks_half_the_dictionary(name: str) -> None:
    """Every second field is gone but for keys and what the roles' own filters test."""
    tested = {
        "InternetEntireListingDisplayYN",
        "InternetAddressDisplayYN",
        "StandardStatus",
        "OpenHouseType",
        "PropertyType",
    }
    schema = sandbox_schema()
    keys = {key for name_ in schema.entity_sets for key in schema.type_of(name_).key}
    names = sorted({prop for name_ in schema.entity_sets for prop in schema.type_of(name_).properties} - tested - keys)

    compiled = policy(shipped(name), schema=schema_without(*names[::2]))

    assert compiled.resources["Property"].fields
    assert name == "private" or any("has no" in note for note in compiled.notes)


@pytest.mark.channel("C339")
@pytest.mark.parametrize("name", ["idx", "public", "vow", "portal"])
def test_the_address_closure_is_conditional_in_every_participants_role(name: str) -> None:
    fields = policy(shipped(name)).resources["Property"].fields

    for part in ("StreetName", "StreetNumber", "UnparsedAddress", "ParcelNumber", "Directions", "UnitNumber"):
        assert (
            print_expression(fields[part].condition)
            == "(InternetAddressDisplayYN ne null) and (InternetAddressDisplayYN eq true)"
        )
    assert fields["City"].condition == TRUE


def test_a_role_with_a_name_of_nobody_is_a_fault() -> None:
    told = faults(role({"Property": {"Fields": {"All": {"Visible": ["Cty"]}}}, "Propertie": PROPERTY}))

    assert sorted(line.rpartition(": ")[2] for line in told) == [
        "`Cty` is no field of the upstream's `Property`",
        "`Propertie` is no resource of the upstream",
    ]


def test_the_seeds_template_is_the_shipped_one() -> None:
    """What the user gave us loads verbatim: the POST body of Spark's page."""
    body = json.loads((CONFIG / "templates" / "company-idx.json").read_text())["D"]

    assert body["RestrictiveFilters"] == {
        "RESODictionaryVersion": 1.0,
        "Agent": None,
        "Property": {"Filter": "StandardStatus eq 'Active'"},
    }
    assert body["FieldOverrides"]["Property"] == {
        "Residential": {"TotalBaths": {"Rule": "Visible"}, "ListPrice": {"Rule": "Hidden"}}
    }
    assert data_dictionary.CLASSES["Residential"] == "Residential"


def test_enumerated_classes_are_named_by_display_text_or_member() -> None:
    members = "".join(f'<Member Name="{legacy}"/>' for legacy in data_dictionary.CLASSES.values())
    text = (
        metadata_document()
        .decode()
        .replace(
            '<EntityType Name="Property">', f'<EnumType Name="PT">{members}</EnumType><EntityType Name="Property">', 1
        )
    )
    start = text.index('<Property Name="PropertyType"')
    schema = parse_metadata((text[:start] + text[start:].replace('Type="Edm.String"', 'Type="Sandbox.PT"', 1)).encode())
    over = template(
        FieldOverrides={
            "Property": {"Residential Lease": {"City": {"Rule": "Hidden"}}, "Land": {"City": {"Rule": "Hidden"}}}
        }
    )

    compiled = policy(role({"Property": PROPERTY}), over, schema=schema, profile=Profile())

    assert "Sandbox.PT'Farm'" in condition(compiled, "City")
    assert "ResidentialLease'" not in condition(compiled, "City")


# --- one resource under several words


def renamed(**sets: str) -> Schema:
    """The sandbox's schema with entity sets under other names, or more of them: new name to old."""
    text = metadata_document().decode()
    for new, old in sets.items():
        text = text.replace(f'<EntitySet Name="{old}"', f'<EntitySet Name="{new}"').replace(
            f'Target="{old}"', f'Target="{new}"'
        )
    return parse_metadata(text.encode())


@pytest.mark.channel("C119", "C340")
def test_a_new_set_under_an_aliass_word_takes_nothing_away() -> None:
    """An attack found this: a set called Agent captured the template's word for members, and opened them."""
    text = (
        metadata_document()
        .decode()
        .replace(
            '<EntitySet Name="Member"', '<EntitySet Name="Agent" EntityType="Sandbox.Office"/><EntitySet Name="Member"'
        )
    )
    over = template(
        RestrictiveFilters={"Agent": {"Filter": "MemberStatus eq 'Active'"}},
        FieldOverrides={"Agent": {"All": {"MemberEmail": {"Rule": "Hidden"}}}},
    )
    base = role({"Member": {"Default": "Visible"}}, NeverVisible={"Agent": ["MemberFax"]})

    compiled = policy(base, over, schema=parse_metadata(text.encode()), earlier=sandbox_schema())

    assert rule(compiled, "Member") == ["(MemberStatus ne null) and (MemberStatus eq 'Active')"]
    assert not {"MemberEmail", "MemberFax"} & visible(compiled, "Member")


@pytest.mark.channel("C340", "C368")
def test_what_protects_always_holds_whatever_the_set_is_called() -> None:
    rules = GatewayRules(
        Source("gateway.yaml"),
        always={"Member": ("MemberStatus eq 'Active'",)},
        never_visible={"Agent": ("MemberEmail",)},
    )
    base = role({"Members": {"Default": "Visible"}}, NeverVisible={"Member": ["MemberFax"]})
    other = role({"Staff": {"Default": "Visible"}}, NeverVisible={"Member": ["MemberFax"]})

    for compiled, name in ((policy(base, schema=renamed(Members="Member"), rules=rules), "Members"),
                           (policy(other, schema=renamed(Staff="Member"), rules=rules), "Staff")):  # fmt: skip
        assert rule(compiled, name) == ["(MemberStatus ne null) and (MemberStatus eq 'Active')"]
        assert not {"MemberEmail", "MemberFax", "MemberPassword"} & visible(compiled, name)


def derived(*more: str) -> Schema:
    """The sandbox's schema with types that derive from its own, two deep, each with a set, and a second set of members."""
    text = metadata_document().decode()
    types = (
        '<EntityType Name="ListMember" BaseType="Sandbox.Member"><Property Name="Tier" Type="Edm.String"/></EntityType>'
        '<EntityType Name="LeadMember" BaseType="Sandbox.ListMember"/>'
        '<EntityType Name="Home" BaseType="Sandbox.Property"/><EntityType Name="Picture" BaseType="Sandbox.Media"/>'
    )
    names = {
        "LeadMember": "LeadMember",
        "ListMember": "ListMember",
        "Staff": "Member",
        "Home": "Home",
        "Picture": "Picture",
    }
    sets = "".join(f'<EntitySet Name="{name}" EntityType="Sandbox.{kind}"/>' for name, kind in names.items())
    text = text.replace('<EntityContainer Name="Container">', types + '<EntityContainer Name="Container">' + sets)
    return parse_metadata(text.encode())


@pytest.mark.channel("C340", "C119")
@pytest.mark.parametrize("name", ["Staff", "ListMember", "LeadMember"])
def test_what_protects_a_type_holds_for_each_set_of_its_records(name: str) -> None:
    """A vendor reads members by a set over a derived type, or by a second set over their own."""
    rules = GatewayRules(
        Source("gateway.yaml"),
        always={"Member": ("MemberStatus eq 'Active'",)},
        never_visible={"Agent": ("MemberEmail",)},
    )
    members = {"Always": ["OfficeKey ne null"], "Filter": "MemberKey ne 'M0'"}
    base = role({"Member": members, name: {"Default": "Visible"}}, NeverVisible={"Member": ["MemberFax"]})

    compiled = policy(base, schema=derived(), rules=rules)

    assert rule(compiled, name) == [
        "(MemberKey ne null) and (MemberKey ne 'M0')",
        "OfficeKey ne null",
        "(MemberStatus ne null) and (MemberStatus eq 'Active')",
    ]
    assert not {"MemberEmail", "MemberFax", "MemberPassword"} & visible(compiled, name)
    assert "MemberFullName" in visible(compiled, name)


@pytest.mark.channel("C340")
def test_a_protection_of_a_derived_type_does_not_reach_up() -> None:
    rules = GatewayRules(Source("gateway.yaml"), never_visible={"ListMember": ("MemberEmail",)})
    base = role({name: {"Default": "Visible"} for name in ("Member", "ListMember", "LeadMember")})

    compiled = policy(base, schema=derived(), rules=rules)

    shown = {name: "MemberEmail" in visible(compiled, name) for name in ("Member", "ListMember", "LeadMember")}
    assert shown == {"Member": True, "ListMember": False, "LeadMember": False}


@pytest.mark.channel("C119", "C237")
def test_what_documents_withhold_of_a_type_is_withheld_of_its_other_sets() -> None:
    """The template's word of the type beats the role's word of the set; the template's own word of the set beats both.
    What is shown of the type opens nothing elsewhere."""
    base = role({
        "Member": {"Default": "Visible", "Fields": {"All": {"Hidden": ["MemberFax"], "When": [
            {"Condition": "MemberStatus eq 'Active'", "Fields": ["OfficeKey"]}]}}},
        "ListMember": {"Default": "Visible", "Fields": {"All": {"Visible": ["MemberEmail", "MemberFullName"]}}},
        "LeadMember": {"Fields": {"All": {"Visible": ["MemberFullName"]}}},
    })  # fmt: skip
    over = template(FieldOverrides={
        "Member": {"All": {"MemberEmail": {"Rule": "Hidden"}, "MemberFullName": {"Rule": "Hidden"}, "MemberAOR": {"Rule": "Visible"}}},
        "ListMember": {"All": {"MemberFullName": {"Rule": "Visible"}}},
    })  # fmt: skip

    compiled = policy(base, over, schema=derived())

    assert not {"MemberFax", "MemberEmail"} & visible(compiled, "ListMember")
    assert "MemberFullName" in visible(compiled, "ListMember")
    assert print_expression(compiled.resources["ListMember"].fields["OfficeKey"].condition) == (
        "(MemberStatus ne null) and (MemberStatus eq 'Active')"
    )
    assert visible(compiled, "LeadMember") == {"MemberKey"}


@pytest.mark.channel("C119")
@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["(Tier ne null) and (Tier eq 'own')"]),
        (
            {"Member": {"Filter": "MemberKey ne 'M0'"}},
            ["(MemberKey ne null) and (MemberKey ne 'M0')", "(Tier ne null) and (Tier eq 'own')"],
        ),
        ({"Member": {"Filter": None}}, ["(Tier ne null) and (Tier eq 'own')"]),
        ({"ListMember": {"Filter": None}}, []),
        ({"ListMember": {"Filter": None}, "Member": {"Filter": "MemberKey ne 'M0'"}}, []),
    ],
)
def test_the_filter_that_names_the_set_itself_counts_first(filters: Any, expected: list[str]) -> None:
    base = role({
        "Member": {"Filter": "MemberStatus eq 'Active'"},
        "ListMember": {"Default": "Visible", "Filter": "Tier eq 'own'"},
    })  # fmt: skip

    compiled = policy(base, template(RestrictiveFilters=filters), schema=derived())

    assert rule(compiled, "ListMember") == expected


@pytest.mark.channel("C222", "C334", "C338")
def test_photo_limit_parents_classes_and_syndication_go_by_type() -> None:
    shown = {"Fields": {"All": {"Visible": ["City", "PropertyType", "PhotosCount", "ListPrice", "Media"]},
                        "Land": {"Hidden": ["ListPrice"]}}}  # fmt: skip

    compiled = policy(
        role({"Home": shown, "Picture": MEDIA, "Media": MEDIA}),
        template(ListingPhotoLimit=2),
        schema=derived(),
        syndicated=syndication("opt_in"),
    )

    for name in ("Media", "Picture"):
        assert compiled.resources[name].photo is not None
        assert [parent.resource for parent in compiled.resources[name].parent_links] == ["Home"]
    assert compiled.resources["Home"].fields["PhotosCount"].clamp == 2
    assert rule(compiled, "Home") == ["SyndicateTo/any(x__:x__ eq 'ListHub')"]
    assert "PropertyType" in print_expression(compiled.resources["Home"].fields["ListPrice"].condition)


@pytest.mark.channel("C169", "C310")
def test_a_second_set_over_the_types_that_we_write_does_not_exist() -> None:
    text = metadata_document().decode()
    more = (
        '<EntityType Name="Deep" BaseType="Sandbox.Lookup"/><EntityContainer Name="Container">'
        '<EntitySet Name="Values" EntityType="Sandbox.Lookup"/><EntitySet Name="DeepValues" EntityType="Sandbox.Deep"/>'
    )
    schema = parse_metadata(text.replace('<EntityContainer Name="Container">', more).encode())

    sets = with_computed(schema).entity_sets

    assert {"Lookup", "Field"} <= sets.keys()
    assert not {"Values", "DeepValues"} & sets.keys()


@pytest.mark.channel("C222", "C334")
def test_media_and_their_limit_are_known_by_their_type() -> None:
    compiled = policy(
        role({"Properties": PROPERTY, "Photos": MEDIA}),
        template(ListingPhotoLimit=2),
        schema=renamed(Properties="Property", Photos="Media"),
    )

    assert compiled.resources["Photos"].photo is not None
    assert [parent.resource for parent in compiled.resources["Photos"].parent_links] == ["Properties"]
    assert compiled.resources["Properties"].fields["PhotosCount"].clamp == 2
    link = compiled.resources["Properties"].navigation["Media"].link
    assert link is not None
    assert link.values == ("Property",)


def test_an_always_condition_for_a_resource_that_is_not_there_is_noted() -> None:
    rules = GatewayRules(Source("gateway.yaml"), always={"Teams": ("TeamKey ne 'x'",)})

    assert (
        "policy.always: the upstream has no resource `Teams`" in policy(role({"Property": PROPERTY}), rules=rules).notes
    )


@pytest.mark.channel("C347", "C346")
@pytest.mark.parametrize(
    "condition",
    ["ListAgent/MemberStatus eq 'Active'", "Media/any(m:m/Order gt 1)", "Media/$count gt 0", "ListPrice eq OriginalListPrice", "1 div ListPrice gt 0",
     "matchesPattern(City,'a')", "substring(City,1) eq 'x'", "geo.distance(City,geography'SRID=4326;POINT(1 1)') lt 1", "Nope eq 1"],
)  # fmt: skip
def test_a_condition_must_be_decidable_on_the_record(condition: str) -> None:
    """In a role's condition and in a template's rule alike; what depends on time is one literal instant."""
    when = [{"Condition": condition, "Fields": ["ListPrice"]}]
    for base, over in (
        (role({"Property": {"Fields": {"All": {"Visible": ["City"], "When": when}}}}), None),
        (role({"Property": PROPERTY}), template(RestrictiveFilters={"Property": {"Filter": condition}})),
    ):
        with pytest.raises(ConfigurationError):
            policy(base, over)
    policy(
        role(
            {
                "Property": {
                    "Fields": {"All": {"When": [{"Condition": "ModificationTimestamp le now()", "Fields": ["City"]}]}}
                }
            }
        )
    )


# --- sets that cannot be read


def closing(*types: str, sets: str = "") -> Schema:
    """The sandbox's schema, in which the named types cannot be read."""
    text = metadata_document().decode()
    for name in types:
        assert f'<EntityType Name="{name}">' in text
        text = text.replace(f'<EntityType Name="{name}">', f'<EntityType Name="{name}" BaseType="Sandbox.Gone">')
    text = text.replace('<EntitySet Name="Property"', f'{sets}<EntitySet Name="Property"', 1)
    return parse_metadata(text.encode())


WIDE = {
    name: {"Default": "Visible"} for name in ("Property", "Media", "Member", "Office", "OpenHouse", "PropertyRooms")
}


def test_what_names_a_closed_set_is_noted_and_the_rest_is_served() -> None:
    rules = GatewayRules(
        Source("gateway.yaml"),
        always={"Agent": ("MemberStatus eq 'Active'",)},
        never_visible={"Member": ("MemberEmail", "NeverWere")},
        follows={"Media": ("Property", "Member"), "Member": ("Office",)},
    )
    over = template(
        RestrictiveFilters={"Agent": {"Filter": "MemberStatus eq 'Active'"}, "Property": {"Filter": "City eq 'A'"}},
        FieldOverrides={"Member": {"All": {"MemberFax": {"Rule": "Visible"}}}},
        Writes={"Member": ["PATCH"]},
    )
    profile = TRUSTING.model_copy(
        update={
            "class_field": {"Member": "MemberType"}, "mandatory_filter": {"Member": "MemberStatus eq 'a'"},
            "create_defaults": {"Member": {"X": 1}},
            "links": {"Member": {"Office": Link(local="a", target="b")}, "Property": {"ListAgent": Link(local="a", target="b")}},
        }
    )  # fmt: skip

    compiled = policy(role(WIDE), over, schema=closing("Member"), rules=rules, profile=profile)

    assert set(compiled.resources) == WIDE.keys() - {"Member"}
    assert compiled.closed == {"Member"}
    assert rule(compiled, "Property") == ["(City ne null) and (City eq 'A')"]
    assert any("`Member` cannot be read" in note for note in compiled.notes)


@pytest.mark.channel("C119", "C340")
def test_the_words_of_a_closed_set_open_no_other() -> None:
    agents = '<EntitySet Name="Agent" EntityType="Sandbox.Office"/>'
    over = template(FieldOverrides={"Member": {"All": {"OfficeName": {"Rule": "Visible"}}}})

    for base in (role({"Member": {"Default": "Visible"}}), role({})):
        compiled = policy(base, over, schema=closing("Member", sets=agents))

        assert not compiled.resources
        assert compiled.closed == {"Member"}


@pytest.mark.channel("C24", "C333")
def test_rows_that_follow_a_closed_set_are_withheld() -> None:
    compiled = policy(role(WIDE), schema=closing("Property"))

    assert not compiled.resources["OpenHouse"].is_addressable
    assert [link.resource for link in compiled.resources["Media"].parent_links] == ["Member", "Office"]
    assert "Listings" not in compiled.resources["Member"].navigation


@pytest.mark.channel("C224", "C335")
def test_counters_of_media_that_cannot_be_read_are_hidden() -> None:
    """A rule of the closed set would have hidden them; a second set of media without a rule must not show them."""
    photos = '<EntitySet Name="Photos" EntityType="Sandbox.Shots"/>'
    shots = (
        '<EntityType Name="Shots"><Key><PropertyRef Name="K"/></Key><Property Name="K" Type="Edm.String"/></EntityType>'
    )
    text = metadata_document().decode()
    both = text.replace('<EntityType Name="Media">', f'{shots}<EntityType Name="Media">').replace(
        '<EntitySet Name="Property"', f'{photos}<EntitySet Name="Property"', 1
    )
    assert "PhotosCount" in visible(policy(role(WIDE)), "Property")

    for schema in (
        closing("Media"),
        parse_metadata(both.replace('Name="Media">', 'Name="Media" BaseType="G.G">', 1).encode()),
    ):
        assert "PhotosCount" not in visible(policy(role(WIDE), schema=schema), "Property")


def test_a_syndication_of_listings_that_cannot_be_read_refuses_nothing_else() -> None:
    compiled = policy(
        role(WIDE), template(SyndicationId="s"), syndicated=syndication("opt_in"), schema=closing("Property")
    )

    assert "Member" in compiled.resources
    assert "Property" not in compiled.resources


def test_a_list_inside_records_whose_type_cannot_be_read_is_closed() -> None:
    listed = '<ComplexType Name="Photo"><Property Name="MediaKey" Type="Edm.String"/><Property Name="MediaKey" Type="Edm.String"/></ComplexType>'
    text = metadata_document().decode().replace('<EntityType Name="Property">', f'{listed}<EntityType Name="Property">')
    start = text.index('<EntityType Name="Property">')
    text = text[:start] + text[start:].replace(
        "</EntityType>", '<Property Name="Photos" Type="Collection(Sandbox.Photo)"/></EntityType>', 1
    )
    profile = TRUSTING.model_copy(update={"embedded": {"Property": ("Photos",)}})
    schema = with_embedded(parse_metadata(text.encode()), profile.embedded)

    compiled = policy(role({**WIDE, "Photos": {"Default": "Visible"}}), schema=schema, profile=profile)

    assert compiled.closed == {"Photos"}
    assert "Photos" not in visible(compiled, "Property")


# --- privileges: what exists only for keys that have one

OFFICE = {"Fields": {"All": {"Visible": ["OfficeName", "ExternalProducts", "DelegatedAccess"]}}}
DELEGATED = {"Fields": {"All": {"Visible": ["AsUser", "AllUsers"]}}}
SHOWING = {"DelegatedAccess": {"All": {"AsUser": {"Rule": "Visible"}, "OfficeKey": {"Rule": "Visible"}}}}


@pytest.mark.channel("C1", "C9")
@pytest.mark.parametrize(
    "entry", [DELEGATED, {**DELEGATED, "Privilege": "DelegatedAccess"}, {"Default": "Visible"}, None]
)
@pytest.mark.parametrize(
    "overrides", [None, SHOWING, {"Office": {"All": {"DelegatedAccess": {"Rule": "Visible"}}}, **SHOWING}]
)
def test_no_document_shows_delegated_access_without_the_privilege(entry: Any, overrides: Any) -> None:
    """The attack: a role that forgets to ask for the privilege, and a template that opens the resource by itself."""
    base = role({"Office": OFFICE, **({} if entry is None else {"DelegatedAccess": entry})})
    over = None if overrides is None else template(FieldOverrides=overrides)

    without = policy(base, over)
    held = policy(base, over, privileges=["DelegatedAccess"])

    assert set(without.resources) == {"Office"}
    assert "DelegatedAccess" not in visible(without, "Office")
    opened = entry is not None or overrides is not None
    assert ("DelegatedAccess" in held.resources) is opened
    assert ("DelegatedAccess" in visible(held, "Office")) is opened


@pytest.mark.channel("C9")
def test_a_set_of_another_name_is_delegated_access_by_its_type_or_by_what_the_role_says() -> None:
    document = metadata_document().replace(b'EntitySet Name="DelegatedAccess"', b'EntitySet Name="Superuse"')
    typed = parse_metadata(document.replace(b'Target="DelegatedAccess"', b'Target="Superuse"'))
    other = parse_metadata(
        metadata_document().replace(b'"DelegatedAccess"', b'"Superuse"').replace(b"Sandbox.DelegatedAccess", b"Sandbox.Superuse")
    )  # fmt: skip
    said = role({"Office": {"Default": "Visible"}, "Superuse": {"Default": "Visible", "Privilege": "DelegatedAccess"}})

    for base, schema in (
        (role({"Office": {"Default": "Visible"}, "Superuse": {"Default": "Visible"}}), typed),
        (said, other),
    ):
        assert set(policy(base, schema=schema).resources) == {"Office"}
        assert not {"Superuse", "DelegatedAccess"} & visible(policy(base, schema=schema), "Office")
        assert "Superuse" in policy(base, schema=schema, privileges=["DelegatedAccess"]).resources


@pytest.mark.channel("C9")
@pytest.mark.parametrize("declared", ["Collection(Edm.String)", "Edm.Boolean"])
def test_a_field_or_relation_of_that_name_needs_the_privilege_wherever_it_is(declared: str) -> None:
    field = f'<Property Name="DelegatedAccess" Type="{declared}"/><NavigationProperty Name="MainOffice"'.encode()
    document = metadata_document().replace(
        b'<NavigationProperty Name="DelegatedAccess" Type="Collection(Sandbox.DelegatedAccess)"/>', b""
    )
    schema = parse_metadata(document.replace(b'<NavigationProperty Name="MainOffice"', field, 1))
    over = template(FieldOverrides={"Office": {"All": {"DelegatedAccess": {"Rule": "Visible"}}}})

    assert "DelegatedAccess" not in visible(policy(role({"Office": {"Default": "Visible"}}), schema=schema), "Office")
    assert "DelegatedAccess" not in visible(policy(role({"Office": OFFICE}), over, schema=schema), "Office")
    shown = policy(role({"Office": OFFICE}), over, schema=schema, privileges=["DelegatedAccess"])
    assert "DelegatedAccess" in visible(shown, "Office")


def test_what_documents_say_of_it_is_checked_for_keys_without_the_privilege_too() -> None:
    """Else the first key that is given the privilege would find a template of years ago broken."""
    base = role({
        "Office": OFFICE,
        "DelegatedAccess": {**DELEGATED, "Always": ["Nope eq 1"], "Writes": {"Methods": ["PATCH"], "Fields": ["Nope"]}},
    })  # fmt: skip
    over = template(
        FieldOverrides={"DelegatedAccess": {"All": {"AsUserr": {"Rule": "Visible"}}}},
        RestrictiveFilters={"DelegatedAccess": {"Filter": "AsUserr eq true"}},
    )

    without = faults(base, over)

    assert without == faults(base, over, privileges=["DelegatedAccess"])
    assert [fault.partition(": ")[2].partition(":")[0] for fault in sorted(without)] == [
        "Resources.DelegatedAccess.Always.0",
        "D.FieldOverrides.DelegatedAccess.All.AsUserr",
        "D.RestrictiveFilters.DelegatedAccess.Filter",
    ]
    unwritable = faults(role({"Office": OFFICE, "DelegatedAccess": {**DELEGATED, "Writes": {"Fields": ["Nope"]}}}))
    assert unwritable == [
        "roles/idx.yaml: Resources.DelegatedAccess.Writes.Fields.0: `Nope` is no field of the upstream's `DelegatedAccess`"
    ]


def test_a_template_may_allow_writes_of_what_only_some_of_its_keys_see() -> None:
    entry = {**DELEGATED, "Privilege": "DelegatedAccess", "Writes": {"Methods": [], "Fields": ["AsUser"]}}
    over = template(Writes={"DelegatedAccess": ["PATCH"]})
    base = role({"Office": OFFICE, "DelegatedAccess": entry})

    held = policy(base, over, privileges=["DelegatedAccess"]).resources["DelegatedAccess"]

    assert held.writes is not None
    assert held.writes.methods == {"PATCH"}
    assert "DelegatedAccess" not in policy(base, over).resources


@pytest.mark.channel("C367")
def test_a_privilege_makes_another_policy_and_its_lack_changes_no_fingerprint() -> None:
    base = role({"Office": {"Fields": {"All": {"Visible": ["OfficeName"]}}}})
    rows = role({"Office": {"Filter": "OfficeKey eq @OfficeKey"}})

    without, held = policy(base), policy(base, privileges=["DelegatedAccess"])
    bound = [bind_policy(policy(rows, privileges=names), {"OfficeKey": "O1"}).fingerprint for names in ((), PRIVILEGES)]

    assert set(without.resources) == set(held.resources)
    assert without.fingerprint != held.fingerprint
    assert len(set(bound)) == 2
    assert (without.title, held.title) == ("idx", "idx with DelegatedAccess")
    assert (
        policy(role({"Office": OFFICE, "DelegatedAccess": DELEGATED})).fingerprint
        == policy(role({"Office": OFFICE})).fingerprint
    )


@pytest.mark.parametrize("name", ["idx", "public", "vow", "portal", "private", "desk"])
def test_the_shipped_roles_show_the_page_of_office_and_the_privileged_part_of_it_to_some(name: str) -> None:
    without, held = policy(shipped(name)), policy(shipped(name), privileges=["DelegatedAccess"])

    assert {"Media", "ExternalProducts"} <= visible(without, "Office")
    assert visible(held, "Office") - visible(without, "Office") == {"DelegatedAccess"}
    assert set(held.resources) - set(without.resources) == {"DelegatedAccess"}
    assert visible(held, "DelegatedAccess") == {"Id", "OfficeKey", "AsUser", "AllUsers", "BrokerloadOverride"}
    for found in ("ExternalProducts", "DelegatedAccess"):
        assert [parent.resource for parent in held.resources[found].parent_links] == ["Office"]


def test_the_shipped_roles_fit_an_upstream_without_the_lists_of_the_office_page() -> None:
    names = (b"ExternalProducts", b"DelegatedAccess")
    document = b"\n".join(
        line for line in metadata_document().split(b"\n")
        if not any(b'Name="' + name in line and b"EntityType Name" not in line for name in names)
        and not any(b'Path="' + name in line for name in names)
    )  # fmt: skip

    for privileges in ((), PRIVILEGES):
        compiled = policy(shipped("idx"), schema=parse_metadata(document), privileges=privileges)
        assert not {"ExternalProducts", "DelegatedAccess"} & compiled.resources.keys()


def test_an_unknown_privilege_of_a_role_is_a_fault() -> None:
    with pytest.raises(ConfigurationError) as refused:
        role({"Office": {"Default": "Visible", "Privilege": "Everything"}})

    assert [fault.path for fault in refused.value.faults] == [("Resources", "Office", "Privilege")]


# --- links that cannot be decided


def tied(compiled: Policy, name: str, resource: str = "Property") -> Link | None:
    return compiled.resources[resource].navigation[name].link


@pytest.mark.channel("C273", "C357")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('Property="ListOfficeKey" ReferencedProperty="OfficeKey"', 'Property="Nope" ReferencedProperty="OfficeKey"'),
        (
            'Property="ListOfficeKey" ReferencedProperty="OfficeKey"',
            'Property="ListOfficeKey" ReferencedProperty="Nope"',
        ),
        ('<Property Name="ListOfficeKey"', '<Property Name="OtherKey"'),
    ],
)
def test_a_link_over_fields_that_do_not_exist_is_no_link(old: str, new: str) -> None:
    """A field that no row has is null in each of them, and nothing could tell which rows belong together."""
    base = role({"Property": {"Fields": {"All": {"Visible": ["ListOffice"]}}}, "Office": {"Default": "Visible"}})
    text = metadata_document().decode()
    assert old in text

    assert tied(policy(base), "ListOffice") == Link(local="ListOfficeKey", target="OfficeKey")
    assert tied(policy(base, schema=parse_metadata(text.replace(old, new).encode())), "ListOffice") is None


@pytest.mark.channel("C333", "C357")
def test_rows_of_several_kinds_of_parents_need_a_field_that_tells_them_apart() -> None:
    """Keys of a listing and of a member may be equal: without ResourceName the photos of one would show under the other."""
    schema = schema_without("ResourceName")
    base = role({"Property": PROPERTY, "Media": MEDIA})
    links = Profile(links={"Property": {"Media": Link(local="ListingKey", target="ResourceRecordKey")}})
    alone = GatewayRules(Source("gateway.yaml"), follows={"Media": ("Property",)})

    assert tied(policy(base, schema=schema), "Media") is None
    assert tied(policy(base, schema=schema, profile=links), "Media") is None
    assert tied(policy(base, schema=schema, profile=links, rules=alone), "Media") is not None


@pytest.mark.channel("C333", "C357")
def test_a_link_whose_discriminator_does_not_exist_is_no_link() -> None:
    base = role({"Property": {"Fields": {"All": {"Visible": ["ListOffice"]}}}, "Office": {"Default": "Visible"}})
    link = Link(local="ListOfficeKey", target="OfficeKey", discriminator="Nope", values=("x",))

    assert tied(policy(base, profile=Profile(links={"Property": {"ListOffice": link}})), "ListOffice") is None


# --- what holds for every key names what exists: a typo would silently protect nothing

LINK = Link(local="ListOfficeKey", target="OfficeKey")


@pytest.mark.parametrize(
    ("profile", "fault"),
    [
        ({"class_field": {"Nope": "City"}}, "class_field.Nope: `Nope` is no resource of the upstream"),
        ({"class_field": {"Property": "Nope"}}, "class_field.Property: `Nope` is no field of the upstream's `Property`"),
        ({"embedded": {"Property": ("Media",)}}, "embedded.Property: `Media` of the upstream's `Property` is no list of records with a key"),
        ({"mandatory_filter": {"Nope": "City eq 'A'"}}, "mandatory_filter.Nope: `Nope` is no resource of the upstream"),
        ({"mandatory_filter": {"Property": "Nope eq 'A'"}}, "mandatory_filter.Property: `Nope` in `Nope eq 'A'` is no field of the upstream's `Property`"),
        ({"links": {"Nope": {"ListOffice": LINK}}}, "links.Nope: `Nope` is no resource of the upstream"),
        ({"links": {"Property": {"Nope": LINK}}}, "links.Property.Nope: `Nope` is no navigation property of the upstream's `Property`"),
        ({"links": {"Property": {"ListOffice": LINK.model_copy(update={"local": "Nope"})}}}, "links.Property.ListOffice: `Nope` and `OfficeKey` are not fields of `Property` and `Office`"),
        ({"links": {"Property": {"ListOffice": LINK.model_copy(update={"target": "Nope"})}}}, "links.Property.ListOffice: `ListOfficeKey` and `Nope` are not fields of `Property` and `Office`"),
    ],
)  # fmt: skip
def test_what_the_profile_says_of_fields_is_about_ones_that_exist(profile: dict[str, Any], fault: str) -> None:
    told = faults(role({"Property": PROPERTY}), profile=TRUSTING.model_copy(update=profile))

    assert told == [f"gateway.yaml: upstream.profile.{fault}"]


def test_what_the_profile_says_of_the_dictionarys_resources_may_be_of_some_that_are_not_there() -> None:
    profile = TRUSTING.model_copy(update={"class_field": {"PropertyGreenVerification": "City"}})

    assert policy(role({"Property": PROPERTY}), profile=profile).notes == policy(role({"Property": PROPERTY})).notes


@pytest.mark.parametrize(
    ("resources", "fault"),
    [
        ({"Property": PROPERTY, "Properties": PROPERTY}, "Resources.Properties: `Property` is given twice, once as an alias"),
        ({"Property": PROPERTY, "Nope": PROPERTY}, "Resources.Nope: `Nope` is no resource of the upstream"),
    ],
)  # fmt: skip
def test_a_role_names_each_resource_once_and_only_such_as_exist(resources: dict[str, Any], fault: str) -> None:
    assert faults(role(resources)) == [f"roles/idx.yaml: {fault}"]


@pytest.mark.parametrize(
    ("attributes", "fault"),
    [
        ({"RestrictiveFilters": {"Property": {"Filter": "City eq 'A'"}, "Properties": {"Filter": None}}}, "RestrictiveFilters.Properties: `Property` is given twice, once as an alias"),
        ({"RestrictiveFilters": {"Nope": {"Filter": "City eq 'A'"}}}, "RestrictiveFilters.Nope: `Nope` is no resource of the upstream"),
        ({"RestrictiveFilters": {"Nope": None}}, "RestrictiveFilters.Nope: `Nope` is no resource of the upstream"),
        ({"FieldOverrides": {"Nope": {"All": {"City": {"Rule": "Hidden"}}}}}, "FieldOverrides.Nope: `Nope` is no resource of the upstream"),
    ],
)  # fmt: skip
def test_a_template_names_each_resource_once_and_only_such_as_exist(attributes: dict[str, Any], fault: str) -> None:
    assert faults(role({"Property": PROPERTY}), template(**attributes)) == [f"templates/t.json: D.{fault}"]


@pytest.mark.channel("C338")
def test_a_syndication_needs_listings() -> None:
    told = faults(role({"Member": MEMBER}), template(), syndicated=syndication("opt_in"))

    assert told == ["templates/t.json: D.SyndicationId: a syndication needs the resource `Property`"]


def test_a_condition_of_the_gateway_for_a_resource_of_nobody_is_a_fault() -> None:
    rules = GatewayRules(Source("gateway.yaml"), always={"Nope": ("City eq 'A'",)})

    assert faults(role({"Property": PROPERTY}), rules=rules) == [
        "gateway.yaml: policy.always.Nope: `Nope` is no resource of the upstream"
    ]


HISTORY = """<EntityType Name="HistoryTransactional"><Key><PropertyRef Name="HistoryTransactionalKey"/></Key>
<Property Name="HistoryTransactionalKey" Type="Edm.String"/><Property Name="ResourceName" Type="Edm.String"/>
<Property Name="ResourceRecordKey" Type="Edm.String"/>{}</EntityType><EntityContainer Name="Container">
<EntitySet Name="HistoryTransactional" EntityType="Sandbox.HistoryTransactional"/>"""


@pytest.mark.channel("C228")
@pytest.mark.parametrize("told", [True, False])
def test_history_tells_of_fields_that_the_key_sees_on_every_record_or_of_nothing(told: bool) -> None:
    names = '<Property Name="FieldName" Type="Edm.String"/>' if told else ""
    text = metadata_document().decode().replace('<EntityContainer Name="Container">', HISTORY.format(names))
    fields = {"All": {"Visible": ["City", "ListPrice", "PropertyType"]}, "Land": {"Hidden": ["ListPrice"]}}
    base = role({"Property": {"Fields": fields}, "HistoryTransactional": {"Default": "Visible"}})

    history = policy(base, schema=parse_metadata(text.encode())).resources["HistoryTransactional"]

    assert history.broken is not told
    if told:
        rule = print_expression(history.unpushed)
        assert "ResourceName in ('Property')" in rule
        assert all(f"'{name}'" in rule for name in ("City", "PropertyType", "ListingKey"))
        assert "ListPrice" not in rule
