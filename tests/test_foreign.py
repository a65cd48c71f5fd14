"""A cancellation of something else, which asyncio gives to everybody who awaits that.

It looks like one of the task, and is an error: nobody wants the task to end. trio has none.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from anystream import Retry, Stream, StreamInterruptedError, async_range, merge, poll, stream

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)

NAMED = "raised a cancellation, but its task was not cancelled"


def cancelled() -> "asyncio.Future[Any]":
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    future.cancel()
    return future


async def answer() -> Any:
    """What a connection awaits that somebody closes."""
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.1, future.cancel)
    return await future


async def fetch(number: int) -> int:
    return await answer() if number == 2 else number


async def fetch_items(number: int) -> list[int]:
    return [await fetch(number)]


@stream
async def rows() -> AsyncIterator[int]:
    yield 1
    await answer()


class Queue:
    def __aiter__(self) -> "Queue":
        return self

    async def __anext__(self) -> int:
        return await answer()


class Leaves:
    def __aiter__(self) -> "Leaves":
        return self

    async def __anext__(self) -> int:
        return 1

    async def aclose(self) -> None:
        await answer()


def at_once(number: int) -> int:
    return cancelled().result() if number == 2 else number


NUMBERS = async_range(4)

PLACES: dict[str, tuple[str, Callable[[], Awaitable[object]]]] = {
    "map": ("fetch", lambda: NUMBERS.map(fetch).collect()),
    "workers": ("fetch", lambda: NUMBERS.map(fetch, concurrency=2).collect()),
    "unordered": ("fetch", lambda: NUMBERS.map(fetch, concurrency=3, ordered=False).drain()),
    "filter": ("fetch", lambda: NUMBERS.filter(fetch).collect()),
    "tap": ("fetch", lambda: NUMBERS.tap(fetch).collect()),
    "for_each": ("fetch", lambda: NUMBERS.for_each(fetch)),
    "group_by": ("fetch", lambda: NUMBERS.group_by(fetch).drain()),
    "flat_map": ("fetch_items", lambda: NUMBERS.flat_map(fetch_items, concurrency=2).drain()),
    "switch_map": ("fetch_items", lambda: NUMBERS.spaced(1).switch_map(fetch_items).drain()),
    "map_latest": ("fetch", lambda: NUMBERS.spaced(1).map_latest(fetch).drain()),
    "generator": ("rows", lambda: rows().collect()),
    "merge": ("rows", lambda: merge(rows(), NUMBERS.spaced(1)).collect()),
    "buffer": ("rows", lambda: rows().buffer(0).collect()),
    "iterator": ("<.*Queue object at .*>", lambda: Stream(Queue()).collect()),
    "function": ("answer", lambda: Stream(answer).collect()),
    "handler": ("answer", lambda: rows().catch(lambda error: answer()).collect()),
    "poll": ("answer", lambda: poll(answer, every=1).take(1).collect()),
    "plain": (r"async_range\(4\)\.map\(at_once\)", lambda: NUMBERS.map(at_once).collect()),
    "plain in a task": (
        r"async_range.*buffer\(1\)",
        lambda: NUMBERS.map(at_once).buffer(1).collect(),
    ),
    "plain worker": ("at_once", lambda: NUMBERS.map(at_once, concurrency=2).collect()),
    "cleanup": (r"Stream\(Leaves\)\.take\(1\)", lambda: Stream(Leaves).take(1).collect()),
    "cleanup in a task": (
        r"Stream\(Leaves\).*buffer\(1\)",
        lambda: Stream(Leaves).take(1).buffer(1).collect(),
    ),
}


@pytest.mark.parametrize("place", PLACES)
async def test_it_is_an_error_that_names_the_place(place: str) -> None:
    name, run = PLACES[place]
    with pytest.raises(StreamInterruptedError, match=f"^{name} {NAMED}") as raised:
        await run()
    assert isinstance(raised.value.__cause__, asyncio.CancelledError)


@pytest.mark.parametrize("concurrency", [1, 2])
async def test_it_counts_as_an_error_of_the_item(concurrency: int) -> None:
    items = NUMBERS.map(fetch, concurrency=concurrency, on_error="skip")
    assert await items.collect() == [0, 1, 3]


RECOVERED: dict[str, Callable[[Stream[int]], Stream[int]]] = {
    "its own task": lambda items: items,
    "a task": lambda items: items.buffer(1),
}


@pytest.mark.parametrize("where", RECOVERED)
@pytest.mark.parametrize("source", [rows, lambda: Stream([1, 2]).map(at_once)])
async def test_catch_and_retry_take_it_for_an_error(
    where: str, source: Callable[[], Stream[int]]
) -> None:
    items = RECOVERED[where](source())
    assert await items.catch(lambda error: [9]).collect() == [1, 9]
    with pytest.raises(StreamInterruptedError):
        await items.catch(lambda error: [9], OSError).collect()
    policy = Retry(1, first=0.1, reset=False)
    got: list[int] = []
    with pytest.raises(StreamInterruptedError):
        await items.retry(policy).for_each(got.append)
    assert got == [1, 1]


async def test_a_run_is_over_after_it() -> None:
    async with rows() as items:
        assert await anext(items) == 1
        with pytest.raises(StreamInterruptedError, match=NAMED):
            await anext(items)
        assert [item async for item in items] == []


async def test_a_task_group_does_not_take_it_for_its_own() -> None:
    with pytest.RaisesGroup(StreamInterruptedError):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(rows().drain())


async def test_a_cancellation_of_the_task_is_none() -> None:
    async def main() -> None:
        await rows().map(fetch).collect()

    task = asyncio.create_task(main())
    await anyio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_worker_that_is_cancelled_while_it_has_no_item_is_an_error_of_none() -> None:
    async def never() -> AsyncIterator[int]:
        await anyio.sleep_forever()
        yield 0

    async with Stream(never).map(fetch, concurrency=2).named("idle") as items:
        asyncio.get_running_loop().call_later(0.1, cancel_task, "idle 1/2")
        with pytest.raises(StreamInterruptedError, match="cancelled from outside") as caught:
            await anext(items)
    assert not hasattr(caught.value, "__notes__")


async def test_a_worker_that_is_cancelled_in_a_call_says_no_more_than_that() -> None:
    async def cancelled(n: int) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await checkpoint()

    stream = rows().map(cancelled, concurrency=2)
    with pytest.raises(StreamInterruptedError, match=r"was cancelled from outside$"):
        await stream.drain()


def cancel_task(name: str) -> None:
    (task,) = (task for task in asyncio.all_tasks() if task.get_name() == name)
    task.cancel()
