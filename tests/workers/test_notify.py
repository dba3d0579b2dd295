"""What systemd is told, word for word (sd_notify(3))."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.workers.notify import Notifier


@pytest.fixture
def manager() -> Iterator[socket.socket]:
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(Path(folder) / "notify"))
        listening.setblocking(False)
        yield listening


def test_states_are_told(manager: socket.socket) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "3000000"})
    notifier.ready()
    notifier.reloading()
    notifier.alive()
    notifier.status("2 workers")
    notifier.stopping()

    told = [manager.recv(1000).decode() for _ in range(5)]

    assert told[0] == "READY=1"
    assert told[1].startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert told[1].rpartition("=")[2].isdigit()
    assert told[2:] == ["WATCHDOG=1", "STATUS=2 workers", "STOPPING=1"]
    assert notifier.watchdog == 3.0


def test_an_abstract_socket_is_told_too() -> None:
    name = f"gateway-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + name)
        Notifier({"NOTIFY_SOCKET": "@" + name}).ready()

        assert listening.recv(100) == b"READY=1"


def test_nobody_and_a_manager_that_is_gone_are_no_trouble() -> None:
    Notifier({}).ready()
    Notifier({"NOTIFY_SOCKET": "/nowhere/notify"}).ready()

    assert Notifier({}).watchdog is None
    assert Notifier({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}).watchdog is None
