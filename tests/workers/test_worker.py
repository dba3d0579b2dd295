"""A worker does what it is told, answers with every fault, and ends when nobody is there to tell it anything."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.errors import ConfigurationError, Fault
from gateway.observe.events import TrustLost
from gateway.store.counters import Count, CountersUnavailableError
from gateway.store.tree import Tree
from gateway.workers.worker import MachineCounters, _Worker
from tests.support import write_configuration

LOSS: dict[str, Any] = {"kind": "counts", "resource": "Property", "reason": "r", "profile": "p", "at": 1.0}


class Double:
    """The process above: what it says, and what it hears. It is gone when it has said all."""

    def __init__(self, *orders: dict[str, Any] | None) -> None:
        self.orders = [*orders]
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.answered = asyncio.Event()

    async def receive(self) -> dict[str, Any] | None:
        if self.orders:
            return self.orders.pop(0)
        await self.answered.wait()
        return None

    def send(self, what: str, **said: Any) -> None:
        self.heard.append((what, said))
        self.answered.set()


class Publication:
    def __init__(self, *, fails: Exception | None = None, commits: bool = True) -> None:
        self.fails, self.commits = fails, commits
        self.committed: list[object] = []
        self.is_failing = False

    async def prepare(self, files: object) -> object:
        if self.fails is not None and self.is_failing:
            raise self.fails
        return files

    async def commit(self, prepared: object) -> bool:
        self.committed.append(prepared)
        return self.commits


class Trust:
    def __init__(self) -> None:
        self.adopted: list[TrustLost] = []
        self.restored: list[tuple[str, str, str]] = []

    def adopt(self, loss: TrustLost) -> None:
        self.adopted.append(loss)

    def restore(self, kind: str, resource: str, by: str) -> None:
        self.restored.append((kind, resource, by))


def worker(channel: Double, **service: Any) -> _Worker:
    made = SimpleNamespace(trust=Trust(), operations=SimpleNamespace(refused=()), publication=Publication(), **service)
    return _Worker(made, channel, MachineCounters(channel))  # type: ignore[arg-type]  # as far as they are used


def answers(channel: Double) -> list[list[str]]:
    return [said["faults"] for what, said in channel.heard if what == "answer"]


@pytest.mark.guarantee("G7")
async def test_it_ends_with_the_process_above_and_when_it_is_told() -> None:
    told = asyncio.Event()
    gone = await worker(Double(None)).obey(told)
    noticed = await worker(Double({"what": "drain", "notice": True})).obey(told)
    plain = await worker(Double({"what": "drain", "notice": False})).obey(told)
    told.set()
    ended = await worker(Double()).obey(told)

    assert (gone, noticed, plain, ended) == (False, True, False, False)


@pytest.mark.guarantee("G1", "G5")
async def test_losses_and_refusals_are_taken_over() -> None:
    channel = Double(
        {"what": "lost", **LOSS},
        {"what": "restored", "kind": "counts", "resource": "Property", "by": "me"},
        {"what": "refused", "faults": ["x"]},
        None,
    )
    made = worker(channel)
    await made.obey(asyncio.Event())

    service: Any = made._service
    assert service.trust.adopted == [TrustLost(**LOSS)]
    assert service.trust.restored == [("counts", "Property", "me")]
    assert service.operations.refused == ("x",)


async def changed(directory: Path, publication: Publication, *what: str) -> list[list[str]]:
    """The answers to orders one after the other."""
    write_configuration(directory)
    environment = {
        "GATEWAY__PUBLIC_URL": "http://gateway.example/Reso/OData",
        "GATEWAY__UPSTREAM__URL": "http://127.0.0.1:9/odata",
        "GATEWAY__SECURITY__KEY_PEPPER": "x" * 40,
        "GATEWAY__SECURITY__TOKEN_KEYS": "ab" * 64,
    }
    tree = Tree(directory)
    for path in sorted(directory.rglob("*")):  # noqa: ASYNC240  # of the test's own disk
        if path.is_file():
            tree.has(str(path.relative_to(directory)))
    for folder in ("roles", "templates"):
        tree.names(folder)
    channel = Double()
    made = worker(channel)
    made._service.publication = publication  # type: ignore[assignment]  # as far as it is used
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setitem(os.environ, name, value)
        for number, order in enumerate(what):
            publication.is_failing = order == "fail"
            work = made._commit() if order == "commit" else made._prepare(tree.encode())
            made._beside({"id": number}, work)
            await asyncio.gather(*made._tasks)
    return answers(channel)


@pytest.mark.guarantee("G5", "G7")
async def test_what_was_prepared_is_served_once(directory: Path) -> None:
    publication = Publication()

    found = await changed(directory, publication, "commit", "prepare", "commit", "commit")

    refused = ["what is to be remembered cannot be written"]
    assert found == [refused, [], [], refused]
    assert len(publication.committed) == 1


@pytest.mark.guarantee("G5", "G7")
@pytest.mark.parametrize(
    ("error", "faults"),
    [
        (ConfigurationError([Fault("a.yaml", 3, (), "is wrong")]), ["a.yaml:3: is wrong"]),
        (KeyError("canary"), ["unforeseen: KeyError"]),
    ],
)
async def test_what_cannot_be_prepared_is_said_and_what_was_prepared_before_is_served_no_more(
    directory: Path, error: Exception, faults: list[str]
) -> None:
    publication = Publication(fails=error)

    found = await changed(directory, publication, "prepare", "fail", "commit")

    assert found[0] == []
    assert [fault.partition(" at ")[0] for fault in found[1]] == faults
    assert found[2] == ["what is to be remembered cannot be written"]
    assert publication.committed == []


async def test_what_cannot_be_remembered_is_not_called_served(directory: Path) -> None:
    assert await changed(directory, Publication(commits=False), "prepare", "commit") == [
        [],
        ["what is to be remembered cannot be written"],
    ]


async def test_metadata_that_is_not_served_is_said() -> None:
    for served in (True, False):
        channel = Double({"what": "metadata", "id": 4})

        async def refresh(served: bool = served) -> bool:
            return served

        await worker(channel, refresh_metadata=refresh).obey(asyncio.Event())

        assert answers(channel) == [[] if served else ["the metadata of now is not served"]]


# --- counters that the process above keeps


async def test_totals_come_from_the_process_above() -> None:
    channel = Double()
    counters = MachineCounters(channel)  # type: ignore[arg-type]  # as far as it is used
    one = asyncio.create_task(counters.add([Count("k", 60, 2)], 5.0))
    two = asyncio.create_task(counters.add([Count("k", 60, 1)], 6.0))
    await asyncio.sleep(0)
    (_, first), (_, second) = channel.heard
    counters.heard(second["id"], [7])
    counters.heard(first["id"], [3])
    counters.heard(first["id"], [9])
    counters.heard(99, [9])

    assert (await one, await two) == ([3], [7])
    assert (first["counts"], first["now"]) == ([("k", 60, 2)], 5.0)
    assert counters._waiting == {}


async def test_a_process_above_that_does_not_answer_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MachineCounters, "PATIENCE", 0.01)
    counters = MachineCounters(Double())  # type: ignore[arg-type]  # as far as it is used

    with pytest.raises(CountersUnavailableError):
        await counters.add([Count("k", 60, 2)], 5.0)
    assert counters._waiting == {}
