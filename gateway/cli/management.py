"""What ``keys`` and ``templates`` share: the operations of the admin API on the database itself, by the same rules."""

from __future__ import annotations

import asyncio
import getpass
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import rich_click as click

from gateway.cli.common import EXIT_STORE, fail, fetched_schema, load, schema_of

if TYPE_CHECKING:
    from gateway.admin.backend import Backend
    from gateway.admin.calls import Call
    from gateway.store.configuration import Configuration

EXIT_REFUSED = 1
T = TypeVar("T")

config_option = click.option(
    "--config", "directory", required=True, type=click.Path(path_type=Path), metavar="DIR",
    help="The configuration directory.",
)  # fmt: skip
metadata_option = click.option(
    "--metadata", "file", type=click.Path(path_type=Path), metavar="FILE",
    help="Check against this EDMX file instead of asking the upstream.",
)  # fmt: skip
json_option = click.option("--json", "as_json", is_flag=True, help="For machines.")


@asynccontextmanager
async def backend(directory: Path, file: Path | None = None, *, compiling: bool = False) -> AsyncIterator[Backend]:
    """The database of a configuration, and what there is to check a document with.

    Args:
        compiling: whether templates are to be checked, against the upstream's metadata or those of ``file``.
    """
    from gateway.admin.backend import Backend
    from gateway.errors import ConfigurationError
    from gateway.store.database import Database
    from gateway.store.snapshot import build_snapshot
    from gateway.store.stored import Library, Merger, read_library

    files = load(directory)
    if files.database_url is None:
        raise click.UsageError("there is no database: set `store.url`, or `state_dir`, in gateway.yaml")
    schema = None
    if compiling:
        schema = schema_of(file) if file else await fetched_schema(files)
    async with Database(files.database_url) as database:
        library, merger = Library(), Merger(files)
        snapshot = build_snapshot(0, files, None)

        async def renew() -> bool:
            nonlocal library, snapshot
            library = await read_library(database, library)
            configuration, clashes = merger.merged(library)
            if clashes:
                raise ConfigurationError(clashes)
            snapshot = build_snapshot(snapshot.revision + 1, configuration, schema, snapshot)
            return True

        await renew()
        yield Backend(lambda: snapshot, database, renew, renew, time.time)


async def with_database(files: Configuration) -> Configuration:
    """The configuration with what its database has, where it has one.

    Raises:
        ConfigurationError: an id is in a file and in the database.
        StoreError: it cannot be read.
    """
    from gateway.errors import ConfigurationError
    from gateway.store.database import Database
    from gateway.store.stored import Library, Merger, read_library

    if files.database_url is None:
        return files
    async with Database(files.database_url) as database:
        configuration, clashes = Merger(files).merged(await read_library(database, Library()))
    if clashes:
        raise ConfigurationError(clashes)
    return configuration


def call(backend: Backend, record: str = "", body: Mapping[str, Any] | None = None, **parameters: str) -> Call:
    """A call of whoever sits at the machine: staff of the MLS with every permission."""
    from gateway.admin.calls import Call, Caller
    from gateway.store.records import Owner

    caller = Caller(
        f"command line: {getpass.getuser()}", Owner(backend.mls), frozenset(("manage_templates", "manage_keys"))
    )
    return Call(caller, record, parameters, body)


def run(work: Awaitable[T]) -> T:
    """The result of some work. What is refused is told with every fault, and ends with 1; 75 where the database cannot
    be used, 78 where the configuration is bad."""
    from gateway.admin.envelope import SparkError
    from gateway.errors import ConfigurationError
    from gateway.store.database import StoreError

    async def awaited() -> T:
        return await work

    try:
        return asyncio.run(awaited())
    except SparkError as error:
        tell(error)
        sys.exit(EXIT_REFUSED)
    except StoreError as error:
        click.echo(f"the database cannot be used: {error}", err=True)
        sys.exit(EXIT_STORE)
    except ConfigurationError as error:
        fail(error.faults)


def tell(error: Any, about: str = "") -> None:
    """A refusal with each of its details, one a line."""
    place = f"{about}: " if about else ""
    click.echo(f"{place}{error.code.number} {error.message}", err=True)
    for detail in error.details:
        click.echo(f"{place}  {'.'.join(detail.place)}: {detail.message}", err=True)


async def every(ask: Callable[[Any], Awaitable[Any]], of: Backend) -> list[dict[str, Any]]:
    """All records of a list, page by page."""
    found: list[dict[str, Any]] = []
    while True:
        page = await ask(call(of, _limit="1000", _page=str(len(found) // 1000 + 1)))
        found.extend(page.results)
        if len(page.results) < 1000:
            return found


def show(records: list[dict[str, Any]], columns: Mapping[str, str], *, as_json: bool) -> None:
    """Records as a table of some attributes, or whole as JSON."""
    if as_json:
        click.echo(json.dumps(records, indent=2, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, box=None, pad_edge=False)
    for record in records:
        table.add_row(*(_cell(record.get(name)) for name in columns.values()))
    # What is piped is not cut to the width of a screen.
    Console(width=None if sys.stdout.isatty() else 1000, highlight=False).print(table)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
