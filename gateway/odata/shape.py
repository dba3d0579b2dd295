"""The shape of a query for the decision log: names and operators, never a value (C257)."""

from __future__ import annotations

from dataclasses import replace

from gateway.odata import literals, walk
from gateway.odata.ast import Expression, In, Lambda, Query
from gateway.odata.literals import Literal
from gateway.odata.printer import query_options
from gateway.odata.walk import Atom

_HIDDEN = literals.string("?")


def query_shape(query: Query) -> str:
    """The options in canonical order, every literal as ``'?'``, tokens left out."""
    return "&".join(f"{name}={text}" for name, text in query_options(_without_values(query)))


def _without_values(query: Query) -> Query:
    return replace(
        query,
        filter=None if query.filter is None else _expression_shape(query.filter),
        expand=tuple(replace(item, query=_without_values(item.query)) for item in query.expand),
        skiptoken=None,
    )


def _expression_shape(expression: Expression) -> Expression:
    shaped = walk.replace_literals(expression, _literal)
    return walk.replace_atoms(shaped, _atom)


def _atom(atom: Atom) -> Expression:
    match atom:
        case In():
            return replace(atom, items=(_HIDDEN,))
        case Lambda(variable=variable) if variable:
            renamed = walk.rename_variable(atom, "x")
            return replace(renamed, predicate=_expression_shape(renamed.predicate))
        case _:
            return atom


def _literal(literal: Literal) -> Literal:
    return literal if literal.value is None else _HIDDEN
