"""Each setting is drawn by the prover, or named as outside; and the report can tell."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.edge.preferences import read_preferences
from gateway.policy.presets import PRESETS
from tests.proof.batches import MAKERS
from tests.proof.generate import Made, make_case
from tests.proof.reach import REPOSITORY, Lists, counted, documented, in_force, watched

#: Licences of each kind of case among which a setting that is drawn must be in force.
LICENCES = 400


def cases() -> Iterator[Made]:
    for seed in range(LICENCES):
        yield from (made for make in MAKERS.values() if (made := make(seed)) is not None)


def test_each_setting_is_drawn_or_outside() -> None:
    settings = documented()

    assert Lists.load().faults(settings) == []
    assert {f"upstream.profile.preset = {name}" for name in PRESETS} <= settings
    assert "requests.page_size" in settings


@pytest.mark.guarantee("G1")
def test_each_setting_that_is_drawn_is_in_force_in_some_case() -> None:
    """To say that a setting is drawn is not enough: cases are made, and the settings counted that are in force."""
    lists, left = Lists.load(), set(Lists.load().drawn)
    for made in cases():
        left -= in_force(made)
        if not left:
            break

    assert lists.drawn
    assert sorted(left) == []


def test_the_lists_say_what_is_wrong_with_them() -> None:
    lists = Lists({"a": "drawn somehow or other", "b": "drawn twice over", "gone": "was a setting"}, {"b": "outside of it all", "c": "no"})  # fmt: skip

    assert lists.faults({"a", "b", "c", "new"}) == [
        "new: neither drawn nor outside", "gone: not a setting", "b: both drawn and outside", "c: needs a sentence",
    ]  # fmt: skip
    assert lists.unreached({"a": 1, "b": 0}) == ["b: drawn, and in force in no case", "gone: drawn, and in force in no case"]  # fmt: skip


def test_a_setting_at_its_default_is_not_in_force() -> None:
    made = next(made for seed in range(50) if (made := make_case(seed)) and "preset" in made.case.licence.profile)
    found = in_force(made)

    assert f"upstream.profile.preset = {made.case.licence.profile['preset']}" in found
    assert "requests.page_size" in found
    assert "requests.gzip" not in found


def test_a_setting_about_resources_that_the_licence_has_not_is_not_in_force() -> None:
    made = next(
        made
        for seed in range(200)
        if (made := make_case(seed)) and "Member" in made.case.licence.never and "Member" in made.case.licence.sets
    )
    assert "policy.never_visible" in in_force(made)

    del made.case.licence.sets["Member"]

    assert "policy.never_visible" not in in_force(made)
    assert counted([made, made])["requests.page_size"] == 2


def test_statements_that_nothing_ran_are_named() -> None:
    path = "gateway/edge/preferences.py"
    lines = (REPOSITORY / path).read_text(encoding="utf-8").splitlines()

    floor = next(floor for floor in watched(lambda: read_preferences([], 10)) if floor.path == path)

    assert 0 < len(floor.missing) < floor.statements
    assert all(lines[number - 1].strip() == text for number, text in floor.missing)
    ran = next(floor for floor in watched(lambda: read_preferences(["maxpagesize=3"], 10)) if floor.path == path)
    assert len(ran.missing) < len(floor.missing)
