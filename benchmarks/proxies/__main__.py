"""The gateway beside a plain pass-through, nginx, and nginx with the same redaction in njs: ``make bench``.

Recorded answers are served by nginx; wrk asks each server in turn, round after round; what is told are medians. The
tables go to docs/performance.md, the profile beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import tempfile
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.proxies import data, profile, questions, servers
from tests.support import REPOSITORY

PAGE = REPOSITORY / "docs" / "performance.md"
DEBIAN = REPOSITORY / ".venv" / "debian" / "usr"
_BASE = "aiohttp pass-through"
#: Connections of each workload (enough for each worker to have some), and by how much longer than the shortest it is
#: asked.
_LOAD = {"one record": (16, 1), "200 records": (8, 2), "1,000 records with media": (4, 6)}


@dataclass
class Figures:
    """Of one server at one workload, one for each round."""

    rates: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)


def target(workload: str) -> str:
    number, with_media = data.WORKLOADS[workload]
    return f"/Property?$top={number}" + ("&$expand=Media" if with_media else "")


def asked(server: servers.Server, workload: str) -> Any:
    request = urllib.request.Request(server.url + target(workload), headers={"Authorization": f"Bearer {servers.KEY}"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
        return json.loads(response.read())["value"]


def load(server: servers.Server, workload: str, seconds: float, figures: Figures) -> None:
    environment = {**os.environ, "LD_LIBRARY_PATH": str(next(DEBIAN.glob("lib/*-linux-gnu")))}
    connections, longer = _LOAD[workload]
    command = [str(DEBIAN / "bin" / "wrk"), "--threads", "1", "--connections", str(connections), "--duration", f"{seconds * longer:.0f}s", "--timeout", "60s",
               "--latency", "--header", f"Authorization: Bearer {servers.KEY}", server.url + target(workload)]  # fmt: skip
    before = server.cpu()
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout  # noqa: S603
    used = server.cpu() - before
    assert "Non-2xx" not in told, told
    number = int(re.findall(r"(\d+) requests in", told)[0])
    figures.rates.append(float(re.findall(r"Requests/sec:\s+([\d.]+)", told)[0]))
    figures.costs.append(used / max(number, 1))
    waited = re.search(r"^ +50% +([\d.]+[a-z]+) *$", told, re.MULTILINE)
    assert waited is not None, f"{server.name}: {told}"
    figures.waits.append(_seconds(waited[1]))


def _seconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()  # type: ignore[union-attr]  # wrk's own form
    return float(number) * {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60}[unit]


def measure(rounds: int, seconds: float, folder: Path) -> list[str]:
    sizes = data.write(folder)
    lines: list[str] = []
    with ExitStack() as stack:
        upstream = stack.enter_context(servers.recorded(folder))
        peers = [
            upstream,
            stack.enter_context(servers.nginx(folder, upstream)),
            stack.enter_context(servers.pass_through(folder, upstream)),
            stack.enter_context(servers.njs(folder, upstream)),
            stack.enter_context(servers.gateway(folder, upstream, 1)),
            stack.enter_context(servers.gateway(folder, upstream, 2)),
        ]
        for workload in data.WORKLOADS:
            # Whoever redacts must have redacted the same.
            scripted, ours = asked(peers[3], workload), asked(peers[4], workload)
            assert scripted == ours, f"{workload}: the two redactions differ"
            found = {peer.name: Figures() for peer in peers}
            for _ in range(rounds):
                for peer in peers:
                    load(peer, workload, seconds, found[peer.name])
            lines += table(workload, sizes[workload], found, {peer.name: peer.memory() for peer in peers})
    return lines


def table(workload: str, size: int, found: dict[str, Figures], memory: dict[str, float]) -> list[str]:
    base = found[_BASE]
    lines = [
        f"### {workload[0].upper()}{workload[1:]} ({size / 1e6:.2f} MB from the upstream)",
        "",
        "| server | requests a second | of pass-through | processor time a request | of pass-through | median wait | memory |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, figures in found.items():
        rate, cost = statistics.median(figures.rates), statistics.median(figures.costs)
        pairs = zip(figures.rates, base.rates, strict=True)
        by_rate = statistics.median(mine / theirs for mine, theirs in pairs)
        by_cost = statistics.median(
            mine / max(theirs, 1e-9) for mine, theirs in zip(figures.costs, base.costs, strict=True)
        )
        title = "no proxy" if name == "upstream" else name
        lines.append(
            f"| {title} | {rate:,.4g} | {by_rate:.2f} | {cost * 1e3:.3g} ms | {by_cost:.2f} | "
            f"{statistics.median(figures.waits) * 1e3:.3g} ms | {memory[name]:.0f} MB |"
        )
    return [*lines, ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as name:
        tables = measure(options.rounds, options.seconds, Path(name))
        asked_of = questions.table()
        spent = profile.tables(Path(name))
    machine = f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}"
    measured = "\n".join([
        f"`make bench`, {machine}: {options.rounds} rounds of {options.seconds:.0f} seconds and more for each server in turn, 4 to 16 connections.", "",
        *tables, *asked_of, *spent,
    ])  # fmt: skip
    print(measured)  # what it is for
    if options.write:
        head = PAGE.read_text(encoding="utf-8").partition("<!-- measured -->")[0]
        PAGE.write_text(f"{head}<!-- measured -->\n\n{measured.rstrip()}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
