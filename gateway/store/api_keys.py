"""API keys: secrets are kept as digests under a pepper, and looked up by digest (P11)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from gateway.policy.documents import PrivilegeName
from gateway.settings import Network

#: Prefix of secrets that we make; it lets scanners of source code find one that got out.
SECRET_PREFIX = "gwk_"  # noqa: S105  # a mark, no secret


class KeyBindings(BaseModel):
    """Who the holder of a key is: what ``@MemberKey`` and ``@OfficeKey`` in rules stand for."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    MemberKey: Annotated[str | None, Field(max_length=255)] = None
    OfficeKey: Annotated[str | None, Field(max_length=255)] = None

    @property
    def values(self) -> dict[str, str]:
        return {name: value for name, value in self.model_dump().items() if value is not None}


Permission = Literal["manage_templates", "manage_keys", "manage_trust"]
#: The role whose keys may be given permissions: staff of the MLS and of its associations.
STAFF_ROLE = "private"


class KeyGrant(BaseModel):
    """What a key may: a template or a bare role, never both, and who holds it.

    ``Permissions`` are for keys of the Private role without a template; ``AssociationId`` is the association whose
    staff hold the key, none for those of the MLS. ``Addresses`` are the networks from which it may be used, None for
    any network; an empty list is a fault, and a stored one means that nobody can use the key. ``Subject`` is what a
    JSON Web Token calls its holder. ``Privileges`` are for any key: they show what no
    template or role shows by itself, and open no path of the admin API.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    Template: str | None = None
    Role: str | None = None
    Owner: Annotated[str, Field(max_length=255)] = ""
    Enabled: bool = True
    Bindings: KeyBindings = KeyBindings()
    Permissions: Annotated[tuple[Permission, ...], Field(max_length=10)] = ()
    Privileges: Annotated[tuple[PrivilegeName, ...], Field(max_length=10)] = ()
    Addresses: Annotated[tuple[Network, ...], Field(max_length=100)] | None = None
    Subject: Annotated[str | None, Field(min_length=1, max_length=255)] = None

    def faults(self) -> list[tuple[tuple[str, ...], str]]:
        """What is wrong with the grant in itself: places and messages."""
        found: list[tuple[tuple[str, ...], str]] = []
        if (self.Template is None) == (self.Role is None):
            found.append(((), "must have either a Template or a Role"))
        if self.Permissions and (self.Template is not None or self.Role != STAFF_ROLE):
            found.append((("Permissions",), f"are for keys of the bare role `{STAFF_ROLE}`"))
        if self.Addresses == ():
            found.append((("Addresses",), "must not be empty: name a network, or leave it out for any"))
        for name, value in self.Bindings.values.items():
            if not value:
                found.append((("Bindings", name), "must not be empty: leave it out for a key without one"))
        return found


class ApiKey(KeyGrant):
    """One entry of keys.yaml. ``Digest`` is what ``gateway keys new`` printed; the secret itself is nowhere.

    ``OldDigest`` is that of the secret before a rotation, and taken until ``OldUntil``.
    """

    Id: Annotated[str, Field(min_length=1, max_length=100)]
    Digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", repr=False)]
    OldDigest: Annotated[str | None, Field(pattern=r"^[0-9a-f]{64}$", repr=False)] = None
    OldUntil: AwareDatetime | None = None
    MlsId: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    AssociationId: Annotated[str, Field(min_length=1, max_length=100)] | None = None

    @property
    def digests(self) -> tuple[str, ...]:
        return (self.Digest,) if self.OldDigest is None else (self.Digest, self.OldDigest)


class KeysDocument(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    Keys: tuple[ApiKey, ...] = ()


def digest(secret: str, pepper: str) -> str:
    """HMAC-SHA256 of a secret under the pepper, as hex. Fast on purpose: a slow hash per request is a denial of
    service, and our secrets have 256 bits."""
    return hmac.new(pepper.encode("utf-8"), secret.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()


def new_secret() -> str:
    return SECRET_PREFIX + secrets.token_urlsafe(32)


def find(keys: Mapping[str, ApiKey], presented: str, now: datetime) -> ApiKey | None:
    """The key of a secret by its digest, enabled or not. Time tells nothing: a keyed digest is looked up, and compared
    in constant time. The secret before a rotation counts until its moment."""
    key = keys.get(presented)
    if key is None:
        return None
    if hmac.compare_digest(key.Digest, presented):
        return key
    old = key.OldDigest is not None and hmac.compare_digest(key.OldDigest, presented)
    return key if old and key.OldUntil is not None and now < key.OldUntil else None
