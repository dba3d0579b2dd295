"""Continuation: behind the last record, at the upstream's cursor, or by number; sealed, bounded, and without holes."""

from __future__ import annotations

import random
import string
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from gateway.sandbox.rows import Row
from tests.model_upstream import Habits
from tests.modelled import every_page, listing, modelled, profile, tables
from tests.support import ROOT, Answer

KEYSET = profile(order_exact={"Property": ["ListingKey", "ListPrice", "City", "ModificationTimestamp"]})
WALKS: list[tuple[dict[str, Any], Habits]] = [
    (profile(), Habits()),
    (profile(), Habits(page=4)),
    (profile(page_max=7), Habits(page=7, paging="silent")),
    (profile(paging="next_link"), Habits(page=4)),
    (profile(paging="next_link"), Habits(page=25)),
    (profile(paging="link_header"), Habits(page=4, paging="link_header")),
    (KEYSET, Habits()),
    (KEYSET, Habits(page=4)),
    ({**KEYSET, "nulls": "last"}, Habits(nulls_last=True)),
    (
        profile(order_exact={"Property": ["ListingKey", "ListPrice"]}, string_equality="untrusted"),
        Habits(equality="fold"),
    ),
    ({**KEYSET, "string_order": "untrusted"}, Habits(folded_order=True)),
    ({**KEYSET, "in_operator": False}, Habits(knows_in=False, nulls="odata")),
]


def rows_with_ties() -> list[Row]:
    """Equal prices, cities and nulls among them, so that an order needs the key to be total."""
    cities = ["a", "B", None, "a", "é", "C'd", "b"]
    return [
        listing(
            f"L{n:03}",
            City=cities[n % 7],
            ListPrice=None if n % 11 == 0 else n % 5,
            StandardStatus=["Active", "Closed"][n % 9 == 0],
        )
        for n in range(95)
    ]


@pytest.mark.channel("C71", "C87", "C96", "C284", "C291", "C361")
@pytest.mark.guarantee("G4")
@pytest.mark.parametrize(("trusted", "habits"), WALKS)
@pytest.mark.parametrize("order", ["", "ListPrice", "ListPrice desc,City", "City desc"])
async def test_concatenated_pages_are_one_large_page(
    directory: Path, trusted: dict[str, Any], habits: Habits, order: str
) -> None:
    rows = rows_with_ties()
    target = "Property?$select=ListingKey" + (f"&$orderby={order}" if order else "")
    async with modelled(directory / "1", tables(Property=rows), habits, trusted=trusted) as (gateway, _):
        found, pages = await every_page(gateway, target)
    async with modelled(directory / "2", tables(Property=rows), Habits(**{**vars(habits), "page": None}),
                        trusted={**trusted, "order_exact": {}, "paging": "skip", "string_equality": "untrusted"},
                        settings={"requests": {"page_size": 1000}}) as (gateway, _):  # fmt: skip
        whole = await gateway.get(target, "k")

    assert [row["ListingKey"] for row in found] == [row["ListingKey"] for row in whole.rows]
    assert len(found) == sum(row["StandardStatus"] == "Active" for row in rows)
    assert all(len(page.rows) == 10 for page in pages[:-1])


@pytest.mark.channel("C95", "C291")
@pytest.mark.guarantee("G4")
async def test_ten_pages_without_duplicate_or_gap_while_rows_change(directory: Path) -> None:
    """Rows before the place of the walk come and go; by number that would skip and repeat."""
    rows = [listing(f"L{n:03}") for n in range(100)]
    async with modelled(directory, tables(Property=rows), trusted=KEYSET) as (gateway, model):
        answer = await gateway.get("Property?$select=ListingKey", "k")
        found = [row["ListingKey"] for row in answer.rows]
        pages = 1
        while "@odata.nextLink" in answer.json():
            property_rows = model.tables["Property"]
            property_rows.insert(0, listing(f"A{pages:03}"))
            property_rows.remove(next(row for row in property_rows if row["ListingKey"] == f"L{pages * 3:03}"))
            property_rows.insert(5, listing(f"B{pages:03}", StandardStatus="Closed"))
            answer = await gateway.follow(answer, "k")
            assert answer.status == 200
            found += [row["ListingKey"] for row in answer.rows]
            pages += 1

    assert pages >= 10
    assert len(found) == len(set(found))
    assert found == [f"L{n:03}" for n in range(100)]


@pytest.mark.channel("C361")
async def test_a_column_that_prints_less_than_it_stores_repeats_nothing(directory: Path) -> None:
    """The replication query: not declared exact, so pages go on by number; declared so by mistake, nothing hidden shows."""
    rows = [listing(f"L{n:03}", ModificationTimestamp=f"2025-01-01T00:00:00.{n // 4:03}{n:03}Z") for n in range(60)]
    habits = Habits(printed_fraction=3)
    trusted = profile(order_exact={"Property": ["ListingKey"]})
    async with modelled(directory, tables(Property=rows), habits, trusted=trusted) as (gateway, _):
        found, _ = await every_page(gateway, "Property?$select=ListingKey&$orderby=ModificationTimestamp")

    assert [row["ListingKey"] for row in found] == [row["ListingKey"] for row in rows]


@pytest.mark.channel("C285", "C366")
async def test_each_page_carries_rule_guard_and_client_and_the_same_instant(directory: Path) -> None:
    rows = [listing(f"L{n:03}") for n in range(35)]
    target = "Property?$select=ListingKey&$filter=ListPrice gt 1 and ModificationTimestamp lt now()"
    for trusted in (profile(), KEYSET):
        async with modelled(directory, tables(Property=rows), trusted=trusted) as (gateway, model):
            answer = await gateway.get(target, "k")
            while "@odata.nextLink" in answer.json():
                gateway.now[0] += 1000
                answer = await gateway.follow(answer, "k")
            filters = [options["$filter"] for _, options in model.asked]
        for text in filters:
            assert text.startswith(filters[0]) or text.startswith("(" + filters[0])
        assert len(filters) == 4


@pytest.mark.channel("C87")
async def test_a_page_that_top_ends_has_no_link(directory: Path) -> None:
    rows = [listing(f"L{n:03}") for n in range(35)]
    for trusted, habits in WALKS[:7]:
        async with modelled(directory, tables(Property=rows), habits, trusted=trusted) as (gateway, _):
            one = await gateway.get("Property?$top=1&$select=ListingKey", "k")
            several, pages = await every_page(gateway, "Property?$top=23&$select=ListingKey")

        assert "@odata.nextLink" not in one.json()
        assert len(one.rows) == 1
        assert [len(page.rows) for page in pages] == [10, 10, 3]
        assert [row["ListingKey"] for row in several] == [f"L{n:03}" for n in range(23)]


@pytest.mark.channel("C82", "C360")
@pytest.mark.parametrize("trusted", [profile(), KEYSET, profile(paging="next_link")])
async def test_the_number_is_that_of_the_first_page_on_every_page(directory: Path, trusted: dict[str, Any]) -> None:
    rows = [listing(f"L{n:03}") for n in range(25)]
    async with modelled(directory, tables(Property=rows), Habits(page=6), trusted=trusted) as (gateway, _):
        found, pages = await every_page(gateway, "Property?$count=true&$select=ListingKey")

    assert [page.json()["@odata.count"] for page in pages] == [25, 25, 25]
    assert len(found) == 25


@pytest.mark.channel("C292")
@pytest.mark.parametrize(
    "link",
    ["http://127.0.0.1:9/Property?$skiptoken=canary", "https://127.0.0.1/data/Property?a=b", "//canary.example/odata/Member?a=b",
     "/odata/Member?$skiptoken=1", "Property", "../../Property?x=1", "http://[", "?"],
)  # fmt: skip
async def test_a_link_of_the_upstream_that_leads_elsewhere_is_not_followed(directory: Path, link: str) -> None:
    rows = [listing(f"L{n:03}") for n in range(35)]
    async with modelled(directory, tables(Property=rows), Habits(page=5), trusted=profile(paging="next_link")) as (gateway, model):  # fmt: skip
        honest = model._collection
        model._collection = lambda name, options: (honest(name, options)[0], link)  # type: ignore[method-assign]
        answer = await gateway.get("Property?$select=ListingKey", "k")

    assert answer.status == 502
    assert len(model.requests) == 1
    assert b"canary" not in answer.body


@pytest.mark.channel("C141", "C362")
async def test_room_for_a_link_is_a_matter_of_the_request_alone(directory: Path) -> None:
    """At n and n + 1 bytes: the same answer on no row, one page, many pages."""
    statuses: dict[int, set[int]] = {}
    for count in (0, 3, 35):
        rows = [listing(f"L{n:03}") for n in range(count)]
        async with modelled(directory / str(count), tables(Property=rows), trusted=KEYSET) as (gateway, _):
            for size in range(3000, 12_000, 500):
                # Text that does not compress: what a link has room for must not depend on luck.
                rng = random.Random(size)
                text = "".join(rng.choice(string.ascii_letters + string.digits) for _ in range(size))
                target = f"Property?$select=ListingKey&$filter=City ne '{quote(text)}'"
                answer = await gateway.get(target, "k")
                statuses.setdefault(size, set()).add(answer.status)
                if answer.status == 200 and count == 35:
                    link = answer.json()["@odata.nextLink"]
                    assert len(link) <= 8192
                    assert (await gateway.follow(answer, "k")).status == 200

    assert all(len(found) == 1 for found in statuses.values())
    assert {status for found in statuses.values() for status in found} == {200, 414}


@pytest.mark.channel("C141", "C281")
async def test_what_the_upstream_takes_is_a_budget_of_policy_and_request(directory: Path) -> None:
    rows = [listing("L1")]
    trusted = profile(or_max=3)
    async with modelled(directory, tables(Property=rows), Habits(or_max=3), trusted=trusted) as (gateway, model):
        four = await gateway.get("Property?$filter=" + " or ".join(f"ListPrice eq {n}" for n in range(4)), "k")
        asked = len(model.requests)
        five = await gateway.get("Property?$filter=" + " or ".join(f"ListPrice eq {n}" for n in range(5)), "k")

    assert (four.status, five.status) == (200, 400)
    assert len(model.requests) == asked


# --- POST $query


async def query(gateway: Any, body: str, key: str = "k", link: str = "", **headers: str) -> Answer:
    target = link[link.index(ROOT) :] if link else f"{ROOT}/Property/$query"
    async with gateway.session.post(
        f"http://127.0.0.1:{gateway.service.listener.port}{target}".replace("$", "%24"),
        data=body.encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "text/plain", **headers},
    ) as response:
        kept = tuple((k, v) for k, v in response.headers.items() if k.lower() not in ("date", "x-request-id"))
        return Answer(response.status, kept, await response.read())


@pytest.mark.channel("C113")
async def test_a_body_is_read_like_an_address(directory: Path) -> None:
    rows = [listing(f"L{n:03}", City=["X", "Y"][n % 2]) for n in range(35)]
    bodies = [
        "$select=ListingKey", "$select=ListingKey&$filter=City eq 'X'&$top=3", "$filter=OwnerName eq 'x'", "$filter=Nope eq 'x'", "$filter=", "$count=true&$top=0",
        "$apply=x", "filter=ListPrice gt @p&@p=5&$select=City", "$select=City&$select=City", "$expand=Media($count=true)", "",
    ]  # fmt: skip
    async with modelled(directory, tables(Property=rows)) as (gateway, _):
        for body in bodies:
            encoded = quote(body, safe="$=&,()@'")
            posted = await query(gateway, encoded)
            got = await gateway.get(f"Property?{encoded}" if encoded else "Property", "k")
            assert (posted.status, posted.body) == (got.status, got.body), body
        hidden = await gateway.request("POST", f"{ROOT}/Nope/$query", "k")
        refused = [
            (await gateway.request(method, f"{ROOT}/Property/$query", "k"))
            for method in ("GET", "PUT", "DELETE", "QUERY")
        ]
        in_address = await gateway.request(
            "POST", f"{ROOT}/Property/$query?$filter=City%20eq%20'X'", "k", {"Content-Type": "text/plain"}
        )
        kind = await query(gateway, "$top=1", **{"Content-Type": "application/json"})
        coding = await query(gateway, "$top=1", **{"Content-Encoding": "br"})
        long = await query(gateway, "$filter=" + "x" * 300_000)

    assert hidden.status == 404
    assert {(answer.status, answer.header("Allow")) for answer in refused} == {(405, "POST")}
    assert (in_address.status, kind.status, coding.status, long.status) == (400, 415, 415, 413)


@pytest.mark.channel("C90", "C113", "C362")
async def test_what_fits_no_link_is_walked_by_the_same_body(directory: Path) -> None:
    rows = [listing(f"L{n:03}") for n in range(35)]
    names = ",".join(f"'{chr(65 + n % 26)}{n * n * 7919}'" for n in range(1100))
    body = quote(f"$select=ListingKey&$filter=not (City in ({names}))", safe="$=&,()'")
    async with modelled(directory, tables(Property=rows), trusted=KEYSET) as (gateway, _):
        answer = await query(gateway, body)
        found = list(answer.rows)
        links = []
        while "@odata.nextLink" in answer.json():
            links.append(answer.json()["@odata.nextLink"])
            answer = await query(gateway, body, link=links[-1])
            assert answer.status == 200
            found += answer.rows
        other = await query(gateway, body.replace("A0", "A1"), link=links[0])
        bare = await query(gateway, "", link=links[0])
        by_get = await gateway.request("GET", links[0][links[0].index(ROOT) :], "k")
        other_key = await query(gateway, body, key="limited", link=links[0])
        got = await gateway.get("Property?" + body, "k")

    assert [row["ListingKey"] for row in found] == [f"L{n:03}" for n in range(35)]
    assert all("/Property/$query?$skiptoken=" in link and len(link) < 1000 for link in links)
    assert (other.status, bare.status, by_get.status, other_key.status) == (400, 400, 405, 400)
    assert got.status == 414
