"""What docs/guarantees.md says is outside the proof is what ``settings.toml`` says."""

from __future__ import annotations

import re
import tomllib

from tests.proof.outside import PAGE, SETTINGS, table, written


def test_the_page_names_each_setting_outside_the_proof_with_its_reason() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert page == written(page, table()), "python -m tests.proof.outside"


def test_each_setting_outside_stands_in_the_table_once_and_none_is_drawn() -> None:
    lists = tomllib.loads(SETTINGS.read_text(encoding="utf-8"))
    named = [name for row in table().splitlines()[2:] for name in re.findall(r"`([^`]+)`", row.split(" | ")[1])]

    assert sorted(named) == sorted(lists["outside"])
    assert not lists["outside"].keys() & lists["drawn"].keys()
