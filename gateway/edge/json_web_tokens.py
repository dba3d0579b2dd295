"""Bearer tokens that another service has signed (RFC 7519): whose keys are trusted, and which claim names one of ours.

The library that checks signatures is an extra: ``pip install gateway[jwt]``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec

from gateway.errors import ConfigurationError, Fault, unavailable
from gateway.settings import JsonWebTokens
from gateway.upstream.bodies import TooLongError, read_bounded

if TYPE_CHECKING:
    import jwt

_MOST_BYTES = 256 * 1024
_PATIENCE = 5.0
#: Seconds between two tries to read the keys, whatever makes one wish for them: nobody makes us ask more often.
_PAUSE = 10.0


class WebTokens:
    """Checks tokens against the keys that their issuer publishes, which are read when they are needed and again every
    ``refresh`` seconds. ``clock`` is monotonic, in seconds."""

    def __init__(self, settings: JsonWebTokens, clock: Callable[[], float] = time.monotonic) -> None:
        """
        Raises:
            ConfigurationError: the library is not installed.
        """
        try:
            import jwt  # noqa: PLC0415  # an extra
        except ImportError:
            message = "needs what `pip install gateway[jwt]` installs"
            raise ConfigurationError([Fault("gateway.yaml", 0, ("security", "jwt"), message)]) from None
        self._jwt = jwt
        self._settings = settings
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] | None = None
        self._read_at = self._tried_at = -float("inf")
        self._reading: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None

    def is_one(self, secret: str) -> bool:
        """Whether a credential has the form of a signed token."""
        return secret.count(".") == 2 and secret.startswith("eyJ") and secret.isascii()

    async def read(self, token: str) -> tuple[str | None, float]:
        """The subject that a token names, None for one that is not to be taken; and when it ends, in seconds since
        1970.

        Raises:
            Refusal: 503 where the keys of its issuer have never been read.
        """
        settings, jwt = self._settings, self._jwt
        try:
            header = jwt.get_unverified_header(token)
            key = await self._key(str(header.get("kid", "")))
            if key is None:
                return None, 0.0
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=list(settings.algorithms),
                audience=settings.audience,
                issuer=settings.issuer,
                leeway=settings.leeway,
                options={"require": ["exp", "iss", "aud"]},
            )
            until = float(claims["exp"]) + settings.leeway
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
            return None, 0.0
        subject = claims.get(settings.claim)
        return (subject if isinstance(subject, str) and subject else None), until

    async def _key(self, identity: str) -> jwt.PyJWK | None:
        known = self._keys is not None and identity in self._keys
        if not known or self._clock() - self._read_at > self._settings.refresh:
            started = self._refreshed()
            # Only who cannot be answered without them waits for keys; and once there are some, nobody behind somebody
            # else: no number of tokens that name unknown keys holds up anything.
            waited_for = started or (self._reading if self._keys is None else None)
            if waited_for is not None and not known:
                await asyncio.shield(waited_for)
        if self._keys is None:
            raise unavailable()
        return self._keys.get(identity)

    def _refreshed(self) -> asyncio.Task[None] | None:
        """Reads the keys anew, unless that is under way, or was tried just now."""
        if self._reading is not None and not self._reading.done():
            return None
        if self._clock() - self._tried_at < _PAUSE:
            return None
        self._tried_at = self._clock()
        self._reading = asyncio.create_task(self._fetch())
        return self._reading

    async def _fetch(self) -> None:
        """Reads the keys anew; those of before stay where that fails."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=_PATIENCE),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,  # it inflates without a bound
                headers={"Accept-Encoding": "identity", "Accept": "application/json"},
            )
        try:
            async with self._session.get(self._settings.jwks_url, allow_redirects=False) as response:
                raw = await read_bounded(response.content, "identity", _MOST_BYTES)
                found = msgspec.json.decode(raw, type=dict[str, Any]) if response.status == 200 else {}
        except (aiohttp.ClientError, TimeoutError, ValueError, TooLongError):
            return
        entries = found.get("keys")
        if not isinstance(entries, list):
            return
        keys: dict[str, jwt.PyJWK] = {}
        for entry in entries:
            try:
                # A secret that both sides know signs as well as it checks: such keys are no keys here.
                if isinstance(entry, dict) and entry.get("kty") != "oct" and entry.get("use", "sig") == "sig":
                    keys[str(entry.get("kid", ""))] = self._jwt.PyJWK(entry)
            except Exception:  # noqa: BLE001, S112  # whatever the library raises: one that we cannot read is another's
                continue
        self._keys, self._read_at = keys, self._clock()

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})
        if self._session is not None:
            await self._session.close()
