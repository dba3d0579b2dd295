"""Faults at random times under load (G5): whatever breaks, nothing that the policy forbids leaves.

    python -m tests.proof.faults --schedules 300

A schedule is a gateway with all its sockets in front of an upstream that dies, hangs, lies, answers late, loses half of its
model or all of it, while clients ask, follow links and hang up, the gateway's clock jumps, its files are cut, spoiled and
lost, and what it remembers cannot be written. Every withheld value is a canary, and each client knows which record it has
asked for. A file that is cut inside a line, or is not text, must not be read for another one. When the faults are over, the
upstream's model of today is served to everybody.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sqlite3
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
from aiohttp import web

from gateway.errors import ConfigurationError
from gateway.sandbox.rows import Row, Tables
from gateway.store.configuration import Configuration, load_configuration
from tests.model_upstream import ModelUpstream
from tests.modelled import ROLE, listing, member, modelled, photo, profile, tables
from tests.support import Harness, until

CANARY = "canary"
LISTINGS = 14
CLIENTS = 4
#: What a client of a gateway in trouble may be told.
STATUSES = frozenset({200, 404, 410, 501, 502, 503, 504})


@dataclass
class Told:
    """What clients were told during one schedule."""

    statuses: Counter[int] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    #: Starts on spoiled files that were refused.
    refused: int = 0


def database() -> Tables:
    """Half of the listings are closed; of these, and of what is hidden on the others, every value is a canary."""
    rows: list[Row] = []
    photos: list[Row] = []
    for number in range(LISTINGS):
        closed = number % 2 == 1
        key = f"{CANARY}-{number}" if closed else f"L{number:02d}"
        rows.append(
            listing(key, StandardStatus="Closed" if closed else "Active", City=CANARY if closed else f"City {key}",
                    PropertyType="Land" if number % 4 == 0 else "Farm", ListPrice=CANARY if number % 4 == 0 else number)
        )  # fmt: skip
        photos += [
            photo(key, order, MediaURL=f"{CANARY}/{order}" if closed or order > 2 else f"{key}/{order}",
                  **({"key": f"{CANARY}-{key}-{order}"} if closed or order > 2 else {}))
            for order in (3, 1, 2)
        ]  # fmt: skip
    return tables(Property=rows, Media=photos, Member=[member("M1"), member(f"{CANARY}-M", MemberStatus="Inactive")])


class Unsteady(ModelUpstream):
    """``trouble`` answers in place of the model, or spoils what it answers."""

    def __init__(self, rows: Tables) -> None:
        super().__init__(rows)
        self.trouble: Callable[[web.BaseRequest, web.Response], Awaitable[web.StreamResponse]] | None = None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        response = await super().handle(request)
        if self.trouble is None or not isinstance(response, web.Response):
            return response
        return await self.trouble(request, response)


def _spoiled(response: web.Response, change: Callable[[bytes], bytes]) -> web.Response:
    body = response.body if isinstance(response.body, bytes) else b""
    return web.Response(body=change(body), headers={"Content-Type": "application/json"})


def troubles(rng: random.Random) -> dict[str, Callable[[web.BaseRequest, web.Response], Awaitable[web.StreamResponse]]]:
    async def dies(request: web.BaseRequest, _response: web.Response) -> web.StreamResponse:
        if request.transport is not None:
            request.transport.close()
        return web.Response(status=500, text=CANARY)

    async def fails(_request: web.BaseRequest, _response: web.Response) -> web.StreamResponse:
        return web.Response(status=rng.choice((400, 401, 404, 429, 500, 503)), text=f"{CANARY} in {CANARY}")

    async def late(_request: web.BaseRequest, response: web.Response) -> web.StreamResponse:
        await asyncio.sleep(rng.random() * 0.2)
        return response

    async def cut(_request: web.BaseRequest, response: web.Response) -> web.StreamResponse:
        return _spoiled(response, lambda body: body[: rng.randint(0, len(body))])

    async def page(_request: web.BaseRequest, _response: web.Response) -> web.StreamResponse:
        return web.Response(text=f"<html>{CANARY}</html>", content_type="text/html")

    async def everything(_request: web.BaseRequest, response: web.Response) -> web.StreamResponse:
        """Rows that nobody asked for, as a server sends them whose filter is broken."""
        whole = database()
        name = "Media" if b"MediaKey" in (response.body or b"") else "Property"  # type: ignore[operator]  # bytes here
        return web.json_response({"value": whole[name]})

    async def stray(_request: web.BaseRequest, response: web.Response) -> web.StreamResponse:
        """A second answer on the connection that nobody asked for (C303)."""
        return _spoiled(response, lambda body: body + b'HTTP/1.1 200 OK\r\n\r\n{"value":[{"ListingKey":"canary"}]}')

    return {
        "dies": dies,
        "fails": fails,
        "late": late,
        "cut": cut,
        "page": page,
        "everything": everything,
        "stray": stray,
    }


async def _client(gateway: Harness, rng: random.Random, told: Told, stop: asyncio.Event) -> None:
    while not stop.is_set():
        number = rng.randrange(LISTINGS)
        key = f"{CANARY}-{number}" if number % 2 else f"L{number:02d}"
        target = rng.choice((f"Property('{key}')", "Property?$expand=Media", f"Property('{key}')/Media", "Property?$orderby=City desc", "Media",
                             f"Property?$filter=ListingKey eq '{key}'", "Property/$count", "Property?$top=3&$skip=1", "$metadata", "Field?$top=2"))  # fmt: skip
        try:
            async with asyncio.timeout(None if rng.random() < 0.85 else rng.random() * 0.05):
                answer = await gateway.get(target, "limited")
                _note(told, target, key, answer.status, answer.body, str(answer.headers))
                while answer.status == 200 and b"nextLink" in answer.body and rng.random() < 0.7:
                    answer = await gateway.follow(answer, "limited")
                    _note(told, target, key, answer.status, answer.body, str(answer.headers))
        except (TimeoutError, aiohttp.ClientError):
            continue  # the client has hung up


def _note(told: Told, target: str, key: str, status: int, body: bytes, headers: str) -> None:
    told.statuses[status] += 1
    said = body.replace(key.encode(), b"") if key.startswith(CANARY) else body
    if CANARY.encode() in said or CANARY in headers:
        told.wrong.append(f"{target}: {body[:300]!r}")
    if status not in STATUSES:
        told.wrong.append(f"{target}: status {status}: {body[:200]!r}")
    if status == 200 and target == f"Property('{key}')" and json.loads(body)["ListingKey"] != key:
        told.wrong.append(f"{target}: another's answer: {body[:200]!r}")


def _spoil_file(directory: Path, rng: random.Random, told: Told) -> None:
    """Cuts, overwrites or removes a file of the configuration, and reads what is left as a start would: it must be
    refused, or be all that there was. (Between two lines a YAML file may be cut unseen: docs/operations.md.)"""
    whole = load_configuration(directory, {})
    path = rng.choice(sorted(path for path in directory.rglob("*") if path.is_file()))
    text = path.read_bytes()
    match rng.choice(("cut", "cut", "cut", "garbage", "gone")):
        case "cut":
            places = [place for place in range(len(text)) if place == 0 or text[place - 1 : place] != b"\n"]
            path.write_bytes(text[: rng.choice(places)])
        case "garbage":
            path.write_bytes(rng.randbytes(200))
        case "gone":
            path.unlink()
    try:
        left = load_configuration(directory, {})
    except ConfigurationError:
        told.refused += 1
    else:
        # A role, template or syndication to which nothing refers may be gone.
        if path.exists() and _said(left) != _said(whole):
            told.wrong.append(f"{path.name} is read, {len(path.read_bytes())} of {len(text)} bytes")
        if not path.exists() and _granted(left) != _granted(whole):
            told.wrong.append(f"{path.name} is gone, and keys may do something else")
    finally:
        path.write_bytes(text)


def _said(read: Configuration) -> object:
    return read.settings, read.roles, read.templates, read.syndications, read.keys, read.rules


def _granted(read: Configuration) -> object:
    """What each key has: of the files that nothing refers to, nothing."""
    found = {}
    for key in read.keys.values():
        template = read.templates.get(key.Template or "")
        role = read.roles[key.Role or (template.document.Role if template else "")]
        syndication = read.syndications.get(template.document.SyndicationId or "") if template else None
        found[key.Id] = (key, template, role, syndication)
    return found, read.settings, read.rules


async def _forgets(state: Path, upstream: Unsteady, rng: random.Random) -> None:
    """The database is locked by somebody, or its directory is away, while the upstream's model changes."""
    document, away = upstream.metadata, state.with_name("away")
    assert document is not None
    locked = rng.random() < 0.5
    other = sqlite3.connect(state / "gateway.db", isolation_level=None)
    if locked:
        other.execute("BEGIN IMMEDIATE")
    else:
        state.rename(away)  # noqa: ASYNC240  # of the test's own disk, in no time
    upstream.metadata = _with(document, "New")
    await asyncio.sleep(rng.random() * 0.1)
    if not locked:
        away.rename(state)
    other.close()
    upstream.metadata = document


async def _faults(
    upstream: Unsteady, gateway: Harness, rng: random.Random, told: Told, count: int, directory: Path
) -> None:
    document = upstream.metadata
    assert document is not None
    for _ in range(count):
        await asyncio.sleep(rng.random() * 0.05)
        kinds = troubles(rng)
        name = rng.choice((*kinds, "no metadata", "half the model", "clock", "over", "a file", "memory"))
        told.faults[name] += 1
        if name in kinds:
            upstream.trouble = kinds[name]
        elif name == "clock":
            gateway.now[0] += rng.choice((-10_000.0, 3_600.0, 100_000.0, -1.0))
        elif name == "over":
            upstream.trouble = None
        elif name == "a file":
            _spoil_file(directory, rng, told)
        elif name == "memory":
            await _forgets(directory.parent / "state", upstream, rng)
        else:
            upstream.metadata = (
                None if name == "no metadata" else document.replace(b'Name="StandardStatus"', b'Name="Status"')
            )
            await asyncio.sleep(rng.random() * 0.1)
            upstream.metadata = document
    upstream.trouble = None
    # Whatever broke, the model of today is served in the end: this one has a field that no schedule has shown before.
    upstream.metadata = _with(document, "Last")


def _with(document: bytes, name: str) -> bytes:
    return document.replace(b"</EntityType>", f'<Property Name="{name}" Type="Edm.String"/></EntityType>'.encode(), 1)


def _is_served(gateway: Harness, name: str) -> bool:
    schema = gateway.service.snapshot.schema
    return schema is not None and any(field == name for _, field in schema.properties())


async def run_schedule(seed: int, directory: Path, faults: int = 12) -> Told:
    """One schedule; what was wrong is in what it gives."""
    rng = random.Random(seed)
    told = Told()
    upstream = Unsteady(database())
    settings = {
        "upstream": {"read_timeout": 0.5, "connect_timeout": 0.5, "force_close": rng.random() < 0.5,
                     "metadata_refresh": 0.02, "metadata_retry": 0.02},
        "requests": {"page_size": 3},
    }  # fmt: skip
    trusted: dict[str, Any] = profile() if rng.random() < 0.7 else {}
    role = {**ROLE, "Field": {"Fields": {"All": {"Visible": ["FieldName", "ModificationTimestamp"]}}}}
    (directory.parent / "state").mkdir(parents=True)
    async with modelled(
        directory, {}, role=role, trusted=trusted, settings=settings, limit=2, upstream=upstream,
        state=directory.parent / "state",
    ) as (gateway, _):  # fmt: skip
        stop = asyncio.Event()
        clients = [
            asyncio.create_task(_client(gateway, random.Random(seed * 10 + n), told, stop)) for n in range(CLIENTS)
        ]
        await _faults(upstream, gateway, rng, told, faults, directory)
        stop.set()
        await asyncio.gather(*clients)
        try:
            await until(lambda: _is_served(gateway, "Last"))
        except TimeoutError:
            told.wrong.append("when all was over: the upstream's model of today is not served")
        after = await gateway.get("Property?$select=ListingKey&$orderby=ListingKey&$top=3", "limited")
        if after.status != 200 or [row["ListingKey"] for row in after.rows] != ["L00", "L02", "L04"]:
            told.wrong.append(f"when all was over: {after}")
    return told


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.proof.faults", description=__doc__)
    parser.add_argument("--schedules", type=int, default=300)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args(arguments)
    statuses: Counter[int] = Counter()
    faults: Counter[str] = Counter()
    wrong: list[str] = []
    refused = 0
    for seed in range(options.first, options.first + options.schedules):
        with TemporaryDirectory() as name:
            told = asyncio.run(run_schedule(seed, Path(name) / "config"))
        statuses += told.statuses
        faults += told.faults
        refused += told.refused
        wrong += [f"schedule {seed}: {text}" for text in told.wrong]
        if (seed + 1) % 25 == 0:
            print(f"{seed + 1 - options.first} schedules, {statuses.total():,} answers, {len(wrong)} wrong", flush=True)
    print(f"schedules  {options.schedules}")
    print(f"answers    {', '.join(f'{status} {number:,}' for status, number in sorted(statuses.items()))}")
    print(f"faults     {', '.join(f'{name} {number:,}' for name, number in sorted(faults.items()))}")
    print(f"starts     {refused:,} on spoiled files, refused")
    print("\n".join(wrong) or "nothing that the policy forbids has left")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
