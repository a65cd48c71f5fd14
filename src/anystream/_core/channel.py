"""What sits between two segments: a channel, with a lane for each task that fills it.

Items wait in lanes, in bounded queues, and are taken out by the reader itself, in turn from every
lane that has some: a wake-up only says that it is worth looking. So neither a timed-out nor a
natively cancelled reader can lose an item. One wake-up serves all items that have gathered since,
and a batch continues for as long as there are more.

The states of a channel, and what each of them holds:

| state | the reader gets | holds |
|---|---|---|
| OPEN | items, and waits for more | how many lanes are open |
| FAILING | the items that are there, then the error | the error |
| FAILED | the items that are there, then `StreamClosedError` | the error |
| CUT | the items that are there, then `StreamClosedError` | |

It has ended when it is OPEN and no lane is.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from enum import Enum
from itertools import chain, count, islice, zip_longest
from operator import itemgetter
from typing import Any, NamedTuple

from .._errors import StreamClosedError, StreamOverflowError
from .contracts import (
    MISSING,
    QUANTUM,
    Backend,
    Named,
    Owner,
    Slot,
    SourceDefaults,
    Task,
    clock,
)

FIRST = itemgetter(0)

SHORT = 64
"""Up to this many items a list is as fast as a deque [buffer-64], and smaller [open-memory]."""

FEW = 1000
"""Up to this many items are taken out in an instant: a hundredth of a millisecond."""

AT_A_TIME = 64
"""How many items are asked for at a time where all are kept."""

OVERFLOWS = ("wait", "drop_oldest", "drop_newest", "error")
"""What a lane can do when an item comes and there is no room."""


numbers = count(1)


class Counts(NamedTuple):
    """Items of a channel so far; those that are neither waiting nor dropped were read."""

    passed: int
    waiting: int
    dropped: int


class StageOrigin(NamedTuple):
    """The call that a channel came about by, which is one object for all openings."""

    call: Named | None
    feeds: bool  # whether it is the channel between the tasks of that


class Gone(NamedTuple):
    """What tasks have counted that are over, and that nobody refers to any more."""

    caught: int
    retried: int
    waited: float

    def and_of(self, task: Task) -> "Gone":
        return Gone(
            self.caught + task.caught, self.retried + task.retried, self.waited + task.waited
        )


NOBODY = Gone(0, 0, 0.0)
"""One for all: each opening would make another one [open]."""


def in_turn(parts: list[list[Any]]) -> Iterator[Any]:
    """An item of each in turn."""
    if max(map(len, parts), default=0) <= 1:
        return chain.from_iterable(parts)
    rows = zip_longest(*parts, fillvalue=MISSING)
    return (item for item in chain.from_iterable(rows) if item is not MISSING)


class Waits:
    """How long tasks have waited at one place, all together."""

    __slots__ = ("_now", "_since", "_waiting")

    def __init__(self, waiting: int, now: Callable[[], float]) -> None:
        self._now = now
        self._waiting = waiting
        self._since = now() * waiting  # the sum of the times at which those who wait began

    def begin(self) -> None:
        self._waiting += 1
        self._since += self._now()

    def end(self) -> None:
        self._waiting -= 1
        self._since -= self._now()

    def seconds(self) -> float:
        return self._waiting * self._now() - self._since


class Seconds(NamedTuple):
    """Waits for room, for items to work on, and of the reader."""

    room: float
    items: float
    reader: float


class Timing(NamedTuple):
    """The same, while they are measured."""

    room: Waits
    items: Waits
    reader: Waits


class Lane:
    """One way into a channel; producers wait while it is full.

    At most `bound` items wait in it or are promised to it. With a bound of 0 there is room for one
    item, and only while a reader waits for it. A producer that waits is woken when the items are
    down to `low`, and not for every single place.
    """

    part = ""
    """What its task does for the channel, if it brings no items."""

    suffices = True
    """Whether what comes by it, and by no other lane, may be what a reader waits for."""

    __slots__ = (
        "_items",
        "_low",
        "_parked",
        "_promised",
        "bound",
        "channel",
        "over",
        "spares",
        "stopped",
        "wakes_at",
    )

    def __init__(self, channel: "Channel", bound: int, low: int | None = None) -> None:
        self.channel = channel
        self.bound = bound
        self._low = bound // 2 if low is None else low
        self._items: list[Any] | deque[Any] = [] if bound <= SHORT else deque()
        self._promised: int = 0  # places that are kept for what is being computed
        # Plain attributes, since they are asked so often.
        self.stopped = False  # nothing more is wanted
        self.over = False  # nothing more will come
        self._parked: list[Slot] = [] if bound else channel.demand
        self.wakes_at = 1  # how many items wait when the reader is woken
        self.spares = True  # whether it may be woken late

    def task_name(self) -> str:
        """What the next task is called that fills it."""
        return self.channel.task_name(self.part)

    @property
    def has_items(self) -> bool:
        return bool(self._items)

    @property
    def exhausted(self) -> bool:
        """Whether nothing is there, and nothing more will come."""
        return self.over and not self._items

    def room(self) -> int:
        """How many items may be put in now."""
        if self.stopped:
            return 0
        return (self.bound or self.channel.wanted) - len(self._items) - self._promised

    def takes(self) -> bool:
        """Whether the producer may continue now."""
        used = len(self._items) + self._promised
        return used < (self.bound or self.channel.wanted) and not self.stopped

    def gate(self) -> Slot:
        """What to await for room, which is only for who asks for it."""
        slot = self.channel.backend.new_slot()
        self.park(slot)
        return slot

    def park(self, slot: Slot) -> None:
        """Let `slot` be answered when there is room."""
        self._parked.append(slot)

    def leave_gate(self, slot: Slot) -> None:
        """Wait for room no longer."""
        if slot in self._parked:
            self._parked.remove(slot)

    def waiting(self) -> int:
        """How many items wait in it."""
        return len(self._items)

    def put(self, item: Any) -> None:
        """Put one item in, for which there is room."""
        self.channel.passed += 1
        self._add(item)

    def _add(self, item: Any) -> None:
        self._items.append(item)
        if len(self._items) == 1:
            self.channel.arrived(self)
        elif len(self._items) == self.wakes_at:
            self.channel.wake()

    def spare(self) -> None:
        """Wake the reader, who takes all that comes, only once half of the room is used."""
        if self.spares:
            self.wakes_at = max(1, (self.bound or self.channel.asks) // 2)

    def fill(self, batch: Iterator[Any]) -> bool:
        """Move as many items as there is room for; False if there is no room, True if some is left.

        Then the batch is exhausted.
        """
        room = self.room()
        if room < 1:
            return False
        if room == 1:  # as always with a bound of 0
            for item in batch:
                self.put(item)
                return False
            return True
        return self.extend(islice(batch, room)) < room

    def extend(self, items: Iterator[Any]) -> int:
        """Put items in, whether or not there is room for them; how many they are."""
        before = len(self._items)
        try:
            self._items.extend(items)
        finally:
            after = len(self._items)
            self.channel.passed += after - before
            if not before and after:
                self.channel.arrived(self)
            if self.wakes_at > 1 and before < self.wakes_at <= after:
                self.channel.wake()
        return after - before

    def promise(self) -> bool:
        """Keep a place for an item that is being computed; False if there is none."""
        if len(self._items) + self._promised < self.bound and not self.stopped:
            self._promised += 1
            return True
        return False

    def reserve(self, places: int) -> None:
        """Keep this number of places, for which there is room."""
        self._promised += places

    def deliver(self, item: Any) -> None:
        """Put in an item to which a place was promised."""
        self._promised -= 1
        self.put(item)

    def pop(self) -> Any:
        """Take out the first item."""
        item = self._items[0]
        del self._items[0]
        return item

    def take_all(self) -> list[Any]:
        """Take out all of the items."""
        items = list(self._items)
        self._items.clear()
        if self.bound and self._parked:
            for _ in items:
                self.taken()
        return items

    def taken(self) -> None:
        """An item has been read: wake a producer, but not for every single place."""
        if self.bound and len(self._items) + self._promised <= self._low:
            self._wake_one()

    def _wake_one(self) -> None:
        if self._parked:
            self.channel.backend.answer(self._parked.pop(0))

    def stop(self) -> None:
        """Say that nothing more is wanted."""
        self.stopped = True
        self.channel.wake_all(self._parked)

    def finish(self, error: BaseException | None = None) -> None:
        """Say that nothing more will come; an error comes after what is there."""
        self.over = True
        self.channel.finished(self, error)


class NonBlocking(Lane):
    """A lane that never lets its producers wait."""

    __slots__ = ()

    def __init__(self, channel: "Channel", bound: int) -> None:
        super().__init__(channel, bound)
        self.spares = False  # a reader that comes later would miss more

    def takes(self) -> bool:
        return not self.stopped


class DropOldest(NonBlocking):
    """A lane whose oldest item makes room for the newest."""

    __slots__ = ()

    def __init__(self, channel: "Channel", bound: int) -> None:
        super().__init__(channel, bound)
        self._items = deque(maxlen=bound)

    def fill(self, batch: Iterator[Any]) -> bool:
        self.extend(batch)
        return True

    def extend(self, items: Iterator[Any]) -> int:
        before, number = len(self._items), count()
        try:
            self._items.extend(map(FIRST, zip(items, number, strict=False)))
        finally:
            came = next(number)
            self.channel.passed += came
            self.channel.dropped += max(0, before + came - self.bound)
            if not before and self._items:
                self.channel.arrived(self)
        return came


class DropNewest(NonBlocking):
    """A lane that drops what comes while it is full."""

    __slots__ = ()

    def fill(self, batch: Iterator[Any]) -> bool:
        if not super().fill(batch):
            number = count()
            try:
                deque[Any](maxlen=0).extend(zip(batch, number, strict=False))
            finally:
                self.channel.drop(next(number))
        return True


class Fail(NonBlocking):
    """A lane that fails when an item comes while it is full."""

    __slots__ = ()

    def fill(self, batch: Iterator[Any]) -> bool:
        if not super().fill(batch) and next(batch, MISSING) is not MISSING:
            self.channel.drop(1)
            raise StreamOverflowError(
                f"an item arrived while the buffer was full ({self.bound} items); read faster, or"
                " choose a larger buffer or another overflow policy"
            )
        return True


LANES: dict[str, Callable[["Channel", int], Lane]] = dict(
    zip(OVERFLOWS, (Lane, DropOldest, DropNewest, Fail), strict=True)
)


def numbered(text: str, number: int, of: int) -> str:
    """What one of several tasks of a call is called."""
    return f"{text} {number}/{of}" if of > 1 else text


class ChannelState(Enum):
    """The life of a channel; what each state means stands above."""

    OPEN = 1
    FAILING = 2
    FAILED = 3
    CUT = 4


OPEN, FAILING, FAILED, CUT = ChannelState


class Channel(SourceDefaults):
    """The source of the segment behind it: what the lanes bring, fairly."""

    __slots__ = (
        "_error",
        "_feeds",
        "_id",
        "_label",
        "_lanes",
        "_named",
        "_news",
        "_on_demand",
        "_open_lanes",
        "_ready",
        "_sparing",
        "_state",
        "_tasks",
        "_waiting",
        "_woken_late",
        "asks",
        "backend",
        "demand",
        "dropped",
        "gone",
        "opened_at",
        "passed",
        "timing",
        "wanted",
    )
    closes = True
    ends_waits = True
    begins_at_once = True
    """Whether a task may take its first item as soon as a reader waits for one."""

    ends_early = False
    """Whether it may have ended while a lane is open."""

    def __init__(self, backend: Backend, feeds: "Channel | None" = None) -> None:
        self.backend = backend
        self._feeds = feeds  # what its items are worked on for, if that is the same call
        self.demand: list[Slot] = []  # of those who wait for a reader to wait
        self.wanted = 0  # how many items a reader waits for
        self.asks = 1  # how many it waits for at a time
        self._sparing = False  # whether it takes all that comes
        self._woken_late = False  # and so not before a lane is half full
        self.passed = 0  # items that have come, be they read, waiting or dropped
        self.dropped = 0
        self.gone = NOBODY
        self.opened_at = backend.now()
        self.timing: Timing | None = None  # once somebody has asked
        self._state = OPEN
        self._error: BaseException | None = None
        self._open_lanes = 0
        self._on_demand = False  # whether a lane takes an item only if a reader waits for it
        self._id: int | None = None
        self._label: Named | None = None  # of the call that it came about by
        self._named = 0  # lanes whose tasks have got a name
        self._lanes: list[Lane] = []
        self._ready: list[Lane] | deque[Lane] = []  # lanes with items, in turn
        self._tasks: list[Task] = []  # that fill the lanes
        self._waiting: Slot | None = None  # of the reader, if it waits
        self._news = False  # whether something has changed since the reader has looked

    @property
    def holds(self) -> bool:
        return not all(task.done for task in self._tasks)

    @property
    def lanes(self) -> Sequence[Lane]:
        return self._lanes

    @property
    def tasks(self) -> Sequence[Task]:
        """The tasks that fill it."""
        return self._tasks

    @property
    def is_open(self) -> bool:
        """Whether it has neither failed nor been closed."""
        return self._state is OPEN

    @property
    def closed(self) -> bool:
        """Whether the reader gets no end any more."""
        return self._state is CUT

    @property
    def failure(self) -> BaseException | None:
        """The error that has stopped it, whether or not it was read."""
        return self._error

    @property
    def fails(self) -> bool:
        """Whether an error is still to be read."""
        return self._state is FAILING

    @property
    def read(self) -> bool:
        """Whether a reader waits."""
        return self._waiting is not None

    def lane(self, bound: int, overflow: str = "wait", low: int | None = None) -> Lane:
        """A new lane."""
        lane = Lane(self, bound, low) if overflow == "wait" else LANES[overflow](self, bound)
        self.add(lane)
        return lane

    def add(self, lane: Lane) -> None:
        """Read from `lane` as well."""
        self._open_lanes += 1
        self._lanes.append(lane)
        self._on_demand = self._on_demand or not lane.bound
        if self._sparing:
            self._spare_wakes()
        if len(self._lanes) == SHORT:
            self._ready = deque(self._ready)

    def add_silent(self, lane: Lane) -> None:
        """Stop `lane` with the others; it brings no items, and its end does not count."""
        self._lanes.append(lane)

    def is_of(self, call: Named) -> None:
        self._label = call

    def text(self) -> str:
        """The call that it came about by, or its name."""
        if self._feeds is not None:
            return f"{self._feeds.text()} source"
        return "anystream" if self._label is None else self._label.short()

    def origin(self) -> "StageOrigin":
        if self._feeds is not None:
            return StageOrigin(self._feeds.origin().call, True)
        return StageOrigin(self._label, False)

    def id(self) -> int:
        """A number that no other channel of the process has, from the first time it is asked on."""
        if self._id is None:
            self._id = next(numbers)
        return self._id

    def task_name(self, part: str) -> str:
        """What the next task is called that fills it."""
        if part:
            return f"{self.text()} {part}"
        self._named += 1
        return numbered(self.text(), self._named, max(self._open_lanes, self._named))

    # -- what is seen of it -----------------------------------------------------------------

    def feeders(self) -> Iterable[Task]:
        """The tasks that its items come from."""
        return chain(self._tasks, *(task.helpers() for task in self._tasks))

    def capacity(self) -> int:
        """How many items may wait in it; 0: they are asked for one by one."""
        return sum(lane.bound for lane in self._lanes if not lane.part)

    def counts(self) -> Counts:
        lanes = {id(lane): lane for lane in (*self._lanes, *self._ready)}  # of which some are over
        waiting = sum(lane.waiting() for lane in lanes.values())
        return Counts(self.passed, waiting, self.dropped)

    def came(self, items: int) -> None:
        """So many items have come."""
        self.passed += items

    def lose(self, items: int) -> None:
        """So many of those that were waiting are dropped."""
        self.dropped += items

    def drop(self, items: int) -> None:
        """So many items have come, and are dropped at once."""
        self.passed += items
        self.dropped += items

    def time_waits(self, room: int, items: int) -> None:
        """From now on measure how long tasks wait, of which so many do."""
        if self.timing is None:
            now = self.backend.clock()
            self.timing = Timing(*(Waits(number, now) for number in (room, items, self.read)))

    def waited(self) -> Seconds:
        """How long tasks have waited, as far as that is measured."""
        if self.timing is None:
            return Seconds(0.0, 0.0, 0.0)
        return Seconds(*(waits.seconds() for waits in self.timing))

    # -- who fills it -----------------------------------------------------------------------

    def filled_by(self, task: Task) -> None:
        """Stop `task` when nothing more is read."""
        self._tasks.append(task)

    def forget(self, lane: Lane, task: Task) -> None:
        """Stop neither any more: both are over. What is in the lane is read."""
        self._lanes = [each for each in self._lanes if each is not lane]
        self.forget_task(task)

    def forget_task(self, task: Task) -> None:
        """Do not stop it any more: it is over, and another one fills its lane."""
        self._tasks = [each for each in self._tasks if each is not task]
        self.outlives(task)

    def outlives(self, task: Task) -> None:
        """Keep what a task has counted that is over."""
        self.gone = self.gone.and_of(task)

    # -- from the lanes ---------------------------------------------------------------------

    def arrived(self, lane: Lane) -> None:
        """The first item has come into a lane."""
        self._ready.append(lane)
        if lane.wakes_at == 1:
            if self._waiting is None:  # as `wake`, whose call costs more [merge]
                self._news = True
            else:
                self.wake()

    def finished(self, lane: Lane, error: BaseException | None) -> None:
        """Nothing more will come through a lane."""
        self._open_lanes -= 1
        if error is not None:
            self.fail(error)
        elif not self._open_lanes:
            self.wake()

    def fail(self, error: BaseException) -> None:
        """Stop everything; the reader gets the error after the items that wait for it."""
        self._state, self._error = FAILING, error
        self.stop()

    def end(self) -> None:
        """Stop everything; the reader gets the end after the items that wait for it."""
        self._open_lanes = 0
        self.stop()

    def cut(self) -> None:
        """Let what has come be read, and no end after it: the tasks were stopped from outside."""
        if self._state is not FAILING:
            self._state = CUT

    def stop(self) -> None:
        """Tell those who fill this channel that nothing more will be read."""
        for lane in self._lanes:
            lane.stop()
        for task in self._tasks:
            task.interrupt()
        self.wake()

    def wake(self) -> None:
        """Let the reader look again."""
        if not self._news:
            self._news = True
            if self._waiting is not None:
                self.backend.answer(self._waiting)

    def wake_all(self, parked: list[Slot]) -> None:
        """Let all of them look again."""
        answer = self.backend.answer
        for slot in parked:
            answer(slot)
        parked.clear()

    # -- for the reader ---------------------------------------------------------------------

    def read_whole(self, *, kept: bool) -> None:
        if type(self) is Channel:  # others do something about each item as it comes
            self.spare(kept)

    def asker(self) -> Callable[[int], None] | None:
        return self.ask_for if type(self) is Channel and self._on_demand else None

    def ask_for(self, items: int) -> None:
        """Let the lanes bring this number together, since who reads has room for that."""
        self.asks = max(1, min(items, AT_A_TIME) // max(1, self._open_lanes))
        if self.wanted:  # it waits
            wanted, self.wanted = self.wanted, self.asks
            if wanted < self.asks:
                self.wake_all(self.demand)

    def spare(self, kept: bool) -> None:
        """Wake a reader who takes all that comes less often; ask for more at a time if it keeps it.

        Then several items wait in a lane with a bound of 0, too.
        """
        self._sparing = True
        if kept:
            self.asks = AT_A_TIME
        if self._lanes:
            self._spare_wakes()

    def _spare_wakes(self) -> None:
        """Of several lanes the reader tells the order, and so it is woken by the first item."""
        for lane in self._lanes:
            lane.wakes_at = 1
        first, *others = self._lanes
        if not others:
            first.spare()
        self._woken_late = first.wakes_at > 1 and not self._on_demand

    async def batch(self) -> Iterator[Any] | None:
        there = self.available()
        if there:
            await self.backend.checkpoint()  # before the take; waiting is a checkpoint, too
            there = self.available()
        while not there:
            may_be_over = self._open_lanes <= 0 or self._state is not OPEN or self.ends_early
            if may_be_over and self.is_over():  # whose call costs more than the look [buffer-64]
                return None
            if self._on_demand:
                await self.backend.checkpoint_if_cancelled()  # in a cancelled scope ask for nothing
            self._news = False
            self.wanted = self.asks
            if self.demand:
                self.wake_all(self.demand)  # of lanes with a bound of 0, which take an item now
            try:
                if not self._woken_late:
                    await self.backend.checkpoint()  # those who are ready have come by then
                if not self._news:
                    await self._wait()
            finally:
                self.wanted = 0  # also if it is cancelled
            there = self.available()
        return self._all() if self._sparing else self.items()

    async def _wait(self) -> None:
        """Wait until something has changed; time the wait once statistics were asked for."""
        self._waiting = self.backend.new_slot()
        if self.timing is not None:
            self.timing.reader.begin()
        try:
            await self.woken(self._waiting)
        finally:
            if self.timing is not None:
                self.timing.reader.end()
            self._waiting = None

    def is_over(self) -> bool:
        """Whether nothing more comes, if nothing is there; an error is raised here, once."""
        if self._state is OPEN:
            return self.ended()
        if self._state is FAILING:
            self._state = FAILED
            assert self._error is not None
            raise self._error
        raise StreamClosedError("the stream was closed while it was being read")

    def woken(self, wake: Slot) -> Awaitable[object]:
        """Wait until something has changed."""
        return wake

    def looks_again(self) -> bool:
        """Whether a reader that waits looks again at some time, though nothing has changed."""
        return False

    def available(self) -> bool:
        """Whether there is something to read now."""
        return bool(self._ready)

    def ended(self) -> bool:
        """True once every lane has finished. Asked only if nothing is available; may raise."""
        return self._open_lanes <= 0

    def items(self) -> Iterator[Any]:
        """What is there, an item of each lane in turn."""
        due = 0.0  # no look at the clock for a single item
        ready = self._ready
        while ready:
            lane = ready[0]
            items = lane._items  # pyright: ignore[reportPrivateUsage]  # a call costs too much here
            item = items[0]
            del items[0]
            if not items:
                del ready[0]
            elif len(ready) > 1:
                del ready[0]
                ready.append(lane)
            if lane.bound and lane._parked:  # pyright: ignore[reportPrivateUsage]  # as above
                lane.taken()
            yield item
            if ready:
                now = clock()
                due = due or now + QUANTUM
                if now > due:
                    return

    def _all(self) -> Iterator[Any]:
        """The same for a reader who takes all of it at once, unless that may take its time."""
        ready = self._ready
        if len(ready) == 1:
            return self.items() if ready[0].waiting() > FEW else iter(ready.pop().take_all())
        if len(ready) > FEW or sum([lane.waiting() for lane in ready]) > FEW:
            return self.items()
        parts = [lane.take_all() for lane in ready]
        ready.clear()
        return in_turn(parts)

    def take(self) -> Any:
        """An item of the lane whose turn it is."""
        return next(Channel.items(self))

    async def close(self, owner: Owner) -> None:
        """Stop those who fill this channel, and wait until they have closed what they read."""
        if self._state is FAILING and self._error is not None:
            owner.leave_unread(self._error)
        self._state = CUT
        self.stop()
        await owner.wait_for(self._tasks)
