"""Carries out a Write: everything that can be known is checked before anything is sent, it is sent once, and the answer
is a read of its own under the policy of the key (RESO Add/Edit)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

import msgspec

from gateway.edge.enforcement import Enforcement, Trace
from gateway.errors import Code, Detail, Refusal, invalid_body, not_found
from gateway.odata import json_format
from gateway.odata.evaluate import Lookup
from gateway.odata.json_format import Record
from gateway.odata.literals import Timestamp, Value, print_literal
from gateway.odata.parser import ODataSyntaxError, parse_segment
from gateway.odata.printer import encode
from gateway.odata.values import UNKNOWN, Unknown, typed_value
from gateway.policy.decision import reference_read
from gateway.policy.keyset import literal_of
from gateway.policy.model import Policy, ResourcePolicy
from gateway.policy.plan import Write
from gateway.policy.profile import Profile
from gateway.policy.settings import AnswerSettings
from gateway.policy.write_body import Body, check_change, check_creation, merged, read_body
from gateway.redact.rows import Row
from gateway.upstream.client import UnknownOutcomeError, UpstreamClient, Written

#: How often a change is decided anew because the upstream says that the record is another one by now.
_TRIES = 3
_REFUSED = (400, 422)
_GONE = (404, 410)


@dataclass(frozen=True, slots=True)
class Done:
    """A write that the upstream has accepted. ``key`` is None where it does not say which record it has made."""

    created: bool
    key: str | None


class Writing:
    def __init__(self, upstream: UpstreamClient, enforcement: Enforcement, settings: AnswerSettings) -> None:
        self._upstream = upstream
        self._enforcement = enforcement
        self._settings = settings

    async def carry_out(
        self,
        plan: Write,
        record: Record | None,
        policy: Policy,
        bindings: Mapping[str, str],
        profile: Profile,
        now: Timestamp,
        trace: Trace,
    ) -> Done:
        """Writes, or says why not.

        Args:
            record: the client's body, None for DELETE.
            bindings: of the key.

        Raises:
            Refusal: 400 with details, 404, 409, 502, 503, or 504 where nobody knows what became of it.
        """
        resource = policy.resources[plan.resource]
        body = None
        if record is not None:
            body, details = read_body(record, plan.method, resource, policy.schema, bindings)
            details = [*details, *await self._missing(body, policy, profile, now, trace)]
            if details:
                raise invalid_body(details)
        if plan.target is None:
            assert body is not None
            return await self._create(plan, resource, body, profile)
        return await self._change(plan, resource, body, profile, trace)

    async def _missing(
        self, body: Body, policy: Policy, profile: Profile, now: Timestamp, trace: Trace
    ) -> list[Detail]:
        """References to rows that do not exist for the key: hidden and absent ones are one (C214)."""
        found = []
        for reference in body.references:
            read = reference_read(policy, reference.resource, str(reference.value), profile, self._settings, now)
            try:
                if read is None:
                    raise not_found()
                await self._enforcement.row(read, profile, trace)
            except Refusal as refusal:
                if refusal.code is not Code.NOT_FOUND:
                    raise
                found.append(Detail(reference.field, "is the key of no record that can be seen here"))
        return found

    async def _create(self, plan: Write, resource: ResourcePolicy, body: Body, profile: Profile) -> Done:
        defaults = _defaults(resource, profile)
        check_creation(resource, body, merged(body.values, lambda name: defaults.get(name, UNKNOWN)))
        written = await self._send("POST", plan.resource, body.text, None)
        _check(written, body)
        return Done(created=True, key=_key_of(written.location, plan.resource))

    async def _change(
        self, plan: Write, resource: ResourcePolicy, body: Body | None, profile: Profile, trace: Trace
    ) -> Done:
        assert plan.target is not None
        for _ in range(_TRIES):
            row = await self._enforcement.row(plan.target, profile, trace)
            if body is not None:
                before = _image(row)
                check_change(resource, body, before, merged(body.values, before))
            key = _key_text(row)
            target = f"{plan.resource}({encode(key)})"
            written = await self._send(plan.method, target, None if body is None else body.text, _condition(plan, row))
            if written.status == 412:
                continue  # a definite no: somebody else was first, so it is decided anew on what is there now
            _check(written, body)
            return Done(created=False, key=key)
        raise Refusal(Code.CONFLICT, "the record is being changed by others; read it and try again")

    async def _send(self, method: str, target: str, body: bytes | None, if_match: str | None) -> Written:
        try:
            return await self._upstream.write(method, target, body, if_match)
        except UnknownOutcomeError as error:
            raise _unknown() from error


def _image(row: Row) -> Lookup:
    return row.value


def _condition(plan: Write, row: Row) -> str | None:
    """What keeps the upstream from changing another state than the one that was read."""
    if plan.conditional == "none":
        return None
    if plan.conditional == "any":
        return "*"
    raw = row.record.members.get("@odata.etag", row.record.members.get("@etag"))
    tag = None if raw is None else json_format.decode_string(raw)
    if not tag or "\n" in tag or "\r" in tag:
        # The profile says that it sends tags: without one the write would be blind.
        raise Refusal(Code.UPSTREAM_ERROR, "the record cannot be changed safely at present")
    return tag


def _key_text(row: Row) -> str:
    """The key predicate of a row, printed by us."""
    parts = []
    for name, value in zip(row.plan.key, row.key, strict=True):
        literal = literal_of(value)
        assert literal is not None  # a proven row has a key
        parts.append(print_literal(literal) if len(row.key) == 1 else f"{name}={print_literal(literal)}")
    return ",".join(parts)


def _defaults(resource: ResourcePolicy, profile: Profile) -> dict[str, Value]:
    """What a new record has where its body says nothing, as values."""
    found: dict[str, Value] = {}
    for name, said in profile.create_defaults.get(resource.name, {}).items():
        declared = resource.type.properties.get(name)
        if declared is not None:
            value = typed_value(msgspec.Raw(msgspec.json.encode(said)), declared.type)
            if not isinstance(value, Unknown):
                found[name] = value
    return found


def _check(written: Written, body: Body | None) -> None:
    """A refusal as ours: no word of the upstream's but the names of fields that the client itself has sent (C219)."""
    status = written.status
    if 200 <= status < 300:
        return
    if status in _GONE:
        raise not_found()
    if status == 409:
        raise Refusal(Code.CONFLICT, "the record contradicts another one")
    if status in _REFUSED and body is not None:
        named = [name for name in _targets(written.refusal) if name in body.values]
        raise invalid_body([Detail(name, "was refused by the listing service") for name in dict.fromkeys(named)]
                           or [Detail("", "the record was refused by the listing service")])  # fmt: skip
    if status in (401, 403, 405, 429, 503):
        raise Refusal(Code.UNAVAILABLE, "the record cannot be written at present", headers={"Retry-After": "5"})
    if 400 <= status < 500:
        raise Refusal(Code.UPSTREAM_ERROR, "the listing service behind this gateway did not take the record")
    raise _unknown()


def _unknown() -> Refusal:
    return Refusal(Code.UNKNOWN_OUTCOME, "nobody can say whether the record was written: read it before trying again")


def _targets(refusal: bytes) -> list[str]:
    """The fields that the upstream complains of. Whatever else it says is for the log."""
    try:
        error = msgspec.json.decode(refusal)["error"]
        details = error.get("details") or []
        return [detail["target"] for detail in (*details, error) if isinstance(detail.get("target"), str)]
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return []


def _key_of(location: str | None, resource: str) -> str | None:
    """The key in the address of a new record, if it is one of the resource; nothing is asked at that address."""
    if location is None:
        return None
    last = unquote(location.partition("?")[0].rstrip("/").rpartition("/")[2])
    try:
        segment = parse_segment(last)
    except (ODataSyntaxError, Refusal):
        return None
    if segment.name != resource or not segment.key or len(segment.key) != 1:
        return None
    return print_literal(segment.key[0][1])
