"""A gateway whose templates and keys are managed: staff of an MLS and of two of its associations, and a database."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yarl import URL

from gateway.sandbox.rows import make_tables
from gateway.sandbox.server import Sandbox
from gateway.store.configuration import Configuration
from tests.support import Answer, Harness, configuration, key_file, running, sandbox_running, write_configuration

BOTH = "Permissions: [manage_templates, manage_keys]"
STAFF = {
    "staff": f"Role: private\n    {BOTH}",
    "assoc_a": f"Role: private\n    AssociationId: A\n    {BOTH}",
    "assoc_b": f"Role: private\n    AssociationId: B\n    {BOTH}",
    "only_keys": "Role: private\n    Permissions: [manage_keys]",
    "only_templates": "Role: private\n    Permissions: [manage_templates]",
    "trusted": "Role: private\n    Permissions: [manage_trust]",
    "reader": "Role: private",
    "idx": "Template: company-idx",
    "gone": f"Role: private\n    Enabled: false\n    {BOTH}",
}
#: The body of the seed's POST, as it stands there.
SEED: Mapping[str, Any] = {
    "Name": "Company IDX Template",
    "Description": "The best template out of all the templates.",
    "SyndicationId": "20160328145508904022000000",
    "ListingPhotoLimit": None,
    "Role": "idx",
    "RestrictiveFilters": {
        "RESODictionaryVersion": 1.0,
        "Agent": None,
        "Property": {"Filter": "StandardStatus eq 'Active'"},
    },
    "FieldOverrides": {
        "RESODictionaryVersion": 1.0,
        "Agent": None,
        "Property": {"Residential": {"TotalBaths": {"Rule": "Visible"}, "ListPrice": {"Rule": "Hidden"}}},
    },
}


@dataclass
class Desk:
    """The admin listener of a gateway, as staff see it."""

    gateway: Harness

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = "staff",
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """``path`` below /v1/developers; ``body`` is put into ``D``, ``raw`` is sent as it is."""
        url = URL(f"http://127.0.0.1:{self.gateway.service.admin.port}/v1/developers{path}", encoded=True)
        secret = key.replace("_", "-") if key in STAFF else key
        sent = {
            **({"Authorization": f"Bearer {secret}"} if secret else {}),
            "Content-Type": "application/json",
            **(headers or {}),
        }
        data = raw if raw is not None else None if body is None else json.dumps({"D": body}).encode()
        async with self.gateway.session.request(
            method, url, data=data, headers=sent, allow_redirects=False
        ) as response:
            kept = tuple((name, value) for name, value in response.headers.items() if name.lower() != "date")
            return Answer(response.status, kept, await response.read())

    def reread(self, directory: Path) -> Configuration:
        """What the files say by now, in the environment of this gateway."""
        files = self.gateway.service.snapshot.configuration
        return configuration(directory, files.settings.upstream.url, STORE__URL=str(files.database_url))

    async def made(self, body: Mapping[str, Any] = SEED, *, key: str = "staff", path: str = "/templates") -> str:
        """The id of a new record."""
        answer = await self.call("POST", path, body, key=key)
        assert answer.status == 201, answer.body
        uri: str = results(answer)[0]["ResourceUri"]
        return uri.rpartition("/")[2]

    async def secret(self, grant: Mapping[str, Any], *, key: str = "staff") -> tuple[str, str]:
        """The id and the secret of a new key."""
        answer = await self.call("POST", "/keys", grant, key=key)
        assert answer.status == 201, answer.body
        return results(answer)[0]["Id"], results(answer)[0]["Secret"]


def results(answer: Answer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = answer.json()["D"]["Results"]
    return found


def code(answer: Answer) -> tuple[int, int]:
    """Status and Spark's number of a failure."""
    body = answer.json()["D"]
    assert body["Success"] is False
    return answer.status, body["Code"]


def details(answer: Answer) -> dict[str, str]:
    """Place to message, for each detail of a failure."""
    return {place: rules[0]["RuleValue"] for detail in answer.json()["D"]["Details"] for place, rules in detail.items()}


@asynccontextmanager
async def managed(
    directory: Path, database_url: str, files: Mapping[str, object] | None = None, **environment: str
) -> AsyncIterator[Desk]:
    """The example configuration with the keys of STAFF, in front of a small sandbox."""
    write_configuration(directory, {"keys.yaml": key_file(**STAFF), **(files or {})})
    async with (
        sandbox_running(Sandbox(make_tables(listings=30))) as sandbox,
        running(configuration(directory, sandbox.url, STORE__URL=database_url, **environment)) as gateway,
    ):
        yield Desk(gateway)
