"""One entity set that cannot be read is closed and told; the others are served, and nothing gets laxer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.edge.diagnosis import diagnose
from gateway.observe.events import SetsClosed
from gateway.sandbox.rows import metadata_document
from gateway.sandbox.server import Sandbox
from tests.modelled import ROLE, listing, member, modelled, photo, tables
from tests.support import configuration, sandbox_running, write_configuration

WHOLE = metadata_document()


def broken(name: str) -> bytes:
    return WHOLE.replace(
        f'<EntityType Name="{name}">'.encode(), f'<EntityType Name="{name}"><Property Type="Edm.String"/>'.encode()
    )


@pytest.mark.channel("C24", "C350")
async def test_what_follows_a_closed_set_is_withheld_and_the_rest_is_served(directory: Path) -> None:
    rows = tables(
        Property=[listing("1")], Media=[photo("1", 1), photo("m", 2, ResourceName="Member")], Member=[member("m")]
    )
    async with modelled(directory, rows, role=ROLE, metadata=broken("Property")) as (gateway, _):
        listings = await gateway.get("Property", "k")
        houses = await gateway.get("OpenHouse", "k")
        media = await gateway.get("Media", "k")
        members = await gateway.get("Member", "k")
        document = (await gateway.get("$metadata", "k")).body
        ready = await gateway.ready()
        nobody = await gateway.get("Teams", "k")
        async with gateway.session.get(f"http://127.0.0.1:{gateway.service.admin.port}/metrics") as response:
            numbers = await response.text()

    assert (listings.status, listings.json()["error"]["code"]) == (503, "Unavailable")
    assert (houses.status, nobody.status) == (501, 404)
    assert [row["MediaKey"] for row in media.rows] == ["m-2"]
    assert [row["MemberKey"] for row in members.rows] == ["m"]
    assert b'EntitySet Name="Property"' not in document
    assert ready["ready"]
    assert len(ready["closed"]) == 1
    assert ready["closed"][0].startswith("`Property`: line ")
    assert "gateway_closed_sets 1.0" in numbers


async def test_it_is_told_once_and_again_when_it_is_mended(directory: Path) -> None:
    async with modelled(directory, tables(Member=[member("m")]), metadata=broken("Member")) as (gateway, upstream):
        assert (await gateway.get("Member", "k")).status == 503
        upstream.metadata = WHOLE
        assert await gateway.service.refresh_metadata()
        assert (await gateway.get("Member", "k")).status == 200
        upstream.metadata = broken("Member")
        assert not await gateway.service.refresh_metadata()  # it has lost a set: a second fetch must agree
        assert (await gateway.get("Member", "k")).status == 200
        assert await gateway.service.refresh_metadata()
        assert (await gateway.get("Member", "k")).status == 503
        told = [len(event.sets) for event in gateway.events if isinstance(event, SetsClosed)]

    assert told == [1, 0, 1]


async def test_a_photo_counter_is_hidden_while_media_cannot_be_read(directory: Path) -> None:
    async with modelled(directory, tables(Property=[listing("1", PhotosCount=3)]), metadata=broken("Media")) as (
        gateway,
        _,
    ):
        answer = await gateway.get("Property", "k")

    assert "PhotosCount" not in answer.rows[0]
    assert json.dumps(answer.json()).count("ListingKey") == 1


async def test_a_document_without_a_readable_set_serves_nobody(directory: Path) -> None:
    nothing = WHOLE.replace(b'Namespace="Sandbox"', b"")
    async with modelled(directory, tables(), metadata=nothing) as (gateway, _):
        assert (await gateway.get("Property", "k")).status == 503
        assert not (await gateway.ready())["ready"]


async def test_the_doctor_says_what_is_closed(directory: Path) -> None:
    sandbox = Sandbox()
    sandbox.metadata = broken("Media")
    async with sandbox_running(sandbox) as running:
        settings = configuration(write_configuration(directory), running.url)
        found = [finding async for finding in diagnose(settings) if finding.what == "entity set"]

    assert [(finding.state, finding.found.partition(":")[0]) for finding in found] == [("failed", "`Media`")]
