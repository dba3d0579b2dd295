"""Conditions of policy and client: bound to the types of a schema, and compiled so that no upstream can misread them.

``bind`` checks every name and literal against declared types, so that nothing can fail on a row (P9, C61).
``null_safe`` is the one compiler for row rules and ``When`` conditions (CHANNELS 4.5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import assert_never

from gateway.odata import literals, walk
from gateway.odata.ast import (
    FALSE,
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
    conjunction,
    disjunction,
    test_of,
)
from gateway.odata.csdl import EnumType, Property, Schema, TypeReference
from gateway.odata.literals import NULL, Alias, EnumValue, Geography, Kind, Literal, Now, Timestamp, parse_number, shift
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


@dataclass(frozen=True, slots=True)
class Related:
    """What a navigation property leads to: the entity set, and the properties of its rows that may be named."""

    target: str
    is_collection: bool
    resolve: Resolve


def _nothing(_name: str) -> None:
    return None


#: The kind of literal that each primitive type is compared with.
_KINDS = {
    "Edm.String": Kind.STRING,
    "Edm.Date": Kind.DATE,
    "Edm.DateTimeOffset": Kind.DATE_TIME_OFFSET,
    "Edm.TimeOfDay": Kind.TIME_OF_DAY,
    "Edm.Guid": Kind.GUID,
    "Edm.Boolean": Kind.BOOLEAN,
    **dict.fromkeys(NUMBERS, Kind.NUMBER),
}
#: Types without an order that every server shares.
_UNORDERED = frozenset({"Edm.Boolean", "Edm.Guid"})
_DISTANCE = TypeReference("Edm.Double")
#: A distance is a number of no exact digits, so nothing equals it.
_DISTANCES = (Operator.LT, Operator.LE, Operator.GT, Operator.GE)
#: The type of a test of a string; a field of this type has a reference of its own.
_BOOLEAN = TypeReference("Edm.Boolean")
_STRING, _INTEGER = TypeReference("Edm.String"), TypeReference("Edm.Int32")
_DAYS, _INSTANTS, _TIMES = (
    ("Edm.Date", "Edm.DateTimeOffset"),
    ("Edm.DateTimeOffset",),
    ("Edm.DateTimeOffset", "Edm.TimeOfDay"),
)
#: Function to the types of its operand and the type of its result; what is not here does not exist (C280).
_SIGNATURES: Mapping[Function, tuple[tuple[str, ...], TypeReference]] = {
    Function.TOLOWER: (("Edm.String",), _STRING),
    Function.TOUPPER: (("Edm.String",), _STRING),
    Function.TRIM: (("Edm.String",), _STRING),
    Function.CONCAT: (("Edm.String",), _STRING),
    Function.LENGTH: (("Edm.String",), _INTEGER),
    Function.YEAR: (_DAYS, _INTEGER),
    Function.MONTH: (_DAYS, _INTEGER),
    Function.DAY: (_DAYS, _INTEGER),
    Function.HOUR: (_TIMES, _INTEGER),
    Function.MINUTE: (_TIMES, _INTEGER),
    Function.SECOND: (_TIMES, _INTEGER),
    Function.DATE: (_INSTANTS, TypeReference("Edm.Date")),
    Function.TIME: (_INSTANTS, TypeReference("Edm.TimeOfDay")),
}
#: What a key may be bound to, and a rule may name (P11).
BINDINGS = frozenset({"MemberKey", "OfficeKey"})


@dataclass(frozen=True, slots=True)
class Binder:
    """Binds expressions to one type. ``resolve`` gives the property of a name, or None where there is none to name.

    ``bindings`` are the aliases that stand for a binding of the key: rules have them, clients do not. ``related``
    gives what a navigation property leads to, and ``places`` says whether distances and areas may be asked for: both
    are a client's only, since a rule must be decided on the record alone (C347).
    """

    schema: Schema
    resolve: Resolve
    backslash_is_literal: bool = False
    bindings: frozenset[str] = frozenset()
    related: Callable[[str], Related | None] = _nothing
    places: bool = False
    variable: str = ""

    def bind(self, expression: Expression) -> Expression:
        """The expression with every literal in the type of its property.

        Raises:
            UnknownNameError: the first name, in the order of the text, that does not resolve.
            UnfitError: the first literal or operator that does not fit, once all names resolve.
        """
        for atom in walk.atoms(expression):
            for path in walk.properties(atom):
                related = self.related(path.name) if isinstance(atom, Lambda) else None
                if path.variable != self.variable or (self.resolve(path.name) is None and related is None):
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
            case Has(path, right):
                enum = self.schema.enum_types.get(self._property(path).type.name)
                if enum is None or self._property(path).type.is_collection:
                    raise UnfitError(path.name, path.position, "is no enumeration")
                return replace(atom, right=self._enum(path, enum, right, None))
            case In(left, items):
                return self._membership(left, items)
            case StringTest(_, operand, pattern):
                return self._string_test(atom, operand, pattern)
            case Intersects(path, area):
                self._check_place(path, area, "POLYGON")
                return atom
            case Lambda(_, path):
                related = self.related(path.name)
                return self._lambda(atom) if related is None else self._rows(atom, related)
            case PropertyPath(name, position):
                if str(self._property(atom).type) != "Edm.Boolean":
                    raise UnfitError(name, position, "is no condition by itself: it is not a boolean")
                return atom
            case Constant():
                return atom
            case _:
                assert_never(atom)

    def _membership(self, left: Operand, items: tuple[Literal, ...]) -> Expression:
        """Bind a list. Null in it is a comparison of its own, as ``eq null`` has it: servers read ``in (null)`` in
        different ways, so none is ever asked that."""
        values = tuple(self._literal(left, item, None) for item in items if item.kind is not Kind.NULL)
        terms: list[Expression] = [In(left, values)] if values else []
        if len(values) < len(items):
            terms.append(Comparison(Operator.EQ, left, self._literal(left, NULL, Operator.EQ)))
        return disjunction(*terms)

    def _string_test(self, atom: StringTest, operand: Operand, pattern: Literal) -> StringTest:
        path = walk.first_property(operand)
        if str(self._type(operand)) != "Edm.String":
            raise UnfitError(path.name, path.position, "is not a string")
        if not isinstance(pattern.value, str):
            raise UnfitError(path.name, path.position, "is searched for what is no string")
        if "\\" in pattern.value and not self.backslash_is_literal:
            raise UnfitError(path.name, path.position, "must not be searched for a backslash")
        return atom

    def _lambda(self, atom: Lambda) -> Lambda:
        """Binds the predicate to the element type. Inside, only the variable may start a path (C37), and it is
        renamed to one that is no property of any upstream (C38)."""
        declared = self._property(atom.path)
        path = atom.path
        if self.variable:
            raise UnfitError(path.name, path.position, "is searched by a lambda inside another")
        if not declared.type.is_collection:
            raise UnfitError(path.name, path.position, "is no collection")
        if not declared.type.is_primitive and declared.type.name not in self.schema.enum_types:
            raise UnfitError(path.name, path.position, "is a collection whose elements cannot be compared")
        element = Property(atom.variable, TypeReference(declared.type.name))
        inner = replace(self, resolve=lambda name: element if name == atom.variable else None, related=_nothing)
        if self.resolve(atom.variable) is not None or self.related(atom.variable) is not None:
            raise UnfitError(path.name, path.position, "is searched with a variable that is the name of a property")
        return _closed(atom, inner)

    def _rows(self, atom: Lambda, related: Related) -> Lambda:
        """Binds the predicate to the rows behind a navigation: every path inside starts with the variable."""
        path = atom.path
        if not related.is_collection:
            raise UnfitError(path.name, path.position, "is no collection")
        taken = (self.resolve, self.related, related.resolve)
        if atom.variable and any(find(atom.variable) is not None for find in taken):
            raise UnfitError(path.name, path.position, "is searched with a variable that is the name of a property")
        inner = replace(self, resolve=related.resolve, related=_nothing, variable=atom.variable, places=False)
        return replace(_closed(atom, inner), target=related.target)

    def _check_place(self, path: PropertyPath, place: Literal, shape: str) -> None:
        if str(self._property(path).type) != "Edm.GeographyPoint":
            raise UnfitError(path.name, path.position, "is no point on the globe")
        if not isinstance(place.value, Geography) or place.value.shape != shape:
            raise UnfitError(path.name, path.position, f"is searched by what is no {shape.lower()}")
        if not self.places:
            raise UnfitError(path.name, path.position, "cannot be searched by place")

    def _type(self, operand: Operand) -> TypeReference:
        """The type of an operand; functions are checked against their signatures."""
        if isinstance(operand, PropertyPath):
            return self._property(operand).type
        if operand.function is Function.GEO_DISTANCE:
            path, place = operand.arguments
            assert isinstance(path, PropertyPath) and isinstance(place, Literal)  # the grammar knows no other
            self._check_place(path, place, "POINT")
            return _DISTANCE
        if operand.function in TESTS:
            inner, pattern = operand.arguments
            assert isinstance(inner, PropertyPath | Call) and isinstance(pattern, Literal)  # the grammar knows no other
            self._string_test(StringTest(operand.function, inner, pattern), inner, pattern)
            return _BOOLEAN
        accepted, result = _SIGNATURES[operand.function]
        for argument in operand.arguments:
            if isinstance(argument, Literal):
                fits = isinstance(argument.value, str)
            else:
                fits = str(self._type(argument)) in accepted
            if not fits:
                path = walk.first_property(operand)
                raise UnfitError(
                    path.name, path.position, f"is of a type that `{operand.function.value}` does not take"
                )
        return result

    def _literal(self, operand: Operand, literal: Literal, operator: Operator | None) -> Literal:
        """The literal as a value of the operand's type; ``operator`` is None for ``in``."""
        path = walk.first_property(operand)
        declared = self._type(operand)
        if declared is _DISTANCE and operator not in _DISTANCES:
            raise UnfitError(path.name, path.position, "is compared with a distance by `lt`, `le`, `gt` and `ge` only")
        if declared.is_collection:
            raise UnfitError(path.name, path.position, "is a collection and cannot be compared")
        if literal.kind is Kind.NULL:
            if operator not in (Operator.EQ, Operator.NE) or declared is _BOOLEAN:
                raise UnfitError(path.name, path.position, "can be compared with null by `eq` and `ne` only")
            return literal
        enum = self.schema.enum_types.get(declared.name)
        if enum is not None:
            return self._enum(path, enum, literal, operator)
        expected = _KINDS.get(declared.name)
        if expected is None:
            raise UnfitError(path.name, path.position, "is of a type that cannot be compared")
        if declared.name in _UNORDERED and operator not in (Operator.EQ, Operator.NE, None):
            raise UnfitError(path.name, path.position, f"is a {expected.value} and has no order")
        match literal.value:
            case Now(distance) if expected in (Kind.DATE, Kind.DATE_TIME_OFFSET):
                return Literal(Kind.NOW, Now(distance, as_date=expected is Kind.DATE))
            case Alias(name) if name in self.bindings and (expected is Kind.STRING or declared.name in INTEGERS):
                return Literal(Kind.ALIAS, Alias(name, expected))
            case _ if literal.kind is not expected:
                raise UnfitError(path.name, path.position, f"is compared with a literal that is no {expected.value}")
            case Decimal() as number if declared.name in INTEGERS:
                low, high = INTEGERS[declared.name]
                if number != number.to_integral_value() or not low <= number <= high:
                    message = "is compared with a number that its type cannot hold"
                    raise UnfitError(path.name, path.position, message)
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
        # A number is no way to name a member: it would reach members that do not exist here (C47).
        names = enum_members(enum, text)
        if names is None:
            raise UnfitError(path.name, path.position, "is compared with a literal that is none of its members")
        return Literal(Kind.ENUM, EnumValue(enum.name, ",".join(names)))


def fold_now(expression: Expression, now: Timestamp) -> Expression:
    """The expression with every ``now()`` as one literal instant, or its day where a date is compared (C59)."""

    def instant(literal: Literal) -> Literal:
        if not isinstance(literal.value, Now):
            return literal
        moved = shift(now, literal.value.distance)
        assert moved is not None  # distances are bounded when they are read
        if literal.value.as_date:
            return Literal(Kind.DATE, moved.second.date())
        return Literal(Kind.DATE_TIME_OFFSET, moved)

    return walk.replace_literals(expression, instant)


def bind_key(expression: Expression, bindings: Mapping[str, str]) -> Expression:
    """The expression with the bindings of a key as typed literals. One that is missing denies everything (C259)."""
    for literal in walk.literals_of(expression):
        if isinstance(literal.value, Alias) and _binding(literal.value, bindings) is None:
            return FALSE

    def bound(literal: Literal) -> Literal:
        value = _binding(literal.value, bindings) if isinstance(literal.value, Alias) else None
        return literal if value is None else value

    return walk.replace_literals(expression, bound)


def _binding(alias: Alias, bindings: Mapping[str, str]) -> Literal | None:
    text = bindings.get(alias.name)
    if text is None or alias.kind is Kind.STRING:
        return None if text is None else literals.string(text)
    number = parse_number(text)
    if number is None or number != number.to_integral_value() or abs(number) >= 2**63:
        return None
    return Literal(Kind.NUMBER, number)


def enum_member(enum: EnumType, text: str) -> str | None:
    """Return the member of that name, else of that display text, however many commas it has."""
    return text if text in enum.members else enum.texts.read_one(text)


def enum_members(enum: EnumType, text: str) -> tuple[str, ...] | None:
    """Return the members that an author or a client means by a text; None where there are none, or
    two readings.

    Names of members come first, as OData reads a literal. A text with display texts in it is one
    member, or a list where the enumeration has flags.
    """
    names = tuple(part.strip() for part in text.split(","))
    if all(name in enum.members for name in names) and (enum.is_flags or len(names) == 1):
        return names
    if enum.is_flags:
        return enum.texts.read(text)
    member = enum.texts.read_one(text)
    return None if member is None else (member,)


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
        case Intersects():
            return Not(expression) if negated else expression
        case Lambda(_, _, "", _) if negated:
            return Not(expression)
        case Lambda(quantifier, _, _, predicate):
            # Not guarded against a null list: OData has none, and some servers refuse to compare a collection with
            # null. Where one comes all the same, the evaluator says unknown, and the record is not permitted (C338).
            return replace(
                expression,
                quantifier=_OTHER[quantifier] if negated else quantifier,
                predicate=_unguarded(_compile(predicate, negated=negated)),
            )
        case Comparison(operator, Call(function) as left, Literal(value=bool() as flag)) if function in TESTS:
            holds = ((operator is Operator.EQ) is flag) is not negated
            return _guarded(left, test_of(left) if holds else Not(test_of(left)))
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
        case Has(path, _):
            return _guarded(path, Not(expression) if negated else expression)
        case PropertyPath():
            return _guarded(expression, Comparison(Operator.EQ, expression, literals.boolean(not negated)))
        case _:
            assert_never(expression)


def _unguarded(predicate: Expression) -> Expression:
    """A compiled predicate whose only comparison is one for equality, without its guard: equality is never true of
    null, under either semantics, and some servers take nothing but this one form inside a lambda."""
    match predicate:
        case And((Comparison(Operator.NE, path, right), Comparison(Operator.EQ, other, _) as only)) if (
            right.kind is Kind.NULL and path == other
        ):
            return only
        case _:
            return predicate


_OTHER = {Quantifier.ANY: Quantifier.ALL, Quantifier.ALL: Quantifier.ANY}


def _closed(atom: Lambda, inner: Binder) -> Lambda:
    """The lambda with its predicate bound by ``inner``, and under the one name that variables have here."""
    try:
        bound = replace(atom, predicate=inner.bind(atom.predicate))
    except UnknownNameError as error:
        raise UnfitError(error.name, error.position, "stands inside a lambda and is not its variable") from None
    return walk.rename_variable(bound, LAMBDA_VARIABLE) if atom.variable else bound


def _join(parts: tuple[Expression, ...], *, conjunctive: bool) -> Expression:
    """The n-ary connective with constants folded away."""
    if conjunctive:
        return FALSE if FALSE in parts else conjunction(*parts)
    return TRUE if TRUE in parts else disjunction(*parts)


def _guarded(operand: Operand, *terms: Expression) -> Expression:
    named = dict.fromkeys(walk.operand_properties(operand))
    return And((*(Comparison(Operator.NE, path, NULL) for path in named), *terms))


def fold(expression: Expression) -> Expression:
    """The expression without constants inside; ``true`` or ``false`` where nothing else is left.

    Folding a client's ``or true`` changes no row under either null semantics, and keeps the constant off the wire.
    """
    match expression:
        case And(terms) | Or(terms):
            return _join(tuple(fold(term) for term in terms), conjunctive=isinstance(expression, And))
        case Not(term):
            inner = fold(term)
            if isinstance(inner, Not):
                return inner.term
            return Constant(not inner.value) if isinstance(inner, Constant) else Not(inner)
        case Comparison() | Has() | In() | StringTest() | Intersects() | Lambda() | PropertyPath() | Constant():
            return expression
        case _:
            assert_never(expression)


def spell_out_tests(expression: Expression) -> Expression:
    """Return a client's filter with each ``contains(..) eq true`` as the test itself, guarded against null.

    Some servers take a test as a condition only. Null is not equal to true, and not to false (OData 4.01), so the
    result holds of the same rows wherever it stands. Rules are spelled out by ``null_safe``, which reads null strictly.
    """

    def atom(found: Atom) -> Expression:
        match found:
            case Comparison(operator, Call(function) as left, Literal(value=bool() as flag)) if function in TESTS:
                test = test_of(left) if (operator is Operator.EQ) is flag else Not(test_of(left))
                paths = dict.fromkeys(walk.operand_properties(left))
                if operator is Operator.EQ:
                    return conjunction(*(Comparison(Operator.NE, path, NULL) for path in paths), test)
                return disjunction(*(Comparison(Operator.EQ, path, NULL) for path in paths), test)
            case Lambda():
                return replace(found, predicate=spell_out_tests(found.predicate))
            case _:
                return found

    return walk.replace_atoms(expression, atom)


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
    if isinstance(literal.value, EnumValue):
        return frozenset(literal.value.members.split(","))  # a set: flags are equal in any order
    return literal.value
