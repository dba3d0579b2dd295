"""Metadata is kept current, and half a document is not taken for the whole."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gateway.observe.events import SchemaChanged
from gateway.odata.csdl import Schema
from gateway.sandbox.rows import metadata_document
from gateway.settings import Upstream
from gateway.upstream.client import UpstreamClient
from gateway.upstream.metadata import MetadataWatcher
from tests.hostile import Hostile, hostile_running


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
