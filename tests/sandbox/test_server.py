"""The sandbox over HTTP, as an unprotected server is."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from yarl import URL

from gateway.odata.csdl import parse_metadata
from gateway.sandbox.server import Sandbox


async def get(sandbox: Sandbox, target: str) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(URL(f"{sandbox.url}/{target}".replace(" ", "%20"), encoded=True)) as response,
    ):
        return response.status, await response.json() if "json" in response.content_type else await response.read()


async def test_it_pages_with_links_of_its_own(sandbox: Sandbox) -> None:
    _, first = await get(sandbox, "Property?$select=ListingKey&$top=150")
    status, whole = await get(sandbox, "Property?$select=ListingKey&$top=1000")

    assert len(first["value"]) == 150
    assert "@odata.nextLink" not in first
    assert status == 200
    assert "@odata.nextLink" not in whole
    _, default = await get(sandbox, "Property?$select=ListingKey")
    assert len(default["value"]) == 100
    _, second = await get(sandbox, default["@odata.nextLink"].removeprefix(sandbox.url + "/"))
    assert [row["ListingKey"] for row in default["value"] + second["value"]] == [
        row["ListingKey"] for row in whole["value"][:200]
    ]


async def test_it_sends_what_servers_send(sandbox: Sandbox) -> None:
    """Links with its own host and ETags over the whole row: what the gateway must not let through."""
    _, body = await get(sandbox, "Property?$top=1")
    _, entity = await get(sandbox, "Property('L00001')")

    assert body["value"][0]["@odata.id"].startswith(sandbox.url)
    assert "@odata.etag" in entity
    assert "MemberPassword" in (await get(sandbox, "Member('M001')"))[1]


@pytest.mark.parametrize(
    ("target", "status"),
    [("Nope", 404), ("Property('x')", 404), ("Property?$filter=Nope eq 1", 400), ("Property?$select=Nope", 400), ("Property?$expand=Nope", 400),
     ("Property?$filter=((", 400), ("Property?$apply=x", 501), ("Property('L00001')/City", 404)],
)  # fmt: skip
async def test_it_refuses_like_a_server(sandbox: Sandbox, target: str, status: int) -> None:
    assert (await get(sandbox, target))[0] == status


async def test_its_metadata_is_readable(sandbox: Sandbox) -> None:
    _, document = await get(sandbox, "$metadata")

    assert "Property" in parse_metadata(document).entity_sets
