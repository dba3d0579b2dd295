"""Rules compiled so that no upstream can misread them, and literals that no row can trip over."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from decimal import Decimal

import pytest

from gateway.odata import literals
from gateway.odata.ast import FALSE, TRUE, And, Comparison, Expression, In, Lambda, Not, Operator, Or, PropertyPath
from gateway.odata.csdl import parse_metadata
from gateway.odata.evaluate import Reading, evaluate
from gateway.odata.literals import Kind, Value
from gateway.odata.parser import parse_filter
from gateway.odata.printer import print_expression
from gateway.policy.conditions import (
    Binder,
    UnfitError,
    UnknownNameError,
    fold,
    is_contradiction,
    null_safe,
    spell_out_tests,
)
from gateway.sandbox.rows import sandbox_schema
from tests.odata.test_csdl import BODY, HEAD, TAIL

# --- the enumeration of CHANNELS 4.5

VALUES: tuple[Value, ...] = (None, Decimal(3), Decimal(5), Decimal(7))
ROWS: list[dict[str, Value]] = [{"F": f, "G": g} for f, g in itertools.product(VALUES, VALUES[:3])]


def atoms() -> Iterator[Expression]:
    for name in ("F", "G"):
        path = PropertyPath(name)
        for operator in Operator:
            yield Comparison(operator, path, literals.number(5))
        yield Comparison(Operator.EQ, path, literals.NULL)
        yield Comparison(Operator.NE, path, literals.NULL)
        yield In(path, (literals.number(3), literals.number(5)))


def rules() -> list[Expression]:
    """Every rule up to depth two over two nullable fields."""
    first = list(atoms())
    first += [Not(atom) for atom in first]
    pairs = [kind(terms) for terms in itertools.product(first, first) for kind in (And, Or)]
    return first + pairs + [Not(pair) for pair in pairs]


def odata(expression: Expression, row: dict[str, Value]) -> bool:
    """An upstream that follows the text of OData 4.01: comparisons with null are false, `ne` true."""
    match expression:
        case And(terms):
            return all(odata(term, row) for term in terms)
        case Or(terms):
            return any(odata(term, row) for term in terms)
        case Not(term):
            return not odata(term, row)
        case Comparison(operator, PropertyPath(name), right):
            value = row[name]
            if right.kind is Kind.NULL or value is None:
                equal = value is None and right.kind is Kind.NULL
                return {Operator.EQ: equal, Operator.NE: not equal}.get(operator, False)
            return evaluate(expression, row.__getitem__) is True
        case In(PropertyPath(name), _):
            return row[name] is not None and evaluate(expression, row.__getitem__) is True
        case _:
            raise AssertionError(expression)


def sql(expression: Expression, row: dict[str, Value]) -> bool:
    """An upstream that follows SQL: three-valued, selected on true only."""
    return evaluate(expression, row.__getitem__) is True


@pytest.mark.channel("C252", "C341", "C345")
def test_compiled_rules_select_the_same_rows_on_every_upstream() -> None:
    different_as_written = 0
    for rule in rules():
        compiled = null_safe(rule)
        for row in ROWS:
            definitely = sql(rule, row)
            assert sql(compiled, row) is odata(compiled, row) is definitely
            assert evaluate(compiled, row.__getitem__) is not None
            different_as_written += odata(rule, row) is not definitely

    assert different_as_written > 1000  # as written they do differ, or this test proves nothing


@pytest.mark.channel("C338")
@pytest.mark.parametrize(
    ("text", "row", "expected"),
    [
        ("not Tags/any(x:x eq 'A')", None, False), ("not Tags/any(x:x eq 'A')", (), True), ("not Tags/any(x:x eq 'A')", ("A",), False),
        ("not Tags/any(x:x eq 'A')", ("B",), True), ("not Tags/any(x:x eq 'A')", (None,), False),
        ("Tags/any(x:x eq 'A')", ("B", "A"), True), ("Tags/any(x:x eq 'A')", None, False),
    ],
)  # fmt: skip
def test_lambdas_are_definite(text: str, row: Value, expected: bool) -> None:
    compiled = null_safe(parse_filter(text))

    assert (evaluate(compiled, lambda _: row) is True) is expected


def test_the_compiled_form_is_the_documented_one() -> None:
    for text, compiled in (
        ("City eq 'A'", "(City ne null) and (City eq 'A')"),
        ("not (City eq 'A')", "(City ne null) and (City ne 'A')"),
        ("not (City in ('A','B'))", "(City ne null) and (City ne 'A') and (City ne 'B')"),
        ("not contains(City,'a')", "(City ne null) and (not (contains(City,'a')))"),
        ("not WaterfrontYN", "(WaterfrontYN ne null) and (WaterfrontYN eq false)"),
        ("contains(City,'a') eq true", "(City ne null) and (contains(City,'a'))"),
        ("true ne contains(City,'a')", "(City ne null) and (not (contains(City,'a')))"),
        ("not (contains(City,'a') eq false)", "(City ne null) and (contains(City,'a'))"),
        ("City ne null", "City ne null"),
        ("not (City eq null and Level gt 4)", "(City ne null) or ((Level ne null) and (Level le 4))"),
    ):
        assert print_expression(null_safe(parse_filter(text))) == compiled


# --- binding

SCHEMA = sandbox_schema()
PROPERTY = SCHEMA.type_of("Property").properties


def bind(text: str) -> Expression:
    return Binder(SCHEMA, PROPERTY.get).bind(parse_filter(text))


@pytest.mark.channel("C47", "C61", "C187", "C280")
@pytest.mark.parametrize(
    "text",
    [
        "BedroomsTotal eq 'x'", "BedroomsTotal eq 2.5", "BedroomsTotal eq 9223372036854775808", "BedroomsTotal eq true", "City eq 1",
        "City eq true", "ListPrice eq '1'", "ListPrice eq 2024-01-01", "CloseDate eq 2024-01-01T00:00:00Z", "CloseDate eq '2024-01-01'",
        "ModificationTimestamp gt 2024-01-01", "WaterfrontYN gt true", "WaterfrontYN eq 1", "City gt null",
        "contains(ListPrice,'1')", "tolower(BedroomsTotal) eq 'x'", "City", "Appliances eq 'x'", "City/any(x:x eq 'a')",
        "Appliances/any(x:x eq 1)", "Appliances/any(City:City eq 'a')", "City eq Ns.City'A'", "contains(City,'A\\')",
    ],
)  # fmt: skip
def test_literals_and_operators_that_do_not_fit_are_refused(text: str) -> None:
    with pytest.raises(UnfitError):
        bind(text)


@pytest.mark.channel("C37")
@pytest.mark.parametrize("name", ["City", "OwnerName", "Fresh1234"])
def test_inside_a_lambda_only_the_variable_starts_a_path(name: str) -> None:
    with pytest.raises(UnfitError) as refused:
        bind(f"Appliances/any(x:{name} eq 'a')")

    assert refused.value.name == name


@pytest.mark.channel("C38")
def test_the_variable_of_the_client_is_not_printed() -> None:
    bound = bind("Appliances/any(mine:mine eq 'a' and startswith(tolower(mine),'b'))")

    assert isinstance(bound, Lambda)
    assert "mine" not in print_expression(bound)
    assert bound.variable not in PROPERTY


def test_names_come_before_literals() -> None:
    """Both are wrong: which check fired first may not depend on what is hidden (C190)."""
    with pytest.raises(UnknownNameError) as refused:
        bind("BedroomsTotal eq 'x' and Nope eq 1")

    assert refused.value.name == "Nope"


@pytest.mark.channel("C47")
@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("Status eq 'Active'", "Status eq Ns.Status'Active'"), ("Status eq 'Active Now'", "Status eq Ns.Status'Active'"),
        ("Status eq Ns.Status'Active,Sold'", "Status eq Ns.Status'Active,Sold'"), ("Status eq '1'", None),
        ("Status eq Ns.Status'Gone'", None), ("Status eq Other.Status'Active'", None), ("Status gt 'Active'", None), ("Status eq 1", None),
    ],
)  # fmt: skip
def test_enum_literals_name_a_member_of_the_declared_type(text: str, printed: str | None) -> None:
    schema = parse_metadata((HEAD + BODY + TAIL).encode())
    binder = Binder(schema, schema.type_of("Listings").properties.get)

    if printed is None:
        with pytest.raises(UnfitError):
            binder.bind(parse_filter(text))
    else:
        assert print_expression(binder.bind(parse_filter(text))) == printed


DESIGNATIONS = """<EnumType Name="D" IsFlags="{flags}"><Member Name="Gri">
 <Annotation Term="RESO.OData.Metadata.StandardName" String="Graduate, REALTOR Institute / GRI"/></Member>
 <Member Name="Green"/><Member Name="Cats"/><Member Name="Dogs"/><Member Name="Both">
 <Annotation Term="RESO.OData.Metadata.StandardName" String="Green, Cats"/></Member><Member Name="Mix">
 <Annotation Term="RESO.OData.Metadata.StandardName" String="Any, Dogs"/></Member><Member Name="Every">
 <Annotation Term="RESO.OData.Metadata.StandardName" String="Any"/></Member></EnumType>
<EntityType Name="T"><Key><PropertyRef Name="K"/></Key><Property Name="K" Type="Edm.String"/><Property Name="D" Type="Ns.D"/>
<Property Name="Ds" Type="Collection(Ns.D)"/></EntityType>
<EntityContainer Name="C"><EntitySet Name="S" EntityType="Ns.T"/></EntityContainer>"""


@pytest.mark.channel("C47")
@pytest.mark.parametrize(
    ("flags", "text", "printed"),
    [
        ("false", "D eq 'Graduate, REALTOR Institute / GRI'", "D eq Ns.D'Gri'"),
        ("false", "D eq Ns.D'Graduate, REALTOR Institute / GRI'", "D eq Ns.D'Gri'"),
        ("false", "D has 'Graduate, REALTOR Institute / GRI'", "D has Ns.D'Gri'"),
        ("false", "D in ('Green','Graduate, REALTOR Institute / GRI')", "D in (Ns.D'Green',Ns.D'Gri')"),
        ("false", "Ds/any(d:d eq 'Graduate, REALTOR Institute / GRI')", "Ds/any(x__:x__ eq Ns.D'Gri')"),
        ("false", "D eq 'Green,Graduate, REALTOR Institute / GRI'", None),
        ("false", "D eq 'Graduate'", None),
        ("true", "D eq 'Graduate, REALTOR Institute / GRI'", "D eq Ns.D'Gri'"),
        ("true", "D has 'Green, Graduate, REALTOR Institute / GRI'", "D has Ns.D'Green,Gri'"),
        ("true", "D has 'Green,Cats'", "D has Ns.D'Green,Cats'"),  # names are read as OData reads them
        ("true", "D has 'Dogs,Any, Dogs'", None),  # may be {Dogs, Mix} or {Dogs, Any}
        ("true", "D eq 'Graduate,Green'", None),
    ],
)
def test_a_display_text_with_commas_is_one_member(flags: str, text: str, printed: str | None) -> None:
    schema = parse_metadata((HEAD + DESIGNATIONS.format(flags=flags) + TAIL).encode())
    binder = Binder(schema, schema.type_of("S").properties.get)

    if printed is None:
        with pytest.raises(UnfitError):
            binder.bind(parse_filter(text))
    else:
        assert print_expression(binder.bind(parse_filter(text))) == printed


@pytest.mark.channel("C277")
def test_a_backslash_in_a_pattern_needs_a_profile_that_reads_patterns_literally() -> None:
    literal = Binder(SCHEMA, PROPERTY.get, backslash_is_literal=True)

    literal.bind(parse_filter("contains(City,'A\\')"))


# --- folding and contradictions


@pytest.mark.channel("C56")
@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("City in ('A',null)", "(City in ('A')) or (City eq null)"), ("City in (null,null)", "City eq null"), ("City in ('A')", "City in ('A')"),
        ("not (BedroomsTotal in (null,1))", "not ((BedroomsTotal in (1)) or (BedroomsTotal eq null))"),
    ],
)  # fmt: skip
def test_null_in_a_list_is_a_comparison_of_its_own(text: str, bound: str) -> None:
    """Servers read ``in (null)`` in different ways."""
    assert print_expression(bind(text)) == bound


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("contains(City,'a') eq true", "(City ne null) and (contains(City,'a'))"), ("contains(City,'a') ne false", "(City eq null) or (contains(City,'a'))"),
        ("contains(City,'a') eq false", "(City ne null) and (not (contains(City,'a')))"), ("false ne endswith(City,'a')", "(City eq null) or (endswith(City,'a'))"),
        ("true ne startswith(concat(City,City),'a')", "(City eq null) or (not (startswith(concat(City,City),'a')))"),
        ("Appliances/any(t:contains(t,'a') eq true)", "Appliances/any(x__:(x__ ne null) and (contains(x__,'a')))"),
    ],
)  # fmt: skip
def test_a_clients_test_is_no_comparison_upstream(text: str, spelled: str) -> None:
    """Null equals neither true nor false; and no upstream is asked to compare a test."""
    bound = bind(text)
    told = spell_out_tests(bound)

    assert print_expression(told) == spelled
    for city in (None, "a", "b"):
        row: dict[str, Value] = {"City": city, "Appliances": (city,)}
        for negated in (False, True):
            both = [Not(found) if negated else found for found in (bound, told)]
            truths = [evaluate(found, row.__getitem__, Reading(odata_nulls=True)) for found in both]
            assert truths[0] is truths[1]


@pytest.mark.channel("C277")
@pytest.mark.parametrize(
    "text",
    ["contains(City,'a') eq null", "contains(City,'a') gt true", "contains(City,'a') eq 1", "contains(BedroomsTotal,'a') eq true", "contains(City,'a\\') eq true",
     "Appliances in (null)", "contains(City,length('a')) eq true", "BedroomsTotal eq tolower('a')", "City eq length('a')"],
)  # fmt: skip
def test_tests_and_constants_that_do_not_fit_are_refused(text: str) -> None:
    with pytest.raises(UnfitError):
        bind(text)


def test_constants_are_folded_away() -> None:
    assert fold(parse_filter("City eq 'A' or true")) == TRUE
    assert fold(parse_filter("City eq 'A' and not true")) == FALSE
    assert fold(parse_filter("City eq 'A' and true")) == parse_filter("City eq 'A'")


@pytest.mark.channel("C342")
@pytest.mark.parametrize(
    ("text", "empty"),
    [
        ("A eq 'x' and A eq 'y'", True), ("A in ('x','y') and A in ('z')", True), ("A in ('x','y') and A eq 'y'", False),
        ("A eq null and A eq 'x'", True), ("A eq null and A ne null", True), ("A eq 'x' or A eq 'y'", False), ("false", True),
        ("A eq 'x' and B eq 'y'", False), ("(A eq 'x' and (A ne null)) and (B eq 1 and A eq 'z')", True), ("A gt 1 and A lt 0", False),
    ],
)  # fmt: skip
def test_contradictions_that_literals_show(text: str, empty: bool) -> None:
    assert is_contradiction(parse_filter(text)) is empty


def test_a_folding_upstream_contradicts_itself_less() -> None:
    text = parse_filter("A eq 'Active' and A eq 'ACTIVE'")

    assert is_contradiction(text)
    assert not is_contradiction(text, str.casefold)
