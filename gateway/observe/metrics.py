"""Prometheus metrics, fed by events. docs/operations.md lists each of them."""

from __future__ import annotations

import os
from typing import assert_never

import prometheus_client.values
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.values import MultiProcessValue

from gateway.errors import Code
from gateway.observe.events import (
    AdminHandled,
    AnswerWithheld,
    BreakerChanged,
    CertificateShown,
    Complaint,
    CountersUnavailable,
    Event,
    PolicyLoaded,
    RecordChanged,
    RecordsFailing,
    RecordsLost,
    Reloaded,
    RequestHandled,
    RequestStarted,
    SchemaChanged,
    SetsClosed,
    SnapshotPublished,
    TrustLost,
    TrustRestored,
    UpstreamAnswered,
    UpstreamRefused,
    UpstreamRetried,
    WorkerEnded,
    WorkerStarted,
    WriteEnded,
)

_CHANGES = ("added", "removed", "retyped")
#: Where the processes of one service keep their numbers, for prometheus_client.
MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"


def share_numbers(slot: str) -> None:
    """Keeps the numbers of this process where all processes of the service keep theirs, under a name of its own; before
    any ``Metrics`` is made. A process that takes the place of another one goes on counting where that one ended."""
    if MULTIPROCESS in os.environ:
        prometheus_client.values.ValueClass = MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]  # the library has no types here


def forget_levels(slot: str) -> None:
    """What a process that has ended said of itself is no more; what it has counted stays."""
    mark_process_dead(slot)  # type: ignore[no-untyped-call]  # as above


class Metrics:
    """One registry for each gateway, so that two of them in one process do not meet."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "gateway_requests",
            "Requests answered, by status and code of refusal",
            ("status", "reason"),
            registry=self.registry,
        )
        self._writes = Counter(
            "gateway_writes",
            "Writes that were sent to the upstream, by method and the status of its answer (0: none came)",
            ("method", "status"),
            registry=self.registry,
        )
        self._late = Counter(
            "gateway_writes_ended_late",
            "Writes that ended after their client was told that nobody knows, by outcome",
            ("outcome",),
            registry=self.registry,
        )
        self._admin = Counter(
            "gateway_admin_requests",
            "Requests to the admin API, by status and Spark's number of a failure",
            ("status", "code"),
            registry=self.registry,
        )
        self._records = Counter(
            "gateway_records_delivered", "Records delivered, nested ones included", registry=self.registry
        )
        self._hidden = Counter(
            "gateway_fields_hidden", "Conditional fields left out of delivered records", registry=self.registry
        )
        self._photos = Counter("gateway_photos_cut", "Photos left out by the limit", registry=self.registry)
        self._unknown = Counter(
            "gateway_unknown_members", "Members that came unasked from the upstream", registry=self.registry
        )
        self._violations = Counter(
            "gateway_violations", "Records that contradicted the profile of the upstream", registry=self.registry
        )
        self._dropped = Counter(
            "gateway_records_dropped", "Records that were taken as never sent", registry=self.registry
        )
        self._unreadable = Counter(
            "gateway_records_unreadable",
            "Records dropped because a key or a deciding member cannot be read",
            ("field",),
            registry=self.registry,
        )
        self._rules = Counter(
            "gateway_rules_fired",
            "Requests on which a kind of rule had an effect",
            ("kind",),
            registry=self.registry,
        )
        self._parses = Counter(
            "gateway_parses", "Questions that were known already or had to be read", ("cache",), registry=self.registry
        )
        self._under_way = Gauge(
            "gateway_requests_under_way",
            "Requests that are being answered",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self._own = Histogram(
            "gateway_own_seconds", "Time of a request that was not spent on the upstream", registry=self.registry
        )
        self._withheld = Counter(
            "gateway_answers_withheld", "Answers that did not leave, for want of a record", registry=self.registry
        )
        self._failing = Gauge(
            "gateway_decision_log_failing",
            "1 while some worker cannot write the decision log",
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self._lost = _lost(self.registry)
        self._seconds = Histogram("gateway_request_seconds", "Time from request to answer", registry=self.registry)
        self._upstream = Histogram(
            "gateway_upstream_seconds", "Time spent waiting for the upstream, by request", registry=self.registry
        )
        self._upstream_requests = Counter(
            "gateway_upstream_requests", "Requests to the upstream", registry=self.registry
        )
        self._answers = Counter(
            "gateway_upstream_answers",
            "Answers of the upstream by status, 0 where none came; the gateway's own questions too",
            ("status",),
            registry=self.registry,
        )
        self._retries = Counter(
            "gateway_upstream_retries", "Reads that were sent to the upstream again", registry=self.registry
        )
        self._breaker = Gauge(
            "gateway_upstream_breaker",
            "1 while some worker leaves the upstream alone after failures",
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self._opened = Counter(
            "gateway_upstream_breaker_opened", "Times that the upstream was left alone", registry=self.registry
        )
        self._schema = Counter(
            "gateway_schema_changes",
            "Sets and properties of the upstream that were added, removed or got another type",
            ("kind",),
            registry=self.registry,
        )
        self._closed = Gauge(
            "gateway_closed_sets",
            "Entity sets of the upstream that cannot be read, the most of all workers",
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self._uncounted = Counter(
            "gateway_limits_unavailable",
            "Times that rate limits could not be counted where they are counted for all",
            registry=self.registry,
        )
        self._bytes = Counter("gateway_bytes_sent", "Bytes of bodies sent to clients", registry=self.registry)
        self._revision = Gauge(
            "gateway_snapshot_revision",
            "Revision of the snapshot being served, the oldest of all workers",
            registry=self.registry,
            multiprocess_mode="livemin",
        )
        self._published = Gauge(
            "gateway_snapshot_seconds",
            "When the snapshot being served was published, in seconds since 1970, the oldest of all workers",
            registry=self.registry,
            multiprocess_mode="livemin",
        )
        self._certificates = Gauge(
            "gateway_certificate_end_seconds",
            "When the certificate of a listener ends, in seconds since 1970",
            ("listener",),
            registry=self.registry,
            multiprocess_mode="livemin",
        )
        self._policies = Gauge(
            "gateway_policies",
            "Policies that compiled, the fewest of all workers",
            registry=self.registry,
            multiprocess_mode="livemin",
        )
        self._faults = Gauge(
            "gateway_policy_faults",
            "Faults of documents against the upstream's schema, the most of all workers",
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self._distrusted = Gauge(
            "gateway_distrusted",
            "1 for each kind of question about a resource that the upstream lost the trust in",
            ("kind", "resource"),
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self._complaints = _complaints(self.registry)
        # What alerts wait for is there before it happens: an increase from nothing is none to Prometheus.
        self._requests.labels(str(Code.UNKNOWN_OUTCOME.status), Code.UNKNOWN_OUTCOME.text)
        for kind in _CHANGES:
            self._schema.labels(kind)

    def __call__(self, event: Event) -> None:
        match event:
            case RequestStarted():
                self._under_way.inc()
            case RequestHandled():
                self._under_way.dec()
                self._handled(event)
            case PolicyLoaded() | RecordChanged():
                pass  # for reports
            case RecordsLost():
                self._lost.inc(event.count)
            case RecordsFailing():
                self._failing.set(event.is_failing)
            case AnswerWithheld():
                self._withheld.inc()
            case AdminHandled():
                self._admin.labels(str(event.status), str(event.code)).inc()
            case SnapshotPublished():
                self._revision.set(event.revision)
                self._published.set_to_current_time()
                self._policies.set(event.policies)
                self._faults.set(len(event.faults))
            case TrustLost():
                self._distrusted.labels(event.kind, event.resource).set(1)
            case TrustRestored():
                self._distrusted.labels(event.kind, event.resource).set(0)
            case CertificateShown():
                self._certificates.labels(event.listener).set(event.ends)
            case UpstreamAnswered():
                self._answers.labels(str(event.status)).inc()
            case UpstreamRefused():
                pass  # the request that it belongs to is counted
            case WriteEnded():
                self._late.labels(event.outcome).inc()
            case UpstreamRetried():
                self._retries.inc()
            case BreakerChanged():
                self._breaker.set(event.is_open)
                self._opened.inc(event.is_open)
            case SchemaChanged():
                for kind in _CHANGES:
                    self._schema.labels(kind).inc(len(getattr(event, kind)))
            case SetsClosed():
                self._closed.set(len(event.sets))
            case CountersUnavailable():
                self._uncounted.inc()
            case Reloaded() | WorkerStarted() | WorkerEnded():
                pass  # of the process above this one
            case Complaint():
                self._complaints.inc()
            case _:
                assert_never(event)

    def _handled(self, event: RequestHandled) -> None:
        self._requests.labels(str(event.status), event.reason).inc()
        self._records.inc(event.records)
        self._hidden.inc(event.fields_hidden)
        self._photos.inc(event.photos_cut)
        self._unknown.inc(event.unknown_members)
        self._violations.inc(event.violations)
        self._dropped.inc(event.dropped)
        self._seconds.observe(event.seconds)
        self._own.observe(max(event.seconds - event.upstream_seconds, 0.0))
        for name, number in event.unreadable.items():
            self._unreadable.labels(name).inc(number)
        for kind in event.rules:
            self._rules.labels(kind).inc()
        if event.parsed:
            self._parses.labels(event.parsed).inc()
        self._bytes.inc(event.bytes_sent)
        if event.upstream_status or event.reason == "UnknownOutcome":
            self._writes.labels(event.method, str(event.upstream_status)).inc()
        if event.upstream_requests:
            self._upstream.observe(event.upstream_seconds)
            self._upstream_requests.inc(event.upstream_requests)

    def text(self) -> bytes:
        """The numbers of this process, or of all that share theirs with it."""
        if MULTIPROCESS not in os.environ:
            return generate_latest(self.registry)
        everybody = CollectorRegistry()
        MultiProcessCollector(everybody)  # type: ignore[no-untyped-call]  # as above
        return generate_latest(everybody)


class SupervisorMetrics:
    """What the process that keeps the workers has to tell. Its numbers are read together with theirs."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._reloads = Counter(
            "gateway_reloads",
            "Times that files were looked at because they had changed, by what came of it",
            ("how",),
            registry=self.registry,
        )
        self._refused = Gauge(
            "gateway_reload_refused",
            "1 while the newest files are not served because they have faults",
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self._loaded = Gauge(
            "gateway_reload_seconds",
            "When the files that are served were taken over, in seconds since 1970",
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self._workers = Gauge(
            "gateway_workers",
            "Processes that answer requests",
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self._wanted = Gauge(
            "gateway_workers_wanted",
            "Processes that should answer requests",
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self._deaths = Counter(
            "gateway_worker_deaths",
            "Workers that ended without being told to, and were replaced",
            registry=self.registry,
        )
        self._lost = Counter(
            "gateway_requests_given_up", "Requests that a worker gave up at its end", registry=self.registry
        )
        self._records_lost = _lost(self.registry)
        self._complaints = _complaints(self.registry)

    def __call__(self, event: Event) -> None:
        match event:
            case Reloaded():
                self._reloads.labels(event.how).inc()
                self._refused.set(event.how == "refused")
                if event.how != "refused":
                    self._loaded.set_to_current_time()
            case WorkerStarted():
                self._workers.set(event.workers)
                self._wanted.set(event.wanted)
            case WorkerEnded():
                self._workers.set(event.workers)
                self._deaths.inc(not event.was_told)
                self._lost.inc(event.lost)
            case RecordsLost():
                self._records_lost.inc(event.count)
            case Complaint():
                self._complaints.inc()
            case _:
                pass  # of a worker


def _lost(registry: CollectorRegistry) -> Counter:
    return Counter("gateway_records_lost", "Lines of the log that could not be written", registry=registry)


def _complaints(registry: CollectorRegistry) -> Counter:
    return Counter("gateway_complaints", "Warnings that belong to no request", registry=registry)
