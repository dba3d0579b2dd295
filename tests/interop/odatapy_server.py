"""odatapy, a whole OData server that nobody here wrote, with the sandbox's model and rows in it.

python -m tests.interop.odatapy_server PORT
"""

from __future__ import annotations

import itertools
import json
import sys
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from odatapy.edm.xml_io import XmlEdmProvider
from odatapy.errors import ODataApplicationException
from odatapy.server import OData
from odatapy.server.adapters import ODataWSGIApp
from odatapy.server.inmemory import InMemoryProcessor

from gateway.sandbox.database import RELATIONS
from tests.interop.model import make_tables, metadata_document, sandbox_schema
from tests.interop.odatapy_rows import store_of

#: Smaller than the gateway's pages, so that those are made of several.
PAGE = 60


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Processor(InMemoryProcessor):  # type: ignore[misc]  # odatapy has no types
    """Gives new records their keys, as listing services do, and has a rule of its own."""

    _made = itertools.count(1)

    def _assign_keys(self, entity_set: Any, entity: Any) -> None:
        kind = entity_set.entity_type
        for name in kind.property_names:
            if entity.get_property(name) is None:
                entity.set_property(name, None)
        entity.set_property(kind.key_predicate_names[0], f"N{next(self._made)}")

    def create_entity(self, request: Any, *arguments: Any) -> None:
        _check(request)
        super().create_entity(request, *arguments)

    def update_entity(self, request: Any, *arguments: Any) -> None:
        _check(request)
        super().update_entity(request, *arguments)


def _check(request: Any) -> None:
    body = json.loads(request.body)
    if (body.get("ListPrice") or 0) < 0:
        raise ODataApplicationException("below the secret minimum", 400, "1105", "ListPrice")


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_arguments: Any) -> None:
        pass


def main() -> None:
    odata = OData.new_instance()
    handler = odata.create_handler(odata.create_service_metadata(XmlEdmProvider(metadata_document())))
    handler.register(_Processor(store_of(sandbox_schema(), RELATIONS, make_tables()), page_size=PAGE))
    with make_server("127.0.0.1", int(sys.argv[1]), ODataWSGIApp(handler), _Server, _Quiet) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
