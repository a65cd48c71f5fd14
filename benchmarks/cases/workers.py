"""Functions that wait, called by ten tasks at a time."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from anyio import create_memory_object_stream, create_task_group
from anyio.lowlevel import checkpoint
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from measure import Case, Work

from anystream import async_range

from .carriers import of_aiostream
from .plain import listed

WAYS = 10


async def waits_once(n: int, *_: int) -> int:  # aiostream's map may give more than one
    await checkpoint()
    return n


def in_total(work: Callable[[int], Awaitable[list[int]]]) -> Work:
    """What does not depend on the order, which is free for workers."""

    async def run(stop: int) -> object:
        return sum(await work(stop))

    return run


# -- map -----------------------------------------------------------------------------------------


def mapped(ordered: bool) -> Work:
    return in_total(
        lambda stop: async_range(stop).map(waits_once, concurrency=WAYS, ordered=ordered).collect()
    )


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


async def sending_workers(stop: int) -> list[int]:
    items = iter(range(stop))
    send, receive = create_memory_object_stream[int](WAYS)
    results: list[int] = []

    async def worker(send: MemoryObjectSendStream[int]) -> None:
        with send:
            for item in items:
                await send.send(await waits_once(item))

    async with create_task_group() as group:
        with send, receive:
            for _ in range(WAYS):
                group.start_soon(worker, send.clone())
            send.close()
            results = await listed(receive)
    return results


def aiostream_mapped(ordered: bool) -> Work:
    async def work(stop: int) -> Any:
        from aiostream import pipe, stream

        call: Any = waits_once
        items: Any = stream.range(stop) | pipe.map(call, ordered=ordered, task_limit=WAYS)
        return await of_aiostream(items, listed)

    return in_total(work)


def streamable_mapped(ordered: bool) -> Work:
    async def work(stop: int) -> list[int]:
        from streamable import stream

        items = stream(range(stop))
        return await listed(items.map(waits_once, concurrency=WAYS, as_completed=not ordered))

    return in_total(work)


async def aiometer_mapped(stop: int) -> list[int]:
    from aiometer import amap

    async with amap(waits_once, range(stop), max_at_once=WAYS) as results:
        return await listed(results)


async def aiometer_all(stop: int) -> list[int]:
    from aiometer import run_all

    return await run_all([partial(waits_once, n) for n in range(stop)], max_at_once=WAYS)


async def reactivex_mapped(stop: int) -> object:
    import asyncio

    from reactivex import defer, from_future, from_iterable, operators

    def later(n: int) -> Any:
        return defer(lambda _: from_future(asyncio.ensure_future(waits_once(n))))

    calls: Any = from_iterable(range(stop)).pipe(operators.map(later))
    return await calls.pipe(operators.merge(max_concurrent=WAYS), operators.sum())


# -- for_each ------------------------------------------------------------------------------------


Add = Callable[[int], Awaitable[None]]


def adding(run: Callable[[int, Add], Awaitable[object]]) -> Work:
    """What a function that waits has added up, called for each item."""

    async def work(stop: int) -> int:
        result = 0

        async def add(n: int) -> None:
            nonlocal result
            await checkpoint()
            result += n

        await run(stop, add)
        return result

    return work


async def each(stop: int, add: Add) -> None:
    await async_range(stop).for_each(add, concurrency=WAYS)


async def called_by_workers(stop: int, add: Add) -> None:
    items = iter(range(stop))

    async def worker() -> None:
        for item in items:
            await add(item)

    async with create_task_group() as group:
        for _ in range(WAYS):
            group.start_soon(worker)


async def called_with_received(stop: int, add: Add) -> None:
    send, receive = create_memory_object_stream[int](WAYS)

    async def worker(receive: MemoryObjectReceiveStream[int]) -> None:
        with receive:
            async for item in receive:
                await add(item)

    async with create_task_group() as group:
        for _ in range(WAYS):
            group.start_soon(worker, receive.clone())
        receive.close()
        with send:
            for item in range(stop):
                await send.send(item)


async def aiometer_each(stop: int, add: Add) -> None:
    from aiometer import run_on_each

    await run_on_each(add, range(stop), max_at_once=WAYS)


async def aiostream_each(stop: int, add: Add) -> None:
    from aiostream import pipe, stream

    await (stream.range(stop) | pipe.action(add, ordered=False, task_limit=WAYS))


async def streamable_each(stop: int, add: Add) -> None:
    from streamable import stream

    await stream(range(stop)).do(add, concurrency=WAYS, as_completed=True)


MAPPED = "map, ten at a time, the function waits once"


def map_case(name: str, ordered: bool, limits: dict[str, float]) -> Case:
    return Case(
        name,
        f"{MAPPED}, {'ordered' if ordered else 'unordered'}",
        "tasks",
        2_000,
        {
            "anystream": mapped(ordered),
            "floor": in_total(workers),
            "memory stream": in_total(sending_workers),
            "aiostream": aiostream_mapped(ordered),
            "streamable": streamable_mapped(ordered),
            "aiometer": in_total(aiometer_all if ordered else aiometer_mapped),
            "reactivex": reactivex_mapped,
        },
        limits,
        quick=500,
        remark="the floor is ten workers on one iterator",
    )


CASES = (
    map_case("map-ordered", True, {"floor": 2.1, "aiostream": 1 / 11, "streamable": 0.65}),
    map_case("map-unordered", False, {"floor": 1.9}),
    Case(
        "for-each-ten",
        "for_each, ten at a time, the function waits once",
        "tasks",
        1_000,
        {
            "anystream": adding(each),
            "floor": adding(called_by_workers),
            "memory stream": adding(called_with_received),
            "aiostream": adding(aiostream_each),
            "streamable": adding(streamable_each),
            "aiometer": adding(aiometer_each),
        },
        quick=100,
    ),
)
