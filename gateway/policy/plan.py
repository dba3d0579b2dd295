"""What ``decide`` answers: a plan is data, and ``edge.enforcement`` carries it out and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.odata.ast import TRUE, Expression, OrderByItem, Query
from gateway.odata.csdl import Property
from gateway.odata.evaluate import STRICT, Reading
from gateway.policy.model import PhotoRule
from gateway.policy.profile import Link


@dataclass(frozen=True, slots=True)
class EmittedField:
    """A field of the answer. It is emitted on records for which ``condition`` is definitely true."""

    property: Property
    condition: Expression
    clamp: int | None = None


@dataclass(frozen=True, slots=True)
class NestedOptions:
    """A client's own options of an expanded list. They are applied here, to verified and ranked rows, and never pushed
    (C18, C223). ``guard`` takes the rows on which a field that they name is not visible (C348)."""

    guard: Expression = TRUE
    filter: Expression = TRUE
    orderby: tuple[OrderByItem, ...] = ()
    skip: int = 0
    top: int | None = None
    count: bool = False

    @property
    def narrow(self) -> bool:
        """Whether an answer depends on rows that might not have come."""
        return self != NestedOptions(orderby=self.orderby)


@dataclass(frozen=True, slots=True)
class NestedPlan:
    """An expanded navigation: how its rows belong to the record, and what becomes of them.

    ``complete`` asks for proof that the upstream's list was not cut (P7). Rows leave in the client's order, else in
    that of the visible field ``order``, then of their key; the order in which an upstream stores them never shows
    (C71).
    """

    name: str
    is_collection: bool
    link: Link
    record: RecordPlan
    condition: Expression
    photo: PhotoRule | None = None
    order: str | None = None
    options: NestedOptions = NestedOptions()
    #: No row can exist for the key, so none is asked for.
    empty: bool = False

    @property
    def complete(self) -> bool:
        return self.photo is not None or self.options.narrow


@dataclass(frozen=True, slots=True)
class RecordPlan:
    """What a record of one resource becomes, after it is proven to be one that the policy permits.

    ``rule`` and ``guard`` must be definitely true of the record as received. ``types`` are the declared properties
    of everything that is fetched, emitted or withheld; ``emitted`` is in the order of the model. ``displays`` has, for
    enumerations, display text to member: an upstream may send either.
    """

    resource: str
    key: tuple[str, ...]
    rule: Expression
    guard: Expression
    emitted: tuple[EmittedField, ...]
    nested: tuple[NestedPlan, ...]
    types: Mapping[str, Property]
    reading: Reading = STRICT
    displays: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    """How the answer is cut. ``size`` is the most records of one page, ``top`` what is left of the client's own
    ``$top`` and ``skip`` where this page begins among the rows that match; ``total`` asks for their number."""

    size: int
    top: int | None
    skip: int
    total: bool


@dataclass(frozen=True, slots=True)
class Local:
    """An answer without the upstream: ``service`` (of the sets ``select``), ``metadata``, an empty ``collection`` or
    ``count``."""

    kind: str
    total: bool = False
    context: str = ""
    select: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """A read of one resource. ``kind`` is ``collection``, ``entity`` or ``count``, and for a path below a record
    ``navigation``, ``navigation count`` or ``single``; ``ask`` lacks only paging.

    ``context`` is the fragment of the context URL with the client's own projection (C94); ``canonical`` the request
    as a token seals it, without ``$top`` and ``$skip``; ``entity_key`` the key that the one row must have (C293).
    """

    kind: str
    resource: str
    ask: Query
    record: RecordPlan
    page: Page
    canonical: str
    context: str
    entity_key: tuple[tuple[str, object], ...] = ()


Plan = Local | Read
