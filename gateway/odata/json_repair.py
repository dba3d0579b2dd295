"""Upstream JSON by its structure: a value that cannot be read spoils neither its record nor the answer (C317, C318).

A withheld value must not decide between an answer and a 502. So where a body is not strict JSON, its structure is
followed by quotes, escapes, brackets, commas and colons, and each value that is not JSON becomes an empty object: no
declared type takes that for a value. ``BodyError`` remains where the structure itself cannot be followed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: One unit of structure. A string ends at the next quote that no backslash precedes; all else ends at structure.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\],:]|[^"{}\[\],:\x20\t\r\n]++', re.DOTALL)
_BLANKS = re.compile(rb"[\x20\t\r\n]*+")
#: RFC 8259, 7: characters that stand for themselves, and escapes.
_STRING = re.compile(rb'"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+"')
#: RFC 8259, 3 and 6.
_SCALAR = re.compile(rb"true|false|null|-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?")
#: Stands for a value that cannot be read, and for a name.
UNREADABLE = b"{}"
_NAMELESS = b'"\xef\xbf\xbd"'


class StructureError(Exception):
    """The brackets or strings of a body do not close."""


@dataclass(slots=True)
class _Open:
    """A list or an object that is not closed yet, and the slot of it that is being read.

    ``start`` is where the slot begins in the output, ``units`` how many values stand in it, ``sound`` whether each of
    them can be read. ``named`` says that the colon of a member has passed.
    """

    is_object: bool
    start: int
    is_empty: bool = True
    units: int = 0
    sound: bool = True
    named: bool = False

    @property
    def is_one_value(self) -> bool:
        return self.units == 1 and self.sound

    def next_slot(self, start: int) -> None:
        self.start, self.is_empty = start, False
        self.units, self.sound, self.named = 0, True, False


def readable(body: bytes, max_depth: int) -> bytes:
    """Return the body as JSON, with ``UNREADABLE`` for each value that is not.

    Raises:
        StructureError: a bracket or a string does not close, more than ``max_depth`` are open, or the body is not one
            list or object.
    """
    out: list[bytes] = []
    stack: list[_Open] = []
    position = _BLANKS.match(body).end()  # type: ignore[union-attr]  # it matches nothing, too
    while position < len(body):
        match = _TOKEN.match(body, position)
        if match is None:
            raise StructureError("a string does not end")
        token = match.group()
        if not stack and (out or token not in (b"{", b"[")):
            raise StructureError("the body is not one list or object")
        _take(token, out, stack, max_depth)
        position = _BLANKS.match(body, match.end()).end()  # type: ignore[union-attr]  # as above
    if stack or not out:
        raise StructureError("a bracket does not close")
    return b"".join(out)


def _take(token: bytes, out: list[bytes], stack: list[_Open], max_depth: int) -> None:
    match token:
        case b"{" | b"[":
            if len(stack) >= max_depth:
                raise StructureError("the body is nested too deeply")
            out.append(token)
            stack.append(_Open(token == b"{", len(out)))
        case b"}" | b"]":
            if not stack or stack[-1].is_object is not (token == b"}"):
                raise StructureError("a bracket closes another one")
            closed = stack.pop()
            if not closed.is_empty or closed.units or closed.named or not closed.sound:
                _end_slot(closed, out)
            out.append(token)
            if stack:
                stack[-1].units += 1
        case b",":
            _end_slot(stack[-1], out)
            out.append(token)
            stack[-1].next_slot(len(out))
        case b":" if stack[-1].is_object and not stack[-1].named:
            _end_name(stack[-1], out)
        case _:
            stack[-1].units += 1
            stack[-1].sound = stack[-1].sound and _is_value(token)
            out.append(token)


def _is_value(token: bytes) -> bool:
    if not token.startswith(b'"'):
        return _SCALAR.fullmatch(token) is not None
    if _STRING.fullmatch(token) is None:
        return False
    try:
        token.decode("utf-8", errors="strict")
    except UnicodeDecodeError:
        return False
    return True


def _end_name(member: _Open, out: list[bytes]) -> None:
    """The part before a colon is the name if it is one string; any other text names nothing that is declared."""
    if not member.is_one_value or not out[member.start].startswith(b'"'):
        del out[member.start :]
        out.append(_NAMELESS)
    out.append(b":")
    member.start, member.units, member.sound, member.named = len(out), 0, True, True


def _end_slot(slot: _Open, out: list[bytes]) -> None:
    if slot.is_object and not slot.named:
        del out[slot.start :]
        out += [_NAMELESS, b":", UNREADABLE]
    elif not slot.is_one_value:
        del out[slot.start :]
        out.append(UNREADABLE)
