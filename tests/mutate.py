"""Change the core in small ways, one by one, and see which changes no test notices.

    python tests/mutate.py [--seed N] [--count N] [--modules WORDS ...] [--list]

Mutants are drawn by chance from all those of the core and of the operators, the same ones for the
same seed, and each is tried in a copy of the package. A survivor is a test that is missing, or the
same program in other words, which only a reader can tell: the exit code is 0 in both cases. The
last line counts those that were tried, also after Ctrl-C.
"""

import argparse
import ast
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src/anystream"
SMOKE = ("core", "run", "removals", "tasks", "hazards", "stopped", "backends")
REST = (
    *("workers", "joins", "switch", "share", "nurseries", "half_open", "outage", "shelter"),
    *("made", "order", "inside", "foreign", "depth", "catch", "retry", "recover", "timing"),
    *("waiting", "pacing", "triggers", "timelines", "sources", "stream", "sinks", "edges"),
    *("progress", "explain", "runtimes", "net", "bridges", "bursts", "locating", "executors"),
    "statistics",
)
LIMIT = 900
"""Seconds for one run of the tests."""

MEMORY = 4 * 2**30
"""Bytes that one run may take."""

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
    source: bytes
    line: int
    start: int
    end: int
    text: str
    what: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(PACKAGE)}:{self.line} {self.what}"

    def applied(self) -> bytes:
        return self.source[: self.start] + self.text.encode() + self.source[self.end :]


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
            yield Mutant(path, source, first.lineno, start, end, text, f"{what}: {old[:60]}")


def limit_memory() -> None:
    """In the process of the tests, of which a mutant may fill the memory of the machine."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def outcome(command: list[str], environment: dict[str, str]) -> tuple[int | None, list[str]]:
    """The exit code, or None after `LIMIT` seconds, and the output.

    It has a session of its own, so that no signal that it sends to its group comes here, and that
    what it has left is killed with it. The output goes to a file, which nobody has to close.
    """
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=limit_memory,
        )
        code: int | None = None
        try:
            with suppress(subprocess.TimeoutExpired):
                code = process.wait(LIMIT)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(0)
        return code, output.read().decode(errors="replace").splitlines()


def first_failure(package: Path, tests: list[str]) -> str | None:
    """The first test that fails, or how else they end; None if all of them pass."""
    options = ("-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-p", "no:randomly", "--timeout=30")
    environment = os.environ | {"PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    code, lines = outcome([sys.executable, "-m", "pytest", *options, *tests], environment)
    if code is None:
        return f"nothing ends within {LIMIT} s"
    if code == 0:
        return None
    for line in lines:
        if line.startswith(("FAILED ", "ERROR ")):
            return line.partition(" ")[2].partition(" - ")[0]
    return f"they end with {code}: {' '.join(lines[-2:])}"


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
        path.write_bytes(mutant.source)


def chosen(seed: int, count: int, words: list[str]) -> list[Mutant]:
    paths = [*sorted(PACKAGE.glob("_core/*.py")), *sorted(PACKAGE.glob("_operators/*.py"))]
    wanted = [path for path in paths if not words or any(word in str(path) for word in words)]
    found = [mutant for path in wanted for mutant in mutants(path)]
    return random.Random(seed).sample(found, min(count, len(found)))


def tried(mutants: list[Mutant], package: Path) -> Iterator[bool]:
    """Try them one by one, and say of each whether a test has noticed it."""
    for mutant in mutants:
        test = killer(mutant, package)
        print("KILLED" if test else "SURVIVED", mutant, test or "", flush=True)
        yield test is not None


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0, help="what is drawn (default: %(default)s)")
    parser.add_argument("--count", type=int, default=200, help="how many (default: %(default)s)")
    parser.add_argument("--modules", nargs="*", default=[], help="words of the paths to change")
    parser.add_argument("--list", action="store_true", help="only show what would be changed")
    given = parser.parse_args()
    drawn = chosen(given.seed, given.count, given.modules)
    if given.list:
        print(*drawn, sep="\n")
        return 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # there is a summary all the same
    noticed: list[bool] = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            package = Path(shutil.copytree(PACKAGE, Path(folder) / "anystream"))
            noticed.extend(tried(drawn, package))
    except KeyboardInterrupt:
        return 130
    finally:
        killed, left = sum(noticed), len(drawn) - len(noticed)
        survived = len(noticed) - killed
        print(f"{killed} killed, {survived} survived, {left} not tried (seed {given.seed})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
