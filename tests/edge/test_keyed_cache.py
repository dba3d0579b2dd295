"""What is kept for one key is of no use to another, and never more than was allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.edge.keyed_cache import KeyedCache
from gateway.odata.request import Request, parse_request
from gateway.policy.model import Policy
from gateway.redact.metadata import metadata_xml
from gateway.sandbox.rows import make_tables
from gateway.sandbox.server import Sandbox
from tests.support import REPOSITORY, configuration, key_file, running, sandbox_running, write_configuration


@pytest.mark.guarantee("G1")
def test_two_keys_share_no_entry() -> None:
    cache: KeyedCache[str] = KeyedCache(100, 50, 50)
    cache.put("a", "place", "a's", 1)

    assert (cache.get("a", "place"), cache.get("b", "place")) == ("a's", None)

    cache.put("b", "place", "b's", 1)

    assert (cache.get("a", "place"), cache.get("b", "place")) == ("a's", "b's")


@pytest.mark.guarantee("G6")
def test_a_key_has_its_share_and_no_more() -> None:
    cache: KeyedCache[int] = KeyedCache(100, 30, 20)
    cache.put("b", 0, 0, 20)
    for number in range(50):
        cache.put("a", number, number, 10)
    cache.put("a", "large", 1, 21)

    assert [number for number in range(50) if cache.get("a", number) is not None] == [47, 48, 49]
    assert cache.get("a", "large") is None
    assert (cache.get("b", 0), cache.weight) == (0, 50)


@pytest.mark.guarantee("G6")
def test_all_keys_together_have_a_bound_and_the_one_that_was_away_longest_goes_first() -> None:
    cache: KeyedCache[int] = KeyedCache(50, 30, 20)
    for key in ("a", "b"):
        cache.put(key, 0, 0, 20)
    cache.get("a", 0)
    cache.put("c", 0, 0, 20)
    kept = [key for key in ("a", "b", "c") if cache.get(key, 0) is not None]
    for number in range(1_000):
        cache.put(f"key {number}", 0, 0, 0)

    assert kept == ["a", "c"]
    assert cache.weight <= 50


def test_what_is_kept_again_weighs_what_it_weighs_now() -> None:
    cache: KeyedCache[int] = KeyedCache(50, 30, 20)
    cache.put("a", 0, 0, 20)
    cache.put("a", 0, 1, 5)

    assert (cache.get("a", 0), cache.weight) == (1, 5)


@pytest.mark.guarantee("G1")
async def test_what_one_vendor_has_asked_makes_nothing_cheaper_for_another_of_the_same_template(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a text that was parsed nor the document of their common policy."""
    parsed: list[str] = []
    written: list[str] = []

    def parsing(method: str, target: str, **more: Any) -> Request:
        parsed.append(target)
        return parse_request(method, target, **more)

    def writing(policy: Policy) -> bytes:
        written.append(policy.name)
        return metadata_xml(policy)

    monkeypatch.setattr("gateway.edge.app.parse_request", parsing)
    monkeypatch.setattr("gateway.edge.answers.metadata_xml", writing)
    write_configuration(directory, {"keys.yaml": key_file(one="Template: company-idx", two="Template: company-idx")})
    async with (
        sandbox_running(Sandbox(make_tables(listings=5))) as sandbox,
        running(configuration(directory, sandbox.url)) as gateway,
    ):
        found = [
            await gateway.get(target, key)
            for key in ("one", "two", "one", "two")
            for target in ("Property?$top=1", "$metadata")
        ]
        told = [event.parsed for event in gateway.handled]

    assert {answer.status for answer in found} == {200}
    assert told == ["new"] * 4 + ["known"] * 4
    assert len(parsed) == 4
    assert len(written) == 2


#: File to why its caches tell one client nothing of another.
_DECIDED = {
    "edge/attempts.py": "failures by address; a client can time only its own address",
    "edge/keyed_cache.py": "each key has its own entries",
    "edge/policy_records.py": "digests are kept for each key; what was told decides only whether a line is logged",
    "policy/inputs.py": "texts of documents, parsed while they are compiled",
    "policy/levels.py": "texts of the configuration",
    "policy/write_rules.py": "parts of one compilation",
}


def test_every_cache_is_one_of_which_it_was_decided_what_it_tells() -> None:
    words = ("lru_cache", "cached_property", "functools.cache", "import cache", "cachetools")
    found = {
        str(path.relative_to(REPOSITORY / "gateway"))
        for path in (REPOSITORY / "gateway").rglob("*.py")
        if any(word in path.read_text(encoding="utf-8") for word in words)
    }

    assert found == _DECIDED.keys()
