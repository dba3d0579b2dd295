"""Writes docs/coverage.md from the table of the URL grammar: python -m tools.coverage"""

from __future__ import annotations

from pathlib import Path

from tests.abnf import page

PAGE = Path(__file__).resolve().parent.parent / "docs" / "coverage.md"


def main() -> None:
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
