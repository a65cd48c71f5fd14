"""What one writes by hand, by the names of the standard library where it has some.

Async generators, and the loops that take one; they are closed as careful people do.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import anyio

Fn = Callable[..., Any]
Source = AsyncIterator[Any]


async def map(fn: Fn, source: Source) -> Source:
    async for item in source:
        yield fn(item)


async def map_async(fn: Fn, source: Source) -> Source:
    async for item in source:
        yield await fn(item)


async def filter(fn: Fn, source: Source) -> Source:
    async for item in source:
        if fn(item):
            yield item


async def accumulate(source: Source) -> Source:
    total = await anext(source)
    yield total
    async for item in source:
        total += item
        yield total


async def islice(source: Any, n: int) -> Source:
    async with aclosing(source):
        async for item in source:
            yield item  # noqa: ASYNC119  # so it is written
            n -= 1
            if not n:
                return


async def takewhile(fn: Fn, source: Any) -> Source:
    async with aclosing(source):
        async for item in source:
            if not fn(item):
                return
            yield item  # noqa: ASYNC119


async def catch(source: Source) -> Source:
    try:
        async for item in source:
            yield item
    except ValueError:
        yield -1


async def forwarded(source: Any) -> Source:
    async for item in source:
        yield item


async def within(seconds: float, source: Source) -> Source:
    while True:
        try:
            with anyio.fail_after(seconds):
                item = await anext(source)
        except StopAsyncIteration:
            return
        yield item


def ended(take: Fn, items: Any) -> Awaitable[Any]:
    async def closed() -> Any:
        async with aclosing(items):
            return await take(items)

    return closed()


async def reduced(fn: Fn, items: Source) -> Any:
    result = await anext(items)
    async for item in items:
        result = fn(result, item)
    return result
