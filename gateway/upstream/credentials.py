"""The credential that the gateway shows to the upstream: a fixed token, or one that is fetched and renewed (C349).

A token is renewed before it ends, by one request at a time, while the old one still serves. Without a token nothing is
asked: there is no unauthenticated try.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import quote, urlencode

import aiohttp
import msgspec

from gateway.errors import Code
from gateway.settings import ClientCredentials
from gateway.upstream.bodies import BrokenCodingError, TooLongError, read_answer
from gateway.upstream.once import ConnectionLostError

#: A token is renewed when less than this share of its life is left, and in any case this many seconds before its end.
_SHARE, _MARGIN = 0.1, 30.0
#: How long a token lives of which the server says nothing.
_LIFE = 300.0
_MOST_BYTES = 64 * 1024


class UpstreamFailure(Exception):
    """No usable answer. ``code`` is what the client is told; ``reason`` is for the log, and never for a client."""

    def __init__(
        self,
        code: Code,
        reason: str,
        *,
        is_outage: bool = False,
        may_pass: bool = False,
        retry_after: float | None = None,
    ) -> None:
        """
        Args:
            is_outage: the upstream could not be asked, or did not answer: nothing that it has said.
            may_pass: the same may be answered when it is asked again, ``retry_after`` seconds later where it says so.
        """
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.is_outage = is_outage
        self.may_pass = may_pass
        self.retry_after = retry_after


Credential = Callable[[], Awaitable[str | None]]


def fixed(token: str | None) -> Credential:
    async def credential() -> str | None:
        return token

    return credential


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    renew_at: float
    ends_at: float


class _Answer(msgspec.Struct):
    access_token: str
    token_type: str = "bearer"  # noqa: S105  # a kind of token, and none
    expires_in: float | str = _LIFE


class ClientCredentialsGrant:
    """Fetches bearer tokens. ``clock`` is monotonic, in seconds."""

    def __init__(
        self,
        settings: ClientCredentials,
        secret: str,
        session: Callable[[], aiohttp.ClientSession],
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._secret = secret
        self._session = session
        self._clock = clock
        self._token: _Token | None = None
        self._renewal: asyncio.Task[_Token] | None = None

    async def __call__(self) -> str:
        """A token that has not ended.

        Raises:
            UpstreamFailure: none is in hand, and none can be had.
        """
        now, token = self._clock(), self._token
        if token is not None and now < token.renew_at:
            return token.text
        renewal = self._renewal
        if renewal is None or renewal.done():
            renewal = self._renewal = asyncio.create_task(self._fetch())
        if token is not None and now < token.ends_at:
            renewal.add_done_callback(_seen)
            return token.text
        return (await asyncio.shield(renewal)).text

    def reject(self, text: str) -> None:
        """The upstream refused a token: it is not shown again."""
        if self._token is not None and self._token.text == text:
            self._token = None

    async def _fetch(self) -> _Token:
        # RFC 6749, 2.3.1: both parts are form-encoded before they are joined.
        pair = f"{quote(self._settings.client_id, safe='')}:{quote(self._secret, safe='')}"
        form = {"grant_type": "client_credentials", **({"scope": self._settings.scope} if self._settings.scope else {})}
        headers = {
            "Authorization": "Basic " + base64.b64encode(pair.encode("utf-8")).decode("ascii"),
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
        }
        try:
            async with self._session().post(
                self._settings.token_url, data=urlencode(form).encode("ascii"), headers=headers, allow_redirects=False
            ) as response:
                body = await read_answer(response, _MOST_BYTES)
                if response.status != 200:
                    raise UpstreamFailure(Code.UNAVAILABLE, f"gave no token: {response.status}")
            answer = msgspec.json.decode(body, type=_Answer)
            life = float(answer.expires_in)
        except (
            aiohttp.ClientError,
            ConnectionLostError,
            TimeoutError,
            ValueError,
            TooLongError,
            BrokenCodingError,
        ) as error:
            raise UpstreamFailure(Code.UNAVAILABLE, f"gave no token: {type(error).__name__}") from None
        if answer.token_type.lower() != "bearer" or not answer.access_token.isascii() or not life > 0:
            raise UpstreamFailure(Code.UNAVAILABLE, "gave a token of another kind")
        now = self._clock()
        self._token = _Token(answer.access_token, now + life - max(life * _SHARE, min(_MARGIN, life / 2)), now + life)
        return self._token


def _seen(task: asyncio.Task[_Token]) -> None:
    """A renewal that fails while a token still serves is tried again by the next request."""
    if not task.cancelled():
        task.exception()
