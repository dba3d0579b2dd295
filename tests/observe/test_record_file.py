"""The file of decisions: shared by processes, rotated by anybody, and honest about what it could not keep.

``/dev/full`` is a disk without room; a symbolic link leads to it and, later, to one that has some.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

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
    path.symlink_to("/dev/full")
    async with opened(path, events, is_durable=True) as file:
        file.write(line(1))
        first = await file.settled()
        failing = file.is_failing
        path.unlink()
        file.write(line(2))
        second = await file.settled()
        await until(lambda: len(events) == 3)

    assert (first, failing, second) == (False, True, True)
    assert events == [
        RecordsFailing(True, "No space left on device"), RecordsLost(1, "the file cannot be written"), RecordsFailing(False, ""),
    ]  # fmt: skip
    gap, kept = lines(path)
    assert (gap["event"], gap["lines"], kept["number"]) == ("gap", 1, 2)


async def test_a_failing_file_is_tried_without_a_new_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.observe.record_file._PAUSE", 0.01)
    path, events = tmp_path / "decisions.log", list[Event]()
    path.symlink_to("/dev/full")
    async with opened(path, events, is_durable=True) as file:
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
    path.symlink_to("/dev/full")
    async with opened(path, events) as file:
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
    path.symlink_to("/dev/full")
    async with opened(path, events) as file:
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


async def test_a_line_that_was_written_in_part_spoils_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    path = tmp_path / "decisions.log"
    whole, room = os.write, [10]

    def write(descriptor: int, text: bytes) -> int:
        return whole(descriptor, text[: room.pop()]) if room else whole(descriptor, text)

    async with opened(path, is_durable=True) as file:
        monkeypatch.setattr("gateway.observe.record_file.os.write", write)
        file.write(line(1))
        first = await file.settled()
        file.write(line(2))
        second = await file.settled()

    torn, *others = path.read_text(encoding="ascii").splitlines()
    assert (first, second) == (False, True)
    assert torn == line(1)[:10]
    assert [json.loads(text).get("number") for text in others] == [None, 2]


async def test_a_file_that_cannot_be_made_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        RecordFile(tmp_path / "nowhere" / "log", lambda _: None).open()
