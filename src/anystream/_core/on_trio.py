"""What trio has of its own: nurseries, events, a clock and a checkpoint."""

from collections.abc import Callable, Coroutine
from contextvars import copy_context
from types import TracebackType
from typing import Any, cast

import trio
from anyio import CancelScope
from trio.lowlevel import checkpoint, current_task, current_trio_token, spawn_system_task

from .contracts import AsyncEvent, Backend
from .trio_scopes import is_innermost, is_shielded


def task_id() -> int:
    return id(current_task())


def watch_task() -> Callable[[], bool]:
    task: Any = current_task()
    return lambda: task.coro.cr_frame is None


class ScopedAlarm:
    """Waits in a scope with a deadline."""

    __slots__ = ("_due",)

    def __init__(self, due: Callable[[], float], ring: Callable[[], None]) -> None:
        self._due = due

    async def wait(self, event: AsyncEvent) -> None:
        await checkpoint()  # a look costs less than a scope [clock-timeout], and finds more
        if not event.is_set():
            with trio.CancelScope(deadline=self._due()):
                await event.wait()

    def stop(self) -> None:
        """There is nothing left of a wait."""


class TrioTasks:
    """A nursery, whose own scope is the group's."""

    __slots__ = ("_manager", "_nursery", "cancel_scope")

    cancel_scope: CancelScope

    def __init__(self) -> None:
        self._manager = trio.open_nursery(strict_exception_groups=True)

    async def __aenter__(self) -> None:
        self._nursery = await self._manager.__aenter__()
        self.cancel_scope = cast("CancelScope", self._nursery.cancel_scope)  # no other names

    def start_soon(
        self, function: Callable[[], Coroutine[Any, Any, None]], /, *, name: str
    ) -> None:
        self._nursery.start_soon(function, name=name)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return await self._manager.__aexit__(kind, error, traceback)


def start_alone(function: Callable[[], Coroutine[Any, Any, None]]) -> None:
    spawn_system_task(function, context=copy_context())


def ours() -> Backend:
    """What the core takes from here, in a running event loop."""
    return Backend(
        new_event=trio.Event,
        new_scope=type(CancelScope()),
        new_alarm=ScopedAlarm,
        new_group=TrioTasks,
        start_alone=start_alone,
        checkpoint=checkpoint,
        clock=lambda: trio.current_time,
        task_id=task_id,
        watch_task=watch_task,
        cancelled=trio.Cancelled,
        is_innermost=is_innermost,
        is_shielded=is_shielded,
        event_loop=current_trio_token,
    )
