"""Which key a credential stands for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from gateway.edge.authentication import Authenticator, Credential, DeniedError, bearer
from gateway.store.api_keys import ApiKey
from tests.support import configuration, write_configuration

NOW = 1_800_000_000.0


@pytest.fixture
def authenticator(directory: Path) -> Authenticator:
    return Authenticator(configuration(write_configuration(directory), "http://127.0.0.1:9/odata"), lambda: NOW)


def key(identity: str, digit: str, **more: Any) -> ApiKey:
    return ApiKey(Id=identity, Digest=digit * 64, Role="idx", **more)


def by_digest(*found: ApiKey) -> Mapping[str, ApiKey]:
    return {digest: entry for entry in found for digest in entry.digests}


@pytest.mark.channel("C149")
def test_a_subject_of_two_keys_stands_for_neither(authenticator: Authenticator) -> None:
    """Which of the two it would be depends on the order of files."""
    one, two, other = key("one", "a", Subject="s"), key("two", "b", Subject="s"), key("other", "c", Subject="o")
    keys = by_digest(one, two, other)

    with pytest.raises(DeniedError, match="no such key"):
        authenticator.find(Credential(subject="s"), keys)
    assert authenticator.find(Credential(subject="o"), keys) == other


def test_a_key_with_two_secrets_has_one_subject(authenticator: Authenticator) -> None:
    """Between a rotation and its end both digests lead to the same key."""
    turned = key("one", "a", Subject="s", OldDigest="b" * 64, OldUntil=datetime.fromtimestamp(NOW, UTC))

    assert authenticator.find(Credential(subject="s"), by_digest(turned)) == turned


def test_a_subject_is_looked_up_among_the_keys_of_the_moment(authenticator: Authenticator) -> None:
    assert authenticator.find(Credential(subject="s"), by_digest(key("one", "a", Subject="s"))).Id == "one"
    assert authenticator.find(Credential(subject="s"), by_digest(key("two", "a", Subject="s"))).Id == "two"
    with pytest.raises(DeniedError):
        authenticator.find(Credential(subject="s"), {})


@pytest.mark.channel("C149")
def test_a_key_without_a_subject_is_found_by_no_token(authenticator: Authenticator) -> None:
    with pytest.raises(DeniedError):
        authenticator.find(Credential(subject="None"), by_digest(key("one", "a")))
    with pytest.raises(DeniedError):
        authenticator.find(Credential(digest=""), by_digest(key("one", "a")))


@pytest.mark.channel("C149")
def test_a_credential_ends_at_its_instant(authenticator: Authenticator) -> None:
    keys = by_digest(key("one", "a"))

    assert authenticator.find(Credential(digest="a" * 64, until=NOW + 0.001), keys).Id == "one"
    for until in (NOW, NOW - 1):
        with pytest.raises(DeniedError, match="has ended"):
            authenticator.find(Credential(digest="a" * 64, until=until), keys)


@pytest.mark.channel("C149")
def test_the_secret_before_a_rotation_ends_at_its_instant(authenticator: Authenticator) -> None:
    now = datetime.fromtimestamp(NOW, UTC)
    for until, is_taken in ((now + timedelta(seconds=1), True), (now, False), (None, False)):
        keys = by_digest(key("one", "a", OldDigest="b" * 64, OldUntil=until))
        assert authenticator.find(Credential(digest="a" * 64), keys).Id == "one"
        if is_taken:
            assert authenticator.find(Credential(digest="b" * 64), keys).Id == "one"
        else:
            with pytest.raises(DeniedError):
                authenticator.find(Credential(digest="b" * 64), keys)


@pytest.mark.channel("C149")
def test_a_digest_is_the_keys_own_whatever_it_is_filed_under(authenticator: Authenticator) -> None:
    with pytest.raises(DeniedError):
        authenticator.find(Credential(digest="b" * 64), {"b" * 64: key("one", "a")})


@pytest.mark.channel("C149")
def test_networks_hold_for_secrets_and_for_subjects(authenticator: Authenticator) -> None:
    bound = key("one", "a", Subject="s", Addresses=(ip_network("192.0.2.0/24"),))
    keys = by_digest(bound)

    for how in ({"digest": "a" * 64}, {"subject": "s"}):
        assert authenticator.find(Credential(**how, address=ip_address("192.0.2.7")), keys) == bound  # type: ignore[arg-type]  # one of two texts
        for address in (ip_address("198.51.100.7"), None):
            with pytest.raises(DeniedError, match="not to be used from"):
                authenticator.find(Credential(**how, address=address), keys)  # type: ignore[arg-type]  # the same


@pytest.mark.channel("C149", "C314")
@pytest.mark.parametrize(
    ("headers", "secret"),
    [
        (["Bearer x"], "x"),
        (["bearer  x "], "x"),
        ([], None),
        (["Bearer x", "Bearer x"], None),
        (["Bearer"], None),
        (["Bearer "], None),
        (["Basic x"], None),
        (["x"], None),
        (["Bearer " + "x" * 4089], "x" * 4089),
        (["Bearer " + "x" * 4090], None),
    ],
)
def test_there_is_one_credential_or_none(headers: list[str], secret: str | None) -> None:
    assert bearer(headers) == secret
