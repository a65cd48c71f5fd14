"""Sources that somebody else fills: connections, memory object streams, threads, callbacks."""

from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from time import perf_counter
from typing import Any

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
from anyio.abc import ByteReceiveStream, ObjectReceiveStream
from measure import Case

from anystream import (
    Push,
    Stream,
    from_callback,
    from_thread,
    stream_data,
)

from .plain import TOTAL, peer, plain_total, pushed_total, sides, total


def source(
    name: str, what: str, makes: dict[str, Any], items: int, quick: int, **options: Any
) -> Case:
    held = options.pop("held", False)
    return Case(name, what, "sources", items, sides(TOTAL, makes, held), quick=quick, **options)


# -- bytes -----------------------------------------------------------------------------------------


class Chunks(ByteReceiveStream):
    """A connection whose data have come already; each read is a checkpoint, as it has to be."""

    def __init__(self, number: int) -> None:
        self.left = number

    async def receive(self, max_bytes: int = 65536) -> bytes:
        await anyio.lowlevel.checkpoint()
        if not self.left:
            raise anyio.EndOfStream
        self.left -= 1
        return b"x" * 100

    async def aclose(self) -> None:
        self.left = 0


async def lengths(chunks: Any) -> int:
    result = 0
    async for chunk in chunks:
        result += len(chunk)
    return result


async def our_bytes(n: int) -> int:
    async with stream_data(Chunks(n)) as chunks:
        return await lengths(chunks)


async def bytes_by_hand(n: int) -> int:
    result = 0
    async with Chunks(n) as connection:
        while True:
            try:
                result += len(await connection.receive())
            except anyio.EndOfStream:
                return result


async def bytes_in_generator(n: int) -> int:
    async with Chunks(n) as connection, aclosing(forwarded(connection)) as chunks:
        return await lengths(chunks)


async def bytes_of_aiostream(n: int) -> int:
    iterate = peer("aiostream").stream.iterate
    async with Chunks(n) as connection, iterate(connection).stream() as chunks:
        return await lengths(chunks)


async def bytes_of_streamable(n: int) -> int:
    async with Chunks(n) as connection:
        return await lengths(peer("streamable").stream(connection))


async def forwarded(source: Any) -> AsyncGenerator[Any, None]:
    async for item in source:
        yield item


# -- memory object streams -------------------------------------------------------------------------


def filled(n: int) -> ObjectReceiveStream[int]:
    """One with all its items, and nobody who sends any more."""
    send, receive = anyio.create_memory_object_stream[int](n)
    with send:
        for k in range(n):
            send.send_nowait(k)
    return receive


async def our_memory_stream(n: int) -> int:
    async with Stream(filled(n)) as items:
        return await total(items)


async def memory_stream_itself(n: int) -> int:
    async with filled(n) as items:
        return await total(items)


async def memory_stream_in_generator(n: int) -> int:
    async with filled(n) as receive, aclosing(forwarded(receive)) as items:
        return await total(items)


async def memory_stream_of_aiostream(n: int) -> int:
    iterate = peer("aiostream").stream.iterate
    async with filled(n) as receive, iterate(receive).stream() as items:
        return await total(items)


async def memory_stream_of_streamable(n: int) -> int:
    async with filled(n) as receive:
        return await total(peer("streamable").stream(receive))


# -- threads and callbacks -------------------------------------------------------------------------


async def our_thread(n: int) -> int:
    async with from_thread(range(n)) as items:
        return await total(items)


async def thread_by_hand(n: int) -> int:
    """A worker that hands a list over for every 256 items."""

    def work() -> None:
        items = iter(range(n))
        while chunk := [k for k, _ in zip(items, range(256), strict=False)]:
            anyio.from_thread.run(send.send, chunk)
        anyio.from_thread.run_sync(send.close)

    send, receive = anyio.create_memory_object_stream[list[int]](1)
    result = 0
    async with anyio.create_task_group() as group, receive:
        group.start_soon(anyio.to_thread.run_sync, work)
        async for chunk in receive:
            result += plain_total(chunk)
    return result


async def thread_and_queue(n: int) -> int:
    """A worker that hands each item over by itself."""

    def work() -> None:
        for k in range(n):
            anyio.from_thread.run(send.send, k)
        anyio.from_thread.run_sync(send.close)

    result = 0
    send, receive = anyio.create_memory_object_stream[int](256)
    async with anyio.create_task_group() as group, receive:
        group.start_soon(anyio.to_thread.run_sync, work)
        result += await total(receive)
    return result


async def in_threads(items: Iterator[int]) -> AsyncGenerator[Any, None]:
    end = object()
    while (item := await anyio.to_thread.run_sync(next, items, end)) is not end:
        yield item


async def one_by_one(n: int) -> int:
    async with aclosing(in_threads(iter(range(n)))) as items:
        return await total(items)


def pushing(n: int) -> Callable[[Callable[[int], object]], None]:
    """What an API with callbacks does: it calls one with each item."""

    def call(push: Callable[[int], object]) -> None:
        for k in range(n):
            push(k)

    return call


async def our_callback(n: int) -> int:
    def register(push: Push[int]) -> None:
        pushing(n)(push)
        push.end()

    async with from_callback(register, buffer=n) as items:
        return await total(items)


async def callback_by_hand(n: int) -> int:
    items: deque[int] = deque()
    pushing(n)(items.append)
    result = 0
    while items:
        result += items.popleft()
    return result


async def callback_in_generator(n: int) -> int:
    """With an event for the reader, which has to be told when it waits."""
    items: deque[int | None] = deque()
    more = anyio.Event()

    def push(item: int | None) -> None:
        items.append(item)
        more.set()

    async def popped() -> AsyncGenerator[int, None]:
        nonlocal more
        while True:
            await more.wait()
            more = anyio.Event()
            while items:
                item = items.popleft()
                if item is None:
                    return
                yield item

    pushing(n)(push)
    push(None)
    async with aclosing(popped()) as given:
        return await total(given)


async def callback_and_memory_stream(n: int) -> int:
    send, receive = anyio.create_memory_object_stream[int](n)
    with send:
        pushing(n)(send.send_nowait)
    async with receive:
        return await total(receive)


async def callback_of_reactivex(n: int) -> Any:
    def subscribe(observer: Any, _: Any) -> None:
        pushing(n)(observer.on_next)
        observer.on_completed()

    return pushed_total(peer("reactivex").create(subscribe))


CASES: list[Case] = [
    source(
        "bytes",
        "a byte stream, chunks of 100 bytes",
        {
            "anystream": our_bytes,
            "floor": bytes_by_hand,
            "generators": bytes_in_generator,
            "aiostream": bytes_of_aiostream,
            "streamable": bytes_of_streamable,
        },
        3_000,
        300,
    ),
    source(
        "memory-object-stream",
        "a memory object stream that is full",
        {
            "anystream": our_memory_stream,
            "memory stream": memory_stream_itself,
            "generators": memory_stream_in_generator,
            "aiostream": memory_stream_of_aiostream,
            "streamable": memory_stream_of_streamable,
        },
        3_000,
        300,
    ),
    source(
        "thread",
        "an iterable in a thread",
        {
            "anystream": our_thread,
            "floor": thread_by_hand,
            "memory stream": thread_and_queue,
            "generators": one_by_one,
        },
        1_000,
        60,
        clock=perf_counter,
    ),
    source(
        "callback",
        "items that are pushed by a callback",
        {
            "anystream": our_callback,
            "floor": callback_by_hand,
            "generators": callback_in_generator,
            "memory stream": callback_and_memory_stream,
            "reactivex": callback_of_reactivex,
        },
        5_000,
        1_000,
    ),
]
