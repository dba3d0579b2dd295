"""``Prefer`` (RFC 7240): the preferences that are applied, each by us and none by the upstream (C179, C180)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Preferences:
    """``max_page_size`` where the client wants smaller pages than we would make; ``omit_nulls`` where it wants members
    left out that are null."""

    max_page_size: int | None = None
    omit_nulls: bool = False
    returns: Literal["minimal", "representation"] | None = None

    def applied(self, *, paged: bool) -> str:
        """The value of ``Preference-Applied``, empty where nothing was applied."""
        parts = []
        if paged and self.max_page_size is not None:
            parts.append(f"odata.maxpagesize={self.max_page_size}")
        if self.omit_nulls:
            parts.append("omit-values=nulls")
        return ", ".join(parts)


def read_preferences(headers: Iterable[str], page_size: int) -> Preferences:
    """What of the Prefer headers is applied; the first of two equal names counts (RFC 7240, 2).

    Args:
        page_size: the most records of a page; a preference for more is none.
    """
    found: dict[str, str] = {}
    for header in headers:
        for part in header.split(","):
            name, _, value = part.partition(";")[0].partition("=")
            key = name.strip().lower().removeprefix("odata.")
            found.setdefault(key, value.strip().strip('"'))
    size = found.get("maxpagesize", "")
    usable = size.isascii() and size.isdigit() and len(size) <= 6 and 1 <= int(size) <= page_size
    said = found.get("return", "").lower()
    returns: Literal["minimal", "representation"] | None = (
        "minimal" if said == "minimal" else "representation" if said == "representation" else None
    )
    return Preferences(int(size) if usable else None, found.get("omit-values", "").lower() == "nulls", returns)
