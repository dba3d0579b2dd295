"""Places on the globe: the literals of ``geo.distance`` and ``geo.intersects``, and points as records hold them.

Only what cannot fail on any row is read (C34, C279): points and simple polygons in EPSG:4326, in longitude and
latitude, with a bound on their vertices. Whatever a server would refuse only once it looks at a row is refused here,
from the literal alone.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from gateway.odata import json_format
from gateway.odata.literals import Geography, Position, parse_number

#: More vertices than this no drawn search area has, and the check for crossing edges is quadratic in them.
MAX_VERTICES = 100
#: An area that spans more degrees of longitude, or comes nearer to a pole, is cut in other ways by other servers.
_MAX_SPAN, _MAX_LATITUDE = 90, 85
_WKT = re.compile(
    r"(?:[sS][rR][iI][dD]=([0-9]{1,5});)?"
    r"(?:[pP][oO][iI][nN][tT] ?\(([^()]*)\)|[pP][oO][lL][yY][gG][oO][nN] ?\(\(([^()]*)\)\))"
)
#: Seven digits are a centimetre; more are no longer told apart by servers that compute with doubles.
_NUMBER = re.compile(r"-?[0-9]{1,3}(?:\.[0-9]{1,7})?")
#: What is nearer to a straight line than this, in square degrees, counts as one.
_FLAT = 1e-13

_Point = tuple[float, float]


def parse_geography(text: str) -> Geography | None:
    """The value of ``geography'...'``: a point or a polygon of one ring, or None.

    A ring is closed, has three different vertices or more, and neither touches nor crosses itself, both on a map and on
    the globe, where its edges are other lines; it keeps away from the poles and spans a quarter of the globe at most.
    So servers of either kind take the same side for its inside. It is kept counter-clockwise, as OData has it: some
    take the rest of the globe for the inside of a clockwise one.
    """
    match = _WKT.fullmatch(text)
    if match is None or match[1] not in (None, "4326"):
        return None
    pairs = (match[2] or match[3] or "").split(",")
    if len(pairs) > MAX_VERTICES + 1:
        return None
    positions = [position for position in map(_position, pairs) if position is not None]
    if len(positions) != len(pairs):
        return None
    if match[2] is not None:
        return Geography("POINT", tuple(positions)) if len(positions) == 1 else None
    area = _area(positions)
    if area == 0:
        return None
    return Geography("POLYGON", tuple(positions if area > 0 else reversed(positions)))


def _position(text: str) -> Position | None:
    parts = text.split()
    if len(parts) != 2 or not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    longitude, latitude = Decimal(parts[0]), Decimal(parts[1])
    return (longitude, latitude) if _on_globe(longitude, latitude) else None


def _on_globe(longitude: Decimal, latitude: Decimal) -> bool:
    return abs(longitude) <= 180 and abs(latitude) <= 90


def _area(ring: Sequence[Position]) -> float:
    """Twice the area of a ring, negative where it goes clockwise; 0 where map and globe agree on none."""
    if len(ring) < 4 or ring[0] != ring[-1] or len(set(ring)) != len(ring) - 1:
        return 0
    flat = [(float(longitude), float(latitude)) for longitude, latitude in ring]
    west, east = min(x for x, _ in flat), max(x for x, _ in flat)
    if east - west > _MAX_SPAN or max(abs(y) for _, y in flat) > _MAX_LATITUDE:
        return 0
    if not _is_simple(flat) or not _is_simple(globe := _projected(flat, (west + east) / 2)):
        return 0
    on_map, on_globe = _twice_area(flat), _twice_area(globe)
    return on_map if min(abs(on_map), abs(on_globe)) > _FLAT and (on_map > 0) is (on_globe > 0) else 0


def _projected(ring: Sequence[_Point], middle: float) -> list[_Point]:
    """The gnomonic projection, in which the shortest lines on the globe are straight ones."""
    found = []
    for longitude, latitude in ring:
        east, north = math.radians(longitude - middle), math.radians(latitude)
        found.append((math.degrees(math.tan(east)), math.degrees(math.tan(north) / math.cos(east))))
    return found


def _twice_area(ring: Sequence[_Point]) -> float:
    x0, y0 = ring[0]  # near the ring, so that no digit is lost
    return sum((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0) for (x1, y1), (x2, y2) in itertools.pairwise(ring))


def _is_simple(ring: Sequence[_Point]) -> bool:
    """Whether no two edges have a point in common but neighbours their vertex."""
    edges = list(itertools.pairwise(ring))
    last = len(edges) - 1
    for number, (start, end) in enumerate(edges):
        if _runs_back(start, end, edges[(number + 1) % len(edges)][1]):
            return False
        for other in range(number + 2, len(edges) if number else last):
            if _meet(start, end, *edges[other]):
                return False
    return True


def _runs_back(before: _Point, shared: _Point, after: _Point) -> bool:
    """Whether an edge lies upon the one before it."""
    along = (before[0] - shared[0]) * (after[0] - shared[0]) + (before[1] - shared[1]) * (after[1] - shared[1])
    return along > 0 and _turn(before, shared, after) == 0


def _turn(a: _Point, b: _Point, c: _Point) -> int:
    """1 for a turn to the left at ``b``, -1 to the right, 0 where the three lie in one line."""
    cross = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    return 1 if cross > _FLAT else -1 if cross < -_FLAT else 0


def _meet(a: _Point, b: _Point, c: _Point, d: _Point) -> bool:
    """Whether two edges have a point in common."""
    turns = _turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b)
    if turns[0] != turns[1] and turns[2] != turns[3]:
        return True
    lines = ((a, b, c), (a, b, d), (c, d, a), (c, d, b))
    return any(turn == 0 and _in_box(*line) for turn, line in zip(turns, lines, strict=True))


def _in_box(a: _Point, b: _Point, point: _Point) -> bool:
    return all(min(a[i], b[i]) <= point[i] <= max(a[i], b[i]) for i in (0, 1))


def read_point(raw: msgspec.Raw) -> tuple[bytes, ...] | None:
    """The numbers of a GeoJSON point as they are written: longitude, latitude and perhaps height; None for all else.

    A member that is neither ``type``, ``coordinates`` nor the ``crs`` of EPSG:4326 makes it no point: nothing of it
    could leave, and nothing would say so.
    """
    try:
        record = json_format.decode_record(raw)
        members = dict(record.members)
        numbers = [bytes(item) for item in json_format.decode_list(members.pop("coordinates"))]
    except (json_format.BodyError, KeyError):
        return None
    if json_format.decode_string(members.pop("type", msgspec.Raw(b"null"))) != "Point":
        return None
    crs = members.pop("crs", None)
    if members or record.repeated or (crs is not None and not _is_ours(crs)):
        return None
    values = [parse_number(number.decode("ascii", errors="replace")) for number in numbers]
    if len(values) not in (2, 3) or any(value is None for value in values):
        return None
    longitude, latitude = values[0], values[1]
    assert longitude is not None and latitude is not None
    return tuple(numbers) if _on_globe(longitude, latitude) else None


def _is_ours(crs: msgspec.Raw) -> bool:
    """Whether this says EPSG:4326: GeoJSON knows no other system (RFC 7946, 4), and OData lets a server say it."""
    try:
        found: object = msgspec.json.decode(crs)
    except msgspec.DecodeError:  # a number that no type holds is JSON too
        return False
    return found == {"type": "name", "properties": {"name": "EPSG:4326"}}
