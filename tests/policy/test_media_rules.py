"""What a photo limit, or a rule of Media, does to the counters of listings."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.odata.csdl import parse_metadata
from gateway.policy.model import Policy
from gateway.policy.profile import Profile
from tests.odata.test_csdl import HEAD, TAIL
from tests.support import TRUSTING, policy, role, template

COUNTERS = ["PhotosCount", "VideosCount", "DocumentsCount", "PhotosChangeTimestamp"]
SHOWN = {"Fields": {"All": {"Visible": ["City", *COUNTERS]}}}
OPEN: dict[str, Any] = {"Fields": {"All": {"Visible": ["Order"]}}}
RULED = {**OPEN, "Filter": "MediaStatus eq 'Live'"}


def counters(media: dict[str, Any] | None, **attributes: Any) -> dict[str, int | None]:
    """The counters that exist for the key, each with what it is cut at."""
    compiled = policy(role({"Property": SHOWN, **({"Media": media} if media else {})}), template(**attributes))
    fields = compiled.resources["Property"].fields
    return {name: fields[name].clamp for name in COUNTERS if name in fields}


@pytest.mark.channel("C224", "C335")
@pytest.mark.parametrize(
    ("media", "limit", "expected"),
    [
        (OPEN, None, dict.fromkeys(COUNTERS)),
        (OPEN, 3, {"PhotosCount": 3, "VideosCount": None, "DocumentsCount": None}),
        (OPEN, 0, {"PhotosCount": 0, "VideosCount": None, "DocumentsCount": None}),
        (RULED, None, {"PhotosChangeTimestamp": None}),
        (None, None, {"PhotosChangeTimestamp": None}),
        (None, 3, {}),
    ],
)
def test_a_counter_tells_no_more_than_the_media_that_the_key_sees(
    media: dict[str, Any] | None, limit: int | None, expected: dict[str, int | None]
) -> None:
    assert counters(media, ListingPhotoLimit=limit) == expected


@pytest.mark.channel("C224", "C335")
@pytest.mark.parametrize("media", [OPEN, RULED, None])
def test_a_template_that_names_a_counter_gives_it_free(media: dict[str, Any] | None) -> None:
    shown = {"Property": {"All": {name: {"Rule": "Visible"} for name in COUNTERS}}}

    assert counters(media, ListingPhotoLimit=3, FieldOverrides=shown) == dict.fromkeys(COUNTERS)


@pytest.mark.channel("C224")
def test_a_counter_that_is_cut_is_not_searched_by() -> None:
    compiled = policy(role({"Property": SHOWN, "Media": OPEN}), template(ListingPhotoLimit=3))
    fields = compiled.resources["Property"].fields

    assert {name: fields[name].queryable for name in ("City", "PhotosCount", "VideosCount")} == {
        "City": True, "PhotosCount": False, "VideosCount": True,
    }  # fmt: skip


MEDIA = """<EntityType Name="Media"><Key><PropertyRef Name="MediaKey"/></Key><Property Name="MediaKey" Type="Edm.String"/>
{}<Property Name="ResourceName" Type="Edm.String"/><Property Name="ResourceRecordKey" Type="Edm.String"/></EntityType>
<EntityType Name="Property"><Key><PropertyRef Name="ListingKey"/></Key><Property Name="ListingKey" Type="Edm.String"/></EntityType>
<EntityContainer Name="C"><EntitySet Name="Media" EntityType="Ns.Media"/><EntitySet Name="Property" EntityType="Ns.Property"/></EntityContainer>"""


def limited(fields: str, *, sizes: bool) -> Policy:
    schema = parse_metadata((HEAD + MEDIA.format(fields) + TAIL).encode())
    profile: Profile = TRUSTING.model_copy(update={"photo_sizes": sizes})
    base = role({"Media": {"Default": "Visible"}, "Property": {"Default": "Visible"}})
    return policy(base, template(ListingPhotoLimit=3), schema=schema, profile=profile)


@pytest.mark.channel("C331", "C332")
@pytest.mark.parametrize(
    ("fields", "sizes", "expected"),
    [
        ("", True, (3, None, None, False)),
        ('<Property Name="Order" Type="Edm.Int32"/>', True, (3, None, "Order", True)),
        ('<Property Name="Order" Type="Edm.Int32"/>', False, (3, None, "Order", False)),
        ('<Property Name="MediaCategory" Type="Edm.String"/>', True, (3, "MediaCategory", None, False)),
    ],
)
def test_photos_are_ranked_by_what_the_upstream_has(fields: str, sizes: bool, expected: tuple[Any, ...]) -> None:
    photo = limited(fields, sizes=sizes).resources["Media"].photo

    assert photo is not None
    assert (photo.limit, photo.category, photo.order, photo.sizes) == expected
