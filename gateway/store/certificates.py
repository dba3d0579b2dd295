"""What a listener shows of itself by TLS: a certificate with its chain, and the private key that goes with it."""

from __future__ import annotations

import ssl
import tempfile
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key


@dataclass(frozen=True, slots=True)
class Certificate:
    """``chain`` and ``key`` in PEM; ``ends`` is when the certificate does."""

    chain: bytes
    key: bytes = field(repr=False)
    ends: datetime

    def context(self) -> ssl.SSLContext:
        """What a server needs to speak TLS 1.2 or newer.

        Raises:
            ValueError: the parts do not go together.
        """
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        with tempfile.TemporaryDirectory(prefix="gateway-tls-") as folder:  # of mode 0700; ssl reads files alone
            chain, key = Path(folder, "chain"), Path(folder, "key")
            chain.write_bytes(self.chain)
            key.write_bytes(self.key)
            try:
                context.load_cert_chain(chain, key, password=_no_password)
            except ssl.SSLError as error:
                raise ValueError(f"certificate and key do not go together: {error.reason or error}") from None
        return context


def read_certificate(chain: bytes, key: bytes) -> Certificate:
    """
    Raises:
        ValueError: one of them cannot be read, or they do not go together.
    """
    try:
        found = x509.load_pem_x509_certificates(chain)
    except ValueError:
        raise ValueError("the certificate is no PEM") from None
    try:
        load_pem_private_key(key, None)
    except TypeError:
        raise ValueError("the key is protected by a password, which nobody would type") from None
    except ValueError:
        raise ValueError("the key is no PEM") from None
    certificate = Certificate(chain, key, found[0].not_valid_after_utc)
    certificate.context()
    return certificate


def _no_password() -> bytes:
    raise ssl.SSLError(0, "the key is protected by a password")
