"""What an operator may set beside trust, and what documents may say of one key: drawn beside the rest of a licence.

Each idea has a share of the cases and changes little, so that the rest of a case stays what it was. All of them draw
from a sequence of their own. ``settings.toml`` names for each setting how it is drawn, or why no answer tells of it.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gateway.policy.presets import PRESETS
from tests.proof.language import Expression, names
from tests.proof.licence import Entry, Licence, always_shows, class_field
from tests.proof.model import FIELDS, KEY, KIND, navigations
from tests.proof.worlds import make_atom, make_licence

#: Values of bindings: of rows that exist, of one that does not, and in another spelling.
_BINDINGS = {"MemberKey": ("M1", "M1", "M2", "M3", "M9", "m1", "A"), "OfficeKey": ("A", "A", "B", "A ", "A'B", "K1")}


def with_settings(rng: random.Random, licence: Licence) -> None:
    """Adds some of the ideas to a licence."""
    for likely, idea in _IDEAS:
        if rng.random() < likely:
            idea(rng, licence)


# --- documents


def _bindings(rng: random.Random, licence: Licence) -> None:
    """Rules and conditions that name what the key is bound to; the key may be bound to nothing."""
    for name, values in _BINDINGS.items():
        if rng.random() < 0.75:
            licence.bindings[name] = rng.choice(values)
    for _ in range(rng.choice((1, 1, 2))):
        name = rng.choice(["Property", "Property", *licence.sets])
        entry, rule = licence.sets[name], _bound(rng, name)
        roll = rng.random()
        if roll < 0.35:
            entry.filter = rule if entry.filter is None or rng.random() < 0.5 else ["or", entry.filter, rule]
        elif roll < 0.5:
            entry.always.append(rule)
        elif roll < 0.6:
            entry.lifted = rule
        elif roll < 0.65:
            licence.always.setdefault(KIND[name], []).append(rule)
        else:
            _conditional(rng, licence, name, rule)


def _bound(rng: random.Random, name: str) -> Expression:
    fields = {"Property": ["ListAgentKey", "ListAgentKey", "City"], "Member": ["MemberKey", "MemberFullName"]}
    every = [field for field, kind in FIELDS[name].items() if kind == "String"]
    field = rng.choice(fields.get(KIND[name], every))
    binding: Expression = ["bind", "OfficeKey" if field == "City" and rng.random() < 0.8 else "MemberKey"]
    roll = rng.random()
    if roll < 0.6:
        rule: Expression = ["cmp", "eq", ["f", field], binding]
    elif roll < 0.75:
        rule = ["cmp", "ne", ["f", field], binding]
    elif roll < 0.9:
        rule = ["in", ["f", field], [binding, ["s", "M2"]]]
    else:
        rule = ["pmc", "eq", binding, ["f", field]]
    return ["or", rule, make_atom(rng, name, rng.choice(every))] if rng.random() < 0.25 else rule


def _conditional(rng: random.Random, licence: Licence, name: str, rule: Expression) -> None:
    """Shows a member under a condition, by the template or by the role, for all records or those of one class."""
    entry = licence.sets[name]
    if not all(always_shows(licence, name, field) or not _is_named(licence, name, field) for field in names(rule)):
        return
    tested = {field for rules in _rules(entry) for said in rules.values() if said[0] == "W" for field in names(said[1])}
    free = [
        member
        for member in (*FIELDS[name], *navigations(name))
        if member not in (KEY[name], class_field(licence, name), *tested, *names(rule))
    ]
    if not free:
        return
    member = rng.choice(free)
    groups = ["All"] if class_field(licence, name) is None or rng.random() < 0.35 else ["Residential", "Land"]
    if groups != ["All"] and not always_shows(licence, name, str(class_field(licence, name))):
        groups = ["All"]
    rules = entry.template if rng.random() < 0.7 else entry.role
    rules.setdefault(rng.choice(groups), {})[member] = ["W", rule]


def _rules(entry: Entry) -> list[dict[str, Any]]:
    return [*entry.role.values(), *entry.template.values()]


def _is_named(licence: Licence, name: str, field: str) -> bool:
    """Whether some document shows a field on some records."""
    return any(rules.get(field, ["H"])[0] != "H" for rules in _rules(licence.sets[name]))


def _when(rng: random.Random, licence: Licence) -> None:
    """A field that a template shows under a condition, of all records or of those of a class."""
    for _ in range(rng.choice((1, 2))):
        name = rng.choice(["Property", "Property", *licence.sets])
        fields = [
            field
            for field, kind in FIELDS[name].items()
            if always_shows(licence, name, field) and not kind.startswith("Coll")
        ]
        if fields:
            _conditional(rng, licence, name, make_atom(rng, name, rng.choice(fields)))


def _syndication(rng: random.Random, licence: Licence) -> None:
    field, values = rng.choice(
        (
            ("StandardStatus", ("Active", "Closed")), ("InternetAddressDisplayYN", (True, False)), ("ListPrice", (1, 2, 100)),
            ("Appliances", ("A", "B")), ("City", ("A", "B", "A'B")),
        )
    )  # fmt: skip
    licence.syndication = {
        "Mode": rng.choice(("opt_in", "opt_out")), "Field": field, "Value": rng.choice(values),
    }  # fmt: skip
    if rng.random() < 0.5:
        # A second set of listings, which a document need not call by its type.
        licence.sets.setdefault("Listings", _open(rng, "Listings"))


def _open(rng: random.Random, name: str) -> Entry:
    shown = {member: ["V"] for member in (*FIELDS[name], *navigations(name)) if rng.random() < 0.8}
    return Entry(role={"All": shown | ({"PropertyType": ["V"]} if "PropertyType" in FIELDS[name] else {})})


def _privilege(rng: random.Random, licence: Licence) -> None:
    """A set that only keys with the privilege see."""
    choices = [name for name in licence.sets if name not in ("Property", "Listings")]
    if choices:
        licence.privileged = [rng.choice(choices)]
        licence.has_privilege = rng.random() < 0.5


def _role_never(rng: random.Random, licence: Licence) -> None:
    """Fields that the role keeps from its own templates, also by a word for another set over the same records."""
    name = rng.choice([*licence.sets])
    fields = [field for field in FIELDS[name] if field not in (KEY[name], class_field(licence, name))]
    gone = rng.sample(fields, rng.choice((1, 2)))
    licence.role_never = {rng.choice((name, KIND[name])): gone}
    if KIND[name] != name and not set(gone) <= FIELDS[KIND[name]].keys():
        licence.role_never = {name: gone}
    for entry in licence.sets.values():
        for rules in entry.template.values():
            for field in gone:
                rules.pop(field, None)


def with_bounds(rng: random.Random, licence: Licence) -> None:
    """Fields that of a bound key must be its own, where it writes."""
    if rng.random() > 0.3:
        return
    for field, name in (("ListAgentKey", "MemberKey"), ("City", "OfficeKey")):
        writes = licence.sets["Property"].writes
        if writes is not None and field in writes["Fields"] and rng.random() < 0.8:
            writes["Bound"] = {**writes.get("Bound", {}), field: name}
        if rng.random() < 0.8:
            licence.bindings[name] = rng.choice(_BINDINGS[name])


# --- the upstream's profile


def _unsearchable(rng: random.Random, licence: Licence) -> None:
    """Fields that the upstream cannot search, of several sets; a rule of one is enforced here alone."""
    profile = licence.profile
    apart = {
        "Property": ("City", "StandardStatus", "ListPrice", "OwnerName", "InternetAddressDisplayYN", "PhotosCount"),
        "Media": ("MediaURL", "Permission", "MediaCategory", "Order"),
        "Member": ("MemberStatus", "MemberFullName"),
        "OpenHouse": ("OpenHouseType", "OpenHouseDate"),
        "Listings": ("City", "StandardStatus", "OwnerName"),
    }
    name = rng.choice([item for item in apart if item in licence.sets])
    fields = rng.sample(apart[name], rng.randint(1, 2))
    if rng.random() < 0.6:
        profile["unfilterable"] = {**profile.get("unfilterable", {}), name: fields}
        if rng.random() < 0.6:
            licence.sets[name].always.append(make_atom(rng, name, fields[0]))
    else:
        ties = {"ListAgentKey", "ListingKey", "ResourceName", "ResourceRecordKey", KEY[name]}
        kept = [field for field in FIELDS[name] if field in ties or field not in fields]
        profile["filterable"] = {**profile.get("filterable", {}), name: kept}
    profile["client_scan"] = rng.random() < 0.6


def _spelling(rng: random.Random, licence: Licence) -> None:
    """How long and how wide a question may be."""
    roll, profile = rng.random(), licence.profile
    if roll < 0.4:
        profile["or_max"] = rng.choice((0, 1, 2, 5))
    if roll > 0.3:
        profile["url_max"] = rng.choice((1024, 1100, 1300))
        profile["select"] = rng.choice(("omit", "explicit"))
    if rng.random() < 0.5:
        profile["in_operator"] = False


def _nulls(rng: random.Random, licence: Licence) -> None:
    """Nulls behind all values, and pages that go on behind one."""
    licence.profile["nulls"] = "last"
    if licence.profile.get("paging", "skip") == "skip" and rng.random() < 0.7:
        licence.profile["order_exact"] = {
            "Property": ["ListingKey", "ListPrice", "PhotosCount", "ModificationTimestamp"]
        }
        licence.page_size = rng.choice((1, 2))


def _classes(rng: random.Random, licence: Licence) -> None:
    """Classes by another field, or of another set."""
    name, field, values = rng.choice(
        (
            ("Property", "City", {"Residential": ["A", "a"], "Land": ["B"]}),
            ("Media", "MediaCategory", {"Residential": ["Photo"], "Land": ["Video"]}),
            ("Member", "MemberStatus", {"Residential": ["Active"], "Land": ["Inactive"]}),
        )
    )  # fmt: skip
    if name not in licence.sets:
        return
    licence.profile["class_field"] = {name: field}
    licence.profile["class_values"] = {**licence.profile.get("class_values", {}), **values}
    for other, entry in licence.sets.items():
        if KIND[other] != name:
            continue
        for rules in _rules(entry):
            rules.pop(field, None)
        entry.role.setdefault("All", {})[field] = ["V"]
    members = [member for member in FIELDS[name] if member not in (KEY[name], field)]
    for group in ("Residential", "Land"):
        entry = licence.sets[name]
        tested = {
            item for rules in _rules(entry) for rule in rules.values() if rule[0] == "W" for item in names(rule[1])
        }
        free = [member for member in members if member not in tested]
        if free:
            entry.role.setdefault(group, {})[rng.choice(free)] = rng.choice((["V"], ["H"]))


def _distrust(rng: random.Random, licence: Licence) -> None:
    kinds = ("counts", "Media/nested", "nested", "Property/comparisons", "string_equality", "Property/patterns")
    licence.profile["distrusted"] = rng.sample(kinds, rng.choice((1, 2)))
    licence.profile["confirmed"] = "a day"


def _preset(rng: random.Random, licence: Licence) -> None:
    """A preset by its name and nothing else, as an operator begins."""
    kept = {"embedded": licence.profile.get("embedded")} if rng.random() < 0.5 else {}
    name = rng.choice(sorted(PRESETS))
    profile = copy.deepcopy(dict(PRESETS[name]))
    licence.profile = {"preset": name, **profile, **{key: value for key, value in kept.items() if value}}


def _link_hosts(rng: random.Random, licence: Licence) -> None:
    """Next links that lead to another host. It is a canary like the upstream's own."""
    host = {"url": "https://pages.upstream.example/odata", "credential": rng.random() < 0.5}
    licence.profile["link_hosts"] = [host]
    licence.profile["paging"] = rng.choice(("next_link", "link_header"))
    licence.profile.pop("order_exact", None)


def _photo_sizes(rng: random.Random, licence: Licence) -> None:
    licence.profile["photo_sizes"] = True
    if licence.limit is None:
        licence.limit = rng.choice((1, 2))


# --- other sections


def _requests(rng: random.Random, licence: Licence) -> None:
    choices: tuple[tuple[str, tuple[Any, ...]], ...] = (
        ("requests.expand_depth", (1, 2, 5)), ("requests.max_link", (1024, 1300, 1700, 2500)), ("requests.max_target", (1400,)),
        ("requests.max_body", (1024,)), ("requests.max_headers", (1024,)), ("requests.plus_is_space", (False,)),
        ("requests.gzip", (False,)), ("requests.page_size", (1, 4, 7)), ("security.token_lifetime", (60,)),
    )  # fmt: skip
    for name, values in rng.sample(choices, rng.choice((1, 2))):
        licence.settings[name] = rng.choice(values)
    if "requests.max_target" in licence.settings:
        licence.settings["requests.max_link"] = 1024  # a link that cannot be followed is none
    licence.page_size = licence.settings.pop("requests.page_size", licence.page_size)


def _limits(rng: random.Random, licence: Licence) -> None:
    """Rate limits that no request reaches: what is left of them is in every answer."""
    windows = {kind: {rng.choice((1, 60, 3600)): 10**7} for kind in ("requests", "records", "bytes")}
    windows["concurrent"] = 5  # type: ignore[assignment]  # beside windows
    place = rng.choice(("limits.default", "limits.keys", "limits.roles"))
    owner = {"limits.default": None, "limits.keys": "k", "limits.roles": "idx"}[place]
    licence.settings[place] = windows if owner is None else {owner: windows}


def _follows(rng: random.Random, licence: Licence) -> None:
    licence.settings["policy.follows"] = {rng.choice(("OpenHouse", "OpenHouse", "Media")): "independent"}


def _never(rng: random.Random, licence: Licence) -> None:
    """Fields that the gateway keeps from every key."""
    name = rng.choice([name for name in licence.sets if name == KIND[name]])
    fields = [field for field in FIELDS[name] if field not in (KEY[name], class_field(licence, name))]
    gone = rng.sample(fields, rng.choice((1, 2)))
    licence.never = {**licence.never, name: [*licence.never.get(name, ()), *gone]}
    for entry in licence.sets.values():
        for rules in entry.template.values():
            for field in gone:
                rules.pop(field, None)


_IDEAS: tuple[tuple[float, Callable[[random.Random, Licence], None]], ...] = (
    (0.05, _preset), (0.08, _unsearchable), (0.06, _spelling), (0.06, _nulls), (0.04, _classes), (0.05, _distrust),
    (0.04, _photo_sizes), (0.04, _link_hosts), (0.06, _requests), (0.06, _limits), (0.04, _follows), (0.05, _never), (0.05, _role_never),
    (0.1, _bindings), (0.15, _when), (0.1, _syndication), (0.06, _privilege),
)  # fmt: skip


# --- a second key


def beside(seed: int, licence: Licence) -> Licence | None:
    """The licence of a second key in some cases: of another role and template over the same data, of the same documents
    with other bindings or without the privilege. What the gateway says for all keys it says for both."""
    rng = random.Random(f"beside {seed}")
    if rng.random() > 0.2:
        return None
    if (licence.bindings or licence.privileged) and rng.random() < 0.7:
        bound = {name: rng.choice(_BINDINGS[name]) for name in _BINDINGS if rng.random() < 0.6}
        other = copy.deepcopy(licence)
        return replace(other, bindings=bound, has_privilege=not licence.has_privilege)
    made = make_licence(rng)
    made = replace(
        copy.deepcopy(licence),
        sets=made.sets,
        limit=made.limit,
        strict=made.strict,
        bindings={},
        privileged=[],
        has_privilege=False,
        syndication=None,
        role_never={},
    )
    for likely, idea in ((0.3, _bindings_of_documents), (0.3, _syndication), (0.2, _privilege), (0.3, _when)):
        if rng.random() < likely:
            idea(rng, made)
    field_of_class = {KIND[name]: class_field(made, name) for name in made.sets}
    for name, entry in made.sets.items():
        for rules in entry.template.values():
            for field in (*licence.never.get(KIND[name], ()), *licence.never.get(name, ())):
                rules.pop(field, None)
        if field_of_class[KIND[name]] in licence.profile.get("class_field", {}).values():
            for rules in _rules(entry):
                rules.pop(str(field_of_class[KIND[name]]), None)
            entry.role.setdefault("All", {})[str(field_of_class[KIND[name]])] = ["V"]
    return made


def _bindings_of_documents(rng: random.Random, licence: Licence) -> None:
    """As ``_bindings``, but for what the gateway says for all keys."""
    always = copy.deepcopy(licence.always)
    _bindings(rng, licence)
    licence.always = always
