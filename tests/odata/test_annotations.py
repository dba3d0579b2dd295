"""Annotations are the same inline or outside, by namespace or by alias, and in every order of the document."""

from __future__ import annotations

from itertools import permutations

import pytest

from gateway.odata.csdl import LOOKUP_NAME, Schema, parse_metadata

STANDARD = "RESO.OData.Metadata.StandardName"
VENDOR = "org.reso.metadata.enums.StandardName"
DESCRIPTION = "Org.OData.Core.V1.Description"
REFERENCE = (
    '<edmx:Reference Uri="x"><edmx:Include Namespace="Org.OData.Core.V1" Alias="Core"/>'
    '<edmx:Include Namespace="RESO.OData.Metadata" Alias="RESO"/></edmx:Reference>'
)


def document(
    member: str = "", field: str = "", outside: str = "", *, prefix: str = REFERENCE, more: str = ""
) -> Schema:
    """A set whose field has an enumeration, with what stands inside the member, inside the field, and outside."""
    return parse_metadata(
        (
            f'<edmx:Edmx xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx" Version="4.0">{prefix}<edmx:DataServices>'
            '<Schema xmlns="http://docs.oasis-open.org/odata/ns/edm" Namespace="Deep.Ns" Alias="Self">'
            f'<EnumType Name="E"><Member Name="M">{member}</Member><Member Name="Other"/></EnumType>'
            '<EntityType Name="Base" Abstract="true"><Property Name="Inherited" Type="Edm.String"/></EntityType>'
            '<EntityType Name="T" BaseType="Self.Base"><Key><PropertyRef Name="K"/></Key><Property Name="K" Type="Edm.String"/>'
            f'<Property Name="F" Type="Self.E">{field}</Property><NavigationProperty Name="N" Type="Self.T"/></EntityType>'
            f'{more}<EntityContainer Name="C"><EntitySet Name="S" EntityType="Self.T"/></EntityContainer>{outside}</Schema>'
            "</edmx:DataServices></edmx:Edmx>"
        ).encode()
    )


def shown(schema: Schema) -> str | None:
    return schema.enum_types["Deep.Ns.E"].display.get("M")


def lookup(schema: Schema, name: str = "F") -> str | None:
    return schema.type_of("S").properties[name].annotations.get(LOOKUP_NAME)


def inline(term: str, text: str, more: str = "") -> str:
    return f'<Annotation Term="{term}" String="{text}"{more}/>'


def external(target: str, term: str, text: str, more: str = "") -> str:
    return f'<Annotations Target="{target}"{more}>{inline(term, text)}</Annotations>'


TEXTS = {STANDARD: "right", VENDOR: "vendor", "X.LocalName": "local", "X.Anything": "any", DESCRIPTION: "described"}


@pytest.mark.parametrize("order", list(permutations(TEXTS))[::7])
def test_the_best_term_wins_in_every_order(order: tuple[str, ...]) -> None:
    assert shown(document("".join(inline(term, TEXTS[term]) for term in order))) == "right"


def test_each_term_is_taken_where_nothing_better_is_there() -> None:
    terms = list(TEXTS)
    for place, term in enumerate(terms):
        worse = reversed(terms[place:])

        assert shown(document("".join(inline(name, TEXTS[name]) for name in worse))) == TEXTS[term]
    assert shown(document(inline("Core.LongDescription", "a page"))) is None


@pytest.mark.parametrize(
    "said",
    [
        external("Deep.Ns.E/M", STANDARD, "right"),
        external("Self.E/M", STANDARD, "right"),
        external("Self.E/M", "RESO.StandardName", "right"),
        f'<Annotations Target="Self.E/M"><Annotation Term="{STANDARD}"><String>right</String></Annotation></Annotations>',
        '<Annotations Target="Deep.Ns.E/M"><Annotation Term="RESO.StandardName"><String>\n <!-- x -->ri<![CDATA[gh]]>t<!-- y -->\n</String></Annotation></Annotations>',
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_an_annotation_outside_is_one_like_inside(said: str, is_first: bool) -> None:
    described = inline("Core.Description", "described")
    found = document(described, more=said) if is_first else document(described, outside=said)

    assert shown(found) == "right"


def test_the_inline_text_of_a_term_wins() -> None:
    outside = external("Self.E/M", STANDARD, "outside")

    assert shown(document(inline("RESO.StandardName", "inside"), outside=outside)) == "inside"
    assert shown(document(inline("RESO.StandardName", "inside"), more=outside)) == "inside"


@pytest.mark.parametrize(
    "said",
    [
        inline(STANDARD, "wrong", ' Qualifier="Tablet"'),
        inline(STANDARD, ""),
        f'<Annotation Term="{STANDARD}" Bool="true"/>',
        f'<Annotation Term="{STANDARD}"><Collection><String>wrong</String></Collection></Annotation>',
        f'<Annotation Term="{STANDARD}"><Record><PropertyValue Property="P" String="wrong"/></Record></Annotation>',
        f'<Annotation Term="X.Y" Bool="true">{inline(STANDARD, "wrong")}</Annotation>',
        inline(STANDARD, "one") + inline("RESO.StandardName", "another"),
    ],
)
def test_what_says_nothing_of_the_member_as_such_is_passed_over(said: str) -> None:
    assert shown(document(said + inline("Core.Description", "described"))) == "described"
    assert shown(document(inline("Core.Description", "described") + said)) == "described"


@pytest.mark.parametrize(
    "outside",
    [
        external("Self.E/M", STANDARD, "wrong", ' Qualifier="Tablet"'), external("Self.E/Gone", STANDARD, "wrong"),
        external("Other.E/M", STANDARD, "wrong"), external("Self.E", STANDARD, "wrong"), external("E/M", STANDARD, "wrong"),
        external("Self.E/M/@X.Y", STANDARD, "wrong"), external("Self.T/M", STANDARD, "wrong"),
    ],
)  # fmt: skip
def test_an_annotation_of_something_else_is_not_the_members(outside: str) -> None:
    assert shown(document(outside=outside)) is None


@pytest.mark.parametrize(
    "said",
    [
        external("Self.T/F", LOOKUP_NAME, "Things"),
        external("Deep.Ns.T/F", "RESO.LookupName", "Things"),
        external("Deep.Ns.C/S/F", LOOKUP_NAME, "Things"),
        external("Self.C/S/Self.T/F", LOOKUP_NAME, "Things"),
    ],
)
def test_the_name_of_a_lookup_may_stand_outside(said: str) -> None:
    assert lookup(document(outside=said)) == "Things"
    assert lookup(document(more=said)) == "Things"
    assert lookup(document(field=inline("RESO.LookupName", "Own"), outside=said)) == "Own"


@pytest.mark.parametrize("target", ["Self.Base/Inherited", "Self.T/Inherited"])
def test_an_inherited_property_may_be_annotated_by_either_type(target: str) -> None:
    assert lookup(document(outside=external(target, LOOKUP_NAME, "Things")), "Inherited") == "Things"


def test_a_navigation_property_and_a_type_are_annotated_alike() -> None:
    said = external("Self.T/N", "X.Y", "text") + external("Self.T", "X.Z", "of the type")
    found = document(outside=said).type_of("S")

    assert found.navigation["N"].annotations == {"X.Y": "text"}
    assert found.annotations == {"X.Z": "of the type"}


def test_an_alias_of_two_namespaces_stands_for_neither() -> None:
    twice = REFERENCE.replace("</edmx:Reference>", '<edmx:Include Namespace="Other" Alias="RESO"/></edmx:Reference>')

    assert lookup(document(field=inline("RESO.LookupName", "x"), prefix=twice)) is None


def test_an_alias_may_be_declared_behind_its_use() -> None:
    late = document(outside=external("Late.E/M", STANDARD, "no")).enum_types["Deep.Ns.E"]
    text = (
        '<edmx:Edmx xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx" Version="4.0"><edmx:DataServices>'
        '<Schema xmlns="http://docs.oasis-open.org/odata/ns/edm" Namespace="A"><Annotations Target="Late.E/M">'
        f'{inline(STANDARD, "right")}</Annotations><EntityType Name="T"><Key><PropertyRef Name="K"/></Key>'
        '<Property Name="K" Type="Edm.String"/></EntityType><EntityContainer Name="C"><EntitySet Name="S" EntityType="A.T"/>'
        '</EntityContainer></Schema><Schema xmlns="http://docs.oasis-open.org/odata/ns/edm" Namespace="B" Alias="Late">'
        '<EnumType Name="E"><Member Name="M"/></EnumType></Schema></edmx:DataServices></edmx:Edmx>'
    )

    assert late.display == {}
    assert parse_metadata(text.encode()).enum_types["B.E"].display == {"M": "right"}
