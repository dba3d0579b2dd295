"""Walks over expressions: which properties they name, and a copy with every atom replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import assert_never

from gateway.odata.ast import (
    And,
    Comparison,
    Constant,
    Expression,
    In,
    Lambda,
    Not,
    Operand,
    Or,
    PropertyPath,
    StringFunction,
    StringTest,
)

Atom = Comparison | In | StringTest | Lambda | PropertyPath | Constant


def atoms(expression: Expression) -> Iterator[Atom]:
    """The comparisons, tests, lambdas and bare properties of an expression, from left to right; lambdas stay closed."""
    match expression:
        case And(terms) | Or(terms):
            for term in terms:
                yield from atoms(term)
        case Not(term):
            yield from atoms(term)
        case Comparison() | In() | StringTest() | Lambda() | PropertyPath() | Constant():
            yield expression
        case _:
            assert_never(expression)


def subject(atom: Atom) -> PropertyPath | None:
    """The property that an atom is about; ``true`` and ``false`` are about none."""
    match atom:
        case Comparison(_, left, _) | In(left, _):
            return innermost(left)
        case StringTest(_, operand, _):
            return innermost(operand)
        case Lambda(_, path, _, _):
            return path
        case PropertyPath():
            return atom
        case Constant():
            return None
        case _:
            assert_never(atom)


def innermost(operand: Operand) -> PropertyPath:
    while isinstance(operand, StringFunction):
        operand = operand.operand
    return operand


def properties(expression: Expression) -> Iterator[PropertyPath]:
    """Every property that an expression names, from left to right, repeats included."""
    for atom in atoms(expression):
        path = subject(atom)
        if path is not None:
            yield path


def conjuncts(expression: Expression) -> Iterator[Expression]:
    """The terms that must all hold, with nested conjunctions opened."""
    if isinstance(expression, And):
        for term in expression.terms:
            yield from conjuncts(term)
    else:
        yield expression


def replace_atoms(expression: Expression, change: Callable[[Atom], Expression]) -> Expression:
    """A copy in which every atom is what ``change`` makes of it."""
    match expression:
        case And(terms):
            return And(tuple(replace_atoms(term, change) for term in terms))
        case Or(terms):
            return Or(tuple(replace_atoms(term, change) for term in terms))
        case Not(term):
            return Not(replace_atoms(term, change))
        case Comparison() | In() | StringTest() | Lambda() | PropertyPath() | Constant():
            return change(expression)
        case _:
            assert_never(expression)
