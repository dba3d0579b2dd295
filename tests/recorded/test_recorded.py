"""What is compiled and decided for some hundred licences and requests is what was read and kept (recording.py)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.recorded.corners import CORNERS
from tests.recorded.recording import FILE, replayed

RECORDS: list[dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("number", range(len(RECORDS)))
def test_it_is_decided_as_it_was(number: int) -> None:
    record = RECORDS[number]

    now = json.loads(json.dumps(replayed(record)))

    assert now.get("faults") == record.get("faults")
    assert now.get("compiled") == record.get("compiled")
    for (request, kept), (asked, found) in zip(record.get("decided", []), now.get("decided", []), strict=True):
        assert (asked, found) == (request, kept)


def test_each_corner_is_kept() -> None:
    assert [record["corner"] for record in RECORDS if "corner" in record] == list(CORNERS)
