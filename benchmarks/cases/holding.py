"""The memory of what is open, and of what it holds; and that of a long run."""

import gc
import tracemalloc
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import repeat
from typing import Any

from anyio import Event, create_memory_object_stream, create_task_group
from anyio.lowlevel import checkpoint
from measure import Case, Measured, Work, no_garbage_collector

from anystream import Stream, async_range

from .concurrency import more
from .plain import afilter, amap, even, inc, numbers
from .programs import bytecode_cache, growth

Enter = Callable[[AsyncExitStack, list[Event]], Awaitable[object]]

EACH = 100  # open in one holder: cancel scopes that lie in one another make anyio search them all

# -- open pipelines --------------------------------------------------------------------------------

# One recipe for all of them: each opening of it is a pipeline of its own.
WITH_TASK = async_range(2).buffer(1)
PLAIN = async_range(9).map(inc).filter(even).map(inc).take(3).map(inc)


async def enter_pipeline(stack: AsyncExitStack, _: list[Event]) -> None:
    """Its task waits for room: it has filled the buffer, and has one item left."""
    await stack.enter_async_context(WITH_TASK)


async def enter_group(stack: AsyncExitStack, over: list[Event]) -> None:
    group = await stack.enter_async_context(create_task_group())
    over.append(Event())
    group.start_soon(over[-1].wait)


async def enter_plain(stack: AsyncExitStack, _: list[Event]) -> None:
    await anext(await stack.enter_async_context(PLAIN))


async def enter_generators(stack: AsyncExitStack, _: list[Event]) -> None:
    """The last one is closed by its user, and the others by their ends."""
    items: Any = amap(inc, afilter(even, amap(inc, numbers(9))))
    items = amap(inc, gtake(items))
    stack.push_async_callback(items.aclose)
    await anext(items)


async def gtake(source: Any) -> AsyncGenerator[int, None]:
    left = 3
    async for item in source:
        yield item
        left -= 1
        if not left:
            return


async def enter_aiostream(stack: AsyncExitStack, _: list[Event]) -> None:
    from aiostream import pipe, stream

    items: Any = stream.range(9)
    items = items | pipe.map(more) | pipe.filter(even)
    items = items | pipe.map(more) | pipe.take(3) | pipe.map(more)
    await anext(await stack.enter_async_context(items.stream()))


def bytes_of_each(enter: Enter) -> Work:
    """The memory that Python has given out for one of many, in tasks that hold some of them."""

    async def work(count: int) -> Measured:
        if enter not in WARM:  # what is made once is not counted
            WARM.add(enter)
            await held(enter, 1)
        return Measured(await held(enter, count // EACH) / count)

    return work


WARM: set[Enter] = set()


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
            await settled()
            memory, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            for event in over:
                event.set()
    return memory


async def settled() -> None:
    """When each task has had its turn so often, it waits for another one."""
    for _ in range(20):
        await checkpoint()


# -- items in a buffer -----------------------------------------------------------------------------


async def buffered(count: int) -> Measured:
    """All items are one and the same object: what is measured is its place."""
    tracemalloc.start()
    async with Stream(repeat(None, count)).buffer(count):
        await settled()
        return placed(count)


async def sent(count: int) -> Measured:
    tracemalloc.start()
    send, receive = create_memory_object_stream[None](count)
    with send, receive:
        for _ in range(count):
            await send.send(None)
        return placed(count)


async def queued(count: int) -> Measured:
    tracemalloc.start()
    items = deque(repeat(None, count))
    return placed(len(items))


def placed(count: int) -> Measured:
    memory, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return Measured(memory / count, count)


# -- a long run ------------------------------------------------------------------------------------

FEW = 10_000


async def grown(count: int, env: dict[str, str]) -> Measured:
    return Measured(await growth("items", str(FEW), str(count), env))


CASES = (
    Case(
        "open-memory",
        "memory of each of many open pipelines with one task",
        "life",
        2_000,
        {"anystream": bytes_of_each(enter_pipeline), "floor": bytes_of_each(enter_group)},
        {"floor": 2.0},
        quick=100,
        unit="bytes",
        remark="the floor is a task group with one parked child",
    ),
    Case(
        "open-memory-plain",
        "memory of each of many open pipelines of five plain operators, one item read",
        "life",
        2_000,
        {
            "anystream": bytes_of_each(enter_plain),
            "generators": bytes_of_each(enter_generators),
            "aiostream": bytes_of_each(enter_aiostream),
        },
        quick=100,
        unit="bytes",
    ),
    Case(
        "item-memory",
        "memory of each item held in a buffer",
        "life",
        50_000,
        {"anystream": buffered, "floor": queued, "memory stream": sent},
        quick=2_000,
        unit="bytes",
        remark="the floor is a deque; the items themselves are not counted",
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
)
