"""What ``decide`` answers: a plan is data, and ``edge.enforcement`` carries it out and nothing else."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Literal as Literal_

from gateway.odata.ast import TRUE, Expression, OrderByItem, Query
from gateway.odata.csdl import Property
from gateway.odata.enumerations import MemberTexts
from gateway.odata.evaluate import STRICT, Reading
from gateway.odata.literals import Literal, Timestamp, Value
from gateway.policy.model import PhotoRule, ResourcePolicy
from gateway.policy.profile import Link


@dataclass(frozen=True, slots=True)
class EmittedField:
    """A field of the answer. It is emitted on records for which ``condition`` is definitely true."""

    property: Property
    condition: Expression
    clamp: int | None = None


@dataclass(frozen=True, slots=True)
class LocalOptions:
    """A client's own options, applied here to verified and ranked rows, and never pushed into a list (C18, C223).

    ``guard`` takes the rows on which a field that they name is not visible (C348).
    """

    guard: Expression = TRUE
    filter: Expression = TRUE
    orderby: tuple[OrderByItem, ...] = ()
    skip: int = 0
    top: int | None = None
    count: bool = False


@dataclass(frozen=True, slots=True)
class NestedPlan:
    """An expanded navigation: how its rows belong to the record, and what becomes of them.

    ``inline`` rows come inside the record, and only where the upstream is trusted with that and the list is proven to
    be whole; all others are read by ``read``, in batches, whose ``by`` is the field that holds what ``link`` names.
    Rows leave in the client's order, else in that of the visible field ``order``, then of their key; the order in which
    an upstream stores them never shows (C71).
    """

    name: str
    is_collection: bool
    link: Link
    record: RecordPlan
    condition: Expression
    read: Read
    inline: bool
    photo: PhotoRule | None = None
    order: str | None = None
    options: LocalOptions = LocalOptions()
    #: No row can exist for the key, so none is asked for.
    empty: bool = False
    #: Its rows are part of the record, all of them and no others: the profile says so, and nothing else could.
    embedded: bool = False


@dataclass(frozen=True, slots=True)
class RecordPlan:
    """What a record of one resource becomes, after it is proven to be one that the policy permits.

    ``rule`` and ``guard`` must be definitely true of the record as received; ``believed`` is what the upstream was
    asked for and is trusted with, so a record on which that fails contradicts the profile. ``types`` are the declared
    properties of everything that is fetched, emitted or withheld; ``emitted`` is in the order of the model.
    ``displays`` has, for each field of an enumeration, the texts that an upstream may send for its members.
    """

    resource: str
    key: tuple[str, ...]
    rule: Expression
    guard: Expression
    believed: Expression
    emitted: tuple[EmittedField, ...]
    nested: tuple[NestedPlan, ...]
    types: Mapping[str, Property]
    reading: Reading = STRICT
    displays: Mapping[str, MemberTexts] = field(default_factory=dict)
    omits_nulls: bool = False

    def normal(self, value: Value) -> Hashable:
        """One value for all that the upstream's equality does not tell apart."""
        return self.reading.normal(value) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class ParentJoin:
    """The rows of a dependent resource that name a parent by ``link``, and of which ``condition`` is definitely true,
    remain where ``read`` finds that parent (P6)."""

    link: Link
    read: Read
    condition: Expression = TRUE


@dataclass(frozen=True, slots=True)
class Ranking:
    """The photo limit of rows that were not read by their listing: of those that ``link`` ties to one, what is among
    the first of the listing's complete list, which ``read`` brings, remains (D9). ``read`` is None where the rows at
    hand are complete lists."""

    photo: PhotoRule
    link: Link
    read: Read | None


@dataclass(frozen=True, slots=True)
class Position:
    """Where a walk through a collection stands.

    ``after`` are the values of the last delivered record in the order of the read, ``cursor`` is the upstream's own
    place and ``skip`` counts the rows behind either. ``passed`` says that ``skip`` and ``cursor`` may count rows that
    do not exist for the key, so they are sealed in a form that tells nothing (C286). ``top`` records may still come;
    ``now`` is the instant of the walk's first request (C366).
    """

    skip: int
    top: int | None
    now: Timestamp
    after: tuple[Literal, ...] | None = None
    cursor: str | None = None
    passed: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """How the answer is cut. ``size`` is the most records of one page, ``top`` what is left of the client's own
    ``$top``; ``total`` asks for their number."""

    size: int
    top: int | None
    skip: int
    total: bool
    after: tuple[Literal, ...] | None = None
    cursor: str | None = None
    passed: bool = False


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
    """A read of one resource. ``kind`` is ``collection``, ``entity`` or ``count``, for a path below a record
    ``navigation``, ``navigation count`` or ``single``, and ``join`` for a second read; ``ask`` lacks only paging.

    ``client`` is what of the client's filter is evaluated here; ``gather`` says that all rows are read, and these
    options then applied here. ``parents`` and ``ranking`` take rows out that follow nothing that exists, or are past
    the photo limit. ``exact`` says that the upstream selects just the rows that exist for the key, as far as it is
    believed. ``by`` is the field by whose values a join is asked for; ``computed`` that the gateway writes the rows
    itself.

    ``context`` is the fragment of the context URL with the client's own projection (C94); ``canonical`` the request
    as a token seals it, without ``$top`` and ``$skip``; ``entity_key`` the key that the one row must have (C293).
    """

    kind: str
    resource: str
    ask: Query
    record: RecordPlan
    page: Page
    canonical: str = ""
    context: str = ""
    entity_key: tuple[tuple[str, object], ...] = ()
    client: Expression = TRUE
    gather: LocalOptions | None = None
    parents: tuple[ParentJoin, ...] | None = None
    ranking: Ranking | None = None
    exact: bool = False
    by: str = ""
    computed: bool = False
    #: Whether pages go on behind the values of the last record, and not at the upstream's cursor or by number.
    keyset: bool = False

    @property
    def following(self) -> tuple[str, ...]:
        """The fields by which its rows name what they follow, as far as they are fetched, in one order."""
        names = {self.by, *(self.ranking.link.target_fields if self.ranking else ())}
        for parent in self.parents or ():
            names |= parent.link.target_fields
        return tuple(sorted(names & self.record.types.keys()))


@dataclass(frozen=True, slots=True)
class Write:
    """A write of one record (RESO Add/Edit). Its body is looked at by ``write_body`` before anything is asked.

    ``target`` reads the record under the policy first, with every field that decides what the key may see of it; None
    for a creation. ``conditional`` says how the upstream is kept from changing another state than that: ``etag`` by the
    tag of what was read, ``any`` by ``If-Match: *``, ``none`` not at all. ``terms`` are the resource's policy at the
    instant of the request, by which both images are judged, read as the profile has it.
    """

    method: str
    resource: str
    target: Read | None
    conditional: Literal_["etag", "any", "none"]
    terms: ResourcePolicy
    reading: Reading


Plan = Local | Read | Write
