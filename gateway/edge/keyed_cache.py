"""A cache that keys do not share: how fast an answer comes tells a client nothing of what others have asked."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from cachetools import LRUCache

T = TypeVar("T")


class KeyedCache(Generic[T]):
    """Keeps values for each API key by itself, within a weight for each key and for all together.

    The entries of the key that was away longest go first: of others a key can learn no more than that they are busy.

    Args:
        most: weight of all entries.
        share: weight of the entries of one key.
        largest: weight of one entry; one that weighs more is not kept.
    """

    def __init__(self, most: int, share: int, largest: int) -> None:
        assert largest <= share <= most
        self._most = most
        self._share = share
        self._largest = largest
        self._keys: OrderedDict[str, LRUCache[Hashable, tuple[T, int]]] = OrderedDict()
        self.weight = 0

    def get(self, key_id: str, place: Hashable) -> T | None:
        """Return what was kept for this key, None where nothing was."""
        entries = self._keys.get(key_id)
        found = entries.get(place) if entries is not None else None
        if found is None:
            return None
        self._keys.move_to_end(key_id)
        return found[0]

    def put(self, key_id: str, place: Hashable, value: T, weight: int) -> None:
        """Keep a value for this key, in place of what weighs too much with it."""
        weight = max(weight, 1)
        if weight > self._largest:
            return
        entries = self._keys.get(key_id)
        if entries is None:
            entries = self._keys[key_id] = LRUCache(self._share, getsizeof=lambda entry: entry[1])
        before = entries.currsize
        entries[place] = (value, weight)
        self.weight += int(entries.currsize - before)
        self._keys.move_to_end(key_id)
        while self.weight > self._most:
            _, dropped = self._keys.popitem(last=False)
            self.weight -= int(dropped.currsize)
