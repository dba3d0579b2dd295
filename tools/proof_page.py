"""The figures of docs/proof.md, from what the long runs have written into ``tests/results``; none is typed.

``python -m tools.proof_page`` writes them. A figure is of the tree on which its run began, and says of which and when.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
PAGE = REPOSITORY / "docs" / "proof.md"
RESULTS = REPOSITORY / "tests" / "results"


@dataclass(frozen=True)
class Result:
    """What a program wrote at the end of a long run. ``tree`` is of ``gateway/`` and ``grammar/``."""

    tree: str
    date: str
    rows: Any


def _cells(cells: Sequence[object]) -> str:
    return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    return "\n".join([_cells(heads), f"|{'---|' * len(heads)}", *(_cells(row) for row in rows)]) + "\n"


def _proof(rows: list[dict[str, Any]]) -> str:
    (row,) = rows
    found = "without a violation" if row["violations"] == 0 else f"**with {row['violations']} violations**"
    return (
        f"{row['cases']:,} cases in {row['seconds']:,} s ({row['machine']}) {found}. {row['refused']:,} of "
        f"{row['licences']:,} licences were refused by the compiler. The requests touched {row['channels']} channels "
        f"that the prover can reach, and {row['productions']} productions of the URL grammar.\n"
    )


def _hunt(rows: list[dict[str, Any]]) -> str:
    heads = ("bug", "what is wrong", "median cases", "found", "seen by")
    return table(
        heads,
        [
            (
                row["name"],
                row["what"],
                "none" if row["median"] is None else row["median"],
                f"{row['found']} of {row['walks']}",
                ", ".join(row["oracles"]),
            )
            for row in rows
        ],
    )


def _mutation(rows: list[dict[str, Any]]) -> str:
    heads = list(rows[0]) if rows else []
    return table(heads, [[row.get(head, "") for head in heads] for row in rows])


def _channels(rows: dict[str, dict[str, Any]]) -> str:
    states = Counter(str(row["state"]) for row in rows.values())
    return table(("state", "rows"), [(state, states[state]) for state in sorted(states)])


@dataclass(frozen=True)
class Part:
    """One part of the page: the file in ``tests/results``, and how its rows are written."""

    name: str
    what: str
    written: Callable[[Any], str]


PARTS = (
    Part("reads", "The longest run of cases with reads", _proof),
    Part("writes", "The longest run of cases with writes", _proof),
    Part("hunt", "The whole table", _hunt),
    Part("mutation", "The whole table", _mutation),
    Part("channels", "The whole walk", _channels),
)


def result_of(name: str, folder: Path = RESULTS) -> Result | None:
    path = folder / f"{name}.json"
    if not path.exists():
        return None
    return Result(**json.loads(path.read_text(encoding="utf-8")))


def text_of(part: Part, result: Result | None) -> str:
    """Return one part of the page."""
    if result is None:
        return f"{part.what}: not run yet; `make nightly` does.\n"
    return f"{part.what}, of {result.date}, on the tree `{result.tree[:16]}`:\n\n{part.written(result.rows)}"


def page_of(page: str, folder: Path = RESULTS) -> str:
    """Return the page with each part as the results have it."""
    for part in PARTS:
        begin, end = f"<!-- {part.name}: begin -->\n", f"<!-- {part.name}: end -->\n"
        head, rest = page.split(begin)
        page = head + begin + text_of(part, result_of(part.name, folder)) + end + rest.split(end)[1]
    return page


def main() -> int:
    before = PAGE.read_text(encoding="utf-8")
    after = page_of(before)
    PAGE.write_text(after, encoding="utf-8")
    print("docs/proof.md is as it was" if after == before else "docs/proof.md is written anew")
    return 0


if __name__ == "__main__":
    sys.exit(main())
