"""A file of records, one a line, that several processes append to; and what became of each line is known.

A thread writes what the event loop hands it, many lines at once, so that nobody waits for a disk but those who want to.
Writers take turns by a lock beside the file: what could be written in part only is taken back before the next one, and
whoever finds the file full renames it. A file that has another name by then, as after a rotation by others, is left.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import queue
import re
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway.observe.events import Complaint, Event, RecordsFailing, RecordsLost

#: Lines that wait for the disk, at most; beyond them the newest are lost, and counted.
_MOST_WAITING = 50_000
#: Lines that are written at once, at most.
_BATCH = 1_000
#: Seconds between two tries to write to a file that could not be written.
_PAUSE = 1.0
#: Seconds after which nobody waits for the disk any more.
_LATE = 5.0
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
        #: Grows whenever what was written before may not be found by who reads on: another file, or lost lines.
        self.generation = 0
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
        #: Whether the last try to write has failed; whether somebody has waited too long for it.
        self._has_failed = self._is_late = False
        self._is_closing = False

    @property
    def is_failing(self) -> bool:
        """Whether what is written now would not be kept, as far as anybody knows."""
        return self._has_failed or self._is_late

    def open(self) -> None:
        """
        Raises:
            OSError, ValueError: the file cannot be written.
        """
        self._descriptor = self._opened()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="records", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Writes what is left, as far as that can be done in some seconds."""
        if self._thread is not None:
            self._is_closing = True
            self._waiting.put(None)
            await asyncio.to_thread(self._thread.join, _PATIENCE)
            await asyncio.sleep(0)  # what the thread has told last
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
        """Whether the line that was handed over last is on the disk, once that is known; False where that takes too
        long."""
        if self._thread is None or not self._thread.is_alive():
            return False
        mark = _Mark(self._number, asyncio.get_running_loop().create_future())
        self._waiting.put(mark)
        try:
            return await asyncio.wait_for(mark.done, _LATE)
        except TimeoutError:
            if not self.is_failing:
                self._publish(RecordsFailing(True, "the disk does not answer"))
            self._is_late = True
            return False

    # --- in the thread

    def _run(self) -> None:
        batch: list[_Line | _Mark | None] = []
        try:
            while None not in batch:
                batch = self._batch()
                self._keep_or_lose([found for found in batch if isinstance(found, _Line)], is_last=None in batch)
                self._answer(batch, self._last_lost)
        except BaseException as error:  # noqa: BLE001  # without this thread nothing is kept, and that must be known
            self._is(failing=True, reason=type(error).__name__)
            self._answer(batch, self._number)
        finally:
            self._end()

    def _answer(self, batch: Sequence[_Line | _Mark | None], last_lost: int) -> None:
        """Tells those who wait whether their line is kept."""
        for found in batch:
            if isinstance(found, _Mark):
                self._on_loop(_settle, found.done, last_lost < found.number)

    def _end(self) -> None:
        """Nothing is written after this: whoever waits is told, and what is left is counted."""
        left = []
        while not self._waiting.empty():
            left.append(self._waiting.get())
        lines = [found for found in left if isinstance(found, _Line)]
        if lines:
            self._on_loop(self._publish, RecordsLost(self._lost(lines), "the log was closed"))
        self._answer(left, self._number)
        os.close(self._descriptor)

    def _batch(self) -> list[_Line | _Mark | None]:
        """What comes next; meanwhile, where the file could not be written, that is tried again."""
        found: list[_Line | _Mark | None] = []
        while not found:
            try:
                found.append(self._waiting.get(timeout=_PAUSE if self._has_failed or self._untold else None))
            except queue.Empty:
                self._is_written([])
        while len(found) < _BATCH and not self._waiting.empty():
            found.append(self._waiting.get())
        return found

    def _keep_or_lose(self, lines: list[_Line], *, is_last: bool) -> None:
        """Writes lines, and tries again for as long as nobody waits for them and there is room for others."""
        while True:
            is_over = is_last or self._is_closing  # before the try: what ends meanwhile has one more
            if self._is_written(lines):
                return
            if self.is_durable or is_over or self._waiting.qsize() >= _MOST_WAITING // 2:
                if lines:
                    self._on_loop(self._publish, RecordsLost(self._lost(lines), "the file cannot be written"))
                return
            time.sleep(_PAUSE)

    def _is_written(self, lines: list[_Line]) -> bool:
        with self._losses:
            untold = self._untold
        text = "".join((_gap(untold) if untold else "", *(line.text for line in lines))).encode("ascii")
        if not text:
            return True
        try:
            self._append(text)
        except OSError as error:
            self._is(failing=True, reason=error.strerror or str(error))
            return False
        with self._losses:
            self._untold -= untold
        self._is(failing=False)
        return True

    def _append(self, text: bytes) -> None:
        with self._turn():
            self._rotate()
            before = os.fstat(self._descriptor).st_size
            written = os.write(self._descriptor, text)
            if written < len(text):
                os.ftruncate(self._descriptor, before)
                raise OSError(0, "there was no room for a whole line")
        if self.is_durable:
            os.fdatasync(self._descriptor)
            if os.fstat(self._descriptor).st_nlink == 0:
                raise OSError(0, "the file was removed")

    def _lost(self, lines: list[_Line]) -> int:
        with self._losses:
            self._last_lost = max(self._last_lost, lines[-1].number)
            self._untold += len(lines)
            self.generation += 1
        return len(lines)

    def _is(self, *, failing: bool, reason: str = "") -> None:
        before = self.is_failing
        self._has_failed, self._is_late = failing, False
        if failing != before:
            self._on_loop(self._publish, RecordsFailing(failing, reason))

    def _on_loop(self, call: Callable[..., None], *arguments: object) -> None:
        assert self._loop is not None
        # At the end nobody may be there to be told.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call, *arguments)

    # --- another file

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Nobody else writes meanwhile."""
        beside = self._path.with_name(f".{self._path.name}.lock")
        lock = open_regular(beside, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _rotate(self) -> None:
        """Goes on in another file where this one is full, or has another name by now."""
        is_full = self._rotate_bytes and os.fstat(self._descriptor).st_size >= self._rotate_bytes
        if self._has_its_name():
            if not is_full:
                return
            self._path.rename(self._path.with_name(f"{self._path.name}.{_moment()}"))
        fresh = self._opened()
        os.close(self._descriptor)
        self._descriptor = fresh
        self.generation += 1
        if is_full:
            self._forget()

    def _has_its_name(self) -> bool:
        try:
            named = self._path.lstat()
        except FileNotFoundError:
            return False
        mine = os.fstat(self._descriptor)
        return (named.st_dev, named.st_ino) == (mine.st_dev, mine.st_ino)

    def _opened(self) -> int:
        """The file, ready for a line of its own; what a process left half-written there stays on one of its own."""
        descriptor = open_regular(self._path, os.O_APPEND | os.O_CREAT | os.O_RDWR, 0o640)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                os.write(descriptor, b"\n")
            if self.is_durable:
                folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    os.fsync(folder)
                finally:
                    os.close(folder)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def _forget(self) -> None:
        """Removes full files of ours beyond those that are kept, and nothing else that is called alike."""
        if not self._keep:
            return
        name = re.compile(re.escape(self._path.name) + r"\.\d{8}T\d{6}\.\d{6}Z")
        full = sorted(path for path in self._path.parent.iterdir() if name.fullmatch(path.name))
        for path in full[: -self._keep]:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                self._on_loop(self._publish, Complaint(f"{path.name} cannot be removed: {error.strerror}"))


def kind_fault(path: Path) -> str | None:
    """Return why a file cannot be written by its name alone: it is a link, a device, a pipe; None where it can, or is
    not there yet."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(mode):
        return "is a symbolic link"
    return None if stat.S_ISREG(mode) else "is not a regular file"


def open_regular(path: Path, flags: int, mode: int) -> int:
    """Open a regular file and nothing else. Whoever can write the directory could else choose which file grows, by a
    symbolic link, or have a device or a pipe opened in its place.

    Raises:
        OSError: it cannot be opened, or is something else; then nothing has been written.
    """
    fault = kind_fault(path)
    if fault is not None:
        raise OSError(0, f"it {fault}", str(path))
    # The name may be another file's by now, so the flags and the descriptor decide.
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, mode)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "it is not a regular file", str(path))
    return descriptor


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
