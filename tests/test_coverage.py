"""The whole URL grammar of OData 4.01: each production is answered as docs/coverage.md says."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest

from tests.abnf import SAMPLES, Sample, page, productions
from tests.modelled import ROLE, listing, member, modelled, office, photo, profile, tables
from tests.support import ROOT
from tools.coverage import PAGE

#: How many productions the grammar of the standard has (odata-abnf-construction-rules.txt of OData 4.01).
GRAMMAR = 459
DATA = tables(
    Property=[listing("L1", ListOfficeKey="O1", ListAgentKey="A1", AccessibilityFeatures=["x"], Coordinates=None)],
    Media=[photo("L1", 1)],
    Member=[member("A1")],
    Office=[office("O1")],
)
OPEN = {**ROLE, "Property": {"Fields": {"All": {"Visible": [*ROLE["Property"]["Fields"]["All"]["Visible"], "AccessibilityFeatures", "IDXOptInYN", "Coordinates"]}}}}  # fmt: skip


def test_every_production_of_the_standard_has_a_sample_and_the_page_shows_it() -> None:
    assert len(productions()) == sum(len(sample.productions.split()) for sample in SAMPLES), "a production stands twice"
    assert len(productions()) == GRAMMAR
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m tools.coverage"


@pytest.mark.guarantee("G2", "G3")
async def test_each_sample_is_answered_as_the_page_says(directory: Path) -> None:
    wrong = []
    async with modelled(directory, DATA, role=OPEN, trusted=profile()) as (gateway, model):
        for sample in SAMPLES:
            model.requests.clear()
            answer = await _sent(gateway.session, gateway.service.listener.port, sample)
            if answer != sample.answer:
                wrong.append((sample.method, sample.target, answer, sample.answer))
            if not sample.is_enforced and model.requests:
                wrong.append((sample.method, sample.target, "the upstream was asked", sample.answer))

    assert wrong == []


async def _sent(session: object, port: int, sample: Sample) -> str:
    import aiohttp
    from yarl import URL

    assert isinstance(session, aiohttp.ClientSession)
    target = (
        quote(sample.target, safe="/?$&=,;:()'@*%#") if sample.method == "GET" else sample.target.replace("$", "%24")
    )
    url = URL(f"http://127.0.0.1:{port}{ROOT}/{target}", encoded=True)
    headers = {"Authorization": "Bearer k", **(dict([sample.header]) if sample.header else {})}
    if "#" in target:
        return await _raw(port, f"{ROOT}/{target}")
    async with session.request(sample.method, url, headers=headers, data=sample.body) as response:
        if response.status < 300:
            return str(response.status)
        return f"{response.status} {(await response.json())['error']['code']}"


async def _raw(port: int, target: str) -> str:
    """A target as no client library would send it."""
    import asyncio
    import json

    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\nConnection: close\r\n\r\n".encode())
    head, _, body = (await asyncio.wait_for(reader.read(), 5)).partition(b"\r\n\r\n")
    writer.close()
    status = head.split()[1].decode()
    return f"{status} {json.loads(body)['error']['code']}"
