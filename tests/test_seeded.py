"""The bugs of tests/seeded: each fits today's tree and names a test that exists. ``make seeded`` runs those tests."""

from __future__ import annotations

import ast

import pytest

from tests.support import REPOSITORY
from tools.seeded import Seeded, changed, read, seeded, verdict

BUGS = seeded()


def test_there_are_bugs_and_no_name_twice() -> None:
    assert len({bug.name for bug in BUGS}) == len(BUGS) >= 98


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_bug_fits_the_tree_and_names_a_test(bug: Seeded) -> None:
    files = changed(REPOSITORY, bug)
    path, _, name = bug.test.partition("::")
    tree = ast.parse((REPOSITORY / path).read_text(encoding="utf-8"))
    tests = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}

    assert bug.fault
    assert files
    for file, text in files.items():
        assert file.is_relative_to(REPOSITORY / "gateway")
        assert text != file.read_text(encoding="utf-8")
        ast.parse(text)
    assert name.partition("[")[0] in tests


CASE = '<testsuites><testsuite><testcase name="x">{}</testcase></testsuite></testsuites>'


@pytest.mark.parametrize(
    ("report", "problem"),
    [
        ("<testsuites/>", "no test ran"),
        (CASE.format(""), "the test passed"),
        (CASE.format('<failure message="AssertionError: assert 1 == 2"/>'), ""),
        (CASE.format('<failure message="assert 1 == 2"/>'), ""),
        (CASE.format("<failure message=\"Failed: DID NOT RAISE &lt;class 'x'&gt;\"/>"), ""),
        (CASE.format('<failure message="NameError: nope"/>'), "it failed without an assertion: NameError: nope"),
        (CASE.format('<error message="collection failure"/>'), "it failed without an assertion: collection failure"),
    ],
)
def test_only_an_assertion_counts(report: str, problem: str) -> None:
    assert verdict(report) == problem


def test_a_patch_file_has_a_head() -> None:
    bug = read("a: wrong\ntest: tests/x.py::test_y\n--- a/gateway/x.py\n+++ b/gateway/x.py\n")

    assert (bug.name, bug.fault, bug.test, bug.files) == ("a", "wrong", "tests/x.py::test_y", ("gateway/x.py",))
