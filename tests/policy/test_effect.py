"""What a change of a template does, in words: by class, in both directions, and nothing that stays."""

from __future__ import annotations

from typing import Any

from gateway.policy.compilation import GatewayRules
from gateway.policy.documents import Source
from gateway.policy.effect import Change, Effect, effect
from gateway.policy.inputs import Inputs, Report
from gateway.policy.model import Policy
from gateway.sandbox.rows import sandbox_schema
from tests.support import TRUSTING, policy, role, template

BASE = role({
    "Property": {"Filter": "StandardStatus eq 'Active'", "Fields": {"All": {"Visible": ["City", "ListPrice", "PropertyType", "Media"]}}},
    "Media": {"Fields": {"All": {"Visible": ["Order"]}}},
})  # fmt: skip
INPUTS = Inputs(None, BASE, None, sandbox_schema(), TRUSTING, GatewayRules(Source("gateway.yaml")), None, Report())


def between(before: dict[str, Any] | None, after: dict[str, Any] | None) -> Effect:
    def compiled(changes: dict[str, Any] | None) -> Policy | None:
        return None if changes is None else policy(BASE, template(**changes))

    return effect(compiled(before), compiled(after), INPUTS)


def hides(name: str, group: str) -> dict[str, Any]:
    return {"FieldOverrides": {"Property": {group: {name: {"Rule": "Hidden"}}}}}


def test_what_stays_is_no_effect() -> None:
    assert between({}, {"Name": "another", "Description": "text"}) == Effect({}, None)


def test_a_rule_of_a_class_changes_that_class_and_the_records_of_none() -> None:
    fields = between({}, hides("ListPrice", "Land")).resources["Property"].fields

    assert fields == {
        "Land": {"ListPrice": Change("Visible", "Hidden")},
        "Other": {"ListPrice": Change("Visible", "Hidden")},
    }
    assert between(hides("ListPrice", "Land"), {}).resources["Property"].fields["Land"] == {
        "ListPrice": Change("Hidden", "Visible")
    }


def test_a_rule_of_all_changes_every_class() -> None:
    fields = between({}, hides("City", "All")).resources["Property"].fields

    assert "Residential" in fields
    assert "Other" in fields
    assert all(changes == {"City": Change("Visible", "Hidden")} for changes in fields.values())


def test_a_condition_is_told_where_the_class_does_not_decide() -> None:
    shown = {"FieldOverrides": {"Property": {"Land": {"OwnerName": {"Rule": "Visible", "When": "City eq 'X'"}}}}}
    fields = between({}, shown).resources["Property"].fields

    assert set(fields) == {"Land"}
    assert fields["Land"]["OwnerName"].before == "Hidden"
    assert "City eq 'X'" in (fields["Land"]["OwnerName"].after or "")


def test_rows_limits_and_whole_resources() -> None:
    limited = between({}, {"ListingPhotoLimit": 0, "RestrictiveFilters": {"Property": {"Filter": None}}})
    none = between({}, None)

    assert limited.photo_limit == Change(None, "0")
    rule = limited.resources["Property"].rule
    assert rule is not None
    assert (rule.after, "'Active'" in (rule.before or "")) == ("true", True)
    assert none.resources["Media"].rule == Change("true", None)
    assert none.resources["Media"].fields["All"]["Order"] == Change("Visible", "Hidden")
