"""Fixtures: the sandbox once a module, a gateway with the example configuration in front of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import hypothesis
import pytest

from gateway.sandbox.server import Sandbox
from tests.support import CONFIG, Harness, configuration, running, sandbox_running

# Nothing is timed in tests, and a run that passes today passes tomorrow.
hypothesis.settings.register_profile("steady", deadline=None, derandomize=True)
hypothesis.settings.load_profile("steady")


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
