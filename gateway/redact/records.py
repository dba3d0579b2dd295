"""A proven record is walked along its plan; nothing else of it leaves (D3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from gateway.odata.media_types import JSON, Format
from gateway.policy.plan import EmittedField, NestedPlan
from gateway.redact.fields import ShapeError, emit_clamped, emit_value
from gateway.redact.links import count_value
from gateway.redact.rows import Row, Tally


@dataclass(frozen=True, slots=True)
class Form:
    """How records are written. ``redaction`` is about fields of the model that are not visible on a record: absent,
    null on every such record, or absent with an annotation that says so. ``omit_nulls`` leaves null members out, once
    everything else is decided, so that null and hidden are not told apart by it (C180, C203). ``written`` is the format
    of the answer."""

    redaction: Literal["omit", "null", "annotate"] = "omit"
    omit_nulls: bool = False
    written: Format = JSON


PLAIN = Form()


def emit(row: Row, tally: Tally, form: Form = PLAIN) -> bytes:
    """The record as it leaves: its emitted fields in the order of the model, then what was expanded.

    Raises:
        ShapeError: a value that would be emitted is not of its declared shape.
    """
    tally.records += 1
    parts: list[bytes] = []
    for emitted in row.plan.emitted:
        parts.extend(_field(row, emitted, tally, form))
    for nested in row.plan.nested:
        parts.extend(_expanded(row, nested, tally, form))
    nested_names = {nested.name for nested in row.plan.nested}
    for name in row.record.members.keys() - row.plan.types.keys():
        # Annotations are every server's habit; only data that nobody asked for is worth a count.
        tally.unknown_members += "@" not in name and name not in nested_names
    return b"{" + b",".join(parts) + b"}"


def seen(row: Row, name: str, form: Form = PLAIN) -> bytes | None:
    """Return the value that ``emit`` gives to a field of the record; None where the record leaves without it, or could
    not leave at all."""
    start = _member(name, b"")
    for emitted in row.plan.emitted:
        if emitted.property.name == name:
            try:
                parts = list(_field(row, emitted, Tally(), form))
            except ShapeError:
                return None
            return next((part[len(start) :] for part in parts if part.startswith(start)), None)
    return None


def _member(name: str, value: bytes) -> bytes:
    return b'"' + name.encode("ascii") + b'":' + value


def _hidden(name: str, form: Form, *, as_null: bool) -> Iterable[bytes]:
    """What stands in place of a member that is not visible on this record; the value decides nothing."""
    if form.redaction == "annotate":
        yield _member(f"{name}@Core.Permissions", b'"None"')
    elif form.redaction == "null" and as_null and not form.omit_nulls:
        yield _member(name, b"null")


def _field(row: Row, emitted: EmittedField, tally: Tally, form: Form) -> Iterable[bytes]:
    name = emitted.property.name
    if not row.holds(emitted.condition):
        tally.fields_hidden += 1
        yield from _hidden(name, form, as_null=not emitted.property.type.is_collection)
        return
    raw = row.record.members.get(name)
    if name in row.record.repeated:
        raise ShapeError(f"`{name}` comes twice in one record")
    if raw is None:
        if row.plan.omits_nulls and not form.omit_nulls and not emitted.property.type.is_collection:
            yield _member(name, b"null")
        return
    try:
        quoted = form.written.ieee754
        if emitted.clamp is None:
            value = emit_value(raw, emitted.property.type, quoted=quoted)
        else:
            value = emit_clamped(raw, emitted.clamp, emitted.property.type, quoted=quoted)
    except ShapeError as error:
        raise ShapeError(f"`{name}`: {error}") from None
    if not (form.omit_nulls and value == b"null"):
        yield _member(name, value)


def _expanded(row: Row, nested: NestedPlan, tally: Tally, form: Form) -> Iterable[bytes]:
    if not row.holds(nested.condition):
        tally.fields_hidden += 1
        yield from _hidden(nested.name, form, as_null=not nested.is_collection)
        return
    children = row.children[nested.name]
    if nested.is_collection:
        if nested.options.count:
            yield _member(f"{nested.name}@odata.count", count_value(children.count, form.written))
        yield _member(nested.name, b"[" + b",".join(emit(child, tally, form) for child in children.rows) + b"]")
    elif children.rows:
        yield _member(nested.name, emit(children.rows[0], tally, form))
    elif not form.omit_nulls:
        yield _member(nested.name, b"null")
