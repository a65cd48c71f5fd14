"""Operators that call a function in several tasks at a time: map, filter, flat_map."""

from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from math import inf
from sys import maxsize
from types import CoroutineType
from typing import Any, TypeAlias

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

    def __init__(self, stream: Recipe, host: Host) -> None:
        self.workers = 0  # that are there
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

    def is_awaited(self) -> bool:
        """Whether a worker waits for an item."""
        return self.turns.taken or bool(self.turns.queue)

    def left(self) -> list[Source]:
        """A worker leaves; the last one has to close what this returns."""
        self.workers -= 1
        return [] if self.workers else [self.source]


Body: TypeAlias = Callable[[], Coroutine[Any, Any, None]]


class Crew:
    """The tasks of the workers: each is there before its item, and only if the others are busy.

    So whoever allows many of them pays for those that are needed.
    """

    def __init__(
        self, host: Host, feed: Feed, box: Mailbox, size: int, body: Callable[[Pump], Body]
    ) -> None:
        self.host = host
        self.feed = feed
        self.box = box
        self.vacant = size
        self.body = body
        self.hire()

    def hire(self) -> None:
        pump = Pump(self.host)
        self.vacant -= 1
        self.feed.workers += 1
        self.box.pumps.append(pump)
        pump.start(self.body(pump))

    def found_an_item(self) -> None:
        """A worker is busy from here on: hire the next one if nobody waits for an item."""
        idle = not self.box.pumps[-1].begun or self.feed.is_awaited()
        if self.vacant and not idle:
            self.hire()


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
        stream: Recipe,
        host: Host,
        workers: int,
        bound: int,
        ordered: bool,
    ) -> None:
        self.bind = bind
        self.feed = feed = Feed(stream, host)
        self.box = box = Mailbox(host.pipeline.new_event)
        self.lane = box.lane(bound, low=bound - 1)
        self.ordered = ordered
        self.started = 0  # how many items have been taken
        self.delivered = 0  # how many results have gone into the lane
        self.early: dict[int, Any] = {}  # results by place that wait for those before them
        self.places: dict[Pump, int] = {}  # of the workers' items
        self.error: BaseException | None = None  # of the feed, which comes after the last result
        self.failure: BaseException | None = None  # of the first item, in order, that has failed
        self.failed_at = -inf
        self.crew = Crew(host, feed, box, workers, self.body)

    def body(self, pump: Pump) -> Body:
        self.places[pump] = IDLE
        return partial(self.work, pump)

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
            pump.leave_unread(self.error)  # nobody has come to it, and it is not of this task
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
            if self.crew.vacant:
                self.crew.found_an_item()
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
        return Pool(bind, stream, host, workers, workers + ahead, ordered).box

    return origin


def paired(fn: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`fn`, but giving its result and the item."""

    async def call(item: Any) -> tuple[Any, Any]:
        return await resolved(fn(item)), item

    return call


def flattened(stream: Recipe, fn: Callable[[Any], Any], workers: int) -> Callable[[Host], Source]:
    """The items of the streams that `fn` gives, so many of them open at a time."""

    def origin(host: Host) -> Source:
        return Expansion(stream, fn, host, workers).box

    return origin


class Expansion:
    """Workers that read the streams which a function gives, each into a lane of its own."""

    def __init__(self, stream: Recipe, fn: Callable[[Any], Any], host: Host, workers: int) -> None:
        self.fn = fn
        self.feed = Feed(stream, host)
        self.box = Mailbox(host.pipeline.new_event)
        self.crew = Crew(host, self.feed, self.box, workers, self.body)

    def body(self, pump: Pump) -> Body:
        return partial(self.expand, pump, self.box.lane(0))

    async def expand(self, pump: Pump, lane: Lane) -> None:
        """The body of a worker: one inner stream after the other."""
        error: BaseException | None = None
        inner: list[Source] = []
        try:
            while not pump.stopping and (item := await self.feed.next()) is not MISSING:
                if pump.stopping:  # nothing would interrupt the function then
                    break
                self.crew.found_an_item()
                inner = [as_source(await resolved(self.fn(item)), pump, made=True)]
                await transfer(pump, inner[0], lane)
                await pump.finish(inner.pop())
        except BaseException as exc:
            error = pump.unless_stopped(exc)
        await leave(pump, lane, error, *inner, *self.feed.left())
