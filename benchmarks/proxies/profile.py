"""Where our time goes: after each millisecond of processor time it is looked at what the gateway is just doing."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType

import aiohttp

from benchmarks.proxies import data, servers
from gateway.cli.demo import DEMO_PEPPER
from gateway.edge.service import Service
from gateway.store.configuration import load_configuration
from tests.support import TOKEN_KEY

_REQUESTS = {"one record": 1500, "200 records": 60}
_SHOWN = 12


def tables(folder: Path) -> list[str]:
    lines: list[str] = []
    with servers.recorded(folder) as upstream:
        for workload, times in _REQUESTS.items():
            found = asyncio.run(_sampled(folder, upstream, workload, times))
            total = sum(found.values())
            lines += [
                f"### Where the time goes: {workload}", "",
                "The innermost function of ours, or the library where we are in none; share of its processor time.", "",
                "| where | share |", "|---|---|",
                *(f"| `{name}` | {count / total:.0%} |" for name, count in found.most_common(_SHOWN)), "",
            ]  # fmt: skip
    return lines


async def _sampled(folder: Path, upstream: servers.Server, workload: str, times: int) -> Counter[str]:
    number, with_media = data.WORKLOADS[workload]
    environment = {
        "GATEWAY__LISTEN__PORT": "0", "GATEWAY__ADMIN__PORT": "0", "GATEWAY__UPSTREAM__URL": upstream.url, "GATEWAY__UPSTREAM__PROBE": "false",
        "GATEWAY__SECURITY__KEY_PEPPER": DEMO_PEPPER, "GATEWAY__SECURITY__TOKEN_KEYS": TOKEN_KEY,
    }  # fmt: skip
    configuration = load_configuration(servers.configuration(folder), environment)
    found: Counter[str] = Counter()

    def look(_number: int, frame: FrameType | None) -> None:
        found[_place(frame)] += 1

    signal.signal(signal.SIGPROF, look)
    async with Service(configuration) as service:
        query = f"$top={number}" + ("&$expand=Media" if with_media else "")
        url = f"http://127.0.0.1:{service.listener.port}{servers.PATH}/Property?{query}"
        client = await asyncio.create_subprocess_exec(sys.executable, "-c", _CLIENT, url, str(times))
        signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)
        await client.wait()
        signal.setitimer(signal.ITIMER_PROF, 0)
        async with (
            aiohttp.ClientSession() as session,
            session.get(url, headers={"Authorization": f"Bearer {servers.KEY}"}) as response,
        ):
            assert response.status == 200
    return found


_CLIENT = f"""
import sys, urllib.request
for _ in range(int(sys.argv[2])):
    request = urllib.request.Request(sys.argv[1], headers={{"Authorization": "Bearer {servers.KEY}"}})
    urllib.request.urlopen(request).read()
"""


def _place(frame: FrameType | None) -> str:
    innermost = frame
    while frame is not None:
        code = frame.f_code
        if "/gateway/" in code.co_filename and "/site-packages/" not in code.co_filename:
            return f"{code.co_filename.rpartition('/gateway/')[2]}: {code.co_name}"
        frame = frame.f_back
    parts = innermost.f_code.co_filename.split("/") if innermost is not None else ["?"]
    library = parts[parts.index("site-packages") + 1] if "site-packages" in parts else parts[-2:][0]
    return f"{library} (library)"
