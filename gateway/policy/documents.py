"""The documents that people write: templates in Spark's JSON, roles, syndications. Shapes only; nothing is compiled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.errors import ConfigurationError, Fault

#: Spark's page says Agent and Members where RESO says Member (P12).
ALIASES: Mapping[str, str] = {"Agent": "Member", "Agents": "Member", "Members": "Member", "Properties": "Property"}


def canonical(word: str) -> str:
    """The Data Dictionary's word for a resource, whichever of its words was used."""
    return ALIASES.get(word, word)


#: The class group that stands for every class.
ALL = "All"


class Rule(Enum):
    HIDDEN = "Hidden"
    VISIBLE = "Visible"


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


#: A list that restricts. An empty one would restrict nothing, so it is a fault; absent, it says nothing.
Restricting = Annotated[tuple[str, ...], Field(min_length=1)]


#: A number beside the names of resources; it says nothing to the policy.
DictionaryVersion = Annotated[float, Field(strict=True, allow_inf_nan=False)]


#: The methods by which a resource can be written (RESO Add/Edit).
WriteMethod = Literal["POST", "PATCH", "DELETE"]
#: Special permissions of single keys (Spark's page of Office). Each opens the resource and the relation of its name,
#: and what roles put under it, to the keys that have it, and to no other key.
PrivilegeName = Literal["DelegatedAccess"]
PRIVILEGES: tuple[PrivilegeName, ...] = get_args(PrivilegeName)


class FieldRule(_Document):
    """``{"Rule": "Hidden" | "Visible"}``; ``When`` is our extension and belongs to Visible (P3)."""

    Rule: Literal["Hidden", "Visible"]
    When: str | None = None


class ResourceFilter(_Document):
    """``{"Filter": text | null}``; null lifts the role's filter."""

    Filter: str | None


class FilterMap(BaseModel):
    """Resource to filter; ``null`` keeps the role's (P5)."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, ResourceFilter | None] = Field(init=False)
    RESODictionaryVersion: DictionaryVersion | None = None

    @property
    def resources(self) -> Mapping[str, ResourceFilter | None]:
        return self.__pydantic_extra__


class OverrideMap(BaseModel):
    """Resource to class (or ``All``) to field to rule."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, dict[str, dict[str, FieldRule]] | None] = Field(init=False)
    RESODictionaryVersion: DictionaryVersion | None = None

    @property
    def resources(self) -> Mapping[str, Mapping[str, Mapping[str, FieldRule]] | None]:
        return self.__pydantic_extra__


class TemplateDocument(_Document):
    """A template as Spark's page has it; server-made attributes may be present and say nothing to the policy."""

    Name: Annotated[str, Field(min_length=1, max_length=255)]
    Description: Annotated[str, Field(min_length=1, max_length=4000)]
    Role: str
    SyndicationId: str | None = None
    ListingPhotoLimit: Annotated[int, Field(ge=0, strict=True)] | None = None
    RestrictiveFilters: FilterMap | None = None
    FieldOverrides: OverrideMap | None = None
    #: Ours: by which methods the keys may write each resource, in place of what the role says of them.
    Writes: Mapping[str, tuple[WriteMethod, ...]] | None = None
    #: Ours: a query that names a conditional field is narrowed to the records that show it, or refused (C243).
    ConditionalFields: Literal["narrow", "strict"] = "narrow"
    Id: str | None = None
    ResourceUri: str | None = None
    OwnerId: str | None = None
    AssociationId: str | None = None
    MlsId: str | None = None
    CreatedTimestamp: str | None = None
    ModificationTimestamp: str | None = None


class Conditional(_Document):
    """Fields of a role that are visible on records for which ``Condition`` is definitely true."""

    Condition: str
    Fields: Restricting


class FieldGroup(_Document):
    """What a role says of the fields of one class, or of all."""

    Visible: tuple[str, ...] = ()
    Hidden: Restricting = ()
    When: tuple[Conditional, ...] = ()


class RoleWrites(_Document):
    """What a role lets its keys write in one resource (RESO Add/Edit). Without it nothing can be written.

    ``Methods`` are those of keys whose template says nothing else; without any, it is for templates to allow some.
    ``Fields`` can be written where they are visible; ``Control`` are taken in a body and never shown. ``Required`` are
    fields that a method must have, ``References`` fields that must name a row which exists for the key, and ``Bound``
    fields that must be the key's own ``MemberKey`` or ``OfficeKey`` where the key has one. A field that a rule or
    condition tests can be written only if ``PolicyFields`` names it. ``AllowLeaving``: a write may make the row one
    that does not exist for the key; ``CreateOutside``: so may a creation.
    """

    Methods: tuple[WriteMethod, ...] = ()
    Fields: tuple[str, ...] = ()
    Control: tuple[str, ...] = ()
    Required: Mapping[WriteMethod, Restricting] = Field(default_factory=dict)
    References: Mapping[str, str] = Field(default_factory=dict)
    Bound: Mapping[str, Literal["MemberKey", "OfficeKey"]] = Field(default_factory=dict)
    PolicyFields: tuple[str, ...] = ()
    AllowLeaving: bool = False
    CreateOutside: bool = False


class RoleResource(_Document):
    """What a role says of one resource. Without an entry a resource is closed (P1).

    ``Privilege``: the resource exists only for keys that have it. A resource that is called as a privilege is needs
    that one in any case.
    """

    Filter: str | None = None
    Always: Restricting = ()
    Default: Literal["Hidden", "Visible"] = "Hidden"
    Privilege: PrivilegeName | None = None
    Fields: Mapping[str, FieldGroup] = Field(default_factory=dict)
    Writes: RoleWrites | None = None


class RoleDocument(_Document):
    """A base role: ``config/roles/<name>.yaml``."""

    Role: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
    Description: str = ""
    NeverVisible: Mapping[str, Restricting] = Field(default_factory=dict)
    Resources: Mapping[str, RoleResource]


class SyndicationDocument(_Document):
    """A syndication: which listings are delivered, by a value in a field of Property.

    ``opt_in``: only listings whose field holds the value. ``opt_out``: all whose field definitely does not.
    ``Field`` is a string, boolean or number; collections come with the collection operators.
    """

    Id: Annotated[str, Field(min_length=1)]
    Name: str
    Mode: Literal["opt_in", "opt_out"]
    Field: str
    Value: str | bool | int


class SyndicationsDocument(_Document):
    Syndications: tuple[SyndicationDocument, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """Where a document was written: its file, and the keys above it that its author sees (``D``)."""

    file: str
    prefix: tuple[str, ...] = ()

    def fault(self, path: tuple[str, ...], message: str) -> Fault:
        return Fault(self.file, 0, (*self.prefix, *path), message)


@dataclass(frozen=True, slots=True)
class Template:
    id: str
    document: TemplateDocument
    source: Source


@dataclass(frozen=True, slots=True)
class Role:
    document: RoleDocument
    source: Source

    @property
    def name(self) -> str:
        return self.document.Role


@dataclass(frozen=True, slots=True)
class Syndication:
    document: SyndicationDocument
    source: Source


def faults_of(error: ValidationError, source: Source) -> list[Fault]:
    """A pydantic error as faults, with the wording of a person and never the rejected value of a secret."""
    return [
        source.fault(tuple(str(part) for part in item["loc"] if not _is_tag(part)), _plain(item["type"], item["msg"]))
        for item in error.errors(include_url=False, include_input=False)
    ]


def _is_tag(part: object) -> bool:
    """Pydantic puts names of union members into the path; authors never wrote them."""
    return isinstance(part, str) and (part in {"str", "bool", "int", "ResourceFilter"} or "[" in part)


def _plain(kind: str, message: str) -> str:
    words = {
        "missing": "is missing",
        "extra_forbidden": "is not a known setting here",
        "model_type": "must be an object",
        "model_attributes_type": "must be an object",
        "dict_type": "must be an object",
        "tuple_type": "must be a list",
        "string_type": "must be a text",
        "too_short": "must not be empty: name at least one, or leave it out",
        "string_too_short": "must not be empty",
    }
    message = message.removeprefix("Value error, ")
    return words.get(kind, message[:1].lower() + message[1:])


D = TypeVar("D", bound=BaseModel)


def validate(model: type[D], data: Any, source: Source) -> D:
    """The document as ``model``.

    Raises:
        ConfigurationError: with every fault of the document.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ConfigurationError(faults_of(error, source)) from None
