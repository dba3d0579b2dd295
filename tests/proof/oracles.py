"""What must hold of every answer, and a trial that asks and holds it (CHANNELS 7.3)."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import quote, unquote

from gateway.store.snapshot import Snapshot
from tests.proof import dialogue
from tests.proof.expected import Interpreter, window
from tests.proof.language import Unreadable, names, read
from tests.proof.licence import Licence, Low, effective, ever_shows, low, tested
from tests.proof.model import DEFAULTS, FIELDS, KEY, NAVIGATION, World, enter
from tests.proof.requests import ROOT, Request, query_of, target_of
from tests.proof.sides import TOKEN, Answer, Side, snapshot_of
from tests.proof.upstream import Habits, Model, as_printed, is_honest, options_of, split_at
from tests.proof.worlds import Change, canonical, changed
from tests.proof.writes import METHODS, after_write, forbidden, passed_over
from tests.proof.writes import tested as tested_of

#: What stands in quotes is a value, whatever it spells.
_STRINGS = re.compile("'(?:[^']|'')*'")
STATUSES = frozenset(
    {200, 201, 204, 304, 400, 401, 404, 405, 406, 409, 410, 412, 413, 414, 415, 431, 501, 502, 503, 504}
)


class Violation(Exception):
    """Something that must never be. ``oracle`` names the statement that is false."""

    def __init__(self, oracle: str, number: int, message: str) -> None:
        super().__init__(f"{oracle}, request {number}: {message}")
        self.oracle = oracle
        self.number = number
        self.message = message


@dataclass
class Case:
    """One sequence of requests to two gateways. Data only; the other database is made from the first one."""

    licence: Licence
    world: World
    changes: list[Change]
    habits: Habits
    requests: list[Request]
    #: Whether the other database is the one without anything that is withheld.
    canonical: bool = False
    seed: int = 0
    #: What the other upstream's metadata has otherwise: see ``metadata``. None of it exists for the key.
    edits: list[list[str]] = field(default_factory=list)
    #: The licence of the key ``other``, which asks through the same gateways; None where it has that of ``k``.
    beside: Licence | None = None

    @property
    def licences(self) -> tuple[Licence, ...]:
        """What the keys are licensed to, each as its key has it."""
        return tuple(effective(one) for one in (self.licence, self.beside) if one is not None)

    def other(self) -> World:
        """Raises AssertionError where the licence permits something else of it: then nothing is to be compared."""
        enter(self.licence.shapes)
        world = self.world
        for change in self.changes:
            world = changed(world, change)
        licence, *also = self.licences
        if self.canonical:
            world = canonical(licence, world, self.seen, also)
        for one in (licence, *also):
            same = low(one, self.seen(world)).shown == low(one, self.seen(self.world)).shown
            assert same, "the pair differs in what is permitted"
        return world

    def seen(self, world: World) -> World:
        """The database as the upstream prints it: what policy is decided on."""
        return as_printed(world, self.habits)

    def is_enforced(self) -> bool:
        """Whether a request without conditions of its own has a right answer: rules are the gateway's to enforce,
        however an upstream reads them that is not trusted with reading them."""
        habits = self.habits
        return (
            is_honest(habits, self.licence.profile)
            and not habits.trouble
            and habits.fraction is None
            and not {"orderby", "top"} & set(habits.ignores)
            and habits.equality == "exact"
        )

    def behaves(self) -> bool:
        """Whether the upstream selects what OData says, so that answers can be compared with the right ones."""
        habits, declared = self.habits, self.licence.profile.get("string_equality", "exact")
        return (
            is_honest(habits, self.licence.profile)
            and habits.nulls == "odata"
            and habits.equality == ("exact" if declared == "untrusted" else declared)
            and not (habits.like or habits.flat_lambdas or habits.zone or habits.dull_functions)
            and not (habits.trouble or habits.fraction is not None)
            and "orderby" not in habits.ignores
            and self.licence.profile.get("nulls", "first") == "first"
        )


def _is_plain(request: Request) -> bool:
    """Whether rows of one set are asked for in their own right, in an order of which the upstream decides."""
    return request["set"] not in ("Media", "OpenHouse") or "orderby" not in request.get("options", {})


def allowed(licence: Licence, name: str) -> set[str]:
    """Names that may stand in what is asked of the upstream: visible ones, and what policy is decided by (O7)."""
    found = tested(licence, name)
    if name in licence.sets:
        found |= {member for member in FIELDS[name] if ever_shows(licence, name, member)}
    return found | {navigation for source, navigation in NAVIGATION if source == name}


def _asks_something(request: Request) -> bool:
    """Whether a request has conditions or an order of its own, at any depth."""
    options = request.get("options", {})
    below = [item["options"] for item in options.get("expand", [])]
    return any("filter" in level or "orderby" in level or level.get("expand") for level in (options, *below))


@dataclass
class Counts:
    """What a trial did, for reports."""

    cases: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    oracles: Counter[str] = field(default_factory=Counter)

    def add(self, other: Counts) -> None:
        self.cases += other.cases
        self.statuses += other.statuses
        self.oracles += other.oracles


class Trial:
    """Runs one case; raises the first violation."""

    def __init__(
        self, case: Case, snapshot: Snapshot | None = None, upstream: Callable[[World, Habits], Model] = Model
    ) -> None:
        enter(case.licence.shapes)
        self.case = case
        self.licence = case.licences[0]
        self.honest = is_honest(case.habits, case.licence.profile)
        self.behaves = case.behaves()
        self.enforced = case.is_enforced()
        snapshot = snapshot or snapshot_of(case.licence, case.beside)
        if snapshot.faults:
            raise AssertionError("the licence does not compile")
        self.snapshot = snapshot
        self.low = low(self.licence, case.seen(case.world))
        self.interpreter = Interpreter(self.licence, self.low)
        self.one = Side(snapshot, case.world, case.habits, upstream=upstream)
        other = snapshot_of(case.licence, edits=case.edits) if case.edits else snapshot
        if other.faults:
            raise AssertionError("the licence does not compile against the other metadata")
        self.two = Side(other, case.other(), case.habits, upstream=upstream)
        self.counts = Counts()
        self.rng = random.Random(case.seed)
        self.last: tuple[Answer, Answer] | None = None
        self.memory = dialogue.Memory()
        self.number = 0
        self.allowed = {name: allowed(self.licence, name) for name in FIELDS}
        #: Who asks; of two keys with a licence each, the key of the last link as well.
        self.asker = "k"
        self.keys = Keys(self, upstream) if case.beside is not None else None

    async def run(self) -> Counts:
        for number, request in enumerate(self.case.requests):
            self.number = number
            await self._request(request)
            self.counts.cases += 1
        return self.counts

    def fail(self, oracle: str, message: str) -> Violation:
        return Violation(oracle, self.number, message)

    # --- one request

    async def _request(self, request: Request) -> None:
        if request["path"] == "write":
            await self._write(request)
            return
        if request["path"] in ("again", "query link"):
            await dialogue.held(self, request)
            return
        if self.keys is not None:
            request = self.keys.turn(request)
        asked = self._wire(request)
        if asked is None:
            return
        first, second = await self._both(*asked)
        self.memory.note(asked, first, second)
        charged = self.one.charged, self.two.charged
        if charged[0] != charged[1] and not self.case.habits.trouble:
            raise self.fail("O1", f"the limits count what is withheld: {charged}\n{unquote(asked[1][0])}")
        self.counts.statuses[first.status] += 1
        if not self.case.habits.trouble:
            # An answer that fails as a whole is one declared bit (R6): then only canaries are looked for.
            self._compare(first, second, asked[1])
            await self._repeat(first, second, asked)
        for side, answer in ((self.one, first), (self.two, second)):
            self._totality(side, answer)
            self._canaries(answer, asked[1])
            self._outbound(side)
        if request["path"] == "raw" and "~" in request["target"]:
            await self._unknown(request, first)
        plain = request.get("method", "GET") == "GET" and "headers" not in request and not self.low.has_doubles
        if plain and (self.behaves or (self.enforced and not _asks_something(request))):
            await self._right(request, first)
        if request["path"] == "follow" and ("as" in request or "edit" in request) and first.status == 200:
            raise self.fail("O10", f"a link of another key, or one that was changed, is followed: {first.body[:200]!r}")
        if first.link is not None:
            self.last = first, second
        if self.keys is not None:
            await self.keys.hold(request, asked, first)

    def _wire(self, request: Request) -> tuple[str, tuple[str, str], dict[str, str], bytes | None] | None:
        """Method, both targets, headers and body."""
        asker = request.get("as", "k") if self.keys is None else self.asker
        headers = {"Authorization": f"Bearer {asker}", **dict(request.get("headers", []))}
        if request["path"] == "follow":
            if self.last is None:
                return None
            links = [answer.link or "" for answer in self.last]
            if request.get("edit"):
                where, character = request["edit"]
                links = [_edited(link, where, character) for link in links]
            return "GET", (links[0], links[1]), headers, None
        target = f"{ROOT}/{target_of(request)}"
        if request.get("prefer"):
            headers["Prefer"] = f"odata.maxpagesize={request['prefer']}"
        if request.get("post"):
            return "POST", (target, target), headers, query_of(request).encode()
        return request.get("method", "GET"), (target, target), headers, None

    async def _both(
        self,
        method: str,
        targets: tuple[str, str],
        headers: dict[str, str],
        body: bytes | None,
        own: Sequence[dict[str, str]] | None = None,
    ) -> tuple[Answer, Answer]:
        """Both answers under equal trust: what one side learns of the upstream is part of the state of a run (7.1).

        Args:
            own: the headers of each side, in place of equal ones.
        """
        one, two = own or (headers, headers)
        for _ in range(70):
            first = await self.one.ask(method, targets[0], one, body)
            second = await self.two.ask(method, targets[1], two, body)
            lost = {loss for side in (self.one, self.two) for loss in side.lost}
            for side, answer in ((self.one, first), (self.two, second)):
                if side.violations and answer.status == 502 and not self.case.habits.trouble:
                    raise self.fail("O10", f"a record that contradicts the profile decides a status\n{targets[0]}")
            if self.honest and (lost or self.one.violations or self.two.violations):
                raise self.fail("O10", f"an honest upstream is not believed any more: {sorted(lost)}\n{targets[0]}")
            if all(set(side.lost) == lost for side in (self.one, self.two)):
                return first, second
            for side in (self.one, self.two):
                if len(side.lost) != len(set(side.lost)):
                    raise self.fail("O1", "trust was lost more than once")
                _share(lost, side)
        raise self.fail("O10", "trust is lost without end")

    def _compare(self, first: Answer, second: Answer, targets: tuple[str, str]) -> None:
        self.counts.oracles["O3" if self.case.canonical else "O1"] += 1
        one, two = first.without_token(), second.without_token()
        if one != two:
            place = next(
                (n for n, pair in enumerate(zip(first.body, second.body, strict=False)) if pair[0] != pair[1]), 0
            )
            raise self.fail(
                "O3" if self.case.canonical else "O1",
                f"{unquote(targets[0])}\n  {_excerpt(first, place)}\n  {_excerpt(second, place)}\n"
                f"  asked of one:   {[unquote(text) for text in self.one.model.asked][-4:]}\n"
                f"  asked of other: {[unquote(text) for text in self.two.model.asked][-4:]}",
            )

    async def _repeat(self, first: Answer, second: Answer, asked: Any) -> None:
        """The same request gives the same bytes (O8). A place that is told by the same token twice counts nothing that
        is withheld, so both sides must tell it alike."""
        if first.token == second.token and self.rng.random() > 0.03:
            return
        method, targets, headers, body = asked
        again = await self.one.ask(method, targets[0], headers, body)
        self.counts.oracles["O8"] += 1
        if again.without_token() != first.without_token():
            raise self.fail("O8", f"asked twice, answered in two ways\n{unquote(targets[0])}\n{first}\n{again}")
        if again.token == first.token != second.token and targets[0] == targets[1]:
            raise self.fail(
                "O1", f"the link tells what is withheld\n{unquote(targets[0])}\n{first.token!r}\n{second.token!r}"
            )

    def _totality(self, side: Side, answer: Answer) -> None:
        self.counts.oracles["O10"] += 1
        if answer.status not in STATUSES:
            raise self.fail("O10", f"status {answer.status} is none of the table")
        if side.complaints:
            raise self.fail("O10", f"unforeseen: {side.complaints}")
        troubled = self.case.habits.trouble or self.case.habits.write_trouble
        if answer.status == 502 and self.honest and not troubled:
            raise self.fail("O10", f"502 on an honest upstream: {side.events[-1]}")
        if answer.status == 502 and not (troubled or self.case.habits.stands_still):
            raise self.fail("O10", f"a record decides a status: {side.events[-1]}")
        if answer.status == 502 and answer.body != _BAD_GATEWAY:
            raise self.fail("O10", f"a failure of the upstream says more than that: {answer.body!r}")
        if answer.status >= 400 and set(json.loads(answer.body or b'{"error":{}}')) != {"error"}:
            raise self.fail("O10", f"an error of another shape: {answer.body!r}")

    def _canaries(self, answer: Answer, targets: tuple[str, str]) -> None:
        self.counts.oracles["O4"] += 1
        if any("canary" in unquote(target).lower() for target in targets):
            return
        for place in (answer.body, answer.decoded_token(), repr(answer.headers).encode()):
            if b"canary" in place.lower() or b"upstream.example" in place:
                raise self.fail("O4", f"a withheld value leaves: {place[:400]!r}")

    def _outbound(self, side: Side) -> None:
        """What is asked names only what may be named, and holds nothing that is not a value (O7)."""
        for target in side.model.asked:
            self.counts.oracles["O7"] += 1
            name, _, query = target.partition("?")
            text = unquote(query)
            bare = _STRINGS.sub("''", text)
            if "@" in bare or "now()" in bare or name not in FIELDS:
                raise self.fail("O7", f"asked for {text}")
            if "skiptoken" in query and side.habits.telling_cursors:
                continue
            stray = self._strays(name, query, "&")
            if stray:
                raise self.fail("O7", f"{sorted(stray)} stand in {text}")

    def _strays(self, name: str, query: str, separator: str) -> set[str]:
        options = options_of(query, separator)
        used: set[str] = set()
        if "$filter" in options:
            try:
                used.update(names(read(options["$filter"])))
            except Unreadable:
                return {"conditions that nobody can read"}
        if "$select" in options:
            used.update(options["$select"].split(","))
        elif "cursor" not in options and "$skiptoken" not in options and self.licence.profile.get("select") != "omit":
            return {"no $select"}
        if "$orderby" in options:
            used.update(item.partition(" ")[0] for item in options["$orderby"].split(","))
        for item in split_at(options.get("$expand", ""), ","):
            navigation, _, rest = item.partition("(")
            used |= {navigation} | self._strays(NAVIGATION[name, navigation][1], rest[:-1], ";")
        return used - self.allowed[name]

    # --- writes

    async def _write(self, request: Request) -> None:
        """Both databases take the same write alike; it is done where the licence allows it, and does what it states."""
        before = [side.model.world for side in (self.one, self.two)]
        method, target, headers, body = _wired(request)
        tags = await dialogue.tags_for(self, request)
        own = [headers, headers] if tags is None else [{**headers, "If-Match": text} for text in tags[0]]
        first = await self.one.ask(method, target, own[0], body)
        second = await self.two.ask(method, target, own[1], body)
        self.counts.statuses[first.status] += 1
        self._level()
        if not self.case.habits.trouble:
            self._compare(first, second, (target, target))
        fits = (True, True) if tags is None else tags[1]
        for side, answer, world, is_met in zip((self.one, self.two), (first, second), before, fits, strict=True):
            self._totality(side, answer)
            self._canaries(answer, (target, target))
            self._outbound(side)
            if not is_met and (side.model.writes or answer.status < 400):
                raise self.fail("O9", f"written under a tag that the record does not have: {request} {answer}")
            if not dialogue.held_repeat(self, request, side, answer, world):
                ought = is_met and dialogue.is_dated(request)
                self._effect(request if ought else {**request, "if_match": "unmet"}, side, answer, world)
        dialogue.note_repeat(self, request, first)
        self.counts.oracles["O9"] += 1
        self.low = low(self.licence, self.case.seen(self.one.model.world))
        self.interpreter = Interpreter(self.licence, self.low)
        if self.low.shown != low(self.licence, self.case.seen(self.two.model.world)).shown:
            raise self.fail("O9", f"after {request} the two differ in what is permitted")
        if first.status == 400 and request["body"] is not None:
            await self._unknown_in_body(request, first)

    def _level(self) -> None:
        """What one side has learnt of the upstream the other one knows as well; nothing is written for that."""
        lost = {loss for side in (self.one, self.two) for loss in side.lost}
        if self.honest and lost:
            raise self.fail("O10", f"an honest upstream is not believed any more: {sorted(lost)}")
        for side in (self.one, self.two):
            _share(lost, side)

    def _effect(self, request: Request, side: Side, answer: Answer, before: World) -> None:
        """What has come of a write: nothing but what it states, only where it is allowed, and once."""
        world = side.model.world
        done = [write for write in side.model.writes if write[2]]
        stated = _stated(self.licence, self.low, request)
        wanted = after_write(before, stated, side.model.made) if request["method"] in METHODS else before
        said = f"{request}\n  answered {answer.status} {answer.body[:300]!r}\n  writes {side.model.writes}"
        if len(done) > 1 or len(side.model.writes) > 3:
            raise self.fail("O9", f"written more than once: {said}")
        if not side.model.sent <= set(stated["body"] or {}):
            raise self.fail("O9", f"{sorted(side.model.sent)} were sent, and not all of them change something: {said}")
        if world != before:
            if world != wanted:
                raise self.fail("O9", f"something else was written than was asked for: {said}")
            reason = forbidden(self.licence, self.low, request)
            if reason is not None:
                raise self.fail("O9", f"{reason}: {said}")
        if answer.status in (200, 201, 204) and not done:
            raise self.fail("O9", f"answered as if it were done: {said}")
        if done and answer.status not in (200, 201, 204, 504):
            raise self.fail("O9", f"done, and answered as if it were not: {said}")
        if answer.status == 504 and not side.model.writes:
            raise self.fail("O9", f"nothing was sent: {said}")
        if not side.model.writes and self._ought(request, answer):
            raise self.fail("O9", f"refused, and allowed: {said}")

    def _ought(self, request: Request, answer: Answer) -> bool:
        """Whether a write had to be sent: a gateway that refuses everything would be safe, and of no use."""
        resource = next(iter(self.snapshot.policies.values())).resources.get(request["set"])
        writes = resource.writes if resource is not None else None
        if writes is None or request["method"] not in writes.methods or not self.enforced or request.get("if_match"):
            return False
        if request["method"] != "POST" and "conditional_writes" not in self.licence.profile:
            return False
        body = _stated(self.licence, self.low, request)["body"] or {}
        known = {*body, *DEFAULTS.get(request["set"], {}), KEY[request["set"]]}
        if request["method"] == "POST" and not tested_of(self.licence, request["set"]) <= known:
            return False  # what nobody knows yet may decide it
        fits = all(_fits(FIELDS[request["set"]].get(name, ""), value) for name, value in body.items())
        if (
            not fits
            or not set(body) <= {*writes.fields, *writes.control}
            or (not body and request["method"] != "DELETE")
        ):
            return False
        return forbidden(self.licence, self.low, request) is None

    async def _unknown_in_body(self, request: Request, answer: Answer) -> None:
        """A hidden or read-only name in a body and one that never was are told alike (O2)."""
        name = request["set"]
        for member in request["body"]:
            if name not in self.licence.sets or member not in FIELDS[name] or self._is_visible(name, member):
                continue
            if any(member in other for other in request["body"] if other != member):
                continue
            writes = self.licence.sets[name].writes or {"Control": ()}
            if member in writes["Control"]:
                continue
            self.counts.oracles["O2"] += 1
            fresh = "".join(_NEXT.get(letter, letter) for letter in member)
            body = {fresh if key == member else key: value for key, value in request["body"].items()}
            method, target, headers, text = _wired({**request, "body": body})
            other = await self.one.ask(method, target, headers, text)
            if (other.status, other.body) != (answer.status, answer.body.replace(member.encode(), fresh.encode())):
                raise self.fail("O2", f"{request} with {member} and with {fresh}:\n  {answer.body!r}\n  {other.body!r}")

    # --- hidden is unknown

    async def _unknown(self, request: Request, answer: Answer) -> None:
        """A hidden name in a request of free form, and one that never was, are answered alike (O2)."""
        name = request["name"]
        entity_set = next((item for item in FIELDS if request["target"].startswith(item)), "Property")
        if any(self._is_visible(item, name) for item in self.licence.sets) or not name.isalpha():
            return
        if entity_set not in self.licence.sets or name in FIELDS or name in request["target"]:
            return
        self.counts.oracles["O2"] += 1
        fresh = "".join(_NEXT.get(letter, letter) for letter in name)
        target = f"{ROOT}/{target_of({**request, 'name': fresh})}"
        other = await self.one.ask(request.get("method", "GET"), target, {"Authorization": f"Bearer {self.asker}"})
        expected = re.sub(rb"\b" + name.encode() + rb"\b", fresh.encode(), answer.body)
        token = TOKEN.sub(b"skiptoken=", other.body)  # the request is sealed in it, and the name with it
        if (other.status, token) != (answer.status, TOKEN.sub(b"skiptoken=", expected)):
            place = next((n for n, pair in enumerate(zip(expected, other.body, strict=False)) if pair[0] != pair[1]), 0)
            both = f"{_excerpt(answer, place)}\n  {_excerpt(other, place)}"
            raise self.fail("O2", f"{request['target']} with {name} and with {fresh}:\n  {both}")

    def _is_visible(self, entity_set: str, name: str) -> bool:
        known = name in FIELDS[entity_set] or (entity_set, name) in NAVIGATION
        return known and ever_shows(self.licence, entity_set, name)

    # --- the right answer

    async def _right(self, request: Request, answer: Answer) -> None:
        """What is answered is what a naive interpreter answers on what is permitted, page after page (O5, O6)."""
        if request["path"] not in ("collection", "count", "entity", "navigation", "navigation count"):
            return
        if answer.status not in (200, 204, 404):
            return
        if self.licence.profile.get("nulls") == "last" and not _is_plain(request):
            return  # whole lists are ordered here, by OData's own rule
        self.counts.oracles["O5"] += 1
        if request["set"] not in self.licence.sets:
            self._expect(answer.status == 404, request, answer, "404")
            return
        name, options = self.interpreter.target(request), request["options"]
        rows = self.interpreter.rows(request)
        is_list = not request["path"].startswith("navigation") or NAVIGATION[request["set"], request["navigation"]][3]
        if rows is None:
            self._expect(answer.status == 404, request, answer, "404")
            return
        self._expect(answer.status != 404, request, answer, "no 404")
        if request["path"] == "entity" or not is_list:
            if not rows:
                self._expect(answer.status == 204, request, answer, "204")
                return
            self._same(request, answer, [self.interpreter.record(name, rows[0], options)], [_entity(answer)])
            return
        nested = request["path"].startswith("navigation")
        found = self.interpreter.matching(name, rows, options, nested=nested)
        if request["path"].endswith("count"):
            self._expect(answer.body == str(len(found)).encode(), request, answer, str(len(found)))
            return
        pages = [answer]
        while pages[-1].link is not None:
            self._expect(len(pages) < 60, request, answer, "an end")
            pages.append(await self.one.ask("GET", pages[-1].link or "", {"Authorization": f"Bearer {self.asker}"}))
            self._expect(pages[-1].status == 200, request, pages[-1], "a page")
        wanted = [self.interpreter.record(name, row, options) for row in window(found, options)]
        self._same(request, answer, wanted, [record for page in pages for record in _values(page)])
        if options.get("count"):
            for page in pages:
                self._expect(_loaded(page)["@odata.count"] == len(found), request, page, f"count {len(found)}")

    def right_pages(self, request: Request, pages: list[Answer]) -> None:
        """The pages of a collection are those of the right answer, where there is one."""
        if not self.behaves or any(page.status != 200 for page in pages):
            return
        self.counts.oracles["O5"] += 1
        name, options = request["set"], request["options"]
        found = self.interpreter.matching(name, self.low.rows[name], options, nested=False)
        wanted = [self.interpreter.record(name, row, options) for row in found]
        self._same(
            {**request, "path": "collection"}, pages[0], wanted, [record for page in pages for record in _values(page)]
        )

    def _same(self, request: Request, answer: Answer, wanted: list[Any], got: list[Any]) -> None:
        if wanted != got:
            number = next(
                (n for n, pair in enumerate(zip(wanted, got, strict=False)) if pair[0] != pair[1]),
                min(len(wanted), len(got)),
            )
            message = f"of {len(wanted)} and {len(got)} records, number {number}\n  right:    {wanted[number : number + 1]}\n  answered: {got[number : number + 1]}"
            raise self.fail(
                "O5",
                f"{unquote(target_of(request))}\n{message}\n  asked {[unquote(text) for text in self.one.model.asked][-3:]}",
            )

    def _expect(self, fits: bool, request: Request, answer: Answer, wanted: str) -> None:
        if not fits:
            raise self.fail(
                "O5",
                f"{unquote(target_of(request))}\n  {wanted} would be right, not {answer.status} {answer.body[:200]!r}",
            )


class Keys:
    """Two keys with a licence each, of which each is held to its own.

    A request says who asks (``as``), and may come in other words: ``swap`` gives each key the licence of the other one,
    as a change of templates does, and ``again`` is the last request of the other key, with the entity tag of its answer.
    A link is followed by its owner; with ``as`` by the other key.
    """

    def __init__(self, trial: Trial, upstream: Callable[[World, Habits], Model]) -> None:
        case = trial.case
        assert case.beside is not None
        self.trial = trial
        self._upstream = upstream
        self._licences = dict(zip(("k", "other"), case.licences, strict=True))
        self._raw = {"k": case.licence, "other": case.beside}
        self._snapshots = [trial.snapshot, snapshot_of(case.beside, case.licence, trial.snapshot)]
        if self._snapshots[1].faults:
            raise AssertionError("the licence does not compile")
        self._views = {key: self._view(licence) for key, licence in self._licences.items()}
        self._owner = "k"
        self._is_stale = False
        self._own: dict[int, Snapshot] = {}
        #: Key to its last request, the entity tag of the answer, and the policy of which both are.
        self._asked: dict[str, tuple[Request, str, str]] = {}
        self._tagged_for = ""

    def turn(self, request: Request) -> Request:
        """Make the trial one of the key that asks, and return what it asks."""
        if request["path"] == "swap":
            self._swap()
            request = {"path": "raw", "target": "$metadata", "as": request.get("as", "k")}
        asker = str(request.get("as", "k"))
        if request["path"] == "follow":
            other = {"k": "other", "other": "k"}[self._owner]
            asker = other if "as" in request else self._owner
        if request["path"] == "revalidate":
            giver = {"k": "other", "other": "k"}[asker]
            before, tag, self._tagged_for = self._asked.get(giver, ({"path": "raw", "target": ""}, '"none"', ""))
            request = {**before, "as": asker, "headers": [["If-None-Match", tag]], "again": True}
        trial = self.trial
        trial.asker, trial.licence = asker, self._licences[asker]
        trial.low, trial.interpreter, trial.allowed = self._views[asker]
        return request

    def _view(self, licence: Licence) -> tuple[Low, Interpreter, dict[str, set[str]]]:
        """What a licence permits of the database, its interpreter, and the names that may be asked for under it."""
        found = low(licence, self.trial.case.seen(self.trial.case.world))
        return found, Interpreter(licence, found), {name: allowed(licence, name) for name in FIELDS}

    def _swap(self) -> None:
        before = self._fingerprints()
        self._snapshots.reverse()
        self._licences = {"k": self._licences["other"], "other": self._licences["k"]}
        self._views = {"k": self._views["other"], "other": self._views["k"]}
        self._raw = {"k": self._raw["other"], "other": self._raw["k"]}
        for side in (self.trial.one, self.trial.two):
            side.snapshot = side.gateway.snapshot = self._snapshots[0]
        self._is_stale = self._is_stale or before != self._fingerprints()

    def _fingerprint(self, key: str) -> str:
        return self._snapshots[0].by_key[key].fingerprint

    def _fingerprints(self) -> list[str]:
        return [self._fingerprint(key) for key in ("k", "other")]

    async def hold(self, request: Request, asked: Any, answer: Answer) -> None:
        """A key is answered as if it were the only one (O12)."""
        trial = self.trial
        method, targets, headers, body = asked
        if request["path"] == "follow" and self._is_stale and answer.status == 200:
            raise trial.fail("O12", f"a link is followed under another policy: {answer.body[:200]!r}")
        if request.get("again") and answer.status == 304 and self._tagged_for != self._fingerprint(trial.asker):
            raise trial.fail("O12", f"the entity tag of another key's answer is known\n{unquote(targets[0])}")
        if answer.link is not None:
            self._owner, self._is_stale = trial.asker, False
        tag = dict(answer.headers).get("ETag")
        if tag is not None and answer.status == 200 and method == "GET" and request["path"] != "follow":
            plain = {key: value for key, value in request.items() if key not in ("headers", "again")}
            self._asked[trial.asker] = plain, tag, self._fingerprint(trial.asker)
        is_local = request["path"] == "raw"
        if trial.case.habits.trouble or (trial.rng.random() > 0.2 and not is_local):
            return
        alone = Side(self._alone(trial.asker), trial.case.world, trial.case.habits, upstream=self._upstream)
        for kind, resource in trial.one.lost:
            alone.trust.lose([kind], resource, "the other gateway")  # type: ignore[list-item]  # a kind of trust
        trial.counts.oracles["O12"] += 1
        again = await alone.ask(method, targets[0], headers, body)
        if len(alone.lost) == len(trial.one.lost) and again.without_token() != answer.without_token():
            raise trial.fail(
                "O12", f"{trial.asker} is answered by a gateway of its own:\n{again}\nand beside another key:\n{answer}"
            )

    def _alone(self, key: str) -> Snapshot:
        """The licence of one key, of which the other one has the same."""
        own = self._raw[key]
        place = id(own)
        if place not in self._own:
            self._own[place] = snapshot_of(own)
        return self._own[place]


def _share(lost: set[tuple[str, str]], side: Side) -> None:
    for kind, resource in sorted(lost - set(side.lost)):
        side.trust.lose([kind], resource, "the other side")  # type: ignore[list-item]  # a kind of trust


def _wired(request: Request) -> tuple[str, str, dict[str, str], bytes | None]:
    """Method, target, headers and body of a write."""
    headers = {"Authorization": f"Bearer {request.get('as', 'k')}", "Content-Type": "application/json"}
    headers |= dialogue.repeat_headers(request)
    if request.get("returns"):
        headers["Prefer"] = f"return={request['returns']}"
    if request.get("if_match"):
        headers["If-Match"] = request["if_match"]
    key = "" if request["key"] is None else "('" + quote(request["key"].replace("'", "''"), safe="'") + "')"
    body = None if request["body"] is None else json.dumps(request["body"]).encode()
    return request["method"], f"{ROOT}/{request['set']}{key}", headers, body


def _stated(licence: Licence, found: Low, request: Request) -> Request:
    """A write without the members of its body that change nothing."""
    if request["body"] is None:
        return request
    passed = passed_over(licence, found, request)
    return {**request, "body": {name: value for name, value in request["body"].items() if name not in passed}}


def _fits(kind: str, value: Any) -> bool:
    """Whether a value is one of its field's type; null is."""
    kinds: dict[str, type] = {"String": str, "Int64": int, "Boolean": bool, "Date": str}
    if value is None:
        return not kind.startswith("Coll")
    if kind.startswith("Coll"):
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if kind not in kinds or not isinstance(value, kinds[kind]) or (kind == "Int64" and isinstance(value, bool)):
        return False
    return not (isinstance(value, str) and (len(value) > 40 or (kind == "Date" and len(value) != 10))) and not (
        isinstance(value, int) and abs(value) >= 2**63
    )


#: All that a client learns of an upstream's failure.
_BAD_GATEWAY = b'{"error":{"code":"UpstreamError","message":"the listing service behind this gateway gave an answer that cannot be used"}}'
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
#: Each letter by another one of its class, so that names keep their shape.
_NEXT = {letter: _LETTERS[(n + 7) % 26] for n, letter in enumerate(_LETTERS)}


def _edited(link: str, where: float, character: str) -> str:
    start = link.index("skiptoken=") + len("skiptoken=")
    place = start + int(where * (len(link) - start))
    if link[place] == character:
        character = "B" if character == "A" else "A"  # what is sealed anew differs, and both are to be changed
    return link[:place] + character + link[place + 1 :]


def _excerpt(answer: Answer, place: int) -> str:
    return f"{answer.status} {answer.body[max(0, place - 150) : place + 150]!r} {answer.headers if place == 0 else ''}"


def _loaded(answer: Answer) -> Any:
    return json.loads(answer.body, parse_float=Decimal)


def _values(answer: Answer) -> list[Any]:
    return list(_loaded(answer)["value"])


def _entity(answer: Answer) -> Any:
    record = _loaded(answer)
    record.pop("@odata.context")
    return record
