"""Bodies of the admin API: strict JSON with one ``D``, or 1035."""

from __future__ import annotations

import pytest

from gateway.admin.bodies import read_body
from gateway.admin.envelope import SparkCode, SparkError

JSON = "application/json"
REFUSED = {
    "nothing": b"",
    "no JSON": b"{",
    "a list": b'[{"D": {}}]',
    "a text": b'"D"',
    "null": b"null",
    "no D": b"{}",
    "D and more": b'{"D": {}, "E": 1}',
    "another case": b'{"d": {}}',
    "D is a list": b'{"D": []}',
    "D is null": b'{"D": null}',
    "D is a text": b'{"D": "{}"}',
    "D twice": b'{"D": {}, "D": {"Name": "x"}}',
    "a name twice": b'{"D": {"Name": "a", "Name": "b"}}',
    "a name twice, once escaped": b'{"D": {"Name": "a", "N\\u0061me": "b"}}',
    "twice deep inside": b'{"D": {"FieldOverrides": {"Property": {"All": {"A": {"Rule": "Hidden", "Rule": "Visible"}}}}}}',
    "no number": b'{"D": {"ListingPhotoLimit": NaN}}',
    "infinite, written as a number": b'{"D": {"a": 1e999}}',
    "NUL": b'{"D": {"Name": "a\\u0000"}}',
    "NUL in a name": b'{"D": {"a": [{"b\\u0000": 1}]}}',
    "a hundred thousand values": b'{"D": {"a": [' + b"1," * 100_001 + b"1]}}",
    "infinite": b'{"D": {"ListingPhotoLimit": -Infinity}}',
    "a number without end": b'{"D": {"ListingPhotoLimit": ' + b"9" * 100_000 + b"}}",
    "not UTF-8": b'{"D": {"Name": "\xff"}}',
    "UTF-16": '{"D": {}}'.encode("utf-16"),
    "a mark": b'\xef\xbb\xbf{"D": {}}',
    "half a character": b'{"D": {"Name": "\\ud800"}}',
    "half a character as a name": b'{"D": {"\\udfff": 1}}',
    "a control character": b'{"D": {"Name": "\x01"}}',
    "something behind": b'{"D": {}} {}',
    "deep": b'{"D": ' * 40 + b"1" + b"}" * 40,
    "very deep": b'{"D": {"Name": ' + b"[" * 500_000 + b"]" * 500_000 + b"}}",
    "deep and open": b"[" * 900_000,
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_body_is_refused(name: str) -> None:
    with pytest.raises(SparkError) as told:
        read_body(JSON, REFUSED[name])

    assert told.value.code is SparkCode.UNREADABLE


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin-1",
        "application/jsonp",
        "text/json",
    ],
)
def test_a_body_is_of_one_type(kind: str) -> None:
    with pytest.raises(SparkError) as told:
        read_body(kind, b'{"D": {}}')

    assert told.value.code is SparkCode.UNREADABLE


@pytest.mark.parametrize(
    "kind", [JSON, "Application/JSON", "application/json; charset=UTF-8", 'application/json;charset="utf-8"']
)
def test_what_stands_in_d_is_given(kind: str) -> None:
    assert read_body(kind, b' {"D": {"Name": "[[[[{{{{\\"", "b": [1, 1.0, null]}} ') == {
        "Name": '[[[[{{{{"',
        "b": [1, 1.0, None],
    }


def test_brackets_in_texts_are_no_depth() -> None:
    assert read_body(JSON, b'{"D": {"Name": "' + b"[" * 1000 + b'\\"' + b"{" * 1000 + b'"}}')
