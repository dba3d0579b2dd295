"""``Prefer`` (RFC 7240): the preferences that are applied, each by us and none by the upstream (C179, C180)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from gateway.odata.media_types import pair_of, split_outside_quotes


@dataclass(frozen=True, slots=True)
class Preferences:
    """``max_page_size`` is the size that is applied where the client asks for one; ``omit_nulls`` where it wants
    members left out that are null."""

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
        page_size: the most records of a page; of a preference for more, this is what is applied.
    """
    found: dict[str, str] = {}
    for header in headers:
        for part in split_outside_quotes(header, ","):
            name, value = pair_of(split_outside_quotes(part, ";")[0])
            found.setdefault(name.removeprefix("odata."), value)
    asked = found.get("maxpagesize", "")
    size = int(asked) if asked.isascii() and asked.isdigit() and len(asked) <= 20 else 0
    said = found.get("return", "").lower()
    returns: Literal["minimal", "representation"] | None = (
        "minimal" if said == "minimal" else "representation" if said == "representation" else None
    )
    return Preferences(min(size, page_size) or None, found.get("omit-values", "").lower() == "nulls", returns)
