"""G6: hostile input costs at most a fixed multiple of its size. Calls are counted, not seconds: nothing here is timed."""

from __future__ import annotations

import asyncio
import contextlib
import math
import sys
from collections.abc import Callable
from typing import Any

import pytest

from gateway.errors import Refusal
from gateway.odata import json_format
from gateway.odata.csdl import SchemaError, parse_metadata
from gateway.odata.literals import parse_timestamp
from gateway.odata.parser import Limits
from gateway.odata.request import parse_request
from gateway.policy.decision import decide
from gateway.policy.settings import AnswerSettings
from gateway.sandbox.rows import metadata_document
from tests.modelled import ROLE
from tests.proof.licence import Entry, Licence
from tests.proof.model import World
from tests.proof.requests import ROOT
from tests.proof.sides import Side, snapshot_of
from tests.proof.upstream import Habits
from tests.support import TRUSTING, policy, role

POLICY = policy(role({**ROLE, "Property": {"Default": "Visible"}}))
SETTINGS = AnswerSettings(100)
#: Longer than a target or a body may be, so that growth shows; brackets nest as deeply as they may.
LIMITS = Limits(
    filter_length=1 << 20, list_length=1 << 20, in_items=1 << 20, select_items=1 << 20, orderby_items=1 << 20
)
#: What constants of small inputs and the growth of dicts may add.
SLACK = 1.2


def calls(work: Callable[[], object]) -> int:
    """How many functions are called, Python's own and those of C."""
    count = 0

    def note(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def assert_linear(work: Callable[[int], Callable[[], object]], first: int) -> None:
    """The calls of an input eight times as large are at most those of something linear times a logarithm."""
    sizes = [first, first * 2, first * 4, first * 8]
    work(first)()  # caches fill and modules load before anything is counted
    counts = [calls(work(size)) for size in sizes]
    for (size, before), (larger, after) in zip(
        zip(sizes, counts, strict=True), list(zip(sizes, counts, strict=True))[1:], strict=False
    ):
        allowed = before * 2 * (math.log2(larger) / math.log2(size)) * SLACK
        assert after <= allowed, f"{dict(zip(sizes, counts, strict=True))}"


def decided(target: str, body: str | None = None) -> Callable[[], object]:
    """The whole way of a request up to its plan; a refusal is an answer too."""
    now = parse_timestamp("2026-01-15T12:00:00Z")
    assert now is not None
    method = "GET" if body is None else "POST"

    def work() -> None:
        try:
            request = parse_request(method, f"{ROOT}/{target}", root=ROOT, limits=LIMITS, body=body)
            decide(POLICY, request, TRUSTING, SETTINGS, now)
        except Refusal:
            pass

    return work


def ring(vertices: int) -> str:
    pairs = [f"{number * 0.1:.1f}%20{number * number * 0.001:.3f}" for number in range(vertices)]
    return f"geography'POLYGON(({','.join([*pairs, pairs[0]])}))'"


FILTERS: dict[str, Callable[[int], str]] = {
    "or": lambda n: "%20or%20".join(["City%20eq%20'a'"] * n),
    "and": lambda n: "%20and%20".join(["ListPrice%20gt%201"] * n),
    "in": lambda n: f"City%20in%20({','.join(chr(39) + str(number) + chr(39) for number in range(n))})",
    "rows behind navigations": lambda n: "%20or%20".join(["Media/any()"] * n),
    "lambdas": lambda n: "%20and%20".join(["Media/any(m:m/Order%20gt%201)"] * n),
    "lists": lambda n: "%20or%20".join(["Appliances/any(a:a%20eq%20'x')"] * n),
    "distances": lambda n: "%20or%20".join(["geo.distance(Coordinates,geography'POINT(0%200)')%20lt%205"] * n),
    "areas": lambda n: "%20or%20".join([f"geo.intersects(Coordinates,{ring(20)})"] * n),
    "conditional fields": lambda n: "%20or%20".join([f"ListPrice%20eq%20{number}" for number in range(n)]),
    "unknown names": lambda n: "%20or%20".join([f"Name{number}%20eq%201" for number in range(n)]),
    "quotes": lambda n: "City%20eq%20'" + "''" * n + "'",
    "open quotes": lambda n: "City%20eq%20" + "'" * (2 * n + 1),
    "brackets": lambda n: "(" * n + "City%20eq%20'a'" + ")" * n,
    "open brackets": lambda n: "(" * n,
    "not": lambda n: "not%20" * n + "WaterfrontYN",
    "calls": lambda n: "tolower(" * n + "City" + ")" * n + "%20eq%20'a'",
    "blanks": lambda n: "City" + "%20" * n + "eq%20'a'",
    "digits": lambda n: "ListPrice%20eq%20" + "9" * n,
    "dots": lambda n: "a" + ".b" * n + "'x'",
    "slashes": lambda n: "a" + "/b" * n + "%20eq%201",
    "durations": lambda n: "ModificationTimestamp%20lt%20now()" + "%20sub%20duration'P1D'" * n,
}


@pytest.mark.guarantee("G6")
@pytest.mark.channel("C60", "C281")
@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize(
    "path", ["Property?$filter={}", "Property/$count?$filter={}", "Property?$expand=Media($filter={})"]
)
def test_filters_cost_what_their_length_costs(name: str, path: str) -> None:
    first = 8 if name == "areas" else 50
    assert_linear(lambda size: decided(path.format(FILTERS[name](size))), first)


@pytest.mark.guarantee("G6")
@pytest.mark.channel("C60", "C22")
@pytest.mark.parametrize(
    "make",
    [
        lambda n: "Property?$select=" + ",".join(f"Name{number}" for number in range(n)),
        lambda n: "Property?$select=" + ",".join(["City"] * n),
        lambda n: "Property?$orderby=" + ",".join(f"Name{number}" for number in range(n)),
        lambda n: "Property?$expand=" + ",".join(["Media"] * n),
        lambda n: "Property?$expand=" + "ListAgent($expand=" * n,
        lambda n: "Property?" + "&".join(f"@p{number}='x'" for number in range(n)),
        lambda n: "Property?$filter=" + "%20or%20".join(f"City%20eq%20@p{number}" for number in range(n)) + "&" + "&".join(f"@p{number}='x'" for number in range(n)),
        lambda n: "Property?" + "&".join(f"x{number}=1" for number in range(n)),
        lambda n: "Property?" + "$top=1&" * n,
        lambda n: "Property" + "/a" * n,
        lambda n: "Property('" + "%27%27" * n + "')",
        lambda n: "Property(" + ",".join(f"K{number}='a'" for number in range(n)) + ")",
        lambda n: "Property?$skiptoken=" + "A" * n,
        lambda n: "Property?" + "%2524" * n,
    ],
)  # fmt: skip
def test_targets_cost_what_their_length_costs(make: Callable[[int], str]) -> None:
    assert_linear(lambda size: decided(make(size)), 50)


@pytest.mark.guarantee("G6")
@pytest.mark.channel("C279")
def test_areas_in_aliases_cost_what_their_length_costs() -> None:
    def body(count: int) -> str:
        aliases = "&".join(f"@a{number}={ring(40)}" for number in range(count))
        return f"$filter=geo.intersects(Coordinates,@a0)&{aliases}"

    assert_linear(lambda size: decided("Property/$query", body(size)), 4)


BODIES: dict[str, Callable[[int], bytes]] = {
    "records": lambda n: b'{"value":[' + b",".join([b'{"a":1,"b":"x"}'] * n) + b"]}",
    "members": lambda n: b'{"value":[{' + b",".join(b'"m%d":1' % number for number in range(n)) + b"}]}",
    "one member": lambda n: b'{"value":[{' + b",".join([b'"m":1'] * n) + b"}]}",
    "brackets": lambda n: b'{"value":[{"a":' + b"[" * n + b"]" * n + b"}]}",
    "quotes": lambda n: b'{"value":[{"a":"' + rb"\"" * n + b'"}]}',
    "surrogates": lambda n: b'{"value":[{"a":"' + rb"\ud800" * n + b'"}]}',
    "digits": lambda n: b'{"value":[{"a":' + b"9" * n + b"}]}",
    "envelope": lambda n: b"{" + b",".join(b'"m%d":1' % number for number in range(n)) + b',"value":[]}',
    "cut": lambda n: b'{"value":[' + b'{"a":' * n,
}


@pytest.mark.guarantee("G6")
@pytest.mark.channel("C156", "C200")
@pytest.mark.parametrize("name", BODIES)
def test_bodies_of_the_upstream_cost_what_their_length_costs(name: str) -> None:
    def work(size: int) -> Callable[[], object]:
        body = BODIES[name](size)

        def read() -> None:
            try:
                found = json_format.decode_collection(body, 1 << 20)
                for record in found.records:
                    for raw in record.members.values():
                        json_format.decode_string(raw)
            except json_format.BodyError:
                pass

        return read

    assert_linear(work, 200)


@pytest.mark.guarantee("G6")
@pytest.mark.parametrize(
    "part",
    [
        '<Property Name="X{}" Type="Edm.String"/>',
        '<NavigationProperty Name="X{}" Type="Collection(Sandbox.Media)"/>',
        '<Annotation Term="a.b{}" String="x"/>',
    ],
)
def test_metadata_cost_what_their_length_costs(part: str) -> None:
    def work(size: int) -> Callable[[], object]:
        parts = "".join(part.format(number) for number in range(size)).encode()
        document = metadata_document().replace(b'<Property Name="City"', parts + b'<Property Name="City"', 1)

        def read() -> None:
            with contextlib.suppress(SchemaError):
                parse_metadata(document)

        return read

    assert_linear(work, 2_000)


LICENCES = {
    "plain": Licence({"Property": Entry(default="Visible"), "Media": Entry(default="Visible")}, page_size=5_000,
                     profile={"comparisons": "exact", "string_equality": "exact", "nested": "exact", "counts": "exact"}),
    "ranked": Licence({"Property": Entry(default="Visible"), "Media": Entry(default="Visible")}, page_size=5_000, limit=2,
                      profile={"comparisons": "exact", "string_equality": "exact", "nested": "exact", "counts": "exact"}),
    "distrustful": Licence({"Property": Entry(filter=["cmp", "eq", ["f", "City"], ["s", "A"]], default="Visible"),
                            "Media": Entry(default="Visible")}, page_size=5_000, limit=2),
}  # fmt: skip


def grown(size: int) -> World:
    """Listings with three photos each, and one that has all the others."""
    listing = {
        "PropertyType": "Land", "StandardStatus": "Active", "City": "A", "ListPrice": 1, "OwnerName": "A", "InternetAddressDisplayYN": True,
        "ModificationTimestamp": "2026-01-15T12:00:00.001Z", "PhotosCount": 3, "Appliances": ["A"], "ListAgentKey": None,
    }  # fmt: skip
    photo = {"ResourceName": "Property", "MediaCategory": "Photo", "MediaURL": "u", "Permission": None}
    return {
        "Property": [{"ListingKey": f"K{number:05d}", **listing} for number in range(size)],
        "Media": [{"MediaKey": f"P{number:06d}", "ResourceRecordKey": f"K{number % (2 * size) % size:05d}" if number % 2 else "K00000",
                   "Order": number, **photo} for number in range(3 * size)],
        "Member": [], "OpenHouse": [],
    }  # fmt: skip


@pytest.mark.guarantee("G6")
@pytest.mark.channel("C222", "C281")
@pytest.mark.parametrize("name", LICENCES)
@pytest.mark.parametrize(
    "target",
    [
        "Property",
        "Property?$expand=Media",
        "Media",
        "Media?$filter=ResourceRecordKey eq 'K00000'",
        "Property('K00000')/Media",
    ],
)
def test_answers_cost_what_their_rows_cost(name: str, target: str) -> None:
    snapshot = snapshot_of(LICENCES[name])
    assert not snapshot.faults

    def work(size: int) -> Callable[[], object]:
        side = Side(snapshot, grown(size), Habits())

        async def ask() -> None:
            await side.ask("GET", f"{ROOT}/{target}".replace(" ", "%20"), {"Authorization": "Bearer k"})

        # What the upstream in memory does is no cost of the gateway's: it is answered from memory the second time.
        asyncio.run(ask())
        answers = dict(side.model.answered)
        side.model.replay = answers
        return lambda: asyncio.run(ask())

    assert_linear(work, 50)
