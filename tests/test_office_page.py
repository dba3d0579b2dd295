"""Spark's page of Office, line by line, against the shipped configuration: roles, services, methods, expansions."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.sandbox.rows import Tables, make_tables
from gateway.sandbox.server import Sandbox
from tests.support import CONFIG, ROOT, Harness, configuration, key_file, running, sandbox_running, write_configuration

#: The page's roles, and ours for entering listings.
ROLES = ("idx", "public", "vow", "portal", "private", "desk")
PRIVILEGED = "Privileges: [DelegatedAccess]"
#: The fields that the page lists for DelegatedAccess.
DELEGATED = ("Id", "AsUser", "AllUsers", "BrokerloadOverride")
#: As long as the name that is hidden: no answer can differ by its length.
NEVER = "Qwertyuiopasdfg"


def office_keys() -> str:
    """For each role a key of its name, and ``<role>-may`` with the privilege."""
    plain = {name: f"Role: {name}" for name in ROLES}
    return key_file(**plain, **{f"{name}_may": f"Role: {name}\n    {PRIVILEGED}" for name in ROLES})


@asynccontextmanager
async def offices(directory: Path, tables: Tables | None = None) -> AsyncIterator[Harness]:
    """The shipped roles and settings, with keys of every role, in front of a small sandbox."""
    write_configuration(directory, {"keys.yaml": office_keys()})
    async with (
        sandbox_running(Sandbox(tables or make_tables(listings=3))) as sandbox,
        running(configuration(directory, sandbox.url)) as gateway,
    ):
        yield gateway


@pytest.fixture
async def page(directory: Path) -> AsyncIterator[Harness]:
    async with offices(directory) as found:
        yield found


# --- Supported Roles, Available Services


@pytest.mark.parametrize("role", ROLES)
async def test_every_role_reads_all_offices_and_one(page: Harness, role: str) -> None:
    every = await page.get("Office?$select=OfficeKey", role)
    one = await page.get("Office('O002')?$select=OfficeKey", role)

    assert [row["OfficeKey"] for row in every.rows] == ["7890", *(f"O{number:03d}" for number in range(8))]
    assert (one.status, one.json()["OfficeKey"]) == (200, "O002")


@pytest.mark.parametrize("role", [*ROLES, "private-may", "desk-may"])
@pytest.mark.parametrize("target", ["Office", "Office('O002')", "DelegatedAccess", "DelegatedAccess('O002')"])
async def test_no_role_writes_offices(page: Harness, role: str, target: str) -> None:
    exists = target.startswith("Office") or role.endswith("-may")
    methods = ("POST", "PUT", "PATCH", "DELETE")

    answers = [await page.request(method, f"{ROOT}/{target}", role) for method in methods]

    assert {answer.status for answer in answers} == {405 if exists else 404}


async def test_attributes_are_selected_and_pages_follow(page: Harness) -> None:
    first = await page.request("GET", f"{ROOT}/Office?$select=OfficeKey,OfficeStatus&$count=true&$top=7&$skip=1", "idx")
    small = await page.session.get(
        f"http://127.0.0.1:{page.service.listener.port}{ROOT}/Office?$select=OfficeKey",
        headers={"Authorization": "Bearer idx", "Prefer": "odata.maxpagesize=2"},
    )
    page_of_two = json.loads(await small.read())
    link = page_of_two["@odata.nextLink"]
    second = await page.request("GET", link[link.index(ROOT) :], "idx")

    assert first.json()["@odata.count"] == 9
    assert [row["OfficeKey"] for row in first.rows] == [f"O{number:03d}" for number in range(7)]
    assert all(set(row) <= {"OfficeKey", "OfficeStatus"} for row in first.rows)
    assert [row["OfficeKey"] for row in page_of_two["value"]] == ["7890", "O000"]
    assert [row["OfficeKey"] for row in second.rows][:2] == ["O001", "O002"]


# --- Expansions


@pytest.mark.parametrize("role", ROLES)
async def test_every_role_expands_media_and_external_products(page: Harness, role: str) -> None:
    answer = await page.get("Office('O002')?$select=OfficeKey&$expand=Media,ExternalProducts", role)

    assert answer.status == 200
    assert [row["MediaKey"] for row in answer.json()["Media"]] == ["Office-O002-1"]
    assert answer.json()["ExternalProducts"] == [
        {"ExternalProductKey": f"PO002-{number}", "OfficeKey": "O002", "ProductName": f"Product {number}"}
        for number in range(2)
    ]


@pytest.mark.parametrize("role", ROLES)
async def test_a_key_of_any_role_with_the_privilege_expands_delegated_access(page: Harness, role: str) -> None:
    answer = await page.get("Office('O002')?$select=OfficeKey&$expand=DelegatedAccess", f"{role}-may")
    rows = answer.json()["DelegatedAccess"]

    assert [tuple(row[name] for name in DELEGATED) for row in rows] == [
        ("M002", True, False, True),
        ("O002", False, True, None),
    ]


async def test_each_id_can_be_checked_against_member_or_office(page: Harness) -> None:
    rows = (await page.get("DelegatedAccess?$select=Id", "private-may")).rows

    found = [
        (await page.get(f"Member('{row['Id']}')", "private")).status == 200
        or (await page.get(f"Office('{row['Id']}')", "private")).status == 200
        for row in rows
    ]

    assert found == [True] * 8


#: Every way to name the relation, the resource or a field of it.
WAYS = (
    "Office('O002')?$expand=DelegatedAccess",
    "Office?$expand=DelegatedAccess($select=Id)",
    "Office?$expand=Media,DelegatedAccess",
    "Office?$select=DelegatedAccess",
    "Office?$filter=DelegatedAccess/any(d:d/AllUsers eq true)",
    "Office?$filter=DelegatedAccess/$count gt 0",
    "Office?$orderby=DelegatedAccess",
    "Office('O002')/DelegatedAccess",
    "Office('O002')/DelegatedAccess/$count",
    "Office('O002')/DelegatedAccess('O002')",
    "Member('M002')/Office/DelegatedAccess",
    "Member('M002')?$expand=Office($expand=DelegatedAccess)",
    "Property?$expand=ListOffice($expand=DelegatedAccess)",
    "DelegatedAccess",
    "DelegatedAccess('O002')",
    "DelegatedAccess/$count",
    "DelegatedAccess?$filter=AllUsers eq true",
    "DelegatedAccess?$select=Nope",
    "Field('DelegatedAccess.Id')",
)


@pytest.mark.guarantee("G2")
@pytest.mark.channel("C1", "C9", "C150", "C151")
@pytest.mark.parametrize("role", ROLES)
async def test_to_a_key_without_the_privilege_delegated_access_is_a_name_that_never_was(
    page: Harness, role: str
) -> None:
    for way in WAYS:
        for method in ("GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"):
            target = f"{ROOT}/{way}".replace(" ", "%20")
            hidden = await page.request(method, target, role)
            never = await page.request(method, target.replace("DelegatedAccess", NEVER), role)

            body = never.body.replace(NEVER.encode(), b"DelegatedAccess")
            assert (hidden.status, hidden.headers, hidden.body) == (never.status, never.headers, body), (method, way)


@pytest.mark.guarantee("G2")
@pytest.mark.channel("C167", "C169")
@pytest.mark.parametrize("role", ROLES)
async def test_no_document_about_the_model_names_delegated_access_to_a_key_without_the_privilege(
    page: Harness, role: str
) -> None:
    targets = ("", "$metadata", "$metadata?$format=application/json", "Field?$top=1000", "Lookup?$top=1000")

    plain = [await page.get(target, role) for target in targets]
    privileged = [await page.get(target, f"{role}-may") for target in targets]

    assert {answer.status for answer in plain[:3]} == {200}
    assert not any(b"Delegated" in answer.body or b"BrokerloadOverride" in answer.body for answer in plain)
    assert all(b"DelegatedAccess" in answer.body for answer in privileged[:3])


@pytest.mark.guarantee("G1")
@pytest.mark.channel("C1")
async def test_who_may_act_as_whom_changes_no_byte_for_a_key_without_the_privilege(directory: Path) -> None:
    """Two worlds: the second has other rows of DelegatedAccess, and nothing else differs."""
    asked = [
        *WAYS,
        "",
        "$metadata",
        "Field?$top=1000",
        "Office?$expand=Media,ExternalProducts&$count=true",
        "ExternalProducts",
    ]

    async def told(tables: Tables) -> list[Any]:
        async with offices(directory, tables) as found:
            return [
                (answer.status, answer.headers, answer.body)
                for role in ROLES
                for target in asked
                for answer in [await found.get(target, role)]
            ]

    other = make_tables(listings=3)
    other["DelegatedAccess"] = [
        {"Id": "M007", "OfficeKey": "O001", "AsUser": True, "AllUsers": True, "BrokerloadOverride": False}
    ]

    assert await told(make_tables(listings=3)) == await told(other)


@pytest.mark.guarantee("G1")
@pytest.mark.channel("C9")
async def test_rows_of_an_office_that_does_not_exist_for_the_key_do_not_either(directory: Path) -> None:
    """Directly, below their office, expanded, by key and behind a search."""
    template = {
        "Name": "t",
        "Description": "t",
        "Role": "vow",
        "RestrictiveFilters": {"Office": {"Filter": "OfficeKey ne 'O002'"}},
    }
    write_configuration(directory, {
        "templates/t.json": {"D": template}, "keys.yaml": key_file(k=f"Template: t\n    {PRIVILEGED}"),
    })  # fmt: skip

    async def told(tables: Tables) -> list[Any]:
        async with (
            sandbox_running(Sandbox(tables)) as sandbox,
            running(configuration(directory, sandbox.url)) as gateway,
        ):
            answers = [
                await gateway.get(target, "k")
                for target in (
                    "DelegatedAccess", "ExternalProducts", "DelegatedAccess('O002')", "DelegatedAccess('M002')",
                    "ExternalProducts('PO002-0')", "Office('O002')/DelegatedAccess", "Office('O002')?$expand=DelegatedAccess",
                    "DelegatedAccess?$filter=OfficeKey eq 'O002'", "Office?$select=OfficeKey&$expand=DelegatedAccess,ExternalProducts",
                    "Office?$filter=DelegatedAccess/any(d:d/Id eq 'O002')&$select=OfficeKey",
                )
            ]  # fmt: skip
            return [(answer.status, answer.headers, answer.body) for answer in answers]

    other = make_tables(listings=3)
    for name in ("DelegatedAccess", "ExternalProducts"):
        other[name] = [row for row in other[name] if row["OfficeKey"] != "O002"]
    with_rows, without = await told(make_tables(listings=3)), await told(other)

    assert with_rows == without
    assert [row["Id"] for row in json.loads(with_rows[0][2])["value"]] == [
        "M000",
        "M004",
        "M006",
        "O000",
        "O004",
        "O006",
    ]
    assert [answer[0] for answer in with_rows[2:7]] == [404] * 5


async def test_the_demo_ships_a_key_with_the_privilege_and_one_of_the_same_template_without(gateway: Harness) -> None:
    assert "demo-office" in (CONFIG / "keys.yaml").read_text(encoding="utf-8")
    target = "Office('O002')?$select=OfficeKey&$expand=DelegatedAccess,ExternalProducts"

    privileged, plain = await gateway.get(target, "demo-office"), await gateway.get(target, "demo-vow")
    policies = {key: gateway.service.snapshot.by_key[key] for key in ("demo-office", "demo-vow")}

    assert (privileged.status, plain.status) == (200, 400)
    assert [row["Id"] for row in privileged.json()["DelegatedAccess"]] == ["M002", "O002"]
    assert policies["demo-office"].name == policies["demo-vow"].name
    assert policies["demo-office"].fingerprint != policies["demo-vow"].fingerprint


async def test_tags_and_documents_of_the_two_keys_differ(gateway: Harness) -> None:
    """Two keys of one template, one with the privilege: a cache of the one is not that of the other."""
    keys = ("demo-office", "demo-vow")
    documents = [await gateway.get("$metadata", key) for key in keys]
    pages = [await gateway.get("Office?$select=OfficeKey", key) for key in keys]

    assert len({answer.header("ETag") for answer in documents}) == 2
    assert len({answer.header("ETag") for answer in pages}) == 2
    assert pages[0].body == pages[1].body
