"""The rota of the long proofs: what is due, for how long, and how it ends."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path

import pytest

from tests.proof.__main__ import tree_hash
from tools.nightly import TASKS, Attempt, Task, due, is_due, night, read_attempts, run
from tools.proof_page import PARTS, Result

TODAY = date(2026, 12, 1)
NOON = 1_796_126_400.0
SEVERAL = tuple(Task(name, (), 60) for name in ("a", "b", "c"))


def test_each_part_of_the_page_has_a_task() -> None:
    assert [task.name for task in TASKS] == [part.name for part in PARTS]
    for task in TASKS:
        assert any("{result}" in part for part in task.command)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (None, True),
        (Result("other", "2026-12-01", []), True),
        (Result("tree", "2026-12-01", []), False),
        (Result("tree", "2026-11-25", []), False),
        (Result("tree", "2026-11-24", []), True),
    ],
)
def test_a_proof_is_due_that_is_of_another_tree_or_old(result: Result | None, expected: bool) -> None:
    assert is_due(result, "tree", TODAY) is expected


def test_the_task_that_has_waited_longest_is_first() -> None:
    results = {"a": None, "b": None, "c": Result("tree", "2026-12-01", [])}

    found = due(SEVERAL, results, {"a": Attempt(5.0, "unfinished")}, "tree", TODAY)

    assert [task.name for task in found] == ["b", "a"]


def test_a_night_ends_and_the_next_one_goes_on_with_the_others(tmp_path: Path) -> None:
    now = [NOON]
    given: list[tuple[str, float]] = []

    def runner(task: Task, minutes: float, folder: Path) -> str:
        given.append((task.name, minutes))
        now[0] += minutes * 60
        return "unfinished"

    for _ in range(2):
        night(SEVERAL, 90, tmp_path / "state.json", tmp_path, lambda: now[0], runner)

    assert given == [("a", 60), ("b", 30), ("c", 60), ("a", 30)]
    assert read_attempts(tmp_path / "state.json")["c"].outcome == "unfinished"


def test_what_is_done_on_this_tree_is_not_done_again(tmp_path: Path) -> None:
    result = {"tree": tree_hash(), "date": "2026-12-01", "rows": []}
    (tmp_path / "a.json").write_text(json.dumps(result), encoding="utf-8")
    ran: list[str] = []

    def runner(task: Task, minutes: float, folder: Path) -> str:
        ran.append(task.name)
        return "done"

    night(SEVERAL, 90, tmp_path / "state.json", tmp_path, lambda: NOON, runner)

    assert ran == ["b", "c"]


_WRITES = "import json, sys; json.dump(dict(tree='t', date='2026-12-01', rows=[]), open(sys.argv[1], 'w'))"


@pytest.mark.parametrize(
    ("program", "outcome"),
    [
        (_WRITES, "done"),
        ("pass", "failed: it has written no result"),
        ("import sys; sys.exit(75)", "unfinished"),
        ("import sys; sys.exit(3)", "failed: exit code 3"),
    ],
)
def test_how_a_task_ends(program: str, outcome: str, tmp_path: Path) -> None:
    assert run(Task("a", (sys.executable, "-c", program, "{result}"), 1), 1, tmp_path) == outcome


def test_a_task_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.nightly._GRACE", 1)

    outcome = run(Task("a", (sys.executable, "-c", "import time; time.sleep(600)"), 1), 0, tmp_path)

    assert outcome == "unfinished"
