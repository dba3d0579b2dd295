"""``gateway serve``: stands in front of an upstream until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from gateway.cli.common import EXIT_STORE, fail, load, require_secrets

if TYPE_CHECKING:
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
def serve(directory: Path) -> None:
    """Serve clients according to a configuration directory."""
    configuration = load(directory)
    require_secrets(configuration)
    from gateway.edge.listener import ListenError
    from gateway.errors import ConfigurationError
    from gateway.store.database import StoreError

    try:
        asyncio.run(_serve(configuration))
    except StoreError as error:
        click.echo(f"the database cannot be used: {error}", err=True)
        sys.exit(EXIT_STORE)
    except ConfigurationError as error:
        fail(error.faults)
    except ListenError as error:
        raise click.ClickException(str(error)) from None


async def _serve(configuration: Configuration) -> None:
    from gateway.edge.service import Service
    from gateway.observe.logs import DecisionLog

    stop = stop_event()
    async with Service(configuration, DecisionLog(configuration.settings.log.level)) as service:
        # Documents that do not fit an upstream which answers at start are a fault of the configuration (P10).
        if service.snapshot.faults:
            fail(service.snapshot.faults)
        await stop.wait()


def stop_event() -> asyncio.Event:
    """Set by SIGINT and SIGTERM."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, event.set)
    return event
