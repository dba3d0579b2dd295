"""Looks after the files of a configuration: says when one of them may have changed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from watchfiles import Change, awatch

from gateway.store.tree import Tree

#: Milliseconds after which it is said in any case: before a watch is there, and on some disks, nobody tells of changes.
_LOOK = 5_000
_NAMES = ("gateway.yaml", "keys.yaml", "syndications.yaml", "roles", "templates")


async def changes(tree: Tree) -> AsyncIterator[None]:
    """Once for each burst of changes, and every some seconds in case that one was missed, for ever. Directories are
    watched and not files: a ConfigMap of Kubernetes is changed by renaming a symbolic link, which no watch on a file
    would see.

    Raises:
        OSError, RuntimeError: the directory cannot be watched.
    """
    directory = tree.directory.absolute()
    outside = {path.absolute() for path in map(directory.joinpath, tree.files) if not path.is_relative_to(directory)}

    def concerns(_: Change, found: str) -> bool:
        path = Path(found)
        if path.is_relative_to(directory):
            first = path.relative_to(directory).parts[:1]
            return not first or first[0] in _NAMES or first[0].startswith("..") or path in inside
        return path in outside or path.name.startswith("..")

    inside = {directory / name for name in tree.files}
    watched = {directory, *(path.parent for path in outside if path.parent.is_dir())}
    async for _ in awatch(
        *watched, watch_filter=concerns, debounce=400, step=50, rust_timeout=_LOOK, yield_on_timeout=True
    ):
        yield
