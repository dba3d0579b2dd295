"""What is not definitely permitted is as if not sent: pages are filled, links decided on what is left, and no number told
that nobody can prove (DESIGN section 7)."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.sandbox.rows import Row, Tables
from tests.model_upstream import Habits
from tests.modelled import ROLE, every_page, listing, modelled, profile, tables
from tests.support import key_file


def priced(number: int) -> Tables:
    """Listings L001.. of which every third is withheld by the rule, by spelling, or by a blank."""
    statuses = ["Active", "Closed", "Active", "ACTIVE", "Active", "Active ", "Active", None]
    rows = [
        listing(f"L{n:03}", StandardStatus=statuses[n % len(statuses)], ListPrice=n, City=["X", "Y"][n % 2])
        for n in range(1, number + 1)
    ]
    return tables(Property=rows)


def expected(data: Tables, **where: Any) -> list[str]:
    return [
        row["ListingKey"]
        for row in data["Property"]
        if row["StandardStatus"] == "Active" and all(row[name] == value for name, value in where.items())
    ]


UNTRUSTED: list[dict[str, Any]] = [
    profile(),
    profile(string_equality="untrusted"),
    profile(unfilterable={"Property": ["StandardStatus"]}),
    profile(comparisons="untrusted", string_equality="untrusted", nested="untrusted", counts="untrusted"),
    {},
]


@pytest.mark.channel("C58", "C86", "C87", "C315", "C354", "C364")
@pytest.mark.guarantee("G1", "G4")
@pytest.mark.parametrize("trusted", UNTRUSTED)
@pytest.mark.parametrize("habits", [Habits(), Habits(equality="fold"), Habits(equality="fold_pad"), Habits(ignores=frozenset({"filter"})),
                                    Habits(nulls="odata"), Habits(equality="fold_pad", page=3), Habits(shuffled=7)])  # fmt: skip
async def test_pages_are_full_and_the_same_rows_whatever_the_upstream_selects(
    directory: Path, habits: Habits, trusted: dict[str, Any]
) -> None:
    data = priced(60)
    if "unfilterable" in trusted:
        habits = Habits(**{**vars(habits), "unfilterable": {"Property": ("StandardStatus",)}})
    async with modelled(directory, data, habits, trusted=trusted) as (gateway, _):
        rows, pages = await every_page(gateway, "Property?$select=ListingKey&$orderby=ListPrice")
        some = await gateway.get("Property?$select=ListingKey&$filter=City eq 'Y'&$top=4", "k")

    assert [row["ListingKey"] for row in rows] == expected(data)
    assert [len(page.rows) for page in pages] == [10] * (len(rows) // 10) + ([len(rows) % 10] if len(rows) % 10 else [])
    if "filter" not in habits.ignores or "string_equality" not in trusted:
        assert "@odata.nextLink" not in some.json()


def without(data: Tables, status: str | None) -> Tables:
    return {**data, "Property": [row for row in data["Property"] if row["StandardStatus"] != status]}


@pytest.mark.channel("C58", "C82", "C87", "C289", "C315", "C360", "C364", "C371")
@pytest.mark.guarantee("G1")
@pytest.mark.parametrize("equality", ["fold", "fold_pad"])
async def test_withheld_twins_of_rule_literals_change_no_byte(directory: Path, tmp_path: Path, equality: Any) -> None:
    """The attack: on an upstream that folds, a predicate of the client's choice decides whether a withheld row comes
    back. Twenty questions used to read its price; now each is answered alike whether the row is there or not."""
    data = priced(40)
    data["Property"].append(listing("L900", StandardStatus="ACTIVE", ListPrice=777_777, City="Z"))
    other = copy.deepcopy(data)
    other["Property"] = [row for row in other["Property"] if row["StandardStatus"] == "Active"]
    questions = [
        f"Property?$filter=City eq 'Z' and ListPrice gt {price}{rest}&$select=ListingKey"
        for price in (1, 777_776, 777_777)
        for rest in ("", "&$top=1", "&$orderby=ListPrice desc", "&$count=true&$top=0")
    ] + [
        "Property?$filter=ListingKey eq 'L002' or (City eq 'Z' and ListPrice gt 700000)&$skip=1&$select=ListingKey",
        "Property/$count?$filter=City eq 'Z' and ListPrice gt 700000",
        "Property('L900')",
    ]
    answers = []
    for number, content in enumerate((data, other)):
        place = directory / str(number)
        async with modelled(place, content, Habits(equality=equality), settings={"upstream": {}}) as (gateway, _):
            # What the probe would have found: one bit, told once and to everybody.
            gateway.service.trust.lose(["string_equality"], "Property", "probed")
            answers.append([await gateway.get(question, "k") for question in questions])

    assert answers[0] == answers[1]


@pytest.mark.channel("C289", "C360", "C371")
@pytest.mark.parametrize(
    ("equality", "declared", "lost"),
    [
        ("exact", "exact", ()),
        ("fold", "exact", ("Property/string_equality",)),
        ("fold_pad", "exact", ("Property/string_equality",)),
        ("fold", "fold", ()),
        ("fold_pad", "fold", ("Property/string_equality",)),
        ("fold_pad", "fold_pad", ()),
    ],
)
async def test_a_probe_finds_out_before_the_first_count_is_told(
    directory: Path, equality: Any, declared: str, lost: tuple[str, ...]
) -> None:
    data = tables(Property=[listing("L1"), listing("L2", StandardStatus="ACTIVE", ListPrice=7)])
    trusted = profile(string_equality=declared)
    upstream = {"upstream": {"probe": True}}
    async with modelled(directory, data, Habits(equality=equality), trusted=trusted, settings={}) as (gateway, model):
        model.asked.clear()
        schema = gateway.service.snapshot.schema
        assert schema is not None
        settings = gateway.service.snapshot.configuration.settings
        object.__setattr__(settings, "upstream", settings.upstream.model_copy(update=upstream["upstream"]))
        await gateway.service.publication.publish_schema(replace(schema))  # as new metadata would be
        count = await gateway.get("Property/$count?$filter=ListPrice gt 1", "k")

    assert gateway.service.trust.lost == lost
    assert count.status == (501 if lost else 200)
    assert any("$top" in options and options["$top"] == "10" for _, options in model.asked)


@pytest.mark.channel("C83")
async def test_estimated_counts_are_not_told(directory: Path) -> None:
    data = priced(30)
    async with modelled(directory, data, Habits(estimated_counts=True), trusted=profile(counts="untrusted")) as (
        gateway,
        _,
    ):
        assert (await gateway.get("Property/$count", "k")).status == 501
        assert (await gateway.get("Property?$count=true", "k")).status == 501


@pytest.mark.channel("C288")
@pytest.mark.parametrize("page", [1, 5, 50])
async def test_a_page_is_full_however_many_withheld_rows_stand_before_it(directory: Path, page: int) -> None:
    """Each request asks for more rows than the one before, as far as the upstream gives them."""
    rows: list[Row] = [listing(f"L{n:04}", StandardStatus="ACTIVE") for n in range(100)]
    rows += [listing(f"M{n}") for n in range(5)]
    habits = Habits(equality="fold", page=page)
    settings = {"requests": {"page_size": 2}}
    async with modelled(directory, tables(Property=rows), habits, trusted=profile(string_equality="untrusted"), settings=settings) as (gateway, _):  # fmt: skip
        found, pages = await every_page(gateway, "Property?$select=ListingKey")
        requests = [event.upstream_requests for event in gateway.handled]

    assert [row["ListingKey"] for row in found] == [f"M{n}" for n in range(5)]
    assert [len(answer.rows) for answer in pages] == [2, 2, 1]
    assert max(requests) <= {1: 103, 5: 22, 50: 4}[page]


@pytest.mark.channel("C286", "C287", "C288")
async def test_a_token_that_counts_withheld_rows_tells_nothing_by_its_bytes(directory: Path) -> None:
    """Sealed with a nonce and at one length; one that counts visible rows only is the same each time."""
    habits = Habits(equality="fold")
    tokens: dict[bool, list[str]] = {}
    for hidden in (False, True):
        rows = [listing(f"L{n:02}") for n in range(30)]
        if hidden:
            rows += [listing(f"L{n:02}x", StandardStatus="ACTIVE") for n in range(9)]
        async with modelled(directory / str(hidden), tables(Property=rows), habits, trusted=profile(string_equality="untrusted")) as (gateway, _):  # fmt: skip
            pages = [await gateway.get("Property?$select=ListingKey", "k") for _ in range(2)]
            second = await gateway.follow(pages[0], "k")
            tokens[hidden] = [page.json()["@odata.nextLink"] for page in (*pages, second)]

    # The form is that of the plan: it does not come with the withheld rows, and go with them.
    assert len({token for made in tokens.values() for token in made}) == 6
    assert len({len(token) for made in tokens.values() for token in made}) == 1


@pytest.mark.channel("C286")
async def test_a_token_that_counts_visible_rows_only_is_the_same_each_time(directory: Path) -> None:
    tokens = []
    for hidden in (0, 9):
        rows = [listing(f"L{n:02}") for n in range(30)]
        rows += [listing(f"L{n:02}x", StandardStatus="Closed") for n in range(hidden)]
        async with modelled(directory / str(hidden), tables(Property=rows)) as (gateway, _):
            first = await gateway.get("Property?$select=ListingKey", "k")
            second = await gateway.follow(first, "k")
            tokens.append([page.json()["@odata.nextLink"] for page in (first, second)])

    assert tokens[0] == tokens[1]


@pytest.mark.channel("C286")
async def test_a_token_that_seals_a_cursor_of_the_upstream_is_another_one_each_time(directory: Path) -> None:
    """The cursor may hold a value of a withheld row: equal tokens would tell that it is the same one."""
    rows = [listing(f"L{n:02}") for n in range(30)]
    async with modelled(directory, tables(Property=rows), Habits(page=4), trusted=profile(paging="next_link")) as (gateway, _):  # fmt: skip
        pages = [await gateway.get("Property?$select=ListingKey", "k") for _ in range(2)]
        tokens = [page.json()["@odata.nextLink"] for page in pages]

    assert pages[0].rows == pages[1].rows
    assert len(set(tokens)) == 2
    assert len({len(token) for token in tokens}) == 1


@pytest.mark.channel("C371")
async def test_a_place_that_counted_rows_means_nothing_under_another_trust(directory: Path) -> None:
    rows = [listing(f"L{n:02}", StandardStatus="ACTIVE" if n % 5 == 4 else "Active") for n in range(60)]
    async with modelled(directory, tables(Property=rows), Habits(equality="fold"), trusted=profile(string_equality="untrusted")) as (gateway, _):  # fmt: skip
        first = await gateway.get("Property?$select=ListingKey", "k")
        second = await gateway.follow(first, "k")
        gateway.service.trust.lose(["comparisons"], "Property", "test")
        third = await gateway.follow(second, "k")

    assert (second.status, third.status) == (200, 410)


@pytest.mark.channel("C354", "C359")
async def test_what_the_upstream_cannot_filter_is_refused_from_the_name_alone(directory: Path) -> None:
    data = priced(30)
    trusted = profile(unfilterable={"Property": ["City"]})
    habits = Habits(unfilterable={"Property": ("City",)})
    async with modelled(directory, data, habits, trusted=trusted) as (gateway, model):
        answers = [
            await gateway.get(f"Property?{query}", "k")
            for query in ("$filter=City eq 'X'", "$filter=not (ListPrice gt 3 or City eq 'X')", "$orderby=City")
        ]
        assert not model.requests
        nested = await gateway.get("OpenHouse?$expand=Listing&$top=1", "k")
    async with modelled(directory, data, habits, trusted={**trusted, "client_scan": True}) as (gateway, _):
        scanned = await gateway.get("Property?$filter=City eq 'X' and ListPrice gt 3&$select=ListingKey", "k")
        counted = await gateway.get("Property/$count?$filter=City eq 'X'", "k")

    assert {(answer.status, answer.json()["error"]["code"]) for answer in answers} == {(400, "InvalidQuery")}
    assert nested.status == 200
    assert [row["ListingKey"] for row in scanned.rows] == [key for key in expected(data, City="X") if key > "L003"][:10]
    assert counted.status == 501


@pytest.mark.channel("C57", "C243", "C354")
@pytest.mark.parametrize("name", ["exact", "none", "untrusted"])
async def test_a_syndication_is_enforced_where_the_upstream_has_no_lambdas(directory: Path, name: str) -> None:
    rows = [listing(f"L{n:02}", SyndicateTo=["ListHub", "Other"][: n % 3]) for n in range(40)]
    role = {**ROLE, "Property": {**ROLE["Property"], "Filter": "SyndicateTo/any(s:s eq 'ListHub')"}}
    async with modelled(directory, tables(Property=rows), role=role, trusted=profile(collections=name)) as (
        gateway,
        model,
    ):
        found, _ = await every_page(gateway, "Property?$select=ListingKey")
        own = await gateway.get("Property?$select=City&$filter=City eq 'X'", "k")

    assert [row["ListingKey"] for row in found] == [f"L{n:02}" for n in range(40) if n % 3]
    assert own.status == 200
    assert any("any(" in options.get("$filter", "") for _, options in model.asked) is (name != "none")


@pytest.mark.channel("C343", "C364")
async def test_a_guard_that_the_upstream_ignores_takes_the_rows_all_the_same(directory: Path) -> None:
    """With the client's own conjunct that would imply it, and without."""
    rows = [listing("L1", PropertyType="Farm"), listing("L2", PropertyType="Land"), listing("L3", PropertyType="LAND"),
            listing("L4", PropertyType=None)]  # fmt: skip
    for habits in (Habits(), Habits(equality="fold"), Habits(ignores=frozenset({"filter"}))):
        async with modelled(directory, tables(Property=rows), habits) as (gateway, _):
            for condition in ("ListPrice gt 1", "PropertyType eq 'Farm' and ListPrice gt 1", "not (ListPrice gt 1000)"):
                answer = await gateway.get(f"Property?$select=ListingKey&$filter={condition}", "k")
                assert [row["ListingKey"] for row in answer.rows] == ["L1"], (habits, condition)


@pytest.mark.channel("C243")
async def test_a_strict_template_refuses_what_would_be_narrowed(directory: Path) -> None:
    rows = [listing("L1"), listing("L2", PropertyType="Land")]
    strict = {"D": {"Name": "s", "Description": "s", "Role": "idx", "ConditionalFields": "strict"}}
    keys = key_file(k="Role: idx", strict="Template: strict")
    async with modelled(directory, tables(Property=rows), keys=keys, templates={"strict": strict}) as (gateway, model):
        refused = await gateway.get("Property?$filter=ListPrice gt 1", "strict")
        unknown = await gateway.get("Property?$filter=Qwertyuio gt 1", "strict")
        sorted_by = await gateway.get("Property?$orderby=ListPrice", "strict")
        model.asked.clear()
        kept = await gateway.get(
            "Property?$filter=PropertyType eq 'Farm' and ListPrice gt 1&$select=ListingKey", "strict"
        )
        narrowed = await gateway.get("Property?$filter=ListPrice gt 1&$select=ListingKey", "k")

    assert (refused.status, sorted_by.status) == (400, 400)
    assert refused.body == unknown.body.replace(b"Qwertyuio", b"ListPrice")
    assert kept.rows == narrowed.rows == [{"ListingKey": "L1"}]
    assert "PropertyType in (" in model.asked[0][1]["$filter"]


@pytest.mark.channel("C59", "C366")
@pytest.mark.parametrize("hours", [-1, 0, 1])
async def test_the_upstreams_clock_decides_nothing(directory: Path, hours: int) -> None:
    """``now()`` is one literal; all reads and pages of a request carry the same."""
    role = {**ROLE, "Property": {**ROLE["Property"], "Filter": "ModificationTimestamp le now()"}}
    rows = [listing(f"L{n:02}", ModificationTimestamp=f"2027-01-15T0{n % 10}:00:00.000Z") for n in range(30)]
    async with modelled(directory, tables(Property=rows), role=role) as (gateway, model):
        gateway.now[0] = 1_800_000_000.0
        first = await gateway.get("Property?$select=ListingKey", "k")
        gateway.now[0] += 3600 * hours
        await gateway.follow(first, "k") if "@odata.nextLink" in first.json() else None
        filters = {options["$filter"] for _, options in model.asked}

    assert len(filters) == 1
    assert "now" not in filters.pop()
    assert gateway.service.trust.lost == ()
