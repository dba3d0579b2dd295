"""The admin listener: Spark's template service, and health and metrics beside it. Never on the clients' port (C262)."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote_plus

from aiohttp import web

from gateway.admin.backend import Backend, out_of_order
from gateway.admin.bodies import read_body
from gateway.admin.calls import Call, Caller, bad_key, caller_of
from gateway.admin.envelope import SparkCode, SparkError, Success, bad_value, unavailable
from gateway.admin.openapi import document
from gateway.admin.routes import BASE, Operation, Router, routes
from gateway.edge import responses
from gateway.edge.authentication import Authenticator, Credential, DeniedError
from gateway.edge.negotiation import check_host, invite_body, target_of, waits_for_invitation
from gateway.edge.operations import Operations
from gateway.edge.responses import SERVER
from gateway.errors import Refusal, kind_of
from gateway.observe.events import AdminHandled, Complaint, Event
from gateway.observe.record_file import RecordFile
from gateway.store.database import StoreError
from gateway.upstream.bodies import coding_of

_OVERRIDES = ("X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override")
_MOST_QUERY = 8 * 1024
#: Seconds for a body to come, all told.
_BODY_PATIENCE = 30.0


class Administration:
    """Answers whatever comes to the admin listener."""

    def __init__(
        self,
        backend: Backend,
        operations: Operations,
        publish: Callable[[Event], None],
        authenticator: Authenticator,
        max_body: int,
        records: RecordFile | None = None,
    ) -> None:
        table = routes(backend)
        self._backend = backend
        self._operations = operations
        self._publish = publish
        self._authenticator = authenticator
        self._max_body = max_body
        self._records = records if records is not None and records.is_durable else None
        self._router = Router(table)
        self._document = json.dumps(document(table), ensure_ascii=True, indent=1).encode("ascii")

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            check_host(request)
        except Refusal as refusal:
            return responses.refuse(refusal, secrets.token_hex(16))
        path = target_of(request).partition("?")[0]
        if path == "/openapi.json" and request.method in ("GET", "HEAD"):
            return web.Response(body=self._document, headers={"Content-Type": "application/json", "Server": SERVER})
        if path != BASE and not path.startswith(f"{BASE}/"):
            return await self._operations.handle(request)
        started = time.perf_counter()
        story = _Story()
        try:
            if self._records is not None and self._records.is_failing:
                raise unavailable("the decision log cannot be written")
            answer: Success | SparkError = await self._answer(request, path, story)
        except SparkError as error:
            answer = error
        except Refusal:  # of a token whose signature cannot be checked
            answer = unavailable("the service is not ready")
        except StoreError as error:
            self._publish(Complaint(str(error)))
            answer = out_of_order(error)
        except Exception as error:  # noqa: BLE001  # the last resort: one answer for what nobody foresaw
            self._publish(Complaint(f"administration: {kind_of(error)}"))
            answer = SparkError(SparkCode.FAILED, "the gateway could not answer this")
        response = _response(answer)
        if request.can_read_body:
            response.force_close()  # an unread body is nobody's next request
        self._publish(
            AdminHandled(
                request_id=secrets.token_hex(16),
                key_id=story.key_id,
                client=str(self._authenticator.address(request) or ""),
                method=request.method,
                operation=story.operation.summary if story.operation else "",
                record=story.record,
                dry_run=story.dry_run,
                status=response.status,
                code=answer.code.number if isinstance(answer, SparkError) else 0,
                seconds=round(time.perf_counter() - started, 6),
            )
        )
        if self._records is not None and not await self._records.settled():
            # What was changed is kept, with its history; but nobody could tell later that this was answered.
            response = _response(unavailable("what was asked for may be done, and its record cannot be kept"))
            response.force_close()
        return response

    async def _answer(self, request: web.BaseRequest, path: str, story: _Story) -> Success:
        """Who asks, then what: nobody learns of a path without a key, and none of a record without its permission."""
        try:
            credential = await self._authenticator.read(request)
        except DeniedError:
            raise bad_key() from None
        caller = self._caller(credential, story)
        method = "OVERRIDE" if any(name in request.headers for name in _OVERRIDES) else request.method
        operation, record = self._router.find(method, path)
        story.operation = operation
        caller.require(*operation.permissions)
        story.record = record if record.isalnum() and len(record) <= 100 else ""
        parameters = _parameters(target_of(request).partition("?")[2])
        try:
            async with asyncio.timeout(_BODY_PATIENCE):
                body = await self._body(request, operation)
        except TimeoutError:
            raise SparkError(SparkCode.UNREADABLE, "the body took too long to come") from None

        def confirm() -> Caller:
            """Who asked may have lost the right to while the body came, or was checked."""
            found = self._caller(credential, story)
            found.require(*operation.permissions)
            return found

        call = Call(confirm(), record, parameters, body, request.headers.get("If-Match"), confirm)
        answer = await operation.run(call)
        story.dry_run = "dry_run" in parameters and call.is_dry_run
        return answer

    def _caller(self, credential: Credential, story: _Story) -> Caller:
        """Who a credential stands for now."""
        backend = self._backend
        try:
            key = self._authenticator.find(credential, backend.configuration.keys)
        except DeniedError:
            raise bad_key() from None
        story.key_id = key.Id
        return caller_of(key, backend.mls)

    async def _body(self, request: web.BaseRequest, operation: Operation) -> Mapping[str, Any] | None:
        if coding_of(request.headers.getall("Content-Encoding", [])) != "identity":
            raise SparkError(SparkCode.UNREADABLE, "the body must not be encoded")
        if (request.content_length or 0) > self._max_body:
            raise SparkError(SparkCode.TOO_LARGE, f"the body is larger than {self._max_body} bytes")
        if operation.body is None and waits_for_invitation(request):
            raise SparkError(SparkCode.UNREADABLE, "no body is expected here")
        await invite_body(request)
        raw = bytearray()
        async for chunk in request.content.iter_any():
            raw += chunk
            if len(raw) > self._max_body:
                raise SparkError(SparkCode.TOO_LARGE, f"the body is larger than {self._max_body} bytes")
        if operation.body is None:
            if raw:
                raise SparkError(SparkCode.UNREADABLE, "no body is expected here")
            return None
        if not raw and operation.optional:
            return None
        # Off the event loop: a megabyte takes its time.
        return await asyncio.to_thread(read_body, request.headers.get("Content-Type", ""), bytes(raw))


class _Story:
    """What is known of a request when its event is written."""

    def __init__(self) -> None:
        self.key_id = ""
        self.operation: Operation | None = None
        self.record = ""
        self.dry_run = False


def _parameters(query: str) -> dict[str, str]:
    if len(query) > _MOST_QUERY:
        raise bad_value(("query",), "is too long")
    found: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        name, _, value = part.partition("=")
        try:
            name, value = unquote_plus(name, errors="strict"), unquote_plus(value, errors="strict")
        except UnicodeDecodeError:
            raise bad_value(("query",), "is not UTF-8") from None
        if name in found:
            raise bad_value((name,), "is given twice")
        found[name] = value
    return found


def _response(answer: Success | SparkError) -> web.Response:
    status = answer.code.status if isinstance(answer, SparkError) else answer.status
    body = json.dumps(answer.body(), ensure_ascii=True, allow_nan=False).encode("ascii")
    headers = {"Content-Type": "application/json", "Server": SERVER, "Cache-Control": "no-store", **answer.headers}
    return web.Response(status=status, body=body, headers=headers)
