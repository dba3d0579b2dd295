"""Moments that are remembered, and forgotten with what they are about."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.store.shown import ShownSince, StateError


@pytest.mark.channel("C363")
def test_a_row_keeps_its_moment_until_it_is_shown_no_more(tmp_path: Path) -> None:
    since = ShownSince(tmp_path / "shown.json")

    assert since.note("p", ["a", "b"], "1") == {"a": "1", "b": "1"}
    assert since.note("p", ["b", "c"], "2") == {"b": "1", "c": "2"}
    assert since.note("p", ["a", "b"], "3") == {"a": "3", "b": "1"}
    assert since.note("q", ["a"], "4") == {"a": "4"}
    since.save()

    assert ShownSince(tmp_path / "shown.json").note("p", ["a"], "9") == {"a": "3"}
    assert [path.name for path in tmp_path.iterdir()] == ["shown.json"]


def test_without_a_file_nothing_is_written(tmp_path: Path) -> None:
    since = ShownSince()
    since.note("p", ["a"], "1")
    since.save()

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"p": {"a": 1}}', b'{"p": []}', b"\xff", b'{"p": {"a": "1"}} {}'])
def test_a_spoiled_file_is_said_where_it_is_and_is_left_alone(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "shown.json"
    path.write_bytes(text)

    with pytest.raises(ConfigurationError, match=r"shown\.json: is not what the gateway has written"):
        ShownSince(path)

    assert path.read_bytes() == text


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "shown.json").mkdir()

    with pytest.raises(ConfigurationError, match=r"shown\.json: cannot be read: Is a directory"):
        ShownSince(tmp_path / "shown.json")


def test_what_cannot_be_written_at_the_start_refuses_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"shown\.json: cannot be written: No such file or directory"):
        ShownSince(tmp_path / "state" / "shown.json")


@pytest.mark.channel("C363")
def test_what_could_not_be_written_was_never_noted(tmp_path: Path) -> None:
    """Else a row would carry a moment at which nobody saw it, and one that was there all along would be new."""
    state, away = tmp_path / "state", tmp_path / "away"
    state.mkdir()
    since = ShownSince(state / "shown.json")
    since.note("p", ["a", "b"], "1")
    since.save()
    state.rename(away)

    since.note("p", ["b", "c"], "2")
    with pytest.raises(StateError, match=r"shown\.json cannot be written: No such file or directory"):
        since.save()

    away.rename(state)
    assert since.note("p", ["a", "b", "c"], "3") == {"a": "1", "b": "1", "c": "3"}
    since.save()
    assert ShownSince(state / "shown.json").note("p", ["a", "c"], "9") == {"a": "1", "c": "3"}
