"""Which snapshot is served: made anew when files, database or metadata say something else, and swapped whole.

Nothing waits for anything slower than itself: a key that is revoked while every policy is compiled against new metadata
is dead at once, and the compilation goes on with what has changed meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from gateway.edge.probing import ask_probes
from gateway.edge.scan import Source, Trace
from gateway.edge.trust import UpstreamTrust
from gateway.errors import ConfigurationError
from gateway.observe.events import Complaint, Event, SnapshotPublished
from gateway.odata.ast import Expression
from gateway.odata.csdl import Schema
from gateway.odata.literals import Timestamp
from gateway.policy.probes import Probe, probes
from gateway.store.configuration import Configuration
from gateway.store.database import Database, StoreError
from gateway.store.shown import Moments, keep_moments, read_moments
from gateway.store.snapshot import Snapshot, build_snapshot, with_moments
from gateway.store.stored import Library, Merger, read_library
from gateway.upstream.client import UpstreamClient

#: A change of a template does not wait longer for an upstream that is slow to show how it reads literals.
_PROBE_PATIENCE = 0.4
#: PostgreSQL tells of changes; whoever is told nothing looks all the same, so often.
_LOOK = 1.0


class Publication:
    """Keeps ``snapshot`` what it should be. ``serve`` is called with each new one, between two requests."""

    def __init__(
        self,
        files: Configuration,
        database: Database | None,
        upstream: UpstreamClient,
        trust: UpstreamTrust,
        publish: Callable[[Event], None],
        clock: Callable[[], float],
        serve: Callable[[Snapshot], None],
    ) -> None:
        self._settings = files.settings
        self.database = database
        self._upstream = upstream
        self._trust = trust
        self._publish = publish
        self._clock = clock
        self._serve = serve
        self._merger = Merger(files)
        self._library = Library()
        self._reading, self._following = asyncio.Lock(), asyncio.Lock()
        #: What is to be served; ``snapshot`` is what is.
        self._configuration = files
        self.snapshot = build_snapshot(0, files, None)
        #: What was compiled and could not be served: it is not compiled again.
        self._draft: Snapshot | None = None
        #: Why what there is now is not served yet, if it is not.
        self.unserved = ""
        self._probed: tuple[Schema | None, set[tuple[str, Expression | None]]] = (None, set())
        self._later: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Reads what the database has and what is remembered, before anything is served.

        Raises:
            ConfigurationError: an id is in a file and in the database.
            StoreError: the database cannot be read.
        """
        await self._read()
        shown: Moments = {} if self.database is None else await read_moments(self.database)
        self.snapshot = replace(build_snapshot(0, self._configuration, None), shown=shown)
        self._serve(self.snapshot)

    async def close(self) -> None:
        for task in self._later:
            task.cancel()
        await asyncio.gather(*self._later, return_exceptions=True)

    async def publish_schema(self, schema: Schema) -> bool:
        """Serves with other metadata. False where what must be remembered of it could not be kept: then what was
        served before stays in force."""
        return await self._renew(schema)

    async def refresh(self) -> bool:
        """Serves what the database has now. False where that could not be done; it is said, and tried again."""
        try:
            async with self._reading:
                await self._read()
        except (StoreError, ConfigurationError) as error:
            self._complain(str(error))
            return False
        # Whoever saves and whoever watches come at the same time: the second finds it done.
        async with self._following:
            if self._configuration is self.snapshot.configuration:
                self.unserved = ""
                return True
            return await self._renew(None)

    async def watch(self) -> None:
        """Serves every change of the database, for ever."""
        assert self.database is not None
        pause = self._settings.store.poll if self.database.is_sqlite else _LOOK
        while True:
            try:
                async with self.database.listening() as change:
                    while True:
                        await change(pause)
                        await self.refresh()
            except StoreError as error:
                self._complain(str(error))
            await asyncio.sleep(pause)

    async def _read(self) -> None:
        if self.database is None:
            return
        library = await read_library(self.database, self._library)
        if library is not self._library:
            self._configuration = self._merger.merged(library)
            self._library = library

    async def _renew(self, schema: Schema | None) -> bool:
        """Builds what is to be served, and serves it unless something newer came meanwhile: then that is built."""
        draft: Snapshot | None = None
        while True:
            configuration = self._configuration
            used = schema or self.snapshot.upstream_schema
            compiled = [known for known in (draft, self._draft) if known is not None and known.upstream_schema is used]
            previous = compiled[0] if compiled else self.snapshot
            self._draft = draft = await asyncio.to_thread(build_snapshot, 0, configuration, used, previous)
            now = datetime.fromtimestamp(self._clock(), UTC)
            moment = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            dated = with_moments(draft, self.snapshot, moment)
            if self.database is not None:
                try:
                    shown = await keep_moments(self.database, self.snapshot.shown, dated.shown)
                except StoreError as error:
                    self._complain(str(error))
                    return False
                dated = replace(dated, shown=shown)
            await self._probe(dated, patience=None if schema else _PROBE_PATIENCE)
            if configuration is self._configuration and used is (schema or self.snapshot.upstream_schema):
                self._swap(dated)
                return True

    def _swap(self, draft: Snapshot) -> None:
        # What was noted once need not be read again with every save.
        notes = tuple(sorted(set(draft.notes) - set(self.snapshot.notes)))
        self.snapshot = snapshot = replace(draft, revision=self.snapshot.revision + 1)
        self._serve(snapshot)
        self._draft = None
        self.unserved = ""
        faults = tuple(str(fault) for fault in snapshot.faults)
        self._publish(SnapshotPublished(snapshot.revision, len(snapshot.policies), faults, notes))

    def _complain(self, message: str) -> None:
        """Once for each reason: what is tried four times a second would fill the log."""
        if message != self.unserved:
            self.unserved = message
            self._publish(Complaint(message))

    # --- questions about literals

    async def _probe(self, snapshot: Snapshot, patience: float | None) -> None:
        """Before the first count under new rules is answered, not after it (C289), unless the upstream is slow: then
        what was not answered is asked beside the requests."""
        if not self._settings.upstream.probe or snapshot.schema is None:
            return
        new = await asyncio.to_thread(self._unasked, snapshot)
        if not new:
            return
        task = asyncio.create_task(self._ask(new, snapshot.schema))
        self._later.add(task)
        task.add_done_callback(self._later.discard)
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(task), patience)

    def _unasked(self, snapshot: Snapshot) -> list[Probe]:
        """The questions about policies that are not served yet which this upstream has not been asked."""
        if self._probed[0] is not snapshot.schema:
            self._probed = (snapshot.schema, set())
        served = self.snapshot.policies
        changed = [policy for name, policy in snapshot.policies.items() if served.get(name) is not policy]
        now = Timestamp(datetime.fromtimestamp(self._clock(), UTC).replace(microsecond=0))
        asked = self._probed[1]
        return [
            probe
            for probe in probes(changed, self._settings.upstream.profile, now)
            if (probe.resource, probe.query.filter) not in asked
        ]

    async def _ask(self, questions: list[Probe], schema: Schema) -> None:
        source = Source(self._upstream, self._settings.upstream.profile, Trace())
        asked = self._probed[1]
        failed = await ask_probes(questions, source, schema, self._trust)
        if failed:
            self._publish(Complaint(failed))
        else:
            asked.update((probe.resource, probe.query.filter) for probe in questions)
