"""Who asks: exactly one bearer credential, in the header and nowhere else (C149, C314).

A credential is read once: it is a key's secret, a token that was given for one, or a JSON Web Token of somebody whose
signature is trusted. What it stands for is looked up among the keys of the moment, as often as somebody wants to know.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from gateway.edge.access_tokens import PREFIX, AccessTokens
from gateway.edge.addresses import Address, client_address, is_in
from gateway.edge.json_web_tokens import WebTokens
from gateway.errors import Code, Refusal
from gateway.store import api_keys
from gateway.store.api_keys import ApiKey
from gateway.store.configuration import Configuration

_MAX_CREDENTIAL = 4096


def unauthorized() -> Refusal:
    """One body and one challenge for a missing, malformed, unknown, disabled or deleted key."""
    return Refusal(
        Code.UNAUTHORIZED,
        "a valid API key is required",
        headers={"WWW-Authenticate": 'Bearer realm="RESO Web API"'},
    )


class DeniedError(Exception):
    """No key stands behind a request. What it says is for operators: clients learn nothing of it."""


def bearer(credentials: Sequence[str]) -> str | None:
    """The secret in the ``Authorization`` headers of a request, if there is exactly one."""
    if len(credentials) != 1 or len(credentials[0]) > _MAX_CREDENTIAL:
        return None
    scheme, _, secret = credentials[0].partition(" ")
    return secret.strip() or None if scheme.lower() == "bearer" else None


@dataclass(frozen=True, slots=True)
class Credential:
    """What a request has shown: the digest of a secret, or the subject of a JSON Web Token; until when that is good
    (seconds since 1970), and where the request came from."""

    digest: str = ""
    subject: str = ""
    until: float = math.inf
    address: Address | None = None


class Authenticator:
    """Reads credentials, and finds their keys. ``clock`` gives seconds since 1970."""

    def __init__(self, configuration: Configuration, clock: Callable[[], float]) -> None:
        """
        Raises:
            ConfigurationError: JSON Web Tokens are set, and the library that reads them is not installed.
        """
        security = configuration.settings.security
        self._pepper = configuration.secrets.key_pepper or ""
        self._trusted = security.trusted_proxies
        self._clock = clock
        self.tokens = (
            AccessTokens(configuration.secrets.token_keys, security.access_token_lifetime)
            if security.access_token_lifetime and configuration.secrets.token_keys
            else None
        )
        self._web_tokens = WebTokens(security.jwt) if security.jwt is not None else None
        self._subjects: tuple[Mapping[str, ApiKey], dict[str, ApiKey]] = ({}, {})

    async def close(self) -> None:
        if self._web_tokens is not None:
            await self._web_tokens.close()

    def address(self, request: web.BaseRequest) -> Address | None:
        """Where a request comes from; None where nobody who is trusted says it."""
        return client_address(request.remote, request.headers.getall("X-Forwarded-For", []), self._trusted)

    async def read(self, request: web.BaseRequest) -> Credential:
        """
        Raises:
            DeniedError: there is no credential, or none that could stand for a key.
            Refusal: 503 where a signature cannot be checked at present.
        """
        secret = bearer(request.headers.getall("Authorization", []))
        address = self.address(request)
        if secret is None:
            raise DeniedError("no bearer credential")
        if self.tokens is not None and secret.startswith(PREFIX):
            found = self.tokens.read(secret)
            if found is None:
                raise DeniedError("no access token of this service")
            return Credential(digest=found[0], until=found[1], address=address)
        if self._web_tokens is not None and self._web_tokens.is_one(secret):
            subject, until = await self._web_tokens.read(secret)
            if subject is None:
                raise DeniedError("no JSON Web Token that is taken here")
            return Credential(subject=subject, until=until, address=address)
        return self.of_secret(secret, address)

    def of_secret(self, secret: str, address: Address | None) -> Credential:
        return Credential(digest=api_keys.digest(secret, self._pepper), address=address)

    def find(self, credential: Credential, keys: Mapping[str, ApiKey]) -> ApiKey:
        """The key that a credential stands for, enabled or not.

        Args:
            keys: by digest.

        Raises:
            DeniedError: there is none, or it is not to be used from there.
        """
        now = self._clock()
        if now >= credential.until:
            raise DeniedError("the token has ended")
        key = (
            self._of_subject(credential.subject, keys)
            if credential.subject
            else api_keys.find(keys, credential.digest, datetime.fromtimestamp(now, UTC))
        )
        if key is None:
            raise DeniedError("no such key")
        if key.Addresses is not None and not is_in(credential.address, key.Addresses):
            raise DeniedError(f"the key `{key.Id}` is not to be used from {credential.address or 'there'}")
        return key

    def _of_subject(self, subject: str, keys: Mapping[str, ApiKey]) -> ApiKey | None:
        if self._subjects[0] is not keys:
            self._subjects = (keys, _by_subject(keys))
        return self._subjects[1].get(subject)


def _by_subject(keys: Mapping[str, ApiKey]) -> dict[str, ApiKey]:
    """A subject that two keys have stands for none of them."""
    found: dict[str, ApiKey] = {}
    contested = set()
    for key in keys.values():
        if key.Subject is None:
            continue
        if found.setdefault(key.Subject, key).Id != key.Id:
            contested.add(key.Subject)
    return {subject: key for subject, key in found.items() if subject not in contested}
