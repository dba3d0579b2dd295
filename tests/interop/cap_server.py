"""SAP CAP with the sandbox's model and rows: a server that turns OData into SQL of its own, on SQLite.

Its licence is SAP's own and allows tests, not shipping: npm installs it here, and nothing of it is kept.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gateway.odata.csdl import Property
from gateway.sandbox.database import RELATIONS
from gateway.sandbox.rows import Tables
from tests.interop.model import make_tables, sandbox_schema
from tests.interop.node_process import node_running

_ROOT = "/Reso/OData"
_TYPES = {
    "Edm.String": "cds.String",
    "Edm.Boolean": "cds.Boolean",
    "Edm.Int64": "cds.Integer64",
    "Edm.Decimal": "cds.Decimal",
    "Edm.Date": "cds.Date",
    "Edm.DateTimeOffset": "cds.Timestamp",
}

#: What CAP on SQLite may not be trusted with, over a profile that trusts it with everything else. `any` over a list of
#: strings is a search in the list's JSON text (a value within another one is found too), every other lambda over it
#: is 400 or 500; `tolower` and `toupper` know ASCII only.
PROFILE = {
    "UPSTREAM__PROFILE__COLLECTIONS": "none",
    "UPSTREAM__PROFILE__CLIENT_SCAN": "true",
    "UPSTREAM__PROFILE__STRING_FUNCTIONS": "untrusted",
}


def _element(declared: Property, is_key: bool) -> dict[str, Any]:
    element: dict[str, Any] = {"type": _TYPES[declared.type.name]}
    if declared.type.is_collection:
        return {"items": element}
    if declared.max_length is not None:
        element["length"] = declared.max_length
    if declared.type.name == "Edm.Decimal" and declared.precision is not None:
        element |= {"precision": declared.precision, "scale": declared.scale or 0}
    return element | {"key": True} if is_key else element


def _association(navigation: str, relation: tuple[str, str, str, str | None], is_collection: bool) -> dict[str, Any]:
    local, target, there, kind = relation
    condition: list[Any] = [{"ref": [navigation, there]}, "=", {"ref": [local]}]
    if kind is not None:
        condition += ["and", {"ref": [navigation, "ResourceName"]}, "=", {"val": kind}]
    association = {"type": "cds.Association", "target": f"Sandbox.{target}", "on": condition}
    return association | {"cardinality": {"max": "*"}} if is_collection else association


def model() -> dict[str, Any]:
    """The sandbox's model as CSN, the JSON form of CDS."""
    schema = sandbox_schema()
    definitions: dict[str, Any] = {"Sandbox": {"kind": "service", "@path": _ROOT}}
    for name in schema.entity_sets:
        kind = schema.type_of(name)
        elements = {field: _element(declared, field in kind.key) for field, declared in kind.properties.items()}
        if name == "Property":
            # The tag of a record is when it was last changed.
            now = {"=": "$now"}
            elements["ModificationTimestamp"] |= {"@odata.etag": True, "@cds.on.insert": now, "@cds.on.update": now}
        for (source, navigation), relation in RELATIONS.items():
            if source == name:
                several = kind.navigation[navigation].type.is_collection
                elements[navigation] = _association(navigation, relation, several)
        definitions[f"Sandbox.{name}"] = {"kind": "entity", "elements": elements}
    return {"definitions": definitions}


def write_project(directory: Path, tables: Tables) -> None:
    (directory / "model.csn").write_text(json.dumps(model()), encoding="utf-8")
    # Decimals as text: SQLite's affinity makes them numbers, and no digit is lost on the way.
    (directory / "rows.json").write_text(json.dumps(tables, default=str), encoding="utf-8")


@asynccontextmanager
async def cap_running() -> AsyncIterator[str]:
    """Its service root."""
    with TemporaryDirectory() as name:
        write_project(Path(name), make_tables())
        async with node_running("cap.mjs", Path(name)) as port:
            yield f"http://127.0.0.1:{port}{_ROOT}"
