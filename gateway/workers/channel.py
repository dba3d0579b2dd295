"""What the processes of a service say to each other, and ``gateway reload`` to them: one JSON object a line."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Self

import msgspec

#: The longest line: a configuration with all its files is one.
_LIMIT = 256 * 1024 * 1024


def told_of(said: dict[str, Any]) -> dict[str, Any]:
    """Return what a message tells, without the word that says what it is."""
    return {name: value for name, value in said.items() if name != "what"}


class Channel:
    """One end of a connection. Whatever is wrong with the other end looks like its end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, connected: socket.socket) -> Self:
        """Takes over a connected socket."""
        return cls(*await asyncio.open_connection(sock=connected, limit=_LIMIT))

    @classmethod
    async def to(cls, path: str) -> Self:
        """Connects to the control socket of a service.

        Raises:
            OSError: nobody is there.
        """
        return cls(*await asyncio.open_unix_connection(path, limit=_LIMIT))

    def send(self, what: str, **said: Any) -> None:
        """Says something without waiting for it to be heard."""
        if not self._writer.is_closing():
            self._writer.write(msgspec.json.encode({"what": what, **said}) + b"\n")

    async def receive(self) -> dict[str, Any] | None:
        """What the other end says next; None at its end."""
        try:
            line = await self._reader.readline()
            found = msgspec.json.decode(line, type=dict[str, Any]) if line.endswith(b"\n") else None
        except (OSError, ValueError):
            return None
        return found

    async def close(self) -> None:
        """Ends it, after everything that was said is on its way."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except OSError:
            return
