"""The trust that the upstream still has. Each kind is lost once for a resource, by any request, for every key (D6, R6).

A record that contradicts the profile counts as never sent, whoever asks and with whatever predicate. The kind of
question that it contradicts is lost: the gateway then asks in no way that only trust could answer (C315). Only a person
gives it back: by ``gateway trust restore``, the admin API, or another ``upstream.profile``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from gateway.observe.events import TrustLost, TrustRestored
from gateway.policy.profile import Profile, Trust, scope_of


class UpstreamTrust:
    """The profile in force: the declared one, without the kinds that were contradicted."""

    def __init__(
        self,
        profile: Profile,
        publish: Callable[[TrustLost | TrustRestored], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._declared = profile
        self._publish = publish
        self._clock = clock
        self._losses: dict[tuple[str, str], TrustLost] = {}
        self.profile = profile

    @property
    def losses(self) -> tuple[TrustLost, ...]:
        """What was lost, in the order in which it was."""
        return tuple(self._losses.values())

    @property
    def lost(self) -> tuple[str, ...]:
        """The scopes of the losses, ``Resource/kind`` each."""
        return tuple(scope_of(loss.resource, loss.kind) for loss in self.losses)  # type: ignore[arg-type]  # a kind

    def lose(self, kinds: Iterable[Trust], resource: str, reason: str) -> None:
        """Trust the upstream no more with some kinds of questions about a resource; publish each that is new."""
        for kind in sorted(kinds):
            if kind in self.profile.distrusted:
                continue
            self.adopt(TrustLost(kind, resource, reason, self._declared.digest, self._clock()))

    def adopt(self, loss: TrustLost) -> None:
        """Take over a loss, of this process or of another one. One that is of another profile says nothing here."""
        place = (loss.resource, loss.kind)
        if place in self._losses or loss.profile != self._declared.digest:
            return
        self._losses[place] = loss
        self._apply()
        self._publish(loss)

    def restore(self, kind: str | None = None, resource: str | None = None, by: str = "") -> tuple[TrustLost, ...]:
        """Give back what was lost: all of it, or only a kind, or only for a resource. Return what was given back."""
        given = tuple(
            loss
            for loss in self.losses
            if (kind is None or loss.kind == kind) and (resource is None or loss.resource == resource)
        )
        for loss in given:
            del self._losses[loss.resource, loss.kind]
        self._apply()
        for loss in given:
            self._publish(TrustRestored(loss.kind, loss.resource, by))
        return given

    def _apply(self) -> None:
        self.profile = self._declared.distrusting(self.lost)
