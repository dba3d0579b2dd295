"""From documents to a Policy: every fault at once, in the author's words, before anything is served (P10).

The stages, and why they stand in this order:

1. names    resources, fields and classes of every document are looked up, since all later stages use them;
2. rules    row rules are parsed, bound and compiled; a resource needs its rule before anything may lead to it;
3. fields   one visibility per field and class (P2), turned into one condition per field (P4);
4. links    navigation to resources that exist, with the fields that tie their rows together;
5. media    what a photo limit or a rule of Media does to counters (P7);
6. closure  checks of the whole: keys visible, class field visible, nothing revealed that never may be (P14).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from gateway.errors import ConfigurationError, Fault
from gateway.odata import parser
from gateway.odata.ast import (
    FALSE,
    TRUE,
    Comparison,
    Expression,
    In,
    Lambda,
    Not,
    Operator,
    PropertyPath,
    Quantifier,
    conjunction,
    disjunction,
)
from gateway.odata.csdl import NavigationProperty, Property, Schema, StructuredType
from gateway.odata.literals import Literal, boolean, number, string
from gateway.odata.walk import properties
from gateway.policy import data_dictionary
from gateway.policy.conditions import Binder, UnfitError, UnknownNameError, enum_member, null_safe
from gateway.policy.documents import (
    ALIASES,
    ALL,
    FieldGroup,
    FieldRule,
    OverrideMap,
    Role,
    Source,
    Syndication,
    Template,
)
from gateway.policy.model import (
    FieldPolicy,
    NavigationPolicy,
    Origin,
    PhotoRule,
    Policy,
    ResourcePolicy,
    RulePart,
    fingerprint,
)
from gateway.policy.profile import Link, Profile

#: Counters of media that tell how many photos there are (P7, C224), and those that tell of other media (C335).
PHOTO_COUNTERS = ("PhotosCount",)
MEDIA_COUNTERS = ("PhotosCount", "VideosCount", "DocumentsCount")
PHOTO_TIME = "PhotosChangeTimestamp"
#: Never visible, whatever a document says: an opaque address of the upstream (C236), and credentials (C340).
NEVER_VISIBLE: Mapping[str, tuple[str, ...]] = {
    "Member": ("MemberPassword",),
    "Contacts": ("ContactPassword",),
    "EntityEvent": ("ResourceRecordUrl",),
}


@dataclass(frozen=True, slots=True)
class GatewayRules:
    """What holds for every key of this gateway: conditions that no template lifts, fields that none reveals."""

    source: Source
    always: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    never_visible: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: Resource to the resources that its rows follow (P6).
    follows: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: data_dictionary.FOLLOWS)


@dataclass(frozen=True, slots=True)
class _Rule:
    """Visibility of one field for one class, before classes are brought together."""

    visible: bool
    condition: Expression
    origin: Origin
    declared: bool
    by_template: bool


class _Faults:
    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.notes: list[str] = []

    def add(self, source: Source, path: tuple[str, ...], message: str) -> None:
        self.faults.append(source.fault(path, message))


@dataclass(slots=True)
class _Compiler:
    template: Template | None
    role: Role
    syndication: Syndication | None
    schema: Schema
    profile: Profile
    gateway: GatewayRules
    deny_broken: bool
    report: _Faults = field(default_factory=_Faults)

    # --- stage 1: names

    def resources(self) -> list[str]:
        """The resources that exist for the key: those of the role, and those that a template opens."""
        names: dict[str, None] = {}
        for name in self.role.document.Resources:
            if name in self.schema.entity_sets:
                names[name] = None
            elif name in data_dictionary.FIELDS:
                self.report.notes.append(f"{self.role.name}: the upstream has no resource `{name}`")
            else:
                self.report.add(self.role.source, ("Resources", name), f"`{name}` is no resource of the upstream")
        if self.template:
            document = self.template.document
            for section, mapping in (
                ("RestrictiveFilters", document.RestrictiveFilters and document.RestrictiveFilters.resources),
                ("FieldOverrides", document.FieldOverrides and document.FieldOverrides.resources),
            ):
                for word, name in self._canonical(section, mapping or {}).items():
                    # Only a rule that shows something opens a resource that the role leaves closed.
                    if section == "FieldOverrides" and _shows_something(document.FieldOverrides, word):
                        names[name] = None
        for name in (*self.gateway.always, *self.gateway.never_visible):
            if name not in self.schema.entity_sets and name not in data_dictionary.FIELDS:
                self.report.add(self.gateway.source, ("policy", name), f"`{name}` is no resource of the upstream")
        return list(names)

    def _canonical(self, section: str, mapping: Mapping[str, object]) -> dict[str, str]:
        """Author's word to resource, with aliases resolved; each unknown or doubled word is a fault (P12)."""
        assert self.template is not None
        result: dict[str, str] = {}
        for word in mapping:
            name = word if word in self.schema.entity_sets else ALIASES.get(word, word)
            if name not in self.schema.entity_sets:
                # `"Agent": null` says nothing, so an upstream without members need not refuse the document.
                if mapping[word] is None and name in data_dictionary.FIELDS:
                    continue
                self.report.add(self.template.source, (section, word), f"`{word}` is no resource of the upstream")
            elif name in result.values():
                self.report.add(self.template.source, (section, word), f"`{name}` is given twice, once as an alias")
            else:
                result[word] = name
        return result

    def _overrides(self, resource: str) -> tuple[str, Mapping[str, Mapping[str, FieldRule]]]:
        """What the template says of the fields of a resource, under the author's word for it."""
        if self.template and self.template.document.FieldOverrides:
            for word, groups in self.template.document.FieldOverrides.resources.items():
                if groups is not None and (word == resource or ALIASES.get(word) == resource):
                    return word, groups
        return resource, {}

    # --- stage 2: rules

    def rule_parts(self, resource: str) -> tuple[RulePart, ...] | None:
        """The conjuncts of the row rule, or None where one of them cannot be decided here."""
        structured = self.schema.type_of(resource)
        parts: list[RulePart | None] = []
        role = self.role.document.Resources.get(resource)
        replaced = False
        if self.template and self.template.document.RestrictiveFilters:
            for word, entry in self.template.document.RestrictiveFilters.resources.items():
                # `R: null` keeps the role's filter; only `{"Filter": null}` lifts it (C368).
                if entry is None or (word != resource and ALIASES.get(word) != resource):
                    continue
                replaced = True
                if entry.Filter is not None:
                    where = ("RestrictiveFilters", word, "Filter")
                    parts.append(self._part(structured, entry.Filter, self.template.source, where))
        if role and role.Filter is not None and not replaced:
            parts.append(self._part(structured, role.Filter, self.role.source, ("Resources", resource, "Filter")))
        for position, text in enumerate(role.Always if role else ()):
            path = ("Resources", resource, "Always", str(position))
            parts.append(self._part(structured, text, self.role.source, path))
        for position, text in enumerate(self.gateway.always.get(resource, ())):
            parts.append(
                self._part(structured, text, self.gateway.source, ("policy", "always", resource, str(position)))
            )
        if self.syndication and resource == "Property":
            parts.append(self._syndicated(structured, self.syndication))
        if None in parts:
            return None
        return tuple(part for part in parts if part is not None and part.expression != TRUE)

    def _part(self, structured: StructuredType, text: str, source: Source, path: tuple[str, ...]) -> RulePart | None:
        expression = self._condition(structured, text, source, path)
        return None if expression is None else RulePart(expression, Origin(source.file, (*source.prefix, *path)))

    def _condition(
        self, structured: StructuredType, text: str, source: Source, path: tuple[str, ...]
    ) -> Expression | None:
        """A filter or ``When`` as a compiled expression; its faults are told in the author's own text."""
        try:
            expression = parser.parse_filter(text)
        except (parser.ODataSyntaxError, parser.NotOfferedError) as error:
            self.report.add(source, path, f"`{text}` {error}")
            return None
        binder = Binder(self.schema, structured.properties.get, self.profile.patterns == "literal")
        try:
            return null_safe(binder.bind(expression))
        except UnknownNameError as error:
            self.report.add(
                source, path, f"`{error.name}` in `{text}` is no field of the upstream's `{_local(structured)}`"
            )
        except UnfitError as error:
            self.report.add(source, path, f"`{error.name}` in `{text}` {error.message}")
        return None

    def _syndicated(self, structured: StructuredType, syndication: Syndication) -> RulePart | None:
        """Opt-in: the field holds the value. Opt-out: it definitely does not; null proves nothing (C338)."""
        document = syndication.document
        declared = structured.properties.get(document.Field)
        origin = Origin(syndication.source.file, (*syndication.source.prefix, "Field"))
        if declared is None:
            message = f"`{document.Field}` is no field of the upstream's `Property`"
            self.report.add(syndication.source, ("Field",), message)
            return None
        value = _literal(document.Value)
        path = PropertyPath(document.Field)
        expression: Expression
        if declared.type.is_collection:
            element = Comparison(Operator.EQ, PropertyPath("x"), value)
            expression = Lambda(Quantifier.ANY, path, "x", element)
        else:
            expression = Comparison(Operator.EQ, path, value)
        if document.Mode == "opt_out":
            expression = Not(expression)
        try:
            bound = Binder(self.schema, structured.properties.get).bind(expression)
        except UnfitError as error:
            self.report.add(syndication.source, ("Value",), f"`{error.name}` {error.message}")
            return None
        return RulePart(null_safe(bound), origin)

    # --- stage 3: fields

    def classes(self, resource: str) -> dict[str, tuple[Literal, ...]]:
        """Class name to the literals that stand for it in the class field; empty where there are no classes."""
        class_field = self.profile.class_field.get(resource)
        declared = self.schema.type_of(resource).properties.get(class_field or "")
        if declared is None:
            return {}
        enum = self.schema.enum_types.get(declared.type.name)
        names = dict.fromkeys((*data_dictionary.CLASSES, *self.profile.class_values))
        if enum:
            known = set(data_dictionary.CLASSES.values())
            names.update(dict.fromkeys(name for name in enum.members if name not in known))
        result: dict[str, tuple[Literal, ...]] = {}
        binder = Binder(self.schema, self.schema.type_of(resource).properties.get)
        for name in names:
            values = self.profile.class_values.get(name)
            if values is None:
                values = (self._class_value(name, enum_names=enum.members if enum else None),)
                if enum and enum_member(enum, values[0]) is None:
                    values = (name,) if enum_member(enum, name) else ()
            if not values:
                continue
            condition = In(PropertyPath(class_field or ""), tuple(string(value) for value in values))
            try:
                bound = binder.bind(condition)
            except UnfitError as error:
                self.report.add(self.gateway.source, ("upstream", "profile", "class_values", name), error.message)
                continue
            assert isinstance(bound, In)
            result[name] = bound.items
        return result

    @staticmethod
    def _class_value(name: str, enum_names: Mapping[str, int] | None) -> str:
        legacy = data_dictionary.CLASSES.get(name, name)
        return legacy if enum_names is not None and legacy in enum_names else name

    def fields(self, resource: str) -> tuple[dict[str, tuple[Expression, Origin, bool, bool]], bool]:
        """Visible members with condition, origin, whether a document names them, and whether the template does;
        and whether a class decides anything here."""
        structured = self.schema.type_of(resource)
        classes = self.classes(resource)
        table = self._field_rules(resource, structured, classes)
        default_visible = self._default_visible(resource)
        result: dict[str, tuple[Expression, Origin, bool, bool]] = {}
        by_class = False
        for member in (*structured.properties, *structured.navigation):
            # Keys are visible unless somebody says Hidden, which is a fault (P14).
            visible = default_visible or member in structured.key
            rules = {name: self._rule_for(table, name, member, visible) for name in (*classes, ALL)}
            expression = self._merge(resource, rules, classes)
            if expression == FALSE:
                continue
            distinct = {(rule.visible, rule.condition) for rule in rules.values()}
            by_class = by_class or len(distinct) > 1
            chosen = next(rule for rule in rules.values() if rule.visible)
            result[member] = (
                expression,
                chosen.origin,
                any(rule.declared and rule.visible for rule in rules.values()),
                any(rule.by_template and rule.visible for rule in rules.values()),
            )
        return result, by_class

    def _default_visible(self, resource: str) -> bool:
        entry = self.role.document.Resources.get(resource)
        return entry is not None and entry.Default == "Visible"

    def _rule_for(
        self, table: Mapping[tuple[str, str, str], _Rule], class_name: str, member: str, default_visible: bool
    ) -> _Rule:
        """P2 in one line: template's class, template's All, role's class, role's All, role's default."""
        for layer, group in (("template", class_name), ("template", ALL), ("role", class_name), ("role", ALL)):
            rule = table.get((layer, group, member))
            if rule is not None:
                return rule
        return _Rule(default_visible, TRUE, Origin(self.role.source.file, ("Default",)), False, False)

    def _merge(
        self, resource: str, rules: Mapping[str, _Rule], classes: Mapping[str, tuple[Literal, ...]]
    ) -> Expression:
        """One condition for all classes (P4). Always positive: a null or unlisted class satisfies no ``in``, so it
        sees only what is visible in every class."""
        conditions = {name: rule.condition if rule.visible else FALSE for name, rule in rules.items()}
        distinct = list(dict.fromkeys(conditions.values()))
        if len(distinct) == 1:
            return distinct[0]
        path = PropertyPath(self.profile.class_field[resource])
        everywhere = FALSE if FALSE in distinct else conjunction(*distinct)
        terms = [everywhere]
        for condition in distinct:
            literals = [item for name in classes if conditions[name] == condition for item in classes[name]]
            if condition == FALSE or not literals:
                continue
            in_class = null_safe(In(path, tuple(literals)))
            terms.append(conjunction(in_class, condition))
        return disjunction(*terms)

    def _field_rules(
        self, resource: str, structured: StructuredType, classes: Mapping[str, object]
    ) -> dict[tuple[str, str, str], _Rule]:
        """(layer, class or All, member) to what that layer says."""
        table: dict[tuple[str, str, str], _Rule] = {}
        word, groups = self._overrides(resource)
        if self.template:
            for group, rules in groups.items():
                path = ("FieldOverrides", word, group)
                if not self._check_group(group, classes, self.template.source, path):
                    continue
                for name, rule in rules.items():
                    if not self._check_member(structured, name, self.template.source, (*path, name), strict=True):
                        continue
                    if name in self._never_visible(resource) and rule.Rule == "Visible":
                        self.report.add(self.template.source, (*path, name), f"`{name}` may not be made visible")
                        continue
                    compiled = self._field_rule(structured, rule, self.template.source, (*path, name))
                    place = ("template", self._class_name(group), name)
                    # A class may be named in two spellings; Hidden beats Visible on any tie.
                    if place not in table or table[place].visible:
                        table[place] = compiled
        entry = self.role.document.Resources.get(resource)
        for group, lists in (entry.Fields if entry else {}).items():
            above = ("Resources", resource, "Fields", group)
            if not self._check_group(group, classes, self.role.source, above):
                continue
            for name, rule, where in _role_rules(lists):
                if not self._check_member(structured, name, self.role.source, (*above, *where), strict=False):
                    continue
                if ("role", self._class_name(group), name) in table:
                    self.report.add(self.role.source, (*above, *where), f"`{name}` is named twice")
                    continue
                compiled = self._field_rule(structured, rule, self.role.source, (*above, *where))
                table["role", self._class_name(group), name] = replace(compiled, by_template=False)
        for name in self._never_visible(resource):
            for key in [key for key in table if key[2] == name]:
                del table[key]
            hidden = _Rule(False, FALSE, Origin("never_visible"), True, False)
            table.update({("template", group, name): hidden for group in (*classes, ALL)})
        return table

    def _never_visible(self, resource: str) -> frozenset[str]:
        return frozenset(
            (
                *NEVER_VISIBLE.get(resource, ()),
                *self.role.document.NeverVisible.get(resource, ()),
                *self.gateway.never_visible.get(resource, ()),
            )
        )

    def _class_name(self, group: str) -> str:
        """A group may be named by the class or by its member name in the Data Dictionary."""
        for name, legacy in data_dictionary.CLASSES.items():
            if group == legacy:
                return name
        return group

    def _check_group(self, group: str, classes: Mapping[str, object], source: Source, path: tuple[str, ...]) -> bool:
        if group == ALL or self._class_name(group) in classes:
            return True
        known = ", ".join(f"`{name}`" for name in classes) or "only `All` is possible here"
        self.report.add(source, path, f"`{group}` is no class of this resource; known are {known}")
        return False

    def _check_member(
        self, structured: StructuredType, name: str, source: Source, path: tuple[str, ...], *, strict: bool
    ) -> bool:
        if name in structured.properties or name in structured.navigation:
            return True
        if not strict and name in data_dictionary.FIELDS.get(_local(structured), frozenset()):
            self.report.notes.append(f"{self.role.name}: the upstream's `{_local(structured)}` has no `{name}`")
        elif self.deny_broken and strict:
            self.report.notes.append(f"{source.file}: the upstream's `{_local(structured)}` has no `{name}` any more")
        else:
            self.report.add(source, path, f"`{name}` is no field of the upstream's `{_local(structured)}`")
        return False

    def _field_rule(self, structured: StructuredType, rule: FieldRule, source: Source, path: tuple[str, ...]) -> _Rule:
        origin = Origin(source.file, (*source.prefix, *path))
        if rule.Rule == "Hidden":
            if rule.When is not None:
                self.report.add(source, (*path, "When"), "`When` belongs to the rule Visible only")
            return _Rule(False, FALSE, origin, True, True)
        if rule.When is None:
            return _Rule(True, TRUE, origin, True, True)
        expression = self._condition(structured, rule.When, source, (*path, "When"))
        if expression is None:
            return _Rule(False, FALSE, origin, True, True)
        return _Rule(True, expression, origin, True, True)

    # --- stage 4: links

    def link(self, resource: str, navigation: NavigationProperty, target: str) -> Link | None:
        """The fields that tie rows together: profile, else metadata, else Data Dictionary; None where unknown."""
        here, there = self.schema.type_of(resource), self.schema.type_of(target)
        found = self.profile.links.get(resource, {}).get(navigation.name)
        if found is None and len(navigation.constraints) == 1:
            local, referenced = navigation.constraints[0]
            found = Link(local=local, target=referenced)
        if found is None:
            relation = data_dictionary.RELATIONS.get((resource, navigation.name))
            if relation is not None and relation[1] == target:
                local, _, referenced, discriminator, value = relation
                found = Link(
                    local=local,
                    target=referenced,
                    discriminator=discriminator or None,
                    values=(value,) if value else (),
                )
        if found is None or found.local not in here.properties or found.target not in there.properties:
            return None
        if found.discriminator is not None and found.discriminator not in there.properties:
            return None
        return found

    # --- the whole

    def compile(self) -> Policy:
        drafts = {name: self._resource(name) for name in self.resources()}
        linked = {name: self._linked(name, drafts) for name in drafts}
        self._check_syndication_and_limit(linked)
        finished = {name: self._with_media(resource, linked) for name, resource in linked.items()}
        for resource in finished.values():
            self._check_closure(resource)
        if self.report.faults and not self.deny_broken:
            raise ConfigurationError(self.report.faults)
        limit = self.template.document.ListingPhotoLimit if self.template else None
        return Policy(
            self.template.id if self.template else self.role.name,
            self.role.name,
            self.schema,
            MappingProxyType(finished),
            fingerprint(finished, limit),
            limit,
            (*self.report.notes, *(str(fault) for fault in self.report.faults)),
        )

    def _resource(self, name: str) -> ResourcePolicy:
        structured = self.schema.type_of(name)
        before = len(self.report.faults)
        parts = self.rule_parts(name)
        visible, by_class = self.fields(name)
        fields: dict[str, FieldPolicy] = {}
        navigation: dict[str, NavigationPolicy] = {}
        for member, (condition, origin, declared, _by_template) in visible.items():
            if member in structured.properties:
                if not self._can_be_emitted(structured.properties[member]):
                    if declared:
                        self.report.notes.append(f"`{name}.{member}` is of a type that is not offered")
                    continue
                fields[member] = FieldPolicy(structured.properties[member], origin, condition)
            else:
                nav = structured.navigation[member]
                target = self.schema.target_set(name, nav)
                if target is not None:
                    navigation[member] = NavigationPolicy(nav, target, origin, self.link(name, nav, target), condition)
                elif declared:
                    self.report.notes.append(f"`{name}.{member}` leads to no entity set of the upstream")
        class_field = self.profile.class_field.get(name)
        if by_class and fields.get(class_field or "") is None:
            self.report.add(
                self._author(), ("FieldOverrides", name), f"`{class_field}` must be visible while rules differ by class"
            )
        elif by_class and fields[class_field or ""].condition != TRUE:
            self.report.add(
                self._author(),
                ("FieldOverrides", name),
                f"`{class_field}` must be visible in every class while rules differ by class",
            )
        self._check_condition_cycles(name, fields)
        # Whatever cannot be decided denies the resource; a rule that cannot be applied never opens it.
        denied = len(self.report.faults) > before
        rule = FALSE if parts is None else conjunction(*(part.expression for part in parts))
        return ResourcePolicy(
            name,
            structured,
            parts or (),
            rule,
            MappingProxyType(fields),
            MappingProxyType(navigation),
            self.gateway.follows.get(name, ()),
            broken=denied,
        )

    def _can_be_emitted(self, declared: Property) -> bool:
        """Scalars, enumerations and collections of them; structured values and streams have no rules yet (C198)."""
        name = declared.type.name
        return name in self.schema.enum_types or (
            declared.type.is_primitive and name != "Edm.Stream" and not name.startswith(("Edm.Geo", "Edm.Untyped"))
        )

    def _author(self) -> Source:
        return self.template.source if self.template else self.role.source

    def _check_condition_cycles(self, name: str, fields: Mapping[str, FieldPolicy]) -> None:
        """A condition may not rest on a field that is conditional itself (C346), but on the class field."""
        for member, policy in fields.items():
            for path in properties(policy.condition):
                other = fields.get(path.name)
                if other is not None and other.condition != TRUE:
                    self.report.add(
                        self._author(),
                        ("FieldOverrides", name, member),
                        f"the condition of `{member}` tests `{path.name}`, which is conditional itself",
                    )

    def _linked(self, name: str, drafts: Mapping[str, ResourcePolicy]) -> ResourcePolicy:
        """Navigation only to resources that exist for the key; hidden foreign keys hide what they lead to (C273)."""
        draft = drafts[name]
        kept: dict[str, NavigationPolicy] = {}
        for member, policy in draft.navigation.items():
            if policy.target not in drafts:
                continue
            link = policy.link
            named = policy.origin.path != ("Default",)
            if not named and link is not None and not policy.navigation.type.is_collection:
                local = draft.fields.get(link.local)
                if local is None or local.condition != TRUE:
                    continue
            kept[member] = policy
        return replace(draft, navigation=MappingProxyType(kept))

    # --- stage 5: media

    def _with_media(self, resource: ResourcePolicy, resources: Mapping[str, ResourcePolicy]) -> ResourcePolicy:
        limit = self.template.document.ListingPhotoLimit if self.template else None
        media = resources.get("Media")
        if resource.name == "Media":
            if limit is None:
                return resource
            types = resource.type.properties
            return replace(
                resource,
                photo=PhotoRule(
                    limit, "MediaCategory" if "MediaCategory" in types else None, "Order" if "Order" in types else None
                ),
            )
        if resource.name != "Property":
            return resource
        fields = dict(resource.fields)
        own_rule = media is None or media.rule != TRUE
        for name in MEDIA_COUNTERS:
            if name in fields and own_rule and not self._declassified(name):
                del fields[name]
        if limit is not None:
            for name in PHOTO_COUNTERS:
                if name in fields and not self._declassified(name):
                    fields[name] = replace(fields[name], clamp=limit, queryable=False)
            if PHOTO_TIME in fields and not self._declassified(PHOTO_TIME):
                del fields[PHOTO_TIME]
        return replace(resource, fields=MappingProxyType(fields))

    def _declassified(self, name: str) -> bool:
        """Whether the template itself says Visible, which gives the field free (P7)."""
        _, groups = self._overrides("Property")
        return any(name in rules and rules[name].Rule == "Visible" for rules in groups.values())

    def _check_syndication_and_limit(self, resources: Mapping[str, ResourcePolicy]) -> None:
        if self.syndication and "Property" not in resources:
            self.report.add(self._author(), ("SyndicationId",), "a syndication needs the resource `Property`")

    # --- stage 6: closure

    def _check_closure(self, resource: ResourcePolicy) -> None:
        if not resource.fields:
            return
        for part in resource.key:
            policy = resource.fields.get(part)
            if policy is None or policy.condition != TRUE:
                self.report.add(
                    self._author(),
                    ("FieldOverrides", resource.name),
                    f"the key `{part}` of `{resource.name}` must be visible on every record",
                )


def _role_rules(lists: FieldGroup) -> Iterator[tuple[str, FieldRule, tuple[str, ...]]]:
    """(field, rule, path) of a role's group."""
    for position, name in enumerate(lists.Visible):
        yield name, FieldRule(Rule="Visible"), ("Visible", str(position))
    for position, name in enumerate(lists.Hidden):
        yield name, FieldRule(Rule="Hidden"), ("Hidden", str(position))
    for outer, conditional in enumerate(lists.When):
        for position, name in enumerate(conditional.Fields):
            yield (
                name,
                FieldRule(Rule="Visible", When=conditional.Condition),
                ("When", str(outer), "Fields", str(position)),
            )


def _shows_something(overrides: OverrideMap | None, word: str) -> bool:
    groups = (overrides.resources.get(word) if overrides else None) or {}
    return any(rule.Rule == "Visible" for rules in groups.values() for rule in rules.values())


def _local(structured: StructuredType) -> str:
    return structured.name.rpartition(".")[2]


def _literal(value: str | bool | int) -> Literal:
    if isinstance(value, bool):
        return boolean(value)
    return number(value) if isinstance(value, int) else string(value)


def compile_policy(
    template: Template | None,
    role: Role,
    syndication: Syndication | None,
    schema: Schema,
    profile: Profile,
    gateway: GatewayRules,
    *,
    deny_broken: bool = False,
) -> Policy:
    """Compiles what one key is under.

    Args:
        template: None for a key with a bare role.
        deny_broken: for a schema that changed under documents that were once good: instead of failing as a whole,
            the resources whose rules cannot be decided any more are denied, and the rest is served (P10).

    Raises:
        ConfigurationError: every fault of template, role and syndication against this schema at once.
    """
    return _Compiler(template, role, syndication, schema, profile, gateway, deny_broken).compile()
