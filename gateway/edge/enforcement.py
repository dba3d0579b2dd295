"""The policy enforcement point: carries out a Read, and nothing else (DESIGN section 3).

What comes from the upstream is believed record by record. One that is not definitely permitted is taken as never sent:
the page is filled up from what follows, and whether a link is owed is decided on what is left (D6). Anything that is no
proper answer is a 502 that says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.edge.joins import Joins
from gateway.edge.scan import MAX_REQUESTS, BrokenAnswerError, Mark, Scan, Source, Trace, values_of
from gateway.errors import not_found
from gateway.odata.json_format import BodyError, Record
from gateway.odata.literals import Literal, Value
from gateway.policy.plan import Read
from gateway.policy.profile import Profile
from gateway.redact.fields import ShapeError
from gateway.redact.records import PLAIN, Form, emit
from gateway.redact.rows import Row, prove, select
from gateway.upstream.client import UpstreamClient

__all__ = ["BrokenAnswerError", "Enforcement", "Next", "Result", "Trace"]

#: Pages that bring only what was there already: one may, when rows are added meanwhile (C95), more do not.
_MAX_REPEATS = 2


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
    """``scan_requests`` is how many requests one page may take when records are taken out of it (C288)."""

    def __init__(self, upstream: UpstreamClient, scan_requests: int) -> None:
        self.upstream = upstream
        self._scan_requests = scan_requests

    async def read(self, plan: Read, profile: Profile, trace: Trace, form: Form = PLAIN) -> Result:
        """The records of a plan.

        Raises:
            ContradictionError: the upstream contradicts its profile; decide anew, without that trust.
            BrokenAnswerError, UpstreamFailure: nothing usable came.
            Refusal: 404 where an entity does not exist for this key.
        """
        carried = _Carried(Source(self.upstream, profile, trace), plan, form, self._scan_requests)
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
            return await _Carried(Source(self.upstream, profile, trace), plan, PLAIN, self._scan_requests).one()
        except (BodyError, ShapeError) as error:
            raise BrokenAnswerError(str(error)) from None


class _Carried:
    """One plan on its way."""

    def __init__(self, source: Source, plan: Read, form: Form, scan_requests: int) -> None:
        self._source = source
        self._joins = Joins(source)
        self._plan = plan
        self._form = form
        self._tally = source.trace.tally
        self._scan_requests = scan_requests

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
            if scan.requests >= self._scan_requests:
                raise BrokenAnswerError("the upstream's pages are empty, and say that more follow")
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
        some = False
        while not scan.ended and scan.requests < self._scan_requests:
            batch = await scan.batch(1)
            some = some or bool(batch)
            for record, _ in batch:
                row = prove(record, plan.record, self._tally)
                if row is not None and row.key == key and row.matches(plan.client):
                    for kept in await self._joins.remaining(plan, [row]):
                        return kept
                self._tally.dropped += 1
        if not scan.ended and not some:
            raise BrokenAnswerError("the upstream's pages are empty, and say that more follow")
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
        repeats = 0
        exhausted = False
        while not scan.ended and (len(found.rows) < wanted or (page.total and scan.total is None)):
            if (not plan.exact or self._source.profile.is_linked) and scan.requests >= self._scan_requests:
                exhausted = True
                break
            if scan.requests >= MAX_REQUESTS:
                raise BrokenAnswerError("the upstream's pages are too small")
            missing = max(1, wanted - len(found.rows))
            batch = await scan.batch(missing, count=page.total and scan.total is None)
            permitted, fresh = await self._take(batch, found)
            # Only what exists for the key decides whether there is progress (C291).
            repeats = repeats + 1 if permitted and not fresh else 0
            if repeats >= _MAX_REPEATS:
                raise BrokenAnswerError("the pages of the upstream bring nothing new")
        rows = list(found.rows.values())
        total = scan.total
        if total is not None and page.skip == 0 and scan.ended and len(rows) < wanted:
            total = len(rows)
        shown = rows[:size]
        following = None
        if page.top is None or page.top > len(shown):
            if exhausted and len(rows) <= size:
                following = Next(scan.mark.skip, scan.mark.after or page.after, scan.mark.cursor, passed=True)
            elif len(rows) > size and shown:
                following = self._behind(shown[-1], found.marks[shown[-1].key])
        return Result(await self._emitted(shown), total, following)

    async def _take(self, batch: list[tuple[Record, Mark]], found: _Found) -> tuple[bool, bool]:
        """Adds the permitted rows of a batch whose keys are new. Says whether there was one, and one that was new."""
        rows: list[Row] = []
        marks: dict[tuple[Value, ...], Mark] = {}
        for record, mark in batch:
            row = prove(record, self._plan.record, self._tally)
            if row is None or not row.matches(self._plan.client):
                self._tally.dropped += row is None
                continue
            rows.append(row)
            marks.setdefault(row.key, mark)
        rows = await self._joins.remaining(self._plan, rows)
        fresh = False
        for row in rows:
            if row.key not in found.rows:
                found.rows[row.key] = row
                found.marks[row.key] = marks[row.key]
                fresh = True
        return bool(rows), fresh

    def _behind(self, last: Row, mark: Mark) -> Next:
        """The place behind the last record of a page, in the form that the plan's walk has."""
        if self._plan.keyset:
            after = values_of(last, self._plan.ask.orderby)
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
    """Permitted rows by key, in the order in which they came, and where each stood."""

    rows: dict[tuple[Value, ...], Row]
    marks: dict[tuple[Value, ...], Mark]
