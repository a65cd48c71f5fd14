"""What one writes by hand, by the names of the standard library where it has some.

Async generators, and the loops that take one; they are closed as careful people do.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import anyio
import trio

from .programs import running_backend

GRAIN = 0.001
"""Seconds. Timers are not finer, and uvloop's clock stands still for as long as a step takes."""

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


async def islice(source: Any, n: int) -> Source:
    async with aclosing(source):
        async for item in source:
            yield item  # noqa: ASYNC119  # so it is written
            n -= 1
            if not n:
                return


async def spaced(interval: float, source: Source) -> Source:
    """Items pass at this rate, and more of them after a pause."""
    loop = None if running_backend() == "trio" else asyncio.get_running_loop()
    time = loop.time if loop else trio.current_time
    full = time()
    async for item in source:
        now = time()
        if full > now + GRAIN:
            await anyio.sleep(full - now)
        full = max(full, now) + interval
        yield item


async def within(seconds: float, source: Source) -> Source:
    """By the backend's own timeout."""
    asyncio_timeout = None if running_backend() == "trio" else asyncio.timeout
    while True:
        try:
            if asyncio_timeout:
                async with asyncio_timeout(seconds):
                    item = await anext(source)
            else:
                with trio.fail_after(seconds):
                    item = await anext(source)
        except StopAsyncIteration:
            return
        yield item


async def in_time(seconds: float, awaitable: Awaitable[Any]) -> Any:
    """The same for one wait."""
    if running_backend() == "trio":
        with trio.fail_after(seconds):
            return await awaitable
    async with asyncio.timeout(seconds):
        return await awaitable


def ended(take: Fn, items: Any) -> Awaitable[Any]:
    async def closed() -> Any:
        async with aclosing(items):
            return await take(items)

    return closed()
