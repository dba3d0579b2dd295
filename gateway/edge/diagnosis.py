"""What may be wrong around a gateway, looked at from where it would run: each finding says what was found, and what to
do. Nothing is changed, and no secret is told."""

from __future__ import annotations

import resource
import stat
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from gateway.edge.listener import require_c_parser
from gateway.edge.probing import ask_probes
from gateway.edge.scan import Source, Trace
from gateway.edge.trust import UpstreamTrust
from gateway.observe.record_file import kind_fault
from gateway.odata.csdl import Schema, SchemaError, parse_metadata
from gateway.odata.literals import Timestamp
from gateway.policy.probes import probes
from gateway.store.configuration import Configuration
from gateway.store.counters import Count, CountersUnavailableError, RedisCounters
from gateway.store.database import Database, StoreError
from gateway.store.snapshot import build_snapshot
from gateway.store.stored import Library, Merger, read_library
from gateway.upstream.client import UpstreamClient, UpstreamFailure

#: Seconds by which clocks may differ before rules about now() mean something else here and there.
_SKEW = 2.0
#: Open files that a worker needs at least: connections of clients and to the upstream.
_FILES = 4096
#: Days before its end at which a certificate should have been renewed.
_RENEWAL = 14
_LOOPBACK = ("127.", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Finding:
    """``what`` was looked at; ``advice`` is what to do where it is not ``ok``."""

    what: str
    state: Literal["ok", "warning", "failed"]
    found: str
    advice: str = ""


async def diagnose(
    configuration: Configuration, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> AsyncIterator[Finding]:
    """Every finding, one after the other: machine, files, addresses, database, counters, upstream, policies."""
    for finding in (*_machine(), *_files(configuration), *_written(configuration), *_addresses(configuration, clock())):
        yield finding
    configuration, finding = await _database(configuration)
    yield finding
    if configuration.redis_url is not None:
        yield await _counters(configuration.redis_url, clock)
    settings, secrets = configuration.settings.upstream, configuration.secrets
    async with UpstreamClient(settings, secrets.upstream_token, secrets.upstream_secret) as client:
        schema = None
        try:
            document, date = await client.read_dated_metadata()
            schema = parse_metadata(document)
        except UpstreamFailure as failure:
            yield Finding("upstream", "failed", failure.reason, _advice(failure.reason))
        except SchemaError as error:
            yield Finding(
                "upstream", "failed", f"$metadata, line {error.line}: {error}", "mend the upstream's $metadata"
            )
        else:
            yield Finding("upstream", "ok", f"{len(schema.entity_sets)} entity sets at {settings.url}")
            yield _clocks(date, clock())
            for found in build_snapshot(0, configuration, schema).closed:
                advice = "mend the upstream's $metadata: nobody is served from this entity set meanwhile"
                yield Finding("entity set", "failed", found, advice)
        if schema is not None:
            for finding in _policies(configuration, schema):
                yield finding
            yield await _trust(configuration, schema, client, clock())


def _machine() -> Iterator[Finding]:
    try:
        require_c_parser()
        yield Finding("HTTP parser", "ok", "the C parser of aiohttp")
    except RuntimeError as error:
        yield Finding("HTTP parser", "failed", str(error), "install aiohttp from a wheel, or with a C compiler")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = soft != resource.RLIM_INFINITY and soft < _FILES
    advice = f"raise it to {_FILES} at least (LimitNOFILE, ulimit -n; the hard limit is {hard})"
    yield Finding("open files", "warning" if few else "ok", f"at most {soft}", advice if few else "")


def _files(configuration: Configuration) -> Iterator[Finding]:
    """Who else can read secrets, or write what decides."""
    settings, base = configuration.settings, configuration.directory
    named = (
        settings.security.key_pepper_file, settings.security.token_keys_file, settings.upstream.token_file,
        settings.upstream.oauth2.client_secret_file if settings.upstream.oauth2 else None,
        settings.store.url_file, settings.limits.redis_url_file,
        *(tls.key for tls in (settings.listen.tls, settings.admin.tls) if tls is not None),
    )  # fmt: skip
    holding = [base / name for name in named if name is not None]
    if _has_secret(configuration.documents["gateway.yaml"].data):
        holding.append(base / "gateway.yaml")
    for path in dict.fromkeys(holding):
        mode = path.stat().st_mode
        if mode & (stat.S_IRGRP | stat.S_IROTH):
            yield Finding(str(path), "warning", f"others can read this secret (mode {mode & 0o777:o})", "chmod 600")
        else:
            yield Finding(str(path), "ok", f"mode {mode & 0o777:o}")
    open_to_all = [path for path in (base, *sorted(base.rglob("*"))) if _is_writable_by_all(path)]
    for path in open_to_all:
        yield Finding(str(path), "warning", "everybody can write what decides who sees what", "chmod o-w")
    if not open_to_all:
        yield Finding("configuration", "ok", f"{base}: written by its owner")


#: Settings whose values are secrets, where gateway.yaml has them itself.
_SECRETS = (
    ("security", "key_pepper"), ("security", "token_keys"), ("upstream", "token"),
    ("upstream", "oauth2", "client_secret"), ("store", "url"), ("limits", "redis_url"),
)  # fmt: skip


def _has_secret(data: Mapping[str, Any]) -> bool:
    for path in _SECRETS:
        found: Any = data
        for part in path:
            found = found.get(part) if isinstance(found, Mapping) else None
        # A URL is a secret where it holds a password.
        if found and (not path[-1].endswith("url") or "@" in str(found)):
            return True
    return False


def _written(configuration: Configuration) -> Iterator[Finding]:
    """What the gateway writes: whoever else can write there, or read it."""
    settings, base = configuration.settings, configuration.directory
    if settings.log.decisions is not None:
        yield _decisions(base / settings.log.decisions)
    if settings.state_dir is None:
        return
    state = base / settings.state_dir
    try:
        mode = state.stat().st_mode
    except OSError as error:
        yield Finding("state_dir", "failed", f"{state}: {error.strerror}", "make it, for the gateway's user alone")
        return
    if not stat.S_ISDIR(mode):
        yield Finding("state_dir", "failed", f"{state} is not a directory", "make it one")
    elif mode & (stat.S_IWGRP | stat.S_IWOTH):
        found = f"others can put a database or a control socket there (mode {mode & 0o777:o})"
        yield Finding("state_dir", "failed" if mode & stat.S_IWOTH else "warning", found, "chmod 700")
    else:
        yield Finding("state_dir", "ok", f"{state}: mode {mode & 0o777:o}")
    for path in sorted(state.glob("gateway.db*")) if stat.S_ISDIR(mode) else ():
        if path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH | stat.S_IWGRP | stat.S_IWOTH):
            yield Finding(str(path), "warning", "others can use the database of keys and licences", "chmod 600")


def _decisions(path: Path) -> Finding:
    fault = kind_fault(path)
    if fault is not None:
        return Finding(
            "log.decisions", "failed", f"{path} {fault}", "name a regular file, or one that is not there yet"
        )
    try:
        folder = path.parent.stat().st_mode
    except OSError as error:
        return Finding("log.decisions", "failed", f"{path.parent}: {error.strerror}", "make the directory")
    if folder & stat.S_IWOTH and not folder & stat.S_ISVTX:
        found = f"everybody can take {path} away: mode {folder & 0o7777:o} of its directory"
        return Finding("log.decisions", "warning", found, "chmod o-w")
    mode = path.stat().st_mode if path.exists() else 0
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        found = f"everybody can read or write {path} (mode {mode & 0o777:o})"
        return Finding("log.decisions", "warning", found, "chmod 640: it names keys, addresses and questions")
    return Finding("log.decisions", "ok", str(path))


def _is_writable_by_all(path: Path) -> bool:
    return not path.is_symlink() and bool(path.stat().st_mode & stat.S_IWOTH)


def _certificates(configuration: Configuration, now: datetime) -> Iterator[Finding]:
    for name, certificate in configuration.certificates.items():
        left = (certificate.ends - now).days
        advice = "renew it: the files are watched, and a new pair is served without a restart"
        if left < 0:
            yield Finding(f"{name}.tls", "failed", f"the certificate ended on {certificate.ends:%Y-%m-%d}", advice)
        elif left < _RENEWAL:
            yield Finding(f"{name}.tls", "warning", f"the certificate ends in {left} days", advice)
        else:
            yield Finding(f"{name}.tls", "ok", f"the certificate ends in {left} days")


def _addresses(configuration: Configuration, now: datetime) -> Iterator[Finding]:
    settings = configuration.settings
    public = urlsplit(settings.public_url)
    if public.scheme != "https" and not (public.hostname or "").startswith(_LOOPBACK):
        advice = "let clients come by https, and set public_url to it: keys travel with every request"
        yield Finding("public_url", "warning", f"{settings.public_url} is not encrypted", advice)
    else:
        yield Finding("public_url", "ok", settings.public_url)
    yield from _certificates(configuration, now)
    if not settings.admin.host.startswith(_LOOPBACK):
        advice = "keep it on loopback or a private network: metrics and readiness ask for no key"
        yield Finding("admin", "warning", f"listens on {settings.admin.host}", advice)
    else:
        yield Finding("admin", "ok", f"{settings.admin.host}:{settings.admin.port}")
    if settings.upstream.url.startswith("http://") and not (urlsplit(settings.upstream.url).hostname or "").startswith(
        _LOOPBACK
    ):
        advice = "use https, or a network that nobody else is on: withheld fields travel there"
        yield Finding("upstream.url", "warning", f"{settings.upstream.url} is not encrypted", advice)


async def _database(configuration: Configuration) -> tuple[Configuration, Finding]:
    """The configuration with what the database has, where it can be read."""
    if configuration.database_url is None:
        advice = "set state_dir or store.url, if staff are to manage templates and keys"
        return configuration, Finding("database", "warning", "there is none", advice)
    try:
        async with Database(configuration.database_url) as database:
            library = await read_library(database, Library())
    except StoreError as error:
        return configuration, Finding("database", "failed", str(error), "see docs/operations.md, The database")
    merged, clashes = Merger(configuration).merged(library)
    if clashes:
        found = "; ".join(str(fault) for fault in clashes)
        return configuration, Finding("database", "failed", found, "remove the file or the record")
    found = f"{len(library.templates)} templates and {len(library.keys)} keys"
    return merged, Finding("database", "ok", found)


async def _counters(url: str, clock: Callable[[], datetime]) -> Finding:
    try:
        counters = RedisCounters(url)
        try:
            await counters.add([Count("doctor", 60, 0)], clock().timestamp())
        finally:
            await counters.close()
    except CountersUnavailableError as error:
        return Finding(
            "Redis", "failed", str(error), "see limits.redis_url; limits.on_failure says what happens meanwhile"
        )
    return Finding("Redis", "ok", "counts")


def _advice(reason: str) -> str:
    if "credential" in reason:
        return "see upstream.token, upstream.token_file or upstream.oauth2: the upstream does not take it"
    if "reached" in reason or "timed out" in reason:
        return "see upstream.url, name resolution, firewalls, and whether the upstream runs"
    return "ask the same by hand; the gateway needs $metadata as XML with status 200"


def _clocks(date: datetime | None, now: datetime) -> Finding:
    if date is None:
        return Finding("clock", "warning", "the upstream does not say what time it is", "see that both use NTP")
    skew = (date - now).total_seconds()
    # A header has whole seconds, and has been on its way.
    if abs(skew) > _SKEW + 1:
        advice = "let both machines use NTP: rules about now(), and moments in answers, mean two things"
        return Finding("clock", "warning", f"the upstream's differs by {skew:+.0f} seconds", advice)
    return Finding("clock", "ok", "as the upstream's")


def _policies(configuration: Configuration, schema: Schema) -> Iterator[Finding]:
    snapshot = build_snapshot(0, configuration, schema)
    for fault in snapshot.faults:
        yield Finding("policies", "failed", str(fault), "mend the file; `gateway check` tells the same")
    if not snapshot.faults:
        keys = {key.Id for key in configuration.keys.values()}
        yield Finding("policies", "ok", f"{len(snapshot.policies)} compile, for {len(keys)} keys")


async def _trust(configuration: Configuration, schema: Schema, client: UpstreamClient, now: datetime) -> Finding:
    """Whether the upstream reads the literals of rules as its profile says."""
    profile = configuration.settings.upstream.profile
    trust = UpstreamTrust(profile)
    snapshot = build_snapshot(0, configuration, schema)
    questions = probes(snapshot.policies.values(), profile, Timestamp(now.replace(microsecond=0)))
    failed = await ask_probes(questions, Source(client, profile, Trace()), snapshot.schema or schema, trust)
    if trust.losses:
        found = "; ".join(f"{loss.resource}/{loss.kind} ({loss.reason})" for loss in trust.losses)
        return Finding("profile", "failed", found, "take these out of upstream.profile, or mend the upstream")
    if failed:
        return Finding("profile", "warning", failed, "try again when the upstream answers")
    return Finding("profile", "ok", f"{len(questions)} questions about rules contradict nothing")
