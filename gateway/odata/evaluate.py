"""The local evaluator: is an expression definitely true of a record? Three-valued, and it never raises.

``None`` stands for unknown. A comparison with null or with a missing member is unknown, so a rule that holds is one
that nothing about the record puts in doubt (CHANNELS 4.1, column "our evaluator").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from typing import Any, assert_never

from gateway.odata.ast import (
    And,
    Comparison,
    Constant,
    Expression,
    Function,
    In,
    Lambda,
    Not,
    Operand,
    Operator,
    Or,
    PropertyPath,
    Quantifier,
    StringFunction,
    StringTest,
)
from gateway.odata.literals import EnumValue, Kind, Literal, Timestamp, Value
from gateway.odata.values import UNKNOWN, Unknown

Lookup = Callable[[str], Value | Unknown]


def evaluate(expression: Expression, lookup: Lookup) -> bool | None:
    """True, False or None (unknown) for the record whose properties ``lookup`` gives."""
    match expression:
        case And(terms):
            return _all(evaluate(term, lookup) for term in terms)
        case Or(terms):
            return _negate(_all(_negate(evaluate(term, lookup)) for term in terms))
        case Not(term):
            return _negate(evaluate(term, lookup))
        case Comparison(operator, left, right):
            return _compare(operator, _operand(left, lookup), right)
        case In(left, items):
            value = _operand(left, lookup)
            return _negate(_all(_negate(_compare(Operator.EQ, value, item)) for item in items))
        case StringTest(function, operand, pattern):
            return _string_test(function, _operand(operand, lookup), pattern)
        case Lambda(quantifier, path, variable, predicate):
            return _quantify(quantifier, lookup(path.name), variable, predicate)
        case PropertyPath(name):
            flag = lookup(name)
            return flag if isinstance(flag, bool) else None
        case Constant(constant):
            return constant
        case _:
            assert_never(expression)


def _quantify(quantifier: Quantifier, items: Value | Unknown, variable: str, predicate: Expression) -> bool | None:
    """``any`` and ``all`` over a collection of values; of null or of no collection nothing is known (C338)."""
    if not isinstance(items, tuple):
        return None

    def element(value: Value) -> Lookup:
        return lambda name: value if name == variable else UNKNOWN

    truths = [evaluate(predicate, element(item)) for item in items]
    if quantifier is Quantifier.ALL:
        return _all(truths)
    return _negate(_all(_negate(truth) for truth in truths))


def _negate(value: bool | None) -> bool | None:
    return None if value is None else not value


def _all(values: Iterable[bool | None]) -> bool | None:
    result: bool | None = True
    for value in values:
        if value is False:
            return False
        if value is None:
            result = None
    return result


def _operand(operand: Operand, lookup: Lookup) -> Value | Unknown:
    match operand:
        case PropertyPath(name):
            return lookup(name)
        case StringFunction(function, inner):
            value = _operand(inner, lookup)
            if not isinstance(value, str):
                return UNKNOWN
            return value.lower() if function is Function.TOLOWER else value.upper()
        case _:
            assert_never(operand)


def _compare(operator: Operator, value: Value | Unknown, literal: Literal) -> bool | None:
    if isinstance(value, Unknown):
        return None
    if literal.kind is Kind.NULL:
        is_null = value is None
        return {Operator.EQ: is_null, Operator.NE: not is_null}.get(operator)
    if value is None:
        return None
    right = literal.value.members if isinstance(literal.value, EnumValue) else literal.value
    if isinstance(value, bool) or isinstance(right, bool):
        if not (isinstance(value, bool) and isinstance(right, bool)):
            return None
        return {Operator.EQ: value == right, Operator.NE: value != right}.get(operator)
    for kind in _ORDERED:
        if isinstance(value, kind) and isinstance(right, kind):
            return _ordered(operator, value, right)
    return None


_ORDERED: tuple[type[str] | type[Decimal] | type[date] | type[Timestamp], ...] = (str, Decimal, date, Timestamp)


def _ordered(operator: Operator, left: Any, right: Any) -> bool:
    """Both are values of one ordered type."""
    match operator:
        case Operator.EQ:
            return bool(left == right)
        case Operator.NE:
            return bool(left != right)
        case Operator.GT:
            return bool(left > right)
        case Operator.GE:
            return bool(left >= right)
        case Operator.LT:
            return bool(left < right)
        case Operator.LE:
            return bool(left <= right)
        case _:
            assert_never(operator)


def _string_test(function: Function, value: Value | Unknown, pattern: Literal) -> bool | None:
    text = pattern.value
    if not isinstance(value, str) or not isinstance(text, str):
        return None
    match function:
        case Function.CONTAINS:
            return text in value
        case Function.STARTSWITH:
            return value.startswith(text)
        case Function.ENDSWITH:
            return value.endswith(text)
        case _:
            return None
