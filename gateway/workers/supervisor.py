"""Keeps the processes that answer requests: starts them on one pair of sockets, hands them the files that they serve,
replaces what ends, and ends them so that no request is lost (G7).

It reads no request and no answer. A worker is told, and says what came of it, over a connection of its own.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gateway.edge.accepting import listening_socket
from gateway.errors import ConfigurationError, kind_of
from gateway.observe.events import Complaint, Event, Reloaded, WorkerEnded, WorkerStarted
from gateway.observe.metrics import forget_levels
from gateway.store.configuration import Configuration, load_configuration
from gateway.store.counters import Count, LocalCounters
from gateway.store.tree import Tree
from gateway.workers.channel import Channel, told_of
from gateway.workers.notify import Notifier

#: A worker that lived shorter than this is replaced after a pause, which doubles up to the longest one.
_SHORT_LIFE, _PAUSE, _LONGEST_PAUSE = 10.0, 0.5, 30.0
#: Files are read again until they are the same twice: a directory may be changed while it is read.
_READINGS, _BETWEEN = 20, 0.05
#: Seconds beyond its deadline after which a worker is ended by force.
_GRACE = 10.0
#: A watchdog that was late by this share of its own time was not running itself: nobody else was, either.
_FROZEN = 0.25


#: What workers may say, or not say, that is no fault of the files.
_ENDED, _LATE = "a worker has ended meanwhile", "a worker did not answer in time"
_PASSING = (_ENDED, _LATE, "unforeseen")


class StartError(Exception):
    """A worker could not start. ``code`` is the exit code that says why; ``lines`` are for people."""

    def __init__(self, code: int, lines: Iterable[str]) -> None:
        self.code = code
        self.lines = tuple(lines)
        super().__init__("; ".join(self.lines))


@dataclass(eq=False)
class _Worker:
    """One process. ``ready`` is set once it answers: to whether it has any policy to answer with, and its faults.

    ``tree`` is what it serves for certain; None while it has been told to change and has not said that it did.
    """

    slot: int
    process: asyncio.subprocess.Process
    channel: Channel
    born: float
    ready: asyncio.Future[dict[str, Any]]
    tree: Tree | None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    answers: dict[int, asyncio.Future[list[str]]] = field(default_factory=dict)
    seen: float = 0.0
    was_told: bool = False
    lost: int = 0

    @property
    def is_serving(self) -> bool:
        return self.ready.done() and not self.ready.exception() and not self.was_told

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()

    def answered(self, number: int, faults: list[str]) -> None:
        waiting = self.answers.pop(number, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(faults)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of something that was asked for: ``how`` as in the event, ``refreshed``, ``trust`` or ``restored``.

    ``faults`` are the reasons where it is ``refused``, and the lines to show for the last two. ``is_passing``: not for
    what the files say, so the same may go well later.
    """

    how: str
    faults: tuple[str, ...] = ()
    is_passing: bool = False


class Supervisor:
    def __init__(
        self,
        configuration: Configuration,
        tree: Tree,
        publish: Callable[[Event], None],
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """
        Args:
            tree: the files that ``configuration`` was read from.
        """
        self._configuration = configuration
        self._tree = self._seen = tree
        self._observe = publish
        self._environment = environment
        self._notify = Notifier(environment)
        self._workers: set[_Worker] = set()
        self._slots: set[int] = set()
        self._sockets: tuple[socket.socket, ...] = ()
        self._count = configuration.settings.workers.count
        #: What is being changed, one thing at a time.
        self._changing = asyncio.Lock()
        self._stopping = False
        self._ids = itertools.count()
        #: What the upstream has contradicted in front of any worker, by kind.
        #: (resource, kind) to the loss of trust that a worker reported.
        self._lost: dict[tuple[str, str], dict[str, Any]] = {}
        #: Of rate limits, for all workers.
        self._counters = LocalCounters()
        self._refused: tuple[str, ...] = ()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._listening: set[asyncio.Task[None]] = set()
        self._short_lives = 0

    # --- from start to end

    async def start(self) -> None:
        """Starts all workers.

        Raises:
            ListenError: an address cannot be listened on.
            StartError: a worker could not start, or has documents that do not fit the upstream.
        """
        settings = self._configuration.settings
        for where in (settings.listen, settings.admin):
            self._sockets = (*self._sockets, listening_socket(where.host, where.port))
        async with self._changing:  # whoever became ready during a reload would serve other files than the others
            first = await self._started(self._tree)
            faults = (await first.ready)["faults"]
            if faults:
                # Documents that do not fit an upstream which answers at start are a fault of the configuration (P10).
                raise StartError(78, faults)
            await asyncio.gather(*(self._started(self._tree) for _ in range(self._count - 1)))
        self._publish(Reloaded("started", (), 0.0))
        self._notify.ready()
        self._run(self._watchdog())

    async def stop(self) -> None:
        """Ends all workers; each answers what it has begun to read."""
        self._stopping = True
        self._notify.stopping()
        for listening in self._sockets:
            listening.close()  # the workers have their own ends; with the last of them the address is free
        for task in self._tasks:
            task.cancel()
        while self._workers:  # one may have been on its way
            await self._ended(set(self._workers), notice=True)

    def _run(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _publish(self, event: Event) -> None:
        # A log that cannot be written is no reason to leave the workers alone; the numbers are told before it.
        with suppress(OSError):
            self._observe(event)

    async def _watchdog(self) -> None:
        """Ends workers that give no sign of life, and gives one of the whole as long as one of them does."""
        loop = asyncio.get_running_loop()
        pause = min(1.0, self._notify.watchdog / 3) if self._notify.watchdog else 1.0
        while True:
            before = loop.time()
            await asyncio.sleep(pause)
            now = loop.time()
            patience = self._configuration.settings.workers.watchdog
            if now - before > pause + _FROZEN * patience:
                for worker in self._workers:
                    worker.seen = now
            late = now - patience
            for worker in self._workers:
                if worker.is_serving and worker.seen < late:
                    self._publish(Complaint(f"worker {worker.slot} gives no sign of life and is ended"))
                    worker.kill()
            if any(worker.is_serving and worker.seen >= late for worker in self._workers):
                self._notify.alive()

    # --- one worker

    @property
    def _serving(self) -> set[_Worker]:
        return {worker for worker in self._workers if worker.is_serving}

    async def _started(self, tree: Tree) -> _Worker:
        """A new worker that answers requests.

        Raises:
            StartError: it could not start, or not in time.
        """
        worker = await self._spawn(tree)
        limit = self._configuration.settings.workers.start_timeout
        try:
            await asyncio.wait_for(asyncio.shield(worker.ready), limit)
        except TimeoutError:
            worker.was_told = True
            worker.kill()
            raise StartError(1, [f"a worker was not ready after {limit:g} seconds"]) from None
        self._publish(WorkerStarted(worker.slot, worker.process.pid, len(self._serving), self._count))
        self._notify.status(f"{len(self._serving)} workers")
        return worker

    async def _spawn(self, tree: Tree) -> _Worker:
        if self._stopping:
            raise StartError(1, ["the service is ending"])
        slot = next(number for number in itertools.count() if number not in self._slots)
        self._slots.add(slot)
        try:
            order = {"slot": slot, "tree": tree.encode(), "lost": list(self._lost.values()), "refused": self._refused}
            ours, theirs = socket.socketpair()
            with theirs:
                inherited = (*(found.fileno() for found in self._sockets), theirs.fileno())
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "gateway.workers", *map(str, inherited), pass_fds=inherited,
                    stdin=asyncio.subprocess.DEVNULL, env=dict(self._environment),
                )  # fmt: skip
            channel = await Channel.over(ours)
        except OSError as error:
            self._slots.discard(slot)
            raise StartError(1, [f"a worker could not be started: {error}"]) from None
        loop = asyncio.get_running_loop()
        worker = _Worker(slot, process, channel, loop.time(), loop.create_future(), tree)
        self._workers.add(worker)
        listening = asyncio.create_task(self._listen(worker))
        self._listening.add(listening)
        listening.add_done_callback(self._listening.discard)
        worker.channel.send("start", **order)
        return worker

    async def _listen(self, worker: _Worker) -> None:
        """Hears what a worker says until it has ended."""
        try:
            while (said := await worker.channel.receive()) is not None:
                worker.seen = asyncio.get_running_loop().time()
                self._heard(worker, said)
        finally:
            await self._buried(worker)

    def _heard(self, worker: _Worker, said: dict[str, Any]) -> None:
        match said["what"]:
            case "ready" if not worker.ready.done():
                worker.ready.set_result(said)
            case "failed" if not worker.ready.done():
                worker.ready.set_exception(StartError(said["code"], said["lines"]))
            case "answer":
                worker.answered(said["id"], said["faults"])
            case "count":
                counts = [Count(*entry) for entry in said["counts"]]
                worker.channel.send("counted", id=said["id"], totals=self._counters.added(counts, said["now"]))
            case "lost":
                self._spread(worker, told_of(said))
            case "restored":
                self._give_back(worker, said["resource"], said["kind"], said["by"])
            case "done":
                worker.lost = said["lost"]

    async def _buried(self, worker: _Worker) -> None:
        code = await worker.process.wait()
        await worker.channel.close()
        if not worker.ready.done():
            worker.ready.set_exception(StartError(1, [f"a worker ended with {code} before it was ready"]))
        was_ready = not worker.ready.exception()
        self._workers.discard(worker)
        with suppress(OSError):
            forget_levels(str(worker.slot))
        self._slots.discard(worker.slot)
        for number in tuple(worker.answers):
            worker.answered(number, [_ENDED])
        if was_ready and not worker.was_told and not self._stopping:
            self._run(self._replaced(worker))
        worker.ended.set()
        if was_ready:
            event = WorkerEnded(worker.slot, worker.process.pid, len(self._serving), code, worker.was_told, worker.lost)
            self._publish(event)

    async def _replaced(self, dead: _Worker) -> None:
        """Starts another worker for one that has ended by itself, for as long as it takes."""
        lived = asyncio.get_running_loop().time() - dead.born
        self._short_lives = self._short_lives + 1 if lived < _SHORT_LIFE else 0
        while True:
            pause = min(_PAUSE * 2 ** min(self._short_lives - 1, 10), _LONGEST_PAUSE) if self._short_lives else 0.0
            await asyncio.sleep(pause)
            async with self._changing:
                if len(self._serving) >= self._count:
                    return  # all were replaced meanwhile
                try:
                    await self._started(self._tree)
                except Exception as error:  # noqa: BLE001  # whatever it is, a worker is missing until it is mended
                    self._short_lives += 1
                    self._publish(Complaint(f"a worker could not be replaced: {error}"))
                    continue
                return

    def _dismiss(self, workers: Iterable[_Worker], *, notice: bool = False) -> None:
        """Tells workers to end: from now on they are none of those that serve."""
        for worker in workers:
            worker.was_told = True
            worker.channel.send("drain", notice=notice)

    async def _ended(self, workers: set[_Worker], *, notice: bool = False) -> None:
        """Tells workers to end, and waits until they have."""
        if not workers:
            return
        settings = self._configuration.settings.workers
        self._dismiss(workers, notice=notice)
        patience = (settings.drain_notice if notice else 0) + settings.drain_deadline + _GRACE
        waiting = [asyncio.create_task(worker.ended.wait()) for worker in workers]
        await asyncio.wait(waiting, timeout=patience)
        for worker in workers:
            if not worker.ended.is_set():
                self._publish(Complaint(f"worker {worker.slot} did not end and is ended"))
                worker.kill()
        await asyncio.gather(*waiting)

    def _spread(self, told_by: _Worker, said: dict[str, Any]) -> None:
        """What one worker has learned of the upstream holds for all (D6)."""
        place = (said["resource"], said["kind"])
        if place in self._lost:
            return
        self._lost[place] = said
        for worker in self._workers - {told_by}:
            worker.channel.send("lost", **said)

    def _give_back(self, told_by: _Worker | None, resource: str, kind: str, by: str) -> None:
        """What was restored in front of one worker, or here, is restored for all."""
        if self._lost.pop((resource, kind), None) is not None:
            for worker in self._workers - {told_by}:
                worker.channel.send("restored", resource=resource, kind=kind, by=by)

    async def trust(self) -> Outcome:
        """Report what was lost, one line each."""
        lines = (
            f"{said['resource']}/{said['kind']}: {said['reason']} "
            f"({datetime.fromtimestamp(said['at'], UTC).isoformat(timespec='seconds')}, profile {said['profile']})"
            for said in self._lost.values()
        )
        return Outcome("trust", tuple(lines))

    async def restore(self, kind: str | None = None, resource: str | None = None, by: str = "") -> Outcome:
        """Give back what was lost, in every worker: all of it, or a kind, or what was lost for a resource."""
        chosen = [place for place in self._lost if resource in (None, place[0]) and kind in (None, place[1])]
        for place in chosen:
            self._give_back(None, *place, by)
        return Outcome("restored", tuple("/".join(place) for place in chosen))

    # --- changes

    async def look(self) -> None:
        """Serves what the files say now, if that is something else than when they were last read."""
        if not await asyncio.to_thread(self._seen.is_current):
            await self.reload()

    async def reload(self) -> Outcome:
        """Serves what the files say now: every worker does, or none. Returns when nobody serves anything else."""
        async with self._changing:
            self._notify.reloading()
            started = time.monotonic()
            before = self._serving
            try:
                outcome = await self._reloaded()
            except Exception as error:  # noqa: BLE001  # whatever it is, what was served before still is, and it is said
                outcome = Outcome("refused", (f"unforeseen: {kind_of(error)}",), is_passing=True)
            self._refused = outcome.faults
            for worker in self._workers:
                worker.channel.send("refused", faults=outcome.faults)
            self._publish(Reloaded(outcome.how, outcome.faults, round(time.monotonic() - started, 6)))
            self._notify.ready()
        # The next change need not wait for the slowest client of this one.
        await self._ended({worker for worker in before if worker.was_told and not worker.ended.is_set()})
        return outcome

    async def restart(self) -> Outcome:
        """Replaces every worker by a new one with the same files, one after the other."""
        started = time.monotonic()
        outcome = Outcome("replaced")
        for worker in self._serving:
            try:
                async with self._changing:
                    await self._successor(self._tree)
                    self._dismiss({worker})
            except StartError as error:
                outcome = Outcome("refused", error.lines, is_passing=True)
                break
            await self._ended({worker})
        self._publish(Reloaded(outcome.how, outcome.faults, round(time.monotonic() - started, 6)))
        return outcome

    async def refresh_metadata(self) -> Outcome:
        """Has every worker read the upstream's metadata now."""
        faults = await self._asked("metadata")
        return Outcome("refused" if faults else "refreshed", faults, is_passing=True)

    async def _reloaded(self) -> Outcome:
        if self._stopping or not self._serving:
            # Nobody could say whether the files are good.
            return Outcome("refused", ("no worker serves at present",), is_passing=True)
        tree, configuration, faults = await self._read()
        if configuration is None:
            self._seen = tree
            return Outcome("refused", faults)
        if tree == self._tree and all(worker.tree == tree for worker in self._serving):
            self._seen = tree
            return Outcome("unchanged")
        outcome = await self._changed(tree, configuration)
        if outcome.how != "refused":
            self._tree, self._configuration = tree, configuration
        if not outcome.is_passing:
            self._seen = tree
        return outcome

    async def _changed(self, tree: Tree, configuration: Configuration) -> Outcome:
        moved = self._configuration.fixed_faults(configuration)
        if moved:
            return Outcome("refused", tuple(map(str, moved)))
        if self._configuration.is_swappable(configuration):
            return await self._swapped(tree)
        lost = self._lost
        if configuration.settings.upstream != self._configuration.settings.upstream:
            self._lost = {}  # it is declared anew what the upstream is trusted with
        outcome = await self._all_replaced(tree)
        if outcome.how == "refused":
            self._lost = {**self._lost, **lost}
        return outcome

    async def _read(self) -> tuple[Tree, Configuration | None, tuple[str, ...]]:
        """The files as they are, once they are the same twice."""
        before: Tree | None = None
        for _ in range(_READINGS):
            tree = Tree(self._tree.directory)
            faults: tuple[str, ...] = ()
            configuration = None
            try:
                configuration = await asyncio.to_thread(load_configuration, tree, self._environment)
            except ConfigurationError as error:
                faults = tuple(str(fault) for fault in error.faults)
            if tree in (before, self._tree):
                return tree, configuration, faults
            before = tree
            await asyncio.sleep(_BETWEEN)
        return tree, None, ("the files are being changed all the time",)

    async def _swapped(self, tree: Tree) -> Outcome:
        """Other documents in the same processes: prepared by all of them before one of them serves them."""
        faults = await self._asked("prepare", tree=tree.encode())
        if faults:
            return Outcome("refused", faults, is_passing=any(fault.startswith(_PASSING) for fault in faults))
        workers = self._serving
        for worker in workers:
            worker.tree = None
        failed = await self._asked("commit", tree=tree)
        if not failed and self._serving == workers:
            return Outcome("swapped")
        # Some serve the new files by now, and all are to serve the same ones.
        self._publish(Complaint(f"not every worker could serve the new files, so all are replaced: {failed}"))
        outcome = await self._all_replaced(tree)
        if outcome.how == "refused":
            # Whoever may serve them is ended where it stands, and what is started in its place has the old ones.
            for worker in self._serving:
                if worker.tree != self._tree:
                    worker.kill()
                    await worker.ended.wait()
        return outcome

    async def _asked(self, what: str, tree: Tree | str | None = None) -> tuple[str, ...]:
        """Every fault that any worker has to tell, each once. Who has none serves ``tree`` from then on, if that is one
        and no text of it."""
        number = next(self._ids)
        said = {"tree": tree} if isinstance(tree, str) else {}
        workers = self._serving
        loop = asyncio.get_running_loop()
        for worker in workers:
            worker.answers[number] = loop.create_future()
        waiting = {worker: worker.answers[number] for worker in workers}
        for worker in workers:
            worker.channel.send(what, id=number, **said)
        await asyncio.wait(waiting.values(), timeout=self._configuration.settings.workers.start_timeout)
        found: list[str] = []
        for worker, answer in waiting.items():
            faults = answer.result() if answer.done() else [_LATE]
            if not faults and isinstance(tree, Tree):
                worker.tree = tree
            found += faults
        return tuple(dict.fromkeys(found))

    async def _all_replaced(self, tree: Tree) -> Outcome:
        """Other settings take other processes: all of them are there before one of the old ones goes."""
        old, new = self._serving, list[_Worker]()
        try:
            for _ in range(self._count):
                new.append(await self._successor(tree))
        except StartError as error:
            self._dismiss(new)
            return Outcome("refused", error.lines, is_passing=error.code != 78)
        self._dismiss(old)
        return Outcome("replaced")

    async def _successor(self, tree: Tree) -> _Worker:
        """A new worker that can do what the others do.

        Raises:
            StartError: it cannot.
        """
        others = [worker.ready.result() for worker in self._serving]
        worker = await self._started(tree)
        told = worker.ready.result()
        known = {fault for other in others for fault in other["faults"]}
        faults = [fault for fault in told["faults"] if fault not in known]
        if not faults and not told["serving"] and any(other["serving"] for other in others):
            self._dismiss({worker})
            raise StartError(1, ["a new worker has no policy to serve: it cannot read the upstream's metadata"])
        if faults:
            self._dismiss({worker})
            raise StartError(78, faults)
        return worker
