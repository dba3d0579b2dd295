"""What the upstream is still trusted with. Lost once, by any request, for every key (D6, C315, R6).

A record that contradicts the profile is taken as never sent, whoever asked and with whatever predicate; what is lost
is the trust in that kind of question, so that it is asked no more in ways that only trust could answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gateway.policy.profile import Profile, Trust


class UpstreamTrust:
    """The profile in force: the declared one, without what has been contradicted since it was declared."""

    def __init__(self, profile: Profile, on_loss: Callable[[Trust, str, str], None]) -> None:
        self._declared = profile
        self._on_loss = on_loss
        self.profile = profile

    def under(self, profile: Profile) -> None:
        """Says which profile is declared; another one, or another ``confirmed``, gives back what was lost."""
        if profile != self._declared:
            self._declared = self.profile = profile

    def lose(self, kinds: Iterable[Trust], resource: str, reason: str) -> None:
        """Trusts the upstream no more with some kinds of questions; says so once for each."""
        new = [kind for kind in sorted(kinds) if kind not in self.profile.distrusted]
        self.profile = self.profile.distrusting(new)
        for kind in new:
            self._on_loss(kind, resource, reason)

    @property
    def lost(self) -> tuple[Trust, ...]:
        return tuple(kind for kind in self.profile.distrusted if kind not in self._declared.distrusted)
