"""``Field`` and ``Lookup``: rows about the model, written from what the key can see, so that they agree with its
``$metadata`` by construction (C169, C363)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from gateway.odata.csdl import LOOKUP_NAME, EntitySet, LookupValue, Property, Schema, StructuredType, TypeReference
from gateway.policy.model import Policy

FIELD, LOOKUP = "Field", "Lookup"
_TEXT = TypeReference("Edm.String")
_MODIFIED = "ModificationTimestamp"
_MEMBERS: Mapping[str, tuple[str, ...]] = {
    FIELD: ("FieldKey", "ResourceName", "FieldName"),
    LOOKUP: ("LookupKey", "LookupName", "LookupValue", "StandardLookupValue", "LegacyODataValue"),
}


def with_computed(schema: Schema, lookups: tuple[LookupValue, ...] = ()) -> Schema:
    """Return the schema with our own Field and Lookup in place of the upstream's.

    Another set over the upstream's type of either would show its rows under another name, so it does not exist (C169).
    """
    if schema.computed:
        return schema
    sets, types = dict(schema.entity_sets), dict(schema.types)
    namespace = next((name.rpartition(".")[0] for name in (item.type_name for item in sets.values())), "Metadata")
    for name, members in _MEMBERS.items():
        full = sets[name].type_name if name in sets else f"{namespace}.{name}"
        for other in [other for other, twin in sets.items() if full in (twin.type_name, *types[twin.type_name].bases)]:
            del sets[other]
        types[full] = _type(full, members)
        sets[name] = EntitySet(name, full, MappingProxyType({}))
    return replace(
        schema,
        entity_sets=MappingProxyType(sets),
        types=MappingProxyType(types),
        computed=frozenset(_MEMBERS),
        lookups=lookups,
    )


def _type(full_name: str, members: tuple[str, ...]) -> StructuredType:
    properties = {
        name: Property(name, _TEXT, nullable=name in ("StandardLookupValue", "LegacyODataValue"), max_length=1024)
        for name in members
    }
    properties[_MODIFIED] = Property(_MODIFIED, TypeReference("Edm.DateTimeOffset"), nullable=False, precision=3)
    return StructuredType(full_name, (members[0],), MappingProxyType(properties), MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class ComputedRow:
    """One row without its moment; ``modified`` is the upstream's, where it told one."""

    key: str
    members: Mapping[str, str | None]
    modified: str = ""


def computed_rows(policy: Policy, name: str) -> list[ComputedRow]:
    """The rows of Field or Lookup as this policy has them, in the order of their keys."""
    rows = _fields(policy) if name == FIELD else _lookups(policy)
    return sorted({row.key: row for row in rows}.values(), key=lambda row: row.key)


def _fields(policy: Policy) -> Iterator[ComputedRow]:
    for resource in policy.resources.values():
        for name in resource.fields:
            key = f"{resource.name}.{name}"
            yield ComputedRow(key, {"FieldKey": key, "ResourceName": resource.name, "FieldName": name})


def _visible(policy: Policy) -> Iterable[Property]:
    return (field.property for resource in policy.resources.values() for field in resource.fields.values())


def _lookups(policy: Policy) -> Iterator[ComputedRow]:
    """Values of lookups that a visible field uses: members of enumerations, and what the upstream told (C310)."""
    used: set[str] = set()
    for declared in _visible(policy):
        enum = policy.schema.enum_types.get(declared.type.name)
        if enum is not None and enum.name not in used:
            used.add(enum.name)
            short = enum.name.rpartition(".")[2]
            for member in enum.members:
                display = enum.display.get(member, member)
                yield _value(f"{short}.{member}", short, display, None, member)
        if LOOKUP_NAME in declared.annotations:
            used.add(declared.annotations[LOOKUP_NAME])
    for value in policy.schema.lookups:
        if value.name in used:
            row = _value(value.key, value.name, value.value, value.standard, value.legacy)
            yield replace(row, modified=value.modified)


def _value(key: str, name: str, value: str, standard: str | None, legacy: str | None) -> ComputedRow:
    return ComputedRow(
        key,
        {"LookupKey": key, "LookupName": name, "LookupValue": value, "StandardLookupValue": standard,
         "LegacyODataValue": legacy},
    )  # fmt: skip
