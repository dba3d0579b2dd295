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
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from gateway.edge.listener import listening_socket
from gateway.errors import ConfigurationError
from gateway.observe.events import Complaint, Event, Reloaded, WorkerEnded, WorkerStarted
from gateway.observe.metrics import forget_levels
from gateway.store.configuration import Configuration, load_configuration
from gateway.store.counters import Count, LocalCounters
from gateway.store.tree import Tree
from gateway.workers.channel import Channel
from gateway.workers.notify import Notifier

#: A worker that lived shorter than this is replaced after a pause, which doubles up to the longest one.
_SHORT_LIFE, _PAUSE, _LONGEST_PAUSE = 10.0, 0.5, 30.0
#: Files are read again until they are the same twice: a directory may be changed while it is read.
_READINGS, _BETWEEN = 20, 0.05
#: Seconds beyond its deadline after which a worker is ended by force.
_GRACE = 10.0


class StartError(Exception):
    """A worker could not start. ``code`` is the exit code that says why; ``lines`` are for people."""

    def __init__(self, code: int, lines: Iterable[str]) -> None:
        self.code = code
        self.lines = tuple(lines)
        super().__init__("; ".join(self.lines))


@dataclass(eq=False)
class _Worker:
    """One process. ``ready`` is set once it answers: to whether it has any policy to answer with, and its faults."""

    slot: int
    process: asyncio.subprocess.Process
    channel: Channel
    born: float
    ready: asyncio.Future[dict[str, Any]]
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    answers: dict[int, asyncio.Future[list[str]]] = field(default_factory=dict)
    seen: float = 0.0
    was_told: bool = False
    lost: int = 0

    @property
    def is_serving(self) -> bool:
        return self.ready.done() and not self.ready.exception() and not self.was_told


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of something that was asked for: ``how`` as in the event, or ``refreshed``; and every fault where it is
    ``refused``."""

    how: str
    faults: tuple[str, ...] = ()


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
        self._publish = publish
        self._environment = environment
        self._notify = Notifier(environment)
        self._workers: set[_Worker] = set()
        self._sockets: tuple[socket.socket, ...] = ()
        self._count = configuration.settings.workers.count
        #: What is being changed, one thing at a time.
        self._changing = asyncio.Lock()
        self._stopping = False
        self._ids = itertools.count()
        #: What the upstream has contradicted in front of any worker, by kind.
        self._lost: dict[str, dict[str, Any]] = {}
        #: Of rate limits, for all workers.
        self._counters = LocalCounters()
        self._refused: tuple[str, ...] = ()
        self._tasks: set[asyncio.Task[None]] = set()
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
        self._sockets = tuple(listening_socket(where.host, where.port) for where in (settings.listen, settings.admin))
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
        for task in self._tasks:
            task.cancel()
        await self._ended(set(self._workers), notice=True)
        for listening in self._sockets:
            listening.close()

    def _run(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watchdog(self) -> None:
        """Ends workers that give no sign of life, and gives one of the whole as long as one of them does."""
        loop = asyncio.get_running_loop()
        pause = min(1.0, self._notify.watchdog / 3) if self._notify.watchdog else 1.0
        while True:
            await asyncio.sleep(pause)
            late = loop.time() - self._configuration.settings.workers.watchdog
            for worker in self._workers:
                if worker.is_serving and worker.seen < late:
                    self._publish(Complaint(f"worker {worker.slot} gives no sign of life and is ended"))
                    worker.process.kill()
            if any(worker.is_serving and worker.seen >= late for worker in self._workers):
                self._notify.alive()

    # --- one worker

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
            await self._ended({worker}, notice=False, force=True)
            raise StartError(1, [f"a worker was not ready after {limit:g} seconds"]) from None
        self._publish(WorkerStarted(worker.slot, worker.process.pid, self._serving))
        self._notify.status(f"{self._serving} workers")
        return worker

    @property
    def _serving(self) -> int:
        return sum(worker.is_serving for worker in self._workers)

    async def _spawn(self, tree: Tree) -> _Worker:
        taken = {worker.slot for worker in self._workers}
        slot = next(number for number in itertools.count() if number not in taken)
        ours, theirs = socket.socketpair()
        with theirs:
            inherited = (*(found.fileno() for found in self._sockets), theirs.fileno())
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "gateway.workers", *map(str, inherited), pass_fds=inherited,
                stdin=asyncio.subprocess.DEVNULL, env=dict(self._environment),
            )  # fmt: skip
        loop = asyncio.get_running_loop()
        worker = _Worker(slot, process, await Channel.over(ours), loop.time(), loop.create_future())
        self._workers.add(worker)
        worker.channel.send(
            "start", slot=slot, tree=tree.encode(), lost=list(self._lost.values()), refused=self._refused
        )
        listening = asyncio.create_task(self._listen(worker))
        self._listening.add(listening)
        listening.add_done_callback(self._listening.discard)
        return worker

    async def _listen(self, worker: _Worker) -> None:
        """Hears what a worker says until it has ended."""
        while (said := await worker.channel.receive()) is not None:
            worker.seen = asyncio.get_running_loop().time()
            match said["what"]:
                case "ready":
                    worker.ready.set_result(said)
                case "failed":
                    worker.ready.set_exception(StartError(said["code"], said["lines"]))
                case "answer":
                    worker.answers.pop(said["id"]).set_result(said["faults"])
                case "count":
                    counts = [Count(*entry) for entry in said["counts"]]
                    worker.channel.send("counted", id=said["id"], totals=self._counters.added(counts, said["now"]))
                case "lost":
                    self._spread(worker, said)
                case "done":
                    worker.lost = said["lost"]
        await self._buried(worker)

    async def _buried(self, worker: _Worker) -> None:
        code = await worker.process.wait()
        await worker.channel.close()
        self._workers.discard(worker)
        with suppress(FileNotFoundError):
            forget_levels(str(worker.slot))
        if not worker.ready.done():
            worker.ready.set_exception(StartError(1, [f"a worker ended with {code} before it was ready"]))
        was_ready = not worker.ready.exception()
        for waiting in worker.answers.values():
            waiting.set_result(["a worker has ended meanwhile"])
        worker.ended.set()
        if was_ready:
            self._publish(
                WorkerEnded(worker.slot, worker.process.pid, self._serving, code, worker.was_told, worker.lost)
            )
            if not worker.was_told and not self._stopping:
                self._run(self._replaced(worker))

    async def _replaced(self, dead: _Worker) -> None:
        """Starts another worker for one that has ended by itself, for as long as it takes."""
        lived = asyncio.get_running_loop().time() - dead.born
        self._short_lives = self._short_lives + 1 if lived < _SHORT_LIFE else 0
        while True:
            pause = _PAUSE * 2 ** (self._short_lives - 1) if self._short_lives else 0.0
            await asyncio.sleep(min(pause, _LONGEST_PAUSE))
            async with self._changing:
                if self._serving >= self._count:
                    return  # all were replaced meanwhile
                try:
                    await self._started(self._tree)
                except StartError as error:
                    self._short_lives += 1
                    self._publish(Complaint(f"a worker could not be replaced: {error}"))
                    continue
                return

    async def _ended(self, workers: set[_Worker], *, notice: bool, force: bool = False) -> None:
        """Tells workers to end, and waits until they have."""
        if not workers:
            return
        settings = self._configuration.settings.workers
        for worker in workers:
            worker.was_told = True
            if force:
                worker.process.kill()
            else:
                worker.channel.send("drain", notice=notice)
        patience = (settings.drain_notice if notice else 0) + settings.drain_deadline + _GRACE
        waiting = [asyncio.create_task(worker.ended.wait()) for worker in workers]
        await asyncio.wait(waiting, timeout=patience)
        for worker in workers:
            if not worker.ended.is_set():
                self._publish(Complaint(f"worker {worker.slot} did not end and is ended"))
                worker.process.kill()
        await asyncio.gather(*waiting)

    def _spread(self, told_by: _Worker, said: dict[str, Any]) -> None:
        """What one worker has learned of the upstream holds for all (D6)."""
        if said["kind"] in self._lost:
            return
        self._lost[said["kind"]] = said
        for worker in self._workers - {told_by}:
            worker.channel.send("lost", **{name: said[name] for name in ("kind", "resource", "reason")})

    # --- changes

    async def look(self) -> None:
        """Serves what the files say now, if that is something else than when they were last read."""
        if not await asyncio.to_thread(self._seen.is_current):
            await self.reload()

    async def reload(self) -> Outcome:
        """Serves what the files say now: every worker does, or none."""
        async with self._changing:
            if self._stopping:
                return Outcome("refused", ("the service is ending",))
            self._notify.reloading()
            started = time.monotonic()
            outcome = await self._reloaded()
            self._refused = outcome.faults
            for worker in self._workers:
                worker.channel.send("refused", faults=outcome.faults)
            self._publish(Reloaded(outcome.how, outcome.faults, round(time.monotonic() - started, 6)))
            self._notify.ready()
            return outcome

    async def restart(self) -> Outcome:
        """Replaces every worker by a new one with the same files, one after the other."""
        async with self._changing:
            started = time.monotonic()
            old = [worker for worker in self._workers if worker.is_serving]
            try:
                for worker in old:
                    await self._successor(self._tree)
                    await self._ended({worker}, notice=False)
            except StartError as error:
                outcome = Outcome("refused", error.lines)
            else:
                outcome = Outcome("replaced")
            self._publish(Reloaded(outcome.how, outcome.faults, round(time.monotonic() - started, 6)))
            return outcome

    async def refresh_metadata(self) -> Outcome:
        """Has every worker read the upstream's metadata now."""
        async with self._changing:
            faults = await self._asked("metadata")
            return Outcome("refused" if faults else "refreshed", faults)

    async def _reloaded(self) -> Outcome:
        tree, configuration, faults = await self._read()
        self._seen = tree
        if configuration is None:
            return Outcome("refused", faults)
        if tree == self._tree:
            return Outcome("unchanged")
        moved = self._configuration.fixed_faults(configuration)
        if moved:
            return Outcome("refused", tuple(map(str, moved)))
        swappable = self._configuration.is_swappable(configuration)
        lost = self._lost
        if configuration.settings.upstream != self._configuration.settings.upstream:
            self._lost = {}  # it is declared anew what the upstream is trusted with
        serving = {worker for worker in self._workers if worker.is_serving}
        outcome = await (self._swapped(tree) if swappable else self._all_replaced(tree, serving))
        if outcome.how == "refused":
            self._lost = lost
        else:
            self._tree, self._configuration = tree, configuration
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
            return Outcome("refused", faults)
        workers = {worker for worker in self._workers if worker.is_serving}
        failed = await self._asked("commit")
        if not failed:
            return Outcome("swapped")
        # Some serve the new files by now, and all are to serve the same ones.
        self._publish(Complaint(f"not every worker could serve the new files, so all are replaced: {failed}"))
        outcome = await self._all_replaced(tree, workers)
        return outcome if outcome.how != "refused" else await self._all_replaced(self._tree, workers)

    async def _asked(self, what: str, **said: Any) -> tuple[str, ...]:
        """Every fault that any worker has to tell, each once."""
        number = next(self._ids)
        waiting = []
        for worker in self._workers:
            if worker.is_serving:
                worker.answers[number] = asyncio.get_running_loop().create_future()
                waiting.append(worker.answers[number])
                worker.channel.send(what, id=number, **said)
        answers = await asyncio.gather(*waiting)
        return tuple(dict.fromkeys(fault for faults in answers for fault in faults))

    async def _all_replaced(self, tree: Tree, old: set[_Worker]) -> Outcome:
        """Other settings take other processes: all of them are there before one of the old ones goes."""
        new: list[_Worker] = []
        try:
            for _ in range(self._count):
                new.append(await self._successor(tree))
        except StartError as error:
            await self._ended(set(new), notice=False)
            return Outcome("refused", error.lines)
        await self._ended(old, notice=False)
        return Outcome("replaced")

    async def _successor(self, tree: Tree) -> _Worker:
        """A new worker that can do what the others do.

        Raises:
            StartError: it cannot.
        """
        others = [worker.ready.result() for worker in self._workers if worker.is_serving]
        worker = await self._started(tree)
        told = worker.ready.result()
        known = {fault for other in others for fault in other["faults"]}
        faults = [fault for fault in told["faults"] if fault not in known]
        if not told["serving"] and any(other["serving"] for other in others):
            faults.append("a new worker has no policy to serve: it cannot read the upstream's metadata")
        if faults:
            await self._ended({worker}, notice=False)
            raise StartError(78, faults)
        return worker
