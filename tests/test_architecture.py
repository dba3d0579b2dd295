"""The house: floors import only from below, rooms of one floor do not see each other, the lower floors are pure."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "gateway"
#: Room to floor. The two modules of floor 4 and the package itself stand beside the folders.
FLOORS = {
    "errors": 0,
    "odata": 1,
    "policy": 2,
    "redact": 3,
    "settings": 4,
    "observe": 4,
    "store": 5,
    "upstream": 6,
    "admin": 6,
    "edge": 7,
    "sandbox": 8,
    "workers": 8,
    "cli": 9,
}
PURE = {"errors", "odata", "policy", "redact"}
#: Modules by which a program learns of time, disk, network or chance, and the words of logging.
IMPURE = {"time", "os", "io", "pathlib", "socket", "asyncio", "aiohttp", "logging", "structlog", "random", "secrets", "subprocess",
          "tempfile", "urllib.request", "http", "prometheus_client", "threading"}  # fmt: skip
#: The one exception: the packaged grammar is read once, at import.
MAY_READ = {"odata/grammar.py"}
#: A file longer than this is not read in a sitting: it is split along its ideas.
LONGEST = 700

FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "data_dictionary.py")


def room_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0].removesuffix(".py")


def imports(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    room = room_of(path)
    if room in ("__init__", "__main__"):
        return
    for name in imports(path):
        if not name.startswith("gateway."):
            continue
        other = name.split(".")[1]
        if other in (room, "__version__"):
            continue
        assert FLOORS[other] < FLOORS[room], f"{room} (floor {FLOORS[room]}) imports {name}"


@pytest.mark.parametrize(
    "path", [path for path in FILES if room_of(path) in PURE], ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_the_lower_floors_are_pure(path: Path) -> None:
    if str(path.relative_to(PACKAGE)) in MAY_READ:
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for name in imports(path):
        assert not any(name == impure or name.startswith(impure + ".") for impure in IMPURE), (
            f"{path.name} imports {name}"
        )
    for node in ast.walk(tree):
        assert not isinstance(node, ast.AsyncFunctionDef | ast.Await), f"{path.name} awaits"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("open", "print", "input"), f"{path.name} calls {node.func.id}"
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in ("datetime", "date")
        ):
            assert node.attr not in ("now", "today", "utcnow"), f"{path.name} looks at a clock"


def test_every_room_has_a_floor() -> None:
    rooms = {
        path.name.removesuffix(".py")
        for path in PACKAGE.iterdir()
        if path.name not in ("__pycache__", "__init__.py", "__main__.py")
    }

    assert rooms == set(FLOORS)


def test_the_sandbox_knows_the_language_only() -> None:
    """It is a test upstream: what it shares with the product it cannot prove."""
    for path in (PACKAGE / "sandbox").glob("*.py"):
        rooms = {name.split(".")[1] for name in imports(path) if name.startswith("gateway.")}
        assert rooms <= {"sandbox", "odata", "errors"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_is_read_in_a_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_tests_mirror_the_source() -> None:
    """A test of ``gateway/x/y.py`` is looked for in ``tests/x/test_y.py``; a test file without a source is misplaced."""
    tests = PACKAGE.parent / "tests"
    for path in tests.glob("*/test_*.py"):
        room, name = path.parent.name, path.name.removeprefix("test_")
        if room not in ("interop", "proof", "recorded"):  # about the whole, not about one file
            assert (PACKAGE / room / name).is_file(), f"{path.relative_to(tests)} mirrors nothing"
