"""Counters for rate limits: how much of something there was in the window of time that is now.

Windows are of fixed length and begin at multiples of it, by the clock of the wall: every process finds the same ones
without asking anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol


class CountersUnavailableError(Exception):
    """What is counted elsewhere cannot be reached; the text is for the log."""


@dataclass(frozen=True, slots=True)
class Count:
    """So much more of something: ``name`` is whose and of what, ``seconds`` the length of the window."""

    name: str
    seconds: int
    amount: int


class Counters(Protocol):
    async def add(self, counts: Sequence[Count], now: float) -> list[int]:
        """What there is of each in its window, with what is added.

        Args:
            now: seconds since 1970.

        Raises:
            CountersUnavailableError: nobody knows.
        """


class LocalCounters:
    """In memory: as many numbers as there are names and lengths of windows."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, int], tuple[int, int]] = {}

    async def add(self, counts: Sequence[Count], now: float) -> list[int]:
        return self.added(counts, now)

    def added(self, counts: Sequence[Count], now: float) -> list[int]:
        """As ``add``, at once."""
        totals = []
        for count in counts:
            window = int(now // count.seconds)
            before, total = self._found.get((count.name, count.seconds), (window, 0))
            total = count.amount + (total if before == window else 0)
            self._found[count.name, count.seconds] = window, total
            totals.append(total)
        return totals


class RedisCounters:
    """In Redis, for several machines: one round trip for all windows of a request."""

    #: Seconds that anybody waits for it.
    PATIENCE = 0.5

    def __init__(self, url: str) -> None:
        """
        Args:
            url: ``redis://``, ``rediss://`` or ``unix://``.

        Raises:
            CountersUnavailableError: the client library is not installed.
        """
        try:
            redis = import_module("redis.asyncio")
        except ImportError:
            raise CountersUnavailableError("needs the package with its extra: pip install 'gateway[redis]'") from None
        self._errors: tuple[type[Exception], ...] = (redis.RedisError, OSError, TimeoutError)
        self._client: Any = redis.from_url(
            url, socket_timeout=self.PATIENCE, socket_connect_timeout=self.PATIENCE, retry=None
        )

    async def add(self, counts: Sequence[Count], now: float) -> list[int]:
        try:
            async with self._client.pipeline(transaction=False) as pipeline:
                for count in counts:
                    name = f"gateway:limits:{count.name}:{count.seconds}:{int(now // count.seconds)}"
                    pipeline.incrby(name, count.amount)
                    pipeline.expire(name, 2 * count.seconds)
                answers = await pipeline.execute()
        except self._errors as error:
            raise CountersUnavailableError(f"Redis: {error!r}") from None
        return [int(answer) for answer in answers[::2]]

    async def close(self) -> None:
        await self._client.aclose()
