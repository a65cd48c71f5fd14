"""Streams with tasks behind them: what holds for buffer and merge beyond the table of rows."""

import asyncio
import itertools
import math
import operator
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from contract import ON_ASYNCIO
from hypothesis import given
from hypothesis import strategies as st
from insides import opening_of, turns_of

import anystream
from anystream import (
    CleanupTimeoutError,
    NeedsTasksError,
    Retry,
    Sender,
    Stream,
    StreamBusyError,
    StreamClosedError,
    StreamConsumedError,
    StreamInterruptedError,
    StreamOverflowError,
    WrongTaskError,
    async_range,
    chain,
    merge,
    producer,
    race,
    ticker,
)
from anystream._core.backends import backend
from anystream._core.channel import Channel, in_turn
from anystream.testing import TrackedSource

ITEMS = [3, 0, 1, 2, 5, 4, 7, 1]


def over(source: TrackedSource[int], kind: str) -> Stream[int]:
    return Stream(getattr(source, kind))


async def test_an_inner_stream_that_needs_tasks_in_the_bare_form() -> None:
    with pytest.raises(NeedsTasksError, match="async with"):
        async for _ in Stream([async_range(3).buffer(1)]).flatten():
            pass


async def test_a_function_that_returns_a_stream_that_needs_tasks() -> None:
    with pytest.raises(NeedsTasksError, match="flat_map"):
        await Stream(lambda: async_range(3).buffer(1)).collect()


# -- demand -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 2, 5])
async def test_a_buffer_is_at_most_its_size_ahead(size: int) -> None:
    source = TrackedSource(range(20))
    async with Stream(source.generator).buffer(size) as items:
        await anyio.sleep(1)
        assert source.steps == size
        for read in range(1, 10):
            await anext(items)
            await anyio.sleep(1)
            assert read <= source.steps <= read + size
            if size:
                # A producer is woken when half of the places are free.
                assert source.steps > read + size // 2 - 1


async def test_a_merge_is_at_most_its_buffer_ahead_of_each_source() -> None:
    sources = [TrackedSource(range(20)) for _ in range(3)]
    async with merge(*(Stream(s.generator) for s in sources), buffer=2) as items:
        await anyio.sleep(1)
        assert [s.steps for s in sources] == [2, 2, 2]
        await anext(items)
        await anyio.sleep(1)
        assert all(s.steps <= 3 for s in sources)


async def test_a_cancelled_step_takes_its_demand_back() -> None:
    source = TrackedSource(range(5), pause=1)
    async with Stream(source.generator).buffer(0) as items:
        with anyio.move_on_after(0.5):
            await anext(items)
        await anyio.sleep(5)
        assert source.steps == 1  # the step that was under way
        assert await anext(items) == 0
        assert source.steps == 1


# -- what tasks make possible ----------------------------------------------------------------------


async def scoped() -> AsyncGenerator[int, None]:
    with anyio.CancelScope():
        async with anyio.create_task_group():
            for n in range(5):
                with anyio.move_on_after(10):
                    await checkpoint()
                    yield n


async def test_a_generator_may_hold_scopes_while_others_come_and_go() -> None:
    async with scoped_stream() as first, scoped_stream() as second:
        assert await anext(first) == await anext(second) == 0
        with anyio.move_on_after(1):
            assert await anext(first) == 1
    assert await scoped_stream().collect() == [0, 1, 2, 3, 4]


def scoped_stream() -> Stream[int]:
    return Stream(scoped).buffer(0)


@pytest.mark.parametrize("wait", [0, 5])
@pytest.mark.parametrize("size", [0, 1, 20])
async def test_a_scope_of_the_source_does_not_cancel_the_wait_for_the_reader(
    size: int, wait: float
) -> None:
    """It hits the source where that waits itself, as in the task of a plain coroutine."""

    async def numbers() -> AsyncGenerator[int, None]:
        with anyio.CancelScope() as scope:
            yield 1
            scope.cancel()
            for n in range(2, 40):
                yield n
            await anyio.sleep(1)
            yield 41
        yield 42

    for stream in (Stream(numbers).buffer(size), Stream(numbers).buffer(size).map(same)):
        async with stream as items:
            got: list[int] = []
            async for item in items:
                got.append(item)
                await anyio.sleep(wait)
        assert got == [*range(1, 40), 42]


@pytest.mark.parametrize("busy", [0, 0.002])
async def test_a_scope_that_is_cancelled_around_a_yield(busy: float) -> None:
    """However long the source takes, which decides whether others have a turn before it parks."""

    async def numbers() -> AsyncGenerator[int, None]:
        yield 1
        with anyio.CancelScope() as scope:
            scope.cancel()
            time.sleep(busy)  # noqa: ASYNC251  # to keep the event loop is the point
            yield 2
        yield 3

    for _ in range(20):
        assert await Stream(numbers).buffer(0).collect() == [1, 2, 3]


@pytest.mark.parametrize(("size", "wanted"), [(0, [1, 2, -1]), (2, [1, 2, 3, 4, -1])])
async def test_a_time_limit_of_the_source_and_a_slow_reader(size: int, wanted: list[int]) -> None:
    async def numbers() -> AsyncGenerator[int, None]:
        with anyio.move_on_after(0.5):
            for n in itertools.count(1):
                yield n
                await anyio.sleep(0.11)
        yield -1

    async with Stream(numbers).buffer(size) as items:
        got: list[int] = []
        async for item in items:
            got.append(item)
            await anyio.sleep(0.2)
    assert got == wanted


@pytest.mark.parametrize("size", [None, 0, 3])
async def test_a_time_limit_of_the_source_that_is_an_error(size: int | None) -> None:
    async def numbers() -> AsyncGenerator[int, None]:
        with anyio.fail_after(0.5):
            for n in itertools.count():
                yield n
                await anyio.sleep(0.2)

    stream = Stream(numbers) if size is None else Stream(numbers).buffer(size)
    for pause in (0, 0.3):
        got: list[int] = []
        with pytest.raises(TimeoutError):
            async with stream as items:
                async for item in items:
                    got.append(item)
                    await anyio.sleep(pause)
        assert got == [*range(len(got))]


def same(item: int) -> int:
    return item


async def test_nor_does_it_in_a_shared_stream() -> None:
    async def numbers() -> AsyncGenerator[int, None]:
        with anyio.move_on_after(0.5):
            for n in itertools.count():
                yield n
                await anyio.sleep(0.2)
        yield -1

    async with Stream(numbers).share(1) as shared, shared as items:
        got: list[int] = []
        async for item in items:
            got.append(item)
            await anyio.sleep(0.4)
    assert got[-1] == -1
    assert got[:-1] == [*range(len(got) - 1)]


@pytest.mark.parametrize("policy", ["catch", "retry", "none"])
async def test_a_group_of_the_source_that_fails_while_the_reader_is_busy(policy: str) -> None:
    async def keepalive() -> None:
        await anyio.sleep(1)
        raise ConnectionError("ping timeout")

    async def session() -> AsyncGenerator[int, None]:
        async with anyio.create_task_group() as group:
            group.start_soon(keepalive)
            for n in range(3):
                yield n
            await anyio.sleep_forever()

    async def read(stream: Stream[Any]) -> None:
        async with stream as items:
            async for _ in items:
                await anyio.sleep(0.7)

    seen: list[Exception] = []
    source = Stream(session).buffer(0)
    if policy == "catch":
        await read(source.catch(seen.append))
    elif policy == "retry":
        hook = Retry(1, hook=lambda number, error, pause: seen.append(error), reset=False)
        with pytest.raises(ExceptionGroup):
            await read(source.retry(hook))
    else:
        with pytest.raises(ExceptionGroup) as caught:
            await read(source)
        seen.append(caught.value)
    [error] = seen
    assert isinstance(error, ExceptionGroup)
    assert [repr(each) for each in error.exceptions] == ["ConnectionError('ping timeout')"]


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_a_native_cancel_between_two_items_is_loud() -> None:
    """Since it comes once, and waiting on would swallow it."""
    closed: list[int] = []

    async def numbers() -> AsyncGenerator[int, None]:
        try:
            async with asyncio.timeout(0.5):
                yield 1
                yield 2
        finally:
            closed.append(1)

    async with Stream(numbers).buffer(0) as items:
        assert await anext(items) == 1
        await anyio.sleep(5)
        with pytest.raises(StreamInterruptedError):
            await anext(items)
    assert closed == [1]


async def test_two_readers_share_the_items() -> None:
    got: list[int] = []

    async def read(items: Any) -> None:
        async for item in items:
            got.append(item)
            await checkpoint()

    source = TrackedSource(range(20))
    async with Stream(source.generator).buffer(3) as items, anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(read, items)
    assert sorted(got) == list(range(20))


async def test_every_reader_is_served_though_the_others_stop_reading() -> None:
    got: list[int] = []

    async def read_one(items: Any) -> None:
        got.append(await anext(items))

    source = TrackedSource(range(20), pause=1)
    async with Stream(source.generator).buffer(5) as items, anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(read_one, items)
    assert sorted(got) == [0, 1, 2, 3]


async def test_closing_inside_of_the_block() -> None:
    source = TrackedSource(range(5), pause=10, cleanup=0.5)
    async with Stream(source.generator).buffer(1) as items:
        with anyio.move_on_after(5):
            await items.aclose()
        assert source.open_runs == 0
        await anyio.sleep(1)
        with pytest.raises(StreamClosedError):
            await anext(items)


async def test_steps_after_a_close_that_ended_a_step_are_no_quiet_end() -> None:
    source = TrackedSource(ITEMS, pause=10)
    async with anyio.create_task_group() as group, over(source, "iterator").buffer(0) as items:

        async def read() -> None:
            with pytest.raises(StreamClosedError):
                await anext(items)

        group.start_soon(read)
        group.start_soon(read)
        await anyio.sleep(1)
        await items.aclose()
        await anyio.sleep(1)
        await read()


async def test_closing_ends_a_step_of_another_task() -> None:
    source = TrackedSource(range(5), pause=10)

    async def read(items: Any) -> None:
        with pytest.raises(StreamClosedError):
            await anext(items)

    async with anyio.create_task_group() as tasks, Stream(source.generator).buffer(1) as items:
        tasks.start_soon(read, items)
        await anyio.sleep(1)
    assert source.open_runs == 0


# -- merge ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("buffer", [0, 1, 5])
async def test_merge_gives_the_items_of_all_in_order_of_each(buffer: int) -> None:
    sources = [TrackedSource(range(n * 10, n * 10 + 6), pause=n % 3) for n in range(5)]
    got = await merge(*(Stream(s.generator) for s in sources), buffer=buffer).collect()
    assert sorted(got) == sorted(n * 10 + i for n in range(5) for i in range(6))
    for n in range(5):
        assert [item for item in got if item // 10 == n] == list(range(n * 10, n * 10 + 6))
    assert all(s.open_runs == 0 for s in sources)


async def test_merge_serves_ready_sources_in_turn() -> None:
    async with merge("aaaa", "bbbb", "cccc", buffer=4) as items:
        await anyio.sleep(1)
        got = [await anext(items) for _ in range(6)]
    assert sorted(got[:3]) == sorted(got[3:]) == ["a", "b", "c"]


async def test_a_merge_of_many_serves_ready_sources_in_turn() -> None:
    async with merge(*([n] * 3 for n in range(200)), buffer=3) as items:
        await anyio.sleep(1)
        got = [await anext(items) for _ in range(600)]
    turns = [sorted(got[at : at + 200]) for at in (0, 200, 400)]
    assert turns == [[*range(200)]] * 3


@given(st.lists(st.lists(st.integers())))
def test_items_of_several_sources_that_are_taken_out_at_once_come_in_turn(
    parts: list[list[int]],
) -> None:
    rounds = [
        [part[at] for part in parts if at < len(part)]
        for at in range(max(map(len, parts), default=0))
    ]
    assert [*in_turn(parts)] == [*itertools.chain(*rounds)]


async def test_merge_is_live() -> None:
    start = anyio.current_time()
    slow = async_range(3, delay=1)
    fast = async_range(10, 13, delay=0.3)
    times = [(n, round(anyio.current_time() - start, 1)) for n in await merge(slow, fast).collect()]
    assert [n for n, _ in times] == [10, 11, 12, 0, 1, 2]


async def test_one_failure_stops_the_others() -> None:
    others = [TrackedSource(range(9), pause=1, cleanup=0.5) for _ in range(2)]
    failing = TrackedSource(range(9), pause=1, errors={3: OSError("one")})
    got: list[int] = []
    with pytest.raises(OSError, match="one"):
        async with merge(*(Stream(s.generator) for s in (*others, failing))) as items:
            async for item in items:
                got.append(item)
    assert got
    assert all(s.open_runs == 0 for s in (*others, failing))


async def test_merge_of_nothing() -> None:
    assert await merge().collect() == []


# -- failures -------------------------------------------------------------------------------------


async def test_an_error_of_the_cleanup_comes_at_the_end_of_the_stream() -> None:
    source = TrackedSource(range(2), cleanup_error=OSError("cleanup"))
    got: list[int] = []
    async with Stream(source.generator).buffer(1) as items:
        with pytest.raises(OSError, match="cleanup"):
            async for item in items:
                got.append(item)
    assert got == [0, 1]


async def test_an_error_of_a_cleanup_that_nobody_has_come_to() -> None:
    source = TrackedSource(range(3), cleanup_error=OSError("cleanup"))
    with pytest.raises(OSError, match="cleanup"):
        async with Stream(source.iterator).buffer(9) as items:
            assert await anext(items) == 0
            await anyio.sleep(1)
            assert source.closes_started == 1


async def test_two_cleanups_that_fail_one_after_the_other() -> None:
    sources = [
        TrackedSource[int]([], cleanup=seconds, cleanup_error=OSError(seconds))
        for seconds in (0.1, 0.2)
    ]
    with pytest.raises(ExceptionGroup) as caught:
        await merge(*(source.iterator for source in sources)).collect()
    assert [error.args for error in caught.value.exceptions] == [(0.1,), (0.2,)]


async def test_errors_of_the_body_and_of_the_cleanup_come_together() -> None:
    source = TrackedSource(range(5), cleanup_error=OSError("cleanup"))
    with pytest.RaisesGroup(KeyError, OSError):
        async with Stream(source.generator).buffer(1) as items:
            await anext(items)
            raise KeyError("body")


async def test_a_cleanup_that_hangs_is_cut_off() -> None:
    source = TrackedSource(range(5), cleanup=float("inf"))
    start = anyio.current_time()
    with pytest.raises(CleanupTimeoutError):
        async with Stream(source.generator).buffer(1) as items:
            await anext(items)
    assert anyio.current_time() - start == pytest.approx(1, abs=0.01)


async def test_a_function_that_spins_on_checkpoints_is_stopped_at_once() -> None:
    async def spin(n: int) -> int:
        while True:
            await checkpoint()

    start = anyio.current_time()
    async with Stream([1]).map(spin).buffer(1):
        for _ in range(5):
            await checkpoint()
    assert anyio.current_time() - start < 0.5


@pytest.mark.parametrize("name", ["asyncio", "trio"])
def test_a_keyboard_interrupt_in_a_task_comes_to_the_reader(name: Any) -> None:
    """In a run of its own: asyncio stops the whole event loop for it."""
    source = TrackedSource(range(3))

    def interrupt(n: int) -> int:
        raise KeyboardInterrupt

    async def main() -> None:
        async with Stream(source.generator).map(interrupt).buffer(1) as items:
            await anext(items)

    with pytest.raises(KeyboardInterrupt):
        anyio.run(main, backend=name)
    assert source.open_runs == 0


async def test_a_stream_that_did_not_open_closes_what_it_was_given() -> None:
    first = TrackedSource(range(3))
    second = Stream(iter([1]))
    await second.drain()
    with pytest.raises(StreamConsumedError):
        async with merge(first.iterator(), second):
            raise AssertionError("this must not run")
    assert first.closes_finished == 1


async def test_sources_that_were_never_started_are_closed() -> None:
    sources = [TrackedSource(range(3)) for _ in range(3)]
    async with chain(*(Stream(s.iterator()).buffer(2) for s in sources)) as items:
        await anext(items)
    assert [s.closes_finished for s in sources] == [1, 1, 1]


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="size must be at least 0, got -1"):
        async_range(3).buffer(-1)
    with pytest.raises(ValueError, match="buffer must be at least 0, got -1"):
        merge([1], buffer=-1)
    with pytest.raises(TypeError, match="source must be"):
        merge(5)  # type: ignore[arg-type]


async def test_leaving_while_another_task_is_in_a_function_of_the_reader() -> None:
    """What it waits for cannot be ended, but the tasks behind the stream are."""
    source = TrackedSource(range(5), pause=1, cleanup=0.5)

    async def slow(n: int) -> int:
        await anyio.sleep(60)
        return n

    async with anyio.create_task_group() as tasks:
        with pytest.raises(StreamBusyError):
            async with Stream(source.generator).buffer(1).buffer(1).map(slow) as items:
                tasks.start_soon(anext, items)
                await anyio.sleep(3)
        assert source.open_runs == 0


async def test_an_error_of_an_interrupted_step_is_reported() -> None:
    async def numbers() -> AsyncGenerator[int, None]:
        yield 1
        try:
            await anyio.sleep_forever()
        finally:
            raise OSError("interrupted")

    with pytest.raises(OSError, match="interrupted"):
        async with Stream(numbers).buffer(1) as items:
            await anext(items)
            await anyio.sleep(1)


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
@pytest.mark.parametrize("handed_over", [False, True])  # and so closed after the tasks
async def test_a_native_cancel_while_the_tasks_clean_up_is_passed_on(handed_over: bool) -> None:
    import asyncio

    source = TrackedSource(range(5), cleanup=0.5)

    async def read() -> None:
        numbers = source.generator() if handed_over else source.generator
        async with Stream(numbers).buffer(1) as items:
            await anext(items)

    task = asyncio.create_task(read())
    await anyio.sleep(0.25)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert source.closes_finished == 1


@asynccontextmanager
async def slow_end(closed: list[str]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await anyio.sleep(0.25)
        closed.append("end")


@producer
async def sending(sender: Sender[int], closed: list[str]) -> None:
    async with slow_end(closed):
        await sender.send(1)
        await anyio.sleep(5)


async def rows_with_slow_end(closed: list[str]) -> AsyncIterator[int]:
    async with slow_end(closed):
        yield 1
        await anyio.sleep(5)


BESIDE: dict[str, Callable[[list[str]], Stream[object]]] = {
    "buffer": lambda closed: Stream(rows_with_slow_end(closed)).buffer(0),
    "call": lambda closed: Stream([1]).chain([closed]).map(called, concurrency=2),
    "inner": lambda closed: Stream([closed]).flat_map(rows_with_slow_end, concurrency=2),
    "latest": lambda closed: chain([closed], ticker(100)).switch_map(rows_with_slow_end),
    "sender": sending,
}


BESIDE_TASKS = 4
"""The most that one of them has, with its reader."""


async def called(item: Any) -> None:
    if item != 1:
        async with slow_end(item):
            await anyio.sleep(5)


@ON_ASYNCIO
@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("form", BESIDE)
async def test_a_step_beside_the_reader_that_is_cancelled_natively(form: str, steps: int) -> None:
    """All tasks are cancelled, as at the end of the event loop: no task is interrupted twice."""
    closed: list[str] = []

    async def read() -> None:
        async with BESIDE[form](closed) as items:
            for _ in range(steps):
                await anext(items)
            await anyio.sleep(5)

    others = asyncio.all_tasks()
    for order in itertools.permutations(range(BESIDE_TASKS)):
        reader = asyncio.create_task(read())
        await anyio.sleep(0.1)
        tasks = sorted(asyncio.all_tasks() - others, key=asyncio.Task.get_name)
        assert len(tasks) <= BESIDE_TASKS
        for place in order:
            for task in tasks[place : place + 1]:
                task.cancel()
        await asyncio.wait([reader])
        assert reader.cancelled()
        assert closed == ["end"]
        closed.clear()


@ON_ASYNCIO
async def test_a_step_that_is_cancelled_natively_has_the_grace_period() -> None:
    async def rows() -> AsyncIterator[int]:
        try:
            await anyio.sleep(5)
            yield 1
        finally:
            await anyio.sleep(math.inf)

    with pytest.raises(CleanupTimeoutError):
        async with Stream(rows).buffer(0).open(grace=3) as items:
            with anyio.move_on_after(0.1):
                await anext(items)
            (task,) = (each for each in asyncio.all_tasks() if "buffer" in each.get_name())
            task.cancel()
            await anyio.sleep(1)
    assert anyio.current_time() == pytest.approx(0.1 + 1 + 3)


@ON_ASYNCIO
async def test_a_native_timeout_in_the_close_of_a_part_is_its_own() -> None:
    closed: list[int] = []

    async def rows() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await anyio.sleep(5)
            await anyio.sleep(1)
            closed.append(1)

    parts = chain(Stream(rows).take(1), async_range(3))
    async with parts.buffer(0).open(grace=5) as items:
        assert await anext(items) == 1
        with anyio.move_on_after(0.1):
            await anext(items)
    assert closed == [1]
    assert anyio.current_time() == 2


@ON_ASYNCIO
@pytest.mark.parametrize("left", [0.5, 2])
async def test_a_step_whose_own_native_timeout_is_over_is_interrupted(left: float) -> None:
    """It is left in the cleanup that the timeout has caused, or when it goes on after that."""
    closed: list[str] = []

    async def rows() -> AsyncIterator[int]:
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    try:
                        await anyio.sleep(5)
                    finally:
                        await anyio.sleep(1)
                        closed.append("timeout")
            await anyio.sleep(100)
            yield 1
        finally:
            closed.append("rows")

    async with Stream(rows).buffer(0) as items:
        with anyio.move_on_after(left):
            await anext(items)
    assert closed == ["timeout", "rows"]
    assert anyio.current_time() == max(1.1, left)


async def test_a_channel_holds_the_tasks_that_fill_it() -> None:
    source = TrackedSource(range(2))
    async with Stream(source.generator).buffer(5) as items:
        assert opening_of(items).holds
        await anyio.sleep(1)
        assert not opening_of(items).holds
        assert [n async for n in items] == [0, 1]


async def test_the_grace_of_one_close_does_not_run_on_while_the_next_one_closes() -> None:
    """Each has a second of its own, and together they may take longer."""
    upstream = TrackedSource(range(5), cleanup=0.9)
    inner = TrackedSource(range(5), cleanup=0.3)
    for stream in (
        Stream(upstream.generator).buffer(1).flat_map(lambda _: inner.iterator()),
        Stream(upstream.generator)
        .buffer(1)
        .buffer(1)
        .flat_map(lambda _: inner.iterator())
        .buffer(1),
    ):
        async with stream as items:
            await anext(items)
        with anyio.move_on_after(1) as scope:
            await anyio.sleep(2)
        assert scope.cancelled_caught
    assert upstream.open_runs == inner.open_runs == 0


async def test_leaving_after_the_grace_of_the_first_close_is_over() -> None:
    """The scope that has shielded it must not cancel what is left to do."""
    entered = TrackedSource(range(5), cleanup=0.1)
    slow = TrackedSource(range(5), cleanup=0.95)
    stream = merge(*(Stream(slow.generator) for _ in range(3))).flat_map(
        lambda _: entered.iterator()
    )
    async with stream as items:
        await anext(items)
        scope = opening_of(items)._scope
    assert scope is not None
    assert not scope.cancel_called
    assert entered.open_runs == slow.open_runs == 0


# -- overflow -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overflow", "wanted"), [("drop_oldest", [0, 8, 9]), ("drop_newest", [0, 1, 2])]
)
async def test_a_buffer_that_drops(overflow: Any, wanted: list[int]) -> None:
    async with async_range(10, delay=1).buffer(2, overflow) as items:
        await anyio.sleep(1.5)
        got = [await anext(items)]
        await anyio.sleep(100)
        got += [item async for item in items]
    assert got == wanted


@pytest.mark.parametrize(("overflow", "wanted"), [("drop_oldest", [8, 9]), ("drop_newest", [0, 1])])
async def test_a_buffer_that_drops_from_a_source_that_never_waits(
    overflow: Any, wanted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anystream._core.batches.clock", lambda: 0.0)  # no batch ends by its time
    assert await async_range(10).buffer(2, overflow).collect() == wanted


async def test_a_buffer_that_overflows() -> None:
    source = TrackedSource(range(10), pause=1, cleanup=0.5)
    got: list[int] = []
    with pytest.raises(StreamOverflowError, match=r"the buffer was full \(2 items\)"):
        async with Stream(source.generator).buffer(2, "error") as items:
            await anyio.sleep(10)
            assert source.open_runs == 0
            async for item in items:
                got.append(item)
    assert got == [0, 1]


async def test_a_buffer_that_is_read_in_time_does_not_overflow() -> None:
    assert await async_range(9, delay=1).buffer(1, "error").collect() == list(range(9))


def test_a_policy_needs_room() -> None:
    with pytest.raises(ValueError, match="size must be at least 1, got 0"):
        async_range(3).buffer(0, "drop_oldest")
    with pytest.raises(ValueError, match="overflow must be one of 'wait', 'drop_oldest'"):
        async_range(3).buffer(1, "explode")  # type: ignore[arg-type]
    assert repr(async_range(3).buffer(1, "error")) == "async_range(3).buffer(1, 'error')"


# -- grace ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["generator", "iterator"])
async def test_the_grace_of_the_opening_and_of_the_stream(kind: str) -> None:
    source = TrackedSource(ITEMS, pause=1, cleanup=1000)
    stream = over(source, kind)
    for opened, seconds in (
        (stream.open(grace=3), 3),
        (stream.buffer(1).open(grace=4), 4),
        (stream.with_grace(5).open(), 5),
        (stream.with_grace(5).map(str).buffer(2).open(), 5),
        (stream.with_grace(5).open(grace=2), 2),
        (merge([], stream.with_grace(6)).open(), 6),
        (Stream(stream.with_grace(7)).open(), 7),
        (stream.open(), 1),
    ):
        async with anyio.create_task_group():
            with pytest.raises(CleanupTimeoutError, match=f"did not close within {seconds} s"):
                async with opened as items:
                    await anext(items)
                    start = anyio.current_time()
        assert anyio.current_time() - start == pytest.approx(seconds)


async def later(stream: Stream[int]) -> Stream[int]:
    await checkpoint()
    return stream


GIVEN: dict[str, Callable[[Stream[int]], Stream[int]]] = {
    "a function": lambda inner: Stream(lambda: inner),
    "an async function": lambda inner: Stream(lambda: later(inner)),
    "a function behind a task": lambda inner: Stream(lambda: inner).buffer(0),
    "flatten": lambda inner: Stream([inner]).flatten(),
    "flat_map": lambda inner: Stream([0]).flat_map(lambda _: inner),
    "flat_map, concurrent": lambda inner: Stream([0]).flat_map(lambda _: inner, concurrency=2),
    "flat_map in flat_map": lambda inner: Stream([0]).flat_map(
        lambda _: Stream([0]).flat_map(lambda _: inner)
    ),
    "switch_map": lambda inner: Stream([0]).switch_map(lambda _: inner),
    "catch": lambda inner: Stream([0]).map(lambda n: 1 // n).catch(lambda _: inner),
    "resume": lambda inner: (
        Stream([1, 0])
        .tap(lambda n: 1 // n)
        .retry(Retry(1, first=0), resume=lambda _: inner)
        .skip(1)
    ),
}
"""Streams that are opened in the course of the run."""


@pytest.mark.parametrize("name", GIVEN)
async def test_the_grace_of_an_inner_stream(name: str) -> None:
    source = TrackedSource(ITEMS, pause=1, cleanup=1000)
    inner, outer = over(source, "generator"), GIVEN[name]
    for opened, seconds in (
        (outer(inner).open(), 1),
        (outer(inner.with_grace(5)).open(), 5),
        (outer(chain(inner.with_grace(6), [])).open(), 6),
        (outer(inner.with_grace(5)).with_grace(7).open(), 7),
        (outer(inner).with_grace(0.5).open(), 0.5),
        (outer(inner.with_grace(0.25)).with_grace(0.5).open(), 0.5),
        (merge([], outer(inner.with_grace(5))).open(), 5),
        (outer(inner.with_grace(5)).open(grace=2), 2),
    ):
        with pytest.raises(CleanupTimeoutError, match=f"did not close within {seconds} s"):
            async with opened as items:
                await anext(items)
                start = anyio.current_time()
        assert anyio.current_time() - start == pytest.approx(seconds)


async def test_a_run_is_left_by_the_task_that_entered() -> None:
    run = async_range(3).open()
    async with run as items:
        assert await anext(items) == 0
        async with anyio.create_task_group() as group:

            async def leave() -> None:
                with pytest.raises(WrongTaskError):
                    await run.__aexit__(None, None, None)

            group.start_soon(leave)
        assert await anext(items) == 1


def test_bad_graces() -> None:
    with pytest.raises(ValueError, match="grace must be finite and more than 0 seconds, got 0"):
        async_range(3).open(grace=0)
    with pytest.raises(TypeError, match="seconds must be a number of seconds, got None"):
        async_range(3).with_grace(None)  # type: ignore[arg-type]
    assert repr(async_range(3).with_grace(2)) == "async_range(3).with_grace(2)"


async def test_waiting_for_several_cleanups_takes_as_long_as_they_take() -> None:
    source = TrackedSource(range(9), cleanup=0.8)

    async def slow(n: int) -> int:
        await anyio.sleep(9)
        return n

    stream = Stream(source.iterator).on_close(lambda: anyio.sleep(0.8)).buffer(1)
    with anyio.move_on_after(0.5):
        async with stream.map(slow).buffer(1) as items:
            await anext(items)
    assert source.open_runs == 0
    assert anyio.current_time() == pytest.approx(2.1)


async def test_a_run_is_entered_once() -> None:
    run = async_range(3).buffer(1).open()
    async with run:
        with pytest.raises(StreamBusyError, match="can be entered only once"):
            await run.__aenter__()
        assert await anext(run) == 0
    with pytest.raises(StreamBusyError, match="can be entered only once"):
        await run.__aenter__()


# -- who takes everything -------------------------------------------------------------------


async def generated() -> AsyncGenerator[int, None]:
    for number in range(400):
        yield number


@pytest.mark.parametrize(
    "stream",
    [
        async_range(400).buffer(0),
        merge(*[async_range(100)] * 4),
        async_range(20).flat_map(lambda _: async_range(20), concurrency=4),
        Stream(generated).timeout(60),
        Stream(generated).deadline(60, on_timeout="end"),
    ],
)
async def test_what_is_kept_is_asked_for_several_at_a_time(stream: Stream[int]) -> None:
    items = await stream.collect()
    assert len(items) == 400
    assert 3 * await turns_of(stream.collect) < await turns_of(stream.drain)


@pytest.mark.parametrize("whole", [False, True])
async def test_what_several_tasks_have_brought_comes_in_turn(whole: bool) -> None:
    channel = Channel(backend())
    if whole:
        channel.read_whole(kept=True)
    for length in (5, 1, 3, 2):
        lane = channel.lane(8)
        for place in range(length):
            lane.put((place, length))
    items = await channel.batch()
    assert items is not None
    lengths = [(5, 1, 3, 2), (5, 3, 2), (5, 3), (5,), (5,)]
    assert [*items] == [(place, each) for place, there in enumerate(lengths) for each in there]


async def test_who_takes_everything_is_cut_by_time_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("anystream._core.channel.QUANTUM", 0)
    channel = Channel(backend())
    channel.read_whole(kept=True)
    channel.lane(9000).extend(iter(range(9000)))
    items = await channel.batch()
    assert items is not None
    assert 0 < len([*items]) < 9000


@pytest.mark.parametrize("kind", ["generator", "range"])
async def test_items_that_take_long_are_taken_one_by_one(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anystream._core.batches.QUANTUM", 0)
    source = TrackedSource(range(64), pause=None)
    items: Any = range(64) if kind == "range" else source.generator()
    stream = Stream(items).buffer(0)
    assert await turns_of(stream.collect) >= 32  # as no piece is larger than two items


class Large:
    """Of which the most that are there at a time are counted."""

    there = most = 0

    def __init__(self, _: int) -> None:
        Large.there += 1
        Large.most = max(Large.most, Large.there)

    def __del__(self) -> None:
        Large.there -= 1


@pytest.mark.parametrize("terminal", [Stream[Large].drain, Stream[Large].count])
@pytest.mark.parametrize("size", [0, 1, 8])
async def test_what_is_not_kept_is_read_no_further_ahead(
    terminal: Callable[[Stream[Large]], Awaitable[object]], size: int
) -> None:
    Large.most = 0
    await terminal(async_range(100).map(Large).buffer(size))
    assert Large.there == 0
    assert Large.most <= size + 3  # and those of the task and its reader


@pytest.mark.parametrize("ordered", [True, False])
async def test_who_takes_everything_is_woken_for_several_results(
    ordered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    available = Channel.available

    def look(channel: Channel) -> bool:
        nonlocal looks
        looks += 1
        return available(channel)

    async def double(number: int) -> int:
        await anyio.sleep(1)
        return 2 * number

    monkeypatch.setattr(Channel, "available", look)
    stream = async_range(40, delay=1).map(double, concurrency=8, ordered=ordered)
    assert await stream.collect() == [*range(0, 80, 2)]
    few = looks
    assert await stream.reduce(operator.add) == sum(range(0, 80, 2))
    assert few < 40 < looks - few


async def test_what_ends_early_is_not_read_any_further() -> None:
    """An operator behind the channel asks for its items one by one."""
    source = TrackedSource(range(99))
    assert await Stream(source.generator).buffer(0).take(3).collect() == [0, 1, 2]
    assert source.steps == 3
    first, second = TrackedSource(range(2), pause=1), TrackedSource(range(99))
    zipped = anystream.zip(first.generator, second.generator)
    assert await zipped.collect() == [(0, 0), (1, 1)]
    assert second.steps <= 3
    slow, fast = TrackedSource(range(9), pause=1), TrackedSource(range(5))
    assert await race(slow.generator, fast.generator).collect() == [*range(5)]
    assert slow.steps == 1
