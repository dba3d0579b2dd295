"""The mutants, and the excuses of those that may live: each has a reason and a place that exists, and takes nothing
else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.mutants import Edit, Mutant, mutants, uses
from tools.mutation import PACKAGE, SECURITY, Excuse, Outcome, excuses, is_security, modules, problems, rows, unfit
from tools.mutation_run import Seen, choose

KILLED, SURVIVED = Outcome("killed", "t", 1), Outcome("survived", "", 1)


def found(directory: Path, text: str) -> list[Mutant]:
    path = directory / "m.py"
    path.write_text(text, encoding="utf-8")
    return mutants("m", path)


def changes(directory: Path, text: str) -> set[str]:
    return {mutant.change[-1][2:] for mutant in found(directory, text)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def f(a):\n    g(a)\n", {"pass"}),
        ("def f(a):\n    if a:\n        raise X\n", {"if True:", "if False:", "pass"}),
        ("def f(a, b):\n    return a and b\n", {"return b", "return a"}),
        ("def f(a):\n    if a < 3:\n        return 1\n    return a\n", {"if True:", "if False:", "if a <= 3:", "if a < 4:", "pass", "return 2"}),
        ("def f(a):\n    return [b for b in a if b]\n", {"return [b for b in a if True]"}),
        ("def f(a):\n    return g(a, b=a)\n", {"return g(a)"}),
        ("async def f(a):\n    async with a:\n        return a\n", {"if True:", "pass"}),
        ("def f(a):\n    return a not in ('x', 'y')\n", {"return a in ('x', 'y')", "return a not in ('y',)", "return a not in ('x',)"}),
        ("MOST = 3\n", {"MOST = 4"}),
        ("class A:\n    def f(self):\n        self.x = True\n", {"pass", "self.x = False"}),
        ("def f(a: int = 3) -> str:\n    '''Text.'''\n    return f'{a if a else 7}'\n", set()),
    ],
)  # fmt: skip
def test_each_kind_of_change(tmp_path: Path, text: str, expected: set[str]) -> None:
    assert changes(tmp_path, text) == expected


def test_a_mutant_is_known_by_its_function_wherever_that_stands(tmp_path: Path) -> None:
    text = "def f(a):\n    g(a)\n    g(a)\n"
    one, two = found(tmp_path, text)
    (moved, _), other = found(tmp_path, "import x\n\n\n" + text), found(tmp_path, text + "    return 1\n")

    assert one.key != two.key
    assert moved.key == one.key
    assert one.key not in {mutant.key for mutant in other}
    assert one.source == "def f(a):\n    pass\n    g(a)\n"
    assert (one.lines, two.lines, moved.lines) == ((2,), (3,), (5,))


def test_every_module_of_the_security_path_has_mutants() -> None:
    named = modules()

    assert {name.partition("/")[0] for name in named} >= {*SECURITY, "store", "admin", "workers", "observe", "upstream"}
    assert len(named) == len(set(named))
    assert all(is_security(name) for name in modules(SECURITY))
    assert is_security("store/api_keys")
    for name in ("edge/authentication", "policy/binding", "redact/rows", "odata/evaluate"):
        assert len(mutants(name, PACKAGE / f"{name}.py")) > 5


def test_constants_are_tried_with_the_tests_of_the_lines_that_use_them() -> None:
    places = uses("edge/scan", PACKAGE)["MAX_CURSOR"]

    assert set(places) == {"edge/scan", "edge/links"}


def test_a_mutant_is_tried_with_the_tests_of_its_lines_the_nearest_and_fastest_first() -> None:
    mutant = made("x/a")
    ran, other = {"x/a": frozenset({7, 8})}, {"x/a": frozenset({8}), "b": frozenset({7})}
    names = ["y/test_a.py::1", "y/test_a.py::2", "x/test_b.py::3", "x/test_a.py::4", "x/test_a.py::5"]
    seen = {f"tests/{name}": Seen(float(name[-1]), ran) for name in names}

    found = choose(mutant, {**seen, "tests/x/test_a.py::0": Seen(0.0, other)}, {})

    assert found == [(f"tests/{name}", float(name[-1])) for name in (*names[3:], names[2], *names[:2])]


def made(module: str = "a", function: str = "f", change: tuple[str, ...] = ("- x", "+ y")) -> Mutant:
    return Mutant(module, function, 1, (7,), change, f"{module}{function}{change}", b"", Edit(0, 0, "", (7,)))


def test_each_excuse_has_a_reason_and_a_place() -> None:
    for excuse in excuses():
        assert len(excuse.reason) > 20, excuse
        assert excuse.module in modules(), excuse
        fitting = [mutant for mutant in mutants(excuse.module, PACKAGE / f"{excuse.module}.py") if excuse.fits(mutant)]
        assert fitting, excuse


def test_an_excuse_takes_what_all_of_it_fits() -> None:
    excuse = Excuse("why", "a", "- x", "f")

    assert excuse.fits(made())
    assert not excuse.fits(made(module="b"))
    assert not excuse.fits(made(function="g"))
    assert not excuse.fits(made(change=("- y",)))
    assert Excuse("why", "a", "+ y").fits(made(function="g"))


def test_an_excuse_fits_what_lives_and_something() -> None:
    wide, stale, right = Excuse("wide", "a", "- x"), Excuse("stale", "b", "- x"), Excuse("right", "c", "- x")
    outcomes = {made(): SURVIVED, made(function="g"): KILLED, made("c"): SURVIVED}

    told = list(unfit(outcomes, [wide, stale, right]))

    assert len(told) == 2
    assert told[0].startswith("an excuse that is too wide: wide\na:7: g")
    assert told[1].startswith("an excuse for nothing: ")


def test_rows_count_each_mutant_once() -> None:
    outcomes = {
        made(function="1"): KILLED, made(function="2"): SURVIVED, made(function="3"): None,
        made(function="4"): Outcome("types"), made(function="5"): Outcome("unfit"), made(function="6"): SURVIVED,
    }  # fmt: skip

    (row,) = rows(outcomes, [Excuse("why", "a", "- x", "6")])

    assert vars(row) == {
        "module": "a", "mutants": 6, "killed": 1, "types": 1, "excused": 1, "surviving": 1, "untried": 2,
    }  # fmt: skip


def test_nothing_tried_is_no_success() -> None:
    assert list(problems(rows({made("edge/a"): KILLED}, []))) == []
    assert list(problems(rows({made("edge/a"): SURVIVED}, []))) == ["edge/a: 1 survive"]
    assert list(problems(rows({made("edge/a"): None}, []))) == ["1 of 1 were not tried"]


def test_of_what_stores_one_in_twenty_may_survive() -> None:
    outcomes = {made("store/a", str(number)): KILLED for number in range(19)}

    assert list(problems(rows({**outcomes, made("store/a"): SURVIVED}, []))) == []
    assert list(problems(rows({**outcomes, made("store/a"): SURVIVED, made("store/b"): SURVIVED}, []))) == [
        "of what stores, asks and reloads 2 of 21 survive"
    ]
