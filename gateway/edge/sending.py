"""Sends a write once: whoever stops waiting for it, it goes on to its end, and what may have been done is never sent
again (C221, C307, C308)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from gateway.edge.enforcement import Trace
from gateway.edge.outcomes import Outcome, key_of, outcome, unknown_outcome
from gateway.errors import unavailable
from gateway.observe.events import Event, UpstreamRefused, WriteEnded
from gateway.store.database import StoreError
from gateway.store.repeats import Repeat, Repeats
from gateway.upstream.client import UnknownOutcomeError, UpstreamClient, UpstreamFailure, Written

#: Characters of an upstream's words that are kept for the log.
_WORDS = 2_000


@dataclass(slots=True)
class WriteTrace:
    """What became of a write, for the decision record, and for whoever answers when the road breaks off.

    ``fields`` are those of the body that can be written; ``rule`` says where what allowed or refused it is written;
    ``status`` is the upstream's.
    """

    stage: Literal["before", "sent", "done"] = "before"
    fields: tuple[str, ...] = ()
    rule: str = ""
    status: int = 0
    #: Nobody waits any more: what has not been sent yet is not to be sent.
    abandoned: bool = False


@dataclass(frozen=True, slots=True)
class Dispatch:
    """What is sent. ``key`` is that of the record as it is printed in an address, None for one that is to be made;
    ``identity`` is that of a request that may come again, None where it may not."""

    method: str
    resource: str
    path: str
    body: bytes | None
    if_match: str | None
    key: str | None
    identity: str | None
    request_id: str
    trace: Trace = field(default_factory=Trace)
    write: WriteTrace = field(default_factory=WriteTrace)


class Sender:
    """``repeats`` is None without a database."""

    def __init__(self, upstream: UpstreamClient, repeats: Repeats | None, publish: Callable[[Event], None]) -> None:
        self._upstream = upstream
        self.repeats = repeats
        self._publish = publish
        self._under_way: set[asyncio.Task[Written]] = set()

    async def close(self, patience: float) -> None:
        """Waits for what was sent and is not answered yet, at most so many seconds."""
        if self._under_way:
            await asyncio.wait(set(self._under_way), timeout=patience)

    async def known(self, identity: str | None) -> Repeat | None:
        """What this very request has done before.

        Raises:
            Refusal: 504 where nobody knows, 503 where that cannot be looked up.
        """
        if identity is None or self.repeats is None:
            return None
        try:
            known = await self.repeats.find(identity)
        except StoreError:
            raise unavailable() from None
        if known is not None and not known.done:
            raise unknown_outcome()
        return known

    async def send(self, dispatch: Dispatch) -> Written:
        """
        Raises:
            Refusal: 504 where nobody knows what became of it, 503 where it could not be noted and was not sent.
            UpstreamFailure: it was not sent.
        """
        work = asyncio.create_task(self._noted(dispatch))
        self._under_way.add(work)
        work.add_done_callback(self._under_way.discard)
        try:
            written = await asyncio.shield(work)
        except asyncio.CancelledError:
            dispatch.write.abandoned = True
            if not work.done():
                work.add_done_callback(lambda task: self._ended(task, dispatch))
            raise
        if written.refusal:
            # It may hold what the key may not see: for the log alone, at its lowest level (C219).
            said = written.refusal[:_WORDS].decode("utf-8", "replace")
            self._publish(UpstreamRefused(dispatch.request_id, written.status, said))
        return written

    def _ended(self, task: asyncio.Task[Written], dispatch: Dispatch) -> None:
        """The end of a write for which nobody has waited: the answer said that it is not known."""
        if task.cancelled() or task.exception() is not None:
            ended = Outcome.REFUSED if dispatch.write.stage == "before" else Outcome.UNKNOWN
            self._publish(WriteEnded(dispatch.request_id, 0, ended.value))
        else:
            written = task.result()
            self._publish(WriteEnded(dispatch.request_id, written.status, outcome(written).value))

    async def _noted(self, dispatch: Dispatch) -> Written:
        identity, repeats, write = dispatch.identity, self.repeats, dispatch.write
        if identity is not None and repeats is not None:
            try:
                if not await repeats.claim(identity):
                    raise unknown_outcome()  # the same request is on its way just now
            except StoreError:
                raise unavailable() from None
            if write.abandoned:
                # The client was told that it took too long, and that is not to become something that was done.
                await self._note(dispatch, None)
                raise unavailable()
        write.stage = "sent"
        try:
            written = await self._write(dispatch)
        except UpstreamFailure:
            write.stage = "before"
            await self._note(dispatch, None)
            raise
        write.status = written.status
        ended = outcome(written)
        if ended is not Outcome.UNKNOWN:
            write.stage = "done" if ended is Outcome.DONE else "before"
            await self._note(dispatch, written)
        return written

    async def _write(self, dispatch: Dispatch) -> Written:
        what = (dispatch.method, dispatch.path, dispatch.body, dispatch.if_match)
        with dispatch.trace.asking():
            try:
                return await self._upstream.write(*what, is_wanted=lambda: not dispatch.write.abandoned)
            except UnknownOutcomeError as error:
                dispatch.trace.detail = str(error)
                raise unknown_outcome() from None

    async def _note(self, dispatch: Dispatch, written: Written | None) -> None:
        """Keeps for a repeat what became of the write. Where that fails, a repeat learns that nobody knows."""
        identity, repeats = dispatch.identity, self.repeats
        if identity is None or repeats is None:
            return
        try:
            if written is None or dispatch.write.stage != "done":
                await repeats.release(identity)
            else:
                key = dispatch.key or key_of(written.location, dispatch.resource)
                await repeats.done(identity, created=dispatch.key is None, record=key)
        except StoreError as error:
            dispatch.trace.detail = str(error)
