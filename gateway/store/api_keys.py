"""API keys: secrets are kept as digests under a pepper, and looked up by digest (P11)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

#: Prefix of secrets that we make; it lets scanners of source code find one that got out.
SECRET_PREFIX = "gwk_"  # noqa: S105  # a mark, no secret


class KeyBindings(BaseModel):
    """Who the holder of a key is: what ``@MemberKey`` and ``@OfficeKey`` in rules stand for."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    MemberKey: str | None = None
    OfficeKey: str | None = None

    @property
    def values(self) -> dict[str, str]:
        return {name: value for name, value in self.model_dump().items() if value is not None}


class ApiKey(BaseModel):
    """One entry of keys.yaml. ``Digest`` is what ``gateway keys new`` printed; the secret itself is nowhere.

    A key has a template or a bare role, never both.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    Id: Annotated[str, Field(min_length=1, max_length=100)]
    Digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    Template: str | None = None
    Role: str | None = None
    Owner: str = ""
    Enabled: bool = True
    Bindings: KeyBindings = KeyBindings()


class KeysDocument(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    Keys: tuple[ApiKey, ...] = ()


def digest(secret: str, pepper: str) -> str:
    """HMAC-SHA256 of a secret under the pepper, as hex. Fast on purpose: a slow hash per request is a denial of
    service, and our secrets have 256 bits."""
    return hmac.new(pepper.encode("utf-8"), secret.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()


def new_secret() -> str:
    return SECRET_PREFIX + secrets.token_urlsafe(32)


def find(keys: Mapping[str, ApiKey], secret: str, pepper: str) -> ApiKey | None:
    """The enabled key of a secret. Time tells nothing: a keyed digest is looked up, and compared in constant time."""
    presented = digest(secret, pepper)
    key = keys.get(presented)
    if key is None or not hmac.compare_digest(key.Digest, presented) or not key.Enabled:
        return None
    return key
