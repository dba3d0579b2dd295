"""A record is proven to be permitted, then walked along the plan; nothing else of it leaves (D3, D6)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from gateway.odata import json_format
from gateway.odata.ast import TRUE, Expression
from gateway.odata.evaluate import Reading, evaluate
from gateway.odata.json_format import BodyError, Record
from gateway.odata.literals import Value
from gateway.odata.values import UNKNOWN, Unknown, as_members, typed_value
from gateway.policy.plan import EmittedField, NestedPlan, RecordPlan
from gateway.redact.fields import ShapeError, emit_clamped, emit_value
from gateway.redact.media import rank, within_limit


class ViolationError(Exception):
    """A record came that is not definitely permitted. The reason is for the log; no client learns of it."""

    def __init__(self, resource: str, reason: str) -> None:
        super().__init__(f"{resource}: {reason}")
        self.resource = resource
        self.reason = reason


class IncompleteError(ViolationError):
    """A nested list is not proven to be complete, so photos cannot be ranked (C356)."""


@dataclass(slots=True)
class Tally:
    """What redaction did, for the decision record: counts, never values."""

    records: int = 0
    fields_hidden: int = 0
    photos_cut: int = 0
    unknown_members: int = 0


@dataclass(slots=True)
class _Row:
    """A record with its values as far as somebody asked for them."""

    record: Record
    plan: RecordPlan
    _values: dict[str, Value | Unknown] = field(default_factory=dict)

    def value(self, name: str) -> Value | Unknown:
        """The typed value of a declared member; unknown where it is missing, repeated or misshapen."""
        found = self._values.get(name, self)
        if found is self:
            declared = self.plan.types.get(name)
            if declared is None or name in self.record.repeated:
                found = UNKNOWN
            else:
                found = typed_value(self.record.members.get(name), declared.type)
                if name in self.plan.displays:
                    found = as_members(found, self.plan.displays[name])
            self._values[name] = found
        return found  # type: ignore[return-value]  # the row itself stands for "not asked yet" only above

    def holds(self, expression: Expression) -> bool:
        return expression == TRUE or evaluate(expression, self.value, self.plan.reading) is True

    def matches(self, client: Expression) -> bool:
        """Whether a client's own condition selects the row, under OData's null semantics."""
        reading = replace(self.plan.reading, odata_nulls=True)
        return client == TRUE or evaluate(client, self.value, reading) is True

    def key(self) -> tuple[Value, ...]:
        values = tuple(self.value(name) for name in self.plan.key)
        if any(value is None or isinstance(value, Unknown) for value in values):
            raise ViolationError(self.plan.resource, "a record has no key")
        return values  # type: ignore[return-value]  # no Unknown among them

    def sort_key(self, name: str) -> tuple[bool, Any]:
        value = self.value(name)
        known = value is not None and not isinstance(value, Unknown)
        return known, value if known else None

    def key_text(self) -> str:
        """The key as one text, for orders."""
        return "\x1f".join(str(value) for value in self.key())


def verify(record: Record, plan: RecordPlan) -> tuple[Value, ...]:
    """The key of a record that is definitely permitted.

    Raises:
        ViolationError: row rule or guard are not definitely true of it, or it has no key.
    """
    return _verified(record, plan).key()


def _verified(record: Record, plan: RecordPlan) -> _Row:
    row = _Row(record, plan)
    if not row.holds(plan.rule):
        raise ViolationError(plan.resource, "the row rule is not definitely true of a record")
    if not row.holds(plan.guard):
        raise ViolationError(plan.resource, "the guard is not definitely true of a record")
    row.key()
    return row


def redact(record: Record, plan: RecordPlan, tally: Tally) -> bytes:
    """The record as it leaves: verified, then its emitted fields in the order of the model, then what was expanded.

    Raises:
        ViolationError: it, or a nested record, is not definitely permitted or belongs elsewhere.
        ShapeError: a value that would be emitted is not of its declared shape.
    """
    return _emit(_verified(record, plan), tally)


def _emit(row: _Row, tally: Tally) -> bytes:
    tally.records += 1
    parts = []
    for emitted in row.plan.emitted:
        part = _emit_field(row, emitted, tally)
        if part is not None:
            parts.append(part)
    for nested in row.plan.nested:
        if row.holds(nested.condition):
            name = f"{nested.name}@odata.count" if nested.options.count else nested.name
            parts.append(b'"' + name.encode("ascii") + b'":' + _emit_nested(row, nested, tally))
        else:
            tally.fields_hidden += 1
    nested_names = {nested.name for nested in row.plan.nested}
    for name in row.record.members.keys() - row.plan.types.keys():
        # Annotations are every server's habit; only data that nobody asked for is worth a count.
        tally.unknown_members += "@" not in name and name not in nested_names
    return b"{" + b",".join(parts) + b"}"


def _emit_field(row: _Row, emitted: EmittedField, tally: Tally) -> bytes | None:
    name = emitted.property.name
    if not row.holds(emitted.condition):
        tally.fields_hidden += 1
        return None
    raw = row.record.members.get(name)
    if raw is None:
        return None
    if name in row.record.repeated:
        raise ShapeError(f"`{name}` comes twice in one record")
    try:
        if emitted.clamp is not None:
            value = emit_clamped(raw, emitted.clamp)
        else:
            value = emit_value(raw, emitted.property.type)
    except ShapeError as error:
        raise ShapeError(f"`{name}`: {error}") from None
    return b'"' + name.encode("ascii") + b'":' + value


def redact_navigation(record: Record, plan: RecordPlan, tally: Tally) -> tuple[list[bytes], int] | None:
    """What a navigation path below a record leads to: its rows, and their number before skip and top.

    The record is the parent, verified like any other, and ``plan`` has one nested plan. None where the parent does not
    show the navigation property.

    Raises:
        ViolationError, ShapeError: as ``redact``.
    """
    row = _verified(record, plan)
    (nested,) = plan.nested
    if not row.holds(nested.condition):
        return None
    chosen = _chosen(_children(row, nested, tally), nested)
    return [_emit(child, tally) for child in _window(chosen, nested)], len(chosen)


def _emit_nested(row: _Row, nested: NestedPlan, tally: Tally) -> bytes:
    children = _children(row, nested, tally)
    if not nested.is_collection:
        return _emit(children[0], tally) if children else b"null"
    chosen = _chosen(children, nested)
    rows = b"[" + b",".join(_emit(child, tally) for child in _window(chosen, nested)) + b"]"
    return f'{len(chosen)},"{nested.name}":'.encode("ascii") + rows if nested.options.count else rows


def _children(row: _Row, nested: NestedPlan, tally: Tally) -> list[_Row]:
    """The nested records that exist for the key: verified, of this parent, within the limit, in our own order."""
    if nested.empty:
        return []
    raw = row.record.members.get(nested.name)
    if nested.name in row.record.repeated:
        raise ShapeError(f"`{nested.name}` comes twice in one record")
    if raw is None:
        raise ShapeError(f"`{nested.name}` was asked for and did not come")
    if not nested.is_collection:
        return [] if bytes(raw) == b"null" else [_belonging(row, _decode(raw, nested.name), nested)]
    children = [_belonging(row, json_format.decode_item(item), nested) for item in _items(raw, nested.name)]
    _require_complete(row, nested, len(children))
    if nested.photo is not None:
        kept = within_limit(children, nested.photo, _Row.value, _Row.key_text)
        tally.photos_cut += len(children) - len(kept)
        children = kept
    children.sort(key=lambda child: rank(child.value(nested.order) if nested.order else None, child.key_text()))
    return children


def _chosen(children: list[_Row], nested: NestedPlan) -> list[_Row]:
    """The rows that the client's own filter selects, in the client's order."""
    options = nested.options
    chosen = [row for row in children if row.holds(options.guard) and row.matches(options.filter)]
    for item in reversed(options.orderby):
        # A stable sort for each term, the last one first; nulls come first ascending (OData Protocol, 11.2.6.2).
        chosen.sort(key=lambda row, name=item.path.name: row.sort_key(name), reverse=item.descending)  # type: ignore[misc]  # mypy infers no type for a default
    return chosen


def _window(chosen: list[_Row], nested: NestedPlan) -> list[_Row]:
    options = nested.options
    return chosen[options.skip : None if options.top is None else options.skip + options.top]


def _decode(raw: msgspec.Raw, name: str) -> Record:
    try:
        return json_format.decode_record(raw)
    except BodyError as error:
        raise ShapeError(f"`{name}`: {error}") from None


def _items(raw: msgspec.Raw, name: str) -> list[msgspec.Raw]:
    try:
        return json_format.decode_list(raw)
    except BodyError as error:
        raise ShapeError(f"`{name}`: {error}") from None


def _belonging(parent: _Row, record: Record, nested: NestedPlan) -> _Row:
    """The nested record, verified, and proven by its own link to belong to the record it came with (C357)."""
    child = _verified(record, nested.record)
    link = nested.link
    here, there = parent.value(link.local), child.value(link.target)
    if here is None or isinstance(here, Unknown) or not _same(here, there, child.plan.reading):
        raise ViolationError(nested.record.resource, "a nested record does not belong to the record it came with")
    if link.discriminator is not None and child.value(link.discriminator) not in link.values:
        raise ViolationError(nested.record.resource, "a nested record belongs to another kind of record")
    return child


def _same(here: Value, there: Value | Unknown, reading: Reading) -> bool:
    """Whether two fields of a link are equal, as the profile declares equality."""
    if isinstance(here, str) and isinstance(there, str):
        return reading.normal(here) == reading.normal(there)
    return here == there


def _require_complete(row: _Row, nested: NestedPlan, arrived: int) -> None:
    """No nested link says that more would come; where an answer depends on it, the nested count says so too."""
    members = row.record.members
    link = f"{nested.name}@odata.nextLink" in members or f"{nested.name}@nextLink" in members
    count = json_format.decode_count(members.get(f"{nested.name}@odata.count", members.get(f"{nested.name}@count")))
    if nested.complete and (link or count != arrived):
        raise IncompleteError(nested.record.resource, "a nested list is not proven to be complete")
    if link:
        # Nothing is ranked or counted here, so nothing withheld decides: half a list is no answer, and no violation.
        raise ShapeError(f"`{nested.name}` was cut by the upstream")
