"""The small world of the prover: four sets with names of the Data Dictionary, and how their rows belong together."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]
#: Set to its rows, in the order in which an upstream stores them.
World = dict[str, list[Row]]

CLASSES = (
    "Residential", "Residential Lease", "Residential Income", "Land", "Manufactured In Park", "Farm", "Commercial Sale",
    "Commercial Lease", "Business Opportunity",
)  # fmt: skip
#: Set to field to type. The first field is the key.
FIELDS: dict[str, dict[str, str]] = {
    "Property": {
        "ListingKey": "String", "PropertyType": "String", "StandardStatus": "String", "City": "String", "ListPrice": "Int64",
        "OwnerName": "String", "InternetAddressDisplayYN": "Boolean", "ModificationTimestamp": "DateTimeOffset",
        "PhotosCount": "Int64", "Appliances": "Collection(String)", "ListAgentKey": "String",
    },
    "Media": {
        "MediaKey": "String", "ResourceName": "String", "ResourceRecordKey": "String", "Order": "Int64",
        "MediaCategory": "String", "MediaURL": "String", "Permission": "String",
    },
    "Member": {"MemberKey": "String", "MemberStatus": "String", "MemberFullName": "String", "MemberMobilePhone": "String"},
    "OpenHouse": {"OpenHouseKey": "String", "ListingKey": "String", "OpenHouseType": "String", "OpenHouseDate": "Date"},
}  # fmt: skip
KEY = {name: next(iter(fields)) for name, fields in FIELDS.items()}
#: (set, navigation) to (field here, set there, field there, whether it is a list, value of ResourceName there).
NAVIGATION: dict[tuple[str, str], tuple[str, str, str, bool, str | None]] = {
    ("Property", "Media"): ("ListingKey", "Media", "ResourceRecordKey", True, "Property"),
    ("Property", "OpenHouse"): ("ListingKey", "OpenHouse", "ListingKey", True, None),
    ("Property", "ListAgent"): ("ListAgentKey", "Member", "MemberKey", False, None),
    ("OpenHouse", "Listing"): ("ListingKey", "Property", "ListingKey", False, None),
    ("Member", "Media"): ("MemberKey", "Media", "ResourceRecordKey", True, "Member"),
}

#: What a new row has where nothing else is said.
DEFAULTS: dict[str, dict[str, Any]] = {"Property": {"StandardStatus": "Active", "PropertyType": "Residential"}}


#: (set, field) to the values of its lookup. No lookup has every value that rows hold.
LOOKUPS: dict[tuple[str, str], tuple[str, ...]] = {
    ("Property", "StandardStatus"): ("Active", "Closed", "active"), ("Property", "City"): ("A", "a", "B", "A'B", "A ", "%"),
    ("Property", "OwnerName"): ("A", "owner-A"), ("Property", "Appliances"): ("A", "B"), ("Media", "Permission"): ("Public",),
    ("Media", "MediaCategory"): ("Photo", "Video"), ("Member", "MemberStatus"): ("Active",), ("OpenHouse", "OpenHouseType"): ("Public",),
}  # fmt: skip
#: Those whose values the metadata lists: they are closed where nobody opens them.
LISTED = {("OpenHouse", "OpenHouseType"), ("Media", "MediaCategory")}


def navigations(entity_set: str) -> list[str]:
    return [name for source, name in NAVIGATION if source == entity_set]


def metadata(*, lookups: bool = False) -> bytes:
    """The model as EDMX, with what is said of lookups or without it."""
    types, sets = [], []
    for name, fields in FIELDS.items():
        lines = [f'<EntityType Name="{name}"><Key><PropertyRef Name="{KEY[name]}"/></Key>']
        for field, kind in fields.items():
            whole = f"Collection(Edm.{kind[11:-1]})" if kind.startswith("Collection") else f"Edm.{kind}"
            size = ' MaxLength="40"' if whole == "Edm.String" else ""
            said = _said_of_lookup(name, field) if lookups else ""
            lines.append(f'<Property Name="{field}" Type="{whole}"{size}>{said}</Property>')
        bindings = ""
        for (source, navigation), (_, target, _, is_list, _) in NAVIGATION.items():
            if source == name:
                kind = f"Collection(P.{target})" if is_list else f"P.{target}"
                lines.append(f'<NavigationProperty Name="{navigation}" Type="{kind}"/>')
                bindings += f'<NavigationPropertyBinding Path="{navigation}" Target="{target}"/>'
        types.append("".join([*lines, "</EntityType>"]))
        sets.append(f'<EntitySet Name="{name}" EntityType="P.{name}">{bindings}</EntitySet>')
    return (
        '<edmx:Edmx xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx" Version="4.0"><edmx:DataServices>'
        '<Schema xmlns="http://docs.oasis-open.org/odata/ns/edm" Namespace="P">'
        f'{"".join(types)}<EntityContainer Name="C">{"".join(sets)}</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>'
    ).encode()


def _said_of_lookup(name: str, field: str) -> str:
    values = LOOKUPS.get((name, field))
    if values is None:
        return ""
    if (name, field) not in LISTED:
        return f'<Annotation Term="RESO.OData.Metadata.LookupName" String="{field}"/>'
    listed = "".join(f'<Record><PropertyValue Property="Value" String="{value}"/></Record>' for value in values)
    return f'<Annotation Term="Org.OData.Validation.V1.AllowedValues"><Collection>{listed}</Collection></Annotation>'


def children(world: World, entity_set: str, navigation: str, row: Row, normal: Any = str) -> list[Row]:
    """The rows behind a navigation of a row, by their own fields."""
    here, target, there, _, kind = NAVIGATION[entity_set, navigation]
    value = row.get(here)
    if not isinstance(value, str):
        return []
    return [
        other
        for other in world[target]
        if isinstance(other.get(there), str)
        and normal(other[there]) == normal(value)
        and (kind is None or other.get("ResourceName") == kind)
    ]
