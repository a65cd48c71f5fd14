"""The tasks of an opening, in the group that its host has entered."""

from collections.abc import Sequence
from contextvars import Context, copy_context

from anyio import CancelScope

from .backends import Home
from .contracts import Backend, Startable


class Tasks:
    """The tasks that run, and what others are started with.

    Attributes:
        host: the task that has entered the group.
        is_here: tells whether this is the event loop that they run in.
    """

    __slots__ = ("_backend", "_context", "_group", "_running", "host", "is_here")

    def __init__(self, of: Backend) -> None:
        self._backend = of
        self._context = copy_context()
        self._group = of.new_group()
        self._running: set[Startable] = set()
        self.is_here = Home(of).is_here
        self.host = of.task_id()

    async def enter(self) -> CancelScope:
        """Enter the group, in the host; its scope."""
        await self._group.__aenter__()
        return self._group.cancel_scope

    async def leave(self) -> BaseException | None:
        """Wait for the tasks, none of which can fail; what has interrupted that wait."""
        try:
            await self._group.__aexit__(None, None, None)
        except (self._backend.cancelled, KeyboardInterrupt) as exc:
            return exc
        return None

    @property
    def running(self) -> Sequence[Startable]:
        return [*self._running]

    def context(self) -> Context:
        """A copy of the context of the opening."""
        return self._context.copy()

    def start(self, task: Startable) -> None:
        name = task.name()  # which may fail, and then it was not started
        self._running.add(task)
        task.context().run(self._group.start, task, name=name)

    def was_started(self, task: Startable) -> bool:
        """Whether it runs, and is not done."""
        return task in self._running

    def is_done(self, task: Startable) -> None:
        self._running.discard(task)
