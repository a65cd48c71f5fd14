"""Queues as sources: those of asyncio, and those of threads."""

import asyncio
import multiprocessing
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import pytest
from anyio.to_thread import current_default_thread_limiter

from anystream import Stream, merge
from anystream._sources.queues import Waiting
from anystream.testing import MODES, every_cut

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


# -- queues of threads --------------------------------------------------------------------------


def started(fn: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=fn)
    thread.start()
    return thread


def waiting(jobs: queue.Queue[Any]) -> int:
    """How many threads wait for an item."""
    return len(jobs.not_empty._waiters)  # type: ignore[attr-defined]


async def nobody_waits(jobs: queue.Queue[Any]) -> None:
    while waiting(jobs):  # noqa: ASYNC110  # another thread leaves
        await anyio.sleep(0.001)


KINDS = [queue.Queue, queue.LifoQueue, queue.PriorityQueue]


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_in_a_queue_of_threads(kind: Any) -> None:
    numbers = kind()
    for n in ITEMS:
        numbers.put(n)
    wanted = [*reversed(ITEMS)] if kind is queue.LifoQueue else ITEMS
    assert await Stream(numbers).take(2).collect() == wanted[:2]
    assert [item async for item in Stream(numbers).take(1)] == wanted[2:3]
    assert numbers.qsize() == 2
    assert await Stream(numbers).map(str, concurrency=2).take(2).collect() == [
        *map(str, wanted[3:])
    ]


async def test_a_sentinel_ends_it() -> None:
    jobs: queue.Queue[int | None] = queue.Queue(1)
    filler = started(lambda: [jobs.put(n) for n in (*ITEMS, None)])
    assert await Stream(jobs).take_while(lambda job: job is not None).collect() == ITEMS
    filler.join()


async def test_a_step_over_a_queue_of_threads_that_is_cancelled_loses_nothing() -> None:
    jobs: queue.Queue[int] = queue.Queue()
    async with Stream(jobs) as items:
        for n in ITEMS:
            with anyio.move_on_after(0.01) as scope:
                await anext(items)
            assert scope.cancelled_caught
            jobs.put(n)
            assert await anext(items) == n
        with anyio.move_on_after(0.01):
            await anext(items)
    await nobody_waits(jobs)


@pytest.mark.parametrize("mode", MODES)
async def test_a_queue_of_threads_cancelled_anywhere(mode: Any) -> None:
    for cut in every_cut():
        jobs: queue.Queue[int] = queue.Queue()
        got: list[int] = []

        async def read(jobs: queue.Queue[int] = jobs, got: list[int] = got) -> None:
            fillers = [started(partial(jobs.put, 0))]
            try:
                async with Stream(jobs).take(3) as items:
                    async for item in items:
                        got.append(item)
                        fillers.append(started(partial(jobs.put, item + 1)))
            finally:
                for filler in fillers:
                    filler.join()

        await cut.run(read(), mode)
        there = [*jobs.queue]
        assert got + there == [*range(len(got) + len(there))]


async def test_a_wait_takes_no_place_of_other_threads() -> None:
    jobs: queue.Queue[int] = queue.Queue()
    places = current_default_thread_limiter()
    filler = threading.Timer(0.02, lambda: jobs.put(places.borrowed_tokens))
    filler.start()
    assert await Stream(jobs).first() == 0
    filler.join()


async def test_the_news_of_an_item_goes_to_who_still_waits() -> None:
    """A reader that is cancelled when it has been told passes it on."""
    jobs: queue.Queue[int] = queue.Queue()
    waiter = Waiting(jobs)
    told = started(waiter.wait)
    while waiting(jobs) < 1:  # noqa: ASYNC110  # another thread counts
        await anyio.sleep(0.001)
    other: list[int] = []
    waits = started(lambda: other.append(jobs.get()))
    while waiting(jobs) < 2:  # noqa: ASYNC110
        await anyio.sleep(0.001)
    jobs.put(1)
    told.join()
    waiter.leave()
    waits.join(5)
    assert other == [1]


class Stolen(queue.Queue[int]):
    """Another thread takes the item that this one has just been told of."""

    steals = 1

    def get_nowait(self) -> int:
        if self.steals:
            self.steals -= 1
            super().get_nowait()
            started(partial(self.put, 2))
        return super().get_nowait()


async def test_an_item_that_another_thread_was_faster_to_take() -> None:
    jobs = Stolen()
    jobs.put(1)
    assert await Stream(jobs).first() == 2


class ShutDownInThreads(Exception):
    pass


class Closable(queue.Queue[int]):
    """One that can be shut down, also before CPython 3.13."""

    is_shutdown = False

    def shutdown(self, immediate: bool = False) -> None:
        with self.mutex:
            self.is_shutdown = True
            self.not_empty.notify_all()

    def get(self, block: bool = True, timeout: float | None = None) -> int:
        if self.is_shutdown and self.empty():
            raise ShutDownInThreads
        return super().get(block, timeout)


@pytest.mark.parametrize("kind", [queue.Queue, Closable])
async def test_a_queue_of_threads_ends_where_it_is_shut_down(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not hasattr(kind, "shutdown"):
        pytest.skip("since CPython 3.13")
    if kind is Closable:
        monkeypatch.setattr(queue, "ShutDown", ShutDownInThreads, raising=False)
    jobs = kind()
    filler = started(lambda: [*map(jobs.put, ITEMS), jobs.shutdown()])
    async with Stream(jobs) as items:
        assert [item async for item in items] == ITEMS
        assert [item async for item in items] == []
    filler.join()
    assert await Stream(jobs).collect() == []
    late = kind()
    async with Stream(late) as items:
        ender = threading.Timer(0.02, late.shutdown)
        ender.start()
        assert [item async for item in items] == []
    ender.join()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_no_thread_hangs_the_exit(backend: str) -> None:
    program = """
import anyio, queue, sys
from anystream import Stream

async def main():
    with anyio.move_on_after(0.1):
        await Stream(queue.Queue()).collect()
    async with Stream(queue.Queue()) as items:
        with anyio.move_on_after(0.1):
            await anext(items)
    raise KeyboardInterrupt

anyio.run(main, backend=sys.argv[1])
"""
    ran = subprocess.run(
        [sys.executable, "-c", program, backend], capture_output=True, text=True, timeout=60
    )
    assert ran.stderr.rstrip().endswith("KeyboardInterrupt")


@pytest.mark.parametrize(
    "made", [queue.SimpleQueue, multiprocessing.Queue], ids=["queue", "multiprocessing"]
)
def test_queues_of_other_kinds_have_their_own_way(made: Any) -> None:
    wrong = made()
    with pytest.raises(TypeError, match=r"from_thread\(lambda: iter\(queue\.get, None\)\)$"):
        Stream(wrong)


class ShutDownMeanwhile(queue.Queue[int]):
    """Another thread puts the last item in and shuts it down, after it was found empty."""

    is_shutdown = False

    def empty(self) -> bool:
        found = super().empty()
        if not self.is_shutdown:
            self.put(1)
            self.is_shutdown = True
        return found


async def test_the_last_item_before_a_shutdown_is_read() -> None:
    assert await Stream(ShutDownMeanwhile()).collect() == [1]
