"""Places on the globe: the literals of ``geo.distance`` and ``geo.intersects``, and points as records hold them.

Only what cannot fail on any row is read (C34, C279): points and simple polygons in EPSG:4326, in longitude and
latitude, with a bound on their vertices. Whatever a server would refuse only once it looks at a row is refused here,
from the literal alone.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from decimal import Decimal
from enum import Enum

import msgspec

from gateway.odata import json_format
from gateway.odata.literals import Geography, Position, parse_number

#: More vertices than this no drawn search area has, and the check for crossing edges is quadratic in them.
MAX_VERTICES = 200
_WKT = re.compile(
    r"(?:[sS][rR][iI][dD]=([0-9]{1,5});)?"
    r"(?:[pP][oO][iI][nN][tT] ?\(([^()]*)\)|[pP][oO][lL][yY][gG][oO][nN] ?\(\(([^()]*)\)\))"
)
_NUMBER = re.compile(r"-?[0-9]{1,3}(?:\.[0-9]{1,15})?")
#: GeoJSON has no other reference system (RFC 7946, 4); OData still lets a server say so.
_CRS = {"type": "name", "properties": {"name": "EPSG:4326"}}


class Turn(Enum):
    LEFT = 1
    RIGHT = -1
    NONE = 0


def parse_geography(text: str) -> Geography | None:
    """The value of ``geography'...'``: a point or a polygon of one ring, or None.

    A ring is closed, has three different vertices or more, does not touch or cross itself and spans less than half
    the globe, so that every server takes the same side for its inside; it is kept counter-clockwise, as OData has it.
    """
    match = _WKT.fullmatch(text)
    if match is None or match[1] not in (None, "4326"):
        return None
    positions = [_position(pair) for pair in (match[2] or match[3] or "").split(",")]
    if len(positions) > MAX_VERTICES + 1 or any(position is None for position in positions):
        return None
    ring = [position for position in positions if position is not None]
    if match[2] is not None:
        return Geography("POINT", tuple(ring)) if len(ring) == 1 else None
    turn = _turn_of_ring(ring)
    if turn is Turn.NONE:
        return None
    return Geography("POLYGON", tuple(ring if turn is Turn.LEFT else reversed(ring)))


def _position(text: str) -> Position | None:
    parts = text.split()
    if len(parts) != 2 or not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    longitude, latitude = Decimal(parts[0]), Decimal(parts[1])
    return (longitude, latitude) if _on_globe(longitude, latitude) else None


def _on_globe(longitude: Decimal, latitude: Decimal) -> bool:
    return abs(longitude) <= 180 and abs(latitude) <= 90


def _turn_of_ring(ring: Sequence[Position]) -> Turn:
    """Which way round a ring goes; ``NONE`` where it is no simple ring."""
    vertices = ring[:-1]
    if len(vertices) < 3 or ring[0] != ring[-1] or len(set(vertices)) != len(vertices):
        return Turn.NONE
    if max(x for x, _ in ring) - min(x for x, _ in ring) >= 180:
        return Turn.NONE
    edges = list(itertools.pairwise(ring))
    for number, (start, end) in enumerate(edges):
        for other in range(number + 1, len(edges)):
            a, b = edges[other]
            if other == number + 1 or (number == 0 and other == len(edges) - 1):
                # Neighbours share one vertex: only one that runs back over the other is a fault.
                shared, first, second = (end, start, b) if a == end else (start, end, a)
                if _turn(first, shared, second) is Turn.NONE and _is_between(first, shared, second):
                    return Turn.NONE
            elif _meet(start, end, a, b):
                return Turn.NONE
    area = sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in edges)
    return Turn.LEFT if area > 0 else Turn.RIGHT if area < 0 else Turn.NONE


def _is_between(first: Position, shared: Position, second: Position) -> bool:
    """Whether two edges in one line lie on the same side of the vertex that they share."""
    return (first[0] - shared[0]) * (second[0] - shared[0]) + (first[1] - shared[1]) * (second[1] - shared[1]) > 0


def _turn(a: Position, b: Position, c: Position) -> Turn:
    cross = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    return Turn.LEFT if cross > 0 else Turn.RIGHT if cross < 0 else Turn.NONE


def _meet(a: Position, b: Position, c: Position, d: Position) -> bool:
    """Whether two edges have a point in common."""
    if _turn(a, b, c) is not _turn(a, b, d) and _turn(c, d, a) is not _turn(c, d, b):
        return True
    return any(_turn(p, q, r) is Turn.NONE and _in_box(p, q, r) for p, q, r in ((a, b, c), (a, b, d), (c, d, a)))


def _in_box(a: Position, b: Position, point: Position) -> bool:
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
    if members or record.repeated or (crs is not None and msgspec.json.decode(crs) != _CRS):
        return None
    values = [parse_number(number.decode("ascii", errors="replace")) for number in numbers]
    if len(values) not in (2, 3) or any(value is None for value in values):
        return None
    longitude, latitude = values[0], values[1]
    assert longitude is not None and latitude is not None
    return tuple(numbers) if _on_globe(longitude, latitude) else None
