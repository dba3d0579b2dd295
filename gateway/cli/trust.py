"""``gateway trust``: shows which trust the upstream lost in front of the running service, and restores it."""

from __future__ import annotations

import asyncio
import getpass
import sys
from pathlib import Path

import rich_click as click

from gateway.cli.management import config_option
from gateway.cli.serve import EXIT_UNAVAILABLE, control_of
from gateway.policy.profile import TRUSTS


@click.group()
def trust() -> None:
    """Show and restore the trust that the upstream lost by contradicting its profile."""


@trust.command("show")
@config_option
def show(directory: Path) -> None:
    """List each lost kind of trust with its resource, reason and time."""
    for line in _asked(directory, "trust") or ("nothing is lost",):
        click.echo(line)


@trust.command("restore")
@config_option
@click.option("--kind", type=click.Choice(TRUSTS), help="Restore this kind only.")
@click.option("--resource", metavar="NAME", help="Restore the trust that was lost for this resource only.")
def restore(directory: Path, kind: str | None, resource: str | None) -> None:
    """Trust the upstream again, in every worker and at once. Mend the cause before: each loss can leak one bit."""
    restored = _asked(directory, "restore", kind=kind, resource=resource, by=getpass.getuser())
    for line in restored or ("nothing was lost",):
        click.echo(f"restored {line}" if restored else line)


def _asked(directory: Path, what: str, **said: str | None) -> tuple[str, ...]:
    from gateway.workers.control import ControlError, ask

    try:
        return asyncio.run(ask(control_of(directory), what, **said)).faults
    except ControlError as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_UNAVAILABLE)
