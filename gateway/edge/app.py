"""The road: authenticate, parse, decide, ask the upstream, redact, respond, and say it once (DESIGN section 3)."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from aiohttp import web
from cachetools import LRUCache

from gateway.edge import responses
from gateway.edge.authentication import authenticate
from gateway.edge.bodies import read_query_body, read_record
from gateway.edge.computed import read_computed
from gateway.edge.continuation import TokenSeal, TooLongError
from gateway.edge.enforcement import BrokenAnswerError, Enforcement, Result, Trace
from gateway.edge.links import Continued, Links
from gateway.edge.negotiation import check_accept, check_framing, wants_json
from gateway.edge.preferences import Preferences, read_preferences
from gateway.edge.trust import UpstreamTrust
from gateway.edge.writing import Writing
from gateway.errors import Code, Refusal, upstream_error
from gateway.observe.events import Complaint, Event, RequestHandled
from gateway.odata.csdl import Schema
from gateway.odata.json_format import encode_string
from gateway.odata.literals import Timestamp
from gateway.odata.parser import Limits
from gateway.odata.printer import encode
from gateway.odata.request import Request, parse_request
from gateway.odata.shape import query_shape
from gateway.policy.decision import decide
from gateway.policy.model import Policy
from gateway.policy.plan import Local, Read, Write
from gateway.policy.profile import TRUSTS, Profile
from gateway.redact.links import collection_body, entity_body, service_document
from gateway.redact.metadata import metadata_json, metadata_xml
from gateway.redact.records import Form
from gateway.redact.rows import ContradictionError, Tally
from gateway.store.api_keys import ApiKey
from gateway.store.configuration import Configuration
from gateway.store.snapshot import Snapshot
from gateway.upstream.client import UpstreamFailure

#: Headers by which some servers let a client say another method than it says (C145).
_OVERRIDES = ("X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override")
_LIMITS = Limits()
#: What comes in a body may be longer: that is what bodies are for.
_BODY_LIMITS = Limits(filter_length=128 * 1024, list_length=128 * 1024)
#: Characters of targets in the cache of parsed requests, in all and of one.
_CACHED_BYTES, _CACHED_REQUEST = 1_000_000, 2_000


@dataclass(slots=True)
class _Story:
    """What is known of a request when its event is written; steps fill in what they learn."""

    request_id: str
    key: ApiKey | None = None
    policy: Policy | None = None
    parsed: Request | None = None
    trace: Trace = field(default_factory=Trace)
    detail: str = ""


class Gateway:
    """Handles the requests of clients. Holds the current snapshot; a request sees one from end to end."""

    def __init__(
        self,
        configuration: Configuration,
        enforcement: Enforcement,
        trust: UpstreamTrust,
        publish: Callable[[Event], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.snapshot: Snapshot | None = None
        self._settings = settings = configuration.settings
        self._public_url = settings.public_url.rstrip("/")
        self._pepper = configuration.secrets.key_pepper or ""
        self._links = Links(
            TokenSeal(configuration.secrets.token_keys, settings.security.token_lifetime),
            settings.public_url,
            settings.root,
            settings.requests.max_link,
            clock,
        )
        self._enforcement = enforcement
        self._writing = Writing(enforcement.upstream, enforcement, settings.answers)
        self._trust = trust
        self._publish = publish
        self._clock = clock
        self._answers = settings.answers
        self._form = Form(settings.policy.redaction)
        # A key's own metadata, by effective policy and format.
        self._documents: LRUCache[tuple[str, bool], tuple[Schema, bytes]] = LRUCache(maxsize=64)
        # Parsed requests by method and target: bounded, and free of policy, so shared by all keys.
        # A parsed request weighs up to seventy times its text, so the sum of their weights is bounded.
        self._parsed: LRUCache[tuple[str, str], Request] = LRUCache(
            maxsize=_CACHED_BYTES, getsizeof=lambda request: request.weight
        )

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers a request and publishes its event. Whatever goes wrong inside is a 502 without a word."""
        started = time.perf_counter()
        story = _Story(secrets.token_hex(16))
        try:
            async with asyncio.timeout(self._settings.requests.deadline):
                response = await self.respond(request, story)
            reason = ""
        except TimeoutError:
            refusal = Refusal(Code.TIMEOUT, "the answer took too long")
            response, reason = responses.refuse(refusal, story.request_id), refusal.code.text
        except Refusal as refusal:
            response, reason = responses.refuse(refusal, story.request_id), refusal.code.text
        except (BrokenAnswerError, TooLongError) as error:
            story.detail = str(error)
            response, reason = responses.refuse(upstream_error(), story.request_id), Code.UPSTREAM_ERROR.text
        except UpstreamFailure as failure:
            story.detail = failure.reason
            response, reason = responses.refuse(_failed(failure), story.request_id), failure.code.text
        except Exception as error:  # noqa: BLE001  # the last resort (C192): one answer for what nobody foresaw
            story.detail = f"unforeseen: {error!r}"
            self._publish(Complaint(f"request {story.request_id}: {error!r}"))
            response, reason = responses.refuse(upstream_error(), story.request_id), Code.UPSTREAM_ERROR.text
        if request.can_read_body:
            response.force_close()  # an unread body is nobody's next request
        self._publish(self._event(request, story, response, reason, time.perf_counter() - started))
        return response

    async def respond(self, request: web.BaseRequest, story: _Story) -> web.Response:
        """The road, on one screen. Steps raise a Refusal for every answer that is not data."""
        snapshot = self.snapshot
        check_framing(request)
        self._check_sizes(request)
        story.key = key = authenticate(
            request.headers.getall("Authorization", []),
            snapshot.configuration.keys if snapshot else {},
            self._pepper,
            datetime.fromtimestamp(self._clock(), UTC),
        )
        story.policy = policy = _policy(snapshot, key)
        story.parsed = parsed = await self._parse(request, policy)
        continued = self._links.opened(parsed, key, policy)
        now = continued.position.now if continued.position else self._instant()
        preferences = read_preferences(request.headers.getall("Prefer", []), self._answers.page_size)
        assert snapshot is not None  # a policy has come from it
        answer = await self._answer(request, continued, preferences, now, story, key, policy, snapshot)
        return await responses.finished(request, answer, compress=self._settings.requests.gzip)

    async def _answer(
        self,
        request: web.BaseRequest,
        continued: Continued,
        preferences: Preferences,
        now: Timestamp,
        story: _Story,
        key: ApiKey,
        policy: Policy,
        snapshot: Snapshot,
    ) -> responses.Answer:
        """Decide and carry out; decide anew where the upstream contradicts what it was trusted with (C315)."""
        for _ in (None, *TRUSTS):
            profile = self._trust.profile
            settings = replace(self._answers, page_size=preferences.max_page_size or self._answers.page_size)
            continued.check_trust(profile)
            plan = decide(policy, continued.request, profile, settings, now, continued.position)
            check_accept(request, plan)
            if isinstance(plan, Local):
                return self._local(plan, policy, continued.request, request, story)
            if isinstance(plan, Write):
                return await self._write(plan, request, preferences, now, story, key, policy)
            linked = self._links.prepared(plan, continued, key, policy, profile)
            story.trace.tally = Tally()
            form = replace(self._form, omit_nulls=preferences.omit_nulls)
            try:
                if plan.computed:
                    shown = snapshot.shown_since(key, plan.resource)
                    result = read_computed(plan, policy, shown, story.trace.tally, form)
                else:
                    result = await self._enforcement.read(plan, profile, story.trace, form)
            except ContradictionError as error:
                story.trace.violations += 1
                story.trace.detail = error.reason
                self._trust.lose(error.kinds, error.resource, error.reason)
                continue
            total = continued.total if continued.total is not None else result.total
            link = None if result.next is None else linked(result, total, now)
            count = total if plan.page.total or continued.total is not None else None
            return self._data(plan, result, count, link, preferences, story)
        raise BrokenAnswerError("the upstream contradicts its profile in every way")

    async def _write(
        self,
        plan: Write,
        request: web.BaseRequest,
        preferences: Preferences,
        now: Timestamp,
        story: _Story,
        key: ApiKey,
        policy: Policy,
    ) -> responses.Answer:
        """Writes, and answers with a read of its own: what the upstream says of the record is nobody's business."""
        profile = self._trust.profile
        record = await read_record(request, self._settings.requests.max_body)
        if (record is None) is not (plan.method == "DELETE"):
            raise Refusal(Code.BAD_REQUEST, "a body is needed here, and nowhere else")
        await self._check_tag(plan, request, profile, story, policy)
        bindings = key.Bindings.values
        done = await self._writing.carry_out(plan, record, policy, bindings, profile, now, story.trace)
        if plan.method == "DELETE":
            return responses.Answer(204, b"", story.request_id)
        wants = preferences.returns or ("representation" if done.created else "minimal")
        headers = {} if preferences.returns is None else {"Preference-Applied": f"return={wants}"}
        shown = await self._shown(plan.resource, done.key, policy, profile, now, story)
        if shown is None:
            return responses.Answer(204, b"", story.request_id, headers=headers)
        path, body = shown
        address = f"{self._public_url}/{path}"
        headers |= {"Location": address, "OData-EntityId": address, "EntityId": address}
        if wants == "minimal":
            return responses.Answer(204, b"", story.request_id, headers=headers)
        answer = self._tagged(body, story, headers=headers)
        tag, link = answer.headers["ETag"], encode_string(address)
        links = b',"@odata.id":%s,"@odata.editLink":%s,"@odata.etag":%s}' % (link, link, encode_string(tag))
        return replace(answer, status=201 if done.created else 200, body=body[:-1] + links)

    async def _check_tag(
        self, plan: Write, request: web.BaseRequest, profile: Profile, story: _Story, policy: Policy
    ) -> None:
        """``If-Match`` is about what this key sees, so a hidden change is none (C327). Who sees no record gets 404."""
        tags = request.headers.getall("If-Match", [])
        if plan.target is None or not tags:
            return
        result = await self._enforcement.read(plan.target, profile, story.trace, self._form)
        tag = self._tagged(entity_body(self._public_url, plan.target.context, result.records[0]), story).headers["ETag"]
        if not responses.has_tag(tags, tag):
            raise Refusal(Code.PRECONDITION_FAILED, "the record has changed since it was read")

    async def _shown(
        self, resource: str, key: str | None, policy: Policy, profile: Profile, now: Timestamp, story: _Story
    ) -> tuple[str, bytes] | None:
        """The path and body of a record as the key sees it now; None where it sees none."""
        if key is None:
            return None
        path = f"{resource}({encode(key)})"
        read = parse_request("GET", f"{self._settings.root}/{path}", root=self._settings.root, limits=_LIMITS)
        try:
            plan = decide(policy, read, profile, self._answers, now)
            assert isinstance(plan, Read)
            result = await self._enforcement.read(plan, profile, story.trace, self._form)
        except (Refusal, UpstreamFailure, BrokenAnswerError, ContradictionError):
            return None  # it is written; that it cannot be shown is no failure of the write (C325)
        return path, entity_body(self._public_url, plan.context, result.records[0])

    # --- steps

    def _check_sizes(self, request: web.BaseRequest) -> None:
        if len(request.raw_path) > self._settings.requests.max_target:
            raise Refusal(Code.URI_TOO_LONG, "the request target is too long")
        if sum(len(name) + len(value) for name, value in request.raw_headers) > self._settings.requests.max_headers:
            raise Refusal(Code.HEADERS_TOO_LARGE, "the request headers are too large")

    async def _parse(self, request: web.BaseRequest, policy: Policy) -> Request:
        method = request.method
        if any(name in request.headers for name in _OVERRIDES):
            method = "OVERRIDE"  # no method: 405 on whatever the path resolves to
        cached = self._parsed.get((method, request.raw_path))
        if cached is None:
            cached = self._parsed_of(method, request.raw_path, _LIMITS, None)
            if cached.weight <= _CACHED_REQUEST:
                self._parsed[method, request.raw_path] = cached
        head = cached.path.head
        if not cached.via_query or method != "POST" or head is None or head.name not in policy.resources:
            return cached
        body = await read_query_body(request, self._settings.requests.max_body)
        # Off the event loop: what may be long may take long.
        return await asyncio.to_thread(self._parsed_of, method, request.raw_path, _BODY_LIMITS, body)

    def _parsed_of(self, method: str, target: str, limits: Limits, body: str | None) -> Request:
        return parse_request(
            method,
            target,
            root=self._settings.root,
            limits=limits,
            plus_is_space=self._settings.requests.plus_is_space,
            body=body,
        )

    def _instant(self) -> Timestamp:
        """The clock's instant, to the millisecond that every upstream can read."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        return Timestamp(now.replace(microsecond=0), now.microsecond // 1000 * 10**9)

    def _local(
        self, plan: Local, policy: Policy, parsed: Request, request: web.BaseRequest, story: _Story
    ) -> responses.Answer:
        if plan.kind == "metadata":
            as_json = wants_json(parsed, request)
            content_type = "application/json" if as_json else "application/xml"
            return self._tagged(self._metadata(policy, as_json=as_json), story, content_type=content_type)
        if plan.kind == "service":
            return self._tagged(service_document(self._public_url, plan.select or ()), story)
        if plan.kind == "count":
            return self._tagged(b"0", story, content_type="text/plain")
        body = collection_body(self._public_url, plan.context, (), count=0 if plan.total else None, next_link=None)
        return self._tagged(body, story)

    def _metadata(self, policy: Policy, *, as_json: bool) -> bytes:
        """The policy's own metadata, written once for each effective policy and schema."""
        schema, document = self._documents.get((policy.fingerprint, as_json), (None, b""))
        if schema is not policy.schema:  # sizes and names of lookups are no part of a policy, and may change under it
            document = metadata_json(policy) if as_json else metadata_xml(policy)
            self._documents[policy.fingerprint, as_json] = policy.schema, document
        return document

    def _data(
        self,
        plan: Read,
        result: Result,
        count: int | None,
        link: str | None,
        preferences: Preferences,
        story: _Story,
    ) -> responses.Answer:
        if plan.kind in ("count", "navigation count"):
            return self._tagged(str(result.total).encode("ascii"), story, content_type="text/plain")
        headers = {}
        applied = preferences.applied(paged=plan.kind == "collection")
        if applied:
            headers["Preference-Applied"] = applied
        if plan.kind == "single" and not result.records:
            return responses.Answer(204, b"", story.request_id, headers=headers)
        if plan.kind in ("entity", "single"):
            return self._tagged(entity_body(self._public_url, plan.context, result.records[0]), story, headers=headers)
        body = collection_body(self._public_url, plan.context, result.records, count=count, next_link=None)
        answer = self._tagged(body, story, canonical=plan.canonical, more=link is not None, headers=headers)
        if link is not None:
            # The token tells its own age, so it is no part of what the tag is about.
            body = collection_body(self._public_url, plan.context, result.records, count=count, next_link=link)
        return replace(answer, body=body)

    def _tagged(
        self,
        body: bytes,
        story: _Story,
        *,
        canonical: str = "",
        more: bool = False,
        content_type: str = responses.JSON,
        headers: dict[str, str] | None = None,
    ) -> responses.Answer:
        """An answer with our own ETag: over policy, request and visible representation only (C181, C313)."""
        assert story.policy is not None
        about = (story.policy.fingerprint, canonical, "more" if more else "end", content_type)
        tag = responses.entity_tag(self._pepper, about, body)
        return responses.Answer(200, body, story.request_id, content_type, {"ETag": tag, **(headers or {})})

    def _event(
        self, request: web.BaseRequest, story: _Story, response: web.Response, reason: str, seconds: float
    ) -> RequestHandled:
        parsed, policy, trace = story.parsed, story.policy, story.trace
        head = parsed.path.head if parsed else None
        known = policy is not None and head is not None and head.name in policy.resources
        return RequestHandled(
            request_id=story.request_id,
            key_id=story.key.Id if story.key else "",
            client=request.remote or "",
            method=request.method,
            resource=head.name if head and known else "",
            shape=query_shape(parsed.query) if parsed and known and parsed.fault is None else "",
            policy=policy.name if policy else "",
            fingerprint=policy.fingerprint if policy else "",
            status=response.status,
            reason=reason,
            detail=story.detail or trace.detail,
            records=trace.tally.records,
            fields_hidden=trace.tally.fields_hidden,
            photos_cut=trace.tally.photos_cut,
            unknown_members=trace.tally.unknown_members,
            dropped=trace.tally.dropped,
            violations=trace.violations,
            upstream_requests=trace.upstream_requests,
            upstream_seconds=round(trace.upstream_seconds, 6),
            seconds=round(seconds, 6),
            bytes_sent=response.content_length or 0,
        )


def _policy(snapshot: Snapshot | None, key: ApiKey) -> Policy:
    """The policy of a key; without metadata, or without a policy that compiles, nothing is served (G5)."""
    policy = snapshot.policy_of(key) if snapshot else None
    if policy is None:
        raise Refusal(Code.UNAVAILABLE, "the service is not ready", headers={"Retry-After": "5"})
    return policy


def _failed(failure: UpstreamFailure) -> Refusal:
    if failure.code is Code.TIMEOUT:
        return Refusal(Code.TIMEOUT, "the answer took too long")
    if failure.code is Code.UNAVAILABLE:
        return Refusal(Code.UNAVAILABLE, "the service is not available at present", headers={"Retry-After": "5"})
    return upstream_error()
