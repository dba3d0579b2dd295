"""schemathesis reads the OpenAPI document of the admin API and asks whatever follows from it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.observe.events import AdminHandled
from tests.managed import SEED, managed

pytestmark = pytest.mark.interop


@pytest.mark.guarantee("G8")
async def test_nothing_that_the_document_allows_breaks_the_api(directory: Path, tmp_path: Path) -> None:
    async with managed(directory, f"sqlite:///{tmp_path}/gateway.db") as desk:
        for _ in range(3):
            await desk.made(SEED)
        url = f"http://127.0.0.1:{desk.gateway.service.admin.port}"
        words = [
            str(Path(sys.executable).parent / "schemathesis"), "run", f"{url}/openapi.json", "--url", url, "--header", "Authorization: Bearer staff",
            "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,unsupported_method",
            "--mode", "all", "--max-examples", "40", "--seed", "1", "--workers", "1", "--no-color",
        ]  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            *words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        output, _ = await process.communicate()
        handled = [event for event in desk.gateway.events if isinstance(event, AdminHandled)]

    assert process.returncode == 0, output.decode()[-6000:]
    assert len(handled) > 500
    assert {event.status for event in handled} >= {200, 201, 400, 404}
    assert max(event.status for event in handled) < 500
