"""``gateway keys``: secrets for keys.yaml."""

from __future__ import annotations

import json
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
@click.option("--template", help="The template that the key is under.")
@click.option("--role", help="The role that the key is under, in place of a template.")
def new(directory: Path, identity: str, template: str | None, role: str | None) -> None:
    """Print a new secret, once, and the entry for keys.yaml that stands for it."""
    from gateway.store.api_keys import digest, new_secret

    configuration = load(directory, os.environ)
    require_secrets(configuration)
    if (template is None) == (role is None):
        raise click.UsageError("give either --template or --role")
    if any(key.Id == identity for key in configuration.keys.values()):
        raise click.UsageError(f"there is a key `{identity}` already")
    secret = new_secret()
    click.echo(f"secret, shown only now: {secret}", err=True)
    grant = f"Template: {json.dumps(template)}" if template is not None else f"Role: {json.dumps(role)}"
    click.echo(f"  - Id: {json.dumps(identity)}\n    {grant}")
    click.echo(f"    Digest: {digest(secret, configuration.secrets.key_pepper or '')}")
