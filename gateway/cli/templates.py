"""``gateway templates``: templates of the database, from files and from Spark, under the rules of the admin API."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from gateway.cli.management import (
    EXIT_REFUSED,
    backend,
    call,
    config_option,
    every,
    json_option,
    metadata_option,
    run,
    show,
    tell,
)

if TYPE_CHECKING:
    from gateway.admin.backend import Backend

_TOKEN = "GATEWAY_SPARK_TOKEN"  # noqa: S105  # a name, no secret
dry_run_option = click.option("--dry-run", is_flag=True, help="Tell what would be done, and do nothing.")


@click.group()
def templates() -> None:
    """List, show, apply, export and import templates."""


@templates.command(name="list")
@config_option
@json_option
def list_(directory: Path, *, as_json: bool) -> None:
    """List all templates, those of files too."""
    columns = {"Id": "Id", "Name": "Name", "Role": "Role", "Photos": "ListingPhotoLimit", "Owner": "OwnerId",
               "Changed": "ModificationTimestamp"}  # fmt: skip
    show(run(_listed(directory)), columns, as_json=as_json)


@templates.command(name="show")
@config_option
@click.argument("template")
def show_(directory: Path, template: str) -> None:
    """Show one template, as the API has it."""
    click.echo(json.dumps({"D": run(_one(directory, template))}, indent=2, ensure_ascii=False))


@templates.command()
@config_option
@metadata_option
@dry_run_option
@click.argument("source", type=click.Path(path_type=Path, exists=True, file_okay=False))
def apply(directory: Path, file: Path | None, source: Path, *, dry_run: bool) -> None:
    """Make the database have the templates in the files of SOURCE: all of them, or none where one has a fault.

    A file is the body that the API takes. It stands for the template of its `Id`, else for the one of its `Name`; where
    there is none, one is made. What is in no file stays as it is.
    """
    documents = _read_folder(source)
    sys.exit(run(_apply(directory, file, documents, dry_run=dry_run)))


@templates.command()
@config_option
@click.argument("target", type=click.Path(path_type=Path, file_okay=False))
def export(directory: Path, target: Path) -> None:
    """Write every template of the database to a file of TARGET, as `apply` reads them."""
    target.mkdir(parents=True, exist_ok=True)
    found = run(_listed(directory, stored=True))
    for template in found:
        path = target / f"{template['Id']}.json"
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps({"D": template}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        unfinished.replace(path)
    click.echo(f"{len(found)} templates written to {target}")


@templates.command(name="import-spark")
@config_option
@metadata_option
@dry_run_option
@click.option("--token-file", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE",
              help=f"The bearer token for Spark; else it is read from {_TOKEN}.")  # fmt: skip
@click.argument("url")
def import_spark(directory: Path, file: Path | None, url: str, token_file: Path | None, *, dry_run: bool) -> None:
    """Take over the templates of a Spark API at URL, such as https://host/v1: all, or none where one has a fault.

    They get ids of their own; the lines that are printed say which became which.
    """
    token = token_file.read_text(encoding="utf-8").strip() if token_file else os.environ.get(_TOKEN, "")
    if not token:
        raise click.UsageError(f"a token is needed: give --token-file, or set {_TOKEN}")
    sys.exit(run(_import(directory, file, url, token, dry_run=dry_run)))


async def _listed(directory: Path, *, stored: bool = False) -> list[dict[str, Any]]:
    from gateway.admin.templates import Templates

    async with backend(directory) as found:
        return await _stored(found) if stored else await every(Templates(found).all, found)


async def _stored(found: Backend) -> list[dict[str, Any]]:
    """The templates that no file has."""
    from gateway.admin.templates import Templates

    in_files = found.configuration.file_templates
    return [item for item in await every(Templates(found).all, found) if item["Id"] not in in_files]


async def _one(directory: Path, template: str) -> dict[str, Any]:
    from gateway.admin.templates import Templates

    async with backend(directory) as found:
        answer = await Templates(found).get(call(found, template))
        assert answer.results is not None
        return dict(answer.results[0])


def _read_folder(source: Path) -> dict[str, Mapping[str, Any]]:
    """File to body, read as strictly as the API reads it. Every fault is told."""
    from gateway.admin.bodies import read_body
    from gateway.admin.envelope import SparkError

    found: dict[str, Mapping[str, Any]] = {}
    bad = 0
    for path in sorted(source.glob("*.json")):
        try:
            found[path.name] = read_body("application/json", path.read_bytes())
        except SparkError as error:
            bad += 1
            tell(error, path.name)
    if bad:
        sys.exit(EXIT_REFUSED)
    if not found:
        raise click.UsageError(f"there is no *.json in {source}")
    return found


async def _apply(
    directory: Path, file: Path | None, documents: Mapping[str, Mapping[str, Any]], *, dry_run: bool
) -> int:
    async with backend(directory, file, compiling=True) as found:
        return await _put(found, documents, dry_run=dry_run)


async def _put(found: Backend, documents: Mapping[str, Mapping[str, Any]], *, dry_run: bool) -> int:
    """Tries every document, then keeps them; 1 where one is refused."""
    from gateway.admin.envelope import SparkError
    from gateway.admin.templates import SERVER_MADE, Templates

    operations = Templates(found)
    known = {item["Id"]: item for item in await _stored(found)}
    by_name: dict[str, list[str]] = {}
    for identity, item in known.items():
        by_name.setdefault(item["Name"], []).append(identity)
    work: list[tuple[str, str, dict[str, Any]]] = []
    bad = False
    for name, body in documents.items():
        document = {key: value for key, value in body.items() if key not in SERVER_MADE}
        same = by_name.get(str(body.get("Name")), [])
        identity = body["Id"] if body.get("Id") in known else same[0] if same else ""
        if identity != body.get("Id") and len(same) > 1:
            click.echo(f"{name}: {len(same)} templates have this name: {', '.join(same)}; give an `Id`", err=True)
            bad = True
            continue
        if identity:
            document = {**_cleared(known[identity]), **document}
        work.append((name, identity, document))
        try:
            operation = operations.update if identity else operations.create
            await operation(call(found, identity, document, dry_run="true"))
        except SparkError as error:
            tell(error, name)
            bad = True
    if bad:
        click.echo("nothing was changed", err=True)
        return EXIT_REFUSED
    for name, identity, document in work:
        said = "would be" if dry_run else "is"
        if identity:
            if not dry_run:
                await operations.update(call(found, identity, document))
            click.echo(f"{name}: {identity} {said} what the file says")
        elif dry_run:
            click.echo(f"{name}: would be made")
        else:
            made = await operations.create(call(found, "", document))
            assert made.results is not None
            click.echo(f"{name}: made as {made.results[0]['ResourceUri'].rpartition('/')[2]}")
    return 0


def _cleared(record: Mapping[str, Any]) -> dict[str, Any]:
    """A file says all of a template: what it does not name is taken away."""
    from gateway.admin.templates import SERVER_MADE

    set_now = [name for name, value in record.items() if name not in SERVER_MADE and value is not None]
    return {name: "narrow" if name == "ConditionalFields" else None for name in set_now}


async def _import(directory: Path, file: Path | None, url: str, token: str, *, dry_run: bool) -> int:
    documents = await _fetched(url.rstrip("/"), token)
    async with backend(directory, file, compiling=True) as found:
        # The ids of another house mean nothing here.
        named = {
            identity: {key: value for key, value in body.items() if key != "Id"} for identity, body in documents.items()
        }
        return await _put(found, named, dry_run=dry_run)


async def _fetched(url: str, token: str) -> dict[str, Mapping[str, Any]]:
    """All templates that a Spark API shows to a token, by their ids there."""
    import aiohttp

    from gateway.store.marked import parse_json

    found: dict[str, Mapping[str, Any]] = {}
    timeout = aiohttp.ClientTimeout(total=60)
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    try:
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
            for page in range(1, 10_000):
                query = f"_limit=25&_page={page}&_expand=FieldOverrides,RestrictiveFilters"
                target = f"{url}/developers/templates?{query}"
                async with session.get(target, allow_redirects=False) as response:
                    raw = b"".join([chunk async for chunk in response.content.iter_any()])
                    if response.status != 200:
                        raise click.ClickException(f"{url} answers {response.status}: {_message(raw)}")
                records = parse_json(raw.decode("utf-8"))[0]["D"]["Results"]
                new = {item["Id"]: item for item in records if item["Id"] not in found}
                if not new:
                    return found
                found |= new
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise click.ClickException(f"{url} cannot be read: {str(error) or type(error).__name__}") from None
    except (ValueError, KeyError, TypeError):
        raise click.ClickException(f"{url} does not answer as Spark does") from None
    return found


def _message(raw: bytes) -> str:
    try:
        return str(json.loads(raw)["D"]["Message"])
    except (ValueError, KeyError, TypeError):
        return "no word of why"
