"""What the recorded upstream answers: listings of 250 fields, synthetic, the same in every run."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from gateway.odata.csdl import StructuredType
from gateway.sandbox.rows import metadata_document, sandbox_schema

FIELDS = 250
#: Workload to (``$top``, whether media are expanded).
WORKLOADS = {"one record": (1, False), "200 records": (200, False), "1,000 records with media": (1000, True)}
MEDIA = 20
#: What the policy hides of a listing, and of those of one class; how many photos it leaves.
HIDDEN = (
    "PrivateRemarks",
    "OwnerName",
    "LockBoxSerialNumber",
    "ShowingContactPhone",
    "ClosePrice",
    "AccessCode",
    "PhotosChangeTimestamp",
)
HIDDEN_OF_RESIDENTIAL = "ListPrice"
PHOTOS = 5
_CLASSES = ("Residential", "Land", "Residential Lease")
_LETTERS = "abcdefghijklmnopqrstuvwxyz    "


def metadata() -> bytes:
    """The sandbox's model, with local fields until a listing has 250."""
    missing = FIELDS - len(sandbox_schema().type_of("Property").properties)
    local = "".join(
        f'<Property Name="LocalField{number:03}" Type="Edm.String" MaxLength="60"/>' for number in range(missing)
    )
    head, entity, rest = metadata_document().decode("utf-8").partition('<EntityType Name="Property">')
    keys, end, rest = rest.partition("</Key>")
    return f"{head}{entity}{keys}{end}{local}{rest}".encode()


def rows(kind: StructuredType, number: int, chance: random.Random) -> list[dict[str, Any]]:
    return [
        {name: _value(name, str(found.type), chance) for name, found in kind.properties.items()} for _ in range(number)
    ]


def _value(name: str, declared: str, chance: random.Random) -> Any:
    if name == "StandardStatus":
        return "Active"
    if name == "PropertyType":
        return chance.choice(_CLASSES)
    if name == "PhotosCount":
        return MEDIA
    if not name.endswith("Key") and chance.random() < 0.1:
        return [] if declared.startswith("Collection") else None
    if declared.startswith("Collection"):
        return [_text(chance, 9), _text(chance, 12)] if "String" in declared else []
    match declared.removeprefix("Edm."):
        case "String":
            return _text(chance, chance.randint(8, 30))
        case "Boolean":
            return chance.random() < 0.5
        case "Decimal" | "Double" | "Single":
            return round(chance.uniform(1, 1e6), 2)
        case "Int64" | "Int32" | "Int16" | "Byte":
            return chance.randint(0, 5000) if "Int" in declared else chance.randint(0, 100)
        case "Date":
            return f"202{chance.randint(0, 6)}-0{chance.randint(1, 9)}-1{chance.randint(0, 9)}"
        case "DateTimeOffset":
            return f"2026-0{chance.randint(1, 9)}-1{chance.randint(0, 9)}T08:00:00Z"
        case _:
            return None


def _text(chance: random.Random, length: int) -> str:
    return "".join(chance.choices(_LETTERS, k=length)).strip() or "x"


def write(folder: Path) -> dict[str, int]:
    """One file for each workload, named after its number of records, and metadata.xml; the bytes of each workload."""
    from gateway.odata.csdl import parse_metadata  # noqa: PLC0415  # beside its only use

    document = metadata()
    schema = parse_metadata(document)
    (folder / "metadata.xml").write_bytes(document)
    found = {}
    chance = random.Random(7)  # noqa: S311  # the same in every run
    for name, (number, with_media) in WORKLOADS.items():
        listings = rows(schema.type_of("Property"), number, chance)
        for position, listing in enumerate(listings):
            listing["ListingKey"] = f"L{position:06}"
            if with_media:
                media = rows(schema.type_of("Media"), MEDIA, chance)
                for order, item in enumerate(media):
                    item |= {"MediaKey": f"M{position:06}{order:02}", "ResourceRecordKey": listing["ListingKey"], "ResourceName": "Property",
                             "Order": order, "MediaCategory": "Photo"}  # fmt: skip
                    for extra in [key for key in item if key not in KEPT]:
                        del item[extra]
                listing |= {"Media@odata.count": MEDIA, "Media": media}
        body = json.dumps({"@odata.context": "http://upstream/odata/$metadata#Property", "value": listings})
        (folder / f"{number}.json").write_text(body, encoding="utf-8")
        found[name] = len(body)
    return found


#: What servers send of a photo.
KEPT = (
    "MediaKey",
    "MediaURL",
    "Order",
    "MediaCategory",
    "MediaModificationTimestamp",
    "ResourceRecordKey",
    "ResourceName",
    "ShortDescription",
)
