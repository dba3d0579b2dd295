"""What a change of a template does to what its keys see: fields by class, row rules, the photo limit. For people who
are about to save one; nothing is decided by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.odata.evaluate import Lookup, evaluate
from gateway.odata.printer import print_expression
from gateway.odata.values import UNKNOWN
from gateway.policy.documents import ALL
from gateway.policy.inputs import Inputs
from gateway.policy.model import Policy, ResourcePolicy
from gateway.policy.visibility import class_literals

VISIBLE, HIDDEN = "Visible", "Hidden"
#: The group of records whose class is null or none of the known ones.
OTHER = "Other"


@dataclass(frozen=True, slots=True)
class Change:
    """What was and what will be, in words; ``None`` where there is no such thing."""

    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class ResourceEffect:
    """``rule`` None where the rows stay the same; ``fields`` by class, only those that change; ``methods`` by which it
    can be written, None where they stay."""

    rule: Change | None
    fields: Mapping[str, Mapping[str, Change]] = field(default_factory=dict)
    methods: Change | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """``photo_limit`` None where it stays."""

    resources: Mapping[str, ResourceEffect]
    photo_limit: Change | None


def effect(before: Policy | None, after: Policy | None, inputs: Inputs) -> Effect:
    """What differs between two policies of one schema; None is a key without any.

    Args:
        inputs: of either, for the classes of the upstream.
    """
    names = {**(before.resources if before else {}), **(after.resources if after else {})}
    found = {}
    for name in sorted(names):
        changed = _of_resource(name, _resource(before, name), _resource(after, name), inputs)
        if changed.rule is not None or changed.fields or changed.methods is not None:
            found[name] = changed
    limits = Change(_limit(before), _limit(after))
    return Effect(found, limits if limits.before != limits.after else None)


def _limit(policy: Policy | None) -> str | None:
    return None if policy is None or policy.photo_limit is None else str(policy.photo_limit)


def _resource(policy: Policy | None, name: str) -> ResourcePolicy | None:
    return policy.resources.get(name) if policy is not None else None


def _of_resource(
    name: str, before: ResourcePolicy | None, after: ResourcePolicy | None, inputs: Inputs
) -> ResourceEffect:
    rules = [_rule(resource) for resource in (before, after)]
    methods = [_methods(resource) for resource in (before, after)]
    groups: dict[str, dict[str, Change]] = {}
    for group, lookup in _groups(name, inputs).items():
        members = {**_members(before), **_members(after)}
        for member in members:
            shown = [_visibility(resource, member, lookup) for resource in (before, after)]
            if shown[0] != shown[1]:
                groups.setdefault(group, {})[member] = Change(*shown)
    return ResourceEffect(
        Change(*rules) if rules[0] != rules[1] else None,
        groups,
        Change(*methods) if methods[0] != methods[1] else None,
    )


def _methods(resource: ResourcePolicy | None) -> str:
    """By what a resource can be written, with the fields: a change of either is one of what a vendor may do."""
    writes = resource.writes if resource is not None else None
    if writes is None or not writes.methods:
        return "none"
    fields = ", ".join(sorted({*writes.fields, *writes.control}))
    return f"{', '.join(sorted(writes.methods))} ({fields})"


def _rule(resource: ResourcePolicy | None) -> str | None:
    if resource is None:
        return None
    parts = [print_expression(part) for part in (resource.rule, resource.unpushed) if print_expression(part) != "true"]
    return " and ".join(f"({part})" for part in parts) or "true"


def _members(resource: ResourcePolicy | None) -> dict[str, None]:
    return {} if resource is None else dict.fromkeys((*resource.fields, *resource.navigation))


def _visibility(resource: ResourcePolicy | None, member: str, lookup: Lookup) -> str:
    if resource is None or member not in _members(resource):
        return HIDDEN
    condition = resource.condition_of(member)
    truth = evaluate(condition, lookup)
    if truth is None:
        return f"{VISIBLE} when {print_expression(condition)}"
    return VISIBLE if truth else HIDDEN


def _groups(name: str, inputs: Inputs) -> dict[str, Lookup]:
    """Each class, with a record of which nothing is known but that it is of that class."""
    classes = class_literals(inputs, name) if name in inputs.schema.entity_sets else {}
    if not classes:
        return {ALL: lambda _: UNKNOWN}
    path = inputs.class_field(name)

    def of(value: object) -> Lookup:
        return lambda member: value if member == path else UNKNOWN  # type: ignore[return-value]  # a literal's value

    return {**{group: of(literals[0].value) for group, literals in classes.items() if literals}, OTHER: of(None)}
