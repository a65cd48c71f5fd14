"""What the parts of the core are to each other, and to the sources and operators above it.

Nothing here does anything. The words for an end, as the core uses them:

ended     the source has no more items
stopped   told to finish: nothing begins any more
closed    gave everything back
done      the task is over
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from contextvars import Context
from functools import partial
from time import perf_counter
from types import TracebackType
from typing import Any, NamedTuple, Protocol, TypeAlias

from anyio import CancelScope


class Missing:
    def __repr__(self) -> str:
        return "<no value>"  # as numpy has it in a signature


MISSING: Any = Missing()
"""In the place of an argument that was not given, or of an item that has not come yet."""

GRACE = 1.0
"""Seconds that a source may take to close, by default: the cleanup timeout."""

OPERATOR = 3
"""Frames of Python that an operator of a row takes, at most."""

SOURCE = 4
"""Frames that a source takes, and one that runs others, at most."""

QUANTUM = 0.001
"""Seconds of work between two checkpoints, as near as the items allow."""

clock: Callable[[], float] = partial(perf_counter)
"""What they are told by, also in a test that freezes time, where no work would ever be enough.

That replaces `perf_counter` in each module that has it.
"""


class Named(Protocol):
    """A call of the user's that a source came about by."""

    def short(self) -> str:
        """Its name, or how it was written."""
        ...


class AsyncEvent(Protocol):
    """What tasks wait for; it is set once."""

    def set(self) -> object: ...

    def is_set(self) -> bool: ...

    def wait(self) -> Awaitable[object]:
        """Wait until it is set, or until this is cancelled."""
        ...


NewEvent: TypeAlias = Callable[[], AsyncEvent]


class Slot(Awaitable[Any], Protocol):
    """What one task awaits, once, which costs half of what an event does [map-ordered-waiting].

    It gives the first answer. Once its task was cancelled nobody may ask whether it has one.
    """

    def done(self) -> bool: ...


class Alarm(Protocol):
    """Waits for an answer, but no longer than until the time that is due."""

    async def wait(self, slot: Slot) -> None: ...

    def stop(self) -> None:
        """Ring no more."""
        ...


class TaskGroup(Protocol):
    """Tasks of which none raises, and a scope around the block that waits for them."""

    cancel_scope: CancelScope

    async def __aenter__(self) -> object: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> bool | None: ...

    def start(self, task: "Startable", /, *, name: str) -> object: ...


Innermost: TypeAlias = tuple[object, object]
"""A task, and a scope that is or was the innermost one in it."""


class Backend(NamedTuple):
    """What asyncio and trio have of their own, where anyio's layer costs several times as much.

    All of it is public there. Scopes are anyio's everywhere, since those of users are.
    """

    new_event: Callable[[], AsyncEvent]
    new_slot: Callable[[], Slot]
    answer: Callable[..., None]
    """Answer a slot with a value, or None, unless it has been or its task was cancelled."""
    new_scope: type[CancelScope]
    new_group: Callable[[], TaskGroup]
    start_alone: Callable[[Callable[[], Coroutine[Any, Any, None]]], object]
    """Run a function in a task that nobody waits for, with the context of the caller.

    On asyncio, one that is cancelled before its first step is told at its first wait instead, and
    so is one of a group: others wait for what it does at its end.
    """
    checkpoint: Callable[[], Awaitable[object]]
    checkpoint_if_cancelled: Callable[[], Awaitable[object]]
    new_alarm: Callable[[Callable[[], float], Callable[[], None]], Alarm]
    """One that asks the first function when it is due, and may call the second one then."""
    clock: Callable[[], Callable[[], float]]
    """What gives the time of the event loop that runs, while it does."""
    now: Callable[[], float]
    """That time, for who asks once."""
    task_id: Callable[[], int]
    """As `anyio.get_current_task().id`."""
    parentless: Callable[[], set[int]]
    """The same of all tasks that no other one has started, and perhaps of others that run.

    anyio makes an object of each task to tell that, which takes ten times as long.
    """
    watch_task: Callable[[], tuple[int, Callable[[], bool]]]
    """The same, and what tells from now on whether the task that calls this is over."""
    cancelled: type[BaseException]
    """What a cancellation is."""
    innermost: Callable[[], Innermost]
    """What tells this task, and the scope that it is in, from all others."""
    has_entered_since: Callable[[Innermost], bool]
    """Whether a scope is open in this task that was entered inside of what was innermost then."""
    is_innermost: Callable[[CancelScope], bool]
    """Whether no scope is open in this task that was entered after this one."""
    is_shielded: Callable[[CancelScope], bool]
    """Whether a shielded one is: no cancellation of this one comes through there."""
    is_passed_on: Callable[[CancelScope], bool]
    """Whether the task that is in this scope awaits one that each of its cancellations reaches."""
    event_loop: Callable[[], object]
    """The one that is running; RuntimeError where none of this backend is."""


class Source(Protocol):
    """Where the batches of a segment come from."""

    @property
    def closes(self) -> bool:
        """Whether this may come to hold something that only an awaited close can give back."""
        ...

    @property
    def holds(self) -> bool:
        """Whether it holds something of that kind now."""
        ...

    @property
    def busy(self) -> bool:
        """Whether it is in the middle of an await of the user's."""
        ...

    @property
    def any_task(self) -> bool:
        """Whether several tasks may step it in turn: nothing stays suspended between batches."""
        ...

    @property
    def awaits_in_batch(self) -> bool:
        """Whether to draw an item out of a batch may begin an await of the user's."""
        ...

    @property
    def waits(self) -> bool:
        """Whether its steps wait for anything but their next turn in the event loop."""
        ...

    @property
    def ends_waits(self) -> bool:
        """Whether closing it ends the wait of a step, without a cancellation."""
        ...

    def is_of(self, call: Named) -> None:
        """It came about by this call of the user's."""
        ...

    def reads(self) -> "Iterable[Source]":
        """What it takes items from, in the task that steps it."""
        ...

    def draws_from(self) -> "Parts":
        """What it draws items from in the same task, as far as an error may have come from there.

        Each with the stream that was opened as it, if that is known.
        """
        ...

    def batch(self) -> Awaitable[Iterator[Any] | None]:
        """The next items, or None at the end. A cancelled call may be repeated."""
        ...

    def read_whole(self, *, kept: bool) -> None:
        """Its reader takes all that comes, and calls nothing of the user's; all may be `kept`."""
        ...

    def asker(self) -> Callable[[int], None] | None:
        """What to tell, before each batch, for how many items there is room, if it is to know."""
        ...

    def hand_over(self, *, paced: bool) -> Iterator[Any]:
        """The first batch, for who has just passed a checkpoint; or an empty one.

        If it is not to be `paced` it may go on for ever, for who sees to the turns of others.
        """
        ...

    def abandon(self) -> None:
        """Nobody will read or close it; said in any thread, and in the middle of anything."""
        ...

    def close(self, owner: "Owner") -> Awaitable[None]:
        """Give everything back through `owner.release`; again is fine."""
        ...


Parts: TypeAlias = Iterable[tuple[Source, "Openable | None"]]


class SourceDefaults:
    """What is so of most sources."""

    __slots__ = ()

    closes: bool = False
    any_task: bool = True
    waits: bool = True
    ends_waits: bool = False

    @property
    def holds(self) -> bool:
        return False

    @property
    def busy(self) -> bool:
        return False

    @property
    def awaits_in_batch(self) -> bool:
        return not self.any_task

    def is_of(self, call: Named) -> None:
        """It came about by this call of the user's."""

    def reads(self) -> Iterable[Source]:
        return ()

    def draws_from(self) -> Parts:
        return ()

    def hand_over(self, *, paced: bool) -> Iterator[Any]:
        return iter(())

    def read_whole(self, *, kept: bool) -> None:
        """It makes no difference."""

    def asker(self) -> Callable[[int], None] | None:
        return None

    def abandon(self) -> None:
        """Nobody else waits for it."""

    def close(self, owner: "Owner") -> Awaitable[None]:
        """There is nothing to give back."""
        return nothing()


async def nothing() -> None:
    """What is awaited where nothing is to be done."""


class Task(Protocol):
    """A task behind a channel, as its reader knows it."""

    @property
    def done(self) -> bool:
        """Whether it has closed all that it held."""
        ...

    @property
    def waits_for(self) -> str | None:
        """ "room" or "items", if it waits for that and is not inside a source or a function."""
        ...

    def reads(self) -> Iterable[Source]:
        """What it takes items from."""
        ...

    def helpers(self) -> "Iterable[Task]":
        """Tasks that it starts and stops itself."""
        ...

    @property
    def waited(self) -> float:
        """Seconds for which it has waited for items, as far as its channel does not time that."""
        ...

    @property
    def caught(self) -> int:
        """How many errors were dealt with in it."""
        ...

    @property
    def retried(self) -> int:
        """How many attempts were made again in it."""
        ...

    def start(self) -> None:
        """Begin, when all that opens together with it is open."""
        ...

    def interrupt(self) -> None:
        """Stop it, unless it has been: once."""
        ...

    async def join(self) -> None:
        """Wait until it is done."""
        ...


class Startable(Task, Protocol):
    """A task, as what starts it knows it."""

    async def run(self) -> None:
        """The whole life of the task; it raises nothing."""
        ...

    def context(self) -> Context:
        """What it begins with a copy of."""
        ...

    def name(self) -> str:
        """What it is called among the tasks of the event loop."""
        ...


class Owner(ABC):
    """A task that segments run in: it opens, steps and closes what they hold.

    It is either the caller's (`opening.Opening`) or one behind a channel (`producer.Producer`).
    """

    __slots__ = ()

    @property
    @abstractmethod
    def over(self) -> bool:
        """Whether this, or what reads from it, has been told to stop: nothing begins any more."""

    @property
    @abstractmethod
    def reader_is_over(self) -> bool:
        """Whether what reads from this has been told to stop; this may have come to its end."""

    @property
    @abstractmethod
    def backend(self) -> Backend:
        """The one that runs."""

    # -- opening ------------------------------------------------------------------------------

    @abstractmethod
    def open(self, make: Callable[[], Source]) -> Source:
        """What `make` opens here; its tasks start when all of it is open, or never.

        What it has opened when it fails is closed by who closes next.
        """

    @abstractmethod
    def open_later(self, make: Callable[[], Source]) -> tuple[Source, Sequence[Task]]:
        """The same, with its tasks, which are still to be started."""

    @abstractmethod
    def open_part(self, stream: "Openable") -> Source:
        """Open `stream` as a part: a segment, or the source itself if there is no row.

        It takes the place of its own parts among those that are closed if something else, which
        opens together with it, fails to open.
        """

    @abstractmethod
    def allow(self, stream: "Openable") -> None:
        """Let each source take as long to close as `stream`, which opens in the run, says it may.

        Only if that is longer, and nothing was said for this opening.
        """

    @abstractmethod
    def has_opened(self, source: Source) -> None:
        """Close `source` if something else that opens together with it fails to open."""

    @abstractmethod
    def has_lost(self, source: Source) -> None:
        """Close `source`, which did not come to be read, with what is closed next."""

    @abstractmethod
    def takes_over(self, source: Source) -> None:
        """Close `source` at the end, whether it was started or not: it was handed over."""

    @abstractmethod
    def is_opening(self) -> bool:
        """Whether this is in the middle of opening something, and looks at its depth itself."""

    @abstractmethod
    def will_open_more(self) -> None:
        """Be ready for tasks: a part that is opened in the course of the run may need some."""

    @abstractmethod
    def will_start_tasks(self) -> None:
        """Be ready for the tasks that what is being opened will start in the course of the run."""

    @abstractmethod
    def unless_over(self) -> None:
        """Raise `StreamClosedError` if nothing may begin any more."""

    @abstractmethod
    def recovers(self) -> bool:
        """Whether an error may be dealt with here, and something else begin in its place.

        It may not where this is over, or while a cancelled step cleans up.
        """

    @abstractmethod
    def unless_abroad(self) -> None:
        """Raise `WrongTaskError` in another event loop than that of the tasks."""

    # -- closing ------------------------------------------------------------------------------

    @abstractmethod
    def release(
        self,
        close: Callable[[], Awaitable[object]],
        *,
        scopes: bool = False,
    ) -> Awaitable[None]:
        """Await `close()` under a shield for the grace period, and collect what it raises.

        What may hold `scopes` itself, as an async generator does across its yields, must not be
        closed in a scope that was entered after them. So it goes without one in the middle of a
        run, where no scope from before its first step is to be had.
        """

    @abstractmethod
    def guard(self, close: Callable[[], object]) -> None:
        """Call `close()` and collect what it raises."""

    @abstractmethod
    async def finish(self, part: Source) -> None:
        """Close one part of the pipeline that has ended, while the rest continues."""

    @abstractmethod
    async def replace(self, part: Source | None, error: Exception | None) -> None:
        """The same for a part that another one is to replace, since it has failed with `error`."""

    @abstractmethod
    async def stop(self, tasks: Iterable[Task]) -> None:
        """Stop tasks and wait until they have closed what they hold, despite any cancellation."""

    @abstractmethod
    async def wait_for(self, tasks: Iterable[Task]) -> None:
        """Wait until stopped tasks have closed what they hold, despite any cancellation."""

    # -- errors and cancellations -------------------------------------------------------------

    @abstractmethod
    def locate(
        self, error: BaseException, source: Source | None, stream: "Openable | None" = None
    ) -> None:
        """Let `error`, which came out of `source`, tell where it was raised.

        `stream` is what was opened as `source`, if that is known.
        """

    @property
    @abstractmethod
    def errors(self) -> Sequence[BaseException]:
        """What cleanup has raised so far."""

    @abstractmethod
    def add_error(self, error: BaseException) -> None:
        """Collect an error of the cleanup, for who closes next."""

    @abstractmethod
    def leave_unread(self, error: BaseException) -> None:
        """Collect an error that the reader has not come to."""

    @abstractmethod
    def raise_collected(self, error: BaseException | None) -> None:
        """Raise any errors collected during cleanup.

        `error`, if given, is already propagating, and continues if this returns.
        """

    @abstractmethod
    def has_caught(self, error: Exception) -> None:
        """An error was dealt with here."""

    @abstractmethod
    def has_retried(self, error: Exception) -> None:
        """An attempt was made again here, after an error."""

    @abstractmethod
    def shelter(self, early: bool) -> Callable[[], None] | None:
        """A step here was cancelled: let it await, until what this returns is called.

        `early` says that the step has not heard of it yet: then no scope of the user's may be open
        in it, which would take the cancellation for its own. None if it cannot; a task behind a
        channel sees to that by itself.
        """

    @abstractmethod
    def stands(self, cancelled: BaseException) -> bool:
        """Whether a wait of the library's own here may continue in spite of this cancellation.

        It may in a task behind a channel, if the cancellation is of a scope that a generator holds
        across its yields: it is the generator's, and hits it when it waits itself.
        """


class Openable(ABC):
    """What can be opened as a segment of an owner: the core's view of a `Stream`."""

    __slots__ = ()

    @abstractmethod
    def _open(self, owner: Owner) -> Source: ...

    @abstractmethod
    def _needs_tasks(self) -> bool: ...

    @abstractmethod
    def _grace(self) -> float | None: ...

    @abstractmethod
    def _depth(self) -> int: ...

    @abstractmethod
    def _drawn(self, format: str, picture: Any) -> str: ...

    @abstractmethod
    def _written(self) -> "Written": ...


class Written(NamedTuple):
    """How a stream was written: labels, whose text is made when it is asked for."""

    text: object  # of the last call, which leads to those before it
    row: Sequence[object]  # of the call that each operator of its row came from
    source: object  # of the call that its source came from


def needs_tasks(stream: Openable) -> bool:
    """Whether `stream` runs in tasks of its own."""
    return stream._needs_tasks()  # pyright: ignore[reportPrivateUsage]  # hidden from users


def grace_of(stream: Openable) -> float | None:
    """How many seconds each source of `stream` may take to close, if that was said."""
    return stream._grace()  # pyright: ignore[reportPrivateUsage]  # as above


def longest(graces: Iterable[float | None]) -> float | None:
    """The longest of these periods, of which those that were not said are the default."""
    said = [*graces]
    if said.count(None) == len(said):
        return None
    return max(GRACE if grace is None else grace for grace in said)


def depth_of(stream: Openable) -> int:
    """How many frames of Python it may take to open and to step `stream`."""
    return stream._depth()  # pyright: ignore[reportPrivateUsage]  # as above


def drawn(stream: Openable, format: str, picture: Any) -> str:
    """A drawing of `stream`, with the numbers of a run of it."""
    return stream._drawn(format, picture)  # pyright: ignore[reportPrivateUsage]  # as above


def written(stream: Openable) -> Written:
    """How `stream` was written."""
    return stream._written()  # pyright: ignore[reportPrivateUsage]  # as above


class Row(Protocol):
    """A row of operators, as one of them knows it."""

    @property
    def failure(self) -> BaseException | None:
        """What has ended it, until it is closed."""
        ...

    @property
    def stream(self) -> Openable:
        """What was opened as this."""
        ...

    @property
    def owner(self) -> Owner:
        """The task that it runs in."""
        ...

    def flattens(self, place: int) -> bool:
        """Whether the operator behind this place gives the items of each item."""
        ...

    def end(self, place: int) -> None:
        """From here on nothing comes but the tails of the operators from `place` on."""
        ...

    def wait_for(self, operator: "WaitingOperator") -> None:
        """The batch ends here because `operator` has to wait: its `go_on` is called."""
        ...


class Operator(ABC):
    """One entry of an open row: a function from batch to batch, with a memory between batches.

    `__call__` gets each batch of what is before it, and gives an iterator over what comes of it.
    It may hold an item across a `yield`: the iterator is kept until it is exhausted, despite
    any cancellation. It must not ask for the next item before that is asked of it. The end of a
    batch is not the end: `tail` is asked for that once, after the last batch, and `head` once,
    before the first. An operator that raises ends the run. `close` gives back what the operator
    has opened, whether or not it was ever called.
    """

    _row: Row
    _place: int
    closes: bool = False
    any_task: bool = True
    flattens: bool = False
    """Whether it gives the items of each item."""
    at_most_one: bool = False
    """Whether it gives an item or none for each, and never ends the row."""
    draws_by_call: bool = False
    """Whether it also draws items by calls, and not only in a `for` or `yield from`."""
    leaves_frame: bool = True
    """Whether an error that passes through it is certain to leave a frame of its method's."""

    @property
    def holds(self) -> bool:
        return False

    @property
    def busy(self) -> bool:
        return False

    @property
    def waits(self) -> bool:
        """Whether it may wait for more than the next turn of the event loop."""
        return False

    @property
    def awaits_in_batch(self) -> bool:
        """Whether to draw an item out of a batch may begin an await of the user's."""
        return self.waits

    def reads(self) -> Iterable[Source]:
        """What it takes items from, besides those that it is given."""
        return ()

    @property
    def lacks(self) -> int:
        """How many items it has to get before it gives one."""
        return 1

    @property
    def function(self) -> object:
        """What it gives to an iterator of C to call, or else None."""
        return None

    def draws_from(self) -> Parts:
        """As for a `Source`."""
        return ((source, None) for source in self.reads())

    def bind(self, row: Row, place: int) -> None:
        """Called once, before the first batch."""
        self._row, self._place = row, place

    @abstractmethod
    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]: ...

    def head(self) -> Iterable[Any]:
        """What comes before the first item of the source."""
        return ()

    def tail(self) -> Iterable[Any]:
        """What comes after the last item of the source."""
        return ()

    def ended(self) -> None:
        """Say that nothing more will come out, even if the source has more items."""
        self._row.end(self._place + 1)

    async def close(self, owner: Owner) -> None:  # noqa: B027  # most hold nothing
        """Give back what this operator itself has opened."""


class WaitingOperator(Operator):
    """An operator that may have to wait in the middle of a batch."""

    any_task: bool = False

    @property
    def waits(self) -> bool:
        return True

    @property
    def place(self) -> int:
        return self._place

    def suspended(self) -> None:
        """Say that the batch ends here because this operator has to wait: `go_on` is called."""
        self._row.wait_for(self)

    @abstractmethod
    async def go_on(self) -> Iterator[Any]:
        """Wait, and give the next items. A cancelled call may be repeated, and loses nothing."""
