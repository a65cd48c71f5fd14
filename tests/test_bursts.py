"""A source that has several items at one read, as a connection does, and is left in the middle."""

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import anyio
import pytest
from contract import EVERY, first_items
from rows import Row

from anystream import Stream


class Bursts:
    """Gives `size` items at a time, then waits for a second; its cleanup awaits."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.open = 0
        self.cut = 0
        self.reads = 0

    async def __call__(self) -> AsyncIterator[int]:
        self.open += 1
        try:
            for start in itertools.count(0, self.size):
                for n in range(start, start + self.size):
                    yield n
                self.reads += 1
                await anyio.sleep(1)
        finally:
            self.cut += 1
            await anyio.sleep(0.1)
            self.cut -= 1
            self.open -= 1


def of_share(stream: Stream[int], buffer: int) -> AbstractAsyncContextManager[AsyncIterator[int]]:
    @asynccontextmanager
    async def reader() -> AsyncIterator[AsyncIterator[int]]:
        async with stream.share(buffer) as shared, shared as items:
            yield items

    return reader()


def of_partition(
    stream: Stream[int], buffer: int
) -> AbstractAsyncContextManager[AsyncIterator[int]]:
    @asynccontextmanager
    async def reader() -> AsyncIterator[AsyncIterator[int]]:
        async with stream.partition(lambda n: n >= 0, buffer) as (items, _), items as run:
            yield run

    return reader()


def of_group(stream: Stream[int], buffer: int) -> AbstractAsyncContextManager[AsyncIterator[int]]:
    @asynccontextmanager
    async def reader() -> AsyncIterator[AsyncIterator[int]]:
        async with stream.group_by(lambda n: None, buffer) as groups:
            _, group = await anext(groups)
            async with group as items:
                yield items

    return reader()


def of_groups(stream: Stream[int], buffer: int) -> AbstractAsyncContextManager[AsyncIterator[Any]]:
    return stream.group_by(lambda n: n, buffer)


@pytest.mark.parametrize("reader", [of_share, of_partition, of_group, of_groups])
async def test_a_hub_that_is_told_to_stop_asks_for_nothing_more(
    reader: Callable[..., AbstractAsyncContextManager[AsyncIterator[Any]]],
) -> None:
    for size, buffer, reads, pause in itertools.product(
        range(1, 8), range(1, 5), range(1, 4), (0, 0.5)
    ):
        source = Bursts(size)
        async with reader(Stream(source), buffer) as items:
            assert len(await first_items(items, reads)) == reads
            await anyio.sleep(pause)
            read = source.reads
        assert (source.open, source.cut) == (0, 0)
        assert source.reads == read


async def test_a_part_of_a_plain_source_is_left_while_the_rest_waits_for_room() -> None:
    async with Stream(range(4)).partition(bool, 2) as (true, _), true as items:
        assert await anext(items) == 1
        await anyio.sleep(0.5)


@EVERY
async def test_leaving_in_the_middle_of_a_burst(row: Row) -> None:
    for size, reads, pause in itertools.product((1, 2, 3, 4, 7, 30), range(4), (0, 0.5)):
        source = Bursts(size)
        with anyio.move_on_after(5.5):  # the rows of terminal calls do not end before
            async with row.over(Stream(source)) as items:
                await first_items(items, reads)
                await anyio.sleep(pause)
        assert (source.open, source.cut) == (0, 0)
