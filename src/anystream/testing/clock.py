"""Virtual time on both backends: a program that sleeps jumps to its next timer.

Time passes only while every task is blocked. While a worker thread is at work it passes at real
speed, since nobody can know when the thread will answer. Where every task is blocked and no timer
is pending nothing can ever happen again, and ``Deadlock`` is raised.

Sockets, processes and other executors than those of the event loop do not fit in: the clock jumps
over a timeout while these are still busy.
``anyio.wait_all_tasks_blocked`` does, but on asyncio it looks again each 0.1 s while a task is
runnable, and so may move the clock. Timers that are due at the same time fire in any order on trio.
"""

import asyncio
import math
import selectors
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import Context
from functools import partial
from typing import Any, TypeVar, TypeVarTuple, cast

from anyio._backends._asyncio import WorkerThread

from .. import _args as check
from .._core.contracts import clock
from .waits import Deadlock, blocked_tasks

R = TypeVar("R")
Args = TypeVarTuple("Args")


def backend(name: str, *, real_time: bool = False) -> tuple[str, dict[str, Any]]:
    """Return name and options of a backend, for ``anyio.run`` and the fixture ``anyio_backend``.

    Args:
        name: ``"asyncio"`` or ``"trio"``.
        real_time: whether to leave its clock as it is. Otherwise the clock starts at 0, jumps to
            the next timer when every task is blocked, and raises ``Deadlock`` if there is none.
            It belongs to one run, so call this once for each.

    Raises:
        ValueError: for another name.
        TypeError: if ``real_time`` is not a bool.
        ImportError: for virtual time on trio, if that is not installed.

    Example:
        >>> name, options = backend("trio")
        >>> anyio.run(anyio.sleep, 3600, backend=name, backend_options=options)
    """
    check.choice("name", name, ("asyncio", "trio"))
    check.flag("real_time", real_time)
    if real_time:
        return name, {}
    if name == "asyncio":
        return name, {"loop_factory": VirtualClockLoop}
    from . import _trio

    return name, _trio.virtual_time(lambda: partial(Deadlock, blocked_tasks()))


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """An asyncio event loop that never waits for a timer."""

    def __init__(self) -> None:
        self.now: float = 0.0
        self.calls: int = 0  # in executors, whose end wakes it
        super().__init__(_JumpingSelector(self))
        self.set_time(0.0)

    def set_time(self, now: float) -> None:
        """Let time pass. A timer is due at its time, and not up to a nanosecond before it."""
        self.now = now
        self._clock_resolution = math.ulp(now)

    def jump(self) -> None:
        """Go to the next timer, however far it is: asyncio asks to wait for a day at most."""
        timers: list[asyncio.TimerHandle] = cast(
            "Any", self
        )._scheduled  # the first is not cancelled
        self.set_time(timers[0].when())

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

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Args], R], *args: *Args
    ) -> asyncio.Future[R]:
        future = super().run_in_executor(executor, func, *args)
        self.calls += 1
        future.add_done_callback(self._call_ended)
        return future

    def _call_ended(self, future: asyncio.Future[Any]) -> None:
        self.calls -= 1

    async def shutdown_default_executor(self, *timeout: Any) -> None:
        self.calls += 1  # in a thread of its own
        try:
            await super().shutdown_default_executor(*timeout)
        finally:
            self.calls -= 1


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
            raise Deadlock(blocked_tasks())
        self.loop.jump()
        return []

    def _thread_at_work(self) -> bool:
        return self.loop.calls > 0 or any(
            isinstance(thread, WorkerThread)
            and thread.loop is self.loop
            and thread.queue.unfinished_tasks  # pyright: ignore[reportUnknownMemberType]
            for thread in threading.enumerate()
        )

    def _wait_in_real_time(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        started = clock()
        # Short slices, because a thread may also end without having anything to say.
        ready = super().select(0.001 if timeout is None else min(timeout, 0.001))
        self.loop.set_time(self.loop.now + clock() - started)
        return ready
