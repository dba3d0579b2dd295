"""``gateway keys``: API keys of the database, and secrets for keys.yaml."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import rich_click as click

from gateway.cli.common import load, require_secrets
from gateway.cli.management import backend, call, config_option, every, json_option, run, show


@click.group()
def keys() -> None:
    """Make, list and end API keys."""


secret_file_option = click.option(
    "--secret-file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Write the secret to this new file, readable by its owner alone, and not to standard output.",
)  # fmt: skip
privilege_option = click.option(
    "--privilege", "privileges", multiple=True, type=click.Choice(["DelegatedAccess"]),
    help="What the key sees beside its template or role (docs/policy.md); may be repeated.",
)  # fmt: skip


@keys.command()
@config_option
@click.option("--template", help="The template that the key is under.")
@click.option("--role", help="The role that the key is under, in place of a template.")
@click.option("--owner", default="", help="Who holds the key.")
@click.option("--association", help="The association whose key it is; the MLS's without.")
@click.option("--permission", "permissions", multiple=True, type=click.Choice(["manage_templates", "manage_keys"]),
              help="What staff may; may be given twice.")  # fmt: skip
@privilege_option
@click.option("--member", help="The MemberKey that the key is bound to.")
@click.option("--office", help="The OfficeKey that the key is bound to.")
@click.option(
    "--address", "addresses", multiple=True, help="A network from which the key may be used; may be repeated."
)
@click.option("--subject", help="What a JSON Web Token calls the holder of the key.")
@secret_file_option
def create(
    directory: Path,
    template: str | None,
    role: str | None,
    owner: str,
    association: str | None,
    permissions: tuple[str, ...],
    privileges: tuple[str, ...],
    member: str | None,
    office: str | None,
    addresses: tuple[str, ...],
    subject: str | None,
    secret_file: Path | None,
) -> None:
    """Make a key. Its secret is printed once."""
    bindings = {name: value for name, value in (("MemberKey", member), ("OfficeKey", office)) if value is not None}
    grant = {
        "Template": template, "Role": role, "Owner": owner, "AssociationId": association,
        "Permissions": list(permissions), "Privileges": list(dict.fromkeys(privileges)), "Bindings": bindings,
        "Addresses": list(addresses) or None, "Subject": subject,
    }  # fmt: skip
    _make_room(secret_file)
    _tell_secret(run(_changed(directory, "create", "", grant)), secret_file)


@keys.command(name="list")
@config_option
@json_option
def list_(directory: Path, *, as_json: bool) -> None:
    """List all keys, those of files too. Secrets are nowhere to be listed."""
    columns = {"Id": "Id", "Owner": "Owner", "Template": "Template", "Role": "Role", "Enabled": "Enabled",
               "Association": "AssociationId", "Permissions": "Permissions", "Privileges": "Privileges",
               "Last used": "LastUsed"}  # fmt: skip
    show(run(_listed(directory)), columns, as_json=as_json)


@keys.command()
@config_option
@click.argument("key")
def disable(directory: Path, key: str) -> None:
    """Refuse a key from now on, everywhere within a second."""
    run(_changed(directory, "disable", key))
    click.echo(f"disabled {key}")


@keys.command()
@config_option
@click.argument("key")
def enable(directory: Path, key: str) -> None:
    """Take a key again."""
    run(_changed(directory, "enable", key))
    click.echo(f"enabled {key}")


@keys.command()
@config_option
@click.argument("key")
@click.option("--overlap", type=int, help="For how many seconds the old secret is taken yet; a day by default.")
@secret_file_option
def rotate(directory: Path, key: str, overlap: int | None, secret_file: Path | None) -> None:
    """Make another secret for a key. It is printed once."""
    _make_room(secret_file)
    _tell_secret(run(_changed(directory, "rotate", key, {} if overlap is None else {"Overlap": overlap})), secret_file)


@keys.command()
@config_option
@click.option("--id", "identity", default="new-key", show_default=True, help="The Id of the new key.")
@click.option("--template", help="The template that the key is under.")
@click.option("--role", help="The role that the key is under, in place of a template.")
@privilege_option
def new(directory: Path, identity: str, template: str | None, role: str | None, privileges: tuple[str, ...]) -> None:
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
    if privileges:
        click.echo(f"    Privileges: [{', '.join(dict.fromkeys(privileges))}]")
    click.echo(f"    Digest: {digest(secret, configuration.secrets.key_pepper or '')}")


async def _listed(directory: Path) -> list[dict[str, Any]]:
    from gateway.admin.keys import Keys

    async with backend(directory) as found:
        return await every(Keys(found).all, found)


async def _changed(directory: Path, operation: str, key: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """What an operation of the admin API answers."""
    from gateway.admin.keys import Keys

    async with backend(directory) as found:
        require_secrets(found.configuration)
        answer = await getattr(Keys(found), operation)(call(found, key, body))
        return dict(answer.results[0]) if answer.results else {}


def _make_room(file: Path | None) -> None:
    """Before there is a secret that could be lost."""
    if file is not None:
        try:
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except OSError as error:
            raise click.ClickException(f"{file} cannot be made: {error.strerror}") from None


def _tell_secret(made: dict[str, Any], file: Path | None) -> None:
    click.echo(f"key {made['Id']}", err=True)
    if made.get("OldSecretUntil"):
        click.echo(f"the old secret is taken until {made['OldSecretUntil']}", err=True)
    if file is None:
        click.echo(made["Secret"])
    else:
        file.write_text(f"{made['Secret']}\n", encoding="utf-8")
