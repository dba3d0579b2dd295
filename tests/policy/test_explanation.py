"""Explanations say what the plan does: each rule with its origin, guards of every level, what is withheld and lost."""

from __future__ import annotations

from datetime import UTC, datetime

from gateway.odata.literals import Timestamp
from gateway.odata.parser import Limits
from gateway.odata.request import parse_request
from gateway.policy.decision import decide
from gateway.policy.explanation import Explanation, explain
from gateway.policy.settings import AnswerSettings as Settings
from tests.support import TRUSTING, policy, role, template

NOW = Timestamp(datetime(2026, 1, 15, tzinfo=UTC))
BASE = role(
    {
        "Property": {
            "Filter": "StandardStatus eq 'Active'",
            "Fields": {"All": {"Visible": ["City", "ListPrice", "PropertyType", "PhotosCount", "Media"]}},
        },
        "Media": {
            "Fields": {
                "All": {
                    "Visible": ["Order"],
                    "When": [{"Condition": "MediaStatus eq 'Live'", "Fields": ["ShortDescription"]}],
                }
            }
        },
    }
)
POLICY = policy(
    BASE, template(ListingPhotoLimit=2, FieldOverrides={"Property": {"Land": {"ListPrice": {"Rule": "Hidden"}}}})
)


def explained(target: str) -> Explanation:
    request = parse_request("GET", "/r/" + target.replace(" ", "%20"), root="/r", limits=Limits())
    plan = decide(POLICY, request, TRUSTING, Settings(), NOW)
    return explain(plan, POLICY, request.query)


def test_a_read_is_explained_from_top_to_bottom() -> None:
    found = explained(
        "Property?$filter=ListPrice gt 5&$select=ListPrice,PhotosCount&$expand=Media($filter=contains(ShortDescription,'x');$select=Order)"
    )

    assert [(rule.resource, str(rule.origin)) for rule in found.rules] == [
        ("Property", "roles/idx.yaml: Resources.Property.Filter")
    ]
    assert [(guard.resource, guard.text.split()[0]) for guard in found.guards] == [
        ("Property", "ListPrice"),
        ("Media", "ShortDescription"),
    ]
    assert {entry.resource: set(entry.text.split(", ")) for entry in found.withheld} == {
        "Property": {"ListingKey", "PropertyType", "StandardStatus"},
        "Media": {"MediaCategory", "MediaKey", "MediaStatus", "ResourceName", "ResourceRecordKey", "ShortDescription"},
    }
    assert [lost.text.split(" unless")[0] for lost in found.lost] == [
        "ListPrice",
        "PhotosCount above 2",
        "photos after the first 2",
    ]
    assert str(found.lost[0].origin) == "templates/t.json: D.FieldOverrides.Property.Land.ListPrice"


def test_a_path_below_a_record_is_explained_too() -> None:
    found = explained("Property('k')/Media?$orderby=ShortDescription")

    assert found.kind == "navigation"
    assert [guard.resource for guard in found.guards] == ["Media"]


def test_what_is_answered_without_asking_says_so() -> None:
    assert explained("").canonical == "answered without asking the upstream"


def test_second_reads_and_what_is_done_here_are_told() -> None:
    resources = BASE.document.model_dump(exclude_unset=True)["Resources"]
    resources["Property"]["Fields"]["All"]["Visible"] = ["City", "Media", "ListAgent"]
    resources["Media"] = {"Fields": {"All": {"Visible": ["Order", "ResourceRecordKey"]}}}
    resources["Member"] = {"Fields": {"All": {"Visible": ["MemberFullName"]}}}
    compiled = policy(role(resources), template(ListingPhotoLimit=2))
    lines = {}
    for target in (
        "Property?$select=City&$expand=ListAgent,Media",
        "Media?$filter=Order gt 1",
        "Media?$filter=ResourceRecordKey eq 'L1'",
    ):
        request = parse_request("GET", "/r/" + target.replace(" ", "%20"), root="/r", limits=Limits())
        profile = TRUSTING.model_copy(update={"nested": "untrusted", "string_equality": "untrusted"})
        decided = decide(compiled, request, profile, Settings(), NOW)
        told = explain(decided, compiled, request.query)
        lines[target] = [str(entry.resource) + ": " + entry.text for entry in (*told.joins, *told.here)]

    assert any(
        line.startswith("Member: ListAgent, by MemberKey in (...)")
        for line in lines["Property?$select=City&$expand=ListAgent,Media"]
    )
    assert any(
        line.startswith("Property: parents, by ListingKey in (...) and (StandardStatus")
        for line in lines["Media?$filter=Order gt 1"]
    )
    assert any(
        line.startswith("Media: photo ranks, by ResourceRecordKey in (...)")
        for line in lines["Media?$filter=Order gt 1"]
    )
    assert "Media: all of the client's options, on whole lists" in lines["Media?$filter=ResourceRecordKey eq 'L1'"]


def test_a_search_behind_a_navigation_is_explained_too() -> None:
    """It names a navigation property, whose condition is a guard as that of a field is."""
    compiled = policy(
        role({
            "Property": {"Fields": {"All": {
                "Visible": ["City"], "When": [{"Condition": "City eq 'A'", "Fields": ["OpenHouse"]}],
            }}},
            "OpenHouse": {"Fields": {"All": {"Visible": ["OpenHouseType"]}}},
        }),
        template(),
    )  # fmt: skip
    target = "Property?$filter=OpenHouse/any(o:o/OpenHouseType eq 'Public')"
    request = parse_request("GET", "/r/" + target.replace(" ", "%20"), root="/r", limits=Limits())
    plan = decide(compiled, request, TRUSTING, Settings(), NOW)

    found = explain(plan, compiled, request.query)

    assert [guard.text for guard in found.guards] == ["OpenHouse demands (City ne null) and (City eq 'A')"]


def test_a_write_is_explained_by_what_its_body_is_held_to() -> None:
    writes = {"Methods": ["POST", "PATCH", "DELETE"], "Fields": ["City", "PropertyType"], "Control": ["ChangedByMemberKey"],
              "Required": {"PATCH": ["ChangedByMemberKey"]}, "References": {"ChangedByMemberKey": "Member"}, "Bound": {"ChangedByMemberKey": "MemberKey"},
              "CreateOutside": True}  # fmt: skip
    found = policy(role({
        "Property": {"Filter": "StandardStatus eq 'Active'", "Fields": {"All": {"Visible": ["City", "PropertyType"]}}, "Writes": writes}, "Member": {"Default": "Visible"},
    }), template(Writes={"Property": ["POST", "PATCH"]}))  # fmt: skip

    def told(method: str, target: str) -> Explanation:
        request = parse_request(method, "/r/" + target, root="/r", limits=Limits())
        trusting = TRUSTING.model_copy(update={"conditional_writes": "etag"})
        return explain(decide(found, request, trusting, Settings(), NOW), found, request.query)

    changed, made = told("PATCH", "Property('x')"), told("POST", "Property")

    assert changed.kind == "PATCH"
    assert "ListingKey eq 'x'" in dict(changed.asked)["$filter"]
    assert [rule.text for rule in changed.rules] == ["(StandardStatus ne null) and (StandardStatus eq 'Active')"]
    assert [(entry.text, str(entry.origin)) for entry in changed.writes] == [
        ("allowed", "templates/t.json: D.Writes.Property"),
        *((text, "roles/idx.yaml: Resources.Property.Writes") for text in (
            "may name City", "takes and never shows ChangedByMemberKey", "must name ChangedByMemberKey",
            "ChangedByMemberKey names a row of Member that exists for the key", "ChangedByMemberKey is the key's own MemberKey, where it has one",
        )),
    ]  # fmt: skip
    assert (made.asked, made.writes[1].text, made.writes[-1].text) == (
        (),
        "may name City, PropertyType",
        "need not satisfy the row rule afterwards",
    )
