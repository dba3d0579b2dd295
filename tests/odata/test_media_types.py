"""Formats by media types, parameters and weights; every case is one line."""

from __future__ import annotations

import pytest

from gateway.odata.media_types import (
    JSON,
    XML,
    Format,
    chosen_format,
    format_option,
    list_elements,
    pair_of,
    split_outside_quotes,
    takes_text,
)

NONE, STRINGS, BOTH = Format(metadata="none"), Format(ieee754=True), Format(metadata="none", ieee754=True)


@pytest.mark.channel("C162")
@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("application/json", JSON), ("*/*", JSON), ("application/*", JSON), ("APPLICATION/JSON", JSON), ("application/json;odata.metadata=minimal", JSON),
        ("application/json;metadata=minimal", JSON), ("application/json; ODATA.Metadata = None", NONE), ("application/json;metadata=NONE", NONE),
        ("application/json;odata.metadata=\"none\"", NONE), ("application/json;IEEE754Compatible=true", STRINGS), ("application/json;ieee754compatible=TRUE", STRINGS),
        ("application/json;IEEE754Compatible=false", JSON), ("application/json;odata.metadata=none;IEEE754Compatible=true", BOTH),
        ("application/json;odata.streaming=true", JSON), ("application/json;streaming=false;metadata=none", NONE), ("application/json;charset=UTF-8", JSON),
        ("application/json;charset=\"utf-8\";q=0.1", JSON), ("application/json;ExponentialDecimals=false", JSON), ("application/json;q=0.001", JSON),
        # What is not offered, or not known, is refused (OData Protocol, 8.2.1).
        ("application/json;odata.metadata=full", None), ("application/json;metadata=FULL", None), ("application/json;odata.metadata=verbose", None),
        ("application/json;IEEE754Compatible=yes", None), ("application/json;IEEE754Compatible", None), ("application/json;foo=bar", None),
        ("application/json;ExponentialDecimals=true", None), ("application/json;charset=iso-8859-1", None), ("application/json;odata.streaming=maybe", None),
        ("application/json;odata.metadata=none;metadata=minimal", None), ("application/json;metadata=none;metadata=none", None), ("*/*;odata.metadata=full", None),
        ("application/json;odata=verbose", None), ("application/atom+xml", None), ("application/xml", None), ("text/html", None), ("text/plain", None),
        ("application/json;q=0", None), ("*/*;q=0", None), ("application/json;q=0.000", None), ("application/json;q=0, */*", None),
        ("application/json;odata.metadata=none;q=0", None),
        # Unless another range takes one that is.
        ("application/json;odata.metadata=full, application/json", JSON), ("application/json;odata.metadata=full, */*;q=0.1", JSON),
        ("text/html, application/json;odata.metadata=none;q=0.5", NONE), ("application/json;odata.metadata=full;q=0, application/json", JSON),
        # Weights decide, then what says more, then the order.
        ("application/json;q=0.5, application/json;odata.metadata=none", NONE), ("application/json, application/json;odata.metadata=none;q=0.5", JSON),
        ("application/json, application/json;metadata=none", NONE), ("application/json;metadata=none, application/json;IEEE754Compatible=true", NONE),
        ("application/json;q=0, application/json;odata.metadata=none", NONE), ("*/*;metadata=none;q=0.2, application/json;q=0.9", JSON),
        ("text/html;a=\"b, application/json\", application/xml", None), ("text/html;a=\"b;q=0\\\"\", application/json;metadata=none", NONE),
        (", ,application/json,", JSON), ("application/json;;q=1;", JSON), ("application/json;q=2", JSON), ("application/json;q=x", JSON), ("application/json;q=.5", JSON),
        ("application/json ; Q = 0", None), ("application/json, text/plain, */*", JSON),
    ],
)  # fmt: skip
def test_the_format_of_data(accept: str, chosen: Format | None) -> None:
    assert chosen_format(list_elements([accept]), xml=False) == chosen


@pytest.mark.channel("C162")
@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("application/xml", XML), ("text/xml", XML), ("*/*", XML), ("application/*", XML), ("text/*", XML), ("application/json", JSON),
        ("application/json, text/plain, */*", XML), ("application/json, */*;q=0.1", JSON), ("application/json;q=0.9, application/xml", XML),
        ("application/json, application/xml;q=0.9", JSON), ("application/xml;q=0, application/json", JSON), ("application/xml;q=0, */*", JSON),
        ("application/json;q=0", None), ("application/json;q=0, application/xml;q=0", None), ("application/json;q=0, */*", XML), ("application/xml;charset=utf-8", XML),
        ("application/xml;odata.metadata=full", None), ("application/xml;odata.metadata=full, application/json", JSON), ("application/json;IEEE754Compatible=true", STRINGS),
        ("text/html", None),
    ],
)  # fmt: skip
def test_the_format_of_metadata(accept: str, chosen: Format | None) -> None:
    assert chosen_format(list_elements([accept]), xml=True) == chosen


@pytest.mark.parametrize(
    ("option", "data", "metadata"),
    [
        ("json", JSON, JSON), ("application/json", JSON, JSON), ("application/json;metadata=minimal", JSON, JSON), ("application/json;ieee754compatible=false", JSON, JSON),
        ("application/json; odata.metadata=none; ieee754compatible=true", BOTH, BOTH), ("xml", None, XML), ("application/xml", None, XML), ("atom", None, None),
        ("json;odata.metadata=none", None, None), ("application/json;odata.metadata=full", None, None), ("application/json;x=y", None, None), ("*/*", None, None),
        ("application/json;q=0.5", None, None), ("", None, None), ("application/json,application/xml", None, None),
    ],
)  # fmt: skip
def test_the_format_of_an_option(option: str, data: Format | None, metadata: Format | None) -> None:
    assert format_option(option, xml=False) == data
    assert format_option(option, xml=True) == metadata


@pytest.mark.parametrize(
    ("accept", "taken"),
    [("text/plain", True), ("text/*", True), ("*/*", True), ("text/plain;charset=utf-8", True), ("text/plain;q=0", False), ("text/plain;q=0, */*", False),
     ("text/html", False), ("text/plain;charset=utf-16", False), ("application/json", False)],
)  # fmt: skip
def test_text_is_taken(accept: str, taken: bool) -> None:
    assert takes_text(list_elements([accept])) is taken


def test_each_format_says_what_it_is() -> None:
    assert [found.content_type for found in (JSON, NONE, STRINGS, BOTH, XML)] == [
        "application/json;odata.metadata=minimal",
        "application/json;odata.metadata=none",
        "application/json;odata.metadata=minimal;IEEE754Compatible=true",
        "application/json;odata.metadata=none;IEEE754Compatible=true",
        "application/xml",
    ]


@pytest.mark.parametrize(
    ("text", "parts"),
    [("a,b", ["a", "b"]), ('a="b,c",d', ['a="b,c"', "d"]), ('a="b\\",c",d', ['a="b\\",c"', "d"]), ('"a,b', ['"a,b']), ("", [""]), (" a , b\t", ["a", "b"]),
     ('a\\,b', ["a\\", "b"])],
)  # fmt: skip
def test_a_separator_in_quotes_is_none(text: str, parts: list[str]) -> None:
    """RFC 9110, 5.6.4: a backslash escapes inside of quotes only."""
    assert split_outside_quotes(text, ",") == parts


@pytest.mark.parametrize(
    ("text", "pair"),
    [("A=b", ("a", "b")), ('a="b c"', ("a", "b c")), (r'a="b\"c\\"', ("a", 'b"c\\')), ("a", ("a", "")), (' a = "" ', ("a", "")), ('a="', ("a", '"'))],
)  # fmt: skip
def test_a_pair_is_a_name_and_a_value(text: str, pair: tuple[str, str]) -> None:
    assert pair_of(text) == pair
