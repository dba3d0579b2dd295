"""More of a world than four sets with one key each: rows that share a key, other types, and sets that follow others.

A case of the prover is drawn as ever; then some cases are widened by numbers of a generator of their own. Their licence
says more, their database has more, and a few requests about that follow the others.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.proof.licence import Licence, ever_shows, low, tested
from tests.proof.model import (
    COMPUTED,
    DERIVED,
    ENUMS,
    FIELDS,
    HIDDEN_FIELD,
    HIDDEN_NAVIGATION,
    HIDDEN_SET,
    KEY,
    KIND,
    LOOKUPS,
    SHAPES,
    TWINS,
    Row,
    World,
    enter,
)
from tests.proof.oracles import Case
from tests.proof.requests import Maker, Request
from tests.proof.sides import snapshot_of
from tests.proof.worlds import KEYS, Change, changed, entry_of, make_atom, make_row

#: Requests that a widened case has beside its others.
_MORE = 12


def widened(seed: int, case: Case) -> tuple[Case, Maker] | None:
    """The case with more of a world, and the maker of its further requests; None for one that stays as it is."""
    rng = random.Random(f"wide {seed}")
    if rng.random() < 0.5:
        return None
    licence = copy.deepcopy(case.licence)
    licence.shapes = sorted(name for name in SHAPES if rng.random() < 0.35)
    enter(licence.shapes)
    try:
        return _widened(rng, case, licence)
    finally:
        enter(())


def _widened(rng: random.Random, case: Case, licence: Licence) -> tuple[Case, Maker] | None:
    _say_more(rng, licence)
    if snapshot_of(licence).faults:
        return None
    new = [name for name in licence.shapes for name in SHAPES[name].fields]
    world = _with_more(rng, licence, case.world)
    doubles = rng.random() < 0.5
    if doubles:
        world = _with_doubles(rng, licence, world)
    candidate = replace(case, licence=licence, world=world, changes=[])
    rows_of_case = [_completed(rng, change) for change in case.changes]
    candidate.changes = _kept(licence, world, rows_of_case, candidate.seen)
    moved = world
    for change in candidate.changes:
        moved = changed(moved, change)
    more = [_change(rng, licence, moved, [*new, "Media"]) for _ in range(40)]
    candidate.changes += _kept(licence, moved, more, candidate.seen, most=4)
    maker = Maker(rng, licence, world, candidate.other())
    maker.favoured = [name for name in new * 3 if name in licence.sets]
    if doubles and "Media" in licence.sets:
        maker.favoured += ["Media"] * 3
    candidate.requests = [*case.requests, *(maker.make() for _ in range(_MORE))]
    if doubles and licence.limit is not None and "Media" in licence.sets:
        candidate.requests += [_photos(rng, maker) for _ in range(4)]
    return candidate, maker


def _photos(rng: random.Random, maker: Maker) -> Request:
    """Photos by a plain way, so that nothing but the limit decides which they are."""
    fields = maker.visible["Media"]
    options = {"select": rng.sample(fields, min(len(fields), 3))} if rng.random() < 0.6 else {}
    maker.used.add("media")
    roll = rng.random()
    if roll < 0.4:
        return {"path": "collection", "set": "Media", "options": options}
    if roll < 0.6 and maker.different.get("MediaKey"):
        key = rng.choice(maker.different["MediaKey"])
        return {"path": "entity", "set": "Media", "key": key, "options": options}
    item = {"navigation": "Media", "options": options}
    return {"path": "collection", "set": "Property", "options": {"expand": [item]}}


# --- metadata


def edits_of(seed: int, licence: Licence) -> list[list[str]]:
    """What another upstream declares otherwise, all of it hidden by the licence: mostly nothing."""
    rng = random.Random(f"metadata {seed}")
    if rng.random() < 0.6:
        return []
    enter(licence.shapes)
    possible: list[list[str]] = [["set", "first"], ["set", "last"], ["twin", rng.choice(("Media", "Member"))]]
    for name in FIELDS:
        over = [other for other in FIELDS if name in (other, KIND[other], KIND.get(KIND[other]))]
        readers = [licence.sets[other] for other in over if other in licence.sets]
        looked_at = set().union(*(tested(licence, other) for other in over))
        if name in COMPUTED:
            possible += [["declares", name]] * 3
            continue
        if name not in TWINS and all(entry.default == "Hidden" for entry in readers):
            possible += [["property", name, place] for place in ("first", "last")]
            possible += [["navigation", name, target] for target in ("Media", "Member", "OpenHouse")]
        for field in FIELDS[name]:
            if name in TWINS or (name in DERIVED and field in FIELDS[DERIVED[name]]):
                continue
            possible.append(["about", name, field])
            seen = any(ever_shows(licence, other, field) for other in over if other in licence.sets)
            if not seen and field not in looked_at:
                possible += [["length", name, field], ["lookup", name, field]]
    for name, fields in (*ENUMS.items(), *(((kind, [field]) for kind, field in LOOKUPS))):
        over = [other for other in FIELDS if KIND[other] == name and other in licence.sets]
        for field in fields:
            if not any(ever_shows(licence, other, field) for other in over):
                is_tested = any(field in tested(licence, other) for other in over)
                possible += [["value", field]] if (name, field) in LOOKUPS and _is_alone(field) else []
                possible += [["member", field]] if field in ENUMS.get(name, ()) and not is_tested else []
    drawn = rng.sample(possible, min(len(possible), rng.choice((1, 1, 2, 3))))
    # A type that declares one name twice cannot be read, and its set is closed: that is no matter of what is hidden.
    once = {tuple(edit[:2]) if edit[0] in ("property", "navigation") else tuple(edit): edit for edit in drawn}
    return list(once.values())


def _is_alone(field: str) -> bool:
    """Whether one set only has a lookup of this name."""
    return sum(name == field for _, name in LOOKUPS) == 1


def about_metadata(seed: int, licence: Licence) -> list[Request]:
    """Requests that metadata alone answers, and some that it has a say in."""
    rng = random.Random(f"about metadata {seed}")
    forms = [
        ("$metadata", "City"), ("$metadata?$format=json", "City"), ("", "City"), ("Property?$filter=~ eq '1'", HIDDEN_FIELD),
        ("Property?$select=~", HIDDEN_FIELD), ("Property?$expand=~", HIDDEN_NAVIGATION), ("~", HIDDEN_SET), ("Property", "City"),
        ("Media?$orderby=~", HIDDEN_FIELD), ("Member?$filter=MemberStatus eq '~'", HIDDEN_SET), (f"{HIDDEN_SET}OfIts", "City"),
        ("Field?$filter=contains(FieldKey,'~')", HIDDEN_FIELD), ("Lookup", "City"), ("OpenHouse?$filter=OpenHouseType eq '~'", HIDDEN_SET),
    ]  # fmt: skip
    chosen = [("$metadata", "City"), *rng.sample(forms, 5)]
    return [{"path": "raw", "target": form, "name": name, "value": "1"} for form, name in chosen]


# --- licences


def _say_more(rng: random.Random, licence: Licence) -> None:
    """Rules for fields, sets and navigations that a licence did not know."""
    for shape in licence.shapes:
        for name in SHAPES[shape].fields:
            if name not in licence.sets and name not in KIND_OF_OTHERS and rng.random() < 0.85:
                licence.sets[name] = entry_of(rng, name)
    for name, entry in licence.sets.items():
        members = [
            member
            for shape in licence.shapes
            for member in (
                *(field for other in (name, KIND[name]) for field in SHAPES[shape].fields.get(other, ())),
                *(member for source, member in SHAPES[shape].navigation if source in (name, KIND[name])),
            )
            if member != KEY[name]
        ]
        for member in dict.fromkeys(members):
            if any(member in rules for rules in (*entry.role.values(), *entry.template.values())):
                continue
            roll = rng.random()
            if roll < 0.7:
                entry.role.setdefault("All", {})[member] = ["V"]
            elif roll < 0.8:
                entry.role.setdefault("All", {})[member] = ["H"]
        if members and rng.random() < 0.15:
            fields = [member for member in members if member in FIELDS[name]]
            if fields:
                entry.always = [*entry.always, make_atom(rng, name, rng.choice(fields))]


#: Sets that others are over, or derive from: of those a licence says what it has drawn already.
KIND_OF_OTHERS = {"Property", "Member", "Media", "OpenHouse", *TWINS, *DERIVED}


# --- databases


def _with_more(rng: random.Random, licence: Licence, world: World) -> World:
    """The database with rows of further sets, and with values in further fields."""
    other = {name: [_filled(rng, name, row) for row in rows] for name, rows in world.items()}
    for shape in licence.shapes:
        for name in SHAPES[shape].fields:
            if name not in other:
                most = min(len(KEYS[name]), 8)
                keys = rng.sample(KEYS[name], rng.randint(2, most))
                other[name] = [_made(rng, name, key, other) for key in keys]
    if rng.random() < 0.5:
        # Two tables count by themselves: a member may have the key of a listing.
        shared = rng.choice([row["ListingKey"] for row in other["Property"]] or ["K1"])
        if all(row["MemberKey"] != shared for row in other["Member"]):
            other["Member"].append(_filled(rng, "Member", make_row(rng, "Member", shared)))
        for row in other["Media"]:
            if rng.random() < 0.2:
                row |= {"ResourceName": rng.choice(("Property", "Member")), "ResourceRecordKey": shared}
    return other


def _filled(rng: random.Random, name: str, row: Row) -> Row:
    """A row with a value in each field that its set has in this world."""
    fresh = make_row(rng, name, row[KEY[name]])
    return {**{field: fresh[field] for field in FIELDS[name]}, **row}


def _made(rng: random.Random, name: str, key: Any, world: World) -> Row:
    row = make_row(rng, name, key)
    if name == "HistoryTransactional":
        kind = rng.choice(("Property", "Property", "Property", "Media", "Member", "OpenHouse", "Office", None))
        row["ResourceName"] = kind
        owners = [other[KEY[kind]] for other in world.get(kind, [])] if kind in KEY else []
        row["ResourceRecordKey"] = rng.choice([*owners, "K1", None])
    elif "ListingKey" in row and world["Property"] and rng.random() < 0.8:
        row["ListingKey"] = rng.choice(world["Property"])["ListingKey"]
    return row


def _with_doubles(rng: random.Random, licence: Licence, world: World) -> World:
    """Rows beside others of the same key. Mostly such that no two of them are visible: else no answer is right."""
    for _ in range(rng.randint(1, 3)):
        name = rng.choice([name for name in (*["Media"] * 3, *world) if world[name]])
        row = rng.choice(world[name])
        double = _double(rng, name, row, world)
        past = _past_the_limit(rng, licence, world) if licence.limit is not None and rng.random() < 0.6 else None
        if past is not None:
            name, double = "Media", past
        doubled = changed(world, ["put", name, double, rng.randint(0, len(world[name]))])
        if not low(licence, doubled).has_doubles or rng.random() < 0.15:
            world = doubled
    return world


def _past_the_limit(rng: random.Random, licence: Licence, world: World) -> Row | None:
    """A photo that its listing has too many of, under the key of one that is visible."""
    found = low(licence, world).rows
    visible = [row for row in found.get("Media", []) if row["ResourceName"] == "Property"]
    if not visible:
        return None
    row, owner = rng.choice(visible), rng.choice(visible)["ResourceRecordKey"]
    return row | {
        "ResourceRecordKey": owner,
        "Order": rng.choice((50, 9, None)),
        "MediaURL": rng.choice(("u/7", "u/8")),
    }


def _double(rng: random.Random, name: str, row: Row, world: World) -> Row:
    """Another row of the same key: of another parent, past a limit, of another class."""
    other = dict(row)
    if name == "Media" and rng.random() < 0.8:
        if world["Property"] and rng.random() < 0.7:
            other["ResourceRecordKey"] = rng.choice(world["Property"])["ListingKey"]
        other["Order"] = rng.choice((0, 1, 2, 9, 50, None))
        return other
    fields = [field for field in FIELDS[name] if field != KEY[name]]
    for field in rng.sample(fields, min(len(fields), rng.choice((1, 1, 2, 4)))):
        other[field] = make_row(rng, name, row[KEY[name]])[field]
    return other


# --- pairs


def _completed(rng: random.Random, change: Change) -> Change:
    """A change of the narrow world, with what a row has in this one."""
    if change[0] == "add":
        return ["add", change[1], _filled(rng, change[1], change[2])]
    return change


def _change(rng: random.Random, licence: Licence, world: World, favoured: list[str]) -> Change:
    """One edit of a set that is new, or of a row that shares its key."""
    name = rng.choice([name for name in (*favoured, *world) if world.get(name)])
    rows = [row for row in world[name] if sum(row[KEY[name]] == other[KEY[name]] for other in world[name]) > 1]
    row = rng.choice(rows if rows and rng.random() < 0.6 else world[name])
    roll = rng.random()
    if roll < 0.3:
        return ["put", name, _double(rng, name, row, world), rng.randint(0, len(world[name]))]
    if roll < 0.45:
        return ["one", name, row, None]
    if roll < 0.75:
        fields = [field for field in FIELDS[name] if field != KEY[name]]
        field = rng.choice(fields)
        return ["one", name, row, row | {field: _made(rng, name, row[KEY[name]], world)[field]}]
    return ["add", name, _made(rng, name, rng.choice(KEYS[name]), world)]


def _kept(
    licence: Licence, world: World, changes: list[Change], seen: Callable[[World], World], most: int = 100
) -> list[Change]:
    """Those of some changes after each of which the licence permits the same as before."""
    same, kept = low(licence, seen(world)).shown, list[Change]()
    for change in changes:
        other = changed(world, change)
        if other != world and len(kept) < most and low(licence, seen(other)).shown == same:
            kept.append(change)
            world = other
    return kept
