"""Rate limits: how many requests a key may send, and how many records and bytes it may be given, in several windows.

Only what was delivered is counted, never what was read to find it: what is left is then a function of what the key has
seen (G1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil

from gateway.errors import Code, Refusal, unavailable
from gateway.observe.events import CountersUnavailable, Event
from gateway.settings import Limits, Windows
from gateway.store.api_keys import ApiKey
from gateway.store.counters import Count, Counters, CountersUnavailableError, LocalCounters

#: Seconds for which counters that could not be reached are not asked.
_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class _Window:
    """At most ``most`` of ``what`` in ``seconds``; ``name`` is what clients read of it."""

    what: str
    seconds: int
    most: int

    @property
    def name(self) -> str:
        return f'"{self.what}-{self.seconds}"'


@dataclass(slots=True)
class Allowance:
    """What a key has left. ``headers`` say so, in the form of draft-ietf-httpapi-ratelimit-headers-10."""

    key: str
    windows: tuple[_Window, ...]
    now: float
    totals: list[int] = field(default_factory=list)

    @property
    def headers(self) -> dict[str, str]:
        if not self.windows:
            return {}
        policies = (f"{window.name};q={window.most};w={window.seconds}" for window in self.windows)
        left = (
            f"{window.name};r={max(0, window.most - total)};t={_until_next(window.seconds, self.now)}"
            for window, total in zip(self.windows, self.totals, strict=True)
        )
        return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(left)}

    def used_up(self) -> list[_Window]:
        """The windows in which nothing more is allowed. A request is counted before it is answered, what it is given
        after that."""
        return [
            window
            for window, total in zip(self.windows, self.totals, strict=True)
            if (total > window.most if window.what == "requests" else total >= window.most)
        ]


def _until_next(seconds: int, now: float) -> int:
    return max(1, ceil(seconds - now % seconds))


class Limiter:
    def __init__(
        self, settings: Limits, counters: Counters, clock: Callable[[], float], publish: Callable[[Event], None]
    ) -> None:
        self._settings = settings
        self._counters = counters
        self._local = LocalCounters()
        self._clock = clock
        self._publish = publish
        self._down_until = 0.0

    async def admit(self, key: ApiKey, role: str) -> Allowance:
        """Counts a request.

        Raises:
            Refusal: 429 where a window is used up; 503 where nobody knows, and ``limits.on_failure`` is ``refuse``.
        """
        allowance = Allowance(key.Id, self._windows(key.Id, role), self._clock())
        await self._add(allowance, {"requests": 1})
        used_up = allowance.used_up()
        if used_up:
            wait = max(_until_next(window.seconds, allowance.now) for window in used_up)
            raise Refusal(
                Code.TOO_MANY_REQUESTS,
                "the limit of this key is used up: " + ", ".join(window.name.strip('"') for window in used_up),
                headers={"Retry-After": str(wait), **allowance.headers},
            )
        return allowance

    async def charge(self, allowance: Allowance, records: int, size: int) -> None:
        """Counts what was delivered.

        Args:
            size: bytes of the body before it was compressed.

        Raises:
            Refusal: 503, as above.
        """
        await self._add(allowance, {"records": records, "bytes": size})

    def _windows(self, key: str, role: str) -> tuple[_Window, ...]:
        settings = self._settings
        found: Windows = settings.keys.get(key) or settings.roles.get(role) or settings.default
        named = {"requests": found.requests, "records": found.records, "bytes": found.bytes}
        return tuple(
            _Window(what, seconds, most) for what, windows in named.items() for seconds, most in sorted(windows.items())
        )

    async def _add(self, allowance: Allowance, amounts: Mapping[str, int]) -> None:
        if not allowance.windows:
            return
        counts = [
            Count(f"{allowance.key}:{window.what}", window.seconds, amounts.get(window.what, 0))
            for window in allowance.windows
        ]
        now = self._clock()
        if now >= self._down_until:
            try:
                allowance.totals = await self._counters.add(counts, now)
            except CountersUnavailableError as error:
                self._down_until = now + _PAUSE
                self._publish(CountersUnavailable(str(error)))
            else:
                return
        if self._settings.on_failure == "refuse":
            raise unavailable()
        allowance.totals = self._local.added(counts, now)
