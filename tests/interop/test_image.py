"""The steps of deploy/Dockerfile, done one by one without Docker: what they make serves, and is found healthy."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.sandbox.rows import make_tables
from gateway.sandbox.server import Sandbox
from tests.processes import serving
from tests.support import REPOSITORY, key_file, sandbox_running, write_configuration

pytestmark = pytest.mark.interop
DOCKERFILE = (REPOSITORY / "deploy" / "Dockerfile").read_text(encoding="utf-8")


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def context(target: Path) -> Path:
    """What the build is given: the files that git tracks, as far as Dockerfile.dockerignore lets them through."""
    first, *rules = (REPOSITORY / "deploy" / "Dockerfile.dockerignore").read_text(encoding="utf-8").split()
    assert first == "*"
    let_through = tuple(rule[1:] for rule in rules if rule.startswith("!"))
    for name in run("git", "ls-files", cwd=REPOSITORY).splitlines():
        if any(name == kept or name.startswith(f"{kept}/") for kept in let_through):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, target / name)
    return target


def instructions(name: str) -> list[str]:
    whole = DOCKERFILE.replace("\\\n", " ")
    return re.findall(rf"^{name} +(.+)$", whole, re.MULTILINE)


async def test_what_the_image_holds_serves_and_is_healthy(directory: Path, tmp_path: Path) -> None:
    source = context(tmp_path / "source")
    here = {"/opt/": f"{tmp_path}/opt/", "/wheel": f"{tmp_path}/wheel", "&& python ": f"&& {sys.executable} "}
    for step in instructions("RUN")[:2]:  # the third one makes the user
        script = f"&& {step}"
        for inside, outside in here.items():
            script = script.replace(inside, outside)
        run("bash", "-euc", script.removeprefix("&& "), cwd=source)
    shutil.rmtree(source)

    (entry,) = json.loads(instructions("ENTRYPOINT")[0])
    program = tmp_path / "opt" / "gateway" / "bin" / entry
    check = json.loads(DOCKERFILE.replace("\\\n", " ").partition("HEALTHCHECK")[2].partition("CMD ")[2].splitlines()[0])
    write_configuration(directory, {"keys.yaml": key_file(reader="Role: private")})
    async with (
        sandbox_running(Sandbox(make_tables(listings=5))) as sandbox,
        serving(directory, sandbox.url, None, 2, program=(program,)) as service,
    ):
        told = check[-1].replace("127.0.0.1:8081", service.root.removeprefix("http://"))
        command = [program.parent / check[0], *check[1:-1], told]
        run(*command, cwd=tmp_path)
        run(program.parent / "python", "-c", "import asyncpg, jwt, opentelemetry.sdk, redis", cwd=tmp_path)
        served = await service.workers()

    assert check[0] == "python"
    assert len(served) == 2
    with pytest.raises(AssertionError, match="Connection refused"):
        run(*command, cwd=tmp_path)
