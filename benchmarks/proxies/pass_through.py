"""A plain pass-through in aiohttp, as short as it gets: ``python -m benchmarks.proxies.pass_through PORT UPSTREAM``.

It reads nothing of what it passes on: what any proxy in Python costs at least.
"""

from __future__ import annotations

import sys

import aiohttp
from aiohttp import web
from yarl import URL


async def _make() -> web.Application:
    upstream = sys.argv[2]
    session = aiohttp.ClientSession(auto_decompress=False)

    async def answer(request: web.Request) -> web.StreamResponse:
        async with session.get(URL(upstream + request.raw_path, encoded=True)) as answered:
            response = web.StreamResponse(
                status=answered.status, headers={"Content-Type": answered.headers["Content-Type"]}
            )
            response.content_length = answered.content_length
            await response.prepare(request)
            async for chunk in answered.content.iter_any():
                await response.write(chunk)
            return response

    async def close(_: web.Application) -> None:
        await session.close()

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    application.on_cleanup.append(close)
    return application


if __name__ == "__main__":
    web.run_app(_make(), host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None, handle_signals=True)
