"""The trace that a client says its request is part of (W3C Trace Context): it is logged, and ends here (C146)."""

from __future__ import annotations

import re
from collections.abc import Sequence

_TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")


def trace_id(headers: Sequence[str]) -> str:
    """The trace of one well-formed ``traceparent`` header; empty for none, for two, and for what is none."""
    if len(headers) != 1 or len(headers[0]) > 200:
        return ""
    found = _TRACEPARENT.fullmatch(headers[0])
    if found is None or (found[1] == "00" and found[3]):
        return ""
    return found[2]
