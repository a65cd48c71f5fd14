"""Runs that are left in another order than the one they were entered in."""

import asyncio
import contextlib
import itertools
from typing import Any

import anyio
import pytest

from anystream import Stream, WrongOrderError
from anystream._core.opening import LATER
from anystream.testing import TrackedSource


@pytest.fixture
def source() -> TrackedSource[int]:
    return TrackedSource(range(9), cleanup=0.1)


def by_hand(way: str, stream: Stream[Any]) -> contextlib.AbstractAsyncContextManager[Any]:
    """What is entered and left without a block."""
    return stream.open() if way == "run" else stream if way == "stream" else stream.share()


@pytest.fixture(params=["plain", "tasks"])
def stream(source: TrackedSource[int], request: pytest.FixtureRequest) -> Stream[Any]:
    plain = Stream(source.generator)
    return plain if request.param == "plain" else plain.buffer(2)


async def test_first_in_first_out(stream: Stream[Any], source: TrackedSource[int]) -> None:
    first, second = stream.open(), stream.open()
    async with contextlib.AsyncExitStack() as outer:
        await anext(await outer.enter_async_context(first))
        await anext(await second.__aenter__())
        with pytest.raises(WrongOrderError, match=r"aclose\(\)"):
            await first.__aexit__(None, None, None)
        assert source.open_runs == 1
        await second.__aexit__(None, None, None)
    assert source.open_runs == 0
    await anyio.sleep(1)


@pytest.mark.parametrize("way", ["run", "stream", "share"])
async def test_a_run_inside_of_a_scope_that_is_still_open(
    way: str, stream: Stream[Any], source: TrackedSource[int]
) -> None:
    with anyio.CancelScope():
        block = by_hand(way, stream)
        given = await block.__aenter__()
        assert await (given.first() if way == "share" else anext(given)) == 0
        with anyio.CancelScope(), pytest.raises(WrongOrderError):
            await block.__aexit__(None, None, None)
        assert source.open_runs == 0
        await block.__aexit__(None, None, None)
    assert source.opened == 1
    await anyio.sleep(1)


async def test_a_share_that_is_left_again_does_not_open_its_source_again(
    source: TrackedSource[int],
) -> None:
    block = Stream(source.generator()).share()
    shared = await block.__aenter__()
    assert await shared.first() == 0
    with anyio.CancelScope(), pytest.raises(WrongOrderError):
        await block.__aexit__(None, None, None)
    await block.__aexit__(None, None, None)
    assert source.closes_finished == 1


@pytest.mark.parametrize("again", [True, False])
@pytest.mark.parametrize("way", ["stream", "share"])
async def test_what_was_left_in_the_wrong_order_can_be_entered_again(
    way: str, again: bool, stream: Stream[Any], source: TrackedSource[int]
) -> None:
    """It is left `again`, or with what was entered after it."""
    block = by_hand(way, stream)
    await block.__aenter__()
    inner: Any = stream.open() if not again else anyio.create_task_group()
    await inner.__aenter__()
    with pytest.raises(WrongOrderError):
        await block.__aexit__(None, None, None)
    await inner.__aexit__(None, None, None)
    if again:
        await block.__aexit__(None, None, None)
    async with block as given:
        assert await (given.first() if way == "share" else anext(given)) == 0
    assert source.open_runs == 0


async def test_close_in_any_order_and_leave_in_the_right_one(
    stream: Stream[Any], source: TrackedSource[int]
) -> None:
    async with stream as first, stream as second, stream as third:
        for run in (first, second, third):
            await anext(run)
        for run in (second, first, third):
            await run.aclose()
        assert source.open_runs == 0


@pytest.mark.parametrize("ways", [*itertools.product(["aclose", "leave"], repeat=3)])
@pytest.mark.parametrize("order", [*itertools.permutations(range(3))])
async def test_entered_by_hand_and_left_once_in_any_order(
    order: tuple[int, ...],
    ways: tuple[str, ...],
    stream: Stream[Any],
    source: TrackedSource[int],
) -> None:
    with anyio.move_on_after(100):  # which could not be left before the scopes of the runs
        blocks = [stream.open(), Stream(source.generator).buffer(0).open(), stream.open()]
        runs = [await block.__aenter__() for block in blocks]
        for run in runs:
            await anext(run)
        for left, (place, way) in enumerate(zip(order, ways, strict=True), 1):
            with contextlib.suppress(WrongOrderError):
                if way == "leave":
                    await blocks[place].__aexit__(None, None, None)
                else:
                    await runs[place].aclose()
            assert source.open_runs == 3 - left
    await anyio.sleep(1)


async def test_aclose_after_a_scope_of_the_users(
    stream: Stream[Any], source: TrackedSource[int]
) -> None:
    with anyio.CancelScope():
        run = await stream.open().__aenter__()
        await anext(run)
        with anyio.fail_after(50):
            await run.aclose()
        assert source.open_runs == 0
        await run.aclose()
    await anyio.sleep(1)


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)  # trio ends no such task
async def test_what_a_task_leaves_open_that_has_ended_is_forgotten(stream: Stream[Any]) -> None:
    async def half_left() -> None:
        run = await stream.open().__aenter__()
        with anyio.CancelScope():
            await run.aclose()
            assert len(LATER) == 1

    for _ in range(3):
        await asyncio.create_task(half_left())
    block = stream.open()
    run = await block.__aenter__()
    with anyio.CancelScope():
        await run.aclose()
        assert len(LATER) == 1
    await block.__aexit__(None, None, None)
    assert not LATER


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)  # trio ends no such task
async def test_what_is_left_is_not_what_a_task_has_left_behind(
    stream: Stream[Any], source: TrackedSource[int]
) -> None:
    async def wrong_order() -> None:
        await stream.__aenter__()
        async with stream.open():
            with pytest.raises(WrongOrderError):
                await stream.__aexit__(None, None, None)

    async def left_open() -> None:
        await anext(await stream.__aenter__())

    tasks = [asyncio.create_task(wrong_order())]  # which keeps its identity its own
    await tasks[0]
    tasks.append(asyncio.create_task(left_open()))
    await tasks[1]
    await stream.__aexit__(None, None, None)
    assert (source.opened, source.open_runs) == (1, 0)


async def test_a_scope_of_the_source_is_closed_before(source: TrackedSource[int]) -> None:
    async def scoped() -> Any:
        with anyio.move_on_after(100):
            inner = contextlib.aclosing(source.generator())
            async with anyio.create_task_group(), inner as items:
                async for item in items:
                    yield item

    for stream in (Stream(scoped), Stream(scoped).buffer(0)):
        async with stream as items:
            await anext(items)
    assert source.open_runs == 0
