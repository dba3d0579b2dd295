"""Bodies of the admin API: ``{"D": ...}`` as strict JSON, refused whole with what is wrong and where."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from gateway.admin.envelope import SparkCode, SparkError

#: How deep a template can mean something is 6; what is deeper is hostile.
_DEEPEST = 32
#: Every field of the Data Dictionary in every class is a tenth of it.
_MOST_VALUES = 100_000
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


def read_body(content_type: str, raw: bytes) -> Mapping[str, Any]:
    """What stands in ``D``. Linear in the length of the body.

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
    _check_shape(text)
    try:
        body = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_number, parse_float=_finite)
        json.dumps(body, ensure_ascii=False).encode("utf-8")
    except _DuplicateError as error:
        raise _unreadable(f"`{error}` is given twice") from None
    except UnicodeEncodeError:
        raise _unreadable("the body holds half a character") from None
    except ValueError:
        raise _unreadable("the body is not JSON") from None
    if not isinstance(body, dict) or set(body) != {"D"} or not isinstance(body["D"], dict):
        raise _unreadable('the body must be an object `{"D": {...}}`')
    if any("\0" in found for found in _texts(body)):
        raise _unreadable("the body holds the character NUL")  # which PostgreSQL has no text for
    return body["D"]


def _texts(part: Any) -> Iterator[str]:
    """All texts of a body, names included."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, list):
        for item in part:
            yield from _texts(item)
    elif isinstance(part, dict):
        for name, value in part.items():
            yield name
            yield from _texts(value)


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


def _finite(text: str) -> float:
    """``1e999`` is no number that could be answered again."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


def _check_shape(text: str) -> None:
    """How deep and how many, before anything recurses or is built."""
    outside = _STRING.sub("", text)
    if outside.count(",") + outside.count(":") > _MOST_VALUES:
        raise _unreadable("the body holds too many values")
    depth = 0
    for bracket in re.findall(r"[\[\]{}]", outside):
        depth += 1 if bracket in "[{" else -1
        if depth > _DEEPEST:
            raise _unreadable("the body is nested too deep")


def _unreadable(message: str) -> SparkError:
    return SparkError(SparkCode.UNREADABLE, message)
