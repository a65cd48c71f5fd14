"""Ctrl-C at every moment of a pipeline: it comes out bare, and everything is closed.

What is interrupted is a call of the library's or the backend's, or the return from one: there
CPython looks for signals, and at the ends of loops. A plain run of the tests takes some moments of
each pipeline, and `nox -s sweep` all.
"""

import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from opcode import opname
from pathlib import Path
from types import FrameType
from typing import Literal, TypeAlias

import anyio
import pytest
import trio
from rows import ADAPTED, IN_TASKS, Row, suspending

import anystream
from anystream import Stream
from anystream.testing import TrackedSource
from anystream.testing.clock import backend as in_virtual_time

INTERRUPTED = (
    str(Path(__file__).parent / "rows"),
    *(str(Path(str(package.__file__)).parent) for package in (anystream, anyio, trio)),
)
MOMENTS = 15
"""How many a plain run takes of each pipeline."""


@dataclass
class CtrlC:
    """Sends the signal at the `moment`-th call, or return of one, and counts them."""

    moment: int = -1
    seen: int = field(default=0, init=False)

    def __call__(self, frame: FrameType, event: str, arg: object) -> None:
        if is_interruptible(frame, event):
            self.seen += 1
            if self.seen == self.moment:
                signal.raise_signal(signal.SIGINT)

    async def during(self, work: Callable[[], Awaitable[object]]) -> None:
        sys.setprofile(self)
        try:
            await work()
        finally:
            sys.setprofile(None)


def is_interruptible(frame: FrameType, event: str) -> bool:
    """Whether CPython looks for signals here, and this is no code of a test's."""
    code = frame.f_code
    if not code.co_filename.startswith(INTERRUPTED) or "testing" in code.co_filename:
        return False
    if code.co_name == "firstiter" and is_of_contextlib(frame.f_back):  # of a test's own generator
        return False
    if event == "call":  # not where an await goes on
        at = max(frame.f_lasti, 0)
        return opname[code.co_code[at]] != "RESUME" or code.co_code[at + 1] & 3 < 2
    return event == "c_return"


def is_of_contextlib(frame: FrameType | None) -> bool:
    return frame is not None and frame.f_globals.get("__name__") == "contextlib"


Kind: TypeAlias = Literal["generator", "iterator"]
Program: TypeAlias = Callable[[TrackedSource[int]], Awaitable[object]]

TERMINALS: dict[str, Program] = {
    "collect": lambda source: Stream(source.generator).collect(),
    "first": lambda source: Stream(source.iterator).first(),
    "for_each": lambda source: Stream(source.generator).buffer(1).for_each(suspending(print)),
    "async for": lambda source: bare(Stream(source.iterator)),
}


async def bare(items: Stream[int]) -> None:
    async for _ in items:
        pass


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("kind", ["generator", "iterator"])
@pytest.mark.parametrize("row", [*IN_TASKS, *ADAPTED], ids=str)
def test_ctrl_c_at_every_moment_of_a_block(
    row: Row, kind: Kind, backend: str, request: pytest.FixtureRequest
) -> None:
    async def read(source: TrackedSource[int]) -> None:
        async with row.over(Stream(getattr(source, kind))) as items:
            async for _ in items:
                pass

    every_moment(read, backend, request)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("name", TERMINALS)
def test_ctrl_c_at_every_moment_of_a_call(
    name: str, backend: str, request: pytest.FixtureRequest
) -> None:
    every_moment(TERMINALS[name], backend, request)


def every_moment(program: Program, backend: str, request: pytest.FixtureRequest) -> None:
    run(program, backend, CtrlC())  # fills the caches
    undisturbed = CtrlC()
    run(program, backend, undisturbed)
    every = request.config.getoption("--every-mode")
    for moment in range(1, undisturbed.seen, 1 if every else 1 + undisturbed.seen // MOMENTS):
        ctrl_c = CtrlC(moment)
        try:
            run(program, backend, ctrl_c)
        except KeyboardInterrupt:
            continue
        assert ctrl_c.seen < moment, "Ctrl-C was lost"  # a run may take fewer calls


def run(program: Program, backend: str, ctrl_c: CtrlC) -> None:
    source = TrackedSource(range(3))

    async def main() -> None:
        await ctrl_c.during(lambda: program(source))
        await anyio.sleep(1)  # asyncio tells the main task at its next step

    name, options = in_virtual_time(backend)
    try:
        anyio.run(main, backend=name, backend_options=options)
    finally:
        sys.setprofile(None)
        assert source.closes_started >= source.opened  # Ctrl-C may have cut them short
