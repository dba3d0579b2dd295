"""A running gateway: listeners, upstream, metadata watcher, database and snapshot, put together in one place."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from gateway.admin.backend import Backend
from gateway.edge.administration import Administration
from gateway.edge.app import Gateway
from gateway.edge.authentication import Authenticator
from gateway.edge.enforcement import Enforcement
from gateway.edge.listener import Listener
from gateway.edge.operations import Operations
from gateway.edge.publication import Publication
from gateway.edge.trust import UpstreamTrust
from gateway.errors import ConfigurationError, Fault, kind_of
from gateway.observe.events import CertificateShown, Complaint, Event, Observer, Observers
from gateway.observe.logs import DecisionLog
from gateway.observe.metrics import Metrics
from gateway.observe.record_file import RecordFile
from gateway.settings import Tracing
from gateway.store.configuration import Configuration
from gateway.store.counters import Counters, RedisCounters
from gateway.store.database import Database
from gateway.store.losses import Losses
from gateway.store.repeats import Repeats
from gateway.store.snapshot import Snapshot
from gateway.store.usage import Usage
from gateway.upstream.client import UpstreamClient
from gateway.upstream.metadata import MetadataWatcher

if TYPE_CHECKING:
    from gateway.observe.spans import Spans

#: Seconds between two writings of when keys were last used.
_USAGE = 10.0


class Service:
    """Use as an async context: inside, both listeners accept. Ports are real once started.

    Raises:
        StoreError: the database cannot be what it is said to be, or, on entering, cannot be opened.
    """

    def __init__(
        self,
        configuration: Configuration,
        *observers: Observer,
        clock: Callable[[], float] = time.time,
        inherited: tuple[socket.socket, socket.socket] | None = None,
        counters: Counters | None = None,
    ) -> None:
        """
        Args:
            inherited: sockets that listen already, for clients and for staff.
            counters: of rate limits, for all processes of this machine; Redis beats them where it is set.

        Raises:
            CountersUnavailableError: Redis is set and its client is not installed.
        """
        self._settings = settings = configuration.settings
        url = configuration.database_url
        self._database = Database(url) if url is not None else None
        self._usage = Usage(self._database, clock) if self._database is not None else None
        self.metrics = Metrics()
        self._losses = Losses(self._database) if self._database is not None else None
        own: list[Observer] = [observer for observer in (self._usage, self._losses) if observer is not None]
        self._publish = Observers(self.metrics, *observers, *own)
        self._records = _record_file(configuration, self._publish)
        self._spans = _spans(settings.tracing)
        if self._spans is not None:
            self._publish.add(self._spans)
        if self._records is not None:
            self._publish.add(DecisionLog(stream=self._records, tells="decisions"))
        self.trust = UpstreamTrust(settings.upstream.profile, self._publish, clock)
        self._upstream = UpstreamClient(
            settings.upstream,
            configuration.secrets.upstream_token,
            configuration.secrets.upstream_secret,
            publish=self._publish,
            is_traced=settings.tracing.forward,
        )
        enforcement = Enforcement(self._upstream)
        self._authenticator = authenticator = Authenticator(configuration, clock)
        repeats = Repeats(self._database, clock) if self._database is not None else None
        self._redis = RedisCounters(configuration.redis_url) if configuration.redis_url is not None else None
        self.gateway = Gateway(
            configuration,
            enforcement,
            self.trust,
            self._publish,
            clock,
            repeats,
            self._redis or counters,
            authenticator,
            self._records,
        )
        self.publication = Publication(
            configuration, self._database, self._upstream, self.trust, self._publish, clock, self._serve
        )
        self.gateway.snapshot = self.publication.snapshot
        self._watcher = MetadataWatcher(
            self._upstream,
            refresh=settings.upstream.metadata_refresh,
            retry=settings.upstream.metadata_retry,
            publish=self.publication.publish_schema,
            complain=self._complain,
            changed=self._publish,
            profile=lambda: self.trust.profile,
        )
        self.operations = operations = Operations(
            lambda: self.snapshot, self.trust, self.metrics, lambda: self.publication.unserved, self._records
        )
        refresh = self.publication.refresh
        backend = Backend(
            lambda: self.snapshot,
            self._database,
            refresh,
            lambda: refresh(keys_only=True),
            clock,
            self._publish,
            self.trust,
        )
        administration = Administration(
            backend, operations, self._publish, authenticator, settings.admin.max_body, self._records
        )
        clients, staff = inherited or (None, None)
        self._certificates = tls = configuration.certificates
        listen = settings.listen
        complain = self._complain
        self.listener = Listener(
            self.gateway.handle, listen.host, listen.port, clients, tls.get("listen"), complain=complain
        )
        self.admin = Listener(
            administration.handle, settings.admin.host, settings.admin.port, staff, tls.get("admin"), complain=complain
        )
        self._stack = AsyncExitStack()

    @property
    def snapshot(self) -> Snapshot:
        return self.publication.snapshot

    async def refresh_metadata(self) -> bool:
        """Reads the upstream's metadata now; whether what is in hand is current."""
        return await self._watcher.fetch()

    def _complain(self, message: str) -> None:
        self._publish(Complaint(message))

    def _serve(self, snapshot: Snapshot) -> None:
        self.gateway.snapshot = snapshot

    async def __aenter__(self) -> Self:
        """Starts everything; what was started is stopped again when something cannot be.

        Raises:
            ListenError: an address cannot be listened on.
            ConfigurationError: files and database contradict each other.
        """
        try:
            return await self._start()
        except BaseException:
            await self._stack.aclose()
            raise

    async def _start(self) -> Self:
        stack = self._stack
        if self._records is not None:
            _open(self._records)
            stack.push_async_callback(self._records.close)
        if self._spans is not None:
            stack.push_async_callback(self._spans.close)
        if self._database is not None:
            await stack.enter_async_context(self._database)
        if self._losses is not None:
            await self._adopt_losses(self._losses)
        stack.push_async_callback(self.publication.close)
        await self.publication.open()
        if self._redis is not None:
            stack.push_async_callback(self._redis.close)
        stack.push_async_callback(self._authenticator.close)
        await stack.enter_async_context(self._upstream)
        stack.push_async_callback(self.gateway.close)
        for name, certificate in self._certificates.items():
            self._publish(CertificateShown(name, certificate.ends.timestamp()))
        await self.admin.start()
        stack.push_async_callback(self.admin.stop)
        current = await self._watcher.fetch()
        await self.listener.start()
        stack.push_async_callback(self.listener.stop)
        self._run(self._watcher.run(current=current))
        if self._usage is not None:
            self._run(self.publication.watch())
            stack.push_async_callback(self._write_usage, self._usage)
            self._run(self._note_usage(self._usage))
        return self

    async def _adopt_losses(self, losses: Losses) -> None:
        """Take over what was lost before this start, and keep what is lost from now on.

        Raises:
            StoreError: it cannot be read: an upstream that is trusted again by accident tells another bit.
        """
        for loss in await losses.read():
            self.trust.adopt(loss)
        self._run(self._keep_losses(losses))

    async def _keep_losses(self, losses: Losses) -> None:
        while True:
            await losses.noted()
            try:
                await losses.write()
            except Exception as error:  # noqa: BLE001  # nobody waits for this; it is tried again, and every process knows
                self._publish(Complaint(f"lost trust could not be written: {kind_of(error)}"))
                await asyncio.sleep(_USAGE)
                losses.retry()

    async def drain(self, *, notice: bool) -> int:
        """Takes no more requests, and answers those that there are; the service is left afterwards.

        Args:
            notice: says so on ``/readyz`` for ``workers.drain_notice`` seconds before, while everything is still
                answered: a balancer needs some time to look elsewhere.

        Returns:
            How many requests were given up at the deadline.
        """
        workers = self._settings.workers
        if notice:
            self.operations.draining = True
            await asyncio.sleep(workers.drain_notice)
        lost, _ = await asyncio.gather(
            self.listener.drain(workers.drain_idle, workers.drain_deadline), self.admin.drain(0, workers.drain_deadline)
        )
        return lost

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs beside the requests until the service stops."""
        task = asyncio.create_task(work)

        async def stop() -> None:
            while not task.done():  # a library may swallow one cancellation
                task.cancel()
                await asyncio.wait({task}, timeout=1)

        self._stack.push_async_callback(stop)

    async def _note_usage(self, usage: Usage) -> None:
        while True:
            await asyncio.sleep(_USAGE)
            await self._write_usage(usage)

    async def _write_usage(self, usage: Usage) -> None:
        try:
            await usage.write()
        except Exception as error:  # noqa: BLE001  # nobody waits for this, and nothing may end it
            self._publish(Complaint(f"when keys were last used could not be written: {kind_of(error)}"))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()


def _record_file(configuration: Configuration, publish: Callable[[Event], None]) -> RecordFile | None:
    log = configuration.settings.log
    if log.decisions is None:
        return None
    return RecordFile(
        configuration.directory / log.decisions,
        publish,
        is_durable=log.durable,
        rotate_bytes=log.rotate_bytes,
        keep=log.keep,
    )


def _spans(tracing: Tracing) -> Spans | None:
    if tracing.otlp_url is None:
        return None
    try:
        from gateway.observe.spans import Spans  # noqa: PLC0415  # an extra
    except ImportError:
        message = "needs what `pip install gateway[otel]` installs"
        raise ConfigurationError([Fault("gateway.yaml", 0, ("tracing", "otlp_url"), message)]) from None
    return Spans(tracing.otlp_url)


def _open(records: RecordFile) -> None:
    try:
        records.open()
    except (OSError, ValueError) as error:
        message = f"the file cannot be written: {getattr(error, 'strerror', None) or error}"
        raise ConfigurationError([Fault("gateway.yaml", 0, ("log", "decisions"), message)]) from None
