"""Lost trust in the upstream, kept so that it outlives a restart, and so that machines can share it."""

from __future__ import annotations

import asyncio

from sqlalchemy import and_, delete, insert, select

from gateway.observe.events import Event, TrustLost, TrustRestored
from gateway.store.database import LOSSES, Database


class Losses:
    """Writes each loss and each restoring behind the requests. An observer of events."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pending: list[TrustLost | TrustRestored] = []
        self._noted = asyncio.Event()

    def __call__(self, event: Event) -> None:
        if isinstance(event, TrustLost | TrustRestored):
            self._pending.append(event)
            self._noted.set()

    async def read(self) -> tuple[TrustLost, ...]:
        """Return what is kept, in the order of moments. Raises StoreError."""
        async with self._database.reading() as connection:
            rows = await connection.execute(select(LOSSES).order_by(LOSSES.c.lost_at, LOSSES.c.resource, LOSSES.c.kind))
            return tuple(TrustLost(row.kind, row.resource, row.reason, row.profile, row.lost_at) for row in rows)

    def retry(self) -> None:
        """What could not be written is to be written."""
        self._noted.set()

    async def noted(self) -> None:
        """Wait until there is something to write."""
        await self._noted.wait()

    async def write(self) -> None:
        """Write what was noted, in its order. A loss that another process has written already stays as it is.

        Raises:
            StoreError: nothing was written, and what was noted is kept for the next time.
        """
        self._noted.clear()
        events = tuple(self._pending)
        if not events:
            return
        async with self._database.writing() as connection:
            for event in events:
                place = and_(LOSSES.c.resource == event.resource, LOSSES.c.kind == event.kind)
                if isinstance(event, TrustRestored):
                    await connection.execute(delete(LOSSES).where(place))
                    continue
                await connection.execute(delete(LOSSES).where(place, LOSSES.c.profile != event.profile))
                if (await connection.execute(select(LOSSES.c.kind).where(place))).first() is None:
                    await connection.execute(
                        insert(LOSSES).values(
                            kind=event.kind,
                            resource=event.resource,
                            reason=event.reason,
                            profile=event.profile,
                            lost_at=event.at,
                        )
                    )
        del self._pending[: len(events)]
