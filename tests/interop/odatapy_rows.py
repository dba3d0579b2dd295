"""Rows as odatapy stores them, whatever model they are of."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from odatapy.data import Entity, ValueType
from odatapy.server.inmemory import InMemoryDataStore

from gateway.odata.csdl import Schema

Row = dict[str, Any]
#: (set, navigation) to (field here, set there, field there, value of ResourceName there or None).
Relations = Mapping[tuple[str, str], tuple[str, str, str, str | None]]


def _entity_of(schema: Schema, entity_set: str, row: Row) -> Any:
    entity = Entity()
    entity.type = schema.entity_sets[entity_set].type_name
    for name, declared in schema.type_of(entity_set).properties.items():
        value = row[name]
        kind = ValueType.COLLECTION_PRIMITIVE if declared.type.is_collection else ValueType.PRIMITIVE
        if value is not None and declared.type.name == "Edm.Date":
            value = date.fromisoformat(value)
        elif value is not None and declared.type.name == "Edm.DateTimeOffset":
            value = datetime.fromisoformat(value)
        entity.set_property(name, value, kind, declared.type.name)
    return entity


def store_of(schema: Schema, relations: Relations, tables: Mapping[str, list[Row]]) -> Any:
    """The rows and, as odatapy wants them, every relation of every row."""
    store = InMemoryDataStore()
    entities = {name: [_entity_of(schema, name, row) for row in rows] for name, rows in tables.items()}
    for name, items in entities.items():
        store.set_entities(name, items)
    for (source, navigation), (local, target, there, kind) in relations.items():
        index: dict[Any, list[Any]] = {}
        for row, entity in zip(tables[target], entities[target], strict=True):
            if kind is None or row["ResourceName"] == kind:
                index.setdefault(row[there], []).append(entity)
        key = schema.type_of(source).key[0]
        for row in tables[source]:
            related = index.get(row[local], []) if row[local] is not None else []
            store.set_relation(source, repr(row[key]), navigation, related)
    return store
