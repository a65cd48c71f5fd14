"""Rows that are longer than Python's stack: built in time, and refused before anything is open."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from anystream import Stream, StreamDepthError, StreamError, async_range, chain, merge
from anystream.testing import TrackedSource


async def same(item: Any) -> Any:
    return item


OPERATORS: dict[str, Callable[[Stream[Any]], Stream[Any]]] = {
    "map": lambda s: s.map(str),
    "map async": lambda s: s.map(same),
    "map concurrent": lambda s: s.map(same, concurrency=2),
    "filter": lambda s: s.filter(same),
    "take": lambda s: s.take(9),
    "take_while": lambda s: s.take_while(same),
    "accumulate": lambda s: s.accumulate(),
    "tap": lambda s: s.tap(same),
    "batched": lambda s: s.batched(1),
    "flat_map": lambda s: s.flat_map(lambda item: [item]),
    "flat_map concurrent": lambda s: s.flat_map(lambda item: [item], concurrency=2),
    "buffer": lambda s: s.buffer(0),
    "chain": lambda s: chain(s, [1]),
    "merge": lambda s: merge(s),
    "catch": lambda s: s.catch(lambda error: []),
    "retry": lambda s: s.retry(),
    "repeat": lambda s: s.repeat(1),
    "timeout": lambda s: s.timeout(5),
    "delay": lambda s: s.delay(0),
    "switch_map": lambda s: s.switch_map(lambda item: [item]),
    "inside": lambda s: Stream(s),
    "grace": lambda s: s.with_grace(2).buffer(1),
}


def row(source: Any, name: str, length: int) -> Stream[Any]:
    items: Stream[Any] = Stream(source)
    for _ in range(length):
        items = OPERATORS[name](items)
    return items


@pytest.mark.parametrize("name", OPERATORS)
async def test_a_row_can_be_opened_or_is_refused_before_anything_is_open(name: str) -> None:
    outcomes: list[bool] = []
    for length in (30, 60, 90, 125, 145, 170, 190, 219, 300):
        source = TrackedSource([1, 2])
        try:
            await row(source.generator, name, length).collect()
        except StreamDepthError:
            assert source.opened == 0
            outcomes.append(False)
        else:
            assert (source.opened, source.open_runs) == (1, 0)
            outcomes.append(True)
    assert outcomes[:3] == [True, True, True]
    assert outcomes[-1] is False
    assert outcomes == sorted(outcomes, reverse=True)


async def test_every_way_of_opening_refuses_it() -> None:
    deep = row([1, 2], "map", 2_000)
    with pytest.raises(
        StreamDepthError, match=r"^\.\.\..*may need 6\d\d\d nested frames of Python"
    ):
        await deep.collect()
    with pytest.raises(RecursionError):
        await deep.first()
    with pytest.raises(StreamError):
        async with deep:
            pass
    with pytest.raises(StreamDepthError):
        async for _ in deep:
            pass
    with pytest.raises(StreamDepthError):
        await merge(deep, [1]).collect()
    iterator = TrackedSource([1]).iterator()
    with pytest.raises(StreamDepthError):
        await row(iterator, "map", 2_000).collect()
    assert await Stream(iterator).collect() == [1]


async def test_a_long_row_is_built_in_time_and_written_down() -> None:
    items = row([1], "map", 20_000)
    assert items.explain().count("map(str)") == 20_000
    assert len(repr(items)) == 200
    assert repr(items).startswith("Stream([1]).map(str)")
    assert repr(items).endswith(".map(str)")


async def test_streams_that_grow_by_one_are_fine() -> None:
    total: Stream[int] = async_range(1)
    for number in range(150):
        total = chain(total, [number])
    assert await total.count() == 151


def nested(source: TrackedSource[int], name: str) -> Stream[Any]:
    """A stream whose own step opens another one like it, without end."""

    def inner(*_: Any) -> Stream[Any]:
        return nested(source, name)

    async def fails() -> AsyncIterator[int]:
        yield 1
        raise OSError

    made: dict[str, Callable[[], Stream[Any]]] = {
        "function": lambda: Stream(inner),
        "flat_map": lambda: Stream(source.generator).flat_map(inner),
        "flat_map of a chain": lambda: chain([1], Stream(source.generator)).flat_map(inner),
        "chain": lambda: chain(Stream(source.generator), Stream(inner)),
        "catch": lambda: Stream(fails).catch(inner),
        "row": lambda: Stream(inner).map(str),
    }
    return made[name]()


@pytest.mark.parametrize(
    "name", ["function", "flat_map", "flat_map of a chain", "chain", "catch", "row"]
)
async def test_a_stream_that_opens_itself_is_refused_and_what_is_open_is_closed(name: str) -> None:
    source = TrackedSource([1])
    with pytest.raises(StreamDepthError, match="chain fewer streams or operators"):
        await nested(source, name).collect()
    assert source.open_runs == 0


async def test_a_tree_of_a_hundred_levels_is_walked() -> None:
    def below(level: int) -> Stream[int]:
        return Stream([level]).flat_map(lambda n: below(n - 1) if n else [0])

    assert await below(100).collect() == [0]
