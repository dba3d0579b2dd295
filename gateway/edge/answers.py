"""Answers that are data: bodies with our own links and tags, of what a plan has brought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gateway.edge import responses
from gateway.edge.enforcement import Result
from gateway.edge.keyed_cache import KeyedCache
from gateway.edge.preferences import Preferences
from gateway.edge.responses import Answer
from gateway.odata.csdl import Schema
from gateway.odata.json_format import encode_string
from gateway.odata.media_types import JSON, Format
from gateway.policy.model import Policy
from gateway.policy.plan import Local, Read
from gateway.redact.links import collection_body, entity_body, service_document
from gateway.redact.metadata import metadata_json, metadata_xml

#: Bytes of documents that are kept, in all and of one key.
_CACHED, _CACHED_OF_KEY = 64 * 1024 * 1024, 8 * 1024 * 1024
#: Stands in addresses as it is, as the standard writes them.
QUOTE = "'"


class Answers:
    """``public_url`` is the service root as clients write it, ``pepper`` the secret that keys the tags."""

    def __init__(self, public_url: str, pepper: str) -> None:
        self.public_url = public_url.rstrip("/")
        self._pepper = pepper
        # A key's own metadata, by effective policy and format.
        self._documents: KeyedCache[tuple[Schema, bytes]] = KeyedCache(_CACHED, _CACHED_OF_KEY, _CACHED_OF_KEY)

    def local(self, plan: Local, policy: Policy, key_id: str, written: Format, request_id: str) -> Answer:
        """What is answered without the upstream."""
        if plan.kind == "metadata":
            # Of a document there is one level of control information, and it has none.
            written = replace(written, metadata="minimal")
            compatible = ";IEEE754Compatible=true" if written.ieee754 else ""
            content_type = "application/xml" if written.kind == "xml" else f"application/json{compatible}"
            return self.tagged(self._metadata(policy, key_id, written), policy, request_id, content_type=content_type)
        content_type = written.content_type
        if plan.kind == "service":
            body = service_document(self.public_url, plan.select or (), written)
            return self.tagged(body, policy, request_id, content_type=content_type)
        if plan.kind == "count":
            return self.tagged(b"0", policy, request_id, content_type="text/plain")
        count = 0 if plan.total else None
        body = collection_body(self.public_url, plan.context, (), count=count, next_link=None, written=written)
        return self.tagged(body, policy, request_id, content_type=content_type)

    def _metadata(self, policy: Policy, key_id: str, written: Format) -> bytes:
        """The policy's own metadata, written once for each key, effective policy and schema."""
        place = (policy.fingerprint, written)
        schema, document = self._documents.get(key_id, place) or (None, b"")
        if schema is not policy.schema:  # sizes and names of lookups are no part of a policy, and may change under it
            document = metadata_xml(policy) if written.kind == "xml" else metadata_json(policy, quoted=written.ieee754)
            self._documents.put(key_id, place, (policy.schema, document), len(document))
        return document

    def data(
        self,
        plan: Read,
        result: Result,
        count: int | None,
        link: str | None,
        preferences: Preferences,
        policy: Policy,
        written: Format,
        request_id: str,
    ) -> Answer:
        """What a read has brought. ``count`` and ``link`` are given where they are owed."""
        if plan.kind in ("count", "navigation count"):
            return self.tagged(str(result.total).encode("ascii"), policy, request_id, content_type="text/plain")
        headers = {}
        applied = preferences.applied(paged=plan.kind == "collection")
        if applied:
            headers["Preference-Applied"] = applied
        if plan.kind == "single" and not result.records:
            return Answer(204, b"", request_id, headers=headers)
        if plan.kind in ("entity", "single"):
            return self.entity(plan.context, result.records[0], policy, request_id, written, headers)

        def body(next_link: str | None) -> bytes:
            about = (self.public_url, plan.context, result.records)
            return collection_body(*about, count=count, next_link=next_link, written=written)

        answer = self.tagged(
            body(None),
            policy,
            request_id,
            canonical=plan.canonical,
            more=link is not None,
            content_type=written.content_type,
            headers=headers,
        )
        # The token tells its own age, so it is no part of what the tag is about.
        return answer if link is None else replace(answer, body=body(link))

    def entity(
        self,
        context: str,
        record: bytes,
        policy: Policy,
        request_id: str,
        written: Format = JSON,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        body = entity_body(self.public_url, context, record, written)
        return self.tagged(body, policy, request_id, content_type=written.content_type, headers=headers)

    def written(self, answer: Answer, path: str, written: Format, *, created: bool, minimal: bool) -> Answer:
        """The answer to a write, made of the answer to a read of what was written.

        RESO Add/Edit asks for ``Location`` and ``EntityId`` whatever is returned, for links and a tag in the body; a
        client that asks for no control information gets none.
        """
        address = f"{self.public_url}/{path.replace('%27', QUOTE)}"
        headers = {**answer.headers, "Location": address, "OData-EntityId": address, "EntityId": address}
        if minimal:
            return Answer(204, b"", answer.request_id, headers=headers)
        if written.metadata == "none":
            return replace(answer, status=201 if created else 200, headers=headers)
        tag, link = encode_string(answer.headers["ETag"]), encode_string(address)
        links = b',"@odata.id":%s,"@odata.editLink":%s,"@odata.etag":%s}' % (link, link, tag)
        return replace(answer, status=201 if created else 200, body=answer.body[:-1] + links, headers=headers)

    def tagged(
        self,
        body: bytes,
        policy: Policy,
        request_id: str,
        *,
        canonical: str = "",
        more: bool = False,
        content_type: str = responses.JSON,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """An answer with our own ETag: over policy, request and visible representation only (C181, C313)."""
        about = (policy.fingerprint, canonical, "more" if more else "end", content_type)
        tag = responses.entity_tag(self._pepper, about, body)
        return Answer(200, body, request_id, content_type, {"ETag": tag, **(headers or {})})
