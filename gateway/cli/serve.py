"""``gateway serve``: stands in front of an upstream until it is told to stop; ``gateway reload`` speaks to it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from gateway.cli.common import EXIT_CONFIGURATION, load, require_secrets

if TYPE_CHECKING:
    from gateway.store.configuration import Configuration
    from gateway.store.tree import Tree
    from gateway.workers.control import Control
    from gateway.workers.supervisor import Outcome, Supervisor

#: Seconds until a watch that has failed is tried again.
_PAUSE = 5.0
#: No service is there to be spoken to.
EXIT_UNAVAILABLE = 69

_CONFIG = click.option(
    "--config",
    "directory",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The configuration directory.",
)


@click.command()
@_CONFIG
@click.option("--workers", type=click.IntRange(1, 256), help="How many processes answer requests.")
def serve(directory: Path, workers: int | None) -> None:
    """Serve clients according to a configuration directory.

    SIGHUP serves what its files say now, SIGUSR2 replaces every worker, SIGTERM and SIGINT end after the last answer.
    """
    from gateway.store.tree import Tree

    if workers is not None:
        os.environ["GATEWAY__WORKERS__COUNT"] = str(workers)
    tree = Tree(directory)
    configuration = load(tree if directory.is_dir() else directory)
    require_secrets(configuration)
    # Until the loop runs: what is temporary is removed however this ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix="gateway-numbers-") as numbers:
        # Before anything of prometheus_client is imported, here and in the workers.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = numbers
        code = asyncio.run(_serve(configuration, tree))
    sys.exit(code)


async def _serve(configuration: Configuration, tree: Tree) -> int:
    from gateway.edge.accepting import ListenError
    from gateway.observe.events import Observers
    from gateway.observe.logs import DecisionLog
    from gateway.observe.metrics import SupervisorMetrics, share_numbers
    from gateway.workers.control import Control, ControlError
    from gateway.workers.supervisor import StartError, Supervisor

    share_numbers("supervisor")
    publish = Observers(SupervisorMetrics(), DecisionLog(configuration.settings.log.level))
    supervisor = Supervisor(configuration, tree, publish)
    stop = stop_event()
    control = None
    if configuration.control is not None:
        actions: dict[str, Callable[[Mapping[str, Any]], Awaitable[Outcome]]] = {
            "reload": lambda _: supervisor.reload(),
            "restart": lambda _: supervisor.restart(),
            "metadata": lambda _: supervisor.refresh_metadata(),
            "trust": lambda _: supervisor.trust(),
            "restore": lambda said: supervisor.restore(said.get("kind"), said.get("resource"), str(said.get("by", ""))),
        }
        control = Control(configuration.control, actions)
    tasks: list[asyncio.Task[Any]] = []
    try:
        _on_signals(supervisor, tasks)
        starting = asyncio.create_task(supervisor.start())
        stopping = asyncio.create_task(stop.wait())
        tasks += [starting, stopping]
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            if control is not None:
                await _open(control, configuration, publish)
            if configuration.settings.workers.watch:
                tasks.append(asyncio.create_task(_watch(supervisor, tree, publish)))
            await stop.wait()
    except StartError as error:
        for line in error.lines:
            click.echo(line, err=True)
        if error.code == EXIT_CONFIGURATION:
            click.echo(f"{len(error.lines)} fault{'s' if len(error.lines) != 1 else ''} in the configuration", err=True)
        return error.code
    except (ListenError, ControlError) as error:
        click.echo(f"Error: {error}", err=True)
        return 1
    finally:
        for task in tasks:
            task.cancel()
        if control is not None:
            await control.stop()
        await supervisor.stop()
    return 0


async def _open(control: Control, configuration: Configuration, publish: Callable[[Any], None]) -> None:
    """Opens the control socket. One that nobody has asked for may be missing: signals do the same.

    Raises:
        ControlError: one that was asked for cannot be there.
    """
    from gateway.observe.events import Complaint
    from gateway.workers.control import ControlError

    try:
        await control.start()
    except ControlError as error:
        if configuration.settings.workers.control is not None:
            raise
        publish(Complaint(str(error)))


def _on_signals(supervisor: Supervisor, tasks: list[asyncio.Task[Any]]) -> None:
    loop = asyncio.get_running_loop()

    def start(what: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        tasks.append(asyncio.create_task(what()))

    loop.add_signal_handler(signal.SIGHUP, start, supervisor.reload)
    loop.add_signal_handler(signal.SIGUSR2, start, supervisor.restart)


async def _watch(supervisor: Supervisor, tree: Tree, publish: Callable[[Any], None]) -> None:
    """Serves every change of the files, for ever."""
    from gateway.observe.events import Complaint
    from gateway.workers.watching import changes

    told = ""
    while True:
        try:
            async for _ in changes(tree):
                await supervisor.look()
        except Exception as error:  # noqa: BLE001  # a watch that has ended would leave keys alive that files revoke
            if told != repr(error):
                told = repr(error)
                publish(Complaint(f"the configuration cannot be watched; SIGHUP and `gateway reload` go on: {told}"))
        await asyncio.sleep(_PAUSE)


def stop_event() -> asyncio.Event:
    """Set by SIGINT and SIGTERM."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, event.set)
    return event


def control_of(directory: Path) -> Path:
    """Return the control socket of the service of a configuration; exit where none is configured."""
    configuration = load(directory)
    if configuration.control is None:
        click.echo(
            "gateway.yaml: neither workers.control nor state_dir says where the service can be spoken to", err=True
        )
        sys.exit(EXIT_CONFIGURATION)
    return configuration.control


_TOLD = {
    "swapped": "every worker serves the files",
    "replaced": "new workers serve the files",
    "refreshed": "every worker has the upstream's metadata of now",
    "unchanged": "nothing has changed",
}


@click.command()
@_CONFIG
@click.option("--workers", is_flag=True, help="Replace every worker by a new one, too.")
@click.option("--metadata", is_flag=True, help="Read the upstream's metadata now, too.")
def reload(directory: Path, workers: bool, metadata: bool) -> None:
    """Have the running service serve what the files of its configuration say now: every worker does, or none."""
    from gateway.workers.control import ControlError, ask

    path = control_of(directory)
    try:
        outcome = asyncio.run(ask(path, "reload"))
        for word, wanted in (("restart", workers), ("metadata", metadata)):
            if wanted and outcome.how != "refused":
                outcome = asyncio.run(ask(path, word))
    except ControlError as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_UNAVAILABLE)
    if outcome.how == "refused":
        for fault in outcome.faults:
            click.echo(fault, err=True)
        click.echo("refused: what was served before still is", err=True)
        sys.exit(EXIT_CONFIGURATION)
    click.echo(_TOLD[outcome.how])
