"""odatapy, a whole OData server that nobody here wrote, with the sandbox's model and rows in it.

python -m tests.interop.odatapy_server PORT
"""

from __future__ import annotations

import sys
from datetime import date, datetime
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from odatapy.data import Entity, ValueType
from odatapy.edm.xml_io import XmlEdmProvider
from odatapy.server import OData
from odatapy.server.adapters import ODataWSGIApp
from odatapy.server.inmemory import InMemoryDataStore, InMemoryProcessor

from gateway.sandbox.database import RELATIONS
from gateway.sandbox.rows import Row, Tables
from tests.interop.model import make_tables, metadata_document, sandbox_schema

#: Smaller than the gateway's pages, so that those are made of several.
PAGE = 60
_SCHEMA = sandbox_schema()


def entity_of(entity_set: str, row: Row) -> Any:
    entity = Entity()
    entity.type = f"Sandbox.{entity_set}"
    for name, declared in _SCHEMA.type_of(entity_set).properties.items():
        value = row[name]
        kind = ValueType.COLLECTION_PRIMITIVE if declared.type.is_collection else ValueType.PRIMITIVE
        if value is not None and declared.type.name == "Edm.Date":
            value = date.fromisoformat(value)
        elif value is not None and declared.type.name == "Edm.DateTimeOffset":
            value = datetime.fromisoformat(value)
        entity.set_property(name, value, kind, declared.type.name)
    return entity


def store_of(tables: Tables) -> Any:
    """The rows and, as odatapy wants them, every relation of every row."""
    store = InMemoryDataStore()
    entities = {name: [entity_of(name, row) for row in rows] for name, rows in tables.items()}
    for name, items in entities.items():
        store.set_entities(name, items)
    for (source, navigation), (local, target, there, kind) in RELATIONS.items():
        index: dict[Any, list[Any]] = {}
        for row, entity in zip(tables[target], entities[target], strict=True):
            if kind is None or row["ResourceName"] == kind:
                index.setdefault(row[there], []).append(entity)
        key = _SCHEMA.type_of(source).key[0]
        for row in tables[source]:
            related = index.get(row[local], []) if row[local] is not None else []
            store.set_relation(source, repr(row[key]), navigation, related)
    return store


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_arguments: Any) -> None:
        pass


def main() -> None:
    odata = OData.new_instance()
    handler = odata.create_handler(odata.create_service_metadata(XmlEdmProvider(metadata_document())))
    handler.register(InMemoryProcessor(store_of(make_tables()), page_size=PAGE))
    with make_server("127.0.0.1", int(sys.argv[1]), ODataWSGIApp(handler), _Server, _Quiet) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
