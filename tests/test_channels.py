"""The patches of tests/channels: each row has one, and each says of which rows it takes the treatment away."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.proof.hunt import Bug, patched
from tests.support import REPOSITORY
from tools.channel_walk import (
    CLOSED,
    BadPatch,
    Patch,
    confirmed,
    documented,
    patches,
    rows_of_kind,
    sampled,
    stop_checker,
    tried,
    without,
)

_TREE = {
    "gateway/__init__.py": "",
    "gateway/limit.py": "def limit(number: int) -> int:\n    return min(number, 5)\n",
    "tests/test_limit.py": """
import pytest
from gateway.limit import limit

@pytest.mark.channel("C1")
def test_a_number_is_cut() -> None:
    assert limit(7) == 5

@pytest.mark.channel("C2")
def test_a_small_number_is_kept() -> None:
    assert limit(3) == 3

@pytest.mark.channel("C3")
@pytest.mark.parametrize("number", [3, pytest.param(8, marks=pytest.mark.channel("C4"))])
def test_a_number_has_its_index(number: int) -> None:
    assert [1, 2, 3, 4, 5, 6][limit(number)]
""",
    "pyproject.toml": '[tool.pytest.ini_options]\nmarkers = ["channel(*ids): x", "interop: x"]\n[tool.mypy]\nstrict = true\n',
}
_PATCH = """--- a/gateway/limit.py
+++ b/gateway/limit.py
@@ -1,2 +1,2 @@
 def limit(number: int) -> int:
-    return min(number, 5)
+    return {}
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("channels")
    for name, text in _TREE.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    (root / "tools").symlink_to(REPOSITORY / "tools")
    (root / "tests" / "proof").symlink_to(REPOSITORY / "tests" / "proof")
    yield root
    stop_checker(root)


def _patch(expression: str, *channels: str) -> Patch:
    return Patch("it", channels, "no limit", _PATCH.format(expression))


def test_a_row_is_held_by_a_cited_test_that_fails_and_each_case_counts_for_its_own(tree: Path, tmp_path: Path) -> None:
    source = _copy(tree, tmp_path)
    verdict = tried(tree, _patch("number", "C1", "C2", "C3", "C4"), {"C1", "C2", "C3", "C4"}, source)

    assert verdict.held == {"C1": "tests/test_limit.py::test_a_number_is_cut"}
    assert verdict.open["C2"] == "no cited test fails by an assertion"
    assert verdict.open["C3"].startswith(
        "no cited test fails by an assertion; tests/test_limit.py::test_a_number_has_its_index[8] crashed: Inde"
    )
    assert (tree / "gateway" / "limit.py").read_text(encoding="utf-8") == _TREE["gateway/limit.py"]


@pytest.mark.parametrize("wrong", ["nowhere(number)", "min(number, '5')"])
def test_a_patch_with_which_the_tree_does_not_type_check_holds_nothing(tree: Path, tmp_path: Path, wrong: str) -> None:
    verdict = tried(tree, _patch(wrong, "C1"), {"C1"}, _copy(tree, tmp_path))

    assert verdict.held == {}
    assert verdict.open["C1"].startswith("does not type-check")


def test_a_stale_patch_holds_nothing(tree: Path, tmp_path: Path) -> None:
    patch = _patch("number", "C1")
    stale = Patch(patch.name, patch.channels, patch.what, patch.text.replace("min(number, 5)", "min(number, 6)"))
    verdict = tried(tree, stale, {"C1"}, _copy(tree, tmp_path))

    assert verdict.held == {}
    assert verdict.open["C1"].startswith("its lines are not in the file any more")


def test_a_test_that_fails_without_the_patch_holds_nothing(tree: Path, tmp_path: Path) -> None:
    source = _copy(tree, tmp_path)
    verdict = tried(tree, _patch("number", "C1"), {"C1"}, source)
    (tree / "gateway" / "limit.py").write_text("def limit(number: int) -> int:\n    return 6\n", encoding="utf-8")
    try:
        confirmed(tree, [verdict])
    finally:
        (tree / "gateway" / "limit.py").write_text(_TREE["gateway/limit.py"], encoding="utf-8")

    assert verdict.held == {}
    assert verdict.open["C1"].endswith("does not pass without the patch")


def _copy(tree: Path, folder: Path) -> Path:
    """Where a patched file is had from again."""
    (folder / "gateway").mkdir()
    (folder / "gateway" / "limit.py").write_bytes((tree / "gateway" / "limit.py").read_bytes())
    return folder


def test_every_closed_row_has_a_patch() -> None:
    """Or waits for one, in a list that is not to grow."""
    named = {channel for patch in patches() for channel in patch.channels}

    assert [channel for channel in rows_of_kind(*CLOSED) if channel not in named] == without()
    assert named <= set(rows_of_kind(*CLOSED))


def test_every_row_that_is_documentation_has_a_place_in_the_guarantees() -> None:
    assert [channel for channel in rows_of_kind("documentation") if channel not in documented()] == []


@pytest.mark.parametrize("patch", patches(), ids=lambda patch: patch.name)
def test_a_patch_fits_the_code_of_today(patch: Patch, tmp_path: Path) -> None:
    for name in patch.files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((REPOSITORY / name).read_bytes())
    patched(tmp_path, Bug(patch.name, patch.what, (), patch.text))

    for name in patch.files:
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert text != (REPOSITORY / name).read_text(encoding="utf-8"), name
        if name.endswith(".py"):
            ast.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "what: no channels\n--- a/gateway/x.py\n",
        "channels: C1\n--- a/gateway/x.py\n",
        "channels: C1\nwhat: a test is changed\n--- a/tests/x.py\n",
    ],
)
def test_a_patch_says_its_rows_and_changes_the_gateway_only(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.patch").write_text(text, encoding="utf-8")

    with pytest.raises(BadPatch):
        patches(tmp_path)


def test_each_row_has_its_day() -> None:
    rows = [f"C{number}" for number in range(1, 101)]
    days = [sampled(rows, 12, date(2026, 12, 1) + timedelta(day)) for day in range(9)]

    assert {len(day) for day in days} == {12}
    assert days[0] != days[1]
    assert set().union(*days) == set(rows)


def test_a_sample_of_more_than_there_are_is_all() -> None:
    assert sorted(sampled(["C1", "C2"], 5, date(2026, 12, 1))) == ["C1", "C2"]
