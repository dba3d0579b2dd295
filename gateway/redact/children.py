"""The rows below a record: those that came inside it if they are proven to be whole, and the photo limit (D9, P7)."""

from __future__ import annotations

from collections.abc import Hashable
from decimal import Decimal

from gateway.odata import json_format
from gateway.odata.json_format import BodyError, Record
from gateway.odata.literals import Value
from gateway.policy.model import PhotoRule
from gateway.policy.plan import NestedPlan
from gateway.redact.media import counts, rank, within_limit
from gateway.redact.rows import (
    Children,
    ContradictionError,
    Row,
    Tally,
    belongs,
    grouped,
    names_another,
    normal_of,
    prove,
    select,
)


def came_inside(row: Row, nested: NestedPlan, tally: Tally) -> list[Row] | None:
    """The permitted rows that came inside a record; None where they are not proven to be all, and are to be read anew.

    Raises:
        ContradictionError: a row is not permitted, or belongs elsewhere: the upstream does not honour nested options.
    """
    raw = row.record.members.get(nested.name)
    if raw is None or nested.name in row.record.repeated:
        return None
    try:
        if not nested.is_collection:
            items = [] if bytes(raw) == b"null" else [json_format.decode_record(raw)]
        else:
            items = [json_format.decode_item(item) for item in json_format.decode_list(raw)]
    except BodyError:
        return None
    rows = [child for item in items if (child := _proven(row, item, nested, tally)) is not None]
    if nested.is_collection and not _is_whole(row, nested, len(items)):
        return None
    return rows


def _proven(row: Row, item: Record, nested: NestedPlan, tally: Tally) -> Row | None:
    try:
        child = prove(item, nested.record, tally)
    except ContradictionError as error:
        raise ContradictionError(error.resource, {"nested"}, error.reason) from None
    if child is None or nested.embedded:
        return None if child is None or names_another(row, child, nested.link) else child
    if not belongs(row, child, nested.link):
        reason = "a nested record does not belong to the record it came with"
        raise ContradictionError(nested.record.resource, {"nested"}, reason)
    return child


def _is_whole(row: Row, nested: NestedPlan, arrived: int) -> bool:
    """No nested link says that more would come, and the nested count that these are all (C356)."""
    members = row.record.members
    if f"{nested.name}@odata.nextLink" in members or f"{nested.name}@nextLink" in members:
        return False
    if nested.embedded:
        return True  # the profile says so, and no number comes with such a list
    count = json_format.decode_count(members.get(f"{nested.name}@odata.count", members.get(f"{nested.name}@count")))
    return count == arrived


def attach(row: Row, nested: NestedPlan, rows: list[Row], tally: Tally) -> list[Row]:
    """Makes a whole list of rows the children of a record: ranked, in our own order, each key once, under the client's
    options. Gives those that leave.

    A key is looked at after the photo limit: a row that does not remain takes no other's place.
    """
    if nested.photo is not None:
        kept = _first_photos(rows, nested.photo)
        tally.photos_cut += len(rows) - len(kept)
        rows = kept
    rows.sort(key=lambda child: rank(child.value(nested.order) if nested.order else None, child.key_text()))
    once = {child.key: child for child in reversed(rows)}
    chosen, count = select([child for child in rows if once[child.key] is child], nested.options)
    row.children[nested.name] = Children(chosen, count)
    return chosen


def _first_photos(rows: list[Row], photo: PhotoRule) -> list[Row]:
    """What the photo limit leaves of the whole media list of one listing."""
    return within_limit(rows, photo, Row.value, Row.key_text)


#: A photo in the list of one listing: what stands for the listing, its rank, and its key.
Photo = tuple[Hashable | None, tuple[int, Decimal, str], tuple[Value, ...]]


def as_photo(row: Row, photo: PhotoRule, link_field: str) -> Photo | None:
    """Return the identity of a photo within its listing; None for a row that is not a photo.

    A key alone does not tell: other listings may have a photo of that key, and one listing several rows.
    """
    if not counts(photo, row.value(photo.category) if photo.category else None):
        return None
    order = row.value(photo.order) if photo.order else None
    return normal_of(row, link_field), rank(order, row.key_text()), row.key


def ranked(rows: list[Row], photo: PhotoRule, link_field: str) -> frozenset[Photo]:
    """The photos that the limit leaves of the whole lists of several listings."""
    lists = grouped(rows, link_field).values()
    kept = (as_photo(row, photo, link_field) for group in lists for row in _first_photos(group, photo))
    return frozenset(found for found in kept if found is not None)
