"""``gateway.yaml`` and the environment as one frozen value. Environment beats file beats default."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, IPvAnyNetwork, model_validator

from gateway.policy.documents import Restricting
from gateway.policy.profile import Profile
from gateway.policy.settings import AnswerSettings

#: Settings that are lists, separated by commas in the environment.
_LISTS = ("token_keys", "trusted_proxies", "algorithms")
#: Environment variables with this prefix override the file: ``GATEWAY__LISTEN__PORT=80``.
ENVIRONMENT_PREFIX = "GATEWAY__"


def _network(given: object) -> object:
    """Addresses are written as text: numbers would be addresses, too."""
    if not isinstance(given, str | IPv4Network | IPv6Network):
        raise ValueError("must be a network as text, such as 10.0.0.0/8")
    if isinstance(given, str) and given.lower().startswith("::ffff:"):
        raise ValueError("must be written as an IPv4 network")
    return given


Network = Annotated[IPvAnyNetwork, BeforeValidator(_network)]
#: An empty text is a fault: a socket on the host "" listens on every address, and "" as a file is the directory.
Text = Annotated[str, Field(min_length=1)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Tls(_Section):
    """A certificate with its chain and its private key, both in PEM files."""

    certificate: Text
    key: Text


class Listen(_Section):
    """Where clients (RESO side) are listened to; with ``tls`` by HTTPS."""

    host: Text = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    tls: Tls | None = None


class Admin(_Section):
    """Where health, metrics and Spark's template service are served; never the same port as clients (C262).

    ``mls_id`` is the MLS of whatever does not say one. Sizes are bytes.
    """

    host: Text = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8081
    tls: Tls | None = None
    mls_id: Annotated[str, Field(min_length=1, max_length=100)] = "mls"
    require_if_match: bool = False
    max_body: Annotated[int, Field(ge=1024, le=16 * 1024 * 1024)] = 1024 * 1024


class Store(_Section):
    """Where templates and keys that are managed by the API are kept. Times are seconds."""

    url: Text | None = None
    url_file: Text | None = None
    poll: Annotated[float, Field(gt=0, le=60)] = 0.25


class ClientCredentials(_Section):
    """OAuth2 client credentials of the gateway at the upstream (RFC 6749, 4.4). ``token_url`` gives the tokens."""

    token_url: Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.\-\[\]:]+(/[A-Za-z0-9._~\-/]*)?$")]
    client_id: Annotated[str, Field(min_length=1)]
    client_secret: Text | None = None
    client_secret_file: Text | None = None
    scope: Text | None = None


class Upstream(_Section):
    """The RESO Web API server behind the gateway.

    ``url`` is its service root. ``token`` or ``token_file`` is the bearer credential, ``oauth2`` what gets one instead.
    Times are seconds, sizes bytes.
    """

    url: Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.\-\[\]:]+(/[A-Za-z0-9._~\-/]*)?$")]
    token: Text | None = None
    token_file: Text | None = None
    oauth2: ClientCredentials | None = None
    profile: Profile = Profile()
    connect_timeout: Annotated[float, Field(gt=0)] = 5.0
    read_timeout: Annotated[float, Field(gt=0)] = 30.0
    max_body: Annotated[int, Field(ge=1024)] = 64 * 1024 * 1024
    max_connections: Annotated[int, Field(ge=1)] = 64
    max_waiting: Annotated[int, Field(ge=0)] = 256
    retries: Annotated[int, Field(ge=0, le=5)] = 2
    retry_wait: Annotated[float, Field(gt=0, le=30)] = 2.0
    retry_budget: Annotated[float, Field(ge=0, le=1)] = 0.1
    breaker_failures: Annotated[int, Field(ge=0)] = 10
    breaker_pause: Annotated[float, Field(gt=0)] = 5.0
    force_close: bool = False
    probe: bool = True
    metadata_refresh: Annotated[float, Field(gt=0)] = 300.0
    metadata_retry: Annotated[float, Field(gt=0)] = 2.0


class JsonWebTokens(_Section):
    """Whose JSON Web Tokens are taken for keys: signed by a key of ``jwks_url``, from ``issuer`` and for ``audience``.
    ``claim`` is the one that has a key's ``Subject``. Times are seconds."""

    issuer: Annotated[str, Field(min_length=1)]
    audience: Annotated[str, Field(min_length=1)]
    jwks_url: Annotated[
        str,
        Field(pattern=r"^(https://[A-Za-z0-9.\-\[\]:]+|http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?)/[^?#\s]*$"),
    ]
    claim: Annotated[str, Field(min_length=1)] = "client_id"
    algorithms: Annotated[
        tuple[Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"], ...],
        Field(min_length=1),
    ] = ("RS256", "ES256")
    leeway: Annotated[float, Field(ge=0, le=300)] = 30.0
    refresh: Annotated[float, Field(ge=10)] = 600.0


class Security(_Section):
    """Who is let in, and what is sealed. Secrets may be given by the environment or by a file instead, and none is ever
    printed. Times are seconds.

    ``trusted_proxies`` are networks whose ``X-Forwarded-For`` is believed; ``access_token_lifetime`` is that of tokens
    which ``/oauth2/token`` gives, 0 for none; ``token_attempts`` is how many requests for one may fail in a minute, by
    address.
    """

    key_pepper: str | None = None
    key_pepper_file: Text | None = None
    token_keys: tuple[str, ...] = ()
    token_keys_file: Text | None = None
    token_lifetime: Annotated[int, Field(ge=60)] = 24 * 3600
    access_token_lifetime: Annotated[int, Field(ge=0, le=24 * 3600)] = 3600
    token_attempts: Annotated[int, Field(ge=1, le=10_000)] = 20
    trusted_proxies: tuple[Network, ...] = ()
    jwt: JsonWebTokens | None = None


class PolicySection(_Section):
    """What holds for every key: conditions that no template lifts, fields that none reveals, what follows what.

    An empty list is a fault in all three. ``independent`` takes a resource out of the built-in table of ``follows``.
    """

    always: Mapping[str, Restricting] = Field(default_factory=dict)
    never_visible: Mapping[str, Restricting] = Field(default_factory=dict)
    follows: Mapping[str, Restricting | Literal["independent"]] = Field(default_factory=dict)
    closed_lookups: Mapping[str, Mapping[str, bool]] = Field(default_factory=dict)
    redaction: Literal["omit", "null", "annotate"] = "omit"
    unknown_select: Literal["reject", "ignore"] = "reject"


class Requests(_Section):
    """Bounds of a request and its answer. Lengths are bytes, times seconds."""

    page_size: Annotated[int, Field(ge=1, le=10_000)] = 100
    deadline: Annotated[float, Field(gt=0)] = 60.0
    max_target: Annotated[int, Field(ge=1024, le=60_000)] = 32 * 1024
    max_headers: Annotated[int, Field(ge=1024, le=30_000)] = 16 * 1024
    max_link: Annotated[int, Field(ge=1024)] = 8 * 1024
    max_body: Annotated[int, Field(ge=1024, le=16 * 1024 * 1024)] = 256 * 1024
    plus_is_space: bool = True
    expand_depth: Annotated[int, Field(ge=1, le=6)] = 3
    max_concurrent: Annotated[int, Field(ge=1)] = 512
    gzip: bool = True

    @model_validator(mode="before")
    @classmethod
    def _without_removed(cls, given: object) -> object:
        if isinstance(given, dict) and "scan_requests" in given:
            raise ValueError(
                "`scan_requests` is no setting any more: remove it. A page is filled however many requests that takes, "
                "within `requests.deadline`, since where a page ends must not tell of rows that are withheld"
            )
        return given


class Workers(_Section):
    """The processes that serve, and how one of them ends. Times are seconds.

    ``control`` is the Unix socket on which ``gateway reload`` speaks to the service.
    """

    count: Annotated[int, Field(ge=1, le=256)] = 1
    control: Text | None = None
    watch: bool = True
    start_timeout: Annotated[float, Field(gt=0)] = 120.0
    watchdog: Annotated[float, Field(ge=1)] = 30.0
    drain_notice: Annotated[float, Field(ge=0)] = 0.0
    drain_idle: Annotated[float, Field(ge=0)] = 2.0
    drain_deadline: Annotated[float, Field(ge=0)] = 60.0


def _window(given: object) -> object:
    """Refuse a second spelling of a length: ``60`` and ``060`` would be two keys of the file and one window."""
    if isinstance(given, str) and not re.fullmatch(r"[1-9][0-9]*", given):
        raise ValueError("must be a whole number of seconds, at least 1, without leading zeros")
    return given


_Windows = Annotated[
    Mapping[Annotated[int, BeforeValidator(_window), Field(ge=1)], Annotated[int, Field(ge=0)]], Field(min_length=1)
]


class Windows(_Section):
    """How much a key may have: length of a window in seconds to the most of it. ``concurrent`` is how many requests of
    it one worker answers at once; None for any number."""

    requests: _Windows = Field(default_factory=dict)
    records: _Windows = Field(default_factory=dict)
    bytes: _Windows = Field(default_factory=dict)
    concurrent: Annotated[int, Field(ge=1)] | None = None


class OwnWindows(Windows):
    """The limits of one role or key, in place of more general ones; ``unlimited`` says that there are none."""

    unlimited: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Refuse an entry that lifts the more general limits without a word."""
        is_limited = bool(self.requests or self.records or self.bytes or self.concurrent is not None)
        if is_limited is self.unlimited:
            raise ValueError("must name a limit, or say `unlimited: true` and nothing else")
        return self


class Limits(_Section):
    """Rate limits: of a key by its Id, else by its role, else by default. Counted in Redis, or for one machine."""

    default: Windows = Windows()
    roles: Mapping[str, OwnWindows] = Field(default_factory=dict)
    keys: Mapping[str, OwnWindows] = Field(default_factory=dict)
    redis_url: Annotated[str, Field(pattern=r"^(rediss?|unix)://")] | None = None
    redis_url_file: Text | None = None
    on_failure: Literal["local", "refuse"] = "local"


class Log(_Section):
    """The log on standard output, and the file of decisions where they have one. Sizes are bytes.

    With ``durable`` no answer leaves before its record is on the disk.
    """

    level: Literal["debug", "info", "warning", "error"] = "info"
    decisions: Text | None = None
    durable: bool = False
    rotate_bytes: Annotated[int, Field(ge=0)] = 256 * 1024 * 1024
    keep: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.durable and self.decisions is None:
            raise ValueError("`durable` needs a file: `decisions`")
        return self


class Tracing(_Section):
    """What is told of requests to others. ``forward`` tells the upstream a trace of ours (W3C Trace Context),
    ``otlp_url`` is where spans are sent (OTLP by HTTP)."""

    forward: bool = False
    otlp_url: Annotated[str, Field(pattern=r"^https?://[^?#\s]+$")] | None = None


class Settings(_Section):
    """Everything that gateway.yaml may say. ``public_url`` is the service root as clients see it."""

    public_url: Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.\-\[\]:]+(/[A-Za-z0-9._~\-/]*)?$")]
    listen: Listen = Listen()
    admin: Admin = Admin()
    store: Store = Store()
    upstream: Upstream
    security: Security = Security()
    policy: PolicySection = PolicySection()
    requests: Requests = Requests()
    workers: Workers = Workers()
    limits: Limits = Limits()
    #: Where the database is if ``store`` does not say otherwise, relative to the configuration; it must exist.
    state_dir: Text | None = None
    log: Log = Log()
    tracing: Tracing = Tracing()

    @property
    def answers(self) -> AnswerSettings:
        """What ``decide`` is told of the form of answers."""
        return AnswerSettings(self.requests.page_size, self.requests.expand_depth, self.policy.unknown_select)

    @property
    def root(self) -> str:
        """The path of the service root, without a slash at its end."""
        return "/" + "/".join(part for part in self.public_url.split("/")[3:] if part) if self._has_path() else ""

    def _has_path(self) -> bool:
        return any(self.public_url.split("/")[3:])


#: Settings whose entries restrict: one without a value is kept, and refused with the empty list.
_RESTRICTING = (("policy", "always"), ("policy", "never_visible"))


def _without_nulls(data: Mapping[str, Any], place: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a copy without the headings under which everything was deleted: YAML reads ``profile:`` alone as null."""
    return {
        key: _without_nulls(value, (*place, key)) if isinstance(value, Mapping) else value
        for key, value in data.items()
        if value is not None or place in _RESTRICTING
    }


def overlay(data: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """The file's data with ``GATEWAY__SECTION__KEY`` laid over it; lists are separated by commas."""
    result = _without_nulls(data)
    for name, text in sorted(environment.items()):
        if not name.startswith(ENVIRONMENT_PREFIX):
            continue
        *sections, key = name[len(ENVIRONMENT_PREFIX) :].lower().split("__")
        place = result
        for section in sections:
            inner = place.get(section)
            place[section] = dict(inner) if isinstance(inner, Mapping) else {}
            place = place[section]
        place[key] = text.split(",") if key in _LISTS else text
    return result
