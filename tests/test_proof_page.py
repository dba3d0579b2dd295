"""docs/proof.md has the figures that long runs have written, and says of which tree and date they are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.proof.hunt import CAP, bugs
from tools.proof_page import PAGE, PARTS, RESULTS, page_of, result_of

_EMPTY = "".join(f"<!-- {part.name}: begin -->\nold\n<!-- {part.name}: end -->\n" for part in PARTS)
_PROOF = {
    "cases": 1_000_906, "seconds": 3_702, "licences": 43_400, "refused": 433, "channels": "150 of 160",
    "productions": "90 of 90", "violations": 0, "machine": "x86_64, 2 processors, Python 3.11.7",
}  # fmt: skip


def _page(tmp_path: Path, name: str, rows: Any) -> str:
    (tmp_path / f"{name}.json").write_text(
        json.dumps({"tree": "ab" * 32, "date": "2026-12-01", "rows": rows}), encoding="utf-8"
    )
    return page_of(_EMPTY, tmp_path)


def test_the_page_is_as_the_results_have_it() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert page_of(page) == page, "python -m tools.proof_page"


def test_no_figure_of_a_run_is_typed() -> None:
    """Outside of the generated parts there are numbers of settings only: those of commands, and of the code."""
    page = PAGE.read_text(encoding="utf-8")
    for part in PARTS:
        page = re.sub(f"<!-- {part.name}: begin -->.*<!-- {part.name}: end -->", "", page, flags=re.DOTALL)

    assert {*re.findall(r"\d[\d,]*\d{3}\b", page)} <= {f"{CAP:,}", "100,000", "1000000"}
    assert not re.search(r"\d s\b|\d of \d|%", page)


def test_each_result_is_one_of_the_page() -> None:
    assert {path.stem for path in RESULTS.glob("*.json")} <= {part.name for part in PARTS}


def test_a_run_that_never_was_is_said_so(tmp_path: Path) -> None:
    page = page_of(_EMPTY, tmp_path)

    assert page.count("not run yet") == len(PARTS)
    assert "old" not in page


def test_a_result_says_of_which_tree_and_date_it_is(tmp_path: Path) -> None:
    page = _page(tmp_path, "reads", [_PROOF])

    assert "of 2026-12-01, on the tree `abababababababab`" in page
    assert "1,000,906 cases in 3,702 s (x86_64, 2 processors, Python 3.11.7) without a violation" in page


def test_violations_are_not_hidden(tmp_path: Path) -> None:
    page = _page(tmp_path, "writes", [_PROOF | {"violations": 2}])

    assert "**with 2 violations**" in page
    assert "without a violation" not in page


def test_bugs_that_were_not_found_stand_in_the_table(tmp_path: Path) -> None:
    rows = [
        {"name": "B1", "what": "is | wrong", "median": 12, "found": 3, "walks": 3, "oracles": ["O3", "O5"]},
        {"name": "B2", "what": "is not found", "median": None, "found": 0, "walks": 3, "oracles": []},
    ]

    page = _page(tmp_path, "hunt", rows)

    assert r"| B1 | is \| wrong | 12 | 3 of 3 | O3, O5 |" in page
    assert "| B2 | is not found | none | 0 of 3 |  |" in page


def test_the_walk_of_the_channels_is_counted_by_state(tmp_path: Path) -> None:
    page = _page(tmp_path, "channels", {"C1": {"state": "held"}, "C2": {"state": "not held"}, "C3": {"state": "held"}})

    assert "| held | 2 |\n| not held | 1 |" in page


def test_a_table_of_the_bugs_has_each_of_them() -> None:
    """A result from before a patch was written says nothing of it: `make nightly`, or hunt it alone."""
    result = result_of("hunt")
    known = {bug.name: bug.what for bug in bugs()}

    for row in result.rows if result is not None else []:
        assert known[row["name"]] == row["what"]
