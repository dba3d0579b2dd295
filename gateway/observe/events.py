"""Events, and where they go. A request emits one RequestHandled; everything that observes reads that one (STYLE 12)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestHandled:
    """One request, decided and answered. No field values and no literals of the client (C257, C351).

    ``reason`` is the code of a refusal, empty for data; ``detail`` says for operators what the client was not told.
    Of a write, ``fields_written`` are the fields that its body names and the key may write, ``rule`` is where what
    allowed or refused it is written, and ``upstream_status`` how the upstream answered it, 0 where nothing was sent.
    Times are seconds, sizes bytes.
    """

    request_id: str
    key_id: str
    client: str
    method: str
    resource: str
    shape: str
    policy: str
    fingerprint: str
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
    """The upstream contradicted its profile: it is trusted no more with a kind of question, by any key (D6)."""

    kind: str
    resource: str
    reason: str


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
    """A worker answers requests; ``workers`` is how many there are now."""

    slot: int
    process: int
    workers: int


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
    RequestHandled
    | AdminHandled
    | SnapshotPublished
    | TrustLost
    | UpstreamRefused
    | WriteEnded
    | UpstreamRetried
    | BreakerChanged
    | SchemaChanged
    | CountersUnavailable
    | Reloaded
    | WorkerStarted
    | WorkerEnded
    | Complaint
)
Observer = Callable[[Event], None]


class Observers:
    """Hands each event to every observer, in order."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def __call__(self, event: Event) -> None:
        for observer in self._observers:
            observer(event)
