"""An open pipeline: the one module with task groups and cancel scopes.

A `Pipeline` is what one opening of a stream holds, and how that is closed. It lives in the task
that opened it; a `Pump` is a task behind it. Both are a `Host` to the segments that run in them.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Sequence
from math import inf
from types import coroutine
from typing import TYPE_CHECKING, Any

from anyio import (
    CancelScope,
    Event,
    create_task_group,
    current_effective_deadline,
    current_time,
    get_cancelled_exc_class,
    get_current_task,
)

from ._batches import Recipe, Segment, Source, opened
from ._errors import (
    CleanupTimeoutError,
    NeedsTasksError,
    StreamClosedError,
    StreamInterruptedError,
    WrongOrderError,
)
from ._mailbox import Mailbox
from ._siblings import attach
from ._unwinding import Unwinding, is_innermost, is_told, parted

if TYPE_CHECKING:
    from anyio.abc import TaskGroup


CLASSES: dict[type[BaseException], tuple[type[Event], type[CancelScope]]] = {}


def classes() -> tuple[type[Event], type[CancelScope]]:
    """The backend's own classes: to make one with anyio's own asks which it is, every time."""
    known = CLASSES.get(get_cancelled_exc_class())
    if known is None:
        known = CLASSES[get_cancelled_exc_class()] = type(Event()), type(CancelScope())
    return known


def is_from(cancelled: BaseException, scope: CancelScope) -> bool:
    """Whether it is this scope that has cancelled a task on asyncio, as anyio's text says."""
    return f" {id(scope):x}" in str(cancelled)


def is_native(cancelled: BaseException) -> bool:
    """Whether no scope has cancelled this task, but asyncio's `Task.cancel()`."""
    of_asyncio = type(cancelled).__module__.startswith("asyncio")
    return of_asyncio and not str(cancelled).startswith("Cancelled via cancel scope ")


async def until(time: float, wait: Callable[[], Awaitable[object]], shield: bool = False) -> bool:
    """Await `wait()`; False if it was cancelled because it was `time`, by the loop's clock."""
    with CancelScope(deadline=time, shield=shield):
        await wait()
        return True
    return False


class Host(ABC):
    """A task that segments run in: what they hold is opened, stepped and closed there."""

    __slots__ = ("errors", "late", "shield", "unread")

    def __init__(self) -> None:
        self.shield: CancelScope | None = None  # for all of the cleanup that is under way
        self.errors: tuple[BaseException, ...] = ()  # of cleanup
        self.unread: tuple[BaseException, ...] = ()  # others, which the reader has not come to
        self.late: BaseException | None = None  # a native cancel that arrived during cleanup

    @property
    @abstractmethod
    def pipeline(self) -> "Pipeline": ...

    @property
    @abstractmethod
    def over(self) -> bool:
        """Whether this, or what reads from it, has been told to stop: nothing begins any more."""

    def unless_over(self) -> None:
        if self.over:
            raise self.pipeline.refused()

    def shelter(self) -> "Pipeline | None":
        """A step in this task was cancelled: let it await, until what this returns is exposed.

        None if it cannot; a task behind a mailbox sees to that by itself.
        """
        return None

    def stands(self, cancelled: BaseException) -> bool:
        """Whether something that is not the user's, and waits here, may go on in spite of that.

        So it is in a task behind a mailbox if the cancellation is of a scope that a generator holds
        across its yields: it is the generator's, and hits it when it waits itself.
        """
        return False

    async def finish(self, part: Source) -> None:
        """Close one part of the pipeline that has ended, while the rest goes on."""
        await part.close(self)
        self.pipeline.forget()
        self.settle(None)

    def guard(self, close: Callable[[], object]) -> None:
        """Call `close()` and keep what it raises for `settle`."""
        try:
            close()
        except BaseException as exc:
            self.errors += (exc,)

    async def release(
        self,
        close: Callable[[], Awaitable[object]],
        grace: float | None = None,
        *,
        scopes: bool = False,
    ) -> None:
        """Await `close()` for at most `grace` seconds and keep what it raises for `settle`.

        Without `grace` it is that of the pipeline.

        What may hold `scopes` itself, as an async generator does across its yields, must not be
        closed in a scope that was entered after them. So it goes without one in the middle of a
        run, where no scope from before its first step is to be had.
        """
        shield = self.shield
        if grace is None:
            grace = self.pipeline.grace
        if shield is None and scopes:
            await self.attempt(close, None, grace)
        elif shield is None or shield.cancel_called:  # by a close that hung
            with CancelScope(shield=True) as fresh:
                await self.attempt(close, fresh, grace)
        else:
            await self.attempt(close, shield, grace)

    @staticmethod
    async def unwind(step: Callable[[], Awaitable[object]]) -> None:
        """Await `step()`, which is cancelled at once wherever it waits.

        That is how a row of async generators that read each other is ended from its innermost one.
        To close the outermost one leaves those behind it to the garbage collector, unless each of
        them closes what it reads, and a client's own may not.
        """
        with CancelScope() as scope:
            scope.cancel()
            await step()

    async def attempt(
        self, close: Callable[[], Awaitable[object]], shield: CancelScope | None, grace: float
    ) -> None:
        if shield is not None:
            shield.deadline = current_time() + grace
        try:
            await close()
        except BaseException as exc:
            self.keep(exc, None if shield is None or not shield.cancel_called else grace)

    def keep(self, error: BaseException, exceeded: float | None) -> None:
        """Keep for `settle` what a close has raised, which was cut off if it `exceeded` its time.

        A generator that holds a task group across its yields gives back in a group its own
        GeneratorExit, and on trio a cancellation.
        """
        cancelled, rest = parted(error, get_cancelled_exc_class())
        if rest is not None and not isinstance(rest, GeneratorExit):
            rest = parted(rest, GeneratorExit)[1]
        if rest is not None:
            self.errors += (rest,)
        if cancelled is None:
            return
        if exceeded is None:
            self.late = cancelled
        else:
            self.errors += (self.pipeline.hung(exceeded),)

    def failure(self, error: BaseException | None = None) -> BaseException | None:
        """What cleanup has left, and `error` before it: one error bare, several as a group."""
        errors = self.errors if error is None else (error, *self.errors)
        self.errors = ()
        if len(errors) < 2:
            return errors[0] if errors else None
        group = BaseExceptionGroup(
            f"{self.pipeline.stream!r} failed, and so did its cleanup", errors
        )
        group.__suppress_context__ = True
        return group

    def settle(self, error: BaseException | None) -> None:
        """Raise what cleanup has left; `error` is on its way already and goes on if this returns.

        A native cancellation that arrived during the cleanup is passed on, with the rest as its
        cause. What is raised, or on its way, tells of the errors that nobody has read.
        """
        if isinstance(error, (get_cancelled_exc_class(), GeneratorExit)):
            error = None
        if not self.errors and self.late is None:
            if error is not None and self.unread:
                self.tell(error)
            return
        late, self.late = self.late, None
        failure = self.failure(error)
        if failure is not None:
            self.tell(failure)
        try:
            if late is not None:
                raise late from failure
            if isinstance(failure, StopAsyncIteration):
                raise RuntimeError("closing a source raised StopAsyncIteration") from failure
            assert failure is not None
            raise failure
        finally:
            del error, late, failure  # which refer to this frame, once raised

    def tell(self, error: BaseException) -> None:
        """Attach to `error` what nobody has read."""
        unread, self.unread = self.unread, ()
        attach(error, unread)

    def rest(self) -> None:
        """Nothing closes now that has a time for it."""
        if self.shield is not None:
            self.shield.deadline = inf

    async def stop(self, pumps: "Iterable[Pump]") -> None:
        """Stop pumps and wait until they have closed what they hold, whatever comes."""
        for pump in pumps:
            pump.interrupt()
        await self.stopped(pumps)

    async def stopped(self, pumps: "Iterable[Pump]") -> None:
        """Wait until pumps that have been stopped have closed what they hold, whatever comes."""
        if all(pump.done for pump in pumps):
            return
        self.rest()
        with CancelScope(shield=True):  # without a deadline: each pump has its own grace period
            for pump in pumps:
                while not pump.done:
                    try:
                        await pump.join()
                    except get_cancelled_exc_class() as exc:
                        self.late = exc


class Pump(Host):
    """A task behind a mailbox: it runs a segment, or calls functions, and fills a lane.

    Two scopes are entered before its first step and left after its last close. The outer one is
    shielded, so that a cancellation of the reader does not come here. To stop a pump that is
    parked, it is woken. Wherever else it waits, the outer scope is cancelled. That interrupts once:
    then the inner one is shielded, for what has been interrupted to clean up and for the segment
    to be closed. A pump that awaits nothing of the user's has nothing to protect, and does without.
    """

    __slots__ = (
        "awaited",
        "awaits",
        "begun",
        "body",
        "done",
        "inner",
        "interrupting",
        "outer",
        "parked",
        "reader",
        "stopping",
        "told",
        "unwinding",
        "whole",
    )

    def __init__(self, host: Host) -> None:
        super().__init__()
        self.reader: Host = host
        self.whole: Pipeline = host.pipeline
        self.outer: CancelScope = self.whole.new_scope(shield=True)
        self.inner: CancelScope | None = None
        self.done: bool = False  # whether all is closed
        self.awaited: Event | None = None  # set then, if somebody waits for it
        self.begun: bool = False
        self.parked: Event | None = None  # if it waits for nothing but room
        self.stopping: bool = False
        self.told: bool = False  # whether the interruption has come to what it waits for
        self.interrupting: bool = False  # whether the trampoline has something to look for
        self.unwinding: Unwinding | None = None
        self.body: Callable[[], Coroutine[Any, Any, None]]
        self.awaits: bool  # something of the user's

    @property
    def pipeline(self) -> "Pipeline":
        return self.whole

    @property
    def over(self) -> bool:
        return self.stopping or self.reader.over

    def start(self, body: Callable[[], Coroutine[Any, Any, None]], awaits: bool = True) -> None:
        self.body = body
        self.awaits = awaits
        self.pipeline.start(self)

    async def join(self) -> None:
        """Wait until all is closed; what has never got a task is closed here."""
        if self not in self.whole.pumps and not self.done:
            await self.body()
            self.finished()
        while not self.done:
            if self.awaited is None:
                self.awaited = self.whole.new_event()
            await self.awaited.wait()

    def interrupt(self) -> None:
        """Stop it, unless it has been: once."""
        if not self.stopping:
            self.stopping = True
            if self.parked is not None:
                self.parked.set()
            elif self.begun:
                self.interrupting = self.inner is not None and not self.inner.shield
                self.outer.cancel()

    def protect(self) -> None:
        """From here on nothing interrupts."""
        self.interrupting = self.unwinding is not None  # which has to see what comes
        if self.inner is not None:
            self.inner.shield = True

    def unless_stopped(self, error: BaseException) -> BaseException | None:
        """The error that ended the body, for the reader; our own interruption is none.

        The second cancellation of a pump that is stopped is the end of the grace period. One that
        is not ours comes from a scope that a generator holds across a `yield`, or from an event
        loop that shuts down.
        """
        cancelled, rest = parted(error, get_cancelled_exc_class())
        if cancelled is None:
            return rest
        if self.stopping and self.inner is not None and self.inner.cancel_called:
            if rest is not None:
                self.errors: tuple[BaseException, ...] = (*self.errors, rest)
            return self.pipeline.hung(self.pipeline.grace)
        if self.stopping or rest is not None:
            return rest
        lost = StreamInterruptedError(
            f"something cancelled a task behind {self.pipeline.stream!r} between two items"
        )
        lost.__cause__ = error
        return lost

    def stands(self, cancelled: BaseException) -> bool:
        return not (self.stopping or is_native(cancelled))

    @staticmethod
    async def undisturbed(wait: Callable[[], Awaitable[object]]) -> None:
        """Await `wait()` behind a shield, which only something of the library's own may do."""
        with CancelScope(shield=True):
            await wait()

    def unheard(self, error: BaseException) -> None:
        """Keep what ended the body and nobody will read.

        It is an error of the cleanup if the interruption came first.
        """
        if self.told:
            self.errors += (error,)
        else:
            self.unread += (error,)

    async def close(self, segment: Source) -> None:
        """Close the segment that ran here; errors are kept, for who comes next."""
        self.protect()
        self.shield: CancelScope | None = self.inner
        await segment.close(self)

    async def run(self) -> None:
        try:
            with self.outer:
                self.begun = True
                if self.stopping and self.awaits:  # before it has begun
                    self.interrupting = True
                    self.outer.cancel()
                if self.awaits:
                    with CancelScope() as self.inner:
                        await self.once(self.body(), self.inner)
                else:
                    await self.body()
        finally:
            self.finished()

    def finished(self) -> None:
        """All is closed: tell who waits, and leave the errors to who closes the pipeline."""
        refusal = self.pipeline.refusal
        self.pipeline.errors += tuple(error for error in self.errors if error is not refusal)
        self.pipeline.unread += tuple(error for error in self.unread if error is not refusal)
        self.pipeline.pumps.discard(self)
        self.done = True
        if self.awaited is not None:
            self.awaited.set()

    @coroutine
    def once(
        self, body: Coroutine[Any, Any, None], inner: CancelScope
    ) -> Generator[Any, Any, None]:
        """Await `body`, and raise the shield behind the first interruption.

        It wraps the whole body, which costs one generator and two tests for each suspension. On
        asyncio the shield goes up when the interrupted code suspends again, not before it is told:
        a scope inside of ours that is cancelled as well would take our cancellation for its own if
        ours were shielded already. On trio it goes up at once, since code that is told of a
        cancellation and does not find it at its next look comes to an assertion of trio's; and
        `Unwinding` sees to the scopes.
        """
        send = body.send
        try:
            trap = send(None)
            while True:
                try:
                    value = yield trap
                except BaseException as exc:  # asyncio throws
                    hit = self.interrupting and isinstance(exc, get_cancelled_exc_class())
                    self.told = self.told or (hit and is_from(exc, self.outer))
                    trap = body.throw(exc)
                    if hit:
                        self.protect()
                        self.begin_grace(inner)
                else:  # trio sends an outcome, and asyncio nothing
                    if self.interrupting and value is not None:
                        trap = self.unwind_on(send, value, inner)
                    else:
                        trap = send(value)
        except StopIteration:
            return

    def begin_grace(self, inner: CancelScope) -> None:
        """The interrupted body has suspended again, and not for a close."""
        if self.shield is None:
            inner.deadline = current_time() + self.pipeline.grace

    def unwind_on(self, send: Callable[[Any], Any], outcome: Any, inner: CancelScope) -> Any:
        """Let an interrupted body on trio go on until it suspends again; what it waits for."""
        unwinding = self.unwinding
        first = unwinding is None
        if unwinding is None:
            if not is_told(outcome, get_cancelled_exc_class()):
                return send(outcome)
            unwinding = self.unwinding = Unwinding()
            self.told = True
            self.protect()
        if not inner.cancel_called:
            unwinding.goes_on()
        trap = send(outcome)
        unwinding.suspends()
        if first:
            self.begin_grace(inner)
        return trap


class Pipeline(Host):
    """What one opening of a stream holds, and how it is closed: the host in the caller's task."""

    __slots__ = (
        "closed",
        "grace",
        "group",
        "halves",
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
        return classes()[0]

    @property
    def new_scope(self) -> type[CancelScope]:
        return classes()[1]

    def hung(self, grace: float) -> CleanupTimeoutError:
        return CleanupTimeoutError(f"{self.stream!r} did not close within {grace:g} s")

    def top(self) -> Source:
        if self.segment is None:
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
        try:
            segment, pumps = self.held_back(lambda: opened(self.stream, self))
        except BaseException as exc:
            await self.close()
            self.settle(exc)
            raise
        self.segment = segment
        if pumps or self.may_spawn:
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
            self.errors += (self.hung(self.grace),)

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
