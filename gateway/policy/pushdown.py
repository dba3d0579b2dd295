"""Which part of a rule the upstream is asked to apply, and which part of that it is believed to have applied.

Rules and guards are enforced here on every record whatever is asked (D6). What is pushed must never take away a record
that is permitted, so an atom that the upstream may read more narrowly than we do is left out; what is believed tells an
upstream that broke its profile from one that was never trusted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from gateway.odata.ast import (
    TRUE,
    And,
    Comparison,
    Constant,
    Expression,
    Has,
    In,
    Intersects,
    Lambda,
    Not,
    Operator,
    Or,
    PropertyPath,
    Quantifier,
    StringTest,
    conjunction,
    disjunction,
)
from gateway.odata.walk import Atom
from gateway.policy.profile import Profile, Trust, kinds_of


@dataclass(frozen=True, slots=True)
class Pushed:
    """``asked`` is weaker than the condition, ``believed`` weaker than ``asked``; ``true`` where nothing is left."""

    condition: Expression
    asked: Expression
    believed: Expression

    @property
    def exact(self) -> bool:
        """Whether the upstream is believed to select the very records that the condition permits."""
        return self.condition == self.believed


def push(condition: Expression, resource: str, profile: Profile) -> Pushed:
    """Splits a compiled condition: negation stands at its atoms only (``null_safe``)."""
    return Pushed(
        condition,
        _weaker(condition, lambda literal: _is_asked(literal, resource, profile)),
        _weaker(condition, lambda literal: _is_believed(literal, resource, profile)),
    )


def _weaker(expression: Expression, keep: Callable[[Expression], bool]) -> Expression:
    """The expression with ``true`` for every atom that does not stay; implied by it."""
    match expression:
        case And(terms):
            return conjunction(*(_weaker(term, keep) for term in terms))
        case Or(terms):
            parts = tuple(_weaker(term, keep) for term in terms)
            return TRUE if TRUE in parts else disjunction(*parts)
        case Constant():
            return expression
        case _:
            return expression if keep(expression) else TRUE


def _atom(literal: Expression) -> Atom:
    """The atom of an atom or of its negation."""
    inner = literal.term if isinstance(literal, Not) else literal
    assert not isinstance(inner, (And, Or, Not)), "compiled conditions negate atoms only"
    return inner


def _is_believed(literal: Expression, resource: str, profile: Profile) -> bool:
    if _holds_of_nothing(literal):
        return False
    return not profile.cannot_filter(resource, literal) and profile.trusts_atom(_atom(literal), resource)


def _holds_of_nothing(literal: Expression) -> bool:
    """Whether an upstream may call it true of a null list, which nobody can exclude: OData has no such lists, so there
    is no guard against one that every server takes (decision 2). It is asked and never believed."""
    atom = _atom(literal)
    return isinstance(atom, Lambda) and (atom.quantifier is Quantifier.ALL or isinstance(literal, Not))


def _is_asked(literal: Expression, resource: str, profile: Profile) -> bool:
    if profile.cannot_filter(resource, literal):
        return False
    return profile.trusts_atom(_atom(literal), resource) or not _may_be_narrower(literal)


def _may_be_narrower(literal: Expression) -> bool:
    """Whether an upstream that is not trusted with the atom might leave out records of which it is true.

    A coarser equality and a pattern with wildcards select more; below a negation, and where another order, zone or
    table of letters decides, they may select less. Comparisons of numbers, dates and null are asked in any case: an
    upstream that cannot do those has nothing to be asked.
    """
    if isinstance(literal, Not):
        return True
    atom = _atom(literal)
    kinds = kinds_of(atom)
    if kinds & {"date_parts", "string_functions", "string_order"}:
        return True
    match atom:
        case Comparison(operator, _, _):
            return operator is Operator.NE and "string_equality" in kinds
        case Lambda(quantifier, _, _, predicate):
            return quantifier is Quantifier.ALL or not isinstance(predicate, Comparison | In | And)
        case In() | StringTest() | Has() | Intersects() | PropertyPath() | Constant():
            return False
        case _:
            assert_never(atom)


def blamed(
    expression: Expression, is_true: Callable[[Expression], bool], can_read: Callable[[Expression], bool]
) -> frozenset[Trust]:
    """Return the kinds of trust that a record contradicts by the parts of what was believed that are not true of it.

    A part that names a member which cannot be read (``can_read``) contradicts nothing.
    """
    match expression:
        case And(terms):
            return frozenset().union(*(blamed(term, is_true, can_read) for term in terms))
        case Or(terms):
            if is_true(expression) or not can_read(expression):
                return frozenset()
            return frozenset().union(*(blamed(term, is_true, can_read) for term in terms))
        case Constant():
            return frozenset()
        case _:
            excused = is_true(expression) or not can_read(expression)
            return frozenset() if excused else kinds_of(_atom(expression))
