"""No list ends before its end, in whatever form the upstream says that more follows; and none goes on for ever."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from aiohttp import web
from multidict import CIMultiDict

from tests.hostile import Hostile, collection, hostile_running
from tests.model_upstream import Habits, ModelUpstream
from tests.modelled import every_page, listing, member, modelled, photo, profile, tables

#: What a link becomes: Link headers, and members of the envelope.
Form = Callable[[str], tuple[list[str], dict[str, Any]]]
ROWS = [listing(f"L{number}") for number in range(9)]
KEYS = [f"L{number}" for number in range(9)]
PAGINGS = ["skip", "next_link", "link_header"]
FORMS: dict[str, Form] = {
    "body": lambda link: ([], {"@odata.nextLink": link}),
    "4.01 body": lambda link: ([], {"@nextLink": link}),
    "both bodies": lambda link: ([], {"@nextLink": link, "@odata.nextLink": link}),
    "header": lambda link: ([f'<{link}>; rel="next"'], {}),
    "header and null": lambda link: ([f'<{link}>; rel="next"'], {"@odata.nextLink": None}),
    "list of relations": lambda link: ([f'<{link}>; rel="self next"'], {}),
    "upper case": lambda link: ([f"<{link}>; REL=NEXT"], {}),
    "second rel": lambda link: ([f"<{link}>; rel=next; rel=prev"], {}),
    "several links": lambda link: ([f'<x>; rel="prev"; title="a, b", <{link}>; rel="next", <y>; rel=last'], {}),
    "several headers": lambda link: (["<x>; rel=prev", f"<{link}>; rel=next"], {}),
    "both": lambda link: ([f'<{link}>; rel="next"'], {"@odata.nextLink": link}),
    "anchored": lambda link: ([f'<{link}>; rel=next; anchor=""'], {}),
    "another host": lambda link: ([], {"@odata.nextLink": f"https://internal.example/odata/{link}"}),
}


class Paged(ModelUpstream):
    """Cuts pages at four rows. ``form`` is of links of the set ``name``, others are as they should be."""

    def __init__(self, form: Form, name: str = "Property", page: int = 4, **rows: Any) -> None:
        super().__init__(tables(**(rows or {"Property": ROWS})), Habits(page=page))
        self.form = form
        self.name = name

    def _answer(self, request: web.BaseRequest) -> web.Response:
        split = urlsplit(request.raw_path)
        name = split.path.rsplit("/", 1)[-1]
        options = dict(parse_qsl(split.query, keep_blank_values=True))
        self.asked.append((name, options))
        body, link = self._collection(name, options)
        headers = CIMultiDict({"Content-Type": "application/json"})
        if link is not None:
            fields, envelope = (self.form if name == self.name else FORMS["body"])(link)
            for value in fields:
                headers.add("Link", value)
            body |= envelope
        return web.Response(body=json.dumps(body).encode(), headers=headers)


def one_of_each(*ways: str) -> list[tuple[str, str]]:
    return [(paging, form) for paging in PAGINGS for form in ways or FORMS]


@pytest.mark.guarantee("G4", "G5")
@pytest.mark.parametrize(("paging", "form"), one_of_each())
async def test_every_record_is_answered_in_whatever_form_the_next_page_is_named(
    directory: Path, paging: str, form: str
) -> None:
    upstream = Paged(FORMS[form])
    async with modelled(directory, {}, trusted=profile(paging=paging), upstream=upstream) as (gateway, _):
        found, pages = await every_page(gateway, "Property?$select=ListingKey")

    assert [row["ListingKey"] for row in found] == KEYS
    assert len(pages) == 1


@pytest.mark.guarantee("G4")
@pytest.mark.parametrize(("paging", "form"), one_of_each("body", "header", "list of relations"))
async def test_lists_behind_a_record_are_read_to_their_end_in_whatever_form(
    directory: Path, paging: str, form: str
) -> None:
    """Expanded by requests of their own, ranked, and as the parents of what is read."""
    photos = [photo("L1", order) for order in range(9)]
    upstream = Paged(FORMS[form], "Media", Property=ROWS, Media=photos)
    trusted = profile(paging=paging, nested="untrusted")
    async with modelled(directory, {}, trusted=trusted, upstream=upstream, limit=7) as (gateway, _):
        whole = await gateway.get("Property('L1')?$expand=Media($select=Order)", "k")
        first = await gateway.get("Property('L1')/Media?$select=Order", "limited")
        counted = await gateway.get("Property('L1')/Media/$count", "k")

    assert [row["Order"] for row in whole.json()["Media"]] == list(range(9))
    assert [row["Order"] for row in first.rows] == list(range(7))
    assert counted.body == b"9"


@pytest.mark.guarantee("G4")
@pytest.mark.parametrize("member_name", ["Media@odata.nextLink", "Media@nextLink"])
async def test_a_list_inside_a_record_that_goes_on_is_read_by_itself(directory: Path, member_name: str) -> None:
    """However many rows its number says."""
    upstream = ModelUpstream(tables(Property=ROWS[:2], Media=[photo("L1", n) for n in range(5)]))
    projected = upstream._record

    def cut(name: str, row: Any, options: Any) -> dict[str, Any]:
        record = projected(name, row, options)
        if "Media" in record:
            record |= {"Media": record["Media"][:2], "Media@odata.count": 2, member_name: "canary"}
        return record

    upstream._record = cut  # type: ignore[method-assign]
    async with modelled(directory, {}, upstream=upstream) as (gateway, _):
        answer = await gateway.get("Property('L1')?$expand=Media($select=Order)", "k")

    assert [row["Order"] for row in answer.json()["Media"]] == list(range(5))


# --- links that disagree, or that are none


DISAGREEING: Form = lambda link: (  # noqa: E731  # beside those above
    [f'<{link.replace("skiptoken=4", "skiptoken=8")}>; rel="next"'],
    {"@odata.nextLink": link},
)


@pytest.mark.parametrize(
    ("paging", "keys"), [("skip", KEYS), ("next_link", KEYS), ("link_header", [*KEYS[:4], KEYS[8]])]
)
async def test_of_two_forms_that_disagree_the_declared_one_is_followed(
    directory: Path, paging: str, keys: list[str]
) -> None:
    async with modelled(directory, {}, trusted=profile(paging=paging), upstream=Paged(DISAGREEING)) as (gateway, _):
        found, _ = await every_page(gateway, "Property?$select=ListingKey")

    assert [row["ListingKey"] for row in found] == keys


BROKEN: dict[str, Form] = {
    "two in the body": lambda link: ([], {"@nextLink": link, "@odata.nextLink": f"{link}&x=y"}),
    "two in headers": lambda link: ([f"<{link}>; rel=next, <{link}&x=y>; rel=next"], {}),
    "unreadable": lambda link: ([f"{link}; rel=next"], {}),
    "too long": lambda link: ([f"<{link}&x={'y' * 140_000}>; rel=next"], {}),
}


@pytest.mark.guarantee("G5")
@pytest.mark.parametrize(("paging", "form"), [(paging, form) for paging in PAGINGS for form in BROKEN])
async def test_a_link_that_cannot_be_understood_is_no_end(directory: Path, paging: str, form: str) -> None:
    async with modelled(directory, {}, trusted=profile(paging=paging), upstream=Paged(BROKEN[form])) as (gateway, _):
        answer = await gateway.get("Property?$select=ListingKey", "k")

    assert answer.status == 502


@pytest.mark.guarantee("G5")
@pytest.mark.parametrize("paging", ["next_link", "link_header"])
@pytest.mark.parametrize("link", ["", 7, [], "http://["])
async def test_a_link_that_is_no_address_is_no_end(directory: Path, paging: str, link: object) -> None:
    upstream = Paged(lambda _: ([], {"@odata.nextLink": link}))
    async with modelled(directory, {}, trusted=profile(paging=paging), upstream=upstream) as (gateway, _):
        answer = await gateway.get("Property?$select=ListingKey", "k")

    assert answer.status == 502
    assert len(upstream.requests) == 1


@pytest.mark.channel("C292", "C299")
@pytest.mark.parametrize("paging", ["next_link", "link_header"])
async def test_what_would_end_the_line_of_a_request_is_sent_encoded(directory: Path, paging: str) -> None:
    upstream = Paged(lambda link: ([], {"@odata.nextLink": f"{link}&a=\r\nX-Injected: y\x7f"}))
    async with modelled(directory, {}, trusted=profile(paging=paging), upstream=upstream) as (gateway, _):
        found, _ = await every_page(gateway, "Property?$select=ListingKey")

    assert len(found) == 9
    assert all("X-Injected" not in request.headers for request in upstream.requests)
    assert all("%0D%0AX-Injected:%20y%7F" in request.raw_path for request in upstream.requests[1:])


@pytest.mark.parametrize(("paging", "form"), one_of_each("body", "header"))
async def test_blanks_and_letters_of_a_link_are_sent_encoded(directory: Path, paging: str, form: str) -> None:
    upstream = Paged(lambda link: FORMS[form](f"{link}&place=a b Montréal"))
    async with modelled(directory, {}, trusted=profile(paging=paging), upstream=upstream) as (gateway, _):
        found, _ = await every_page(gateway, "Property?$select=ListingKey")

    assert len(found) == 9
    targets = [request.raw_path for request in upstream.requests[1:]]
    assert all(target.isascii() and " " not in target for target in targets)
    assert paging == "skip" or all("place=a%20b%20Montr%C3%A9al" in target for target in targets)


@pytest.mark.guarantee("G4")
@pytest.mark.parametrize(("paging", "form"), one_of_each("header", "several links"))
async def test_a_link_header_may_be_as_long_as_a_question(directory: Path, paging: str, form: str) -> None:
    """The library's own bound is 8,190 bytes."""
    upstream = Paged(FORMS[form])
    cities = " or ".join(f"City eq 'City number {number}'" for number in range(300))
    async with modelled(directory, {}, trusted=profile(paging=paging), upstream=upstream) as (gateway, _):
        found, _ = await every_page(gateway, f"Property?$filter=City eq 'X' or {cities}&$select=ListingKey")

    assert len(found) == 9


# --- empty pages


class Sparse(Hostile):
    """One row, after so many pages of none; each page has a link to another one, and the last may have one."""

    def __init__(self, empty: int, *, ends: bool, header: bool = False) -> None:
        super().__init__(self._page)
        self.empty, self.ends, self.header = empty, ends, header

    def _page(self, request: web.BaseRequest) -> web.Response:
        options = dict(parse_qsl(urlsplit(request.raw_path).query))
        number = int(options.get("$skiptoken", 0))
        rows = [ROWS[0]] if number == self.empty else []
        count = {"@odata.count": 1} if "$count" in options else {}
        link = f"Property?$skiptoken={number + 1}"
        is_last = self.ends and number == self.empty
        answer = collection(rows, **count, **({} if is_last or self.header else {"@odata.nextLink": link}))
        if self.header and not is_last:
            answer.headers["Link"] = f"<{link}>; rel=next"
        return answer


TARGETS = ["Property?$select=ListingKey", "Property/$count", "Property('L0')?$select=ListingKey"]


@pytest.mark.guarantee("G4")
@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize("target", TARGETS)
async def test_an_empty_page_with_a_link_is_no_end(directory: Path, target: str, header: bool) -> None:
    upstream: Any = Sparse(3, ends=True, header=header)
    async with modelled(directory, {}, trusted=profile(paging="next_link"), upstream=upstream) as (gateway, _):
        answer = await gateway.get(target, "k")

    assert (answer.status, b"L0" in answer.body or answer.body == b"1") == (200, True)
    assert len(upstream.requests) == 4


@pytest.mark.guarantee("G5")
@pytest.mark.parametrize("target", TARGETS)
async def test_under_skip_an_empty_page_with_a_link_is_no_answer(directory: Path, target: str) -> None:
    for header in (False, True):
        upstream: Any = Sparse(3, ends=True, header=header)
        async with modelled(directory, {}, trusted=profile(paging="skip"), upstream=upstream) as (gateway, _):
            assert (await gateway.get(target, "k")).status == 502

        assert len(upstream.requests) == 1


@pytest.mark.channel("C291")
@pytest.mark.guarantee("G6")
async def test_empty_pages_that_have_no_end_are_left(directory: Path) -> None:
    upstream: Any = Sparse(-1, ends=False)
    async with modelled(directory, {}, trusted=profile(paging="next_link"), upstream=upstream) as (gateway, _):
        answers = [await gateway.get(target, "k") for target in TARGETS]

    assert [answer.status for answer in answers] == [502] * 3
    assert len(upstream.requests) == 3 * 200


class Endless(ModelUpstream):
    """Its Media are pages without a row, each with a link to another one."""

    def _collection(self, name: str, options: dict[str, str]) -> tuple[dict[str, Any], str | None]:
        if name != "Media":
            return super()._collection(name, options)
        return {"value": []}, f"Media?$skiptoken={int(options.get('$skiptoken', 0)) + 1}"


@pytest.mark.channel("C291")
@pytest.mark.guarantee("G6")
async def test_a_list_that_must_be_read_to_its_end_and_is_empty_without_end_is_left(directory: Path) -> None:
    upstream = Endless(tables(Property=ROWS))
    trusted = profile(paging="next_link", nested="untrusted")
    async with modelled(directory, {}, trusted=trusted, upstream=upstream) as (gateway, _):
        answer = await gateway.get("Property('L1')?$expand=Media", "k")

    assert answer.status == 502
    assert len(upstream.requests) == 1 + 200


# --- hosts


async def everywhere(directory: Path, form: Callable[[str], Form], **hosts: Any) -> tuple[Any, Paged, Hostile]:
    """Asks for all records of an upstream whose links lead to a stranger; gives what either was asked."""
    stranger = Hostile(lambda _: collection([{**ROWS[0], "ListingKey": "S"}]))
    async with hostile_running(stranger):
        upstream = Paged(form(stranger.url))
        listed = {"link_hosts": [{"url": stranger.url, **hosts}]} if hosts else {}
        trusted = profile(paging="next_link", **listed)
        settings = {"upstream": {"token": "secret"}, "tracing": {"forward": True}}
        async with modelled(directory, {}, trusted=trusted, upstream=upstream, settings=settings) as (gateway, _):
            answer = await gateway.get("Property?$select=ListingKey", "k")
    return answer, upstream, stranger


def there(url: str) -> Form:
    return lambda link: ([], {"@odata.nextLink": f"{url}/{link}"})


@pytest.mark.channel("C292")
async def test_no_byte_goes_to_a_host_that_is_not_listed(directory: Path) -> None:
    answer, upstream, stranger = await everywhere(directory, there)

    assert len(answer.rows) == 9
    assert len(upstream.requests) == 3
    assert stranger.requests == []


@pytest.mark.channel("C292")
@pytest.mark.parametrize("credential", [False, True])
async def test_a_listed_host_is_asked_and_gets_the_credential_only_where_that_is_said(
    directory: Path,
    credential: bool,
) -> None:
    answer, upstream, stranger = await everywhere(directory, there, credential=credential)

    (request,) = stranger.requests
    assert [row["ListingKey"] for row in answer.rows] == [*KEYS[:4], "S"]
    assert request.headers.get("Authorization") == ("Bearer secret" if credential else None)
    assert "traceparent" not in request.headers
    assert "traceparent" in upstream.requests[0].headers


@pytest.mark.channel("C292")
async def test_a_listed_host_is_asked_for_the_same_set_only(directory: Path) -> None:
    answer, _, stranger = await everywhere(
        directory, lambda url: lambda _: ([], {"@odata.nextLink": f"{url}/Member?a=b"}), credential=True
    )

    assert (answer.status, stranger.requests) == (502, [])


@pytest.mark.channel("C292", "C184")
@pytest.mark.parametrize("credential", [None, False])
async def test_a_redirection_is_not_followed(directory: Path, credential: bool | None) -> None:
    """Neither one of the upstream to a stranger nor one of a listed host."""
    stranger = Hostile(lambda _: collection([]))
    async with hostile_running(stranger):
        away = Hostile(lambda _: web.Response(status=307, headers={"Location": f"{stranger.url}/Property?a=b"}))
        async with hostile_running(away):
            upstream: Any = Paged(there(away.url)) if credential is not None else away
            listed = [{"url": away.url}] if credential is not None else []
            trusted = profile(paging="next_link", link_hosts=listed)
            if credential is None:
                upstream = Hostile(away.answer)
            async with modelled(directory, {}, trusted=trusted, upstream=upstream) as (gateway, _):
                answer = await gateway.get("Property?$select=ListingKey", "k")

    assert (answer.status, stranger.requests) == (502, [])


@pytest.mark.channel("C292")
async def test_a_sealed_place_at_a_host_is_good_while_the_host_is_listed(directory: Path) -> None:
    stranger = Paged(lambda link: ([], {"@odata.nextLink": link}))
    async with hostile_running(stranger):
        upstream = Paged(there(stranger.url))
        trusted = profile(paging="next_link", link_hosts=[{"url": stranger.url}])
        settings = {"requests": {"page_size": 5}}
        async with modelled(directory, {}, trusted=trusted, upstream=upstream, settings=settings) as (gateway, _):
            first = await gateway.get("Property?$select=ListingKey", "k")
            second = await gateway.follow(first, "k")
            asked = len(stranger.requests)
            trust = gateway.service.trust
            trust.profile = trust.profile.model_copy(update={"link_hosts": ()})
            over = await gateway.follow(first, "k")

    assert [row["ListingKey"] for row in (*first.rows, *second.rows)] == KEYS
    assert over.status == 410
    assert len(stranger.requests) == asked


@pytest.mark.parametrize("target", ["Member?$select=MemberKey", "Member/$count"])
async def test_records_of_other_sets_end_where_they_end(directory: Path, target: str) -> None:
    members = [member(f"M{number}") for number in range(9)]
    upstream = Paged(FORMS["header"], "Member", Member=members)
    async with modelled(directory, {}, trusted=profile(paging="skip"), upstream=upstream) as (gateway, _):
        answer = await gateway.get(target, "k")

    assert answer.body == b"9" or len(answer.rows) == 9


# --- what a walk passes over tells nothing


class Telling(ModelUpstream):
    """Its cursors hold what the last row of the page has in a column, as long as that is."""

    column = "OwnerName"

    def _collection(self, name: str, options: dict[str, str]) -> tuple[dict[str, Any], str | None]:
        place, _, _ = options.get("$skiptoken", "0").partition("~")
        body, link = super()._collection(name, {**options, "$skiptoken": place})
        if link is None:
            return body, None
        last = max(self.tables[name][: int(link.rpartition("=")[2])], key=lambda row: str(row["ListingKey"]))
        return body, link + quote(f"~{last[self.column]}", safe="")


async def walked(directory: Path, rows: list[Any], target: str, upstream: Any = None, **options: Any) -> list[Any]:
    """Status, rows and length of each page of a walk in front of these listings."""
    habits = options.pop("habits", None)
    upstream = upstream(tables(Property=rows), habits) if upstream else None
    pages = []
    async with modelled(directory, tables(Property=rows), habits, upstream=upstream, **options) as (gateway, _):
        answer = await gateway.get(target, "k")
        while True:
            pages.append(
                (answer.status, [row["ListingKey"] for row in answer.json().get("value", ())], len(answer.body))
            )
            if answer.status != 200 or "@odata.nextLink" not in answer.json():
                return pages
            answer = await gateway.follow(answer, "k")


def withheld(key: str, **more: Any) -> Any:
    return listing(key, StandardStatus="Closed", **more)


#: What decides whether a row exists for the key cannot be asked, so that rows come which do not.
UNASKED = {"unfilterable": {"Property": ["StandardStatus"]}}


@pytest.mark.channel("C286", "C292")
@pytest.mark.guarantee("G1")
@pytest.mark.parametrize("letters", [3, 900, 5_000])
async def test_the_length_of_a_cursor_behind_a_withheld_row_tells_nothing(directory: Path, letters: int) -> None:
    """The cursor of the third page has what the last row of the second page has, and that one is withheld."""
    rows = [listing(f"L{n}") for n in range(7)] + [withheld("L7", OwnerName="x" * letters), *ROWS[8:], listing("LA")]
    pages = await walked(
        directory, rows, "Property?$select=ListingKey", Telling, habits=Habits(page=4),
        trusted=profile(paging="next_link", **UNASKED), settings={"requests": {"page_size": 8}},
    )  # fmt: skip

    assert [page[:2] for page in pages] == [(200, [*KEYS[:7], "L8"]), (200, ["LA"])]


@pytest.mark.channel("C286", "C292")
@pytest.mark.parametrize("letter", ["\n", "\x7f", "é", "%", "#", "&", "\ud800"])
async def test_signs_in_a_cursor_behind_a_withheld_row_tell_nothing(directory: Path, letter: str) -> None:
    """Some servers write into their links what they have, as it is."""
    rows = [listing(f"L{n}") for n in range(3)] + [withheld("L3", OwnerName="x"), *ROWS[4:]]
    upstream = ModelUpstream(tables(Property=rows), Habits(page=4))
    whole = upstream._collection

    def raw(name: str, options: dict[str, str]) -> tuple[dict[str, Any], str | None]:
        body, link = whole(name, {**options, "$skiptoken": options.get("$skiptoken", "0")[:1]})
        return body, None if link is None else f"{link}{letter}"

    upstream._collection = raw  # type: ignore[method-assign]
    trusted = profile(paging="next_link", **UNASKED)
    async with modelled(directory, {}, trusted=trusted, upstream=upstream) as (gateway, _):
        found, _ = await every_page(gateway, "Property?$select=ListingKey")

    assert [row["ListingKey"] for row in found] == [*KEYS[:3], *KEYS[4:]]


BEHIND_WINDOWS = {
    "a text": "City", "a number": "ListPrice", "the key": "ListingKey", "an exact instant": "ModificationTimestamp",
}  # fmt: skip


@pytest.mark.channel("C286", "C361")
@pytest.mark.guarantee("G1", "G4")
@pytest.mark.parametrize("between", [0, 1, 9, 60])
@pytest.mark.parametrize("column", BEHIND_WINDOWS.values(), ids=BEHIND_WINDOWS)
async def test_withheld_rows_use_no_window_up(directory: Path, between: int, column: str) -> None:
    """The upstream takes no `$skip` above 4, and gives two rows at a time."""
    rows = [
        listing(f"L{n}", City=f"C{n}", ListPrice=n, ModificationTimestamp=f"2025-01-0{n + 1}T00:00:00Z")
        for n in range(9)
    ]
    rows += [{**rows[4], "ListingKey": f"L4{n:02d}", "StandardStatus": "Closed"} for n in range(between)]
    trusted = profile(
        paging="skip", skip_max=4, page_max=2, order_exact={"Property": ["ModificationTimestamp"]}, **UNASKED
    )
    pages = await walked(
        directory, rows, f"Property?$select=ListingKey&$orderby={column}", habits=Habits(page=2, skip_max=4, paging="silent"),
        trusted=trusted, settings={"requests": {"page_size": 3}},
    )  # fmt: skip

    assert [page[:2] for page in pages] == [(200, KEYS[:3]), (200, KEYS[3:6]), (200, KEYS[6:])]


@pytest.mark.channel("C286", "C361")
@pytest.mark.guarantee("G1")
@pytest.mark.parametrize("price", [4, "3x", True])
@pytest.mark.parametrize("city", ["C4", "C4" + "x" * 3_000, 7])
async def test_what_withheld_rows_are_sorted_by_tells_nothing(directory: Path, price: Any, city: Any) -> None:
    rows = [listing(f"L{n}", City=f"C{n}", ListPrice=n) for n in range(9)]
    hidden = [withheld(f"L4{n:02d}", City="C4", ListPrice=4) for n in range(7)]
    hidden += [withheld(f"L3{n:02d}", City=None, ListPrice=None) for n in range(9)]
    upstream = ModelUpstream(tables(Property=[*rows, *hidden]), Habits(page=2, skip_max=4, paging="silent"))
    projected = upstream._record
    odd = {"L402": {"ListPrice": price}, "L403": {"City": city}}
    # Sorted by what is stored, and printed as what it is: no value that one could go on behind.
    upstream._record = lambda name, row, options: (  # type: ignore[method-assign]
        projected(name, row, options) | (odd.get(row["ListingKey"], {}) if name == "Property" else {})
    )
    trusted = profile(
        paging="skip", skip_max=4, page_max=2, order_exact={"Property": ["City", "ListPrice", "ListingKey"]}, **UNASKED
    )
    pages = []
    settings = {"requests": {"page_size": 3}}
    async with modelled(directory, {}, trusted=trusted, upstream=upstream, settings=settings) as (gateway, _):
        for order in ("City", "ListPrice", "City,ListPrice desc"):
            found, walk = await every_page(gateway, f"Property?$select=ListingKey&$orderby={order}")
            pages.append(([row["ListingKey"] for row in found], len(walk)))

    assert pages == [(KEYS, 3)] * 3


WINDOWS = Habits(page=2, skip_max=4, paging="silent", url_max=2_000)


@pytest.mark.channel("C286", "C361")
@pytest.mark.guarantee("G1", "G4")
@pytest.mark.parametrize("first", range(6))
async def test_a_withheld_row_of_the_same_key_at_the_end_of_a_window_hides_nothing(directory: Path, first: int) -> None:
    """Wherever the window ends: also between the two, whose values are the same."""
    rows = [*(withheld(f"A{n}") for n in range(first)), *ROWS[:4], withheld("L4"), *ROWS[4:]]
    trusted = profile(paging="skip", skip_max=4, page_max=2, **UNASKED)
    pages = await walked(directory, rows, "Property?$select=ListingKey", habits=WINDOWS, trusted=trusted)

    assert [page[:2] for page in pages] == [(200, KEYS)]


@pytest.mark.channel("C286", "C361")
@pytest.mark.guarantee("G1", "G4")
@pytest.mark.parametrize("first", range(6))
async def test_a_value_that_is_longer_than_declared_at_the_end_of_a_window_tells_nothing(
    directory: Path, first: int
) -> None:
    """The upstream would not take the address that names it."""
    rows = [withheld(f"A{n}", City="C") for n in range(first)]
    rows += [listing(f"L{n}", City=f"C{n}") for n in range(9)]
    rows.append(withheld("LA", City="C4" + "x" * 3_000))
    trusted = profile(paging="skip", skip_max=4, page_max=2, order_exact={"Property": ["City"]}, **UNASKED)
    target = "Property?$select=ListingKey&$orderby=City"
    pages = await walked(directory, rows, target, habits=WINDOWS, trusted=trusted)

    assert [page[:2] for page in pages] == [(200, KEYS)]


@pytest.mark.guarantee("G4")
@pytest.mark.parametrize("skip", [0, 2, 9])
async def test_the_number_of_all_rows_is_told_whatever_the_client_skips(directory: Path, skip: int) -> None:
    async with modelled(directory, tables(Property=ROWS), trusted=profile()) as (gateway, _):
        answer = await gateway.get(f"Property?$select=ListingKey&$count=true&$skip={skip}", "k")

    assert [row["ListingKey"] for row in answer.rows] == KEYS[skip:]
    assert answer.json()["@odata.count"] == 9


@pytest.mark.guarantee("G4")
@pytest.mark.parametrize("paging", ["next_link", "link_header"])
async def test_a_walk_goes_on_where_it_was_though_the_pages_of_the_upstream_are_smaller_now(
    directory: Path, paging: Any
) -> None:
    upstream = ModelUpstream(tables(Property=ROWS), Habits(page=6, paging=paging))
    settings = {"requests": {"page_size": 5}}
    async with modelled(directory, {}, trusted=profile(paging=paging), upstream=upstream, settings=settings) as (gateway, _):  # fmt: skip
        first = await gateway.get("Property?$select=ListingKey", "k")
        upstream.habits = Habits(page=2, paging=paging)
        second = await gateway.follow(first, "k")

    assert [row["ListingKey"] for row in first.rows] == KEYS[:5]
    assert [row["ListingKey"] for row in second.rows] == KEYS[5:]


@pytest.mark.channel("C286", "C288")
@pytest.mark.guarantee("G1", "G4")
@pytest.mark.parametrize("paging", PAGINGS)
@pytest.mark.parametrize("between", [0, 2, 90])
async def test_no_number_of_withheld_rows_ends_a_page(directory: Path, paging: str, between: int) -> None:
    """However many requests it takes, a page is full where as many visible rows are there."""
    rows = [*ROWS[:2], *(withheld(f"L1{n:02d}", City="X" * 300) for n in range(between)), *ROWS[2:]]
    how: Any = {"paging": "silent" if paging == "skip" else paging}
    pages = await walked(
        directory, rows, "Property?$select=ListingKey", habits=Habits(page=1, **how),
        trusted=profile(paging=paging, page_max=1, **UNASKED), settings={"requests": {"page_size": 4}},
    )  # fmt: skip

    assert [page[:2] for page in pages] == [(200, KEYS[:4]), (200, KEYS[4:8]), (200, KEYS[8:])]


@pytest.mark.channel("C286", "C354")
@pytest.mark.parametrize("order", ["ModificationTimestamp", "ListPrice,ModificationTimestamp desc"])
async def test_where_windows_end_an_order_that_leads_no_further_is_refused_for_all_rows(
    directory: Path, order: str
) -> None:
    """An instant may be stored more finely than it is printed: nothing leads behind it, and a number would tell."""
    habits = Habits(page=2, skip_max=4, paging="silent")
    trusted = profile(paging="skip", skip_max=4, page_max=2, order_exact={}, **UNASKED)
    target = f"Property?$select=ListingKey&$orderby={order}"
    answers = [await walked(directory / str(n), ROWS[:n], target, habits=habits, trusted=trusted) for n in (0, 1, 9)]

    assert answers == [[(501, [], len_of(answers))]] * 3


def len_of(answers: list[Any]) -> int:
    length: int = answers[0][0][2]
    return length


@pytest.mark.guarantee("G4")
async def test_where_windows_end_rows_that_all_exist_are_read_as_far_as_they_reach(directory: Path) -> None:
    """What the upstream is believed to select is what the key may see, so their number is no secret."""
    habits = Habits(page=2, skip_max=4, paging="silent")
    trusted = profile(paging="skip", skip_max=4, page_max=2, order_exact={})
    rows = [listing(f"L{n}", ModificationTimestamp=f"2025-01-0{n + 1}T00:00:00Z") for n in range(9)]
    pages = await walked(
        directory, rows, "Property?$select=ListingKey&$orderby=ModificationTimestamp", habits=habits, trusted=trusted,
        settings={"requests": {"page_size": 3}},
    )  # fmt: skip

    assert [page[:2] for page in pages] == [(200, KEYS[:3]), (501, [])]


@pytest.mark.channel("C291")
@pytest.mark.guarantee("G6")
async def test_an_upstream_that_gives_the_same_rows_for_ever_is_left(directory: Path) -> None:
    upstream = ModelUpstream(tables(Property=ROWS), Habits(page=2, paging="silent", ignores=frozenset({"skip"})))
    trusted = profile(paging="skip", page_max=2, order_exact={})
    async with modelled(directory, {}, trusted=trusted, upstream=upstream) as (gateway, _):
        answer = await gateway.get("Property?$select=ListingKey", "k")

    assert (answer.status, len(upstream.requests)) == (502, 11)


@pytest.mark.channel("C291")
@pytest.mark.guarantee("G6")
async def test_an_upstream_that_takes_no_notice_of_where_rows_begin_is_left(directory: Path) -> None:
    rows = [withheld(f"L{number}") for number in range(9)]
    upstream = ModelUpstream(tables(Property=rows), Habits(page=2, paging="silent", ignores=frozenset({"filter"})))
    async with modelled(
        directory, {}, trusted=profile(paging="skip", page_max=2, skip_max=4, **UNASKED), upstream=upstream
    ) as (gateway, _):
        answer = await gateway.get("Property?$select=ListingKey", "k")

    assert (answer.status, len(upstream.requests)) == (502, 7)


@pytest.mark.guarantee("G4")
@pytest.mark.parametrize("order", ["City", "City desc", "ListPrice desc,City"])
@pytest.mark.parametrize("nulls_last", [False, True])
@pytest.mark.parametrize("or_max", [None, 2])
async def test_walks_past_windows_bring_every_row_once(
    directory: Path, order: str, nulls_last: bool, or_max: int | None
) -> None:
    rows = [listing(f"L{n}", City=[None, "A", "B"][n % 3], ListPrice=[None, 1][n % 2]) for n in range(9)]
    habits = Habits(page=2, skip_max=3, paging="silent", nulls_last=nulls_last, or_max=or_max)
    trusted = profile(
        paging="skip", page_max=2, skip_max=3, or_max=or_max, nulls="last" if nulls_last else "first", **UNASKED
    )
    settings = {"requests": {"page_size": 2}}
    async with modelled(directory, tables(Property=rows), habits, trusted=trusted, settings=settings) as (gateway, _):
        target = f"Property?$select=ListingKey&$orderby={order}"
        first = await gateway.get(target, "k")
        found = [] if first.status == 501 else (await every_page(gateway, target))[0]

    if or_max is not None and "," in order:
        assert first.status == 501  # the conditions that lead past a window take more `or`
    else:
        assert sorted(row["ListingKey"] for row in found) == KEYS
