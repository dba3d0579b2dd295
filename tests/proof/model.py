"""The small world of the prover: four sets with names of the Data Dictionary, and how their rows belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as field_of
from types import MappingProxyType
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
#: A set over the same type as another one, and a set over a type that derives from another one's.
TWINS = {"Listings": "Property"}
DERIVED = {"ListMember": "Member"}
FIELDS["Listings"] = dict(FIELDS["Property"])
FIELDS["ListMember"] = FIELDS["Member"] | {"ListMemberNote": "String"}
#: Set to the resource of the Data Dictionary that its rows are.
KIND = {name: {**TWINS, **DERIVED}.get(name, name) for name in FIELDS}
#: Set to the other words for its rows: what is said of those holds for it too.
ABOVE: dict[str, tuple[str, ...]] = {"Property": ("Listings",), "Listings": ("Property",), "ListMember": ("Member",)}
KEY = {name: next(iter(fields)) for name, fields in FIELDS.items()}
#: (set, navigation) to (field here, set there, field there, whether it is a list, value of ResourceName there).
NAVIGATION: dict[tuple[str, str], tuple[str, str, str, bool, str | None]] = {
    ("Property", "Media"): ("ListingKey", "Media", "ResourceRecordKey", True, "Property"),
    ("Property", "OpenHouse"): ("ListingKey", "OpenHouse", "ListingKey", True, None),
    ("Property", "ListAgent"): ("ListAgentKey", "Member", "MemberKey", False, None),
    ("OpenHouse", "Listing"): ("ListingKey", "Property", "ListingKey", False, None),
    ("Member", "Media"): ("MemberKey", "Media", "ResourceRecordKey", True, "Member"),
}
NAVIGATION |= {
    (name, navigation): edge
    for name, kind in KIND.items()
    if name != kind
    for (source, navigation), edge in NAVIGATION.items()
    if source == kind
}


@dataclass(frozen=True)
class Shape:
    """Something that a world may have beside the sets above: fields of a set, and whole sets with their ties."""

    fields: dict[str, dict[str, str]]
    navigation: dict[tuple[str, str], tuple[str, str, str, bool, str | None]] = field_of(default_factory=dict)


#: Name to shape. A licence lists the shapes of its world.
SHAPES: dict[str, Shape] = {
    "acres": Shape({"Property": {"LotSizeAcres": "Decimal"}}),
    "rooms": Shape(
        {"PropertyRooms": {"RoomKey": "Guid", "ListingKey": "String", "RoomType": "String", "RoomArea": "Decimal"}},
        {
            ("Property", "Rooms"): ("ListingKey", "PropertyRooms", "ListingKey", True, None),
            ("PropertyRooms", "Listing"): ("ListingKey", "Property", "ListingKey", False, None),
        },
    ),
    "history": Shape(
        {
            "HistoryTransactional": {
                "HistoryTransactionalKey": "Int64", "ResourceName": "String", "ResourceRecordKey": "String",
                "FieldName": "String", "PreviousValue": "String", "NewValue": "String",
            },
        },
        {
            (kind, "HistoryTransactional"): (key, "HistoryTransactional", "ResourceRecordKey", True, kind)
            for kind, key in (("Property", "ListingKey"), ("Member", "MemberKey"), ("Media", "MediaKey"))
        },
    ),
}  # fmt: skip
#: Sets whose rows the gateway writes itself. An upstream may have sets of these names too; nobody sees their rows.
COMPUTED = ("Field", "Lookup")
SHAPES["computed"] = Shape({
    "Field": {
        "FieldKey": "String", "ResourceName": "String", "FieldName": "String", "ModificationTimestamp": "DateTimeOffset",
    },
    "Lookup": {
        "LookupKey": "String", "LookupName": "String", "LookupValue": "String", "StandardLookupValue": "String",
        "LegacyODataValue": "String", "ModificationTimestamp": "DateTimeOffset",
    },
})  # fmt: skip
_PLAIN = {name: dict(fields) for name, fields in FIELDS.items()}
_PLAIN_NAVIGATION = dict(NAVIGATION)
_entered: list[tuple[str, ...]] = [()]


def enter(shapes: Sequence[str]) -> None:
    """Makes ``FIELDS``, ``KEY``, ``KIND`` and ``NAVIGATION`` those of a world with some shapes.

    A case runs alone in its process, so these tables are of the case at hand. Everything that takes a licence enters
    its world first.
    """
    wanted = tuple(shapes)
    if _entered[0] == wanted:
        return
    _entered[0] = wanted
    fields = {name: dict(known) for name, known in _PLAIN.items()}
    navigation = dict(_PLAIN_NAVIGATION)
    for shape in [SHAPES[name] for name in wanted]:
        for name, more in shape.fields.items():
            for other in (name, *(twin for twin, kind in (TWINS | DERIVED).items() if kind == name)):
                fields.setdefault(other, {}).update(more)
        for (source, member), edge in shape.navigation.items():
            for other in (source, *(twin for twin, kind in (TWINS | DERIVED).items() if kind == source)):
                navigation[other, member] = edge
    for table, content in (
        (FIELDS, fields),
        (NAVIGATION, navigation),
        (KEY, {name: next(iter(known)) for name, known in fields.items()}),
        (KIND, {name: {**TWINS, **DERIVED}.get(name, name) for name in fields}),
    ):
        table.clear()
        table.update(content)  # type: ignore[arg-type]  # each table gets the content of its own type


def entered() -> tuple[str, ...]:
    return _entered[0]


def of_kind(kind: str) -> list[str]:
    """The sets whose rows are of a resource."""
    return [name for name in FIELDS if KIND[name] == kind]


#: What a new row has where nothing else is said.
DEFAULTS: dict[str, dict[str, Any]] = {"Property": {"StandardStatus": "Active", "PropertyType": "Residential"}}


#: Set to field to the members of an enumeration that the field may be declared as, each with its display text.
ENUMS: dict[str, dict[str, dict[str, str]]] = {
    "Member": {"MemberStatus": {"Active": "Active, and in good standing", "Inactive": "Inactive"}},
    "OpenHouse": {"OpenHouseType": {"Public": "Public, by appointment", "Broker": "Brokers, agents"}},
}
#: Where a document has the display texts: inside the members or outside, by namespace or by alias; and whether a
#: description stands before each of them or behind.
ENUM_FORMS = tuple(f"{place} {order}" for place in ("inline", "external", "alias") for order in ("before", "behind"))


def text_sent(entity_set: str, field: str, value: Any) -> Any:
    """A value as an upstream sends it that has display texts for members."""
    texts = ENUMS.get(KIND[entity_set], {}).get(field, {})
    return texts.get(value, value) if isinstance(value, str) else value


#: Names of what one upstream has more than another.
HIDDEN_FIELD, HIDDEN_NAVIGATION, HIDDEN_SET = "HiddenNote", "HiddenRows", "Withheld"


def _enumerations(form: str, edited: Sequence[tuple[str, ...]] = ()) -> str:
    """The enumerations of a document, with their display texts in one of ``ENUM_FORMS``."""
    place, order = form.split()
    types, outside = [], []
    for fields in ENUMS.values():
        for field, members in fields.items():
            declared = []
            for member, text in members.items():
                standard = "RESO" if place == "alias" else "RESO.OData.Metadata"
                shown = f'<Annotation Term="{standard}.StandardName" String="{text}"/>'
                other = (
                    f'<Annotation Term="Org.OData.Core.V1.Description"><String>What {member} is</String></Annotation>'
                )
                both = other + shown if order == "before" else shown + other
                declared.append(f'<Member Name="{member}">{both if place == "inline" else other}</Member>')
                if place != "inline":
                    named = "Own" if place == "alias" else "P"
                    outside.append(f'<Annotations Target="{named}.{field}/{member}">{shown}</Annotations>')
            declared += ['<Member Name="Withheld"/>'] if ("member", field) in edited else []
            types.append(f'<EnumType Name="{field}">{"".join(declared)}</EnumType>')
    return "".join([*outside, *types] if order == "behind" else [*types, *outside])


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


#: Set to the navigations that stand in its records as whole lists.
Embedded = Mapping[str, Sequence[str]]


#: One difference between two documents: what differs, where, and how (``edited_metadata``).
Edit = list[str]


def metadata(
    enums: str = "",
    embedded: Embedded = MappingProxyType({}),
    *,
    lookups: bool = False,
    edits: Sequence[Sequence[str]] = (),
) -> bytes:
    """The document of the upstream; with ``enums`` some fields are enumerations, in one of ``ENUM_FORMS``. An embedded
    list is declared as a property of its record. ``lookups`` adds what is said of lookups, ``edits`` what another
    upstream has otherwise:

        ["property", set, first or last]   one more property
        ["navigation", set, target]        one more navigation
        ["set", first or last]             one more set, of a type of its own namespace
        ["twin", set]                      one more set over the type of another
        ["length" | "lookup", set, field]  another MaxLength, another LookupName
        ["about", set, field]              a description
        ["member", field]                  one more member of the enumeration of a field
        ["declares", set]                  a set in place of which the gateway has its own
        ["value", lookup]                  one more row of Lookup, which is no part of the document
    """
    types, sets = [], []
    edited = [tuple(edit) for edit in edits]
    for name, fields in FIELDS.items():
        if name in COMPUTED and ("declares", name) not in edited:
            continue
        base = DERIVED.get(name)
        head = f' BaseType="P.{base}">' if base else f'><Key><PropertyRef Name="{KEY[name]}"/></Key>'
        lines = [f'<EntityType Name="{name}"{head}']
        more = f'<Property Name="{HIDDEN_FIELD}" Type="Edm.String"/>'
        lines += [more] if ("property", name, "first") in edited else []
        for field, kind in fields.items():
            if base and field in FIELDS[base]:
                continue
            whole = f"Collection(Edm.{kind[11:-1]})" if kind.startswith("Collection") else f"Edm.{kind}"
            size = ' MaxLength="40"' if whole == "Edm.String" else ""
            said = _said_of_lookup(name, field) if lookups else ""
            if enums and field in ENUMS.get(name, {}):
                whole, size, said = f"P.{field}", "", ""
            if ("length", name, field) in edited and size:
                size = ' MaxLength="17"'
            if ("lookup", name, field) in edited and not said:
                said = '<Annotation Term="RESO.OData.Metadata.LookupName" String="Elsewhere"/>'
            if ("about", name, field) in edited:
                said += '<Annotation Term="Org.OData.Core.V1.Description" String="of canary"/>'
            lines.append(f'<Property Name="{field}" Type="{whole}"{size}>{said}</Property>')
        lines += [more] if ("property", name, "last") in edited else []
        bindings = ""
        for (source, navigation), (_, target, _, is_list, _) in NAVIGATION.items():
            if source == name:
                kind = f"Collection(P.{target})" if is_list else f"P.{target}"
                if navigation in embedded.get(KIND[name], ()):
                    lines.append(f'<Property Name="{navigation}" Type="{kind}"/>')
                    continue
                if not base:
                    lines.append(f'<NavigationProperty Name="{navigation}" Type="{kind}"/>')
                bindings += f'<NavigationPropertyBinding Path="{navigation}" Target="{target}"/>'
        for edit in edited:
            if edit[0] == "navigation" and edit[1] == name and not base:
                lines.append(f'<NavigationProperty Name="{HIDDEN_NAVIGATION}" Type="Collection(P.{edit[2]})"/>')
                bindings += f'<NavigationPropertyBinding Path="{HIDDEN_NAVIGATION}" Target="{edit[2]}"/>'
        if name not in TWINS:
            types.append("".join([*lines, "</EntityType>"]))
        sets.append(f'<EntitySet Name="{name}" EntityType="P.{TWINS.get(name, name)}">{bindings}</EntitySet>')
    other = ""
    for edit in edited:
        if edit[0] == "twin":
            sets.append(f'<EntitySet Name="{HIDDEN_SET}OfIts" EntityType="P.{edit[1]}"/>')
        elif edit[0] == "set":
            there = f'<EntitySet Name="{HIDDEN_SET}" EntityType="Q.{HIDDEN_SET}"/>'
            sets = [there, *sets] if edit[1] == "first" else [*sets, there]
            other = f'''<Schema xmlns="http://docs.oasis-open.org/odata/ns/edm" Namespace="Q"><EntityType Name="{HIDDEN_SET}"><Key><PropertyRef Name="{HIDDEN_FIELD}"/></Key><Property Name="{HIDDEN_FIELD}" Type="Edm.String"/></EntityType></Schema>'''
    return (
        '<edmx:Edmx xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx" Version="4.0"><edmx:Reference Uri="x">'
        '<edmx:Include Namespace="RESO.OData.Metadata" Alias="RESO"/></edmx:Reference><edmx:DataServices>'
        '<Schema xmlns="http://docs.oasis-open.org/odata/ns/edm" Namespace="P" Alias="Own">'
        f'{_enumerations(enums, edited) if enums else ""}{"".join(types)}<EntityContainer Name="C">{"".join(sets)}</EntityContainer></Schema>{other}</edmx:DataServices></edmx:Edmx>'
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
