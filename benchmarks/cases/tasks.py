"""What carries items between tasks: a buffer, and several sources at once."""

import operator
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from typing import Any

from anyio import Event, create_memory_object_stream, create_task_group
from anyio.streams.memory import MemoryObjectSendStream
from measure import Case

from anystream import Stream, async_range, combine_latest, merge, zip

from . import concurrency, inners, readers, workers
from .carriers import by_hand, memory_stream, of_aiostream, opened
from .plain import listed, numbers, pushed_total, tally, total

WAYS = 10  # sources of a merge
ROOM = 16

# -- buffer --------------------------------------------------------------------------------------


def buffered(size: int) -> Callable[[int], Stream[int]]:
    return lambda stop: async_range(stop).buffer(size)


async def collected(stop: int) -> list[int]:
    return await async_range(stop).buffer(64).collect()


async def safe_channel(stop: int) -> object:
    from trio import as_safe_channel

    generator: Any = numbers
    async with as_safe_channel(generator)(stop) as items:
        return await total(items)


def streamable_buffered(read: Callable[[AsyncIterable[int]], Awaitable[object]]) -> Any:
    async def work(stop: int) -> object:
        from streamable import stream

        return await read(stream(range(stop)).buffer(64))

    return work


# -- merge ---------------------------------------------------------------------------------------


def merged(buffer: int) -> Callable[[int], Stream[int]]:
    return lambda stop: merge(*(async_range(stop // WAYS) for _ in range(WAYS)), buffer=buffer)


async def aiostream_merged(stop: int) -> object:
    from aiostream import stream

    merged = stream.merge(*(stream.range(stop // WAYS) for _ in range(WAYS)))
    return await of_aiostream(merged, total)


async def reactivex_merged(stop: int) -> object:
    import reactivex

    ranges = (reactivex.from_iterable(range(stop // WAYS)) for _ in range(WAYS))
    return pushed_total(reactivex.merge(*ranges))


# -- several sources, item by item ---------------------------------------------------------------


async def paired_total(pairs: AsyncIterable[Any]) -> int:
    result = 0
    async for a, b in pairs:
        result += a * b
    return result


def zipped(stop: int) -> Stream[tuple[int, int]]:
    return zip(numbers(stop), numbers(stop))


def zipped_buffers(stop: int) -> Stream[tuple[int, int]]:
    return zip(async_range(stop).buffer(ROOM), async_range(stop).buffer(ROOM))


def zipped_channels(room: int) -> Callable[[int], Awaitable[int]]:
    async def work(stop: int) -> int:
        a_send, a_receive = create_memory_object_stream[int](room)
        b_send, b_receive = create_memory_object_stream[int](room)
        result = 0
        async with create_task_group() as group:
            group.start_soon(send_range, a_send, stop)
            group.start_soon(send_range, b_send, stop)
            with a_receive, b_receive:
                async for a in a_receive:
                    result += a * await b_receive.receive()
        return result

    return work


async def send_range(send: MemoryObjectSendStream[int], stop: int) -> None:
    with send:
        for n in range(stop):
            await send.send(n)


async def aiostream_zipped(stop: int) -> object:
    from aiostream import stream

    return await of_aiostream(stream.zip(stream.range(stop), stream.range(stop)), paired_total)


async def aioitertools_zipped(stop: int) -> int:
    from aioitertools.builtins import zip

    return await paired_total(zip(numbers(stop), numbers(stop)))


async def reactivex_zipped(stop: int) -> object:
    import reactivex
    from reactivex import operators

    a, b = (reactivex.from_iterable(range(stop)) for _ in "ab")
    return pushed_total(reactivex.zip(a, b).pipe(operators.starmap(operator.mul)))


def combined(stop: int) -> Stream[tuple[int, int]]:
    return combine_latest(async_range(stop), async_range(stop))


async def combined_by_hand(stop: int) -> tuple[int, object]:
    send, receive = create_memory_object_stream[tuple[int, int]](0)

    async def tagged(at: int, send: MemoryObjectSendStream[tuple[int, int]]) -> None:
        with send:
            for n in range(stop):
                await send.send((at, n))

    latest: list[Any] = [None, None]
    count, pair = 0, None
    async with create_task_group() as group, receive:
        with send:
            for at in range(2):
                group.start_soon(tagged, at, send.clone())
        async for at, n in receive:
            latest[at] = n
            if None not in latest:
                count, pair = count + 1, tuple(latest)
    return count, pair


async def aiostream_combined(stop: int) -> object:
    from aiostream import stream

    pairs = stream.ziplatest(stream.range(stop), stream.range(stop), partial=False)
    return await of_aiostream(pairs, tally)


async def after(event: Event, stop: int) -> AsyncGenerator[int, None]:
    """A range, as soon as the other source has given what it has."""
    await event.wait()
    for n in range(stop):
        yield n


async def one(event: Event) -> AsyncGenerator[str, None]:
    yield "latest"
    event.set()


async def with_latest(stop: int) -> tuple[int, object]:
    event = Event()
    async with Stream(after(event, stop)).with_latest_from(one(event)) as pairs:
        return await tally(pairs)


async def latest_by_hand(stop: int) -> tuple[int, object]:
    event = Event()
    latest = ""

    async def keep() -> None:
        nonlocal latest
        async for latest in one(event):  # noqa: B007  # the other task reads it
            pass

    async def pairs() -> AsyncGenerator[tuple[int, str], None]:
        async for n in after(event, stop):
            yield n, latest

    result: tuple[int, object] = 0, None
    async with create_task_group() as group:
        group.start_soon(keep)
        result = await tally(pairs())
    return result  # noqa: RET504  # the block may swallow errors, to a type checker


MERGED = "merge of ten ready ranges"
SEVERAL = {"aiostream": aiostream_merged, "reactivex": reactivex_merged}

CASES = (
    Case(
        "buffer-0",
        "a range behind buffer(0), async for",
        "tasks",
        3_000,
        {
            "anystream": opened(buffered(0), total),
            "floor": by_hand(0, sum),
            "memory stream": memory_stream(0, total),
            "as_safe_channel": safe_channel,
        },
        {"memory stream": {(3, 11): 1.1, (3, 13): 0.95}, "as_safe_channel": 1.0},
        quick=750,
    ),
    Case(
        "buffer-64",
        "a range behind buffer(64), async for",
        "tasks",
        10_000,
        {
            "anystream": opened(buffered(64), total),
            "floor": by_hand(64, sum),
            "memory stream": memory_stream(64, total),
            "streamable": streamable_buffered(total),
        },
        {"memory stream": 1 / 9},
        quick=2_500,
    ),
    Case(
        "buffer-64-collected",
        "the same, collected",
        "tasks",
        10_000,
        {
            "anystream": collected,
            "floor": by_hand(64, list),
            "memory stream": memory_stream(64, listed),
            "streamable": streamable_buffered(listed),
        },
        {"memory stream": 1 / 12},
        quick=2_500,
    ),
    Case(
        "merge-0",
        f"{MERGED}, async for",
        "tasks",
        3_000,
        {
            "anystream": opened(merged(0), total),
            "floor": by_hand(0, sum, WAYS),
            "memory stream": memory_stream(0, total, WAYS),
            **SEVERAL,
        },
        {"memory stream": 1 / 1.8, "aiostream": 1 / 2.5},
        quick=750,
        remark="reactivex merges one after the other, without tasks",
    ),
    Case(
        "merge-16",
        f"{MERGED}, buffer=16, async for",
        "tasks",
        5_000,
        {
            "anystream": opened(merged(16), total),
            "floor": by_hand(64, sum, WAYS),
            "memory stream": memory_stream(64, total, WAYS),
            **SEVERAL,
        },
        {"memory stream": 1 / 8, "aiostream": 1 / 12},
        quick=1_250,
        remark="aiostream has no buffer; reactivex merges one after the other, without tasks",
    ),
    Case(
        "zip-at-once",
        "zip of two generators that are asked at the same time",
        "tasks",
        2_000,
        {
            "anystream": opened(zipped, paired_total),
            "memory stream": zipped_channels(0),
            "aiostream": aiostream_zipped,
            "aioitertools": aioitertools_zipped,
            "reactivex": reactivex_zipped,
        },
        quick=200,
        remark="reactivex keeps one range whole until the other one comes, without tasks",
    ),
    Case(
        "zip-buffered",
        "zip of two ranges behind buffer(16)",
        "tasks",
        2_000,
        {
            "anystream": opened(zipped_buffers, paired_total),
            "memory stream": zipped_channels(ROOM),
        },
        quick=200,
    ),
    Case(
        "combine-latest",
        "combine_latest of two ready ranges",
        "tasks",
        2_000,
        {
            "anystream": opened(combined, tally),
            "memory stream": combined_by_hand,
            "aiostream": aiostream_combined,
        },
        quick=200,
    ),
    Case(
        "with-latest-from",
        "a user's generator with the latest of another one",
        "tasks",
        5_000,
        {
            "anystream": with_latest,
            "generators": latest_by_hand,
        },
        quick=500,
    ),
    *readers.CASES,
    *workers.CASES,
    *inners.CASES,
    *concurrency.CASES,
)
