"""The latch: once the upstream broke its profile for a resource, every key is answered alike (D6, R6).

Until dropped rows are refilled, this is what keeps a violation from being an oracle: the first one costs one bit, and
which predicate met it is nobody's to choose again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gateway.policy.profile import Profile


class Latch:
    """Resources that are answered 502 until the profile is changed or confirmed."""

    def __init__(self, on_latch: Callable[[str, str], None]) -> None:
        self._profile: Profile | None = None
        self._resources: dict[str, str] = {}
        self._on_latch = on_latch

    def under(self, profile: Profile) -> None:
        """Says which profile is in force; another one lifts the latch."""
        if self._profile is not None and profile != self._profile:
            self._resources.clear()
        self._profile = profile

    def close(self, resource: str, reason: str) -> None:
        if resource not in self._resources:
            self._resources[resource] = reason
            self._on_latch(resource, reason)

    def check(self, resources: Iterable[str]) -> None:
        """Refuses when any of the resources is latched."""
        for resource in resources:
            if resource in self._resources:
                raise LatchedError(resource)

    @property
    def resources(self) -> tuple[str, ...]:
        return tuple(self._resources)


class LatchedError(Exception):
    """A plan needs a latched resource."""

    def __init__(self, resource: str) -> None:
        super().__init__(f"{resource} is latched after a violation")
