"""Row rules: each conjunct is there, whatever the set is called, or there is no rule at all."""

from __future__ import annotations

import pytest

from gateway.odata.ast import FALSE
from gateway.odata.csdl import parse_metadata
from gateway.odata.printer import print_expression
from gateway.policy.compilation import GatewayRules
from gateway.policy.documents import Source
from gateway.policy.inputs import Inputs, Report
from gateway.policy.row_rules import row_rule
from gateway.sandbox.rows import metadata_document, sandbox_schema
from tests.support import TRUSTING, policy, role, syndication, template

SHOWN = {"Fields": {"All": {"Visible": ["City"]}}}


@pytest.mark.channel("C338", "C340")
@pytest.mark.parametrize("name", ["Property", "Listings", "Properties"])
def test_a_syndication_holds_for_listings_under_any_name_of_their_set(name: str) -> None:
    text = metadata_document().decode()
    text = text.replace('<EntitySet Name="Property"', f'<EntitySet Name="{name}"')
    schema = parse_metadata(text.replace('Target="Property"', f'Target="{name}"').encode())

    compiled = policy(role({name: SHOWN}), template(), syndicated=syndication("opt_in"), schema=schema)

    parts = compiled.resources[name].parts
    assert [print_expression(part.expression) for part in parts] == ["SyndicateTo/any(x__:x__ eq 'ListHub')"]


@pytest.mark.channel("C260", "C338")
def test_a_syndication_is_for_listings_only() -> None:
    base = role({"Property": SHOWN, "Member": {"Fields": {"All": {"Visible": ["MemberFullName"]}}}})

    assert policy(base, template(), syndicated=syndication("opt_in")).resources["Member"].parts == ()


@pytest.mark.channel("C260", "C350")
@pytest.mark.parametrize("broken", ["Filter", "Always", "template", "gateway", "syndication"])
def test_a_rule_of_which_a_part_cannot_be_decided_has_no_parts(broken: str) -> None:
    """The parts that are left would select more rows than the licence, and an explanation would show them as the rule."""
    good, bad = "City eq 'A'", "Nope eq 'A'"
    filters = {"RestrictiveFilters": {"Property": {"Filter": bad}}} if broken == "template" else {}
    entry = {"Filter": bad if broken == "Filter" else good, "Always": [bad if broken == "Always" else good]}
    inputs = Inputs(
        template(**filters),
        role({"Property": {**SHOWN, **entry}}),
        syndication("opt_in", "Nope" if broken == "syndication" else "SyndicateTo"),
        sandbox_schema(),
        TRUSTING,
        GatewayRules(Source("gateway.yaml"), always={"Property": (bad if broken == "gateway" else good,)}),
        None,
        Report(),
    )

    assert row_rule(inputs, "Property") is None
    assert len(inputs.report.faults) == 1


@pytest.mark.channel("C260", "C350")
def test_a_resource_whose_rule_cannot_be_decided_has_no_row() -> None:
    base = role({"Property": {**SHOWN, "Filter": "Nope eq 'A'", "Always": ["City eq 'A'"]}})

    found = policy(base, earlier=sandbox_schema()).resources["Property"]

    assert found.broken
    assert (found.parts, found.rule) == ((), FALSE)
