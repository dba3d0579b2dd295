"""Spans for OpenTelemetry, made of the events of a request when it is over. The extra ``gateway[otel]`` brings what
sends them. The trace of a request has its id; what the client says of its own trace is in the decision log alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from gateway import __version__
from gateway.observe.events import Event, RequestHandled, UpstreamAnswered

_NANO = 1_000_000_000


class Spans:
    """An observer that sends a span for each request, and one below it for each request to the upstream.

    Args:
        url: where OTLP is taken by HTTP, with its path (``http://127.0.0.1:4318/v1/traces``).
    """

    def __init__(self, url: str) -> None:
        self._resource = Resource.create({"service.name": "gateway", "service.version": __version__})
        self._processor = BatchSpanProcessor(OTLPSpanExporter(endpoint=url, timeout=2))

    async def close(self) -> None:
        """Sends what is left."""
        await asyncio.to_thread(self._processor.shutdown)

    def __call__(self, event: Event) -> None:
        match event:
            case RequestHandled():
                told: dict[str, str | int] = {
                    "http.request.method": event.method,
                    "http.response.status_code": event.status,
                    "gateway.resource": event.resource,
                    "gateway.policy": event.policy,
                    "gateway.reason": event.reason,
                    "gateway.records": event.records,
                }
                began = time.time() - event.seconds
                name = f"{event.method} {event.resource}".strip()
                failed = event.status >= 500
                self._end(name, SpanKind.SERVER, event.request_id, "", began, event.seconds, told, failed=failed)
            case UpstreamAnswered(request_id=request) if request:
                told = {"http.request.method": event.method, "http.response.status_code": event.status}
                span, failed = event.span_id, event.status == 0 or event.status >= 500
                self._end(event.method, SpanKind.CLIENT, request, span, event.began, event.seconds, told, failed=failed)
            case _:
                pass

    def _end(
        self,
        name: str,
        kind: SpanKind,
        request: str,
        span: str,
        began: float,
        seconds: float,
        attributes: Mapping[str, str | int],
        *,
        failed: bool,
    ) -> None:
        trace, root = int(request, 16), _context(int(request, 16), int(request[16:], 16))
        self._processor.on_end(
            ReadableSpan(
                name,
                context=_context(trace, int(span, 16)) if span else root,
                parent=root if span else None,
                resource=self._resource,
                attributes=attributes,
                kind=kind,
                status=Status(StatusCode.ERROR if failed else StatusCode.UNSET),
                start_time=int(began * _NANO),
                end_time=int((began + seconds) * _NANO),
            )
        )


def _context(trace: int, span: int) -> SpanContext:
    return SpanContext(trace, span, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
