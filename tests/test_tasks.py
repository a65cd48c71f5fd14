"""Streams with tasks behind them: buffer and merge through every guarantee."""

import itertools
from collections.abc import AsyncGenerator, Callable
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from harness import MODES, TrackedSource, every_cut
from rows import suspending

from anystream import (
    CleanupTimeoutError,
    NeedsTasksError,
    Stream,
    StreamBusyError,
    StreamClosedError,
    StreamConsumedError,
    StreamInterruptedError,
    StreamOverflowError,
    WrongTaskError,
    async_range,
    chain,
    combine_latest,
    merge,
    ticker,
)

ITEMS = [3, 0, 1, 2, 5, 4, 7, 1]

Form = Callable[[Stream[int]], Stream[Any]]

FORMS: dict[str, Form] = {
    "buffer 0": lambda s: s.buffer(0),
    "buffer 1": lambda s: s.buffer(1),
    "buffer 3": lambda s: s.buffer(3),
    "buffer 100": lambda s: s.buffer(100),
    "two buffers": lambda s: s.buffer(2).buffer(0),
    "in between": lambda s: s.map(suspending(int)).buffer(2).map(suspending(int)),
    "merge one": lambda s: merge(s),
    "merge with nothing": lambda s: s.merge([], buffer=2),
    "flat_map": lambda s: Stream([s.buffer(1)]).flatten(),
    "chain": lambda s: chain([], s.buffer(1)),
    "stream of a stream": lambda s: Stream(s.buffer(0)),
    "map ordered": lambda s: s.map(suspending(int), concurrency=3),
    "map strict": lambda s: s.map(suspending(int), concurrency=3, ahead=0),
    "map by one": lambda s: s.map(suspending(int), ahead=1),
    "map ordered, plain": lambda s: s.map(int, concurrency=2),
    "map of a buffer": lambda s: s.buffer(2).map(suspending(int), concurrency=2),
    "filter": lambda s: s.filter(suspending(lambda n: True), concurrency=3),
    "merge until any": lambda s: merge(s, until="any"),
    "race": lambda s: s.race(Stream([1]).filter(lambda n: False)),
    "zip": lambda s: s.zip(Stream(itertools.count)).map(lambda pair: pair[0]),
    "zip strict": lambda s: s.zip(ITEMS, strict=True).map(lambda pair: pair[0]),
    "combine_latest": lambda s: combine_latest(s).map(lambda row: row[0]),
    "with_latest_from": lambda s: s.with_latest_from().map(lambda row: row[0]),
    "concurrently": lambda s: s.concurrently(ticker(0.3)),
}
IN_ORDER = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
KINDS = pytest.mark.parametrize("kind", ["generator", "iterator"])


def over(source: TrackedSource[int], kind: str) -> Stream[int]:
    return Stream(getattr(source, kind))


def at_its_own_end(source: TrackedSource[int], kind: str) -> bool:
    """Whether a generator may have been in its `finally` already when it was interrupted."""
    return kind == "generator" and source.steps > len(ITEMS)


@IN_ORDER
@KINDS
@pytest.mark.parametrize("pause", [None, 0, 1])
async def test_same_items(form: Form, kind: str, pause: float | None) -> None:
    source = TrackedSource(ITEMS, pause=pause)
    stream = form(over(source, kind))
    assert await stream.collect() == ITEMS
    async with stream as items:
        assert [item async for item in items] == ITEMS
        with pytest.raises(StopAsyncIteration):
            await anext(items)
    assert await form(Stream(ITEMS)).collect() == ITEMS
    assert source.open_runs == 0
    assert len(source.closed_by) == source.opened == 2


@IN_ORDER
@KINDS
async def test_leaving_early_closes_with_the_cleanup_complete(form: Form, kind: str) -> None:
    for length in range(len(ITEMS) + 1):
        for pause in (0, 1):
            source = TrackedSource(ITEMS, pause=pause, cleanup=0.5)
            got: list[int] = []
            async with form(over(source, kind)) as items:
                while len(got) < length:
                    got.append(await anext(items))
                await anyio.sleep(0.25)
            assert got == ITEMS[:length]
            assert source.closes_started == source.opened
            assert at_its_own_end(source, kind) or source.open_runs == 0
            assert source.stepped_by in (set(), set(source.closed_by))


@IN_ORDER
@KINDS
async def test_an_error_of_the_source_keeps_its_place(form: Form, kind: str) -> None:
    for index in range(len(ITEMS) + 1):
        error = OSError(index)
        source = TrackedSource(ITEMS, errors={index: error})
        got: list[int] = []
        with pytest.raises(OSError, match=str(index)) as caught:
            async with form(over(source, kind)) as items:
                async for item in items:
                    got.append(item)
                raise AssertionError("the loop ended as if nothing was wrong")
        assert caught.value is error
        assert got == ITEMS[:index]
        assert source.open_runs == 0


@IN_ORDER
async def test_an_error_of_the_body_comes_out_bare(form: Form) -> None:
    source = TrackedSource(ITEMS, cleanup=0.5)
    error = KeyError("body")
    with pytest.raises(KeyError) as caught:
        async with form(over(source, "generator")) as items:
            await anext(items)
            raise error
    assert caught.value is error
    assert error.__context__ is None
    assert source.open_runs == 0


@IN_ORDER
async def test_an_error_of_the_body_survives_a_cancelled_scope_around_it(form: Form) -> None:
    source = TrackedSource(ITEMS, cleanup=0.5)
    with pytest.raises(KeyError):
        with anyio.CancelScope() as scope:
            async with form(over(source, "generator")) as items:
                await anext(items)
                scope.cancel()
                raise KeyError("body")
    assert source.open_runs == 0


@IN_ORDER
@KINDS
@pytest.mark.parametrize("mode", MODES)
async def test_cancelled_anywhere(form: Form, kind: str, mode: Any) -> None:
    """The cleanup is complete, even of a generator that was waiting inside of a step."""
    for cut in every_cut():
        source = TrackedSource(ITEMS, pause=1, cleanup=0.5)
        got: list[int] = []

        async def read(source: TrackedSource[int] = source, got: list[int] = got) -> None:
            async with form(over(source, kind)) as items:
                async for item in items:
                    got.append(item)

        await cut.run(read(), mode)
        assert got == ITEMS[: len(got)]
        assert cut.cancelled or got == ITEMS
        assert source.closes_started == source.opened
        assert at_its_own_end(source, kind) or source.open_runs == 0


@IN_ORDER
@KINDS
async def test_a_cancelled_step_loses_nothing(form: Form, kind: str) -> None:
    """Not even over a generator: the cancellation does not come to it."""
    for cut in every_cut():
        source = TrackedSource(ITEMS, pause=1)
        got: list[int] = []
        async with form(over(source, kind)) as items:
            await cut.collect(items, got)
        assert got == ITEMS
        assert source.open_runs == 0


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_the_bare_form_is_refused(form: Form) -> None:
    stream = form(Stream(ITEMS))
    if stream is not None and "flatten" in repr(stream):
        return  # whether the inner streams need tasks is not known before they are there
    with pytest.raises(NeedsTasksError, match=r"needs tasks.*async with stream as items"):
        aiter(stream)


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


async def test_a_scope_of_the_source_that_is_cancelled_between_two_items_is_loud() -> None:
    closed: list[int] = []

    async def numbers() -> AsyncGenerator[int, None]:
        try:
            with anyio.move_on_after(0.5):
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
async def test_a_native_cancel_while_the_tasks_clean_up_is_passed_on() -> None:
    import asyncio

    source = TrackedSource(range(5), cleanup=0.5)

    async def read() -> None:
        async with Stream(source.generator).buffer(1) as items:
            await anext(items)

    task = asyncio.create_task(read())
    await anyio.sleep(0.25)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert source.closes_finished == 1


async def test_a_mailbox_holds_the_tasks_that_fill_it() -> None:
    source = TrackedSource(range(2))
    async with Stream(source.generator).buffer(5) as items:
        assert items.pipeline.holds
        await anyio.sleep(1)
        assert not items.pipeline.holds
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
        scope = items.pipeline.scope
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
    overflow: Any, wanted: list[int]
) -> None:
    assert await async_range(10).buffer(2, overflow).collect() == wanted


async def test_a_buffer_that_overflows() -> None:
    source = TrackedSource(range(10), pause=1, cleanup=0.5)
    got: list[int] = []
    with pytest.raises(StreamOverflowError, match="an item came while 2 waited to be read"):
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
