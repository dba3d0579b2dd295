"""Between a check and what is kept of it a caller may lose the right to it."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from gateway.admin import backend
from gateway.policy.compilation import compile_policy
from gateway.policy.model import Policy
from tests.managed import SEED, Desk, code, results


@pytest.mark.parametrize("how", ["disable", "DELETE", "permissions"])
async def test_a_key_disabled_while_a_template_compiles_saves_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    identity, secret = await desk.secret({"Role": "private", "Permissions": ["manage_templates"]})
    begun, goes_on, plain = asyncio.Event(), threading.Event(), compile_policy
    loop = asyncio.get_running_loop()

    def compiled(*arguments: Any, **named: Any) -> Policy:
        loop.call_soon_threadsafe(begun.set)
        assert goes_on.wait(20)
        return plain(*arguments, **named)

    before = len(results(await desk.call("GET", "/templates?_limit=100")))
    monkeypatch.setattr(backend, "compile_policy", compiled)
    saving = asyncio.create_task(desk.call("POST", "/templates", SEED, key=secret))
    await begun.wait()
    if how == "permissions":
        done = await desk.call("PUT", f"/keys/{identity}", {"Permissions": ["manage_keys"]})
    elif how == "disable":
        done = await desk.call("POST", f"/keys/{identity}/disable")
    else:
        done = await desk.call("DELETE", f"/keys/{identity}")
    goes_on.set()
    saved = await saving

    assert done.status == 200
    assert saved.status in (401, 403)
    assert code(saved)[0] == saved.status
    assert len(results(await desk.call("GET", "/templates?_limit=100"))) == before
