"""Options in every spelling of 4.01, each once; what is known and not offered says so."""

from __future__ import annotations

import pytest

from gateway.errors import Code
from gateway.odata.ast import PropertyPath
from gateway.odata.parser import Limits, parse_filter
from gateway.odata.request import Request, parse_request


def read(query: str) -> Request:
    return parse_request("GET", f"/r/Property?{query}", root="/r", limits=Limits())


def fault(query: str) -> tuple[str, int]:
    refusal = read(query).fault
    assert refusal is not None
    return refusal.code.text, refusal.code.status


@pytest.mark.channel("C129", "C131")
@pytest.mark.parametrize("name", ["$filter", "filter", "FILTER", "$Filter", "%24filter", "%66ilter"])
def test_each_spelling_is_the_same_option(name: str) -> None:
    assert read(f"{name}=a%20eq%201").query.filter == parse_filter("a eq 1")


@pytest.mark.channel("C130")
@pytest.mark.parametrize("query", ["$top=1&top=2", "$filter=a&%24FILTER=b", "filter=a&filter=a"])
def test_an_option_twice_is_refused_in_any_spelling(query: str) -> None:
    assert fault(query) == ("InvalidQuery", 400)


@pytest.mark.channel("C75", "C114", "C131", "C145", "C164", "C268", "C298")
@pytest.mark.parametrize(
    "name",
    ["_filter", "q", "near", "color", "%20$filter", "$filter%20", "$s%E2%84%AAip", "$%C5%BFelect", "x-method-override", "_method",
     "$callback", "odata-debug", "$unselect", "$ignorenulls", "unselect", "fields", "limit", "offset", "access_token", "$inlinecount",
     "skiptoken", "deltatoken", "PrettyEnums"],
)  # fmt: skip
def test_every_other_name_is_refused(name: str) -> None:
    assert fault(f"{name}=1") == ("InvalidQuery", 400)


@pytest.mark.channel("C74", "C76", "C78", "C80", "C91", "C97", "C166")
@pytest.mark.parametrize(
    "name", ["$apply", "$compute", "$search", "search", "$deltatoken", "$schemaversion", "$index", "$levels"]
)
def test_known_options_that_are_not_offered_are_501(name: str) -> None:
    assert fault(f"{name}=whatever(is)here") == ("NotImplemented", 501)


@pytest.mark.channel("C85", "C282")
@pytest.mark.parametrize(
    "value", ["-1", "%2B1", "1e3", "99999999999", "1000000001", "", "%D9%A1", "1_0", "1.0", "%201", "0x1"]
)
def test_top_and_skip_are_ascii_digits_within_bounds(value: str) -> None:
    assert fault(f"$top={value}") == ("InvalidQuery", 400)
    assert fault(f"$skip={value}") == ("InvalidQuery", 400)


def test_bounds_of_top_are_inclusive() -> None:
    assert read("$top=0").query.top == 0
    assert read("$top=1000000000").query.top == 10**9


@pytest.mark.channel("C142")
@pytest.mark.parametrize(
    "query",
    [
        "$filter=",
        "$select=",
        "$select=,",
        "$orderby=",
        "$expand=",
        "$count=",
        "$count=1",
        "$count=%20true",
        "$count=yes",
    ],
)
def test_empty_and_odd_values_are_refused(query: str) -> None:
    assert fault(query)[1] == 400


@pytest.mark.channel("C298")
@pytest.mark.parametrize("word", ["tru%C4%93", "%C5%BFalse", "fal%C5%BFe"])
def test_other_letters_are_no_spelling_of_a_boolean(word: str) -> None:
    """LONG S is an s in another case, but not in ASCII."""
    assert fault(f"$count={word}") == ("InvalidQuery", 400)
    assert fault(f"$filter=a%20eq%20{word}") == ("InvalidQuery", 400)


@pytest.mark.parametrize(
    ("word", "value"), [("true", True), ("True", True), ("TRUE", True), ("False", False), ("fALSE", False)]
)
def test_booleans_ignore_case_wherever_they_stand(word: str, value: bool) -> None:
    """``booleanValue`` of the ABNF."""
    literal = "true" if value else "false"

    assert read(f"$count={word}").query.count is value
    assert (
        read(f"$filter=a%20eq%20{word}%20or%20{word}").query
        == read(f"$filter=a%20eq%20{literal}%20or%20{literal}").query
    )
    assert read(f"$filter=a%20in%20({word})").query == read(f"$filter=a%20in%20({literal})").query
    assert read(f"$filter=a%20eq%20@p&@p={word}").query == read(f"$filter=a%20eq%20{literal}").query
    nested = [read(f"$expand=N($count={each};$filter=a%20eq%20{each})").query for each in (word, literal)]
    assert nested[0] == nested[1]
    assert nested[0].expand[0].query.count is value


@pytest.mark.channel("C142")
@pytest.mark.parametrize("query", ["", "&", "&&"])
def test_a_query_that_says_nothing_is_none(query: str) -> None:
    plain = parse_request("GET", "/r/Property", root="/r", limits=Limits())

    assert (read(query).fault, read(query).query, read(query).options) == (None, plain.query, plain.options)
    assert read(f"$top=1&{query}&$skip=2").query == read("$top=1&$skip=2").query
    assert read(f"{query}&$top=1").query == read("$top=1").query


@pytest.mark.channel("C191")
def test_syntax_faults_differ_by_position_only() -> None:
    refusals = [read(f"$filter={text}").fault for text in ("a%20eq", "a%20eq%20b", "a%20add%201")]

    messages = {refusal.message.rpartition(" ")[0] for refusal in refusals if refusal}
    assert messages == {"`$filter` is not understood at character"}


@pytest.mark.channel("C120")
@pytest.mark.parametrize("path", ["Property('k", "Property(k)", "9Property", "Property('k')x", "P%20", "%28"])
def test_a_path_that_is_none_is_not_found(path: str) -> None:
    with pytest.raises(Exception, match="no such resource") as refused:
        parse_request("GET", f"/r/{path}", root="/r", limits=Limits())

    assert getattr(refused.value, "code", None) is Code.NOT_FOUND


def test_a_position_is_where_the_client_wrote_the_name() -> None:
    expression = read("$filter=a%20eq%201%20and%20City").query.filter

    assert expression is not None
    (_, city) = expression.terms  # type: ignore[union-attr]  # it is the And of the two
    assert isinstance(city, PropertyPath)
    assert city.position == 11
