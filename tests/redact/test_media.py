"""Which rows of media are photos, and in which order the limit counts them."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from gateway.odata.literals import Value
from gateway.odata.values import UNKNOWN, Unknown
from gateway.policy.model import PhotoRule
from gateway.redact.media import is_photo, within_limit
from tests.support import REPOSITORY

OTHERS = {"Document", "Branded Virtual Tour", "Unbranded Virtual Tour", "Video"}
MEMBERS = {"BrandedVirtualTour", "UnbrandedVirtualTour"}


@pytest.mark.channel("C331")
def test_every_category_but_documents_tours_and_videos_is_a_photo() -> None:
    """A category that is no photo is shown without limit."""
    text = (REPOSITORY / "gateway" / "sandbox" / "lookups.json").read_text(encoding="utf-8")
    known = set(json.loads(text)["MediaCategory"])

    assert known > OTHERS
    assert {name for name in known if not is_photo(name)} == OTHERS
    assert not any(is_photo(name) for name in MEMBERS)


@pytest.mark.channel("C331")
@pytest.mark.parametrize("category", [None, UNKNOWN, "", "document", "VIDEO", "Video ", "FloorPlan", "AgentPhoto"])
def test_a_category_that_nobody_knows_is_a_photo(category: str | Unknown | None) -> None:
    assert is_photo(category)


def kept(rule: PhotoRule, *rows: dict[str, Value]) -> list[Value]:
    return [
        row["Key"] for row in within_limit(rows, rule, lambda row, name: row.get(name), lambda row: str(row["Key"]))
    ]


SAME: tuple[dict[str, Value], ...] = (
    {"Key": "a", "Order": Decimal(1)},
    {"Key": "b", "Order": Decimal(1)},
    {"Key": "c", "Order": Decimal(2)},
)


@pytest.mark.channel("C331", "C332")
@pytest.mark.parametrize(
    ("sizes", "limit", "shown"),
    [(False, 1, ["a"]), (False, 2, ["a", "b"]), (True, 1, ["a", "b"]), (True, 2, ["a", "b", "c"]), (True, 0, [])],
)
def test_photos_of_one_order_are_one_photo_only_where_they_come_in_sizes(
    sizes: bool, limit: int, shown: list[str]
) -> None:
    assert kept(PhotoRule(limit, None, "Order", sizes), *SAME) == shown


@pytest.mark.channel("C331", "C332")
@pytest.mark.parametrize("sizes", [False, True])
def test_photos_without_an_order_count_one_by_one(sizes: bool) -> None:
    rows: list[dict[str, Value]] = [{"Key": "a"}, {"Key": "b", "Order": "x"}, {"Key": "c", "Order": Decimal(7)}]

    assert kept(PhotoRule(2, None, "Order", sizes), *rows) == ["a", "c"]


@pytest.mark.channel("C331")
def test_without_a_field_for_the_order_keys_decide() -> None:
    rows: list[dict[str, Value]] = [{"Key": "b", "Order": Decimal(1)}, {"Key": "a", "Order": Decimal(2)}]

    assert kept(PhotoRule(1, None, None, False), *rows) == ["a"]
