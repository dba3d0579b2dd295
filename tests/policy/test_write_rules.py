"""What a role lets its keys write: what can be seen, and nothing that decides what can be seen."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import ConfigurationError
from gateway.odata.csdl import parse_metadata
from gateway.odata.json_format import decode_record
from gateway.policy.binding import bind_policy
from gateway.policy.model import Policy, WritePolicy
from gateway.policy.profile import Link
from gateway.policy.write_body import read_body
from gateway.sandbox.rows import metadata_document
from tests.support import TRUSTING, policy, role, template

VISIBLE = [
    "City",
    "ListPrice",
    "PropertyType",
    "StandardStatus",
    "ListAgentKey",
    "ListOfficeKey",
    "PhotosCount",
    "Media",
    "OwnerName",
]


def written(writes: dict[str, Any], **more: Any) -> Policy:
    resources = {
        "Property": {"Filter": "StandardStatus eq 'Active'", "Fields": {"All": {"Visible": VISIBLE}, **more.pop("classes", {})}, "Writes": writes},
        "Member": {"Default": "Visible"}, "Media": {"Fields": {"All": {"Visible": ["Order"]}}, **more.pop("media", {})},
    }  # fmt: skip
    return policy(role(resources), template(**more) if more else None)


def faults(writes: dict[str, Any], **more: Any) -> set[str]:
    with pytest.raises(ConfigurationError) as told:
        written(writes, **more)
    return {f"{'.'.join(fault.path[3:])}: {fault.message}" for fault in told.value.faults}


def test_without_an_entry_nothing_is_written() -> None:
    compiled = policy(role({"Property": {"Default": "Visible"}}))

    assert compiled.resources["Property"].writes is None


def test_what_is_visible_and_named_can_be_written() -> None:
    found = (
        written({"Methods": ["POST", "PATCH"], "Fields": ["City", "ListPrice"], "Required": {"POST": ["City"]}})
        .resources["Property"]
        .writes
    )

    assert found is not None
    assert (set(found.methods), set(found.fields), dict(found.required)) == (
        {"POST", "PATCH"},
        {"City", "ListPrice"},
        {"POST": ("City",)},
    )


@pytest.mark.channel("C205")
def test_what_is_hidden_by_a_template_is_not_written() -> None:
    hidden = {"FieldOverrides": {"Property": {"All": {"ListPrice": {"Rule": "Hidden"}}}}}
    found = written({"Methods": ["PATCH"], "Fields": ["City", "ListPrice"]}, **hidden).resources["Property"].writes

    assert found is not None
    assert set(found.fields) == {"City"}


@pytest.mark.channel("C321", "C323")
def test_what_the_policy_tests_is_read_only_unless_it_is_listed() -> None:
    conditional = {"FieldOverrides": {"Property": {"All": {"OwnerName": {"Rule": "Visible", "When": "City eq 'X'"}}}}}
    wanted = {"Methods": ["PATCH"], "Fields": ["City", "StandardStatus", "ListPrice"]}
    plain, listed = (
        written(wanted, **conditional),
        written({**wanted, "PolicyFields": ["StandardStatus"]}, **conditional),
    )

    for compiled, names in ((plain, {"ListPrice"}), (listed, {"ListPrice", "StandardStatus"})):
        found = compiled.resources["Property"].writes
        assert found is not None
        assert set(found.fields) == names
        assert found.tested >= {"City", "StandardStatus"}
    assert any("`Property.City` decides what the key sees" in note for note in plain.notes)


@pytest.mark.channel("C321", "C326")
def test_the_class_is_set_once() -> None:
    found = (
        written(
            {"Methods": ["POST", "PATCH"], "Fields": ["City", "PropertyType"]},
            classes={"Land": {"Hidden": ["ListPrice"]}},
        )
        .resources["Property"]
        .writes
    )

    assert found is not None
    assert found.created_only == {"PropertyType"}


@pytest.mark.channel("C208", "C329", "C365", "C214")
def test_every_fault_of_an_entry_is_told() -> None:
    writes = {
        "Methods": ["PATCH"], "Fields": ["ListingKey", "Nope", "City", "PhotosCount"], "Control": ["City", "Nowhere"], "Required": {"POST": ["City"], "PATCH": ["ListPrice"]},
        "References": {"ListAgentKey": "Member", "City": "Nothing"}, "Bound": {"ListOfficeKey": "OfficeKey"}, "PolicyFields": ["StandardStatus"],
    }  # fmt: skip

    assert faults(writes, ListingPhotoLimit=3) == {
        "Fields.0: `ListingKey` is the key: the upstream gives it", "Fields.1: `Nope` is no field of the upstream's `Property`",
        "Fields.3: `PhotosCount` is computed, and cannot be written", "PolicyFields.0: `StandardStatus` is not among `Fields`",
        "Control.1: `Nowhere` is no field of the upstream's `Property`",
        "Required.PATCH.0: `ListPrice` is not among `Fields` or `Control`", "References.ListAgentKey: `ListAgentKey` is not among `Fields` or `Control`",
        "References.City: `Nothing` is no resource of the upstream", "Bound.ListOfficeKey: `ListOfficeKey` is not among `Fields` or `Control`",
    }  # fmt: skip


def rules(compiled: Policy, name: str = "Property") -> WritePolicy:
    found = compiled.resources[name].writes
    assert found is not None
    return found


@pytest.mark.channel("C323")
def test_no_test_names_what_can_be_written_and_what_is_hidden() -> None:
    """Else whether a write is taken tells the hidden value."""
    writes = {"Methods": ["PATCH"], "Fields": ["City", "ListPrice"], "PolicyFields": ["City", "ListPrice"]}

    mixed = "City eq 'A' or BuyerAgentKey eq 'M1'"
    message = "is tested together with `BuyerAgentKey`, which is not always visible"
    shown = {"Property": {"All": {"OwnerName": {"Rule": "Visible", "When": "City eq 'A' and BuyerAgentKey eq 'M1'"}}}}
    for document in ({"RestrictiveFilters": {"Property": {"Filter": mixed}}}, {"FieldOverrides": shown}):
        compiled = written(writes, **document)
        assert set(rules(compiled).fields) == {"ListPrice"}
        assert any(f"`Property.City` cannot be written: it {message}" in note for note in compiled.notes)
    with pytest.raises(ConfigurationError) as told:
        policy(role({"Property": {"Filter": mixed, "Fields": {"All": {"Visible": VISIBLE}}, "Writes": writes}}))
    assert [fault.message for fault in told.value.faults] == [f"`City` {message}"]
    # What is hidden in a conjunct of its own was true before the write, and is true after it.
    apart = {"RestrictiveFilters": {"Property": {"Filter": "City eq 'A' and BuyerAgentKey eq 'M1'"}}}
    assert set(rules(written(writes, **apart)).fields) == {"City", "ListPrice"}


@pytest.mark.channel("C214")
def test_a_key_of_another_resource_is_a_reference_whoever_says_so() -> None:
    """The Data Dictionary says what ListAgentKey names; what names a row of a resource that is closed is closed."""
    compiled = written({"Methods": ["PATCH"], "Fields": ["City", "ListAgentKey", "ListOfficeKey"]})
    found = rules(compiled)

    assert dict(found.references) == {"ListAgentKey": "Member"}
    assert set(found.fields) == {"City", "ListAgentKey"}
    assert any("`Property.ListOfficeKey` names records that these keys cannot see" in note for note in compiled.notes)


@pytest.mark.channel("C328")
def test_a_method_that_requires_what_cannot_be_written_is_closed() -> None:
    hidden = {"FieldOverrides": {"Property": {"All": {"City": {"Rule": "Hidden"}}}}}
    wanted = {"Methods": ["POST", "PATCH"], "Fields": ["City", "ListPrice"], "Required": {"POST": ["City"]}}
    compiled = written(wanted, **hidden)

    assert rules(written(wanted)).methods == {"POST", "PATCH"}
    assert rules(compiled).methods == {"PATCH"}
    assert any("takes no POST: it requires `City`, which cannot be written" in note for note in compiled.notes)


def test_a_template_says_by_which_methods() -> None:
    wanted = {"Methods": ["PATCH"], "Fields": ["City"]}

    assert rules(written(wanted, Writes={"Property": ["POST"]})).methods == {"POST"}
    assert rules(written(wanted, Writes={"Properties": []})).methods == set()
    assert rules(written(wanted, Writes=None)).methods == {"PATCH"}
    found = rules(written({"Fields": ["City"]}, Writes={"Property": ["PATCH"]}))
    assert found.methods == {"PATCH"}
    assert str(found.origin) == "templates/t.json: D.Writes.Property"


def test_a_template_that_names_no_resource_is_no_word_about_writing() -> None:
    """It could be read as `nothing may be written`, and left all that the role allows."""
    assert faults({"Methods": ["PATCH"], "Fields": ["City"]}, Writes={}) == {
        ": must name a resource: `Property: []` forbids to write one, null keeps what the role says"
    }
    closed = written({"Methods": ["PATCH"], "Fields": ["City"]}, Writes={"Property": []})
    assert rules(closed).methods == frozenset()


def test_a_template_allows_what_its_role_has_prepared_and_nothing_else() -> None:
    with pytest.raises(ConfigurationError) as told:
        written(
            {"Fields": ["City"]},
            Writes={"Member": ["PATCH"], "Nope": ["PATCH"], "Property": ["PATCH"], "Properties": ["PATCH"]},
        )

    assert {f"{'.'.join(fault.path)}: {fault.message}" for fault in told.value.faults} == {
        "D.Writes.Member: the role `idx` does not say what can be written of `Member`", "D.Writes.Nope: `Nope` is no resource that these keys can see",
        "D.Writes.Properties: `Property` is given twice, once as an alias",
    }  # fmt: skip


@pytest.mark.channel("C326")
def test_a_row_does_not_move_to_another_parent_nor_take_its_rows() -> None:
    entries: dict[str, Any] = {
        "Media": {"Fields": {"All": {"Visible": ["Order", "ResourceName", "ResourceRecordKey"]}}, "Writes": {"Methods": ["POST", "PATCH"], "Fields": ["Order", "ResourceName", "ResourceRecordKey"]}},
    }  # fmt: skip
    resources = {"Property": {"Default": "Visible"}, **entries}
    found = rules(policy(role(resources)), "Media")

    assert found.created_only == {"ResourceName", "ResourceRecordKey"}
    assert found.methods == {"POST", "PATCH"}
    entries["Media"]["Writes"]["Fields"] = ["Order"]
    orphaned = policy(role(resources))
    assert rules(orphaned, "Media").methods == {"PATCH"}
    assert any("takes no POST: no parent can be named" in note for note in orphaned.notes)


def test_what_an_upstream_lacks_is_not_written_and_said_so() -> None:
    """Names of the Data Dictionary, as in the roles that ship."""
    compiled = written({"Methods": ["PATCH"], "Fields": ["City", "AccessCode"]})

    assert set(rules(compiled).fields) == {"City"}


@pytest.mark.channel("C365")
def test_control_fields_are_taken_and_not_shown() -> None:
    writes = {
        "Methods": ["PATCH"],
        "Control": ["ChangedByMemberKey"],
        "References": {"ChangedByMemberKey": "Member"},
        "Bound": {"ChangedByMemberKey": "MemberKey"},
    }
    compiled = written(writes)
    found = compiled.resources["Property"].writes

    assert found is not None
    assert set(found.control) == {"ChangedByMemberKey"}
    assert "ChangedByMemberKey" not in compiled.resources["Property"].fields
    assert dict(found.references) == {"ChangedByMemberKey": "Member"}


@pytest.mark.channel("C322")
def test_media_is_read_only_under_a_limit() -> None:
    media = {"Writes": {"Methods": ["DELETE"]}}

    assert written({"Methods": []}, media=media).resources["Media"].writes is not None
    assert written({"Methods": []}, media=media, ListingPhotoLimit=2).resources["Media"].writes is None


def test_what_can_be_written_is_part_of_the_fingerprint() -> None:
    one, two = written({"Methods": ["PATCH"], "Fields": ["City"]}), written({"Methods": ["PATCH"], "Fields": []})

    assert one.fingerprint != two.fingerprint


def test_mistakes_of_a_role_by_itself_are_faults() -> None:
    writes = {
        "Methods": ["POST", "PATCH", "DELETE"], "Fields": ["City", "PropertyType", "Media"], "Control": ["ListPrice"],
        "Required": {"PATCH": ["PropertyType"], "DELETE": ["City"]},
    }  # fmt: skip
    resources = {
        "Properties": {"Fields": {"All": {"Visible": VISIBLE}}, "Writes": writes},
        "Media": {"Default": "Visible"},
    }

    with pytest.raises(ConfigurationError) as told:
        policy(role(resources))

    assert {f"{'.'.join(fault.path)}: {fault.message}" for fault in told.value.faults} == {
        "Resources.Properties.Writes.Fields.2: `Media` leads to other records: they are written by themselves",
        "Resources.Properties.Writes.Control.0: `ListPrice` is visible; what is only written must be hidden",
        "Resources.Properties.Writes.Required.PATCH.0: `PropertyType` is set by POST and stays, so no PATCH can have it",
        "Resources.Properties.Writes.Required.DELETE: a deletion has no body",
    }


@pytest.mark.channel("C326", "C365", "C321")
def test_a_control_field_decides_nothing() -> None:
    """Not by what rows of others name this one, nor its class: an attacker found both."""
    link = Link(local="ListingId", target="ListingId")
    trusting = TRUSTING.model_copy(update={"links": {"Property": {"OpenHouse": link}}})
    resources = {
        "Property": {"Default": "Visible", "Fields": {"All": {"Hidden": ["ListingId", "BuyerAgentKey"]}}, "Writes": {"Methods": ["PATCH"], "Control": ["ListingId", "BuyerAgentKey"]}},
        "OpenHouse": {"Default": "Visible"}, "Member": {"Default": "Visible"},
    }  # fmt: skip

    assert set(rules(policy(role(resources), profile=trusting)).control) == {"BuyerAgentKey"}


@pytest.mark.channel("C214", "C326")
def test_a_parent_is_named_by_its_key_or_not_at_all() -> None:
    """Where rows name it by another field, the row that would be checked is not the one that would be followed."""
    link = Link(local="MemberMlsId", target="ResourceRecordKey", discriminator="ResourceName", values=("Member",))
    trusting = TRUSTING.model_copy(update={"links": {"Member": {"Media": link}}})
    media = {
        "Default": "Visible",
        "Writes": {"Methods": ["POST"], "Fields": ["Order", "ResourceName", "ResourceRecordKey"]},
    }
    found = policy(
        role({"Property": {"Default": "Visible"}, "Member": {"Default": "Visible"}, "Media": media}), profile=trusting
    )
    body, details = read_body(
        decode_record(b'{"ResourceName":"Member","ResourceRecordKey":"M001"}'),
        "POST",
        found.resources["Media"],
        found.schema,
        {},
    )

    assert [parent.resource for parent in rules(found, "Media").parents] == ["Property"]
    assert body.references == ()
    assert [detail.message for detail in details] == ["must name a record that can be seen here"] * 2


@pytest.mark.channel("C205", "C259")
def test_what_a_missing_binding_hides_cannot_be_written_either() -> None:
    """Its name, its type and that it is required would else be told: an attacker found this."""
    resources = {
        "Property": {
            "Fields": {"All": {"Visible": ["City", "ListOfficeKey"], "When": [{"Condition": "ListOfficeKey eq @OfficeKey", "Fields": ["OwnerName"]}]}},
            "Writes": {"Methods": ["POST", "PATCH"], "Fields": ["City", "OwnerName"], "Required": {"POST": ["OwnerName"]}},
        }
    }  # fmt: skip
    compiled = policy(role(resources))
    bound, unbound = (rules(bind_policy(compiled, bindings)) for bindings in ({"OfficeKey": "O1"}, {}))

    assert (set(bound.fields), set(bound.methods)) == ({"City", "OwnerName"}, {"POST", "PATCH"})
    assert (set(unbound.fields), set(unbound.methods)) == ({"City"}, {"PATCH"})
    assert not unbound.required


def test_defaults_of_new_records_are_values_of_fields() -> None:
    """A typo there would silently let nothing, or everything, begin."""
    trusting = TRUSTING.model_copy(update={"create_defaults": {"Property": {"Nope": 1, "ListPrice": "x", "City": None, "StandardStatus": "Incomplete"}, "Nothing": {"a": 1}}})  # fmt: skip

    with pytest.raises(ConfigurationError) as told:
        policy(role({"Property": {"Default": "Visible"}}), profile=trusting)

    assert {fault.message for fault in told.value.faults} == {
        "`Property.Nope` is no field of the upstream", "`x` is no value of `Property.ListPrice`", "`Nothing.a` is no field of the upstream",
    }  # fmt: skip


@pytest.mark.channel("C207", "C326")
@pytest.mark.parametrize(
    ("shown", "allowed"),
    [(["ResourceName", "ResourceRecordKey"], True), (["ResourceRecordKey"], False), (["Order"], False)],
)
def test_a_record_is_not_taken_away_from_rows_that_do_not_show_whom_they_follow(
    shown: list[str], allowed: bool
) -> None:
    """The prover found this: which photos vanish with a listing tells whose they were."""
    writes = {"Methods": ["DELETE", "PATCH"], "Fields": ["City"], "AllowLeaving": True}
    resources = {
        "Property": {"Fields": {"All": {"Visible": VISIBLE}}, "Writes": writes},
        "Media": {"Fields": {"All": {"Visible": shown}}},
    }
    compiled = policy(role(resources))
    found = rules(compiled)

    assert (set(found.methods), found.allow_leaving) == ({"PATCH", *(["DELETE"] if allowed else [])}, allowed)
    assert any("takes no DELETE: it would tell which rows of" in note for note in compiled.notes) is not allowed


def closing(name: str) -> Policy:
    """Writes of listings while the metadata of another set cannot be read."""
    text = (
        metadata_document()
        .decode()
        .replace(f'<EntityType Name="{name}">', f'<EntityType Name="{name}" BaseType="A.B">')
    )
    resources = {
        "Property": {"Fields": {"All": {"Visible": VISIBLE}}, "Writes": {"Methods": ["PATCH"], "Fields": ["City", "ListAgentKey"]}},
        name: {"Default": "Visible"},
    }  # fmt: skip
    return policy(role(resources), schema=parse_metadata(text.encode()))


@pytest.mark.channel("C214", "C326")
@pytest.mark.parametrize("name", ["Member", "Media", "OpenHouse"])
def test_nothing_is_written_beside_a_set_that_cannot_be_read(name: str) -> None:
    """What a value refers to, and which rows would move, cannot be known."""
    compiled = closing(name)

    assert compiled.resources["Property"].writes is None
    assert f"`Property` is read-only while the upstream's `{name}` cannot be read" in compiled.notes


def test_a_set_that_has_nothing_to_do_with_a_closed_one_can_be_written() -> None:
    assert closing("DelegatedAccess").resources["Property"].writes is not None


def test_a_reference_to_a_closed_set_is_no_mistake_of_the_role() -> None:
    text = (
        metadata_document().decode().replace('<EntityType Name="Office">', '<EntityType Name="Office" BaseType="A.B">')
    )
    text = text.replace('<EntitySet Name="Office"', '<EntitySet Name="Bureaus"')
    said = {"Methods": ["PATCH"], "Fields": ["City"], "References": {"City": "Bureaus"}}
    resources = {"Property": {"Fields": {"All": {"Visible": VISIBLE}}, "Writes": said}}

    assert policy(role(resources), schema=parse_metadata(text.encode())).resources["Property"].writes is None
