"""Rules as their authors write them, before they are parsed."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.odata.ast import Expression
from gateway.odata.printer import print_expression
from gateway.policy.inputs import rule_text
from gateway.sandbox.rows import sandbox_schema
from gateway.store.configuration import load_configuration
from gateway.store.snapshot import build_snapshot
from tests.support import policy, role, template, write_configuration

ROLE = {"Property": {"Default": "Visible"}}


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("City eq 'A'\n", "City eq 'A'"),
        ("  City eq 'A' \r\n\n", "City eq 'A'"),
        ("City eq 'A'\nand\tListPrice gt 1\n", "City eq 'A' and ListPrice gt 1"),
        ("City eq 'A\n\tB'\n", "City eq 'A\n\tB'"),
        ("City eq 'it''s\n'\nor City eq '\n'", "City eq 'it''s\n' or City eq '\n'"),
        ("City eq 'open\n", "City eq 'open"),
        ("\u00a0City eq 'A'\u2003", "\u00a0City eq 'A'\u2003"),
        ("\n", ""),
    ],
)
def test_a_rule_is_read_as_one_line_and_its_literals_are_kept(text: str, read: str) -> None:
    assert rule_text(text) == read


def rule_of(**more: object) -> Expression:
    return policy(role({"Property": {"Default": "Visible", **more}})).resources["Property"].rule


@pytest.mark.parametrize("text", ["City eq 'A' and ListPrice gt 1\n", "City eq 'A'\n  and ListPrice gt 1\n"])
def test_a_rule_in_a_block_scalar_is_that_rule(text: str) -> None:
    plain = "City eq 'A' and ListPrice gt 1"
    of_template = policy(role(ROLE), template(RestrictiveFilters={"Property": {"Filter": text}})).resources["Property"]

    assert rule_of(Filter=text) == rule_of(Filter=plain)
    assert rule_of(Always=[text]) == rule_of(Always=[plain])
    assert of_template.rule == rule_of(Filter=plain)


def test_a_condition_in_a_block_scalar_is_that_condition() -> None:
    def condition(text: str) -> str:
        overrides = {"Property": {"All": {"ListPrice": {"Rule": "Visible", "When": text}}}}
        shown = policy(
            role({"Property": {"Default": "Visible", "Fields": {"All": {"Hidden": ["ListPrice"]}}}}),
            template(FieldOverrides=overrides),
        )
        of_role = policy(
            role(
                {
                    "Property": {
                        "Default": "Visible",
                        "Fields": {"All": {"When": [{"Condition": text, "Fields": ["ListPrice"]}]}},
                    }
                }
            )
        )
        found = {print_expression(one.resources["Property"].fields["ListPrice"].condition) for one in (shown, of_role)}
        assert len(found) == 1
        return found.pop()

    assert condition("InternetAddressDisplayYN\n  eq true\n") == condition("InternetAddressDisplayYN eq true")


def test_every_expression_of_a_file_may_be_a_block_scalar(directory: Path) -> None:
    write_configuration(directory, {
        "gateway.yaml": "public_url: http://a/b\nupstream:\n  url: http://u/\n  profile:\n    mandatory_filter:\n      Property: >\n"
                        "        City ne\n        'X'\npolicy:\n  always:\n    Property:\n      - |\n        City ne 'Y'\n        and City ne 'Z'\n",
    })  # fmt: skip

    snapshot = build_snapshot(1, load_configuration(directory, {}), sandbox_schema())

    assert snapshot.faults == ()


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_an_empty_rule_is_a_fault_and_never_no_rule(text: str) -> None:
    for broken in (
        {"Filter": text},
        {"Always": [text]},
        {"Fields": {"All": {"When": [{"Condition": text, "Fields": ["City"]}]}}},
    ):
        with pytest.raises(ConfigurationError):
            rule_of(**broken)
    for over in (
        {"RestrictiveFilters": {"Property": {"Filter": text}}},
        {"FieldOverrides": {"Property": {"All": {"City": {"Rule": "Visible", "When": text}}}}},
    ):
        with pytest.raises(ConfigurationError):
            policy(role(ROLE), template(**over))
