"""Parse and decide, without any network: what understanding a question costs, over the corpus of filters."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from gateway.errors import Refusal
from gateway.odata.literals import Timestamp
from gateway.odata.parser import Limits
from gateway.odata.request import Request, parse_request
from gateway.policy.decision import decide
from gateway.policy.settings import AnswerSettings
from tests.support import REPOSITORY, ROOT, TRUSTING, policy, role

CORPUS = REPOSITORY / "tests" / "corpus" / "filters.txt"
_ROUNDS = 5
T = TypeVar("T")


def table() -> list[str]:
    from urllib.parse import quote  # noqa: PLC0415  # beside its only use

    filters = [line for line in CORPUS.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    targets = [f"{ROOT}/Property?$filter={quote(text, safe='')}" for text in filters]
    licence = policy(role({"Property": {"Default": "Visible", "Filter": "StandardStatus eq 'Active'"}}))
    settings, now = AnswerSettings(100, 3), Timestamp(datetime(2027, 1, 15, 8, tzinfo=UTC))

    def parsed(text: str) -> Request:
        return parse_request("GET", text, root=ROOT, limits=Limits())

    def decided(request: Request) -> None:
        try:
            decide(licence, request, TRUSTING, settings, now)
        except Refusal:
            return  # names that the sandbox does not have: that is decided too

    requests = [parsed(text) for text in targets]
    parse = statistics.median(_seconds(parsed, targets) for _ in range(_ROUNDS))
    decision = statistics.median(_seconds(decided, requests) for _ in range(_ROUNDS))
    return [
        f"### Parse and decide ({len(filters)} filters of tests/corpus/filters.txt)", "",
        "| step | time a question | of parsing |", "|---|---|---|",
        f"| parse (once for each text: parsed questions are kept) | {parse / len(filters) * 1e6:.0f} µs | 1.00 |",
        f"| decide | {decision / len(filters) * 1e6:.0f} µs | {decision / parse:.2f} |", "",
    ]  # fmt: skip


def _seconds(step: Callable[[T], object], items: list[T]) -> float:
    started = time.perf_counter()
    for item in items:
        step(item)
    return time.perf_counter() - started
