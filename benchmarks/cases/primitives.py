"""What all that has tasks is made of: anyio's primitives, and the backend's own beside them."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import trio
from anyio import CancelScope, Event, create_task_group, current_time, fail_after
from anyio.lowlevel import checkpoint
from measure import Case, Work

from .programs import running_backend


async def child() -> None:
    pass


async def repeated(count: int, step: Callable[[], Awaitable[object]]) -> None:
    for _ in range(count):
        await step()


async def hops(count: int, event: Callable[[], Any]) -> None:
    """Two tasks that wake each other."""
    events = [event() for _ in range(count + 1)]

    async def turns(first: int) -> None:
        for n in range(first, count, 2):
            await events[n].wait()
            events[n + 1].set()

    events[0].set()
    async with create_task_group() as group:
        group.start_soon(turns, 0)
        group.start_soon(turns, 1)


async def asked(count: int, clock: Callable[[], float]) -> None:
    for _ in range(count):
        clock()


async def entered(count: int, make: Callable[[], Any]) -> None:
    for _ in range(count):
        block = make()
        if hasattr(block, "__aenter__"):
            async with block:
                pass
        else:
            with block:
                pass


def asyncio_time() -> float:
    return asyncio.get_running_loop().time()


async def any_task() -> None:
    async with create_task_group() as group:  # noqa: ASYNC112
        group.start_soon(child)


async def asyncio_task() -> None:
    async with asyncio.TaskGroup() as group:  # noqa: ASYNC112
        group.create_task(child())


async def trio_task() -> None:
    async with trio.open_nursery() as nursery:  # noqa: ASYNC112
        nursery.start_soon(child)


def primitive(name: str, what: str, anys: Any, own: tuple[Any, Any], run: Any = repeated) -> Case:
    """`own` is that of asyncio and that of trio."""

    async def general(count: int) -> None:
        await run(count, anys)

    async def special(count: int) -> None:
        await run(count, own[running_backend() == "trio"])

    sides: dict[str, Work] = {"anyio": general, "floor": special}
    remark = "the floor is the backend's own"
    return Case(f"any-{name}", what, "primitives", 2_000, sides, quick=200, remark=remark)


CLOCKS = asyncio_time, trio.current_time
CHECKPOINTS = partial(asyncio.sleep, 0), trio.lowlevel.checkpoint
SCOPES = partial(asyncio.timeout, None), trio.CancelScope
TIMEOUTS = partial(asyncio.timeout, 1), partial(trio.fail_after, 1)
CASES = [
    primitive("checkpoint", "a checkpoint", checkpoint, CHECKPOINTS),
    primitive("clock", "the time of the event loop", current_time, CLOCKS, asked),
    primitive("scope", "a cancel scope", CancelScope, SCOPES, entered),
    primitive("timeout", "a timeout that is left", partial(fail_after, 1), TIMEOUTS, entered),
    primitive("event", "an event that wakes a task", Event, (asyncio.Event, trio.Event), hops),
    primitive("task", "a task group with a child", any_task, (asyncio_task, trio_task)),
]
