"""Places in a client's text: only what no server can stumble over on any row."""

from __future__ import annotations

import random
from decimal import Decimal

import msgspec
import pytest

from gateway.odata.geography import MAX_VERTICES, parse_geography, read_point
from gateway.odata.literals import Geography, Kind, Literal, print_literal


def test_a_point_is_longitude_and_latitude() -> None:
    point = parse_geography("SRID=4326;POINT(-122.1300 47.64)")

    assert point == Geography("POINT", ((Decimal("-122.1300"), Decimal("47.64")),))
    assert print_literal(Literal(Kind.GEOGRAPHY, point)) == "geography'SRID=4326;POINT(-122.1300 47.64)'"


@pytest.mark.parametrize("text", ["POINT(1 2)", "srid=4326;point(1 2)", "SRID=4326;Point (1  2)"])
def test_points_may_be_spelled_so(text: str) -> None:
    point = parse_geography(text)

    assert str(point) == "POINT(1 2)"


@pytest.mark.channel("C34", "C279")
@pytest.mark.parametrize(
    "text",
    [
        "", "POINT()", "POINT(1)", "POINT(1 2 3)", "POINT(1 2,3 4)", "POINT(181 0)", "POINT(0 91)", "POINT(-180.1 0)",
        "SRID=4269;POINT(1 2)", "SRID=0;POINT(1 2)", "SRID=04326;POINT(1 2)", "POINT(1e2 0)", "POINT(NaN 0)", "POINT(1 2",
        "POINT(0.1234567890123456 0)", "POINT EMPTY", "LINESTRING(0 0,1 1)", "POINT(1 2)x", "POINT(\u0661 2)",
        # not closed; too few; a vertex twice; no area; a bow tie; an edge that runs back; one that touches another
        "POLYGON((0 0,1 0,1 1,0 1))", "POLYGON((0 0,1 0,0 0))", "POLYGON((0 0,1 0,1 1,1 0,0 1,0 0))", "POLYGON((0 0,1 1,2 2,0 0))",
        "POLYGON((0 0,1 1,0 1,1 0,0 0))", "POLYGON((0 0,2 0,1 0,1 1,0 0))", "POLYGON((0 0,4 0,4 4,2 0,0 4,0 0))",
        "POLYGON((0 0,2 0,3 0,1 0,0 1,0 0))",
        # half of the globe, a hole, none at all
        "POLYGON((-46 0,45 0,0 50,-46 0))", "POLYGON((0 0,9 0,9 9,0 0),(1 1,2 1,2 2,1 1))", "POLYGON(())", "POLYGON((0 0,1 0,1 91,0 0))",
        # simple on a map and not on the globe; at a pole; no area that a double could tell; another way round on the globe
        "POLYGON((0 60,20 60,20 61,10 60.1,0 61,0 60))", "POLYGON((0 90,90 90,45 80,0 90))", "POLYGON((0 0,20 0,20 86,0 0))",
        "POLYGON((100 0,100.0000001 0,100 0.0000001,100 0))", "POLYGON((0 60,20 60,10 60.1,0 60))", "POINT(0.12345678 0)",
    ],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    assert parse_geography(text) is None


def test_a_ring_is_kept_counter_clockwise() -> None:
    """Servers that go by the rule of the left hand take the other side of a clockwise ring: the rest of the globe."""
    right = parse_geography("POLYGON((0 0,0 1,1 1,1 0,0 0))")
    left = parse_geography("POLYGON((0 0,1 0,1 1,0 1,0 0))")

    assert right == left
    assert str(left) == "POLYGON((0 0,1 0,1 1,0 1,0 0))"


@pytest.mark.parametrize("ring", ["0 0,4 0,4 4,2 1,0 4,0 0", "0 0,2 0,4 0,4 4,0 0", "-1 -1,1 -1,1 1,0 0.5,-1 1,-1 -1"])
def test_rings_may_be_hollow_and_have_vertices_on_a_line(ring: str) -> None:
    assert parse_geography(f"POLYGON(({ring}))") is not None


def test_the_vertices_are_bounded() -> None:
    def ring(count: int) -> str:
        below = [f"{number * 0.1:.1f} {number * number * 0.001:.3f}" for number in range(count)]
        return f"POLYGON(({','.join([*below, below[0]])}))"

    assert parse_geography(ring(MAX_VERTICES)) is not None
    assert parse_geography(ring(MAX_VERTICES + 1)) is None


def test_what_is_read_is_printed_and_read_again() -> None:
    rng = random.Random(4)
    accepted = 0
    for _ in range(400):
        corners = [(rng.randint(-9, 9), rng.randint(-9, 9)) for _ in range(rng.randint(3, 6))]
        text = f"POLYGON(({','.join(f'{x} {y}' for x, y in [*corners, corners[0]])}))"
        found = parse_geography(text)
        if found is None:
            continue
        accepted += 1
        assert parse_geography(str(found)) == found
        assert {(int(x), int(y)) for x, y in found.positions} == set(corners)
        # A simple ring crosses each horizontal line between its corners an even number of times, and has an area.
        assert (
            sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(found.positions, found.positions[1:], strict=False)) > 0
        )

    assert 100 < accepted < 390


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ('{"type":"Point","coordinates":[-122.130,47.64]}', (b"-122.130", b"47.64")),
        ('{"coordinates":[1,2,3.50],"type":"Point"}', (b"1", b"2", b"3.50")),
        ('{"type":"Point","coordinates":[1,2],"crs":{"type":"name","properties":{"name":"EPSG:4326"}}}', (b"1", b"2")),
    ],
)
def test_points_of_records_keep_their_digits(text: str, numbers: tuple[bytes, ...]) -> None:
    assert read_point(msgspec.Raw(text.encode())) == numbers


@pytest.mark.channel("C198")
@pytest.mark.parametrize(
    "text",
    [
        "1", '"POINT(1 2)"', "[1,2]", "{}", '{"type":"Point"}', '{"coordinates":[1,2]}', '{"type":"Polygon","coordinates":[1,2]}',
        '{"type":"Point","coordinates":[1]}', '{"type":"Point","coordinates":[1,2,3,4]}', '{"type":"Point","coordinates":["1",2]}',
        '{"type":"Point","coordinates":[1,[2]]}', '{"type":"Point","coordinates":[200,2]}', '{"type":"Point","coordinates":[1,2],"secret":5}',
        '{"type":"Point","coordinates":[1,2],"crs":{"type":"name","properties":{"name":"EPSG:4269"}}}',
        '{"type":"Point","coordinates":[1,2],"coordinates":[3,4]}', '{"type":"Point","coordinates":[1,2],"crs":null}',
        '{"type":"Point","coordinates":[1,null]}', '{"type":"Point","coordinates":[1,2],"crs":{"x":1e999}}',
    ],
)  # fmt: skip
def test_nothing_else_is_a_point(text: str) -> None:
    assert read_point(msgspec.Raw(text.encode())) is None
