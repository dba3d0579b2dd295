"""Answers that are data: bodies with our own links and tags, of what a plan has brought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from aiohttp import web

from gateway.edge import responses
from gateway.edge.enforcement import Result
from gateway.edge.keyed_cache import KeyedCache
from gateway.edge.negotiation import wants_json
from gateway.edge.preferences import Preferences
from gateway.edge.responses import Answer
from gateway.odata.csdl import Schema
from gateway.odata.json_format import encode_string
from gateway.odata.request import Request
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

    def local(
        self, plan: Local, policy: Policy, key_id: str, parsed: Request, request: web.BaseRequest, request_id: str
    ) -> Answer:
        """What is answered without the upstream."""
        if plan.kind == "metadata":
            as_json = wants_json(parsed, request)
            content_type = "application/json" if as_json else "application/xml"
            return self.tagged(
                self._metadata(policy, key_id, as_json=as_json), policy, request_id, content_type=content_type
            )
        if plan.kind == "service":
            return self.tagged(service_document(self.public_url, plan.select or ()), policy, request_id)
        if plan.kind == "count":
            return self.tagged(b"0", policy, request_id, content_type="text/plain")
        body = collection_body(self.public_url, plan.context, (), count=0 if plan.total else None, next_link=None)
        return self.tagged(body, policy, request_id)

    def _metadata(self, policy: Policy, key_id: str, *, as_json: bool) -> bytes:
        """The policy's own metadata, written once for each key, effective policy and schema."""
        place = (policy.fingerprint, as_json)
        schema, document = self._documents.get(key_id, place) or (None, b"")
        if schema is not policy.schema:  # sizes and names of lookups are no part of a policy, and may change under it
            document = metadata_json(policy) if as_json else metadata_xml(policy)
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
            return self.entity(plan.context, result.records[0], policy, request_id, headers)
        body = collection_body(self.public_url, plan.context, result.records, count=count, next_link=None)
        answer = self.tagged(body, policy, request_id, canonical=plan.canonical, more=link is not None, headers=headers)
        if link is not None:
            # The token tells its own age, so it is no part of what the tag is about.
            body = collection_body(self.public_url, plan.context, result.records, count=count, next_link=link)
        return replace(answer, body=body)

    def entity(
        self, context: str, record: bytes, policy: Policy, request_id: str, headers: Mapping[str, str] | None = None
    ) -> Answer:
        return self.tagged(entity_body(self.public_url, context, record), policy, request_id, headers=headers)

    def written(self, answer: Answer, path: str, *, created: bool, minimal: bool) -> Answer:
        """The answer to a write, made of the answer to a read of what was written.

        RESO Add/Edit asks for ``Location`` and ``EntityId`` whatever is returned, for links and a tag in the body.
        """
        address = f"{self.public_url}/{path.replace('%27', QUOTE)}"
        headers = {**answer.headers, "Location": address, "OData-EntityId": address, "EntityId": address}
        if minimal:
            return Answer(204, b"", answer.request_id, headers=headers)
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
