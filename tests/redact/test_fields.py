"""Values as they leave: digit by digit, of the declared shape, or not at all."""

from __future__ import annotations

import msgspec
import pytest

from gateway.odata.csdl import TypeReference
from gateway.redact.fields import ShapeError, emit_clamped, emit_value


def emitted(raw: str, declared: str, *, collection: bool = False) -> str:
    return emit_value(msgspec.Raw(raw.encode()), TypeReference(declared, is_collection=collection)).decode()


@pytest.mark.channel("C198", "C355")
@pytest.mark.parametrize(
    ("declared", "raw", "leaves"),
    [
        ("Edm.Boolean", "true", "true"), ("Edm.Boolean", "false", "false"), ("Edm.Boolean", "null", "null"),
        ("Edm.Int64", "9007199254740993", "9007199254740993"), ("Edm.Decimal", "-0.10", "-0.10"), ("Edm.Decimal", "1e3", "1000"),
        ("Edm.Int64", '"12"', "12"), ("Edm.Decimal", '"-1.50"', "-1.50"), ("Edm.Decimal", '"1E+2"', "100"), ("Edm.Int32", "0", "0"),
        ("Edm.Double", '"NaN"', '"NaN"'), ("Edm.Double", '"INF"', '"INF"'), ("Edm.Double", '"-INF"', '"-INF"'), ("Edm.Int64", "null", "null"),
        ("Edm.String", '"a\\u0041/"', '"aA/"'), ("Edm.String", "null", "null"), ("Edm.Date", '"2026-01-01"', '"2026-01-01"'),
        ("Edm.GeographyPoint", '{"type": "Point", "coordinates": [-1.50, 2]}', '{"type":"Point","coordinates":[-1.50,2]}'),
        ("Edm.GeographyPoint", "null", "null"),
    ],
)  # fmt: skip
def test_a_value_of_its_type_leaves_in_one_spelling(declared: str, raw: str, leaves: str) -> None:
    assert emitted(raw, declared) == leaves


@pytest.mark.channel("C198")
@pytest.mark.parametrize(
    ("declared", "raw", "complaint"),
    [
        ("Edm.Boolean", "1", "a boolean was declared"), ("Edm.Boolean", '"true"', "a boolean was declared"), ("Edm.Int64", '"a"', "a number was declared"),
        ("Edm.Int64", "true", "a number was declared"), ("Edm.Int64", "{}", "a number was declared"), ("Edm.Int64", '"X1X"', "a number was declared"),
        ("Edm.Int64", '" 1"', "a number was declared"), ("Edm.Int64", '""', "a number was declared"), ("Edm.String", "1", "a string was declared"),
        *(("Edm.Decimal", text, "a number was declared")
          for text in ('"007"', '"-01"', '"00"', '"01.5"', '"+1"', '".5"', '"5."', '"1e"', '"0x1"', '"1_0"', '"\u0661"', '"1\\n"')),
        ("Edm.String", "[]", "a string was declared"), ("Edm.GeographyPoint", '{"type":"Point"}', "a point on the globe was declared"),
        ("Edm.GeographyPoint", '"POINT(1 2)"', "a point on the globe was declared"),
    ],
)  # fmt: skip
def test_a_value_of_another_shape_does_not_leave(declared: str, raw: str, complaint: str) -> None:
    with pytest.raises(ShapeError, match=f"^{complaint}$"):
        emitted(raw, declared)


@pytest.mark.parametrize("declared", ["Edm.Decimal", "Edm.Int64"])
@pytest.mark.parametrize(
    ("raw", "leaves"),
    [
        ("1E5", "100000"), ("1e0", "1"), ("1.50E1", "15.0"), ("1.50E3", "1500"), ("12.5E-1", "1.25"), ("1E-3", "0.001"),
        ("-2.5e-7", "-0.00000025"), ("0E5", "0"), ("0.0E3", "0"), ("-0e1", "-0"), ("0.05E1", "0.5"), ("0.05E3", "50"), ("100E-2", "1.00"),
        ('"1E5"', "100000"), ('"\\u0031E5"', "100000"), ("12345678901234567890.12345E5", "1234567890123456789012345"),
    ],
)  # fmt: skip
def test_a_decimal_leaves_without_an_exponent_and_with_its_digits(declared: str, raw: str, leaves: str) -> None:
    assert emitted(raw, declared) == leaves


def test_a_double_keeps_its_exponent() -> None:
    assert emitted("1E5", "Edm.Double") == "1E5"
    assert emitted('"1e-300"', "Edm.Single") == "1e-300"


@pytest.mark.guarantee("G6")
@pytest.mark.parametrize("raw", ["1E999999", "1E-999999", "0E999999999999", '"1E999999"', "1e" + "9" * 400])
def test_an_exponent_out_of_bounds_is_never_written_out(raw: str) -> None:
    with pytest.raises(ShapeError, match=r"^the exponent of a number is out of bounds$"):
        emitted(raw, "Edm.Decimal")


@pytest.mark.channel("C198")
def test_collections_leave_item_by_item() -> None:
    assert emitted('["a" , null,"b"]', "Edm.String", collection=True) == '["a",null,"b"]'
    assert emitted("[]", "Edm.Int64", collection=True) == "[]"
    assert emitted("null", "Edm.Int64", collection=True) == "null"
    with pytest.raises(ShapeError, match=r"^a number was declared$"):
        emitted('[1, "a"]', "Edm.Int64", collection=True)
    with pytest.raises(ShapeError, match=r"^a collection was declared$"):
        emitted('"a"', "Edm.String", collection=True)


@pytest.mark.channel("C224")
@pytest.mark.parametrize(
    ("raw", "leaves"),
    [
        ("0", "0"),
        ("2", "2"),
        ("3", "3"),
        ("4", "3"),
        ('"2"', "2"),
        ('"9"', "3"),
        ("null", "null"),
        ("2.0", "2.0"),
        ("1e9999999999", "3"),
        ("3.0", "3.0"),
        ("-1", "-1"),
        ("2E0", "2"),
        ("0.1e1", "1"),
    ],
)
def test_a_counter_never_tells_more_than_the_limit(raw: str, leaves: str) -> None:
    assert emit_clamped(msgspec.Raw(raw.encode()), 3, TypeReference("Edm.Int32")).decode() == leaves


@pytest.mark.parametrize("raw", ['"a"', "true", '"X2X"', "[]", '"02"'])
def test_a_counter_is_a_number(raw: str) -> None:
    with pytest.raises(ShapeError, match=r"^a number was declared$"):
        emit_clamped(msgspec.Raw(raw.encode()), 3, TypeReference("Edm.Int32"))


@pytest.mark.parametrize(
    ("declared", "raw", "leaves"),
    [
        ("Edm.Int64", "5", '"5"'),
        ("Edm.Decimal", "1.50", '"1.50"'),
        ("Edm.Decimal", "null", "null"),
        ("Edm.Decimal", '"INF"', '"INF"'),
        ("Edm.Int32", "5", "5"),
        ("Edm.Double", "5.5", "5.5"),
        ("Edm.String", '"5"', '"5"'),
    ],
)
def test_large_numbers_are_strings_where_the_client_asks_for_that(declared: str, raw: str, leaves: str) -> None:
    """OData JSON Format, 3.2: IEEE754Compatible is about Edm.Int64 and Edm.Decimal."""
    assert emit_value(msgspec.Raw(raw.encode()), TypeReference(declared), quoted=True).decode() == leaves
