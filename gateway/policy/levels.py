"""One level of a read: what its records become, what is asked of the upstream, and which second reads it takes.

Every way to a row, at every depth, goes through ``Levels``: so the rule of a resource, its parents and its photo limit
hold wherever its rows are reached from (C13, C24).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType

from gateway.errors import Code, Refusal, invalid_query, not_offered
from gateway.odata import walk
from gateway.odata.ast import (
    FALSE,
    TRUE,
    Comparison,
    ExpandItem,
    Expression,
    In,
    Lambda,
    Operator,
    OrderByItem,
    PropertyPath,
    Query,
    SelectItem,
    conjunction,
    disjunction,
)
from gateway.odata.csdl import Property
from gateway.odata.enumerations import MemberTexts
from gateway.odata.literals import NULL, EnumValue, Kind, Literal, Timestamp, string
from gateway.odata.parser import parse_filter
from gateway.policy import names
from gateway.policy.conditions import Binder, enum_member, fold_now, is_contradiction
from gateway.policy.inputs import rule_text
from gateway.policy.model import NavigationPolicy, ParentLink, PhotoRule, Policy, ResourcePolicy
from gateway.policy.names import Said
from gateway.policy.plan import EmittedField, LocalOptions, NestedPlan, Page, ParentJoin, Ranking, Read, RecordPlan
from gateway.policy.profile import Link, Profile
from gateway.policy.pushdown import Pushed, push
from gateway.policy.settings import AnswerSettings
from gateway.policy.spelling import fits_address, has_too_many_or, spelled

#: Reads within reads within reads: a chain of parents longer than this is a circle.
_MAX_CHAIN = 6


#: The profile's conditions are the same for every request.
_parsed = lru_cache(maxsize=64)(parse_filter)


@dataclass(frozen=True, slots=True)
class Level:
    """``client`` is the client's own filter, bound; ``local`` the part of it that is evaluated here. ``rule`` and
    ``guard`` say how far the upstream is believed."""

    record: RecordPlan
    query: Query
    client: Expression
    local: Expression
    rule: Pushed
    guard: Pushed
    #: Whether the upstream is trusted to send each record of the set once, and nothing else.
    believed_whole: bool

    def options(self, query: Query, *, skip: int, top: int | None, count: bool) -> LocalOptions:
        """The client's own options of this level, to be applied here."""
        return LocalOptions(self.guard.condition, self.client, query.orderby, skip, top, count)

    @property
    def exact(self) -> bool:
        """Whether the upstream selects the very rows that exist for the key, as far as it is believed."""
        return self.believed_whole and self.rule.exact and self.guard.exact and self.local == TRUE


@dataclass(frozen=True, slots=True)
class Levels:
    policy: Policy
    profile: Profile
    settings: AnswerSettings
    now: Timestamp

    # --- one level

    def level(
        self,
        resource: ResourcePolicy,
        query: Query,
        depth: int = 1,
        *,
        pinned: Expression = TRUE,
        said: Said | None = None,
        here: bool = False,
        beside: frozenset[str] = frozenset(),
    ) -> Level:
        """Resolves the names of one level and gives what is asked, emitted and verified there.

        The order is that of CHANNELS section 2: all names of the level, then literals, then guards.

        Args:
            pinned: a condition of the gateway's own: the key of the one record that is read.
            here: whether the client's filter, and the guard that it takes, are applied here and to whole lists.
            beside: fields that are fetched beside all that the level itself needs.
        """
        said = said or Said(nested=depth > 1)
        ignore = self.settings.unknown_select == "ignore"
        query = names.with_selected_lists(resource, query, self.policy.schema.embedded_in(resource.name))
        names.check_filter_names(self.policy, resource, query.filter, said)
        names.check_orderby_names(resource, query.orderby, said)
        chosen = names.selected(resource, query.select, said, ignore_unknown=ignore)
        expands = names.expanded(self.policy, resource, query.expand, said, ignore_unknown=ignore)
        client = TRUE if query.filter is None else self.bind(resource, query.filter, said)
        guard = self._guard(resource, query, client, said)
        self._check_filterable(resource, query, client, said, here=here)
        self._check_far(resource, client, said, here=here)
        nested = tuple(self.nested(resource, item, navigation, depth) for item, navigation in expands)
        emitted = tuple(
            EmittedField(field.property, self.folded(field.condition), field.clamp)
            for name, field in resource.fields.items()
            if name in chosen
        )
        rule = push(self.folded(resource.rule), resource.name, self.profile)
        if resource.unpushed != TRUE:
            rule = replace(rule, condition=conjunction(rule.condition, resource.unpushed))
        guarded = push(guard, resource.name, self.profile)
        local, pushed_client = (TRUE, TRUE) if here else self._client_parts(resource, client)
        asked_guard, verified_guard = (TRUE, TRUE) if here else (guarded.asked, guard)
        needed = {
            *beside,
            *_needed(resource, emitted, tuple(plan for plan, _ in nested), guard),
            *(path.name for path in (walk.named(query) if here else walk.properties(local))),
        }
        types = {name: declared for name, declared in resource.type.properties.items() if name in needed}
        record = RecordPlan(
            resource.name,
            resource.key,
            rule.condition,
            verified_guard,
            rule.believed if here else conjunction(rule.believed, guarded.believed),
            emitted,
            tuple(plan for plan, _ in nested),
            MappingProxyType(types),
            self.profile.reading,
            self._displays(types),
            self.profile.omits_nulls,
        )
        return Level(
            record,
            Query(
                filter=spelled(self.profile, self._mandatory(resource), rule.asked, asked_guard, pinned, pushed_client),
                select=tuple(
                    SelectItem(name) for name in (*types, *(plan.name for plan, _ in nested if plan.embedded))
                ),
                expand=tuple(item for _, item in nested if item is not None),
            ),
            client,
            local,
            rule,
            guarded,
            self.profile.trusts_kind("comparisons", resource.name),
        )

    def bind(self, resource: ResourcePolicy, expression: Expression, said: Said) -> Expression:
        literal = self.profile.patterns == "literal"
        places = self.profile.trusts_kind("geo", resource.name)
        bound = names.bind(self.policy, resource, expression, said, backslash_is_literal=literal, places=places)
        return self.folded(bound)

    def at_this_instant(self, resource: ResourcePolicy) -> ResourcePolicy:
        """The policy of a resource with ``now()`` as the instant of the request, as every read has it."""
        fields = {
            name: replace(field, condition=self.folded(field.condition)) for name, field in resource.fields.items()
        }
        navigation = {
            name: replace(policy, condition=self.folded(policy.condition))
            for name, policy in resource.navigation.items()
        }
        return replace(
            resource,
            parts=tuple(replace(part, expression=self.folded(part.expression)) for part in resource.parts),
            rule=self.folded(resource.rule),
            unpushed=self.folded(resource.unpushed),
            fields=MappingProxyType(fields),
            navigation=MappingProxyType(navigation),
        )

    def folded(self, condition: Expression) -> Expression:
        return fold_now(condition, self.now)

    def _client_parts(self, resource: ResourcePolicy, client: Expression) -> tuple[Expression, Expression]:
        """What of the client's filter is evaluated here, and what is asked of the upstream.

        What the upstream is not trusted with is both: asked, so that little comes, and evaluated on what came.
        """
        terms = tuple(walk.conjuncts(client))
        cannot = [term for term in terms if self.profile.cannot_filter(resource.name, term)]
        local = [term for term in terms if term in cannot or not self.profile.trusts(term, resource.name)]
        if not cannot:
            return conjunction(*local), client
        return conjunction(*local), conjunction(*(term for term in terms if term not in cannot))

    def _check_filterable(
        self, resource: ResourcePolicy, query: Query, client: Expression, said: Said, *, here: bool
    ) -> None:
        """What the upstream cannot filter or sort by is refused from the name alone (C354, C359)."""
        for item in query.orderby:
            if self.profile.is_unfilterable(resource.name, item.path.name) and not here:
                raise said.unfit("$orderby", item.path.name, item.path.position, "cannot be searched or sorted by")
        if here or self.profile.client_scan:
            return
        for atom in walk.atoms(client):
            if self.profile.cannot_filter(resource.name, atom):
                path = walk.place_of(atom)
                raise said.unfit("$filter", path.name, path.position, "cannot be searched or sorted by")

    def _check_far(self, resource: ResourcePolicy, client: Expression, said: Said, *, here: bool) -> None:
        """What only the upstream can decide may be asked where all that it looks at is visible on every row, and where
        it is trusted with the whole of what is asked: nothing of that is verified here, so nothing may hang on it
        (C34, C36, D5)."""
        for term in walk.conjuncts(client):
            far = [atom for atom in walk.atoms(term) if walk.is_far(atom)]
            if not far:
                continue
            if here or self.profile.cannot_filter(resource.name, term) or not self.profile.trusts(term, resource.name):
                path = walk.place_of(far[0])
                raise said.unfit("$filter", path.name, path.position, "cannot be searched here")
            for atom in far:
                if isinstance(atom, Lambda):
                    self._check_rows(resource, atom, said)

    def _check_rows(self, resource: ResourcePolicy, atom: Lambda, said: Said) -> None:
        """The rows behind a navigation are searched only where each row that belongs to a visible record exists for
        the key, with each field that is named."""
        target = self.policy.resources[atom.target]
        link = resource.navigation[atom.path.name].link
        follows = not target.parents or resource.is_any_of(target.parents)
        # Rows that the gateway writes itself are others than the upstream's own of that name (C169).
        is_computed = target.name in self.policy.schema.computed
        if link is None or target.broken or is_computed or not follows or target.has_own_rule:
            raise said.unfit("$filter", atom.path.name, atom.path.position, "cannot be searched here")
        for path in walk.properties(atom.predicate):
            field = target.fields[path.name]
            if not field.queryable or field.condition != TRUE:
                raise said.unfit("$filter", path.name, path.position, "cannot be searched or sorted by")

    def _guard(self, resource: ResourcePolicy, query: Query, client: Expression, said: Said) -> Expression:
        """The conjunction of the conditions of every conditional field that filter or order names (D4)."""
        conditions: dict[Expression, None] = {}
        for path in walk.named(query):
            condition = resource.condition_of(path.name)
            if condition != TRUE:
                conditions[condition] = None
        guard = self.folded(conjunction(*conditions))
        if guard == TRUE:
            return guard
        refused = is_contradiction(guard, self.profile.normal)
        if self.policy.strict and not refused:
            refused = not all(_implied(term, client) for term in walk.conjuncts(guard))
        if refused:
            path = next(path for path in walk.named(query) if resource.condition_of(path.name) != TRUE)
            in_filter = query.filter is not None and path in set(walk.properties(query.filter))
            raise said.unknown("$filter" if in_filter else "$orderby", path.name, path.position)
        return guard

    def _displays(self, types: Mapping[str, Property]) -> Mapping[str, MemberTexts]:
        """Return the texts of the members, for the enumerations among the fetched fields."""
        enums = self.policy.schema.enum_types
        return MappingProxyType(
            {name: enums[declared.type.name].texts for name, declared in types.items() if declared.type.name in enums}
        )

    # --- what is printed

    def _mandatory(self, resource: ResourcePolicy) -> Expression:
        text = self.profile.mandatory_filter.get(resource.name)
        if text is None:
            return TRUE
        binder = Binder(self.policy.schema, resource.type.properties.get, backslash_is_literal=True)
        return binder.bind(_parsed(rule_text(text)))

    def check_length(self, ask: Query) -> Query:
        """The query as it fits the upstream; what does not is refused before it is asked, whatever the data."""
        if has_too_many_or(self.profile, ask):
            raise invalid_query("`$filter` has more alternatives than the service behind this gateway takes", "$filter")
        if fits_address(self.profile, ask):
            return ask
        if self.profile.select == "omit":
            ask = replace(ask, select=())
            if fits_address(self.profile, ask):
                return ask
        raise Refusal(Code.URI_TOO_LONG, "the request is too long for the service behind this gateway")

    # --- what is expanded

    def nested(
        self,
        parent: ResourcePolicy,
        item: ExpandItem,
        navigation: NavigationPolicy,
        depth: int,
        *,
        said: Said | None = None,
    ) -> tuple[NestedPlan, ExpandItem | None]:
        """The plan of an expanded navigation property, and how it is asked for inside the record, if it is."""
        target = self.policy.resources[navigation.target]
        query = item.query
        is_collection = navigation.navigation.type.is_collection
        if depth > self.settings.expand_depth:
            raise not_offered("$expand to this depth")
        if not is_collection and query != Query(select=query.select, expand=query.expand):
            message = f"`$expand`: `{item.name}` is a single record and takes $select and $expand only"
            raise invalid_query(message, "$expand")
        check_served(target)
        if navigation.link is None or target.name in self.policy.schema.computed:
            raise not_offered("$expand of this navigation property")
        is_child = not target.parents or parent.is_any_of(target.parents)
        photo = target.photo if "Property" in parent.kinds and is_child else None
        order = target.fields.get("Order") if "Media" in target.kinds else None
        order_name = order.property.name if order is not None and order.condition == TRUE else None
        beside = {
            *navigation.link.target_fields,
            *([order_name] if order_name else []),
            *_photo_fields(photo),
        }
        level = self.level(target, query, depth + 1, said=said, here=True, beside=frozenset(beside))
        if is_child:
            level = _below(level, parent, target)
        options = level.options(query, skip=query.skip or 0, top=query.top, count=bool(query.count))
        read = self._join(target, level, navigation.link, follows=not is_child, ranked=not is_child)
        # A filter inside $expand is legal on lists only; a row that may have to be read otherwise is never asked for.
        whole = is_child and (is_collection or not target.is_restricted)
        embedded = (parent.name, item.name) in self.policy.schema.embedded
        inline = embedded or (whole and self.profile.trusts_kind("nested", target.name))
        if not inline and self.profile.is_unfilterable(target.name, navigation.link.target):
            raise not_offered("$expand of this navigation property")  # its rows could not be asked for
        plan = NestedPlan(
            item.name,
            is_collection,
            navigation.link,
            level.record,
            self.folded(navigation.condition),
            read,
            inline,
            photo,
            order_name,
            options,
        )
        if is_contradiction(level.rule.condition, self.profile.normal):
            return replace(plan, empty=True), None
        if embedded:
            # Nothing was asked of these rows, so none of them contradicts anything.
            record = replace(level.record, believed=TRUE)
            return replace(plan, embedded=True, record=record), None
        if not inline:
            return plan, None
        rule = level.rule.asked if is_collection else TRUE
        asked = Query(
            filter=spelled(self.profile, rule),
            select=level.query.select,
            expand=level.query.expand,
            count=True if is_collection else None,
        )
        return plan, ExpandItem(item.name, asked)

    # --- second reads

    def parents(self, child: ResourcePolicy, trail: int = 0) -> tuple[ParentJoin, ...] | None:
        """The reads that find the parents of a dependent resource's rows; None where its rows follow nothing (P6)."""
        if not child.parents:
            return None
        return tuple(
            ParentJoin(
                found.link,
                self._by(self.policy.resources[found.resource], found.link.local, trail + 1),
                found.condition,
            )
            for found in child.parent_links
            if self._can_have_rows(found.resource) and trail < _MAX_CHAIN
        )

    def _can_have_rows(self, resource: str) -> bool:
        """Whether any row of a resource could exist for the key: where none can, nobody is asked for one."""
        parent = self.policy.resources[resource]
        return not parent.broken and not is_contradiction(self.folded(parent.rule), self.profile.normal)

    def ranking(self, media: ResourcePolicy, *, at_hand: bool) -> Ranking | None:
        """The photo limit of rows that are read in their own right. ``at_hand``: they are complete lists themselves."""
        if media.photo is None:
            return None
        found = self.photo_link(media)
        link = media.photo.link if found is None else found.link
        if link is None:
            return None
        level = self.level(media, Query(select=(SelectItem(media.key[0]),)), here=True, beside=own_fields(media))
        return Ranking(media.photo, link, None if at_hand else self._join(media, level, link))

    def photo_link(self, media: ResourcePolicy) -> ParentLink | None:
        """Return the link by which photos name the listing that they follow; None where they follow no listing."""
        return next(
            (found for found in media.parent_links if "Property" in self.policy.resources[found.resource].kinds), None
        )

    def _by(self, resource: ResourcePolicy, field: str, trail: int) -> Read:
        """The rows of a resource that hold one of some values in a field."""
        query = Query(select=(SelectItem(resource.key[0]),))
        level = self.level(resource, query, here=True, beside=frozenset({field}) | resource.link_fields)
        # A photo past the limit is nothing that other rows could follow.
        return self._join(resource, level, Link(local=field, target=field), follows=True, ranked=True, trail=trail)

    def _join(
        self,
        target: ResourcePolicy,
        level: Level,
        link: Link,
        *,
        follows: bool = False,
        ranked: bool = False,
        trail: int = 0,
    ) -> Read:
        """A read by the values of ``link.target``. ``follows``: its rows must have parents that exist, of which the
        reader's own record is none; ``ranked``: they are under the photo limit of some listing."""
        record, query = level.record, level.query
        parents = self.parents(target, trail) if follows else None
        ranking = self.ranking(target, at_hand=False) if ranked else None
        if parents is not None or ranking is not None:
            extra = own_fields(target)
            types = {
                name: kind for name, kind in target.type.properties.items() if name in record.types or name in extra
            }
            record = replace(record, types=MappingProxyType(types))
            query = replace(query, select=tuple(SelectItem(name) for name in types))
        kind = self._discriminated(target, link)
        asked = query.filter
        if kind is not None:
            asked = conjunction(asked, spelled(self.profile, kind))
        return Read(
            "join",
            target.name,
            replace(query, filter=asked, orderby=total_order(target, ())),
            record,
            Page(self.settings.page_size, None, 0, total=False),
            parents=parents,
            ranking=ranking,
            by=link.target,
        )

    def _discriminated(self, target: ResourcePolicy, link: Link) -> Expression | None:
        """``ResourceName`` is one of the link's values, where the upstream can filter by that. It saves rows: what
        decides is the proof that a row belongs (C333, C357)."""
        if link.discriminator is None or self.profile.is_unfilterable(target.name, link.discriminator):
            return None
        declared = target.type.properties[link.discriminator]
        enum = self.policy.schema.enum_types.get(declared.type.name)
        literals = []
        for text in link.values:
            member = enum_member(enum, text) if enum is not None else None
            if enum is not None and member is None:
                return None
            literals.append(string(text) if enum is None else Literal(Kind.ENUM, EnumValue(enum.name, member or text)))
        path = PropertyPath(link.discriminator)
        return disjunction(*(Comparison(Operator.EQ, path, literal) for literal in literals))


def _below(level: Level, parent: ResourcePolicy, target: ResourcePolicy) -> Level:
    """The level with what only rows of this parent must satisfy: another set of its kind may show other fields, so its
    history tells others."""
    conditions = [found.condition for found in target.parent_links if found.resource == parent.name]
    if not target.parents or conditions == [TRUE]:
        return level
    rule = conjunction(level.record.rule, *(conditions or [FALSE]))
    return replace(level, record=replace(level.record, rule=rule))


def total_order(resource: ResourcePolicy, items: tuple[OrderByItem, ...]) -> tuple[OrderByItem, ...]:
    """An order made total by the key: storage order never shows (C71)."""
    named = {item.path.name for item in items}
    return (*items, *(OrderByItem(PropertyPath(name)) for name in resource.key if name not in named))


def check_served(resource: ResourcePolicy) -> None:
    """A resource whose rule cannot be decided on this upstream is denied, whatever way leads to it (P10)."""
    if resource.broken:
        raise unserved()


def unserved() -> Refusal:
    """Return the refusal for a resource that exists for the key and cannot be served from this upstream."""
    return Refusal(Code.UNAVAILABLE, "this resource cannot be served at present", headers={"Retry-After": "60"})


def own_fields(resource: ResourcePolicy) -> frozenset[str]:
    """What is fetched of rows that are read in their own right, beside what rule and client need."""
    return resource.link_fields | _photo_fields(resource.photo)


def _photo_fields(photo: PhotoRule | None) -> frozenset[str]:
    return frozenset(name for name in (photo.category, photo.order) if name) if photo else frozenset()


def _needed(
    resource: ResourcePolicy, emitted: tuple[EmittedField, ...], nested: tuple[NestedPlan, ...], guard: Expression
) -> set[str]:
    """Everything to fetch: what is emitted, and what policy needs to decide on it (withheld)."""
    needed = set(resource.key)
    for field in emitted:
        needed.add(field.property.name)
        needed.update(path.name for path in walk.properties(field.condition))
    for plan in nested:
        needed.add(plan.link.local)
        needed.update(path.name for path in walk.properties(plan.condition))
    for expression in (resource.rule, resource.unpushed, guard):
        needed.update(path.name for path in walk.properties(expression))
    return needed


def _implied(condition: Expression, client: Expression) -> bool:
    """Whether a conjunct of the client's filter alone implies a condition (C243)."""
    allowed = _values(condition)
    for term in walk.conjuncts(client):
        if term == condition:
            return True
        found = _values(term)
        if allowed is not None and found is not None and found[0] == allowed[0] and found[1] <= allowed[1]:
            return True
        if condition == FALSE:
            return False
        # ``F ne null`` is what any comparison of F with a value implies.
        if found is not None and condition == Comparison(Operator.NE, found[0], NULL):
            return True
    return False


def _values(term: Expression) -> tuple[PropertyPath, frozenset[object]] | None:
    """The property that a term holds to some values, and those values."""
    match term:
        case Comparison(Operator.EQ, PropertyPath() as path, right) if right.kind is not Kind.NULL:
            return path, frozenset({right.value})
        case In(PropertyPath() as path, items):
            return path, frozenset(item.value for item in items)
        case _:
            return None
