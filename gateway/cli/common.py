"""What several verbs share: reading a configuration, and telling its faults."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import rich_click as click

from gateway.errors import ConfigurationError, Fault

if TYPE_CHECKING:
    from gateway.odata.csdl import Schema
    from gateway.store.configuration import Configuration
    from gateway.store.tree import Tree

EXIT_CONFIGURATION = 78
#: The database cannot be used at present: trying again may help.
EXIT_STORE = 75


def fail(faults: Iterable[Fault]) -> NoReturn:
    """Prints every fault, one a line, and ends with exit code 78."""
    found = list(faults)
    for fault in found:
        click.echo(str(fault), err=True)
    click.echo(f"{len(found)} fault{'s' if len(found) != 1 else ''} in the configuration", err=True)
    sys.exit(EXIT_CONFIGURATION)


def load(directory: Path | Tree, environment: Mapping[str, str] | None = None) -> Configuration:
    from gateway.store.configuration import load_configuration

    try:
        return load_configuration(directory, os.environ if environment is None else environment)
    except ConfigurationError as error:
        fail(error.faults)


def require_secrets(configuration: Configuration) -> None:
    """``serve`` does not start with a made-up secret: keys and links would not outlive the process."""
    missing = []
    if configuration.secrets.key_pepper is None:
        missing.append(
            Fault(
                "gateway.yaml",
                0,
                ("security", "key_pepper"),
                "is missing: give GATEWAY__SECURITY__KEY_PEPPER or key_pepper_file",
            )
        )
    if not configuration.secrets.token_keys:
        missing.append(
            Fault(
                "gateway.yaml",
                0,
                ("security", "token_keys"),
                "are missing: give GATEWAY__SECURITY__TOKEN_KEYS or token_keys_file",
            )
        )
    if missing:
        fail(missing)


def packaged(name: str) -> Path:
    """A folder that ships with the project: inside the installed package, or at the top of a checkout."""
    inside = Path(__file__).resolve().parent.parent / name
    return inside if inside.is_dir() else inside.parent.parent / name


def schema_of(file: Path) -> Schema:
    """The schema of an EDMX file."""
    from gateway.odata.csdl import SchemaError, parse_metadata

    try:
        return parse_metadata(file.read_bytes())
    except OSError as error:
        fail([Fault(str(file), 0, (), f"cannot be read: {error.strerror}")])
    except SchemaError as error:
        fail([Fault(str(file), error.line, (), str(error))])


async def fetched_schema(configuration: Configuration) -> Schema:
    """The schema that the configured upstream has now."""
    from gateway.odata.csdl import SchemaError, parse_metadata
    from gateway.upstream.client import UpstreamClient, UpstreamFailure

    settings = configuration.settings.upstream
    try:
        async with UpstreamClient(
            settings, configuration.secrets.upstream_token, configuration.secrets.upstream_secret
        ) as client:
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
