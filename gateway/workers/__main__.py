"""``python -m gateway.workers``: a worker, started by ``gateway serve`` with the sockets that it inherits."""

from __future__ import annotations

import asyncio
import sys

from gateway.workers.worker import work

if __name__ == "__main__":
    sys.exit(asyncio.run(work(*map(int, sys.argv[1:4]))))
