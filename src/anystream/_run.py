"""An open pipeline: the one module with cancel scopes.

A `Pipeline` is what one opening of a stream holds, and how that is closed. A `Run` is the handle
on it that the user has: it serves the items and decides when the run is over. Nothing in the
pipeline refers to its handle, so that a handle that is dropped is noticed at once.
"""

import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from types import TracebackType
from typing import NoReturn, TypeVar

from anyio import CancelScope, current_time, get_cancelled_exc_class, get_current_task

from ._batches import Recipe, Segment, Source, opened
from ._errors import (
    CleanupTimeoutError,
    StreamBusyError,
    StreamClosedError,
    StreamInterruptedError,
    WrongTaskError,
)
from ._steps import EMPTY

T_co = TypeVar("T_co", covariant=True)

GRACE = 1.0
"""Seconds that a source may take to close."""


class Pipeline:
    """What one opening of a stream holds, and how it is closed."""

    def __init__(self, stream: Recipe) -> None:
        self.stream: Recipe = stream
        self.segment: Segment | None = None
        self.owned: list[Source] = []  # sources that were handed over, whether started or not
        self.scope: CancelScope | None = None
        self.shield: CancelScope | None = None  # for all of the cleanup that is under way
        self.errors: list[BaseException] = []  # of cleanup
        self.late: BaseException | None = None  # a native cancel that arrived during cleanup
        self.closed: bool = False
        self.task: int | None = None  # that has to close

    def top(self) -> Segment:
        if self.segment is None:
            self.segment = opened(self.stream, self)
        return self.segment

    async def open(self) -> None:
        """Open in the caller's task, which has to `leave`.

        The scope is entered before the first step and left after the last close, so that it lies
        outside of every scope that a generator in this pipeline may hold across a `yield`.
        """
        try:
            closes = self.top().closes
        except BaseException as exc:
            await self.close()
            self.settle(exc)
            raise
        if closes:
            self.scope = CancelScope()
            self.scope.__enter__()
        self.task = get_current_task().id

    @property
    def holds(self) -> bool:
        sources = [*([] if self.segment is None else [self.segment]), *self.owned]
        return any(source.holds for source in sources)

    async def leave(self, *, busy: bool) -> None:
        """Close what is still open, unless somebody is `busy` with it, and leave the scope."""
        self.shield, self.scope = self.scope, None
        if self.shield is not None:
            self.shield.shield = True
        try:
            if not busy:
                await self.close()
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

    async def finish(self, part: Source) -> None:
        """Close one part of the pipeline that has ended, while the rest goes on."""
        await part.close(self)
        self.owned = [source for source in self.owned if source.holds]
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
                    CleanupTimeoutError(f"{self.stream!r} did not close within {grace} s")
                )
        except BaseException as exc:
            self.errors.append(exc)

    def settle(self, error: BaseException | None) -> None:
        """Raise what cleanup has left; `error` is on its way already and goes on if this returns.

        One error comes bare, several come as a group, and a native cancellation that arrived
        during the cleanup is passed on with the rest as its cause.
        """
        errors: list[BaseException] = [*self.errors]
        late, self.late = self.late, None
        self.errors.clear()
        if error is not None and not isinstance(error, (get_cancelled_exc_class(), GeneratorExit)):
            if not errors and late is None:
                return
            errors.insert(0, error)
        failure = errors[0] if len(errors) == 1 else None
        if len(errors) > 1:
            failure = BaseExceptionGroup(f"{self.stream!r} failed, and so did its cleanup", errors)
            failure.__suppress_context__ = True
        try:
            if late is not None:
                raise late from failure
            if isinstance(failure, StopAsyncIteration):
                raise RuntimeError("closing a source raised StopAsyncIteration") from failure
            if failure is not None:
                raise failure
        finally:
            del error, errors, late, failure  # which refer to this frame, once raised


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
        busy = self.stepping
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
            raise self.busy()
        self.items = EMPTY
        self.stepping = True
        try:
            items = await self.pipeline.top().batch()
        except BaseException as exc:
            self.stepping = False
            await self.fail(exc)
        self.stepping = False
        if items is None:
            self.over = True
            if self.bare:
                await self.aclose()
        return items

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
        if self.stepping or self.inside():
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
