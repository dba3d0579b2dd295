"""Completeness on a server that nobody here wrote (G4): the prover's licences and requests, with odatapy in place of its
own upstream, and the naive interpreter on what is permitted for the right answers."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace

import pytest

from tests.proof.generate import make_case
from tests.proof.model import World
from tests.proof.oracles import Counts, Trial
from tests.proof.upstream import Habits
from tests.proof.worlds import DOMAINS

pytestmark = pytest.mark.interop

#: The numbers of cases; about a seventh have a licence and rows that this server can stand for.
SEEDS = 480


#: What stands in place of null.
_FILL = {**{field: domain[-2] for field, domain in DOMAINS.items()}, "ListAgentKey": "M1"}


def _filled(world: World) -> World:
    return {
        name: [
            {field: _FILL[field] if value is None and field in _FILL else value for field, value in row.items()}
            for row in rows
        ]
        for name, rows in world.items()
    }


def _storable(world: World) -> bool:
    """Whether this server can store it: lists are never null in OData, and half a character is none."""
    rows = [row for name in world for row in world[name]]
    return all(row.get("Appliances", []) is not None for row in rows) and "\\ud800" not in json.dumps(rows)


@pytest.mark.guarantee("G4")
def test_the_right_answers_in_front_of_odatapy() -> None:
    from tests.interop.odatapy_upstream import Odatapy  # not there where the other tests run

    counts = Counts()
    cases = 0
    for seed in range(SEEDS):
        made = make_case(seed, enumerations=False)
        if made is None or not _storable(made.case.world):
            continue
        profile = made.case.licence.profile
        if profile.get("string_equality", "exact") != "exact" or profile.get("omits_nulls") or "embedded" in profile:
            continue  # this server folds nothing, leaves nothing out, and has no lists inside records
        # It prints no zeros at the end of a second.
        world = json.loads(re.sub(r"(\.\d+?)0+Z", r"\1Z", json.dumps(made.case.world)))
        # Of null it knows what SQL knows, so a client's own conditions have the right answer where there are none.
        habits, world = (Habits(nulls="sql"), world) if seed % 2 else (Habits(), _filled(world))
        case = replace(made.case, world=world, habits=habits, changes=[], canonical=False)
        counts.add(asyncio.run(Trial(case, made.snapshot, Odatapy).run()))
        cases += 1

    assert cases > SEEDS / 8
    assert counts.oracles["O5"] > 4 * cases
    assert counts.statuses[200] > 6 * cases
