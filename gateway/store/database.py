"""The database of templates and keys: SQLite in one file, or PostgreSQL. Opened whole or not at all (G7).

Documents are kept as the JSON that was accepted, each with a revision that grows by one with every change, and each
change stays in a history that is never rewritten. ``generation`` grows with every write: who has seen it has seen all.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from types import TracebackType
from typing import Any, Self

from sqlalchemy import (
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    event,
    func,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

#: PostgreSQL's channel on which writes are told.
CHANNEL = "gateway_changes"
#: The drivers by which each kind of database is spoken to: a URL need not name them.
DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
#: How long a writer waits for another one, in seconds.
_PATIENCE = 5.0

TABLES = MetaData()

#: One row: the version of these tables, and a number that grows with every write.
STATE = Table(
    "state",
    TABLES,
    Column("only", Integer, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("generation", Integer, nullable=False),
)

TEMPLATES = Table(
    "template",
    TABLES,
    Column("id", Text, primary_key=True),
    Column("mls_id", Text, nullable=False),
    Column("association_id", Text),
    Column("document", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("created", Text, nullable=False),
    Column("modified", Text, nullable=False),
)

KEYS = Table(
    "api_key",
    TABLES,
    Column("id", Text, primary_key=True),
    Column("mls_id", Text, nullable=False),
    Column("association_id", Text),
    Column("digest", Text, nullable=False, unique=True),
    #: The secret before the last rotation, and the moment until which it is taken.
    Column("old_digest", Text, unique=True),
    Column("old_until", Text),
    Column("template_id", Text, ForeignKey("template.id", ondelete="RESTRICT")),
    Column("document", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("created", Text, nullable=False),
    Column("modified", Text, nullable=False),
    Column("last_used", Text),
)

#: What was done to a record, by whom, and what it was before and after. Rows are added and nothing else.
HISTORY = Table(
    "history",
    TABLES,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("kind", Text, nullable=False),
    Column("record_id", Text, nullable=False),
    Column("mls_id", Text, nullable=False),
    Column("association_id", Text),
    Column("revision", Integer, nullable=False),
    Column("action", Text, nullable=False),
    Column("moment", Text, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("before", Text),
    Column("after", Text),
    Index("history_of_a_record", "kind", "record_id", "number"),
)

#: Since when a policy has shown what it shows of Field and Lookup (C363).
SHOWN = Table(
    "shown",
    TABLES,
    Column("name", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("moment", Text, nullable=False),
)

#: Writes that clients may send again: which were sent, and what became of them (C221).
REPEATS = Table(
    "repeat",
    TABLES,
    Column("identity", Text, primary_key=True),
    Column("sent", Text, nullable=False),
    Column("done", Integer, nullable=False),
    Column("created", Integer, nullable=False),
    Column("record", Text),
    Index("repeat_by_moment", "sent"),
)


#: Kinds of trust that the upstream lost: for which resource, why, under which profile (its digest), and when (seconds
#: since 1970).
LOSSES = Table(
    "trust_loss",
    TABLES,
    Column("resource", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("profile", Text, nullable=False),
    Column("lost_at", Float, nullable=False),
)


def _first(connection: Connection) -> None:
    TABLES.create_all(connection, tables=[STATE, TEMPLATES, KEYS, HISTORY, SHOWN])


def _with_repeats(connection: Connection) -> None:
    REPEATS.create(connection)


def _with_losses(connection: Connection) -> None:
    LOSSES.create(connection)


#: From each version of the tables to the next one. One that has been released is never changed.
MIGRATIONS: tuple[Callable[[Connection], None], ...] = (_first, _with_repeats, _with_losses)
VERSION = len(MIGRATIONS)


class StoreError(Exception):
    """The database cannot be used at present. The text is for the log and for the operator, and holds no data."""


class NewerDatabaseError(StoreError):
    """The tables were made by a later release: this one must not touch them."""


class ClashError(StoreError):
    """What was to be written contradicts what somebody else has written."""


class Database:
    """Use as an async context: inside, the tables are there and of this version.

    Args:
        url: ``sqlite:////var/lib/gateway/gateway.db`` or ``postgresql://user:secret@host/name``.

    Raises:
        StoreError: the URL is of neither, or its driver is not installed.
        NewerDatabaseError: on entering.
        StoreError: on entering, and in any transaction: nothing of that transaction is kept.
    """

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        if parsed.get_backend_name() not in DRIVERS:
            raise StoreError("the database must be SQLite or PostgreSQL")
        parsed = parsed.set(drivername=DRIVERS[parsed.get_backend_name()])
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self._shown = parsed.render_as_string(hide_password=True)
        options: dict[str, Any] = (
            {"connect_args": {"timeout": _PATIENCE}} if self.is_sqlite else {"pool_pre_ping": True}
        )
        try:
            self.engine: AsyncEngine = create_async_engine(parsed, **options)
        except ModuleNotFoundError as error:
            raise StoreError(f"{self._shown}: the package `{error.name}` is not installed") from None
        #: SQLite has one writer: those of this process queue here and not in the file.
        self._writing = asyncio.Lock()
        if self.is_sqlite:
            event.listen(self.engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(self.engine.sync_engine, "invalidate", _roll_back)

    def __str__(self) -> str:
        return self._shown

    async def __aenter__(self) -> Self:
        if self.is_sqlite:
            await asyncio.to_thread(self._check_file)
        try:
            async with self.writing() as connection:
                await connection.run_sync(_migrate)
        except BaseException:
            await self.engine.dispose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.engine.dispose()

    def _check_file(self) -> None:
        """Whether the file is one that SQLite can open. The driver's own thread would tell of it to a loop that may
        have ended by then."""
        path = self.engine.url.database or ""
        try:
            # Digests of secrets and licences are nobody else's to read; SQLite gives its other files the same mode.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise StoreError(f"{self._shown}: unable to open database file: {error.strerror}") from None
        try:
            connection = sqlite3.connect(path)
            try:
                connection.execute("PRAGMA schema_version").fetchone()
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise StoreError(f"{self._shown}: {error}") from None

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """One consistent view of all tables."""
        async with self._transaction("BEGIN", "REPEATABLE READ") as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that is on the disk when the block has ended, or has not been. One writes at a time."""
        # SQLite: the lock of a writer from the start. One that reads first and then writes may find itself too late.
        async with self._writing, self._transaction("BEGIN IMMEDIATE", "READ COMMITTED") as connection:
            yield connection

    @asynccontextmanager
    async def _transaction(self, begin: str, isolation: str) -> AsyncIterator[AsyncConnection]:
        with _told(self._shown):
            async with self._connected() as connection:
                if not self.is_sqlite:
                    await connection.execution_options(isolation_level=isolation)
                    async with connection.begin():
                        yield connection
                    return
                await connection.exec_driver_sql(begin)
                try:
                    yield connection
                except BaseException:
                    # A cancellation in the middle of a statement has cost the connection, and the transaction with it.
                    with suppress(Exception):
                        await connection.exec_driver_sql("ROLLBACK")
                    raise
                await connection.exec_driver_sql("COMMIT")

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection]:
        """A connection of the pool. Whoever is cancelled while it is opened still closes it: the driver would leave it
        to the garbage collector."""
        opening = asyncio.create_task(self._connect())
        try:
            connection = await asyncio.shield(opening)
        except asyncio.CancelledError:
            with suppress(SQLAlchemyError, OSError):
                await (await opening).close()
            raise
        try:
            yield connection
        finally:
            await asyncio.shield(asyncio.create_task(connection.close()))

    async def _connect(self) -> AsyncConnection:
        return await self.engine.connect()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Callable[[float], Awaitable[None]]]:
        """Gives what waits for the next write of anybody, at most so many seconds. SQLite tells nobody: there it just
        waits.

        Raises:
            StoreError: the database tells no more; listen anew.
        """
        if self.is_sqlite:
            yield asyncio.sleep
            return
        told = asyncio.Event()
        with _told(self._shown):
            async with self._connected() as connection:
                driver: Any = (await connection.get_raw_connection()).driver_connection
                await driver.add_listener(CHANNEL, lambda *_: told.set())

                async def wait(seconds: float) -> None:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(told.wait(), seconds)
                    told.clear()
                    if driver.is_closed():
                        raise StoreError(f"{self._shown}: the connection that tells of changes has ended")

                try:
                    yield wait
                finally:
                    await connection.invalidate()  # it has a listener: nobody else is to get it

    async def generation(self) -> int:
        """The number that has grown if anything was written."""
        async with self.reading() as connection:
            return await generation_of(connection)


async def generation_of(connection: AsyncConnection) -> int:
    """The generation of what a transaction sees."""
    return int((await connection.execute(select(STATE.c.generation))).scalar_one())


async def mark(connection: AsyncConnection) -> int:
    """Makes the write of this transaction known to all processes once it is kept; gives the new generation."""
    await connection.execute(update(STATE).values(generation=STATE.c.generation + 1))
    number = await generation_of(connection)
    if connection.dialect.name == "postgresql":
        await connection.execute(select(func.pg_notify(CHANNEL, str(number))))
    return number


def _migrate(connection: Connection) -> None:
    version = 0
    if inspect(connection).has_table(STATE.name):
        version = int(connection.execute(select(STATE.c.version)).scalar_one())
    elif inspect(connection).get_table_names():
        raise StoreError("the database holds tables of something else")
    if version > VERSION:
        raise NewerDatabaseError(f"the database is of version {version}, this release knows {VERSION}")
    for step in MIGRATIONS[version:]:
        step(connection)
    if version == 0:
        connection.execute(insert(STATE).values(only=1, version=VERSION, generation=0))
    elif version < VERSION:
        connection.execute(update(STATE).values(version=VERSION))


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver must not begin transactions by itself: ours are IMMEDIATE.
    connection.isolation_level = None
    cursor = connection.cursor()
    for line in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {line}")
    cursor.close()


def _roll_back(connection: Any, _record: Any, _error: BaseException | None) -> None:
    """Ends the transaction of a connection that is given up, because a statement of it was cancelled halfway.

    SQLite closes it only when that statement is gone, which whoever holds the cancellation's traceback keeps: until
    then nobody could write.
    """
    with suppress(sqlite3.Error, SQLAlchemyError, ValueError):  # closed already, or given up by the garbage collector
        connection.run_async(lambda driver: asyncio.shield(driver.rollback()))


@contextmanager
def _told(where: str) -> Iterator[None]:
    """Every error of the database as a StoreError: a client is told 503, and the operator what it was."""
    try:
        yield
    except IntegrityError as error:
        raise ClashError(f"{where}: {_plain(error)}") from None
    except DBAPIError as error:
        # The driver's own words; the statement and its values stay out of it.
        raise StoreError(f"{where}: {_plain(error)}") from None
    except (SQLAlchemyError, OSError) as error:
        raise StoreError(f"{where}: {error}") from None


def _plain(error: DBAPIError) -> str:
    words = str(error.orig).splitlines()
    return words[0] if words else type(error).__name__
