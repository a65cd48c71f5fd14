"""One source for several readers, each in a task of its own."""

from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Any

from anyio import create_memory_object_stream, create_task_group
from anyio.streams.memory import MemoryObjectSendStream
from measure import Case

from anystream import async_range

from .plain import numbers, pushed_total, total

READERS = 3
KEYS = 10
ROOM = 16


async def in_tasks(readers: list[Any]) -> int:
    """What several readers have read in all, each in a task of its own."""
    totals: list[int] = []

    async def read(items: AsyncIterable[int]) -> None:
        totals.append(await total(items))

    async with create_task_group() as group:
        for reader in readers:
            group.start_soon(read, reader)
    return sum(totals)


async def shared(stop: int) -> int:
    async with async_range(stop).share(ROOM) as source, source as a, source as b, source as c:
        return await in_tasks([a, b, c])


async def partitioned(stop: int) -> int:
    async with async_range(stop).partition(is_odd, ROOM) as parts:
        return await in_tasks(list(parts))


def is_odd(n: int) -> bool:
    return n % 2 == 1


def residue(n: int) -> int:
    return n % KEYS


async def grouped(stop: int) -> int:
    totals: list[int] = []

    async def read(items: AsyncIterable[int]) -> None:
        totals.append(await total(items))

    async with async_range(stop).group_by(residue, ROOM) as groups, create_task_group() as tasks:
        async for _, items in groups:
            tasks.start_soon(read, items)
    return sum(totals)


Choose = Callable[[int], tuple[int, ...]]


def dealt(readers: int, room: int, choose: Choose) -> Callable[[int], Awaitable[int]]:
    """A task that sends each item into those of the memory object streams that it is for."""

    async def deal(sends: list[MemoryObjectSendStream[int]], stop: int) -> None:
        for n in range(stop):
            for at in choose(n):
                await sends[at].send(n)
        for send in sends:
            send.close()

    async def work(stop: int) -> int:
        found = 0
        ends = [create_memory_object_stream[int](room) for _ in range(readers)]
        async with create_task_group() as group:
            group.start_soon(deal, [send for send, _ in ends], stop)
            found = await in_tasks([receive for _, receive in ends])
        for _, receive in ends:
            receive.close()
        return found

    return work


def direct(readers: int, choose: Choose) -> Callable[[int], Awaitable[int]]:
    """No tasks at all: the loop adds up for each of the readers."""

    async def work(stop: int) -> int:
        totals = [0] * readers
        for n in range(stop):
            for at in choose(n):
                totals[at] += n
        return sum(totals)

    return work


async def anyio_tee(stop: int) -> int:
    from anyio.itertools import tee

    return await in_tasks(list(tee(range(stop), READERS)))


async def asyncstdlib_tee(stop: int) -> int:
    from asyncstdlib import tee

    async with tee(numbers(stop), READERS) as readers:
        return await in_tasks(list(readers))


def everyone(n: int) -> tuple[int, ...]:
    return 0, 1, 2


async def reactivex_shared(stop: int) -> object:
    from reactivex import from_iterable, merge, operators

    source = from_iterable(range(stop)).pipe(operators.publish())
    return connected(source, merge(*(source.pipe(operators.sum()) for _ in range(READERS))))


async def reactivex_partitioned(stop: int) -> object:
    from reactivex import from_iterable, merge, operators

    source = from_iterable(range(stop)).pipe(operators.publish())
    parts = source.pipe(operators.partition(is_odd))
    return connected(source, merge(*(part.pipe(operators.sum()) for part in parts)))


async def reactivex_grouped(stop: int) -> object:
    from reactivex import from_iterable, operators

    source: Any = from_iterable(range(stop))
    groups = source.pipe(operators.group_by(residue))

    def add(group: Any) -> Any:
        return group.pipe(operators.sum())

    return pushed_total(groups.pipe(operators.flat_map(add)))


def connected(source: Any, totals: Any) -> int:
    found: list[int] = []
    totals.subscribe(found.append)
    source.connect()
    return sum(found)


CASES = (
    Case(
        "share",
        "a range shared with 3 readers, each in a task",
        "tasks",
        3_000,
        {
            "anystream": shared,
            "floor": direct(READERS, everyone),
            "memory stream": dealt(READERS, ROOM, everyone),
            "anyio.itertools": anyio_tee,
            "asyncstdlib": asyncstdlib_tee,
            "reactivex": reactivex_shared,
        },
        quick=300,
        remark="tee keeps all that its slowest reader has not had; reactivex calls, without tasks",
    ),
    Case(
        "partition",
        "a range in two parts, each read by a task",
        "tasks",
        5_000,
        {
            "anystream": partitioned,
            "floor": direct(2, lambda n: (is_odd(n),)),
            "memory stream": dealt(2, ROOM, lambda n: (is_odd(n),)),
            "reactivex": reactivex_partitioned,
        },
        quick=500,
    ),
    Case(
        "group-by",
        "a range in ten groups, each read by a task",
        "tasks",
        5_000,
        {
            "anystream": grouped,
            "floor": direct(KEYS, lambda n: (residue(n),)),
            "memory stream": dealt(KEYS, ROOM, lambda n: (residue(n),)),
            "reactivex": reactivex_grouped,
        },
        quick=500,
    ),
)
