"""Lists that come as part of a record, and not by ``$expand``: seen from policy they are navigation like any other.

Some servers give media as structured values of each listing. The profile names such fields; here they become navigation
to a resource of their own, so that its row rule, its fields and the photo limit hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from gateway.odata.csdl import EntitySet, NavigationProperty, Schema, TypeReference


def with_embedded(schema: Schema, embedded: Mapping[str, tuple[str, ...]]) -> Schema:
    """Return the schema with the named fields as navigation.

    Where the upstream also has a set of the field's name, the list leads to that set, so that one policy holds for
    both. How the rows of the set name their parents does not change. A field that is missing, or that holds no records
    with a key, stays a field: the check of the profile reports it.
    """
    sets, types = dict(schema.entity_sets), dict(schema.types)
    found: set[tuple[str, str]] = set()
    alone: set[str] = set()
    for resource, names in embedded.items():
        for name in names:
            if resource not in sets:
                continue
            owner = types[sets[resource].type_name]
            declared = owner.properties.get(name)
            element = types.get(declared.type.name) if declared is not None else None
            if declared is None or element is None or not declared.type.is_collection:
                continue
            if name in sets:
                target = sets[name].type_name
            else:
                key = element.key or ((f"{name}Key",) if f"{name}Key" in element.properties else ())
                if not key:
                    continue
                target = element.name
                types[target] = replace(element, key=key, is_entity=True)
                sets[name] = EntitySet(name, target, MappingProxyType({}))
                alone.add(name)
            properties = {other: kept for other, kept in owner.properties.items() if other != name}
            navigation = {**owner.navigation, name: NavigationProperty(name, TypeReference(target, True))}
            types[owner.name] = replace(
                owner, properties=MappingProxyType(properties), navigation=MappingProxyType(navigation)
            )
            for twin in [twin for twin, over in sets.items() if over.type_name == owner.name]:
                sets[twin] = replace(sets[twin], bindings=MappingProxyType({**sets[twin].bindings, name: name}))
                found.add((twin, name))
    return replace(
        schema,
        entity_sets=MappingProxyType(sets),
        types=MappingProxyType(types),
        embedded=frozenset(found),
        embedded_only=frozenset(alone),
    )
