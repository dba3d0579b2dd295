"""Searches that only the upstream can decide: rows behind a navigation, distances and areas.

Nothing of what they find can be verified on the record, so what they look at must be visible without exception.
"""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import Code, Refusal
from gateway.odata.csdl import parse_metadata
from gateway.odata.literals import parse_timestamp
from gateway.odata.parser import DEFAULT_LIMITS
from gateway.odata.request import parse_request
from gateway.policy.decision import decide
from gateway.policy.settings import AnswerSettings
from gateway.sandbox.rows import Row, metadata_document, sandbox_schema
from gateway.sandbox.server import Sandbox
from tests.model_upstream import Habits
from tests.modelled import ROLE, every_page, house, listing, member, modelled, photo, profile, tables
from tests.support import CONFIG, TRUSTING, Answer, Harness, configuration, policy, role, running, sandbox_running

HOUSES = [
    house("H1", "L1"), house("H2", "L1", OpenHouseType="Broker"), house("H3", "L2", OpenHouseType="Broker"),
    house("H4", "L3", OpenHouseDate="2025-07-01"), house("H5", "L9"),
]  # fmt: skip
PHOTOS = [photo("L1", 1), photo("L1", 2), photo("L1", 31), photo("L2", 1)]

NOW = parse_timestamp("2026-01-15T12:00:00Z") or pytest.fail("a wrong instant")


def point(longitude: float, latitude: float) -> Row:
    return {"type": "Point", "coordinates": [longitude, latitude]}


LISTINGS = [
    listing("L1", Coordinates=point(0.0, 0.0)),
    listing("L2", Coordinates=point(0.01, 0.0)),
    listing("L3", Coordinates=point(10.0, 10.0)),
    listing("L4", Coordinates=None),
    listing("L9", StandardStatus="Closed", Coordinates=point(0.0, 0.001)),
]
DATA = tables(Property=LISTINGS, OpenHouse=HOUSES, Media=PHOTOS, Member=[member("M1")])
NEAR = "geo.distance(Coordinates,geography'SRID=4326;POINT(0 0)') lt 2000"
AREA = "geo.intersects(Coordinates,geography'SRID=4326;POLYGON((-1 -1,1 -1,1 1,-1 1,-1 -1))')"


def role_with(changes: dict[str, Any], base: dict[str, Any] | None = None) -> dict[str, Any]:
    """The role with other entries for some resources."""
    return {**copy.deepcopy(ROLE if base is None else base), **changes}


def showing(*fields: str, **more: Any) -> dict[str, Any]:
    """The entry of Property with more visible fields."""
    entry: dict[str, Any] = copy.deepcopy(ROLE["Property"])
    entry["Fields"]["All"]["Visible"] += fields
    entry["Fields"]["All"].update(more)
    return entry


PLACED = role_with({"Property": showing("Coordinates")})


async def keys_of(gateway: Harness, condition: str, key: str = "k") -> list[str]:
    rows, _ = await every_page(gateway, f"Property?$filter={condition}&$select=ListingKey", key)
    return [row["ListingKey"] for row in rows]


def message(answer: Answer) -> str:
    text: str = answer.json()["error"]["message"]
    return text


# --- rows behind a navigation


@pytest.mark.guarantee("G4")
@pytest.mark.parametrize(
    ("condition", "keys"),
    [
        ("OpenHouse/any()", ["L1", "L2", "L3"]),
        ("not OpenHouse/any()", ["L4"]),
        ("OpenHouse/any(o:o/OpenHouseType eq 'Public')", ["L1", "L3"]),
        ("OpenHouse/any(o:o/OpenHouseType eq 'Public' and o/OpenHouseDate gt 2025-06-15)", ["L3"]),
        ("OpenHouse/all(o:o/OpenHouseType eq 'Broker')", ["L2", "L4"]),
        ("OpenHouse/any(o:o/OpenHouseType in ('Public','x')) and City eq 'X'", ["L1", "L3"]),
        ("OpenHouse/any(o:o/OpenHouseType eq @t)&@t='Broker'", ["L1", "L2"]),
        ("Media/any(m:m/Order gt 30)", ["L1"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("knows_in", [True, False])
async def test_rows_behind_a_navigation_are_searched(
    directory: Path, condition: str, keys: list[str], *, knows_in: bool
) -> None:
    """L9 has an open house too, and does not exist for the key; the numbers agree with the rows."""
    trusted = profile(in_operator=knows_in)
    async with modelled(directory, DATA, Habits(knows_in=knows_in), trusted=trusted) as (gateway, model):
        assert await keys_of(gateway, condition) == keys
        counted = await gateway.get(f"Property/$count?$filter={condition}", "k")
        assert counted.body == str(len(keys)).encode()

    for _, options in model.asked:
        # Our own variable, and the rule in brackets before all else.
        assert "o:o" not in options["$filter"] and "m:m" not in options["$filter"]
        assert options["$filter"].startswith("((StandardStatus ne null)")


@pytest.mark.guarantee("G1")
@pytest.mark.channel("C36")
async def test_photos_past_the_limit_are_not_searched(directory: Path) -> None:
    async with modelled(directory, DATA, limit=2) as (gateway, model):
        refused = await gateway.get("Property?$filter=Media/any(m:m/Order gt 30)", "limited")
        whole = await gateway.get("Property?$filter=Media/any()", "limited")

        assert refused.status == whole.status == 400
        assert message(refused) == "`$filter`: `Media` at character 1 cannot be searched here"
        assert not model.requests


@pytest.mark.guarantee("G1")
@pytest.mark.channel("C36")
@pytest.mark.parametrize(
    "media",
    [
        {"Filter": "MediaStatus eq 'Live'", "Fields": ROLE["Media"]["Fields"]},
        {"Always": ["MediaStatus ne 'Secret'"], "Fields": ROLE["Media"]["Fields"]},
    ],
)
async def test_rows_under_a_rule_of_their_own_are_not_searched(directory: Path, media: dict[str, Any]) -> None:
    async with modelled(directory, DATA, role=role_with({"Media": media})) as (gateway, model):
        for condition in (
            "Media/any()",
            "Media/all(m:m/Order lt 30)",
            "not (City eq 'x' and Media/any(m:m/Order eq 1))",
        ):
            assert (await gateway.get(f"Property?$filter={condition}", "k")).status == 400

        assert not model.requests


@pytest.mark.channel("C36")
async def test_rows_that_follow_another_parent_are_not_searched(directory: Path) -> None:
    """Members have photos, and photos follow their listings, members and offices: but not these open houses."""
    follows = {"policy": {"follows": {"OpenHouse": ["Office"]}}}
    async with modelled(directory, DATA, settings=follows) as (gateway, model):
        assert (await gateway.get("Property?$filter=OpenHouse/any()", "k")).status == 400
        assert not model.requests


@pytest.mark.guarantee("G2")
@pytest.mark.channel("C36")
@pytest.mark.parametrize(
    "condition",
    ["OpenHouse/any(o:o/~ eq 'x')", "OpenHouse/all(o:o/City eq 1 or o/~ eq 1)", "~/any(o:o/x eq 1)", "~/any()"],
)
async def test_hidden_names_behind_a_navigation_are_unknown_names(directory: Path, condition: str) -> None:
    """``ShowingAgentKey`` of OpenHouse and ``UnitTypes`` of Property are there, and hidden."""
    hidden = "UnitTypes" if condition.startswith("~") else "ShowingAgentKey"
    fresh = "F" + hidden[1:].lower()
    async with modelled(directory, DATA) as (gateway, model):
        one, two = [
            await gateway.get(f"Property?$filter={condition.replace('~', name)}", "k") for name in (hidden, fresh)
        ]

        assert one.status == 400
        assert one.body.replace(hidden.encode(), fresh.encode()) == two.body
        assert not model.requests


@pytest.mark.guarantee("G2")
@pytest.mark.channel("C37")
async def test_inside_only_the_variable_starts_a_path(directory: Path) -> None:
    """Without it a name would be one of the listing: hidden, visible there or nowhere, the answer is one."""
    answers = []
    async with modelled(directory, DATA) as (gateway, model):
        for name in ("OwnerName", "ListPrice", "FreshName", "OpenHouseType"):
            answer = await gateway.get(f"Property?$filter=OpenHouse/any(o:{name} eq 'x')", "k")
            assert answer.status == 400
            answers.append(answer.body.replace(name.encode(), b"~"))
        assert not model.requests

    assert len(set(answers)) == 1
    assert b"is not its variable" in answers[0]


@pytest.mark.channel("C38")
@pytest.mark.parametrize("variable", ["City", "OpenHouseType", "OpenHouse"])
async def test_a_variable_is_no_name_of_either_side(directory: Path, variable: str) -> None:
    async with modelled(directory, DATA) as (gateway, model):
        answer = await gateway.get(f"Property?$filter=OpenHouse/any({variable}:{variable}/OpenHouseType eq 'x')", "k")

        assert answer.status == 400
        assert not model.requests


@pytest.mark.guarantee("G1")
@pytest.mark.channel("C36")
async def test_fields_behind_a_navigation_that_are_conditional_are_not_searched(directory: Path) -> None:
    entry = {
        "Fields": {
            "All": {
                "Visible": ["OpenHouseDate", "ListingKey"],
                "When": [{"Condition": "OpenHouseDate gt 2025-06-15", "Fields": ["OpenHouseType"]}],
            }
        }
    }
    async with modelled(directory, DATA, role=role_with({"OpenHouse": entry})) as (gateway, model):
        answer = await gateway.get("Property?$filter=OpenHouse/any(o:o/OpenHouseType eq 'Broker')", "k")

        assert answer.status == 400
        assert not model.requests
        assert await keys_of(gateway, "OpenHouse/any(o:o/OpenHouseDate gt 2025-06-15)") == ["L3"]


@pytest.mark.guarantee("G1")
@pytest.mark.channel("C36")
async def test_a_conditional_navigation_is_searched_on_the_records_that_show_it(directory: Path) -> None:
    """The guard: L2 has the open house that is sought, and does not show that it has any."""
    entry = showing()
    entry["Fields"]["All"]["Visible"].remove("OpenHouse")
    entry["Fields"]["All"]["When"] = [{"Condition": "City eq 'X'", "Fields": ["OpenHouse"]}]
    rows = [row | {"City": "Y"} if row["ListingKey"] == "L2" else row for row in LISTINGS]
    async with modelled(directory, {**DATA, "Property": rows}, role=role_with({"Property": entry})) as (gateway, _):
        assert await keys_of(gateway, "OpenHouse/any(o:o/OpenHouseType eq 'Broker')") == ["L1"]
        assert await keys_of(gateway, "not OpenHouse/any(o:o/OpenHouseDate gt 2025-06-15)") == ["L1", "L4"]


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("ListAgent/any()", "`ListAgent` at character 1 is no collection"),
        ("OpenHouse/any(o:o)", "stands inside a lambda and is not its variable"),
        ("OpenHouse/any(o:o/Listing/any())", "stands inside a lambda and is not its variable"),
        ("OpenHouse/any(o:o/OpenHouseType eq 5)", "is compared with a literal that is no string"),
        ("OpenHouse eq null", "is not known here"),
        ("City/any()", "is no collection"),
    ],
)
async def test_what_does_not_fit_is_refused_by_its_place(directory: Path, condition: str, said: str) -> None:
    async with modelled(directory, DATA) as (gateway, model):
        answer = await gateway.get(f"Property?$filter={condition}", "k")

        assert answer.status == 400
        assert said in message(answer)
        assert not model.requests


@pytest.mark.parametrize(
    "trusted",
    [{"navigation_lambdas": "untrusted"}, {"string_equality": "untrusted"}, {"distrusted": ["navigation_lambdas"]},
     {"unfilterable": {"OpenHouse": ["OpenHouseType"]}, "client_scan": True}, {"unfilterable": {"Property": ["OpenHouse"]}}],
)  # fmt: skip
async def test_an_upstream_that_is_not_trusted_with_all_of_it_is_not_asked(
    directory: Path, trusted: dict[str, Any]
) -> None:
    async with modelled(directory, DATA, trusted=profile(**trusted)) as (gateway, model):
        answer = await gateway.get("Property?$filter=OpenHouse/any(o:o/OpenHouseType eq 'Broker')", "k")

        assert answer.status == 400
        assert not model.requests


async def test_alternatives_inside_a_lambda_are_counted(directory: Path) -> None:
    trusted = profile(or_max=1)
    async with modelled(directory, DATA, Habits(or_max=1), trusted=trusted) as (gateway, _):
        one = "OpenHouse/any(o:o/OpenHouseType eq 'Broker' or o/OpenHouseType eq 'x')"
        assert await keys_of(gateway, one) == ["L1", "L2"]
        two = await gateway.get(f"Property?$filter={one[:-1]} or o/OpenHouseType eq 'y')", "k")
        assert (two.status, "alternatives" in message(two)) == (400, True)


async def test_the_log_has_no_word_of_the_clients_lambda(directory: Path) -> None:
    async with modelled(directory, DATA) as (gateway, _):
        await gateway.get(
            "Property?$filter=OpenHouse/any(mine:mine/OpenHouseType eq 'secret') and not OpenHouse/any()", "k"
        )

        assert (
            gateway.handled[-1].shape == "$filter=(OpenHouse/any(x:x/OpenHouseType eq '?')) and (not (OpenHouse/any()))"
        )


async def test_what_is_evaluated_here_cannot_hang_on_it(directory: Path) -> None:
    """A term of which one part is evaluated here would be unknown as a whole, and lose rows that fit (G4)."""
    async with modelled(directory, DATA, trusted=profile(patterns="untrusted")) as (gateway, model):
        mixed = await gateway.get("Property?$filter=OpenHouse/any() or contains(City,'X')", "k")
        assert mixed.status == 400
        assert not model.requests
        assert await keys_of(gateway, "OpenHouse/any() and contains(City,'X')") == ["L1", "L2", "L3"]


# --- places


@pytest.mark.guarantee("G4")
@pytest.mark.parametrize(
    ("condition", "keys"),
    [
        (NEAR, ["L1", "L2"]),
        (NEAR.replace("2000", "1000"), ["L1"]),
        (NEAR.replace("lt 2000", "ge 1000"), ["L2", "L3"]),
        ("geo.distance(geography'POINT(10 10)',Coordinates) le 0.5", ["L3"]),
        ("500000 gt geo.distance(Coordinates,geography'POINT(10 10)')", ["L3"]),
        (AREA, ["L1", "L2"]),
        (f"not {AREA}", ["L3"]),
        (f"{NEAR} and {AREA} and City eq 'X'", ["L1", "L2"]),
        ("geo.intersects(Coordinates,@a)&@a=geography'POLYGON((9 9,9 11,11 11,11 9,9 9))'", ["L3"]),
    ],
)  # fmt: skip
async def test_places_are_searched(directory: Path, condition: str, keys: list[str]) -> None:
    """L9 is nearer than all, and does not exist for the key; L4 is nowhere."""
    async with modelled(directory, DATA, role=PLACED) as (gateway, _):
        assert await keys_of(gateway, condition) == keys
        counted = await gateway.get(f"Property/$count?$filter={condition}", "k")
        assert counted.body == str(len(keys)).encode()


@pytest.mark.guarantee("G2")
@pytest.mark.channel("C34")
@pytest.mark.parametrize("setting", ["exact", "untrusted"])
@pytest.mark.parametrize("condition", [NEAR, AREA, "Coordinates ne null"])
async def test_a_hidden_place_is_an_unknown_name(directory: Path, condition: str, setting: str) -> None:
    async with modelled(directory, DATA, trusted=profile(geo=setting)) as (gateway, model):
        hidden = await gateway.get(f"Property?$filter={condition}", "k")
        fresh = await gateway.get(f"Property?$filter={condition.replace('Coordinates', 'Coordinated')}", "k")

        assert hidden.status == 400
        assert hidden.body.replace(b"Coordinates", b"Coordinated") == fresh.body
        assert not model.requests


@pytest.mark.guarantee("G1")
@pytest.mark.channel("C34")
async def test_a_conditional_place_is_searched_on_the_records_that_show_it(directory: Path) -> None:
    """Trilateration of a listing whose address is withheld finds nothing."""
    entry = showing(When=[{"Condition": "InternetAddressDisplayYN eq true", "Fields": ["Coordinates"]}])
    rows = [row | {"InternetAddressDisplayYN": row["ListingKey"] != "L2"} for row in LISTINGS]
    async with modelled(directory, {**DATA, "Property": rows}, role=role_with({"Property": entry})) as (gateway, model):
        assert await keys_of(gateway, NEAR) == ["L1"]
        assert await keys_of(gateway, NEAR.replace("lt", "gt")) == ["L3"]
        assert "InternetAddressDisplayYN eq true" in model.asked[-1][1]["$filter"]


@pytest.mark.channel("C34", "C279")
@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("geo.distance(City,geography'POINT(0 0)') lt 1", "is no point on the globe"),
        ("geo.distance(Coordinates,geography'POLYGON((0 0,1 0,1 1,0 0))') lt 1", "is searched by what is no point"),
        ("geo.intersects(Coordinates,geography'POINT(0 0)')", "is searched by what is no polygon"),
        ("geo.distance(Coordinates,geography'POINT(0 0)') eq 1", "by `lt`, `le`, `gt` and `ge` only"),
        ("geo.distance(Coordinates,geography'POINT(0 0)') in (1,2)", "by `lt`, `le`, `gt` and `ge` only"),
        ("geo.intersects(Coordinates,@a)&@a='x'", "is searched by what is no polygon"),
        ("Coordinates eq geography'POINT(0 0)'", "is not understood"),
        ("Coordinates eq 'x'", "cannot be compared"),
        (
            "geo.intersects(Coordinates,geography'POLYGON((0 0,1 1,0 1,1 0,0 0))')",
            "is no point or simple polygon of EPSG:4326",
        ),
        (
            "geo.distance(Coordinates,geography'SRID=4269;POINT(0 0)') lt 1",
            "is no point or simple polygon of EPSG:4326",
        ),
        ("geo.length(Coordinates) lt 1", "is not understood"),
        ("OpenHouse/any(o:geo.distance(o/Coordinates,geography'POINT(0 0)') lt 1)", "is not known here"),
    ],
)
async def test_what_could_fail_on_a_row_never_reaches_the_upstream(directory: Path, condition: str, said: str) -> None:
    async with modelled(directory, DATA, role=PLACED) as (gateway, model):
        answer = await gateway.get(f"Property?$filter={condition}", "k")

        assert answer.status == 400
        assert said in message(answer)
        assert not model.requests


async def test_places_are_searched_by_setting_only(directory: Path) -> None:
    async with modelled(directory, DATA, role=PLACED, trusted=profile(geo="untrusted")) as (gateway, model):
        for condition in (NEAR, AREA):
            answer = await gateway.get(f"Property?$filter={condition}", "k")
            assert (answer.status, message(answer)[-26:]) == (400, " cannot be searched by place"[-26:])
        assert not model.requests


async def test_places_are_no_order(directory: Path) -> None:
    async with modelled(directory, DATA, role=PLACED) as (gateway, model):
        for order in ("Coordinates", f"{NEAR[:-8]}"):
            assert (await gateway.get(f"Property?$orderby={order}", "k")).status == 400
        assert not model.requests


PLACED_MEDIA = metadata_document().replace(
    b'<Property Name="MediaURL"', b'<Property Name="Place" Type="Edm.GeographyPoint"/>\n<Property Name="MediaURL"', 1
)


@pytest.mark.parametrize(
    "target",
    ["Media?$filter=ResourceRecordKey eq 'L1' and {}", "Media/$count?$filter=ResourceRecordKey eq 'L1' and {}",
     "Property?$expand=Media($filter={})", "Property('L1')/Media?$filter={}"],
)  # fmt: skip
async def test_lists_that_are_searched_here_are_not_searched_by_place(directory: Path, target: str) -> None:
    media = {"Fields": {"All": {"Visible": [*ROLE["Media"]["Fields"]["All"]["Visible"], "Place"]}}}
    rows = [row | {"Place": point(0.0, 0.0)} for row in PHOTOS]
    async with modelled(
        directory, {**DATA, "Media": rows}, role=role_with({"Media": media}), metadata=PLACED_MEDIA
    ) as (gateway, model):
        condition = NEAR.replace("Coordinates", "Place")
        answer = await gateway.get(target.replace("{}", condition), "k")
        assert answer.status == 400
        assert "`Place`" in message(answer)
        assert not model.requests

        fits = await gateway.get(target.replace("{}", "Place ne null"), "k")
        assert fits.status == 200


async def test_a_point_leaves_as_it_was_written(directory: Path) -> None:
    async with modelled(directory, DATA, role=PLACED) as (gateway, _):
        rows, _ = await every_page(gateway, "Property?$select=Coordinates")
        assert [row["Coordinates"] for row in rows] == [row["Coordinates"] for row in LISTINGS[:4]]
        assert await keys_of(gateway, "Coordinates eq null") == ["L4"]
        assert await keys_of(gateway, "Coordinates ne null") == ["L1", "L2", "L3"]


@pytest.mark.guarantee("G3")
@pytest.mark.channel("C198")
@pytest.mark.parametrize("odd", ["POINT(0 0)", {"type": "Point", "coordinates": [0, 0], "OwnerName": "canary"}, [0, 0]])
async def test_what_is_no_point_breaks_the_answer(directory: Path, odd: Any) -> None:
    rows = [listing("L1", Coordinates=odd)]
    async with modelled(directory, {**DATA, "Property": rows}, role=PLACED) as (gateway, _):
        answer = await gateway.get("Property", "k")

        assert answer.status == 502
        assert b"canary" not in answer.body


async def test_a_place_that_tells_a_withheld_address_is_noted(directory: Path) -> None:
    entry = showing(
        "Coordinates", When=[{"Condition": "InternetAddressDisplayYN eq true", "Fields": ["Latitude", "StreetName"]}]
    )
    async with modelled(directory, DATA, role=role_with({"Property": entry})) as (gateway, _):
        snapshot = gateway.service.gateway.snapshot
        assert snapshot is not None
        notes = {note for policy in snapshot.policies.values() for note in policy.notes}

    told = "`Property.Coordinates` shows where the listing is, and `{}` is withheld"
    assert {told.format(name) for name in ("Latitude", "Longitude", "StreetName", "UnparsedAddress")} <= notes


async def test_the_sandbox_is_searched_so() -> None:
    """As a user of `make demo` would: rows and numbers agree with what the sandbox itself holds."""
    async with sandbox_running(Sandbox()) as sandbox, running(configuration(CONFIG, sandbox.url)) as gateway:
        for condition in (
            "OpenHouse/any(o:o/OpenHouseType eq 'Public')", "Rooms/any()", "not Rooms/any()",
            "OpenHouse/all(o:o/OpenHouseType ne 'Broker')", NEAR.replace("2000", "3000000"),
            AREA.replace("-1 -1,1 -1,1 1,-1 1,-1 -1", "-45 -60,45 -60,45 60,-45 60,-45 -60"),
        ):  # fmt: skip
            counted = await gateway.get(f"Property/$count?$filter={condition}", "demo-private")
            every = await gateway.get("Property/$count", "demo-private")
            rows, _ = await every_page(
                gateway,
                f"Property?$filter={condition}&$select=ListingKey,Coordinates&$expand=OpenHouse,Rooms",
                "demo-private",
            )
            assert len(rows) == int(counted.body) and 0 < len(rows) < int(every.body)
            if condition.startswith("OpenHouse/any"):
                assert all(any(house["OpenHouseType"] == "Public" for house in row["OpenHouse"]) for row in rows)
            if condition == "Rooms/any()":
                assert all(row["Rooms"] for row in rows)


# --- what an attacker found


@pytest.mark.guarantee("G1")
@pytest.mark.channel("C34")
async def test_a_point_of_a_withheld_row_decides_no_status(directory: Path) -> None:
    """A number that no type holds is JSON all the same, and stands in a row that the upstream should not have sent."""
    entry = {**showing("Coordinates"), "Filter": "Coordinates ne null and StandardStatus eq 'Active'"}
    answers = []
    for number, odd in enumerate(({"x": 1}, {"x": "ODD"})):
        rows = [
            listing("L1", Coordinates=point(0, 0)),
            listing("L2", StandardStatus="ACTIVE", Coordinates={**point(0, 0), "crs": odd}),
        ]
        async with modelled(
            directory / str(number), {**DATA, "Property": rows}, Habits(equality="fold", spelled={"ODD": b"1e999"}),
            role=role_with({"Property": entry}),
            trusted=profile(string_equality="untrusted"),
        ) as (gateway, _):  # fmt: skip
            answers.append(await gateway.get("Property?$select=ListingKey", "k"))

    assert answers[0].status == 200
    assert answers[0] == answers[1]


LEADS = metadata_document().replace(
    b'<NavigationProperty Name="OpenHouse" ',
    b'<NavigationProperty Name="Values" Type="Collection(Sandbox.Lookup)"/>\n<NavigationProperty Name="OpenHouse" ',
    1,
)


@pytest.mark.guarantee("G1")
@pytest.mark.channel("C169")
@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("Property?$filter=Values/any(v:v/LookupValue eq 'x')", 400),
        ("Property?$expand=Values", 501),
        ("Property('L1')/Values", 501),
    ],
)
async def test_the_upstreams_own_lookups_are_reached_by_no_navigation(
    directory: Path, target: str, status: int
) -> None:
    """The key's lookups are written by the gateway; the upstream's are others."""
    role = role_with({"Property": showing("Values"), "Lookup": {"Default": "Visible"}})
    links = {"Property": {"Values": {"local": "City", "target": "LookupName"}}}
    async with modelled(directory, DATA, role=role, metadata=LEADS, trusted=profile(links=links)) as (gateway, model):
        assert (await gateway.get(target, "k")).status == status
        assert not model.requests


@pytest.mark.channel("C36", "C228")
async def test_history_is_not_searched(directory: Path) -> None:
    """It has no rule that is printed: what it tells of hidden fields is taken out here."""
    leads = metadata_document().replace(
        b'<NavigationProperty Name="OpenHouse" ',
        b'<NavigationProperty Name="History" Type="Collection(Sandbox.HistoryTransactional)"/>\n<NavigationProperty Name="OpenHouse" ',
        1,
    ).replace(b'<EntityContainer Name="Container">', HISTORY + b'<EntityContainer Name="Container"><EntitySet Name="HistoryTransactional" EntityType="Sandbox.HistoryTransactional"/>')  # fmt: skip
    role = role_with({"Property": showing("History"), "HistoryTransactional": {"Default": "Visible"}})
    async with modelled(directory, DATA, role=role, metadata=leads) as (gateway, model):
        answer = await gateway.get("Property?$filter=History/any(h:h/FieldName eq 'ListPrice')", "k")
        assert (answer.status, message(answer)) == (400, "`$filter`: `History` at character 1 cannot be searched here")
        assert not model.requests


HISTORY = b"""<EntityType Name="HistoryTransactional"><Key><PropertyRef Name="HistoryTransactionalKey"/></Key>
<Property Name="HistoryTransactionalKey" Type="Edm.String"/><Property Name="ResourceName" Type="Edm.String"/>
<Property Name="ResourceRecordKey" Type="Edm.String"/><Property Name="FieldName" Type="Edm.String"/></EntityType>"""


async def test_rows_that_nothing_ties_to_the_record_are_not_searched(directory: Path) -> None:
    leads = metadata_document().replace(
        b'<NavigationProperty Name="OpenHouse" ',
        b'<NavigationProperty Name="Friends" Type="Collection(Sandbox.Office)"/>\n<NavigationProperty Name="OpenHouse" ',
        1,
    )
    async with modelled(directory, DATA, role=role_with({"Property": showing("Friends")}), metadata=leads) as (
        gateway,
        model,
    ):
        assert (await gateway.get("Property?$filter=Friends/any()", "k")).status == 400
        assert not model.requests


@pytest.mark.guarantee("G1")
@pytest.mark.channel("C36", "C224")
async def test_a_counter_that_is_clamped_is_not_searched_from_elsewhere(directory: Path) -> None:
    """``Listings`` leads from a member to what it sells: how many photos those have is what the limit withholds."""
    leads = metadata_document().replace(
        b'<NavigationProperty Name="Office" ',
        b'<NavigationProperty Name="Listings" Type="Collection(Sandbox.Property)"/>\n<NavigationProperty Name="Office" ',
        1,
    )
    entry = showing()
    del entry["Filter"]
    seller = {"Fields": {"All": {"Visible": ["MemberFullName", "Listings"]}}}
    links = {"Member": {"Listings": {"local": "MemberKey", "target": "ListAgentKey"}}}
    async with modelled(
        directory,
        DATA,
        role=role_with({"Property": entry, "Member": seller}),
        metadata=leads,
        trusted=profile(links=links),
    ) as (gateway, model):
        refused = await gateway.get("Member?$filter=Listings/any(l:l/PhotosCount gt 30)", "limited")
        assert (refused.status, "`PhotosCount`" in message(refused)) == (400, True)
        assert not model.requests

        model.tables["Member"] = []  # the model knows no such navigation; what counts is that it is asked
        assert (await gateway.get("Member?$filter=Listings/any(l:l/City eq 'X')", "limited")).status == 200


def test_rows_of_a_resource_that_cannot_be_served_are_not_searched() -> None:
    """A condition of OpenHouse tests a field that the upstream has lost: nobody can say which rows show what."""
    house_role = {
        "Fields": {"All": {"Visible": ["OpenHouseDate"], "When": [{"Condition": "OpenHouseStatus eq 'Active'", "Fields": ["OpenHouseType"]}]}}
    }  # fmt: skip
    base = role(role_with({"OpenHouse": house_role}))
    lost = parse_metadata(
        re.sub(
            rb'<Property Name="OpenHouseStatus"(?:[^>]*/>|.*?</Property>)', b"", metadata_document(), flags=re.DOTALL
        )
    )
    denied = policy(base, schema=lost, earlier=sandbox_schema())
    assert denied.resources["OpenHouse"].broken

    with pytest.raises(Refusal) as refused:
        decide(
            denied,
            parse_request("GET", "/Property?$filter=OpenHouse/any()", root="", limits=DEFAULT_LIMITS),
            TRUSTING,
            AnswerSettings(),
            NOW,
        )

    assert refused.value.code is Code.INVALID_QUERY
