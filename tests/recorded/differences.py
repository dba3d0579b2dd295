"""Two recordings compared, for people: which records and requests came, went or changed, and where inside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

#: More characters of a value than these are left out in the middle.
_MOST = 300


def differences(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """Yield the lines that say how two recordings differ."""
    for name in [*before, *(name for name in after if name not in before)]:
        if name not in after:
            yield f"- {name}: {len(before[name].get('decided', []))} requests are gone"
        elif name not in before:
            yield f"+ {name}: {len(after[name].get('decided', []))} requests are new"
        elif lines := list(_inside(before[name], after[name])):
            yield name
            yield from (f"  {line}" for line in lines)


def _inside(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    for part in ("faults", "compiled"):
        yield from _changed(part, before.get(part), after.get(part))
    outcomes_before = {json.dumps(request): outcome for request, outcome in before.get("decided", [])}
    outcomes_after = {json.dumps(request): outcome for request, outcome in after.get("decided", [])}
    for request in [*outcomes_before, *(key for key in outcomes_after if key not in outcomes_before)]:
        told = json.loads(request)
        line = f"{told.get('method', 'GET')} {told['target']}"
        if request not in outcomes_after:
            yield f"- {line}"
        elif request not in outcomes_before:
            yield f"+ {line}: {_short(outcomes_after[request])}"
        elif lines := list(_changed("", outcomes_before[request], outcomes_after[request])):
            yield line
            yield from (f"  {changed}" for changed in lines)


def _changed(path: str, before: Any, after: Any) -> Iterator[str]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *(key for key in after if key not in before)]:
            yield from _changed(f"{path}.{key}" if path else key, before.get(key), after.get(key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from _changed(f"{path}[{number}]", old, new)
    else:
        yield f"{path}: {_short(before)} -> {_short(after)}"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _MOST else f"{text[: _MOST // 2]} ... {text[-_MOST // 2 :]}"
