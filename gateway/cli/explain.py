"""``gateway explain``: what a key's request becomes, and why. It calls the very ``decide`` that serves."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import rich_click as click

from gateway.cli.common import fail, fetched_schema, load, schema_of
from gateway.cli.management import run, with_database

if TYPE_CHECKING:
    from gateway.odata.literals import Timestamp
    from gateway.policy.explanation import Because, Explanation
    from gateway.policy.model import Origin, Policy
    from gateway.store.api_keys import ApiKey
    from gateway.store.configuration import Configuration

EXIT_FINDING = 1


@click.command()
@click.argument("key")
@click.argument("request_line", metavar="'GET /Property?...'")
@click.option("--config", "directory", required=True, type=click.Path(path_type=Path), metavar="DIR",
              help="The configuration directory.")  # fmt: skip
@click.option("--metadata", "file", type=click.Path(path_type=Path), metavar="FILE",
              help="Decide against this EDMX file instead of asking the upstream for its metadata.")  # fmt: skip
@click.option("--now", "instant", metavar="INSTANT", help="What now() stands for; the clock's time by default.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def explain(
    key: str, request_line: str, directory: Path, file: Path | None, instant: str | None, as_json: bool
) -> None:
    """Show what a request of the key KEY (its Id) asks of the upstream, which rules fire, and what is lost.

    Exit code 1 where the request is refused.
    """
    from gateway.errors import Refusal
    from gateway.odata.parser import Limits
    from gateway.odata.request import parse_request
    from gateway.policy.decision import decide
    from gateway.policy.explanation import explain as explained
    from gateway.store.snapshot import build_snapshot

    configuration = run(with_database(load(directory)))
    holder = _key(configuration, key)
    schema = schema_of(file) if file else asyncio.run(fetched_schema(configuration))
    snapshot = build_snapshot(1, configuration, schema)
    policy = snapshot.policy_of(holder)
    if policy is None:
        fail(snapshot.faults)
    settings = configuration.settings
    method, _, target = request_line.partition(" ")
    if not method.isalpha() or not target.startswith("/"):
        raise click.UsageError("the request must be a method and a path, such as 'GET /Property?$top=1'")
    if not target.startswith(settings.root + "/"):
        target = settings.root + target
    target = quote(target, safe="/%?&=$,;:@!'()*+-._~")  # blanks and letters as people write them
    try:
        request = parse_request(
            method,
            target,
            root=settings.root,
            limits=Limits(),
            plus_is_space=settings.requests.plus_is_space,
        )
        plan = decide(policy, request, settings.upstream.profile, settings.answers, _now(instant))
    except Refusal as refusal:
        _print_refusal(refusal, policy, as_json=as_json)
        sys.exit(EXIT_FINDING)
    explanation = explained(plan, policy, request.query)
    if as_json:
        told = {"key": key, **_named(policy), **_placed(asdict(explanation), configuration)}
        click.echo(json.dumps(told, indent=2))
    else:
        if not holder.Enabled:
            click.echo("disabled  the key is not enabled: every request is answered 401")
        _print(explanation, policy, configuration)


def _key(configuration: Configuration, identity: str) -> ApiKey:
    for candidate in configuration.keys.values():
        if candidate.Id == identity:
            return candidate
    known = ", ".join(sorted(candidate.Id for candidate in configuration.keys.values()))
    raise click.UsageError(f"there is no key `{identity}`; known are {known}")


def _now(instant: str | None) -> Timestamp:
    from datetime import UTC, datetime

    from gateway.odata.literals import Timestamp, parse_timestamp

    if instant is None:
        return Timestamp(datetime.now(UTC).replace(microsecond=0))
    moment = parse_timestamp(instant)
    if moment is None:
        raise click.UsageError(f"`{instant}` is no instant such as 2026-01-15T12:00:00Z")
    return moment


def _named(policy: Policy) -> dict[str, Any]:
    return {"policy": policy.name, **({"privileges": list(policy.privileges)} if policy.privileges else {})}


def _print_refusal(refusal: Any, policy: Policy, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({**_named(policy), "status": refusal.code.status, "code": refusal.code.text,
                               "message": refusal.message}, indent=2))  # fmt: skip
    else:
        click.echo(f"policy    {policy.title}\nrefused   {refusal.code.status} {refusal.code.text}: {refusal.message}")


def _print(explanation: Explanation, policy: Policy, configuration: Configuration) -> None:
    click.echo(f"policy    {policy.title}")
    click.echo(
        f"answer    {explanation.kind} of {explanation.resource}"
        if explanation.resource
        else f"answer    {explanation.kind}"
    )
    if explanation.canonical:
        click.echo(f"request   {explanation.canonical}")
    for name, text in explanation.asked:
        click.echo(f"asks      {name}={text}")
    for title, entries in (
        ("then", explanation.joins),
        ("here", explanation.here),
        ("rule", explanation.rules),
        ("guard", explanation.guards),
        ("withholds", explanation.withheld),
        ("loses", explanation.lost),
        ("writes", explanation.writes),
    ):
        for entry in entries:
            click.echo(f"{title:<9} {_line(entry, configuration)}")


def _line(entry: Because, configuration: Configuration) -> str:
    place = f"  [{_place(entry.origin, configuration)}]" if entry.origin else ""
    return f"{entry.resource}: {entry.text}{place}"


def _place(origin: Origin, configuration: Configuration) -> str:
    """File, line and path of a rule; a word for what is no file."""
    document = configuration.documents.get(origin.file)
    if document is None:
        return str(origin)
    return f"{origin.file}:{document.line(origin.path)} {'.'.join(origin.path)}"


def _placed(data: Any, configuration: Configuration) -> Any:
    """The data with the line of every origin."""
    if isinstance(data, dict):
        if set(data) == {"file", "path"}:
            document = configuration.documents.get(data["file"])
            line = document.line(data["path"]) if document else 0
            return {"file": data["file"], "line": line, "path": ".".join(data["path"])}
        return {name: _placed(value, configuration) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [_placed(value, configuration) for value in data]
    return data
