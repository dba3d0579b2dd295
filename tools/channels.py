"""Writes the tests into docs/channels.md: for each way to leak, where it is proven closed.

python -m tools.channels [--check]

The table's first three columns are kept by hand: the number (permanent, the next free one for a new channel), what an
attack looks like, and whether it is about reads, documentation only, or waits for a feature. The fourth is written
here, from the citations in tests (``@pytest.mark.channel``).
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
PAGE = REPOSITORY / "docs" / "channels.md"


def citations(tests: Path = REPOSITORY / "tests") -> Mapping[str, list[str]]:
    """Channel to the tests that cite it, as ``file: name``; marks on single cases of a test count too."""
    found: dict[str, dict[str, None]] = {}
    for path in sorted(tests.rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        shared = {
            target.id: list(_channels(node.value))
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in tree.body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for decorator in node.decorator_list:
                named = {name.id for name in ast.walk(decorator) if isinstance(name, ast.Name)}
                cited = [*_channels(decorator), *(channel for name in named for channel in shared.get(name, ()))]
                for channel in cited:
                    found.setdefault(channel, {})[f"{path.relative_to(tests)}: {node.name}"] = None
    return {channel: list(tests) for channel, tests in found.items()}


def _channels(node: ast.AST) -> Iterator[str]:
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.channel":
            yield from (str(argument.value) for argument in call.args if isinstance(argument, ast.Constant))


def rows(text: str) -> Iterator[tuple[str, str, str, str]]:
    """(id, attack, kind, tests) of the table's lines."""
    for line in text.splitlines():
        if line.startswith("| C"):
            cells = [cell.strip() for cell in line.replace("\\|", "\0").strip("|").split("|")]
            yield cells[0], cells[1].replace("\0", "\\|"), cells[2], cells[3] if len(cells) > 3 else ""


def written(text: str) -> str:
    """The page with its last column from the tests."""
    cited = citations()
    out = []
    for line in text.splitlines():
        if not line.startswith("| C"):
            out.append(line)
            continue
        ((channel, attack, kind, _),) = rows(line)
        tests = cited.get(channel, [])
        shown = "; ".join(tests[:2]) + ("; and more" if len(tests) > 2 else "")
        out.append(f"| {channel} | {attack} | {kind} | {shown} |")
    return "\n".join(out) + "\n"


def main() -> None:
    text = PAGE.read_text(encoding="utf-8")
    if "--check" in sys.argv[1:]:
        sys.exit(0 if written(text) == text else "docs/channels.md is stale: run python -m tools.channels")
    PAGE.write_text(written(text), encoding="utf-8")


if __name__ == "__main__":
    main()
