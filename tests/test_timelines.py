"""The timelines in the documentation are true, on both backends.

They stand in fenced blocks of the language `marbles`, in two columns with two or more spaces
between them:

    # a comment
    values                    x=("a", "b")
    a                         a--b-|
    a.map(str.upper)          A--B-|
    a.pairwise()              ---x-|

A name on the left is an input, made by `marbles`. Anything else is an expression over the inputs
of the block, the public names of `anystream`, `anyio`, `MarbleError` and `after`, and is asserted
to give the diagram. All diagrams of a block begin in one column, so that one instant is one column.
`after(seconds)` is an async function that gives its argument after so long.

Four names are settings of the block instead: `frame` and `busy`, in seconds, `values`, written like
the arguments of `dict`, and `opened`, as in `s=a.share()`, for a block that is open while the
expressions of `s` are read.
"""

import ast
import re
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest
from marbles import COLUMNS, SETTINGS
from running import NAMES

from anystream import Stream
from anystream.testing import assert_marbles, marbles

DOCS = Path(__file__).parents[1] / "docs"
FENCE = re.compile(r"\s*(`{3,}|~{3,})\s*marbles\s*$")


class Line(NamedTuple):
    where: str  # file:line
    left: str
    right: str
    column: int  # in which the right one begins

    def parsed(self) -> ast.Expression:
        return ast.parse(self.left, self.where, "eval")


class Block:
    """What stands between two fences."""

    def __init__(self, where: str, lines: list[Line]) -> None:
        self.settings = {line.left: line.right for line in lines if line.left in SETTINGS}
        self.owned, _, self.owner = self.settings.get("opened", "").partition("=")
        timelines = [line for line in lines if line.left not in SETTINGS]
        self.inputs = {line.left: line.right for line in timelines if line.left.isidentifier()}
        self.expressions = [line for line in timelines if not line.left.isidentifier()]
        if not self.expressions:
            raise ValueError(f"{where}: a block without an expression")
        if len(self.settings) + len(self.inputs) + len(self.expressions) < len(lines):
            raise ValueError(f"{where}: a name stands twice in this block")
        if taken := NAMES.keys() & self.inputs:
            raise ValueError(f"{where}: {min(taken)} is the name of something else")
        if unused := self.inputs.keys() - self.used():
            raise ValueError(f"{where}: nothing is made of {min(unused)}, so nothing asserts it")
        if len({line.column for line in timelines}) > 1:
            raise ValueError(f"{where}: the diagrams do not begin in one column")

    def used(self) -> set[str]:
        nodes = [node for line in self.expressions for node in ast.walk(line.parsed())]
        opened = ast.walk(ast.parse(self.owner))
        return {node.id for node in [*nodes, *opened] if isinstance(node, ast.Name)}

    async def check(self, line: Line) -> None:
        frame = float(self.settings.get("frame", 1))
        busy = float(self.settings.get("busy", 0))
        values: dict[str, Any] = eval(f"dict({self.settings.get('values', '')})")
        inputs = {
            name: marbles(diagram, frame=frame, values=values)
            for name, diagram in self.inputs.items()
        }
        names = NAMES | inputs
        async with AsyncExitStack() as stack:
            if self.owned:
                owner = eval(self.owner, names)
                names[self.owned] = await stack.enter_async_context(owner)
            made = eval(line.left, names)
            assert isinstance(made, Stream), f"{line.left} is no stream but {made!r}"
            await assert_marbles(
                cast("Stream[Any]", made), line.right, frame=frame, values=values, busy=busy
            )


def blocks_in(text: str, name: str) -> Iterator[Block]:
    """The blocks of a page."""
    lines = enumerate(text.splitlines(), 1)
    for number, opening in lines:
        fence = FENCE.match(opening)
        if fence is None:
            continue
        inside: list[Line] = []
        for at, line in lines:
            if line.strip() == fence[1]:
                break
            if line.strip() and not line.lstrip().startswith("#"):
                columns = COLUMNS.search(line)
                if columns is None:
                    raise ValueError(f"{name}:{at}: no two columns with spaces between them")
                inside.append(
                    Line(f"{name}:{at}", columns[1], columns[2].rstrip(), columns.start(2))
                )
        yield Block(f"{name}:{number}", inside)


TIMELINES = [
    pytest.param(block, line, id=line.where)
    for page in sorted([*DOCS.glob("*.md"), *DOCS.glob("[!_]*/*.md")])  # not of docs/_build
    for block in blocks_in(page.read_text("utf-8"), page.name)
    for line in block.expressions
]


@pytest.mark.parametrize(("block", "line"), TIMELINES)
async def test_timeline(block: Block, line: Line) -> None:
    await block.check(line)


def test_there_are_timelines() -> None:
    assert TIMELINES


# -- the format ---------------------------------------------------------------------------------

PAGE = """
```text
nothing  a-|
```

- indented

  ```marbles
  # a comment
  a                 a--b-|
  a.map(str.upper)  A--B-|

  a.take(1)         (a|)
  ```

~~~marbles
frame   0.5
busy    1.0
values  x=("a", "b"), y=("b", "c")

b             abc----|
b.pairwise()  -x-y---|
~~~

```marbles
opened  s=a.share()

a                a-b|
s.map(after(1))  -a-(b|)
```
"""


async def test_every_expression_of_a_page_is_found_and_true() -> None:
    blocks = list(blocks_in(PAGE, "page.md"))
    found = [[(line.where, line.left) for line in block.expressions] for block in blocks]
    assert found == [
        [("page.md:11", "a.map(str.upper)"), ("page.md:13", "a.take(1)")],
        [("page.md:22", "b.pairwise()")],
        [("page.md:29", "s.map(after(1))")],
    ]
    for block in blocks:
        for line in block.expressions:
            await block.check(line)


@pytest.mark.parametrize(
    ("number", "true", "untrue"),
    [
        (0, "A--B-|", "A--b-|"),
        (1, "-x-y---|", "-x--y--|"),
        (1, "frame   0.5", "frame   0.25"),
        (1, "busy    1.0", "busy    1.5"),
        (1, '("a", "b")', '("a", "c")'),
        (2, "a.share()", "a.skip(1).share()"),
        (2, "after(1)", "after(2)"),
    ],
)
async def test_a_timeline_that_is_not_true_fails(number: int, true: str, untrue: str) -> None:
    block = list(blocks_in(PAGE.replace(true, untrue), "page.md"))[number]
    with pytest.raises(AssertionError, match="differs from its diagram"):
        await block.check(block.expressions[0])


async def test_an_expression_makes_a_stream() -> None:
    (block,) = blocks_in("```marbles\na        a|\nrepr(a)  a|\n```", "page.md")
    with pytest.raises(AssertionError, match="is no stream but "):
        await block.check(block.expressions[0])


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ("", "page.md:1: a block without an expression"),
        ("a  a-|", "page.md:1: a block without an expression"),
        ("a  a-|\na.take(1) a|", "page.md:3: no two columns with spaces between them"),
        ("a          a-|\na          b-|\na.take(1)  a|", "page.md:1: a name stands twice"),
        ("race          a-|\nrace.take(1)  a|", "page.md:1: race is the name of something else"),
        (
            "a               a|\nb               b|\nStream('b')     (b|)\na.take(1)       a|",
            "page.md:1: nothing is made of b, so nothing asserts it",
        ),
        ("a    a-|\na.take(1)  a|", "page.md:1: the diagrams do not begin in one column"),
    ],
)
def test_a_wrong_block_says_what_is_wrong(lines: str, fault: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(fault)}"):
        list(blocks_in(f"```marbles\n{lines}\n```", "page.md"))
