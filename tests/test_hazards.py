"""What is known to go wrong with async streams, one test for each, on both backends.

The names carry the numbers of a catalogue of 48 hazards, H1 to H48. Left out are:

H5   a loop that is closed without `shutdown_asyncgens`: asyncio's alone, and answered by H2, since
     nothing waits for the garbage collector or for the end of the loop
H43  a blocking generator in a thread: tests/bridges/test_from_thread.py

H20, H27, H28, H42 and the second half of H15 and of H21 are about asyncio's own API and run there.
"""

import asyncio
import gc
import itertools
import signal
import sys
import tomllib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import pytest
from anyio.lowlevel import checkpoint

from anystream import (
    CleanupTimeoutError,
    Stream,
    StreamBusyError,
    StreamClosedError,
    StreamConsumedError,
    StreamInterruptedError,
    WrongTaskError,
    chain,
    merge,
)
from anystream.testing import LeakWatch, TrackedSource, every_cut, every_cut_anywhere
from anystream.testing.sweep import assert_sound
from anystream.testing.tasks import running_tasks

ITEMS = [0, 1, 2, 3, 4]

on_asyncio = pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)

Place: TypeAlias = Callable[[Stream[Any]], Stream[Any]]


def in_the_readers_task(stream: Stream[Any]) -> Stream[Any]:
    return stream


def in_its_own_task(stream: Stream[Any]) -> Stream[Any]:
    return stream.buffer(0)


PLACES: tuple[Place, ...] = (in_the_readers_task, in_its_own_task)
in_either_task = pytest.mark.parametrize("place", PLACES)


async def take_one(stream: Stream[Any]) -> None:
    """Leave a stream by a `break`."""
    async with stream as items:
        async for _ in items:
            break


# -- abandonment ----------------------------------------------------------------------------------


@in_either_task
async def test_h1_a_break_closes_before_the_statement_after_the_block(place: Place) -> None:
    source = TrackedSource(ITEMS, cleanup=0.5)
    await take_one(place(Stream(source.generator)))
    assert (source.opened, source.closes_finished) == (1, 1)


@in_either_task
async def test_h2_cleanup_does_not_depend_on_the_garbage_collector(place: Place) -> None:
    class Holder:
        me: Any = None

    source, holder = TrackedSource(ITEMS), Holder()
    gc.disable()
    try:
        async with place(Stream(source.generator)) as items:
            holder.me = holder, items
            await anext(items)
        assert source.closes_finished == 1
    finally:
        gc.enable()
        holder.me = None


@in_either_task
async def test_h3_the_cleanup_has_the_same_result_on_both_backends(place: Place) -> None:
    log: list[str] = []

    async def numbers() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            await anyio.sleep(0.01)
            log.append("slept")

    await take_one(place(Stream(numbers)))
    assert log == ["slept"]


@in_either_task
async def test_h4_an_error_of_the_cleanup_comes_to_the_consumer(place: Place) -> None:
    source = TrackedSource(ITEMS, cleanup_error=OSError("cleanup"))
    with pytest.raises(OSError, match="cleanup"):
        await take_one(place(Stream(source.generator)))


@in_either_task
async def test_h6_a_source_that_was_never_stepped_is_closed(place: Place) -> None:
    source = TrackedSource(ITEMS)
    async with place(Stream(source.iterator()).map(str)):
        pass
    assert (source.steps, source.closes_finished) == (0, 1)


@in_either_task
async def test_h7_the_whole_chain_is_closed_downstream_first(place: Place) -> None:
    log: list[str] = []

    async def part(name: str, cleanup: float) -> AsyncGenerator[int, None]:
        try:
            for item in ITEMS:
                yield item
        finally:
            await anyio.sleep(cleanup)
            log.append(name)

    inner = place(Stream(lambda: part("down", 0.5)))
    await take_one(place(place(Stream(lambda: part("up", 0.1))).flat_map(lambda _: inner)))
    assert log == ["down", "up"]


async def test_h8_nothing_is_left_for_the_end_of_the_loop() -> None:
    with LeakWatch() as watch:
        source = TrackedSource(ITEMS)
        stream = Stream(source.generator).buffer(1)
        await take_one(stream.flat_map(lambda _: Stream(source.generator).buffer(1)))
        assert source.opened == 2
        assert not await watch.leaks()


async def test_h44_dropping_an_open_class_iterator_is_a_warning() -> None:
    source = TrackedSource(ITEMS)
    with pytest.warns(ResourceWarning, match="async with"):
        async for _ in Stream(source.iterator):
            break
        gc.collect()
    assert source.closes_started == 0


async def test_h45_a_partial_start_is_undone() -> None:
    used = Stream(iter([1]))
    await used.drain()
    for join in (chain, merge):
        first = TrackedSource(ITEMS)
        with pytest.raises(StreamConsumedError):
            async with join(first.iterator(), used):
                raise AssertionError("it opened")
        assert first.closes_finished == 1


# -- a scope across a yield -----------------------------------------------------------------------


async def scoped() -> AsyncGenerator[int, None]:
    with anyio.CancelScope():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep_forever)
            for item in ITEMS:
                await checkpoint()
                yield item
            tasks.cancel_scope.cancel()


async def test_h9_a_timeout_of_the_source_does_not_cancel_the_consumer() -> None:
    async def numbers() -> AsyncGenerator[int, None]:
        with anyio.move_on_after(0.02):
            yield 1
            yield 2
            await anyio.sleep_forever()
        yield 3

    async with Stream(numbers).buffer(0) as items:
        assert await anext(items) == 1
        await anyio.sleep(0.1)
        assert [item async for item in items] == [2, 3]


async def test_h10_an_error_of_a_child_of_the_source_comes_at_the_step() -> None:
    async def fail() -> None:
        raise ValueError("child")

    async def numbers() -> AsyncGenerator[int, None]:
        async with anyio.create_task_group() as tasks:
            yield 1
            tasks.start_soon(fail)
            await anyio.sleep_forever()

    async with Stream(numbers).buffer(0) as items:
        assert await anext(items) == 1
        with pytest.RaisesGroup(pytest.RaisesExc(ValueError, match="child")):
            await anext(items)
        await checkpoint()


@in_either_task
async def test_h11_a_break_out_of_a_source_that_holds_a_group(place: Place) -> None:
    before = running_tasks()
    await take_one(place(Stream(scoped)))
    await assert_sound(before)


async def test_h12_a_timeout_around_a_step_of_a_source_that_holds_a_group() -> None:
    before = running_tasks()
    async with Stream(scoped).buffer(0) as items:
        for item in ITEMS:
            with anyio.move_on_after(1):
                assert await anext(items) == item
    await assert_sound(before)


async def test_h13_two_sources_that_hold_scopes_closed_first_in_first_out() -> None:
    before = running_tasks()
    first, second = Stream(scoped).buffer(0), Stream(scoped).buffer(0)
    async with first as one, second as two:
        assert await anext(one) == await anext(two) == 0
        await one.aclose()
        assert await anext(two) == 1
    await assert_sound(before)


@in_either_task
async def test_h14_the_exit_of_a_generator_does_not_come_out_in_a_group(place: Place) -> None:
    async with place(Stream(scoped)) as items:
        await anext(items)
        await items.aclose()


async def test_h15_each_step_in_a_task_of_its_own() -> None:
    got: list[int] = []

    async def step(items: AsyncIterator[int]) -> None:
        got.append(await anext(items))

    async with Stream(scoped).buffer(0) as items:
        for _ in ITEMS:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(step, items)
    assert got == ITEMS


@on_asyncio
async def test_h15b_wait_for() -> None:
    source = TrackedSource(ITEMS, pause=1)
    got: list[int] = []
    async with Stream(source.generator).buffer(0) as items:
        while len(got) < len(ITEMS):
            try:
                got.append(await asyncio.wait_for(anext(items), 0.3))
            except TimeoutError:
                continue
    assert got == ITEMS


async def test_h40_leaving_in_another_task_is_named() -> None:
    stream = Stream(ITEMS).buffer(1)
    await stream.__aenter__()

    async def leave() -> None:
        with pytest.raises(WrongTaskError, match="another task"):
            await stream.__aexit__(None, None, None)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(leave)
    await stream.__aexit__(None, None, None)


def test_h41_an_anyio_without_the_busy_loop_of_leaked_scopes_is_required() -> None:
    pyproject = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text())
    (bound,) = pyproject["project"]["dependencies"]
    name, version = bound.split(">=")
    assert name == "anyio"
    assert tuple(map(int, version.split("."))) >= (4, 14, 2)


# -- one step, cancelled or concurrent ------------------------------------------------------------


async def test_h16_two_tasks_in_one_step() -> None:
    got: list[int] = []

    async def read(items: AsyncIterator[int]) -> None:
        async for item in items:
            got.append(item)

    source = TrackedSource(ITEMS, pause=1)
    async with Stream(source.generator).buffer(0) as items, anyio.create_task_group() as tasks:
        tasks.start_soon(read, items)
        tasks.start_soon(read, items)
    assert sorted(got) == ITEMS

    async with Stream(source.generator) as items, anyio.create_task_group() as tasks:
        tasks.start_soon(read, items)
        await anyio.sleep(0.5)
        with pytest.raises(StreamBusyError):
            await anext(items)


async def test_h17_closing_interrupts_the_step_of_another_task() -> None:
    source = TrackedSource(ITEMS, pause=60)
    ended: list[float] = []

    async def read(items: AsyncIterator[int]) -> None:
        with pytest.raises(StreamClosedError):
            await anext(items)
        ended.append(anyio.current_time())

    async with anyio.create_task_group() as tasks, Stream(source.generator).buffer(0) as items:
        tasks.start_soon(read, items)
        await anyio.sleep(1)
        closed = anyio.current_time()
    assert ended == [closed]
    assert source.open_runs == 0


async def test_h18_a_timed_out_step_loses_nothing() -> None:
    for stream in (
        Stream(TrackedSource(ITEMS, pause=1).generator).buffer(0),
        Stream(TrackedSource(ITEMS).generator).buffer(3).map(slowly),
        Stream(TrackedSource(ITEMS, pause=0).iterator).map(slowly),
    ):
        got: list[int] = []
        timeouts = 0
        async with stream as items:
            for timeout in itertools.cycle([0.4, 3]):
                with anyio.move_on_after(timeout) as scope:
                    item = await anext(items, None)
                    if item is None:
                        break
                    got.append(item)
                timeouts += scope.cancelled_caught
        assert got == ITEMS
        assert timeouts


async def test_h18b_nor_does_it_look_like_the_end_where_it_kills_the_source() -> None:
    async with Stream(TrackedSource(ITEMS, pause=1).generator) as items:
        with anyio.move_on_after(0.4):
            await anext(items)
        with pytest.raises(StreamInterruptedError, match="buffer"):
            await anext(items)


async def slowly(item: int) -> int:
    await anyio.sleep(1)
    return item


async def test_h19_an_operator_keeps_the_item_that_it_has_taken() -> None:
    for cut in every_cut():
        got: list[int] = []
        async with Stream(TrackedSource(ITEMS, pause=None).iterator).map(slowly) as items:
            await cut.collect(items, got)
        assert got == ITEMS


@on_asyncio
async def test_h20_a_native_cancel_in_the_tick_of_the_wake_up_loses_nothing() -> None:
    await assert_that_a_cancelled_reader_leaves_the_rest("native")


async def test_h20b_nor_does_a_scope_that_is_cancelled_then() -> None:
    await assert_that_a_cancelled_reader_leaves_the_rest("scope")


async def assert_that_a_cancelled_reader_leaves_the_rest(mode: Any) -> None:
    for cut in every_cut_anywhere(seeds=range(5)):
        got: list[int] = []

        async def read(items: AsyncIterator[int], got: list[int] = got) -> None:
            async for item in items:
                got.append(item)

        async with Stream(TrackedSource(ITEMS).generator).buffer(1) as items:
            await cut.run(read(items), mode)
            got += [item async for item in items]
        assert got == ITEMS


async def test_h26_a_source_without_checkpoints_can_be_cancelled() -> None:
    async def endless() -> AsyncGenerator[int, None]:
        for n in itertools.count():
            yield n

    async def cancel(scope: anyio.CancelScope) -> None:
        scope.cancel()

    for stream in (Stream(itertools.count), Stream(endless), Stream(endless).buffer(3)):
        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope() as scope:
                tasks.start_soon(cancel, scope)
                async with stream as items:
                    async for _ in items:
                        pass
            assert scope.cancelled_caught


@in_either_task
async def test_h29_a_result_that_comes_when_the_scope_is_cancelled_is_not_lost(
    place: Place,
) -> None:
    scope, got = anyio.CancelScope(), list[int]()

    def cancel(item: int) -> int:
        scope.cancel()
        return item

    async with place(Stream(ITEMS).map(cancel)) as items:
        while len(got) < len(ITEMS):
            with anyio.CancelScope() as scope:
                got.append(await anext(items))
    assert got == ITEMS


@pytest.mark.parametrize("size", [0, 1, 3])
async def test_h39_a_source_is_ahead_of_its_reader_by_no_more_than_was_said(size: int) -> None:
    source = TrackedSource(range(20))
    async with Stream(source.generator).buffer(size) as items:
        for read in range(1, 6):
            await anext(items)
            await anyio.sleep(1)
            assert source.steps <= read + size


async def test_h48_a_cancelled_step_takes_its_demand_back() -> None:
    source = TrackedSource(ITEMS, pause=1)
    async with Stream(source.generator).buffer(0) as items:
        for _ in range(5):
            with anyio.move_on_after(0.01):
                await anext(items)
        await anyio.sleep(10)
        assert source.steps == 1
        assert await anext(items) == 0
        await anyio.sleep(10)
        assert source.steps == 1


# -- cleanup under cancellation -------------------------------------------------------------------


async def test_h21_cleanup_may_await_in_a_cancelled_scope() -> None:
    source = TrackedSource(ITEMS, pause=1, cleanup=0.5)
    plain = Stream(source.generator)
    for stream in (plain, Stream(source.iterator), plain.buffer(0), plain.map(str).retry()):
        with anyio.move_on_after(0.3) as scope:
            await stream.drain()
        assert scope.cancelled_caught
    assert source.closes_finished == 4


@on_asyncio
async def test_h21b_nor_does_a_native_cancel_come_to_the_cleanup() -> None:
    source = TrackedSource(ITEMS, pause=1, cleanup=0.5)
    task = asyncio.create_task(Stream(source.generator).buffer(0).drain())
    await anyio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert source.closes_finished == 1


@in_either_task
async def test_h22_a_cleanup_has_a_deadline(place: Place) -> None:
    source = TrackedSource(ITEMS, cleanup=60)
    start = anyio.current_time()
    with pytest.raises(CleanupTimeoutError):
        await take_one(place(Stream(source.generator)))
    assert anyio.current_time() - start == pytest.approx(1, abs=0.01)


async def test_h22b_and_so_has_that_of_an_interrupted_step() -> None:
    source = TrackedSource(ITEMS, pause=60, cleanup=60)
    start = 0.0
    with pytest.raises(CleanupTimeoutError):
        async with Stream(source.generator).buffer(0) as items:
            with anyio.move_on_after(1):
                await anext(items)
            start = anyio.current_time()
    assert anyio.current_time() - start == pytest.approx(1, abs=0.01)
    assert source.closes_finished == 0


@in_either_task
@pytest.mark.parametrize("kind", ["generator", "iterator"])
async def test_h23_a_close_that_is_cancelled_half_way_is_complete(kind: str, place: Place) -> None:
    source = TrackedSource(ITEMS, cleanup=0.5)
    with anyio.move_on_after(0.1):
        await take_one(place(Stream(getattr(source, kind))))
    assert (source.closes_started, source.closes_finished) == (1, 1)


async def test_h23b_nor_is_it_cut_short_inside_of_the_block() -> None:
    """Unless it is a generator of the reader's own task, which may hold scopes."""
    source = TrackedSource(ITEMS, cleanup=0.5)
    for stream in (Stream(source.iterator), Stream(source.generator).buffer(0)):
        async with stream as items:
            await anext(items)
            with anyio.move_on_after(0.1):
                await items.aclose()
            await items.aclose()
    assert (source.closes_started, source.closes_finished) == (2, 2)


@in_either_task
async def test_h24_a_source_that_yields_in_its_cleanup_is_reported(place: Place) -> None:
    async def numbers() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            yield 2

    with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
        await take_one(place(Stream(numbers)))


async def test_h25_a_source_that_swallows_everything_does_not_swallow_the_timeout() -> None:
    async def numbers() -> AsyncGenerator[int, None]:
        for item in ITEMS:
            with suppress(BaseException):
                await anyio.sleep(1)
            yield item

    got: list[int] = []
    with anyio.move_on_after(2.5) as scope:
        async with Stream(numbers).buffer(0) as items:
            async for item in items:
                got.append(item)
    assert scope.cancelled_caught
    assert got == [0, 1]


@on_asyncio
async def test_h27_a_cancellation_that_comes_while_tasks_are_stopped_is_not_swallowed() -> None:
    source = TrackedSource(ITEMS, cleanup=0.5)
    task = asyncio.create_task(take_one(Stream(source.generator).buffer(1)))
    await anyio.sleep(0.1)
    assert source.closes_started == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert source.closes_finished == 1


@on_asyncio
@in_either_task
async def test_h28_asyncio_timeout(place: Place) -> None:
    source = TrackedSource(ITEMS, pause=1, cleanup=0.5)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2.5):
            await place(Stream(source.generator)).drain()
    assert source.closes_finished == 1
    await assert_sound(running_tasks())


async def test_h33_leaving_does_not_wait_for_what_a_source_waits_for() -> None:
    source = TrackedSource(ITEMS, pause=60)

    async def leave() -> str:
        async with Stream(source.generator).buffer(1):
            await anyio.sleep(1)
            return "left"

    with anyio.fail_after(1.01):
        assert await leave() == "left"
    assert source.open_runs == 0


async def test_h47_stopping_is_not_cancelling() -> None:
    for pause in (0, 60):  # the source is between two steps, or within one
        source = TrackedSource(ITEMS, pause=pause, cleanup=0.5)
        async with Stream(source.generator).buffer(1):
            await anyio.sleep(1)
        assert source.closes_finished == 1


# -- errors and context ---------------------------------------------------------------------------


@in_either_task
async def test_h30_an_error_of_the_source_comes_bare(place: Place) -> None:
    error = ValueError("source")
    source = TrackedSource(ITEMS, errors={1: error})
    with pytest.raises(ValueError, match="source") as caught:
        await place(Stream(source.generator)).drain()
    assert caught.value is error


@in_either_task
async def test_h31_an_error_of_the_consumer_comes_bare(place: Place) -> None:
    error = ValueError("consumer")
    with pytest.raises(ValueError, match="consumer") as caught:
        async with place(Stream(TrackedSource(ITEMS).generator)) as items:
            await anext(items)
            raise error
    assert caught.value is error
    assert error.__context__ is None


async def test_h32_leaving_while_a_task_waits_for_room_raises_nothing() -> None:
    source = TrackedSource(ITEMS)
    async with Stream(source.generator).buffer(2):
        await anyio.sleep(1)
        assert source.steps == 2
    assert source.open_runs == 0


@in_either_task
async def test_h34_errors_of_the_body_and_of_the_cleanup_are_both_reported(place: Place) -> None:
    source = TrackedSource(ITEMS, cleanup_error=OSError("cleanup"))
    with pytest.RaisesGroup(KeyError, OSError):
        async with place(Stream(source.generator)) as items:
            await anext(items)
            raise KeyError("body")


@in_either_task
@pytest.mark.parametrize("error", [StopAsyncIteration, StopIteration])
async def test_h35_a_function_cannot_end_the_stream_by_a_stop(
    place: Place, error: type[Exception]
) -> None:
    def stop(item: int) -> int:
        if item == 2:
            raise error
        return item

    got: list[int] = []
    with pytest.raises(RuntimeError, match=error.__name__):
        async with place(Stream(ITEMS).map(stop)) as items:
            async for item in items:
                got.append(item)
    assert got == [0, 1]


@in_either_task
async def test_h36_an_error_of_the_consumer_is_not_thrown_into_the_source(place: Place) -> None:
    seen: list[BaseException] = []

    async def numbers() -> AsyncGenerator[int, None]:
        try:
            for item in ITEMS:
                yield item
        except Exception as error:
            seen.append(error)

    with pytest.raises(KeyError):
        async with place(Stream(numbers)) as items:
            await anext(items)
            raise KeyError
    assert seen == []


@pytest.mark.parametrize("name", ["asyncio", "trio"])
@in_either_task
def test_h37_a_keyboard_interrupt_comes_bare_with_the_cleanup_done(name: Any, place: Place) -> None:
    source = TrackedSource(ITEMS, cleanup=0.01)

    async def main() -> None:
        async with place(Stream(source.generator)) as items:
            await anext(items)
            signal.raise_signal(signal.SIGINT)
            await anyio.sleep(1)

    with pytest.raises(KeyboardInterrupt):
        anyio.run(main, backend=name)
    assert (source.opened, source.closes_finished) == (1, 1)


variable = ContextVar("variable", default="nothing")


async def context() -> AsyncGenerator[str, None]:
    token = variable.set("of the source")
    try:
        yield variable.get()
        yield variable.get()
    finally:
        variable.reset(token)


async def test_h38_a_segment_runs_in_the_context_of_the_task_that_steps_it() -> None:
    async with Stream(context) as items:
        await anext(items)
        assert variable.get() == "of the source"
        variable.set("of the consumer")
        assert await anext(items) == "of the consumer"
    assert variable.get() == "nothing"


async def test_h38b_a_task_has_the_context_of_the_opening() -> None:
    async with Stream(context).buffer(0) as items:
        await anext(items)
        assert variable.get() == "nothing"
        variable.set("of the consumer")
        assert await anext(items) == "of the source"


@on_asyncio
async def test_h42_an_eager_task_factory() -> None:
    if sys.version_info < (3, 12):
        pytest.skip("asyncio has had eager tasks since Python 3.12")
    loop = asyncio.get_running_loop()
    loop.set_task_factory(asyncio.eager_task_factory)
    try:
        sources = [TrackedSource(ITEMS, cleanup=0.5) for _ in range(2)]
        streams = [Stream(source.generator).buffer(0) for source in sources]
        assert sorted(await merge(*streams).collect()) == sorted(ITEMS * 2)
        await take_one(merge(*streams))
        assert all(source.open_runs == 0 for source in sources)
    finally:
        loop.set_task_factory(None)


@in_either_task
async def test_h46_an_error_comes_behind_the_items_before_it_and_ends_the_loop(
    place: Place,
) -> None:
    source = TrackedSource(ITEMS, errors={3: OSError("died")})
    log: list[Any] = []
    with pytest.raises(OSError, match="died"):
        async with place(Stream(source.generator)) as items:
            async for item in items:
                log.append(item)
            log.append("committed")
    assert log == [0, 1, 2]
