"""Fixtures: the sandbox once a module, a gateway with the example configuration in front of it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_hex

import hypothesis
import pytest

from gateway.sandbox.server import Sandbox
from tests.managed import Desk, managed
from tests.support import CONFIG, REPOSITORY, Harness, configuration, running, sandbox_running

# Nothing is timed in tests, and a run that passes today passes tomorrow.
hypothesis.settings.register_profile("steady", deadline=None, derandomize=True)
hypothesis.settings.load_profile("steady")

#: The node ids of the whole suite, marks aside; None where a part of it is collected.
COLLECTED = pytest.StashKey[list[str] | None]()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep for ``tests/test_kept.py`` which tests there are, before marks leave some out."""
    is_whole = {Path(argument).resolve() for argument in config.args} <= {REPOSITORY, REPOSITORY / "tests"}
    config.stash[COLLECTED] = [item.nodeid for item in items] if is_whole else None


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with sandbox_running(Sandbox()) as started:
        yield started


@pytest.fixture
async def gateway(sandbox: Sandbox) -> AsyncIterator[Harness]:
    """The example configuration, unchanged, in front of the sandbox."""
    async with running(configuration(CONFIG, sandbox.url)) as harness:
        yield harness


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "config"


@pytest.fixture
async def database_url(tmp_path: Path) -> AsyncIterator[str]:
    """A database of the test's own: SQLite in a file, or, where ``make interop`` has started one, a PostgreSQL."""
    server = os.environ.get("GATEWAY_TEST_POSTGRES")
    if server is None:
        yield f"sqlite:///{tmp_path}/gateway.db"
        return
    async with postgres_database(server) as url:
        yield url


@pytest.fixture
async def desk(directory: Path, database_url: str) -> AsyncIterator[Desk]:
    """A gateway that is managed."""
    async with managed(directory, database_url) as found:
        yield found


@asynccontextmanager
async def postgres_database(server: str) -> AsyncIterator[str]:
    """A new database on a server, gone at the end."""
    import asyncpg  # there in the interop environment only

    name = f"gateway_{token_hex(8)}"
    connection = await asyncpg.connect(f"{server}/postgres")
    try:
        await connection.execute(f"CREATE DATABASE {name}")
        yield f"{server}/{name}"
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()
