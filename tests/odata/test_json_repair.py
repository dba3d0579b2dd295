"""Bodies that are not strict JSON, by their structure: what cannot be read is one value, and no other one changes."""

from __future__ import annotations

import json
import random

import pytest

from gateway.odata.json_format import MAX_DEPTH, check_text
from gateway.odata.json_repair import StructureError, readable


@pytest.mark.channel("C200", "C317", "C318")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'{"a":NaN,"b":1}', b'{"a":{},"b":1}'),
        (b'{"a":"\xff","b":"x"}', b'{"a":{},"b":"x"}'),
        (b'{"a":,"b":1}', b'{"a":{},"b":1}'),
        (b'{"a":1 2,"b":1}', b'{"a":{},"b":1}'),
        (b'{"a":"x" "y"}', b'{"a":{}}'),
        (b'{"a":{"b":nul},"c":[1,,]}', b'{"a":{"b":{}},"c":[1,{},{}]}'),
        (b'{"a":[] {} ,"b":1}', b'{"a":{},"b":1}'),
        (b'{"a":1:2}', b'{"a":{}}'),
        (b'{ "a" : [ ] , "b" : { } , "c" : 01 }', b'{"a":[],"b":{},"c":{}}'),
        (b'{"a\xff":1,"b":2}', '{"\ufffd":1,"b":2}'.encode()),
        (b'{1:2,"b":3}', '{"\ufffd":2,"b":3}'.encode()),
        (b'{"a","b":3}', '{"\ufffd":{},"b":3}'.encode()),
        (b'{{}:2,"b":3}', '{"\ufffd":2,"b":3}'.encode()),
        (b'["\\u12",1e5,-0,true]', b"[{},1e5,-0,true]"),
        (b'["a\\"b","\\\\"]', b'["a\\"b","\\\\"]'),
    ],
)
def test_a_value_that_cannot_be_read_becomes_an_empty_object(text: bytes, expected: bytes) -> None:
    assert readable(text, MAX_DEPTH) == expected


@pytest.mark.channel("C200", "C318")
@pytest.mark.parametrize(
    "text", [b"", b" ", b"1", b'"a"', b"{", b"[1", b'{"a":"x}', b"{]", b"[}", b"}", b"[]]", b"[][]", b"[]x", b"x[]", b",", b":", b'["a\\"]']
)  # fmt: skip
def test_a_structure_that_does_not_close_is_refused(text: bytes) -> None:
    with pytest.raises(StructureError):
        readable(text, MAX_DEPTH)


@pytest.mark.guarantee("G6")
def test_depth_is_bounded_at_n_and_n_plus_one() -> None:
    assert readable(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, MAX_DEPTH) == b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    with pytest.raises(StructureError, match="deeply"):
        readable(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), MAX_DEPTH)


def _value(rng: random.Random, depth: int) -> object:
    roll = rng.random()
    if depth and roll < 0.25:
        return [_value(rng, depth - 1) for _ in range(rng.randint(0, 3))]
    if depth and roll < 0.5:
        return {rng.choice("abc\u00e9"): _value(rng, depth - 1) for _ in range(rng.randint(0, 3))}
    return rng.choice((1, -2.5, None, True, "x", 'q"\\', "\u00e9\n", "[{,:"))


@pytest.mark.channel("C200", "C317")
def test_strict_json_keeps_its_meaning_and_spoilt_json_becomes_strict() -> None:
    rng = random.Random(317)
    repaired = 0
    for _ in range(4000):
        document = [_value(rng, 3), {"a": _value(rng, 3)}]
        text = json.dumps(document, ensure_ascii=rng.random() < 0.5).encode()
        assert json.loads(readable(text, MAX_DEPTH)) == document
        spoilt = bytearray(text)
        for _ in range(rng.randint(1, 4)):
            spoilt[rng.randrange(len(spoilt))] = rng.choice(b'\x00\xff"\\,:[]{}x1. \xc3')
        try:
            result = readable(bytes(spoilt), MAX_DEPTH)
        except StructureError:
            continue
        repaired += 1
        check_text(result)
    assert repaired > 500


@pytest.mark.channel("C318")
def test_a_spoilt_value_changes_no_neighbour() -> None:
    rng = random.Random(318)
    for _ in range(2000):
        values = [json.dumps(_value(rng, 2)).encode() for _ in range(4)]
        place = rng.randrange(4)
        spoilt = [*values]
        spoilt[place] = rng.choice(
            (b"NaN", b"01", b"", b"1 1", b'"\xff"', b'"\\x"', b"tru", b'"a""b"', b"[}"[:1] + b"]x")
        )

        found = json.loads(readable(b"[" + b",".join(spoilt) + b"]", MAX_DEPTH))

        assert found[place] == {}
        assert [item for n, item in enumerate(found) if n != place] == [
            json.loads(item) for n, item in enumerate(values) if n != place
        ]
