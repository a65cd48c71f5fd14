"""An open pipeline: the one module with task groups and cancel scopes.

A `Pipeline` is what one opening of a stream holds, and how that is closed. A `Run` is the handle
on it that the user has: it serves the items and decides when the run is over. Nothing in the
pipeline refers to its handle, so that a handle that is dropped is noticed at once.
"""

import warnings
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterator,
    Sequence,
)
from functools import cached_property
from math import inf
from types import TracebackType, coroutine
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from anyio import (
    CancelScope,
    Event,
    create_task_group,
    current_time,
    get_cancelled_exc_class,
    get_current_task,
)

from ._batches import Recipe, Segment, Source, opened
from ._errors import (
    CleanupTimeoutError,
    NeedsTasksError,
    StreamBusyError,
    StreamClosedError,
    StreamInterruptedError,
    WrongTaskError,
)
from ._mailbox import Mailbox
from ._steps import EMPTY

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

T_co = TypeVar("T_co", covariant=True)

GRACE = 1.0
"""Seconds that a source may take to close."""


class Host(ABC):
    """A task that segments run in: what they hold is opened, stepped and closed there."""

    def __init__(self) -> None:
        self.shield: CancelScope | None = None  # for all of the cleanup that is under way
        self.errors: list[BaseException] = []  # of cleanup
        self.late: BaseException | None = None  # a native cancel that arrived during cleanup

    @property
    @abstractmethod
    def pipeline(self) -> "Pipeline": ...

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
            self.errors.append(exc)

    async def release(
        self,
        close: Callable[[], Awaitable[object]],
        grace: float = GRACE,
        *,
        generator: bool = False,
    ) -> None:
        """Await `close()` for at most `grace` seconds and keep what it raises for `settle`.

        An async generator may hold scopes across its yields, and a scope that is entered after
        them must not enclose its close. So it goes without one in the middle of a run, where no
        scope from before its first step is to be had.
        """
        shield = self.shield
        if shield is None and generator:
            await self.attempt(close, None, grace)
        elif shield is None or shield.cancel_called:  # by a close that hung
            with CancelScope(shield=True) as fresh:
                await self.attempt(close, fresh, grace)
        else:
            await self.attempt(close, shield, grace)

    async def attempt(
        self, close: Callable[[], Awaitable[object]], shield: CancelScope | None, grace: float
    ) -> None:
        if shield is not None:
            shield.deadline = current_time() + grace
        try:
            await close()
        except BaseExceptionGroup as group:
            # A generator that holds a task group across its yields gives its own GeneratorExit
            # back in a group.
            rest = group.split(GeneratorExit)[1]
            if rest is not None:
                self.errors.append(rest)
        except get_cancelled_exc_class() as exc:
            if shield is None or not shield.cancel_called:
                self.late = exc
            else:
                self.errors.append(
                    CleanupTimeoutError(f"{self.pipeline.stream!r} did not close within {grace} s")
                )
        except BaseException as exc:
            self.errors.append(exc)
        finally:
            if shield is not None:
                shield.deadline = inf  # the next close has a period of its own

    def failure(self, error: BaseException | None = None) -> BaseException | None:
        """What cleanup has left, and `error` before it: one error bare, several as a group."""
        errors = self.errors if error is None else [error, *self.errors]
        self.errors = []
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
        cause.
        """
        late, self.late = self.late, None
        if isinstance(error, (get_cancelled_exc_class(), GeneratorExit)):
            error = None
        if error is not None and late is None and not self.errors:
            return
        failure = self.failure(error)
        try:
            if late is not None:
                raise late from failure
            if isinstance(failure, StopAsyncIteration):
                raise RuntimeError("closing a source raised StopAsyncIteration") from failure
            if failure is not None:
                raise failure
        finally:
            del error, late, failure  # which refer to this frame, once raised

    async def stop(self, pumps: "Sequence[Pump]") -> None:
        """Stop pumps and wait until they have closed what they hold, whatever comes."""
        for pump in pumps:
            pump.interrupt()
        with CancelScope(shield=True):  # each pump has its own grace period
            for pump in pumps:
                while not pump.done.is_set():
                    try:
                        await pump.done.wait()
                    except get_cancelled_exc_class() as exc:
                        self.late = exc


class Pump(Host):
    """A task behind a mailbox: it runs a segment, or calls functions, and fills a lane.

    Two scopes are entered before its first step and left after its last close. The outer one is
    shielded, so that a cancellation of the reader does not come here, and is cancelled to stop the
    pump. That interrupts whatever the pump is waiting for, once: then the inner one is shielded,
    for what has been interrupted to clean up and for the segment to be closed.
    """

    def __init__(self, host: Host) -> None:
        super().__init__()
        self.whole: Pipeline = host.pipeline
        self.outer: CancelScope = CancelScope(shield=True)
        self.inner: CancelScope = CancelScope()
        self.done: Event = self.whole.new_event()
        self.interrupting: bool = False
        self.body: Callable[[], Coroutine[Any, Any, None]]

    @property
    def pipeline(self) -> "Pipeline":
        return self.whole

    def start(self, body: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.body = body
        self.pipeline.start(self)

    def interrupt(self) -> None:
        if not self.outer.cancel_called:
            self.interrupting = True
            self.outer.cancel()

    def protect(self) -> None:
        """From here on nothing interrupts but the end of the grace period."""
        self.interrupting = False
        self.inner.shield = True

    def unless_stopped(self, error: BaseException) -> BaseException | None:
        """The error that ended the body, for the reader; our own interruption is none.

        A cancellation that is not ours comes from a scope that a generator holds across a `yield`,
        or from an event loop that shuts down.
        """
        if not isinstance(error, get_cancelled_exc_class()):
            return error
        if self.outer.cancel_called:
            return None
        lost = StreamInterruptedError(
            f"something cancelled a task behind {self.pipeline.stream!r} between two items"
        )
        lost.__cause__ = error
        return lost

    async def close(self, segment: Source) -> None:
        """Close the segment that ran here; errors are kept, for who comes next."""
        self.protect()
        self.shield: CancelScope | None = self.inner
        await segment.close(self)

    async def run(self) -> None:
        try:
            with self.outer, self.inner:
                await self.once(self.body())
        finally:
            self.pipeline.errors += self.errors
            self.pipeline.pumps.discard(self)
            self.done.set()

    @coroutine
    def once(self, body: Coroutine[Any, Any, None]) -> Generator[Any, Any, None]:
        """Await `body`, and raise the shield behind the first interruption.

        It wraps the whole body, which costs one generator and two tests for each suspension. The
        shield goes up when the interrupted code suspends again, not before it is told: a scope
        inside of ours that is cancelled as well, as trio's `sleep` and `checkpoint` have them,
        would take our cancellation for its own if ours were shielded already.
        """
        cancelled = get_cancelled_exc_class()  # noqa: ASYNC118  # looked up once, used often
        value: Any = None
        error: BaseException | None = None
        hit = False
        while True:
            try:
                trap = body.send(value) if error is None else body.throw(error)
            except StopIteration:
                return
            if hit:
                hit = False
                self.protect()
                self.inner.deadline = current_time() + GRACE
            value = error = None
            try:
                value = yield trap
            except BaseException as exc:  # asyncio throws
                error = exc
                hit = self.interrupting and isinstance(exc, cancelled)
            else:
                if self.interrupting:  # trio sends an outcome
                    hit = isinstance(getattr(value, "error", None), cancelled)


class Pipeline(Host):
    """What one opening of a stream holds, and how it is closed: the host in the caller's task."""

    def __init__(self, stream: Recipe) -> None:
        super().__init__()
        self.stream: Recipe = stream
        self.segment: Segment | None = None
        self.owned: list[Source] = []  # sources that were handed over, whether started or not
        self.scope: CancelScope | None = None
        self.group: TaskGroup | None = None
        self.unstarted: list[Pump] = []
        self.pumps: set[Pump] = set()  # those that run
        self.opening: bool = False
        self.may_spawn: bool = False  # whether a part that is opened later may need tasks
        self.closed: bool = False
        self.task: int | None = None  # that has to close

    @property
    def pipeline(self) -> "Pipeline":
        return self

    @cached_property
    def new_event(self) -> type[Event]:
        """The backend's own class: anyio's `Event()` asks which backend it is, every time."""
        return type(Event())

    def top(self) -> Segment:
        if self.segment is None:
            self.segment = opened(self.stream, self)
        return self.segment

    async def open(self) -> None:
        """Open in the caller's task, which has to `leave`.

        The scope is entered before the first step and left after the last close, so that it lies
        outside of every scope that a generator in this pipeline may hold across a `yield`.
        """
        self.opening = True
        try:
            closes = self.top().closes
        except BaseException as exc:
            await self.close()
            self.settle(exc)
            raise
        self.opening = False
        if closes:
            self.scope = CancelScope()
            self.scope.__enter__()
        if self.unstarted or self.may_spawn:
            self.group = create_task_group()
            await self.group.__aenter__()
            while self.unstarted:
                self.start(self.unstarted.pop(0))
        self.task = get_current_task().id

    def start(self, pump: Pump) -> None:
        if self.opening:
            self.unstarted.append(pump)
        elif self.group is not None:
            self.pumps.add(pump)
            self.group.start_soon(pump.run)
        else:
            pump.done.set()  # it has never begun
            raise NeedsTasksError(
                f"{self.stream!r} came to a stream that needs tasks, which the bare `async for` and"
                " a function given to Stream do not have; use `async with stream as items` and"
                " flat_map"
            )

    @property
    def holds(self) -> bool:
        sources = [*([] if self.segment is None else [self.segment]), *self.owned]
        return any(source.holds for source in sources)

    def forget(self) -> None:
        """Keep only those of the sources handed over that there is something to close of."""
        self.owned = [source for source in self.owned if source.holds]

    @property
    def waits_for_tasks(self) -> bool:
        """Whether a step that waits now waits for a mailbox, which can end the wait."""
        segment = self.segment
        return segment is not None and not segment.busy and isinstance(segment.source, Mailbox)

    async def leave(self, *, busy: bool) -> None:
        """Close what is still open, unless somebody is `busy` with it, and leave the scopes."""
        self.shield, self.scope = self.scope, None
        if self.shield is not None:
            self.shield.shield = True
        try:
            if busy and self.group is not None:
                self.closed = True  # what is behind the step has ended, and not by itself
                await self.stop([*self.pumps])
            elif not busy:
                await self.close()
            group, self.group = self.group, None
            if group is not None:
                await group.__aexit__(None, None, None)  # its tasks have ended, and none can fail
        finally:
            if self.shield is not None:
                self.shield.__exit__(None, None, None)
                self.shield = None

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
        for source in reversed(self.owned):
            await source.close(self)


class Run(AsyncIterator[T_co]):
    """One opening of a stream: an async iterator over its items, closed by `aclose`.

    You get one from `async with stream as items`, or from `aiter(stream)`. Each step gives the
    next item. A step that is cancelled may be repeated and loses nothing, unless the cancellation
    went through a source that cannot survive it: then the next step raises
    `StreamInterruptedError`. After its end, or an error, a run stays ended.
    """

    def __init__(self, stream: Recipe, *, bare: bool = False) -> None:
        self.pipeline: Pipeline = Pipeline(stream)
        self.bare: bool = bare  # nobody will close this run if it does not do so by itself
        self.items: Iterator[T_co] = EMPTY
        self.stepping: bool = False
        self.over: bool = False  # at the end, or failed
        self.turns: deque[Event] = deque()  # of tasks that wait for their step
        self.lost: str | None = None  # what was lost without an error so far

    async def __aenter__(self) -> "Run[T_co]":
        await self.pipeline.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        busy = self.stepping and not self.pipeline.waits_for_tasks
        self.items = EMPTY
        await self.pipeline.leave(busy=busy)
        if busy:
            raise self.busy()
        self.pipeline.settle(error)

    def __aiter__(self) -> "Run[T_co]":
        return self

    async def __anext__(self) -> T_co:
        try:
            for item in self.items:
                return item
        except BaseException as exc:
            await self.fail_in_batch(exc)
        while (items := await self.batch()) is not None:
            self.items = items
            try:
                for item in items:
                    return item
            except BaseException as exc:
                await self.fail_in_batch(exc)
        raise StopAsyncIteration

    async def batch(self) -> Iterator[T_co] | None:
        """The next items as a lazy iterator, or None at the end; for those who own a loop."""
        if self.over or self.pipeline.closed:
            self.no_more()
            return None
        if self.stepping:
            if self.pipeline.group is None:
                raise self.busy()
            return await self.queue()
        self.items = EMPTY
        self.stepping = True
        try:
            items = await self.pipeline.top().batch()
        except BaseException as exc:
            self.stepped()
            await self.fail(exc)
        self.stepped()
        if items is None:
            self.over = True
            if self.bare:
                await self.aclose()
        return items

    async def queue(self) -> Iterator[T_co] | None:
        """Wait while another task waits for a batch, and then try what it has left.

        One reader refills and the others queue; whoever leaves wakes the next, since waking them
        all costs several times as much.
        """
        event = self.pipeline.new_event()
        self.turns.append(event)
        try:
            await event.wait()
        finally:
            self.turns.remove(event)
            if event.is_set() and not self.stepping:
                self.next_turn()
        return self.items

    def stepped(self) -> None:
        self.stepping = False
        self.next_turn()

    def next_turn(self) -> None:
        if self.turns:
            self.turns[0].set()

    def no_more(self) -> None:
        lost, self.lost = self.lost, None
        if lost is not None:
            self.over = True
            raise StreamInterruptedError(lost)
        if not self.over:
            raise StreamClosedError(f"{self.pipeline.stream!r} was closed before its end")

    async def fail(self, error: BaseException) -> NoReturn:
        """Waiting for a batch raised `error`: decide what becomes of the run, and raise."""
        self.items = EMPTY
        self.over = self.over or isinstance(error, Exception)
        if isinstance(error, StopAsyncIteration):
            error = self.not_the_end(error)
        if self.bare and (self.over or self.pipeline.holds):
            if not self.over:
                self.lost = (
                    f"a step of {self.pipeline.stream!r} was cancelled, and in a bare `async for`"
                    " that closes the stream; `async with stream as items` can go on"
                )
            if self.over:
                await self.pipeline.close()
            else:
                await self.pipeline.close_cancelled()
            self.pipeline.settle(error)
        try:
            raise error
        finally:
            del error  # which refers to this frame

    async def fail_in_batch(self, error: BaseException) -> NoReturn:
        """Taking an item out of a batch raised `error`, and so the run is over."""
        if self.inside():  # Python's error of a generator that is running already
            raise self.busy() from None
        self.over = True
        if not isinstance(error, Exception):
            self.lost = f"a step of {self.pipeline.stream!r} lost its item to {error!r}"
        try:
            await self.fail(error)
        finally:
            del error

    @staticmethod
    def not_the_end(stop: StopAsyncIteration) -> RuntimeError:
        error = RuntimeError("a function given to an operator raised StopAsyncIteration")
        error.__cause__ = stop
        return error

    async def aclose(self) -> None:
        """Close every source, downstream first; a second call does nothing.

        Each source has the grace period for it, shielded from cancellation. Raises what the
        sources raised: one error as it is, several as an `ExceptionGroup`. `StreamBusyError` if
        another task is waiting in a step.
        """
        pipeline = self.pipeline
        if pipeline.task not in (None, get_current_task().id):
            raise WrongTaskError(f"{self!r} was entered in another task, which has to close it")
        if self.inside() or (self.stepping and not pipeline.waits_for_tasks):
            raise self.busy()
        self.items = EMPTY
        try:
            if not pipeline.closed:
                pipeline.top()  # what was handed over is ours to close, even without a step
        finally:
            await pipeline.close()
            pipeline.settle(None)

    def inside(self) -> bool:
        """Whether this is called by a function or a source of the run itself."""
        segment = self.pipeline.segment
        return segment is not None and segment.busy

    def busy(self) -> StreamBusyError:
        return StreamBusyError(f"{self!r} is in the middle of a step, here or in another task")

    def __repr__(self) -> str:
        return f"<run of {self.pipeline.stream!r}>"

    def __del__(self) -> None:
        if not self.pipeline.closed and self.pipeline.holds:
            warnings.warn(
                f"{self.pipeline.stream!r} was dropped while it still held something open; use"
                " `async with stream as items`, or a terminal call such as `collect()`",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )
