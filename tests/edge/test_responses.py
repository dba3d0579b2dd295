"""The form of answers: preferences, tags, compression, what stands for a hidden field."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from gateway.sandbox.rows import Row
from tests.edge.test_links import query
from tests.modelled import listing, modelled, photo, tables
from tests.support import ROOT, Answer, Harness

ROWS: list[Row] = [
    listing(f"L{n:02}", City=None if n == 1 else "X", PropertyType=["Farm", "Land"][n % 2]) for n in range(12)
]


async def asked(gateway: Harness, target: str, **headers: str) -> Answer:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return await gateway.request("GET", f"{ROOT}/{target}".replace(" ", "%20"), "k", sent)


# --- Prefer


@pytest.mark.channel("C173", "C175", "C177", "C178", "C179")
@pytest.mark.parametrize(
    ("prefer", "size", "applied"),
    [
        ("odata.maxpagesize=3", 3, "odata.maxpagesize=3"), ("maxpagesize=3", 3, "odata.maxpagesize=3"), ("MaxPageSize=\"4\"", 4, "odata.maxpagesize=4"),
        ("maxpagesize=10", 10, "odata.maxpagesize=10"), ("maxpagesize=11", 10, "odata.maxpagesize=10"), ("maxpagesize=0", 10, None), ("maxpagesize=-1", 10, None),
        ("maxpagesize=1e1", 10, None), ("maxpagesize=٣", 10, None), ("maxpagesize=99999999999", 10, "odata.maxpagesize=10"), ("odata.maxpagesize=1000", 10, "odata.maxpagesize=10"), ("maxpagesize=2, maxpagesize=9", 2, "odata.maxpagesize=2"),
        ("respond-async, wait=0", 10, None), ("odata.track-changes", 10, None), ("callback; url=\"http://127.0.0.1:9/\"", 10, None),
        ("x=\"a, odata.maxpagesize=1, b\"", 10, None), ("x=\"a\\\", maxpagesize=1, b\"", 10, None), ("x; y=\"b, maxpagesize=1\"", 10, None),
        ("x=\"a, b\", maxpagesize=\"3\"; z=\"c, d\"", 3, "odata.maxpagesize=3"), ("x=\"a, maxpagesize=1", 10, None), ("maxpagesize = 3", 3, "odata.maxpagesize=3"),
        ("odata.include-annotations=\"*\"", 10, None), ("odata.continue-on-error", 10, None), ("", 10, None),
    ],
)  # fmt: skip
async def test_a_page_is_as_large_as_preferred_and_never_larger(
    directory: Path, prefer: str, size: int, applied: str | None
) -> None:
    async with modelled(directory, tables(Property=ROWS)) as (gateway, model):
        answer = await asked(gateway, "Property?$select=ListingKey", Prefer=prefer)
        link = answer.json()["@odata.nextLink"]
        following = await gateway.request("GET", link[link.index(ROOT) :], "k", {"Prefer": prefer})
        sent = [request.headers.get("Prefer") for request in model.requests]

    assert len(answer.rows) == size
    assert answer.header("Preference-Applied") == applied
    assert [row["ListingKey"] for row in answer.rows + following.rows] == [f"L{n:02}" for n in range(min(12, 2 * size))]
    assert "deltaLink" not in str(answer.json())
    assert sent == [None] * len(sent)


@pytest.mark.channel("C180", "C203")
@pytest.mark.parametrize("redaction", ["omit", "null", "annotate"])
async def test_left_out_nulls_do_not_tell_hidden_from_null(directory: Path, redaction: str) -> None:
    """A hidden price and no price at all: one answer."""
    settings = {"policy": {"redaction": redaction}}
    bodies = []
    for number, price in enumerate((None, 5)):
        rows = [listing("L1", PropertyType="Land", ListPrice=price), listing("L2", ListPrice=None, City=None)]
        async with modelled(directory / str(number), tables(Property=rows), settings=settings) as (gateway, _):
            plain = await asked(gateway, "Property?$select=City,ListPrice")
            without = await asked(gateway, "Property?$select=City,ListPrice", Prefer="omit-values=nulls")
            bodies.append((plain.body, without.body))

    assert bodies[0] == bodies[1]
    assert without.header("Preference-Applied") == "omit-values=nulls"
    kinds: dict[str, dict[str, Any]] = {
        "omit": {},
        "null": {"ListPrice": None},
        "annotate": {"ListPrice@Core.Permissions": "None"},
    }
    hidden = kinds[redaction]
    assert plain.rows == [{"City": "X", **hidden}, {"City": None, "ListPrice": None}]
    assert without.rows == [{"City": "X", **(hidden if redaction == "annotate" else {})}, {}]


@pytest.mark.channel("C196", "C203", "C250")
async def test_a_field_that_is_hidden_everywhere_is_annotated_nowhere(directory: Path) -> None:
    settings = {"policy": {"redaction": "annotate"}}
    async with modelled(directory, tables(Property=ROWS), settings=settings) as (gateway, _):
        answer = await asked(gateway, "Property")

    assert b"OwnerName" not in answer.body
    assert b"canary" not in answer.body
    for row in answer.rows:
        assert ("ListPrice" in row) is not ("ListPrice@Core.Permissions" in row)
        assert ("ListPrice@Core.Permissions" in row) is (row["PropertyType"] == "Land")


# --- unknown_select


@pytest.mark.channel("C1", "C271")
@pytest.mark.parametrize("mode", ["reject", "ignore"])
async def test_hidden_and_unknown_names_in_select_are_one_case(directory: Path, mode: str) -> None:
    settings = {"policy": {"unknown_select": mode}}
    async with modelled(directory, tables(Property=ROWS, Media=[photo("L00", 1)]), settings=settings) as (
        gateway,
        model,
    ):
        for target in (
            "Property?$select=City,{}", "Property?$select={}", "Property?$select={},Media&$top=1", "Property('L00')?$select={}",
            "Property?$select=City&$expand=Media($select={})", "Property('L00')/Media?$select={}", "Property?$filter={} eq 1", "Property?$orderby={}",
        ):  # fmt: skip
            hidden, fresh = [await asked(gateway, target.format(name)) for name in ("OwnerName", "Qwertyuio")]
            assert hidden.status == fresh.status
            assert hidden.body.replace(b"OwnerName", b"Qwertyuio") == fresh.body, target
            assert hidden.status == (200 if mode == "ignore" and "select" in target else 400)
        nothing = await asked(gateway, "Property?$select=OwnerName&$top=1")
        select = model.asked[-1][1].get("$select") if mode == "ignore" else None

    if mode == "ignore":
        assert nothing.rows == [{}]
        assert select == "ListingKey,StandardStatus"


# --- tags


@pytest.mark.channel("C172", "C181", "C182", "C313")
@pytest.mark.guarantee("G1")
async def test_a_tag_is_about_the_visible_representation_and_nothing_else(directory: Path) -> None:
    targets = ["Property", "Property?$select=City", "Property('L00')", "Property('L00')?$select=City", "Property/$count", "", "$metadata",
               "Property?$expand=Media", "Property?$top=3", "Property?$filter=City eq 'nowhere'"]  # fmt: skip
    changed = [dict(row) for row in ROWS]
    changed[0]["OwnerName"] = "another"
    changed[1]["ListPrice"] = 4711  # hidden: Land
    seen = [dict(row) for row in ROWS]
    seen[0]["City"] = "Y"
    tags = []
    for number, rows in enumerate((ROWS, changed, seen)):
        async with modelled(directory / str(number), tables(Property=rows)) as (gateway, _):
            answers = [await asked(gateway, target) for target in targets]
            tags.append([answer.header("ETag") for answer in answers])
            for target, answer in zip(targets, answers, strict=True):
                tag = str(answer.header("ETag"))
                for given in (tag, f'"x", {tag}', tag.removeprefix("W/"), "*"):
                    same = await asked(gateway, target, If_None_Match=given)
                    assert (same.status, same.body, same.header("ETag")) == (304, b"", tag)
                other = await asked(
                    gateway,
                    target,
                    If_None_Match='"x", W/"y"',
                    If_Match='"z"',
                    If_Modified_Since="Fri, 01 Jan 2038 00:00:00 GMT",
                )
                assert (other.status, other.body) == (200, answer.body)

    assert tags[0] == tags[1]
    assert len(set(tags[0][:4])) == 4
    different = [first != second for first, second in zip(tags[0], tags[2], strict=True)]
    assert different == [True, True, True, True, False, False, False, True, True, False]
    assert all(tag.startswith('W/"') and "canary" not in tag for tag in tags[0] if tag)


@pytest.mark.channel("C181", "C255")
async def test_two_policies_have_two_tags_for_the_same_bytes(directory: Path) -> None:
    async with modelled(directory, tables(Property=ROWS)) as (gateway, _):
        one = await gateway.get("Property?$select=City", "k")
        two = await gateway.get("Property?$select=City", "limited")

    assert one.rows == two.rows
    assert one.header("ETag") != two.header("ETag")


# --- gzip


@pytest.mark.channel("C156", "C158")
@pytest.mark.parametrize(
    ("header", "compressed"),
    [("gzip", True), ("br, gzip;q=0.5", True), ("*", True), ("gzip;q=0", False), ("gzip;q=0.0, *", False), ("gzip;q=0.5, identity", False), ("identity;q=0.5, gzip", True), ("gzip ; Q=0", False), ("GZIP;q=1.0", True), ("*;q=0", False), ("identity", False), ("", False), ("br", False)],
)  # fmt: skip
async def test_answers_are_compressed_for_those_who_take_it(directory: Path, header: str, compressed: bool) -> None:
    rows = [listing(f"L{n:02}") for n in range(10)]
    async with (
        modelled(directory, tables(Property=rows)) as (gateway, _),
        aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=("Accept-Encoding",)) as session,
    ):
        url = URL(f"http://127.0.0.1:{gateway.service.listener.port}{ROOT}/Property", encoded=True)
        headers = {"Authorization": "Bearer k", **({"Accept-Encoding": header} if header else {})}
        bodies = []
        for _ in range(2):
            async with session.get(url, headers=headers) as response:
                bodies.append(await response.read())
                coding = response.headers.get("Content-Encoding")
                vary = response.headers["Vary"]
                assert int(response.headers["Content-Length"]) == len(bodies[-1])
        async with session.get(url.with_query("$top=0"), headers=headers) as response:
            small = response.headers.get("Content-Encoding")

    assert (coding == "gzip") is compressed
    assert bodies[0] == bodies[1]
    text: Any = json.loads(gzip.decompress(bodies[0]) if compressed else bodies[0])
    assert len(text["value"]) == 10
    assert "Accept-Encoding" in vary
    assert small is None


@pytest.mark.channel("C156")
async def test_a_compressed_body_is_read_within_the_bound(directory: Path) -> None:
    async with modelled(directory, tables(Property=ROWS)) as (gateway, model):
        url = URL(f"http://127.0.0.1:{gateway.service.listener.port}{ROOT}/Property/%24query", encoded=True)
        headers = {"Authorization": "Bearer k", "Content-Type": "text/plain", "Content-Encoding": "gzip"}
        statuses = []
        for body in (
            gzip.compress(b"$top=2"),
            gzip.compress(b"$filter=" + b" " * 50_000_000),
            gzip.compress(b"$top=2")[:-4],
            b"nonsense",
        ):
            async with gateway.session.post(url, data=body, headers=headers) as response:
                statuses.append(response.status)
        plain = await query(gateway, "$top=2")

    assert statuses == [200, 413, 400, 400]
    assert len(plain.rows) == 2
    assert len(model.requests) == 2


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "GZIP", "identity, gzip"])
async def test_a_compressed_body_may_have_members_and_its_coding_any_legal_name(directory: Path, coding: str) -> None:
    async with modelled(directory, tables(Property=ROWS)) as (gateway, _):
        url = URL(f"http://127.0.0.1:{gateway.service.listener.port}{ROOT}/Property/%24query", encoded=True)
        headers = {"Authorization": "Bearer k", "Content-Type": "text/plain", "Content-Encoding": coding}
        members = gzip.compress(b"$top=1&") + gzip.compress(b"$select=City")
        found = []
        for body in (members, members + b"garbage"):
            async with gateway.session.post(url, data=body, headers=headers) as response:
                found.append((response.status, (await response.json()).get("value")))

    assert found == [(200, [{"City": "X"}]), (400, None)]


# --- versions and formats


async def test_no_version_above_the_one_that_a_client_understands(directory: Path) -> None:
    async with modelled(directory, tables(Property=ROWS)) as (gateway, _):
        versions = [
            (await asked(gateway, "Property", **({"OData_MaxVersion": most} if most else {}))).header("OData-Version")
            for most in ("4.0", "4.01", "5.0", "")
        ]

    assert versions == ["4.0", "4.01", "4.01", "4.01"]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/json, text/plain, */*", "application/xml"), ("application/json", "application/json"), ("", "application/xml"), ("*/*", "application/xml"),
        ("application/xml", "application/xml"), ("application/json;q=0.9, application/xml", "application/xml"),
    ],
)  # fmt: skip
async def test_metadata_is_xml_for_whoever_takes_it(directory: Path, accept: str, kind: str) -> None:
    async with modelled(directory, tables()) as (gateway, _):
        answer = await asked(gateway, "$metadata", Accept=accept)

    assert answer.header("Content-Type") == kind
