"""Events, and where they go. A request emits one RequestHandled; everything that observes reads that one (STYLE 12)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class RequestHandled:
    """One request, decided and answered. No field values and no literals of the client (C257, C351).

    ``reason`` is the code of a refusal, empty for data; ``detail`` says for operators what the client was not told.
    Of a write, ``fields_written`` are the fields that its body names and the key may write, ``rule`` is where what
    allowed or refused it is written, and ``upstream_status`` how the upstream answered it, 0 where nothing was sent.
    Times are seconds, sizes bytes.

    ``visible`` is the digest of the names that the key may know, as in ``PolicyLoaded``; ``rules`` are the kinds of
    rules that had an effect: ``rows`` (a rule went along with the question), ``dropped``, ``fields``, ``photos``.
    ``parsed`` says whether the question was ``known`` or ``new``, empty where nobody came that far. ``trace_id`` is the
    client's own (W3C Trace Context).
    """

    request_id: str
    key_id: str
    client: str
    method: str
    resource: str
    shape: str
    policy: str
    role: str
    fingerprint: str
    visible: str
    status: int
    reason: str
    detail: str
    records: int
    fields_hidden: int
    photos_cut: int
    unknown_members: int
    dropped: int
    violations: int
    upstream_requests: int
    upstream_seconds: float
    seconds: float
    bytes_sent: int
    fields_written: tuple[str, ...] = ()
    rule: str = ""
    upstream_status: int = 0
    rules: tuple[str, ...] = ()
    parsed: str = ""
    trace_id: str = ""
    #: ``Resource.Field`` to the records that were dropped because this member of theirs cannot be read.
    unreadable: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RequestStarted:
    """A request has come; its end is told by ``RequestHandled``."""


@dataclass(frozen=True, slots=True)
class PolicyLoaded:
    """What a policy comes to, before the first request in this process that is decided by it: who could see what can be
    told from the log alone. ``visible`` is the digest of all names in ``resources``; those have ``rule``, ``fields``
    and ``conditional`` (field to the condition under which it is shown). ``template`` is the document, None where there
    is a bare role; ``privileges`` are those of the keys."""

    policy: str
    role: str
    fingerprint: str
    visible: str
    template: Mapping[str, Any] | None
    photo_limit: int | None
    resources: Mapping[str, Mapping[str, Any]]
    privileges: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordChanged:
    """A template or a key of the database is another one now; a document is None where there is none."""

    kind: str
    record: str
    revision: int
    action: str
    changed_by: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class RecordsLost:
    """Decision records that nobody will find in the log."""

    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class RecordsFailing:
    """The decision log cannot be written from now on, or can be again."""

    is_failing: bool
    reason: str


@dataclass(frozen=True, slots=True)
class AnswerWithheld:
    """An answer did not leave, because its record could not be kept."""

    request_id: str


@dataclass(frozen=True, slots=True)
class UpstreamRefused:
    """The upstream's own words about a write that it did not do. They may hold what no key may see, so they are for the
    lowest level of the log alone."""

    request_id: str
    status: int
    said: str


@dataclass(frozen=True, slots=True)
class WriteEnded:
    """What became of a write after its client was told that nobody knows; ``status`` is the upstream's, 0 for none."""

    request_id: str
    status: int
    outcome: str


@dataclass(frozen=True, slots=True)
class SnapshotPublished:
    """A new snapshot is served."""

    revision: int
    policies: int
    faults: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrustLost:
    """The upstream contradicted its profile: no key trusts it any more with a kind of question about a resource (D6).

    ``profile`` is the digest of the declared profile, ``at`` seconds since 1970.
    """

    kind: str
    resource: str
    reason: str
    profile: str
    at: float


@dataclass(frozen=True, slots=True)
class TrustRestored:
    """A person gave back a kind of trust for a resource. ``by`` is the key or the user who did."""

    kind: str
    resource: str
    by: str


@dataclass(frozen=True, slots=True)
class UpstreamAnswered:
    """One request to the upstream is over. ``request_id`` is that of the client's request, empty where the gateway asks
    for itself; ``status`` 0 where no answer came; ``began`` in seconds since 1970."""

    request_id: str
    span_id: str
    method: str
    status: int
    began: float
    seconds: float


@dataclass(frozen=True, slots=True)
class UpstreamRetried:
    """A read is sent again; ``attempt`` is which one that is, 2 for the first time."""

    attempt: int


@dataclass(frozen=True, slots=True)
class BreakerChanged:
    """The upstream is left alone from now on, or asked again."""

    is_open: bool
    reason: str


@dataclass(frozen=True, slots=True)
class SchemaChanged:
    """The upstream's metadata is another one, and served. Names are as ``Set`` or ``Set.Property``."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    retyped: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SetsClosed:
    """Entity sets of the metadata that is served now cannot be read, each with the reason: nobody
    is served from them. It is empty when all can be read again."""

    sets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CountersUnavailable:
    """Rate limits could not be counted where they are counted for all."""

    reason: str


@dataclass(frozen=True, slots=True)
class Reloaded:
    """Files that were changed have been looked at: served by every worker, or refused by all of them for ``faults``.

    ``how`` is ``swapped``, ``replaced`` (new workers were needed), ``unchanged`` or ``refused``.
    """

    how: str
    faults: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class WorkerStarted:
    """A worker answers requests; ``workers`` is how many there are now, ``wanted`` how many there should be."""

    slot: int
    process: int
    workers: int
    wanted: int


@dataclass(frozen=True, slots=True)
class WorkerEnded:
    """A worker has ended: it was told to, or else it is replaced. ``code`` is its exit code, negative for a signal;
    ``lost`` how many requests it has given up at the deadline."""

    slot: int
    process: int
    workers: int
    code: int
    was_told: bool
    lost: int


@dataclass(frozen=True, slots=True)
class CertificateShown:
    """A listener speaks TLS with a certificate that is good until ``ends`` (seconds since 1970)."""

    listener: str
    ends: float


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something an operator should look at that belongs to no request."""

    message: str


@dataclass(frozen=True, slots=True)
class AdminHandled:
    """One request to the admin API. ``operation`` is what was asked for in words, ``code`` Spark's number of a failure,
    0 where there is none. What was changed is in the history of the record."""

    request_id: str
    key_id: str
    client: str
    method: str
    operation: str
    record: str
    dry_run: bool
    status: int
    code: int
    seconds: float


Event = (
    RequestStarted
    | RequestHandled
    | AdminHandled
    | PolicyLoaded
    | RecordChanged
    | RecordsLost
    | RecordsFailing
    | AnswerWithheld
    | SnapshotPublished
    | TrustLost
    | TrustRestored
    | UpstreamAnswered
    | UpstreamRefused
    | WriteEnded
    | UpstreamRetried
    | BreakerChanged
    | SchemaChanged
    | SetsClosed
    | CountersUnavailable
    | Reloaded
    | WorkerStarted
    | WorkerEnded
    | CertificateShown
    | Complaint
)
Observer = Callable[[Event], None]


class Observers:
    """Hands each event to every observer, in order."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def add(self, observer: Observer) -> None:
        self._observers = (*self._observers, observer)

    def __call__(self, event: Event) -> None:
        for observer in self._observers:
            try:
                observer(event)
            except (OSError, ValueError) as error:
                # A log that cannot be written is no reason to break off what it tells of.
                for other in self._observers:
                    if other is not observer:
                        other(RecordsLost(1, type(error).__name__))
