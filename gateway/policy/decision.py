"""``decide``: from a policy and a request to a plan, or to a refusal. Pure, and the same for everybody who asks.

The checks follow CHANNELS section 2: path, method, options, names, types, guards, what the upstream cannot do.
None of them depends on data, and none can tell a hidden name from one that never existed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from gateway.errors import (
    Code,
    Refusal,
    beyond_windows,
    foreign_link,
    invalid_query,
    not_found,
    not_offered,
    stale_link,
)
from gateway.odata import walk
from gateway.odata.ast import (
    TRUE,
    Comparison,
    ExpandItem,
    Expression,
    In,
    Operator,
    PropertyPath,
    Query,
    SelectItem,
    conjunction,
)
from gateway.odata.csdl import Property
from gateway.odata.literals import Kind, Literal, Timestamp, parse_number, print_literal, string
from gateway.odata.media_types import format_option
from gateway.odata.parser import NotOfferedError, ODataSyntaxError, Segment, parse_segment
from gateway.odata.request import Path, Request, canonical_text
from gateway.odata.url import is_carried
from gateway.odata.values import INTEGERS
from gateway.policy import keyset, names
from gateway.policy.conditions import is_contradiction
from gateway.policy.levels import Level, Levels, check_served, own_fields, total_order, unserved
from gateway.policy.model import Policy, ResourcePolicy
from gateway.policy.names import Said
from gateway.policy.plan import Local, Page, Plan, Position, Read, Write
from gateway.policy.profile import Profile
from gateway.policy.settings import AnswerSettings
from gateway.policy.spelling import fits_address, has_too_many_or, spelled

READ_METHODS = ("GET", "HEAD")
#: By which a collection takes a new record, and a record a change.
WRITE_METHODS = ("POST", "PATCH", "DELETE")
#: Of a value that must be the key of a row: longer ones are none.
_LONGEST_KEY = 1_024
_INTEGER = re.compile("0|-?[1-9][0-9]{0,18}")
#: Segments of the standard that are known and not offered; as first segment, and behind a resource.
_KNOWN_ROOTS = ("$batch", "$all", "$entity")
_KNOWN_TAILS = ("$ref", "$value", "$each")
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
class _Pins:
    """The values to which a client's own top-level conjuncts hold a field."""

    field: str
    condition: Expression


def decide(
    policy: Policy,
    request: Request,
    profile: Profile,
    settings: AnswerSettings,
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
    levels = Levels(policy, profile, settings, position.now if position else now)
    return _Decision(policy, request, profile, settings, levels, position).plan()


def reference_read(
    policy: Policy, resource: str, value: str, profile: Profile, settings: AnswerSettings, now: Timestamp
) -> Read | None:
    """The read that finds whether a row exists for the key; None where no row can have that value as its key."""
    target = policy.resources[resource]
    levels = Levels(policy, profile, settings, now)
    query = Query(select=(SelectItem(target.key[0]),))
    request = Request("GET", Path((resource,), None, ()), query)
    literal = _key_literal(value, target.type.properties[target.key[0]].type.name)
    if literal is None:
        return None
    try:
        plan = _Decision(policy, request, profile, settings, levels, None).entity(target, ((target.key[0], literal),))
    except Refusal:
        return None  # a rule that no row satisfies: none exists
    return plan if isinstance(plan, Read) else None


def _key_literal(text: str, kind: str) -> Literal | None:
    """A value as the key of a row, if a client could ask for that row: what no address can spell is no key."""
    printed = print_literal(string(text)) if kind == "Edm.String" else text
    if len(printed) > _LONGEST_KEY or not is_carried(text) or (kind in INTEGERS and not _INTEGER.fullmatch(text)):
        return None
    try:
        segment = parse_segment(f"x({printed})")
    except (ODataSyntaxError, NotOfferedError, Refusal):
        return None
    return segment.key[0][1] if segment.key and len(segment.key) == 1 and segment.key[0][0] is None else None


@dataclass(frozen=True, slots=True)
class _Decision:
    policy: Policy
    request: Request
    profile: Profile
    settings: AnswerSettings
    levels: Levels
    position: Position | None

    # --- path and method

    def plan(self) -> Plan:
        path = self.request.path
        if path.head is None:
            return self._root()
        resource = self.policy.resources.get(path.head.name)
        if resource is None and path.head.name in self.policy.closed:
            self._require_method(*(("POST",) if self.request.via_query else READ_METHODS))
            raise unserved()
        if resource is None:
            raise not_found()
        kind, key = self._kind(resource, path.head)
        if self.request.via_query:
            self._require_method("POST")
        else:
            self._require_method(*READ_METHODS, *self._writable(resource, kind))
        if self.request.method in WRITE_METHODS and not self.request.via_query:
            return self._write(resource, key)
        self._check_options(kind)
        if kind == "collection":
            return self._collection(resource)
        if kind == "entity":
            return self.entity(resource, key)
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
        self._require_method(*READ_METHODS)

    def _require_method(self, *methods: str) -> None:
        if self.request.method not in methods:
            allow = {"Allow": ", ".join(methods)}
            raise Refusal(Code.METHOD_NOT_ALLOWED, "this method is not offered here", headers=allow)

    def _kind(self, resource: ResourcePolicy, head: Segment) -> tuple[str, tuple[tuple[str, Literal], ...]]:
        """What the path addresses; 404 for what leads nowhere, 501 for what the standard knows and we do not offer."""
        tail = self.request.path.tail
        key = () if head.key is None else self._key(resource, head)
        if not tail:
            return ("entity", key) if head.key is not None else ("collection", ())
        if head.key is None:
            if tail == ("$count",):
                return "count", ()
            if self.request.via_query:
                return "collection", ()
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
        asked = self.request.query.format
        if asked is not None and format_option(asked, xml=kind == "metadata") is None:
            raise Refusal(Code.NOT_ACCEPTABLE, "this format is not offered", target="$format")
        if "$skiptoken" in self.request.options and self.position is None:
            raise foreign_link()

    # --- writes

    def _writable(self, resource: ResourcePolicy, kind: str) -> tuple[str, ...]:
        """The methods by which this path can be written; which they are is the policy's and the profile's to say, and
        hangs on no data."""
        writes = resource.writes
        if writes is None or resource.name in self.policy.schema.computed or not resource.is_addressable:
            return ()
        if kind == "collection":
            return tuple(method for method in ("POST",) if method in writes.methods)
        if kind == "entity" and self.profile.conditional_writes != "untrusted":
            return tuple(method for method in ("PATCH", "DELETE") if method in writes.methods)
        return ()

    def _write(self, resource: ResourcePolicy, key: tuple[tuple[str, Literal], ...]) -> Write:
        self._check_options("write")
        self._check_reachable(resource)
        method, conditional = self.request.method, self.profile.conditional_writes
        terms, reading = self.levels.at_this_instant(resource), self.profile.reading
        if method == "POST" or conditional == "untrusted":
            return Write(method, resource.name, None, "none", terms, reading)
        assert resource.writes is not None
        target = self.entity(resource, key, resource.writes.tested)
        assert isinstance(target, Read)
        return Write(method, resource.name, target, conditional, terms, reading)

    # --- reads

    def _collection(self, resource: ResourcePolicy) -> Plan:
        query = self.request.query
        if resource.name in self.policy.schema.computed:
            return self._computed("collection", resource)
        pins = self._pins(resource)
        orderby = total_order(resource, query.orderby)
        goes_behind = pins is None and keyset.is_keyset(orderby, resource.type.properties, resource.name, self.profile)
        beside = own_fields(resource) | {item.path.name for item in orderby if goes_behind}
        level = self.levels.level(
            resource, query, here=pins is not None, pinned=pins.condition if pins else TRUE, beside=beside
        )
        self._check_reachable(resource)
        if pins is None:
            if query.count:
                self._require_counts(resource, level)
            if query.skip is not None:
                self._require_skip(resource, level, query.skip)
        skip = self.position.skip if self.position else query.skip or 0
        top = self.position.top if self.position else query.top
        # The number is told once more by each page, and asked for once: it travels in the link.
        page = Page(self.settings.page_size, top, skip, bool(query.count) and self.position is None)
        if self._is_empty(level):
            return Local("collection", page.total, self._context(resource, query))
        if pins is not None:
            return self._gathered("collection", resource, level, pins, page)
        read = self._read("collection", resource, level, replace(level.query, orderby=orderby), page)
        return self._walked(read, resource, level, goes_behind=goes_behind)

    def _computed(self, kind: str, resource: ResourcePolicy, key: tuple[tuple[str, Literal], ...] = ()) -> Read:
        """Rows that the gateway writes itself: no upstream, so everything is exact (C169)."""
        query = self.request.query
        level = self.levels.level(resource, query, here=True)
        check_served(resource)
        skip = self.position.skip if self.position else query.skip or 0
        top = self.position.top if self.position else query.top
        page = Page(self.settings.page_size, top, skip, bool(query.count))
        options = level.options(query, skip=skip, top=top, count=bool(query.count) or kind == "count")
        read = self._read(kind, resource, level, Query(), page)
        # Nobody is believed here, so nobody can contradict.
        record = replace(level.record, believed=TRUE)
        named_key = tuple((name, value.value) for name, value in key)
        return replace(read, record=record, gather=options, computed=True, entity_key=named_key)

    def _walked(self, read: Read, resource: ResourcePolicy, level: Level, *, goes_behind: bool) -> Read:
        """The read with the way in which its pages go on."""
        order = read.ask.orderby
        if goes_behind:
            # Percent-encoded, and each column stands twice: what the longest values would take must fit (C362).
            reserve = 2 * 3 * keyset.longest(order, resource.type.properties) + 200 * len(order)
            goes_behind = fits_address(self.profile, read.ask, reserve) and self._has_or_for(read.ask, resource)
        read = replace(
            read,
            keyset=goes_behind,
            exact=level.exact and not resource.parents and resource.photo is None,
            parents=self.levels.parents(resource),
            ranking=self.levels.ranking(resource, at_hand=False),
        )
        position = self.position
        is_over = not read.exact or read.page.skip > (self.profile.skip_max or 0)
        if keyset.has_windows(self.profile) and not goes_behind and is_over:
            # Rows that do not exist for the key would use the windows up, so how far a list reaches would tell of them.
            raise beyond_windows()
        if position is None:
            return read
        started = position.after is not None or position.cursor is not None or position.passed
        if (position.after is not None and not goes_behind) or (
            position.cursor is not None and not self.profile.is_linked
        ):
            raise stale_link()
        if not started and not read.exact and position.skip:
            raise stale_link()  # it counted rows that are not believed to be all visible any more (C371)
        page = replace(read.page, after=position.after, cursor=position.cursor, passed=position.passed)
        ask = read.ask
        if position.after is not None:
            behind = spelled(self.profile, keyset.behind(ask.orderby, position.after, self.profile, resource.key))
            ask = replace(ask, filter=conjunction(ask.filter, behind))
        return replace(read, page=page, ask=ask)

    def _has_or_for(self, ask: Query, resource: ResourcePolicy) -> bool:
        """Return whether the upstream takes as many ``or`` as a page that begins behind values adds to a question."""
        if self.profile.or_max is None:
            return True
        anywhere = keyset.behind(ask.orderby, [string("")] * len(ask.orderby), self.profile, resource.key)
        return not has_too_many_or(self.profile, replace(ask, filter=conjunction(ask.filter, anywhere)))

    def _gathered(self, kind: str, resource: ResourcePolicy, level: Level, pins: _Pins, page: Page) -> Read:
        """A read of dependent rows that the client itself holds to some parents or keys: all are read, and everything
        that the client says of them is done here, so numbers and windows are exact (D8)."""
        query = self.request.query
        options = level.options(query, skip=page.skip, top=page.top, count=bool(query.count) or kind == "count")
        photo_link = self.levels.photo_link(resource)
        read = self._read(kind, resource, level, replace(level.query, orderby=total_order(resource, ())), page)
        return replace(
            read,
            gather=options,
            by=pins.field,
            parents=self.levels.parents(resource),
            ranking=self.levels.ranking(
                resource, at_hand=photo_link is not None and photo_link.link.target == pins.field
            ),
        )

    def _pins(self, resource: ResourcePolicy) -> _Pins | None:
        """The conjunct that holds a dependent resource to parents or keys, if the client wrote one."""
        if not resource.parents or self.request.query.filter is None:
            return None
        fields = [found.link.target for found in resource.parent_links]
        fields += resource.key if len(resource.key) == 1 else ()
        for term in walk.conjuncts(self.request.query.filter):
            match term:
                case Comparison(Operator.EQ, PropertyPath(name), right) if right.kind is not Kind.NULL:
                    pass
                case In(PropertyPath(name), items) if all(item.kind is not Kind.NULL for item in items):
                    pass
                case _:
                    continue
            field = resource.fields.get(name)
            if name in fields and field is not None and field.condition == TRUE and field.queryable:
                if self.profile.is_unfilterable(resource.name, name):
                    continue
                bound = self.levels.bind(resource, term, Said())
                return _Pins(name, bound)
        return None

    def entity(
        self,
        resource: ResourcePolicy,
        key: tuple[tuple[str, Literal], ...],
        beside: frozenset[str] = frozenset(),
    ) -> Plan:
        if resource.name in self.policy.schema.computed:
            return self._computed("entity", resource, key)
        beside = own_fields(resource) | beside
        level = self.levels.level(resource, self.request.query, pinned=_pinned(key), beside=beside)
        self._check_reachable(resource)
        if self._is_empty(level, _pinned(key)):
            raise not_found()
        read = self._read("entity", resource, level, level.query, Page(1, 1, 0, total=False))
        return self._keyed(read, resource, key)

    def _keyed(self, read: Read, resource: ResourcePolicy, key: tuple[tuple[str, Literal], ...]) -> Read:
        return replace(
            read,
            entity_key=tuple((name, value.value) for name, value in key),
            parents=self.levels.parents(resource),
            ranking=self.levels.ranking(resource, at_hand=False),
        )

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
        ignore = self.settings.unknown_select == "ignore"
        names.check_nested_names(self.policy, target, query, Said(), ignore_unknown=ignore)
        plan, item = self.levels.nested(resource, ExpandItem(name, query), navigation, depth=1, said=Said())
        beside = {plan.link.local, *(path.name for path in walk.properties(plan.condition)), *own_fields(resource)}
        select = Query(select=(SelectItem(resource.key[0]),))
        level = self.levels.level(resource, select, pinned=_pinned(key), beside=frozenset(beside))
        if self._is_empty(level, _pinned(key)):
            raise not_found()
        record = replace(level.record, emitted=(), nested=(plan,))
        chosen = (*level.query.select, *([SelectItem(name)] if plan.embedded else []))
        ask = self.levels.check_length(replace(level.query, select=chosen, expand=() if item is None else (item,)))
        context = self._context(target, self.request.query)
        page = Page(1, 1, 0, total=bool(self.request.query.count))
        return self._keyed(
            Read(kind, resource.name, ask, record, page, f"{resource.name}/{name}", context), resource, key
        )

    def _count(self, resource: ResourcePolicy) -> Plan:
        if resource.name in self.policy.schema.computed:
            return self._computed("count", resource)
        query = replace(self.request.query, select=(SelectItem(resource.key[0]),))
        pins = self._pins(resource)
        level = self.levels.level(
            resource, query, here=pins is not None, pinned=pins.condition if pins else TRUE, beside=own_fields(resource)
        )
        self._check_reachable(resource)
        if pins is None:
            self._require_counts(resource, level)
        if self._is_empty(level):
            return Local("count", total=True)
        page = Page(1, 1, 0, total=True)
        if pins is not None:
            return self._gathered("count", resource, level, pins, page)
        return self._read("count", resource, level, level.query, page)

    def _check_reachable(self, resource: ResourcePolicy) -> None:
        check_served(resource)
        if not resource.is_addressable:
            raise not_offered("reading dependent resources other than by $expand of their parent")

    def _require_counts(self, resource: ResourcePolicy, level: Level) -> None:
        """Numbers and windows cannot be verified record by record, so every atom must be trusted (C289, C371)."""
        if not self.profile.trusts_kind("counts", resource.name):
            raise not_offered("$count")
        self._require_exact(resource, level, "$count")
        if not self.profile.trusts(level.client, resource.name):
            raise not_offered("$count")

    def _require_skip(self, resource: ResourcePolicy, level: Level, skip: int) -> None:
        self._require_exact(resource, level, "$skip")
        if self.profile.skip_max is not None and skip > self.profile.skip_max:
            raise invalid_query(f"`$skip` must not be above {self.profile.skip_max}", "$skip")

    @staticmethod
    def _require_exact(resource: ResourcePolicy, level: Level, what: str) -> None:
        if not level.exact or resource.parents or resource.photo is not None:
            raise not_offered(what)

    def _is_empty(self, level: Level, pinned: Expression = TRUE) -> bool:
        known = conjunction(level.rule.condition, level.guard.condition, pinned, level.client)
        return is_contradiction(known, self.profile.normal)

    def _read(self, kind: str, resource: ResourcePolicy, level: Level, ask: Query, page: Page) -> Read:
        return Read(
            kind,
            resource.name,
            self.levels.check_length(ask),
            level.record,
            page,
            canonical_text(resource.name, self._without_unknown(resource, self.request.query)),
            self._context(resource, self.request.query),
            client=level.local,
        )

    def _without_unknown(self, resource: ResourcePolicy, query: Query) -> Query:
        """The query with one word for all names that were passed over: a link must not tell hidden from unknown by its
        bytes (C271). The word is no name of any model, so a list that has nothing else selects nothing again."""
        if self.settings.unknown_select == "reject":
            return query
        known = {"*", *resource.fields, *resource.navigation}
        chosen = dict.fromkeys(item.name if item.name in known else "_" for item in query.select)
        below = tuple(
            replace(item, query=self._without_unknown(self.policy.resources[navigation.target], item.query))
            for item in query.expand
            if (navigation := resource.navigation.get(item.name)) is not None
        )
        return replace(query, select=tuple(SelectItem(name) for name in chosen), expand=below)

    def _context(self, resource: ResourcePolicy, query: Query) -> str:
        """The fragment of the context URL (OData Protocol, 10): the client's own projection, in its own order, with
        what is expanded; names that were passed over are not in it (C94)."""
        listed = [item.name for item in query.select]
        if "*" in listed:
            listed = ["*"] if query.expand else []
        known = [name for name in listed if name == "*" or name in resource.fields or name in resource.navigation]
        expanded = {item.name: item.query for item in query.expand}
        parts = [name for name in known if name not in expanded]
        for name, below in expanded.items():
            target = self.policy.resources[resource.navigation[name].target]
            inner = self._context(target, below).partition("(")[2].removesuffix(")")
            parts.append(f"{name}({inner})")
        return f"{resource.name}({','.join(parts)})" if parts or listed else resource.name


def _pinned(key: tuple[tuple[str, Literal], ...]) -> Expression:
    return conjunction(*(Comparison(Operator.EQ, PropertyPath(name), value) for name, value in key))
