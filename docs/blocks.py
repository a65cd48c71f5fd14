"""The Python blocks of a page, all of which run in the tests, and those that readers can run.

`tests/test_blocks.py` says how they are written. One can be run in the browser if it needs nothing
but the standard library, anyio, trio and the streams themselves: no thread, socket, file or
process, no real time, and no name that only a block has made which does.
"""

import ast
import re
import sys
from collections.abc import Iterator
from typing import NamedTuple

PART = re.compile(
    r"""^<!--\ setup\n (?P<setup>.*?) ^-->$
    |   ^<!--\ (?P<note>real\ time|asyncio|leaks|not\ run(?:\ \(page\))?):\ (?P<why>\S.*?)\ -->$
    |   ^```python\n (?P<code>.*?) ^```$
        (?:\n+```(?:text|mermaid|lifeline)\n (?P<output>.*?) ^```$)?
    """,
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)

MODULES = {"anyio", "anystream", "trio", *sys.stdlib_module_names}
OUTSIDE = (
    *("anystream.asgi", "anystream.http", "anystream.net", "anystream.redis", "anystream.watch"),
    *("anyio.abc", "anyio.from_thread", "anyio.to_process", "anyio.to_thread"),
    *("concurrent", "multiprocessing", "signal", "socket", "sqlite3", "subprocess", "threading"),
    "logging",  # the tests print what is logged, and a browser does not
)
"""Modules that a browser lacks, or that are about what it lacks."""
NAMES = {"fixture", "from_thread", "open", "to_sync"}
METHODS = {"progress"}
"""What needs a thread or a file as well; `fixture` is that of the tests."""


class Block(NamedTuple):
    line: int
    code: str
    output: str | None  # None if nothing is said about it
    hidden: bool = False  # a setup, which is not shown


class Page:
    """What there is to run, and how."""

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self.notes = set[str]()
        self.blocks: list[Block] = []
        found = 0
        skip = False
        for part in PART.finditer(text):
            line = text.count("\n", 0, part.start()) + 2
            if part["note"]:
                self.notes.add(part["note"])
                skip = part["note"] == "not run"
            elif part["setup"]:
                self.blocks.append(Block(line, part["setup"], None, hidden=True))
            else:
                found += 1
                if not skip:
                    self.blocks.append(Block(line, part["code"], part["output"]))
                skip = False
        written = len(re.findall(r"^\s*(?:```|~~~)\s*python", text, re.MULTILINE))
        assert found == written, f"{name}: only {found} of {written} Python blocks are read"
        if "not run (page)" in self.notes:
            self.blocks.clear()

    def for_the_browser(self) -> list[Block]:
        """Those that a reader can run, and the setups that these need."""
        if "real time" in self.notes:
            return []
        missing = set[str]()  # names that only other blocks have made
        fit: list[Block] = []
        for block in self.blocks:
            tree = ast.parse(block.code)
            made = names(tree, ast.Store)
            if needs_more(tree) or (names(tree, ast.Load) - made) & missing:
                missing |= made
            else:
                missing -= made
                fit.append(block)
        return fit


def needs_more(tree: ast.AST) -> bool:
    """Whether code needs what a browser does not have."""
    modules = {name for node in ast.walk(tree) for name in imported(node)}
    foreign = any(name.partition(".")[0] not in MODULES for name in modules)
    outside = any(f"{name}.".startswith(f"{each}.") for name in modules for each in OUTSIDE)
    called = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} & METHODS
    return foreign or outside or bool(called or names(tree, ast.Load) & NAMES)


def timelines_fit(text: str) -> bool:
    """Whether the expressions of a block of timelines can be run in the browser."""
    return not any(f".{name}(" in text for name in METHODS)


def imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def names(tree: ast.AST, use: type[ast.expr_context]) -> set[str]:
    """The names that code makes, or reads."""
    found = {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and type(node.ctx) is use
    }
    return found | made_by_statements(tree) if use is ast.Store else found


def made_by_statements(tree: ast.AST) -> set[str]:
    found = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    return found
