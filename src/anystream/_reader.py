"""The reader's end of a pipeline: `Run`, the handle that the user has.

It serves the items and decides when the run is over. Nothing in a pipeline refers to its handle,
so that a handle that is dropped is noticed at once.
"""

import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import NoReturn, TypeVar

from anyio import Event, get_cancelled_exc_class, get_current_task

from ._batches import Recipe, grace_of
from ._callers import abandonable, warn
from ._errors import (
    GeneratorWarning,
    StreamBusyError,
    StreamClosedError,
    StreamInterruptedError,
    WrongTaskError,
)
from ._run import Pipeline
from ._steps import EMPTY, foreign, is_foreign

T_co = TypeVar("T_co", covariant=True)


class Turns:
    """The turns of tasks that step the same thing: one steps, and the others queue.

    Whoever leaves wakes the next, since waking them all costs several times as much.
    """

    __slots__ = ("queue", "taken")

    def __init__(self) -> None:
        self.taken: bool = False
        self.queue: list[Event] = []

    def end(self) -> None:
        self.taken = False
        self.wake()

    def wake(self) -> None:
        if self.queue:
            self.queue[0].set()

    async def wait(self, new_event: Callable[[], Event]) -> None:
        """Wait until it is worth to look again: the turn is free, or there are items."""
        event = new_event()
        self.queue.append(event)
        try:
            await event.wait()
        finally:
            self.queue.remove(event)
            if event.is_set() and not self.taken:
                self.wake()


class Run(AsyncIterator[T_co]):
    """One opening of a stream: an async iterator over its items, closed by `aclose`.

    You get one from `async with stream as items`, from `async with stream.open() as items`, or
    from `aiter(stream)`. Each step gives the next item. A step that is cancelled may be repeated
    and loses nothing, unless the cancellation went through a source that cannot survive it: then
    the next step raises `StreamInterruptedError`. After its end, or an error, a run stays ended.

    >>> async def main():
    ...     async with async_range(4) as items:
    ...         print(await anext(items), [n async for n in items])
    >>> anyio.run(main)
    0 [1, 2, 3]
    """

    __slots__ = ("__weakref__", "bare", "inside_of", "items", "lost", "over", "pipeline", "turns")

    def __init__(self, stream: Recipe, *, bare: bool = False, grace: float | None = None) -> None:
        self.pipeline: Pipeline = Pipeline(stream, grace_of(stream) if grace is None else grace)
        self.bare: bool = bare  # nobody will close this run if it does not do so by itself
        self.items: Iterator[T_co] = EMPTY
        self.turns: Turns = Turns()
        self.over: bool = False  # at the end, or failed
        self.lost: str | None = None  # what was lost without an error so far
        self.inside_of: int | None = None  # the generator that holds it, if any task may leave

    async def __aenter__(self) -> "Run[T_co]":
        if self.pipeline.task is not None or self.pipeline.closed:
            raise StreamBusyError(f"{self!r} can be entered only once: open the stream again")
        self.inside_of = abandonable()
        await self.pipeline.open(scoped=self.inside_of is None)
        self.pipeline.task = get_current_task().id
        if self.inside_of is not None and self.pipeline.group is not None:
            self.inside_of = None
            warn(
                f"{self.pipeline.stream!r} has tasks, and was opened inside of an async generator,"
                " which may be ended in another task, or never; decorate that with"
                " @stream(buffer=0)",
                GeneratorWarning,
            )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.elsewhere():
            raise self.wrong_task()
        await self.leave(error)

    async def leave(self, error: BaseException | None) -> None:
        """Close in the task that entered; `error` is on its way, and goes on."""
        busy = self.turns.taken and not self.pipeline.waits_for_tasks
        self.items = EMPTY
        ended = isinstance(error, (get_cancelled_exc_class(), GeneratorExit))
        if self.inside_of is not None and ended and not busy:
            await self.pipeline.close_cancelled()
        await self.pipeline.leave(busy=busy)
        if busy:
            raise self.busy()
        self.pipeline.settle(error)

    def __aiter__(self) -> "Run[T_co]":
        return self

    async def __anext__(self) -> T_co:
        try:
            for item in self.items:  # `next` would raise, and that is slow, at each batch's end
                return item
        except BaseException as exc:
            await self.fail_in_batch(exc)
        return await self.after_batch()

    async def after_batch(self) -> T_co:
        """The first item of the next batch that has one; apart, since large frames are slow."""
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
        if self.pipeline.home is not None:
            self.pipeline.unless_abroad()
        if self.turns.taken:
            if self.pipeline.group is None:
                raise self.busy()
            await self.turns.wait(self.pipeline.new_event)
            return self.items  # what the others have left
        self.items = EMPTY
        turns = self.turns
        turns.taken = True
        try:
            items = await (self.pipeline.segment or self.pipeline.top()).batch()
        except BaseException as exc:
            turns.end()
            await self.fail(exc)
        turns.taken = False
        if turns.queue:
            turns.wake()
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
        if is_foreign(error):
            error = foreign(error, self.pipeline.stream)
        if isinstance(error, Exception) and not self.pipeline.closed:
            self.over = True
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
        if not isinstance(error, Exception) and not is_foreign(error):
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

        Each source has the grace period for it, shielded from cancellation; only an async
        generator in the caller's own task has neither before the block is left, since it may hold
        scopes. Raises what the sources raised: one error as it is, several as an
        `ExceptionGroup`. `StreamBusyError` if another task is waiting in a step.
        """
        pipeline = self.pipeline
        if pipeline.task is not None and self.elsewhere():
            raise self.wrong_task()
        if self.inside() or (self.turns.taken and not pipeline.waits_for_tasks):
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

    def elsewhere(self) -> bool:
        """Whether this is a task that may not leave."""
        return self.inside_of is None and self.pipeline.task != get_current_task().id

    def wrong_task(self) -> WrongTaskError:
        return WrongTaskError(
            f"{self!r} was entered in another task, which has to leave it; a block inside of a"
            " generator stays in one task if that is decorated with @stream(buffer=0)"
        )

    def busy(self) -> StreamBusyError:
        return StreamBusyError(
            f"{self!r} is in the middle of a step, here or in another task; with .buffer(n) behind"
            " the stream several tasks may read one run"
        )

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
