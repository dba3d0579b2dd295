"""``gateway sandbox``: the embedded RESO server alone, for a gateway that is configured to stand in front of it."""

from __future__ import annotations

import asyncio

import rich_click as click


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8082, show_default=True, help="The port to listen on.")
def sandbox(host: str, port: int) -> None:
    """Run a RESO server with synthetic listings, to try a configuration on. It protects nothing."""
    try:
        asyncio.run(_sandbox(host, port))
    except OSError as error:
        raise click.ClickException(f"{host}:{port} cannot be listened on: {error.strerror or error}") from None


async def _sandbox(host: str, port: int) -> None:
    from gateway.cli.serve import stop_event
    from gateway.sandbox.server import Sandbox

    stop = stop_event()
    found = Sandbox()
    try:
        await found.start(host, port)
        click.echo(f"the sandbox listens on {host}:{found.port}, its service root is /Reso/OData")
        await stop.wait()
    finally:
        await found.stop()
