"""odatapy in this process, in the place of the prover's upstream: what the gateway asks goes to it as its web servers hand it on."""

from __future__ import annotations

import io
from datetime import date, datetime
from typing import Any

from odatapy.data import Entity, ValueType
from odatapy.edm.xml_io import XmlEdmProvider
from odatapy.server import OData
from odatapy.server.adapters import ODataWSGIApp
from odatapy.server.inmemory import InMemoryDataStore, InMemoryProcessor

from gateway.errors import Code
from gateway.upstream.client import Fetched, UpstreamFailure
from tests.proof.model import FIELDS, KEY, NAVIGATION, Row, World, children, metadata
from tests.proof.upstream import Habits, Model


class Odatapy(Model):
    """A Model whose answers are odatapy's."""

    def __init__(self, world: World, habits: Habits) -> None:
        super().__init__(world, habits)
        odata = OData.new_instance()
        handler = odata.create_handler(odata.create_service_metadata(XmlEdmProvider(metadata())))
        handler.register(InMemoryProcessor(_store(world), page_size=100))
        self._app = ODataWSGIApp(handler)

    async def _get(self, target: str, accept: str) -> Fetched:
        if target == "$metadata":
            return Fetched(metadata())
        self.asked.append(target)
        path, _, query = target.partition("?")
        told: list[str] = []
        environ = {
            "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": f"/{path}", "QUERY_STRING": query, "SERVER_NAME": "upstream.example",
            "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(), "HTTP_ACCEPT": accept,
        }  # fmt: skip
        body = b"".join(self._app(environ, lambda status, headers, error=None: told.append(status)))
        if not told[0].startswith("200"):
            raise UpstreamFailure(Code.UPSTREAM_ERROR, f"answered {told[0]} to {target}: {body[:300]!r}")
        return Fetched(body)


def _entity(name: str, row: Row) -> Any:
    entity = Entity()
    entity.type = f"P.{name}"
    for field, kind in FIELDS[name].items():
        value = row[field]
        if value is not None and kind == "Date":
            value = date.fromisoformat(value)
        elif value is not None and kind == "DateTimeOffset":
            value = datetime.fromisoformat(value)
        is_list = kind.startswith("Collection")
        declared = f"Edm.{kind[11:-1]}" if is_list else f"Edm.{kind}"
        entity.set_property(field, value, ValueType.COLLECTION_PRIMITIVE if is_list else ValueType.PRIMITIVE, declared)
    return entity


def _store(world: World) -> Any:
    store = InMemoryDataStore()
    entities = {name: [_entity(name, row) for row in rows] for name, rows in world.items()}
    for name, items in entities.items():
        store.set_entities(name, items)
    for source, navigation in NAVIGATION:
        target = NAVIGATION[source, navigation][1]
        by_key = {row[KEY[target]]: entity for row, entity in zip(world[target], entities[target], strict=True)}
        for row in world[source]:
            related = [by_key[other[KEY[target]]] for other in children(world, source, navigation, row)]
            store.set_relation(source, repr(row[KEY[source]]), navigation, related)
    return store
