"""What carries items between tasks: buffers, several sources or readers, functions that wait."""

from collections import deque
from collections.abc import AsyncIterable, Awaitable, Callable
from functools import partial
from time import perf_counter
from typing import Any

from anyio import Event, create_memory_object_stream, create_task_group, sleep
from anyio.lowlevel import checkpoint
from anyio.streams.memory import MemoryObjectSendStream
from measure import Work

from anystream import async_range, merge, zip

from .operators import listed, safely_sent
from .table import (
    NO_LIMITS,
    SOURCES,
    Fold,
    Limits,
    Make,
    Row,
    Rows,
    cases,
    ignoring,
    in_tasks,
    numbers,
    peer,
    total,
)

observable = SOURCES["reactivex"]

WAYS = 10  # tasks, of a map or in a merge
ROOM = 16

# -- what carries items when no stream of ours does ------------------------------------------------


async def send_range(send: MemoryObjectSendStream[int], stop: int) -> None:
    async with send:
        for n in range(stop):
            await send.send(n)


def memory_stream(
    room: int, read: Callable[[AsyncIterable[Any]], Awaitable[object]], each: int | None = None
) -> Work:
    """A memory object stream, and tasks that send a range each."""

    async def work(count: int) -> object:
        send, receive = create_memory_object_stream[int](room)
        result: object = None
        async with create_task_group() as group, receive:
            async with send:
                for _ in range(count // (each or count)):
                    group.start_soon(send_range, send.clone(), each or count)
            result = await read(receive)
        return result  # noqa: RET504  # the block may swallow errors, to a type checker

    return work


class Queue:
    """The least that carries items from some tasks to another: a deque, and events.

    It has room for one item at least. Who reads it takes all that is there, and then wakes as many
    senders as there is room for.
    """

    def __init__(self, room: int, senders: int) -> None:
        self.room = max(1, room)
        self.senders = senders
        self.items: deque[Any] = deque()
        self.filled = Event()
        self.waiting: deque[Event] = deque()

    async def send_range(self, stop: int) -> None:
        items, room = self.items, self.room
        for n in range(stop):
            while len(items) >= room:
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
            for _ in range(min(self.room, len(self.waiting))):
                self.waiting.popleft().set()
            if self.senders:
                await self.filled.wait()
                self.filled = Event()
        return found


def by_hand(room: int, fold: Callable[[list[Any]], object], each: int | None = None) -> Work:
    """Such a queue, and tasks that fill it with a range each."""

    async def work(count: int) -> object:
        senders = count // (each or count)
        queue = Queue(room, senders)
        found: list[Any] = []
        async with create_task_group() as group:
            for _ in range(senders):
                group.start_soon(queue.send_range, each or count)
            found = await queue.read()
        return fold(found)

    return work


# -- buffers ---------------------------------------------------------------------------------------


async def collected(stop: int) -> list[int]:
    return await async_range(stop).buffer(64).collect()


BUFFERS: Rows = {
    Row(
        "buffer-0",
        "a range behind buffer(0), async for",
        3_000,
        750,
        held=True,
        limits={"memory stream": {(3, 11): 1.1, (3, 13): 0.95}, "as_safe_channel": 1.0},
    ): {
        "anystream": lambda s, _, __: s.buffer(0),
        "floor": by_hand(0, sum),
        "memory stream": memory_stream(0, total),
        "as_safe_channel": safely_sent,
    },
    Row(
        "buffer-64",
        "a range behind buffer(64), async for",
        held=True,
        limits={"memory stream": 1 / 9},
    ): {
        "anystream, streamable": lambda s, _, __: s.buffer(64),
        "floor": by_hand(64, sum),
        "memory stream": memory_stream(64, total),
    },
    Row(
        "buffer-64-collected",
        "the same, collected",
        fold=Fold(listed),
        limits={"memory stream": 1 / 12},
    ): {
        "anystream": collected,
        "floor": by_hand(64, list),
        "memory stream": memory_stream(64, listed),
        "streamable": lambda s, _, __: s.buffer(64),
    },
}

# -- several sources -------------------------------------------------------------------------------


def merged(name: str, streams: int, each: int, buffer: int = 0, limits: Limits = NO_LIMITS) -> Rows:
    """Ready ranges of some length; a quick run has fewer of them."""
    what = f"merge of {streams:,} ready ranges of {each:,}, buffer={buffer}, async for"
    quick = min(streams, max(10, 300 // each)) * each
    remark = "reactivex merges one after the other, without tasks; aiostream has no buffer"
    row = Row(name, what, streams * each, quick, held=True, limits=limits, remark=remark)
    room = 64 if buffer else 0

    def ranges(make: Callable[[int], Any], n: int) -> list[Any]:
        return [make(each) for _ in range(n // each)]

    makes: dict[str, Make | Work] = {
        "anystream": lambda _, __, n: merge(*ranges(async_range, n), buffer=buffer),
        "floor": by_hand(room, sum, each),
        "memory stream": memory_stream(room, total, each),
        "reactivex": lambda _, __, n: peer("reactivex").merge(*map(observable, ranges(range, n))),
    }
    if streams <= 1_000:  # aiostream looks at all of its tasks for each item
        makes |= {"aiostream": lambda _, a, n: a.merge(*ranges(a.range, n))}
    return {row: makes}


MERGES: Rows = {
    **merged("merge-0", WAYS, 300, 0, {"memory stream": 1 / 1.8, "aiostream": 1 / 2.5}),
    **merged("merge-16", WAYS, 500, 16, {"memory stream": 1 / 8, "aiostream": 1 / 12}),
}


async def paired_total(pairs: AsyncIterable[Any]) -> int:
    result = 0
    async for a, b in pairs:
        result += a * b
    return result


INNER = 20  # items of an inner stream
INNER_RANGE = ignoring(lambda: async_range(INNER))
INNER_NUMBERS = ignoring(lambda: numbers(INNER))
INNER_PUSHED = ignoring(lambda: observable(range(INNER)))
ZIP = "zip of two generators that are asked at the same time"
FLAT = "flat_map, ten ready ranges of 20 at a time, async for"
SEVERAL: Rows = {
    Row("zip-at-once", ZIP, 2_000, 200, numbers, Fold(paired_total), held=True): {
        "anystream": lambda _, __, n: zip(numbers(n), numbers(n)),
        "aiostream": lambda _, a, n: a.zip(a.range(n), a.range(n)),
        "aioitertools": lambda s, a, n: a.zip(s, numbers(n)),
    },
    Row("flat-map-ten", FLAT, 2_000, 400, lambda n: range(n // INNER), held=True): {
        "anystream": lambda s, _, __: s.flat_map(INNER_RANGE, concurrency=WAYS),
        "aiostream": lambda _, a, n: a.flatmap(
            a.range(n // INNER), ignoring(partial(a.range, INNER)), task_limit=WAYS
        ),
        "streamable": lambda s, _, __: s.map(INNER_NUMBERS).flatten(concurrency=WAYS),
        "reactivex": lambda s, r, _: s.pipe(r.map(INNER_PUSHED), r.merge(max_concurrent=WAYS)),
    },
}

# -- several readers -------------------------------------------------------------------------------

READERS = 3


async def each_in_a_task(readers: list[Any]) -> int:
    """What several readers have read in all."""
    totals: list[int] = []

    async def read(items: AsyncIterable[int]) -> None:
        totals.append(await total(items))

    async with create_task_group() as group:
        for reader in readers:
            group.start_soon(read, reader)
    return sum(totals)


async def shared(stop: int) -> int:
    async with async_range(stop).share(ROOM) as source, source as a, source as b, source as c:
        return await each_in_a_task([a, b, c])


async def anyio_tee(stop: int) -> int:
    return await each_in_a_task(list(peer("anyio.itertools").tee(range(stop), READERS)))


async def asyncstdlib_tee(stop: int) -> int:
    async with peer("asyncstdlib").tee(numbers(stop), READERS) as readers:
        return await each_in_a_task(list(readers))


TEE = "tee keeps all that its slowest reader has not had"
SHARED: Rows = {
    Row("share", "a range shared with 3 readers, each in a task", 3_000, 300, remark=TEE): {
        "anystream": shared,
        "anyio.itertools": anyio_tee,
        "asyncstdlib": asyncstdlib_tee,
    }
}

# -- functions that wait ---------------------------------------------------------------------------


async def waits_once(n: int, *_: int) -> int:  # aiostream's map may give more than one
    await checkpoint()
    return n


async def in_any_order(items: AsyncIterable[int]) -> int:
    """What does not depend on the order, which is free for workers."""
    return sum(await listed(items))


async def workers(stop: int) -> int:
    items = iter(range(stop))
    results: list[int] = []

    async def worker() -> None:
        for item in items:
            results.append(await waits_once(item))  # noqa: PERF401  # as they come

    await in_tasks(worker, WAYS)
    return sum(results)


async def sending_workers(stop: int) -> int:
    items = iter(range(stop))
    send, receive = create_memory_object_stream[int](WAYS)
    result = 0

    async def worker(send: MemoryObjectSendStream[int]) -> None:
        with send:
            for item in items:
                await send.send(await waits_once(item))

    async with create_task_group() as group:
        with send, receive:
            for _ in range(WAYS):
                group.start_soon(worker, send.clone())
            send.close()
            result = await in_any_order(receive)
    return result


async def aiometer_mapped(stop: int) -> int:
    async with peer("aiometer").amap(waits_once, range(stop), max_at_once=WAYS) as results:
        return await in_any_order(results)


async def aiometer_all(stop: int) -> int:
    calls = [partial(waits_once, n) for n in range(stop)]
    return sum(await peer("aiometer").run_all(calls, max_at_once=WAYS))


def mapping(name: str, ordered: bool, limits: Limits) -> Rows:
    what = f"map, ten at a time, the function waits once, {name}"
    remark = "the floor is ten workers on one iterator"
    row = Row(f"map-{name}", what, 2_000, 500, fold=ANY_ORDER, limits=limits, remark=remark)

    async def mapped(n: int) -> int:
        results = async_range(n).map(waits_once, concurrency=WAYS, ordered=ordered)
        return sum(await results.collect())

    return {
        row: {
            "anystream": mapped,
            "floor": workers,
            "memory stream": sending_workers,
            "aiostream": lambda _, a, n: a.map(
                a.range(n), waits_once, ordered=ordered, task_limit=WAYS
            ),
            "streamable": lambda s, _, __: s.map(
                waits_once, concurrency=WAYS, as_completed=not ordered
            ),
            "aiometer": aiometer_all if ordered else aiometer_mapped,
        }
    }


ANY_ORDER = Fold(in_any_order)
MAPS: Rows = {
    **mapping("ordered", True, {"floor": 2.1, "aiostream": 1 / 11, "streamable": 0.65}),
    **mapping("unordered", False, {"floor": 1.9}),
}

# -- many at once ----------------------------------------------------------------------------------

PAUSE = 0.05  # seconds before the item of a live source


async def live(count: int) -> list[int]:
    return await merge(*(async_range(1, delay=PAUSE) for _ in range(count))).collect()


async def asleep(count: int) -> list[int]:
    items: list[int] = []

    async def child() -> None:
        await sleep(PAUSE)
        items.append(0)

    await in_tasks(child, count)
    return items


CONCURRENCY: Rows = {
    **merged("merge-of-1", 1, 500),
    **merged("merge-of-10", 10, 100),
    **merged("merge-of-100", 100, 10),
    **merged("merge-of-1000", 1_000, 5),
    **merged("merge-of-10000", 10_000, 2),
    Row(
        "merge-live",
        "merge of 400 sources, each one item after 50 ms",
        400,
        200,
        limits={"floor": 1.2},
        clock=perf_counter,
        remark="the floor is a task group of 400 that sleep",
    ): {"anystream": live, "floor": asleep},
}

CARRYING: Rows = BUFFERS | MERGES | SEVERAL | SHARED | MAPS
CASES = cases("tasks", CARRYING) + cases("concurrency", CONCURRENCY)
