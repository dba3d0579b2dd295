"""What ships for operators names verbs and settings that exist."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from gateway.cli.demo import DEMO_PEPPER
from gateway.cli.main import main
from gateway.sandbox.rows import sandbox_schema
from gateway.settings import ENVIRONMENT_PREFIX, Settings
from gateway.store.configuration import load_configuration
from gateway.store.snapshot import build_snapshot
from tests.support import REPOSITORY, TOKEN_KEY
from tests.test_docs import settings_of
from tools import dashboard

DEPLOY = REPOSITORY / "deploy"


def test_the_unit_starts_a_verb_that_exists() -> None:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.read(DEPLOY / "gateway.service")
    program, verb, option, _ = shlex.split(unit["Service"]["ExecStart"])

    assert program.endswith("/gateway")
    assert option in {name for parameter in main.commands[verb].params for name in parameter.opts}
    assert unit["Service"]["RestartPreventExitStatus"] == "78"


def test_the_environment_that_it_names_sets_something() -> None:
    text = (DEPLOY / "gateway.service").read_text(encoding="utf-8")
    lines = [line.lstrip("# ").removeprefix("Environment=") for line in text.split("\n") if ENVIRONMENT_PREFIX in line]
    named = {line.partition("=")[0] for line in lines}

    settings = set(settings_of(Settings))
    assert named
    for name in named:
        assert name.removeprefix(ENVIRONMENT_PREFIX).lower().replace("__", ".") in settings


def test_the_dashboard_is_the_one_of_its_table() -> None:
    assert dashboard.PATH.read_text(encoding="utf-8") == dashboard.text(), "run python -m tools.dashboard"


def read(name: str) -> Any:
    return YAML(typ="safe").load((DEPLOY / name).read_text(encoding="utf-8"))


def test_compose_keeps_the_upstream_behind_the_gateway() -> None:
    compose = read("compose.yaml")
    services = compose["services"]

    for name, service in services.items():
        assert set(service.get("networks", [])) <= set(compose["networks"]), name
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert (DEPLOY / source).exists() if source.startswith(".") else source in compose["volumes"], volume
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        assert set(service.get("depends_on", {})) <= set(services)
    assert [name for name, service in services.items() if "upstream" in service["networks"]] == ["gateway", "sandbox"]
    assert compose["networks"]["upstream"] == {"internal": True}
    assert services["gateway"]["read_only"]
    assert services["gateway"]["cap_drop"] == ["ALL"]
    known = set(settings_of(Settings))
    for name in services["gateway"]["environment"]:
        assert name.removeprefix(ENVIRONMENT_PREFIX).lower().replace("__", ".") in known, name


def test_what_compose_and_the_image_start_exists() -> None:
    compose = read("compose.yaml")
    dockerfile = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    command = json.loads(re.findall(r"^CMD (\[.+\])$", dockerfile, re.MULTILINE)[-1])

    for verb, *arguments in (command, compose["services"]["sandbox"]["command"]):
        offered = {name for parameter in main.commands[verb].params for name in parameter.opts}
        assert {word for word in arguments if word.startswith("--")} <= offered
    assert compose["services"]["gateway"]["build"]["dockerfile"] == "deploy/Dockerfile"
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE):
        assert all((REPOSITORY / name).exists() for name in source.split()), source
    assert re.search(r"^USER 10001:10001$", dockerfile, re.MULTILINE)
    assert "HEALTHCHECK" in dockerfile


def test_the_configuration_of_the_manifests_can_be_served(directory: Path) -> None:
    """The very files, laid out as the pod sees them."""
    base = DEPLOY / "kubernetes" / "base"
    deployment = read("kubernetes/base/deployment.yaml")
    maps = {entry["name"]: entry["files"] for entry in read("kubernetes/base/kustomization.yaml")["configMapGenerator"]}
    volume = next(v for v in deployment["spec"]["template"]["spec"]["volumes"] if v["name"] == "config")
    for source in volume["projected"]["sources"]:
        found = source["configMap"]
        files = {Path(file).name: base / file for file in maps[found["name"]]}
        items = found.get("items") or [{"key": name, "path": name} for name in files]
        for item in items:
            (directory / item["path"]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(files[item["key"]], directory / item["path"])
    secrets = {"KEY_PEPPER": DEMO_PEPPER, "TOKEN_KEYS": TOKEN_KEY}
    environment = {f"GATEWAY__SECURITY__{name}": value for name, value in secrets.items()}
    environment |= {
        "GATEWAY__UPSTREAM__TOKEN": "t",
        "GATEWAY__STORE__URL": "sqlite:///x",
        "GATEWAY__LIMITS__REDIS_URL": "redis://x",
    }

    configuration = load_configuration(directory, environment)
    snapshot = build_snapshot(1, configuration, sandbox_schema())

    assert snapshot.faults == ()
    assert set(snapshot.policies) == {"role:idx", "template:all-active"}
    pod = deployment["spec"]["template"]["spec"]
    workers = configuration.settings.workers
    assert pod["terminationGracePeriodSeconds"] > workers.drain_notice + workers.drain_deadline + 10
    (container,) = pod["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert (container["readinessProbe"]["httpGet"]["path"], container["livenessProbe"]["httpGet"]["path"]) == (
        "/readyz",
        "/healthz",
    )


def test_every_alert_has_a_runbook() -> None:
    page = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
    runbook = page[page.index("## Runbook") :]
    rules = [rule for group in read("prometheus/alert.rules.yaml")["groups"] for rule in group["rules"]]

    named = re.findall(r"^\*\*(Gateway\w+)\*\*", runbook, re.MULTILINE)
    assert named == [rule["alert"] for rule in rules]
    for rule in rules:
        assert rule["annotations"]["runbook"] == f"docs/operations.md, Runbook, {rule['alert']}"
        assert rule["labels"]["severity"] in ("page", "ticket")
