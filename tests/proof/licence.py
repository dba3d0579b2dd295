"""What a key is licensed to, as data; the documents that say so; and, a second time, what that permits of a database.

``Licence`` is made of lists and dicts only, so that it can be cut down piece by piece. ``documents`` writes it as the
roles and templates that the gateway reads. ``low`` says in plain loops what the key may learn from a database: rows that
exist for it, fields of those rows, and which rows lie behind their navigations (DESIGN section 5).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from tests.proof.language import EQUALITY, Expression, Meaning, holds, names, text_of
from tests.proof.model import (
    ABOVE,
    CLASSES,
    COMPUTED,
    ENUMS,
    FIELDS,
    KEY,
    KIND,
    LISTED,
    LOOKUPS,
    NAVIGATION,
    Row,
    World,
    children,
    enter,
    navigations,
    of_kind,
)

#: What a rule says of a member: ["V"], ["H"], or ["W", expression].
Rule = list[Any]
#: Class or ``All`` to member to rule.
Rules = dict[str, dict[str, Rule]]
NOT_PHOTOS = (
    "Document", "Branded Virtual Tour", "BrandedVirtualTour", "Unbranded Virtual Tour", "UnbrandedVirtualTour", "Video",
)  # fmt: skip


@dataclass
class Entry:
    """What role and template say of one set. ``lifted`` is "keep", "lift", or the filter that replaces the role's."""

    filter: Expression | None = None
    always: list[Expression] = field(default_factory=list)
    default: str = "Hidden"
    role: Rules = field(default_factory=dict)
    lifted: Any = "keep"
    template: Rules = field(default_factory=dict)
    #: What the role lets its keys write, as its document has it; None for nothing.
    writes: dict[str, Any] | None = None


@dataclass
class Licence:
    """One key's licence, and the settings and profile of the gateway that enforces it."""

    sets: dict[str, Entry]
    always: dict[str, list[Expression]] = field(default_factory=dict)
    #: Fields of a set that no document reveals.
    never: dict[str, list[str]] = field(default_factory=dict)
    limit: int | None = None
    strict: bool = False
    redaction: str = "omit"
    unknown_select: str = "reject"
    page_size: int = 4
    profile: dict[str, Any] = field(default_factory=dict)
    #: One of ``ENUM_FORMS`` where the upstream declares enumerations, and whether it sends their display texts.
    enums: str = ""
    texts: bool = False
    #: Set to field to whether its lookup is closed, as ``policy.closed_lookups`` says it.
    closed: dict[str, dict[str, bool]] = field(default_factory=dict)
    #: What the world has beside the four sets: names of ``SHAPES``.
    shapes: list[str] = field(default_factory=list)
    #: What ``@MemberKey`` and ``@OfficeKey`` stand for.
    bindings: dict[str, str] = field(default_factory=dict)
    #: Sets that the role puts under the privilege, and whether the key has it.
    privileged: list[str] = field(default_factory=list)
    has_privilege: bool = False
    #: ``Mode``, ``Field`` and ``Value`` of the syndication that the template names; None for none.
    syndication: dict[str, Any] | None = None
    #: Fields of a set that no template over this role reveals.
    role_never: dict[str, list[str]] = field(default_factory=dict)
    #: Other settings by their names in docs/configuration.md.
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def meaning(self) -> Meaning:
        """How rules are read: strings are equal as the profile declares it."""
        declared = self.profile.get("string_equality", "untrusted")
        return Meaning("strict", EQUALITY["exact" if declared == "untrusted" else declared])


# --- as documents


#: The one privilege that there is.
PRIVILEGE = "DelegatedAccess"


def documents(licence: Licence, role: str = "idx") -> tuple[dict[str, Any], dict[str, Any], dict[str, list[str]]]:
    """Role, template and ``policy.always``, as files would have them."""
    resources: dict[str, Any] = {}
    filters: dict[str, Any] = {}
    overrides: dict[str, Any] = {}
    for name, entry in licence.sets.items():
        resources[name] = {
            "Default": entry.default,
            "Fields": {group: _group(rules) for group, rules in entry.role.items()},
        } | ({"Filter": text_of(entry.filter)} if entry.filter is not None else {})
        if entry.always:
            resources[name]["Always"] = [text_of(rule) for rule in entry.always]
        if entry.writes is not None:
            resources[name]["Writes"] = entry.writes
        if name in licence.privileged:
            resources[name]["Privilege"] = PRIVILEGE
        if entry.lifted == "lift":
            filters[name] = {"Filter": None}
        elif entry.lifted == "null":
            filters[name] = None
        elif entry.lifted != "keep":
            filters[name] = {"Filter": text_of(entry.lifted)}
        if entry.template:
            overrides[name] = {
                group: {member: _rule(rule) for member, rule in rules.items()}
                for group, rules in entry.template.items()
            }
    template = {
        "Name": "t", "Description": "t", "Role": role, "ListingPhotoLimit": licence.limit,
        "RestrictiveFilters": filters, "FieldOverrides": overrides,
        "ConditionalFields": "strict" if licence.strict else "narrow",
    }  # fmt: skip
    if licence.syndication is not None:
        template["SyndicationId"] = "s"
    always = {name: [text_of(rule) for rule in rules] for name, rules in licence.always.items() if rules}
    document: dict[str, Any] = {"Role": role, "Resources": resources}
    if licence.role_never:
        document["NeverVisible"] = licence.role_never
    return document, template, always


def _group(rules: dict[str, Rule]) -> dict[str, Any]:
    hidden = [member for member, rule in rules.items() if rule[0] == "H"]
    return {
        "Visible": [member for member, rule in rules.items() if rule[0] == "V"],
        **({"Hidden": hidden} if hidden else {}),
        "When": [
            {"Condition": text_of(rule[1]), "Fields": [member]} for member, rule in rules.items() if rule[0] == "W"
        ],
    }


def _rule(rule: Rule) -> dict[str, str]:
    match rule:
        case ["V"]:
            return {"Rule": "Visible"}
        case ["H"]:
            return {"Rule": "Hidden"}
    return {"Rule": "Visible", "When": text_of(rule[1])}


# --- what it permits


def effective(licence: Licence) -> Licence:
    """The licence as its key has it: each binding is its value, what needs a privilege that the key has not is gone,
    and the syndication is one more condition that always holds."""
    if "bind" not in json.dumps([licence.always, [vars(entry) for entry in licence.sets.values()]]):
        found = licence
    else:
        always = {name: [_given(rule, licence.bindings) for rule in rules] for name, rules in licence.always.items()}
        sets = {name: _entry_given(entry, licence.bindings) for name, entry in licence.sets.items()}
        found = replace(licence, always=always, sets=sets)
    withheld = {
        name
        for name in licence.sets
        if not licence.has_privilege and {name, *ABOVE.get(name, ())} & {*licence.privileged}
    }
    if withheld:
        found = replace(found, sets={name: entry for name, entry in found.sets.items() if name not in withheld})
    if licence.syndication is not None:
        more = [*found.always.get("Property", []), syndicated(licence.syndication)]
        found = replace(found, always={**found.always, "Property": more})
    if licence.role_never:
        never = {
            name: [*licence.never.get(name, ()), *licence.role_never.get(name, ())]
            for name in {**licence.never, **licence.role_never}
        }
        found = replace(found, never=never)
    return found


def syndicated(syndication: dict[str, Any]) -> Expression:
    """The condition of a syndication: the field holds the value, or it is known not to."""
    name, value = syndication["Field"], syndication["Value"]
    literal = ["b", value] if isinstance(value, bool) else ["n", str(value)] if isinstance(value, int) else ["s", value]
    holds_it: Expression = ["cmp", "eq", ["f", name], literal]
    if FIELDS["Property"][name].startswith("Coll"):
        holds_it = ["any", name, ["cmp", "eq", ["f", "x"], literal]]
    return ["not", holds_it] if syndication["Mode"] == "opt_out" else holds_it


def _given(rule: Expression, bindings: dict[str, str]) -> Expression:
    """A rule with the values of a key's bindings; nothing satisfies one that names a binding which the key has not."""
    if any(name not in bindings for name in _bindings_of(rule)):
        return ["false"]
    found: Expression = _replaced(rule, bindings)
    return found


def _bindings_of(rule: Any) -> list[str]:
    if not isinstance(rule, list):
        return []
    return [rule[1]] if rule[:1] == ["bind"] else [name for part in rule for name in _bindings_of(part)]


def _replaced(part: Any, bindings: dict[str, str]) -> Any:
    if not isinstance(part, list):
        return part
    return ["s", bindings[part[1]]] if part[:1] == ["bind"] else [_replaced(item, bindings) for item in part]


def _entry_given(entry: Entry, bindings: dict[str, str]) -> Entry:
    def rules_given(groups: Rules) -> Rules:
        return {
            group: {
                member: ["W", _given(rule[1], bindings)] if rule[0] == "W" else rule for member, rule in rules.items()
            }
            for group, rules in groups.items()
        }

    return replace(
        entry,
        filter=None if entry.filter is None else _given(entry.filter, bindings),
        always=[_given(rule, bindings) for rule in entry.always],
        lifted=_given(entry.lifted, bindings) if isinstance(entry.lifted, list) else entry.lifted,
        role=rules_given(entry.role),
        template=rules_given(entry.template),
    )


def class_field(licence: Licence, entity_set: str) -> str | None:
    """The field that holds the class of a row; None for a set without classes."""
    fields = {"Property": "PropertyType", **licence.profile.get("class_field", {})}
    return next((fields[word] for word in (entity_set, KIND[entity_set]) if word in fields), None)


def is_independent(licence: Licence, entity_set: str) -> bool:
    """Whether the rows of a set follow no others."""
    return bool(licence.settings.get("policy.follows", {}).get(entity_set) == "independent")


def outside(licence: Licence, entity_set: str, member: str, value: Any) -> bool:
    """Whether a value of a field is none of its lookup, which is closed."""
    is_closed = licence.closed.get(entity_set, {}).get(member, (entity_set, member) in LISTED)
    values = [value] if not isinstance(value, list) else value
    return is_closed and any(item is not None and item not in LOOKUPS[entity_set, member] for item in values)


def row_rules(licence: Licence, entity_set: str) -> list[Expression]:
    """P5: the template's filter in place of the role's; what is said ``always`` beside either, of the set or of what its
    rows are. A filter of those holds for a set that has none of its own."""
    entry = licence.sets[entity_set]
    above = [licence.sets[name] for name in ABOVE.get(entity_set, ()) if name in licence.sets]
    rules = [rule for other in (entry, *above) for rule in other.always]
    for name in (entity_set, *ABOVE.get(entity_set, ())):
        rules += licence.always.get(name, [])
    if entry.lifted not in ("keep", "null"):
        return rules + ([] if entry.lifted == "lift" else [entry.lifted])
    lifted = [other.lifted for other in above if other.lifted not in ("keep", "null")]
    rules += [rule for rule in lifted if rule != "lift"]
    if entry.filter is not None:
        rules.append(entry.filter)
    elif not lifted:
        rules += [other.filter for other in above if other.filter is not None]
    return rules


def rule_of(licence: Licence, entity_set: str, group: str, member: str) -> Rule:
    """P2: the template's class, the template's All, the role's class, the role's All, the role's default.

    What a layer withholds of the more general resource stands behind its own words, and for the role before a default
    that shows.
    """
    entry = licence.sets[entity_set]
    above = [licence.sets[name] for name in ABOVE.get(entity_set, ()) if name in licence.sets]
    if any(member in licence.never.get(name, ()) for name in (entity_set, *ABOVE.get(entity_set, ()))):
        return ["H"]
    layers = [entry.template, *(_withholding(other.template) for other in above), entry.role]
    shows_others = entry.default == "Visible" or member == KEY[entity_set]
    if shows_others:
        layers += [_withholding(other.role) for other in above]
    for rules in layers:
        for name in (group, "All"):
            found = rules.get(name, {}).get(member)
            if found is not None:
                return found
    return ["V"] if shows_others else ["H"]


def _withholding(rules: Rules) -> Rules:
    return {
        group: {member: rule for member, rule in members.items() if rule[0] != "V"} for group, members in rules.items()
    }


def rules_for(licence: Licence, entity_set: str, row: Row | None, member: str) -> list[Rule]:
    """The rules that must all show a member of a row: one, or those of every class where it has none that is known."""
    field_of_class = class_field(licence, entity_set)
    if field_of_class is None:
        return [rule_of(licence, entity_set, "All", member)]
    group = row.get(field_of_class) if row is not None else None
    if isinstance(group, str):
        normal, said = licence.meaning.normal, licence.profile.get("class_values", {})
        known = [name for name in CLASSES if normal(group) in map(normal, said.get(name, (name,)))]
        if known:
            return [rule_of(licence, entity_set, known[0], member)]
    return [rule_of(licence, entity_set, name, member) for name in (*CLASSES, "All")]


def shows(licence: Licence, entity_set: str, row: Row, member: str) -> bool:
    """Whether a member of a row that exists for the key is visible on it."""
    if member in FIELDS[entity_set]:
        if is_counter(member) and counter_is_hidden(licence, entity_set):
            return False
    elif NAVIGATION[entity_set, member][1] not in licence.sets or _leads_by_a_hidden_key(licence, entity_set, member):
        return False
    return all(
        rule[0] == "V" or (rule[0] == "W" and holds(rule[1], row, licence.meaning) is True)
        for rule in rules_for(licence, entity_set, row, member)
    )


def ever_shows(licence: Licence, entity_set: str, member: str) -> bool:
    """Whether some row could show a member: else its name does not exist for the key."""
    if is_counter(member) and counter_is_hidden(licence, entity_set):
        return False
    if member not in FIELDS[entity_set] and (
        NAVIGATION[entity_set, member][1] not in licence.sets or _leads_by_a_hidden_key(licence, entity_set, member)
    ):
        return False
    return any(
        all(rule[0] != "H" and rule != ["W", ["false"]] for rule in rules_for(licence, entity_set, row, member))
        for row in _one_of_each_class(licence, entity_set)
    )


def always_shows(licence: Licence, entity_set: str, member: str) -> bool:
    return all(
        rule == ["V"]
        for row in _one_of_each_class(licence, entity_set)
        for rule in rules_for(licence, entity_set, row, member)
    )


def _one_of_each_class(licence: Licence, entity_set: str) -> list[Row]:
    name = class_field(licence, entity_set)
    if name is None:
        return [{}]
    said = licence.profile.get("class_values", {})
    return [*({name: said.get(group, (group,))[0]} for group in CLASSES), {name: None}]


def _leads_by_a_hidden_key(licence: Licence, entity_set: str, navigation: str) -> bool:
    """C273: a foreign key that is not visible on every record hides the single record that it leads to, unless a
    document names the navigation."""
    local, _, _, is_list, _ = NAVIGATION[entity_set, navigation]
    entry = licence.sets[entity_set]
    above = [licence.sets[name] for name in ABOVE.get(entity_set, ()) if name in licence.sets]
    said = [*entry.template.values(), *entry.role.values()]
    for other in above:
        said += [*_withholding(other.template).values(), *_withholding(other.role).values()]
    named = any(rules.get(navigation, ["H"])[0] != "H" for rules in said)
    return not is_list and not named and not always_shows(licence, entity_set, local)


def is_counter(member: str) -> bool:
    return member == "PhotosCount"


def _given_free(licence: Licence, entity_set: str) -> bool:
    """Whether the template itself shows the counter wherever it is shown, and so declassifies it."""
    above = [licence.sets[name] for name in ABOVE.get(entity_set, ()) if name in licence.sets]
    templates = [licence.sets[entity_set].template, *(_withholding(other.template) for other in above)]
    shown = []
    for name in (*CLASSES, "All"):
        said = [rules.get(group, {}).get("PhotosCount") for rules in templates for group in (name, "All")]
        if rule_of(licence, entity_set, name, "PhotosCount")[0] != "H":
            shown.append(any(rule is not None for rule in said))
    return bool(shown) and all(shown)


def counter_is_hidden(licence: Licence, entity_set: str) -> bool:
    """P7: hidden where Media is not visible, or has a row rule of its own."""
    if _given_free(licence, entity_set):
        return False
    return "Media" not in licence.sets or bool(row_rules(licence, "Media"))


def clamp(licence: Licence, entity_set: str) -> int | None:
    return None if _given_free(licence, entity_set) else licence.limit


@dataclass
class Low:
    """What a key may learn: for each set its rows in the order of their keys. ``rows`` keep all their fields, for
    interpreters; ``shown`` has what is visible of each, by its key. Of rows that share a key the first in storage has
    the key as its place, and the others the key and a number."""

    licence: Licence
    rows: dict[str, list[Row]]
    shown: dict[str, dict[Any, dict[str, Any]]]

    @property
    def has_doubles(self) -> bool:
        """Whether two visible rows of one set share a key. OData has no right answer then."""
        return any(isinstance(place, tuple) for rows in self.shown.values() for place in rows)

    def behind(self, entity_set: str, row: Row, navigation: str, normal: Callable[[str], str]) -> list[Row]:
        """The rows that exist for the key behind a navigation."""
        found = children({**{name: [] for name in FIELDS}, **self.rows}, entity_set, navigation, row, normal)
        if NAVIGATION[entity_set, navigation][1] == "HistoryTransactional":
            told = [normal(field) for field in _told(self.licence, entity_set)]
            return [other for other in found if normal(str(other["FieldName"])) in told]
        return found


def low(licence: Licence, world: World) -> Low:
    """What a licence permits of a database."""
    enter(licence.shapes)
    meaning = licence.meaning
    rows: dict[str, list[Row]] = {}
    for name in (*of_kind("Property"), *of_kind("Member")):
        if name in licence.sets:
            rows[name] = [row for row in world[name] if _passes(licence, name, row)]
    listings = {meaning.normal(row["ListingKey"]) for name in of_kind("Property") for row in rows.get(name, [])}
    for name in OF_LISTINGS:
        if name in licence.sets and name in FIELDS:
            rows[name] = [
                row
                for row in world.get(name, [])
                if _passes(licence, name, row)
                and (
                    is_independent(licence, name)
                    or (isinstance(row["ListingKey"], str) and meaning.normal(row["ListingKey"]) in listings)
                )
            ]
    if "Media" in licence.sets:
        rows["Media"] = _media(licence, world, rows, meaning)
    if "HistoryTransactional" in licence.sets and "HistoryTransactional" in FIELDS:
        rows["HistoryTransactional"] = [
            row
            for row in world.get("HistoryTransactional", [])
            if _passes(licence, "HistoryTransactional", row) and _is_told(licence, rows, row)
        ]
    for name in COMPUTED:
        if name in licence.sets and name in FIELDS:
            written = _written_fields(licence) if name == "Field" else _written_lookups(licence)
            rows[name] = [row for row in written if _passes(licence, name, row)]
    for name, some in rows.items():
        some.sort(key=lambda row, key=KEY[name]: row[key])  # type: ignore[misc]  # mypy infers no type for a default
    found = Low(licence, rows, {})
    for name, some in rows.items():
        found.shown[name] = {}
        for row in some:
            place, number = row[KEY[name]], 1
            while place in found.shown[name]:
                place, number = (row[KEY[name]], number), number + 1
            found.shown[name][place] = _shown(licence, found, name, row)
    return found


#: When the rows that the gateway writes were shown first.
SHOWN_SINCE = "2026-01-10T08:00:00.000Z"


def _written_fields(licence: Licence) -> list[Row]:
    """C169: a row for each field that some record shows, of each set that exists for the key, these two among them."""
    return [
        {
            "FieldKey": f"{name}.{field}", "ResourceName": name, "FieldName": field, "ModificationTimestamp": SHOWN_SINCE,
        }
        for name in licence.sets
        for field in FIELDS[name]
        if ever_shows(licence, name, field)
    ]  # fmt: skip


def _written_lookups(licence: Licence) -> list[Row]:
    """C310: a row for each value of each lookup that such a field has: of enumerations, and of the upstream's own."""
    found: dict[str, Row] = {}
    for name in licence.sets:
        kind = KIND[name]
        for lookup in FIELDS[name]:
            if not ever_shows(licence, name, lookup):
                continue
            members = ENUMS.get(kind, {}).get(lookup, {}) if licence.enums else {}
            values: list[tuple[str, str, str | None]] = [(member, text, member) for member, text in members.items()]
            sign = "."
            if not members and (kind, lookup) in LOOKUPS and (kind, lookup) not in LISTED:
                values, sign = [(value, value, None) for value in LOOKUPS[kind, lookup]], "-"
            for value, text, legacy in values:
                key = f"{lookup}{sign}{value}"
                found[key] = {
                    "LookupKey": key, "LookupName": lookup, "LookupValue": text, "StandardLookupValue": None,
                    "LegacyODataValue": legacy, "ModificationTimestamp": SHOWN_SINCE,
                }  # fmt: skip
    return list(found.values())


#: Sets whose rows follow the listing that ``ListingKey`` names.
OF_LISTINGS = ("OpenHouse", "PropertyRooms")


def _is_told(licence: Licence, rows: dict[str, list[Row]], row: Row) -> bool:
    """C228: a row of history exists where the record that it is about exists for the key, in a set that shows the field
    on every record, as it is stored."""
    normal, kind, owner = licence.meaning.normal, row["ResourceName"], row["ResourceRecordKey"]
    if kind not in ("Property", "Member", "OpenHouse", "Media") or not isinstance(owner, str):
        return False
    for name in of_kind(kind):
        field = row["FieldName"]
        if not isinstance(field, str) or normal(field) not in map(normal, _told(licence, name)):
            continue
        if normal(owner) in {normal(other[KEY[name]]) for other in rows.get(name, [])}:
            return True
    return False


def _told(licence: Licence, entity_set: str) -> list[str]:
    """The fields of a set that it shows on every record as they are stored."""
    return [
        field
        for field in FIELDS[entity_set]
        if entity_set in licence.sets
        and always_shows(licence, entity_set, field)
        and not (
            is_counter(field) and (counter_is_hidden(licence, entity_set) or clamp(licence, entity_set) is not None)
        )
    ]


def is_key(entity_set: str, value: Any) -> bool:
    """Whether a value is one of the key's type."""
    if FIELDS[entity_set][KEY[entity_set]] == "Int64":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, str)


def _passes(licence: Licence, entity_set: str, row: Row) -> bool:
    return is_key(entity_set, row.get(KEY[entity_set])) and all(
        holds(rule, row, licence.meaning) is True for rule in row_rules(licence, entity_set)
    )


def _media(licence: Licence, world: World, rows: dict[str, list[Row]], meaning: Meaning) -> list[Row]:
    """P6 and P7: the parent exists for the key; then the first photos of each listing, documents and tours apart."""
    kept = []
    photos: dict[str, list[Row]] = {}
    for row in world["Media"]:
        parent, owner = row["ResourceName"], row["ResourceRecordKey"]
        if not _passes(licence, "Media", row):
            continue
        if is_independent(licence, "Media"):
            is_photo = parent == "Property" and isinstance(owner, str) and row["MediaCategory"] not in NOT_PHOTOS
            if is_photo and licence.limit is not None:
                photos.setdefault(meaning.normal(owner), []).append(row)
            else:
                kept.append(row)
            continue
        if parent not in ("Property", "Member") or not isinstance(owner, str):
            continue
        owners = [other[KEY[name]] for name in of_kind(parent) for other in rows.get(name, [])]
        if meaning.normal(owner) not in {meaning.normal(other) for other in owners}:
            continue
        if parent == "Property" and licence.limit is not None and row["MediaCategory"] not in NOT_PHOTOS:
            photos.setdefault(meaning.normal(owner), []).append(row)
        else:
            kept.append(row)
    for several in photos.values():
        several.sort(key=photo_rank)
        places: dict[Any, int] = {}
        first: dict[str, Any] = {}
        for row in several:
            rank = photo_rank(row)
            if first.setdefault(row["MediaKey"], rank) != rank:
                continue  # of the rows of one key in a listing, those of the first Order are the photo
            # A photo that comes in several sizes is several rows of one Order.
            sized = licence.profile.get("photo_sizes") and not rank[0]
            place = places.setdefault(row["Order"] if sized else ("row", row["MediaKey"]), len(places))
            kept += [row] if licence.limit is None or place < licence.limit else []
    return kept


def photo_rank(row: Row) -> tuple[bool, Decimal, str]:
    """By numeric Order, what has none last; then by key."""
    order = row["Order"]
    is_number = isinstance(order, int | float) and not isinstance(order, bool)
    return not is_number, Decimal(str(order)) if is_number else Decimal(0), row["MediaKey"]


def _shown(licence: Licence, found: Low, entity_set: str, row: Row) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for member in FIELDS[entity_set]:
        if shows(licence, entity_set, row, member):
            shown[member] = value_shown(licence, entity_set, row, member)
    for navigation in navigations(entity_set):
        if shows(licence, entity_set, row, navigation):
            target = NAVIGATION[entity_set, navigation][1]
            behind = found.behind(entity_set, row, navigation, licence.meaning.normal)
            shown[navigation] = sorted(other[KEY[target]] for other in behind)
    # That a condition holds is told by what it shows; the rule holds on every row that exists.
    return shown


def value_shown(licence: Licence, entity_set: str, row: Row, member: str) -> Any:
    value = row.get(member)
    most = clamp(licence, entity_set) if is_counter(member) else None
    if most is not None and isinstance(value, int) and not isinstance(value, bool):
        return min(value, most)
    return value


def tested(licence: Licence, entity_set: str) -> set[str]:
    """The fields that rules and conditions look at, and those that tie rows together: whatever they hold, a row of the
    canonical database keeps it."""
    found = {KEY[entity_set], "PropertyType", "ResourceName", "ResourceRecordKey", "ListingKey", "ListAgentKey"}
    found |= {"Order", "MediaCategory", "FieldName", *licence.profile.get("class_field", {}).values()}
    if entity_set in licence.sets:
        for rule in row_rules(licence, entity_set):
            found.update(names(rule))
        entries = [licence.sets[name] for name in (entity_set, *ABOVE.get(entity_set, ())) if name in licence.sets]
        for rules in [rules for entry in entries for rules in (*entry.role.values(), *entry.template.values())]:
            for rule in rules.values():
                if rule[0] == "W":
                    found.update(names(rule[1]))
    return found
