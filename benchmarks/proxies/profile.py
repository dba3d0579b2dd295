"""Where our time goes: a thread looks a thousand times a second at what the gateway is just doing."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
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
                "The innermost function of ours, or the library where we are in none; share of the samples in which the process was busy.", "",
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
    ended = threading.Event()
    watched = threading.get_ident()

    def look() -> None:
        while not ended.is_set():
            frame = sys._current_frames().get(watched)
            name = _place(frame)
            if name is not None:
                found[name] += 1
            time.sleep(0.001)

    async with Service(configuration) as service:
        query = f"$top={number}" + ("&$expand=Media" if with_media else "")
        url = f"http://127.0.0.1:{service.listener.port}{servers.PATH}/Property?{query}"
        client = await asyncio.create_subprocess_exec(sys.executable, "-c", _CLIENT, url, str(times))
        thread = threading.Thread(target=look)
        thread.start()
        await client.wait()
        ended.set()
        thread.join()
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


def _place(frame: FrameType | None) -> str | None:
    """None while the event loop waits."""
    innermost = frame
    while frame is not None:
        code = frame.f_code
        if innermost is frame and code.co_name in ("select", "poll"):
            return None
        if "/gateway/" in code.co_filename and "/site-packages/" not in code.co_filename:
            return f"{code.co_filename.rpartition('/gateway/')[2]}: {code.co_qualname}"
        frame = frame.f_back
    if innermost is None:
        return None
    parts = innermost.f_code.co_filename.replace("\\", "/").split("/")
    library = (
        parts[parts.index("site-packages") + 1]
        if "site-packages" in parts
        else parts[-2]
        if len(parts) > 1
        else parts[-1]
    )
    return f"{library} (library)"
