"""Templates and keys in the database: what was accepted, each change of it, and who made it.

Nothing here knows what a document means; whoever saves one has checked it before. A save names the revision that it is
a change of, so of two writers at once one wins and the other is told.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Row, Table, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.observe.events import Event, RecordChanged
from gateway.store.database import HISTORY, KEYS, TEMPLATES, Database, mark

Kind = Literal["template", "key"]
Action = Literal["create", "update", "delete", "rollback", "enable", "disable", "rotate"]
TABLE: Mapping[Kind, Table] = {"template": TEMPLATES, "key": KEYS}
#: Columns of a key that are no part of its document: secrets are no part of its history either.
_BESIDE = ("digest", "old_digest", "old_until", "last_used")


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

    def may_see(self, other: Owner) -> bool:
        """An association's staff see what is theirs, the staff of an MLS all that is the MLS's."""
        return self.mls == other.mls and self.association in (None, other.association)


@dataclass(frozen=True, slots=True)
class Stored:
    """A record as it was accepted: what its author wrote, without what the server makes. Moments are ISO 8601.

    ``beside`` are the columns of a key that are no part of its document: ``digest``, ``old_digest``, ``old_until``,
    ``last_used``.
    """

    id: str
    owner: Owner
    document: Mapping[str, Any]
    revision: int
    created: str
    modified: str
    beside: Mapping[str, str | None] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """One change: ``before`` is None for the first, ``after`` for the last."""

    number: int
    owner: Owner
    revision: int
    action: Action
    moment: str
    changed_by: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


class Records:
    """The records of one kind. ``clock`` gives seconds since 1970; ``in_files`` are the templates that a key may name
    beside those of the database; ``publish`` is told of every change once it is kept."""

    def __init__(
        self,
        kind: Kind,
        database: Database,
        clock: Callable[[], float],
        in_files: Collection[str] = (),
        publish: Callable[[Event], None] = lambda _: None,
    ) -> None:
        self.kind = kind
        self._in_files = in_files
        self._table = TABLE[kind]
        self._database = database
        self._clock = clock
        self._publish = publish

    async def get(self, identity: str) -> Stored:
        """Raises MissingError."""
        async with self._database.reading() as connection:
            return await self._current(connection, identity)

    async def ids(self, viewer: Owner) -> list[str]:
        """Of all records that a viewer may see, in order."""
        mine = [self._table.c.mls_id == viewer.mls]
        if viewer.association is not None:
            mine.append(self._table.c.association_id == viewer.association)
        async with self._database.reading() as connection:
            found = await connection.execute(select(self._table.c.id).where(*mine).order_by(self._table.c.id))
            return list(found.scalars())

    async def many(self, ids: Sequence[str]) -> tuple[Stored, ...]:
        """Those of some records that are there, by id."""
        async with self._database.reading() as connection:
            rows = await connection.execute(select(self._table).where(self._table.c.id.in_(ids)))
            return tuple(stored(row) for row in rows)

    async def create(
        self, owner: Owner, document: Mapping[str, Any], by: str, beside: Mapping[str, str | None] | None = None
    ) -> Stored:
        """Keeps a new record under a new id.

        Raises:
            ConflictError: it names a template that is not there any more.
        """
        async with self._database.writing() as connection:
            now = self._now()
            kept = Stored(await self._free_id(connection, now), owner, document, 1, _iso(now), _iso(now), beside or {})
            await self._insert(connection, kept)
            await self._note(connection, "create", by, kept.modified, None, kept)
        self._tell("create", by, None, kept)
        return kept

    async def restore(self, identity: str, entry: Entry, document: Mapping[str, Any], by: str) -> Stored:
        """Keeps a record that has been taken away under its old id again; ``entry`` is its removal.

        Raises:
            ConflictError: there is one of that id.
        """
        async with self._database.writing() as connection:
            if (await connection.execute(select(self._table.c.id).where(self._table.c.id == identity))).first():
                raise ConflictError(identity)
            now = _iso(self._now())
            kept = Stored(identity, entry.owner, document, entry.revision + 1, now, now)
            await self._insert(connection, kept)
            await self._note(connection, "rollback", by, now, None, kept)
        self._tell("rollback", by, None, kept)
        return kept

    async def replace(
        self,
        identity: str,
        document: Mapping[str, Any],
        by: str,
        revision: int,
        action: Action = "update",
        beside: Mapping[str, str | None] | None = None,
    ) -> Stored:
        """Keeps a document in place of another one, if that is of the revision; ``beside`` what else changes.

        Raises:
            MissingError, ConflictError: nothing has been changed.
        """
        async with self._database.writing() as connection:
            before = await self._current(connection, identity, revision)
            modified = _iso(self._now())
            changed = {**before.beside, **(beside or {})}
            kept = Stored(identity, before.owner, document, revision + 1, before.created, modified, changed)
            found = await connection.execute(
                update(self._table)
                .where(self._table.c.id == identity, self._table.c.revision == revision)
                .values(
                    document=_text(document), revision=kept.revision, modified=modified, **(beside or {}),
                    **await self._reference(connection, document, before),
                )
            )  # fmt: skip
            if found.rowcount != 1:
                raise ConflictError(identity)
            await self._note(connection, action, by, modified, before, kept)
        self._tell(action, by, before, kept)
        return kept

    async def remove(self, identity: str, by: str, revision: int) -> None:
        """Takes a record away; its history stays.

        Raises:
            UsedError: a key of the database has the template. Those of files are the caller's to look for.
            MissingError, ConflictError: nothing has been changed.
        """
        async with self._database.writing() as connection:
            before = await self._current(connection, identity, revision)
            if self.kind == "template":
                users = select(KEYS.c.id).where(KEYS.c.template_id == identity).order_by(KEYS.c.id)
                names = (await connection.execute(users)).scalars().all()
                if names:
                    raise UsedError(tuple(names))
            found = await connection.execute(
                delete(self._table).where(self._table.c.id == identity, self._table.c.revision == revision)
            )
            if found.rowcount != 1:
                raise ConflictError(identity)
            await self._note(connection, "delete", by, _iso(self._now()), before, None)
        self._tell("delete", by, before, None)

    async def history(self, identity: str) -> tuple[Entry, ...]:
        """Every change of a record, oldest first; also of one that is gone."""
        async with self._database.reading() as connection:
            rows = await connection.execute(
                select(HISTORY)
                .where(HISTORY.c.kind == self.kind, HISTORY.c.record_id == identity)
                .order_by(HISTORY.c.number)
            )
            return tuple(_entry(row) for row in rows)

    def _tell(self, action: Action, by: str, before: Stored | None, after: Stored | None) -> None:
        record = after or before
        assert record is not None
        documents = [None if found is None else found.document for found in (before, after)]
        self._publish(RecordChanged(self.kind, record.id, record.revision, action, by, *documents))

    # --- inside a transaction

    async def _current(self, connection: AsyncConnection, identity: str, revision: int | None = None) -> Stored:
        row = (await connection.execute(select(self._table).where(self._table.c.id == identity))).one_or_none()
        if row is None:
            raise MissingError(identity)
        found = stored(row)
        if revision is not None and found.revision != revision:
            raise ConflictError(identity)
        return found

    async def _insert(self, connection: AsyncConnection, kept: Stored) -> None:
        await connection.execute(
            insert(self._table).values(
                id=kept.id, mls_id=kept.owner.mls, association_id=kept.owner.association,
                document=_text(kept.document), revision=kept.revision, created=kept.created, modified=kept.modified,
                **kept.beside, **await self._reference(connection, kept.document),
            )
        )  # fmt: skip

    async def _reference(
        self, connection: AsyncConnection, document: Mapping[str, Any], before: Stored | None = None
    ) -> dict[str, str | None]:
        """The column by which a key holds its template, where that is in the database and not in a file."""
        if self.kind != "key":
            return {}
        name = document.get("Template")
        named = select(TEMPLATES.c.id).where(TEMPLATES.c.id == name)
        # Locked against a removal that is under way.
        found = (await connection.execute(named.with_for_update(key_share=True))).scalar_one_or_none()
        # What was so before may stay so: a key of a template that is gone can still be disabled.
        is_new = before is None or before.document.get("Template") != name
        if name is not None and found is None and name not in self._in_files and is_new:
            raise ConflictError(name)
        return {"template_id": found}

    async def _free_id(self, connection: AsyncConnection, now: datetime) -> str:
        """Twenty-six digits, as Spark's are: second, microsecond, and a number among those of one microsecond."""
        start = f"{now:%Y%m%d%H%M%S%f}"
        mine = (HISTORY.c.kind == self.kind, HISTORY.c.record_id.like(f"{start}%"))
        taken = (await connection.execute(select(func.max(HISTORY.c.record_id)).where(*mine))).scalar_one_or_none()
        return f"{start}{int(taken[20:]) + 1 if taken else 0:06}"

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
                kind=self.kind, record_id=record.id, mls_id=record.owner.mls, association_id=record.owner.association,
                revision=record.revision, action=action, moment=moment, changed_by=by,
                before=_text(before.document) if before else None, after=_text(after.document) if after else None,
            )
        )  # fmt: skip
        await mark(connection)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def stored(row: Row[Any]) -> Stored:
    """A row of either table as a value."""
    columns = row._mapping
    beside = {name: columns[name] for name in _BESIDE if name in columns}
    owner = Owner(row.mls_id, row.association_id)
    return Stored(row.id, owner, json.loads(row.document), row.revision, row.created, row.modified, beside)


def _entry(row: Row[Any]) -> Entry:
    before, after = (None if part is None else json.loads(part) for part in (row.before, row.after))
    owner = Owner(row.mls_id, row.association_id)
    return Entry(row.number, owner, row.revision, row.action, row.moment, row.changed_by, before, after)


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
