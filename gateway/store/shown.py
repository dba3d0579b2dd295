"""Since when a policy has shown a row of Field or Lookup (C363).

A value that becomes visible by a change of policy must look changed to clients that replicate by time, and its old
moment must not tell that it was there before. The moments are kept in one file, where there is one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from gateway.errors import ConfigurationError, Fault


class StateError(Exception):
    """What is to be remembered cannot be written. The text says which file, and ``reason`` why."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} {reason}")
        self.reason = reason


class ShownSince:
    """Moments by policy and row, as ISO 8601 texts. ``path`` is None where they are kept in memory only.

    Raises:
        ConfigurationError: the file is there and is not what this class writes, or it cannot be written.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._moments: dict[str, dict[str, str]] = {} if path is None else _read(path)
        #: What has been noted and is not kept yet.
        self._noted: dict[str, dict[str, str]] = {}
        if path is not None:
            try:
                self.save()
            except StateError as error:
                raise ConfigurationError([Fault(str(path), 0, (), error.reason)]) from None

    def note(self, policy: str, rows: Iterable[str], moment: str) -> dict[str, str]:
        """The moment of each row: the earlier one where it was shown before, else ``moment``. What is not shown any
        more is forgotten, so that it is new when it comes again."""
        before = self._noted.get(policy, self._moments.get(policy, {}))
        self._noted[policy] = {row: before.get(row, moment) for row in rows}
        return self._noted[policy]

    def save(self) -> None:
        """Keeps what was noted, and writes the file anew, whole or not at all.

        Raises:
            StateError: it could not be written. The old file is as it was, and nothing has been noted: what was to be
                shown from now on will not be, so its moment must not be this one.
        """
        moments, self._noted = {**self._moments, **self._noted}, {}
        if self._path is not None:
            _write(self._path, json.dumps(moments, sort_keys=True))
        self._moments = moments


def _write(path: Path, text: str) -> None:
    unfinished = path.with_suffix(".unfinished")
    try:
        with unfinished.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise StateError(path, f"cannot be written: {error.strerror}") from None


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
