"""Failed attempts are counted by address, for a minute, and in bounded memory."""

from __future__ import annotations

from ipaddress import ip_address

from gateway.edge.attempts import MOST_ADDRESSES, WINDOW, FailedAttempts

HERE = ip_address("192.0.2.1")


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def test_a_window_begins_with_the_first_failure() -> None:
    clock = Clock()
    attempts = FailedAttempts(2, clock)
    waits = []
    for _ in range(2):
        attempts.note(HERE)
        waits.append(attempts.wait(HERE))
        clock.now += 25

    assert waits == [0, 35]
    assert attempts.wait(HERE) == 10
    clock.now += 10
    assert attempts.wait(HERE) == 0


def test_failures_of_one_window_are_no_failures_of_the_next() -> None:
    clock = Clock()
    attempts = FailedAttempts(2, clock)
    attempts.note(HERE)
    clock.now += WINDOW
    attempts.note(HERE)

    assert attempts.wait(HERE) == 0


def test_a_clock_that_is_put_back_keeps_nobody_waiting() -> None:
    clock = Clock()
    attempts = FailedAttempts(1, clock)
    attempts.note(HERE)
    clock.now -= 3600

    assert attempts.wait(HERE) == 0


def test_what_comes_from_nowhere_that_is_known_is_one_group() -> None:
    attempts = FailedAttempts(1, Clock())
    attempts.note(None)

    assert (attempts.wait(None), attempts.wait(HERE)) == (60, 0)


def test_so_many_addresses_are_remembered_and_no_more() -> None:
    attempts = FailedAttempts(1, Clock())
    first = int(ip_address("10.0.0.0"))
    for number in range(MOST_ADDRESSES):
        attempts.note(ip_address(first + number))
    assert attempts.wait(ip_address(first)) == 60

    attempts.note(HERE)

    assert len(attempts._failed) == MOST_ADDRESSES
    assert (attempts.wait(HERE), attempts.wait(ip_address(first + 1))) == (60, 0)
