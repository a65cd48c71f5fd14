"""What the tests of the operators with a clock have in common."""

from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import pytest
from contract import the
from rows.clock import CLOCKED

from anystream import Stream, async_range

Apply = Callable[[Stream[Any]], Stream[Any]]

NAN, INF = float("nan"), float("inf")
WRONG: Any = "1"

IN_TASKS: dict[str, Apply] = {row.name: row.lets_all_pass for row in CLOCKED if row.tasks}
IN_THE_READER: dict[str, Apply] = {row.name: row.lets_all_pass for row in CLOCKED if not row.tasks}
"""Each of them lets all items through that come every 0.02 s."""

OPERATORS = IN_TASKS | IN_THE_READER
UP = {row.name: partial(row.called, seconds=2) for row in CLOCKED if row.gives_up}
SIEVES = {row.name: partial(row.called, seconds=1) for row in CLOCKED if row.sieve}
IDLE = [row for row in CLOCKED if row.idle]


def each(calls: Mapping[str, Apply]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("apply", calls.values(), ids=calls.keys())


EACH = each(OPERATORS)
EACH_IN_TASKS = each(IN_TASKS)
GIVE_UP = each(UP)
EACH_SIEVE = each(SIEVES)
EACH_IDLE = the(IDLE)


def slow(items: int = 4) -> Stream[int]:
    return async_range(items, delay=0.02)


async def at_once(*programs: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """Run them all at the same time, as tests on real clocks do, which have to wait for them."""
    async with anyio.create_task_group() as tasks:
        for program in programs:
            tasks.start_soon(program)


@asynccontextmanager
async def lasting(seconds: float) -> AsyncGenerator[None]:
    """A block that takes exactly so long, by the clock of the event loop."""
    start = anyio.current_time()
    yield
    assert anyio.current_time() - start == pytest.approx(seconds)


async def polled(stream: Stream[Any], seconds: float) -> list[Any]:
    """All items, by steps that are cancelled after so many seconds, and repeated."""
    got: list[Any] = []
    async with stream as items:
        while True:
            with anyio.move_on_after(seconds):
                try:
                    got.append(await anext(items))
                except StopAsyncIteration:
                    return got
