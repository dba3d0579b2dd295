"""What a photo limit, or a row rule of Media, does to Media itself and to the counters of listings (P7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from gateway.odata.ast import TRUE
from gateway.policy import data_dictionary
from gateway.policy.model import PhotoRule, ResourcePolicy
from gateway.policy.profile import Link
from gateway.policy.visibility import Visibility

#: Counters of media that tell how many photos there are (C224), and those that tell of any media (C335).
PHOTO_COUNTERS = ("PhotosCount",)
MEDIA_COUNTERS = ("PhotosCount", "VideosCount", "DocumentsCount")
PHOTO_TIME = "PhotosChangeTimestamp"


def with_photo_rule(
    media: ResourcePolicy, limit: int | None, known: Link | None = None, *, sizes: bool = False
) -> ResourcePolicy:
    """Media under a limit: ranked by numeric Order and key, documents and tours apart.

    Rows that follow no others are photos of a listing all the same. Where nothing says of which one, no limit could be
    held, so Media is denied.

    Args:
        known: how the profile or the metadata tie photos to their listing, where they do.
    """
    if limit is None:
        return media
    types = media.type.properties
    link = None if media.parents else known or _named_listing(media)
    broken = media.broken or (not media.parents and link is None)
    category = "MediaCategory" if "MediaCategory" in types else None
    order = "Order" if "Order" in types else None
    photo = PhotoRule(limit, category, order, sizes=sizes and order is not None, link=link)
    return replace(media, photo=photo, broken=broken)


def _named_listing(media: ResourcePolicy) -> Link | None:
    """Return the Data Dictionary's link from photos to their listing; None where its fields are missing."""
    local, _, target, discriminator, value = data_dictionary.RELATIONS["Property", "Media"]
    if not {target, discriminator} <= media.type.properties.keys():
        return None
    return Link(local=local, target=target, discriminator=discriminator, values=(value,))


def with_counters(
    listing: ResourcePolicy, media: list[ResourcePolicy], limit: int | None, visible: Mapping[str, Visibility]
) -> ResourcePolicy:
    """Property without what would tell of media that the key does not see; a template's own Visible gives it free."""
    fields = dict(listing.fields)
    if not media or any(source.rule != TRUE for source in media):
        for name in MEDIA_COUNTERS:
            if name in fields and not visible[name].by_template:
                del fields[name]
    if limit is not None:
        for name in PHOTO_COUNTERS:
            if name in fields and not visible[name].by_template:
                fields[name] = replace(fields[name], clamp=limit, queryable=False)
        if PHOTO_TIME in fields and not visible[PHOTO_TIME].by_template:
            del fields[PHOTO_TIME]
    return replace(listing, fields=MappingProxyType(fields))
