"""The decision log: one line of JSON for each event, whatever is in it."""

from __future__ import annotations

import io
import json
from typing import get_args

import pytest

from gateway.observe.events import Complaint, Event, SnapshotPublished, TrustLost
from gateway.observe.logs import _TOLD, DecisionLog


@pytest.mark.channel("C135")
def test_a_line_stays_a_line() -> None:
    stream = io.StringIO()

    DecisionLog(stream=stream)(Complaint("one\r\ntwo\u2028three\x1b[31m ö"))

    (line,) = stream.getvalue().splitlines()
    assert line.isascii()
    assert json.loads(line)["message"] == "one\r\ntwo\u2028three\x1b[31m ö"


def test_levels_follow_what_happened() -> None:
    stream = io.StringIO()
    log = DecisionLog("warning", stream)

    log(SnapshotPublished(1, 2, (), ()))
    log(SnapshotPublished(2, 2, ("templates/t.json: fault",), ()))
    log(TrustLost("patterns", "Property", "why", "p", 0.0))

    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [("snapshot", "warning"), ("trust lost", "error")]


def test_every_event_is_told_or_is_part_of_one_that_is() -> None:
    assert set(_TOLD) == set(get_args(Event))
