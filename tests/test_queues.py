"""Queues of asyncio's as sources."""

import asyncio
import queue
from typing import Any

import anyio
import pytest

from anystream import Stream, merge

ON_ASYNCIO = pytest.mark.parametrize("anyio_backend", ["asyncio"])
ITEMS = [0, 1, 2, 3, 4]


class ShutDown(Exception):
    """As CPython has it since 3.13."""


class Queue(asyncio.Queue[int]):
    """One that can be shut down, also before CPython 3.13."""

    ends = False

    def shut_down(self) -> None:
        self.ends = True
        if self.empty():
            self.put_nowait(-1)

    async def get(self) -> int:
        item = -1 if self.ends and self.empty() else await super().get()
        if item == -1:
            raise ShutDown
        return item


@pytest.fixture
def numbers(monkeypatch: pytest.MonkeyPatch) -> Queue:
    monkeypatch.setattr(asyncio, "QueueShutDown", ShutDown, raising=False)
    return Queue()


@ON_ASYNCIO
async def test_what_is_in_a_queue_and_what_comes(numbers: Queue) -> None:
    numbers.put_nowait(0)

    async def fill() -> None:
        for n in ITEMS[1:]:
            await anyio.sleep(1)
            numbers.put_nowait(n)
        numbers.shut_down()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fill)
        async with Stream(numbers) as items:
            assert [item async for item in items] == ITEMS
            assert [item async for item in items] == []


@ON_ASYNCIO
async def test_a_queue_keeps_what_is_not_read(numbers: Queue) -> None:
    for n in ITEMS:
        numbers.put_nowait(n)
    assert await Stream(numbers).take(2).collect() == [0, 1]
    assert await Stream(numbers).first() == 2
    assert numbers.qsize() == 2
    assert await Stream(numbers).map(str, concurrency=2).take(2).collect() == ["3", "4"]


@ON_ASYNCIO
async def test_a_step_that_is_cancelled_loses_nothing(numbers: Queue) -> None:
    async with Stream(numbers) as items:
        for n in ITEMS:
            with anyio.move_on_after(1):
                await anext(items)
            numbers.put_nowait(n)
            assert await anext(items) == n


@ON_ASYNCIO
async def test_a_queue_behind_tasks(numbers: Queue) -> None:
    for n in ITEMS:
        numbers.put_nowait(n)
    async with merge(numbers, [5]) as items:
        got = [await anext(items) for _ in range(6)]
    assert sorted(got) == [*ITEMS, 5]


@ON_ASYNCIO
async def test_a_full_queue_gives_the_event_loop_its_turn() -> None:
    endless: asyncio.Queue[int] = asyncio.Queue(1)
    endless.put_nowait(0)
    with anyio.CancelScope() as scope:

        def refill(n: int) -> None:
            endless.put_nowait(n + 1)
            if n == 1000:
                scope.cancel()

        await Stream(endless).tap(refill).drain()
    assert scope.cancelled_caught


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_on_trio_the_error_says_so() -> None:
    with pytest.raises(TypeError, match="a queue of asyncio's can be read on asyncio only"):
        await Stream(asyncio.Queue[int]()).collect()


def test_a_queue_of_threads_has_its_own_way() -> None:
    wrong: Any = queue.Queue()
    with pytest.raises(TypeError, match=r"from_thread\(lambda: iter\(queue\.get, None\)\)$"):
        Stream(wrong)
