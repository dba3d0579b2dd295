"""Who asks: exactly one bearer credential, in the header and nowhere else (C149, C314)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from gateway.errors import Code, Refusal
from gateway.store import api_keys
from gateway.store.api_keys import ApiKey

_MAX_CREDENTIAL = 4096


def unauthorized() -> Refusal:
    """One body and one challenge for a missing, malformed, unknown, disabled or deleted key."""
    return Refusal(
        Code.UNAUTHORIZED,
        "a valid API key is required",
        headers={"WWW-Authenticate": 'Bearer realm="RESO Web API"'},
    )


def bearer(credentials: Sequence[str]) -> str | None:
    """The secret in the ``Authorization`` headers of a request, if there is exactly one."""
    if len(credentials) != 1 or len(credentials[0]) > _MAX_CREDENTIAL:
        return None
    scheme, _, secret = credentials[0].partition(" ")
    return secret.strip() or None if scheme.lower() == "bearer" else None


def authenticate(credentials: Sequence[str], keys: Mapping[str, ApiKey], pepper: str, now: datetime) -> ApiKey:
    """The enabled key of the ``Authorization`` headers of a request.

    Raises:
        Refusal: 401, always the same.
    """
    secret = bearer(credentials)
    key = api_keys.find(keys, secret, pepper, now) if secret is not None else None
    if key is None or not key.Enabled:
        raise unauthorized()
    return key
