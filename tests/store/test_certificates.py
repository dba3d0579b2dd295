"""Certificates and their keys: what is taken, and what is refused at load."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.store.certificates import read_certificate
from tests.certificates import pair
from tests.support import CONFIG, configuration, write_configuration

CHAIN, KEY = pair()
TLS = "\nlisten: {tls: {certificate: tls/chain.pem, key: tls/key.pem}}\n"


def test_a_pair_is_read_with_its_end() -> None:
    found = read_certificate(CHAIN.encode(), KEY.encode())

    assert found.chain.decode() == CHAIN
    assert "PRIVATE KEY" not in repr(found)


@pytest.mark.parametrize(
    ("chain", "key", "expected"),
    [
        (CHAIN, pair()[1], "do not go together"),
        ("nothing", KEY, "the certificate is no PEM"),
        (CHAIN, "nothing", "the key is no PEM"),
        (*pair(password="secret"), "protected by a password"),
    ],
)
def test_a_pair_that_cannot_be_served(chain: str, key: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        read_certificate(chain.encode(), key.encode())


def test_every_fault_of_a_pair_is_told_with_its_place(directory: Path) -> None:
    text = (
        (CONFIG / "gateway.yaml").read_text(encoding="utf-8").replace("listen:\n  host: 127.0.0.1\n  port: 8080\n", TLS)
    )
    write_configuration(directory, {"gateway.yaml": text})
    with pytest.raises(ConfigurationError) as missing:
        configuration(directory, "http://127.0.0.1:1")
    (directory / "tls").mkdir()
    (directory / "tls/chain.pem").write_text(CHAIN, encoding="ascii")
    (directory / "tls/key.pem").write_text(pair()[1], encoding="ascii")
    with pytest.raises(ConfigurationError) as wrong:
        configuration(directory, "http://127.0.0.1:1")

    assert [(fault.path, fault.message) for fault in missing.value.faults] == [
        (("listen", "tls", "certificate"), "the file cannot be read"),
        (("listen", "tls", "key"), "the file cannot be read"),
    ]
    assert [fault.path for fault in wrong.value.faults] == [("listen", "tls")]
    assert all(fault.line for fault in (*missing.value.faults, *wrong.value.faults))
