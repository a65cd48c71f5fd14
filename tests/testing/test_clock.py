"""Time is virtual, worker threads are waited for, and a deadlock is an error."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from math import inf, nextafter

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
import trio
from anyio.lowlevel import checkpoint
from trio.testing import MockClock

from anystream.testing import Deadlock, backend
from anystream.testing.clock import VirtualClockLoop


async def test_long_sleeps_take_virtual_time_only() -> None:
    start = anyio.current_time()
    for _ in range(3):
        await anyio.sleep(1000)
    assert anyio.current_time() - start == pytest.approx(3000)


@pytest.mark.parametrize("real_time", [False, True])
def test_a_backend_is_one_of_two(real_time: bool) -> None:
    with pytest.raises(ValueError, match="name must be one of 'asyncio', 'trio', got 'curio'"):
        backend("curio", real_time=real_time)


@pytest.mark.parametrize("seconds", [86_400, 1e9, 1e15])
def test_a_long_sleep_costs_no_more_than_a_short_one(
    monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """asyncio asks its selector to wait for a day at most."""
    times: list[float] = []
    set_time = VirtualClockLoop.set_time

    def noted(loop: VirtualClockLoop, now: float) -> None:
        times.append(now)
        assert len(times) < 3
        set_time(loop, now)

    monkeypatch.setattr(VirtualClockLoop, "set_time", noted)
    anyio.run(anyio.sleep, seconds, backend_options={"loop_factory": VirtualClockLoop})
    assert times == [0, seconds]


@pytest.mark.parametrize("seconds", [1e9, 1e15])
async def test_years_take_virtual_time_only(seconds: float) -> None:
    start = anyio.current_time()
    with anyio.CancelScope() as cancelled:
        cancelled.deadline = start + 1
        await anyio.sleep(seconds)
    assert anyio.current_time() == start + 1
    await anyio.sleep(seconds)
    assert anyio.current_time() == pytest.approx(start + seconds)


async def test_timers_fire_in_order() -> None:
    order: list[int] = []

    async def note(seconds: int) -> None:
        await anyio.sleep(seconds)
        order.append(seconds)

    async with anyio.create_task_group() as tg:
        for seconds in (3, 1, 2):
            tg.start_soon(note, seconds)
    assert order == [1, 2, 3]


async def test_no_timer_is_early() -> None:
    """asyncio takes those for due that are within the resolution of its clock, a nanosecond."""

    async def be_busy() -> None:
        for _ in range(9):
            await checkpoint()

    await anyio.sleep(1 / 3)
    due = nextafter(anyio.current_time(), inf)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(be_busy)
        await anyio.sleep_until(due)
        assert anyio.current_time() == due


async def wait_for_an_event() -> None:
    await anyio.Event().wait()


async def wait_for_a_child() -> None:
    async with anyio.create_task_group() as tg:  # noqa: ASYNC112
        tg.start_soon(wait_for_an_event)


async def wait_under_a_shield() -> None:
    with anyio.CancelScope(shield=True):
        await anyio.Event().wait()


async def wait_after_a_sleep() -> None:
    await anyio.sleep(10)
    await anyio.Event().wait()


async def wait_after_a_thread() -> None:
    await anyio.to_thread.run_sync(gc.isenabled)
    await anyio.Event().wait()


@pytest.mark.parametrize("name", ["asyncio", "trio"])
@pytest.mark.parametrize(
    "program",
    [
        wait_for_an_event,
        wait_for_a_child,
        wait_under_a_shield,
        wait_after_a_sleep,
        wait_after_a_thread,
        anyio.sleep_forever,
    ],
)
def test_a_deadlock_is_an_error(program: Callable[[], Awaitable[None]], name: str) -> None:
    name, options = backend(name)
    # trio's nurseries put it into groups.
    with pytest.RaisesGroup(Deadlock, allow_unwrapped=True, flatten_subgroups=True):
        anyio.run(program, backend=name, backend_options=options)


async def test_waiting_until_all_tasks_are_blocked_is_no_deadlock() -> None:
    event = anyio.Event()
    async with anyio.create_task_group() as tg:
        tg.start_soon(event.wait)
        for _ in range(10):
            await anyio.wait_all_tasks_blocked()
        event.set()


async def test_the_clock_does_not_run_away_from_a_worker_thread() -> None:
    with anyio.move_on_after(100) as scope:
        await anyio.to_thread.run_sync(time.sleep, 0.01)
    assert not scope.cancel_called


async def test_a_worker_thread_may_wait_for_a_timer() -> None:
    await anyio.to_thread.run_sync(anyio.from_thread.run, anyio.sleep, 0.001)


IN_EXECUTORS: dict[str, Callable[[], Awaitable[None]]] = {
    "to_thread": lambda: asyncio.to_thread(time.sleep, 0.01),
    "run_in_executor": lambda: asyncio.get_running_loop().run_in_executor(None, time.sleep, 0.01),
}


@pytest.mark.parametrize("wait", IN_EXECUTORS.values(), ids=IN_EXECUTORS.keys())
@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_the_clock_does_not_run_away_from_an_executor_of_the_event_loop(
    wait: Callable[[], Awaitable[None]],
) -> None:
    with anyio.fail_after(60):
        await wait()
    await anyio.sleep(3600)  # jumps again


@pytest.mark.parametrize("wait", IN_EXECUTORS.values(), ids=IN_EXECUTORS.keys())
def test_an_executor_of_the_event_loop_is_no_deadlock(wait: Callable[[], Awaitable[None]]) -> None:
    """Neither while a call is at work, without a timer, nor while its threads end."""

    async def main() -> None:
        await wait()

    name, options = backend("asyncio")
    anyio.run(main, backend=name, backend_options=options)


async def test_time_jumps_again_after_a_worker_thread() -> None:
    await anyio.to_thread.run_sync(gc.isenabled)
    await anyio.sleep(1000)


def time_is_virtual() -> bool:
    if trio.lowlevel.in_trio_run():
        return isinstance(trio.lowlevel.current_clock(), MockClock)
    return isinstance(asyncio.get_running_loop(), VirtualClockLoop)


async def test_time_is_virtual_by_default() -> None:
    assert time_is_virtual()


@pytest.mark.real_time
async def test_time_is_real_where_a_test_says_so() -> None:
    assert not time_is_virtual()
