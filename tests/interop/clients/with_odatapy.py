"""odatapy's client with the key's own $metadata as its model. Arguments: service root, API key, key of a listing."""

from __future__ import annotations

import json
import sys
from typing import Any

from odatapy.client import BearerAuth, EdmEnabledODataClient, Field, HttpxTransport, ODataClientError, URIBuilder


def main(root: str, key: str, listing: str) -> dict[str, Any]:
    with HttpxTransport(auth=BearerAuth(key)) as transport:
        client = EdmEnabledODataClient(root, transport)
        chosen = Field("City").eq("San José") | Field("BedroomsTotal").ge(5)

        def listings() -> URIBuilder:
            return client.entity_set_uri("Property")

        container = client.get_edm().entity_container
        rows = client.iter_entities(
            listings()
            .filter(chosen)
            .select("ListingKey", "City", "BedroomsTotal", "ListPrice")
            .orderby("BedroomsTotal desc,ListingKey")
            .top(10)
        )
        with_media = client.get_entity_set(
            listings().select("ListingKey").orderby("ListingKey").top(5).expand_with_options("Media", select="MediaKey")
        )
        return {
            "sets": list(client.get_service_document().entity_sets),
            "fields": container.get_entity_set("Property").entity_type.property_names,
            "rows": [row.as_dict() for row in rows],
            "keys": [row.get_value("ListingKey") for row in client.iter_entities(listings().select("ListingKey"))],
            "record": client.get_entity(client.entity_uri("Property", listing)).as_dict(),
            "media": {
                row.get_value("ListingKey"): [
                    media.get_value("MediaKey") for media in row.get_navigation_link("Media").inline_entity_set
                ]
                for row in with_media
            },
            "count": client.get_count(listings().append_count_segment().filter(chosen)),
            "refused": refusal(client, listings().filter(Field("OwnerName").ne(None)).top(1)),
        }


def refusal(client: EdmEnabledODataClient, question: URIBuilder) -> list[object] | None:
    try:
        client.get_entity_set(question)
    except ODataClientError as error:
        return [error.status_code, error.error_code]
    return None


print(json.dumps(main(*sys.argv[1:]), default=str))
