"""A file of records, one a line, that several processes append to; and what became of each line is known.

A thread writes what the event loop hands it, many lines at once, so that nobody waits for a disk but those who want to.
What is written at once is appended by one call of the system: lines of two processes do not mix. Whoever finds the file
full renames it, under a lock; everybody else notices that their file has another name, as after a rotation by others.
"""

from __future__ import annotations

import asyncio
import fcntl
import glob
import json
import os
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway.observe.events import Event, RecordsFailing, RecordsLost

#: Lines that wait for the disk, at most; beyond them the newest are lost, and counted.
_MOST_WAITING = 50_000
#: Lines that are written at once, at most.
_BATCH = 1_000
#: Seconds between two tries to write to a file that could not be written.
_PAUSE = 1.0
#: Seconds for what is left to be written at the end.
_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    text: str


@dataclass(frozen=True, slots=True)
class _Mark:
    """Somebody waits until line ``number`` is on the disk, or is known not to be."""

    number: int
    done: asyncio.Future[bool]


class RecordFile:
    """Use ``open`` first and ``close`` at the end. ``write`` and ``flush`` are what a text stream has."""

    def __init__(
        self,
        path: Path,
        publish: Callable[[Event], None],
        *,
        is_durable: bool = False,
        rotate_bytes: int = 0,
        keep: int = 0,
    ) -> None:
        """
        Args:
            publish: told of lines that are lost, and of a file that cannot be written; on the event loop.
            is_durable: every line is forced to the disk, and one that could not be is not kept for later: who waits for
                it is told.
            rotate_bytes: how long a file may grow; 0 for any length.
            keep: how many full files are kept, the newest; 0 for all.
        """
        self.is_durable = is_durable
        #: Whether the last try to write has failed.
        self.is_failing = False
        self._path = path
        self._publish = publish
        self._rotate_bytes = rotate_bytes
        self._keep = keep
        self._waiting: queue.SimpleQueue[_Line | _Mark | None] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._descriptor = -1
        #: Lines that were handed over.
        self._number = 0
        #: The last line that is lost, and how many are of which the file does not tell yet.
        self._losses = threading.Lock()
        self._last_lost = self._untold = 0
        #: A line was written in part: the next one begins on a line of its own.
        self._is_torn = False

    def open(self) -> None:
        """
        Raises:
            OSError: the file cannot be written.
        """
        self._descriptor = _opened(self._path)
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="records", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Writes what is left, as far as that can be done in some seconds."""
        if self._thread is not None:
            self._waiting.put(None)
            await asyncio.to_thread(self._thread.join, _PATIENCE)
            self._thread = None

    # --- on the event loop

    def write(self, text: str) -> None:
        """Hands over a line with its end."""
        self._number += 1
        line = _Line(self._number, text)
        if self._waiting.qsize() < _MOST_WAITING:
            self._waiting.put(line)
        else:
            self._publish(RecordsLost(self._lost([line]), "more lines wait for the disk than may"))

    def flush(self) -> None:
        """Nothing: who wants to wait asks ``settled``."""

    async def settled(self) -> bool:
        """Whether the line that was handed over last is on the disk, once that is known."""
        mark = _Mark(self._number, asyncio.get_running_loop().create_future())
        self._waiting.put(mark)
        return await mark.done

    # --- in the thread

    def _run(self) -> None:
        is_last = False
        while not is_last:
            batch = self._batch()
            is_last = None in batch
            self._keep_or_lose([found for found in batch if isinstance(found, _Line)], is_last=is_last)
            for found in batch:
                if isinstance(found, _Mark):
                    self._on_loop(_settle, found.done, self._last_lost < found.number)
        os.close(self._descriptor)

    def _batch(self) -> list[_Line | _Mark | None]:
        """What comes next; meanwhile, where the file could not be written, that is tried again."""
        while True:
            try:
                found = [self._waiting.get(timeout=_PAUSE if self.is_failing or self._untold else None)]
                break
            except queue.Empty:
                self._is_written([])
        while len(found) < _BATCH and not self._waiting.empty():
            found.append(self._waiting.get())
        return found

    def _keep_or_lose(self, lines: list[_Line], *, is_last: bool) -> None:
        """Writes lines, and tries again for as long as nobody waits for them and there is room for others."""
        while not self._is_written(lines):
            if self.is_durable or is_last or self._waiting.qsize() >= _MOST_WAITING // 2:
                if lines:
                    self._on_loop(self._publish, RecordsLost(self._lost(lines), "the file cannot be written"))
                return
            time.sleep(_PAUSE)

    def _is_written(self, lines: list[_Line]) -> bool:
        with self._losses:
            untold = self._untold
        text = "".join(
            ("\n" if self._is_torn else "", _gap(untold) if untold else "", *(line.text for line in lines))
        ).encode("ascii")
        try:
            self._rotate()
            if text:
                self._append(text)
        except OSError as error:
            self._is(failing=True, reason=error.strerror or str(error))
            return False
        with self._losses:
            self._untold -= untold
        self._is(failing=False)
        return True

    def _append(self, text: bytes) -> None:
        written = os.write(self._descriptor, text)
        self._is_torn = written < len(text) and (written > 0 or self._is_torn)
        if written < len(text):
            raise OSError(0, "there was no room for a whole line")
        if self.is_durable:
            os.fdatasync(self._descriptor)

    def _lost(self, lines: list[_Line]) -> int:
        with self._losses:
            self._last_lost = max(self._last_lost, lines[-1].number)
            self._untold += len(lines)
        return len(lines)

    def _is(self, *, failing: bool, reason: str = "") -> None:
        if failing != self.is_failing:
            self.is_failing = failing
            self._on_loop(self._publish, RecordsFailing(failing, reason))

    def _on_loop(self, call: Callable[..., None], *arguments: object) -> None:
        assert self._loop is not None
        # At the end nobody may be there to be told.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call, *arguments)

    # --- another file

    def _rotate(self) -> None:
        """Goes on in another file where this one is full, or has another name by now."""
        if not self._has_its_name():
            self._reopen()
        elif self._rotate_bytes and os.fstat(self._descriptor).st_size >= self._rotate_bytes:
            lock = os.open(
                self._path.with_name(f".{self._path.name}.lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600
            )
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if self._has_its_name():  # else somebody else was faster
                    self._path.rename(self._path.with_name(f"{self._path.name}.{_moment()}"))
                    self._forget()
                self._reopen()
            finally:
                os.close(lock)

    def _has_its_name(self) -> bool:
        try:
            named = self._path.stat()
        except FileNotFoundError:
            return False
        mine = os.fstat(self._descriptor)
        return (named.st_dev, named.st_ino) == (mine.st_dev, mine.st_ino)

    def _reopen(self) -> None:
        fresh = _opened(self._path)
        os.close(self._descriptor)
        self._descriptor, self._is_torn = fresh, False
        if self.is_durable:
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _forget(self) -> None:
        if self._keep:
            full = sorted(self._path.parent.glob(f"{glob.escape(self._path.name)}.*"))
            for path in full[: -self._keep]:
                path.unlink(missing_ok=True)


def _opened(path: Path) -> int:
    return os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o640)


def _moment() -> str:
    """Names that sort as they were given."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"


def _gap(lines: int) -> str:
    """What stands in the file for lines that could not be written."""
    told = {"event": "gap", "level": "error", "lines": lines, "timestamp": datetime.now(UTC).isoformat()}
    return json.dumps(told, sort_keys=True, separators=(",", ":")) + "\n"


def _settle(done: asyncio.Future[bool], is_kept: bool) -> None:
    if not done.done():
        done.set_result(is_kept)
