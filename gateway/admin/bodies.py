"""Bodies of the admin API: ``{"D": ...}`` as strict JSON, refused whole with what is wrong and where."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from gateway.admin.envelope import SparkCode, SparkError

#: How deep a template can mean something is 6; what is deeper is hostile.
_DEEPEST = 32


def read_body(content_type: str, raw: bytes) -> Mapping[str, Any]:
    """What stands in ``D``.

    Raises:
        SparkError: 1035 for what is no JSON object of ours.
    """
    kind, _, parameters = content_type.partition(";")
    charset = parameters.strip().lower().replace('"', "")
    if kind.strip().lower() != "application/json" or charset not in ("", "charset=utf-8"):
        raise _unreadable("the body must be of the type application/json, in UTF-8")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise _unreadable("the body is not UTF-8") from None
    if _depth(text) > _DEEPEST:
        raise _unreadable("the body is nested too deep")
    try:
        body = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_number)
        json.dumps(body, ensure_ascii=False).encode("utf-8")
    except _DuplicateError as error:
        raise _unreadable(f"`{error}` is given twice") from None
    except UnicodeEncodeError:
        raise _unreadable("the body holds half a character") from None
    except ValueError:
        raise _unreadable("the body is not JSON") from None
    if not isinstance(body, dict) or set(body) != {"D"} or not isinstance(body["D"], dict):
        raise _unreadable('the body must be an object `{"D": {...}}`')
    return body["D"]


class _DuplicateError(Exception):
    """A key that stands twice in one object."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _DuplicateError(name)
        found[name] = value
    return found


def _no_number(_text: str) -> NoReturn:
    raise ValueError


def _depth(text: str) -> int:
    """How deep brackets are nested, those in strings left out. Linear, and before anything recurses."""
    depth = deepest = 0
    quoted = escaped = False
    for character in text:
        if escaped:
            escaped = False
        elif quoted:
            escaped = character == "\\"
            quoted = character != '"'
        elif character == '"':
            quoted = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def _unreadable(message: str) -> SparkError:
    return SparkError(SparkCode.UNREADABLE, message)
