"""Operators that something else ends, starts or holds up: take_until, skip_until, pause_while.

The stream before them runs in a task of its own, and so does the trigger. What comes at the very
instant of the trigger has come after it, whichever of the two tasks runs first.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from math import inf
from typing import Any

from anyio import current_time, sleep_until

from .. import _args as check
from .._core.channel import Channel, Lane, NonBlocking
from .._core.contracts import Backend, Openable, Owner, Source, SourceDefaults
from .._core.driver import is_awaitable
from .._core.producer import Mover
from .._labels import whole
from .._sources.origins import OneShot


class Signal(SourceDefaults):
    """A source with one item, which comes when what `wait()` gives has been awaited."""

    any_task = False

    def __init__(self, wait: Callable[[], Any]) -> None:
        self.wait = wait

    def has_come(self) -> bool:
        """Whether it is there already at the opening."""
        return False

    async def batch(self) -> Iterator[Any] | None:
        await self.wait()
        return iter((None,))  # and nobody asks for more


class Raised(Signal):
    """The same for an event."""

    def __init__(self, event: Any) -> None:
        super().__init__(event.wait)
        self.event = event

    def has_come(self) -> bool:
        return bool(self.event.is_set())


class Timed(Signal):
    """The same for a time."""

    def __init__(self, time: float) -> None:
        super().__init__(lambda: sleep_until(time))
        self.time = time

    def has_come(self) -> bool:
        return current_time() >= self.time


class Awaited(Signal):
    """The same for an awaitable, which is handed over."""

    def __init__(self, awaitable: Any) -> None:
        super().__init__(lambda: awaitable)
        self.awaitable = awaitable

    async def close(self, owner: Owner) -> None:
        if inspect.iscoroutine(self.awaitable):  # which has perhaps not begun
            self.awaitable.close()


def signal(trigger: Any) -> Callable[[Owner], Source]:
    """Seconds since the opening, an event or an awaitable, as a source for each run."""
    if check.is_number(trigger):
        seconds = check.seconds("trigger", trigger)
        return lambda _: Timed(current_time() + seconds)
    if hasattr(trigger, "is_set") and hasattr(trigger, "wait"):
        return lambda _: Raised(trigger)
    if is_awaitable(trigger):
        return OneShot(trigger, lambda awaitable, _: Awaited(awaitable))
    raise TypeError(
        "trigger must be a number of seconds, an event, an awaitable or a stream,"
        f" got {whole(trigger)}"
    )


class Triggered(Channel):
    """A channel whose items come through or not as a trigger says."""

    __slots__ = ("came_at", "heard_at", "signals", "time")
    begins_at_once = False  # the trigger may come at that very instant

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        self.time: Callable[[], float] = backend.clock()
        self.came_at = -inf  # when the item came that waits to be read
        self.heard_at = inf  # when the trigger came
        self.signals = Signals(self)
        self.add_silent(self.signals)

    def input(self) -> Lane:
        """The lane of the items."""
        return self.lane(0)

    def arrived(self, lane: Lane) -> None:
        self.came_at = self.time()
        super().arrived(lane)

    def heard(self, item: Any) -> None:
        """The trigger has an item: it is the only one."""
        self.heard_at = self.time()
        self.signals.stop()
        self.wake()

    def unheard(self) -> None:
        """Nothing more will come from the trigger."""


class Signals(NonBlocking):
    """A lane whose items are news for the channel, and not for its reader."""

    __slots__ = ("triggered",)

    part = "trigger"

    def __init__(self, channel: Triggered) -> None:
        super().__init__(channel, 1)
        self.triggered = channel

    def fill(self, batch: Iterator[Any]) -> bool:
        if self.stopped:
            return False
        for item in batch:
            self.triggered.heard(item)
            if self.stopped:
                return False  # the trigger is not asked again
        return True

    def finish(self, error: BaseException | None = None) -> None:
        if error is not None:
            self.channel.fail(error)
        else:
            self.triggered.unheard()


class TakeUntil(Triggered):
    """Ends when the trigger comes; what has come before is read."""

    __slots__ = ()

    def heard(self, item: Any) -> None:
        super().heard(item)
        self.end()

    def available(self) -> bool:
        return bool(self._ready) and self.came_at < self.heard_at


class SkipUntil(Triggered):
    """Drops what comes before the trigger."""

    __slots__ = ()

    def available(self) -> bool:
        if self._ready and self.came_at < self.heard_at:
            self.take()
            self.lose(1)
        return bool(self._ready)


class PauseWhile(Triggered):
    """Gives nothing while the last item of the trigger is true."""

    __slots__ = ("paused",)

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        self.paused = False

    def heard(self, item: Any) -> None:
        self.paused = bool(item)
        self.wake()

    def unheard(self) -> None:
        self.heard(False)

    def available(self) -> bool:
        return bool(self._ready) and (self.fails or not self.paused)


def triggered(
    make: Callable[[Backend], Triggered],
) -> Callable[[Sequence[Openable]], Callable[[Owner], Source]]:
    def opens(parts: Sequence[Openable]) -> Callable[[Owner], Source]:
        stream, trigger = parts

        def open_source(owner: Owner) -> Source:
            channel = make(owner.backend)
            items = channel.input()
            trigger_mover = Mover(owner)
            source = trigger_mover.read(trigger)
            trigger_mover.fill(channel.signals)
            mover = Mover(owner)
            mover.read(stream)
            mover.fill(items)
            if isinstance(source, Signal) and source.has_come():
                channel.heard(None)  # before anything is asked for
            return channel

        return open_source

    return opens
