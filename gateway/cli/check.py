"""``gateway check``: is a configuration directory whole, and does it fit the upstream's metadata?"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from gateway.cli.common import fail, load
from gateway.errors import Fault

if TYPE_CHECKING:
    from gateway.odata.csdl import Schema
    from gateway.store.configuration import Configuration


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
    """Check a configuration: every fault with file and line, exit code 78 if there is one."""
    from gateway.store.snapshot import build_snapshot

    configuration = load(directory)
    schema = _schema_of(file) if file else asyncio.run(_fetched(configuration))
    snapshot = build_snapshot(1, configuration, schema)
    for note in sorted({note for policy in snapshot.policies.values() for note in policy.notes}):
        click.echo(f"note: {note}")
    if snapshot.faults:
        fail(snapshot.faults)
    click.echo(
        f"ok: {len(configuration.templates)} templates, {len(configuration.roles)} roles, "
        f"{len(configuration.keys)} keys against {len(schema.entity_sets)} entity sets"
    )


def _schema_of(file: Path) -> Schema:
    from gateway.odata.csdl import SchemaError, parse_metadata

    try:
        return parse_metadata(file.read_bytes())
    except OSError as error:
        fail([Fault(str(file), 0, (), f"cannot be read: {error.strerror}")])
    except SchemaError as error:
        fail([Fault(str(file), error.line, (), str(error))])


async def _fetched(configuration: Configuration) -> Schema:
    from gateway.odata.csdl import SchemaError, parse_metadata
    from gateway.upstream.client import UpstreamClient, UpstreamFailure

    settings = configuration.settings.upstream
    try:
        async with UpstreamClient(settings, configuration.secrets.upstream_token) as client:
            return parse_metadata(await client.read_metadata())
    except UpstreamFailure as failure:
        fail(
            [
                Fault(
                    "gateway.yaml",
                    0,
                    ("upstream", "url"),
                    f"the upstream {failure.reason}; give --metadata FILE to check without it",
                )
            ]
        )
    except SchemaError as error:
        fail([Fault(f"{settings.url}/$metadata", error.line, (), str(error))])
