"""A gateway whose keys may write, in front of a sandbox that can be told to misbehave."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from yarl import URL

from gateway.sandbox.rows import make_tables
from gateway.sandbox.server import Sandbox
from tests.modelled import profile
from tests.support import ROOT, Answer, Harness, configuration, key_file, running, sandbox_running, write_configuration

PUBLIC = f"http://gateway.example{ROOT}"
#: What the seed's page says of Property.
WRITES: Mapping[str, Any] = {
    "Methods": ["POST", "PATCH", "DELETE"],
    "Fields": ["ListAgentKey", "ListOfficeKey", "PropertyType", "StreetNumber", "StreetName", "City", "ListPrice", "StandardStatus", "SoldPrice"],
    "Control": ["ChangedByMemberKey"],
    "Required": {"POST": ["ListAgentKey", "ListOfficeKey", "PropertyType", "StreetNumber", "StreetName", "City"], "PATCH": ["ChangedByMemberKey"]},
    "References": {"ListAgentKey": "Member", "ListOfficeKey": "Office", "ChangedByMemberKey": "Member"},
    "Bound": {"ChangedByMemberKey": "MemberKey"}, "PolicyFields": ["StandardStatus"],
}  # fmt: skip
HIDDEN = ["ChangedByMemberKey", "OwnerName", "PrivateRemarks"]
ROLE: Mapping[str, Any] = {
    "Property": {"Filter": "StandardStatus in ('Incomplete','Active','Sold')", "Default": "Visible", "Fields": {"All": {"Hidden": HIDDEN}}, "Writes": WRITES},
    "Member": {"Default": "Visible", "Filter": "MemberKey ne 'M003'"}, "Office": {"Default": "Visible"}, "Media": {"Default": "Visible"},
}  # fmt: skip
DRAFT: Mapping[str, Any] = {
    "ListAgentKey": "M001",
    "ListOfficeKey": "O001",
    "PropertyType": "Residential",
    "StreetNumber": "123",
    "StreetName": "Main St",
    "City": "Springfield",
}
BY = {"ChangedByMemberKey": "M001"}

Mood = Callable[[web.BaseRequest], Awaitable[web.StreamResponse | None]]


class Moody(Sandbox):
    """A sandbox whose next writes meet moods first: one that answers keeps the write from being done."""

    def __init__(self) -> None:
        super().__init__(make_tables(listings=40))
        self.moods: list[Mood] = []
        #: Reads wait for it.
        self.stalls = asyncio.Event()
        self.stalls.set()
        #: (method, path, headers) of every write that came.
        self.came: list[tuple[str, str, Mapping[str, str]]] = []

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method in ("POST", "PATCH", "DELETE"):
            self.came.append((request.method, request.raw_path, request.headers.copy()))
            if self.moods:
                answer = await self.moods.pop(0)(request)
                if answer is not None:
                    return answer
        elif not self.stalls.is_set():
            await self.stalls.wait()
        return await super()._handle(request)

    def says(self, status: int, body: Any = None, **headers: str) -> None:
        """The next write is answered so, and not done."""

        async def mood(request: web.BaseRequest) -> web.StreamResponse:
            await request.read()
            raw = b"" if body is None else json.dumps(body).encode()
            return web.Response(status=status, body=raw, headers={"Content-Type": "application/json", **headers})

        self.moods.append(mood)

    def drops(self, *, done: bool) -> None:
        """The connection of the next write ends without an answer, after the write was ``done`` or without it."""

        async def mood(request: web.BaseRequest) -> web.StreamResponse | None:
            if done:
                await Sandbox._handle(self, request)
            assert request.transport is not None
            request.transport.abort()
            return web.Response()

        self.moods.append(mood)

    def first(self, happens: Callable[[], None]) -> None:
        """Something happens between the gateway's read and its next write."""

        async def mood(_request: web.BaseRequest) -> None:
            happens()

        self.moods.append(mood)

    def stall(self) -> None:
        """From now on reads are not answered, until ``stalls`` is set."""
        self.stalls.clear()

    def waits(self, until: asyncio.Event) -> None:
        async def mood(_request: web.BaseRequest) -> None:
            await until.wait()

        self.moods.append(mood)


@dataclass
class Desk:
    gateway: Harness
    sandbox: Moody

    async def send(self, method: str, path: str, body: Any = None, key: str = "k", **headers: str) -> Answer:
        url = URL(f"http://127.0.0.1:{self.gateway.service.listener.port}{ROOT}/{path}", encoded=True)
        raw = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {
            "Authorization": f"Bearer {key}",
            **({"Content-Type": "application/json"} if raw is not None else {}),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        async with self.gateway.session.request(
            method, url, data=io.BytesIO(raw) if raw is not None else None, headers=sent
        ) as response:
            kept = tuple((k, v) for k, v in response.headers.items() if k.lower() not in ("date", "x-request-id"))
            return Answer(response.status, kept, await response.read())

    async def draft(self, **more: Any) -> str:
        """The path of a new draft."""
        made = await self.send("POST", "Property", {**DRAFT, **more})
        assert made.status == 201, made.body
        self.sandbox.came.clear()
        self.sandbox.written.clear()
        return f"Property('{made.json()['ListingKey']}')"

    def row(self, path: str) -> dict[str, Any]:
        """What the sandbox holds."""
        key = path.partition("'")[2].removesuffix("')")
        return self.sandbox.database.row("Property", key)

    def change(self, path: str, **values: Any) -> None:
        """Somebody else writes, behind the gateway."""
        self.sandbox.database.update("Property", path.partition("'")[2].removesuffix("')"), values)


def details(answer: Answer) -> dict[str, str]:
    error = answer.json()["error"]
    assert (answer.status, error["code"]) == (400, "InvalidBody"), answer.body
    return {detail["target"]: detail["message"] for detail in error["details"]}


@asynccontextmanager
async def writing(
    directory: Path,
    role: Any = ROLE,
    *,
    database: str | None = None,
    conditional: str = "etag",
    template: Mapping[str, Any] | None = None,
    requests: Mapping[str, Any] | None = None,
    upstream: Mapping[str, Any] | None = None,
    log: Mapping[str, Any] | None = None,
    policy: Mapping[str, Any] | None = None,
) -> AsyncIterator[Desk]:
    """Keys: ``k``; ``bound`` to member M002; ``other`` with the same licence; ``narrow`` under the template."""
    declared = profile(conditional_writes=conditional, create_defaults={"Property": {"StandardStatus": "Incomplete"}})
    settings = {
        "upstream": {"url": "http://x", "probe": False, "profile": declared, **(upstream or {})},
        "public_url": PUBLIC, "listen": {"port": 0}, "admin": {"port": 0}, "requests": dict(requests or {}),
        "log": dict(log or {}), "policy": dict(policy or {}),
    }  # fmt: skip
    document = {"Name": "narrow", "Description": "-", "Role": "idx", **(template or {})}
    files = {
        "roles/idx.yaml": json.dumps({"Role": "idx", "Resources": role}) + "\n", "gateway.yaml": json.dumps(settings) + "\n",
        "keys.yaml": key_file(k="Role: idx", bound="Role: idx\n    Bindings: {MemberKey: M002}", other="Role: idx", narrow="Template: narrow"),
        "templates/company-idx.json": None, "templates/registered-consumers.json": None, "templates/narrow.json": json.dumps({"D": document}) + "\n",
    }  # fmt: skip
    write_configuration(directory, files)
    environment = {} if database is None else {"STORE__URL": database}
    async with (
        sandbox_running(Moody()) as sandbox,
        running(configuration(directory, sandbox.url, **environment)) as gateway,
    ):
        assert isinstance(sandbox, Moody)
        yield Desk(gateway, sandbox)
