"""Links and envelopes: our own, under the public address; of the upstream's nothing remains (C88, C93, C94)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from gateway.odata.json_format import encode_string
from gateway.odata.media_types import JSON, Format


def collection_body(
    public_url: str,
    context: str,
    records: Iterable[bytes],
    *,
    count: int | None,
    next_link: str | None,
    written: Format = JSON,
) -> bytes:
    """A collection in the member order context, value, count, nextLink; compact (C159, C202)."""
    parts = list(_context(f"{public_url}/$metadata#{context}", written))
    parts.append(b'"value":[' + b",".join(records) + b"]")
    if count is not None:
        parts.append(b'"@odata.count":' + count_value(count, written))
    if next_link is not None:
        parts.append(b'"@odata.nextLink":' + encode_string(next_link))
    return b"{" + b",".join(parts) + b"}"


def count_value(count: int, written: Format) -> bytes:
    """A count, which is an Edm.Int64."""
    text = str(count).encode("ascii")
    return b'"' + text + b'"' if written.ieee754 else text


def _context(address: str, written: Format) -> Iterator[bytes]:
    """The context URL, which is control information (OData JSON Format, 3.1.3)."""
    if written.metadata != "none":
        yield b'"@odata.context":' + encode_string(address)


def entity_body(public_url: str, context: str, record: bytes, written: Format = JSON) -> bytes:
    members = [record[1:-1]] if record != b"{}" else []
    return b"{" + b",".join([*_context(f"{public_url}/$metadata#{context}/$entity", written), *members]) + b"}"


def service_document(public_url: str, sets: Sequence[str], written: Format = JSON) -> bytes:
    """The entity sets that exist for the key (C167)."""
    entries = (
        b'{"name":' + encode_string(name) + b',"kind":"EntitySet","url":' + encode_string(name) + b"}" for name in sets
    )
    parts = [*_context(f"{public_url}/$metadata", written), b'"value":[' + b",".join(entries) + b"]"]
    return b"{" + b",".join(parts) + b"}"
