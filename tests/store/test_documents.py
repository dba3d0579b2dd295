"""Files of a configuration are read within bounds, each in its own language."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.store.documents import MOST_JSON, MOST_YAML, read_document
from gateway.store.tree import Tree


def faults(directory: Path, name: str, text: str) -> list[str]:
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as told:
        read_document(Tree(directory), name)
    return [str(fault) for fault in told.value.faults]


@pytest.mark.parametrize(
    ("name", "most", "text"), [("t.json", MOST_JSON, '{"D": {}}'), ("t.yaml", MOST_YAML, "D: {}\n#\n")]
)
def test_a_file_is_so_large_and_no_larger(directory: Path, name: str, most: int, text: str) -> None:
    head, tail = (text, "") if name.endswith(".json") else (text[:-1], "\n")
    whole = head + " " * (most - len(text)) + tail
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(whole, encoding="utf-8")

    assert read_document(Tree(directory), name).data == {"D": {}}
    assert faults(directory, name, f"{head} {whole[len(head) :]}") == [
        f"{name}: is too large: {most} bytes are possible"
    ]


def test_json_is_not_yaml(directory: Path) -> None:
    assert faults(directory, "t.json", "{\n'D': 010}") == [
        "t.json:2: is not well-formed: a name in double quotes is expected (character 1)"
    ]


def test_json_has_no_byte_order_mark(directory: Path) -> None:
    assert faults(directory, "t.json", '\ufeff{"D": {}}') == [
        "t.json:1: begins with a byte order mark, which JSON has not: save it as UTF-8 without one"
    ]


def test_yaml_may_have_a_byte_order_mark(directory: Path) -> None:
    directory.mkdir(exist_ok=True)
    (directory / "t.yaml").write_text("\ufeffD: 1\n", encoding="utf-8")

    assert read_document(Tree(directory), "t.yaml").data == {"D": 1}
