"""Walks through what the upstream has for one read: by ``$skip``, or from one of its next links to the next.

What comes is not believed yet; a walk only knows where each record stood, so that it can go on behind any of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from gateway.edge.cursors import cursor_of, place_of
from gateway.errors import beyond_windows, stale_link
from gateway.odata.ast import OrderByItem, conjunction
from gateway.odata.json_format import Collection, Record
from gateway.odata.literals import Literal, literal_of
from gateway.odata.printer import print_query
from gateway.odata.values import Unknown
from gateway.policy.keyset import behind, has_windows, is_keyset, is_place
from gateway.policy.plan import Page, Read
from gateway.policy.profile import Profile
from gateway.policy.spelling import has_too_many_or, spelled
from gateway.redact.rows import Row, Tally
from gateway.upstream.client import UpstreamClient
from gateway.upstream.next_links import Place
from gateway.upstream.paging import UpstreamPage, fetch_page, page_of

#: Empty pages, one behind the other, each of which says that more follow: more lead nowhere.
MAX_EMPTY = 200
#: Batches of the very same records, one behind the other, that are taken for records that stand there several times.
_MAX_SAME = 10
#: Records that are asked for when some of a page were taken out: more than are missing, and more each time, so that
#: requests stay few.
_REFILL = 50
_MOST = 1_000
#: The longest place of an upstream's own that fits a link. Behind a longer one rows are counted from an earlier place.
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
    """The place behind a record: ``skip`` rows from the upstream's ``cursor``, or from the beginning without one."""

    skip: int
    cursor: str | None = None


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


def values_of(row: Row, order: Iterable[OrderByItem]) -> tuple[Literal, ...] | None:
    """Return the values of a record in the columns of an order, for a page that begins behind it; None where a column
    holds no value of its type."""
    found = []
    for item in order:
        value = row.value(item.path.name)
        literal = None if isinstance(value, Unknown) else literal_of(value)
        if literal is None:
            return None
        found.append(literal)
    return tuple(found)


class Scan:
    """One walk to the end of the list. Rows that do not exist for the key decide neither where it ends nor what it
    returns, however many they are (C286, C288). Only the deadline of the request ends it earlier.

    ``ended`` says that nothing follows, ``requests`` how many there were, ``total`` the upstream's number of rows.
    """

    def __init__(self, source: Source, read: Read, page: Page) -> None:
        self._source = source
        self._read = read
        self._asked = read.ask
        self._skip = page.skip
        # The cursor that a mark names, the rows that the walk has seen behind it, and where it reads next.
        self._cursor = page.cursor
        self._passed = 0
        self._place: Place | None = None
        # Where the walk has begun anew, and the rows that have come since.
        self._begun: tuple[Literal, ...] | None = None
        self._since: list[Record] = []
        self._empty = 0
        self._same = 0
        self._last: list[Record] = []
        self.ended = False
        self.requests = 0
        self.total: int | None = None

    async def batch(self, missing: int, *, count: bool = False) -> list[tuple[Record, Mark]]:
        """The next records, each with the mark behind it; few or none where the upstream shows few.

        Args:
            missing: how many are wanted.
            count: whether the number of all is asked for.

        Raises:
            BrokenAnswerError: the upstream makes no progress, or sent no number.
        """
        self.requests += 1
        if self._source.profile.is_linked:
            records, marks = await self._linked(count=count)
        else:
            records, marks = await self._numbered(missing, count=count)
        self._empty = 0 if records else self._empty + 1
        self._same = self._same + 1 if records and _is_same(records, self._last) else 0
        self._last = records
        if not self.ended and self._empty >= MAX_EMPTY:
            raise BrokenAnswerError("the upstream's pages are empty, and say that more follow")
        if not self.ended and self._same >= _MAX_SAME:
            raise BrokenAnswerError("the pages of the upstream bring nothing new")
        return marks

    def _records(self, answer: Collection) -> list[Record]:
        """What of an answer is a record of the resource at all: nothing else has a place among them (C174)."""
        key = self._read.record.key
        records = [record for record in answer.records if all(name in record.members for name in key)]
        if len(records) < len(answer.records):
            unreadable = self._source.trace.tally.unreadable
            unreadable[f"{self._read.resource}.{key[0]}"] += len(answer.records) - len(records)
        return records

    # --- by number

    async def _numbered(self, missing: int, *, count: bool) -> tuple[list[Record], list[tuple[Record, Mark]]]:
        self._within_window()
        wanted = missing if self.requests == 1 else max(missing, min(_REFILL << min(self.requests - 2, 8), _MOST))
        most = self._source.profile.page_max
        wanted = max(1, wanted if most is None else min(wanted, most))
        query = replace(self._asked, top=wanted, skip=self._skip or None, count=True if count else None)
        page = await self._source.ask(self._read.resource, Place(print_query(query)), wanted)
        answer = page.collection
        self._note_total(answer, count=count)
        records = self._records(answer)[:wanted]
        if not records and page.is_followed:
            raise BrokenAnswerError("an empty page of the upstream says that more follow")
        # A page that is full may be followed by another; one that is short is not, unless a link says so.
        self.ended = not page.is_followed and len(answer.records) < wanted
        marks = [(record, Mark(self._skip + number)) for number, record in enumerate(records, 1)]
        self._skip += len(records)
        self._since += records if has_windows(self._source.profile) else ()
        return records, marks

    def _within_window(self) -> None:
        """Begin anew behind the values of a row, if the next rows lie past the end of the upstream's window: rows that
        do not exist for the key must not use the window up.

        Raises:
            Refusal: 501 where nothing leads there. Such a plan reads only rows that exist for the key, so the end of
                the window depends on those alone.
        """
        profile = self._source.profile
        if profile.skip_max is None or self._skip <= profile.skip_max:
            return
        after = self._anchor()
        if after is None or after == self._begun or len(self._since) > profile.skip_max:
            if self._read.kind == "collection" and not self._read.keyset:
                raise beyond_windows()
            raise BrokenAnswerError("the upstream takes no notice of where rows are to begin, or nothing says where")
        self._begun, self._skip = after, len(self._since)
        condition = behind(self._read.ask.orderby, after, profile, self._read.record.key)
        self._asked = replace(self._read.ask, filter=conjunction(self._read.ask.filter, spelled(profile, condition)))
        if has_too_many_or(profile, self._asked):
            raise BrokenAnswerError("the upstream takes no filter that leads past its window")

    def _anchor(self) -> tuple[Literal, ...] | None:
        """Return the values of the last row behind which rows can begin. It passes over rows without usable values, and
        over rows of one key, since values do not tell those apart (C286)."""
        order, plan = self._read.ask.orderby, self._read.record
        if not is_keyset(order, plan.types, self._read.resource, self._source.profile):
            return None
        following = self._since.pop()
        kept = [following]
        while self._since:
            record = self._since.pop()
            values = values_of(Row(record, plan), order)
            is_other = any(record.members[name] != following.members[name] for name in plan.key)
            if is_other and values is not None and is_place(values, order, plan.types):
                self._since = kept[::-1]
                return values
            kept.append(record)
            following = record
        return None

    # --- by links

    async def _linked(self, *, count: bool) -> tuple[list[Record], list[tuple[Record, Mark]]]:
        """A page of the upstream's own making. Rows that the walk has behind it are passed over, not asked away."""
        question = print_query(self._read.ask)
        if self._place is None:
            self._place = Place(print_query(replace(self._read.ask, count=True)) if count else question)
            if self._cursor is not None:
                place = place_of(self._cursor, question)
                if place is None:
                    raise stale_link()
                self._place = place
        page = await self._source.ask(self._read.resource, self._place, _MOST)
        answer = page.collection
        self._note_total(answer, count=count)
        records = self._records(answer)
        before, self._passed = self._passed, self._passed + len(records)
        marks = [
            (record, Mark(number, self._cursor))
            for number, record in enumerate(records, before + 1)
            if number > self._skip
        ]
        if page.following is None:
            self.ended = True
        elif page.following == self._place:
            raise BrokenAnswerError("the upstream's next link leads to where it stands")
        else:
            self._place = page.following
            self._go_on_at(cursor_of(page.following, question), marks)
        return records, marks

    def _go_on_at(self, cursor: str, marks: list[tuple[Record, Mark]]) -> None:
        """Counts from the next page on, if its place fits a link. What an upstream writes into its links, such as
        values of rows that do not exist for the key, decides nothing (C286)."""
        if len(cursor) > MAX_CURSOR:
            return
        self._cursor, self._skip, self._passed = cursor, max(0, self._skip - self._passed), 0
        if marks:
            marks[-1] = (marks[-1][0], Mark(0, cursor))

    def _note_total(self, answer: Collection, *, count: bool) -> None:
        if count:
            if answer.count is None:
                raise BrokenAnswerError("the upstream sent no count")
            self.total = answer.count


def _is_same(records: list[Record], others: list[Record]) -> bool:
    return [record.members for record in records] == [record.members for record in others]
