"""Metadata is kept current, and half a document is not taken for the whole."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from aiohttp import web

from gateway.observe.events import SchemaChanged
from gateway.odata.csdl import Schema
from gateway.policy.profile import Profile
from gateway.sandbox.rows import metadata_document
from gateway.settings import Upstream
from gateway.upstream.client import UpstreamClient
from gateway.upstream.metadata import MetadataWatcher
from tests.hostile import Hostile, collection, hostile_running


def publishing(published: list[Schema]) -> Callable[[Schema], Awaitable[bool]]:
    async def publish(schema: Schema) -> bool:
        published.append(schema)
        return True

    return publish


async def test_a_schema_that_shrinks_replaces_nothing_until_a_second_fetch_agrees() -> None:
    upstream = Hostile()
    published: list[Schema] = []
    complaints: list[str] = []
    half = metadata_document().decode().replace('<EntitySet Name="Office"', '<EntitySet Name="Bureau"').encode()
    async with hostile_running(upstream), UpstreamClient(Upstream(url=upstream.url), None) as client:
        watcher = MetadataWatcher(client, refresh=1, retry=1, publish=publishing(published), complain=complaints.append)
        assert await watcher.fetch()
        upstream.metadata = half
        assert not await watcher.fetch()
        assert len(published) == 1
        assert "second fetch" in complaints[0]

        upstream.metadata = metadata_document()
        assert await watcher.fetch()
        upstream.metadata = half
        assert not await watcher.fetch()  # the first sight again: the good document came between
        assert await watcher.fetch()

    assert "Bureau" in published[-1].entity_sets


async def test_what_is_no_metadata_is_complained_of_and_changes_nothing() -> None:
    upstream = Hostile()
    published: list[Schema] = []
    complaints: list[str] = []
    async with hostile_running(upstream), UpstreamClient(Upstream(url=upstream.url), None) as client:
        watcher = MetadataWatcher(client, refresh=1, retry=1, publish=publishing(published), complain=complaints.append)
        for document in (b"<html/>", None, b"<edmx"):
            upstream.metadata = document
            assert not await watcher.fetch()

    assert not published
    assert len(complaints) == 3


async def test_what_could_not_be_served_is_tried_again() -> None:
    upstream = Hostile()
    tries: list[Schema] = []

    async def publish(schema: Schema) -> bool:
        tries.append(schema)
        return len(tries) > 1

    async with hostile_running(upstream), UpstreamClient(Upstream(url=upstream.url), None) as client:
        watcher = MetadataWatcher(client, refresh=1, retry=1, publish=publish, complain=lambda _: None)
        assert not await watcher.fetch()
        upstream.metadata = None  # nobody is asked before what was read is served
        assert await watcher.fetch()
        upstream.metadata = metadata_document()
        assert await watcher.fetch()

    assert len(tries) == 2
    assert tries[0].entity_sets == tries[1].entity_sets


async def test_what_has_changed_is_named() -> None:
    document = metadata_document()
    told: list[SchemaChanged] = []
    upstream = Hostile()
    async with hostile_running(upstream), UpstreamClient(Upstream(url=upstream.url), None) as client:
        watcher = MetadataWatcher(
            client, refresh=1, retry=1, publish=publishing([]), complain=lambda _: None, changed=told.append
        )
        await watcher.fetch()
        upstream.metadata = document.replace(
            b'<Property Name="City" Type="Edm.String"', b'<Property Name="New" Type="Edm.String"/><Property Name="City" Type="Edm.Int64"', 1
        ).replace(b'Name="OwnerName"', b'Name="OwnerNames"', 1)  # fmt: skip
        assert upstream.metadata != document
        await watcher.fetch()
        await watcher.fetch()

    (change,) = told
    assert change.added == ("Property.New", "Property.OwnerNames")
    assert change.removed == ("Property.OwnerName",)
    assert change.retyped == ("Property.City",)


# --- Lookup


def lookups(count: int) -> list[dict[str, Any]]:
    return [{"LookupKey": f"{n:04}", "LookupName": "City", "LookupValue": f"V{n}"} for n in range(count)]


def walked(
    rows: list[dict[str, Any]], paging: str, form: str, page: int = 4
) -> Callable[[web.BaseRequest], web.Response]:
    """An upstream that cuts Lookup, and takes ``$skip`` only where that is how its pages go on."""

    def lookup(request: web.BaseRequest) -> web.Response:
        options = dict(parse_qsl(urlsplit(request.raw_path).query))
        assert paging == "skip" or not {"$skip", "$top"} & options.keys()
        start = int(options.get("$skip" if paging == "skip" else "$skiptoken", 0))
        link = f"Lookup?$skiptoken={start + page}"
        is_cut = start + page < len(rows)
        answer = collection(
            rows[start : start + page], **({"@odata.nextLink": link} if is_cut and form == "body" else {})
        )
        if is_cut and form == "header":
            answer.headers["Link"] = f'<{link}>; rel="self next"'
        return answer

    return lookup


async def read_lookups(lookup: Callable[[web.BaseRequest], web.Response], paging: str) -> tuple[list[str], list[str]]:
    published: list[Schema] = []
    complaints: list[str] = []
    upstream = Hostile(lookup=lookup)
    async with hostile_running(upstream), UpstreamClient(Upstream(url=upstream.url, retries=0), None) as client:
        watcher = MetadataWatcher(
            client, refresh=1, retry=1, publish=publishing(published), complain=complaints.append,
            profile=lambda: Profile(paging=paging),  # type: ignore[arg-type]  # one of its words
        )  # fmt: skip
        assert await watcher.fetch()
    return [value.key for value in watcher._lookups], complaints


@pytest.mark.guarantee("G4")
@pytest.mark.parametrize("form", ["body", "header", "none"])
@pytest.mark.parametrize("paging", ["skip", "next_link", "link_header"])
async def test_lookup_is_read_to_its_end_in_whatever_form_it_goes_on(paging: str, form: str) -> None:
    """A row without a value counts among those that were sent, and is no end."""
    rows = lookups(11)
    rows[4:8] = [{**row, "LookupValue": None} for row in rows[4:8]]
    page = 4 if form != "none" or paging == "skip" else 100
    found, complaints = await read_lookups(walked(rows, paging, form, page), paging)

    assert found == [row["LookupKey"] for row in rows if row["LookupValue"]]
    assert complaints == []


@pytest.mark.guarantee("G6")
@pytest.mark.parametrize("paging", ["skip", "next_link"])
async def test_a_lookup_that_has_no_end_is_complained_of_and_left(paging: str) -> None:
    asked = itertools.count(1)

    def empty(_request: web.BaseRequest) -> web.Response:
        return collection([], **{"@odata.nextLink": f"Lookup?$skiptoken={next(asked)}"})

    found, complaints = await read_lookups(empty, paging)

    assert found == []
    assert complaints == [
        "the upstream's Lookup: "
        + ("an empty page says that more follow" if paging == "skip" else "it does not end within 500 pages")
    ]
