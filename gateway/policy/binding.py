"""A policy for one key: ``@MemberKey`` and ``@OfficeKey`` of rules become the values that the key is bound to (P11)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TypeVar

from gateway.odata.ast import FALSE, Expression, conjunction
from gateway.odata.literals import Alias
from gateway.odata.walk import literals_of
from gateway.policy.conditions import bind_key
from gateway.policy.model import FieldPolicy, Policy, ResourcePolicy, WritePolicy, fingerprint

T = TypeVar("T")


def bind_policy(policy: Policy, bindings: Mapping[str, str]) -> Policy:
    """The policy under a key's bindings; the same value where no rule names one. A missing binding denies: a row rule
    that names it is false, a field whose condition names it is hidden (C259)."""
    if not any(_names_binding(resource) for resource in policy.resources.values()):
        return policy
    resources = {name: _bound(resource, bindings) for name, resource in policy.resources.items()}
    return replace(
        policy,
        resources=MappingProxyType(resources),
        fingerprint=fingerprint(resources, policy.photo_limit, strict=policy.strict, privileges=policy.privileges),
    )


def _names_binding(resource: ResourcePolicy) -> bool:
    expressions = [resource.rule, *(condition for _, condition in resource.conditions())]
    return any(isinstance(literal.value, Alias) for expression in expressions for literal in literals_of(expression))


def _bound(resource: ResourcePolicy, bindings: Mapping[str, str]) -> ResourcePolicy:
    def bound(expression: Expression) -> Expression:
        return bind_key(expression, bindings)

    parts = tuple(replace(part, expression=bound(part.expression)) for part in resource.parts)
    fields = {name: replace(field, condition=bound(field.condition)) for name, field in resource.fields.items()}
    navigation = {name: replace(nav, condition=bound(nav.condition)) for name, nav in resource.navigation.items()}
    # A broken resource has the rule `false` without parts that could say so.
    rule = resource.rule if resource.broken else conjunction(*(part.expression for part in parts))
    kept = {name: field for name, field in fields.items() if field.condition != FALSE}
    return replace(
        resource,
        parts=parts,
        rule=FALSE if any(part.expression == FALSE for part in parts) else rule,
        fields=MappingProxyType(kept),
        writes=None if resource.writes is None else _narrowed(resource.writes, kept),
        navigation=MappingProxyType({name: nav for name, nav in navigation.items() if nav.condition != FALSE}),
    )


def _narrowed(writes: WritePolicy, kept: Mapping[str, FieldPolicy]) -> WritePolicy:
    """What can be written where some fields do not exist for the key: their names, types and duties must not either."""
    gone = writes.fields.keys() - kept.keys()
    if not gone:
        return writes

    def without(entries: Mapping[str, T]) -> Mapping[str, T]:
        return MappingProxyType({name: value for name, value in entries.items() if name not in gone})

    parents = tuple(parent for parent in writes.parents if parent.link.target not in gone)
    closed = {method for method, names in writes.required.items() if gone & set(names)}
    if writes.parents and not parents:
        closed.add("POST")
    return replace(
        writes,
        methods=writes.methods - closed,
        parents=parents,
        fields=without(writes.fields),
        created_only=writes.created_only - gone,
        required=MappingProxyType({name: names for name, names in writes.required.items() if name not in closed}),
        references=without(writes.references),
        bound=without(writes.bound),
        closed=without(writes.closed),
    )
