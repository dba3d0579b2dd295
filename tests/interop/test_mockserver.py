"""Behind the gateway, the mock server of SAP Fiori: it expands lists of everybody's rows, and leaves out what it cannot do.

No answer need be right here. Whatever comes, nothing leaves that a key does not see in front of the sandbox.
"""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args
from urllib.parse import quote

import pytest

from gateway.policy.profile import Profile
from gateway.sandbox.database import RELATIONS
from gateway.sandbox.rows import Row, Tables
from tests.interop.model import make_tables, metadata_document, plain_sandbox, sandbox_schema
from tests.interop.node_process import node_running
from tests.interop.test_cap import BELOW, REST, violations
from tests.interop.test_odatapy import KEYS, Requests
from tests.support import CONFIG, Answer, Harness, configuration, running, sandbox_running

pytestmark = pytest.mark.interop

REQUESTS = 50
#: The mock server expands every row of a table before it takes the first few.
LISTINGS = 40
#: By an operator who has tried this server, and by one who believes it to be like the sandbox.
PROFILES: dict[str, dict[str, str]] = {
    "untrusted": {
        f"UPSTREAM__PROFILE__{name.upper()}": "untrusted"
        for name, field in Profile.model_fields.items()
        if "untrusted" in get_args(field.annotation)
    },
    "trusted": {},
}
_SCHEMA = sandbox_schema()


@asynccontextmanager
async def mockserver_running(tables: Tables) -> AsyncIterator[str]:
    """Its service root."""
    with TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "metadata.xml").write_bytes(metadata_document())
        for entity_set, rows in tables.items():
            (directory / f"{entity_set}.json").write_text(json.dumps(rows, default=float), encoding="utf-8")
        async with node_running("mockserver.mjs", directory) as port:
            yield f"http://127.0.0.1:{port}/Reso/OData"


def body(answer: Answer) -> Any:
    return json.loads(answer.body, parse_float=Decimal, parse_int=Decimal)


def rows_of(entity_set: str, value: Any) -> Iterator[tuple[str, Row]]:
    """Every row within, nested ones too, with its set and without what is nested or an annotation."""
    if isinstance(value, list):
        for item in value:
            yield from rows_of(entity_set, item)
    elif isinstance(value, dict):
        declared = _SCHEMA.type_of(entity_set).properties
        for name, item in value.items():
            if (entity_set, name) in RELATIONS:
                yield from rows_of(RELATIONS[entity_set, name][1], item)
        yield entity_set, {name: item for name, item in value.items() if name in declared}


async def visible(gateway: Harness, key: str) -> dict[str, list[Row]]:
    """All that a key sees in front of the sandbox, by set: its own sets, and everything below them."""
    found: dict[str, list[Row]] = {name: [] for name in _SCHEMA.entity_sets}
    for entity_set in _SCHEMA.entity_sets:
        navigations = [name for source, name in RELATIONS if source == entity_set]
        for target in (entity_set, *(f"{entity_set}?$expand={name}" for name in navigations)):
            answer = await gateway.get(target, key)
            while answer.status == 200:
                for kind, row in rows_of(entity_set, body(answer)["value"]):
                    if row not in found[kind]:
                        found[kind].append(row)
                if b"@odata.nextLink" not in answer.body:
                    break
                answer = await gateway.follow(answer, key)
    return found


def set_of(target: str) -> str:
    path = target.partition("?")[0].split("/")
    entity_set = path[0].partition("(")[0]
    return RELATIONS[entity_set, path[1]][1] if len(path) > 1 and (entity_set, path[1]) in RELATIONS else entity_set


def assert_visible(answer: Answer, target: str, world: dict[str, list[Row]]) -> None:
    """Each row of an answer is a part of one that the key may see."""
    if answer.status != 200 or not answer.body.startswith(b"{") or not target:
        return
    content = body(answer)
    for kind, row in rows_of(set_of(target), content.get("value", content)):
        assert any(row.items() <= other.items() for other in world[kind]), (target, kind, row)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("key", KEYS)
async def test_nothing_leaves_that_the_key_does_not_see(key: str, profile: str) -> None:
    tables = make_tables(listings=LISTINGS)
    requests = Requests(random.Random(7))
    async with (
        sandbox_running(plain_sandbox(tables)) as sandbox,
        running(configuration(CONFIG, sandbox.url)) as gateway,
    ):
        world = await visible(gateway, key)
    listings = [quote(row["ListingKey"].replace("'", "''"), safe="") for row in world["Property"][:6]]
    targets = [requests.target() for _ in range(REQUESTS)]
    targets += [below.format(key=listing) for below in BELOW for listing in (listings[len(below) % 6], "L00001")]
    targets += REST

    statuses, caught = [], 0
    async with mockserver_running(tables) as mockserver:
        settings = configuration(CONFIG, mockserver, **PROFILES[profile])
        while targets:
            # What a row that should not have come makes of the gateway is not to decide about the next requests.
            async with running(settings) as gateway:
                while targets and not violations(gateway):
                    target = targets.pop()
                    answer = await gateway.get(quote(target, safe="/?$&=,;:()'!%"), key)
                    assert_visible(answer, target, world)
                    assert b"never-" not in answer.body, target  # MemberPassword
                    assert key == "demo-private" or b"Agents only" not in answer.body, target  # PrivateRemarks
                    statuses.append(answer.status)
                caught += violations(gateway)

    assert set(statuses) <= {200, 204, 400, 404, 501, 502}
    assert statuses.count(200) > len(statuses) // 6
    # Else this server would prove nothing: where it is believed, it does send rows of others.
    assert caught or profile == "untrusted"
