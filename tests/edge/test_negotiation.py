"""Formats, versions and isolation over HTTP: what is asked for is honoured or refused, and never ignored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.edge.test_links import query
from tests.modelled import listing, modelled, photo, tables
from tests.support import ROOT, Answer, Harness
from tests.writing import BY, DRAFT, writing

STRINGS = "application/json;IEEE754Compatible=true"
PRICES = {"L1": 2**60, "L2": None, "L3": 100}
ROWS = [listing(key, ListPrice=price, PhotosCount=3, OwnerName="canary") for key, price in PRICES.items()]
PHOTOS = [photo("L1", order) for order in (1, 2, 3)]


async def asked(gateway: Harness, target: str, accept: str | None = None, key: str = "k", **headers: str) -> Answer:
    sent = {name.replace("_", "-"): value for name, value in headers.items()} | (
        {} if accept is None else {"Accept": accept}
    )
    return await gateway.request("GET", f"{ROOT}/{target}".replace(" ", "%20"), key, sent)


# --- numbers as strings


@pytest.mark.channel("C163")
@pytest.mark.parametrize("by", ["Accept", "$format"])
async def test_large_numbers_are_strings_where_that_is_asked_for(directory: Path, by: str) -> None:
    """OData JSON Format, 3.2: Edm.Int64, Edm.Decimal and counts; Edm.Int32 stays a number."""
    async with modelled(directory, tables(Property=ROWS, Media=PHOTOS)) as (gateway, _):

        async def read(target: str) -> Answer:
            if by == "Accept":
                return await asked(gateway, target, STRINGS, "limited")
            return await asked(gateway, f"{target}&$format={STRINGS.replace(';', '%3B')}", None, "limited")

        options = "$select=ListPrice,PhotosCount&$expand=Media($select=Order;$count=true)"
        page = await read(f"Property?{options}&$count=true&$orderby=ListingKey")
        one = await read(f"Property('L1')?{options}")
        below = await read("Property('L1')/Media?$select=Order&$count=true")
        nothing = await read("Property?$count=true&$filter=City eq 'nowhere'")
        plain = await asked(gateway, f"Property('L1')?{options}", "application/json", "limited")

    kind = "application/json;odata.metadata=minimal;IEEE754Compatible=true"
    assert {answer.header("Content-Type") for answer in (page, one, below, nothing)} == {kind}
    assert [row["ListPrice"] for row in page.rows] == [str(2**60), None, "100"]
    assert page.json()["@odata.count"] == "3"
    assert below.json()["@odata.count"] == "2"
    assert nothing.json()["@odata.count"] == "0"
    numbers, strings = plain.json(), one.json()
    assert (numbers["ListPrice"], strings["ListPrice"]) == (2**60, str(2**60))
    assert (numbers["Media@odata.count"], strings["Media@odata.count"]) == (2, "2")
    assert {str(numbers["PhotosCount"]), str(strings["PhotosCount"])} == {"2"}
    assert (
        [str(row["Order"]) for row in numbers["Media"]] == [str(row["Order"]) for row in strings["Media"]] == ["1", "2"]
    )
    assert plain.header("ETag") != one.header("ETag")


@pytest.mark.channel("C87", "C90")
async def test_a_format_goes_on_from_page_to_page(directory: Path) -> None:
    """A ``$format`` travels in the link; an ``Accept`` is sent again by its client."""
    rows = [listing(f"L{n:02}", ListPrice=n) for n in range(25)]
    async with modelled(directory, tables(Property=rows)) as (gateway, _):
        kinds = []
        for option, accept in (
            ("&$format=application/json;metadata=none;IEEE754Compatible=true", None),
            ("", f"{STRINGS};metadata=none"),
        ):
            page = await asked(gateway, f"Property?$select=ListPrice&$count=true{option}", accept)
            prices = [row["ListPrice"] for row in page.rows]
            while "@odata.nextLink" in page.json():
                kinds.append(
                    (page.header("Content-Type"), page.json()["@odata.count"], "@odata.context" in page.json())
                )
                link = page.json()["@odata.nextLink"]
                headers = {} if accept is None else {"Accept": accept}
                page = await gateway.request("GET", link[link.index(ROOT) :], "k", headers)
                prices += [row["ListPrice"] for row in page.rows]
            assert prices == [str(n) for n in range(25)]

    assert set(kinds) == {("application/json;odata.metadata=none;IEEE754Compatible=true", "25", False)}


@pytest.mark.channel("C113")
async def test_a_format_in_the_body_of_a_query_is_honoured(directory: Path) -> None:
    async with modelled(directory, tables(Property=ROWS)) as (gateway, _):
        answer = await query(
            gateway, "$select=ListPrice&$filter=ListingKey eq 'L1'&$format=application/json;IEEE754Compatible=true"
        )

    assert answer.json()["value"] == [{"ListPrice": str(2**60)}]


async def test_without_metadata_an_answer_has_data_count_and_link_only(directory: Path) -> None:
    rows = [listing(f"L{n:02}") for n in range(25)]
    async with modelled(directory, tables(Property=rows)) as (gateway, _):
        page = await asked(gateway, "Property?$select=City&$count=true", "application/json;odata.metadata=none")
        one = await asked(gateway, "Property('L01')?$select=City", "application/json;metadata=none")
        service = await asked(gateway, "", "application/json;metadata=none")
        empty = await asked(gateway, "Property('L01')?$select=OwnerName", "application/json;metadata=none")

    assert list(page.json()) == ["value", "@odata.count", "@odata.nextLink"]
    assert one.json() == {"City": "X"}
    assert list(service.json()) == ["value"]
    assert page.header("Content-Type") == "application/json;odata.metadata=none"
    assert empty.status == 400


async def test_each_format_has_a_tag_of_its_own(directory: Path) -> None:
    accepts = ["application/json", STRINGS, "application/json;metadata=none", f"{STRINGS};metadata=none"]
    async with modelled(directory, tables(Property=[listing("L1", ListPrice=None)])) as (gateway, _):
        for target in ("Property", "Property('L1')"):
            tags = [(await asked(gateway, target, accept)).header("ETag") or "" for accept in accepts]
            assert len(set(tags)) == 4
            for accept, tag in zip(accepts, tags, strict=True):
                statuses = [(await asked(gateway, target, other, If_None_Match=tag)).status for other in accepts]
                assert statuses == [304 if other == accept else 200 for other in accepts]


# --- what is not offered


@pytest.mark.channel("C162")
@pytest.mark.parametrize(
    ("target", "accept", "status"),
    [
        ("Property", "application/json;odata.metadata=full", 406), ("Property('L1')", "application/json;odata.metadata=full", 406), ("", "application/json;metadata=full", 406),
        ("Property", "application/json;odata.metadata=full, */*;q=0.1", 200), ("Property", "application/json;unknown=1", 406), ("Property", "text/plain", 406),
        ("Property?$format=application/json;metadata=full", None, 406), ("Property?$format=application/json;metadata=minimal", None, 200),
        ("Property?$format=application/json;IEEE754Compatible=false", None, 200), ("Property?$format=json", "text/html", 200), ("Property?$format=xml", "*/*", 406),
        ("Property/$count", "text/plain", 200), ("Property/$count", "application/json", 200), ("Property/$count", "text/html", 406), ("Property/$count", "text/plain;q=0", 406),
        ("Property('L1')/Media/$count", "text/plain", 200), ("$metadata", "application/json;q=0", 406), ("$metadata", "text/plain", 406), ("Property", "", 200),
    ],
)  # fmt: skip
async def test_a_format_is_honoured_or_refused(directory: Path, target: str, accept: str | None, status: int) -> None:
    async with modelled(directory, tables(Property=ROWS)) as (gateway, _):
        assert (await asked(gateway, target, accept)).status == status


@pytest.mark.channel("C162", "C316")
@pytest.mark.guarantee("G2")
async def test_a_format_tells_nothing_of_what_is_hidden(directory: Path) -> None:
    async with modelled(directory, tables(Property=ROWS, Media=PHOTOS)) as (gateway, _):
        for accept in (STRINGS, "application/json;metadata=none", "application/json;odata.metadata=full", "text/html"):
            for target in (
                "Property?$select={}",
                "Property('L1')/{}",
                "{}",
                "{}('L1')",
                "Property?$filter={} in (1,null)",
                "Property?$expand=Media($select={})",
            ):
                hidden, fresh = [
                    await asked(gateway, target.format(name), accept) for name in ("OwnerName", "Qwertyuio")
                ]
                assert (hidden.status, hidden.headers) == (fresh.status, fresh.headers)
                assert hidden.body.replace(b"OwnerName", b"Qwertyuio") == fresh.body


@pytest.mark.channel("C165")
async def test_metadata_is_written_in_the_format_of_the_greatest_weight(directory: Path) -> None:
    async with modelled(directory, tables()) as (gateway, _):
        as_json = await asked(gateway, "$metadata", "application/xml;q=0, application/json")
        as_xml = await asked(gateway, "$metadata", "application/json;q=0.9, application/xml")
        strings = await asked(gateway, "$metadata", STRINGS)

    assert as_json.header("Content-Type") == "application/json"
    assert as_xml.header("Content-Type") == "application/xml"
    assert as_xml.body.startswith(b"<?xml")
    assert strings.header("Content-Type") == "application/json;IEEE754Compatible=true"


# --- writes


async def test_a_body_may_have_its_large_numbers_as_strings(directory: Path) -> None:
    async with writing(directory) as desk:
        kind = {"Content-Type": "application/json; ieee754compatible=TRUE"}
        odd_prices: tuple[Any, ...] = ("", "1,5", "+5", "05", "1e", " 7", "NaN", True, [])
        made = await desk.send("POST", "Property", {**DRAFT, "ListPrice": "123456.50"}, **kind)
        path = f"Property('{made.json()['ListingKey']}')"
        stored = [desk.row(path)["ListPrice"]]
        for price in ("7", 8, None):
            changed = await desk.send("PATCH", path, {"ListPrice": price, **BY}, **kind)
            assert changed.status == 204, changed.body
            stored.append(desk.row(path)["ListPrice"])
        sent = [json.loads(raw) for _, _, raw in desk.sandbox.written]
        refused = [await desk.send("PATCH", path, {"ListPrice": price, **BY}, **kind) for price in odd_prices]
        plain = await desk.send("PATCH", path, {"ListPrice": "7", **BY})
        odd = [
            await desk.send("PATCH", path, {**BY}, **{"Content-Type": f"application/json;IEEE754Compatible={value}"})
            for value in ("yes", "", "true;IEEE754Compatible=true")
        ]

    assert made.status == 201
    assert [float(price) if price is not None else None for price in stored] == [123456.5, 7.0, 8.0, None]
    assert [body.get("ListPrice") for body in sent] == [123456.5, 7, 8, None]
    assert {answer.status for answer in (*refused, plain)} == {400}
    assert {answer.status for answer in odd} == {415}


@pytest.mark.channel("C205")
@pytest.mark.guarantee("G2")
async def test_hidden_and_unknown_fields_of_such_a_body_are_one_case(directory: Path) -> None:
    async with writing(directory) as desk:
        kind = {"Content-Type": STRINGS}
        path = await desk.draft()
        found = []
        for name in ("OwnerName", "Qwertyuio", "BedroomsTotal"):
            answer = await desk.send("PATCH", path, {name: "5", **BY}, **kind)
            found.append((answer.status, answer.body.replace(name.encode(), b"~")))

    assert found == [found[0]] * 3


async def test_what_is_written_is_answered_in_the_format_that_is_asked_for(directory: Path) -> None:
    async with writing(directory) as desk:
        made = [
            await desk.send("POST", "Property", {**DRAFT, "ListPrice": 5}, Accept=accept)
            for accept in ("application/json", STRINGS, f"{STRINGS};metadata=none")
        ]
        refused = await desk.send("POST", "Property", DRAFT, Accept="application/json;odata.metadata=full")
        count = len(desk.sandbox.came)

    assert [answer.status for answer in (*made, refused)] == [201, 201, 201, 406]
    assert [answer.json()["ListPrice"] for answer in made] == [5, "5", "5"]
    assert ["@odata.id" in answer.json() for answer in made] == [True, True, False]
    assert not any(name.startswith("@odata") for name in made[2].json())
    assert count == 3


@pytest.mark.channel("C327", "C183")
@pytest.mark.parametrize(
    "accept", ["application/json", STRINGS, "application/json;metadata=none", f"{STRINGS};metadata=none"]
)
async def test_a_tag_of_any_format_is_one_of_the_record(directory: Path, accept: str) -> None:
    async with writing(directory) as desk:
        path = await desk.draft()
        tag = (await desk.send("GET", path, Accept=accept)).header("ETag") or ""
        good = await desk.send("PATCH", path, {"City": "B", **BY}, If_Match=tag)
        stale = await desk.send("PATCH", path, {"City": "C", **BY}, If_Match=tag)

    assert (good.status, stale.status) == (204, 412)


# --- versions and isolation


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"OData-Isolation": "snapshot"}, 412), ({"Isolation": "snapshot"}, 412), ({"OData-Isolation": "other"}, 412), ({"OData-Version": "4.0"}, None),
        ({"OData-Version": "4.01"}, None), ({"OData-Version": "3.0"}, 400), ({"OData-Version": "4.02"}, 400), ({"OData-Version": "5.0"}, 400), ({"OData-Version": "x"}, 400),
        ({"OData-Version": ""}, 400), ({"OData-MaxVersion": "3.0"}, 400), ({"OData-MaxVersion": "3.99"}, 400), ({"OData-MaxVersion": "x"}, 400), ({"OData-MaxVersion": "4.0"}, None),
        ({"OData-MaxVersion": "4.01"}, None), ({"OData-MaxVersion": "9.9"}, None), ({"OData-Version": "4.01", "OData-MaxVersion": "4.0"}, None),
    ],
)  # fmt: skip
async def test_versions_and_isolation_are_looked_at_before_anything_is_read_or_written(
    directory: Path, headers: dict[str, Any], status: int | None
) -> None:
    """OData Protocol, 8.1.5, 8.2.6, 8.2.7."""
    async with writing(directory) as desk:
        path = await desk.draft()
        answers = [
            await desk.send("POST", "Property", DRAFT, **headers),
            await desk.send("PATCH", path, {"City": "B", **BY}, **headers),
            await desk.send("GET", path, **headers),
            await desk.send("DELETE", path, **headers),
        ]
        written = len(desk.sandbox.came)

    assert [answer.status for answer in answers] == ([201, 204, 200, 204] if status is None else [status] * 4)
    assert written == (3 if status is None else 0)
    told = "4.0" if headers.get("OData-MaxVersion") == "4.0" else "4.01"
    assert {answer.header("OData-Version") for answer in answers} == {told}


async def test_a_refusal_has_no_version_above_the_one_that_a_client_understands(directory: Path) -> None:
    async with modelled(directory, tables(Property=ROWS)) as (gateway, _):
        answers = [
            await asked(gateway, target, OData_MaxVersion="4.0")
            for target in ("Nope", "Property?$filter=Nope eq 1", "Property('L1')")
        ]
        nobody = await asked(gateway, "Property", key="nobody", OData_MaxVersion="4.0")

    assert {answer.header("OData-Version") for answer in (*answers, nobody)} == {"4.0"}


async def test_an_unknown_isolation_is_told_to_nobody_without_a_key(directory: Path) -> None:
    async with modelled(directory, tables(Property=ROWS)) as (gateway, _):
        assert (await asked(gateway, "Property", key="nobody", OData_Isolation="snapshot")).status == 401
