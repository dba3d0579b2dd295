"""The control socket of a service: ``gateway reload`` asks on it, and hears what came of it. Only the user who runs the
service can open it."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gateway.workers.channel import Channel, told_of
from gateway.workers.supervisor import Outcome


class ControlError(Exception):
    """There can be no control socket, or nobody listens on it; the message says which and why."""


class Control:
    """Answers on a Unix socket. Use as ``start`` and ``stop``."""

    def __init__(self, path: Path, actions: Mapping[str, Callable[[Mapping[str, Any]], Awaitable[Outcome]]]) -> None:
        """
        Args:
            actions: what can be asked for, by its word; each takes what was said with the word.
        """
        self._path = path
        self._actions = actions
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """
        Raises:
            ControlError: the socket cannot be made, or another service listens on it.
        """
        try:
            with suppress(FileNotFoundError):
                mode = self._path.lstat().st_mode
                if stat.S_ISLNK(mode):
                    raise ControlError(f"{self._path}: is a symbolic link, which is not followed")
                if stat.S_ISSOCK(mode):
                    await self._take_over()
            before = os.umask(0o177)
            try:
                self._server = await asyncio.start_unix_server(self._answer, self._path)
            finally:
                os.umask(before)
        except OSError as error:
            raise ControlError(f"{self._path}: no control socket can be made: {error}") from None

    async def _take_over(self) -> None:
        """Removes the socket of a service that is gone."""
        try:
            other = await Channel.to(str(self._path))
        except OSError:
            self._path.unlink()
            return
        await other.close()
        raise ControlError(f"{self._path}: another service listens here")

    def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._answered(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answered(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        channel = Channel(reader, writer)
        asked = await channel.receive()
        action = self._actions.get(str((asked or {}).get("what")))
        if action is None:
            channel.send("outcome", how="refused", faults=["it is not known what that is"])
        else:
            outcome = await action(told_of(asked or {}))
            channel.send("outcome", how=outcome.how, faults=outcome.faults)
        await channel.close()

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for task in self._tasks:
                task.cancel()
            with suppress(OSError):
                self._path.unlink()


async def ask(path: Path, what: str, **said: str | None) -> Outcome:
    """Asks a running service to do something, and waits until it has.

    Raises:
        ControlError: nobody listens there, or the service has ended meanwhile.
    """
    try:
        channel = await Channel.to(str(path))
    except OSError as error:
        raise ControlError(f"{path}: no service listens here: {error.strerror or error}") from None
    channel.send(what, **said)
    told = await channel.receive()
    await channel.close()
    if told is None:
        raise ControlError(f"{path}: the service has ended without an answer")
    return Outcome(told["how"], tuple(told["faults"]))
