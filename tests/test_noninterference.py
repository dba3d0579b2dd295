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
from tests.support import Harness, configuration, key_file, running, sandbox_running, write_configuration

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
