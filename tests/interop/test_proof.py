"""Completeness on a server that nobody here wrote (G4): the prover's licences and requests, with odatapy in place of its
own upstream, and the naive interpreter on what is permitted for the right answers."""

from __future__ import annotations

import asyncio
import io
import json
import re
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pytest
from odatapy.data import Entity, ValueType
from odatapy.edm.xml_io import XmlEdmProvider
from odatapy.server import OData
from odatapy.server.adapters import ODataWSGIApp
from odatapy.server.inmemory import InMemoryDataStore, InMemoryProcessor

from gateway.errors import Code
from gateway.upstream.client import Fetched, UpstreamFailure
from tests.proof.generate import make_case
from tests.proof.model import FIELDS, KEY, NAVIGATION, Row, World, children, metadata
from tests.proof.oracles import Counts, Trial
from tests.proof.upstream import Habits, Model
from tests.proof.worlds import DOMAINS

pytestmark = pytest.mark.interop

#: The numbers of cases, of which about half have a licence and an upstream that this server can stand for.
SEEDS = 320


class Odatapy(Model):
    """What the gateway asks goes to odatapy, by the interface of its web servers."""

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


def _filled(world: World) -> World:
    return {
        name: [
            {field: DOMAINS[field][-2] if value is None and field in DOMAINS else value for field, value in row.items()}
            for row in rows
        ]
        for name, rows in world.items()
    }


def _storable(world: World) -> bool:
    """Whether this server can store it: lists are never null in OData, and half a character is none."""
    rows = [row for name in world for row in world[name]]
    return all(row.get("Appliances", []) is not None for row in rows) and "\\ud800" not in json.dumps(rows)


@pytest.mark.guarantee("G4")
def test_the_right_answers_in_front_of_odatapy() -> None:
    counts = Counts()
    cases = 0
    for seed in range(SEEDS):
        made = make_case(seed)
        if made is None or not _storable(made.case.world):
            continue
        if made.case.licence.profile.get("string_equality", "exact") != "exact" or made.case.licence.profile.get(
            "omits_nulls"
        ):
            continue  # this server folds nothing, and leaves nothing out
        # It prints no zeros at the end of a second.
        world = json.loads(re.sub(r"(\.\d+?)0+Z", r"\1Z", json.dumps(made.case.world)))
        # Of null it knows what SQL knows, so a client's own conditions have the right answer where there are none.
        habits = Habits(nulls="sql") if seed % 2 else Habits()
        world = world if seed % 2 else _filled(world)
        case = replace(made.case, world=world, habits=habits, changes=[], canonical=False)
        counts.add(asyncio.run(Trial(case, made.snapshot, Odatapy).run()))
        cases += 1

    assert cases > SEEDS / 6
    assert counts.oracles["O5"] > 5 * cases
    assert counts.statuses[200] > 10 * cases
