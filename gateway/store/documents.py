"""YAML and JSON files with line numbers: read once, every fault with its place, a repeated key is one (DESIGN 11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.errors import ConfigurationError, Fault
from gateway.store.marked import Mark, UnreadableError, parse_json, parse_yaml
from gateway.store.tree import Tree

#: The longest files, in bytes. YAML is read a hundred times as slowly.
MOST_JSON, MOST_YAML = 16 * 1024 * 1024, 4 * 1024 * 1024


class Document:
    """A parsed file. ``data`` is plain Python; ``line`` finds the line of a path for a fault; ``modified`` is when the
    file was written (ISO 8601)."""

    def __init__(self, file: str, data: Any, mark: Mark, modified: str = "") -> None:
        self.file = file
        self.modified = modified
        self.data = data
        self._mark = mark

    def line(self, path: Sequence[str]) -> int:
        """The 1-based line of the deepest part of ``path`` that exists."""
        return self._mark.at(path)

    def place(self, fault: Fault) -> Fault:
        return Fault(fault.file, self.line(fault.path), fault.path, fault.message)


def read_document(tree: Tree, name: str) -> Document:
    """Read a YAML file, or a JSON file as strictly as the admin API reads a body.

    Raises:
        ConfigurationError: unreadable, too large, not UTF-8, a syntax error, a key given twice, something that
            ``parse_yaml`` refuses, or a YAML file that ends in the middle of a line.
    """
    try:
        content = tree.read(name)
    except OSError as error:
        raise ConfigurationError([Fault(name, 0, (), f"cannot be read: {error.strerror}")]) from None
    raw = content.raw
    is_json = name.endswith(".json")
    most = MOST_JSON if is_json else MOST_YAML
    if len(raw) > most:
        raise ConfigurationError([Fault(name, 0, (), f"is too large: {most} bytes are possible")])
    try:
        text = raw.decode("utf-8" if is_json else "utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigurationError([Fault(name, 0, (), "is not UTF-8")]) from None
    if is_json and text.startswith("\ufeff"):
        message = "begins with a byte order mark, which JSON has not: save it as UTF-8 without one"
        raise ConfigurationError([Fault(name, 1, (), message)])
    if not is_json and not text.endswith("\n"):
        # YAML cannot tell a file that ends early from a shorter one, which may lack the rules that protect.
        raise ConfigurationError([Fault(name, text.count("\n") + 1, (), "does not end with a line end: half-written?")])
    try:
        data, mark = parse_json(text) if is_json else parse_yaml(text)
    except UnreadableError as error:
        raise ConfigurationError([Fault(name, error.line, (), error.message)]) from None
    if not isinstance(data, Mapping):
        raise ConfigurationError([Fault(name, 1, (), "must be a mapping" if data is not None else "is empty")])
    return Document(name, data, mark, content.modified)
