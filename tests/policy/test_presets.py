"""Each preset in front of a fake that behaves like the vendor: the same rows, without one request that it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.policy.presets import PRESETS
from gateway.policy.profile import TRUSTS, Profile
from tests.model_upstream import Habits
from tests.modelled import ROLE, every_page, house, listing, member, modelled, office, photo, tables

SYSTEM = "OriginatingSystemName eq 'actris'"
VENDORS: dict[str, tuple[Habits, dict[str, Any]]] = {
    "spark": (Habits(page=25, ignores=frozenset({"nested"})), {}),
    "bridge": (Habits(page=200, nested_cut=10, nested_count="missing", skip_max=10_000), {}),
    "trestle": (
        Habits(page=1000, unfilterable={"Property": ("MlsStatus", "InternetEntireListingDisplayYN", "DaysOnMarket"),
                                        "Media": ("MediaCategory", "Permission")}, nulls="sql"),
        {},
    ),
    "mls_grid": (
        Habits(page=30, or_max=5, gzip_only=True, ignores=frozenset({"nested"}), nested_cut=5,
               unfilterable={"Property": ("City", "ListPrice", "InternetEntireListingDisplayYN", "SyndicateTo")},
               mandatory={"Property": SYSTEM, "Media": SYSTEM, "Member": SYSTEM, "Office": SYSTEM, "OpenHouse": SYSTEM}),
        {"mandatory_filter": dict.fromkeys(("Property", "Media", "Member", "Office", "OpenHouse"), SYSTEM)},
    ),
    "utah": (Habits(page=200), {}),
    "rmls": (Habits(), {}),
    "crmls": (Habits(page=100, paging="next_link"), {}),
    "amplify": (Habits(page=1000), {}),
    "reso_reference": (Habits(page=50, ignores=frozenset({"nested"}), equality="fold"), {}),
}  # fmt: skip
NAMED: dict[str, Any] = {
    **ROLE,
    "Property": {**ROLE["Property"], "Filter": "StandardStatus eq 'Active' and InternetEntireListingDisplayYN eq true"},
}


def data() -> Any:
    rows = [
        listing(f"L{n:03}", StandardStatus=["Active", "Closed"][n % 4 == 3], InternetEntireListingDisplayYN=[True, None][n % 7 == 6],
                ListAgentKey=f"A{n % 3}", ListOfficeKey="O1", City=["X", "Y", None][n % 3], OriginatingSystemName="actris")
        for n in range(70)
    ]  # fmt: skip
    photos = [
        photo(row["ListingKey"], str(order), OriginatingSystemName="actris")
        for row in rows[:20]
        for order in (10, 2, 1, *range(11, 22))
    ]
    people = [
        member(f"A{n}", OriginatingSystemName="actris", MemberStatus=["Active", "Inactive"][n == 2]) for n in range(3)
    ]
    return tables(
        Property=rows, Media=photos, Member=people, Office=[office("O1", OriginatingSystemName="actris")],
        OpenHouse=[house(f"H{n}", f"L{n:03}", OriginatingSystemName="actris") for n in range(20)],
    )  # fmt: skip


@pytest.mark.channel("C82", "C141", "C281", "C354", "C356")
@pytest.mark.guarantee("G4")
@pytest.mark.parametrize("name", PRESETS)
async def test_a_vendors_habits_change_no_row(directory: Path, name: str) -> None:
    habits, more = VENDORS[name]
    visible = [
        row["ListingKey"]
        for row in data()["Property"]
        if row["StandardStatus"] == "Active" and row["InternetEntireListingDisplayYN"]
    ]
    settings = {"upstream": {"probe": True}}
    # One vendor cannot search open houses by their listing, and brings them along with none.
    beside = "" if name == "mls_grid" else ",OpenHouse($select=OpenHouseKey)"
    async with modelled(directory, data(), habits, role=NAMED, trusted={"preset": name, **more}, settings=settings) as (
        gateway,
        _,
    ):
        walked, _ = await every_page(gateway, "Property?$select=ListingKey")
        expanded = await gateway.get(
            f"Property?$select=ListingKey&$expand=Media($select=Order),ListAgent($select=MemberFullName){beside}&$top=8",
            "limited",
        )
        single = await gateway.get("Property('L001')/Media?$select=Order", "limited")
        hidden = [(await gateway.get(f"Property('{key}')", "k")).status for key in ("L003", "L006", "nope")]
        houses, _ = await every_page(gateway, "OpenHouse?$select=OpenHouseKey")
        refused = [event.detail for event in gateway.handled if event.status >= 500]

    assert [row["ListingKey"] for row in walked] == visible
    assert [row["Order"] for row in expanded.rows[1]["Media"]] == [1, 2] == [row["Order"] for row in single.rows]
    assert [row["ListAgent"] and row["ListAgent"]["MemberFullName"] for row in expanded.rows[:3]] == [
        "Name A0",
        "Name A1",
        None,
    ]
    assert [len(row["OpenHouse"]) for row in expanded.rows if beside] == [1] * 8 * bool(beside)
    assert hidden == [404, 404, 404]
    assert len(houses) == len([key for key in visible if key < "L020"])
    assert refused == []


def test_what_is_said_lies_on_top_of_the_preset_and_nothing_is_trusted_by_name() -> None:
    for name in PRESETS:
        profile = Profile(preset=name)
        assert not [kind for kind in TRUSTS if profile.trusts_kind(kind, "Property")]
    assert Profile(preset="bridge").skip_max == 10_000
    assert Profile(preset="bridge", skip_max=5).skip_max == 5
    with pytest.raises(ValidationError, match="is no preset; known are amplify, bridge"):
        Profile(preset="acme")
