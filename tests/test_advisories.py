"""Pins are held against published vulnerabilities; an old list warns, and never fails by itself."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.support import REPOSITORY
from tools.advisories import STALE, ListError, floors, main, pins, read_list

ENTRY = """
[[advisory]]
id = "CVE-2026-1234"
package = "Some_Package"
affected = ">=1.0,<1.5"
published = 2026-06-01
about = "it leaks"
"""
REVIEWED = date(2026, 11, 30)
LIST = f"reviewed = {REVIEWED}\n{ENTRY}"
PROJECT = (
    '[project]\ndependencies = ["some.package>=1.5,<2"]\n[project.optional-dependencies]\nmore = ["other[x]>=3"]\n'
)


def repository(folder: Path, pinned: str = "1.5", *, listed: str = LIST, project: str = PROJECT) -> Path:
    (folder / "requirements").mkdir()
    (folder / "requirements" / "advisories.toml").write_text(listed, encoding="utf-8")
    (folder / "requirements" / "run.txt").write_text(
        f"aiohttp==3.14.5 \\\n    --hash=sha256:00\nsome-package=={pinned} \\\n    --hash=sha256:00\n", encoding="utf-8"
    )
    (folder / "pyproject.toml").write_text(project, encoding="utf-8")
    return folder


@pytest.mark.parametrize("pinned", ["1.0", "1.4.9", "1.5rc1"])
def test_an_affected_pin_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str], pinned: str) -> None:
    assert main(repository(tmp_path, pinned), REVIEWED) == 1
    assert capsys.readouterr().err == (
        f"requirements/run.txt: some-package {pinned} is pinned, and CVE-2026-1234 affects >=1.0,<1.5: it leaks\n"
    )


@pytest.mark.parametrize("pinned", ["0.9", "1.5", "1.5.1", "2.0"])
def test_a_pin_that_is_not_affected_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str], pinned: str) -> None:
    assert main(repository(tmp_path, pinned), REVIEWED) == 0
    assert capsys.readouterr().err == ""


def test_an_affected_floor_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever installs the package without the pins may get the lowest version that it admits."""
    assert main(repository(tmp_path, project=PROJECT.replace(">=1.5", ">=1.4")), REVIEWED) == 1
    assert capsys.readouterr().err.startswith("pyproject.toml: some-package 1.4 is admitted, and CVE-2026-1234")


@pytest.mark.parametrize(("days", "warned"), [(STALE, False), (STALE + 1, True)])
def test_an_old_list_warns_and_does_not_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], days: int, warned: bool
) -> None:
    assert main(repository(tmp_path), REVIEWED + timedelta(days=days)) == 0
    assert capsys.readouterr().err.startswith("warning: nobody has looked for new advisories for 91 days") is warned


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("reviewed = ", "the list is not TOML"),
        (ENTRY, "the list must have `reviewed`"),
        ("reviewed = 'today'\n" + ENTRY, "the list must have `reviewed`"),
        ("reviewed = 2026-11-30\n", "the list must have `reviewed`"),
        ("reviewed = 2026-11-30\nother = 1\n" + ENTRY, "the list must have `reviewed`"),
        (LIST.replace("CVE-2026-1234", "CVE-26-1"), "`CVE-26-1` is not the id of an advisory"),
        (LIST.replace(">=1.0,<1.5", "<1.*"), "`<1.*` is not a range of versions"),
        (LIST.replace(">=1.0,<1.5", "<1.5,"), "`<1.5,` is not a range of versions"),
        (LIST.replace(">=1.0,<1.5", "before 1.5"), "`before 1.5` is not a range of versions"),
        (LIST.replace(">=1.0,<1.5", ""), "`` is not a range of versions"),
        (LIST.replace("about", "abut"), "an entry must have id, package, affected, published, about"),
        (LIST.replace("2026-06-01", "'June'"), "an entry must have id, package, affected, published, about"),
        (LIST + ENTRY, "an advisory is listed twice"),
    ],
)
def test_an_entry_that_would_protect_nothing_is_a_fault(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ListError) as told:
        read_list(text)
    assert said in str(told.value)
    assert main(repository(tmp_path, listed=text), REVIEWED) == 1


def test_the_repository_pins_nothing_that_is_known_to_be_vulnerable() -> None:
    reviewed, _ = read_list((REPOSITORY / "requirements" / "advisories.toml").read_text(encoding="utf-8"))

    assert main(today=reviewed) == 0


def test_every_package_of_the_list_is_one_that_is_used() -> None:
    """A misspelt name would protect nothing."""
    _, advisories = read_list((REPOSITORY / "requirements" / "advisories.toml").read_text(encoding="utf-8"))
    used = {pin.package for pin in floors((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))}
    for path in (REPOSITORY / "requirements").glob("*.txt"):
        used |= {pin.package for pin in pins(path.name, path.read_text(encoding="utf-8"))}

    assert {advisory.package for advisory in advisories} <= used


def test_pins_name_no_host() -> None:
    for path in (REPOSITORY / "requirements").glob("*.txt"):
        assert "://" not in path.read_text(encoding="utf-8"), path.name
