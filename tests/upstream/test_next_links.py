"""Which link of an answer leads to the next page, and where it may lead."""

from __future__ import annotations

import pytest
from yarl import URL

from gateway.policy.profile import LinkHost
from gateway.upstream.next_links import LinkError, Place, encoded, followed, next_of

BASE = "http://127.0.0.1:8000/odata"
HERE = Place("$top=5&$select=City")
ASKED = URL(f"{BASE}/Property?$top=5&$select=City", encoded=True)
HOSTS = (LinkHost(url="https://pages.example/reso/odata"), LinkHost(url="http://127.0.0.1:8001"))


@pytest.mark.guarantee("G4")
@pytest.mark.parametrize(
    "fields",
    [
        ['<Property?a>; rel="next"'],
        ["<Property?a>; rel=next"],
        ["<Property?a>;rel=NEXT"],
        ['<Property?a>; REL="Next"'],
        ['<Property?a>; rel="self next"'],
        ['<Property?a>; rel="next last"'],
        ['<Property?a>; rel="prev\tnext"'],
        ['<Property?a>; rel = "next"'],
        ['<Property?a> ; title="a, b; rel=x, <y>" ; rel="next"'],
        ['<Property?a>; title="a \\" b"; rel="n\\ext"'],
        ["<Property?a>; rel=next; rel=prev"],
        ["<Property?a>; crossorigin; rel=next;"],
        ["<Property?a>;; rel=next"],
        ["< Property?a >; rel=next"],
        ["<Property?b>; rel=prev, <Property?a>; rel=next"],
        ["<Property?a>; rel=next,<Property?b>; rel=last"],
        [" , <Property?a>; rel=next ,, "],
        ["<x>; rel=prev", "<Property?a>; rel=next"],
        ["<Property?a>; rel=next", "</odata/Property?a>; rel=next"],
        ['<Property?a>; rel=next; anchor=""'],
        [f'<Property?a>; rel=next; anchor="{ASKED}"'],
        ['<Property?a>; rel=next; anchor="?$top=5&$select=City"'],
        ["nonsense", "<Property?a>; rel=next"],
    ],
)
def test_the_link_to_the_next_page_is_found(fields: list[str]) -> None:
    found = next_of(fields, ASKED)

    assert found is not None
    assert found.strip(" ") == "Property?a"


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [""],
        ["<Property?a>"],
        ["<Property?a>; rel=prev"],
        ["<Property?a>; rel=nextpage"],
        ['<Property?a>; rel="next-archive"'],
        ["<Property?a>; rel=prev; rel=next"],
        ["<Property?a>; rev=next"],
        ['<Property?a>; title="next"'],
        ["<next>; rel=prev"],
        ['<Property?a>; rel=next; anchor="/other"'],
        ['<Property?a>; rel=next; anchor="http://127.0.0.1:8000/odata/Media?x"'],
        ["nonsense"],
        ["<unclosed; rel=prev"],
    ],
)
def test_a_link_to_something_else_is_none_to_the_next_page(fields: list[str]) -> None:
    assert next_of(fields, ASKED) is None


@pytest.mark.guarantee("G5")
@pytest.mark.parametrize(
    "fields",
    [
        ["Property?a; rel=next"],
        ["<Property?a; rel=next"],
        ['<Property?a>; rel="next'],
        ["<Property?a>; rel=next <Property?b>"],
        ['<Property?a>; rel="n\\ext'],
        ["<Property?a>; rel=next, <Property?b>; rel=next"],
        ["<Property?a>; rel=next", "<Property?b>; rel=next"],
        ['<Property?a>; rel=next; anchor="#page"'],
        ['<Property?a>; rel=next; anchor="Property"'],
        ['<Property?a>; rel=next; anchor="http://["'],
        ["<http://[>; rel=next"],
    ],
)
def test_a_header_that_may_name_a_next_page_and_cannot_be_read_is_no_end(fields: list[str]) -> None:
    with pytest.raises(LinkError):
        next_of(fields, ASKED)


@pytest.mark.guarantee("G6")
@pytest.mark.parametrize("piece", ["<a>; rel=x, ", "<a>; ", ";", '"', "\\", "<", '<a>; rel="\\', "<a>; rel=next; x="])
def test_a_long_header_costs_a_multiple_of_its_length(piece: str) -> None:
    """It ends, without a stack or a time that grows with more than the header."""
    try:
        next_of([piece * (120_000 // len(piece))], ASKED)
    except LinkError:
        return


@pytest.mark.channel("C162", "C292")
@pytest.mark.parametrize(
    ("link", "address"),
    [
        ("Property?$filter=City eq 'X'&$skiptoken=a", "Property?$filter=City%20eq%20'X'&$skiptoken=a"),
        (" Property?a=b ", "Property?a=b"),
        ("Property?a=Montréal", "Property?a=Montr%C3%A9al"),
        ("Property?a=%C3%A9%2b", "Property?a=%C3%A9%2b"),
        ("Property?a=100%&b=%zz", "Property?a=100%25&b=%25zz"),
        ('Property?a="<>\\^`{|}', "Property?a=%22%3C%3E%5C%5E%60%7B%7C%7D"),
        ("Property?a=[1]&b=(c)!*;d", "Property?a=[1]&b=(c)!*;d"),
    ],
)
def test_signs_that_an_address_cannot_have_are_encoded(link: str, address: str) -> None:
    assert encoded(link) == address


@pytest.mark.channel("C162", "C286")
@pytest.mark.parametrize(
    ("sign", "address"),
    [
        ("\r\nX: y\r\n", "%0D%0AX:%20y%0D%0A"), ("\0", "%00"), ("\t", "%09"), ("\x1f", "%1F"), ("\x7f", "%7F"),
        ("\x85", "%C2%85"), ("\ud800", "%ED%A0%80"), ("\udcff", "%ED%B3%BF"),
    ],
)  # fmt: skip
def test_what_no_address_has_ends_no_line_and_fails_no_answer(sign: str, address: str) -> None:
    assert encoded(f"Property?a={sign}b") == f"Property?a={address}b"
    assert next_of([f"<Property?a{sign}>; rel=next"], ASKED) == f"Property?a{sign}"
    assert followed(f"/odata/Property?a={sign}b", HERE, BASE, "Property", HOSTS) == Place(f"a={address}b")


@pytest.mark.channel("C292")
@pytest.mark.parametrize(
    ("link", "place"),
    [
        ("Property?a=b", Place("a=b")),
        ("?a=b", Place("a=b")),
        ("/odata/Property?a=b", Place("a=b")),
        ("/odata/Property/?a=b", Place("a=b")),
        (f"{BASE}/Property?a=b#fragment", Place("a=b")),
        # The host of a link that is not listed is not asked.
        ("https://127.0.0.1:8000/odata/Property?a=b", Place("a=b")),
        ("http://internal:9000/odata/Property?a=b", Place("a=b")),
        ("//internal/odata/Property?a=b", Place("a=b")),
        ("http://me:secret@internal/odata/Property?a=b", Place("a=b")),
        ("https://pages.example/odata/Property?a=b", Place("a=b")),
        ("http://pages.example/odata/Property?a=b", Place("a=b")),
        ("https://pages.example:8443/odata/Property?a=b", Place("a=b")),
        ("https://pages.example/reso/odata/Property?a=b", Place("a=b", "https://pages.example/reso/odata")),
        ("https://PAGES.example:443/reso/odata/Property?a=b", Place("a=b", "https://pages.example/reso/odata")),
        (
            "https://evil.example\\@pages.example/reso/odata/Property?a=b",
            Place("a=b", "https://pages.example/reso/odata"),
        ),
        ("http://127.0.0.1:8001/Property?a=b", Place("a=b", "http://127.0.0.1:8001")),
    ],
)
def test_a_link_is_followed_at_the_upstream_or_at_a_listed_host(link: str, place: Place) -> None:
    assert followed(link, HERE, BASE, "Property", HOSTS) == place


@pytest.mark.channel("C292")
@pytest.mark.guarantee("G5")
@pytest.mark.parametrize(
    "link",
    [
        "", "?", "#f", "Property", "Property?$top=5&$select=City", "http://internal/odata/Property?$top=5&$select=City", "Media?a=b", "/odata/Media?a=b", "/other/Property?a=b", "../Property?a=b", "/odata/Property/x?a=b",
        "/odata/Property('1')?a=b", "/odata/%50roperty?a=b", "https://pages.example/reso/odata/Media?a=b", "https://pages.example/Property?a=b",
        "http://pages.example/reso/odata/Property?a=b", "https://pages.example.evil/reso/odata/Property?a=b",
        "https://evil.example/reso/odata/Property?a=b",
        "ftp://127.0.0.1:8000/odata/Property?a=b", "file:///odata/Property?a=b", "javascript:x?a=b", "http://[", "http://h:99999/odata/Property?a",
    ],
)  # fmt: skip
def test_a_link_is_followed_nowhere_else(link: str) -> None:
    with pytest.raises(LinkError):
        followed(link, HERE, BASE, "Property", HOSTS)


def test_a_relative_link_of_another_host_leads_to_that_host() -> None:
    here = Place("a=1", "https://pages.example/reso/odata")

    assert followed("Property?a=2", here, BASE, "Property", HOSTS) == Place("a=2", "https://pages.example/reso/odata")
    assert followed(f"{BASE}/Property?a=1", here, BASE, "Property", HOSTS) == Place("a=1")
