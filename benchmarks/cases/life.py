"""What it costs to open a pipeline, to close and to hold it, and to import it all."""

import gc
import sys
import tracemalloc
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from statistics import median
from time import perf_counter
from typing import Any

import anyio
from anyio import Event, create_task_group, sleep_forever
from anyio.lowlevel import checkpoint
from measure import Case, Measured, Work, no_garbage_collector

from anystream import Stream, async_range, merge

from .programs import bytecode_cache, growth
from .table import even, inc, numbers, peer

Make = Callable[[], AbstractAsyncContextManager[Any]]


def opened(make: Make) -> Work:
    async def work(count: int) -> int:
        for _ in range(count):
            async with make():
                pass
        return 0

    return work


def read(make: Make) -> Work:
    async def work(count: int) -> int:
        result = 0
        for _ in range(count):
            async with make() as items:
                result += await anext(items)
        return result

    return work


async def child() -> None:
    pass


async def grouped(count: int) -> int:
    for _ in range(count):
        async with create_task_group() as group:  # noqa: ASYNC112  # its cost is the question
            group.start_soon(child)
    return 0


def five() -> Stream[int]:
    return async_range(9).map(inc).filter(even).map(inc).take(3).map(inc)


FIVE = five()


def five_generators() -> AbstractAsyncContextManager[Any]:
    """Each closes the one before it, as careful people have it."""
    return aclosing(gmap(gtake(gmap(gfilter(gmap(numbers(9)))), 3)))


async def gmap(source: Any) -> AsyncGenerator[int, None]:
    async with aclosing(source):
        async for item in source:
            yield inc(item)  # noqa: ASYNC119  # is closed by the next


async def gfilter(source: Any) -> AsyncGenerator[int, None]:
    async with aclosing(source):
        async for item in source:
            if even(item):
                yield item  # noqa: ASYNC119


async def gtake(source: Any, left: int) -> AsyncGenerator[int, None]:
    async with aclosing(source):
        async for item in source:
            yield item  # noqa: ASYNC119
            left -= 1
            if not left:
                return


def five_of_aiostream() -> Any:
    a = peer("aiostream.stream")
    return a.map(a.take(a.map(a.filter(a.map(a.range(9), inc), even), inc), 3), inc)


def opening(name: str, what: str, sides: dict[str, Work], **options: Any) -> Case:
    what = f"opening and closing a pipeline {what}"
    return Case(name, what, "life", 500, sides, quick=100, **options)


OPENING = [
    opening(
        "open",
        "with one task",
        {"anystream": opened(lambda: async_range(1).buffer(1)), "floor": grouped},
        limits={"floor": 2.5},
        remark="the floor is a task group with one child",
    ),
    opening(
        "open-read",
        "with one task, and reading an item",
        {"anystream": read(lambda: async_range(1).buffer(1)), "floor": grouped},
        limits={"floor": 3.5},
        remark="the floor is a task group with one child",
    ),
    opening(
        "open-plain",
        "of five plain operators",
        {
            "anystream": opened(lambda: FIVE),
            "generators": opened(five_generators),
            "aiostream": lambda n: opened(five_of_aiostream().stream)(n),
        },
        most=15_000.0,
    ),
    opening(
        "open-plain-read",
        "of five plain operators that is made each time, and reading an item",
        {
            "anystream": read(five),
            "generators": read(five_generators),
            "aiostream": read(lambda: five_of_aiostream().stream()),
        },
    ),
]


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
    async def asleep(self) -> AsyncGenerator[AsyncGenerator[int, None], None]:
        async with create_task_group() as group:
            for _ in range(self.count):
                group.start_soon(self.task)
            await self.all_begun.wait()
            yield numbers(1)
            group.cancel_scope.cancel()


def closing(make: Callable[[Live], AbstractAsyncContextManager[Any]]) -> Work:
    """The milliseconds from the end of the block until it has been left."""

    async def work(sources: int) -> Measured:
        start = 0.0
        async with make(Live(sources)) as items:
            await anext(items)
            start = perf_counter()
        return Measured((perf_counter() - start) * 1000)

    return work


def aiostream_merge(live: Live) -> Any:
    return peer("aiostream.stream").merge(*live.sources()).stream()


def close(sources: int, most: float | None = None) -> Case:
    sides = {
        "anystream": closing(lambda live: merge(*live.sources())),
        "floor": closing(Live.asleep),
        "aiostream": closing(aiostream_merge),
    }
    if sources > 100:  # it looks at all of its tasks for each one that begins
        del sides["aiostream"]
    what = f"closing a merge of {sources:,} live sources"
    remark = "the floor is a task group of as many that sleep, cancelled"
    name = f"close-{sources}"
    return Case(
        name, what, "life", sources, sides, {}, sources, unit="ms", most=most, remark=remark
    )


EACH = 100  # open in one holder: cancel scopes that lie in one another make anyio search them all
Enter = Callable[[AsyncExitStack, list[Event]], Awaitable[object]]


PARKED = async_range(2).buffer(1)
"""One recipe for all. Its task waits for room: it has filled the buffer, and has one item left."""


async def enter_group(stack: AsyncExitStack, over: list[Event]) -> None:
    group = await stack.enter_async_context(create_task_group())
    over.append(Event())
    group.start_soon(over[-1].wait)


def bytes_of_each(enter: Enter) -> Work:
    """The memory that Python has given out for one of many, in tasks that hold some of them."""

    async def work(count: int) -> Measured:
        await held(enter, 1)  # what is made once is not counted
        return Measured(await held(enter, count // EACH) / count)

    return work


async def held(enter: Enter, holders: int) -> int:
    over = [Event()]
    all_held = Event()
    holding = memory = 0

    async def hold() -> None:
        nonlocal holding
        async with AsyncExitStack() as stack:
            for _ in range(EACH):
                await enter(stack, over)
            holding += 1
            if holding == holders:
                all_held.set()
            await over[0].wait()

    gc.collect()
    with no_garbage_collector():
        tracemalloc.start()
        async with create_task_group() as group:
            for _ in range(holders):
                group.start_soon(hold)
            await all_held.wait()
            for _ in range(20):  # when each task has had its turn so often, it waits for another
                await checkpoint()
            memory, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            for event in over:
                event.set()
    return memory


async def grown(count: int, env: dict[str, str]) -> Measured:
    return Measured(await growth("items", "10_000", str(count), env))


PEERS = ("aiostream", "streamable", "asyncstdlib", "aioitertools", "aiometer", "reactivex")


def importing(module: str, after: str = "asyncio") -> Callable[..., Awaitable[Measured]]:
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


CASES = [
    *OPENING,
    *(close(sources) for sources in (1, 10, 100)),
    close(1_000, most=50.0),
    Case(
        "open-memory",
        "memory of each of many open pipelines with one task",
        "life",
        2_000,
        {
            "anystream": bytes_of_each(lambda stack, _: stack.enter_async_context(PARKED)),
            "floor": bytes_of_each(enter_group),
        },
        {"floor": 2.0},
        quick=100,
        unit="bytes",
        remark="the floor is a task group with one parked child",
    ),
    Case(
        "memory",
        "peak memory over 10 million items above that over 10 thousand",
        "life",
        10_000_000,
        {"anystream": grown},
        quick=200_000,
        unit="MiB",
        shared=bytecode_cache,
        most=1.0,
        remark="measured once",
    ),
    Case(
        "import",
        "what import anystream adds after import anyio; the others after import asyncio",
        "life",
        3,
        {
            "anystream": importing("anystream", "anyio"),
            **{module: importing(module) for module in ("anyio", *PEERS)},
        },
        quick=1,
        unit="ms",
        shared=bytecode_cache,
        backends=("asyncio",),
        most=15.0,
        remark="each in a fresh process, from compiled modules",
    ),
]
