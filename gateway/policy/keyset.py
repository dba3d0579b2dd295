"""Pages that go on behind the values of the last record, and not behind a number of rows (D10, C284, C361).

Only over columns that the profile calls exact, so that a record which comes or goes meanwhile moves no other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from gateway.odata.ast import Comparison, Expression, Operator, OrderByItem, PropertyPath, conjunction, disjunction
from gateway.odata.csdl import Property
from gateway.odata.literals import NULL, Kind, Literal
from gateway.policy.profile import Profile

#: Characters of a text whose length the upstream does not declare, and the most of one that it does.
_TEXT = 255
#: Bytes of a literal that is no text, printed: a number, an instant.
_SHORT = 72


def is_keyset(
    order: Sequence[OrderByItem],
    types: Mapping[str, Property],
    resource: str,
    profile: Profile,
) -> bool:
    """Whether every column of an order can carry a continuation.

    Where the upstream's windows end somewhere, nothing else leads past their end. Then every column counts that holds
    no instant: an instant may be stored more finely than it is printed, so it needs the operator's word.
    """
    exact = profile.order_exact.get(resource, ())
    return all(
        name in types
        and (name in exact or (has_windows(profile) and types[name].type.name not in _INSTANTS))
        and not profile.is_unfilterable(resource, name)
        and _fits(types[name])
        for name in (item.path.name for item in order)
    )


def has_windows(profile: Profile) -> bool:
    """Return whether the upstream limits how many rows of a list it can skip."""
    return profile.skip_max is not None and not profile.is_linked


def _fits(declared: Property) -> bool:
    return declared.type.name in _KINDS and (declared.max_length or _TEXT) <= _TEXT


def is_place(values: Sequence[Literal], order: Sequence[OrderByItem], types: Mapping[str, Property]) -> bool:
    """Return whether values fit the declared lengths of their columns, so that an address has room for them."""
    return all(
        len(str(literal.value)) <= (types[item.path.name].max_length or _TEXT)
        if literal.kind is Kind.STRING
        else len(str(literal.value)) <= _SHORT
        for literal, item in zip(values, order, strict=True)
    )


def longest(order: Sequence[OrderByItem], types: Mapping[str, Property]) -> int:
    """The most bytes that the values of a position can take in UTF-8, quotes doubled (C362)."""
    return sum(
        2 * 4 * (types[item.path.name].max_length or _TEXT)
        if types[item.path.name].type.name == "Edm.String"
        else _SHORT
        for item in order
    )


_INSTANTS = ("Edm.DateTimeOffset", "Edm.TimeOfDay")
_KINDS: Mapping[str, Kind] = {
    "Edm.String": Kind.STRING,
    "Edm.Guid": Kind.GUID,
    "Edm.Date": Kind.DATE,
    "Edm.DateTimeOffset": Kind.DATE_TIME_OFFSET,
    "Edm.TimeOfDay": Kind.TIME_OF_DAY,
    "Edm.Byte": Kind.NUMBER,
    "Edm.SByte": Kind.NUMBER,
    "Edm.Int16": Kind.NUMBER,
    "Edm.Int32": Kind.NUMBER,
    "Edm.Int64": Kind.NUMBER,
    "Edm.Decimal": Kind.NUMBER,
}


def behind(
    order: Sequence[OrderByItem], after: Sequence[Literal], profile: Profile, key: Collection[str]
) -> Expression:
    """Return the condition that selects the records behind one whose values in ``order`` are ``after``.

    Args:
        key: fields that are null on no record.
    """
    alternatives: list[Expression] = []
    equal: list[Expression] = []
    for item, value in zip(order, after, strict=True):
        nulls_first = item.path.name in key or (profile.nulls == "first") is not item.descending
        beyond = _beyond(item, value, nulls_first=nulls_first)
        if beyond is not None:
            alternatives.append(conjunction(*equal, beyond))
        equal.append(Comparison(Operator.EQ, item.path, value))
    return disjunction(*alternatives)


def _beyond(item: OrderByItem, value: Literal, *, nulls_first: bool) -> Expression | None:
    path: PropertyPath = item.path
    if value.kind is Kind.NULL:
        return Comparison(Operator.NE, path, NULL) if nulls_first else None
    further = Comparison(Operator.LT if item.descending else Operator.GT, path, value)
    return further if nulls_first else disjunction(further, Comparison(Operator.EQ, path, NULL))
