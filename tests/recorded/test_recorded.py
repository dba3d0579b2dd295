"""What is compiled and decided for some hundred licences and requests is what was read and kept (recording.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.recorded.differences import differences
from tests.recorded.recording import FILE, digest_of, has_reason, names, record

RECORDS: dict[str, dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", RECORDS)
def test_it_is_decided_as_it_was(name: str) -> None:
    kept = RECORDS[name]

    now = json.loads(json.dumps(record(name)))

    assert list(differences({name: kept}, {name: now})) == []
    assert now == kept


def test_each_input_is_kept() -> None:
    assert list(RECORDS) == names()


def test_a_page_gives_the_reason_of_this_recording() -> None:
    """`python -m tests.recorded.recording` says which line is asked for."""
    assert has_reason(digest_of(FILE.read_text(encoding="utf-8")))


def test_a_reason_is_a_line_with_the_name_and_some_words(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("0123456789abcdef is it\nfedcba9876543210 because guards are narrower now\n")

    assert not has_reason("0123456789abcdef", tmp_path)
    assert has_reason("fedcba9876543210", tmp_path)
    assert not has_reason("0000000000000000", tmp_path)


def test_differences_are_told_by_record_request_and_place() -> None:
    asked = {"method": "GET", "target": "/x"}
    before = {"a": {"compiled": {"rule": "x"}, "decided": [[asked, {"plan": "Read", "levels": [1, 2]}]]}, "b": {}}
    after = {"a": {"compiled": {"rule": "y"}, "decided": [[asked, {"plan": "Read", "levels": [1, 3]}]]}, "c": {}}

    assert list(differences(before, after)) == [
        "a",
        '  compiled.rule: "x" -> "y"',
        "  GET /x",
        "    levels[1]: 2 -> 3",
        "- b: 0 requests are gone",
        "+ c: 0 requests are new",
    ]


def test_requests_that_came_and_went_are_told() -> None:
    before = {"a": {"decided": [[{"target": "/x"}, 1], [{"target": "/y"}, 2]]}}
    after = {"a": {"decided": [[{"target": "/y"}, 2], [{"target": "/z", "method": "PATCH"}, 3]]}}

    assert list(differences(before, after)) == ["a", "  - GET /x", "  + PATCH /z: 3"]
