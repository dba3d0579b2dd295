"""Attacks that succeed at the time of writing: pairs of databases that agree on what the policy permits and are told
apart all the same, and answers that lose what is permitted."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.odata.ast import FALSE
from gateway.odata.literals import Timestamp
from gateway.policy.probes import probes
from gateway.sandbox.rows import Row, Tables
from tests.model_upstream import Habits
from tests.modelled import ROLE, every_page, house, listing, modelled, photo, profile, tables
from tests.support import TRUSTING, Answer, policy
from tests.support import role as role_of

#: Nothing declared.
UNTRUSTED: dict[str, Any] = {"counts": "untrusted"}
FOLDING = profile(string_equality="untrusted")


async def asked(
    directory: Path, data: Tables, targets: list[str], key: str = "k", habits: Habits | None = None, **more: Any
) -> list[Answer]:
    """The answers; what the gateway's log says of each is printed."""
    async with modelled(directory, data, habits, **more) as (gateway, _):
        found = [await gateway.get(target, key) for target in targets]
        for target, event in zip(targets, gateway.handled, strict=True):
            print(event.status, event.detail, event.upstream_requests, target)
        return found


async def pair(
    directory: Path, one: Tables, two: Tables, target: str, key: str = "k", habits: Habits | None = None, **more: Any
) -> tuple[Answer, Answer]:
    (first,) = await asked(directory / "1", one, [target], key, habits, **more)
    (second,) = await asked(directory / "2", two, [target], key, habits, **more)
    assert first.status == 200
    return first, second


# --- photos past the limit decide a status -------------------------------------------------------------------------


@pytest.mark.channel("C188", "C222")
@pytest.mark.guarantee("G1")
@pytest.mark.parametrize(
    "target",
    [
        "Media?$filter=ResourceRecordKey eq 'L1'&$select=Order",
        "Media/$count?$filter=ResourceRecordKey in ('L1','L2')",
        "Media('L1-1')",
        "Property('L1')/Media?$select=Order",
        "Property?$select=City&$expand=Media($select=Order)",
    ],
)
async def test_photos_past_the_limit_decide_no_status(directory: Path, target: str) -> None:
    """A list is read to its end, at most 200 requests long; the client chooses whose lists are added up."""
    few = tables(Property=[listing("L1")], Media=[photo("L1", n) for n in range(1, 4)])
    many = {**few, "Media": [photo("L1", n) for n in range(1, 240)]}
    trusted = profile(nested="untrusted")

    one, two = await pair(directory, few, many, target, "limited", Habits(page=1), trusted=trusted)

    assert two == one


@pytest.mark.channel("C188", "C222")
@pytest.mark.guarantee("G1")
async def test_a_sum_of_hidden_photos_decides_no_status(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """10,000 rows, summed over all lists of a request (100 here): how many photos listings have is an oracle."""
    monkeypatch.setattr("gateway.edge.joins._MAX_ROWS", 100)
    few = tables(Property=[listing("L1"), listing("L2")], Media=[photo(f"L{n}", m) for n in (1, 2) for m in range(3)])
    many = {**few, "Media": [photo(f"L{n}", m) for n in (1, 2) for m in range(51)]}

    one, two = await pair(directory, few, many, "Media?$filter=ResourceRecordKey in ('L1','L2')", "limited")

    assert two == one


@pytest.mark.guarantee("G4")
async def test_an_expanded_page_is_not_bounded_by_the_sum_of_its_lists(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of 300 listings with 40 photos each is 502 to a key without any limit, where nested is not trusted."""
    monkeypatch.setattr("gateway.edge.joins._MAX_ROWS", 100)
    data = tables(
        Property=[listing(f"L{n}") for n in range(10)], Media=[photo(f"L{n}", m) for n in range(10) for m in range(11)]
    )

    (answer,) = await asked(directory, data, ["Property?$select=City&$expand=Media"], trusted=UNTRUSTED)

    assert answer.status == 200


@pytest.mark.channel("C288")
@pytest.mark.guarantee("G1", "G4")
async def test_a_scan_whose_second_reads_are_many_is_a_short_page(directory: Path) -> None:
    """20 scan requests are allowed, each with its parents and whole photo lists; 200 in all are a 502."""

    def data(photos: int) -> Tables:
        media = [photo(f"L{n:02}", m, key=f"{m:02}-{n:02}") for n in range(40) for m in range(photos)]
        return tables(Property=[listing(f"L{n:02}") for n in range(40)], Media=media)

    settings = {"requests": {"page_size": 100}}
    one, two = await pair(
        directory, data(1), data(12), "Media?$select=Order", "limited", Habits(page=2), limit=1, settings=settings
    )

    assert two.status == one.status


# --- counts and windows ---------------------------------------------------------------------------------------------


@pytest.mark.channel("C289", "C338", "C360", "C371")
@pytest.mark.guarantee("G1")
@pytest.mark.parametrize(
    "target",
    [
        "Property/$count?$filter=ListingKey eq 'L1' or ListPrice gt {}",
        "Property?$filter=ListingKey eq 'L1' or ListPrice gt {}&$count=true&$top=0",
        "Property?$filter=ListingKey in ('L1','L2') or ListPrice gt {}&$skip=1&$top=1&$orderby=ListingKey",
    ],
)
async def test_rows_with_a_null_list_are_not_counted(directory: Path, target: str) -> None:
    """`all` of a null list is true to an honest upstream (NOT EXISTS) and unknown here. No record comes that could show
    it, so each question is one bit about the price of a withheld row, for ever; the probe finds nothing either."""
    role = {**ROLE, "Property": {**ROLE["Property"], "Filter": "not SyndicateTo/any(s:s eq 'ListHub')"}}
    withheld = "L0" if "$skip" in target else "L3"  # not the row that comes back
    rows = [listing("L1"), listing("L2"), listing(withheld, SyndicateTo=None, ListPrice=777_777)]
    data = tables(Property=rows)

    low, high = await asked(directory, data, [target.format(price) for price in (777_776, 777_777)], role=role)

    assert low.body == high.body


@pytest.mark.channel("C289", "C360")
@pytest.mark.guarantee("G1")
@pytest.mark.parametrize(
    "rule",
    [
        "StandardStatus eq 'Active' and ListAgentKey eq @MemberKey",
        "SyndicateTo/any(s:s eq 'ListHub')",
        "contains(City,'Spring')",
        "tolower(City) eq 'spring'",
    ],
)
def test_every_string_of_a_rule_is_probed(rule: str) -> None:
    """A binding beside it silences every probe of a rule; strings in lambdas and functions are never asked about."""
    now = Timestamp(datetime(2026, 1, 1, tzinfo=UTC))
    compiled = policy(role_of({"Property": {"Filter": rule, "Fields": {"All": {"Visible": ["City"]}}}}))

    assert any(probe.holds != FALSE for probe in probes([compiled], TRUSTING, now))


# --- what is withheld, or no record at all, takes the place of what is permitted -------------------------------------


@pytest.mark.channel("C293", "C315")
@pytest.mark.guarantee("G1")
@pytest.mark.parametrize("trusted", [UNTRUSTED, {"paging": "next_link"}])
async def test_withheld_rows_do_not_use_up_a_read_by_key(directory: Path, trusted: dict[str, Any]) -> None:
    """Three batches are read, then it is 404; on an upstream that ignores $filter the row is behind withheld ones."""
    one = tables(Property=[listing("L500")])
    two = tables(Property=[*(listing(f"L{n:03}", StandardStatus="Closed") for n in range(120)), listing("L500")])
    habits = Habits(ignores=frozenset({"filter"}), page=20)

    first, second = await pair(directory, one, two, "Property('L500')?$select=City", habits=habits, trusted=trusted)

    assert second == first


@pytest.mark.channel("C276", "C293")
@pytest.mark.guarantee("G1")
@pytest.mark.parametrize("target", ["OpenHouse('H1')", "OpenHouse?$filter=OpenHouseKey eq 'H1'"])
async def test_a_withheld_row_of_the_same_key_hides_nothing(directory: Path, target: str) -> None:
    """The first row of a key is kept, and only then its parent is looked for."""
    one = tables(Property=[listing("L1"), listing("L2", StandardStatus="Closed")], OpenHouse=[house("H1", "L1")])
    two = {**one, "OpenHouse": [house("H1", "L2"), house("H1", "L1")]}

    first, second = await pair(directory, one, two, target)

    assert second == first


@pytest.mark.channel("C174", "C315")
@pytest.mark.guarantee("G1")
@pytest.mark.parametrize("target", ["Property('L00')", "Property?$top=1", "Property?$select=ListingKey"])
@pytest.mark.parametrize("trusted", [UNTRUSTED, profile()])
async def test_entries_that_are_no_records_take_no_place(directory: Path, target: str, trusted: dict[str, Any]) -> None:
    """Each is counted as a row that $top and $skip know of: permitted rows fall out behind it, also in a walk."""
    data = tables(Property=[listing(f"L{n:02}") for n in range(30)])
    found: list[list[Row]] = []
    for entries in (0, 1):
        async with modelled(directory / str(entries), data, trusted=trusted) as (gateway, model):
            gateway.service.trust.lose(["comparisons"], "Property", "known")
            honest = model._collection

            def with_entries(
                name: str, options: dict[str, str], honest: Any = honest, entries: int = entries
            ) -> tuple[dict[str, Any], str | None]:
                body, link = honest(name, options)
                body["value"][:0] = [{"@removed": {"reason": "deleted"}}] * entries
                return body, link

            model._collection = with_entries  # type: ignore[method-assign]  # a habit of this test alone
            if "(" in target:
                answer = await gateway.get(target, "k")
                found.append([{"status": answer.status, **answer.json()}])
            else:
                found.append((await every_page(gateway, target))[0])

    assert found[1] == found[0]


# --- references that no second read can carry ------------------------------------------------------------------------


@pytest.mark.channel("C188", "C315")
@pytest.mark.guarantee("G1")
async def test_a_withheld_row_with_a_long_reference_decides_nothing(directory: Path) -> None:
    """One row without a parent, whose reference is longer than a request may be, is 502 to every scan of its set."""
    one = tables(Property=[listing("L1")], OpenHouse=[house("H1", "L1")])
    two = {**one, "OpenHouse": [house("H1", "L1"), house("H2", "x" * 3000)]}
    limits: dict[str, Any] = {"habits": Habits(url_max=2500), "trusted": profile(url_max=2500)}

    first, second = await pair(directory, one, two, "OpenHouse?$select=OpenHouseKey", **limits)

    assert second == first


@pytest.mark.channel("C188")
@pytest.mark.guarantee("G1")
async def test_a_long_hidden_reference_decides_nothing(directory: Path) -> None:
    """ListAgentKey is hidden, and leads nowhere in both."""
    one, two = (tables(Property=[listing("L1", ListAgentKey=text)]) for text in ("A9", "x" * 3000))
    limits: dict[str, Any] = {"habits": Habits(url_max=2500), "trusted": profile(url_max=2500)}

    first, second = await pair(directory, one, two, "Property?$select=City&$expand=ListAgent", **limits)

    assert second == first


# --- a parent's rule that is false ----------------------------------------------------------------------------------


@pytest.mark.channel("C259", "C334")
@pytest.mark.guarantee("G1")
@pytest.mark.parametrize("target", ["OpenHouse", "Media"])
async def test_parents_that_no_row_can_be_are_not_asked_for(directory: Path, target: str) -> None:
    """A missing binding denies all listings. Asked for all the same, on an upstream that ignores $filter, they blame no
    kind of trust, so every request is 502, for ever; and a bare `false` goes to the upstream."""
    role = {**ROLE, "Property": {**ROLE["Property"], "Filter": "ListAgentKey eq @MemberKey"}}
    one = tables(OpenHouse=[house("H1", "L1")], Media=[photo("L1", 1)])
    two = {**one, "Property": [listing("L1", ListAgentKey="A1")]}
    habits = Habits(ignores=frozenset({"filter"}))

    first, second = await pair(directory, one, two, target, habits=habits, role=role)

    assert second == first


# --- walks ------------------------------------------------------------------------------------------------------------

HEADER = profile(paging="link_header", order_exact={"Property": ["ListingKey"]})


@pytest.mark.channel("C96", "C361")
@pytest.mark.guarantee("G4")
async def test_a_keyset_walk_reads_links_in_headers(directory: Path) -> None:
    """A page shorter than asked is taken for the last: 4 of 25 rows are answered, without a link."""
    data = tables(Property=[listing(f"L{n:02}") for n in range(25)])
    async with modelled(directory, data, Habits(page=4, paging="link_header"), trusted=HEADER) as (gateway, _):
        rows, _ = await every_page(gateway, "Property?$select=ListingKey")

    assert [row["ListingKey"] for row in rows] == [f"L{n:02}" for n in range(25)]


@pytest.mark.channel("C86", "C87")
@pytest.mark.guarantee("G1")
async def test_withheld_rows_take_no_place_in_a_keyset_walk(directory: Path) -> None:
    one = tables(Property=[listing(f"L{n:02}") for n in range(4)])
    two = tables(Property=[*(listing(f"K{n}", StandardStatus="ACTIVE") for n in range(3)), *one["Property"]])
    habits = Habits(page=4, paging="link_header", equality="fold")
    trusted = {**HEADER, "string_equality": "untrusted"}

    first, second = await pair(directory, one, two, "Property?$select=ListingKey", habits=habits, trusted=trusted)

    assert second == first


@pytest.mark.channel("C86", "C293", "C315")
@pytest.mark.guarantee("G1")
@pytest.mark.parametrize(
    "target", ["Property('L1')?$select=City", "Property('L1')/Media", "Property?$select=ListingKey"]
)
async def test_an_upstream_that_pages_by_links_is_not_asked_to_skip(directory: Path, target: str) -> None:
    """Refills by key and by keyset say $skip; they are needed only where withheld rows came."""
    trusted = {**FOLDING, "paging": "next_link", "order_exact": {"Property": ["ListingKey"]}}
    one = tables(Property=[listing("L1")])
    twins = [listing(f"K{n:02}", StandardStatus="ACTIVE") for n in range(30)] + [listing("l1", StandardStatus="ACTIVE")]
    two = tables(Property=[*twins, listing("L1")])

    first, second = await pair(directory, one, two, target, habits=Habits(skip_max=0, equality="fold"), trusted=trusted)

    assert second == first


@pytest.mark.channel("C86", "C315")
@pytest.mark.guarantee("G1")
async def test_withheld_rows_do_not_use_up_the_skip_of_the_upstream(directory: Path) -> None:
    """``skip_max`` is declared, kept for the client's own $skip, and forgotten when the walk goes on."""
    one = tables(Property=[listing(f"L{n:02}") for n in range(15)])
    two = tables(Property=[*(listing(f"K{n:02}", StandardStatus="ACTIVE") for n in range(30)), *one["Property"]])
    habits = Habits(skip_max=20, page=8, equality="fold")

    first, second = await pair(
        directory, one, two, "Property?$select=ListingKey", habits=habits, trusted={**FOLDING, "skip_max": 20}
    )

    assert second.status == first.status


@pytest.mark.guarantee("G4")
async def test_a_walk_goes_on_behind_the_skip_that_the_upstream_takes(directory: Path) -> None:
    data = tables(Property=[listing(f"L{n:02}") for n in range(45)])
    async with modelled(directory, data, Habits(skip_max=20), trusted=profile(skip_max=20)) as (gateway, _):
        first = await gateway.get("Property?$select=ListingKey", "k")
        second = await gateway.follow(first, "k")
        third = await gateway.follow(second, "k")
        fourth = await gateway.follow(third, "k")

    assert [answer.status for answer in (first, second, third, fourth)] == [200] * 4


@pytest.mark.channel("C288")
@pytest.mark.guarantee("G4", "G6")
async def test_a_large_skip_over_linked_pages_is_answered(directory: Path) -> None:
    """It costs one upstream request for each page that is passed over: the deadline alone bounds that, since how many
    rows a page has may hang on rows that are withheld."""
    data = tables(Property=[listing(f"L{n:04}") for n in range(250)])
    async with modelled(directory, data, Habits(page=1), trusted=profile(paging="next_link")) as (gateway, model):
        answer = await gateway.get("Property?$select=ListingKey&$skip=240&$top=1", "k")
        requests = len(model.requests)

    assert [row["ListingKey"] for row in answer.rows] == ["L0240"]
    assert requests == 241


@pytest.mark.channel("C291")
async def test_a_keyset_walk_that_does_not_move_ends(directory: Path) -> None:
    """The upstream takes no notice of where to go on: every page is the first one, with the same link, for ever."""
    data = tables(Property=[listing(f"L{n:02}") for n in range(30)])
    trusted = profile(order_exact={"Property": ["ListingKey"]})
    async with modelled(directory, data, Habits(ignores=frozenset({"filter"})), trusted=trusted) as (gateway, _):
        answer = await gateway.get("Property?$select=ListingKey", "k")
        for _ in range(5):
            if answer.status == 200:
                answer = await gateway.follow(answer, "k")

    assert answer.status == 502
