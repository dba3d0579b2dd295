"""The log: canonical JSON lines by structlog. Decisions are told of one by one, and may have a file of their own."""

from __future__ import annotations

import logging
import sys
from dataclasses import asdict
from typing import Literal, TextIO, assert_never

import structlog

from gateway.observe.events import (
    AdminHandled,
    AnswerWithheld,
    BreakerChanged,
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
    SnapshotPublished,
    TrustLost,
    UpstreamAnswered,
    UpstreamRefused,
    UpstreamRetried,
    WorkerEnded,
    WorkerStarted,
    WriteEnded,
)
from gateway.observe.record_file import RecordFile

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


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
        match event:
            case RequestStarted() | UpstreamAnswered():
                pass  # what they are part of is told
            case RequestHandled():
                self._log.info("request", **asdict(event))
            case AdminHandled():
                self._log.info("administration", **asdict(event))
            case PolicyLoaded():
                self._log.info("policy loaded", **asdict(event))
            case RecordChanged():
                self._log.info("record changed", **asdict(event))
            case RecordsLost():
                self._log.error("records lost", **asdict(event))
            case RecordsFailing():
                level = self._log.error if event.is_failing else self._log.info
                level("decision log", **asdict(event))
            case AnswerWithheld():
                self._log.error("answer withheld", **asdict(event))
            case SnapshotPublished():
                level = self._log.warning if event.faults else self._log.info
                level("snapshot", **asdict(event))
            case TrustLost():
                self._log.error("trust lost", **asdict(event))
            case UpstreamRefused():
                self._log.debug("upstream refused a write", **asdict(event))
            case WriteEnded():
                self._log.warning("write ended late", **asdict(event))
            case UpstreamRetried():
                self._log.debug("upstream asked again", **asdict(event))
            case BreakerChanged():
                level = self._log.error if event.is_open else self._log.info
                level("breaker", **asdict(event))
            case SchemaChanged():
                level = self._log.warning if event.removed or event.retyped else self._log.info
                level("schema changed", **asdict(event))
            case CountersUnavailable():
                self._log.warning("rate limits not counted for all", **asdict(event))
            case Reloaded():
                level = self._log.error if event.faults else self._log.info
                level("reload", **asdict(event))
            case WorkerStarted():
                self._log.info("worker started", **asdict(event))
            case WorkerEnded():
                level = self._log.info if event.was_told and not event.lost else self._log.error
                level("worker ended", **asdict(event))
            case Complaint():
                self._log.warning("complaint", message=event.message)
            case _:
                assert_never(event)
