"""Second reads: parents of dependent rows, photo ranks, and what is expanded, batched over the rows at hand (D8).

Each is a ``Read`` of its own under the same policy, so a row that is reached this way passes the same checks as one
that is asked for directly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import replace

from gateway.edge.scan import BrokenAnswerError, Scan, Source
from gateway.odata.ast import In, PropertyPath, Query, conjunction
from gateway.odata.literals import Literal, literal_of
from gateway.odata.values import Unknown
from gateway.policy.plan import NestedPlan, ParentJoin, Ranking, Read, RecordPlan
from gateway.policy.spelling import fits_address, has_too_many_or, spelled
from gateway.redact.children import Photo, as_photo, attach, came_inside, ranked
from gateway.redact.rows import Row, belongs, grouped, is_of_kind, normal_of, prove

#: Values in one ``in``, and rows of one whole list: above the latter nothing is a list that anybody shows.
_BATCH = 50
_MAX_ROWS = 10_000
_PAGE = 1_000
#: Bytes of ``$top`` and ``$skip`` beside a read.
_PAGING = 64
#: Characters of a reference whose length the upstream does not declare. A longer one names nothing.
_LONGEST = 1_024


class Joins:
    """The second reads of one request; what they find is remembered for this request only (C369)."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._profile = source.profile
        self._tally = source.trace.tally
        # By the identity of the read: for each value of its field, what was found.
        self._parents: dict[int, dict[Hashable, bool]] = {}
        self._photos: dict[int, tuple[set[Hashable], set[Photo]]] = {}

    async def whole(self, read: Read) -> list[Row]:
        """All rows of a read, in the order of their keys: proven, with parents that exist, within the photo limit."""
        return await self._remaining_once(read, None)

    async def _remaining_once(self, read: Read, values: list[Literal] | None) -> list[Row]:
        """All rows of a read that remain, each once: a row that does not exist for the key hides no other of the same
        key, nor does one of another parent."""
        once: dict[tuple[Hashable, ...], Row] = {}
        for row in await self.remaining(read, await self._all(read, values)):
            once.setdefault(row.identity(read.following), row)
        return list(once.values())

    async def remaining(self, read: Read, rows: list[Row]) -> list[Row]:
        """The rows that have a parent which exists for the key, and are among the first photos of their listing."""
        if read.parents is not None:
            known = [(parent, await self._known_parents(parent, rows)) for parent in read.parents]
            kept = [row for row in rows if any(_names_one_of(row, parent, exist) for parent, exist in known)]
            self._tally.dropped += len(rows) - len(kept)
            rows = kept
        if read.ranking is not None:
            kept = await self._within(rows, read.ranking)
            self._tally.photos_cut += len(rows) - len(kept)
            rows = kept
        return rows

    async def expand(self, rows: Iterable[Row], plan: RecordPlan) -> None:
        """Gives every row its children, and those theirs: level by level, one batch of reads a navigation property."""
        for nested in plan.nested:
            showing = [row for row in rows if row.holds(nested.condition)]
            lists = await self._lists(showing, nested)
            below = [child for row in showing for child in attach(row, nested, lists[id(row)], self._tally)]
            if nested.record.nested and below:
                await self.expand({id(child): child for child in below}.values(), nested.record)

    async def _lists(self, rows: list[Row], nested: NestedPlan) -> dict[int, list[Row]]:
        """The whole list of each row: what came inside it, where that is proven to be whole, else what is read."""
        lists: dict[int, list[Row]] = {}
        apart: list[Row] = []
        for row in rows:
            found: list[Row] | None = [] if nested.empty else None
            if nested.inline and not nested.empty:
                found = came_inside(row, nested, self._tally)
            if found is None and nested.embedded:
                raise BrokenAnswerError(f"`{nested.name}` was asked for and did not come")
            if found is None:
                apart.append(row)
            else:
                lists[id(row)] = found
        if apart:
            read = nested.read
            # Which row of a key counts is decided on whole lists, behind the photo limit: see ``attach``.
            found_rows = await self.remaining(read, await self._all(read, _values(apart, nested.link.local)))
            groups = grouped(found_rows, read.by)
            for row in apart:
                group = groups.get(normal_of(row, nested.link.local), [])
                theirs = [child for child in group if belongs(row, child, nested.link)]
                lists[id(row)] = theirs if nested.is_collection else theirs[:1]
        return lists

    # --- parents and ranks

    async def _known_parents(self, parent: ParentJoin, rows: list[Row]) -> dict[Hashable, bool]:
        """For every value by which one of the rows names this kind of parent: whether it exists for the key."""
        known = self._parents.setdefault(id(parent.read), {})
        of_kind = [row for row in rows if is_of_kind(row, parent.link)]
        unknown = [row for row in of_kind if normal_of(row, parent.link.target) not in known]
        values = _values(unknown, parent.link.target)
        if values:
            found = await self._remaining_once(parent.read, values)
            exist = {normal_of(row, parent.read.by) for row in found}
            for row in unknown:
                value = normal_of(row, parent.link.target)
                if value is not None:
                    known[value] = value in exist
        return known

    async def _within(self, rows: list[Row], ranking: Ranking) -> list[Row]:
        photos = [row for row in rows if is_of_kind(row, ranking.link)]
        if ranking.read is None:
            first = ranked(photos, ranking.photo, ranking.link.target)
        else:
            listings, first_known = self._photos.setdefault(id(ranking), (set(), set()))
            unknown = [row for row in photos if normal_of(row, ranking.link.target) not in listings]
            values = _values(unknown, ranking.link.target)
            if values:
                whole = [row for row in await self._all(ranking.read, values) if is_of_kind(row, ranking.link)]
                first_known |= ranked(whole, ranking.photo, ranking.link.target)
                listings |= {normal_of(row, ranking.link.target) for row in unknown}
            first = frozenset(first_known)
        return [row for row in rows if not is_of_kind(row, ranking.link) or _remains(row, ranking, first)]

    # --- reading to the end

    async def _all(self, read: Read, values: list[Literal] | None) -> list[Row]:
        """Every row of a read, or every one that holds one of the values, in the order of keys.

        Each list is bounded by itself: a bound on all of them would tell how long those are together that the client
        has chosen (R6 declares one bit a list).
        """
        found: list[Row] = []
        sizes: Counter[Hashable | None] = Counter()
        for narrowed in [read] if values is None else self._batches(read, values):
            asked = None if values is None else {_normal(read, value) for value in values}
            scan = Scan(self._source, narrowed, replace(narrowed.page, skip=0, cursor=None))
            while not scan.ended:
                for record, _ in await scan.batch(_PAGE):
                    row = prove(record, read.record, self._tally)
                    if row is None or (asked is not None and normal_of(row, read.by) not in asked):
                        self._tally.dropped += 1
                        continue
                    found.append(row)
                    sizes[normal_of(row, read.by) if read.by else None] += 1
                if sizes and max(sizes.values()) > _MAX_ROWS:
                    raise BrokenAnswerError("a list that must be read to its end has none")
        return sorted(found, key=Row.place)

    def _batches(self, read: Read, values: list[Literal]) -> Iterator[Read]:
        """The read for some of the values at a time: as many as fit the upstream. What does not fit it by itself is no
        reference that anything could have."""
        rest = values
        while rest:
            size = min(_BATCH, len(rest))
            while size > 1 and not self._fits(_narrowed(read, rest[:size], self._source)):
                size //= 2
            narrowed = _narrowed(read, rest[:size], self._source)
            if size > 1 or self._fits(narrowed):
                yield replace(read, ask=narrowed)
            rest = rest[size:]

    def _fits(self, ask: Query) -> bool:
        return not has_too_many_or(self._profile, ask) and fits_address(self._profile, ask, _PAGING)


def _remains(row: Row, ranking: Ranking, first: frozenset[Photo]) -> bool:
    found = as_photo(row, ranking.photo, ranking.link.target)
    return found is None or found in first


def _names_one_of(row: Row, parent: ParentJoin, exist: Mapping[Hashable, bool]) -> bool:
    """Return whether a row follows an existing parent of the link's kind; a row that names none has none (C333)."""
    value = normal_of(row, parent.link.target)
    is_its = value is not None and is_of_kind(row, parent.link) and exist.get(value, False)
    return is_its and row.holds(parent.condition)


def _narrowed(read: Read, values: list[Literal], source: Source) -> Query:
    held = spelled(source.profile, In(PropertyPath(read.by), tuple(values)))
    return replace(read.ask, filter=conjunction(read.ask.filter, held))


def _normal(read: Read, literal: Literal) -> Hashable:
    return read.record.normal(literal.value)


def _values(rows: list[Row], name: str) -> list[Literal]:
    """What the rows hold in a field, each value once, as literals of a filter."""
    found: dict[Hashable, Literal] = {}
    for row in rows:
        value = row.value(name)
        if value is None or isinstance(value, Unknown):
            continue
        literal = literal_of(value)
        longest = row.plan.types[name].max_length or _LONGEST
        if literal is not None and not (isinstance(value, str) and len(value) > longest):
            found.setdefault(row.plan.normal(value), literal)
    return list(found.values())
