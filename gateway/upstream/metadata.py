"""Keeps the upstream's metadata current: fetched at start, refreshed, and never believed when it suddenly shrinks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from gateway.observe.events import SchemaChanged
from gateway.odata.csdl import LookupValue, Schema, SchemaError, parse_metadata
from gateway.odata.json_format import BodyError, Record, decode_string
from gateway.odata.literals import parse_timestamp
from gateway.policy.computed import LOOKUP, with_computed
from gateway.policy.profile import Profile
from gateway.upstream.client import UpstreamClient, UpstreamFailure
from gateway.upstream.next_links import Place
from gateway.upstream.paging import fetch_page, page_of


def shrinks(old: Schema, new: Schema) -> bool:
    """Whether a set, or a tenth of all properties, is gone: half a document looks so (P10, C350)."""
    before, after = set(old.properties()), set(new.properties())
    return bool(old.entity_sets.keys() - new.entity_sets.keys()) or len(before - after) * 10 > len(before)


def difference(old: Schema, new: Schema) -> SchemaChanged:
    """What of the model is another thing now, by its names."""
    before, after = _described(old), _described(new)
    return SchemaChanged(
        tuple(sorted(after.keys() - before.keys())),
        tuple(sorted(before.keys() - after.keys())),
        tuple(sorted(name for name in before.keys() & after.keys() if before[name] != after[name])),
    )


def _described(schema: Schema) -> dict[str, str]:
    found = dict.fromkeys(schema.entity_sets, "")
    for name in schema.entity_sets:
        declared = schema.type_of(name)
        found |= {f"{name}.{member}": str(entry) for member, entry in declared.properties.items()}
        found |= {f"{name}.{member}": str(entry) for member, entry in declared.navigation.items()}
    return found


#: Members of Lookup beside its key and its moment.
_LOOKUP_MEMBERS = ("LookupName", "LookupValue", "StandardLookupValue", "LegacyODataValue")
_PAGE, _MOST_PAGES = 1_000, 500
#: Rows of Lookup in one answer: without ``$top`` they may all come at once.
_MOST_LOOKUPS = 500_000


def _moment(text: str | None) -> str:
    """An instant in the one form in which instants are compared as text, or nothing."""
    parsed = parse_timestamp(text) if text else None
    return "" if parsed is None else f"{parsed.second:%Y-%m-%dT%H:%M:%S}.{parsed.picoseconds // 10**9:03}Z"


class MetadataWatcher:
    """Runs until cancelled. ``publish`` gets every schema to serve with, and says whether it is; ``complain`` gets what
    went wrong, for the log; ``changed`` what is served now and was not before. ``profile`` is the one in force: it says
    how pages go on."""

    def __init__(
        self,
        client: UpstreamClient,
        *,
        refresh: float,
        retry: float,
        publish: Callable[[Schema], Awaitable[bool]],
        complain: Callable[[str], None],
        changed: Callable[[SchemaChanged], None] = lambda _: None,
        profile: Callable[[], Profile] = Profile,
    ) -> None:
        self._client = client
        self._refresh = refresh
        self._retry = retry
        self._publish = publish
        self._complain = complain
        self._changed = changed
        self._profile = profile
        self._fetching = asyncio.Lock()
        self._document: bytes | None = None
        self._current: Schema | None = None
        self._suspect: bytes | None = None
        self._lookups: tuple[LookupValue, ...] = ()
        #: What was read and could not be served; it is tried again before anything is read anew.
        self._refused: tuple[bytes, Schema, tuple[LookupValue, ...]] | None = None

    async def run(self, *, current: bool) -> None:
        """Fetches for ever. ``current`` says whether the round before the first was a success."""
        while True:
            await asyncio.sleep(self._refresh if current else self._retry)
            current = await self.fetch()

    async def fetch(self) -> bool:
        """One round; True when the metadata in hand is current. One at a time."""
        async with self._fetching:
            return await self._fetched()

    async def _fetched(self) -> bool:
        if self._refused is not None:
            return await self._serve(*self._refused)
        try:
            document = await self._client.read_metadata()
            known = document == self._document and self._current is not None
            schema = self._current if known and self._current else await asyncio.to_thread(parse_metadata, document)
            lookups = await self._read_lookups(schema)
            if known and lookups == self._lookups:
                self._suspect = None
                return True
        except UpstreamFailure as failure:
            self._complain(f"the upstream's metadata: {failure.reason}")
            return False
        except SchemaError as error:
            self._complain(f"the upstream's metadata, line {error.line}: {error}")
            return False
        if self._current is not None and shrinks(self._current, schema) and document != self._suspect:
            self._suspect = document
            self._complain("the upstream's metadata lost a set or a tenth of its properties; a second fetch must agree")
            return False
        return await self._serve(document, schema, lookups)

    async def _serve(self, document: bytes, schema: Schema, lookups: tuple[LookupValue, ...]) -> bool:
        if not await self._publish(with_computed(schema, lookups)):
            self._refused = (document, schema, lookups)
            return False
        told = difference(self._current, schema) if self._current is not None else None
        self._document, self._current, self._suspect, self._lookups = document, schema, None, lookups
        if told is not None and (told.added or told.removed or told.retyped):
            self._changed(told)
        self._refused = None
        return True

    async def _read_lookups(self, schema: Schema) -> tuple[LookupValue, ...]:
        """The rows of the upstream's own Lookup, where it has one: texts may be values that no metadata lists.

        An upstream that does not answer keeps what was known; metadata does not wait for it.
        """
        if LOOKUP not in schema.entity_sets or "LookupKey" not in schema.type_of(LOOKUP).properties:
            return ()
        members = schema.type_of(LOOKUP).properties
        names = [name for name in ("LookupKey", *_LOOKUP_MEMBERS, "ModificationTimestamp") if name in members]
        try:
            return await self._walk_lookups(names)
        except (UpstreamFailure, BodyError) as failure:
            self._complain(f"the upstream's Lookup: {failure}")
            return self._lookups

    async def _walk_lookups(self, names: list[str]) -> tuple[LookupValue, ...]:
        """Read the rows of Lookup to their end: by its links where the profile has those, else by ``$skip``.

        Raises:
            UpstreamFailure, BodyError: the end was not reached.
        """
        profile = self._profile()
        question = f"$select={','.join(names)}&$orderby=LookupKey"
        place = Place(question if profile.is_linked else f"{question}&$top={_PAGE}")
        found: dict[str, LookupValue] = {}
        seen: set[str] = set()
        received = 0
        for _ in range(_MOST_PAGES):
            fetched = await fetch_page(self._client, profile, LOOKUP, place)
            page = page_of(fetched, self._client, profile, LOOKUP, place, _MOST_LOOKUPS)
            records, before = page.collection.records, len(seen)
            seen |= {key for record in records if (key := _text(record, "LookupKey")) is not None}
            found |= {value.key: value for record in records if (value := _lookup(record, names)) is not None}
            received += len(records)
            if page.following is not None:
                place = page.following
            elif profile.is_linked or (len(seen) == before and not page.is_followed):
                # Without links pages may be shorter than was asked for: the end is a page that brings nothing new.
                return tuple(found.values())
            elif not records:
                raise BodyError("an empty page says that more follow")
            else:
                place = Place(f"{question}&$top={_PAGE}&$skip={received}")
        raise BodyError(f"it does not end within {_MOST_PAGES} pages")


def _text(record: Record, name: str) -> str | None:
    return decode_string(record.members[name]) if name in record.members else None


def _lookup(record: Record, names: list[str]) -> LookupValue | None:
    """Return a row of Lookup; None for one without key, name or value."""
    texts = {name: _text(record, name) for name in names}
    key, name, value = texts.get("LookupKey"), texts.get("LookupName"), texts.get("LookupValue")
    if not key or not name or not value:
        return None
    return LookupValue(
        key, name, value, texts.get("StandardLookupValue"), texts.get("LegacyODataValue"),
        _moment(texts.get("ModificationTimestamp")),
    )  # fmt: skip
