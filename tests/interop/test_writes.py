"""RESO Add/Edit through the gateway, on servers that nobody here wrote, beside the sandbox: what succeeds and what fails
for create, update and delete, with a representation and minimal (RCP-10)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from yarl import URL

from tests.interop.cap_server import PROFILE, cap_running
from tests.interop.model import plain_sandbox
from tests.interop.test_odatapy import odatapy_running
from tests.support import CONFIG, ROOT, Answer, Harness, configuration, running, sandbox_running

pytestmark = pytest.mark.interop

DRAFT = {
    "ListAgentKey": "123456", "ListOfficeKey": "7890", "PropertyType": "Residential", "StreetNumber": "123", "StreetName": "Main St",
    "City": "Springfield",
}  # fmt: skip
BY = {"ChangedByMemberKey": "123456"}
OURS = f"http://gateway.example{ROOT}"
Server = Callable[[], AbstractAsyncContextManager[str]]


@asynccontextmanager
async def own_sandbox() -> AsyncIterator[str]:
    async with sandbox_running(plain_sandbox()) as sandbox:
        yield sandbox.url


SERVERS: dict[str, tuple[Server, dict[str, str]]] = {
    "sandbox": (own_sandbox, {}),
    "odatapy": (odatapy_running, {"UPSTREAM__PROFILE__CONDITIONAL_WRITES": "none"}),
    "cap": (cap_running, {**PROFILE, "UPSTREAM__PROFILE__CONDITIONAL_WRITES": "etag"}),
}


async def send(gateway: Harness, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    url = URL(f"http://127.0.0.1:{gateway.service.listener.port}{ROOT}/{path}", encoded=True)
    sent = {"Authorization": "Bearer demo-desk", "OData-Version": "4.01", "Accept": "application/json",
            **({"Content-Type": "application/json"} if body is not None else {}),
            **{name.replace("_", "-"): value for name, value in headers.items()}}  # fmt: skip
    raw = None if body is None else json.dumps(body)
    async with gateway.session.request(method, url, data=raw, headers=sent) as response:
        return Answer(response.status, tuple(response.headers.items()), await response.read())


def check_headers(answer: Answer, *, path: str | None = None) -> str:
    """What RESO's tests demand of a write that has succeeded; gives the path of the record."""
    address = answer.header("Location") or ""
    assert address.startswith(f"{OURS}/Property('")
    assert answer.header("EntityId") == answer.header("OData-EntityId") == address
    assert answer.header("OData-Version") in ("4.0", "4.01")
    found = address.removeprefix(f"{OURS}/")
    assert path in (None, found)
    return found


def check_refusal(answer: Answer, *targets: str) -> None:
    error = answer.json()["error"]
    assert answer.status == 400, answer.body
    assert error["message"]
    assert {detail["target"] for detail in error["details"]} == set(targets)
    assert all(detail["message"] and detail["code"] for detail in error["details"])


@pytest.mark.guarantee("G4")
@pytest.mark.parametrize("name", SERVERS)
async def test_add_and_edit(name: str) -> None:
    server, settings = SERVERS[name]
    async with server() as url, running(configuration(CONFIG, url, **settings)) as gateway:
        # Create, with a representation and minimal.
        made = await send(gateway, "POST", "Property", DRAFT, Prefer="return=representation")
        assert made.status == 201, made.body
        path = check_headers(made)
        assert made.header("Preference-Applied") == "return=representation"
        assert DRAFT.items() <= made.json().items()
        assert made.json()["@odata.editLink"] == made.json()["@odata.id"] == f"{OURS}/{path}"
        minimal = await send(
            gateway,
            "POST",
            "Property",
            {**DRAFT, "City": "Shelbyville", "ListPrice": 450000.5},
            Prefer="return=minimal",
        )
        assert (minimal.status, minimal.body) == (204, b"")
        other = check_headers(minimal)
        assert other != path
        read = await send(gateway, "GET", other)
        assert (read.json()["City"], read.json()["ListPrice"]) == ("Shelbyville", 450000.5)

        # Update, with the tag that was answered.
        tag = (await send(gateway, "GET", path)).header("ETag") or ""
        assert tag == made.header("ETag") == made.json()["@odata.etag"]
        changed = await send(
            gateway,
            "PATCH",
            path,
            {"StandardStatus": "Active", "ListPrice": 110000, **BY},
            If_Match=tag,
            Prefer="return=representation",
        )
        assert changed.status == 200, changed.body
        check_headers(changed, path=path)
        assert (changed.json()["StandardStatus"], changed.json()["ListPrice"], changed.json()["City"]) == (
            "Active",
            110000,
            "Springfield",
        )
        assert changed.json()["@odata.etag"].startswith('W/"')
        assert "ChangedByMemberKey" not in changed.json()
        brief = await send(
            gateway,
            "PATCH",
            path,
            {"City": "Åre", "Appliances": ["Dishwasher"], "ListPrice": None, **BY},
            If_Match=changed.header("ETag") or "",
            Prefer="return=minimal",
        )
        assert (brief.status, brief.body, brief.header("Preference-Applied")) == (204, b"", "return=minimal")
        check_headers(brief, path=path)
        read = await send(gateway, "GET", path)
        assert (read.json()["City"], read.json()["Appliances"], read.json()["ListPrice"]) == (
            "Åre",
            ["Dishwasher"],
            None,
        )
        assert read.header("ETag") == brief.header("ETag")

        # What fails: a rule of the upstream's, what cannot be written, a stale tag, a record that is not there.
        check_refusal(await send(gateway, "POST", "Property", {**DRAFT, "ListPrice": -5}), "ListPrice")
        check_refusal(await send(gateway, "PATCH", path, {"ListPrice": -5, **BY}), "ListPrice")
        check_refusal(
            await send(gateway, "PATCH", path, {"ListingKey": "x", "Media": [{}], "City": 7}),
            "ListingKey",
            "Media",
            "City",
            "ChangedByMemberKey",
        )
        check_refusal(
            await send(gateway, "POST", "Property", {"City": "x", "ListAgentKey": "nobody"}),
            "ListAgentKey",
            "ListOfficeKey",
            "PropertyType",
            "StreetNumber",
            "StreetName",
        )
        stale = await send(gateway, "PATCH", path, {"City": "x", **BY}, If_Match=tag)
        assert stale.status == 412
        absent = [
            await send(gateway, method, "Property('nowhere')", body)
            for method, body in (("PATCH", {"City": "x", **BY}), ("DELETE", None))
        ]
        assert {answer.status for answer in absent} == {404}
        assert (await send(gateway, "DELETE", path, If_Match=tag)).status == 412
        unchanged = await send(gateway, "GET", path)
        assert unchanged.body == read.body
        assert (await send(gateway, "GET", "Property('nowhere')")).status == 404

        # Delete.
        deleted = await send(gateway, "DELETE", path, If_Match=read.header("ETag") or "")
        assert (deleted.status, deleted.body) == (204, b"")
        assert (await send(gateway, "GET", path)).status == 404
        assert (await send(gateway, "DELETE", path)).status == 404
        assert (await send(gateway, "GET", other)).status == 200
        assert not any(event.violations for event in gateway.handled)
