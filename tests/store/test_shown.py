"""Moments that are remembered, and forgotten with what they are about."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.store.shown import ShownSince


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
