"""What it costs to open a pipeline, to close and to hold it, and to import it all."""

import sys
import tracemalloc
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, nullcontext
from statistics import median
from time import perf_counter
from typing import Any

import anyio
from anyio import Event, create_task_group, sleep_forever
from measure import BY_HAND, Case, Measured, Work

from anystream import Stream, async_range, merge

from . import byhand, guarded
from .primitives import any_task, repeated
from .programs import bytecode_cache
from .table import even, held, inc, numbers, peer

Make = Callable[[], AbstractAsyncContextManager[Any]]


def opened(make: Make) -> Work:
    async def work(count: int) -> None:
        for _ in range(count):
            async with make():
                pass

    return work


def read(make: Make) -> Work:
    async def work(count: int) -> int:
        result = 0
        for _ in range(count):
            async with make() as items:
                result += await anext(items)
        return result

    return work


async def grouped(count: int) -> None:
    await repeated(count, any_task)


def five() -> Stream[int]:
    return async_range(9).map(inc).filter(even).map(inc).take(3).map(inc)


def five_of_aiostream() -> Any:
    a = peer("aiostream.stream")
    return a.map(a.take(a.map(a.filter(a.map(a.range(9), inc), even), inc), 3), inc).stream()


def five_generators() -> Any:
    """By hand; the outermost is closed."""
    few = byhand.islice(byhand.map(inc, byhand.filter(even, byhand.map(inc, numbers(9)))), 3)
    return aclosing(byhand.map(inc, few))


def opening(name: str, what: str, sides: dict[str, Work], **options: Any) -> Case:
    what = f"opening and closing a pipeline {what}"
    return Case(name, what, "life", 500, sides, quick=100, **options)


GENERATOR = Stream(lambda: numbers(9))
OPENING = [
    opening(
        "open",
        "with one task",
        {
            "anystream": opened(lambda: async_range(1).buffer(1)),
            "floor": grouped,
            BY_HAND: guarded.opened,
        },
        limits={"floor": (1.4, 1.4, 1.5)},
        remark="the floor is a task group with one child; by hand: a task that is stopped",
    ),
    opening(
        "open-plain-read",
        "of five plain operators that is made each time, and reading an item",
        {
            "anystream": read(five),
            "generators": read(five_generators),
            "aiostream": read(five_of_aiostream),
        },
    ),
    opening(
        "open-generator",
        "of a generator alone, and reading an item",
        {
            "anystream": read(lambda: GENERATOR),
            "floor": read(lambda: aclosing(numbers(9))),
            "aiostream": read(lambda: peer("aiostream.stream").iterate(numbers(9)).stream()),
            "asyncstdlib": read(lambda: peer("asyncstdlib").scoped_iter(numbers(9))),
            BY_HAND: guarded.first_of_generator,
        },
        limits={"floor": 6.0},
        remark="the floor is aclosing; by hand: in a scope, with the same checks and cleanup",
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
    name, what = f"close-{sources}", f"closing a merge of {sources:,} live sources"
    note = "the floor is a task group of as many that sleep, cancelled"
    return Case(name, what, "life", sources, sides, {}, sources, unit="ms", most=most, remark=note)


PARKED = async_range(2).buffer(1)
"""One recipe for all. Its task waits for room: it has filled the buffer, and has one item left."""


@asynccontextmanager
async def parent() -> AsyncGenerator[None, None]:
    async with create_task_group() as group:
        group.start_soon(sleep_forever)
        yield
        group.cancel_scope.cancel()


def bytes_of_each(make: Make) -> Work:
    """The memory that Python has given out for one of many, each in a task that is not counted."""

    async def memory(count: int, make: Make) -> int:
        tracemalloc.start()
        found = await held(count, make, tracemalloc.get_traced_memory)
        tracemalloc.stop()
        return found[0]

    async def work(count: int) -> Measured:
        await memory(100, make)  # what is made once is not counted
        tasks = await memory(count, nullcontext)
        return Measured((await memory(count, make) - tasks) / count)

    return work


async def peak(count: int) -> int:
    tracemalloc.start()
    await async_range(count).map(inc).filter(even).drain()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


async def grown(count: int) -> Measured:
    """The most memory over many items above that over few."""
    return Measured((await peak(count) - await peak(10_000)) / 2**20)


PEERS = ("aiostream", "streamable", "asyncstdlib", "aioitertools", "fpstreams", "grugstream")


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


BYTES = {"anystream": bytes_of_each(lambda: PARKED), "floor": bytes_of_each(parent)}
OF_EACH = "memory of each of many open pipelines with one task"
PARENT = "the floor is a task group with one parked child"
PEAK = "peak memory over a million items above that over 10 thousand"
IMPORTS = {module: importing(module) for module in ("anyio", *PEERS)}
ADDED = "what import anystream adds after import anyio; the others after import asyncio"
FRESH = "each in a fresh process, from compiled modules"
CASES = [
    *OPENING,
    *(close(sources) for sources in (1, 10, 100)),
    close(1_000, most=50.0),
    Case(
        "open-memory",
        OF_EACH,
        "life",
        2_000,
        BYTES,
        {"floor": 2.0},
        100,
        unit="bytes",
        remark=PARENT,
    ),
    Case(
        "memory", PEAK, "life", 1_000_000, {"anystream": grown}, {}, 100_000, unit="MiB", most=1.0
    ),
    Case(
        "import",
        ADDED,
        "life",
        3,
        {"anystream": importing("anystream", "anyio"), **IMPORTS},
        quick=1,
        unit="ms",
        shared=bytecode_cache,
        backends=("asyncio",),
        most=15.0,
        remark=FRESH,
    ),
]
