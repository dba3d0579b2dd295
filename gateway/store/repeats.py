"""Writes that a client may send again (OASIS Repeatable Requests): what was sent once is known before it is sent, so it
is never sent twice, by no process on this database and after no crash (C221)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, insert, select, update

from gateway.store.database import REPEATS, ClashError, Database

#: How long a write is known. A request that says it was first sent before that is refused: it may have been done.
RETAINED = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Repeat:
    """What is known of a write that was sent. ``done`` False: it was sent, and nobody knows what became of it.
    ``record`` is the key of the record as it stands in an address; None where the upstream did not say."""

    done: bool
    created: bool
    record: str | None


class Repeats:
    """Identities are digests over key, method, target, body and the client's id. ``clock`` gives seconds since 1970."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    async def find(self, identity: str) -> Repeat | None:
        """
        Raises:
            StoreError: it cannot be said.
        """
        async with self._database.reading() as connection:
            rows = await connection.execute(select(REPEATS).where(REPEATS.c.identity == identity))
            row = rows.mappings().one_or_none()
        return None if row is None else Repeat(bool(row["done"]), bool(row["created"]), row["record"])

    async def claim(self, identity: str) -> bool:
        """Says that the write is sent now; False where somebody else has sent it.

        Raises:
            StoreError: nothing was noted, so nothing may be sent.
        """
        now = datetime.fromtimestamp(self._clock(), UTC)
        try:
            async with self._database.writing() as connection:
                # Twice the time: a request may come as late as that after it was first sent.
                old = (now - 2 * RETAINED).isoformat(timespec="seconds")
                await connection.execute(delete(REPEATS).where(REPEATS.c.sent < old))
                sent = now.isoformat(timespec="seconds")
                await connection.execute(insert(REPEATS).values(identity=identity, sent=sent, done=0, created=0))
        except ClashError:
            return False
        return True

    async def done(self, identity: str, *, created: bool, record: str | None) -> None:
        """The write has been done.

        Raises:
            StoreError: that was not noted; to a repeat its outcome stays unknown.
        """
        async with self._database.writing() as connection:
            noted = update(REPEATS).where(REPEATS.c.identity == identity)
            await connection.execute(noted.values(done=1, created=int(created), record=record))

    async def release(self, identity: str) -> None:
        """The write has definitely not been done, and may be tried again.

        Raises:
            StoreError: that was not noted; to a repeat its outcome is unknown.
        """
        async with self._database.writing() as connection:
            await connection.execute(delete(REPEATS).where(REPEATS.c.identity == identity))
