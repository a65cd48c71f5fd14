"""Operators that gather items: batched, by number, by weight and by time."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from math import inf
from typing import Any

from .._core.backends import clock
from .._core.channel import Channel, Lane
from .._core.contracts import MISSING, Backend, Operator
from .._labels import whole
from .timing import Clocked
from .triggers import Triggered


class Batch:
    """Items that are gathered until there are enough of them, by their number or their weight."""

    def __init__(
        self, size: float, weight: Callable[[Any], float] | None, max_weight: float
    ) -> None:
        self.size = size
        self.weight = weight
        self.left = self.max_weight = max_weight
        self.items: list[Any] = []
        self.next: Any = MISSING  # which was too heavy for this batch
        self.full = False

    @property
    def lacks(self) -> int:
        """How many items there have to be more, as far as that is known."""
        if self.weight is not None or self.size == inf:
            return 1
        return max(1, int(self.size) - len(self.items))

    def gather(self, source: Iterator[Any]) -> bool:
        """Take what fits in; True if the batch is full."""
        if self.weight is None:
            room = None if self.size == inf else int(self.size) - len(self.items)
            self.items.extend(islice(source, room))
            self.full = len(self.items) >= self.size
        else:
            while not self.full and (item := next(source, MISSING)) is not MISSING:
                self.weigh(item, checked(self.weight(item)))
        return self.full

    def weigh(self, item: Any, weight: float) -> None:
        """Put an item in if it fits, or if it is the first one."""
        if self.items and weight > self.left:
            self.next, self.next_weight, self.full = item, weight, True
        else:
            self.items.append(item)
            self.left -= weight
            self.full = len(self.items) >= self.size or self.left <= 0

    def empty(self) -> tuple[Any, ...]:
        """Give the batch, and begin another one with what did not fit."""
        items = tuple(self.items)
        self.items.clear()
        self.full = False
        self.left = self.max_weight
        if self.next is not MISSING:
            item, self.next = self.next, MISSING
            self.weigh(item, self.next_weight)
        return items


def checked(weight: Any) -> float:
    """As a number of Python's: one of numpy's wraps round, and a Decimal cannot be added to it."""
    try:
        valid = weight >= 0
        number = weight if isinstance(weight, (int, float)) else float(weight)
    except TypeError:
        raise TypeError(f"weight must return a number of at least 0, got {whole(weight)}") from None
    if not valid:  # nor is NaN
        raise ValueError(f"weight must return a number of at least 0, got {whole(weight)}")
    return number


class Batched(Operator):
    """Batches as they become full, and at the end what is left."""

    draws_by_call = True

    def __init__(self, batch: Batch) -> None:
        self.batch = batch

    @property
    def function(self) -> object:
        return self.batch.weight

    @property
    def lacks(self) -> int:
        return self.batch.lacks

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        while self.batch.gather(batch):
            yield self.batch.empty()
            if self.batch.weight is None:  # then a batch that is in there whole is quickly made
                size = int(self.batch.size)
                if size == 1:
                    yield from zip(batch, strict=False)
                while len(items := tuple(islice(batch, size))) == size:
                    yield items
                self.batch.items.extend(items)

    def tail(self) -> Iterable[Any]:
        return (self.batch.empty(),) if self.batch.items else ()


class BatchLane(Lane):
    """A lane in which one batch gathers; its producer waits while that is full."""

    __slots__ = ("batch", "time")

    def __init__(self, channel: Channel, batch: Batch) -> None:
        super().__init__(channel, 1 if batch.size == inf else int(batch.size))
        self.time: Callable[[], float] = clock()
        self.batch = batch

    def takes(self) -> bool:
        return not (self.batch.full or self.stopped)

    def waiting(self) -> int:
        return len(self.batch.items) + (self.batch.next is not MISSING)

    def room(self) -> int:
        return self.batch.lacks if self.takes() else 0

    def gather(self, items: Iterator[Any]) -> bool:
        """Take what fits in; True if the batch is full."""
        before = self.waiting()
        try:
            return self.batch.gather(items)
        finally:
            self.channel.came(self.waiting() - before)

    def complete(self) -> bool:
        """Whether there is a batch, and no more fits in or comes."""
        return bool(self.batch.items) and (self.batch.full or self.over)


class BatchQueue(BatchLane):
    """One that is due a time after its first item, even if it is not full."""

    __slots__ = ("full_since", "since", "within")

    def __init__(self, channel: Channel, batch: Batch, within: float) -> None:
        super().__init__(channel, batch)
        self.within = within
        self.since = 0.0  # when the first item of the batch came
        self.full_since = 0.0  # when the last one came, or what did not fit

    def due(self) -> float:
        return self.since + self.within if self.batch.items else inf

    def fill(self, batch: Iterator[Any]) -> bool:
        if not self.takes():
            return False
        begun = bool(self.batch.items)
        if self.channel.read and self.time() >= self.due():
            self.batch.full = True  # what comes at the instant at which it is due is too late
            return False
        try:
            return not self.gather(batch)
        finally:
            if not begun and self.batch.items:
                self.since = self.time()
                self.channel.wake()
            if self.batch.full:
                self.full_since = self.time()
                self.channel.wake()

    def empty(self) -> tuple[Any, ...]:
        self.since = self.full_since
        items = self.batch.empty()
        if not self.batch.full:
            self._wake_one()
        return items


class BatchChannel(Clocked):
    """Gives what has gathered when it is full, or has waited for `within` seconds."""

    __slots__ = ("gathering",)

    def __init__(self, backend: Backend, batch: Batch, within: float) -> None:
        super().__init__(backend)
        self.gathering = BatchQueue(self, batch, within)
        self.add(self.gathering)

    def due(self) -> float:
        return self.gathering.due()

    def available(self) -> bool:
        lane = self.gathering
        return bool(lane.batch.items) and (lane.complete() or self.time() >= lane.due())

    def items(self) -> Iterator[Any]:
        while self.available():
            yield self.gathering.empty()


class UntilQueue(BatchLane):
    """One that is full when a signal comes, too."""

    __slots__ = ("before", "instant", "late", "late_full")

    def __init__(self, channel: Channel, batch: Batch) -> None:
        super().__init__(channel, batch)
        self.late: list[Any] = []  # what came at the very instant of the signal
        self.late_full = False  # whether a signal has come since
        self.instant = -inf  # at which the last item came
        self.before = 0  # how many came before that

    def fill(self, batch: Iterator[Any]) -> bool:
        if not self.takes():
            return False
        now = self.time()
        if now > self.instant:
            self.instant, self.before = now, len(self.batch.items)
        try:
            return not self.gather(batch)
        finally:
            if self.batch.full:
                self.channel.wake()

    def waiting(self) -> int:
        return super().waiting() + len(self.late)

    def cut(self) -> None:
        """Let what came before this instant be a batch, if something did."""
        items = self.batch.items
        before = self.before if self.instant == self.time() else len(items)
        if before and (before < len(items) or not self.batch.full):
            self.late = items[before:]
            del items[before:]
            self.batch.full = True
            self.channel.wake()
        elif self.late:
            self.late_full = True

    def empty(self) -> tuple[Any, ...]:
        items = self.batch.empty()
        self.batch.items += self.late
        self.batch.full = self.late_full
        self.late, self.late_full, self.before = [], False, 0
        if not self.batch.full:
            self._wake_one()
        return items


class UntilChannel(Triggered):
    """Gives what has gathered when it is full, or a signal has come."""

    __slots__ = ("gathering",)

    def __init__(self, backend: Backend, batch: Batch) -> None:
        super().__init__(backend)
        self.gathering = UntilQueue(self, batch)
        self.add(self.gathering)

    def input(self) -> Lane:
        return self.gathering

    def heard(self, item: Any) -> None:
        self.gathering.cut()

    def available(self) -> bool:
        return self.gathering.complete()

    def items(self) -> Iterator[Any]:
        while self.available():
            yield self.gathering.empty()
