"""No list ends before its end, in whatever form the upstream says that more follows; and none goes on for ever."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

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
@pytest.mark.parametrize("link", ["", 7, [], "http://[", "Property?a=\r\nX-Injected: y", "Property?a=\x7fb"])
async def test_a_link_that_is_no_address_is_no_end(directory: Path, paging: str, link: object) -> None:
    upstream = Paged(lambda _: ([], {"@odata.nextLink": link}))
    async with modelled(directory, {}, trusted=profile(paging=paging), upstream=upstream) as (gateway, _):
        answer = await gateway.get("Property?$select=ListingKey", "k")

    assert answer.status == 502
    assert len(upstream.requests) == 1


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
        page, count, one = [await gateway.get(target, "k") for target in TARGETS]
        asked = len(upstream.requests)
        following = await gateway.follow(page, "k")

    # A page may be empty while its link says that more may come; a number and an entity have no such way.
    assert (page.status, page.rows, following.status) == (200, [], 200)
    assert (count.status, one.status) == (502, 502)
    assert asked == 60


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
