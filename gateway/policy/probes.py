"""Questions by which an upstream shows that it does not read rules as its profile says (C289, C360).

A count cannot be verified, so it is asked for only where the upstream reads every literal of a rule as we do. Each
question is one that an upstream which keeps to its profile answers with nothing that contradicts it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gateway.odata import walk
from gateway.odata.ast import TRUE, And, Comparison, Expression, In, Not, Operator, PropertyPath, Query, SelectItem
from gateway.odata.literals import Alias, Literal, Timestamp, string
from gateway.policy.conditions import fold_now
from gateway.policy.model import Policy, ResourcePolicy
from gateway.policy.profile import Profile, Trust, kinds_of
from gateway.policy.spelling import spelled

#: No start takes longer than so many questions.
_MOST = 500


@dataclass(frozen=True, slots=True)
class Probe:
    """``query`` asked of ``resource``. Every record that comes must hold ``twin`` in ``field``; without a field, none
    may come. What an answer that does not fit costs is ``kinds``."""

    resource: str
    query: Query
    kinds: frozenset[Trust]
    field: str = ""
    twin: str = ""


def probes(policies: Iterable[Policy], profile: Profile, now: Timestamp) -> list[Probe]:
    """The questions for all rules and conditions of all policies, each once."""
    found: dict[tuple[str, Expression], Probe] = {}
    for policy in policies:
        for resource in policy.resources.values():
            for probe in _of_resource(resource, profile, now):
                assert probe.query.filter is not None
                found.setdefault((probe.resource, probe.query.filter), probe)
    return list(found.values())[:_MOST]


def _of_resource(resource: ResourcePolicy, profile: Profile, now: Timestamp) -> Iterator[Probe]:
    if resource.broken:
        return
    conditions = dict.fromkeys(
        fold_now(condition, now)
        for condition in (resource.rule, *(condition for _, condition in resource.conditions()))
        if condition != TRUE and not _unbound(condition)
    )
    for condition in conditions:
        if profile.cannot_filter(resource.name, condition):
            continue
        for path, text in _texts(condition):
            yield from _twins(resource, path, text, profile)
    if resource.rule in conditions and not profile.cannot_filter(resource.name, resource.rule):
        yield _contradiction(resource, fold_now(resource.rule, now), profile)


def _unbound(condition: Expression) -> bool:
    """A binding is a value of one key; nobody's probe."""
    return any(isinstance(literal.value, Alias) for literal in walk.literals_of(condition))


def _texts(condition: Expression) -> Iterator[tuple[PropertyPath, str]]:
    for atom in walk.atoms(condition):
        literals: tuple[Literal, ...] = ()
        match atom:
            case Comparison(Operator.EQ | Operator.NE, PropertyPath() as path, right):
                literals = (right,)
            case In(PropertyPath() as path, items):
                literals = items
            case _:
                continue
        for literal in literals:
            if isinstance(literal.value, str):
                yield path, literal.value


def _twins(resource: ResourcePolicy, path: PropertyPath, text: str, profile: Profile) -> Iterator[Probe]:
    """The same text in other case, and with a blank behind it."""
    for twin in dict.fromkeys((text.swapcase(), text + " ")):
        if twin != text:
            asked = spelled(profile, Comparison(Operator.EQ, path, string(twin)))
            names = dict.fromkeys((*resource.key, path.name))
            query = Query(filter=asked, select=tuple(SelectItem(name) for name in names), top=10)
            yield Probe(resource.name, query, frozenset({"string_equality"}), path.name, twin)


def _contradiction(resource: ResourcePolicy, rule: Expression, profile: Profile) -> Probe:
    """The rule and its opposite: nothing can satisfy both, whatever the upstream makes of null."""
    kinds: frozenset[Trust] = frozenset().union(*(kinds_of(atom) for atom in walk.atoms(rule)))
    asked = spelled(profile, And((rule, Not(rule))))
    return Probe(
        resource.name, Query(filter=asked, select=tuple(SelectItem(name) for name in resource.key), top=1), kinds
    )
