"""One request, read as far as that is possible without knowing the model: path, method, options as trees.

Checks happen in the order of CHANNELS section 2, but names can only be checked against a policy, and a path that
names nothing comes before an option that says nothing. So a fault of the options travels with the request and is
raised by ``decide`` once path and method are settled.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from gateway.errors import Refusal, invalid_query, not_found, not_offered
from gateway.odata import parser, walk
from gateway.odata.ast import EMPTY_QUERY, Query
from gateway.odata.literals import Alias, Literal, print_literal
from gateway.odata.parser import Limits, NotOfferedError, ODataSyntaxError, Segment
from gateway.odata.printer import print_query
from gateway.odata.url import split_path, split_query, split_target

#: Options that the gateway takes, under their canonical names.
OFFERED = ("$filter", "$select", "$expand", "$orderby", "$top", "$skip", "$count", "$format", "$skiptoken")
#: Options of the standard that are answered 501 wherever they stand (C74, C76, C80, C91, C166).
NOT_OFFERED = ("$apply", "$compute", "$search", "$deltatoken", "$schemaversion", "$index", "$levels", "$id")
#: 4.01 lets every system option go without ``$`` but these two.
_DOLLAR_REQUIRED = ("$skiptoken", "$deltatoken")


@dataclass(frozen=True, slots=True)
class Path:
    """The segments below the service root. ``tail`` holds what follows the first segment, decoded, not yet resolved."""

    segments: tuple[str, ...]
    head: Segment | None
    tail: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """A request as text can tell it. ``fault`` is the first thing wrong with its options, if anything is; ``weight``
    the length of its text. ``via_query``: the options come in a body, by ``POST <Set>/$query`` (C113)."""

    method: str
    path: Path
    query: Query = EMPTY_QUERY
    options: frozenset[str] = frozenset()
    fault: Refusal | None = None
    weight: int = 0
    via_query: bool = False


def canonical_text(resource: str, query: Query) -> str:
    """A request as its own canonical text, without what changes from page to page."""
    return f"{resource}?{print_query(replace(query, top=None, skip=None, skiptoken=None))}"


def parse_path(segments: tuple[str, ...]) -> Path:
    """Reads the first segment. A path that is no path is 404, like one that leads nowhere (C107)."""
    if not segments:
        return Path((), None, ())
    if segments[0].startswith("$"):
        return Path(segments, None, segments[1:])
    try:
        head = parser.parse_segment(segments[0])
    except ODataSyntaxError:
        # A function or $crossjoin(..) call may look like nothing we know; both are no resource here.
        raise not_found() from None
    return Path(segments, head, segments[1:])


def canonical_option(name: str) -> str | None:
    """The canonical name of a system query option in any spelling of OData 4.01, or None for anything else."""
    lowered = parser.ascii_lower(name)
    dollar = lowered if lowered.startswith("$") else "$" + lowered
    if dollar not in OFFERED and dollar not in NOT_OFFERED:
        return None
    if dollar in _DOLLAR_REQUIRED and not lowered.startswith("$"):
        return None
    return dollar


#: What a request weighs beside its text.
_OVERHEAD = 500
_ALIAS = re.compile(r"@[A-Za-z_][A-Za-z0-9_]{0,127}")


def read_options(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Canonical option name to value: unknown and repeated options are 400, known and not offered ones 501."""
    options: dict[str, str] = {}
    for name, value in pairs:
        canonical = name if _ALIAS.fullmatch(name) else canonical_option(name)
        if canonical is None:
            raise invalid_query(f"`{name}` is not a query option of this service")
        if canonical in options:
            raise invalid_query(f"`{canonical}` is given more than once", canonical)
        options[canonical] = value
    for name in NOT_OFFERED:
        if name in options:
            raise not_offered(name)
    return options


def read_aliases(options: dict[str, str], limits: Limits) -> dict[str, Literal]:
    """The parameter aliases among the options, as the literals that they stand for (C43)."""
    aliases: dict[str, Literal] = {}
    for name, text in options.items():
        if name.startswith("@"):
            try:
                aliases[name[1:]] = parser.parse_alias_value(text, limits)
            except ODataSyntaxError as error:
                raise invalid_query(f"`{name}` {error.message} at character {error.position + 1}", name) from None
    return aliases


def inline_aliases(query: Query, aliases: dict[str, Literal], limits: Limits) -> Query:
    """The query with every alias replaced by its literal, before anything else looks at it; none is left to send.

    Raises:
        Refusal: 400 for an alias that is used and not given, or given and not used.
    """
    used: set[str] = set()
    # A long literal that is used a thousand times would pass every limit of what the client wrote.
    lengths = {name: len(print_literal(literal)) for name, literal in aliases.items()}
    spent = [0]

    def inline(literal: Literal) -> Literal:
        if not isinstance(literal.value, Alias):
            return literal
        used.add(literal.value.name)
        if literal.value.name not in aliases:
            raise invalid_query(f"`@{literal.value.name}` is used and not given")
        spent[0] += lengths[literal.value.name]
        if spent[0] > limits.filter_length:
            raise invalid_query("the parameter aliases make a filter that is too long")
        return aliases[literal.value.name]

    def inlined(level: Query) -> Query:
        condition = None if level.filter is None else walk.replace_literals(level.filter, inline)
        expand = tuple(replace(item, query=inlined(item.query)) for item in level.expand)
        return replace(level, filter=condition, expand=expand)

    result = inlined(query)
    for name in aliases:
        if name not in used:
            raise invalid_query(f"`@{name}` is given and not used")
    return result


def _unsigned(name: str, text: str, limits: Limits) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10) or int(text) > limits.top:
        raise invalid_query(f"`{name}` must be a whole number from 0 to {limits.top}", name)
    return int(text)


def _boolean(name: str, text: str) -> bool:
    """Read a ``booleanValue``, which ignores case in the ABNF."""
    lowered = parser.ascii_lower(text)
    if lowered not in ("true", "false"):
        raise invalid_query(f"`{name}` must be `true` or `false`", name)
    return lowered == "true"


def parse_query(options: dict[str, str], limits: Limits) -> Query:
    """The trees of the options.

    Raises:
        Refusal: 400 with option and position for what is not understood, 501 for forms that are not offered.
    """
    readers: dict[str, Callable[[str], Any]] = {
        "$filter": lambda text: parser.parse_filter(text, limits),
        "$orderby": lambda text: parser.parse_orderby(text, limits),
        "$select": lambda text: parser.parse_select(text, limits),
        "$expand": lambda text: parser.parse_expand(text, limits),
        "$top": lambda text: _unsigned("$top", text, limits),
        "$skip": lambda text: _unsigned("$skip", text, limits),
        "$count": lambda text: _boolean("$count", text),
        "$skiptoken": lambda text: text,
    }
    query = EMPTY_QUERY
    for name, read in readers.items():
        if name not in options:
            continue
        try:
            query = replace(query, **{name[1:]: read(options[name])})
        except ODataSyntaxError as error:
            raise invalid_query(f"`{name}` {error.message} at character {error.position + 1}", name) from None
        except NotOfferedError as error:
            raise not_offered(error.what) from None
    query = inline_aliases(query, read_aliases(options, limits), limits)
    if "$format" in options:
        query = replace(query, format=parser.ascii_lower(options["$format"]).replace(" ", ""))
    return query


def parse_request(
    method: str, target: str, *, root: str, limits: Limits, plus_is_space: bool = True, body: str | None = None
) -> Request:
    """Reads method and raw target.

    Args:
        target: as it stood in the request line, never decoded by anybody.
        root: path of the service root, without a slash at its end.
        body: the options of ``POST <Set>/$query``, written like those of a target.

    Raises:
        Refusal: for paths that cannot name anything (404) and targets that are none (400).
    """
    raw_path, raw_query = split_target(target)
    path = parse_path(split_path(raw_path, root))
    via_query = path.tail == ("$query",) and path.head is not None and path.head.key is None
    weight = _OVERHEAD + len(target) + len(body or "")
    given: frozenset[str] = frozenset()
    try:
        options = read_options(split_query(raw_query, plus_is_space=plus_is_space)) if raw_query is not None else {}
        if via_query:
            options = {**_with_body(options), **read_body(body or "", plus_is_space=plus_is_space)}
        given = frozenset(name for name in options if not name.startswith("@"))
        query = parse_query(options, limits)
    except Refusal as refusal:
        return Request(method, path, options=given, fault=refusal.again(), weight=weight, via_query=via_query)
    return Request(method, path, query, given, weight=weight, via_query=via_query)


def _with_body(options: dict[str, str]) -> dict[str, str]:
    """The options of the address where others come in the body: a link's token, and nothing else (C113)."""
    for name in options:
        if name != "$skiptoken":
            raise invalid_query(f"`{name}` must stand in the body here", name)
    return options


def read_body(body: str, *, plus_is_space: bool) -> dict[str, str]:
    """The options in the body of ``$query``; a token belongs into the address."""
    options = read_options(split_query(body, plus_is_space=plus_is_space)) if body else {}
    if "$skiptoken" in options:
        raise invalid_query("`$skiptoken` is not possible in a body", "$skiptoken")
    return options
