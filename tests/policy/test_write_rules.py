"""What a role lets its keys write: what can be seen, and nothing that decides what can be seen."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import ConfigurationError
from gateway.policy.model import Policy
from tests.support import policy, role, template

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
        "Control.0: `City` is visible; what is only written must be hidden", "Control.1: `Nowhere` is no field of the upstream's `Property`",
        "Required.POST: is not among `Methods`", "Required.PATCH.0: `ListPrice` cannot be written, so it cannot be required",
        "References.ListAgentKey: `ListAgentKey` cannot be written", "References.City: `Nothing` is no resource that these keys can ask for",
        "Bound.ListOfficeKey: `ListOfficeKey` cannot be written",
    }  # fmt: skip


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
