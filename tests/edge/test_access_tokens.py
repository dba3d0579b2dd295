"""OAuth2 client credentials: tokens that end, by themselves or with the key that they were given to."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import pytest

from gateway.edge.access_tokens import AccessTokens
from gateway.sandbox.rows import make_tables
from gateway.sandbox.server import Sandbox
from gateway.store.snapshot import build_snapshot
from tests.support import (
    ROOT,
    TOKEN_KEY,
    Answer,
    Harness,
    configuration,
    key_file,
    running,
    sandbox_running,
    write_configuration,
)

FORM = "application/x-www-form-urlencoded"
GOOD = "grant_type=client_credentials&client_id=reader&client_secret=reader"
KEYS = {"reader": "Role: private", "other": "Role: private", "disabled": "Role: private\n    Enabled: false"}


@pytest.fixture
async def service(directory: Any) -> AsyncIterator[Harness]:
    write_configuration(directory, {"keys.yaml": key_file(**KEYS)})
    async with (
        sandbox_running(Sandbox(make_tables(listings=5))) as sandbox,
        running(configuration(directory, sandbox.url, SECURITY__ACCESS_TOKEN_LIFETIME="600")) as gateway,
    ):
        yield gateway


async def ask(
    gateway: Harness, body: str = GOOD, headers: Mapping[str, str] | None = None, method: str = "POST", query: str = ""
) -> tuple[int, Any, Mapping[str, str]]:
    url = f"http://127.0.0.1:{gateway.service.listener.port}/oauth2/token{query}"
    sent = {"Content-Type": FORM, **(headers or {})}
    async with gateway.session.request(method, url, data=body.encode(), headers=sent) as response:
        return response.status, await response.json(), response.headers


def basic(identity: str, secret: str) -> dict[str, str]:
    pair = f"{quote(identity, safe='')}:{quote(secret, safe='')}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


async def read(gateway: Harness, token: str) -> Answer:
    return await gateway.request("GET", f"{ROOT}/Property?$top=1&$select=ListingKey", token)


async def test_a_token_stands_for_its_key_until_it_ends(service: Harness) -> None:
    status, told, headers = await ask(service)
    direct = await read(service, "reader")
    by_token = await read(service, told["access_token"])
    service.now[0] += 599
    at_the_end = await read(service, told["access_token"])
    service.now[0] += 1
    after = await read(service, told["access_token"])

    assert (status, told["token_type"], told["expires_in"], set(told)) == (
        200,
        "Bearer",
        600,
        {"access_token", "token_type", "expires_in"},
    )
    assert (headers["Cache-Control"], headers["Pragma"]) == ("no-store", "no-cache")
    assert by_token == direct
    assert at_the_end.status == 200
    assert after == await read(service, "nobody")
    assert [event.key_id for event in service.handled[:3]] == ["reader"] * 3
    assert service.handled[-2].detail == "the token has ended"


async def test_by_basic_authentication_and_with_a_scope(service: Harness) -> None:
    status, told, _ = await ask(service, "grant_type=client_credentials&scope=api", basic("reader", "reader"))

    assert (status, told["scope"]) == (200, "api")
    assert (await read(service, told["access_token"])).status == 200


@pytest.mark.parametrize(
    "change",
    ["disabled", "deleted", "another secret"],
)
async def test_a_token_ends_with_its_key(service: Harness, change: str) -> None:
    _, told, _ = await ask(service)
    snapshot = service.service.snapshot
    keys = dict(snapshot.configuration.keys)
    digest = next(found for found, key in keys.items() if key.Id == "reader")
    key = keys.pop(digest)
    if change == "disabled":
        keys[digest] = key.model_copy(update={"Enabled": False})
    elif change == "another secret":
        keys["0" * 64] = key.model_copy(update={"Digest": "0" * 64})
    from dataclasses import replace

    assert snapshot.schema is not None
    service.service.gateway.snapshot = build_snapshot(9, replace(snapshot.configuration, keys=keys), snapshot.schema)

    assert (await read(service, told["access_token"])) == await read(service, "nobody")


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        ("grant_type=client_credentials&client_id=reader&client_secret=wrong", {}, (401, "invalid_client")),
        ("grant_type=client_credentials&client_id=other&client_secret=reader", {}, (401, "invalid_client")),
        ("grant_type=client_credentials&client_id=disabled&client_secret=disabled", {}, (401, "invalid_client")),
        ("grant_type=client_credentials&client_id=reader", {}, (401, "invalid_client")),
        ("grant_type=client_credentials", basic("reader", "wrong"), (401, "invalid_client")),
        ("grant_type=client_credentials", {"Authorization": "Basic %%"}, (401, "invalid_client")),
        ("grant_type=client_credentials", {"Authorization": "Bearer reader"}, (401, "invalid_client")),
        (GOOD, basic("reader", "reader"), (400, "invalid_request")),
        ("grant_type=client_credentials&client_id=other", basic("reader", "reader"), (400, "invalid_request")),
        ("client_id=reader&client_secret=reader", {}, (400, "invalid_request")),
        (GOOD + "&client_id=reader", {}, (400, "invalid_request")),
        ("grant_type=password&client_id=reader&client_secret=reader", {}, (400, "unsupported_grant_type")),
        (GOOD + "&scope=a%22b", {}, (400, "invalid_scope")),
        (GOOD + "&x=" + "x" * 9000, {}, (400, "invalid_request")),
        ('{"grant_type": "client_credentials"}', {"Content-Type": "application/json"}, (400, "invalid_request")),
        ("grant_type=%ff", {}, (400, "invalid_request")),
    ],
)  # fmt: skip
async def test_what_is_no_request_for_a_token(
    service: Harness, body: str, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    status, told, answered = await ask(service, body, headers)

    assert (status, told["error"]) == expected
    assert ("WWW-Authenticate" in answered) is (status == 401)


async def test_refused_clients_get_the_same_bytes(service: Harness) -> None:
    found = [
        (await ask(service, f"grant_type=client_credentials&client_id={identity}&client_secret={secret}"))[1]
        for identity, secret in (
            ("reader", "wrong"),
            ("nobody", "wrong"),
            ("other", "reader"),
            ("disabled", "disabled"),
        )
    ]

    assert found == [found[0]] * 4


async def test_secrets_in_an_address_and_other_methods_are_refused(service: Harness) -> None:
    status, told, _ = await ask(service, GOOD, query="?" + GOOD)
    got, _, headers = await ask(service, "", method="GET")

    assert (status, told["error"]) == (400, "invalid_request")
    assert (got, headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize("ending", ["?", "?&", "/", "/?"])
async def test_an_ending_that_says_nothing_is_as_none(service: Harness, ending: str) -> None:
    status, told, _ = await ask(service, GOOD, query=ending)

    assert (status, told["token_type"]) == (200, "Bearer")


async def test_nothing_else_that_is_sealed_is_a_token(service: Harness) -> None:
    """A continuation token is sealed under the same key, and a token is none."""
    page = await service.request("GET", f"{ROOT}/Property?$select=ListingKey", "reader", {"Prefer": "maxpagesize=1"})
    skip = page.json()["@odata.nextLink"].partition("skiptoken=")[2]
    _, told, _ = await ask(service)
    token = told["access_token"]
    answers = [
        await read(service, candidate)
        for candidate in (f"gwt_{skip}", "gwt_", token[:-4] + "AAAA", f"{token}=", token[4:])
    ]
    walked = await service.request("GET", f"{ROOT}/Property?$select=ListingKey&$skiptoken={token[4:]}", "reader")

    assert [answer.status for answer in answers] == [401] * 5
    assert walked.status == 400


async def test_a_lifetime_of_nought_is_no_endpoint(directory: Any) -> None:
    write_configuration(directory, {"keys.yaml": key_file(**KEYS)})
    async with (
        sandbox_running(Sandbox(make_tables(listings=5))) as sandbox,
        running(configuration(directory, sandbox.url, SECURITY__ACCESS_TOKEN_LIFETIME="0")) as gateway,
    ):
        token = AccessTokens((TOKEN_KEY,), 600).make("0" * 64, gateway.now[0])

        assert (await ask(gateway))[0] == 401  # a path like any other
        assert (await read(gateway, token)).status == 401


async def test_tokens_count_as_requests(directory: Any) -> None:
    settings = "\nlimits: {default: {requests: {3600: 2}}}\n"
    from tests.support import CONFIG

    text = (CONFIG / "gateway.yaml").read_text(encoding="utf-8") + settings
    write_configuration(directory, {"keys.yaml": key_file(**KEYS), "gateway.yaml": text})
    async with (
        sandbox_running(Sandbox(make_tables(listings=5))) as sandbox,
        running(configuration(directory, sandbox.url)) as gateway,
    ):
        found = [(await ask(gateway))[0] for _ in range(3)]

    assert found == [200, 200, 429]


async def test_staff_may_come_with_a_token(directory: Any) -> None:
    write_configuration(directory, {"keys.yaml": key_file(desk="Role: private\n    Permissions: [manage_templates]")})
    async with (
        sandbox_running(Sandbox(make_tables(listings=5))) as sandbox,
        running(configuration(directory, sandbox.url)) as gateway,
    ):
        _, told, _ = await ask(gateway, "grant_type=client_credentials&client_id=desk&client_secret=desk")
        url = f"http://127.0.0.1:{gateway.service.admin.port}/v1/developers/templates"
        found = []
        for token in (told["access_token"], told["access_token"] + "A"):
            async with gateway.session.get(url, headers={"Authorization": f"Bearer {token}"}) as response:
                found.append(response.status)

    assert found == [200, 401]


@asynccontextmanager
async def throttled(directory: Any, most: int = 3) -> AsyncIterator[Harness]:
    write_configuration(directory, {"keys.yaml": key_file(**KEYS)})
    async with sandbox_running(Sandbox(make_tables(listings=5))) as sandbox:
        settings = configuration(
            directory, sandbox.url, SECURITY__TOKEN_ATTEMPTS=str(most), SECURITY__TRUSTED_PROXIES="127.0.0.0/8,::1/128"
        )
        async with running(settings) as gateway:
            yield gateway


def wrong(identity: str) -> str:
    return f"grant_type=client_credentials&client_id={identity}&client_secret=wrong"


def of(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


async def test_an_address_that_guesses_waits_whatever_it_guesses_next(directory: Any) -> None:
    async with throttled(directory) as gateway:
        tried = [await ask(gateway, wrong(identity), of("192.0.2.1")) for identity in ("reader", "nobody", "other")]
        gateway.now[0] += 20
        known, unknown, right = [
            await ask(gateway, body, of("192.0.2.1")) for body in (wrong("reader"), wrong("nobody"), GOOD)
        ]
        gateway.now[0] += 40
        later, _, _ = await ask(gateway, GOOD, of("192.0.2.1"))

    assert [status for status, _, _ in tried] == [401] * 3
    assert [(status, told, headers["Retry-After"]) for status, told, headers in (known, unknown, right)] == [
        (429, {"error": "temporarily_unavailable", "error_description": "too many attempts from this address have failed"}, "40")
    ] * 3  # fmt: skip
    assert later == 200


async def test_nobody_locks_out_a_vendor_by_its_id(directory: Any) -> None:
    async with throttled(directory) as gateway:
        tried = [(await ask(gateway, wrong("reader"), of("192.0.2.1")))[0] for _ in range(5)]
        vendor = (await ask(gateway, GOOD, of("192.0.2.2")))[0]
        bearer = (await gateway.request("GET", f"{ROOT}/Property?$top=1", "reader", of("192.0.2.1"))).status

    assert tried == [401, 401, 401, 429, 429]
    assert (vendor, bearer) == (200, 200)


@pytest.mark.parametrize(
    ("other", "expected"), [("2001:db8:1:2:ffff::9", 429), ("2001:db8:1:3::1", 200), ("::ffff:192.0.2.7", 200)]
)
async def test_ipv6_is_counted_by_the_network_of_a_subscriber(directory: Any, other: str, expected: int) -> None:
    async with throttled(directory) as gateway:
        for host in (1, 2, 3):
            await ask(gateway, wrong("reader"), of(f"2001:db8:1:2::{host}"))

        assert (await ask(gateway, GOOD, of(other)))[0] == expected


async def test_a_success_takes_nothing_back(directory: Any) -> None:
    """The holder of one key could else guess the others for ever."""
    async with throttled(directory) as gateway:
        found = [
            (await ask(gateway, body, of("192.0.2.1")))[0]
            for body in (wrong("other"), wrong("other"), GOOD, wrong("other"), GOOD)
        ]

    assert found == [401, 401, 200, 401, 429]


async def test_what_a_client_says_of_its_address_is_not_believed(directory: Any) -> None:
    write_configuration(directory, {"keys.yaml": key_file(**KEYS)})
    async with (
        sandbox_running(Sandbox(make_tables(listings=5))) as sandbox,
        running(configuration(directory, sandbox.url, SECURITY__TOKEN_ATTEMPTS="2")) as gateway,
    ):
        found = [(await ask(gateway, wrong("reader"), of(f"192.0.2.{host}")))[0] for host in range(3)]

    assert found == [401, 401, 429]


async def test_attempts_at_one_time_are_each_counted(directory: Any) -> None:
    async with throttled(directory) as gateway:
        found = await asyncio.gather(*(ask(gateway, wrong("reader"), of("192.0.2.1")) for _ in range(12)))

    assert sorted(status for status, _, _ in found) == [401] * 3 + [429] * 9


async def test_a_bad_header_counts_and_a_bad_form_does_not(directory: Any) -> None:
    async with throttled(directory) as gateway:
        forms = [(await ask(gateway, "client_id=reader&client_secret=wrong", of("192.0.2.1")))[0] for _ in range(5)]
        headers = [(await ask(gateway, GOOD, {"Authorization": "Basic ?", **of("192.0.2.1")}))[0] for _ in range(4)]

    assert (forms, headers) == ([400] * 5, [401, 401, 401, 429])


async def test_forms_that_do_not_come_take_nobodys_place(directory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has shown a key who stops in the middle of a form."""
    monkeypatch.setattr("gateway.edge.app._FORM_PATIENCE", 0.5)
    head = b"POST /oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 99\r\n\r\ngr"
    write_configuration(directory, {"keys.yaml": key_file(**KEYS)})
    async with (
        sandbox_running(Sandbox(make_tables(listings=5))) as sandbox,
        running(configuration(directory, sandbox.url, REQUESTS__MAX_CONCURRENT="2")) as gateway,
    ):
        writers = []
        for _ in range(4):
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.service.listener.port)
            writer.write(head)
            writers.append((reader, writer))
        await asyncio.sleep(0.1)
        meanwhile = (await read(gateway, "reader")).status
        answers = [await reader.read(4096) for reader, _ in writers]
        for _, writer in writers:
            writer.close()

    assert meanwhile == 200
    assert all(answer.startswith(b"HTTP/1.1 400 ") and b"invalid_request" in answer for answer in answers)
