"""python-odata, its classes made from the key's own $metadata. Arguments: service root, API key, key of a listing."""

from __future__ import annotations

import json
import sys
from typing import Any

import requests
from odata import ODataService
from odata.exceptions import ODataError
from odata.query import Query


def main(root: str, key: str, listing: str) -> dict[str, Any]:
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {key}"
    service = ODataService(root, reflect_entities=True, session=session, quiet_progress=True)
    listing_class = service.entities["Property"]

    def listings() -> Query[Any]:
        return service.query(listing_class)

    chosen = (listing_class.City == "San José") | (listing_class.BedroomsTotal >= 5)
    fields = [entry["name"] for entry in listing_class.__odata_schema__["properties"]]
    rows = (
        listings()
        .filter(chosen)
        .select(listing_class.ListingKey, listing_class.City, listing_class.BedroomsTotal, listing_class.ListPrice)
        .order_by(listing_class.BedroomsTotal.desc(), listing_class.ListingKey.asc())
        # No limit(): this client follows no link from a query that has one.
        .all()[:10]
    )
    with_media = listings().order_by(listing_class.ListingKey.asc()).limit(5).expand(listing_class.Media).all()
    record = listings().get(listing)
    return {
        "sets": list(service.entities),
        "fields": fields,
        "rows": rows,
        "keys": [row["ListingKey"] for row in listings().select(listing_class.ListingKey).all()],
        # Through the client's own conversions, of which there is one for each type; it reads null as false.
        "record": {name: getattr(record, name) for name in fields if record.__odata__[name] is not None},
        "media": {row.ListingKey: [media.MediaKey for media in row.Media] for row in with_media},
        # The first use of a relation that was not expanded asks for Property('..')/Media.
        "navigated": [media.MediaKey for media in record.Media],
        "agent": record.ListAgent and record.ListAgent.MemberKey,
        "count": listings().filter(chosen).count(),
        "refused": refusal(service, listings()),
    }


def refusal(service: ODataService, question: Query[Any]) -> list[object] | None:
    try:
        question.raw({"$filter": "OwnerName ne null", "$top": 1})
    except ODataError as error:
        return [int(error.status_code.removeprefix("HTTP ")), error.code]
    return None


print(json.dumps(main(*sys.argv[1:]), default=str))
