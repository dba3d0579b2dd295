"""One suite for both databases: what ``make test`` says of SQLite is said here of a real PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.interop.postgres import postgres_running
from tests.support import REPOSITORY

#: Whatever has to do with the database.
SUITE = ("tests/store", "tests/admin", "tests/edge/test_administration.py", "tests/edge/test_publication.py")

pytestmark = pytest.mark.interop


@pytest.mark.guarantee("G7", "G8")
def test_the_suite_of_the_database_passes_on_postgresql() -> None:
    with postgres_running() as server:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-n", "2", "-m", "not interop", *SUITE],
            cwd=REPOSITORY, env={**os.environ, "GATEWAY_TEST_POSTGRES": server}, capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert done.returncode == 0, done.stdout[-8000:]
