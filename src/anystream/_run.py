"""An open pipeline: what one opening of a stream holds, and how that is closed.

It lives in the task that opened it; a `Pump` is a task behind it. Both are a `Host` to the segments
that run in them. Only these three modules have task groups and cancel scopes.
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from inspect import currentframe
from math import inf
from typing import TYPE_CHECKING

from anyio import (
    CancelScope,
    Event,
    create_task_group,
    current_effective_deadline,
    current_time,
    get_cancelled_exc_class,
    get_current_task,
)

from ._batches import Recipe, Segment, Source, depth_of, opened
from ._errors import (
    CleanupTimeoutError,
    NeedsTasksError,
    StreamClosedError,
    StreamDepthError,
    WrongOrderError,
    WrongTaskError,
)
from ._host import Home, Host, backend
from ._mailbox import Mailbox
from ._pump import Pump
from ._unwinding import is_innermost

if TYPE_CHECKING:
    from anyio.abc import TaskGroup


SHALLOW = 200
"""Frames of Python that are always left."""

RESERVE = 100
"""Frames that functions of the user's, and the backend, may take beyond those of the pipeline."""


def unless_too_deep(stream: Recipe) -> None:
    """Raise an error before anything is opened if there may be too few frames left for `stream`."""
    depth = depth_of(stream)
    if depth <= SHALLOW:
        return
    taken = 0
    frame = currentframe()
    while frame is not None:
        taken, frame = taken + 1, frame.f_back
    limit = sys.getrecursionlimit()
    if taken + depth + RESERVE > limit:
        text = repr(stream)
        raise StreamDepthError(
            f"{text if len(text) < SHOWN else '...' + text[-SHOWN:]} may need {depth} frames of"
            f" Python, one inside the other, and its recursion limit of {limit} leaves"
            f" {max(0, limit - taken - RESERVE)}: put fewer operators in a row, or raise the limit"
            " with sys.setrecursionlimit()"
        )


SHOWN = 80
"""Characters of a long row that a message shows."""


class Pipeline(Host):
    """What one opening of a stream holds, and how it is closed: the host in the caller's task."""

    __slots__ = (
        "closed",
        "grace",
        "group",
        "halves",
        "home",
        "last",
        "lost",
        "may_spawn",
        "opening",
        "owned",
        "pumps",
        "refusal",
        "scope",
        "segment",
        "stream",
        "task",
        "unstarted",
    )

    def __init__(self, stream: Recipe, grace: float) -> None:
        super().__init__()
        self.stream: Recipe = stream
        self.grace: float = grace  # seconds that a source may take to close
        self.segment: Source | None = None
        self.owned: tuple[Source, ...] = ()  # sources that were handed over, whether started or not
        self.halves: list[Source] = []  # while something opens: what of it is open
        self.lost: tuple[Source, ...] = ()  # what was open of something that did not open
        self.scope: CancelScope | None = None
        self.group: TaskGroup | None = None
        self.home: Home | None = None  # the event loop of the group
        self.unstarted: tuple[Pump, ...] = ()
        self.pumps: set[Pump] = set()  # those that run
        self.opening: bool = False
        self.may_spawn: bool = False  # whether a part that is opened later may need tasks
        self.closed: bool = False
        self.task: int | None = None  # that has to close, if it can be another one
        self.last: Sequence[Pump] = ()  # those that the group may wait for
        self.refusal: StreamClosedError | None = None  # of what began too late: no cleanup's error

    @property
    def pipeline(self) -> "Pipeline":
        return self

    @property
    def over(self) -> bool:
        return self.closed

    def refused(self) -> StreamClosedError:
        """What to raise in the place of something that begins when it is over."""
        if self.refusal is None:
            self.refusal = StreamClosedError(f"{self.stream!r} was closed while it was read")
        return self.refusal

    @property
    def new_event(self) -> type[Event]:
        return backend().new_event

    @property
    def new_scope(self) -> type[CancelScope]:
        return backend().new_scope

    def hung(self, grace: float) -> CleanupTimeoutError:
        return CleanupTimeoutError(f"{self.stream!r} did not close within {grace:g} s")

    def top(self) -> Source:
        if self.segment is None:
            unless_too_deep(self.stream)
            self.segment = self.assembled(lambda: opened(self.stream, self))
        return self.segment

    @property
    def bottom(self) -> Source | None:
        """What the segment in the caller's task reads from."""
        return self.segment.source if isinstance(self.segment, Segment) else self.segment

    async def open(self, scoped: bool = True) -> None:
        """Open in the caller's task, which has to `leave`.

        The scope, which is that of the group if there is one, is entered before the first step and
        left after the last close, so that it lies outside of every scope that a generator in this
        pipeline may hold across a `yield`. If it is not to be `scoped` there is none, unless there
        are tasks.
        """
        unless_too_deep(self.stream)
        try:
            segment, pumps = self.held_back(lambda: opened(self.stream, self))
        except BaseException as exc:
            await self.close()
            self.settle(exc)
            raise
        self.segment = segment
        if pumps or self.may_spawn:
            self.home = Home()
            self.group = create_task_group()
            await self.group.__aenter__()
            self.scope = self.group.cancel_scope
            for pump in pumps:
                self.start(pump)
        elif segment.closes and scoped:
            self.scope = CancelScope()
            self.scope.__enter__()

    def assembled(self, make: Callable[[], Source]) -> Source:
        """What `make` opens; its tasks start when all of it is open, or never."""
        source, pumps = self.held_back(make)
        if pumps and not self.opening and self.group is None:
            self.lost += (source,)
            raise NeedsTasksError(
                f"{self.stream!r} came to a stream that needs tasks, which the bare `async for` and"
                " a function given to Stream do not have; use `async with stream as items` and"
                " flat_map"
            )
        for pump in pumps:
            self.start(pump)
        return source

    def held_back(self, make: Callable[[], Source]) -> tuple[Source, Sequence[Pump]]:
        """What `make` opens, and its tasks, which are still to be started.

        What it has opened when it fails is closed by who closes next.
        """
        opening, unstarted, halves = self.opening, self.unstarted, self.halves
        self.opening, self.unstarted, self.halves = True, (), []
        try:
            source = make()
            if opening:
                halves.append(source)
            return source, self.unstarted
        except BaseException:
            self.lost += tuple(self.halves)
            raise
        finally:
            self.opening, self.unstarted, self.halves = opening, unstarted, halves

    def start(self, pump: Pump) -> None:
        if self.opening:
            self.unstarted += (pump,)
        else:
            assert self.group is not None
            self.pumps.add(pump)
            self.group.start_soon(pump.run)

    @property
    def holds(self) -> bool:
        sources = [*([] if self.segment is None else [self.segment]), *self.lost, *self.owned]
        return any(source.holds for source in sources)

    async def close_lost(self, host: Host) -> None:
        """Close what was open of something that did not open, and so was never stepped."""
        while self.lost:
            *rest, source = self.lost
            self.lost = tuple(rest)
            await source.close(host)

    def forget(self) -> None:
        """Keep only those of the sources handed over that there is something to close of."""
        self.owned = tuple(source for source in self.owned if source.holds)

    def shelter(self) -> "Pipeline | None":
        """Raise the shield of the scope that was entered before the first step.

        It is of no use if the cancellation comes from inside of it, such as from a scope around
        that one step, and against a native one none is needed.
        """
        scope = self.scope
        if scope is None or scope.shield or scope.cancel_called or self.elsewhere():
            return None
        if current_effective_deadline() > -inf:
            return None
        scope.shield = True
        if current_effective_deadline() == -inf:
            scope.shield = False
            return None
        scope.deadline = current_time() + self.grace
        return self

    def expose(self) -> None:
        """The step that was sheltered is over."""
        assert self.scope is not None
        self.scope.shield, self.scope.deadline = False, inf
        if self.scope.cancel_called:
            self.add_error(self.hung(self.grace))

    def elsewhere(self) -> bool:
        """Whether this is another task than the one that has entered the scope."""
        return self.task is not None and self.task != get_current_task().id

    @property
    def waits_for_tasks(self) -> bool:
        """Whether a step that waits now waits for a mailbox, which can end the wait."""
        segment = self.segment
        return segment is not None and not segment.busy and isinstance(self.bottom, Mailbox)

    async def leave(self, *, busy: bool) -> None:
        """Close what is still open, unless somebody is `busy` with it, and leave the scope."""
        scope = self.scope
        group = self.group  # into which a pump may start another one until all have ended
        self.shield = scope
        if scope is not None:
            scope.shield = True
        box = self.bottom
        if isinstance(box, Mailbox) and not self.owned:
            self.last = box.pumps
        try:
            if not busy:
                await self.close()
            elif group is not None:
                self.closed = True  # what is behind the step has ended, and not by itself
                await self.stop([*self.pumps])
        finally:
            self.rest()
            if scope is not None and not is_innermost(scope):
                await self.stopped([*self.last])  # for which the group cannot wait now
                scope.shield, self.shield = False, None
                raise self.out_of_order()
            self.scope = None
            if group is not None:
                await self.leave_group(group)
            elif scope is not None:
                scope.__exit__(None, None, None)
            self.shield = None

    def out_of_order(self) -> WrongOrderError:
        return WrongOrderError(
            f"{self.stream!r} was left before something that was entered after it, such as another"
            " run or a cancel scope; it is closed, and can be left after that. `aclose()` closes"
            " in any order, and each run may have a task of its own"
        )

    def unless_abroad(self) -> None:
        """Raise an error in another event loop than that of the tasks, which could not wake it."""
        if self.home is not None and not self.home.is_here():
            raise WrongTaskError(
                f"{self.stream!r} has tasks, and is read in another event loop than they run in"
            )

    async def leave_group(self, group: "TaskGroup") -> None:
        """Wait for the tasks, none of which can fail."""
        try:
            await group.__aexit__(None, None, None)
        except get_cancelled_exc_class() as exc:
            self.late: BaseException | None = exc
        self.group = self.refusal = None

    async def stopped(self, pumps: Iterable[Pump]) -> None:
        """Leave it to the group to wait if nothing is closed after them."""
        if pumps is not self.last:
            await super().stopped(pumps)

    async def close_cancelled(self) -> None:
        """Close while a cancellation is on its way, which must not come to the cleanup."""
        with CancelScope(shield=True) as self.shield:
            await self.close()
        self.shield = None

    async def close(self) -> None:
        """Close every source, downstream first; `settle` raises what they have raised."""
        self.closed = True
        segment, self.segment = self.segment, None
        if segment is not None:
            await segment.close(self)
        await self.close_lost(self)
        for source in reversed(self.owned):
            await source.close(self)
