"""Operators that something else ends, starts or holds up: take_until, skip_until, pause_while.

The stream before them runs in a task of its own, and so does the trigger. What comes at the very
instant of the trigger has come after it, whichever of the two tasks runs first.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from math import inf
from typing import Any

from anyio import Event, current_time, sleep_until

from .. import _checks as check
from .._batches import Recipe, Source, opened
from .._host import Host
from .._mailbox import Lane, Mailbox, Unhindered
from .._origins import OneShot
from .._pump import Pump
from .._steps import is_awaitable
from .concurrent import feed, supply


class Signal:
    """A source with one item, which comes when what `wait()` gives has been awaited."""

    closes = False
    holds = False
    busy = False
    any_task = False

    def __init__(self, wait: Callable[[], Any]) -> None:
        self.wait = wait

    async def batch(self) -> Iterator[Any] | None:
        await self.wait()
        return iter((None,))  # and nobody asks for more

    async def close(self, host: Host) -> None:
        """There is nothing to close."""


class Raised(Signal):
    """The same for an event."""

    def __init__(self, event: Any) -> None:
        super().__init__(event.wait)
        self.event = event


class Awaited(Signal):
    """The same for an awaitable, which is handed over."""

    def __init__(self, awaitable: Any) -> None:
        super().__init__(lambda: awaitable)
        self.awaitable = awaitable

    async def close(self, host: Host) -> None:
        if inspect.iscoroutine(self.awaitable):  # which has perhaps not begun
            self.awaitable.close()


def signal(trigger: Any) -> Callable[[Host], Source]:
    """Seconds since the opening, an event or an awaitable, as a source for each run."""
    if isinstance(trigger, (int, float)) and not isinstance(trigger, bool):
        seconds = check.seconds("trigger", trigger)
        return lambda _: timer(current_time() + seconds)
    if hasattr(trigger, "is_set") and hasattr(trigger, "wait"):
        return lambda _: Raised(trigger)
    if is_awaitable(trigger):
        return OneShot(trigger, lambda awaitable, _: Awaited(awaitable))
    raise TypeError(
        f"trigger must be a number of seconds, an event, an awaitable or a stream, got {trigger!r}"
    )


def timer(time: float) -> Signal:
    return Signal(lambda: sleep_until(time))


class Triggered(Mailbox):
    """A mailbox whose items come through or not as a trigger says."""

    def __init__(self, new_event: type[Event]) -> None:
        super().__init__(new_event)
        self.came = -inf  # when the item came that waits to be read
        self.heard_at = inf  # when the trigger came
        self.signals = Signals(self)
        self.lanes.append(self.signals)

    def arrived(self, lane: Lane) -> None:
        self.came = current_time()
        super().arrived(lane)

    def heard(self, item: Any) -> None:
        """The trigger has an item: it is the only one."""
        self.heard_at = current_time()
        self.signals.stop()
        self.wake()

    def unheard(self) -> None:
        """Nothing more will come from the trigger."""


class Signals(Unhindered):
    """A lane whose items are news for the mailbox, and not for its reader."""

    def __init__(self, box: Triggered) -> None:
        super().__init__(box, 1)
        self.triggered = box

    def fill(self, batch: Iterator[Any]) -> bool:
        for item in batch:
            self.triggered.heard(item)
            if self.stopped:
                return False  # the trigger is not asked again
        return True

    def finish(self, error: BaseException | None = None) -> None:
        if error is not None:
            self.box.fail(error)
        else:
            self.triggered.unheard()


class TakeUntil(Triggered):
    """Ends when the trigger comes; what has come before is read."""

    def heard(self, item: Any) -> None:
        super().heard(item)
        self.end()

    def available(self) -> bool:
        return bool(self.ready) and self.came < self.heard_at


class SkipUntil(Triggered):
    """Drops what comes before the trigger."""

    def available(self) -> bool:
        if self.ready and self.came < self.heard_at:
            self.take()
        return bool(self.ready)


class PauseWhile(Triggered):
    """Gives nothing while the last item of the trigger is true."""

    paused = False

    def heard(self, item: Any) -> None:
        self.paused = bool(item)
        self.wake()

    def unheard(self) -> None:
        self.heard(False)

    def available(self) -> bool:
        return bool(self.ready) and (self.error is not None or not self.paused)


def triggered(box_type: type[Triggered]) -> Callable[[Sequence[Recipe]], Callable[[Host], Source]]:
    def origin_of(parts: Sequence[Recipe]) -> Callable[[Host], Source]:
        stream, trigger = parts

        def origin(host: Host) -> Source:
            box = box_type(host.pipeline.new_event)
            pump = Pump(host)
            source = opened(trigger, pump)
            supply(pump, source, box.signals)
            feed(host, stream, box.lane(0))
            if isinstance(source, Raised) and source.event.is_set():
                box.heard(None)  # before anything is asked for
            return box

        return origin

    return origin_of
