"""Writes: what licences allow, requests that try, and, a second time and in plain loops, what one may do (O9).

{"path": "write", "method", "set", "key", "body": {...} or None, "returns": "minimal" | "representation" | None,
 "if_match": text or None}
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

from tests.proof.language import holds, names
from tests.proof.licence import (
    Entry,
    Licence,
    Low,
    always_shows,
    ever_shows,
    low,
    outside,
    row_rules,
    rules_for,
    shows,
)
from tests.proof.model import CLASSES, DEFAULTS, FIELDS, KEY, KIND, LOOKUPS, Row, World, navigations, of_kind
from tests.proof.worlds import DOMAINS, KEYS, Change, changed, make_atom, make_row

Request = dict[str, Any]
#: The fields by which a dependent row names its parent.
PARENTS = {"Media": ("ResourceName", "ResourceRecordKey"), "OpenHouse": ("ListingKey",)}
#: Fields that are the key of a row of another set.
REFERENCES = {("Property", "ListAgentKey"): "Member"}
METHODS = ("POST", "PATCH", "DELETE")
#: What an upstream may make of a write, beside doing it; each on both sides alike.
TROUBLE = ("done, and dropped", "dropped", "500", "202", "400", "409", "404", "412", "503")


# --- licences


def with_writes(rng: random.Random, licence: Licence) -> None:
    """Adds to a licence what its keys may write."""
    licence.profile["conditional_writes"] = rng.choice(("etag", "etag", "etag", "any", "none"))
    licence.profile["create_defaults"] = copy.deepcopy(DEFAULTS)
    for name, field in LOOKUPS:
        if rng.random() < 0.3:
            licence.closed.setdefault(name, {})[field] = rng.random() < 0.8
    for name, entry in licence.sets.items():
        if KIND[name] != name:
            continue  # read-only
        if rng.random() < (0.95 if name == "Property" else 0.7):
            entry.writes = _writes(rng, licence, name)
            deciding = [field for field in entry.writes["Fields"] if field in tested(licence, name)]
            if rng.random() < 0.6:
                entry.writes["PolicyFields"] = sorted({*entry.writes["PolicyFields"], *deciding})
            if rng.random() < 0.12:
                # A rule that names what can be written beside something else: the compiler takes it only where both
                # are visible.
                listed = [field for field in entry.writes["PolicyFields"] if FIELDS[name][field] == "String"]
                if listed:
                    others = [field for field in FIELDS[name] if field != KEY[name]]
                    terms = [make_atom(rng, name, field) for field in (rng.choice(listed), rng.choice(others))]
                    entry.always = [["or", *terms]]


def _writes(rng: random.Random, licence: Licence, name: str) -> dict[str, Any]:
    open_to = [field for field in FIELDS[name] if field not in (KEY[name], "PhotosCount", "ModificationTimestamp")]
    fields = rng.sample(open_to, rng.randint(2, len(open_to)))
    hidden = [field for field in open_to if field not in fields and not ever_shows(licence, name, field)]
    control = rng.sample(hidden, min(len(hidden), rng.choice((0, 1, 1, 2))))
    wanted = list(METHODS) if rng.random() < 0.6 else rng.sample(METHODS, 2)
    required = {
        method: rng.sample(fields, 1) for method in ("POST", "PATCH") if method in wanted and rng.random() < 0.2
    }
    return {
        "Methods": wanted, "Fields": fields, "Control": control, "Required": required,
        "PolicyFields": rng.sample(fields, rng.randint(0, len(fields))) if rng.random() < 0.7 else [],
        "AllowLeaving": rng.random() < 0.25, "CreateOutside": rng.random() < 0.5,
    }  # fmt: skip


# --- requests


def hidden_deciders(
    rng: random.Random, licence: Licence, world: World, wanted: int, seen: Callable[[World], World]
) -> list[Change]:
    """Changes of what is hidden and yet decides what is visible, after which the licence permits the same as before."""
    same, changes = low(licence, seen(world)), list[Change]()
    for _ in range(wanted * 6):
        name = rng.choice(list(licence.sets))
        fields = [field for field in tested(licence, name) if not ever_shows(licence, name, field)]
        if not fields or not world[name] or len(changes) == wanted:
            continue
        row, field = rng.choice(world[name]), rng.choice(sorted(fields))
        change: Change = ["cell", name, row[KEY[name]], field, make_row(rng, name, row[KEY[name]])[field]]
        other = changed(world, change)
        if other != world and low(licence, seen(other)).shown == same.shown:
            changes.append(change)
            world = other
    return changes


class Writer:
    """Writes against one pair of databases."""

    def __init__(self, rng: random.Random, licence: Licence, found: Low, keys: list[str]) -> None:
        self.rng = rng
        self.licence = licence
        self.low = found
        self.keys = keys
        self.used: set[str] = set()

    def make(self) -> Request:
        rng = self.rng
        open_to = [name for name, entry in self.licence.sets.items() if entry.writes is not None]
        name = rng.choice([*self.licence.sets, *open_to * 3, *(["Property"] * 4 if "Property" in open_to else [])])
        method = rng.choice(("PATCH", "PATCH", "PATCH", "POST", "POST", "DELETE"))
        writes = self.licence.sets[name].writes
        if writes is not None and method not in writes["Methods"] and rng.random() < 0.8:
            method = rng.choice(writes["Methods"])
        self.used.add(method)
        if rng.random() < 0.03:
            method = rng.choice(("PUT", "MERGE"))
        request: Request = {"path": "write", "method": method, "set": name, "key": None, "body": None}
        if method != "POST":
            request["key"] = self._key(name)
        if method != "DELETE":
            request["body"] = self._body(name, method, request["key"])
        request["returns"] = rng.choice((None, "minimal", "representation", "representation"))
        if rng.random() < 0.1:
            request["if_match"] = rng.choice(("*", 'W/"stale"'))
            self.used.add("condition")
        return request

    def _key(self, name: str) -> str:
        visible = [row[KEY[name]] for row in self.low.rows[name]]
        roll = self.rng.random()
        if visible and roll < 0.65:
            return str(self.rng.choice(visible))
        if self.keys and roll < 0.9:
            return self.rng.choice(self.keys)
        return str(self.rng.choice((*KEYS[name], "W1", "W2", "nowhere")))

    def _writable(self, name: str, method: str) -> list[str]:
        """What a body may well name."""
        writes = self.licence.sets[name].writes
        if writes is None:
            return []
        fixed = {"PropertyType", *PARENTS.get(name, ())}
        closed = tested(self.licence, name) - {*writes["PolicyFields"]}
        likely = always_shows if self.rng.random() < 0.7 else ever_shows
        fields = [
            field
            for field in writes["Fields"]
            if likely(self.licence, name, field) and (method == "POST" if field in fixed else field not in closed)
        ]
        return [*fields, *writes["Control"]]

    def _dangerous(self, name: str) -> list[str]:
        """A field by which a row could leave or change what is seen of it, with one that hangs on it; or one that is
        fixed."""
        rng = self.rng
        writes = self.licence.sets[name].writes
        if writes is None:
            return []
        fixed = [field for field in ("PropertyType", *PARENTS.get(name, ())) if field in writes["Fields"]]
        deciding = [field for field in writes["PolicyFields"] if field in tested(self.licence, name)]
        if fixed and (not deciding or rng.random() < 0.5):
            return [rng.choice(fixed)]
        if not deciding:
            return []
        self.used.add("deciding")
        hanging = {
            pick: [
                field
                for field in writes["Fields"]
                for rules in self.licence.sets[name].role.values()
                if rules.get(field, ["V"])[0] == "W" and pick in names(rules[field][1])
            ]
            for pick in deciding
        }
        paired = [pick for pick in deciding if hanging[pick]]
        pick = rng.choice(paired if paired and rng.random() < 0.7 else deciding)
        return [pick, *hanging[pick][:1]]

    def _body(self, name: str, method: str, key: str | None) -> dict[str, Any]:
        rng, writes = self.rng, self.licence.sets[name].writes or {}
        permitted = self._writable(name, method)
        chosen = rng.sample(permitted, min(len(permitted), rng.randint(1, 3)))
        if rng.random() < 0.25:
            chosen.append(rng.choice(list(FIELDS[name])))
            self.used.add("field")
        if method == "POST":
            chosen += [field for field in PARENTS.get(name, ()) if field in permitted]
        chosen += [field for field in writes.get("Required", {}).get(method, ()) if rng.random() < 0.9]
        row = make_row(rng, name, rng.choice(KEYS[name]))
        members = [other["MemberKey"] for other in self.low.rows.get("Member", [])]
        if name == "Property" and members and rng.random() < 0.7:
            row["ListAgentKey"] = rng.choice(members)
        if name == "OpenHouse" and self.low.rows["Property"] and rng.random() < 0.8:
            row["ListingKey"] = rng.choice(self.low.rows["Property"])["ListingKey"]
        if name == "Media" and self.low.rows["Property"] and rng.random() < 0.7:
            row |= {
                "ResourceName": "Property",
                "ResourceRecordKey": rng.choice(self.low.rows["Property"])["ListingKey"],
            }
        dangerous = method == "PATCH" and rng.random() < 0.45
        if dangerous:
            chosen = self._dangerous(name) + (chosen if rng.random() < 0.4 else [])
        body = {field: row[field] for field in dict.fromkeys(chosen)}
        for field, value in body.items():
            if outside(self.licence, name, field, value):
                self.used.add("lookup")
                if dangerous or rng.random() < 0.5:
                    item = rng.choice(LOOKUPS[name, field])
                    body[field] = [item] if isinstance(value, list) else item
        if method == "PATCH" and not dangerous and rng.random() < 0.3:
            body = self._sent_back(name, str(key), body)
        if rng.random() < 0.15:
            body |= {self._annotation(name): rng.choice(("x", None, {"a": [1]})) for _ in range(rng.randint(1, 3))}
            self.used.add("annotation")
        roll = rng.random()
        if roll < 0.02:
            body[
                rng.choice(("ListAgent@odata.bind", "ListAgent@bind", "Media@delta", "@removed", "City@Odata.Bind"))
            ] = "x"
        elif roll < 0.08 and navigations(name):
            body[rng.choice(navigations(name))] = [{}]
            self.used.add("deep")
        elif roll < 0.12:
            body[rng.choice(("Nowhere", "city", "OwnerNam"))] = "x"
            self.used.add("unknown")
        elif roll < 0.16 and body:
            body[rng.choice(list(body))] = rng.choice((1, "x", True, {}, [1], "x" * 50, 10**30))
            self.used.add("shape")
        return body

    def _annotation(self, name: str) -> str:
        """One about something that is visible, hidden, or was never there, or about the record."""
        about = self.rng.choice(("", "", *FIELDS[name], *navigations(name), "Nowhere"))
        return f"{about}@{self.rng.choice(('odata.type', 'type', 'odata.etag', 'odata.id', 'context', 'my.note', 'Core.Permissions'))}"

    def _sent_back(self, name: str, key: str, body: dict[str, Any]) -> dict[str, Any]:
        """A body with some of the record as it was answered, or as it is stored where nobody has answered it so."""
        rng = self.rng
        shown = self.low.shown[name].get(key) if name in self.low.shown else None
        stored = next((row for row in self.low.rows.get(name, []) if row[KEY[name]] == key), None)
        if shown is None or stored is None:
            return body
        fields = [field for field in FIELDS[name] if field in shown]
        sent = fields if rng.random() < 0.3 else rng.sample(fields, min(len(fields), rng.randint(1, 3)))
        found = {field: copy.copy(shown[field]) for field in sent}
        roll = rng.random()
        if roll < 0.25:
            withheld = [field for field in FIELDS[name] if field not in shown or shown[field] != stored[field]]
            if withheld:
                field = rng.choice(withheld)
                found[field] = rng.choice((copy.copy(stored[field]), make_row(rng, name, key)[field], None))
        elif roll < 0.4:
            field = rng.choice(list(found))
            found[field] = make_row(rng, name, key)[field]
        self.used.add("sent back")
        return found if rng.random() < 0.4 else {**found, **body}


#: What each part of a write is a way to leak by.
CHANNELS = {
    "POST": "C207 C208 C328", "PATCH": "C205 C206 C211 C321 C323 C324", "DELETE": "C206 C308", "condition": "C183 C327", "field": "C205 C329", "annotation": "C214 C218",
    "lookup": "C217 C310", "sent back": "C205 C224 C324", "deciding": "C207 C321 C323 C324", "deep": "C213", "unknown": "C205 C217", "shape": "C217",
}  # fmt: skip


# --- what one may do


def is_annotation(name: str) -> bool:
    """Whether a member of a body is passed over, whatever it is about."""
    term = name.rpartition("@")[2].lower().removeprefix("odata.")
    return "@" in name and term not in ("bind", "delta", "removed")


def passed_over(licence: Licence, found: Low, request: Request) -> set[str]:
    """The members of a body that change nothing: annotations, and of a change what is there already as far as the key
    sees it, where it could not be written; null where answers have null in place of what is not visible."""
    name, method = request["set"], request["method"]
    passed = {field for field in request["body"] or {} if is_annotation(field)}
    entry, shown = licence.sets.get(name), found.shown.get(name, {}).get(str(request["key"]))
    if method != "PATCH" or entry is None or entry.writes is None or shown is None:
        return passed
    for field, value in request["body"].items():
        if field not in FIELDS[name]:
            continue
        if field in shown:
            here = shown[field]
            # A list that is null is in no answer where nulls may be missing.
            absent = here is None and FIELDS[name][field].startswith("Coll") and licence.profile.get("omits_nulls")
            same = type(here) is type(value) and here == value and not absent
            if same and _is_closed_to(licence, found, request, entry, field, value) is not None:
                passed.add(field)
        elif (
            value is None
            and licence.redaction == "null"
            and not FIELDS[name][field].startswith("Coll")
            and ever_shows(licence, name, field)
        ):
            passed.add(field)
    return passed


def _is_closed_to(licence: Licence, found: Low, request: Request, entry: Entry, field: str, value: Any) -> str | None:
    """Why a field cannot be written, or not with this value, on whichever record; None where it can."""
    name, writes = request["set"], entry.writes or {}
    creates = request["method"] == "POST"
    target = REFERENCES.get((name, field))
    known = [row[KEY[target]] for row in found.rows.get(target, [])] if target is not None else []
    if target is not None and value is not None and value not in known:
        return f"{field} names a row that does not exist for the key"
    own = licence.bindings.get(writes.get("Bound", {}).get(field, ""))
    if own is not None and value != own:
        return f"{field} is not the key's own"
    if field in writes["Control"]:
        return None
    if field not in writes["Fields"] or field not in FIELDS[name] or field in (KEY[name], "PhotosCount"):
        return f"{field} is not writable"
    fixed = {"PropertyType", *PARENTS.get(name, ())} if name != "Member" else set()
    if field in fixed and not creates:
        return f"{field} is fixed"
    if field in tested(licence, name) and field not in writes["PolicyFields"] and not (creates and field in fixed):
        return f"{field} decides what the key sees"
    if outside(licence, name, field, value):
        return f"{value!r} is outside the lookup of {field}"
    return None


def tested(licence: Licence, name: str) -> set[str]:
    """The fields on which it hangs what a key sees of a set."""
    found = {field for rule in row_rules(licence, name) for field in names(rule)}
    rows: list[Row] = [{"PropertyType": group} for group in CLASSES] if name == "Property" else []
    for member in (*FIELDS[name], *navigations(name)):
        if ever_shows(licence, name, member):
            for row in (*rows, {"PropertyType": None}):
                for rule in rules_for(licence, name, row, member):
                    found.update(names(rule[1]) if rule[0] == "W" else ())
    return found


def forbidden(licence: Licence, found: Low, request: Request) -> str | None:
    """Why a write that was done must not have been; None where it may.

    Args:
        found: what the licence permits of the database before it.
    """
    name, method = request["set"], request["method"]
    entry = licence.sets.get(name)
    if entry is None or entry.writes is None or method not in entry.writes["Methods"]:
        return "the method is not allowed"
    if name == "Media" and licence.limit is not None:
        return "photos are read-only under a limit"
    before: Row = {}
    if method != "POST":
        rows = [row for row in found.rows[name] if row[KEY[name]] == request["key"]]
        if not rows:
            return "the row does not exist for the key"
        before = rows[0]
    if method == "DELETE":
        return "which rows follow it would be told" if _is_followed_unseen(licence, name) else None
    return _forbidden_body(licence, found, request, entry, before)


def _forbidden_body(licence: Licence, found: Low, request: Request, entry: Entry, before: Row) -> str | None:
    name, writes = request["set"], entry.writes or {}
    passed = passed_over(licence, found, request)
    body = {field: value for field, value in request["body"].items() if field not in passed}
    creates = request["method"] == "POST"
    after = {**(DEFAULTS.get(name, {}) if creates else before), **body}
    # Of a new row nothing is known but what is said: what hangs on the rest must be so whatever that is.
    made = [{**dict.fromkeys(FIELDS[name], value), **after} for value in (None, "x")]
    images = made if creates else [before, after]
    for field, value in body.items():
        reason = _is_closed_to(licence, found, request, entry, field, value)
        if reason is not None:
            return reason
        if field not in writes["Control"] and not all(shows(licence, name, image, field) for image in images):
            return f"{field} is not visible before and after"
    if not body:
        return "nothing is to be written"
    if any(request["body"].get(field) is None for field in writes["Required"].get(request["method"], ())):
        return "a required field is missing"
    if creates and name in PARENTS and not _has_parent(found, name, after):
        return "the row names no parent that exists for the key"
    excused = writes["CreateOutside"] if creates else writes["AllowLeaving"] and not _is_followed_unseen(licence, name)
    if not excused and not all(
        _holds(licence, name, rule, after, creates=creates) for rule in row_rules(licence, name)
    ):
        return "the row does not satisfy the rule after it"
    if not creates:
        for member in (*FIELDS[name], *navigations(name)):
            if shows(licence, name, after, member) and not shows(licence, name, before, member):
                return f"{member} becomes visible"
    return None


def _holds(licence: Licence, name: str, rule: Any, row: Row, *, creates: bool) -> bool:
    """Of a new row nothing is known but what is said: what hangs on the rest must be so whatever that is. Its key is
    nobody's choice: what hangs on that and on nothing else is not held against the body."""
    if not creates:
        return holds(rule, row, licence.meaning) is True
    for part in _conjuncts(rule):
        looked_at = set(names(part))
        if looked_at and looked_at <= {KEY[name]}:
            continue
        for fill in (lambda _: None, lambda field: _some_value(name, field)):
            if holds(part, {**{field: fill(field) for field in looked_at}, **row}, licence.meaning) is not True:
                return False
    return True


def _is_followed_unseen(licence: Licence, name: str) -> bool:
    """Whether rows of another set go where a row goes, and do not show whom they follow."""
    followers = {"Property": ("Media", "OpenHouse"), "Member": ("Media",)}.get(name, ())
    return any(
        child in licence.sets and not all(always_shows(licence, child, field) for field in PARENTS[child])
        for child in followers
    )


def _conjuncts(rule: Any) -> list[Any]:
    """The parts that must all hold, a denied alternative among them."""
    match rule:
        case ["and", *terms]:
            return [part for term in terms for part in _conjuncts(term)]
        case ["not", ["or", *terms]]:
            return [part for term in terms for part in _conjuncts(["not", term])]
        case ["not", ["not", term]]:
            return _conjuncts(term)
    return [rule]


def _some_value(name: str, field: str) -> Any:
    return next((value for value in DOMAINS.get(field, KEYS.get(name, ())) if value is not None), "x")


def _has_parent(found: Low, name: str, row: Row) -> bool:
    kind = str(row.get("ResourceName")) if name == "Media" else "Property"
    value = row.get("ResourceRecordKey" if name == "Media" else "ListingKey")
    rows = (
        [other for name in of_kind(kind) for other in found.rows.get(name, [])]
        if kind in ("Property", "Member")
        else []
    )
    return value in [other[KEY[kind]] for other in rows]


def after_write(world: World, request: Request, key: str | None) -> World:
    """The database after a write: what the write states, and nothing else.

    Args:
        key: of the row that was made.
    """
    name, method = request["set"], request["method"]
    other = dict(world)
    if method == "POST":
        row: Row = dict.fromkeys(FIELDS[name]) | DEFAULTS.get(name, {}) | request["body"]
        other[name] = [*world[name], {**row, KEY[name]: key}]
    elif method == "DELETE":
        other[name] = [row for row in world[name] if row[KEY[name]] != request["key"]]
    else:
        other[name] = [{**row, **request["body"]} if row[KEY[name]] == request["key"] else row for row in world[name]]
    return other
