"""Guarantees that no other test would miss, if the line behind them was removed."""

from collections.abc import AsyncIterator

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from harness import TrackedSource

from anystream import Stream, async_range, merge


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
