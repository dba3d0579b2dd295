"""The way from the demo to a service on one machine, as docs/operations.md tells it: every command, in a stranger's clone."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.interop.postgres import postgres_running
from tests.interop.test_redis import Redis
from tests.support import REPOSITORY, free_ports

pytestmark = pytest.mark.interop
PAGE = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
GUIDE = PAGE[PAGE.index("## From the demo") : PAGE.index("## Verbs")]


@contextmanager
def neighbours() -> Iterator[dict[str, str]]:
    """What a distribution would have started; the ports of the page, and those of today."""
    clients, admin, sandbox, prometheus = free_ports(4)
    with tempfile.TemporaryDirectory(prefix="gw") as folder, postgres_running() as url:
        redis = Redis(folder)
        redis.start()
        try:
            base = url.removeprefix("postgresql://").rpartition("@")[2].rstrip("/")
            yield {
                "127.0.0.1:5432": base, "127.0.0.1:6379": f"127.0.0.1:{redis.port}", "127.0.0.1:8080": f"127.0.0.1:{clients}",
                "127.0.0.1:8081": f"127.0.0.1:{admin}", "127.0.0.1:9090": f"127.0.0.1:{prometheus}", "8082": str(sandbox),
                "url": url, "clients": str(clients), "admin": str(admin),
            }  # fmt: skip
        finally:
            redis.stop()


async def database(url: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(f"{url}/postgres")
    await connection.execute("CREATE DATABASE gateway")
    await connection.close()


def test_every_command_of_the_way_to_a_service(tmp_path: Path) -> None:
    commands = re.findall(r"^```sh\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    clone = tmp_path / "clone"
    for name in subprocess.run(
        ["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.splitlines():
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, clone / name)
    with neighbours() as here:
        asyncio.run(database(here["url"]))
        url, clients, admin = here.pop("url"), here.pop("clients"), here.pop("admin")
        assert url.startswith("postgresql://gateway@")
        lines = ["set -euo pipefail", f"export GATEWAY__LISTEN__PORT={clients} GATEWAY__ADMIN__PORT={admin}"]
        for number, block in enumerate(commands):
            text = block.replace("\n\n", "\n")
            for there, now in here.items():
                text = text.replace(there, now)
            lines += [f"echo '--- {number}'", text]
        lines += ["while pgrep --full 'gateway serve --config my-config' > pids; do sleep 0.2; done", "echo done"]
        (clone / "all.sh").write_text("\n".join(lines), encoding="utf-8")
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("GATEWAY", "PYTHON", "VIRTUAL_ENV"))
        }
        environment["PATH"] = f"{environment['PATH']}:{REPOSITORY}/.venv/debian/usr/bin"
        environment["GATEWAY__UPSTREAM__URL"] = f"http://127.0.0.1:{here['8082']}/Reso/OData"
        with (tmp_path / "told").open("w+") as told:
            process = subprocess.Popen(
                ["bash", "all.sh"], cwd=clone, env=environment, stdout=told, stderr=told, start_new_session=True
            )
            try:
                process.wait(timeout=240)
            finally:
                os.killpg(process.pid, signal.SIGTERM)
                told.seek(0)
                output = told.read()

    log = (clone / "gateway.log").read_text(encoding="utf-8")
    assert output.rstrip().endswith("done"), output[-3000:] + log[-2000:]
    assert "ListingKey" in output
    assert re.search("every worker serves the files|nothing has changed", output)  # the watch may have been faster
    assert "new workers serve the files" in output
    assert "Acme Portals" in output
    assert re.search(r"^failed", output, re.MULTILINE) is None
    assert '"event":"request"' in (clone / "decisions.log").read_text(encoding="ascii")
    assert len(commands) >= 9
