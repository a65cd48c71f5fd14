"""One stream for several readers: share, partition and group_by."""

import asyncio
import gc
import itertools
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import nullcontext
from typing import Any

import anyio
import pytest
from anyio.abc import TaskStatus
from anyio.lowlevel import checkpoint
from test_joins import timed

from anystream import (
    Stream,
    StreamBusyError,
    StreamClosedError,
    StreamConsumedError,
    StreamDeadlockError,
    StreamOverflowError,
    WrongTaskError,
    async_range,
    chain,
    combine_latest,
    merge,
    race,
    stream,
    ticker,
    zip,
)
from anystream._core.channel import OVERFLOWS
from anystream.testing import MODES, TrackedSource, every_cut


async def read(
    stream: Stream[Any],
    into: list[Any],
    go: anyio.Event | None = None,
    *,
    task_status: TaskStatus[None],
) -> None:
    """A reader that has joined when it says so."""
    async with stream as items:
        task_status.started()
        if go is not None:
            await go.wait()
        async for item in items:
            into.append(item)


# -- share ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["generator", "iterator"])
@pytest.mark.parametrize("buffer", [0, 1, 16])
async def test_every_reader_gets_every_item(kind: str, buffer: int) -> None:
    source = TrackedSource(range(20), cleanup=0.5)
    got: list[list[int]] = [[], [], []]
    async with Stream(getattr(source, kind)).share(buffer) as shared:
        async with anyio.create_task_group() as group:
            go = anyio.Event()
            for each in got:
                await group.start(read, shared, each, go)
            go.set()
        assert source.opened == 1
        assert source.open_runs == 0, "closed with the last reader"
    assert got == [list(range(20))] * 3


async def test_the_source_comes_with_the_first_reader_and_goes_with_the_last() -> None:
    source = TrackedSource(range(99), pause=1, cleanup=0.5)
    async with Stream(source.generator).share() as shared:
        await anyio.sleep(5)
        assert source.opened == 0
        async with shared as a:
            assert await anext(a) == 0
            async with shared as b:
                assert await anext(b) == 1
            await anyio.sleep(3)
            assert source.open_runs == 1
        assert source.opened == 1
        assert source.open_runs == 0
        async with shared as c:
            assert await anext(c) == 0
            assert source.opened == 2
    assert source.open_runs == 0


@pytest.mark.parametrize("read", [True, False])
async def test_the_tasks_of_the_source_come_with_the_first_reader_too(read: bool) -> None:
    source, other = TrackedSource(range(9)), TrackedSource(range(9))
    ways = merge(Stream(source.generator).buffer(2), other.generator())  # one was handed over
    async with ways.share() as shared:
        await anyio.sleep(1)
        assert (source.steps, other.steps) == (0, 0)
        if read:
            assert await shared.count() == 18
    assert source.open_runs == other.open_runs == 0


async def test_a_generator_that_was_handed_to_a_share_is_closed_unread() -> None:
    generator = TrackedSource(range(9)).generator()
    async with Stream(generator).buffer(2).share():
        await anyio.sleep(1)
    with pytest.raises(StopAsyncIteration):
        await anext(generator)


async def test_a_shared_source_that_nobody_has_read_is_not_begun_by_the_close() -> None:
    called: list[str] = []

    def source() -> Iterator[int]:
        called.append("source")
        return iter(range(9))

    async with Stream(source).buffer(2).buffer(2).share():
        await anyio.sleep(1)
    assert not called


async def test_all_readers_get_the_items_before_an_error() -> None:
    def failing() -> Iterator[int]:
        yield from range(3)
        raise OSError("three")

    async with Stream(failing).share() as shared, shared as a, shared as b:
        for reader in (a, b):
            assert [await anext(reader) for _ in range(3)] == [0, 1, 2]
            with pytest.raises(OSError, match="three"):
                await anext(reader)


async def test_a_shared_stream_can_be_used_like_any_other() -> None:
    async with async_range(9).share() as shared:
        assert await shared.map(str).take(3).collect() == ["0", "1", "2"]
        assert [n async for n in shared] == list(range(9))
        assert repr(shared) == "async_range(9).share()"


async def test_replay() -> None:
    letters = timed((1, "a"), (2, "b"), (3, "c"), (5, "d"))
    async with letters.share(replay=2) as shared, shared as first:
        assert await anext(first) == "a"
        await anyio.sleep(2.5)
        assert await shared.collect() == ["b", "c", "d"]
        assert await shared.collect() == ["c", "d"], "after the end, while the first stays"
        assert [item async for item in first] == ["b", "c", "d"]


@pytest.mark.parametrize("overflow", OVERFLOWS)
@pytest.mark.parametrize("buffer", [0, 1, 2, 3, 9])
async def test_a_late_reader_that_reads_at_once_gets_the_replay_and_the_rest(
    buffer: int, overflow: Any
) -> None:
    if not buffer and overflow != "wait":
        pytest.skip("such a policy needs room")
    first: list[int] = []
    async with (
        async_range(10, delay=1).share(buffer, overflow, replay=3) as shared,
        anyio.create_task_group() as tasks,
    ):
        await tasks.start(read, shared, first)
        await anyio.sleep(4.5)
        known = len(first)
        assert await shared.collect() == [*range(known - 3, 10)]
    assert first == [*range(10)]


@pytest.mark.parametrize(
    ("overflow", "behind"),
    [
        ("wait", [5, 6, 7, 8, 9]),
        ("drop_oldest", [8, 9]),
        ("drop_newest", [5, 6]),
        ("error", [5, 6]),
    ],
)
async def test_what_is_replayed_takes_no_room(overflow: Any, behind: list[int]) -> None:
    """And a reader that comes late, and is slow as well, does no harm to the others."""
    first: list[int] = []
    late: list[int] = []
    async with (
        async_range(10, delay=1).share(2, overflow, replay=3) as shared,
        anyio.create_task_group() as tasks,
    ):
        await tasks.start(read, shared, first)
        await anyio.sleep(5.5)
        assert first == [*range(5)]
        async with shared as items:
            await anyio.sleep(60)
            assert (items.statistics().stages[0].waiting, len(first)) == (
                5,
                7 if overflow == "wait" else 10,
            )
            with pytest.raises(StreamOverflowError) if overflow == "error" else nullcontext():
                async for item in items:
                    late.append(item)
    assert late == [2, 3, 4, *behind]
    assert first == [*range(10)]


async def test_what_is_replayed_is_not_lost_by_a_cancelled_step() -> None:
    async with async_range(6).share(replay=9) as shared, shared as first:
        assert [item async for item in first] == [*range(6)]
        async with shared as late:
            got: list[int] = []
            while len(got) < 6:
                with anyio.CancelScope() as scope:
                    if len(got) % 2:
                        scope.cancel()
                    got.append(await anext(late))
                if scope.cancelled_caught:
                    got.append(await anext(late))
            assert got == [*range(6)]
            assert await anext(late, None) is None


async def test_the_slowest_reader_holds_up_all() -> None:
    source = TrackedSource(range(99))
    async with Stream(source.generator).share(3) as shared, shared as fast, shared as slow:
        for n in range(3):
            assert await anext(fast) == n
        with anyio.move_on_after(0.5):
            await anext(fast)
            raise AssertionError("ahead of its bound")
        assert source.steps == 3
        assert await anext(slow) == 0
        assert await anext(fast) == 3


async def test_drop_policies() -> None:
    numbers = async_range(10, delay=1)
    async with numbers.share(3, "drop_oldest") as shared, shared as a:
        assert await anext(a) == 0
        await anyio.sleep(100)
        assert [n async for n in a] == [7, 8, 9]
    async with numbers.share(3, "drop_newest") as shared, shared as a:
        assert await anext(a) == 0
        await anyio.sleep(100)
        assert [n async for n in a] == [1, 2, 3]


async def test_only_the_reader_that_is_too_slow_fails() -> None:
    async with async_range(10, delay=1).share(3, "error") as shared, shared as fast, shared as slow:
        assert [n async for n in fast] == list(range(10))
        got: list[int] = []
        with pytest.raises(StreamOverflowError):
            async for n in slow:
                got.append(n)
        assert got == [0, 1, 2]


async def test_a_reader_with_a_policy_of_its_own() -> None:
    async with async_range(10).share(1) as shared, shared.buffer(2, "drop_oldest") as lossy:
        assert await shared.collect() == list(range(10))
        assert [n async for n in lossy] == [8, 9]


async def test_an_error_comes_to_every_reader() -> None:
    error = OSError("source")
    source = TrackedSource(range(9), errors={2: error})
    async with Stream(source.generator).share() as shared, shared as a, shared as b:
        for items in (a, b):
            got: list[int] = []
            with pytest.raises(OSError, match="source") as caught:
                async for item in items:
                    got.append(item)
            assert caught.value is error
            assert got == [0, 1]


async def test_an_error_of_the_cleanup() -> None:
    source = TrackedSource(range(2), cleanup_error=OSError("cleanup"))
    with pytest.raises(OSError, match="cleanup"):
        async with Stream(source.generator).share() as shared:
            await shared.collect()
    stopped = TrackedSource(range(99), cleanup_error=OSError("cleanup"))
    with pytest.raises(OSError, match="cleanup"):
        async with Stream(stopped.generator).share() as shared:
            assert await shared.first() == 0


async def test_leaving_the_block_ends_the_readers() -> None:
    source = TrackedSource(range(99), pause=1, cleanup=0.5)
    owner = Stream(source.generator).share()
    async with owner as shared:
        items = aiter(shared)
        assert await anext(items) == 0
    assert source.open_runs == 0
    with pytest.raises(StreamClosedError):
        await anext(items)
    with pytest.raises(StreamClosedError, match="inside the `async with` block"):
        await shared.collect()
    async with owner as again:
        assert await again.first() == 0
        with pytest.raises(StreamBusyError):
            await owner.__aenter__()


async def test_leaving_the_block_in_another_task() -> None:
    owner = async_range(9).share()
    await owner.__aenter__()
    async with anyio.create_task_group() as group:

        async def leave() -> None:
            with pytest.raises(WrongTaskError):
                await owner.__aexit__(None, None, None)

        group.start_soon(leave)
    await owner.__aexit__(None, None, None)


async def test_two_readers_in_one_task_that_would_wait_for_ever() -> None:
    async with async_range(99).share(2) as shared, shared as a, shared as b:
        start = anyio.current_time()
        with pytest.raises(StreamDeadlockError, match="is full"):
            async for _ in a:
                pass
        assert anyio.current_time() - start == pytest.approx(1)
        with pytest.raises(StreamDeadlockError):
            async for _ in b:
                pass


async def test_a_slow_reader_in_another_task_is_no_deadlock() -> None:
    slow_items: list[int] = []
    async with async_range(5).share(1) as shared, anyio.create_task_group() as group:

        async def slow(*, task_status: TaskStatus[None]) -> None:
            async with shared as items:
                task_status.started()
                async for item in items:
                    slow_items.append(item)
                    await anyio.sleep(10)

        await group.start(slow)
        assert await shared.collect() == list(range(5))
    assert slow_items == list(range(5))


async def test_what_was_handed_over_is_closed_though_nobody_reads() -> None:
    source = TrackedSource(range(9), cleanup=0.5)
    iterator = source.iterator()
    async with Stream(iterator).share():
        pass
    assert source.open_runs == 0


@pytest.mark.parametrize("mode", MODES)
async def test_share_cancelled_anywhere(mode: Any) -> None:
    for cut in every_cut():
        source = TrackedSource(range(4), cleanup=0.25)
        got: list[int] = []

        async def program(source: TrackedSource[int] = source, got: list[int] = got) -> None:
            async with Stream(source.iterator).share(1) as shared, shared as a, shared as b:
                for _ in range(3):
                    got.append(await anext(a))
                    assert await anext(b) == got[-1]

        await cut.run(program(), mode)
        assert got == list(range(len(got)))
        assert source.open_runs == 0


JOINS: dict[str, tuple[Callable[[Any], Stream[Any]], list[Any]]] = {
    "Stream": (Stream, [1, 2, 3]),
    "merge": (lambda owner: merge(owner, []), [1, 2, 3]),
    "chain": (lambda owner: chain([0], owner), [0, 1, 2, 3]),
    "zip": (lambda owner: zip("abc", owner, strict=True), [("a", 1), ("b", 2), ("c", 3)]),
    "race": (lambda owner: race(owner, Stream([0]).delay(9)), [1, 2, 3]),
    "combine_latest": (lambda owner: combine_latest("a", owner), [("a", n) for n in (1, 2, 3)]),
    "a merge": (lambda owner: Stream([]).merge(owner), [1, 2, 3]),
    "with_latest_from": (
        lambda owner: Stream("a").delay(1).with_latest_from(owner),
        [("a", 3)],
    ),
    "concurrently": (lambda owner: Stream([0]).delay(1).concurrently(owner), [0]),
    "flatten": (lambda owner: Stream([owner]).flatten(), [1, 2, 3]),
    "flat_map": (lambda owner: Stream([0]).flat_map(lambda _: owner, concurrency=2), [1, 2, 3]),
    "switch_map": (lambda owner: Stream([0]).switch_map(lambda _: owner), [1, 2, 3]),
    "catch": (lambda owner: Stream([0]).map(lambda n: 1 // n).catch(lambda _: owner), [1, 2, 3]),
}


@pytest.mark.parametrize("name", JOINS)
async def test_a_share_that_is_joined_is_entered_and_left(name: str) -> None:
    join, expected = JOINS[name]
    source = TrackedSource((1, 2, 3), cleanup=0.5)
    joined = join(Stream(source.generator).share())
    assert await joined.collect() == expected
    assert (source.opened, source.open_runs) == (1, 0)


async def test_a_share_that_is_open_is_not_entered_by_a_join() -> None:
    owner = async_range(3).share()
    async with owner:
        with pytest.raises(StreamBusyError, match="has been entered already"):
            await merge(owner, []).collect()


async def test_a_share_whose_cleanup_has_failed_can_be_entered_again() -> None:
    async def endless() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
        finally:
            raise OSError("cleanup")

    owner = Stream(endless).share()
    for _ in range(2):
        with pytest.raises(OSError, match="cleanup"):
            async with owner as shared:
                await shared.first()


# -- partition ------------------------------------------------------------------------------


def odd(n: int) -> bool:
    return n % 2 == 1


async def later_odd(n: int) -> bool:
    await checkpoint()
    return odd(n)


@pytest.mark.parametrize("fn", [odd, later_odd])
@pytest.mark.parametrize("buffer", [0, 1, 64])
async def test_partition(fn: Any, buffer: int) -> None:
    source = TrackedSource(range(20), cleanup=0.5)
    got: list[list[int]] = [[], []]
    async with Stream(source.generator).partition(fn, buffer) as (true, false):
        async with anyio.create_task_group() as group:
            await group.start(read, true, got[0])
            await group.start(read, false, got[1])
        assert source.open_runs == 0
    assert got == [list(range(1, 20, 2)), list(range(0, 20, 2))]


async def test_a_part_that_nobody_reads_is_an_error_and_no_deadlock() -> None:
    async with async_range(99).partition(odd, 5) as (true, false):
        with pytest.raises(StreamDeadlockError):
            await true.collect()
        with pytest.raises(StreamDeadlockError):
            await false.collect()


Ways = Callable[[Stream[int], Stream[int]], Stream[Any]]
TOGETHER: dict[str, Ways] = {
    "zip": lambda true, false: zip(true, false),
    "zip of buffers": lambda true, false: zip(true.buffer(3), false.buffer(0).buffer(2)),
    "zip in a zip": lambda true, false: zip(zip(true, async_range(99)), false),
    "zip in a task": lambda true, false: zip(true, false).buffer(0),
    "chain": lambda true, false: chain(false, true),
    "with ticks": lambda true, false: chain(false.with_latest_from(ticker(0.1)), true),
    "beside ticks": lambda true, false: chain(false.concurrently(ticker(0.1)), true),
}


@pytest.mark.parametrize("way", TOGETHER)
async def test_parts_that_an_operator_reads_together_are_a_deadlock_too(way: str) -> None:
    with pytest.raises(StreamDeadlockError), anyio.fail_after(60):
        async with async_range(99).partition(lambda n: n < 50, 5) as (true, false):
            await TOGETHER[way](true, false).drain()


async def test_readers_of_a_share_in_one_operator_are_one_too() -> None:
    with pytest.raises(StreamDeadlockError), anyio.fail_after(60):
        async with async_range(99).share() as shared:
            await zip(shared, shared.skip(50)).drain()
    async with async_range(99).share() as shared:
        assert await zip(shared, shared.skip(9)).collect() == [(n, n + 9) for n in range(90)]


@pytest.mark.parametrize("way", ["zip", "zip of buffers", "zip in a zip", "zip in a task"])
@pytest.mark.parametrize("buffers", [0, 1])
async def test_an_operator_that_waits_for_something_else_is_no_deadlock(
    way: str, buffers: int
) -> None:
    async def late() -> AsyncIterator[int]:
        for n in range(20):
            await anyio.sleep(9)
            yield n

    async with async_range(40).partition(odd, 2) as (true, false):
        third = Stream(late).buffer(2) if buffers else Stream(late)
        rows = zip(TOGETHER[way](true, false), third)
        assert await rows.map(lambda row: row[1]).collect() == list(range(20))


CLOCKED: dict[str, Callable[[Stream[int]], Stream[Any]]] = {
    "heartbeat": lambda part: part.heartbeat(3, 0),
    "timeout": lambda part: part.timeout(3).catch(lambda _: [1] * 50),
    "batched": lambda part: chain([1], part).batched(9, within=3).flat_map(lambda _: [1] * 50),
    "delay": lambda part: chain([1], part).delay(3).flat_map(lambda _: [1] * 50),
    "debounce": lambda part: chain([1], part).debounce(3).flat_map(lambda _: [1] * 50),
}


@pytest.mark.parametrize("operator", CLOCKED)
async def test_what_waits_for_its_time_is_no_deadlock(operator: str) -> None:
    async with async_range(99).partition(lambda n: n >= 50, 5) as (large, small):
        rows = zip(CLOCKED[operator](large), small).map(lambda row: row[1]).take(40)
        assert await rows.collect() == list(range(40))


WORKERS: dict[str, Callable[[Stream[int], Callable[[int], Awaitable[int]]], Stream[int]]] = {
    "map": lambda part, fn: part.map(fn, concurrency=2),
    "unordered": lambda part, fn: part.map(fn, concurrency=2, ordered=False),
    "filter": lambda part, fn: part.filter(fn, concurrency=2),
    "flat_map": lambda part, fn: part.flat_map(lambda n: Stream([n]).map(fn), concurrency=2),
    "map_latest": lambda part, fn: part.take(1).map_latest(fn),
}


@pytest.mark.parametrize("operator", WORKERS)
@pytest.mark.parametrize("between", [0, 1])
async def test_a_function_that_reads_a_part_later_is_no_deadlock(
    operator: str, between: int
) -> None:
    """Also while another worker waits for the part that the items come from."""
    async with async_range(99).partition(lambda n: n == 0, 5) as (first, rest):

        async def count_rest(_: int) -> int:
            await anyio.sleep(5)
            counts.append(await rest.count())
            return 1

        counts: list[int] = []
        await WORKERS[operator](first.buffer(1) if between else first, count_rest).drain()
        assert counts == [98]


async def count(run: AsyncIterator[int]) -> int:
    return len([n async for n in run])


async def a_part_read_by_a_task() -> None:
    async with async_range(100).partition(odd, 16) as (true, _):
        await true.buffer(0).drain()


async def a_part_in_a_zip() -> None:
    async with async_range(100).partition(odd, 16) as (true, _):
        await zip(true, async_range(99, delay=1)).drain()


async def a_part_read_after_something_else() -> None:
    async with async_range(100).partition(lambda n: n < 50, 5) as (small, large):
        await zip(large, chain(async_range(1, delay=5), small)).drain()


async def groups_read_by_a_task() -> None:
    await async_range(100).group_by(odd, 2).buffer(9).collect()


async def groups_read_by_too_few() -> None:
    groups = async_range(100).group_by(third, 2)
    await groups.map(lambda pair: pair[1].count(), concurrency=2).drain()


async def a_part_read_by_a_generator() -> None:
    async with async_range(100).partition(lambda n: n < 50, 5) as (small, large):

        @stream
        async def read() -> AsyncIterator[int]:
            async with small as items:
                async for n in items:
                    yield n

        await zip(large, read()).drain()


async def a_part_of_a_generator() -> None:
    @stream
    async def read() -> AsyncIterator[int]:
        async with async_range(100).partition(odd, 16) as (true, _):
            yield await true.buffer(1).count()

    await read().buffer(1).drain()


async def runs_of_parts_in_one_task() -> None:
    async with (
        async_range(100).partition(lambda n: n < 50, 5) as (small, large),
        small.buffer(2) as first,
        large.buffer(2) as second,
    ):
        async for _ in second:
            await anext(first)


async def readers_of_a_share_in_one_task() -> None:
    async with async_range(100).share(3) as shared, shared.buffer(2) as first, shared:
        async for _ in first:
            pass


@pytest.mark.parametrize(
    "wait",
    [
        a_part_read_by_a_task,
        a_part_in_a_zip,
        a_part_read_after_something_else,
        a_part_read_by_a_generator,
        a_part_of_a_generator,
        groups_read_by_a_task,
        groups_read_by_too_few,
        runs_of_parts_in_one_task,
        readers_of_a_share_in_one_task,
    ],
)
async def test_a_deadlock_behind_a_task_is_one_too(wait: Callable[[], Awaitable[None]]) -> None:
    with pytest.raises(StreamDeadlockError), anyio.fail_after(600):
        await wait()


@pytest.mark.parametrize("native", [False, True])
async def test_a_part_whose_reader_comes_late_is_no_deadlock(native: bool, request: Any) -> None:
    async with async_range(100).partition(lambda n: n < 10, 16) as (small, large):
        counts: list[int] = []

        async def read(part: Stream[int], after: float) -> None:
            await anyio.sleep(after)
            counts.append(await part.count())

        if native and request.getfixturevalue("anyio_backend_name") == "asyncio":
            late = asyncio.create_task(read(large, 5))
            await read(small, 0)
            await late
        else:
            async with anyio.create_task_group() as group:
                group.start_soon(read, small, 0)
                group.start_soon(read, large, 5)
        assert sorted(counts) == [10, 90]


async def test_who_has_entered_a_run_need_not_be_who_waits_for_it() -> None:
    async with (
        async_range(100).partition(lambda n: n < 10, 5) as (small, large),
        small.buffer(1) as first,
        large as second,
        anyio.create_task_group() as group,
    ):
        group.start_soon(count, first)
        await anyio.sleep(5)
        assert await count(second) == 90


@pytest.mark.parametrize(("size", "behind_a_task"), [(16, False), (5, True)])
async def test_the_owner_waits_for_a_part_while_the_other_comes_late(
    size: int, behind_a_task: bool
) -> None:
    async with async_range(100).partition(lambda n: n < 10, size) as (small, large):

        async def read() -> None:
            await anyio.sleep(5)
            assert await large.count() == 90

        async with anyio.create_task_group() as group:
            group.start_soon(read)
            assert await (small.buffer(1) if behind_a_task else small).count() == 10


async def test_a_group_whose_reader_comes_late_is_no_deadlock() -> None:
    counts: dict[int, int] = {}

    async def read(key: int, items: Stream[int]) -> None:
        await anyio.sleep(key * 3)
        counts[key] = await items.count()

    async with async_range(99).group_by(third, 5) as groups, anyio.create_task_group() as tasks:
        async for key, items in groups:
            tasks.start_soon(read, key, items)
    assert counts == {0: 33, 1: 33, 2: 33}


async def test_a_part_that_was_left_holds_up_nobody() -> None:
    async with async_range(20).partition(odd, 2) as (true, false):
        async with false:
            pass
        assert await true.collect() == list(range(1, 20, 2))


async def test_a_part_can_be_read_once() -> None:
    async with async_range(20).partition(odd) as (true, _):
        await true.collect()
        with pytest.raises(StreamConsumedError):
            await true.collect()


async def test_an_overflow_in_a_part() -> None:
    async with async_range(99).partition(odd, 5, "error") as (true, false):
        got: list[int] = []
        with pytest.raises(StreamOverflowError):
            async for n in true:
                got.append(n)
        assert got == [1, 3, 5, 7, 9]
        with pytest.raises(StreamOverflowError):
            await false.collect()


async def test_an_error_of_the_function() -> None:
    def fail(n: int) -> bool:
        return bool(1 // (2 - n))

    async with async_range(9).partition(fail) as (true, false):
        with pytest.raises(ZeroDivisionError):
            await true.collect()
        with pytest.raises(ZeroDivisionError):
            await false.collect()


async def test_leaving_without_reading() -> None:
    source = TrackedSource(range(9), cleanup=0.5)
    async with Stream(source.iterator()).partition(odd):
        pass
    assert source.open_runs == 0


# -- group_by -------------------------------------------------------------------------------


def third(n: int) -> int:
    return n % 3


async def later_third(n: int) -> int:
    await checkpoint()
    return n % 3


@pytest.mark.parametrize("fn", [third, later_third])
@pytest.mark.parametrize("buffer", [0, 1, 64])
async def test_group_by_in_tasks(fn: Any, buffer: int) -> None:
    source = TrackedSource(range(20), cleanup=0.5)
    got: dict[int, list[int]] = {}
    async with (
        Stream(source.generator).group_by(fn, buffer) as groups,
        anyio.create_task_group() as tasks,
    ):
        async for key, group in groups:
            await tasks.start(read, group, got.setdefault(key, []))
    assert got == {key: list(range(key, 20, 3)) for key in range(3)}
    assert source.open_runs == 0


async def test_group_by_of_sorted_items_one_after_the_other() -> None:
    words = sorted(["pear", "apple", "plum", "fig", "avocado"])
    async with Stream(words).group_by(lambda word: word[0]) as groups:
        got = [(key, await group.collect()) async for key, group in groups]
    assert got == [(key, list(group)) for key, group in itertools.groupby(words, lambda w: w[0])]


async def test_a_group_that_nobody_reads_is_an_error_and_no_deadlock() -> None:
    async with async_range(99).group_by(third, 5) as groups:
        with pytest.raises(StreamDeadlockError):
            async for _key, _group in groups:
                pass


async def test_nor_is_it_one_in_a_terminal_call() -> None:
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: async_range(99).group_by(third, 5).collect(),
        lambda: async_range(99).group_by(lambda n: None, 5).take(2).collect(),
        lambda: async_range(99).group_by(third, 5).for_each(lambda pair: pair[1].drain()),
        lambda: Stream([1]).flat_map(lambda _: async_range(99).group_by(third, 5)).collect(),
    ]
    for call in calls:
        with pytest.raises(StreamDeadlockError), anyio.fail_after(60):
            await call()


Pairs = Stream[tuple[int, Stream[int]]]


def second(pair: tuple[int, Stream[int]]) -> Stream[int]:
    return pair[1]


UNWANTED: list[Callable[[Pairs], Stream[Any]]] = [
    lambda groups: groups.filter(lambda pair: pair[0] != 1).flat_map(second, concurrency=9),
    lambda groups: groups.flat_map(lambda pair: [] if pair[0] == 1 else pair[1], concurrency=9),
    lambda groups: groups.map(lambda pair: pair[0]),
]


@pytest.mark.parametrize("buffer", [0, 1, 16])
@pytest.mark.parametrize("unwanted", range(len(UNWANTED)))
async def test_a_group_to_which_nothing_refers_holds_up_no_other(
    unwanted: int, buffer: int
) -> None:
    source = TrackedSource(range(99), cleanup=0.5)
    groups = Stream(source.generator).group_by(third, buffer)
    got = await UNWANTED[unwanted](groups).collect()
    wanted = [0, 1, 2] if unwanted == 2 else [n for n in range(99) if n % 3 != 1]
    assert sorted(got) == wanted
    assert source.open_runs == 0


async def at_once(pair: Any) -> Any:
    await checkpoint()
    return pair


async def is_wanted(pair: tuple[int, Any]) -> bool:
    await checkpoint()
    return pair[0] != 2


BETWEEN: dict[str, Callable[[Pairs], Pairs]] = {
    "nothing": lambda groups: groups,
    "buffer(0)": lambda groups: groups.buffer(0),
    "buffer(3)": lambda groups: groups.buffer(3),
    "tap": lambda groups: groups.tap(lambda _: None),
    "map": lambda groups: groups.map(at_once),
    "map, 3 at a time": lambda groups: groups.map(at_once, concurrency=3),
    "unordered": lambda groups: groups.map(at_once, concurrency=3, ordered=False),
    "timeout": lambda groups: groups.timeout(50),
    "rate_limit": lambda groups: groups.rate_limit(1000),
    "spaced": lambda groups: groups.spaced(0.001),
    "catch": lambda groups: groups.catch(lambda _: None),
    "retry": lambda groups: groups.retry(2),
    "merge": lambda groups: merge(groups),
    "chain": lambda groups: chain(groups),
    "take_while": lambda groups: groups.take_while(lambda _: True),
    "with_latest_from": lambda groups: groups.with_latest_from([0]).map(lambda pair: pair[0]),
    "enumerate": lambda groups: groups.enumerate().map(lambda pair: pair[1]),
    "batched": lambda groups: groups.batched(1).flat_map(lambda batch: batch),
    "flat_map": lambda groups: groups.flat_map(lambda pair: [pair]),
    "flat_map, 2 at a time": lambda groups: groups.flat_map(lambda pair: [pair], concurrency=2),
}
CHOOSING: list[Callable[[Pairs], Pairs]] = [
    lambda groups: groups.filter(lambda pair: pair[0] != 2),
    lambda groups: groups.filter(is_wanted),
    lambda groups: groups.filter(is_wanted, concurrency=3),
]


@pytest.mark.parametrize("between", BETWEEN)
@pytest.mark.parametrize("choose", CHOOSING, ids=["plain", "async", "at once"])
@pytest.mark.parametrize("buffer", [0, 5])
async def test_no_operator_refers_to_what_it_has_passed_on(
    between: str, choose: Callable[[Pairs], Pairs], buffer: int
) -> None:
    """Also of the last group, after which it waits."""
    for place in (0, 1):
        groups = async_range(30).group_by(third, buffer)
        for operator in (choose, BETWEEN[between])[:: 1 if place else -1]:
            groups = operator(groups)
        with anyio.fail_after(30):
            got = await groups.flat_map(second, concurrency=9).collect()
        assert sorted(got) == [n for n in range(30) if n % 3 != 2]


@pytest.mark.parametrize("buffer", [0, 1, 2, 5])
@pytest.mark.parametrize(
    "operator",
    [
        lambda groups: groups.map_latest(lambda pair: pair[0]),
        lambda groups: groups.map_latest(lambda pair: pair[1].first()),
        lambda groups: groups.switch_map(lambda pair: [pair[0]]),
        lambda groups: groups.switch_map(second),
    ],
    ids=["key", "first", "keys", "items"],
)
async def test_nor_does_one_in_which_a_new_item_ends_the_last(
    operator: Callable[[Pairs], Stream[int]], buffer: int
) -> None:
    with anyio.fail_after(30):
        await operator(async_range(99).group_by(third, buffer)).drain()


@pytest.mark.parametrize("fn", [third, later_third])
async def test_nor_does_one_that_a_loop_lets_go_of(fn: Any) -> None:
    got: list[int] = []
    async with async_range(99).group_by(fn, 5) as groups, anyio.create_task_group() as tasks:
        async for key, group in groups:
            if key == 1:
                await tasks.start(read, group, got)
            del group
    assert got == list(range(1, 99, 3))


async def test_a_loop_that_does_not_let_go_of_the_last_one_is_told_so() -> None:
    with pytest.raises(BaseExceptionGroup) as caught:
        async with async_range(99).group_by(third, 5) as groups, anyio.create_task_group() as tasks:
            async for key, group in groups:
                if key != 2:
                    await tasks.start(read, group, [])
    deadlocks, others = caught.value.split(StreamDeadlockError)
    assert others is None
    assert deadlocks is not None
    assert "with `del group`" in str(deadlocks.exceptions[0])


async def test_what_can_still_be_read_is_kept() -> None:
    """By a stream that was made of it, or an opening that nobody has read yet."""
    async with async_range(6).group_by(third) as groups:
        plus = (await anext(groups))[1].map(lambda n: n + 1)
        gc.collect()
        opened = aiter((await anext(groups))[1])
        gc.collect()
        await anext(groups)
        with pytest.raises(StopAsyncIteration):
            await anext(groups)
        assert await plus.collect() == [1, 4]
        assert [n async for n in opened] == [1, 4]


async def test_what_waits_in_a_group_goes_with_it_from_any_thread() -> None:
    class Item:
        pass

    known: list[weakref.ref[Item]] = []

    async def items() -> AsyncIterator[Item]:
        for _ in range(3):
            known.append(weakref.ref(item := Item()))
            yield item
            del item
            await anyio.sleep(1)

    def alive() -> list[bool]:
        return [item() is not None for item in known]

    async with Stream(items).group_by(type) as groups:
        cycle: list[Any] = [await anext(groups)]
        cycle.append(cycle)
        await anyio.sleep(1.5)
        assert alive() == [True, True]
        del cycle
        with anyio.move_on_after(0.1):  # what was given is forgotten when more is asked for
            await anext(groups)
        await anyio.to_thread.run_sync(gc.collect)
        await anyio.sleep(0.1)
        gc.collect()
        assert alive() == [False, True]  # the last one is in the hand of the source


async def test_a_reader_that_a_terminal_call_has_started_may_come_late() -> None:
    counts: list[int] = []

    async def read(items: Stream[int]) -> None:
        await anyio.sleep(3)
        counts.append(await items.count())

    async with anyio.create_task_group() as tasks:

        async def start(pair: tuple[int, Stream[int]]) -> None:
            tasks.start_soon(read, pair[1])
            await anyio.sleep(pair[0] * 5)  # leaving ends the groups

        await Stream([0] * 20 + [1]).group_by(third, 5).for_each(start)
    assert counts == [20, 1]


async def test_a_group_that_was_left_comes_again() -> None:
    async with timed((1, 0), (2, 3), (3, 1), (4, 6)).group_by(third) as groups:
        key, group = await anext(groups)
        assert (key, await group.first()) == (0, 0)
        key, other = await anext(groups)
        assert (key, await other.collect()) == (0, [3, 6])
        key, last = await anext(groups)
        assert (key, await last.collect()) == (1, [1])


async def test_a_group_that_was_left_is_forgotten_with_its_key() -> None:
    class Key:
        pass

    known: list[weakref.ref[Key]] = []

    def fresh(_: int) -> Key:
        known.append(weakref.ref(key := Key()))
        return key

    async with async_range(5).group_by(fresh, 1) as groups:
        async for _, group in groups:
            await group.first()
            del group, _
            gc.collect()
            assert len([key for key in known if key() is not None]) <= 3  # of what is ahead
    assert len(known) == 5


async def test_leaving_the_run_ends_the_groups() -> None:
    source = TrackedSource(range(99), pause=1, cleanup=0.5)
    async with Stream(source.generator).group_by(third) as groups:
        _, group = await anext(groups)
        items = aiter(group)
        assert await anext(items) == 0
    assert source.open_runs == 0
    with pytest.raises(StreamClosedError):
        await anext(items)


async def test_an_error_comes_to_the_groups_and_to_the_run() -> None:
    source = TrackedSource(range(9), errors={4: OSError("source")})
    async with Stream(source.generator).group_by(third) as groups:
        got = []
        with pytest.raises(OSError, match="source"):
            async for pair in groups:
                got.append(pair)
        assert [key for key, _ in got] == [0, 1, 2]
        for key, group in got:
            with pytest.raises(OSError, match="source"):
                await group.for_each(lambda n, key=key: None)


async def test_the_run_can_be_left_at_once() -> None:
    source = TrackedSource(range(9), cleanup=0.5)
    async with Stream(source.iterator).group_by(third):
        pass
    assert source.open_runs == 0


Pairs = Stream[tuple[int, Stream[int]]]


async def same(item: Any) -> Any:
    await checkpoint()
    return item


PASSED_ON: dict[str, Callable[[Pairs], Pairs]] = {
    "alone": lambda pairs: pairs,
    "filter": lambda pairs: pairs.filter(lambda pair: True),
    "tap": lambda pairs: pairs.tap(lambda pair: None),
    "map": lambda pairs: pairs.map(lambda pair: pair),
    "async map": lambda pairs: pairs.map(same),
    "map, concurrent": lambda pairs: pairs.map(same, concurrency=2),
    "starmap": lambda pairs: pairs.starmap(lambda key, group: (key, group.map(same))),
    "enumerate": lambda pairs: pairs.enumerate().map(lambda pair: pair[1]),
    "batched": lambda pairs: pairs.batched(2).flatten(),
    "take": lambda pairs: pairs.take(99),
    "distinct": lambda pairs: pairs.distinct(lambda pair: pair[0]),
    "buffer(0)": lambda pairs: pairs.buffer(0),
    "buffer(3)": lambda pairs: pairs.buffer(3),
    "timeout": lambda pairs: pairs.timeout(99),
    "delay": lambda pairs: pairs.delay(0.5),
    "merge": lambda pairs: pairs.merge([]),
    "chain": lambda pairs: pairs.chain([]),
    "catch": lambda pairs: pairs.catch(lambda error: None),
    "retry": lambda pairs: pairs.retry(1),
    "repeat": lambda pairs: pairs.repeat(1),
}
"""What may stand between `group_by` and who reads the groups, and close it at its end."""


async def by_flat_map(pairs: Pairs) -> dict[int, list[int]]:
    got: dict[int, list[int]] = {}
    tagged = pairs.flat_map(lambda pair: pair[1].map(lambda n: (pair[0], n)), concurrency=3)
    await tagged.for_each(lambda pair: got.setdefault(pair[0], []).append(pair[1]))
    return got


async def by_for_each(pairs: Pairs) -> dict[int, list[int]]:
    got: dict[int, list[int]] = {}

    async def take(pair: tuple[int, Stream[int]]) -> None:
        got[pair[0]] = await pair[1].collect()

    await pairs.for_each(take, concurrency=3)
    return got


async def by_map(pairs: Pairs) -> dict[int, list[int]]:
    async def read(pair: tuple[int, Stream[int]]) -> tuple[int, list[int]]:
        return pair[0], await pair[1].collect()

    return await pairs.map(read, concurrency=3).collect(dict)


async def by_tasks(pairs: Pairs) -> dict[int, list[int]]:
    got: dict[int, list[int]] = {}
    async with pairs as items, anyio.create_task_group() as tasks:
        async for key, group in items:
            tasks.start_soon(group.for_each, got.setdefault(key, []).append)
    return got


async def by_late_tasks(pairs: Pairs) -> dict[int, list[int]]:
    """One reads from the beginning, one begins in the middle, and one after the end."""
    got: dict[int, list[int]] = {}

    async def read(key: int, group: Stream[int]) -> None:
        await anyio.sleep(10 * key)
        got[key] = await group.collect()

    async with pairs as items, anyio.create_task_group() as tasks:
        async for key, group in items:
            tasks.start_soon(read, key, group)
    return got


async def after_the_end(pairs: Pairs) -> dict[int, list[int]]:
    async with pairs as items:
        known = await items.collect()
        return {key: await group.collect() for key, group in known}


async def after_the_block(pairs: Pairs) -> dict[int, list[int]]:
    return {key: await group.collect() for key, group in await pairs.collect()}


async def by_share(pairs: Pairs) -> dict[int, list[int]]:
    async with pairs.share() as shared:
        return await by_flat_map(shared)


READ_GROUPS = [
    by_flat_map,
    by_for_each,
    by_map,
    by_tasks,
    by_late_tasks,
    after_the_end,
    after_the_block,
    by_share,
]


@pytest.mark.parametrize("read_groups", READ_GROUPS)
@pytest.mark.parametrize("name", PASSED_ON)
@pytest.mark.parametrize("delay", [0, 1])
async def test_groups_have_all_of_their_items_whoever_closes_the_pairs_at_their_end(
    read_groups: Callable[[Pairs], Awaitable[dict[int, list[int]]]], name: str, delay: float
) -> None:
    numbers = async_range(20, delay=delay) if delay else Stream(range(20))
    pairs = PASSED_ON[name](numbers.group_by(third))
    assert await read_groups(pairs) == {key: [*range(key, 20, 3)] for key in range(3)}


async def test_the_last_inner_stream_may_be_a_group() -> None:
    pairs = timed((1, 0), (2, 3), (3, 1), (4, 4), (5, 7)).group_by(third)
    assert await pairs.switch_map(lambda pair: pair[1]).collect() == [0, 3, 1, 4, 7]
    assert await pairs.map_latest(lambda pair: pair[1].count()).collect() == [3]


@pytest.mark.parametrize("name", PASSED_ON)
async def test_groups_end_with_an_error_where_the_pairs_are_closed_early(name: str) -> None:
    source = TrackedSource(range(99), pause=1, cleanup=0.5)
    groups: list[Stream[int]] = []
    async with PASSED_ON[name](Stream(source.generator).group_by(third)) as pairs:
        async for _, group in pairs:
            groups.append(group)
            if len(groups) == 2:
                break
        first, second = (aiter(group) for group in groups)
        assert await anext(first) == 0
    assert source.open_runs == 0
    assert await anext(second) == 1, "what is there is read"
    for items in (first, second):
        with pytest.raises(StreamClosedError):
            [n async for n in items]


async def test_a_full_group_that_nobody_reads_holds_up_no_close() -> None:
    source = TrackedSource(range(99), cleanup=0.5)
    async with Stream(source.generator).group_by(third, 2).tap(lambda pair: None) as pairs:
        _, group = await anext(pairs)
        await anyio.sleep(5)
        assert source.steps < 99, "the group is full"
    assert source.open_runs == 0
    items = aiter(group)
    assert [await anext(items), await anext(items)] == [0, 3]
    with pytest.raises(StreamClosedError):
        await anext(items)


def test_bad_arguments() -> None:
    numbers = async_range(3)
    with pytest.raises(ValueError, match="buffer must be at least 0, got -1"):
        numbers.share(-1)
    with pytest.raises(ValueError, match="buffer must be at least 1, got 0"):
        numbers.share(0, "drop_oldest")
    with pytest.raises(ValueError, match="replay must be at least 0, got -1"):
        numbers.share(replay=-1)
    with pytest.raises(ValueError, match="overflow must be one of 'wait', 'drop_oldest'"):
        numbers.partition(odd, overflow="never")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="fn must be a function"):
        numbers.group_by("key")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="fn must be a function"):
        numbers.partition(None)  # type: ignore[arg-type]


async def test_texts() -> None:
    numbers = async_range(3)
    assert repr(numbers.share(3, replay=1)) == "async_range(3).share(buffer=3, replay=1)"
    async with numbers.partition(odd) as (true, false):
        assert repr((true, false)) == (
            "(async_range(3).partition(odd)[0], async_range(3).partition(odd)[1])"
        )
    async with numbers.group_by(third) as groups:
        assert repr((await anext(groups))[1]) == "async_range(3).group_by(third)[0]"


async def test_a_group_can_be_read_once() -> None:
    async with async_range(3).group_by(third) as groups:
        _, group = await anext(groups)
        assert await group.first() == 0
        with pytest.raises(StreamConsumedError):
            await group.first()


@pytest.mark.parametrize("kind", ["generator", "iterator"])
async def test_an_error_of_the_cleanup_when_the_groups_are_left(kind: str) -> None:
    source = TrackedSource(range(9), pause=1, cleanup_error=OSError("cleanup"))
    with pytest.raises(OSError, match="cleanup"):
        async with Stream(getattr(source, kind)).group_by(third) as groups:
            await anext(groups)


@pytest.mark.parametrize("round", range(20))  # the order of tasks is random on trio
async def test_one_error_that_several_readers_hear_is_one_error(round: int) -> None:
    for index in range(9):
        error = OSError("source")
        source = TrackedSource(range(9), errors={index: error})
        stream = Stream(source.generator).group_by(third)
        async with stream.flat_map(lambda pair: pair[1], concurrency=2) as items:
            with pytest.raises(OSError, match="source") as caught:
                async for _ in items:
                    pass
        assert caught.value is error


async def test_an_error_that_was_caught_is_not_raised_again() -> None:
    for _ in range(10):
        source = TrackedSource(range(9), errors={0: OSError("source")})
        async with (
            Stream(source.generator).partition(odd) as parts,
            merge(*parts) as items,
        ):
            with pytest.raises(OSError, match="source"):
                await anext(items)


async def test_a_reader_that_is_dropped_is_noticed() -> None:
    async with async_range(9).share() as shared:
        with pytest.warns(ResourceWarning, match="was dropped before it was closed"):
            async for _ in shared:
                break


async def leave_early(stream: Stream[Any]) -> None:
    """By a bare loop, which nothing tells of the `break`."""
    with pytest.warns(ResourceWarning, match="was dropped before it was closed"):
        async for _ in stream:
            break
        gc.collect()


async def test_a_reader_that_is_dropped_holds_up_no_other() -> None:
    source = TrackedSource(range(99))
    async with Stream(source.generator).share(1) as shared, shared as items:
        assert await anext(items) == 0
        await leave_early(shared)
        assert await items.collect() == [*range(1, 99)]
    async with Stream(source.generator).partition(odd, 1) as (odds, evens):
        await leave_early(odds)
        assert await evens.collect() == [*range(0, 99, 2)]
    async with Stream(source.generator).group_by(third, 1) as groups:
        async for _, group in groups:
            await leave_early(group)
            del group
    assert source.open_runs == 0


async def test_the_source_goes_with_the_last_reader_although_that_is_dropped() -> None:
    source = TrackedSource(range(9), cleanup=0.5)
    async with Stream(source.generator).share(1) as shared:
        for _ in range(2):
            await leave_early(shared)
            await anyio.sleep(1)
            assert source.open_runs == 0
        assert await shared.count() == 9
    assert source.opened == source.closes_finished == 3


async def test_nothing_is_read_from_the_owner_itself() -> None:
    owner = async_range(9).share()
    async with owner as shared:
        assert owner.run is not None
        assert await anext(owner.run, None) is None
        assert await shared.count() == 9


@pytest.mark.parametrize("operator", ["share", "partition", "group_by"])
async def test_what_was_opened_and_never_stepped_is_closed(operator: str) -> None:
    source = TrackedSource(range(9), cleanup=0.5)

    class Numbers:
        def __aiter__(self) -> AsyncIterator[int]:
            return source.iterator()

    numbers = Stream(Numbers())
    if operator == "share":
        async with numbers.share() as shared, shared:
            pass
    elif operator == "partition":
        async with numbers.partition(odd) as parts, parts[0]:
            pass
    else:
        async with numbers.group_by(third):
            pass
    assert source.opened == 1
    assert source.open_runs == 0


async def test_a_part_and_what_comes_after_it_are_written_down() -> None:
    async with async_range(4).partition(bool) as (true, false):
        assert repr(true.map(str)) == "async_range(4).partition(bool)[0].map(str)"
        assert repr(false) == "async_range(4).partition(bool)[1]"
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(true.drain)
            tasks.start_soon(false.drain)


async def test_an_error_of_the_cleanup_that_several_readers_hear_of_comes_once() -> None:
    source = TrackedSource(range(6), pause=1, cleanup_error=OSError("cleanup"))
    groups = Stream(source.iterator()).group_by(lambda n: n % 3)
    with pytest.raises(OSError, match=r"^cleanup$"):
        async with groups.flat_map(lambda pair: pair[1], concurrency=3) as items:
            async for _ in items:
                pass


async def test_a_scope_that_the_source_holds_does_not_end_a_wait_for_room() -> None:
    """It fires while the task waits for who reads, and its item comes all the same."""

    async def numbers() -> AsyncIterator[int]:
        for number in range(3):
            with anyio.move_on_after(0.25):
                yield number

    got: list[int] = []
    async with Stream(numbers).partition(lambda _: True, buffer=1) as (true, _), true as items:
        for _ in range(3):
            got.append(await anext(items))
            await anyio.sleep(0.75)
    assert got == [0, 1, 2]
