"""Cases of a pipeline with one task that does next to nothing: what opening and holding it cost."""

import gc
import tracemalloc
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from anyio import Event, create_task_group, wait_all_tasks_blocked
from measure import Case, Figure, no_garbage_collector, ratio

from anystream import async_range

Enter = Callable[[AsyncExitStack, list[Event]], Awaitable[object]]

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


# -- many that are open --------------------------------------------------------------------------

HOLDERS = 100
EACH = 100  # open in one holder: cancel scopes that lie in one another make anyio search them all


STREAM = async_range(2).buffer(1)
"""One recipe for all of them: each opening of it is a pipeline of its own."""


async def enter_pipeline(stack: AsyncExitStack, _: list[Event]) -> None:
    """Its task waits for room: it has filled the buffer, and has one item left."""
    await stack.enter_async_context(STREAM)


async def enter_group(stack: AsyncExitStack, over: list[Event]) -> None:
    group = await stack.enter_async_context(create_task_group())
    over.append(Event())
    group.start_soon(over[-1].wait)


async def bytes_each(enter: Enter, holders: int) -> float:
    """The memory that Python has given out for one of many, in tasks that hold some of them."""
    over = [Event()]

    async def hold() -> None:
        async with AsyncExitStack() as stack:
            for _ in range(EACH):
                await enter(stack, over)
            await over[0].wait()

    gc.collect()
    with no_garbage_collector():
        tracemalloc.start()
        async with create_task_group() as group:
            for _ in range(holders):
                group.start_soon(hold)
            await wait_all_tasks_blocked()
            memory, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            for event in over:
                event.set()
    return memory / (holders * EACH)


async def compare_memory(backend: str, quick: bool) -> Figure:
    holders = HOLDERS // 10 if quick else HOLDERS
    for enter in (enter_pipeline, enter_group):
        await bytes_each(enter, 1)  # warms up: what is made once is not counted
    ours = await bytes_each(enter_pipeline, holders)
    theirs = await bytes_each(enter_group, holders)
    return Figure([ours / theirs], f"{ours:,.0f} / {theirs:,.0f} bytes each")


CASES = (
    Case(
        "open",
        "opening and closing a pipeline with one task",
        "a task group with one child",
        {(3, 11): 2.5},
        ratio(opened, grouped, 1_000),
    ),
    Case(
        "open-read",
        "the same, reading one item",
        "a task group with one child",
        {(3, 11): 3.5},
        ratio(opened_and_read, grouped, 1_000),
    ),
    Case(
        "open-memory",
        "memory of each of 10,000 open pipelines with one task",
        "a task group with one parked child",
        {(3, 11): 2.0},
        compare_memory,
    ),
)
