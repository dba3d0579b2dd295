"""A real gateway on loopback in front of a real small server: what most tests drive."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from gateway.cli.demo import DEMO_PEPPER
from gateway.edge.service import Service
from gateway.observe.events import Event, RequestHandled
from gateway.odata.csdl import Schema
from gateway.policy.compilation import GatewayRules, compile_policy
from gateway.policy.documents import (
    PrivilegeName,
    Role,
    RoleDocument,
    Source,
    Syndication,
    SyndicationDocument,
    Template,
    TemplateDocument,
    validate,
)
from gateway.policy.model import Policy
from gateway.policy.profile import Profile
from gateway.sandbox.rows import sandbox_schema
from gateway.sandbox.server import Sandbox
from gateway.store.api_keys import digest
from gateway.store.configuration import Configuration, load_configuration

REPOSITORY = Path(__file__).resolve().parent.parent
CONFIG = REPOSITORY / "config"
ROOT = "/Reso/OData"
TOKEN_KEY = "ab" * 64
#: A profile that trusts the upstream with everything: what the sandbox deserves.
TRUSTING = Profile(
    comparisons="exact", string_equality="exact", patterns="literal", collections="exact", date_parts="utc", string_functions="exact",
    string_order="code_point", nested="exact", counts="exact", navigation_lambdas="exact", geo="exact",
)  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """All that a client can see of an answer, but for the date and our request id."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.json()["value"]
        return rows

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@dataclass
class Harness:
    service: Service
    session: aiohttp.ClientSession
    events: list[Event]
    now: list[float]  # the frozen clock, in seconds since 1970; tests may move it

    async def request(
        self, method: str, target: str, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Sends a raw target below the service root, already encoded."""
        url = URL(f"http://127.0.0.1:{self.service.listener.port}{target}", encoded=True)
        sent = {**({"Authorization": f"Bearer {key}"} if key else {}), **(headers or {})}
        async with self.session.request(method, url, headers=sent, allow_redirects=False) as response:
            kept = tuple((k, v) for k, v in response.headers.items() if k.lower() not in ("date", "x-request-id"))
            return Answer(response.status, kept, await response.read())

    async def get(self, target: str, key: str | None = "demo-idx") -> Answer:
        """``target`` below the service root, with blanks for readers; everything else must be encoded already."""
        return await self.request("GET", f"{ROOT}/{target}".replace(" ", "%20"), key)

    async def follow(self, answer: Answer, key: str) -> Answer:
        link = answer.json()["@odata.nextLink"]
        return await self.request("GET", link[link.index(ROOT) :], key)

    async def ready(self) -> dict[str, Any]:
        """What ``/readyz`` tells."""
        async with self.session.get(f"http://127.0.0.1:{self.service.admin.port}/readyz") as response:
            told: dict[str, Any] = await response.json()
            return told

    @property
    def handled(self) -> list[RequestHandled]:
        return [event for event in self.events if isinstance(event, RequestHandled)]


def free_ports(number: int) -> list[int]:
    """Return ports of loopback that nobody listens on: for programs that must know theirs before they start."""
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [server.getsockname()[1] for server in taken]
    for server in taken:
        server.close()
    return ports


async def until(happened: Callable[[], bool], patience: float = 20.0) -> None:
    """Waits for something that happens beside the test."""
    async with asyncio.timeout(patience):
        while not happened():  # noqa: ASYNC110  # nobody there would set an event
            await asyncio.sleep(0.01)


def write_configuration(directory: Path, files: Mapping[str, object] | None = None) -> Path:
    """A copy of the example configuration; ``files`` replace or add to it, ``None`` removes."""
    shutil.copytree(CONFIG, directory, dirs_exist_ok=True)
    for name, content in (files or {}).items():
        path = directory / name
        if content is None:
            path.unlink()
        elif isinstance(content, str):
            path.write_text(content, encoding="utf-8")
        else:
            path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return directory


def key_file(**keys: str) -> str:
    """keys.yaml with secret ``name`` for each ``name="Template: x"`` or ``"Role: y"``; ``_`` reads as ``-``."""
    entries = [
        f"  - Id: {name.replace('_', '-')}\n    {grant}\n    Digest: {digest(name.replace('_', '-'), DEMO_PEPPER)}\n"
        for name, grant in keys.items()
    ]
    return "Keys:\n" + "".join(entries)


def configuration(directory: Path, upstream: str, **environment: str) -> Configuration:
    return load_configuration(
        directory,
        {
            "GATEWAY__PUBLIC_URL": f"http://gateway.example{ROOT}",
            "GATEWAY__LISTEN__PORT": "0",
            "GATEWAY__ADMIN__PORT": "0",
            "GATEWAY__UPSTREAM__URL": upstream,
            "GATEWAY__UPSTREAM__RETRIES": "0",  # as the next line
            "GATEWAY__UPSTREAM__PROBE": "false",  # tests count requests; those about probes switch them on
            "GATEWAY__SECURITY__KEY_PEPPER": DEMO_PEPPER,
            "GATEWAY__SECURITY__TOKEN_KEYS": TOKEN_KEY,
            **{f"GATEWAY__{name}": value for name, value in environment.items()},
        },
    )


@asynccontextmanager
async def running(settings: Configuration, clock: float | None = None) -> AsyncIterator[Harness]:
    events: list[Event] = []
    now = [clock or 1_800_000_000.0]
    async with (
        Service(settings, events.append, clock=lambda: now[0]) as service,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=True) as session,
    ):
        yield Harness(service, session, events, now)


@asynccontextmanager
async def sandbox_running(sandbox: Sandbox) -> AsyncIterator[Sandbox]:
    await sandbox.start()
    try:
        yield sandbox
    finally:
        await sandbox.stop()


# --- compiled policies without files ----------------------------------------------------------------------------


def role(resources: Mapping[str, Any], name: str = "idx", **more: Any) -> Role:
    source = Source(f"roles/{name}.yaml")
    return Role(validate(RoleDocument, {"Role": name, "Resources": resources, **more}, source), source)


def template(**attributes: Any) -> Template:
    source = Source("templates/t.json", ("D",))
    data = {"Name": "t", "Description": "t", "Role": "idx", **attributes}
    return Template("t", validate(TemplateDocument, data, source), source)


def syndication(mode: str, field_name: str = "SyndicateTo", value: object = "ListHub") -> Syndication:
    document = {"Id": "s", "Name": "s", "Mode": mode, "Field": field_name, "Value": value}
    source = Source("syndications.yaml", ("Syndications", "0"))
    return Syndication(validate(SyndicationDocument, document, source), source)


def policy(
    base: Role,
    over: Template | None = None,
    *,
    syndicated: Syndication | None = None,
    schema: Schema | None = None,
    profile: Profile = TRUSTING,
    rules: GatewayRules | None = None,
    earlier: Schema | None = None,
    privileges: Collection[PrivilegeName] = (),
) -> Policy:
    return compile_policy(
        over,
        base,
        syndicated,
        schema or sandbox_schema(),
        profile,
        rules or GatewayRules(Source("gateway.yaml")),
        earlier=earlier,
        privileges=frozenset(privileges),
    )
