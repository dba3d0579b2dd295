"""``gateway serve`` as real processes: two on one database, and one that is killed."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.sandbox.rows import make_tables
from gateway.sandbox.server import Sandbox
from tests.managed import SEED, STAFF
from tests.processes import serving, survive
from tests.support import REPOSITORY, key_file, sandbox_running, write_configuration


@pytest.mark.guarantee("G7")
async def test_what_one_process_saves_the_other_enforces_within_a_second(directory: Path, database_url: str) -> None:
    """A second by the clock of the wall: it is what is promised, so it is what is waited."""
    write_configuration(directory, {"keys.yaml": key_file(**STAFF)})
    async with (
        sandbox_running(Sandbox(make_tables(listings=10))) as sandbox,
        serving(directory, sandbox.url, database_url) as one,
        serving(directory, sandbox.url, database_url) as two,
        aiohttp.ClientSession() as session,
    ):

        async def staff(method: str, path: str, body: Any = None) -> Any:
            sent = None if body is None else {"D": body}
            headers = {"Authorization": "Bearer staff"}
            async with session.request(method, one.admin + path, headers=headers, json=sent) as response:
                assert response.status < 300, await response.text()
                return (await response.json())["D"].get("Results", [{}])[0]

        async def asked(secret: str) -> int:
            async with session.get(
                f"{two.clients}/Property?$select=ListPrice", headers={"Authorization": f"Bearer {secret}"}
            ) as response:
                return response.status

        uri = (await staff("POST", "/templates", {**SEED, "FieldOverrides": None}))["ResourceUri"].removeprefix(
            "/v1/developers"
        )
        key = await staff("POST", "/keys", {"Template": uri.rpartition("/")[2]})
        found = []
        for method, path, body in (
            ("PUT", f"{uri}/FieldOverrides", {"Property": {"All": {"ListPrice": {"Rule": "Hidden"}}}}),
            ("POST", f"/keys/{key['Id']}/disable", None),
        ):
            await asyncio.sleep(1)
            found.append(await asked(key["Secret"]))
            await staff(method, path, body)
        await asyncio.sleep(1)
        found.append(await asked(key["Secret"]))

    assert found == [200, 400, 401]


@pytest.mark.guarantee("G7")
async def test_an_acknowledged_save_survives_a_kill(directory: Path, database_url: str) -> None:
    """Two kills here; `make prove` and `make interop` go on to two hundred saves."""
    kept = await survive(directory, database_url, writes=12)

    assert kept.lost == []
    assert kept.kills >= 1
    assert kept.writes >= 12


async def reload(directory: Path, environment: dict[str, str], *options: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "reload", "--config", directory, *options,
        cwd=REPOSITORY, env=environment, stdout=PIPE, stderr=STDOUT,
    )  # fmt: skip
    told, _ = await process.communicate()
    return process.returncode or 0, told.decode()


async def test_reload_tells_what_came_of_it(directory: Path) -> None:
    write_configuration(directory, {"keys.yaml": key_file(**STAFF)})
    role = directory / "roles/idx.yaml"
    async with (
        sandbox_running(Sandbox(make_tables(listings=5))) as sandbox,
        serving(directory, sandbox.url, None, WORKERS__WATCH="false") as service,
    ):
        arguments = directory, service.environment
        unchanged = await reload(*arguments)
        role.write_text(role.read_text(encoding="utf-8") + "# a line\n", encoding="utf-8")
        swapped = await reload(*arguments)
        refreshed = await reload(*arguments, "--metadata")
        text = role.read_text(encoding="utf-8").replace("  Property:", "  Propperty:", 1)
        role.write_text(text, encoding="utf-8")
        refused = await reload(*arguments, "--workers")
    role.write_text(text.replace("Propperty", "Property"), encoding="utf-8")
    gone = await reload(*arguments)

    assert unchanged == (0, "nothing has changed\n")
    assert swapped == (0, "every worker serves the files\n")
    assert refreshed == (0, "every worker has the upstream's metadata of now\n")
    assert refused[0] == 78
    assert "Propperty" in refused[1]
    assert gone[0] == 69
    assert "no service listens here" in gone[1]
