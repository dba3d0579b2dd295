"""Lost trust is kept for the next start, once, and forgotten when a person restores it."""

from __future__ import annotations

from gateway.observe.events import TrustLost, TrustRestored
from gateway.store.database import Database
from gateway.store.losses import Losses

LOSS = TrustLost("counts", "Property", "why", "digest", 1.5)


async def test_a_loss_is_kept_once_and_the_first_reason_stays(database_url: str) -> None:
    async with Database(database_url) as database:
        for event in (LOSS, TrustLost("counts", "Property", "other", "digest", 2.0)):
            losses = Losses(database)
            losses(event)
            await losses.write()

        assert await losses.read() == (LOSS,)


async def test_a_loss_under_another_profile_takes_the_place_of_the_old_one(database_url: str) -> None:
    newer = TrustLost("counts", "Property", "other", "another digest", 2.0)
    async with Database(database_url) as database:
        losses = Losses(database)
        losses(LOSS)
        losses(newer)
        await losses.write()

        assert await losses.read() == (newer,)


async def test_what_is_restored_is_forgotten_and_nothing_else(database_url: str) -> None:
    other = TrustLost("counts", "Media", "why", "digest", 3.0)
    async with Database(database_url) as database:
        losses = Losses(database)
        for event in (LOSS, other, TrustRestored("counts", "Property", "somebody")):
            losses(event)
        await losses.write()
        await losses.write()  # nothing is left to write

        assert await losses.read() == (other,)
