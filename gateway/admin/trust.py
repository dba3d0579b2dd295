"""Lost trust in the upstream: which kinds, why and since when, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from gateway.admin.backend import Backend
from gateway.admin.calls import Call
from gateway.admin.envelope import Success, bad_value, forbidden, unavailable
from gateway.observe.events import TrustLost

_MEMBERS = ("Kind", "Resource")


class TrustOperations:
    """Serves the losses and takes them back. Both concern the whole gateway, so only its own MLS may call them."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def all(self, call: Call) -> Success:
        call.check_parameters(())
        return Success(_shown(self._trust(call).losses))

    async def restore(self, call: Call) -> Success:
        call.check_parameters(())
        trust = self._trust(call)
        chosen: dict[str, str] = {}
        for name, value in (call.body or {}).items():
            if name not in _MEMBERS:
                raise bad_value((name,), "is not offered here")
            if not isinstance(value, str):
                raise bad_value((name,), "must be a text")
            chosen[name] = value
        call.confirm()
        return Success(_shown(trust.restore(chosen.get("Kind"), chosen.get("Resource"), call.caller.name)))

    def _trust(self, call: Call) -> Any:
        owner = call.caller.owner
        if owner.association is not None or owner.mls != self._backend.mls:
            raise forbidden()
        if self._backend.trust is None:
            raise unavailable("no service runs here")
        return self._backend.trust


def _shown(losses: Sequence[TrustLost]) -> list[dict[str, Any]]:
    return [
        {
            "Kind": loss.kind, "Resource": loss.resource, "Reason": loss.reason, "Profile": loss.profile,
            "LostTimestamp": datetime.fromtimestamp(loss.at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        }
        for loss in losses
    ]  # fmt: skip
