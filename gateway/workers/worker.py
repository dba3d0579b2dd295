"""A process that answers requests: a ``Service`` on sockets that it shares with others, which does what it is told."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
from collections.abc import Coroutine, Sequence
from dataclasses import asdict
from typing import Any

from gateway.edge.publication import Prepared
from gateway.edge.service import Service
from gateway.errors import ConfigurationError, kind_of
from gateway.observe.events import Event, TrustLost, TrustRestored
from gateway.observe.logs import DecisionLog
from gateway.observe.metrics import share_numbers
from gateway.store.configuration import Configuration, load_configuration
from gateway.store.counters import Count, CountersUnavailableError
from gateway.store.database import StoreError
from gateway.store.tree import Tree
from gateway.workers.channel import Channel, told_of

#: Exit codes of a start that failed, as ``gateway serve`` has them.
STORE, CONFIGURATION = 75, 78
#: Seconds between two signs of life.
_PULSE = 1.0


async def work(clients: int, staff: int, control: int) -> int:
    """Serves until the process above says that it is enough, or is gone.

    Args:
        clients: file descriptor of the socket on which clients are listened to; ``staff`` that of the admin listener,
            ``control`` of the connection with the process above.

    Returns:
        The exit code.
    """
    channel = await Channel.over(socket.socket(fileno=control))
    order = await channel.receive()
    if order is None:
        return 0
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, told.set)
    loop.add_signal_handler(signal.SIGINT, lambda: None)  # Ctrl-C reaches all processes; one of them decides
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    share_numbers(str(order["slot"]))
    sockets = (socket.socket(fileno=clients), socket.socket(fileno=staff))
    try:
        configuration = await asyncio.to_thread(load_configuration, Tree.decode(order["tree"]), os.environ)
        await _serve(configuration, sockets, channel, order, told)
    except ConfigurationError as error:
        channel.send("failed", code=CONFIGURATION, lines=[str(fault) for fault in error.faults])
        return CONFIGURATION
    except StoreError as error:
        channel.send("failed", code=STORE, lines=[f"the database cannot be used: {error}"])
        return STORE
    except CountersUnavailableError as error:
        channel.send("failed", code=CONFIGURATION, lines=[f"gateway.yaml: limits.redis_url: {error}"])
        return CONFIGURATION
    finally:
        await channel.close()
    return 0


async def _serve(
    configuration: Configuration,
    sockets: tuple[socket.socket, socket.socket],
    channel: Channel,
    order: dict[str, Any],
    told: asyncio.Event,
) -> None:
    def tell(event: Event) -> None:
        if isinstance(event, TrustLost | TrustRestored):
            channel.send("lost" if isinstance(event, TrustLost) else "restored", **asdict(event))

    pulse = asyncio.create_task(_pulse(channel))
    try:
        log = DecisionLog(
            configuration.settings.log.level,
            tells="everything" if configuration.settings.log.decisions is None else "the rest",
        )
        counters = MachineCounters(channel)
        async with Service(configuration, log, tell, inherited=sockets, counters=counters) as service:
            worker = _Worker(service, channel, counters)
            for lost in order["lost"]:
                service.trust.adopt(TrustLost(**lost))
            service.operations.refused = tuple(order["refused"])
            snapshot = service.snapshot
            channel.send("ready", serving=bool(snapshot.policies), faults=[str(fault) for fault in snapshot.faults])
            notice = await worker.obey(told)
            channel.send("done", lost=await service.drain(notice=notice))
    finally:
        pulse.cancel()


async def _pulse(channel: Channel) -> None:
    while True:
        channel.send("alive")
        await asyncio.sleep(_PULSE)


class MachineCounters:
    """Counters that the process above keeps for all workers: what is left of a limit does not depend on which one
    answers, and outlives them."""

    #: Seconds that anybody waits for an answer.
    PATIENCE = 1.0

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._ids = itertools.count()
        self._waiting: dict[int, asyncio.Future[list[int]]] = {}

    async def add(self, counts: Sequence[Count], now: float) -> list[int]:
        number = next(self._ids)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        entries = [(count.name, count.seconds, count.amount) for count in counts]
        self._channel.send("count", id=number, counts=entries, now=now)
        try:
            return await asyncio.wait_for(self._waiting[number], self.PATIENCE)
        except TimeoutError:
            raise CountersUnavailableError("the process that counts does not answer") from None
        finally:
            del self._waiting[number]

    def heard(self, number: int, totals: list[int]) -> None:
        waiting = self._waiting.get(number)
        if waiting is not None and not waiting.done():
            waiting.set_result(totals)


class _Worker:
    def __init__(self, service: Service, channel: Channel, counters: MachineCounters) -> None:
        self._service = service
        self._counters = counters
        self._channel = channel
        self._prepared: Prepared | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def obey(self, told: asyncio.Event) -> bool:
        """Does what it is told until that is to end; whether to say so on ``/readyz`` for a while first."""
        ending = asyncio.create_task(told.wait())
        try:
            while True:
                heard = asyncio.create_task(self._channel.receive())
                await asyncio.wait({heard, ending}, return_when=asyncio.FIRST_COMPLETED)
                if not heard.done():
                    heard.cancel()
                    return False
                order = heard.result()
                if order is None:
                    return False  # the process above is gone: nobody would look after this one
                match order["what"]:
                    case "drain":
                        return bool(order["notice"])
                    case "counted":
                        self._counters.heard(order["id"], order["totals"])
                    case "lost":
                        self._service.trust.adopt(TrustLost(**told_of(order)))
                    case "restored":
                        self._service.trust.restore(order["kind"], order["resource"], order["by"])
                    case "refused":
                        self._service.operations.refused = tuple(order["faults"])
                    case "prepare":
                        self._beside(order, self._prepare(order["tree"]))
                    case "commit":
                        self._beside(order, self._commit())
                    case "metadata":
                        self._beside(order, self._refresh())
        finally:
            ending.cancel()
            for task in self._tasks:
                task.cancel()

    def _beside(self, order: dict[str, Any], work: Coroutine[Any, Any, list[str]]) -> None:
        """Does what takes its time, and answers with every fault of it: somebody waits for that, whatever happens."""

        async def answer() -> None:
            try:
                faults = await work
            except ConfigurationError as error:
                faults = [str(fault) for fault in error.faults]
            except Exception as error:  # noqa: BLE001  # as above
                faults = [f"unforeseen: {kind_of(error)}"]
            self._channel.send("answer", id=order["id"], faults=faults)

        task = asyncio.create_task(answer())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _prepare(self, tree: str) -> list[str]:
        self._prepared = None
        files = await asyncio.to_thread(load_configuration, Tree.decode(tree), os.environ)
        self._prepared = await self._service.publication.prepare(files)
        return []

    async def _commit(self) -> list[str]:
        prepared, self._prepared = self._prepared, None
        served = prepared is not None and await self._service.publication.commit(prepared)
        return [] if served else ["what is to be remembered cannot be written"]

    async def _refresh(self) -> list[str]:
        """The upstream's metadata of now."""
        return [] if await self._service.refresh_metadata() else ["the metadata of now is not served"]
