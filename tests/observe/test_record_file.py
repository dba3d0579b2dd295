"""The file of decisions: shared by processes, rotated by anybody, and honest about what it could not keep.

A symbolic link in place of the file cannot be written, as a disk without room; it is taken away later.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.observe import record_file
from gateway.observe.events import Event, RecordsFailing, RecordsLost
from gateway.observe.record_file import RecordFile
from tests.support import until


@asynccontextmanager
async def opened(path: Path, events: list[Event] | None = None, **options: Any) -> AsyncIterator[RecordFile]:
    file = RecordFile(path, (events if events is not None else []).append, **options)
    file.open()
    try:
        yield file
    finally:
        await file.close()


def full(path: Path) -> None:
    """From now on nothing can be written; ``path.unlink()`` ends that."""
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/full")


def line(number: int, writer: str = "one") -> str:
    return json.dumps({"number": number, "writer": writer, "padding": "x" * (number % 97)}) + "\n"


def lines(*paths: Path) -> list[dict[str, Any]]:
    return [json.loads(found) for path in paths for found in path.read_text(encoding="ascii").splitlines()]


@pytest.mark.guarantee("G7")
async def test_two_writers_and_many_rotations_lose_and_mix_nothing(tmp_path: Path) -> None:
    path = tmp_path / "decisions.log"
    async with opened(path, rotate_bytes=20_000) as one, opened(path, rotate_bytes=20_000) as two:
        for number in range(3_000):
            one.write(line(number))
            two.write(line(number, "two"))
            if number % 50 == 0:
                await asyncio.sleep(0.001)
        assert await one.settled()
        assert await two.settled()

    files = sorted(tmp_path.glob("decisions.log*"))  # noqa: ASYNC240
    found = lines(*files)
    assert len(files) > 5
    for writer in ("one", "two"):
        assert sorted(entry["number"] for entry in found if entry["writer"] == writer) == list(range(3_000))


async def test_only_the_newest_full_files_are_kept_where_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "decisions.log"
    async with opened(path, rotate_bytes=1_000, keep=2) as file:
        for number in range(200):
            file.write(line(number))
            await file.settled()

    full = sorted(tmp_path.glob("decisions.log.*"))  # noqa: ASYNC240
    assert len(full) == 2
    assert lines(*full, path)[-1]["number"] == 199


async def test_a_rotation_by_others_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "decisions.log"
    async with opened(path) as file:
        file.write(line(1))
        await file.settled()
        path.rename(tmp_path / "moved")
        file.write(line(2))
        await file.settled()
        path.unlink()
        file.write(line(3))
        await file.settled()

    assert [entry["number"] for entry in lines(tmp_path / "moved")] == [1]
    assert [entry["number"] for entry in lines(path)] == [3]


@pytest.mark.guarantee("G7")
async def test_what_is_to_be_durable_and_is_not_is_told(tmp_path: Path) -> None:
    path, events = tmp_path / "decisions.log", list[Event]()
    async with opened(path, events, is_durable=True) as file:
        full(path)
        file.write(line(1))
        first = await file.settled()
        failing = file.is_failing
        path.unlink()
        file.write(line(2))
        second = await file.settled()
        await until(lambda: len(events) == 3)

    assert (first, failing, second) == (False, True, True)
    assert events == [
        RecordsFailing(True, "it is a symbolic link"), RecordsLost(1, "the file cannot be written"), RecordsFailing(False, ""),
    ]  # fmt: skip
    gap, kept = lines(path)
    assert (gap["event"], gap["lines"], kept["number"]) == ("gap", 1, 2)


async def test_a_failing_file_is_tried_without_a_new_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.observe.record_file._PAUSE", 0.01)
    path, events = tmp_path / "decisions.log", list[Event]()
    async with opened(path, events, is_durable=True) as file:
        full(path)
        file.write(line(1))
        assert not await file.settled()
        path.unlink()
        await until(lambda: not file.is_failing)

    assert [entry["event"] for entry in lines(path)] == ["gap"]


async def test_what_nobody_waits_for_is_kept_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.observe.record_file._PAUSE", 0.01)
    path, events = tmp_path / "decisions.log", list[Event]()
    async with opened(path, events) as file:
        full(path)
        for number in range(500):
            file.write(line(number))
        await until(lambda: file.is_failing)
        path.unlink()

    assert [entry["number"] for entry in lines(path)] == list(range(500))
    assert not any(isinstance(event, RecordsLost) for event in events)


async def test_more_than_may_wait_is_lost_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.observe.record_file._PAUSE", 0.01)
    monkeypatch.setattr("gateway.observe.record_file._MOST_WAITING", 100)
    path, events = tmp_path / "decisions.log", list[Event]()
    async with opened(path, events) as file:
        full(path)
        for number in range(1_000):
            file.write(line(number))
        await until(lambda: file.is_failing)
        path.unlink()
        file.write(line(1_000))
        await asyncio.sleep(0.1)
        lost = sum(event.count for event in events if isinstance(event, RecordsLost))

    found = lines(path)
    gaps = sum(entry["lines"] for entry in found if entry.get("event") == "gap")
    assert gaps == lost > 500
    assert len([entry for entry in found if "number" in entry]) + lost == 1_001


async def test_what_was_written_in_part_is_taken_back_before_anybody_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "decisions.log"
    whole, room = os.write, [10]

    def write(descriptor: int, text: bytes) -> int:
        return (
            whole(descriptor, text[: room.pop()]) if room and text.startswith(b'{"number"') else whole(descriptor, text)
        )

    async with opened(path, is_durable=True) as one, opened(path, is_durable=True) as two:
        monkeypatch.setattr("gateway.observe.record_file.os.write", write)
        one.write(line(1))
        first = await one.settled()
        two.write(line(2))
        second = await two.settled()
        one.write(line(3))
        third = await one.settled()

    assert (first, second, third) == (False, True, True)
    assert [entry.get("number") for entry in lines(path)] == [2, None, 3]


async def test_a_file_that_ends_in_a_torn_line_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "decisions.log"
    path.write_text('{"event":"requ', encoding="ascii")
    async with opened(path, is_durable=True) as file:
        file.write(line(1))
        assert await file.settled()

    assert path.read_text(encoding="ascii").splitlines()[1:] == [line(1).strip()]


async def test_a_disk_that_does_not_answer_is_waited_for_some_time_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.observe.record_file._LATE", 0.05)
    hangs = threading.Event()
    monkeypatch.setattr("gateway.observe.record_file.os.fdatasync", lambda _: hangs.wait(20))
    events: list[Event] = []
    async with opened(tmp_path / "log", events, is_durable=True) as file:
        file.write(line(1))
        first, failing = await file.settled(), file.is_failing
        hangs.set()
        await until(lambda: not file.is_failing)
        file.write(line(2))
        second = await file.settled()

    assert (first, failing, second) == (False, True, True)
    assert [event.is_failing for event in events if isinstance(event, RecordsFailing)] == [True, False]


async def test_when_the_thread_ends_nobody_waits_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(_descriptor: int) -> None:
        raise MemoryError

    monkeypatch.setattr("gateway.observe.record_file.os.fdatasync", breaks)
    events: list[Event] = []
    async with opened(tmp_path / "log", events, is_durable=True) as file:
        file.write(line(1))
        first = await file.settled()
        file.write(line(2))
        second = await file.settled()
        failing = file.is_failing
    after = await file.settled()

    assert (first, second, failing, after) == (False, False, True, False)
    assert RecordsFailing(True, "MemoryError") in events


async def test_what_is_left_at_the_end_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.observe.record_file._PAUSE", 0.01)
    path, events = tmp_path / "decisions.log", list[Event]()
    path.write_text("", encoding="ascii")
    async with opened(path, events) as file:
        path.unlink()
        path.symlink_to("/dev/full")
        for number in range(30):
            file.write(line(number))
        await until(lambda: file.is_failing)

    assert sum(event.count for event in events if isinstance(event, RecordsLost)) == 30


async def test_only_files_of_ours_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "decisions.log"
    (tmp_path / "decisions.log.1-for-the-lawyers.txt").write_text("x", encoding="ascii")
    (tmp_path / "decisions.log.0").mkdir()
    async with opened(path, rotate_bytes=100, keep=1, is_durable=True) as file:
        kept = []
        for number in range(40):
            file.write(line(number))
            kept.append(await file.settled())

    assert all(kept)
    assert (tmp_path / "decisions.log.1-for-the-lawyers.txt").exists()
    assert len(list(tmp_path.glob("decisions.log.2*"))) == 1  # noqa: ASYNC240


async def test_a_file_that_is_none_is_told_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="it is not a regular file"):
        RecordFile(tmp_path / "pipe", lambda _: None).open()
    with pytest.raises(ValueError, match=r"null byte|embedded null"):
        RecordFile(tmp_path / "a\0b", lambda _: None).open()


@pytest.mark.parametrize("kind", ["link", "dangling link", "link to a device", "pipe", "device", "directory", "socket"])
async def test_what_is_not_a_regular_file_is_neither_opened_nor_written(tmp_path: Path, kind: str) -> None:
    """Whoever can write the directory could else choose which file of the gateway's user grows."""
    path, victim = tmp_path / "decisions.log", tmp_path / "keys.yaml"
    victim.write_text("Keys: []", encoding="ascii")
    with socket.socket(socket.AF_UNIX) as listening:
        match kind:
            case "link":
                path.symlink_to(victim)
            case "dangling link":
                path.symlink_to(tmp_path / "new")
            case "link to a device":
                path.symlink_to("/dev/null")
            case "pipe":
                os.mkfifo(path)
            case "device":
                path = Path("/dev/null")
            case "directory":
                path.mkdir()
            case _:
                listening.bind(str(path))
        with pytest.raises(OSError, match="it is a symbolic link" if "link" in kind else "it is not a regular file"):
            RecordFile(path, lambda _: None, is_durable=True).open()

    assert victim.read_text(encoding="ascii") == "Keys: []"
    assert not (tmp_path / "new").exists()


async def test_a_link_in_place_of_a_rotated_file_is_not_followed(tmp_path: Path) -> None:
    path, victim, events = tmp_path / "decisions.log", tmp_path / "victim", list[Event]()
    victim.write_text("x\n", encoding="ascii")
    async with opened(path, events) as file:
        file.write(line(1))
        await file.settled()
        path.rename(tmp_path / "decisions.log.1")
        path.symlink_to(victim)
        file.write(line(2))
        await until(lambda: events != [])
        path.unlink()

    assert events[0] == RecordsFailing(True, "it is a symbolic link")
    assert victim.read_text(encoding="ascii") == "x\n"
    assert [found["number"] for found in lines(tmp_path / "decisions.log.1", path)] == [1, 2]


async def test_the_lock_beside_the_file_is_not_a_link_either(tmp_path: Path) -> None:
    (tmp_path / ".decisions.log.lock").symlink_to(tmp_path / "made")
    events = list[Event]()
    async with opened(tmp_path / "decisions.log", events) as file:
        file.write(line(1))
        await until(lambda: events != [])

    assert events[0] == RecordsFailing(True, "it is a symbolic link")
    assert not (tmp_path / "made").exists()


async def test_a_file_that_cannot_be_made_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        RecordFile(tmp_path / "nowhere" / "log", lambda _: None).open()


@pytest.mark.guarantee("G7")
async def test_a_line_waits_for_the_lock_that_others_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is done to the file is done while this process has the lock: nobody else could take it meanwhile."""
    path = tmp_path / "decisions.log"
    plain, unlocked = os.write, []

    def write(descriptor: int, text: bytes) -> int:
        other = os.open(tmp_path / ".decisions.log.lock", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            unlocked.append(text)
        except BlockingIOError:
            pass
        finally:
            os.close(other)
        return plain(descriptor, text)

    async with opened(path, is_durable=True) as file:
        monkeypatch.setattr("gateway.observe.record_file.os.write", write)
        file.write(line(1))
        assert await file.settled()

    assert unlocked == []
    assert [entry["number"] for entry in lines(path)] == [1]


@pytest.mark.guarantee("G7")
@pytest.mark.parametrize("is_durable", [True, False])
async def test_a_durable_line_and_the_name_of_its_file_are_forced_to_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_durable: bool
) -> None:
    """``settled`` is believed only as far as the disk: after a crash of the machine the line, and the file, are there."""
    forced: list[str] = []

    def noting(name: str) -> Callable[[int], None]:
        plain = getattr(os, name)

        def force(descriptor: int) -> None:
            forced.append(name)
            plain(descriptor)

        return force

    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(f"gateway.observe.record_file.os.{name}", noting(name))
    async with opened(tmp_path / "decisions.log", is_durable=is_durable) as file:
        file.write(line(1))
        assert await file.settled()

    assert forced == (["fsync", "fdatasync"] if is_durable else [])


@pytest.mark.guarantee("G7")
async def test_a_line_in_a_file_that_was_removed_is_not_called_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes with the last descriptor."""
    path = tmp_path / "decisions.log"
    plain = os.write

    def write(descriptor: int, text: bytes) -> int:
        written = plain(descriptor, text)
        path.unlink(missing_ok=True)
        return written

    async with opened(path, is_durable=True) as file:
        monkeypatch.setattr("gateway.observe.record_file.os.write", write)
        file.write(line(1))
        first = await file.settled()
        monkeypatch.undo()
        file.write(line(2))
        second = await file.settled()

    assert (first, second) == (False, True)
    assert [entry.get("number") for entry in lines(path)] == [None, 2]


@pytest.mark.guarantee("G7")
@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_what_takes_the_place_of_the_file_after_the_check_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Between the look at the name and the opening of it anybody may change it who can write the directory."""
    path, elsewhere = tmp_path / "decisions.log", tmp_path / "elsewhere"
    elsewhere.write_text("", encoding="ascii")
    if kind == "link":
        path.symlink_to(elsewhere)
    else:
        os.mkfifo(path)
    monkeypatch.setattr(record_file, "kind_fault", lambda _: None)

    with pytest.raises(OSError, match=r"symbolic|regular|No such device"):
        os.close(record_file.open_regular(path, os.O_RDWR | os.O_CREAT, 0o600))
