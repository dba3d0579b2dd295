"""The settings outside the proof, in docs/guarantees.md, as ``settings.toml`` has them.

python -m tests.proof.outside    writes that part of the page
"""

from __future__ import annotations

import tomllib
from pathlib import Path

SETTINGS = Path(__file__).resolve().parent / "settings.toml"
PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "guarantees.md"
_BEGIN, _END = "<!-- outside: begin -->\n", "<!-- outside: end -->\n"


def table(settings: Path = SETTINGS) -> str:
    """Return the reasons, each with the settings that it is about."""
    outside = tomllib.loads(settings.read_text(encoding="utf-8"))["outside"]
    reasons: dict[str, list[str]] = {}
    for name, reason in outside.items():
        reasons.setdefault(reason, []).append(f"`{name}`")
    rows = [f"| {reason} | {', '.join(names)} |" for reason, names in reasons.items()]
    return "\n".join(["| why no answer can tell of data by it | settings |", "|---|---|", *rows]) + "\n"


def written(page: str, part: str) -> str:
    """Return the page with another table."""
    head, rest = page.split(_BEGIN)
    return head + _BEGIN + part + _END + rest.split(_END)[1]


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), table()), encoding="utf-8")
