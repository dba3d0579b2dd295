"""Since when a policy has shown a row of Field or Lookup (C363).

A value that becomes visible by a change of policy must look changed to clients that replicate by time, and its old
moment must not tell that it was there before. The moments are kept in one file, where there is one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import msgspec

from gateway.errors import ConfigurationError, Fault


class StateError(Exception):
    """What is to be remembered cannot be written. The text says which file and why."""


class ShownSince:
    """Moments by policy and row, as ISO 8601 texts. ``path`` is None where they are kept in memory only.

    Raises:
        ConfigurationError: the file is there and is not what this class writes.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._moments: dict[str, dict[str, str]] = {} if path is None else _read(path)

    def note(self, policy: str, rows: Iterable[str], moment: str) -> dict[str, str]:
        """The moment of each row: the earlier one where it was shown before, else ``moment``. What is not shown any
        more is forgotten, so that it is new when it comes again."""
        before = self._moments.get(policy, {})
        self._moments[policy] = {row: before.get(row, moment) for row in rows}
        return self._moments[policy]

    def save(self) -> None:
        """Writes the file anew, whole or not at all.

        Raises:
            StateError: it could not be written; the old one is as it was.
        """
        if self._path is None:
            return
        unfinished = self._path.with_suffix(".unfinished")
        try:
            unfinished.write_text(json.dumps(self._moments, sort_keys=True), encoding="utf-8")
            unfinished.replace(self._path)
        except OSError as error:
            raise StateError(f"{self._path} cannot be written: {error.strerror}") from None


def _read(path: Path) -> dict[str, dict[str, str]]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, str]])
    except FileNotFoundError:
        return {}
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        # Starting without it would tell every client that nothing has changed, or that everything has: not ours to say.
        message = f"is not what the gateway has written ({error}); without it all of Field and Lookup counts as new"
    raise ConfigurationError([Fault(str(path), 0, (), message)])
