"""Cases of one segment, which runs in its caller's task: against builtins and nested generators."""

from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Any

from measure import Case, Figure, Work, longest_steps, ratio

from anystream import Stream, async_range


def inc(n: int) -> int:
    return n + 1


def even(n: int) -> bool:
    return n % 2 == 0


async def numbers(stop: int) -> AsyncIterator[int]:
    for n in range(stop):
        yield n


async def amap(fn: Callable[[Any], Any], source: AsyncIterable[Any]) -> AsyncIterator[Any]:
    async for item in source:
        yield fn(item)


async def afilter(fn: Callable[[Any], Any], source: AsyncIterable[Any]) -> AsyncIterator[Any]:
    async for item in source:
        if fn(item):
            yield item


async def total(items: AsyncIterable[int]) -> int:
    result = 0
    async for item in items:
        result += item
    return result


# -- a range, map, filter ------------------------------------------------------------------------


def pipeline(stop: int) -> Stream[int]:
    return async_range(stop).map(inc).filter(even)


async def summed(stop: int) -> int:
    return await pipeline(stop).sum()


async def looped(stop: int) -> int:
    return await total(pipeline(stop))


async def builtins(stop: int) -> int:
    return sum(filter(even, map(inc, range(stop))))


async def nested(stop: int) -> int:
    return await total(afilter(even, amap(inc, numbers(stop))))


async def aiostreamed(stop: int) -> int:
    from aiostream import pipe, stream

    items = stream.range(stop) | pipe.map(inc) | pipe.filter(even)
    async with items.stream() as streamer:
        return await total(streamer)


# -- rows of maps --------------------------------------------------------------------------------


def mapped(depth: int, source: Callable[[int], Stream[int]]) -> Work:
    async def work(stop: int) -> int:
        stream = source(stop)
        for _ in range(depth):
            stream = stream.map(inc)
        async with stream as items:
            return await total(items)

    return work


def nested_maps(depth: int) -> Work:
    async def work(stop: int) -> int:
        items: AsyncIterable[int] = numbers(stop)
        for _ in range(depth):
            items = amap(inc, items)
        return await total(items)

    return work


def generated(stop: int) -> Stream[int]:
    return Stream(lambda: numbers(stop))


# -- the event loop's turn -----------------------------------------------------------------------


async def turns(backend: str, quick: bool) -> Figure:
    items = 1_000_000 if quick else 10_000_000
    expected = items // 2 * (items // 2 + 1)  # the sum of the even numbers up to there
    return await longest_steps(summed, expected, items, 3 if quick else 5)


CASES = (
    Case(
        "terminal",
        "range, map, filter, summed in a terminal call",
        "the builtins sum(filter(map(range)))",
        {(3, 11): 1.2},
        ratio(summed, builtins, 200_000),
    ),
    Case(
        "loop",
        "the same with async for",
        "hand-nested async generators",
        {(3, 11): 0.85, (3, 13): 0.5},
        ratio(looped, nested, 100_000),
    ),
    Case(
        "aiostream",
        "the same with async for",
        "aiostream",
        {(3, 11): 0.06},
        ratio(looped, aiostreamed, 20_000),
        backends=("asyncio", "uvloop"),
    ),
    Case(
        "ten-maps",
        "ten maps, async for",
        "ten hand-nested generators",
        {(3, 11): 0.5, (3, 13): 0.35},
        ratio(mapped(10, async_range), nested_maps(10), 30_000),
    ),
    Case(
        "generator-two-maps",
        "a user's async generator, two maps",
        "two hand-nested generators",
        {(3, 11): 2.0, (3, 13): 1.2},
        ratio(mapped(2, generated), nested_maps(2), 60_000),
    ),
    Case(
        "generator-ten-maps",
        "the same with ten maps",
        "ten hand-nested generators",
        {(3, 11): 0.8, (3, 13): 0.5},
        ratio(mapped(10, generated), nested_maps(10), 30_000),
    ),
    Case(
        "turns",
        "longest time between two checkpoints, 10 million items",
        "-",
        {(3, 11): 2.0},
        turns,
        unit="ms",
    ),
)
