"""A crew of workers, and what they take items from: each item goes to one of them.

A source of which nothing stays suspended between two batches is stepped by the workers themselves,
in turn: `SteppedInTurn`. Any other one keeps a task of its own, which hands each item to the worker
that has waited longest: `HandedOut`. Either way an item is asked for only when a worker waits for
it and there is room for what comes of it, and its place among all items is known as it is taken:
trio resumes tasks in any order.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from sys import maxsize
from typing import Any

from .._core.channel import Channel, Lane, numbered
from .._core.contracts import MISSING, Openable, Owner, Slot, Source
from .._core.driver import EMPTY
from .._core.producer import PARKED, RUNNING, LaneProducer, Mover
from .._core.turns import FairQueue

IDLE = maxsize
"""In the place of a place: a worker that has no item."""


class Worker(LaneProducer):
    """One of several tasks that take items from one supply."""

    __slots__ = ("_answer", "_new_slot", "crew", "place", "replaced", "seat", "supply")

    def __init__(self, crew: "Crew", seat: int) -> None:
        super().__init__(crew.owner)
        self.crew = crew
        self.supply = crew.supply
        self.replaced = False  # by another one, in the middle of a run
        self.seat = seat  # its number among the workers that may be there
        self.place = IDLE  # of its item among all that were taken
        self._new_slot = crew.owner.backend.new_slot
        self._answer = crew.owner.backend.answer

    def name(self) -> str:
        return numbered(self.crew.channel.text(), self.seat, self.crew.size)

    @property
    def waits_for(self) -> str | None:
        idle = self.place == IDLE
        parked = None if idle and self.supply.now is None else super().waits_for
        return parked or ("items" if idle and self.begun else None)

    def reads(self) -> Iterable[Source]:
        return (self.supply.source,)

    def steps(self) -> Iterable[Source]:
        return ()

    def wait_for_item(self) -> Slot:
        """From here on this waits for an item, and for nothing else: for what the slot is given."""
        self._wake = slot = self._new_slot()
        self._state = PARKED
        self.place = IDLE
        return slot

    def hand(self, item: Any, place: int) -> None:
        """Give it what it waits for: the item of this place, or MISSING at the end."""
        assert self._wake is not None
        self._state = RUNNING
        self.place = place
        self._answer(self._wake, item)

    def interrupt(self) -> None:
        if self._state is PARKED:
            self.supply.withdraw(self)
        super().interrupt()


class Crew(ABC):
    """The workers: each is there before its item, and only if the others are busy.

    Workers that are allowed but not needed cost nothing.
    """

    supply: "Supply"
    channel_type: type[Channel] = Channel

    def __init__(self, owner: Owner, size: int) -> None:
        self.owner = owner
        self.channel = self.channel_type(owner.backend)
        self.size = size
        self._hired = 0
        self._newest: Worker | None = None

    def open(self, stream: Openable) -> Source:
        """Begin to read `stream`; what comes of it."""
        self.supply = supply(stream, self)
        self._hire_another()
        return self.channel

    @abstractmethod
    def results(self) -> Lane | None:
        """The lane that the workers share, if they do."""

    @abstractmethod
    def worker(self, seat: int) -> Worker:
        """Another one, which begins."""

    def vacant(self) -> int:
        """How many others may be hired, as far as there is room for what comes of their items."""
        results = self.results()
        vacant = self.size - self._hired
        return vacant if results is None else min(vacant, max(0, results.room()))

    def _hire_another(self) -> None:
        self._hired += 1
        self._hire(self._hired)

    def _hire(self, seat: int) -> None:
        self.supply.joined()
        self._newest = self.worker(seat)

    def all_are_busy(self) -> None:
        """No worker waits for the next item: hire one, unless one is about to begin."""
        if self._hired == self.size or self._newest is None or not self._newest.begun:
            return
        if self.channel.is_open:
            self._hire_another()

    def replace(self, worker: Worker) -> bool:
        """Hire another one in the place of a worker, which has to leave; False at the end.

        What a function has set in the context of one cannot all be taken back there, and is not for
        the next item. So that worker leaves, and the new one begins in the context of the opening.
        """
        if not self.channel.is_open:
            return False
        self._hire(worker.seat)
        worker.replaced = True
        return True


class Supply(ABC):
    """The items of a stream, each for one worker."""

    now: Callable[[Worker], Any] | None
    """The next item if it is there, or MISSING; an error is told once, and is the end.

    Where it is None, `next` keeps a place for what comes of an item, too.
    """

    next: Callable[[Worker], Awaitable[Any]]
    """The next item, or MISSING at the end, which the worker has to see then.

    What comes for a worker that is stopped means nothing.
    """

    def __init__(self, source: Source, crew: Crew) -> None:
        self.source = source
        self._crew = crew
        self._workers = 0  # that are there
        self._over = False
        self._error: BaseException | None = None

    @abstractmethod
    def withdraw(self, worker: Worker) -> None:
        """It waits for no item any more, if it did: it is stopped."""

    @abstractmethod
    def see_the_end(self, worker: Worker) -> None:
        """A worker has come to the end: an error of the source is raised in the first that does."""

    def _fail(self, error: BaseException) -> None:
        """Nobody is to take any more."""
        self._over, self._error = True, error

    def has_raised(self, error: BaseException) -> bool:
        return error is self._error

    @abstractmethod
    def tell_where(self, worker: Worker, error: BaseException) -> None:
        """Let an error that this has raised, in the task of `worker`, tell where."""

    def joined(self) -> None:
        """A worker reads from here."""
        self._workers += 1

    def left(self, worker: Worker) -> list[Source]:
        """A worker leaves; the last one has to close what this returns."""
        self._workers -= 1
        return [] if self._workers else [self.source]


def supply(stream: Openable, crew: Crew) -> Supply:
    """Open what a crew reads."""
    mover = Mover(crew.owner)
    source = mover.read(stream)
    if source.any_task:
        return SteppedInTurn(source, crew, stream)
    hands = Hands(crew)
    mover.fill(hands)
    return HandedOut(hands, crew)


class SteppedInTurn(Supply):
    """The workers step the source themselves, one at a time."""

    def __init__(self, source: Source, crew: Crew, stream: Openable) -> None:
        super().__init__(source, crew)
        self.now, self.next = self._now, self._next
        self._stream = stream  # that was opened as the source
        self._ask_for = source.asker()
        self._new_event = crew.owner.backend.new_event
        self._items: Iterator[Any] = EMPTY
        self._taken = 0  # items
        self._stepping = False  # whether a worker waits for a batch
        self._queue = FairQueue()
        self._waiting = 0  # workers in the queue

    def tell_where(self, worker: Worker, error: BaseException) -> None:
        worker.locate(error, self.source, self._stream)

    def _now(self, worker: Worker) -> Any:
        try:
            for item in self._items:
                worker.place = self._taken
                self._taken += 1
                if not (self._stepping or self._waiting):
                    self._crew.all_are_busy()
                return item
        except BaseException as exc:
            self._fail(exc)
            raise
        worker.place = IDLE
        return MISSING

    async def _next(self, worker: Worker) -> Any:
        try:
            while not self._over:
                item = self._now(worker)
                if item is not MISSING:
                    return item
                results = self._crew.channel
                if results.timing is not None:
                    results.timing.items.begin()
                try:
                    await (self._wait() if self._stepping else self._refill())
                finally:
                    if results.timing is not None:
                        results.timing.items.end()
        except BaseException as exc:
            self._fail(exc)
            raise
        return MISSING

    def withdraw(self, worker: Worker) -> None:
        """It is interrupted where it waits."""

    def see_the_end(self, worker: Worker) -> None:
        """The worker that has asked for the batch was told."""

    def _fail(self, error: BaseException) -> None:
        super()._fail(error)
        self._items = EMPTY  # also not in the batch that has failed

    async def _wait(self) -> None:
        """Wait for what another worker gets."""
        self._waiting += 1
        self._ask()
        try:
            await self._queue.wait(self._new_event, self._is_stepping)
        finally:
            self._waiting -= 1

    async def _refill(self) -> None:
        self._stepping = True
        self._ask()
        try:
            batch = await self.source.batch()
        finally:
            self._stepping = False
            self._queue.wake()
        self._over = batch is None
        self._items = EMPTY if batch is None else batch

    def _ask(self) -> None:
        """Ask for an item for each worker that waits, or that one may be hired for."""
        if self._ask_for is not None:
            self._ask_for(1 + self._waiting + self._crew.vacant())

    def _is_stepping(self) -> bool:
        return self._stepping


class Hands(Lane):
    """A lane that keeps nothing: an item goes to the worker that has waited longest.

    With the item a place is promised in the lane of the results, if they share one.
    """

    __slots__ = ("_answer", "_crew", "_gate", "_results", "_taken", "_waiting")

    def __init__(self, crew: Crew) -> None:
        channel = Channel(crew.owner.backend, crew.channel)
        super().__init__(channel, 0)
        channel.add(self)
        self._answer = channel.backend.answer
        self._crew = crew
        self._results = crew.results()
        self._taken = 0  # items
        self._waiting: deque[Worker] = deque()
        self._gate: Slot | None = None  # at which who brings the items waits

    def ask(self, worker: Worker) -> Awaitable[Any]:
        """A worker waits from now on: for an item, or for MISSING at the end."""
        if self.stopped or self.over:
            worker.place = IDLE
            return no_item()
        self._waiting.append(worker)
        if self._gate is not None and len(self._waiting) == 1:
            self._open_gate(self._gate)
        timing = self._crew.channel.timing
        if timing is not None:
            timing.items.begin()
        return worker.wait_for_item()

    def withdraw(self, worker: Worker) -> None:
        """It waits no more, if it did: it is stopped."""
        if worker in self._waiting:
            self._waiting.remove(worker)
            self._has_waited()

    def _has_waited(self) -> None:
        timing = self._crew.channel.timing
        if timing is not None:
            timing.items.end()

    def takes(self) -> bool:
        if not self._waiting or self.stopped:
            return False
        return self._results is None or self._results.takes()

    def room(self) -> int:
        return len(self._waiting) + self._crew.vacant()

    def fill(self, batch: Iterator[Any]) -> bool:
        if not self.takes():
            return False
        waiting, results, timing = self._waiting, self._results, self._crew.channel.timing
        room = maxsize if results is None else results.room()
        before = self._taken
        try:
            for item in batch:
                waiting.popleft().hand(item, self._taken)
                self._taken += 1
                if timing is not None:
                    timing.items.end()
                if not waiting:
                    self._crew.all_are_busy()
                    return False
                if self._taken - before == room:
                    return False
            return True
        finally:
            self.channel.came(self._taken - before)
            if results is not None:
                results.reserve(self._taken - before)

    def gate(self) -> Slot:
        """What to await for a worker that waits and, if they share a lane, for room in that."""
        results, last = self._results, self._gate
        if results is not None and last is not None:
            results.leave_gate(last)
        self._gate = slot = self.channel.backend.new_slot()
        if results is not None and self._waiting:
            results.park(slot)
        return slot

    def _open_gate(self, slot: Slot) -> None:
        """There is a worker: there has to be room for what comes of its item, too."""
        if self._results is None or self._results.takes():
            self._answer(slot)
        else:
            self._results.leave_gate(slot)  # it may stand there already
            self._results.park(slot)

    def stop(self) -> None:
        super().stop()
        if self._gate is not None:
            self._answer(self._gate)
        self._dismiss()

    def finish(self, error: BaseException | None = None) -> None:
        super().finish(error)
        self._dismiss()

    def _dismiss(self) -> None:
        """Tell those who wait that there is nothing for them."""
        while self._waiting:
            worker = self._waiting.popleft()
            self._has_waited()
            worker.hand(MISSING, IDLE)


class HandedOut(Supply):
    """A task of its own reads the source, and hands out the items."""

    def __init__(self, hands: Hands, crew: Crew) -> None:
        super().__init__(hands.channel, crew)
        self.now, self.next = None, hands.ask
        self._channel = hands.channel
        self._hands = hands

    def withdraw(self, worker: Worker) -> None:
        self._hands.withdraw(worker)

    def tell_where(self, worker: Worker, error: BaseException) -> None:
        """The task that has read the source has seen to that."""

    def see_the_end(self, worker: Worker) -> None:
        if self._over or worker.stopped:
            return
        self._over = True
        try:
            self._channel.is_over()
        except BaseException as exc:
            self._fail(exc)
            raise

    def left(self, worker: Worker) -> list[Source]:
        self._hands.withdraw(worker)
        return super().left(worker)


async def no_item() -> Any:
    return MISSING
