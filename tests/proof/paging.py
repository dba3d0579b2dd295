"""Pages: windows that end, pages that are cut without a word, cursors that grow with data, and rows in between.

What a case has of it is drawn from generators of its own, beside what it is without.
"""

from __future__ import annotations

import copy
import random
from dataclasses import replace
from typing import Any

from tests.proof.language import names
from tests.proof.licence import Licence, always_shows, low, row_rules
from tests.proof.model import FIELDS, KEY, World
from tests.proof.requests import Request
from tests.proof.upstream import Habits
from tests.proof.worlds import Change, changed, unreadable

#: What a row that is withheld may hold in a column that others are sorted by: more than it is declared to hold, what
#: ends the line of a request, what an address does not have; and more than a link has room for.
_ODD = ("A" * 260, "a\r\nb", "\x7f", "#&%+ é", "\ud800")
_LONG = ("x" * 900, "y" * 3_000)
_COLUMNS = {
    "Property": ("City", "OwnerName", "ListPrice", "ModificationTimestamp", "StandardStatus"),
    "Media": ("Order",),
}


def with_windows(seed: int, licence: Licence) -> None:
    """What the profile declares of pages: the largest ``$skip``, the most rows of a page, where nulls stand."""
    rng = random.Random(f"windows {seed}")
    profile = licence.profile
    if rng.random() < 0.5 and "Property" in licence.sets:
        # Rows that are withheld come only where their rule cannot be asked.
        ruled = {field for rule in row_rules(licence, "Property") for field in names(rule)} - {KEY["Property"]}
        known = profile.get("unfilterable", {})
        profile["unfilterable"] = {**known, "Property": sorted({*known.get("Property", ()), *ruled})}
        profile["client_scan"] = rng.random() < 0.7
    if rng.random() < 0.55:
        return
    if profile.get("paging", "skip") == "skip":
        profile["page_max"] = rng.choice((1, 2, 2, 3, 4))
        # Past a window pages go on behind texts too, so the upstream has to compare them as it sorts them.
        if profile.get("string_equality", "exact") == "exact" and rng.random() < 0.75:
            profile["skip_max"] = rng.choice((2, 3, 3, 4, 6))
            if rng.random() < 0.4:
                profile.pop("order_exact", None)
            elif rng.random() < 0.5:
                profile["order_exact"] = {"Property": ["ListingKey", "ModificationTimestamp", "ListPrice"]}
            if rng.random() < 0.3:
                profile["nulls"] = "last"
    elif rng.random() < 0.5:
        profile["page_max"] = rng.choice((2, 3))


def with_cuts(seed: int, licence: Licence, habits: Habits) -> Habits:
    """How an upstream of such a profile pages: as it is declared, with all that it has in its cursors."""
    rng = random.Random(f"cuts {seed}")
    profile = licence.profile
    if profile.get("paging", "skip") == "skip" and profile.get("page_max"):
        # What does not honour the numbers of its pages shows where it stores its rows. Past a window it does so where it
        # takes no notice of an order or of where rows are to begin, or compares otherwise than it sorts
        # (docs/guarantees.md).
        unheard = ("top", "skip", "orderby", "filter") if "skip_max" in profile else ("top", "skip")
        ignores = tuple(option for option in habits.ignores if option not in unheard)
        habits = replace(habits, page=profile["page_max"], silent=True, ignores=ignores)
        return replace(habits, equality="exact") if "skip_max" in profile else habits
    # None refuses its own links for their length.
    if profile.get("paging", "skip") != "skip" and rng.random() < 0.5 and "url_max" not in profile:
        habits = replace(
            habits, growing=True, raw_links=rng.random() < 0.5, page=rng.choice((1, 2, 3)), telling_cursors=False
        )
    return habits


def withheld_between(
    seed: int, licence: Licence, habits: Habits, world: World, changes: list[Change], seen: Any
) -> list[Change]:
    """Changes of rows that are withheld: more of them in between, and other values in what rows are sorted by."""
    rng = random.Random(f"between {seed}")
    moved = world
    for change in changes:
        moved = changed(moved, change)
    same = low(licence, seen(moved)).shown
    found: list[Change] = []
    for _ in range(12):
        if len(found) == 4:
            break
        candidate = _between(rng, licence, moved, set(same.get("Property", ())), grows=habits.growing)
        if candidate is None:
            return found
        other = changed(moved, candidate)
        if other != moved and low(licence, seen(other)).shown == same:
            found.append(candidate)
            moved = other
    return found


def _between(rng: random.Random, licence: Licence, world: World, visible: set[str], *, grows: bool) -> Change | None:
    rows = [row for row in world["Property"] if row["ListingKey"] not in visible]
    if not rows:
        return None
    row = copy.deepcopy(rng.choice(rows))
    field = rng.choice(_COLUMNS["Property"])
    if grows and rng.random() < 0.6:
        return ["cell", "Property", row["ListingKey"], rng.choice(("City", "OwnerName")), rng.choice(_LONG)]
    roll = rng.random()
    if roll < 0.4:
        near = rng.choice(sorted(visible)) if visible else "K"
        return ["add", "Property", row | {"ListingKey": f"{near}{rng.randint(0, 99):02d}"}]
    value: Any = None
    if FIELDS["Property"][field] == "String" and roll < 0.75:
        value = rng.choice((*_ODD, *_LONG))
    elif roll < 0.9 and "counts" not in licence.profile:
        value = unreadable(rng, field, row[field])
    return ["cell", "Property", row["ListingKey"], field, value]


def walks(seed: int, licence: Licence) -> list[Request]:
    """Lists in some order, each with the pages behind its first."""
    rng = random.Random(f"walks {seed}")
    requests: list[Request] = []
    for name in [name for name in ("Property", "Media") if name in licence.sets]:
        columns = [field for field in _COLUMNS[name] if always_shows(licence, name, field)]
        for _ in range(2 if name == "Property" else 1):
            order = [[field, rng.random() < 0.4] for field in rng.sample(columns, min(len(columns), rng.randint(0, 2)))]
            options: dict[str, Any] = {"select": [KEY[name]]} | ({"orderby": order} if order else {})
            requests.append({"path": "collection", "set": name, "options": options})
            requests += [{"path": "follow"} for _ in range(rng.randint(1, 3))]
    return requests
