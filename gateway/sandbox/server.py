"""The sandbox over HTTP: a RESO Web API server as vendors have them, with paging, nested expand and its own links."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
from aiohttp import web

from gateway.errors import Refusal
from gateway.odata.ast import Query
from gateway.odata.csdl import parse_metadata
from gateway.odata.parser import Limits
from gateway.odata.printer import encode, print_query
from gateway.odata.request import Path, Request, parse_request
from gateway.sandbox.database import RELATIONS, Database, UnknownName
from gateway.sandbox.rows import Tables, make_tables, metadata_document
from gateway.sandbox.writes import Refused, Writes

ROOT = "/Reso/OData"
PAGE_DEFAULT = 100
PAGE_MAX = 500
#: A gateway's filter is longer and deeper than a client's.
_LIMITS = Limits(filter_length=65_536, depth=80)


class Sandbox:
    """Serves one set of tables. ``requests`` keeps the targets that were asked for, newest last, for tests."""

    def __init__(self, tables: Tables | None = None, metadata: bytes | None = None) -> None:
        self.metadata = metadata_document() if metadata is None else metadata
        self.database = Database(parse_metadata(self.metadata), make_tables() if tables is None else tables)
        self.requests: list[str] = []
        #: (method, target, body) of every write that came.
        self.written: list[tuple[str, str, bytes]] = []
        self._writes = Writes(self.database)
        self.port = 0
        self._runner: web.ServerRunner | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        server = web.Server(self._handle, max_line_size=256 * 1024, access_log=None)
        self._runner = web.ServerRunner(server)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        self.database.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{ROOT}"

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(request.raw_path)
        del self.requests[:-1000]
        if request.method in ("POST", "PATCH", "DELETE"):
            return await self._write(request)
        if request.method not in ("GET", "HEAD"):
            return _error(405, "Method not allowed")
        if request.raw_path.partition("?")[0] == f"{ROOT}/$metadata":
            return web.Response(body=self.metadata, content_type="application/xml")
        try:
            parsed = parse_request(request.method, request.raw_path, root=ROOT, limits=_LIMITS)
            if parsed.fault is not None:
                raise parsed.fault
            return self._answer(parsed)
        except Refusal as refusal:
            return _error(refusal.code.status, refusal.message)
        except UnknownName as error:
            return _error(400, f"Could not find a property named '{error}'")

    async def _write(self, request: web.BaseRequest) -> web.Response:
        """Add/Edit of Property: what was written is in ``written``, for tests."""
        try:
            path = parse_request("GET", request.raw_path, root=ROOT, limits=_LIMITS).path
        except Refusal as refusal:
            return _error(refusal.code.status, refusal.message)
        head = path.head
        if head is None or head.name != "Property" or path.tail or (head.key is None) is not (request.method == "POST"):
            return _error(405, "Method not allowed")
        key = "" if head.key is None else str(head.key[0][1].value)
        raw = await request.read()
        self.written.append((request.method, request.raw_path, raw))
        try:
            body = msgspec.json.decode(raw) if raw else {}
        except msgspec.DecodeError:
            return _error(400, "The body is no JSON")
        if request.method != "POST":
            tag, wanted = self.database.tag(head.name, key), request.headers.get("If-Match")
            if tag is None:
                return _error(404, "Record not found")
            if wanted not in (None, "*", tag):
                return _error(412, "Precondition failed")
        try:
            if request.method == "POST":
                key = self._writes.create(head.name, body)
                return web.Response(status=204, headers={"Location": f"{self.url}/{head.name}('{encode(key)}')"})
            if request.method == "PATCH":
                self._writes.change(head.name, key, body)
            else:
                self._writes.remove(head.name, key)
            return web.Response(status=204)
        except Refused as refused:
            details = [{"code": code, "message": text, "target": target} for code, text, target in refused.details]
            error = {"code": "1111", "message": "Property not saved due to bad data..", "details": details}
            return _json({"error": error}, 400)

    def _answer(self, request: Request) -> web.Response:
        path, query = request.path, request.query
        if path.head is None:
            names = [{"name": name, "kind": "EntitySet", "url": name} for name in self.database.schema.entity_sets]
            return _json({"@odata.context": f"{self.url}/$metadata", "value": names})
        if path.head.name not in self.database.schema.entity_sets:
            return _error(404, f"Resource '{path.head.name}' not found")
        query = self._checked(path.head.name, query)
        if path.head.key is not None and not path.tail:
            return self._entity(path, query)
        if path.tail == ("$count",):
            page = self.database.read(path.head.name, Query(filter=query.filter, count=True, top=0))
            return web.Response(text=str(page.count))
        if path.tail:
            return _error(404, "Resource path not found")
        return self._collection(path.head.name, query)

    def _checked(self, entity_set: str, query: Query) -> Query:
        """Navigation names exist, at every level; everything else is checked while SQL is written."""
        for item in query.expand:
            if (entity_set, item.name) not in RELATIONS:
                raise UnknownName(item.name)
            self._checked(RELATIONS[entity_set, item.name][1], item.query)
        return query

    def _entity(self, path: Path, query: Query) -> web.Response:
        assert path.head is not None and path.head.key is not None
        structured = self.database.schema.type_of(path.head.name)
        pinned = tuple((name or structured.key[0], literal.value) for name, literal in path.head.key)
        page = self.database.read(path.head.name, query, pinned)
        if not page.rows:
            return _error(404, "Record not found")
        context = f"{self.url}/$metadata#{path.head.name}/$entity"
        return _json({"@odata.context": context, **self._annotated(path.head.name, page.rows[0])})

    def _collection(self, entity_set: str, query: Query) -> web.Response:
        wanted = PAGE_DEFAULT if query.top is None else query.top
        size = min(wanted, PAGE_MAX)
        page = self.database.read(entity_set, replace(query, top=size + 1))
        rows = page.rows[:size]
        body: dict[str, Any] = {"@odata.context": f"{self.url}/$metadata#{entity_set}"}
        if query.count:
            body["@odata.count"] = page.count
        body["value"] = [self._annotated(entity_set, row) for row in rows]
        if len(page.rows) > size and (query.top is None or query.top > size):
            left = None if query.top is None else query.top - size
            again = print_query(replace(query, skip=(query.skip or 0) + size, top=left))
            body["@odata.nextLink"] = f"{self.url}/{entity_set}?{again}"
        return _json(body)

    def _annotated(self, entity_set: str, row: dict[str, Any]) -> dict[str, Any]:
        """Links and an ETag, as servers send them; the gateway lets none of it through."""
        key = row.get(self.database.schema.type_of(entity_set).key[0])
        if key is None:
            return row
        return {
            "@odata.id": f"{self.url}/{entity_set}('{encode(str(key))}')",
            "@odata.etag": self.database.tag(entity_set, str(key)),
            **row,
        }


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(
        status=status,
        body=msgspec.json.encode(body, enc_hook=_number),
        content_type="application/json",
        headers={"OData-Version": "4.0"},
    )


def _number(value: object) -> object:
    if isinstance(value, Decimal):
        return msgspec.Raw(str(value).encode("ascii"))
    raise TypeError(f"no JSON for {type(value)}")


def _error(status: int, message: str) -> web.Response:
    body = {"error": {"code": str(status), "message": message}}
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")
