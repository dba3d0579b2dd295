"""A running gateway: listeners, upstream, metadata watcher and snapshot, put together in one place."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from gateway.edge.app import Gateway
from gateway.edge.enforcement import Enforcement
from gateway.edge.listener import Listener
from gateway.edge.operations import Operations
from gateway.edge.probing import ask_probes
from gateway.edge.scan import Source, Trace
from gateway.edge.trust import UpstreamTrust
from gateway.observe.events import Complaint, Observer, Observers, SnapshotPublished, TrustLost
from gateway.observe.metrics import Metrics
from gateway.odata.csdl import Schema
from gateway.odata.literals import Timestamp
from gateway.policy.probes import probes
from gateway.store.configuration import Configuration
from gateway.store.shown import ShownSince, StateError
from gateway.store.snapshot import Snapshot, build_snapshot
from gateway.upstream.client import UpstreamClient
from gateway.upstream.metadata import MetadataWatcher


class Service:
    """Use as an async context: inside, both listeners accept. Ports are real once started."""

    def __init__(
        self, configuration: Configuration, *observers: Observer, clock: Callable[[], float] = time.time
    ) -> None:
        settings = configuration.settings
        self._configuration = configuration
        self._clock = clock
        self._since = ShownSince(configuration.state_file("shown.json"))
        #: Why what the upstream has now is not served yet, if it is not.
        self.unserved = ""
        self.metrics = Metrics()
        self._publish = Observers(self.metrics, *observers)
        self.trust = UpstreamTrust(
            settings.upstream.profile, lambda kind, resource, reason: self._publish(TrustLost(kind, resource, reason))
        )
        self._upstream = UpstreamClient(
            settings.upstream, configuration.secrets.upstream_token, configuration.secrets.upstream_secret
        )
        enforcement = Enforcement(self._upstream, settings.requests.scan_requests)
        self.gateway = Gateway(configuration, enforcement, self.trust, self._publish, clock)
        self.gateway.snapshot = build_snapshot(0, configuration, None)
        self._watcher = MetadataWatcher(
            self._upstream,
            refresh=settings.upstream.metadata_refresh,
            retry=settings.upstream.metadata_retry,
            publish=self.publish_schema,
            complain=lambda message: self._publish(Complaint(message)),
        )
        operations = Operations(lambda: self.gateway.snapshot, self.trust, self.metrics, lambda: self.unserved)
        self.listener = Listener(self.gateway.handle, settings.listen.host, settings.listen.port)
        self.admin = Listener(operations.handle, settings.admin.host, settings.admin.port)
        self._stack = AsyncExitStack()

    @property
    def snapshot(self) -> Snapshot:
        assert self.gateway.snapshot is not None
        return self.gateway.snapshot

    async def publish_schema(self, schema: Schema) -> bool:
        """Compiles every policy against a schema, asks the upstream whether it reads their rules as its profile says,
        and swaps the snapshot: one reference, between two requests.

        False where what must be remembered of it could not be written: then what was served before stays in force."""
        moment = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        try:
            if self.unserved:
                self._since.save()  # before the work of compiling: where this failed, it may fail again
            snapshot = build_snapshot(
                self.snapshot.revision + 1, self._configuration, schema, self.snapshot, since=self._since, moment=moment
            )
        except StateError as error:
            self.unserved = str(error)
            self._publish(Complaint(self.unserved))
            return False
        if self._configuration.settings.upstream.probe:
            await self._probe(snapshot, schema)
        self.gateway.snapshot = snapshot
        self.unserved = ""
        self._publish(
            SnapshotPublished(
                snapshot.revision,
                len(snapshot.policies),
                tuple(str(fault) for fault in snapshot.faults),
                snapshot.notes,
            )
        )
        return True

    async def _probe(self, snapshot: Snapshot, schema: Schema) -> None:
        """Before the first count under new rules is answered, not after it (C289)."""
        profile = self._configuration.settings.upstream.profile
        now = Timestamp(datetime.fromtimestamp(self._clock(), UTC).replace(microsecond=0))
        asked = probes(snapshot.policies.values(), profile, now)
        failed = await ask_probes(asked, Source(self._upstream, profile, Trace()), schema, self.trust)
        if failed:
            self._publish(Complaint(failed))

    async def __aenter__(self) -> Self:
        """Starts everything; what was started is stopped again when something cannot be.

        Raises:
            ListenError: an address cannot be listened on.
        """
        try:
            return await self._start()
        except BaseException:
            await self._stack.aclose()
            raise

    async def _start(self) -> Self:
        stack = self._stack
        await stack.enter_async_context(self._upstream)
        await self.admin.start()
        stack.push_async_callback(self.admin.stop)
        current = await self._watcher.fetch()
        await self.listener.start()
        stack.push_async_callback(self.listener.stop)
        task = asyncio.create_task(self._watcher.run(current=current))
        stack.callback(task.cancel)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()
