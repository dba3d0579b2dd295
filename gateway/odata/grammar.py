"""Loads the packaged grammar once, at import: the only file that floors 0 to 3 read."""

from __future__ import annotations

from pathlib import Path

_PACKAGED = Path(__file__).resolve().parent.parent / "grammar"
_CHECKOUT = Path(__file__).resolve().parent.parent.parent / "grammar"


def grammar_directory() -> Path:
    """The folder with ``odata.lark``: inside the wheel, or at the top of a checkout."""
    return _PACKAGED if (_PACKAGED / "odata.lark").is_file() else _CHECKOUT


GRAMMAR_DIRECTORY = grammar_directory()
GRAMMAR = (GRAMMAR_DIRECTORY / "odata.lark").read_text(encoding="utf-8")
