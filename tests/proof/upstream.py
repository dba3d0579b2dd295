"""An upstream in memory, with the habits of real ones and of none (CHANNELS 7.2). It takes the place of HTTP.

Every habit is honest or hostile by what the profile in force declares of it.
"""

from __future__ import annotations

import json
import random
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote

from gateway.errors import Code
from gateway.policy.profile import LinkHost, Profile
from gateway.settings import Upstream
from gateway.upstream.client import Fetched, UnknownOutcomeError, UpstreamClient, UpstreamFailure, Written
from gateway.upstream.next_links import next_of
from tests.proof.language import EQUALITY, Expression, FailedOnRow, Meaning, Unreadable, holds, is_raw, names, read
from tests.proof.model import (
    DEFAULTS,
    FIELDS,
    KEY,
    KIND,
    NAVIGATION,
    Embedded,
    Row,
    World,
    children,
    metadata,
    text_sent,
)

URL = "http://upstream.example/odata"
#: Fields that tie rows together.
_TIES = frozenset(
    {*KEY.values(), *(edge[0] for edge in NAVIGATION.values()), *(edge[2] for edge in NAVIGATION.values())}
)
_TEXTS = re.compile("'(?:[^']|'')*'")
#: Stands in a body for bytes that are no JSON.
_RAW = re.compile(rb'"\\u0000raw:([0-9a-f]*)\\u0000"')


@dataclass(frozen=True)
class Habits:
    nulls: str = "odata"
    equality: str = "exact"
    like: bool = False
    #: A pattern that LIKE cannot read fails the request, once a row is compared with it.
    fails: bool = False
    #: Every predicate on every row, so that what fails on one row fails the request.
    eager: bool = False
    flat_lambdas: bool = False
    zone: int = 0
    dull_functions: bool = False
    #: Takes no notice of these options: filter, orderby, top, skip, nested, select.
    ignores: tuple[str, ...] = ()
    #: The most rows of a page, and of a nested list.
    page: int | None = None
    nested_page: int | None = None
    nested_count: str = "right"
    foreign_children: bool = False
    estimates: bool = False
    #: Members that nobody asked for and no model has, annotations, whole lists of rows.
    extra: bool = False
    auto_expand: bool = False
    absolute_links: bool = False
    #: Where a next link stands: in the body, in a Link header, or in both; how either names it.
    links: str = "both"
    relation: str = "next"
    link_member: str = "@odata.nextLink"
    #: Whether a nested list that is cut has a link, too.
    nested_links: bool = False
    #: Sort values of the last row in its cursors, as many servers have.
    telling_cursors: bool = False
    #: All that it has of that row in its cursors, however long; and as it is, where an address would have it encoded.
    growing: bool = False
    raw_links: bool = False
    #: Cuts pages without a word.
    silent: bool = False
    #: Digits of a fraction of a second that are printed; all are stored and compared.
    fraction: int | None = None
    omits_nulls: bool = False
    #: Sends display texts for members of enumerations.
    texts: bool = False
    twice: bool = False
    text_numbers: bool = False
    #: What one request in a few is answered with: the same on both sides, for the same request.
    trouble: tuple[str, ...] = ()
    #: A tag with each record, of all that is stored of it.
    tags: bool = False
    #: What writes are answered with, in turn; "" is done.
    write_trouble: tuple[str, ...] = ()
    #: What it says of a record that it has made: its address, none, or somebody else's.
    location: str = "right"
    #: Makes a record where a change meets none.
    upserts: bool = False

    @property
    def stands_still(self) -> bool:
        """Whether it may give the same page for ever, where pages begin behind values: it takes no notice of them, or
        prints less of them than it compares. That is no answer, so 502."""
        return "filter" in self.ignores or self.fraction is not None


def misreads(habits: Habits, profile: dict[str, Any]) -> bool:
    """Whether conditions mean something else to it than the profile declares, so that it may leave out what they
    select."""
    declared = profile.get
    return (
        (habits.equality != "exact" and declared("string_equality") not in (None, habits.equality))
        or (habits.equality == "exact" and declared("string_equality") in ("fold", "fold_pad"))
        or (habits.like and declared("patterns") == "literal")
        or (habits.flat_lambdas and declared("collections") == "exact")
        or (habits.zone != 0 and declared("date_parts") == "utc")
        or (habits.dull_functions and declared("string_functions") == "exact")
    )


def is_honest(habits: Habits, profile: dict[str, Any]) -> bool:
    """Whether the habits break nothing that the profile declares."""
    declared = profile.get
    kinds = ("comparisons", "string_equality", "patterns", "collections", "date_parts", "string_functions")
    filters = any(declared(kind) not in (None, "untrusted", "none") for kind in kinds) or bool(declared("order_exact"))
    broken = [
        misreads(habits, profile),
        "filter" in habits.ignores and filters,
        "orderby" in habits.ignores and filters,
        "skip" in habits.ignores,
        "nested" in habits.ignores and declared("nested") == "exact",
        habits.foreign_children and declared("nested") == "exact",
        habits.nested_page is not None
        and habits.nested_count == "arrived"
        and not habits.nested_links
        and declared("nested") == "exact",
        habits.nested_count == "doubled" and declared("nested") == "exact",
        habits.estimates and declared("counts") == "exact",
        # A record is judged by what is printed: where that is less than what is compared, the two contradict.
        habits.fraction is not None and (bool(declared("order_exact")) or filters),
        habits.omits_nulls and not declared("omits_nulls"),
        habits.silent and declared("page_max") != habits.page,
        habits.twice,
        not habits.tags and declared("conditional_writes") == "etag",
    ]
    return not any(broken)


class Model(UpstreamClient):
    """Stands where the HTTP client stands: its own checks of links, status and type stay in force."""

    def __init__(self, world: World, habits: Habits) -> None:
        super().__init__(Upstream(url=URL), None)
        self.world = world
        self.habits = habits
        self.asked: list[str] = []
        #: Lists that stand in records, and that no ``$expand`` names.
        self.embedded: Embedded = {}
        #: What is declared of it: it refuses what it is declared not to take.
        self.profile = Profile()
        #: Target to answer: what was answered, and what is to be answered without looking at a row.
        #: (method, target, whether it was done) of each write that came for the last request.
        self.writes: list[tuple[str, str, bool]] = []
        #: The names in their bodies.
        self.sent: set[str] = set()
        self.came = 0
        #: Key of the row that was made last.
        self.made: str | None = None
        self.answered: dict[str, Fetched] = {}
        self.replay: dict[str, Fetched] = {}
        self.meaning = Meaning(
            habits.nulls,
            EQUALITY[habits.equality],
            like=habits.like,
            fails=habits.fails,
            flat_lambdas=habits.flat_lambdas,
            zone=habits.zone,
            dull_functions=habits.dull_functions,
            stored=True,
        )

    async def _get(self, target: str, accept: str, host: LinkHost | None = None) -> Fetched:
        if target == "$metadata":
            return Fetched(metadata(embedded=self.embedded))
        self.asked.append(target)
        if target in self.replay:
            return self.replay[target]
        if len(self.asked) > 400:
            raise UpstreamFailure(Code.UPSTREAM_ERROR, "asked without end")
        trouble = self._trouble(target)
        if trouble.isdigit():
            self._check_status(int(trouble))
        name, _, query = target.partition("?")
        if len(query) > self.profile.url_max:
            raise UpstreamFailure(Code.UPSTREAM_ERROR, "answered 414 canary")
        try:
            body, fields = self._collection(name, options_of(query))
        except (Unreadable, FailedOnRow, KeyError) as error:
            raise UpstreamFailure(Code.UPSTREAM_ERROR, f"answered 400 canary {error!r}") from None
        data = _RAW.sub(lambda match: bytes.fromhex(match[1].decode()), json.dumps(body, default=_digits).encode())
        match trouble:
            case "cut":
                data = data[: len(data) // 2]
            case "html":
                self._check_type({"Content-Type": "text/html"}, accept)
            case "bom":
                data = b"\xef\xbb\xbf" + data
            case "double":
                data = data.replace(b'"value"', b'"v\\u0061lue": [], "value"', 1)
        self.answered[target] = Fetched(
            data, next_of(fields, self._address(target, host.url if host is not None else ""))
        )
        return self.answered[target]

    async def write(
        self,
        method: str,
        target: str,
        body: bytes | None,
        if_match: str | None,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> Written:
        """A write as real servers do it. Whatever they say of it holds what is nobody's business."""
        trouble = self.habits.write_trouble
        said = trouble[self.came % len(trouble)] if trouble else ""
        self.came += 1
        self.sent |= set(json.loads(body)) if body is not None else set()
        if said and said != "done, and dropped":
            self.writes.append((method, target, False))
            if said == "dropped":
                raise UnknownOutcomeError("dropped canary")
            return Written(
                int(said), f"{URL}/canary", b'{"error":{"message":"canary","details":[{"target":"OwnerName"}]}}'
            )
        written = self._write(method, target, json.loads(body) if body is not None else {}, if_match)
        self.writes.append((method, target, written.status < 300))
        if said:
            raise UnknownOutcomeError("done, and dropped canary")
        return written

    def _write(self, method: str, target: str, body: dict[str, Any], if_match: str | None) -> Written:
        name, _, rest = unquote(target).partition("(")
        rows = self.world[name]
        if method == "POST":
            self.made = f"W{self.came}"
            row = dict.fromkeys(FIELDS[name]) | DEFAULTS.get(name, {}) | body | {KEY[name]: self.made}
            self.world = {**self.world, name: [*rows, row]}
            places = {"right": f"{URL}/{name}('{self.made}')", "none": None, "foreign": f"{URL}/canary('{self.made}')"}
            return Written(201, places[self.habits.location], json.dumps({**row, "canary": "canary"}).encode())
        key = rest[1:-2].replace("''", "'")
        found = [row for row in rows if row[KEY[name]] == key]
        if not found and self.habits.upserts and method == "PATCH" and if_match in (None, "*"):
            found = [dict.fromkeys(FIELDS[name]) | {KEY[name]: key}]
            rows = [*rows, *found]
        if not found:
            return Written(404, None, b"canary")
        if if_match not in (None, "*", tag_of(found[0])):
            return Written(412, None, b"canary")
        changed = [{**row, **body} if row[KEY[name]] == key else row for row in rows]
        kept = changed if method == "PATCH" else [row for row in rows if row[KEY[name]] != key]
        self.world = {**self.world, name: kept}
        return Written(200, None, json.dumps({**found[0], **body, "canary": "canary"}).encode())

    def _trouble(self, target: str) -> str:
        """The same for the same request, whatever the database: else the databases would differ in more than data."""
        if not self.habits.trouble:
            return ""
        number = sum(target.encode()) % 7
        return self.habits.trouble[number] if number < len(self.habits.trouble) else ""

    def _collection(self, name: str, options: dict[str, str]) -> tuple[dict[str, Any], list[str]]:
        """The body of a page, and its Link headers."""
        habits = self.habits
        rows = list(self.world.get(name, []))
        self._refuse(name, options)
        if "$filter" in options and "filter" not in habits.ignores:
            rows = self._filtered(name, rows, read(options["$filter"]))
        total = len(rows)
        if "$orderby" in options and "orderby" not in habits.ignores:
            for item in reversed(options["$orderby"].split(",")):
                column, _, word = item.partition(" ")
                rows.sort(key=lambda row, column=column: self._place(_stored(row[column])), reverse=word == "desc")  # type: ignore[misc]
        if self.profile.skip_max is not None and int(options.get("$skip", "0")) > self.profile.skip_max:
            raise Unreadable("past the window")
        start = 0 if "skip" in habits.ignores else int(options.get("$skip", "0"))
        start += _cursor_place(options.get("$skiptoken", "0"))
        size = len(rows) if "top" in habits.ignores else int(options.get("$top", len(rows)))
        end = start + (size if habits.page is None else min(size, habits.page))
        body: dict[str, Any] = {"@odata.context": f"{URL}/$metadata#canary"}
        if options.get("$count") == "true":
            body["@odata.count"] = total * 3 + 7 if habits.estimates else total
        body["value"] = [self._record(name, row, options) for row in rows[start:end]]
        if habits.twice:
            body["value"] = [record for record in body["value"] for _ in range(2)]
        fields = [f'<{URL}/canary?page=0>; rel="prev"; title="next"', f'<{URL}/>; anchor="{URL}/"; rel=next']
        if end < min(len(rows), start + size) and not habits.silent:
            link = self._link(name, options, end, rows[end - 1] if end else {})
            if habits.links != "header":
                body[habits.link_member] = link
            if habits.links != "body":
                fields.append(
                    f'<{URL}/canary>; rel=help,<{quote(link, safe=_LINKED)}>; rel="{habits.relation}"; rel=prev'
                )
        return body, fields

    def _place(self, value: Any) -> tuple[bool, Any]:
        """Nulls where they are declared to stand; numbers, texts and booleans among their own."""
        is_last = self.profile.nulls == "last"
        return (value is not None) is not is_last, value if value is not None else 0

    def _refuse(self, name: str, options: dict[str, str]) -> None:
        """Answers 400 to a question without the mandatory condition, and to one about fields that it cannot search."""
        condition, order = options.get("$filter", ""), options.get("$orderby", "")
        if self.profile.mandatory_filter.get(name, "") not in condition:
            raise Unreadable("the mandatory condition is missing")
        self._refuse_condition(name, condition, order)
        if not self.profile.in_operator and " in (" in _TEXTS.sub("''", condition):
            raise Unreadable("`in` is not known here")
        most = self.profile.or_max
        if most is not None and len(re.findall(r"\bor\b", _TEXTS.sub("''", condition))) > most:
            raise Unreadable("too many `or`")

    def _refuse_condition(self, name: str, condition: str, order: str) -> None:
        named = set(names(read(condition))) if condition else set()
        named |= {item.partition(" ")[0] for item in order.split(",") if item}
        # What ties rows together can be searched, whatever a vendor lists: the gateway reads lists by it.
        refused = [field for field in named - _TIES if self.profile.is_unfilterable(name, field)]
        if refused:
            raise Unreadable(f"cannot search {refused}")

    def _link(self, name: str, options: dict[str, str], end: int, last: Row) -> str:
        kept = {key: value for key, value in options.items() if key not in ("$skip", "$skiptoken", "$top")}
        token = str(end)
        if self.habits.telling_cursors:
            token = f"{end}~{json.dumps(last, default=str)[:60]}"
        if self.habits.growing:
            token = f"{end}~{json.dumps(last, default=str, ensure_ascii=False)}"
        spelled = _as_it_is if self.habits.raw_links else _encoded
        query = "&".join(f"{quote(key)}={spelled(value)}" for key, value in {**kept, "$skiptoken": token}.items())
        hosts = self.profile.link_hosts
        root = hosts[0].url if hosts else URL
        return (f"{root}/" if self.habits.absolute_links else "") + f"{name}?{query}"

    def _filtered(self, name: str, rows: list[Row], condition: Expression) -> list[Row]:
        if self.habits.eager:
            for atom in _atoms(condition):
                for row in rows:
                    self._holds(name, row, atom)
        return [row for row in rows if self._holds(name, row, condition) is True]

    def _holds(self, name: str, row: Row, condition: Expression) -> bool | None:
        # What an upstream finds behind a navigation cannot be verified, so it is asked only where the operator vouches
        # for it, and then it is honest (decision 10): no habit touches it.
        return holds(condition, row, self.meaning, lambda navigation: self._children(name, navigation, row))

    def _behind(self, name: str, navigation: str, row: Row) -> list[Row]:
        if self.habits.foreign_children and NAVIGATION[name, navigation][3]:
            return list(self.world[NAVIGATION[name, navigation][1]])
        return self._children(name, navigation, row)

    def _children(self, name: str, navigation: str, row: Row) -> list[Row]:
        return children(self.world, name, navigation, row, EQUALITY[self.habits.equality])

    # --- what a record looks like

    def _record(self, name: str, row: Row, options: dict[str, str]) -> dict[str, Any]:
        record = self._projected(name, row, options.get("$select"))
        for navigation in self.embedded.get(KIND[name], ()):
            if navigation in options.get("$select", navigation).split(",") or "select" in self.habits.ignores:
                target = NAVIGATION[name, navigation][1]
                record[navigation] = [
                    self._projected(target, child, None) for child in self._behind(name, navigation, row)
                ]
        for text in split_at(options.get("$expand", ""), ","):
            self._expand(name, row, text, record)
        if self.habits.auto_expand:
            for (source, navigation), (_, _, _, is_list, _) in NAVIGATION.items():
                if source == name and navigation not in record and is_list:
                    record[navigation] = [dict(child) for child in self._behind(name, navigation, row)]
        if self.habits.extra:
            record |= {
                "@odata.etag": f'W/"canary{hash(json.dumps(row, default=str)) % 997}"', "@odata.id": f"{URL}/canary", "Undeclared": "canary",
                "City@odata.type": "#canary", "@odata.editLink": "canary",
            }  # fmt: skip
        if self.habits.tags:
            record["@odata.etag"] = tag_of(row)
        return record

    def _projected(self, name: str, row: Row, select: str | None) -> dict[str, Any]:
        chosen = (
            list(FIELDS[name]) if not select or "select" in self.habits.ignores else [*select.split(","), KEY[name]]
        )
        record = {field: self._printed(value) for field, value in row.items() if field in chosen}
        if self.habits.texts:
            record = {field: text_sent(name, field, value) for field, value in record.items()}
        if self.habits.omits_nulls:
            record = {field: value for field, value in record.items() if value is not None}
        return record

    def _printed(self, value: Any) -> Any:
        if is_raw(value):
            return f"\0raw:{value['raw']}\0"
        if self.habits.fraction is not None:
            value = _coarse(value, self.habits.fraction)
        if self.habits.text_numbers and isinstance(value, int | Decimal) and not isinstance(value, bool):
            return str(value)
        return value

    def _expand(self, name: str, row: Row, text: str, record: dict[str, Any]) -> None:
        navigation, _, rest = text.partition("(")
        options = options_of(rest[:-1], ";") if rest else {}
        if navigation in self.embedded.get(KIND[name], ()):
            raise Unreadable(f"{navigation} is a property")
        _, target, _, is_list, _ = NAVIGATION[name, navigation]
        found = self._behind(name, navigation, row)
        ignores = "nested" in self.habits.ignores
        if "$filter" in options and not ignores:
            self._refuse_condition(target, options["$filter"], "")
            found = self._filtered(target, found, read(options["$filter"]))
        whole = len(found)
        if self.habits.nested_page is not None:
            found = found[: self.habits.nested_page]
        nested = []
        for child in found:
            shown = self._projected(target, child, None if ignores else options.get("$select"))
            for below in split_at(options.get("$expand", ""), ","):
                self._expand(target, child, below, shown)
            nested.append(shown)
        record[navigation] = nested if is_list else (nested[0] if nested else None)
        count = {"right": whole, "arrived": len(found), "doubled": whole * 2, "missing": None}[self.habits.nested_count]
        if is_list and self.habits.nested_links and len(found) < whole:
            record[f"{navigation}{self.habits.link_member}"] = f"{URL}/canary?page=2"
        if is_list and options.get("$count") == "true" and count is not None:
            record[f"{navigation}@odata.count"] = count


def _encoded(text: str) -> str:
    return quote(text, errors="surrogatepass")


def _as_it_is(text: str) -> str:
    """What some servers write into a link: only what would end a part of it is encoded."""
    return re.sub("[%&#+=]", lambda sign: f"%{ord(sign[0]):02X}", text)


#: Signs of a link that stand in a header as they are.
_LINKED = "%/:?&=$',();~+"


def tag_of(row: Row) -> str:
    return f'W/"canary{zlib.crc32(json.dumps(row, default=str).encode()):08x}"'


def _digits(value: Any) -> str:
    """An exact number, as the raw digits that it is printed with."""
    assert isinstance(value, Decimal)
    return f"\0raw:{str(value).encode().hex()}\0"


def _coarse(value: Any, digits: int) -> Any:
    """An instant with fewer digits of a second."""
    if isinstance(value, str) and value[19:20] == "." and value.endswith("Z"):
        return value[: 20 + digits].rstrip(".") + "Z"
    return value


def as_printed(world: World, habits: Habits) -> World:
    """The values of a database as this upstream prints them."""
    if habits.fraction is None:
        return world
    digits = habits.fraction
    return {
        name: [{field: _coarse(value, digits) for field, value in row.items()} for row in rows]
        for name, rows in world.items()
    }


def _stored(value: Any) -> Any:
    return value["is"] if is_raw(value) else value


def _cursor_place(token: str) -> int:
    return int(token.partition("~")[0])


def _atoms(condition: Expression) -> list[Expression]:
    if condition[0] in ("and", "or", "not"):
        return [atom for term in condition[1:] for atom in _atoms(term)]
    return [condition]


@lru_cache(maxsize=20_000)
def split_at(text: str, separator: str) -> tuple[str, ...]:
    """The parts of a list, where brackets and strings hold theirs together."""
    parts, depth, quoted, start = [], 0, False, 0
    for position, character in enumerate(text):
        if character == "'":
            quoted = not quoted
        elif not quoted and character in "()":
            depth += 1 if character == "(" else -1
        elif not quoted and depth == 0 and character == separator:
            parts.append(text[start:position])
            start = position + 1
    return tuple(part for part in (*parts, text[start:]) if part)


@lru_cache(maxsize=20_000)
def _parsed(query: str, separator: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for part in query.split("&") if separator == "&" else split_at(query, separator):
        name, _, value = part.partition("=")
        pairs.append((unquote(name), unquote(value)) if separator == "&" else (name, value))
    if len({name for name, _ in pairs}) != len(pairs):
        raise Unreadable(f"an option stands twice in {query}")
    return tuple(pairs)


def options_of(query: str, separator: str = "&") -> dict[str, str]:
    return dict(_parsed(query, separator)) if query else {}


def make_habits(rng: Any, profile: dict[str, Any], *, hostile: bool) -> Habits:
    """Habits at random: such as the profile permits, and for a hostile upstream one or two that it does not."""
    declared = profile.get("string_equality")
    habits = Habits(
        nulls=rng.choice(("odata", "sql")),
        equality=declared if declared in ("fold", "fold_pad") else "exact",
        eager=rng.random() < 0.5,
        page=rng.choice((None, None, 1, 2, 5)),
        extra=rng.random() < 0.5,
        auto_expand=rng.random() < 0.3,
        absolute_links=rng.random() < 0.5,
        telling_cursors=rng.random() < 0.5,
        omits_nulls=bool(profile.get("omits_nulls")),
        text_numbers=rng.random() < 0.2,
        nested_page=rng.choice((None, None, 1, 2)),
        # Everything that is stored of a record comes along.
        ignores=("select",) if rng.random() < 0.2 else (),
    )
    # Of a sequence beside: links are of no number's choice, so that the cases of a number stay what they were.
    beside = random.Random(rng.getstate()[1][0])
    habits = replace(
        habits,
        links=beside.choice(("body", "header", "both")),
        relation=beside.choice(("next", "self next", "NEXT", "prefetch\tNext")),
        link_member=beside.choice(("@odata.nextLink", "@nextLink")),
        nested_links=beside.random() < 0.5,
    )
    choices: list[dict[str, Any]] = [
        {"like": True, "fails": profile.get("patterns") != "literal"}, {"flat_lambdas": True}, {"zone": -5}, {"dull_functions": True}, {"ignores": ("filter",)}, {"ignores": ("orderby",)}, {"ignores": ("nested",)},
        {"ignores": ("select",)}, {"ignores": ("top",)}, {"foreign_children": True}, {"nested_page": 1, "nested_count": "arrived"}, {"nested_count": "doubled"},
        {"nested_count": "missing"}, {"estimates": True}, {"fraction": 3}, {"fraction": 0}, {"equality": "fold"}, {"equality": "fold_pad"}, {"omits_nulls": True},
    ]  # fmt: skip
    roll = rng.random()
    if roll < 0.04:
        return replace(
            habits, trouble=rng.choice((("500",), ("202", "301", "304", "429"), ("cut", "html", "bom", "double")))
        )
    if roll < 0.5 and not hostile:
        return replace(habits, nulls="odata")
    # What a record brings along is asked for less often than a filter, so habits about it are taken more often.
    choices += choices[6:7] + choices[9:13]
    rng.shuffle(choices)
    taken = 0
    for choice in choices:
        candidate = replace(habits, **choice)
        if hostile is (not is_honest(candidate, profile)) or (is_honest(candidate, profile) and rng.random() < 0.1):
            habits = candidate
            taken += 1
            if taken >= 3:
                break
    if habits.nested_count == "arrived" and not habits.nested_links and profile.get("nested") == "exact":
        # That the number of a nested list is the number of its rows is what the word says; nothing could tell a list
        # that is cut from a whole one but that number (docs/guarantees.md).
        habits = replace(habits, nested_count="right")
    return habits
