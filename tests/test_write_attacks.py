"""What an attacker found in the writes, kept: each of these told something, wrote too much, or was no proper answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from gateway.observe.events import Complaint
from gateway.store.repeats import Repeats
from tests.modelled import profile
from tests.writing import BY, DRAFT, ROLE, WRITES, writing

NOW = 1_800_000_000.0
FOLD: Mapping[str, Any] = {"profile": profile(string_equality="fold", conditional_writes="etag")}


def again(identity: str = "one") -> dict[str, str]:
    return {"Repeatability-Request-ID": identity, "Repeatability-First-Sent": formatdate(NOW, usegmt=True)}


def prop(
    rule: str | None = None,
    writes: Mapping[str, Any] | None = None,
    when: tuple[Mapping[str, Any], ...] = (),
    hidden: tuple[str, ...] = ("ChangedByMemberKey", "PrivateRemarks"),
) -> dict[str, Any]:
    """The usual role with another rule, other writes and conditions."""
    fields = {"All": {**({"Hidden": list(hidden)} if hidden else {}), "When": list(when)}}
    entry = {"Default": "Visible", "Fields": fields, "Writes": {**WRITES, **(writes or {})}}
    return {**ROLE, "Property": {**entry, **({"Filter": rule} if rule else {})}}


@pytest.mark.channel("C207")
async def test_creation_outside_a_rule_that_also_names_the_key(directory: Path) -> None:
    role = prop("ListAgentKey eq @MemberKey and ListingKey ne 'L13'", {"PolicyFields": ["ListAgentKey"]})
    async with writing(directory, role) as desk:
        a = await desk.send("POST", "Property", {**DRAFT, "ListAgentKey": "M001"}, key="bound")  # bound to M002
        assert (a.status, len(desk.sandbox.came)) == (400, 0)


@pytest.mark.channel("C321")
async def test_now_condition_is_opened_by_a_write(directory: Path) -> None:
    role = prop(
        None,
        {"Fields": [*WRITES["Fields"], "CloseDate"], "PolicyFields": ["CloseDate"]},
        ({"Condition": "CloseDate lt now()", "Fields": ["OwnerName"]},),
    )
    async with writing(directory, role) as desk:
        path = await desk.draft(CloseDate="2099-01-01")
        desk.change(path, OwnerName="canary")
        assert b"canary" not in (await desk.send("GET", path)).body
        await desk.send("PATCH", path, {"CloseDate": "2001-01-01", **BY})
        assert b"canary" not in (await desk.send("GET", path)).body


async def test_now_rule_lets_nothing_be_changed(directory: Path) -> None:
    role = prop("ModificationTimestamp lt now()", {"PolicyFields": [], "CreateOutside": True})
    async with writing(directory, role) as desk:
        path = await desk.draft()
        assert (await desk.send("PATCH", path, {"City": "A", **BY})).status == 204


async def test_now_condition_keeps_a_shown_field_closed(directory: Path) -> None:
    role = prop(
        None,
        {"Fields": [*WRITES["Fields"], "PublicRemarks"], "PolicyFields": []},
        ({"Condition": "CloseDate lt now()", "Fields": ["PublicRemarks"]},),
    )
    async with writing(directory, role) as desk:
        path = await desk.draft()
        desk.change(path, CloseDate="2001-01-01", PublicRemarks="seen")
        assert "PublicRemarks" in (await desk.send("GET", path)).json()
        assert (await desk.send("PATCH", path, {"PublicRemarks": "new", **BY})).status == 204


@pytest.mark.channel("C321")
async def test_fold_opens(directory: Path) -> None:
    role = prop(None, {"PolicyFields": ["City"]}, ({"Condition": "City eq 'Springfield'", "Fields": ["OwnerName"]},))
    async with writing(directory, role, upstream=FOLD) as desk:
        path = await desk.draft(City="Elsewhere")
        desk.change(path, OwnerName="canary")
        assert (await desk.send("PATCH", path, {"City": "Springfield", **BY})).status == 400
        await desk.send("PATCH", path, {"City": "SPRINGFIELD", **BY})
        assert b"canary" not in (await desk.send("GET", path)).body


@pytest.mark.channel("C323")
async def test_fold_tells_the_hidden(directory: Path) -> None:
    role = prop("PrivateRemarks eq 'ok'", {"PolicyFields": [], "CreateOutside": True})
    up = {"profile": {**FOLD["profile"], "unfilterable": {"Property": ["PrivateRemarks"]}}}
    async with writing(directory, role, upstream=up) as desk:
        await desk.send("POST", "Property", DRAFT)
        path, found = "Property('Draft654321')", []
        for hidden in ("ok", "OK"):
            desk.change(path, PrivateRemarks=hidden)
            assert (await desk.send("GET", path)).status == 200
            found.append((await desk.send("PATCH", path, {"City": "A", **BY})).status)
        assert found[0] == found[1]


@pytest.mark.channel("C205")
async def test_a_name_that_the_binding_hides(directory: Path) -> None:
    role = prop(
        None,
        {"Fields": [*WRITES["Fields"], "OwnerName"], "PolicyFields": [], "Required": {"PATCH": ["OwnerName"]}},
        ({"Condition": "ListOfficeKey eq @OfficeKey", "Fields": ["OwnerName"]},),
    )
    async with writing(directory, role) as desk:
        desk.sandbox.database.insert("Property", {**DRAFT, "ListingKey": "K1", "StandardStatus": "Active"})
        assert b'OwnerName"' not in (await desk.send("GET", "$metadata")).body
        a = await desk.send("PATCH", "Property('K1')", {"OwnerName": 7})
        b = await desk.send("PATCH", "Property('K1')", {"OwnerXxxx": 7})
        assert b"OwnerName" not in b.body
        assert a.body.replace(b"OwnerName", b"OwnerXxxx") == b.body


@pytest.mark.channel("C307", "C221")
async def test_told_definitely_and_written_all_the_same(directory: Path, tmp_path: Path) -> None:
    async with writing(directory, database=f"sqlite:///{tmp_path}/g.db", requests={"deadline": 0.7}) as desk:
        real = Repeats.claim

        async def slow(self: Repeats, identity: str) -> bool:
            await asyncio.sleep(1.2)
            return await real(self, identity)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Repeats, "claim", slow)
            a = await desk.send("POST", "Property", DRAFT, **again())
            await asyncio.sleep(1.2)
        assert a.json()["error"]["code"] == "UnknownOutcome" or desk.sandbox.written == []


@pytest.mark.channel("C307")
async def test_sent_after_the_client_was_told(directory: Path) -> None:
    slow = asyncio.Event()
    async with writing(directory, requests={"deadline": 0.5}, upstream={"max_connections": 1}) as desk:
        desk.sandbox.waits(slow)
        await desk.send("POST", "Property", DRAFT)
        b = await desk.send("POST", "Property", {**DRAFT, "City": "Late"})
        assert (b.status, len(desk.sandbox.came)) == (504, 1)
        slow.set()
        await asyncio.sleep(0.5)
        assert len(desk.sandbox.written) == 1


@pytest.mark.parametrize(
    "text",
    [
        "Fri, 01 Jan 2027 00:00:00 +99999999999999999",
        "1 Jan 99999999999999999999999 00:00:00 GMT",
        "1 Jan 2027 999999999999999999999:00:00 GMT",
    ],
)
@pytest.mark.channel("C221")
async def test_first_sent(directory: Path, tmp_path: Path, text: str) -> None:
    async with writing(directory, database=f"sqlite:///{tmp_path}/g.db") as desk:
        assert (
            await desk.send("POST", "Property", DRAFT, **{**again(), "Repeatability-First-Sent": text})
        ).status == 400


@pytest.mark.parametrize("value", ["M001\x00", "M\n1", "\x7f", "\ufeff", "\u2028"])
@pytest.mark.channel("C214")
async def test_references_with_controls(directory: Path, value: str) -> None:
    async with writing(directory) as desk:
        path = await desk.draft()
        assert (await desk.send("PATCH", path, {"ChangedByMemberKey": value})).status == 400


@pytest.mark.channel("C326")
async def test_control_takes_over_children(directory: Path) -> None:
    role = {
        **prop(
            "StandardStatus in ('Incomplete','Active')",
            {"Control": ["ChangedByMemberKey", "ListingId"]},
            hidden=("ChangedByMemberKey", "ListingId"),
        ),
        "OpenHouse": {"Default": "Visible"},
    }
    up = {
        "profile": {
            **profile(conditional_writes="etag", create_defaults={"Property": {"StandardStatus": "Incomplete"}}),
            "links": {"Property": {"OpenHouse": {"local": "ListingId", "target": "ListingId"}}},
        }
    }
    async with writing(directory, role, upstream=up) as desk:
        desk.sandbox.database.insert(
            "Property", {**DRAFT, "ListingKey": "H1", "ListingId": "HID", "StandardStatus": "Closed"}
        )
        desk.sandbox.database.insert(
            "OpenHouse", {"OpenHouseKey": "OH1", "ListingKey": "H1", "ListingId": "HID", "OpenHouseRemarks": "canary"}
        )
        path = await desk.draft()
        assert (await desk.send("GET", "OpenHouse('OH1')")).status == 404
        await desk.send("PATCH", path, {"ListingId": "HID", **BY})
        assert (await desk.send("GET", "OpenHouse('OH1')")).status == 404


@pytest.mark.channel("C93")
async def test_another_record_as_the_created_one(directory: Path) -> None:
    async with writing(directory) as desk:
        other = await desk.draft(City="Old")
        desk.sandbox.says(201, None, Location=f"http://evil.example/xx/{other}")
        a = await desk.send("POST", "Property", DRAFT)
        assert (a.status, a.body) == (204, b"")


@pytest.mark.channel("C221")
async def test_results_of_repeatable_requests(directory: Path, tmp_path: Path) -> None:
    slow = asyncio.Event()
    async with writing(directory, database=f"sqlite:///{tmp_path}/g.db", requests={"deadline": 0.6}) as desk:
        desk.sandbox.waits(slow)
        a = await desk.send("POST", "Property", DRAFT, **again("a"))
        slow.set()
        await asyncio.sleep(0.3)
        desk.sandbox.first(desk.sandbox.stall)
        b = await desk.send("POST", "Property", DRAFT, **again("b"))
        desk.sandbox.stalls.set()
        c = await desk.send("POST", "Property", b"x", **again("c"))
        assert [x.header("Repeatability-Result") for x in (a, b, c)] == ["accepted", "accepted", "rejected"]


async def test_tag_of_a_get_without_nulls(directory: Path) -> None:
    async with writing(directory) as desk:
        path = await desk.draft()
        tag = (await desk.send("GET", path, Prefer="omit-values=nulls")).header("ETag") or ""
        assert (
            await desk.send("PATCH", path, {"City": "A", **BY}, If_Match=tag, Prefer="omit-values=nulls")
        ).status == 204


async def test_post_under_a_condition(directory: Path) -> None:
    async with writing(directory) as desk:
        assert (await desk.send("POST", "Property", DRAFT, If_Match='"nothing"')).status == 412


async def test_one_fault_once(directory: Path) -> None:
    role = {
        **ROLE,
        "OpenHouse": {
            "Default": "Visible",
            "Writes": {"Methods": ["POST"], "Fields": ["ListingKey", "OpenHouseRemarks"]},
        },
    }
    async with writing(directory, role) as desk:
        a = await desk.send("POST", "OpenHouse", {"ListingKey": "nope"})
        assert len(a.json()["error"]["details"]) == 1


async def test_shape(directory: Path) -> None:
    async with writing(directory) as desk:
        path = await desk.draft()
        desk.sandbox.database._connection.execute(
            "UPDATE Property SET BedroomsTotal='abc'"
        )  # a server that lets anything in
        await desk.send("PATCH", path, {"City": "A", **BY}, If_Match="*")

        assert not [e for e in desk.gateway.events if isinstance(e, Complaint)]


@pytest.mark.channel("C183")
async def test_comma_in_a_tag(directory: Path) -> None:
    async with writing(directory) as desk:
        path = await desk.draft()
        assert (await desk.send("PATCH", path, {"City": "B", **BY}, If_Match='"a,*,b"')).status == 412
