"""The files of a configuration as they were at one moment: every process that serves it has the very same ones.

A tree that was read from the disk remembers what it has read: which files a folder had, what stood in each, and what
could not be read. Written as text it can be handed to another process, which then reads nothing else (G7).
"""

from __future__ import annotations

import base64
import errno
import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

#: The largest file that is read at all; each kind of document has a bound of its own.
MOST_BYTES = 32 * 1024 * 1024


class _File(msgspec.Struct, frozen=True):
    """``content`` in base64; ``error`` says why there is none; ``modified`` is when it was written (ISO 8601)."""

    content: str = ""
    error: str = ""
    is_missing: bool = False
    modified: str = ""


_MISSING = _File(error=os.strerror(errno.ENOENT), is_missing=True)


class _Record(msgspec.Struct, frozen=True):
    directory: str
    folders: dict[str, list[str]]
    files: dict[str, _File]


@dataclass(frozen=True, slots=True)
class Content:
    """What stood in a file, and when it was written (ISO 8601)."""

    raw: bytes
    modified: str


class Tree:
    """A configuration directory. Names are relative to it, and may be absolute for files of secrets.

    ``Tree(directory)`` reads what it is asked for and remembers it; ``Tree.decode`` has what another one remembers.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._folders: dict[str, list[str]] = {}
        self._files: dict[str, _File] = {}
        self._is_whole = False

    def names(self, folder: str) -> list[str]:
        """The names in a folder, sorted; none where it cannot be read."""
        if folder not in self._folders:
            try:
                found = (
                    [] if self._is_whole else sorted(_told(path.name) for path in (self.directory / folder).iterdir())
                )
            except OSError:
                found = []
            self._folders[folder] = found
        return self._folders[folder]

    @property
    def files(self) -> frozenset[str]:
        """The names of all files that were asked for so far."""
        return frozenset(self._files)

    def has(self, name: str) -> bool:
        """Whether there is such a file, readable or not."""
        return not self._file(name).is_missing

    def read(self, name: str) -> Content:
        """
        Raises:
            OSError: it could not be read.
        """
        found = self._file(name)
        if found.error:
            raise OSError(0, found.error, name)
        return Content(base64.b64decode(found.content), found.modified)

    def _file(self, name: str) -> _File:
        if name not in self._files:
            self._files[name] = _MISSING if self._is_whole else _read(self.directory / name)
        return self._files[name]

    def is_current(self) -> bool:
        """Whether the disk has still what was read from it."""
        now = Tree(self.directory)
        for folder in self._folders:
            now.names(folder)
        for name in self._files:
            now.has(name)
        return now == self

    def encode(self) -> str:
        """Everything that was asked for so far. Secrets are in it: it is for a pipe between two processes."""
        return msgspec.json.encode(_Record(str(self.directory), self._folders, self._files)).decode("utf-8")

    @classmethod
    def decode(cls, text: str) -> Tree:
        record = msgspec.json.decode(text, type=_Record)
        tree = cls(Path(record.directory))
        tree._folders, tree._files, tree._is_whole = record.folders, record.files, True
        return tree

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tree) and (self._folders, self._files) == (other._folders, other._files)

    def __hash__(self) -> int:
        return hash(frozenset(self._files))


def _told(name: str) -> str:
    """A name as text: one whose bytes are none is spelled out, and cannot be opened by that."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _read(path: Path) -> _File:
    """Read a regular file up to the bound. A pipe could keep the gateway waiting, and a device never ends."""
    try:
        # Links are followed: Kubernetes gives configuration and secrets by them.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123  # a descriptor has no path
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return _File(error=os.strerror(errno.EISDIR) if stat.S_ISDIR(status.st_mode) else "not a regular file")
            raw = file.read(MOST_BYTES + 1)
        if len(raw) > MOST_BYTES:
            return _File(error=f"larger than {MOST_BYTES} bytes")
        written = datetime.fromtimestamp(status.st_mtime, UTC).isoformat(timespec="seconds")
    except FileNotFoundError:
        return _MISSING
    except OSError as error:
        return _File(error=error.strerror or "unknown error")
    return _File(base64.b64encode(raw).decode("ascii"), modified=written)
