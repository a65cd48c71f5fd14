"""What the tests of the operators with a clock have in common."""

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from anystream import Stream, async_range

Apply = Callable[[Stream[Any]], Stream[Any]]

NAN, INF = float("nan"), float("inf")
WRONG: Any = "1"

IN_TASKS: dict[str, Apply] = {
    "timeout": lambda s: s.timeout(1000),
    "deadline": lambda s: s.deadline(1000),
    "heartbeat": lambda s: s.heartbeat(1000, "beat"),
    "delay": lambda s: s.delay(0.01),
    "throttle": lambda s: s.throttle(0.005),
    "throttle trailing": lambda s: s.throttle(0.005, "trailing"),
    "throttle both": lambda s: s.throttle(0.005, "both"),
    "debounce": lambda s: s.debounce(0.005),
    "debounce max_wait": lambda s: s.debounce(0.009, max_wait=0.005),
    "sample": lambda s: s.sample(0.005),
    "batched within": lambda s: s.batched(3, within=0.005).flatten(),
    "take_until": lambda s: s.take_until(1000),
    "skip_until": lambda s: s.skip_until(0),
    "pause_while": lambda s: s.pause_while([True, False]),
}
IN_THE_READER: dict[str, Apply] = {
    "spaced": lambda s: s.spaced(0.005),
    "rate_limit": lambda s: s.rate_limit(1, per=0.005, burst=2),
    "timestamp": lambda s: s.timestamp().map(lambda pair: pair[1]),
    "elapsed": lambda s: s.elapsed().map(lambda pair: pair[1]),
    "batched weight": lambda s: s.batched(weight=lambda n: 1, max_weight=1).flatten(),
}
"""Each of them lets all items through that come every 0.02 s."""

OPERATORS = IN_TASKS | IN_THE_READER
EACH = pytest.mark.parametrize("apply", OPERATORS.values(), ids=OPERATORS.keys())
EACH_IN_TASKS = pytest.mark.parametrize("apply", IN_TASKS.values(), ids=IN_TASKS.keys())

UP: dict[str, Apply] = {"timeout": lambda s: s.timeout(2), "deadline": lambda s: s.deadline(2)}
GIVE_UP = pytest.mark.parametrize("apply", UP.values(), ids=UP.keys())

SIEVES: dict[str, Apply] = {
    "throttle": lambda s: s.throttle(1),
    "throttle both": lambda s: s.throttle(1, "both"),
    "debounce": lambda s: s.debounce(1),
    "sample": lambda s: s.sample(1),
}
EACH_SIEVE = pytest.mark.parametrize("apply", SIEVES.values(), ids=SIEVES.keys())


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
