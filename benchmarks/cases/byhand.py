"""Operators as one writes them by hand: what the table of operators is compared with."""

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import aclosing
from functools import cache
from itertools import islice, tee
from typing import Any

import anyio

from .plain import ainc, inc, numbers

# -- functions -------------------------------------------------------------------------------------


def odd(n: int) -> bool:
    return n % 2 == 1


async def aodd(n: int) -> bool:
    return n % 2 == 1


def natural(n: int) -> bool:
    return n >= 0


async def anatural(n: int) -> bool:
    return n >= 0


def early(n: int) -> bool:
    return n < 100


async def aearly(n: int) -> bool:
    return n < 100


def hundred(_: int) -> range:
    return range(100)


def look(_: int) -> None:
    pass


def plus(a: int, b: int) -> int:
    return a + b


async def aplus(a: int, b: int) -> int:
    return a + b


# -- lists, made once ------------------------------------------------------------------------------


@cache
def pairs(n: int) -> list[tuple[int, int]]:
    return list(zip(range(n), range(n), strict=True))


@cache
def recurring(n: int) -> list[int]:
    return [k % 100 for k in range(n)]


@cache
def runs(n: int) -> list[int]:
    return [k // 4 for k in range(n)]


# -- floors that are no builtin --------------------------------------------------------------------


def windows(items: Iterable[Any], size: int) -> Iterable[tuple[Any, ...]]:
    copies = tee(items, size)
    return zip(*(islice(copy, k, None) for k, copy in enumerate(copies)), strict=False)


def distinct(items: Iterable[Any]) -> Iterator[Any]:
    seen = set()
    for item in items:
        if item not in seen:
            seen.add(item)
            yield item


def dedupe(items: Iterable[Any]) -> Iterator[Any]:
    before = object()
    for item in items:
        if item != before:
            before = item
            yield item


def defaulted(value: Any, items: Iterable[Any]) -> Iterator[Any]:
    empty = True
    for item in items:
        empty = False
        yield item
    if empty:
        yield value


async def awaited(n: int) -> int:
    result = 0
    for k in range(n):
        result += await ainc(k)
    return result


async def looked(n: int) -> int:
    result = 0
    for k in range(n):
        look(k)
        result += k
    return result


async def caught(n: int) -> int:
    result = 0
    try:
        for k in range(n):
            result += k
    except ValueError:
        return -1
    return result


async def finished(n: int) -> int:
    result = 0
    try:
        for k in range(n):
            result += k
    finally:
        nothing()
    return result


def nothing(*_: object) -> None:
    pass


def row_of_calls(depth: int) -> Callable[[int], Any]:
    """The one loop over a generator that calls the function so often for each."""

    async def work(n: int) -> int:
        result = 0
        async for k in numbers(n):
            item = k
            for _ in range(depth):
                item = inc(item)
            result += item
        return result

    return work


# -- generators by hand ----------------------------------------------------------------------------


async def aaccumulate(source: AsyncIterator[int]) -> AsyncIterator[int]:
    total = await anext(source)
    yield total
    async for item in source:
        total += item
        yield total


async def aenumerate(source: AsyncIterator[Any]) -> AsyncIterator[tuple[int, Any]]:
    number = 0
    async for item in source:
        yield number, item
        number += 1


async def apairwise(source: AsyncIterator[Any]) -> AsyncIterator[tuple[Any, Any]]:
    before = await anext(source)
    async for item in source:
        yield before, item
        before = item


async def awindows(source: AsyncIterator[Any], size: int) -> AsyncIterator[tuple[Any, ...]]:
    last = deque[Any](maxlen=size)
    async for item in source:
        last.append(item)
        if len(last) == size:
            yield tuple(last)


async def atake(source: Any, n: int) -> AsyncIterator[Any]:
    async with aclosing(source):
        async for item in source:
            yield item  # noqa: ASYNC119  # so it is written
            n -= 1
            if not n:
                return


async def askip(source: AsyncIterator[Any], n: int) -> AsyncIterator[Any]:
    async for item in source:
        if n:
            n -= 1
        else:
            yield item


async def atake_while(fn: Callable[[Any], bool], source: Any) -> AsyncIterator[Any]:
    async with aclosing(source):
        async for item in source:
            if not fn(item):
                return
            yield item  # noqa: ASYNC119


async def askip_while(fn: Callable[[Any], bool], source: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for item in source:
        if not fn(item):
            yield item
            break
    async for item in source:
        yield item


async def achain(*sources: AsyncIterator[Any]) -> AsyncIterator[Any]:
    for source in sources:
        async for item in source:
            yield item


async def azip(a: AsyncIterator[Any], b: AsyncIterator[Any]) -> AsyncIterator[tuple[Any, Any]]:
    async for item in a:
        try:
            yield item, await anext(b)
        except StopAsyncIteration:
            return


async def adistinct(source: AsyncIterator[Any]) -> AsyncIterator[Any]:
    seen = set()
    async for item in source:
        if item not in seen:
            seen.add(item)
            yield item


async def adedupe(source: AsyncIterator[Any]) -> AsyncIterator[Any]:
    before = object()
    async for item in source:
        if item != before:
            before = item
            yield item


async def atap(fn: Callable[[Any], object], source: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for item in source:
        fn(item)
        yield item


async def acaught(source: AsyncIterator[Any]) -> AsyncIterator[Any]:
    try:
        async for item in source:
            yield item
    except ValueError:
        yield -1


async def aretried(make: Callable[[], Any], times: int) -> AsyncIterator[Any]:
    while True:
        try:
            async with aclosing(make()) as source:
                async for item in source:
                    yield item  # noqa: ASYNC119
            return
        except Exception:
            times -= 1
            if times < 0:
                raise
            await anyio.sleep(1)


async def afinished(fn: Callable[[], object], source: AsyncIterator[Any]) -> AsyncIterator[Any]:
    try:
        async for item in source:
            yield item
    finally:
        fn()


async def adefault(value: Any, source: AsyncIterator[Any]) -> AsyncIterator[Any]:
    empty = True
    async for item in source:
        empty = False
        yield item
    if empty:
        yield value


async def aelapsed(source: AsyncIterator[Any]) -> AsyncIterator[tuple[float, Any]]:
    before = anyio.current_time()
    async for item in source:
        now = anyio.current_time()
        yield now - before, item
        before = now
