"""A small OData: expressions as nested lists, their text, a reader of that text, and what they say of a row.

It shares no line with ``gateway.odata``: upstreams in the prover read with it what the gateway has printed, and the
right answers are computed with it. An expression is a list, so that it can be cut down piece by piece:

    ["and", e...]  ["or", e...]  ["not", e]  ["true"]  ["false"]
    ["cmp", op, operand, literal]  ["pmc", op, literal, operand]  ["in", operand, [literal...]]  ["test", function, operand, literal]
    ["flag", name]  ["any"|"all", name, e]  ["some", navigation, e or None]  ["every", navigation, e]

An operand is ["f", name], a function of one: ["call", function, operand] or ["concat", part, part], or a ["test", ...] that is compared with
true or false. Inside ``any`` the element is the field ``x``. A literal is ["s", text], ["n", digits], ["b", bool], ["d", date], ["t", instant],
["g", guid], ["null"], ["now", days], ["bind", name] for a binding of the key in a rule, or a function of constants:
["const", function, literal...].
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

Expression = list[Any]
Row = Mapping[str, Any]


# --- text


def text_of(expression: Expression, *, variable: str = "x") -> str:
    """OData text, fully bracketed."""
    return _text(expression, "", variable)


def _text(e: Expression, prefix: str, variable: str) -> str:
    match e:
        case ["and" | "or" as word, *terms]:
            return f" {word} ".join(f"({_text(term, prefix, variable)})" for term in terms)
        case ["not", term]:
            return f"not ({_text(term, prefix, variable)})"
        case ["true"] | ["false"]:
            return str(e[0])
        case ["cmp", op, operand, literal]:
            return f"{_operand(operand, prefix)} {op} {literal_text(literal)}"
        case ["pmc", op, literal, operand]:
            return f"{literal_text(literal)} {op} {_operand(operand, prefix)}"
        case ["in", operand, items]:
            return f"{_operand(operand, prefix)} in ({','.join(literal_text(item) for item in items)})"
        case ["test", function, operand, literal]:
            return f"{function}({_operand(operand, prefix)},{literal_text(literal)})"
        case ["flag", name]:
            return prefix + str(name)
        case ["any" | "all" as word, name, inner]:
            return f"{prefix}{name}/{word}({variable}:{_text(inner, '', variable)})"
        case ["some", name, None]:
            return f"{name}/any()"
        case ["some" | "every" as word, name, inner]:
            quantifier = "any" if word == "some" else "all"
            return f"{name}/{quantifier}({variable}:{_text(inner, variable + '/', variable)})"
    raise AssertionError(e)


def _operand(operand: Expression, prefix: str) -> str:
    match operand:
        case ["f", name]:
            return prefix + str(name)
        case ["call", function, inner]:
            return f"{function}({_operand(inner, prefix)})"
        case ["test", function, inner, literal]:
            return f"{function}({_operand(inner, prefix)},{literal_text(literal)})"
    raise AssertionError(operand)


def literal_text(literal: Expression) -> str:
    match literal:
        case ["s", value]:
            return "'" + str(value).replace("'", "''") + "'"
        case ["n" | "d" | "t" | "g", value]:
            return str(value)
        case ["b", value]:
            return "true" if value else "false"
        case ["null"]:
            return "null"
        case ["bind", name]:
            return f"@{name}"
        case ["now", days]:
            return "now()" if days == 0 else f"now() {'add' if days > 0 else 'sub'} duration'P{abs(days)}D'"
        case ["const", function, *parts]:
            return f"{function}({','.join(literal_text(part) for part in parts)})"
    raise AssertionError(literal)


def names(expression: Any) -> Iterator[str]:
    """The fields and navigations of the row itself that an expression names."""
    match expression:
        case ["f" | "flag", name]:
            yield name
        case ["any" | "all", name, _] | ["some" | "every", name, _]:
            yield name
        case ["call", _, inner]:
            yield from names(inner)
        case ["concat", *parts]:
            for part in parts:
                yield from names(part)
        case ["cmp", _, operand, _] | ["in", operand, _] | ["test", _, operand, _] | ["pmc", _, _, operand]:
            yield from names(operand)
        case [_, *parts]:
            for part in parts:
                if isinstance(part, list):
                    yield from names(part)


# --- reading

_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^']|'')*')"
    r"|(?P<guid>[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})"
    r"|(?P<instant>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)|(?P<date>\d{4}-\d\d-\d\d(?![T\d]))"
    r"|(?P<clock>\d\d:\d\d(?::\d\d(?:\.\d+)?)?)"
    r"|(?P<number>-?\d+(?:\.\d+)?(?:E[+-]?\d+)?)|(?P<word>[A-Za-z_][A-Za-z0-9_.]*)|(?P<sign>[(),:/]))"
)


class Unreadable(Exception):
    """The text is no expression of this language; an upstream answers 400."""


class _Reader:
    """Recursive descent. Precedence: not, and, or; a comparison binds closest."""

    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        position = 0
        while position < len(text.rstrip()):
            match = _TOKEN.match(text, position)
            if match is None:
                raise Unreadable(text[position:])
            assert match.lastgroup is not None
            self.tokens.append((match.lastgroup, match.group(match.lastgroup)))
            position = match.end()
        self.place = 0

    def peek(self, ahead: int = 0) -> tuple[str, str]:
        place = self.place + ahead
        return self.tokens[place] if place < len(self.tokens) else ("end", "")

    def take(self, value: str | None = None) -> tuple[str, str]:
        token = self.peek()
        if value is not None and token[1] != value:
            raise Unreadable(f"{token} where {value} should be")
        self.place += 1
        return token

    def takes(self, value: str) -> bool:
        if self.peek()[1] == value and self.peek()[0] in ("word", "sign"):
            self.place += 1
            return True
        return False

    def expression(self) -> Expression:
        terms = [self.conjunction()]
        while self.takes("or"):
            terms.append(self.conjunction())
        return terms[0] if len(terms) == 1 else ["or", *terms]

    def conjunction(self) -> Expression:
        terms = [self.negation()]
        while self.takes("and"):
            terms.append(self.negation())
        return terms[0] if len(terms) == 1 else ["and", *terms]

    def negation(self) -> Expression:
        if self.takes("not"):
            return ["not", self.negation()]
        if self.takes("("):
            inner = self.expression()
            self.take(")")
            return inner
        return self.atom()

    def atom(self) -> Expression:
        kind, word = self.peek()
        if word in ("true", "false") and kind == "word":
            self.take()
            return [word]
        if word in ("contains", "startswith", "endswith") and self.peek(1)[1] == "(":
            self.take()
            self.take("(")
            operand = self.operand()
            self.take(",")
            literal = self.literal()
            self.take(")")
            return ["test", word, operand, literal]
        operand = self.operand()
        if self.takes("/"):
            return self.quantified(operand)
        if self.takes("in"):
            self.take("(")
            items = [self.literal()]
            while self.takes(","):
                items.append(self.literal())
            self.take(")")
            return ["in", operand, items]
        if self.peek()[1] in ("eq", "ne", "gt", "ge", "lt", "le"):
            return ["cmp", self.take()[1], operand, self.literal()]
        if operand[0] != "f":
            raise Unreadable(str(operand))
        return ["flag", operand[1]]

    def quantified(self, operand: Expression) -> Expression:
        word = self.take()[1]
        if word not in ("any", "all") or operand[0] != "f":
            raise Unreadable(word)
        self.take("(")
        if self.takes(")"):
            return ["some", operand[1], None]
        variable = self.take()[1]
        self.take(":")
        start = self.place
        inner = self.expression()
        self.take(")")
        over_rows = any(
            self.tokens[n] == ("word", variable) and self.tokens[n + 1] == ("sign", "/")
            for n in range(start, self.place - 1)
        )
        if over_rows:
            return ["some" if word == "any" else "every", operand[1], _unprefixed(inner, variable)]
        return [word, operand[1], _renamed(inner, variable)]

    def operand(self) -> Expression:
        kind, word = self.take()
        if kind != "word":
            raise Unreadable(word)
        if self.peek()[1] == "(":
            self.take("(")
            if word == "concat":
                return self.concat()
            inner = self.operand()
            self.take(")")
            return ["call", word, inner]
        if self.peek()[1] == "/" and self.peek(1)[1] not in ("any", "all"):
            self.take("/")
            return ["f", f"{word}/{self.take()[1]}"]
        return ["f", word]

    def concat(self) -> Expression:
        parts = []
        for sign in (",", ")"):
            parts.append(self.literal() if self.peek()[0] == "string" else self.operand())
            self.take(sign)
        return ["concat", *parts]

    def literal(self) -> Expression:
        kind, word = self.take()
        match kind:
            case "string":
                return ["s", word[1:-1].replace("''", "'")]
            case "number":
                return ["n", word]
            case "guid":
                return ["g", word]
            case "instant":
                return ["t", word]
            case "date":
                return ["d", word]
            case "clock":
                return ["d", word.ljust(8, "0") if len(word) > 5 else f"{word}:00"]
            case "word" if word in ("true", "false"):
                return ["b", word == "true"]
            case "word" if word == "null":
                return ["null"]
            case "word" if "." in word and self.peek()[0] == "string":
                return self.literal()  # a member of an enumeration, by its type
        raise Unreadable(word)


def _renamed(e: Any, variable: str) -> Any:
    """The variable of a lambda over values becomes ``x``; nothing else may be named there."""
    if isinstance(e, list):
        if e[:1] in (["f"], ["flag"]):
            if e[1] != variable:
                raise Unreadable(f"{e[1]} inside a lambda of {variable}")
            return [e[0], "x"]
        return [_renamed(part, variable) for part in e]
    return e


def _unprefixed(e: Any, variable: str) -> Any:
    if isinstance(e, list):
        if e[:1] in (["f"], ["flag"]):
            head, _, name = e[1].partition("/")
            if head != variable or not name:
                raise Unreadable(f"{e[1]} inside a lambda of {variable}")
            return [e[0], name]
        return [_unprefixed(part, variable) for part in e]
    return e


@lru_cache(maxsize=20_000)
def read(text: str) -> Expression:
    """The expression that a text is. Do not change what it gives: it is kept."""
    reader = _Reader(text)
    result = reader.expression()
    if reader.peek()[0] != "end":
        raise Unreadable(f"{reader.peek()} behind the end")
    return result


# --- meaning


@dataclass(frozen=True)
class Meaning:
    """How an expression is read: by the rules of policy (``strict``: of null nothing is known but that it is null),
    by OData 4.01, or by SQL. ``normal`` gives one text for all that are equal."""

    nulls: str = "strict"
    normal: Callable[[str], str] = str
    #: Patterns are those of LIKE: ``%`` and ``_`` are wildcards, a backslash escapes, and one at the end fails, or is none.
    like: bool = False
    fails: bool = True
    #: ``and`` inside a lambda is read as ``or``.
    flat_lambdas: bool = False
    #: Hours by which the parts of an instant are taken elsewhere.
    zone: int = 0
    #: Letters and blanks stay as they are, and blanks at the end are not counted.
    dull_functions: bool = False
    now: str = "2026-01-15T12:00:00.000Z"
    #: A value that is printed unreadably counts as what is stored.
    stored: bool = False


class FailedOnRow(Exception):
    """What some database says in the middle of a table."""


EQUALITY: dict[str, Callable[[str], str]] = {
    "exact": str,
    "fold": str.casefold,
    "fold_pad": lambda text: text.casefold().rstrip(" "),
}


def is_raw(value: Any) -> bool:
    """Whether a value is ``{"raw": hex, "is": value}``: stored like any other, and printed as bytes that no reader
    takes for a value of its type."""
    return isinstance(value, dict) and "raw" in value


def holds(
    e: Expression, row: Row, meaning: Meaning, related: Callable[[str], Sequence[Row]] | None = None
) -> bool | None:
    """True, False or None for unknown."""
    if e[0] not in ("and", "or", "not", "some", "every") and any(is_raw(row.get(name)) for name in names(e)):
        if not meaning.stored:
            return None  # nothing is known of what cannot be read
        row = {field: value["is"] if is_raw(value) else value for field, value in row.items()}
    match e:
        case ["and", *terms]:
            found = [holds(term, row, meaning, related) for term in terms]
            return False if False in found else None if None in found else True
        case ["or", *terms]:
            found = [holds(term, row, meaning, related) for term in terms]
            return True if True in found else None if None in found else False
        case ["not", term]:
            truth = holds(term, row, meaning, related)
            return None if truth is None else not truth
        case ["true"]:
            return True
        case ["false"]:
            return False
        case ["flag", name]:
            flag = row.get(name)
            return flag if isinstance(flag, bool) else None
        case ["cmp", op, operand, literal]:
            return _compared(op, value_of(operand, row, meaning), plain(literal), meaning)
        case ["pmc", op, literal, operand]:
            return _compared(_MIRRORED[op], value_of(operand, row, meaning), plain(literal), meaning)
        case ["in", operand, literals]:
            value = value_of(operand, row, meaning)
            found = [_compared("eq", value, plain(item), meaning) for item in literals]
            return True if True in found else None if None in found else False
        case ["test", _, _, _]:
            found_here = value_of(e, row, meaning)
            return found_here if isinstance(found_here, bool) else None
        case ["any" | "all" as word, name, inner]:
            items = row.get(name)
            if not isinstance(items, list):
                return None if meaning.nulls == "strict" else word == "all"
            if meaning.flat_lambdas and inner[0] == "and":
                inner = ["or", *inner[1:]]
            return _quantified(word, [holds(inner, {"x": item}, meaning) for item in items])
        case ["some" | "every" as word, name, inner]:
            assert related is not None
            rows = related(name)
            if inner is None:
                return bool(rows)
            return _quantified("any" if word == "some" else "all", [holds(inner, other, meaning) for other in rows])
    raise AssertionError(e)


def _quantified(word: str, found: list[bool | None]) -> bool | None:
    if word == "any":
        return True if True in found else None if None in found else False
    return False if False in found else None if None in found else True


def value_of(operand: Expression, row: Row, meaning: Meaning) -> Any:
    match operand:
        case ["f", name]:
            return row.get(name)
        case ["call", function, inner]:
            value = value_of(inner, row, meaning)
            return None if value is None else _CALLS[function](value, meaning)
        case ["concat", *parts]:
            texts = [part[1] if part[0] == "s" else value_of(part, row, meaning) for part in parts]
            return None if None in texts else "".join(texts)
        case ["test", function, inner, literal]:
            value = value_of(inner, row, meaning)
            return None if not isinstance(value, str) else _tested(function, value, plain(literal)[1], meaning)
    raise AssertionError(operand)


def _stripped(text: str) -> str:
    return text.strip(" ")


#: ``5 lt Beds`` is ``Beds gt 5``.
_MIRRORED = {"eq": "eq", "ne": "ne", "gt": "lt", "lt": "gt", "ge": "le", "le": "ge"}


def plain(literal: Expression) -> Expression:
    """A literal, where it is a function of constants the one that this gives."""
    match literal:
        case ["const", "concat", *parts]:
            return ["s", "".join(plain(part)[1] for part in parts)]
        case ["const", "length", part]:
            return ["n", str(len(plain(part)[1]))]
        case ["const", function, part]:
            return [
                "s",
                {"tolower": str.lower, "toupper": str.upper, "trim": _stripped}[function](plain(part)[1]),
            ]
    return literal


def _part(start: int, end: int, kind: Callable[[str], Any] = int) -> Callable[[str, Meaning], Any]:
    def part(value: str, meaning: Meaning) -> Any:
        if meaning.zone and "T" in value:
            moved = datetime.fromisoformat(value) + timedelta(hours=meaning.zone)
            value = moved.strftime("%Y-%m-%dT%H:%M:%S")
        return kind(value[start:end])

    return part


_CALLS: dict[str, Callable[[Any, Meaning], Any]] = {
    "tolower": lambda value, meaning: value if meaning.dull_functions else value.lower(),
    "toupper": lambda value, meaning: value if meaning.dull_functions else value.upper(),
    "trim": lambda value, meaning: value if meaning.dull_functions else value.strip(" "),
    "length": lambda value, meaning: len(value.rstrip(" ") if meaning.dull_functions else value),
    "year": _part(0, 4),
    "month": _part(5, 7),
    "day": _part(8, 10),
    "hour": _part(11, 13),
    "minute": _part(14, 16),
    "second": _part(17, 19),
    "date": _part(0, 10, str),
    "time": _part(11, 19, str),
}


def _compared(op: str, value: Any, literal: Expression, meaning: Meaning) -> bool | None:
    if literal == ["null"]:
        return {"eq": value is None, "ne": value is not None}[op]
    if value is None:
        return op == "ne" if meaning.nulls == "odata" else None
    left, right = comparable(value, literal, meaning)
    if type(left) is not type(right):
        return None
    found: bool = {
        "eq": left == right, "ne": left != right, "gt": left > right, "ge": left >= right, "lt": left < right, "le": left <= right,
    }[op]  # fmt: skip
    return found


def comparable(value: Any, literal: Expression, meaning: Meaning) -> tuple[Any, Any]:
    """A value and a literal as two things of one kind."""
    match literal:
        case ["s", text]:
            return (meaning.normal(value), meaning.normal(text)) if isinstance(value, str) else (value, text)
        case ["n", digits]:
            number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
            return (Decimal(str(value)) if number else value), Decimal(digits)
        case ["g", guid]:
            return (value.lower(), guid.lower()) if isinstance(value, str) else (value, guid)
        case ["b", flag]:
            return value, flag
        case ["d", day]:
            return value, day
        case ["t", instant]:
            return instant_of(value), instant_of(instant)
        case ["now", days]:
            moved = datetime.fromisoformat(meaning.now) + timedelta(days=days)
            if isinstance(value, str) and "T" not in value:
                return value, moved.date().isoformat()  # with a date, the day of the instant is compared
            return instant_of(value), moved
    raise AssertionError(literal)


def instant_of(text: Any) -> Any:
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None


def _tested(function: str, value: str, pattern: str, meaning: Meaning) -> bool:
    value, pattern = meaning.normal(value), meaning.normal(pattern)
    if meaning.like:
        expression = _like(pattern, fails=meaning.fails)
        before, after = {"contains": (".*", ".*"), "startswith": ("", ".*"), "endswith": (".*", "")}[function]
        return re.fullmatch(before + expression + after, value, re.DOTALL) is not None
    return {
        "contains": pattern in value, "startswith": value.startswith(pattern), "endswith": value.endswith(pattern),
    }[function]  # fmt: skip


def _like(pattern: str, *, fails: bool) -> str:
    parts = []
    characters = iter(pattern)
    for character in characters:
        if character == "\\":
            following = next(characters, None)
            if following is None and not fails:
                break
            if following is None:
                raise FailedOnRow("LIKE pattern must not end with escape character")
            parts.append(re.escape(following))
        else:
            parts.append({"%": ".*", "_": "."}.get(character, re.escape(character)))
    return "".join(parts)
