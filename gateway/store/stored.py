"""What the database has, as part of the configuration: read again only where it has changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import ConfigurationError, Fault
from gateway.policy.documents import Source, Template, TemplateDocument, validate
from gateway.store.api_keys import ApiKey
from gateway.store.configuration import Configuration
from gateway.store.database import KEYS, TEMPLATES, Database, generation_of
from gateway.store.records import Stored, stored

#: The most ids in one statement.
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Library:
    """All records of one generation. What has not changed is the very value that it was in the one before."""

    generation: int = -1
    templates: Mapping[str, Stored] = field(default_factory=dict)
    keys: Mapping[str, Stored] = field(default_factory=dict)


async def read_library(database: Database, before: Library) -> Library:
    """What the database has now; ``before`` itself, where nothing was written since.

    Raises:
        StoreError: it cannot be read.
    """
    async with database.reading() as connection:
        generation = await generation_of(connection)
        if generation == before.generation:
            return before
        templates = await _changed(connection, TEMPLATES, before.templates)
        keys = await _changed(connection, KEYS, before.keys)
    return Library(generation, templates, keys)


async def _changed(connection: AsyncConnection, table: Table, before: Mapping[str, Stored]) -> Mapping[str, Stored]:
    listed = (await connection.execute(select(table.c.id, table.c.revision).order_by(table.c.id))).all()
    # A record that was removed and made again goes on counting, so id and revision say which it is.
    found = {row.id: before[row.id] for row in listed if row.id in before and before[row.id].revision == row.revision}
    missing = [row.id for row in listed if row.id not in found]
    for start in range(0, len(missing), _CHUNK):
        rows = await connection.execute(select(table).where(table.c.id.in_(missing[start : start + _CHUNK])))
        found |= {row.id: stored(row) for row in rows}
    return MappingProxyType({row.id: found[row.id] for row in listed})


def template_source(identity: str) -> Source:
    """What stands for the file of a template that is in none."""
    return Source(f"template {identity}")


class Merger:
    """Puts the records of a database beside the files. Remembers what it has made of each record, so that what has not
    changed stays the very same value: a snapshot takes over what is the same."""

    def __init__(self, files: Configuration) -> None:
        self._files = files
        self._made: dict[int, tuple[Stored, Template | ApiKey]] = {}

    def merged(self, library: Library) -> tuple[Configuration, tuple[Fault, ...]]:
        """The configuration with templates and keys of the database, and what is here and there: of that the file is
        served and the record is not. A start refuses it; while serving, one record must not hold up all others."""
        files = self._files
        clashes = _clashes(files, library)
        faults: list[Fault] = []
        templates: dict[str, Template] = dict(files.templates)
        keys: dict[str, ApiKey] = dict(files.keys)
        made: dict[int, tuple[Stored, Template | ApiKey]] = {}
        file_keys = {key.Id for key in files.keys.values()}
        for record in (*library.templates.values(), *library.keys.values()):
            try:
                value = self._value(record)
            except ConfigurationError as error:
                faults.extend(error.faults)
                continue
            made[id(record)] = record, value
            if isinstance(value, Template):
                templates.setdefault(value.id, value)
            elif value.Id in file_keys:
                continue
            elif files.keys.keys().isdisjoint(value.digests):
                keys |= dict.fromkeys(value.digests, value)
            else:
                message = f"the key `{value.Id}` of the database has a secret of this file"
                clashes.append(Fault("keys.yaml", 0, (), message))
        self._made = made
        faults += [*clashes, *_dangling(templates, files, keys)]
        merged = replace(
            files, templates=MappingProxyType(templates), keys=MappingProxyType(keys), faults=tuple(faults)
        )
        return merged, tuple(clashes)

    def _value(self, record: Stored) -> Template | ApiKey:
        known = self._made.get(id(record))
        if known is not None:
            return known[1]
        return _key_of(record) if "digest" in record.beside else template_of(record)


def _clashes(files: Configuration, library: Library) -> list[Fault]:
    found = []
    for identity in library.templates.keys() & files.templates.keys():
        source = files.templates[identity].source
        found.append(source.fault((), f"the template `{identity}` is also in the database"))
    file_keys = {key.Id for key in files.keys.values()}
    found += [
        Fault("keys.yaml", 0, (), f"the key `{identity}` is also in the database")
        for identity in library.keys.keys() & file_keys
    ]
    return found


def template_of(record: Stored) -> Template:
    """A stored template as files have it.

    Raises:
        ConfigurationError: this release does not read the document; another one has accepted it.
    """
    source = template_source(record.id)
    return Template(record.id, validate(TemplateDocument, record.document, source), source)


def _key_of(record: Stored) -> ApiKey:
    beside = record.beside
    data: dict[str, Any] = {
        **record.document, "Id": record.id, "Digest": beside["digest"], "OldDigest": beside["old_digest"],
        "OldUntil": beside["old_until"], "MlsId": record.owner.mls, "AssociationId": record.owner.association,
    }  # fmt: skip
    return validate(ApiKey, data, Source(f"key {record.id}"))


def _dangling(templates: Mapping[str, Template], files: Configuration, keys: Mapping[str, ApiKey]) -> Sequence[Fault]:
    """What records name and files have no longer: that is served to nobody, and said."""
    found = []
    for template in templates.values():
        role, syndication = template.document.Role, template.document.SyndicationId
        if role not in files.roles:
            found.append(template.source.fault(("Role",), f"`{role}` is no role"))
        if syndication is not None and syndication not in files.syndications:
            found.append(template.source.fault(("SyndicationId",), f"there is no syndication `{syndication}`"))
    for key in {key.Id: key for key in keys.values()}.values():
        if key.Addresses == ():
            found.append(Fault(f"key {key.Id}", 0, ("Addresses",), "is empty: the key cannot be used from anywhere"))
        if key.Template is not None and key.Template not in templates:
            found.append(Fault(f"key {key.Id}", 0, ("Template",), f"there is no template `{key.Template}`"))
        if key.Role is not None and key.Role not in files.roles:
            found.append(Fault(f"key {key.Id}", 0, ("Role",), f"`{key.Role}` is no role"))
    return found
