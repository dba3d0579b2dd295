"""What the upstream can do and may be trusted with. What a profile does not declare is untrusted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, get_args
from typing import Literal as OneOf
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from gateway.odata.ast import (
    DATE_PARTS,
    Comparison,
    Constant,
    Expression,
    Function,
    In,
    Intersects,
    Lambda,
    Operand,
    Operator,
    PropertyPath,
    StringTest,
)
from gateway.odata.evaluate import Equality, Reading
from gateway.odata.literals import Literal
from gateway.odata.walk import Atom, atoms, operand_of, properties
from gateway.policy.presets import PRESETS

#: What an upstream is trusted with, kind by kind. Each is lost for itself, once and for all keys (D6).
Trust = OneOf[
    "comparisons",
    "string_equality",
    "string_order",
    "string_functions",
    "patterns",
    "date_parts",
    "collections",
    "navigation_lambdas",
    "geo",
    "nested",
    "counts",
]
TRUSTS: tuple[Trust, ...] = get_args(Trust)


class Link(BaseModel):
    """How rows of two resources belong together: the values of two fields are equal, and a third field of the
    target may have to hold one of some values (``ResourceName`` of Media)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    local: str
    target: str
    discriminator: str | None = None
    values: tuple[str, ...] = ()

    @property
    def target_fields(self) -> frozenset[str]:
        """The fields by which a row of the target names the other one."""
        return frozenset(name for name in (self.target, self.discriminator) if name is not None)


class LinkHost(BaseModel):
    """Another host to which a next link of the upstream may lead: its service root, and whether the upstream's
    credential goes there."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    url: Annotated[
        str,
        Field(
            pattern=r"^(https://[A-Za-z0-9.\-\[\]:]+|http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?)(/[A-Za-z0-9._~\-]+)*$"
        ),
    ]
    credential: bool = False

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        try:
            split = urlsplit(url)
            host, _ = split.hostname, split.port
        except ValueError:
            host = None
        if not host:
            raise ValueError("must be the service root of a host, such as https://pages.example/odata")
        return url


class Profile(BaseModel):
    """``upstream.profile`` of gateway.yaml; docs/configuration.md explains each setting."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: What is known of a vendor's servers, below everything that is said here.
    preset: str | None = None
    #: Compares numbers, dates, booleans, enumerations and null as OData has it; and does filter at all.
    comparisons: OneOf["exact", "untrusted"] = "untrusted"
    #: Compares strings exactly, folds case, or folds case and ignores trailing blanks.
    string_equality: OneOf["exact", "fold", "fold_pad", "untrusted"] = "untrusted"
    #: Reads string patterns literally: no wildcards, no escapes.
    patterns: OneOf["literal", "untrusted"] = "untrusted"
    #: Evaluates any/all over primitive collections as OData has it; ``none``: cannot, and is never asked to.
    collections: OneOf["exact", "untrusted", "none"] = "untrusted"
    #: Evaluates any/all over the rows behind a navigation property, as OData has it, over all of them and no others.
    #: What it finds cannot be verified, so only rows and fields that are visible without exception are searched.
    navigation_lambdas: OneOf["exact", "untrusted"] = "untrusted"
    #: Knows geo.distance and geo.intersects, and fails on no value that it stores. What it finds cannot be verified.
    geo: OneOf["exact", "untrusted"] = "untrusted"
    #: Takes year, month, day, hour, minute, second, date and time of an instant in UTC.
    date_parts: OneOf["utc", "untrusted"] = "untrusted"
    #: tolower, toupper, trim (of blanks), length and concat are those of Unicode code points.
    string_functions: OneOf["exact", "untrusted"] = "untrusted"
    #: Strings are ordered by code point.
    string_order: OneOf["code_point", "untrusted"] = "untrusted"
    #: Options inside $expand are honoured: rows are those of their record, and ``Nav@odata.count`` is their number.
    #: Where it is not declared, what is expanded is read by requests of its own.
    nested: OneOf["exact", "untrusted"] = "untrusted"
    #: ``@odata.count`` is the number of rows that match, not an estimate.
    counts: OneOf["exact", "untrusted"] = "untrusted"
    #: How literals of enumerations are written: ``Ns.Type'Member'`` or ``'Member'``.
    enum_literal: OneOf["qualified", "string"] = "qualified"
    #: The most records that one request brings; None where the upstream tells by a next link.
    page_max: Annotated[int, Field(ge=1)] | None = None
    #: How the next page is asked for: by ``$skip``, by the upstream's own next link, or by its Link header.
    paging: OneOf["skip", "next_link", "link_header"] = "skip"
    #: Other hosts to which its next links may lead. The host of any other link is never asked.
    link_hosts: tuple[LinkHost, ...] = ()
    #: The largest ``$skip`` that the upstream takes.
    skip_max: Annotated[int, Field(ge=0)] | None = None
    #: Resource to fields whose values are printed as finely as they are stored, sorted and compared, and never equal
    #: where they differ in print: pages go on behind the last record where all of an order is such.
    order_exact: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    #: Where nulls stand in ascending order.
    nulls: OneOf["first", "last"] = "first"
    #: The longest query string that the upstream takes.
    url_max: Annotated[int, Field(ge=1024)] = 65_536
    #: Where the select list does not fit ``url_max``: refused, or left out.
    select: OneOf["explicit", "omit"] = "explicit"
    #: The most ``or`` in one filter.
    or_max: Annotated[int, Field(ge=0)] | None = None
    #: Whether the upstream knows ``in``; else lists are printed as ``or``.
    in_operator: bool = True
    #: Resource to a condition that the upstream demands in every request for it.
    mandatory_filter: Mapping[str, str] = Field(default_factory=dict)
    #: Resource to fields that the upstream cannot filter or sort by. Rules on them are enforced here.
    unfilterable: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    #: Resource to the only fields that the upstream can filter and sort by, where those are the shorter list.
    filterable: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    #: Whether a client may filter by such fields, which takes a scan; else 400.
    client_scan: bool = False
    #: Members that are null may be missing from a record.
    omits_nulls: bool = False
    #: Resource to fields that hold whole lists of records, which come with it and not by $expand.
    embedded: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    #: A photo comes in several sizes, as several rows of one Order: limits count orders.
    photo_sizes: bool = False
    #: Resource to the field that holds the class of a record, beside Property: PropertyType.
    class_field: Mapping[str, str] = Field(default_factory=dict)
    #: Class of the Data Dictionary to the values that stand for it here, where they differ.
    class_values: Mapping[str, Annotated[tuple[str, ...], Field(min_length=1)]] = Field(default_factory=dict)
    #: Resource to navigation to link, where the upstream's metadata and the Data Dictionary do not tell.
    links: Mapping[str, Mapping[str, Link]] = Field(default_factory=dict)
    #: Kinds of trust that are declared above and not given all the same: ``counts`` everywhere, ``Media/counts`` for
    #: one resource. The gateway adds what the upstream has contradicted.
    distrusted: tuple[str, ...] = ()
    #: How the upstream keeps a write from changing another state than the one that was read; untrusted: it does not,
    #: so records are neither changed nor deleted.
    conditional_writes: OneOf["untrusted", "etag", "any", "none"] = "untrusted"
    #: Resource to field to the value that a new record has where its body says nothing.
    create_defaults: Mapping[str, Mapping[str, str | bool | int | None]] = Field(default_factory=dict)
    #: Changed by hand to confirm that a violation has been dealt with: any other text lifts the latch.
    confirmed: str = ""

    @model_validator(mode="before")
    @classmethod
    def _on_preset(cls, data: Any) -> Any:
        """What the preset says, with what was said here on top."""
        if not isinstance(data, Mapping) or data.get("preset") is None:
            return data
        if data["preset"] not in PRESETS:
            raise ValueError(f"`{data['preset']}` is no preset; known are {', '.join(sorted(PRESETS))}")
        return {**PRESETS[data["preset"]], **data}

    @field_validator("distrusted")
    @classmethod
    def _of_known_kinds(cls, distrusted: tuple[str, ...]) -> tuple[str, ...]:
        for scope in distrusted:
            kind = scope.rpartition("/")[2]
            if kind not in TRUSTS:
                raise ValueError(f"`{kind}` is not a kind of trust; known are {', '.join(TRUSTS)}")
        return distrusted

    @property
    def is_linked(self) -> bool:
        """Whether pages of the upstream lead to each other; where they do, few servers take ``$skip`` too."""
        return self.paging != "skip"

    @property
    def reading(self) -> Reading:
        """How rules, guards and conditions are evaluated here; equality that is not declared is exact (C58)."""
        return Reading("exact" if self.string_equality == "untrusted" else self.string_equality)

    def declares(self, kind: Trust) -> bool:
        """Whether the profile declares something of the kind."""
        return getattr(self, kind) not in ("untrusted", "none")

    def trusts_kind(self, kind: Trust, resource: str) -> bool:
        """Whether the profile declares something of the kind, and nothing has contradicted it for the resource."""
        return self.declares(kind) and not {kind, scope_of(resource, kind)} & set(self.distrusted)

    def distrusting(self, scopes: Iterable[str]) -> Profile:
        """The profile without trust in these kinds (``counts``, ``Media/counts``). How strings are compared here does
        not change with it."""
        lost = (*self.distrusted, *(scope for scope in scopes if scope not in self.distrusted))
        return self.model_copy(update={"distrusted": lost})

    def trusts(self, expression: Expression, resource: str) -> bool:
        """Whether every atom is of kinds that the upstream is declared to read as we do (CHANNELS D6)."""
        return all(self.trusts_atom(atom, resource) for atom in atoms(expression))

    def trusts_atom(self, atom: Atom, resource: str) -> bool:
        return all(self.trusts_kind(kind, resource) for kind in kinds_of(atom))

    @property
    def digest(self) -> str:
        """Names what is declared: trust that was lost under another profile says nothing of this one."""
        return hashlib.sha256(self.model_dump_json().encode("utf-8")).hexdigest()[:16]

    def cannot_filter(self, resource: str, expression: Expression) -> bool:
        """Whether the expression names a field, or is of a form, that the upstream cannot filter by."""
        for atom in atoms(expression):
            if any(self.is_unfilterable(resource, path.name) for path in properties(atom)):
                return True
            if isinstance(atom, Lambda) and atom.target and self.cannot_filter(atom.target, atom.predicate):
                return True
            if isinstance(atom, Lambda) and not atom.target and self.collections == "none":
                return True
        return False

    def is_unfilterable(self, resource: str, field: str) -> bool:
        """Whether the upstream cannot filter or sort by a field."""
        if field in self.unfilterable.get(resource, ()):
            return True
        return resource in self.filterable and field not in self.filterable[resource]

    def normal(self, text: str) -> str:
        """One text for all that the upstream's equality may not tell apart: where nothing is declared, much."""
        equality: Equality = "fold_pad" if self.string_equality == "untrusted" else self.string_equality
        return Reading(equality).normal(text)


def scope_of(resource: str, kind: Trust) -> str:
    """How ``distrusted`` names a kind of trust for one resource."""
    return f"{resource}/{kind}"


def kinds_of(atom: Atom) -> frozenset[Trust]:
    """The kinds of trust that an atom takes; what is neither text nor function nor collection is a comparison."""
    kinds: set[Trust] = set()
    operand = operand_of(atom)
    if operand is not None:
        kinds |= _kinds_of_operand(operand)
    match atom:
        case StringTest():
            kinds |= {"patterns", "string_equality"}
        case Intersects():
            kinds.add("geo")
        case Lambda(_, _, _, predicate, target):
            kinds.add("navigation_lambdas" if target else "collections")
            kinds.update(kind for inner in atoms(predicate) for kind in kinds_of(inner))
        case Comparison(operator, _, right) if isinstance(right.value, str):
            kinds.add("string_equality")
            if operator not in (Operator.EQ, Operator.NE):
                kinds.add("string_order")
        case In(_, items) if any(isinstance(item.value, str) for item in items):
            kinds.add("string_equality")
        case Constant():
            return frozenset()
        case _:
            pass
    return frozenset(kinds or {"comparisons"})


def _kinds_of_operand(operand: Operand) -> set[Trust]:
    """Parts of dates depend on the zone in which a server takes them, functions of strings on its tables."""
    if isinstance(operand, PropertyPath):
        return set()
    if operand.function is Function.GEO_DISTANCE:
        return {"geo"}
    kinds: set[Trust] = {"date_parts" if operand.function in DATE_PARTS else "string_functions"}
    for argument in operand.arguments:
        if not isinstance(argument, Literal):
            kinds |= _kinds_of_operand(argument)
    return kinds
