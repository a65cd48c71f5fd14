"""The generators that a closed one has read are closed after it, unless somebody else has them."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from math import nan
from typing import Any

import anyio
import pytest

from anystream import Stream, merge, stream
from anystream.testing.tasks import current_task

Log = list[str]


async def numbers(log: Log, name: str = "inner") -> AsyncGenerator[int, None]:
    try:
        for n in range(100):
            await anyio.sleep(0.01)
            yield n
    finally:
        await anyio.sleep(0.1)
        log.append(name)


async def reading(source: AsyncIterator[int], log: Log, name: str) -> AsyncGenerator[int, None]:
    try:
        async for item in source:
            yield item
    finally:
        log.append(name)


def row(log: Log) -> AsyncGenerator[int, None]:
    return reading(reading(numbers(log), log, "middle"), log, "outer")


ORDER = ["outer", "middle", "inner"]

WAYS: dict[str, Callable[[Log], Stream[int]]] = {
    "handed over": lambda log: Stream(row(log)),
    "made": lambda log: Stream(lambda: row(log)),
    "buffer": lambda log: Stream(lambda: row(log)).buffer(0),
    "merge": lambda log: merge(row(log), []),
    "flat_map": lambda log: Stream([1]).flat_map(lambda _: row(log)),
    "workers": lambda log: Stream([1]).flat_map(lambda _: row(log), concurrency=2),
    "switch_map": lambda log: Stream([1]).switch_map(lambda _: row(log)),
}


@pytest.mark.parametrize("way", WAYS)
async def test_they_are_closed_the_outermost_first(way: str) -> None:
    log: Log = []
    async with WAYS[way](log) as items:
        async for _ in items:
            break
    assert log == ORDER


@pytest.mark.parametrize("way", WAYS)
async def test_a_cancelled_step_ends_them(way: str) -> None:
    log: Log = []
    with anyio.move_on_after(0.055):
        await WAYS[way](log).drain()
    assert sorted(log) == sorted(ORDER)


async def test_in_the_task_that_has_read_them() -> None:
    tasks: list[object] = []

    async def inner() -> AsyncIterator[int]:
        tasks.append(current_task())
        try:
            yield 1
        finally:
            tasks.append(current_task())

    async def outer() -> AsyncIterator[int]:
        async for item in inner():
            yield item

    await Stream(outer).first()
    assert tasks == [current_task()] * 2


async def test_one_that_somebody_has_stays_open_and_so_does_what_it_reads() -> None:
    log: Log = []
    shared = reading(numbers(log), log, "shared")
    assert await Stream(reading(shared, log, "outer")).take(2).collect() == [0, 1]
    assert log == ["outer"]
    assert await anext(shared) == 2
    assert await Stream(shared).take(2).collect() == [3, 4]
    assert log == ["outer", "shared", "inner"]


async def test_an_object_that_was_handed_over_keeps_its_own() -> None:
    log: Log = []

    class Feed:
        def __init__(self) -> None:
            self.inner = numbers(log)

        async def __aiter__(self) -> AsyncIterator[int]:
            async for item in self.inner:
                yield item

    feed = Feed()
    assert await Stream(feed).take(2).collect() == [0, 1]
    assert await Stream(feed).take(2).collect() == [2, 3]
    assert await Stream(lambda: feed).take(2).collect() == [4, 5]  # it has nothing to be closed by
    assert log == []
    await feed.inner.aclose()


class Part:
    """As the clients of LLM servers have it: an object whose generator reads that of another."""

    def __init__(self, log: Log, name: str, source: Any = None) -> None:
        self.log = log
        self.name = name
        self.source = source
        self.items = self.read()

    async def read(self) -> AsyncIterator[int]:
        items: Any = numbers(self.log) if self.source is None else self.source
        try:
            async for item in items:
                yield item
        finally:
            self.log.append(self.name)

    async def __aiter__(self) -> AsyncIterator[int]:
        async for item in self.items:
            yield item


class Reply(Part):
    async def aclose(self) -> None:
        self.log.append("aclose")


@pytest.mark.parametrize("is_made", [False, True])
async def test_the_parts_of_an_object_that_is_closed(is_made: bool) -> None:
    log: Log = []
    reply = Reply(log, "reply", Part(log, "part"))
    await Stream((lambda: reply) if is_made else reply).take(2).drain()
    assert log == ["reply", "part", "inner", "aclose"]


async def test_a_part_that_somebody_has_stays_open() -> None:
    log: Log = []
    shared = numbers(log)
    reply = Reply(log, "reply", shared)
    await Stream(reply).take(2).drain()
    assert log == ["reply", "aclose"]
    assert await anext(shared) == 2
    await shared.aclose()


class Response:
    """One whose generator belongs to it, and refers to it in turn, as in most clients."""

    def __init__(self, log: Log, items: Any = None) -> None:
        self.log = log
        self.source = numbers(log) if items is None else items
        self.items = self.read()

    async def read(self) -> AsyncIterator[int]:
        try:
            async for item in self.source:
                yield item
        finally:
            self.log.append("middle")

    def __aiter__(self) -> AsyncIterator[int]:
        return self

    def __anext__(self) -> Any:
        return anext(self.items)


class Traced(Response):
    """What a package that measures puts around it."""

    def __init__(self, log: Log) -> None:
        self.source = Response(log)

    def __anext__(self) -> Any:
        return anext(self.source)


class Generating(Response):
    """As that of OpenAI's client, whose iterator is another generator."""

    async def __aiter__(self) -> AsyncIterator[int]:
        async for item in self.items:
            yield item


RESPONSES = pytest.mark.parametrize("kind", [Response, Traced, Generating])


@RESPONSES
@pytest.mark.parametrize("has_variable", [False, True])
@pytest.mark.parametrize("buffer", [None, 0])
async def test_those_of_an_object_that_one_has_read(
    kind: type[Response], has_variable: bool, buffer: int | None
) -> None:
    log: Log = []

    @stream
    async def outer() -> AsyncIterator[int]:
        response = kind(log) if has_variable else None
        try:
            async for item in response or kind(log):
                yield item
        finally:
            log.append("outer")

    items = outer() if buffer is None else outer().buffer(buffer)
    assert await items.take(2).collect() == [0, 1]
    assert log == ORDER


@RESPONSES
async def test_an_object_that_somebody_has_keeps_its_own(kind: Any) -> None:
    log: Log = []
    held = [kind(log)]
    got = await Stream(reading(held[0], log, "outer")).take(2).collect()
    assert (got, log) == ([0, 1], ["outer"])
    got = await Stream(held[0]).take(2).collect()
    assert (got, log) == ([2, 3], ["outer"])
    got = await Stream(reading(held.pop(), log, "outer")).take(1).collect()
    assert (got, log) == ([4], ["outer", *ORDER])


async def test_a_generator_of_an_object_that_somebody_has_keeps_all_of_it() -> None:
    log: Log = []
    response = Response(log)
    items = response.items
    outer = reading(response, log, "outer")
    del response
    assert await Stream(outer).take(2).collect() == [0, 1]
    assert log == ["outer"]
    assert await anext(items) == 2
    assert await Stream(items).take(1).collect() == [3]
    assert log == ["outer", "middle", "inner"]


async def test_one_that_two_of_them_refer_to() -> None:
    log: Log = []

    async def outer() -> AsyncIterator[int]:
        inner = numbers(log)
        middle = reading(inner, log, "middle")
        try:
            async for item in middle:
                yield item + 0 * id(inner)
        finally:
            log.append("outer")

    await Stream(outer).first()
    assert log == ORDER


async def test_one_that_closes_what_it_reads() -> None:
    log: Log = []

    async def outer() -> AsyncIterator[int]:
        async with aclosing(reading(numbers(log), log, "middle")) as items:
            async for item in items:
                yield item

    await Stream(outer).first()
    assert log == ["middle", "inner"]


async def test_their_errors_are_those_of_the_cleanup() -> None:
    async def inner() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            raise OSError("of the cleanup")

    async def outer() -> AsyncIterator[int]:
        async for item in inner():
            yield item

    with pytest.raises(OSError, match=r"^of the cleanup$"):
        await Stream(outer).first()


@pytest.mark.leaks_expected("abandoned")
async def test_where_references_are_not_counted_python_is_left_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("anystream._core.orphans.references", lambda _: nan)
    log: Log = []
    assert await Stream(row(log)).first() == 0
    assert log == ["outer"]
