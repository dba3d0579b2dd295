"""The gateway in front of SAP CAP, which writes SQL of its own, answers as in front of the sandbox."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.odata.values import NUMBERS
from gateway.sandbox.rows import sandbox_schema
from gateway.sandbox.server import Sandbox
from tests.interop.cap_server import PROFILE, cap_running
from tests.interop.test_odatapy import KEYS, Requests
from tests.support import CONFIG, Answer, Harness, configuration, running, sandbox_running, write_configuration

pytestmark = pytest.mark.interop

REQUESTS = 300
_NUMERIC = {
    name
    for structured in sandbox_schema().types.values()
    for name, declared in structured.properties.items()
    if declared.type.name in NUMBERS
}


def values(answer: Answer) -> Any:
    """The body with numbers as numbers: CAP sends them as text, and with the digits of the column."""
    if not answer.body.startswith(b"{"):
        return answer.body
    return _numbered(json.loads(answer.body, parse_float=Decimal, parse_int=Decimal))


def _numbered(value: Any) -> Any:
    if isinstance(value, list):
        return [_numbered(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: Decimal(item) if name in _NUMERIC and isinstance(item, str) else _numbered(item)
        for name, item in value.items()
    }


def without_syndication(directory: Path) -> Path:
    """The example without the one rule over a list of strings: CAP has no lambda that could carry it."""
    template = json.loads((CONFIG / "templates" / "company-idx.json").read_text(encoding="utf-8"))
    template["D"]["SyndicationId"] = None
    return write_configuration(directory, {"templates/company-idx.json": template})


async def compared(sandbox: Harness, cap: Harness, target: str, key: str) -> int:
    first, second = await sandbox.get(target, key), await cap.get(target, key)
    for _ in range(6):
        assert first.status == second.status, f"{key} {target}\n{second.body[:300]!r}"
        assert values(first) == values(second), f"{key} {target}"
        if first.status != 200 or b"@odata.nextLink" not in first.body:
            break
        first, second = await sandbox.follow(first, key), await cap.follow(second, key)
    return first.status


async def test_a_few_hundred_requests_give_the_same_answers(directory: Path) -> None:
    config = without_syndication(directory)
    requests = Requests(random.Random(10))
    statuses = []
    async with (
        sandbox_running(Sandbox()) as sandbox,
        cap_running() as cap,
        running(configuration(config, sandbox.url, **PROFILE)) as one,
        running(configuration(config, cap, **PROFILE)) as two,
    ):
        for number in range(REQUESTS):
            statuses.append(await compared(one, two, requests.target(), KEYS[number % len(KEYS)]))
        assert two.service.latch.resources == ()

    assert statuses.count(200) > REQUESTS // 2
    assert 502 not in statuses
