"""What keeps an upstream in trouble from being asked to death, and a gateway from waiting for it without end.

All of it is one for all keys: nothing depends on who asks, or on what.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from gateway.errors import Code
from gateway.upstream.credentials import UpstreamFailure


class Breaker:
    """After so many failures in a row nothing is asked for some seconds; then one request tries, while others are still
    refused.

    Args:
        failures: in a row, without one answer between them; 0 for never.
        pause: seconds.
        on_change: told whether it is open, and why.
    """

    def __init__(
        self, failures: int, pause: float, clock: Callable[[], float], on_change: Callable[[bool, str], None]
    ) -> None:
        self._most = failures
        self._pause = pause
        self._clock = clock
        self._on_change = on_change
        self._failures = 0
        self._open_until: float | None = None
        self._is_trying = False

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[Callable[[str], None]]:
        """Lets one request through, and learns from it. Gives what an outage is told to that is found in an answer.

        Raises:
            UpstreamFailure: it is not to be asked at present.
        """
        outages: list[str] = []
        tries = self._open_until is not None
        if tries and (self._is_trying or self._clock() < (self._open_until or 0)):
            raise UpstreamFailure(Code.UNAVAILABLE, "is left alone after failures")
        self._is_trying = self._is_trying or tries
        try:
            yield outages.append
        except UpstreamFailure as failure:
            if failure.is_outage:
                self._failed(failure.reason)
            elif failure.code is not Code.TIMEOUT:
                self._answered()  # a refusal is an answer
            raise
        else:
            if outages:
                self._failed(outages[-1])
            else:
                self._answered()
        finally:
            # Also where whoever asked has gone away: then nothing was learned, and the next one tries.
            self._is_trying = self._is_trying and not tries

    def _answered(self) -> None:
        self._failures = 0
        if self._open_until is not None:
            self._open_until = None
            self._on_change(False, "the upstream answers again")

    def _failed(self, reason: str) -> None:
        self._failures += 1
        if self._most and self._failures >= self._most:
            if self._open_until is None:
                self._on_change(True, f"{self._failures} failures in a row, the last: {reason}")
            self._open_until = self._clock() + self._pause


class Budget:
    """How many requests may be sent again: a share of all, so that retries cannot multiply the load of an upstream that
    is overloaded."""

    #: So many can be saved up.
    MOST = 10.0

    def __init__(self, share: float) -> None:
        self._share = share
        self._left = self.MOST

    def earn(self) -> None:
        self._left = min(self.MOST, self._left + self._share)

    def spend(self) -> bool:
        """Whether there was something left for one more."""
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Gate:
    """How many requests there are at a time, and how many may wait for their turn; more are refused at once: whoever
    waits longest would give up before it is answered."""

    def __init__(self, most: int, waiting: int) -> None:
        self._slots = asyncio.Semaphore(most)
        self._most_waiting = waiting
        self._waiting = 0

    @asynccontextmanager
    async def passing(self) -> AsyncIterator[None]:
        """
        Raises:
            UpstreamFailure: too many wait already.
        """
        if self._slots.locked() and self._waiting >= self._most_waiting:
            raise UpstreamFailure(Code.UNAVAILABLE, f"has all the requests that it may have, and {self._waiting} wait")
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._slots.release()


def seconds_of(retry_after: str | None, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> float | None:
    """How long ``Retry-After`` wants one to wait (RFC 9110, 10.2.3): seconds or a date; None where it says nothing."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    date = date_of(text)
    return None if date is None else max(0.0, (date - now()).total_seconds())


def date_of(header: str | None) -> datetime | None:
    """A date of HTTP; None where it is none."""
    try:
        found = parsedate_to_datetime(header or "")
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo is not None else None
