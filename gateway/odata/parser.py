"""From the text of an option to a tree. What the grammar does not know is refused, with its place in the client's text.

Lark builds bottom-up while it parses (an embedded transformer), so no step recurses; length, brackets and depth are
bounded before anything else looks at the text (G6).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import NoReturn, TypeVar

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import LarkError, UnexpectedInput, UnexpectedToken

from gateway.odata import literals, walk
from gateway.odata.ast import (
    TRUE,
    And,
    Call,
    Comparison,
    Constant,
    ExpandItem,
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
    OrderByItem,
    PropertyPath,
    Quantifier,
    Query,
    SelectItem,
    StringTest,
)
from gateway.odata.evaluate import operand_value
from gateway.odata.geography import parse_geography
from gateway.odata.grammar import GRAMMAR, GRAMMAR_DIRECTORY
from gateway.odata.literals import Alias, EnumValue, Kind, Literal, Now, Timestamp
from gateway.odata.values import UNKNOWN, Unknown


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that hold before policy is asked. Lengths are characters of the decoded text."""

    filter_length: int = 16_384
    list_length: int = 32_768
    depth: int = 20
    in_items: int = 2_000
    orderby_items: int = 5
    select_items: int = 1_000
    nested_atoms: int = 50
    expand_items: int = 10
    expand_depth: int = 8
    top: int = 1_000_000_000


DEFAULT_LIMITS = Limits()


class ODataSyntaxError(Exception):
    """The text is not what the gateway understands. ``position`` counts characters from 0."""

    def __init__(self, position: int, message: str = "is not understood") -> None:
        super().__init__(f"{message} at character {position + 1}")
        self.position = position
        self.message = message


class NotOfferedError(Exception):
    """A form of the standard that is recognised and not offered (501). ``what`` is the standard's word for it."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


@dataclass(frozen=True, slots=True)
class Segment:
    """A path segment: a name and its key predicate as (name or None, literal) pairs; None without brackets."""

    name: str
    key: tuple[tuple[str | None, Literal], ...] | None = None


#: What may stand on one side of a comparison.
Side = Operand | Literal | StringTest | Intersects

_FUNCTIONS = {function.value: function for function in Function}
_T = TypeVar("_T")


def ascii_lower(text: str) -> str:
    """Lower case for ASCII letters only: ``str.lower`` maps KELVIN SIGN to k (C298)."""
    return text.translate(_LOWER)


_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


@v_args(inline=True)
class _Builder(Transformer[Token, object]):
    """One method for each rule of odata.lark. Values only: whatever is built is frozen and checked here."""

    # --- conditions

    def _whole(self, *parts: object) -> object:
        return next(part for part in parts if not isinstance(part, Token))

    filter = orderby = select = expand = alias_value = _whole  # the rules are named after the options

    def chain_first(self, left: Expression, _operator: Token, right: Expression) -> list[Expression]:
        return [left, right]

    def chain_next(self, chain: list[Expression], _operator: Token, right: Expression) -> list[Expression]:
        chain.append(right)
        return chain

    def or_expr(self, chain: list[Expression]) -> Or:
        return Or(tuple(chain))

    def and_expr(self, chain: list[Expression]) -> And:
        return And(tuple(chain))

    def not_expr(self, _not: Token, term: Expression) -> Not:
        return Not(term)

    def paren_expr(self, _open: Token, term: Expression, _close: Token) -> Expression:
        return term

    def bool_property(self, path: PropertyPath) -> PropertyPath:
        return path

    def bool_literal(self, token: Token) -> Constant:
        return Constant(ascii_lower(token) == "true")

    def comparison_expr(self, left: Side, operator: Token, right: Side) -> Comparison:
        relation, behind = Operator(ascii_lower(operator.strip())), _position(operator) + len(operator)
        if isinstance(left, Literal):
            relation, left, right = relation.mirrored, right, left
        if isinstance(left, Literal | Intersects) or not isinstance(right, Literal):
            raise ODataSyntaxError(behind)
        if isinstance(left, StringTest):
            left = Call(left.function, (left.operand, left.pattern))
        return Comparison(relation, left, right)

    def in_expr(self, left: Operand | Literal, operator: Token, items: list[Literal]) -> In:
        if isinstance(left, Literal):
            raise ODataSyntaxError(_position(operator))
        return In(left, tuple(items))

    def list_expr(self, opening: Token, items: list[Literal | Operand], _close: Token) -> list[Literal]:
        for item in items:
            if not isinstance(item, Literal):
                raise ODataSyntaxError(_position(opening) + len(opening))
        return items  # type: ignore[return-value]  # they are all literals

    def list_first(self, item: _T) -> list[_T]:
        return [item]

    def list_next(self, items: list[_T], _comma: Token, item: _T) -> list[_T]:
        items.append(item)
        return items

    def property_path(self, token: Token) -> PropertyPath:
        return PropertyPath(str(token), _position(token))

    def variable_path(self, variable: Token, member: Token) -> PropertyPath:
        return PropertyPath(str(member)[1:], _position(member) + 1, str(variable))

    def bool_method_call_expr(
        self,
        name: Token,
        opening: Token,
        operand: Operand | Literal,
        comma: Token,
        pattern: Literal | Operand,
        _: Token,
    ) -> StringTest:
        if isinstance(operand, Literal):
            raise ODataSyntaxError(_position(opening) + len(opening))
        if not isinstance(pattern, Literal):
            raise ODataSyntaxError(_position(comma) + len(comma))
        return StringTest(_FUNCTIONS[ascii_lower(name)], operand, pattern)

    def lambda_expr(
        self,
        path: PropertyPath,
        quantifier: Token,
        _open: Token,
        variable: Token,
        _colon: Token,
        predicate: Expression,
        _close: Token,
    ) -> Lambda:
        return Lambda(Quantifier(ascii_lower(quantifier)[1:]), path, str(variable), predicate)

    def any_row(self, path: PropertyPath, _any: Token, _open: Token, _close: Token) -> Lambda:
        return Lambda(Quantifier.ANY, path, "", TRUE)

    def intersects(
        self, _name: Token, _open: Token, path: PropertyPath, _comma: Token, area: Literal, _close: Token
    ) -> Intersects:
        return Intersects(path, area)

    def distance_call(
        self,
        _name: Token,
        _open: Token,
        first: PropertyPath | Literal,
        _comma: Token,
        second: PropertyPath | Literal,
        _close: Token,
    ) -> Call:
        arguments = (first, second) if isinstance(first, PropertyPath) else (second, first)
        return Call(Function.GEO_DISTANCE, arguments)

    def method_call(self, name: Token, opening: Token, operand: Operand | Literal, _close: Token) -> Call | Literal:
        call = Call(_FUNCTIONS[ascii_lower(name)], (operand,))
        return _folded(call, opening) if isinstance(operand, Literal) else call

    def concat_call(
        self, _: Token, opening: Token, left: Operand | Literal, _comma: Token, right: Operand | Literal, _close: Token
    ) -> Call | Literal:
        call = Call(Function.CONCAT, (left, right))
        return _folded(call, opening) if isinstance(left, Literal) and isinstance(right, Literal) else call

    def has_expr(self, path: PropertyPath, _has: Token, literal: Literal) -> Has:
        return Has(path, literal)

    # --- literals

    def null_value(self, _token: Token) -> Literal:
        return literals.NULL

    def boolean_value(self, token: Token) -> Literal:
        return literals.boolean(ascii_lower(token) == "true")

    def date_time_offset_value(self, token: Token) -> Literal:
        return Literal(Kind.DATE_TIME_OFFSET, _in_range(literals.parse_timestamp(str(token)), token))

    def date_value(self, token: Token) -> Literal:
        return Literal(Kind.DATE, _in_range(literals.parse_date(str(token)), token))

    def number(self, token: Token) -> Literal:
        return Literal(Kind.NUMBER, _in_range(literals.parse_number(str(token)), token))

    def string(self, token: Token) -> Literal:
        return literals.string(str(token)[1:-1].replace("''", "'"))

    def time_of_day_value(self, token: Token) -> Literal:
        return Literal(Kind.TIME_OF_DAY, _in_range(literals.parse_time_of_day(str(token)), token))

    def guid_value(self, token: Token) -> Literal:
        return Literal(Kind.GUID, literals.parse_guid(str(token)))

    def geography(self, token: Token) -> Literal:
        place = parse_geography(token.partition("'")[2][:-1])
        if place is None:
            raise ODataSyntaxError(_position(token), "is no point or simple polygon of EPSG:4326")
        return Literal(Kind.GEOGRAPHY, place)

    def duration(self, token: Token) -> int:
        return _in_range(literals.parse_duration(token.partition("'")[2][:-1]), token)

    def now_expr(self, _token: Token) -> Literal:
        return Literal(Kind.NOW, Now())

    def constant_instant(self, instant: Literal, operator: Token | None = None, distance: int = 0) -> Literal:
        """Constant arithmetic is done here and now; only what is relative to ``now()`` waits for the request."""
        if operator is None:
            return instant
        return _in_range(_moved(instant, -distance if operator.type == "SUB" else distance), operator)

    def parameter_alias(self, token: Token) -> Literal:
        return Literal(Kind.ALIAS, Alias(str(token)[1:]))

    def enum(self, token: Token) -> Literal:
        type_name, _, members = str(token).partition("'")
        return Literal(Kind.ENUM, EnumValue(type_name, members[:-1].replace("''", "'")))

    # --- lists

    def orderby_item(self, path: PropertyPath, direction: Token | None = None) -> OrderByItem:
        return OrderByItem(path, direction is not None and direction.type == "DESC")

    def select_item(self, token: Token) -> SelectItem:
        return SelectItem(str(token), _position(token))

    def expand_item(
        self,
        name: Token,
        _open: Token | None = None,
        options: list[tuple[str, object, int]] | None = None,
        _close: Token | None = None,
    ) -> ExpandItem:
        query = Query()
        seen: set[str] = set()
        for option, value, position in options or ():
            if option in seen:
                raise ODataSyntaxError(position, "repeats an option")
            seen.add(option)
            query = replace(query, **{option: value})  # type: ignore[arg-type]  # the rule names option and type
        return ExpandItem(str(name), query, _position(name))

    def expand_not_offered(self, *parts: object) -> NoReturn:
        option = next(part for part in reversed(parts) if isinstance(part, Token))
        raise NotOfferedError("$" + ascii_lower(option.partition("=")[0]).lstrip("$"))

    def expand_form_not_offered(self, token: Token) -> NoReturn:
        forms = {"EXPAND_STAR": "$expand=*", "EXPAND_REF": "$ref", "EXPAND_COUNT": "$count in $expand"}
        raise NotOfferedError(forms[token.type])

    def filter_option(self, token: Token, expression: Expression) -> tuple[str, object, int]:
        return "filter", expression, _position(token)

    def orderby_option(self, token: Token, items: list[OrderByItem]) -> tuple[str, object, int]:
        return "orderby", tuple(items), _position(token)

    def select_option(self, token: Token, items: list[SelectItem]) -> tuple[str, object, int]:
        return "select", tuple(items), _position(token)

    def expand_option_nested(self, token: Token, items: list[ExpandItem]) -> tuple[str, object, int]:
        return "expand", tuple(items), _position(token)

    def top_option(self, token: Token, value: Token) -> tuple[str, object, int]:
        return "top", _unsigned(value), _position(token)

    def skip_option(self, token: Token, value: Token) -> tuple[str, object, int]:
        return "skip", _unsigned(value), _position(token)

    def count_option(self, token: Token, value: Token) -> tuple[str, object, int]:
        return "count", ascii_lower(value) == "true", _position(token)

    # --- path segments

    def segment(
        self, name: Token, _open: Token | None = None, key: object = None, _close: Token | None = None
    ) -> Segment:
        if key is None:
            return Segment(str(name))
        return Segment(str(name), tuple(key) if isinstance(key, list) else ((None, key),))  # type: ignore[arg-type]  # the grammar says: a literal or a list of pairs

    def simple_key(self, value: Literal) -> Literal:
        return value

    def key_value_pair(self, name: Token, _equals: Token, value: Literal) -> tuple[str, Literal]:
        return str(name), value


def _folded(call: Call, opening: Token) -> Literal:
    """Return the constant that a function of constants gives, as the evaluator has it.

    Raises:
        ODataSyntaxError: the function does not take them. What is known with the request only, ``now()`` and an alias,
            is among them.
    """
    value = operand_value(call, lambda _name: UNKNOWN)
    literal = None if isinstance(value, Unknown) else literals.literal_of(value)
    if literal is None:
        raise ODataSyntaxError(_position(opening) + len(opening))
    return literal


def _moved(instant: Literal, distance: int) -> Literal | None:
    match instant.value:
        case Now(before):
            total = before + distance
            return Literal(Kind.NOW, Now(total)) if abs(total) <= literals.MAX_DISTANCE else None
        case Timestamp() as moment:
            moved = literals.shift(moment, distance)
            return None if moved is None else Literal(Kind.DATE_TIME_OFFSET, moved)
        case date() as day:
            # OData adds a duration to a date by whole days.
            try:
                return Literal(Kind.DATE, day + timedelta(days=int(distance / (86_400 * literals.PICOSECONDS))))
            except OverflowError:
                return None
        case _:
            return None


def _position(token: Token) -> int:
    return token.start_pos if token.start_pos is not None else -1


def _in_range(value: _T | None, token: Token) -> _T:
    """What was read at ``token``; None says that no type holds it."""
    if value is None:
        raise ODataSyntaxError(_position(token), "is out of range")
    return value


def _unsigned(token: Token) -> int:
    if len(token) > 10 or int(token) > DEFAULT_LIMITS.top:
        raise ODataSyntaxError(_position(token), "is out of range")
    return int(token)


_LARK = Lark(
    GRAMMAR,
    parser="lalr",
    lexer="contextual",
    start=["filter", "orderby", "select", "expand", "segment", "alias_value"],
    maybe_placeholders=False,
    import_paths=[str(GRAMMAR_DIRECTORY)],
    source_path=str(GRAMMAR_DIRECTORY / "odata.lark"),
    transformer=_Builder(),
    keep_all_tokens=True,
)


def _parse(text: str, start: str, longest: int, limits: Limits) -> object:
    if len(text) > longest:
        raise ODataSyntaxError(longest, "is too long")
    _check_brackets(text, limits.depth)
    try:
        result = _LARK.parse(text, start=start)  # with an embedded transformer the result is the tree of ast.py
    except UnexpectedToken as error:
        raise ODataSyntaxError(len(text) if error.token.type == "$END" else _place(error)) from None
    except UnexpectedInput as error:
        raise ODataSyntaxError(_place(error)) from None
    except LarkError:
        raise ODataSyntaxError(0) from None
    return result


def _place(error: UnexpectedInput) -> int:
    position: int | None = getattr(error, "pos_in_stream", None)  # lark declares it as None and sets it later
    return position or 0


def _check_brackets(text: str, depth: int) -> None:
    """Counts open brackets outside strings in one pass, before Lark sees the text."""
    level, quoted = 0, False
    for position, character in enumerate(text):
        if character == "'":
            quoted = not quoted  # a doubled quote toggles twice
        elif quoted:
            continue
        elif character == "(":
            level += 1
            if level > depth:
                raise ODataSyntaxError(position, "is nested too deeply")
        elif character == ")":
            level -= 1


def _check_expression(expression: Expression, limits: Limits) -> None:
    """Depth and list sizes of the built tree, without recursion: a chain of ``not`` has no brackets. And each path
    that starts with a variable starts with one of a lambda around it, of which no two have one name (C37, C38)."""
    pending: list[tuple[Expression | Operand, int, tuple[str, ...]]] = [(expression, 1, ())]
    while pending:
        node, depth, scope = pending.pop()
        if depth > limits.depth + 4:  # brackets are counted before; this counts chains of `not` and calls too
            raise ODataSyntaxError(0, "is nested too deeply")
        inner: list[Expression | Operand] = []
        match node:
            case And(terms) | Or(terms):
                inner.extend(terms)
            case Not(term):
                inner.append(term)
            case StringTest(_, operand, _):
                inner.append(operand)
            case Call(_, arguments):
                inner.extend(item for item in arguments if not isinstance(item, Literal))
            case Has(path, _) | Intersects(path, _):
                inner.append(path)
            case Comparison(_, left, _):
                inner.append(left)
            case Lambda(_, path, variable, predicate):
                if variable in scope:
                    raise ODataSyntaxError(path.position, "repeats a variable")
                pending.append((path, depth + 1, scope))
                pending.append((predicate, depth + 1, (*scope, variable)))
            case In(left, items):
                if len(items) > limits.in_items:
                    raise ODataSyntaxError(0, "has too many items in a list")
                inner.append(left)
            case PropertyPath(_, position, variable):
                if variable and variable not in scope:
                    raise ODataSyntaxError(position - 1)
            case Constant():
                pass
        pending.extend((item, depth + 1, scope) for item in inner)


def parse_filter(text: str, limits: Limits = DEFAULT_LIMITS) -> Expression:
    """The condition of a ``$filter``, a row rule or a ``When``.

    Raises:
        ODataSyntaxError: anything else than an offered expression.
    """
    expression: Expression = _parse(text, "filter", limits.filter_length, limits)  # type: ignore[assignment]  # the start rule says so
    _check_expression(expression, limits)
    return expression


def parse_alias_value(text: str, limits: Limits = DEFAULT_LIMITS) -> Literal:
    """The value of a parameter alias: a literal, never a name, an expression or another alias (C43)."""
    literal: Literal = _parse(text, "alias_value", limits.filter_length, limits)  # type: ignore[assignment]  # the start rule says so
    if literal.kind is Kind.ALIAS:
        raise ODataSyntaxError(0)
    return literal


def parse_orderby(text: str, limits: Limits = DEFAULT_LIMITS) -> tuple[OrderByItem, ...]:
    items: list[OrderByItem] = _parse(text, "orderby", limits.list_length, limits)  # type: ignore[assignment]  # the start rule says so
    _check_orderby(items, limits)
    return tuple(items)


def _check_orderby(items: list[OrderByItem] | tuple[OrderByItem, ...], limits: Limits) -> None:
    seen: set[str] = set()
    for item in items:
        if len(seen) >= limits.orderby_items:
            raise ODataSyntaxError(item.path.position, "has too many items")
        if item.path.name in seen:
            raise ODataSyntaxError(item.path.position, "repeats a name")
        seen.add(item.path.name)


def parse_select(text: str, limits: Limits = DEFAULT_LIMITS) -> tuple[SelectItem, ...]:
    items: list[SelectItem] = _parse(text, "select", limits.list_length, limits)  # type: ignore[assignment]  # the start rule says so
    if len(items) > limits.select_items:
        raise ODataSyntaxError(items[limits.select_items].position, "has too many items")
    return tuple(items)


def parse_expand(text: str, limits: Limits = DEFAULT_LIMITS) -> tuple[ExpandItem, ...]:
    """The items of an ``$expand``, each navigation at most once (C22), to the depth that the limits allow."""
    items: list[ExpandItem] = _parse(text, "expand", limits.list_length, limits)  # type: ignore[assignment]  # the start rule says so
    pending = [(tuple(items), 1)]
    while pending:
        level, depth = pending.pop()
        seen: set[str] = set()
        for item in level:
            if depth > limits.expand_depth:
                raise ODataSyntaxError(item.position, "is nested too deeply")
            if len(seen) >= limits.expand_items:
                raise ODataSyntaxError(item.position, "has too many items")
            if item.name in seen:
                raise ODataSyntaxError(item.position, "repeats a name")
            seen.add(item.name)
            _check_orderby(item.query.orderby, limits)
            if item.query.filter is not None:
                _check_expression(item.query.filter, limits)
                # It is evaluated here, once for each nested row.
                if sum(1 for _ in walk.atoms(item.query.filter)) > limits.nested_atoms:
                    raise ODataSyntaxError(item.position, "has too many terms")
            if item.query.expand:
                pending.append((item.query.expand, depth + 1))
    return tuple(items)


def parse_segment(text: str) -> Segment:
    """A path segment such as ``Property``, ``Property('k')`` or ``Property(ListingKey='k')``, already decoded once."""
    segment: Segment = _parse(text, "segment", DEFAULT_LIMITS.filter_length, DEFAULT_LIMITS)  # type: ignore[assignment]  # the start rule says so
    return segment
