"""Lists that came inside a record: which of their rows are this record's, and when they are all of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.odata.csdl import parse_metadata
from gateway.odata.json_format import decode_record
from gateway.odata.parser import Limits
from gateway.odata.request import parse_request
from gateway.policy.decision import decide
from gateway.policy.embedded import with_embedded
from gateway.policy.plan import NestedPlan, Read
from gateway.policy.profile import Profile
from gateway.policy.settings import AnswerSettings as Settings
from gateway.redact.children import came_inside
from gateway.redact.rows import Row, Tally, prove
from tests.edge.test_joins import embedding_document
from tests.redact.test_records import BASE, GOOD, NOW, media
from tests.support import TRUSTING, policy

EMBEDDED = {"Property": ("Media",)}
SCHEMA = with_embedded(parse_metadata(embedding_document().encode()), EMBEDDED)


def inside(text: str | list[dict[str, Any]], *, embedded: bool, **more: Any) -> list[str] | None:
    """The keys of the rows that came inside a listing; None where they are not proven to be all."""
    found = row_of(text, embedded=embedded, **more)
    rows = came_inside(*found, Tally())
    return None if rows is None else [str(row.value("MediaKey")) for row in rows]


def row_of(text: str | list[dict[str, Any]], *, embedded: bool, **more: Any) -> tuple[Row, NestedPlan]:
    profile: Profile = TRUSTING.model_copy(update={"embedded": EMBEDDED}) if embedded else TRUSTING
    compiled = policy(BASE, schema=SCHEMA, profile=profile) if embedded else policy(BASE)
    request = parse_request("GET", "/r/Property?$expand=Media", root="/r", limits=Limits())
    plan = decide(compiled, request, profile, Settings(), NOW)
    assert isinstance(plan, Read)
    listed = text if isinstance(text, str) else json.dumps(text)
    raw = json.dumps({**GOOD, **more})[:-1] + f',"Media":{listed}}}'
    row = prove(decode_record(raw.encode()), plan.record, Tally())
    assert row is not None
    (nested,) = plan.record.nested
    assert nested.embedded is embedded
    return row, nested


@pytest.mark.channel("C356", "C357")
def test_a_list_that_is_part_of_its_record_is_whole_without_a_number() -> None:
    rows = [media(1), media(2)]

    assert inside(rows, embedded=True) == ["M1", "M2"]
    assert inside(rows, embedded=False) is None
    assert inside(rows, embedded=False, **{"Media@odata.count": 2}) == ["M1", "M2"]


@pytest.mark.channel("C356")
@pytest.mark.parametrize("embedded", [True, False])
@pytest.mark.parametrize("link", ["Media@odata.nextLink", "Media@nextLink"])
def test_a_list_that_goes_on_elsewhere_is_not_whole(embedded: bool, link: str) -> None:
    assert inside([media(1)], embedded=embedded, **{"Media@odata.count": 1, link: "x"}) is None


@pytest.mark.channel("C356")
@pytest.mark.parametrize("embedded", [True, False])
def test_a_list_that_came_twice_is_none(embedded: bool) -> None:
    """Which of the two is the list nobody can say."""
    twice = json.dumps([media(1)]) + ',"Media":' + json.dumps([media(2)])

    assert inside(twice, embedded=embedded, **{"Media@odata.count": 1}) is None


@pytest.mark.channel("C357")
@pytest.mark.parametrize(
    ("change", "is_here"),
    [
        ({}, True),
        ({"ResourceRecordKey": "L2"}, False),
        ({"ResourceName": "Member"}, False),
        ({"ResourceRecordKey": None, "ResourceName": None}, True),
        ({"MediaStatus": "Gone"}, False),
        ({"MediaKey": None}, False),
    ],
)
def test_an_embedded_row_that_names_another_record_or_is_not_permitted_is_as_if_not_sent(
    change: dict[str, Any], is_here: bool
) -> None:
    assert inside([media(1), media(2, **change)], embedded=True) == (["M1", "M2"] if is_here else ["M1"])
