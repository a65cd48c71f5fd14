"""Bridges between streams and what is not async: to_sync, from_thread, from_callback."""

import threading
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, suppress
from functools import partial
from itertools import chain
from queue import SimpleQueue
from time import perf_counter as clock
from types import TracebackType
from typing import Any, Generic, Literal, NamedTuple, TypeAlias, TypeVar

import anyio
import anyio.from_thread
import anyio.to_thread
from anyio.lowlevel import checkpoint, current_token

from . import _checks as check
from . import _labels as label
from ._batches import MISSING, QUANTUM, Pace, Segment, Source, WaitingOperator
from ._errors import (
    StreamBusyError,
    StreamClosedError,
    StreamConsumedError,
    StreamInterruptedError,
    StreamOverflowError,
)
from ._mailbox import OVERFLOWS, Lane, Mailbox
from ._operators.concurrent import move
from ._origins import OneShot
from ._reader import Run
from ._run import Host, Pump
from ._steps import EMPTY, resolved
from ._stream import Items, Stream, as_stream, joined, made

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)


READ_AHEAD = 256
"""Items that a thread may be ahead; with more of them the cost of its crossings hardly shows."""


class Loop:
    """The running event loop, for other threads."""

    def __init__(self) -> None:
        native: Any = current_token().native_token
        self.post: Callable[..., object] = (
            getattr(native, "call_soon_threadsafe", None) or native.run_sync_soon
        )
        self.thread = threading.get_ident()

    @property
    def here(self) -> bool:
        """Whether this is called in the thread of the event loop."""
        return threading.get_ident() == self.thread

    def soon(self, function: Callable[[], object]) -> None:
        """Have `function` called by the event loop, without waiting for it."""
        with suppress(RuntimeError):  # the event loop has ended
            self.post(function)


# -- from a stream to code that is not async ---------------------------------------------------


def to_sync(
    stream: Items[T], backend: str = "asyncio", backend_options: dict[str, Any] | None = None
) -> AbstractContextManager[Iterator[T]]:
    """Let ordinary code iterate a stream, which runs in an event loop in a thread of its own.

    `stream` may be a stream, or whatever `Stream` takes. `backend` and `backend_options` are those
    of `anyio.run`. The stream sees a copy of the context variables of the thread that enters.

    Entering the `with` block starts the event loop and opens the stream, leaving it closes the
    stream, the cleanup complete, and ends the event loop, before the next line. Errors come as they
    do from `async with`: an error of the source at its place, after the items before it, one of the
    cleanup at the end of the block. A `KeyboardInterrupt` in the block, or while it waits for an
    item, is an error of the block.

    Going from one thread to another and back costs about a tenth of a millisecond. So what the
    stream has without waiting comes over in one go, up to a millisecond's worth of it, and by that
    much it may be ahead of the loop. Whether an async iterator or function has to wait is not known
    before it is asked, so what these give comes over one by one, and `buffer(n)` behind them lets n
    come at once. While nobody asks for items, nothing is read.

    Several threads may iterate at the same time; each item comes to one of them. Raises
    `StreamConsumedError` if the same object is entered twice, `StreamClosedError` if it is iterated
    outside of its block, and `StreamBusyError` if it is iterated by the stream itself.

    >>> with to_sync(async_range(10).map(lambda n: n * n)) as items:
    ...     for item in items:
    ...         if item > 10:
    ...             break
    >>> item
    16
    """
    check.choice("backend", backend, anyio.get_all_backends())
    return SyncRun(as_stream(stream), backend, backend_options)


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
        self, stream: Stream[T_co], backend: str, backend_options: dict[str, Any] | None
    ) -> None:
        self.stream = stream
        self.portal = partial(anyio.from_thread.start_blocking_portal, backend, backend_options)
        self.stack: ExitStack | None = None
        self.items: deque[T_co] = deque()
        self.lock = threading.Lock()  # of those who need more
        self.last: Reply | None = None  # behind which there is nothing
        self.over = False  # and somebody knows that
        self.left = True
        self.asked = False
        self.replies: SimpleQueue[Reply] = SimpleQueue()
        self.error: BaseException | None = None  # of the block
        self.failure: BaseException | None = None  # of opening or closing
        self.loop: Loop | None = None
        self.cancel: Callable[[], object]
        self.demand: anyio.Event
        self.stepping = False
        self.batch: Iterator[T_co] = EMPTY
        self.drained = True
        self.pace = Pace()

    def __repr__(self) -> str:
        return str(label.call("to_sync", self.stream))

    # -- in the threads that iterate

    def __enter__(self) -> "SyncRun[T_co]":
        if self.stack is not None:
            raise StreamConsumedError(f"{self!r} can be entered only once: call to_sync again")
        self.stack = ExitStack()
        with self.stack:
            portal = self.stack.enter_context(self.portal())
            self.cancel = portal.start_task_soon(self.serve).cancel
            self.replies.get()  # it is open, or that has failed
            self.raise_failure()
            self.stack = self.stack.pop_all()
        self.left = False
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self.stack is not None
        assert self.loop is not None
        self.error = error
        self.left = True
        self.items.clear()
        self.loop.soon(self.leave)
        self.stack.close()
        self.error = None
        self.raise_failure()

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
            raise StreamBusyError(f"{self!r} cannot be iterated by what runs in it")
        with self.lock:
            while not self.items:
                self.more()

    def more(self) -> None:
        if self.over:
            raise StopIteration
        if self.left or self.loop is None:
            raise StreamClosedError(
                f"{self!r} can be iterated only inside of `with {self!r} as items`"
            )
        if self.last is not None:
            error, self.last, self.over = self.last.error, None, True
            try:
                raise error or StopIteration
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

    # -- in the event loop

    def ask(self) -> None:
        self.demand.set()

    def leave(self) -> None:
        """Stop what is not finished yet: a step is interrupted."""
        if self.stepping:
            self.cancel()
        self.demand.set()

    async def serve(self) -> None:
        self.loop, self.demand = Loop(), anyio.Event()
        run = Run[Any](self.stream)
        try:
            await run.__aenter__()
            self.replies.put(Reply([]))
            try:
                await self.answer(run)
            except anyio.get_cancelled_exc_class():
                pass  # which has done its work: the rest is cleanup
            except BaseException as exc:
                run.pipeline.errors += (exc,)
            await run.__aexit__(None, self.error, None)
        except BaseException as exc:
            self.failure = exc
        finally:
            self.replies.put(
                Reply([], True, StreamClosedError(f"{self!r} has lost its event loop"))
            )

    async def answer(self, run: Run[Any]) -> None:
        """Reply to those who ask, until they leave."""
        while True:
            await self.demand.wait()
            if self.left:
                return
            self.demand = anyio.Event()
            self.stepping = True
            items: list[Any] = []
            try:
                more = await self.fetch(run, items)
            except BaseException as exc:
                if self.left:  # there is nobody to reply to
                    raise
                self.replies.put(Reply(items, True, self.explained(exc)))
            else:
                self.replies.put(Reply(items, not more))
            self.stepping = False

    def explained(self, error: BaseException) -> BaseException:
        """A cancellation would be nothing to a thread that has no event loop."""
        if not isinstance(error, anyio.get_cancelled_exc_class()):
            return error
        lost = StreamInterruptedError(f"something cancelled a step of {self!r}")
        lost.__cause__ = error
        return lost

    async def fetch(self, run: Run[Any], items: list[Any]) -> bool:
        """Add what is there without waiting, but at least one item; False if that is the end."""
        while not items:
            if self.drained:
                batch = await run.batch()
                if batch is None:
                    return False
                self.batch = batch
            at_once = never_waits(run.pipeline.top())
            try:
                items.extend(chain.from_iterable(self.pieces()) if at_once else self.one())
            except BaseException as exc:
                await run.fail_in_batch(exc)
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


def never_waits(source: Source) -> bool:
    """Whether a batch can be drawn to its end with no await begun.

    Otherwise that may leave a step of the user's half done, until somebody asks again.
    """
    if isinstance(source, Segment):
        return never_waits(source.source) and all(
            not isinstance(operator, WaitingOperator) or getattr(operator, "awaits", None) is False
            for operator in source.row
        )
    return source.any_task


# -- from a blocking iterator to a stream ------------------------------------------------------


def from_thread(
    iterable: Iterable[T] | Callable[[], Iterable[T]], *, buffer: int = READ_AHEAD
) -> Stream[T]:
    """The items of an iterable that blocks, read in a thread.

    `iterable` may be an iterator, which can be read only once, or a function that makes an
    iterable. One worker thread does everything for a run: it calls the function, reads the items,
    and closes a generator; so objects that belong to one thread, such as database cursors, work.
    It comes on top of those of `anyio.to_thread`, and sees a copy of the context variables of who
    opens the stream.

    The thread reads at most `buffer` items ahead of the reader; with 0 it asks for an item only
    while the reader waits for one. One wake-up of the event loop, which costs about a tenth of a
    millisecond, serves all items that have gathered since. An error of the iterable comes after the
    items before it, and a `StopIteration` that is not the end is a `RuntimeError`.

    A cancelled step loses nothing. Closing asks the thread to stop after the item that it is
    waiting for, and waits for that as long as for any cleanup; a blocked `next()` cannot be killed,
    so after that it raises `CleanupTimeoutError` and leaves the thread alone, which ends when its
    item has come. (On asyncio, Python does not exit before.)

    The stream needs a task that waits for the thread: it is opened by `async with` or by a terminal
    call. Raises `TypeError` if `iterable` is nothing of the kind, and `ValueError` if `buffer` is
    negative.

    >>> import os
    >>> def lines():
    ...     with open(os.devnull) as file:
    ...         yield from file
    >>> async def main():
    ...     print(await from_thread(lines).count())
    ...     print(await from_thread(range(5), buffer=2).collect())
    >>> anyio.run(main)
    0
    [0, 1, 2, 3, 4]
    """
    bound = check.integer("buffer", buffer, 0)
    if isinstance(iterable, Iterator):
        reader: Callable[[Host], Source] = OneShot(iterable, lambda given, _: Reader(given))
    elif isinstance(iterable, Iterable) or callable(iterable):
        reader = partial(reads, iterable)
    else:
        raise TypeError(
            f"iterable must be an iterable, or a function that returns one, got {iterable!r}"
        )
    text = label.call("from_thread", iterable, **label.options(buffer=(buffer, READ_AHEAD)))
    return joined(lambda host: threaded(host, reader, bound), text, [], tasks=True)


def reads(given: Any, _: Host) -> Source:
    return Reader(given)


def threaded(host: Host, open_reader: Callable[[Host], Any], bound: int) -> Source:
    """A mailbox with a lane that a thread fills, and a task that waits for the thread."""
    box = Mailbox(host.pipeline.new_event)
    pump = Pump(host)
    reader: Reader = open_reader(host)
    reader.lane = box.lane(bound)
    box.pumps.append(pump)
    pump.start(partial(move, pump, reader, reader.lane))
    return box


class Reader:
    """Reads an iterable in a worker thread, into a lane.

    The thread is told how many items there is room for, and asks again when it has read so many. It
    puts them where the event loop finds them, and wakes it unless it has done so already.
    """

    closes = True
    busy = False
    any_task = False
    lane: Lane

    def __init__(self, given: Any) -> None:
        self.given = given
        self.items: deque[Any] = deque()
        self.awake = False
        self.loop = Loop()
        self.lock = threading.Lock()
        self.began = False
        self.stopped = False
        self.ended = threading.Event()
        self.errors: list[BaseException] = []

    @property
    def holds(self) -> bool:
        return not self.stopped

    async def batch(self) -> Iterator[Any] | None:
        """Read everything: there is no batch that it would not have put into the lane itself."""
        await in_a_thread(self.read)  # the items that it has announced are there before its end is
        if self.errors:
            raise self.errors.pop(0)
        return None

    async def close(self, host: Host) -> None:
        with self.lock:
            again, self.stopped = self.stopped, True
        if again:
            return
        self.lane.stop()
        if not self.began:
            if issubclass(type(self.given), Generator):
                await host.release(partial(in_a_thread, self.given.close))
        elif not self.ended.is_set():
            # By a thread, since a virtual clock stands still only for those that are waited for.
            await host.release(partial(in_a_thread, self.ended.wait))
        host.errors += tuple(self.errors)

    # -- in the event loop

    def deliver(self) -> None:
        self.awake = False
        if self.lane.room() > 0:
            self.lane.fill(self.arrived())

    def arrived(self) -> Iterator[Any]:
        while self.items:
            yield self.items.popleft()

    async def room(self) -> int:
        """How many items may be read, once that is more than none; 0: nobody wants any more."""
        parked = self.lane.parked
        while not self.lane.stopped:
            self.deliver()
            if (room := self.lane.room()) > 0:
                return room
            event = anyio.Event()
            parked.append(event)
            try:
                await event.wait()
            finally:
                if event in parked:
                    parked.remove(event)
        return 0

    # -- in the thread

    def read(self) -> None:
        with self.lock:
            if self.stopped:  # before the thread was there
                return
            self.began = True
        items: Iterator[Any] = EMPTY
        try:
            items = self.open()
            self.pull(items)
        except BaseException as exc:
            self.errors.append(exc)
        if isinstance(items, Generator):
            try:
                items.close()
            except BaseException as exc:
                self.errors.append(exc)
        self.ended.set()

    def open(self) -> Iterator[Any]:
        items = self.given if issubclass(type(self.given), Iterable) else self.given()
        if not issubclass(type(items), Iterable):
            raise TypeError(
                f"the function given to from_thread must return an iterable, got {items!r}"
            )
        return iter(items)

    def pull(self, items: Iterator[Any]) -> None:
        while room := self.granted():
            for _ in range(room):
                item = next(items, MISSING)
                if item is MISSING or self.stopped:
                    return
                self.items.append(item)
                if not self.awake:
                    self.awake = True
                    self.loop.soon(self.deliver)

    def granted(self) -> int:
        with suppress(BaseException):  # the wait was cancelled, or the event loop has ended
            return anyio.from_thread.run(self.room)
        return 0


async def in_a_thread(function: Callable[[], object]) -> None:
    """Call `function` in a worker thread that nobody else waits for; cancelling abandons it."""
    limiter = anyio.CapacityLimiter(1)
    await anyio.to_thread.run_sync(function, abandon_on_cancel=True, limiter=limiter)


# -- from callbacks to a stream ----------------------------------------------------------------


class Push(Generic[T_contra]):
    """What `from_callback` gives to `register`: call it with an item, from any thread.

    `push(item)` returns whether the stream takes the item: False if it is dropped, or comes after
    the end or after the stream was closed, when nothing is taken any more. `push.end()` ends the
    stream behind the items that wait, and `push.fail(error)` makes it raise `error` there; the
    first of these counts. None of them waits for the event loop.

    >>> def register(push):
    ...     push("an item")
    ...     push.end()
    ...     print(push("too late"))
    >>> async def main():
    ...     print(await from_callback(register, buffer=10).collect())
    >>> anyio.run(main)
    False
    ['an item']
    """

    def __init__(self, box: "Callbacks") -> None:
        self._box = box

    def __call__(self, item: T_contra) -> bool:
        return self._box.push(item)

    def end(self) -> None:
        """Nothing more will come."""
        self._box.finish()

    def fail(self, error: BaseException) -> None:
        """Nothing more will come but this error."""
        given: Any = error
        if not isinstance(given, BaseException):
            raise TypeError(f"error must be an exception, got {error!r}")
        self._box.finish(error)


Hook: TypeAlias = Callable[[], object] | None


def from_callback(
    register: Callable[[Push[T]], Hook | Awaitable[Hook]],
    *,
    buffer: int,
    overflow: Literal["wait", "drop_oldest", "drop_newest", "error"] = "error",
) -> Stream[T]:
    """The items that an API gives to a callback, from whatever thread.

    `register`, a plain or async function, is called with a `Push` at the first step, in the task
    that makes it. It hands that, or a callback that calls it, over to the API. It may return a
    function, plain or async, that ends the registration. This is called once, however the stream is
    left, shielded from cancellation and for as long as any cleanup may take. An async `register`
    that is cancelled is called again by the next step.

    At most `buffer` items wait to be read. `overflow` says what becomes of one for which there is
    no room: with `"error"` the stream raises `StreamOverflowError` after those that wait;
    `"drop_oldest"` drops the first of them, `"drop_newest"` the item itself; `"wait"` blocks the
    thread that pushes, until there is room or the stream is closed. The event loop's own thread
    cannot be blocked: a push there that finds no room is itself a `StreamOverflowError`.

    A cancelled step loses nothing. Many pushes cost one wake-up of the event loop. Raises
    `TypeError` if `register` is no function, or, at the first step, if it returns something else,
    and `ValueError` if `buffer` is less than 1 or `overflow` is none of these.

    >>> import threading
    >>> def register(push):
    ...     timer = threading.Timer(0.01, push, ["tick"])
    ...     timer.start()
    ...     return timer.cancel
    >>> async def main():
    ...     print(await from_callback(register, buffer=1).first())
    >>> anyio.run(main)
    tick
    """
    check.function("register", register)
    bound = check.integer("buffer", buffer, 1)
    check.choice("overflow", overflow, OVERFLOWS)
    options = label.options(overflow=(overflow, "error"))
    text = label.call("from_callback", register, buffer=bound, **options)
    return made(lambda host: Callbacks(host, register, bound, overflow), text)


class Callbacks(Mailbox):
    """A mailbox without lanes and tasks: any thread puts items into it."""

    any_task = False  # what `register` does belongs to one
    busy = False

    def __init__(
        self, host: Host, register: Callable[[Push[Any]], object], bound: int, overflow: str
    ) -> None:
        super().__init__(host.pipeline.new_event)
        self.register: Callable[[Push[Any]], object] | None = register
        self.hook: Callable[[], object] | None = None
        self.bound = bound
        self.overflow = overflow
        self.queue: deque[Any] = deque(maxlen=bound)
        self.changed = threading.Condition()
        self.blocked = 0  # threads that wait for room
        self.awake = False
        self.over = False
        self.open_lanes = 1
        self.loop = Loop()

    @property
    def holds(self) -> bool:
        return self.hook is not None

    # -- in the event loop

    async def batch(self) -> Iterator[Any] | None:
        if self.register is not None:
            await checkpoint()
            await self.begin(self.register)
        return await super().batch()

    async def begin(self, register: Callable[[Push[Any]], object]) -> None:
        self.busy = True
        try:
            hook: Any = await resolved(register(Push(self)))
        finally:
            self.busy = False
        self.register = None  # it may lead to the callbacks, and these lead here
        if hook is not None and not callable(hook):
            raise TypeError(f"register must return a function or None, got {hook!r}")
        self.hook = hook

    def available(self) -> bool:
        return bool(self.queue)

    def items(self) -> Iterator[Any]:
        due = clock() + QUANTUM
        while self.queue:
            with self.changed:
                item = self.queue.popleft()
                if self.blocked:
                    self.changed.notify()
            yield item
            if clock() > due:
                return

    def announced(self) -> None:
        self.awake = False
        self.wake()

    async def close(self, host: Host) -> None:
        with self.changed:
            self.over = self.closed = True
            self.changed.notify_all()
        self.stop()
        hook, self.hook = self.hook, None
        if hook is not None:
            await host.release(lambda: resolved(hook()))

    # -- in any thread

    def push(self, item: Any) -> bool:
        with self.changed:
            if not self.takes():
                return False
            self.queue.append(item)
            if not self.awake:
                self.awake = True
                self.loop.soon(self.announced)
            return True

    def takes(self) -> bool:
        """Whether one more item may be put in; with "drop_oldest" the deque makes room for it."""
        while self.overflow == "wait" and self.full() and not self.over:
            self.wait_for_room()
        if self.over or not self.full() or self.overflow == "drop_oldest":
            return not self.over
        if self.overflow == "error":
            self.finish(StreamOverflowError(f"an item came while {self.bound} waited to be read"))
        return False

    def full(self) -> bool:
        return len(self.queue) == self.bound

    def wait_for_room(self) -> None:
        if self.loop.here:
            raise StreamOverflowError(
                f"{self.bound} items wait to be read, and the event loop cannot wait for itself:"
                ' overflow="wait" is for pushes from other threads'
            )
        self.blocked += 1
        try:
            self.changed.wait()
        finally:
            self.blocked -= 1

    def finish(self, error: BaseException | None = None) -> None:
        with self.changed:
            if self.over:
                return
            self.over = True
            self.changed.notify_all()
            self.loop.soon(self.end if error is None else partial(self.fail, error))
