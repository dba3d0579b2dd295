"""Which values a field takes that a key writes: those of its lookup, where that is closed, as the key sees it (C310).

A lookup is closed where the metadata enumerates the values of the field, and where ``policy.closed_lookups`` closes one
whose values are rows of Lookup. Enumerations (Edm) are closed by their type: ``write_body`` looks their members up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial

import msgspec

from gateway.odata.ast import conjunction
from gateway.odata.csdl import LOOKUP_NAME, EnumType, LookupValue, Property, TypeReference
from gateway.odata.evaluate import holds
from gateway.odata.json_format import encode_string
from gateway.odata.literals import Alias, Value
from gateway.odata.values import UNKNOWN, Unknown, typed_value
from gateway.odata.walk import literals_of
from gateway.policy import data_dictionary
from gateway.policy.computed import LOOKUP
from gateway.policy.documents import canonical
from gateway.policy.inputs import Inputs
from gateway.policy.model import ResourcePolicy


def check_closed_lookups(inputs: Inputs) -> None:
    """Report entries of the setting that name no field of the upstream, or a field of which nothing is enumerated."""
    for word, fields in inputs.gateway.closed_lookups.items():
        known = data_dictionary.FIELDS.get(canonical(word), frozenset())
        sets = [name for name in inputs.schema.entity_sets if inputs.protects(word, name)]
        if not sets and not known:
            place = ("policy", "closed_lookups", word)
            inputs.report.add(inputs.gateway.source, place, f"`{word}` is not a resource of the upstream")
        for name, is_closed in fields.items() if sets else ():
            types = [inputs.schema.type_of(entity_set) for entity_set in sets]
            declared = [structured.properties[name] for structured in types if name in structured.properties]
            message = _fault(inputs, word, name, declared, is_closed=is_closed)
            gone = any(inputs.vanished(entity_set, name) for entity_set in sets)
            if message and (gone or (not declared and name in known)):
                inputs.report.notes.append(f"policy.closed_lookups: {message}")
            elif message:
                inputs.report.add(inputs.gateway.source, ("policy", "closed_lookups", word, name), message)


def _fault(inputs: Inputs, word: str, name: str, declared: list[Property], *, is_closed: bool) -> str:
    """Return what is wrong with one entry, or nothing."""
    enumerations = inputs.schema.enum_types
    if not declared:
        return f"`{name}` is not a field of the upstream's `{word}`"
    if not is_closed and any(found.type.name in enumerations for found in declared):
        return f"`{name}` is an enumeration, and closed by its type"
    lists = (found.allowed or found.type.name in enumerations or LOOKUP_NAME in found.annotations for found in declared)
    if is_closed and not any(lists):
        return f"the upstream's metadata names no lookup of `{name}`, so it cannot be closed"
    return ""


def closed_values(
    inputs: Inputs, finished: Mapping[str, ResourcePolicy], resource: str, declared: Property
) -> frozenset[Value] | None:
    """Return the values that a write may give to a visible field; None where its lookup is open."""
    is_closed = _setting(inputs, resource, declared.name)
    if is_closed is False:
        return None
    if declared.allowed is not None:
        return _typed(declared.allowed, declared, inputs.schema.enum_types.get(declared.type.name))
    if not is_closed or declared.type.name in inputs.schema.enum_types:
        return None
    name = declared.annotations.get(LOOKUP_NAME)
    rows = [row for row in inputs.schema.lookups if row.name == name]
    if not rows:
        message = f"`{resource}.{declared.name}` takes no value but null: no row of the lookup `{name}` is known"
        inputs.report.notes.append(f"policy.closed_lookups: {message}")
    return _typed((row.value for row in _visible(inputs, finished.get(LOOKUP), rows)), declared, None)


def _setting(inputs: Inputs, resource: str, field: str) -> bool | None:
    """Return what the setting says of a field, under whichever of its words the resource stands there."""
    entries = inputs.gateway.closed_lookups.items()
    said = [fields[field] for word, fields in entries if field in fields and inputs.protects(word, resource)]
    return any(said) if said else None


def _visible(inputs: Inputs, policy: ResourcePolicy | None, rows: list[LookupValue]) -> Iterator[LookupValue]:
    """Yield the rows that the key can read, where it can read Lookup at all: a write must not tell of others.

    A rule that tests a time or a binding of the key is not decided here, so it leaves no row.
    """
    if policy is None:
        yield from rows
        return
    shown = policy.fields.get("LookupValue")
    if shown is None or policy.broken:
        return
    condition = conjunction(policy.rule, policy.unpushed, shown.condition)
    if any(isinstance(literal.value, Alias) for literal in literals_of(condition)):
        return
    for row in rows:
        members = {
            "LookupKey": row.key, "LookupName": row.name, "LookupValue": row.value, "StandardLookupValue": row.standard,
            "LegacyODataValue": row.legacy,
        }  # fmt: skip
        if holds(condition, partial(_member, members), inputs.profile.reading):
            yield row


def _member(members: Mapping[str, str | None], name: str) -> Value | Unknown:
    return members.get(name, UNKNOWN)


def _typed(texts: Iterable[str], declared: Property, enum: EnumType | None) -> frozenset[Value]:
    """Return values as the field's type has them. A text that does not fit the type is a value of no write."""
    if enum is not None:
        return frozenset(texts)
    element = TypeReference(declared.type.name)
    raws = (text.encode() if element.name == "Edm.Boolean" else encode_string(text) for text in texts)
    values = (typed_value(msgspec.Raw(raw), element) for raw in raws)
    return frozenset(value for value in values if not isinstance(value, Unknown))
