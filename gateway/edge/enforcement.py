"""The policy enforcement point: carries out a Read, and nothing else (DESIGN section 3).

What comes from the upstream is believed record by record. A violation closes the latch; anything that is no proper
answer is a 502 that says nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from gateway.edge.latch import Latch
from gateway.errors import not_found
from gateway.odata import json_format
from gateway.odata.json_format import BodyError, Collection, Record
from gateway.odata.literals import Value
from gateway.odata.printer import print_query
from gateway.policy.plan import Read, RecordPlan
from gateway.policy.profile import Profile
from gateway.redact.fields import ShapeError
from gateway.redact.records import Tally, ViolationError, redact, redact_navigation, verify
from gateway.upstream.client import UpstreamClient

#: A page that needs more upstream requests than this makes no progress that anybody could wait for.
_MAX_REQUESTS = 200


class BrokenAnswerError(Exception):
    """The upstream's answer is none: 502 with a constant body; the text is for the log."""


@dataclass(slots=True)
class Trace:
    """What carrying out a plan took, for the decision record."""

    tally: Tally = field(default_factory=Tally)
    violations: int = 0
    upstream_requests: int = 0
    upstream_seconds: float = 0.0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """Redacted records, their number where it was asked for, and whether more follow. ``consumed`` counts rows that
    match, from where this page began."""

    records: tuple[bytes, ...]
    total: int | None = None
    more: bool = False
    consumed: int = 0


def resources_of(plan: RecordPlan) -> Iterator[str]:
    """Every resource that a plan reads."""
    yield plan.resource
    for nested in plan.nested:
        yield from resources_of(nested.record)


def _below(plan: Read, record: Record, trace: Trace) -> Result:
    """The answer to a read by key: the record, or what its navigation path leads to."""
    if plan.kind == "entity":
        return Result((redact(record, plan.record, trace.tally),))
    found = redact_navigation(record, plan.record, trace.tally)
    if found is None:
        raise not_found()
    rows, total = found
    return Result(tuple(rows), total)


class Enforcement:
    def __init__(self, upstream: UpstreamClient, latch: Latch) -> None:
        self._upstream = upstream
        self._latch = latch

    async def read(self, plan: Read, profile: Profile, trace: Trace) -> Result:
        """The records of a plan.

        Raises:
            LatchedError: a resource of the plan is latched.
            BrokenAnswerError, UpstreamFailure: nothing usable came.
            Refusal: 404 where an entity does not exist for this key.
        """
        self._latch.check(resources_of(plan.record))
        try:
            if plan.kind in ("entity", "single", "navigation", "navigation count"):
                return await self._entity(plan, trace)
            if plan.kind == "count":
                return await self._count(plan, trace)
            return await self._collection(plan, profile, trace)
        except ViolationError as violation:
            trace.violations += 1
            trace.detail = violation.reason
            self._latch.close(violation.resource, violation.reason)
            # The request that met it is answered like every one after it.
            self._latch.check((violation.resource,))
            raise
        except (BodyError, ShapeError) as error:
            raise BrokenAnswerError(str(error)) from None

    async def _collection(self, plan: Read, profile: Profile, trace: Trace) -> Result:
        page = plan.page
        size = page.size if page.top is None else min(page.size, page.top)
        # One record more than the page shows whether a link is owed, unless the client's own $top ends here (C87).
        wanted = size if page.top is not None and page.top <= page.size else size + 1
        if wanted == 0 and not page.total:
            return Result(())
        seen: dict[tuple[Value, ...], Record] = {}
        total: int | None = None
        position, more = page.skip, True
        while more and (len(seen) < wanted or (page.total and total is None)):
            if trace.upstream_requests >= _MAX_REQUESTS:
                raise BrokenAnswerError("the upstream's pages are too small")
            ask = max(1, wanted - len(seen))
            ask = ask if profile.page_max is None else min(ask, profile.page_max)
            answer = await self._ask(plan, trace, top=ask, skip=position, count=page.total and total is None)
            if page.total and total is None:
                if answer.count is None:
                    raise BrokenAnswerError("the upstream sent no count")
                total = answer.count
            batch = answer.records[:ask]
            fresh = self._verified(plan, batch, seen)
            if batch and not fresh:
                raise BrokenAnswerError("a page of the upstream brought nothing new")
            position += len(batch)
            more = answer.has_next_link or (profile.page_max is not None and len(batch) == ask)
            if not batch:
                if answer.has_next_link:
                    raise BrokenAnswerError("an empty page of the upstream says that more follow")
                more = False
        records = list(seen.values())
        if total is not None and page.skip == 0 and not more and len(records) < wanted:
            total = len(records)
        emitted = tuple(redact(record, plan.record, trace.tally) for record in records[:size])
        more_wanted = page.top is None or page.top > size
        return Result(emitted, total, more_wanted and len(records) > size, min(len(records), size))

    @staticmethod
    def _verified(plan: Read, batch: tuple[Record, ...], seen: dict[tuple[Value, ...], Record]) -> bool:
        """Adds the records of a batch whose keys are new; True if there was one."""
        before = len(seen)
        for record in batch:
            seen.setdefault(verify(record, plan.record), record)
        return len(seen) > before

    async def _entity(self, plan: Read, trace: Trace) -> Result:
        """The one row with exactly the requested key; a row under another spelling of it is as if not sent (C293)."""
        key = tuple(value for _, value in plan.entity_key)
        for position in range(3):
            answer = await self._ask(plan, trace, top=1, skip=position, count=False)
            for record in answer.records[:1]:
                if verify(record, plan.record) == key:
                    return _below(plan, record, trace)
            if not answer.records:
                break
        raise not_found()

    async def _count(self, plan: Read, trace: Trace) -> Result:
        answer = await self._ask(plan, trace, top=1, skip=0, count=True)
        for record in answer.records[:1]:
            verify(record, plan.record)
        if answer.count is None:
            raise BrokenAnswerError("the upstream sent no count")
        return Result((), answer.count if answer.records else 0)

    async def _ask(self, plan: Read, trace: Trace, *, top: int, skip: int, count: bool) -> Collection:
        query = replace(plan.ask, top=top, skip=skip or None, count=True if count else None)
        trace.upstream_requests += 1
        started = time.perf_counter()
        try:
            body = await self._upstream.read_collection(plan.resource, print_query(query))
        finally:
            trace.upstream_seconds += time.perf_counter() - started
        # An upstream that ignores $top is cut by us; one that sends the whole table is no upstream.
        return json_format.decode_collection(body, max_records=max(10_000, 2 * top))
