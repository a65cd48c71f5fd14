"""Virtual time on both backends: a program that sleeps jumps to its next timer.

Time passes only while every task is blocked. While a worker thread is at work it passes at real
speed, since nobody can know when the thread will answer. Where every task is blocked and no timer
is pending nothing can ever happen again, and ``Deadlock`` is raised.

Sockets and processes do not fit in: the clock jumps over a timeout while the kernel is still busy.
``anyio.wait_all_tasks_blocked`` does, but on asyncio it looks again each 0.1 s while a task is
runnable, and so may move the clock. Timers that are due at the same time fire in any order on trio.
"""

import asyncio
import math
import selectors
import threading
import time
from collections.abc import Callable
from contextvars import Context
from typing import Any, NoReturn, TypeVarTuple

import trio
from anyio._backends._asyncio import WorkerThread
from trio._core._run import GLOBAL_RUN_CONTEXT
from trio.testing import MockClock, active_thread_count

Args = TypeVarTuple("Args")


class Deadlock(BaseException):
    """Every task is blocked and no timer is pending.

    No ``Exception``, so that the code under test does not handle it by mistake.
    """

    def __init__(self) -> None:
        super().__init__(
            "every task is blocked and no timer is pending"
            " (a test that waits for a socket or a process must be marked real_time)"
        )


def backend(name: str, *, real_time: bool = False) -> tuple[str, dict[str, Any]]:
    """Return name and options of a backend, for ``anyio.run`` and the fixture ``anyio_backend``.

    The clock starts at 0 and belongs to one run, so call this once for each.
    """
    if real_time:
        return name, {}
    if name == "asyncio":
        return name, {"loop_factory": VirtualClockLoop}
    clock = MockClock(autojump_threshold=0)
    return name, {"clock": clock, "instruments": [_TrioWatch(clock)]}


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """An asyncio event loop that never waits for a timer."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        return self.now

    def call_at(
        self,
        when: float,
        callback: Callable[[*Args], object],
        *args: *Args,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        if when == math.inf:  # never due, so it must not look like a timer to jump to
            return asyncio.TimerHandle(when, callback, args, self, context)
        return super().call_at(when, callback, *args, context=context)


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualClockLoop) -> None:
        super().__init__()
        self.loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        # A worker wakes the loop and is idle after that: asked in this order, nothing is missed.
        thread_at_work = timeout != 0 and self._thread_at_work()
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if thread_at_work:
            return self._wait_in_real_time(timeout)
        if timeout is None:
            raise Deadlock
        self.loop.now += timeout
        return []

    def _thread_at_work(self) -> bool:
        return any(
            isinstance(thread, WorkerThread)
            and thread.loop is self.loop
            and thread.queue.unfinished_tasks  # pyright: ignore[reportUnknownMemberType]
            for thread in threading.enumerate()
        )

    def _wait_in_real_time(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        started = time.monotonic()
        # Short slices, because a thread may also end without having anything to say.
        ready = super().select(0.001 if timeout is None else min(timeout, 0.001))
        self.loop.now += time.monotonic() - started
        return ready


class _TrioWatch(trio.abc.Instrument):
    """What ``MockClock`` lacks: it sees worker threads and deadlocks."""

    def __init__(self, clock: MockClock) -> None:
        self._clock = clock
        self._idle_rounds = 0

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self._idle_rounds = 0
        threads_at_work = active_thread_count() > 0
        if threads_at_work != (self._clock.rate > 0):
            self._clock.rate = 1 if threads_at_work else 0
            self._clock.autojump_threshold = math.inf if threads_at_work else 0

    def after_io_wait(self, timeout: float) -> None:
        self._idle_rounds += 1
        # At the end of an idle round trio jumps, or wakes those in wait_all_tasks_blocked().
        if self._idle_rounds < 2 or self._clock.rate > 0:
            return
        state = trio.lowlevel.current_statistics()
        if not state.tasks_runnable and state.seconds_to_next_deadline == math.inf:
            self._idle_rounds = 0
            main_task = GLOBAL_RUN_CONTEXT.runner.main_task
            assert main_task is not None
            _interrupt_leaves(main_task)


def _interrupt_leaves(task: trio.lowlevel.Task) -> None:
    """Raise ``Deadlock`` where it says most: in each task that waits for no child of its own."""
    children = [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    for child in children:
        _interrupt_leaves(child)
    if not children and task._abort_func is not None:  # pyright: ignore[reportPrivateUsage]
        task._attempt_abort(_raise_deadlock)  # pyright: ignore[reportPrivateUsage]


def _raise_deadlock() -> NoReturn:
    raise Deadlock
