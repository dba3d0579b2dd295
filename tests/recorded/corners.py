"""Corners of the engine, each with the documents that lead there: what becomes of them is in ``tests/corpus``.

The prover draws its licences at random over four sets; here are the models, profiles and documents that it never draws.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gateway.odata.csdl import Schema, parse_metadata
from gateway.policy.computed import with_computed
from gateway.policy.embedded import with_embedded
from tests.odata.test_csdl import HEAD, TAIL

#: Keys of every kind, an enumeration that tells kinds of parents apart, values that cannot leave, and parents of parents.
MODEL = """
<EnumType Name="ResourceName"><Member Name="Property" Value="0"/><Member Name="Member" Value="1"><Annotation Term="X" String="An Agent"/></Member></EnumType>
<ComplexType Name="Street"><Property Name="Name" Type="Edm.String"/></ComplexType>
<EntityType Name="Property"><Key><PropertyRef Name="ListingKey"/></Key><Property Name="ListingKey" Type="Edm.String" MaxLength="20" Nullable="false"/>
 <Property Name="City" Type="Edm.String" MaxLength="20"/><Property Name="ListPrice" Type="Edm.Decimal"/><Property Name="PropertyType" Type="Edm.String"/>
 <Property Name="StandardStatus" Type="Edm.String"/><Property Name="ListAgentKey" Type="Edm.String"/><Property Name="Latitude" Type="Edm.Decimal"/>
 <Property Name="Longitude" Type="Edm.Decimal"/><Property Name="UnparsedAddress" Type="Edm.String"/><Property Name="StreetName" Type="Edm.String"/>
 <Property Name="Place" Type="Edm.GeographyPoint"/><Property Name="Shape" Type="Edm.GeographyPolygon"/><Property Name="Street" Type="Self.Street"/>
 <Property Name="Photo" Type="Edm.Stream"/><Property Name="Whatever" Type="Edm.Untyped"/><Property Name="odd-name" Type="Edm.String"/>
 <Property Name="PhotosCount" Type="Edm.Int32"/><Property Name="Tags" Type="Collection(Edm.String)"/>
 <NavigationProperty Name="Media" Type="Collection(Self.Media)"/><NavigationProperty Name="ListAgent" Type="Self.Member"/>
 <NavigationProperty Name="OpenHouse" Type="Collection(Self.OpenHouse)"/><NavigationProperty Name="Unbound" Type="Collection(Self.Lonely)"/>
 <NavigationProperty Name="Numbers" Type="Collection(Self.Numbered)"><ReferentialConstraint Property="ListingKey" ReferencedProperty="ListingKey"/></NavigationProperty>
 <NavigationProperty Name="Twos" Type="Collection(Self.Two)"><ReferentialConstraint Property="ListingKey" ReferencedProperty="First"/><ReferentialConstraint Property="City" ReferencedProperty="Second"/></NavigationProperty>
 <NavigationProperty Name="SocialMedia" Type="Collection(Self.SocialMedia)"><ReferentialConstraint Property="ListingKey" ReferencedProperty="ResourceRecordKey"/></NavigationProperty>
 <NavigationProperty Name="Told" Type="Collection(Self.Field)"><ReferentialConstraint Property="ListingKey" ReferencedProperty="FieldKey"/></NavigationProperty>
 <NavigationProperty Name="Wrong" Type="Collection(Self.Numbered)"><ReferentialConstraint Property="ListingKey" ReferencedProperty="Nowhere"/></NavigationProperty>
 <NavigationProperty Name="Worse" Type="Collection(Self.Numbered)"><ReferentialConstraint Property="Nowhere" ReferencedProperty="ListingKey"/></NavigationProperty></EntityType>
<EntityType Name="Lonely"><Key><PropertyRef Name="Id"/></Key><Property Name="Id" Type="Edm.String" Nullable="false"/></EntityType>
<EntityType Name="Media"><Key><PropertyRef Name="MediaKey"/></Key><Property Name="MediaKey" Type="Edm.String" MaxLength="20" Nullable="false"/>
 <Property Name="ResourceName" Type="Self.ResourceName"/><Property Name="ResourceRecordKey" Type="Edm.String"/><Property Name="MediaCategory" Type="Edm.String"/>
 <Property Name="Order" Type="Edm.Int32"/><Property Name="MediaURL" Type="Edm.String"/><Property Name="Owner" Type="Edm.String"/></EntityType>
<EntityType Name="Member"><Key><PropertyRef Name="MemberKey"/></Key><Property Name="MemberKey" Type="Edm.String" Nullable="false"/>
 <Property Name="MemberStatus" Type="Edm.String"/><NavigationProperty Name="Photos" Type="Collection(Self.Media)"/>
 <NavigationProperty Name="Listings" Type="Collection(Self.Property)"><ReferentialConstraint Property="MemberKey" ReferencedProperty="ListAgentKey"/></NavigationProperty></EntityType>
<EntityType Name="OpenHouse"><Key><PropertyRef Name="OpenHouseKey"/></Key><Property Name="OpenHouseKey" Type="Edm.String" Nullable="false"/>
 <Property Name="ListingKey" Type="Edm.String" MaxLength="20"/><Property Name="OpenHouseType" Type="Edm.String"/><Property Name="Order" Type="Edm.Int32"/>
 <NavigationProperty Name="Pictures" Type="Collection(Self.Media)"/></EntityType>
<EntityType Name="Field"><Key><PropertyRef Name="FieldKey"/></Key><Property Name="FieldKey" Type="Edm.String" Nullable="false"/><Property Name="ListingKey" Type="Edm.String"/></EntityType>
<EntityType Name="SocialMedia"><Key><PropertyRef Name="SocialMediaKey"/></Key><Property Name="SocialMediaKey" Type="Edm.String" Nullable="false"/>
 <Property Name="ResourceName" Type="Edm.String"/><Property Name="ResourceRecordKey" Type="Edm.String"/></EntityType>
<EntityType Name="HistoryTransactional"><Key><PropertyRef Name="HistoryTransactionalKey"/></Key><Property Name="HistoryTransactionalKey" Type="Edm.String" Nullable="false"/>
 <Property Name="ResourceName" Type="Edm.String"/><Property Name="ResourceRecordKey" Type="Edm.String"/><Property Name="FieldName" Type="Edm.String"/></EntityType>
<EntityType Name="EntityEvent"><Key><PropertyRef Name="EntityEventSequence"/></Key><Property Name="EntityEventSequence" Type="Edm.Int64" Nullable="false"/>
 <Property Name="ResourceName" Type="Edm.String"/><Property Name="ResourceRecordKey" Type="Edm.String"/></EntityType>
<EntityType Name="Numbered"><Key><PropertyRef Name="Id"/></Key><Property Name="Id" Type="Edm.SByte" Nullable="false"/><Property Name="Note" Type="Edm.String"/><Property Name="ListingKey" Type="Edm.String" MaxLength="20"/></EntityType>
<EntityType Name="Guided"><Key><PropertyRef Name="Id"/></Key><Property Name="Id" Type="Edm.Guid" Nullable="false"/></EntityType>
<EntityType Name="Two"><Key><PropertyRef Name="First"/><PropertyRef Name="Second"/></Key><Property Name="First" Type="Edm.String" MaxLength="20" Nullable="false"/>
 <Property Name="Second" Type="Edm.String" MaxLength="20" Nullable="false"/></EntityType>
<EntityContainer Name="C">
 <EntitySet Name="Property" EntityType="Self.Property"/><EntitySet Name="Media" EntityType="Self.Media"/><EntitySet Name="Member" EntityType="Self.Member"/>
 <EntitySet Name="OpenHouse" EntityType="Self.OpenHouse"/><EntitySet Name="SocialMedia" EntityType="Self.SocialMedia"/>
 <EntitySet Name="HistoryTransactional" EntityType="Self.HistoryTransactional"/><EntitySet Name="EntityEvent" EntityType="Self.EntityEvent"/>
 <EntitySet Name="Numbered" EntityType="Self.Numbered"/><EntitySet Name="Guided" EntityType="Self.Guided"/><EntitySet Name="Two" EntityType="Self.Two"/><EntitySet Name="Field" EntityType="Self.Field"/>
</EntityContainer>
"""


@dataclass(frozen=True)
class Corner:
    """``requests`` are targets, or dicts with what else a request has. ``model`` is CSDL in place of ``MODEL``."""

    role: dict[str, Any]
    requests: tuple[str | dict[str, Any], ...] = ()
    template: dict[str, Any] | None = None
    profile: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    rules: dict[str, Any] = field(default_factory=dict)
    role_document: dict[str, Any] = field(default_factory=dict)
    syndication: str | None = None
    model: str = MODEL
    #: Whether the documents were whole under an earlier schema, that of ``MODEL``.
    earlier: bool = False

    def schema(self, profile: Any) -> Schema:
        found = parse_metadata((HEAD + self.model + TAIL).encode())
        return with_embedded(with_computed(found), profile.embedded)


def _shows(*names: str, rule: str | None = None, **more: Any) -> dict[str, Any]:
    return {"Fields": {"All": {"Visible": list(names), **more}}} | ({"Filter": rule} if rule else {})


_ACTIVE = "StandardStatus eq 'Active'"
EVERYTHING: dict[str, Any] = {
    "Property": _shows("City", "ListPrice", "Media", "ListAgent", "OpenHouse", "SocialMedia", "Numbers", "PhotosCount", rule=_ACTIVE),
    "Media": _shows("Order", "MediaURL", "ResourceName", "ResourceRecordKey"), "Member": _shows("MemberStatus", "Photos", "Listings"),
    "OpenHouse": _shows("OpenHouseType", "ListingKey", "Order"), "SocialMedia": _shows("ResourceName", "ResourceRecordKey"),
    "HistoryTransactional": _shows("ResourceName", "FieldName", "ResourceRecordKey"), "EntityEvent": _shows("ResourceName", "ResourceRecordKey"),
    "Numbered": _shows("ListingKey"), "Guided": _shows(), "Two": _shows(),
}  # fmt: skip
_LONG = "x" * 400

#: Open houses are no parents of media, so their pictures must have parents beside them.
PICTURES = {
    "OpenHouse": {
        "Pictures": {
            "local": "OpenHouseKey",
            "target": "ResourceRecordKey",
            "discriminator": "ResourceName",
            "values": ("OpenHouse",),
        }
    }
}
EMBEDDED = MODEL.replace(
    '<NavigationProperty Name="Media" Type="Collection(Self.Media)"/>',
    '<Property Name="Media" Type="Collection(Self.Media)"/>',
).replace('<EntitySet Name="Media" EntityType="Self.Media"/>', "")

#: Kinds of parents told apart by text.
BY_TEXT = MODEL.replace('Name="ResourceName" Type="Self.ResourceName"', 'Name="ResourceName" Type="Edm.String"')

CORNERS: dict[str, Corner] = {
    "keys": Corner(
        EVERYTHING,
        (
            "Numbered(127)", "Numbered(-128)", "Numbered(128)", "Numbered(-129)", "Numbered(1.0)", "Numbered(1.5)", "Numbered('1')", "Numbered(Id=5)",
            "Two('a')", "Two(First='a',Second='b')", "Two(Second='b',First='a')", "Two('a','b')", "Two(First='a',Third='b')", "Two(First='a',First='b')",
            "Guided(00000000-0000-0000-0000-000000000005)", "Guided('x')", "Two?$filter=First eq 'a'", "Numbered?$orderby=ListingKey",
            "HistoryTransactional", "EntityEvent", "SocialMedia", "SocialMedia?$filter=ResourceRecordKey eq 'a'", "Media", "Media/$count",
            "Media?$filter=ResourceRecordKey eq 'a' and MediaKey eq 'b'", "Media?$filter=MediaKey in ('a','b')", "OpenHouse", "Property('a')/SocialMedia",
            "Property?$expand=Numbers,SocialMedia&$select=City", "Member?$expand=Photos", "Member('a')/Photos?$filter=Order eq 1",
            "Media?$filter=Order eq 1 and ResourceRecordKey eq 'a' and City eq 'b'", "Media?$filter=Order eq 1 and ResourceRecordKey eq 'a'",
            "Two('a',Second='b')",
            "Property?$expand=Media($select=MediaURL)",
            "Property?$select=City,City",
            "Member?$expand=Listings($expand=ListAgent($expand=Photos))",
            "Member?$expand=Listings($expand=Media;$select=City)",
            "Member?$expand=Listings($filter=Numbers/any(n:n/ListingKey eq 'a'))",
            "Media?$filter=ResourceRecordKey ne 'a' and ResourceRecordKey in ('b')", "Media?$filter=tolower(ResourceRecordKey) eq 'a' and MediaKey eq 'b'",
        ),
    ),
    "limited": Corner(
        EVERYTHING,
        (
            "Media", "Media/$count?$filter=ResourceRecordKey eq 'a'", "Media?$filter=ResourceRecordKey eq 'a'", "Media?$filter=MediaKey eq 'a'", "Media('a')",
            "Property?$expand=Media&$select=PhotosCount", "Property('a')/Media", "Property('a')/Media/$count", "Property/$count", "Property?$filter=PhotosCount eq 1",
            "HistoryTransactional", "EntityEvent?$filter=ResourceRecordKey eq 'a'", "Member('a')/Photos",
            "Member?$expand=Photos($top=1)&$select=MemberStatus",
        ),
        template={"ListingPhotoLimit": 2},
        profile={"photo_sizes": True},
    ),
    "circles": Corner(
        EVERYTHING, ("Property", "Media", "OpenHouse", "SocialMedia", "Property?$expand=OpenHouse", "Member?$expand=Photos"),
        rules={"follows": {"Property": ("OpenHouse",), "OpenHouse": ("Property",), "Media": ("Property", "Member"), "SocialMedia": ("OpenHouse",)}},
    ),
    "nobody": Corner(
        EVERYTHING | {"Member": _shows("MemberStatus", "Photos", rule="MemberStatus eq 'a' and MemberStatus eq 'b'")},
        ("Media", "Member", "Member/$count?$filter=MemberStatus eq 'a'", "Member?$count=true", "Member('a')", "Member('a')/Photos", "HistoryTransactional", "Property?$expand=ListAgent"),
    ),
    "folded": Corner(
        EVERYTHING | {"Member": _shows("MemberStatus", "Photos", rule="MemberStatus eq 'A' and MemberStatus eq 'a '")},
        ("Member", "Media", "Property?$expand=ListAgent", "Property?$filter=contains(City,'\\\\')", "Property?$filter=City eq 'A' and City eq 'a '"),
        profile={"string_equality": "fold_pad"},
    ),
    "literal": Corner(EVERYTHING, ("Property?$filter=contains(City,'\\\\')",), profile={"patterns": "untrusted"}),
    "alternatives": Corner(
        EVERYTHING,
        (
            "Property?$filter=City eq 'a' or City eq 'b'", "Property?$filter=City eq 'a' or City eq 'b' or City eq 'c'", "Property?$filter=City eq 'a'",
            {"target": "Property?$select=City", "position": {"skip": 0, "after": ["a"]}}, "Property('a')/Media",
            "Property?$skip=5&$count=true", "Property?$skip=6",
        ),
        profile={"or_max": 1, "skip_max": 5, "mandatory_filter": {"Property": "City ne '\\\\'"}},
    ),
    "narrow": Corner(
        EVERYTHING, (f"Property?$filter=City eq '{_LONG}'", f"Property?$filter=City in ('{_LONG}1','{_LONG}2','{_LONG}3')", "Property", f"Property('a')/Media?$filter=MediaURL eq '{_LONG}'"),
        profile={"url_max": 1024},
    ),
    "narrow, without a list": Corner(
        EVERYTHING, (f"Property?$filter=City eq '{'x' * 700}'", f"Property?$filter=City eq '{'x' * 900}'", "Property"),
        profile={"url_max": 1100, "select": "omit"},
    ),
    "keyset": Corner(
        EVERYTHING,
        (
            "Property", "Property?$orderby=ListPrice desc", "Property?$orderby=City", "Two", "Numbered",
            {"target": "Property?$orderby=ListPrice", "position": {"skip": 3, "top": 7, "after": [None, "a"]}},
            {"target": "Property", "position": {"skip": 0, "after": ["a"]}}, {"target": "Property", "position": {"skip": 0, "cursor": "abc", "passed": True}},
            {"target": "Property?$filter=City eq 'b'", "position": {"skip": 1, "after": ["a"], "passed": True}}, f"Property?$filter=City eq '{_LONG * 3}'",
            {"target": "Two", "position": {"skip": 0, "after": ["a", "b"]}}, {"target": "Property?$orderby=City", "position": {"skip": 0, "after": ["x", "a"]}},
        ),
        profile={"order_exact": {"Property": ("ListPrice", "ListingKey"), "Two": ("First", "Second")}, "url_max": 3000, "nulls": "last"},
    ),
    "linked": Corner(
        EVERYTHING, ("Property", {"target": "Property", "position": {"skip": 2, "cursor": "abc"}}, {"target": "Property", "position": {"skip": 2, "passed": True}}, {"target": "Property", "position": {"skip": 2, "top": 4}}),
        profile={"paging": "next_link", "counts": "untrusted"},
    ),
    "distrusted": Corner(
        EVERYTHING,
        (
            "Property?$count=true", "Property/$count", "Property?$skip=2", {"target": "Property", "position": {"skip": 2}}, "Property('a')/Media/$count", "Property?$expand=Media($count=true)",
            "Property?$filter=City eq 'a' and ListPrice gt 5", "Property?$filter=contains(City,'a')&$orderby=City", "Property?$filter=Numbers/any(n:n/ListingKey eq 'a')",
        ),
        profile={"string_equality": "untrusted", "nested": "untrusted", "patterns": "untrusted"},
    ),
    "not counted": Corner(EVERYTHING, ("Property?$count=true", "Property/$count", "Numbered/$count", "Property?$skip=2"), profile={"counts": "untrusted"}),
    "embedded": Corner(
        {"Property": _shows("City", "Media", rule=_ACTIVE), "Media": _shows("Order", "MediaURL")},
        ("Property?$expand=Media", "Property?$expand=Media($filter=Order eq 1)", "Property('a')/Media", "Property('a')/Media/$count", "Media", "Property?$select=City"),
        profile={"embedded": {"Property": ("Media",)}},
        model=EMBEDDED,
    ),
    "searched behind": Corner(
        {
            "Property": _shows("City", "Media", "Numbers", "OpenHouse", "Twos", "SocialMedia", "ListAgent"),
            "Media": _shows("Order"), "Numbered": _shows("ListingKey"), "Two": _shows(), "SocialMedia": _shows(),
            "OpenHouse": _shows("OpenHouseType", When=[{"Condition": "OpenHouseType eq 'Public'", "Fields": ["Order"]}]), "Field": _shows("FieldName"),
        },
        (
            "Property?$filter=Media/any(m:m/Order eq 1)", "Property?$filter=Numbers/any(n:n/ListingKey eq 'a')", "Property?$filter=OpenHouse/any(o:o/Order eq 1)",
            "Property?$filter=OpenHouse/any(o:o/OpenHouseType eq 'a')", "Property?$filter=Twos/any(t:t/First eq 'a')", "Property?$filter=SocialMedia/any()",
            "Numbered?$filter=ListingKey eq 'a'", "Property?$filter=City eq 'a' and Numbers/any(n:n/ListingKey eq 'a')", "Property?$expand=Twos", "Property?$filter=not OpenHouse/all(o:o/OpenHouseType ne null)",
            "Media?$filter=ResourceRecordKey eq 'a'",
        ),
    ),
    "unfilterable": Corner(
        EVERYTHING | {"Property": _shows("City", "ListPrice", "Tags", "Numbers", "Place", rule="City ne 'x'")},
        ("Property?$filter=City eq 'a'", "Property?$orderby=City", "Property?$filter=ListPrice eq 1 and City eq 'a'", "Property?$filter=Tags/any(t:t eq 'a')", "Property?$count=true",
         "Property?$filter=Numbers/any(n:n/ListingKey eq 'a')", "Media?$filter=ResourceRecordKey eq 'a'", "Property?$expand=Numbers($filter=ListingKey eq 'a';$orderby=ListingKey)",
         "Property?$filter=geo.distance(Place,geography'POINT(0 1)') lt 5", "Property?$filter=geo.intersects(Place,geography'SRID=4326;POLYGON((0 0,1 0,1 1,0 0))')"),
        profile={"unfilterable": {"Property": ("City", "Place"), "Numbered": ("ListingKey",), "Media": ("ResourceName",)}, "collections": "none"},
    ),
    "unfilterable, but looked for": Corner(
        EVERYTHING | {"Property": _shows("City", "ListPrice", "Tags", rule="City ne 'x'")},
        ("Property?$filter=City eq 'a'", "Property?$filter=ListPrice eq 1 and City eq 'a'", "Property?$filter=Tags/any(t:t eq 'a')", "Property?$orderby=City"),
        profile={"filterable": {"Property": ("ListPrice", "ListingKey")}, "collections": "none", "client_scan": True},
    ),
    "strict": Corner(
        EVERYTHING | {"Property": _shows("City", "StandardStatus", "PropertyType", When=[{"Condition": "StandardStatus eq 'Active'", "Fields": ["ListPrice"]}, {"Condition": "PropertyType in ('a','b')", "Fields": ["Latitude"]}, {"Condition": "StandardStatus eq 'a' and StandardStatus eq 'b'", "Fields": ["Longitude"]}, {"Condition": "City ne null", "Fields": ["UnparsedAddress"]}])},
        (
            "Property?$filter=ListPrice gt 1", "Property?$filter=ListPrice gt 1 and StandardStatus eq 'Active'", "Property?$filter=ListPrice gt 1 and StandardStatus eq 'Closed'",
            "Property?$filter=ListPrice gt 1 and City eq 'Active'", "Property?$filter=Latitude gt 1 and PropertyType eq 'a'", "Property?$filter=Latitude gt 1 and PropertyType in ('a')",
            "Property?$filter=Latitude gt 1 and PropertyType in ('b','a')", "Property?$filter=Latitude gt 1 and PropertyType in ('a','c')", "Property?$orderby=ListPrice",
            "Property?$filter=StandardStatus eq 'Active'&$orderby=ListPrice desc", "Property?$filter=Longitude eq 1", "Property?$filter=StandardStatus ne null and ListPrice eq 1",
            "Property?$filter=UnparsedAddress eq 'a' and City ne null", "Property?$filter=UnparsedAddress eq 'a' and City eq 'b'", "Property?$filter=UnparsedAddress eq 'a' and City in ('b')",
            "Property?$filter=UnparsedAddress eq 'a' and StandardStatus eq 'b'", "Property?$filter=UnparsedAddress eq 'a' and City eq null", "Property?$filter=UnparsedAddress eq 'a'",
            "Property?$filter=ListPrice gt 1 and StandardStatus eq null", "Property?$filter=ListPrice gt 1 and (StandardStatus eq 'Active' or City eq 'a')",
        ),
        template={"ConditionalFields": "strict"},
    ),
    "narrowed": Corner(
        EVERYTHING | {"Property": _shows("City", "StandardStatus", When=[{"Condition": "StandardStatus eq 'A' and StandardStatus eq 'a '", "Fields": ["ListPrice"]}])},
        ("Property?$filter=ListPrice gt 1", "Property?$orderby=ListPrice", "Property?$count=true&$filter=ListPrice gt 1"),
        profile={"string_equality": "fold_pad"},
    ),
    "passed over": Corner(
        EVERYTHING,
        (
            "Property?$select=City,Nothing", "Property?$select=Nothing", "Property?$select=*,Nothing", "Property?$expand=Nothing,Media($select=Nothing,Order)", "Property('a')?$select=Nothing",
            "Property('a')/Media?$select=Order,Nothing&$expand=Nothing", "Property?$select=City&$expand=Media($expand=Nothing;$select=Nothing)", "Property?$filter=Nothing eq 1", "Property?$select=*&$expand=ListAgent",
            "Property('a')/Media?$filter=Nothing eq 1", "Property?$select=ListingKey,ListAgent&$expand=ListAgent", "Property?$select=*", "Property?$expand=ListAgent($select=*)",
        ),
        settings={"unknown_select": "ignore", "expand_depth": 2},
    ),
    "deep": Corner(
        EVERYTHING, ("Property?$expand=ListAgent($expand=Photos)", "Property?$expand=ListAgent", "Property('a')/ListAgent?$expand=Photos", "Property('a')/ListAgent", "Member('a')/Photos?$expand=Nothing", "Property?$expand=Media($orderby=Nothing)"),
        settings={"expand_depth": 1},
    ),
    "places and shapes": Corner(
        {"Property": _shows("Place", "Shape", "Street", "Photo", "Whatever", "odd-name", "City", "Unbound", "Wrong", "Worse", "Twos", "Longitude", When=[{"Condition": "City eq 'a'", "Fields": ["StreetName"]}]), "Two": _shows(), "Numbered": _shows()},
        ("Property", "Property?$select=Place", "Property?$filter=geo.distance(Place,geography'POINT(0 1)') lt 5", "Property?$filter=geo.distance(Place,geography'POINT(0 1)') lt 5 and City eq 'a'", "Property?$expand=Twos", "Property?$expand=Wrong"),
    ),
    "places, not trusted": Corner(
        {"Property": _shows("Place", "City", "Latitude", "Longitude", "StreetName", "UnparsedAddress")},
        ("Property?$filter=geo.distance(Place,geography'POINT(0 1)') lt 5", "Property?$select=Place"),
        profile={"geo": "untrusted"},
    ),
    "broken": Corner(
        EVERYTHING | {"Member": _shows("MemberStatus", "Photos", rule="MemberStatus eq 'a'")},
        ("Member", "Member('a')", "Property?$expand=ListAgent", "Member/$count", "Media", "Property?$filter=City eq 'a'&$select=City"),
        earlier=True,
        model=MODEL.replace('<Property Name="MemberStatus" Type="Edm.String"/>', ""),
    ),
    "history that tells no names": Corner(
        EVERYTHING, ("HistoryTransactional",), earlier=True,
        model=MODEL.replace('<Property Name="FieldName" Type="Edm.String"/>', ""),
    ),
    "typed by an enumeration that has other names": Corner(
        EVERYTHING, ("Media", "Property?$expand=Media", "Property('a')/Media", "Member?$expand=Photos"),
        model=MODEL.replace('<Member Name="Property" Value="0"/>', '<Member Name="Listing" Value="0"/>'),
    ),
    "typed by text": Corner(
        EVERYTHING, ("Media", "Property?$expand=Media", "Property('a')/Media", "Member('a')/Photos"),
        model=BY_TEXT,
        profile={"links": {"Member": {"Photos": {"local": "MemberKey", "target": "ResourceRecordKey", "discriminator": "ResourceName", "values": ("Member", "Agent")}}}},
    ),
    "without navigation": Corner(
        {"Property": _shows("City"), "Media": _shows("Order"), "Member": _shows(), "OpenHouse": _shows("ListingKey"), "SocialMedia": _shows(), "EntityEvent": _shows()},
        ("Media", "OpenHouse", "SocialMedia", "EntityEvent", "Media?$filter=MediaKey eq 'a'"),
        model=MODEL.replace('<NavigationProperty Name="Media" Type="Collection(Self.Media)"/>', "").replace('<NavigationProperty Name="OpenHouse" Type="Collection(Self.OpenHouse)"/>', "").replace('<NavigationProperty Name="Photos" Type="Collection(Self.Media)"/>', ""),
    ),
    "without fields to name parents by": Corner(
        {"Property": _shows("City"), "Media": _shows("Order"), "OpenHouse": _shows("OpenHouseType"), "SocialMedia": _shows(), "HistoryTransactional": _shows()},
        ("Media", "OpenHouse", "SocialMedia", "HistoryTransactional"),
        model=MODEL.replace('<Property Name="ResourceRecordKey" Type="Edm.String"/>', "").replace(
            '<Property Name="OpenHouseKey" Type="Edm.String" Nullable="false"/>\n <Property Name="ListingKey" Type="Edm.String" MaxLength="20"/>', '<Property Name="OpenHouseKey" Type="Edm.String" Nullable="false"/>'
        ).replace('<ReferentialConstraint Property="ListingKey" ReferencedProperty="ResourceRecordKey"/>', ""),
    ),
    # Documents with faults: all of them are told at once, each with its place.
    "faults of a role": Corner(
        {
            "Property": _shows("City", "Nothing", rule="Nothing eq 1", When=[{"Condition": "ListPrice gt", "Fields": ["ListPrice"]}]), "Nowhere": _shows(), "Media": _shows("Order", rule="Order eq 'a'"),
            "Member": {"Default": "Hidden", "Fields": {"All": {"Hidden": ["MemberKey"]}}}, "Properties": _shows(),
        },
        role_document={"NeverVisible": {"Property": ["Nothing", "City"], "Nowhere": ["x"], "Member": ["Other"]}},
    ),
    "faults of a template": Corner(
        EVERYTHING,
        template={
            "RestrictiveFilters": {"Property": {"Filter": "Nothing eq 1"}, "Nowhere": {"Filter": "a eq 1"}, "Listing": {"Filter": "City eq 'a'"}, "Member": {"Filter": "MemberStatus ne 'a'"}, "Teams": None},
            "FieldOverrides": {"Property": {"All": {"Nothing": {"Rule": "Visible"}, "ListingKey": {"Rule": "Hidden"}}, "Land": {"City": {"Rule": "Hidden"}}}, "Nobody": {"All": {"a": {"Rule": "Hidden"}}}, "Office": None},
        },
    ),
    "faults of the gateway": Corner(
        EVERYTHING,
        profile={
            "class_field": {"Property": "Nothing", "Nowhere": "x", "Office": "y", "Member": "MemberStatus", "Media": "Nothing"}, "embedded": {"Property": ("City",), "Nowhere": ("x",)},
            "mandatory_filter": {"Property": "Nothing eq 1", "Nowhere": "a eq 1", "Member": "MemberStatus eq 'a'"},
            "links": {
                "Nowhere": {"a": {"local": "a", "target": "b"}}, "Member": {"Photos": {"local": "Nothing", "target": "ResourceRecordKey"}, "Nothing": {"local": "a", "target": "b"}},
                "Property": {"Media": {"local": "ListingKey", "target": "Nothing"}, "ListAgent": {"local": "ListAgentKey", "target": "MemberKey"}, "City": {"local": "a", "target": "b"}, "Unbound": {"local": "a", "target": "b"}},
            },
        },
        rules={"always": {"Nowhere": ("a eq 1",), "Office": ("OfficeKey ne null",), "Property": ("Nothing eq 1", "City ne 'x'"), "Elsewhere": ("b eq 1",)},
               "never_visible": {"Property": ("Nothing", "City", "ListPrice"), "Nowhere": ("x",), "Office": ("y",), "Media": ("z",)}, "follows": {"Nowhere": ("Property",), "Media": ("Elsewhere", "Property", "Office")}},
    ),
    "a syndication without listings": Corner({"Member": _shows("MemberStatus")}, syndication="OptIn"),
    "what has gone since": Corner(
        EVERYTHING, ("Property", "Media"), earlier=True,
        template={"RestrictiveFilters": {"OpenHouse": {"Filter": "OpenHouseType eq 'a'"}}, "FieldOverrides": {"OpenHouse": {"All": {"OpenHouseType": {"Rule": "Hidden"}}}, "Property": {"All": {"City": {"Rule": "Hidden"}}}}},
        rules={"never_visible": {"Property": ("StreetName", "City"), "OpenHouse": ("Order",)}},
        model=MODEL.replace('<EntitySet Name="OpenHouse" EntityType="Self.OpenHouse"/>', "").replace('<Property Name="City" Type="Edm.String" MaxLength="20"/>', "").replace('<ReferentialConstraint Property="City" ReferencedProperty="Second"/>', ""),
    ),
    "pictures of an open house": Corner(
        EVERYTHING | {"OpenHouse": _shows("OpenHouseType", "ListingKey", "Pictures")},
        ("OpenHouse?$expand=Pictures", "OpenHouse('a')/Pictures", "OpenHouse('a')/Pictures/$count", "OpenHouse?$expand=Pictures($select=MediaURL)"),
        template={"ListingPhotoLimit": 2},
        model=BY_TEXT,
        profile={"links": PICTURES},
    ),
    "pictures in a circle": Corner(
        EVERYTHING | {"OpenHouse": _shows("OpenHouseType", "ListingKey", "Pictures")},
        ("OpenHouse?$expand=Pictures", "OpenHouse('a')/Pictures", "Media", "Property"),
        rules={"follows": {"Property": ("OpenHouse",), "OpenHouse": ("Property",), "Media": ("Property", "Member")}},
        model=BY_TEXT,
        profile={"links": PICTURES},
    ),
    "what is told of fields": Corner(
        {
            "Property": _shows("City", "Told"), "Media": _shows("Order", rule="Order eq 1"), "HistoryTransactional": _shows("FieldName", "ResourceName", rule="FieldName ne 'City'"),
            "Field": _shows("FieldName", rule="ResourceName eq 'Property'", When=[{"Condition": "FieldName eq 'City'", "Fields": ["ResourceName"]}]),
        },
        (
            "Field", "Field?$filter=ResourceName eq 'a'", "Field?$filter=startswith(FieldName,'a')&$orderby=ResourceName", "Field/$count?$filter=ResourceName eq 'a'", "Field('a')",
            "Property?$filter=Told/any(t:t/FieldName eq 'a')", "Property?$filter=Told/any()", "Property?$expand=Told", "HistoryTransactional", "HistoryTransactional?$filter=ResourceRecordKey eq 'a'",
        ),
        profile={"string_equality": "untrusted", "order_exact": {"Property": ("ListingKey",)}},
    ),
    "windows that end": Corner(EVERYTHING, ("Property", "Property?$orderby=City", "Property?$skip=5", "Property?$skip=6", "Two"), profile={"skip_max": 5}),
    "a walk that is not exact": Corner(
        EVERYTHING, ({"target": "Property", "position": {"skip": 3, "after": ["a"]}}, {"target": "Property", "position": {"skip": 3}}, {"target": "Property", "position": {"skip": 3, "cursor": "a"}}),
        profile={"string_equality": "untrusted", "order_exact": {"Property": ("ListingKey",)}},
    ),
    "how long a place may be": Corner(
        EVERYTHING, tuple(f"Property?$filter=City eq '{'x' * (40 * n)}'" for n in range(3, 22)),
        profile={"url_max": 1024, "order_exact": {"Property": ("ListingKey",)}},
    ),
    "how long a list may be": Corner(
        EVERYTHING, tuple(f"Property?$filter=City eq '{'x' * (40 * n)}'" for n in range(3, 22)), profile={"url_max": 1024, "select": "omit"},
    ),
    "a rule and a condition that exclude each other": Corner(
        EVERYTHING | {"Property": _shows("City", "StandardStatus", "Media", rule=_ACTIVE, When=[{"Condition": "StandardStatus eq 'Closed'", "Fields": ["ListPrice"]}])},
        ("Property?$filter=ListPrice gt 1", "Property/$count?$filter=ListPrice gt 1", "Property?$orderby=ListPrice"),
    ),
    "keys of two parts below a parent": Corner(
        EVERYTHING, ("Media?$filter=MediaKey eq 'a'", "Media?$filter=ResourceRecordKey eq 'a'", "Media?$filter=MediaKey eq 'a' and ResourceRecordKey eq 'b'"),
        model=MODEL.replace('<PropertyRef Name="MediaKey"/>', '<PropertyRef Name="MediaKey"/><PropertyRef Name="Order"/>').replace('<Property Name="Order" Type="Edm.Int32"/><Property Name="MediaURL"', '<Property Name="Order" Type="Edm.Int32" Nullable="false"/><Property Name="MediaURL"'),
    ),
    "parents that cannot be searched by": Corner(
        EVERYTHING, ("Media?$filter=ResourceRecordKey eq 'a' and MediaKey eq 'b'", "Media?$filter=ResourceRecordKey eq 'a'", "Media/$count?$filter=ResourceRecordKey eq 'a' and MediaKey eq 'b'"),
        profile={"unfilterable": {"Media": ("ResourceRecordKey",)}},
    ),
    "names passed over inside": Corner(
        EVERYTHING, ("Property?$expand=Media($select=Nothing,Order)", "Property?$select=City&$expand=Media($select=Nothing)", "Property('a')/Media?$select=Nothing,Order", "Member?$expand=Listings($expand=Media($select=Nothing))"),
        settings={"unknown_select": "ignore"},
    ),
    "what every request must say": Corner(
        EVERYTHING, ("Property", "Property('a')", "Property/$count", "Media?$filter=ResourceRecordKey eq 'a'"),
        profile={"mandatory_filter": {"Property": "contains(City,'\\\\')"}},
    ),
    "gone behind a navigation": Corner(
        EVERYTHING | {"Numbered": _shows("ListingKey", rule="Note eq 'a'")},
        ("Property?$filter=Numbers/any(n:n/ListingKey eq 'a')", "Numbered", "Property?$expand=Numbers"),
        earlier=True,
        model=MODEL.replace('<Property Name="Note" Type="Edm.String"/>', ""),
    ),
    "broken by a condition behind a navigation": Corner(
        EVERYTHING | {"Numbered": _shows(When=[{"Condition": "Note eq 'a'", "Fields": ["ListingKey"]}])},
        ("Property?$filter=Numbers/any(n:n/Id eq 1)", "Numbered", "Property?$expand=Numbers"),
        earlier=True,
        model=MODEL.replace('<Property Name="Note" Type="Edm.String"/>', ""),
    ),
    "a circle of two parents and no word for which": Corner(
        EVERYTHING, ("Numbered", "Property?$expand=Numbers", "Property?$filter=Numbers/any(n:n/ListingKey eq 'a')"),
        rules={"follows": {"Numbered": ("Property", "Member")}},
    ),
    "rows that do not say of which kind they are": Corner(
        EVERYTHING | {"Media": _shows("Order"), "SocialMedia": _shows()}, ("Media", "Property?$expand=Media", "SocialMedia", "Member('a')/Photos"),
        model=MODEL.replace('<Property Name="ResourceName" Type="Self.ResourceName"/>', "").replace('<Property Name="ResourceName" Type="Edm.String"/>', ""),
    ),
    "own fields that nobody may see": Corner(
        EVERYTHING, ("Property?$select=ListingKey",), earlier=True,
        rules={"never_visible": {"Property": ("Place", "Whatever", "Shape")}},
        model=MODEL.replace('<Property Name="Whatever" Type="Edm.Untyped"/>', ""),
    ),
    "fields told behind a navigation": Corner({"Property": _shows("City", "Told"), "Field": _shows("FieldName")}, ("Property?$filter=Told/any()", "Property?$filter=Told/any(t:t/FieldName eq 'a')")),
    "two parents, each by a field of its own": Corner(
        EVERYTHING, ("Property?$expand=Media", "Property('a')/Media", "Member?$expand=Photos", "Media"),
        profile={"nested": "untrusted", "links": {"Member": {"Photos": {"local": "MemberKey", "target": "Owner", "discriminator": "ResourceName", "values": ("Member",)}}}},
    ),
    "a field that never was, for nobody": Corner(EVERYTHING, earlier=True, rules={"never_visible": {"Property": ("Nothing", "City")}}),
    "how long a place may be, by the character": Corner(
        EVERYTHING | {"Property": _shows("City")}, tuple(f"Property?$filter=City eq '{'x' * n}'&$select=City" for n in range(100, 960, 50)),
        profile={"url_max": 1024, "order_exact": {"Property": ("ListingKey",)}},
    ),
    "embedded under a rule": Corner(
        {"Property": _shows("City", "Media", rule=_ACTIVE), "Media": _shows("Order", "MediaURL", rule="Order eq 1")},
        ("Property?$expand=Media", "Property('a')/Media"),
        profile={"embedded": {"Property": ("Media",)}},
        model=EMBEDDED,
    ),
}  # fmt: skip
