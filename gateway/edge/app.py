"""The road: authenticate, parse, decide, ask the upstream, redact, respond, and say it once (DESIGN section 3)."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from aiohttp import web

from gateway.edge import access_tokens, responses
from gateway.edge.access_tokens import (
    TokenError,
    TokenRequest,
    invalid_client,
    read_token_request,
    token_response,
    too_many_attempts,
)
from gateway.edge.answers import Answers
from gateway.edge.attempts import FailedAttempts
from gateway.edge.authentication import Authenticator, DeniedError, unauthorized
from gateway.edge.bodies import is_compatible, read_query_body, read_record
from gateway.edge.computed import read_computed
from gateway.edge.continuation import TokenSeal, TooLongError
from gateway.edge.enforcement import BrokenAnswerError, Enforcement, Trace
from gateway.edge.keyed_cache import KeyedCache
from gateway.edge.limits import Allowance, Limiter
from gateway.edge.links import Continued, Links
from gateway.edge.negotiation import answered_version, check_framing, check_protocol, negotiated, target_of
from gateway.edge.outcomes import unknown_outcome
from gateway.edge.policy_records import PolicyRecords
from gateway.edge.preferences import Preferences, read_preferences
from gateway.edge.repeatability import outcome_header, read_identity
from gateway.edge.sending import Sender, WriteTrace
from gateway.edge.trace_context import trace_id
from gateway.edge.trust import UpstreamTrust
from gateway.edge.writing import Errand, Writing
from gateway.errors import Code, Refusal, kind_of, unavailable, upstream_error
from gateway.observe.events import AnswerWithheld, Complaint, Event, RequestHandled, RequestStarted
from gateway.observe.record_file import RecordFile
from gateway.odata.literals import Timestamp
from gateway.odata.media_types import Format
from gateway.odata.parser import Limits
from gateway.odata.request import Request, parse_request
from gateway.odata.shape import query_shape
from gateway.policy.decision import decide
from gateway.policy.model import Policy, ResourcePolicy
from gateway.policy.plan import Local, Write
from gateway.policy.profile import TRUSTS
from gateway.redact.records import Form
from gateway.redact.rows import ContradictionError, Tally
from gateway.store.api_keys import ApiKey
from gateway.store.configuration import Configuration
from gateway.store.counters import Counters, LocalCounters
from gateway.store.repeats import Repeats
from gateway.store.snapshot import Snapshot
from gateway.upstream.client import UpstreamFailure
from gateway.upstream.exchanges import current_request

#: Headers by which some servers let a client say another method than it says (C145).
_OVERRIDES = ("X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override")
_LIMITS = Limits()
#: What comes in a body may be longer: that is what bodies are for.
_BODY_LIMITS = Limits(filter_length=128 * 1024, list_length=128 * 1024)
#: Seconds for the form of a request for a token.
_FORM_PATIENCE = 5.0
#: Weights in the cache of parsed requests, about those of their texts: in all, of one key and of one request.
_CACHED, _CACHED_OF_KEY, _CACHED_REQUEST = 1_000_000, 125_000, 2_000


@dataclass(slots=True)
class _Story:
    """What is known of a request when its event is written; steps fill in what they learn."""

    request_id: str
    key: ApiKey | None = None
    policy: Policy | None = None
    parsed: Request | None = None
    trace: Trace = field(default_factory=Trace)
    write: WriteTrace = field(default_factory=WriteTrace)
    allowance: Allowance | None = None
    detail: str = ""
    visible: str = ""
    parsing: str = ""


class Gateway:
    """Handles the requests of clients. Holds the current snapshot; a request sees one from end to end."""

    def __init__(
        self,
        configuration: Configuration,
        enforcement: Enforcement,
        trust: UpstreamTrust,
        publish: Callable[[Event], None],
        clock: Callable[[], float] = time.time,
        repeats: Repeats | None = None,
        counters: Counters | None = None,
        authenticator: Authenticator | None = None,
        records: RecordFile | None = None,
    ) -> None:
        """
        Args:
            records: the file of the decision log, where it has one.
        """
        self.snapshot: Snapshot | None = None
        self._settings = settings = configuration.settings
        self._pepper = configuration.secrets.key_pepper or ""
        self._links = Links(
            TokenSeal(configuration.secrets.token_keys, settings.security.token_lifetime),
            settings.public_url,
            settings.root,
            settings.requests.max_link,
            clock,
        )
        self._authenticator = authenticator or Authenticator(configuration, clock)
        self._attempts = FailedAttempts(settings.security.token_attempts, clock)
        self._enforcement = enforcement
        self._trust = trust
        self._publish = publish
        self._clock = clock
        self._under_way = 0
        self._limiter = Limiter(settings.limits, counters or LocalCounters(), clock, publish)
        self._records = records
        self._policies = PolicyRecords(publish, lambda: records.generation if records is not None else 0)
        self._cuts = settings.answers
        self._form = Form(settings.policy.redaction)
        self._answers = Answers(settings.public_url, self._pepper)
        self._sender = Sender(enforcement.upstream, repeats, publish)
        self._writing = Writing(
            self._sender, enforcement, self._answers, settings.answers, settings.root, self._form, trust
        )
        # By method and target. A parsed request weighs up to seventy times its text, so the sum of weights is bounded.
        self._parsed: KeyedCache[Request] = KeyedCache(_CACHED, _CACHED_OF_KEY, _CACHED_REQUEST)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers a request and publishes its event. Whatever goes wrong inside is a 502 without a word."""
        started = time.perf_counter()
        story = _Story(secrets.token_hex(16))
        current_request.set(story.request_id)
        self._publish(RequestStarted())
        try:
            response = await self._admitted(request, story)
            reason = ""
        except Exception as error:  # noqa: BLE001  # whatever it is, there is one answer for it (C192)
            refusal = self._refusal(error, story)
            response, reason = responses.refuse(refusal, story.request_id), refusal.code.text
            if story.write.stage == "done":
                # It is written: that the answer cannot be composed is no failure of the write (C325).
                done = responses.Answer(204, b"", story.request_id)
                response, reason = await responses.finished(request, done, compress=False), ""
        is_known = story.write.stage != "before" or reason == Code.UNKNOWN_OUTCOME.text
        response.headers.update(outcome_header(request, is_known=is_known))
        if "OData-Version" in response.headers:
            response.headers["OData-Version"] = answered_version(request)
        if story.allowance is not None:
            response.headers.update(story.allowance.headers)
        if request.can_read_body:
            response.force_close()  # an unread body is nobody's next request
        self._publish(self._event(request, story, response, reason, time.perf_counter() - started))
        if self._records is not None and self._records.is_durable and not await self._records.settled():
            return self._withheld(request, story)
        return response

    def _withheld(self, request: web.BaseRequest, story: _Story) -> web.StreamResponse:
        """What is answered where the record of an answer cannot be kept: nobody could tell later that it was given."""
        self._publish(AnswerWithheld(story.request_id))
        refusal = unavailable() if story.write.stage == "before" else unknown_outcome()
        response = responses.refuse(refusal, story.request_id)
        response.headers["OData-Version"] = answered_version(request)
        response.headers.update(outcome_header(request, is_known=story.write.stage == "before"))
        if request.can_read_body:
            response.force_close()
        return response

    async def _admitted(self, request: web.BaseRequest, story: _Story) -> web.Response:
        """Within the deadline, and where there are not too many already: those would all come too late."""
        token = await self._asked_for_token(request, story)
        if isinstance(token, web.Response):
            return token
        if self._under_way >= self._settings.requests.max_concurrent:
            story.detail = "as many requests as may be are being answered"
            raise unavailable()
        if self._records is not None and self._records.is_durable and self._records.is_failing:
            story.detail = "the decision log cannot be written"
            raise unavailable()
        self._under_way += 1
        try:
            async with asyncio.timeout(self._settings.requests.deadline):
                return await (self.respond(request, story) if token is None else self._token(request, token, story))
        finally:
            self._under_way -= 1
            if story.allowance is not None:
                self._limiter.leave(story.allowance)

    def _refusal(self, error: Exception, story: _Story) -> Refusal:
        """What the client is told of whatever has broken off its request; what it was is in the story."""
        if isinstance(error, Refusal):
            story.write.rule = error.because or story.write.rule
            return error
        if isinstance(error, UpstreamFailure):
            story.detail, refusal = error.reason, _failed(error)
        elif isinstance(error, BrokenAnswerError | TooLongError):
            story.detail, refusal = str(error), upstream_error()
        elif isinstance(error, TimeoutError):
            refusal = Refusal(Code.TIMEOUT, "the answer took too long")
        else:
            story.detail, refusal = f"unforeseen: {kind_of(error)}", upstream_error()
            self._publish(Complaint(f"request {story.request_id}: {kind_of(error)}"))
        return unknown_outcome() if story.write.stage == "sent" else refusal

    async def close(self) -> None:
        """Waits for writes that were sent, as long as the upstream may take to answer."""
        await self._sender.close(self._settings.upstream.read_timeout)

    async def respond(self, request: web.BaseRequest, story: _Story) -> web.Response:
        """The road, on one screen. Steps raise a Refusal for every answer that is not data."""
        snapshot = self.snapshot
        check_framing(request, self._settings.public_url)
        self._check_sizes(request)
        story.key = key = await self._authenticated(request, snapshot, story)
        story.policy = policy = _policy(snapshot, key)
        assert snapshot is not None  # a policy has come from it
        story.visible = self._policies.visible(policy, key, snapshot.configuration)
        story.allowance = allowance = await self._limiter.admit(key, policy.role)
        check_protocol(request)
        story.parsed = parsed = await self._parse(request, policy, story)
        continued = self._links.opened(parsed, key, policy)
        now = continued.position.now if continued.position else self._instant()
        preferences = read_preferences(request.headers.getall("Prefer", []), self._cuts.page_size)
        answer = await self._answer(request, continued, preferences, now, story, key, policy, snapshot)
        response = await responses.finished(request, answer, compress=self._settings.requests.gzip)
        if response.status != 304:
            await self._limiter.charge(allowance, story.trace.tally.records, len(answer.body))
        return response

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
        errand: Errand | None = None
        for _ in (None, *TRUSTS):
            profile = self._trust.profile
            settings = replace(self._cuts, page_size=preferences.max_page_size or self._cuts.page_size)
            continued.check_trust(profile)
            plan = decide(policy, continued.request, profile, settings, now, continued.position)
            written = negotiated(continued.request, request, plan)
            if isinstance(plan, Local):
                return self._answers.local(plan, policy, key.Id, written, story.request_id)
            story.trace.tally = Tally()
            form = replace(self._form, omit_nulls=preferences.omit_nulls, written=written)
            try:
                if isinstance(plan, Write):
                    errand = errand or await self._errand(request, preferences, written, now, story, key, policy)
                    return await self._writing.answer(plan, errand, profile)
                linked = self._links.prepared(plan, continued, key, policy, profile)
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
            return self._answers.data(plan, result, count, link, preferences, policy, written, story.request_id)
        raise BrokenAnswerError("the upstream contradicts its profile in every way")

    # --- steps

    async def _authenticated(self, request: web.BaseRequest, snapshot: Snapshot | None, story: _Story) -> ApiKey:
        """The enabled key behind a request. Raises one 401, whatever is wrong with a credential."""
        try:
            credential = await self._authenticator.read(request)
            key = self._authenticator.find(credential, snapshot.configuration.keys if snapshot else {})
        except DeniedError as error:
            story.detail = str(error)
            raise unauthorized() from None
        if not key.Enabled:
            story.detail = f"the key `{key.Id}` is disabled"
            raise unauthorized()
        return key

    async def _asked_for_token(self, request: web.BaseRequest, story: _Story) -> TokenRequest | web.Response | None:
        """What a request for a token says, what is wrong with it, or None for every other request. Nobody has shown
        a key by then, so it takes no place of those who have, and must come soon."""
        if self._authenticator.tokens is None or request.path.removesuffix("/") != access_tokens.PATH:
            return None
        check_framing(request, self._settings.public_url)
        self._check_sizes(request)
        try:
            self._check_attempts(request)  # before anything is read
            async with asyncio.timeout(_FORM_PATIENCE):
                return await read_token_request(request)
        except (TokenError, TimeoutError) as error:
            refused = (
                error if isinstance(error, TokenError) else TokenError("invalid_request", "the body came too late")
            )
            return self._refused_token(request, refused, str(refused), story)

    def _check_attempts(self, request: web.BaseRequest) -> None:
        wait = self._attempts.wait(self._authenticator.address(request))
        if wait:
            raise too_many_attempts(wait)

    def _refused_token(self, request: web.BaseRequest, refused: TokenError, detail: str, story: _Story) -> web.Response:
        """Answer a request for a token that gets none. An attempt counts where a credential was wrong."""
        if refused.status == 401:
            self._attempts.note(self._authenticator.address(request))
        story.detail = f"access token: {detail}"
        return refused.response(story.request_id)

    async def _token(self, request: web.BaseRequest, asked: TokenRequest, story: _Story) -> web.Response:
        """An access token for a key's Id and secret. It reads nothing, and counts as a request."""
        tokens, snapshot = self._authenticator.tokens, self.snapshot
        assert tokens is not None  # it was asked for
        try:
            # Others of this address may have failed while the form came; between here and the count nothing waits.
            self._check_attempts(request)
            credential = self._authenticator.of_secret(asked.client_secret, self._authenticator.address(request))
            key = self._authenticator.find(credential, snapshot.configuration.keys if snapshot else {})
            if not key.Enabled or key.Id != asked.client_id:
                raise DeniedError("the key is disabled, or has another Id")
        except TokenError as error:
            return self._refused_token(request, error, str(error), story)
        except DeniedError as error:
            return self._refused_token(request, invalid_client(), str(error), story)
        story.key, story.policy = key, _policy(snapshot, key)
        story.allowance = await self._limiter.admit(key, story.policy.role)
        story.detail = "access token"
        token = tokens.make(credential.digest, self._clock())
        return token_response(token, tokens.lifetime, asked.scope, story.request_id)

    async def _errand(
        self,
        request: web.BaseRequest,
        preferences: Preferences,
        written: Format,
        now: Timestamp,
        story: _Story,
        key: ApiKey,
        policy: Policy,
    ) -> Errand:
        """What a write says, read once. Headers are looked at first, so that a body is asked for only if it may do."""
        if request.can_read_body is (request.method == "DELETE"):
            raise Refusal(Code.BAD_REQUEST, "a body is needed to create or to change a record, and none to delete it")
        moment = datetime.fromtimestamp(self._clock(), UTC)
        read_identity(request, key.Id, b"", moment, is_offered=self._sender.repeats is not None)
        compatible = is_compatible(request) if request.can_read_body else False
        found = await read_record(request, self._settings.requests.max_body)
        record, digest = found or (None, b"")
        identity = read_identity(request, key.Id, digest, moment, is_offered=self._sender.repeats is not None)
        return Errand(
            story.request_id,
            key,
            policy,
            preferences,
            now,
            record,
            identity,
            tuple(request.headers.getall("If-Match", [])),
            tuple(request.headers.getall("If-None-Match", [])),
            written,
            compatible,
            story.trace,
            story.write,
        )

    def _check_sizes(self, request: web.BaseRequest) -> None:
        if len(target_of(request)) > self._settings.requests.max_target:
            raise Refusal(Code.URI_TOO_LONG, "the request target is too long")
        if sum(len(name) + len(value) for name, value in request.raw_headers) > self._settings.requests.max_headers:
            raise Refusal(Code.HEADERS_TOO_LARGE, "the request headers are too large")

    async def _parse(self, request: web.BaseRequest, policy: Policy, story: _Story) -> Request:
        method = request.method
        if any(name in request.headers for name in _OVERRIDES):
            method = "OVERRIDE"  # no method: 405 on whatever the path resolves to
        assert story.key is not None  # the policy has come from it
        target = target_of(request)
        place = (method, target)
        cached = self._parsed.get(story.key.Id, place)
        story.parsing = "new" if cached is None else "known"
        if cached is None:
            cached = self._parsed_of(method, target, _LIMITS, None)
            self._parsed.put(story.key.Id, place, cached, cached.weight)
        head = cached.path.head
        if not cached.via_query or method != "POST" or head is None or head.name not in policy.resources:
            return cached
        if cached.fault is not None:
            return cached  # of the address: no body makes it good
        body = await read_query_body(request, self._settings.requests.max_body)
        # Off the event loop: what may be long may take long.
        return await asyncio.to_thread(self._parsed_of, method, target, _BODY_LIMITS, body)

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

    def _event(
        self, request: web.BaseRequest, story: _Story, response: web.Response, reason: str, seconds: float
    ) -> RequestHandled:
        parsed, policy, trace = story.parsed, story.policy, story.trace
        head = parsed.path.head if parsed else None
        known = policy is not None and head is not None and head.name in policy.resources
        return RequestHandled(
            request_id=story.request_id,
            key_id=story.key.Id if story.key else "",
            client=str(self._authenticator.address(request) or ""),
            method=request.method,
            resource=head.name if head and known else "",
            shape=query_shape(parsed.query) if parsed and known and parsed.fault is None else "",
            policy=policy.name if policy else "",
            role=policy.role if policy else "",
            fingerprint=policy.fingerprint if policy else "",
            visible=story.visible,
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
            fields_written=story.write.fields,
            rule=story.write.rule,
            upstream_status=story.write.status,
            rules=_rules(policy.resources[head.name], trace.tally) if policy and head and known else (),
            parsed=story.parsing,
            trace_id=trace_id(request.headers.getall("traceparent", [])),
            unreadable=dict(trace.tally.unreadable),
        )


def _rules(resource: ResourcePolicy, tally: Tally) -> tuple[str, ...]:
    """The kinds of rules that had an effect on an answer."""
    effects = {
        "rows": resource.is_restricted,
        "dropped": tally.dropped,
        "fields": tally.fields_hidden,
        "photos": tally.photos_cut,
    }
    return tuple(kind for kind, had_effect in effects.items() if had_effect)


def _policy(snapshot: Snapshot | None, key: ApiKey) -> Policy:
    """The policy of a key; without metadata, or without a policy that compiles, nothing is served (G5)."""
    policy = snapshot.policy_of(key) if snapshot else None
    if policy is None:
        raise unavailable("the service is not ready")
    return policy


def _failed(failure: UpstreamFailure) -> Refusal:
    if failure.code is Code.TIMEOUT:
        return Refusal(Code.TIMEOUT, "the answer took too long")
    if failure.code is Code.UNAVAILABLE:
        return unavailable()
    return upstream_error()
