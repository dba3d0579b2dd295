"""Gateways as processes of their own, ended by their own process ids; and proof that what they acknowledged is kept.

``python -m tests.processes --writes 200`` kills one with SIGKILL again and again while four writers are at it.
``python -m tests.processes --reloads 1000 --restarts 100`` reloads and replaces workers while four clients ask.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import shutil
import signal
import socket
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from gateway.cli.demo import DEMO_PEPPER
from gateway.sandbox.rows import make_tables
from gateway.sandbox.server import Sandbox
from gateway.workers.control import ask
from tests.load import load
from tests.managed import SEED, STAFF
from tests.support import REPOSITORY, ROOT, TOKEN_KEY, key_file, sandbox_running, write_configuration


@dataclass
class Process:
    """``gateway serve``, ready."""

    process: asyncio.subprocess.Process
    clients: str
    admin: str
    control: Path
    environment: dict[str, str]

    async def kill(self) -> None:
        """Ends it and its workers at once, as a machine does that loses its power."""
        os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()

    async def metric(self, name: str) -> float:
        """The sum of a metric over all its labels."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.root}/metrics") as response:
            lines = (await response.text()).splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if re.match(rf"{name}(\{{.*\}})? ", line))

    async def ready(self) -> dict[str, Any]:
        async with aiohttp.ClientSession() as session, session.get(f"{self.root}/readyz") as response:
            told: dict[str, Any] = await response.json()
            return told

    @property
    def port(self) -> int:
        """Where clients are listened to."""
        return int(self.environment["GATEWAY__LISTEN__PORT"])

    @property
    def root(self) -> str:
        return self.admin.removesuffix("/v1/developers")

    async def workers(self) -> set[int]:
        """The process ids of its workers."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        found = listed.read_text(encoding="ascii")  # noqa: ASYNC240  # of memory
        return {int(number) for number in found.split()}


def _port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@asynccontextmanager
async def serving(
    directory: Path,
    upstream: str,
    database_url: str | None,
    workers: int = 1,
    program: Sequence[str | Path] = (sys.executable, "-m", "gateway"),
    **settings: str,
) -> AsyncIterator[Process]:
    """A service on a configuration; SIGTERM at the end, unless it is gone by then.
    It is ready, or is at least there where the settings say that nobody answers its upstream yet (``ABSENT``).
    """
    wanted = 503 if settings.pop("ABSENT", "") else 200
    listen, admin = _port(), _port()
    short = Path(tempfile.mkdtemp(prefix="gw"))  # the path of a Unix socket has at most 107 bytes
    environment = {
        **os.environ, "GATEWAY__PUBLIC_URL": f"http://127.0.0.1:{listen}{ROOT}", "GATEWAY__LISTEN__PORT": str(listen),
        "GATEWAY__ADMIN__PORT": str(admin), "GATEWAY__UPSTREAM__URL": upstream,
        **({"GATEWAY__STORE__URL": database_url} if database_url else {}),
        "GATEWAY__WORKERS__COUNT": str(workers), "GATEWAY__WORKERS__CONTROL": str(short / "control"),
        **{f"GATEWAY__{name}": value for name, value in settings.items()},
        "GATEWAY__SECURITY__KEY_PEPPER": DEMO_PEPPER, "GATEWAY__SECURITY__TOKEN_KEYS": TOKEN_KEY, "GATEWAY__LOG__LEVEL": "warning",
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        *program, "serve", "--config", directory,
        cwd=REPOSITORY, env=environment, start_new_session=True,
    )  # fmt: skip
    try:
        found = Process(
            process,
            f"http://127.0.0.1:{listen}{ROOT}",
            f"http://127.0.0.1:{admin}/v1/developers",
            short / "control",
            environment,
        )
        await _ready(process, admin, found.control, wanted)
        yield found
    finally:
        if process.returncode is None:
            process.terminate()
            await _ended(process)
        shutil.rmtree(short)


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Waits for the end, longer than any setting lets it take; what has not ended by then hangs."""
    try:
        async with asyncio.timeout(100):
            await process.wait()
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)
        raise AssertionError("the service did not end") from None


async def _ready(process: asyncio.subprocess.Process, admin: int, control: Path, status: int) -> None:
    """Waits until every worker serves: the control socket is there from then on."""
    async with aiohttp.ClientSession() as session:
        for _ in range(600):
            assert process.returncode is None, f"serve ended with {process.returncode}"
            with suppress(aiohttp.ClientError):
                async with session.get(f"http://127.0.0.1:{admin}/readyz") as response:
                    if response.status == status and control.exists():  # noqa: ASYNC240  # in no time
                        return
            await asyncio.sleep(0.05)
    raise AssertionError("serve did not become ready")


@dataclass
class Kept:
    """What was acknowledged: template to (revision, name); how many writes, and how often the process was killed."""

    acknowledged: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    writes: int = 0
    unknown: int = 0
    kills: int = 0
    lost: list[str] = field(default_factory=list)


async def survive(directory: Path, database_url: str, writes: int, seed: int = 1) -> Kept:
    """Writes until so many are acknowledged, under SIGKILL at random moments; then looks for each of them."""
    rng, kept = random.Random(seed), Kept()
    write_configuration(directory, {"keys.yaml": key_file(**STAFF)})
    async with sandbox_running(Sandbox(make_tables(listings=5))) as sandbox:
        while kept.writes < writes:
            async with serving(directory, sandbox.url, database_url) as process:
                await _check(process, kept)
                until = kept.writes + rng.randint(4, 16)
                tasks = [asyncio.create_task(_write(process, kept, random.Random(rng.random()))) for _ in range(4)]
                while kept.writes < until and not all(task.done() for task in tasks):  # noqa: ASYNC110  # nobody would set an event
                    await asyncio.sleep(0.001)
                await asyncio.sleep(rng.random() * 0.02)
                await process.kill()
                kept.kills += 1
                await asyncio.gather(*tasks, return_exceptions=True)
        async with serving(directory, sandbox.url, database_url) as process:
            await _check(process, kept)
    return kept


async def _write(process: Process, kept: Kept, rng: random.Random) -> None:
    """Makes and renames templates until the process is gone."""
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer staff"}) as session:
        for _ in range(1000):
            name = f"name {rng.random()}"
            identity = rng.choice([*kept.acknowledged, ""]) if len(kept.acknowledged) >= 3 else ""
            body = {"D": {"Name": name}} if identity else {"D": {**SEED, "Name": name}}
            method, path = ("PUT", f"/templates/{identity}") if identity else ("POST", "/templates")
            try:
                async with session.request(method, process.admin + path, json=body) as response:
                    answer = await response.json()
            except aiohttp.ClientError:
                kept.unknown += 1
                return
            if response.status in (200, 201):
                where = identity or answer["D"]["Results"][0]["ResourceUri"].rpartition("/")[2]
                kept.acknowledged.setdefault(where, []).append((int(response.headers["ETag"].strip('"')), name))
                kept.writes += 1
            elif response.status != 409:  # of two writers one is told
                kept.lost.append(f"{method} {path}: {response.status} {answer}")


async def _check(process: Process, kept: Kept) -> None:
    """Every acknowledged write is in the history, and the last of each template is what it is, or what came after."""
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer staff"}) as session:
        for identity, written in kept.acknowledged.items():
            entries: dict[int, Any] = {}
            async with session.get(f"{process.admin}/templates/{identity}/history?_limit=1000") as response:
                for entry in (await response.json())["D"].get("Results", []):
                    entries[entry["Revision"]] = entry["ChangedValues"].get("Name", {}).get("After")
            kept.lost += [
                f"{identity} {revision} {name}" for revision, name in written if entries.get(revision) != name
            ]
            async with session.get(f"{process.admin}/templates/{identity}") as response:
                found = (await response.json())["D"]["Results"][0]["Name"]
            if found != entries.get(max(entries, default=0)):
                kept.lost.append(f"{identity} is {found}, its history says {entries}")


TEMPLATE: dict[str, Any] = {"Name": "t", "Description": "t", "Role": "idx"}


async def turn_over(directory: Path, reloads: int, restarts: int) -> dict[str, Any]:
    """A service under load whose files change again and again, and whose workers are replaced: what was lost of it."""
    write_configuration(directory, {"templates/t.json": {"D": TEMPLATE}, "keys.yaml": key_file(reader="Template: t")})
    beside = directory / ".t.json"
    how: Counter[str] = Counter()
    async with (
        sandbox_running(Sandbox(make_tables(listings=5))) as sandbox,
        serving(directory, sandbox.url, None, 2, WORKERS__WATCH="false", WORKERS__DRAIN_IDLE="0.5") as found,
        load(f"{found.clients}/Property?$top=1&$select=ListingKey", "reader") as seen,
    ):
        for turn in range(reloads):
            beside.write_text(json.dumps({"D": {**TEMPLATE, "Description": f"turn {turn}"}}), encoding="utf-8")
            beside.rename(directory / "templates/t.json")
            how[(await ask(found.control, "reload")).how] += 1
        for _ in range(restarts):
            how[(await ask(found.control, "restart")).how] += 1
    return {"requests": sum(seen.answers.values()), "connections": seen.connections, "how": how, "lost": seen.failed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--writes", type=int, default=200)
    parser.add_argument("--reloads", type=int, default=0)
    parser.add_argument("--restarts", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.reloads or options.restarts:
        with tempfile.TemporaryDirectory() as folder:
            told = asyncio.run(turn_over(Path(folder) / "config", options.reloads, options.restarts))
        print(json.dumps(told))
        sys.exit(bool(told["lost"]))
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/gateway.db"
        kept = asyncio.run(survive(Path(folder) / "config", url, options.writes, options.seed))
    print(json.dumps({"writes": kept.writes, "unknown": kept.unknown, "kills": kept.kills, "lost": kept.lost}))
    sys.exit(bool(kept.lost))


if __name__ == "__main__":
    main()
