"""The local evaluator: is an expression definitely true of a record? Three-valued, and it never raises.

``None`` stands for unknown. Rules, guards and conditions are read strictly: a comparison with null or with a missing
member is unknown, so what holds is what nothing about the record puts in doubt (CHANNELS 4.1, "our evaluator").
A client's own options, where they are applied here, follow the null semantics of OData 4.01 instead.
Of distances, areas and the rows behind a navigation nothing is known here: only an upstream can search by those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, assert_never
from typing import Literal as OneOf
from uuid import UUID

from gateway.odata.ast import (
    TESTS,
    TRUE,
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
    Operator,
    Or,
    PropertyPath,
    Quantifier,
    StringTest,
    test_of,
)
from gateway.odata.literals import EnumValue, Kind, Literal, TimeOfDay, Timestamp, Value
from gateway.odata.values import UNKNOWN, Unknown

Lookup = Callable[[str], Value | Unknown]
Equality = OneOf["exact", "fold", "fold_pad"]


@dataclass(frozen=True, slots=True)
class Reading:
    """How expressions are read: ``equality`` of strings as the profile declares it, and whether null is OData's."""

    equality: Equality = "exact"
    odata_nulls: bool = False

    def normal(self, text: str) -> str:
        """One text for all that equality does not tell apart."""
        match self.equality:
            case "exact":
                return text
            case "fold":
                return text.casefold()
            case "fold_pad":
                return text.casefold().rstrip(" ")
            case _:
                assert_never(self.equality)


STRICT = Reading()


def holds(expression: Expression, lookup: Lookup, reading: Reading = STRICT) -> bool:
    """Whether it is definitely true of the record."""
    return expression == TRUE or evaluate(expression, lookup, reading) is True


def evaluate(expression: Expression, lookup: Lookup, reading: Reading = STRICT) -> bool | None:
    """True, False or None (unknown) for the record whose properties ``lookup`` gives."""
    match expression:
        case And(terms):
            return _all(evaluate(term, lookup, reading) for term in terms)
        case Or(terms):
            return _negate(_all(_negate(evaluate(term, lookup, reading)) for term in terms))
        case Not(term):
            return _negate(evaluate(term, lookup, reading))
        case Comparison(operator, Call(function) as left, right) if function in TESTS:
            test = test_of(left)
            value = operand_value(test.operand, lookup)
            if value is not None:
                truth = _string_test(function, value, test.pattern, reading)
                value = UNKNOWN if truth is None else truth
            return _compare(operator, value, right, reading)
        case Comparison(operator, left, right):
            return _compare(operator, operand_value(left, lookup), right, reading)
        case Has(path, right):
            return _has(lookup(path.name), right)
        case In(left, items):
            value = operand_value(left, lookup)
            return _negate(_all(_negate(_compare(Operator.EQ, value, item, reading)) for item in items))
        case StringTest(function, operand, pattern):
            return _string_test(function, operand_value(operand, lookup), pattern, reading)
        case Intersects():
            return None
        case Lambda(target=target) if target:
            return None
        case Lambda(quantifier, path, variable, predicate):
            return _quantify(quantifier, lookup(path.name), variable, predicate, reading)
        case PropertyPath(name):
            flag = lookup(name)
            return flag if isinstance(flag, bool) else None
        case Constant(constant):
            return constant
        case _:
            assert_never(expression)


def _quantify(
    quantifier: Quantifier, items: Value | Unknown, variable: str, predicate: Expression, reading: Reading
) -> bool | None:
    """``any`` and ``all`` over a collection of values; of null or of no collection nothing is known (C338).

    OData has no null collections: to a client one has no elements, as servers have it that send such a thing.
    """
    if items is None and reading.odata_nulls:
        items = ()
    if not isinstance(items, tuple):
        return None

    def element(value: Value) -> Lookup:
        return lambda name: value if name == variable else UNKNOWN

    truths = [evaluate(predicate, element(item), reading) for item in items]
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


def operand_value(operand: Operand, lookup: Lookup) -> Value | Unknown:
    """The value of a property, or of a function of one; null stays null, what does not fit is unknown."""
    if isinstance(operand, PropertyPath):
        return lookup(operand.name)
    values = [item.value if isinstance(item, Literal) else operand_value(item, lookup) for item in operand.arguments]
    if any(isinstance(value, Unknown) for value in values):
        return UNKNOWN
    if any(value is None for value in values):
        return None
    if operand.function is Function.CONCAT:
        left, right = values
        return left + right if isinstance(left, str) and isinstance(right, str) else UNKNOWN
    return _apply(operand, values[0])


def _apply(call: Call, value: Value | Unknown) -> Value | Unknown:
    match value:
        case str():
            return _of_string(call.function, value)
        case Timestamp(second):
            return _of_instant(call.function, value, second.date())
        case TimeOfDay():
            return _of_time(call.function, value)
        case date():
            return _of_day(call.function, value)
        case _:
            return UNKNOWN


def _of_string(function: Function, text: str) -> Value | Unknown:
    match function:
        case Function.TOLOWER:
            return text.lower()
        case Function.TOUPPER:
            return text.upper()
        case Function.TRIM:
            return text.strip(" ")
        case Function.LENGTH:
            return Decimal(len(text))
        case _:
            return UNKNOWN


def _of_instant(function: Function, moment: Timestamp, day: date) -> Value | Unknown:
    """Parts of an instant, in UTC."""
    clock = TimeOfDay(moment.second.hour * 3600 + moment.second.minute * 60 + moment.second.second, moment.picoseconds)
    if function is Function.DATE:
        return day
    if function is Function.TIME:
        return clock
    if function in (Function.HOUR, Function.MINUTE, Function.SECOND):
        return _of_time(function, clock)
    return _of_day(function, day)


def _of_day(function: Function, day: date) -> Value | Unknown:
    parts = {Function.YEAR: day.year, Function.MONTH: day.month, Function.DAY: day.day}
    return Decimal(parts[function]) if function in parts else UNKNOWN


def _of_time(function: Function, clock: TimeOfDay) -> Value | Unknown:
    parts = {
        Function.HOUR: clock.seconds // 3600,
        Function.MINUTE: clock.seconds // 60 % 60,
        Function.SECOND: clock.seconds % 60,
    }
    return Decimal(parts[function]) if function in parts else UNKNOWN


def _compare(operator: Operator, value: Value | Unknown, literal: Literal, reading: Reading) -> bool | None:
    if isinstance(value, Unknown):
        return None
    if literal.kind is Kind.NULL:
        is_null = value is None
        return {Operator.EQ: is_null, Operator.NE: not is_null}.get(operator)
    if value is None:
        # OData 4.01: null equals nothing but null, and has no order.
        return operator is Operator.NE if reading.odata_nulls else None
    right = literal.value
    if isinstance(right, EnumValue):
        return _compare_members(operator, value, right)
    if isinstance(value, bool) or isinstance(right, bool):
        if not (isinstance(value, bool) and isinstance(right, bool)):
            return None
        return {Operator.EQ: value == right, Operator.NE: value != right}.get(operator)
    if isinstance(value, str) and isinstance(right, str):
        return _ordered(operator, reading.normal(value), reading.normal(right))
    for kind in _COMPARABLE:
        if isinstance(value, kind) and isinstance(right, kind):
            return _ordered(operator, value, right)
    return None


_COMPARABLE: tuple[type, ...] = (str, Decimal, date, Timestamp, TimeOfDay, UUID)


def _compare_members(operator: Operator, value: Value, literal: EnumValue) -> bool | None:
    """Enumerations are equal as sets of members: a flags value names them in any order."""
    if not isinstance(value, str):
        return None
    equal = _members(value) == _members(literal.members)
    return {Operator.EQ: equal, Operator.NE: not equal}.get(operator)


def _has(value: Value | Unknown, literal: Literal) -> bool | None:
    if not isinstance(value, str) or not isinstance(literal.value, EnumValue):
        return None
    return _members(literal.value.members) <= _members(value)


def _members(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(","))


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


def _string_test(function: Function, value: Value | Unknown, pattern: Literal, reading: Reading) -> bool | None:
    if not isinstance(value, str) or not isinstance(pattern.value, str):
        return None
    value, text = reading.normal(value), reading.normal(pattern.value)
    match function:
        case Function.CONTAINS:
            return text in value
        case Function.STARTSWITH:
            return value.startswith(text)
        case Function.ENDSWITH:
            return value.endswith(text)
        case _:
            return None
