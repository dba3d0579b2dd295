"""The admin listener: health, readiness, metrics. Nothing of it is on the clients' port (C262)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from aiohttp import web

from gateway.edge.negotiation import target_of
from gateway.edge.responses import SERVER
from gateway.edge.trust import UpstreamTrust
from gateway.observe.metrics import Metrics
from gateway.observe.record_file import RecordFile
from gateway.store.snapshot import Snapshot


class Operations:
    """``/healthz``: the process lives; ``/readyz``: it can serve, or why not; ``/metrics``: the rest."""

    def __init__(
        self,
        snapshot: Callable[[], Snapshot | None],
        trust: UpstreamTrust,
        metrics: Metrics,
        unserved: Callable[[], str],
        records: RecordFile | None = None,
    ) -> None:
        self._records = records if records is not None and records.is_durable else None
        self._unserved = unserved
        self._snapshot = snapshot
        self._trust = trust
        self._metrics = metrics
        self._changed = time.monotonic()
        self._revision = -1
        #: No more requests are to come: this process ends.
        self.draining = False
        #: What was wrong with the files that were to be served last, while those before them still are.
        self.refused: tuple[str, ...] = ()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = target_of(request).partition("?")[0]
        if path not in ("/healthz", "/readyz", "/metrics"):
            return _text(404, "not found\n")
        if request.method not in ("GET", "HEAD"):
            response = _text(405, "method not allowed\n")
            response.headers["Allow"] = "GET, HEAD"
            return response
        if path == "/healthz":
            return _text(200, "ok\n")
        if path == "/metrics":
            return web.Response(
                body=self._metrics.text(),
                headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8", "Server": SERVER},
            )
        return self._ready()

    def _ready(self) -> web.Response:
        snapshot = self._snapshot()
        revision = snapshot.revision if snapshot else -1
        if revision != self._revision:
            self._revision, self._changed = revision, time.monotonic()
        schema = snapshot is not None and snapshot.schema is not None
        unrecorded = self._records is not None and self._records.is_failing
        ready = snapshot is not None and bool(snapshot.policies) and not self.draining and not unrecorded
        detail = {
            "ready": ready,
            "metadata": "loaded" if schema else "not loaded yet",
            "revision": revision,
            "snapshot_age_seconds": round(time.monotonic() - self._changed, 1),
            "policies": len(snapshot.policies) if snapshot else 0,
            "faults": [str(fault) for fault in snapshot.faults] if snapshot else [],
            "closed": list(snapshot.closed) if snapshot else [],
            "distrusted": list(self._trust.lost),
            "unserved": self._unserved(),
            "refused": list(self.refused),
            "draining": self.draining,
            "unrecorded": unrecorded,
        }
        return web.Response(
            status=200 if ready else 503,
            body=json.dumps(detail, ensure_ascii=True).encode("ascii") + b"\n",
            headers={"Content-Type": "application/json", "Server": SERVER},
        )


def _text(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text, headers={"Server": SERVER, "Cache-Control": "no-store"})
