"""Bodies of the admin API: ``{"D": ...}`` as strict JSON, refused whole with what is wrong and where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.admin.envelope import SparkCode, SparkError
from gateway.store.marked import UnreadableError, parse_json


def read_body(content_type: str, raw: bytes) -> Mapping[str, Any]:
    """Return the object in ``D``. Linear in the length of the body. A template file is read by the same rules.

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
    try:
        body, _ = parse_json(text)
    except UnreadableError as error:
        raise _unreadable(f"the body cannot be read: line {error.line}: {error.message}") from None
    if not isinstance(body, dict) or set(body) != {"D"} or not isinstance(body["D"], dict):
        raise _unreadable('the body must be an object `{"D": {...}}`')
    return body["D"]


def _unreadable(message: str) -> SparkError:
    return SparkError(SparkCode.UNREADABLE, message)
