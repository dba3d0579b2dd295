"""Templates in the database: what was accepted, each change of it, and who made it.

Nothing here knows what a template means; whoever saves one has compiled it before. A save names the revision that it is
a change of, so of two writers at once one wins and the other is told.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.store.database import HISTORY, KEYS, TEMPLATES, Database, generation_of, mark

Action = Literal["create", "update", "delete", "rollback"]
_KIND = "template"


class ConflictError(Exception):
    """Somebody else was first: the record is not of the revision that the change was made for."""


class MissingError(Exception):
    """There is no such record, or no longer."""


class UsedError(Exception):
    """The template cannot go while these keys use it."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        super().__init__(", ".join(keys))
        self.keys = keys


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a record is. ``association`` is None for what belongs to the whole MLS."""

    mls: str
    association: str | None = None

    @property
    def id(self) -> str:
        return self.association or self.mls


@dataclass(frozen=True, slots=True)
class Stored:
    """A template as it was accepted: what its author wrote, without what the server makes. Moments are ISO 8601."""

    id: str
    owner: Owner
    document: Mapping[str, Any]
    revision: int
    created: str
    modified: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One change: ``before`` is None for the first, ``after`` for the last."""

    number: int
    revision: int
    action: Action
    moment: str
    changed_by: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


class TemplateStore:
    """``clock`` gives seconds since 1970."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    async def all(self) -> tuple[int, tuple[Stored, ...]]:
        """Every template, by id, and the generation in which they were so."""
        async with self._database.reading() as connection:
            # Of one view: a number that were read later would hide what was written in between.
            number = await generation_of(connection)
            rows = (await connection.execute(select(TEMPLATES).order_by(TEMPLATES.c.id))).all()
        return number, tuple(map(_stored, rows))

    async def get(self, identity: str) -> Stored:
        """Raises MissingError."""
        async with self._database.reading() as connection:
            return await _current(connection, identity)

    async def create(self, owner: Owner, document: Mapping[str, Any], by: str) -> Stored:
        """Keeps a new template under a new id."""
        async with self._database.writing() as connection:
            now = self._now()
            identity = await _free_id(connection, now)
            kept = Stored(identity, owner, document, 1, _iso(now), _iso(now))
            await connection.execute(
                insert(TEMPLATES).values(
                    id=identity, mls_id=owner.mls, association_id=owner.association, document=_text(document),
                    revision=1, created=kept.created, modified=kept.modified,
                )
            )  # fmt: skip
            await self._note(connection, "create", by, kept.modified, None, kept)
        return kept

    async def replace(
        self, identity: str, document: Mapping[str, Any], by: str, revision: int, action: Action = "update"
    ) -> Stored:
        """Keeps a document in place of another one, if that is of the revision.

        Raises:
            MissingError, ConflictError: nothing has been changed.
        """
        async with self._database.writing() as connection:
            before = await _current(connection, identity, revision)
            modified = _iso(self._now())
            kept = Stored(identity, before.owner, document, revision + 1, before.created, modified)
            found = await connection.execute(
                update(TEMPLATES)
                .where(TEMPLATES.c.id == identity, TEMPLATES.c.revision == revision)
                .values(document=_text(document), revision=kept.revision, modified=modified)
            )
            if found.rowcount != 1:
                raise ConflictError(identity)
            await self._note(connection, action, by, modified, before, kept)
        return kept

    async def remove(self, identity: str, by: str, revision: int | None = None) -> None:
        """Takes a template away; its history stays.

        Raises:
            UsedError: a key of the database has it. Those of files are the caller's to look for.
            MissingError, ConflictError: nothing has been changed.
        """
        async with self._database.writing() as connection:
            before = await _current(connection, identity, revision)
            users = (await connection.execute(select(KEYS.c.id).where(KEYS.c.template_id == identity))).scalars().all()
            if users:
                raise UsedError(tuple(sorted(users)))
            found = await connection.execute(
                delete(TEMPLATES).where(TEMPLATES.c.id == identity, TEMPLATES.c.revision == before.revision)
            )
            if found.rowcount != 1:
                raise ConflictError(identity)
            await self._note(connection, "delete", by, _iso(self._now()), before, None)

    async def history(self, identity: str) -> tuple[Entry, ...]:
        """What was done to a template, the first change first; of one that is gone too. Empty where none ever was."""
        query = select(HISTORY).where(HISTORY.c.kind == _KIND, HISTORY.c.record_id == identity)
        async with self._database.reading() as connection:
            rows = (await connection.execute(query.order_by(HISTORY.c.number))).all()
        return tuple(_entry(row) for row in rows)

    async def _note(
        self,
        connection: AsyncConnection,
        action: Action,
        by: str,
        moment: str,
        before: Stored | None,
        after: Stored | None,
    ) -> None:
        record = after or before
        assert record is not None
        await connection.execute(
            insert(HISTORY).values(
                kind=_KIND, record_id=record.id, revision=record.revision, action=action, moment=moment, changed_by=by,
                before=_text(before.document) if before else None, after=_text(after.document) if after else None,
            )
        )  # fmt: skip
        await mark(connection)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


async def _current(connection: AsyncConnection, identity: str, revision: int | None = None) -> Stored:
    row = (await connection.execute(select(TEMPLATES).where(TEMPLATES.c.id == identity))).one_or_none()
    if row is None:
        raise MissingError(identity)
    found = _stored(row)
    if revision is not None and found.revision != revision:
        raise ConflictError(identity)
    return found


async def _free_id(connection: AsyncConnection, now: datetime) -> str:
    """Twenty-six digits, as Spark's are: the second, the microsecond, and a number among those of one microsecond."""
    start = f"{now:%Y%m%d%H%M%S%f}"
    taken = (
        await connection.execute(
            select(func.max(HISTORY.c.record_id)).where(HISTORY.c.kind == _KIND, HISTORY.c.record_id.like(f"{start}%"))
        )
    ).scalar_one_or_none()
    return f"{start}{int(taken[20:]) + 1 if taken else 0:06}"


def _stored(row: Row[Any]) -> Stored:
    owner = Owner(row.mls_id, row.association_id)
    return Stored(row.id, owner, json.loads(row.document), row.revision, row.created, row.modified)


def _entry(row: Row[Any]) -> Entry:
    before, after = (None if part is None else json.loads(part) for part in (row.before, row.after))
    return Entry(row.number, row.revision, row.action, row.moment, row.changed_by, before, after)


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
