"""Runs tests against mutants: a process that has everything imported forks once for each mutant.

The child puts the code of one changed function in place of the old one and runs the tests that execute its lines,
fastest first, until one fails. Which tests those are has been recorded before, with the coverage of each test.
"""

from __future__ import annotations

import gc
import hashlib
import importlib
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import coverage
import pytest

from tools.mutants import Mutant

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGE = REPOSITORY / "gateway"
#: Seconds of tests (as recorded) that one mutant is tried with.
_MOST_SECONDS = 60.0
#: A child is given this many times what its tests took, and so many seconds beside.
_SLOWER, _GRACE = 6.0, 20.0
#: Shared by many tests: what they do is part of what each test does.
_SUPPORT = ("tests/conftest.py", "tests/support.py", "tests/modelled.py", "tests/managed.py", "tests/model_upstream.py")


@dataclass(frozen=True)
class Seen:
    """A test: how long it took, and which lines of which module it ran."""

    seconds: float
    lines: Mapping[str, frozenset[int]]


class Record:
    """The tests of each file with the lines that they run, kept in a file of JSON for one state of ``gateway``."""

    def __init__(self, path: Path, tree: str) -> None:
        self._path = path
        self._tree = tree
        self._files: dict[str, dict[str, Any]] = {}
        if path.exists():
            kept = json.loads(path.read_text(encoding="utf-8"))
            self._files = kept["files"] if kept["tree"] == tree else {}

    def has(self, file: str) -> bool:
        return self._files.get(file, {}).get("digest") == _digest(file)

    def keep(self, file: str, tests: Mapping[str, Mapping[str, Any]]) -> None:
        self._files[file] = {"digest": _digest(file), "tests": tests}
        self._path.write_text(json.dumps({"tree": self._tree, "files": self._files}), encoding="utf-8")

    def tests(self) -> dict[str, Seen]:
        return {
            name: Seen(seen["seconds"], {module: frozenset(lines) for module, lines in seen["lines"].items()})
            for file in self._files.values()
            for name, seen in file["tests"].items()
            if seen["passed"]
        }


def _digest(file: str) -> str:
    found = hashlib.sha256()
    for name in (file, *_SUPPORT):
        found.update((REPOSITORY / name).read_bytes())
    return found.hexdigest()


def module_of(file: str) -> str | None:
    """The name below the package of a source file; None for files of others."""
    path = Path(file)
    return str(path.relative_to(PACKAGE).with_suffix("")) if path.is_relative_to(PACKAGE) else None


class Session:
    """A plugin of pytest that has the tests collected, and then does what it is asked with them."""

    def __init__(self, work: Callable[[Session], None]) -> None:
        self._work = work
        self.items: dict[str, pytest.Item] = {}
        self._passed = True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.items = {item.nodeid: item for item in session.items}
        self._work(self)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> bool | None:
        self._passed = self._passed and not report.failed
        return None

    def run(self, item: pytest.Item) -> bool:
        """Run one test; return whether it passed."""
        self._passed = True
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        return self._passed

    # --- which lines a test runs

    def record(self, record: Record, ends: float) -> None:
        """Run the tests of the files that the record does not have yet, each file in a child of its own."""
        files: dict[str, list[pytest.Item]] = {}
        for name, item in self.items.items():
            files.setdefault(name.partition("::")[0], []).append(item)
        for file, items in files.items():
            if not record.has(file) and time.monotonic() < ends:
                print(f"recording {file}", flush=True)
                found = forked(lambda items=items: self._lines(items), 1_200.0)  # type: ignore[misc]  # a default binds
                record.keep(file, found or {})

    def _lines(self, items: list[pytest.Item]) -> dict[str, dict[str, Any]]:
        measured = coverage.Coverage(data_file=None, config_file=False, source=[str(PACKAGE)], messages=False)
        found: dict[str, dict[str, Any]] = {}
        measured.start()
        for item in items:
            measured.switch_context(item.nodeid)
            started = time.perf_counter()
            passed = self.run(item)
            found[item.nodeid] = {"seconds": time.perf_counter() - started, "passed": passed, "lines": {}}
        measured.stop()
        data = measured.get_data()
        for file in data.measured_files():
            module = module_of(file)
            if module is None:
                continue
            for line, contexts in data.contexts_by_lineno(file).items():
                for context in contexts:
                    if context in found:
                        found[context]["lines"].setdefault(module, []).append(line)
        return found

    # --- mutants

    def tried(self, mutant: Mutant, chosen: list[tuple[str, float]]) -> str:
        """Return the test that fails with a mutant, ``timeout``, or an empty text where all pass; ``unfit`` for a
        mutant that cannot be put in."""
        limit = _GRACE + _SLOWER * sum(seconds for _, seconds in chosen)
        names = [name for name, _ in chosen]
        found = forked(lambda: self._killer(mutant, names), limit)
        return "timeout" if found is None else str(found)

    def _killer(self, mutant: Mutant, names: Iterable[str]) -> str:
        if not put_in(mutant):
            return "unfit"
        fresh: set[str] = set()
        for name in names:
            item = self.items[name]
            module = item.getparent(pytest.Module)
            assert module is not None
            if module.name not in fresh:
                # What a file of tests has compiled when it was imported is compiled anew.
                fresh.add(module.name)
                try:
                    importlib.reload(module.obj)
                except Exception:  # noqa: BLE001  # whatever it raises, its tests would not start
                    return name
            if not self.run(item):
                return name
        return ""


def forked(work: Callable[[], Any], limit: float) -> Any:
    """Return what ``work`` gives in a child process; None where it gives nothing in time, or breaks."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            os.setsid()
            nothing = os.open(os.devnull, os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(nothing, descriptor)
            text = json.dumps(work()).encode()
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(text)
        finally:
            os._exit(0)
    os.close(writing)
    ends = time.monotonic() + limit
    parts: list[bytes] = []
    while (left := ends - time.monotonic()) > 0 and select.select([reading], [], [], left)[0]:
        part = os.read(reading, 1 << 20)
        if not part:
            break
        parts.append(part)
    os.close(reading)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # its session: whatever it has started, too
    os.waitpid(child, 0)
    try:
        return json.loads(b"".join(parts))
    except ValueError:
        return None


def put_in(mutant: Mutant) -> bool:
    """Put a mutant into this process; return whether that could be done."""
    name = "gateway." + mutant.module.replace("/", ".")
    module = sys.modules.get(name)
    if module is None:
        return False
    try:
        code = compile(mutant.source, module.__file__ or name, "exec", dont_inherit=True)
    except SyntaxError:
        return False
    if mutant.is_constant:
        return _constant(mutant, module, code)
    new = next((found for found in _codes(code) if _is(found, mutant)), None)
    functions = [
        found
        for found in gc.get_objects()
        if type(found) is FunctionType and found.__module__ == name and _is(found.__code__, mutant)
    ]
    if new is None or not functions:
        return False
    for function in functions:
        if function.__code__.co_freevars != new.co_freevars:
            return False
        function.__code__ = new
    return True


def _is(code: CodeType, mutant: Mutant) -> bool:
    return code.co_qualname == mutant.function and mutant.first_line >= code.co_firstlineno >= mutant.first_line - 8


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def _constant(mutant: Mutant, module: ModuleType, code: CodeType) -> bool:
    """Run the changed module in a namespace of its own, and give its constant to every module that has the old one."""
    space: dict[str, Any] = {"__name__": module.__name__, "__file__": module.__file__}
    before = vars(module).get(mutant.function)
    try:
        exec(code, space)  # noqa: S102  # our own source
    except Exception:  # noqa: BLE001  # whatever it raises, nothing starts with it
        return False
    for name, other in list(sys.modules.items()):
        if name.startswith(("gateway.", "tests.")) and vars(other).get(mutant.function, module) is before:
            vars(other)[mutant.function] = space[mutant.function]
    return True


def choose(mutant: Mutant, tests: Mapping[str, Seen], uses: Mapping[str, Iterable[int]]) -> list[tuple[str, float]]:
    """The tests that run a line of the mutant, and how long each takes: those of the file that mirrors the module come
    first, then those of its folder; among them the fastest.

    Args:
        uses: for a constant, the lines of each module that use it.
    """
    places = uses if mutant.is_constant else {mutant.module: mutant.lines}
    wanted = {module: frozenset(lines) for module, lines in places.items()}
    none: frozenset[int] = frozenset()
    fitting = [
        (name, seen.seconds)
        for name, seen in tests.items()
        if any(lines & seen.lines.get(module, none) for module, lines in wanted.items())
    ]
    folder, _, stem = mutant.module.rpartition("/")
    beside, mirror = f"tests/{folder}/", f"tests/{folder}/test_{stem}.py"
    fitting.sort(key=lambda found: (not found[0].startswith(mirror), not found[0].startswith(beside), found[1]))
    chosen: list[tuple[str, float]] = []
    spent = 0.0
    for name, seconds in fitting:
        spent += seconds
        if chosen and spent > _MOST_SECONDS:
            break
        chosen.append((name, seconds))
    return chosen
