"""What asyncio has of its own: tasks, events, a clock and a checkpoint."""

import asyncio
import time
from asyncio import (
    BaseEventLoop,
    CancelledError,
    Future,
    Handle,
    InvalidStateError,
    Task,
    all_tasks,
    current_task,
    get_running_loop,
)
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from functools import partial, wraps
from math import inf
from operator import call
from types import TracebackType, coroutine
from typing import Any

from anyio import CancelScope
from anyio._backends import _asyncio
from anyio.lowlevel import checkpoint_if_cancelled as anyio_checkpoint

from .contracts import Backend, Innermost, Slot, Startable, TaskGroup


def answer(waiter: Future[Any], value: object = None) -> None:
    """Wake who waits, unless it is cancelled; Ctrl-C may do that between a look and the answer."""
    if not waiter.done():
        try:  # noqa: SIM105  # `suppress` would cost more than the rest
            waiter.set_result(value)
        except InvalidStateError:
            pass


class FutureEvent:
    """As asyncio's, for the one task that usually waits; its own has a queue for several."""

    __slots__ = ("_first", "_others", "_set")

    def __init__(self) -> None:
        self._set = False
        self._first: Future[None] | None = None  # of the tasks that wait
        self._others: tuple[Future[None], ...] = ()

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True
        first = self._first
        if first is not None:
            self._first = None
            for future in (first, *self._others):
                answer(future)

    def wait(self) -> Future[None]:
        future: Future[None] = Future()  # half as long as `create_future` of the event loop
        if self._set:
            future.set_result(None)
        elif self._first is None:
            self._first = future
        else:
            self._others += (future,)
        return future


class LazyAlarm:
    """Looks when it is due only where it had been due before, so that to wait sets no timer."""

    __slots__ = ("_due", "_loop", "_ring", "_set_for", "_timer")

    def __init__(self, due: Callable[[], float], ring: Callable[[], None]) -> None:
        self._due = due
        self._ring = ring
        self._loop = get_running_loop()
        self._timer: Handle | None = None
        self._set_for: float = inf  # when it rings; what uvloop gives need not tell

    async def wait(self, slot: Slot) -> None:
        await checkpoint()  # a look costs less than to wait [clock-timeout]
        if slot.done():
            return
        due = self._due()
        if self._timer is None or due < self._set_for:
            self._set(due)
        await slot

    def _set(self, due: float) -> None:
        self.stop()
        self._set_for = due
        try:
            self._timer = self._loop.call_at(due, self._look)
        except ValueError:  # Pyodide's refuses a time that is over
            self._timer = self._loop.call_soon(self._look)

    def _look(self) -> None:
        self._timer = None
        due = self._due()
        if due <= self._loop.time():
            self._ring()
        elif due < inf:
            self._set(due)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


@coroutine
def checkpoint() -> Generator[None, None, None]:
    yield


checkpoint_if_cancelled: Callable[[], Awaitable[object]] = getattr(
    getattr(_asyncio, "AsyncIOBackend", None), "checkpoint_if_cancelled", anyio_checkpoint
)
"""As anyio's, which looks for the backend first and takes twice as long by that [buffer-0]."""


def clock() -> Callable[[], float]:
    """That of the event loop, without its method in Python if that only asks another one."""
    loop = get_running_loop()
    if type(loop).time is BaseEventLoop.time and "time" not in vars(loop):
        return time.monotonic  # a third of the time [clock-rate-limit]
    return loop.time


def now() -> float:
    return get_running_loop().time()


def task_id() -> int:
    return id(current_task())


def parentless() -> set[int]:
    return set(map(id, all_tasks()))


def watch_task() -> tuple[int, Callable[[], bool]]:
    task = current_task()
    assert task is not None
    return id(task), task.done


states: Mapping[Any, Any] = getattr(_asyncio, "_task_states", {})
"""What anyio knows of each task. It is private there, and nothing public tells of the scopes."""


def innermost() -> Innermost:
    task = current_task()
    return task, getattr(states.get(task), "cancel_scope", None)


def has_entered_since(then: Innermost) -> bool:
    task, inner = innermost()
    scope: Any = inner
    while scope is not None and scope is not then[1]:
        scope = getattr(scope, "_parent_scope", None)
    return task is then[0] and scope is then[1] and inner is not scope


def is_innermost(scope: CancelScope) -> bool:
    state = states.get(current_task())
    return getattr(state, "cancel_scope", scope) is scope  # as it nearly always is


def is_shielded(scope: CancelScope) -> bool:
    inner: Any = getattr(states.get(current_task()), "cancel_scope", scope)
    while inner is not scope and inner is not None and not inner.shield:
        inner = getattr(inner, "_parent_scope", None)
    return inner is not scope and inner is not None


def is_passed_on(scope: CancelScope) -> bool:
    task = getattr(scope, "_host_task", None)
    awaited = getattr(task, "_fut_waiter", None)
    is_other = awaited is not None and type(awaited) is not Future and not awaited.done()
    return is_other and getattr(states.get(task), "cancel_scope", None) is scope


link: Callable[..., None] | None = getattr(asyncio, "future_add_to_awaited_by", None)
unlink: Callable[..., None] | None = getattr(asyncio, "future_discard_from_awaited_by", None)
"""They show who waits for a task, since CPython 3.14."""


async def called_later(function: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """For a task that may take its first step where it is made, as a task factory decides."""
    await checkpoint()
    await function()


async def cancelled(function: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """For a second task, as the first one was cancelled before it began: told at its first wait."""
    task = current_task()
    assert task is not None
    task.cancel()
    await function()


class AsyncioTasks:
    """Tasks without the handle, scope and event that each has in a group of anyio's.

    The outermost scope in each of them is the one that it opens itself.
    """

    __slots__ = ("_begin", "_ended", "_errors", "_host", "_running", "cancel_scope")

    def __init__(self, scope: CancelScope) -> None:
        self.cancel_scope: CancelScope = scope
        of_its_own = get_running_loop().get_task_factory() is not None
        self._begin: Callable[..., Any] = called_later if of_its_own else call
        self._host: Any = current_task()
        self._running: dict[Task[None], Startable] = {}
        self._errors: list[BaseException] = []
        self._ended: Future[None] | None = None  # for which the block waits

    async def __aenter__(self) -> None:
        self.cancel_scope.__enter__()

    def start(self, task: Startable, /, *, name: str) -> None:
        self._start(task, task.run, name)

    def _start(
        self, of: Startable, function: Callable[[], Coroutine[Any, Any, None]], name: str
    ) -> None:
        task = get_running_loop().create_task(self._begin(function), name=name)
        self._running[task] = of
        task.add_done_callback(self._task_ended)
        if link is not None:  # pragma: no cover  # before CPython 3.14
            link(task, self._host)

    def _task_ended(self, task: Task[None]) -> None:
        if unlink is not None:  # pragma: no cover  # as above
            unlink(task, self._host)
        of = self._running.pop(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._errors.append(error)
            self.cancel_scope.cancel()
        elif not of.done:  # it was cancelled before its first step
            self._start(of, partial(cancelled, of.run), task.get_name())
        if not self._running and self._ended is not None:
            answer(self._ended)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        error = await self._wait() or error
        if self._errors:
            error = BaseExceptionGroup("unhandled errors behind a stream", self._errors)
        if error is None:
            return self.cancel_scope.__exit__(None, None, None)
        if self.cancel_scope.__exit__(type(error), error, error.__traceback__):
            return True
        raise error

    async def _wait(self) -> CancelledError | None:
        """Wait for all tasks; a cancellation that has come meanwhile, which is told once."""
        try:
            await self._until_ended()
        except CancelledError as exc:
            late = exc
        else:
            return None
        with CancelScope(shield=True):
            while self._running:
                try:
                    await self._until_ended()
                except CancelledError as exc:  # a native one
                    late = exc
        return late

    async def _until_ended(self) -> None:
        while self._running:
            self._ended = Future()
            await self._ended


ALONE: set[Task[None]] = set()
"""The tasks that nobody waits for, to which nothing else need refer."""


def start_alone(function: Callable[[], Coroutine[Any, Any, None]]) -> None:
    begun = False

    @wraps(function)  # for what shows tasks
    async def begin() -> None:
        nonlocal begun
        begun = True
        await function()

    def ended(task: Task[None]) -> None:
        ALONE.discard(task)
        if not begun:
            start_alone(partial(cancelled, function))

    task = get_running_loop().create_task(begin())
    ALONE.add(task)
    task.add_done_callback(ended)


def ours() -> Backend:
    """What the core takes from here, in a running event loop."""
    new_scope = type(CancelScope())

    def new_group() -> TaskGroup:
        return AsyncioTasks(new_scope())

    return Backend(
        new_event=FutureEvent,
        new_slot=Future,  # no class of our own: a task waits in C for this one [merge]
        answer=answer,
        new_scope=new_scope,
        new_alarm=LazyAlarm,
        new_group=new_group,
        start_alone=start_alone,
        checkpoint=checkpoint,
        checkpoint_if_cancelled=checkpoint_if_cancelled,
        clock=clock,
        now=now,
        task_id=task_id,
        parentless=parentless,
        watch_task=watch_task,
        cancelled=CancelledError,
        innermost=innermost,
        has_entered_since=has_entered_since,
        is_innermost=is_innermost,
        is_shielded=is_shielded,
        is_passed_on=is_passed_on,
        event_loop=get_running_loop,
    )
