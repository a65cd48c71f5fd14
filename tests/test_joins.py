"""merge until, race, zip, combine_latest, with_latest_from, concurrently, on_close."""

import builtins
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import nullcontext
from time import sleep
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from insides import tasks_of

import anystream
from anystream import (
    CleanupTimeoutError,
    Stream,
    async_range,
    combine_latest,
    merge,
    race,
    ticker,
)
from anystream.testing import TrackedSource, every_cut


def timed(*pairs: tuple[float, Any]) -> Stream[Any]:
    """Items at times, in seconds after the first step."""

    async def items() -> AsyncIterator[Any]:
        start = anyio.current_time()
        for time, item in pairs:
            await anyio.sleep_until(start + time)
            yield item

    return Stream(items).buffer(100)


# -- merge until ----------------------------------------------------------------------------


async def test_merge_ends_with_the_first_source() -> None:
    slow = TrackedSource("abc", pause=1.5, cleanup=0.5)
    first = timed((1, 0), (2, 1), (3.5, 2))
    async with merge(first, slow.generator(), until="any") as items:
        assert [item async for item in items] in ([0, "a", 1, "b", 2], [0, "a", 1, 2])
        await anyio.sleep(1)
        assert slow.open_runs == 0, "the others are stopped at the end, not at the leaving"


async def test_what_came_before_the_end_of_the_first_source_is_read() -> None:
    async with merge([1, 2, 3], timed((0.1, 4), (9, 5)), buffer=5, until="any") as items:
        await anyio.sleep(1)
        assert sorted([item async for item in items]) in ([1, 2, 3], [1, 2, 3, 4])


async def test_an_error_ends_a_merge_until_any_after_what_came_before_it() -> None:
    source = TrackedSource(range(9), pause=1)
    failing = timed((0.5, 10), (1.5, 11)).tap(lambda n: 1 / (11 - n))
    got: list[int] = []
    with pytest.raises(ZeroDivisionError):
        async with merge(Stream(source.generator), failing, until="any") as items:
            async for item in items:
                got.append(item)
    assert got == [10, 0]
    assert source.open_runs == 0


async def test_an_empty_merge_until_any() -> None:
    assert await anystream.merge(until="any").collect() == []
    assert await merge([], ticker(1), until="any").collect() == []


def test_bad_until() -> None:
    with pytest.raises(ValueError, match="until must be one of 'all', 'any', got 'some'"):
        merge("ab", until="some")  # type: ignore[arg-type]


# -- race -----------------------------------------------------------------------------------


async def test_the_first_to_give_an_item_wins_and_the_others_are_closed() -> None:
    losers = [TrackedSource(range(9), pause=pause, cleanup=0.5) for pause in (3, 7)]
    stream = race(losers[0].generator, timed((2, "a"), (5, "b"), (9, "c")), losers[1].iterator)
    async with stream as items:
        assert await anext(items) == "a"
        await anyio.sleep(1)
        assert [loser.open_runs for loser in losers] == [0, 0]
        assert [item async for item in items] == ["b", "c"]


async def test_a_source_without_items_is_out_of_the_race() -> None:
    assert await race([], timed((1, "a"), (2, "b"))).collect() == ["a", "b"]
    assert await race([], []).collect() == []
    assert await race().collect() == []


async def test_of_ready_sources_one_wins() -> None:
    got = await race("aaa", "bbb", "ccc").collect()
    assert got in (["a"] * 3, ["b"] * 3, ["c"] * 3)


async def test_an_error_before_there_is_a_winner_ends_the_race() -> None:
    other = TrackedSource(range(9), pause=5, cleanup=0.5)
    failing = TrackedSource([1], pause=1, errors={0: OSError("early")})
    with pytest.raises(OSError, match="early"):
        await race(failing.generator, other.generator).collect()
    assert other.open_runs == failing.open_runs == 0


async def test_an_error_in_the_cleanup_of_a_loser_comes_at_the_end() -> None:
    loser = TrackedSource(range(9), pause=5, cleanup_error=OSError("loser"))
    with pytest.raises(OSError, match="loser"):
        async with race(timed((1, "a"), (3, "b")), loser.generator) as items:
            assert [item async for item in items] == ["a", "b"]


# -- zip ------------------------------------------------------------------------------------


@pytest.mark.parametrize("lengths", [*itertools.product((0, 1, 3), repeat=3)])
async def test_zip_like_the_builtin(lengths: tuple[int, ...]) -> None:
    lists = [builtins.list(range(length)) for length in lengths]
    sources = [TrackedSource(each) for each in lists]
    assert await anystream.zip(*(source.generator for source in sources)).collect() == [
        *builtins.zip(*lists, strict=False)
    ]
    assert all(source.open_runs == 0 for source in sources)


@pytest.mark.parametrize("lengths", [*itertools.product((0, 1, 3), repeat=2)])
@pytest.mark.parametrize("pauses", [(0, 0), (0, 1), (1, 0)])
async def test_strict_zip_like_the_builtin(
    lengths: tuple[int, ...], pauses: tuple[float, float]
) -> None:
    lists = [builtins.list(range(length)) for length in lengths]
    sources = [
        TrackedSource(each, pause=pause) for each, pause in builtins.zip(lists, pauses, strict=True)
    ]
    stream = anystream.zip(*(source.generator for source in sources), strict=True)
    got: list[Any] = []
    short, longer = (0, 1) if lengths[0] < lengths[1] else (1, 0)
    message = rf"zip\(strict=True\): source {short} ended before source {longer}\n"
    uneven = pytest.raises(ValueError, match=message)
    async with stream as items:
        with uneven if lengths[0] != lengths[1] else nullcontext():
            async for item in items:
                got.append(item)
    assert got == [*builtins.zip(*lists, strict=False)]
    assert all(source.open_runs == 0 for source in sources)


async def test_zip_asks_all_at_the_same_time() -> None:
    start = anyio.current_time()
    rows = await async_range(3, delay=1).zip(async_range(3, delay=1), ticker(1)).collect()
    assert [row[:2] for row in rows] == [(0, 0), (1, 1), (2, 2)]
    assert anyio.current_time() - start == pytest.approx(3)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=4), st.booleans())
@settings(max_examples=60)
async def test_zip_without_tasks_like_the_builtin(lengths: list[int], strict: bool) -> None:
    """Of sources that never wait, in batches that end here and there."""
    lists = [builtins.list(range(length)) for length in lengths]
    streams = [async_range(length + 1).take(length) for length in lengths]
    got: list[Any] = []
    uneven = pytest.raises(ValueError, match=r"source . ended before source .\n")
    async with anystream.zip(*streams, strict=strict) as items:
        assert not tasks_of(items)
        with uneven if strict and len({*lengths}) > 1 else nullcontext():
            async for item in items:
                got.append(item)
                await anyio.lowlevel.checkpoint()
        assert got == [*builtins.zip(*lists, strict=False)]


async def test_zip_without_tasks_over_many_batches() -> None:
    def slowly(every: int) -> Iterator[int]:
        for n in range(100):
            if n % every == 0:
                sleep(0.002)  # longer than a batch
            yield n

    rows = await anystream.zip(slowly(3), range(1000), slowly(7)).collect()
    assert rows == [(n, n, n) for n in range(100)]


async def test_zip_without_tasks_gives_the_event_loop_its_turn() -> None:
    with anyio.move_on_after(1) as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anystream.zip(itertools.count(), itertools.count()).drain)
            for _ in range(5):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
    assert not scope.cancelled_caught


async def test_zip_without_tasks_asks_in_order() -> None:
    """And so, like the builtin, no more than it has to."""
    asked: list[str] = []

    def source(name: str, *items: int) -> Iterator[int]:
        for item in items:
            asked.append(name)
            yield item

    assert await anystream.zip(source("a", 1), source("b", 1, 2)).collect() == [(1, 1)]
    assert asked == ["a", "b"]


async def test_an_error_in_a_zip_without_tasks_comes_after_the_complete_rows() -> None:
    def failing() -> Iterator[int]:
        yield from range(2)
        raise OSError("two")

    got: list[Any] = []
    with pytest.raises(OSError, match="two"):
        await Stream(range(9)).zip(failing()).for_each(got.append)
    assert got == [(0, 0), (1, 1)]


async def test_a_cancelled_step_of_a_zip_without_tasks_loses_nothing() -> None:
    for cut in every_cut():
        got: list[Any] = []
        async with Stream(range(4)).zip(range(9)) as items:
            await cut.collect(items, got)
        assert got == [(n, n) for n in range(4)]


async def test_zip_of_nothing() -> None:
    assert await anystream.zip().collect() == []
    assert await anystream.zip(strict=True).collect() == []
    assert await anystream.zip("ab").collect() == [("a",), ("b",)]


async def test_a_cancelled_step_of_a_zip_loses_nothing() -> None:
    for cut in every_cut():
        got: list[Any] = []
        slow = TrackedSource(range(4), pause=1)
        async with slow_zip(slow) as items:
            await cut.collect(items, got)
        assert got == [(n, n) for n in range(4)]


def slow_zip(slow: TrackedSource[int]) -> Stream[tuple[int, int]]:
    return Stream(slow.generator).zip(async_range(9))


async def test_zip_is_not_ahead() -> None:
    source = TrackedSource(range(9))
    async with Stream(source.generator).zip(range(9)) as items:
        for read in range(1, 4):
            await anext(items)
            await anyio.sleep(1)
            assert source.steps == read


async def test_an_error_in_a_zip_comes_after_the_complete_rows() -> None:
    failing = TrackedSource(range(9), errors={2: OSError("two")})
    got: list[Any] = []
    with pytest.raises(OSError, match="two"):
        async with Stream(failing.generator).zip(async_range(9, delay=1)) as items:
            async for item in items:
                got.append(item)
    assert got == [(0, 0), (1, 1)]


# -- latest ---------------------------------------------------------------------------------


async def test_combine_latest() -> None:
    a = timed((1, "a"), (3, "b"), (6, "c"))
    b = timed((2, 1), (4, 2), (5, 3))
    assert await combine_latest(a, b).collect() == [
        ("a", 1),
        ("b", 1),
        ("b", 2),
        ("b", 3),
        ("c", 3),
    ]


async def test_combine_latest_ends_when_it_can_never_begin() -> None:
    start = anyio.current_time()
    assert await combine_latest(ticker(1), []).collect() == []
    assert anyio.current_time() - start < 2
    assert await combine_latest().collect() == []
    assert await async_range(3).combine_latest().collect() == [(0,), (1,), (2,)]


async def test_combine_latest_takes_items_that_compare_strangely() -> None:
    class Strange:
        def __eq__(self, other: object) -> bool:
            raise TypeError("not comparable")

        __hash__ = None  # type: ignore[assignment]

    item = Strange()
    rows = await combine_latest([item], [item]).collect()
    assert rows[0][0] is rows[0][1] is item


async def test_with_latest_from() -> None:
    lead = timed((1, "a"), (3, "b"), (4, "c"), (9, "d"))
    other = timed((2, 1), (3.5, 2), (5, 3), (6, 4))
    assert await lead.with_latest_from(other).collect() == [("b", 1), ("c", 2), ("d", 4)]


async def test_with_latest_from_keeps_up_while_nobody_reads() -> None:
    async with async_range(3).with_latest_from(timed(*((n, n) for n in range(99)))) as items:
        await anyio.sleep(0.5)
        assert await anext(items) == (0, 0)
        await anyio.sleep(10)
        assert await anext(items) == (1, 10)


async def test_with_latest_from_ends_with_the_lead() -> None:
    other = TrackedSource(range(999), pause=1, cleanup=0.5)
    got = await timed((3, "a"), (5.5, "b")).with_latest_from(other.generator, "x").collect()
    assert [row[0] for row in got] == ["a", "b"]
    assert other.open_runs == 0
    assert await async_range(2).with_latest_from([]).collect() == []


# -- concurrently and on_close --------------------------------------------------------------


async def test_a_background_lives_and_dies_with_the_stream() -> None:
    background = TrackedSource(range(999), pause=1, cleanup=0.5)
    assert await async_range(3, delay=2).concurrently(background.generator).collect() == [0, 1, 2]
    assert 4 <= background.steps <= 7
    assert background.open_runs == 0
    async with ticker(2).concurrently(background.generator) as items:
        await anext(items)
    assert background.open_runs == 0


async def test_a_background_that_ends_first() -> None:
    assert await async_range(3, delay=2).concurrently([1, 2]).collect() == [0, 1, 2]


async def test_a_background_that_fails() -> None:
    source = TrackedSource(range(9), pause=2, cleanup=0.5)
    background = TrackedSource([1], pause=3, errors={0: OSError("background")})
    got: list[int] = []
    with pytest.raises(OSError, match="background"):
        async with Stream(source.generator).concurrently(background.generator) as items:
            async for item in items:
                got.append(item)
    assert got == [0]
    assert source.open_runs == 0


async def test_on_close_is_called_once_however_the_stream_is_left() -> None:
    calls: list[str] = []
    stream = async_range(5).on_close(lambda: calls.append("closed"))
    assert await stream.collect() == [0, 1, 2, 3, 4]
    assert calls == ["closed"]
    assert [n async for n in stream] == [0, 1, 2, 3, 4]
    assert len(calls) == 2
    async with stream as items:
        await anext(items)
        assert len(calls) == 2
        await items.aclose()
        assert len(calls) == 3
    assert len(calls) == 3
    with pytest.raises(KeyError):
        async with stream:
            raise KeyError
    assert len(calls) == 4


async def test_on_close_in_order_and_with_an_async_function() -> None:
    order: list[str] = []

    def closer(name: str) -> Any:
        async def close() -> None:
            await anyio.sleep(0.1)
            order.append(name)

        return close

    stream = async_range(5).on_close(closer("up")).buffer(1).on_close(closer("down"))
    with anyio.move_on_after(1):
        async with stream as items:
            await anext(items)
            await anyio.sleep(2)
    assert order == ["down", "up"]


async def test_on_close_that_fails_or_hangs() -> None:
    def fail() -> None:
        raise OSError("on close")

    async def hang() -> None:
        await anyio.sleep(1000)

    with pytest.raises(OSError, match="on close"):
        await async_range(5).on_close(fail).collect()
    start = anyio.current_time()
    with pytest.raises(CleanupTimeoutError):
        await async_range(5).on_close(hang).with_grace(2).collect()
    assert anyio.current_time() - start == pytest.approx(2)


async def test_on_close_in_a_bare_loop_that_is_left() -> None:
    stream = async_range(5).on_close(lambda: None)
    with pytest.warns(ResourceWarning, match="was dropped before it was closed"):
        async for _ in stream:
            break


def test_texts() -> None:
    numbers = async_range(3)
    assert repr(numbers.merge("ab", until="any")) == "async_range(3).merge('ab', until='any')"
    assert repr(merge(numbers, buffer=3)) == "merge(async_range(3), buffer=3)"
    assert repr(race(numbers)) == "race(async_range(3))"
    assert repr(numbers.zip("ab", strict=True)) == "async_range(3).zip('ab', strict=True)"
    assert repr(combine_latest(numbers)) == "combine_latest(async_range(3))"
    assert repr(numbers.with_latest_from("a")) == "async_range(3).with_latest_from('a')"
    assert repr(numbers.concurrently("a").on_close(print)) == (
        "async_range(3).concurrently('a').on_close(print)"
    )
