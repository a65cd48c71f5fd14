"""What trio has of its own: nurseries, events, a clock and a checkpoint."""

from collections.abc import Callable, Coroutine, Generator
from contextvars import copy_context
from types import TracebackType
from typing import Any, cast

import trio
from anyio import CancelScope
from trio.lowlevel import (
    Abort,
    Task,
    checkpoint,
    checkpoint_if_cancelled,
    current_root_task,
    current_task,
    current_trio_token,
    disable_ki_protection,
    enable_ki_protection,
    reschedule,
    spawn_system_task,
    wait_task_rescheduled,
)

from .contracts import Backend, Slot, Startable
from .interrupts import mark_by
from .trio_scopes import has_entered_since, innermost, is_innermost, is_marked, is_shielded


def task_id() -> int:
    return id(current_task())


def parentless() -> set[int]:
    return {id(current_root_task())}


def watch_task() -> tuple[int, Callable[[], bool]]:
    task: Any = current_task()
    return id(task), lambda: task.coro.cr_frame is None


class TaskEvent:
    """trio's own, but a task that Ctrl-C ends as it begins to wait is not woken later."""

    __slots__ = ("_is_set", "_tasks")

    def __init__(self) -> None:
        self._is_set = False
        self._tasks: set[Task] = set()

    def is_set(self) -> bool:
        return self._is_set

    @enable_ki_protection
    def set(self) -> None:
        self._is_set = True
        while self._tasks:
            reschedule(self._tasks.pop())

    @enable_ki_protection
    async def wait(self) -> None:
        if self._is_set:
            await checkpoint()
            return
        task = current_task()
        self._tasks.add(task)

        def abort(_: object) -> Abort:
            self._tasks.discard(task)
            return Abort.SUCCEEDED

        await wait_task_rescheduled(abort)


class TaskSlot:
    """The same for one task."""

    __slots__ = ("_done", "_task", "_value")

    def __init__(self) -> None:
        self._done = False
        self._task: Task | None = None
        self._value: Any = None

    def done(self) -> bool:
        return self._done

    @enable_ki_protection
    def answer(self, value: object = None) -> None:
        if not self._done:
            self._done, self._value = True, value
            if self._task is not None:
                reschedule(self._task)

    @enable_ki_protection
    def __await__(self) -> Generator[Any, Any, Any]:
        if self._done:
            yield from checkpoint().__await__()  # noqa: ASYNC105  # `yield from` awaits it
        else:
            self._task = current_task()
            yield from wait_task_rescheduled(self._abort).__await__()  # noqa: ASYNC105
        return self._value

    def _abort(self, _: object) -> Abort:
        self._task = None
        return Abort.SUCCEEDED


class ScopedAlarm:
    """Waits in a scope with a deadline."""

    __slots__ = ("_due",)

    def __init__(self, due: Callable[[], float], ring: Callable[[], None]) -> None:
        self._due = due

    async def wait(self, slot: Slot) -> None:
        await checkpoint()  # a look costs less than a scope [clock-timeout], and finds more
        if not slot.done():
            with trio.CancelScope(deadline=self._due()):
                await slot

    def stop(self) -> None:
        """There is nothing left of a wait."""


class TrioTasks:
    """A nursery, whose own scope is the group's."""

    __slots__ = ("_manager", "_nursery", "cancel_scope")

    cancel_scope: CancelScope

    def __init__(self) -> None:
        self._manager = trio.open_nursery(strict_exception_groups=True)

    @enable_ki_protection
    async def __aenter__(self) -> None:
        self._nursery = await self._manager.__aenter__()
        self.cancel_scope = cast("CancelScope", self._nursery.cancel_scope)  # no other names

    def start(self, task: Startable, /, *, name: str) -> None:
        self._nursery.start_soon(task.run, name=name)

    @enable_ki_protection
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        try:
            return await self._manager.__aexit__(kind, error, traceback)
        except BaseExceptionGroup as group:
            if isinstance(group.exceptions[0], KeyboardInterrupt):  # while this waited
                raise group.exceptions[0] from None  # noqa: ASYNC123  # alone in it
            raise


def start_alone(function: Callable[[], Coroutine[Any, Any, None]]) -> None:
    spawn_system_task(function, context=copy_context())


def expose(function: Any) -> None:
    """Let Ctrl-C be raised in it, unless its author has decided that."""
    if not is_marked(function.__code__):
        disable_ki_protection(function)


def is_passed_on(scope: CancelScope) -> bool:
    """A task cannot await another one."""
    return False


def ours() -> Backend:
    """What the core takes from here, in a running event loop."""
    mark_by(enable_ki_protection, expose)
    return Backend(
        new_event=TaskEvent,
        new_slot=TaskSlot,
        answer=TaskSlot.answer,
        new_scope=type(CancelScope()),
        new_alarm=ScopedAlarm,
        new_group=TrioTasks,
        start_alone=start_alone,
        checkpoint=checkpoint,
        checkpoint_if_cancelled=checkpoint_if_cancelled,
        clock=lambda: trio.current_time,
        now=trio.current_time,
        task_id=task_id,
        parentless=parentless,
        watch_task=watch_task,
        cancelled=trio.Cancelled,
        innermost=innermost,
        has_entered_since=has_entered_since,
        is_innermost=is_innermost,
        is_shielded=is_shielded,
        is_passed_on=is_passed_on,
        event_loop=current_trio_token,
    )
