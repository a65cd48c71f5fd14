"""map, filter and for_each in an executor: workers that have a call each in flight, of a chunk."""

import os
import pickle
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future
from copy import copy
from functools import partial
from inspect import signature
from itertools import islice
from typing import Any, NamedTuple

from .. import _args as check
from .. import _labels as label
from .._core.backends import unless_foreign
from .._core.channel import Channel, Lane
from .._core.contracts import AsyncEvent, Backend, Openable, Operator, Owner, Source
from .._core.locating import at_item
from .._core.siblings import add_notes
from .._core.threads import Loop, WakeUp, in_a_thread
from .._errors import CleanupTimeoutError
from .._remote import Failed, call
from .executors import checked_pool, makes_pool, not_plain, unless_plain
from .recover import in_except
from .workers import Caller, Pool

SHORT, LONG = 0.2, 2.0
"""Seconds that a call of a chunk is to take, if its size is found out: those of joblib."""

Outcomes = list[Any]
"""A result for each item, or in its place a `Failed`; if that is not dealt with it is the last."""


class Plan(NamedTuple):
    """How a function is called in an executor."""

    fn: Callable[[Any], Any]
    executor: Any  # or a function that makes one
    own: bool  # whether it is such a function
    calls: int  # at most, that are submitted and not finished
    ordered: bool
    ahead: int
    chunk: int | None  # items of one call, at most; None: it is found out
    attempts: int
    on_error: Callable[[Exception, Any], Any] | None = None
    pairs: bool = False  # whether each result comes with its item

    @property
    def chunks(self) -> int:
        """How many may be taken and not wholly read."""
        return self.calls + self.ahead

    @property
    def items(self) -> int:
        """How many items that is, at most, or else chunks."""
        return self.chunks * (self.chunk or 1)

    @classmethod
    def checked(
        cls,
        fn: Callable[[Any], Any],
        executor: Any,
        concurrency: int | None,
        ordered: bool,
        ahead: int | None,
        chunk: Any,
        attempts: int,
    ) -> "Plan":
        own = makes_pool(executor)
        if not own:
            checked_pool(executor)
        elif check.is_async(executor) or check.is_generator(executor):
            raise TypeError(
                f"executor must be made by a plain function, got {label.whole(executor)}"
            )
        if check.is_async(fn):
            raise not_plain(fn)
        if concurrency is None:
            raise TypeError(
                "executor needs concurrency, the number of calls that may be submitted and not"
                " finished"
            )
        calls = check.integer("concurrency", concurrency, 1)
        check.flag("ordered", ordered)
        if isinstance(chunk, str):
            check.choice("chunk", chunk, ("auto",))
        if check.integer("attempts", attempts, 1) > 1 and not own:
            raise TypeError(
                "attempts needs a function that makes the executor: a broken one that was handed"
                " over cannot be made anew"
            )
        return cls(
            fn,
            executor,
            own,
            calls,
            ordered,
            calls if ahead is None else check.integer("ahead", ahead, 0),
            None if isinstance(chunk, str) else check.integer("chunk", chunk, 1),
            attempts,
        )


# -- chunks ---------------------------------------------------------------------------------


class Size:
    """How many items a call takes at most."""

    def __init__(self, size: int) -> None:
        self.size = size

    def learn(self, items: int, seconds: float) -> None:
        """A call of so many items took so many seconds."""


class FoundSize(Size):
    """One that grows while calls are short, and shrinks when they are long, as joblib's does."""

    def __init__(self) -> None:
        super().__init__(1)

    def learn(self, items: int, seconds: float) -> None:
        if items != self.size:  # there were not as many, or it has changed since
            return
        wanted = 2 * int(items * SHORT / max(seconds, 1e-9))
        if seconds < SHORT:
            self.size = max(1, min(2 * items, wanted))
        elif seconds > LONG:
            self.size = max(1, wanted)


class Chunk(NamedTuple):
    """Items of one call."""

    first: int  # the number of the first among all
    items: list[Any]

    def each(self) -> "Iterator[Chunk]":
        """The same, one by one."""
        return (Chunk(number, [item]) for number, item in enumerate(self.items, self.first))

    def __str__(self) -> str:
        last = self.first + len(self.items) - 1
        if last > self.first:
            return f"items {self.first} to {last}"
        return f"item {self.first}, {label.value(self.items[0])}"


class Chunks(Operator):
    """What is there, in chunks; none waits for more items."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self.taken = 0

    def __call__(self, batch: Iterator[Any]) -> Iterator[Chunk]:
        error: BaseException | None = None
        more = True
        while more:
            items: list[Any] = []
            size = self.size.size
            try:
                items.extend(islice(batch, size))
            except BaseException as exc:
                error = exc  # which comes after the items before it
            more = len(items) == size and error is None
            if items:
                first, self.taken = self.taken, self.taken + len(items)
                yield Chunk(first, items)
        try:
            if error is not None:
                raise error
        finally:
            del error  # which refers to this frame


class ChunkLane(Lane):
    """A lane of which each place is for the results of a chunk, until the last of them is read."""

    __slots__ = ("_ends", "_places", "_sum")

    def __init__(self, channel: Channel, bound: int, places: int) -> None:
        super().__init__(channel, bound)
        self._items = deque()
        self._places = places
        self._ends: deque[int] = deque()  # how many results each chunk has given that is not read
        self._sum = 0  # of these
        self.spares = False  # each place may be taken by one item

    def room(self) -> int:
        while self._ends and self._sum - self._ends[0] >= len(self._items):
            self._sum -= self._ends.popleft()
        return 0 if self.stopped else self._places - len(self._ends) - self._promised

    def takes(self) -> bool:
        return self.room() > 0

    def promise(self) -> bool:
        if not self.takes():
            return False
        self._promised += 1
        return True

    def deliver(self, item: list[Any]) -> None:
        self._promised -= 1
        if item:
            self._ends.append(len(item))
            self._sum += len(item)
            self.extend(iter(item))

    def taken(self) -> None:
        if self.takes():
            self._wake_one()


# -- calls ----------------------------------------------------------------------------------


class Arrivals:
    """Wakes the tasks whose calls have finished; one wake-up of the event loop is for all."""

    def __init__(self) -> None:
        self.events: deque[AsyncEvent] = deque()
        self.wake_up = WakeUp(Loop())

    def add(self, event: AsyncEvent, _: object) -> None:
        """A call has finished; some thread says so."""
        self.events.append(event)
        self.wake_up.soon(self.wake)

    def wake(self) -> None:
        while self.events:
            self.events.popleft().set()


class Turns:
    """Lets calls run together, but some of them alone."""

    def __init__(self, new_event: Callable[[], AsyncEvent]) -> None:
        self._new_event = new_event
        self._running = 0
        self._alone = 0  # those that run alone, or wait for it
        self._changed: AsyncEvent | None = None  # if somebody waits

    async def enter(self, alone: bool) -> None:
        self._alone += alone
        try:
            while self._running if alone else self._alone:
                if self._changed is None:
                    self._changed = self._new_event()
                await self._changed.wait()
        except BaseException:
            self._alone -= alone
            self._tell()
            raise
        self._running += 1

    def leave(self, alone: bool) -> None:
        self._running -= 1
        self._alone -= alone
        self._tell()

    def _tell(self) -> None:
        changed, self._changed = self._changed, None
        if changed is not None:
            changed.set()


class Calls:
    """The calls of one run: what they are made in, and how their ends are heard of."""

    def __init__(self, plan: Plan, backend: Backend) -> None:
        self.plan = plan
        self.size = FoundSize() if plan.chunk is None else Size(plan.chunk)
        self._backend = backend
        self._home = os.getpid() if plan.own else None
        self._executor: Any = None if plan.own else plan.executor
        self._arrivals = Arrivals()
        self._turns = Turns(backend.new_event)

    async def make(self, items: list[Any], alone: bool) -> Outcomes:
        """Call the function for each of these; raises what the executor itself raises."""
        await self._turns.enter(alone)
        try:
            executor, future = self._taken(items)
            await self._end_of(future)
        finally:
            self._turns.leave(alone)
        error = future.exception()
        if isinstance(error, BrokenExecutor):
            self._has_broken(executor)
        if error is not None:
            try:
                raise error
            finally:
                del error  # which refers to this frame
        outcomes: Outcomes
        outcomes, seconds = future.result()
        self.size.learn(len(items), seconds)
        return outcomes

    def _taken(self, items: list[Any]) -> tuple[Any, "Future[Any]"]:
        """A call that an executor has taken; if it breaks meanwhile, the call may have begun."""
        try:
            return self._submit(items)
        except BrokenExecutor:
            raise
        except Exception as error:
            broken = why_broken(self._executor)
            if broken is None:
                raise
            self._has_broken(self._executor)
            raise broken from error

    def _submit(self, items: list[Any]) -> tuple[Any, "Future[Any]"]:
        executor = self._open()
        try:
            return executor, self._submit_to(executor, items)
        except BrokenExecutor:
            if not self.plan.own:
                raise
        self._has_broken(executor)  # before this call, which is none yet
        executor = self._open()
        return executor, self._submit_to(executor, items)

    def _submit_to(self, executor: Any, items: list[Any]) -> "Future[Any]":
        every = self.plan.on_error is not None
        future: Future[Any] = executor.submit(call, self.plan.fn, items, every, self._home)
        if not hasattr(future, "add_done_callback"):
            raise TypeError(
                "submit() of an executor must return a concurrent.futures.Future, got"
                f" {label.whole(future)}"
            )
        return future

    async def _end_of(self, future: "Future[Any]") -> None:
        """Wait for a call; one that nobody waits for any more never starts, if it has not."""
        event = self._backend.new_event()
        future.add_done_callback(partial(self._arrivals.add, event))
        try:
            await event.wait()
        except BaseException:
            future.cancel()
            raise

    def _open(self) -> Any:
        if self._executor is None:
            self._executor = checked_pool(self.plan.executor())
        return self._executor

    def _has_broken(self, executor: Any) -> None:
        """The next call is made in a new one, if it is ours."""
        if self.plan.own and executor is self._executor:
            self._executor = None
            if hasattr(executor, "shutdown"):
                shut_down(executor, wait=False)

    async def close(self, owner: Owner) -> None:
        """Shut down what is ours, in time, or else kill it if that can be done."""
        executor, self._executor = self._executor, None
        if not self.plan.own or not hasattr(executor, "shutdown"):
            return
        before = len(owner.errors)
        killed: list[bool] = []

        async def close() -> None:
            try:
                await in_a_thread(lambda: shut_down(executor, wait=True))
            except self._backend.cancelled:
                killed.append(kill(executor))
                raise

        await owner.release(close)
        for error in owner.errors[before:]:
            if isinstance(error, CleanupTimeoutError):
                error.complete = any(killed)


def why_broken(executor: Any) -> BrokenExecutor | None:
    """What an executor says that has failed to take a call, for whatever reason.

    A pool of processes that breaks while it starts one more of them tells of a closed handle.
    """
    try:
        executor.submit(bool).cancel()
    except BrokenExecutor as error:
        return error
    except Exception:  # it is not broken, or there is none
        return None
    return None


def shut_down(executor: Any, *, wait: bool) -> None:
    """Let it end; calls that were not begun are cancelled by who waits for them, too."""
    stop = executor.shutdown
    if "cancel_futures" in signature(stop).parameters:
        stop(wait=wait, cancel_futures=True)
    else:
        stop(wait=wait)


def kill(executor: Any) -> bool:
    """End the workers in the middle of their calls, if the executor can do that."""
    if hasattr(executor, "kill_workers"):  # of a process pool, since Python 3.14
        executor.kill_workers()
        return True
    if "kill_workers" in signature(executor.shutdown).parameters:  # of loky
        executor.shutdown(wait=False, kill_workers=True)
        return True
    return False


# -- workers --------------------------------------------------------------------------------


class RemotePool(Pool):
    """Workers of which each has at most one call in an executor."""

    def __init__(self, calls: Calls, owner: Owner) -> None:
        self.calls = calls
        plan = calls.plan
        super().__init__(bind, owner, plan.calls, plan.items, plan.ordered)

    def new_lane(self, bound: int) -> Lane:
        lane = ChunkLane(self.channel, bound, self.calls.plan.chunks)
        self.channel.add(lane)
        return lane

    def new_caller(self, seat: int) -> Caller:
        return RemoteCaller(self, self.calls, seat)


class RemoteCaller(Caller):
    """A worker of a pool that waits for calls in an executor."""

    __slots__ = ("calls", "failing")

    def __init__(self, pool: RemotePool, calls: Calls, seat: int) -> None:
        super().__init__(pool, seat)
        self.calls = calls
        self.failing: int | None = None  # the number of the item whose error is dealt with

    def tell_where(self, error: BaseException) -> None:
        """An error of a whole call says by itself of which items that is."""
        if self.supply.has_raised(error):
            super().tell_where(error)
        elif self.failing is not None:
            at_item(error, self.failing)

    async def call(self, chunk: Chunk) -> list[Any]:
        """The results of a chunk; those before an error are in `before`."""
        results: list[Any] = []
        self.before = results
        attempts = self.calls.plan.attempts
        outcomes = await self.first_attempts(chunk, attempts - 1)
        if outcomes is not None:
            await self.take(chunk, outcomes, results)
            return results
        for part in chunk.each() if attempts > 1 else (chunk,):
            await self.take(part, await self.last_attempt(part, attempts), results)
        return results

    async def first_attempts(self, chunk: Chunk, attempts: int) -> Outcomes | None:
        """None if each has broken the executor, or another call beside it has."""
        for _ in range(attempts):
            try:
                return await self.attempt(chunk, alone=False)
            except BrokenExecutor as error:
                self.has_retried(error)
        return None

    async def last_attempt(self, chunk: Chunk, attempts: int) -> Outcomes:
        """Made alone, unless it is the only one: what breaks the executor then is this item."""
        try:
            return await self.attempt(chunk, alone=attempts > 1)
        except BrokenExecutor as error:
            own = copy(error)  # an executor gives the same one to all of its calls
            own.__cause__ = error.__cause__
            times = f"{attempts} times" if attempts > 1 else "or was killed"
            add_notes(own, f"{chunk}: its worker died {times}")
            raise own from error.__cause__

    async def attempt(self, chunk: Chunk, alone: bool) -> Outcomes:
        try:
            return await self.calls.make(chunk.items, alone)
        except BrokenExecutor:
            raise
        except Exception as error:
            fn = self.calls.plan.fn
            if isinstance(error, UNSENDABLE) and not is_sendable(fn):
                raise pickle.PicklingError(
                    f"{label.whole(fn)} cannot be sent to a worker: give a function of a module,"
                    " no lambda, no function inside another one, and none that wrapt has decorated"
                ) from error
            add_notes(error, f"in the call for {chunk}")
            raise

    async def take(self, chunk: Chunk, outcomes: Outcomes, results: list[Any]) -> None:
        """Add what the worker has sent to the results; raises the error of an item."""
        unless_plain(self.calls.plan.fn, outcomes)
        pairs = zip(chunk.items, outcomes, strict=False)
        for number, (item, outcome) in enumerate(pairs, chunk.first + 1):
            result = outcome
            if type(outcome) is Failed:
                self.failing = number
                result = await self.in_place_of(outcome.error, item)
                self.failing = None
            results.append((result, item) if self.calls.plan.pairs else result)

    async def in_place_of(self, error: BaseException, item: Any) -> Any:
        on_error = self.calls.plan.on_error
        unless_foreign(error, self.calls.plan.fn)
        try:
            if on_error is None or not isinstance(error, Exception) or not self.recovers():
                raise error
            self.has_caught(error)
            return await in_except(error, on_error, error, item)
        finally:
            del error  # which refers to this frame

    async def close_sources(self) -> None:
        await super().close_sources()
        if self.last:  # the last one, then
            await self.calls.close(self)


UNSENDABLE = (pickle.PicklingError, AttributeError, TypeError, NotImplementedError)
"""What pickling raises; the last one for what wrapt has decorated."""


def is_sendable(value: object) -> bool:
    try:
        pickle.dumps(value)
    except Exception:
        return False
    return True


def bind(owner: Owner) -> Callable[[Any], Any]:
    assert isinstance(owner, RemoteCaller)
    return owner.call


def mapped(
    chunked: Callable[[Callable[[Owner], Operator]], Openable], plan: Plan
) -> Callable[[Owner], Source]:
    """The results of a function that is called in an executor.

    `chunked` gives the stream with one more operator.
    """

    def open_source(owner: Owner) -> Source:
        calls = Calls(plan, owner.backend)
        return RemotePool(calls, owner).open(chunked(lambda _: Chunks(calls.size)))

    return open_source
