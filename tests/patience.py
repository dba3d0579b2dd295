"""A limit for each test: one that hangs fails, with its traceback, and does not take the run with it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest

#: Seconds that a test may take, and its fixtures; with software of others, which is whole systems.
LIMIT, LIMIT_WITH_OTHERS = 300, 900


@contextmanager
def limited(seconds: float, name: str) -> Iterator[None]:
    """Fail where the block takes longer. It may stand inside another one, whose time then begins anew.

    The alarm of the system interrupts the main thread wherever it waits: in an event loop, for a lock, for a process.
    Its failure is not an ``Exception``, so no last resort of the code under test takes it. Where even this is not
    heard, ``faulthandler_timeout`` (pyproject.toml) prints every thread and ends the process.
    """

    def late(_number: int, _frame: FrameType | None) -> None:
        pytest.fail(f"{name} takes longer than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, late)
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left)
        signal.signal(signal.SIGALRM, before)


def _seconds(item: pytest.Item) -> int:
    return LIMIT_WITH_OTHERS if item.get_closest_marker("interop") else LIMIT


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    with limited(_seconds(item), f"the setup of {item.nodeid}"):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    with limited(_seconds(item), item.nodeid):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    with limited(_seconds(item), f"the teardown of {item.nodeid}"):
        return (yield)
