"""The verbs, driven as people drive them: in a process of their own."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from gateway import __version__
from gateway.store.configuration import load_configuration
from tests.support import CONFIG, REPOSITORY, TOKEN_KEY, free_ports, write_configuration

SECRETS = {"GATEWAY__SECURITY__KEY_PEPPER": "p" * 16, "GATEWAY__SECURITY__TOKEN_KEYS": TOKEN_KEY}
METADATA = REPOSITORY / "gateway" / "sandbox" / "metadata.xml"


#: What is served in passing takes no port that somebody else may have.
_ANY_PORT = {"GATEWAY__LISTEN__PORT": "0", "GATEWAY__ADMIN__PORT": "0"}


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", *map(str, arguments)],
        cwd=REPOSITORY,
        env={**os.environ, "NO_COLOR": "1", **_ANY_PORT, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_version() -> None:
    done = run("version")
    option = run("--version")

    assert (done.returncode, done.stdout) == (option.returncode, option.stdout) == (0, f"gateway {__version__}\n")


def test_usage_errors_end_with_2() -> None:
    assert run("serve").returncode == 2
    assert run("fly").returncode == 2


def test_check_against_a_metadata_file() -> None:
    done = run("check", "--config", CONFIG, "--metadata", METADATA)

    assert done.returncode == 0, done.stderr
    assert "ok: 3 templates, 6 roles, 5 keys against 10 entity sets" in done.stdout
    assert "note: idx: the upstream's `Property` has no `OpenHouses`" in done.stdout


def test_check_tells_which_sets_are_closed(tmp_path: Path) -> None:
    file = tmp_path / "metadata.xml"
    file.write_bytes(
        METADATA.read_bytes().replace(b'<EntityType Name="Media">', b'<EntityType Name="Media" BaseType="A.B">')
    )

    done = run("check", "--config", CONFIG, "--metadata", file)

    assert done.returncode == 0
    assert re.search(
        r"closed: `Media`: line \d+: the type `Sandbox.Media` has the unknown base type `A.B`", done.stdout
    )


def test_check_tells_every_fault_with_its_line_and_ends_with_78(directory: Path) -> None:
    template = '{"D": {"Name": "x", "Description": "y", "Role": "idx",\n "RestrictiveFilters": {\n  "Property": {"Filter": "Statuss eq 1"}},\n'
    template += ' "FieldOverrides": {"Property": {\n  "All": {"Nope": {"Rule": "Hidden"}}}}}}'
    write_configuration(directory, {"templates/t.json": template})

    done = run("check", "--config", directory, "--metadata", METADATA)

    assert done.returncode == 78
    assert done.stderr.splitlines() == [
        "templates/t.json:3: D.RestrictiveFilters.Property.Filter: `Statuss` in `Statuss eq 1` is no field of the upstream's `Property`",
        "templates/t.json:5: D.FieldOverrides.Property.All.Nope: `Nope` is no field of the upstream's `Property`",
        "2 faults in the configuration",
    ]


@pytest.mark.parametrize("content", [None, "<html/>", "<edmx"])
def test_check_tells_what_is_wrong_with_the_metadata(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "metadata.xml"
    if content is not None:
        file.write_text(content)

    done = run("check", "--config", CONFIG, "--metadata", file)

    assert done.returncode == 78
    assert str(file) in done.stderr


def test_check_says_that_the_upstream_cannot_be_reached() -> None:
    done = run("check", "--config", CONFIG, GATEWAY__UPSTREAM__URL="http://127.0.0.1:9/odata")

    assert done.returncode == 78
    assert "gateway.yaml: upstream.url: the upstream cannot be reached" in done.stderr


def test_serve_does_not_start_without_its_secrets() -> None:
    done = run("serve", "--config", CONFIG)

    assert done.returncode == 78
    assert "security.key_pepper" in done.stderr
    assert "security.token_keys" in done.stderr


@pytest.mark.parametrize("spoiled", [True, False])
def test_serve_does_not_start_on_a_memory_that_is_spoiled_or_cannot_be_kept(directory: Path, spoiled: bool) -> None:
    state = write_configuration(directory) / "state"
    if spoiled:
        state.mkdir()
        (state / "gateway.db").write_text("no database at all " * 100, encoding="utf-8")

    done = run("serve", "--config", directory, GATEWAY__STATE_DIR="state", **SECRETS)

    assert done.returncode == 75
    assert "Traceback" not in done.stderr
    assert "the database cannot be used: sqlite" in done.stderr
    assert ("file is not a database" if spoiled else "unable to open database file") in done.stderr


def test_keys_new_prints_a_secret_once_and_its_digest() -> None:
    done = run("keys", "new", "--config", CONFIG, "--id", "vendor-7", "--template", "company-idx", **SECRETS)

    assert done.returncode == 0
    assert "secret, shown only now: gwk_" in done.stderr
    assert "gwk_" not in done.stdout
    assert done.stdout.startswith('  - Id: "vendor-7"\n    Template: "company-idx"\n    Digest: ')
    assert run("keys", "new", "--config", CONFIG, "--id", "demo-idx", "--role", "idx", **SECRETS).returncode == 2
    assert run("keys", "new", "--config", CONFIG, **SECRETS).returncode == 2


def test_keys_new_prints_an_entry_that_can_be_put_into_keys_yaml(directory: Path) -> None:
    write_configuration(directory)
    words = ("--id", "vendor-7", "--role", "portal", "--privilege", "DelegatedAccess")

    done = run("keys", "new", "--config", directory, *words, **SECRETS)
    with (directory / "keys.yaml").open("a") as file:
        file.write(done.stdout)
    found = load_configuration(directory, {}).key_named("vendor-7")

    assert found is not None
    assert (found.Role, found.Privileges) == ("portal", ("DelegatedAccess",))


def test_a_port_in_use_is_told_in_a_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        settings = {
            "GATEWAY__ADMIN__PORT": "0",
            "GATEWAY__LISTEN__PORT": port,
            "GATEWAY__UPSTREAM__URL": "http://127.0.0.1:9/x",
        }
        done = run("serve", "--config", CONFIG, **settings, **SECRETS)

    assert done.returncode == 1
    assert f"127.0.0.1:{port} cannot be listened on" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("line", ["/Property", "", "GET Property", "GET  /Property", "GET http://x/Property"])
def test_explain_wants_a_request_line(line: str) -> None:
    done = run("explain", "demo-idx", line, "--config", CONFIG, "--metadata", METADATA)

    assert done.returncode == 2
    assert "GET /Property" in done.stderr


def fetch(port: int, path: str, key: str) -> str:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=10) as response:
        return str(response.read().decode())


def test_demo_and_serve_run_and_stop_by_signal(tmp_path: Path) -> None:
    """The demo's sandbox is the upstream of a `serve` beside it; both end on SIGTERM."""
    ports = [str(port) for port in free_ports(5)]
    demo = subprocess.Popen(
        [sys.executable, "-m", "gateway", "demo", "--port", ports[0], "--admin-port", ports[1], "--upstream-port", ports[2]],
        cwd=REPOSITORY, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert demo.stdout is not None
        while "Every line below" not in demo.stdout.readline():
            assert demo.poll() is None
        environment = {
            **os.environ, **SECRETS, "GATEWAY__SECURITY__KEY_PEPPER": "pepper of the demo, no secret",
            "GATEWAY__LISTEN__PORT": ports[3], "GATEWAY__ADMIN__PORT": ports[4],
            "GATEWAY__UPSTREAM__URL": f"http://127.0.0.1:{ports[2]}/Reso/OData",
        }  # fmt: skip
        serve = subprocess.Popen([sys.executable, "-m", "gateway", "serve", "--config", str(CONFIG)], cwd=REPOSITORY, env=environment,
                                 stdout=subprocess.DEVNULL)  # fmt: skip
        try:
            path = "/Reso/OData/Property?$count=true&$top=1&$select=ListingKey"
            by_demo = fetch(int(ports[0]), path, "demo-idx")
            while True:
                assert serve.poll() is None
                try:
                    by_serve = fetch(int(ports[3]), path, "demo-idx")
                    break
                except OSError:
                    time.sleep(0.1)
            assert by_serve.replace("8080", ports[0]) == by_demo
        finally:
            serve.send_signal(signal.SIGTERM)
            assert serve.wait(20) == 0
    finally:
        demo.send_signal(signal.SIGTERM)
        assert demo.wait(20) == 0
        assert demo.stdout is not None
        demo.stdout.close()


def test_serve_refuses_documents_that_do_not_fit_an_upstream_that_answers(directory: Path) -> None:
    write_configuration(directory, {"templates/t.json": {"D": {"Name": "x", "Description": "y", "Role": "idx",
                                                               "RestrictiveFilters": {"Property": {"Filter": "Nope eq 1"}}}}})  # fmt: skip
    code = (
        "import asyncio,sys\nfrom gateway.sandbox.server import Sandbox\nasync def main():\n sandbox=Sandbox()\n await sandbox.start()\n"
        " print(sandbox.port,flush=True)\n await asyncio.sleep(60)\nasyncio.run(main())"
    )
    upstream = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    try:
        assert upstream.stdout is not None
        url = f"http://127.0.0.1:{upstream.stdout.readline().strip()}/Reso/OData"
        done = run("serve", "--config", directory, GATEWAY__UPSTREAM__URL=url, **SECRETS)
    finally:
        upstream.terminate()
        upstream.communicate(timeout=10)

    assert done.returncode == 78
    assert "`Nope` in `Nope eq 1` is no field" in done.stderr
