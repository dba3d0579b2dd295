"""A record that is proven to be permitted. The proof is made once and travels with the record (D6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.odata.ast import Expression, OrderByItem
from gateway.odata.evaluate import holds
from gateway.odata.json_format import Record
from gateway.odata.literals import Value
from gateway.odata.values import UNKNOWN, Unknown, as_members, typed_value
from gateway.odata.walk import properties
from gateway.policy.plan import LocalOptions, RecordPlan
from gateway.policy.profile import Link, Trust
from gateway.policy.pushdown import blamed


class ContradictionError(Exception):
    """A record came that the upstream, as its profile has it, could not have sent. ``kinds`` are what it is trusted
    with no more; the reason is for the log, and no client learns of it."""

    def __init__(self, resource: str, kinds: Iterable[Trust], reason: str) -> None:
        super().__init__(f"{resource}: {reason}")
        self.resource = resource
        self.kinds = frozenset(kinds)
        self.reason = reason


@dataclass(slots=True)
class Tally:
    """What redaction did, for the decision record: counts, never values."""

    records: int = 0
    dropped: int = 0
    fields_hidden: int = 0
    photos_cut: int = 0
    unknown_members: int = 0
    #: Records that were dropped because a key or a deciding member cannot be read, by ``Resource.Field``.
    unreadable: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Children:
    """The rows below a record that leave with it, and their number before the client's own skip and top."""

    rows: list[Row]
    count: int


@dataclass(slots=True, eq=False)
class Row:
    """A record with its values as far as somebody asked for them, and with its children once they are read."""

    record: Record
    plan: RecordPlan
    children: dict[str, Children] = field(default_factory=dict)
    _values: dict[str, Value | Unknown] = field(default_factory=dict)

    def value(self, name: str) -> Value | Unknown:
        """The typed value of a declared member; unknown where it is missing, repeated or misshapen."""
        found = self._values.get(name, self)
        if found is self:
            found = self._values[name] = self._read(name)
        return found  # type: ignore[return-value]  # the row itself stands for "not asked yet" only above

    def _read(self, name: str) -> Value | Unknown:
        declared = self.plan.types.get(name)
        if declared is None or name in self.record.repeated:
            return UNKNOWN
        raw = self.record.members.get(name)
        if raw is None and self.plan.omits_nulls:
            return None
        found = typed_value(raw, declared.type)
        return as_members(found, self.plan.displays[name]) if name in self.plan.displays else found

    def holds(self, expression: Expression) -> bool:
        """Whether it is definitely true of the record."""
        return holds(expression, self.value, self.plan.reading)

    def matches(self, client: Expression) -> bool:
        """Whether a client's own condition selects the row, under OData's null semantics."""
        reading = replace(self.plan.reading, odata_nulls=True)
        return holds(client, self.value, reading)

    def can_read(self, expression: Expression) -> bool:
        """Whether every member that an expression names has a value of its type, or null."""
        return not any(isinstance(self.value(path.name), Unknown) for path in properties(expression))

    @property
    def key(self) -> tuple[Value, ...]:
        return tuple(self.value(name) for name in self.plan.key)  # type: ignore[misc]  # proven rows have one

    def identity(self, names: Iterable[str]) -> tuple[Hashable, ...]:
        """What makes it a row of its own: its key, and what it names in the fields by which it follows others. A
        database may hold one key twice, under two parents."""
        return (*self.key, *(normal_of(self, name) for name in names))

    def key_text(self) -> str:
        """The key as one text, for orders."""
        return "\x1f".join(str(value) for value in self.key)

    def place(self) -> Any:
        """What rows are sorted by where nobody asks for an order; keys of one resource are of one type."""
        return self.key

    def same(self, name: str, value: Value) -> bool:
        """Whether a field holds a value, as the profile declares equality."""
        mine = self.value(name)
        if isinstance(mine, Unknown) or mine is None:
            return False
        return self.plan.normal(mine) == self.plan.normal(value)

    def sort_key(self, name: str) -> tuple[bool, Any]:
        value = self.value(name)
        known = value is not None and not isinstance(value, Unknown)
        return known, value if known else None


def prove(record: Record, plan: RecordPlan, tally: Tally) -> Row | None:
    """Return the row of a record that is definitely permitted; None for one that counts as never sent (C315).

    A record of which the key or a deciding member cannot be read is not permitted. It contradicts nothing: the upstream
    may have selected it rightly and written it badly. ``tally`` names the field for operators.

    Raises:
        ContradictionError: it is not permitted, and the upstream is believed not to send it.
    """
    row = Row(record, plan)
    for name in plan.key:
        if not _is_known(row.value(name)):
            tally.unreadable[f"{plan.resource}.{name}"] += 1
            return None  # whatever it is (C174)
    if row.holds(plan.rule) and row.holds(plan.guard):
        return row
    kinds = blamed(plan.believed, row.holds, row.can_read)
    if kinds:
        raise ContradictionError(plan.resource, kinds, "a record came that is not definitely permitted")
    for name in dict.fromkeys(path.name for condition in (plan.rule, plan.guard) for path in properties(condition)):
        if isinstance(row.value(name), Unknown):
            tally.unreadable[f"{plan.resource}.{name}"] += 1
    return None


def belongs(parent: Row, child: Row, link: Link) -> bool:
    """Whether the child's own fields say that it is one of the parent's (C357)."""
    here = parent.value(link.local)
    if here is None or isinstance(here, Unknown) or not child.same(link.target, here):
        return False
    return is_of_kind(child, link)


def names_another(parent: Row, child: Row, link: Link) -> bool:
    """Whether the child's own fields say that it is another record's, where it stands inside this one.

    Many servers leave the fields of the link out of an embedded list. A key is the row's own and names no parent.
    """
    if link.target in child.plan.key:
        return False
    owner, here = child.value(link.target), parent.value(link.local)
    if _is_known(owner) and (not _is_known(here) or not child.same(link.target, here)):  # type: ignore[arg-type]  # known
        return True
    kind = UNKNOWN if link.discriminator is None else child.value(link.discriminator)
    return _is_known(kind) and kind not in link.values


def _is_known(value: Value | Unknown) -> bool:
    return value is not None and not isinstance(value, Unknown)


def is_of_kind(row: Row, link: Link) -> bool:
    """Whether the row says that it belongs to a record of the link's kind (``ResourceName``)."""
    return link.discriminator is None or row.value(link.discriminator) in link.values


def in_order(rows: list[Row], orderby: Iterable[OrderByItem]) -> list[Row]:
    """The rows in a client's order: nulls come first ascending (OData Protocol, 11.2.6.2). Equal ones stay."""
    for item in reversed(tuple(orderby)):
        rows.sort(key=lambda row, name=item.path.name: row.sort_key(name), reverse=item.descending)  # type: ignore[misc]  # mypy infers no type for a default
    return rows


def select(rows: list[Row], options: LocalOptions) -> tuple[list[Row], int]:
    """What a client's own options leave of whole lists, and how many rows match before its skip and top."""
    kept = [row for row in rows if row.holds(options.guard) and row.matches(options.filter)]
    in_order(kept, options.orderby)
    end = None if options.top is None else options.skip + options.top
    return kept[options.skip : end], len(kept)


def grouped(rows: Iterable[Row], name: str) -> dict[Hashable | None, list[Row]]:
    """The rows by what stands for a field's value."""
    groups: dict[Hashable | None, list[Row]] = {}
    for row in rows:
        groups.setdefault(normal_of(row, name), []).append(row)
    return groups


def normal_of(row: Row, name: str) -> Hashable | None:
    """What stands for a field's value when rows are grouped by it; None where there is no value."""
    value = row.value(name)
    return None if value is None or isinstance(value, Unknown) else row.plan.normal(value)
