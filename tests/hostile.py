"""A small upstream that answers what a test wants it to: late, large, wrong, or too much."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from gateway.sandbox.rows import metadata_document

ROOT = "/odata"
Rows = list[dict[str, Any]]


@dataclass
class Hostile:
    """``answer`` makes the response to a collection read; ``metadata`` is served until it is None."""

    answer: Callable[[web.BaseRequest], Any] = lambda _request: collection([])
    metadata: bytes | None = field(default_factory=metadata_document)
    requests: list[web.BaseRequest] = field(default_factory=list)
    port: int = 0
    lookup: Callable[[web.BaseRequest], web.Response] = lambda _request: collection([])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{ROOT}"

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.raw_path == f"{ROOT}/$metadata":
            if self.metadata is None:
                return web.Response(status=500, text="canary")
            return web.Response(body=self.metadata, content_type="application/xml")
        if request.raw_path.startswith(f"{ROOT}/Lookup?"):
            return self.lookup(request)  # read with the metadata; tests count what clients cause
        self.requests.append(request)
        answer = self.answer(request)
        response: web.StreamResponse = await answer if asyncio.iscoroutine(answer) else answer
        return response


def collection(rows: Rows, **envelope: Any) -> web.Response:
    body = {"@odata.context": "http://canary.example/$metadata#Property", "value": rows, **envelope}
    return web.Response(body=json.dumps(body).encode(), headers={"Content-Type": "application/json"})


@asynccontextmanager
async def hostile_running(upstream: Hostile) -> AsyncIterator[Hostile]:
    server = web.Server(upstream.handle, max_line_size=256 * 1024, access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=0.2)  # an answer that never comes holds up no test
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", upstream.port, reuse_address=True).start()
    upstream.port = runner.addresses[0][1]
    try:
        yield upstream
    finally:
        await runner.cleanup()
