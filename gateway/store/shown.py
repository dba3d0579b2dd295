"""Since when a policy has shown a row of Field or Lookup (C363).

A value that becomes visible by a change of policy must look changed to clients that replicate by time, and its old
moment must not tell that it was there before. The moments are kept in one file, where there is one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path


class ShownSince:
    """Moments by policy and row, as ISO 8601 texts. ``path`` is None where they are kept in memory only."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._moments: dict[str, dict[str, str]] = {}
        if path is not None and path.exists():
            self._moments = json.loads(path.read_text(encoding="utf-8"))

    def note(self, policy: str, rows: Iterable[str], moment: str) -> dict[str, str]:
        """The moment of each row: the earlier one where it was shown before, else ``moment``. What is not shown any
        more is forgotten, so that it is new when it comes again."""
        before = self._moments.get(policy, {})
        self._moments[policy] = {row: before.get(row, moment) for row in rows}
        return self._moments[policy]

    def save(self) -> None:
        """Writes the file anew, whole or not at all."""
        if self._path is None:
            return
        unfinished = self._path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(self._moments, sort_keys=True), encoding="utf-8")
        unfinished.replace(self._path)
