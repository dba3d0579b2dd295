"""The decision log as a report reads it: which policy, what it shows, and no answer without its record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import ConfigurationError
from gateway.observe.events import AnswerWithheld
from gateway.sandbox.rows import make_tables
from gateway.sandbox.server import Sandbox
from tests.support import configuration, key_file, running, sandbox_running, write_configuration
from tests.writing import DRAFT, writing

TEMPLATE = {
    "D": {
        "Name": "t",
        "Description": "t",
        "Role": "idx",
        "RestrictiveFilters": {"Property": {"Filter": "City eq 'Fargo'"}},
    }
}
QUESTION = "Property?$top=1&$select=ListingKey"


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]


async def test_each_policy_is_told_before_its_first_request(directory: Path, tmp_path: Path) -> None:
    keys = key_file(one="Template: t", two="Template: t", bare="Role: private")
    write_configuration(directory, {"keys.yaml": keys, "templates/t.json": TEMPLATE})
    log = tmp_path / "decisions.log"
    async with (
        sandbox_running(Sandbox(make_tables(listings=5))) as sandbox,
        running(configuration(directory, sandbox.url, LOG__DECISIONS=str(log))) as gateway,
    ):
        for key in ("one", "two", "bare", "one", "nobody"):
            await gateway.get(QUESTION, key)

    found = records(log)
    assert [entry["event"] for entry in found] == ["policy loaded", "request", "request", "policy loaded", "request", "request", "request"]  # fmt: skip
    told, request = found[0], found[1]
    assert told["template"] == {**TEMPLATE["D"], "RestrictiveFilters": {"Property": {"Filter": "City eq 'Fargo'"}}}
    assert "City eq 'Fargo'" in told["resources"]["Property"]["rule"]
    assert "ListPrice" in told["resources"]["Property"]["fields"]
    assert "PrivateRemarks" not in told["resources"]["Property"]["fields"]
    assert (told["fingerprint"], told["visible"]) == (request["fingerprint"], request["visible"])
    assert (request["role"], request["rules"], request["parsed"]) == ("idx", ["rows"], "new")
    # What another key has asked before is new for this one.
    assert [entry["parsed"] for entry in found if entry["event"] == "request"][:4] == ["new", "new", "new", "known"]
    assert (found[-1]["visible"], found[-1]["detail"]) == ("", "no such key")


async def test_the_log_says_which_keys_of_a_template_saw_what_needs_a_privilege(
    directory: Path, tmp_path: Path
) -> None:
    keys = key_file(plain="Template: t", may="Template: t\n    Privileges: [DelegatedAccess]")
    write_configuration(directory, {"keys.yaml": keys, "templates/t.json": TEMPLATE})
    log = tmp_path / "decisions.log"
    async with (
        sandbox_running(Sandbox(make_tables(listings=5))) as sandbox,
        running(configuration(directory, sandbox.url, LOG__DECISIONS=str(log))) as gateway,
    ):
        for key in ("plain", "may"):
            await gateway.get(QUESTION, key)

    plain, asked, privileged, also = records(log)
    assert (plain["policy"], plain["privileges"]) == ("t", [])
    assert (privileged["policy"], privileged["privileges"]) == ("t", ["DelegatedAccess"])
    assert "DelegatedAccess" not in plain["resources"]
    assert "DelegatedAccess" in privileged["resources"]
    assert [entry["fingerprint"] for entry in (asked, also)] == [plain["fingerprint"], privileged["fingerprint"]]
    assert plain["fingerprint"] != privileged["fingerprint"]


async def test_lines_are_canonical(directory: Path, tmp_path: Path) -> None:
    write_configuration(directory, {"keys.yaml": key_file(one="Role: private")})
    log = tmp_path / "decisions.log"
    async with (
        sandbox_running(Sandbox(make_tables(listings=5))) as sandbox,
        running(configuration(directory, sandbox.url, LOG__DECISIONS=str(log))) as gateway,
    ):
        await gateway.get(QUESTION, "one")

    for line in log.read_text(encoding="ascii").splitlines():
        assert line == json.dumps(json.loads(line), sort_keys=True, separators=(",", ":"))


@pytest.mark.channel("C146", "C257")
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"], "4bf92f3577b34da6a3ce929d0e0e4736"),
        (["01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"], "4bf92f3577b34da6a3ce929d0e0e4736"),
        (["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"], ""),
        (["00-00000000000000000000000000000000-00f067aa0ba902b7-01"], ""),
        (["00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"], ""),
        (["ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"], ""),
        (["secret words of a client"], ""),
        (["00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"], ""),
        (["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"] * 2, ""),
        ([], ""),
    ],
)
def test_a_trace_is_logged_where_it_is_one(headers: list[str], expected: str) -> None:
    from gateway.edge.trace_context import trace_id

    assert trace_id(headers) == expected


@pytest.mark.guarantee("G7")
async def test_no_answer_leaves_without_its_record(directory: Path, tmp_path: Path) -> None:
    """The disk is full: what was read for a client stays here, and from then on nothing is read."""
    write_configuration(directory, {"keys.yaml": key_file(one="Role: private")})
    log = tmp_path / "decisions.log"
    async with (
        sandbox_running(Sandbox(make_tables(listings=5))) as sandbox,
        running(configuration(directory, sandbox.url, LOG__DECISIONS=str(log), LOG__DURABLE="true")) as gateway,
    ):
        before = await gateway.get(QUESTION, "one")
        log.rename(tmp_path / "full")
        log.symlink_to("/dev/full")
        withheld = await gateway.get(QUESTION, "one")
        asked = len(gateway.handled)
        refused = await gateway.get(QUESTION, "one")
        log.unlink()
        after = [(await gateway.get(QUESTION, "one")).status for _ in range(2)]

    assert (before.status, withheld.status, refused.status) == (200, 503, 503)
    assert withheld == refused
    assert [type(event) for event in gateway.events].count(AnswerWithheld) == 2
    assert gateway.handled[asked - 1].upstream_requests == 1
    assert gateway.handled[asked].upstream_requests == 0
    assert after[-1] == 200  # the first one after that finds room, or is the one that finds out
    assert "gap" in [entry["event"] for entry in records(log)]


@pytest.mark.guarantee("G7")
async def test_a_write_whose_record_is_lost_has_an_unknown_outcome(directory: Path, tmp_path: Path) -> None:
    log = tmp_path / "decisions.log"
    async with writing(directory, log={"decisions": str(log), "durable": True}) as desk:
        log.rename(tmp_path / "full")
        log.symlink_to("/dev/full")
        answer = await desk.send("POST", "Property", DRAFT)
        came = [method for method, _, _ in desk.sandbox.came]
        (event,) = desk.gateway.handled

    assert came == ["POST"]
    assert event.upstream_status == 204
    assert (answer.status, answer.json()["error"]["code"]) == (504, "UnknownOutcome")


async def test_a_log_that_cannot_be_opened_refuses_the_start(directory: Path) -> None:
    from gateway.errors import ConfigurationError

    write_configuration(directory)
    with pytest.raises(ConfigurationError, match="cannot be written"):
        async with running(configuration(directory, "http://127.0.0.1:1", LOG__DECISIONS="nowhere/log")):
            pass


def test_what_is_durable_needs_a_file(directory: Path) -> None:
    from gateway.errors import ConfigurationError

    write_configuration(directory)
    with pytest.raises(ConfigurationError, match="needs a file"):
        configuration(directory, "http://127.0.0.1:1", LOG__DURABLE="true")


async def test_a_policy_whose_record_was_lost_is_told_again(directory: Path, tmp_path: Path) -> None:
    write_configuration(directory, {"keys.yaml": key_file(one="Role: private")})
    log = tmp_path / "decisions.log"
    async with (
        sandbox_running(Sandbox(make_tables(listings=5))) as sandbox,
        running(configuration(directory, sandbox.url, LOG__DECISIONS=str(log), LOG__DURABLE="true")) as gateway,
    ):
        log.unlink()
        log.symlink_to("/dev/full")
        await gateway.get(QUESTION, "one")
        log.unlink()
        for _ in range(3):
            await gateway.get(QUESTION, "one")

    assert "policy loaded" in [entry["event"] for entry in records(log)]


@pytest.mark.guarantee("G7")
async def test_staff_are_answered_nothing_without_a_record_either(directory: Path, tmp_path: Path) -> None:
    permissions = "Role: private\n    Permissions: [manage_templates, manage_keys]"
    write_configuration(directory, {"keys.yaml": key_file(desk=permissions)})
    log = tmp_path / "decisions.log"
    settings = {"LOG__DECISIONS": str(log), "LOG__DURABLE": "true", "STORE__URL": f"sqlite:///{tmp_path}/gateway.db"}
    async with (
        sandbox_running(Sandbox(make_tables(listings=5))) as sandbox,
        running(configuration(directory, sandbox.url, **settings)) as gateway,
    ):

        async def call(method: str, body: Any = None) -> tuple[int, bytes]:
            url = f"http://127.0.0.1:{gateway.service.admin.port}/v1/developers/keys"
            async with gateway.session.request(
                method, url, json=body, headers={"Authorization": "Bearer desk"}
            ) as response:
                return response.status, await response.read()

        before = await call("GET")
        log.unlink()
        log.symlink_to("/dev/full")
        made = await call("POST", {"D": {"Role": "idx"}})
        refused = await call("GET")
        ready = await gateway.ready()
        log.unlink()
        for _ in range(2):
            after = await call("GET")

    assert before[0] == after[0] == 200
    assert (made[0], refused[0]) == (503, 503)
    assert b"Secret" not in made[1]
    assert (ready["ready"], ready["unrecorded"]) == (False, True)


async def test_a_start_is_refused_where_the_file_is_a_link(directory: Path, tmp_path: Path) -> None:
    write_configuration(directory)
    (tmp_path / "decisions.log").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ConfigurationError) as told:
        async with running(
            configuration(directory, "http://127.0.0.1:9/x", LOG__DECISIONS=str(tmp_path / "decisions.log"))
        ):
            pass

    assert str(told.value) == "gateway.yaml: log.decisions: the file cannot be written: it is a symbolic link"
    assert not (tmp_path / "elsewhere").exists()
