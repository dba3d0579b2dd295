"""YAML and JSON files with line numbers: read once, every fault with its place, a repeated key is one (DESIGN 11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedBase, CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from gateway.errors import ConfigurationError, Fault
from gateway.store.tree import Tree

_MAX_BYTES = 16 * 1024 * 1024


class Document:
    """A parsed file. ``data`` is plain Python; ``line`` finds the line of a path for a fault; ``modified`` is when the
    file was written (ISO 8601)."""

    def __init__(self, file: str, tree: Any, modified: str = "") -> None:
        self.file = file
        self.modified = modified
        self._tree = tree
        self.data: Any = _plain(tree)

    def line(self, path: Sequence[str]) -> int:
        """The 1-based line of the deepest part of ``path`` that exists."""
        node, line = self._tree, 1
        for part in path:
            if isinstance(node, CommentedMap) and part in node:
                line = node.lc.key(part)[0] + 1
                node = node[part]
            elif isinstance(node, CommentedSeq) and part.isdigit() and int(part) < len(node):
                line = node.lc.item(int(part))[0] + 1
                node = node[int(part)]
            else:
                break
        return line

    def place(self, fault: Fault) -> Fault:
        return Fault(fault.file, self.line(fault.path), fault.path, fault.message)


def _plain(node: Any) -> Any:
    if isinstance(node, CommentedMap):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, CommentedSeq):
        return [_plain(value) for value in node]
    if isinstance(node, CommentedBase):
        return str(node)
    if isinstance(node, bool):
        return node
    # ruamel keeps how a scalar was written in subclasses; pydantic's strict types want the plain ones.
    for plain in (str, int, float):
        if isinstance(node, plain):
            return plain(node)
    return node


def read_document(tree: Tree, name: str) -> Document:
    """Reads a YAML or JSON file.

    JSON is read as the YAML it is, for its line numbers; a raw tab between its tokens is a blank there.

    Raises:
        ConfigurationError: unreadable, too large, not UTF-8, a syntax error, a key given twice, or a YAML file that
            ends in the middle of a line.
    """
    try:
        content = tree.read(name)
    except OSError as error:
        raise ConfigurationError([Fault(name, 0, (), f"cannot be read: {error.strerror}")]) from None
    raw = content.raw
    is_json = name.endswith(".json")
    if len(raw) > _MAX_BYTES:
        raise ConfigurationError([Fault(name, 0, (), "is too large")])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigurationError([Fault(name, 0, (), "is not UTF-8")]) from None
    if not is_json and not text.endswith("\n"):
        # YAML cannot tell a file that ends early from a shorter one, which may lack the rules that protect.
        raise ConfigurationError([Fault(name, text.count("\n") + 1, (), "does not end with a line end: half-written?")])
    if is_json:
        text = text.replace("\t", " ")
    yaml = YAML(typ="rt", pure=True)
    yaml.allow_duplicate_keys = False
    try:
        parsed = yaml.load(text)
    except DuplicateKeyError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise ConfigurationError([Fault(name, line, (), _duplicate(error))]) from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise ConfigurationError([Fault(name, line, (), f"is not well-formed: {error.problem}")]) from None
    except (YAMLError, RecursionError, ValueError) as error:
        raise ConfigurationError([Fault(name, 0, (), f"is not well-formed: {error}")]) from None
    if not isinstance(parsed, Mapping):
        raise ConfigurationError([Fault(name, 1, (), "must be a mapping" if parsed is not None else "is empty")])
    return Document(name, parsed, content.modified)


def _duplicate(error: DuplicateKeyError) -> str:
    problem = str(error.problem or "")
    key = problem.split('"')[1] if '"' in problem else ""
    return f"the key `{key}` is given twice" if key else "a key is given twice"
