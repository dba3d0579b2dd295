"""An upstream's ``$metadata`` as one immutable Schema, read by expat in a single pass (OData CSDL XML 4.01)."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from gateway.odata.annotations import display_text
from gateway.odata.declarations import (
    ALLOWED_VALUES,
    NavigationProperty,
    Property,
    RawEnum,
    RawSet,
    RawType,
    Reader,
    SchemaError,
    TypeReference,
    read_declarations,
)
from gateway.odata.enumerations import MemberTexts, member_texts

__all__ = [
    "LOOKUP_NAME",
    "ClosedSet",
    "EntitySet",
    "EnumType",
    "LookupValue",
    "NavigationProperty",
    "Property",
    "Schema",
    "SchemaError",
    "StructuredType",
    "TypeReference",
    "parse_metadata",
]

#: RESO's annotation of a property with the name of its lookup (Data Dictionary, Lookup resource).
LOOKUP_NAME = "RESO.OData.Metadata.LookupName"


@dataclass(frozen=True, slots=True)
class EnumType:
    """Members in the order of the document, each with its value, and with its display text if it
    has one.

    ``texts`` are the names and the display texts, each with its member.
    """

    name: str
    members: Mapping[str, int]
    display: Mapping[str, str]
    is_flags: bool = False
    texts: MemberTexts = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "texts", member_texts(self.members, self.display))


@dataclass(frozen=True, slots=True)
class StructuredType:
    """An entity or complex type; properties of its base types come first. ``key`` is empty for complex types."""

    name: str
    key: tuple[str, ...]
    properties: Mapping[str, Property]
    navigation: Mapping[str, NavigationProperty]
    is_open: bool = False
    is_entity: bool = True
    annotations: Mapping[str, str] = field(default_factory=dict)
    #: Qualified names of the types that it derives from, the nearest first.
    bases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EntitySet:
    name: str
    type_name: str
    bindings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ClosedSet:
    """An entity set that cannot be read. It exists, so rules that name it are not mistakes, and
    nobody is served from it.
    """

    name: str
    type_name: str
    reason: str


@dataclass(frozen=True, slots=True)
class LookupValue:
    """A row of an upstream's Lookup resource: one value of one lookup."""

    key: str
    name: str
    value: str
    standard: str | None
    legacy: str | None
    modified: str


@dataclass(frozen=True, slots=True)
class Schema:
    """Everything the gateway believes about the shape of the upstream.

    ``computed`` are sets whose rows the gateway writes itself, ``lookups`` the values that the upstream's own Lookup
    resource told. ``closed`` are sets that cannot be read, ``unreadable`` the types, each with the
    reason. ``declared`` are the names of all sets of the document, in its order.
    """

    entity_sets: Mapping[str, EntitySet]
    types: Mapping[str, StructuredType]
    enum_types: Mapping[str, EnumType]
    computed: frozenset[str] = frozenset()
    lookups: tuple[LookupValue, ...] = ()
    #: (set, navigation) of lists that come as part of a record, and the sets that exist in no other way.
    embedded: frozenset[tuple[str, str]] = frozenset()
    embedded_only: frozenset[str] = frozenset()
    closed: Mapping[str, ClosedSet] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    declared: tuple[str, ...] = ()

    def type_of(self, set_name: str) -> StructuredType:
        return self.types[self.entity_sets[set_name].type_name]

    def target_set(self, set_name: str, navigation: NavigationProperty) -> str | None:
        """The set that a navigation leads to: its binding, else the only set of its type, else
        nothing.

        A closed set takes the place of the open one that it would be: no navigation leads around
        it.
        """
        if not navigation.type.is_primitive and navigation.type.name not in self.types:
            return None
        bound = self.entity_sets[set_name].bindings.get(navigation.name)
        if bound in self.entity_sets:
            return bound
        if self.closed_targets(set_name, navigation):
            return None
        candidates = [
            name for name, entity_set in self.entity_sets.items() if entity_set.type_name == navigation.type.name
        ]
        return candidates[0] if len(candidates) == 1 else None

    def embedded_in(self, set_name: str) -> frozenset[str]:
        """The navigation properties of a set whose rows come as part of each record."""
        return frozenset(navigation for owner, navigation in self.embedded if owner == set_name)

    def closed_targets(self, set_name: str, navigation: NavigationProperty) -> frozenset[str]:
        """Return the closed sets that a navigation may lead to: its binding, and those of its
        type.
        """
        bound = self.entity_sets[set_name].bindings.get(navigation.name)
        if bound in self.entity_sets:
            return frozenset()
        return frozenset(
            name for name, found in self.closed.items() if name == bound or found.type_name == navigation.type.name
        )

    def properties(self) -> Iterator[tuple[str, str]]:
        """(set, property) for every property of every set, navigation included."""
        for name in self.entity_sets:
            structured = self.type_of(name)
            for member in (*structured.properties, *structured.navigation):
                yield name, member


class _Resolver:
    """Turns raw declarations into a Schema: aliases, type definitions and base types are gone
    afterwards.

    A declaration that cannot be read takes with it what is built on it: a type its derived types,
    an enumeration the types with properties of it, a type its entity sets. Nothing is half-read.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._qualified = reader.annotations.qualified
        self._faults: dict[str, SchemaError] = dict(reader.unreadable)
        #: Target to the values that it takes; an inline annotation wins over an external one.
        self._allowed: dict[str, tuple[str, ...]] = {}
        for target, is_inline, term, values in sorted(reader.allowed, key=lambda found: found[1]):
            if self._qualified(term) == ALLOWED_VALUES:
                self._allowed[target if is_inline else reader.annotations.resolved(target)] = values
        sets: dict[str, list[RawSet]] = {}
        for entity_set in reader.sets.values():
            sets.setdefault(self._qualified(entity_set.type_name), []).append(entity_set)
        #: Types with the one entity set of each: annotations may name a property by its set.
        self._only_set = {name: found[0] for name, found in sets.items() if len(found) == 1}

    def schema(self) -> Schema:
        """Return what can be read.

        Raises:
            SchemaError: no entity set can be read. It is the first fault of the document.
        """
        enums = {name: self._enum(raw) for name, raw in self._reader.enums.items() if self._is_sound(name, raw.fault)}
        types: dict[str, StructuredType] = {}
        for name in self._reader.types:
            try:
                types[name] = self._structured(name)
            except SchemaError as error:
                error.line = error.line or self._reader.types[name].line
                self._faults.setdefault(name, error)
        sets: dict[str, EntitySet] = {}
        closed: dict[str, ClosedSet] = {}
        for name, raw in self._reader.sets.items():
            type_name = self._qualified(raw.type_name)
            fault = raw.fault or self._fault_of_set(raw, type_name, types)
            if fault is None:
                sets[name] = EntitySet(name, type_name, MappingProxyType(raw.bindings))
            else:
                closed[name] = ClosedSet(name, type_name, _told(fault))
        if not sets:
            raise _first([*self._reader.faults, *self._faults.values()]) or SchemaError("there is no entity set")
        return Schema(
            MappingProxyType(sets),
            MappingProxyType(types),
            MappingProxyType(enums),
            closed=MappingProxyType(closed),
            unreadable=MappingProxyType({name: _told(fault) for name, fault in self._faults.items()}),
            declared=tuple(self._reader.sets),
        )

    def _is_sound(self, name: str, fault: SchemaError | None) -> bool:
        if fault is not None:
            self._faults.setdefault(name, fault)
        return name not in self._faults

    def _enum(self, raw: RawEnum) -> EnumType:
        display = {}
        for member in raw.members:
            text = display_text(self._reader.annotations.of([f"{raw.name}/{member}"]))
            if text is not None:
                display[member] = text
        return EnumType(raw.name, MappingProxyType(raw.members), MappingProxyType(display), raw.is_flags)

    def _fault_of_set(self, raw: RawSet, type_name: str, types: Mapping[str, StructuredType]) -> SchemaError | None:
        """Return why an entity set cannot be read by its type, or None if it can."""
        if type_name in self._faults:
            return self._faults[type_name]
        if type_name not in types:
            return self._note(raw, f"the entity set `{raw.name}` is of the unknown type `{raw.type_name}`")
        if not types[type_name].key:
            return self._note(raw, f"the entity set `{raw.name}` has no key")
        return None

    def _note(self, raw: RawSet, message: str) -> SchemaError:
        error = SchemaError(message, raw.line)
        self._reader.faults.append(error)
        return error

    def _type(self, reference: TypeReference) -> TypeReference:
        name = self._qualified(reference.name)
        if name in self._faults and name not in self._reader.types:
            raise self._faults[name]
        return TypeReference(self._reader.definitions.get(name, name), reference.is_collection)

    def _targets(self, chain: list[RawType], declared: str, member: str) -> list[str]:
        """Return the paths to a member of a type: by the type itself, its base types, and its entity set."""
        targets = [f"{raw.name}/{member}" for raw in chain]
        only = self._only_set.get(declared)
        if only is not None:
            path = f"{only.container}/{only.name}"
            targets += [f"{path}/{member}", f"{path}/{declared}/{member}"]
        return targets

    def _texts(self, chain: list[RawType], declared: str, member: str) -> Mapping[str, str]:
        """Return the annotations of a member of a type."""
        return MappingProxyType(self._reader.annotations.of(self._targets(chain, declared, member)))

    def _allowed_of(self, chain: list[RawType], declared: str, member: Property) -> tuple[str, ...] | None:
        """Return the values that a property takes: its own list, wherever it stands, else its type definition's."""
        places = (*self._targets(chain, declared, member.name), self._qualified(member.type.name))
        return next((self._allowed[place] for place in places if place in self._allowed), None)

    def _structured(self, name: str) -> StructuredType:
        chain: list[RawType] = []
        current: str | None = name
        while current is not None:
            raw = self._reader.types.get(current)
            if raw is None:
                raise SchemaError(f"the type `{chain[-1].name}` has the unknown base type `{current}`")
            if raw.fault is not None or current in self._reader.unreadable:
                raise raw.fault or self._reader.unreadable[current]
            if any(raw is seen for seen in chain):
                raise SchemaError(f"the type `{name}` is its own base type")
            chain.append(raw)
            current = self._qualified(raw.base) if raw.base else None
        properties: dict[str, Property] = {}
        navigation: dict[str, NavigationProperty] = {}
        key: list[str] = []
        for raw in reversed(chain):
            key.extend(raw.key)
            for member in raw.properties.values():
                texts = self._texts(chain, name, member.name)
                allowed = self._allowed_of(chain, name, member)
                properties[member.name] = replace(
                    member, type=self._type(member.type), annotations=texts, allowed=allowed
                )
            for nav in raw.navigation.values():
                texts = self._texts(chain, name, nav.name)
                navigation[nav.name] = replace(nav, type=self._type(nav.type), annotations=texts)
        for part in key:
            if part not in properties:
                raise SchemaError(f"the key `{part}` of `{name}` is not one of its properties")
        return StructuredType(
            name,
            tuple(key),
            MappingProxyType(properties),
            MappingProxyType(navigation),
            any(raw.is_open for raw in chain),
            chain[0].is_entity,
            MappingProxyType(self._reader.annotations.of([name])),
            tuple(raw.name for raw in chain[1:]),
        )


def _told(fault: SchemaError) -> str:
    return f"line {fault.line}: {fault}" if fault.line else str(fault)


def _first(faults: Iterable[SchemaError]) -> SchemaError | None:
    """Return the fault that stands first in the document; those of no single line come last."""
    return min(faults, key=lambda fault: (fault.line or sys.maxsize, str(fault)), default=None)


def parse_metadata(document: bytes) -> Schema:
    """Reads an EDMX document. What cannot be read of it is closed, with what is built on it; the
    rest is served.

    Raises:
        SchemaError: malformed XML, a DOCTYPE (it could name files and entities), elements that are
        nested too deeply, or
            a document without an entity set that can be read.
    """
    return _Resolver(read_declarations(document)).schema()
