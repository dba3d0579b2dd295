"""The mutants of a module: each is one small change of its text, made at the syntax tree.

A statement is taken out, a condition is fixed, an operand of ``and`` or ``or`` is dropped, a comparison is shifted, a
named argument is left out, a lock is not taken, a number is one more, a member of a set is missing. Texts of messages,
annotations, default values and decorators stay as they are.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

_FLIPPED: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
}
_SHIFTS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_BINARY: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
}
_OTHER = {"min": "max", "max": "min", "any": "all", "all": "any"}
#: Most elements of a table of which each is left out once.
_MOST_ELEMENTS = 40
#: Calls that do nothing which a test could see.
_SILENT = {"assert_never"}


@dataclass(frozen=True)
class Edit:
    """Bytes of a module that are replaced. ``lines`` are those whose tests run it."""

    start: int
    end: int
    text: str
    lines: tuple[int, ...]


@dataclass(frozen=True)
class Mutant:
    """``function`` is the outermost function that holds the change; for a constant of the module it is the constant's
    name, and ``is_constant`` is true. ``lines`` are those whose tests are run. ``change`` has the lines before and
    after, each with its sign. ``key`` stays the same as long as the function does."""

    module: str
    function: str
    first_line: int
    lines: tuple[int, ...]
    change: tuple[str, ...]
    key: str
    raw: bytes = field(repr=False)
    edit: Edit
    is_constant: bool = False

    @property
    def source(self) -> str:
        """The text of the changed module."""
        return (self.raw[: self.edit.start] + self.edit.text.encode() + self.raw[self.edit.end :]).decode()

    def __str__(self) -> str:
        return "\n".join([f"{self.module}:{self.lines[0]}: {self.function}", *(f"    {line}" for line in self.change)])


class _Text:
    """The source in bytes, as the columns of a syntax tree count."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._starts = [0]
        for line in raw.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def start(self, node: ast.expr | ast.stmt) -> int:
        return self._starts[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr | ast.stmt) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._starts[node.end_lineno - 1] + node.end_col_offset

    def of(self, node: ast.expr | ast.stmt) -> str:
        return self.raw[self.start(node) : self.end(node)].decode()


class _Finder:
    """Finds the edits below one statement."""

    def __init__(self, text: _Text) -> None:
        self._text = text
        self._line = 0

    def _edit(self, node: ast.expr | ast.stmt, new: str) -> Edit:
        return Edit(self._text.start(node), self._text.end(node), new, (node.lineno, self._line))

    def body(self, statements: list[ast.stmt], *, is_function: bool) -> Iterator[Edit]:
        for position, statement in enumerate(statements):
            is_last = is_function and position == len(statements) - 1
            yield from self.statement(statement, is_last=is_last)

    def statement(self, node: ast.stmt, *, is_last: bool = False) -> Iterator[Edit]:
        self._line = node.lineno
        match node:
            case ast.Expr(value=ast.Constant()) | ast.Assert() | ast.Import() | ast.ImportFrom() | ast.Pass():
                return
            case ast.Expr(value=value):
                if not (isinstance(value, ast.Call) and self._text.of(value.func) in _SILENT):
                    yield self._edit(node, "pass")
                    yield from self.expression(value)
                return
            case ast.Raise():
                yield self._edit(node, "pass")
                return
            case ast.Return(value=value):
                if not is_last:
                    yield self._edit(node, "pass")
                if value is not None:
                    yield from self.expression(value)
                return
            case ast.Continue() | ast.Break() | ast.Delete():
                yield self._edit(node, "pass")
                return
            case ast.AugAssign():
                yield self._edit(node, "pass")
                yield from self.expression(node.value)
                return
            case ast.Assign(targets=[ast.Attribute() | ast.Subscript(), *_]):
                yield self._edit(node, "pass")
                yield from self.expression(node.value)
                return
            case ast.AnnAssign(value=value):
                if isinstance(node.target, ast.Attribute) and value is not None:
                    yield self._edit(node, "pass")
                if value is not None:
                    yield from self.expression(value)
                return
            case ast.If() | ast.While():
                yield from self._test(node.test)
            case ast.With() | ast.AsyncWith():
                if all(item.optional_vars is None for item in node.items):
                    head = self._text.raw[self._text.start(node) : self._text.start(node.body[0])]
                    colon = self._text.start(node) + head.rindex(b":")
                    yield Edit(self._text.start(node), colon, "if True", (node.lineno,))
                for item in node.items:
                    yield from self.expression(item.context_expr)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from self.body(node.body, is_function=True)
                return
            case ast.For() | ast.AsyncFor():
                yield from self.expression(node.iter)
            case ast.Match():
                yield from self.expression(node.subject)
                for case in node.cases:
                    if case.guard is not None:
                        self._line = case.guard.lineno
                        yield from self._test(case.guard)
                    yield from self.body(case.body, is_function=False)
                return
            case _:
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        yield from self.expression(child)
        for name in ("body", "orelse", "finalbody"):
            yield from self.body(getattr(node, name, []), is_function=False)
        for handler in getattr(node, "handlers", []):
            yield from self.body(handler.body, is_function=False)

    def _test(self, node: ast.expr) -> Iterator[Edit]:
        """A condition: always true, never true, and what is within it."""
        if not isinstance(node, ast.Constant):
            yield self._edit(node, "True")
            yield self._edit(node, "False")
        yield from self.expression(node, is_test=True)

    def expression(self, node: ast.expr, *, is_test: bool = False) -> Iterator[Edit]:
        match node:
            case ast.JoinedStr():
                return
            case ast.BoolOp(op=op, values=values):
                word = " and " if isinstance(op, ast.And) else " or "
                for left_out in range(len(values)):
                    kept = [self._part(value) for number, value in enumerate(values) if number != left_out]
                    yield self._edit(node, word.join(kept) if len(kept) > 1 else kept[0])
                for value in values:
                    yield from self.expression(value)
                return
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                for (one, two), comparison in zip(pairwise([left, *comparators]), ops, strict=True):
                    old, new = _FLIPPED[type(comparison)]
                    if is_test and not isinstance(comparison, _SHIFTS):
                        continue  # the condition as a whole is fixed
                    between = self._text.raw[self._text.end(one) : self._text.start(two)].decode()
                    if old in between:
                        start = self._text.end(one) + between.index(old)
                        yield Edit(start, start + len(old), new, (node.lineno, self._line))
            case ast.UnaryOp(op=ast.Not(), operand=operand) if not is_test:
                yield self._edit(node, self._text.of(operand))
            case ast.IfExp(test=test):
                yield from self._test(test)
                yield from self.expression(node.body)
                yield from self.expression(node.orelse)
                return
            case ast.Constant(value=bool() as value):
                yield self._edit(node, str(not value))
            case ast.Constant(value=int() as value):
                yield self._edit(node, str(value + 1))
            case ast.Call():
                yield from self._call(node)
                return
            case ast.BinOp(op=op, left=left, right=right) if type(op) in _BINARY:
                old, new = _BINARY[type(op)]
                between = self._text.raw[self._text.end(left) : self._text.start(right)].decode()
                if between.strip() == old:
                    start = self._text.end(left) + between.index(old)
                    yield Edit(start, start + 1, new, (node.lineno, self._line))
            case ast.Tuple(elts=elements) | ast.Set(elts=elements) | ast.List(elts=elements):
                yield from self._elements(node, elements)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                for generator in node.generators:
                    for test in generator.ifs:
                        yield self._edit(test, "True")
                        yield from self.expression(test, is_test=True)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                yield from self.expression(child)
            elif isinstance(child, ast.comprehension):
                yield from self.expression(child.iter)

    def _part(self, node: ast.expr) -> str:
        text = self._text.of(node)
        return f"({text})" if isinstance(node, ast.BoolOp | ast.IfExp | ast.Lambda | ast.NamedExpr) else text

    def _call(self, node: ast.Call) -> Iterator[Edit]:
        name = self._text.of(node.func)
        if name in _OTHER:
            yield self._edit(node.func, _OTHER[name])
        parts = [self._text.of(argument) for argument in node.args]
        named = [(word.arg, self._text.of(word.value)) for word in node.keywords]
        for position, word in enumerate(node.keywords):
            if word.arg is None:
                continue
            kept = [
                f"{key}={value}" if key else f"**{value}"
                for number, (key, value) in enumerate(named)
                if number != position
            ]
            yield self._edit(node, f"{name}({', '.join([*parts, *kept])})")
        yield from self.expression(node.func)
        for argument in node.args:
            yield from self.expression(argument)
        for word in node.keywords:
            yield from self.expression(word.value)

    def _elements(self, node: ast.Tuple | ast.Set | ast.List, elements: list[ast.expr]) -> Iterator[Edit]:
        if not 2 <= len(elements) <= _MOST_ELEMENTS or not all(isinstance(found, ast.Constant) for found in elements):
            return
        for left_out in range(len(elements)):
            kept = [self._text.of(found) for number, found in enumerate(elements) if number != left_out]
            inside = ", ".join(kept)
            if isinstance(node, ast.Tuple):
                yield self._edit(node, f"({inside},)")
            else:
                yield self._edit(node, f"{{{inside}}}" if isinstance(node, ast.Set) else f"[{inside}]")


def mutants(module: str, path: Path) -> list[Mutant]:
    """Return the mutants of a module.

    Args:
        module: its name below the package, as ``edge/scan``.
        path: where its source is.
    """
    raw = path.read_bytes()
    text = _Text(raw)
    found: list[Mutant] = []
    seen: dict[str, int] = {}
    for name, node, is_constant in _parts(ast.parse(raw), ""):
        digest = hashlib.sha256(text.of(node).encode()).hexdigest()
        edits = _Finder(text).statement(node)
        if is_constant and isinstance(node, ast.Assign | ast.AnnAssign):
            edits = _Finder(text).expression(node.value) if node.value is not None else iter(())
        for edit in edits:
            change = _changed(raw, edit)
            base = hashlib.sha256("\0".join((module, name, digest, *change)).encode()).hexdigest()[:24]
            seen[base] = seen.get(base, 0) + 1
            lines = tuple(dict.fromkeys(line for line in edit.lines if line)) or (node.lineno,)
            key = f"{base}-{seen[base]}"
            found.append(Mutant(module, name, node.lineno, lines, change, key, raw, edit, is_constant))
    return found


def _parts(tree: ast.Module | ast.ClassDef, within: str) -> Iterator[tuple[str, ast.stmt, bool]]:
    """The functions and methods of a module, and its constants."""
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield within + name, node, False
            case ast.ClassDef(name=name):
                yield from _parts(node, f"{within}{name}.")
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
                if not within and name != "__all__":
                    yield name, node, True


def _changed(raw: bytes, edit: Edit) -> tuple[str, ...]:
    """The lines that an edit touches, before and after it."""
    first = raw.rfind(b"\n", 0, edit.start) + 1
    last = raw.find(b"\n", edit.end)
    last = len(raw) if last < 0 else last
    old = raw[first:last].decode()
    new = (raw[first : edit.start] + edit.text.encode() + raw[edit.end : last]).decode()
    pairs = (("-", old.splitlines()), ("+", new.splitlines()))
    told = [[f"{sign} {line.strip()}" for line in lines] for sign, lines in pairs]
    while len(told[0]) > 1 and len(told[1]) > 1 and told[0][0][2:] == told[1][0][2:]:
        del told[0][0], told[1][0]
    while len(told[0]) > 1 and len(told[1]) > 1 and told[0][-1][2:] == told[1][-1][2:]:
        del told[0][-1], told[1][-1]
    return (*told[0], *told[1])


def uses(module: str, package: Path) -> dict[str, dict[str, list[int]]]:
    """Return, for each constant of a module, the lines of each module that name it."""
    tree = ast.parse((package / f"{module}.py").read_bytes())
    constants = {name for name, _, is_constant in _parts(tree, "") if is_constant}
    found: dict[str, dict[str, list[int]]] = {}
    for path in sorted(package.rglob("*.py")):
        other = str(path.relative_to(package).with_suffix(""))
        text = path.read_text(encoding="utf-8")
        if other != module and f"from gateway.{module.replace('/', '.')} import" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
            if name in constants and isinstance(node, ast.expr) and isinstance(getattr(node, "ctx", None), ast.Load):
                found.setdefault(name, {}).setdefault(other, []).append(node.lineno)
    return found
