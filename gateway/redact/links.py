"""Links and envelopes: our own, under the public address; of the upstream's nothing remains (C88, C93, C94)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.odata.json_format import encode_string


def collection_body(
    public_url: str, context: str, records: Iterable[bytes], *, count: int | None, next_link: str | None
) -> bytes:
    """A collection in the member order context, value, count, nextLink; compact (C159, C202)."""
    parts = [b'"@odata.context":' + encode_string(f"{public_url}/$metadata#{context}")]
    parts.append(b'"value":[' + b",".join(records) + b"]")
    if count is not None:
        parts.append(b'"@odata.count":' + str(count).encode("ascii"))
    if next_link is not None:
        parts.append(b'"@odata.nextLink":' + encode_string(next_link))
    return b"{" + b",".join(parts) + b"}"


def entity_body(public_url: str, context: str, record: bytes) -> bytes:
    head = b'{"@odata.context":' + encode_string(f"{public_url}/$metadata#{context}/$entity")
    return head + (b"}" if record == b"{}" else b"," + record[1:])


def service_document(public_url: str, sets: Sequence[str]) -> bytes:
    """The entity sets that exist for the key (C167)."""
    entries = (
        b'{"name":' + encode_string(name) + b',"kind":"EntitySet","url":' + encode_string(name) + b"}" for name in sets
    )
    return b'{"@odata.context":' + encode_string(f"{public_url}/$metadata") + b',"value":[' + b",".join(entries) + b"]}"
