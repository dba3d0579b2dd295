"""What the doctor finds, where it is and where it is not; and that it tells no secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import http_parser, web

from gateway.edge.diagnosis import Finding, diagnose
from gateway.sandbox.server import Sandbox
from tests.certificates import pair
from tests.hostile import Hostile, collection, hostile_running
from tests.support import TOKEN_KEY, configuration, sandbox_running, write_configuration

FAR = "http://127.0.0.1:9/odata"


async def found(directory: Path, upstream: str, later: float = 0.0, **environment: str) -> dict[str, Finding]:
    settings = configuration(directory, upstream, **environment)
    now = datetime.now(UTC) + timedelta(seconds=later)
    return {finding.what: finding async for finding in diagnose(settings, lambda: now)}


async def states(directory: Path, upstream: str, **environment: Any) -> dict[str, str]:
    return {what: finding.state for what, finding in (await found(directory, upstream, **environment)).items()}


async def test_a_gateway_that_is_as_it_should_be(directory: Path, tmp_path: Path) -> None:
    write_configuration(directory)
    url = f"sqlite:///{tmp_path}/gateway.db"
    async with sandbox_running(Sandbox()) as sandbox:
        told = await states(directory, sandbox.url, STORE__URL=url, PUBLIC_URL="https://gateway.example/Reso/OData")

    told.pop("open files")  # of the machine
    assert told == dict.fromkeys(
        ("HTTP parser", "configuration", "public_url", "admin", "database", "upstream", "clock", "policies", "profile"),
        "ok",
    )


async def test_an_upstream_that_is_not_there_has_an_advice(directory: Path) -> None:
    told = await found(write_configuration(directory), FAR)

    assert told["upstream"].state == "failed"
    assert "upstream.url" in told["upstream"].advice
    assert "policies" not in told


class Refusing(Hostile):
    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=401)


async def test_a_credential_that_is_refused_is_said_to_be_that(directory: Path) -> None:
    async with hostile_running(Refusing()) as running:
        told = await found(write_configuration(directory), running.url)

    assert told["upstream"].state == "failed"
    assert "upstream.token" in told["upstream"].advice


@pytest.mark.parametrize(("later", "state"), [(0, "ok"), (60, "warning"), (-60, "warning")])
async def test_clocks_that_differ_are_said_to(directory: Path, later: float, state: str) -> None:
    async with sandbox_running(Sandbox()) as sandbox:
        told = await found(write_configuration(directory), sandbox.url, later)

    assert told["clock"].state == state


async def test_who_else_can_read_and_write_is_said(directory: Path) -> None:
    write_configuration(directory, {"pepper": "p" * 20, "token": "s3cret"})
    (directory / "pepper").chmod(0o644)
    (directory / "token").chmod(0o600)
    (directory / "keys.yaml").chmod(0o666)
    told = await found(
        directory,
        FAR,
        SECURITY__KEY_PEPPER_FILE="pepper",
        UPSTREAM__TOKEN_FILE="token",
        ADMIN__HOST="0.0.0.0",  # noqa: S104  # that is what is found
    )

    assert told[str(directory / "pepper")].state == "warning"
    assert told[str(directory / "token")].state == "ok"
    assert told[str(directory / "keys.yaml")].state == "warning"
    assert "configuration" not in told
    assert told["admin"].state == "warning"
    assert told["public_url"].state == "warning"
    assert "s3cret" not in repr(told)


@pytest.mark.parametrize("parser", ["HttpRequestParser", "HttpResponseParser"])
async def test_the_parser_in_python_is_an_error(directory: Path, monkeypatch: pytest.MonkeyPatch, parser: str) -> None:
    monkeypatch.setattr(http_parser, parser, getattr(http_parser, f"{parser}Py"))

    told = await found(write_configuration(directory), FAR)

    assert told["HTTP parser"].state == "failed"


def test_without_the_extension_the_doctor_fails_and_nothing_is_served(directory: Path) -> None:
    """As an operator has it: the extension is there and is not loaded."""
    write_configuration(directory)
    environment = {
        **os.environ, "AIOHTTP_NO_EXTENSIONS": "1", "GATEWAY__LISTEN__PORT": "0", "GATEWAY__ADMIN__PORT": "0",
        "GATEWAY__SECURITY__KEY_PEPPER": "p" * 16, "GATEWAY__SECURITY__TOKEN_KEYS": TOKEN_KEY, "GATEWAY__UPSTREAM__URL": FAR,
    }  # fmt: skip

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gateway", *words, "--config", str(directory)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    doctor, serve = run("doctor", "--json"), run("serve")

    assert doctor.returncode == 1
    assert json.loads(doctor.stdout.splitlines()[0])["state"] == "failed"
    assert serve.returncode != 0
    assert "no C parser" in serve.stderr


async def test_a_secret_in_the_settings_and_the_key_of_a_certificate_are_nobody_elses(directory: Path) -> None:
    write_configuration(directory)
    settings = directory / "gateway.yaml"
    without = await found(directory, FAR)
    settings.write_text(
        settings.read_text(encoding="utf-8") + "security: {key_pepper: 'a pepper in the file'}\n", encoding="utf-8"
    )
    settings.chmod(0o644)
    chain, key = pair()
    (directory / "chain.pem").write_text(chain, encoding="ascii")
    (directory / "key.pem").write_text(key, encoding="ascii")
    (directory / "key.pem").chmod(0o640)
    told = await found(directory, FAR, LISTEN__TLS__CERTIFICATE="chain.pem", LISTEN__TLS__KEY="key.pem")

    assert str(settings) not in without
    assert told[str(settings)].found == "others can read this secret (mode 644)"
    assert told[str(directory / "key.pem")].found == "others can read this secret (mode 640)"


@pytest.mark.parametrize("kind", ["file", "nothing", "link", "pipe", "no directory", "read by all", "directory of all"])
async def test_where_decisions_are_written_is_looked_at(directory: Path, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "log"
    folder.mkdir(mode=0o750)
    path = folder / "decisions.log"
    match kind:
        case "file" | "read by all":
            path.touch(mode=0o640)
            path.chmod(0o644 if kind == "read by all" else 0o640)
        case "link":
            path.symlink_to(tmp_path / "elsewhere")
        case "pipe":
            os.mkfifo(path)
        case "no directory":
            folder.rmdir()
        case "directory of all":
            folder.chmod(0o777)
        case _:
            pass
    told = await found(write_configuration(directory), FAR, LOG__DECISIONS=str(path))

    assert (told["log.decisions"].state, told["log.decisions"].found) == {
        "file": ("ok", str(path)),
        "nothing": ("ok", str(path)),
        "link": ("failed", f"{path} is a symbolic link"),
        "pipe": ("failed", f"{path} is not a regular file"),
        "no directory": ("failed", f"{folder}: No such file or directory"),
        "read by all": ("warning", f"everybody can read or write {path} (mode 644)"),
        "directory of all": ("warning", f"everybody can take {path} away: mode 777 of its directory"),
    }[kind]


@pytest.mark.parametrize(("mode", "state"), [(0o700, "ok"), (0o750, "ok"), (0o770, "warning"), (0o777, "failed")])
async def test_nobody_else_writes_where_the_database_is(directory: Path, tmp_path: Path, mode: int, state: str) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(mode)
    (folder / "gateway.db").touch(mode=0o600)
    told = await found(write_configuration(directory), FAR, STATE_DIR=str(folder))

    assert told["state_dir"].state == state
    assert str(folder / "gateway.db") not in told


async def test_nobody_else_reads_the_database(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "gateway.db").touch()
    (tmp_path / "state" / "gateway.db").chmod(0o640)
    told = await found(write_configuration(directory), FAR, STATE_DIR=str(tmp_path / "state"))

    assert told[str(tmp_path / "state" / "gateway.db")].state == "warning"


async def test_a_state_dir_that_is_not_there_is_said(directory: Path, tmp_path: Path) -> None:
    told = await found(write_configuration(directory), FAR, STATE_DIR=str(tmp_path / "nowhere"))

    assert told["state_dir"].state == "failed"


async def test_databases_and_counters_that_are_not_there(directory: Path, tmp_path: Path) -> None:
    told = await found(
        write_configuration(directory),
        FAR,
        STORE__URL=f"sqlite:///{tmp_path}/nowhere/x.db",
        LIMITS__REDIS_URL="redis://127.0.0.1:9",
    )
    none = await found(directory, FAR)

    assert told["database"].state == "failed"
    assert told["Redis"].state == "failed"
    assert none["database"].state == "warning"
    assert "Redis" not in none


async def test_a_profile_that_is_contradicted_names_what_to_take_out(directory: Path) -> None:
    row: dict[str, Any] = {
        "ListingKey": "L1",
        "StandardStatus": "ACTIVE",
        "ListAgentKey": None,
        "SyndicateTo": [],
        "IDXOptInYN": True,
    }
    async with hostile_running(Hostile(lambda _: collection([row]))) as upstream:
        told = await found(write_configuration(directory), upstream.url)

    assert told["profile"].state == "failed"
    assert "string_equality" in told["profile"].found


async def test_documents_that_do_not_fit_are_each_told(directory: Path) -> None:
    template = {
        "D": {
            "Name": "t",
            "Description": "t",
            "Role": "idx",
            "FieldOverrides": {"Property": {"All": {"Nope": {"Rule": "Hidden"}}}},
        }
    }
    write_configuration(directory, {"templates/t.json": template})
    async with sandbox_running(Sandbox()) as sandbox:
        told = await found(directory, sandbox.url)

    assert told["policies"].state == "failed"
    assert "`Nope`" in told["policies"].found
