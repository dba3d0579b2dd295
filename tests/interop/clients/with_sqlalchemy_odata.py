"""SQL over the gateway: sqlalchemy-odata. Arguments: service root, API key, key of a listing."""

from __future__ import annotations

import json
import sys
from typing import Any

from sqlalchemy import create_engine, text


def main(root: str, key: str, listing: str) -> dict[str, Any]:
    # The URL of this dialect has room for Basic credentials only; a header goes to its adapter.
    adapter = {"service_url": root, "extra_headers": {"Authorization": f"Bearer {key}"}}
    engine = create_engine(
        root.replace("http://", "odata://"), connect_args={"adapter_kwargs": {"odataapi": adapter}, "path": ":memory:"}
    )
    with engine.connect() as connection:

        def ask(statement: str, **values: object) -> list[dict[str, Any]]:
            return [dict(row) for row in connection.execute(text(statement), values).mappings()]

        chosen = "(City = 'San José' OR BedroomsTotal >= 5)"
        (record,) = ask('SELECT * FROM "Property" WHERE ListingKey = :key', key=listing)
        return {
            "fields": list(record),
            "rows": ask(
                f'SELECT ListingKey, City, BedroomsTotal, ListPrice FROM "Property" WHERE {chosen} '
                "ORDER BY BedroomsTotal DESC, ListingKey LIMIT 10",
            ),
            "keys": [row["ListingKey"] for row in ask('SELECT ListingKey FROM "Property"')],
            "record": record,
            "count": ask(f'SELECT count(*) AS n FROM "Property" WHERE {chosen}')[0]["n"],
            "members": ask('SELECT count(*) AS n FROM "Member"')[0]["n"],
        }


print(json.dumps(main(*sys.argv[1:]), default=str))
