"""Random requests: half inside what is offered, a third just outside, the rest against the structure (CHANNELS 7.2).

A request is a dict, rendered last, so that a failing one can be cut down:

    {"path": "collection" | "count" | "entity" | "navigation" | "navigation count", "set", "key", "navigation",
     "options": {"filter", "orderby", "select", "expand", "top", "skip", "count"}, "post": bool, "prefer": size}
    {"path": "raw", "target", "method", "headers"}
    {"path": "swap" | "revalidate", "as"}  of two keys, see ``oracles.Keys``
    {"path": "follow", "edit": [position, character] or None, "as": "k" or "other"}
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from tests.abnf import SAMPLES
from tests.proof.language import Expression, names, text_of
from tests.proof.licence import Licence, always_shows, ever_shows
from tests.proof.model import FIELDS, KEY, KIND, NAVIGATION, World, navigations
from tests.proof.worlds import DOMAINS, KEYS, different_values, make_atom

Request = dict[str, Any]
ROOT = "/Reso/OData"
SAFE = "$(),'=;:@*!/-._~"
#: Forms just outside of what is offered, and what each is a way to leak by. ``~`` is a name, ``^`` a value.
FORMS: tuple[tuple[str, str], ...] = (
    ("Property?$filter=~ eq ListPrice", "C27"), ("Property?$filter=ListPrice lt ~", "C27"), ("Property?$filter=1 div ~ gt 0", "C29"),
    ("Property?$filter=1 div (ListPrice sub ^) gt 0", "C29"), ("Property?$filter=~ add 1 gt ^", "C28"), ("Property?$filter=cast(~,Edm.Int32) eq ^", "C30"),
    ("Property?$filter=isof(~,'Edm.String')", "C30"), ("Property?$filter=substring(~,1) eq '^'", "C32"), ("Property?$filter=matchesPattern(~,'^')", "C31"),
    ("Property?$filter=ListAgent/~ eq '^'", "C35"), ("Property?$filter=Media/any(m:m/~ gt ^)", "C36"), ("Property?$filter=Media/all(m:m/Order lt ^)", "C36"),
    ("Property?$filter=Media/any()", "C36"), ("Property?$filter=Media/any(m:~ eq m/Order)", "C37"), ("Property?$filter=OpenHouse/any(o:o/~ eq '^')", "C36"),
    ("Property?$filter=OpenHouse/any(o:~ eq '^')", "C37"), ("Property?$filter=Appliances/any(~:~ eq '^')", "C38"), ("Property?$filter=Media/$count gt ^", "C39"),
    ("Property?$filter=Media('^')/~ eq 1", "C40"), ("Property?$filter=$root/Property('^')/~ eq 1", "C41"), ("Property?$filter=$it/~ eq '^'", "C42"),
    ("Property?$filter=~ eq @p&@p='^'", "C43"), ("Property?$filter=City eq @p&@p=~", "C43"), ("Property?$filter=@p&@p=~ eq 1", "C43"),
    ("Property?$filter=@Core.~ eq 1", "C44"), ("Property?$filter=~/$count eq 1", "C39"), ("Property?$filter=case(~ eq ^:true,true:false)", "C46"),
    ("Property?$filter=5 in ~", "C48"), ("Property?$filter=P.~(a=1) eq 1", "C49"), ("Property?$filter=not (~ eq '^')", "C62"),
    ("Property?$filter=City eq 'A' or ~ eq '^'", "C25"), ("Property?$filter=not (City eq 'A' and not (~ gt ^))", "C62"), ("Property?$filter=~ eq null", "C62"),
    ("Property?$orderby=~", "C64"), ("Property?$orderby=~ desc,City", "C65"), ("Property?$orderby=ListAgent/~", "C67"), ("Property?$orderby=Media/$count", "C68"),
    ("Property?$orderby=length(~)", "C66"), ("Property?$select=~", "C1"), ("Property?$select=City,~", "C1"), ("Property?$select=*,~", "C1"),
    ("Property?$select=ListAgent/~", "C5"), ("Property?$select=P.~", "C5"), ("Property?$expand=~", "C9"), ("Property?$expand=*", "C12"),
    ("Property?$expand=Media($filter=~ eq '^')", "C16"), ("Property?$expand=Media($orderby=~)", "C17"), ("Property?$expand=Media($select=~)", "C16"),
    ("Property?$expand=Media($levels=2)", "C13"), ("Property?$expand=Media/$ref", "C14"), ("Property?$expand=Media/$count", "C15"),
    ("Property?$expand=ListAgent($select=~)", "C11"), ("Property?$expand=OpenHouse($expand=Listing($select=~))", "C24"),
    ("Property?$expand=Media($compute=~ as x)", "C19"), ("Property?$expand=Media($filter=$it/~ eq 1)", "C16"), ("Property?$apply=aggregate(~ with max as x)", "C76"),
    ("Property?$compute=~ as x", "C80"), ("Property?$search=^", "C74"), ("Property?$count=true&$filter=~ gt ^", "C82"),
    ("Property/$count?$filter=~ gt ^", "C82"), ("Property/$count?$search=^", "C74"), ("Property('^')/~", "C99"), ("Property('^')/~/$value", "C99"),
    ("Property('^')/ListAgent/~", "C100"), ("Property('^')/Media('^')", "C100"), ("Property(~='^')", "C104"), ("Property('^')/$value", "C117"),
    ("Property('^')/Media/$ref", "C103"), ("~", "C118"), ("~/$count", "C118"), ("~('^')", "C118"), ("Property/P.~", "C116"), ("$all", "C110"),
    ("$crossjoin(Property,~)", "C111"), ("$entity?$id=Property('^')", "C109"), ("$batch", "C121"), ("Property/$each", "C112"),
    ("Property?$skiptoken=^", "C91"), ("Property?$deltatoken=^", "C91"), ("Property?$filter=~ eq '^'&$filter=City eq 'A'", "C130"),
    ("Property?$FILTER=~ eq '^'", "C129"), ("Property?filter=~ eq '^'", "C129"), ("Property?%24filter=~%20eq%20'^'", "C131"), ("Property?$filter=~%2520eq 1", "C132"),
    ("Property?$filter=~+eq+'^'", "C133"), ("Property?$top=0&$count=true&$filter=~ eq '^'", "C84"), ("Property?$format=xml", "C162"),
    ("Property?$schemaversion=^", "C166"), ("Property?~=^", "C114"), ("Property?$id=~", "C109"), ("Property;~=1", "C136"), ("Property//~", "C137"),
    ("./Property/../~", "C137"), ("property", "C51"), ("Property?$filter=city eq 'A'", "C51"), ("$metadata", "C165"), ("", "C167"),
    ("$metadata?$format=json", "C162"), ("Media?$filter=ResourceRecordKey eq '^'&$orderby=Order desc", "C222"), ("Media/$count?$filter=ResourceRecordKey eq '^'", "C222"),
    ("Media?$filter=~ eq '^'", "C25"), ("OpenHouse?$filter=~ eq '^'", "C25"), ("Member?$filter=~ eq '^'", "C25"), ("Media('^')", "C98"), ("Member('^')", "C98"),
    ("Field?$filter=FieldName eq '~'", "C169"), ("Lookup", "C169"), ("Property?$filter=contains(City,'^\\')", "C277"), ("Property?$filter=contains('^',~)", "C278"),
    ("Property?$filter=startswith(City,~)", "C278"), ("Property?$filter=geo.distance(~,geography'POINT(0 0)') lt ^", "C34"), ("Property?$filter=ModificationTimestamp lt now() sub duration'P^D'", "C59"),
    ("Property?$filter=~ in ('^',null)", "C48"), ("Property?$filter=not (~ in (null,'^'))", "C62"), ("Property?$filter=contains(~,'^') eq true", "C26"),
    ("Property?$filter=true ne startswith(~,'^')", "C26"), ("Property?$filter=contains(~,tolower('^')) eq false", "C26"), ("Property?$filter=~ eq tolower('^')", "C26"),
    ("Property?$filter=concat('^','^') eq ~", "C26"), ("Property?$filter=length('^') lt ~", "C33"), ("Property?$filter=contains(City,'^') eq ~", "C27"),
    ("Property/?$filter=~ eq '^'&", "C142"), ("Property?&&$filter=~ eq '^'&&", "C142"), ("Property?", "C142"), ("~/", "C137"), ("Property('^')/~/", "C137"),
    ("Property('^')/", "C137"), ("Property?$count=TRUE&$filter=~ eq False", "C82"), ("Property?$select=~&$format=application/json;metadata=none;IEEE754Compatible=true", "C162"),
    ("Property?$format=application/json;IEEE754Compatible=true&$count=true", "C162"), ("Property?$filter=hassubset(~,['^'])", "C45"), ("Property?$filter=~ has '^'", "C47"), ("Property?$filter=(~ eq ^) eq true", "C61"),
)  # fmt: skip
#: What each part of a request inside the grammar is a way to leak by.
PARTS = {
    "filter": "C25 C54 C55", "not": "C62 C341", "orderby": "C70 C71 C72", "select": "C2", "expand Media": "C10 C222 C223", "expand OpenHouse": "C10 C334",
    "expand ListAgent": "C11 C230", "expand Listing": "C13 C24", "nested filter": "C17 C348", "nested orderby": "C18", "nested top": "C18 C223", "nested count": "C15 C356",
    "top": "C85 C87", "skip": "C86 C371", "count": "C82 C83 C289", "count path": "C82", "entity": "C98 C293", "navigation": "C100 C297", "navigation count": "C102", "post": "C113",
    "prefer": "C179", "follow": "C87 C88 C89 C286", "tampered": "C89", "other key": "C89 C90", "lambda": "C338 C36", "conditional": "C238 C239 C342", "media": "C222 C333",
}  # fmt: skip
_METHODS = ("HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "MERGE")
_HEADERS = (
    ("Accept", "application/json;odata.metadata=full"), ("Accept", "application/json;IEEE754Compatible=true"), ("Accept", "application/json;metadata=none"),
    ("Accept", "application/xml;q=0, application/json;odata.metadata=full, */*;q=0.1"), ("OData-Version", "3.0"), ("Isolation", "snapshot"), ("Expect", "100-continue"),
    ("Accept", "text/html"), ("OData-MaxVersion", "4.0"), ("Prefer", "omit-values=nulls"),
    ("Prefer", "return=minimal"), ("If-None-Match", "*"), ("If-Match", "*"), ("X-HTTP-Method-Override", "DELETE"), ("Accept-Encoding", "gzip"),
    ("Range", "bytes=0-1"), ("Host", "evil.example"), ("X-Forwarded-Host", "evil.example"), ("OData-Isolation", "snapshot"),
)  # fmt: skip


class Maker:
    """Requests against one pair of databases; names and values are drawn from what tells the two apart."""

    def __init__(self, rng: random.Random, licence: Licence, one: World, two: World) -> None:
        self.rng = rng
        self.licence = licence
        self.different = different_values(one, two)
        keys = [
            key
            for name in ("ListingKey", "MediaKey", "OpenHouseKey", "MemberKey")
            for key in self.different.get(name, [])
        ]
        self.keys = [key for key in keys if isinstance(key, str)] + list(KEYS["Property"][:5])
        self.sets = [name for name in FIELDS if name in licence.sets]
        self.visible = {
            name: [field for field in FIELDS[name] if ever_shows(licence, name, field)] for name in self.sets
        }
        self.hidden = {
            name: [field for field in (*FIELDS[name], *navigations(name)) if not ever_shows(licence, name, field)]
            for name in self.sets
        }
        self.conditional = {
            name: [field for field in self.visible[name] if not always_shows(licence, name, field)]
            for name in self.sets
        }
        self.busy: list[str] = []
        if "Media" in licence.sets and ever_shows(licence, "Property", "Media"):
            owners = [row["ResourceRecordKey"] for row in one["Media"] if row["ResourceName"] == "Property"]
            self.busy = [key for key in owners if isinstance(key, str) and owners.count(key) > 2]
        self.used: set[str] = set()
        self.productions: set[str] = set()
        #: Sets that are read more often than others.
        self.favoured: list[str] = []

    def make(self) -> Request:
        roll = self.rng.random()
        if roll < 0.6:
            return self.inside()
        if roll < 0.82:
            return self.outside()
        if roll < 0.9:
            return self.structural()
        return self.follow()

    # --- inside

    def inside(self) -> Request:
        rng = self.rng
        if self.busy and rng.random() < 0.2:
            return self._photos()
        # Where a list stands in records, the set of its rows is another way to them.
        likely = ["Media"] * 3 if self.licence.profile.get("embedded") and "Media" in self.sets else []
        name = rng.choice((*self.sets, *["Property"] * 3, *likely, *self.favoured))
        roll = rng.random()
        if roll < 0.1:
            return self._note(
                "entity", {"path": "entity", "set": name, "key": self.key(name), "options": self._chosen(name)}
            )
        if roll < 0.2 and navigations(name):
            navigation = rng.choice(navigations(name))
            if ever_shows(self.licence, name, navigation):
                return self._navigation(name, navigation)
        if roll < 0.28:
            options = {"filter": self.expression(name)} if rng.random() < 0.8 else {}
            return self._note("count path", {"path": "count", "set": name, "options": options})
        options = self.options(name)
        request: Request = {"path": "collection", "set": name, "options": options}
        if name == "Media" and rng.random() < 0.5:
            pin: Expression = ["cmp", "eq", ["f", "ResourceRecordKey"], ["s", self.key("Property")]]
            options["filter"] = ["and", pin, options["filter"]] if "filter" in options else pin
            self.used.add("media")
        if rng.random() < 0.08:
            request["post"] = True
            self.used.add("post")
        if rng.random() < 0.08:
            request["prefer"] = rng.choice((1, 2, 5))
            self.used.add("prefer")
        return request

    def _photos(self) -> Request:
        """The photos of a listing that has many, by every way that leads to them."""
        rng = self.rng
        self.used.add("media")
        key = rng.choice(self.busy)
        options = self.options("Media", depth=3)
        roll = rng.random()
        if roll < 0.5:
            item = {"navigation": "Media", "options": options}
            pin: Expression = ["cmp", "eq", ["f", "ListingKey"], ["s", key]]
            return self._note(
                "expand Media", {"path": "collection", "set": "Property", "options": {"filter": pin, "expand": [item]}}
            )
        if roll < 0.65:
            below = {"filter": options["filter"]} if "filter" in options else {}
            request = {
                "path": "navigation count",
                "set": "Property",
                "key": key,
                "navigation": "Media",
                "options": below,
            }
            return self._note("navigation count", request)
        if roll < 0.8:
            request = {"path": "navigation", "set": "Property", "key": key, "navigation": "Media", "options": options}
            return self._note("navigation", request)
        if roll < 0.88 and ever_shows(self.licence, "Media", "ResourceRecordKey"):
            pin = ["cmp", "eq", ["f", "ResourceRecordKey"], ["s", key]]
            options["filter"] = ["and", pin, options["filter"]] if "filter" in options else pin
            return {"path": rng.choice(("collection", "collection", "count")), "set": "Media", "options": options}
        return {"path": "collection", "set": "Property", "options": {"filter": self._lambda("Property", "Media")}}

    def _navigation(self, name: str, navigation: str) -> Request:
        target, is_list = NAVIGATION[name, navigation][1], NAVIGATION[name, navigation][3]
        request: Request = {
            "path": "navigation",
            "set": name,
            "key": self.key(name),
            "navigation": navigation,
            "options": {},
        }
        if is_list and self.rng.random() < 0.4:
            request["path"] = "navigation count"
            if self.rng.random() < 0.5:
                request["options"] = {"filter": self.expression(target)}
            return self._note("navigation count", request)
        request["options"] = self.options(target, depth=2) if is_list else self._chosen(target)
        return self._note("navigation", request)

    def _note(self, part: str, request: Request) -> Request:
        self.used.add(part)
        return request

    def _chosen(self, name: str) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if self.rng.random() < 0.5:
            options["select"] = self._names(name)
        if self.rng.random() < 0.4:
            options |= self._expand(name, 1)
        return options

    def _names(self, name: str) -> list[str]:
        visible = self.visible[name]
        return self.rng.sample(visible, min(len(visible), self.rng.randint(1, 3)))

    def options(self, name: str, depth: int = 1) -> dict[str, Any]:
        rng = self.rng
        options: dict[str, Any] = {}
        if rng.random() < (0.75 if depth == 1 else 0.4):
            options["filter"] = self.expression(name)
            self.used.add("filter" if depth == 1 else "nested filter")
        if rng.random() < 0.4:
            fields = [field for field in self.visible[name] if not FIELDS[name][field].startswith("Coll")]
            chosen = rng.sample(fields, min(len(fields), rng.randint(1, 2)))
            options["orderby"] = [[field, rng.random() < 0.5] for field in chosen]
            self.used.add("orderby" if depth == 1 else "nested orderby")
        if rng.random() < 0.4:
            options["select"] = self._names(name)
            embedded = [
                item
                for item in self.licence.profile.get("embedded", {}).get(KIND[name], ())
                if ever_shows(self.licence, name, item)
            ]
            if embedded and rng.random() < 0.5:
                options["select"].append(rng.choice(embedded))
            self.used.add("select")
        if rng.random() < (0.35 if depth == 1 else 0.15) and depth < 3:
            options |= self._expand(name, depth)
        if rng.random() < 0.3:
            options["top"] = rng.choice((0, 1, 2, 3, 7))
            self.used.add("top" if depth == 1 else "nested top")
        if rng.random() < 0.15:
            options["skip"] = rng.choice((0, 1, 2, 5))
            self.used.add("skip")
        if rng.random() < 0.25:
            options["count"] = True
            self.used.add("count" if depth == 1 else "nested count")
        return options

    def _expand(self, name: str, depth: int) -> dict[str, Any]:
        shown = [item for item in navigations(name) if ever_shows(self.licence, name, item)]
        if not shown:
            return {}
        items = []
        for navigation in self.rng.sample(shown, min(len(shown), self.rng.choice((1, 1, 2)))):
            target, is_list = NAVIGATION[name, navigation][1], NAVIGATION[name, navigation][3]
            options = self.options(target, depth + 1) if is_list else {}
            if not is_list:
                options = {"select": self._names(target)} if self.rng.random() < 0.5 else {}
                if depth < 3 and self.rng.random() < 0.4:
                    options |= self._expand(target, depth + 1)
            items.append({"navigation": navigation, "options": options})
            self.used.add(f"expand {navigation}")
        return {"expand": items}

    def expression(self, name: str, depth: int = 0) -> Expression:
        rng = self.rng
        roll = rng.random()
        if depth < 3 and roll < 0.25:
            return [rng.choice(("and", "or")), self.expression(name, depth + 1), self.expression(name, depth + 1)]
        if depth < 3 and roll < 0.4:
            self.used.add("not")
            return ["not", self.expression(name, depth + 1)]
        if depth == 0 and roll > 0.8 and self.conditional[name]:
            return self._guarded(name)
        if roll < 0.48:
            lists = [
                item for item in navigations(name) if NAVIGATION[name, item][3] and ever_shows(self.licence, name, item)
            ]
            if lists:
                return self._lambda(name, rng.choice(lists))
        field = rng.choice(self.visible[name])
        values = self.different.get(field)
        drawn = [*values, *DOMAINS.get(field, ())] if values and rng.random() < 0.7 else None
        atom = make_atom(rng, name, field, drawn)
        if atom[0] == "test" and atom[3][0] == "s" and rng.random() < 0.08:
            atom[3] = ["s", atom[3][1] + "\\"]
        return atom

    def _guarded(self, name: str) -> Expression:
        """Of fields that are shown on some records only, two of them where there are two."""
        self.used.add("conditional")
        fields = self.rng.sample(self.conditional[name], min(2, len(self.conditional[name])))
        terms = [make_atom(self.rng, name, field, self.different.get(field)) for field in fields]
        terms = [["not", term] if self.rng.random() < 0.3 else term for term in terms]
        return terms[0] if len(terms) == 1 else [self.rng.choice(("and", "or", "or")), *terms]

    def _lambda(self, name: str, navigation: str) -> Expression:
        self.used.add("lambda")
        target = NAVIGATION[name, navigation][1]
        if self.rng.random() < 0.3:
            return ["some", navigation, None]
        fields = [field for field in self.visible[target] if not FIELDS[target][field].startswith("Coll")]
        # What only one of the databases has, where there is such a thing.
        field = self.rng.choice([field for field in fields if field in self.different] or fields)
        inner = make_atom(self.rng, target, field, self.different.get(field))
        return [self.rng.choice(("some", "every")), navigation, inner]

    def key(self, name: str) -> Any:
        if FIELDS[name][KEY[name]] != "String":
            return self.rng.choice([*self.different.get(KEY[name], []), *KEYS[name], *KEYS[name]])
        return self.rng.choice([*self.keys, *self.keys, *KEYS[name]])

    # --- outside

    def outside(self) -> Request:
        rng = self.rng
        form, channel = rng.choice(FORMS)
        self.used.add(channel)
        name = next((item for item in FIELDS if form.startswith(item)), "Property")
        word = self.name_for(name if name in self.sets else "Property")
        return {"path": "raw", "target": form, "name": word, "value": self.value()}

    def name_for(self, name: str) -> str:
        """A name that a client may try: a hidden one, one of the fields that differ, a visible one."""
        rng = self.rng
        hidden = self.hidden.get(name, [])
        roll = rng.random()
        if hidden and roll < 0.6:
            return rng.choice(hidden)
        if self.different and roll < 0.8:
            return rng.choice(sorted(self.different))
        return rng.choice(sorted(FIELDS[name]))

    def value(self) -> str:
        values = [value for several in self.different.values() for value in several if isinstance(value, str | int)]
        texts = [str(value) for value in values if len(str(value)) < 30 and "\ud800" not in str(value)] or ["K1"]
        text = self.rng.choice(texts)
        return self.rng.choice(
            (text, text, text[:1], text.swapcase(), text + " ", self.rng.choice(self.keys), "1", "0")
        )

    # --- structure

    def structural(self) -> Request:
        rng = self.rng
        roll = rng.random()
        if roll < 0.5:
            sample = rng.choice(SAMPLES)
            self.productions.update(sample.productions.split())
            target = sample.target
            for old, new in (("L1", self.key("Property")), ("AccessibilityFeatures", "Appliances"), ("A1", "M1")):
                target = target.replace(old, new)
            request: Request = {"path": "raw", "target": target, "method": sample.method}
            if sample.header:
                request["headers"] = [list(sample.header)]
            return request
        inner = self.inside()
        if roll < 0.7:
            return {"path": "bytes", "of": inner, "edits": [self._edit() for _ in range(rng.randint(1, 2))]}
        if roll < 0.85:
            return {**inner, "headers": [list(rng.choice(_HEADERS))]}
        return {**inner, "method": rng.choice(_METHODS)}

    def _edit(self) -> list[Any]:
        rng = self.rng
        kind = rng.choice(("encode", "twice", "case", "insert", "double", "cut", "swap"))
        return [
            kind,
            rng.random(),
            rng.choice(
                ("%", "'", "(", ")", "/", ";", "&", "$", " ", "+", "\\", "=", ",", "%00", "%0A", "é", "@", "#", "?")
            ),
        ]

    def follow(self) -> Request:
        roll = self.rng.random()
        if roll < 0.6:
            return self._note("follow", {"path": "follow"})
        if roll < 0.8:
            return self._note("tampered", {"path": "follow", "edit": [self.rng.random(), self.rng.choice("AZaz09_-=")]})
        return self._note("other key", {"path": "follow", "as": "other"})


# --- rendering


def target_of(request: Request) -> str:
    """The request target below the service root, encoded as clients do."""
    match request["path"]:
        case "raw":
            text = (
                request["target"]
                .replace("~", request.get("name", "City"))
                .replace("^", _doubled(request.get("value", "1")))
            )
            return text if "%" in text else quote(text, safe=SAFE + "?&#+\\%")
        case "bytes":
            return edited(target_of(request["of"]), request["edits"])
    parts = [request["set"]]
    if request["path"] in ("entity", "navigation", "navigation count"):
        parts[0] += f"({key_text(request['set'], request['key'])})"
    if request["path"].startswith("navigation"):
        parts.append(request["navigation"])
    if request["path"].endswith("count"):
        parts.append("$count")
    if request.get("post"):
        parts.append("$query")
        return "/".join(parts)
    query = query_of(request)
    return "/".join(parts) + ("?" + query if query else "")


def query_of(request: Request) -> str:
    return "&".join(f"{name}={quote(text, safe=SAFE)}" for name, text in _options(request["options"]))


def key_text(entity_set: str, key: Any) -> str:
    """A key as an address has it; one of another type than the set's stands there as the client has it."""
    if isinstance(key, str) and FIELDS[entity_set][KEY[entity_set]] != "Guid":
        return "'" + quote(_doubled(key), safe="'") + "'"
    return quote(str(key), safe="'")


def _doubled(key: str) -> str:
    return key.replace("'", "''")


def _options(options: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if "filter" in options:
        yield "$filter", text_of(options["filter"])
    if options.get("select"):
        yield "$select", ",".join(options["select"])
    if options.get("orderby"):
        yield "$orderby", ",".join(field + (" desc" if falling else "") for field, falling in options["orderby"])
    if options.get("expand"):
        yield "$expand", ",".join(_expanded(item) for item in options["expand"])
    for name in ("top", "skip"):
        if name in options:
            yield f"${name}", str(options[name])
    if options.get("count"):
        yield "$count", "true"


def _expanded(item: dict[str, Any]) -> str:
    inner = ";".join(f"{name}={text}" for name, text in _options(item["options"]))
    return f"{item['navigation']}({inner})" if inner else str(item["navigation"])


def edited(text: str, edits: list[list[Any]]) -> str:
    for kind, where, character in edits:
        place = int(where * len(text))
        before, here, after = text[:place], text[place : place + 1], text[place + 1 :]
        match kind:
            case "encode":
                here = quote(here, safe="") if quote(here, safe="") != here else "%" + here.encode().hex().upper()
            case "twice":
                here = "%25" + here.encode().hex().upper()
            case "case":
                here = here.swapcase()
            case "insert":
                here = quote(character, safe="%'()/;&$+=,@?") + here
            case "double":
                here += here
            case "cut":
                here = ""
            case "swap":
                here, after = after[:1], here + after[1:]
        text = before + here + after
    return text


def named(request: Request) -> list[str]:
    """The names that stand in a request of free form, for the twin with a fresh one."""
    return [request["name"]] if request["path"] == "raw" and "name" in request and "~" in request["target"] else []


def conditional(request: Request) -> set[str]:
    options = request.get("options", {})
    found = set(names(options["filter"])) if "filter" in options else set()
    return found | {field for field, _ in options.get("orderby", [])}
