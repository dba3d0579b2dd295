"""``gateway doctor``: what may be wrong around a gateway, and what to do about it."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path

import rich_click as click

from gateway.cli.common import load

_SIGNS = {"ok": "ok     ", "warning": "warning", "failed": "failed "}


@click.command()
@click.option(
    "--config",
    "directory",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The configuration directory.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a finding.")
def doctor(directory: Path, as_json: bool) -> None:
    """Look at everything that a gateway depends on, and say what to do: exit code 1 where something has failed."""
    sys.exit(asyncio.run(_doctor(directory, as_json=as_json)))


async def _doctor(directory: Path, *, as_json: bool) -> int:
    from gateway.edge.diagnosis import diagnose

    failed = False
    async for finding in diagnose(load(directory)):
        failed = failed or finding.state == "failed"
        if as_json:
            click.echo(json.dumps(asdict(finding)))
            continue
        click.echo(f"{_SIGNS[finding.state]}  {finding.what}: {finding.found}")
        if finding.advice:
            click.echo(f"         -> {finding.advice}")
    return int(failed)
