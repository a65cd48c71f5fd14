"""The reader's end of a pipeline: it serves the items and decides when the run is over.

Nothing in a pipeline refers to its reader, so that a handle that is dropped is noticed at once.
"""

import warnings
from collections.abc import Awaitable, Callable, Iterator
from itertools import chain
from typing import Any, NoReturn

from .._errors import (
    GeneratorWarning,
    StreamBusyError,
    StreamClosedError,
    StreamInterruptedError,
    WrongTaskError,
)
from .._labels import whole
from .backends import is_foreign, named
from .callers import abandonable, warn
from .contracts import Openable, Source, drawn
from .driver import EMPTY
from .interrupts import protected
from .observing import Ending, TrackedRun
from .opening import Opening
from .statistics import Picture, RunStatistics
from .turns import FairQueue


def entered_elsewhere(what: object) -> WrongTaskError:
    """The error of who leaves what another task has entered."""
    return WrongTaskError(
        f"{what!r} was entered in another task, and as long as that runs, no other one can leave"
        " it. If the block is in an async generator, decorate that with @stream(buffer=0) to keep"
        " it in one task"
    )


def emptied(items: list[Any]) -> Iterator[Any]:
    while items:
        yield items.pop()


class Peeked:
    """A batch whose first item has been looked at."""

    __slots__ = ("_rest", "first", "items")

    def __init__(self, item: Any, rest: Iterator[Any]) -> None:
        self.first = [item]  # until it is taken
        self._rest = rest
        self.items: Iterator[Any] = chain(emptied(self.first), rest)

    def rest(self, items: Iterator[Any]) -> Iterator[Any]:
        """What is behind the first item if these are its own; so chains do not grow."""
        return self._rest if items is self.items else items


class Reader:
    """What a `Run`, a terminal call and `to_sync` read from."""

    __slots__ = (
        "_bare",
        "_inside_of",
        "_lost",
        "_opening",
        "_over",
        "_peeked",
        "_queue",
        "_stepping",
        "items",
    )

    def __init__(self, stream: Openable, *, bare: bool = False, grace: float | None = None) -> None:
        self._opening: Opening = Opening(stream, grace)
        self._bare: bool = bare  # nobody will close this run if it does not do so by itself
        self.items: Iterator[Any] = EMPTY  # of the batch that was read last
        self._peeked: Peeked | None = None  # the batch that was looked at last
        self._stepping: bool = False  # whether a task waits for a batch
        self._queue: FairQueue | None = None  # of other tasks that want one
        self._over: bool = False  # at the end, or failed
        self._lost: str | None = None  # what was lost without an error so far
        self._inside_of: int | None = None  # the generator that holds it, if any task may leave

    @property
    def opening(self) -> Opening:
        """What this has opened."""
        return self._opening

    def this_task(self) -> int:
        """What identifies the task that calls this."""
        return self._opening.backend.task_id()

    def statistics(self) -> RunStatistics:
        return self._picture().numbers

    def explain(self, format: str) -> str:
        return drawn(self._opening.stream, format, self._picture())

    def _picture(self) -> Picture:
        if not self._opening.closed:
            self._opening.unless_abroad()
        return self._opening.picture()

    def top(self) -> Source:
        """The segment that this reads."""
        return self._opening.top()

    # -- entering and leaving -----------------------------------------------------------------

    @protected
    async def enter(self) -> int:
        """Open in the caller's task, which has to `exit`; what identifies who has entered.

        It is the task, or the negative of what identifies the async generator whose block this is
        if any task may leave that.
        """
        opening = self._opening
        if not opening.is_new:
            raise self._not_new()
        self._bare = False
        self._inside_of = abandonable()
        await opening.enter(scoped=self._inside_of is None)
        task = opening.is_entered()
        if self._inside_of is None:
            return task
        if opening.has_tasks:
            self._inside_of = None
            warn(
                f"{opening.stream!r} has tasks, and was opened inside an async generator,"
                " which may be closed in another task or never; decorate the generator with"
                " @stream(buffer=0)",
                GeneratorWarning,
            )
            return task
        return -self._inside_of

    def _not_new(self) -> StreamBusyError:
        if self._opening.was_entered:
            return StreamBusyError(f"{self!r} can be entered only once: open the stream again")
        return StreamBusyError(
            f"{self!r} was read before it was entered: enter a run before its first step"
        )

    async def exit(self, error: BaseException | None) -> None:
        """Close in the task that has entered; `error` is propagating, and continues."""
        if self._elsewhere():
            raise entered_elsewhere(self)
        await self.leave(error)

    @protected
    async def leave(self, error: BaseException | None) -> None:
        """The same in what is the same task for certain."""
        busy = self._stepping and not self._opening.ends_waits
        if error is not None:
            self._opening.is_left_by(error)
        self.items = EMPTY
        unshielded = self._inside_of is not None and self._is_ended(error)
        await self._opening.leave(busy=busy, unshielded=unshielded)
        if busy:
            raise self._busy()
        self._raise_collected(error)

    def _is_ended(self, error: BaseException | None) -> bool:
        """Whether the task is cancelled, or the generator around this is."""
        return isinstance(error, (self._opening.backend.cancelled, GeneratorExit))

    @protected
    async def aclose(self) -> None:
        """Close every source, downstream first; a second call does nothing."""
        opening = self._opening
        if opening.task is not None and self._elsewhere():
            raise entered_elsewhere(self)
        opening.unless_abroad()
        if opening.busy or (self._stepping and not opening.ends_waits):
            raise self._busy()
        self.items = EMPTY
        try:
            if not opening.closed:
                opening.top()  # what was handed over is ours to close, even without a step
        finally:
            await (opening.close_shielded() if opening.is_left_behind else opening.close())
            await opening.leave_closed()
            self._raise_collected(None)

    # -- items --------------------------------------------------------------------------------

    @property
    def peeked(self) -> int:
        """How many items have been looked at, and not taken."""
        peeked = self._peeked
        return len(peeked.first) if peeked is not None and self.items is peeked.items else 0

    @protected
    async def peek(self, step: Callable[[], Awaitable[Any]]) -> Any:
        """The next item, which `step` gives, and which stays where it is."""
        if self._peeked is not None and self.peeked:
            return self._peeked.first[0]
        item = await step()
        rest = self.items if self._peeked is None else self._peeked.rest(self.items)
        self._peeked = Peeked(item, rest)
        self.items = self._peeked.items
        return item

    @protected
    async def batch(self) -> Iterator[Any] | None:
        """The next items as a lazy iterator, or None at the end."""
        opening = self._opening
        segment = None if self._over else opening.readable()
        if segment is None:
            self._no_more()
            return None
        if self._stepping:
            if not opening.has_tasks:
                raise self._busy()
            if self._queue is None:
                self._queue = FairQueue()
            await self._wait_for_turn(self._queue)
            return self.items  # what the others have left
        self.items = EMPTY
        self._stepping = True
        if self._queue is not None:
            self._ask(1 + len(self._queue))
        try:
            try:
                items = await segment.batch()
            finally:
                self._stepping = False
                if self._queue is not None:
                    self._queue.wake()
        except BaseException as exc:
            await self._fail(exc)
        if items is None:
            self._over = True
            if self._bare:
                await self.aclose()
        else:
            self.items = items
        return items

    async def _wait_for_turn(self, queue: FairQueue) -> None:
        self._ask(2 + len(queue))
        try:
            await queue.wait(self._opening.backend.new_event, lambda: self._stepping)
        except BaseException:
            self._ask(1 + len(queue))
            raise

    def _ask(self, tasks: int) -> None:
        """Ask for an item for each of the tasks that read this."""
        ask_for = self.top().asker()
        if ask_for is not None:
            ask_for(tasks)

    async def consume(self, take: Callable[[Iterator[Any]], object]) -> None:
        """Give each batch to `take`, until it returns something true or the stream ends.

        Nobody else reads this, so nothing has to be asked before each of them.
        """
        segment = self.top()
        while True:
            try:
                batch = await segment.batch()
            except BaseException as exc:
                await self._fail(exc)
            if batch is None:
                self._over = True
                return
            try:
                enough = take(batch)
            except BaseException as exc:
                await self.fail_in_batch(exc)
            if enough:
                return

    def _no_more(self) -> None:
        lost, self._lost = self._lost, None
        if lost is not None:
            self._over = True
            raise StreamInterruptedError(lost)
        if not self._over:
            raise StreamClosedError(f"{self._opening.stream!r} was closed before its end")

    async def fail_in_batch(self, error: BaseException) -> NoReturn:
        """Taking an item out of a batch raised `error`, and so the run is over."""
        if self._opening.busy:  # Python's error of a generator that is running already
            raise self._busy() from None
        self._over = True
        if not isinstance(error, Exception) and not is_foreign(error):
            self._lost = (
                f"{whole(error)} ended a step of {self._opening.stream!r}, and its item is lost"
            )
        try:
            await self._fail(error)
        finally:
            del error

    async def _fail(self, error: BaseException) -> NoReturn:
        """Waiting for a batch raised `error`: decide what becomes of the run, and raise."""
        self.items = EMPTY
        opening = self._opening
        error = named(error, opening.stream)
        if isinstance(error, Exception) and not opening.closed:
            self._over = True
        if self._over and opening.view is not None:
            opening.view.is_ended(self._how(error))
        if isinstance(error, StopAsyncIteration):
            error = self._not_the_end(error)
        opening.has_failed(error)
        if self._bare and (self._over or opening.holds):
            if not self._over:
                self._lost = (
                    f"a step of {opening.stream!r} was cancelled, which closes the stream in a"
                    " bare `async for`; to continue after it, use `async with stream as items`"
                )
            if self._over:
                await opening.close()
            else:
                await opening.close_shielded()
            self._raise_collected(error)
        try:
            raise error
        finally:
            del error  # which refers to this frame

    @staticmethod
    def _not_the_end(stop: StopAsyncIteration) -> RuntimeError:
        error = RuntimeError("a function given to an operator raised StopAsyncIteration")
        error.__cause__ = stop
        return error

    # -- observers ----------------------------------------------------------------------------

    def _raise_collected(self, error: BaseException | None) -> None:
        """All is closed: raise what that has raised, and tell the observers, if there are any."""
        if self._opening.view is None:
            self._opening.raise_collected(error)
        else:
            self._raise_observed(self._opening.view, error)

    def _raise_observed(self, run: TrackedRun, error: BaseException | None) -> None:
        try:
            self._opening.raise_collected(error)
        except BaseException as exc:
            error = exc
            raise
        finally:
            run.is_closed(self._over, error, self._how(error))
            del error  # which refers to this frame

    def _how(self, error: BaseException | None) -> Ending:
        """What an error that comes out of a block or call says of the end."""
        return "cancelled" if isinstance(error, self._opening.backend.cancelled) else "failed"

    # -- errors of the caller's ---------------------------------------------------------------

    def _elsewhere(self) -> bool:
        """Whether this is a task that may not leave."""
        opening = self._opening
        return (
            self._inside_of is None
            and opening.task != opening.backend.task_id()
            and not opening.is_left_behind
        )

    def _busy(self) -> StreamBusyError:
        return StreamBusyError(
            f"{self!r} is in the middle of a step, in this or another task; add .buffer(n) to"
            " the stream to let several tasks read one run"
        )

    def __repr__(self) -> str:
        return f"<run of {self._opening.stream!r}>"

    def is_dropped(self, handle: object) -> None:
        """Nobody refers to `handle` any more: warn if something is open."""
        opening = self._opening
        if opening.closed:
            return
        try:
            if opening.holds:
                warnings.warn(
                    f"{opening.stream!r} was dropped before it was closed; use"
                    " `async with stream as items`, or a terminal call such as `collect()`",
                    ResourceWarning,
                    source=handle,
                    stacklevel=3,
                )
        finally:
            opening.abandon()
