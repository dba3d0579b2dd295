"""Whatever a client may ask of a read: enforced, or refused in the one way, and the same for hidden and for fresh names.

The attacks of CHANNELS that are about requests as a whole; what one room closes alone is tested beside that room.
"""

from __future__ import annotations

import asyncio
import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp import web

from tests.hostile import Hostile, hostile_running
from tests.model_upstream import Habits
from tests.modelled import ROLE, every_page, house, listing, member, modelled, office, photo, profile, tables
from tests.support import ROOT, Answer, Harness, configuration, running, write_configuration

HIDDEN, FRESH = "OwnerName", "Qwertyuio"
DATA = tables(
    Property=[
        listing("L1", ListAgentKey="A1", ListOfficeKey="O1"),
        listing("L2", StandardStatus="Closed"),
        listing("L3", ListAgentKey="A2"),
    ],
    Media=[photo("L1", 1), photo("L2", 1)],
    Member=[member("A1"), member("A2", MemberStatus="Inactive")],
    Office=[office("O1")],
)


async def both(gateway: Harness, text: str) -> tuple[Answer, Answer]:
    """The answers to a request with the hidden and with the fresh name in it."""
    one, two = [
        await gateway.get(quote(text.replace("~", name), safe="/?$&=,;:()'@*%!"), "k") for name in (HIDDEN, FRESH)
    ]
    return one, two


#: Forms of expressions that are not offered: refused by form, whatever names stand in them.
NOT_OFFERED = [
    pytest.param("geo.distance(~,geography'SRID=4326;POINT(1 1)') lt 5", marks=pytest.mark.channel("C34")),
    pytest.param(
        "geo.intersects(~,geography'SRID=4326;POLYGON((0 0,1 1,0 1,1 0,0 0))')",
        marks=pytest.mark.channel("C34", "C279"),
    ),
    pytest.param("geo.length(~) gt 1", marks=pytest.mark.channel("C34")),
    pytest.param("Media('k')/~ eq 1", marks=pytest.mark.channel("C40")),
    pytest.param("5 in ~", marks=pytest.mark.channel("C48")),
    pytest.param("'x' in ~", marks=pytest.mark.channel("C48")),
    pytest.param("Ns.Score(~=1) gt 1", marks=pytest.mark.channel("C49")),
    pytest.param("Ns.~() gt 1", marks=pytest.mark.channel("C49")),
    pytest.param("isdefined(~)", marks=pytest.mark.channel("C50")),
    pytest.param("aggregate(~ with max) gt 1", marks=pytest.mark.channel("C50")),
    pytest.param("$these/~ eq 1", marks=pytest.mark.channel("C50")),
    pytest.param('"~" eq 1', marks=pytest.mark.channel("C53")),
    pytest.param("[~] eq 1", marks=pytest.mark.channel("C53")),
    pytest.param("`~` eq 1", marks=pytest.mark.channel("C53")),
    pytest.param("x.~ eq 1", marks=pytest.mark.channel("C53")),
    pytest.param("contains('abc',~)", marks=pytest.mark.channel("C278")),
    pytest.param("startswith(City,~)", marks=pytest.mark.channel("C278")),
    pytest.param("contains(City,concat(~,'x'))", marks=pytest.mark.channel("C278")),
    pytest.param("cast(~,Edm.String) eq '1'", marks=pytest.mark.channel("C30")),
    pytest.param("~ div 2 gt 1", marks=pytest.mark.channel("C29")),
    pytest.param("Media/any(m:m/~ eq 1)", marks=pytest.mark.channel("C36")),
    pytest.param("ListAgent/~ eq 1", marks=pytest.mark.channel("C35")),
    pytest.param("$it/~ eq 1", marks=pytest.mark.channel("C42")),
    pytest.param("$root/Member('A1')/~ eq 1", marks=pytest.mark.channel("C41")),
    pytest.param("case(~ gt 5:1,true:0) eq 1", marks=pytest.mark.channel("C46")),
    pytest.param("City eq ~", marks=pytest.mark.channel("C27")),
    pytest.param("~ eq City", marks=pytest.mark.channel("C27")),
]


@pytest.mark.guarantee("G2", "G3")
@pytest.mark.parametrize("text", NOT_OFFERED)
@pytest.mark.parametrize("frame", ["Property?$filter={}", "Property?$filter=City eq 'x' or not ({})", "Property?$expand=Media($filter={})", "Property/$count?$filter={}",
                                   "Media?$filter=ResourceRecordKey eq 'L1' and {}"])  # fmt: skip
async def test_a_form_that_is_not_offered_is_refused_by_form(directory: Path, text: str, frame: str) -> None:
    async with modelled(directory, DATA) as (gateway, model):
        hidden, fresh = await both(gateway, frame.replace("{}", text))

        assert hidden.status == 400
        assert hidden.body.replace(HIDDEN.encode(), FRESH.encode()) == fresh.body
        assert not model.requests


@pytest.mark.guarantee("G2")
@pytest.mark.parametrize(
    "target",
    [
        pytest.param("Property?$orderby=~", marks=pytest.mark.channel("C64", "C81")),
        pytest.param("Property?$orderby=~ desc,City&$top=1", marks=pytest.mark.channel("C65", "C81")),
        pytest.param("Property?$orderby=Media/$count desc", marks=pytest.mark.channel("C68")),
        pytest.param("Property?$orderby=ListAgent/~", marks=pytest.mark.channel("C67")),
        pytest.param("Property(~='v')", marks=pytest.mark.channel("C104", "C108")),
        pytest.param("Property?$filter=~ eq 5", marks=pytest.mark.channel("C108")),
        pytest.param("~", marks=pytest.mark.channel("C115", "C118", "C234")),
        pytest.param("~('x')", marks=pytest.mark.channel("C115", "C228", "C229")),
        pytest.param("~/$count", marks=pytest.mark.channel("C115")),
        pytest.param("Property('L1')/~", marks=pytest.mark.channel("C99")),
        pytest.param("Property('L1')/~/$value", marks=pytest.mark.channel("C99")),
        pytest.param("Property('L1')/ListAgent/~", marks=pytest.mark.channel("C100")),
        pytest.param("Property?$expand=~", marks=pytest.mark.channel("C9")),
        pytest.param("Property?$expand=ListAgent($expand=~)", marks=pytest.mark.channel("C9")),
        pytest.param("Property?$expand=ListAgent($select=~)", marks=pytest.mark.channel("C17")),
        pytest.param(
            "Property?$apply=filter(~ eq 1)/aggregate($count as c)", marks=pytest.mark.channel("C76", "C77", "C242")
        ),
        pytest.param("Property?$expand=Media($apply=groupby((~)))", marks=pytest.mark.channel("C19", "C77")),
        pytest.param(
            "Property?$compute=~ add 0 as ListPrice&$select=ListPrice", marks=pytest.mark.channel("C80", "C242")
        ),
        pytest.param("Property?$search=~", marks=pytest.mark.channel("C74")),
    ],
)
async def test_hidden_equals_fresh_in_every_position(directory: Path, target: str) -> None:
    async with modelled(directory, DATA) as (gateway, model):
        hidden, fresh = await both(gateway, target)

        assert hidden.status >= 400
        assert hidden.body.replace(HIDDEN.encode(), FRESH.encode()) == fresh.body
        assert not model.requests


@pytest.mark.channel("C81", "C194", "C195")
async def test_a_member_that_no_model_has_can_be_neither_named_nor_seen(directory: Path) -> None:
    async with modelled(directory, DATA, Habits(extra={"Dynamic": "canary", "Media": [{"MediaKey": "canary"}]})) as (
        gateway,
        _,
    ):
        plain = await gateway.get("Property", "k")
        named = [await gateway.get(f"Property?{option}=Dynamic", "k") for option in ("$orderby", "$select")]

    assert b"canary" not in plain.body
    assert [answer.status for answer in named] == [400, 400]


@pytest.mark.channel("C337", "C198")
async def test_media_that_come_unasked_do_not_leave(directory: Path) -> None:
    embedded = [{"MediaKey": "canary", "Order": 1, "ResourceName": "Property", "ResourceRecordKey": "L1"}]
    bodies = []
    for number, extra in enumerate(({}, {"Media": embedded, "Media@odata.count": 1})):
        async with modelled(directory / str(number), DATA, Habits(extra=extra)) as (gateway, _):
            bodies.append(
                [
                    await gateway.get(target, "limited")
                    for target in ("Property", "Property('L1')", "Property?$select=Media")
                ]
            )

    assert bodies[0] == bodies[1]


# --- counts and guards


@pytest.mark.channel("C84", "C241")
async def test_a_count_under_a_guard_is_that_of_the_rows(directory: Path) -> None:
    rows = [listing(f"L{n}", PropertyType=["Farm", "Land", None][n % 3], ListPrice=n) for n in range(9)]
    async with modelled(directory, tables(Property=rows)) as (gateway, _):
        for condition, shown in (
            ("ListPrice gt 2", ["L3", "L6"]),
            ("not (ListPrice gt 2)", ["L0"]),
            ("ListPrice eq null or ListPrice ne null", ["L0", "L3", "L6"]),
        ):
            number = await gateway.get(f"Property/$count?$filter={condition}", "k")
            found, _ = await every_page(gateway, f"Property?$select=ListingKey&$filter={condition}")
            assert [row["ListingKey"] for row in found] == shown
            assert int(number.body) == len(shown)


@pytest.mark.channel("C230")
async def test_an_expanded_target_depends_on_nothing_but_its_own_rule(directory: Path) -> None:
    """A hidden member, one that does not exist, and no member: null, while the foreign key is data of the listing."""
    answers = []
    for number, people in enumerate(
        ([member("A2", MemberStatus="Inactive")], [], [member("A2", MemberStatus=None, MemberFullName="canary")])
    ):
        async with modelled(directory / str(number), {**DATA, "Member": people}) as (gateway, _):
            answers.append(await gateway.get("Property?$select=City&$expand=ListAgent", "k"))

    assert answers[0] == answers[1] == answers[2]


@pytest.mark.channel("C245", "C188")
async def test_an_upstream_that_evaluates_every_predicate_finds_none_that_fails(directory: Path) -> None:
    """Extreme values in withheld rows and hidden fields: each question is answered as without them."""
    extreme = copy.deepcopy(DATA)
    extreme["Property"] += [
        listing(
            "X1",
            StandardStatus="Closed",
            ListPrice=10**30,
            City="\\%_'\"",
            ModificationTimestamp="9999-12-31T23:59:59.999Z",
        ),
        listing("X2", StandardStatus="Closed", ListPrice=None, City=None, ModificationTimestamp=None),
    ]
    questions = [
        "Property?$filter=ListPrice gt 1e30", "Property?$filter=year(ModificationTimestamp) gt 9000", "Property?$filter=endswith(City,'x')", "Property?$orderby=ListPrice",
        "Property?$filter=length(concat(City,'x')) gt 0", "Property?$filter=ModificationTimestamp lt now() sub duration'P1095D'",
    ]  # fmt: skip
    answers = []
    for number, data in enumerate((DATA, extreme)):
        async with modelled(directory / str(number), data) as (gateway, _):
            answers.append([await gateway.get(question, "k") for question in questions])

    assert answers[0] == answers[1]
    assert {answer.status for answer in answers[0]} == {200}


@pytest.mark.channel("C248")
async def test_a_row_that_changed_between_filter_and_answer_is_judged_as_it_came(directory: Path) -> None:
    """The upstream filtered it as Farm and sends it as Land: the price is not in it, and the guard takes it away."""
    data = tables(Property=[listing("L1", ListPrice=4711)])
    async with modelled(directory, data) as (gateway, model):
        honest = model._record

        def racing(name: str, row: Any, options: dict[str, str]) -> dict[str, Any]:
            return {**honest(name, row, options), "PropertyType": "Land"}

        model._record = racing  # type: ignore[method-assign]
        plain = await gateway.get("Property?$select=City,ListPrice", "k")
        guarded = await gateway.get("Property?$select=City&$filter=ListPrice gt 1", "k")

    assert plain.rows == [{"City": "X"}]
    assert guarded.rows == []


@pytest.mark.channel("C294")
async def test_where_the_upstream_cannot_filter_by_key_every_key_has_one_answer(directory: Path) -> None:
    """No scan in its place: how far that comes within its budget would tell how many withheld rows there are."""
    answers = []
    for withheld in (0, 300):
        rows = [listing(f"A{n:03}", StandardStatus="Closed") for n in range(withheld)]
        rows += [listing(f"L{n:03}") for n in range(30)]
        async with modelled(
            directory / str(withheld),
            tables(Property=rows),
            Habits(unfilterable={"Property": ("ListingKey",)}),
            trusted=profile(filterable={"Property": ["City", "StandardStatus"]}),
        ) as (gateway, _):
            answers += [await gateway.get(f"Property('{key}')?$select=City", "k") for key in ("L000", "A000", "L999")]

    assert len({(answer.status, answer.body) for answer in answers}) == 1
    assert answers[0].status == 502


@pytest.mark.channel("C275")
async def test_a_record_that_is_expanded_hides_what_it_hides_by_itself(directory: Path) -> None:
    data = tables(
        Property=[listing("L1"), listing("L2", PropertyType="Land"), listing("L3", StandardStatus="Closed")],
        OpenHouse=[house(f"H{n}", f"L{n}") for n in (1, 2, 3)],
    )
    async with modelled(directory, data) as (gateway, _):
        answer = await gateway.get("OpenHouse?$select=OpenHouseDate&$expand=Listing($select=ListPrice)", "k")

    assert [row["Listing"] for row in answer.rows] == [{"ListPrice": 100}, {}]


# --- HTTP


async def sent(gateway: Harness, target: str, **headers: str) -> Answer:
    return await gateway.request(
        "GET", f"{ROOT}/{target}", "k", {name.replace("_", "-"): text for name, text in headers.items()}
    )


@pytest.mark.channel("C128", "C153", "C163", "C269")
@pytest.mark.parametrize(
    "headers",
    [
        {"Range": "bytes=0-10"}, {"Range": "bytes=5-", "If_Range": '"x"'}, {"Accept_Language": "de"}, {"Accept_Charset": "latin-1"}, {"Prefer": "continue-on-error"},
        {"Prefer": "respond-async, wait=0"}, {"Accept": "application/json;IEEE754Compatible=false"}, {"Accept": "application/json;ExponentialDecimals=false;streaming=true"},
        {"Accept": "application/json;charset=utf-8"}, {"Cookie": "a=b"}, {"X_Forwarded_Host": "evil.example"}, {"OData_Version": "4.0"}, {"X_CSRF_Token": "fetch"},
    ],
)  # fmt: skip
async def test_headers_that_decide_nothing_change_no_byte(directory: Path, headers: dict[str, str]) -> None:
    async with modelled(directory, DATA) as (gateway, model):
        plain = await sent(gateway, "Property?$count=true&$expand=Media")
        with_it = await sent(gateway, "Property?$count=true&$expand=Media", **headers)
        asked = [dict(request.headers) for request in model.requests]

    assert plain == with_it
    assert all(one == asked[0] for one in asked)


@pytest.mark.channel("C121", "C127")
async def test_a_batch_is_refused_and_its_body_left_alone(directory: Path) -> None:
    async with modelled(directory, DATA) as (gateway, model):
        answers = []
        for kind, body in (
            ("multipart/mixed; boundary=b", b"--b\r\n\r\nGET /x\r\n" * 50_000),
            ("application/json", b'{"requests":[]}'),
            ("text/plain", b""),
        ):
            url = f"http://127.0.0.1:{gateway.service.listener.port}{ROOT}/%24batch"
            async with gateway.session.post(
                url, data=body, headers={"Authorization": "Bearer k", "Content-Type": kind}
            ) as response:
                answers.append((response.status, await response.read()))

    assert len(set(answers)) == 1
    assert answers[0][0] == 501
    assert not model.requests


@pytest.mark.channel("C143")
async def test_raw_bytes_in_the_target_are_no_http(directory: Path) -> None:
    async with modelled(directory, DATA) as (gateway, model):
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.service.listener.port)
        writer.write(
            b"GET "
            + ROOT.encode()
            + b"/Property?$filter=City%20eq%20'\xc3\xa9' HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n\r\n"
        )
        answer = await asyncio.wait_for(reader.read(300), 5)
        writer.close()

    assert b" 400 " in answer.partition(b"\r\n")[0]
    assert not model.requests


@pytest.mark.channel("C159", "C202")
async def test_members_of_a_body_stand_in_one_order_and_nothing_is_framed_by_what_was_dropped(directory: Path) -> None:
    rows = [listing(f"L{n:02}") for n in range(12)]
    more = [*rows, *(listing(f"L{n:02}x", StandardStatus="ACTIVE", City="canary" * 100) for n in range(12))]
    heads = []
    for number, content in enumerate((rows, more)):
        async with modelled(
            directory / str(number),
            tables(Property=content),
            Habits(equality="fold"),
            trusted=profile(string_equality="untrusted"),
        ) as (gateway, _):
            answer = await gateway.get("Property?$select=City", "k")
            heads.append(
                (
                    answer.status,
                    [(name, value) for name, value in answer.headers if name != "Content-Length"],
                    answer.rows,
                )
            )
            names = list(answer.json())

    assert heads[0] == heads[1]
    assert names == ["@odata.context", "value", "@odata.nextLink"]


@pytest.mark.channel("C171", "C191", "C316")
async def test_error_bodies_are_a_fixed_text_and_the_clients_own_words(directory: Path) -> None:
    """No suggestion, no list of names, nothing that the client has not said."""
    async with modelled(directory, DATA) as (gateway, _):
        for target in (
            "Property?$filter=Cty eq 1",
            "Propert",
            "Property?$select=OwnerNam",
            "Property?$expand=Medi",
            "Property?$filter=City eq",
            "Property?$orderby=ListPric",
            "Property('L2')",
        ):
            answer = await gateway.get(target, "k")
            for name in ("City", "Property", "OwnerName", "Media", "ListPrice", "StandardStatus", "Active"):
                if name not in target:
                    assert name.encode() not in answer.body, target


@pytest.mark.channel("C189")
async def test_a_page_that_breaks_off_is_no_page(directory: Path) -> None:
    """The first page of the upstream is good, the second is not: no row of the first leaves."""
    rows = [listing(f"L{n:02}") for n in range(12)]
    async with modelled(directory, tables(Property=rows), Habits(page=4)) as (gateway, model):
        good = model.answer
        model.answer = lambda request: (
            good(request)
            if len(model.requests) < 2
            else web.Response(text='{"value":[{"Li', content_type="application/json")
        )
        answer = await gateway.get("Property", "k")

    assert answer.status == 502
    assert b"L00" not in answer.body


@pytest.mark.channel("C192")
async def test_what_nobody_foresaw_is_a_502_without_a_word(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RecursionError("canary")

    async with modelled(directory, DATA) as (gateway, _):
        monkeypatch.setattr("gateway.edge.app.decide", broken)
        answer = await gateway.get("Property", "k")

    assert answer.status == 502
    assert b"canary" not in answer.body


@pytest.mark.channel("C254", "C256")
async def test_two_policies_at_once_are_two_requests_each_with_its_own_rule(directory: Path) -> None:
    """Nothing is shared between keys, and the rule is in the address, never in a header."""
    wide = {"D": {"Name": "w", "Description": "w", "Role": "idx", "RestrictiveFilters": {"Property": {"Filter": None}}}}
    from tests.support import key_file

    keys = key_file(k="Role: idx", wide="Template: wide")
    async with modelled(directory, DATA, templates={"wide": wide}, keys=keys) as (gateway, model):
        answers = await asyncio.gather(*(gateway.get("Property?$select=ListingKey", key) for key in ("k", "wide") * 10))
        targets = {request.raw_path for request in model.requests}

    assert [len(answer.rows) for answer in answers] == [2, 3] * 10
    assert len(model.requests) == 20
    assert len(targets) == 2
    assert all("StandardStatus" not in str(request.headers) for request in model.requests)


@pytest.mark.channel("C303", "C258")
@pytest.mark.parametrize("force_close", [False, True])
async def test_a_late_answer_is_nobodys_next_answer(directory: Path, force_close: bool) -> None:
    """The upstream answers each request twice. What comes late is not believed to be the answer to another request:
    withheld rows never pass, and with one connection a request nothing wrong passes."""
    record = '{"value":[{"ListingKey":"%s","StandardStatus":"%s","City":"%s"}]}'
    right, late = record % ("L1", "Active", "X"), record % ("L2", "Closed", "canary")

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.Response(text=right, content_type="application/json")
        await response.prepare(request)
        await response.write_eof()
        assert request.transport is not None
        request.transport.write(
            f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(late)}\r\n\r\n{late}".encode()
        )
        return response

    role = {"Property": {"Filter": "StandardStatus eq 'Active'", "Fields": {"All": {"Visible": ["City"]}}}}
    import json

    async with hostile_running(Hostile(answer)) as upstream:
        write_configuration(directory, {"roles/idx.yaml": json.dumps({"Role": "idx", "Resources": role}) + "\n", "templates/company-idx.json": None, "templates/registered-consumers.json": None,
                                        "keys.yaml": "Keys: []\n"})  # fmt: skip
        from tests.support import key_file

        (directory / "keys.yaml").write_text(key_file(k="Role: idx"))
        settings = configuration(directory, upstream.url, UPSTREAM__FORCE_CLOSE=str(force_close).lower())
        async with running(settings) as gateway:
            answers = [await gateway.get("Property?$select=City", "k") for _ in range(6)]

    assert all(b"canary" not in answer.body for answer in answers)
    if force_close:
        # What was not asked for may break the connection; it is never taken for an answer.
        assert {answer.status for answer in answers} <= {200, 502}
        assert all(answer.rows == [{"City": "X"}] for answer in answers if answer.status == 200)


@pytest.mark.channel("C305")
async def test_the_environment_of_the_process_decides_nothing_about_connections(
    directory: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login canary password canary\n")
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NETRC", str(netrc))
    assert os.environ["NETRC"]
    async with modelled(directory, DATA) as (gateway, model):
        answer = await gateway.get("Property", "k")

    assert answer.status == 200
    assert all(
        "canary" not in str(request.headers) and "Authorization" not in request.headers for request in model.requests
    )


@pytest.mark.channel("C307")
async def test_a_client_that_leaves_leaves_nothing_behind(directory: Path) -> None:
    waiting = asyncio.Event()

    async def slow(request: web.BaseRequest) -> web.Response:
        waiting.set()
        await asyncio.sleep(30)
        return web.Response()

    async with modelled(directory, DATA, settings={"requests": {"deadline": 2}}) as (gateway, model):
        honest = model.answer
        model.answer = slow
        url = f"http://127.0.0.1:{gateway.service.listener.port}{ROOT}/Property"
        async with aiohttp.ClientSession() as leaving:
            task = asyncio.create_task(leaving.get(url, headers={"Authorization": "Bearer k"}))
            await asyncio.wait_for(waiting.wait(), 5)
            task.cancel()
        model.answer = honest
        after = [await gateway.get("Property?$select=City", "k") for _ in range(3)]

    assert [answer.status for answer in after] == [200] * 3


@pytest.mark.channel("C263")
async def test_the_deadline_answers_with_a_constant(directory: Path) -> None:
    async def slow(_: web.BaseRequest) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    bodies = []
    async with modelled(directory, DATA, settings={"requests": {"deadline": 0.2}}) as (gateway, model):
        model.answer = slow
        for target in ("Property", "Property('L2')", "Media", "Property?$expand=Media&$count=true"):
            answer = await gateway.get(target, "k")
            bodies.append((answer.status, answer.body))

    assert len(set(bodies)) == 1
    assert bodies[0][0] == 504


@pytest.mark.channel("C266", "C267", "C168", "C300")
@pytest.mark.parametrize(
    "path",
    [
        "$subscriptions",
        "hooks",
        "replication/Property",
        "swagger.json",
        "openapi.json",
        "health",
        "vow/Property",
        "odata/v1/Property",
        "admin",
        "metrics",
    ],
)
async def test_doors_that_are_not_there(directory: Path, path: str) -> None:
    async with modelled(directory, DATA) as (gateway, model):
        door, nowhere = await gateway.get(path, "k"), await gateway.get("Nope", "k")

    assert (door.status, door.body) == (404, nowhere.body)
    assert not model.requests


@pytest.mark.channel("C369")
async def test_nothing_of_an_earlier_request_decides_a_later_one(directory: Path) -> None:
    """The clock moves, trust is lost, a parent leaves: the second answer is today's."""
    role = {
        **ROLE,
        "Property": {**ROLE["Property"], "Filter": "StandardStatus eq 'Active' and ModificationTimestamp le now()"},
    }
    data = copy.deepcopy(DATA)
    data["Property"][0]["ModificationTimestamp"] = "2027-01-15T08:30:00.000Z"
    async with modelled(directory, data, role=role) as (gateway, model):
        gateway.now[0] = 1_800_000_000.0  # 08:00
        before = await gateway.get("Property?$select=ListingKey", "k")
        photos = await gateway.get("Media?$filter=ResourceRecordKey eq 'L1'", "k")
        gateway.now[0] += 3600
        after = await gateway.get("Property?$select=ListingKey", "k")
        shown = await gateway.get("Media?$filter=ResourceRecordKey eq 'L1'", "k")
        model.tables["Property"][0]["StandardStatus"] = "Closed"
        gone = await gateway.get("Media?$filter=ResourceRecordKey eq 'L1'", "k")
        counted = await gateway.get("Property/$count", "k")
        gateway.service.trust.lose(["string_equality"], "Property", "test")
        refused = await gateway.get("Property/$count", "k")

    assert [row["ListingKey"] for row in before.rows] == ["L3"]
    assert [row["ListingKey"] for row in after.rows] == ["L1", "L3"]
    assert (photos.rows, len(shown.rows), gone.rows) == ([], 1, [])
    assert (counted.status, refused.status) == (200, 501)


@pytest.mark.channel("C344", "C251")
async def test_a_condition_on_a_hidden_field_tells_its_truth_and_nothing_more(directory: Path) -> None:
    """Declared: presence of the field shows whether the condition holds. Its value does not show."""
    role = {
        "Property": {
            "Fields": {
                "All": {"Visible": ["City"], "When": [{"Condition": "MlsStatus ne 'Secret'", "Fields": ["ListPrice"]}]}
            }
        }
    }
    answers = []
    for number, values in enumerate((("A", "Secret", None), ("B", "Secret", None))):
        rows = [listing(f"L{n}", MlsStatus=value) for n, value in enumerate(values)]
        async with modelled(directory / str(number), tables(Property=rows), role=role) as (gateway, _):
            answers.append(
                [
                    await gateway.get(target, "k")
                    for target in (
                        "Property?$select=City,ListPrice",
                        "Property?$filter=ListPrice gt 1",
                        "Property?$filter=MlsStatus eq 'B'",
                    )
                ]
            )

    assert answers[0] == answers[1]
    assert [row.keys() for row in answers[0][0].rows] == [{"City", "ListPrice"}, {"City"}, {"City"}]
    assert answers[0][2].status == 400


# --- hostile sizes


def nested_expand(depth: int) -> str:
    return "$expand=" + "ListAgent($expand=Office($expand=" * depth + "MainOffice" + "))" * depth


BOMBS: list[tuple[str, Callable[[], str]]] = [
    ("ten thousand or", lambda: "$filter=" + "%20or%20".join(f"ListPrice%20eq%20{n}" for n in range(10_000))),
    ("a thousand brackets", lambda: "$filter=" + "(" * 1_000 + "ListPrice%20eq%201" + ")" * 1_000),
    ("a thousand not", lambda: "$filter=" + "not%20(" * 1_000 + "ListPrice%20eq%201" + ")" * 1_000),
    ("ten thousand aliases", lambda: "$filter=City%20eq%20@a0&" + "&".join(f"@a{n}='x'" for n in range(10_000))),
    ("an alias ten thousand times", lambda: "$filter=City%20in%20(" + ",".join(["@a"] * 10_000) + ")&@a='xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'"),
    ("a deep expand", lambda: nested_expand(200)),
    ("a wide expand", lambda: "$expand=" + ",".join(["Media"] * 5_000)),
    ("a wide and deep expand", lambda: "$expand=" + ",".join(f"{name}($expand=ListAgent($expand=Office))" for name in ("ListAgent", "ListOffice") * 500)),
    ("ten thousand names", lambda: "$select=" + ",".join(f"Name{n}" for n in range(10_000))),
    ("ten thousand orders", lambda: "$orderby=" + ",".join(["City"] * 10_000)),
    ("a long number", lambda: "$filter=ListPrice%20eq%20" + "9" * 20_000),
    ("ten thousand options", lambda: "&".join(f"a{n}=1" for n in range(10_000))),
]  # fmt: skip


@pytest.mark.channel("C13", "C43", "C60", "C73")
@pytest.mark.guarantee("G6")
@pytest.mark.parametrize(("name", "make"), BOMBS, ids=[name for name, _ in BOMBS])
@pytest.mark.parametrize("as_body", [False, True])
async def test_a_request_of_any_size_is_answered_from_the_table_of_errors(
    directory: Path, name: str, make: Callable[[], str], as_body: bool
) -> None:
    from tests.edge.test_links import query

    text = make()
    async with modelled(directory, DATA, settings={"requests": {"deadline": 20}}) as (gateway, model):
        answer = await query(gateway, text) if as_body else await gateway.request("GET", f"{ROOT}/Property?{text}", "k")

    assert answer.status in (400, 413, 414, 501), (name, answer.status)
    assert answer.json()["error"]["code"]
    assert not model.requests
