"""What carries items between tasks when no stream of ours does: the other sides of many cases."""

from collections import deque
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Any

from anyio import Event, create_memory_object_stream, create_task_group
from anyio.streams.memory import MemoryObjectSendStream
from measure import Work

from anystream import Stream

Read = Callable[[AsyncIterable[Any]], Awaitable[object]]
"""Reads all items, and gives what came of them."""

Fold = Callable[[list[Any]], object]


def opened(make: Callable[[int], Stream[Any]], read: Read) -> Work:
    """A stream of ours, in an `async with`."""

    async def work(count: int) -> object:
        async with make(count) as items:
            return await read(items)

    return work


def memory_stream(size: int, read: Read, senders: int = 1) -> Work:
    """A memory object stream with room for `size` items, and tasks that send a range each."""

    async def send_all(send: MemoryObjectSendStream[int], stop: int) -> None:
        async with send:
            for n in range(stop):
                await send.send(n)

    async def work(count: int) -> object:
        send, receive = create_memory_object_stream[int](size)
        result: object = None
        async with create_task_group() as group, receive:
            async with send:
                for _ in range(senders):
                    group.start_soon(send_all, send.clone(), count // senders)
            result = await read(receive)
        return result  # noqa: RET504  # the block may swallow errors, to a type checker

    return work


class Queue:
    """The least that carries items from some tasks to another: a deque, and events.

    It has room for one item at least. Who reads it takes all that is there, and then wakes as many
    senders as there is room for.
    """

    def __init__(self, size: int, senders: int) -> None:
        self.size = max(1, size)
        self.senders = senders
        self.items: deque[Any] = deque()
        self.filled = Event()
        self.waiting: deque[Event] = deque()

    async def send_range(self, stop: int) -> None:
        items, size = self.items, self.size
        for n in range(stop):
            while len(items) >= size:
                self.waiting.append(Event())
                await self.waiting[-1].wait()
            items.append(n)
            if len(items) == 1:
                self.filled.set()
        self.senders -= 1
        self.filled.set()

    async def read(self) -> list[Any]:
        found: list[Any] = []
        while self.items or self.senders:
            found += self.items
            self.items.clear()
            for _ in range(min(self.size, len(self.waiting))):
                self.waiting.popleft().set()
            if self.senders:
                await self.filled.wait()
                self.filled = Event()
        return found


def by_hand(size: int, fold: Fold, senders: int = 1) -> Work:
    """Such a queue, and tasks that fill it with a range each."""

    async def work(count: int) -> object:
        queue = Queue(size, senders)
        found: list[Any] = []
        async with create_task_group() as group:
            for _ in range(senders):
                group.start_soon(queue.send_range, count // senders)
            found = await queue.read()
        return fold(found)

    return work


async def of_aiostream(items: Any, read: Read) -> Any:
    async with items.stream() as streamer:
        return await read(streamer)
