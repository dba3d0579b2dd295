"""An upstream's ``$metadata`` as one immutable Schema, read by expat in a single pass (OData CSDL XML 4.01)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any
from xml.parsers import expat

_EDM_NAMESPACE = "http://docs.oasis-open.org/odata/ns/edm"
_EDMX_NAMESPACE = "http://docs.oasis-open.org/odata/ns/edmx"
_MAX_DEPTH = 64


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
    """Members in the order of the document, each with its value and the text of its first string annotation."""

    name: str
    members: Mapping[str, int]
    display: Mapping[str, str]
    is_flags: bool = False


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


@dataclass(frozen=True, slots=True)
class EntitySet:
    name: str
    type_name: str
    bindings: Mapping[str, str]


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
    resource told.
    """

    entity_sets: Mapping[str, EntitySet]
    types: Mapping[str, StructuredType]
    enum_types: Mapping[str, EnumType]
    computed: frozenset[str] = frozenset()
    lookups: tuple[LookupValue, ...] = ()
    #: (set, navigation) of lists that come as part of a record, and the sets that exist in no other way.
    embedded: frozenset[tuple[str, str]] = frozenset()
    embedded_only: frozenset[str] = frozenset()

    def type_of(self, set_name: str) -> StructuredType:
        return self.types[self.entity_sets[set_name].type_name]

    def target_set(self, set_name: str, navigation: NavigationProperty) -> str | None:
        """The set that a navigation leads to: its binding, else the only set of its type, else nothing."""
        bound = self.entity_sets[set_name].bindings.get(navigation.name)
        if bound in self.entity_sets:
            return bound
        candidates = [
            name for name, entity_set in self.entity_sets.items() if entity_set.type_name == navigation.type.name
        ]
        return candidates[0] if len(candidates) == 1 else None

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
    annotations: dict[str, str] = field(default_factory=dict)


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
    """Collects raw types while expat walks the document; one method an element, nothing resolved yet."""

    def __init__(self) -> None:
        self.types: dict[str, _RawType] = {}
        self.enums: dict[str, EnumType] = {}
        self.definitions: dict[str, str] = {}
        #: Type definition, or ``type/property``, as the document spells it, to the values that it takes.
        self.allowed: dict[str, tuple[str, ...]] = {}
        self.sets: dict[str, EntitySet] = {}
        self.aliases: dict[str, str] = {}
        self._path: list[str] = []
        self._namespace = ""
        self._type: _RawType | None = None
        self._property: Property | None = None
        self._navigation: NavigationProperty | None = None
        self._enum: tuple[str, dict[str, int], dict[str, str], bool] | None = None
        self._member = ""
        self._set: tuple[str, str, dict[str, str]] | None = None
        self._annotation: str | None = None
        self._text: list[str] | None = None
        #: What annotations beside the model, or in a type definition, are about.
        self._target: str | None = None
        self._allowed: _AllowedValues | None = None
        self.is_edmx = False

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        namespace, _, name = tag.rpartition(" ")
        self._path.append(name)
        if len(self._path) > _MAX_DEPTH:
            raise SchemaError("elements are nested too deeply")
        if namespace == _EDMX_NAMESPACE and name == "Edmx" and len(self._path) == 1:
            self.is_edmx = True
        if namespace == _EDMX_NAMESPACE and name == "Include" and {"Alias", "Namespace"} <= attributes.keys():
            self.aliases[attributes["Alias"]] = attributes["Namespace"]
        if self._allowed is not None:
            self._allowed.start(name, attributes)
        elif namespace == _EDM_NAMESPACE:
            handler = getattr(self, f"_start_{name}", None)
            if handler is not None:
                handler(attributes)

    def end(self, tag: str) -> None:
        name = self._path.pop()
        if self._allowed is not None and len(self._path) >= self._allowed.depth:
            self._allowed.end()
        elif tag.rpartition(" ")[0] == _EDM_NAMESPACE:
            handler = getattr(self, f"_end_{name}", None)
            if handler is not None:
                handler()

    def text(self, data: str) -> None:
        if self._allowed is not None:
            self._allowed.text(data)
        elif self._text is not None:
            self._text.append(data)

    # --- elements

    def _start_Schema(self, attributes: dict[str, str]) -> None:
        self._namespace = _required(attributes, "Namespace", "Schema")
        if "Alias" in attributes:
            self.aliases[attributes["Alias"]] = self._namespace

    def _structured(self, attributes: dict[str, str], element: str) -> None:
        name = f"{self._namespace}.{_required(attributes, 'Name', element)}"
        if name in self.types or name in self.enums:
            raise SchemaError(f"the type `{name}` is declared twice")
        self._type = _RawType(
            name, attributes.get("BaseType"), attributes.get("OpenType") == "true", element == "EntityType"
        )

    def _start_EntityType(self, attributes: dict[str, str]) -> None:
        self._structured(attributes, "EntityType")

    def _start_ComplexType(self, attributes: dict[str, str]) -> None:
        self._structured(attributes, "ComplexType")

    def _end_EntityType(self) -> None:
        assert self._type is not None
        self.types[self._type.name] = self._type
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
        if self._type is not None and self._property is not None:
            self._declare(self._property.name)
            self._type.properties[self._property.name] = self._property
        self._property = None

    def _start_NavigationProperty(self, attributes: dict[str, str]) -> None:
        self._navigation = NavigationProperty(
            _required(attributes, "Name", "NavigationProperty"),
            _type_reference(_required(attributes, "Type", "NavigationProperty")),
            attributes.get("Nullable", "true") != "false",
        )

    def _end_NavigationProperty(self) -> None:
        if self._type is not None and self._navigation is not None:
            self._declare(self._navigation.name)
            self._type.navigation[self._navigation.name] = self._navigation
        self._navigation = None

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
        self._enum = (name, {}, {}, attributes.get("IsFlags") == "true")

    def _start_Member(self, attributes: dict[str, str]) -> None:
        if self._enum is not None:
            self._member = _required(attributes, "Name", "Member")
            value = attributes.get("Value")
            try:
                self._enum[1][self._member] = int(value) if value is not None else len(self._enum[1])
            except ValueError:
                raise SchemaError(f"the value of the member `{self._member}` is no whole number") from None

    def _end_Member(self) -> None:
        self._member = ""

    def _end_EnumType(self) -> None:
        assert self._enum is not None
        name, members, display, flags = self._enum
        self.enums[name] = EnumType(name, MappingProxyType(members), MappingProxyType(display), flags)
        self._enum = None

    def _start_TypeDefinition(self, attributes: dict[str, str]) -> None:
        name = f"{self._namespace}.{_required(attributes, 'Name', 'TypeDefinition')}"
        self.definitions[name] = _required(attributes, "UnderlyingType", "TypeDefinition")
        self._target = name

    def _end_TypeDefinition(self) -> None:
        self._target = None

    def _start_Annotations(self, attributes: dict[str, str]) -> None:
        self._target = _required(attributes, "Target", "Annotations")

    _end_Annotations = _end_TypeDefinition

    def _start_EntitySet(self, attributes: dict[str, str]) -> None:
        self._set = (_required(attributes, "Name", "EntitySet"), _required(attributes, "EntityType", "EntitySet"), {})

    def _start_NavigationPropertyBinding(self, attributes: dict[str, str]) -> None:
        if self._set is not None:
            target = _required(attributes, "Target", "NavigationPropertyBinding")
            self._set[2][_required(attributes, "Path", "NavigationPropertyBinding")] = target.rpartition("/")[2]

    def _end_EntitySet(self) -> None:
        assert self._set is not None
        name, type_name, bindings = self._set
        if name in self.sets:
            raise SchemaError(f"the entity set `{name}` is declared twice")
        self.sets[name] = EntitySet(name, type_name, MappingProxyType(bindings))
        self._set = None

    def _start_Annotation(self, attributes: dict[str, str]) -> None:
        self._annotation = attributes.get("Term")
        if self._is_allowed_values(attributes):
            self._allowed = _AllowedValues(len(self._path))
            return
        for kind in ("String", "Bool", "Int", "EnumMember", "Path", "PropertyPath"):
            if kind in attributes:
                self._annotate(attributes[kind])

    def _is_allowed_values(self, attributes: dict[str, str]) -> bool:
        """Whether an annotation lists the values of a property or definition; a qualified one holds elsewhere only."""
        prefix, _, local = (attributes.get("Term") or "").rpartition(".")
        term = f"{self.aliases.get(prefix, prefix)}.{local}"
        about = self._property is not None or self._target is not None
        return term == _ALLOWED_VALUES and "Qualifier" not in attributes and about

    def _end_Annotation(self) -> None:
        self._annotation = None
        allowed, self._allowed = self._allowed, None
        if allowed is None or not allowed.values:
            return
        values = tuple(dict.fromkeys(allowed.values))
        if self._property is not None:
            self._property = replace(self._property, allowed=values)
        elif self._target is not None:
            self.allowed[self._target] = values

    def _start_String(self, _attributes: dict[str, str]) -> None:
        self._text = []

    def _end_String(self) -> None:
        if self._text is not None:
            self._annotate("".join(self._text))
        self._text = None

    def _annotate(self, value: str) -> None:
        """Keeps simple annotations of properties, types and members; structured ones say nothing to a policy."""
        term = self._annotation
        if term is None:
            return
        if self._enum is not None:
            if self._member:
                self._enum[2].setdefault(self._member, value)
        elif self._property is not None:
            self._property = replace(self._property, annotations={**self._property.annotations, term: value})
        elif self._navigation is not None:
            self._navigation = replace(self._navigation, annotations={**self._navigation.annotations, term: value})
        elif self._type is not None and self._path[-2:-1] in (["EntityType"], ["ComplexType"]):
            self._type.annotations[term] = value


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
    """Turns raw declarations into a Schema: aliases, type definitions and base types are gone afterwards."""

    def __init__(self, reader: _Reader) -> None:
        self._reader = reader
        self._done: dict[str, StructuredType] = {}
        self._allowed = {self._qualified_path(target): values for target, values in reader.allowed.items()}

    def schema(self) -> Schema:
        sets = {}
        for name, entity_set in self._reader.sets.items():
            type_name = self._qualified(entity_set.type_name)
            if type_name not in self._reader.types:
                raise SchemaError(f"the entity set `{name}` is of the unknown type `{entity_set.type_name}`")
            sets[name] = EntitySet(name, type_name, entity_set.bindings)
        types = {name: self._structured(name) for name in self._reader.types}
        for name, entity_set in sets.items():
            if not types[entity_set.type_name].key:
                raise SchemaError(f"the entity set `{name}` has no key")
        return Schema(MappingProxyType(sets), MappingProxyType(types), MappingProxyType(self._reader.enums))

    def _qualified(self, name: str) -> str:
        prefix, _, local = name.rpartition(".")
        return f"{self._reader.aliases.get(prefix, prefix)}.{local}"

    def _allowed_of(self, owner: str, member: Property) -> tuple[str, ...] | None:
        """Return the values that a property takes: its own list, wherever it stands, else its type definition's."""
        if member.allowed is not None:
            return member.allowed
        return self._allowed.get(f"{owner}/{member.name}", self._allowed.get(self._qualified(member.type.name)))

    def _qualified_path(self, target: str) -> str:
        owner, slash, member = target.partition("/")
        return self._qualified(owner) + slash + member

    def _type(self, reference: TypeReference) -> TypeReference:
        name = self._qualified(reference.name)
        return TypeReference(self._reader.definitions.get(name, name), reference.is_collection)

    def _structured(self, name: str) -> StructuredType:
        chain: list[_RawType] = []
        current: str | None = name
        while current is not None:
            raw = self._reader.types.get(current)
            if raw is None:
                raise SchemaError(f"the type `{chain[-1].name}` has the unknown base type `{current}`")
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
                allowed = self._allowed_of(raw.name, member)
                properties[member.name] = replace(member, type=self._type(member.type), allowed=allowed)
            for nav in raw.navigation.values():
                navigation[nav.name] = replace(nav, type=self._type(nav.type))
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
            MappingProxyType(chain[0].annotations),
        )


def parse_metadata(document: bytes) -> Schema:
    """Reads an EDMX document.

    Raises:
        SchemaError: malformed XML, a DOCTYPE (it could name files and entities), or declarations that do not
            fit together. Nothing is half-read.
    """
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True

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
