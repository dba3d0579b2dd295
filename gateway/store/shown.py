"""Since when a policy has shown what it shows of Field and Lookup (C363).

A row that becomes visible by a change of policy must look changed to clients that replicate by time, and its old moment
must not tell that it was there before. A row cannot be newer than the set of rows that it is in: one moment for each
policy and resource says so of all of them, and is as small for ten thousand policies as it must be.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from sqlalchemy import delete, insert, select

from gateway.store.database import SHOWN, STATE, Database

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Shown:
    """A set of rows, by the digest of their keys, and the moment since when it is what is shown (ISO 8601)."""

    digest: str
    moment: str


Moments = Mapping[str, Shown]


def digest_of(rows: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(rows)).encode("utf-8")).hexdigest()


async def read_moments(database: Database) -> Moments:
    """What is remembered. Raises StoreError."""
    async with database.reading() as connection:
        return {row.name: Shown(row.digest, row.moment) for row in await connection.execute(select(SHOWN))}


async def keep_moments(database: Database, before: Moments, now: Moments) -> Moments:
    """Keeps what ``now`` has and ``before`` has not. Gives what is to be served: where another process has noted the
    same set already, it is shown since then.

    Raises:
        StoreError: nothing was kept, so nothing of ``now`` may be shown: it would carry a moment that nobody knows of.
    """
    changed = {name: shown for name, shown in now.items() if before.get(name) != shown}
    if not changed:
        return now
    async with database.writing() as connection:
        # PostgreSQL lets two write at once: of two that would note the same, the second must see what the first has.
        await connection.execute(select(STATE.c.generation).with_for_update())
        known = {row.name: Shown(row.digest, row.moment) for row in await connection.execute(select(SHOWN))}
        same = {name: known[name] for name in changed.keys() & known if known[name].digest == changed[name].digest}
        new = [{"name": name, **asdict(shown)} for name, shown in changed.items() if name not in same]
        old = [row["name"] for row in new if row["name"] in known]
        for start in range(0, len(old), _CHUNK):
            await connection.execute(delete(SHOWN).where(SHOWN.c.name.in_(old[start : start + _CHUNK])))
        if new:
            await connection.execute(insert(SHOWN), new)
    return {**now, **same}
