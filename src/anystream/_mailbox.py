"""What sits between two segments: a mailbox, with a lane for each task that fills it.

Items wait in lanes, in bounded queues, and are taken out by the reader itself, in turn from every
lane that has some: a wake-up only says that it is worth looking. So neither a timed-out nor a
natively cancelled reader can lose an item. One wake-up serves all items that have gathered since,
and a batch goes on for as long as there are more.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from itertools import islice
from time import perf_counter as clock
from typing import TYPE_CHECKING, Any

from anyio import Event, get_cancelled_exc_class
from anyio.lowlevel import checkpoint, checkpoint_if_cancelled

from ._batches import MISSING, QUANTUM
from ._errors import StreamClosedError, StreamOverflowError

if TYPE_CHECKING:
    from ._host import Host
    from ._pump import Pump

SHORT = 64
"""Up to so many items a list is as fast as a deque, and much smaller."""

LONG = 8
"""From so many items on it pays for a producer to look twice before it parks."""

OVERFLOWS = ("wait", "drop_oldest", "drop_newest", "error")
"""What a lane can do when an item comes and there is no room."""


class Lane:
    """One way into a mailbox; producers wait while it is full.

    At most `bound` items wait in it or are promised to it. With a bound of 0 there is room for one
    item, and only while a reader waits for it. A producer that waits is woken when the items are
    down to `low`, and not for every single place.
    """

    __slots__ = ("bound", "box", "items", "low", "over", "parked", "promised", "stopped")

    def __init__(self, box: "Mailbox", bound: int, low: int | None = None) -> None:
        self.box = box
        self.bound = bound
        self.low = bound // 2 if low is None else low
        self.items: list[Any] | deque[Any] = [] if bound <= SHORT else deque()
        self.promised = 0  # places that are kept for what is being computed
        self.stopped = False  # there is no room any more, and nobody waits for it
        self.over = False  # nothing more will come
        self.parked: list[Event] = [] if bound else box.parked

    def room(self) -> int:
        """How many items may be put in now."""
        if self.stopped:
            return 0
        return (self.bound or self.box.wanted) - len(self.items) - self.promised

    def takes(self) -> bool:
        """Whether the producer may go on now."""
        used = len(self.items) + self.promised
        return used < (self.bound or self.box.wanted) and not self.stopped

    async def wait_for_room(self, pump: "Pump", timed: bool = False) -> bool:
        """Wait until there is room, since there is none; False if the pump has to stop.

        A scope that a generator holds across its yields does not cut this short; one around this
        call may, if it is `timed`.
        """
        try:
            if self.bound >= LONG and not self.stopped:
                await checkpoint()  # a reader that is ready empties the lane meanwhile
                if self.takes():
                    return True
            while not (self.stopped or pump.stopping):
                pump.parked = event = self.gate()
                try:
                    await event.wait()
                finally:
                    pump.parked = None
                    if self.bound and event in self.parked:
                        self.parked.remove(event)
                if self.takes():
                    return not pump.stopping
            return False
        except get_cancelled_exc_class() as exc:
            if timed or not pump.stands(exc):
                raise
        if not self.takes():
            await pump.undisturbed(partial(self.wait_for_room, pump))
        return self.takes() and not pump.stopping

    def gate(self) -> Event:
        """An event to wait for: of one's own, or with a bound of 0 the same for all."""
        if not self.bound and self.parked and not self.parked[-1].is_set():
            return self.parked[-1]
        event = self.box.new_event()
        self.parked.append(event)
        return event

    def put(self, item: Any) -> None:
        """Put one item in, for which there is room."""
        self.items.append(item)
        if len(self.items) == 1:
            self.box.arrived(self)

    def fill(self, batch: Iterator[Any]) -> bool:
        """Move as many items as there is room for; True if the batch is exhausted."""
        if not self.bound:  # there is room for one
            for item in batch:
                self.put(item)
                return False
            return True
        room, before = self.room(), len(self.items)
        self.extend(islice(batch, room))
        return len(self.items) - before < room

    def extend(self, items: Iterator[Any]) -> None:
        before = len(self.items)
        try:
            self.items.extend(items)
        finally:
            if not before and self.items:
                self.box.arrived(self)

    def taken(self) -> None:
        """An item has been read: wake a producer, but not for every single place."""
        if self.bound and len(self.items) + self.promised <= self.low:
            self.parked.pop(0).set()

    def stop(self) -> None:
        self.stopped = True
        for event in self.parked:
            event.set()

    def finish(self, error: BaseException | None = None) -> None:
        """Nothing more will come through this lane; an error comes after what is in it."""
        self.over = True
        self.box.finished(self, error)


class Unhindered(Lane):
    """A lane that never lets its producers wait."""

    __slots__ = ()

    def takes(self) -> bool:
        return not self.stopped


class KeepLatest(Unhindered):
    """A lane whose oldest item makes room for the newest."""

    __slots__ = ()

    def __init__(self, box: "Mailbox", bound: int) -> None:
        super().__init__(box, bound)
        self.items = deque(maxlen=bound)

    def fill(self, batch: Iterator[Any]) -> bool:
        self.extend(batch)
        return True


class KeepFirst(Unhindered):
    """A lane that drops what comes while it is full."""

    __slots__ = ()

    def fill(self, batch: Iterator[Any]) -> bool:
        if not super().fill(batch):
            deque[Any](maxlen=0).extend(batch)
        return True


class Refuse(Unhindered):
    """A lane that fails when an item comes while it is full."""

    __slots__ = ()

    def fill(self, batch: Iterator[Any]) -> bool:
        if not super().fill(batch) and next(batch, MISSING) is not MISSING:
            raise StreamOverflowError(f"an item came while {self.bound} waited to be read")
        return True


LANES: dict[str, Callable[["Mailbox", int], Lane]] = dict(
    zip(OVERFLOWS, (Lane, KeepLatest, KeepFirst, Refuse), strict=True)
)


class Mailbox:
    """The source of the segment behind it: what the lanes bring, fairly."""

    __slots__ = (
        "closed",
        "error",
        "failed",
        "lanes",
        "new_event",
        "news",
        "open_lanes",
        "parked",
        "pumps",
        "ready",
        "waiting",
        "wanted",
    )
    closes = True
    busy = False
    any_task = True

    def __init__(self, new_event: type[Event]) -> None:
        self.new_event = new_event
        self.ready: list[Lane] | deque[Lane] = []  # lanes with items, in turn
        self.parked: list[Event] = []  # producers that wait for a reader
        self.waiting: Event | None = None  # the reader, if it waits
        self.wanted = 0  # how many items a reader waits for
        self.open_lanes = 0
        self.error: BaseException | None = None  # which is still to be raised
        self.failed: BaseException | None = None  # the same, raised or not
        self.closed = False
        self.news = False  # whether something has changed since the reader has looked
        self.lanes: list[Lane] = []
        self.pumps: list[Pump] = []

    @property
    def holds(self) -> bool:
        return not all(pump.done for pump in self.pumps)

    def lane(self, bound: int, overflow: str = "wait", low: int | None = None) -> Lane:
        lane = Lane(self, bound, low) if overflow == "wait" else LANES[overflow](self, bound)
        self.add(lane)
        return lane

    def add(self, lane: Lane) -> None:
        self.open_lanes += 1
        self.lanes.append(lane)
        if len(self.lanes) == SHORT:
            self.ready = deque(self.ready)

    # -- from the lanes ---------------------------------------------------------------------

    def arrived(self, lane: Lane) -> None:
        """The first item has come into a lane."""
        self.ready.append(lane)
        self.wake()

    def finished(self, lane: Lane, error: BaseException | None) -> None:
        self.open_lanes -= 1
        if error is not None:
            self.fail(error)
        elif not self.open_lanes:
            self.wake()

    def fail(self, error: BaseException) -> None:
        """Stop everything; the reader gets the error after the items that wait for it."""
        self.error = self.failed = error
        self.stop()

    def add_siblings(self, pump: "Pump") -> None:
        """Attach what nobody reads of a task to the error that has stopped it, if there is one."""
        if pump.unread and self.failed is not None:
            pump.tell(self.failed)

    def end(self) -> None:
        """Stop everything; the reader gets the end after the items that wait for it."""
        self.open_lanes = 0
        self.stop()

    def stop(self) -> None:
        """Tell those who fill this mailbox that nothing more will be read."""
        for lane in self.lanes:
            lane.stop()
        for pump in self.pumps:
            pump.interrupt()
        self.wake()

    def wake(self) -> None:
        self.news = True
        if self.waiting is not None:
            self.waiting.set()

    # -- for the reader ---------------------------------------------------------------------

    async def batch(self) -> Iterator[Any] | None:
        if self.available():
            await checkpoint()  # before the take; waiting is a checkpoint, too
        while not self.available():
            if self.error is not None:
                error, self.error = self.error, None
                raise error
            if self.closed:
                raise StreamClosedError("the stream was closed while it was read")
            if self.ended():
                return None
            await checkpoint_if_cancelled()  # in a cancelled scope nothing is asked for
            self.wanted, self.news = 1, False
            for event in self.parked:
                event.set()
            self.parked.clear()
            try:
                await checkpoint()  # those who are ready have come by then
                if not self.news:
                    self.waiting = self.new_event()
                    await self.woken(self.waiting)
            finally:
                self.wanted, self.waiting = 0, None  # a cancelled reader withdraws its demand
        return self.items()

    def woken(self, wake: Event) -> Awaitable[object]:
        """Wait until something has changed."""
        return wake.wait()

    def available(self) -> bool:
        """Whether there is something to read now."""
        return bool(self.ready)

    def ended(self) -> bool:
        """Whether nothing will come, now that nothing is there; may raise an error."""
        return self.open_lanes <= 0

    def items(self) -> Iterator[Any]:
        """What is there, an item of each lane in turn."""
        due = clock() + QUANTUM
        ready = self.ready
        while ready:
            lane = ready[0]
            items = lane.items
            item = items[0]
            del items[0]
            if not items:
                del ready[0]
            elif len(ready) > 1:
                del ready[0]
                ready.append(lane)
            if lane.parked:
                lane.taken()
            yield item
            if clock() > due:
                return

    def take(self) -> Any:
        """An item of the lane whose turn it is."""
        return next(Mailbox.items(self))

    async def close(self, host: "Host") -> None:
        """Stop those who fill this mailbox, and wait until they have closed what they read."""
        self.closed = True
        if self.error is not None:
            host.leave_unread(self.error)
        self.stop()
        await host.stopped(self.pumps)
