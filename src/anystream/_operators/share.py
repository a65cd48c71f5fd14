"""Operators that deal one stream out to several readers: share, partition, group_by."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from types import TracebackType
from typing import Any, Generic, TypeVar

from anyio import current_time, get_current_task, get_running_tasks

from .._batches import Recipe, Source, opened
from .._errors import (
    StreamBusyError,
    StreamClosedError,
    StreamConsumedError,
    StreamDeadlockError,
    StreamOverflowError,
)
from .._host import Host, until
from .._mailbox import Lane, Mailbox
from .._pump import Pump
from .._reader import Run
from .._steps import is_awaitable, resolved

T = TypeVar("T")
PATIENCE = 1.0
"""Seconds after which readers that wait for what nobody can bring are told so."""

OWN = f"{Pump.__module__}.{Pump.run.__qualname__}"
"""The name of a task of the library's, which reads what somebody else has opened."""


class Branch(Mailbox):
    """One reader's mailbox, which the task of a hub fills."""

    def __init__(self, hub: "Hub", size: int, overflow: str) -> None:
        super().__init__(hub.host.pipeline.new_event)
        self.hub = hub
        self.way = self.lane(size, overflow, low=size - 1)  # since others wait for room here
        self.task: int | None = None  # that reads here

    @property
    def holds(self) -> bool:
        return not self.closed

    def opened(self) -> "Branch":
        self.hub.host.pipeline.unless_abroad()
        self.task = get_current_task().id
        return self

    def opened_once(self) -> "Branch":
        if self.task is not None:
            raise StreamConsumedError(f"a part of {self.hub.stream!r} can be read only once")
        return self.opened()

    async def batch(self) -> Iterator[Any] | None:
        self.task = get_current_task().id
        self.hub.start()
        return await super().batch()

    async def close(self, host: Host) -> None:
        if not self.closed:
            await super().close(host)
            await self.hub.left(self, host)


class Hub(ABC):
    """One opening of a stream, in a task that deals its items out to branches."""

    def __init__(self, host: Host, stream: Recipe, size: int, overflow: str) -> None:
        host.pipeline.may_spawn = True
        self.host = host
        self.stream = stream
        self.size = size
        self.overflow = overflow
        self.pump = Pump(host)
        self.source, self.behind = host.pipeline.held_back(lambda: opened(stream, self.pump))
        self.branches: list[Branch] = []
        self.started = False
        self.before: set[int] = set()  # tasks that were there at the opening, and have no parent
        self.over = False
        self.error: BaseException | None = None

    def start(self) -> None:
        """Start its task, and those that the source itself needs."""
        if self.started or self.host.over:
            return
        self.started = True
        behind, self.behind = self.behind, ()
        for pump in behind:
            self.host.pipeline.start(pump)
        self.pump.start(self.run)

    def branch(self) -> Branch:
        branch = Branch(self, self.size, self.overflow)
        self.branches.append(branch)
        return branch

    @abstractmethod
    async def deal(self, batch: Iterator[Any]) -> None:
        """Put each item where it belongs, until the pump has to stop."""

    async def demand(self) -> bool:
        """Wait until an item is wanted, which most know only of the one in hand; False: stop."""
        return not self.pump.stopping

    async def left(self, branch: Branch, host: Host) -> None:
        """The reader of a branch has left; the source stops with the last one."""
        self.branches.remove(branch)
        if self.started and not self.branches:
            await host.stop([self.pump])

    async def run(self) -> None:
        """The body of the pump."""
        error: BaseException | None = None
        try:
            await self.deal_all()
        except BaseException as exc:
            error = self.pump.unless_stopped(exc)
        if self.pump.stopping:
            self.cut()
        self.pump.stopping = True  # nobody interrupts the close
        if error is not None and not self.end(error):
            self.pump.unheard(error)
        await self.pump.close(self.source)
        if error is None:
            failure = self.pump.failure()
            if not self.end(failure) and failure is not None:
                self.pump.add_error(failure)

    async def deal_all(self) -> None:
        while await self.demand():
            batch = await self.source.batch()
            if batch is None or self.pump.stopping:
                return
            await self.deal(batch)

    def end(self, error: BaseException | None) -> bool:
        """Tell all readers; False if there is none."""
        self.over = True
        self.error = error
        heard = [branch for branch in self.branches if not branch.closed]
        for branch in heard:
            branch.way.finish(error)
        return bool(heard)

    async def put(self, lane: Lane, item: Any) -> None:
        if lane.takes() or await self.room(lane):
            lane.fill(iter((item,)))

    async def room(self, lane: Lane) -> bool:
        """Wait until there is room; False if the item is not wanted any more."""
        while not (lane.stopped or self.pump.stopping):
            if lane.takes():
                return True
            wait = partial(lane.wait_for_room, self.pump, timed=True)
            if not await until(current_time() + PATIENCE, wait, shield=True):
                self.fail_if_stuck(lane.box)
        return False

    def fail_if_stuck(self, full: Mailbox) -> None:
        """Raise if who would have to read from the branch that is full waits for another one.

        One that nobody reads yet may have a reader at any time, unless the only task that knows of
        it waits.
        """
        waiting = {branch.task for branch in self.branches if branch.wanted}
        reader = next((branch.task for branch in self.branches if branch is full), None)
        if reader is None and waiting == {self.host.pipeline.task} and not self.may_be_read():
            reader = self.host.pipeline.task
        if reader is not None and reader in waiting:
            raise StreamDeadlockError(
                f"a part of {self.stream!r} is full ({self.size} items) and has no reader, or one"
                " that waits for another part; read the parts in tasks of their own, or choose a"
                " larger buffer or another overflow policy"
            )

    def may_be_read(self) -> bool:
        """Whether there is a task that the one that has entered the block may have started."""
        owner = self.host.pipeline.task
        return any(
            task.parent_id == owner or (task.parent_id is None and task.id not in self.before)
            for task in get_running_tasks()
            if task.id != owner and task.name != OWN
        )

    def cut(self) -> None:
        """Tell readers that this was closed before its end."""
        for branch in self.branches:
            branch.closed = True
            branch.stop()

    async def close(self, host: Host) -> None:
        self.cut()
        if self.started:
            await host.stop([self.pump])
            return
        for pump in self.behind:  # which close what they were given, and nothing more
            pump.interrupt()
        await self.source.close(host)


class Owned:
    """A source that nobody reads from: an `Owner` holds it open for those who read elsewhere."""

    closes = True
    holds = False
    busy = False
    any_task = True

    async def batch(self) -> Iterator[Any] | None:
        return None


class Owner(Generic[T]):
    """An async context manager that holds a run open for the streams that come out of it."""

    def __init__(self, stream: Recipe, give: Callable[[Any], T]) -> None:
        self.stream = stream
        self.give = give
        self.run: Run[Any] | None = None

    async def __aenter__(self) -> T:
        if self.run is not None:
            raise StreamBusyError(f"{self.stream!r} has been entered and not left")
        run: Run[Any] = Run(self.stream)
        await run.__aenter__()
        self.run = run
        return self.give(run.pipeline.top())

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self.run is not None
        await self.run.__aexit__(kind, error, traceback)
        self.run = None

    def __repr__(self) -> str:
        return repr(self.stream)


class Share(Owned):
    """The hub of those who read now: it comes with the first of them and goes with the last."""

    def __init__(self, host: Host, stream: Recipe, size: int, overflow: str, replay: int) -> None:
        self.make = partial(Broadcast, host, stream, size, overflow, replay)
        self.hub = self.make()
        self.closed = False

    def join(self, host: Host) -> Source:
        if self.closed:
            raise StreamClosedError("the block of share() that this stream belongs to was left")
        if self.hub.started and not self.hub.branches:
            self.hub = self.make()
        return self.hub.join()

    async def close(self, host: Host) -> None:
        self.closed = True
        await self.hub.close(host)


class Broadcast(Hub):
    """Every item goes to every branch."""

    def __init__(self, host: Host, stream: Recipe, size: int, overflow: str, replay: int) -> None:
        super().__init__(host, stream, size, overflow)
        self.replay = deque[Any](maxlen=replay)

    def join(self) -> Source:
        branch = self.branch()
        branch.way.extend(iter(self.replay))
        if self.over:
            branch.way.finish(self.error)
        return branch.opened()

    async def demand(self) -> bool:
        """The slowest reader that is not to miss an item decides."""
        while (full := next(filter(is_full, self.ways()), None)) and not self.pump.stopping:
            await self.room(full)
        return not self.pump.stopping

    def ways(self) -> Iterator[Lane]:
        return (branch.way for branch in self.branches if not branch.way.stopped)

    async def deal(self, batch: Iterator[Any]) -> None:
        while await self.demand():
            wanted = max(1, min((way.room() for way in self.ways()), default=1))
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


class Sorter(Hub):
    """Every item goes to one branch, by what a function says of it."""

    def __init__(
        self, host: Host, stream: Recipe, fn: Callable[[Any], Any], size: int, overflow: str
    ) -> None:
        super().__init__(host, stream, size, overflow)
        self.fn = fn
        self.before = {task.id for task in get_running_tasks() if task.parent_id is None}

    async def deal(self, batch: Iterator[Any]) -> None:
        for item in batch:
            key = self.fn(item)
            if is_awaitable(key):
                key = await resolved(key)
            branch = await self.branch_for(key)
            await self.put(branch.way, item)
            if self.pump.stopping:  # and so the source is not asked for another one
                return

    @abstractmethod
    async def branch_for(self, key: Any) -> Branch:
        """Where the items with this key go."""


class Partition(Sorter, Owned):
    """Two branches: of the items for which a function is true, and of the others."""

    def __init__(
        self, host: Host, stream: Recipe, fn: Callable[[Any], Any], size: int, overflow: str
    ) -> None:
        super().__init__(host, stream, fn, size, overflow)
        self.true, self.false = self.branch(), self.branch()

    def open_true(self, host: Host) -> Source:
        return self.true.opened_once()

    def open_false(self, host: Host) -> Source:
        return self.false.opened_once()

    async def branch_for(self, key: Any) -> Branch:
        return self.true if key else self.false


class Groups(Sorter):
    """A branch for each key, and one for the pairs of a key and the stream of its items."""

    def __init__(
        self,
        host: Host,
        stream: Recipe,
        fn: Callable[[Any], Any],
        size: int,
        overflow: str,
        stream_of: Callable[[Branch, Any], Recipe],
    ) -> None:
        super().__init__(host, stream, fn, size, overflow)
        self.stream_of = stream_of
        self.outer = Branch(self, size, "wait")
        self.branches.append(self.outer)
        self.groups: dict[Any, Branch] = {}

    def opened(self) -> Source:
        return self.outer.opened()

    async def branch_for(self, key: Any) -> Branch:
        group = self.groups.get(key)
        if group is None or group.closed:  # its reader has left: this one starts anew
            group = self.groups[key] = self.branch()
            await self.put(self.outer.way, (key, self.stream_of(group, key)))
        return group

    async def left(self, branch: Branch, host: Host) -> None:
        if branch is self.outer:
            await self.close(host)
        else:
            self.branches.remove(branch)
