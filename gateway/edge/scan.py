"""Walks through what the upstream has for one read: by ``$skip``, or from one of its next links to the next.

What comes is not believed yet; a walk only knows where each record stood, so that it can go on behind any of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from gateway.edge.cursors import cursor_of, place_of
from gateway.errors import stale_link
from gateway.odata.ast import OrderByItem, conjunction
from gateway.odata.json_format import Collection, Record
from gateway.odata.literals import Literal, literal_of
from gateway.odata.printer import print_query
from gateway.odata.values import Unknown
from gateway.policy.keyset import behind
from gateway.policy.plan import Page, Read
from gateway.policy.profile import Profile
from gateway.policy.spelling import spelled
from gateway.redact.rows import Row, Tally
from gateway.upstream.client import UpstreamClient
from gateway.upstream.next_links import Place
from gateway.upstream.paging import UpstreamPage, fetch_page, page_of

#: A page that needs more upstream requests than this makes no progress that anybody could wait for. Second reads are
#: not counted: how many those take depends on rows that the key may not see, so the deadline alone ends them (R11).
MAX_REQUESTS = 200
#: Records that are asked for when some of a page were taken out: more than are missing, so that requests stay few.
_REFILL = 50
#: The longest place of an upstream's own that fits a link.
MAX_CURSOR = 1024


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

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Counts and times one request to the upstream."""
        self.upstream_requests += 1
        started = time.perf_counter()
        try:
            yield
        finally:
            self.upstream_seconds += time.perf_counter() - started


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a walk goes on: behind ``skip`` rows of what the upstream shows at ``cursor``, or behind the values
    ``after``."""

    skip: int
    cursor: str | None = None
    after: tuple[Literal, ...] | None = None


class Source:
    """The upstream, for one request."""

    def __init__(self, upstream: UpstreamClient, profile: Profile, trace: Trace) -> None:
        self.profile = profile
        self.trace = trace
        self._upstream = upstream

    async def ask(self, resource: str, place: Place, most: int) -> UpstreamPage:
        """Read a page. A place at a host that is not listed any more is like a link that is over."""
        if place.host and all(host.url != place.host for host in self.profile.link_hosts):
            raise stale_link()
        with self.trace.asking():
            fetched = await fetch_page(self._upstream, self.profile, resource, place)
        # An upstream that ignores $top is cut by us; one that sends the whole table is no upstream.
        return page_of(fetched, self._upstream, self.profile, resource, place, max(10_000, 2 * most))


def values_of(row: Row, order: Iterable[OrderByItem]) -> tuple[Literal, ...]:
    """What a record holds in the columns of an order, for a page that begins behind it.

    Raises:
        BrokenAnswerError: a column holds no value of its type.
    """
    found = []
    for item in order:
        value = row.value(item.path.name)
        literal = None if isinstance(value, Unknown) else literal_of(value)
        if literal is None:
            raise BrokenAnswerError(f"`{item.path.name}` cannot be paged by: it is no value of its type")
        found.append(literal)
    return tuple(found)


class Scan:
    """One walk. ``ended`` says that nothing follows, ``mark`` where the records of the last batch end."""

    def __init__(self, source: Source, read: Read, page: Page) -> None:
        self._source = source
        self._read = read
        self._start = read.ask
        self._last: Record | None = None
        self.mark = Mark(page.skip, page.cursor)
        self.ended = False
        self.requests = 0
        self.total: int | None = None

    async def batch(self, missing: int, *, count: bool = False) -> list[tuple[Record, Mark]]:
        """The next records, each with the mark behind it; few or none where the upstream shows few.

        Args:
            missing: how many are wanted.
            count: whether the number of all is asked for.
        """
        self.requests += 1
        found = await (
            self._linked(count=count) if self._source.profile.is_linked else self._numbered(missing, count=count)
        )
        if found:
            self._last, self.mark = found[-1]
        return found

    def _within_window(self) -> None:
        """Where the next rows lie past the end of the upstream's windows, goes on behind the values of the last record:
        rows that do not exist for the key must not use the window up."""
        most, order = self._source.profile.skip_max, self._start.orderby
        if most is None or self.mark.skip <= most or not self._read.keyset or self._last is None:
            return
        after = values_of(Row(self._last, self._read.record), order)
        behind_it = spelled(self._source.profile, behind(order, after, self._source.profile))
        ask = replace(self._start, filter=conjunction(self._start.filter, behind_it))
        self._read, self.mark = replace(self._read, ask=ask), Mark(0, None, after)

    def _records(self, answer: Collection) -> list[Record]:
        """What of an answer is a record of the resource at all: nothing else has a place among them (C174)."""
        key = self._read.record.key
        records = [record for record in answer.records if all(name in record.members for name in key)]
        if len(records) < len(answer.records):
            unreadable = self._source.trace.tally.unreadable
            unreadable[f"{self._read.resource}.{key[0]}"] += len(answer.records) - len(records)
        return records

    async def _numbered(self, missing: int, *, count: bool) -> list[tuple[Record, Mark]]:
        self._within_window()
        wanted = missing if self.requests == 1 else max(missing, _REFILL)
        most = self._source.profile.page_max
        wanted = max(1, wanted if most is None else min(wanted, most))
        query = replace(self._read.ask, top=wanted, skip=self.mark.skip or None, count=True if count else None)
        page = await self._source.ask(self._read.resource, Place(print_query(query)), wanted)
        answer = page.collection
        self._note_total(answer, count=count)
        records = self._records(answer)[:wanted]
        if not records and page.is_followed:
            raise BrokenAnswerError("an empty page of the upstream says that more follow")
        # A page that is full may be followed by another; one that is short is not, unless a link says so.
        self.ended = not page.is_followed and len(answer.records) < wanted
        start, after = self.mark.skip, self.mark.after
        return [(record, Mark(start + number, None, after)) for number, record in enumerate(records, 1)]

    async def _linked(self, *, count: bool) -> list[tuple[Record, Mark]]:
        """A page of the upstream's own making. Rows that the walk has behind it are passed over, not asked away."""
        here = self.mark
        question = print_query(self._read.ask)
        place: Place | None = Place(print_query(replace(self._read.ask, count=True)) if count else question)
        if here.cursor is not None:
            place = place_of(here.cursor, question)
        if place is None:
            raise stale_link()
        page = await self._source.ask(self._read.resource, place, MAX_REQUESTS)
        answer = page.collection
        cursor = None if page.following is None else cursor_of(page.following, question)
        if cursor is not None and len(cursor) > MAX_CURSOR:
            raise BrokenAnswerError("the upstream's next link is too long")
        self._note_total(answer, count=count)
        records = self._records(answer)
        found = [(record, Mark(number, here.cursor)) for number, record in enumerate(records, 1) if number > here.skip]
        if cursor is None:
            self.ended = True
        elif cursor == here.cursor:
            raise BrokenAnswerError("the upstream's next link leads to where it stands")
        else:
            behind = Mark(max(0, here.skip - len(records)), cursor)
            if found:
                found[-1] = (found[-1][0], behind)
            else:
                self.mark = behind
        return found

    def _note_total(self, answer: Collection, *, count: bool) -> None:
        if count:
            if answer.count is None:
                raise BrokenAnswerError("the upstream sent no count")
            self.total = answer.count
