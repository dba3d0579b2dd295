"""Clients that nobody here wrote get through the gateway what their key may see, page after page, and no more."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.sandbox.rows import Row, Tables, make_tables, sandbox_schema
from gateway.sandbox.server import Sandbox
from tests.interop import node
from tests.support import CONFIG, REPOSITORY, ROOT, Harness, configuration, running, sandbox_running

pytestmark = pytest.mark.interop

KEYS = ("demo-idx", "demo-vow", "demo-private")
PROGRAMS = REPOSITORY / "tests" / "interop" / "clients"
#: Small, so that every client has links to follow.
PAGE = 7
SECONDS = 120
#: Both are there for every key. Some clients double no quote in a key, or encode no slash: they get the plain one.
ODD, PLAIN = "L00000's/#0", "L00003"


@asynccontextmanager
async def gateway_running() -> AsyncIterator[Harness]:
    """A gateway whose links lead to itself: what clients follow are absolute addresses, so the port is fixed before."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with sandbox_running(Sandbox()) as sandbox:
        settings = configuration(
            CONFIG,
            sandbox.url,
            LISTEN__PORT=str(port),
            PUBLIC_URL=f"http://127.0.0.1:{port}{ROOT}",
            REQUESTS__PAGE_SIZE=str(PAGE),
        )
        async with running(settings) as gateway:
            yield gateway


def root_of(gateway: Harness) -> str:
    return f"http://127.0.0.1:{gateway.service.listener.port}{ROOT}"


@dataclass(frozen=True)
class Done:
    status: int
    output: str
    errors: str


async def run(*command: str | Path, cwd: Path, **environment: str) -> Done:
    """A program of its own: the gateway lives in the event loop of the test, which must not wait for a client."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), SECONDS)
    except BaseException:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return Done(process.returncode, output.decode(), errors.decode())


async def answered(*command: str | Path, cwd: Path) -> dict[str, Any]:
    """What a client's program printed."""
    done = await run(*command, cwd=cwd)
    assert done.status == 0, done.errors
    answer: dict[str, Any] = json.loads(done.output)
    return answer


@pytest.fixture(scope="session")
def packages() -> Path:
    return node.installed(PROGRAMS)


@pytest.fixture
def workspace(packages: Path, tmp_path: Path) -> Path:
    """The programs for Node beside their packages; nothing is written into the repository."""
    for program in PROGRAMS.iterdir():
        if program.suffix in (".js", ".json", ".mjs", ".ts"):
            shutil.copy2(program, tmp_path / program.name)
    (tmp_path / "node_modules").symlink_to(packages / "node_modules")
    return tmp_path


# --- what a key may see, said once more and naively


@dataclass(frozen=True)
class Sight:
    key: str
    tables: Tables

    def listings(self) -> list[Row]:
        return sorted(filter(self._sees, self.tables["Property"]), key=lambda row: row["ListingKey"])

    def _sees(self, row: Row) -> bool:
        if row["ListingKey"] == "L00013":
            return False
        if self.key == "demo-private":
            return True
        if row["InternetEntireListingDisplayYN"] is not True:
            return False
        if self.key == "demo-idx":
            return row["StandardStatus"] == "Active" and "Zillow/Trulia" in row["SyndicateTo"]
        sold = row["StandardStatus"] == "Closed" and (row["CloseDate"] or "") >= "2023-01-01"
        return sold or row["StandardStatus"] in ("Active", "Active Under Contract", "Coming Soon", "Pending")

    def listing(self, key: str) -> Row:
        (row,) = (row for row in self.listings() if row["ListingKey"] == key)
        return row

    def price(self, row: Row) -> Decimal | None:
        hidden = {"demo-idx": {"Residential"}, "demo-vow": {"Residential Lease", "Commercial Lease"}}.get(self.key)
        price: Decimal | None = row["ListPrice"]
        return price if hidden is None or row["PropertyType"] in _CLASSES - hidden else None

    def chosen(self) -> list[Row]:
        """What every client asks for: San José or five bedrooms, most bedrooms first."""
        rows = [row for row in self.listings() if row["City"] == "San José" or (row["BedroomsTotal"] or 0) >= 5]
        return sorted(rows, key=lambda row: (-row["BedroomsTotal"], row["ListingKey"]))

    def media(self, listing: str) -> list[str]:
        media = [row for row in self.tables["Media"] if row["ResourceRecordKey"] == listing]
        photos = sorted((row for row in media if row["MediaCategory"] != "Document"), key=lambda row: row["Order"])
        others = [row for row in media if row["MediaCategory"] == "Document"]
        return sorted(row["MediaKey"] for row in photos[: 5 if self.key == "demo-vow" else None] + others)


_CLASSES = {"Residential", "Residential Lease", "Residential Income", "Land", "Manufactured In Park", "Farm", "Commercial Sale", "Commercial Lease",
            "Business Opportunity"}  # fmt: skip


def alike(got: object, stored: object) -> bool:
    """Whether a client's value is the stored one: each has its own types for numbers, times and lists."""
    match got, stored:
        case bool() | int() | float() | Decimal(), bool() | int() | Decimal():
            return float(got) == float(stored)
        case str(), list():
            return bool(json.loads(got) == stored)  # SQL has no lists
        case str(), {"coordinates": [longitude, latitude]}:
            # odatapy makes an object of its own of a point, SQL has text.
            return [float(number) for number in re.findall(r"-?[0-9]+\.[0-9]+", got)] == [longitude, latitude]
        case str(), Decimal():
            return Decimal(got) == stored
        case str(), str() if got != stored and stored.endswith("Z"):
            return datetime.fromisoformat(got) == datetime.fromisoformat(stored)
        case _:
            return got == stored


def check(got: Mapping[str, Any], sight: Sight, listing: str, names: set[str]) -> None:
    """All that a client said, part by part. Clients differ in what they can; none is asked for what it cannot."""
    shown = sight.listings()
    assert len(shown) > 2 * PAGE, "too few listings to follow a link twice"
    chosen = sight.chosen()
    assert len(chosen) > 10 > PAGE
    everything = sandbox_schema().type_of("Property").properties
    for part, value in got.items():
        match part:
            case "sets":
                assert set(value) == names
            case "fields":
                assert {"ListingKey", "ListPrice", "City"} <= set(value) <= set(everything)
                assert ("OwnerName" in value) is (sight.key == "demo-private")
                assert sight.key != "demo-private" or set(value) == set(everything)
            case "rows":
                assert [row["ListingKey"] for row in value] == [row["ListingKey"] for row in chosen[:10]]
                for row, stored in zip(value, chosen, strict=False):
                    assert (row["City"], row["BedroomsTotal"]) == (stored["City"], stored["BedroomsTotal"])
                    assert alike(row.get("ListPrice"), sight.price(stored))
            case "keys":
                assert value == [row["ListingKey"] for row in shown]
            case "record":
                _check_record(value, sight, sight.listing(listing))
            case "media":
                expected = {row["ListingKey"]: sight.media(row["ListingKey"]) for row in shown[:5]}
                assert {owner: sorted(media) for owner, media in value.items()} == expected
            case "navigated":
                assert sorted(value) == sight.media(listing)
            case "agent":
                assert value == sight.listing(listing)["ListAgentKey"]
            case "count":
                assert value == len(chosen)
            case "all":
                assert value == len(shown)
            case "members":
                assert value == len(sight.tables["Member"])
            case "refused":
                assert value == (None if sight.key == "demo-private" else [400, "InvalidQuery"][: len(value)])
            case _:
                pytest.fail(f"nobody checks {part}")


def _check_record(record: Mapping[str, Any], sight: Sight, stored: Row) -> None:
    said = {name: value for name, value in record.items() if value is not None and "@" not in name}
    clamped = {"PhotosCount": min(stored["PhotosCount"], 5)} if sight.key == "demo-vow" else {}
    wrong = {name: value for name, value in said.items() if not alike(value, (stored | clamped)[name])}
    assert wrong == {}
    assert len(said) > 50
    if sight.key == "demo-private":
        assert set(said) == {name for name, value in stored.items() if value is not None}
    else:
        assert "OwnerName" not in said


async def names_of_sets(gateway: Harness, key: str) -> set[str]:
    return {entry["name"] for entry in (await gateway.get("", key)).rows}


# --- the clients


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    ("client", "listing", "parts"),
    [
        ("odatapy", ODD, {"sets", "fields", "rows", "keys", "record", "media", "count", "refused"}),
        (
            "python_odata",
            PLAIN,
            {"sets", "fields", "rows", "keys", "record", "media", "navigated", "agent", "count", "refused"},
        ),
        ("sqlalchemy_odata", ODD, {"fields", "rows", "keys", "record", "count", "members"}),
    ],
)
async def test_a_client_in_python(client: str, listing: str, parts: set[str], key: str) -> None:
    async with gateway_running() as gateway:
        program = f"tests.interop.clients.with_{client}"
        got = await answered(sys.executable, "-m", program, root_of(gateway), key, listing, cwd=REPOSITORY)
        names = await names_of_sets(gateway, key)

    assert set(got) == parts
    check(got, Sight(key, make_tables()), listing, names)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    ("client", "parts"),
    [
        ("o_js", {"sets", "rows", "keys", "record", "media", "count", "refused"}),
        ("ts_odatajs", {"sets", "fields", "rows", "keys", "record", "media", "count", "all", "refused"}),
    ],
)
async def test_a_client_in_javascript(client: str, parts: set[str], key: str, workspace: Path) -> None:
    listing = ODD if client == "o_js" else PLAIN
    async with gateway_running() as gateway:
        got = await answered(node.node(), f"with_{client}.mjs", root_of(gateway), key, listing, cwd=workspace)
        names = await names_of_sets(gateway, key)

    assert set(got) == parts
    check(got, Sight(key, make_tables()), listing, names)


# --- odata2ts: a client whose types are the key's own metadata


async def generated(gateway: Harness, key: str, workspace: Path, **settings: str) -> Done:
    """The generator's run: it fetches $metadata itself, and writes TypeScript."""
    generator = workspace / "node_modules" / "@odata2ts" / "odata2ts" / "lib" / "run-cli.js"
    environment = {"SERVICE_ROOT": root_of(gateway), "API_KEY": key, "METADATA_FORMAT": "application/xml", **settings}
    return await run(node.node(), generator, cwd=workspace, **environment)


async def compiled(workspace: Path, program: str) -> Done:
    """Our program with the generated client, checked strictly and written to ``compiled/``."""
    settings = json.loads((workspace / "tsconfig.json").read_text())
    (workspace / "program.json").write_text(json.dumps({**settings, "files": [program]}))
    compiler = workspace / "node_modules" / "typescript" / "bin" / "tsc"
    return await run(node.node(), compiler, "--project", "program.json", cwd=workspace)


@pytest.mark.parametrize("key", KEYS)
async def test_a_typed_client_of_the_keys_own_metadata(key: str, workspace: Path) -> None:
    async with gateway_running() as gateway:
        generation = await generated(gateway, key, workspace)
        compilation = await compiled(workspace, "with_odata2ts.ts")
        assert (generation.status, compilation.status) == (0, 0), generation.errors + compilation.output
        program = Path("compiled", "with_odata2ts.js")
        got = await answered(node.node(), program, root_of(gateway), key, PLAIN, cwd=workspace)

    assert set(got) == {"fields", "rows", "keys", "record", "media", "count", "refused"}
    check(got, Sight(key, make_tables()), PLAIN, set())


@pytest.mark.parametrize("key", KEYS)
async def test_what_a_key_does_not_see_does_not_compile(key: str, workspace: Path) -> None:
    async with gateway_running() as gateway:
        generation = await generated(gateway, key, workspace)
    assert generation.status == 0, generation.errors

    compilation = await compiled(workspace, "owner_name.ts")

    mentions = [file.name for file in (workspace / "generated").rglob("*.ts") if "OwnerName" in file.read_text()]
    if key == "demo-private":
        assert compilation.status == 0, compilation.output
        assert mentions
    else:
        assert "Property 'OwnerName' does not exist on type 'QProperty'" in compilation.output
        assert "Type '\"OwnerName\"' is not assignable to type 'keyof Property'" in compilation.output
        assert mentions == []


async def test_the_generator_needs_no_setting_to_read_metadata(workspace: Path) -> None:
    async with gateway_running() as gateway:
        generation = await generated(gateway, "demo-idx", workspace, METADATA_FORMAT="")

    assert generation.status == 0
