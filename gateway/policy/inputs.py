"""What a policy is compiled from, and the notebook in which its faults are kept until all are found."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeVar

from gateway.errors import Fault
from gateway.odata import parser
from gateway.odata.ast import Expression
from gateway.odata.csdl import Schema
from gateway.policy import data_dictionary
from gateway.policy.conditions import BINDINGS, Binder, UnfitError, UnknownNameError, null_safe
from gateway.policy.documents import (
    PRIVILEGES,
    FieldRule,
    PrivilegeName,
    ResourceFilter,
    Role,
    RoleResource,
    Source,
    Syndication,
    Template,
    canonical,
)
from gateway.policy.profile import Profile


@dataclass(frozen=True, slots=True)
class GatewayRules:
    """What holds for every key of this gateway: conditions that no template lifts, fields that none reveals."""

    source: Source
    always: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    never_visible: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: Resource to the resources that its rows follow (P6).
    follows: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: data_dictionary.FOLLOWS)
    #: Resource to field to whether a write may give it only values of its lookup.
    closed_lookups: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)


@dataclass(slots=True)
class Report:
    """Faults and notes of one compilation. A fault refuses the policy, a note is for its author to read."""

    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, source: Source, path: tuple[str, ...], message: str) -> None:
        self.faults.append(source.fault(path, message))


T = TypeVar("T")
#: Farther than any kind of a set is from it.
_NOWHERE = 10**6

_QUOTED_OR_BREAK = re.compile(r"'(?:[^']|'')*'|[\t\r\n]")


def rule_text(text: str) -> str:
    """Return the rule as one line, without blanks around it. YAML's block scalars (`|`, `>`) end with a line break and
    may hold others; a literal in quotes keeps each of its characters."""
    return _QUOTED_OR_BREAK.sub(lambda found: found[0] if found[0].startswith("'") else " ", text).strip(" ")


#: Roles say the same to every template: their texts are parsed once.
_parsed = lru_cache(maxsize=256)(parser.parse_filter)


@dataclass(frozen=True, slots=True)
class Inputs:
    """Documents, schema and profile of one policy. ``earlier`` and ``privileges`` as in ``compile_policy``."""

    template: Template | None
    role: Role
    syndication: Syndication | None
    schema: Schema
    profile: Profile
    gateway: GatewayRules
    earlier: Schema | None
    report: Report
    privileges: frozenset[PrivilegeName] = frozenset()
    #: Set to its kinds, once they are asked for.
    _kinds: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def author(self) -> Source:
        """Who is told of what no single line is to blame for."""
        return self.template.source if self.template else self.role.source

    @property
    def photo_limit(self) -> int | None:
        return self.template.document.ListingPhotoLimit if self.template else None

    def vanished(self, resource: str, member: str | None = None) -> bool:
        """Whether the schema under which these documents were good had what is missing now."""
        if self.earlier is None or resource not in self.earlier.entity_sets:
            return False
        structured = self.earlier.type_of(resource)
        return member is None or member in structured.properties or member in structured.navigation

    def resource_of(self, word: str) -> str:
        """The set that an author's word for a resource means, whichever of its words either side uses (P12).

        Where the upstream has sets under several of them, the Data Dictionary's word wins: a set that appears one day
        and is called Agent must not take a template's rules away from members.
        """
        if word in self.schema.entity_sets and canonical(word) == word:
            return word  # what nearly everybody writes
        # A closed set keeps its words: they must not open another set, nor take its rules away.
        names = dict.fromkeys((*self.schema.declared, *self.schema.entity_sets, *self.closed))
        candidates = [name for name in names if canonical(name) == canonical(word)]
        if canonical(word) in candidates or not candidates:
            return canonical(word) if candidates else word
        return word if word in candidates else candidates[0]

    @property
    def closed(self) -> Mapping[str, frozenset[str]]:
        """Map the sets that cannot be read to the resources of the Data Dictionary that each may
        be.

        Lists that come as part of records are among them, where the profile names such a list and
        its type cannot be read. The gateway's own Field and Lookup replace the upstream's.
        """
        found = {
            name: frozenset({canonical(name), canonical(closed.type_name.rpartition(".")[2])})
            for name, closed in self.schema.closed.items()
        }
        for resource, names in self.profile.embedded.items():
            found |= {name: frozenset({canonical(name)}) for name in names if self.cannot_read(resource, name)}
        return {name: kinds for name, kinds in found.items() if name not in self.schema.entity_sets}

    def cannot_read(self, resource: str, member: str) -> bool:
        """Whether a member belongs to a closed set, leads to one, or is of a type that cannot be
        read.
        """
        if resource in self.schema.closed:
            return True
        if resource not in self.schema.entity_sets:
            return False
        structured = self.schema.type_of(resource)
        navigation = structured.navigation.get(member)
        declared = navigation or structured.properties.get(member)
        if declared is None:
            return False
        leads = navigation is not None and bool(self.schema.closed_targets(resource, navigation))
        return leads or declared.type.name in self.schema.unreadable

    def protects_closed(self, word: str) -> bool:
        """Whether a protection that names ``word`` holds for a set that cannot be read."""
        return any(word == name or canonical(word) in kinds for name, kinds in self.closed.items())

    def kinds(self, resource: str) -> tuple[str, ...]:
        """Return the words that name a set, from the most specific to the most general.

        They are its own name, the name of its type, the names of all types that this one derives from, and for each of
        these types the names of the other sets over it. Each record of the set is a record of all of them (OData CSDL
        4.01, 6.2), so a protection that names any of them holds for the set.
        """
        if resource not in self._kinds:
            entity_set = self.schema.entity_sets[resource]
            words = dict.fromkeys([canonical(resource)])
            for type_name in (entity_set.type_name, *self.schema.type_of(resource).bases):
                words[canonical(type_name.rpartition(".")[2])] = None
                words.update(
                    (canonical(name), None)
                    for name, other in self.schema.entity_sets.items()
                    if other.type_name == type_name
                )
            self._kinds[resource] = tuple(words)
        return self._kinds[resource]

    def protects(self, word: str, resource: str) -> bool:
        """Whether a protection that names ``word`` holds for a set."""
        return word == resource or canonical(word) in self.kinds(resource)

    def kind(self, resource: str) -> str:
        """The one resource of the Data Dictionary that a set is taken for; its own name where it is none."""
        known = (kind for kind in self.kinds(resource) if kind in data_dictionary.FIELDS)
        return next(known, canonical(resource))

    def distance(self, word: str, resource: str) -> int | None:
        """Return how far ``word`` is from the set itself among its kinds; None where it does not name the set."""
        if self.resource_of(word) == resource:
            return 0
        return self.kinds(resource).index(canonical(word)) if self.protects(word, resource) else None

    def parents(self, resource: str) -> tuple[str, ...]:
        """The kinds of resources that the rows of a set follow (P6); every table entry that fits the set counts."""
        found = [parents for word, parents in self.gateway.follows.items() if self.protects(word, resource)]
        return tuple(dict.fromkeys(canonical(parent) for parents in found for parent in parents))

    def role_entry(self, resource: str) -> RoleResource | None:
        for word, entry in self.role.document.Resources.items():
            if self.resource_of(word) == resource:
                return entry
        return None

    def is_withheld(self, resource: str) -> bool:
        """Whether a set exists only for keys with a privilege that these keys have not: as the role says, or by its
        own name or that of its type, whatever a document says."""
        needed = {name for name in PRIVILEGES if self.protects(name, resource)}
        for word, entry in self.role.document.Resources.items():
            if entry.Privilege is not None and self.distance(word, resource) is not None:
                needed.add(entry.Privilege)
        return not needed <= self.privileges

    def is_withheld_member(self, member: str) -> bool:
        """Whether a field or relation of any resource has the name of a privilege that these keys have not."""
        return member in PRIVILEGES and member not in self.privileges

    def role_word(self, resource: str) -> str:
        """The word by which the role calls a resource."""
        words = (word for word in self.role.document.Resources if self.resource_of(word) == resource)
        return next(words, resource)

    def class_field(self, resource: str) -> str:
        fields = {"Property": "PropertyType", **self.profile.class_field}
        return next((fields[word] for word in (resource, *self.kinds(resource)) if word in fields), "")

    def overrides(self, resource: str) -> tuple[str, Mapping[str, Mapping[str, FieldRule]]]:
        """What the template says of the fields of a resource, and the author's word for it."""
        for word, groups in self.all_overrides().items():
            if self.resource_of(word) == resource:
                return word, groups
        return resource, {}

    def all_overrides(self) -> Mapping[str, Mapping[str, Mapping[str, FieldRule]]]:
        """The template's FieldOverrides by the author's words for resources."""
        document = self.template.document.FieldOverrides if self.template else None
        return {word: groups for word, groups in (document.resources if document else {}).items() if groups is not None}

    def template_filters(self, resource: str) -> tuple[int, list[tuple[str, ResourceFilter]]]:
        """Return the template's nearest entries for the rows of a resource, and their distance; ``R: null`` is not an
        entry (C368)."""
        document = self.template.document.RestrictiveFilters if self.template else None
        entries = {word: entry for word, entry in (document.resources if document else {}).items() if entry is not None}
        return self._nearest(resource, entries)

    def role_filters(self, resource: str) -> tuple[int, list[tuple[str, str]]]:
        """Return the role's nearest filters for the rows of a resource, and their distance."""
        entries = self.role.document.Resources.items()
        return self._nearest(resource, {word: entry.Filter for word, entry in entries if entry.Filter is not None})

    def _nearest(self, resource: str, entries: Mapping[str, T]) -> tuple[int, list[tuple[str, T]]]:
        found = [(distance, word) for word in entries if (distance := self.distance(word, resource)) is not None]
        nearest = min((distance for distance, _ in found), default=_NOWHERE)
        return nearest, [(word, entries[word]) for distance, word in found if distance == nearest]

    def condition(self, resource: str, text: str, source: Source, path: tuple[str, ...]) -> Expression | None:
        """A filter or ``When`` as a compiled expression, or None and a fault in the author's own text."""
        structured = self.schema.type_of(resource)
        text = rule_text(text)
        try:
            expression = _parsed(text)
            bound = Binder(self.schema, structured.properties.get, self.profile.patterns == "literal", BINDINGS).bind(
                expression
            )
        except (parser.ODataSyntaxError, parser.NotOfferedError) as error:
            self.report.add(source, path, f"`{text}` {error}")
        except UnknownNameError as error:
            self.report.add(source, path, f"`{error.name}` in `{text}` is no field of the upstream's `{resource}`")
        except UnfitError as error:
            self.report.add(source, path, f"`{error.name}` in `{text}` {error.message}")
        else:
            return null_safe(bound)
        return None
