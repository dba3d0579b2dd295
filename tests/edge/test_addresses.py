"""Where a request comes from, with and without proxies."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from gateway.edge.addresses import client_address
from gateway.sandbox.rows import make_tables
from gateway.sandbox.server import Sandbox
from tests.support import ROOT, configuration, key_file, running, sandbox_running, write_configuration

PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]
AT_HOME = "Role: private\n    Addresses: [192.0.2.0/24, '2001:db8::/32']"


@pytest.mark.channel("C146")
@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("198.51.100.7", [], "198.51.100.7"),
        ("198.51.100.7", ["192.0.2.1"], "198.51.100.7"),  # who is not trusted says nothing of others
        ("10.0.0.1", ["192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["192.0.2.1, 198.51.100.7"], "198.51.100.7"),  # what stands before it was the client's own
        ("10.0.0.1", ["192.0.2.1", "198.51.100.7, 10.2.3.4"], "198.51.100.7"),
        ("10.0.0.1", ["198.51.100.7:4711"], "198.51.100.7"),
        ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("10.0.0.1", ["2001:db8::1"], "2001:db8::1"),
        ("10.0.0.1", ["::ffff:198.51.100.7"], "198.51.100.7"),
        ("::ffff:10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("fd00::1", ["198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["10.9.9.9"], "10.9.9.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["192.0.2.1, unknown"], None),  # the proxy did not know, so nobody does
        ("10.0.0.1", ["192.0.2.1, "], None),
        ("10.0.0.1", ["x" * 5000 + ", 198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ['fe80::1%free"text'], None),
        (None, ["192.0.2.1"], None),
    ],
)
def test_the_last_address_that_no_trusted_proxy_has(
    peer: str | None, forwarded: list[str], expected: str | None
) -> None:
    found = client_address(peer, forwarded, PROXIES)

    assert found == (ip_address(expected) if expected else None)


@pytest.mark.channel("C146")
async def test_a_key_is_used_from_its_addresses_alone(directory: Path) -> None:
    write_configuration(directory, {"keys.yaml": key_file(home=AT_HOME, anywhere="Role: private")})
    async with sandbox_running(Sandbox(make_tables(listings=5))) as sandbox:
        trusting = configuration(directory, sandbox.url, SECURITY__TRUSTED_PROXIES="127.0.0.0/8,::1/128")
        async with running(trusting) as gateway, running(configuration(directory, sandbox.url)) as alone:
            found = {}
            for address in ("192.0.2.9", "2001:db8::9", "198.51.100.7"):
                headers = {"X-Forwarded-For": address}
                found[address] = await gateway.request("GET", f"{ROOT}/Property?$top=1", "home", headers)
            unknown = await gateway.request("GET", f"{ROOT}/Property?$top=1", "nobody")
            claimed = await alone.request("GET", f"{ROOT}/Property?$top=1", "home", {"X-Forwarded-For": "192.0.2.9"})
            free = await alone.request("GET", f"{ROOT}/Property?$top=1", "anywhere")

    assert [found[address].status for address in found] == [200, 200, 401]
    assert found["198.51.100.7"] == unknown  # a stolen key learns nothing
    assert (claimed.status, free.status) == (401, 200)
    told = gateway.handled
    assert [event.client for event in told] == ["192.0.2.9", "2001:db8::9", "198.51.100.7", "127.0.0.1"]
    assert told[2].detail == "the key `home` is not to be used from 198.51.100.7"
    assert alone.handled[0].client == "127.0.0.1"


async def test_staff_are_held_to_their_addresses_too(directory: Path) -> None:
    permissions = "\n    Permissions: [manage_templates]"
    write_configuration(
        directory, {"keys.yaml": key_file(home=AT_HOME + permissions, desk="Role: private" + permissions)}
    )
    async with (
        sandbox_running(Sandbox(make_tables(listings=5))) as sandbox,
        running(configuration(directory, sandbox.url)) as gateway,
    ):
        answers = []
        for key in ("home", "desk", "nobody"):
            url = f"http://127.0.0.1:{gateway.service.admin.port}/v1/developers/templates"
            async with gateway.session.get(url, headers={"Authorization": f"Bearer {key}"}) as response:
                answers.append((response.status, await response.read()))

    assert [status for status, _ in answers] == [401, 200, 401]
    assert answers[0] == answers[2]
