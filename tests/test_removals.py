"""Guarantees that no other test would miss, if the line behind them was removed."""

from collections.abc import AsyncIterator, Callable

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from harness import TrackedSource

from anystream import CleanupTimeoutError, Stream, async_range, merge
from anystream._operators.share import PATIENCE


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
