"""What it costs to open a pipeline, to close and to cancel it; to hold it, and to import it all."""

import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from statistics import median
from time import perf_counter, process_time
from typing import Any

import anyio
from anyio import CancelScope, Event, create_task_group, sleep_forever
from measure import Case, Measured, Work

from anystream import Stream, async_range, merge

from . import holding
from .concurrency import more
from .plain import even, inc, numbers
from .programs import bytecode_cache

# -- opening and closing -------------------------------------------------------------------------


async def opened(count: int) -> None:
    for _ in range(count):
        async with async_range(1).buffer(1):
            pass


async def opened_and_read(count: int) -> None:
    for _ in range(count):
        async with async_range(1).buffer(1) as items:
            await anext(items)


async def child() -> None:
    pass


async def grouped(count: int) -> None:
    for _ in range(count):
        async with create_task_group() as group:  # noqa: ASYNC112  # its cost is the question
            group.start_soon(child)


def each_in_us(work: Callable[[int], Awaitable[object]]) -> Work:
    async def timed(count: int) -> Measured:
        start = process_time()
        result = await work(count)
        return Measured((process_time() - start) / count * 1e6, result)

    return timed


def five() -> Stream[int]:
    return async_range(9).map(inc).filter(even).map(inc).take(3).map(inc)


FIVE = five()


async def five_opened(count: int) -> None:
    for _ in range(count):
        async with FIVE:
            pass


async def five_read(count: int) -> int:
    result = 0
    for _ in range(count):
        async with five() as items:
            result += await anext(items)
    return result


def five_generators() -> AsyncGenerator[int, None]:
    """Each closes the one before it, as careful people have it."""
    return gmap(gtake(gmap(gfilter(gmap(numbers(9)))), 3))


async def gmap(source: Any) -> AsyncGenerator[int, None]:
    async with aclosing(source):
        async for item in source:
            yield inc(item)  # noqa: ASYNC119  # is closed by the next


async def gfilter(source: Any) -> AsyncGenerator[int, None]:
    async with aclosing(source):
        async for item in source:
            if even(item):
                yield item  # noqa: ASYNC119  # is closed by the next


async def gtake(source: Any, count: int) -> AsyncGenerator[int, None]:
    left = count
    async with aclosing(source):
        async for item in source:
            yield item  # noqa: ASYNC119  # is closed by the next
            left -= 1
            if not left:
                return


async def five_generators_opened(count: int) -> None:
    for _ in range(count):
        async with aclosing(five_generators()):
            pass


async def five_generators_read(count: int) -> int:
    result = 0
    for _ in range(count):
        async with aclosing(five_generators()) as items:
            result += await anext(items)
    return result


def five_of_aiostream() -> Any:
    from aiostream import pipe, stream

    items: Any = stream.range(9)
    items = items | pipe.map(more) | pipe.filter(even)
    return items | pipe.map(more) | pipe.take(3) | pipe.map(more)


async def five_of_aiostream_opened(count: int) -> None:
    items = five_of_aiostream()
    for _ in range(count):
        async with items.stream():
            pass


async def five_of_aiostream_read(count: int) -> int:
    result = 0
    for _ in range(count):
        async with five_of_aiostream().stream() as items:
            result += await anext(items)
    return result


# -- closing and cancelling what is live -----------------------------------------------------------


class Live:
    """Sources that only wait; the first of them has one item, which comes when all have begun."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.begun = 0
        self.all_begun = Event()

    def sources(self) -> list[AsyncGenerator[int, None]]:
        return [self.source(at) for at in range(self.count)]

    async def source(self, at: int) -> AsyncGenerator[int, None]:
        self.begin()
        if at == 0:
            await self.all_begun.wait()
            yield at
        await sleep_forever()

    async def task(self) -> None:
        self.begin()
        await sleep_forever()

    def begin(self) -> None:
        self.begun += 1
        if self.begun == self.count:
            self.all_begun.set()


@asynccontextmanager
async def merged(count: int) -> AsyncGenerator[None, None]:
    async with merge(*Live(count).sources()) as items:
        await anext(items)
        yield


@asynccontextmanager
async def merged_by_aiostream(count: int) -> AsyncGenerator[None, None]:
    from aiostream import stream

    async with stream.merge(*Live(count).sources()).stream() as items:
        await anext(items)
        yield


@asynccontextmanager
async def asleep(count: int) -> AsyncGenerator[None, None]:
    tasks = Live(count)
    async with create_task_group() as group:
        for _ in range(count):
            group.start_soon(tasks.task)
        await tasks.all_begun.wait()
        yield
        group.cancel_scope.cancel()


Open = Callable[[int], AbstractAsyncContextManager[None]]


def closing(block: Open) -> Work:
    """The milliseconds from the end of the block until it has been left."""

    async def work(sources: int) -> Measured:
        start = 0.0
        async with block(sources):
            start = perf_counter()
        return Measured((perf_counter() - start) * 1000)

    return work


def cancelling(block: Open) -> Work:
    """The milliseconds from a cancellation of the block by another task until it has been left."""

    async def work(sources: int) -> Measured:
        start = left = 0.0
        scope = CancelScope()
        held = Event()

        async def hold() -> None:
            nonlocal left
            with scope:
                async with block(sources):
                    held.set()
                    await sleep_forever()
            left = perf_counter()

        async with create_task_group() as group:
            group.start_soon(hold)
            await held.wait()
            start = perf_counter()
            scope.cancel()
        return Measured((left - start) * 1000, scope.cancelled_caught)

    return work


def live_case(name: str, what: str, measure: Callable[[Open], Work], sources: int) -> Case:
    sides = {"anystream": measure(merged), "floor": measure(asleep)}
    if sources <= 100:  # it looks at all of its tasks for each one that begins
        sides["aiostream"] = measure(merged_by_aiostream)
    return Case(
        f"{name}-{sources}",
        f"{what} a merge of {sources:,} live sources",
        "life",
        sources,
        sides,
        quick=sources if name == "close" else min(sources, 100),
        unit="ms",
        most=50.0 if name == "close" and sources == 1_000 else None,
        remark="the floor is a task group of as many that sleep, cancelled; a quick cancel has 100",
    )


# -- importing -------------------------------------------------------------------------------------

PEERS = ("aiostream", "streamable", "asyncstdlib", "aioitertools", "aiometer", "reactivex")


def importing(module: str, after: str) -> Callable[[int, dict[str, str]], Awaitable[object]]:
    """What it adds to a process that has imported something else, in ms, the median of some."""
    code = (
        f"from time import perf_counter; import {after}; start = perf_counter();"
        f" import {module}; print(perf_counter() - start)"
    )

    async def work(count: int, env: dict[str, str]) -> Measured:
        command = [sys.executable, "-c", code]
        runs = [await anyio.run_process(command, env=env) for _ in range(count)]
        return Measured(median(float(run.stdout) for run in runs) * 1000)

    return work


def in_us(name: str, what: str, most: float | None, sides: dict[str, Work]) -> Case:
    timed = {side: each_in_us(work) for side, work in sides.items()}
    return Case(name, what, "life", 500, timed, quick=100, unit="us", most=most)


OPENING = "opening and closing a pipeline"

CASES = (
    Case(
        "open",
        f"{OPENING} with one task",
        "life",
        500,
        {"anystream": opened, "floor": grouped},
        {"floor": 2.5},
        quick=100,
        remark="the floor is a task group with one child",
    ),
    Case(
        "open-read",
        f"{OPENING} with one task, and reading an item",
        "life",
        500,
        {"anystream": opened_and_read, "floor": grouped},
        {"floor": 3.5},
        quick=100,
        remark="the floor is a task group with one child",
    ),
    in_us(
        "open-plain",
        f"{OPENING} of five plain operators",
        15.0,
        {
            "anystream": five_opened,
            "generators": five_generators_opened,
            "aiostream": five_of_aiostream_opened,
        },
    ),
    in_us(
        "open-plain-read",
        f"making, {OPENING} of five plain operators, and reading an item",
        None,
        {
            "anystream": five_read,
            "generators": five_generators_read,
            "aiostream": five_of_aiostream_read,
        },
    ),
    *(live_case("close", "closing", closing, sources) for sources in (1, 10, 100, 1_000)),
    *(live_case("cancel", "cancelling", cancelling, sources) for sources in (1, 10, 100, 1_000)),
    *holding.CASES,
    Case(
        "import",
        "what import anystream adds after import anyio; the others after import asyncio",
        "life",
        3,
        {
            "anystream": importing("anystream", "anyio"),
            "anyio": importing("anyio", "asyncio"),
            **{peer: importing(peer, "asyncio") for peer in PEERS},
        },
        quick=1,
        unit="ms",
        shared=bytecode_cache,
        backends=("asyncio",),
        most=15.0,
        remark="each in a fresh process, from compiled modules",
    ),
)
