"""Conditions as an upstream wants to read them: its own spelling of enumerations and of lists."""

from __future__ import annotations

from dataclasses import replace

from gateway.odata import walk
from gateway.odata.ast import (
    TRUE,
    And,
    Comparison,
    Expression,
    In,
    Lambda,
    Not,
    Operator,
    Or,
    PropertyPath,
    Query,
    conjunction,
    disjunction,
)
from gateway.odata.literals import EnumValue, Literal, boolean, string
from gateway.odata.printer import print_query
from gateway.odata.walk import Atom
from gateway.policy.profile import Profile


def spelled(profile: Profile, *parts: Expression | None) -> Expression | None:
    """The conjunction of conditions in the upstream's spelling; None where nothing is asked."""
    condition = conjunction(*parts)
    if condition == TRUE:
        return None
    condition = _compared(condition)
    if profile.enum_literal == "string":
        condition = walk.replace_literals(condition, _unqualified)
    if not profile.in_operator:
        condition = walk.replace_atoms(condition, _as_or)
    return condition


def _compared(condition: Expression) -> Expression:
    """Booleans that stand alone as comparisons, which every server knows. Below a negation of more than themselves they
    stay: of null a comparison says false there, and the boolean itself nothing."""
    match condition:
        case PropertyPath():
            return Comparison(Operator.EQ, condition, boolean(True))
        case Not(PropertyPath() as path):
            return Comparison(Operator.EQ, path, boolean(False))
        case And(terms):
            return And(tuple(_compared(term) for term in terms))
        case Or(terms):
            return Or(tuple(_compared(term) for term in terms))
        case _:
            return condition


def _unqualified(literal: Literal) -> Literal:
    return string(literal.value.members) if isinstance(literal.value, EnumValue) else literal


def _as_or(atom: Atom) -> Expression:
    if isinstance(atom, In):
        return disjunction(*(Comparison(Operator.EQ, atom.left, item) for item in atom.items))
    if isinstance(atom, Lambda):
        return replace(atom, predicate=walk.replace_atoms(atom.predicate, _as_or))
    return atom


def fits_address(profile: Profile, ask: Query, reserve: int = 0) -> bool:
    """Whether a query is no longer than the upstream takes, with ``reserve`` more bytes in it."""
    return len(print_query(ask)) + reserve <= profile.url_max


def has_too_many_or(profile: Profile, ask: Query) -> bool:
    """Whether a query has more ``or`` than the upstream takes."""
    return profile.or_max is not None and ask.filter is not None and _count_or(ask.filter) > profile.or_max


def _count_or(expression: Expression) -> int:
    """How many ``or`` a printed expression has."""
    match expression:
        case Or(terms):
            return len(terms) - 1 + sum(_count_or(term) for term in terms)
        case And(terms):
            return sum(_count_or(term) for term in terms)
        case Not(term):
            return _count_or(term)
        case Lambda(_, _, _, predicate):
            return _count_or(predicate)
        case _:
            return 0
