"""Treatments of channels that no other test would miss (docs/channels.md, tests/channels)."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.redact.media import rank
from tests.modelled import listing, member, modelled, photo, profile, tables
from tests.support import ROOT, key_file


@pytest.mark.channel("C165")
@pytest.mark.guarantee("G1", "G2")
@pytest.mark.parametrize("media_type", ["application/xml", "application/json"])
async def test_two_keys_have_two_documents_about_the_model(directory: Path, media_type: str) -> None:
    """What was written for one key is not answered to another one, whichever asks first."""
    shown = {"Property": {"All": {"OwnerName": {"Rule": "Visible"}}}}
    wide = {"D": {"Name": "w", "Description": "w", "Role": "idx", "FieldOverrides": shown}}
    keys = key_file(k="Role: idx", wide="Template: wide", other="Role: idx")
    async with modelled(directory, tables(Property=[]), templates={"wide": wide}, keys=keys) as (gateway, _):
        found = [
            (await gateway.request("GET", f"{ROOT}/$metadata", key, {"Accept": media_type})).body
            for key in ("other", "wide", "k")
        ]

    assert [b"OwnerName" in body for body in found] == [False, True, False]


@pytest.mark.channel("C258")
@pytest.mark.guarantee("G1")
async def test_the_answer_to_a_request_that_was_given_up_is_nobodys(directory: Path) -> None:
    """It comes when another request is on its way, whose records it could well be by their rule."""
    given_up = asyncio.Event()
    data = tables(Property=[listing("L1", City="X"), listing("L2", City="Y")])
    async with modelled(directory, data, settings={"requests": {"deadline": 0.3}}) as (gateway, model):
        honest = model.answer

        async def late(request: web.BaseRequest) -> web.StreamResponse:
            await given_up.wait()
            response: web.StreamResponse = honest(request)
            return response

        model.answer = late
        first = await gateway.get("Property?$select=City&$filter=City eq 'X'", "k")
        model.answer = honest
        given_up.set()
        second = await gateway.get("Property?$select=City&$filter=City eq 'Y'", "k")

    assert first.status == 504
    assert second.rows == [{"City": "Y"}]


@pytest.mark.channel("C331")
def test_an_order_that_the_model_declares_as_text_is_ranked_as_a_number() -> None:
    """A model may declare ``Order`` as Edm.String; as texts, 10 would come before 2 and 2.5 before 10."""
    orders = ["10", " 2", "2.5", "x", "", None, Decimal(3)]
    ranked = sorted(orders, key=lambda order: rank(order, "key"))

    assert ranked == [" 2", "2.5", Decimal(3), "10", "x", "", None]


@pytest.mark.channel("C302")
@pytest.mark.guarantee("G3")
async def test_what_breaks_a_handler_is_told_in_our_words(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It broke where nothing of ours looks any more, so the library asks us for an answer."""

    async def broken(_: web.BaseRequest) -> web.StreamResponse:
        raise RuntimeError("canary")

    async with modelled(directory, tables(Property=[])) as (gateway, _):
        monkeypatch.setattr(gateway.service.listener, "_handler", broken)
        answer = await gateway.get("Property", "k")

    assert (answer.status, answer.header("Server"), answer.header("Content-Type")) == (
        502,
        "gateway",
        "application/json",
    )
    assert answer.json()["error"]["code"] == "UpstreamError"
    assert b"canary" not in answer.body


@pytest.mark.channel("C333")
@pytest.mark.guarantee("G1")
@pytest.mark.parametrize("trusted", [profile(), {}])
async def test_a_listing_lends_its_key_to_no_other_kind_of_record(directory: Path, trusted: dict[str, Any]) -> None:
    """A withheld member has the key of a listing that is visible: what is in its media is not shown by any way."""
    own = photo("L1", 1, key="own")
    data = tables(
        Property=[listing("L1")],
        Member=[member("L1", MemberStatus="Inactive")],
        Media=[own, {**photo("L1", 1, key="foreign"), "ResourceName": "Member"}],
    )
    async with modelled(directory, data, trusted=trusted) as (gateway, _):
        lists = [
            (await gateway.get(target, "k")).rows
            for target in (
                "Media?$select=MediaKey",
                "Media?$select=MediaKey&$filter=ResourceRecordKey eq 'L1'",
                "Property('L1')/Media?$select=MediaKey",
            )
        ]
        single = [(await gateway.get(f"Media('{key}')", "k")).status for key in ("own", "foreign")]

    assert lists == [[{"MediaKey": "own"}]] * 3
    assert single == [200, 404]
