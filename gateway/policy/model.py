"""A compiled policy: what exists for a key. What is hidden is not in it, so nothing downstream can name it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from gateway.odata.ast import TRUE, Expression
from gateway.odata.csdl import NavigationProperty, Property, Schema, StructuredType
from gateway.odata.literals import Value
from gateway.odata.printer import print_expression
from gateway.policy.documents import PrivilegeName
from gateway.policy.profile import Link


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a rule was written, for explanations: file and path to the value, or a word for what is built in."""

    file: str
    path: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.file}: {'.'.join(self.path)}" if self.path else self.file


@dataclass(frozen=True, slots=True)
class RulePart:
    """One conjunct of a row rule, compiled, with the place it comes from."""

    expression: Expression
    origin: Origin


@dataclass(frozen=True, slots=True)
class FieldPolicy:
    """A visible field. ``condition`` is compiled and ``true`` where the field is visible on every record.

    ``clamp`` is the largest number shown (photo counters); a field that is not ``queryable`` can be selected only.
    """

    property: Property
    origin: Origin
    condition: Expression = TRUE
    clamp: int | None = None
    queryable: bool = True


@dataclass(frozen=True, slots=True)
class NavigationPolicy:
    """A visible navigation property. ``link`` tells which rows belong to a record; without one it is not offered."""

    navigation: NavigationProperty
    target: str
    origin: Origin
    link: Link | None
    condition: Expression = TRUE


@dataclass(frozen=True, slots=True)
class PhotoRule:
    """The photo limit of Media: rank by number in ``order``, then by key; rows of other categories are no photos.

    ``sizes``: all rows of one Order are one photo in several sizes (C332). ``link`` is how photos name their listing
    where rows of Media follow no others; else ``parent_links`` has it.
    """

    limit: int
    category: str | None
    order: str | None
    sizes: bool = False
    link: Link | None = None


@dataclass(frozen=True, slots=True)
class ParentLink:
    """The link of a dependent row to its parent: ``resource`` is the parent's, ``link`` is seen from the parent. Only
    rows that satisfy ``condition`` follow it."""

    resource: str
    link: Link
    condition: Expression = TRUE


@dataclass(frozen=True, slots=True)
class WritePolicy:
    """What a key may write of one resource.

    ``fields`` are those that a body may name, with their declarations: they are visible somewhere; ``control`` are
    taken and never shown. ``created_only`` are fields of these that are set once and stay. ``references`` lead to the
    resource whose row a value must name, ``bound`` to the binding of the key that it must equal. ``tested`` are fields
    on which the key's own rules and conditions hang. ``parents`` are the ways by which a new row can name one that it
    follows, by the key of that. ``closed`` has, for those of ``fields`` whose lookup is closed, the values that they
    take. ``origin`` is where the methods are allowed, ``entry`` where the rest is written.
    """

    origin: Origin
    entry: Origin

    methods: frozenset[str]
    fields: Mapping[str, Property]
    control: Mapping[str, Property]
    created_only: frozenset[str]
    required: Mapping[str, tuple[str, ...]]
    references: Mapping[str, str]
    bound: Mapping[str, str]
    tested: frozenset[str]
    closed: Mapping[str, frozenset[Value]]
    parents: tuple[ParentLink, ...] = ()
    allow_leaving: bool = False
    create_outside: bool = False


@dataclass(frozen=True, slots=True)
class ResourcePolicy:
    """What a key may see of one resource. ``rule`` is the conjunction of ``parts``; ``true`` means every row.

    ``kind`` is the resource of the Data Dictionary that it is, ``parents`` the kinds that its rows follow (P6), and
    ``parent_links`` how its rows name those of them that exist for the key: a row that names no other is withheld;
    ``broken`` says that the rule cannot be decided on this upstream, so that the resource is denied.
    """

    name: str
    type: StructuredType
    parts: tuple[RulePart, ...]
    rule: Expression
    fields: Mapping[str, FieldPolicy]
    navigation: Mapping[str, NavigationPolicy]
    parents: tuple[str, ...] = ()
    parent_links: tuple[ParentLink, ...] = ()
    kind: str = ""
    #: All words that name it: its own name, its type, and the types that this one derives from.
    kinds: frozenset[str] = frozenset()
    photo: PhotoRule | None = None
    broken: bool = False
    #: A part of the rule that is enforced here only, because it is too long to be asked.
    unpushed: Expression = TRUE
    #: Whether its rows come as part of other records only.
    embedded_only: bool = False
    #: None where nothing can be written.
    writes: WritePolicy | None = None

    @property
    def key(self) -> tuple[str, ...]:
        return self.type.key

    def is_any_of(self, words: Iterable[str]) -> bool:
        """Whether one of the words names it."""
        return not self.kinds.isdisjoint(words)

    @property
    def is_restricted(self) -> bool:
        """Whether some rows of the upstream do not exist for the key."""
        return self.has_own_rule or bool(self.parents)

    @property
    def has_own_rule(self) -> bool:
        """Whether some rows do not exist for the key even if their parents do."""
        return self.rule != TRUE or self.unpushed != TRUE or self.photo is not None

    @property
    def is_addressable(self) -> bool:
        """Whether its rows can be asked for directly; rows that follow a parent must name one that exists."""
        return not self.embedded_only and (not self.parents or bool(self.parent_links))

    def always_shows(self, name: str) -> bool:
        """Whether a field is visible on every record."""
        return name in self.fields and self.fields[name].condition == TRUE

    @property
    def link_fields(self) -> frozenset[str]:
        """The fields by which its rows name what they follow, or the listing whose photos they are."""
        links = [parent.link for parent in self.parent_links]
        links += [self.photo.link] if self.photo is not None and self.photo.link is not None else []
        return frozenset().union(*(link.target_fields for link in links))

    def condition_of(self, member: str) -> Expression:
        """The condition of a visible field or navigation property."""
        return self.fields[member].condition if member in self.fields else self.navigation[member].condition

    def conditions(self) -> Iterator[tuple[str, Expression]]:
        for name, field in self.fields.items():
            yield name, field.condition
        for name, navigation in self.navigation.items():
            yield name, navigation.condition


@dataclass(frozen=True, slots=True)
class Policy:
    """Immutable, compiled against one schema. ``name`` is the template's id or the role's name, for people."""

    name: str
    role: str
    schema: Schema
    resources: Mapping[str, ResourcePolicy]
    fingerprint: str
    photo_limit: int | None = None
    notes: tuple[str, ...] = ()
    #: Whether a query that names a conditional field must itself keep to the records that show it (C243).
    strict: bool = False
    #: Sets that the documents open, and that cannot be read on this upstream: they are denied like a broken resource.
    closed: frozenset[str] = frozenset()
    #: The privileges of its keys, in order.
    privileges: tuple[PrivilegeName, ...] = ()

    @property
    def title(self) -> str:
        """The name with the privileges, for people: two policies of one template differ by them."""
        return f"{self.name} with {', '.join(self.privileges)}" if self.privileges else self.name


def _written(writes: WritePolicy) -> dict[str, object]:
    """What a client could tell of it by writing."""
    return {
        "methods": sorted(writes.methods),
        "fields": {name: str(declared.type) for name, declared in sorted(writes.fields.items())},
        "control": sorted(writes.control),
        "once": sorted(writes.created_only),
        "required": {method: list(names) for method, names in sorted(writes.required.items())},
        "references": dict(sorted(writes.references.items())),
        "bound": dict(sorted(writes.bound.items())),
        "tested": sorted(writes.tested),
        "parents": sorted(parent.resource for parent in writes.parents),
        "leaving": [writes.allow_leaving, writes.create_outside],
        # Not the values: a lookup that gets another one ends no running replication.
        **({"closed": sorted(writes.closed)} if writes.closed else {}),
    }


def fingerprint(
    resources: Mapping[str, ResourcePolicy],
    photo_limit: int | None,
    *,
    strict: bool = False,
    privileges: tuple[PrivilegeName, ...] = (),
) -> str:
    """Hash of the effective policy (P13): visible model, conditions, rules, limit, privileges; never of documents or of
    what is hidden, so a hidden upstream field that comes or goes disturbs no running replication (C367)."""
    effective = {
        "limit": photo_limit,
        "strict": strict,
        **({"privileges": privileges} if privileges else {}),
        "resources": {
            name: {
                "key": resource.key,
                "rule": print_expression(resource.rule),
                "parents": [
                    resource.parents,
                    [[parent.resource, parent.link.model_dump(mode="json")] for parent in resource.parent_links],
                ],
                "photo": resource.photo
                and [resource.photo.limit, resource.photo.category, resource.photo.order, resource.photo.sizes],
                "broken": resource.broken,
                "unpushed": print_expression(resource.unpushed),
                **({"writes": _written(resource.writes)} if resource.writes is not None else {}),
                "fields": {
                    field_name: [
                        str(field.property.type),
                        print_expression(field.condition),
                        field.clamp,
                        field.queryable,
                    ]
                    for field_name, field in sorted(resource.fields.items())
                },
                "navigation": {
                    nav_name: [
                        nav.target,
                        nav.navigation.type.is_collection,
                        print_expression(nav.condition),
                        nav.link.model_dump(mode="json") if nav.link else None,
                    ]
                    for nav_name, nav in sorted(resource.navigation.items())
                },
            }
            for name, resource in sorted(resources.items())
        },
    }
    text = json.dumps(effective, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()
