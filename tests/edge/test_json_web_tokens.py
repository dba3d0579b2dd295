"""JSON Web Tokens of another issuer, and the keys that it publishes: here by a server of the test's own."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from gateway.sandbox.rows import make_tables
from gateway.sandbox.server import Sandbox
from tests.support import (
    CONFIG,
    ROOT,
    Harness,
    configuration,
    key_file,
    running,
    sandbox_running,
    until,
    write_configuration,
)

ISSUER, AUDIENCE = "https://login.example", "reso"
SIGNER = rsa.generate_private_key(65537, 2048)
STRANGER = rsa.generate_private_key(65537, 2048)
CURVE = ec.generate_private_key(ec.SECP256R1())


@dataclass
class Issuer:
    keys: list[Any] = field(default_factory=list)
    status: int = 200
    asked: int = 0
    url: str = ""

    #: Answers wait for it.
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)
    #: Whether the keys come in two pieces.
    is_slow: bool = False

    #: Whether the connection ends in place of an answer, and whether answers are compressed.
    hangs_up: bool = False
    is_pressed: bool = False

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked += 1
        if self.hangs_up:
            assert request.transport is not None
            request.transport.abort()
        if self.is_pressed:
            body = gzip.compress(json.dumps({"keys": self.keys}).encode())
            return web.Response(body=body, headers={"Content-Encoding": "gzip"}, content_type="application/json")
        await self.goes_on.wait()
        response = web.StreamResponse(status=self.status, headers={"Content-Type": "application/json"})
        await response.prepare(request)
        body = json.dumps({"keys": self.keys}).encode()
        for part in (body[:20], body[20:]):
            await response.write(part)
            await asyncio.sleep(0.05 if self.is_slow else 0)
        return response


def published(identity: str | None = "one", key: rsa.RSAPrivateKey = SIGNER, **more: Any) -> dict[str, Any]:
    return {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": identity, "alg": "RS256", **more}


@asynccontextmanager
async def issuing(*keys: dict[str, Any]) -> AsyncIterator[Issuer]:
    issuer = Issuer(list(keys))
    issuer.goes_on.set()
    runner = web.ServerRunner(web.Server(issuer.answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    issuer.url = f"http://127.0.0.1:{runner.addresses[0][1]}/jwks"
    try:
        yield issuer
    finally:
        await runner.cleanup()


@asynccontextmanager
async def gateway_of(directory: Path, issuer: Issuer, more: str = "", **keys: str) -> AsyncIterator[Harness]:
    found = f"\nsecurity:\n  jwt: {{issuer: '{ISSUER}', audience: {AUDIENCE}, jwks_url: '{issuer.url}'{more}}}\n"
    text = (CONFIG / "gateway.yaml").read_text(encoding="utf-8") + found
    named = keys or {"reader": "Role: private\n    Subject: portal-7", "other": "Role: private"}
    write_configuration(directory, {"keys.yaml": key_file(**named), "gateway.yaml": text})
    async with (
        sandbox_running(Sandbox(make_tables(listings=5))) as sandbox,
        running(configuration(directory, sandbox.url), clock=time.time()) as gateway,
    ):
        yield gateway


def token(key: Any = SIGNER, algorithm: str = "RS256", identity: str | None = "one", **claims: Any) -> str:
    """A good token but for what is said; a claim of None is left out, and so is a ``kid`` of None."""
    said = {"iss": ISSUER, "aud": AUDIENCE, "exp": int(time.time()) + 300, "client_id": "portal-7", **claims}
    return jwt.encode(
        {name: value for name, value in said.items() if value is not None}, key, algorithm,
        headers={} if identity is None else {"kid": identity},
    )  # fmt: skip


async def asked(gateway: Harness, secret: str) -> int:
    return (await gateway.request("GET", f"{ROOT}/Property?$top=1&$select=ListingKey", secret)).status


async def test_a_claim_names_the_key(directory: Path) -> None:
    async with issuing(published()) as issuer, gateway_of(directory, issuer) as gateway:
        found = [await asked(gateway, secret) for secret in (token(), "reader", token())]
        events = gateway.handled

    assert found == [200, 200, 200]
    assert [event.key_id for event in events] == ["reader"] * 3
    assert issuer.asked == 1


def _unsigned() -> str:
    return jwt.encode(
        {"iss": ISSUER, "aud": AUDIENCE, "exp": int(time.time()) + 300, "client_id": "portal-7"}, "", "none"
    )


def _symmetric() -> str:
    """Signed with the published key as if it were a secret that both sides know."""
    header, body = ({"alg": "HS256", "typ": "JWT", "kid": "one"}, {"iss": ISSUER, "aud": AUDIENCE, "exp": int(time.time()) + 300, "client_id": "portal-7"})  # fmt: skip
    import base64
    import hashlib
    import hmac

    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    def packed(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    text = f"{packed(json.dumps(header).encode())}.{packed(json.dumps(body).encode())}"
    secret = SIGNER.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return f"{text}.{packed(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"


async def test_tokens_that_are_not_to_be_taken(directory: Path) -> None:
    candidates = {
        "a stranger's": token(STRANGER),
        "of another issuer": token(iss="https://other.example"),
        "for somebody else": token(aud="billing"),
        "over": token(exp=int(time.time()) - 120),
        "not yet": token(nbf=int(time.time()) + 120),
        "without an end": token(exp=None),
        "without an audience": token(aud=None),
        "without the claim": token(client_id=None),
        "a claim of another kind": token(client_id=7),
        "of nobody's": token(client_id="portal-8"),
        "the key's Id in place of its subject": token(client_id="reader"),
        "unsigned": _unsigned(),
        "signed with what is public": _symmetric(),
        "an algorithm that is not offered": token(algorithm="RS512"),
        "an unknown key": token(identity="two"),
        "cut": token()[:-8],
        "nonsense": "eyJ.x.y",
    }
    async with issuing(published()) as issuer, gateway_of(directory, issuer) as gateway:
        found = {name: await asked(gateway, secret) for name, secret in candidates.items()}

    assert found == dict.fromkeys(candidates, 401)


async def test_a_disabled_key_and_a_foreign_address_end_tokens(directory: Path) -> None:
    keys = {
        "off": "Role: private\n    Subject: portal-7\n    Enabled: false",
        "far": "Role: private\n    Subject: portal-8\n    Addresses: [192.0.2.0/24]",
    }
    async with issuing(published()) as issuer, gateway_of(directory, issuer, **keys) as gateway:
        found = [await asked(gateway, token(client_id=subject)) for subject in ("portal-7", "portal-8")]

    assert found == [401, 401]


async def test_a_new_key_of_the_issuer_is_read_when_it_is_met(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.edge.json_web_tokens._PAUSE", 0.0)
    curve = {**ECAlgorithm.to_jwk(CURVE.public_key(), as_dict=True), "kid": "two", "alg": "ES256"}
    async with issuing(published()) as issuer, gateway_of(directory, issuer) as gateway:
        before = await asked(gateway, token(CURVE, "ES256", "two"))
        issuer.keys = [curve]
        after = await asked(gateway, token(CURVE, "ES256", "two"))
        old = await asked(gateway, token())

    assert (before, after, old) == (401, 200, 401)


async def test_nobody_makes_the_gateway_ask_often(directory: Path) -> None:
    async with issuing(published()) as issuer, gateway_of(directory, issuer) as gateway:
        for number in range(20):
            await asked(gateway, token(identity=f"unknown-{number}"))

    assert issuer.asked == 1


async def test_an_issuer_that_is_away(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 before its keys were ever read; after that the keys of before are good."""
    monkeypatch.setattr("gateway.edge.json_web_tokens._PAUSE", 0.0)
    async with issuing(published()) as issuer, gateway_of(directory, issuer) as gateway:
        issuer.status = 500
        before = await asked(gateway, token())
        secret = await asked(gateway, "reader")
        issuer.status = 200
        there = await asked(gateway, token())
        issuer.status = 500
        unknown = await asked(gateway, token(identity="two"))
        away = await asked(gateway, token())

    assert (before, secret, there, unknown, away) == (503, 200, 200, 401, 200)


@pytest.mark.channel("C149")
async def test_a_shared_secret_is_no_key(directory: Path) -> None:
    """Whoever can check such a signature can make it. And a published key is no secret, though some libraries took it
    for one."""
    secret = b"secret-secret-secret-secret-secret"
    text = base64.urlsafe_b64encode(secret).rstrip(b"=").decode()
    shared = {"kty": "oct", "k": text, "kid": "one", "alg": "HS256"}
    async with issuing(shared, published("two")) as issuer, gateway_of(directory, issuer) as gateway:
        by_secret = await asked(gateway, token(secret, "HS256", "one"))
        by_public = await asked(gateway, token(base64.urlsafe_b64decode(published()["n"] + "=="), "HS256", "two"))
        good = await asked(gateway, token(identity="two"))

    assert (by_secret, by_public, good) == (401, 401, 200)


async def test_a_key_for_encryption_checks_no_signature(directory: Path) -> None:
    keys = (published("one", use="enc"), published("two", use="sig"), published("three", key_ops=["encrypt"]))
    async with issuing(*keys) as issuer, gateway_of(directory, issuer) as gateway:
        found = [await asked(gateway, token(identity=identity)) for identity in ("one", "two", "three")]

    assert found == [401, 200, 401]


@pytest.mark.channel("C257")
async def test_a_token_that_breaks_the_library_is_no_token_and_in_no_log(directory: Path) -> None:
    async with issuing(published()) as issuer, gateway_of(directory, issuer) as gateway:
        good = token()
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.service.listener.port)
        head = f"GET {ROOT}/Property HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {good}"
        writer.write(head.encode() + b"\xff\r\n\r\n")
        found = [(await reader.read())[9:12], await asked(gateway, token(exp=10**400))]
        writer.close()
        told = repr(gateway.events)

    assert found == [b"401", 401]
    assert good not in told


async def test_keys_that_come_in_pieces_and_beside_odd_ones_are_read(directory: Path) -> None:
    odd: list[Any] = [{"kty": "RSA", "alg": "none"}, {"kty": "RSA", "alg": ["RS256"]}, {"kty": 7}, 7]
    async with issuing() as issuer, gateway_of(directory, issuer) as gateway:
        issuer.keys, issuer.is_slow = [*odd, published()], True

        assert await asked(gateway, token()) == 200


async def test_an_issuer_that_hangs_holds_up_nobody_whose_key_is_known(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.edge.json_web_tokens._PAUSE", 0.0)
    async with issuing(published()) as issuer, gateway_of(directory, issuer) as gateway:
        await asked(gateway, token())
        issuer.goes_on.clear()
        waiting = asyncio.create_task(asked(gateway, token(identity="unknown")))
        await until(lambda: issuer.asked == 2)
        async with asyncio.timeout(4):
            found = [await asked(gateway, token(identity=identity)) for identity in ("one", "unknown", "one")]
        issuer.goes_on.set()
        last = await waiting

    assert (found, last) == ([200, 401, 200], 401)


def bare(identity: Any = ..., key: Any = SIGNER, **more: Any) -> dict[str, Any]:
    """A published key with no more than it must have."""
    writer: Any = OKPAlgorithm
    if isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        writer = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    found = {name: value for name, value in writer.to_jwk(key.public_key(), as_dict=True).items() if name != "key_ops"}
    return {**found, **({} if identity is ... else {"kid": identity}), **more}


_ED, _P384 = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP384R1())
_ANY = ", algorithms: [RS256, RS512, PS256, ES256, ES384, EdDSA]"


@pytest.mark.parametrize(
    ("keys", "shown"),
    [
        ([published()], token(identity=None)),
        ([published(None)], token(identity=None)),
        ([bare()], token(identity=None)),
        ([bare(key=STRANGER), bare()], token(identity=None)),
        ([bare("a", STRANGER), bare("b")], token(identity=None)),
        ([bare(), bare("", CURVE)], token(CURVE, "ES256", None)),
        ([bare("one", STRANGER), bare("one")], token()),
        ([bare("one", CURVE), bare("one")], token()),
        ([bare("one")], token(algorithm="RS512")),
        ([bare("one")], token(algorithm="PS256")),
        ([bare("one", _P384)], token(_P384, "ES384")),
        ([bare("one", _ED)], token(_ED, "EdDSA")),
        ([bare("one", alg=None, use=None, key_ops=None)], token()),
        ([bare("one", use="sig", key_ops=["sign", "verify"])], token()),
        ([{"kty": "future", "kid": "one"}, {"kid": "one"}, bare("one")], token()),
        ([{"kty": "OKP", "crv": "X25519", "x": "AAAA", "kid": "one"}, bare("one", _ED)], token(_ED, "EdDSA")),
    ],
)  # fmt: skip
async def test_a_token_is_tried_with_every_key_that_may_have_signed_it(
    directory: Path, keys: list[dict[str, Any]], shown: str
) -> None:
    """RFC 7517, 4.5: neither a key nor a token must have a ``kid``, and several keys may have one."""
    async with issuing(*keys) as issuer, gateway_of(directory, issuer, _ANY) as gateway:
        assert await asked(gateway, shown) == 200


@pytest.mark.parametrize(
    ("keys", "shown"),
    [
        ([bare()], token(STRANGER, identity=None)),
        ([bare("two")], token()),
        ([bare()], token()),
        ([bare("one", alg="RS512")], token()),
        ([bare("one", use="enc")], token()),
        ([bare("one", use=["sig"])], token()),
        ([bare("one", key_ops=["encrypt"])], token()),
        ([bare("one", key_ops="verify")], token()),
        ([bare("one", key_ops=[])], token()),
        ([bare("one", use="sig", key_ops=["sign"])], token()),
        ([bare(7)], token(identity="7")),
        ([bare("one", _P384)], token(CURVE, "ES256")),
        ([bare("one", CURVE, crv="P-384")], token(CURVE, "ES256")),
        ([{"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXM"}], _symmetric()),
        ([], token(identity=None)),
    ],
)  # fmt: skip
async def test_a_token_is_tried_with_no_other_key(directory: Path, keys: list[dict[str, Any]], shown: str) -> None:
    async with issuing(*keys) as issuer, gateway_of(directory, issuer, _ANY) as gateway:
        assert await asked(gateway, shown) == 401


@pytest.mark.guarantee("G6")
async def test_a_token_without_a_name_is_tried_with_so_many_keys_and_no_more(directory: Path) -> None:
    others = [bare(key=ec.generate_private_key(ec.SECP256R1())) for _ in range(8)]
    async with issuing(*others[:7], bare(key=CURVE)) as issuer, gateway_of(directory, issuer) as gateway:
        within = await asked(gateway, token(CURVE, "ES256", None))
    async with issuing(*others, bare(key=CURVE)) as issuer, gateway_of(directory, issuer) as gateway:
        beyond = await asked(gateway, token(CURVE, "ES256", None))

    assert (within, beyond) == (200, 401)


async def test_a_new_key_without_a_name_is_read_when_a_token_needs_it(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.edge.json_web_tokens._PAUSE", 0.0)
    async with issuing(bare()) as issuer, gateway_of(directory, issuer) as gateway:
        before = await asked(gateway, token(identity=None))
        issuer.keys = [bare(key=STRANGER)]
        after = await asked(gateway, token(STRANGER, identity=None))
        over = await asked(gateway, token(STRANGER, identity=None, exp=int(time.time()) - 120))

    assert (before, after, over) == (200, 200, 401)
    assert issuer.asked == 2


async def test_an_issuer_that_hangs_up_is_asked_once(directory: Path) -> None:
    async with issuing(published()) as issuer, gateway_of(directory, issuer) as gateway:
        issuer.hangs_up = True
        status = await asked(gateway, token())

    assert (status, issuer.asked) == (503, 1)


async def test_keys_may_come_compressed(directory: Path) -> None:
    async with issuing(published()) as issuer, gateway_of(directory, issuer) as gateway:
        issuer.is_pressed = True

        assert await asked(gateway, token()) == 200
