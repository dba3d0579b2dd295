"""Random licences, databases, and pairs of databases that a licence cannot tell apart (CHANNELS 7.2)."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from gateway.policy.presets import PRESETS
from tests.proof.language import Expression, is_raw, names
from tests.proof.licence import Entry, Licence, Rules, ever_shows, low, row_rules, tested
from tests.proof.model import DERIVED, FIELDS, KEY, KIND, TWINS, Row, World, navigations, of_kind

#: Small domains, so that ties, nulls and collisions happen.
DOMAINS: dict[str, tuple[Any, ...]] = {
    "PropertyType": ("Residential", "Land", "Houseboat", None, "Residential", "Farm"),
    "StandardStatus": ("Active", "Closed", "active", "Active ", None, "Active", "Active"),
    "City": (None, "A", "a", "B", "A''B", "A'B", "%", "A_", "A ", "B"),
    "ListPrice": (None, 0, 1, 2, 3, 5, 100, 2**53 + 1),
    "OwnerName": (None, "owner-A", "A", "B"),
    "InternetAddressDisplayYN": (True, False, None),
    "ModificationTimestamp": (
        "2026-01-15T11:59:59.999Z", "2026-01-15T12:00:00.001Z", "2025-12-31T23:30:00.125Z", "2025-06-01T00:00:00.500Z",
        "2026-02-01T00:00:00.250Z",
    ),
    "PhotosCount": (None, 0, 1, 2, 3, 5, 9),
    "Appliances": ([], ["A"], ["B", "A"], ["a"], ["A "], None),
    "ResourceName": ("Property", "Property", "Property", "Member", "Office", None),
    "Order": (1, 2, 3, 10, 1, None),
    "MediaCategory": ("Photo", None, "Document", "Photo", "Video"),
    "MediaURL": ("u/1", "u/2", "u/9", None),
    "Permission": ("Public", "Private", "public", None),
    "MemberStatus": ("Active", "Inactive", None),
    "MemberFullName": ("A", "B", None),
    "MemberMobilePhone": ("phone-5", "5", None),
    "ListMemberNote": ("note", "A", None),
    "OpenHouseType": ("Public", "Broker", None),
    "OpenHouseDate": ("2026-01-14", "2026-01-15", "2026-01-16", None),
    # No binary number holds most of these.
    "LotSizeAcres": (
        None, Decimal("0.1"), Decimal("0.30"), Decimal("0.3"), Decimal("12345678901234567.891"), Decimal(2**53 + 1), Decimal(5),
    ),
    "RoomArea": (Decimal("1.005"), Decimal("1.00500000000000000001"), None, Decimal("-0.7"), Decimal(2)),
    "RoomType": ("Bedroom", "Bath", None, "bath"),
    "FieldName": ("City", "ListPrice", "OwnerName", "PhotosCount", "StandardStatus", "MemberStatus", "MemberMobilePhone",
                  "MediaURL", "ListingKey", "city", None),
    "PreviousValue": ("A", "B", "9", None, "owner-A"),
    "LookupName": ("City", "StandardStatus", "MemberStatus", "Permission"),
    "LookupValue": ("Active", "Public", "A", "Active, and in good standing"),
    "StandardLookupValue": (None, "Active"),
    "LegacyODataValue": (None, "Active"),
    "NewValue": ("A", "5", None, "note"),
}  # fmt: skip
KEYS: dict[str, tuple[Any, ...]] = {
    "Property": ("K1", "K2", "K3", "K4", "K5", "K6", "K7", "K'8"),
    # Two tables count by themselves, so a photo may have the key of a listing.
    "Media": (*(f"P{number:02d}" for number in range(12)), "K1", "K2", "K3", "K4"),
    "Member": ("M1", "M2", "M3"),
    "OpenHouse": ("H1", "H2", "H3", "H4"),
    "Listings": ("K1", "K2", "K3", "K9"),
    "ListMember": ("M1", "M2", "M4"),
    "PropertyRooms": tuple(f"0000000{number}-000a-4000-8000-00000000000{number}" for number in range(1, 6)),
    "Field": ("Property.City", "Property.OwnerName", "Media.MediaURL", "Lookup.LookupKey", "Property.HiddenNote"),
    "Lookup": ("City-A", "MemberStatus.Active", "StandardStatus-Closed", "OwnerName-A", "MemberStatus.Withheld"),
    "HistoryTransactional": (1, 2, 3, 9, 10, 11, 2**53 + 1, -4),
}
#: What a hidden field that no rule looks at may turn into (M1).
EXTREMES: tuple[Any, ...] = (
    None, 0, -(2**63), 10**30, "", "canary" * 3000, "canary\u0000", "\ud800canary", "9" * 5000, {"canary": 1}, ["canary"], True, 1e308,
)  # fmt: skip


#: Bytes that are no value of any type, delimited by the structure around them. ``%`` is the member's name.
UNREADABLE = (
    b'"\xff"', b"NaN", b"01", b'"\\q"', b'"a\nb"', b"tru", b"1 2", b'"a" "b"', b"", b'"A","%":"B"', b"[,]", b'{"a":}', b"1:2",
)  # fmt: skip


def unreadable(rng: random.Random, field: str, value: Any) -> dict[str, Any]:
    """A value that is stored, and printed as what cannot be read."""
    value = value["is"] if is_raw(value) else value
    return {"raw": rng.choice(UNREADABLE).replace(b"%", field.encode()).hex(), "is": value}


# --- databases


def make_row(rng: random.Random, entity_set: str, key: str) -> Row:
    row: Row = {KEY[entity_set]: key}
    for field in FIELDS[entity_set]:
        if field in row:
            continue
        if field == "ListAgentKey":
            row[field] = rng.choice((*KEYS["Member"], "M1", None))
        elif field == "ListingKey":
            row[field] = rng.choice((*KEYS["Property"], None))
        elif field == "ResourceRecordKey":
            row[field] = None  # by the kind of parent, below
        else:
            row[field] = copy.copy(rng.choice(DOMAINS[field]))
    if entity_set == "Media":
        row["ResourceRecordKey"] = rng.choice(KEYS["Member" if row["ResourceName"] == "Member" else "Property"])
    return row


def make_world(rng: random.Random) -> World:
    """A few rows in each set. Most listings have what most rules want, so that answers are not empty."""
    sizes = {
        "Property": (3, 8), "Media": (2, 14), "Member": (1, 3), "OpenHouse": (0, 4), "Listings": (0, 3), "ListMember": (0, 3),
    }  # fmt: skip
    world: World = {}
    for name, (fewest, most) in sizes.items():
        keys = rng.sample(KEYS[name], rng.randint(fewest, min(most, len(KEYS[name]))))
        world[name] = [make_row(rng, name, key) for key in keys]
    # One listing has most of the photos: a limit is about lists that are longer than it.
    busy = rng.choice(world["Property"])[KEY["Property"]]
    for row in world["Media"]:
        if rng.random() < 0.6:
            row |= {"ResourceName": "Property", "ResourceRecordKey": busy}
    return world


def make_lively_world(rng: random.Random, licence: Licence) -> World:
    """A database of which the licence permits some listings and withholds others, if a few tries find one."""
    for _ in range(8):
        world = make_world(rng)
        visible = low(licence, world).rows["Property"]
        if 0 < len(visible) < len(world["Property"]):
            break
    return world


# --- pairs

Change = list[Any]


KINDS = ("cell", "cell", "cell", "extreme", "add", "twin", "twin", "delete", "photo", "photo", "order", "move", "spoil")


def random_change(rng: random.Random, licence: Licence, world: World, kinds: tuple[str, ...] = KINDS) -> Change:
    """One edit, as data. Most are of the kinds that licences withhold; the others are tried and thrown away."""
    kind = rng.choice(kinds)
    name = rng.choice([name for name in FIELDS if world[name]])
    row = rng.choice(world[name])
    key = row[KEY[name]]
    if kind == "cell":
        field = rng.choice([field for field in FIELDS[name] if field != KEY[name]])
        return ["cell", name, key, field, make_row(rng, name, key)[field]]
    if kind == "extreme":
        looked_at = tested(licence, name)
        fields = [
            field
            for field in FIELDS[name]
            if field not in looked_at and not (name in licence.sets and ever_shows(licence, name, field))
        ]
        if fields:
            return ["cell", name, key, rng.choice(fields), rng.choice(EXTREMES)]
    if kind == "spoil":
        if "counts" not in licence.profile and rng.random() < 0.7:
            spoilt = _spoilt_twin(rng, licence, world)
            if spoilt is not None:
                return spoilt
        field = rng.choice(_loose(name))
        return ["cell", name, key, field, unreadable(rng, field, row[field])]
    if kind == "photo":
        owners = [row["ResourceRecordKey"] for row in world["Media"] if row["ResourceName"] == "Property"]
        listing = rng.choice([*owners, rng.choice(world["Property"])[KEY["Property"]]])
        made = make_row(rng, "Media", f"{rng.choice(('P', 'Q', 'O'))}{rng.randint(0, 99):02d}")
        made |= {"ResourceName": "Property", "ResourceRecordKey": listing, "Order": rng.choice((1, 4, 7, 50, None))}
        return ["add", "Media", made]
    if kind == "twin":
        # A row that looks like a visible one to every client, and is none: the rule alone tells them apart.
        twin = copy.deepcopy(row) | {KEY[name]: rng.choice((key + "0", key[:-1], key + "'"))}
        field = rng.choice([field for field in FIELDS[name] if field != KEY[name]])
        return ["add", name, twin | {field: make_row(rng, name, key)[field]}]
    if kind == "add":
        return ["add", name, make_row(rng, name, f"{rng.choice(KEYS[name])}{rng.choice(('', '5', 'a'))}")]
    if kind == "move" and name == "Media":
        return ["cell", name, key, "ResourceRecordKey", rng.choice(KEYS["Property"])]
    if kind == "order":
        return ["order", name, rng.randint(0, 10**6)]
    return ["delete", name, key]


def _loose(name: str) -> list[str]:
    """Fields that tie no rows together."""
    return [field for field in FIELDS[name] if not field.endswith("Key") and field != "ResourceName"]


def _spoilt_twin(rng: random.Random, licence: Licence, world: World) -> Change | None:
    """A row that the upstream selects like a permitted one, and of which no reader can tell that it is."""
    deciding = [
        (name, field)
        for name in licence.sets
        for rule in row_rules(licence, name)
        for field in names(rule)
        if field in _loose(name)
    ]
    if not deciding:
        return None
    name, field = rng.choice(deciding)
    rows = low(licence, world).rows[name]
    if not rows:
        return None
    twin = copy.deepcopy(rng.choice(rows))
    twin[KEY[name]] = rng.choice((twin[KEY[name]] + "0", twin[KEY[name]][:-1] or "0"))
    return ["add", name, twin | {field: unreadable(rng, field, twin[field])}]


def changed(world: World, change: Change) -> World:
    """A copy of the database after one edit; one that meets nothing changes nothing."""
    other = {name: list(rows) for name, rows in world.items()}
    match change:
        case ["cell", name, key, field, value]:
            other[name] = [row | {field: value} if row[KEY[name]] == key else row for row in other[name]]
        case ["add", name, row]:
            if all(known[KEY[name]] != row[KEY[name]] for known in other[name]) and row[KEY[name]]:
                other[name].insert(len(other[name]) // 2, row)
        case ["put", name, row, place]:
            # Also where another row has its key.
            other.setdefault(name, []).insert(place, row)
        case ["one", name, row, instead]:
            # Of the rows of one key this one.
            other[name] = [known for known in other[name] if known != row or instead is not None]
            other[name] = [instead if known == row else known for known in other[name]]
        case ["delete", name, key]:
            other[name] = [row for row in other[name] if row[KEY[name]] != key]
        case ["order", name, seed]:
            random.Random(seed).shuffle(other[name])
        case _:
            raise AssertionError(change)
    return other


def make_changes(
    rng: random.Random,
    licence: Licence,
    world: World,
    wanted: int,
    seen: Callable[[World], World],
    kinds: tuple[str, ...] = KINDS,
    also: Sequence[Licence] = (),
) -> list[Change]:
    """Edits after each of which the licence permits the same as before, of what is ``seen`` of a database; and so do
    those of other keys (``also``)."""
    every = (licence, *also)
    same = [low(one, seen(world)).shown for one in every]
    changes: list[Change] = []
    for _ in range(wanted * 12):
        if len(changes) == wanted:
            break
        change = random_change(rng, licence, world, kinds)
        other = changed(world, change)
        if other != world and all(
            low(one, seen(other)).shown == before for one, before in zip(every, same, strict=True)
        ):
            changes.append(change)
            world = other
    return changes


def canonical(licence: Licence, world: World, seen: Callable[[World], World], also: Sequence[Licence] = ()) -> World:
    """The database without anything that is withheld (O3): no row or photo that does not exist for the key, and null in
    every field that is not shown, unless a rule or a tie between rows looks at it. What one of several keys (``also``)
    sees is kept."""
    every = (licence, *also)
    printed = seen(world)
    found = [low(one, printed) for one in every]
    shown_of: dict[int, list[Any]] = {}
    for one in found:
        for name, rows in one.rows.items():
            for row, shown in zip(rows, one.shown[name].values(), strict=True):
                shown_of.setdefault(id(row), []).append(shown)
    other: World = {name: [] for name in FIELDS}
    for name in FIELDS:
        kept = {field for one in every for field in tested(one, name)}
        for row, as_seen in zip(world.get(name, []), printed.get(name, []), strict=True):
            if id(as_seen) in shown_of:
                fields = kept.union(*shown_of[id(as_seen)])
                other[name].append({field: value if field in fields else None for field, value in row.items()})
    limits = [one.limit for one in every if one.limit is not None]
    if len(limits) == len(every):
        for name in of_kind("Property"):
            for row in other[name]:
                count = row["PhotosCount"]
                is_tested = any("PhotosCount" in tested(one, name) for one in every)
                if isinstance(count, int) and not isinstance(count, bool) and count > max(limits) and not is_tested:
                    row["PhotosCount"] = max(limits)
    same = all(low(one, seen(other)).shown == before.shown for one, before in zip(every, found, strict=True))
    return other if same else world


# --- licences


def make_expression(
    rng: random.Random, entity_set: str, fields: list[str], depth: int = 0, *, rule: bool = True
) -> Expression:
    """A condition over some fields, of the language that rules and clients share."""
    roll = rng.random()
    if depth < 2 and roll < 0.3:
        word = rng.choice(("and", "or"))
        return [word, *(make_expression(rng, entity_set, fields, depth + 1, rule=rule) for _ in range(2))]
    if depth < 2 and roll < 0.42:
        return ["not", make_expression(rng, entity_set, fields, depth + 1, rule=rule)]
    return make_atom(rng, entity_set, rng.choice(fields))


def make_atom(rng: random.Random, entity_set: str, field: str, values: list[Any] | None = None) -> Expression:
    """A condition on a field, one in five in a form that clients write beside the plain one."""
    atom = _plain_atom(rng, entity_set, field, values)
    return _otherwise(rng, atom) if rng.random() < 0.2 else atom


def _otherwise(rng: random.Random, atom: Expression) -> Expression:
    """The same or nearly the same, with the literal first, null in a list, a test that is compared, or a constant that a function gives."""
    match atom:
        case ["in", operand, items]:
            return ["in", operand, rng.choice(([*items, ["null"]], [["null"], *items], [["null"]]))]
        case ["test", _, _, _]:
            op, flag = rng.choice(("eq", "eq", "ne")), ["b", rng.random() < 0.6]
            return rng.choice((["cmp", op, atom, flag], ["pmc", op, flag, atom]))
        case ["cmp", op, operand, ["s", text]]:
            constant = ["const", rng.choice(("tolower", "toupper", "trim")), ["s", text]]
            joined = ["const", "concat", ["s", text[:1]], ["const", "trim", ["s", text[1:]]]]
            return rng.choice(
                (["cmp", op, operand, constant], ["cmp", op, operand, joined], ["pmc", op, constant, operand])
            )
        case ["cmp", op, operand, literal]:
            return ["pmc", _TURNED[op], literal, operand]
    return atom


_TURNED = {"eq": "eq", "ne": "ne", "gt": "lt", "lt": "gt", "ge": "le", "le": "ge"}


def _plain_atom(rng: random.Random, entity_set: str, field: str, values: list[Any] | None = None) -> Expression:
    kind = FIELDS[entity_set][field]
    operand: Expression = ["f", field]
    known = [value for value in (values or DOMAINS.get(field) or KEYS.get(entity_set, ("K1",))) if value is not None]
    roll = rng.random()
    if kind == "Collection(String)":
        item = rng.choice(("A", "B", "a", "A "))
        inner: Expression = ["cmp", rng.choice(("eq", "eq", "ne")), ["f", "x"], ["s", item]]
        if roll < 0.2:
            inner = ["and", inner, ["test", "startswith", ["f", "x"], ["s", "A"]]]
        return [rng.choice(("any", "any", "all")), field, inner]
    if roll < 0.12:
        return ["cmp", rng.choice(("eq", "ne")), operand, ["null"]]
    if kind == "Boolean":
        return ["flag", field] if roll < 0.5 else ["cmp", rng.choice(("eq", "ne")), operand, ["b", rng.random() < 0.6]]
    if kind == "Int64":
        numbers = [value for value in known if isinstance(value, int)] or [1]
        number = rng.choice(numbers) + rng.choice((-1, 0, 0, 1))
        if roll < 0.25:
            return ["in", operand, [["n", str(number)], ["n", "2"]]]
        return ["cmp", rng.choice(("eq", "ne", "gt", "ge", "lt", "le")), operand, ["n", str(number)]]
    if kind == "Guid":
        guid = rng.choice([*known, KEYS["PropertyRooms"][0]])
        if roll < 0.5:
            return ["in", operand, [["g", guid], ["g", KEYS["PropertyRooms"][1]]]]
        return ["cmp", rng.choice(("eq", "eq", "ne")), operand, ["g", guid]]
    if kind == "Decimal":
        exact = [value for value in known if isinstance(value, Decimal)] or [Decimal("0.3")]
        amount = rng.choice(exact) + rng.choice((Decimal(0), Decimal(0), Decimal("0.01"), Decimal("1E-20")))
        if roll < 0.25:
            return ["in", operand, [["n", f"{amount:f}"], ["n", "0.1"]]]
        return ["cmp", rng.choice(("eq", "eq", "ne", "gt", "ge", "lt", "le")), operand, ["n", f"{amount:f}"]]
    if kind in ("DateTimeOffset", "Date"):
        return _moment(rng, field, kind, [value for value in known if isinstance(value, str)])
    texts = [value for value in known if isinstance(value, str) and "\ud800" not in value and len(value) < 40] or ["A"]
    text = rng.choice(texts)
    if roll < 0.5:
        return ["cmp", rng.choice(("eq", "eq", "eq", "ne")), operand, ["s", text]]
    if roll < 0.62:
        return ["in", operand, [["s", text], ["s", rng.choice(texts)]]]
    if roll < 0.7:
        return ["cmp", rng.choice(("gt", "le")), operand, ["s", text]]
    if roll < 0.85:
        pattern = text[: rng.randint(1, 2)] or "A"
        return ["test", rng.choice(("contains", "startswith", "endswith")), operand, ["s", pattern]]
    call: Expression = ["call", rng.choice(("tolower", "toupper", "trim")), operand]
    if roll < 0.92:
        return ["cmp", "eq", call, ["s", text.lower() if call[1] == "tolower" else text.strip()]]
    return ["cmp", rng.choice(("gt", "le")), ["call", "length", operand], ["n", str(rng.randint(0, 3))]]


def _moment(rng: random.Random, field: str, kind: str, known: list[str]) -> Expression:
    operand: Expression = ["f", field]
    roll = rng.random()
    if roll < 0.25:
        return ["cmp", rng.choice(("gt", "le")), operand, ["now", rng.choice((0, 0, -1, -30, 1))]]
    if roll < 0.45:
        part = rng.choice(("year", "month")) if kind == "Date" else rng.choice(("year", "month", "hour"))
        return [
            "cmp",
            rng.choice(("eq", "gt", "le")),
            ["call", part, operand],
            ["n", rng.choice(("2026", "1", "12", "23"))],
        ]
    literal = [
        "d" if kind == "Date" else "t",
        rng.choice(known or ["2026-01-15" if kind == "Date" else "2026-01-15T12:00:00.000Z"]),
    ]
    return ["cmp", rng.choice(("eq", "ge", "lt", "ne")), operand, literal]


def make_licence(rng: random.Random) -> Licence:
    sets = {"Property": entry_of(rng, "Property")}
    for name, likely in (("Media", 0.9), ("Member", 0.75), ("OpenHouse", 0.75)):
        if rng.random() < likely:
            sets[name] = entry_of(rng, name)
    licence = Licence(
        sets,
        limit=rng.choice((None, None, 0, 1, 2, 2, 3)),
        strict=rng.random() < 0.1,
        redaction=rng.choice(("omit", "omit", "omit", "null", "annotate")),
        unknown_select=rng.choice(("reject", "reject", "ignore")),
        page_size=rng.choice((2, 3, 50)),
        profile=make_profile(rng),
    )
    if rng.random() < 0.25:
        licence.never = rng.choice(({"Property": ["OwnerName"]}, {"Member": ["MemberMobilePhone"]}))
        for name, fields in licence.never.items():
            # A template that says Visible of such a field is refused.
            for rules in licence.sets[name].template.values() if name in licence.sets else ():
                for field in fields:
                    rules.pop(field, None)
    for name in (*TWINS, *DERIVED):
        if rng.random() < 0.3:
            sets[name] = _narrow_entry(rng, name)
            if KIND[name] in sets and rng.random() < 0.4:
                licence.always[KIND[name]] = [make_expression(rng, name, list(FIELDS[KIND[name]]), 1)]
    if rng.random() < 0.2:
        licence.always["Property"] = [["cmp", "ne", ["f", "ListingKey"], ["s", rng.choice(KEYS["Property"])]]]
    return licence


def _narrow_entry(rng: random.Random, entity_set: str) -> Entry:
    """What documents say of a set whose rows are another one's too: little, so that what is said of that one counts."""
    fields = [field for field in FIELDS[entity_set] if field not in (KEY[entity_set], "PropertyType")]
    shown = rng.sample(fields, rng.randint(1, len(fields)))
    role: Rules = {"All": {member: ["V"] for member in (*shown, *navigations(entity_set))}}
    if "PropertyType" in FIELDS[entity_set]:
        role["All"]["PropertyType"] = ["V"]
    entry = Entry(default=rng.choice(("Hidden", "Visible")), role=role)
    if rng.random() < 0.3:
        entry.filter = make_expression(rng, entity_set, list(FIELDS[entity_set]), 1)
    if rng.random() < 0.2:
        entry.lifted = rng.choice(("lift", make_expression(rng, entity_set, list(FIELDS[entity_set]), 1)))
    return entry


def entry_of(rng: random.Random, entity_set: str) -> Entry:
    """Conditions look at fields that are visible on every record or on none, as the compiler demands (P10)."""
    fields = [field for field in FIELDS[entity_set] if field != KEY[entity_set]]
    members = fields + navigations(entity_set)
    classes = entity_set == "Property" and rng.random() < 0.6
    plain: Rules = {"All": {}}
    unconditional, conditional = [KEY[entity_set]], []
    for member in members:
        roll = rng.random()
        if (member == "PropertyType" and classes) or roll < 0.55:
            plain["All"][member] = ["V"]
        elif roll < 0.75:
            plain["All"][member] = ["H"]
        elif roll < 0.85:
            continue
        else:
            conditional.append(member)
            continue
        if member in fields:
            unconditional.append(member)
    testable = [field for field in unconditional if FIELDS[entity_set][field] != "Collection(String)"] or [
        KEY[entity_set]
    ]
    for member in conditional:
        plain["All"][member] = ["W", make_expression(rng, entity_set, testable, 1)]
    entry = Entry(default=rng.choice(("Hidden", "Hidden", "Visible")), role=plain)
    if classes:
        for name in rng.sample(("Residential", "Land", "Farm"), 2):
            entry.role[name] = {
                member: rng.choice((["V"], ["H"]))
                for member in rng.sample(conditional or ["City"], 1)
                if member != "PropertyType"
            }
    every = list(FIELDS[entity_set])
    if rng.random() < (0.6 if entity_set == "Property" else 0.35):
        entry.filter = make_expression(rng, entity_set, every)
    elif rng.random() < 0.5 and entity_set == "Property":
        entry.filter = ["cmp", "eq", ["f", "StandardStatus"], ["s", "Active"]]
    if rng.random() < 0.15:
        entry.always = [make_expression(rng, entity_set, every, 1)]
    roll = rng.random()
    if roll < 0.1:
        entry.lifted = "lift"
    elif roll < 0.2:
        entry.lifted = "null"
    elif roll < 0.4:
        entry.lifted = make_expression(rng, entity_set, every)
    if rng.random() < 0.4:
        name = rng.choice(("All", *(("Residential", "Land") if classes else ())))
        member = rng.choice([member for member in members if member != "PropertyType"])
        entry.template[name] = {member: rng.choice((["V"], ["H"]))}
    return entry


def make_profile(rng: random.Random) -> dict[str, Any]:
    """What the operator declares. Mostly much: the most distrustful gateway has the fewest ways to go wrong."""
    profile: dict[str, Any] = {}
    declarations = {
        "comparisons": ("exact",), "string_equality": ("exact", "fold", "fold_pad"), "patterns": ("literal",),
        "collections": ("exact",), "date_parts": ("utc",), "string_functions": ("exact",), "string_order": ("code_point",),
        "nested": ("exact",), "counts": ("exact",), "navigation_lambdas": ("exact",),
    }  # fmt: skip
    likely = rng.choice((1.0, 1.0, 1.0, 0.85, 0.5, 0.0))
    for name, values in declarations.items():
        if rng.random() < likely:
            profile[name] = rng.choice((values[0], values[0], *values))
    if rng.random() < 0.15:
        profile["collections"] = "none"
    profile["paging"] = rng.choice(("skip", "skip", "next_link", "link_header"))
    if profile["paging"] == "skip" and rng.random() < 0.3:
        profile["order_exact"] = {
            "Property": ["ListingKey", "ListPrice", "ModificationTimestamp"],
            "Media": ["MediaKey"],
        }
    if rng.random() < 0.15:
        profile["in_operator"] = False
    if rng.random() < 0.25:
        profile["unfilterable"] = {"Property": rng.sample(("City", "StandardStatus", "ListPrice", "Appliances"), 2)}
        profile["client_scan"] = rng.random() < 0.7
    if rng.random() < 0.25:
        profile["embedded"] = {"Property": ["Media"]}
    if rng.random() < 0.1:
        profile["photo_sizes"] = True
    if rng.random() < 0.15:
        profile["omits_nulls"] = True
    return profile


#: Links as the Data Dictionary has them: to state them changes nothing.
LINKS: dict[str, dict[str, Any]] = {
    "Property": {
        "OpenHouse": {"local": "ListingKey", "target": "ListingKey"},
        "ListAgent": {"local": "ListAgentKey", "target": "MemberKey"},
        "Media": {
            "local": "ListingKey", "target": "ResourceRecordKey", "discriminator": "ResourceName", "values": ["Property"],
        },
    },
    "OpenHouse": {"Listing": {"local": "ListingKey", "target": "ListingKey"}},
}  # fmt: skip


def with_shapes(rng: random.Random, licence: Licence) -> None:
    """Adds what an operator may declare of an upstream beside trust: a whole preset, links, classes under other values,
    and a condition that every request must have."""
    profile = licence.profile
    if rng.random() < 0.3:
        profile["preset"] = rng.choice(sorted(PRESETS))
        profile.update(copy.deepcopy(dict(PRESETS[profile["preset"]])))
        if profile.get("paging", "skip") != "skip":
            profile.pop("order_exact", None)
    if rng.random() < 0.3:
        profile["links"] = LINKS
    if rng.random() < 0.3:
        profile["class_values"] = {"Residential": ["Residential", "Houseboat"], "Land": ["Lot"]}
    if rng.random() < 0.3:
        profile["mandatory_filter"] = {"Property": "ListingKey ne 'nowhere'", "Media": "MediaKey ne 'nowhere'"}


def different_values(one: World, two: World) -> dict[str, list[Any]]:
    """Field to the values that one database has and the other has not, or has elsewhere: where an oracle would be."""
    found: dict[str, list[Any]] = {}
    for name in FIELDS:
        first = {row[KEY[name]]: row for row in one.get(name, [])}
        second = {row[KEY[name]]: row for row in two.get(name, [])}
        for key in first.keys() | second.keys():
            mine, other = first.get(key), second.get(key)
            for field in FIELDS[name]:
                values = [row.get(field) for row in (mine, other) if row is not None]
                if len(values) == 1 or values[0] != values[1]:
                    found.setdefault(field, []).extend(values)
    return found
