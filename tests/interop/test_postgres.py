"""One suite for both databases: what ``make test`` says of SQLite is said here of a real PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import postgres_database
from tests.interop.postgres import postgres_running
from tests.processes import survive
from tests.support import REPOSITORY

#: Whatever has to do with the database.
SUITE = (
    "tests/store", "tests/admin", "tests/edge/test_administration.py", "tests/edge/test_publication.py",
    "tests/cli/test_serve.py", "tests/test_administration_page.py",
)  # fmt: skip

pytestmark = pytest.mark.interop


@pytest.mark.guarantee("G7", "G8")
def test_the_suite_of_the_database_passes_on_postgresql() -> None:
    with postgres_running() as server:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-n", "2", "-m", "not interop", *SUITE],
            cwd=REPOSITORY, env={**os.environ, "GATEWAY_TEST_POSTGRES": server}, capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert done.returncode == 0, done.stdout[-8000:]


@pytest.mark.guarantee("G7")
async def test_acknowledged_saves_survive_kills_on_postgresql(directory: Path) -> None:
    with postgres_running() as server:
        async with postgres_database(server) as url:
            kept = await survive(directory, url, writes=60)

    assert kept.lost == []
    assert kept.writes >= 60
    assert kept.kills >= 3
