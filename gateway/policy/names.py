"""Names in a client's options, against what exists for the key: hidden and unknown are one case (D1, G2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.errors import Refusal, invalid_query
from gateway.odata import walk
from gateway.odata.ast import ExpandItem, Expression, Lambda, OrderByItem, Query, SelectItem
from gateway.odata.csdl import Property
from gateway.policy.conditions import Binder, Related, UnfitError, UnknownNameError, fold, spell_out_tests
from gateway.policy.model import NavigationPolicy, Policy, ResourcePolicy


@dataclass(frozen=True, slots=True)
class Said:
    """Refusals that point into the client's own text. Nested options stand in the text of ``$expand``."""

    nested: bool = False

    def unfit(self, option: str, name: str, position: int, message: str) -> Refusal:
        option = "$expand" if self.nested else option
        return invalid_query(f"`{option}`: `{name}` at character {position + 1} {message}", option)

    def unknown(self, option: str, name: str, position: int) -> Refusal:
        """The one answer for names that do not exist for this key: never written, or hidden (G2)."""
        return self.unfit(option, name, position, "is not known here")


def check_filter_names(
    policy: Policy, resource: ResourcePolicy, expression: Expression | None, said: Said, variable: str = ""
) -> None:
    """Name resolution alone, over the whole expression, before any literal is looked at.

    What stands in a lambda over a navigation and starts with its ``variable`` is a name of the rows there; what does
    not is no name at all, and refused for its form, be it hidden, visible or fresh (C37).
    """
    for atom in walk.atoms(expression) if expression is not None else ():
        for path in walk.properties(atom):
            if path.variable != variable:
                continue
            navigation = resource.navigation.get(path.name) if isinstance(atom, Lambda) else None
            if navigation is not None:
                assert isinstance(atom, Lambda)
                target = policy.resources[navigation.target]
                check_filter_names(policy, target, atom.predicate, said, atom.variable)
            elif path.name not in resource.fields:
                raise said.unknown("$filter", path.name, path.position)


def check_orderby_names(resource: ResourcePolicy, items: tuple[OrderByItem, ...], said: Said) -> None:
    for item in items:
        if item.path.name not in resource.fields:
            raise said.unknown("$orderby", item.path.name, item.path.position)
    for item in items:
        field = resource.fields[item.path.name]
        declared = field.property.type
        if not field.queryable or declared.is_collection or declared.name == "Edm.GeographyPoint":
            raise said.unfit("$orderby", item.path.name, item.path.position, "cannot be searched or sorted by")


def selected(
    resource: ResourcePolicy, items: tuple[SelectItem, ...], said: Said, *, ignore_unknown: bool = False
) -> frozenset[str]:
    """The fields to emit: the client's choice, or all that exist. A navigation property selects nothing (C3)."""
    names: set[str] = set()
    for item in items:
        if item.name == "*":
            names.update(resource.fields)
        elif item.name in resource.fields:
            names.add(item.name)
        elif item.name not in resource.navigation and not ignore_unknown:
            raise said.unknown("$select", item.name, item.position)
    return frozenset(names) if items else frozenset(resource.fields)


def with_selected_lists(resource: ResourcePolicy, query: Query, lists: frozenset[str]) -> Query:
    """Return the query with an expansion for each embedded list that ``$select`` names.

    The upstream declares such a list as a property, and its clients select it like one.
    """
    expanded_already = {item.name for item in query.expand}
    chosen = dict.fromkeys(
        item.name for item in query.select if item.name in lists and item.name in resource.navigation
    )
    items = [ExpandItem(name, Query()) for name in chosen if name not in expanded_already]
    return replace(query, expand=(*query.expand, *items)) if items else query


def expanded(
    policy: Policy, resource: ResourcePolicy, items: tuple[ExpandItem, ...], said: Said, *, ignore_unknown: bool = False
) -> list[tuple[ExpandItem, NavigationPolicy]]:
    """The navigation properties of ``$expand``. All names of all levels resolve before any form is refused for what
    it turned out to be."""
    found = []
    for item in items:
        navigation = resource.navigation.get(item.name)
        if navigation is None:
            raise said.unknown("$expand", item.name, item.position)
        found.append((item, navigation))
    for item, navigation in found:
        target = policy.resources[navigation.target]
        check_nested_names(policy, target, item.query, Said(nested=True), ignore_unknown=ignore_unknown)
    return found


def check_nested_names(
    policy: Policy, target: ResourcePolicy, query: Query, said: Said, *, ignore_unknown: bool = False
) -> None:
    check_filter_names(policy, target, query.filter, said)
    check_orderby_names(target, query.orderby, said)
    selected(target, query.select, said, ignore_unknown=ignore_unknown)
    expanded(policy, target, query.expand, said, ignore_unknown=ignore_unknown)


def bind(
    policy: Policy,
    resource: ResourcePolicy,
    expression: Expression,
    said: Said,
    *,
    backslash_is_literal: bool,
    places: bool = False,
) -> Expression:
    """The client's filter in the types of the model; names have been resolved before.

    Raises:
        Refusal: 400 for a literal or an operator that does not fit.
    """

    def resolve_in(found: ResourcePolicy) -> Callable[[str], Property | None]:
        return lambda name: found.fields[name].property if name in found.fields else None

    def related(name: str) -> Related | None:
        navigation = resource.navigation.get(name)
        if navigation is None:
            return None
        target = policy.resources[navigation.target]
        return Related(target.name, navigation.navigation.type.is_collection, resolve_in(target))

    for path in walk.properties(expression):
        if path.name in resource.fields and not resource.fields[path.name].queryable:
            raise said.unfit("$filter", path.name, path.position, "cannot be searched or sorted by")
    binder = Binder(policy.schema, resolve_in(resource), backslash_is_literal, related=related, places=places)
    try:
        return fold(spell_out_tests(binder.bind(expression)))
    except UnknownNameError as error:
        raise said.unknown("$filter", error.name, error.position) from None
    except UnfitError as error:
        raise said.unfit("$filter", error.name, error.position, error.message) from None
