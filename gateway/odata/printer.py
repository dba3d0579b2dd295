"""From trees to OData text and to the bytes on the wire: the only place where the gateway writes a request (D2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never
from urllib.parse import quote

from gateway.odata.ast import (
    And,
    Call,
    Comparison,
    Constant,
    ExpandItem,
    Expression,
    Has,
    In,
    Intersects,
    Lambda,
    Not,
    Operand,
    Or,
    OrderByItem,
    PropertyPath,
    Query,
    StringTest,
)
from gateway.odata.literals import Literal, print_literal


def print_expression(expression: Expression) -> str:
    """Canonical text, every operator parenthesised. ``parse_filter(print_expression(t)) == t`` for every tree."""
    match expression:
        case And(terms):
            return " and ".join(f"({print_expression(term)})" for term in terms)
        case Or(terms):
            return " or ".join(f"({print_expression(term)})" for term in terms)
        case Not(term):
            return f"not ({print_expression(term)})"
        case Comparison(operator, left, right):
            # Property left, literal right: `null eq X` is wrong on some servers.
            return f"{print_operand(left)} {operator.value} {print_literal(right)}"
        case Has(path, right):
            return f"{path} has {print_literal(right)}"
        case In(left, items):
            return f"{print_operand(left)} in ({','.join(print_literal(item) for item in items)})"
        case StringTest(function, operand, pattern):
            return f"{function.value}({print_operand(operand)},{print_literal(pattern)})"
        case Intersects(path, area):
            return f"geo.intersects({path},{print_literal(area)})"
        case Lambda(quantifier, path, variable, predicate):
            inside = f"{variable}:{print_expression(predicate)}" if variable else ""
            return f"{path}/{quantifier.value}({inside})"
        case PropertyPath():
            return str(expression)
        case Constant(value):
            return "true" if value else "false"
        case _:
            assert_never(expression)


def print_key(key: Sequence[tuple[str | None, Literal]]) -> str:
    """What stands between the brackets of a key predicate: one value by itself, of several each with its name."""
    if len(key) == 1:
        return print_literal(key[0][1])
    return ",".join(f"{name}={print_literal(literal)}" for name, literal in key)


def print_operand(operand: Operand) -> str:
    match operand:
        case PropertyPath():
            return str(operand)
        case Call(function, arguments):
            return f"{function.value}({','.join(_print_argument(item) for item in arguments)})"
        case _:
            assert_never(operand)


def _print_argument(argument: Operand | Literal) -> str:
    return print_literal(argument) if isinstance(argument, Literal) else print_operand(argument)


def print_orderby(items: tuple[OrderByItem, ...]) -> str:
    return ",".join(item.path.name + (" desc" if item.descending else "") for item in items)


def print_expand_item(item: ExpandItem) -> str:
    options = ";".join(f"{name}={value}" for name, value in query_options(item.query))
    return f"{item.name}({options})" if options else item.name


def query_options(query: Query) -> list[tuple[str, str]]:
    """The options of a query as (name, text) pairs in one fixed order, not yet encoded."""
    options: list[tuple[str, str]] = []
    if query.filter is not None:
        options.append(("$filter", print_expression(query.filter)))
    if query.select:
        options.append(("$select", ",".join(item.name for item in query.select)))
    if query.expand:
        options.append(("$expand", ",".join(print_expand_item(item) for item in query.expand)))
    if query.orderby:
        options.append(("$orderby", print_orderby(query.orderby)))
    if query.skip is not None:
        options.append(("$skip", str(query.skip)))
    if query.top is not None:
        options.append(("$top", str(query.top)))
    if query.count is not None:
        options.append(("$count", "true" if query.count else "false"))
    if query.format is not None:
        options.append(("$format", query.format))
    if query.skiptoken is not None:
        options.append(("$skiptoken", query.skiptoken))
    return options


def print_query(query: Query) -> str:
    """The query string, percent-encoded: blanks as ``%20`` (a plus is 400 on some servers), nothing else bare but
    the unreserved characters and the few that every server expects to read."""
    return "&".join(f"{name}={encode(text)}" for name, text in query_options(query))


def encode(text: str) -> str:
    """Percent-encoding for a query value or path segment: unreserved characters, ``$``, ``,`` and brackets stay."""
    return quote(text, safe="$,()-._~")
