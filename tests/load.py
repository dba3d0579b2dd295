"""Clients that keep their connections and ask without a pause: every request that is not answered is one that was lost."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Load:
    """``answers`` by status; ``lost`` is what went wrong with requests that got none; ``kinds`` the different bodies."""

    answers: Counter[int] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    bodies: Counter[bytes] = field(default_factory=Counter)
    connections: int = 0
    stopping: bool = False

    @property
    def failed(self) -> list[str]:
        return [*self.lost, *(f"{count} times {status}" for status, count in self.answers.items() if status != 200)]


@asynccontextmanager
async def load(
    url: str, secret: str, clients: int = 4, pause: float = 0.0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Load]:
    """Asks for one address until the block ends; each client has one connection, and a new one when it is told that
    the old one ends."""
    found = Load()
    tasks = [asyncio.create_task(_client(url, secret, found, pause, tls)) for _ in range(clients)]
    try:
        yield found
    finally:
        found.stopping = True
        await asyncio.gather(*tasks)


async def _client(url: str, secret: str, found: Load, pause: float, tls: ssl.SSLContext | None) -> None:
    parts = urlsplit(url)
    request = (
        f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {secret}\r\n\r\n"
    ).encode()
    while not found.stopping:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=tls)
        found.connections += 1
        try:
            while not found.stopping:
                writer.write(request)
                if await _answer(reader, found):
                    break
                await asyncio.sleep(pause)
        except (OSError, asyncio.IncompleteReadError, ValueError) as error:
            found.lost.append(repr(error))
        finally:
            writer.close()


async def _answer(reader: asyncio.StreamReader, found: Load) -> bool:
    """Reads one answer; whether it says that it is the last one on its connection."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    lines = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
    body = await reader.readexactly(int(lines["content-length"]))
    found.answers[int(head.split(" ")[1])] += 1
    found.bodies[body] += 1
    return lines.get("connection") == "close"
