"""Row rules: which rows of a resource exist for a key (P5)."""

from __future__ import annotations

from gateway.odata.ast import TRUE, Comparison, Expression, Lambda, Not, Operator, PropertyPath, Quantifier
from gateway.odata.literals import Literal, boolean, number, string
from gateway.policy.conditions import Binder, UnfitError, null_safe
from gateway.policy.documents import Source, Syndication
from gateway.policy.inputs import Inputs
from gateway.policy.model import Origin, RulePart


def row_rule(inputs: Inputs, resource: str) -> tuple[RulePart, ...] | None:
    """The conjuncts of a resource's row rule, each with its origin; None where one cannot be decided here.

    The template's filter stands in place of the role's; what a role or the gateway says ``always`` holds is added to
    either, and the syndication to listings.
    """
    parts = [
        *_replaceable(inputs, resource),
        *_always(inputs, resource),
        *(
            [_syndicated(inputs, resource, inputs.syndication)]
            if inputs.syndication and "Property" in inputs.kinds(resource)
            else []
        ),
    ]
    if None in parts:
        return None
    return tuple(part for part in parts if part is not None and part.expression != TRUE)


def _replaceable(inputs: Inputs, resource: str) -> list[RulePart | None]:
    """The template's filter, else the role's. A set without one of its own is under that of the set or type whose
    records it shares; the template replaces only a filter that is not more specific than its own."""
    parts: list[RulePart | None] = []
    distance, given = inputs.template_filters(resource)
    for word, entry in given:
        assert inputs.template is not None
        if entry.Filter is not None:
            place = ("RestrictiveFilters", word, "Filter")
            parts.append(_part(inputs, resource, entry.Filter, inputs.template.source, place))
    role_distance, filters = inputs.role_filters(resource)
    if not given or role_distance < distance:
        parts += [
            _part(inputs, resource, text, inputs.role.source, ("Resources", word, "Filter")) for word, text in filters
        ]
    return parts


def _always(inputs: Inputs, resource: str) -> list[RulePart | None]:
    return [
        _part(inputs, resource, text, inputs.role.source, ("Resources", word, "Always", str(position)))
        for word, entry in inputs.role.document.Resources.items()
        if inputs.distance(word, resource) is not None
        for position, text in enumerate(entry.Always)
    ] + [
        _part(inputs, resource, text, inputs.gateway.source, ("policy", "always", word, str(position)))
        for word, texts in inputs.gateway.always.items()
        if inputs.protects(word, resource)
        for position, text in enumerate(texts)
    ]


def _part(inputs: Inputs, resource: str, text: str, source: Source, path: tuple[str, ...]) -> RulePart | None:
    expression = inputs.condition(resource, text, source, path)
    return None if expression is None else RulePart(expression, Origin(source.file, (*source.prefix, *path)))


def _syndicated(inputs: Inputs, resource: str, syndication: Syndication) -> RulePart | None:
    """Opt-in: the field holds the value. Opt-out: it definitely does not; null proves nothing (C338)."""
    document, source = syndication.document, syndication.source
    properties = inputs.schema.type_of(resource).properties
    declared = properties.get(document.Field)
    if declared is None:
        inputs.report.add(source, ("Field",), f"`{document.Field}` is no field of the upstream's `{resource}`")
        return None
    path, value = PropertyPath(document.Field), _literal(document.Value)
    holds: Expression = Comparison(Operator.EQ, path, value)
    if declared.type.is_collection:
        holds = Lambda(Quantifier.ANY, path, "x", Comparison(Operator.EQ, PropertyPath("x"), value))
    try:
        bound = Binder(inputs.schema, properties.get).bind(Not(holds) if document.Mode == "opt_out" else holds)
    except UnfitError as error:
        inputs.report.add(source, ("Value",), f"`{error.name}` {error.message}")
        return None
    return RulePart(null_safe(bound), Origin(source.file, (*source.prefix, "Field")))


def _literal(value: str | bool | int) -> Literal:
    if isinstance(value, bool):
        return boolean(value)
    return number(value) if isinstance(value, int) else string(value)
