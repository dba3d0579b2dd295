"""What requests can touch: the read channels that some form or part of a request is a way to try, and productions."""

from __future__ import annotations

from tests.abnf import productions
from tests.proof.requests import FORMS, PARTS
from tests.proof.writes import CHANNELS as WRITES

CHANNELS = frozenset(
    {channel for _, channel in FORMS} | {channel for channels in PARTS.values() for channel in channels.split()}
)
PRODUCTIONS = frozenset(productions())

WRITE_CHANNELS = frozenset(channel for channels in WRITES.values() for channel in channels.split())


def channels_of_writes(used: set[str]) -> set[str]:
    return {channel for name in used for channel in WRITES[name].split()}


def channels_of(used: set[str]) -> set[str]:
    """The channels of the parts and forms that a case has used."""
    found: set[str] = set()
    for name in used:
        found.update(PARTS[name].split() if name in PARTS else [name])
    return found
