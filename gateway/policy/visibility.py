"""Visibility: which fields of a resource a key sees, and on which records (P2, P3, P4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gateway.odata.ast import FALSE, TRUE, Expression, In, PropertyPath, conjunction, disjunction
from gateway.odata.csdl import EnumType
from gateway.odata.literals import Literal, string
from gateway.policy import data_dictionary
from gateway.policy.conditions import Binder, UnfitError, enum_member, null_safe
from gateway.policy.documents import ALL, FieldGroup, FieldRule, Source
from gateway.policy.inputs import Inputs
from gateway.policy.model import Origin

#: Never visible, whatever a document says: an opaque address of the upstream (C236), and credentials (C340).
NEVER_VISIBLE: Mapping[str, tuple[str, ...]] = {
    "Member": ("MemberPassword",),
    "Contacts": ("ContactPassword",),
    "EntityEvent": ("ResourceRecordUrl",),
}

Classes = Mapping[str, tuple[Literal, ...]]


@dataclass(frozen=True, slots=True)
class Visibility:
    """What a member's rules of all classes come to.

    ``declared``: a document names it as visible, so it is not merely a default. ``by_template``: wherever it is
    visible, the template says so.
    """

    condition: Expression
    origin: Origin
    declared: bool
    by_template: bool


@dataclass(frozen=True, slots=True)
class Fields:
    """The visible members of a resource, and whether its class decides anything about them."""

    visible: Mapping[str, Visibility]
    by_class: bool


@dataclass(frozen=True, slots=True)
class _Rule:
    """What one layer says of one member in one class; ``condition`` is ``false`` for Hidden."""

    condition: Expression
    origin: Origin
    declared: bool = True
    by_template: bool = False


#: Layer to the layer of what its document says of more general resources.
_ABOVE = {"template": "template, in general", "role": "role, in general"}
#: (layer, class or All, member)
_Table = dict[tuple[str, str, str], _Rule]


def visible_fields(inputs: Inputs, resource: str) -> Fields:
    """The visible members of a resource, each with one condition for all classes."""
    structured = inputs.schema.type_of(resource)
    classes = class_literals(inputs, resource)
    table = _table(inputs, resource, classes)
    entry = inputs.role_entry(resource)
    default_visible = entry is not None and entry.Default == "Visible"
    default_origin = Origin(inputs.role.source.file, ("Resources", resource, "Default"))
    class_path = PropertyPath(inputs.class_field(resource))
    visible: dict[str, Visibility] = {}
    by_class = False
    classed = {member for _, group, member in table if group != ALL}
    shown_by_default, hidden_by_default = (_Rule(truth, default_origin, declared=False) for truth in (TRUE, FALSE))
    for member in (*structured.properties, *structured.navigation):
        if inputs.is_withheld_member(member):
            continue
        # Keys are visible unless somebody says Hidden, which is a fault (P14).
        default = shown_by_default if default_visible or member in structured.key else hidden_by_default
        if member not in classed:
            # No class says anything else: most members, and nothing to merge.
            rule = _rule_for(table, ALL, member, default)
            if rule.condition != FALSE:
                visible[member] = Visibility(rule.condition, rule.origin, rule.declared, rule.by_template)
            continue
        rules = {name: _rule_for(table, name, member, default) for name in (*classes, ALL)}
        by_class = by_class or len({rule.condition for rule in rules.values()}) > 1
        condition = _merged(class_path, rules, classes)
        if condition == FALSE:
            continue
        shown = [rule for rule in rules.values() if rule.condition != FALSE]
        visible[member] = Visibility(
            condition,
            _telling(rules, shown).origin,
            declared=any(rule.declared for rule in shown),
            by_template=all(rule.by_template for rule in shown),
        )
    return Fields(visible, by_class)


def _telling(rules: Mapping[str, _Rule], shown: list[_Rule]) -> _Rule:
    """The rule that says most of a member: one that hides it somewhere, else a condition, else what shows it."""
    hiding = [rule for rule in rules.values() if rule.condition == FALSE and rule.declared]
    conditional = [rule for rule in shown if rule.condition != TRUE]
    return [*hiding, *conditional, *shown][0]


def _rule_for(table: _Table, class_name: str, member: str, default: _Rule) -> _Rule:
    """P2 in one line: template's class, template's All, role's class, role's All, role's default.

    Between them stand the restrictions that a layer lays on a more general resource: those of the template before the
    role's own word, those of the role before a default that shows.
    """
    layers = ["template", _ABOVE["template"], "role"]
    if default.condition == TRUE:
        layers.append(_ABOVE["role"])
    for layer in layers:
        for group in (class_name, ALL):
            rule = table.get((layer, group, member))
            if rule is not None:
                return rule
    return default


def _merged(path: PropertyPath, rules: Mapping[str, _Rule], classes: Classes) -> Expression:
    """One condition for all classes (P4). Always positive: a null or unlisted class satisfies no ``in``, so it sees
    only what is visible in every class."""
    conditions = {name: rule.condition for name, rule in rules.items()}
    distinct = list(dict.fromkeys(conditions.values()))
    if len(distinct) == 1:
        return distinct[0]
    terms = [FALSE if FALSE in distinct else conjunction(*distinct)]
    for condition in distinct:
        literals = [item for name in classes if conditions[name] == condition for item in classes[name]]
        if condition != FALSE and literals:
            terms.append(conjunction(null_safe(In(path, tuple(literals))), condition))
    return disjunction(*terms)


# --- classes


def class_literals(inputs: Inputs, resource: str) -> dict[str, tuple[Literal, ...]]:
    """Class name to the literals that stand for it in the class field; empty where there are no classes."""
    class_field = inputs.class_field(resource)
    structured = inputs.schema.type_of(resource)
    declared = structured.properties.get(class_field)
    if declared is None or declared.type.is_collection:
        return {}
    enum = inputs.schema.enum_types.get(declared.type.name)
    binder = Binder(inputs.schema, structured.properties.get)
    result: dict[str, tuple[Literal, ...]] = {}
    taken: dict[Literal, str] = {}
    for name, values in _class_values(inputs, enum).items():
        try:
            bound = binder.bind(In(PropertyPath(class_field), tuple(string(value) for value in values)))
        except UnfitError as error:
            inputs.report.add(inputs.gateway.source, ("upstream", "profile", "class_values", name), error.message)
            continue
        assert isinstance(bound, In)
        for literal in bound.items:
            if taken.setdefault(literal, name) != name:
                message = f"one value stands for `{taken[literal]}` and for `{name}`"
                inputs.report.add(inputs.gateway.source, ("upstream", "profile", "class_values", name), message)
        result[name] = bound.items
    return result


def _class_values(inputs: Inputs, enum: EnumType | None) -> dict[str, tuple[str, ...]]:
    """Class to the texts that stand for it: as the profile says, else its own name or member."""
    names = dict.fromkeys((*data_dictionary.CLASSES, *inputs.profile.class_values))
    if enum:
        known = set(data_dictionary.CLASSES.values())
        names.update(dict.fromkeys(name for name in enum.members if name not in known))
    values: dict[str, tuple[str, ...]] = {}
    for name in names:
        said = inputs.profile.class_values.get(name)
        if said is not None:
            values[name] = said
        elif enum is None:
            values[name] = (name,)
        else:
            spellings = (data_dictionary.CLASSES.get(name, name), name)
            found = next((text for text in spellings if enum_member(enum, text) is not None), None)
            if found is not None:
                values[name] = (found,)
    return values


def _class_name(group: str) -> str:
    """A group may be named by the class or by its member name in the Data Dictionary."""
    for name, legacy in data_dictionary.CLASSES.items():
        if group == legacy:
            return name
    return group


# --- what the documents say


def _table(inputs: Inputs, resource: str, classes: Classes) -> _Table:
    table: _Table = {}
    never = never_visible(inputs, resource)
    _read_template(inputs, resource, classes, never, table)
    _read_role(inputs, resource, classes, table)
    _read_general(inputs, resource, classes, table)
    for place in [place for place in table if place[2] in never]:
        del table[place]
    hidden = _Rule(FALSE, Origin("never visible"))
    table.update({("template", group, name): hidden for name in never for group in (*classes, ALL)})
    return table


def never_visible(inputs: Inputs, resource: str) -> frozenset[str]:
    """Fields of a resource that no document reveals, under any word for the resource."""
    return frozenset(
        field
        for mapping in (NEVER_VISIBLE, inputs.role.document.NeverVisible, inputs.gateway.never_visible)
        for word, fields in mapping.items()
        if inputs.protects(word, resource)
        for field in fields
    )


def _read_template(inputs: Inputs, resource: str, classes: Classes, never: frozenset[str], table: _Table) -> None:
    if inputs.template is None:
        return
    source = inputs.template.source
    word, groups = inputs.overrides(resource)
    for group, rules in groups.items():
        path = ("FieldOverrides", word, group)
        if not _check_group(inputs, group, classes, source, path):
            continue
        for name, rule in rules.items():
            if not _check_member(inputs, resource, name, source, (*path, name), of_template=True):
                continue
            if name in never and rule.Rule == "Visible":
                inputs.report.add(source, (*path, name), f"`{name}` may not be made visible")
                continue
            place = ("template", _class_name(group), name)
            if place in table:
                inputs.report.add(source, (*path, name), f"`{name}` has two rules for one class")
                continue
            table[place] = _rule(inputs, resource, rule, source, (*path, name), of_template=True)


def _read_general(inputs: Inputs, resource: str, classes: Classes, table: _Table) -> None:
    """Read the restrictions of more general resources, the nearest first.

    A set over a derived type, or a second set over one type, would else show what the documents hide. What they show of
    a more general resource opens nothing here.
    """
    for layer, group, name, rule, source, path in _general_rules(inputs, resource):
        # A class that this set does not have cannot tell its records apart, so the restriction holds for all of them.
        place = (_ABOVE[layer], _class_name(group) if _class_name(group) in classes else ALL, name)
        if (rule.Rule == "Hidden" or rule.When is not None) and place not in table:
            table[place] = _rule(inputs, resource, rule, source, path, of_template=layer == "template")


def _general_rules(inputs: Inputs, resource: str) -> Iterator[tuple[str, str, str, FieldRule, Source, tuple[str, ...]]]:
    """Yield (layer, class, field, rule, source, path) of each rule for a kind of the set that is not the set itself."""
    overrides = inputs.all_overrides()
    for word in sorted(overrides, key=lambda word: inputs.distance(word, resource) or 0):
        for group, rules in overrides[word].items() if inputs.distance(word, resource) else ():
            assert inputs.template is not None
            for name, rule in rules.items():
                yield "template", group, name, rule, inputs.template.source, ("FieldOverrides", word, group, name)
    entries = inputs.role.document.Resources
    for word in sorted(entries, key=lambda word: inputs.distance(word, resource) or 0):
        for group, lists in entries[word].Fields.items() if inputs.distance(word, resource) else ():
            for name, rule, where in _listed(lists):
                yield "role", group, name, rule, inputs.role.source, ("Resources", word, "Fields", group, *where)


def _read_role(inputs: Inputs, resource: str, classes: Classes, table: _Table) -> None:
    source = inputs.role.source
    entry = inputs.role_entry(resource)
    for group, lists in (entry.Fields if entry else {}).items():
        path = ("Resources", resource, "Fields", group)
        if not _check_group(inputs, group, classes, source, path):
            continue
        for name, rule, where in _listed(lists):
            if not _check_member(inputs, resource, name, source, (*path, *where), of_template=False):
                continue
            place = ("role", _class_name(group), name)
            if place in table:
                inputs.report.add(source, (*path, *where), f"`{name}` is named twice")
                continue
            table[place] = _rule(inputs, resource, rule, source, (*path, *where), of_template=False)


_SHOWN, _HIDDEN = FieldRule(Rule="Visible"), FieldRule(Rule="Hidden")


def _listed(lists: FieldGroup) -> Iterator[tuple[str, FieldRule, tuple[str, ...]]]:
    """(field, rule, path) of a role's group."""
    for position, name in enumerate(lists.Visible):
        yield name, _SHOWN, ("Visible", str(position))
    for position, name in enumerate(lists.Hidden):
        yield name, _HIDDEN, ("Hidden", str(position))
    for outer, conditional in enumerate(lists.When):
        for position, name in enumerate(conditional.Fields):
            rule = FieldRule(Rule="Visible", When=conditional.Condition)
            yield name, rule, ("When", str(outer), "Fields", str(position))


def _rule(
    inputs: Inputs, resource: str, rule: FieldRule, source: Source, path: tuple[str, ...], *, of_template: bool
) -> _Rule:
    origin = Origin(source.file, (*source.prefix, *path))
    if rule.Rule == "Hidden":
        if rule.When is not None:
            inputs.report.add(source, (*path, "When"), "`When` belongs to the rule Visible only")
        return _Rule(FALSE, origin, by_template=of_template)
    if rule.When is None:
        return _Rule(TRUE, origin, by_template=of_template)
    # In a role the condition stands above the list of its fields.
    where = (*path, "When") if of_template else (*path[:-2], "Condition")
    expression = inputs.condition(resource, rule.When, source, where)
    return _Rule(FALSE if expression is None else expression, origin, by_template=of_template)


def _check_group(inputs: Inputs, group: str, classes: Classes, source: Source, path: tuple[str, ...]) -> bool:
    if group == ALL or _class_name(group) in classes:
        return True
    known = ", ".join(f"`{name}`" for name in classes)
    choice = f"known are `All`, {known}" if known else "this resource has no classes, so only `All` is possible"
    inputs.report.add(source, path, f"`{group}` is no class of this resource; {choice}")
    return False


def _check_member(
    inputs: Inputs, resource: str, name: str, source: Source, path: tuple[str, ...], *, of_template: bool
) -> bool:
    """Whether the upstream has the member. A role may name what only other upstreams have (P10)."""
    structured = inputs.schema.type_of(resource)
    if name in structured.properties or name in structured.navigation:
        return True
    if not of_template and name in data_dictionary.FIELDS.get(inputs.kind(resource), frozenset()):
        inputs.report.notes.append(f"{inputs.role.name}: the upstream's `{resource}` has no `{name}`")
    elif inputs.vanished(resource, name):
        inputs.report.notes.append(f"{source.file}: the upstream's `{resource}` has no `{name}` any more")
    else:
        inputs.report.add(source, path, f"`{name}` is no field of the upstream's `{resource}`")
    return False
