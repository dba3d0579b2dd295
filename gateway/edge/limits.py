"""Rate limits: how many requests a key may send, and how many records and bytes it may be given, in several windows.

Only what was delivered is counted, never what was read to find it: what is left is then a function of what the key has
seen (G1).
"""

from __future__ import annotations

from collections import Counter
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
    #: Whether it counts among those that are being answered.
    is_under_way: bool = False

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
        #: Requests that are being answered, by key.
        self._under_way: Counter[str] = Counter()

    async def admit(self, key: ApiKey, role: str) -> Allowance:
        """Counts a request; ``leave`` is to be called when it is answered.

        Raises:
            Refusal: 429 where a window is used up, or as many of the key as may be are being answered (C264); 503 where
                nobody knows, and ``limits.on_failure`` is ``refuse``.
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
        most = self._of(key.Id, role).concurrent
        if most is not None and self._under_way[key.Id] >= most:
            message = "as many requests of this key as may be at once are being answered"
            raise Refusal(Code.TOO_MANY_REQUESTS, message, headers={"Retry-After": "1", **allowance.headers})
        self._under_way[key.Id] += 1
        allowance.is_under_way = True
        return allowance

    def leave(self, allowance: Allowance) -> None:
        """The request is answered."""
        if allowance.is_under_way:
            allowance.is_under_way = False
            self._under_way[allowance.key] -= 1
            if not self._under_way[allowance.key]:
                del self._under_way[allowance.key]

    async def charge(self, allowance: Allowance, records: int, size: int) -> None:
        """Counts what was delivered.

        Args:
            size: bytes of the body before it was compressed.

        Raises:
            Refusal: 503, as above.
        """
        await self._add(allowance, {"records": records, "bytes": size})

    def _windows(self, key: str, role: str) -> tuple[_Window, ...]:
        found = self._of(key, role)
        named = {"requests": found.requests, "records": found.records, "bytes": found.bytes}
        return tuple(
            _Window(what, seconds, most) for what, windows in named.items() for seconds, most in sorted(windows.items())
        )

    def _of(self, key: str, role: str) -> Windows:
        settings = self._settings
        return settings.keys.get(key) or settings.roles.get(role) or settings.default

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
