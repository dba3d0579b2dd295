"""The proofs that take hours, on a rota: each night the one that has waited longest, for so long as the night is.

    python -m tools.nightly --minutes 240       run what is due
    python -m tools.nightly --list              print what is due, and run nothing

A task is due when its file in ``tests/results`` is of another tree, or older than a week. Its program writes this file
at its end. A task that the night is too short for ends with 75 or is ended; it goes on from where it was, as far as it
keeps where that is. At the end docs/proof.md is written from the results.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from tests.proof.__main__ import UNFINISHED, tree_hash
from tools import proof_page
from tools.proof_page import RESULTS, Result, result_of

REPOSITORY = Path(__file__).resolve().parent.parent
STATE = REPOSITORY / ".proof" / "nightly.json"
#: A result of the same tree is good for so many days.
_FRESH = 7
#: Seconds that a program has to end by itself once its time is over.
_GRACE = 30


@dataclass(frozen=True)
class Task:
    """One proof. In ``command``, ``{result}`` stands for the file that it writes, and ``{minutes}`` for its time, where
    it can end by itself.

    ``most`` is the number of minutes of one night that it may take.
    """

    name: str
    command: tuple[str, ...]
    most: int


_PROOF = (sys.executable, "-m", "tests.proof", "--minutes", "{minutes}", "--json", "{result}")
TASKS = (
    Task("reads", (*_PROOF, "--until", "1000000"), 120),
    Task("writes", (*_PROOF, "--until", "200000", "--writes"), 60),
    Task(
        "hunt",
        (
            sys.executable, "-m", "tests.proof.hunt", "--rare", "--seeds", "3", "--minutes", "{minutes}",
            "--state", ".proof/hunt.json", "--json", "{result}",
        ),
        90,
    ),
    Task(
        "mutation",
        (sys.executable, "-m", "tools.mutation", "--minutes", "{minutes}", "--json", "{result}"),
        180,
    ),
    Task("channels", (sys.executable, "-m", "tools.channel_walk", "--results", "{result}"), 120),
)  # fmt: skip


@dataclass
class Attempt:
    """The last time that a task ran: when it began (seconds since 1970), and how that ended."""

    began: float
    outcome: str


def is_due(result: Result | None, tree: str, today: date) -> bool:
    """Tell whether a proof must run again: never run, of another tree, or old."""
    return result is None or result.tree != tree or (today - date.fromisoformat(result.date)).days >= _FRESH


def due(
    tasks: tuple[Task, ...], results: dict[str, Result | None], attempts: dict[str, Attempt], tree: str, today: date
) -> list[Task]:
    """Return the tasks that are due, first the one that has waited longest."""
    waiting = [task for task in tasks if is_due(results[task.name], tree, today)]
    never = Attempt(0.0, "")
    return sorted(waiting, key=lambda task: attempts.get(task.name, never).began)


def run(task: Task, minutes: float, folder: Path = RESULTS) -> str:
    """Run a task for so long, and return how it ended: done, unfinished, or failed."""
    filled = [part.format(minutes=f"{minutes:.1f}", result=folder / f"{task.name}.json") for part in task.command]
    before = result_of(task.name, folder)
    process = subprocess.Popen(filled, cwd=REPOSITORY, start_new_session=True)  # noqa: S603  # a command of the table above
    try:
        code = process.wait(minutes * 60 + _GRACE)
    except subprocess.TimeoutExpired:
        _end(process)
        return "unfinished"
    if code == UNFINISHED:
        return "unfinished"
    if code == 0 and result_of(task.name, folder) == before:
        return "failed: it has written no result"
    return "done" if code == 0 else f"failed: exit code {code}"


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program and all that it has started, first as Ctrl-C does."""
    for number in (signal.SIGINT, signal.SIGKILL):
        os.killpg(process.pid, number)
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            continue
        return


def read_attempts(path: Path) -> dict[str, Attempt]:
    if not path.exists():
        return {}
    return {name: Attempt(**told) for name, told in json.loads(path.read_text(encoding="utf-8")).items()}


def night(
    tasks: tuple[Task, ...],
    minutes: float,
    state: Path,
    folder: Path = RESULTS,
    clock: Callable[[], float] = time.time,
    runner: Callable[[Task, float, Path], str] = run,
) -> dict[str, str]:
    """Run what is due until the night is over. Return how each task that ran ended."""
    ends = clock() + minutes * 60
    attempts = read_attempts(state)
    results = {task.name: result_of(task.name, folder) for task in tasks}
    today = datetime.fromtimestamp(clock(), UTC).date()
    outcomes = {}
    for task in due(tasks, results, attempts, tree_hash(), today):
        left = (ends - clock()) / 60
        if left < 1:
            break
        began = clock()
        outcomes[task.name] = runner(task, min(left, task.most), folder)
        attempts[task.name] = Attempt(began, outcomes[task.name])
        state.parent.mkdir(parents=True, exist_ok=True)
        state.write_text(
            json.dumps({name: asdict(told) for name, told in attempts.items()}, indent=1) + "\n", encoding="utf-8"
        )
    return outcomes


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.nightly", description=__doc__)
    parser.add_argument("--minutes", type=float, default=240, help="how long the night is")
    parser.add_argument("--list", action="store_true", help="print what is due, and run nothing")
    options = parser.parse_args(arguments)
    if options.list:
        attempts = read_attempts(STATE)
        results = {task.name: result_of(task.name) for task in TASKS}
        for task in due(TASKS, results, attempts, tree_hash(), datetime.now(UTC).date()):
            print(f"{task.name}: {attempts[task.name].outcome if task.name in attempts else 'never run here'}")
        return 0
    outcomes = night(TASKS, options.minutes, STATE)
    for name, outcome in outcomes.items():
        print(f"{name}: {outcome}")
    proof_page.main()
    return 1 if any(outcome.startswith("failed") for outcome in outcomes.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
