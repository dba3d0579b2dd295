"""Walks over expressions: which properties they name, and a copy with every atom replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import assert_never

from gateway.odata.ast import (
    And,
    Call,
    Comparison,
    Constant,
    Expression,
    Function,
    Has,
    In,
    Intersects,
    Lambda,
    Not,
    Operand,
    Or,
    PropertyPath,
    Query,
    StringTest,
)
from gateway.odata.literals import Literal

Atom = Comparison | Has | In | StringTest | Intersects | Lambda | PropertyPath | Constant


def atoms(expression: Expression) -> Iterator[Atom]:
    """The comparisons, tests, lambdas and bare properties of an expression, from left to right; lambdas stay closed."""
    match expression:
        case And(terms) | Or(terms):
            for term in terms:
                yield from atoms(term)
        case Not(term):
            yield from atoms(term)
        case Comparison() | Has() | In() | StringTest() | Intersects() | Lambda() | PropertyPath() | Constant():
            yield expression
        case _:
            assert_never(expression)


def is_far(atom: Atom) -> bool:
    """Whether an atom is about more than the values of the record, or computes with places: no record alone tells."""
    match atom:
        case Lambda(target=target):
            return bool(target)
        case Intersects():
            return True
        case Comparison(_, Call(Function.GEO_DISTANCE), _):
            return True
        case _:
            return False


def operand_of(atom: Atom) -> Operand | None:
    """What an atom is about; ``true`` and ``false`` are about nothing, a lambda about its collection."""
    match atom:
        case Comparison(_, left, _) | In(left, _):
            return left
        case StringTest(_, operand, _):
            return operand
        case Has(path, _) | Intersects(path, _) | Lambda(_, path):
            return path
        case PropertyPath():
            return atom
        case Constant():
            return None
        case _:
            assert_never(atom)


def operand_properties(operand: Operand) -> Iterator[PropertyPath]:
    """The properties that an operand is made of, from left to right; there is always one."""
    if isinstance(operand, PropertyPath):
        yield operand
        return
    for argument in operand.arguments:
        if not isinstance(argument, Literal):
            yield from operand_properties(argument)


def first_property(operand: Operand) -> PropertyPath:
    return next(operand_properties(operand))


def place_of(atom: Atom) -> PropertyPath:
    """The first property that an atom names, for refusals that point at it; not for ``true`` and ``false``."""
    operand = operand_of(atom)
    assert operand is not None  # constants name nothing, so nothing is refused about them
    return first_property(operand)


def properties(expression: Expression) -> Iterator[PropertyPath]:
    """Every property that an expression names, from left to right, repeats included."""
    for atom in atoms(expression):
        operand = operand_of(atom)
        if operand is not None:
            yield from operand_properties(operand)


def named(query: Query) -> list[PropertyPath]:
    """Every property that the filter and the order of one level name, repeats included."""
    paths = list(properties(query.filter)) if query.filter is not None else []
    return paths + [item.path for item in query.orderby]


def replace_literals(expression: Expression, change: Callable[[Literal], Literal]) -> Expression:
    """A copy in which every literal is what ``change`` makes of it, inside lambdas and arguments too."""

    def operand(old: Operand) -> Operand:
        if isinstance(old, PropertyPath):
            return old
        return Call(
            old.function, tuple(change(item) if isinstance(item, Literal) else operand(item) for item in old.arguments)
        )

    def atom(old: Atom) -> Expression:
        match old:
            case Comparison(operator, left, right):
                return Comparison(operator, operand(left), change(right))
            case Has(path, right):
                return Has(path, change(right))
            case In(left, items):
                return In(operand(left), tuple(change(item) for item in items))
            case StringTest(function, inner, pattern):
                return StringTest(function, operand(inner), change(pattern))
            case Intersects(path, area):
                return Intersects(path, change(area))
            case Lambda():
                return replace(old, predicate=replace_literals(old.predicate, change))
            case PropertyPath() | Constant():
                return old
            case _:
                assert_never(old)

    return replace_atoms(expression, atom)


def literals_of(expression: Expression) -> list[Literal]:
    """Every literal of an expression, inside lambdas and arguments too."""
    found: list[Literal] = []

    def note(literal: Literal) -> Literal:
        found.append(literal)
        return literal

    replace_literals(expression, note)
    return found


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
        case Comparison() | Has() | In() | StringTest() | Intersects() | Lambda() | PropertyPath() | Constant():
            return change(expression)
        case _:
            assert_never(expression)


def rename_variable(quantified: Lambda, name: str) -> Lambda:
    """A lambda with its variable under another name, wherever its predicate has it."""
    old = quantified.variable

    def path(found: PropertyPath) -> PropertyPath:
        if found.variable:
            return replace(found, variable=name) if found.variable == old else found
        return replace(found, name=name) if found.name == old else found

    def operand(found: Operand) -> Operand:
        if isinstance(found, PropertyPath):
            return path(found)
        return replace(
            found, arguments=tuple(item if isinstance(item, Literal) else operand(item) for item in found.arguments)
        )

    def atom(found: Atom) -> Expression:
        match found:
            case Comparison(_, left, _) | In(left, _):
                return replace(found, left=operand(left))
            case StringTest(_, inner, _):
                return replace(found, operand=operand(inner))
            case Has(left, _) | Intersects(left, _):
                return replace(found, left=path(left))
            case Lambda():
                return replace(found, path=path(found.path), predicate=replace_atoms(found.predicate, atom))
            case PropertyPath():
                return path(found)
            case Constant():
                return found
            case _:
                assert_never(found)

    return replace(quantified, variable=name, predicate=replace_atoms(quantified.predicate, atom))
