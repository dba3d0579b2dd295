"""What a policy is compiled from, and the notebook in which its faults are kept until all are found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.errors import Fault
from gateway.odata import parser
from gateway.odata.ast import Expression
from gateway.odata.csdl import Schema
from gateway.policy import data_dictionary
from gateway.policy.conditions import BINDINGS, Binder, UnfitError, UnknownNameError, null_safe
from gateway.policy.documents import ALIASES, FieldRule, ResourceFilter, Role, Source, Syndication, Template
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
        """The resource that an author's word means: a set of the upstream, else what the word is an alias for (P12)."""
        return word if word in self.schema.entity_sets else ALIASES.get(word, word)

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
        try:
            expression = parser.parse_filter(text)
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
