"""The sandbox's model and rows without what servers that nobody here wrote have no type for: points on the globe."""

from __future__ import annotations

from gateway.odata.csdl import Schema, parse_metadata
from gateway.sandbox import rows
from gateway.sandbox.rows import Tables
from gateway.sandbox.server import Sandbox

_POINT = b'    <Property Name="Coordinates" Type="Edm.GeographyPoint"/>\n'


def metadata_document() -> bytes:
    document = rows.metadata_document()
    assert _POINT in document
    return document.replace(_POINT, b"")


def sandbox_schema() -> Schema:
    return parse_metadata(metadata_document())


def make_tables(listings: int = rows.LISTINGS) -> Tables:
    tables = rows.make_tables(listings=listings)
    for row in tables["Property"]:
        del row["Coordinates"]
    return tables


def plain_sandbox(tables: Tables | None = None) -> Sandbox:
    return Sandbox(make_tables() if tables is None else tables, metadata_document())
