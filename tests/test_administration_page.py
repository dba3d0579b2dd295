"""The conversation in docs/administration.md is one that was had: each answer is compared, in order.

``python -m tests.test_administration_page`` writes the answers anew.
"""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.sandbox.server import Sandbox
from tests.managed import Desk
from tests.support import CONFIG, REPOSITORY, Answer, configuration, running, sandbox_running

PAGE = REPOSITORY / "docs" / "administration.md"
BLOCK = re.compile(r"^```http\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: Headers of an answer that the page shows.
SHOWN = ("ETag", "Location", "Allow", "Retry-After")


@asynccontextmanager
async def example(database_url: str) -> AsyncIterator[Desk]:
    """What `gateway demo` is, with a clock that stands still."""
    async with (
        sandbox_running(Sandbox()) as sandbox,
        running(configuration(CONFIG, sandbox.url, STORE__URL=database_url)) as gateway,
    ):
        yield Desk(gateway)


async def had(desk: Desk, block: str) -> str:
    """A block with the answer that its request gets."""
    request = block.partition("\nHTTP/1.1 ")[0].rstrip("\n")
    head, _, body = request.partition("\n\n")
    first, *lines = head.split("\n")
    method, target = first.split(" ")
    headers = dict(line.split(": ", 1) for line in lines)
    raw = body.encode() if body else None
    answer = await desk.call(
        method, target.removeprefix("/v1/developers"), key="demo-private", raw=raw, headers=headers
    )
    told = [f"{name}: {answer.header(name)}" for name in SHOWN if answer.header(name) is not None]
    return "\n".join((request, "", f"HTTP/1.1 {answer.status}", *told, "", _masked(answer), ""))


def _masked(answer: Answer) -> str:
    """The body, with a secret that nobody has in place of the one that was made."""
    body: Any = answer.json()
    for result in body["D"].get("Results", ()):
        if "Secret" in result:
            assert re.fullmatch(r"gwk_[\w-]{43}", result["Secret"])
            result["Secret"] = "gwk_" + "x" * 43
    for entry in body["D"].get("Results", ()):
        entry.pop("Notes", None)  # what the upstream lacks is no part of the walk
    return json.dumps(body)


@pytest.mark.guarantee("G8")
async def test_the_conversation_is_had_as_it_is_written(database_url: str) -> None:
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    async with example(database_url) as desk:
        found = [await had(desk, block) for block in blocks]

    assert len(blocks) >= 15
    for block, again in zip(blocks, found, strict=True):
        assert again == block


async def _write() -> None:
    text = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        async with example(f"sqlite:///{Path(folder)}/gateway.db") as desk:
            for block in BLOCK.findall(text):
                text = text.replace(f"```http\n{block}```", f"```http\n{await had(desk, block)}```", 1)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(_write())
