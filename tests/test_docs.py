"""Documents tell the truth: every setting, metric, error, verb and answer in them is that of the code."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import get_args, get_origin
from urllib.parse import unquote

import click
import pytest
from click.testing import CliRunner
from pydantic import BaseModel
from yarl import URL

from gateway.cli.main import main
from gateway.errors import Code
from gateway.observe.metrics import Metrics, SupervisorMetrics
from gateway.policy.documents import FieldGroup, RoleDocument, RoleResource, RoleWrites, TemplateDocument
from gateway.sandbox.server import Sandbox
from gateway.settings import Settings
from tests.support import CONFIG, REPOSITORY, ROOT, configuration, running, sandbox_running
from tools import channels

DOCS = REPOSITORY / "docs"


def table(name: str) -> list[list[str]]:
    """The rows of all tables of a document, cells stripped."""
    lines = (DOCS / name).read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| `")]


def first_cells(name: str) -> set[str]:
    return {word for row in table(name) for word in re.findall(r"`([^`]+)`", row[0])}


def settings_of(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = [
            part
            for part in (
                field.annotation,
                *(() if get_origin(field.annotation) is Mapping else get_args(field.annotation)),
            )
            if isinstance(part, type) and issubclass(part, BaseModel)
        ]
        if inner:
            yield from settings_of(inner[0], f"{prefix}{name}.")
        else:
            yield prefix + name


def test_every_setting_is_documented_and_no_other() -> None:
    documented = {name for name in first_cells("configuration.md") if not name.endswith((".yaml", ".json", ".*"))}

    assert documented == set(settings_of(Settings))


def test_every_error_is_documented_with_its_status() -> None:
    documented = {row[0].strip("`"): int(row[1]) for row in table("errors.md")}

    assert documented == {code.text: code.status for code in Code}


def test_every_metric_is_documented_and_no_other() -> None:
    documented = {name for name in first_cells("metrics.md") if name.startswith("gateway_")}

    exposed = set()
    for registry in (Metrics().registry, SupervisorMetrics().registry):
        for family in registry.collect():
            exposed.add(family.name + "_total" if family.type == "counter" else family.name)
    assert documented == exposed


def verbs(group: click.Group, prefix: str = "gateway") -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from verbs(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}"


def test_every_verb_is_documented() -> None:
    documented = set()
    for name in first_cells("operations.md"):
        words = re.match(r"gateway( [a-z][a-z-]*)+", name)
        if words:
            documented.add(words[0])

    assert documented == set(verbs(main))


def test_every_attribute_of_templates_and_roles_is_documented() -> None:
    text = (DOCS / "policy.md").read_text(encoding="utf-8")

    server_made = {
        "Id",
        "ResourceUri",
        "OwnerId",
        "AssociationId",
        "MlsId",
        "CreatedTimestamp",
        "ModificationTimestamp",
    }
    for model in (RoleDocument, RoleResource, RoleWrites, FieldGroup, TemplateDocument):
        for name in model.model_fields.keys() - server_made:
            assert f"`{name}`" in text or f".{name}`" in text or f".{name}." in text, name


def test_guarantees_name_tests_that_cite_them() -> None:
    for row in table("guarantees.md"):
        raise AssertionError(f"unexpected code cell {row}")
    for line in (DOCS / "guarantees.md").read_text(encoding="utf-8").splitlines():
        if re.match(r"\| G\d ", line):
            identity = line.split()[1]
            files = re.findall(r"`(tests/[^`]+)`", line)
            assert files
            cited = [
                file for file in files if f'guarantee("{identity}")' in (REPOSITORY / file).read_text(encoding="utf-8")
            ]
            assert cited or identity == "G4", f"{identity} is cited by none of {files}"


def test_links_between_documents_lead_somewhere() -> None:
    for document in (REPOSITORY / "README.md", *DOCS.rglob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


COMMANDS = re.findall(
    r"^\$ (curl .+)$\n(?:^(?!\$|```)(.+)$)?", (REPOSITORY / "README.md").read_text(encoding="utf-8"), re.MULTILINE
)


@pytest.mark.parametrize(("command", "expected"), COMMANDS)
async def test_the_readmes_requests_are_answered_as_it_says(command: str, expected: str) -> None:
    words = shlex.split(command)
    key = words[words.index("-H") + 1].removeprefix("Authorization: Bearer ")
    target = words[-1].removeprefix("http://127.0.0.1:8080/Reso/OData/")
    async with (
        sandbox_running(Sandbox()) as sandbox,
        running(configuration(CONFIG, sandbox.url, PUBLIC_URL="http://127.0.0.1:8080/Reso/OData")) as gateway,
    ):
        if "-d" in words:
            url = URL(f"http://127.0.0.1:{gateway.service.listener.port}{ROOT}/{target}", encoded=True)
            headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
            async with gateway.session.post(url, data=words[words.index("-d") + 1], headers=headers) as response:
                body = await response.read()
        else:
            body = (await gateway.get(target, key)).body

    assert body.decode() == expected


EXPLAINED = re.findall(
    r"^```explain\n\$ (.+)\n((?:.*\n)*?)```$", (DOCS / "policy.md").read_text(encoding="utf-8"), re.MULTILINE
)


@pytest.mark.parametrize(("command", "expected"), EXPLAINED)
def test_the_explanations_in_the_policy_page_are_those_of_the_command(command: str, expected: str) -> None:
    _, verb, *arguments = shlex.split(command)
    metadata = REPOSITORY / "gateway" / "sandbox" / "metadata.xml"

    result = CliRunner().invoke(main, [verb, *arguments, "--config", str(CONFIG), "--metadata", str(metadata)])

    assert result.output == expected


def test_the_readmes_requests_are_explained() -> None:
    def plain(target: str) -> str:
        return unquote(target.rpartition("/")[2])

    asked = {
        plain(shlex.split(command)[-1].removeprefix("http://127.0.0.1:8080/Reso/OData"))
        for command, _ in COMMANDS
        if " -d " not in command
    }

    assert {plain(shlex.split(command)[3].removeprefix("GET ")) for command, _ in EXPLAINED} == asked


def test_the_readme_shows_requests() -> None:
    assert len(COMMANDS) >= 5


def test_every_read_channel_has_a_test_that_cites_it_and_the_page_says_which() -> None:
    text = channels.PAGE.read_text(encoding="utf-8")
    listed = {channel: (kind, tests) for channel, _, kind, tests in channels.rows(text)}

    assert channels.written(text) == text, "run python -m tools.channels"
    assert [channel for channel, (kind, tests) in listed.items() if kind in ("read", "write") and not tests] == []
    assert set(channels.citations()) <= set(listed)
    assert {kind.partition(":")[0] for kind, _ in listed.values()} == {"read", "write", "documentation", "later"}
