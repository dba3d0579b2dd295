"""What a policy is compiled from, and the notebook in which its faults are kept until all are found."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from gateway.errors import Fault
from gateway.odata import parser
from gateway.odata.ast import Expression
from gateway.odata.csdl import Schema
from gateway.policy import data_dictionary
from gateway.policy.conditions import BINDINGS, Binder, UnfitError, UnknownNameError, null_safe
from gateway.policy.documents import (
    FieldRule,
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


@dataclass(slots=True)
class Report:
    """Faults and notes of one compilation. A fault refuses the policy, a note is for its author to read."""

    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, source: Source, path: tuple[str, ...], message: str) -> None:
        self.faults.append(source.fault(path, message))


_QUOTED_OR_BREAK = re.compile(r"'(?:[^']|'')*'|[\t\r\n]")


def rule_text(text: str) -> str:
    """Return the rule as one line, without blanks around it. YAML's block scalars (`|`, `>`) end with a line break and
    may hold others; a literal in quotes keeps each of its characters."""
    return _QUOTED_OR_BREAK.sub(lambda found: found[0] if found[0].startswith("'") else " ", text).strip(" ")


#: Roles say the same to every template: their texts are parsed once.
_parsed = lru_cache(maxsize=256)(parser.parse_filter)


@dataclass(frozen=True, slots=True)
class Inputs:
    """Documents, schema and profile of one policy. ``earlier`` as in ``compile_policy``."""

    template: Template | None
    role: Role
    syndication: Syndication | None
    schema: Schema
    profile: Profile
    gateway: GatewayRules
    earlier: Schema | None
    report: Report

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
        candidates = [name for name in self.schema.entity_sets if canonical(name) == canonical(word)]
        if canonical(word) in candidates or not candidates:
            return canonical(word) if candidates else word
        return word if word in candidates else candidates[0]

    def kinds(self, resource: str) -> frozenset[str]:
        """The resources of the Data Dictionary that a set may be, by its own name and by that of its type.

        What protects always, whatever a set is called, goes by these.
        """
        local = self.schema.entity_sets[resource].type_name.rpartition(".")[2]
        return frozenset({canonical(resource), canonical(local)})

    def protects(self, word: str, resource: str) -> bool:
        """Whether a protection that names ``word`` holds for a set."""
        return word == resource or canonical(word) in self.kinds(resource)

    def kind(self, resource: str) -> str:
        """The one resource of the Data Dictionary that a set is taken for; its own name where it is none."""
        known = [kind for kind in sorted(self.kinds(resource)) if kind in data_dictionary.FIELDS]
        return canonical(resource) if canonical(resource) in known or not known else known[0]

    def parents(self, resource: str) -> tuple[str, ...]:
        """The kinds of resources that the rows of a set follow (P6); every table entry that fits the set counts."""
        found = [parents for word, parents in self.gateway.follows.items() if self.protects(word, resource)]
        return tuple(dict.fromkeys(canonical(parent) for parents in found for parent in parents))

    def role_entry(self, resource: str) -> RoleResource | None:
        for word, entry in self.role.document.Resources.items():
            if self.resource_of(word) == resource:
                return entry
        return None

    def role_word(self, resource: str) -> str:
        """The word by which the role calls a resource."""
        words = (word for word in self.role.document.Resources if self.resource_of(word) == resource)
        return next(words, resource)

    def class_field(self, resource: str) -> str:
        fields = {"Property": "PropertyType", **self.profile.class_field}
        return fields.get(resource) or fields.get(self.kind(resource), "")

    def overrides(self, resource: str) -> tuple[str, Mapping[str, Mapping[str, FieldRule]]]:
        """What the template says of the fields of a resource, and the author's word for it."""
        document = self.template.document.FieldOverrides if self.template else None
        for word, groups in (document.resources if document else {}).items():
            if groups is not None and self.resource_of(word) == resource:
                return word, groups
        return resource, {}

    def template_filter(self, resource: str) -> tuple[str, ResourceFilter] | None:
        """The template's entry for the rows of a resource, with the author's word; ``R: null`` is none (C368)."""
        document = self.template.document.RestrictiveFilters if self.template else None
        for word, entry in (document.resources if document else {}).items():
            if entry is not None and self.resource_of(word) == resource:
                return word, entry
        return None

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
