"""What an upstream says of a write, in our words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.edge.outcomes import Outcome, key_of, outcome, refusal_of
from gateway.upstream.client import Written


@pytest.mark.channel("C308")
def test_a_status_says_yes_or_no_or_nothing() -> None:
    found: dict[Outcome, list[int]] = {}
    for status in (
        200,
        201,
        202,
        204,
        206,
        301,
        304,
        307,
        400,
        401,
        403,
        404,
        405,
        408,
        409,
        410,
        412,
        413,
        422,
        428,
        429,
        460,
        499,
        500,
        501,
        502,
        503,
        504,
    ):
        found.setdefault(outcome(Written(status)), []).append(status)

    assert found == {
        Outcome.DONE: [200, 201, 204], Outcome.UNKNOWN: [202, 206, 301, 304, 307, 408, 460, 499, 500, 502, 503, 504],
        Outcome.ANOTHER: [404, 410, 412], Outcome.REFUSED: [400, 401, 403, 405, 409, 413, 422, 428, 429, 501],
    }  # fmt: skip


@pytest.mark.channel("C219")
@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"error": {"target": "City", "message": "canary"}}, ["City"]), ({"error": {"details": [{"target": "B"}, {"target": "A"}, {"target": "Hidden"}]}}, ["A", "B"]),
        ({"error": {"target": ["City"], "details": "City"}}, [""]), ({"error": {"details": [None, 1, "City", {"target": None}]}}, [""]), ({"error": None}, [""]),
        ([], [""]), (7, [""]), ({"City": "canary"}, [""]), ({"error": {"target": "city"}}, [""]),
    ],
)  # fmt: skip
def test_only_fields_that_the_client_has_sent_are_named(said: Any, told: list[str]) -> None:
    refused = refusal_of(Written(400, None, json.dumps(said).encode()), ["A", "B", "City"])

    assert [detail.target for detail in refused.details] == told
    assert all("canary" not in detail.message for detail in refused.details)


@pytest.mark.parametrize("said", [b"", b"{", b"\xff", b"[" * 100_000, b"<error>City</error>"])
def test_a_refusal_that_is_no_error_body_names_nothing(said: bytes) -> None:
    assert [detail.target for detail in refusal_of(Written(422, None, said), ["City"]).details] == [""]


@pytest.mark.channel("C93")
@pytest.mark.parametrize(
    ("location", "key"),
    [
        ("http://up.example/odata/Property('a')", "'a'"), ("Property('a')", "'a'"), ("/x/Property(7)", "7"), ("http://u/Property('a%2Fb')", "'a/b'"),
        ("http://u/Property('it%27%27s')", "'it''s'"), ("http://u/Property('a')?x=1", "'a'"), ("http://u/Property('a')/", "'a'"),
        ("http://u/Property(A='x',B=2)", "A='x',B=2"), ("http://u/Property(ListingKey='x')", "'x'"), (None, None), ("", None), ("http://u/Property", None), ("http://u/Member('a')", None),
        ("http://u/Property('a')/Media", None), ("http://u/Property(", None), ("http://u/Property/a", None), ("http://u/Property(@p)", None),
    ],
)  # fmt: skip
def test_the_key_of_a_new_record_is_read_from_its_address(location: str | None, key: str | None) -> None:
    assert key_of(location, "Property") == key
