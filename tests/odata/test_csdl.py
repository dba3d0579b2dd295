"""Metadata becomes one immutable schema, or a refusal with its line; nothing is half-read."""

from __future__ import annotations

import pytest

from gateway.odata.csdl import SchemaError, TypeReference, parse_metadata
from gateway.sandbox.rows import sandbox_schema

HEAD = (
    '<edmx:Edmx xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx" Version="4.0"><edmx:DataServices>'
    '<Schema xmlns="http://docs.oasis-open.org/odata/ns/edm" Namespace="Ns" Alias="Self">'
)
TAIL = "</Schema></edmx:DataServices></edmx:Edmx>"
BODY = """
<EnumType Name="Status" IsFlags="true"><Member Name="Active" Value="1"><Annotation Term="X" String="Active Now"/></Member>
 <Member Name="Sold" Value="2"/></EnumType>
<TypeDefinition Name="Money" UnderlyingType="Edm.Decimal"/>
<EntityType Name="Base" Abstract="true"><Key><PropertyRef Name="Id"/></Key>
 <Property Name="Id" Type="Edm.String" Nullable="false" MaxLength="20"/></EntityType>
<EntityType Name="Listing" BaseType="Self.Base">
 <Property Name="Price" Type="Self.Money" Precision="14" Scale="2">
  <Annotation Term="RESO.OData.Metadata.LookupName" String="Prices"/></Property>
 <Property Name="Status" Type="Ns.Status"/><Property Name="Tags" Type="Collection(Edm.String)"/>
 <NavigationProperty Name="Agent" Type="Self.Agent">
  <ReferentialConstraint Property="AgentKey" ReferencedProperty="Id"/></NavigationProperty>
 <Property Name="AgentKey" Type="Edm.String"/></EntityType>
<EntityType Name="Agent" BaseType="Ns.Base" OpenType="true"/>
<ComplexType Name="Address"><Property Name="Street" Type="Edm.String"/></ComplexType>
<EntityContainer Name="C"><EntitySet Name="Listings" EntityType="Self.Listing">
 <NavigationPropertyBinding Path="Agent" Target="Agents"/></EntitySet>
 <EntitySet Name="Agents" EntityType="Ns.Agent"/></EntityContainer>
"""


def schema_of(body: str) -> object:
    return parse_metadata((HEAD + body + TAIL).encode())


def test_types_are_flat_and_aliases_are_gone() -> None:
    schema = parse_metadata((HEAD + BODY + TAIL).encode())
    listing = schema.type_of("Listings")

    assert list(listing.properties) == ["Id", "Price", "Status", "Tags", "AgentKey"]
    assert listing.key == ("Id",)
    assert listing.properties["Id"].max_length == 20
    assert not listing.properties["Id"].nullable
    assert listing.properties["Price"].type == TypeReference("Edm.Decimal")
    assert listing.properties["Price"].annotations == {"RESO.OData.Metadata.LookupName": "Prices"}
    assert listing.properties["Tags"].type == TypeReference("Edm.String", is_collection=True)
    assert listing.navigation["Agent"].constraints == (("AgentKey", "Id"),)
    assert schema.target_set("Listings", listing.navigation["Agent"]) == "Agents"
    assert schema.enum_types["Ns.Status"].members == {"Active": 1, "Sold": 2}
    assert schema.enum_types["Ns.Status"].display == {"Active": "Active Now"}
    assert schema.enum_types["Ns.Status"].is_flags
    assert schema.type_of("Agents").is_open
    assert not schema.types["Ns.Address"].is_entity


VALUES = '<Collection><Record><Annotation Term="Core.Description" String="no value"/><PropertyValue Property="Value" String="A"/></Record>{}</Collection>'
RECORD = '<Record><PropertyValue Property="Value" {}/></Record>'
ALLOWED = '<Annotation Term="Org.OData.Validation.V1.AllowedValues">{}</Annotation>'


def allowed(property_body: str, beside: str = "", kind: str = "Edm.String") -> tuple[str, ...] | None:
    body = f'<EntityType Name="T"><Key><PropertyRef Name="Id"/></Key><Property Name="Id" Type="Edm.String"/><Property Name="P" Type="{kind}">{property_body}</Property></EntityType>'
    document = f'{HEAD}{body}{beside}<EntityContainer Name="C"><EntitySet Name="Ts" EntityType="Self.T"/></EntityContainer>{TAIL}'
    return parse_metadata(document.encode()).type_of("Ts").properties["P"].allowed


@pytest.mark.parametrize(
    ("record", "values"),
    [
        ("", ("A",)), (RECORD.format('String="B &amp; C"'), ("A", "B & C")), (RECORD.format('Int="7"'), ("A", "7")), (RECORD.format('EnumMember="Ns.S/B Ns.S/C"'), ("A", "B", "C")),
        (RECORD.format('String="A"'), ("A",)), ('<Record><PropertyValue Property="Value"><String>B</String></PropertyValue></Record>', ("A", "B")),
        ('<Record><PropertyValue Property="Other" String="B"/></Record>', ("A",)), ('<Record><PropertyValue Property="Value"><EnumMember>Ns.S/B</EnumMember></PropertyValue></Record>', ("A", "B")),
    ],
)  # fmt: skip
def test_the_values_that_a_property_takes_are_read(record: str, values: tuple[str, ...]) -> None:
    assert allowed(ALLOWED.format(VALUES.format(record))) == values


@pytest.mark.parametrize(
    "record",
    [RECORD.format('Path="Id"'), '<Record><PropertyValue Property="Value"><Path>Id</Path></PropertyValue></Record>', RECORD.format("")],
)  # fmt: skip
def test_a_list_of_values_that_cannot_be_read_whole_is_not_one(record: str) -> None:
    assert allowed(ALLOWED.format(VALUES.format(record))) is None


def test_a_list_without_values_or_with_a_qualifier_closes_nothing() -> None:
    whole = VALUES.format("")

    assert allowed(ALLOWED.format("<Collection/>")) is None
    assert allowed(ALLOWED.format(whole).replace("<Annotation Term=", '<Annotation Qualifier="x" Term=', 1)) is None
    assert allowed(ALLOWED.format(whole).replace("AllowedValues", "AllowedTerms")) is None


@pytest.mark.parametrize("target", ["Ns.T/P", "Self.T/P"])
def test_values_are_read_beside_the_model_as_well(target: str) -> None:
    beside = f'<Annotations Target="{target}">{ALLOWED.format(VALUES.format(""))}</Annotations>'

    assert allowed("", beside) == ("A",)
    assert allowed("", beside.replace("/P", "/Id")) is None


def test_values_of_a_type_definition_are_those_of_its_properties() -> None:
    beside = (
        f'<TypeDefinition Name="D" UnderlyingType="Edm.String">{ALLOWED.format(VALUES.format(""))}</TypeDefinition>'
    )
    own = ALLOWED.format(VALUES.format("").replace('"A"', '"B"'))

    assert allowed("", beside, "Self.D") == ("A",)
    assert allowed(own, beside, "Self.D") == ("B",)


#: An entity set, so that there is something to serve.
CONTAINER = '<EntityContainer Name="C"><EntitySet Name="S" EntityType="Ns.T"/></EntityContainer>'


def test_a_vocabulary_may_be_called_by_its_alias() -> None:
    listed = ALLOWED.format(VALUES.format("")).replace("Org.OData.Validation.V1", "Validation")
    document = f'{HEAD}<EntityType Name="T"><Key><PropertyRef Name="P"/></Key><Property Name="P" Type="Edm.String">{listed}</Property></EntityType>{CONTAINER}{TAIL}'
    include = '<edmx:Reference Uri="x"><edmx:Include Namespace="Org.OData.Validation.V1" Alias="Validation"/></edmx:Reference>'
    found = [
        parse_metadata(text.encode()).types["Ns.T"].properties["P"].allowed
        for text in (document, document.replace("<edmx:DataServices>", include + "<edmx:DataServices>"))
    ]

    assert found == [None, ("A",)]


def test_a_list_of_values_leaves_other_annotations_as_they_are() -> None:
    body = f'{ALLOWED.format(VALUES.format(""))}<Annotation Term="RESO.OData.Metadata.LookupName" String="L"/>'
    document = f'{HEAD}<EntityType Name="T"><Key><PropertyRef Name="P"/></Key><Property Name="P" Type="Edm.String">{body}</Property></EntityType>{CONTAINER}{TAIL}'
    declared = parse_metadata(document.encode()).types["Ns.T"].properties["P"]

    assert (declared.annotations, declared.allowed) == ({"RESO.OData.Metadata.LookupName": "L"}, ("A",))


def test_a_schema_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        sandbox_schema().entity_sets["X"] = None  # type: ignore[index]  # that it cannot be written is the point


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('<EntityType Name="A" BaseType="Ns.B"/><EntityType Name="B" BaseType="Ns.A"/>', "its own base type"),
        ('<EntityType Name="A" BaseType="Ns.Gone"/>', "unknown base type"),
        ('<EntityType Name="A"/><EntityType Name="A"/>', "declared twice"),
        ('<EntityType Name="A"><Property Name="P" Type="Edm.String"/><Property Name="P" Type="Edm.String"/></EntityType>', "twice"),
        ('<EntityType Name="A"><Property Type="Edm.String"/></EntityType>', "lacks its attribute `Name`"),
        ('<EntityType Name="A"><Key><PropertyRef Name="K"/></Key></EntityType>', "key `K`"),
        ('<EntityContainer Name="C"><EntitySet Name="S" EntityType="Ns.Gone"/></EntityContainer>', "unknown type"),
        ('<EntityType Name="A"/><EntityContainer Name="C"><EntitySet Name="S" EntityType="Ns.A"/></EntityContainer>', "no key"),
        ('<EnumType Name="E"><Member Name="M" Value="x"/></EnumType>', "not a whole number"),
        ("<EntityType", "not well-formed"),
    ],
)  # fmt: skip
def test_declarations_that_do_not_fit_are_refused(body: str, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        schema_of(body)


_TYPE = (
    '<EntityType Name="{0}"{1}><Key><PropertyRef Name="K"/></Key><Property Name="K" Type="Edm.String"/>{2}</EntityType>'
)
_SETS = '<EntityContainer Name="C"><EntitySet Name="Good" EntityType="Ns.Good"/>{}</EntityContainer>'
_BAD = '<EntitySet Name="Bad" EntityType="Self.Bad"/>'
_GOOD = _TYPE.format("Good", "", "")


def closing(types: str, sets: str = _BAD) -> dict[str, str]:
    """The closed sets of a document that has a good one too, each with the reason."""
    schema = parse_metadata((HEAD + _GOOD + types + _SETS.format(sets) + TAIL).encode())
    assert set(schema.entity_sets) == {"Good"}
    assert list(schema.type_of("Good").properties) == ["K"]
    return {name: closed.reason for name, closed in schema.closed.items()}


@pytest.mark.parametrize(
    ("types", "reason"),
    [
        ("", "unknown type"),
        ('<EntityType Name="Bad"><Property Name="K" Type="Edm.String"/></EntityType>', "no key"),
        ('<ComplexType Name="Bad"><Property Name="K" Type="Edm.String"/></ComplexType>', "no key"),
        (_TYPE.format("Bad", ' BaseType="Ns.Gone"', ""), "unknown base type"),
        (_TYPE.format("Bad", ' BaseType="Ns.Bad"', ""), "its own base type"),
        (_TYPE.format("Bad", ' BaseType="Ns.B"', "") + _TYPE.format("B", ' BaseType="Ns.Bad"', ""), "its own base type"),
        (_TYPE.format("Bad", "", '<Property Name="K" Type="Edm.Int64"/>'), "`K` is declared twice"),
        (_TYPE.format("Bad", "", '<NavigationProperty Name="K" Type="Ns.Good"/>'), "`K` is declared twice"),
        (_TYPE.format("Bad", "", '<Property Type="Edm.String"/>'), "lacks its attribute `Name`"),
        (_TYPE.format("Bad", "", '<Property Name="X"/>'), "lacks its attribute `Type`"),
        (_TYPE.format("Bad", "", '<NavigationProperty Name="X" Type="Ns.Good"><ReferentialConstraint Property="K"/></NavigationProperty>'), "ReferencedProperty"),
        (_TYPE.format("Bad", "", "") + _TYPE.format("Bad", "", ""), "the type `Ns.Bad` is declared twice"),
        (_TYPE.format("Bad", "", "") + '<EnumType Name="Bad"/>', "the type `Ns.Bad` is declared twice"),
        ('<TypeDefinition Name="Bad" UnderlyingType="Edm.String"/>' + _TYPE.format("Bad", "", ""), "the type `Ns.Bad` is declared twice"),
        ('<EntityType Name="Bad"><Key><PropertyRef Name="Z"/></Key></EntityType>', "the key `Z`"),
        ('<EntityType Name="Bad"><Key><PropertyRef/></Key></EntityType>', "PropertyRef"),
        ('<EnumType Name="E" UnderlyingType="Edm.Money"/>' + _TYPE.format("Bad", "", '<Property Name="E" Type="Self.E"/>'), "unknown underlying type"),
        ('<EnumType Name="E"><Member Name="A" Value="1_0"/></EnumType>' + _TYPE.format("Bad", "", '<Property Name="E" Type="Self.E"/>'), "not a whole number"),
        ('<EnumType Name="E"><Member/></EnumType>' + _TYPE.format("Bad", "", '<Property Name="E" Type="Collection(Ns.E)"/>'), "lacks its attribute `Name`"),
        ('<EnumType Name="E"><Member Name="A"/><Member Name="A"/></EnumType>' + _TYPE.format("Bad", "", '<Property Name="E" Type="Ns.E"/>'), "twice"),
        ('<EnumType Name="E"><Member Name="A,B"/></EnumType>' + _TYPE.format("Bad", "", '<Property Name="E" Type="Ns.E"/>'), "not a name"),
        ('<EnumType Name="E"/><EnumType Name="E"/>' + _TYPE.format("Bad", "", '<Property Name="E" Type="Ns.E"/>'), "twice"),
        ('<TypeDefinition Name="D"/>' + _TYPE.format("Bad", "", '<Property Name="E" Type="Ns.D"/>'), "no primitive underlying type"),
        (_TYPE.format("Bad", ' BaseType="Ns.Up"', "").replace('<Property Name="K" Type="Edm.String"/>', "") + _TYPE.format("Up", "", '<Property Name="K" Type="Edm.String"/>'), "`K` is declared twice"),
    ],
)  # fmt: skip
def test_a_type_that_cannot_be_read_closes_its_set_and_no_other(types: str, reason: str) -> None:
    found = closing(types)

    assert list(found) == ["Bad"]
    assert reason in found["Bad"]


@pytest.mark.parametrize(
    ("sets", "name", "reason"),
    [
        (_BAD * 2, "Bad", "declared twice"),
        ('<EntitySet Name="Bad"/>', "Bad", "lacks its attribute `EntityType`"),
        ('<EntitySet EntityType="Ns.Bad"/>', "", "lacks its attribute `Name`"),
        ('<EntitySet Name="Bad" EntityType="Bad"/>', "Bad", "unknown type"),
        ('<EntitySet Name="Bad" EntityType="Ns.Bad"><NavigationPropertyBinding Path="N"/></EntitySet>', "Bad", "`Target`"),
        ('<EntitySet Name="Bad" EntityType="Ns.Bad"><NavigationPropertyBinding Path="N" Target="A"/><NavigationPropertyBinding Path="N" Target="B"/></EntitySet>', "Bad", "bound twice"),
    ],
)  # fmt: skip
def test_a_set_that_cannot_be_read_is_closed(sets: str, name: str, reason: str) -> None:
    found = closing(_TYPE.format("Bad", "", ""), sets)

    assert list(found) == [name]
    assert reason in found[name]


def test_a_type_in_a_schema_without_a_namespace_closes_its_set() -> None:
    other = '</Schema><Schema xmlns="http://docs.oasis-open.org/odata/ns/edm">' + _TYPE.format("Bad", "", "")
    body = _GOOD + _SETS.format('<EntitySet Name="Bad" EntityType="Bad"/>') + other

    schema = parse_metadata((HEAD + body + TAIL).encode())

    assert (set(schema.entity_sets), set(schema.closed)) == ({"Good"}, {"Bad"})


def test_navigation_to_a_closed_set_leads_nowhere() -> None:
    """A set of the same type must not take its place."""
    to = '<NavigationProperty Name="Bound" Type="Ns.Good"/><NavigationProperty Name="Loose" Type="Ns.Good"/>'
    sets = '<EntitySet Name="Twice" EntityType="Ns.Good"/>' * 2 + (
        '<EntitySet Name="From" EntityType="Ns.From"><NavigationPropertyBinding Path="Bound" Target="Twice"/></EntitySet>'
    )
    schema = parse_metadata((HEAD + _GOOD + _TYPE.format("From", "", to) + _SETS.format(sets) + TAIL).encode())
    navigation = schema.type_of("From").navigation

    assert set(schema.closed) == {"Twice"}
    assert [schema.target_set("From", navigation[name]) for name in ("Bound", "Loose")] == [None, None]


def test_navigation_to_an_unknown_type_leads_nowhere_and_closes_nothing() -> None:
    to = '<NavigationProperty Name="N" Type="Ns.Gone"/><Property Name="P" Type="Ns.Gone"/>'
    sets = '<EntitySet Name="From" EntityType="Ns.From"><NavigationPropertyBinding Path="N" Target="Good"/></EntitySet>'
    schema = parse_metadata((HEAD + _GOOD + _TYPE.format("From", "", to) + _SETS.format(sets) + TAIL).encode())

    assert schema.target_set("From", schema.type_of("From").navigation["N"]) is None
    assert not schema.closed


@pytest.mark.parametrize(
    "body",
    [
        '<EntityType Name="A"><EntityType Name="B"/></EntityType>',
        '<EntityType Name="A"><Property Name="P" Type="Edm.String"><Property Name="Q" Type="Edm.String"/></Property></EntityType>',
        "<Member/><PropertyRef/><EntitySet/><String>x</String><Annotation><String/></Annotation>",
        '<EntityContainer Name="D"><EntitySet Name="X" EntityType="Ns.Good"><EntitySet/></EntitySet></EntityContainer>',
    ],
)
def test_elements_in_places_where_they_mean_nothing_do_no_harm(body: str) -> None:
    schema = parse_metadata((HEAD + body + _GOOD + _SETS.format("") + TAIL).encode())

    assert "Good" in schema.entity_sets
    assert "Q" not in [name for found in schema.types.values() for name in found.properties]


def test_a_fault_says_its_line() -> None:
    with pytest.raises(SchemaError) as refused:
        schema_of("\n\n<EntityType Name='A'><Property Type='Edm.String'/></EntityType>")

    assert refused.value.line == 3


def test_a_doctype_is_refused() -> None:
    """It could name files of this machine and expand entities without end."""
    document = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + (HEAD + TAIL).encode()

    with pytest.raises(SchemaError, match="DOCTYPE"):
        parse_metadata(document)


@pytest.mark.parametrize("document", [b"", b"<html/>", b"{}", b"\xff\xfe<x/>"])
def test_what_is_no_edmx_is_refused(document: bytes) -> None:
    with pytest.raises(SchemaError):
        parse_metadata(document)


@pytest.mark.guarantee("G6")
def test_two_megabytes_on_one_line_are_read_in_one_pass() -> None:
    """RESO's certification document is one line. What counts is that the reader's work is linear in it."""
    properties = "".join(f'<Property Name="Field{n}" Type="Edm.String" MaxLength="255"/>' for n in range(33_000))
    body = f'<EntityType Name="A"><Key><PropertyRef Name="Field0"/></Key>{properties}</EntityType>'
    document = (
        HEAD + body + '<EntityContainer Name="C"><EntitySet Name="A" EntityType="Ns.A"/></EntityContainer>' + TAIL
    ).encode()

    schema = parse_metadata(document)

    assert len(document) > 2_000_000
    assert len(schema.type_of("A").properties) == 33_000


def test_the_sandbox_model_is_read() -> None:
    schema = sandbox_schema()

    assert schema.type_of("Property").key == ("ListingKey",)
    assert schema.type_of("Property").properties["TotalBaths"].type.name == "Edm.Decimal"
