"""An upstream's ``$metadata`` as one immutable Schema, read by expat in a single pass (OData CSDL XML 4.01)."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any
from xml.parsers import expat

from gateway.odata.annotations import Annotations, display_text
from gateway.odata.enumerations import MemberTexts, member_texts

_EDM_NAMESPACE = "http://docs.oasis-open.org/odata/ns/edm"
_EDMX_NAMESPACE = "http://docs.oasis-open.org/odata/ns/edmx"
_MAX_DEPTH = 64
#: Underlying types that an enumeration may have (CSDL XML 4.01, section 10).
_UNDERLYING = frozenset({"Edm.Byte", "Edm.SByte", "Edm.Int16", "Edm.Int32", "Edm.Int64"})
_WHOLE = re.compile("[+-]?[0-9]{1,20}")
#: Where each element means something; elsewhere it is passed over.
_PLACES: Mapping[str, frozenset[str]] = {
    "Include": frozenset({"Reference"}),
    "Schema": frozenset({"DataServices"}),
    **dict.fromkeys(
        ("EntityType", "ComplexType", "EnumType", "TypeDefinition", "EntityContainer", "Annotations"),
        frozenset({"Schema"}),
    ),
    **dict.fromkeys(("Property", "NavigationProperty"), frozenset({"EntityType", "ComplexType"})),
    "PropertyRef": frozenset({"Key"}),
    "ReferentialConstraint": frozenset({"NavigationProperty"}),
    "Member": frozenset({"EnumType"}),
    "EntitySet": frozenset({"EntityContainer"}),
    "NavigationPropertyBinding": frozenset({"EntitySet"}),
    "Annotation": frozenset(
        {
            "EntityType",
            "ComplexType",
            "Property",
            "NavigationProperty",
            "Member",
            "EntitySet",
            "Annotations",
            "TypeDefinition",
        }
    ),
    "String": frozenset({"Annotation"}),
}


class SchemaError(Exception):
    """The document is no metadata that can be used. ``line`` is 1-based, 0 where no single line is to blame."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


#: RESO's annotation of a property with the name of its lookup (Data Dictionary, Lookup resource).
LOOKUP_NAME = "RESO.OData.Metadata.LookupName"
#: The annotation of a property or type definition with the only values that it takes (OData Vocabulary, Validation).
_ALLOWED_VALUES = "Org.OData.Validation.V1.AllowedValues"
#: Constant expressions (CSDL XML 4.01, 14.3) of which the text is the value.
_CONSTANTS = frozenset({
    "String", "Int", "Decimal", "Float", "Bool", "Date", "DateTimeOffset", "Guid", "TimeOfDay", "EnumMember",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class TypeReference:
    """A type name, qualified, and whether it is the element type of a collection."""

    name: str
    is_collection: bool = False

    @property
    def is_primitive(self) -> bool:
        return self.name.startswith("Edm.")

    def __str__(self) -> str:
        return f"Collection({self.name})" if self.is_collection else self.name


@dataclass(frozen=True, slots=True)
class Property:
    name: str
    type: TypeReference
    nullable: bool = True
    max_length: int | None = None
    precision: int | None = None
    scale: int | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    #: The texts of the only values that it takes, where the metadata lists them; members of a collection one by one.
    allowed: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class NavigationProperty:
    """``constraints`` are (property here, property there) pairs of the ReferentialConstraint elements."""

    name: str
    type: TypeReference
    nullable: bool = True
    constraints: tuple[tuple[str, str], ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)


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


@dataclass(slots=True)
class _RawType:
    name: str
    base: str | None
    is_open: bool
    is_entity: bool
    key: list[str] = field(default_factory=list)
    properties: dict[str, Property] = field(default_factory=dict)
    navigation: dict[str, NavigationProperty] = field(default_factory=dict)
    fault: SchemaError | None = None
    line: int = 0


@dataclass(slots=True)
class _RawEnum:
    name: str
    is_flags: bool
    members: dict[str, int] = field(default_factory=dict)
    fault: SchemaError | None = None


@dataclass(slots=True)
class _RawSet:
    name: str
    type_name: str
    container: str
    bindings: dict[str, str] = field(default_factory=dict)
    fault: SchemaError | None = None
    line: int = 0


class _AllowedValues:
    """Collects the values of one ``Validation.AllowedValues``: a collection of records, each with a ``Value``.

    ``values`` is None if one of them is not a constant: a list that is not read whole would refuse what it allows.
    """

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.values: list[str] | None = []
        #: Elements below the annotation, from the outermost.
        self._path: list[str] = []
        self._said: str | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._path.append(name)
        if self._path == ["Collection", "Record", "PropertyValue"] and attributes.get("Property") == "Value":
            constants = [kind for kind in attributes if kind in _CONSTANTS]
            self._said = None if constants else ""
            for kind in constants:
                self._add(kind, attributes[kind])
        elif self._said is not None and len(self._path) == 4:
            self._said = ""

    def text(self, data: str) -> None:
        if self._said is not None and len(self._path) == 4:
            self._said += data

    def end(self) -> None:
        name = self._path.pop()
        if self._said is None:
            return
        if len(self._path) == 3 and name in _CONSTANTS:
            self._add(name, self._said)
            self._said = None
        elif len(self._path) == 2:
            self.values, self._said = None, None

    def _add(self, kind: str, text: str) -> None:
        if self.values is not None:
            # `Ns.Status/Active Ns.Status/Sold` are two members.
            self.values += [part.rpartition("/")[2] for part in text.split()] if kind == "EnumMember" else [text]


class _Reader:
    """Collects raw declarations while expat walks the document; one method an element, nothing
    resolved yet.

    A fault belongs to the declaration around it. Only a document that is nested too deeply is
    refused at once.
    """

    def __init__(self, line: Callable[[], int]) -> None:
        self.types: dict[str, _RawType] = {}
        self.enums: dict[str, _RawEnum] = {}
        self.definitions: dict[str, str] = {}
        self.sets: dict[str, _RawSet] = {}
        self.annotations = Annotations()
        self.unreadable: dict[str, SchemaError] = {}
        self.faults: list[SchemaError] = []
        self.is_edmx = False
        self._line = line
        #: The elements around, each with whether it is one that means something where it stands.
        self._path: list[tuple[str, bool]] = []
        self._namespace = ""
        self._container = ""
        self._type: _RawType | None = None
        self._property: Property | None = None
        self._navigation: NavigationProperty | None = None
        self._enum: _RawEnum | None = None
        self._member = ""
        self._set: _RawSet | None = None
        self._definition = ""
        #: (target, whether the annotation stands inside of it, term, the values that the target takes).
        self.allowed: list[tuple[str, bool, str, tuple[str, ...]]] = []
        self._allowed: _AllowedValues | None = None
        self._target = ""
        self._term = ""
        self._qualified = False
        self._text: list[str] | None = None

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        namespace, _, name = tag.rpartition(" ")
        parent, is_known = self._path[-1] if self._path else ("", True)
        is_edmx, is_edm = namespace == _EDMX_NAMESPACE, namespace == _EDM_NAMESPACE
        if is_edmx and name == "Edmx" and not self._path:
            self.is_edmx = True
        is_known = (is_edmx or is_edm) and is_known and (name not in _PLACES or parent in _PLACES[name])
        self._path.append((name, is_known))
        if len(self._path) > _MAX_DEPTH:
            raise SchemaError("elements are nested too deeply")
        if self._allowed is not None:
            self._allowed.start(name, attributes)
            return
        handler = getattr(self, f"_start_{name}", None) if is_known else None
        if handler is not None:
            try:
                handler(attributes)
            except SchemaError as error:
                self._blame(error)

    def end(self, _tag: str) -> None:
        name, is_known = self._path.pop()
        if self._allowed is not None and len(self._path) >= self._allowed.depth:
            self._allowed.end()
            return
        handler = getattr(self, f"_end_{name}", None) if is_known else None
        if handler is not None:
            try:
                handler()
            except SchemaError as error:
                self._blame(error)

    def text(self, data: str) -> None:
        if self._allowed is not None:
            self._allowed.text(data)
        elif self._text is not None and self._path[-1] == ("String", True):
            self._text.append(data)

    def _blame(self, error: SchemaError) -> None:
        """Keeps a fault with the declaration in which it stands: that one cannot be read."""
        error.line = error.line or self._line()
        self.faults.append(error)
        declaration = self._type or self._enum or self._set
        if declaration is not None:
            declaration.fault = declaration.fault or error

    def _declare_type(self, name: str) -> None:
        """Marks a name that is declared twice: neither declaration is believed."""
        if name in self.types or name in self.enums or name in self.definitions:
            self.unreadable.setdefault(name, SchemaError(f"the type `{name}` is declared twice", self._line()))
            raise SchemaError(f"the type `{name}` is declared twice")
        if not self._namespace:
            self.unreadable.setdefault(name, SchemaError(f"the schema of `{name}` has no namespace", self._line()))
            raise SchemaError(f"the schema of `{name}` has no namespace")

    # --- elements

    def _start_Include(self, attributes: dict[str, str]) -> None:
        if "Alias" in attributes and "Namespace" in attributes:
            self.annotations.add_alias(attributes["Alias"], attributes["Namespace"], is_own=False)

    def _start_Schema(self, attributes: dict[str, str]) -> None:
        self._namespace = ""
        self._namespace = _required(attributes, "Namespace", "Schema")
        if "Alias" in attributes:
            self.annotations.add_alias(attributes["Alias"], self._namespace, is_own=True)

    def _structured(self, attributes: dict[str, str], element: str) -> None:
        name = f"{self._namespace}.{_required(attributes, 'Name', element)}"
        self._type = _RawType(
            name, attributes.get("BaseType"), attributes.get("OpenType") == "true", element == "EntityType"
        )
        self._type.line = self._line()
        self._declare_type(name)

    def _start_EntityType(self, attributes: dict[str, str]) -> None:
        self._structured(attributes, "EntityType")

    def _start_ComplexType(self, attributes: dict[str, str]) -> None:
        self._structured(attributes, "ComplexType")

    def _end_EntityType(self) -> None:
        if self._type is not None:
            self.types.setdefault(self._type.name, self._type)
        self._type = None

    _end_ComplexType = _end_EntityType

    def _start_PropertyRef(self, attributes: dict[str, str]) -> None:
        if self._type is not None:
            self._type.key.append(_required(attributes, "Name", "PropertyRef"))

    def _start_Property(self, attributes: dict[str, str]) -> None:
        self._property = Property(
            _required(attributes, "Name", "Property"),
            _type_reference(_required(attributes, "Type", "Property")),
            attributes.get("Nullable", "true") != "false",
            _facet(attributes, "MaxLength"),
            _facet(attributes, "Precision"),
            _facet(attributes, "Scale"),
        )

    def _end_Property(self) -> None:
        declared, self._property = self._property, None
        if self._type is not None and declared is not None:
            self._declare(declared.name)
            self._type.properties[declared.name] = declared

    def _start_NavigationProperty(self, attributes: dict[str, str]) -> None:
        self._navigation = NavigationProperty(
            _required(attributes, "Name", "NavigationProperty"),
            _type_reference(_required(attributes, "Type", "NavigationProperty")),
            attributes.get("Nullable", "true") != "false",
        )

    def _end_NavigationProperty(self) -> None:
        declared, self._navigation = self._navigation, None
        if self._type is not None and declared is not None:
            self._declare(declared.name)
            self._type.navigation[declared.name] = declared

    def _declare(self, name: str) -> None:
        assert self._type is not None
        if name in self._type.properties or name in self._type.navigation:
            raise SchemaError(f"`{name}` is declared twice in `{self._type.name}`")

    def _start_ReferentialConstraint(self, attributes: dict[str, str]) -> None:
        if self._navigation is not None:
            pair = (
                _required(attributes, "Property", "ReferentialConstraint"),
                _required(attributes, "ReferencedProperty", "ReferentialConstraint"),
            )
            self._navigation = replace(self._navigation, constraints=(*self._navigation.constraints, pair))

    def _start_EnumType(self, attributes: dict[str, str]) -> None:
        name = f"{self._namespace}.{_required(attributes, 'Name', 'EnumType')}"
        self._enum = _RawEnum(name, attributes.get("IsFlags") == "true")
        self._declare_type(name)
        underlying = attributes.get("UnderlyingType", "Edm.Int32")
        if underlying not in _UNDERLYING:
            raise SchemaError(f"the enumeration `{name}` has the unknown underlying type `{underlying}`")

    def _start_Member(self, attributes: dict[str, str]) -> None:
        if self._enum is None:
            return
        name = _required(attributes, "Name", "Member")
        if "," in name or name != name.strip():
            raise SchemaError(f"`{name}` is not a name for a member of `{self._enum.name}`")
        if name in self._enum.members:
            raise SchemaError(f"the member `{name}` is declared twice in `{self._enum.name}`")
        value = attributes.get("Value")
        if value is not None and not _WHOLE.fullmatch(value):
            raise SchemaError(f"the value of the member `{name}` is not a whole number")
        self._member = name
        self._enum.members[name] = int(value) if value is not None else len(self._enum.members)

    def _end_Member(self) -> None:
        self._member = ""

    def _end_EnumType(self) -> None:
        if self._enum is not None:
            self.enums.setdefault(self._enum.name, self._enum)
        self._enum = None

    def _start_TypeDefinition(self, attributes: dict[str, str]) -> None:
        name = f"{self._namespace}.{_required(attributes, 'Name', 'TypeDefinition')}"
        self._declare_type(name)
        self._definition = name
        self.definitions[name] = attributes.get("UnderlyingType", "")
        if not self.definitions[name].startswith("Edm."):
            error = SchemaError(f"the type definition `{name}` has no primitive underlying type", self._line())
            self.unreadable[name] = error
            raise error

    def _end_TypeDefinition(self) -> None:
        self._definition = ""

    def _start_EntityContainer(self, attributes: dict[str, str]) -> None:
        self._container = f"{self._namespace}.{attributes.get('Name', '')}"

    def _start_EntitySet(self, attributes: dict[str, str]) -> None:
        self._set = _RawSet(attributes.get("Name", ""), attributes.get("EntityType", ""), self._container)
        self._set.line = self._line()
        for name in ("Name", "EntityType"):
            _required(attributes, name, "EntitySet")

    def _start_NavigationPropertyBinding(self, attributes: dict[str, str]) -> None:
        if self._set is not None:
            path = _required(attributes, "Path", "NavigationPropertyBinding")
            target = _required(attributes, "Target", "NavigationPropertyBinding").rpartition("/")[2]
            if self._set.bindings.setdefault(path, target) != target:
                raise SchemaError(f"`{path}` of the entity set `{self._set.name}` is bound twice")

    def _end_EntitySet(self) -> None:
        declared, self._set = self._set, None
        if declared is None:
            return
        first = self.sets.setdefault(declared.name, declared)
        if first is not declared:
            error = SchemaError(f"the entity set `{declared.name}` is declared twice", self._line())
            first.fault = first.fault or error
            self.faults.append(error)

    # --- annotations

    def _start_Annotations(self, attributes: dict[str, str]) -> None:
        self._target = attributes.get("Target", "")
        self._qualified = "Qualifier" in attributes

    def _end_Annotations(self) -> None:
        self._target, self._qualified = "", False

    def _start_Annotation(self, attributes: dict[str, str]) -> None:
        # A qualified annotation is about one situation among several, so it says nothing of all.
        self._term = "" if "Qualifier" in attributes or self._qualified else attributes.get("Term", "")
        if self._term.rpartition(".")[2] == _ALLOWED_VALUES.rpartition(".")[2]:
            self._allowed = _AllowedValues(len(self._path))
        elif "String" in attributes:
            self._annotate(attributes["String"])

    def _end_Annotation(self) -> None:
        allowed, self._allowed = self._allowed, None
        target, is_inline = self._about(("Annotation",))
        if allowed is not None and allowed.values and target:
            self.allowed.append((target, is_inline, self._term, tuple(dict.fromkeys(allowed.values))))
        self._term = ""

    def _start_String(self, _attributes: dict[str, str]) -> None:
        self._text = []

    def _end_String(self) -> None:
        if self._text is not None:
            self._annotate("".join(self._text))
        self._text = None

    def _annotate(self, text: str) -> None:
        """Keeps a text of what it annotates; structured annotations say nothing to a policy."""
        target, is_inline = self._about(("Annotation", "String"))
        if target:
            self.annotations.add(target, self._term, text, is_inline=is_inline)

    def _about(self, inside: tuple[str, ...]) -> tuple[str, bool]:
        """Return the target of the annotation at hand, and whether the annotation stands inside of it."""
        around = next((name for name, _ in reversed(self._path) if name not in inside), "")
        if around == "Annotations":
            return self._target, False
        if around == "Member" and self._enum is not None and self._member:
            return f"{self._enum.name}/{self._member}", True
        if around == "EntitySet" and self._set is not None:
            return f"{self._set.container}/{self._set.name}", True
        if around == "TypeDefinition":
            return self._definition, True
        if self._type is not None:
            member = {"Property": self._property, "NavigationProperty": self._navigation}.get(around)
            place = f"/{member.name}" if member is not None else ""
            if place or around in ("EntityType", "ComplexType"):
                return f"{self._type.name}{place}", True
        return "", True


def _required(attributes: dict[str, str], name: str, element: str) -> str:
    value = attributes.get(name)
    if not value:
        raise SchemaError(f"an element `{element}` lacks its attribute `{name}`")
    return value


def _facet(attributes: dict[str, str], name: str) -> int | None:
    text = attributes.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _type_reference(text: str) -> TypeReference:
    if text.startswith("Collection(") and text.endswith(")"):
        return TypeReference(text[11:-1], True)
    return TypeReference(text)


class _Resolver:
    """Turns raw declarations into a Schema: aliases, type definitions and base types are gone
    afterwards.

    A declaration that cannot be read takes with it what is built on it: a type its derived types,
    an enumeration the types with properties of it, a type its entity sets. Nothing is half-read.
    """

    def __init__(self, reader: _Reader) -> None:
        self._reader = reader
        self._qualified = reader.annotations.qualified
        self._faults: dict[str, SchemaError] = dict(reader.unreadable)
        #: Target to the values that it takes; an inline annotation wins over an external one.
        self._allowed: dict[str, tuple[str, ...]] = {}
        for target, is_inline, term, values in sorted(reader.allowed, key=lambda found: found[1]):
            if self._qualified(term) == _ALLOWED_VALUES:
                self._allowed[target if is_inline else reader.annotations.resolved(target)] = values
        sets: dict[str, list[_RawSet]] = {}
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

    def _enum(self, raw: _RawEnum) -> EnumType:
        display = {}
        for member in raw.members:
            text = display_text(self._reader.annotations.of([f"{raw.name}/{member}"]))
            if text is not None:
                display[member] = text
        return EnumType(raw.name, MappingProxyType(raw.members), MappingProxyType(display), raw.is_flags)

    def _fault_of_set(self, raw: _RawSet, type_name: str, types: Mapping[str, StructuredType]) -> SchemaError | None:
        """Return why an entity set cannot be read by its type, or None if it can."""
        if type_name in self._faults:
            return self._faults[type_name]
        if type_name not in types:
            return self._note(raw, f"the entity set `{raw.name}` is of the unknown type `{raw.type_name}`")
        if not types[type_name].key:
            return self._note(raw, f"the entity set `{raw.name}` has no key")
        return None

    def _note(self, raw: _RawSet, message: str) -> SchemaError:
        error = SchemaError(message, raw.line)
        self._reader.faults.append(error)
        return error

    def _type(self, reference: TypeReference) -> TypeReference:
        name = self._qualified(reference.name)
        if name in self._faults and name not in self._reader.types:
            raise self._faults[name]
        return TypeReference(self._reader.definitions.get(name, name), reference.is_collection)

    def _targets(self, chain: list[_RawType], declared: str, member: str) -> list[str]:
        """Return the paths to a member of a type: by the type itself, its base types, and its entity set."""
        targets = [f"{raw.name}/{member}" for raw in chain]
        only = self._only_set.get(declared)
        if only is not None:
            path = f"{only.container}/{only.name}"
            targets += [f"{path}/{member}", f"{path}/{declared}/{member}"]
        return targets

    def _texts(self, chain: list[_RawType], declared: str, member: str) -> Mapping[str, str]:
        """Return the annotations of a member of a type."""
        return MappingProxyType(self._reader.annotations.of(self._targets(chain, declared, member)))

    def _allowed_of(self, chain: list[_RawType], declared: str, member: Property) -> tuple[str, ...] | None:
        """Return the values that a property takes: its own list, wherever it stands, else its type definition's."""
        places = (*self._targets(chain, declared, member.name), self._qualified(member.type.name))
        return next((self._allowed[place] for place in places if place in self._allowed), None)

    def _structured(self, name: str) -> StructuredType:
        chain: list[_RawType] = []
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
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    reader = _Reader(lambda: parser.CurrentLineNumber)

    def refuse_doctype(*_arguments: Any) -> None:
        raise SchemaError("a DOCTYPE is not allowed", parser.CurrentLineNumber)

    parser.StartDoctypeDeclHandler = refuse_doctype
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(document, True)
    except expat.ExpatError as error:
        raise SchemaError(f"not well-formed XML: {expat.ErrorString(error.code)}", error.lineno) from None
    except SchemaError as error:
        raise SchemaError(str(error), error.line or parser.CurrentLineNumber) from None
    if not reader.is_edmx:
        raise SchemaError("the root element is not an OData 4 `edmx:Edmx`")
    return _Resolver(reader).schema()
