"""Streams of streams: the inner ones ten at a time, or one in the place of the other."""

from collections.abc import AsyncGenerator, AsyncIterable
from typing import Any

from anyio import CancelScope, Event, create_memory_object_stream, create_task_group, sleep_forever
from anyio.lowlevel import checkpoint
from anyio.streams.memory import MemoryObjectSendStream
from measure import Case

from anystream import Stream, async_range

from .carriers import of_aiostream
from .plain import numbers, pushed_total, total

WAYS = 10
INNER = 20  # items of an inner stream

# -- flat_map ------------------------------------------------------------------------------------


async def flat(stop: int) -> object:
    async with async_range(stop // INNER).flat_map(inner, concurrency=WAYS) as items:
        return await total(items)


def inner(_: int) -> Stream[int]:
    return async_range(INNER)


async def flat_by_hand(stop: int) -> int:
    outer = iter(range(stop // INNER))
    result = 0

    async def worker() -> None:
        nonlocal result
        for _ in outer:
            await checkpoint()
            for item in range(INNER):
                result += item

    async with create_task_group() as group:
        for _ in range(WAYS):
            group.start_soon(worker)
    return result


async def flat_in_a_channel(stop: int) -> object:
    outer = iter(range(stop // INNER))
    send, receive = create_memory_object_stream[int](0)
    result: object = None

    async def worker(send: MemoryObjectSendStream[int]) -> None:
        with send:
            for _ in outer:
                for item in range(INNER):
                    await send.send(item)

    async with create_task_group() as group:
        with send, receive:
            for _ in range(WAYS):
                group.start_soon(worker, send.clone())
            send.close()
            result = await total(receive)
    return result


async def aiostream_flat(stop: int) -> object:
    from aiostream import pipe, stream

    def inner(*_: int) -> Any:
        return stream.range(INNER)

    flat = stream.range(stop // INNER) | pipe.flatmap(inner, task_limit=WAYS)
    return await of_aiostream(flat, total)


async def streamable_flat(stop: int) -> object:
    from streamable import stream

    inners = stream(range(stop // INNER)).map(lambda _: numbers(INNER))
    return await total(inners.flatten(concurrency=WAYS))


async def reactivex_flat(stop: int) -> object:
    from reactivex import from_iterable, operators

    inners = from_iterable(range(stop // INNER)).pipe(
        operators.map(lambda _: from_iterable(range(INNER)))
    )
    return pushed_total(inners.pipe(operators.merge(max_concurrent=WAYS)))


# -- switch_map ----------------------------------------------------------------------------------


class Turns:
    """Inner streams that give one item and then wait for the next one to take their place."""

    def __init__(self, stop: int) -> None:
        self.stop = stop
        self.read = Event()

    async def outer(self) -> AsyncGenerator[int, None]:
        """The next one, as soon as the item of the one before has been read."""
        for n in range(self.stop):
            yield n
            await self.read.wait()
            self.read = Event()

    async def inner(self, n: int, *_: int) -> AsyncGenerator[int, None]:
        yield n
        if n < self.stop - 1:
            await sleep_forever()

    async def total(self, items: AsyncIterable[int]) -> int:
        result = 0
        async for item in items:
            result += item
            self.read.set()
        return result


async def switched(stop: int) -> int:
    turns = Turns(stop)
    async with Stream(turns.outer()).switch_map(turns.inner) as items:
        return await turns.total(items)


async def switched_by_hand(stop: int) -> int:
    turns = Turns(stop)
    result = 0

    async def replaced(n: int, scope: CancelScope) -> None:
        nonlocal result
        with scope:
            async for item in turns.inner(n):
                result += item
                turns.read.set()

    async with create_task_group() as group:
        scope = CancelScope()
        async for n in turns.outer():
            scope.cancel()
            scope = CancelScope()
            group.start_soon(replaced, n, scope)
    return result


async def aiostream_switched(stop: int) -> object:
    from aiostream import stream

    turns = Turns(stop)
    inners: Any = items_of(turns)
    return await of_aiostream(stream.switch(inners), turns.total)


async def items_of(turns: Turns) -> AsyncGenerator[AsyncIterable[int], None]:
    async for n in turns.outer():
        yield turns.inner(n)


CASES = (
    Case(
        "flat-map-ten",
        "flat_map, ten ready ranges of 20 at a time, async for",
        "tasks",
        2_000,
        {
            "anystream": flat,
            "floor": flat_by_hand,
            "memory stream": flat_in_a_channel,
            "aiostream": aiostream_flat,
            "streamable": streamable_flat,
            "reactivex": reactivex_flat,
        },
        quick=400,
    ),
    Case(
        "switch-map",
        "switch_map to a stream that takes the place of one that waits",
        "tasks",
        300,
        {
            "anystream": switched,
            "floor": switched_by_hand,
            "aiostream": aiostream_switched,
        },
        quick=30,
    ),
)
