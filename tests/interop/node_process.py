"""Servers on Node that nobody here wrote, each a process of its own."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.interop.node import installed, node

_HERE = Path(__file__).resolve().parent / "node"


@asynccontextmanager
async def node_running(script: str, directory: Path) -> AsyncIterator[int]:
    """The port of ``script DIRECTORY``, a process of its own that ends with the test.

    It says ``port N`` once it listens; what it complains about is in ``errors.txt`` of the directory.
    """
    folder = await asyncio.to_thread(installed, _HERE)
    errors = directory / "errors.txt"
    with errors.open("wb") as complaints:
        process = await asyncio.create_subprocess_exec(
            node(),
            _HERE / script,
            directory,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env={**os.environ, "NODE_ENV": "development"},
        )
    assert process.stdout is not None
    try:
        port = await asyncio.wait_for(_port(process.stdout), 60)
        assert port is not None, errors.read_text(encoding="utf-8", errors="replace")
        rest = asyncio.create_task(process.stdout.read())  # a full pipe would stop the server
        yield port
        rest.cancel()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _port(output: asyncio.StreamReader) -> int | None:
    async for line in output:
        if line.startswith(b"port "):
            return int(line.split()[1])
    return None
