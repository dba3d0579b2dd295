"""Conditions of policy and client: bound to the types of a schema, and compiled so that no upstream can misread them.

``bind`` checks every name and literal against declared types, so that nothing can fail on a row (P9, C61).
``null_safe`` is the one compiler for row rules and ``When`` conditions (CHANNELS 4.5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import assert_never

from gateway.odata import literals, walk
from gateway.odata.ast import (
    FALSE,
    TRUE,
    And,
    Comparison,
    Constant,
    Expression,
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
    conjunction,
    disjunction,
)
from gateway.odata.csdl import EnumType, Property, Schema, TypeReference
from gateway.odata.literals import NULL, EnumValue, Kind, Literal
from gateway.odata.values import INTEGERS, NUMBERS
from gateway.odata.walk import Atom


class UnknownNameError(Exception):
    """A name that does not exist where the condition stands: unknown and hidden are one case (D1)."""

    def __init__(self, name: str, position: int) -> None:
        super().__init__(name)
        self.name = name
        self.position = position


class UnfitError(Exception):
    """A name exists and cannot be used so: wrong type of literal, or an operator its type does not have."""

    def __init__(self, name: str, position: int, message: str) -> None:
        super().__init__(message)
        self.name = name
        self.position = position
        self.message = message


#: The variable of every lambda that leaves the gateway.
LAMBDA_VARIABLE = "x__"

Resolve = Callable[[str], Property | None]
#: The kind of literal that each primitive type is compared with.
_ORDERED_KINDS = {
    "Edm.String": Kind.STRING,
    "Edm.Date": Kind.DATE,
    "Edm.DateTimeOffset": Kind.DATE_TIME_OFFSET,
    "Edm.Boolean": Kind.BOOLEAN,
    **dict.fromkeys(NUMBERS, Kind.NUMBER),
}


@dataclass(frozen=True, slots=True)
class Binder:
    """Binds expressions to one type. ``resolve`` gives the property of a name, or None where there is none to name."""

    schema: Schema
    resolve: Resolve
    backslash_is_literal: bool = False

    def bind(self, expression: Expression) -> Expression:
        """The expression with every literal in the type of its property.

        Raises:
            UnknownNameError: the first name, in the order of the text, that does not resolve.
            UnfitError: the first literal or operator that does not fit, once all names resolve.
        """
        for path in walk.properties(expression):
            if self.resolve(path.name) is None:
                raise UnknownNameError(path.name, path.position)
        return walk.replace_atoms(expression, self._atom)

    def _property(self, path: PropertyPath) -> Property:
        found = self.resolve(path.name)
        assert found is not None  # bind() has resolved every name before
        return found

    def _atom(self, atom: Atom) -> Expression:
        match atom:
            case Comparison(operator, left, right):
                return replace(atom, right=self._literal(left, right, operator))
            case In(left, items):
                return replace(atom, items=tuple(self._literal(left, item, None) for item in items))
            case StringTest(_, operand, pattern):
                self._require_string(operand)
                if "\\" in str(pattern.value) and not self.backslash_is_literal:
                    path = walk.innermost(operand)
                    raise UnfitError(path.name, path.position, "must not be searched for a backslash")
                return atom
            case Lambda():
                return self._lambda(atom)
            case PropertyPath(name, position):
                if str(self._property(atom).type) != "Edm.Boolean":
                    raise UnfitError(name, position, "is no condition by itself: it is not a boolean")
                return atom
            case Constant():
                return atom
            case _:
                assert_never(atom)

    def _lambda(self, atom: Lambda) -> Lambda:
        """Binds the predicate to the element type. Inside, only the variable may start a path (C37), and it is
        renamed to one that is no property of any upstream (C38)."""
        declared = self._property(atom.path)
        path = atom.path
        if not declared.type.is_collection:
            raise UnfitError(path.name, path.position, "is no collection")
        if not declared.type.is_primitive and declared.type.name not in self.schema.enum_types:
            raise UnfitError(path.name, path.position, "is a collection whose elements cannot be compared")
        element = Property(atom.variable, TypeReference(declared.type.name))
        inner = replace(self, resolve=lambda name: element if name == atom.variable else None)
        if self.resolve(atom.variable) is not None:
            raise UnfitError(path.name, path.position, "is searched with a variable that is the name of a property")
        try:
            predicate = inner.bind(atom.predicate)
        except UnknownNameError as error:
            raise UnfitError(error.name, error.position, "stands inside a lambda and is not its variable") from None
        return replace(atom, variable=LAMBDA_VARIABLE, predicate=_rename(predicate, LAMBDA_VARIABLE))

    def _require_string(self, operand: Operand) -> None:
        path = walk.innermost(operand)
        if str(self._property(path).type) != "Edm.String":
            raise UnfitError(path.name, path.position, "is not a string")

    def _literal(self, operand: Operand, literal: Literal, operator: Operator | None) -> Literal:
        path = walk.innermost(operand)
        declared = self._property(path).type
        if isinstance(operand, StringFunction):
            self._require_string(operand)
        if declared.is_collection:
            raise UnfitError(path.name, path.position, "is a collection and cannot be compared")
        if literal.kind is Kind.NULL:
            if operator not in (Operator.EQ, Operator.NE):
                raise UnfitError(path.name, path.position, "can be compared with null by `eq` and `ne` only")
            return literal
        enum = self.schema.enum_types.get(declared.name)
        if enum is not None:
            return self._enum(path, enum, literal, operator)
        expected = _ORDERED_KINDS.get(declared.name)
        if expected is None:
            raise UnfitError(path.name, path.position, "is of a type that cannot be compared")
        if literal.kind is not expected:
            raise UnfitError(path.name, path.position, f"is compared with a literal that is no {expected.value}")
        if expected is Kind.BOOLEAN and operator not in (Operator.EQ, Operator.NE, None):
            raise UnfitError(path.name, path.position, "is a boolean and has no order")
        if declared.name in INTEGERS:
            low, high = INTEGERS[declared.name]
            number = literal.value
            if number != number.to_integral_value() or not low <= number <= high:  # type: ignore[union-attr, operator]  # Kind.NUMBER holds a Decimal
                raise UnfitError(path.name, path.position, "is compared with a number that its type cannot hold")
        return literal

    def _enum(self, path: PropertyPath, enum: EnumType, literal: Literal, operator: Operator | None) -> Literal:
        if operator not in (Operator.EQ, Operator.NE, None):
            raise UnfitError(path.name, path.position, "is an enumeration and has no order")
        match literal.value:
            case EnumValue(type_name, members) if type_name == enum.name:
                text = members
            case str() as text:
                pass
            case _:
                raise UnfitError(path.name, path.position, "is compared with a literal that is none of its members")
        names: list[str] = []
        for part in text.split(","):
            name = enum_member(enum, part.strip())
            # A number is no way to name a member: it would reach members that do not exist here (C47).
            if name is None or (names and not enum.is_flags):
                raise UnfitError(path.name, path.position, "is compared with a literal that is none of its members")
            names.append(name)
        return Literal(Kind.ENUM, EnumValue(enum.name, ",".join(names)))


def enum_member(enum: EnumType, text: str) -> str | None:
    """The member of that name, or of that display name."""
    if text in enum.members:
        return text
    matches = [name for name, display in enum.display.items() if display == text]
    return matches[0] if len(matches) == 1 else None


def null_safe(expression: Expression) -> Expression:
    """The compiled form of a rule: negation at the atoms, every atom guarded against null.

    It is never unknown, it selects the same rows under SQL-like and OData null semantics, and exactly those for
    which the original is definitely true (CHANNELS 4.5; enumerated in the tests).
    """
    return _compile(expression, negated=False)


def _compile(expression: Expression, *, negated: bool) -> Expression:
    match expression:
        case And(terms) | Or(terms):
            parts = tuple(_compile(term, negated=negated) for term in terms)
            return _join(parts, conjunctive=isinstance(expression, And) is not negated)
        case Not(term):
            return _compile(term, negated=not negated)
        case Constant(value):
            return Constant(value is not negated)
        case Lambda(quantifier, _, _, predicate):
            # Not guarded against a null list: OData has none, and some servers refuse to compare a collection with
            # null. Where one comes all the same, the evaluator says unknown, and the record is not permitted (C338).
            return replace(
                expression,
                quantifier=_OTHER[quantifier] if negated else quantifier,
                predicate=_compile(predicate, negated=negated),
            )
        case Comparison(operator, left, right):
            chosen = operator.complement if negated else operator
            if right.kind is Kind.NULL:
                return Comparison(chosen, left, NULL)
            return _guarded(left, Comparison(chosen, left, right))
        case In(left, items):
            if negated:
                return _guarded(left, *(Comparison(Operator.NE, left, item) for item in items))
            return _guarded(left, expression)
        case StringTest(_, operand, _):
            return _guarded(operand, Not(expression) if negated else expression)
        case PropertyPath():
            return _guarded(expression, Comparison(Operator.EQ, expression, literals.boolean(not negated)))
        case _:
            assert_never(expression)


_OTHER = {Quantifier.ANY: Quantifier.ALL, Quantifier.ALL: Quantifier.ANY}


def _rename(expression: Expression, name: str) -> Expression:
    """The predicate of a lambda with its only variable under another name."""

    def operand(old: Operand) -> Operand:
        return PropertyPath(name) if isinstance(old, PropertyPath) else replace(old, operand=operand(old.operand))

    def atom(old: Atom) -> Expression:
        match old:
            case Comparison(_, left, _) | In(left, _):
                return replace(old, left=operand(left))
            case StringTest(_, inner, _):
                return replace(old, operand=operand(inner))
            case PropertyPath():
                return PropertyPath(name)
            case Lambda() | Constant():
                return old
            case _:
                assert_never(old)

    return walk.replace_atoms(expression, atom)


def _join(parts: tuple[Expression, ...], *, conjunctive: bool) -> Expression:
    """The n-ary connective with constants folded away."""
    if conjunctive:
        return FALSE if FALSE in parts else conjunction(*parts)
    return TRUE if TRUE in parts else disjunction(*parts)


def _guarded(operand: Operand, *terms: Expression) -> Expression:
    return And((Comparison(Operator.NE, walk.innermost(operand), NULL), *terms))


def fold(expression: Expression) -> Expression:
    """The expression without constants inside; ``true`` or ``false`` where nothing else is left.

    Folding a client's ``or true`` changes no row under either null semantics, and keeps the constant off the wire.
    """
    match expression:
        case And(terms) | Or(terms):
            return _join(tuple(fold(term) for term in terms), conjunctive=isinstance(expression, And))
        case Not(term):
            inner = fold(term)
            return Constant(not inner.value) if isinstance(inner, Constant) else Not(inner)
        case Comparison() | In() | StringTest() | Lambda() | PropertyPath() | Constant():
            return expression
        case _:
            assert_never(expression)


def is_contradiction(expression: Expression, normal: Callable[[str], str] = str) -> bool:
    """Whether the top-level conjuncts alone show that no row can satisfy the expression.

    ``normal`` maps two strings to one where the upstream's equality cannot tell them apart. False means "cannot be
    shown", never "can be satisfied".
    """
    allowed: dict[PropertyPath, set[object]] = {}
    null_state: dict[PropertyPath, bool] = {}
    for term in walk.conjuncts(expression):
        if term == FALSE:
            return True
        for path, values, is_null in _facts(term, normal):
            if is_null is not None and null_state.setdefault(path, is_null) is not is_null:
                return True
            if values is not None:
                allowed[path] = allowed[path] & values if path in allowed else values
                if not allowed[path]:
                    return True
    return False


def _facts(
    term: Expression, normal: Callable[[str], str]
) -> Iterator[tuple[PropertyPath, set[object] | None, bool | None]]:
    """What one conjunct says of a property: the values it may have, and whether it is null."""
    match term:
        case Comparison(Operator.EQ, PropertyPath() as path, right):
            if right.kind is Kind.NULL:
                yield path, None, True
            else:
                yield path, {_normal_value(right, normal)}, False
        case Comparison(_, PropertyPath() as path, right):
            yield path, None, False if right.kind is Kind.NULL else None
        case In(PropertyPath() as path, items):
            yield path, {_normal_value(item, normal) for item in items}, False
        case _:
            return


def _normal_value(literal: Literal, normal: Callable[[str], str]) -> object:
    if isinstance(literal.value, str):
        return normal(literal.value)
    return literal.value
