"""Operators that deal one stream out to several readers: share, partition, group_by."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from math import inf
from operator import length_hint
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from anyio import current_time, get_running_tasks

from .. import _hints as hints
from .._core.channel import Channel, Counts, Lane
from .._core.contracts import Named, Openable, Owner, Source, SourceDefaults, Task
from .._core.driver import EMPTY, is_awaitable, resolved
from .._core.interrupts import protected
from .._core.observing import Ending
from .._core.owner import until
from .._core.producer import OWN, Producer, opening_of
from .._core.run import Run, reader_of
from .._core.threads import Loop
from .._errors import (
    StreamBusyError,
    StreamClosedError,
    StreamConsumedError,
    StreamDeadlockError,
    StreamOverflowError,
)
from .._recipe import Recipe
from .._sources.origins import FromIterable
from .deadlocks import Waiting, hosts_in_vain, is_stuck, known, who_reads

T = TypeVar("T")
PATIENCE = 1.0
"""Seconds after which readers that wait for what nobody can bring are told so."""

LONGEST = 3600.0
"""Seconds after which this is not looked at again, so that virtual time comes to an end."""


class Subscription(Channel):
    """One reader's channel, which the task of a distributor fills."""

    __slots__ = ("distributor", "replay", "replayed", "task", "way")

    def __init__(self, distributor: "Distributor", size: int, overflow: str) -> None:
        super().__init__(distributor.owner.backend)
        self.distributor = distributor
        self.way = self.lane(size, overflow, low=size - 1)  # since others wait for room here
        self.task: int | None = None  # that reads here
        self.replayed: Iterator[Any] = EMPTY  # what comes before the items of the lane
        self.replay: Source | None = None  # the same as a source, until that has ended

    @property
    def holds(self) -> bool:
        return not self.closed

    def opened(self) -> "Subscription":
        self.distributor.owner.unless_abroad()
        self.task = self.backend.task_id()
        return self

    def opened_once(self) -> "Subscription":
        if self.task is not None:
            raise StreamConsumedError(
                f"each part of {self.distributor.stream!r} can be opened only once"
            )
        return self.opened()

    def begin_with(self, items: list[Any]) -> None:
        """Give these first, for which no room is needed."""
        self.came(len(items))
        self.replayed = iter(items)
        self.replay = FromIterable(self.replayed, self.distributor.owner)

    def feeders(self) -> Iterable[Task]:
        return (self.distributor.dealer,) if self.distributor.started else ()

    def counts(self) -> Counts:
        counts = super().counts()
        return counts._replace(waiting=counts.waiting + length_hint(self.replayed))

    async def batch(self) -> Iterator[Any] | None:
        self.task = self.backend.task_id()
        self.distributor.start()
        if self.replay is not None:
            batch = await self.replay.batch()
            if batch is not None:
                return batch
            self.replay = None
        return await super().batch()

    def abandon(self) -> None:
        self.distributor.loop.soon(partial(self.distributor.forget, self))

    async def close(self, owner: Owner) -> None:
        if not self.closed:
            await super().close(owner)
            await self.distributor.left(self, owner)


class Distributor(ABC):
    """One opening of a stream, in a task that deals its items out to subscriptions."""

    def __init__(self, owner: Owner, stream: Openable, size: int, overflow: str) -> None:
        owner.will_start_tasks()
        self.owner = owner
        self.stream = stream
        self.size = size
        self.overflow = overflow
        self.dealer = Dealer(owner, self)
        self.source, self.behind = owner.open_later(lambda: self.dealer.open_part(stream))
        self.subscriptions: dict[Subscription, Any] = {}  # in their order, with their keys
        self.loop = Loop()
        self.started = False
        self.before: set[int] = owner.backend.parentless()  # those that are there at the opening
        self.over = False
        self.error: BaseException | None = None
        self.ending: Ending | None = None  # of the source, if it has come to its end by itself
        self.call: Named | None = None

    def how(self) -> Ending | None:
        return self.ending

    def is_of(self, call: Named) -> None:
        self.call = call

    def text(self) -> str:
        return "anystream" if self.call is None else self.call.short()

    def start(self) -> None:
        """Start its task, and those that the source itself needs."""
        if self.started or self.owner.over:
            return
        self.started = True
        behind, self.behind = self.behind, ()
        for task in behind:
            task.start()
        self.dealer.start()

    def subscription(self, key: Any = None) -> Subscription:
        subscription = Subscription(self, self.size, self.overflow)
        self.subscriptions[subscription] = key
        return subscription

    @abstractmethod
    async def deal(self, batch: Iterator[Any]) -> None:
        """Put each item where it belongs, until the producer has to stop."""

    async def demand(self) -> bool:
        """Wait until an item is wanted, which most know only of the one in hand; False: stop."""
        return not self.dealer.stopped

    async def left(self, subscription: Subscription, owner: Owner) -> None:
        """The reader of a subscription has left; the source stops with the last one."""
        self.remove(subscription)
        if self.started and not self.subscriptions:
            await owner.stop([self.dealer])

    def forget(self, subscription: Subscription) -> None:
        """The same for one that is not closed, since its bare loop has left it."""
        if subscription in self.subscriptions and not self.owner.over:
            subscription.stop()
            self.remove(subscription)
            if self.started and not self.subscriptions:
                self.dealer.interrupt()

    def remove(self, subscription: Subscription) -> None:
        del self.subscriptions[subscription]

    async def deal_all(self) -> None:
        ask_for = self.source.asker()
        while await self.demand():
            if ask_for is not None:
                ask_for(self.places())
            batch = await self.source.batch()
            if batch is None or self.dealer.stopped:
                return
            await self.deal(batch)

    def places(self) -> int:
        """How many items may be dealt out now; it is known where each goes."""
        return 1

    def end(self, error: BaseException | None) -> bool:
        """Tell all readers; False if there is none."""
        self.over = True
        self.error = error
        heard = [subscription for subscription in self.subscriptions if not subscription.closed]
        for subscription in heard:
            subscription.way.finish(error)
        return bool(heard)

    async def put(self, lane: Lane, item: Any) -> None:
        if lane.takes() or await self.room(lane):
            lane.fill(iter((item,)))

    async def room(self, lane: Lane) -> bool:
        """Wait until there is room; False if the item is not wanted any more."""
        patience = PATIENCE
        while not (lane.stopped or self.dealer.stopped):
            if lane.takes():
                return True
            wait = partial(self.dealer.wait_for_room, lane, timed=True)
            if not await until(current_time() + patience, wait, shield=True):
                self.fail_if_stuck(lane.channel)
                patience = 2 * patience if patience < LONGEST else inf
        return False

    def fail_if_stuck(self, full: Channel) -> None:
        """Raise if who would have to read from the subscription that is full waits for another one.

        One that nobody reads yet may have a reader at any time, unless all tasks that may know of
        it wait.
        """
        waiting = {known(each.task) for each in self.subscriptions if each.wanted}
        for host in [*hosts_in_vain(waiting)]:
            if self.is_alone(host, waiting):
                waiting.add(known(host))
        reader = who_reads(full)
        if reader is None and isinstance(full, Subscription):
            reader = known(full.task)
        entered = opening_of(self.owner).host
        if reader is None and entered is not None and self.is_alone(entered, waiting):
            reader = known(entered)
        if reader is not None and is_stuck(reader, waiting):
            raise StreamDeadlockError(
                f"a part of {self.stream!r} is full ({self.size} items), and it has no reader or"
                " its reader waits for another part; read each part in a task of its own, drop a"
                " group that is not wanted with `del group`, or choose a larger buffer or another"
                " overflow policy"
            )

    def is_alone(self, task: int, waiting: Waiting) -> bool:
        """Whether there is no other task that it may have started, but for those that wait."""
        return not any(
            other.parent_id == task or (other.parent_id is None and other.id not in self.before)
            for other in get_running_tasks()
            if other.id not in waiting and other.id not in OWN and other.id != task
        )

    def cut(self) -> None:
        """Tell readers that this was closed before its end."""
        for subscription in self.subscriptions:
            subscription.cut()
            subscription.stop()

    async def close(self, owner: Owner) -> None:
        self.cut()
        if self.started:
            await owner.stop([self.dealer])
            return
        await self.source.close(owner)


class Dealer(Producer):
    """The task of a distributor."""

    __slots__ = ("distributor", "failed")

    def __init__(self, owner: Owner, distributor: Distributor) -> None:
        super().__init__(owner)
        self.distributor = distributor
        self.failed = False

    def name(self) -> str:
        return self.distributor.text()

    async def produce(self) -> None:
        await self.distributor.deal_all()

    def report(self, error: BaseException | None, stopped: bool, told: bool) -> bool:
        if stopped:
            self.distributor.cut()
        else:
            self.distributor.ending = "completed" if error is None else "failed"
        self.failed = error is not None
        return error is not None and self.distributor.end(error)

    def reading(self) -> Iterable[Source]:
        return (self.distributor.source,)

    def tell_where(self, error: BaseException) -> None:
        self.locate(error, self.distributor.source, self.distributor.stream)

    def ended(self, reported: bool) -> None:
        if self.failed:
            return
        failure = self.failure()
        if not self.distributor.end(failure) and failure is not None:
            self.add_error(failure)


class HeldOpen(SourceDefaults):
    """A source that nobody reads from: a `Holder` keeps it open for those who read elsewhere."""

    closes = True

    async def batch(self) -> Iterator[Any] | None:
        return None

    @abstractmethod
    def how(self) -> Ending | None:
        """How its items have ended, if they have."""


class Holder(Generic[T]):
    """An async context manager that holds a run open for the streams that come out of it."""

    def __init__(self, recipe: Recipe, give: Callable[[Any], T]) -> None:
        self._recipe = recipe
        self.give = give
        self.run: Run[Any] | None = None

    @protected
    async def __aenter__(self) -> T:
        if self.run is not None and not reader_of(self.run).opening.is_left:
            raise StreamBusyError(f"{self._recipe!r} has been entered already; leave it first")
        run: Run[Any] = Run(self._recipe)
        await run.__aenter__()
        self.run = run
        return self.give(reader_of(run).top())

    @protected
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self.run is not None
        opening = reader_of(self.run).opening
        held = opening.bottom
        if opening.view is not None and isinstance(held, HeldOpen) and (how := held.how()):
            opening.view.is_ended(how)
        try:
            await self.run.__aexit__(kind, error, traceback)
        finally:
            if opening.is_left:
                self.run = None

    if not TYPE_CHECKING:  # checkers are to report all of these

        def __getattr__(self, name: str) -> Any:
            raise hints.missing(self, name, hints.of_holder(name))

        def __getitem__(self, key: object) -> Any:
            """Asked for by an index, and by who unpacks this."""
            raise TypeError(f"{self!r} has no items: {hints.of_holder('map')}")

        def __enter__(self) -> Any:
            raise hints.not_sync(self)

        def __exit__(self, *error: object) -> None:
            """Python looks for this first."""

    def __repr__(self) -> str:
        return repr(self._recipe)


class Share(HeldOpen):
    """The distributor of the present readers: it comes with the first and goes with the last."""

    def __init__(
        self, owner: Owner, stream: Openable, size: int, overflow: str, replay: int
    ) -> None:
        self.make = partial(Broadcast, owner, stream, size, overflow, replay)
        self.distributor = self.make()
        self.closed = False
        self.call: Named | None = None

    def is_of(self, call: Named) -> None:
        self.call = self.distributor.call = call

    def join(self, owner: Owner) -> Source:
        if self.closed:
            raise StreamClosedError(
                "this stream can be read only inside the `async with` block of its share()"
            )
        if self.distributor.started and not self.distributor.subscriptions:
            self.distributor = self.make()
            self.distributor.call = self.call
        return self.distributor.join()

    def how(self) -> Ending | None:
        return self.distributor.how()

    async def close(self, owner: Owner) -> None:
        self.closed = True
        await self.distributor.close(owner)


class Broadcast(Distributor):
    """Every item goes to every subscription."""

    def __init__(
        self, owner: Owner, stream: Openable, size: int, overflow: str, replay: int
    ) -> None:
        super().__init__(owner, stream, size, overflow)
        self.replay = deque[Any](maxlen=replay)

    def join(self) -> Source:
        self.owner.unless_abroad()
        subscription = self.subscription()
        if self.replay:
            subscription.begin_with([*self.replay])
        if self.over:
            subscription.way.finish(self.error)
        return subscription.opened()

    async def demand(self) -> bool:
        """The slowest reader that is not to miss an item decides."""
        while not self.dealer.stopped and (full := [*filter(is_full, self.ways())]):
            for way in full:  # each at most once: nobody else fills those before it meanwhile
                await self.room(way)
        return not self.dealer.stopped

    def ways(self) -> Iterator[Lane]:
        return (
            subscription.way for subscription in self.subscriptions if not subscription.way.stopped
        )

    def places(self) -> int:
        return max(1, min((way.room() for way in self.ways()), default=1))

    async def deal(self, batch: Iterator[Any]) -> None:
        while await self.demand():
            wanted = self.places()
            items: list[Any] = []
            try:
                items.extend(islice(batch, wanted))
            finally:  # those before an error
                self.deal_out(items)
            if len(items) < wanted:
                return

    def deal_out(self, items: list[Any]) -> None:
        self.replay.extend(items)
        for way in self.ways():
            try:
                way.fill(iter(items))
            except StreamOverflowError as exc:
                way.finish(exc)


def is_full(lane: Lane) -> bool:
    return not lane.takes()


class Sorter(Distributor):
    """Every item goes to one subscription, by what a function says of it."""

    def __init__(
        self, owner: Owner, stream: Openable, fn: Callable[[Any], Any], size: int, overflow: str
    ) -> None:
        super().__init__(owner, stream, size, overflow)
        self.fn = fn

    async def deal(self, batch: Iterator[Any]) -> None:
        for item in batch:
            key = self.fn(item)
            if is_awaitable(key):
                key = await resolved(key)
            subscription = await self.subscription_for(key)
            if subscription is not None:
                await self.put(subscription.way, item)
            if self.dealer.stopped:  # and so the source is not asked for another one
                return

    @abstractmethod
    async def subscription_for(self, key: Any) -> Subscription | None:
        """Where the items with this key go; None if nobody can read them."""


class Partition(Sorter, HeldOpen):
    """Two subscriptions: of the items for which a function is true, and of the others."""

    def __init__(
        self, owner: Owner, stream: Openable, fn: Callable[[Any], Any], size: int, overflow: str
    ) -> None:
        super().__init__(owner, stream, fn, size, overflow)
        self.true, self.false = self.subscription(), self.subscription()

    def open_true(self, owner: Owner) -> Source:
        return self.true.opened_once()

    def open_false(self, owner: Owner) -> Source:
        return self.false.opened_once()

    async def subscription_for(self, key: Any) -> Subscription:
        return self.true if key else self.false


class Groups(Sorter):
    """A subscription for each key, and one for the pairs of a key and the stream of its items."""

    def __init__(
        self,
        owner: Owner,
        stream: Openable,
        fn: Callable[[Any], Any],
        size: int,
        overflow: str,
        stream_of: "Callable[[Handle, Any], Openable]",
    ) -> None:
        super().__init__(owner, stream, fn, size, overflow)
        self.stream_of = stream_of
        self.outer = Subscription(self, size, "wait")
        self.subscriptions[self.outer] = None
        self.groups: dict[Any, Subscription | None] = {}

    def opened(self) -> Source:
        return self.outer.opened()

    def text(self) -> str:
        return self.outer.text()

    async def subscription_for(self, key: Any) -> Subscription | None:
        if key in self.groups:
            return self.groups[key]
        group = self.groups[key] = self.subscription(key)  # the first, or its reader has left
        await self.put(self.outer.way, (key, self.stream_of(Handle(self, group), key)))
        return group

    def cut(self) -> None:
        """Once the pairs have ended, so have the groups: each has all of its items."""
        if not self.over:
            super().cut()

    async def left(self, subscription: Subscription, owner: Owner) -> None:
        if subscription is self.outer:
            await self.close(owner)
        else:
            self.remove(subscription)

    def remove(self, subscription: Subscription) -> None:
        del self.groups[self.subscriptions.pop(subscription)]

    def drop(self, group: Subscription) -> None:
        """Nobody can open this one any more; said in any thread, and in the middle of anything."""
        if group.task is None and not (self.over or self.owner.over):
            self.loop.soon(partial(self.ignore, group))

    def ignore(self, group: Subscription) -> None:
        """Keep only its key, so that its items are known."""
        group.stop()
        self.groups[self.subscriptions.pop(group)] = None


class Handle:
    """What the stream of a group knows it by: once nothing refers to this, nobody can read it."""

    __slots__ = ("_group", "_groups")

    def __init__(self, groups: "Groups", group: Subscription) -> None:
        self._groups = groups
        self._group = group

    def open(self, owner: Owner) -> Source:
        return self._group.opened_once()

    def __del__(self) -> None:
        self._groups.drop(self._group)
