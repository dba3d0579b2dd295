"""A gateway of one licence, or of two, in front of one database, in this process: the whole road but sockets."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest import mock

from aiohttp import StreamReader, web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from gateway.edge.app import Gateway
from gateway.edge.enforcement import Enforcement
from gateway.edge.trust import UpstreamTrust
from gateway.observe.events import Complaint, Event, RequestHandled, TrustLost, TrustRestored
from gateway.odata.csdl import LookupValue, Schema, parse_metadata
from gateway.policy import data_dictionary
from gateway.policy.compilation import GatewayRules
from gateway.policy.computed import with_computed
from gateway.policy.documents import (
    PRIVILEGES,
    Role,
    RoleDocument,
    Source,
    Syndication,
    SyndicationDocument,
    Template,
    TemplateDocument,
    validate,
)
from gateway.settings import Settings
from gateway.store.api_keys import ApiKey, KeyBindings, digest
from gateway.store.configuration import Configuration, Secrets
from gateway.store.counters import LocalCounters
from gateway.store.repeats import Repeat, Repeats
from gateway.store.snapshot import Snapshot, build_snapshot, with_moments
from gateway.upstream.client import UpstreamClient
from tests.proof.licence import SHOWN_SINCE, Licence, documents
from tests.proof.model import LOOKUPS, World, enter, metadata
from tests.proof.requests import ROOT
from tests.proof.upstream import URL, Habits, Model

PEPPER = "a pepper for the prover"
#: 2026-01-15T12:00:00Z, where the values of dates lie around.
NOW = 1_768_478_400.0
TOKEN = re.compile(rb"skiptoken=([A-Za-z0-9_\-]+)")


@lru_cache(maxsize=64)
def schema(
    enums: str = "",
    embedded: tuple[tuple[str, tuple[str, ...]], ...] = (),
    shapes: tuple[str, ...] = (),
    edits: tuple[tuple[str, ...], ...] = (),
) -> Schema:
    enter(shapes)
    rows = tuple(
        LookupValue(f"{field}-{value}", field, value, None, None, "")
        for (_, field), values in LOOKUPS.items()
        for value in values
    )
    rows += tuple(
        LookupValue(f"{edit[1]}-Withheld", edit[1], "Withheld", None, None, "") for edit in edits if edit[0] == "value"
    )
    return with_computed(parse_metadata(metadata(enums, dict(embedded), lookups=True, edits=edits)), rows)


def settings_of(licence: Licence) -> Settings:
    """What gateway.yaml would say."""
    _, _, always = documents(licence)
    data: dict[str, Any] = {
        "public_url": f"http://gateway.example{ROOT}",
        "upstream": {"url": URL, "probe": False, "profile": licence.profile},
        "policy": {
            "always": always, "redaction": licence.redaction, "unknown_select": licence.unknown_select,
            "closed_lookups": licence.closed,
        },
        "requests": {"page_size": licence.page_size},
    }  # fmt: skip
    for name, value in licence.settings.items():
        *sections, last = name.split(".")
        place = data
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = value
    return Settings.model_validate(data)


def snapshot_of(
    licence: Licence,
    beside: Licence | None = None,
    previous: Snapshot | None = None,
    edits: Sequence[Sequence[str]] = (),
) -> Snapshot:
    """The licence, compiled from its documents.

    Args:
        beside: the licence of the key ``other``, of its own role and template, or of those of ``k`` where their texts
            are the same. Without it that key has all that ``k`` has.
        previous: what is served before, of the same settings.
        edits: what the metadata has otherwise, see ``metadata``.
    """
    enter(licence.shapes)
    settings = settings_of(licence)
    follows = dict(data_dictionary.FOLLOWS)
    for name, parents in settings.policy.follows.items():
        follows[name] = () if parents == "independent" else parents
    rules = GatewayRules(
        Source("gateway.yaml"),
        settings.policy.always,
        {name: tuple(fields) for name, fields in licence.never.items()},
        follows,
        settings.policy.closed_lookups,
    )
    roles: dict[str, Role] = {}
    templates: dict[str, Template] = {}
    syndications: dict[str, Syndication] = {}
    keys = []
    for key, own in (("k", licence), ("other", beside or licence)):
        is_shared = key == "other" and documents(own) == documents(licence) and own.syndication == licence.syndication
        named, word = ("t", "idx") if key == "k" or is_shared else ("u", "vow")
        role, template, _ = documents(own, word)
        if own.syndication is not None:
            template["SyndicationId"] = f"{named}-syndication"
            said = {"Id": template["SyndicationId"], "Name": "s", **own.syndication}
            source = Source("syndications.yaml")
            syndications[said["Id"]] = Syndication(validate(SyndicationDocument, said, source), source)
        source = Source(f"roles/{word}.yaml")
        roles[word] = Role(validate(RoleDocument, role, source), source)
        source = Source(f"templates/{named}.json", ("D",))
        templates[named] = Template(named, validate(TemplateDocument, template, source), source)
        keys.append(
            ApiKey(
                Id=key,
                Digest=digest(key, PEPPER),
                Template=named,
                Bindings=KeyBindings(**own.bindings),
                Privileges=PRIVILEGES if own.has_privilege else (),
            )
        )
    configuration = Configuration(
        Path(),
        settings,
        Secrets(PEPPER, ("ab" * 64,), None),
        MappingProxyType(roles),
        MappingProxyType(templates),
        MappingProxyType(syndications),
        MappingProxyType({key.Digest: key for key in keys}),
        rules,
        MappingProxyType({}),
    )
    embedded = tuple((name, tuple(lists)) for name, lists in licence.profile.get("embedded", {}).items())
    upstream_schema = schema(licence.enums, embedded, tuple(licence.shapes), tuple(map(tuple, edits)))
    snapshot = build_snapshot(1, configuration, upstream_schema, previous)
    return snapshot if snapshot.faults else with_moments(snapshot, snapshot, SHOWN_SINCE)


@dataclass(frozen=True)
class Answer:
    """All that a client can see, but for the id of the request."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    closes: bool

    @property
    def link(self) -> str | None:
        if self.status != 200 or b"@odata.nextLink" not in self.body:
            return None
        found: str = json.loads(self.body)["@odata.nextLink"]
        return found[found.index(ROOT) :]

    def without_token(self) -> tuple[Any, ...]:
        """Places that count what is withheld are sealed anew each time; their length is part of the answer (C286)."""
        body = TOKEN.sub(lambda match: b"skiptoken=" + str(len(match[1])).encode(), self.body)
        return self.status, self.reason, self.headers, body, self.closes

    @property
    def token(self) -> bytes:
        found = TOKEN.search(self.body)
        return found[1] if found else b""

    def decoded_token(self) -> bytes:
        token = self.token
        return base64.urlsafe_b64decode(token + b"=" * (-len(token) % 4)) if token else b""


class Remembered(Repeats):
    """Stands where the database has the writes that may come again."""

    def __init__(self) -> None:
        self._known: dict[str, Repeat] = {}

    async def find(self, identity: str) -> Repeat | None:
        return self._known.get(identity)

    async def claim(self, identity: str) -> bool:
        return self._known.setdefault(identity, claimed := Repeat(False, False, None)) is claimed

    async def done(self, identity: str, *, created: bool, record: str | None) -> None:
        self._known[identity] = Repeat(True, created, record)

    async def release(self, identity: str) -> None:
        self._known.pop(identity, None)


class Tallies(LocalCounters):
    """The counters of the limits, which a request finds empty: how many requests came before it is no matter of data."""

    @property
    def found(self) -> dict[tuple[str, int], tuple[int, int]]:
        return self._found

    def clear(self) -> None:
        self._found.clear()


@dataclass
class Side:
    """One gateway. ``events`` and ``model`` tell what it did to answer the last request."""

    snapshot: Snapshot
    world: World
    habits: Habits
    events: list[Event] = field(default_factory=list)
    #: What stands for the upstream.
    upstream: Callable[[World, Habits], Model] = Model

    def __post_init__(self) -> None:
        profile = self.snapshot.configuration.settings.upstream.profile
        self.lost: list[tuple[str, str]] = []
        self.trust = UpstreamTrust(profile, self._note)
        self.model = self.upstream(self.world, self.habits)
        self.model.embedded = profile.embedded
        self.model.profile = profile
        self.repeats = Remembered()
        self.counters = Tallies()
        self.gateway = self.gateway_before(self.model)

    def gateway_before(self, upstream: UpstreamClient) -> Gateway:
        """Return a gateway that serves the snapshot in front of an upstream."""
        gateway = Gateway(
            self.snapshot.configuration,
            Enforcement(upstream),
            self.trust,
            self.events.append,
            lambda: NOW,
            self.repeats,
            counters=self.counters,
        )
        gateway.snapshot = self.snapshot
        return gateway

    def _note(self, event: TrustLost | TrustRestored) -> None:
        if isinstance(event, TrustLost):
            self.lost.append((event.kind, event.resource))

    async def ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        self.events.clear()
        self.model.asked.clear()
        self.model.writes.clear()
        self.model.sent.clear()
        self.counters.clear()
        request = _request(method, target, headers, body)
        response = await self.gateway.handle(request)
        assert isinstance(response, web.Response)
        kept = tuple((name, value) for name, value in response.headers.items() if name != "X-Request-Id")
        content = response.body if isinstance(response.body, bytes) else b""
        if response.headers.get("Content-Encoding") == "gzip":
            content = gzip.decompress(content)  # what is sealed anew is compressed anew
        return Answer(response.status, response.reason, kept, content, response.keep_alive is False)

    @property
    def charged(self) -> dict[tuple[str, int], tuple[int, int]]:
        """What the last request has cost its key, by window: the answer to the next one tells it."""
        return self.counters.found

    @property
    def violations(self) -> int:
        return sum(event.violations for event in self.events if isinstance(event, RequestHandled))

    @property
    def complaints(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Complaint)]


def _request(method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> web.BaseRequest:
    every: CIMultiDict[str] = CIMultiDict({"Host": "gateway.example", **headers})
    if body is None:
        return make_mocked_request(method, target, every)
    every["Content-Length"] = str(len(body))
    every.setdefault("Content-Type", "text/plain")
    payload = StreamReader(mock.Mock(_reading_paused=False), 2**16, loop=asyncio.get_running_loop())
    payload.feed_data(body)
    payload.feed_eof()
    return make_mocked_request(method, target, every, payload=payload)
