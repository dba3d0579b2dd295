"""HTTP to the upstream. Every exception of aiohttp ends here; what leaves is a body, or an UpstreamFailure."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self

import aiohttp
import stamina
from yarl import URL

from gateway import __version__
from gateway.errors import Code, kind_of
from gateway.observe.events import BreakerChanged, Event, UpstreamRetried
from gateway.policy.profile import LinkHost, Profile
from gateway.settings import Upstream
from gateway.upstream.bodies import BrokenCodingError, TooLongError, coding_of, content_type, read_bounded
from gateway.upstream.credentials import ClientCredentialsGrant, Credential, UpstreamFailure, fixed
from gateway.upstream.exchanges import Exchanges
from gateway.upstream.next_links import LinkError, Place, followed, next_of
from gateway.upstream.once import ConnectionLostError, sent_once
from gateway.upstream.protection import Breaker, Budget, Gate, date_of, seconds_of

__all__ = ["Fetched", "UnknownOutcomeError", "UpstreamClient", "UpstreamFailure", "Written"]

_JSON = "application/json"
_XML = "application/xml"
#: Answers of something that stands before an upstream which is away. 504 may be one that was asked for too much.
_OUTAGES = (502, 503)
#: Bytes of one header of an answer to a read: a Link header repeats the whole question.
_MAX_FIELD = 128 * 1024
#: Seconds before a request is sent again for the first time, and the most that chance adds to any such pause.
_FIRST_WAIT = 0.1
# What is sent again is told by our own event, once.
stamina.instrumentation.set_on_retry_hooks(())


@dataclass(frozen=True, slots=True)
class Fetched:
    """A body, and the target of the link to the next page where a Link header has one."""

    body: bytes
    link: str | None = None
    #: What time the upstream says that it is.
    date: datetime | None = None


class UnknownOutcomeError(Exception):
    """A write was sent, and what became of it is not known. The text is for the log."""


@dataclass(frozen=True, slots=True)
class Written:
    """How the upstream answered a write: its status, where it says the record is, and what it says of a refusal."""

    status: int
    location: str | None = None
    refusal: bytes = b""


class UpstreamClient:
    """A session with constant headers, no cookies, no redirects, no proxies of the environment, and bounded bodies."""

    def __init__(
        self,
        settings: Upstream,
        token: str | None,
        secret: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        publish: Callable[[Event], None] = lambda _: None,
        *,
        is_traced: bool = False,
    ) -> None:
        """
        Args:
            token: the fixed bearer credential; None where there is none.
            secret: of the OAuth2 client, where the settings have one.
            publish: told of every answer, of requests that are sent again, and of an upstream that is left alone.
            is_traced: whether the upstream is told a trace of ours.
        """
        self._settings = settings
        self._grant: ClientCredentialsGrant | None = None
        if settings.oauth2 is not None:
            self._grant = ClientCredentialsGrant(settings.oauth2, secret or "", self._connected, clock)
        self._credential: Credential = self._grant or fixed(token)
        self._base = settings.url.rstrip("/")
        self._headers = {
            "Accept-Encoding": "gzip",
            "OData-MaxVersion": "4.01",
            "User-Agent": f"gateway/{__version__}",
        }
        self._session: aiohttp.ClientSession | None = None
        self._writer: aiohttp.ClientSession | None = None
        self._publish = publish
        self._exchanges = Exchanges(publish, is_traced)
        self._gate = Gate(settings.max_connections, settings.max_waiting)
        self._budget = Budget(settings.retry_budget)
        self._breaker = Breaker(
            settings.breaker_failures,
            settings.breaker_pause,
            clock,
            lambda is_open, reason: publish(BreakerChanged(is_open, reason)),
        )

    def _connected(self) -> aiohttp.ClientSession:
        assert self._session is not None, "the client is used inside its context only"
        return self._session

    async def __aenter__(self) -> Self:
        self._session = self._opened(force_close=self._settings.force_close, max_field=_MAX_FIELD)
        # A write has a connection of its own: one that was used before may be closed by the upstream just now.
        self._writer = self._opened(force_close=True)
        return self

    def _opened(self, *, force_close: bool, max_field: int = 8_190) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._settings.max_connections, force_close=force_close),
            cookie_jar=aiohttp.DummyCookieJar(),  # C304
            auto_decompress=False,  # C156: the library inflates without a bound
            trust_env=False,  # C305
            skip_auto_headers=("Accept", "User-Agent"),
            middlewares=(sent_once,),
            max_field_size=max_field,
            timeout=aiohttp.ClientTimeout(
                total=None,
                sock_connect=self._settings.connect_timeout,
                sock_read=self._settings.read_timeout,
            ),
        )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for session in (self._session, self._writer):
            if session is not None:
                await session.close()

    async def read_collection(self, entity_set: str, query: str, host: LinkHost | None = None) -> Fetched:
        """The JSON body of ``<entity_set>?<query>``; both are already encoded, by the printer or as a link.

        Args:
            host: to be asked in place of the upstream.

        Raises:
            UpstreamFailure: anything but 200 with a JSON body within the bounds.
        """
        return await self._get(f"{entity_set}?{query}", _JSON, host)

    async def write(
        self,
        method: str,
        target: str,
        body: bytes | None,
        if_match: str | None,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> Written:
        """Sends a write once, and never again, whatever becomes of it.

        Args:
            target: path below the service root, already encoded by the printer.
            body: written by us; None for DELETE.
            if_match: the upstream's own tag of what was read, or ``*``.
            is_wanted: whether anybody still waits for it, once it is its turn: what has waited too long is not sent.

        Raises:
            UnknownOutcomeError: nobody can say whether it was done: it must not be repeated.
            UpstreamFailure: it was not done, as far as anybody can tell.
        """
        token = await self._credential()
        headers = {**self._headers, "Accept": _JSON}
        headers |= {} if token is None else {"Authorization": f"Bearer {token}"}
        # Of a deletion there is nothing to return; some servers refuse one that prefers.
        headers |= {} if body is None else {"Content-Type": _JSON, "Prefer": "return=minimal"}
        headers |= {} if if_match is None else {"If-Match": if_match}
        url = URL(f"{self._base}/{target}", encoded=True)
        async with self._gate.passing():
            if not is_wanted():
                raise UpstreamFailure(Code.TIMEOUT, "nobody waits for it any more")
            async with self._breaker.watching() as outage:
                written = await self._sent(method, url, body, headers, token)
                if written.status in _OUTAGES:
                    outage(f"answered a write with {written.status}")
                return written

    async def _sent(
        self, method: str, url: URL, body: bytes | None, headers: Mapping[str, str], token: str | None
    ) -> Written:
        assert self._writer is not None, "the client is used inside its context only"
        try:
            with self._exchanges.one(method) as exchange:
                async with self._writer.request(
                    method, url, data=body, headers={**headers, **exchange.headers}, allow_redirects=False
                ) as response:
                    exchange.status = response.status
                    if response.status == 401 and self._grant is not None and token is not None:
                        self._grant.reject(token)
                    location = response.headers.get("Location") or response.headers.get("OData-EntityId")
                    return Written(response.status, location, await self._refusal(response))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise UpstreamFailure(Code.UNAVAILABLE, f"cannot be reached: {error}", is_outage=True) from None
        except ConnectionLostError as error:
            raise UnknownOutcomeError(str(error)) from None
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise UnknownOutcomeError(f"{method} was sent and not answered: {kind_of(error)}") from None

    async def _refusal(self, response: aiohttp.ClientResponse) -> bytes:
        """What a refusal says, for our own details; of a success nothing is read but that it was one."""
        if response.status < 300:
            return b""
        try:
            return await self._body(response)
        except UpstreamFailure:
            return b""

    async def read_metadata(self) -> bytes:
        return (await self._get("$metadata", _XML)).body

    async def read_dated_metadata(self) -> tuple[bytes, datetime | None]:
        """The same, and what time the upstream says that it is."""
        fetched = await self._get("$metadata", _XML)
        return fetched.body, fetched.date

    def host(self, profile: Profile, place: Place) -> LinkHost | None:
        """Return the host that is to be asked for a page; None for the upstream itself.

        Raises:
            UpstreamFailure: it is not listed: nothing is asked there.
        """
        if not place.host:
            return None
        listed = next((host for host in profile.link_hosts if host.url == place.host), None)
        if listed is None:
            raise UpstreamFailure(Code.UPSTREAM_ERROR, "its next link leads to a host that is not listed")
        return listed

    def followed(self, entity_set: str, link: str, place: Place, profile: Profile) -> Place:
        """Return the page that a next link leads to, if that is of the same set (C292).

        Args:
            place: the page that has the link.

        Raises:
            UpstreamFailure: it leads anywhere else; nothing is asked there.
        """
        try:
            return followed(link, place, self._base, entity_set, profile.link_hosts)
        except LinkError as error:
            raise UpstreamFailure(Code.UPSTREAM_ERROR, str(error)) from None

    def _address(self, target: str, root: str = "") -> URL:
        return URL(f"{root or self._base}/{target}", encoded=True)  # C299: never re-encoded

    async def _get(self, target: str, accept: str, host: LinkHost | None = None) -> Fetched:
        """Reads, and reads again what may be answered the second time, as far as the budget goes."""
        self._budget.earn()
        tries = itertools.count(1)
        again = stamina.retry_context(
            on=lambda error: self._is_worth_another(error, next(tries)),
            attempts=1 + self._settings.retries, timeout=None,
            wait_initial=_FIRST_WAIT, wait_max=self._settings.retry_wait, wait_jitter=_FIRST_WAIT,
        )  # fmt: skip
        async for attempt in again:
            with attempt:
                async with self._gate.passing(), self._breaker.watching():
                    return await self._fetch(target, accept, host)
        raise AssertionError("the last attempt raises or returns")

    def _is_worth_another(self, error: Exception, tries: int) -> bool | float:
        """Whether to ask again after so many tries, or after how many seconds; if so, it is paid for."""
        if not isinstance(error, UpstreamFailure) or not error.may_pass or tries > self._settings.retries:
            return False
        if error.retry_after is not None and error.retry_after > self._settings.retry_wait:
            return False
        if not self._budget.spend():
            return False
        self._publish(UpstreamRetried(tries + 1))
        return True if error.retry_after is None else max(error.retry_after, _FIRST_WAIT)

    async def _fetch(self, target: str, accept: str, host: LinkHost | None) -> Fetched:
        token = await self._credential() if host is None or host.credential else None
        authorization = {} if token is None else {"Authorization": f"Bearer {token}"}
        url = self._address(target, host.url if host is not None else "")
        try:
            with self._exchanges.one("GET") as exchange:
                traced = exchange.headers if host is None else {}
                sent = {**self._headers, **authorization, "Accept": accept, **traced}
                async with self._connected().get(url, headers=sent, allow_redirects=False) as response:
                    exchange.status = response.status
                    if response.status == 401 and self._grant is not None and token is not None and host is None:
                        self._grant.reject(token)
                    self._check_status(response.status, response.headers.get("Retry-After"))
                    self._check_type(response.headers, accept)
                    link = next_of(response.headers.getall("Link", []), url) if accept == _JSON else None
                    date = date_of(response.headers.get("Date")) if accept == _XML else None
                    return Fetched(await self._body(response), link, date)
        except aiohttp.ServerTimeoutError as error:
            # Not asked again: it has taken its time already. Nor is it an outage, if there was a connection: a client
            # could bring that about by what it asks for, for all others.
            is_outage = isinstance(error, aiohttp.ConnectionTimeoutError)
            raise UpstreamFailure(Code.TIMEOUT, f"timed out: {kind_of(error)}", is_outage=is_outage) from None
        except aiohttp.ClientConnectorError as error:
            raise UpstreamFailure(
                Code.UNAVAILABLE, f"cannot be reached: {error}", is_outage=True, may_pass=True
            ) from None
        except (ConnectionLostError, aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            raise UpstreamFailure(
                Code.UNAVAILABLE, f"connection lost: {kind_of(error)}", is_outage=True, may_pass=True
            ) from None
        except LinkError as error:
            raise UpstreamFailure(Code.UPSTREAM_ERROR, str(error)) from None
        except (aiohttp.ClientError, ValueError) as error:
            raise UpstreamFailure(Code.UPSTREAM_ERROR, f"no proper HTTP answer: {kind_of(error)}") from None

    @staticmethod
    def _check_status(status: int, retry_after: str | None = None) -> None:
        if status == 200:
            return
        if status in (401, 403):
            raise UpstreamFailure(Code.UNAVAILABLE, f"refused our credential ({status})")
        code = Code.UNAVAILABLE if status in (429, 503) else Code.UPSTREAM_ERROR
        raise UpstreamFailure(
            code,
            f"is busy ({status})" if code is Code.UNAVAILABLE else f"answered {status}",
            is_outage=status in _OUTAGES,
            may_pass=status in (429, 502, 503, 504),
            retry_after=seconds_of(retry_after),
        )

    @staticmethod
    def _check_type(headers: Mapping[str, str], accept: str) -> None:
        """JSON must say that it is JSON, in UTF-8; metadata may say what it likes, it is parsed strictly (C317)."""
        if accept != _JSON:
            return
        media_type, charset = content_type(headers.get("Content-Type", ""))
        if media_type != _JSON:
            raise UpstreamFailure(Code.UPSTREAM_ERROR, f"answered with the content type {media_type!r}")
        if charset not in ("", "utf-8", "utf8"):
            raise UpstreamFailure(Code.UPSTREAM_ERROR, f"answered with the charset {charset!r}")

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        """The whole body, inflated if need be, within ``max_body`` bytes."""
        fields = response.headers.getall("Content-Encoding", [])
        coding = coding_of(fields)
        if coding is None:
            raise UpstreamFailure(Code.UPSTREAM_ERROR, f"answered with the content coding {', '.join(fields)!r}")
        limit = self._settings.max_body
        try:
            return await read_bounded(response.content, coding, limit)
        except TooLongError:
            raise UpstreamFailure(Code.UPSTREAM_ERROR, f"answered with more than {limit} bytes") from None
        except BrokenCodingError:
            raise UpstreamFailure(Code.UPSTREAM_ERROR, "broken gzip") from None
