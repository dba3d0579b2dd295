"""Put each bug of ``tests/seeded`` into a copy of the repository and run the test that must fail.

    python -m tools.seeded                 every bug
    python -m tools.seeded --sample 6      six of them, others each day
    python -m tools.seeded --only answers-fingerprint

A bug is a patch of one or a few lines. Its head has two lines: ``name: the fault`` and ``test: file::name``. The test
must pass without the patch. With it, the type checker must accept the tree, and the test must fail by an assertion: a
patch that does not run proves nothing.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

from tests.proof.hunt import StalePatch, applied

REPOSITORY = Path(__file__).resolve().parent.parent
SEEDED = REPOSITORY / "tests" / "seeded"
#: Seconds for one test: a bug that makes it wait is not found by waiting.
_LIMIT = 900
_LEFT_OUT = (".venv", ".git", "__pycache__", ".proof", "mutants", ".*_cache", ".hypothesis")


@dataclass(frozen=True)
class Seeded:
    """A bug. ``test`` is the id of the test that must fail."""

    name: str
    fault: str
    test: str
    text: str

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(re.findall(r"^--- a/(.+)$", self.text, flags=re.MULTILINE))


def read(text: str) -> Seeded:
    """Return the bug of one patch file."""
    head, second, rest = text.split("\n", 2)
    name, _, fault = head.partition(": ")
    word, _, test = second.partition(": ")
    assert word == "test", f"{name}: the second line names the test"
    return Seeded(name, fault, test, rest)


def seeded() -> list[Seeded]:
    return [read(path.read_text(encoding="utf-8")) for path in sorted(SEEDED.glob("*.patch"))]


def changed(root: Path, bug: Seeded) -> dict[Path, str]:
    """Return the text of each file with the bug in it.

    Raises:
        StalePatch: a file has no longer the lines that the patch changes.
    """
    found: dict[Path, str] = {}
    for part in re.split(r"^--- a/", bug.text, flags=re.MULTILINE)[1:]:
        name, _, rest = part.partition("\n")
        path = root / name.strip()
        before = found.get(path) or path.read_text(encoding="utf-8")
        found[path] = applied(before, rest.splitlines(keepends=True)[1:])
    return found


def verdict(report: str) -> str:
    """Read a JUnit report and return why it shows no failed assertion; an empty text if it shows one."""
    cases = ElementTree.fromstring(report).findall(".//testcase")  # noqa: S314  # written by our own pytest
    if not cases:
        return "no test ran"
    messages = []
    for case in cases:
        for failure in case.findall("failure"):
            message = failure.get("message", "")
            if message.startswith(("AssertionError", "assert ", "Failed: ")):
                return ""
            messages.append(message)
        messages += [found.get("message", "") for found in case.findall("error")]
    return f"it failed without an assertion: {messages[0][:200]}" if messages else "the test passed"


class Copy:
    """A copy of the repository, into which one bug at a time is put."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(REPOSITORY, root, ignore=shutil.ignore_patterns(*_LEFT_OUT), dirs_exist_ok=True)

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", *arguments]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False, timeout=_LIMIT)  # noqa: S603  # our own

    def problem_of_types(self) -> str:
        result = self._run("mypy", "gateway")
        return "" if result.returncode == 0 else f"the type checker refuses it: {result.stdout.strip()[:300]}"

    def report(self, *tests: str) -> str:
        """Run tests and return their JUnit report."""
        path = self.root / "report.xml"
        path.unlink(missing_ok=True)
        self._run("pytest", "-q", "-x", "-p", "no:xdist", "-p", "no:cacheprovider", f"--junitxml={path}", *tests)
        return path.read_text(encoding="utf-8") if path.exists() else "<testsuites/>"

    def passing(self, tests: list[str]) -> str:
        """Return what fails of tests in the copy as it is; an empty text if nothing does."""
        result = self._run("pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", *tests)
        return "" if result.returncode == 0 else result.stdout[-2000:]

    def problem(self, bug: Seeded, *, types: bool = True) -> str:
        """Return why a bug is not found as it should be; an empty text if it is found."""
        try:
            files = changed(self.root, bug)
        except StalePatch as error:
            return f"the patch is stale: {error}"
        before = {path: path.read_text(encoding="utf-8") for path in files}
        try:
            for path, text in files.items():
                compile(text, str(path), "exec")
                path.write_text(text, encoding="utf-8")
            return (self.problem_of_types() if types else "") or verdict(self.report(bug.test))
        except SyntaxError as error:
            return f"it does not compile: {error}"
        except subprocess.TimeoutExpired:
            return f"the test did not end within {_LIMIT} seconds"
        finally:
            for path, text in before.items():
                path.write_text(text, encoding="utf-8")

    def suspects(self, bugs: list[Seeded]) -> set[str]:
        """Return the names of the bugs that the type checker may refuse. As many as fit are checked at once: bugs that
        change the same lines come in different rounds."""
        found: set[str] = set()
        left = bugs
        while left:
            before = {path: path.read_text(encoding="utf-8") for path in self.root.glob("gateway/**/*.py")}
            there: list[Seeded] = []
            for bug in left:
                try:
                    files = changed(self.root, bug)
                except StalePatch:
                    continue
                there.append(bug)
                for path, text in files.items():
                    path.write_text(text, encoding="utf-8")
            if not there:
                return found  # stale, all of them: that is said of each
            if self.problem_of_types():
                found |= {bug.name for bug in there}
            for path, text in before.items():
                path.write_text(text, encoding="utf-8")
            left = [bug for bug in left if bug not in there]
        return found


def problems(chosen: list[Seeded], *, types: bool, clean: bool) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="seeded-") as name:
        copy = Copy(Path(name))
        suspects = copy.suspects(chosen) if types else set()
        if clean:
            failing = copy.passing(sorted({bug.test for bug in chosen}))
            if failing:
                yield f"tests fail without any bug:\n{failing}"
                return
        for bug in chosen:
            problem = copy.problem(bug, types=bug.name in suspects)
            print(f"{'not found' if problem else 'found':10} {bug.name}: {bug.fault}", flush=True)
            if problem:
                yield f"{bug.name}: {problem}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.seeded", description=__doc__)
    parser.add_argument("--only", action="append", default=[], help="one bug by its name")
    parser.add_argument("--sample", type=int, default=0, help="so many bugs, chosen by the date")
    parser.add_argument("--no-types", action="store_true", help="leave the type checker out")
    parser.add_argument("--no-clean", action="store_true", help="do not run the tests without bugs first")
    options = parser.parse_args(arguments)
    every = seeded()
    chosen = [bug for bug in every if not options.only or bug.name in options.only]
    if options.sample:
        chosen = random.Random(f"{datetime.now(UTC):%Y-%m-%d}").sample(chosen, min(options.sample, len(chosen)))  # noqa: S311  # no secret
    found = list(problems(chosen, types=not options.no_types, clean=not options.no_clean))
    for problem in found:
        print(problem)
    print(f"{len(chosen)} of {len(every)} bugs tried, {len(found)} problems")
    return 1 if found or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
