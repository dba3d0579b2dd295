"""The excuses of mutants: each has a reason and a place that exists, and takes nothing else."""

from __future__ import annotations

import ast

import pytest

from tests.support import REPOSITORY
from tools.mutation import NAMED, Excuse, Mutant, excuses, others, row, unfinished, unfit


def _functions(module: str) -> set[str]:
    tree = ast.parse((REPOSITORY / "gateway" / f"{module}.py").read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        for below in ast.iter_child_nodes(node):
            if isinstance(below, ast.FunctionDef | ast.AsyncFunctionDef):
                owner = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
                found.add((owner + below.name).lstrip("_"))
    return found


def test_each_excuse_has_a_reason_and_a_place() -> None:
    for excuse in excuses():
        assert len(excuse.reason) > 20, excuse
        assert excuse.change, excuse
        assert excuse.module in NAMED, excuse
        if excuse.function:
            assert excuse.function in _functions(excuse.module), excuse


def _mutant(**changes: object) -> Mutant:
    return Mutant(**{"module": "a", "function": "f", "name": "n", "code": 0, "change": ("- x", "+ y"), **changes})  # type: ignore[arg-type]


def test_an_excuse_takes_what_all_of_it_fits() -> None:
    excuse = Excuse("why", "a", "f", "- x")

    assert excuse.fits(_mutant())
    assert not excuse.fits(_mutant(module="b"))
    assert not excuse.fits(_mutant(function="g"))
    assert not excuse.fits(_mutant(change=("- y",)))
    assert Excuse("why", change="+ y").fits(_mutant(module="b"))


@pytest.mark.parametrize(("code", "lives"), [(0, True), (33, True), (5, True), (1, False), (37, False), (None, False)])
def test_what_lives(code: int | None, lives: bool) -> None:
    assert _mutant(code=code).lives is lives


def test_the_score_leaves_out_what_is_excused_and_what_was_not_tried() -> None:
    tried = [_mutant(), _mutant(code=33, change=("- z",)), _mutant(code=1), _mutant(code=37), _mutant(code=None)]

    assert row("a", tried, [Excuse("why", change="- x")]) == "| a | 4 | 1 | 1 | 1 | 1 | 66.7% |"


def test_nothing_tried_is_no_success() -> None:
    found = [_mutant(code=1), _mutant(code=None)]

    assert list(unfinished(found, ["a", "b"])) == [
        "a: 1 of 2 mutants were not tried",
        "b: 0 of 0 mutants were not tried",
    ]
    assert list(unfinished([_mutant(code=1)], ["a"])) == []


def test_an_excuse_fits_what_lives_and_something() -> None:
    wide, stale, right = (
        Excuse("wide", "a", change="- x"),
        Excuse("stale", "b", change="- x"),
        Excuse("right", "c", change="- x"),
    )
    found = [_mutant(), _mutant(code=1), _mutant(module="c")]

    told = list(unfit(found, [wide, stale, right]))

    assert len(told) == 2
    assert told[0].startswith("an excuse that is too wide: wide\na: f (n)")
    assert told[1].startswith("an excuse for nothing: ")


def test_what_is_named_is_not_in_the_sample() -> None:
    assert set(NAMED).isdisjoint(others())
