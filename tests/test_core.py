"""The finer guarantees of the core: each of these tests holds one line of it in place."""

import gc
import itertools
import sys
import time
import traceback
import warnings
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from insides import turns_of
from rows import suspending

from anystream import (
    CleanupTimeoutError,
    Stream,
    StreamClosedError,
    StreamConsumedError,
    StreamInterruptedError,
    async_range,
    chain,
    stream_data,
)
from anystream.testing import TrackedSource

# -- opening ------------------------------------------------------------------------------------


class Unopenable:
    """An async iterable that does not even give an iterator."""

    def __aiter__(self) -> AsyncIterator[int]:
        raise KeyboardInterrupt


async def consumed() -> Stream[int]:
    stream = Stream(iter([1]))
    await stream.drain()
    return stream


async def test_an_interruption_while_opening_closes_what_was_handed_over() -> None:
    source = TrackedSource(range(3))
    with pytest.raises(KeyboardInterrupt):
        async with chain(source.iterator(), Unopenable()):
            raise AssertionError("this must not run")
    assert source.closes_finished == 1


async def test_what_was_handed_over_is_closed_from_the_last_to_the_first() -> None:
    closed: list[str] = []

    class Source(AsyncIterator[int]):
        def __init__(self, name: str) -> None:
            self.name = name

        async def __anext__(self) -> int:
            raise AssertionError

        async def aclose(self) -> None:
            await checkpoint()
            closed.append(self.name)

    with pytest.raises(StreamConsumedError):
        async with chain(Source("first"), Source("second"), await consumed()):
            raise AssertionError("this must not run")
    assert closed == ["second", "first"]


class Endless(AsyncIterator[int]):
    """An async iterator that cannot be closed."""

    async def __anext__(self) -> int:
        return 1


@pytest.mark.parametrize(
    "make", [lambda: Stream([1, 1, 1]), lambda: Stream(Endless())], ids=["plain", "async"]
)
async def test_a_stream_that_holds_nothing_enters_no_scope(make: Any) -> None:
    """So a generator may hold it open while the scopes of the steps come and go."""

    async def numbers() -> AsyncGenerator[int, None]:
        async with make() as items:
            async for n in items:
                yield n

    async with aclosing(numbers()) as items:
        for _ in range(3):
            with anyio.CancelScope():
                assert await anext(items) == 1


async def with_a_scope(_: int) -> AsyncGenerator[int, None]:
    async with anyio.create_task_group():
        yield 1
        yield 2


@pytest.mark.parametrize(
    "make",
    [
        lambda: Stream(with_a_scope(0)),
        lambda: chain([1], with_a_scope(0)).skip(1),
        lambda: Stream([0]).flat_map(with_a_scope),
    ],
    ids=["handed over", "part", "inner"],
)
async def test_a_generator_may_hold_a_scope_wherever_it_is(make: Any) -> None:
    """The scope of the run is entered before, whatever may come to need it."""
    async with make() as items:
        assert await anext(items) == 1


async def test_the_manager_of_a_connection_may_hold_a_scope() -> None:
    closed: list[int] = []

    class Connection:
        async def read(self) -> bytes:
            return b"x"

        async def aclose(self) -> None:
            raise AssertionError("its manager does that")

    @asynccontextmanager
    async def connect() -> AsyncGenerator[Connection, None]:
        async with anyio.create_task_group():
            yield Connection()
        closed.append(1)

    async with stream_data(connect) as pieces:
        assert await anext(pieces) == b"x"
    assert closed == [1]


async def test_a_manager_that_was_not_entered_is_not_left() -> None:
    class Manager:
        async def __aenter__(self) -> Any:
            raise OSError("refused")

        async def __aexit__(self, *_: object) -> None:
            raise AssertionError("it was never entered")

    with pytest.raises(OSError, match="refused"):
        await stream_data(Manager).drain()


async def test_a_stream_remembers_no_task_that_has_left_it() -> None:
    stream = async_range(3)
    async with stream, stream:
        assert stream._runs
    assert not stream._runs


# -- closing ------------------------------------------------------------------------------------


async def test_closing_inside_of_the_block() -> None:
    source = TrackedSource(range(3))
    async with Stream(source.iterator) as items:
        await anext(items)
        await items.aclose()
        assert source.closes_finished == 1
    with anyio.move_on_after(1) as scope:
        await anyio.sleep(2)
    assert scope.cancelled_caught
    assert source.closes_started == 1


async def test_closing_twice_what_can_be_opened_once() -> None:
    source = TrackedSource(range(3))
    items = aiter(Stream(source.iterator()))
    await items.aclose()
    await items.aclose()
    assert source.closes_started == 1


async def test_a_step_while_the_run_is_closing_opens_nothing() -> None:
    source = TrackedSource(range(3), cleanup=0.9)
    items = aiter(Stream(source.iterator))
    await anext(items)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(items.aclose)
        await anyio.sleep(0.5)
        with pytest.raises(StreamClosedError):
            await anext(items)
    assert (source.opened, source.closes_finished) == (1, 1)


async def test_operators_are_closed_from_the_last_to_the_first() -> None:
    closed: list[str] = []

    async def numbers(name: str) -> AsyncGenerator[str, None]:
        try:
            yield name
            yield name
        finally:
            await checkpoint()
            closed.append(name)

    stream = Stream(["a"]).flat_map(numbers).flat_map(lambda name: numbers(name + "b"))
    async with stream as items:
        await anext(items)
    assert closed == ["ab", "a"]


async def test_the_bare_form_closes_a_synchronous_generator_on_an_error() -> None:
    closed: list[int] = []

    def numbers() -> Iterator[int]:
        try:
            yield from range(3)
        finally:
            closed.append(1)

    keep = numbers()
    with pytest.raises(ZeroDivisionError):
        async for _ in Stream(keep).map(lambda n: 1 // n):
            pass
    assert closed == [1]


async def test_dropping_a_run_over_what_cannot_be_closed_is_silent() -> None:
    items = aiter(Stream(Endless))
    await anext(items)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del items
        gc.collect()


async def test_a_generator_that_a_cancelled_step_has_finalised_is_named() -> None:
    """There was nothing left to close, so the bare form does not claim that it did."""
    source = TrackedSource(range(3), pause=1)
    items = aiter(Stream(source.generator))
    with anyio.move_on_after(0.5):
        await anext(items)
    with pytest.raises(StreamInterruptedError, match="finalised the generator"):
        await anext(items)


@pytest.mark.leaks_expected("abandoned", "open", "logged")
async def test_dropping_a_run_that_holds_an_inner_stream_warns_and_says_where() -> None:
    source = TrackedSource(range(3))
    items = aiter(Stream([0]).flat_map(lambda _: source.iterator()))
    await anext(items)
    with pytest.warns(ResourceWarning, match="was dropped") as caught:
        del items
        gc.collect()
    assert [warning.filename for warning in caught] == [__file__]


async def test_parts_are_closed_from_the_last_to_the_first() -> None:
    closed: list[int] = []

    class Part(AsyncIterator[int]):
        def __init__(self, number: int) -> None:
            self.number = number

        async def __anext__(self) -> int:
            return self.number

        async def aclose(self) -> None:
            await checkpoint()
            closed.append(self.number)

    async with chain(Part(1), Part(2), Part(3)) as items:
        assert await anext(items) == 1
    assert closed == [3, 2, 1]


# -- what is raised, and what becomes of the run ------------------------------------------------


@pytest.fixture
def tiny_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each batch ends after the two items that it has at least."""
    monkeypatch.setattr("anystream._core.batches.QUANTUM", 0)


@pytest.mark.usefixtures("tiny_batches")
async def test_a_run_has_ended_with_an_error_even_if_the_batch_could_go_on() -> None:
    async with async_range(9).map(lambda n: 6 // (n - 4)) as items:
        assert [await anext(items) for _ in range(4)] == [-2, -2, -3, -6]
        with pytest.raises(ZeroDivisionError):
            await anext(items)
        with pytest.raises(StopAsyncIteration):
            await anext(items)


async def test_a_run_has_ended_with_an_error_even_if_the_source_could_go_on() -> None:
    class Source(AsyncIterator[int]):
        async def __anext__(self) -> int:
            await checkpoint()
            raise OSError("again and again")

    async with Stream(Source) as items:
        with pytest.raises(OSError, match="again"):
            await anext(items)
        with pytest.raises(StopAsyncIteration):
            await anext(items)


async def test_an_error_in_the_bare_form_is_not_reported_once_more() -> None:
    source = TrackedSource(range(3), errors={1: OSError("source")})
    items = aiter(Stream(source.iterator))
    assert await anext(items) == 0
    with pytest.raises(OSError, match="source"):
        await anext(items)
    with pytest.raises(StopAsyncIteration):
        await anext(items)


@pytest.mark.parametrize("error", [StopIteration(), StopAsyncIteration()])
async def test_the_body_may_raise_what_ends_an_iteration(error: Exception) -> None:
    caught: Exception | None = None
    try:
        async with async_range(3):
            raise error
    except (StopIteration, StopAsyncIteration) as raised:
        caught = raised
    assert caught is error


async def test_stop_async_iteration_of_a_function_is_the_cause_of_the_error() -> None:
    stop = StopAsyncIteration()

    def fail(_: int) -> None:
        raise stop

    with pytest.raises(RuntimeError) as caught:
        await async_range(3).map(fail).drain()
    assert caught.value.__cause__ is stop


async def test_stop_iteration_of_a_function_before_one_that_waits() -> None:
    """The batch of the waiting operator comes to its end, but the one it draws on was cut."""

    def fail(n: int) -> int:
        if n == 2:
            raise StopIteration
        return n

    for stream in (
        async_range(5).map(fail).map(suspending(abs)),
        async_range(5).map(fail).flat_map(suspending(lambda n: [n])),
    ):
        with pytest.raises(RuntimeError, match="StopIteration"):
            await stream.drain()


async def test_stop_iteration_of_a_function_at_the_last_item_that_is_taken() -> None:
    def fail(n: int) -> int:
        if n == 2:
            raise StopIteration
        return n

    with pytest.raises(RuntimeError, match="StopIteration"):
        await async_range(5).take(3).map(fail).drain()


async def test_errors_of_a_function_and_the_cleanup_come_together_from_a_terminal_call() -> None:
    source = TrackedSource(range(3), cleanup_error=OSError("cleanup"))
    with pytest.raises(ExceptionGroup) as caught:
        await Stream(source.iterator).map(lambda n: 1 // n).drain()
    assert [type(error) for error in caught.value.exceptions] == [ZeroDivisionError, OSError]


async def test_a_group_does_not_show_its_errors_twice() -> None:
    source = TrackedSource(range(3), cleanup_error=OSError("cleanup"))
    with pytest.raises(ExceptionGroup) as caught:
        async with Stream(source.generator) as items:
            await anext(items)
            raise KeyError("body")
    assert "".join(traceback.format_exception(caught.value)).count("KeyError: 'body'") == 1


async def test_an_error_of_the_cleanup_after_a_cancellation_comes_bare() -> None:
    error = OSError("cleanup")
    source = TrackedSource(range(3), cleanup_error=error)
    with pytest.raises(OSError, match="cleanup") as caught, anyio.move_on_after(1):
        async with Stream(source.iterator) as items:
            await anext(items)
            await anyio.sleep(2)
    assert caught.value is error


async def test_an_error_of_the_cleanup_in_a_generator_that_is_closed_comes_bare() -> None:
    error = OSError("cleanup")
    source = TrackedSource(range(3), cleanup_error=error)

    async def numbers() -> AsyncGenerator[int, None]:
        async with Stream(source.iterator) as items:
            async for n in items:
                yield n

    generator = numbers()
    await anext(generator)
    with pytest.raises(OSError, match="cleanup") as caught:
        await generator.aclose()
    assert caught.value is error


async def test_an_error_in_closing_a_synchronous_generator_spares_the_others() -> None:
    def numbers() -> Iterator[int]:
        try:
            yield from range(5)
        finally:
            raise OSError("cleanup")

    keep = numbers()
    source = TrackedSource(range(3))
    with pytest.raises(ExceptionGroup) as caught:
        async with Stream(source.iterator).flat_map(lambda _: keep) as items:
            await anext(items)
            raise KeyError("body")
    assert [type(error) for error in caught.value.exceptions] == [KeyError, OSError]
    assert source.closes_finished == 1


async def test_an_exit_in_closing_a_synchronous_generator_leaves_the_scope() -> None:
    def numbers() -> Iterator[int]:
        try:
            yield from range(5)
        finally:
            raise SystemExit

    keep = numbers()
    with anyio.CancelScope():
        with pytest.raises(SystemExit):
            async with Stream(lambda: keep) as items:
                await anext(items)


# -- functions, from one batch to the next ------------------------------------------------------


@pytest.mark.usefixtures("tiny_batches")
async def test_a_call_that_is_cancelled_in_a_later_batch_loses_nothing() -> None:
    async def slow(n: int) -> int:
        await anyio.sleep(1)
        return n

    async with async_range(9).map(slow) as items:
        assert [await anext(items) for _ in range(4)] == [0, 1, 2, 3]
        with anyio.move_on_after(0.5):
            await anext(items)
        assert [n async for n in items] == [4, 5, 6, 7, 8]


@pytest.mark.usefixtures("tiny_batches")
async def test_a_function_must_stay_plain_or_async_in_a_later_batch_too() -> None:
    async def one() -> int:
        return 1

    with pytest.raises(
        TypeError, match="returned an awaitable for an earlier item but 4 for this one"
    ):
        await async_range(9).map(lambda n: one() if n < 4 else n).drain()


# -- the time that cleanup has ------------------------------------------------------------------


async def test_a_part_that_was_closed_before_does_not_change_the_grace() -> None:
    hanging = TrackedSource(range(3), cleanup=float("inf"))
    with pytest.raises(CleanupTimeoutError):
        async with chain(TrackedSource([7]).iterator(), hanging.iterator()) as items:
            assert [await anext(items), await anext(items)] == [7, 0]


async def test_a_hanging_cleanup_spares_all_of_the_others() -> None:
    sources = [TrackedSource(range(3), cleanup=seconds) for seconds in (0.5, 0.5, float("inf"))]
    with pytest.raises(CleanupTimeoutError):
        async with chain(*(source.iterator() for source in sources)) as items:
            await anext(items)
    assert [source.closes_finished for source in sources] == [1, 1, 0]


async def test_a_cleanup_that_is_cut_off_may_raise_something_else() -> None:
    class Source(AsyncIterator[int]):
        async def __anext__(self) -> int:
            return 1

        async def aclose(self) -> None:
            try:
                await anyio.sleep_forever()
            finally:
                raise SystemExit

    with pytest.raises(SystemExit):
        async with Stream(Source) as items:
            await anext(items)


async def test_a_cancellation_of_the_step_does_not_cut_the_cleanup_of_a_part_short() -> None:
    source = TrackedSource([7], pause=None, cleanup=0.9)
    async with chain(source.iterator(), [8]) as items:
        assert await anext(items) == 7
        with anyio.move_on_after(0.5) as scope:
            await anext(items)
        assert scope.cancelled_caught
        assert source.closes_finished == 1
        assert [n async for n in items] == [8]


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_a_native_cancel_during_the_cleanup_has_the_error_as_its_cause() -> None:
    import asyncio

    source = TrackedSource(range(3), cleanup=0.5)
    body = KeyError("body")

    async def read() -> BaseException | None:
        try:
            async with Stream(source.iterator) as items:
                await anext(items)
                raise body
        except asyncio.CancelledError as cancelled:
            return cancelled.__cause__

    task = asyncio.create_task(read())
    await anyio.sleep(0.1)
    task.cancel()
    assert await task is body


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
@pytest.mark.parametrize(
    "join", [chain, lambda *parts: Stream(parts).flatten()], ids=["chain", "flatten"]
)
async def test_a_native_cancel_during_the_cleanup_of_a_part_is_passed_on_once(join: Any) -> None:
    import asyncio

    source = TrackedSource([7], cleanup=0.5)

    async def read() -> list[int]:
        async with join(source.iterator(), [8]) as items:
            assert await anext(items) == 7
            with pytest.raises(asyncio.CancelledError):
                await anext(items)
            return [n async for n in items]

    task = asyncio.create_task(read())
    await anyio.sleep(0.1)
    task.cancel()
    assert await task == [8]


# -- fairness -----------------------------------------------------------------------------------


class Clock:
    """A clock that moves when it is told to, and counts how often it is read."""

    def __init__(self) -> None:
        self.now = 0.0
        self.reads = 0
        self.delays: Iterator[float] = itertools.repeat(0)  # what each reading takes

    def __call__(self) -> float:
        self.reads += 1
        self.now += next(self.delays)
        return self.now

    def items(self, *costs: tuple[int, float]) -> Iterator[int]:
        """Numbers of items that cost so and so many seconds each."""
        for number, cost in costs:
            for n in range(number):
                self.now += cost
                yield n


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("anystream._core.batches.clock", clock)
    return clock


async def turns(stream: Stream[Any], clock: Clock) -> list[float]:
    """The times at which others get their turn while the stream is read."""
    times: list[float] = []

    async def other() -> None:
        while True:
            times.append(clock.now)
            await checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other)
        await stream.drain()
        tasks.cancel_scope.cancel()
    return times


Shape = Callable[[Iterator[int]], Stream[int]]


async def agen(items: Iterator[int]) -> AsyncGenerator[int, None]:
    for n in items:
        yield n


@pytest.mark.parametrize(
    "shape",
    [Stream, lambda items: Stream(agen(items)), lambda items: Stream([items]).flatten()],
    ids=["plain", "async", "inner"],
)
async def test_a_jump_in_cost_overshoots_once(shape: Shape, clock: Clock) -> None:
    times = await turns(shape(clock.items((50_000, 1e-6), (200, 5e-4))), clock)
    assert times[-1] > 0.14
    gaps = [after - before for before, after in itertools.pairwise(times)]
    # trio deals the turns by chance, and may give one of them away
    assert sum(gap > 0.01 for gap in gaps) <= 1
    # a batch is used: each turn is worth a millisecond as long as the items are cheap
    assert sum(time < 0.05 for time in times) < 120


async def test_the_clock_is_read_seldom_after_an_expensive_item_too(clock: Clock) -> None:
    items = clock.items((1000, 1e-6), (1, 1.0), (50_000, 1e-6))
    assert await Stream(items).count() == 51_001
    assert clock.reads < 2000


def freeze_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """As freezegun does: in each module that has a clock of `time` under a name."""
    for module in [module for name, module in sys.modules.items() if name.startswith("anystream")]:
        for name, value in [*vars(module).items()]:
            if value is time.perf_counter or value is time.monotonic:
                monkeypatch.setattr(module, name, lambda: 0.0)


@pytest.mark.parametrize(
    "stream",
    [
        Stream(range(10_000_000)),
        Stream(lambda: agen(iter(range(10_000_000)))),
    ],
    ids=["plain", "async"],
)
async def test_frozen_time_ends_a_batch_as_well(
    stream: Stream[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    freeze_time(monkeypatch)
    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope() as scope:
            async with stream as items:
                await anext(items)
                tasks.start_soon(interrupt, scope)
                async for _ in items:
                    pass
        assert scope.cancelled_caught


async def interrupt(scope: anyio.CancelScope) -> None:
    scope.cancel()


async def test_an_inner_iterable_that_the_clock_cuts_comes_whole(clock: Clock) -> None:
    """Wherever it cuts: sometimes a reading takes longer than the items do."""
    clock.delays = itertools.cycle([0, 3e-4, 1e-4])
    assert await Stream([clock.items((5000, 1e-6))]).flatten().count() == 5000


async def test_others_get_their_turn_while_a_connection_answers_at_once() -> None:
    class Plain:
        def __init__(self) -> None:
            self.pieces = [*[b"x"] * 100, b""]

        def read(self) -> bytes:
            return self.pieces.pop(0)

        def close(self) -> None:
            pass

    async def read() -> None:
        assert await stream_data(Plain).count() == 100  # type: ignore[arg-type]

    assert await turns_of(read) > 50  # trio deals the turns by chance


async def test_streams_and_runs_can_be_weakly_referenced() -> None:
    numbers = async_range(3)
    assert weakref.ref(numbers)() is numbers
    async with numbers as items:
        assert weakref.ref(items)() is items
