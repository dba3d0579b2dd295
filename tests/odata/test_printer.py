"""The bytes on the wire: one spelling, everything encoded."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.odata.ast import Query
from gateway.odata.parser import parse_expand, parse_filter, parse_orderby, parse_select
from gateway.odata.printer import encode, print_expression, print_query, query_options


@pytest.mark.channel("C133", "C299")
def test_a_query_is_fully_encoded_in_one_fixed_order() -> None:
    query = Query(
        filter=parse_filter("City eq 'a+b & c%27'"),
        select=parse_select("City"),
        orderby=parse_orderby("City desc"),
        expand=parse_expand("Media($select=Order)"),
        top=1,
        skip=2,
        count=True,
    )

    assert print_query(query) == (
        "$filter=City%20eq%20%27a%2Bb%20%26%20c%2527%27&$select=City&$expand=Media($select%3DOrder)"
        "&$orderby=City%20desc&$skip=2&$top=1&$count=true"
    )


def test_what_a_query_does_not_have_is_not_written() -> None:
    assert query_options(Query()) == []
    assert query_options(Query(expand=parse_expand("Media,Rooms"), count=False, skip=0, top=0)) == [
        ("$expand", "Media,Rooms"), ("$skip", "0"), ("$top", "0"), ("$count", "false"),
    ]  # fmt: skip
    assert query_options(Query(skiptoken="abc")) == [("$skiptoken", "abc")]
    expand = parse_expand("Media($select=Order,MediaURL;$expand=Rooms($top=1);$orderby=Order,MediaKey desc)")
    assert query_options(Query(expand=expand)) == [
        ("$expand", "Media($select=Order,MediaURL;$expand=Rooms($top=1);$orderby=Order,MediaKey desc)"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "(a eq 1) and (b eq 2) and (c eq 3)", "(a eq 1) or (b eq 2)", "not (a eq null)", "f has N.E'A'", "a in (1,2)", "concat(a,'x') eq 'y'",
        "startswith(tolower(a),'x')", "geo.intersects(p,geography'SRID=4326;POLYGON((0 0,1 0,1 1,0 0))')", "t/any(x:x eq 'A')", "t/all(x:x ne 'A')",
        "t/any()", "flag", "true", "false",
    ],
)  # fmt: skip
def test_each_form_has_one_spelling(text: str) -> None:
    assert print_expression(parse_filter(text)) == text


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_encoding_leaves_no_byte_that_means_something(text: str) -> None:
    encoded = encode(text)

    assert unquote(encoded) == text
    assert set(encoded) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789%$,()-._~")
