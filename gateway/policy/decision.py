"""``decide``: from a policy and a request to a plan, or to a refusal. Pure, and the same for everybody who asks.

The checks follow CHANNELS section 2: path, method, options, names, types, guards, what the upstream cannot do.
None of them depends on data, and none can tell a hidden name from one that never existed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from gateway.errors import Code, Refusal, invalid_query, not_found, not_offered
from gateway.odata import walk
from gateway.odata.ast import (
    TRUE,
    Comparison,
    ExpandItem,
    Expression,
    Operator,
    OrderByItem,
    PropertyPath,
    Query,
    SelectItem,
    conjunction,
)
from gateway.odata.csdl import Property
from gateway.odata.literals import EnumValue, Kind, Literal, Timestamp, parse_number, string
from gateway.odata.parser import ODataSyntaxError, Segment, parse_segment
from gateway.odata.printer import print_query
from gateway.odata.request import JSON_FORMATS, XML_FORMATS, Request
from gateway.odata.values import INTEGERS
from gateway.policy.conditions import Binder, UnfitError, UnknownNameError, fold, fold_now, is_contradiction
from gateway.policy.model import NavigationPolicy, PhotoRule, Policy, ResourcePolicy
from gateway.policy.plan import EmittedField, Local, NestedOptions, NestedPlan, Page, Plan, Read, RecordPlan
from gateway.policy.profile import Link, Profile

READ_METHODS = ("GET", "HEAD")
_ALLOW_READ = {"Allow": "GET, HEAD"}
#: Segments of the standard that are known and not offered; as first segment, and behind a resource.
_KNOWN_ROOTS = ("$batch", "$all", "$entity")
_KNOWN_TAILS = ("$ref", "$value", "$query", "$each")
_COLLECTION_OPTIONS = frozenset(
    {"$filter", "$select", "$expand", "$orderby", "$top", "$skip", "$count", "$format", "$skiptoken"}
)
_ENTITY_OPTIONS = frozenset({"$select", "$expand", "$format"})
_COUNT_OPTIONS = frozenset({"$filter"})
#: Kind of path to the options that mean something there (C63).
_OPTIONS = {
    "collection": _COLLECTION_OPTIONS,
    "entity": _ENTITY_OPTIONS,
    "count": _COUNT_OPTIONS,
    "navigation": _COLLECTION_OPTIONS - {"$skiptoken"},
    "navigation count": _COUNT_OPTIONS,
    "single": _ENTITY_OPTIONS,
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator sets about answers. ``page_size`` is the most records of one page."""

    page_size: int = 100


@dataclass(frozen=True, slots=True)
class Position:
    """Where a continuation goes on: ``skip`` rows that match have been delivered, ``top`` may still come, and ``now``
    is the instant of the walk's first request (C366)."""

    skip: int
    top: int | None
    now: Timestamp


def decide(
    policy: Policy,
    request: Request,
    profile: Profile,
    settings: Settings,
    now: Timestamp,
    position: Position | None = None,
) -> Plan:
    """What is to be done for a request under a policy.

    Args:
        now: the instant that ``now()`` stands for, in rules and in the client's own filter.
        position: of a continuation; the request is then the one that its token has sealed.

    Raises:
        Refusal: the answer, where it is not data.
    """
    return _Decision(policy, request, profile, settings, position.now if position else now, position).plan()


@dataclass(frozen=True, slots=True)
class _Level:
    """One level of a read: what its records become, what is asked of the upstream, and the client's own filter."""

    record: RecordPlan
    query: Query
    client: Expression


@dataclass(frozen=True, slots=True)
class _Decision:
    policy: Policy
    request: Request
    profile: Profile
    settings: Settings
    now: Timestamp
    position: Position | None

    # --- path and method

    def plan(self) -> Plan:
        path = self.request.path
        if path.head is None:
            return self._root()
        resource = self.policy.resources.get(path.head.name)
        if resource is None:
            raise not_found()
        kind, key = self._kind(resource, path.head)
        self._require_read()
        self._check_options(kind)
        if kind == "collection":
            return self._collection(resource)
        if kind == "entity":
            return self._entity(resource, key)
        if kind == "count":
            return self._count(resource)
        return self._navigation(resource, key, kind)

    def _root(self) -> Plan:
        first = self.request.path.segments[:1]
        if not first:
            self._require_read()
            self._check_options("service")
            readable = (name for name, resource in self.policy.resources.items() if resource.is_addressable)
            return Local("service", select=tuple(readable))
        if first == ("$metadata",) and len(self.request.path.segments) == 1:
            self._require_read()
            self._check_options("metadata")
            return Local("metadata")
        if first[0] in _KNOWN_ROOTS or first[0].startswith("$crossjoin"):
            raise not_offered(first[0].partition("(")[0])
        raise not_found()

    def _require_read(self) -> None:
        if self.request.method not in READ_METHODS:
            raise Refusal(Code.METHOD_NOT_ALLOWED, "this method is not offered here", headers=_ALLOW_READ)

    def _kind(self, resource: ResourcePolicy, head: Segment) -> tuple[str, tuple[tuple[str, Literal], ...]]:
        """What the path addresses; 404 for what leads nowhere, 501 for what the standard knows and we do not offer."""
        tail = self.request.path.tail
        key = () if head.key is None else self._key(resource, head)
        if not tail:
            return ("entity", key) if head.key is not None else ("collection", ())
        if head.key is None:
            if tail == ("$count",):
                return "count", ()
            if len(tail) == 1 and (tail[0] in _KNOWN_TAILS or tail[0].startswith("$filter(")):
                raise not_offered(tail[0].partition("(")[0])
            raise not_found()
        if len(tail) == 1 and tail[0] in _KNOWN_TAILS:
            raise not_offered(tail[0])
        if tail[0] in resource.navigation:
            is_collection = resource.navigation[tail[0]].navigation.type.is_collection
            if len(tail) == 1:
                return ("navigation" if is_collection else "single"), key
            if is_collection and tail[1:] == ("$count",):
                return "navigation count", key
        self._resolve_tail(resource, tail)
        raise not_offered("property paths and paths of more than one navigation")

    def _resolve_tail(self, resource: ResourcePolicy, tail: tuple[str, ...]) -> None:
        """404 unless each segment names something visible: then the path is one that is not offered."""
        current: ResourcePolicy | None = resource
        for position, text in enumerate(tail):
            last = position == len(tail) - 1
            if last and text in ("$value", "$ref", "$count") and position > 0:
                return
            try:
                segment = parse_segment(text)
            except ODataSyntaxError:
                raise not_found() from None
            if current is None:
                raise not_found()
            if segment.name in current.navigation:
                current = self.policy.resources.get(current.navigation[segment.name].target)
            elif segment.name in current.fields and segment.key is None:
                current = None
            else:
                raise not_found()

    def _key(self, resource: ResourcePolicy, head: Segment) -> tuple[tuple[str, Literal], ...]:
        """The key predicate as typed values of the declared key, each part once; anything else is 404 (C104, C106)."""
        assert head.key is not None
        names = resource.key
        if len(head.key) != len(names):
            raise not_found()
        given = {name if name is not None else names[0]: literal for name, literal in head.key}
        if set(given) != set(names) or (len(names) > 1 and any(name is None for name, _ in head.key)):
            raise not_found()
        return tuple((name, self._key_value(resource.type.properties[name], given[name])) for name in names)

    @staticmethod
    def _key_value(declared: Property, literal: Literal) -> Literal:
        if (declared.type.name, literal.kind) in (("Edm.String", Kind.STRING), ("Edm.Guid", Kind.GUID)):
            return literal
        if declared.type.name in INTEGERS and literal.kind is Kind.NUMBER:
            value = parse_number(str(literal.value))
            low, high = INTEGERS[declared.type.name]
            if value is not None and value == value.to_integral_value() and low <= value <= high:
                return literal
        raise not_found()

    def _check_options(self, kind: str) -> None:
        allowed = _OPTIONS.get(kind, frozenset({"$format"}))
        for option in sorted(self.request.options - allowed):
            raise invalid_query(f"`{option}` is not possible here", option)
        if self.request.fault is not None:
            raise self.request.fault.again()
        formats = (*JSON_FORMATS, *XML_FORMATS) if kind == "metadata" else JSON_FORMATS
        if self.request.query.format is not None and self.request.query.format not in formats:
            raise Refusal(Code.NOT_ACCEPTABLE, "this format is not offered", target="$format")
        if "$skiptoken" in self.request.options and self.position is None:
            raise invalid_query("`$skiptoken` is not one of ours", "$skiptoken")

    # --- reads

    def _collection(self, resource: ResourcePolicy) -> Plan:
        query = self.request.query
        level = self._level(resource, query, depth=1)
        self._check_reachable(resource)
        orderby = self._orderby(resource, query.orderby)
        if query.count:
            self._require_counts(level)
        if query.skip is not None:
            self._require_trust(level, "$skip")
        skip = self.position.skip if self.position else query.skip or 0
        top = self.position.top if self.position else query.top
        page = Page(self.settings.page_size, top, skip, bool(query.count))
        if self._is_empty(level):
            context = _context(resource.name, self._context_select(query))
            return Local("collection", page.total, context)
        return self._read("collection", resource, level, replace(level.query, orderby=orderby), page)

    def _entity(self, resource: ResourcePolicy, key: tuple[tuple[str, Literal], ...]) -> Plan:
        query = self.request.query
        pinned = conjunction(*(Comparison(Operator.EQ, PropertyPath(name), value) for name, value in key))
        level = self._level(resource, query, depth=1, pinned=pinned)
        self._check_reachable(resource)
        if self._is_empty(level):
            raise not_found()
        page = Page(1, 1, 0, total=False)
        read = self._read("entity", resource, level, level.query, page)
        return replace(read, entity_key=tuple((name, value.value) for name, value in key))

    def _navigation(self, resource: ResourcePolicy, key: tuple[tuple[str, Literal], ...], kind: str) -> Plan:
        """A path below a record: the record is read under the policy, with what the path leads to expanded (C100).

        So the parent decides first, and the list is the very one that ``$expand`` gives: ranked, then the client's
        own options.
        """
        name = self.request.path.tail[0]
        navigation = resource.navigation[name]
        self._check_reachable(resource)
        query = replace(self.request.query, format=None)
        if kind == "navigation count":
            query = replace(query, count=True, top=0)
        target = self.policy.resources[navigation.target]
        self._check_nested_names(target, query, _Said())
        plan, item = self._nested(resource, ExpandItem(name, query), navigation, depth=1, said=_Said())
        pinned = conjunction(*(Comparison(Operator.EQ, PropertyPath(part), value) for part, value in key))
        level = self._level(resource, Query(select=(SelectItem(resource.key[0]),)), depth=1, pinned=pinned)
        if self._is_empty(level):
            raise not_found()
        needed = {*level.record.types, plan.link.local, *(path.name for path in walk.properties(plan.condition))}
        types = {part: declared for part, declared in resource.type.properties.items() if part in needed}
        record = replace(level.record, emitted=(), nested=(plan,), types=MappingProxyType(types))
        ask = replace(
            level.query, select=tuple(SelectItem(part) for part in types), expand=() if item is None else (item,)
        )
        self._check_length(ask)
        select = self._context_select(self.request.query)
        page = Page(1, 1, 0, total=bool(self.request.query.count))
        read = Read(kind, resource.name, ask, record, page, f"{resource.name}/{name}", _context(target.name, select))
        return replace(read, entity_key=tuple((part, value.value) for part, value in key))

    def _count(self, resource: ResourcePolicy) -> Plan:
        level = self._level(resource, replace(self.request.query, select=(SelectItem(resource.key[0]),)), depth=1)
        self._check_reachable(resource)
        self._require_counts(level)
        if self._is_empty(level):
            return Local("count", total=True)
        return self._read("count", resource, level, level.query, Page(1, 1, 0, total=True))

    def _check_reachable(self, resource: ResourcePolicy) -> None:
        """Rows that follow a parent, and ranked photos, are served below their parent only, until joins exist."""
        if resource.broken:
            raise Refusal(Code.UNAVAILABLE, "this resource cannot be served at present", headers={"Retry-After": "60"})
        if not resource.is_addressable:
            raise not_offered("reading dependent resources other than by $expand of their parent")

    def _require_counts(self, level: _Level) -> None:
        if self.profile.counts != "exact":
            raise not_offered("$count")
        self._require_trust(level, "$count")

    def _require_trust(self, level: _Level, what: str) -> None:
        """Numbers and windows cannot be verified record by record, so every atom must be trusted (C289, C371)."""
        if level.query.filter is not None and not self.profile.trusts(level.query.filter):
            raise not_offered(what)

    def _is_empty(self, level: _Level) -> bool:
        return level.query.filter is not None and is_contradiction(level.query.filter, self.profile.normal)

    def _read(self, kind: str, resource: ResourcePolicy, level: _Level, ask: Query, page: Page) -> Read:
        select = self._context_select(self.request.query)
        self._check_length(ask)
        return Read(
            kind,
            resource.name,
            ask,
            level.record,
            page,
            _canonical(resource.name, self.request.query),
            _context(resource.name, select),
        )

    def _check_length(self, ask: Query) -> None:
        """What does not fit the upstream is refused before it is asked, whatever the data."""
        if len(print_query(ask)) > self.profile.url_max:
            raise Refusal(Code.URI_TOO_LONG, "the request is too long for the service behind this gateway")

    def _context_select(self, query: Query) -> tuple[str, ...] | None:
        names = tuple(item.name for item in query.select)
        return None if not names or "*" in names else names

    # --- one level of a read

    def _level(
        self,
        resource: ResourcePolicy,
        query: Query,
        depth: int,
        pinned: Expression = TRUE,
        said: _Said | None = None,
    ) -> _Level:
        """Resolves the names of one level and gives what is asked, emitted and verified there.

        The order is that of CHANNELS section 2: all names of the level, then literals, then guards.
        """
        said = said or _Said(nested=depth > 1)
        self._check_filter_names(resource, query.filter, said)
        self._check_orderby_names(resource, query.orderby, said)
        selected = self._selected(resource, query.select, said)
        expands = self._expands(resource, query.expand)
        client = TRUE if query.filter is None else self._bind(resource, query.filter, said)
        guard = self._guard(resource, query, said)
        nested = tuple(self._nested(resource, item, navigation, depth) for item, navigation in expands)
        emitted = tuple(
            EmittedField(field.property, self._fold(field.condition), field.clamp)
            for name, field in resource.fields.items()
            if name in selected
        )
        rule = self._fold(resource.rule)
        needed = self._needed(resource, emitted, nested, guard)
        types = {name: declared for name, declared in resource.type.properties.items() if name in needed}
        record = RecordPlan(
            resource.name,
            resource.key,
            rule,
            guard,
            emitted,
            tuple(plan for plan, _ in nested),
            MappingProxyType(types),
            self.profile.reading,
            self._displays(types),
        )
        filter_parts = [part for part in (rule, guard, pinned, client) if part != TRUE]
        asked = Query(
            filter=self._spelled(conjunction(*filter_parts)) if filter_parts else None,
            select=tuple(SelectItem(name) for name in types),
            expand=tuple(item for _, item in nested if item is not None),
        )
        return _Level(record, asked, client)

    def _spelled(self, condition: Expression) -> Expression:
        """The condition with enumeration literals as the upstream wants to read them."""
        if self.profile.enum_literal == "qualified":
            return condition

        def unqualified(literal: Literal) -> Literal:
            return string(literal.value.members) if isinstance(literal.value, EnumValue) else literal

        return walk.replace_literals(condition, unqualified)

    def _displays(self, types: Mapping[str, Property]) -> Mapping[str, Mapping[str, str]]:
        """Display text to member, for the enumerations among the fetched fields that have display texts."""
        found: dict[str, Mapping[str, str]] = {}
        for name, declared in types.items():
            enum = self.policy.schema.enum_types.get(declared.type.name)
            if enum is not None and enum.display:
                found[name] = {text: member for member, text in enum.display.items() if text not in enum.members}
        return MappingProxyType(found)

    def _fold(self, condition: Expression) -> Expression:
        return fold_now(condition, self.now)

    @staticmethod
    def _check_filter_names(resource: ResourcePolicy, expression: Expression | None, said: _Said) -> None:
        """Name resolution alone, over the whole expression, before any literal is looked at."""
        for path in walk.properties(expression) if expression is not None else ():
            if path.name not in resource.fields:
                raise said.unknown("$filter", path.name, path.position)

    def _bind(self, resource: ResourcePolicy, expression: Expression, said: _Said) -> Expression:
        def resolve(name: str) -> Property | None:
            field = resource.fields.get(name)
            return field.property if field else None

        for path in walk.properties(expression):
            if not resource.fields[path.name].queryable:
                raise said.unfit("$filter", path.name, path.position, "cannot be searched or sorted by")
        try:
            bound = Binder(self.policy.schema, resolve, self.profile.patterns == "literal").bind(expression)
            return fold(self._fold(bound))
        except UnknownNameError as error:
            raise said.unknown("$filter", error.name, error.position) from None
        except UnfitError as error:
            raise said.unfit("$filter", error.name, error.position, error.message) from None

    @staticmethod
    def _check_orderby_names(resource: ResourcePolicy, items: tuple[OrderByItem, ...], said: _Said) -> None:
        for item in items:
            if item.path.name not in resource.fields:
                raise said.unknown("$orderby", item.path.name, item.path.position)
        for item in items:
            field = resource.fields[item.path.name]
            if not field.queryable or field.property.type.is_collection:
                raise said.unfit("$orderby", item.path.name, item.path.position, "cannot be searched or sorted by")

    @staticmethod
    def _selected(resource: ResourcePolicy, items: tuple[SelectItem, ...], said: _Said) -> frozenset[str]:
        """The fields to emit: the client's choice, or all that exist. A navigation property selects nothing (C3)."""
        names: set[str] = set()
        for item in items:
            if item.name == "*":
                names.update(resource.fields)
            elif item.name in resource.fields:
                names.add(item.name)
            elif item.name not in resource.navigation:
                raise said.unknown("$select", item.name, item.position)
        return frozenset(names) if items else frozenset(resource.fields)

    def _expands(
        self, resource: ResourcePolicy, items: tuple[ExpandItem, ...]
    ) -> list[tuple[ExpandItem, NavigationPolicy]]:
        found = []
        for item in items:
            navigation = resource.navigation.get(item.name)
            if navigation is None:
                raise _Said().unknown("$expand", item.name, item.position)
            found.append((item, navigation))
        for item, navigation in found:
            self._check_nested_names(self.policy.resources[navigation.target], item.query, _Said(nested=True))
        return found

    def _check_nested_names(self, target: ResourcePolicy, query: Query, said: _Said) -> None:
        """Nested names resolve before any nested form is refused for what it is."""
        self._check_filter_names(target, query.filter, said)
        self._check_orderby_names(target, query.orderby, said)
        self._selected(target, query.select, said)

    def _guard(self, resource: ResourcePolicy, query: Query, said: _Said) -> Expression:
        """The conjunction of the conditions of every conditional field that filter or order names (D4)."""
        conditions: dict[Expression, None] = {}
        for path in walk.named(query):
            condition = resource.fields[path.name].condition
            if condition != TRUE:
                conditions[condition] = None
        guard = self._fold(conjunction(*conditions))
        if guard != TRUE and is_contradiction(guard, self.profile.normal):
            path = next(path for path in walk.named(query) if resource.fields[path.name].condition != TRUE)
            in_filter = query.filter is not None and path in set(walk.properties(query.filter))
            raise said.unknown("$filter" if in_filter else "$orderby", path.name, path.position)
        return guard

    def _nested(
        self,
        parent: ResourcePolicy,
        item: ExpandItem,
        navigation: NavigationPolicy,
        depth: int,
        said: _Said | None = None,
    ) -> tuple[NestedPlan, ExpandItem | None]:
        target = self.policy.resources[navigation.target]
        query = item.query
        is_collection = navigation.navigation.type.is_collection
        if query.expand:
            raise not_offered("$expand inside $expand")
        if not is_collection and query != Query(select=query.select):
            raise invalid_query(f"`$expand`: `{item.name}` is a single record and takes $select only", "$expand")
        if target.broken:
            self._check_reachable(target)
        if navigation.link is None:
            raise not_offered("$expand of this navigation property")
        if target.parents and parent.kind not in target.parents:
            raise not_offered("$expand of dependent resources other than from their parent")
        if not is_collection and target.is_restricted:
            raise not_offered("$expand of a single record of a restricted resource")
        level = self._level(target, query, depth + 1, said=said)
        options = NestedOptions(
            level.record.guard, level.client, query.orderby, query.skip or 0, query.top, bool(query.count)
        )
        photo = target.photo if parent.kind == "Property" else None
        order = target.fields.get("Order") if target.kind == "Media" else None
        order_name = order.property.name if order is not None and order.condition == TRUE else None
        linked = self._linked(target, navigation.link, photo, order_name, query)
        types = {
            name: declared
            for name, declared in target.type.properties.items()
            if name in level.record.types or name in linked
        }
        # What the client asks of a list is done here; only the row rule goes with the request.
        record = replace(level.record, guard=TRUE, types=MappingProxyType(types))
        plan = NestedPlan(
            item.name,
            is_collection,
            navigation.link,
            record,
            self._fold(navigation.condition),
            photo,
            order_name,
            options,
        )
        if plan.complete and self.profile.nested_counts != "exact":
            raise not_offered("$expand of a list that must be complete")
        if is_contradiction(level.record.rule, self.profile.normal):
            return replace(plan, empty=True), None
        rule = None if level.record.rule == TRUE or not is_collection else level.record.rule
        asked = Query(
            filter=None if rule is None else self._spelled(rule),
            select=tuple(SelectItem(name) for name in types),
            expand=level.query.expand,
            count=True if plan.complete else None,
        )
        return plan, ExpandItem(item.name, asked)

    @staticmethod
    def _linked(
        target: ResourcePolicy, link: Link, photo: PhotoRule | None, order: str | None, query: Query
    ) -> set[str | None]:
        """What is fetched of nested rows beside what is emitted: proof of belonging, rank, and what options name."""
        return {
            link.target,
            link.discriminator,
            order,
            *target.key,
            *((photo.category, photo.order) if photo else ()),
            *(path.name for path in walk.named(query)),
        }

    def _orderby(self, resource: ResourcePolicy, items: tuple[OrderByItem, ...]) -> tuple[OrderByItem, ...]:
        """The client's order, made total by the key: storage order never shows (C71)."""
        named = {item.path.name for item in items}
        return (*items, *(OrderByItem(PropertyPath(name)) for name in resource.key if name not in named))

    @staticmethod
    def _needed(
        resource: ResourcePolicy,
        emitted: tuple[EmittedField, ...],
        nested: tuple[tuple[NestedPlan, ExpandItem | None], ...],
        guard: Expression,
    ) -> set[str]:
        """Everything to fetch: what is emitted, and what policy needs to decide on it (withheld)."""
        needed = set(resource.key)
        for field in emitted:
            needed.add(field.property.name)
            needed.update(path.name for path in walk.properties(field.condition))
        for plan, _ in nested:
            needed.add(plan.link.local)
            needed.update(path.name for path in walk.properties(plan.condition))
        for expression in (resource.rule, guard):
            needed.update(path.name for path in walk.properties(expression))
        return needed


@dataclass(frozen=True, slots=True)
class _Said:
    """Refusals that point into the client's own text. Nested options stand in the text of ``$expand``."""

    nested: bool = False

    def unfit(self, option: str, name: str, position: int, message: str) -> Refusal:
        option = "$expand" if self.nested else option
        return invalid_query(f"`{option}`: `{name}` at character {position + 1} {message}", option)

    def unknown(self, option: str, name: str, position: int) -> Refusal:
        """The one answer for names that do not exist for this key: never written, or hidden (G2)."""
        return self.unfit(option, name, position, "is not known here")


def _canonical(resource: str, query: Query) -> str:
    """The request as its own canonical text, without what changes from page to page."""
    return f"{resource}?{print_query(replace(query, top=None, skip=None, skiptoken=None))}"


def _context(resource: str, select: tuple[str, ...] | None) -> str:
    return resource if select is None else f"{resource}({','.join(select)})"
