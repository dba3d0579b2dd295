"""A pytest plugin: run the tests of some channels, and write which of them fail, and how.

``tools/channel_walk.py`` starts pytest with it. The environment variable ``CHANNEL_WALK`` names a JSON file with

- ``channels``: the tests that cite one of these run, all others are left out;
- ``tests``: node ids; where it is not empty, only these run;
- ``stop``: leave out a test once an earlier one has failed for each of its channels;
- ``report``: the file to write, a list of ``[node id, channels, outcome, message]``.

An outcome is ``passed``, ``failed`` (an assertion of the test is false), ``crashed`` (any other exception, or an
exception that the gateway did not foresee), or ``error`` (setup or collection failed).
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

#: What broken code raises. A gateway that answers 502 for one of these has not lost a treatment: it does not work.
_BROKEN = ("NameError", "UnboundLocalError", "AttributeError", "TypeError", "IndexError", "AssertionError")


class _Reports:
    def __init__(self, order: dict[str, Any]) -> None:
        self.channels = set(order["channels"])
        self.tests = set(order["tests"])
        self.stop = bool(order["stop"])
        self.report = Path(order["report"])
        self.found: list[tuple[str, list[str], str, str]] = []
        self.failed: set[str] = set()
        self.unforeseen: list[str] = []

    def cited(self, item: pytest.Item) -> list[str]:
        named = {str(channel) for mark in item.iter_markers("channel") for channel in mark.args}
        return sorted(named & self.channels)

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        kept = [item for item in items if self.cited(item) and (not self.tests or item.nodeid in self.tests)]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        # Those that look for the smallest example last: it takes minutes, and may not be needed.
        items[:] = sorted(kept, key=_is_shrinking)

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self.unforeseen.clear()
        if self.stop and set(self.cited(item)) <= self.failed:
            pytest.skip("each of its channels has a test that fails")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if report.when == "call" or report.failed:
            outcome = self._outcome(report, call)
            message = "" if call.excinfo is None else call.excinfo.exconly()[:500]
            self.found.append((item.nodeid, self.cited(item), outcome, message))
            if outcome == "failed":
                self.failed.update(self.cited(item))
        return report

    def _outcome(self, report: pytest.TestReport, call: pytest.CallInfo[None]) -> str:
        if report.passed or report.skipped or call.excinfo is None:
            return report.outcome
        if report.when != "call":
            return "error"
        if not _is_assertion(call.excinfo.value) or _is_of_the_gateway(call.excinfo):
            return "crashed"
        return "crashed" if any(kind.startswith(_BROKEN) for kind in self.unforeseen) else "failed"

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.found.append((report.nodeid, sorted(self.channels), "error", str(report.longrepr)[-500:]))

    def pytest_sessionfinish(self) -> None:
        self.report.write_text(json.dumps(self.found), encoding="utf-8")


def _is_shrinking(item: pytest.Item) -> bool:
    return bool(getattr(getattr(item, "function", None), "is_hypothesis_test", False))


def _is_assertion(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(_is_assertion(each) for each in error.exceptions)
    return isinstance(error, AssertionError | pytest.fail.Exception)


def _is_of_the_gateway(info: pytest.ExceptionInfo[BaseException]) -> bool:
    """Whether an ``assert`` of the gateway itself is false, which is not one of the test."""
    return (Path.cwd() / "gateway") in Path(info.traceback[-1].path).parents


def _watched(reports: _Reports) -> None:
    """Note each exception that the road of a request did not foresee."""
    if not Path("gateway/edge/app.py").exists():
        return
    app: Any = importlib.import_module("gateway.edge.app")
    told: Callable[[BaseException], str] = app.kind_of

    def noting(error: BaseException) -> str:
        reports.unforeseen.append(type(error).__name__)
        return told(error)

    app.kind_of = noting


def pytest_configure(config: pytest.Config) -> None:
    order = os.environ.get("CHANNEL_WALK")
    if order:
        reports = _Reports(json.loads(Path(order).read_text(encoding="utf-8")))
        _watched(reports)
        config.pluginmanager.register(reports)
