"""Bug patches, replays, the corpus and the number of tests are as they were reviewed (``tests/kept.toml``)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import COLLECTED
from tools.kept import INTEROP, REPOSITORY, by_folder, changes, digest, exact, fewer, read, text_of

_RENEW = "python -m tools.kept"


def test_patches_replays_and_the_corpus_are_those_that_were_reviewed() -> None:
    kept = {name: table for name, table in read().items() if name != "tests"}

    assert list(changes(kept, exact())) == [], _RENEW


def test_no_test_is_gone(request: pytest.FixtureRequest) -> None:
    collected = request.config.stash[COLLECTED]
    if collected is None:
        pytest.skip("only where the whole suite is collected")
    least = {folder: number for folder, number in read()["tests"].items() if folder != INTEROP}

    assert least
    assert fewer(least, by_folder(collected)) == [], _RENEW


@pytest.mark.interop
def test_no_test_with_software_of_others_is_gone(request: pytest.FixtureRequest) -> None:
    collected = request.config.stash[COLLECTED]
    if collected is None:
        pytest.skip("only where the whole suite is collected")

    assert fewer({INTEROP: read()["tests"][INTEROP]}, by_folder(collected)) == [], _RENEW


def test_each_folder_of_tests_is_counted() -> None:
    folders = {path.parent.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "tests").rglob("test_*.py")}

    assert set(read()["tests"]) == folders


@pytest.mark.parametrize(
    "path", ["tests/proof/bugs/B01.patch", "tests/proof/replay/long_next_link.json", "tests/corpus/filters.txt"]
)
def test_a_file_that_changes_or_goes_is_noticed(path: str, tmp_path: Path) -> None:
    for folder in ("tests/proof/bugs", "tests/proof/replay", "tests/corpus"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder)
    before = exact(tmp_path)

    with (tmp_path / path).open("a", encoding="utf-8") as file:
        file.write("\n")
    changed = list(changes(before, exact(tmp_path)))
    (tmp_path / path).unlink()
    gone = list(changes(before, exact(tmp_path)))

    assert len(changed) == 1
    assert gone
    assert gone != changed


def test_a_file_that_is_renamed_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x", encoding="utf-8")
    before = digest([tmp_path / "a"])
    (tmp_path / "a").rename(tmp_path / "b")

    assert digest([tmp_path / "b"]) != before


def test_there_may_be_more_tests_and_not_fewer() -> None:
    least = {"tests": 2, "tests/odata": 1}

    assert (
        fewer(least, by_folder(["tests/test_a.py::one", "tests/test_a.py::two", "tests/odata/test_b.py::c[x::y]"]))
        == []
    )
    assert fewer(least, by_folder(["tests/test_a.py::one", "tests/odata/test_b.py::c"])) == [
        "tests: 1 tests, and there were 2"
    ]
    assert fewer(least, by_folder(["tests/test_a.py::one", "tests/test_a.py::two"])) == [
        "tests/odata: 0 tests, and there were 1"
    ]


def test_the_file_is_as_the_command_writes_it() -> None:
    assert text_of(read()) == (REPOSITORY / "tests" / "kept.toml").read_text(encoding="utf-8")
