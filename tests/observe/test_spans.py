"""Spans as a collector gets them: a server of the test's own takes OTLP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.hostile import Hostile, hostile_running
from tests.support import ROOT, configuration, key_file, running, write_configuration

CLIENTS = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@asynccontextmanager
async def collecting() -> AsyncIterator[tuple[str, list[Any]]]:
    spans: list[Any] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        told = ExportTraceServiceRequest()
        told.ParseFromString(await request.read())
        spans.extend(span for resource in told.resource_spans for scope in resource.scope_spans for span in scope.spans)
        return web.Response(headers={"Content-Type": "application/x-protobuf"})

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1/traces", spans
    finally:
        await runner.cleanup()


@pytest.mark.channel("C146")
async def test_a_request_and_what_was_asked_for_it_are_one_trace(directory: Path) -> None:
    write_configuration(directory, {"keys.yaml": key_file(reader="Role: private")})
    async with (
        collecting() as (url, spans),
        hostile_running(Hostile()) as upstream,
        running(configuration(directory, upstream.url, TRACING__OTLP_URL=url, TRACING__FORWARD="true")) as gateway,
    ):
        headers = {"traceparent": CLIENTS, "tracestate": "canary=1"}
        await gateway.request("GET", f"{ROOT}/Property?$top=1&$select=ListingKey", "reader", headers)
        sent = [request.headers for request in upstream.requests]

    (event,) = gateway.handled
    server = next(span for span in spans if span.kind == span.SPAN_KIND_SERVER)
    (below,) = [span for span in spans if span.kind == span.SPAN_KIND_CLIENT]
    told = {attribute.key: attribute.value for attribute in server.attributes}
    assert server.trace_id.hex() == below.trace_id.hex() == event.request_id
    assert (below.parent_span_id, server.parent_span_id) == (server.span_id, b"")
    assert (server.name, told["http.response.status_code"].int_value) == ("GET Property", event.status)
    assert server.start_time_unix_nano <= below.start_time_unix_nano <= below.end_time_unix_nano
    assert sent[-1]["traceparent"] == f"00-{event.request_id}-{below.span_id.hex()}-01"
    assert event.trace_id == CLIENTS.split("-")[1]
    assert not any("canary" in str(header) or CLIENTS in str(header) for header in sent)
    assert all("traceparent" not in header for header in sent[:-1])  # what the gateway asks for itself


async def test_nothing_is_told_where_nothing_is_said(directory: Path) -> None:
    write_configuration(directory, {"keys.yaml": key_file(reader="Role: private")})
    async with (
        hostile_running(Hostile()) as upstream,
        running(configuration(directory, upstream.url)) as gateway,
    ):
        await gateway.request("GET", f"{ROOT}/Property?$top=1&$select=ListingKey", "reader", {"traceparent": CLIENTS})
        sent = [request.headers for request in upstream.requests]

    assert all("traceparent" not in header for header in sent)
