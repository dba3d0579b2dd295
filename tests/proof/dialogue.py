"""Requests that depend on an earlier answer: tags, links of bodies, writes that come again. And members that come twice.

    {"path": "again", "at": number, "tag": one of TAGS, "as": "k" | "other", "header": "If-None-Match" | "If-Match"}
    {"path": "query link", "set", "options", "noise": number, "then": one of THEN}
    {"path": "write", ..., "tag": one of WRITTEN_TAGS, "format": text}        If-Match with a tag that was answered
    {"path": "write", ..., "repeat": {"id", "client", "sent"}, "as"}          headers of Repeatable Requests

All of it is drawn from generators of its own, and stands behind the requests of a case.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.proof.language import Expression
from tests.proof.licence import Licence, ever_shows, low, tested
from tests.proof.model import FIELDS, KEY, Row, World, navigations
from tests.proof.requests import ROOT, Request, query_of
from tests.proof.worlds import Change, changed

if TYPE_CHECKING:  # the oracles call this module
    from tests.proof.oracles import Case, Trial
    from tests.proof.sides import Answer, Side

TAGS = ("own", "own", "strong", "other side", "other key", "elsewhere", "elsewhere", "list", "star")
THEN = ("same", "same", "other", "other", "get", "without", "other key")
WRITTEN_TAGS = ("current", "current", "strong", "other side", "first", "elsewhere", "list")
_ACCEPTED = ("application/json", "application/json;metadata=none", "application/json;IEEE754Compatible=true")
#: When a write was first sent: an hour before the frozen clock, a day and an hour, or no date at all.
_SENT = ("Thu, 15 Jan 2026 11:00:00 GMT",) * 4 + ("Wed, 14 Jan 2026 10:00:00 GMT", "now")
#: Headers that belong to a body, and are not in an answer without one.
_OF_BODIES = frozenset({"Content-Type", "Content-Length", "Content-Encoding", "compressed"})
#: What each part is a way to leak by.
CHANNELS = {
    "again": "C180 C181 C182", "query link": "C90 C113", "written tag": "C183 C327", "repeat": "C221", "twice": "C197",
}  # fmt: skip


# --- what is drawn


def extended(seed: int, case: Case, *, writes: bool) -> None:
    """Adds to a case what depends on answers, and members that come twice where nobody sees them."""
    rng = random.Random(f"dialogue {seed}")
    collections = [request for request in case.requests if request["path"] == "collection"]
    added: list[Request] = [_again(rng) for _ in range(rng.randint(1, 3))]
    if rng.random() < 0.5 and collections:
        # One with pages, where there is one: a filter of its client leaves few rows.
        plain = [request for request in collections if "filter" not in request["options"]]
        added.append(_query_link(rng, rng.choice(plain or collections)))
    if writes:
        written = [request for request in case.requests if request["path"] == "write"]
        for request in rng.sample(written, min(2, len(written))):
            added.append({**copy.deepcopy(request), "tag": rng.choice(WRITTEN_TAGS), "format": rng.choice(_ACCEPTED)})
            added[-1].pop("if_match", None)
        likely = [request for request in written if not request.get("if_match")]
        if likely:
            added += _repeats(rng, rng.choice(likely))
    case.requests += added
    if random.Random(f"twice {seed}").random() < 0.5:
        _add_twice(random.Random(f"members {seed}"), case)


def _add_twice(rng: random.Random, case: Case) -> None:
    """Put members that come twice into one of the databases; a canonical one has nothing that is withheld."""
    world = case.world
    for change in case.changes:
        world = changed(world, change)
    if not case.canonical:
        case.changes += twice(rng, case.licence, world, case.seen)
        return
    for change in twice(rng, case.licence, case.world, case.seen):
        case.world = changed(case.world, change)


def _again(rng: random.Random) -> Request:
    return {
        "path": "again", "at": rng.randint(0, 50), "tag": rng.choice(TAGS), "as": rng.choice(("k", "k", "other")),
        "header": rng.choice(("If-None-Match", "If-None-Match", "If-None-Match", "If-Match")),
    }  # fmt: skip


def _query_link(rng: random.Random, request: Request) -> Request:
    options = {name: value for name, value in copy.deepcopy(request["options"]).items() if name not in ("top", "skip")}
    return {
        "path": "query link", "set": request["set"], "options": options, "noise": rng.randint(1, 10**6), "then": rng.choice(THEN),
    }  # fmt: skip


def _repeats(rng: random.Random, request: Request) -> list[Request]:
    """A write that may come again, and comes again: as it was, and with something else about it."""
    first = copy.deepcopy(request) | {"repeat": {"id": "r1", "client": None, "sent": rng.choice(_SENT)}}
    found = [first]
    for _ in range(rng.randint(1, 3)):
        other = copy.deepcopy(first)
        match rng.choice(("same", "same", "key", "body", "client", "id", "header")):
            case "key":
                other["as"] = "other"
            case "body" if isinstance(other["body"], dict):
                other["body"] = {**other["body"], "@my.note": rng.randint(0, 9)}
            case "client":
                other["repeat"]["client"] = "c"
            case "id":
                other["repeat"]["id"] = "r2"
            case "header":
                other["returns"] = rng.choice((None, "minimal", "representation"))
        found.append(other)
    return found


#: A value, and behind it the member again, or another one: ``%`` is the field's own name, ``^`` another one. One of
#: each name has an escaped letter.
_TWICE = (
    b'"A","%":"B"', b'null,"%":null', b'"A","\\u00%x%":1', b'1,"^":"canary"', b'null,"\\u00^x^":null', b'"A","^":"A","^":"canary"',
    b'{"a":1,"a":2}', b'[{"^":1,"^":2}]',
)  # fmt: skip


def twice(
    rng: random.Random, licence: Licence, world: World, seen: Callable[[World], World], wanted: int = 2
) -> list[Change]:
    """Changes after which records have members twice, and the licence permits the same as before: hidden members of
    records that can be seen, and any member of those that cannot."""
    same, changes = low(licence, seen(world)), list[Change]()
    every = [(name, row) for name in FIELDS for row in world[name]]
    withheld = [(name, row) for name, row in every if name in licence.sets and row not in same.rows[name]]
    for _ in range(wanted * 8):
        if len(changes) == wanted or not every:
            break
        name, row = rng.choice(withheld if withheld and rng.random() < 0.6 else every)
        key = row[KEY[name]]
        is_seen = name in licence.sets and any(found[KEY[name]] == key for found in same.rows[name])
        field, other = _members(rng, licence, name, is_seen=is_seen)
        if field is None or isinstance(row[field], dict):
            continue
        raw = _raw(rng, field, other)
        if not is_seen and same.rows.get(name) and rng.random() < 0.6:
            raw = _disguise(rng, licence, name, rng.choice(same.rows[name]))
        change: Change = ["cell", name, key, field, {"raw": raw, "is": row[field]}]
        after = changed(world, change)
        if low(licence, seen(after)).shown == same.shown:
            changes.append(change)
            world = after
    return changes


def _members(rng: random.Random, licence: Licence, name: str, *, is_seen: bool) -> tuple[str | None, str]:
    fields = [field for field in FIELDS[name] if field != KEY[name]]
    every = [*FIELDS[name], *navigations(name), "@odata.etag", "Undeclared"]
    if not is_seen:
        return rng.choice(fields), rng.choice(every)
    hidden = [field for field in fields if not ever_shows(licence, name, field)]
    # What decides about a record, or ties it to another one, is not known any more where it comes twice.
    deciding = tested(licence, name)
    loose = [field for field in hidden if field not in deciding and not field.endswith("Key") and field not in _RANKING]
    return (rng.choice(hidden) if hidden else None), rng.choice([*loose, "Undeclared"])


def _disguise(rng: random.Random, licence: Licence, name: str, row: Row) -> str:
    """Everything that decides about a record once more, as a record has it that can be seen."""
    members = [
        f"{_spelled(rng, field)}:{json.dumps(row.get(field), default=float)}" for field in sorted(tested(licence, name))
    ]
    return ",".join(["null", *members]).encode().hex()


def _spelled(rng: random.Random, name: str) -> str:
    """A name of a member, sometimes with its first letter escaped."""
    return f'"\\u{ord(name[0]):04x}{name[1:]}"' if rng.random() < 0.3 else f'"{name}"'


def _raw(rng: random.Random, field: str, other: str) -> str:
    text = rng.choice(_TWICE)
    for sign, name in ((b"%", field), (b"^", other)):
        text = text.replace(b"\\u00%sx%s" % (sign, sign), f"\\u{ord(name[0]):04x}{name[1:]}".encode())
        text = text.replace(sign, name.encode())
    return text.hex()


#: Fields of Media by which photos are counted, hidden or not.
_RANKING = ("ResourceName", "Order", "MediaCategory")


# --- what must hold


@dataclass
class Memory:
    """What a trial remembers of its answers."""

    #: Requests that were answered with a tag, and both answers.
    tagged: list[tuple[Any, Answer, Answer]] = field(default_factory=list)
    #: The first tags of records, by path.
    first: dict[str, tuple[str, str]] = field(default_factory=dict)
    #: Identity of a write that may come again, to the status of its first answer.
    sent: dict[str, int] = field(default_factory=dict)

    def note(self, asked: Any, first: Answer, second: Answer) -> None:
        """Remember answers that have a tag and no place of their own."""
        method, targets, _, _ = asked
        if method == "GET" and targets[0] == targets[1] and tag(first) and tag(second):
            self.tagged.append((asked, first, second))


def tag(answer: Answer) -> str:
    return next((value for name, value in answer.headers if name == "ETag" and answer.status == 200), "")


async def held(trial: Trial, request: Request) -> None:
    """Ask what a request of this module says, and hold it."""
    match request["path"]:
        case "again":
            await _held_again(trial, request)
        case "query link":
            await _held_query_link(trial, request)


async def _held_again(trial: Trial, request: Request) -> None:
    """With a condition the answer is the one without it, or 304 just where its tag is one of those that were sent."""
    known = trial.memory.tagged
    if not known:
        return
    (method, targets, headers, body), *before = known[request["at"] % len(known)]
    elsewhere = [tag(answer) for answer in known[(request["at"] + 1) % len(known)][1:]]
    plain = {**headers, "Authorization": f"Bearer {request['as']}"}
    now = await trial._both(method, targets, plain, body)
    others = await trial._both(method, targets, {**plain, "Authorization": "Bearer other"}, body)
    own = [tag(answer) for answer in before]
    listed = {
        "own": own, "strong": [text.removeprefix("W/") for text in own], "other side": own[::-1],
        "other key": [tag(answer) or '"none"' for answer in others], "elsewhere": elsewhere,
        "list": [f'"x", {text}, W/"a,b"' for text in own], "star": ["*", "*"],
    }[request["tag"]]  # fmt: skip
    # Each side is sent its own: a tag that tells the two apart is found where it was answered.
    sent = [{**plain, request["header"]: text} for text in listed]
    found = await trial._both(method, targets, plain, body, sent)
    trial.counts.statuses[found[0].status] += 1
    if trial.case.habits.trouble:
        for answer in found:
            trial._canaries(answer, targets)
        return
    trial._compare(*found, targets)
    for side, text, bare, answer in zip((trial.one, trial.two), listed, now, found, strict=True):
        trial._totality(side, answer)
        trial._canaries(answer, targets)
        trial._outbound(side)
        trial.counts.oracles["O8"] += 1
        opaque = tag(bare).removeprefix("W/")
        is_known = request["header"] == "If-None-Match" and opaque != "" and (text == "*" or opaque in text)
        if not is_known and answer.without_token() != bare.without_token():
            raise trial.fail(
                "O8", f"{targets[0]}\n  {request['header']}: {text} changes the answer\n  {bare}\n  {answer}"
            )
        if is_known and (answer.status, answer.body) != (304, b""):
            raise trial.fail("O8", f"{targets[0]}\n  the tag {text} is its own, and the answer {answer}")
        # What is left of the limits is another number after a body and after none.
        told = {pair for pair in answer.headers if pair[0] != "RateLimit"}
        if is_known and not told <= {pair for pair in bare.headers if pair[0] not in _OF_BODIES}:
            raise trial.fail("O8", f"{targets[0]}\n  304 has other headers\n  {bare.headers}\n  {answer.headers}")


def _noise(number: int) -> str:
    """Text that no compression makes shorter: a request with it fits no link."""
    return "".join(
        random.Random(number).choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", k=16_000)
    )


async def _held_query_link(trial: Trial, request: Request) -> None:
    """The link of a request that came as a body is followed with that body, and with no other, by nobody else (C90)."""
    name = request["set"]

    def body_of(number: int) -> bytes:
        pin: Expression = ["cmp", "ne", ["f", KEY[name]], ["s", _noise(number)]]
        inner = request["options"].get("filter")
        options = {**request["options"], "filter": pin if inner is None else ["and", pin, inner]}
        return query_of({"options": options}).encode()

    body, other = body_of(request["noise"]), body_of(request["noise"] + 1)
    target = f"{ROOT}/{name}/$query"
    headers = {"Authorization": "Bearer k", "Content-Type": "text/plain", "Prefer": "maxpagesize=1"}
    pages = [await _page(trial, ("POST", (target, target), headers, body))]
    links = [answer.link for answer in pages[0]]
    if links[0] is None or links[1] is None:
        return
    pair = (links[0], links[1])
    if any("/$query?" not in link for link in pair):
        raise trial.fail("O8", f"a request of {len(body)} bytes fits a link: {pair[0][:80]}")
    then = request["then"]
    if then != "same":
        bare = (pair[0].replace("/$query", ""), pair[1].replace("/$query", ""))
        asked = {
            "other": ("POST", pair, headers, other), "get": ("GET", pair, headers, None), "without": ("GET", bare, headers, None),
            "other key": ("POST", pair, {**headers, "Authorization": "Bearer other"}, body),
        }[then]  # fmt: skip
        for answer in await _page(trial, asked):
            if answer.status == 200:
                raise trial.fail("O10", f"a link of a body is followed by {then}: {answer.body[:200]!r}")
        return
    while pages[-1][0].link is not None and pages[-1][1].link is not None and len(pages) < 60:
        following = (pages[-1][0].link, pages[-1][1].link)
        pages.append(await _page(trial, ("POST", following, headers, body)))
        if pages[-1][0].status != 200 and not trial.case.habits.trouble and not trial.case.habits.stands_still:
            raise trial.fail("O5", f"the link of a body leads to {pages[-1][0].status} {pages[-1][0].body[:200]!r}")
    trial.right_pages(request, [answer for answer, _ in pages])


async def _page(trial: Trial, asked: Any) -> tuple[Answer, Answer]:
    """Both answers, held to what holds of every answer."""
    first, second = await trial._both(*asked)
    trial.counts.statuses[first.status] += 1
    if not trial.case.habits.trouble:
        trial._compare(first, second, asked[1])
    for side, answer in ((trial.one, first), (trial.two, second)):
        trial._totality(side, answer)
        trial._canaries(answer, asked[1])
        trial._outbound(side)
    return first, second


# --- writes


async def tags_for(trial: Trial, request: Request) -> tuple[tuple[str, str], tuple[bool, bool]] | None:
    """The If-Match of a write for each side, and whether it is of the record as it is now; None without ``tag``."""
    if "tag" not in request:
        return None
    if request["key"] is None:
        return ('W/"none"', 'W/"none"'), (False, False)
    path = f"{ROOT}/{request['set']}('" + quote(str(request["key"]).replace("'", "''"), safe="'") + "')"
    headers = {"Authorization": "Bearer k", "Accept": request["format"]}
    now = [tag(answer) or 'W/"none"' for answer in await trial._both("GET", (path, path), headers, None)]
    first = trial.memory.first.setdefault(path, (now[0], now[1]))
    known = trial.memory.tagged
    elsewhere = [tag(answer) for answer in known[-1][1:]] if known else ['W/"x"'] * 2
    sent = {
        "current": now, "strong": [text.removeprefix("W/") for text in now], "other side": now[::-1], "first": list(first),
        "elsewhere": elsewhere, "list": [f'"x", {text}' for text in now],
    }[request["tag"]]  # fmt: skip
    fits = [own != 'W/"none"' and own.removeprefix("W/") in text for own, text in zip(now, sent, strict=True)]
    return (sent[0], sent[1]), (fits[0], fits[1])


def repeat_headers(request: Request) -> dict[str, str]:
    """The headers of a write that may come again."""
    about = request.get("repeat")
    if not about:
        return {}
    client = {} if about["client"] is None else {"Repeatability-Client-ID": about["client"]}
    return {"Repeatability-Request-ID": about["id"], "Repeatability-First-Sent": about["sent"], **client}


def is_dated(request: Request) -> bool:
    """Whether a write does not come again, or says well when it was sent first."""
    return not request.get("repeat") or request["repeat"]["sent"] == _SENT[0]


def identity(request: Request) -> str:
    about = request["repeat"]
    parts = (request.get("as", "k"), request["method"], request["set"], request["key"], request["body"])
    return json.dumps([*parts, about["id"], about["client"]], default=str)


def held_repeat(trial: Trial, request: Request, side: Side, answer: Answer, before: World) -> bool:
    """Whether a write is the repeat of one that was sent: then it is not sent again, and answered as done or unknown."""
    about = request.get("repeat")
    if not about:
        return False
    known = trial.memory.sent.get(identity(request))
    said = next((value for name, value in answer.headers if name == "Repeatability-Result"), "")
    is_sent = answer.status in (200, 201, 204, 504)
    story = f"{request}\n  answered {answer.status} {said} {answer.body[:300]!r}\n  writes {side.model.writes}"
    if said != ("accepted" if is_sent else "rejected") and request["method"] in ("POST", "PATCH", "DELETE"):
        raise trial.fail("O9", f"the result of a repeatable request is {said!r}: {story}")
    if about["sent"] != _SENT[0] and (answer.status < 400 or side.model.writes):
        raise trial.fail("O9", f"a request without a good date is carried out: {story}")
    if known is None:
        return False
    if side.model.writes or side.model.world != before:
        raise trial.fail("O9", f"what was sent is sent again: {story}")
    if about["sent"] == _SENT[0] and answer.status not in ((504,) if known == 504 else (200, 201, 204, 400, 503)):
        raise trial.fail("O9", f"what was answered with {known} is answered otherwise: {story}")
    return True


def note_repeat(trial: Trial, request: Request, answer: Answer) -> None:
    if request.get("repeat") and answer.status in (200, 201, 204, 504):
        trial.memory.sent.setdefault(identity(request), answer.status)
