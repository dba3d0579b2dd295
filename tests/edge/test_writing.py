"""The seed's flow through gateway and sandbox: draft, update, publish, sell, delete; and what is refused before anything is sent."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yarl import URL

from gateway.sandbox.rows import make_tables
from gateway.sandbox.server import Sandbox
from tests.modelled import profile
from tests.support import ROOT, Answer, Harness, configuration, key_file, running, sandbox_running, write_configuration

WRITES = {
    "Methods": ["POST", "PATCH", "DELETE"],
    "Fields": ["ListAgentKey", "ListOfficeKey", "PropertyType", "StreetNumber", "StreetName", "City", "ListPrice", "StandardStatus", "SoldPrice"],
    "Control": ["ChangedByMemberKey"],
    "Required": {"POST": ["ListAgentKey", "ListOfficeKey", "PropertyType", "StreetNumber", "StreetName", "City"], "PATCH": ["ChangedByMemberKey"]},
    "References": {"ListAgentKey": "Member", "ListOfficeKey": "Office", "ChangedByMemberKey": "Member"},
    "Bound": {"ChangedByMemberKey": "MemberKey"}, "PolicyFields": ["StandardStatus"],
}  # fmt: skip
ROLE = {
    "Property": {"Filter": "StandardStatus in ('Incomplete','Active','Sold')", "Default": "Visible", "Fields": {"All": {"Hidden": ["ChangedByMemberKey", "OwnerName"]}}, "Writes": WRITES},
    "Member": {"Default": "Visible"}, "Office": {"Default": "Visible"}, "Media": {"Default": "Visible"},
}  # fmt: skip
DRAFT = {
    "ListAgentKey": "M001",
    "ListOfficeKey": "O001",
    "PropertyType": "Residential",
    "StreetNumber": "123",
    "StreetName": "Main St",
    "City": "Springfield",
}


@dataclass
class Desk:
    gateway: Harness
    sandbox: Sandbox

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        url = URL(f"http://127.0.0.1:{self.gateway.service.listener.port}{ROOT}/{path}", encoded=True)
        raw = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {
            "Authorization": "Bearer k",
            **({"Content-Type": "application/json"} if raw is not None else {}),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        async with self.gateway.session.request(method, url, data=raw, headers=sent) as response:
            kept = tuple((k, v) for k, v in response.headers.items() if k.lower() not in ("date", "x-request-id"))
            return Answer(response.status, kept, await response.read())

    def details(self, answer: Answer) -> dict[str, str]:
        assert answer.json()["error"]["code"] == "InvalidBody"
        return {detail["target"]: detail["message"] for detail in answer.json()["error"]["details"]}


@asynccontextmanager
async def writing(directory: Path, role: Any = ROLE, **more: Any) -> AsyncIterator[Desk]:
    settings = {"upstream": {"url": "http://x", "probe": False, "profile": profile(conditional_writes="etag", create_defaults={"Property": {"StandardStatus": "Incomplete"}}, **more)},
                "public_url": f"http://gateway.example{ROOT}", "listen": {"port": 0}, "admin": {"port": 0}}  # fmt: skip
    files = {
        "roles/idx.yaml": json.dumps({"Role": "idx", "Resources": role}) + "\n", "gateway.yaml": json.dumps(settings) + "\n",
        "keys.yaml": key_file(k="Role: idx", bound="Role: idx\n    Bindings: {MemberKey: M002}"), "templates/company-idx.json": None,
    }  # fmt: skip
    write_configuration(directory, files)
    async with (
        sandbox_running(Sandbox(make_tables(listings=20))) as sandbox,
        running(configuration(directory, sandbox.url)) as gateway,
    ):
        yield Desk(gateway, sandbox)


async def test_the_seeds_flow(directory: Path) -> None:
    async with writing(directory) as desk:
        made = await desk.send("POST", "Property", DRAFT)
        key = made.json()["ListingKey"]
        path = f"Property('{key}')"
        priced = await desk.send("PATCH", path, {"ListPrice": 110000, "ChangedByMemberKey": "M001"})
        published = await desk.send(
            "PATCH", path, {"StandardStatus": "Active", "ChangedByMemberKey": "M001"}, Prefer="return=representation"
        )
        sold = await desk.send(
            "PATCH",
            path,
            {"StandardStatus": "Sold", "SoldPrice": 110000, "ChangedByMemberKey": "M001"},
            Prefer="return=minimal",
        )
        found = await desk.send("GET", path)
        deleted = await desk.send("DELETE", path)
        gone = await desk.send("GET", path)

    assert made.status == 201, made.body
    assert key.startswith("Draft")
    assert {name: made.json()[name] for name in ("StandardStatus", "ContractStatus", "City")} == {
        "StandardStatus": "Incomplete",
        "ContractStatus": "Draft",
        "City": "Springfield",
    }
    address = f"http://gateway.example{ROOT}/{path}"
    assert (
        made.header("Location")
        == made.header("OData-EntityId")
        == made.json()["@odata.editLink"]
        == address.replace("'", "%27")
        or made.header("Location") == address
    )
    assert made.json()["@odata.etag"].startswith('W/"')
    assert "ChangedByMemberKey" not in published.json()
    assert (priced.status, published.status, sold.status, found.status, deleted.status, gone.status) == (
        204,
        200,
        204,
        200,
        204,
        404,
    )
    assert published.header("Preference-Applied") == "return=representation"
    assert (found.json()["StandardStatus"], found.json()["SoldPrice"]) == ("Sold", 110000)


async def test_nothing_reaches_the_upstream_that_is_refused_here(directory: Path) -> None:
    async with writing(directory) as desk:
        key = (await desk.send("POST", "Property", DRAFT)).json()["ListingKey"]
        desk.sandbox.written.clear()
        missing = await desk.send(
            "POST", "Property", {"City": "x", "OwnerName": "y", "ListAgentKey": "M999", "Nope": 1}
        )
        foreign = await desk.send("PATCH", f"Property('{key}')", {"ChangedByMemberKey": "M999", "PropertyType": "Land"})
        leaves = await desk.send(
            "PATCH", f"Property('{key}')", {"ChangedByMemberKey": "M001", "StandardStatus": "Closed"}
        )
        absent = await desk.send("PATCH", "Property('nothing')", {"ChangedByMemberKey": "M001", "City": "x"})
        plain = await desk.send(
            "PATCH", f"Property('{key}')", b"City=x", Content_Type="application/x-www-form-urlencoded"
        )
        stale = await desk.send(
            "PATCH", f"Property('{key}')", {"ChangedByMemberKey": "M001", "City": "x"}, If_Match='"other"'
        )
        put = await desk.send("PUT", f"Property('{key}')", {"City": "x"})
        closed = await desk.send("POST", "Member", {"MemberFullName": "x"})
        empty = await desk.send("PATCH", f"Property('{key}')")

    assert desk.details(missing) == {
        "OwnerName": "cannot be written here", "Nope": "cannot be written here", "ListOfficeKey": "is required", "PropertyType": "is required",
        "StreetNumber": "is required", "StreetName": "is required", "ListAgentKey": "is the key of no record that can be seen here",
    }  # fmt: skip
    assert desk.details(foreign) == {
        "PropertyType": "cannot be written here",
        "ChangedByMemberKey": "is the key of no record that can be seen here",
    }
    assert desk.details(leaves) == {"StandardStatus": "cannot be changed to this"}
    assert [answer.status for answer in (absent, plain, stale, put, closed, empty)] == [404, 415, 412, 405, 405, 400]
    assert put.header("Allow") == "GET, HEAD, PATCH, DELETE"
    assert closed.header("Allow") == "GET, HEAD"
    assert desk.sandbox.written == []


async def test_an_upstreams_refusal_becomes_ours(directory: Path) -> None:
    async with writing(directory) as desk:
        key = (await desk.send("POST", "Property", DRAFT)).json()["ListingKey"]
        refused = await desk.send("PATCH", f"Property('{key}')", {"ListPrice": -5, "ChangedByMemberKey": "M001"})

    assert desk.details(refused) == {"ListPrice": "was refused by the listing service"}
    assert b"List Price" not in refused.body
