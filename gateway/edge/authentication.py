"""Who asks: exactly one bearer credential, in the header and nowhere else (C149, C314)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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


def authenticate(credentials: Sequence[str], keys: Mapping[str, ApiKey], pepper: str) -> ApiKey:
    """The key of the ``Authorization`` headers of a request.

    Raises:
        Refusal: 401, always the same.
    """
    if len(credentials) != 1 or len(credentials[0]) > _MAX_CREDENTIAL:
        raise unauthorized()
    scheme, _, secret = credentials[0].partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise unauthorized()
    key = api_keys.find(keys, secret.strip(), pepper)
    if key is None:
        raise unauthorized()
    return key
