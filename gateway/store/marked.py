"""Values of a text with the lines on which they stand: strict JSON, and the part of YAML that files may use.

Both are read within the same bounds. A text that two readers could understand in two ways is refused: a key that is
given twice, an alias, a number with a leading zero in JSON, half of a surrogate pair.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.nodes import ScalarNode

#: How deep a template can mean something is 6, and a role 9; a deeper text is hostile.
DEEPEST = 32
#: Objects, lists, texts, numbers and so on. Every field of the Data Dictionary in every class is a tenth of it.
MOST_VALUES = 100_000

#: Characters of a key that a message repeats.
_SHOWN = 100
_BLANK = re.compile(r"[ \t\n\r]*")
_HALF = re.compile("[\ud800-\udfff]")
#: Line breaks of YAML 1.1 that YAML 1.2 has as characters: inside a text the reader would make blanks of them.
_OTHER_BREAK = re.compile("[\x85\u2028\u2029]")


class UnreadableError(ValueError):
    """The text cannot be read; ``line`` is 1-based."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


@dataclass(slots=True)
class Mark:
    """The line of a value (1-based; for a member that of its name), and the marks of its members or items."""

    line: int
    inner: dict[str, Mark] = field(default_factory=dict)

    def at(self, path: Sequence[str]) -> int:
        """Return the line of the deepest part of ``path`` that exists."""
        found = self
        for part in path:
            if part not in found.inner:
                break
            found = found.inner[part]
        return found.line


def parse_json(text: str) -> tuple[Any, Mark]:
    """Read one JSON value (RFC 8259). Linear in the length of the text.

    Raises:
        UnreadableError: it is not JSON, gives a key twice, is too deep or too long, or holds half a character or NUL.
    """
    return _Json(text).read()


class _Json:
    def __init__(self, text: str) -> None:
        self._text = text
        self._decoder = json.JSONDecoder(parse_float=_finite, parse_constant=_no_number)
        self._values = 0
        self._line, self._counted = 1, 0

    def read(self) -> tuple[Any, Mark]:
        start = self._after_blanks(0)
        value, mark, end = self._value(start, 1, 1)
        end = self._after_blanks(end)
        if end < len(self._text):
            raise self._fault(end, "something stands behind the end")
        return value, mark

    def _value(self, start: int, line: int, depth: int) -> tuple[Any, Mark, int]:
        """Return the value that begins at ``start``, its mark with the given line, and where it ends."""
        self._values += 1
        if self._values > MOST_VALUES:
            raise UnreadableError(self._line_of(start), f"holds more than {MOST_VALUES} values")
        opening = self._text[start : start + 1]
        if opening not in ("{", "["):
            value, end = self._scalar(start)
            return value, Mark(line), end
        if depth > DEEPEST:
            raise UnreadableError(self._line_of(start), f"is nested deeper than {DEEPEST}")
        return (self._object if opening == "{" else self._list)(start + 1, line, depth)

    def _object(self, at: int, line: int, depth: int) -> tuple[dict[str, Any], Mark, int]:
        found: dict[str, Any] = {}
        mark = Mark(line)
        at = self._after_blanks(at)
        if self._text[at : at + 1] == "}":
            return found, mark, at + 1
        while True:
            if self._text[at : at + 1] != '"':
                raise self._fault(at, "a name in double quotes is expected")
            here = self._line_of(at)
            name, at = self._scalar(at)
            if name in found:
                raise UnreadableError(here, f"the key `{name[:_SHOWN]}` is given twice")
            at = self._after_blanks(at)
            if self._text[at : at + 1] != ":":
                raise self._fault(at, "`:` is expected")
            found[name], mark.inner[name], at = self._value(self._after_blanks(at + 1), here, depth + 1)
            at = self._after_blanks(at)
            closing = self._text[at : at + 1]
            if closing == "}":
                return found, mark, at + 1
            if closing != ",":
                raise self._fault(at, "`,` or `}` is expected")
            at = self._after_blanks(at + 1)

    def _list(self, at: int, line: int, depth: int) -> tuple[list[Any], Mark, int]:
        found: list[Any] = []
        mark = Mark(line)
        at = self._after_blanks(at)
        if self._text[at : at + 1] == "]":
            return found, mark, at + 1
        while True:
            value, mark.inner[str(len(found))], at = self._value(at, self._line_of(at), depth + 1)
            found.append(value)
            at = self._after_blanks(at)
            closing = self._text[at : at + 1]
            if closing == "]":
                return found, mark, at + 1
            if closing != ",":
                raise self._fault(at, "`,` or `]` is expected")
            at = self._after_blanks(at + 1)

    def _scalar(self, start: int) -> tuple[Any, int]:
        try:
            value, end = self._decoder.raw_decode(self._text, start)
        except json.JSONDecodeError as error:
            raise self._fault(error.pos, error.msg[:1].lower() + error.msg[1:]) from None
        except ValueError:  # a number that is infinite, not one, or has more digits than Python reads
            raise self._fault(start, "the number is too large, or is not one") from None
        if isinstance(value, str):
            _check_text(value, self._line_of(start))
        return value, end

    def _after_blanks(self, at: int) -> int:
        found = _BLANK.match(self._text, at)
        assert found is not None  # it matches nothing, too
        return found.end()

    def _line_of(self, at: int) -> int:
        """Return the line of a place; places come in order but for a fault's, which is the last."""
        if at < self._counted:
            return self._text.count("\n", 0, at) + 1
        self._line += self._text.count("\n", self._counted, at)
        self._counted = at
        return self._line

    def _fault(self, at: int, message: str) -> UnreadableError:
        at = min(at, len(self._text))
        column = at - self._text.rfind("\n", 0, at)
        return UnreadableError(self._line_of(at), f"is not well-formed: {message} (character {column})")


def _no_number(_text: str) -> NoReturn:
    raise ValueError


def _finite(text: str) -> float:
    """Refuse ``1e999``: it is infinite, and could not be answered again."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


def _check_text(text: str, line: int) -> None:
    if _HALF.search(text):
        raise UnreadableError(line, "holds half a character (a surrogate without its other half)")
    if "\0" in text:
        raise UnreadableError(line, "holds the character NUL")  # PostgreSQL has no text for it


def parse_yaml(text: str) -> tuple[Any, Mark]:
    """Read the one document of a YAML 1.2 text, as plain dictionaries, lists and scalars; an empty text gives None.

    Anchors, aliases, merge keys, tags and directives are refused: a few of them make a short text a huge value, or
    change the meaning of another line.

    Raises:
        UnreadableError: it is not YAML, uses what is refused, gives a key twice, is too deep or too long, or holds
            half a character or NUL.
    """
    strange = _OTHER_BREAK.search(text)
    if strange is not None:
        message = f"holds the raw character U+{ord(strange[0]):04X}: write it as an escape in double quotes"
        raise UnreadableError(text.count("\n", 0, strange.start()) + 1, message)
    return _Yaml().read(text)


@dataclass(slots=True)
class _Open:
    """A mapping or sequence that is being read; ``name`` is the key whose value comes next."""

    value: dict[str, Any] | list[Any]
    mark: Mark
    name: str | None = None
    name_line: int = 0


class _Yaml:
    def __init__(self) -> None:
        self._yaml = YAML(typ="safe", pure=True)
        self._open: list[_Open] = []
        self._root: tuple[Any, Mark] | None = None
        self._values = 0

    def read(self, text: str) -> tuple[Any, Mark]:
        try:
            for event in self._yaml.parse(text):
                self._take(event)
        except MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise UnreadableError(line, f"is not well-formed: {error.problem}") from None
        except YAMLError as error:
            position = getattr(error, "position", 0)
            line = text.count("\n", 0, position) + 1
            raise UnreadableError(line, "is not well-formed: a control character must be an escape") from None
        return self._root or (None, Mark(1))

    def _take(self, event: Any) -> None:
        line = event.start_mark.line + 1
        if isinstance(event, DocumentStartEvent):
            if self._root is not None:
                raise UnreadableError(line, "holds a second document")
            if event.version is not None or event.tags:
                raise UnreadableError(line, "holds a directive (`%`), which is not taken here")
        elif isinstance(event, AliasEvent):
            raise UnreadableError(line, f"holds the alias `*{event.anchor}`: write the value out in its place")
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            self._open.pop()
        elif isinstance(event, NodeEvent):
            self._node(event, line)

    def _node(self, event: Any, line: int) -> None:
        if event.anchor is not None:
            raise UnreadableError(line, f"holds the anchor `&{event.anchor}`, which is not taken here")
        if event.tag is not None:
            raise UnreadableError(line, "holds a tag (`!`), which is not taken here: quote a text to keep it one")
        inside = self._open[-1] if self._open else None
        if inside is not None and isinstance(inside.value, dict) and inside.name is None:
            inside.name, inside.name_line = self._key(event, line, inside.value), line
            return
        self._values += 1
        if self._values > MOST_VALUES:
            raise UnreadableError(line, f"holds more than {MOST_VALUES} values")
        value: Any
        if isinstance(event, MappingStartEvent | SequenceStartEvent):
            if len(self._open) >= DEEPEST:
                raise UnreadableError(line, f"is nested deeper than {DEEPEST}")
            value = {} if isinstance(event, MappingStartEvent) else []
        else:
            value = self._scalar(event, line)
        mark = self._put(inside, value, line)
        if isinstance(value, dict | list):
            self._open.append(_Open(value, mark))

    def _put(self, inside: _Open | None, value: Any, line: int) -> Mark:
        mark = Mark(line if inside is not None else 1)
        if inside is None:
            self._root = value, mark
        elif isinstance(inside.value, list):
            inside.mark.inner[str(len(inside.value))] = mark
            inside.value.append(value)
        else:
            assert inside.name is not None  # a value comes behind its key
            mark.line = inside.name_line
            inside.mark.inner[inside.name] = mark
            inside.value[inside.name] = value
            inside.name = None
        return mark

    def _key(self, event: Any, line: int, found: dict[str, Any]) -> str:
        """Return a key as text: ``60`` and ``"60"`` are one, and so are ``60`` and ``0x3c``."""
        if not isinstance(event, ScalarEvent):
            raise UnreadableError(line, "has a key that is not a text")
        if event.implicit[0] and event.value == "<<":
            raise UnreadableError(line, "holds a merge key (`<<`): write the members out in its place")
        value = self._scalar(event, line)
        name = str(value) if isinstance(value, int) and not isinstance(value, bool) else event.value
        if name in found:
            raise UnreadableError(line, f"the key `{name[:_SHOWN]}` is given twice")
        return name

    def _scalar(self, event: Any, line: int) -> Any:
        _check_text(event.value, line)
        tag = str(self._yaml.resolver.resolve(ScalarNode, event.value, event.implicit))
        if tag.rpartition(":")[2] not in ("null", "bool", "int", "float", "timestamp"):
            return event.value
        try:
            return self._yaml.constructor.construct_object(ScalarNode(tag, event.value), deep=True)
        except (ValueError, OverflowError):  # no day of the calendar, or more digits than Python reads
            message = "holds a number or moment that cannot be: quote a text to keep it one"
            raise UnreadableError(line, message) from None
