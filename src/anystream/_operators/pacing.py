"""Operators that look at the clock in the reader's task: spaced, rate_limit, timestamp, elapsed."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

from anyio import sleep_until

from .._core.backends import clock
from .._core.contracts import Operator, WaitingOperator
from .._core.driver import EMPTY

GRAIN = 0.001
"""Seconds. Timers are not finer, and uvloop's clock stands still for as long as a step takes."""


class Paced(WaitingOperator):
    """Lets an item pass every `interval` seconds, and up to `burst` at once after a pause.

    The generic cell rate algorithm: `full` is the time at which a whole burst may pass again, and
    each item moves it on by one interval. Items pass within `grain` seconds of their time, and so
    do those that come later because a timer was late.
    """

    def __init__(self, interval: float, burst: int, grain: float) -> None:
        self.interval = interval
        self.ahead = (burst - 1) * interval
        self.grain = grain
        self.full = 0.0
        self.time = clock()
        self.item: Any = None  # the one that has to wait
        self.upstream: Iterator[Any] = EMPTY

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        self.upstream = batch
        return self.passing(batch)

    def passing(self, items: Iterator[Any]) -> Iterator[Any]:
        time, grain, interval, full = self.time, self.grain, self.interval, self.full
        early = self.ahead + grain
        for item in items:
            now = time()
            idle = now - grain  # a whole burst may pass if it might have done so then
            if full <= idle:
                full = idle + interval
            elif full - early > now:  # as `go_on` sums it up: rounding may not ask for more
                self.item = item
                self.suspended()
                return
            else:
                full += interval
            self.full = full
            yield item

    async def go_on(self) -> Iterator[Any]:
        await sleep_until(self.full - self.ahead)
        item, self.item = self.item, None
        return self.passing(chain((item,), self.upstream))


class Timestamp(Operator):
    """Pairs of the time and the item."""

    leaves_frame = False

    def __init__(self) -> None:
        self.time = clock()

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        time = self.time
        return ((time(), item) for item in batch)


class Elapsed(Operator):
    """Pairs of the seconds since the item before, or since the opening, and the item."""

    def __init__(self) -> None:
        self.time = clock()
        self.last = self.time()

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        time = self.time
        for item in batch:
            last, self.last = self.last, time()
            yield self.last - last, item
