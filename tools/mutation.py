"""Mutation testing of the modules that decide and redact: which changes of one expression no test notices.

``python -m tools.mutation`` makes a copy of the repository, lets mutmut change one expression at a time there, and
runs the tests of the floors that are pure until one fails. A mutant that the type checker refuses counts as found. What
survives must be excused in ``tests/mutants.toml``, with a reason; docs/proof.md has the table.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
EXCUSES = REPOSITORY / "tests" / "mutants.toml"
PAGE = REPOSITORY / "docs" / "proof.md"
#: Every survivor of these is killed or excused.
NAMED = ("policy/decision", "policy/levels", "policy/compilation", "redact/fields", "odata/printer", "odata/evaluate")
#: Of the others in these packages a score is reported.
PACKAGES = ("policy", "redact", "odata")
#: Tables of facts, and what only names things.
_NOT_MUTATED = ("policy/data_dictionary",)
_TESTS = ("tests/recorded", "tests/policy", "tests/odata", "tests/redact")
#: Slow for what they would find here; `make test` has them.
_LEFT_OUT = (
    "mutations_of_the_corpus", "test_print_is_the_inverse", "test_compiled_rules_select",
    "test_evaluation_never_raises", "two_megabytes", "test_presets",
)  # fmt: skip
_BEGIN, _END = "<!-- mutants: begin -->\n", "<!-- mutants: end -->"
#: Exit codes by which mutmut says that a mutant lives: all tests passed, or none runs it.
_SURVIVED, _UNTESTED = 0, (5, 33)
_TYPES = 37


@dataclass(frozen=True)
class Mutant:
    """One change of one function. ``change`` are the lines that differ and the one above them, without indentation."""

    module: str
    function: str
    name: str
    code: int | None
    change: tuple[str, ...]

    @property
    def lives(self) -> bool:
        return self.code == _SURVIVED or self.code in _UNTESTED

    def __str__(self) -> str:
        return "\n".join([f"{self.module}: {self.function} ({self.name})", *(f"    {line}" for line in self.change)])


@dataclass(frozen=True)
class Excuse:
    """Why a mutant may live. All that is given must fit: module, function, and a text of the changed lines."""

    reason: str
    module: str = ""
    function: str = ""
    change: str = ""

    def fits(self, mutant: Mutant) -> bool:
        return (
            (not self.module or mutant.module == self.module)
            and (not self.function or mutant.function == self.function)
            and self.change in "\n".join(mutant.change)
        )


def _is_excused(mutant: Mutant, known: list[Excuse]) -> bool:
    return any(excuse.fits(mutant) for excuse in known)


def excuses() -> list[Excuse]:
    data = tomllib.loads(EXCUSES.read_text(encoding="utf-8"))
    return [Excuse(**entry) for entry in data["excuse"]]


def prepared(root: Path, modules: list[str]) -> None:
    """A copy of the repository in which mutmut mutates these modules and nothing else."""
    left_out = shutil.ignore_patterns(".venv", ".git", "__pycache__", ".proof", "mutants", ".*_cache")
    shutil.copytree(REPOSITORY, root, ignore=left_out, dirs_exist_ok=True)
    (root / "mypy.ini").write_text("[mypy]\npython_version = 3.11\n", encoding="utf-8")
    checker = [sys.executable, "-m", "mypy", "--config-file", str(root / "mypy.ini"), "--output", "json", "gateway"]
    tests = [*_TESTS, "-k", " and ".join(f"not {name}" for name in _LEFT_OUT)]
    settings = {
        "source_paths": ["gateway"],
        "only_mutate": [f"gateway/{module}.py" for module in modules],
        "also_copy": ["gateway", "grammar", "config", "docs", "tools", "README.md", "requirements", "Makefile"],
        "pytest_add_cli_args_test_selection": tests,
        "type_check_command": checker,
    }
    with (root / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write("\n[tool.mutmut]\n")
        # A JSON array of strings is one of TOML too.
        file.writelines(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())


def mutated(root: Path, names: list[str], jobs: int) -> None:
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(jobs), *names]
    subprocess.run(command, cwd=root, check=False)  # noqa: S603  # our own interpreter, and names of our own functions


def mutants(root: Path, modules: list[str]) -> Iterator[Mutant]:
    """What became of each mutant."""
    for module in modules:
        path = root / "mutants" / "gateway" / f"{module}.py"
        meta = path.with_name(path.name + ".meta")
        if not meta.exists():
            continue
        text = path.read_text(encoding="utf-8")
        bodies = dict(_functions(ast.parse(text), text.splitlines()))
        for full, code in json.loads(meta.read_text(encoding="utf-8"))["exit_code_by_key"].items():
            name = full.rpartition(".")[2]
            function = name.partition("__mutmut_")[0]
            before = bodies.get(f"{function}__mutmut_orig", [])[1:]
            after = bodies.get(name, [])[1:]
            changed = _changed(before, after)
            yield Mutant(module, function.lstrip("x").strip("_ǁ").replace("ǁ", "."), full, code, changed)


def _changed(before: list[str], after: list[str]) -> tuple[str, ...]:
    """The lines that differ, each with its sign, and before them the one that stands above."""
    lines = [line for line in difflib.unified_diff(before, after, n=1, lineterm="") if line[:3] not in ("---", "+++")]
    told = [f"{line[0]} {line[1:].strip()}" for line in lines if line[:2] != "@@"]
    while told and told[-1].startswith("  "):
        told.pop()
    return tuple(told)


def _functions(tree: ast.AST, lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, lines[node.lineno - 1 : node.end_lineno]
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node, lines)


def others() -> list[str]:
    """The modules of the packages that are not named."""
    found = [
        f"{package}/{path.stem}"
        for package in PACKAGES
        for path in sorted((REPOSITORY / "gateway" / package).glob("*.py"))
    ]
    return [name for name in found if name not in (*NAMED, *_NOT_MUTATED) and not name.endswith("__init__")]


def unfinished(found: list[Mutant], modules: list[str]) -> Iterator[str]:
    """Modules of which nothing, or not all, has been tried: that nothing survived would then mean nothing."""
    for module in modules:
        mine = [mutant for mutant in found if mutant.module == module]
        left = sum(mutant.code is None for mutant in mine)
        if not mine or left:
            yield f"{module}: {left} of {len(mine)} mutants were not tried"


def unfit(found: list[Mutant], known: list[Excuse]) -> Iterator[str]:
    """Excuses that excuse nothing, and those that would excuse what a test has found."""
    for excuse in known:
        fitting = [mutant for mutant in found if excuse.fits(mutant)]
        if not fitting:
            yield f"an excuse for nothing: {excuse}"
        for mutant in fitting:
            if mutant.code is not None and not mutant.lives:
                yield f"an excuse that is too wide: {excuse.reason}\n{mutant}"


def row(title: str, found: list[Mutant], known: list[Excuse]) -> str:
    """One line of the table. The score is what was found of what was tried and is not excused."""
    tried = [mutant for mutant in found if mutant.code is not None]
    lives = [mutant for mutant in tried if mutant.lives]
    excused = [mutant for mutant in lives if _is_excused(mutant, known)]
    types = sum(mutant.code == _TYPES for mutant in tried)
    killed = len(tried) - len(lives) - types
    score = (len(tried) - len(lives)) / max(1, len(tried) - len(excused))
    return (
        f"| {title} | {len(tried)} | {types} | {killed} | {len(excused)} | {len(lives) - len(excused)} | {score:.1%} |"
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.mutation", description=__doc__)
    parser.add_argument(
        "--sample", type=int, default=0, help="so many mutants of the other modules, in place of the named ones"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--at", type=Path, help="a copy that was mutated before: read its results, run what is missing")
    parser.add_argument("--only-read", action="store_true", help="with --at: run nothing")
    parser.add_argument("--write", action="store_true", help="write the table into docs/proof.md")
    options = parser.parse_args(arguments)
    modules = others() if options.sample else list(NAMED)
    root: Path = options.at or Path(tempfile.mkdtemp(prefix="mutants-"))
    if not (root / "mutants").exists():
        prepared(root, modules)
        print(f"in {root}", flush=True)
    if not options.only_read:
        names: list[str] = []
        if options.sample:
            # The names are there when mutants are made; one that does not exist makes them and runs nothing.
            mutated(root, ["none"], options.jobs)
            every = [mutant.name for mutant in mutants(root, modules)]
            names = random.Random(5).sample(every, min(options.sample, len(every)))  # noqa: S311  # the same sample each time
        mutated(root, names, options.jobs)
    found = list(mutants(root, modules))
    known = excuses()
    strangers = [mutant for mutant in found if mutant.lives and not _is_excused(mutant, known)]
    failed = bool(strangers)
    if not options.sample:
        for problem in (*unfinished(found, modules), *unfit(found, known)):
            print(problem)
            failed = True
        rows = [row(module, [m for m in found if m.module == module], known) for module in modules]
        for mutant in strangers:
            print(mutant)
    else:
        rows = [row(f"sample of {package}/, the rest", [m for m in found if m.module.startswith(f"{package}/")], known)
                for package in PACKAGES]  # fmt: skip
    print("\n".join(rows))
    if options.write:
        _write(rows, sample=bool(options.sample))
    return 1 if failed and not options.sample else 0


def _write(rows: list[str], *, sample: bool) -> None:
    """Puts the rows of one kind in place of those that the page has; the others stay."""
    page = PAGE.read_text(encoding="utf-8")
    head, rest = page.split(_BEGIN)
    table, tail = rest.split(_END)
    kept = [line for line in table.splitlines()[2:] if line.startswith("| sample of") is not sample]
    every = rows + kept if not sample else kept + rows
    title = "| module | mutants | refused by types | killed | excused | unexplained | score |\n" + "|---" * 7 + "|\n"
    PAGE.write_text(head + _BEGIN + title + "".join(f"{line}\n" for line in every) + _END + tail, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
