"""What a unit costs when there are many of them, by what it costs when there are few."""

from collections.abc import Awaitable, Callable
from time import process_time
from typing import Any

from measure import Case, Measured, Work

from anystream import Stream, async_range, chain, merge, zip

from .table import held, inc, numbers, stream_of, waiting
from .tasks import shared, waits_once

Grown = Callable[[int], Awaitable[int]]
"""Does the work of some size, and says how many units that was."""


def at(size: int, largest: int, grown: Grown) -> Work:
    """The cost of a unit, in as many runs as make a tenth of the units of the largest size."""

    async def work(items: int) -> Measured:
        here = max(2, size * items // largest)  # a quick run has a tenth of each size
        start = process_time()
        units = await grown(here)
        for _ in range(largest // size // 10):
            units += await grown(here)
        return Measured((process_time() - start) / units * 1e9)

    return work


def curve(name: str, what: str, sizes: list[int], grown: Grown, most: float) -> Case:
    """The limit is that of the slope: of the cost of a unit of the largest by the smallest size."""
    largest = sizes[-1]
    sides = {f"{size:,}": at(size, largest, grown) for size in reversed(sizes)}
    what, limits = f"{what}, by their number", {f"{sizes[0]:,}": most}
    return Case(f"by-{name}", what, "scaling", largest, sides, limits, quick=largest // 10)


async def rows(depth: int) -> int:
    row: Any = async_range(200)
    for _ in range(depth):
        row = row.map(inc)
    await row.drain()
    return 200 * depth


def items(make: Callable[[Any], Any]) -> Grown:
    async def work(count: int) -> int:
        async with make(async_range(count)) as stream:
            async for _ in stream:
                pass
        return count

    return work


async def chained(sources: int) -> int:
    await chain(*(Stream(lambda: numbers(2)) for _ in range(sources))).drain()
    return sources


async def merged(sources: int) -> int:
    await merge(*(async_range(2) for _ in range(sources))).drain()
    return sources


async def zipped(sources: int) -> int:
    await zip(*(Stream(lambda: waiting(3)) for _ in range(sources))).drain()
    return 3 * sources


async def read_by_many(readers: int) -> int:
    return await shared(range, 16, readers)(50) and 50 * readers


async def grouped(keys: int) -> int:
    async with async_range(keys).group_by(lambda key: key) as groups:
        async for _, group in groups:
            await group.first()
    return keys


async def worked(ways: int) -> int:
    await stream_of(waiting(1_000)).map(waits_once, concurrency=ways).drain()
    return 1_000


async def opened(streams: int) -> int:
    await held(streams, lambda: async_range(2).buffer(1))
    return streams


def ten_maps(source: Any) -> Any:
    for _ in range(10):
        source = source.map(inc)
    return source


def buffered(source: Any) -> Any:
    return source.buffer(64)


ITEMS = [300, 3_000, 30_000]
MANY = [10, 100, 1_000, 10_000]
CASES = [
    curve("items", "items of a range, ten maps", ITEMS, items(ten_maps), 1.2),
    curve("items-buffer", "items of a range, buffer(64)", ITEMS, items(buffered), 1.2),
    curve("operators", "maps in a row", [10, 50, 250], rows, 1.2),
    curve("sources-merge", "sources of a merge", MANY, merged, 1.5),
    curve("sources-chain", "generators in a chain", MANY, chained, 1.5),
    curve("sources-zip", "an item of each waiting source of a zip", MANY[:3], zipped, 1.5),
    curve("readers", "items for each of the readers of a source", MANY[:3], read_by_many, 1.5),
    curve("keys", "keys of group_by", MANY[1:], grouped, 1.5),
    curve("streams", "streams open at once", MANY[1:], opened, 1.5),
    curve("workers", "workers, an item of a source that waits", [2, 10, 100], worked, 1.5),
]
