"""Why a request is answered as it is: what a plan asks, which rules fired, and what the answer will lose.

Derived from the very plan that is carried out, so it cannot tell another story (DESIGN sections 3 and 14).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from gateway.odata.ast import TRUE, ExpandItem, Query, conjunction
from gateway.odata.printer import print_expression, query_options
from gateway.odata.walk import named
from gateway.policy.model import Origin, Policy, ResourcePolicy
from gateway.policy.plan import NestedPlan, Plan, Read, RecordPlan, Write


@dataclass(frozen=True, slots=True)
class Because:
    """One thing that a rule does: to which resource, what, and where the rule was written (None: built in)."""

    resource: str
    text: str
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """``kind`` of the plan; ``asked`` are the options of the upstream request, not encoded, without paging.

    ``joins`` are the second reads: what of, by which field, and with which condition beside its values; ``here`` what
    is applied by the gateway and not by the upstream. ``rules`` are row rules, ``guards`` what the named fields
    demand, ``withheld`` what is fetched for policy alone, ``lost`` what is taken from records that are permitted.
    ``writes`` is what the body of a write is held to; what is asked is then the record that it changes.
    """

    kind: str
    resource: str
    canonical: str
    asked: tuple[tuple[str, str], ...] = ()
    joins: tuple[Because, ...] = ()
    here: tuple[Because, ...] = ()
    rules: tuple[Because, ...] = ()
    guards: tuple[Because, ...] = ()
    withheld: tuple[Because, ...] = ()
    lost: tuple[Because, ...] = ()
    writes: tuple[Because, ...] = ()


def explain(plan: Plan, policy: Policy, query: Query) -> Explanation:
    """The explanation of a plan.

    Args:
        query: of the client, as it was parsed; the guard follows from the names in it.
    """
    if isinstance(plan, Write):
        found = explain(plan.target, policy, query) if plan.target is not None else Explanation("", "", "")
        said = tuple(_written(plan.method, policy.resources[plan.resource]))
        return replace(found, kind=plan.method, resource=plan.resource, canonical="", writes=said)
    if not isinstance(plan, Read):
        return Explanation(plan.kind, plan.context.partition("(")[0], "answered without asking the upstream")
    below = plan.kind in ("navigation", "navigation count", "single")
    top = Query(expand=(ExpandItem(plan.record.nested[0].name, query),)) if below else query
    levels = list(_levels(plan.record, policy))
    return Explanation(
        plan.kind,
        plan.resource,
        plan.canonical,
        tuple(query_options(plan.ask)),
        tuple(dict.fromkeys(_joins(plan))),
        tuple(_here(plan)),
        tuple(Because(level.name, print_expression(part.expression), part.origin)
              for _, level in levels for part in level.parts),
        tuple(_guards(plan.record, policy, top)),
        tuple(Because(level.name, ", ".join(names)) for record, level in levels if (names := _withheld(record))),
        tuple(lost for record, level in levels for lost in _lost(record, level)),
    )  # fmt: skip


def _written(method: str, resource: ResourcePolicy) -> Iterator[Because]:
    """What a body may say, and what it must."""
    writes = resource.writes
    assert writes is not None
    name = resource.name

    yield Because(name, "allowed", writes.origin)
    if method == "DELETE":
        return

    def said(text: str) -> Because:
        return Because(name, text, writes.entry)

    once = () if method == "POST" else writes.created_only
    yield said("may name " + ", ".join(sorted(field for field in writes.fields if field not in once)))
    if writes.control:
        yield said("takes and never shows " + ", ".join(sorted(writes.control)))
    if writes.required.get(method):
        yield said("must name " + ", ".join(writes.required[method]))
    for field, target in sorted(writes.references.items()):
        yield said(f"{field} names a row of {target} that exists for the key")
    for field, binding in sorted(writes.bound.items()):
        yield said(f"{field} is the key's own {binding}, where it has one")
    if writes.create_outside if method == "POST" else writes.allow_leaving:
        yield said("need not satisfy the row rule afterwards")


def _joins(read: Read) -> Iterator[Because]:
    """The second reads of a read, those of what is expanded with them."""
    for parent in read.parents or ():
        yield _join("parents", parent.read)
        yield from _joins(parent.read)
    if read.ranking is not None and read.ranking.read is not None:
        yield _join("photo ranks", read.ranking.read)
    for nested in _all_nested(read.record):
        if not nested.inline and not nested.empty:
            yield _join(nested.name, nested.read)
            yield from _joins(replace(nested.read, record=replace(nested.read.record, nested=())))


def _join(purpose: str, read: Read) -> Because:
    condition = "" if read.ask.filter is None else f" and {print_expression(read.ask.filter)}"
    return Because(read.resource, f"{purpose}, by {read.by} in (...){condition}")


def _all_nested(record: RecordPlan) -> Iterator[NestedPlan]:
    for nested in record.nested:
        yield nested
        yield from _all_nested(nested.record)


def _here(read: Read) -> Iterator[Because]:
    """What the upstream is not asked, or not believed."""
    if read.client != TRUE:
        yield Because(read.resource, f"the client's {print_expression(read.client)}")
    if read.record.believed != conjunction(read.record.rule, read.record.guard):
        yield Because(read.resource, "rule and guard, as far as the upstream is not trusted with them")
    if read.gather is not None:
        yield Because(read.resource, "all of the client's options, on whole lists")


def _levels(record: RecordPlan, policy: Policy) -> Iterator[tuple[RecordPlan, ResourcePolicy]]:
    yield record, policy.resources[record.resource]
    for nested in record.nested:
        yield from _levels(nested.record, policy)


def _guards(record: RecordPlan, policy: Policy, query: Query) -> Iterator[Because]:
    """Each conditional member that filter or order of a level names, with the condition that its name adds."""
    resource = policy.resources[record.resource]
    for name in dict.fromkeys(path.name for path in named(query)):
        member = resource.fields[name] if name in resource.fields else resource.navigation[name]
        if member.condition != TRUE:
            yield Because(resource.name, f"{name} demands {print_expression(member.condition)}", member.origin)
    expanded = {item.name: item.query for item in query.expand}
    for nested in record.nested:
        yield from _guards(nested.record, policy, expanded.get(nested.name, Query()))


def _withheld(record: RecordPlan) -> list[str]:
    emitted = {field.property.name for field in record.emitted}
    return [name for name in record.types if name not in emitted]


def _lost(record: RecordPlan, resource: ResourcePolicy) -> Iterator[Because]:
    for field in record.emitted:
        name = field.property.name
        origin = resource.fields[name].origin
        if field.condition != TRUE:
            yield Because(resource.name, f"{name} unless {print_expression(field.condition)}", origin)
        if field.clamp is not None:
            yield Because(resource.name, f"{name} above {field.clamp}", Origin("ListingPhotoLimit"))
    for nested in record.nested:
        yield from _lost_of_nested(nested, resource)


def _lost_of_nested(nested: NestedPlan, resource: ResourcePolicy) -> Iterator[Because]:
    if nested.condition != TRUE:
        origin = resource.navigation[nested.name].origin
        yield Because(resource.name, f"{nested.name} unless {print_expression(nested.condition)}", origin)
    if nested.photo is not None:
        yield Because(
            nested.record.resource, f"photos after the first {nested.photo.limit}", Origin("ListingPhotoLimit")
        )
