"""Links of upstreams that repeat the whole question."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.edge.cursors import lengthened, shortened
from tests.model_upstream import Habits
from tests.modelled import every_page, listing, modelled, profile, tables

QUESTION = "$filter=(City%20eq%20'A%2BB')%20and%20(ListPrice%20gt%205)&$select=City,ListingKey&$orderby=ListingKey"


@pytest.mark.parametrize(
    ("link", "cursor"),
    [
        ("$skiptoken=7", "$skiptoken=7"),
        (f"{QUESTION}&$skiptoken=7", "=$filter&=$select&=$orderby&$skiptoken=7"),
        (
            "%24select=City%2CListingKey&%24skiptoken=7&%24filter=(City+eq+%27A%2BB%27)+and+(ListPrice+gt+5)&%24count=true",
            "=$select&%24skiptoken=7&=$filter&%24count=true",
        ),
        ("$filter=other&$select=City,ListingKey&$skip=5", "$filter=other&=$select&$skip=5"),
        ("$orderby=ListingKey%20desc", "$orderby=ListingKey%20desc"),
    ],
)
def test_what_a_link_repeats_is_left_out(link: str, cursor: str) -> None:
    assert shortened(link, QUESTION) == cursor


def test_what_was_left_out_is_put_in_as_we_ask_it() -> None:
    cursor = shortened(f"%24skiptoken=7&%24select=City%2CListingKey&{QUESTION.partition('&')[0]}", QUESTION)

    assert lengthened(cursor, QUESTION) == f"%24skiptoken=7&$select=City,ListingKey&{QUESTION.partition('&')[0]}"


def test_what_is_not_asked_any_more_is_not_put_in() -> None:
    assert lengthened("=$filter&$skiptoken=7", "$select=City") == "$skiptoken=7"


def test_an_option_that_only_looks_left_out_stays_what_it_is() -> None:
    assert shortened("=$filter=x&$skiptoken=7", QUESTION) == "=$filter=x&$skiptoken=7"


@pytest.mark.guarantee("G4")
@pytest.mark.channel("C292")
@pytest.mark.parametrize("paging", ["next_link", "link_header"])
async def test_pages_of_long_questions_go_on(directory: Path, paging: str) -> None:
    """The filter alone is longer than any place of an upstream's that fits a link."""
    rows = [listing(f"L{number:02d}") for number in range(25)]
    long = " or ".join(f"City eq 'City number {number}'" for number in range(60)) + " or City eq 'X'"
    async with modelled(
        directory, tables(Property=rows), Habits(page=4, paging=paging), trusted=profile(paging=paging)  # type: ignore[arg-type]  # one of its words
    ) as (gateway, model):  # fmt: skip
        found, pages = await every_page(gateway, f"Property?$filter={long}&$select=ListingKey")

    assert [row["ListingKey"] for row in found] == [f"L{number:02d}" for number in range(25)]
    assert len(pages) == 3
    assert all(options["$filter"] == model.asked[0][1]["$filter"] for _, options in model.asked)
