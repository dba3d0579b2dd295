"""Continuation tokens: a request and a position, sealed so that nobody can read, change, lend or outlive them (D10)."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from dataclasses import dataclass
from typing import TypedDict

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from gateway.errors import Code, Refusal, invalid_query
from gateway.odata.literals import parse_timestamp
from gateway.policy.decision import Position

#: Plain text is padded to a multiple of this, so that a length tells little (C287).
_BUCKET = 64
_MAX_PLAIN = 256 * 1024


@dataclass(frozen=True, slots=True)
class Continuation:
    """What a token seals: the canonical request (``Property?$filter=...``), and where to go on."""

    request: str
    position: Position


class _Sealed(TypedDict):
    """The plain text of a token: request, skip, top, the instant of now(), fingerprint, expiry."""

    r: str
    s: int
    t: int | None
    n: str
    f: str
    e: int


def _foreign() -> Refusal:
    return invalid_query("`$skiptoken` is not one of ours", "$skiptoken")


def _stale() -> Refusal:
    return Refusal(Code.GONE, "this link has expired; start again", target="$skiptoken")


class TokenSeal:
    """Seals under the first of its keys, opens under any: a rotation breaks no walk."""

    def __init__(self, keys: tuple[str, ...], lifetime: int) -> None:
        self._ciphers = [AESSIV(bytes.fromhex(key)) for key in keys]
        self._lifetime = lifetime

    def seal(self, continuation: Continuation, *, key_id: str, fingerprint: str, now: float) -> str:
        """A token for one key and one effective policy, good for the lifetime from ``now`` (seconds since 1970).

        Raises:
            Refusal: 414 for a request so long that it could not be opened again, however well it compresses.
        """
        sealed_request: _Sealed = {
            "r": continuation.request,
            "s": continuation.position.skip,
            "t": continuation.position.top,
            "n": str(continuation.position.now),
            "f": fingerprint,
            "e": int(now) + self._lifetime,
        }
        text = json.dumps(sealed_request, separators=(",", ":")).encode("utf-8")
        if len(text) > _MAX_PLAIN:
            raise Refusal(Code.URI_TOO_LONG, "the request does not fit a link")
        plain = zlib.compress(text, 9)
        framed = len(plain).to_bytes(4, "big") + plain
        padded = framed.ljust(-(-len(framed) // _BUCKET) * _BUCKET, b"\0")
        sealed = self._ciphers[0].encrypt(padded, [key_id.encode("utf-8")])
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode("ascii")

    def open(self, token: str, *, key_id: str, fingerprint: str, now: float) -> Continuation:
        """The sealed request and position.

        Raises:
            Refusal: 400 for whatever this key was not given, 410 for what it was given and is over.
        """
        data = self._unseal(token, key_id)
        if data["f"] != fingerprint or data["e"] < now:
            raise _stale()
        started = parse_timestamp(data["n"])
        assert started is not None  # we wrote it
        return Continuation(data["r"], Position(data["s"], data["t"], started))

    def _unseal(self, token: str, key_id: str) -> _Sealed:
        try:
            sealed = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, UnicodeEncodeError):
            raise _foreign() from None
        if base64.urlsafe_b64encode(sealed).rstrip(b"=").decode("ascii") != token:
            raise _foreign()  # one spelling of one token
        for cipher in self._ciphers:
            try:
                padded = cipher.decrypt(sealed, [key_id.encode("utf-8")])
            except (InvalidTag, ValueError):
                continue
            length = int.from_bytes(padded[:4], "big")
            plain = zlib.decompressobj().decompress(padded[4 : 4 + length], _MAX_PLAIN)
            sealed_request: _Sealed = json.loads(plain)  # we wrote it: the seal has just been checked
            return sealed_request
        raise _foreign()
