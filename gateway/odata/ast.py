"""Trees of OData expressions and query options: frozen values, built by parser or policy, read by the printer."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from gateway.odata.literals import Literal


class Operator(Enum):
    """The six comparisons (OData URL Conventions, 5.1.1.1)."""

    EQ = "eq"
    NE = "ne"
    GT = "gt"
    GE = "ge"
    LT = "lt"
    LE = "le"

    @property
    def complement(self) -> Operator:
        """The operator that holds where this one does not, for operands that are not null."""
        return _COMPLEMENT[self]

    @property
    def mirrored(self) -> Operator:
        """The operator with its operands exchanged: ``5 lt Beds`` is ``Beds gt 5``."""
        return _MIRRORED[self]


_COMPLEMENT = {
    Operator.EQ: Operator.NE,
    Operator.NE: Operator.EQ,
    Operator.GT: Operator.LE,
    Operator.LE: Operator.GT,
    Operator.GE: Operator.LT,
    Operator.LT: Operator.GE,
}
_MIRRORED = {
    Operator.EQ: Operator.EQ,
    Operator.NE: Operator.NE,
    Operator.GT: Operator.LT,
    Operator.LT: Operator.GT,
    Operator.GE: Operator.LE,
    Operator.LE: Operator.GE,
}


class Function(Enum):
    """Canonical functions that cannot fail on any row (DESIGN P9)."""

    CONTAINS = "contains"
    STARTSWITH = "startswith"
    ENDSWITH = "endswith"
    TOLOWER = "tolower"
    TOUPPER = "toupper"
    TRIM = "trim"
    LENGTH = "length"
    CONCAT = "concat"
    YEAR = "year"
    MONTH = "month"
    DAY = "day"
    HOUR = "hour"
    MINUTE = "minute"
    SECOND = "second"
    DATE = "date"
    TIME = "time"
    GEO_DISTANCE = "geo.distance"


#: Functions of one string whose result is a string.
STRING_FUNCTIONS = frozenset({Function.TOLOWER, Function.TOUPPER, Function.TRIM})
#: Functions that take a part of a date, an instant or a time of day.
DATE_PARTS = frozenset(
    {
        Function.YEAR,
        Function.MONTH,
        Function.DAY,
        Function.HOUR,
        Function.MINUTE,
        Function.SECOND,
        Function.DATE,
        Function.TIME,
    }
)


@dataclass(frozen=True, slots=True)
class PropertyPath:
    """A property of the type the expression is about, or of the rows that ``variable`` of an enclosing lambda stands
    for. ``position`` is where the client wrote it, from 0."""

    name: str
    position: int = field(default=-1, compare=False)
    variable: str = ""

    def __str__(self) -> str:
        return f"{self.variable}/{self.name}" if self.variable else self.name


@dataclass(frozen=True, slots=True)
class Call:
    """A function whose result is compared. All take one operand, but ``concat``, which takes two arguments of which
    either may be a string literal, ``geo.distance``, which takes a property and a place, and the ``TESTS``."""

    function: Function
    arguments: tuple[Operand | Literal, ...]


#: Tests of a string by a pattern. As a ``Call`` with operand and pattern they are compared with true or false.
TESTS = frozenset({Function.CONTAINS, Function.STARTSWITH, Function.ENDSWITH})

#: What may stand on the left of a comparison.
Operand = PropertyPath | Call


@dataclass(frozen=True, slots=True)
class Comparison:
    """``operand op literal``; the parser turns ``5 lt Beds`` round, so the literal always stands right."""

    operator: Operator
    left: Operand
    right: Literal


@dataclass(frozen=True, slots=True)
class Has:
    """``property has literal``: every member of the literal is set (OData URL Conventions, 5.1.1.1.9)."""

    left: PropertyPath
    right: Literal


@dataclass(frozen=True, slots=True)
class In:
    """``operand in (literal, ...)``; never empty."""

    left: Operand
    items: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class StringTest:
    """``contains``, ``startswith`` or ``endswith`` of an operand with a literal pattern."""

    function: Function
    operand: Operand
    pattern: Literal


@dataclass(frozen=True, slots=True)
class Intersects:
    """``geo.intersects(property,polygon)``: the point that the property holds lies in the polygon."""

    left: PropertyPath
    area: Literal


class Quantifier(Enum):
    ANY = "any"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Lambda:
    """``Tags/any(x:...)`` or ``all`` over a collection; ``predicate`` names the element by ``variable``, and of rows
    their properties. ``Tags/any()`` has ``true`` for a predicate and no variable.

    ``target`` is the entity set of the rows, once the names are resolved; empty where the elements are values.
    """

    quantifier: Quantifier
    path: PropertyPath
    variable: str
    predicate: Expression
    target: str = ""


@dataclass(frozen=True, slots=True)
class Constant:
    """``true`` or ``false`` standing as a whole condition."""

    value: bool


@dataclass(frozen=True, slots=True)
class Not:
    term: Expression


@dataclass(frozen=True, slots=True)
class And:
    """A conjunction of two or more terms; n-ary, so that a chain of 2,000 does not nest."""

    terms: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Or:
    terms: tuple[Expression, ...]


Expression = And | Or | Not | Comparison | Has | In | StringTest | Intersects | Lambda | PropertyPath | Constant

TRUE = Constant(True)
FALSE = Constant(False)


@dataclass(frozen=True, slots=True)
class OrderByItem:
    path: PropertyPath
    descending: bool = False


@dataclass(frozen=True, slots=True)
class SelectItem:
    """A name of ``$select``, or ``*``."""

    name: str
    position: int = field(default=-1, compare=False)


@dataclass(frozen=True, slots=True)
class ExpandItem:
    """A navigation property of ``$expand`` with the options in its brackets."""

    name: str
    query: Query
    position: int = field(default=-1, compare=False)


@dataclass(frozen=True, slots=True)
class Query:
    """Query options of a request or of one level of ``$expand``. ``None`` and empty mean: not given."""

    filter: Expression | None = None
    select: tuple[SelectItem, ...] = ()
    orderby: tuple[OrderByItem, ...] = ()
    expand: tuple[ExpandItem, ...] = ()
    top: int | None = None
    skip: int | None = None
    count: bool | None = None
    skiptoken: str | None = None
    format: str | None = None


EMPTY_QUERY = Query()


def test_of(call: Call) -> StringTest:
    """Return the condition that one of the ``TESTS`` is by itself."""
    operand, pattern = call.arguments
    assert not isinstance(operand, Literal) and isinstance(pattern, Literal)  # the grammar knows no other
    return StringTest(call.function, operand, pattern)


def conjunction(*terms: Expression | None) -> Expression:
    """The conjunction of the given terms; ``None`` and ``true`` are left out, ``true`` if nothing is left."""
    kept = [term for term in terms if term is not None and term != TRUE]
    if not kept:
        return TRUE
    return kept[0] if len(kept) == 1 else And(tuple(kept))


def disjunction(*terms: Expression) -> Expression:
    """The disjunction of the given terms; ``false`` is left out, ``false`` if nothing is left."""
    kept = [term for term in terms if term != FALSE]
    if not kept:
        return FALSE
    return kept[0] if len(kept) == 1 else Or(tuple(kept))
