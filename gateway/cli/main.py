"""The command line: verbs, and exit codes (0 ok, 1 findings, 2 usage, 69 no service, 75 no database, 78 bad files)."""

from __future__ import annotations

import rich_click as click

from gateway import __version__
from gateway.cli.check import check
from gateway.cli.demo import demo
from gateway.cli.doctor import doctor
from gateway.cli.explain import explain
from gateway.cli.keys import keys
from gateway.cli.sandbox import sandbox
from gateway.cli.serve import reload, serve
from gateway.cli.templates import templates
from gateway.cli.trust import trust


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gateway", message="%(prog)s %(version)s")
def main() -> None:
    """A policy-enforcing reverse proxy for RESO Web API servers."""


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(f"gateway {__version__}")


for command in (demo, serve, reload, doctor, check, explain, keys, templates, trust, sandbox):
    main.add_command(command)
