"""The certification's requests: where a key sees everything, the gateway answers what the upstream itself answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import aiohttp
import pytest
from ruamel.yaml import YAML
from yarl import URL

from gateway.odata.csdl import parse_metadata
from tests.interop.cap_server import PROFILE, cap_running
from tests.interop.core import BELOW, COLLECTIONS, RECORDS, REFUSED, Form
from tests.interop.model import make_tables
from tests.interop.test_cap import read
from tests.interop.test_odatapy import odatapy_running
from tests.support import CONFIG, Harness, configuration, running, write_configuration

pytestmark = pytest.mark.interop

KEY = "demo-private"
#: Ten pages and more, as the certification wants to walk.
PAGE_SIZE = "30"
Row = dict[str, Any]


@dataclass(frozen=True)
class Server:
    """One to stand behind the gateway. ``cannot`` are the requests that it does not answer as the gateway asks them."""

    start: Callable[[], AbstractAsyncContextManager[str]]
    profile: Mapping[str, str]
    cannot: frozenset[str] = frozenset()


#: CAP takes `any` with one comparison and no brackets in it, and of anything else makes 500, so it cannot be asked.
_BEYOND_CAP = frozenset({"lookups any of two", "lookups all", "lookups all of two"})
SERVERS = {
    "odatapy": Server(odatapy_running, {}),
    "cap": Server(cap_running, PROFILE, _BEYOND_CAP),
}


def permissive(directory: Path) -> Path:
    """The example without the conditions that hold for every key: staff then see each record whole."""
    settings = YAML(typ="safe").load((CONFIG / "gateway.yaml").read_text(encoding="utf-8"))
    del settings["policy"]
    return write_configuration(directory, {"gateway.yaml": json.dumps(settings) + "\n"})


class Upstream:
    """Asked directly, by the requests as they stand."""

    def __init__(self, session: aiohttp.ClientSession, root: str) -> None:
        self.session = session
        self.root = root

    async def get(self, target: str) -> tuple[int, Any]:
        url = target if target.startswith("http") else f"{self.root}/{target}"
        async with self.session.get(URL(url.replace(" ", "%20"), encoded=True)) as answer:
            body = await answer.read()
            if answer.status != 200 or answer.content_type != "application/json":
                return answer.status, body
            return 200, read(body)

    async def rows(self, target: str) -> list[Row]:
        found: list[Row] = []
        link: str | None = target
        while link is not None:
            status, page = await self.get(link)
            assert status == 200, (link, page)
            found += page["value"]
            link = page.get("@odata.nextLink")
            link = None if link is None else urljoin(f"{self.root}/", link)
        return found


async def through(gateway: Harness, target: str) -> tuple[list[list[Row]], Any]:
    """The pages of an answer, and its count."""
    answer = await gateway.get(target, KEY)
    pages, count = [], None
    while True:
        assert answer.status == 200, (target, answer.status, answer.body)
        body = read(answer.body)
        count = body.get("@odata.count", count)
        pages.append(body["value"])
        if "@odata.nextLink" not in body:
            return pages, count
        answer = await gateway.follow(answer, KEY)


def assert_same(ours: Row, theirs: Row, target: str) -> None:
    """The same values; the upstream may send more than was selected, and each has annotations of its own."""
    for name, value in ours.items():
        if "@" in name:
            continue
        if isinstance(value, dict):
            assert_same(value, theirs[name], target)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            (key,) = (part for part in value[0] if part == f"{name}Key")
            others = {other[key]: other for other in theirs[name]}
            assert len(value) == len(others), target
            for item in value:
                assert_same(item, others[item[key]], target)
        else:
            assert value == theirs[name], (target, name)


def naive(name: str) -> list[str]:
    """The keys of the listings that a lambda over their lookups selects, by the rows themselves."""
    ramp, doors = "Accessible Approach with Ramp", "Accessible Doors"
    tests = {
        "lookups any of two": lambda found: bool({ramp, doors} & set(found)),
        "lookups all": lambda found: set(found) <= {doors},
        "lookups all of two": lambda found: set(found) <= {ramp, doors},
    }
    rows = [row for row in make_tables()["Property"] if tests[name](row["AccessibilityFeatures"])]
    return sorted(row["ListingKey"] for row in rows)


async def collection(gateway: Harness, upstream: Upstream, form: Form) -> None:
    """The gateway's pages against the upstream's own."""
    pages, count = await through(gateway, form.target)
    ours = [row for page in pages for row in page]
    # Without an order every choice of rows is right, so each is looked for among all that match.
    theirs = await upstream.rows(form.target if form.ordered else form.whole)
    by_key = {row["ListingKey"]: row for row in theirs}
    expected = len(theirs) if form.top is None else min(form.top, len(theirs))

    assert len(by_key) == len(theirs) > 0, f"{form.target} proves nothing"
    assert len(ours) == len({row["ListingKey"] for row in ours}) == expected, form.target
    assert not form.ordered or [row["ListingKey"] for row in ours] == [row["ListingKey"] for row in theirs], form.target
    assert count == (len(theirs) if "$count=true" in form.target else None)
    for row in ours:
        assert_same(row, by_key[row["ListingKey"]], form.target)
    if "$select=" in form.target:
        asked = set(form.target.partition("$select=")[2].partition("&")[0].split(","))
        assert all({name for name in row if not isinstance(row[name], dict | list)} <= asked for row in ours)
    elif ours:
        assert ours[0].keys() == {name for name in by_key[ours[0]["ListingKey"]] if "@" not in name}
    assert form.name != "pages" or len(pages) > 10


@pytest.mark.parametrize("server", SERVERS.values(), ids=SERVERS)
async def test_the_certifications_requests_give_what_the_upstream_gives(directory: Path, server: Server) -> None:
    async with (
        server.start() as root,
        aiohttp.ClientSession() as session,
        running(configuration(permissive(directory), root, REQUESTS__PAGE_SIZE=PAGE_SIZE, **server.profile)) as gateway,
    ):
        upstream = Upstream(session, root)
        for form in COLLECTIONS:
            if form.name not in server.cannot:
                await collection(gateway, upstream, form)
                continue
            # The server cannot be asked, so the gateway reads on and looks for itself.
            rows = [row for page in (await through(gateway, form.target))[0] for row in page]
            assert [row["ListingKey"] for row in rows] == naive(form.name)[: form.top]

        for target in RECORDS:
            answer, (status, theirs) = await gateway.get(target, KEY), await upstream.get(target)
            assert answer.status == status == 200, target
            assert_same(read(answer.body), theirs, target)
        (ours,), _ = await through(gateway, BELOW)
        media = {row["MediaKey"]: row for row in await upstream.rows(BELOW)}
        assert len(ours) == len(media) > 0
        for row in ours:
            assert_same(row, media[row["MediaKey"]], BELOW)

        for target, status in REFUSED:
            assert (await gateway.get(target, KEY)).status == status, target
        await whole_model(gateway, upstream)


async def whole_model(gateway: Harness, upstream: Upstream) -> None:
    """Service document and metadata name what the upstream's do, less what no key ever sees."""
    document = await gateway.get("$metadata?$format=application/xml", KEY)
    _, body = await upstream.get("$metadata")
    ours, theirs = parse_metadata(document.body), parse_metadata(body)
    sets = {entry["name"] for entry in (await gateway.get("", KEY)).rows}

    assert document.header("OData-Version") in ("4.0", "4.01")
    assert {"Property", "Member", "Office"} <= sets == set(ours.entity_sets)
    # Field and Lookup are written by the gateway, whether or not the upstream has them.
    assert sets - {"Field", "Lookup"} <= set(theirs.entity_sets)
    missing = set(theirs.properties()) - set(ours.properties())
    assert {entry for entry in missing if entry[0] in sets} == {
        ("Member", "MemberPassword"),
        ("Member", "MemberLoginId"),
        # Only keys with the privilege see what offices delegate.
        ("Office", "DelegatedAccess"),
    }
