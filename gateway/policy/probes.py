"""Questions by which an upstream shows that it does not read rules as its profile says (C289, C360).

A count cannot be verified, so it is asked for only where the upstream reads every literal of a rule as we do. Each
question is one that an upstream which keeps to its profile answers with nothing that contradicts it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from gateway.odata import walk
from gateway.odata.ast import FALSE, TRUE, And, Comparison, Expression, Not, Operator, Query, SelectItem
from gateway.odata.literals import Alias, Literal, Timestamp, string
from gateway.odata.walk import Atom
from gateway.policy.conditions import fold_now
from gateway.policy.model import Policy, ResourcePolicy
from gateway.policy.profile import Profile, Trust, kinds_of
from gateway.policy.spelling import spelled

#: No start takes longer than so many questions.
_MOST = 500


@dataclass(frozen=True, slots=True)
class Probe:
    """``query`` asked of ``resource``. ``holds`` must be definitely true of every record that comes, ``false`` of none:
    then none may come. What an answer that does not fit costs is ``kinds``."""

    resource: str
    query: Query
    kinds: frozenset[Trust]
    holds: Expression


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
        if condition != TRUE
    )
    for condition in conditions:
        for atom in walk.atoms(condition):
            # A binding is a value of one key, so its own atom is nobody's probe; those beside it are.
            if not profile.cannot_filter(resource.name, atom) and not _is_bound_to_key(atom):
                yield from _twins(resource, atom, profile)
    rule = fold_now(resource.rule, now)
    if rule != TRUE and not profile.cannot_filter(resource.name, rule) and not _is_bound_to_key(rule):
        yield _contradiction(resource, rule, profile)


def _is_bound_to_key(condition: Expression) -> bool:
    return any(isinstance(literal.value, Alias) for literal in walk.literals_of(condition))


def _twins(resource: ResourcePolicy, atom: Atom, profile: Profile) -> Iterator[Probe]:
    """The same question about each text in other case, and with a blank behind it: what comes must fit it as it is
    written. Whatever stands below a negation is asked for as it stands above one."""
    if isinstance(atom, Comparison) and atom.operator is Operator.NE:
        atom = replace(atom, operator=Operator.EQ)
    for change in (str.swapcase, lambda text: f"{text} "):
        twin = walk.replace_literals(atom, lambda literal, change=change: _changed(literal, change))  # type: ignore[misc]  # the default binds the loop's change
        asked = spelled(profile, twin)
        if twin == atom or asked is None:
            continue
        named = dict.fromkeys((*resource.key, *(path.name for path in walk.properties(twin))))
        query = Query(filter=asked, select=tuple(SelectItem(name) for name in named), top=10)
        yield Probe(resource.name, query, kinds_of(atom), twin)


def _changed(literal: Literal, change: Callable[[str], str]) -> Literal:
    return string(change(literal.value)) if isinstance(literal.value, str) else literal


def _contradiction(resource: ResourcePolicy, rule: Expression, profile: Profile) -> Probe:
    """The rule and its opposite: nothing can satisfy both, whatever the upstream makes of null."""
    kinds: frozenset[Trust] = frozenset().union(*(kinds_of(atom) for atom in walk.atoms(rule)))
    asked = spelled(profile, And((rule, Not(rule))))
    query = Query(filter=asked, select=tuple(SelectItem(name) for name in resource.key), top=1)
    return Probe(resource.name, query, kinds, FALSE)
