"""What a browser runs, in virtual time: timelines, and the Python blocks of a page.

`worker.mjs` passes what a page asks for to `answer`.
"""

import ast
import io
import json
import traceback
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, redirect_stdout
from functools import partial
from inspect import CO_COROUTINE
from typing import Any, NamedTuple

import anyio
from marbles import SETTINGS, Block, columns_of

import anystream
from anystream.testing import MarbleError, backend, marbles, recorded
from anystream.testing.diagrams import FINAL, parsed

ON = "asyncio"


class Ran(NamedTuple):
    """What came out, as text or as HTML, and whether that is what the page shows."""

    text: str
    picture: str
    same: bool


# -- timelines ------------------------------------------------------------------------------------


def after(seconds: float) -> Callable[[Any], Awaitable[Any]]:
    """An async function that gives its argument after so long."""

    async def call(item: Any) -> Any:
        await anyio.sleep(seconds)
        return item

    return call


NAMES = {name: getattr(anystream, name) for name in anystream.__all__} | {
    "after": after,
    "anyio": anyio,
    "MarbleError": MarbleError,
    "zip": anystream.zip,
}
"""What an expression of a timeline may use besides the inputs of its block."""


def timelines(text: str) -> Ran:
    """Run the expressions of a block, and draw it with what came instead of what is expected."""
    block = Block(text)
    name, options = backend(ON)
    rows = [columns_of(line) for line in text.splitlines() if is_timeline(line)]
    inputs = {left: right for left, right in rows if left.isidentifier()}
    last = max(parsed(right)[1] for _, right in rows)
    lines: list[str] = []
    same = True
    for line in text.splitlines():
        if is_timeline(line) and not (columns := columns_of(line))[0].isidentifier():
            expression, expected = columns
            name, options = backend(ON)
            run = partial(came, block, inputs, expression, expected, last)
            got = anyio.run(run, backend=name, backend_options=options)
            same = same and events(block, got) == events(block, expected)
            line = line.rstrip().removesuffix(expected) + got
        lines.append(line)
    return Ran("\n".join(lines), Block("\n".join(lines)).figure(), same)


def is_timeline(line: str) -> bool:
    text = line.strip()
    return bool(text) and not text.startswith("#") and columns_of(text)[0] not in SETTINGS


async def came(
    block: Block, inputs: dict[str, str], expression: str, expected: str, last: int
) -> str:
    """What an expression gives, as a diagram; one that is open at the end of its own stays so."""
    frame = block.frame
    busy = float(block.settings.get("busy", 0))
    names = NAMES | {
        name: marbles(diagram, frame=frame, values=block.values) for name, diagram in inputs.items()
    }
    marks, length = parsed(expected)
    closed = bool(marks) and marks[-1].symbol in FINAL
    frames = 2 * last if closed else length  # it may come to its end later than expected
    owned, _, owner = block.settings.get("opened", "").partition("=")
    async with AsyncExitStack() as stack:
        if owned:
            names[owned] = await stack.enter_async_context(eval(owner, names))
        got = await recorded(
            eval(expression, names),
            frame=frame,
            values=block.values,
            busy=busy,
            until=frames * frame,
        )
    if "!" in expected or not got.endswith("!"):
        return got
    return got[:-1].rstrip("-").ljust(last if closed else length, "-")


def events(block: Block, diagram: str) -> list[tuple[int, Any]]:
    """What comes when; two symbols may stand for one value."""
    return [(mark.frame, block.values.get(mark.symbol, mark.symbol)) for mark in parsed(diagram)[0]]


# -- Python blocks --------------------------------------------------------------------------------


class Program:
    """The blocks of a page, of which later ones know the names of earlier ones."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.original = anyio.run

    def run(self, code: str, expected: str | None = None) -> Ran:
        """Run a block; `await` may stand outside of functions."""
        output = io.StringIO()
        failed = False
        with redirect_stdout(output):
            try:
                self.execute(code)
            except BaseException as error:  # noqa: ASYNC103  # no task is around it, and it is shown
                failed = True
                traceback.print_exception(without_ours(error), file=output)
        text = output.getvalue()
        return Ran(text, "", not failed and text == (expected or text))

    def execute(self, code: str) -> None:
        name, options = backend(ON)
        run = partial(self.original, backend=name, backend_options=options)
        anyio.run = run
        try:
            compiled = compile(code, "block", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            if compiled.co_flags & CO_COROUTINE:
                run(eval, compiled, self.names)
            else:
                exec(compiled, self.names)
        finally:
            anyio.run = self.original


def without_ours(error: BaseException) -> BaseException:
    """The error without the lines of this file and of the event loop, as far as that goes."""
    lines = error.__traceback__
    while lines is not None and lines.tb_frame.f_code.co_filename != "block":
        lines = lines.tb_next
    return error.with_traceback(lines or error.__traceback__)


# -- questions ------------------------------------------------------------------------------------

PROGRAM = Program()


def answer(question: str) -> str:
    """Run what a question in JSON asks for: `timelines`, or `code` with `expected`."""
    asked: dict[str, Any] = json.loads(question)
    if "code" in asked:
        ran = PROGRAM.run(asked["code"], asked["expected"])
    else:
        try:
            ran = timelines(asked["timelines"])
        except Exception as error:
            ran = Ran(f"{type(error).__name__}: {error}", "", same=False)
    return json.dumps(ran._asdict())
