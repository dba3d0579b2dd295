"""The road end to end, on loopback: three licences on the same listings, and answers that say no more."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import web

from gateway.odata.ast import Query
from gateway.odata.csdl import parse_metadata
from gateway.odata.parser import parse_filter
from gateway.sandbox.server import Sandbox
from tests.hostile import Hostile, collection, hostile_running
from tests.modelled import listing, modelled, profile, tables
from tests.support import CONFIG, ROOT, Harness, configuration, key_file, running, until, write_configuration

KEYS = ("demo-idx", "demo-vow", "demo-private")


def sandbox_rows(sandbox: Sandbox, text: str) -> list[str]:
    return [row["ListingKey"] for row in sandbox.database.read("Property", Query(filter=parse_filter(text))).rows]


async def pages(gateway: Harness, target: str, key: str) -> list[dict[str, object]]:
    answer = await gateway.get(target, key)
    rows = answer.rows
    while "@odata.nextLink" in answer.json():
        answer = await gateway.follow(answer, key)
        rows += answer.rows
    return rows


# --- the three licences


async def test_the_seeds_template_is_enforced(gateway: Harness, sandbox: Sandbox) -> None:
    """ListPrice absent on Residential and present on Land; active, opted-in listings of consenting sellers only."""
    rows = await pages(
        gateway, "Property?$select=ListingKey,PropertyType,ListPrice,TotalBaths,StandardStatus", "demo-idx"
    )

    residential = [row for row in rows if row["PropertyType"] == "Residential"]
    land = [row for row in rows if row["PropertyType"] == "Land"]
    assert residential
    assert land
    assert not any("ListPrice" in row for row in residential)
    assert all("ListPrice" in row for row in land)
    assert all("TotalBaths" in row for row in residential)
    assert not any("TotalBaths" in row for row in land)
    expected = sandbox_rows(
        sandbox,
        "StandardStatus eq 'Active' and InternetEntireListingDisplayYN eq true and ListingKey ne 'L00013' "
        "and SyndicateTo/any(x:x eq 'Zillow/Trulia')",
    )
    assert sorted(str(row["ListingKey"]) for row in rows) == sorted(expected)


@pytest.mark.parametrize(
    ("mode", "identity"), [("opt_in", "20160328145508904022000000"), ("opt_out", "20240102030405000001000000")]
)
async def test_each_syndication_removes_listings(sandbox: Sandbox, directory: Path, mode: str, identity: str) -> None:
    body = json.loads((CONFIG / "templates" / "company-idx.json").read_text())
    body["D"]["SyndicationId"] = identity
    free = {"D": {**body["D"], "SyndicationId": None}}
    write_configuration(directory, {
        "templates/with.json": body, "templates/without.json": free, "keys.yaml": key_file(k_with="Template: with", k_without="Template: without"),
    })  # fmt: skip
    async with running(configuration(directory, sandbox.url)) as gateway:
        with_, without = [
            {str(row["ListingKey"]) for row in await pages(gateway, "Property?$select=ListingKey", key)}
            for key in ("k-with", "k-without")
        ]

    value = {
        "opt_in": "SyndicateTo/any(x:x eq 'Zillow/Trulia')",
        "opt_out": "SyndicateTo ne null and SyndicateTo/all(x:x ne 'ListHub')",
    }[mode]
    assert with_ == without & set(sandbox_rows(sandbox, value))
    assert with_ < without


async def test_staff_see_everything_but_credentials(gateway: Harness) -> None:
    (listing,) = (await gateway.get("Property?$top=1&$filter=PrivateRemarks ne null", "demo-private")).rows
    (member,) = (await gateway.get("Member?$top=1", "demo-private")).rows

    assert "Agents only" in listing["PrivateRemarks"]
    assert "MemberPassword" not in member
    assert "MemberLoginId" not in member


@pytest.mark.channel("C224", "C336")
async def test_photos_are_cut_at_the_limit_and_the_counter_with_them(gateway: Harness, sandbox: Sandbox) -> None:
    target = "Property?$select=ListingKey,PhotosCount&$expand=Media($select=Order,MediaCategory)&$filter=City ne null"
    rows = await pages(gateway, target, "demo-vow")

    for row in rows:
        photos = [media for media in row["Media"] if media["MediaCategory"] != "Document"]  # type: ignore[attr-defined]  # a list of objects
        assert len(photos) <= 5
        assert row["PhotosCount"] == len(photos)
        assert sorted(media["Order"] for media in photos) == list(range(1, len(photos) + 1))
    assert any(row["PhotosCount"] == 5 for row in rows)
    full = {
        str(row["ListingKey"]): row["PhotosCount"]
        for row in await pages(gateway, "Property?$select=ListingKey,PhotosCount", "demo-private")
    }
    assert any(full[str(row["ListingKey"])] == 13 for row in rows)


@pytest.mark.channel("C339")
async def test_an_address_is_shown_with_the_sellers_consent_only(gateway: Harness) -> None:
    rows = await pages(gateway, "Property?$select=InternetAddressDisplayYN,StreetName,UnparsedAddress", "demo-idx")
    searched = await pages(gateway, "Property?$select=InternetAddressDisplayYN&$filter=StreetName ne 'x'", "demo-idx")

    assert all(("StreetName" in row) is (row["InternetAddressDisplayYN"] is True) for row in rows)
    assert {row["InternetAddressDisplayYN"] for row in rows} == {True, False, None}
    assert {row["InternetAddressDisplayYN"] for row in searched} == {True}


@pytest.mark.channel("C55")
async def test_the_literal_that_closes_its_quote_opens_nothing(gateway: Harness, sandbox: Sandbox) -> None:
    """The first attack, against the running product and its upstream's SQL."""
    attack = await gateway.get("Property?$count=true&$filter=City eq 'x'' or 1 eq 1 or ''y'", "demo-idx")

    assert (attack.status, attack.rows, attack.json()["@odata.count"]) == (200, [], 0)
    assert "StandardStatus%20eq%20%27Active%27" in sandbox.requests[-1]


# --- hidden equals unknown, on the wire


@pytest.mark.channel("C1", "C9", "C17", "C25", "C64", "C185", "C316")
@pytest.mark.guarantee("G2")
@pytest.mark.parametrize(
    "position", ["$filter={0} eq 'x'", "$orderby={0}", "$select={0}", "$expand={0}", "$expand=Media($select={0})"]
)
async def test_hidden_and_never_existed_are_the_same_bytes(gateway: Harness, position: str) -> None:
    for hidden in ("OwnerName", "MemberPassword", "Rooms"):
        fresh = "Zq" + "x" * (len(hidden) - 2)
        first = await gateway.get("Property?" + position.format(hidden))
        second = await gateway.get("Property?" + position.format(fresh))

        assert (first.status, first.headers) == (second.status, second.headers)
        assert first.body == second.body.replace(fresh.encode(), hidden.encode())
        assert first.status == 400


@pytest.mark.channel("C98", "C186", "C293")
async def test_a_withheld_an_absent_and_a_malformed_key_are_the_same_404(gateway: Harness, sandbox: Sandbox) -> None:
    withheld = sandbox_rows(sandbox, "StandardStatus eq 'Closed'")[0]
    answers = [await gateway.get(f"Property('{key}')") for key in (withheld, "L99999", "l00001")]
    answers += [
        await gateway.get("Property(5)"),
        await gateway.get("Nope('k')"),
        await gateway.get("PropertyRooms('R1-0')"),
    ]

    assert {(answer.status, answer.headers, answer.body) for answer in answers} == {
        (404, answers[0].headers, answers[0].body)
    }
    assert sandbox.requests[-1].startswith(f"{ROOT}/Property?$filter=")  # never the upstream's own key URL


# --- navigation paths


@pytest.mark.channel("C100", "C102", "C222", "C297")
async def test_a_path_below_a_listing_gives_what_expand_gives(gateway: Harness) -> None:
    (listing,) = (
        await gateway.get("Property?$filter=ListingKey eq 'L00002'&$select=City&$expand=Media", "demo-vow")
    ).rows
    path = await gateway.get("Property('L00002')/Media", "demo-vow")
    count = await gateway.get("Property('L00002')/Media/$count", "demo-vow")
    some = await gateway.get(
        "Property('L00002')/Media?$filter=Order gt 1&$orderby=Order desc&$top=2&$skip=1&$count=true&$select=Order",
        "demo-vow",
    )

    assert path.rows == listing["Media"]
    assert int(count.body) == len(path.rows) == 5
    assert some.json() == {
        "@odata.context": f"http://gateway.example{ROOT}/$metadata#Media(Order)",
        "value": [{"Order": 4}, {"Order": 3}],
        "@odata.count": 4,
    }


@pytest.mark.channel("C100", "C297")
@pytest.mark.parametrize("path", ["Media", "Media/$count", "ListOffice", "OpenHouse"])
async def test_below_a_withheld_listing_is_what_is_below_an_absent_one(
    gateway: Harness, sandbox: Sandbox, path: str
) -> None:
    withheld = next(key for key in sandbox_rows(sandbox, "StandardStatus eq 'Withdrawn'") if "'" not in key)

    first, second = await gateway.get(f"Property('{withheld}')/{path}"), await gateway.get(f"Property('L9999')/{path}")

    assert first == second
    assert first.status == 404


@pytest.mark.channel("C274")
async def test_below_a_record_that_hides_the_navigation_there_is_nothing(sandbox: Sandbox, directory: Path) -> None:
    body = {
        "D": {
            "Name": "x",
            "Description": "y",
            "Role": "private",
            "FieldOverrides": {"Property": {"Land": {"Media": {"Rule": "Hidden"}}}},
        }
    }
    write_configuration(directory, {"templates/t.json": body, "keys.yaml": key_file(k="Template: t")})
    async with running(configuration(directory, sandbox.url)) as gateway:
        for property_class, status in (("Land", 404), ("Farm", 200)):
            key = next(key for key in sandbox_rows(sandbox, f"PropertyType eq '{property_class}'") if "'" not in key)
            answer = await gateway.get(f"Property('{key}')/Media", "k")
            (row,) = (await gateway.get(f"Property?$filter=ListingKey eq '{key}'&$expand=Media&$select=City", "k")).rows

            assert answer.status == status
            assert ("Media" in row) is (status == 200)


@pytest.mark.channel("C101")
async def test_a_relation_to_one_record(gateway: Harness, sandbox: Sandbox) -> None:
    rows = sandbox.database.read("Property", Query(filter=parse_filter("StandardStatus ne null"))).rows
    with_, without = [
        next(row for row in rows if (row["CoListAgentKey"] is None) is absent and "'" not in row["ListingKey"])
        for absent in (False, True)
    ]

    found = await gateway.get(f"Property('{with_['ListingKey']}')/CoListAgent?$select=MemberKey", "demo-private")
    nothing = await gateway.get(f"Property('{without['ListingKey']}')/CoListAgent", "demo-private")

    assert found.json() == {
        "@odata.context": f"http://gateway.example{ROOT}/$metadata#Member(MemberKey)/$entity",
        "MemberKey": with_["CoListAgentKey"],
    }
    assert (nothing.status, nothing.body) == (204, b"")


# --- paging


@pytest.mark.channel("C87", "C88", "C285")
@pytest.mark.guarantee("G4")
@pytest.mark.parametrize("key", KEYS)
async def test_pages_add_up_to_the_whole(sandbox: Sandbox, key: str) -> None:
    async with running(configuration(CONFIG, sandbox.url, REQUESTS__PAGE_SIZE="7")) as gateway:
        target = "Property?$select=ListingKey,City&$orderby=City desc&$count=true"
        first = await gateway.get(target, key)
        paged = await pages(gateway, target, key)

    async with running(configuration(CONFIG, sandbox.url, REQUESTS__PAGE_SIZE="1000")) as gateway:
        whole = await gateway.get(target, key)

    assert paged == whole.rows
    assert first.json()["@odata.count"] == len(paged) == whole.json()["@odata.count"]
    assert "@odata.nextLink" not in whole.json()
    link = first.json()["@odata.nextLink"]
    assert link.startswith(f"http://gateway.example{ROOT}/Property?$skiptoken=")


@pytest.mark.channel("C87")
async def test_a_link_is_owed_only_when_more_may_come(sandbox: Sandbox) -> None:
    async with running(configuration(CONFIG, sandbox.url, REQUESTS__PAGE_SIZE="10")) as gateway:
        total = (await gateway.get("Property?$count=true&$top=0")).json()["@odata.count"]
        for top, linked in ((1, False), (10, False), (11, True)):
            assert ("@odata.nextLink" in (await gateway.get(f"Property?$top={top}&$select=City")).json()) is linked
        rows = await pages(gateway, "Property?$top=15&$select=ListingKey", "demo-idx")
        rest = await gateway.get(f"Property?$skip={total - 3}&$select=ListingKey")

    assert len({str(row["ListingKey"]) for row in rows}) == 15
    assert len(rest.rows) == 3
    assert "@odata.nextLink" not in rest.json()


@pytest.mark.channel("C89", "C90", "C91")
async def test_links_are_for_one_key_one_request_and_alone(sandbox: Sandbox) -> None:
    async with running(configuration(CONFIG, sandbox.url, REQUESTS__PAGE_SIZE="5")) as gateway:
        link = (await gateway.get("Property?$select=ListingKey")).json()["@odata.nextLink"]
        token = link.partition("$skiptoken=")[2]
        wrong = [
            await gateway.get(f"Property?$skiptoken={token}", "demo-vow"),
            await gateway.get(f"Member?$skiptoken={token}"),
            await gateway.get(f"Property?$skiptoken={token[:-2]}AA"),
            await gateway.get(f"Property?$skiptoken={token}=="),
            await gateway.get("Property?$skiptoken=abc"),
            await gateway.get("Property?$skiptoken=L00010"),
        ]
        with_option = [
            await gateway.get(f"Property?$skiptoken={token}&{option}")
            for option in ("$top=1", "$filter=City eq 'x'", "$count=true")
        ]
        good = await gateway.get(f"Property?$skiptoken={token}")
        gateway.now[0] += 25 * 3600
        late = await gateway.get(f"Property?$skiptoken={token}")
        wrong.append(await gateway.get(f"Property?$skiptoken={token}", "demo-vow"))  # a thief learns nothing of its age

    assert {answer.body for answer in wrong} == {wrong[0].body}
    assert {answer.status for answer in wrong + with_option} == {400}
    assert (good.status, late.status) == (200, 410)


@pytest.mark.channel("C362")
async def test_a_request_that_fits_no_link_is_refused_on_its_first_page(sandbox: Sandbox) -> None:
    """Whatever the data: on one page, on many, on none."""
    noise = " or ".join(f"City eq '{hashlib.sha256(str(n).encode()).hexdigest()}'" for n in range(190))
    async with running(configuration(CONFIG, sandbox.url)) as gateway:
        statuses = {
            (await gateway.get(f"Property?$filter={extra}({noise})")).status for extra in ("", "City eq 'never' and ")
        }
        needs_none = await gateway.get(f"Property?$top=5&$filter={noise}")

    assert statuses == {414}
    assert needs_none.status == 200


@pytest.mark.channel("C87")
@pytest.mark.parametrize("top", [0, 1, 3])
async def test_a_count_beside_a_satisfied_top_leads_nowhere(gateway: Harness, top: int) -> None:
    answer = await gateway.get(f"Property?$top={top}&$count=true&$select=City")

    assert len(answer.rows) == top
    assert "@odata.nextLink" not in answer.json()


@pytest.mark.channel("C362")
@pytest.mark.parametrize(
    "text",
    [
        "not " * 17 + "(City eq 'nowhere')",
        " or ".join(["BedroomsTotal ge 0"] * 700),
        "(" * 20 + "City ne null" + ")" * 20,
    ],
)
async def test_a_link_that_was_given_is_taken_back(sandbox: Sandbox, text: str) -> None:
    """Printed, a sealed request has more brackets than its client wrote; that is no fault of the client."""
    async with running(configuration(CONFIG, sandbox.url, REQUESTS__PAGE_SIZE="5")) as gateway:
        first = await gateway.get(f"Property?$select=City&$filter={text}")
        second = await gateway.follow(first, "demo-idx")

    assert (first.status, second.status) == (200, 200)


@pytest.mark.guarantee("G6")
async def test_a_filter_at_every_limit_is_answered(gateway: Harness) -> None:
    """What the limits admit, an upstream must bear: nested as deeply, with numbers as long as may be."""
    nested = "BedroomsTotal ge 0"
    for level in range(18):
        nested = f"({nested}) {'or' if level % 2 else 'and'} City ne 'x{level}'"
    numbers = f"ListPrice in ({','.join(['1e40'] * 1500)}) or BedroomsTotal ge 0"

    for text in (nested, numbers, "not " * 20 + "WaterfrontYN"):
        assert (await gateway.get(f"Property?$top=1&$filter={text}", "demo-private")).status == 200


@pytest.mark.guarantee("G6")
async def test_refusals_hold_on_to_nothing(gateway: Harness) -> None:
    """A cached refusal that is raised again and again would collect every traceback it ever had."""
    for _ in range(50):
        assert (await gateway.get("Property?$foo=1")).status == 400
    depths = []
    kept = gateway.service.gateway._parsed._keys["demo-idx"].values()  # the cache has no public face
    for request, _ in kept:
        trace, depth = request.fault.__traceback__ if request.fault else None, 0
        while trace is not None:
            trace, depth = trace.tb_next, depth + 1
        depths.append(depth)

    assert max(depths) < 10


# --- what surrounds the data


@pytest.mark.channel("C149", "C314")
async def test_one_401_for_every_way_to_be_nobody(gateway: Harness) -> None:
    answers = [await gateway.get("Property", None)]
    for credential in ("Bearer nobody", "Bearer ", "Basic ZGVtbzpk", "demo-idx", "Bearer demo-idx x"):
        answers.append(await gateway.request("GET", f"{ROOT}/Property", headers={"Authorization": credential}))
    answers.append(await gateway.request("GET", f"{ROOT}/Nope?access_token=demo-idx"))

    assert {(answer.status, answer.headers, answer.body) for answer in answers} == {
        (401, answers[0].headers, answers[0].body)
    }
    assert answers[0].header("WWW-Authenticate") == 'Bearer realm="RESO Web API"'


async def test_a_disabled_key_is_nobody(sandbox: Sandbox, directory: Path) -> None:
    write_configuration(
        directory, {"keys.yaml": key_file(k_one="Role: idx").replace("Role: idx", "Role: idx\n    Enabled: false")}
    )
    async with running(configuration(directory, sandbox.url)) as gateway:
        assert (await gateway.get("Property", "k-one")).status == 401


@pytest.mark.channel("C157", "C253", "C316")
async def test_headers_are_a_closed_list(gateway: Harness) -> None:
    data = await gateway.get("Property?$top=1")
    error = await gateway.get("Property?$top=x")

    assert dict(data.headers) == {
        "Content-Type": "application/json;odata.metadata=minimal", "OData-Version": "4.01", "Cache-Control": "private, no-store",
        "Vary": "Authorization, Accept-Encoding", "Server": "gateway", "Etag": data.header("ETag"),
        "Content-Encoding": "gzip", "Content-Length": data.header("Content-Length"),
    }  # fmt: skip
    assert dict(error.headers) == {
        "Content-Type": "application/json", "Content-Language": "en", "OData-Version": "4.01", "Cache-Control": "private, no-store",
        "Vary": "Authorization, Accept-Encoding", "Server": "gateway", "Content-Length": str(len(error.body)),
    }  # fmt: skip


@pytest.mark.channel("C152")
async def test_head_is_get_without_a_body(gateway: Harness) -> None:
    for target in ("Property?$top=1", "Property?$filter=Nope eq 1", "Property('L99999')"):
        got = await gateway.get(target)
        head = await gateway.request("HEAD", f"{ROOT}/{target}".replace(" ", "%20"), "demo-idx")

        assert (head.status, head.headers, head.body) == (got.status, got.headers, b"")


@pytest.mark.channel("C145", "C150", "C151")
async def test_methods_and_overrides(gateway: Harness, sandbox: Sandbox) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE", "TRACE", "QUERY", "OPTIONS", "MERGE"):
        known = await gateway.request(method, f"{ROOT}/Property", "demo-idx")
        hidden = await gateway.request(method, f"{ROOT}/PropertyRooms", "demo-idx")
        fresh = await gateway.request(method, f"{ROOT}/Zzzz", "demo-idx")
        assert (known.status, known.header("Allow")) == (405, "GET, HEAD")
        assert (hidden.status, hidden.headers, hidden.body) == (404, fresh.headers, fresh.body)
    before = len(sandbox.requests)
    for header in ("X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override"):
        answer = await gateway.request("GET", f"{ROOT}/Property", "demo-idx", {header: "DELETE"})
        assert answer.status == 405
    assert len(sandbox.requests) == before


@pytest.mark.channel("C146")
async def test_nothing_of_the_clients_headers_goes_upstream(gateway: Harness, sandbox: Sandbox) -> None:
    headers = {
        "X-Forwarded-Host": "canary",
        "Cookie": "a=canary",
        "traceparent": "canary",
        "Accept-Language": "de",
        "If-None-Match": "canary",
    }

    plain = await gateway.get("Property?$top=1")
    dressed = await gateway.request("GET", f"{ROOT}/Property?$top=1", "demo-idx", headers)

    assert dressed == plain


@pytest.mark.channel("C162")
@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/json", 200),
        ("*/*", 200),
        ("text/html,application/*;q=0.5", 200),
        ("application/xml", 406),
        ("application/atom+xml", 406),
    ],
)
async def test_accept(gateway: Harness, accept: str, status: int) -> None:
    assert (await gateway.request("GET", f"{ROOT}/Property?$top=1", "demo-idx", {"Accept": accept})).status == status


@pytest.mark.channel("C147", "C154", "C155")
async def test_forms_of_http_that_nobody_needs_are_refused(gateway: Harness) -> None:
    for headers, status in (({"Upgrade": "websocket", "Connection": "Upgrade"}, 400), ({"Expect": "foo"}, 417)):
        assert (await gateway.request("GET", f"{ROOT}/Property", "demo-idx", headers)).status == status
    async with gateway.session.get(
        f"http://127.0.0.1:{gateway.service.listener.port}{ROOT}/Property",
        data=b"x",
        headers={"Authorization": "Bearer demo-idx"},
    ) as response:
        assert response.status == 400


@pytest.mark.channel("C141")
async def test_a_target_that_is_too_long_is_414_and_headers_431(gateway: Harness) -> None:
    assert (await gateway.get("Property?$filter=" + "x" * 33_000)).status == 414
    assert (await gateway.request("GET", f"{ROOT}/Property", "demo-idx", {"X-A": "x" * 17_000})).status == 431


@pytest.mark.channel("C162", "C165", "C311")
@pytest.mark.parametrize("key", KEYS)
async def test_metadata_is_of_the_key_and_covers_every_answer(gateway: Harness, key: str) -> None:
    document = await gateway.get("$metadata", key)
    schema = parse_metadata(document.body)
    again = await gateway.get("$metadata", key)
    as_json = await gateway.request("GET", f"{ROOT}/$metadata", key, {"Accept": "application/json"})

    assert document.header("Content-Type") == "application/xml"
    assert document == again
    assert as_json.header("Content-Type") == "application/json"
    assert (await gateway.request("GET", f"{ROOT}/$metadata", key, {"Accept": "text/html"})).status == 406
    for name in schema.entity_sets:
        for row in (await gateway.get(f"{name}?$top=20", key)).rows:
            assert row.keys() <= schema.type_of(name).properties.keys()


@pytest.mark.channel("C167")
async def test_the_service_document_lists_what_exists_for_the_key(gateway: Harness) -> None:
    for key in KEYS:
        sets = [entry["name"] for entry in (await gateway.get("", key)).rows]
        for name in ("Property", "Member", "Media", "PropertyRooms", "Nope"):
            assert ((await gateway.get(f"{name}?$top=1", key)).status == 200) is (name in sets)


async def test_a_count_is_plain_text_and_equals_the_rows(gateway: Harness) -> None:
    answer = await gateway.get("Property/$count?$filter=BedroomsTotal gt 2")
    rows = await pages(gateway, "Property?$select=ListingKey&$filter=BedroomsTotal gt 2", "demo-idx")

    assert answer.header("Content-Type") == "text/plain"
    assert int(answer.body) == len(rows)


async def test_numbers_keep_each_digit(gateway: Harness, sandbox: Sandbox) -> None:
    stored = {
        row["ListingKey"]: bytes(row["ListPrice"])
        for row in sandbox.database.read("Property", Query()).rows
        if row["ListPrice"]
    }
    answer = await gateway.get("Property?$select=ListingKey,ListPrice", "demo-private")

    for row in answer.body.split(b"},{")[:50]:
        if b'"ListPrice":null' not in row:
            key = row.partition(b'"ListingKey":"')[2].partition(b'"')[0].decode()
            assert row.partition(b'"ListPrice":')[2].partition(b",")[0] == stored[key]


# --- observed


@pytest.mark.channel("C257", "C351")
async def test_one_event_a_request_without_values(gateway: Harness) -> None:
    await gateway.get("Property?$filter=City eq 'Canary Town' and ListPrice gt 77777&$select=City")
    await gateway.get("Property?$filter=OwnerName eq 'Canary Town'")

    first, second = gateway.handled
    assert (first.key_id, first.policy, first.status, first.resource) == ("demo-idx", "company-idx", 200, "Property")
    assert first.shape == "$filter=(City eq '?') and (ListPrice gt '?')&$select=City"
    assert (second.status, second.reason, second.upstream_requests) == (400, "InvalidQuery", 0)
    assert "Canary" not in str(gateway.events)
    assert "77777" not in str(gateway.events)


async def test_two_keys_on_the_same_address_never_mix(gateway: Harness) -> None:
    """C253, C256: no cache of answers, whatever the interleaving."""
    expected = {key: await gateway.get("Property?$select=ListingKey,ListPrice", key) for key in KEYS}
    for _ in range(5):
        answers = await asyncio.gather(*(gateway.get("Property?$select=ListingKey,ListPrice", key) for key in KEYS))
        assert dict(zip(KEYS, answers, strict=True)) == expected


@pytest.mark.guarantee("G6")
async def test_more_requests_than_it_answers_at_a_time_are_refused_at_once() -> None:
    go = asyncio.Event()

    async def slow(_: web.BaseRequest) -> web.StreamResponse:
        await go.wait()
        return collection([])

    upstream = Hostile(slow)
    async with (
        hostile_running(upstream),
        running(configuration(CONFIG, upstream.url, REQUESTS__MAX_CONCURRENT="2")) as gateway,
    ):
        waiting = [asyncio.create_task(gateway.get("Property?$top=1")) for _ in range(2)]
        await until(lambda: len(upstream.requests) == 2)
        shed = await gateway.get("Property?$top=1")
        go.set()
        answered = [(await task).status for task in waiting]
        after = await gateway.get("Property?$top=1")

    assert shed.status == 503
    assert shed.header("Retry-After") == "5"
    assert answered == [200, 200]
    assert after.status == 200


# --- spellings of a target


PATHS = ("", "Property", "Property('L00002')", "Property('L00002')/Media", "Property('L00002')/Media/$count", "Property('L00002')/ListOffice",
         "Property/$count", "$metadata", "Field", "Lookup")  # fmt: skip


@pytest.mark.channel("C137", "C142")
@pytest.mark.parametrize("path", PATHS)
async def test_a_slash_and_empty_pairs_at_the_end_say_nothing(gateway: Harness, path: str) -> None:
    """Links in answers stay canonical: the bytes are those of the plain target."""
    plain = await gateway.get(path, "demo-vow")
    spellings = [f"{path}?", f"{path}?&", f"{path}?&&", *([f"{path}/", f"{path}/?"] if path else [])]

    assert plain.status == 200
    for spelling in spellings:
        assert await gateway.get(spelling, "demo-vow") == plain, spelling


@pytest.mark.channel("C137", "C98", "C316")
@pytest.mark.guarantee("G2")
@pytest.mark.parametrize("ending", ["/", "//", "/?", "?&", "/$count/", "('L1')/", "('A+B')", "('A;B')", ";v=1", "+x"])
async def test_hidden_and_never_existed_are_the_same_bytes_in_every_spelling_of_a_path(
    gateway: Harness, ending: str
) -> None:
    hidden, fresh = [await gateway.get(f"{name}{ending}") for name in ("PropertyRooms", "PropertyZooms")]
    below = [await gateway.get(f"Property('L00002')/{name}{ending}") for name in ("Rooms", "Zooms")]

    assert hidden == fresh
    assert below[0] == below[1]
    assert (hidden.status, below[0].status) == (404, 404)


@pytest.mark.channel("C137")
@pytest.mark.parametrize(
    "path", ["Property//", "Property('L00002')//", "/", "Property//$count", "Property/./", "Property;v=1"]
)
async def test_an_empty_segment_is_none(gateway: Harness, path: str) -> None:
    assert (await gateway.get(path, "demo-vow")).status == 404


@pytest.mark.channel("C107", "C133", "C136", "C138")
@pytest.mark.parametrize("character", "!$&'()*+,;=:@-._~ /?#%")
async def test_every_key_is_reached_by_its_path(directory: Path, character: str) -> None:
    """RFC 3986, 3.3: what a path may hold stands for itself, and an escape is the same."""
    key = f"A{character}B"
    spellings = {quote(key.replace("'", "''"), safe="")}
    if character not in " /?#%":
        spellings.add(key.replace("'", "''"))
    async with modelled(directory, tables(Property=[listing(key), listing("A B-other")])) as (gateway, _):
        answers = [
            await gateway.request("GET", f"{ROOT}/Property('{spelt}')?$select=ListingKey", "k") for spelt in spellings
        ]
        media = [
            await gateway.request("GET", f"{ROOT}/Property(ListingKey='{spelt}')/Media", "k") for spelt in spellings
        ]

    assert [(answer.status, answer.json().get("ListingKey")) for answer in answers] == [(200, key)] * len(spellings)
    assert {answer.status for answer in media} == {200}


# --- forms of a filter that clients write


CITIES = [None, "a", "B", "ab", "", "X"]


@pytest.mark.guarantee("G4")
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("City in ('a',null)", [None, "a"]), ("City in (null)", [None]), ("not (City in ('a',null))", ["B", "ab", "", "X"]),
        ("contains(City,'a') eq true", ["a", "ab"]), ("contains(City,'a') eq false", ["B", "", "X"]), ("true eq contains(City,'a')", ["a", "ab"]),
        ("contains(City,'a') ne true", [None, "B", "", "X"]), ("not (contains(City,'a') eq true)", [None, "B", "", "X"]),
        ("City eq tolower('A')", ["a"]), ("toupper('x') eq City", ["X"]), ("City in (trim(' a '),concat('a','b'))", ["a", "ab"]),
        ("length('a') eq length(City)", ["a", "B", "X"]), ("contains(City,tolower('A'))", ["a", "ab"]), ("City eq @p&@p=null", [None]),
        ("City in ('a',@p)&@p=null", [None, "a"]), ("IDXOptInYN", ["a", "ab"]), ("TRUE eq IDXOptInYN", ["a", "ab"]), ("not IDXOptInYN", [None, "B", "", "X"]),
    ],
)  # fmt: skip
async def test_each_form_selects_the_rows_that_odata_says(directory: Path, text: str, found: list[str | None]) -> None:
    """As a filter of the whole set, pushed and evaluated here, of one list inside a record, and as a rule."""
    rows = [listing(f"L{n}", City=city, IDXOptInYN=city in ("a", "ab")) for n, city in enumerate(CITIES)]
    role = {
        "Property": {"Filter": "StandardStatus eq 'Active'", "Fields": {"All": {"Visible": ["City", "IDXOptInYN"]}}}
    }
    for trusted in (profile(), {}):
        async with modelled(directory / str(len(trusted)), tables(Property=rows), role=role, trusted=trusted) as (
            gateway,
            _,
        ):
            answer = await gateway.get(f"Property?$select=City&$orderby=ListingKey&$filter={text}", "k")

        assert answer.status == 200, answer.body
        assert [row["City"] for row in answer.rows] == [city for city in CITIES if city in found]


@pytest.mark.channel("C26", "C48", "C316")
@pytest.mark.guarantee("G2")
@pytest.mark.parametrize(
    "text",
    ["~ in ('a',null)", "contains(~,'a') eq true", "false ne startswith(~,'a')", "~ eq tolower('a')", "toupper('a') eq ~", "~ in (trim('a'))",
     "contains(tolower(~),tolower('a'))", "concat(~,tolower('a')) eq 'a'", "contains(City,'a') eq ~", "contains(City,~) eq true", "City in (~,null)",
     "City in (tolower(~))", "contains(City,tolower(~))", "~ eq TRUE", "tolower('a') eq ~ and City in (null)"],
)  # fmt: skip
async def test_hidden_and_never_existed_are_the_same_bytes_in_every_form(directory: Path, text: str) -> None:
    async with modelled(directory, tables(Property=[listing("L1")])) as (gateway, _):
        for target in (
            "Property?$filter={}",
            "Property/$count?$filter={}",
            "Property?&$filter={}&&$count=TRUE",
            "Property/?$filter={}",
        ):
            hidden, fresh = [
                await gateway.get(target.format(text.replace("~", name)), "k") for name in ("OwnerName", "Qwertyuio")
            ]

            assert (hidden.status, hidden.headers) == (fresh.status, fresh.headers) == (400, fresh.headers)
            assert hidden.body.replace(b"OwnerName", b"Qwertyuio") == fresh.body
