"""G1, first form: two databases that agree on what the policy permits give equal bytes for every request.

The pair differs in the price of Residential listings (hidden there), in rows outside the rule, and in photos past the
limit. Literals and keys of the requests are drawn from the difference: that is where an oracle would be.
"""

from __future__ import annotations

import copy
import random
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from gateway.sandbox.rows import Row, Tables, make_tables
from gateway.sandbox.server import Sandbox
from tests.model_upstream import Habits
from tests.modelled import modelled, profile
from tests.support import Answer, Harness, configuration, key_file, running, sandbox_running, write_configuration

LIMIT = 2
REQUESTS = 200
TEMPLATE = {
    "D": {
        "Name": "pair", "Description": "pair", "Role": "idx", "ListingPhotoLimit": LIMIT,
        "RestrictiveFilters": {"Property": {"Filter": "StandardStatus eq 'Active'"}},
        "FieldOverrides": {"Property": {"Residential": {"ListPrice": {"Rule": "Hidden"}}}},
    }
}  # fmt: skip


def permitted(row: Row) -> bool:
    return (
        row["StandardStatus"] == "Active"
        and row["InternetEntireListingDisplayYN"] is True
        and row["ListingKey"] != "L00013"
    )


def changed(tables: Tables, rng: random.Random) -> Tables:
    """The other database: every change is one that the policy withholds."""
    other = copy.deepcopy(tables)
    visible = [row for row in other["Property"] if permitted(row)]
    for row in visible:
        if row["PropertyType"] == "Residential":
            row["ListPrice"] = rng.choice([None, Decimal(0), Decimal("999999999999.99"), row["ListPrice"]])
        row["OwnerName"] = f"changed {rng.random()}"
        # Residential prices may show in no byte; neither may fields that nobody is shown.
        row["PrivateRemarks"] = None
    withheld = [row for row in other["Property"] if not permitted(row)]
    for row in withheld:
        row["City"], row["ListPrice"] = rng.choice(visible)["City"], Decimal(rng.randint(1, 2_000_000))
    gone = {id(row) for row in withheld[::3]}
    other["Property"] = [row for row in other["Property"] if id(row) not in gone]
    for number, row in enumerate(rng.sample(visible, 20)):
        twin = {
            **row,
            "ListingKey": f"{row['ListingKey']}{number}",
            "StandardStatus": rng.choice(["Closed", "ACTIVE", "Active ", None]),
        }
        other["Property"].append(twin)
    rng.shuffle(other["Property"])
    _change_photos(other, visible, rng)
    return other


def _change_photos(tables: Tables, visible: list[Row], rng: random.Random) -> None:
    for row in visible:
        photos = [media for media in tables["Media"] if media["ResourceName"] == "Property"
                  and media["ResourceRecordKey"] == row["ListingKey"] and media["MediaCategory"] != "Document"]  # fmt: skip
        photos.sort(key=lambda media: (media["Order"], media["MediaKey"]))
        for media in photos[LIMIT:]:
            media["MediaURL"], media["ShortDescription"] = "https://photos.example/canary.jpg", "canary"
            media["Order"] += rng.randint(0, 9)
        if len(photos) >= LIMIT:
            extra = [
                {**photos[0], "MediaKey": f"{photos[0]['MediaKey']}~{n}", "Order": 500 + n, "MediaURL": "canary"}
                for n in range(rng.randint(0, 9))
            ]
            tables["Media"].extend(extra)
            row["PhotosCount"] = max(row["PhotosCount"] or 0, LIMIT) + len(extra)
    rng.shuffle(tables["Media"])


class Requests:
    """Random requests, about half of them inside what is offered, with constants from the difference of the pair."""

    NAMES = (
        "City",
        "ListPrice",
        "StandardStatus",
        "BedroomsTotal",
        "PropertyType",
        "PhotosCount",
        "ListingKey",
        "StreetName",
    )
    HIDDEN = ("OwnerName", "PrivateRemarks", "PhotosChangeTimestamp", "Nope1")

    def __init__(self, one: Tables, two: Tables, rng: random.Random) -> None:
        self.rng = rng
        self.prices = [
            row["ListPrice"]
            for tables in (one, two)
            for row in tables["Property"]
            if row["PropertyType"] == "Residential" and row["ListPrice"]
        ]
        self.keys = sorted(
            {row["ListingKey"] for row in one["Property"]} ^ {row["ListingKey"] for row in two["Property"]}
        )
        self.keys += [row["ListingKey"] for row in one["Property"][::9]]
        self.cities = sorted({row["City"] for row in one["Property"] if row["City"]})

    def atom(self) -> str:
        rng = self.rng
        price = rng.choice(self.prices) + rng.choice([Decimal(-1), Decimal(0), Decimal(1)])
        city = rng.choice(self.cities).replace("'", "''")
        key = rng.choice(self.keys).replace("'", "''")
        return rng.choice([
            f"ListPrice {rng.choice(['gt', 'ge', 'lt', 'le', 'eq', 'ne'])} {price}", "ListPrice eq null", "ListPrice ne null",
            f"ListPrice in ({price},1,2)", f"City eq '{city}'", f"City ne '{city}'", f"startswith(City,'{city[:3]}')".replace("'''", "''"),
            f"ListingKey eq '{key}'", f"ListingKey gt '{key}'", "PropertyType eq 'Residential'", "PropertyType ne 'Residential'",
            f"BedroomsTotal gt {rng.randint(0, 6)}", "StandardStatus eq 'Closed'", "StandardStatus ne 'Active'", "StandardStatus eq 'ACTIVE'",
            "PhotosCount gt 2", "length(trim(City)) gt 6", "year(ModificationTimestamp) eq 2025", "ModificationTimestamp lt now() sub duration'P30D'", f"{rng.choice(self.HIDDEN)} eq 'x'", "SyndicateTo/any(x:x eq 'ListHub')",
            rng.choice([
                f"Media/any(m:m/Order gt {rng.randint(0, 13)})", "OpenHouse/any(o:o/OpenHouseType eq 'Public')", "not OpenHouse/any()",
                "Rooms/all(r:r/RoomKey lt 'R2')", "ListOffice/any()", "geo.distance(Coordinates,geography'POINT(0 0)') lt 5000000",
            ]),
        ])  # fmt: skip

    def filter(self, depth: int = 0) -> str:
        roll = self.rng.random()
        if depth > 2 or roll < 0.4:
            return self.atom()
        if roll < 0.6:
            return f"not ({self.filter(depth + 1)})"
        return f"({self.filter(depth + 1)}) {self.rng.choice(['and', 'or'])} ({self.filter(depth + 1)})"

    def target(self) -> str:
        rng = self.rng
        if rng.random() < 0.15:
            return f"Property('{quote(rng.choice(self.keys).replace(chr(39), chr(39) * 2))}')" + rng.choice(
                ["", "?$select=City", "?$expand=Media"]
            )
        if rng.random() < 0.25:
            return self.dependent()
        options = []
        if rng.random() < 0.7:
            options.append("$filter=" + quote(self.filter()))
        if rng.random() < 0.4:
            options.append(
                "$orderby="
                + quote(f"{rng.choice(self.NAMES)} {rng.choice(['asc', 'desc'])},City").replace(
                    "City%20asc%2CCity", "City"
                )
            )
        if rng.random() < 0.5:
            names = rng.sample(self.NAMES, 3) + ([rng.choice(self.HIDDEN)] if rng.random() < 0.1 else [])
            options.append("$select=" + ",".join(names))
        if rng.random() < 0.3:
            options.append(
                "$expand="
                + rng.choice(
                    [
                        "Media",
                        "Media($select=Order,MediaURL)",
                        "OpenHouse",
                        "Media($filter=Order%20gt%202)",
                        "Media($orderby=Order%20desc;$top=1;$count=true)",
                        "Media($skip=1;$select=MediaURL)",
                        "Media($filter=contains(ShortDescription,%27canary%27);$count=true)",
                        "Rooms",
                        "ListAgent($select=MemberFullName;$expand=Office($select=OfficeName)),Media($select=Order)",
                        "OpenHouse($expand=Listing($select=City;$expand=Media($select=Order;$top=1)))",
                    ]
                )
            )
        if rng.random() < 0.3:
            options.append("$count=true")
        if rng.random() < 0.4:
            options.append(f"$top={rng.choice([0, 1, 2, 5, 50])}")
        if rng.random() < 0.2:
            options.append(f"$skip={rng.choice([0, 1, 7, 40])}")
        path = "Property/$count" if rng.random() < 0.1 else "Property"
        return path + ("?" + "&".join(options) if options else "")

    def dependent(self) -> str:
        """Reads of rows that follow a listing: pinned, scanned, by key, below a record, and their numbers."""
        rng = self.rng
        key = quote(rng.choice(self.keys).replace("'", "''"))
        return rng.choice([
            f"Media?$filter=ResourceRecordKey%20eq%20'{key}'&$orderby=Order%20desc&$select=Order,MediaURL", f"Media/$count?$filter=ResourceRecordKey%20eq%20'{key}'",
            f"Media?$filter=ResourceRecordKey%20in%20('{key}','L00002')&$skip=1&$top=2&$count=true", "Media?$orderby=Order%20desc&$top=15&$select=Order",
            "Media?$filter=contains(MediaURL,'canary')", "Media?$filter=Order%20gt%203&$select=MediaURL", f"Property('{key}')/Media?$orderby=Order%20desc", f"Property('{key}')/Media/$count",
            f"OpenHouse?$filter=ListingKey%20eq%20'{key}'&$count=true", "OpenHouse?$select=OpenHouseKey&$expand=Listing($select=City)", "OpenHouse?$count=true",
            f"Media('{key}-3')", f"Media('{key}-1')", f"Property('{key}')/ListAgent", "Media?$skip=3",
        ])  # fmt: skip


async def both(one: Harness, two: Harness, target: str) -> int:
    """Asks both, follows the links of the answer, and holds every byte of one against the other."""
    first, second = await one.get(target, "pair"), await two.get(target, "pair")
    for _ in range(3):
        assert first == second, f"{target}\n{first}\n{second}"
        assert b"canary" not in first.body
        if first.status != 200 or b"@odata.nextLink" not in first.body:
            break
        first, second = await one.follow(first, "pair"), await two.follow(second, "pair")
    return first.status


@pytest.mark.channel(
    "C2",
    "C25",
    "C64",
    "C70",
    "C82",
    "C86",
    "C87",
    "C98",
    "C181",
    "C203",
    "C222",
    "C223",
    "C224",
    "C233",
    "C238",
    "C239",
    "C241",
    "C286",
)
@pytest.mark.guarantee("G1")
@pytest.mark.parametrize("seed", [1, 2])
async def test_withheld_data_changes_no_byte_of_any_answer(directory: Path, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    tables = make_tables(listings=180)
    other = changed(tables, rng)
    requests = Requests(tables, other, rng)
    write_configuration(directory, {"templates/pair.json": TEMPLATE, "keys.yaml": key_file(pair="Template: pair")})
    statuses: list[int] = []
    async with sandbox_running(Sandbox(tables)) as first, sandbox_running(Sandbox(other)) as second:
        settings = {"REQUESTS__PAGE_SIZE": "20"}
        async with (
            running(configuration(directory, first.url, **settings)) as one,
            running(configuration(directory, second.url, **settings)) as two,
        ):
            for _ in range(REQUESTS // 2):
                statuses.append(await both(one, two, requests.target()))

    # A test whose requests are all refused, or which differs in nothing, would prove nothing.
    assert statuses.count(200) > REQUESTS // 8
    assert statuses.count(400) > 5
    assert 502 not in statuses


def test_the_pair_differs_where_it_should() -> None:
    one: Any = make_tables(listings=180)
    two = changed(one, random.Random(1))

    prices = {row["ListingKey"]: row["ListPrice"] for row in two["Property"]}
    assert any(
        prices.get(row["ListingKey"], row["ListPrice"]) != row["ListPrice"] for row in one["Property"] if permitted(row)
    )
    assert {row["ListingKey"] for row in one["Property"] if permitted(row)} == {
        row["ListingKey"] for row in two["Property"] if permitted(row)
    }
    assert len(one["Media"]) != len(two["Media"])


# --- the same on upstreams that are not honest, and by profiles that do not trust them


#: What a folding upstream would let through besides the rule is in the pair already: "ACTIVE", "Active ".
HABITS = {
    "folds": (Habits(equality="fold"), {}),
    "pads, trusted with nothing": (Habits(equality="fold_pad"), None),
    "ignores filters": (Habits(ignores=frozenset({"filter"})), {}),
    "ignores nested options": (Habits(ignores=frozenset({"nested"}), nested_cut=10, nested_count="missing"), {}),
    "gives everybody's children": (Habits(foreign_children=True), {}),
    "cuts and shuffles": (Habits(page=13, shuffled=3, nested_cut=2, nested_count="missing"), {"paging": "next_link"}),
    "cannot filter by status": (Habits(unfilterable={"Property": ("StandardStatus",)}), {"unfilterable": {"Property": ["StandardStatus"]}}),
    "null is OData's": (Habits(nulls="odata", page=17), {"order_exact": {"Property": ["ListingKey", "City"]}}),
}  # fmt: skip
ROLE = {
    "Property": {
        "Filter": "StandardStatus eq 'Active'", "Always": ["InternetEntireListingDisplayYN eq true", "ListingKey ne 'L00013'"],
        "Fields": {"All": {"Visible": ["City", "ListPrice", "BedroomsTotal", "PropertyType", "PhotosCount", "StreetName", "ModificationTimestamp", "SyndicateTo",
                                       "StandardStatus", "Media", "OpenHouse", "Rooms", "ListAgent"]}, "Residential": {"Hidden": ["ListPrice"]}},
    },
    "Media": {"Fields": {"All": {"Visible": ["Order", "MediaURL", "ShortDescription", "ResourceRecordKey"]}}},
    "Member": {"Filter": "MemberStatus eq 'Active'", "Fields": {"All": {"Visible": ["MemberFullName", "Office"]}}},
    "Office": {"Fields": {"All": {"Visible": ["OfficeName"]}}},
    "OpenHouse": {"Fields": {"All": {"Visible": ["ListingKey", "Listing"]}}},
    "PropertyRooms": {"Fields": {"All": {"Visible": ["RoomType"]}}},
}  # fmt: skip


def said(answer: Answer) -> tuple[int, bytes]:
    """An answer without the place in its link: one that counts withheld rows is sealed anew each time (C286)."""
    if answer.status != 200 or b"@odata.nextLink" not in answer.body:
        return answer.status, answer.body
    head, _, link = answer.body.partition(b'"@odata.nextLink"')
    return answer.status, head + str(len(link)).encode()


@pytest.mark.channel("C58", "C222", "C315", "C334", "C354", "C356", "C357", "C364", "C371")
@pytest.mark.guarantee("G1")
@pytest.mark.parametrize("name", HABITS)
async def test_dishonest_upstreams_change_no_byte_either(directory: Path, name: str) -> None:
    habits, changes = HABITS[name]
    rng = random.Random(name)
    rows = make_tables(listings=90)
    other = changed(rows, rng)
    requests = Requests(rows, other, rng)
    trusted = {} if changes is None else {**profile(), **changes}
    settings = {"requests": {"page_size": 20}}
    statuses: list[int] = []
    async with (
        modelled(directory / "1", rows, habits, role=ROLE, trusted=trusted, settings=settings, limit=LIMIT) as (one, _),
        modelled(directory / "2", other, habits, role=ROLE, trusted=trusted, settings=settings, limit=LIMIT) as (
            two,
            _,
        ),
    ):
        for gateway in (one, two):
            # What either database gives away once, by its first violation, is no question of this test (R6).
            gateway.service.trust.lose(["string_equality", "nested", "comparisons"], "Property", "test")
        for _ in range(80):
            target = requests.target()
            first, second = await one.get(target, "limited"), await two.get(target, "limited")
            for _ in range(3):
                assert said(first) == said(second), target
                assert b"canary" not in first.body
                if first.status != 200 or b"@odata.nextLink" not in first.body:
                    break
                first, second = await one.follow(first, "limited"), await two.follow(second, "limited")
            statuses.append(first.status)

    assert statuses.count(200) > 15
    assert 502 not in statuses
