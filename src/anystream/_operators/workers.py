"""Operators that call a function in several tasks at a time: map, filter, flat_map."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from math import inf
from sys import maxsize
from types import CoroutineType
from typing import Any

from anyio import current_time

from .._core.backends import unless_foreign
from .._core.channel import Channel
from .._core.contracts import MISSING, Openable, Owner, Source
from .._core.driver import EMPTY, is_awaitable, resolved
from .._core.producer import LaneProducer, Mover
from .._core.siblings import attach
from .._core.turns import FairQueue
from .._sources.origins import as_source


class SharedSource:
    """The items of a stream, one at a time to the worker that asks first.

    A plain source is stepped by the workers themselves. Any other one keeps a task of its own, and
    is asked for an item only when a worker waits for it.
    """

    _source: Source

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._workers = 0  # that are there
        self._new_event = owner.new_event
        self._items: Iterator[Any] = EMPTY
        self._stepping = False  # whether a worker waits for a batch
        self._queue = FairQueue()
        self._waiting = 0  # workers in the queue
        self._over = False
        self._error: BaseException | None = None
        self._channel: Channel | None = None  # of the task that reads the source, if one does

    def read(self, stream: Openable) -> None:
        """Open what the workers read."""
        mover = Mover(self._owner)
        self._source = mover.read(stream)
        if not self._source.any_task:
            self._source = self._channel = Channel(self._new_event)
            mover.fill(self._channel.lane(0))

    def now(self) -> Any:
        """The next item if it is there, or MISSING; an error is told once, and is the end."""
        try:
            return next(self._items, MISSING)
        except BaseException as exc:
            self._fail(exc)
            raise

    async def next(self) -> Any:
        """The next item, or MISSING at the end; an error as by `now`."""
        try:
            while not self._over:
                for item in self._items:
                    return item
                if self._stepping:
                    await self._wait()
                else:
                    await self._refill()
        except BaseException as exc:
            self._fail(exc)
            raise
        return MISSING

    def _fail(self, error: BaseException) -> None:
        """No worker is to step the source again, also not in the batch that has failed."""
        self._over, self._error, self._items = True, error, EMPTY

    async def _wait(self) -> None:
        """Wait for what another worker gets, and ask for an item more."""
        channel = self._channel
        self._waiting += 1
        if channel is not None:
            channel.ask()
        try:
            await self._queue.wait(self._new_event, self._is_stepping)
        finally:
            self._waiting -= 1
            if channel is not None:
                channel.withdraw()

    async def _refill(self) -> None:
        self._stepping = True
        try:
            batch = await self._source.batch()
        finally:
            self._stepping = False
            self._queue.wake(self._there())
        self._over = batch is None
        self._items = EMPTY if batch is None else batch

    def _there(self) -> int:
        """How many workers it is worth to wake: one finds the end, too."""
        return 1 if self._channel is None else max(1, self._channel.lanes[0].count())

    def _is_stepping(self) -> bool:
        return self._stepping

    def is_awaited(self) -> bool:
        """Whether a worker waits for an item."""
        return self._stepping or self._waiting > 0

    def has_raised(self, error: BaseException) -> bool:
        return error is self._error

    def joined(self) -> None:
        """A worker reads from here."""
        self._workers += 1

    def left(self) -> list[Source]:
        """A worker leaves; the last one has to close what this returns."""
        self._workers -= 1
        return [] if self._workers else [self._source]


class Worker(LaneProducer):
    """One of several tasks that read one source."""

    def __init__(self, crew: "Crew") -> None:
        super().__init__(crew.owner)
        self.source: SharedSource = crew.source


class Crew(ABC):
    """The workers: each is there before its item, and only if the others are busy.

    Workers that are allowed but not needed cost nothing.
    """

    def __init__(self, owner: Owner, size: int) -> None:
        self.owner = owner
        self.source = SharedSource(owner)
        self.channel = Channel(owner.new_event)
        self.vacant = size
        self._newest: Worker | None = None

    def open(self, stream: Openable) -> Source:
        """Begin to read `stream`; what comes of it."""
        self.source.read(stream)
        self.hire()
        return self.channel

    @abstractmethod
    def worker(self) -> Worker:
        """Another one, which begins."""

    def hire(self) -> None:
        self.vacant -= 1
        self.source.joined()
        self._newest = self.worker()

    def found_an_item(self) -> None:
        """A worker is busy from here on: hire the next one if nobody waits for an item."""
        if self.vacant and not self.source.is_awaited() and self._newest_is_busy():
            self.hire()

    def _newest_is_busy(self) -> bool:
        return self._newest is not None and self._newest.begun


COROUTINE: type = CoroutineType

INSTANT = 0.01
"""Seconds in which tasks fail at the same time, whichever of them the event loop runs first."""

IDLE = maxsize
"""In the place of a place: a worker that has no item."""


class Failure:
    """In the place of a result: the function has failed."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class Pool(Crew):
    """Workers that call a function, and a lane for its results.

    A place in the lane is promised before an item is taken, so that no more than `bound` items are
    taken and not yet read, be they in work, waiting for an earlier one, or finished.
    """

    def __init__(
        self,
        bind: Callable[[Owner], Callable[[Any], Any]],
        owner: Owner,
        workers: int,
        bound: int,
        ordered: bool,
    ) -> None:
        super().__init__(owner, workers)
        self.bind = bind
        self.lane = self.channel.lane(bound, low=bound - 1)
        self.ordered = ordered
        self._started = 0  # how many items have been taken
        self._delivered = 0  # how many results have gone into the lane
        self._early: dict[int, Any] = {}  # results by place that wait for those before them
        self._places: dict[Caller, int] = {}  # of the workers' items
        self._error: BaseException | None = None  # of the source, after the last result
        self._failure: BaseException | None = None  # of the first item, in order, that has failed
        self._failed_at = -inf

    @property
    def failure(self) -> BaseException | None:
        """The error of the first item, in order, that has failed."""
        return self._failure

    def worker(self) -> "Caller":
        caller = Caller(self)
        self.is_idle(caller)
        caller.fill(self.lane)
        return caller

    def is_idle(self, caller: "Caller") -> None:
        """A worker has no item."""
        self._places[caller] = IDLE

    def begins(self, caller: "Caller") -> int:
        """A worker has taken an item: the place of that."""
        self._places[caller] = place = self._started
        self._started = place + 1
        if self.vacant:
            self.found_an_item()
        return place

    def deliver(self, place: int, result: Any) -> None:
        """A result, and those that have waited for it if it is its turn."""
        if place != self._delivered and self.ordered:
            self._early[place] = result
            return
        self._delivered += 1
        self.lane.deliver(result)
        while self._early and self._delivered in self._early:
            result = self._early.pop(self._delivered)
            if isinstance(result, Failure):
                self.channel.fail(result.error)
                return
            self._delivered += 1
            self.lane.deliver(result)

    def failed(self, caller: "Caller", error: BaseException) -> None:
        """What comes before a failed item is still wanted; what comes after it is stopped."""
        place = self._places[caller]
        if place == IDLE or self.source.has_raised(error):
            self._error = error
            return
        self._attach_failure(error)
        if place == self._delivered or not self.ordered:
            self.channel.fail(error)
        self._early[place] = Failure(error)
        self.lane.stop()
        for other, at in self._places.items():
            if at > place:
                other.interrupt()

    def _attach_failure(self, error: BaseException) -> None:
        """An item has failed that comes before all that have failed so far."""
        now = current_time()
        if self._failure is not None and now - self._failed_at < INSTANT:
            attach(error, (self._failure,))
        self._failure, self._failed_at = error, now

    def left_by(self, caller: "Caller") -> BaseException | None:
        """A worker leaves: what the source has raised, which the last one has to report."""
        del self._places[caller]
        return self._error


class Caller(Worker):
    """A worker of a pool."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self.pool = pool
        self.last: list[Source] = []  # what to close after the last one
        self.reported = False  # whether the reader was given what the source has raised

    async def produce(self) -> None:
        pool, lane, source = self.pool, self.pool.lane, self.source
        fn = pool.bind(self)
        while lane.promise() or await self.room():
            item = source.now()
            if item is MISSING:
                pool.is_idle(self)
                item = await source.next()
                if item is MISSING or lane.stopped:  # nothing would interrupt the function then
                    return
            place = pool.begins(self)
            try:
                result = fn(item)
                if type(result) is COROUTINE or is_awaitable(result):
                    result = await result
            except BaseException as exc:
                unless_foreign(exc, fn)
                raise
            pool.deliver(place, result)

    async def room(self) -> bool:
        """Wait for a place in the lane, and keep it."""
        self.pool.is_idle(self)
        return await self.wait_for_room(self.pool.lane) and self.pool.lane.promise()

    def report(self, error: BaseException | None, stopped: bool, told: bool) -> bool:
        heard = error is None or not stopped
        if error is not None and heard:
            self.pool.failed(self, error)
        of_source = self.pool.left_by(self)
        self.last = self.source.left()
        if self.last and of_source is not None and self.pool.lane.stopped:
            self.leave_unread(of_source)  # nobody has come to it, and it is not of this task
        elif self.last:
            self.reported = super().report(of_source, stopped, told) and of_source is not None
        return heard

    def keep_unread(self, error: BaseException, told: bool) -> None:
        super().keep_unread(error, told)
        self.tell_of_unread(self.pool.failure)

    def reading(self) -> Iterable[Source]:
        return self.last

    def ended(self, reported: bool) -> None:
        if self.last:
            super().ended(self.reported)
        else:
            self.tell_of_unread(self.pool.channel.failure)


def mapped(
    stream: Openable,
    bind: Callable[[Owner], Callable[[Any], Any]],
    workers: int,
    ordered: bool,
    ahead: int,
) -> Callable[[Owner], Source]:
    """The results of a function that several workers call; `bind` gives it to each."""

    def open_source(owner: Owner) -> Source:
        return Pool(bind, owner, workers, workers + ahead, ordered).open(stream)

    return open_source


def paired(fn: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`fn`, but giving its result and the item."""

    async def call(item: Any) -> tuple[Any, Any]:
        return await resolved(fn(item)), item

    return call


def flattened(
    stream: Openable, fn: Callable[[Any], Any], workers: int
) -> Callable[[Owner], Source]:
    """The items of the streams that `fn` gives, several of them open at a time."""

    def open_source(owner: Owner) -> Source:
        return Expansion(fn, owner, workers).open(stream)

    return open_source


class Expansion(Crew):
    """Workers that read the streams which a function gives, each into a lane of its own."""

    def __init__(self, fn: Callable[[Any], Any], owner: Owner, workers: int) -> None:
        super().__init__(owner, workers)
        self.fn = fn

    def worker(self) -> "Expander":
        expander = Expander(self)
        expander.fill(self.channel.lane(0))
        return expander


class Expander(Worker):
    """A worker of an expansion: it reads one inner stream after the other."""

    def __init__(self, expansion: Expansion) -> None:
        super().__init__(expansion)
        self.expansion = expansion
        self.inner: list[Source] = []  # that is open

    async def produce(self) -> None:
        while not self.stopped and (item := await self.source.next()) is not MISSING:
            if self.stopped:  # nothing would interrupt the function then
                return
            self.expansion.found_an_item()
            inner = as_source(await resolved(self.expansion.fn(item)), self, made=True)
            self.inner.append(inner)
            await self.transfer(inner)
            await self.finish(self.inner.pop())

    def reading(self) -> Iterable[Source]:
        return self.inner

    async def close_sources(self) -> None:
        await super().close_sources()
        for source in self.source.left():
            await self.close(source)
