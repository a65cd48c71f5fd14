"""to_sync: from a stream to code that is not async, over an event loop in a thread of its own."""

import atexit
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from contextvars import Context, copy_context
from itertools import chain
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Generic, NamedTuple, TypeVar

import anyio

from .. import _args as check
from .. import _labels as label
from .._core.batches import TimeSlicer
from .._core.contracts import Openable
from .._core.driver import EMPTY
from .._core.reader import Reader
from .._core.threads import Loop
from .._errors import (
    StreamBusyError,
    StreamClosedError,
    StreamConsumedError,
    StreamInterruptedError,
)
from .._recipe import Items, recipe_of

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


def to_sync(
    stream: Items[T], backend: str = "asyncio", backend_options: dict[str, Any] | None = None
) -> AbstractContextManager[Iterator[T]]:
    """Let ordinary code iterate a stream, which runs in an event loop in a thread of its own.

    `stream` is a stream, an async iterable or an iterable. `backend` and `backend_options` are
    those of `anyio.run`. The stream sees a copy of the context variables of the thread that enters.

    Entering the `with` block starts the event loop and opens the stream, leaving it closes the
    stream, the cleanup complete, and ends the event loop, before the next line. Errors come as they
    do from `async with`: an error of the source at its place, after the items before it, one of the
    cleanup at the end of the block. A `KeyboardInterrupt` in the block, or while it waits for an
    item, is an error of the block. What is still open at the exit of Python, as in a generator that
    was not read to its end, is closed then.

    Going from one thread to another and back costs about a tenth of a millisecond. So what the
    stream has without waiting comes over in one go, up to a millisecond's worth of it, and by that
    much it may be ahead of the loop. Whether an async iterator or function has to wait is not known
    before it is asked, so what these give comes over one by one, and `buffer(n)` behind them lets n
    come at once. While nobody asks for items, nothing is read.

    Several threads may iterate at the same time; each item comes to one of them. Raises
    `StreamConsumedError` if the same object is entered twice, `StreamClosedError` if it is
    iterated outside of its block or in a process that was forked inside of it, and
    `StreamBusyError` if it is iterated by the stream itself. Raises `TypeError` if nothing can be
    read from `stream` or `backend_options` is not a mapping, and `ValueError` if `backend` is no
    backend of anyio.

    >>> with to_sync(async_range(10).map(lambda n: n * n)) as items:
    ...     for item in items:
    ...         if item > 10:
    ...             break
    >>> item
    16
    """
    check.choice("backend", backend, anyio.get_all_backends())
    if backend_options is not None:
        check.mapping("backend_options", backend_options)
    return SyncRun[T](recipe_of(stream), backend, backend_options)


class Reply(NamedTuple):
    """What one crossing brings: items, and whether and with which error they end."""

    items: list[Any]
    over: bool = False
    error: BaseException | None = None


class SyncRun(Generic[T_co]):
    """An opening of a stream for other threads than the one that it runs in.

    One task opens, steps and closes it. Who needs items wakes that task and waits for its reply; a
    thread that is interrupted while it waits leaves the reply to the next one that needs items.
    """

    def __init__(
        self, stream: Openable, backend: str, backend_options: dict[str, Any] | None
    ) -> None:
        self.stream = stream
        self.backend = backend
        self.backend_options = backend_options
        self.items: deque[T_co] = deque()
        self.lock = threading.Lock()  # of those who need more
        self.last: Reply | None = None  # after which there is nothing
        self.over = False  # and a thread knows that
        self.left = True
        self.asked = False
        self.replies: SimpleQueue[Reply] = SimpleQueue()
        self.error: BaseException | None = None  # of the block
        self.failure: BaseException | None = None  # of opening or closing
        self.loop: Loop | None = None
        self.thread: threading.Thread | None = None  # of the event loop
        self.opener: threading.Thread
        self.process: int | None = None  # a fork has no thread of the event loop
        self.cancel: Callable[[], object]
        self.demand: anyio.Event
        self.in_await = False
        self.batch: Iterator[T_co] = EMPTY
        self.drained = True
        self.pace = TimeSlicer()

    def __repr__(self) -> str:
        return str(label.call("to_sync", self.stream))

    # -- in the threads that iterate

    def __enter__(self) -> "SyncRun[T_co]":
        if self.thread is not None:
            raise StreamConsumedError(f"{self!r} can be entered only once: call to_sync again")
        self.opener = threading.current_thread()
        self.process = os.getpid()
        self.thread = threading.Thread(
            target=Context().run, args=(self.live, copy_context()), name=repr(self), daemon=True
        )
        self.thread.start()
        try:
            self.replies.get()  # it is open, or that has failed
        except BaseException as exc:
            self.replies.get()  # which nothing of the user's holds up
            self.end(exc)
            raise
        if self.failure is not None:
            self.thread.join()
            self.raise_failure()
        self.left = False
        OPEN.add(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        OPEN.discard(self)
        self.left = True
        self.items.clear()
        self.end(error)
        self.raise_failure()

    def end(self, error: BaseException | None) -> None:
        """Have the stream closed, with the error of the block, and wait for that."""
        assert self.thread is not None
        if self.loop is not None:
            self.error = error
            self.loop.soon(self.leave)
        self.thread.join()
        self.error = None

    @property
    def abandoned(self) -> bool:
        """Whether the thread that has entered it has ended, and the event loop has not."""
        lives = self.thread is not None and self.thread.is_alive()
        return lives and not self.opener.is_alive()

    def raise_failure(self) -> None:
        failure, self.failure = self.failure, None
        try:
            if failure is not None:
                raise failure
        finally:
            del failure  # which refers to this frame

    def __iter__(self) -> "SyncRun[T_co]":
        return self

    def __next__(self) -> T_co:
        while True:
            try:
                return self.items.popleft()
            except IndexError:
                pass
            self.refill()

    def refill(self) -> None:
        if self.loop is not None and self.loop.here:
            raise StreamBusyError(f"{self!r} cannot be iterated in its own event loop")
        if self.process not in (None, os.getpid()) and not self.over:
            raise StreamClosedError(
                f"the event loop of {self!r} runs in the process that has forked this one;"
                " call to_sync in this one"
            )
        with self.lock:
            while not self.items:
                self.more()

    def more(self) -> None:
        if self.over:
            raise StopIteration
        if self.left or self.loop is None:
            raise StreamClosedError(
                f"{self!r} can be iterated only inside `with {self!r} as items`"
            )
        if self.last is not None:
            error, self.last, self.over = self.last.error, None, True
            try:
                raise StopIteration if error is None else error
            finally:
                del error  # which refers to this frame
        if not self.asked:
            self.loop.soon(self.ask)
            self.asked = True
        reply = self.replies.get()
        self.asked = False
        if not self.left:
            self.items.extend(reply.items)
            self.last = reply if reply.over else None

    # -- the event loop

    def live(self, context: Context) -> None:
        """The whole life of the thread."""
        options = self.backend_options
        try:
            anyio.run(self.serve, context, backend=self.backend, backend_options=options)
        except BaseException as exc:
            if self.loop is None:  # it has not begun; else who iterates hears of its end
                self.failure = exc
        finally:
            self.replies.put(
                Reply([], True, StreamClosedError(f"the event loop of {self!r} has stopped"))
            )

    # -- in the event loop

    def ask(self) -> None:
        self.demand.set()

    def leave(self) -> None:
        """Stop what is not finished yet: a step is interrupted."""
        if self.in_await:
            self.cancel()
        self.demand.set()

    async def serve(self, context: Context) -> None:
        own = copy_context()  # which has what the event loop has set for itself
        for variable, value in context.items():
            if variable not in own:
                variable.set(value)
        self.loop, self.demand = Loop(), anyio.Event()
        reader = Reader(self.stream)
        try:
            with anyio.CancelScope() as scope:
                self.cancel = scope.cancel
                await reader.enter()
                self.replies.put(Reply([]))
                try:
                    await self.answer(reader)
                except anyio.get_cancelled_exc_class():
                    pass  # which has done its work: the rest is cleanup
                except BaseException as exc:
                    reader.opening.add_error(exc)
                await reader.exit(self.error)
        except BaseException as exc:
            self.failure = exc

    async def answer(self, reader: Reader) -> None:
        """Reply to those who ask, until they leave."""
        while True:
            await self.demand.wait()
            if self.left:
                return
            self.demand = anyio.Event()
            self.in_await = True
            items: list[Any] = []
            try:
                more = await self.fetch(reader, items)
            except BaseException as exc:
                if self.left:  # there is nobody to reply to
                    raise
                self.replies.put(Reply(items, True, self.explained(exc)))
            else:
                self.replies.put(Reply(items, not more))
            self.in_await = False

    def explained(self, error: BaseException) -> BaseException:
        """A cancellation would be nothing to a thread that has no event loop."""
        if not isinstance(error, anyio.get_cancelled_exc_class()):
            return error
        lost = StreamInterruptedError(f"a step of {self!r} was cancelled in its event loop")
        lost.__cause__ = error
        return lost

    async def fetch(self, reader: Reader, items: list[Any]) -> bool:
        """Add what is there without waiting, but at least one item; False if that is the end."""
        while not items:
            if self.drained:
                batch = await reader.batch()
                if batch is None:
                    return False
                self.batch = batch
            at_once = not reader.top().awaits_in_batch
            try:
                items.extend(chain.from_iterable(self.pieces()) if at_once else self.one())
            except BaseException as exc:
                await reader.fail_in_batch(exc)
        return True

    def pieces(self) -> Iterator[Iterable[Any]]:
        self.pace.start()
        self.drained = yield from self.pace.pieces(self.batch)

    def one(self) -> Iterator[Any]:
        self.drained = False
        for item in self.batch:
            yield item
            return
        self.drained = True


OPEN: set[SyncRun[Any]] = set()


@atexit.register
def close_abandoned() -> None:
    """Close them while their event loops run; the main thread has ended by now.

    After that Python closes the generators that are left. One that has such a block would wait for
    an event loop that has been stopped, for ever. In a process that was forked they do not run.
    """
    with ExitStack() as stack:
        for run in [*OPEN]:
            if run.abandoned:
                stack.callback(run.__exit__, None, None, None)
