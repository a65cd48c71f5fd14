"""Operators that call a function in several tasks at a time: map, filter, flat_map."""

import warnings
from collections.abc import Callable, Iterable
from math import inf
from types import AsyncGeneratorType, CodeType, CoroutineType
from typing import Any

from anyio import current_time

from .. import _labels as label
from .._core.backends import unless_foreign
from .._core.channel import Channel, Lane
from .._core.contexts import watch_context
from .._core.contracts import MISSING, Openable, Owner, Source, clock
from .._core.driver import is_awaitable
from .._core.locating import at_item
from .._core.producer import STOPPED
from .._core.siblings import attach
from .._errors import BlockingWarning
from .._sources.origins import as_source, readable
from .calls import UNREAD, of_user, unless_unread
from .crew import IDLE, Crew, Worker

COROUTINE: type = CoroutineType

INSTANT = 0.01
"""Seconds in which tasks fail at the same time, whichever of them the event loop runs first."""


BLOCKING = 0.1
"""Seconds for which a function may hold the event loop without a warning."""


class Failure:
    """In the place of a result: the function has failed."""

    def __init__(self, error: BaseException, before: list[Any] | None) -> None:
        self.error = error
        self.before = before  # results of the same call that come before it


class Sieve(Lane):
    """A lane for the items of which something is to come.

    Each of the others keeps its place until a reader has passed it, as if it lay between them. So
    no more items are taken ahead of the reader than of any other lane.
    """

    __slots__ = ("_skipped",)

    def __init__(self, channel: Channel, bound: int, low: int | None = None) -> None:
        super().__init__(channel, bound, low)
        self._skipped = 0  # items that keep their places

    def waiting(self) -> int:
        return super().waiting() + self._skipped

    def deliver(self, item: Any) -> None:
        if item is not MISSING:
            super().deliver(item)
        else:
            self.channel.came(1)
            self._skipped += 1
            if self.channel.wanted and not self._items:
                self.pass_skipped()
        if 1 < self.wakes_at <= self.waiting():  # there may be no more places
            self.channel.wake()

    def pass_skipped(self) -> None:
        """A reader wants an item, and none of these is one."""
        skipped = self._skipped
        if not skipped:
            return
        self._skipped = 0
        self._promised -= skipped
        for _ in range(skipped):
            self.taken()


class Sifted(Channel):
    """The channel behind such a lane."""

    __slots__ = ("_sieve",)

    def add(self, lane: Lane) -> None:
        super().add(lane)
        assert isinstance(lane, Sieve)
        self._sieve = lane

    def read_whole(self, *, kept: bool) -> None:
        self.spare(kept)

    def available(self) -> bool:
        if not self._ready:
            self._sieve.pass_skipped()
        return bool(self._ready)


class Discard(Lane):
    """A lane of which nothing is kept, and so the reader wakes at the end only [for-each-ready]."""

    __slots__ = ()

    def deliver(self, item: Any) -> None:
        self._promised -= 1
        self.channel.came(1)


class Pool(Crew):
    """Workers that call a function, and a lane for its results.

    A place in the lane is promised before an item is taken, so that no more than `bound` items are
    taken and not yet read, be they in work, waiting for an earlier one, or finished.
    """

    lane_type: type[Lane] = Lane

    unread: tuple[Any, ...] = (AsyncGeneratorType,)
    """The types of results that have done nothing, and that nobody would read."""

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
        self.lane = self.new_lane(bound)
        self.ordered = ordered
        self.suspicious = False  # whether each call is timed by itself
        self.warned = False
        self._delivered = 0  # how many results have gone into the lane
        self._early: dict[int, Any] = {}  # results by place that wait for those before them
        self._callers: set[Caller] = set()
        self._error: BaseException | None = None  # of the source, after the last result
        self._failure: BaseException | None = None  # of the first item, in order, that has failed
        self._failed_at = -inf

    def open(self, stream: Openable) -> Source:
        channel = super().open(stream)
        if not self.supply.source.waits:  # workers fill all of the lane, and would wait for room
            self.lane.spares = False
        return channel

    @property
    def failure(self) -> BaseException | None:
        """The error of the first item, in order, that has failed."""
        return self._failure

    def new_lane(self, bound: int) -> Lane:
        lane = self.lane_type(self.channel, bound, bound - 1)
        self.channel.add(lane)
        return lane

    def new_caller(self, seat: int) -> "Caller":
        return Caller(self, seat)

    def results(self) -> Lane:
        return self.lane

    def worker(self, seat: int) -> "Caller":
        caller = self.new_caller(seat)
        self._callers.add(caller)
        caller.fill(self.lane)
        return caller

    def look_at(self, fn: Callable[[Any], Any], result: Any, seconds: float) -> None:
        """A plain function has given an async generator, or may have held the event loop.

        What came between two calls counts at first; so the next ones are timed by themselves.
        """
        fn = of_user(fn)
        if type(result) in self.unread:
            unless_unread(result, fn)
        if self.suspicious:
            self.warned = True
            code: CodeType = getattr(fn, "__code__", Pool.look_at.__code__)
            warnings.warn_explicit(
                f"{label.value(fn)} has held the event loop for {seconds:.1f} s, in which nothing"
                " else has run; give an async function that calls it in a thread, by"
                " `await anyio.to_thread.run_sync(fn, item)`",
                BlockingWarning,
                code.co_filename,
                code.co_firstlineno,
            )
        self.suspicious = not self.warned

    def deliver(self, place: int, result: Any, item: Any) -> None:
        """The result for an item, and those that have waited for it if it is its turn."""
        if place != self._delivered and self.ordered:
            self._early[place] = result
            return
        self._delivered += 1
        self.lane.deliver(result)
        while self._early and self._delivered in self._early:
            result = self._early.pop(self._delivered)
            if isinstance(result, Failure):
                self._fail(result)
                return
            self._delivered += 1
            self.lane.deliver(result)

    def failed(self, caller: "Caller", error: BaseException) -> None:
        """What comes before a failed item is still wanted; what comes after it is stopped."""
        place = caller.place
        if place == IDLE or self.supply.has_raised(error):
            self._error = error
            return
        self._attach_failure(error)
        failure = Failure(error, caller.before)
        if place == self._delivered or not self.ordered:
            self._fail(failure)
        self._early[place] = failure
        self.lane.stop()
        for other in self._callers:
            if other.place > place:
                other.interrupt()

    def _fail(self, failure: Failure) -> None:
        if failure.before is not None:
            self.lane.deliver(failure.before)
        self.channel.fail(failure.error)

    def _attach_failure(self, error: BaseException) -> None:
        """An item has failed that comes before all that have failed so far."""
        now = current_time()
        if self._failure is not None and now - self._failed_at < INSTANT:
            attach(error, (self._failure,))
        self._failure, self._failed_at = error, now

    def left_by(self, caller: "Caller") -> BaseException | None:
        """A worker leaves: what the source has raised, which the last one has to report."""
        self._callers.remove(caller)
        return self._error


class Effects(Pool):
    """Workers that call a function for what it does: nothing comes but the end, or an error."""

    lane_type = Discard
    unread = (*UNREAD,)


class Choice(Pool):
    """Workers that call a function, whose result tells whether the item comes through."""

    channel_type = Sifted
    lane_type = Sieve
    unread = (*UNREAD,)

    def deliver(self, place: int, result: Any, item: Any) -> None:
        super().deliver(place, item if result else MISSING, item)


class Caller(Worker):
    """A worker of a pool."""

    __slots__ = ("before", "last", "pool", "reported")

    def __init__(self, pool: Pool, seat: int) -> None:
        super().__init__(pool, seat)
        self.pool = pool
        self.before: list[Any] | None = None  # results of a call of several items, so far
        self.last: list[Source] = []  # what to close after the last one
        self.reported = False  # whether the reader was given what the source has raised

    async def produce(self) -> None:
        pool, lane, supply = self.pool, self.pool.lane, self.supply
        now, following = supply.now, supply.next
        fn, unread = pool.bind(self), pool.unread
        context_has_changed = watch_context()
        last = clock()
        while self._state < STOPPED and (now is None or lane.promise() or await self.room()):
            item = MISSING if now is None else now(self)
            if item is MISSING:
                result = None  # let go of what nobody may refer to any more
                item = await following(self)
                last = clock()
                if self._state >= STOPPED:  # nothing would interrupt the function then
                    return
                if item is MISSING:
                    supply.see_the_end(self)
                    return
            began = clock() if pool.suspicious else last
            try:
                result = fn(item)
                if type(result) is COROUTINE or is_awaitable(result):
                    result = await result
                    if now is not None:  # `next` waits for each item otherwise
                        last = clock()
                else:  # one look for each call: `last` may be that of the call before
                    last = clock()
                    if last - began > BLOCKING or type(result) in unread:
                        pool.look_at(fn, result, last - began)
            except BaseException as exc:
                unless_foreign(exc, of_user(fn))
                raise
            pool.deliver(self.place, result, item)
            if context_has_changed() and pool.replace(self):
                return

    async def room(self) -> bool:
        """Wait for a place in the lane, and keep it."""
        self.place = IDLE
        return await self.wait_for_room(self.pool.lane) and self.pool.lane.promise()

    def tell_where(self, error: BaseException) -> None:
        if self.supply.has_raised(error):
            self.supply.tell_where(self, error)
        else:
            at_item(error, self.place + 1)

    def report(self, error: BaseException | None, stopped: bool, told: bool) -> bool:
        heard = error is None or not stopped
        if error is not None and heard:
            self.pool.failed(self, error)
        of_source = self.pool.left_by(self)
        self.last = self.supply.left(self)
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
        if self.replaced:
            self.pool.channel.forget_task(self)
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
    pool: type[Pool] = Pool,
) -> Callable[[Owner], Source]:
    """What comes of a function that several workers call; `bind` gives it to each."""

    def open_source(owner: Owner) -> Source:
        return pool(bind, owner, workers, workers + ahead, ordered).open(stream)

    return open_source


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

    def results(self) -> None:
        return None

    def worker(self, seat: int) -> "Expander":
        expander = Expander(self, seat)
        expander.fill(self.channel.lane(0))
        return expander


class Expander(Worker):
    """A worker of an expansion: it reads one inner stream after the other."""

    __slots__ = ("expansion", "inner")

    def __init__(self, expansion: Expansion, seat: int) -> None:
        super().__init__(expansion, seat)
        self.expansion = expansion
        self.inner: list[Source] = []  # that is open

    async def produce(self) -> None:
        context_has_changed = watch_context()
        while not self.stopped and (item := await self.supply.next(self)) is not MISSING:
            if self.stopped:  # nothing would interrupt the function then
                return
            inner = as_source(await readable(self.expansion.fn(item)), self, made=True)
            self.inner.append(inner)
            await self.transfer(inner, self.first_of(inner))
            await self.finish(self.inner.pop())
            del item, inner  # nobody else may refer to them any more
            if context_has_changed() and self.expansion.replace(self):
                return
        self.supply.see_the_end(self)

    def reading(self) -> Iterable[Source]:
        return self.inner

    def tell_where(self, error: BaseException) -> None:
        if self.supply.has_raised(error):
            self.supply.tell_where(self, error)
        else:
            super().tell_where(error)
            at_item(error, self.place + 1)

    def reads(self) -> Iterable[Source]:
        return (*super().reads(), *self.inner)

    def steps(self) -> Iterable[Source]:
        return self.inner

    def ended(self, reported: bool) -> None:
        super().ended(reported)
        if self.replaced:
            self.lane.channel.forget(self.lane, self)

    async def close_sources(self) -> None:
        await super().close_sources()
        for source in self.supply.left(self):
            await self.close(source)
