"""``gateway serve`` as it runs: one process that keeps the others. Nothing is lost, and nothing that is wrong is silent."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.sandbox.rows import make_tables
from gateway.sandbox.server import Sandbox
from gateway.store.configuration import Configuration
from gateway.store.tree import Tree
from gateway.workers.control import Control, ControlError, ask
from gateway.workers.supervisor import Outcome, Supervisor, _Worker
from tests.certificates import pair, trusting
from tests.hostile import Hostile, collection, hostile_running
from tests.load import load
from tests.processes import Process, serving
from tests.support import (
    CONFIG,
    REPOSITORY,
    configuration,
    key_file,
    sandbox_running,
    until,
    write_configuration,
)

OPEN, CLOSED = '{"D": {"Name": "t", "Description": "t", "Role": "idx"}}', (
    '{"D": {"Name": "t", "Description": "t", "Role": "idx", "FieldOverrides": {"Property": {"All": {"City": {"Rule": "Hidden"}}}}}}'
)  # fmt: skip
SETTINGS = (CONFIG / "gateway.yaml").read_text(encoding="utf-8")
QUESTION = "Property?$top=1&$select=ListingKey,City"


@asynccontextmanager
async def service(directory: Path, workers: int = 2, added: str = "", **settings: str) -> AsyncIterator[Process]:
    """``added`` is added to gateway.yaml."""
    files = {"templates/t.json": OPEN, "keys.yaml": key_file(reader="Template: t"), "gateway.yaml": SETTINGS + added}
    write_configuration(directory, files)
    async with (
        sandbox_running(Sandbox(make_tables(listings=5))) as sandbox,
        serving(directory, sandbox.url, None, workers, **settings) as found,
    ):
        yield found


async def status(found: Process, target: str = QUESTION) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{found.clients}/{target}", headers={"Authorization": "Bearer reader"}) as response,
    ):
        return response.status


async def written(directory: Path, name: str, text: str) -> None:
    """As files are to be replaced: beside, then renamed."""
    beside = directory / f".{name.replace('/', '-')}"
    beside.write_text(text, encoding="utf-8")
    beside.rename(directory / name)


@pytest.mark.guarantee("G7")
async def test_what_was_answered_is_in_the_durable_log_whatever_ends_the_service(
    directory: Path, tmp_path: Path
) -> None:
    """Every process is killed while clients read: no answer is without its record."""
    log = tmp_path / "decisions.log"
    answered: list[str] = []

    async def read(session: aiohttp.ClientSession, found: Process) -> None:
        with suppress(aiohttp.ClientError):
            while True:
                async with session.get(
                    f"{found.clients}/{QUESTION}", headers={"Authorization": "Bearer reader"}
                ) as response:
                    await response.read()
                    assert response.status == 200
                    answered.append(response.headers["X-Request-Id"])

    async with (
        service(directory, LOG__DECISIONS=str(log), LOG__DURABLE="true", LOG__ROTATE_BYTES="20000") as found,
        aiohttp.ClientSession() as session,
    ):
        readers = [asyncio.create_task(read(session, found)) for _ in range(4)]
        await until(lambda: len(answered) > 200)
        await found.kill()
        await asyncio.gather(*readers)

    files = sorted(tmp_path.glob("decisions.log*"))  # noqa: ASYNC240
    told = [json.loads(line) for path in files for line in path.read_text(encoding="ascii").splitlines()]
    kept = [entry["request_id"] for entry in told if entry["event"] == "request"]
    assert len(files) > 2
    assert set(answered) <= set(kept)
    assert len(kept) == len(set(kept))


@pytest.mark.guarantee("G7")
async def test_a_renewed_certificate_is_served_and_a_bad_one_is_not(directory: Path) -> None:
    """The files are renewed as others do it, nothing is told to the service, and no request is lost."""
    old, new = pair("old"), pair("new")
    tls = SETTINGS.replace("listen:\n", "listen:\n  tls: {certificate: tls/chain.pem, key: tls/key.pem}\n", 1)
    write_configuration(directory, {"gateway.yaml": tls, "keys.yaml": key_file(reader="Role: private")})

    async def renewed(*texts: str) -> None:
        for name, text in zip(("tls/chain.pem", "tls/key.pem"), texts, strict=True):
            await written(directory, name, text)

    async def shown(found: Process) -> bytes:
        _, writer = await asyncio.open_connection("127.0.0.1", found.port, ssl=trusting(old[0], new[0]))
        certificate: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        return certificate

    (directory / "tls").mkdir()
    await renewed(*old)
    async with (
        sandbox_running(Sandbox(make_tables(listings=5))) as sandbox,
        serving(directory, sandbox.url, None, workers=2, WORKERS__DRAIN_IDLE="0.5") as found,
        load(f"{found.clients}/Property?$top=1&$select=ListingKey", "reader", tls=trusting(old[0], new[0])) as seen,
    ):
        first = await shown(found)
        await renewed(new[0], old[1])
        refused = await ask(found.control, "reload")
        kept = await shown(found)
        await renewed(*new)
        async with asyncio.timeout(60):
            while await found.metric("gateway_reload_refused") or await shown(found) == first:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        after = {await shown(found) for _ in range(6)}

    assert first == kept == ssl.PEM_cert_to_DER_cert(old[0])
    assert (refused.how, "do not go together" in refused.faults[0]) == ("refused", True)
    assert after == {ssl.PEM_cert_to_DER_cert(new[0])}
    assert seen.failed == []
    assert sum(seen.answers.values()) > 100


@pytest.mark.guarantee("G7")
async def test_reloads_and_rolling_restarts_lose_no_request(directory: Path) -> None:
    """Some of each; `make prove` has a thousand and a hundred."""
    async with service(directory, WORKERS__WATCH="false", WORKERS__DRAIN_IDLE="0.5") as found:
        async with load(f"{found.clients}/Property?$top=1&$select=ListingKey", "reader") as seen:
            told = []
            for turn in range(6):
                await written(directory, "templates/t.json", (CLOSED, OPEN)[turn % 2])
                told.append((await ask(found.control, "reload")).how)
            before = await found.workers()
            told.append((await ask(found.control, "restart")).how)
            after = await found.workers()
        asked = await status(found)
        await written(directory, "templates/t.json", CLOSED)
        await ask(found.control, "reload")
        hidden = [await status(found) for _ in range(8)]

    assert told == ["swapped"] * 6 + ["replaced"]
    assert seen.failed == []
    assert len(seen.bodies) == 1
    assert sum(seen.answers.values()) > 100
    assert len(after) == 2
    assert not before & after
    assert asked == 200
    assert hidden == [400] * 8  # in every worker: each question has a connection of its own


@pytest.mark.guarantee("G5", "G7")
async def test_files_with_faults_are_refused_and_it_is_said(directory: Path) -> None:
    async with service(directory, WORKERS__WATCH="false") as found:

        async def reloaded() -> tuple[str, tuple[str, ...]]:
            outcome = await ask(found.control, "reload")
            return outcome.how, outcome.faults

        unchanged = await reloaded()
        await written(directory, "templates/t.json", CLOSED[:60])
        half = await reloaded()
        told, refused = await found.ready(), await found.metric("gateway_reload_refused")
        (directory / "templates/t.json").unlink()
        deleted = await reloaded()
        await written(directory, "templates/t.json", CLOSED.replace("City", "Nope"))
        unknown = await reloaded()
        serving_still = await status(found)
        await written(directory, "templates/t.json", CLOSED)
        mended = await reloaded()
        closed = await status(found)
        await written(directory, "gateway.yaml", SETTINGS.replace("page_size: 100", "page_size: 3"))
        replaced = await reloaded()
        listed = await found.ready()
        counted = await found.metric("gateway_reloads_total")

    assert unchanged == ("unchanged", ())
    assert half[0] == deleted[0] == unknown[0] == "refused"
    assert half[1][0].startswith("templates/t.json:1: is not well-formed")
    assert deleted[1] == ("keys.yaml:3: Keys.0.Template: there is no template `t`",)
    assert "Nope" in unknown[1][0]
    assert told["refused"] == list(half[1])
    assert told["ready"] is True
    assert refused == 1
    assert serving_still == 200
    assert mended == ("swapped", ())
    assert closed == 400
    assert replaced == ("replaced", ())
    assert listed["refused"] == []
    assert counted == 7  # the start is one of them


async def test_what_outlives_the_workers_takes_a_restart(directory: Path) -> None:
    async with service(directory, workers=1, WORKERS__WATCH="false") as found:
        await written(directory, "gateway.yaml", SETTINGS.replace("host: 127.0.0.1", "host: 127.0.0.2"))
        outcome = await ask(found.control, "reload")

    assert outcome.how == "refused"
    assert [fault.partition(": ")[2] for fault in outcome.faults] == [
        f"{name}.host: is another one: that takes a restart of the service" for name in ("listen", "admin")
    ]


async def _whole_without(found: Process, gone: int, workers: int = 2) -> None:
    """Waits until all workers serve, and none of them is one that is gone."""
    async with asyncio.timeout(60):
        while gone in await found.workers() or await found.metric("gateway_workers") < workers:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.05)


async def test_a_worker_that_dies_or_hangs_is_replaced_and_counted(directory: Path) -> None:
    async with service(directory, WORKERS__WATCHDOG="4") as found:
        first = await found.workers()
        killed, hung = sorted(first)
        os.kill(killed, signal.SIGKILL)
        answered = [await status(found) for _ in range(4)]
        await _whole_without(found, killed)
        os.kill(hung, signal.SIGSTOP)
        await _whole_without(found, hung)
        deaths = await found.metric("gateway_worker_deaths_total")
        requests = await found.metric("gateway_requests_total")

    assert answered == [200] * 4
    assert deaths == 2
    assert requests == 4  # what the dead ones have counted is not gone


async def test_a_service_that_ends_says_so_first_and_answers_what_it_has_begun(directory: Path) -> None:
    async with service(directory, WORKERS__DRAIN_NOTICE="4") as found:
        async with load(f"{found.clients}/{QUESTION}", "reader", clients=2) as seen:
            await until(lambda: seen.answers[200] > 5)
            found.process.terminate()
            await asyncio.sleep(0.3)
            told = await found.ready()
            still = await status(found)
            seen.stopping = True
        code = await found.process.wait()

    assert told["ready"] is False
    assert told["draining"] is True
    assert still == 200
    assert seen.failed == []
    assert code == 0


async def test_a_limit_is_one_for_all_workers_and_outlives_them(directory: Path) -> None:
    limits = "limits: {default: {requests: {86400: 6}}}\n"
    async with service(directory, added=limits, WORKERS__WATCH="false") as found:
        before = [await status(found) for _ in range(4)]
        await ask(found.control, "restart")
        after = [await status(found) for _ in range(4)]

    assert before == [200] * 4
    assert after == [200, 200, 429, 429]


@pytest.mark.channel("C315")
async def test_what_the_upstream_has_contradicted_is_known_to_all_workers_and_to_those_that_come(
    directory: Path,
) -> None:
    write_configuration(directory, {"keys.yaml": key_file(reader="Template: company-idx")})
    lies = [{"ListingKey": "L1", "StandardStatus": "Closed", "City": "canary"}]

    def answer(request: web.BaseRequest) -> web.Response:
        """Lies once; what only one worker has seen, the others cannot find out by themselves."""
        return collection([lies.pop()] if lies and "gt" in request.raw_path else [])

    liar = Hostile(answer)
    async with (
        hostile_running(liar) as upstream,
        serving(directory, upstream.url, None, 2, WORKERS__WATCH="false", UPSTREAM__PROBE="false") as found,
    ):
        before = {await status(found, "Property?$skip=1&$select=City") for _ in range(8)}
        asked = {await status(found, "Property?$select=City&$filter=City%20gt%20%27A%27")}
        async with asyncio.timeout(60):
            while {await status(found, "Property?$skip=1&$select=City") for _ in range(8)} != {501}:  # noqa: ASYNC110  # nobody there would set an event
                await asyncio.sleep(0.05)
        await ask(found.control, "restart")
        after = {await status(found, "Property?$skip=1&$select=City") for _ in range(8)}
        distrusted = await found.metric("gateway_distrusted")
        told = await ask(found.control, "trust")
        other = await ask(found.control, "restore", kind="counts", resource=None, by="tester")
        restored = await ask(found.control, "restore", kind=None, resource="Property", by="tester")
        async with asyncio.timeout(60):
            while {await status(found, "Property?$skip=1&$select=City") for _ in range(8)} != {200}:  # noqa: ASYNC110  # as above
                await asyncio.sleep(0.05)
        await ask(found.control, "restart")
        again = {await status(found, "Property?$skip=1&$select=City") for _ in range(8)}

    assert before == asked == {200}
    assert after == {501}
    assert distrusted >= 1
    assert [line.partition(":")[0] for line in told.faults] == ["Property/string_equality"]
    assert other.faults == ()
    assert restored == Outcome("restored", ("Property/string_equality",))
    assert again == {200}


async def test_workers_do_not_outlive_the_process_that_keeps_them(directory: Path) -> None:
    async with service(directory, WORKERS__DRAIN_IDLE="0") as found:
        workers = await found.workers()
        found.process.kill()
        await found.process.wait()

        def alive(process: int) -> bool:
            stat = Path(f"/proc/{process}/stat")
            return stat.exists() and ") Z " not in stat.read_text(encoding="ascii")

        await until(lambda: not any(map(alive, workers)), 30)

    assert len(workers) == 2


async def test_the_control_socket_is_its_owners_and_of_one_service(directory: Path) -> None:
    async with service(directory, workers=1) as found:
        mode = found.control.stat().st_mode & 0o777
        unknown = await ask(found.control, "nonsense")
        with pytest.raises(ControlError, match="another service listens here"):
            await Control(found.control, {}).start()

    assert mode == 0o600
    assert unknown.how == "refused"
    with pytest.raises(ControlError, match="no service listens here"):
        await ask(found.control, "reload")


@pytest.mark.guarantee("G7")
async def test_a_symbolic_link_that_is_swapped_is_seen(directory: Path) -> None:
    """As Kubernetes changes a ConfigMap: no file of the directory is touched."""
    versions = directory.parent / "versions"
    for name, template in (("..one", OPEN), ("..two", CLOSED)):
        write_configuration(
            versions / name, {"templates/t.json": template, "keys.yaml": key_file(reader="Template: t")}
        )
    directory.mkdir()  # noqa: ASYNC240  # of the test's own disk
    for name in ("..one", "..two"):
        shutil.move(versions / name, directory / name)
    (directory / "..data").symlink_to("..one")
    for entry in (directory / "..one").iterdir():
        (directory / entry.name).symlink_to(Path("..data") / entry.name)
    async with (
        sandbox_running(Sandbox(make_tables(listings=5))) as sandbox,
        serving(directory, sandbox.url, None, workers=2) as found,
    ):
        before = await status(found)
        (directory / "..new").symlink_to("..two")
        (directory / "..new").rename(directory / "..data")
        async with asyncio.timeout(60):
            while {await status(found) for _ in range(6)} != {400}:  # noqa: ASYNC110  # nobody there would set an event
                await asyncio.sleep(0.05)

    assert before == 200


async def test_every_worker_has_numbers_of_its_own(directory: Path) -> None:
    """An attacker found that all but the first had the same, and overwrote each other's."""
    async with service(directory, workers=4) as found:
        async with load(f"{found.clients}/{QUESTION}", "reader", clients=8) as seen:
            await until(lambda: seen.answers[200] >= 200)
        counted = await found.metric("gateway_requests_total")

    assert seen.failed == []
    assert counted == seen.answers[200]


@pytest.mark.guarantee("G5")
async def test_what_fails_for_a_passing_reason_is_tried_again(directory: Path) -> None:
    """A key that is revoked while a worker hangs: an attacker found that it lived on."""
    async with service(directory, WORKERS__WATCHDOG="3") as found:
        before = await status(found)
        hung = max(await found.workers())
        os.kill(hung, signal.SIGSTOP)
        await written(directory, "keys.yaml", "Keys: []\n")
        await _whole_without(found, hung)
        async with asyncio.timeout(60):
            while {await status(found) for _ in range(6)} != {401}:  # noqa: ASYNC110  # nobody there would set an event
                await asyncio.sleep(0.1)

    assert before == 200


async def test_files_are_not_taken_over_while_nobody_can_say_whether_they_are_good(directory: Path) -> None:
    async with service(directory, workers=1, WORKERS__WATCH="false") as found:
        await written(directory, "templates/t.json", CLOSED.replace("City", "Nope"))
        (worker,) = await found.workers()
        os.kill(worker, signal.SIGKILL)
        told = await ask(found.control, "reload")
        await _whole_without(found, worker, workers=1)
        again = await ask(found.control, "reload")
        still = await status(found)

    assert told.how == again.how == "refused"
    assert "Nope" in again.faults[0]
    assert still == 200


#: A worker that dies in the middle of a change: of two that were told to take over, one has and one has not.
DYING = """
import os, sys
if "gateway.workers" in " ".join(sys.orig_argv):
    from gateway.workers.worker import _Worker
    plain = _Worker._commit
    async def commit(self):
        try:
            os.unlink({mark!r})
        except OSError:
            return await plain(self)
        else:
            os._exit(9)
    _Worker._commit = commit
"""


@pytest.mark.guarantee("G5", "G7")
async def test_of_a_change_that_breaks_in_the_middle_nothing_is_left(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the upstream is away just then, so that no new worker could do what the old ones do."""
    site, mark = tmp_path / "site", tmp_path / "mark"
    site.mkdir()  # of the test's own disk
    (site / "sitecustomize.py").write_text(DYING.format(mark=str(mark)), encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", f"{site}:{REPOSITORY}")
    write_configuration(directory, {"templates/t.json": CLOSED, "keys.yaml": key_file(reader="Template: t")})
    sandbox = Sandbox(make_tables(listings=5))
    await sandbox.start()
    port = sandbox.port
    async with serving(
        directory, sandbox.url, None, 2, WORKERS__WATCH="false", UPSTREAM__METADATA_RETRY="0.5", UPSTREAM__RETRIES="0"
    ) as found:
        await sandbox.stop()
        mark.touch()  # as above
        await written(directory, "templates/t.json", OPEN)
        told = await ask(found.control, "reload")
        sandbox = Sandbox(make_tables(listings=5))
        await sandbox.start(port=port)
        async with asyncio.timeout(60):
            while await found.metric("gateway_policies") < 9 or await found.metric("gateway_workers") < 2:  # noqa: ASYNC110  # nobody there would set an event
                await asyncio.sleep(0.1)
        after = {await status(found) for _ in range(12)}
        again = await ask(found.control, "reload")
        opened = {await status(found) for _ in range(12)}
    await sandbox.stop()

    assert told.how == "refused"
    assert after == {400}
    assert again.how == "swapped"
    assert opened == {200}


class Obeying:
    """A worker's channel and process in one. It answers what is listed, and nothing else."""

    def __init__(self, *answered: str) -> None:
        self.answered = answered
        self.killed = False
        self.worker: Any = None

    def send(self, what: str, **said: Any) -> None:
        if what in self.answered:
            self.worker.answered(said["id"], [])

    def kill(self) -> None:
        self.killed = True
        self.worker.ended.set()


@pytest.mark.guarantee("G5", "G7")
async def test_a_worker_that_did_not_confirm_a_change_is_ended(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may serve the new files or the old ones, and no other worker can be started: so it goes, and one that has the
    old files for certain comes in its place."""
    write_configuration(directory)
    settings = configuration(directory, "http://127.0.0.1:9/odata", WORKERS__START_TIMEOUT="0.1")
    tree = Tree(directory)
    supervisor = Supervisor(settings, tree, lambda _: None, {})
    supervisor._stopping = True  # no worker is started
    silent, ready = Obeying("prepare"), asyncio.get_running_loop().create_future()
    ready.set_result({"faults": [], "serving": True})
    silent.worker = _Worker(0, silent, silent, 0.0, ready, tree)  # type: ignore[arg-type]  # as far as it is asked
    supervisor._workers = {silent.worker}
    other = Tree(directory)
    other.has("gateway.yaml")

    outcome = await supervisor._swapped(other)

    assert (outcome.how, silent.killed) == ("refused", True)


async def test_files_that_change_while_they_are_read_are_read_again(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first two readings meet one old file and one new one."""
    write_configuration(directory, {"one.txt": "0", "two.txt": "0"})
    settings = configuration(directory, "http://127.0.0.1:9/odata")
    readings: list[tuple[bytes, bytes]] = []

    def read(tree: Tree, _environment: object) -> Configuration:
        one = tree.read("one.txt").raw
        if len(readings) < 3:
            for name in ("one.txt", "two.txt"):
                (directory / name).write_text(str(len(readings) + 1), encoding="utf-8")
        readings.append((one, tree.read("two.txt").raw))
        return settings

    monkeypatch.setattr("gateway.workers.supervisor.load_configuration", read)
    tree, _, _ = await Supervisor(settings, Tree(directory), lambda _: None, {})._read()

    assert readings == [(b"0", b"1"), (b"1", b"2"), (b"2", b"3"), (b"3", b"3"), (b"3", b"3")]
    assert (tree.read("one.txt").raw, tree.read("two.txt").raw) == (b"3", b"3")


@pytest.mark.parametrize("pause", [0.05, 0.4])
async def test_the_end_waits_for_no_change_that_was_under_way(directory: Path, pause: float) -> None:
    async with service(directory, WORKERS__WATCH="false", WORKERS__DRAIN_DEADLINE="2") as found:
        workers = await found.workers()
        await written(directory, "templates/t.json", CLOSED)
        asking = asyncio.create_task(ask(found.control, "reload" if pause < 0.1 else "restart"))
        await asyncio.sleep(pause)
        found.process.terminate()
        async with asyncio.timeout(30):  # what was wrong took more than a minute
            code = await found.process.wait()
        await asyncio.gather(asking, return_exceptions=True)

    assert code == 0
    assert not any(map(os.path.exists, (f"/proc/{worker}" for worker in workers)))
