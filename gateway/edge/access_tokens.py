"""OAuth2 client credentials (RFC 6749, 4.4): a key's Id and secret for a bearer token that ends soon, and with the key.

Nothing is kept of a token: it seals the digest of the secret that it was given for. A key that is disabled, deleted or
given another secret takes its tokens with it.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_plus

from aiohttp import web
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from gateway.edge.negotiation import invite_body, target_of
from gateway.edge.responses import SERVER
from gateway.errors import Code, Refusal
from gateway.upstream.bodies import coding_of, content_type

#: Where tokens are asked for, on the clients' listener and beside the service root.
PATH = "/oauth2/token"
#: How our tokens begin; secrets that we make begin otherwise.
PREFIX = "gwt_"
#: What is sealed beside a token, so that nothing else that is sealed under the same keys can be taken for one.
_PURPOSE = b"gateway access token"
_DIGEST, _EXPIRY, _NONCE = 32, 8, 8
_MOST_BODY = 8 * 1024
#: RFC 6749, 3.3.
_SCOPE = re.compile(r"[!#-\[\]-~]+( [!#-\[\]-~]+)*")


class AccessTokens:
    """Makes and reads tokens. ``keys`` are those of continuation tokens, ``lifetime`` is in seconds."""

    def __init__(self, keys: tuple[str, ...], lifetime: int) -> None:
        self._ciphers = [AESSIV(bytes.fromhex(key)) for key in keys]
        self.lifetime = lifetime

    def make(self, digest: str, now: float) -> str:
        """A token for the secret with a digest (hex), good for the lifetime from ``now`` (seconds since 1970)."""
        plain = bytes.fromhex(digest) + int(now + self.lifetime).to_bytes(_EXPIRY, "big") + secrets.token_bytes(_NONCE)
        sealed = self._ciphers[0].encrypt(plain, [_PURPOSE])
        return PREFIX + base64.urlsafe_b64encode(sealed).rstrip(b"=").decode("ascii")

    def read(self, token: str) -> tuple[str, float] | None:
        """The digest of the secret that a token was given for, and when it ends; None for what is no token of ours."""
        text = token.removeprefix(PREFIX)
        try:
            sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        if base64.urlsafe_b64encode(sealed).rstrip(b"=").decode("ascii") != text:
            return None  # one spelling of one token
        for cipher in self._ciphers:
            try:
                plain = cipher.decrypt(sealed, [_PURPOSE])
            except (InvalidTag, ValueError):
                continue
            return plain[:_DIGEST].hex(), float(int.from_bytes(plain[_DIGEST : _DIGEST + _EXPIRY], "big"))
        return None


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """``scope`` is what the client has asked for, None where it said nothing. There is one scope, so all are it."""

    client_id: str
    client_secret: str
    scope: str | None


class TokenError(Exception):
    """RFC 6749, 5.2: ``code`` is one of its words."""

    def __init__(self, code: str, description: str, status: int = 400, wait: int = 0) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.status = status
        self._wait = wait

    def response(self, request_id: str) -> web.Response:
        headers = {"WWW-Authenticate": 'Basic realm="RESO Web API"'} if self.status == 401 else {}
        if self._wait:
            headers["Retry-After"] = str(self._wait)
        return _response(self.status, {"error": self.code, "error_description": self.description}, request_id, headers)


def invalid_client() -> TokenError:
    """One answer for whoever is not a key with its secret."""
    return TokenError("invalid_client", "a valid client_id and client_secret are required", 401)


def too_many_attempts(wait: int) -> TokenError:
    """Refuse an address that has failed too often, whatever it sends; ``wait`` is in seconds. RFC 6749 has no word for
    that at the token endpoint, so it is the one of the authorization endpoint (4.1.2.1)."""
    message = "too many attempts from this address have failed"
    return TokenError("temporarily_unavailable", message, 429, wait)


async def read_token_request(request: web.BaseRequest) -> TokenRequest:
    """What a request for a token says.

    Raises:
        Refusal: 405 for another method.
        TokenError: it is none.
    """
    if request.method != "POST":
        raise Refusal(Code.METHOD_NOT_ALLOWED, "tokens are asked for by POST", headers={"Allow": "POST"})
    media_type, charset = content_type(request.headers.get("Content-Type", ""))
    encoding = coding_of(request.headers.getall("Content-Encoding", []))
    if media_type != "application/x-www-form-urlencoded" or charset not in ("", "utf-8") or encoding != "identity":
        raise TokenError("invalid_request", "the body must be application/x-www-form-urlencoded")
    if target_of(request).partition("?")[2].strip("&"):
        raise TokenError("invalid_request", "parameters belong into the body")  # addresses are in logs of others
    client = _of_header(request.headers.getall("Authorization", []))
    form = _form(await _body(request))
    if client is not None and "client_secret" in form:
        raise TokenError("invalid_request", "the client must authenticate in one way")
    if client is not None and form.get("client_id", client[0]) != client[0]:
        raise TokenError("invalid_request", "there are two client_id")
    grant = form.get("grant_type")
    if grant is None:
        raise TokenError("invalid_request", "grant_type is missing")
    if grant != "client_credentials":
        raise TokenError("unsupported_grant_type", "client_credentials is the one grant type here")
    scope = form.get("scope")
    if scope is not None and not (len(scope) <= 200 and _SCOPE.fullmatch(scope)):
        raise TokenError("invalid_scope", "the scope is none")
    identity, secret = client or (form.get("client_id", ""), form.get("client_secret", ""))
    return TokenRequest(identity, secret, scope)


async def _body(request: web.BaseRequest) -> bytes:
    raw = bytearray()
    if (request.content_length or 0) > _MOST_BODY:
        raise TokenError("invalid_request", "the body is too long")
    await invite_body(request)
    async for chunk in request.content.iter_any():
        raw += chunk
        if len(raw) > _MOST_BODY:
            raise TokenError("invalid_request", "the body is too long")
    return bytes(raw)


def _form(raw: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in raw.split(b"&") if raw else ():
        name, _, value = part.partition(b"=")
        try:
            key, text = (unquote_plus(piece.decode("ascii"), errors="strict") for piece in (name, value))
        except UnicodeDecodeError:
            raise TokenError("invalid_request", "the body is no form") from None
        if key in found:
            raise TokenError("invalid_request", "a parameter is given twice")
        if text:  # RFC 6749, 3.2: what has no value is not there
            found[key] = text
    return found


def _of_header(headers: list[str]) -> tuple[str, str] | None:
    """Id and secret of ``Authorization: Basic``, each of them form-encoded (RFC 6749, 2.3.1)."""
    if not headers:
        return None
    scheme, _, text = headers[0].partition(" ")
    if len(headers) > 1 or scheme.lower() != "basic":
        raise invalid_client()
    try:
        pair = base64.b64decode(text.strip(), validate=True).decode("utf-8")
        identity, _, secret = pair.partition(":")
        return unquote_plus(identity, errors="strict"), unquote_plus(secret, errors="strict")
    except (binascii.Error, ValueError):
        raise invalid_client() from None


def token_response(token: str, lifetime: int, scope: str | None, request_id: str) -> web.Response:
    """RFC 6749, 5.1."""
    body: dict[str, object] = {"access_token": token, "token_type": "Bearer", "expires_in": lifetime}
    return _response(200, body | ({"scope": scope} if scope is not None else {}), request_id, {})


def _response(status: int, body: Mapping[str, object], request_id: str, headers: Mapping[str, str]) -> web.Response:
    common = {
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
        "Pragma": "no-cache",
        "Server": SERVER,
        "X-Request-Id": request_id,
    }
    return web.Response(status=status, body=json.dumps(body).encode("ascii"), headers={**common, **headers})
