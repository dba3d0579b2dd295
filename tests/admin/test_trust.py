"""Lost trust over the admin API: shown with its reason, restored for everybody, by the gateway's own MLS only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.admin.backend import Backend
from gateway.admin.calls import Call, Caller
from gateway.admin.envelope import SparkError, forbidden
from gateway.admin.trust import TrustOperations
from gateway.edge.trust import UpstreamTrust
from gateway.observe.events import TrustLost
from gateway.policy.profile import Profile
from gateway.store.records import Owner
from tests.managed import STAFF, Desk, code, managed, results
from tests.support import key_file

FILES = {
    "keys.yaml": key_file(
        **STAFF,
        assoc_t="Role: private\n    AssociationId: A\n    Permissions: [manage_trust]",
        other_mls="Role: private\n    MlsId: elsewhere\n    Permissions: [manage_trust]",
    )
}


def lose(desk: Desk) -> None:
    trust = desk.gateway.service.trust
    trust.lose(["counts", "patterns"], "Property", "a record came")
    trust.lose(["counts"], "Media", "a record came")


async def kept(desk: Desk) -> None:
    """Returns when what was lost or restored is in the database."""
    losses = desk.gateway.service._losses
    assert losses is not None
    await losses.write()


async def test_losses_are_listed_and_restored_by_kind_and_resource(tmp_path: Path, database_url: str) -> None:
    async with managed(tmp_path, database_url, FILES) as desk:
        before = results(await desk.call("GET", "/trust", key="trusted"))
        lose(desk)
        listed = results(await desk.call("GET", "/trust", key="trusted"))
        restored = results(
            await desk.call("POST", "/trust/restore", {"Kind": "counts", "Resource": "Property"}, key="trusted")
        )
        left = desk.gateway.service.trust.lost
        rest = results(await desk.call("POST", "/trust/restore", key="trusted"))

        assert before == []
        assert [(one["Resource"], one["Kind"], one["Reason"]) for one in listed] == [
            ("Property", "counts", "a record came"), ("Property", "patterns", "a record came"), ("Media", "counts", "a record came"),
        ]  # fmt: skip
        assert all(one["LostTimestamp"].endswith("Z") and len(one["Profile"]) == 16 for one in listed)
        assert restored == [listed[0]]
        assert left == ("Property/patterns", "Media/counts")
        assert rest == listed[1:]
        assert desk.gateway.service.trust.lost == ()


@pytest.mark.parametrize("key", ["staff", "only_keys", "reader", "idx", "assoc_t", "other_mls"])
async def test_nobody_else_sees_or_restores_them(tmp_path: Path, database_url: str, key: str) -> None:
    async with managed(tmp_path, database_url, FILES) as desk:
        lose(desk)
        secret = key.replace("_", "-")
        answers = [await desk.call("GET", "/trust", key=secret), await desk.call("POST", "/trust/restore", key=secret)]

        assert [code(answer) for answer in answers] == [(403, 1500)] * 2
        assert len(desk.gateway.service.trust.lost) == 3


@pytest.mark.parametrize("body", [{"Kinds": "counts"}, {"Kind": 5}, {"Resource": None}])
async def test_a_body_that_names_something_else_restores_nothing(
    tmp_path: Path, database_url: str, body: object
) -> None:
    async with managed(tmp_path, database_url, FILES) as desk:
        lose(desk)
        answer = await desk.call("POST", "/trust/restore", body, key="trusted")

        assert answer.status == 400
        assert len(desk.gateway.service.trust.lost) == 3


async def test_a_loss_outlives_a_restart_and_a_restoring_does_too(tmp_path: Path, database_url: str) -> None:
    async with managed(tmp_path / "one", database_url, FILES) as desk:
        lose(desk)
        await kept(desk)
    async with managed(tmp_path / "two", database_url, FILES) as desk:
        after = desk.gateway.service.trust.lost
        events = [event for event in desk.gateway.events if isinstance(event, TrustLost)]
        await desk.call("POST", "/trust/restore", {"Resource": "Property"}, key="trusted")
        await kept(desk)
    async with managed(tmp_path / "three", database_url, FILES) as desk:
        again = desk.gateway.service.trust.lost

    assert sorted(after) == ["Media/counts", "Property/counts", "Property/patterns"]
    assert len(events) == 3
    assert again == ("Media/counts",)


async def test_who_has_lost_the_right_meanwhile_restores_nothing() -> None:
    """The key was revoked while the body came, or was read."""
    trust = UpstreamTrust(Profile())
    trust.lose(["counts"], "Property", "a record came")
    configuration = SimpleNamespace(settings=SimpleNamespace(admin=SimpleNamespace(mls_id="m")))
    snapshot: Any = SimpleNamespace(configuration=configuration)
    backend = Backend(lambda: snapshot, None, _served, _served, lambda: 0.0, trust=trust)

    def lost() -> None:
        raise forbidden()

    call = Call(Caller("k", Owner("m"), frozenset({"manage_trust"})), body={}, confirm=lost)
    with pytest.raises(SparkError):
        await TrustOperations(backend).restore(call)
    assert [*trust.lost] == ["Property/counts"]

    await TrustOperations(backend).restore(replace(call, confirm=lambda: None))
    assert [*trust.lost] == []


async def _served() -> bool:
    return True
