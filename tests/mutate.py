"""Change the core in small ways, one by one, and see which changes no test notices.

    python tests/mutate.py [--seed N] [--count N] [--modules WORDS ...] [--list]

Mutants are drawn by chance from all those of the core and of the operators, the same ones for the
same seed, and each is tried in a copy of the package. A survivor is a test that is missing, or the
same program in other words, which only a reader can tell: the exit code is 0 in both cases.
"""

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src/anystream"
SMOKE = ("core", "run", "removals", "tasks", "hazards", "stopped")
REST = (
    *("workers", "joins", "switch", "share", "nurseries", "half_open", "outage", "shelter"),
    *("made", "order", "inside", "foreign", "depth", "catch", "retry", "recover", "timing"),
    *("waiting", "pacing", "triggers", "timelines", "sources", "stream", "sinks", "edges"),
    *("progress", "explain", "runtimes", "net", "bridges", "bursts"),
)
LIMIT = 900
"""Seconds for one run of the tests."""

PAIRS = ((ast.Eq, ast.NotEq), (ast.Is, ast.IsNot), (ast.In, ast.NotIn), (ast.Lt, ast.LtE))
SWAPS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    old: new for a, b in (*PAIRS, (ast.Gt, ast.GtE)) for old, new in ((a, b), (b, a))
}
SAID = ("__repr__", "__str__", "__slots__", "TYPE_CHECKING")
"""What is only said, to a person or to a type checker."""

Found = tuple[ast.AST, ast.AST, str, str]
"""The first and the last node of what is replaced, what comes there, and what that is called."""


@dataclass(frozen=True)
class Mutant:
    path: Path
    line: int
    start: int
    end: int
    text: str
    what: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(PACKAGE)}:{self.line} {self.what}"

    def applied(self) -> bytes:
        whole = self.path.read_bytes()
        return whole[: self.start] + self.text.encode() + whole[self.end :]


def changes(node: ast.AST) -> Iterator[Found]:
    """What can be done to one node."""
    match node:
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            yield test, test, f"not ({ast.unparse(test)})", "negated"
        case ast.Compare(left, [op], right) if type(op) in SWAPS:
            swapped = ast.Compare(left, [SWAPS[type(op)]()], right)
            yield node, node, f"({ast.unparse(swapped)})", "compared otherwise"
        case ast.BoolOp(op, values):
            other = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield node, node, f"({ast.unparse(ast.BoolOp(other, values))})", "and/or"
        case ast.Constant(bool() | 0 | 1 as value):
            yield node, node, str(not value if isinstance(value, bool) else 1 - value), "constant"
        case ast.Return(ast.expr() as value) if ast.unparse(value) != "None":
            yield node, node, "return None", "returns nothing"
        case ast.Expr(ast.Constant()):
            pass  # a docstring, or an ellipsis
        case ast.Expr() | ast.Assign() | ast.AugAssign() | ast.Raise() | ast.Delete():
            yield node, node, "pass", "left out"
        case ast.ExceptHandler(body=body) if not isinstance(body[0], ast.Pass):
            yield body[0], body[-1], "pass", "empty except"
        case ast.Try(finalbody=[_, *_] as body):
            yield body[0], body[-1], "pass", "empty finally"
        case _:
            pass


def parts(node: ast.AST) -> Iterator[ast.AST]:
    """What is in a node and is run, and is no text for a person."""
    unread = [getattr(node, name, None) for name in ("annotation", "returns", "exc")]
    unread += getattr(node, "decorator_list", [])
    for part in ast.iter_child_nodes(node):
        if part not in unread and not isinstance(part, ast.JoinedStr):
            yield part


def walk(node: ast.AST) -> Iterator[Found]:
    names = (getattr(node, "name", ""), *map(ast.unparse, getattr(node, "targets", ())))
    if {*names, ast.unparse(getattr(node, "test", ast.Pass()))}.isdisjoint(SAID):
        yield from changes(node)
        for part in parts(node):
            yield from walk(part)


def mutants(path: Path) -> Iterator[Mutant]:
    source = path.read_bytes()
    begins = [0]
    for line in source.splitlines(keepends=True):
        begins.append(begins[-1] + len(line))
    seen = set[tuple[int, int, str]]()
    for first, last, text, what in walk(ast.parse(source)):
        assert isinstance(first, ast.expr | ast.stmt)
        assert isinstance(last, ast.expr | ast.stmt)
        start = begins[first.lineno - 1] + first.col_offset
        end = begins[(last.end_lineno or 0) - 1] + (last.end_col_offset or 0)
        if (start, end, text) not in seen:  # a `finally` may hold one statement
            seen.add((start, end, text))
            old = " ".join(source[start:end].decode().split())
            yield Mutant(path, first.lineno, start, end, text, f"{what}: {old[:60]}")


def first_failure(package: Path, tests: list[str]) -> str | None:
    """The first test that fails, or that they hang; None if all of them pass."""
    options = ("-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-p", "no:randomly", "--timeout=30")
    environment = os.environ | {"PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", *options, *tests]
    try:
        run = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=LIMIT
        )
    except subprocess.TimeoutExpired:
        return f"nothing ends within {LIMIT} s"
    if run.returncode == 0:
        return None
    lines = run.stdout.splitlines()
    failed = [line.split(" - ")[0] for line in lines if line.startswith(("FAILED", "ERROR"))]
    return failed[0].split(maxsplit=1)[1] if failed else " ".join(lines[-2:]) or "it crashes"


def files(names: tuple[str, ...]) -> list[str]:
    paths = [ROOT / "tests" / name for name in names]
    return [
        str(path if path.is_dir() else path.with_name(f"test_{path.name}.py")) for path in paths
    ]


def killer(mutant: Mutant, package: Path) -> str | None:
    """The test that notices: one of its module first, then of the core, then of the rest."""
    path = package / mutant.path.relative_to(PACKAGE)
    own = tuple(name for name in REST if name == path.stem)
    path.write_bytes(mutant.applied())
    try:
        return first_failure(package, files(own + SMOKE)) or first_failure(package, files(REST))
    finally:
        path.write_bytes(mutant.path.read_bytes())


def chosen(seed: int, count: int, words: list[str]) -> list[Mutant]:
    paths = [*sorted(PACKAGE.glob("_core/*.py")), *sorted(PACKAGE.glob("_operators/*.py"))]
    wanted = [path for path in paths if not words or any(word in str(path) for word in words)]
    found = [mutant for path in wanted for mutant in mutants(path)]
    return random.Random(seed).sample(found, min(count, len(found)))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0, help="what is drawn (default: %(default)s)")
    parser.add_argument("--count", type=int, default=200, help="how many (default: %(default)s)")
    parser.add_argument("--modules", nargs="*", default=[], help="words of the paths to change")
    parser.add_argument("--list", action="store_true", help="only show what would be changed")
    given = parser.parse_args()
    survived, tried = 0, chosen(given.seed, given.count, given.modules)
    with tempfile.TemporaryDirectory() as folder:
        package = Path(shutil.copytree(PACKAGE, Path(folder) / "anystream"))
        for mutant in tried:
            test = None if given.list else killer(mutant, package)
            survived += test is None
            print(*(() if given.list else ("KILLED" if test else "SURVIVED",)), mutant, test or "")
            sys.stdout.flush()
    if not given.list:
        print(f"{len(tried) - survived} killed, {survived} survived (seed {given.seed})")


if __name__ == "__main__":
    main()
