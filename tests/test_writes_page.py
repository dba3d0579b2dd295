"""The conversation in docs/writes.md is one that was had: each answer is compared, in order.

``python -m tests.test_writes_page`` writes the answers anew.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from unittest import mock

import aiohttp
from yarl import URL

from gateway.sandbox import writes
from gateway.sandbox.server import Sandbox
from tests.support import CONFIG, REPOSITORY, ROOT, configuration, running, sandbox_running

PAGE = REPOSITORY / "docs" / "writes.md"
SEED = ("ListAgentKey", "ListOfficeKey", "PropertyType", "StreetNumber", "StreetName", "City")
BLOCK = re.compile(r"^```http\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: Headers of an answer that the page shows.
SHOWN = ("Location", "EntityId", "OData-EntityId", "Preference-Applied", "ETag", "Allow")


@asynccontextmanager
async def example() -> AsyncIterator[str]:
    """What `gateway demo` is, with a sandbox whose clock stands still. Gives the service root."""
    with mock.patch.object(writes, "_now", lambda: "2026-01-15T12:00:00.001Z"):
        async with sandbox_running(Sandbox()) as sandbox, running(configuration(CONFIG, sandbox.url)) as gateway:
            yield f"http://127.0.0.1:{gateway.service.listener.port}{ROOT}"


async def had(root: str, block: str) -> str:
    """A block with the answer that its request gets."""
    request = block.partition("\nHTTP/1.1 ")[0].rstrip("\n")
    head, _, body = request.partition("\n\n")
    first, *lines = head.split("\n")
    method, target = first.split(" ")
    headers = {"Authorization": "Bearer demo-desk", **dict(line.split(": ", 1) for line in lines)}
    raw = body.encode() if body else None
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, URL(root + target, encoded=True), data=raw, headers=headers) as response,
    ):
        told = [f"{name}: {response.headers[name]}" for name in SHOWN if name in response.headers]
        return "\n".join((request, "", f"HTTP/1.1 {response.status}", *told, *_body(await response.text()), ""))


def _body(text: str) -> list[str]:
    """The body, of a record without the members that are null."""
    if not text:
        return []
    body: dict[str, Any] = json.loads(text)
    return ["", json.dumps({name: value for name, value in body.items() if value not in (None, [])})]


async def test_the_conversation_is_had_as_it_is_written() -> None:
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    async with example() as root:
        found = [await had(root, block) for block in blocks]

    assert len(blocks) >= 10
    for block, again in zip(blocks, found, strict=True):
        assert again == block


def test_its_first_request_is_the_seeds() -> None:
    (first, *_) = BLOCK.findall(PAGE.read_text(encoding="utf-8"))

    assert tuple(json.loads(first.partition("\n\n")[2].partition("\n\n")[0])) == SEED


async def _write() -> None:
    text = PAGE.read_text(encoding="utf-8")
    async with example() as root:
        for block in BLOCK.findall(text):
            text = text.replace(f"```http\n{block}```", f"```http\n{await had(root, block)}```", 1)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(_write())
