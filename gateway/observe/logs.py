"""The log: canonical JSON lines by structlog. Decisions are told of one by one, and may have a file of their own."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Literal, TextIO

import structlog

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
from gateway.observe.record_file import RecordFile

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


#: How each event is told: its name, and how much it matters. None: it is part of what is told otherwise.
_TOLD: Mapping[type[Event], tuple[str, str | Callable[[Any], str]] | None] = {
    RequestStarted: None,
    UpstreamAnswered: None,
    RequestHandled: ("request", "info"),
    AdminHandled: ("administration", "info"),
    PolicyLoaded: ("policy loaded", "info"),
    RecordChanged: ("record changed", "info"),
    RecordsLost: ("records lost", "error"),
    RecordsFailing: ("decision log", lambda event: "error" if event.is_failing else "info"),
    AnswerWithheld: ("answer withheld", "error"),
    SnapshotPublished: ("snapshot", lambda event: "warning" if event.faults else "info"),
    TrustLost: ("trust lost", "error"),
    TrustRestored: ("trust restored", "warning"),
    UpstreamRefused: ("upstream refused a write", "debug"),
    UpstreamRetried: ("upstream asked again", "debug"),
    WriteEnded: ("write ended late", "warning"),
    BreakerChanged: ("breaker", lambda event: "error" if event.is_open else "info"),
    SchemaChanged: ("schema changed", lambda event: "warning" if event.removed or event.retyped else "info"),
    SetsClosed: ("sets closed", lambda event: "error" if event.sets else "info"),
    CountersUnavailable: ("rate limits not counted for all", "warning"),
    Reloaded: ("reload", lambda event: "error" if event.faults else "info"),
    WorkerStarted: ("worker started", "info"),
    WorkerEnded: ("worker ended", lambda event: "info" if event.was_told and not event.lost else "error"),
    CertificateShown: ("certificate", "info"),
    Complaint: ("complaint", "warning"),
}
#: What was asked, decided and changed, and with which policies: what a later report is made of.
DECISIONS = (RequestHandled, AdminHandled, PolicyLoaded, RecordChanged)


class DecisionLog:
    """Writes events as JSON, members in order. Everything outside printable ASCII is escaped, so a line stays a line
    (C135)."""

    def __init__(
        self,
        level: str = "info",
        stream: TextIO | RecordFile | None = None,
        tells: Literal["everything", "decisions", "the rest"] = "everything",
    ) -> None:
        self._tells = tells
        self._log = structlog.wrap_logger(
            structlog.WriteLogger(stream or sys.stdout),  # type: ignore[arg-type]  # writes and flushes, and no more
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(ensure_ascii=True, sort_keys=True, separators=(",", ":")),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
            cache_logger_on_first_use=True,
        )

    def __call__(self, event: Event) -> None:
        if self._tells != "everything" and isinstance(event, DECISIONS) is not (self._tells == "decisions"):
            return
        told = _TOLD[type(event)]
        if told is not None:
            name, level = told
            getattr(self._log, level if isinstance(level, str) else level(event))(name, **asdict(event))
