"""What one writes by hand to keep the promises of a case with tasks: the floor with all of them.

A source is read in one task, in scopes that keep the reader's cancellations away, and only when an
item is asked for; what comes of the items is in their order, and all is closed when the block ends.
"""

from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextlib import aclosing, asynccontextmanager
from functools import partial
from types import coroutine
from typing import Any

from anyio import CancelScope
from anyio.lowlevel import checkpoint

from anystream._core.backends import backend  # of which only names of the backend are used

from .table import numbers

Function = Callable[[], Coroutine[Any, Any, None]]
END = object()


@coroutine
def watched(body: Coroutine[Any, Any, None]) -> Generator[Any, Any, None]:
    """Await `body`, and be there when it is cancelled."""
    try:
        trap = body.send(None)
        while True:
            try:
                answer = yield trap
            except BaseException as exc:
                trap = body.throw(exc)
            else:
                trap = body.send(answer)
    except StopIteration:
        return


async def apart(function: Function, outer: CancelScope) -> None:
    with outer, CancelScope():
        await watched(function())


@asynccontextmanager
async def tasks(*functions: Function) -> AsyncGenerator[None, None]:
    """Run these in tasks of their own, which are stopped at the end of the block."""
    scopes = [CancelScope(shield=True) for _ in functions]
    group = backend().new_group()
    async with group:
        for function, scope in zip(functions, scopes, strict=True):
            group.start_soon(partial(apart, function, scope), name="by hand")
        yield
        group.cancel_scope.shield = True
        for scope in scopes:
            scope.cancel()


@asynccontextmanager
async def rendezvous(source: Any) -> AsyncGenerator[AsyncGenerator[Any, None], None]:
    """A task that takes an item when one is asked for."""
    new = backend().new_waiter
    asked, given = new(), new()

    async def read() -> None:
        nonlocal asked
        async with aclosing(source):
            await asked
            async for item in source:
                asked = new()
                given.set(item)
                await asked
            given.set(END)

    async def items() -> AsyncGenerator[Any, None]:
        nonlocal given
        while True:
            asked.set()
            if (item := await given) is END:
                return
            given = new()
            yield item

    async with tasks(read):
        yield items()


@asynccontextmanager
async def crew(
    source: Any, fn: Callable[[Any], Awaitable[Any]], ways: int
) -> AsyncGenerator[AsyncGenerator[Any, None], None]:
    """A task that gives each item to the one that has waited longest of so many others."""
    new = backend().new_waiter
    hungry: deque[Any] = deque()
    results: deque[list[Any]] = deque()
    asked, news = new(), new()

    async def read() -> None:
        nonlocal asked
        async with aclosing(source):
            async for item in source:
                while not hungry or len(results) == ways:
                    asked = new()
                    await asked
                results.append(slot := [item, False])
                hungry.popleft().set(slot)
        results.append([END, True])
        news.set()

    async def work() -> None:
        while True:
            hungry.append(given := new())
            asked.set()
            slot = await given
            slot[:] = await fn(slot[0]), True
            if results[0][1]:
                news.set()

    async def items() -> AsyncGenerator[Any, None]:
        nonlocal news
        while True:
            while results and results[0][1]:
                if (item := results.popleft()[0]) is END:
                    return
                asked.set()
                yield item
            news = new()
            await news

    async with tasks(read, *[work] * ways):
        yield items()


async def opened(count: int) -> None:
    """A task in its scopes, which is woken to stop, and waited for behind a shield."""
    for _ in range(count):
        stop = backend().new_event()
        group = backend().new_group()
        async with group:
            run = partial(apart, partial(waits_for, stop), CancelScope(shield=True))
            group.start_soon(run, name="by hand")
            group.cancel_scope.shield = True
            stop.set()


async def waits_for(event: Any) -> None:
    await event.wait()


async def first_of_generator(count: int) -> int:
    """A scope around all, a checkpoint, and a close behind a shield."""
    result = 0
    for _ in range(count):
        with CancelScope() as scope:
            await checkpoint()
            generator = numbers(9)
            result += await anext(generator)
            scope.shield = True
            await generator.aclose()
    return result
