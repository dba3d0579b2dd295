"""The files of one moment: what was read is what is handed over, whatever becomes of the directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.store.configuration import load_configuration
from gateway.store.tree import Tree
from tests.support import TOKEN_KEY, write_configuration

SECRETS = {"GATEWAY__SECURITY__KEY_PEPPER": "p" * 16, "GATEWAY__SECURITY__TOKEN_KEYS": TOKEN_KEY}


@pytest.mark.guarantee("G7")
def test_what_is_handed_over_is_what_was_read(directory: Path) -> None:
    write_configuration(directory, {"secret": "s3cret\n"})
    environment = {**SECRETS, "GATEWAY__UPSTREAM__TOKEN_FILE": "secret"}
    read = Tree(directory)
    before = load_configuration(read, environment)
    text = read.encode()
    for path in directory.rglob("*.*"):
        if path.is_file():
            path.write_text("half: [", encoding="utf-8")
    (directory / "roles" / "new.yaml").write_text("", encoding="utf-8")

    again = load_configuration(Tree.decode(text), environment)

    assert again.roles == before.roles
    assert again.templates == before.templates
    assert again.keys == before.keys
    assert again.settings == before.settings
    assert again.secrets == before.secrets
    assert again.secrets.upstream_token == "s3cret"
    assert not read.is_current()


@pytest.mark.parametrize("change", ["edit", "add", "remove", "appear", "secret"])
def test_every_change_is_seen(directory: Path, tmp_path: Path, change: str) -> None:
    (tmp_path / "secret").write_text("one", encoding="utf-8")
    write_configuration(
        directory, {"syndications.yaml": None, "templates/company-idx.json": None, "keys.yaml": "Keys: []\n"}
    )
    for template in (directory / "templates").iterdir():
        template.unlink()
    environment = {**SECRETS, "GATEWAY__UPSTREAM__TOKEN_FILE": str(tmp_path / "secret")}
    read = Tree(directory)
    load_configuration(read, environment)
    assert read.is_current()

    match change:
        case "edit":
            (directory / "roles" / "idx.yaml").write_text("Role: idx\n", encoding="utf-8")
        case "add":
            (directory / "templates" / "new.json").write_text("{}", encoding="utf-8")
        case "remove":
            (directory / "keys.yaml").unlink()
        case "appear":
            (directory / "syndications.yaml").write_text("Syndications: []\n", encoding="utf-8")
        case "secret":
            (tmp_path / "secret").write_text("two", encoding="utf-8")

    assert not read.is_current()


def test_what_could_not_be_read_is_no_file_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "keys.yaml").mkdir()
    tree = Tree.decode(_asked(tmp_path).encode())

    assert tree.has("keys.yaml")
    assert not tree.has("gateway.yaml")
    assert not tree.has("never asked for")
    assert tree.names("roles") == []
    with pytest.raises(OSError, match="Is a directory"):
        tree.read("keys.yaml")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "keys.yaml")

    with pytest.raises(OSError, match="not a regular file"):
        Tree(tmp_path).read("keys.yaml")


def test_a_file_without_an_end_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "keys.yaml").symlink_to("/dev/zero")

    with pytest.raises(OSError, match="not a regular file"):
        Tree(tmp_path).read("keys.yaml")


def test_a_file_is_read_up_to_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.store.tree.MOST_BYTES", 5)
    (tmp_path / "five").write_bytes(b"12345")
    (tmp_path / "six").write_bytes(b"123456")

    assert Tree(tmp_path).read("five").raw == b"12345"
    with pytest.raises(OSError, match="larger than 5 bytes"):
        Tree(tmp_path).read("six")


def test_a_file_is_found_through_links(tmp_path: Path) -> None:
    """Kubernetes gives configuration and secrets by them."""
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "token").write_text("x", encoding="ascii")
    (tmp_path / "token").symlink_to("..data/token")

    assert Tree(tmp_path).read("token").raw == b"x"


def _asked(directory: Path) -> Tree:
    tree = Tree(directory)
    tree.has("keys.yaml"), tree.has("gateway.yaml"), tree.names("roles")
    return tree


@pytest.mark.parametrize("name", [".büro.json.swp".encode(), b".half\xff.swp"])
def test_a_name_of_any_bytes_can_be_handed_over(directory: Path, name: bytes) -> None:
    """An attacker stopped all reloads with it: editors write such files beside what they edit."""
    write_configuration(directory)
    os.close(os.open(os.fsencode(directory / "roles") + b"/" + name, os.O_CREAT | os.O_WRONLY))
    read = Tree(directory)
    before = load_configuration(read, SECRETS)

    assert load_configuration(Tree.decode(read.encode()), SECRETS).roles == before.roles
    assert read.is_current()
