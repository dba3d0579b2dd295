"""The project installs anywhere: wheel, sdist, editable and bare checkout, each with its grammar and its example."""

from __future__ import annotations

import shutil
import site
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import REPOSITORY

pytestmark = pytest.mark.interop

PROBE = """
import sys
from pathlib import Path
import gateway
from gateway.cli.common import packaged
from gateway.odata.grammar import GRAMMAR_DIRECTORY
from gateway.odata.parser import parse_filter
parse_filter("City eq 'x' and year(CloseDate) eq 2024")
print(Path(gateway.__file__).parent, GRAMMAR_DIRECTORY, packaged("config"))
"""


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """What a stranger clones: the files that git tracks, without the history."""
    target = tmp_path / "source"
    for name in run("git", "ls-files", cwd=REPOSITORY).splitlines():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, target / name)
    return target


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """An interpreter of its own that sees our pinned dependencies, and no checkout of ours."""
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv", cwd=tmp_path)
    interpreter = tmp_path / "venv" / "bin" / "python"
    folder = run(interpreter, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path).strip()
    (Path(folder) / "dependencies.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    return interpreter


def install(python: Path, *what: str | Path, cwd: Path) -> None:
    run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        *what,
        cwd=cwd,
    )


def check(python: Path, tmp_path: Path, inside: Path) -> None:
    """Grammar and example load, from ``inside``, in a folder that has neither."""
    empty = tmp_path / "empty"
    empty.mkdir()

    package, grammar, config = (Path(part) for part in run(python, "-c", PROBE, cwd=empty).split())

    assert package.is_relative_to(inside)
    assert grammar.is_relative_to(inside)
    assert (config / "gateway.yaml").is_file()
    metadata = package / "sandbox" / "metadata.xml"
    assert "ok: 3 templates" in run(
        python, "-m", "gateway", "check", "--config", config, "--metadata", metadata, cwd=empty
    )


def test_a_wheel(source: Path, python: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", tmp_path, cwd=source)
    (wheel,) = tmp_path.glob("*.whl")
    shutil.rmtree(source)

    install(python, wheel, cwd=tmp_path)

    check(python, tmp_path, tmp_path / "venv")
    assert "gateway 0." in run(python.parent / "gateway", "version", cwd=tmp_path)


def test_an_sdist(source: Path, python: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--no-isolation", "--sdist", "--outdir", tmp_path, cwd=source)
    (archive,) = tmp_path.glob("*.tar.gz")
    shutil.rmtree(source)

    install(python, archive, cwd=tmp_path)

    check(python, tmp_path, tmp_path / "venv")


def test_an_editable_install(source: Path, python: Path, tmp_path: Path) -> None:
    install(python, "--editable", source, cwd=tmp_path)

    check(python, tmp_path, source)


def test_a_bare_checkout(source: Path, python: Path) -> None:
    assert "gateway 0." in run(python, "-m", "gateway", "version", cwd=source)
    package, grammar, config = (Path(part) for part in run(python, "-c", PROBE, cwd=source).split())

    assert (package, grammar, config) == (source / "gateway", source / "grammar", source / "config")
