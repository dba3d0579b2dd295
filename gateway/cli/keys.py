"""``gateway keys``: secrets for keys.yaml."""

from __future__ import annotations

import os
from pathlib import Path

import rich_click as click

from gateway.cli.common import load, require_secrets


@click.group()
def keys() -> None:
    """Make secrets of API keys."""


@keys.command()
@click.option(
    "--config",
    "directory",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The configuration directory, for its pepper.",
)
@click.option("--id", "identity", default="new-key", show_default=True, help="The Id of the new key.")
def new(directory: Path, identity: str) -> None:
    """Print a new secret, once, and the entry for keys.yaml that stands for it."""
    from gateway.store.api_keys import digest, new_secret

    configuration = load(directory, os.environ)
    require_secrets(configuration)
    secret = new_secret()
    click.echo(f"secret, shown only now: {secret}", err=True)
    click.echo(f"  - Id: {identity}\n    Digest: {digest(secret, configuration.secrets.key_pepper or '')}")
