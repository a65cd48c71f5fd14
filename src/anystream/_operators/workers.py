"""Operators that call a function in several tasks at a time: map, filter, flat_map."""

from collections.abc import Callable, Iterator
from functools import partial
from math import inf
from sys import maxsize
from types import CoroutineType
from typing import Any

from anyio import current_time

from .._batches import MISSING, Recipe, Source, opened
from .._host import Host
from .._mailbox import Lane, Mailbox
from .._origins import as_source
from .._pump import Pump
from .._reader import Turns
from .._siblings import attach
from .._steps import EMPTY, is_awaitable, resolved, unless_foreign
from .concurrent import leave, supply, transfer


class Feed:
    """The items of a stream, one at a time to whichever worker asks first.

    A plain source is stepped by the workers themselves. Any other one keeps a task of its own, and
    is asked for an item only when a worker waits for it.
    """

    def __init__(self, stream: Recipe, host: Host, workers: int) -> None:
        self.workers = workers
        self.new_event = host.pipeline.new_event
        self.items: Iterator[Any] = EMPTY
        self.turns = Turns()
        self.over = False
        self.error: BaseException | None = None
        pump = Pump(host)
        self.source: Source = opened(stream, pump)
        if not self.source.any_task:
            box = Mailbox(self.new_event)
            supply(pump, self.source, box.lane(0))
            self.source = box

    def now(self) -> Any:
        """The next item if it is there, or MISSING; an error is told once, and is the end."""
        try:
            return next(self.items, MISSING)
        except BaseException as exc:
            self.over, self.error = True, exc
            raise

    async def next(self) -> Any:
        """The next item, or MISSING at the end; an error as by `now`."""
        try:
            while not self.over:
                for item in self.items:
                    return item
                if self.turns.taken:
                    await self.turns.wait(self.new_event)
                else:
                    await self.refill()
        except BaseException as exc:
            self.over, self.error = True, exc
            raise
        return MISSING

    async def refill(self) -> None:
        self.turns.taken = True
        try:
            batch = await self.source.batch()
        finally:
            self.turns.end()
        self.over = batch is None
        self.items = EMPTY if batch is None else batch

    def left(self) -> list[Source]:
        """A worker leaves; the last one has to close what this returns."""
        self.workers -= 1
        return [] if self.workers else [self.source]


COROUTINE: type = CoroutineType

INSTANT = 0.01
"""Seconds in which tasks fail at the same time, whichever of them the event loop runs first."""

IDLE = maxsize
"""In the place of a place: a worker that has no item."""


class Failure:
    """In the place of a result: the function has failed."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class Pool:
    """Workers that call a function, and a lane for its results.

    A place in the lane is promised before an item is taken, so that no more than `bound` items are
    taken and not yet read, be they in work, waiting for an earlier one, or finished.
    """

    def __init__(
        self,
        bind: Callable[[Host], Callable[[Any], Any]],
        feed: Feed,
        box: Mailbox,
        bound: int,
        ordered: bool,
    ) -> None:
        self.bind = bind
        self.feed = feed
        self.box = box
        self.lane = box.lane(bound, low=bound - 1)
        self.ordered = ordered
        self.started = 0  # how many items have been taken
        self.delivered = 0  # how many results have gone into the lane
        self.early: dict[int, Any] = {}  # results by place that wait for those before them
        self.places: dict[Pump, int] = {}  # of the workers' items
        self.error: BaseException | None = None  # of the feed, which comes after the last result
        self.failure: BaseException | None = None  # of the first item, in order, that has failed
        self.failed_at = -inf

    def hire(self, host: Host) -> None:
        pump = Pump(host)
        self.box.pumps.append(pump)
        self.places[pump] = IDLE
        pump.start(partial(self.work, pump))

    async def work(self, pump: Pump) -> None:
        """The body of a worker."""
        try:
            await self.serve(pump)
        except BaseException as exc:
            error = pump.unless_stopped(exc)
            if error is not None:
                self.failed(pump, error)
        del self.places[pump]
        last = self.feed.left()
        if last and self.error is not None and self.lane.stopped:
            pump.add_unread(self.error)  # nobody has come to it, and it is not of this task
            self.error = None
        for source in last:
            await leave(pump, self.lane, self.error, source)
        self.box.add_siblings(pump)

    async def serve(self, pump: Pump) -> None:
        lane, items, places, fn = self.lane, self.lane.items, self.places, self.bind(pump)
        bound = lane.bound
        while (lane.promised + len(items) < bound and not lane.stopped) or await self.room(pump):
            lane.promised += 1
            item = self.feed.now()
            if item is MISSING:
                places[pump] = IDLE
                item = await self.feed.next()
                if item is MISSING or lane.stopped:  # nothing would interrupt the function then
                    return
            places[pump] = place = self.started
            self.started = place + 1
            try:
                result = fn(item)
                if type(result) is COROUTINE or is_awaitable(result):
                    result = await result
            except BaseException as exc:
                unless_foreign(exc, fn)
                raise
            if place == self.delivered or not self.ordered:
                self.deliver(result)
            else:
                self.early[place] = result

    async def room(self, pump: Pump) -> bool:
        self.places[pump] = IDLE
        return await self.lane.wait_for_room(pump)

    def deliver(self, result: Any) -> None:
        """A result whose turn it is, and those that have waited for it."""
        self.put(result)
        while self.early and self.delivered in self.early:
            result = self.early.pop(self.delivered)
            if isinstance(result, Failure):
                self.box.fail(result.error)
                return
            self.put(result)

    def put(self, result: Any) -> None:
        self.delivered += 1
        self.lane.promised -= 1
        self.lane.put(result)

    def failed(self, pump: Pump, error: BaseException) -> None:
        """What comes before a failed item is still wanted; what comes after it is stopped."""
        place = self.places[pump]
        if pump.stopping:
            pump.unheard(error)
            if pump.unread and self.failure is not None:
                pump.tell(self.failure)
        elif place == IDLE or error is self.feed.error:
            self.error = error
        else:
            self.fails(error)
            if place == self.delivered or not self.ordered:
                self.box.fail(error)
            self.early[place] = Failure(error)
            self.lane.stop()
            for other, at in self.places.items():
                if at > place:
                    other.interrupt()

    def fails(self, error: BaseException) -> None:
        """An item has failed that comes before all that have failed so far."""
        now = current_time()
        if self.failure is not None and now - self.failed_at < INSTANT:
            attach(error, (self.failure,))
        self.failure, self.failed_at = error, now


def mapped(
    stream: Recipe,
    bind: Callable[[Host], Callable[[Any], Any]],
    workers: int,
    ordered: bool,
    ahead: int,
) -> Callable[[Host], Source]:
    """The results of a function that so many workers call at a time; `bind` gives it to each."""

    def origin(host: Host) -> Source:
        box = Mailbox(host.pipeline.new_event)
        pool = Pool(bind, Feed(stream, host, workers), box, workers + ahead, ordered)
        for _ in range(workers):
            pool.hire(host)
        return box

    return origin


def paired(fn: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`fn`, but giving its result and the item."""

    async def call(item: Any) -> tuple[Any, Any]:
        return await resolved(fn(item)), item

    return call


def flattened(stream: Recipe, fn: Callable[[Any], Any], workers: int) -> Callable[[Host], Source]:
    """The items of the streams that `fn` gives, so many of them open at a time."""

    def origin(host: Host) -> Source:
        box = Mailbox(host.pipeline.new_event)
        feed = Feed(stream, host, workers)
        for _ in range(workers):
            pump = Pump(host)
            box.pumps.append(pump)
            pump.start(partial(expand, pump, fn, feed, box.lane(0)))
        return box

    return origin


async def expand(pump: Pump, fn: Callable[[Any], Any], feed: Feed, lane: Lane) -> None:
    """The body of a pump: one inner stream after the other, into a lane of its own."""
    error: BaseException | None = None
    inner: list[Source] = []
    try:
        while not pump.stopping and (item := await feed.next()) is not MISSING:
            if pump.stopping:  # nothing would interrupt the function then
                break
            inner = [as_source(await resolved(fn(item)), pump, made=True)]
            await transfer(pump, inner[0], lane)
            await pump.finish(inner.pop())
    except BaseException as exc:
        error = pump.unless_stopped(exc)
    await leave(pump, lane, error, *inner, *feed.left())
