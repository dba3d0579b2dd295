"""Spark's envelope."""

from __future__ import annotations

import csv
import io
import re

import pytest

from gateway.admin.envelope import Page, SparkCode, SparkError, Success, bad_body, not_offered
from gateway.errors import Fault
from tests.support import REPOSITORY


def test_successes_say_so() -> None:
    assert Success().body() == {"D": {"Success": True}}
    assert Success([]).body() == {"D": {"Success": True, "Results": []}}
    assert Success([{"Id": "1"}], page=Page(7, 3, 2)).body() == {
        "D": {"Success": True, "Results": [{"Id": "1"}], "Pagination": {"TotalRows": 7, "PageSize": 3, "TotalPages": 3, "CurrentPage": 2}}
    }  # fmt: skip
    assert Page(7, 0, 1).shown()["TotalPages"] == 0


def test_a_failure_has_a_number_a_text_and_a_detail_for_each_fault() -> None:
    error = bad_body([Fault("", 0, ("D", "Name"), "is missing"), Fault("", 0, ("Role",), "`x` is no role")])

    assert error.body() == {"D": {"Success": False, "Code": 1053, "Message": "`Name`: is missing, and 1 more", "Details": [
        {"Name": [{"RuleName": "Required", "RuleValue": "is missing"}]}, {"Role": [{"RuleName": "Valid", "RuleValue": "`x` is no role"}]},
    ]}}  # fmt: skip


@pytest.mark.parametrize(
    ("faults", "number"),
    [
        ([(("Name",), "is missing")], 1050), ([(("A", "Filter"), "is bad")], 1040), ([(("A", "When"), "is bad")], 1040),
        ([(("A", "Filter"), "is too long")], 1041), ([(("A", "Filter"), "is too long"), (("B", "Filter"), "is bad")], 1040),
        ([(("A", "Filter"), "is bad"), (("Name",), "is missing")], 1053), ([(("Name",), "is bad")], 1053),
    ],
)  # fmt: skip
def test_numbers_of_faults(faults: list[tuple[tuple[str, ...], str]], number: int) -> None:
    assert bad_body([Fault("", 0, path, message) for path, message in faults]).code.number == number


def test_a_405_tells_what_is_offered() -> None:
    assert not_offered("GET", "HEAD").headers == {"Allow": "GET, HEAD"}
    assert SparkError(SparkCode.NOT_OFFERED, "m").body() == {"D": {"Success": False, "Code": 405, "Message": "m"}}


def test_every_number_is_in_the_page_with_its_status() -> None:
    text = (REPOSITORY / "docs" / "administration.md").read_text(encoding="utf-8")
    rows = csv.reader(io.StringIO("\n".join(re.findall(r"^\| (\d+ \| \d+) \|", text, re.MULTILINE))), delimiter="|")

    assert {(int(number), int(status)) for number, status in rows} == {(code.number, code.status) for code in SparkCode}
