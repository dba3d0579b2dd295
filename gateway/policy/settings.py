"""What the operator and the client's ``Prefer`` say about the form of answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class AnswerSettings:
    """``page_size`` is the most records of one page, ``expand_depth`` how deep ``$expand`` may go.

    ``unknown_select``: whether names in ``$select`` that do not exist for the key are refused or passed over (D1).
    """

    page_size: int = 100
    expand_depth: int = 3
    unknown_select: Literal["reject", "ignore"] = "reject"
