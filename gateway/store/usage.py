"""When a key was last used: noted in memory, written now and then, and never waited for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import or_, update

from gateway.observe.events import Event, RequestHandled
from gateway.store.database import KEYS, Database


class Usage:
    """An observer of events. ``clock`` gives seconds since 1970."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._used: dict[str, str] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, RequestHandled) and event.key_id:
            now = datetime.fromtimestamp(self._clock(), UTC)
            self._used[event.key_id] = now.isoformat(timespec="seconds")

    async def write(self) -> None:
        """Writes what was noted; keys of files have no row to write it to. Nobody is told: it changes no policy.

        Raises:
            StoreError: nothing was written, and what was noted is kept for the next time.
        """
        if not self._used:
            return
        noted = dict(self._used)
        async with self._database.writing() as connection:
            for identity, moment in noted.items():
                older = or_(KEYS.c.last_used.is_(None), KEYS.c.last_used < moment)
                await connection.execute(update(KEYS).where(KEYS.c.id == identity, older).values(last_used=moment))
        self._used = {identity: moment for identity, moment in self._used.items() if noted.get(identity) != moment}
