"""Failed attempts at ``/oauth2/token``, by address: a client that guesses waits, and no Id locks a vendor out."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address, ip_network
from math import ceil

from cachetools import LRUCache

from gateway.edge.addresses import Address

#: Seconds for which failures are counted together.
WINDOW = 60.0
#: Addresses that are remembered; beyond them the one that was seen least recently is forgotten.
MOST_ADDRESSES = 10_000


class FailedAttempts:
    """Counts failures in a window that begins with the first one. A success takes nothing back: the holder of one key
    could else go on guessing the others."""

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        """
        Args:
            most: failures of one address in a window.
            clock: gives seconds.
        """
        self._most = most
        self._clock = clock
        #: When the window of an address ends, and how many attempts have failed in it.
        self._failed: LRUCache[str, tuple[float, int]] = LRUCache(maxsize=MOST_ADDRESSES)

    def wait(self, address: Address | None) -> int:
        """Return the seconds until an address may try again, 0 where it may now."""
        ends, failed = self._of(_group(address))
        return max(1, ceil(ends - self._clock())) if failed >= self._most else 0

    def note(self, address: Address | None) -> None:
        """Count a failure."""
        group = _group(address)
        ends, failed = self._of(group)
        self._failed[group] = ends, failed + 1

    def _of(self, group: str) -> tuple[float, int]:
        now = self._clock()
        ends, failed = self._failed.get(group, (0.0, 0))
        # A clock that was put back must not make somebody wait longer than a window.
        return (ends, failed) if now < ends <= now + WINDOW else (now + WINDOW, 0)


def _group(address: Address | None) -> str:
    """Return what stands for an address: of IPv6 its /64, which one subscriber has whole. All requests of which no
    trusted proxy says an address are one group."""
    if isinstance(address, IPv6Address):
        return str(ip_network((int(address), 64), strict=False))
    return str(address)
