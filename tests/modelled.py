"""A gateway in front of a model upstream, with a profile and documents of the test's own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.cli.demo import DEMO_PEPPER
from gateway.sandbox.rows import Row, Tables
from gateway.store.configuration import load_configuration
from tests.hostile import hostile_running
from tests.model_upstream import KEYS, Habits, ModelUpstream
from tests.support import ROOT, TOKEN_KEY, TRUSTING, Answer, Harness, key_file, running, write_configuration

ROLE: dict[str, Any] = {
    "Property": {
        "Filter": "StandardStatus eq 'Active'",
        "Fields": {
            "All": {"Visible": ["City", "ListPrice", "PropertyType", "PhotosCount", "ModificationTimestamp", "Media",
                                "ListAgent", "ListOffice", "OpenHouse", "Rooms"]},
            "Land": {"Hidden": ["ListPrice"]},
        },
    },
    "Media": {"Fields": {"All": {"Visible": ["Order", "MediaURL", "ResourceName", "ResourceRecordKey", "MediaCategory"]}}},
    "Member": {"Filter": "MemberStatus eq 'Active'",
               "Fields": {"All": {"Visible": ["MemberFullName", "OfficeKey", "Office", "Media"]}}},
    "Office": {"Fields": {"All": {"Visible": ["OfficeName", "MainOffice"]}}},
    "OpenHouse": {"Fields": {"All": {"Visible": ["OpenHouseDate", "ListingKey", "OpenHouseType", "Listing"]}}},
    "PropertyRooms": {"Fields": {"All": {"Visible": ["RoomType", "ListingKey"]}}},
}  # fmt: skip


def profile(**changes: Any) -> dict[str, Any]:
    """A profile that trusts the upstream with everything, but for the changes."""
    trusted = {name: getattr(TRUSTING, name) for name in TRUSTING.model_fields_set}
    return {**trusted, **changes}


@asynccontextmanager
async def modelled(
    directory: Path,
    tables: Tables,
    habits: Habits | None = None,
    *,
    role: Mapping[str, Any] = ROLE,
    trusted: Mapping[str, Any] | None = None,
    limit: int | None = None,
    settings: Mapping[str, Any] | None = None,
    keys: str | None = None,
    templates: Mapping[str, Any] | None = None,
    state: Path | None = None,
    clock: float | None = None,
    lookup: Any = None,
    metadata: bytes | None = None,
    upstream: ModelUpstream | None = None,
) -> AsyncIterator[tuple[Harness, ModelUpstream]]:
    """Key ``k`` has the role; ``limited`` is the same role under a photo limit. ``upstream`` stands in place of the
    model of these tables and habits."""
    upstream = upstream or ModelUpstream(tables, habits)
    if metadata is not None:
        upstream.metadata = metadata
    if lookup is not None:
        upstream.lookup = lookup
    async with hostile_running(upstream):
        data = {
            "public_url": f"http://gateway.example{ROOT}",
            "listen": {"port": 0},
            "admin": {"port": 0},
            "upstream": {
                "url": upstream.url,
                "probe": False,
                "profile": dict(profile() if trusted is None else trusted),
            },
            "security": {"key_pepper": DEMO_PEPPER, "token_keys": [TOKEN_KEY]},
            "requests": {"page_size": 10},
        }
        if state is not None:
            data["state_dir"] = str(state)
        for section, values in (settings or {}).items():
            data[section] = {**data.get(section, {}), **values}  # type: ignore[dict-item]  # sections are mappings
        template = {"D": {"Name": "t", "Description": "t", "Role": "idx", "ListingPhotoLimit": limit or 2}}
        write_configuration(directory, {
            "gateway.yaml": json.dumps(data) + "\n",
            "roles/idx.yaml": json.dumps({"Role": "idx", "Resources": dict(role)}) + "\n",
            "templates/limited.json": template, "templates/company-idx.json": None,
            "templates/registered-consumers.json": None,
            # Nobody's roles: what is not there need not be read, a thousand times a run.
            **dict.fromkeys((f"roles/{name}.yaml" for name in ("public", "vow", "portal", "private")), None),
            **{f"templates/{name}.json": body for name, body in (templates or {}).items()},
            "keys.yaml": keys or key_file(k="Role: idx", limited="Template: limited"),
        })  # fmt: skip
        async with running(load_configuration(directory, {}), clock) as gateway:
            yield gateway, upstream


def listing(key: str, **more: Any) -> Row:
    return {
        "ListingKey": key, "StandardStatus": "Active", "PropertyType": "Farm", "City": "X", "ListPrice": 100,
        "PhotosCount": 0, "ModificationTimestamp": "2025-01-01T00:00:00.000Z", "ListAgentKey": None, "ListOfficeKey": None,
        "CoListAgentKey": None, "BuyerAgentKey": None, "Appliances": [], "IDXOptInYN": True, "SyndicateTo": [],
        "CloseDate": None, "OwnerName": "canary", **more,
    }  # fmt: skip


def photo(parent: str, order: Any, *, key: str | None = None, **more: Any) -> Row:
    return {
        "MediaKey": key or f"{parent}-{order}", "ResourceName": "Property", "ResourceRecordKey": parent, "Order": order,
        "MediaCategory": "Photo", "MediaURL": f"http://photos/{parent}/{order}", "MediaStatus": "Live",
        "ModificationTimestamp": "2025-01-01T00:00:00.000Z", **more,
    }  # fmt: skip


def member(key: str, **more: Any) -> Row:
    return {"MemberKey": key, "MemberStatus": "Active", "MemberFullName": f"Name {key}", "OfficeKey": None, **more}


def office(key: str, **more: Any) -> Row:
    return {"OfficeKey": key, "OfficeName": f"Office {key}", "MainOfficeKey": None, "OfficeBrokerKey": None, **more}


def house(key: str, parent: str, **more: Any) -> Row:
    return {
        "OpenHouseKey": key, "ListingKey": parent, "OpenHouseDate": "2025-06-01", "OpenHouseType": "Public",
        "ShowingAgentKey": None, **more,
    }  # fmt: skip


def tables(**given: list[Row]) -> Tables:
    return {name: given.get(name, []) for name in KEYS}


async def every_page(gateway: Harness, target: str, key: str = "k") -> tuple[list[Row], list[Answer]]:
    """All records of a walk, and its pages."""
    answer = await gateway.get(target, key)
    assert answer.status == 200, answer.body
    rows, pages = list(answer.rows), [answer]
    while "@odata.nextLink" in answer.json():
        answer = await gateway.follow(answer, key)
        assert answer.status == 200, answer.body
        rows += answer.rows
        pages.append(answer)
        assert len(pages) < 500
    return rows, pages
