"""One strict reading of every byte of a target."""

from __future__ import annotations

import pytest

from gateway.errors import Code, Refusal
from gateway.odata.url import decode, split_path, split_query, split_target


@pytest.mark.channel("C132", "C133", "C134", "C135")
@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("a%20b", "a b"),
        ("%2527", "%27"),  # decoded once
        ("a+b", "a+b"),
        ("M%C3%B6ller", "Möller"),
        ("%C0%A7", None),  # overlong quote
        ("%ff", None),
        ("%ED%A0%80", None),  # a surrogate
        ("%zz", None),
        ("%4", None),
        ("%00", None),
        ("a%0d%0ab", None),
        ("%E2%80%AE", None),  # right-to-left override
        ("%EF%BB%BF$filter", None),  # byte order mark
        ("ö", None),
    ],
)
def test_decoding_is_strict_and_happens_once(raw: str, text: str | None) -> None:
    assert decode(raw) == text


@pytest.mark.channel("C143")
@pytest.mark.parametrize("raw", ["City%20eq%20'é'", "a\udcc3\udca9", "ö"])
def test_what_is_no_ascii_is_no_text_of_a_target(raw: str) -> None:
    """The parser of HTTP refuses such bytes; where one takes them, they come as characters or as surrogates."""
    assert decode(raw) is None


@pytest.mark.channel("C136", "C137", "C138", "C139", "C141", "C300")
@pytest.mark.parametrize(
    "path",
    ["/r//Property", "/r/./Property", "/r/x/../Property", "/r/%2e%2e/Property", "/r/P%5cx", "/r/P\\x", "/s/Property", "/rProperty",
     "/Property", "/r/" + "a/" * 20 + "a", "/r/P%ff", "/r//", "/r/Property//", "/r/Property/./", "/r/Property/../", "/r///", "/Property/"],
)  # fmt: skip
def test_paths_that_others_might_read_otherwise_are_not_found(path: str) -> None:
    with pytest.raises(Refusal) as refused:
        split_path(path, "/r")

    assert refused.value.code is Code.NOT_FOUND


@pytest.mark.channel("C120")
def test_a_path_has_sixteen_segments_and_no_more() -> None:
    assert split_path("/r" + "/a" * 16, "/r") == ("a",) * 16
    for number in (17, 10_000):
        with pytest.raises(Refusal):
            split_path("/r" + "/a" * number, "/r")


@pytest.mark.channel("C138")
def test_a_slash_inside_a_key_is_part_of_the_key() -> None:
    assert split_path("/r/Property('a%2Fb')", "/r") == ("Property('a/b')",)


@pytest.mark.channel("C137")
@pytest.mark.parametrize(
    ("path", "segments"),
    [
        ("/r/Property/", ("Property",)),
        ("/r/Property('k')/", ("Property('k')",)),
        ("/r/Property('k')/Media/$count/", ("Property('k')", "Media", "$count")),
        ("/r/$metadata/", ("$metadata",)),
    ],
)
def test_one_slash_at_the_end_is_as_none(path: str, segments: tuple[str, ...]) -> None:
    assert split_path(path, "/r") == segments


@pytest.mark.channel("C136", "C138")
@pytest.mark.parametrize("character", "!$&'()*+,;=:@-._~")
def test_what_a_path_may_hold_stands_for_itself(character: str) -> None:
    """RFC 3986, 3.3: ``pchar``; and an escape is the same character."""
    escaped = f"%{ord(character):02X}"

    assert split_path(f"/r/P('a{character}b')", "/r") == (f"P('a{character}b')",)
    assert split_path(f"/r/P('a{escaped}b')", "/r") == (f"P('a{character}b')",)


@pytest.mark.parametrize(("path", "root"), [("/r", "/r"), ("/r/", "/r"), ("/", "")])
def test_the_root_has_no_segments(path: str, root: str) -> None:
    assert split_path(path, root) == ()


@pytest.mark.channel("C140")
@pytest.mark.parametrize("target", ["http://other/Property", "*", "Property", ""])
def test_only_origin_form_is_a_target(target: str) -> None:
    with pytest.raises(Refusal) as refused:
        split_target(target)

    assert refused.value.code is Code.BAD_REQUEST


@pytest.mark.channel("C139", "C144")
def test_a_hash_is_nowhere() -> None:
    with pytest.raises(Refusal) as in_path:
        split_target("/P#x?a=1")
    with pytest.raises(Refusal) as in_query:
        split_target("/P?a=#1")

    assert (in_path.value.code, in_query.value.code) == (Code.NOT_FOUND, Code.INVALID_QUERY)


@pytest.mark.channel("C133", "C142")
def test_pairs_are_split_before_they_are_decoded() -> None:
    assert split_query("a=1%262&b=x+y&c=") == [("a", "1&2"), ("b", "x y"), ("c", "")]
    assert split_query("a=x+y", plus_is_space=False) == [("a", "x+y")]


@pytest.mark.channel("C142")
@pytest.mark.parametrize(
    ("query", "pairs"),
    [("", []), ("&", []), ("&&", []), ("a=1&", [("a", "1")]), ("&a=1", [("a", "1")]), ("a=1&&b=2", [("a", "1"), ("b", "2")])],
)  # fmt: skip
def test_an_empty_pair_says_nothing(query: str, pairs: list[tuple[str, str]]) -> None:
    assert split_query(query) == pairs


@pytest.mark.channel("C142")
@pytest.mark.parametrize("query", ["a", "=1", "a=1&b", "a=1&=", "="])
def test_a_pair_without_a_name_or_a_value_is_refused(query: str) -> None:
    with pytest.raises(Refusal):
        split_query(query)
