"""The policy enforcement point: carries out a Read, and nothing else (DESIGN section 3).

What comes from the upstream is believed record by record. One that is not definitely permitted is taken as never sent:
the page is filled up from what follows, and whether a link is owed is decided on what is left (D6). Anything that is no
proper answer is a 502 that says nothing.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from gateway.edge.joins import Joins
from gateway.edge.scan import BrokenAnswerError, Mark, Scan, Source, Trace, values_of
from gateway.errors import not_found
from gateway.odata.json_format import BodyError, Record
from gateway.odata.literals import Literal
from gateway.policy.plan import Read
from gateway.policy.profile import Profile
from gateway.redact.fields import ShapeError
from gateway.redact.records import PLAIN, Form, emit
from gateway.redact.rows import Row, prove, select
from gateway.upstream.client import UpstreamClient

__all__ = ["BrokenAnswerError", "Enforcement", "Next", "Result", "Trace"]


@dataclass(frozen=True, slots=True)
class Next:
    """Where the next page begins; fields as in ``Position``."""

    skip: int
    after: tuple[Literal, ...] | None = None
    cursor: str | None = None
    passed: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """Redacted records, their number where it was asked for, and where more follow."""

    records: tuple[bytes, ...]
    total: int | None = None
    next: Next | None = None


class Enforcement:
    """Carries out plans in front of one upstream."""

    def __init__(self, upstream: UpstreamClient) -> None:
        self.upstream = upstream

    async def read(self, plan: Read, profile: Profile, trace: Trace, form: Form = PLAIN) -> Result:
        """The records of a plan.

        Raises:
            ContradictionError: the upstream contradicts its profile; decide anew, without that trust.
            BrokenAnswerError, UpstreamFailure: nothing usable came.
            Refusal: 404 where an entity does not exist for this key.
        """
        carried = _Carried(Source(self.upstream, profile, trace), plan, form)
        try:
            if plan.gather is not None:
                return await carried.gathered()
            if plan.kind == "collection":
                return await carried.collection()
            if plan.kind == "count":
                return await carried.count()
            return await carried.by_key()
        except (BodyError, ShapeError) as error:
            raise BrokenAnswerError(str(error)) from None

    async def row(self, plan: Read, profile: Profile, trace: Trace) -> Row:
        """The one row of an entity's plan, proven and not yet redacted: what a write is decided on.

        Raises:
            Refusal: 404 where it does not exist for this key.
            ContradictionError, BrokenAnswerError, UpstreamFailure: as for ``read``.
        """
        try:
            return await _Carried(Source(self.upstream, profile, trace), plan, PLAIN).one()
        except (BodyError, ShapeError) as error:
            raise BrokenAnswerError(str(error)) from None


class _Carried:
    """One plan on its way."""

    def __init__(self, source: Source, plan: Read, form: Form) -> None:
        self._source = source
        self._joins = Joins(source)
        self._plan = plan
        self._form = form
        self._tally = source.trace.tally

    async def _emitted(self, rows: list[Row]) -> tuple[bytes, ...]:
        await self._joins.expand(rows, self._plan.record)
        return tuple(emit(row, self._tally, self._form) for row in rows)

    async def gathered(self) -> Result:
        """Whole lists, under the client's own options: numbers and windows are those of verified rows."""
        plan, options = self._plan, self._plan.gather
        assert options is not None
        if options.top == 0 and not options.count:
            return Result(())
        rows, total = select(await self._joins.whole(plan), options)
        if plan.kind == "count":
            return Result((), total)
        shown, following = first_page(rows, plan)
        return Result(await self._emitted(shown), total if options.count else None, following)

    async def count(self) -> Result:
        scan = Scan(self._source, self._plan, self._plan.page)
        batch = await scan.batch(1, count=True)
        while not batch and not scan.ended:
            # That there is a number is told by a record; a page without one is not the end while another follows.
            batch = await scan.batch(1)
        for record, _ in batch:
            prove(record, self._plan.record, self._tally)
        return Result((), scan.total if batch else 0)

    async def by_key(self) -> Result:
        """The one row with exactly the requested key; a row under another spelling of it is as if not sent (C293)."""
        row = await self.one()
        await self._joins.expand([row], self._plan.record)
        if self._plan.kind == "entity":
            return Result((emit(row, self._tally, self._form),))
        (nested,) = self._plan.record.nested
        if not row.holds(nested.condition):
            raise not_found()
        children = row.children[nested.name]
        return Result(tuple(emit(child, self._tally, self._form) for child in children.rows), children.count)

    async def one(self) -> Row:
        plan = self._plan
        key = tuple(value for _, value in plan.entity_key)
        scan = Scan(self._source, plan, plan.page)
        while not scan.ended:
            for record, _ in await scan.batch(1):
                row = prove(record, plan.record, self._tally)
                if row is not None and row.key == key and row.matches(plan.client):
                    for kept in await self._joins.remaining(plan, [row]):
                        return kept
                self._tally.dropped += 1
        raise not_found()

    async def collection(self) -> Result:
        plan, page = self._plan, self._plan.page
        size = page.size if page.top is None else min(page.size, page.top)
        # One record more than the page shows whether a link is owed, unless the client's own $top ends here (C87).
        wanted = size if page.top is not None and page.top <= page.size else size + 1
        if wanted == 0 and not page.total:
            return Result(())
        found = _Found({}, {})
        scan = Scan(self._source, plan, page)
        while not scan.ended and (len(found.rows) < wanted or (page.total and scan.total is None)):
            missing = max(1, wanted - len(found.rows))
            batch = await scan.batch(missing, count=page.total and scan.total is None)
            await self._take(batch, found)
        rows = list(found.rows.values())
        total = scan.total
        if total is not None and page.skip == 0 and scan.ended and len(rows) < wanted:
            total = len(rows)
        shown = rows[:size]
        following = None
        if len(rows) > size and shown and (page.top is None or page.top > len(shown)):
            following = self._behind(shown[-1], found.marks[id(shown[-1])])
        return Result(await self._emitted(shown), total, following)

    async def _take(self, batch: list[tuple[Record, Mark]], found: _Found) -> None:
        """Adds the permitted rows of a batch that are new."""
        rows: list[Row] = []
        marks: dict[int, Mark] = {}
        for record, mark in batch:
            row = prove(record, self._plan.record, self._tally)
            if row is None or not row.matches(self._plan.client):
                self._tally.dropped += row is None
                continue
            rows.append(row)
            marks[id(row)] = mark
        for row in await self._joins.remaining(self._plan, rows):
            identity = row.identity(self._plan.following)
            if identity not in found.rows:
                found.rows[identity] = row
                found.marks[id(row)] = marks[id(row)]

    def _behind(self, last: Row, mark: Mark) -> Next:
        """The place behind the last record of a page, in the form that the plan's walk has."""
        if self._plan.keyset:
            after = values_of(last, self._plan.ask.orderby)
            if after is None:
                raise BrokenAnswerError("a record cannot be paged by: what it is sorted by is no value of its type")
            if after == self._plan.page.after:
                raise BrokenAnswerError("the upstream takes no notice of where the page begins")
            return Next(0, after)
        # The form in which the place is sealed follows from plan and profile: one that came with withheld rows would
        # tell. Rows of which a deciding member cannot be read are counted too, unless the profile vouches for numbers.
        profile = self._source.profile
        is_told = self._plan.exact and profile.trusts_kind("counts", self._plan.resource)
        return Next(mark.skip, None, mark.cursor, passed=not is_told or profile.is_linked)


def first_page(rows: list[Row], plan: Read) -> tuple[list[Row], Next | None]:
    """What of a whole list, with the client's skip behind it, is on the page, and where the next one begins."""
    shown = rows[: plan.page.size]
    return shown, Next(plan.page.skip + len(shown)) if len(rows) > len(shown) else None


@dataclass(slots=True)
class _Found:
    """Permitted rows by what makes each a row of its own, in the order in which they came, and where each stood."""

    rows: dict[tuple[Hashable, ...], Row]
    marks: dict[int, Mark]
