"""From one stream to 10,000 at once: merged, or each in a task of its own."""

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from time import perf_counter
from typing import Any

from anyio import create_task_group, sleep
from measure import Case, Work

from anystream import async_range, merge

from .carriers import by_hand, memory_stream, of_aiostream
from .plain import amap, inc, numbers, pushed_total, total

PAUSE = 0.05  # seconds before the item of a live source

# -- merged --------------------------------------------------------------------------------------


def merged(each: int) -> Work:
    """So many ready ranges of `each` items."""

    async def work(count: int) -> object:
        async with merge(*(async_range(each) for _ in range(count // each))) as items:
            return await total(items)

    return work


def in_a_channel(each: int) -> Work:
    async def work(count: int) -> object:
        return await memory_stream(0, total, count // each)(count)

    return work


def queued(each: int) -> Work:
    async def work(count: int) -> object:
        return await by_hand(0, sum, count // each)(count)

    return work


def aiostream_merged(each: int) -> Work:
    async def work(count: int) -> object:
        from aiostream import stream

        merged = stream.merge(*(stream.range(each) for _ in range(count // each)))
        return await of_aiostream(merged, total)

    return work


def reactivex_merged(each: int) -> Work:
    async def work(count: int) -> object:
        import reactivex

        ranges = (reactivex.from_iterable(range(each)) for _ in range(count // each))
        return pushed_total(reactivex.merge(*ranges))

    return work


def merge_of(streams: int, each: int, quick: int) -> Case:
    """`quick` is the number of items in a quick run; as many ranges as that is enough for."""
    sides = {
        "anystream": merged(each),
        "floor": queued(each),
        "memory stream": in_a_channel(each),
        "aiostream": aiostream_merged(each),
        "reactivex": reactivex_merged(each),
    }
    if streams > 1_000:
        del sides["aiostream"]  # it looks at all of its tasks for each item
    return Case(
        f"merge-of-{streams}",
        f"merge of {streams:,} ready ranges of {each:,}, async for",
        "concurrency",
        streams * each,
        sides,
        quick=quick,
        remark="reactivex merges one after the other, without tasks; a quick run has fewer ranges",
    )


async def live(count: int) -> list[int]:
    return await merge(*(async_range(1, delay=PAUSE) for _ in range(count))).collect()


async def asleep(count: int) -> list[int]:
    items: list[int] = []

    async def child() -> None:
        await sleep(PAUSE)
        items.append(0)

    async with create_task_group() as group:
        for _ in range(count):
            group.start_soon(child)
    return items


# -- independent ---------------------------------------------------------------------------------


async def read_stream(stop: int) -> Any:
    async with async_range(stop).map(inc) as items:
        return await total(items)


async def read_generator(stop: int) -> Any:
    source: Any = numbers(stop)
    last: Any = amap(inc, source)
    async with aclosing(source), aclosing(last) as mapped:
        return await total(mapped)


async def read_range(stop: int) -> Any:
    result = 0
    for n in range(stop):
        result += inc(n)
    return result


def more(n: int, *_: int) -> int:
    """For aiostream, whose map may give its function more than one item."""
    return inc(n)


async def read_aiostream(stop: int) -> Any:
    from aiostream import pipe, stream

    return await of_aiostream(stream.range(stop) | pipe.map(more), total)


async def read_streamable(stop: int) -> Any:
    from streamable import stream

    return await total(stream(range(stop)).map(inc))


async def read_asyncstdlib(stop: int) -> Any:
    from asyncstdlib import map

    return await total(map(inc, range(stop)))


async def read_aioitertools(stop: int) -> Any:
    from aioitertools.builtins import map

    return await total(map(inc, range(stop)))


def in_tasks(read: Callable[[int], Awaitable[Any]], each: int) -> Work:
    async def work(count: int) -> int:
        result = 0

        async def child() -> None:
            nonlocal result
            got = await read(each)
            result += got

        async with create_task_group() as group:
            for _ in range(count // each):
                group.start_soon(child)
        return result

    return work


READERS = {
    "anystream": read_stream,
    "floor": read_range,
    "generators": read_generator,
    "aiostream": read_aiostream,
    "streamable": read_streamable,
    "asyncstdlib": read_asyncstdlib,
    "aioitertools": read_aioitertools,
}


def streams_of(streams: int, each: int, quick: int) -> Case:
    return Case(
        f"streams-{streams}",
        f"{streams:,} streams with a map, of {each:,} items, each read by a task",
        "concurrency",
        streams * each,
        {side: in_tasks(read, each) for side, read in READERS.items()},
        quick=quick,
        remark="a quick run has fewer streams",
    )


CASES = (
    merge_of(1, 500, 500),
    merge_of(10, 100, 300),
    merge_of(100, 10, 300),
    merge_of(1_000, 5, 500),
    merge_of(10_000, 2, 600),
    Case(
        "merge-live",
        "merge of 400 sources, each one item after 50 ms",
        "concurrency",
        400,
        {"anystream": live, "floor": asleep},
        {"floor": 1.2},
        quick=200,
        clock=perf_counter,
        remark="the floor is a task group of 400 that sleep",
    ),
    streams_of(1, 5_000, 5_000),
    streams_of(100, 50, 500),
    streams_of(10_000, 2, 400),
)
