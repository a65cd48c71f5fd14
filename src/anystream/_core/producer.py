"""A task behind a channel: what it does, how it is stopped, and how it ends.

The states of a producer, what each means, and what `interrupt` does in it:

| state | it | holds | `interrupt` |
|---|---|---|---|
| NEW | has made no step yet | | STOPPED |
| RUNNING | may await anything | | INTERRUPTED: its scope is cancelled |
| PARKED | waits for one event and nothing else | that event | STOPPED: it is set |
| STOPPED | was told to stop, and comes to its end undisturbed | | nothing |
| INTERRUPTED | was cancelled, and what it awaits has not heard yet | | nothing |
| UNWINDING | what it awaits was told, and cleans up behind a shield | scopes, on trio | nothing |
| CLOSING | closes what it has read, behind the shield | | nothing |
| DONE | has closed everything | | nothing |

An operator with tasks implements `produce`, and says where the items go; the end of a producer is
written here, once.
"""

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Iterator, Sequence
from contextvars import Context
from enum import IntEnum
from math import inf
from types import coroutine
from typing import Any

from anyio import CancelScope

from .._errors import StreamClosedError, StreamInterruptedError
from .backends import is_cancelling, is_foreign, is_from, is_native, named
from .channel import Lane
from .contracts import AsyncEvent, Backend, Openable, Owner, Slot, Source, Task
from .driver import EMPTY
from .interrupts import protected
from .observing import TrackedRun
from .opening import Opening
from .owner import TaskOwner
from .siblings import parted
from .statistics import waited_for

OWN: "dict[int, Producer]" = {}  # by what identifies them
"""The tasks of this library that run: none of them begins to read what somebody else has opened."""

LONG = 8
"""From this many places in a lane on it pays to look twice before parking [buffer-64]."""


class ProducerState(IntEnum):
    """The life of a producer; what each state means stands above."""

    NEW = 1
    RUNNING = 2
    PARKED = 3
    STOPPED = 4
    INTERRUPTED = 5
    UNWINDING = 6
    CLOSING = 7
    DONE = 8


NEW, RUNNING, PARKED, STOPPED, INTERRUPTED, UNWINDING, CLOSING, DONE = ProducerState


class Producer(TaskOwner):
    """A task behind a channel.

    Two scopes are entered before its first step and left after its last close. The outer one is
    shielded, so that a cancellation of the reader does not come here. To stop a producer that is
    parked, it is woken. Wherever else it waits, the outer scope is cancelled. That interrupts once:
    then the inner one is shielded, for what has been interrupted to clean up and for the segment
    to be closed. A producer that awaits nothing of the user's has nothing to protect, and does
    without the inner one.

    asyncio's `Task.cancel()` may come first, as to all tasks when the event loop ends. A stop
    then does not interrupt the cleanup that this has caused, unless it takes too long.
    """

    __slots__ = (
        "_awaits",
        "_inner",
        "_joined",
        "_opening",
        "_outer",
        "_reader",
        "_spared",
        "_state",
        "_unwinding",
        "_wake",
    )

    def __init__(self, reader: Owner, *, awaits: bool = True) -> None:
        super().__init__()
        self._reader: Owner = reader
        self._opening: Opening = opening_of(reader)
        self._outer: CancelScope = self._opening.backend.new_scope(shield=True)
        self._inner: CancelScope | None = None
        self._joined: AsyncEvent | None = None  # set when it is done, if a task waits for that
        self._awaits: bool = awaits  # something of the user's
        self._spared: bool = False  # `Task.cancel()` has come, and holds
        self._state: ProducerState = NEW
        self._wake: Slot | None = None  # what PARKED holds
        self._unwinding: Any = None  # what UNWINDING holds

    # -- what the kinds of producers differ in ------------------------------------------------

    @abstractmethod
    def produce(self) -> Awaitable[None]:
        """Make items until there are no more, or until it is stopped."""

    @abstractmethod
    def report(self, error: BaseException | None, stopped: bool, told: bool) -> bool:
        """Give the error that has ended `produce` to who reads; False if nobody will hear of it.

        It comes before anything is closed, which may take its time. `stopped` says whether this had
        been told to stop, and `told` whether what it awaited had been interrupted.
        """

    def reading(self) -> Iterable[Source]:
        """What it reads, which is closed at its end."""
        return ()

    def tell_where(self, error: BaseException) -> None:
        """Let `error`, which has ended `produce`, tell where it was raised, if it can be told."""
        for source in self.reading():
            self.locate(error, source)

    async def close_sources(self) -> None:
        """Close what it has read, by `close`."""
        for source in self.reading():
            await self.close(source)

    def ended(self, reported: bool) -> None:
        """All is closed: say so to who reads, with what the cleanup has left.

        `reported` says whether they have been given an error.
        """

    def keep_unread(self, error: BaseException, told: bool) -> None:
        """Collect what has ended `produce` and nobody will read.

        It is an error of the cleanup if the interruption came first.
        """
        if told:
            self.add_error(error)
        else:
            self.leave_unread(error)

    @abstractmethod
    def name(self) -> str:
        """What its task is called."""

    def context(self) -> Context:
        """What its task begins with a copy of."""
        return self._opening.context()

    # -- for neighbours -----------------------------------------------------------------------

    @property
    def stopped(self) -> bool:
        """Whether it has been told to stop, or has come to its end by itself."""
        return self._state >= STOPPED

    @property
    def begun(self) -> bool:
        return self._state is not NEW

    @property
    def done(self) -> bool:
        return self._state is DONE

    @property
    def waits_for(self) -> str | None:
        return "room" if self._state is PARKED else None

    def reads(self) -> Iterable[Source]:
        return self.reading()

    def steps(self) -> Iterable[Source]:
        """What of that it steps alone, and not in turn with other tasks."""
        return self.reads()

    @property
    def waited(self) -> float:
        return self._waited + sum(map(waited_for, self.steps()))

    def helpers(self) -> Iterable[Task]:
        return ()

    def start(self) -> None:
        """Begin, when all that opens together with it is open."""
        self._opening.start(self)

    def interrupt(self) -> None:
        """Stop it, unless it has been: once."""
        state = self._state
        if state >= STOPPED:
            return
        self._state = STOPPED
        if state is PARKED:
            assert self._wake is not None
            self._opening.backend.answer(self._wake)
        elif state is RUNNING:
            self._cancel()

    def _cancel(self) -> None:
        inner = self._inner
        if inner is not None and self._shield is None:
            self._state = INTERRUPTED
            inner.shield = inner.shield or self._spared
            if inner.shield:  # a part is being closed, and the rest hears of it then
                inner.deadline = self.now() + self.grace
        self._outer.cancel()
        if self._is_interrupted() and inner is not None and self.backend.is_passed_on(inner):
            self._state = UNWINDING  # the task that it awaits has been told, and only once
            inner.shield = True
            self._begin_grace(inner)

    async def _close_part(self, close: Callable[[], Awaitable[object]], grace: float) -> None:
        """The same, undisturbed: the inner scope was entered before the first step of that."""
        inner = self._inner
        if inner is None or inner.cancel_called:
            await super()._close_part(close, grace)
            return
        inner.shield = True
        await super()._close_part(close, grace)
        if inner.cancel_called:
            self._late: BaseException | None = None
            self.add_error(self.hung(self.grace))
        else:
            inner.deadline = inf
            inner.shield = self._shield is not None

    async def join(self) -> None:
        """Wait until it is done; what has never got a task comes to its end here."""
        if self._state is not DONE and not self._opening.was_started(self):
            await self._body()
            self._finish()
        while self._state is not DONE:
            if self._joined is None:
                self._joined = self.backend.new_event()
            await self._joined.wait()

    async def wait_for_room(self, lane: Lane, timed: bool = False) -> bool:
        """Wait until there is room in `lane`, since there is none; False if this has to stop.

        A scope that a generator holds across its yields does not cut this short; one around this
        call may, if it is `timed`.
        """
        try:
            if lane.bound >= LONG and not lane.stopped:
                await self.backend.checkpoint()  # a reader that is ready empties the lane meanwhile
                if lane.takes():
                    return True
            while not lane.stopped and self._state < STOPPED:
                slot = lane.gate()
                if lane.channel.timing is not None:
                    lane.channel.timing.room.begin()
                self._wake, self._state = slot, PARKED
                try:
                    await slot
                finally:
                    if self._state is PARKED:
                        self._state = RUNNING
                    if lane.channel.timing is not None:
                        lane.channel.timing.room.end()
                    if lane.bound:
                        lane.leave_gate(slot)
                if lane.takes():
                    return self._state < STOPPED
            return False
        except self.backend.cancelled as exc:
            if timed or not self.stands(exc):
                raise
        if not lane.takes():
            with CancelScope(shield=True):  # which only something of the library's own may do
                await self.wait_for_room(lane)
        return lane.takes() and self._state < STOPPED

    def stands(self, cancelled: BaseException) -> bool:
        return not (self.stopped or is_native(cancelled))

    async def end_step(self, source: Source) -> None:
        """Interrupt a step of `source` that has begun, and that nobody awaits any more.

        It begins when something returns at the very instant at which this is told to stop.
        """
        if source.busy and self._state in (RUNNING, STOPPED):
            self._cancel()
        while source.busy:
            await source.batch()

    async def close(self, source: Source) -> None:
        """Close what this has read; errors are collected, for who comes next."""
        self._begin_closing()
        await source.close(self)

    # -- an owner as its opening is ----------------------------------------------------------

    @property
    def over(self) -> bool:
        return self.stopped or self._reader.over

    @property
    def reader_is_over(self) -> bool:
        return self._reader.over

    @property
    def stream(self) -> Openable:
        return self._opening.stream

    @property
    def grace(self) -> float:
        return self._opening.grace

    @property
    def view(self) -> TrackedRun | None:
        return self._opening.view

    @property
    def is_timed(self) -> bool:
        return self._opening.is_timed

    @property
    def backend(self) -> Backend:
        return self._opening.backend

    def refused(self) -> StreamClosedError:
        return self._opening.refused()

    def forget(self) -> None:
        self._opening.forget()

    async def close_lost(self, owner: Owner) -> None:
        await self._opening.close_lost(owner)

    def open(self, make: Callable[[], Source]) -> Source:
        return self._opening.open(make)

    def open_later(self, make: Callable[[], Source]) -> tuple[Source, Sequence[Task]]:
        return self._opening.open_later(make)

    def open_part(self, stream: Openable) -> Source:
        return self._opening.open_part(stream, self)

    def allow(self, stream: Openable) -> None:
        self._opening.allow(stream)

    def has_opened(self, source: Source) -> None:
        self._opening.has_opened(source)

    def has_lost(self, source: Source) -> None:
        self._opening.has_lost(source)

    def takes_over(self, source: Source) -> None:
        self._opening.takes_over(source)

    def is_opening(self) -> bool:
        return self._opening.is_opening()

    def will_open_more(self) -> None:
        self._opening.will_open_more()

    def will_start_tasks(self) -> None:
        self._opening.will_start_tasks()

    def unless_abroad(self) -> None:
        self._opening.unless_abroad()

    # -- the life of the task -----------------------------------------------------------------

    @protected
    async def run(self) -> None:
        """The whole life of the task; it raises nothing."""
        own = self._opening.backend.task_id()
        OWN[own] = self
        try:
            if self.stopped and not self._awaits:  # before its first step; to close takes none
                await self._body()
                return
            with self._outer:
                if self._state is NEW:
                    self._state = RUNNING
                if self._awaits:
                    with self.backend.new_scope() as self._inner:
                        await self._interruptible(self._body(), self._inner)
                else:
                    await self._body()
        finally:
            OWN.pop(own, None)
            self._finish()

    async def _body(self) -> None:
        error: BaseException | None = None
        try:
            if not self.stopped:
                await self.produce()
            for source in self.reading():
                await self.end_step(source)
        except BaseException as exc:
            error = self._outcome(exc)
        await self._end(error)

    async def _end(self, error: BaseException | None) -> None:
        """The end of every producer: report, close, and say that it is over."""
        stopped = self.stopped
        told = self._state is UNWINDING or (stopped and self._spared)
        self._state = CLOSING  # nobody interrupts the close
        reported = self.report(error, stopped, told)
        if error is not None and not reported:
            self.keep_unread(error, told)
        await self.close_sources()
        self.ended(error is not None and reported)

    def _outcome(self, error: BaseException) -> BaseException | None:
        """The error that has ended `produce`, for the reader; our own interruption is none.

        The second cancellation of a producer that is stopped is the end of the cleanup timeout. One
        that is not ours comes from a scope that a generator holds across a `yield`, or from an
        event loop that shuts down.
        """
        cancelled, rest = parted(error, self.backend.cancelled)
        if rest is not None:
            self.tell_where(rest)
        if cancelled is None:
            return rest
        if self.stopped and self._inner is not None and self._inner.cancel_called:
            if rest is not None:
                self.add_error(rest)
            return self.hung(self.grace)
        if self.stopped or rest is not None:
            return rest
        if is_foreign(error):
            return named(error, self.stream)
        lost = StreamInterruptedError(f"a task behind {self.stream!r} was cancelled from outside")
        lost.__cause__ = error
        return lost

    def _finish(self) -> None:
        """Tell who waits, and leave the errors to who closes the pipeline."""
        self._opening.is_done(self, *self.take_errors())
        self._state = DONE
        if self._joined is not None:
            self._joined.set()

    # -- the interruption ---------------------------------------------------------------------

    def _begin_closing(self) -> None:
        """From here on nothing interrupts."""
        if self._inner is not None:
            self._inner.shield = True
        self._shield: CancelScope | None = self._inner

    def closing_shield(self) -> CancelScope | None:
        if self.stopped and self._shield is None:  # the interruption may be still on its way
            self._begin_closing()
        return self._shield

    @coroutine
    def _interruptible(
        self, body: Coroutine[Any, Any, None], inner: CancelScope
    ) -> Generator[Any, Any, None]:
        """Await `body`, and raise the shield behind the first interruption.

        It wraps the whole body, which costs one generator and two tests for each suspension. On
        asyncio the shield goes up before the interrupted code hears of it, since anyio's
        `checkpoint_if_cancelled`, in which a lock or a memory stream begins, looks for the scope
        that is cancelled until it is cancelled for that. If a scope of the user's is open inside
        ours, the shield goes up when the code suspends again: a scope that is cancelled as well
        would take our cancellation for its own behind it. On trio the shield goes up at once, since
        code that is told of a cancellation and does not find it at its next look comes to an
        assertion of trio's; and `Unwinding` sees to the scopes.
        """
        send, spared = body.send, False  # a look at an attribute costs more [map-10]
        try:
            trap = send(None)
            while True:
                try:
                    value = yield trap
                except BaseException as exc:  # asyncio throws
                    hit = self._is_interrupted() and self._is_told(exc)
                    if hit:
                        self._state = UNWINDING if is_from(exc, self._outer) else STOPPED
                        inner.shield = self.backend.is_innermost(inner)
                    if not (hit or inner.shield) and is_native(exc):
                        self._spared = spared = is_cancelling()
                    trap = body.throw(exc)
                    if hit:
                        inner.shield = True
                        self._begin_grace(inner)
                else:  # trio sends an outcome, and asyncio nothing
                    if value is None or (self._state < STOPPED and self._unwinding is None):
                        trap = send(value)
                    elif self._is_interrupted():
                        trap = self._unwind_on(send, value, inner)
                    else:
                        trap = send(value)
                if spared and not is_cancelling():
                    spared = False
                    self._spare_no_more(inner)
        except StopIteration:
            return

    def _spare_no_more(self, inner: CancelScope) -> None:
        """The body has taken the cancellation back, as that of a timeout in it, and continues."""
        self._spared = False
        if self._state is INTERRUPTED:
            inner.shield, inner.deadline = self._shield is not None, inf

    def _is_told(self, error: BaseException) -> bool:
        """Whether asyncio tells the interrupted body of that, or of it as well.

        Behind a shield it does not: a cancellation there is of a scope inside it.
        """
        assert self._inner is not None
        through = is_native(error) or not self.backend.is_shielded(self._inner)
        return through and isinstance(error, self.backend.cancelled)

    def _is_interrupted(self) -> bool:
        """Whether what comes has to be looked at: an interruption, or what follows it on trio.

        It does not come to a part that is being closed.
        """
        if self._state is INTERRUPTED:
            return self._inner is not None and not self._inner.shield
        return self._unwinding is not None

    def _unwind_late(self, send: Callable[[Any], Any], outcome: Any, inner: CancelScope) -> Any:
        """The same in the order of asyncio, which needs no private names."""
        if not isinstance(getattr(outcome, "error", None), self.backend.cancelled):
            return send(outcome)
        self._state = UNWINDING
        trap = send(outcome)
        inner.shield = True
        self._begin_grace(inner)
        return trap

    def _begin_grace(self, inner: CancelScope) -> None:
        """The interrupted body has suspended again, and not for a close."""
        if self._shield is None:
            inner.deadline = self.now() + self.grace

    def _unwind_on(self, send: Callable[[Any], Any], outcome: Any, inner: CancelScope) -> Any:
        """Resume an interrupted body on trio until it suspends again; what it waits for."""
        from .trio_scopes import Unwinding, are_known, is_told  # asyncio may be alone here

        if not are_known():
            return self._unwind_late(send, outcome, inner)
        unwinding = self._unwinding
        first = unwinding is None
        if unwinding is None:
            if not is_told(outcome, self.backend.cancelled):
                return send(outcome)
            unwinding = self._unwinding = Unwinding()
            self._state = UNWINDING
            inner.shield = True
        if not inner.cancel_called:
            unwinding.goes_on()
        trap = send(outcome)
        unwinding.suspends()
        if first:
            self._begin_grace(inner)
        return trap


def opening_of(owner: Owner) -> Opening:
    """The opening that a task belongs to."""
    if isinstance(owner, Opening):
        return owner
    assert isinstance(owner, Producer)
    return owner._opening  # pyright: ignore[reportPrivateUsage]  # of the same kind


class LaneProducer(Producer):
    """A producer that fills a lane, which ends with it."""

    __slots__ = ("lane",)

    lane: Lane

    def fill(self, lane: Lane) -> None:
        """Begin to fill `lane`, and stop when its channel does."""
        self.lane = lane
        if self._opening.is_timed and not lane.channel.tasks:
            lane.channel.time_waits(0, 0)
        lane.channel.filled_by(self)
        self.start()

    def first_of(self, source: Source) -> Iterator[Any]:
        """What there is of it, if that waits for a reader, which gives the event loop its turn."""
        lane = self.lane
        if lane.bound or not lane.channel.begins_at_once:
            return EMPTY
        return source.hand_over(paced=lane.channel.asks > 1)

    async def transfer(self, source: Source, batch: Iterator[Any] = EMPTY) -> None:
        """Move what `source` gives into the lane, as far as there is room, to its end.

        A `batch` that is there comes first. It may go on for ever where this waits for each item.
        """
        lane, ask_for = self.lane, source.asker()
        while self._state < STOPPED:
            if lane.fill(batch):
                if ask_for is not None:
                    ask_for(lane.room())
                following = await source.batch()
                if following is None:
                    return
                batch = following
            elif not await self.wait_for_room(lane):
                break
        await self.end_step(source)

    def name(self) -> str:
        return self.lane.task_name()

    def report(self, error: BaseException | None, stopped: bool, told: bool) -> bool:
        lane = self.lane
        if lane.stopped:
            return False
        if stopped:
            lane.channel.cut()  # and so this is not the end of what is read
        if error is not None:
            lane.finish(error)
        return True

    def keep_unread(self, error: BaseException, told: bool) -> None:
        if error is not self.lane.channel.failure:  # several may hear of one error
            super().keep_unread(error, told)

    def ended(self, reported: bool) -> None:
        lane = self.lane
        self.tell_of_unread(lane.channel.failure)
        if not reported:
            lane.finish(None if lane.stopped else self.failure())


class Mover(LaneProducer):
    """A producer that moves the items of one source into a lane."""

    __slots__ = ("_part", "source")

    source: Source
    _part: Openable  # what was opened as that

    def read(self, stream: Openable) -> Source:
        """Open what this reads.

        Apart from the constructor, since a call of a class takes one more of the frames that a row
        may be deep.
        """
        self._part = stream
        self.source = source = self._opening.open_part(stream, self)
        self._awaits: bool = source.closes or not source.any_task
        return source

    def produce(self) -> Awaitable[None]:
        return self.transfer(self.source, self.first_of(self.source))

    def tell_where(self, error: BaseException) -> None:
        self.locate(error, self.source, self._part)

    def reading(self) -> Iterable[Source]:
        return (self.source,)
