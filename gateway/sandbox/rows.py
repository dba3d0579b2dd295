"""Synthetic records: the same seed gives the same rows, on every machine and in front of every server."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib.resources import files
from typing import Any

from gateway.odata.csdl import LOOKUP_NAME, Property, Schema, parse_metadata

Row = dict[str, Any]
Tables = dict[str, list[Row]]

LISTINGS = 360
_CLASSES = (
    "Residential",
    "Residential Lease",
    "Residential Income",
    "Land",
    "Manufactured In Park",
    "Farm",
    "Commercial Sale",
    "Commercial Lease",
    "Business Opportunity",
)
_STATUSES = (
    "Active",
    "Active Under Contract",
    "Canceled",
    "Closed",
    "Coming Soon",
    "Delete",
    "Expired",
    "Hold",
    "Incomplete",
    "Pending",
    "Withdrawn",
    "Sold",
)
_CITIES = ("Springfield", "Coeur d'Alene", "Montréal", "O'Fallon", "Ḥaifa", "San José", "St. John's", "Åre")
_STREETS = ("Main", "O'Brien", "Peña", "Martin Luther King Jr.", "100% Corner", "Elm_Tree", "Côte-des-Neiges")
_FIRST = ("Ana", "Béla", "Chloë", "D'Arcy", "Emre", "Fatima", "Grace", "Hiroshi")
_LAST = ("O'Neill", "Müller", "García", "Nguyễn", "Smith", "van der Berg", "Ødegård", "Li")
_NOW = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)


def metadata_document() -> bytes:
    """The sandbox's ``$metadata``, as it is served."""
    return files("gateway.sandbox").joinpath("metadata.xml").read_bytes()


def sandbox_schema() -> Schema:
    return parse_metadata(metadata_document())


def _lookups() -> dict[str, list[str]]:
    loaded: dict[str, list[str]] = json.loads(
        files("gateway.sandbox").joinpath("lookups.json").read_text(encoding="utf-8")
    )
    return loaded


class _Maker:
    """Fills every declared property by its type and name; what must fit together is set afterwards."""

    def __init__(self, schema: Schema, seed: int) -> None:
        self.schema = schema
        self.random = random.Random(seed)
        self.lookups = _lookups()

    def row(self, entity_set: str, **fixed: Any) -> Row:
        values: Row = {}
        for name, declared in self.schema.type_of(entity_set).properties.items():
            values[name] = fixed[name] if name in fixed else self._value(declared)
        return values

    def _value(self, declared: Property) -> Any:
        roll = self.random.random()
        if roll < 0.15:
            return [] if declared.type.is_collection else None
        lookup = declared.annotations.get(LOOKUP_NAME)
        if declared.type.is_collection:
            choices = self.lookups.get(lookup or "") or ["Other"]
            return sorted(self.random.sample(choices, k=min(len(choices), self.random.randint(1, 3))))
        if lookup and self.lookups.get(lookup):
            return self.random.choice(self.lookups[lookup])
        return _BY_TYPE[declared.type.name](self.random, declared)

    def moment(self) -> str:
        return _moment(self.random)


def _text(rng: random.Random, declared: Property) -> str:
    text = f"{declared.name} {rng.choice(_LAST)} {rng.randint(1, 99)}"
    return text[: declared.max_length] if declared.max_length else text


def _moment(rng: random.Random, _declared: Property | None = None) -> str:
    """Milliseconds never end in zero: servers differ in whether they print trailing ones."""
    at = _NOW - timedelta(seconds=rng.randint(0, 40_000_000))
    return f"{at:%Y-%m-%dT%H:%M:%S}.{rng.randint(0, 99):02d}{rng.randint(1, 9)}Z"


def _day(rng: random.Random, _declared: Property) -> str:
    return (date(2026, 1, 15) - timedelta(days=rng.randint(0, 900))).isoformat()


_BY_TYPE: dict[str, Callable[[random.Random, Property], Any]] = {
    "Edm.String": _text,
    "Edm.Boolean": lambda rng, _: rng.random() < 0.5,
    "Edm.Int64": lambda rng, _: rng.randint(0, 40),
    "Edm.Decimal": lambda rng, _: Decimal(rng.randint(0, 500_000)).scaleb(-2),
    "Edm.Date": _day,
    "Edm.DateTimeOffset": _moment,
}


def make_tables(seed: int = 20160328, listings: int = LISTINGS) -> Tables:
    """All rows of the sandbox by entity set: JSON-ready but for Decimals."""
    maker = _Maker(sandbox_schema(), seed)
    tables: Tables = {
        name: []
        for name in ("Office", "Member", "Property", "Media", "OpenHouse", "PropertyRooms", "PropertyUnitTypes")
    }
    _people(maker, tables)
    for number in range(listings):
        _listing(maker, tables, number)
    tables.update(_beside(tables, maker.lookups))
    # Whom the Add/Edit page of vendors names in its examples; last, so that nothing else depends on them.
    tables["Office"].append(maker.row("Office", OfficeKey="7890", MainOfficeKey="7890", OfficeStatus="Active"))
    tables["Member"].append(maker.row("Member", MemberKey="123456", OfficeKey="7890", MemberStatus="Active"))
    return tables


def _beside(tables: Tables, lookups: dict[str, list[str]]) -> Tables:
    """Sets beside the Data Dictionary's: what offices use, who may act for them, and the values of lookups."""
    offices = [row["OfficeKey"] for row in tables["Office"]]
    return {
        "ExternalProducts": [
            {"ExternalProductKey": f"P{key}-{number}", "OfficeKey": key, "ProductName": f"Product {number}"}
            for key in offices
            for number in range(2)
        ],
        # As one member of the office, and as anybody of the whole office: each Id is a key of Member or Office.
        "DelegatedAccess": [
            row
            for key in offices[::2]
            for row in (
                {"Id": f"M{key[1:]}", "OfficeKey": key, "AsUser": True, "AllUsers": False, "BrokerloadOverride": True},
                {"Id": key, "OfficeKey": key, "AsUser": False, "AllUsers": True, "BrokerloadOverride": None},
            )
        ],
        "Lookup": [
            {
                "LookupKey": f"{name}-{number}", "LookupName": name, "LookupValue": value, "StandardLookupValue": value,
                "LegacyODataValue": None, "ModificationTimestamp": "2025-01-01T00:00:00.001Z",
            }
            for name, values in sorted(lookups.items())
            for number, value in enumerate(values)
        ],
    }  # fmt: skip


def _people(maker: _Maker, tables: Tables) -> None:
    rng = maker.random
    for number in range(8):
        tables["Office"].append(
            maker.row(
                "Office",
                OfficeKey=f"O{number:03d}",
                OfficeMlsId=f"OFF{number}",
                OfficeName=f"{rng.choice(_LAST)} Realty",
                MainOfficeKey="O000",
                OfficeBrokerKey=f"M{number * 3:03d}",
                OfficeStatus="Active" if number else "Inactive",
                IDXOfficeParticipationYN=(True, False, None)[number % 3],
                ModificationTimestamp=maker.moment(),
            )
        )
    for number in range(30):
        first, last = rng.choice(_FIRST), rng.choice(_LAST)
        tables["Member"].append(
            maker.row(
                "Member",
                MemberKey=f"M{number:03d}",
                MemberMlsId=f"AG{number}",
                MemberFirstName=first,
                MemberLastName=last,
                MemberFullName=f"{first} {last}",
                OfficeKey=f"O{number % 8:03d}",
                MemberPassword=f"never-{number}",
                MemberStatus="Active" if number % 5 else "Inactive",
                ModificationTimestamp=maker.moment(),
            )
        )
    for kind, table, key in (("Office", "Office", "OfficeKey"), ("Member", "Member", "MemberKey")):
        for owner in tables[table][:6]:
            tables["Media"].append(_media(maker, f"{kind}-{owner[key]}-1", kind, owner[key], 1, None))


def _listing(maker: _Maker, tables: Tables, number: int) -> None:
    rng = maker.random
    key = f"L{number:05d}" if number % 40 else f"L{number:05d}'s/#{number}"
    agent, office = f"M{rng.randrange(30):03d}", f"O{rng.randrange(8):03d}"
    photos = rng.choice((0, 1, 2, 3, 5, 8, 13))
    price = Decimal(rng.randint(50_000, 2_000_000)).scaleb(0) + Decimal(rng.choice(("0", "0.5", "0.10", "0.99")))
    # Every class in every status at least once, then odd ones: null, lower case, unlisted.
    property_class: str | None = _CLASSES[number % len(_CLASSES)]
    status: str | None = _STATUSES[(number // len(_CLASSES)) % len(_STATUSES)]
    if number % 57 == 5:
        property_class = (None, "Houseboat", "land")[number // 57 % 3]
    if number % 3 == 0:
        status = "Active"
    if number % 91 == 7:
        status = None
    tables["Property"].append(
        _placed(maker.row(
            "Property",
            Coordinates=None,
            ListingKey=key,
            ListingId=f"ID{number}",
            PropertyType=property_class,
            StandardStatus=status,
            MlsStatus=status,
            ContractStatus=status,
            ListPrice=None if number % 37 == 1 else price,
            SoldPrice=price if status in ("Sold", "Closed") else None,
            TotalBaths=Decimal(rng.randint(2, 12)).scaleb(-1) * 5,
            City=_CITIES[number % len(_CITIES)] if number % 29 else None,
            StreetName=rng.choice(_STREETS),
            StreetNumber=str(rng.randint(1, 9999)),
            ListAgentKey=agent,
            ListOfficeKey=office,
            CoListAgentKey=f"M{rng.randrange(30):03d}" if number % 4 == 0 else None,
            BuyerAgentKey=f"M{rng.randrange(30):03d}" if status in ("Sold", "Closed") else None,
            InternetEntireListingDisplayYN=(True, True, True, True, False, None)[rng.randrange(6)],
            InternetAddressDisplayYN=(True, True, True, False, None)[rng.randrange(5)],
            IDXOptInYN=(True, True, True, False, None)[rng.randrange(5)],
            SyndicateTo=(
                (["ListHub", "Zillow/Trulia"], ["Zillow/Trulia"], ["ListHub"], [], ["Homes.com"])[rng.randrange(5)]
            ),
            PhotosCount=photos,
            ModificationTimestamp=maker.moment(),
            PrivateRemarks=f"Agents only: key under the mat {number}",
            BedroomsTotal=rng.randint(0, 7),
            Latitude=Decimal(rng.randint(-9_000_000, 9_000_000)).scaleb(-5),
            Longitude=Decimal(rng.randint(-18_000_000, 18_000_000)).scaleb(-5),
        ))
    )  # fmt: skip
    orders = list(range(1, photos + 1))
    rng.shuffle(orders)
    for order in orders:
        tables["Media"].append(_media(maker, f"{key}-{order}", "Property", key, order, "Photo" if order % 6 else None))
    if number % 9 == 0:
        tables["Media"].append(_media(maker, f"{key}-doc", "Property", key, 99, "Document"))
    if number % 5 == 0:
        tables["OpenHouse"].append(
            maker.row(
                "OpenHouse",
                OpenHouseKey=f"H{number}",
                ListingKey=key,
                ListingId=f"ID{number}",
                ShowingAgentKey=agent,
                OpenHouseType=("Public", "Broker", "Livestream Public", None)[number // 5 % 4],
                OpenHouseStatus="Active",
                ModificationTimestamp=maker.moment(),
            )
        )
    for room in range(number % 3):
        tables["PropertyRooms"].append(
            maker.row(
                "PropertyRooms", RoomKey=f"R{number}-{room}", ListingKey=key, ModificationTimestamp=maker.moment()
            )
        )
    if property_class == "Residential Income":
        tables["PropertyUnitTypes"].append(
            maker.row(
                "PropertyUnitTypes", UnitTypeKey=f"U{number}", ListingKey=key, ModificationTimestamp=maker.moment()
            )
        )


def _placed(row: Row) -> Row:
    """The listing with its place as a point too; a few have none."""
    if row["ListingId"] not in ("ID4", "ID44"):
        row["Coordinates"] = {"type": "Point", "coordinates": [float(row["Longitude"]), float(row["Latitude"])]}
    return row


def _media(maker: _Maker, key: str, kind: str, owner: str, order: int, category: str | None) -> Row:
    return maker.row(
        "Media",
        MediaKey=key,
        ResourceName=kind,
        ResourceRecordKey=owner,
        ResourceRecordID=None,
        Order=order,
        MediaCategory=category,
        MediaURL=f"https://photos.example/{len(key)}/{order}.jpg",
        ModificationTimestamp=maker.moment(),
    )
