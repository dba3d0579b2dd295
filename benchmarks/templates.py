"""Many templates: how long a start takes, and how long one changed template takes to be in force.

``python -m benchmarks.templates --templates 10000`` prints a table; docs/administration.md quotes it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
from sqlalchemy import insert

from gateway.edge.service import Service
from gateway.sandbox.rows import make_tables
from gateway.sandbox.server import Sandbox
from gateway.store.database import TEMPLATES, Database
from gateway.store.stored import Library, Merger, read_library
from tests.managed import STAFF
from tests.support import configuration, key_file, sandbox_running, write_configuration

_CHANGES = 20
_ROLES = ("idx", "vow", "public", "portal", "private")


def document(number: int) -> str:
    """Templates that differ in role, filter and overrides, as those of many brokers do."""
    classes = ("Residential", "Land", "All")
    return json.dumps({
        "Name": f"Template {number}", "Description": "one of many", "Role": _ROLES[number % 5], "ListingPhotoLimit": number % 7 or None,
        "RestrictiveFilters": {"Property": {"Filter": f"StandardStatus eq 'Active' and ListOfficeKey eq 'O{number:05}'"}},
        "FieldOverrides": {"Property": {classes[number % 3]: {"ListPrice": {"Rule": "Hidden"}, "City": {"Rule": "Visible"}}}},
    })  # fmt: skip


@contextmanager
def timed(what: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    print(f"| {what} | {time.perf_counter() - started:.2f} s |", flush=True)


async def measure(folder: Path, count: int) -> None:
    url = f"sqlite:///{folder}/gateway.db"
    directory = write_configuration(folder / "config", {"keys.yaml": key_file(**STAFF)})
    async with Database(url) as database, database.writing() as connection:
        rows = [
            {
                "id": f"2026{number:022}",
                "mls_id": "mls",
                "document": document(number),
                "revision": 1,
                "created": "c",
                "modified": "m",
            }
            for number in range(count)
        ]
        await connection.execute(insert(TEMPLATES), rows)
    print(f"| {count} templates | |\n|---|---|")
    async with sandbox_running(Sandbox(make_tables(listings=20))) as sandbox:
        files = configuration(directory, sandbox.url, STORE__URL=url)
        async with Database(url) as database:
            with timed("read from the database"):
                library = await read_library(database, Library())
        with timed("checked as documents"):
            Merger(files).merged(library)
        del library
        service = Service(files)
        with timed("start: read, compiled, in force"):
            await service.__aenter__()
        try:
            print(f"| policies in force | {len(service.snapshot.policies)} |")
            print(f"| memory of the process | {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB |")
            await _change(service, count)
        finally:
            await service.__aexit__(None, None, None)


async def _change(service: Service, count: int) -> None:
    """A PUT is answered when it is in force; policies that are not the very same were compiled for it."""
    compiled: set[int] = set()
    took = []
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer staff"}) as session:
        for number in range(_CHANGES):
            identity = f"2026{number * (count // _CHANGES):022}"
            target = f"http://127.0.0.1:{service.admin.port}/v1/developers/templates/{identity}"
            before = service.snapshot.policies
            started = time.perf_counter()
            async with session.put(target, json={"D": {"ListingPhotoLimit": 50 + number}}) as response:
                assert response.status == 200, await response.text()
            took.append(time.perf_counter() - started)
            after = service.snapshot.policies
            assert after[f"template:{identity}"].photo_limit == 50 + number
            compiled.add(sum(after[name] is not before.get(name) for name in after))
    print(
        f"| one template changed over the API and in force, median of {_CHANGES} | {statistics.median(took) * 1000:.0f} ms |"
    )
    print(f"| the slowest of them | {max(took) * 1000:.0f} ms |")
    print(f"| policies compiled for each | {', '.join(map(str, sorted(compiled)))} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--templates", type=int, default=10_000)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder), parser.parse_args().templates))


if __name__ == "__main__":
    main()
