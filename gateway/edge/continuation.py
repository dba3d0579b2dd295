"""Continuation tokens: a request and a position, sealed so that nobody can read, change, lend or outlive them (D10)."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypedDict

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from gateway.errors import Code, Refusal, foreign_link, stale_link
from gateway.odata.literals import (
    Kind,
    Literal,
    Scalar,
    parse_date,
    parse_guid,
    parse_number,
    parse_time_of_day,
    parse_timestamp,
)
from gateway.policy.plan import Position

#: Plain text is padded to a multiple of this, so that a length tells little (C287).
_BUCKET = 64
_MAX_PLAIN = 256 * 1024
_NONCE = 16
#: Bytes of a position beside its values and its cursor.
_FIXED = 320


class TooLongError(Exception):
    """A position is longer than what was reserved for it: the upstream sent more than it declares."""


@dataclass(frozen=True, slots=True)
class Continuation:
    """What a token seals: the canonical request (``Property?$filter=...``) or, where the client sends it again as a
    body, its digest; and where to go on.

    ``trust`` names what the upstream was not trusted with: where a position counts rows that the key does not see, it
    means nothing under another trust. ``total`` is the number that the first page told.
    """

    request: str
    position: Position
    digest: str = ""
    trust: str = ""
    total: int | None = None


class _Place(TypedDict):
    """skip, top, the instant of now(), literals of the last record, the upstream's cursor, passed, trust, total."""

    s: int
    t: int | None
    n: str
    a: list[tuple[str, str]] | None
    c: str | None
    x: bool
    d: str
    k: int | None


class _Sealed(TypedDict):
    """request, its digest, fingerprint, expiry."""

    r: str
    b: str
    f: str
    e: int


class TokenSeal:
    """Seals under the first of its keys, opens under any: a rotation breaks no walk."""

    def __init__(self, keys: tuple[str, ...], lifetime: int) -> None:
        self._ciphers = [AESSIV(bytes.fromhex(key)) for key in keys]
        self._lifetime = lifetime

    def room(self, request: str, digest: str, reserve: int) -> int:
        """Characters of the longest token for a request, whose positions take at most ``reserve`` bytes of values and
        cursor: a matter of the request alone, decided before the upstream is asked (C362).

        Raises:
            Refusal: 414 for a request so long that it could not be opened again, however well it compresses.
        """
        head = _head(request, digest, "f" * 64, 10**10)
        return (_padded(len(head) + _FIXED + reserve) + 16 + 1 + _NONCE) * 4 // 3 + 4

    def seal(self, continuation: Continuation, *, key_id: str, fingerprint: str, now: float, reserve: int) -> str:
        """A token for one key and one effective policy, good for the lifetime from ``now`` (seconds since 1970).

        Equal continuations give equal tokens, but where the position may tell of rows that the key does not see:
        those are sealed with a nonce and all of one length (C286, C287).

        Raises:
            TooLongError: the position is longer than ``reserve`` allows.
        """
        position = continuation.position
        place: _Place = {
            "s": position.skip,
            "t": position.top,
            "n": str(position.now),
            "a": None if position.after is None else [_written(literal) for literal in position.after],
            "c": position.cursor,
            "x": position.passed,
            "d": continuation.trust if position.passed else "",
            "k": continuation.total,
        }
        head = _head(continuation.request, continuation.digest, fingerprint, int(now) + self._lifetime)
        tail = json.dumps(place, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
        if len(tail) > _FIXED + reserve:
            raise TooLongError("the place where the page ends is longer than what its fields are declared to hold")
        longest = _FIXED + reserve if position.passed else len(tail)
        plain = (head + tail).ljust(_padded(len(head) + longest), b"\0")
        nonce = secrets.token_bytes(_NONCE) if position.passed else b""
        sealed = bytes([len(nonce)]) + nonce + self._ciphers[0].encrypt(plain, [key_id.encode("utf-8"), nonce])
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode("ascii")

    def open(self, token: str, *, key_id: str, fingerprint: str, now: float) -> Continuation:
        """The sealed request and position.

        Raises:
            Refusal: 400 for whatever this key was not given, 410 for what it was given and is over.
        """
        sealed, place = self._unseal(token, key_id)
        if sealed["f"] != fingerprint or sealed["e"] < now:
            raise stale_link()
        started = parse_timestamp(place["n"])
        assert started is not None  # we wrote it
        after = None if place["a"] is None else tuple(_read(kind, text) for kind, text in place["a"])
        position = Position(place["s"], place["t"], started, after, place["c"], place["x"])
        return Continuation(sealed["r"], position, sealed["b"], place["d"], place["k"])

    def _unseal(self, token: str, key_id: str) -> tuple[_Sealed, _Place]:
        try:
            data = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, UnicodeEncodeError):
            raise foreign_link() from None
        if not data or base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii") != token:
            raise foreign_link()  # one spelling of one token
        nonce, cipher_text = data[1 : 1 + data[0]], data[1 + data[0] :]
        for cipher in self._ciphers:
            try:
                plain = cipher.decrypt(cipher_text, [key_id.encode("utf-8"), nonce])
            except (InvalidTag, ValueError):
                continue
            length = int.from_bytes(plain[:4], "big")
            head = zlib.decompressobj().decompress(plain[4 : 4 + length], _MAX_PLAIN)
            # We wrote both: the seal has just been checked.
            sealed: _Sealed = json.loads(head)
            place: _Place = json.loads(plain[4 + length :].rstrip(b"\0"))
            return sealed, place
        raise foreign_link()


def _head(request: str, digest: str, fingerprint: str, expiry: int) -> bytes:
    sealed: _Sealed = {"r": request, "b": digest, "f": fingerprint, "e": expiry}
    text = json.dumps(sealed, separators=(",", ":")).encode("utf-8")
    if len(text) > _MAX_PLAIN:
        raise Refusal(Code.URI_TOO_LONG, "the request does not fit a link")
    packed = zlib.compress(text, 9)
    return len(packed).to_bytes(4, "big") + packed


#: Kind of literal to what reads its text again.
_READERS: Mapping[Kind, Callable[[str], Scalar]] = {
    Kind.NULL: lambda text: None,
    Kind.STRING: str,
    Kind.NUMBER: parse_number,
    Kind.GUID: parse_guid,
    Kind.DATE: parse_date,
    Kind.DATE_TIME_OFFSET: parse_timestamp,
    Kind.TIME_OF_DAY: parse_time_of_day,
}


def _written(literal: Literal) -> tuple[str, str]:
    return literal.kind.value, str(literal.value)


def _read(kind: str, text: str) -> Literal:
    return Literal(Kind(kind), _READERS[Kind(kind)](text))


def _padded(length: int) -> int:
    return -(-length // _BUCKET) * _BUCKET
