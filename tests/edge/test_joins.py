"""Second reads: rows exist where their parent does, photos are ranked over complete lists, and no way round by $expand."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest

from gateway.sandbox.rows import Row, Tables, metadata_document
from tests.model_upstream import Habits
from tests.modelled import ROLE, every_page, house, listing, member, modelled, office, photo, profile, tables
from tests.support import Answer

#: L1 and L3 are visible, L2 is not; photos of each, of a visible and of an invisible member, and of nobody.
PHOTOS: list[Row] = [
    *(photo("L1", n) for n in (3, 1, 2, 5, 4)),
    *(photo("L2", n) for n in (1, 2, 3)),
    *(photo("L3", n) for n in (2, 1)),
    photo("L3", 9, MediaCategory="Document"),
    photo("A1", 1, ResourceName="Member"),
    photo("A2", 1, ResourceName="Member"),
    photo("L1", 7, key="odd-1", ResourceName="Nobody"),
    photo("L1", 8, key="odd-2", ResourceName=None),
    photo("gone", 1, key="odd-3"),
    photo("L1", 9, key="odd-4", ResourceRecordKey=None),
]
DATA = tables(
    Property=[
        listing("L1", ListAgentKey="A1", ListOfficeKey="O1", PhotosCount=5),
        listing("L2", StandardStatus="Closed", ListAgentKey="A1", City="canary"),
        listing("L3", ListAgentKey="A2", PhotosCount=2),
    ],
    Media=PHOTOS,
    Member=[member("A1", OfficeKey="O1"), member("A2", MemberStatus="Inactive", MemberFullName="canary")],
    Office=[office("O1", MainOfficeKey="O2"), office("O2", MainOfficeKey="O1")],
    OpenHouse=[
        house("H1", "L1"),
        house("H2", "L2", OpenHouseDate="2025-01-13"),
        house("H3", "L3"),
        house("H4", "gone"),
    ],
)
LIMITED = ["L1-1", "L1-2", "L3-1", "L3-2", "L3-9", "A1-1"]
WHOLE = ["L1-1", "L1-2", "L1-3", "L1-4", "L1-5", "L3-1", "L3-2", "L3-9", "A1-1"]

DISHONEST = [
    Habits(),
    Habits(nested_cut=2),
    Habits(nested_cut=2, nested_count="arrived"),
    Habits(nested_cut=10, nested_count="missing"),
    Habits(nested_count="doubled"),
    Habits(foreign_children=True),
    Habits(ignores=frozenset({"nested"})),
    Habits(ignores=frozenset({"filter"})),
    Habits(shuffled=3, page=2),
    Habits(equality="fold_pad"),
    Habits(foreign_children=True, nested_cut=3, nested_count="arrived", shuffled=5),
]


def keys(rows: list[Row]) -> list[str]:
    return [row["MediaKey"] for row in rows]


@pytest.mark.guarantee("G4")
async def test_lists_that_the_upstream_cannot_be_asked_for_are_not_offered(directory: Path) -> None:
    """The profile says that it cannot filter by the field that ties them: so no request is sent that it would refuse."""
    answers = []
    for number, nested in enumerate(("untrusted", "exact")):
        trusted = profile(nested=nested, unfilterable={"OpenHouse": ["ListingKey"]})
        async with modelled(directory / str(number), DATA, trusted=trusted) as (gateway, _):
            for target in ("Property?$expand=OpenHouse", "Property('L1')/OpenHouse"):
                answers.append((await gateway.get(target, "k")).status)

    assert answers == [501, 501, 200, 200]


@pytest.mark.channel("C36", "C222", "C330", "C331", "C333", "C334", "C336")
@pytest.mark.guarantee("G1", "G4")
@pytest.mark.parametrize("trusted", [profile(), profile(nested="untrusted"), {}])
@pytest.mark.parametrize(("key", "expected"), [("k", WHOLE), ("limited", LIMITED)])
async def test_every_way_to_media_leads_to_the_same_photos(
    directory: Path, trusted: dict[str, Any], key: str, expected: list[str]
) -> None:
    of_l1 = [name for name in expected if name.startswith("L1")]
    async with modelled(directory, DATA, trusted=trusted) as (gateway, _):
        scanned, _ = await every_page(gateway, "Media?$select=MediaKey", key)
        pinned = await gateway.get("Media?$filter=ResourceRecordKey eq 'L1'&$select=MediaKey&$orderby=Order", key)
        several = await gateway.get("Media?$filter=ResourceRecordKey in ('L1','L2','L3','A2')&$count=true&$top=0", key)
        number = await gateway.get("Media/$count?$filter=ResourceRecordKey eq 'L1'", key)
        below = await gateway.get("Property('L1')/Media?$select=MediaKey", key)
        counted = await gateway.get("Property('L1')/Media/$count", key)
        inside = await gateway.get(
            "Property?$select=City&$expand=Media($select=MediaKey)&$filter=ListingKey eq 'L1'", key
        )
        single = {name: (await gateway.get(f"Media('{name}')", key)).status for name in keys(PHOTOS)}
        later = await gateway.get("Media?$filter=ResourceRecordKey eq 'L1' and Order gt 2&$select=MediaKey", key)
        skipped = await gateway.get(
            "Media?$filter=ResourceRecordKey eq 'L1'&$skip=1&$orderby=Order desc&$select=MediaKey", key
        )

    assert sorted(keys(scanned)) == sorted(expected)
    assert keys(pinned.rows) == keys(below.rows) == keys(inside.rows[0]["Media"]) == of_l1
    assert several.json()["@odata.count"] == len([name for name in expected if not name.startswith("A")])
    assert int(number.body) == int(counted.body) == len(of_l1)
    assert {name for name, status in single.items() if status == 200} == set(expected)
    assert keys(later.rows) == [name for name in of_l1 if name > "L1-2"]
    assert keys(skipped.rows) == list(reversed(of_l1))[1:]


@pytest.mark.channel("C10", "C15", "C23", "C275", "C276", "C315", "C356", "C357", "C358")
@pytest.mark.guarantee("G1", "G4")
@pytest.mark.parametrize("habits", DISHONEST)
@pytest.mark.parametrize("key", ["k", "limited"])
async def test_upstreams_that_do_nested_lists_otherwise_give_the_same_bytes(
    directory: Path, habits: Habits, key: str
) -> None:
    targets = [
        "Property?$select=City&$expand=Media($select=Order)",
        "Property?$select=City&$expand=Media($filter=Order gt 1;$orderby=Order desc;$top=2;$count=true;$select=Order),OpenHouse",
        "Property('L1')/Media?$select=Order&$count=true",
        "Property('L3')/Media/$count",
        "Property?$select=City&$expand=ListAgent($select=MemberFullName;$expand=Media),ListOffice",
        "OpenHouse?$select=OpenHouseKey&$expand=Listing($select=City;$expand=Media($select=Order))",
        "Member?$select=MemberFullName&$expand=Office($expand=MainOffice),Media",
    ]
    # A count that says that a cut list is whole is believed by those who declare that it may be.
    trusted = profile(nested="untrusted" if habits.nested_count == "arrived" else "exact")
    answers = []
    for number, chosen in enumerate((Habits(), habits)):
        async with modelled(directory / str(number), DATA, chosen, trusted=trusted) as (gateway, _):
            answers.append([await gateway.get(target, key) for target in targets])

    for target, honest, other in zip(targets, *answers, strict=True):
        assert honest.status == 200, target
        assert honest.body == other.body, target
        assert b"canary" not in honest.body


@pytest.mark.channel("C11", "C101")
async def test_a_target_that_does_not_exist_for_the_key_is_like_none(directory: Path) -> None:
    """By $expand, by a path, and by two hops."""
    other = copy.deepcopy(DATA)
    other["Member"] = other["Member"][:1]
    other["Member"].append(member("A3", MemberStatus="Inactive"))
    bodies = []
    for number, data in enumerate((DATA, other)):
        async with modelled(directory / str(number), data) as (gateway, _):
            bodies.append(
                [
                    await gateway.get("Property?$select=City&$expand=ListAgent($select=MemberFullName)", "k"),
                    await gateway.get("Property('L3')/ListAgent", "k"),
                    await gateway.get("Property('L1')/ListAgent?$select=MemberFullName", "k"),
                ]
            )

    assert bodies[0] == bodies[1]
    expanded, none, there = bodies[0]
    assert [row["ListAgent"] for row in expanded.rows] == [{"MemberFullName": "Name A1"}, None]
    assert (none.status, none.body) == (204, b"")
    assert there.json()["MemberFullName"] == "Name A1"


@pytest.mark.channel("C13", "C24", "C249")
async def test_no_circle_leads_to_a_hidden_row(directory: Path) -> None:
    """From a visible open house to its listing, from there to the agent: at each level the rule of that level."""
    target = "OpenHouse?$select=OpenHouseKey&$expand=Listing($select=City,ListPrice;$expand=ListAgent($select=MemberFullName;$expand=Office($select=OfficeName)))"
    land = copy.deepcopy(DATA)
    land["Property"][0]["PropertyType"] = "Land"
    async with modelled(directory / "1", DATA) as (gateway, _):
        answer = await gateway.get(target, "k")
        deeper = await gateway.get(target.replace("Office($select=OfficeName)", "Office($expand=MainOffice)"), "k")
    async with modelled(directory / "2", land) as (gateway, _):
        hidden = await gateway.get(target, "k")

    assert [row["OpenHouseKey"] for row in answer.rows] == ["H1", "H3"]
    assert answer.rows[0]["Listing"]["ListAgent"]["Office"] == {"OfficeName": "Office O1"}
    assert answer.rows[1]["Listing"]["ListAgent"] is None
    assert deeper.status == 501
    assert "ListPrice" in answer.rows[0]["Listing"]
    assert "ListPrice" not in hidden.rows[0]["Listing"]


@pytest.mark.channel("C222", "C289", "C334", "C354")
async def test_dependent_rows_are_exact_when_pinned_and_scanned_otherwise(directory: Path) -> None:
    async with modelled(directory, DATA) as (gateway, _):
        scanned = await gateway.get("OpenHouse?$select=OpenHouseKey", "k")
        hidden = await gateway.get("OpenHouse?$filter=ListingKey eq 'L2'&$count=true", "k")
        absent = await gateway.get("OpenHouse?$filter=ListingKey eq 'L9'&$count=true", "k")
        by_own_key = await gateway.get(
            "OpenHouse?$filter=OpenHouseKey in ('H1','H2')&$count=true&$select=OpenHouseKey", "k"
        )
        loose = await gateway.get("OpenHouse?$filter=OpenHouseDate eq 2025-01-13&$select=OpenHouseKey", "k")
        refused = [
            (await gateway.get(f"OpenHouse{rest}", "k")).status
            for rest in (
                "?$count=true",
                "?$skip=1",
                "/$count",
                "/$count?$filter=ListingKey eq 'L1' or ListingKey eq 'L2'",
            )
        ]
        single = [(await gateway.get(f"OpenHouse('{name}')", "k")) for name in ("H1", "H2", "H4", "nope")]
        nested = [await gateway.get(f"Property('{name}')/OpenHouse", "k") for name in ("L2", "L9")]

    assert [row["OpenHouseKey"] for row in scanned.rows] == ["H1", "H3"]
    assert hidden.body == absent.body
    assert (by_own_key.json()["@odata.count"], by_own_key.rows) == (1, [{"OpenHouseKey": "H1"}])
    assert loose.rows == []
    assert refused == [501] * 4
    assert [answer.status for answer in single] == [200, 404, 404, 404]
    assert single[1].body == single[2].body == single[3].body
    assert nested[0] == nested[1]


@pytest.mark.channel("C224", "C330", "C335")
async def test_changes_past_the_limit_change_no_byte(directory: Path) -> None:
    """Six photos or sixty, whatever is in them: every question about Media and its listing is answered alike."""
    role = {**ROLE, "Media": {**ROLE["Media"], "Filter": "MediaStatus eq 'Live'"}}
    more = copy.deepcopy(DATA)
    more["Media"] = [row for row in more["Media"] if row["MediaKey"] not in ("L1-3", "L1-4")]
    more["Media"] += [photo("L1", n, MediaURL="canary") for n in range(20, 70)]
    more["Media"] += [photo("L1", -n, key=f"private{n}", MediaStatus="Private", MediaURL="canary") for n in range(9)]
    more["Property"][0]["PhotosCount"] = 55
    targets = [
        "Media", "Media?$orderby=Order desc", "Media?$filter=Order gt 2", "Media?$filter=contains(MediaURL,'canary')",
        "Media?$filter=ResourceRecordKey eq 'L1'&$count=true&$orderby=Order desc", "Media/$count?$filter=ResourceRecordKey eq 'L1' and Order gt 2",
        "Property?$expand=Media($count=true)", "Property?$expand=Media($orderby=Order desc;$top=1)", "Property('L1')/Media/$count",
        "Property('L1')/Media?$skip=1", "Property?$filter=PhotosCount gt 2", "Media('private1')", "Media('L1-33')",
    ]  # fmt: skip
    answers: list[list[Any]] = []
    for number, data in enumerate((DATA, more)):
        async with modelled(directory / str(number), data, role=role, limit=2) as (gateway, _):
            answers.append([await gateway.get(target, "limited") for target in targets])

    for target, one, two in zip(targets, *answers, strict=True):
        assert one == two, target
        assert b"canary" not in one.body


@pytest.mark.channel("C332")
async def test_photos_in_several_sizes_count_once(directory: Path) -> None:
    sizes = [photo("L1", n, key=f"L1-{n}-{size}") for n in (3, 1, 2) for size in ("s", "l")]
    data: Tables = {**DATA, "Media": sizes}
    found = {}
    for photo_sizes in (False, True):
        async with modelled(directory / str(photo_sizes), data, trusted=profile(photo_sizes=photo_sizes)) as (
            gateway,
            _,
        ):
            found[photo_sizes] = keys((await gateway.get("Property('L1')/Media?$select=MediaKey", "limited")).rows)

    assert found == {False: ["L1-1-l", "L1-1-s"], True: ["L1-1-l", "L1-1-s", "L1-2-l", "L1-2-s"]}


@pytest.mark.channel("C222", "C331")
@pytest.mark.guarantee("G1")
@pytest.mark.parametrize("trusted", [profile(), profile(nested="untrusted"), {}])
async def test_a_photo_past_the_limit_is_not_shown_by_another_of_its_key(
    directory: Path, trusted: dict[str, Any]
) -> None:
    """One MediaKey names photos of two listings, or several rows of one: only its place in its own listing counts."""
    first = [
        photo("L3", 9, key="P1", MediaURL="canary"), photo("L3", 7, key="P1", MediaURL="canary"),
        photo("L1", 1, key="P1", MediaURL="seen"), photo("L3", 1, key="P2"), photo("L1", 2, key="P3", MediaURL="canary"),
        photo("L1", 8, key="P1", MediaURL="canary"), photo("L1", 8, key="P9", MediaCategory="Document"),
        photo("L1", 8, key="P9", MediaURL="canary"),
    ]  # fmt: skip
    second = [row for row in first if row["MediaURL"] != "canary"]
    targets = [
        "Media?$select=MediaKey,MediaURL", "Media?$select=MediaKey&$orderby=Order desc", "Media?$filter=MediaKey in ('P1','P9')&$count=true",
        "Media?$filter=Order eq 8", "Media('P1')", "Media('P9')", "Media?$filter=ResourceRecordKey eq 'L3'&$count=true",
        "Media?$filter=ResourceRecordKey eq 'L1'&$orderby=Order desc", "Property('L1')/Media", "Property('L3')/Media/$count",
        "Property?$select=City&$expand=Media($select=MediaURL;$count=true)", "Property?$expand=Media($orderby=Order desc;$top=1)",
    ]  # fmt: skip
    answers: list[list[Answer]] = []
    for number, data in enumerate((first, list(reversed(first)), second)):
        where = modelled(directory / str(number), {**DATA, "Media": data}, trusted=trusted, limit=1)
        async with where as (gateway, _):
            answers.append([await gateway.get(target, "limited") for target in targets])

    for target, *several in zip(targets, *answers, strict=True):
        assert several[0] == several[1] == several[2], target
        assert b"canary" not in several[0].body, target
    assert keys(answers[0][0].rows) == ["P1", "P2", "P9"]


@pytest.mark.channel("C222", "C331")
@pytest.mark.guarantee("G1", "G4")
@pytest.mark.parametrize("trusted", [profile(), profile(nested="untrusted"), {}])
async def test_rows_of_one_key_under_two_listings_are_two_rows(directory: Path, trusted: dict[str, Any]) -> None:
    """None of them takes the other's place: neither in the list of its listing, nor on a page."""
    shared = [photo(parent, 1, key="P1", MediaURL=f"of {parent}") for parent in ("L2", "L1", "L3")]
    data = {**DATA, "Media": [*shared, photo("L3", 2, key="P2"), photo("L3", 3, key="P3")]}
    async with modelled(directory, data, trusted=trusted, limit=1) as (gateway, _):
        below = [(await gateway.get(f"Property('{name}')/Media?$select=MediaURL", "limited")).rows for name in ("L1", "L3")]  # fmt: skip
        expanded = await gateway.get("Property?$select=ListingKey&$expand=Media($select=MediaURL)", "limited")
        every, _ = await every_page(gateway, "Media?$select=MediaURL", "limited")
        pinned = await gateway.get("Media?$filter=MediaKey eq 'P1'&$count=true&$select=MediaURL", "limited")

    assert below == [[{"MediaURL": "of L1"}], [{"MediaURL": "of L3"}]]
    assert [row["Media"] for row in expanded.rows] == below
    assert sorted(row["MediaURL"] for row in every) == ["of L1", "of L3"]
    assert pinned.json()["@odata.count"] == 2


@pytest.mark.channel("C222", "C291")
@pytest.mark.guarantee("G1")
async def test_a_page_goes_on_behind_the_row_that_was_shown(directory: Path) -> None:
    """Another row of its key, which is past the limit, stands elsewhere in the order of the upstream."""
    seen = [photo("L1", 1, key="P5"), photo("L3", 1, key="P4"), photo("L3", 1, key="P6", ResourceName="Member", ResourceRecordKey="A1")]  # fmt: skip
    answers = []
    for number, more in enumerate(([], [photo("L3", 2, key="P5", MediaURL="A")])):
        data = {**DATA, "Media": [*more, *seen]}
        settings = {"requests": {"page_size": 2}}
        async with modelled(directory / str(number), data, limit=1, trusted={}, settings=settings) as (gateway, _):
            rows, pages = await every_page(gateway, "Media?$select=MediaKey&$orderby=MediaCategory", "limited")
            answers.append((rows, len(pages)))

    assert keys(answers[0][0]) == ["P4", "P5", "P6"]
    assert answers[0] == answers[1]


@pytest.mark.channel("C331")
async def test_orders_that_are_text_are_ranked_as_numbers(directory: Path) -> None:
    rows = [photo("L1", order, key=f"M{order}") for order in ("1", "10", "2", "x", "")]
    async with modelled(directory, {**DATA, "Media": rows}, limit=2) as (gateway, _):
        answer = await gateway.get("Property('L1')/Media?$select=MediaKey", "limited")

    assert keys(answer.rows) == ["M1", "M2"]


@pytest.mark.channel("C276")
async def test_rows_that_a_second_read_was_not_asked_for_are_as_if_not_sent(directory: Path) -> None:
    """The upstream answers every read of members with all of them, twice."""
    data = {
        **DATA,
        "Member": [*DATA["Member"], member("A7", MemberFullName="canary"), member("A1", MemberFullName="canary")],
    }
    async with modelled(directory, data, Habits(ignores=frozenset({"filter"}))) as (gateway, _):
        answer = await gateway.get("Property?$select=City&$expand=ListAgent($select=MemberFullName)", "k")

    assert [row["ListAgent"] for row in answer.rows] == [{"MemberFullName": "Name A1"}, None]


@pytest.mark.channel("C71")
async def test_a_list_that_is_read_to_its_end_does_not_show_in_which_order_it_is_stored(directory: Path) -> None:
    """The upstream takes no notice of the order that it is asked for."""
    answers = []
    for number, order in enumerate(((1, 2, 3), (3, 1, 2))):
        data = tables(Property=[listing("L1")], OpenHouse=[house(f"H{n}", "L1") for n in order])
        async with modelled(directory / str(number), data, Habits(ignores=frozenset({"orderby"}))) as (gateway, _):
            answers.append(await gateway.get("OpenHouse?$filter=ListingKey eq 'L1'&$select=OpenHouseKey", "k"))

    assert [row["OpenHouseKey"] for row in answers[0].rows] == ["H1", "H2", "H3"]
    assert answers[0] == answers[1]


@pytest.mark.channel("C276")
async def test_rows_of_a_second_read_are_there_once_and_below_their_own_record(directory: Path) -> None:
    """The upstream answers every read with all rows, some twice; a member has the key of a listing."""
    data = tables(
        Property=[listing("L1")],
        Media=[photo("L1", 1), photo("L1", 1), photo("L1", 2, key="M2", ResourceName="Member"), photo("L9", 3)],
        OpenHouse=[house("H1", "L1"), house("H1", "L1"), house("H9", "L9")],
    )
    async with modelled(directory, data, Habits(ignores=frozenset({"filter"})), trusted=profile(nested="untrusted")) as (gateway, _):  # fmt: skip
        answer = await gateway.get(
            "Property?$select=City&$expand=Media($select=MediaKey),OpenHouse($select=OpenHouseKey)", "k"
        )

    assert answer.rows == [{"City": "X", "Media": [{"MediaKey": "L1-1"}], "OpenHouse": [{"OpenHouseKey": "H1"}]}]


@pytest.mark.channel("C276")
@pytest.mark.guarantee("G4")
async def test_rows_of_a_list_that_is_read_to_its_end_are_there_once(directory: Path) -> None:
    data = tables(Property=[listing("L1")], OpenHouse=[house("H1", "L1"), house("H2", "L1"), house("H1", "L1")])
    async with modelled(directory, data) as (gateway, _):
        shown = await gateway.get("OpenHouse?$filter=ListingKey eq 'L1'&$select=OpenHouseKey&$count=true", "k")
        counted = await gateway.get("OpenHouse/$count?$filter=ListingKey eq 'L1'", "k")

    assert [row["OpenHouseKey"] for row in shown.rows] == ["H1", "H2"]
    assert shown.json()["@odata.count"] == int(counted.body) == 2


@pytest.mark.channel("C276")
async def test_rows_that_a_second_read_was_not_asked_for_make_no_list_too_long(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many photos a withheld listing has decides no status."""
    monkeypatch.setattr("gateway.edge.joins._MAX_ROWS", 3)
    data = tables(Property=[listing("L1")], Media=[photo("L1", 1), *(photo("L9", order) for order in range(5))])
    async with modelled(directory, data, Habits(ignores=frozenset({"filter"})), trusted=profile(nested="untrusted")) as (gateway, _):  # fmt: skip
        answer = await gateway.get("Property?$select=City&$expand=Media($select=MediaKey)", "k")

    assert answer.status == 200
    assert answer.rows == [{"City": "X", "Media": [{"MediaKey": "L1-1"}]}]


@pytest.mark.channel("C353")
async def test_second_reads_are_batched_over_the_page(directory: Path) -> None:
    rows = [listing(f"L{n:03}", ListAgentKey=f"A{n % 70}") for n in range(140)]
    data = tables(Property=rows, Member=[member(f"A{n}") for n in range(70)])
    settings = {"requests": {"page_size": 140}}
    async with modelled(directory, data, settings=settings) as (gateway, model):
        answer = await gateway.get("Property?$select=City&$expand=ListAgent($select=MemberFullName)", "k")
        reads = [name for name, _ in model.asked]

    assert len(answer.rows) == 140
    assert all(row["ListAgent"] for row in answer.rows)
    assert reads == ["Property", "Member", "Member"]


def embedding_document() -> str:
    """The sandbox's model with Media as a list of values inside Property, as some servers have it."""
    document = metadata_document().decode()
    start, end = (
        document.index('<EntityType Name="Media">'),
        document.index("</EntityType>", document.index('<EntityType Name="Media">')),
    )
    media = document[start:end]
    document = document.replace(
        media + "</EntityType>",
        re.sub(r"<Key>.*?</Key>", "", media.replace("EntityType", "ComplexType"), flags=re.DOTALL) + "</ComplexType>",
    )
    document = document.replace(
        '<NavigationProperty Name="Media" Type="Collection(Sandbox.Media)"/>',
        '<Property Name="Media" Type="Collection(Sandbox.Media)"/>',
    )
    document = re.sub(r'<NavigationPropertyBinding Path="Media" Target="Media"/>', "", document)
    return re.sub(r'<EntitySet Name="Media" EntityType="Sandbox.Media">\s*</EntitySet>', "", document)


@pytest.mark.channel("C10", "C198", "C222", "C337")
@pytest.mark.parametrize("limit", [1, 3])
async def test_media_that_are_part_of_the_listing_are_under_the_same_rules(directory: Path, limit: int) -> None:
    """A server that gives them by $select, as structured values, without a set of their own."""
    document = embedding_document()
    role = {
        **ROLE,
        "Media": {"Filter": "MediaStatus eq 'Live'", "Fields": {"All": {"Visible": ["Order"]}}},
        "Member": {"Fields": {"All": {"Visible": ["MemberFullName"]}}},
    }
    data = copy.deepcopy(DATA)
    data["Media"].append(photo("L1", 0, MediaStatus="Private"))
    trusted = profile(embedded={"Property": ["Media"]}, nested="untrusted")
    async with modelled(
        directory,
        data,
        Habits(embeds=frozenset({"Media"}), shuffled=4),
        role=role,
        trusted=trusted,
        limit=limit,
        metadata=document.encode(),
    ) as (gateway, model):
        expanded = await gateway.get("Property?$select=City&$expand=Media($select=Order;$count=true)", "limited")
        below = await gateway.get("Property('L1')/Media?$orderby=Order desc&$select=Order", "limited")
        number = await gateway.get("Property('L1')/Media/$count", "limited")
        direct = await gateway.get("Media", "limited")
        plain = await gateway.get("Property", "limited")
        sets = {entry["name"] for entry in (await gateway.get("", "limited")).rows}

    orders = list(range(1, limit + 1))
    assert [row["Order"] for row in expanded.rows[0]["Media"]] == orders
    assert [row["Media@odata.count"] for row in expanded.rows] == [limit, min(limit, 2) + 1]
    assert [row["Order"] for row in below.rows] == orders[::-1]
    assert int(number.body) == limit
    assert direct.status == 501
    assert "Media" not in sets
    assert b"MediaKey" not in plain.body
    assert all("$expand" not in options for _, options in model.asked)


@pytest.mark.guarantee("G5")
@pytest.mark.parametrize("link", [{"Media@odata.nextLink": "canary"}, {"Media@nextLink": "canary"}, {}])
async def test_an_embedded_list_that_goes_on_elsewhere_is_not_answered_as_whole(
    directory: Path, link: dict[str, str]
) -> None:
    role = {**ROLE, "Media": {"Fields": {"All": {"Visible": ["Order"]}}}}
    habits = Habits(embeds=frozenset({"Media"}), extra=link)
    trusted = profile(embedded={"Property": ["Media"]}, nested="untrusted")
    document = embedding_document().encode()
    async with modelled(directory, DATA, habits, role=role, trusted=trusted, metadata=document) as (gateway, _):
        answer = await gateway.get("Property?$select=City&$expand=Media($select=Order)", "k")

    assert answer.status == (502 if link else 200)
    assert b"canary" not in answer.body


@pytest.mark.channel("C228", "C229")
async def test_history_and_events_of_what_is_hidden_do_not_exist(directory: Path) -> None:
    """Neither of a hidden field, nor of one that is hidden on some records, nor of a record that does not exist."""
    from gateway.odata.csdl import parse_metadata

    def history(number: int, parent: str, name: str, kind: str = "Property") -> Row:
        return {"HistoryTransactionalKey": f"T{number}", "ResourceName": kind, "ResourceRecordKey": parent, "FieldName": name,
                "PreviousValue": "canary", "NewValue": "x"}  # fmt: skip

    extra = """<EntityType Name="HistoryTransactional"><Key><PropertyRef Name="HistoryTransactionalKey"/></Key>%s</EntityType>
      <EntityType Name="EntityEvent"><Key><PropertyRef Name="EntityEventSequence"/></Key>%s</EntityType>"""
    text = '<Property Name="%s" Type="Edm.String"/>'
    names = ("HistoryTransactionalKey", "ResourceName", "ResourceRecordKey", "FieldName", "PreviousValue", "NewValue")
    types = extra % (
        "".join(text % name for name in names),
        "".join(text % name for name in ("EntityEventSequence", "ResourceName", "ResourceRecordKey")),
    )
    document = metadata_document().decode().replace('<EntityContainer Name="Container">', types + '<EntityContainer Name="Container">'
        '<EntitySet Name="HistoryTransactional" EntityType="Sandbox.HistoryTransactional"/><EntitySet Name="EntityEvent" EntityType="Sandbox.EntityEvent"/>')  # fmt: skip
    parse_metadata(document.encode())
    role = {**ROLE, "HistoryTransactional": {"Default": "Visible"}, "EntityEvent": {"Default": "Visible"}}
    data = {
        **DATA,
        "HistoryTransactional": [
            history(1, "L1", "City"), history(2, "L1", "OwnerName"), history(3, "L1", "ListPrice"), history(4, "L2", "City"), history(5, "L9", "City"),
            history(6, "A1", "City"), history(7, "L1", "city"), history(8, "A1", "MemberFullName", "Member"), history(9, "A2", "MemberFullName", "Member"),
            history(10, "L1", "MemberFullName"), history(11, "L1", "City", "Unheard"),
        ],
        "EntityEvent": [
            {"EntityEventSequence": str(number), "ResourceName": kind, "ResourceRecordKey": key}
            for number, (kind, key) in enumerate((("Property", "L1"), ("Property", "L2"), ("Member", "A1"), ("Member", "A2"), ("Property", "L9"), ("Teams", "T"), (None, "L1")))
        ],
    }  # fmt: skip
    async with modelled(directory, data, role=role, metadata=document.encode()) as (gateway, _):
        changes, _ = await every_page(gateway, "HistoryTransactional?$select=HistoryTransactionalKey")
        pinned = await gateway.get("HistoryTransactional?$filter=ResourceRecordKey eq 'L1'&$count=true&$top=0", "k")
        events, _ = await every_page(gateway, "EntityEvent?$select=EntityEventSequence")
        refused = [(await gateway.get(f"HistoryTransactional{rest}", "k")).status for rest in ("/$count", "?$skip=1")]

    assert sorted(row["HistoryTransactionalKey"] for row in changes) == ["T1", "T8"]
    assert pinned.json()["@odata.count"] == 1
    assert [row["EntityEventSequence"] for row in events] == ["0", "2"]
    assert refused == [501, 501]


@pytest.mark.channel("C222", "C224", "C228")
@pytest.mark.guarantee("G1")
async def test_history_tells_neither_photos_past_the_limit_nor_fields_of_another_set(directory: Path) -> None:
    """A counter under a limit is not shown as it is stored; a photo past the limit has no history; and a field that one
    set of listings shows is still hidden in the history of another's."""

    def history(key: str, kind: str, parent: str, name: str) -> Row:
        return {"HistoryTransactionalKey": key, "ResourceName": kind, "ResourceRecordKey": parent, "FieldName": name,
                "PreviousValue": "canary"}  # fmt: skip

    text = '<Property Name="%s" Type="Edm.String"/>'
    names = ("HistoryTransactionalKey", "ResourceName", "ResourceRecordKey", "FieldName", "PreviousValue")
    types = (
        '<EntityType Name="HistoryTransactional"><Key><PropertyRef Name="HistoryTransactionalKey"/></Key>'
        + "".join(text % name for name in names)
        + "</EntityType>"
    )
    many = (
        '<NavigationProperty Name="HistoryTransactional" Type="Collection(Sandbox.HistoryTransactional)"/></EntityType>'
    )
    document = metadata_document().decode()
    head, found, rest = document.partition('<EntityType Name="Property">')
    assert found
    document = head + found + rest.replace("</EntityType>", many, 1)
    document = document.replace('<EntityContainer Name="Container">', types + '<EntityContainer Name="Container">'
        '<EntitySet Name="HistoryTransactional" EntityType="Sandbox.HistoryTransactional"/>'
        '<EntitySet Name="Listings" EntityType="Sandbox.Property"/>')  # fmt: skip
    role = {
        **ROLE,
        "HistoryTransactional": {"Default": "Visible"},
        "Listings": {"Fields": {"All": {"Visible": ["OwnerName", "PropertyType", "HistoryTransactional"]}}},
    }
    role["Property"] = copy.deepcopy(ROLE["Property"])
    role["Property"]["Fields"]["All"]["Visible"].append("HistoryTransactional")
    data = {
        **DATA,
        "Listings": [listing("L3"), listing("L9")],
        "HistoryTransactional": [
            history("T1", "Property", "L1", "PhotosCount"), history("T2", "Property", "L1", "OwnerName"),
            history("T3", "Property", "L9", "OwnerName"), history("T4", "Property", "L3", "OwnerName"),
            history("T5", "Media", "L1-2", "MediaURL"), history("T6", "Media", "L1-3", "MediaURL"),
            history("T7", "Media", "L2-1", "MediaURL"), history("T8", "Property", "L1", "City"),
            history("T9", "Property", "L9", "City"),
        ],
    }  # fmt: skip
    trusted = profile(nested="untrusted")
    async with modelled(directory, data, role=role, trusted=trusted, metadata=document.encode()) as (gateway, _):
        found_rows = {}
        for key in ("k", "limited"):
            rows, _ = await every_page(gateway, "HistoryTransactional?$select=HistoryTransactionalKey", key)
            found_rows[key] = sorted(row["HistoryTransactionalKey"] for row in rows)
        below = {}
        for name in ("Property('L1')", "Property('L3')", "Listings('L3')", "Listings('L9')"):
            answer = await gateway.get(f"{name}/HistoryTransactional?$select=HistoryTransactionalKey", "limited")
            below[name] = [row["HistoryTransactionalKey"] for row in answer.rows]

    assert found_rows["k"] == ["T1", "T3", "T4", "T5", "T6", "T8"]
    assert found_rows["limited"] == ["T3", "T4", "T5", "T8"]
    assert below == {
        "Property('L1')": ["T8"],
        "Property('L3')": [],
        "Listings('L3')": ["T4"],
        "Listings('L9')": ["T3"],
    }


def _embedding(document: str) -> bytes:
    """The sandbox's metadata, in which a listing has its media as a property, beside the set Media."""
    document = document.replace(
        '<NavigationProperty Name="Media" Type="Collection(Sandbox.Media)"/>',
        '<Property Name="Media" Type="Collection(Sandbox.Media)"/>',
        1,
    )
    return re.sub(
        r'(<EntitySet Name="Property".*?)<NavigationPropertyBinding Path="Media" Target="Media"/>',
        r"\1",
        document,
        flags=re.DOTALL,
    ).encode()


EMBEDDED = {
    **ROLE,
    "Property": {
        "Filter": "StandardStatus eq 'Active'",
        "Fields": {"All": {"Visible": ["City", "ListPrice", "PropertyType", "Media"]}},
    },
}


@pytest.mark.channel("C222", "C276", "C333")
async def test_an_embedded_list_does_not_change_how_media_name_their_listing(directory: Path) -> None:
    """Two tables count by themselves: the photo of a hidden listing has the key of a visible one."""
    data = copy.deepcopy(DATA)
    data["Media"] += [photo("L2", 4, key="L1", MediaURL="canary"), photo("L1", 6, key="L9")]
    trusted = profile(embedded={"Property": ["Media"]})
    async with modelled(
        directory,
        data,
        Habits(embeds=frozenset({"Media"})),
        role=EMBEDDED,
        trusted=trusted,
        metadata=_embedding(metadata_document().decode()),
    ) as (gateway, _):
        own = await gateway.get("Media?$filter=ResourceRecordKey eq 'L1'&$select=MediaKey", "k")
        every = [
            await gateway.get(target, "k")
            for target in ("Media", "Media('L1')", "Media/$count?$filter=MediaKey eq 'L1'")
        ]

    assert sorted(keys(own.rows)) == ["L1-1", "L1-2", "L1-3", "L1-4", "L1-5", "L9"]
    assert [answer.status for answer in every] == [200, 404, 200]
    assert "L9" in keys(every[0].rows)
    assert every[2].body == b"0"
    assert all(b"canary" not in answer.body for answer in every)


@pytest.mark.channel("C3", "C10", "C357")
async def test_an_embedded_list_is_selected_like_the_property_that_it_is(directory: Path) -> None:
    trusted = profile(embedded={"Property": ["Media"]})
    async with modelled(
        directory,
        DATA,
        Habits(embeds=frozenset({"Media"}), foreign_children=True),
        role=EMBEDDED,
        trusted=trusted,
        metadata=_embedding(metadata_document().decode()),
    ) as (gateway, model):
        selected = await gateway.get("Property?$select=ListingKey,Media", "limited")
        expanded = await gateway.get("Property?$select=ListingKey&$expand=Media", "limited")
        both = await gateway.get("Property?$select=ListingKey,Media&$expand=Media($top=1)", "limited")
        plain = await gateway.get("Property?$select=ListingKey", "limited")

    assert selected.rows == expanded.rows
    assert [[row["MediaKey"] for row in listing["Media"]] for listing in selected.rows] == [
        ["L1-1", "L1-2"],
        ["L3-1", "L3-2", "L3-9"],
    ]
    assert [len(listing["Media"]) for listing in both.rows] == [1, 1]
    assert all("Media" not in listing for listing in plain.rows)
    assert all("$expand" not in options for _, options in model.asked)


async def lists(directory: Path, photos: list[Row]) -> int:
    """The status of an answer with the media of L1, which are read apart and by no filter."""
    data = {**DATA, "Media": photos}
    habits = Habits(ignores=frozenset({"filter", "nested"}))
    trusted = profile(nested="untrusted")
    async with modelled(directory, data, habits, trusted=trusted) as (gateway, _):
        return (await gateway.get("Property('L1')?$select=City&$expand=Media($select=Order)", "k")).status


@pytest.mark.channel("C276")
async def test_a_list_longer_than_the_bound_is_not_answered(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.edge.joins._MAX_ROWS", 3)

    assert await lists(directory / "most", [photo("L1", number) for number in range(3)]) == 200
    assert await lists(directory / "more", [photo("L1", number) for number in range(4)]) == 502


@pytest.mark.channel("C276")
async def test_rows_that_were_not_asked_for_do_not_count_towards_the_bound(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the length of the lists of other listings, withheld ones too, would decide whether there is an answer."""
    monkeypatch.setattr("gateway.edge.joins._MAX_ROWS", 3)
    others = [photo("L3", number) for number in range(9)]

    assert await lists(directory, [photo("L1", 1), *others]) == 200
