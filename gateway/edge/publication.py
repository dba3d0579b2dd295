"""Which snapshot is served: made anew when files, database or metadata say something else, and swapped whole.

Nothing waits for anything slower than itself: a key that is revoked while every policy is compiled against new metadata
is dead at once, and the compilation goes on with what has changed meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from gateway.edge.probing import ask_probes
from gateway.edge.scan import Source, Trace
from gateway.edge.trust import UpstreamTrust
from gateway.errors import ConfigurationError, Fault
from gateway.observe.events import Complaint, Event, SetsClosed, SnapshotPublished
from gateway.odata.ast import Expression
from gateway.odata.csdl import Schema
from gateway.odata.literals import Timestamp
from gateway.policy.probes import Probe, probes
from gateway.store.configuration import Configuration
from gateway.store.database import Database, StoreError
from gateway.store.shown import Moments, keep_moments, read_moments
from gateway.store.snapshot import Snapshot, build_snapshot, with_keys, with_moments
from gateway.store.stored import Library, Merger, read_library
from gateway.upstream.client import UpstreamClient

#: A change of a template does not wait longer for an upstream that is slow to show how it reads literals.
_PROBE_PATIENCE = 0.4
#: PostgreSQL tells of changes; whoever is told nothing looks all the same, so often.
_LOOK = 1.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """Other files, compiled and not served yet."""

    merger: Merger
    draft: Snapshot


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
        #: What ``snapshot`` was last built from.
        self._followed: Configuration | None = files
        self.snapshot = build_snapshot(0, files, None)
        #: What was compiled and could not be served: it is not compiled again.
        self._draft: Snapshot | None = None
        self._reasons: dict[str, str] = {}
        self._probed: tuple[Schema | None, set[tuple[str, Expression | None]]] = (None, set())
        self._later: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Reads what the database has and what is remembered, before anything is served.

        Raises:
            ConfigurationError: an id is in a file and in the database.
            StoreError: the database cannot be read.
        """
        clashes = await self._read()
        if clashes:
            raise ConfigurationError(clashes)
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
        # The long work first, while saves and revocations go their own way; then what they have changed meanwhile.
        draft = await self._build(schema)
        async with self._following:
            return await self._follow(schema, draft)

    async def refresh(self, *, keys_only: bool = False) -> bool:
        """Serves what the database has now. False where that could not be done; it is said, and tried again.

        Args:
            keys_only: does not wait for templates, which whoever watches will look at.
        """
        try:
            async with self._reading:
                await self._read()
        except StoreError as error:
            self._complain("database", str(error))
            return False
        self._reasons.pop("database", None)
        # A key that is revoked waits for nobody's template: whatever is compiled, it is dead before.
        self._serve_keys()
        if keys_only:
            return True
        # Whoever saves and whoever watches come at the same time: the second finds it done.
        async with self._following:
            return self._configuration is self._followed or await self._follow(None)

    # --- other files

    async def prepare(self, files: Configuration) -> Prepared:
        """Compiles other files beside what is served, which stays as it is.

        Raises:
            ConfigurationError: with them something would be wrong that is not wrong now.
        """
        merger = Merger(files)
        configuration, _ = merger.merged(self._library)
        used = self.snapshot.upstream_schema
        draft = await asyncio.to_thread(build_snapshot, 0, configuration, used, self.snapshot)
        new = set(draft.faults) - set(self.snapshot.faults)
        if new:
            raise ConfigurationError(sorted(new))
        return Prepared(merger, draft)

    async def commit(self, prepared: Prepared) -> bool:
        """Serves what was prepared, with what has changed in the database meanwhile. False, and everything is as it
        was, where what must be remembered of it could not be kept."""
        async with self._following, self._reading:
            # Whoever looks at the database waits: keys of other files over policies of these would be half of a change.
            before = self._merger, self._configuration, self._settings
            self._merger, self._settings = prepared.merger, prepared.draft.configuration.settings
            self._configuration, _ = prepared.merger.merged(self._library)
            served = False
            try:
                served = await self._follow(None, prepared.draft)
            finally:
                if not served:
                    self._merger, self._configuration, self._settings = before
            return served

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
                        self._reasons.pop("watcher", None)
            except Exception as error:  # noqa: BLE001  # a watcher that has ended would leave revoked keys alive
                self._complain("watcher", str(error) if isinstance(error, StoreError) else repr(error))
            await asyncio.sleep(pause)

    async def _read(self) -> tuple[Fault, ...]:
        """Takes what the database has now; gives what is in files as well."""
        if self.database is None:
            return ()
        library = await read_library(self.database, self._library)
        if library is self._library:
            return ()
        self._configuration, clashes = self._merger.merged(library)
        self._library = library
        return clashes

    def _serve_keys(self) -> None:
        """The keys of now over the policies that are served. One whose policy is not there yet is answered 503."""
        served, now = self.snapshot.configuration.keys, self._configuration.keys
        if served is not now and served != now:
            self._swap(with_keys(self.snapshot, now))

    async def _build(self, schema: Schema | None, *drafts: Snapshot | None) -> Snapshot:
        """Compiles what there is now; what is served or in a draft and has not changed is taken over."""
        used = schema or self.snapshot.upstream_schema
        fitting = [draft for draft in drafts if draft is not None and draft.upstream_schema is used]
        return await asyncio.to_thread(build_snapshot, 0, self._configuration, used, (*fitting, self.snapshot)[0])

    async def _follow(self, schema: Schema | None, *drafts: Snapshot) -> bool:
        """Builds what there is now and serves it. One at a time: of two that build, the slower would bring back what
        the other has changed."""
        configuration = self._configuration
        self._draft = draft = await self._build(schema, *drafts, self._draft)
        now = datetime.fromtimestamp(self._clock(), UTC)
        moment = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        dated = await asyncio.to_thread(with_moments, draft, self.snapshot, moment)
        if self.database is not None:
            try:
                dated = replace(dated, shown=await keep_moments(self.database, self.snapshot.shown, dated.shown))
            except StoreError as error:
                self._complain("metadata" if schema else "templates", str(error))
                return False
        await self._probe(dated, patience=None if schema else _PROBE_PATIENCE)
        # Keys may have changed while this was built; their templates will be looked at by whoever has changed them.
        newest = self._configuration.keys
        self._swap(dated if newest is configuration.keys else with_keys(dated, newest))
        self._draft, self._followed = None, configuration
        for reason in ("templates", *(("metadata",) if schema else ())):
            self._reasons.pop(reason, None)
        return True

    def _swap(self, draft: Snapshot) -> None:
        # What was noted once need not be read again with every save.
        notes = tuple(sorted(set(draft.notes) - set(self.snapshot.notes)))
        closed = self.snapshot.closed
        self.snapshot = snapshot = replace(draft, revision=self.snapshot.revision + 1)
        self._serve(snapshot)
        faults = tuple(str(fault) for fault in snapshot.faults)
        self._publish(SnapshotPublished(snapshot.revision, len(snapshot.policies), faults, notes))
        if snapshot.closed != closed:
            self._publish(SetsClosed(snapshot.closed))

    @property
    def unserved(self) -> str:
        """Why what there is now is not served yet, if it is not."""
        return "; ".join(dict.fromkeys(self._reasons.values()))

    def _complain(self, about: str, message: str) -> None:
        """Once for each reason: what is tried four times a second would fill the log."""
        if self._reasons.get(about) != message:
            self._reasons[about] = message
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
