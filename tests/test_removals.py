"""Guarantees that no other test would miss, if the line behind them was removed."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from typing import TypeVar

import anyio
import pytest
from anyio import create_task_group, wait_all_tasks_blocked

from anystream import (
    CleanupTimeoutError,
    Retry,
    Stream,
    StreamBusyError,
    StreamClosedError,
    StreamConsumedError,
    async_range,
    chain,
    merge,
)
from anystream._operators.share import PATIENCE
from anystream.testing import TrackedSource

T = TypeVar("T")


async def test_a_cancelled_step_takes_nothing_though_items_wait() -> None:
    """The checkpoint before the take."""
    async with async_range(3).buffer(3) as items:
        await wait_all_tasks_blocked()
        with anyio.CancelScope() as scope:
            scope.cancel()
            await anext(items)
        assert scope.cancelled_caught
        assert [n async for n in items] == [0, 1, 2]


async def test_a_step_in_a_cancelled_scope_asks_for_nothing() -> None:
    source = TrackedSource(range(3))
    async with Stream(source.iterator).buffer(0) as items:
        await wait_all_tasks_blocked()
        for _ in range(3):
            with anyio.CancelScope() as scope:
                scope.cancel()
                await anext(items)
            assert scope.cancelled_caught
        await wait_all_tasks_blocked()
        assert source.steps == 0


async def test_an_error_stops_the_siblings_at_once() -> None:
    failing = TrackedSource[int]([], errors={0: OSError("gone")})
    other = TrackedSource(range(9), pause=60)
    async with merge(Stream(failing.generator), Stream(other.generator)) as items:
        with pytest.raises(OSError, match="gone"):
            await anext(items)
        await anyio.sleep(1)
        assert other.closes_finished == 1


async def test_a_scope_of_the_source_does_not_take_the_stop_for_its_own_cancellation() -> None:
    """The shield goes up behind the interruption and not before it."""
    scope = anyio.CancelScope()
    went_on = False

    async def numbers() -> AsyncIterator[int]:
        nonlocal went_on
        yield 1
        with scope:
            await anyio.sleep_forever()
        went_on = True
        await anyio.sleep_forever()

    async with Stream(numbers).buffer(2) as items:
        await anext(items)
        await wait_all_tasks_blocked()
        scope.cancel()
    assert not went_on


async def test_a_second_stop_does_not_lengthen_the_grace_period() -> None:
    """An error elsewhere stops a task, and the reader who leaves stops it once more."""

    async def failing() -> AsyncIterator[int]:
        await anyio.sleep(1)
        raise OSError
        yield

    async def hanging() -> AsyncIterator[int]:
        try:
            await anyio.sleep_forever()
        finally:
            while True:
                with anyio.move_on_after(2):
                    await anyio.sleep(60)
        yield 1

    start = 0.0
    with pytest.RaisesGroup(OSError, CleanupTimeoutError):
        async with merge(Stream(failing), Stream(hanging)).open(grace=10) as items:
            try:
                await anext(items)
            finally:
                start = anyio.current_time()
                await anyio.sleep(5)
    assert anyio.current_time() - start == 10


async def test_a_long_interruption_leaves_the_scope_of_its_task_to_the_close() -> None:
    """A source that holds a scope across its yields is closed in the scope it was stepped in."""
    closed: list[str] = []

    def source(name: str, seconds: float) -> Callable[[], AsyncIterator[int]]:
        async def numbers() -> AsyncIterator[int]:
            with anyio.CancelScope():
                try:
                    yield 1
                    await anyio.sleep_forever()
                finally:
                    await anyio.sleep(seconds)
                    closed.append(name)

        return numbers

    last = Stream(source("middle", 6)).flat_map(lambda _: Stream(source("last", 6))).buffer(1)
    async with (
        Stream(source("first", 1)).flat_map(lambda _: last).buffer(1).open(grace=10) as items
    ):
        await anext(items)
        await wait_all_tasks_blocked()
    assert closed == ["last", "middle", "first"]


async def test_the_grace_period_of_a_close_does_not_end_a_wait_for_tasks() -> None:
    slow = TrackedSource(range(9), cleanup=0.8)
    closed: list[str] = []

    async def holding() -> AsyncIterator[int]:
        with anyio.CancelScope():  # and so it has to be closed in the scope it was stepped in
            try:
                yield 1
            finally:
                await anyio.sleep(0.1)
                closed.append("holding")

    inner = Stream(slow.generator).buffer(0)
    hook = partial(anyio.sleep, 0.5)
    async with Stream(holding).flat_map(lambda _: inner).on_close(hook) as items:
        await anext(items)
        start = anyio.current_time()
    assert closed == ["holding"]
    assert anyio.current_time() - start == pytest.approx(0.5 + 0.8 + 0.1)


async def test_the_grace_period_of_an_interruption_does_not_end_a_wait_for_tasks() -> None:
    slow = TrackedSource(range(9), pause=10, cleanup=0.8)
    inner = Stream(slow.generator).on_close(partial(anyio.sleep, 0.8))
    async with async_range(1, 3, delay=5).switch_map(lambda _: inner) as items:
        with anyio.move_on_after(6):
            await anext(items)
        start = anyio.current_time()
    assert anyio.current_time() - start == pytest.approx(0.8 + 0.8)
    assert slow.open_runs == 0


async def test_a_hub_that_has_waited_long_is_woken_at_once() -> None:
    """It gives up waiting now and then, to see who waits for whom, and leaves no trace of that."""
    source = TrackedSource(range(9))
    async with (
        Stream(source.generator).share(buffer=1) as shared,
        shared as items,
    ):
        await anext(items)
        await anyio.sleep(PATIENCE * 1.5)
        steps = source.steps
        await anext(items)
        await wait_all_tasks_blocked()
        assert source.steps == steps + 1


async def test_a_scope_of_the_source_does_not_cancel_the_wait_of_a_hub() -> None:
    async def numbers() -> AsyncIterator[int]:
        with anyio.CancelScope() as scope:
            yield 1
            scope.cancel()
            for n in range(2, 9):
                yield n
            await anyio.sleep(1)
            yield 9
        yield 10

    got: list[int] = []
    async with Stream(numbers).share(2) as reader, reader as items:
        async for item in items:
            got.append(item)
            await anyio.sleep(0.1)
    assert got == [*range(1, 9), 10]


class Hanging:
    """An iterator with one item, whose `aclose` never returns, and awaits in scopes of its own."""

    def __init__(self) -> None:
        self.items = iter([1])

    def __aiter__(self) -> "Hanging":
        return self

    async def __anext__(self) -> int:
        for item in self.items:
            return item
        raise StopAsyncIteration

    async def aclose(self) -> None:
        while True:
            with anyio.move_on_after(2):
                await anyio.sleep(60)


@asynccontextmanager
async def shared(stream: Stream[int]) -> AsyncIterator[AsyncIterator[int]]:
    async with stream.share() as reader, reader as items:
        yield items


CLOSING: dict[str, Callable[[Stream[int]], AbstractAsyncContextManager[AsyncIterator[int]]]] = {
    "a buffer": lambda stream: stream.buffer(1),
    "a worker": lambda stream: stream.buffer(0).map(str, concurrency=2),
    "a hub": shared,
}


@pytest.mark.parametrize("name", CLOSING)
async def test_who_leaves_during_a_close_does_not_lengthen_its_grace_period(name: str) -> None:
    start = anyio.current_time()
    with pytest.raises(CleanupTimeoutError):
        async with CLOSING[name](Stream(Hanging).with_grace(10)) as items:
            await anext(items)
            await anyio.sleep(5)
    assert anyio.current_time() - start == 10


async def test_what_was_handed_over_is_closed_after_the_tasks() -> None:
    log: list[str] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            log.append("source")

    async def held_up(item: int) -> int:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.5)
            log.append("function")
        return item

    async with Stream(numbers()).map(held_up).buffer(1):
        await wait_all_tasks_blocked()
    assert log == ["function", "source"]


class Stubborn:
    """An iterator that answers a cancellation with an item."""

    steps = 0

    def __aiter__(self) -> "Stubborn":
        return self

    async def __anext__(self) -> int:
        self.steps += 1
        with suppress(anyio.get_cancelled_exc_class()):
            await anyio.sleep_forever()
        return 99


async def held_up(item: T) -> T:
    await anyio.sleep(3)
    return item


async def test_a_source_that_swallows_the_interruption_is_not_asked_again() -> None:
    stubborn = Stubborn()
    stream = chain([1], stubborn).buffer(1, "drop_oldest").map(held_up)
    async with create_task_group() as tasks:
        with pytest.raises(StreamBusyError):
            async with stream as items:
                tasks.start_soon(anext, items)
                await wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert stubborn.steps == 1


class Failing:
    """An iterator of a few items, each step of which fails after them."""

    def __init__(self, items: int) -> None:
        self.items = items
        self.steps = 0

    def step(self) -> int:
        self.steps += 1
        if self.steps > self.items:
            raise EOFError(self.steps)
        return self.steps

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        return self.step()


class FailingLater(Failing):
    def __aiter__(self) -> AsyncIterator[int]:
        return self

    async def __anext__(self) -> int:
        await anyio.sleep(5)
        return self.step()


def by_turns(n: int) -> Awaitable[None]:
    return anyio.sleep(n)


@pytest.mark.parametrize("fn", [str, by_turns], ids=["plain", "async"])
@pytest.mark.parametrize("kind", [Failing, FailingLater])
@pytest.mark.parametrize("items", range(6))
async def test_a_source_is_not_stepped_after_an_error_by_any_worker(
    items: int, kind: type[Failing], fn: Callable[[int], object]
) -> None:
    """They wait for it, or are busy, when it fails in the step of one of them."""
    source = kind(items)
    with pytest.raises(EOFError) as caught:
        await Stream(source).map(fn, concurrency=3).collect()
    assert source.steps == caught.value.args[0] == items + 1


async def test_calls_behind_a_failed_one_are_stopped_at_once() -> None:
    stopped_at: list[float] = []

    async def call(n: int) -> int:
        try:
            await anyio.sleep((10, 1, 5)[n])
        except BaseException:
            stopped_at.append(anyio.current_time() - start)
            raise
        if n == 1:
            raise EOFError
        return n

    start = anyio.current_time()
    async with async_range(3).map(call, concurrency=3) as items:
        assert await anext(items) == 0
        with pytest.raises(EOFError):
            await anext(items)
    assert stopped_at == [1]


@pytest.mark.parametrize("name", ["map", "filter", "flat_map"])
async def test_a_function_is_not_called_after_a_failure_at_the_same_instant(name: str) -> None:
    """A worker that has got an item is not interrupted before it runs again."""
    for _ in range(20):
        called: list[int] = []

        async def call(n: int, called: list[int] = called) -> int:
            called.append(n)
            await anyio.sleep(1)
            raise EOFError

        async def numbers() -> AsyncIterator[int]:
            yield 0
            await anyio.sleep(1)
            yield 1

        with pytest.raises(EOFError):
            await getattr(Stream(numbers), name)(call, concurrency=2).collect()
        assert called == [0]


async def test_switch_closes_the_inner_stream_before_the_outer_one() -> None:
    log: list[str] = []

    def logged(name: str, seconds: float) -> Callable[[], AsyncIterator[int]]:
        async def numbers() -> AsyncIterator[int]:
            try:
                yield 1
                await anyio.sleep_forever()
            finally:
                await anyio.sleep(seconds)
                log.append(name)

        return numbers

    async with Stream(logged("outer", 0)).switch_map(
        lambda _: Stream(logged("inner", 0.5))
    ) as items:
        await anext(items)
        await wait_all_tasks_blocked()
    assert log == ["inner", "outer"]


async def test_switch_starts_nothing_after_it_was_left() -> None:
    called: list[int] = []

    async def inner(n: int) -> AsyncIterator[int]:
        try:
            yield n
            await anyio.sleep_forever()
        finally:
            await anyio.sleep(0.5)

    def call(n: int) -> AsyncIterator[int]:
        called.append(n)
        return inner(n)

    async with async_range(2, delay=1).switch_map(call) as items:
        await anext(items)
        await anyio.sleep(1.2)
    assert called == [0]


NEWEST: dict[str, Callable[[Stream[int], Callable[[int], Awaitable[int]]], Stream[int]]] = {
    "switch_map": lambda stream, fn: stream.switch_map(listed(fn)),
    "map_latest": lambda stream, fn: stream.map_latest(fn),
}


def listed(fn: Callable[[T], Awaitable[T]]) -> Callable[[T], Awaitable[list[T]]]:
    async def call(item: T) -> list[T]:
        return [await fn(item)]

    return call


EACH_NEWEST = pytest.mark.parametrize("newest", NEWEST.values(), ids=NEWEST.keys())


@EACH_NEWEST
async def test_a_function_is_not_called_for_an_item_that_was_replaced_before_that(
    newest: Callable[[Stream[int], Callable[[int], Awaitable[int]]], Stream[int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The item 2 is there when what the item 0 has begun is over, and 1 could begin."""
    monkeypatch.setattr("anystream._core.channel.QUANTUM", 60)  # so that 2 is of the same batch
    called: list[int] = []

    async def call(n: int) -> int:
        called.append(n)
        if n == 0:
            try:
                await anyio.sleep_forever()
            finally:
                await anyio.sleep(0.75)
        return n

    assert await newest(async_range(3, delay=0.5), call).collect() == [2]
    assert called == [0, 2]


@EACH_NEWEST
async def test_a_call_that_was_replaced_gives_nothing_though_it_ends_by_itself(
    newest: Callable[[Stream[int], Callable[[int], Awaitable[int]]], Stream[int]],
) -> None:
    async def call(n: int) -> int:
        if n == 0:
            with suppress(anyio.get_cancelled_exc_class()):
                await anyio.sleep_forever()
        return n

    assert await newest(async_range(2, delay=1), call).collect() == [1]


async def test_an_error_of_a_call_that_was_replaced_is_one_of_the_cleanup() -> None:
    async def call(n: int) -> int:
        if n == 0:
            try:
                await anyio.sleep_forever()
            finally:
                raise OSError("gone")
        return n

    got: list[int] = []
    with pytest.raises(OSError, match="gone"):
        async with async_range(3, delay=1).map_latest(call) as items:
            got.extend([item async for item in items])
    assert got == [1, 2]


async def test_the_end_of_a_zip_closes_the_longer_source_at_once() -> None:
    longer = TrackedSource(range(9), pause=1)
    async with Stream([0]).zip(Stream(longer.generator)) as items:
        assert [item async for item in items] == [(0, 0)]
        await anyio.sleep(0.1)
        assert longer.closes_finished == 1


async def test_leaving_in_the_middle_of_a_call_does_not_spin_in_a_hub_that_waits() -> None:
    groups = async_range(9).group_by(lambda _: 0, buffer=1).map(held_up)
    async with create_task_group() as tasks:
        with pytest.raises(StreamBusyError):
            async with groups as items:
                tasks.start_soon(anext, items)
                await wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()


OPENING_LATE: dict[str, Callable[[Callable[[object], Stream[int]]], Stream[int]]] = {
    "flat_map": lambda make: Stream([1]).flat_map(make),
    "flat_map concurrent": lambda make: Stream([1]).flat_map(make, concurrency=2),
    "switch_map": lambda make: Stream([1]).switch_map(make),
    "catch": lambda make: Stream([1]).map(lambda n: 1 // 0).catch(make),
    "resume": lambda make: chain([1], failing()).retry(Retry(1, on=OSError), resume=make),
}


def failing() -> Stream[int]:
    def fail(_: int) -> int:
        raise OSError

    return Stream([1]).map(fail)


@pytest.mark.parametrize("name", OPENING_LATE)
async def test_no_task_starts_if_the_opening_fails_half_way_in_the_middle_of_a_run(
    name: str,
) -> None:
    used = Stream(iter([1]))
    await used.drain()
    half = OPENING_LATE[name](lambda _: merge(async_range(3), used))
    with anyio.fail_after(100), pytest.raises(StreamConsumedError):
        await half.collect()


async def test_a_reader_does_not_take_the_leaving_of_the_owner_for_the_end() -> None:
    got: list[int] = []
    groups: list[Stream[int]] = []

    async def read(items: AsyncIterator[int]) -> None:
        with pytest.raises(StreamClosedError):
            async for item in items:
                got.append(item)

    async with create_task_group() as tasks:
        with pytest.raises(StreamBusyError):
            async with chain([], async_range(5, delay=1).buffer(1)) as items:
                tasks.start_soon(read, items)
                await anyio.sleep(2.5)
    assert got == [0, 1]
    got.clear()

    async def read_group() -> None:
        async with groups[0] as items:
            await read(items)

    async with create_task_group() as tasks:
        with pytest.raises(StreamBusyError):
            async with async_range(9, delay=1).group_by(lambda n: n // 2).map(held_up) as pairs:
                groups.append((await anext(pairs))[1])
                tasks.start_soon(read_group)
                tasks.start_soon(anext, pairs)
                await anyio.sleep(0.5)
        tasks.cancel_scope.deadline = anyio.current_time() + 9
    assert got == [0, 1, 2][: len(got)]


async def test_a_cancelled_reader_wants_nothing_any_more() -> None:
    """What is running comes to its end, and no other step begins."""
    source = TrackedSource(range(100), pause=1)
    async with Stream(source.generator).filter(lambda _: False).buffer(0) as items:
        with anyio.move_on_after(2.5):
            await anext(items)
        await anyio.sleep(9)
        assert source.steps == 3
