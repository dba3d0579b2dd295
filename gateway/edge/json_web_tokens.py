"""Bearer tokens that another service has signed (RFC 7519): whose keys are trusted, and which claim names one of ours.

The library that checks signatures is an extra: ``pip install gateway[jwt]``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec

from gateway.errors import ConfigurationError, Fault, unavailable
from gateway.settings import JsonWebTokens
from gateway.upstream.bodies import BrokenCodingError, TooLongError, read_answer
from gateway.upstream.once import ConnectionLostError, sent_once

if TYPE_CHECKING:
    import jwt

_MOST_BYTES = 256 * 1024
_PATIENCE = 5.0
#: Seconds between two tries to read the keys, whatever makes one wish for them: nobody makes us ask more often.
_PAUSE = 10.0


#: Keys that the signature of one token is tried with.
_MOST_TRIED = 8
#: Algorithm to the type of its keys, and to the curves that it is bound to (RFC 7518, 3.1; RFC 8037, 3.1). A secret
#: that both sides know signs as well as it checks: such keys are not here.
_KINDS = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", ())),
    "ES256": ("EC", ("P-256",)),
    "ES384": ("EC", ("P-384",)),
    "ES512": ("EC", ("P-521",)),
    "EdDSA": ("OKP", ("Ed25519", "Ed448")),
}
_PUBLIC = ("kty", "n", "e", "crv", "x", "y")


@dataclass(frozen=True, slots=True)
class _PublishedKey:
    """A key of the issuer, ready for each algorithm that it may be used with. ``identity`` is its ``kid``."""

    identity: str | None
    by_algorithm: Mapping[str, jwt.PyJWK]


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
        self._keys: tuple[_PublishedKey, ...] | None = None
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
            identity, algorithm = header.get("kid"), header.get("alg")
            if algorithm not in settings.algorithms:
                return None, 0.0
            started = await self._current()
            claims = self._claims(token, identity, algorithm)
            if claims is None and not self._has(identity) and await self._renewed(started):
                claims = self._claims(token, identity, algorithm)
            if claims is None:
                return None, 0.0
            until = float(claims["exp"]) + settings.leeway
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
            return None, 0.0
        subject = claims.get(settings.claim)
        return (subject if isinstance(subject, str) and subject else None), until

    def _claims(self, token: str, identity: str | None, algorithm: str) -> dict[str, Any] | None:
        """Return the claims of a token that one of the fitting keys has signed, None where none has.

        A token that names no key may be signed by any (RFC 7517, 4.5: ``kid`` is optional, and several keys may have
        the same one).

        Raises:
            PyJWTError: the token is signed, and is not to be taken.
        """
        settings = self._settings
        fitting = [
            key.by_algorithm[algorithm]
            for key in self._keys or ()
            if algorithm in key.by_algorithm and (identity is None or key.identity == identity)
        ]
        for key in fitting[:_MOST_TRIED]:
            try:
                claims: dict[str, Any] = self._jwt.decode(
                    token,
                    key,
                    algorithms=[algorithm],
                    audience=settings.audience,
                    issuer=settings.issuer,
                    leeway=settings.leeway,
                    options={"require": ["exp", "iss", "aud"]},
                )
            except self._jwt.InvalidSignatureError:
                continue
            return claims
        return None

    def _has(self, identity: str | None) -> bool:
        """Return whether there is a key of this name: then a newer set of keys would not help."""
        return identity is not None and any(key.identity == identity for key in self._keys or ())

    async def _current(self) -> asyncio.Task[None] | None:
        """Make sure that there are keys; return the task that reads them anew, where this call has started one.

        Raises:
            Refusal: 503 where they have never been read.
        """
        if self._keys is None:
            started = self._refreshed() or self._reading
            if started is not None:
                await asyncio.shield(started)
            if self._keys is None:
                raise unavailable()
            return None
        return self._refreshed() if self._clock() - self._read_at > self._settings.refresh else None

    async def _renewed(self, started: asyncio.Task[None] | None) -> bool:
        """Read the keys anew for a token that none of them fits; return whether that was done.

        Only the request that starts the reading waits for it: no number of tokens that name unknown keys holds up
        another request.
        """
        started = started or self._refreshed()
        if started is not None:
            await asyncio.shield(started)
        return started is not None

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
                headers={"Accept-Encoding": "gzip", "Accept": "application/json"},
                middlewares=(sent_once,),
            )
        try:
            async with self._session.get(self._settings.jwks_url, allow_redirects=False) as response:
                raw = await read_answer(response, _MOST_BYTES)
                found = msgspec.json.decode(raw, type=dict[str, Any]) if response.status == 200 else {}
        except (
            aiohttp.ClientError, ConnectionLostError, TimeoutError, ValueError, TooLongError, BrokenCodingError,
        ):  # fmt: skip
            return
        entries = found.get("keys")
        if not isinstance(entries, list):
            return
        keys = [key for entry in entries if (key := self._published(entry)) is not None]
        self._keys, self._read_at = tuple(keys), self._clock()

    def _published(self, entry: object) -> _PublishedKey | None:
        """Return a key of the set with all algorithms that it may be used with; None for one that is not for us.

        ``alg``, ``use`` and ``key_ops`` are honoured where they are given (RFC 7517, 4.2 to 4.4). Only the public
        members of a key are looked at.
        """
        if not isinstance(entry, dict):
            return None
        identity, operations = entry.get("kid"), entry.get("key_ops")
        if not isinstance(identity, str | None) or entry.get("use") not in (None, "sig"):
            return None
        if operations is not None and not (isinstance(operations, list) and "verify" in operations):
            return None
        public = {name: entry[name] for name in _PUBLIC if name in entry}
        found: dict[str, jwt.PyJWK] = {}
        for algorithm in self._settings.algorithms:
            kind, curves = _KINDS[algorithm]
            if public.get("kty") != kind or entry.get("alg") not in (None, algorithm):
                continue
            if curves and public.get("crv") not in curves:
                continue
            try:
                found[algorithm] = self._jwt.PyJWK(public, algorithm)
            except Exception:  # noqa: BLE001, S112  # whatever the library raises: one that we cannot read is another's
                continue
        return _PublishedKey(identity, found)

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})
        if self._session is not None:
            await self._session.close()
