"""The evaluator: the truth tables of CHANNELS 4.1 and 4.2, and never an exception."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.odata.ast import Lambda, PropertyPath, Quantifier
from gateway.odata.csdl import TypeReference
from gateway.odata.evaluate import Equality, Reading, evaluate
from gateway.odata.literals import Value, parse_time_of_day, parse_timestamp
from gateway.odata.parser import parse_filter
from gateway.odata.values import UNKNOWN, Unknown, typed_value
from tests.odata.test_parser import TREES

ROW: dict[str, Value | Unknown] = {
    "n": None, "five": Decimal(5), "s": "O'Fallon", "yes": True, "tags": ("A", "B"), "none": (), "lost": None,
}  # fmt: skip


def truth(text: str) -> bool | None:
    return evaluate(parse_filter(text), lambda name: ROW.get(name, UNKNOWN))


@pytest.mark.channel("C320", "C338", "C341")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("five eq 5", True), ("five ne 5", False), ("five gt 4.99", True), ("five le 4.99", False), ("five in (1,5)", True),
        ("n eq 5", None), ("n ne 5", None), ("n gt 5", None), ("n eq null", True), ("n ne null", False), ("n in (1,2)", None),
        ("missing eq null", None), ("missing ne null", None), ("missing eq 5", None), ("not (missing eq 5)", None),
        ("s eq 'o''fallon'", False), ("s eq 'O''Fallon '", False), ("contains(s,'Fal')", True), ("contains(s,'%')", False),
        ("startswith(tolower(s),'o''')", True), ("endswith(toupper(s),'LON')", True), ("contains(n,'a')", None),
        ("yes", True), ("not yes", False), ("five", None), ("yes eq 1", None), ("five eq true", None), ("five eq '5'", None),
        ("tags/any(x:x eq 'A')", True), ("tags/any(x:x eq 'C')", False), ("tags/all(x:x ne 'C')", True),
        ("none/any(x:x eq 'A')", False), ("none/all(x:x eq 'A')", True), ("lost/any(x:x eq 'A')", None),
        ("lost/all(x:x ne 'A')", None), ("five/any(x:x eq 'A')", None),
    ],
)  # fmt: skip
def test_atoms(text: str, expected: bool | None) -> None:
    assert truth(text) is expected


MOMENT = parse_timestamp("2026-03-04T05:06:07.25Z")
TIMES: dict[str, Value | Unknown] = {
    "at": MOMENT, "day": date(2026, 3, 4), "clock": parse_time_of_day("05:06:07.25"), "id": UUID(int=5), "no": False,
    "late": parse_timestamp("2026-12-31T23:59:59Z"), "flags": "A, B", "five": Decimal(5), "lost": None, "s": "\tx ", "x": " X a X ",
    "last": parse_time_of_day("23:00:00"),
}  # fmt: skip


@pytest.mark.channel("C320", "C341")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("year(at) eq 2026", True), ("month(at) eq 3", True), ("day(at) eq 4", True), ("hour(at) eq 5", True), ("minute(at) eq 6", True),
        ("second(at) eq 7", True), ("date(at) eq 2026-03-04", True), ("time(at) eq 05:06:07.25", True), ("time(at) eq 05:06:07", False),
        ("year(day) eq 2026", True), ("month(day) eq 3", True), ("day(day) eq 4", True), ("hour(day) eq 0", None), ("date(day) eq 2026-03-04", None),
        ("hour(clock) eq 5", True), ("minute(clock) eq 6", True), ("second(clock) eq 7", True), ("year(clock) eq 0", None),
        ("hour(late) eq 23", True), ("minute(late) eq 59", True), ("second(late) eq 59", True), ("minute(late) gt 59", False),
        ("time(late) eq 23:59:59", True), ("year(five) eq 5", None), ("year(s) eq 5", None), ("length(at) eq 5", None), ("tolower(at) eq 'x'", None),
        ("year(lost) eq null", True), ("trim(s) eq '\tx'", True), ("trim(x) eq 'X a X'", True), ("hour(last) eq 23", True), ("length(s) eq 3", True), ("length(s) gt 3", False),
        ("concat(s,'y') eq '\tx y'", True), ("concat(five,'y') eq '5y'", None), ("concat('y',at) eq 'y'", None),
        ("day eq 2026-03-04", True), ("day lt 2026-03-04", False), ("day le 2026-03-04", True), ("day ge 2026-03-04", True), ("day gt 2026-03-04", False),
        ("day ne 2026-03-04", False), ("day eq 2026-03-04T00:00:00Z", None), ("at ge 2026-03-04T05:06:07.25Z", True), ("at gt 2026-03-04T05:06:07.25Z", False),
        ("clock lt 05:06:07.26", True), ("id eq 00000000-0000-0000-0000-000000000005", True), ("id ne 00000000-0000-0000-0000-000000000005", False),
        ("no eq false", True), ("no eq true", False), ("no ne true", True), ("no ne false", False), ("no gt false", None), ("no eq 0", None),
        ("flags eq N.E'B,A'", True), ("flags ne N.E'B,A'", False), ("flags eq N.E'A'", False), ("flags ne N.E'A'", True), ("flags gt N.E'A'", None),
        ("flags has N.E'A'", True), ("flags has N.E'A,B'", True), ("flags has N.E'C'", False), ("flags has N.E'A,C'", False), ("five has N.E'A'", None),
        ("lost has N.E'A'", None), ("five eq N.E'A'", None), ("no", False), ("contains(five,'5')", None),
        ("length(lost) eq 1", None), ("length(missing) eq null", None),
    ],
)  # fmt: skip
def test_parts_kinds_and_members(text: str, expected: bool | None) -> None:
    assert evaluate(parse_filter(text), lambda name: TIMES.get(name, UNKNOWN)) is expected


@pytest.mark.parametrize(
    ("text", "strict", "odata"),
    [
        ("s in ('a',null)", False, False), ("s in ('\tx ',null)", True, True), ("lost in (null)", True, True), ("lost in ('a',null)", True, True),
        ("lost in ('a')", None, False), ("not (lost in ('a'))", None, True), ("missing in ('a',null)", None, None), ("not (s in (null))", True, True),
        ("contains(s,'x') eq true", True, True), ("contains(s,'y') eq true", False, False), ("contains(s,'x') eq false", False, False),
        ("contains(s,'y') ne true", True, True), ("true eq contains(s,'x')", True, True), ("false ne startswith(s,'x')", False, False),
        ("contains(lost,'x') eq true", None, False), ("contains(lost,'x') ne true", None, True), ("contains(lost,'x') eq false", None, False),
        ("not (contains(lost,'x') eq true)", None, True), ("not (contains(lost,'x') ne false)", None, False), ("contains(lost,'x')", None, None),
        ("contains(missing,'x') eq true", None, None), ("contains(missing,'x') ne true", None, None), ("contains(five,'5') eq true", None, None),
        ("endswith(tolower(trim(x)),tolower('X')) eq true", True, True),
    ],
)  # fmt: skip
def test_null_in_lists_and_tests_that_are_compared(text: str, strict: bool | None, odata: bool | None) -> None:
    """``in`` is ``eq`` joined by ``or``; null equals neither true nor false, and unknown stays unknown."""
    expression = parse_filter(text)

    def lookup(name: str) -> Value | Unknown:
        return TIMES.get(name, UNKNOWN)

    assert evaluate(expression, lookup) is strict
    assert evaluate(expression, lookup, Reading(odata_nulls=True)) is odata


@pytest.mark.parametrize("text", ["flags has 'A'", "no eq 'false'"])
def test_a_literal_of_another_kind_decides_nothing(text: str) -> None:
    assert evaluate(parse_filter(text), lambda name: TIMES.get(name, UNKNOWN)) is None


@pytest.mark.parametrize("text", ["(s eq 'X') or (s eq 'y')", "not (s ne 'X')", "tags/any(t:t eq 'a')", "s in ('y','X')", "(s eq 'X') and (s eq 'x')"])  # fmt: skip
def test_the_reading_reaches_every_depth(text: str) -> None:
    row: dict[str, Value] = {"s": "x", "tags": ("A",)}

    assert evaluate(parse_filter(text), lambda name: row[name], Reading(equality="fold")) is True


def test_blanks_and_nothing_else_are_padding() -> None:
    padded = Reading(equality="fold_pad")

    assert padded.normal("Xa  ") == "xa"
    assert padded.normal("a\t") == "a\t"
    assert padded.normal("aX") == "ax"


def test_inside_a_lambda_nothing_but_its_element_is_known() -> None:
    assert evaluate(parse_filter("tags/any(x:x eq 'A')"), lambda name: ("A",) if name == "tags" else UNKNOWN) is True
    inner = Lambda(Quantifier.ANY, PropertyPath("tags"), "x", parse_filter("y eq 'A'"))
    assert evaluate(inner, lambda name: ("A",) if name == "tags" else "A") is None


@pytest.mark.parametrize(("left", "a"), [("yes", True), ("five ne 5", False), ("n eq 5", None)])
@pytest.mark.parametrize(("right", "b"), [("yes", True), ("five ne 5", False), ("n eq 5", None)])
def test_connectives_follow_kleene(left: str, a: bool | None, right: str, b: bool | None) -> None:
    conjunction = False if False in (a, b) else None if None in (a, b) else True
    disjunction = True if True in (a, b) else None if None in (a, b) else False

    assert truth(f"({left}) and ({right})") is conjunction
    assert truth(f"({left}) or ({right})") is disjunction
    assert truth(f"not ({left})") is (None if a is None else not a)


@given(TREES, st.sampled_from([None, UNKNOWN, Decimal(1), "x", True, ("a",)]))
def test_evaluation_never_raises(tree: object, value: Value | Unknown) -> None:
    assert evaluate(tree, lambda _: value) in (True, False, None)  # type: ignore[arg-type]  # TREES gives expressions


@pytest.mark.channel("C319", "C320")
@pytest.mark.parametrize(
    ("raw", "declared", "expected"),
    [
        (b"1.50", "Edm.Decimal", Decimal("1.50")), (b'"7"', "Edm.Int64", Decimal(7)), (b"1e999", "Edm.Double", UNKNOWN), (b"1e9999999999999999999", "Edm.Decimal", UNKNOWN),
        (b"9" * 5000, "Edm.Int64", UNKNOWN), (b'"x"', "Edm.Int64", UNKNOWN), (b"true", "Edm.Boolean", True),
        (b"1", "Edm.Boolean", UNKNOWN), (b"1", "Edm.String", UNKNOWN), (b'"\\u0041"', "Edm.String", "A"), (b"null", "Edm.Date", None),
        (b'"2024-02-30"', "Edm.Date", UNKNOWN), (b'"x"', "Edm.DateTimeOffset", UNKNOWN), (b"{}", "Edm.String", UNKNOWN),
        (b'"a"', "Edm.Stream", UNKNOWN),
    ],
)  # fmt: skip
def test_values_are_of_their_declared_type_or_unknown(raw: bytes, declared: str, expected: object) -> None:
    assert typed_value(msgspec.Raw(raw), TypeReference(declared)) == expected


def test_collections_are_whole_or_unknown() -> None:
    declared = TypeReference("Edm.String", is_collection=True)

    assert typed_value(msgspec.Raw(b'["a",null]'), declared) == ("a", None)
    assert typed_value(msgspec.Raw(b'["a",1]'), declared) is UNKNOWN
    assert typed_value(msgspec.Raw(b'"a"'), declared) is UNKNOWN
    assert typed_value(msgspec.Raw(b"null"), declared) is None
    assert typed_value(None, declared) is UNKNOWN


@pytest.mark.channel("C58")
@pytest.mark.parametrize(
    ("text", "value", "equality", "expected"),
    [
        ("startswith(c,'new')", "New York", "fold", True), ("startswith(c,'new')", "New York", "exact", False), ("c ge 'm'", "Naples", "fold", True),
        ("endswith(c,'x')", "xx ", "fold_pad", True), ("endswith(c,'x')", "xx ", "fold", False), ("c in ('A')", "a ", "fold_pad", True),
        ("trim(c) eq 'A'", "A\u00a0", "exact", False), ("trim(c) eq 'A'", " A ", "exact", True),
    ],
)  # fmt: skip
def test_the_declared_equality_reaches_every_comparison_of_strings(
    text: str, value: str, equality: Equality, expected: bool
) -> None:
    assert evaluate(parse_filter(text), lambda _: value, Reading(equality)) is expected


@pytest.mark.channel("C283", "C199")
@pytest.mark.parametrize(
    "text", ["0.1", "0.30000000000000004", "1e-7", "123456789012345678.9", "9007199254740993", "0.10", "-0.0"]
)
def test_numbers_are_equal_digit_by_digit_and_never_by_a_binary_float(text: str) -> None:
    """An upstream with binary floats calls some of these equal; what it sends is compared as it is written."""
    value = typed_value(msgspec.Raw(text.encode()), TypeReference("Edm.Decimal"))
    assert isinstance(value, Decimal)

    def lookup(_: str) -> Value | Unknown:
        return value

    near = Decimal(text) + Decimal("1e-9")
    assert evaluate(parse_filter(f"x eq {text}"), lookup) is True
    assert evaluate(parse_filter(f"x ne {near:f}"), lookup) is True
    assert evaluate(parse_filter(f"x lt {near:f}"), lookup) is True


def test_of_rows_behind_a_navigation_and_of_places_nothing_is_known() -> None:
    """Only an upstream can search by those; a list of values of that name changes nothing."""
    tags = parse_filter("Tags/any()")
    assert isinstance(tags, Lambda)
    over_rows = replace(tags, target="Media")
    place = parse_filter("geo.intersects(Tags,geography'POLYGON((0 0,1 0,1 1,0 0))')")

    assert evaluate(parse_filter("Tags/any()"), lambda _: ("a",)) is True
    assert evaluate(over_rows, lambda _: ("a",)) is None
    assert evaluate(place, lambda _: ("a",)) is None


@pytest.mark.channel("C338")
@pytest.mark.parametrize(
    ("text", "to_client"), [("t/any(x:x eq 'a')", False), ("t/all(x:x eq 'a')", True), ("t/any()", False)]
)
def test_of_a_null_list_rules_know_nothing_and_clients_see_none_of_its_elements(text: str, to_client: bool) -> None:
    assert evaluate(parse_filter(text), lambda _: None) is None
    assert evaluate(parse_filter(text), lambda _: None, Reading(odata_nulls=True)) is to_client
