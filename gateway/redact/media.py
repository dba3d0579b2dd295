"""The photo limit: which rows of a listing's complete media list remain (P7, C331)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TypeVar

from gateway.odata.literals import Value, parse_number
from gateway.odata.values import Unknown
from gateway.policy.model import PhotoRule

#: Categories that are no photos, by display text and by member name. Everything else is one, null and unknown
#: values included: a row that escapes the ranking would be visible without limit.
NOT_PHOTOS = frozenset(
    {
        "Document",
        "Branded Virtual Tour",
        "BrandedVirtualTour",
        "Unbranded Virtual Tour",
        "UnbrandedVirtualTour",
        "Video",
    }
)

_Row = TypeVar("_Row")


def is_photo(category: Value | Unknown) -> bool:
    return not (isinstance(category, str) and category in NOT_PHOTOS)


def rank(order: Value | Unknown, key: str) -> tuple[int, Decimal, str]:
    """Sort key of a photo: numeric Order, then MediaKey; an Order that is no number comes last."""
    number = parse_number(order.strip()) if isinstance(order, str) else order
    if isinstance(number, Decimal):
        return 0, number, key
    return 1, Decimal(0), key


def within_limit(
    rows: Sequence[_Row], rule: PhotoRule, lookup: Callable[[_Row, str], Value | Unknown], key: Callable[[_Row], str]
) -> list[_Row]:
    """Return the rows that remain: all that are no photos, and the first ``limit`` photos by rank.

    A photo is one key in the list of its listing. Of several rows under one key those of the first rank are the photo,
    and the others do not remain. Where photos come in several sizes, all rows of the first ``limit`` orders remain;
    rows without an order count one by one (C332).
    """
    photos = [row for row in rows if counts(rule, lookup(row, rule.category) if rule.category else None)]
    ranks = {id(row): rank(lookup(row, rule.order) if rule.order else None, key(row)) for row in photos}
    places: dict[object, int] = {}
    first: dict[str, tuple[int, Decimal, str]] = {}
    dropped: set[int] = set()
    for row in sorted(photos, key=lambda row: ranks[id(row)]):
        own = ranks[id(row)]
        last, number, name = own
        if first.setdefault(name, own) != own:
            dropped.add(id(row))
            continue
        place = places.setdefault(number if rule.sizes and not last else name, len(places))
        if place >= rule.limit:
            dropped.add(id(row))
    return [row for row in rows if id(row) not in dropped]


def counts(rule: PhotoRule, category: Value | Unknown) -> bool:
    """Return whether a row of this category counts against the limit."""
    return rule.category is None or is_photo(category)
