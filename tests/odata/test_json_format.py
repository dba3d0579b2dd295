"""Bodies of the upstream: strict, bounded, and no second spelling of a member survives."""

from __future__ import annotations

import json
import random

import pytest

from gateway.odata.json_format import (
    MAX_DEPTH,
    BodyError,
    decode_collection,
    decode_count,
    decode_record,
    decode_string,
    encode_string,
)


@pytest.mark.channel("C200", "C306", "C317", "C318")
@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"null", b"{", b'{"value":[]', b'{"value":[]}x', b'{"value":{}}', b"{}",
        b'\xef\xbb\xbf{"value":[]}', '{"value":[]}'.encode("utf-16"), b'{"value":[{"a":"\xe9}]}', b'{"value":[{"a":[}]}',
        b'{"value":[],"value":[]}', b'{"value":[],"v\\u0061lue":[]}',
        b'{"value":[{"a":' + b"[" * 5000 + b"]" * 5000 + b"}]}",
    ],
)  # fmt: skip
def test_what_is_no_collection_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(BodyError):
        decode_collection(body, 10)


@pytest.mark.channel("C200")
def test_depth_and_number_of_records_are_bounded_at_n_and_n_plus_one() -> None:
    inside = MAX_DEPTH - 3  # the body, its array and the record are levels too
    decode_collection(b'{"value":[{"a":' + b"[" * inside + b"]" * inside + b"}]}", 1)
    with pytest.raises(BodyError, match="deeply"):
        decode_collection(b'{"value":[{"a":' + b"[" * (inside + 1) + b"]" * (inside + 1) + b"}]}", 1)
    with pytest.raises(BodyError, match="more records"):
        decode_collection(b'{"value":[{},{}]}', 1)


def test_brackets_inside_strings_are_no_depth() -> None:
    decode_collection(b'{"value":[{"a":"' + b"[" * 1000 + b'\\""}]}', 1)


@pytest.mark.channel("C199")
@pytest.mark.parametrize("text", [b"500000.10", b"1e400", b"9" * 5000, b"-0", b"1.50"])
def test_numbers_keep_their_text(text: bytes) -> None:
    (record,) = decode_collection(b'{"value":[{"a":' + text + b"}]}", 1).records

    assert bytes(record.members["a"]) == text


@pytest.mark.channel("C197")
@pytest.mark.parametrize(
    ("text", "repeated"),
    [
        (b'{"a":1,"b":2}', set()),
        (b'{"a":1,"a":2}', {"a"}),
        (b'{"a":1,"\\u0061":2}', {"a"}),
        (b'{"a":{"x":1,"x":2},"b":[{"a":1}]}', set()),
        (b'{"a":{"a":1},"b":":","a":[1,{"z":2}]}', {"a"}),
        (b'{"a":"x:\\"","a":1,"b":1,"b":2}', {"a", "b"}),
        (b"{}", set()),
        (b'{"a" :1,"a":2}', {"a"}),
        (b'{"a":1,"a"\t:2}', {"a"}),
        (b'{"a"\n :1,"a" \r:2,"b":"\\":"}', {"a"}),
        (b'{"a":" :","b":1}', set()),
        (b'{"a":[":"],"a":[":"]}', {"a"}),
        (b'{"a":[1,2],"a":[3]}', {"a"}),
        (b'{"x[":"]y","x[":2,"z":[":"]}', {"x["}),
        (b'{"a":"\\\\","a":1,"b":["\\\\\\""]}', {"a"}),
    ],
)
def test_names_given_twice_are_found_after_unescaping(text: bytes, repeated: set[str]) -> None:
    assert decode_record(text).repeated == repeated


def _text(rng: random.Random) -> str:
    """A string that looks like JSON inside."""
    return json.dumps("".join(rng.choice('[]{}":, \\a') for _ in range(rng.randint(0, 7))))


def _value(rng: random.Random, depth: int) -> str:
    choice = rng.random()
    if depth == 0 or choice < 0.35:
        return _text(rng) if rng.random() < 0.8 else rng.choice(["1", "null", "-2.5"])
    if choice < 0.7:
        return "[" + ",".join(_value(rng, depth - 1) for _ in range(rng.randint(0, 3))) + "]"
    return _object(rng, depth - 1)


def _object(rng: random.Random, depth: int) -> str:
    """Blanks anywhere, names that come twice, equal values."""
    kept = [_value(rng, depth) for _ in range(2)]
    members = []
    for _ in range(rng.randint(0, 4)):
        name = rng.choice(['"a"', '"b"', r'"\u0061"']) if rng.random() < 0.5 else _text(rng)
        value = rng.choice(kept) if rng.random() < 0.6 else _value(rng, depth)
        members.append(name + rng.choice(["", "", " ", "\n"]) + ":" + rng.choice(["", " "]) + value)
    return "{" + ",".join(members) + "}"


@pytest.mark.channel("C197")
def test_names_given_twice_are_found_in_any_object() -> None:
    rng = random.Random(197)
    twice = 0
    for _ in range(3000):
        text = _object(rng, 3)
        pairs: list[tuple[str, object]] = []

        def keep(found: list[tuple[str, object]], outermost: list[tuple[str, object]] = pairs) -> object:
            outermost[:] = found  # the outermost object is the last one to be finished
            return found

        json.loads(text, object_pairs_hook=keep)
        names = [name for name, _ in pairs]
        expected = {name for name in names if names.count(name) > 1}
        twice += bool(expected)

        assert decode_record(text.encode()).repeated == expected, text
    assert twice > 300


def test_count_and_next_link_are_read_in_both_spellings() -> None:
    old = decode_collection(b'{"@odata.count":3,"value":[],"@odata.nextLink":"x"}', 1)
    new = decode_collection(b'{"@count":3,"value":[],"@nextLink":"x"}', 1)

    assert (old.count, old.next_link) == (new.count, new.next_link) == (3, "x")
    assert decode_count(None) is None


@pytest.mark.channel("C355")
def test_strings_are_written_in_one_spelling() -> None:
    assert encode_string('a"b\\ö\n') == '"a\\"b\\\\ö\\n"'.encode()


@pytest.mark.channel("C174")
@pytest.mark.parametrize("item", [b"null", b"1", b"[]", b'"x"'])
def test_an_item_that_is_no_object_is_a_record_without_members(item: bytes) -> None:
    (record,) = decode_collection(b'{"value":[' + item + b"]}", 1).records

    assert record.members == {}


@pytest.mark.guarantee("G6")
def test_an_open_string_costs_no_more_than_its_length() -> None:
    """A regular expression that backtracked took seconds for 40 KB of this; ten times as much must be nothing."""
    with pytest.raises(BodyError):
        decode_collection(b'{"value":["' + b'\\"' * 200_000, 10)


@pytest.mark.channel("C200")
@pytest.mark.parametrize(
    ("written", "read"),
    [
        (rb"\ud800", "\ufffd"), (rb"\uDfFfx", "\ufffdx"), (rb"\ud83d\ude00", "\U0001f600"), (rb"\ude00\ud83d", "\ufffd\ufffd"),
        (rb"\ud800\ud83d\ude00", "\ufffd\U0001f600"), (rb"\\ud800", "\\ud800"), (rb"\\\ud800", "\\\ufffd"), (rb"\"\ud800\n", '"\ufffd\n'), (rb"\u00e9", "é"),
    ],
)  # fmt: skip
def test_half_a_surrogate_pair_spoils_no_answer(written: bytes, read: str) -> None:
    """It is JSON, and may stand in a field that the key does not see (C200)."""
    found = decode_collection(b'{"value":[{"a":"' + written + b'","b":1}]}', 10)

    assert decode_string(found.records[0].members["a"]) == read
    assert bytes(found.records[0].members["b"]) == b"1"
