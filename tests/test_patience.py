"""No test waits for ever (``tests/patience.py``)."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable

import pytest

from tests.patience import LIMIT, limited


def _in_a_loop() -> None:
    asyncio.run(asyncio.sleep(60))


def _for_a_lock() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def _behind_a_last_resort() -> None:
    while True:
        try:
            time.sleep(60)
        except Exception:  # noqa: BLE001, S112  # as code under test may have it
            continue


@pytest.mark.parametrize("waiting", [_in_a_loop, _for_a_lock, _behind_a_last_resort])
def test_a_test_that_hangs_fails(waiting: Callable[[], None]) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"a test takes longer than 0\.05 s"), limited(0.05, "a test"):
        waiting()


def test_each_test_has_a_limit(request: pytest.FixtureRequest) -> None:
    assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= LIMIT


async def test_a_test_in_a_loop_has_a_limit() -> None:
    assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= LIMIT


def test_a_limit_inside_another_one_leaves_it_in_force() -> None:
    with limited(50, "the outer one"):
        with limited(20, "the inner one"):
            inner = signal.getitimer(signal.ITIMER_REAL)[0]
        outer = signal.getitimer(signal.ITIMER_REAL)[0]

    assert 0 < inner <= 20 < outer <= 50


def test_the_last_fallback_ends_the_process(pytestconfig: pytest.Config) -> None:
    assert float(pytestconfig.getini("faulthandler_timeout")) > 0
    assert pytestconfig.getini("faulthandler_exit_on_timeout") is True
