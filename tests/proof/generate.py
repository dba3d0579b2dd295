"""From a number to a case: the same number gives the same case on every machine."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import unquote

from gateway.store.snapshot import Snapshot
from tests.proof import dialogue, paging
from tests.proof.licence import Licence, effective, low, row_rules
from tests.proof.model import ENUM_FORMS, ENUMS, World, enter
from tests.proof.oracles import Case
from tests.proof.requests import Maker, Request, target_of
from tests.proof.settings import beside, with_bounds, with_settings
from tests.proof.sides import snapshot_of
from tests.proof.surface import channels_of, channels_of_writes
from tests.proof.upstream import Habits, as_printed, is_honest, make_habits, misreads
from tests.proof.wide import about_metadata, edits_of, widened
from tests.proof.worlds import KINDS, changed, make_changes, make_licence, make_lively_world, with_shapes
from tests.proof.writes import TROUBLE, Writer, hidden_deciders, with_writes


@dataclass
class Made:
    """A case, its licence compiled, and what of grammar and channels its requests touch."""

    case: Case
    snapshot: Snapshot
    channels: set[str]
    productions: set[str]


def _skips(request: Request) -> bool:
    if request["path"] in ("follow", "again", "revalidate", "swap"):
        return False
    return "skip" in request.get("options", {}) or (
        request["path"] != "query link" and "$skip=" in unquote(target_of(request))
    )


def _unlimited(licence: Licence, habits: Habits, held: Licence) -> bool:
    """Takes away its photo limit, where the upstream may leave out photos that are within it: those past it are then
    counted as the first ones, and nobody can know (docs/guarantees.md). No number is drawn for it."""
    if licence.limit is None or "Media" not in held.sets or not row_rules(held, "Media"):
        return False
    if not misreads(habits, licence.profile):
        return False
    licence.limit = None
    return True


def _of_two(rng: random.Random, requests: list[Request], other: Licence, one: World, two: World) -> list[Request]:
    """Requests of one key, with such of another one in between, and changes of what the two are licensed to."""
    maker = Maker(rng, other, one, two)
    found: list[Request] = []
    for request in requests:
        roll = rng.random()
        if roll < 0.3:
            found.append({**maker.make(), "as": "other"} if roll < 0.25 else {"path": "follow", "as": "other"})
        else:
            found.append(request)
        turn = rng.random()
        if turn < 0.12 and found[-1]["path"] not in ("follow", "revalidate", "swap"):
            plain = {key: value for key, value in found[-1].items() if key != "as"}
            found.append(plain if "as" in found[-1] else {**plain, "as": "other"})
        elif turn < 0.2:
            found.append({"path": "revalidate", **rng.choice(({}, {"as": "other"}))})
        elif turn < 0.26:
            word = rng.choice(("$metadata", "$metadata", "", "Property"))
            found.append({"path": rng.choice(("swap", "raw")), "target": word, **rng.choice(({}, {"as": "other"}))})
    return found


def make_write_case(seed: int, length: int = 24) -> Made | None:
    """As ``make_case``, with writes among the reads."""
    enter(())
    rng = random.Random(f"writes {seed}")
    hostile = rng.random() < 0.25
    licence = make_licence(rng)
    with_writes(rng, licence)
    with_bounds(random.Random(f"bounds {seed}"), licence)
    if hostile:
        licence.profile.pop("counts", None)
    snapshot = snapshot_of(licence)
    if snapshot.faults:
        return None
    world = make_lively_world(rng, licence)
    habits = replace(
        make_habits(rng, licence.profile, hostile=hostile),
        tags=licence.profile["conditional_writes"] == "etag",
        write_trouble=tuple(rng.choice((*[""] * 8, *TROUBLE)) for _ in range(5)) if rng.random() < 0.4 else (),
        location=rng.choice(("right", "right", "right", "none", "foreign")),
        upserts=rng.random() < 0.5,
    )
    if _unlimited(licence, habits, licence):
        snapshot = snapshot_of(licence)
    changes = make_changes(rng, licence, world, rng.randint(1, 5), lambda found: as_printed(found, habits))
    if "orderby" in habits.ignores:
        changes = [change for change in changes if change[0] != "order"]
    moved = world
    for change in changes:
        moved = changed(moved, change)
    if is_honest(habits, licence.profile):
        # What an upstream that lies about its conditions leaves out, nobody can know (docs/guarantees.md).
        changes += hidden_deciders(rng, licence, moved, 3, lambda found: as_printed(found, habits))
    case = Case(licence, world, changes, habits, [], canonical=rng.random() < 0.3, seed=seed)
    maker = Maker(rng, licence, world, case.other())
    writer = Writer(rng, licence, low(licence, case.seen(world)), maker.keys)
    case.requests = [writer.make() if rng.random() < 0.6 else maker.inside() for _ in range(length)]
    if hostile:
        case.requests = [request for request in case.requests if request["path"] == "write" or not _skips(request)]
    if effective(licence) == licence:
        dialogue.extended(seed, case, writes=True)
    return Made(case, snapshot, channels_of(maker.used) | channels_of_writes(writer.used), maker.productions)


def _is_legal(part: Any, field: str, members: Iterable[str]) -> bool:
    """Whether everything in a part of a case that names a field may stand where the field is an enumeration."""
    match part:
        case ["cmp", op, ["f", name], literal] if name == field:
            return literal == ["null"] or (op in ("eq", "ne") and literal[0] == "s" and literal[1] in members)
        case ["in", ["f", name], literals] if name == field:
            return all(literal[0] == "s" and literal[1] in members for literal in literals)
        case ["cmp" | "test", _, operand, _] if field in json.dumps(operand):
            return False
        case ["in", operand, _] if field in json.dumps(operand):
            return False
        case str():
            return part == field or field not in part
        case list() | tuple():
            return all(_is_legal(item, field, members) for item in part)
        case dict():
            return all(_is_legal(item, field, members) for item in (*part.keys(), *part.values()))
        case _:
            return True


def _all_legal(part: Any) -> bool:
    return all(_is_legal(part, field, members) for fields in ENUMS.values() for field, members in fields.items())


def _with_enumerations(seed: int, licence: Licence) -> None:
    """Makes fields of some licences enumerations, with a rule for one of them. No number of the case itself is drawn."""
    rng = random.Random(f"enumerations {seed}")
    if rng.random() < 0.5 or not _all_legal(asdict(licence)):
        return
    licence.enums, licence.texts = rng.choice(ENUM_FORMS), rng.random() < 0.8
    licence.profile["enum_literal"] = rng.choice(("qualified", "string"))
    for name in sorted(ENUMS.keys() & licence.sets.keys()):
        for field, members in ENUMS[name].items():
            rule = ["cmp", rng.choice(("eq", "ne")), ["f", field], ["s", rng.choice(list(members))]]
            if rng.random() < 0.7:
                licence.sets[name].always.append(rule)


def make_case(seed: int, length: int = 24, *, enumerations: bool = True) -> Made | None:
    """None where the compiler refuses the licence: that is an answer too, and counted. Without ``enumerations`` the
    world is one of the four sets, of primitive values."""
    enter(())
    rng = random.Random(seed)
    hostile = rng.random() < 0.35
    licence = make_licence(rng)
    spoilt = rng.random() < 0.2
    if hostile or spoilt:
        # A number cannot be verified record by record: an upstream that is believed to count is one that counts. One
        # that counts records which cannot be read is declared (docs/guarantees.md).
        licence.profile.pop("counts", None)
    if enumerations:
        with_shapes(random.Random(f"shapes {seed}"), licence)
        _with_enumerations(seed, licence)
        with_settings(random.Random(f"settings {seed}"), licence)
        paging.with_windows(seed, licence)
    other = beside(seed, licence) if enumerations else None
    snapshot = snapshot_of(licence, other)
    if snapshot.faults:
        return None
    held, *also = [effective(one) for one in (licence, other) if one is not None]
    world = make_lively_world(rng, held)
    habits = replace(make_habits(rng, licence.profile, hostile=hostile), texts=licence.texts)
    if enumerations:
        habits = paging.with_cuts(seed, licence, habits)
    if _unlimited(licence, habits, held) or (other is not None and _unlimited(other, habits, also[0])):
        held, *also = [effective(one) for one in (licence, other) if one is not None]
        snapshot = snapshot_of(licence, other)
    changes = make_changes(
        rng,
        held,
        world,
        rng.randint(1, 5),
        lambda found: as_printed(found, habits),
        ("spoil",) if spoilt else KINDS,
        also,
    )
    if "orderby" in habits.ignores:
        # Where an upstream stores a row is nothing that a licence withholds, and such a one shows nothing else.
        changes = [change for change in changes if change[0] != "order"]
    is_alone = other is None and held == licence
    if enumerations and is_alone and (habits.silent or habits.growing) and "orderby" not in habits.ignores:
        changes = changes + paging.withheld_between(
            seed, held, habits, world, changes, lambda found: as_printed(found, habits)
        )
    case = Case(licence, world, changes, habits, [], canonical=rng.random() < (0.1 if spoilt else 0.4), seed=seed)
    case.beside = other
    maker = Maker(rng, held, world, case.other())
    case.requests = [maker.make() for _ in range(length)]
    if other is not None:
        case.requests = _of_two(random.Random(f"turns {seed}"), case.requests, also[0], world, case.other())
    elif enumerations and (habits.silent or habits.growing):
        case.requests += paging.walks(seed, held)
    if "counts" not in licence.profile:
        # Nor can a window: what an upstream passes over never comes to be looked at (C371).
        case.requests = [request for request in case.requests if not _skips(request)]
    if licence.enums:
        case.requests = [request for request in case.requests if _all_legal(request)]
    made = Made(case, snapshot, channels_of(maker.used), maker.productions)
    # What follows knows of one key, which has what its documents say.
    return _with_more(seed, made) if is_alone and enumerations else made


def _with_more(seed: int, made: Made) -> Made:
    """The case with more of a world, requests that depend on answers, and two schemas."""
    case, snapshot, used, productions = made.case, made.snapshot, set(made.channels), set(made.productions)
    wide = widened(seed, case)
    if wide is not None:
        case, further = wide
        _unlimited(case.licence, case.habits, case.licence)
        snapshot = snapshot_of(case.licence)
        case.requests = [request for request in case.requests if _fits_case(case.licence, request)]
        used, productions = used | channels_of(further.used), productions | further.productions
    dialogue.extended(seed, case, writes=False)
    case.edits = edits_of(seed, case.licence)
    if case.edits and snapshot_of(case.licence, edits=case.edits).faults:
        case.edits = []
    if case.edits:
        case.requests += about_metadata(seed, case.licence)
    enter(())
    return Made(case, snapshot, used, productions)


def _fits_case(licence: Licence, request: Request) -> bool:
    """Whether a request may be compared under a licence: see ``make_case``."""
    return ("counts" in licence.profile or not _skips(request)) and (not licence.enums or _all_legal(request))
