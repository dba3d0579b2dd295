"""What the prover has found stays found: the cases of former failures, and the bugs that it must be able to see."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.proof.hunt import BUGS, CAP, PAGE, REPOSITORY, Bug, StalePatch, applied, bugs, patched
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
    assert replayed(dumped(case)) == case


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


def test_there_are_bugs_enough_and_the_page_has_each() -> None:
    assert len(bugs()) >= 30
    assert CAP == SEEDS * 24
    page = PAGE.read_text(encoding="utf-8")
    for bug in bugs():
        row = next((line for line in page.splitlines() if line.startswith(f"| {bug.name} | {bug.what} |")), None)
        assert row is not None, f"{bug.name} is not in the table: python -m tests.proof.hunt --seeds 3 --rare --write"
        assert "| none |" not in row, bug.name
    assert len({bug.name for bug in bugs()}) == len(list(BUGS.glob("*.patch")))


def test_a_patch_that_does_not_fit_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("one\ntwo\nthree\n", encoding="utf-8")
    patch = "X: what\n--- a/a.py\n+++ b/a.py\n@@ -1,3 +1,3 @@\n one\n-two\n+zwei\n three\n"

    patched(tmp_path, Bug("X", "what", patch))

    assert (tmp_path / "a.py").read_text(encoding="utf-8") == "one\nzwei\nthree\n"
    with pytest.raises(StalePatch, match="two"):
        patched(tmp_path, Bug("X", "what", patch))
    assert applied("0\none\ntwo\n", ["@@ -1,2 +1,2 @@\n", " one\n", "-two\n", "+zwei\n"]) == "0\none\nzwei\n"
