"""The language: what is offered is understood and printed back, everything else is refused where it stands."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gateway.odata import literals
from gateway.odata.ast import (
    DATE_PARTS,
    STRING_FUNCTIONS,
    And,
    Call,
    Comparison,
    Constant,
    Expression,
    Function,
    Has,
    In,
    Lambda,
    Not,
    Operand,
    Operator,
    Or,
    PropertyPath,
    Quantifier,
    StringTest,
)
from gateway.odata.grammar import GRAMMAR_DIRECTORY
from gateway.odata.literals import Alias, EnumValue, Kind, Literal, Now, TimeOfDay, Timestamp
from gateway.odata.parser import (
    _LARK,
    Limits,
    NotOfferedError,
    ODataSyntaxError,
    parse_alias_value,
    parse_expand,
    parse_filter,
    parse_orderby,
    parse_segment,
    parse_select,
)
from gateway.odata.printer import print_expression

CORPUS = Path(__file__).parent.parent / "corpus"


def lines(name: str) -> list[str]:
    text = (CORPUS / name).read_text(encoding="utf-8")
    return [line for line in text.split("\n") if line and not line.startswith("#")]


NAMES = st.from_regex(r"\A[A-Z][A-Za-z0-9_]{0,20}\Z").filter(
    lambda name: name.lower() not in ("null", "true", "false", "not")
)
PATHS = NAMES.map(PropertyPath)
TEXTS = st.text(st.characters(exclude_categories=["Cs"])).map(literals.string)
LITERALS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])).map(literals.string),
    st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**15), max_value=10**15).map(
        literals.number
    ),
    st.integers(-(2**63), 2**63).map(literals.number),
    st.booleans().map(literals.boolean),
    st.dates().map(lambda day: Literal(Kind.DATE, day)),
    st.builds(
        lambda moment, fraction: Literal(
            Kind.DATE_TIME_OFFSET, Timestamp(moment.replace(microsecond=0, tzinfo=UTC), fraction)
        ),
        st.datetimes(),
        st.integers(0, 10**12 - 1),
    ),
    st.builds(lambda name, member: Literal(Kind.ENUM, EnumValue(f"Ns.{name}", member)), NAMES, st.text(max_size=8)),
    st.just(literals.NULL),
    st.uuids().map(lambda guid: Literal(Kind.GUID, guid)),
    st.builds(
        lambda s, p: Literal(Kind.TIME_OF_DAY, TimeOfDay(s, p)), st.integers(0, 86_399), st.integers(0, 10**12 - 1)
    ),
    st.integers(-(10**20), 10**20).map(lambda distance: Literal(Kind.NOW, Now(distance))),
    NAMES.map(lambda name: Literal(Kind.ALIAS, Alias(name))),
)
OPERANDS: st.SearchStrategy[Operand] = st.recursive(
    PATHS,
    lambda inner: st.one_of(
        st.builds(Call, st.sampled_from([*STRING_FUNCTIONS, *DATE_PARTS, Function.LENGTH]), st.tuples(inner)),
        st.builds(
            Call, st.just(Function.CONCAT), st.tuples(inner, TEXTS) | st.tuples(TEXTS, inner) | st.tuples(inner, inner)
        ),
    ),
    max_leaves=3,
)


def repeats_a_variable(tree: Expression, known: frozenset[str] = frozenset()) -> bool:
    match tree:
        case Lambda(_, _, variable, inner):
            return variable in known or repeats_a_variable(inner, known | {variable})
        case And(terms) | Or(terms):
            return any(repeats_a_variable(term, known) for term in terms)
        case Not(term):
            return repeats_a_variable(term, known)
        case _:
            return False


ATOMS = st.one_of(
    st.builds(Comparison, st.sampled_from(Operator), OPERANDS, LITERALS),
    st.builds(In, OPERANDS, st.lists(LITERALS, min_size=1, max_size=4).map(tuple)),
    st.builds(
        StringTest,
        st.sampled_from([Function.CONTAINS, Function.STARTSWITH, Function.ENDSWITH]),
        OPERANDS,
        st.text(st.characters(exclude_categories=["Cs"])).map(literals.string),
    ),
    st.builds(Has, PATHS, LITERALS),
    PATHS,
    st.booleans().map(Constant),
)
TREES: st.SearchStrategy[Expression] = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=4).map(lambda terms: And(tuple(terms))),
        st.lists(inner, min_size=2, max_size=4).map(lambda terms: Or(tuple(terms))),
        inner.map(Not),
        st.builds(Lambda, st.sampled_from(Quantifier), PATHS, NAMES, inner),
    ),
    max_leaves=12,
)


@pytest.mark.channel("C54", "C55")
def test_the_literal_that_closes_its_quote_stays_one_literal() -> None:
    """The first attack: another library's printer forgets to double quotes, and the rule is gone."""
    attack = "City eq 'x'' or 1 eq 1 or ''y'"

    tree = And((parse_filter("StandardStatus eq 'Active'"), parse_filter(attack)))

    assert tree.terms[1] == Comparison(Operator.EQ, PropertyPath("City"), literals.string("x' or 1 eq 1 or 'y"))
    assert print_expression(tree) == f"(StandardStatus eq 'Active') and ({attack})"
    assert parse_filter(print_expression(tree)) == tree


@pytest.mark.channel("C54")
@pytest.mark.guarantee("G3")
@given(TREES)
@settings(max_examples=400)
def test_print_is_the_inverse_of_parse(tree: Expression) -> None:
    assume(not repeats_a_variable(tree))  # that is no filter: a name stands for one thing
    assert parse_filter(print_expression(tree), Limits(filter_length=10**6, depth=200)) == tree


@pytest.mark.parametrize("text", lines("filters.txt"))
def test_an_offered_filter_prints_back_equal(text: str) -> None:
    tree = parse_filter(text)

    assert parse_filter(print_expression(tree)) == tree


@pytest.mark.channel("C27", "C28", "C29", "C30", "C31", "C32", "C35", "C36", "C39", "C41", "C42", "C44", "C45", "C46")
@pytest.mark.parametrize("line", lines("refused_filters.txt"))
def test_a_refused_filter_says_where(line: str) -> None:
    place, _, text = line.partition("\t")

    with pytest.raises(ODataSyntaxError) as refused:
        parse_filter(text)

    assert refused.value.position + 1 == int(place)


@pytest.mark.channel("C51")
def test_operators_and_functions_are_understood_in_any_case() -> None:
    assert parse_filter("a EQ 1 AND CONTAINS(b,'x')") == parse_filter("a eq 1 and contains(b,'x')")


@pytest.mark.channel("C52", "C298")
@pytest.mark.parametrize(
    "text", ["\u017ftartswith(a,'x')", "a eq 1 \uff41nd b eq 2", "Li\u017ftPrice eq 1", "a \u0131n (1)"]
)
def test_letters_that_only_fold_to_ascii_are_no_letters(text: str) -> None:
    with pytest.raises(ODataSyntaxError):
        parse_filter(text)


def test_a_literal_on_the_left_is_turned_round() -> None:
    assert parse_filter("5 lt Beds") == parse_filter("Beds gt 5")
    assert parse_filter("null eq City") == parse_filter("City eq null")


def test_and_binds_closer_than_or() -> None:
    assert parse_filter("a or b and c") == Or((PropertyPath("a"), And((PropertyPath("b"), PropertyPath("c")))))


def test_true_is_not_one() -> None:
    """Python calls them equal, and so did the first draft of Literal."""
    assert parse_filter("a eq true") != parse_filter("a eq 1")


def test_timestamps_keep_each_digit_and_compare_as_instants() -> None:
    tree = parse_filter("t eq 2019-12-31T23:55:55.123456789012-09:00")

    expected = Timestamp(datetime(2020, 1, 1, 8, 55, 55, tzinfo=UTC), 123456789012)
    assert tree == Comparison(Operator.EQ, PropertyPath("t"), Literal(Kind.DATE_TIME_OFFSET, expected))
    assert print_expression(tree) == "t eq 2020-01-01T08:55:55.123456789012Z"


@pytest.mark.channel("C61")
@pytest.mark.parametrize(
    "literal",
    [
        "2023-02-29",
        "2024-13-01",
        "2024-01-01T25:00Z",
        "2024-01-01T00:00+15:00",
        "0001-01-01T00:00+14:00",
        "1e401",
        "1e9999999999999999999",
        "1e-9999999999999999999",
    ],
)
def test_literals_out_of_range_are_refused(literal: str) -> None:
    with pytest.raises(ODataSyntaxError, match="out of range"):
        parse_filter(f"a eq {literal}")


@pytest.mark.channel("C60")
@pytest.mark.guarantee("G6")
def test_a_chain_of_terms_does_not_nest() -> None:
    tree = parse_filter(" or ".join(["a eq 1"] * 1500), Limits(filter_length=10**6))

    assert isinstance(tree, Or)
    assert len(tree.terms) == 1500


@pytest.mark.channel("C60")
@pytest.mark.parametrize("text", ["(" * 21 + "a" + ")" * 21, "not " * 4000 + "a", "(" * 16000])
def test_depth_is_bounded_before_anything_recurses(text: str) -> None:
    with pytest.raises(ODataSyntaxError):
        parse_filter(text)


@pytest.mark.channel("C60")
def test_bounds_hold_at_n_and_n_plus_one() -> None:
    limits = Limits(filter_length=100, depth=3, in_items=3)
    for good, bad in (
        ("a eq '" + "x" * 93 + "'", "a eq '" + "x" * 94 + "'"),
        ("(((a)))", "((((a))))"),
        ("a in (1,2,3)", "a in (1,2,3,4)"),
    ):
        parse_filter(good, limits)
        with pytest.raises(ODataSyntaxError):
            parse_filter(bad, limits)


@pytest.mark.guarantee("G6")
@pytest.mark.parametrize("seed", range(4))
def test_mutations_of_the_corpus_never_crash_or_pass_unparsed(seed: int) -> None:
    """100,000 in all, one byte changed anywhere: a tree that prints back equal, or a refusal; never another exception."""
    for text in _mutations(random.Random(seed), lines("filters.txt"), 25_000):
        try:
            tree = parse_filter(text)
        except (ODataSyntaxError, NotOfferedError):
            continue
        assert parse_filter(print_expression(tree)) == tree


def _mutations(rng: random.Random, corpus: list[str], count: int) -> Iterator[str]:
    alphabet = "()',:/$@ .;%&+-0129aeqndortxAEQ\"\\\t\n\x00é"
    for _ in range(count):
        text = rng.choice(corpus)
        place = rng.randrange(len(text))
        kind = rng.randrange(3)
        replacement = rng.choice(alphabet) if kind else ""
        yield text[:place] + replacement + text[place + (kind != 2) :]


def test_every_production_has_lines_in_the_corpus() -> None:
    """Rules and terminals of the grammar, told by the parser itself while it reads the corpus."""
    grammar = (Path(GRAMMAR_DIRECTORY) / "odata.lark").read_text(encoding="utf-8")
    offered = grammar.partition("// ---- $filter")[2].partition("// ---- $orderby")[0]
    words = set(re.findall(r"\b[A-Z][A-Z_]+\b", re.sub(r"//.*", "", offered))) - {"BWS"}
    terminals = {name: re.compile(_LARK.get_terminal(name).pattern.to_regexp()) for name in words}
    corpus = [*lines("filters.txt"), *lines("aliases.txt")]

    assert not {name for name, pattern in terminals.items() if not any(pattern.search(text) for text in corpus)}


@pytest.mark.channel("C59")
@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("a ge now()", "a ge now()"),
        ("a ge now() sub duration'P1095D'", "a ge now() add duration'-P1095D'"),
        ("a ge now() add duration'PT1H' sub duration'PT30M'", "a ge now() add duration'P0DT1800S'"),
        ("a ge 2024-03-01T00:00:00Z sub duration'PT1S'", "a ge 2024-02-29T23:59:59Z"),
        ("a ge 2024-03-01 sub duration'P1D'", "a ge 2024-02-29"),
    ],
)
def test_constant_arithmetic_is_folded_and_now_waits_for_the_request(text: str, printed: str) -> None:
    assert print_expression(parse_filter(text)) == printed


@pytest.mark.channel("C59", "C61")
@pytest.mark.parametrize(
    "text",
    ["a ge now() sub duration'P400000D'", "a ge now() sub duration'P'", "a ge now() sub duration'PT'", "a ge now() sub 5",
     "a ge b sub duration'P1D'", "a ge 9999-12-31 add duration'P1D'", "a ge now", "now() gt", "a add duration'P1D' gt now()"],
)  # fmt: skip
def test_arithmetic_that_is_no_constant_is_refused(text: str) -> None:
    with pytest.raises(ODataSyntaxError):
        parse_filter(text)


@pytest.mark.channel("C43")
@pytest.mark.parametrize("text", lines("aliases.txt"))
def test_an_alias_stands_for_a_literal(text: str) -> None:
    literal = parse_alias_value(text)

    assert parse_filter(f"a eq {text}") == Comparison(Operator.EQ, PropertyPath("a"), literal)


@pytest.mark.channel("C43")
@pytest.mark.parametrize("text", ["City", "@q", "5 add 1", "(5)", "a eq 1", "$it", "[1,2]", "", "concat('a','b')"])
def test_an_alias_stands_for_nothing_else(text: str) -> None:
    with pytest.raises(ODataSyntaxError):
        parse_alias_value(text)


# --- $orderby, $select, $expand, segments


@pytest.mark.channel("C66", "C67", "C68", "C73")
@pytest.mark.parametrize(
    "text",
    [
        "ListPrice gt 5",
        "tolower(City)",
        "ListAgent/MemberLastName",
        "Media/$count desc",
        "A,A desc",
        "A,B,C,D,E,F",
        "A up",
        "A,",
    ],
)
def test_orderby_takes_properties_only_each_once(text: str) -> None:
    with pytest.raises(ODataSyntaxError):
        parse_orderby(text)


def test_orderby_reads_directions_in_any_case() -> None:
    items = parse_orderby("A DESC, B asc ,C")

    assert [(item.path.name, item.descending) for item in items] == [("A", True), ("B", False), ("C", False)]


@pytest.mark.channel("C4", "C5", "C6", "C7", "C8")
@pytest.mark.parametrize(
    "text", ["Model.*", "Ns.Derived/Secret", "Tags($count=true)", "Address/City", "@Core.Permissions", ",", ""]
)
def test_select_takes_names_and_the_star_only(text: str) -> None:
    with pytest.raises(ODataSyntaxError):
        parse_select(text)


@pytest.mark.channel("C12", "C13", "C14", "C15", "C19")
@pytest.mark.parametrize(
    "text",
    ["*", "*($levels=2)", "*/$ref", "Media/$ref", "Media/$count", "Media($levels=max)", "Media(search=x)", "Media($compute=1 as x)",
     "Media($apply=groupby((A)))"],
)  # fmt: skip
def test_known_forms_of_expand_are_refused_as_not_offered(text: str) -> None:
    with pytest.raises(NotOfferedError):
        parse_expand(text)


@pytest.mark.channel("C21", "C22")
@pytest.mark.parametrize(
    "text", ["Media,Media", "Media($select=A;$select=B)", "Media(@a=$this)", "Media(", "Ns.Type/Media", "Media()"]
)
def test_other_forms_of_expand_are_syntax_errors(text: str) -> None:
    with pytest.raises(ODataSyntaxError):
        parse_expand(text)


def test_expand_reads_the_options_in_its_brackets() -> None:
    (item,) = parse_expand("Media(select=Order,MediaURL;$FILTER=Order gt 3 and (a eq ';)');$count=true;$top=5)")

    assert [select.name for select in item.query.select] == ["Order", "MediaURL"]
    assert item.query.filter == parse_filter("Order gt 3 and (a eq ';)')")
    assert (item.query.count, item.query.top) == (True, 5)


@pytest.mark.channel("C107", "C138")
def test_keys_are_read_as_typed_values() -> None:
    assert parse_segment("Property('a''b/')").key == ((None, literals.string("a'b/")),)
    assert parse_segment("Property(ListingKey='k')").key == (("ListingKey", literals.string("k")),)
    assert parse_segment("Property(12)").key == ((None, literals.number(12)),)


@pytest.mark.channel("C107", "C105")
@pytest.mark.parametrize(
    "text", ["Property( 'k' )", 'Property("k")', "Property(@k)", "Property()", "Property('k'", "Property('k')x", "Ns.P"]
)
def test_malformed_segments_are_refused(text: str) -> None:
    with pytest.raises(ODataSyntaxError):
        parse_segment(text)


def test_literal_values_are_exact() -> None:
    assert parse_filter("a eq 0.10") == Comparison(Operator.EQ, PropertyPath("a"), literals.number(Decimal("0.10")))
    assert parse_filter("a eq 2024-02-29") == Comparison(
        Operator.EQ, PropertyPath("a"), Literal(Kind.DATE, date(2024, 2, 29))
    )
