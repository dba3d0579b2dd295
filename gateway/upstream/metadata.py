"""Keeps the upstream's metadata current: fetched at start, refreshed, and never believed when it suddenly shrinks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from gateway.odata.csdl import Schema, SchemaError, parse_metadata
from gateway.upstream.client import UpstreamClient, UpstreamFailure


def shrinks(old: Schema, new: Schema) -> bool:
    """Whether a set, or a tenth of all properties, is gone: half a document looks so (P10, C350)."""
    before, after = set(old.properties()), set(new.properties())
    return bool(old.entity_sets.keys() - new.entity_sets.keys()) or len(before - after) * 10 > len(before)


class MetadataWatcher:
    """Runs until cancelled. ``publish`` gets every schema to serve with, ``complain`` what went wrong, for the log."""

    def __init__(
        self,
        client: UpstreamClient,
        *,
        refresh: float,
        retry: float,
        publish: Callable[[Schema], Awaitable[None]],
        complain: Callable[[str], None],
    ) -> None:
        self._client = client
        self._refresh = refresh
        self._retry = retry
        self._publish = publish
        self._complain = complain
        self._document: bytes | None = None
        self._current: Schema | None = None
        self._suspect: bytes | None = None

    async def run(self) -> None:
        while True:  # noqa: ASYNC110  # a clock is what is waited for, not an event
            await asyncio.sleep(self._refresh if await self.fetch() else self._retry)

    async def fetch(self) -> bool:
        """One round; True when the metadata in hand is current."""
        try:
            document = await self._client.read_metadata()
            if document == self._document:
                self._suspect = None
                return True
            schema = await asyncio.to_thread(parse_metadata, document)
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
        self._document, self._current, self._suspect = document, schema, None
        await self._publish(schema)
        return True
