"""What ships for operators, held against the tools that will read it: Prometheus, Kubernetes, systemd, hadolint."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.sandbox.rows import make_tables
from gateway.sandbox.server import Sandbox
from gateway.workers.control import ask
from tests.load import load
from tests.processes import Process, serving
from tests.support import REPOSITORY, key_file, sandbox_running, write_configuration
from tests.test_docs import first_cells
from tools import dashboard

pytestmark = pytest.mark.interop
DEPLOY = REPOSITORY / "deploy"
DEBIAN = REPOSITORY / ".venv" / "debian" / "usr" / "bin"
BIN = Path(sys.prefix) / "bin"
TEMPLATE = '{"D": {"Name": "t", "Description": "t", "Role": "vow", "ListingPhotoLimit": 1}}'


def run(*command: str | Path, cwd: Path = REPOSITORY) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_rules_are_rules_and_every_alert_fires_when_it_should() -> None:
    run(DEBIAN / "promtool", "check", "config", "prometheus.yml", cwd=DEPLOY / "prometheus")
    told = run(DEBIAN / "promtool", "test", "rules", "tests.yaml", cwd=DEPLOY / "prometheus")

    assert "SUCCESS" in told
    tests = (DEPLOY / "prometheus" / "tests.yaml").read_text(encoding="utf-8")
    alerts = re.findall(r"- alert: (\w+)", (DEPLOY / "prometheus" / "alert.rules.yaml").read_text(encoding="utf-8"))
    assert len(alerts) == 21
    for alert in alerts:
        assert f"- name: {alert} fires" in tests
        assert f"- name: {alert} is quiet" in tests


def expressions() -> Iterator[str]:
    for _, panels in dashboard.ROWS:
        for _, _, targets in panels:
            yield from (expression for expression, _ in targets)


def metrics(node: Any) -> Iterator[str]:
    """The names of all series that an expression selects."""
    if type(node).__name__ == "VectorSelector":
        yield node.name
    for name in ("lhs", "rhs", "expr", "vector_selector"):
        if hasattr(node, name):
            yield from metrics(getattr(node, name))
    for argument in getattr(node, "args", None) or ():
        yield from metrics(argument)


def test_every_expression_names_metrics_that_there_are() -> None:
    import promql_parser

    rules = "".join(path.read_text(encoding="utf-8") for path in sorted((DEPLOY / "prometheus").glob("*.rules.yaml")))
    recorded = set(re.findall(r"- record: (\S+)", rules))
    asked = [re.sub(r"\s+", " ", found) for found in re.findall(r"expr: (?:>-\s+)?(.+(?:\n {10,}/.+)?)", rules)]
    known = {name for name in first_cells("metrics.md") if name.startswith("gateway_")} | recorded | {"up"}
    found = set()
    for expression in (*asked, *(text.replace("$__rate_interval", "1m") for text in expressions())):
        for name in metrics(promql_parser.parse(expression)):
            found.add(re.sub(r"_(bucket|sum|count)$", "", name) if name not in known else name)

    assert len(asked) >= 27
    assert found <= known


@asynccontextmanager
async def prometheus(tmp_path: Path, service: Process) -> AsyncIterator[str]:
    """A Prometheus that scrapes a service every second, under the rules that ship."""
    target = service.root.removeprefix("http://")
    rules = DEPLOY / "prometheus"
    (tmp_path / "prometheus.yml").write_text(
        f"global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n"
        f"rule_files: ['{rules}/recording.rules.yaml', '{rules}/alert.rules.yaml']\n"
        f"scrape_configs: [{{job_name: gateway, static_configs: [{{targets: ['{target}']}}]}}]\n",
        encoding="utf-8",
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        DEBIAN / "prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=error",
    )  # fmt: skip
    try:
        yield f"http://127.0.0.1:{port}/api/v1"
    finally:
        process.terminate()
        await process.wait()


async def test_a_real_prometheus_has_data_for_every_panel_and_rule(directory: Path, tmp_path: Path) -> None:
    """A service of two workers under load: hidden fields, cut photos, refusals, a reload that is refused."""
    files = {"templates/t.json": TEMPLATE, "keys.yaml": key_file(reader="Template: t")}
    write_configuration(directory, files)
    panels = [text.replace("$__rate_interval", "10s").replace("$instance", ".*") for text in expressions()]
    empty = set(panels)
    async with (
        sandbox_running(Sandbox(make_tables(listings=20))) as sandbox,
        serving(directory, sandbox.url, None, workers=2, WORKERS__WATCH="false") as service,
        prometheus(tmp_path, service) as api,
        aiohttp.ClientSession() as session,
        load(f"{service.clients}/Property?$top=3&$expand=Media", "reader", clients=2, pause=0.02),
        load(f"{service.clients}/Nope", "reader", clients=1, pause=0.05),
    ):

        async def asked(path: str, **parameters: str) -> Any:
            async with session.get(f"{api}/{path}", params=parameters) as response:
                told = await response.json()
                assert told["status"] == "success", told
                return told["data"]

        async def states() -> dict[str, str]:
            groups = (await asked("rules"))["groups"]
            rules = [rule for group in groups for rule in group["rules"]]
            assert [rule["lastError"] for rule in rules if rule["health"] == "err"] == []
            return {rule["name"]: rule["state"] for rule in rules if rule["type"] == "alerting"}

        async with asyncio.timeout(90):
            while empty:
                await asyncio.sleep(1)
                for expression in tuple(empty):
                    try:
                        found = (await asked("query", query=expression))["result"]
                    except aiohttp.ClientError:
                        break  # Prometheus begins to listen
                    values = [float(series["value"][1]) for series in found]
                    if values and not any(value != value for value in values):  # noqa: PLR0124  # no number
                        empty.discard(expression)
        quiet = await states()
        (directory / "roles" / "idx.yaml").write_text("Role: [", encoding="utf-8")
        refused = await ask(service.control, "reload")
        async with asyncio.timeout(30):
            while (await states())["GatewayReloadRefused"] == "inactive":  # noqa: ASYNC110
                await asyncio.sleep(0.5)
        recorded = await asked("query", query="gateway:requests:rate5m")

    assert not empty
    assert {name: state for name, state in quiet.items() if state != "inactive"} == {}
    assert refused.how == "refused"
    assert float(recorded["result"][0]["value"][1]) > 0


def test_the_manifests_are_what_kubernetes_takes(tmp_path: Path) -> None:
    for overlay in ("base", "sandbox"):
        built = tmp_path / f"{overlay}.yaml"
        built.write_text(run(BIN / "kubectl", "kustomize", f"deploy/kubernetes/{overlay}"), encoding="utf-8")
        told = run(BIN / "kubernetes-validate", "--strict", built)
        assert told.count(" passed ") >= 12


def test_the_unit_is_one_for_systemd(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd on this machine")
    unit = tmp_path / "gateway.service"
    text = (DEPLOY / "gateway.service").read_text(encoding="utf-8")
    unit.write_text(text.replace("/usr/local/bin/gateway", shutil.which("true") or "/bin/true"), encoding="utf-8")

    told = subprocess.run([analyze, "verify", unit], capture_output=True, text=True, check=False, timeout=60)
    assert [line for line in told.stderr.splitlines() if "gateway.service" in line] == []
    security = run(analyze, "security", "--offline=true", "--json=short", unit)
    exposure = sum(float(entry["exposure"] or 0) for entry in json.loads(security) if not entry["set"])
    assert exposure < 2


def test_the_dockerfile_is_what_hadolint_would_write() -> None:
    assert run(BIN / "hadolint", "deploy/Dockerfile") == ""
