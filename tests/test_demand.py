"""How many items are asked for: as many as whoever reads has room for, and no more."""

from collections.abc import AsyncGenerator, Callable
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from insides import turns_of

from anystream import Run, Sender, Stream, merge, producer
from anystream.testing import TrackedSource

ITEMS = 240


async def numbers(count: int = ITEMS) -> AsyncGenerator[int, None]:
    for number in range(count):
        yield number


@producer
async def sent(sender: Sender[int]) -> None:
    for number in range(ITEMS):
        await sender.send(number)


def halves() -> Stream[int]:
    return merge(numbers(ITEMS // 2), numbers(ITEMS // 2))


SOURCES: dict[str, Callable[[], Stream[Any]]] = {
    "buffer": lambda: Stream(numbers).buffer(0),
    "merge": halves,
    "flat_map": lambda: Stream([ITEMS]).flat_map(numbers, concurrency=2),
    "switch_map": lambda: Stream([ITEMS]).switch_map(numbers),
    "producer": sent,
    "timeout": lambda: Stream(numbers).timeout(60),
    "deadline": lambda: Stream(numbers).deadline(60),
    "heartbeat": lambda: Stream(numbers).heartbeat(60, lambda: -1),
    "concurrently": lambda: Stream(numbers).concurrently([]),
    "until": lambda: merge(numbers(), Stream(anyio.sleep_forever).flatten(), until="any"),
    "mapped": lambda: halves().map(int).filter(lambda _: True).tap(hash),
    "twice": lambda: Stream(numbers).buffer(0).buffer(0),
}


async def once(item: int) -> int:
    await checkpoint()
    return item


async def drained(stream: Stream[Any]) -> None:
    async with stream.share(10) as source:
        assert await source.count() == ITEMS


READERS: dict[str, Callable[[Stream[Any]], Any]] = {
    "map": lambda stream: stream.map(once, concurrency=10).drain(),
    "filter": lambda stream: stream.filter(once, concurrency=10).drain(),
    "for_each": lambda stream: stream.for_each(once, concurrency=10),
    "flat_map": lambda stream: stream.flat_map(lambda item: [item], concurrency=10).drain(),
    "buffer": lambda stream: stream.buffer(10).drain(),
    "share": drained,
    "batched": lambda stream: stream.batched(10).drain(),
    "window": lambda stream: stream.window(10, step=10).drain(),
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("reader", READERS)
async def test_who_has_room_for_several_asks_for_several(reader: str, source: str) -> None:
    turns = await turns_of(lambda: READERS[reader](SOURCES[source]()))
    assert turns < ITEMS  # one at a time takes two for each, and of `merge` one


@pytest.mark.parametrize("source", SOURCES)
async def test_several_tasks_that_read_one_run_are_as_many_readers(source: str) -> None:
    async def read(items: Run[Any]) -> None:
        async for item in items:
            await once(item)

    async def read_all() -> None:
        async with SOURCES[source]() as items, anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(read, items)

    assert await turns_of(read_all) < ITEMS


async def test_a_task_that_waits_no_more_takes_its_demand_back() -> None:
    source = TrackedSource(range(9), pause=1)
    found: list[int] = []
    async with Stream(source.iterator).buffer(0) as items, anyio.create_task_group() as tasks:

        async def read(seconds: float) -> None:
            with anyio.move_on_after(seconds):
                found.append(await anext(items))

        for seconds in (5, 0.5, 0.5):
            tasks.start_soon(read, seconds)
        await anyio.sleep(30)
        assert found == [0]
        assert source.steps == 1
        tasks.start_soon(read, 5)
        tasks.start_soon(read, 5)
        await anyio.sleep(30)
        assert (sorted(found), source.steps) == ([0, 1, 2], 3)


@pytest.mark.parametrize("source", ["buffer", "merge", "timeout", "mapped"])
async def test_no_more_items_are_taken_than_there_are_workers(source: str) -> None:
    sources = [TrackedSource(range(ITEMS)) for _ in range(3)]
    parts = [Stream(each.iterator) for each in sources]
    stream: Stream[Any] = {
        "buffer": lambda: parts[0].buffer(0),
        "merge": lambda: merge(*parts),
        "timeout": lambda: parts[0].timeout(60),
        "mapped": lambda: parts[0].buffer(0).map(int),
    }[source]()
    workers = 0

    async def never(item: int) -> None:
        nonlocal workers
        workers += 1
        await anyio.sleep_forever()

    with anyio.move_on_after(1):
        await stream.for_each(never, concurrency=10)
    assert workers == 10
    taken = sum(each.steps for each in sources)
    waiting = 2 if source == "merge" else 0  # those of the other streams, as for one reader
    assert 10 <= taken <= 10 + waiting


GATHERED: dict[str, Callable[[Stream[Any]], Stream[Any]]] = {
    "batched": lambda stream: stream.batched(7),
    "mapped": lambda stream: stream.map(int).batched(7),
    "in time": lambda stream: stream.batched(7, within=60),
    "window": lambda stream: stream.window(7, step=7),
}


@pytest.mark.parametrize("gathered", GATHERED)
async def test_what_gathers_items_asks_for_those_that_it_lacks(gathered: str) -> None:
    source = TrackedSource(range(ITEMS))
    async with GATHERED[gathered](Stream(source.iterator).buffer(0)) as batches:
        for number in range(1, 5):
            assert await anext(batches) == (*range(7 * number - 7, 7 * number),)
            ahead = 7 if gathered == "in time" else 0  # the next one gathers meanwhile
            await anyio.sleep(1)
            assert source.steps == 7 * number + ahead


@pytest.mark.parametrize("workers", [1, 3, 10])
async def test_what_ends_early_asks_for_no_more_than_it_gives(workers: int) -> None:
    source = TrackedSource(range(ITEMS))
    stream = Stream(source.iterator).buffer(0).take(2).map(once, concurrency=workers, ahead=0)
    assert await stream.collect() == [0, 1]
    assert source.steps == 2


async def test_who_reads_one_by_one_asks_for_one() -> None:
    source = TrackedSource(range(ITEMS))
    async with Stream(source.iterator).buffer(0).map(once, concurrency=3).buffer(0) as items:
        await anyio.sleep(1)
        assert source.steps == 6, "three in work, and three that are done"
        assert await anext(items) == 0
