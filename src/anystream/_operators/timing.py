"""Operators with a clock of their own: timeout, heartbeat, delay, debounce, throttle, sample.

The stream before them runs in a task of its own, and its items go into a channel. What the clock
decides is worked out where an item comes in and where the reader looks, from the times alone, so
that nothing depends on which of two tasks runs first at one and the same instant.
"""

import sys
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice
from math import floor, inf
from typing import Any

from anyio.lowlevel import checkpoint

from .. import _args as check
from .._core.backends import clock
from .._core.channel import AT_A_TIME, Channel, Lane, NonBlocking
from .._core.contracts import MISSING, Backend, Openable, Owner, Slot, Source
from .._core.producer import Mover


def timed(
    stream: Openable, make: Callable[[Backend], Channel], waits_only: bool = False
) -> Callable[[Owner], Source]:
    """The channel that `make` gives, with a lane, which `stream` fills in a task of its own.

    What acts on `waits_only` has nothing to do, and needs no task, where `stream` never waits.
    """

    def open_source(owner: Owner) -> Source:
        channel = make(owner.backend)
        mover = Mover(owner)
        source = mover.read(stream)
        if waits_only and not source.waits:
            return source
        mover.fill(channel.lanes[0])
        return channel

    return open_source


class Clocked(Channel):
    """A channel whose reader looks again when its time has come, though nothing has."""

    __slots__ = ("alarm", "time")

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        self.time: Callable[[], float] = backend.clock()
        self.alarm = backend.new_alarm(self.due, self.wake)

    @abstractmethod
    def due(self) -> float:
        """The time at which the reader has something to do; infinite if it has not."""

    def looks_again(self) -> bool:
        return self.due() < inf

    def woken(self, wake: Slot) -> Awaitable[object]:
        return wake if self.due() == inf else self.woken_in_time(wake)

    async def woken_in_time(self, wake: Slot) -> None:
        await self.alarm.wait(wake)
        if self.time() >= self.due():
            await checkpoint()  # what comes at this very instant has come in time

    async def close(self, owner: Owner) -> None:
        self.alarm.stop()
        await super().close(owner)


# -- how long the reader waits --------------------------------------------------------------


class IdleClock(Clocked):
    """Knows for how long the reader has waited for the item that is not there yet.

    A reader that comes back after a cancelled step may find its time over, and the item still with
    the source, which gives it only to who waits. So it is `late` when it has waited in vain.
    """

    __slots__ = ("asked", "late", "seconds")

    def __init__(self, backend: Backend, seconds: float) -> None:
        super().__init__(backend)
        self.seconds = seconds
        self.answered()
        self.add(Lane(self, 0))

    def answered(self) -> None:
        """The reader gets something: from now on nothing is asked for."""
        self.asked = inf  # when the reader began to wait
        self.late = False

    def available(self) -> bool:
        if self._ready:
            self.answered()
        return bool(self._ready)

    def asker(self) -> Callable[[int], None]:
        return self.ask_for

    def read_whole(self, *, kept: bool) -> None:
        if kept:
            self.ask_for(AT_A_TIME)

    def due(self) -> float:
        return self.asked + self.seconds

    def woken(self, wake: Slot) -> Awaitable[object]:
        if self.asked == inf:
            self.asked = self.time()
        return super().woken(wake)

    async def woken_in_time(self, wake: Slot) -> None:
        await super().woken_in_time(wake)
        self.late = self.time() >= self.due()


class Timeout(IdleClock):
    """Fails, or ends, when the reader has waited too long."""

    __slots__ = ("fatal", "stream")

    ends_early = True
    what = "yielded nothing for"

    def __init__(self, backend: Backend, seconds: float, stream: Openable, fails: bool) -> None:
        super().__init__(backend, seconds)
        self.stream = stream
        self.fatal = fails

    def ended(self) -> bool:
        if super().ended():
            return True
        waits = self.asked < inf and not self.late
        if waits or self.time() < self.due():
            return False
        self.end()
        if self.fatal:
            raise TimeoutError(f"{self.stream!r} {self.what} {self.seconds:g} s")
        return True


class Deadline(Timeout):
    """The same, when too much time has passed since the opening."""

    __slots__ = ("end_time",)

    what = "did not end within"

    def __init__(self, backend: Backend, seconds: float, stream: Openable, fails: bool) -> None:
        super().__init__(backend, seconds, stream, fails)
        self.end_time = self.time() + seconds

    def due(self) -> float:
        return self.end_time


class Heartbeat(IdleClock):
    """Gives a value when the reader has waited too long."""

    __slots__ = ("beat",)

    def __init__(self, backend: Backend, seconds: float, beat: Callable[[], Any]) -> None:
        super().__init__(backend, seconds)
        self.beat = beat

    def available(self) -> bool:
        if super().available():
            return True
        return self.late and self._open_lanes > 0

    def items(self) -> Iterator[Any]:
        if self._ready:
            yield from super().items()
        else:
            self.answered()
            yield self.beat()


# -- all items, later -----------------------------------------------------------------------


class Later(Lane):
    """A lane of items with the times at which they are due; its end comes as late as they do."""

    __slots__ = ("error", "seconds", "time")

    def __init__(self, channel: Channel, bound: int, seconds: float) -> None:
        super().__init__(channel, bound)
        self.time = clock()
        self.seconds = seconds
        self.error: BaseException | None = None

    def due(self) -> float:
        return self.time() + self.seconds

    def fill(self, batch: Iterator[Any]) -> bool:
        room = max(0, self.room())
        return self.extend((self.due(), item) for item in islice(batch, room)) < room

    def waiting(self) -> int:
        """Not the end, which waits behind the items."""
        return sum(item is not MISSING for _, item in self._items)

    def finish(self, error: BaseException | None = None) -> None:
        self.error = error
        self._add((self.due(), MISSING))

    def first(self) -> tuple[float, Any]:
        """When the first item is due, and the item."""
        return self._items[0] if self._items else (inf, MISSING)

    def arrive(self) -> None:
        """The time of the end has come."""
        error, self.error = self.error, None
        super().finish(error)


class Delay(Clocked):
    """Gives each item when it is due."""

    __slots__ = ("later",)

    def __init__(self, backend: Backend, seconds: float, bound: int) -> None:
        super().__init__(backend)
        self.later = Later(self, bound, seconds)
        self.add(self.later)

    def due(self) -> float:
        return self.later.first()[0]

    def available(self) -> bool:
        if self.time() < self.due():
            return False
        if self.later.first()[1] is not MISSING:
            return True
        self.take()
        self.later.arrive()
        return False

    def items(self) -> Iterator[Any]:
        while self.available():
            yield self.take()[1]

    async def close(self, owner: Owner) -> None:
        if self.later.error is not None and self.failure is None:  # which was not due yet
            owner.leave_unread(self.later.error)
        await super().close(owner)


# -- some of the items ----------------------------------------------------------------------


class RateFilter(NonBlocking):
    """A lane that lets some of the items through, of which the newest two wait for the reader.

    It holds an item until it is `due`. If something comes at that very instant, what is held has
    gone through before: so two can come through before the reader has had a chance to read.
    """

    __slots__ = ("due", "held", "seconds", "through", "time")

    def __init__(self, channel: Channel, seconds: float) -> None:
        super().__init__(channel, 2)
        self.time = clock()
        self.seconds = seconds
        self.held: Any = MISSING
        self.due = inf
        self.through = 0  # items

    @abstractmethod
    def arrive(self, item: Any, now: float) -> None:
        """Hold an item, let it through, or drop it."""

    def fill(self, batch: Iterator[Any]) -> bool:
        for item in batch:
            now = self.time()
            if now >= self.due:
                self.release()
            before = self.through + (self.held is not MISSING)
            self.arrive(item, now)
            if self.through + (self.held is not MISSING) > before:
                self.channel.came(1)
            else:
                self.channel.drop(1)  # this item, or the one that was held
        return True

    def waiting(self) -> int:
        return super().waiting() + (self.held is not MISSING)

    def hold(self, item: Any, due: float) -> None:
        self.held = item
        if due < self.due:
            self.channel.wake()  # to look at the clock
        self.due = due

    def release(self) -> None:
        """Let through what is held."""
        self.due = inf
        item, self.held = self.held, MISSING
        self.pass_on(item)

    def pass_on(self, item: Any) -> None:
        self.through += 1
        if len(self._items) == self.bound:
            del self._items[0]
            self.channel.lose(1)
        self._add(item)

    def finish(self, error: BaseException | None = None) -> None:
        if self.held is not MISSING:
            self.release()
        super().finish(error)


class Debounce(RateFilter):
    """Holds each item until nothing has come for so long, or the first one has waited enough."""

    __slots__ = ("limit", "max_wait")

    def __init__(self, channel: Channel, seconds: float, max_wait: float) -> None:
        super().__init__(channel, seconds)
        self.max_wait = max_wait
        self.limit = inf

    def arrive(self, item: Any, now: float) -> None:
        if self.held is MISSING:
            self.limit = now + self.max_wait
        self.hold(item, min(now + self.seconds, self.limit))


class DebounceEach(Debounce):
    """The same, with the seconds of each item from a function."""

    __slots__ = ("fn",)

    def __init__(self, channel: Channel, fn: Callable[[Any], Any], max_wait: float) -> None:
        super().__init__(channel, 0, max_wait)
        self.fn = fn

    def arrive(self, item: Any, now: float) -> None:
        self.seconds = check.seconds("what seconds(item) gives", self.fn(item))
        super().arrive(item, now)


class Throttle(RateFilter):
    """Lets one item through and then, for so long, none; or one of those, at the end."""

    __slots__ = ("closed_until", "leading", "newest", "trailing")

    def __init__(
        self, channel: Channel, seconds: float, leading: bool, trailing: bool, newest: bool
    ) -> None:
        super().__init__(channel, seconds)
        self.leading = leading
        self.trailing = trailing
        self.newest = newest  # whether it is the last of those, and not the first
        self.closed_until = -inf

    def arrive(self, item: Any, now: float) -> None:
        opens = now >= self.closed_until
        if opens:
            self.closed_until = now + self.seconds
        if opens and self.leading:
            self.pass_on(item)
        elif self.trailing and (self.newest or self.held is MISSING):
            self.hold(item, self.closed_until)

    def release(self) -> None:
        self.closed_until += self.seconds
        super().release()


class Sample(RateFilter):
    """Holds the newest item until the next tick."""

    __slots__ = ("start",)

    def __init__(self, channel: Channel, seconds: float) -> None:
        super().__init__(channel, seconds)
        self.start = self.time()

    def arrive(self, item: Any, now: float) -> None:
        if self.held is MISSING:
            past = min((now - self.start) / self.seconds, sys.maxsize)  # may overflow to infinity
            self.hold(item, self.start + (floor(past) + 1) * self.seconds)
        else:
            self.held = item


class RateFiltered(Clocked):
    """Gives what a sieve lets through, as soon as it does."""

    __slots__ = ("sieve",)

    def __init__(self, backend: Backend, make: Callable[[Channel], RateFilter]) -> None:
        super().__init__(backend)
        self.sieve = make(self)
        self.add(self.sieve)

    def due(self) -> float:
        return self.sieve.due

    def available(self) -> bool:
        if self.time() >= self.sieve.due:
            self.sieve.release()
        return bool(self._ready)

    def items(self) -> Iterator[Any]:
        while self.available():
            yield self.take()
