"""Walks through what the upstream has for one read: by ``$skip``, or from one of its next links to the next.

What comes is not believed yet; a walk only knows where each record stood, so that it can go on behind any of them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from gateway.odata import json_format
from gateway.odata.json_format import Collection, Record
from gateway.odata.printer import print_query
from gateway.policy.plan import Page, Read
from gateway.policy.profile import Profile
from gateway.redact.rows import Tally
from gateway.upstream.client import UpstreamClient

#: A request that needs more upstream requests than this makes no progress that anybody could wait for.
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


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a walk goes on: behind ``skip`` rows of what the upstream shows at ``cursor``."""

    skip: int
    cursor: str | None = None


class Source:
    """The upstream, for one request: counts and times what is asked."""

    def __init__(self, upstream: UpstreamClient, profile: Profile, trace: Trace, most: int = MAX_REQUESTS) -> None:
        self.profile = profile
        self.trace = trace
        self._most = most
        self._upstream = upstream

    async def ask(self, resource: str, query: str, most: int) -> tuple[Collection, str | None]:
        """A page, and the cursor of the one behind it where the profile says that pages are linked."""
        if self.trace.upstream_requests >= self._most:
            raise BrokenAnswerError("the upstream's pages are too small")
        self.trace.upstream_requests += 1
        started = time.perf_counter()
        try:
            fetched = await self._upstream.read_collection(resource, query)
        finally:
            self.trace.upstream_seconds += time.perf_counter() - started
        # An upstream that ignores $top is cut by us; one that sends the whole table is no upstream.
        collection = json_format.decode_collection(fetched.body, max_records=max(10_000, 2 * most))
        if self.profile.paging == "skip":
            return collection, None
        link = fetched.link if self.profile.paging == "link_header" else collection.next_link
        if link is None:
            return collection, None
        cursor = self._upstream.cursor(resource, link)
        if len(cursor) > MAX_CURSOR:
            raise BrokenAnswerError("the upstream's next link is too long")
        return collection, cursor


class Scan:
    """One walk. ``ended`` says that nothing follows, ``mark`` where the records of the last batch end."""

    def __init__(self, source: Source, read: Read, page: Page) -> None:
        self._source = source
        self._read = read
        self.mark = Mark(page.skip, page.cursor)
        self.ended = False
        self.requests = 0
        self.total: int | None = None
        self._marks: list[Mark] = []

    async def batch(self, missing: int, *, count: bool = False) -> list[tuple[Record, Mark]]:
        """The next records, each with the mark behind it; few or none where the upstream shows few.

        Args:
            missing: how many are wanted.
            count: whether the number of all is asked for.
        """
        if self._read.walk == "cursor":
            found = await self._linked(count=count)
        else:
            found = await self._numbered(missing, count=count)
        self.requests += 1
        if found:
            self.mark = found[-1][1]
        return found

    async def _numbered(self, missing: int, *, count: bool) -> list[tuple[Record, Mark]]:
        wanted = missing if self.requests == 0 else max(missing, _REFILL)
        most = self._source.profile.page_max
        wanted = max(1, wanted if most is None else min(wanted, most))
        query = replace(self._read.ask, top=wanted, skip=self.mark.skip or None, count=True if count else None)
        answer, _ = await self._source.ask(self._read.resource, print_query(query), wanted)
        records = answer.records[:wanted]
        self._note_total(answer, count=count)
        if not records and answer.next_link is not None:
            raise BrokenAnswerError("an empty page of the upstream says that more follow")
        # A page that is full may be followed by another; one that is short is not, unless a link says so.
        self.ended = answer.next_link is None and len(records) < wanted
        start = self.mark.skip
        return [(record, Mark(start + number)) for number, record in enumerate(records, 1)]

    async def _linked(self, *, count: bool) -> list[tuple[Record, Mark]]:
        """A page of the upstream's own making. Rows that the walk has behind it are passed over, not asked away: where
        pages are linked, few servers take ``$skip`` too."""
        here = self.mark
        query = here.cursor or print_query(replace(self._read.ask, count=True if count else None))
        answer, cursor = await self._source.ask(self._read.resource, query, MAX_REQUESTS)
        self._note_total(answer, count=count)
        found = [
            (record, Mark(number, here.cursor)) for number, record in enumerate(answer.records, 1) if number > here.skip
        ]
        if cursor is None:
            self.ended = True
        elif cursor == here.cursor:
            raise BrokenAnswerError("the upstream's next link leads to where it stands")
        else:
            behind = Mark(max(0, here.skip - len(answer.records)), cursor)
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
