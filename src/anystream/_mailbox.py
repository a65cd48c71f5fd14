"""What sits between two segments: a mailbox, with a lane for each task that fills it.

Items wait in lanes, in bounded queues, and are taken out by the reader itself, in turn from every
lane that has some: a wake-up only says that it is worth looking. So neither a timed-out nor a
natively cancelled reader can lose an item. One wake-up serves all items that have gathered since,
and a batch goes on for as long as there are more.
"""

from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from time import perf_counter as clock
from typing import TYPE_CHECKING, Any

from anyio import Event
from anyio.lowlevel import checkpoint, checkpoint_if_cancelled

from ._batches import QUANTUM
from ._errors import StreamClosedError

if TYPE_CHECKING:
    from ._run import Host, Pump


class Lane:
    """One producer's way into a mailbox: at most `bound` items wait in it.

    With a bound of 0 there is room for one item, and only while a reader waits for it.
    """

    def __init__(self, box: "Mailbox", bound: int) -> None:
        self.box = box
        self.bound = bound
        self.items: deque[Any] = deque()
        self.parked: list[Event] = [] if bound else box.parked

    def room(self) -> int:
        """How many items may be put in now."""
        if self.box.stopped:
            return 0
        return (self.bound or self.box.wanted) - len(self.items)

    async def wait_for_room(self) -> bool:
        """Wait until there is room; False if nothing will be read any more."""
        while not self.box.stopped:
            if self.room() > 0:
                return True
            event = self.box.new_event()
            self.parked.append(event)
            try:
                await event.wait()
            finally:
                if event in self.parked:
                    self.parked.remove(event)
        return False

    def fill(self, batch: Iterator[Any]) -> bool:
        """Move as many items as there is room for; True if the batch is exhausted."""
        room, before = self.room(), len(self.items)
        try:
            self.items.extend(islice(batch, room))
        finally:
            if not before and self.items:
                self.box.arrived(self)
        return len(self.items) - before < room

    def taken(self) -> None:
        """An item has been read: wake a producer, but not for every single place."""
        if self.parked and self.bound and len(self.items) <= self.bound // 2:
            self.parked.pop(0).set()

    def finish(self, error: BaseException | None = None) -> None:
        """Nothing more will come through this lane; an error comes after what is in it."""
        box = self.box
        box.open_lanes -= 1
        if error is not None and box.error is None:
            box.error = error
            box.stop()
        elif box.waiting is not None and not box.open_lanes:
            box.waiting.set()


class Mailbox:
    """The source of the segment behind it: what the lanes bring, fairly."""

    closes = True
    busy = False

    def __init__(self, new_event: Callable[[], Event]) -> None:
        self.new_event = new_event
        self.ready: deque[Lane] = deque()  # lanes with items, in turn
        self.parked: list[Event] = []  # producers that wait for a reader
        self.waiting: Event | None = None  # the reader, if it waits
        self.wanted = 0  # how many items a reader waits for
        self.open_lanes = 0
        self.error: BaseException | None = None
        self.stopped = False
        self.lanes: list[Lane] = []
        self.pumps: list[Pump] = []

    @property
    def holds(self) -> bool:
        return not all(pump.done.is_set() for pump in self.pumps)

    def lane(self, bound: int) -> Lane:
        self.open_lanes += 1
        lane = Lane(self, bound)
        self.lanes.append(lane)
        return lane

    def arrived(self, lane: Lane) -> None:
        self.ready.append(lane)
        if self.waiting is not None:
            self.waiting.set()

    def stop(self) -> None:
        """Nothing will be read any more: there is no room, and nobody waits for it."""
        self.stopped = True
        for lane in self.lanes:
            for event in lane.parked:
                event.set()
        if self.waiting is not None:
            self.waiting.set()

    async def batch(self) -> Iterator[Any] | None:
        if self.ready:
            await checkpoint()  # before the take; waiting is a checkpoint, too
        while not self.ready:
            if self.error is not None:
                error, self.error, self.open_lanes = self.error, None, 0
                raise error
            if self.stopped:
                raise StreamClosedError("the stream was closed while it was read")
            if not self.open_lanes:
                return None
            await checkpoint_if_cancelled()  # asyncio may wake us before it delivers a cancellation
            await self.wait()
        return self.items()

    async def wait(self) -> None:
        self.wanted, self.waiting = 1, self.new_event()
        for event in self.parked:
            event.set()
        self.parked.clear()
        try:
            await self.waiting.wait()
        finally:
            self.wanted, self.waiting = 0, None  # a cancelled reader withdraws its demand

    def items(self) -> Iterator[Any]:
        due = clock() + QUANTUM
        while self.ready:
            lane = self.ready.popleft()
            item = lane.items.popleft()
            if lane.items:
                self.ready.append(lane)
            lane.taken()
            yield item
            if clock() > due:
                return

    async def close(self, host: "Host") -> None:
        """Stop those who fill this mailbox, and wait until they have closed what they read."""
        self.stop()
        await host.stop(self.pumps)
