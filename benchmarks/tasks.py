"""Cases of several segments: what carries items between tasks, and who works on them."""

from collections.abc import AsyncIterable, Awaitable, Callable
from time import perf_counter
from typing import Any

from anyio import create_memory_object_stream, create_task_group, sleep
from anyio.lowlevel import checkpoint
from anyio.streams.memory import MemoryObjectSendStream
from measure import Case, Work, ratio
from segment import numbers, total

from anystream import Stream, async_range, merge

ASYNCIO = ("asyncio", "uvloop")  # the backends of libraries that know no other
WAYS = 10  # sources of a merge, workers of a map
PAUSE = 0.05  # seconds before the item of a live source

Read = Callable[[AsyncIterable[Any]], Awaitable[object]]


async def listed(items: AsyncIterable[Any]) -> list[Any]:
    return [item async for item in items]


def read_by(read: Read, make: Callable[[int], Stream[Any]]) -> Work:
    async def work(stop: int) -> object:
        async with make(stop) as items:
            return await read(items)

    return work


def collected(make: Callable[[int], Stream[int]]) -> Callable[[int], Awaitable[list[int]]]:
    async def work(stop: int) -> list[int]:
        return await make(stop).collect()

    return work


def memory_stream(size: int, read: Read, senders: int = 1) -> Work:
    """A memory object stream with room for `size` items, and tasks that send a range each."""

    async def send_all(send: MemoryObjectSendStream[int], stop: int) -> None:
        async with send:
            for n in range(stop):
                await send.send(n)

    async def work(stop: int) -> object:
        send, receive = create_memory_object_stream[int](size)
        async with create_task_group() as group, receive:
            async with send:
                for _ in range(senders):
                    group.start_soon(send_all, send.clone(), stop // senders)
            return await read(receive)  # noqa: ASYNC121  # the senders have ended by then

    return work


# -- buffer --------------------------------------------------------------------------------------


def buffered(size: int) -> Callable[[int], Stream[int]]:
    return lambda stop: async_range(stop).buffer(size)


async def safe_channel(stop: int) -> int:
    from trio import as_safe_channel

    async with as_safe_channel(numbers)(stop) as items:
        return await total(items)


# -- merge ---------------------------------------------------------------------------------------


def merged(buffer: int) -> Callable[[int], Stream[int]]:
    return lambda stop: merge(*(async_range(stop // WAYS) for _ in range(WAYS)), buffer=buffer)


async def aiostream_merged(stop: int) -> int:
    from aiostream import stream

    merged = stream.merge(*(stream.range(stop // WAYS) for _ in range(WAYS)))
    async with merged.stream() as streamer:
        return await total(streamer)


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


# -- map -----------------------------------------------------------------------------------------


async def waits_once(n: int, *_: int) -> int:  # aiostream's map may give more than one
    await checkpoint()
    return n


def mapped(ordered: bool) -> Callable[[int], Stream[int]]:
    return lambda stop: async_range(stop).map(waits_once, concurrency=WAYS, ordered=ordered)


def summed(work: Callable[[int], Awaitable[list[int]]]) -> Work:
    """What does not depend on the order, which is free for workers."""

    async def in_total(stop: int) -> int:
        return sum(await work(stop))

    return in_total


async def workers(stop: int) -> list[int]:
    items = iter(range(stop))
    results: list[int] = []

    async def worker() -> None:
        for item in items:
            results.append(await waits_once(item))  # noqa: PERF401  # as they come

    async with create_task_group() as group:
        for _ in range(WAYS):
            group.start_soon(worker)
    return results


async def aiostream_mapped(stop: int) -> list[int]:
    from aiostream import pipe, stream

    items = stream.range(stop) | pipe.map(waits_once, ordered=True, task_limit=WAYS)
    async with items.stream() as streamer:
        return await listed(streamer)


async def streamable_mapped(stop: int) -> list[int]:
    from streamable import stream

    return await listed(stream(range(stop)).map(waits_once, concurrency=WAYS))


MERGED = "merge of ten ready ranges"
MAPPED = "map, ten at a time, the function waits once"

CASES = (
    Case(
        "buffer-64",
        "a range behind buffer(64), async for",
        "a memory object stream (64)",
        {(3, 11): 1 / 9},
        ratio(read_by(total, buffered(64)), memory_stream(64, total), 10_000),
    ),
    Case(
        "buffer-64-collected",
        "the same, collected",
        "the same, in a comprehension",
        {(3, 11): 1 / 12},
        ratio(collected(buffered(64)), memory_stream(64, listed), 10_000),
    ),
    Case(
        "buffer-0",
        "a range behind buffer(0), async for",
        "a memory object stream (0)",
        {(3, 11): 1.1, (3, 13): 0.95},
        ratio(read_by(total, buffered(0)), memory_stream(0, total), 3_000),
    ),
    Case(
        "buffer-0-channel",
        "the same",
        "trio.as_safe_channel",
        {(3, 11): 1.0},
        ratio(read_by(total, buffered(0)), safe_channel, 3_000),
        backends=("trio",),
    ),
    Case(
        "merge-16",
        f"{MERGED}, buffer=16, async for",
        "a memory object stream (64), 10 senders",
        {(3, 11): 1 / 8},
        ratio(read_by(total, merged(16)), memory_stream(64, total, WAYS), 10_000),
    ),
    Case(
        "merge-16-aiostream",
        "the same",
        "aiostream",
        {(3, 11): 1 / 12},
        ratio(read_by(total, merged(16)), aiostream_merged, 5_000),
        backends=ASYNCIO,
    ),
    Case(
        "merge-0",
        f"{MERGED}, async for",
        "a memory object stream (0), 10 senders",
        {(3, 11): 1 / 1.8},
        ratio(read_by(total, merged(0)), memory_stream(0, total, WAYS), 3_000),
    ),
    Case(
        "merge-0-aiostream",
        "the same",
        "aiostream",
        {(3, 11): 1 / 2.5},
        ratio(read_by(total, merged(0)), aiostream_merged, 3_000),
        backends=ASYNCIO,
    ),
    Case(
        "merge-live",
        "merge of 400 sources, each one item after 50 ms",
        "a task group of 400 that sleep",
        {(3, 11): 1.2},
        ratio(live, asleep, 400, clock=perf_counter),
    ),
    Case(
        "map-unordered",
        f"{MAPPED}, unordered",
        "ten workers on one iterator",
        {(3, 11): 1.9},
        ratio(summed(collected(mapped(ordered=False))), summed(workers), 5_000),
    ),
    Case(
        "map-ordered",
        f"{MAPPED}, ordered",
        "ten workers on one iterator",
        {(3, 11): 2.1},
        ratio(summed(collected(mapped(ordered=True))), summed(workers), 5_000),
    ),
    Case(
        "map-aiostream",
        "the same",
        "aiostream",
        {(3, 11): 1 / 11},
        ratio(collected(mapped(ordered=True)), aiostream_mapped, 1_000),
        backends=ASYNCIO,
    ),
    Case(
        "map-streamable",
        "the same",
        "streamable",
        {(3, 11): 0.65},
        ratio(collected(mapped(ordered=True)), streamable_mapped, 5_000),
        backends=ASYNCIO,
    ),
)
