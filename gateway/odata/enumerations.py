"""Texts that stand for members of an enumeration. An upstream sends names or display texts, and
either may hold commas.

A list of members is one text too. Its commas separate members, and commas inside a display text
look the same. A text is read only if there is exactly one way to read it: nothing may be decided on
a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class MemberTexts:
    """Each text with the member that it stands for; None where it stands for several.

    ``most_commas`` is the number of commas in the text that has most of them: it bounds the work of
    ``read``.
    """

    named: Mapping[str, str | None]
    most_commas: int

    def read(self, text: str) -> tuple[str, ...] | None:
        """Return the members that a text stands for: one, or a list that commas separate.

        Returns:
            None where no split at commas gives known texts only, where two splits do, and where a
            part stands for several members.
        """
        if "," not in text:
            member = self._member(text)
            return None if member is None else (member,)
        parts = text.split(",")
        # For each place: in how many ways the parts before it can be read (2 for more), and the last of those ways.
        ways: list[tuple[int, int, str]] = [(1, 0, "")]
        for end in range(1, len(parts) + 1):
            count, begin, member = 0, 0, ""
            for start in range(max(0, end - self.most_commas - 1), end):
                before = ways[start][0]
                piece = ",".join(parts[start:end])
                if not before or not self._knows(piece):
                    continue
                found = self._member(piece)
                count += before if found is not None else 2
                begin, member = start, found or ""
            ways.append((min(count, 2), begin, member))
        if ways[-1][0] != 1:
            return None
        members: list[str] = []
        place = len(parts)
        while place:
            _, place, member = ways[place]
            members.append(member)
        return tuple(reversed(members))

    def read_one(self, text: str) -> str | None:
        """Return the one member that a whole text stands for, whatever commas it has."""
        return self._member(text)

    def _knows(self, text: str) -> bool:
        return text in self.named or text.strip() in self.named

    def _member(self, text: str) -> str | None:
        return self.named[text] if text in self.named else self.named.get(text.strip())


def member_texts(members: Mapping[str, int], display: Mapping[str, str]) -> MemberTexts:
    """Return the texts of an enumeration: the names of its members, and their display texts."""
    named: dict[str, str | None] = dict.fromkeys(members)
    for name in members:
        named[name] = name
    for name, text in display.items():
        named[text] = name if named.get(text, name) == name else None
    return MemberTexts(MappingProxyType(named), max((text.count(",") for text in named), default=0))
