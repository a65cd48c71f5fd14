"""from_thread: from a blocking iterable to a stream, over a worker thread that fills a lane."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from functools import partial
from inspect import iscoroutine
from typing import Any, TypeVar

import anyio
import anyio.from_thread

from .. import _args as check
from .. import _layouts as layouts
from .._core.channel import Channel, Lane
from .._core.contracts import MISSING, Owner, Source, SourceDefaults
from .._core.driver import EMPTY
from .._core.producer import LaneProducer
from .._core.threads import Loop, WakeUp, in_a_thread
from .._labels import Label, whole
from .._recipe import Recipe, named_call
from .._sources.origins import OneShot, advice, is_maker, method
from .._sources.queues import queue_type
from .._stream import Stream

T = TypeVar("T")

READ_AHEAD = 256
"""Items that a thread may be ahead; with more the cost of its crossings hardly shows [thread]."""


@named_call
def from_thread(
    iterable: Iterable[T] | Callable[[], Iterable[T]],
    *,
    buffer: int = READ_AHEAD,
    stop: Callable[[], object] | None = None,
) -> Stream[T]:
    """The items of an iterable that blocks, read in a thread.

    `iterable` may be an iterator, which can be read only once, or a function that makes an
    iterable. One worker thread does everything for a run: it calls the function, reads the items,
    and closes a generator, or what the function has made if that has `close`, or cancels it early
    if it has only `cancel`; so objects that belong to one thread, such as database cursors, work.
    It comes on top of those of `anyio.to_thread`, and sees a copy of the context variables of who
    opens the stream.

    The thread reads at most `buffer` items ahead of the reader; with 0 it asks for an item only
    while the reader waits for one. One wake-up of the event loop, which costs about a tenth of a
    millisecond, serves all items that have gathered since. An error of the iterable comes after the
    items before it, and a `StopIteration` that is not the end is a `RuntimeError`.

    A cancelled step loses nothing. Closing asks the thread to stop after the item that it is
    waiting for, and waits for that as long as for any cleanup. A blocked `next()` cannot be killed.
    So after that time `CleanupTimeoutError` is raised, and the thread ends when its item has come.
    (On asyncio, Python does not exit before.)

    `stop` is a plain function that ends a `next()` which blocks, such as one that puts the sentinel
    into a queue, or cancels the query of a connection. It is called when the stream is closed while
    the thread is inside `next()`, once and in another thread. What `next()` gives or raises then is
    dropped.

    The stream needs a task that waits for the thread: it is opened by `async with` or by a terminal
    call. Raises `TypeError` if `iterable` is neither an iterable nor a plain function, or `stop` is
    no function, and `ValueError` if `buffer` is negative.

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
    if stop is not None:
        check.called_plain("stop", stop, ", which a thread calls")

    def reads(given: Any, _: Owner) -> Source:
        return ThreadReader(given, stop)

    if isinstance(iterable, Iterator):
        reader: Callable[[Owner], Source] = OneShot(iterable, reads)
    elif check.is_async(iterable):
        raise TypeError(
            "iterable must be an iterable, or a plain function that returns one, got"
            f" {whole(iterable)}; Stream takes async functions"
        )
    elif check.is_iterable(iterable) or is_maker(iterable):
        reader = partial(reads, iterable)
    elif queue_type(iterable) is not None:
        raise TypeError(
            f"iterable must not be a queue, got {whole(iterable)}; Stream(queue) reads it"
        )
    else:
        raise TypeError(
            f"iterable must be an iterable, or a function that returns one, got {advice(iterable)}"
        )
    return Stream(
        Recipe.combine(
            lambda owner: threaded(owner, reader, bound), Label(), [], layouts.THREAD, bound
        )
    )


def threaded(owner: Owner, open_reader: Callable[[Owner], Any], bound: int) -> Source:
    """A channel with a lane that a thread fills, and a task that waits for the thread."""
    channel = Channel(owner.backend)
    reader: ThreadReader = open_reader(owner)
    reader.lane = channel.lane(bound)
    Waiter(owner, reader).fill(reader.lane)
    return channel


class Waiter(LaneProducer):
    """The task that waits for the thread, which fills the lane itself."""

    __slots__ = ("reader",)

    def __init__(self, owner: Owner, reader: "ThreadReader") -> None:
        super().__init__(owner)
        self.reader = reader

    @property
    def waits_for(self) -> str | None:
        return "room" if self.reader.held_up else None

    async def produce(self) -> None:
        await self.transfer(self.reader)

    def reading(self) -> Iterable[Source]:
        return (self.reader,)


class ThreadReader(SourceDefaults):
    """Reads an iterable in a worker thread, into a lane.

    The thread is told how many items there is room for, and asks again when it has read that many.
    It puts them where the event loop finds them, and wakes it unless it has done so already.
    """

    closes = True
    any_task = False
    lane: Lane

    def __init__(self, given: Any, stop: Callable[[], object] | None) -> None:
        self.given = given
        self.made: Any = None  # by a function that was given
        self.stop = stop
        self.items: deque[Any] = deque()
        self.wake_up = WakeUp(Loop())
        self.lock = threading.Lock()
        self.began = False
        self.inside = False  # whether the thread is inside `next`
        self.interrupted = False  # whether that was told to end
        self.held_up = False  # whether the thread waits for room
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

    async def close(self, owner: Owner) -> None:
        with self.lock:
            again, self.stopped = self.stopped, True
        if again:
            return
        self.lane.stop()
        if not self.began:
            if issubclass(type(self.given), Generator):
                await owner.release(partial(in_a_thread, self.given.close))
        elif not self.ended.is_set():
            if self.stop is not None and self.inside:
                self.interrupted = True
                await owner.release(partial(in_a_thread, self.stop))
            # By a thread, since a virtual clock stands still only for those that are waited for.
            await owner.release(partial(in_a_thread, self.ended.wait))
        for error in self.errors:
            owner.add_error(error)

    # -- in the event loop

    def deliver(self) -> None:
        if self.lane.room() > 0:
            self.lane.fill(self.arrived())

    def arrived(self) -> Iterator[Any]:
        while self.items:
            yield self.items.popleft()

    async def room(self) -> int:
        """How many items may be read, once that is more than none; 0: nobody wants any more."""
        while not self.lane.stopped:
            self.deliver()
            if (room := self.lane.room()) > 0:
                return room
            slot = self.lane.gate()
            self.held_up = True
            if self.lane.channel.timing is not None:
                self.lane.channel.timing.room.begin()
            try:
                await slot
            finally:
                self.held_up = False
                if self.lane.channel.timing is not None:
                    self.lane.channel.timing.room.end()
                self.lane.leave_gate(slot)
        return 0

    # -- in the thread

    def read(self) -> None:
        with self.lock:
            if self.stopped:  # before the thread was there
                return
            self.began = True
        items: Iterator[Any] = EMPTY
        left_early = False
        try:
            items = self.open()
            left_early = not self.pull(items)
        except BaseException as exc:
            if not self.interrupted:
                self.errors.append(exc)
        made, self.made = self.made, None
        if isinstance(items, Generator):
            self.guard(items.close)
        if made is not items or not isinstance(items, Generator):
            close = method(made, "close") or (method(made, "cancel") if left_early else None)
            self.guard(close or bool)
        self.ended.set()

    def guard(self, close: Callable[[], object]) -> None:
        try:
            close()
        except BaseException as exc:
            self.errors.append(exc)

    def open(self) -> Iterator[Any]:
        items = self.given
        if not check.is_iterable(items):
            items = self.made = self.given()
        if not check.is_iterable(items):
            raise TypeError(
                f"the function given to from_thread must return an iterable, got {returned(items)}"
            )
        return iter(items)

    def pull(self, items: Iterator[Any]) -> bool:
        """Read what is wanted; whether that was all there is."""
        while room := self.granted():
            for _ in range(room):
                self.inside = True
                # Only now: `close` looks the other way round, so one of both sees the other.
                item = MISSING if self.stopped else next(items, MISSING)
                self.inside = False
                if item is MISSING or self.stopped:
                    return not self.stopped
                self.items.append(item)
                self.wake_up.soon(self.deliver)
        return False

    def granted(self) -> int:
        with suppress(BaseException):  # the wait was cancelled, or the event loop has ended
            return anyio.from_thread.run(self.room)
        return 0


def returned(value: Any) -> str:
    """What a function has given instead of an iterable, and what to do with that."""
    if iscoroutine(value):
        value.close()  # which would be never awaited
        return f"{whole(value)}; Stream takes async functions"
    return whole(value)
