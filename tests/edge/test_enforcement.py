"""In front of upstreams that send too much, too little, the wrong thing, or nothing: never a byte that is not permitted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web

from gateway.observe.events import RequestHandled, TrustLost, TrustRestored
from tests.hostile import Hostile, Rows, collection, hostile_running
from tests.support import Harness, configuration, key_file, running, write_configuration

ROLE = """
Role: idx
Resources:
  Property:
    Filter: "StandardStatus eq 'Active'"
    Fields: {All: {Visible: [City, ListPrice, PropertyType, PhotosCount, Media]}, Land: {Hidden: [ListPrice]}}
  Media: {Fields: {All: {Visible: [Order]}}}
  Office: {Fields: {All: {Visible: [OfficeName]}}}
"""
OTHER_ROLE = "Role: vow\nResources: {Property: {Fields: {All: {Visible: [City]}}}, Office: {Fields: {All: {Visible: [OfficeName]}}}}\n"
LIMITED = {"D": {"Name": "t", "Description": "t", "Role": "idx", "ListingPhotoLimit": 2}}


def listing(number: int, **more: Any) -> dict[str, Any]:
    return {
        "ListingKey": f"L{number}",
        "StandardStatus": "Active",
        "PropertyType": "Farm",
        "City": "X",
        "ListPrice": number,
        **more,
    }


def options(request: web.BaseRequest) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(request.raw_path).query).items()}


@asynccontextmanager
async def before(upstream: Hostile, directory: Path, role: str = ROLE, **environment: str) -> AsyncIterator[Harness]:
    write_configuration(directory, {
        "roles/idx.yaml": role, "roles/vow.yaml": OTHER_ROLE, "templates/limited.json": LIMITED,
        "templates/company-idx.json": None, "templates/registered-consumers.json": None,
        "keys.yaml": key_file(k_idx="Role: idx", k_vow="Role: vow", k_limited="Template: limited"),
    })  # fmt: skip
    async with hostile_running(upstream), running(configuration(directory, upstream.url, **environment)) as gateway:
        yield gateway


def serving(rows: Rows, page: int = 1000, **envelope: Any) -> Callable[[web.BaseRequest], web.Response]:
    """An upstream that ignores every option but paging, and cuts pages as it likes."""

    def answer(request: web.BaseRequest) -> web.Response:
        asked = options(request)
        skip, top = int(asked.get("$skip", 0)), int(asked.get("$top", 10**6))
        batch = rows[skip : skip + min(top, page)]
        link = (
            {"@odata.nextLink": "http://127.0.0.1:9/canary"}
            if len(batch) == page and len(batch) < top and rows[skip + page :]
            else {}
        )
        count = {"@odata.count": len(rows)} if "$count" in asked else {}
        return collection(batch, **{**count, **link, **envelope})

    return answer


# --- a record that is not definitely permitted is as if not sent


@pytest.mark.channel("C57", "C58", "C315", "C343", "C364")
@pytest.mark.guarantee("G5")
@pytest.mark.parametrize(
    ("row", "target"),
    [
        (listing(2, StandardStatus="Closed", City="canary"), "Property?$select=City"),
        (listing(2, StandardStatus="ACTIVE", City="canary"), "Property?$select=City"),
        (listing(2, StandardStatus=None, City="canary"), "Property('L2')"),
        ({"ListingKey": "L2", "City": "canary"}, "Property?$top=5"),
        (listing(2, PropertyType="Land", City="canary"), "Property?$filter=ListPrice gt 1&$select=City"),
        (listing(2, PropertyType=None, City="canary"), "Property?$orderby=ListPrice&$select=City"),
        ({"@removed": {"reason": "deleted"}}, "Property?$select=City"),
    ],
)
async def test_a_row_that_is_not_permitted_changes_no_byte_and_costs_trust_once(
    directory: Path, row: dict[str, Any], target: str
) -> None:
    """Whoever asks, and with whatever predicate: the answer is the one of an upstream that never had the row."""
    answers = []
    for rows in ([listing(1)], [listing(1), row], [row, listing(1)]):
        upstream = Hostile(serving(rows))
        async with before(upstream, directory) as gateway:
            met = await gateway.get(target, "k-idx")
            after = [await gateway.get(target, "k-idx"), await gateway.get("Property?$select=City", "k-vow")]
            lost = gateway.service.trust.lost
            events = [f"{event.resource}/{event.kind}" for event in gateway.events if isinstance(event, TrustLost)]
        assert met == after[0]
        assert sorted(lost) == sorted(events)
        answers.append((met, after[1].status))

    assert answers[0] == answers[1] == answers[2]
    assert b"canary" not in answers[1][0].body


@pytest.mark.channel("C315", "C360", "C364", "C371")
async def test_what_only_trust_could_answer_is_answered_no_more_to_any_key(directory: Path) -> None:
    upstream = Hostile(serving([listing(1), listing(2, StandardStatus="ACTIVE")]))
    async with before(upstream, directory) as gateway:
        before_it = [await gateway.get(f"Property{rest}", "k-vow") for rest in ("?$skip=1&$select=City", "/$count")]
        await gateway.get("Property?$select=City", "k-idx")
        after = [
            await gateway.get(f"Property{rest}", key)
            for key in ("k-idx", "k-limited")
            for rest in ("?$skip=1", "/$count", "?$count=true&$top=0")
        ]
        ready = await gateway.session.get(f"http://127.0.0.1:{gateway.service.admin.port}/readyz")
        detail = await ready.json()

    assert [answer.status for answer in before_it] == [200, 200]
    assert {answer.status for answer in after} == {501}
    assert detail["distrusted"] == ["Property/string_equality"]


@pytest.mark.channel("C10", "C315", "C356", "C357")
@pytest.mark.parametrize(
    ("media", "count", "lost"),
    [
        ([{"MediaKey": "M1", "ResourceName": "Property", "ResourceRecordKey": "L9", "Order": 1}], 1, ("Media/nested",)),
        ([{"MediaKey": "M1", "ResourceName": "Property", "ResourceRecordKey": "L1", "Order": 1}], 2, ()),
        ([{"MediaKey": "M1", "ResourceName": "Property", "ResourceRecordKey": "L1", "Order": 1}], None, ()),
    ],
)
async def test_a_foreign_or_cut_nested_list_is_read_anew(
    directory: Path, media: Rows, count: int | None, lost: tuple[str, ...]
) -> None:
    whole = [
        {"MediaKey": f"M{n}", "ResourceName": "Property", "ResourceRecordKey": "L1", "Order": n} for n in (3, 1, 2)
    ]
    listings = [listing(1, Media=media, **({} if count is None else {"Media@odata.count": count}))]

    def answer(request: web.BaseRequest) -> web.Response:
        return serving(whole if request.raw_path.startswith("/odata/Media") else listings)(request)

    upstream = Hostile(answer)
    async with before(upstream, directory) as gateway:
        met = await gateway.get("Property?$select=City&$expand=Media", "k-limited")
        again = await gateway.get("Property?$select=City&$expand=Media", "k-idx")
        trust = gateway.service.trust.lost

    assert met.rows == [{"City": "X", "Media": [{"MediaKey": "M1", "Order": 1}, {"MediaKey": "M2", "Order": 2}]}]
    assert [row["Order"] for row in again.rows[0]["Media"]] == [1, 2, 3]
    assert trust == lost


# --- answers that fail as a whole


@pytest.mark.channel("C157", "C160", "C184", "C188", "C193", "C306")
@pytest.mark.guarantee("G5")
@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (lambda _: web.Response(status=500, text="canary"), 502), (lambda _: web.Response(status=400, text="canary"), 502),
        (lambda _: web.Response(status=429, text="canary", headers={"Retry-After": "77"}), 503),
        (lambda _: web.Response(status=302, headers={"Location": "http://127.0.0.1:9/canary"}), 502),
        (lambda _: web.Response(text="<canary>", content_type="text/html"), 502),
        (lambda _: web.Response(text="canary", content_type="application/json"), 502),
        (lambda _: web.Response(text='{"error":{"message":"canary"}}', content_type="application/json"), 502),
        (lambda _: web.Response(text='{"value":"canary"}', content_type="application/json"), 502),
        (lambda _: web.Response(text='{"value":[{"ListingKey":"L1","StandardStatus":"Active","City":{"canary":1}}]}', content_type="application/json"), 502),
    ],
)  # fmt: skip
async def test_what_is_no_answer_is_a_constant(
    directory: Path, answer: Callable[[web.BaseRequest], web.Response], status: int
) -> None:
    upstream = Hostile(answer)
    async with before(upstream, directory) as gateway:
        first = await gateway.get("Property?$select=City", "k-idx")
        upstream.answer = serving([listing(1)])
        recovered = await gateway.get("Property?$select=City", "k-idx")

    assert first.status == status
    assert b"canary" not in first.body
    assert "canary" not in str(first.headers)
    assert "77" not in str(first.headers)
    assert recovered.rows == [{"City": "X"}]


async def test_a_slow_upstream_is_504_and_a_dead_one_503(directory: Path) -> None:
    async def slow(_request: web.BaseRequest) -> web.Response:
        await asyncio.sleep(10)
        return collection([])

    upstream = Hostile(slow)
    async with before(upstream, directory, UPSTREAM__READ_TIMEOUT="0.2") as gateway:
        assert (await gateway.get("Property", "k-idx")).status == 504
    async with before(upstream, directory, REQUESTS__DEADLINE="0.2") as gateway:
        assert (await gateway.get("Property", "k-idx")).status == 504


async def test_an_upstream_that_is_down_at_start_is_waited_for(directory: Path) -> None:
    """503 until its metadata is in; then everything, by itself."""
    upstream = Hostile(serving([listing(1)]))
    upstream.metadata, document = None, upstream.metadata
    async with before(upstream, directory, UPSTREAM__METADATA_RETRY="0.05") as gateway:
        waiting = await gateway.get("Property?$select=City", "k-idx")
        nobody = await gateway.get("Property", "no-such-key")
        ready = await gateway.session.get(f"http://127.0.0.1:{gateway.service.admin.port}/readyz")
        upstream.metadata = document
        for _ in range(200):
            answer = await gateway.get("Property?$select=City", "k-idx")
            if answer.status == 200:
                break
            await asyncio.sleep(0.05)

    assert (waiting.status, waiting.header("Retry-After"), nobody.status, ready.status) == (503, "5", 401, 503)
    assert answer.rows == [{"City": "X"}]


# --- more or less than was asked for


@pytest.mark.channel("C96", "C290")
@pytest.mark.guarantee("G4")
@pytest.mark.parametrize("page", [1, 2, 3, 7, 1000])
async def test_pages_have_the_promised_size_however_the_upstream_cuts_its_own(directory: Path, page: int) -> None:
    rows = [listing(number) for number in range(1, 12)]
    async with before(Hostile(serving(rows, page)), directory, REQUESTS__PAGE_SIZE="5") as gateway:
        answer = await gateway.get("Property?$select=ListPrice", "k-idx")
        sizes, prices = [], []
        while True:
            sizes.append(len(answer.rows))
            prices += [row["ListPrice"] for row in answer.rows]
            if "@odata.nextLink" not in answer.json():
                break
            answer = await gateway.follow(answer, "k-idx")

    assert sizes == [5, 5, 1]
    assert prices == list(range(1, 12))


@pytest.mark.channel("C290")
async def test_an_upstream_that_ignores_top_is_cut(directory: Path) -> None:
    rows = [listing(number) for number in range(50)]
    async with before(Hostile(lambda _: collection(rows)), directory) as gateway:
        answer = await gateway.get("Property?$top=3&$select=ListPrice", "k-idx")

    assert [row["ListPrice"] for row in answer.rows] == [0, 1, 2]


@pytest.mark.channel("C291")
async def test_an_upstream_that_makes_no_progress_is_left(directory: Path) -> None:
    stuck = {"@odata.nextLink": "http://127.0.0.1:9/canary"}
    for rows in ([listing(1)], []):
        upstream = Hostile(lambda _, rows=rows: collection(rows, **stuck))  # type: ignore[misc]  # the default binds the loop's rows
        async with before(upstream, directory) as gateway:
            answer = await gateway.get("Property?$select=City", "k-idx")

        assert answer.status == 502
        assert len(upstream.requests) <= 11


@pytest.mark.channel("C88", "C92", "C292")
async def test_links_of_the_upstream_are_neither_followed_nor_shown(directory: Path) -> None:
    upstream = Hostile(serving([listing(n) for n in range(4)], 2, **{"@odata.deltaLink": "http://canary/"}))
    async with before(upstream, directory) as gateway:
        answer = await gateway.get("Property?$select=ListPrice", "k-idx")

    assert answer.status == 200
    assert len(answer.rows) == 4
    assert b"canary" not in answer.body
    assert all(request.raw_path.startswith("/odata/Property?$filter=") for request in upstream.requests)


@pytest.mark.channel("C293")
async def test_a_row_under_another_spelling_of_the_key_is_not_the_row(directory: Path) -> None:
    """A folding upstream: only the exact spelling answers, whatever the storage order."""
    for order in ([0, 1], [1, 0]):
        rows = [
            [listing(1, ListingKey="ABC", City="upper"), listing(1, ListingKey="abc", City="lower")][n] for n in order
        ]
        async with before(Hostile(serving(rows)), directory) as gateway:
            cities = [
                json.loads((await gateway.get(f"Property('{key}')?$select=City", "k-idx")).body)["City"]
                for key in ("ABC", "abc")
            ]
            absent = await gateway.get("Property('Abc')", "k-idx")

        assert (cities, absent.status) == (["upper", "lower"], 404)


@pytest.mark.channel("C82", "C289")
async def test_a_count_that_a_whole_page_contradicts_is_that_of_the_page(directory: Path) -> None:
    upstream = Hostile(lambda _: collection([listing(1), listing(2)], **{"@odata.count": 4711}))
    async with before(upstream, directory) as gateway:
        answer = await gateway.get("Property?$count=true&$select=ListPrice", "k-idx")
        upstream.answer = lambda _: collection([listing(1)])
        none = await gateway.get("Property?$count=true", "k-idx")

    assert answer.json()["@odata.count"] == 2
    assert none.status == 502


@pytest.mark.channel("C174", "C318", "C364")
@pytest.mark.parametrize(
    "text",
    ['{"ListingKey":"L1","StandardStatus":"Active","ListPrice":1e9999999999999999999}', "null", "5", '{"@removed":{}}'],
)
async def test_records_that_are_no_records_are_as_if_not_sent(directory: Path, text: str) -> None:
    """Not a 502 of its own that comes and goes with the question."""
    upstream = Hostile(lambda _: web.Response(text='{"value":[' + text + "]}", content_type="application/json"))
    rule = ROLE.replace("StandardStatus eq 'Active'", "StandardStatus eq 'Active' and ListPrice gt 5").replace(
        "ListPrice, ", ""
    )
    async with before(upstream, directory, role=rule.replace(", Land: {Hidden: [ListPrice]}", "")) as gateway:
        met = await gateway.get("Property?$select=City", "k-idx")

    assert (met.status, met.rows) == (200, [])


UNREADABLE = [
    b'"\xff"', b'"\xc0\xa7"', b"NaN", b"-Infinity", b"01", b"+1", b".5", b"1.", b"0x10", b"tru", b"undefined", b'"\\q"', b'"\\u12"', b'"a\nb"',
    b'"a\x00b"', b"", b"1 2", b'"a" "b"', b'"he said "so" twice"', b"\xff\xfe", b"[1,,2]", b"[NaN]", b'{"x":nul}', b'{"x"}', b"{,}", b"'a'",
    b'"\\ud800"', b'"x","Secret":"y"', b"9" * 5000, b"1e999999999999", b'{"a":1,"a":2}', b"/*x*/", b"1:2",
]  # fmt: skip


#: Those of them that are a text which no rule names: it can be read, and contradicts.
TEXTS = (b'"\\ud800"', b'"x","Secret":"y"')


def answering(*records: bytes) -> Hostile:
    """An upstream that answers each question with these very bytes, and counts one record."""

    def answer(request: web.BaseRequest) -> web.Response:
        if "$count" in options(request):
            return collection([listing(1)], **{"@odata.count": 1})
        return web.Response(body=b'{"value":[' + b",".join(records) + b"]}", content_type="application/json")

    return Hostile(answer)


GOOD = b'{"ListingKey":"L1","StandardStatus":"Active","PropertyType":"Farm","City":"X","ListPrice":1'


@pytest.mark.channel("C200", "C317", "C318")
@pytest.mark.guarantee("G1")
@pytest.mark.parametrize("value", UNREADABLE)
async def test_bytes_of_a_withheld_member_decide_nothing(directory: Path, value: bytes) -> None:
    """In a member that nobody asked for, in one that is hidden on its record, and in a record that is dropped."""
    secret = GOOD + b',"Secret":' + value + b"}"
    hidden = (
        b'{"ListingKey":"L2","StandardStatus":"Active","PropertyType":"Land","City":"Y","ListPrice":' + value + b"}"
    )
    dropped = b'{"ListingKey":"L3","StandardStatus":"Closed","PropertyType":"Farm","City":' + value + b"}"
    clean = [
        hidden.replace(value + b"}", b"1}")
        if value
        else b'{"ListingKey":"L2","StandardStatus":"Active","PropertyType":"Land","City":"Y"}'
    ]
    answers = []
    for records in ([GOOD + b"}", *clean], [secret, hidden], [GOOD + b"}", hidden, dropped]):
        async with before(answering(*records), directory) as gateway:
            answers.append(await gateway.get("Property?$select=City,ListPrice", "k-idx"))

    assert answers[0].status == 200
    assert answers[0].rows == [{"City": "X", "ListPrice": 1}, {"City": "Y"}]
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.channel("C200", "C318")
@pytest.mark.parametrize("tail", [b'"', b"[", b"{", b"]", b"}}", b'"a\\"', b"[" * 64 + b"1" + b"]" * 64])
async def test_only_what_breaks_the_structure_fails_the_answer(directory: Path, tail: bytes) -> None:
    async with before(answering(GOOD + b',"Secret":' + tail + b"}"), directory) as gateway:
        answer = await gateway.get("Property?$select=City", "k-idx")

    assert answer.status == 502


@pytest.mark.channel("C315", "C318", "C320", "C197")
@pytest.mark.parametrize(
    "value",
    [
        *(value for value in UNREADABLE if value not in TEXTS),
        *(b'"Active","StandardStatus":"Active"', b"1", b"{}", b"[]", b"true"),
    ],
)
async def test_a_record_that_cannot_be_read_is_dropped_and_blames_nothing(directory: Path, value: bytes) -> None:
    """Its deciding member, its key, or all of it: every key keeps $count and $skip."""
    status = b'{"ListingKey":"L2","City":"canary","StandardStatus":' + value + b"}"
    missing = b'{"ListingKey":"L2","City":"canary"}'
    key = b'{"StandardStatus":"Active","City":"canary","ListingKey":' + value + b"}"
    for record in (status, missing, key, value.replace(b",", b"") if value[:1] not in (b"[", b"{") else b"null"):
        async with before(answering(GOOD + b"}", record), directory) as gateway:
            answer = await gateway.get("Property?$select=City", "k-idx")
            after = [
                await gateway.get(f"Property{rest}", key)
                for key in ("k-idx", "k-vow")
                for rest in ("?$skip=1", "/$count")
            ]
            event = next(event for event in gateway.events if isinstance(event, RequestHandled))
            lost = gateway.service.trust.lost

        assert (answer.status, answer.rows) == (200, [{"City": "X"}])
        assert [later.status for later in after] == [200] * 4
        assert lost == ()
        assert set(event.unreadable) <= {"Property.StandardStatus", "Property.ListingKey"}
        assert sum(event.unreadable.values()) == 1


@pytest.mark.channel("C315")
async def test_a_contradiction_beside_what_cannot_be_read_costs_trust_all_the_same(directory: Path) -> None:
    rule = ROLE.replace("StandardStatus eq 'Active'", "StandardStatus eq 'Active' and ListPrice gt 5")
    rule = rule.replace("ListPrice, ", "").replace(", Land: {Hidden: [ListPrice]}", "")
    closed = b'{"ListingKey":"L2","StandardStatus":"Closed","City":"canary","ListPrice":NaN}'
    async with before(answering(closed), directory, role=rule) as gateway:
        answer = await gateway.get("Property?$select=City", "k-idx")
        lost = gateway.service.trust.lost

    assert (answer.status, answer.rows) == (200, [])
    assert lost == ("Property/string_equality",)


@pytest.mark.channel("C315", "C364")
async def test_trust_is_lost_for_the_resource_that_contradicts_and_for_no_other(directory: Path) -> None:
    def answer(request: web.BaseRequest) -> web.Response:
        if request.path.endswith("Office"):
            return collection([{"OfficeKey": "O1", "OfficeName": "Acme"}], **{"@odata.count": 1})
        return serving([listing(1, StandardStatus="Closed")])(request)

    async with before(
        Hostile(answer), directory, role=ROLE.replace("Office: {", "Office: {Filter: \"OfficeName eq 'Acme'\", ")
    ) as gateway:
        await gateway.get("Property", "k-idx")
        counts = [(await gateway.get(f"{name}/$count", "k-idx")).status for name in ("Property", "Office")]

    assert counts == [501, 200]


@pytest.mark.channel("C315")
@pytest.mark.guarantee("G1")
async def test_each_kind_and_resource_tells_one_bit_until_a_person_restores_it(directory: Path) -> None:
    """The attack that docs/guarantees.md counts: what a record contradicts can be seen once, whoever asks how often."""
    upstream = Hostile(serving([listing(1)]))
    async with before(upstream, directory) as gateway:
        seen = []
        for rows in ([listing(1)], [listing(1), listing(2, StandardStatus="ACTIVE")], [listing(1)]) * 3:
            upstream.answer = serving(rows)
            await gateway.get("Property?$select=City", "k-idx")
            seen.append((await gateway.get("Property?$skip=1&$select=City", "k-vow")).status)
        losses = gateway.service.trust.losses
        restored = gateway.service.trust.restore(by="tester")
        upstream.answer = serving([listing(1)])
        after = (await gateway.get("Property?$skip=1&$select=City", "k-vow")).status
        events = [event for event in gateway.events if isinstance(event, TrustLost | TrustRestored)]

    assert seen == [200] + [501] * 8
    assert [(loss.resource, loss.kind) for loss in losses] == [("Property", "string_equality")]
    assert restored == losses
    assert after == 200
    assert events == [*losses, TrustRestored("string_equality", "Property", "tester")]


@pytest.mark.channel("C96", "C288")
@pytest.mark.guarantee("G4")
async def test_an_exact_page_is_filled_however_few_rows_the_upstream_sends_at_a_time(directory: Path) -> None:
    upstream = Hostile(serving([listing(number) for number in range(40)], 1))
    async with before(upstream, directory) as gateway:
        answer = await gateway.get("Property?$select=ListPrice&$top=30", "k-idx")

    assert answer.status == 200
    assert [row["ListPrice"] for row in answer.rows] == list(range(30))
    assert len(upstream.requests) == 30
