"""Who takes a connection where several wait at one queue, and what is said when nobody can."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import Any

import pytest

from gateway.edge import accepting
from gateway.edge.accepting import Acceptor, ListenError, listening_socket
from tests.support import until


class Kept(asyncio.Protocol):
    """Keeps its connection."""

    def __init__(self, kept: list[asyncio.BaseTransport]) -> None:
        self._kept = kept

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._kept.append(transport)


def acceptor(
    listening: socket.socket, kept: list[asyncio.BaseTransport], said: list[str], *, is_shared: bool
) -> Acceptor:
    return Acceptor(listening, lambda: Kept(kept), tls=None, is_shared=is_shared, complain=said.append)


def end(clients: list[socket.socket], *kept: list[asyncio.BaseTransport]) -> None:
    for client in clients:
        client.close()
    for transport in (transport for found in kept for transport in found):
        transport.close()


async def test_who_has_taken_a_connection_leaves_the_next_one_to_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accepting, "_MOMENT", 3600.0)
    one, two, said = list[asyncio.BaseTransport](), list[asyncio.BaseTransport](), list[str]()
    listening = listening_socket("127.0.0.1", 0)
    clients = [socket.create_connection(listening.getsockname()) for _ in range(3)]
    first = acceptor(listening.dup(), one, said, is_shared=True)
    await until(lambda: len(one) == 1)
    await asyncio.sleep(0.05)
    alone = len(one)
    second = acceptor(listening.dup(), two, said, is_shared=True)
    await until(lambda: len(two) == 1)
    first.close()
    second.close()
    listening.close()
    end(clients, one, two)

    assert (alone, len(one), len(two), said) == (1, 1, 1, [])


async def test_after_a_moment_the_next_one_is_taken() -> None:
    kept = list[asyncio.BaseTransport]()
    listening = listening_socket("127.0.0.1", 0)
    clients = [socket.create_connection(listening.getsockname()) for _ in range(5)]
    taking = acceptor(listening, kept, [], is_shared=True)
    await until(lambda: len(kept) == 5)
    taking.close()
    taking.close()
    end(clients, kept)

    assert listening.fileno() == -1


async def test_who_is_alone_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accepting, "_MOMENT", 3600.0)
    kept = list[asyncio.BaseTransport]()
    listening = listening_socket("127.0.0.1", 0)
    clients = [socket.create_connection(listening.getsockname()) for _ in range(5)]
    taking = acceptor(listening, kept, [], is_shared=False)
    await until(lambda: len(kept) == 5)
    taking.close()
    end(clients, kept)


async def test_without_descriptors_connections_wait_and_it_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accepting, "_LATER", 0.01)
    failing = [errno.EMFILE] * 3

    class Exhausted(socket.socket):
        def accept(self) -> tuple[socket.socket, Any]:
            if failing:
                raise OSError(failing.pop(), "Too many open files")
            return super().accept()

    kept, said = list[asyncio.BaseTransport](), list[str]()
    listening = Exhausted(fileno=listening_socket("127.0.0.1", 0).detach())
    clients = [socket.create_connection(listening.getsockname()) for _ in range(2)]
    taking = acceptor(listening, kept, said, is_shared=False)
    await until(lambda: len(kept) == 2)
    taking.close()
    end(clients, kept)

    assert said == ["connections wait, because none can be taken: Too many open files"]


def test_an_address_that_is_taken_is_told() -> None:
    with listening_socket("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match=rf"^127\.0\.0\.1:{port} cannot be listened on: Address already in use"):
            listening_socket("127.0.0.1", port)
