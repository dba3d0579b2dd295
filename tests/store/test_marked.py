"""Strict JSON and the part of YAML that files may use: values, the lines of values, and bounds."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admin.bodies import read_body
from gateway.admin.envelope import SparkError
from gateway.store.marked import DEEPEST, MOST_VALUES, Mark, UnreadableError, parse_json, parse_yaml

HALF = "holds half a character (a surrogate without its other half)"
NUMBER = "is not well-formed: the number is too large, or is not one (character 7)"
TAG = "holds a tag (`!`), which is not taken here: quote a text to keep it one"
NO_NUMBER = "holds a number or moment that cannot be: quote a text to keep it one"
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


def refused(parse: Callable[[str], object], text: str) -> tuple[int, str]:
    with pytest.raises(UnreadableError) as told:
        parse(text)
    return told.value.line, told.value.message


@given(VALUES, st.sampled_from([None, 0, 2]), st.booleans())
def test_json_is_read_as_the_standard_library_reads_it(value: object, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)

    assert parse_json(text)[0] == json.loads(text)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('{"a": 010}', 1, "is not well-formed: `,` or `}` is expected (character 8)"),
        ('{"a": 0x10}', 1, "is not well-formed: `,` or `}` is expected (character 8)"),
        ('{"a":\n +1}', 2, "is not well-formed: expecting value (character 2)"),
        ('{"a": .5}', 1, "is not well-formed: expecting value (character 7)"),
        ('{"a": 1,\n}', 2, "is not well-formed: a name in double quotes is expected (character 1)"),
        ('{"a": [1,\n\n]}', 3, "is not well-formed: expecting value (character 1)"),
        ('{"a": [1 2]}', 1, "is not well-formed: `,` or `]` is expected (character 10)"),
        ('{"a" 1}', 1, "is not well-formed: `:` is expected (character 6)"),
        ("{'a': 1}", 1, "is not well-formed: a name in double quotes is expected (character 2)"),
        ("{a: 1}", 1, "is not well-formed: a name in double quotes is expected (character 2)"),
        ('{"a": yes}', 1, "is not well-formed: expecting value (character 7)"),
        ('{"a": "x\ty"}', 1, "is not well-formed: invalid control character at (character 9)"),
        ('{"a": 1} # why', 1, "is not well-formed: something stands behind the end (character 10)"),
        ('{"a": 1}\n\n{}', 3, "is not well-formed: something stands behind the end (character 1)"),
        ('{"a": NaN}', 1, NUMBER),
        ('{"a": 1e999}', 1, NUMBER),
        ('{"a": ' + "9" * 5000 + "}", 1, NUMBER),
        ("", 1, "is not well-formed: expecting value (character 1)"),
        ('{"a": 1,\n "b": {"c": 1,\n "\\u0063": 2}}', 3, "the key `c` is given twice"),
        ('{"a":\n "\\ud83d"}', 2, HALF),
        ('{"\\ude00\\ud83d": 1}', 1, HALF),
        ('{"a":\n "\\u0000"}', 2, "holds the character NUL"),
    ],
)
def test_what_is_not_json_is_refused_with_its_line(text: str, line: int, said: str) -> None:
    assert refused(parse_json, text) == (line, said)


def test_json_texts_are_kept_to_the_character() -> None:
    """As YAML, a raw U+0085 became a blank, and a pair of escaped surrogates stopped a reload."""
    text = '{"a": "\x85\u2028\u2029\\u0085\\ud83d\\ude00\\/", "b":\t[]}'

    assert parse_json(text)[0] == {"a": "\x85\u2028\u2029\x85\U0001f600/", "b": []}


MARKED = '\n{\n"D": {\n"Name": "x",\n"List": [\n1,\n{\n"x": 2},\n3],\n"Z": null}}\n'


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 1), (("E",), 1), (("D",), 3), (("D", "Name"), 4), (("D", "Other", "deeper"), 3), (("D", "List"), 5), (("D", "List", "0"), 6),
        (("D", "List", "1"), 7), (("D", "List", "1", "x"), 8), (("D", "List", "2"), 9), (("D", "List", "3"), 5), (("D", "Z"), 10),
    ],
)  # fmt: skip
@pytest.mark.parametrize("parse", [parse_json, parse_yaml])
def test_the_line_of_a_path_is_that_of_its_deepest_part(
    parse: Callable[[str], tuple[object, Mark]], path: tuple[str, ...], line: int
) -> None:
    assert parse(MARKED)[1].at(path) == line


# --- bounds


def lists(deep: int) -> str:
    return "[" * deep + "]" * deep


def blocks(deep: int) -> str:
    return "".join(" " * level + "a:\n" for level in range(deep))


@pytest.mark.parametrize(("parse", "make"), [(parse_json, lists), (parse_yaml, lists), (parse_yaml, blocks)])
def test_a_text_is_nested_so_deep_and_no_deeper(parse: Callable[[str], object], make: Callable[[int], str]) -> None:
    parse(make(DEEPEST))

    assert refused(parse, make(DEEPEST + 1))[1] == f"is nested deeper than {DEEPEST}"


@pytest.mark.parametrize(
    ("parse", "text"), [(parse_json, "[" * 900_000), (parse_yaml, "[" * 900_000), (parse_yaml, "- " * 900_000 + "\n")]
)
def test_a_very_deep_text_is_refused_where_it_is_too_deep(parse: Callable[[str], object], text: str) -> None:
    assert refused(parse, text) == (1, f"is nested deeper than {DEEPEST}")


def test_a_json_text_holds_so_many_values_and_no_more() -> None:
    parse_json("[" + "1," * (MOST_VALUES - 2) + "1]")

    assert refused(parse_json, "[" + "1," * (MOST_VALUES - 1) + "\n1]") == (2, f"holds more than {MOST_VALUES} values")


def test_a_yaml_text_holds_so_many_values_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound is lowered here: this reader needs many seconds for the real one."""
    monkeypatch.setattr("gateway.store.marked.MOST_VALUES", 1000)
    parse_yaml("a:\n" + "- 1\n" * 998)

    assert refused(parse_yaml, "a:\n" + "- 1\n" * 999) == (1000, "holds more than 1000 values")


# --- YAML


def bomb(levels: int) -> str:
    """Few bytes, and ten to the power of their levels when written out."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (bomb(6), 1, "holds the anchor `&a0`, which is not taken here"),
        ("a: 1\nb: *x\n", 2, "holds the alias `*x`: write the value out in its place"),
        ("a: 1\n*x : 2\n", 2, "holds the alias `*x`: write the value out in its place"),
        ("a: 1\n&x b: 2\n", 2, "holds the anchor `&x`, which is not taken here"),
        ("--- &x\na: 1\n", 1, "holds the anchor `&x`, which is not taken here"),
        ("a: 1\n<<: {b: 2}\n", 2, "holds a merge key (`<<`): write the members out in its place"),
        ("a: 1\nb: !!python/object:os.system x\n", 2, TAG),
        ("a: !!str 010\n", 1, TAG),
        ("a: !secret x\n", 1, TAG),
        ("a: 1\n!!str b: 1\n", 2, TAG),
        ("%YAML 1.1\n---\na: yes\n", 2, "holds a directive (`%`), which is not taken here"),
        ("a: 1\n---\nb: 2\n", 2, "holds a second document"),
        ("a: 1\n? [b]\n: 2\n", 2, "has a key that is not a text"),
        ("? " * 900_000 + "\n", 1, "has a key that is not a text"),
        ('a: {60: 20,\n "60": 10000}\n', 2, "the key `60` is given twice"),
        ("60: 20\n'60': 10000\n", 2, "the key `60` is given twice"),
        ("60: 20\n0x3c: 10000\n", 2, "the key `60` is given twice"),
        ("60: 20\n060: 10000\n", 2, "the key `60` is given twice"),
        ('a: 1\n"a": 2\n', 2, "the key `a` is given twice"),
        ("~: 1\n'~': 2\n", 2, "the key `~` is given twice"),
        ("b: 1\na: 1\n\"\\x61\": 1\n", 3, "the key `a` is given twice"),
        ('a: "\\ud83d"\n', 1, HALF),
        ('a: 1\nb: "\\0"\n', 2, "holds the character NUL"),
        ("a: 1\nb: 'x\x85y'\n", 2, "holds the raw character U+0085: write it as an escape in double quotes"),
        ("a: 1\nb: x\u2028y\n", 2, "holds the raw character U+2028: write it as an escape in double quotes"),
        ("a: 1\nb: \x07\n", 2, "is not well-formed: a control character must be an escape"),
        ("a: 1\nb: 2027-02-30\n", 2, NO_NUMBER),
        ("a: 1\nb: " + "9" * 5000 + "\n", 2, NO_NUMBER),
    ],
)  # fmt: skip
def test_yaml_that_could_mean_two_things_is_refused_with_its_line(text: str, line: int, said: str) -> None:
    assert refused(parse_yaml, text) == (line, said)


def test_yaml_scalars_are_those_of_yaml_1_2() -> None:
    text = (
        """a: 010\nb: '010'\nc: yes\nd: true\ne: ~\nf:\ng: 0o17\nh: 1.5\ni: "\\x85\\U0001f600"\nj: {}\nk: =\n60: 1\n"""
    )

    assert parse_yaml(text)[0] == {
        "a": 10, "b": "010", "c": "yes", "d": True, "e": None, "f": None, "g": 15, "h": 1.5,
        "i": "\x85\U0001f600", "j": {}, "k": "=", "60": 1,
    }  # fmt: skip


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n"])
def test_an_empty_yaml_text_is_none(text: str) -> None:
    assert parse_yaml(text)[0] is None


# --- files and bodies

BODIES = [
    '{"D": {}}', '{"D": {"Name": "\\ud83d\\ude00"}}', '{"D": {"Name": "\\ud83d"}}', '{"D": {"n": 010}}', '{"D": {"n": 0x10}}',
    '{"D": {"n": 1,}}', '{"D": {"n": "\x85"}}', '{"D": {"n": 1, "n": 2}}', '{"D": {"n": NaN}}', "{'D': {}}", "D: {}",
    '{"D": {}} # x', '\ufeff{"D": {}}', '{"D": {"n": "a\tb"}}', '{\t"D": {}}', '{"D": {"n": "\\u0000"}}', '{"D": {"n": 1_000}}',
]  # fmt: skip


@pytest.mark.parametrize("text", BODIES)
def test_a_file_is_read_as_a_body_is(text: str) -> None:
    try:
        of_file = parse_json(text)[0]["D"]
    except UnreadableError:
        of_file = None
    try:
        of_body = read_body("application/json", text.encode("utf-8"))
    except SparkError:
        of_body = None

    assert of_file == of_body
