"""Each request to the upstream, as it is told: for whom it was made, how it was answered, how long that took."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from gateway.observe.events import Event, UpstreamAnswered

#: The client's request that is being answered: its id, 32 hex digits; empty where the gateway asks for itself.
current_request: ContextVar[str] = ContextVar("current_request", default="")


@dataclass(slots=True)
class Exchange:
    """``headers`` go along; ``status`` is to be set once there is one."""

    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 0


@dataclass(frozen=True, slots=True)
class Exchanges:
    """``is_traced``: the upstream is told a trace of ours, whose id is that of the request. What the client has said of
    its own trace ends here (C146)."""

    publish: Callable[[Event], None]
    is_traced: bool = False

    @contextmanager
    def one(self, method: str) -> Iterator[Exchange]:
        request, span = current_request.get(), secrets.token_hex(8)
        traced = self.is_traced and request
        exchange = Exchange({"traceparent": f"00-{request}-{span}-01"} if traced else {})
        began, started = time.time(), time.perf_counter()
        try:
            yield exchange
        finally:
            seconds = time.perf_counter() - started
            self.publish(UpstreamAnswered(request, span, method, exchange.status, began, seconds))
