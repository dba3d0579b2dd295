"""Add/Edit through gateway and sandbox: the seed's flow, what is answered to it, and what is refused before anything is
sent (RESO Add/Edit, CHANNELS 3.15)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.sandbox.rows import make_tables
from tests.support import ROOT
from tests.writing import BY, DRAFT, HIDDEN, PUBLIC, ROLE, WRITES, details, writing

TABLES = make_tables(listings=40)
CLOSED = "cannot be written here"
OUTSIDE = "is not one of the values of this field"


async def test_the_seeds_flow(directory: Path) -> None:
    async with writing(directory) as desk:
        made = await desk.send("POST", "Property", DRAFT)
        path = f"Property('{made.json()['ListingKey']}')"
        priced = await desk.send("PATCH", path, {"ListPrice": 110000, **BY})
        published = await desk.send("PATCH", path, {"StandardStatus": "Active", **BY}, Prefer="return=representation")
        sold = await desk.send("PATCH", path, {"StandardStatus": "Sold", "SoldPrice": 110000, **BY})
        found = await desk.send("GET", path)
        deleted = await desk.send("DELETE", path)
        gone = await desk.send("GET", path)
        again = await desk.send("DELETE", path)

    assert made.json()["ListingKey"].startswith("Draft")
    shown = {name: made.json()[name] for name in ("StandardStatus", "ContractStatus", "MlsStatus", *DRAFT)}
    assert shown == {"StandardStatus": "Incomplete", "ContractStatus": "Draft", "MlsStatus": "Draft", **DRAFT}
    answers = (made, priced, published, sold, found, deleted, gone, again)
    assert [answer.status for answer in answers] == [201, 204, 200, 204, 200, 204, 404, 404]
    assert (found.json()["StandardStatus"], found.json()["SoldPrice"]) == ("Sold", 110000)
    assert again.body == gone.body


@pytest.mark.channel("C93", "C176", "C212", "C181", "C325")
async def test_what_a_write_is_answered_with(directory: Path) -> None:
    """RESO Add/Edit: Location, EntityId, links and a tag, whatever the client prefers; all of it is ours."""
    async with writing(directory) as desk:
        full = await desk.send("POST", "Property", DRAFT, Prefer="return=representation")
        minimal = await desk.send("POST", "Property", DRAFT, Prefer="return=minimal")
        path = await desk.draft()
        plain = await desk.send("PATCH", path, {"City": "A", **BY})
        whole = await desk.send("PATCH", path, {"City": "B", **BY}, Prefer="return=representation")
        brief = await desk.send("PATCH", path, {"City": "C", **BY}, Prefer="return=minimal")
        deleted = await desk.send("DELETE", path, Prefer="return=representation")
        again = await desk.send("GET", full.json()["@odata.id"].removeprefix(f"{PUBLIC}/"))

    assert [answer.status for answer in (full, minimal, plain, whole, brief, deleted)] == [201, 204, 204, 200, 204, 204]
    applied = [answer.header("Preference-Applied") for answer in (full, minimal, plain, whole, brief, deleted)]
    assert applied == ["return=representation", "return=minimal", None, "return=representation", "return=minimal", None]
    for answer in (full, minimal, plain, whole, brief):
        address = answer.header("Location")
        assert address is not None
        assert address.startswith(f"{PUBLIC}/Property('Draft")
        assert {answer.header(name) for name in ("OData-EntityId", "EntityId")} == {address}
        assert (answer.header("ETag") or "").startswith('W/"')
        if answer.body:
            body = answer.json()
            links = [body[f"@odata.{name}"] for name in ("id", "editLink", "etag")]
            assert links == [address, address, answer.header("ETag")]
    assert deleted.header("Location") is None
    # What was answered is what is read, links apart, and no hidden field or host of the upstream is in it.
    read = {
        name: value
        for name, value in full.json().items()
        if name not in ("@odata.id", "@odata.editLink", "@odata.etag")
    }
    assert (again.json(), again.header("ETag")) == (read, full.header("ETag"))
    assert b"ChangedByMemberKey" not in full.body + whole.body
    assert b"127.0.0.1" not in full.body + whole.body + repr((full.headers, minimal.headers, whole.headers)).encode()


@pytest.mark.channel("C212")
async def test_the_upstream_is_asked_for_nothing_but_the_write(directory: Path) -> None:
    async with writing(directory) as desk:
        path = await desk.draft()
        await desk.send(
            "PATCH", path, {"City": "A", **BY}, Prefer="return=representation", X_Custom="client", Repeatability_Foo="x"
        )

        ((method, target, headers),) = desk.sandbox.came

    assert (method, headers["Prefer"], headers["Content-Type"]) == ("PATCH", "return=minimal", "application/json")
    assert target.endswith(path.replace("'", "%27")) or target.endswith(path)
    assert headers["If-Match"].startswith('W/"')
    assert not {"X-Custom", "Authorization", "Repeatability-Foo"} & set(headers)


@pytest.mark.channel("C210", "C145", "C215", "C216", "C322")
@pytest.mark.guarantee("G4")
async def test_methods_are_those_of_the_licence(directory: Path) -> None:
    """405 with the list of what is allowed, whether the row exists or not; what the key cannot see is 404 by any."""
    narrow = {"Writes": {"Property": ["PATCH"]}, "ListingPhotoLimit": 2}
    role = {
        **ROLE,
        "Media": {"Default": "Visible", "Writes": {"Methods": ["POST", "PATCH", "DELETE"], "Fields": ["Order"]}},
    }
    cases = [
        ("k", "POST", "Property('x')", 405, "GET, HEAD, PATCH, DELETE"), ("k", "PATCH", "Property", 405, "GET, HEAD, POST"),
        ("k", "DELETE", "Property", 405, "GET, HEAD, POST"), ("k", "PUT", "Property('x')", 405, "GET, HEAD, PATCH, DELETE"),
        ("k", "MERGE", "Property('x')", 405, "GET, HEAD, PATCH, DELETE"), ("k", "POST", "Member", 405, "GET, HEAD"),
        ("k", "PATCH", "Property('x')/Media", 405, "GET, HEAD"), ("k", "POST", "Property/$count", 405, "GET, HEAD"),
        ("narrow", "POST", "Property", 405, "GET, HEAD"), ("narrow", "DELETE", "Property('x')", 405, "GET, HEAD, PATCH"),
        ("narrow", "DELETE", "Media('x')", 405, "GET, HEAD"), ("narrow", "PATCH", "Media('x')", 405, "GET, HEAD"),
        ("k", "POST", "Nope", 404, None), ("k", "DELETE", "Teams('x')", 404, None), ("k", "PATCH", "Property('x')/Ns.Publish", 404, None),
        ("k", "PATCH", "Property/$filter(City%20eq%20'A')/$each", 404, None), ("k", "PATCH", "Property/$each", 501, None),
        ("k", "PATCH", "Property('x')/City", 501, None),
    ]  # fmt: skip
    async with writing(directory, role, template=narrow) as desk:
        found = [
            (key, method, path, (answer := await desk.send(method, path, {"City": "A"}, key=key)).status, answer.header("Allow"))
            for key, method, path, _, _ in cases
        ]  # fmt: skip
        overridden = await desk.send("POST", "Property('x')", {"City": "A"}, X_HTTP_Method_Override="PATCH")

        assert desk.sandbox.came == []
    assert found == cases
    assert overridden.status == 405


@pytest.mark.channel("C206", "C211", "C183", "C186")
@pytest.mark.guarantee("G1")
async def test_a_row_outside_the_rule_is_absent_to_every_write(directory: Path) -> None:
    async with writing(directory) as desk:
        hidden = next(
            row["ListingKey"]
            for row in TABLES["Property"]
            if row["StandardStatus"] not in ("Active", "Sold", "Incomplete")
        )
        before = desk.row(f"Property('{hidden}')")
        for method, body in (
            ("PATCH", {"City": "A", **BY}),
            ("PATCH", {"Nope": 1}),
            ("PATCH", {"StandardStatus": "Active", **BY}),
            ("DELETE", None),
        ):
            for headers in (
                {},
                {"If_Match": "*"},
                {"If_None_Match": "*"},
                {"If_Match": '"x"'},
                {"Prefer": "return=representation"},
            ):
                answers = [
                    await desk.send(method, f"Property('{key}')", body, **headers) for key in (hidden, "nowhere")
                ]

                assert answers[0] == answers[1]
                assert answers[0].status == 404
        assert desk.row(f"Property('{hidden}')") == before
        assert desk.sandbox.came == []


@pytest.mark.channel("C327", "C183", "C181")
async def test_conditions_are_about_what_the_key_sees(directory: Path) -> None:
    async with writing(directory) as desk:
        path = await desk.draft()
        tag = (await desk.send("GET", path)).header("ETag") or ""
        desk.change(path, PrivateRemarks="changed, and hidden")
        hidden = await desk.send("PATCH", path, {"City": "A", **BY}, If_Match=tag)
        stale = await desk.send("PATCH", path, {"City": "B", **BY}, If_Match=tag)
        fresh = await desk.send("PATCH", path, {"City": "B", **BY}, If_Match=f'"other", {hidden.header("ETag")}')
        none = await desk.send("PATCH", path, {"City": "C", **BY}, If_None_Match="*")
        same = await desk.send("PATCH", path, {"City": "C", **BY}, If_None_Match=fresh.header("ETag") or "")
        gone = await desk.send("DELETE", path, If_Match=tag)
        last = await desk.send("DELETE", path, If_Match=fresh.header("ETag") or "")

    assert [answer.status for answer in (hidden, stale, fresh, none, same, gone, last)] == [
        204,
        412,
        204,
        412,
        412,
        412,
        204,
    ]
    assert {answer.json()["error"]["code"] for answer in (stale, none, same, gone)} == {"PreconditionFailed"}


@pytest.mark.channel("C205", "C208", "C213", "C214", "C218", "C329", "C365", "C328")
@pytest.mark.guarantee("G2")
async def test_everything_that_is_wrong_with_a_body_is_told_at_once(directory: Path) -> None:
    async with writing(directory) as desk:
        path = await desk.draft()
        body = {
            "City": 7,
            "OwnerName": "y",
            "ListAgentKey": "M999",
            "Nope": 1,
            "ListPrice": 1.234,
            "ListingKey": "x",
            "Media": [{}],
            "a@odata.bind": "b",
        }
        made = await desk.send("POST", "Property", body)
        changed = await desk.send("PATCH", path, {**body, "PropertyType": "Land"})

        assert desk.sandbox.came == []
    missing = "is the key of no record that can be seen here"
    faults = {
        "City": "is no value of this field", "OwnerName": CLOSED, "Nope": CLOSED, "ListPrice": "has more than 2 decimal places", "ListingKey": CLOSED,
        "Media": CLOSED, "a@odata.bind": CLOSED, "ListAgentKey": missing,
    }  # fmt: skip
    required = dict.fromkeys(("ListOfficeKey", "PropertyType", "StreetNumber", "StreetName"), "is required")
    assert details(made) == {**faults, **required}
    assert details(changed) == {**faults, "PropertyType": CLOSED, "ChangedByMemberKey": "is required"}


@pytest.mark.channel("C214", "C365")
async def test_hidden_and_absent_references_are_one(directory: Path) -> None:
    """M003 is a member, and not for these keys."""
    async with writing(directory) as desk:
        path = await desk.draft()
        hidden, absent = [
            await desk.send("PATCH", path, {"ChangedByMemberKey": key, "ListAgentKey": key}) for key in ("M003", "M999")
        ]
        own = await desk.send("PATCH", path, {"City": "A", "ChangedByMemberKey": "M002"}, key="bound")
        foreign = await desk.send("PATCH", path, {"City": "A", **BY}, key="bound")
        nobody = await desk.send("PATCH", path, {"City": "A", "ChangedByMemberKey": "M999"}, key="bound")
        reads = [
            await desk.send("GET", f"Property?{query}")
            for query in (
                "$select=ChangedByMemberKey",
                "$filter=ChangedByMemberKey%20eq%20'M002'",
                "$orderby=ChangedByMemberKey",
            )
        ]
        unknown = [
            await desk.send("GET", f"Property?{query}")
            for query in (
                "$select=ChangedByMemberXxx",
                "$filter=ChangedByMemberXxx%20eq%20'M002'",
                "$orderby=ChangedByMemberXxx",
            )
        ]

        assert len(desk.sandbox.came) == 1
    assert hidden == absent
    assert details(hidden) == dict.fromkeys(
        ("ChangedByMemberKey", "ListAgentKey"), "is the key of no record that can be seen here"
    )
    assert own.status == 204
    assert details(foreign) == {"ChangedByMemberKey": "is not the one of this key"}
    assert set(details(nobody)) == {"ChangedByMemberKey"}
    assert [answer.body for answer in reads] == [answer.body.replace(b"Xxx", b"Key") for answer in unknown]
    assert {answer.status for answer in reads} == {400}


@pytest.mark.channel("C207", "C321", "C324")
async def test_a_row_stays_where_the_key_can_see_it(directory: Path) -> None:
    async with writing(directory) as desk:
        path = await desk.draft()
        leaves = await desk.send("PATCH", path, {"StandardStatus": "Closed", **BY})
        outside = await desk.send("POST", "Property", {**DRAFT, "StandardStatus": "Closed"})

        assert desk.sandbox.came == []
    assert details(leaves) == {"StandardStatus": "cannot be changed to this"}
    assert details(outside) == {"StandardStatus": "cannot be set to this"}


@pytest.mark.channel("C207", "C325")
async def test_a_role_may_let_rows_leave_and_begin_outside(directory: Path) -> None:
    """Then nothing is shown of them: 204, without an address."""
    writes = {**WRITES, "AllowLeaving": True, "CreateOutside": True}
    async with writing(directory, {**ROLE, "Property": {**ROLE["Property"], "Writes": writes}}) as desk:
        path = await desk.draft()
        left = await desk.send("PATCH", path, {"StandardStatus": "Closed", **BY}, Prefer="return=representation")
        made = await desk.send(
            "POST", "Property", {**DRAFT, "StandardStatus": "Closed"}, Prefer="return=representation"
        )
        gone = await desk.send("GET", path)

        assert [method for method, _, _ in desk.sandbox.written] == ["PATCH", "POST"]
    for answer in (left, made):
        assert (answer.status, answer.body, answer.header("Location"), answer.header("ETag")) == (204, b"", None, None)
        assert answer.header("Preference-Applied") is None
    assert gone.status == 404


BAD: list[tuple[str, bytes | None, Mapping[str, str], int, str]] = [
    ("no body", None, {}, 400, "BadRequest"),
    ("empty", b"", {}, 400, "BadRequest"),
    ("no JSON", b"City=x", {}, 400, "BadRequest"),
    ("a list", b"[]", {}, 400, "BadRequest"),
    ("null", b"null", {}, 400, "BadRequest"),
    ("more behind it", b'{"City":"x"} {}', {}, 400, "BadRequest"),
    ("a byte order mark", b'\xef\xbb\xbf{"City":"x"}', {}, 400, "BadRequest"),
    ("no UTF-8", b'{"City":"\xff"}', {}, 400, "BadRequest"),
    ("nested without end", b'{"City":' + b"[" * 5000 + b"]" * 5000 + b"}", {}, 400, "BadRequest"),
    ("NaN", b'{"ListPrice":NaN}', {}, 400, "BadRequest"),
    ("a comment", b'{"City":"x"/*y*/}', {}, 400, "BadRequest"),
    ("a form", b"City=x", {"Content_Type": "application/x-www-form-urlencoded"}, 415, "UnsupportedMediaType"),
    ("a part", b"--x", {"Content_Type": "multipart/form-data; boundary=x"}, 415, "UnsupportedMediaType"),
    ("XML", b"<a/>", {"Content_Type": "application/xml"}, 415, "UnsupportedMediaType"),
    ("another charset", b"{}", {"Content_Type": "application/json; charset=utf-16"}, 415, "UnsupportedMediaType"),
    ("compressed", b"{}", {"Content_Encoding": "gzip"}, 415, "UnsupportedMediaType"),
    ("ten megabytes", b'{"City":"' + b"x" * 10_000_000 + b'"}', {}, 413, "PayloadTooLarge"),
    ("nothing in it", b"{}", {}, 400, "InvalidBody"),
    ("a name twice", b'{"City":"a","City":"b","ChangedByMemberKey":"M001"}', {}, 400, "InvalidBody"),
    ("another case", b'{"city":"a","ChangedByMemberKey":"M001"}', {}, 400, "InvalidBody"),
    ("a number too large", b'{"ListPrice":1e400,"ChangedByMemberKey":"M001"}', {}, 400, "InvalidBody"),
    ("a text too long", b'{"City":"' + b"x" * 5000 + b'","ChangedByMemberKey":"M001"}', {}, 400, "InvalidBody"),
    ("half a surrogate pair", b'{"City":"\\ud800","ChangedByMemberKey":"M001"}', {}, 400, "BadRequest"),
    ("a wrong type", b'{"City":true,"ChangedByMemberKey":"M001"}', {}, 400, "InvalidBody"),
]


@pytest.mark.channel("C217", "C197", "C317")
async def test_bodies_that_are_none_reach_nobody(directory: Path) -> None:
    async with writing(directory) as desk:
        path = await desk.draft()
        for name, body, headers, status, code in BAD:
            for method, target in (("PATCH", path), ("POST", "Property")):
                desk.sandbox.requests.clear()
                answer = await desk.send(method, target, body, **headers)

                assert (name, answer.status) == (name, status)
                assert (name, answer.json()["error"]["code"]) == (name, code)
                if code != "InvalidBody":
                    assert desk.sandbox.requests == [], name
        with_body = await desk.send("DELETE", path, {"City": "x"})

        assert desk.sandbox.came == []
    assert with_body.status == 400


@pytest.mark.channel("C98", "C211")
async def test_keys_with_quotes_and_slashes_name_what_they_say(directory: Path) -> None:
    """And nothing else: no other row, and no path below one."""
    keys = ["it''s", "a%2Fb", "a%27%27b", "..%2F..%2FMember", "x%00", "%2527"]
    async with writing(directory) as desk:
        found = [(await desk.send("PATCH", f"Property('{key}')", {"City": "A", **BY})).status for key in keys]
        raw = await desk.send("PATCH", "Property('a/b')", {"City": "A", **BY})

        assert desk.sandbox.came == []
        desk.sandbox.database.insert("Property", {**DRAFT, "ListingKey": "a/b'c d", "StandardStatus": "Active"})
        real = await desk.send("PATCH", "Property('a%2Fb%27%27c%20d')", {"City": "A", **BY})

        assert desk.sandbox.database.row("Property", "a/b'c d")["City"] == "A"
    assert found == [404] * 6
    assert raw.status == 404
    assert real.status == 204
    assert real.header("Location") == f"{PUBLIC}/Property('a%2Fb''c%20d')"


@pytest.mark.channel("C219")
async def test_an_upstreams_refusal_becomes_ours(directory: Path) -> None:
    """The seed's error body: its words may hold what is hidden, its targets what was never sent."""
    error = {"code": "1111", "message": "Property not saved canary", "details": [
        {"code": "1105", "message": "Value must exceed canary 450000", "target": "ListPrice"}, {"code": "1105", "message": "canary", "target": "OwnerName"},
        {"code": "1105", "message": "canary", "target": 7}, {"code": "1", "message": "canary", "target": "City"},
    ]}  # fmt: skip
    async with writing(directory) as desk:
        path = await desk.draft()
        found = []
        for body in (
            {"error": error},
            {"error": {"message": "canary"}},
            ["canary"],
            {"error": {"target": "City", "details": "canary"}},
        ):
            desk.sandbox.says(400, body)
            found.append(await desk.send("PATCH", path, {"City": "A", "ListPrice": 5, **BY}))
        negative = await desk.send("PATCH", path, {"ListPrice": -5, **BY})
        events = desk.gateway.events

    refused = "was refused by the listing service"
    assert [details(answer) for answer in found] == [
        {"City": refused, "ListPrice": refused}, {"": "the record was refused by the listing service"},
        {"": "the record was refused by the listing service"}, {"City": refused},
    ]  # fmt: skip
    assert all(b"canary" not in answer.body for answer in found)
    assert details(negative) == {"ListPrice": refused}
    assert any("canary 450000" in getattr(event, "said", "") for event in events)
    assert all("canary" not in repr(event) for event in events if not hasattr(event, "said"))


@pytest.mark.channel("C209", "C208")
async def test_conflicts_are_one(directory: Path) -> None:
    async with writing(directory) as desk:
        path = await desk.draft()
        found = []
        for body in (
            {"error": {"message": "duplicate key canary"}},
            None,
            {"error": {"message": "still referenced by canary"}},
        ):
            desk.sandbox.says(409, body)
            found.append(await desk.send("PATCH", path, {"City": "A", **BY}))

    assert {(answer.status, answer.body) for answer in found} == {(409, found[0].body)}
    assert b"canary" not in found[0].body


async def test_a_decision_record_says_what_was_written_and_by_which_rule(directory: Path) -> None:
    async with writing(directory) as desk:
        path = await desk.draft()
        for method, body in (
            ("PATCH", {"City": "secret city", "Nope": 1, **BY}),
            ("PATCH", {"City": "secret city", **BY}),
            ("PATCH", {"StandardStatus": "Closed", **BY}),
            ("DELETE", None),
        ):
            await desk.send(method, path, body)
        records = desk.gateway.handled[-4:]

    writes = "roles/idx.yaml: Resources.Property.Writes"
    assert [(record.status, record.reason, record.fields_written, record.rule, record.upstream_status) for record in records] == [
        (400, "InvalidBody", ("City", "ChangedByMemberKey"), writes, 0), (204, "", ("City", "ChangedByMemberKey"), writes, 204),
        (400, "InvalidBody", ("StandardStatus", "ChangedByMemberKey"), "roles/idx.yaml: Resources.Property.Filter", 0), (204, "", (), writes, 204),
    ]  # fmt: skip
    assert "secret city" not in repr(records)


@pytest.mark.channel("C211", "C206")
async def test_an_upstream_that_keeps_nobody_from_another_state_is_not_written_to(directory: Path) -> None:
    """Records can be made; to change or delete one, the profile must say how that is kept safe, or that it is not."""
    async with writing(directory, conditional="untrusted") as desk:
        made = await desk.send("POST", "Property", DRAFT)
        path = f"Property('{made.json()['ListingKey']}')"
        refused = [
            await desk.send(method, path, body) for method, body in (("PATCH", {"City": "A", **BY}), ("DELETE", None))
        ]

    assert made.status == 201
    assert [(answer.status, answer.header("Allow")) for answer in refused] == [(405, "GET, HEAD")] * 2


@pytest.mark.channel("C211")
@pytest.mark.parametrize(("conditional", "sent"), [("any", "*"), ("none", None)])
async def test_a_profile_says_what_a_write_carries(directory: Path, conditional: str, sent: str | None) -> None:
    async with writing(directory, conditional=conditional) as desk:
        path = await desk.draft()
        changed = await desk.send("PATCH", path, {"City": "A", **BY})

        assert [headers.get("If-Match") for _, _, headers in desk.sandbox.came] == [sent]
    assert changed.status == 204


async def test_a_write_says_nothing_of_metadata_or_options(directory: Path) -> None:
    async with writing(directory) as desk:
        path = await desk.draft()
        optioned = [
            await desk.send("PATCH", f"{path}?{query}", {"City": "A", **BY})
            for query in ("$filter=City%20eq%20'A'", "$expand=Media", "$top=1", "$skiptoken=x")
        ]
        xml = await desk.send("PATCH", path, {"City": "A", **BY}, Accept="application/xml")

        assert desk.sandbox.came == []
    assert {answer.status for answer in optioned} <= {400, 501}
    assert xml.status == 406
    assert json.loads(optioned[0].body)["error"]["target"] == "$filter"
    assert ROOT not in optioned[0].body.decode()


SHOWN_ON_FLAG: Mapping[str, Any] = {
    **ROLE["Property"],
    "Fields": {"All": {"Hidden": [*HIDDEN, "InternetAddressDisplayYN"], "When": [{"Condition": "InternetAddressDisplayYN eq true", "Fields": ["StreetName", "PublicRemarks"]}]}},
    "Writes": {**WRITES, "Required": {"PATCH": ["ChangedByMemberKey"]}},
}  # fmt: skip


@pytest.mark.channel("C310", "C217")
async def test_a_value_outside_a_closed_lookup_is_a_fault_among_the_others(directory: Path) -> None:
    """The error of the seed's page: its target is the field, and no other value is named."""
    async with writing(directory) as desk:
        path = await desk.draft()
        alone = await desk.send("PATCH", path, {"StandardStatus": "foobar", **BY})
        several = await desk.send("PATCH", path, {"City": 7, "StandardStatus": "active", "OwnerName": "x"})
        made = await desk.send("POST", "Property", {**DRAFT, "StandardStatus": "foobar"})
        taken = await desk.send("PATCH", path, {"StandardStatus": "Active", **BY})

        assert [method for method, _, _ in desk.sandbox.came] == ["PATCH"]
    assert details(alone) == details(made) == {"StandardStatus": OUTSIDE}
    assert list(details(several).items()) == [
        ("City", "is no value of this field"), ("StandardStatus", OUTSIDE), ("OwnerName", CLOSED), ("ChangedByMemberKey", "is required"),
    ]  # fmt: skip
    assert taken.status == 204


async def test_a_lookup_is_closed_by_the_setting_and_open_without_it(directory: Path) -> None:
    fields = [*WRITES["Fields"], "PropertySubType", "Appliances"]
    role = {**ROLE, "Property": {**ROLE["Property"], "Writes": {**WRITES, "Fields": fields}}}
    bodies: list[dict[str, Any]] = [
        {"PropertySubType": "foobar"},
        {"Appliances": ["Dishwasher", "foobar"]},
        {"StandardStatus": "foobar"},
    ]
    found = []
    settings: list[dict[str, Any]] = [
        {},
        {"Property": {"PropertySubType": True, "Appliances": True, "StandardStatus": False}},
    ]
    for number, setting in enumerate(settings):
        async with writing(directory / str(number), role, policy={"closed_lookups": setting}) as desk:
            path = await desk.draft()
            answers = [await desk.send("PATCH", path, {**body, **BY}) for body in bodies]
            inside = await desk.send("PATCH", path, {"Appliances": ["Dishwasher"], **BY})
            found.append([details(answer) if answer.status == 400 else {} for answer in answers])

            assert inside.status == 204
    assert found == [
        [{}, {}, {"StandardStatus": OUTSIDE}],
        [{"PropertySubType": OUTSIDE}, {"Appliances": OUTSIDE}, {"StandardStatus": "cannot be changed to this"}],
    ]


@pytest.mark.channel("C218", "C212")
async def test_annotations_are_passed_over_and_never_sent_on(directory: Path) -> None:
    said = {
        "@odata.type": "#x",
        "@odata.etag": 'W/"x"',
        "@id": "x",
        "OwnerName@odata.type": "x",
        "Nope@my.note": {},
        "City@type": 1,
    }
    async with writing(directory) as desk:
        made = await desk.send("POST", "Property", {**said, **DRAFT})
        path = f"Property('{made.json()['ListingKey']}')"
        changed = await desk.send("PATCH", path, {**said, "City": "A", **BY})
        bound = await desk.send("PATCH", path, {"City": "B", "ListAgent@odata.bind": "Member('M001')", **BY})
        marked = await desk.send("PATCH", path, {"City": "B", "@removed": {"reason": "deleted"}, **BY})

        assert desk.row(path)["City"] == "A"
        assert len(desk.sandbox.written) == 2
    assert (made.status, changed.status) == (201, 204)
    assert [details(answer) for answer in (bound, marked)] == [{"ListAgent@odata.bind": CLOSED}, {"@removed": CLOSED}]


@pytest.mark.guarantee("G1")
@pytest.mark.channel("C205", "C224")
@pytest.mark.parametrize("redaction", ["omit", "null", "annotate"])
async def test_an_answer_of_ours_can_be_sent_back(directory: Path, redaction: str) -> None:
    """Whole, as it was read or as a write was answered; only what the role lets be written is sent on."""
    role = {**ROLE, "Property": SHOWN_ON_FLAG}
    async with writing(
        directory,
        role,
        policy={"redaction": redaction},
        template={"ListingPhotoLimit": 2, "Writes": {"Property": ["PATCH", "POST"]}},
    ) as desk:
        path = "Property('K1')"
        desk.sandbox.database.insert("Property", {**DRAFT, "ListingKey": "K1", "StandardStatus": "Active"})
        for flag in (True, False):
            desk.change(
                path,
                InternetAddressDisplayYN=flag,
                StreetName="hidden street",
                PublicRemarks="hidden words",
                PhotosCount=9,
                StandardStatus="Sold",
                ListAgentKey="M003",
            )
            before = desk.row(path)
            shown = await desk.send("GET", path, key="narrow")
            back = await desk.send("PATCH", path, {**shown.json(), **BY}, key="narrow", Prefer="return=representation")
            again = await desk.send("PATCH", path, {**back.json(), **BY}, key="narrow")
            after = desk.row(path)

            assert shown.json()["PhotosCount"] == 2
            assert ("hidden words" in shown.body.decode()) is flag
            assert (back.status, again.status) == (200, 204)
            moved = {name for name in after if after[name] != before[name]}
            assert moved <= {"ModificationTimestamp", "ChangedByMemberKey"}


@pytest.mark.guarantee("G1")
@pytest.mark.channel("C205", "C224", "C324")
async def test_what_is_sent_back_is_compared_with_what_the_key_sees_alone(directory: Path) -> None:
    """Two records that look alike to the key, and are not: no body tells them apart."""
    role = {**ROLE, "Property": SHOWN_ON_FLAG}
    guesses: list[dict[str, Any]] = [
        {"PhotosCount": value} for value in (2, 3, 9, None)] + [{"PublicRemarks": value} for value in ("one", "two", None, "")] + [{"OwnerName": value} for value in ("one", "two", None)] + [{"InternetAddressDisplayYN": value} for value in (False, None, True)]  # fmt: skip
    found = []
    async with writing(directory, role, template={"ListingPhotoLimit": 2, "Writes": {"Property": ["PATCH"]}}) as desk:
        path = "Property('K1')"
        desk.sandbox.database.insert("Property", {**DRAFT, "ListingKey": "K1", "StandardStatus": "Active"})
        for photos, words, flag in ((3, "one", False), (9, "two", None)):
            desk.change(path, PhotosCount=photos, PublicRemarks=words, OwnerName=words, InternetAddressDisplayYN=flag)
            found.append(
                [await desk.send("PATCH", path, {"City": 7, **guess, **BY}, key="narrow") for guess in guesses]
            )

        assert desk.sandbox.came == []
    assert found[0] == found[1]
    assert [set(details(answer)) for answer in found[0]] == [
        {"City", *guess} - ({"PhotosCount"} if guess.get("PhotosCount") == 2 else set()) for guess in guesses
    ]


async def test_a_list_below_a_record_is_not_sent_back(directory: Path) -> None:
    async with writing(directory) as desk:
        path = await desk.draft()
        shown = (await desk.send("GET", f"{path}?$expand=Media,ListAgent")).json()
        back = await desk.send("PATCH", path, {**shown, **BY})

        assert desk.sandbox.came == []
    assert details(back) == {"Media": CLOSED, "ListAgent": CLOSED}


@pytest.mark.channel("C206", "C327")
async def test_what_is_sent_back_is_compared_anew_where_the_record_has_changed(directory: Path) -> None:
    """Another write comes between: what was equal to the record is not any more, and nothing is written over it."""
    async with writing(directory) as desk:
        path = await desk.draft()
        shown = (await desk.send("GET", path)).json()
        desk.sandbox.first(lambda: desk.change(path, MlsStatus="Other"))
        back = await desk.send("PATCH", path, {"City": "B", "MlsStatus": shown["MlsStatus"], **BY})

        assert desk.row(path)["City"] == shown["City"]
    assert details(back) == {"MlsStatus": CLOSED}


async def test_a_body_of_which_nothing_is_left_is_not_sent(directory: Path) -> None:
    role = {**ROLE, "Property": {**ROLE["Property"], "Writes": {**WRITES, "Required": {}}}}
    async with writing(directory, role) as desk:
        path = f"Property('{(await desk.send('POST', 'Property', DRAFT)).json()['ListingKey']}')"
        desk.sandbox.came.clear()
        shown = (await desk.send("GET", path)).json()
        bodies: list[dict[str, Any]] = [
            {},
            {"@odata.etag": "x"},
            {"ListingKey": shown["ListingKey"]},
            {"MlsStatus": shown["MlsStatus"], "@id": ""},
        ]
        found = [await desk.send("PATCH", path, body) for body in bodies]

        assert desk.sandbox.came == []
    assert [details(answer) for answer in found] == [{"": "there is nothing to be written"}] * len(bodies)
    assert len({answer.body for answer in found}) == 1


def test_the_settings_of_these_tests_are_the_seeds() -> None:
    required: Any = WRITES["Required"]
    assert set(required["POST"]) == set(DRAFT)
    assert required["PATCH"] == ["ChangedByMemberKey"]
