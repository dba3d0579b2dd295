"""``gateway keys`` and ``gateway templates``: the rules of the admin API, on the database itself."""

from __future__ import annotations

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from gateway.cli.demo import DEMO_PEPPER
from gateway.cli.keys import keys
from gateway.cli.main import main
from gateway.policy.documents import PRIVILEGES
from tests.managed import SEED, Desk, managed, results
from tests.support import REPOSITORY, TOKEN_KEY, write_configuration

METADATA = REPOSITORY / "gateway" / "sandbox" / "metadata.xml"


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


class Machine:
    """A shell beside a database. Its commands run in this process: they are many, and a start takes a second."""

    def __init__(self, directory: Path, database_url: str) -> None:
        self.directory = write_configuration(directory)
        self.environment: dict[str, str | None] = {
            "GATEWAY__STORE__URL": database_url, "GATEWAY__SECURITY__KEY_PEPPER": DEMO_PEPPER,
            "GATEWAY__SECURITY__TOKEN_KEYS": TOKEN_KEY, "GATEWAY__UPSTREAM__URL": "http://127.0.0.1:9/x",
        }  # fmt: skip

    def run(self, *words: object, **environment: str) -> Done:
        verb, *rest = map(str, words)
        position = 0 if verb in ("check", "explain") else 1
        arguments = [verb, *rest[:position], "--config", str(self.directory), *rest[position:]]
        with ThreadPoolExecutor(1) as elsewhere:  # a test may have a loop of its own
            found = elsewhere.submit(
                CliRunner().invoke, main, arguments, env={**self.environment, **environment}
            ).result()
        assert found.exception is None or isinstance(found.exception, SystemExit), found.exc_info
        return Done(found.exit_code, found.stdout, found.stderr)

    def records(self, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.run(kind, "list", "--json").stdout)
        return found


@pytest.fixture
def machine(directory: Path, database_url: str) -> Machine:
    return Machine(directory, database_url)


def write(folder: Path, **documents: Any) -> Path:
    folder.mkdir(exist_ok=True)
    for name, body in documents.items():
        (folder / f"{name}.json").write_text(
            body if isinstance(body, str) else json.dumps({"D": body}), encoding="utf-8"
        )
    return folder


async def test_a_key_of_the_command_line_opens_the_gateway(machine: Machine, database_url: str, tmp_path: Path) -> None:
    made = machine.run("keys", "create", "--role", "idx", "--owner", "Acme", "--member", "M001")
    identity, secret = made.stderr.split()[1], made.stdout.strip()
    turned = machine.run("keys", "rotate", identity, "--overlap", "0", "--secret-file", tmp_path / "secret")
    new = (tmp_path / "secret").read_text().strip()
    listed = {key["Id"]: key for key in machine.records("keys")}
    table = machine.run("keys", "list").stdout
    async with managed(tmp_path / "other", database_url) as desk:
        answers = [(await desk.gateway.get("Property?$top=1", value)).status for value in (secret, new)]

    assert made.returncode == turned.returncode == 0
    assert answers == [401, 200]
    assert new not in turned.stdout + turned.stderr
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
    assert listed[identity]["Bindings"]["MemberKey"] == "M001"
    assert "demo-idx" in listed
    assert identity in table
    assert "Acme" in table
    assert not any(value in table + json.dumps(listed) for value in (secret, new))


def test_a_key_is_disabled_and_enabled(machine: Machine) -> None:
    identity = machine.run("keys", "create", "--template", "company-idx").stderr.split()[1]

    found = []
    for verb in ("disable", "enable"):
        assert machine.run("keys", verb, identity).returncode == 0
        found.append(next(key["Enabled"] for key in machine.records("keys") if key["Id"] == identity))

    assert found == [False, True]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("create",), 1, "must have either a Template or a Role"), (("create", "--template", "nothing"), 1, "there is no template `nothing`"),
        (("create", "--role", "idx", "--permission", "manage_keys"), 1, "are for keys of the bare role `private`"),
        (("disable", "nothing"), 1, "404 there is no such record"), (("disable", "demo-idx"), 1, "kept in a file"),
        (("rotate", "demo-idx", "--overlap", "-1"), 1, "Overlap"), (("create", "--role", "idx", "--secret-file", "/nowhere/x"), 1, "cannot be made"),
    ],
)  # fmt: skip
def test_what_is_refused_is_said(machine: Machine, words: tuple[str, ...], code: int, said: str) -> None:
    done = machine.run("keys", *words)

    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert len(machine.records("keys")) == 5


def test_a_secret_file_that_is_there_is_not_written_over(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("precious")

    done = machine.run("keys", "create", "--role", "idx", "--secret-file", tmp_path / "secret")

    assert done.returncode == 1
    assert (tmp_path / "secret").read_text() == "precious"
    assert len(machine.records("keys")) == 5


def test_what_was_exported_can_be_applied(machine: Machine, tmp_path: Path) -> None:
    source = write(tmp_path / "in", a=SEED, b={**SEED, "Name": "b", "ListingPhotoLimit": 3})
    tried = machine.run("templates", "apply", "--metadata", METADATA, "--dry-run", source)
    nothing = machine.records("templates")
    done = machine.run("templates", "apply", "--metadata", METADATA, source)
    first = machine.records("templates")
    out = machine.run("templates", "export", tmp_path / "out")
    again = machine.run("templates", "apply", "--metadata", METADATA, tmp_path / "out")
    shown = json.loads(machine.run("templates", "show", first[0]["Id"]).stdout)

    assert [part.returncode for part in (tried, done, out, again)] == [0] * 4
    assert "would be made" in tried.stdout
    assert len(nothing) == 3
    assert [item["Name"] for item in first][:2] == [SEED["Name"], "b"]
    assert machine.records("templates") == first
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"{item['Id']}.json" for item in first[:2]]
    assert shown == {"D": first[0]}


def test_a_file_says_all_of_a_template(machine: Machine, tmp_path: Path) -> None:
    write(tmp_path / "in", b={**SEED, "Name": "b", "ListingPhotoLimit": 3, "ConditionalFields": "strict"})
    machine.run("templates", "apply", "--metadata", METADATA, tmp_path / "in")
    write(tmp_path / "in", b={"Name": "b", "Description": "less", "Role": "vow"})

    done = machine.run("templates", "apply", "--metadata", METADATA, tmp_path / "in")
    found = machine.records("templates")[0]

    assert "is what the file says" in done.stdout
    assert (found["Role"], found["ListingPhotoLimit"], found["FieldOverrides"], found["ConditionalFields"]) == (
        "vow",
        None,
        None,
        "narrow",
    )


def test_one_fault_in_one_file_changes_nothing(machine: Machine, tmp_path: Path) -> None:
    source = write(
        tmp_path / "in", a=SEED, b={**SEED, "Role": "nope", "SyndicationId": "1"}, c={**SEED, "RestrictiveFilters": {"Property": {"Filter": "Nope eq 1"}}},
    )  # fmt: skip

    done = machine.run("templates", "apply", "--metadata", METADATA, source)

    assert (done.returncode, done.stdout) == (1, "")
    for said in (
        "b.json:   Role: `nope` is no role",
        "b.json:   SyndicationId: ",
        "c.json:   RestrictiveFilters.Property.Filter: ",
        "nothing was changed",
    ):
        assert said in done.stderr
    assert len(machine.records("templates")) == 3


def test_files_are_read_as_strictly_as_bodies(machine: Machine, tmp_path: Path) -> None:
    source = write(tmp_path / "in", a='{"D": {"Name": "x", "Name": "y"}}', b="{", c="[]")

    done = machine.run("templates", "apply", "--metadata", METADATA, source)

    assert done.returncode == 1
    assert [line[:7] for line in done.stderr.splitlines()] == ["a.json:", "b.json:", "c.json:"]
    assert machine.run("templates", "apply", "--metadata", METADATA, write(tmp_path / "empty")).returncode == 2


def test_a_name_that_two_templates_have_is_asked_about(machine: Machine, tmp_path: Path) -> None:
    machine.run(
        "templates",
        "apply",
        "--metadata",
        METADATA,
        write(tmp_path / "one", a={**SEED, "Name": "x"}, b={**SEED, "Name": "y"}),
    )
    both = [item["Id"] for item in machine.records("templates")][:2]
    machine.run(
        "templates", "apply", "--metadata", METADATA, write(tmp_path / "two", a={**SEED, "Id": both[0], "Name": "y"})
    )

    done = machine.run("templates", "apply", "--metadata", METADATA, write(tmp_path / "three", a={**SEED, "Name": "y"}))

    assert done.returncode == 1
    assert f"2 templates have this name: {both[0]}, {both[1]}; give an `Id`" in done.stderr


def test_templates_of_a_spark_api_are_taken_over(machine: Machine, tmp_path: Path) -> None:
    """The API of another gateway stands for Spark: it speaks the same."""
    import asyncio

    async def imported() -> list[Done]:
        async with managed(tmp_path / "spark", f"sqlite:///{tmp_path}/spark.db") as desk:
            await fill(desk)
            url = f"http://127.0.0.1:{desk.gateway.service.admin.port}/v1"
            asked = [
                (("templates", "import-spark", "--metadata", METADATA, url), {}), (("templates", "import-spark", "--metadata", METADATA, url), {"GATEWAY_SPARK_TOKEN": "nobody"}),
                *((("templates", "import-spark", "--metadata", METADATA, url), {"GATEWAY_SPARK_TOKEN": "staff"}) for _ in range(2)),
                (("templates", "import-spark", "--metadata", METADATA, "http://127.0.0.1:9/v1"), {"GATEWAY_SPARK_TOKEN": "staff"}),
            ]  # fmt: skip
            return [
                await asyncio.to_thread(lambda words, more: machine.run(*words, **more), words, more)
                for words, more in asked
            ]

    async def fill(desk: Desk) -> None:
        for number in range(30):
            await desk.made({**SEED, "Name": f"t{number}"})
        assert len(results(await desk.call("GET", "/templates?_limit=100"))) == 33

    without, unknown, done, again, nobody = asyncio.run(imported())

    assert without.returncode == 2
    assert (unknown.returncode, "401: a valid API key is required" in unknown.stderr) == (1, True)
    assert (done.returncode, done.stdout.count("made as")) == (0, 33)
    assert (again.returncode, again.stdout.count("is what the file says")) == (0, 33)
    assert nobody.returncode == 1
    assert "cannot be read" in nobody.stderr
    assert len([item for item in machine.records("templates") if item["Name"].startswith("t")]) == 30


def test_history_says_that_it_was_the_command_line(machine: Machine, tmp_path: Path) -> None:
    if not (machine.environment["GATEWAY__STORE__URL"] or "").startswith("sqlite"):
        pytest.skip("looks into the file")
    machine.run("keys", "create", "--role", "idx")

    with sqlite3.connect(tmp_path / "gateway.db") as connection:
        found = connection.execute("SELECT action, changed_by FROM history").fetchall()
    connection.close()

    assert [(action, by.partition(":")[0]) for action, by in found] == [("create", "command line")]


def test_without_a_database_it_is_said(directory: Path, tmp_path: Path) -> None:
    none, broken = Machine(directory, ""), Machine(directory, f"sqlite:///{tmp_path}/nowhere/x.db")
    none.environment["GATEWAY__STORE__URL"] = None

    assert none.run("keys", "list").returncode == 2
    assert broken.run("keys", "list").returncode == 75
    assert "unable to open database file" in broken.run("keys", "list").stderr


def test_check_and_explain_know_what_the_database_has(machine: Machine, tmp_path: Path) -> None:
    machine.run("templates", "apply", "--metadata", METADATA, write(tmp_path / "in", a={**SEED, "Name": "stored"}))
    identity = machine.records("templates")[0]["Id"]
    key = machine.run("keys", "create", "--template", identity).stderr.split()[1]

    checked = machine.run("check", "--metadata", METADATA)
    explained = machine.run("explain", "--metadata", METADATA, key, "GET /Property?$select=City")

    assert (checked.returncode, "ok: 4 templates, 6 roles, 6 keys" in checked.stdout) == (0, True)
    assert f"policy    {identity}" in explained.stdout
    assert f"template {identity}: RestrictiveFilters.Property.Filter" in explained.stdout


def test_a_key_is_made_with_a_privilege_and_shown_with_it(machine: Machine) -> None:
    made = machine.run("keys", "create", "--template", "company-idx", "--privilege", "DelegatedAccess", "--privilege", "DelegatedAccess")  # fmt: skip
    key = made.stderr.split()[1]
    listed = {record["Id"]: record["Privileges"] for record in machine.records("keys")}
    table = {line.split()[0]: line for line in machine.run("keys", "list").stdout.splitlines()}
    target = "GET /Office?$expand=DelegatedAccess"
    explained = {name: machine.run("explain", "--metadata", METADATA, name, target) for name in (key, "demo-idx")}
    told = json.loads(machine.run("explain", "--metadata", METADATA, "--json", key, target).stdout)

    assert made.returncode == 0
    assert listed[key] == listed["demo-office"] == ["DelegatedAccess"]
    assert listed["demo-vow"] == []
    assert ["DelegatedAccess" in table[name] for name in (key, "demo-office", "demo-vow")] == [True, True, False]
    assert explained[key].stdout.startswith("policy    company-idx with DelegatedAccess\n")
    assert explained[key].returncode == 0
    assert explained["demo-idx"].stdout.startswith("policy    company-idx\nrefused   400 InvalidQuery")
    assert (told["policy"], told["privileges"]) == ("company-idx", ["DelegatedAccess"])


@pytest.mark.parametrize("verb", ["create", "new"])
def test_the_command_line_offers_the_privileges_that_there_are(machine: Machine, verb: str) -> None:
    refused = machine.run("keys", verb, "--role", "idx", "--privilege", "Everything")

    option = next(found for found in keys.commands[verb].params if found.name == "privileges")
    assert refused.returncode == 2
    assert isinstance(option.type, click.Choice)
    assert tuple(option.type.choices) == PRIVILEGES
