"""odatapy in this process, in the place of the prover's upstream: what the gateway asks goes to it as its web servers hand it on."""

from __future__ import annotations

import io

from odatapy.edm.xml_io import XmlEdmProvider
from odatapy.server import OData
from odatapy.server.adapters import ODataWSGIApp
from odatapy.server.inmemory import InMemoryProcessor

from gateway.errors import Code
from gateway.policy.profile import LinkHost
from gateway.upstream.client import Fetched, UpstreamFailure
from tests.interop.odatapy_rows import store_of
from tests.proof.model import NAVIGATION, World, metadata
from tests.proof.sides import schema
from tests.proof.upstream import Habits, Model

_RELATIONS = {edge: (here, target, there, kind) for edge, (here, target, there, _, kind) in NAVIGATION.items()}


class Odatapy(Model):
    """A Model whose answers are odatapy's."""

    def __init__(self, world: World, habits: Habits) -> None:
        super().__init__(world, habits)
        odata = OData.new_instance()
        handler = odata.create_handler(odata.create_service_metadata(XmlEdmProvider(metadata())))
        handler.register(InMemoryProcessor(store_of(schema(), _RELATIONS, world), page_size=100))
        self._app = ODataWSGIApp(handler)

    async def _get(self, target: str, accept: str, host: LinkHost | None = None) -> Fetched:
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
