"""What carries items between tasks: buffers, several sources or readers, functions that wait."""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from time import process_time
from typing import Any, NamedTuple

import trio
from anyio import EndOfStream, Lock, WouldBlock, create_memory_object_stream, create_task_group
from anyio.lowlevel import checkpoint
from measure import BY_HAND, Limits, Measured, Work

from anystream import async_range, merge

from . import guarded
from .operators import listed
from .table import (
    KINDS,
    LAST,
    LISTED,
    NO_LIMITS,
    SOURCES,
    Make,
    Row,
    Rows,
    cases,
    each,
    ignoring,
    in_tasks,
    numbers,
    peer,
    stream_of,
    total,
    waiting,
)

Makes = dict[str, Make | Work | None]
WAYS = 10  # tasks, of a map or in a merge
ROOM = 16
END = object()


class Channel(NamedTuple):
    """The calls of one; those that need not wait are tried first."""

    put_nowait: Callable[[Any], None]
    put: Callable[[Any], Awaitable[object]]
    get_nowait: Callable[[], Any]
    get: Callable[[], Awaitable[Any]]
    close: Callable[[], Awaitable[object]]


def of_ends(ends: tuple[Any, Any]) -> Channel:
    send, receive = ends
    calls = (send.send_nowait, send.send, receive.receive_nowait, receive.receive, send.aclose)
    return Channel(*calls)


def asyncio_queue(room: int) -> Channel:
    """It has room for one at least, since 0 is for no bound."""
    queue = asyncio.Queue[Any](max(1, room))
    return Channel(
        queue.put_nowait, queue.put, queue.get_nowait, queue.get, partial(queue.put, END)
    )


CHANNELS: dict[str, Callable[[int], Channel]] = {
    "memory stream": lambda room: of_ends(create_memory_object_stream[Any](room)),
    "asyncio.Queue": asyncio_queue,
    "trio channel": lambda room: of_ends(trio.open_memory_channel[Any](room)),
}
FULL_OR_EMPTY = (WouldBlock, trio.WouldBlock, asyncio.QueueFull, asyncio.QueueEmpty)


async def put_all(items: Any, channel: Channel) -> None:
    put_nowait, put = channel[:2]
    async for item in items:
        try:
            put_nowait(item)
        except FULL_OR_EMPTY:
            await put(item)


async def put_range(items: range, channel: Channel) -> None:
    put_nowait, put = channel[:2]
    for item in items:
        try:
            put_nowait(item)
        except FULL_OR_EMPTY:
            await put(item)


async def got(channel: Channel) -> list[Any]:
    get_nowait, get = channel[2:4]
    found: list[Any] = []
    with suppress(EndOfStream, trio.EndOfChannel):
        while True:
            try:
                item = get_nowait()
            except FULL_OR_EMPTY:
                item = await get()
            if item is END:
                break
            found.append(item)
    return found


def carried(
    make: Callable[[int], Channel],
    room: int,
    each: int | None = None,
    of: Callable[[int], Any] = range,
) -> Work:
    """A channel, and tasks that send so many items each."""

    async def work(count: int) -> int:
        channel = make(room)
        left = count // (each or count)

        async def send() -> None:
            nonlocal left
            await (put_range if of is range else put_all)(of(each or count), channel)
            left -= 1
            if not left:
                await channel.close()

        found: list[int] = []
        async with create_task_group() as group:
            for _ in range(left):
                group.start_soon(send)
            found = await got(channel)
        return sum(found)

    return work


def channels(
    room: int, each: int | None = None, of: Callable[[int], Any] = range
) -> dict[str, Work]:
    return {name: carried(make, room, each, of) for name, make in CHANNELS.items()}


def by_hand(made: Callable[[int], Any]) -> Work:
    async def work(count: int) -> int:
        async with made(count) as items:
            return await total(items)

    return work


def rendezvous_total(of: Callable[[int], Any], wait: guarded.Wait | None = None) -> Work:
    return by_hand(lambda n: guarded.rendezvous(of(n), wait))


def ranged(count: int) -> Any:
    return each(range(count))


def buffered_by_hand(of: Callable[[int], Any], count: int) -> Any:
    return guarded.buffered(of(count), 64)


HOP: Limits = {"asyncio.Queue": 1.1, "trio channel": 1.2}


def buffered() -> Rows:
    rows: Rows = {}
    for kind, (words, of) in KINDS.items():
        limits: Limits = {"fpstreams": 0.9} if kind == "-waiting" else NO_LIMITS
        what = f"buffer(64){words}, async for"
        row = Row(f"buffer-64{kind}", what, 5_000, of=of, held=True, limits=limits)
        rows[row] = {
            "anystream, streamable": lambda s, _, __: s.buffer(64),
            "fpstreams": lambda s, _, __: s.prefetch(64),
            "grugstream": lambda s, _, __: s.buffer_with_size(64),
            BY_HAND: by_hand(partial(buffered_by_hand, of if kind else ranged)),
            **channels(64, of=of),
        }
    return rows


async def timed(count: int, ask: bool = True) -> int:
    """A range behind `buffer(0)`, whose waits are timed if its numbers were asked for."""
    async with async_range(count).buffer(0) as items:
        if ask:
            items.statistics()
        return sum([item async for item in items])


async def demanded(count: int, room: int = 0) -> int:
    """Workers behind `buffer(0)` are as many readers, and ask for an item each."""
    stream = stream_of(numbers(count)).buffer(room).map(waits_once, concurrency=WAYS)
    async with stream as items:
        return sum([item async for item in items])


DEMAND = f"map, {WAYS} at a time, behind buffer(0), over a generator that is ready"
BUFFERS: Rows = {
    Row("demand", DEMAND, 2_000, 500, limits={"buffer(10)": 2.2}): {
        "anystream": demanded,
        "buffer(10)": partial(demanded, room=10),
    },
    Row("statistics", "buffer(0), timed", 3_000, 750, limits={"untimed": 1.2}): {
        "anystream": timed,
        "untimed": partial(timed, ask=False),
    },
    Row("buffer-0", "a range behind buffer(0), async for", 3_000, 750, held=True, limits=HOP): {
        "anystream": lambda s, _, __: s.buffer(0),
        BY_HAND: rendezvous_total(numbers),
        **channels(0),
    },
    **buffered(),
}


def merged(name: str, streams: int, each: int, buffer: int = 0, limits: Limits = NO_LIMITS) -> Rows:
    """Ready ranges of some length; a quick run has fewer of them."""
    what = f"merge of {streams:,} ready ranges of {each:,}, buffer={buffer}, async for"
    quick = min(streams, max(10, 300 // each)) * each
    row = Row(name, what, streams * each, quick, held=True, limits=limits)
    room = 64 if buffer else 0

    def ranges(make: Callable[[int], Any], n: int) -> list[Any]:
        return [make(each) for _ in range(n // each)]

    makes: dict[str, Make | Work] = {
        "anystream": lambda _, __, n: merge(*ranges(async_range, n), buffer=buffer),
        **channels(room, each),
    }
    if streams <= 1_000:  # they look at all of their tasks for each item
        makes["aiostream"] = lambda _, a, n: a.merge(*ranges(a.range, n))
        makes["fpstreams"] = lambda _, __, n: fp_merge(ranges(numbers, n))
    return {row: makes}


def fp_merge(sources: Sequence[Any]) -> Any:
    return peer("fpstreams").aflow(sources[0]).merge(*sources[1:])


MERGES: Rows = {
    **merged("merge-0", WAYS, 300, 0, {"aiostream": 1 / 2.5}),
    **merged("merge-16", WAYS, 500, 16, {"aiostream": 1 / 12}),
    **merged("merge-of-10000", 10_000, 2, 0, {"memory stream": (0.7, 0.7, 0.9)}),
}

INNER = 20  # items of an inner stream
INNERS = ignoring(lambda: numbers(INNER))


def one(item: int, *_: object) -> Any:
    return each([item])


def flattened(kind: str) -> Rows:
    words, of = KINDS[kind]
    name, what = f"flat-map{kind}", f"flat_map, one after the other{words}"
    most: Limits = {"fpstreams": 1.0}
    row = Row(name, what, 2_000, 400, lambda n: of(n // INNER), held=True, limits=most)
    makes: dict[str, Make | Work] = {
        "anystream, fpstreams": lambda s, _, __: s.flat_map(INNERS),
        "generators": lambda s, _, __: (k async for _ in s async for k in numbers(INNER)),
        "aiostream": lambda s, a, _: a.flatmap(s, INNERS, task_limit=1),
        "streamable": lambda s, _, __: s.map(INNERS).flatten(),
    }
    return {row: makes}


PEERS: Limits = {"aiostream": 1.0, "fpstreams": 1.0}
SWITCH = "switch_map to a stream of one item, for each of a source that waits"
SWITCHES: Rows = {
    Row("switch-map", SWITCH, 500, 100, waiting, LAST, held=True, limits=PEERS): {
        "anystream, fpstreams": lambda s, _, __: s.switch_map(one),
        "aiostream": lambda s, a, _: a.switchmap(s, one),
    }
}

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


def shared(of: Callable[[int], Any], room: int = ROOM, readers: int = READERS) -> Work:
    async def work(stop: int) -> int:
        async with stream_of(of(stop)).share(room) as source:
            return await each_in_a_task([source] * readers)

    return work


def asyncstdlib_tee(of: Callable[[int], Any]) -> Work:
    """A source that waits is asked by one reader at a time."""

    async def work(stop: int) -> int:
        lock = Lock() if of is waiting else None
        async with peer("asyncstdlib").tee(of(stop), READERS, lock=lock) as readers:
            return await each_in_a_task(list(readers))

    return work


TEE = "tee keeps all that its slowest reader has not had, and needs a lock where its source waits"
SHARED: Rows = {
    Row(f"share{kind}", f"share with 3 readers, each in a task{words}", 3_000, 300, remark=TEE): {
        "anystream": shared(of),
        "asyncstdlib": asyncstdlib_tee(of),
    }
    for kind, (words, of) in KINDS.items()
}


async def waits_once(n: int, *_: int) -> int:  # aiostream's map may give more than one
    await checkpoint()
    return n


async def waits_even(n: int) -> bool:
    await checkpoint()
    return n % 2 == 0


Body = Callable[[Any, list[Any]], Awaitable[None]]
"""What a bare worker does with an item, and the list for what comes of it."""


async def mapped(item: Any, found: list[Any]) -> None:
    found.append(await waits_once(item))


async def filtered(item: Any, found: list[Any]) -> None:
    if await waits_even(item):
        found.append(item)


async def spread(_: Any, found: list[Any]) -> None:
    async for item in numbers(INNER):
        found.append(item)  # noqa: PERF401  # as they come


def workers(
    body: Body, of: Callable[[int], Any], ways: int, lock: Callable[[], Lock] = Lock
) -> Work:
    """So many tasks on one range, or on one generator behind a lock."""

    async def work(count: int) -> int:
        items = of(count)
        found: list[Any] = []
        gate = lock()

        async def generated() -> None:
            while True:
                async with gate:
                    item = await anext(items, END)
                if item is END:
                    return
                await body(item, found)

        async def ranged() -> None:
            for item in ranged_items:
                await body(item, found)

        ranged_items = iter(items) if isinstance(items, range) else iter(())
        await in_tasks(ranged if isinstance(items, range) else generated, ways)
        return sum(found)

    return work


AT_ONCE: dict[str, Limits] = {
    "": {"floor": 2.1},
    "-ready": {"workers": 1.0, "fpstreams": 0.7},
    "-waiting": {"workers": (1.5, 1.5, 1.1), "fpstreams": 1.0},
}
"""For all that calls a function in workers, by what it reads."""
WORKERS = (
    "workers: tasks on one generator behind an anyio.Lock; the floor: with fast_acquire; by hand:"
    " one task reads it, and the results come in order"
)


def at_once(
    name: str, what: str, kind: str, body: Body, makes: Any, ways: int = WAYS, per: int = 1
) -> Rows:
    """A row for one source, with what is gathered in a list."""
    words, of = KINDS[kind]

    def outer(n: int) -> Any:
        return of(n // per)

    what, limits = f"{what}, {ways} at a time{words}", AT_ONCE[kind]
    row = Row(f"{name}{kind}", what, 2_000, 500, outer, LISTED, limits=limits, remark=WORKERS)
    fast = partial(Lock, fast_acquire=True)
    bare = {"floor": workers(body, outer, ways, fast)}
    if kind:
        bare["workers"] = workers(body, outer, ways)
    return {row: {**bare, **makes}}


def crew_total(
    of: Callable[[int], Any], ways: int, fn: Callable[[Any], Awaitable[int]] = waits_once
) -> Work:
    return by_hand(lambda n: guarded.crew(of(n), fn, ways))


async def waits_for_even(n: int) -> int:
    """The item if it comes through, and otherwise nothing."""
    return n if await waits_even(n) else 0


def mapping(name: str, kind: str, ordered: bool, ways: int = WAYS) -> Rows:
    given: dict[str, Any] = {"concurrency": ways, "ordered": ordered}
    makes: Makes = {
        "anystream": lambda s, _, __: s.map(waits_once, **given).collect(),
        "fpstreams": lambda s, _, __: s.map_async(waits_once, **given).to_list(),
        "grugstream": lambda s, _, __: s.map_async_par(waits_once, max_par=ways).to_list(),
        "aiostream": lambda s, a, _: a.list(a.map(s, waits_once, ordered=ordered, task_limit=ways)),
        "streamable": lambda s, _, __: listed(
            s.map(waits_once, concurrency=ways, as_completed=not ordered)
        ),
    }
    if kind:
        makes[BY_HAND] = crew_total(KINDS[kind][1], ways)
    return at_once(name, f"map, {'' if ordered else 'un'}ordered", kind, mapped, makes, ways)


def looping(kind: str) -> Rows:
    """The same, whose results are read one by one."""
    of = KINDS[kind][1]

    async def ours(count: int) -> int:
        async with stream_of(of(count)).map(waits_once, concurrency=WAYS) as items:
            return sum([item async for item in items])

    async def fp(count: int) -> int:
        flow = SOURCES["fpstreams"](of(count)).map_async(waits_once, concurrency=WAYS)
        return sum([item async for item in flow])

    makes: Makes = {"anystream": ours, "fpstreams": fp, BY_HAND: crew_total(of, WAYS)}
    return at_once("map-loop", "map, ordered, read by async for", kind, mapped, makes)


def calling(kind: str) -> Rows:
    """A function for each item, in workers."""
    of = KINDS[kind][1]

    async def called(count: int) -> int:
        found: list[int] = []
        await stream_of(of(count)).for_each(partial(mapped, found=found), concurrency=WAYS)
        return sum(found)

    async def fp_called(count: int) -> int:
        found: list[int] = []
        flow = SOURCES["fpstreams"](of(count))
        await flow.map_async(partial(mapped, found=found), concurrency=WAYS, ordered=False).count()
        return sum(found)

    filters: Makes = {
        "anystream": lambda s, _, __: s.filter(waits_even, concurrency=WAYS).collect(),
        BY_HAND: crew_total(of, WAYS, waits_for_even),
    }
    flat: Makes = {
        "anystream": lambda s, _, __: s.flat_map(INNERS, concurrency=WAYS).collect(),
        "fpstreams": lambda s, _, __: s.merge_map(INNERS, concurrency=WAYS).to_list(),
        "aiostream": lambda s, a, _: a.list(a.flatmap(s, INNERS, task_limit=WAYS)),
        "streamable": lambda s, _, __: listed(s.map(INNERS).flatten(concurrency=WAYS)),
        BY_HAND: by_hand(lambda n: guarded.spread(of(n // INNER), INNERS, WAYS, ROOM)),
    }
    both = {"anystream": called, "fpstreams": fp_called, BY_HAND: crew_total(of, WAYS)}
    generators = "flat_map, ready generators of 20"
    return {
        **at_once("for-each", "for_each", kind, mapped, both),
        **at_once("filter-at-once", "filter", kind, filtered, filters),
        **at_once("flat-map-at-once", generators, kind, spread, flat, per=INNER),
    }


async def wide(_: int) -> Measured:
    """Workers start when there is an item for them."""
    start = process_time()
    found = await async_range(3).map(waits_once, concurrency=16_000).collect()
    return Measured((process_time() - start) * 1000, found)


AT_A_TIME: Rows = {}
for kind in KINDS:
    AT_A_TIME |= mapping("map-ordered", kind, True) | mapping("map-unordered", kind, False)
for ways in (2, 100):
    for kind in ("-ready", "-waiting"):
        AT_A_TIME |= mapping(f"map-{ways}", kind, True, ways)
WIDE = Row("map-wide", "map(concurrency=16_000) over 3 items", 3, 3, unit="ms", most=20.0)
for kind in ("-ready", "-waiting"):
    AT_A_TIME |= looping(kind) | calling(kind)
AT_A_TIME[WIDE] = {"anystream": wide}

CARRYING: Rows = BUFFERS | MERGES
for kind in KINDS:
    CARRYING |= flattened(kind)
CARRYING |= SWITCHES | SHARED
CASES = cases("tasks", CARRYING) + cases("workers", AT_A_TIME)
