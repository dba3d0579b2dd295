"""The road of a write (RESO Add/Edit): everything that can be known is checked before anything is sent, it is sent
once, and the answer is a read of its own under the policy of the key."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from gateway.edge import responses
from gateway.edge.answers import Answers
from gateway.edge.enforcement import BrokenAnswerError, Enforcement, Trace
from gateway.edge.outcomes import Outcome, key_of, outcome, refusal_of
from gateway.edge.preferences import Preferences
from gateway.edge.responses import Answer
from gateway.edge.sending import Dispatch, Sender, WriteTrace
from gateway.edge.trust import UpstreamTrust
from gateway.errors import Code, Detail, Refusal, invalid_body, upstream_error
from gateway.odata import json_format
from gateway.odata.csdl import Schema
from gateway.odata.json_format import Record
from gateway.odata.literals import Timestamp, Value, literal_of
from gateway.odata.media_types import JSON, JSON_FORMATS, Format
from gateway.odata.parser import Limits
from gateway.odata.printer import encode, print_key
from gateway.odata.request import parse_request
from gateway.odata.values import UNKNOWN, Unknown, typed_value
from gateway.policy.decision import decide, reference_read
from gateway.policy.model import Policy, ResourcePolicy
from gateway.policy.plan import Read, Write
from gateway.policy.profile import TRUSTS, Profile
from gateway.policy.settings import AnswerSettings
from gateway.policy.write_body import (
    Body,
    check_change,
    check_creation,
    default_value,
    lost,
    merged,
    read_body,
    settle,
)
from gateway.redact.fields import ShapeError
from gateway.redact.records import Form, emit, seen
from gateway.redact.rows import ContradictionError, Row, Tally
from gateway.store.api_keys import ApiKey
from gateway.upstream.client import UpstreamFailure

#: How often a change is decided anew because the upstream says that the record is another one by now.
_TRIES = 3
_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Errand:
    """One client's write: who asks for it, with what. ``record`` is None for DELETE; ``identity`` is that of a request
    that may come again; ``if_match`` and ``if_none_match`` are values of headers. ``written`` is the format of the
    answer, ``is_compatible`` whether the body may have numbers as strings (IEEE754Compatible)."""

    request_id: str
    key: ApiKey
    policy: Policy
    preferences: Preferences
    now: Timestamp
    record: Record | None
    identity: str | None = None
    if_match: tuple[str, ...] = ()
    if_none_match: tuple[str, ...] = ()
    written: Format = JSON
    is_compatible: bool = False
    trace: Trace = field(default_factory=Trace)
    write: WriteTrace = field(default_factory=WriteTrace)


@dataclass(frozen=True, slots=True)
class _Done:
    """A write that the upstream has accepted. ``key`` is None where it does not say which record it has made;
    ``values`` are what a new one must have."""

    created: bool
    key: str | None
    values: Mapping[str, Value] = field(default_factory=dict)


class Writing:
    def __init__(
        self,
        sender: Sender,
        enforcement: Enforcement,
        answers: Answers,
        settings: AnswerSettings,
        root: str,
        form: Form,
        trust: UpstreamTrust,
    ) -> None:
        self.sender = sender
        self._enforcement = enforcement
        self._answers = answers
        self._settings = settings
        self._root = root
        self._form = form
        self._trust = trust

    async def answer(self, plan: Write, errand: Errand, profile: Profile) -> Answer:
        """Writes, and answers with what the key may see of it.

        Raises:
            Refusal: 400 with details, 404, 409, 412, 502, 503, or 504 where nobody knows what became of it.
            ContradictionError, BrokenAnswerError, UpstreamFailure: nothing was written.
        """
        known = await self.sender.known(errand.identity)
        if known is not None:
            errand.write.stage = "done"
            done = _Done(known.created, known.record)
        else:
            done = await self._carried_out(plan, errand, profile)
        if plan.method == "DELETE":
            return Answer(204, b"", errand.request_id)
        shown = await self._shown(plan.resource, done, errand)
        if shown is None:
            return Answer(204, b"", errand.request_id)
        wants = errand.preferences.returns or ("representation" if done.created else "minimal")
        return self._answers.written(*shown, errand.written, created=done.created, minimal=wants == "minimal")

    async def _shown(self, resource: str, done: _Done, errand: Errand) -> tuple[Answer, str] | None:
        """The record as the key sees it now, as if it had asked for it, and its path; None where it sees none."""
        if done.key is None:
            return None
        path = f"{resource}({encode(done.key)})"
        returns = errand.preferences.returns
        headers = {} if returns is None else {"Preference-Applied": f"return={returns}"}
        for _ in (None, *TRUSTS):
            profile = self._trust.profile
            try:
                read = parse_request("GET", f"{self._root}/{path}", root=self._root, limits=_LIMITS)
                plan = decide(errand.policy, read, profile, self._settings, errand.now)
                assert isinstance(plan, Read)
                form = replace(self._form, written=errand.written)
                result = await self._enforcement.read(plan, profile, errand.trace, form)
            except ContradictionError as error:
                errand.trace.violations += 1
                self._trust.lose(error.kinds, error.resource, error.reason)
                continue
            except (Refusal, UpstreamFailure, BrokenAnswerError):
                break  # it is written; that it cannot be shown is no failure of the write (C325)
            if not _is_of(result.records[0], done.values, errand.policy.resources[resource]):
                break  # whatever the upstream calls the new record, it is another one
            about = (errand.policy, errand.request_id, errand.written, headers)
            return self._answers.entity(plan.context, result.records[0], *about), path
        return None

    async def _carried_out(self, plan: Write, errand: Errand, profile: Profile) -> _Done:
        assert plan.terms.writes is not None  # else there were no plan
        errand.write.rule = str(plan.terms.writes.origin)
        body, details = None, list[Detail]()
        if errand.record is not None:
            about = (plan.terms, errand.policy.schema, errand.key.Bindings.values)
            # Off the event loop: a body may be as long as the settings allow.
            body, details = await asyncio.to_thread(
                read_body, errand.record, plan.method, *about, is_compatible=errand.is_compatible
            )
            errand.write.fields = tuple(body.values)
            if plan.target is None:
                if errand.if_match and not responses.has_tag(errand.if_match, ""):
                    raise Refusal(Code.PRECONDITION_FAILED, "a collection has no tag")
                self._check(plan, [*details, *await self._lost(body, errand, profile)])
                return await self._create(plan, body, errand, profile)
        assert plan.target is not None
        return await self._change(plan, plan.target, body, details, errand, profile)

    async def _lost(self, body: Body, errand: Errand, profile: Profile) -> list[Detail]:
        """The references of a body that lead to no row which exists for the key: hidden and absent rows are one
        (C214)."""
        found = []
        for reference in body.references:
            about = (str(reference.value), errand, profile)
            exist = [await self._exists(resource, *about) for resource in reference.resources]
            if not any(exist):
                found.append(lost(reference))
        return found

    async def _exists(self, resource: str, value: str, errand: Errand, profile: Profile) -> bool:
        """Return whether a row with this key exists for the client."""
        read = reference_read(errand.policy, resource, value, profile, self._settings, errand.now)
        if read is None:
            return False
        try:
            await self._enforcement.row(read, profile, errand.trace)
        except Refusal as refusal:
            if refusal.code is not Code.NOT_FOUND:
                raise
            return False
        return True

    @staticmethod
    def _check(plan: Write, faults: list[Detail]) -> None:
        """Refuses what is wrong with a body by itself, all of it at once."""
        if faults:
            assert plan.terms.writes is not None
            raise invalid_body(faults, str(plan.terms.writes.entry))

    async def _create(self, plan: Write, body: Body, errand: Errand, profile: Profile) -> _Done:
        defaults = _defaults(plan.terms, profile, errand.policy.schema)
        check_creation(plan.terms, body, merged(body.values, lambda name: defaults.get(name, UNKNOWN)), plan.reading)
        written = await self.sender.send(self._dispatch(plan, plan.resource, body, None, None, errand))
        if outcome(written) is not Outcome.DONE:
            raise refusal_of(written, body.values)
        return _Done(created=True, key=key_of(written.location, plan.resource), values=body.values)

    async def _change(
        self,
        plan: Write,
        target: Read,
        body: Body | None,
        details: list[Detail],
        errand: Errand,
        profile: Profile,
    ) -> _Done:
        sent = body
        faults: list[Detail] | None = None
        for _ in range(_TRIES):
            row = await self._enforcement.row(target, profile, errand.trace)
            self._check_tags(target, row, errand)
            if sent is not None:
                if faults is None:
                    faults = [*details, *await self._lost(sent, errand, profile)]
                body, left = settle(plan.terms, sent, faults, self._seen(row), row.value, plan.reading)
                self._check(plan, left)
                errand.write.fields = tuple(body.values)
                check_change(plan.terms, body, row.value, merged(body.values, row.value), plan.reading)
            key = _key_of(row)
            path = f"{plan.resource}({encode(key)})"
            written = await self.sender.send(self._dispatch(plan, path, body, _condition(plan, row), key, errand))
            if outcome(written) is Outcome.ANOTHER:
                continue  # a definite no: somebody else was first, so it is decided anew on what is there now
            if outcome(written) is not Outcome.DONE:
                raise refusal_of(written, body.values if body is not None else ())
            return _Done(created=False, key=key)
        raise Refusal(Code.CONFLICT, "the record is being changed by others; read it and try again")

    @staticmethod
    def _dispatch(
        plan: Write, path: str, body: Body | None, if_match: str | None, key: str | None, errand: Errand
    ) -> Dispatch:
        text = None if body is None else body.text
        about = (errand.identity, errand.request_id, errand.trace, errand.write)
        return Dispatch(plan.method, plan.resource, path, text, if_match, key, *about)

    def _seen(self, row: Row) -> Callable[[str], bytes | None]:
        """What an answer to a read of the record has of a field: the one thing that a body is compared with."""
        return lambda name: seen(row, name, self._form)

    def _check_tags(self, target: Read, row: Row, errand: Errand) -> None:
        """Conditions are about what this key sees of the very row that is decided on: a hidden change is none (C327),
        and who sees no row has got 404 before (C183)."""
        if not errand.if_match and not errand.if_none_match:
            return
        forms = [
            replace(self._form, omit_nulls=omitted, written=written)
            for omitted in (False, True)
            for written in JSON_FORMATS
        ]
        tags = [self._tag(target, row, errand, form) for form in forms]
        fails = errand.if_match and not any(responses.has_tag(errand.if_match, tag) for tag in tags)
        if fails or any(responses.has_tag(errand.if_none_match, tag) for tag in tags):
            raise Refusal(Code.PRECONDITION_FAILED, "the record is not what the request says it must be")

    def _tag(self, target: Read, row: Row, errand: Errand, form: Form) -> str:
        """The tag of a read of the record, in one of the forms in which it may have been read."""
        try:
            record = emit(row, Tally(), form)
        except ShapeError as error:
            raise BrokenAnswerError(str(error)) from None
        return self._answers.entity(target.context, record, errand.policy, "", form.written).headers["ETag"]


def _is_of(record: bytes, values: Mapping[str, Value], resource: ResourcePolicy) -> bool:
    """Whether a record that is shown has the texts that were sent, as RESO Add/Edit demands of a new one; a server may
    trim them, or write them in capitals."""
    members = json_format.decode_record(record).members
    for name, value in values.items():
        declared = resource.type.properties[name].type
        if name not in members or not isinstance(value, str) or declared.name != "Edm.String" or declared.is_collection:
            continue
        shown = typed_value(members[name], declared)
        if not isinstance(shown, str) or shown.strip().casefold() != value.strip().casefold():
            return False
    return True


def _condition(plan: Write, row: Row) -> str | None:
    """What keeps the upstream from changing another state than the one that was read."""
    if plan.conditional == "none":
        return None
    if plan.conditional == "any":
        return "*"
    raw = row.record.members.get("@odata.etag", row.record.members.get("@etag"))
    tag = None if raw is None else json_format.decode_string(raw)
    if not tag or not tag.isprintable() or not tag.isascii():
        raise upstream_error()  # the profile says that it sends tags: without one the write would be blind
    return tag


def _key_of(row: Row) -> str:
    """The key predicate of a row, printed by us."""
    parts = []
    for name, value in zip(row.plan.key, row.key, strict=True):
        literal = literal_of(value)
        assert literal is not None  # a proven row has a key
        parts.append((name, literal))
    return print_key(parts)


def _defaults(resource: ResourcePolicy, profile: Profile, schema: Schema) -> dict[str, Value]:
    """What a new record has where its body says nothing, as values."""
    found: dict[str, Value] = {}
    for name, said in profile.create_defaults.get(resource.name, {}).items():
        declared = resource.type.properties.get(name)
        value = default_value(said, declared, schema) if declared is not None else UNKNOWN
        if not isinstance(value, Unknown):
            found[name] = value
    return found
