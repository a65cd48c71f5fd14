"""An open pipeline: what one opening of a stream holds, and how that is closed.

It lives in the task that opened it; a `Producer` is a task behind it. Both are an `Owner` to the
segments that run in them. Only they, with what they have in common, `TaskOwner`, and the `Tasks` of
an opening, have task groups and cancel scopes.
"""

import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextvars import Context
from functools import partial
from inspect import currentframe
from math import inf
from typing import Any, cast

from anyio import (
    CancelScope,
    current_effective_deadline,
)

from .._errors import (
    NeedsTasksError,
    StreamClosedError,
    StreamDepthError,
    WrongOrderError,
    WrongTaskError,
)
from . import observing
from .backends import backend
from .batches import Segment
from .channel import Channel
from .contracts import (
    GRACE,
    Backend,
    Innermost,
    Openable,
    Owner,
    Source,
    Startable,
    Task,
    depth_of,
    grace_of,
)
from .interrupts import protected
from .observing import TrackedRun
from .owner import TaskOwner
from .statistics import Picture, RunStatistics, picture
from .tasks import Tasks

LATER: "dict[int, list[Opening]]" = {}
"""By task, what is closed, but has not left its scope, since something was entered after it."""

RESERVE = 100
"""Frames that functions of the user's, and the backend, may take beyond those of the pipeline."""


def unless_too_deep(stream: Openable) -> None:
    """Raise an error before `stream` is opened if there may be too few frames left for it.

    A stream that opens a stream in its own step, and so on, gets there as well as a long row.
    """
    depth = depth_of(stream)
    limit = sys.getrecursionlimit()
    weight = 1 if sys.gettrace() is None else 2  # of a frame, as Python counts them in a debugger
    left = (limit - RESERVE - depth) // weight
    try:
        if left > 0:
            sys._getframe(left)  # pyright: ignore[reportPrivateUsage]  # documented; walks in C
    except ValueError:  # fewer are in use
        return
    text = repr(stream)
    raise StreamDepthError(
        f"{text if len(text) < SHOWN else '...' + text[-SHOWN:]} may need {depth} nested frames of"
        f" Python, but the recursion limit of {limit} leaves"
        f" {max(0, limit - weight * taken() - RESERVE)}: chain fewer streams or operators,"
        " or raise the limit with sys.setrecursionlimit()"
    )


def taken() -> int:
    """How many frames of Python are in use."""
    depth, frame = 0, currentframe()
    while frame is not None:
        depth, frame = depth + 1, frame.f_back
    return depth


SHOWN = 80
"""Characters of a long row that a message shows."""


class Beginning:
    """What opens together, while it does."""

    __slots__ = ("parts", "tasks")

    def __init__(self) -> None:
        self.parts: list[Source] = []  # that are open
        self.tasks: list[Startable] = []  # to start once all is open


class Opening(TaskOwner):
    """What one opening of a stream holds, and how it is closed: the owner in the caller's task."""

    __slots__ = (
        "__weakref__",
        "_backend",
        "_beginning",
        "_closed",
        "_finished",
        "_grace",
        "_grace_given",
        "_host_is_over",
        "_lacks_group",
        "_last",
        "_lost",
        "_opens_more",
        "_outside",
        "_owned",
        "_picture",
        "_refusal",
        "_scope",
        "_segment",
        "_starts_tasks",
        "_stream",
        "_task",
        "_tasks",
        "_timed_since",
        "_view",
    )

    def __init__(self, stream: Openable, grace: float | None) -> None:
        super().__init__()
        self._stream: Openable = stream
        self._grace_given: bool = grace is not None  # for this opening, and all that it opens
        if grace is None:
            grace = grace_of(stream)
        self._grace: float = GRACE if grace is None else grace
        self._backend: Backend | None = None  # known when there is an event loop
        self._segment: Source | None = None
        self._owned: list[Source] = []  # sources that were handed over, started or not
        self._finished: int = 0  # parts that have ended since these were looked through
        self._beginning: Beginning | None = None  # while something opens
        self._lost: tuple[Source, ...] = ()  # what was open of something that did not open
        self._scope: CancelScope | None = None
        self._outside: Innermost = (None, None)  # before the first step, if no scope is ours
        self._tasks: Tasks | None = None  # if it has any, or may
        self._opens_more: bool = False  # whether a part that is opened later may need tasks
        self._lacks_group: bool = False  # whether it has none for such a part
        self._starts_tasks: bool = False  # whether a part that is open will start some
        self._closed: bool = False
        self._task: int | None = None  # that has to close, if it can be another one
        self._host_is_over: Callable[[], bool] | None = None  # which keeps its number its own
        self._last: Sequence[Task] = ()  # those that the group may wait for
        self._refusal: StreamClosedError | None = None  # of what began too late
        self._timed_since: float | None = None  # the first time that statistics were asked for
        self._picture: Picture | None = None  # as it began to close, if they were
        self._view: TrackedRun | None = None  # what observers have of it

    @property
    def stream(self) -> Openable:
        return self._stream

    @property
    def grace(self) -> float:
        return self._grace

    @property
    def over(self) -> bool:
        return self._closed

    @property
    def reader_is_over(self) -> bool:
        return self._closed

    @property
    def closed(self) -> bool:
        """Whether it has begun to close."""
        return self._closed

    @property
    def task(self) -> int | None:
        return self._task

    @property
    def host(self) -> int | None:
        """The task whose block or terminal call it is, if it has others."""
        return None if self._tasks is None else self._tasks.host

    @property
    def has_tasks(self) -> bool:
        return self._tasks is not None

    @property
    def backend(self) -> Backend:
        if self._backend is None:
            self._backend = backend()
        return self._backend

    def refused(self) -> StreamClosedError:
        if self._refusal is None:
            self._refusal = StreamClosedError(
                f"{self._stream!r} was closed while it was being read"
            )
        return self._refusal

    # -- opening ------------------------------------------------------------------------------

    def top(self) -> Source:
        """The segment in the caller's task, which is opened if it is not yet."""
        if self._segment is None:
            unless_too_deep(self._stream)
            self._outside = self.backend.innermost()
            self._segment = self.open(partial(self.open_part, self._stream))
            if observing.observers:
                self._view = observing.track(self)
        return self._segment

    def readable(self) -> "Source | Opening | None":
        """What to ask for the next batch; None if this is closed."""
        if self._closed:
            return None
        if self._tasks is not None and not self._tasks.is_here():
            self.unless_abroad()
        return self._segment or self

    async def batch(self) -> Iterator[Any] | None:
        """The first batch of what nobody has opened before."""
        return await self.top().batch()

    @property
    def view(self) -> TrackedRun | None:
        return self._view

    @property
    def is_timed(self) -> bool:
        return self._timed_since is not None

    def statistics(self) -> RunStatistics:
        """The numbers of this moment, or of that at which it began to close."""
        return self.picture().numbers

    def picture(self) -> Picture:
        """The same, and what its stages came about by."""
        if self._picture is not None:
            return self._picture
        now = self.now()
        if self._timed_since is None:
            self._timed_since = now
        return picture(self._segment, now, self._timed_since, self.caught, self.retried)

    @property
    def bottom(self) -> Source | None:
        """What the segment in the caller's task reads from."""
        return self._segment.source if isinstance(self._segment, Segment) else self._segment

    async def enter(self, scoped: bool = True, *, whole: bool = False, kept: bool = False) -> None:
        """Open in the caller's task, which has to `leave`.

        The scope, which is that of the group if there is one, is entered before the first step and
        left after the last close, so that it lies outside of every scope that a generator in this
        pipeline may hold across a `yield`. If it is not to be `scoped` there is none, unless there
        are tasks; what is opened later cannot have any then.
        """
        unless_too_deep(self._stream)
        try:
            segment, tasks = self.open_later(self._stream._open, self)  # pyright: ignore[reportPrivateUsage]  # hidden from users only
            self._segment = segment
            if whole:
                segment.read_whole(kept=kept)
            if observing.observers:
                self._view = observing.track(self)
        except BaseException as exc:
            await self.close()
            self.raise_collected(exc)
            raise
        of = self.backend
        if tasks or self._starts_tasks or (scoped and self._opens_more):
            self._tasks = Tasks(of)
            self._scope = await self._tasks.enter()
            try:
                for task in tasks:
                    self.start(task)
            except BaseException as exc:  # such as Ctrl-C in a `repr` that names a task
                self._scope.shield, self._shield = True, self._scope
                await self.close()
                await self._leave_scope()
                self.raise_collected(exc)
                raise
        elif segment.closes and scoped:
            self._scope = of.new_scope()
            self._scope.__enter__()
        else:
            self._outside = of.innermost()
            self._lacks_group = self._opens_more

    @property
    def is_new(self) -> bool:
        """Whether it was neither entered, nor read, nor closed."""
        return self._segment is None and self._task is None and not self._closed

    @property
    def was_entered(self) -> bool:
        """Whether a task has entered it, or it is closed: no other one may."""
        return self._task is not None or self._closed

    def is_entered(self) -> int:
        """Let no task but this one leave, as long as it runs; what identifies that."""
        task, self._host_is_over = self.backend.watch_task()
        self._task = task
        return task

    @property
    def is_left_behind(self) -> bool:
        """Whether the task that has entered is over: then nobody can leave its scope."""
        return self._host_is_over is not None and self._host_is_over()

    @property
    def is_left(self) -> bool:
        """Whether it is closed, and there is no scope that is still to be left."""
        return self._closed and self._scope is None

    def open(self, make: Callable[[], Source]) -> Source:
        source, tasks = self.open_later(make)
        if (tasks or self._starts_tasks) and self._beginning is None and self._tasks is None:
            self._starts_tasks = False
            self.has_lost(source)
            raise self._needs_tasks()
        for task in tasks:
            self.start(task)
        return source

    def _needs_tasks(self) -> NeedsTasksError:
        problem = f"{self._stream!r} had to open a stream that needs tasks, which"
        if self._lacks_group:
            return NeedsTasksError(
                f"{problem} a block inside an async generator cannot start later; decorate the"
                " generator with @stream(buffer=0)"
            )
        return NeedsTasksError(
            f"{problem} a bare `async for` and a function given to Stream cannot start; use"
            " `async with stream as items` and flat_map"
        )

    def open_later(
        self, make: Callable[..., Source], *given: Any
    ) -> tuple[Source, Sequence[Startable]]:
        outer, self._beginning = self._beginning, Beginning()
        begun = self._beginning
        try:
            source = make(*given)
            if outer is not None:
                outer.parts.append(source)
            return source, begun.tasks
        except BaseException:
            self._lost += tuple(begun.parts)
            raise
        finally:
            self._beginning = outer

    def open_part(self, stream: Openable, owner: Owner | None = None) -> Source:
        assert self._beginning is not None
        parts = self._beginning.parts
        before = len(parts)
        source = stream._open(owner or self)  # pyright: ignore[reportPrivateUsage]  # hidden from users only
        parts[before:] = [source]
        return source

    def allow(self, stream: Openable) -> None:
        grace = grace_of(stream)
        if grace is not None and not self._grace_given:
            self._grace = max(self._grace, grace)

    def has_opened(self, source: Source) -> None:
        if self._beginning is not None:
            self._beginning.parts.append(source)

    def has_lost(self, source: Source) -> None:
        self._lost += (source,)

    def takes_over(self, source: Source) -> None:
        self._owned.append(source)

    def is_opening(self) -> bool:
        return self._beginning is not None

    def will_open_more(self) -> None:
        self._opens_more = True

    def will_start_tasks(self) -> None:
        self._starts_tasks = True

    @protected
    def start(self, task: Startable) -> None:
        """Start a task, now or when all that opens with it is open."""
        if self._beginning is not None:
            self._beginning.tasks.append(task)
        else:
            assert self._tasks is not None
            self._tasks.start(task)

    def context(self) -> Context:
        """A copy of the context of the opening, for a task."""
        assert self._tasks is not None
        return self._tasks.context()

    def was_started(self, task: Startable) -> bool:
        """Whether a task runs for it, and is not done."""
        return self._tasks is not None and self._tasks.was_started(task)

    def is_done(
        self, task: Startable, errors: Sequence[BaseException], unread: Sequence[BaseException]
    ) -> None:
        """A task is over; collect its errors, but for those of what has begun too late."""
        if errors or unread:
            self._errors += tuple(self._not_refused(errors))
            self._unread += tuple(self._not_refused(unread))
        if self._tasks is not None:
            self._tasks.is_done(task)

    def _not_refused(self, errors: Iterable[BaseException]) -> Iterator[BaseException]:
        """The errors without what tells a function that it is too late, also in groups."""
        for error in errors:
            if isinstance(error, BaseExceptionGroup):
                group = cast("BaseExceptionGroup[BaseException]", error)
                refused, rest = group.split(lambda each: each is self._refusal)
                if refused is None:
                    yield group
                elif rest is not None:
                    yield rest.exceptions[0] if len(rest.exceptions) == 1 else rest
            elif error is not self._refusal:
                yield error

    def unless_abroad(self) -> None:
        if self._tasks is not None and not self._tasks.is_here():
            raise WrongTaskError(
                f"{self._stream!r} has tasks in another event loop; read it, and ask for its"
                " numbers, in the event loop that opened it"
            )

    # -- closing ------------------------------------------------------------------------------

    def has_failed(self, error: BaseException) -> None:
        """The segment in the caller's task has raised `error`."""
        self.locate(error, self._segment, self._stream)

    def is_left_by(self, error: BaseException) -> None:
        """Something in the block has raised `error`, which propagates."""
        if isinstance(self._segment, Segment):
            self._segment.has_failed(error)

    @property
    def holds(self) -> bool:
        """Whether something of it is open."""
        sources = [*([] if self._segment is None else [self._segment]), *self._lost, *self._owned]
        return any(source.holds for source in sources)

    def abandon(self) -> None:
        """Nobody can read this: drop its operators at once, and not with the garbage."""
        sources = [] if self._segment is None or self._tasks is not None else [self._segment]
        for source in sources:  # which grows
            sources += source.reads()
            source.abandon()

    @property
    def busy(self) -> bool:
        """Whether a source or a function of the user's is in the middle of a step."""
        return self._segment is not None and self._segment.busy

    async def close_lost(self, owner: Owner) -> None:
        while self._lost:
            *rest, source = self._lost
            self._lost = tuple(rest)
            await source.close(owner)

    def forget(self) -> None:
        self._finished += 1
        if 2 * self._finished > len(self._owned):  # so that the whole of it is linear
            self._finished = 0
            self._owned = [source for source in self._owned if source.holds]

    def recovers(self) -> bool:
        sheltered = self._scope is not None and self._scope.shield
        return not sheltered and super().recovers()

    def shelter(self, early: bool) -> Callable[[], None] | None:
        """Raise the shield of the scope that was entered before the first step.

        It is of no use if the cancellation comes from inside it, such as from a scope around
        that one step, and against a native one none is needed.
        """
        scope = self._scope
        if scope is None or scope.shield or scope.cancel_called or self._elsewhere():
            return None
        if current_effective_deadline() > -inf or (early and not self.backend.is_innermost(scope)):
            return None
        scope.shield = True
        if current_effective_deadline() == -inf:
            scope.shield = False
            return None
        scope.deadline = self.now() + self._grace
        return self._expose

    def _expose(self) -> None:
        """The step that was sheltered is over."""
        assert self._scope is not None
        self._scope.shield, self._scope.deadline = False, inf
        if self._scope.cancel_called:
            self.add_error(self.hung(self._grace))

    async def _close_part(self, close: Callable[[], Awaitable[object]], grace: float) -> None:
        """The same under a shield, which may stand around it if what is closed holds no scope."""
        scope = self._scope
        if scope is None or scope.shield or scope.cancel_called or self._elsewhere():
            await super()._close_part(close, grace)
        elif self.backend.is_innermost(scope):
            await self._close_shielded(close, grace)
        else:
            scope.shield = True
            await self._attempt(close, scope, grace)
            scope.shield, scope.deadline = False, inf

    def _elsewhere(self) -> bool:
        """Whether this is another task than the one that has entered the scope."""
        return self._task is not None and self._task != self.backend.task_id()

    @property
    def ends_waits(self) -> bool:
        """Whether a step that waits now waits for a channel, which can end the wait."""
        bottom = self.bottom
        return bottom is not None and bottom.ends_waits and not self.busy

    async def leave(self, *, busy: bool, unshielded: bool = False) -> None:
        """Close what is still open, unless a task is `busy` with it, and leave the scope."""
        left_behind = self.is_left_behind
        if not busy and (unshielded or left_behind):
            await self.close_shielded()
        if left_behind:
            self.unless_abroad()
            self._scope = None
        scope = self._scope
        tasks = self._tasks  # which may start others until all have ended
        self._shield: CancelScope | None = scope
        if scope is not None:
            scope.shield = True
        channel = None if tasks is None else self.bottom
        if isinstance(channel, Channel) and not self._owned and not left_behind:
            self._last = channel.tasks
        try:
            if not busy:
                await self.close()
            elif tasks is not None:
                self._closed = True  # what is behind the step has ended, and not by itself
                await self.stop(tasks.running)
        finally:
            if scope is not None and not self.backend.is_innermost(scope):
                await self.wait_for([*self._last])  # for which the group cannot wait now
                scope.shield, self._shield = False, None
                self._leave_later()
                raise self._out_of_order()
            if left_behind:
                self._scope = None
                await self.stop(() if tasks is None else tasks.running)
            else:
                await self._leave_scope()

    async def leave_closed(self) -> None:
        """Leave the scope of what is closed, now or once what was entered after it is left."""
        scope = self._scope
        if scope is None or self.is_left_behind:
            return
        if self.backend.is_innermost(scope):
            scope.shield = True
            await self._leave_scope()
        else:
            self._leave_later()

    def _leave_later(self) -> None:
        """Wait for what was entered after this; a task that ends before has left nothing behind."""
        for task, others in [*LATER.items()]:
            if all(other._scope is None or other.is_left_behind for other in others):
                LATER.pop(task, None)
        assert self._task is not None
        LATER.setdefault(self._task, []).append(self)

    async def _leave_scope(self) -> None:
        """Leave the scope, which is the innermost, and then that of what has waited for this."""
        scope, self._scope = self._scope, None
        if self._tasks is not None:
            self._late = await self._tasks.leave() or self._late
            self._tasks = self._refusal = None
        elif scope is not None:
            scope.__exit__(None, None, None)
        self._shield = None
        if self._task in LATER:
            await self._leave_outer(LATER[self._task])

    async def _leave_outer(self, waiting: "list[Opening]") -> None:
        """Leave the scope of the one that this was in the way of, if that has waited."""
        waiting[:] = [other for other in waiting if other._scope is not None]
        if not waiting:
            LATER.pop(self._task or 0, None)
        for other in waiting:
            if other._scope is not None and self.backend.is_innermost(other._scope):
                await other.leave_closed()
                self._late, other._late = self._late or other._late, None
                return

    def _out_of_order(self) -> WrongOrderError:
        return WrongOrderError(
            f"{self._stream!r} was left before something that was entered after it, such as another"
            " run or a cancel scope. It is closed, and left with that run; after a scope leave it"
            " again. To close runs in any order, call `aclose()`, or give each a task of its own"
        )

    async def wait_for(self, tasks: Iterable[Task]) -> None:
        """Leave it to the group to wait if nothing is closed after them."""
        if tasks is not self._last:
            await super().wait_for(tasks)

    async def close_shielded(self) -> None:
        """Close where no scope from before the first step keeps cancellations from the cleanup.

        If a scope was entered since then, it may be one that a source holds. That must not be left
        inside of a shield, so `release` shields the others one by one.
        """
        if self.backend.has_entered_since(self._outside):
            await self.close()
            return
        with CancelScope(shield=True) as self._shield:
            await self.close()
        self._shield = None

    async def close(self) -> None:
        """Close every source, downstream first; `raise_collected` raises what they have raised."""
        if self._timed_since is not None or self._view is not None:
            self._picture = self.picture()
        self._closed = True
        segment, self._segment = self._segment, None
        if segment is not None:
            await segment.close(self)
        if self._lost:  # else a coroutine for nothing at each end [open]
            await self.close_lost(self)
        while self._owned:  # which refer to this
            await self._owned.pop().close(self)
