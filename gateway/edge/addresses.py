"""Where a request comes from: the peer of the connection, or what proxies that are trusted say of it (C146)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def client_address(peer: str | None, forwarded: Sequence[str], trusted: Sequence[Network]) -> Address | None:
    """The last address of the way here that no trusted proxy has: whatever stands before it, anybody may have written.

    Args:
        peer: the other end of the connection.
        forwarded: the ``X-Forwarded-For`` headers, in order.
        trusted: networks of proxies that append to that header.

    Returns:
        None where nobody who is trusted says an address.
    """
    found = _address(peer or "")
    if found is None or not is_in(found, trusted):
        return found
    text = ",".join(forwarded)
    for part in reversed([part.strip() for part in text.split(",")] if text else []):
        found = _address(part)
        if found is None or not is_in(found, trusted):
            return found
    return found  # a proxy asks for itself, or the way began at one


def is_in(address: Address | None, networks: Iterable[Network]) -> bool:
    """Whether an address is in one of the networks; None is in no network."""
    return address is not None and any(address in network for network in networks)


def _address(text: str) -> Address | None:
    """An address as proxies write it: alone, with a port, or in brackets. IPv4 within IPv6 is IPv4."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    if "%" in text:
        return None  # the name of somebody's network card, and free text
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found
