"""``gateway check``: is a configuration directory whole, and does it fit the upstream's metadata?"""

from __future__ import annotations

import asyncio
from pathlib import Path

import rich_click as click

from gateway.cli.common import fail, fetched_schema, load, schema_of
from gateway.cli.management import run, with_database


@click.command()
@click.option(
    "--config",
    "directory",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The configuration directory.",
)
@click.option(
    "--metadata",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Check against this EDMX file instead of asking the upstream.",
)
def check(directory: Path, file: Path | None) -> None:
    """Check a configuration, and what its database has: every fault with its place, exit code 78 if there is one.

    An entity set that the upstream's metadata does not describe readably is told as closed: it is not a fault of the
    configuration.
    """
    from gateway.store.snapshot import build_snapshot

    configuration = run(with_database(load(directory)))
    schema = schema_of(file) if file else asyncio.run(fetched_schema(configuration))
    snapshot = build_snapshot(1, configuration, schema)
    for note in snapshot.notes:
        click.echo(f"note: {note}")
    for closed in snapshot.closed:
        click.echo(f"closed: {closed}")
    if snapshot.faults:
        fail(snapshot.faults)
    click.echo(
        f"ok: {len(configuration.templates)} templates, {len(configuration.roles)} roles, "
        f"{len({key.Id for key in configuration.keys.values()})} keys against {len(schema.entity_sets)} entity sets"
    )
