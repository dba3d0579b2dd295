"""What the supervisor decides, without processes: its workers are doubles that answer what is listed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from gateway.observe.events import Complaint, Event, Reloaded
from gateway.store.configuration import Configuration
from gateway.store.tree import Tree
from gateway.workers import supervisor as module
from gateway.workers.supervisor import Outcome, StartError, Supervisor, _Worker
from tests.support import configuration, write_configuration

UPSTREAM = "http://127.0.0.1:9/odata"
LOSS = {"resource": "Property", "kind": "counts", "reason": "r", "at": 0.0, "profile": "p"}


class Double:
    """A worker's channel and its process. ``answers`` maps what is said to it to the faults that it answers."""

    pid = 1

    def __init__(self, **answers: list[str]) -> None:
        self.answers = answers
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.killed = False
        self.worker: Any = None
        self.code = 0

    def send(self, what: str, **said: Any) -> None:
        self.heard.append((what, said))
        if what in self.answers:
            self.worker.answered(said["id"], self.answers[what])
        if what == "drain":
            self.worker.ended.set()

    def kill(self) -> None:
        self.killed = True
        self.worker.ended.set()

    async def wait(self) -> int:
        return self.code

    async def close(self) -> None:
        pass

    def told(self, what: str) -> list[dict[str, Any]]:
        return [said for heard, said in self.heard if heard == what]


class House:
    """A supervisor over doubles."""

    def __init__(self, directory: Path, **settings: str) -> None:
        write_configuration(directory)
        self.directory = directory
        self.settings = configuration(directory, UPSTREAM, WORKERS__START_TIMEOUT="0.1", **settings)
        self.tree = Tree(directory)
        self.events: list[Event] = []
        self.supervisor = Supervisor(self.settings, self.tree, self.events.append, {})
        self.started: list[Tree] = []

    def add(self, double: Double, *, serving: bool = True, faults: Iterable[str] = ()) -> Double:
        ready = asyncio.get_running_loop().create_future()
        ready.set_result({"faults": list(faults), "serving": serving})
        slot = len(self.supervisor._workers)
        double.worker = _Worker(slot, double, double, 0.0, ready, self.tree)  # type: ignore[arg-type]  # as far as it is used
        self.supervisor._workers.add(double.worker)
        return double

    def starts(self, make: Callable[[Tree], Double | StartError]) -> None:
        """What a new worker is."""

        async def started(tree: Tree) -> _Worker:
            self.started.append(tree)
            made = make(tree)
            if isinstance(made, StartError):
                raise made
            found: _Worker = made.worker
            found.tree = tree
            return found

        self.supervisor._started = started  # type: ignore[method-assign]  # in place of a process

    def reads(self, monkeypatch: pytest.MonkeyPatch, found: Configuration) -> Tree:
        """From now on the files are others, and say this."""

        def load(tree: Tree, _environment: object) -> Configuration:
            tree.has("another")
            return found

        monkeypatch.setattr(module, "load_configuration", load)
        other = Tree(self.directory)
        other.has("another")
        return other


@pytest.fixture
def house(directory: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(module, "forget_levels", lambda _: None)  # numbers are shared by processes only
    return House(directory)


def willing() -> Double:
    return Double(prepare=[], commit=[])


# --- what one worker has learned


async def test_a_loss_is_told_to_all_others_and_once(house: House) -> None:
    one, two = house.add(Double()), house.add(Double())

    house.supervisor._heard(one.worker, {"what": "lost", **LOSS})
    house.supervisor._heard(two.worker, {"what": "lost", **LOSS})

    assert (one.told("lost"), len(two.told("lost"))) == ([], 1)


async def test_a_loss_is_restored_by_kind_and_resource_everywhere(house: House) -> None:
    one, two = house.add(Double()), house.add(Double())
    for kind, resource in (("counts", "Property"), ("nested", "Property"), ("counts", "Media")):
        house.supervisor._heard(one.worker, {"what": "lost", **LOSS, "kind": kind, "resource": resource})

    given = await house.supervisor.restore("counts", "Property", "me")
    of_kind = await house.supervisor.restore("nested")
    left = await house.supervisor.trust()
    house.supervisor._heard(two.worker, {"what": "restored", "resource": "Media", "kind": "counts", "by": "x"})

    assert (given.faults, of_kind.faults) == (("Property/counts",), ("Property/nested",))
    assert len(left.faults) == 1
    assert left.faults[0].startswith("Media/counts: r (")
    assert [said["resource"] for said in one.told("restored")] == ["Property", "Property", "Media"]
    assert [said["resource"] for said in two.told("restored")] == ["Property", "Property"]
    assert (await house.supervisor.trust()).faults == ()


async def test_counts_of_all_workers_are_added(house: House) -> None:
    one, two = house.add(Double()), house.add(Double())
    for number, double in enumerate((one, two, one)):
        house.supervisor._heard(double.worker, {"what": "count", "id": number, "counts": [["k", 60, 2]], "now": 5.0})

    assert [said["totals"] for said in one.told("counted")] == [[2], [6]]
    assert [said["totals"] for said in two.told("counted")] == [[4]]


# --- a change


@pytest.mark.guarantee("G5", "G7")
async def test_files_are_served_by_all_or_by_none(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = house.reads(monkeypatch, house.settings)
    one, two = house.add(willing()), house.add(Double(prepare=["Nope is no role"], commit=[]))

    refused = await house.supervisor.reload()

    assert (refused.how, refused.faults, refused.is_passing) == ("refused", ("Nope is no role",), False)
    assert one.told("commit") == two.told("commit") == []
    assert one.worker.tree == two.worker.tree == house.tree
    assert [said["faults"] for said in one.told("refused")] == [("Nope is no role",)]
    assert house.supervisor._tree == house.tree
    assert house.supervisor._seen == tree


@pytest.mark.guarantee("G7")
async def test_files_that_all_have_prepared_are_served(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = house.reads(monkeypatch, house.settings)
    both = [house.add(willing()), house.add(willing())]

    swapped = await house.supervisor.reload()
    again = await house.supervisor.reload()

    assert (swapped.how, again.how) == ("swapped", "unchanged")
    assert all(double.worker.tree == tree for double in both)
    assert house.supervisor._tree == house.supervisor._seen == tree
    assert [event.how for event in house.events if isinstance(event, Reloaded)] == ["swapped", "unchanged"]


async def test_files_are_not_unchanged_while_a_worker_may_serve_others(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = house.reads(monkeypatch, house.settings)
    house.supervisor._tree = tree
    house.add(willing()).worker.tree = tree
    house.add(willing()).worker.tree = None

    assert (await house.supervisor.reload()).how == "swapped"


@pytest.mark.parametrize("fault", ["a worker did not answer in time", "unforeseen: KeyError"])
async def test_what_is_no_fault_of_the_files_is_tried_again(
    house: House, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    house.reads(monkeypatch, house.settings)
    house.add(Double(prepare=[fault], commit=[]))

    refused = await house.supervisor.reload()

    assert (refused.how, refused.is_passing) == ("refused", True)
    assert house.supervisor._seen == house.tree


async def test_a_worker_that_says_nothing_has_not_prepared(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.reads(monkeypatch, house.settings)
    one, two = house.add(willing()), house.add(Double())

    refused = await house.supervisor.reload()

    assert (refused.how, refused.is_passing) == ("refused", True)
    assert one.told("commit") == two.told("commit") == []


async def test_nothing_is_taken_over_while_nobody_serves(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.reads(monkeypatch, house.settings)

    refused = await house.supervisor.reload()

    assert (refused.how, refused.is_passing) == ("refused", True)
    assert house.supervisor._tree == house.tree


@pytest.mark.guarantee("G7")
async def test_after_a_change_that_broke_all_workers_are_replaced(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = house.reads(monkeypatch, house.settings)
    one, two = house.add(willing()), house.add(Double(prepare=[], commit=["it cannot be written"]))
    house.starts(lambda _: house.add(willing()))

    outcome = await house.supervisor.reload()

    assert outcome.how == "replaced"
    assert house.started == [tree] * house.supervisor._count
    assert one.told("drain")
    assert two.told("drain")


@pytest.mark.guarantee("G5")
async def test_other_settings_take_other_processes_and_none_goes_before_all_are_there(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = configuration(house.directory, UPSTREAM, REQUESTS__PAGE_SIZE="7")
    house.reads(monkeypatch, other)
    old = house.add(willing())
    new: list[Double] = []

    def make(_tree: Tree) -> Double | StartError:
        if new:
            return StartError(1, ["no"])
        new.append(house.add(willing()))
        return new[0]

    house.supervisor._count = 2
    house.starts(make)
    refused = await house.supervisor.reload()

    assert (refused.how, refused.is_passing) == ("refused", True)
    assert old.told("drain") == []
    assert new[0].told("drain") != []
    assert house.supervisor._configuration is house.settings


async def test_what_a_restart_alone_can_change_is_refused(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.reads(monkeypatch, configuration(house.directory, UPSTREAM, LISTEN__PORT="1"))
    house.add(willing())
    house.starts(lambda _: house.add(willing()))

    refused = await house.supervisor.reload()

    assert (refused.how, house.started) == ("refused", [])


@pytest.mark.guarantee("G1")
@pytest.mark.parametrize("goes_well", [True, False])
async def test_losses_end_with_another_upstream_and_only_if_that_is_served(
    house: House, monkeypatch: pytest.MonkeyPatch, goes_well: bool
) -> None:
    house.reads(monkeypatch, configuration(house.directory, "http://127.0.0.1:10/odata"))
    one = house.add(willing())
    house.supervisor._heard(one.worker, {"what": "lost", **LOSS})
    house.starts(lambda _: house.add(willing()) if goes_well else StartError(1, ["no"]))

    outcome = await house.supervisor.reload()

    assert outcome.how == ("replaced" if goes_well else "refused")
    assert len((await house.supervisor.trust()).faults) == (0 if goes_well else 1)


# --- a new worker beside others


@pytest.mark.guarantee("G5")
@pytest.mark.parametrize(
    ("others", "faults", "serving", "code"),
    [
        (([], True), [], True, None),
        (([], True), ["new fault"], True, 78),
        ((["old fault"], True), ["old fault"], True, None),
        (([], True), [], False, 1),
        (([], False), [], False, None),
    ],
)
async def test_a_successor_can_do_what_the_others_do(
    house: House, others: tuple[list[str], bool], faults: list[str], serving: bool, code: int | None
) -> None:
    house.add(Double(), faults=others[0], serving=others[1])
    new = Double()
    house.starts(lambda _: house.add(new, faults=faults, serving=serving))

    if code is None:
        assert await house.supervisor._successor(house.tree) is new.worker
        assert new.told("drain") == []
    else:
        with pytest.raises(StartError) as refused:
            await house.supervisor._successor(house.tree)
        assert refused.value.code == code
        assert new.told("drain") != []


# --- workers that end


async def buried(house: House, double: Double) -> list[_Worker]:
    """Who is replaced when a worker has ended."""
    replaced: list[_Worker] = []

    async def note(dead: _Worker) -> None:
        replaced.append(dead)

    house.supervisor._replaced = note  # type: ignore[method-assign]  # in place of a process
    await house.supervisor._buried(double.worker)
    await asyncio.sleep(0)
    return replaced


async def test_who_ends_unasked_is_replaced_and_whoever_waits_for_it_is_told(house: House) -> None:
    double = house.add(Double())
    waiting = asyncio.get_running_loop().create_future()
    double.worker.answers[1] = waiting

    assert await buried(house, double) == [double.worker]
    assert waiting.result() == ["a worker has ended meanwhile"]
    assert house.supervisor._workers == set()


@pytest.mark.parametrize("why", ["told", "stopping"])
async def test_who_was_told_to_end_is_not_replaced(house: House, why: str) -> None:
    double = house.add(Double())
    if why == "told":
        house.supervisor._dismiss({double.worker})
    else:
        house.supervisor._stopping = True

    assert await buried(house, double) == []


async def test_no_worker_is_started_above_the_number_of_them(house: House) -> None:
    """Two that died are replaced at once, and a reload has brought others meanwhile."""
    dead = house.add(Double())
    house.supervisor._workers.clear()
    house.supervisor._count = 1
    house.add(Double())
    house.starts(lambda _: house.add(Double()))
    dead.worker.born = -1_000.0 + asyncio.get_running_loop().time()

    await house.supervisor._replaced(dead.worker)

    assert house.started == []


async def test_a_worker_that_cannot_be_replaced_is_tried_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAUSE", 0.0)
    dead = house.add(Double())
    house.supervisor._workers.clear()
    fails = [StartError(1, ["no"]), RuntimeError("unforeseen")]

    def make(_tree: Tree) -> Double:
        if fails:
            raise fails.pop()
        return house.add(Double())

    house.starts(make)
    await house.supervisor._replaced(dead.worker)

    assert len(house.started) == 3
    assert house.started[-1] == house.tree
    assert len([event for event in house.events if isinstance(event, Complaint)]) == 2


async def test_a_reload_that_breaks_leaves_what_is_served(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.add(willing())

    async def breaks() -> Outcome:
        raise KeyError("unforeseen")

    monkeypatch.setattr(house.supervisor, "_reloaded", breaks)
    outcome = await house.supervisor.reload()

    assert (outcome.how, outcome.is_passing) == ("refused", True)
    assert not house.supervisor._changing.locked()


async def test_changes_come_one_after_the_other(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.add(willing())
    under_way, most = 0, 0

    async def slow() -> Outcome:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return Outcome("unchanged")

    monkeypatch.setattr(house.supervisor, "_reloaded", slow)
    await asyncio.gather(*(house.supervisor.reload() for _ in range(3)))

    assert most == 1


async def test_a_restart_puts_one_after_the_other_in_place_with_the_same_files(house: House) -> None:
    old = [house.add(willing()), house.add(willing())]
    house.starts(lambda _: house.add(willing()))

    outcome = await house.supervisor.restart()

    assert outcome.how == "replaced"
    assert house.started == [house.tree] * 2
    assert all(double.told("drain") for double in old)


async def test_a_restart_ends_where_a_successor_cannot_start(house: House) -> None:
    old = [house.add(willing()), house.add(willing())]
    house.starts(lambda _: StartError(1, ["no"]))

    outcome = await house.supervisor.restart()

    assert (outcome.how, outcome.is_passing) == ("refused", True)
    assert [double.told("drain") for double in old] == [[], []]


async def test_metadata_is_refreshed_where_every_worker_says_so(house: House) -> None:
    house.add(Double(metadata=[]))
    well = await house.supervisor.refresh_metadata()
    house.add(Double(metadata=["not served"]))
    ill = await house.supervisor.refresh_metadata()

    assert (well.how, ill.how, ill.faults) == ("refreshed", "refused", ("not served",))


async def test_files_that_are_as_they_were_are_not_read_again(house: House) -> None:
    house.tree.read("gateway.yaml")
    reloads: list[None] = []

    async def reload() -> Outcome:
        reloads.append(None)
        return Outcome("unchanged")

    house.supervisor.reload = reload  # type: ignore[method-assign]  # counted only
    await house.supervisor.look()
    before = len(reloads)
    (house.directory / "gateway.yaml").write_text("# other", encoding="utf-8")
    await house.supervisor.look()

    assert (before, len(reloads)) == (0, 1)


async def test_who_gives_no_sign_of_life_is_ended_and_the_whole_lives_by_one(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock and the sleep are the test's own."""
    now, naps = [1_000.0], [0]
    alive: list[float] = []
    silent, living = house.add(Double()), house.add(Double())
    patience = house.settings.settings.workers.watchdog

    async def sleep(seconds: float) -> None:
        naps[0] += 1
        if naps[0] > 3:
            raise asyncio.CancelledError
        # The second time this process was suspended: nobody else was running either.
        now[0] += seconds + (2 * patience if naps[0] == 2 else 0)
        living.worker.seen = now[0]
        if naps[0] == 3:
            silent.worker.seen = now[0] - patience - 1

    class Loop:
        def time(self) -> float:
            return now[0]

    silent.worker.seen = living.worker.seen = now[0]
    monkeypatch.setattr("gateway.workers.supervisor.asyncio.get_running_loop", Loop)
    monkeypatch.setattr("gateway.workers.supervisor.asyncio.sleep", sleep)
    monkeypatch.setattr(house.supervisor._notify, "alive", lambda: alive.append(now[0]))
    killed_at: list[int] = []
    monkeypatch.setattr(silent, "kill", lambda: killed_at.append(naps[0]))
    with pytest.raises(asyncio.CancelledError):
        await house.supervisor._watchdog()

    assert killed_at == [3]
    assert not living.killed
    assert len(alive) == 3
