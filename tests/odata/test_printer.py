"""The bytes on the wire: one spelling, everything encoded."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.odata.ast import Query
from gateway.odata.parser import parse_expand, parse_filter, parse_orderby, parse_select
from gateway.odata.printer import encode, print_query


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


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_encoding_leaves_no_byte_that_means_something(text: str) -> None:
    encoded = encode(text)

    assert unquote(encoded) == text
    assert set(encoded) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789%$,()-._~")
