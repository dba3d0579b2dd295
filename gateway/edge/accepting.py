"""Taking connections from a queue at which other processes may wait too, so that each has its share of them."""

from __future__ import annotations

import asyncio
import socket
import ssl
from asyncio import Task, TimerHandle
from collections.abc import Callable
from typing import Self

#: Connections that wait to be taken.
_BACKLOG = 1024
#: Seconds in which a process that has taken a connection leaves the next ones to the others. Without them whoever wakes
#: first takes all that came together, and clients that keep their connections keep them with it.
_MOMENT = 0.001
#: Seconds after which another one is tried where none can be taken: no more descriptors, no memory.
_LATER = 1.0


class ListenError(Exception):
    """An address cannot be listened on; the message says which and why."""

    @classmethod
    def of(cls, host: str, port: int, error: OSError) -> Self:
        return cls(f"{host}:{port} cannot be listened on: {error.strerror or error}")


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket for one or several processes, bound and listening.

    Raises:
        ListenError: the address cannot be listened on.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, kind, protocol)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(address)
            made.listen(_BACKLOG)
            made.setblocking(False)
        except OSError:
            made.close()
            raise
    except OSError as error:
        raise ListenError.of(host, port, error) from None
    return made


class Acceptor:
    """Takes the connections of a listening socket, and owns the socket.

    Args:
        make_protocol: of a connection that has been taken, at once.
        tls: what is spoken on the connections, if not plain text.
        is_shared: whether other processes take connections from this socket.
        complain: told once, in words for operators, when connections begin to be left because none can be taken.
    """

    def __init__(
        self,
        listening: socket.socket,
        make_protocol: Callable[[], asyncio.Protocol],
        *,
        tls: ssl.SSLContext | None,
        is_shared: bool,
        complain: Callable[[str], None],
    ) -> None:
        self._socket = listening
        self._make_protocol = make_protocol
        self._tls = tls
        self._moment = _MOMENT if is_shared else 0.0
        self._complain = complain
        self._is_failing = False
        self._timer: TimerHandle | None = None
        self._beginning: set[Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        listening.setblocking(False)
        self._look()

    def _look(self) -> None:
        self._timer = None
        self._loop.add_reader(self._socket, self._take)

    def _look_away(self, seconds: float) -> None:
        self._loop.remove_reader(self._socket)
        self._timer = self._loop.call_later(seconds, self._look)

    def _take(self) -> None:
        try:
            connection, _ = self._socket.accept()
        except (BlockingIOError, InterruptedError, ConnectionError):
            return  # another process has taken it, or its client is gone
        except OSError as error:
            if not self._is_failing:
                self._complain(f"connections wait, because none can be taken: {error.strerror}")
            self._is_failing = True
            self._look_away(_LATER)
            return
        self._is_failing = False
        connection.setblocking(False)
        begun = self._loop.create_task(self._begin(connection, self._make_protocol()))
        self._beginning.add(begun)
        begun.add_done_callback(self._beginning.discard)
        if self._moment:
            self._look_away(self._moment)

    async def _begin(self, connection: socket.socket, protocol: asyncio.Protocol) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: protocol, connection, ssl=self._tls)
        except OSError:
            connection.close()  # no TLS came of it, as its client sees

    def close(self) -> None:
        """Takes no more connections; those that were taken go on."""
        if self._timer is not None:
            self._timer.cancel()
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._socket.close()
