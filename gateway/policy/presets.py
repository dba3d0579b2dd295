"""What is known of vendors' servers, as the lower layer of a profile.

None declares a trust that nobody has measured: what a preset does not say is untrusted, so rules are enforced here,
lists are read apart and counts are not told until the operator declares more. Numbers are of the order that vendors
publish; the operator's own contract counts, and lies on top.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Fields of Property and Media that one vendor shows and refuses to filter by.
_TRESTLE = {
    "Property": ("MlsStatus", "InternetAddressDisplayYN", "InternetEntireListingDisplayYN", "DaysOnMarket"),
    "Media": ("Permission", "MediaURL", "MediaCategory"),
}
#: The only fields that another one can search.
_MLS_GRID = {
    "Property": (
        "ListingId",
        "ListingKey",
        "ModificationTimestamp",
        "MlgCanView",
        "OriginatingSystemName",
        "PropertyType",
        "StandardStatus",
    ),
    "Member": ("MemberKey", "MemberMlsId", "MlgCanView", "ModificationTimestamp", "OriginatingSystemName"),
    "Office": ("MlgCanView", "ModificationTimestamp", "OfficeKey", "OfficeMlsId", "OriginatingSystemName"),
    "OpenHouse": ("ListingId", "MlgCanView", "ModificationTimestamp", "OpenHouseKey", "OriginatingSystemName"),
}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    # Pages of 25 beside replication; nothing but plain $expand.
    "spark": {"page_max": 25, "paging": "next_link"},
    # Windows end at 10,000; lists under $expand are cut at ten without a word; Order is text.
    "bridge": {"page_max": 200, "skip_max": 10_000, "nulls": "first"},
    # SQL's nulls, no lambdas, some fields that can be shown and not searched.
    "trestle": {
        "page_max": 1_000,
        "skip_max": 1_000_000,
        "paging": "next_link",
        "collections": "none",
        "unfilterable": _TRESTLE,
    },
    # A handful of searchable fields and five `or`; the operator adds mandatory_filter with its OriginatingSystemName.
    "mls_grid": {
        "page_max": 1_000, "paging": "next_link", "collections": "none", "or_max": 5, "filterable": _MLS_GRID,
    },
    "utah": {"page_max": 200, "paging": "next_link", "enum_literal": "qualified"},
    "rmls": {"enum_literal": "qualified"},
    "crmls": {"page_max": 100, "paging": "next_link"},
    # Several rows of media for one photo.
    "amplify": {"page_max": 1_000, "photo_sizes": True},
    # RESO's reference server: wildcards in patterns, lambdas that flatten, unknown options passed over.
    "reso_reference": {"page_max": 2_000, "paging": "next_link", "collections": "none", "patterns": "untrusted"},
}  # fmt: skip
