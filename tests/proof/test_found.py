"""What the prover has found stays found: the cases of former failures, and the bugs that it must be able to see."""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.proof.__main__ import UNFINISHED
from tests.proof.hunt import (
    BUGS,
    CAP,
    REPOSITORY,
    STRIDE,
    Bug,
    StalePatch,
    UnstatedOracles,
    Walk,
    applied,
    bug_of,
    bugs,
    main,
    patched,
    refused,
    walked,
)
from tests.proof.oracles import Trial
from tests.proof.shrinking import dumped, failing, replayed
from tests.proof.test_short import SEEDS

REPLAY = Path(__file__).resolve().parent / "replay"


@pytest.mark.guarantee("G1")
@pytest.mark.parametrize("path", sorted(REPLAY.glob("*.json")), ids=lambda path: path.stem)
def test_a_former_failure_stays_mended(path: Path) -> None:
    case = replayed(path.read_text(encoding="utf-8"))

    counts = asyncio.run(Trial(case).run())

    assert counts.cases == len(case.requests)
    assert _says(json.loads(dumped(case)), json.loads(path.read_text(encoding="utf-8")))


def _says(whole: Any, part: Any) -> bool:
    """Whether all of a file is in a case. What cases have by now, and had not when the file was written, is beside it."""
    if isinstance(whole, dict) and isinstance(part, dict):
        return all(name in whole and _says(whole[name], value) for name, value in part.items())
    if isinstance(whole, list) and isinstance(part, list):
        return len(whole) == len(part) and all(_says(*pair) for pair in zip(whole, part, strict=True))
    return bool(whole == part)


def test_a_case_that_is_none_fails_in_no_way() -> None:
    """Where a pair differs in what is permitted, nothing is to be compared; the shrinker must not take it for smaller."""
    case = replayed((REPLAY / "half_a_surrogate_pair.json").read_text(encoding="utf-8"))
    case.changes = [["cell", "Member", "M1", "MemberKey", "M2"]]

    assert failing(case) is None


def test_each_bug_can_be_put_in(tmp_path: Path) -> None:
    """A patch that does not apply any more tests nothing: it is written anew when the code it changes is."""
    for folder in ("gateway", "grammar"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder)
    before = {path: path.read_text(encoding="utf-8") for path in (tmp_path / "gateway").rglob("*.py")}
    for bug in bugs():
        patched(tmp_path, bug)
        after = {path: path.read_text(encoding="utf-8") for path in before}
        changed = [path for path in before if after[path] != before[path]]
        assert changed, bug.name
        for path in changed:
            compile(after[path], str(path), "exec")
            path.write_text(before[path], encoding="utf-8")


def test_there_are_bugs_enough_each_with_a_name_of_its_own() -> None:
    assert len(bugs()) >= 30
    assert CAP == 2 * SEEDS * 24
    assert {bug.name for bug in bugs()} == {path.stem for path in BUGS.glob("*.patch")}


def test_a_patch_names_the_oracles_that_may_see_its_bug() -> None:
    with pytest.raises(UnstatedOracles, match="X"):
        bug_of("X: is wrong\n--- a/gateway/a.py\n+++ b/gateway/a.py\n")

    assert bug_of("X: is wrong\noracles: O3 O10\n--- a/gateway/a.py\n").oracles == ("O3", "O10")


def _bug(path: str, old: str, new: str, name: str = "T") -> Bug:
    """A bug in place of the one line that a text stands for. Every oracle may see it."""
    return bug_of(
        f"{name}: a test\noracles: O1 O2 O3 O4 O5 O7 O8 O10\n--- a/{path}\n+++ b/{path}\n@@ -1,1 +1,1 @@\n-{old}\n+{new}\n"
    )


@pytest.mark.parametrize(
    ("new", "oracle"),
    [
        ('        raise KeyError("a crash in each request")', None),
        ('        raise Refusal(Code.NOT_FOUND, "a wrong answer to each request")', "O1 O2 O3 O5 O10"),
    ],
)
def test_a_crash_is_never_found(new: str, oracle: str | None) -> None:
    bug = _bug("gateway/edge/app.py", "        check_protocol(request)", new)

    walk = walked(bug, 0, 40)

    if oracle is None:
        assert (walk.cases, walk.oracle, set(walk.others)) == (None, "", {"crash"})
    else:
        assert walk.cases is not None
        assert walk.oracle in oracle.split()
    assert walk.crash == ""


def test_a_gateway_that_cannot_be_imported_is_not_found() -> None:
    bug = _bug("gateway/edge/app.py", "class Gateway:", "assert [] == [0]\n+class Gateway:")

    walk = walked(bug, 0, 40)

    assert (walk.cases, "AssertionError" in walk.crash) == (None, True)


def test_a_bug_that_only_other_oracles_see_is_not_found() -> None:
    new = '        raise Refusal(Code.NOT_FOUND, "a wrong answer to each request")'
    bug = replace(_bug("gateway/edge/app.py", "        check_protocol(request)", new), oracles=("O9",))

    walk = walked(bug, 0, 40)

    assert walk.cases is None
    assert walk.others
    assert "crash" not in walk.others


def test_a_patch_that_does_not_type_check_is_refused(tmp_path: Path) -> None:
    """Bugs of different files are checked together: one that is refused is named alone."""
    (tmp_path / "gateway").mkdir()
    (tmp_path / "gateway" / "__init__.py").touch()
    (tmp_path / "gateway" / "one.py").write_text("number: int = 1\nother: int = 2\n", encoding="utf-8")
    (tmp_path / "gateway" / "two.py").write_text(
        "from gateway.one import number\n\ntwice = 2 * number\n", encoding="utf-8"
    )
    (tmp_path / "pyproject.toml").write_text("", encoding="utf-8")
    right = _bug("gateway/one.py", "number: int = 1", "number: int = 3", "right")
    undefined = _bug("gateway/two.py", "twice = 2 * number", "twice = 2 * nombre", "undefined")
    mistyped = _bug("gateway/one.py", "other: int = 2", "other: int = 'two'", "mistyped")

    complaints = refused([right, undefined, mistyped], tmp_path)

    assert set(complaints) == {"undefined", "mistyped"}
    assert 'Name "nombre" is not defined' in complaints["undefined"]


def test_a_hunt_that_was_interrupted_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []
    chosen = bugs()[:2]

    def stub(bug: Bug, first: int, cap: int) -> Walk:
        asked.append((bug.name, first))
        return Walk(7 + len(asked), "O3", "", {})

    monkeypatch.setattr("tests.proof.hunt.refused", lambda chosen: {})
    monkeypatch.setattr("tests.proof.hunt.walked", stub)
    names = [part for bug in chosen for part in ("--only", bug.name)]
    common = [*names, "--jobs", "1", "--state", str(tmp_path / "state.json"), "--json", str(tmp_path / "hunt.json")]

    assert main([*common, "--seeds", "1"]) == 0
    assert main([*common, "--seeds", "2", "--minutes", "-1"]) == UNFINISHED
    assert main([*common, "--seeds", "2"]) == 0
    assert asked == [(bug.name, number * STRIDE) for number in (0, 1) for bug in chosen]
    rows = json.loads((tmp_path / "hunt.json").read_text(encoding="utf-8"))["rows"]
    assert [(row["median"], row["found"], row["walks"]) for row in rows] == [(9, 2, 2), (10, 2, 2)]


def test_a_patch_that_does_not_fit_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("one\ntwo\nthree\n", encoding="utf-8")
    patch = "X: what\noracles: O3\n--- a/a.py\n+++ b/a.py\n@@ -1,3 +1,3 @@\n one\n-two\n+zwei\n three\n"

    patched(tmp_path, bug_of(patch))

    assert (tmp_path / "a.py").read_text(encoding="utf-8") == "one\nzwei\nthree\n"
    with pytest.raises(StalePatch, match="two"):
        patched(tmp_path, bug_of(patch))
    assert applied("0\none\ntwo\n", ["@@ -1,2 +1,2 @@\n", " one\n", "-two\n", "+zwei\n"]) == "0\none\nzwei\n"
