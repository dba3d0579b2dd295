"""Bugs, replays, tests and recorded inputs that cannot go unnoticed: their numbers and digests, in one reviewed file.

``python -m tools.kept`` renews ``tests/kept.toml`` and prints each change. ``tests/test_kept.py`` holds the files to
it: patches, replays and the corpus to their digests, tests to the least number that each folder had.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
FILE = REPOSITORY / "tests" / "kept.toml"
#: The tests of this folder are counted where ``make interop`` runs them.
INTEROP = "tests/interop"
_HEAD = """\
# What must not shrink or change unnoticed. `python -m tools.kept` renews this file and prints each change: read it, as
# every line that goes is a proof that goes. Tests are counted as pytest collects them; there may be more than here.
"""
_STRENGTH = 16


def digest(paths: Iterable[Path]) -> str:
    """Return one digest over the names and the bytes of files, whatever their order."""
    found = hashlib.sha256()
    for path in sorted(paths):
        found.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()[:_STRENGTH]


def exact(root: Path = REPOSITORY) -> dict[str, dict[str, Any]]:
    """Return the part of the file that must fit exactly: patches by kind, replays, the corpus."""
    bugs = sorted((root / "tests" / "proof" / "bugs").iterdir())
    replays = sorted((root / "tests" / "proof" / "replay").iterdir())
    corpus = sorted(path for path in (root / "tests" / "corpus").rglob("*") if path.is_file())
    firsts = [path.read_text(encoding="utf-8").partition("\n")[0] for path in bugs]
    kinds = Counter(_kind(first) for first in firsts)
    return {
        "bugs": {**{kind: kinds[kind] for kind in sorted(kinds)}, "digest": digest(bugs)},
        "channels": _patches(root / "tests" / "channels"),
        "seeded": _patches(root / "tests" / "seeded"),
        "replays": {"number": len(replays), "digest": digest(replays)},
        "corpus": {path.relative_to(root / "tests" / "corpus").as_posix(): digest([path]) for path in corpus},
    }


def _patches(folder: Path) -> dict[str, Any]:
    found = sorted(folder.glob("*.patch"))
    return {"number": len(found), "digest": digest(found)}


def _kind(first: str) -> str:
    return next((kind for kind in ("writes", "wire") if f"({kind}" in first), "reads") + (
        ", rare" if first.endswith("rare)") else ""
    )


def by_folder(names: Iterable[str]) -> dict[str, int]:
    """Count tests by their folders. ``names`` are node ids, or paths of their files."""
    counts = Counter(Path(name.partition("::")[0]).parent.as_posix() for name in names)
    return dict(sorted(counts.items()))


def fewer(least: dict[str, int], found: dict[str, int]) -> list[str]:
    """Return the folders that have fewer tests than they must have."""
    return [
        f"{folder}: {found.get(folder, 0)} tests, and there were {number}"
        for folder, number in least.items()
        if found.get(folder, 0) < number
    ]


def read() -> dict[str, dict[str, Any]]:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def text_of(kept: dict[str, dict[str, Any]]) -> str:
    parts = [_HEAD]
    for name, table in kept.items():
        parts.append(f"\n[{name}]\n")
        parts += [
            f'"{key}" = {value if isinstance(value, int) else chr(34) + value + chr(34)}\n'
            for key, value in table.items()
        ]
    return "".join(parts)


def changes(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each value that came, went or changed."""
    for name in [*before, *(name for name in after if name not in before)]:
        old, new = before.get(name, {}), after.get(name, {})
        for key in [*old, *(key for key in new if key not in old)]:
            if old.get(key) != new.get(key):
                yield f"{name}, {key}: {old.get(key, 'nothing')} -> {new.get(key, 'nothing')}"


def _collected(python: Path, mark: str) -> dict[str, int]:
    """Return how many tests pytest collects, by folder."""
    result = subprocess.run(  # noqa: S603  # pytest of this repository
        [python, "-m", "pytest", "--collect-only", "-q", "-p", "no:xdist", "-m", mark],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if result.returncode != 0:
        sys.exit(result.stdout + result.stderr)
    counts: Counter[str] = Counter()
    for line in result.stdout.splitlines():
        name, colon, number = line.rpartition(": ")
        if colon and name.endswith(".py"):
            counts[Path(name).parent.as_posix()] += int(number)
    return dict(sorted(counts.items()))


def main() -> int:
    """Renew the file, and print each change of it."""
    before = read() if FILE.exists() else {}
    tests = _collected(Path(sys.executable), "not interop")
    interop = REPOSITORY / ".venv" / "interop" / "bin" / "python"
    if interop.exists():
        tests[INTEROP] = _collected(interop, "interop").get(INTEROP, 0)
    elif INTEROP in before.get("tests", {}):
        print(f"{INTEROP} is not counted anew: `make interop` makes the environment for it")
        tests[INTEROP] = before["tests"][INTEROP]
    after = {**exact(), "tests": dict(sorted(tests.items()))}
    for line in changes(before, after):
        print(line)
    FILE.write_text(text_of(after), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
