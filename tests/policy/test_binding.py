"""A policy under the bindings of one key: a missing binding denies, and what it hides cannot be written either."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.odata.ast import FALSE
from gateway.odata.printer import print_expression
from gateway.policy.binding import bind_policy
from gateway.policy.model import ResourcePolicy, WritePolicy
from gateway.sandbox.rows import sandbox_schema
from tests.support import policy, role

OWN = "ListOfficeKey eq @OfficeKey"
MEDIA = {"Fields": {"All": {"Visible": ["Order"]}}}


def listing(fields: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"Property": {"Fields": fields or {"All": {"Visible": ["City"]}}, **more}, "Media": MEDIA}


def bound(resources: dict[str, Any], name: str = "Property", **bindings: str) -> ResourcePolicy:
    return bind_policy(policy(role(resources)), bindings).resources[name]


@pytest.mark.channel("C259")
def test_a_policy_that_names_no_binding_is_the_same_value() -> None:
    compiled = policy(role(listing(Filter="City eq 'A'")))

    assert bind_policy(compiled, {"OfficeKey": "O1"}) is compiled


@pytest.mark.channel("C259")
@pytest.mark.parametrize("part", ["Filter", "Always"])
def test_a_rule_of_which_one_part_is_denied_selects_nothing(part: str) -> None:
    rules: dict[str, Any] = {"Filter": "City eq 'A'", "Always": ["City ne 'B'"]}
    rules[part] = OWN if part == "Filter" else [OWN]
    there, missing = bound(listing(**rules), OfficeKey="O1"), bound(listing(**rules), MemberKey="M1")

    assert "ListOfficeKey eq 'O1'" in print_expression(there.rule)
    assert len(there.parts) == len(missing.parts) == 2
    assert missing.rule == FALSE
    assert FALSE in [found.expression for found in missing.parts]


@pytest.mark.channel("C259")
def test_a_rule_that_names_a_missing_binding_is_false_whatever_its_other_alternatives_say() -> None:
    assert bound(listing(Filter=f"{OWN} or City eq 'A'")).rule == FALSE


@pytest.mark.channel("C259")
@pytest.mark.parametrize("where", ["field", "navigation"])
def test_a_condition_of_a_field_or_of_a_relation_is_bound_where_no_rule_names_a_binding(where: str) -> None:
    shown = "PrivateRemarks" if where == "field" else "Media"
    fields = {"All": {"Visible": ["City"], "When": [{"Condition": OWN, "Fields": [shown]}]}}
    there, missing = bound(listing(fields), OfficeKey="O1"), bound(listing(fields))

    assert print_expression(there.condition_of(shown)) == "(ListOfficeKey ne null) and (ListOfficeKey eq 'O1')"
    assert shown not in missing.fields
    assert shown not in missing.navigation
    assert "City" in missing.fields


@pytest.mark.channel("C259")
def test_every_resource_is_bound_when_one_names_a_binding() -> None:
    resources = {
        **listing(),
        "Member": {"Fields": {"All": {"Visible": ["MemberFullName"]}}, "Filter": "MemberKey eq @MemberKey"},
    }

    assert bound(resources, "Property").rule != FALSE
    assert bound(resources, "Member").rule == FALSE
    assert "'M1'" in print_expression(bound(resources, "Member", MemberKey="M1").rule)


@pytest.mark.channel("C254", "C259")
def test_keys_of_other_bindings_have_other_fingerprints() -> None:
    compiled = policy(role(listing(Filter=OWN)))
    found = [bind_policy(compiled, bindings).fingerprint for bindings in ({}, {"OfficeKey": "O1"}, {"OfficeKey": "O2"})]

    assert len({*found, compiled.fingerprint}) == 4


def writes(found: ResourcePolicy) -> WritePolicy:
    assert found.writes is not None
    return found.writes


@pytest.mark.channel("C205", "C259")
def test_nothing_is_left_of_what_can_be_written_where_a_field_is_gone() -> None:
    """Its duties, what it refers to and what it must equal would tell that it is there."""
    gone = ["CoListAgentKey", "BuyerAgentKey"]
    resources = {
        "Property": {
            "Fields": {"All": {"Visible": ["City", "ListAgentKey"], "When": [{"Condition": OWN, "Fields": gone}]}},
            "Writes": {
                "Methods": ["POST", "PATCH"], "Fields": ["City", "ListAgentKey", *gone],
                "Required": {"POST": ["City"], "PATCH": ["City", "BuyerAgentKey"]},
                "References": {"ListAgentKey": "Member", "CoListAgentKey": "Member"},
                "Bound": {"ListAgentKey": "MemberKey", "BuyerAgentKey": "MemberKey"},
            },
        },
        "Member": {"Fields": {"All": {"Visible": ["MemberFullName"]}}},
    }  # fmt: skip
    there, missing = writes(bound(resources, OfficeKey="O1")), writes(bound(resources))

    assert set(there.fields) == {"City", "ListAgentKey", *gone}
    assert there.methods == {"POST", "PATCH"}
    assert (set(there.references), set(there.bound)) == (
        {"ListAgentKey", *gone},
        {"ListAgentKey", "BuyerAgentKey"},
    )
    assert set(missing.fields) == {"City", "ListAgentKey"}
    assert missing.methods == {"POST"}
    assert dict(missing.required) == {"POST": ("City",)}
    assert (dict(missing.references), dict(missing.bound)) == (
        {"ListAgentKey": "Member"},
        {"ListAgentKey": "MemberKey"},
    )


@pytest.mark.channel("C207", "C259")
def test_a_row_that_can_name_no_parent_cannot_be_made() -> None:
    when = [{"Condition": "MediaCategory eq @OfficeKey", "Fields": ["ResourceRecordKey"]}]
    resources = {
        **listing(),
        "Media": {
            "Fields": {"All": {"Visible": ["Order", "ResourceName"], "When": when}},
            "Writes": {"Methods": ["POST", "PATCH"], "Fields": ["Order", "ResourceName", "ResourceRecordKey"]},
        },
    }
    there, missing = writes(bound(resources, "Media", OfficeKey="O1")), writes(bound(resources, "Media"))

    assert (len(there.parents), set(there.methods)) == (1, {"POST", "PATCH"})
    assert (len(missing.parents), set(missing.methods)) == (0, {"PATCH"})


@pytest.mark.channel("C260", "C259")
def test_a_broken_resource_stays_denied_under_any_binding() -> None:
    member = {"Fields": {"All": {"Visible": ["MemberFullName"]}}, "Filter": "MemberKey eq @MemberKey"}
    broken = policy(role({**listing(Filter="Nope eq 'A'"), "Member": member}), earlier=sandbox_schema())

    for bindings in ({}, {"MemberKey": "M1"}):
        found = bind_policy(broken, bindings).resources["Property"]
        assert (found.broken, found.rule) == (True, FALSE)
