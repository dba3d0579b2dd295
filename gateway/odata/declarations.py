"""The declarations of a metadata document, collected by expat in a single pass and not resolved yet (CSDL XML 4.01)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from xml.parsers import expat

from gateway.odata.annotations import Annotations

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
#: The annotation of a property or type definition with the only values that it takes (OData Vocabulary, Validation).
ALLOWED_VALUES = "Org.OData.Validation.V1.AllowedValues"
#: Constant expressions (CSDL XML 4.01, 14.3) of which the text is the value.
_CONSTANTS = frozenset({
    "String", "Int", "Decimal", "Float", "Bool", "Date", "DateTimeOffset", "Guid", "TimeOfDay", "EnumMember",
})  # fmt: skip


class SchemaError(Exception):
    """The document is no metadata that can be used. ``line`` is 1-based, 0 where no single line is to blame."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


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


@dataclass(slots=True)
class RawType:
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
class RawEnum:
    name: str
    is_flags: bool
    members: dict[str, int] = field(default_factory=dict)
    fault: SchemaError | None = None


@dataclass(slots=True)
class RawSet:
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


class Reader:
    """Collects raw declarations while expat walks the document; one method an element, nothing
    resolved yet.

    A fault belongs to the declaration around it. Only a document that is nested too deeply is
    refused at once.
    """

    def __init__(self, line: Callable[[], int]) -> None:
        self.types: dict[str, RawType] = {}
        self.enums: dict[str, RawEnum] = {}
        self.definitions: dict[str, str] = {}
        self.sets: dict[str, RawSet] = {}
        self.annotations = Annotations()
        self.unreadable: dict[str, SchemaError] = {}
        self.faults: list[SchemaError] = []
        self.is_edmx = False
        self._line = line
        #: The elements around, each with whether it is one that means something where it stands.
        self._path: list[tuple[str, bool]] = []
        self._namespace = ""
        self._container = ""
        self._type: RawType | None = None
        self._property: Property | None = None
        self._navigation: NavigationProperty | None = None
        self._enum: RawEnum | None = None
        self._member = ""
        self._set: RawSet | None = None
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
        self._type = RawType(
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
        self._enum = RawEnum(name, attributes.get("IsFlags") == "true")
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
        self._set = RawSet(attributes.get("Name", ""), attributes.get("EntityType", ""), self._container)
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
        if self._term.rpartition(".")[2] == ALLOWED_VALUES.rpartition(".")[2]:
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


def read_declarations(document: bytes) -> Reader:
    """Read an EDMX document without resolving it.

    Raises:
        SchemaError: malformed XML, a DOCTYPE (it could name files and entities), or elements that are nested too
            deeply.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    reader = Reader(lambda: parser.CurrentLineNumber)

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
    return reader
