"""The road: authenticate, parse, decide, ask the upstream, redact, respond, and say it once (DESIGN section 3)."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from aiohttp import web
from cachetools import LRUCache

from gateway.edge import responses
from gateway.edge.authentication import authenticate
from gateway.edge.continuation import Continuation, TokenSeal
from gateway.edge.enforcement import BrokenAnswerError, Enforcement, Result, Trace
from gateway.edge.latch import LatchedError
from gateway.errors import Code, Refusal, upstream_error
from gateway.observe.events import Complaint, Event, RequestHandled
from gateway.odata.csdl import Schema
from gateway.odata.literals import Timestamp
from gateway.odata.parser import Limits
from gateway.odata.request import JSON_FORMATS, Request, parse_request
from gateway.odata.shape import query_shape
from gateway.policy.decision import READ_METHODS, Position, Settings, decide
from gateway.policy.model import Policy
from gateway.policy.plan import Local, Plan, Read
from gateway.policy.profile import Profile
from gateway.redact.links import collection_body, entity_body, service_document
from gateway.redact.metadata import metadata_json, metadata_xml
from gateway.store.api_keys import ApiKey
from gateway.store.configuration import Configuration
from gateway.store.snapshot import Snapshot
from gateway.upstream.client import UpstreamFailure

#: Headers by which some servers let a client say another method than it says (C145).
_OVERRIDES = ("X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override")
_LIMITS = Limits()
#: A sealed request was within the limits when it came; printed, it has more brackets than its client wrote.
_SEALED_LIMITS = Limits(filter_length=10**6, list_length=10**6, depth=200)
#: Characters of targets in the cache of parsed requests, in all and of one.
_CACHED_BYTES, _CACHED_REQUEST = 1_000_000, 2_000
_LONGEST = 10**10


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
        publish: Callable[[Event], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.snapshot: Snapshot | None = None
        self._settings = configuration.settings
        self._public_url = configuration.settings.public_url.rstrip("/")
        self._seal = TokenSeal(configuration.secrets.token_keys, configuration.settings.security.token_lifetime)
        self._pepper = configuration.secrets.key_pepper or ""
        self._enforcement = enforcement
        self._publish = publish
        self._clock = clock
        self._decision = Settings(page_size=configuration.settings.requests.page_size)
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
        except (BrokenAnswerError, LatchedError) as error:
            story.detail = str(error)
            response, reason = responses.refuse(upstream_error(), story.request_id), Code.UPSTREAM_ERROR.text
        except UpstreamFailure as failure:
            story.detail = failure.reason
            response, reason = responses.refuse(_failed(failure), story.request_id), failure.code.text
        except Exception as error:  # noqa: BLE001  # the last resort (C192): one answer for what nobody foresaw
            story.detail = f"unforeseen: {error!r}"
            self._publish(Complaint(f"request {story.request_id}: {error!r}"))
            response, reason = responses.refuse(upstream_error(), story.request_id), Code.UPSTREAM_ERROR.text
        if request.body_exists:
            response.force_close()  # an unread body is nobody's next request
        self._publish(self._event(request, story, response, reason, time.perf_counter() - started))
        return response

    async def respond(self, request: web.BaseRequest, story: _Story) -> web.Response:
        """The road, on one screen. Steps raise a Refusal for every answer that is not data."""
        snapshot = self.snapshot
        _check_framing(request)
        self._check_sizes(request)
        story.key = authenticate(
            request.headers.getall("Authorization", []),
            snapshot.configuration.keys if snapshot else {},
            self._pepper,
        )
        story.policy = policy = _policy(snapshot, story.key)
        story.parsed = parsed = self._parse(request)
        parsed, position = self._continued(parsed, story)
        now = position.now if position else self._instant()
        plan = decide(policy, parsed, self._profile(snapshot), self._decision, now, position)
        _check_accept(request, plan)
        match plan:
            case Local():
                return self._local(plan, policy, parsed, request, story)
            case Read():
                self._check_link(plan, now, story)
                result = await self._enforcement.read(plan, self._profile(snapshot), story.trace)
                return self._data(plan, result, now, story)

    # --- steps

    def _check_sizes(self, request: web.BaseRequest) -> None:
        if len(request.raw_path) > self._settings.requests.max_target:
            raise Refusal(Code.URI_TOO_LONG, "the request target is too long")
        if sum(len(name) + len(value) for name, value in request.raw_headers) > self._settings.requests.max_headers:
            raise Refusal(Code.HEADERS_TOO_LARGE, "the request headers are too large")

    def _parse(self, request: web.BaseRequest) -> Request:
        method = request.method
        if any(name in request.headers for name in _OVERRIDES):
            method = "OVERRIDE"  # no method: 405 on whatever the path resolves to
        cached = self._parsed.get((method, request.raw_path))
        if cached is None:
            cached = parse_request(
                method,
                request.raw_path,
                root=self._settings.root,
                limits=_LIMITS,
                plus_is_space=self._settings.requests.plus_is_space,
            )
            if cached.weight <= _CACHED_REQUEST:
                self._parsed[method, request.raw_path] = cached
        return cached

    def _continued(self, parsed: Request, story: _Story) -> tuple[Request, Position | None]:
        """The sealed request of a link; everything that the link does not carry comes from the seal (C90)."""
        token = parsed.query.skiptoken
        if token is None or parsed.fault is not None or parsed.path.head is None or parsed.path.head.key is not None:
            return parsed, None
        assert story.key is not None and story.policy is not None
        head = parsed.path.head
        if parsed.path.tail or head.name not in story.policy.resources or parsed.method not in READ_METHODS:
            return parsed, None
        if parsed.options != {"$skiptoken"}:
            raise Refusal(Code.INVALID_QUERY, "a link takes no other option", target="$skiptoken")
        sealed = self._seal.open(token, key_id=story.key.Id, fingerprint=story.policy.fingerprint, now=self._clock())
        if sealed.request.partition("?")[0] != parsed.path.head.name:
            raise Refusal(Code.INVALID_QUERY, "`$skiptoken` is not one of ours", target="$skiptoken")
        target = f"{self._settings.root}/{sealed.request}".rstrip("?")
        again = parse_request(parsed.method, target, root=self._settings.root, limits=_SEALED_LIMITS)
        return again, sealed.position

    @staticmethod
    def _profile(snapshot: Snapshot | None) -> Profile:
        assert snapshot is not None
        return snapshot.configuration.settings.upstream.profile

    def _instant(self) -> Timestamp:
        """The clock's instant, to the millisecond that every upstream can read."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        return Timestamp(now.replace(microsecond=0), now.microsecond // 1000 * 10**9)

    def _check_link(self, plan: Read, now: Timestamp, story: _Story) -> None:
        """Room for a link is a matter of the request alone, decided before the upstream is asked (C362)."""
        if plan.kind != "collection" or (plan.page.top is not None and plan.page.top <= plan.page.size):
            return
        if len(self._link(plan, Position(_LONGEST, _LONGEST, now), story)) > self._settings.requests.max_link:
            raise Refusal(Code.URI_TOO_LONG, "the request does not fit a link")

    def _link(self, plan: Read, position: Position, story: _Story) -> str:
        assert story.key is not None and story.policy is not None
        token = self._seal.seal(
            Continuation(plan.canonical, position),
            key_id=story.key.Id,
            fingerprint=story.policy.fingerprint,
            now=self._clock(),
        )
        return f"{self._public_url}/{plan.resource}?$skiptoken={token}"

    def _local(
        self, plan: Local, policy: Policy, parsed: Request, request: web.BaseRequest, story: _Story
    ) -> web.Response:
        if plan.kind == "metadata":
            as_json = _wants_json(parsed, request)
            content_type = "application/json" if as_json else "application/xml"
            return responses.answer(self._metadata(policy, as_json=as_json), story.request_id, content_type)
        if plan.kind == "service":
            return responses.answer(service_document(self._public_url, plan.select or ()), story.request_id)
        if plan.kind == "count":
            return responses.answer(b"0", story.request_id, "text/plain")
        body = collection_body(self._public_url, plan.context, (), count=0 if plan.total else None, next_link=None)
        return responses.answer(body, story.request_id)

    def _metadata(self, policy: Policy, *, as_json: bool) -> bytes:
        """The policy's own metadata, written once for each effective policy and schema."""
        schema, document = self._documents.get((policy.fingerprint, as_json), (None, b""))
        if schema is not policy.schema:  # sizes and names of lookups are no part of a policy, and may change under it
            document = metadata_json(policy) if as_json else metadata_xml(policy)
            self._documents[policy.fingerprint, as_json] = policy.schema, document
        return document

    def _data(self, plan: Read, result: Result, now: Timestamp, story: _Story) -> web.Response:
        if plan.kind in ("count", "navigation count"):
            return responses.answer(str(result.total).encode("ascii"), story.request_id, "text/plain")
        if plan.kind == "single" and not result.records:
            return responses.nothing(story.request_id)
        if plan.kind in ("entity", "single"):
            return responses.answer(entity_body(self._public_url, plan.context, result.records[0]), story.request_id)
        next_link = None
        if result.more:
            page = plan.page
            left = None if page.top is None else page.top - result.consumed
            next_link = self._link(plan, Position(page.skip + result.consumed, left, now), story)
        body = collection_body(
            self._public_url,
            plan.context,
            result.records,
            count=result.total if plan.page.total else None,
            next_link=next_link,
        )
        return responses.answer(body, story.request_id)

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
            violations=trace.violations,
            upstream_requests=trace.upstream_requests,
            upstream_seconds=round(trace.upstream_seconds, 6),
            seconds=round(seconds, 6),
            bytes_sent=response.content_length or 0,
        )


def _check_framing(request: web.BaseRequest) -> None:
    """Refusals that need no key: forms of HTTP that nobody needs here (CHANNELS 3.10, 5.1)."""
    if not request.raw_path.startswith("/"):
        raise Refusal(Code.BAD_REQUEST, "the request target must be a path")
    if "Upgrade" in request.headers:
        raise Refusal(Code.BAD_REQUEST, "upgrades are not offered", headers={"Connection": "close"})
    if "Expect" in request.headers:
        raise Refusal(Code.BAD_REQUEST, "expectations are not offered", headers={"Connection": "close"})
    if request.method in ("GET", "HEAD") and request.body_exists:
        raise Refusal(Code.BAD_REQUEST, "a read has no body", headers={"Connection": "close"})


def _accepted(request: web.BaseRequest) -> list[str]:
    """The media ranges of the Accept headers, without parameters; empty where anything is welcome."""
    offered = request.headers.getall("Accept", [])
    return [part.partition(";")[0].strip().lower() for header in offered for part in header.split(",")]


def _check_accept(request: web.BaseRequest, plan: Plan) -> None:
    """JSON is what there is, XML beside it for metadata; a client that takes neither is told so (C162)."""
    ranges = _accepted(request)
    welcome = {"*/*", "application/*", "application/json", "text/plain", "text/*", ""}
    if isinstance(plan, Local) and plan.kind == "metadata":
        welcome |= {"application/xml", "text/xml"}
    if ranges and not welcome & set(ranges):
        raise Refusal(Code.NOT_ACCEPTABLE, "this format is not offered")


def _wants_json(parsed: Request, request: web.BaseRequest) -> bool:
    """Metadata is XML unless $format or the first range that decides says JSON."""
    if parsed.query.format is not None:
        return parsed.query.format in JSON_FORMATS
    for part in _accepted(request):
        if part in ("application/json", "application/xml", "text/xml"):
            return part == "application/json"
    return False


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
