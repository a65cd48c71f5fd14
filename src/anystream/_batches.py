"""The step "next batch": fair slices, and a row of operators over them.

Everything that items come from has one face: `await source.batch()` gives a lazy synchronous
iterator, or None at the end. A batch holds no item: it computes each one when it is asked for, so
dropping it, or cancelling around it, loses nothing. A batch may be empty, and may end at any time.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Generator, Iterable, Iterator
from itertools import chain, islice
from time import perf_counter as clock
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ._host import Host

MISSING: Any = object()
"""In the place of an argument that was not given, or of an item that has not come yet."""

GRACE = 1.0
"""Seconds that a source may take to close, if nobody has said how many."""

OPERATOR = 3
"""Frames of Python that an operator of a row takes, at most."""

SOURCE = 4
"""Frames that a source takes, and one that runs others, at most."""

QUANTUM = 0.001
"""Seconds of work between two checkpoints, as near as the items allow."""

PIECE = QUANTUM / 8
"""Seconds of work between two looks at the clock."""


class Source(Protocol):
    """Where the batches of a segment come from."""

    @property
    def closes(self) -> bool:
        """Whether this may come to hold something that only an awaited close can give back."""
        ...

    @property
    def holds(self) -> bool:
        """Whether it holds something of the kind now."""
        ...

    @property
    def busy(self) -> bool:
        """Whether it is in the middle of an await of the user's."""
        ...

    @property
    def any_task(self) -> bool:
        """Whether several tasks may step it in turn: nothing stays suspended between batches."""
        ...

    def batch(self) -> Awaitable[Iterator[Any] | None]:
        """The next items, or None at the end. A cancelled call may be repeated."""
        ...

    async def close(self, host: "Host") -> None:
        """Give everything back through `host.release`; again is fine."""
        ...


class Recipe(ABC):
    """What can be opened as a segment of a host: the core's view of a `Stream`."""

    __slots__ = ()

    @abstractmethod
    def _open(self, host: "Host") -> Source: ...

    @abstractmethod
    def _needs_tasks(self) -> bool: ...

    @abstractmethod
    def _grace(self) -> float: ...

    @abstractmethod
    def _depth(self) -> int: ...


def opened(recipe: Recipe, host: "Host") -> Source:
    """Open `recipe` as a part of `host`: a segment, or the source itself if there is no row.

    It takes the place of its own parts among those that are closed if something else, which opens
    together with it, fails to open.
    """
    halves = host.pipeline.halves
    before = len(halves)
    source = recipe._open(host)  # pyright: ignore[reportPrivateUsage]  # hidden from users only
    halves[before:] = [source]
    return source


def needs_tasks(recipe: Recipe) -> bool:
    """Whether `recipe` runs in tasks of its own."""
    return recipe._needs_tasks()  # pyright: ignore[reportPrivateUsage]  # as above


def grace_of(recipe: Recipe) -> float:
    """How many seconds each source of `recipe` may take to close."""
    return recipe._grace()  # pyright: ignore[reportPrivateUsage]  # as above


def depth_of(recipe: Recipe) -> int:
    """How many frames of Python it may take to open and to step `recipe`."""
    return recipe._depth()  # pyright: ignore[reportPrivateUsage]  # as above


class Pace:
    """Cuts an iterator into pieces, sized by time so that the event loop gets its turn."""

    __slots__ = ("due", "size")

    def __init__(self) -> None:
        self.size: int = 1
        self.due: float = 0.0

    def start(self) -> None:
        self.due = clock() + QUANTUM

    def pieces(self, items: Iterator[Any]) -> Generator[Iterable[Any], None, bool]:
        """Pieces of `items`; returns True if they are exhausted, False if the time is over."""
        took = PIECE
        while True:
            first = next(items, MISSING)
            if first is MISSING:
                return True
            if took < PIECE / 2:  # and the last piece was full, since something came after it
                self.size *= 2
            began = clock()
            yield (first,)
            yield islice(items, self.size)
            now = clock()
            took = now - began
            if took > 2 * PIECE:
                self.size = max(1, int(self.size * PIECE / took))
            if now >= self.due:
                return False


class Operator(ABC):
    """One entry of an open row: a function from batch to batch, with a memory between batches."""

    segment: "Segment"
    place: int
    closes: bool = False
    any_task: bool = True

    @property
    def holds(self) -> bool:
        return False

    @property
    def busy(self) -> bool:
        return False

    def bind(self, segment: "Segment", place: int) -> None:
        """Called once, before the first batch."""
        self.segment, self.place = segment, place

    @abstractmethod
    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]: ...

    def head(self) -> Iterable[Any]:
        """What comes before the first item of the source."""
        return ()

    def tail(self) -> Iterable[Any]:
        """What comes after the last item of the source: the end of a batch is not the end."""
        return ()

    def ended(self) -> None:
        """Say that nothing more will come out, whatever the source still has."""
        self.segment.end(self.place + 1)

    async def close(self, host: "Host") -> None:  # noqa: B027  # most hold nothing
        """Give back what this operator itself has opened."""


class WaitingOperator(Operator):
    """An operator that may have to wait in the middle of a batch."""

    any_task: bool = False

    def suspended(self) -> None:
        """Say that the batch ends here because this operator has to wait: `go_on` is called."""
        self.segment.waiting = self

    @abstractmethod
    async def go_on(self) -> Iterator[Any]:
        """Wait, and give the next items. A cancelled call may be repeated."""


class Segment:
    """A source and a row of operators, stepped by one task at a time."""

    __slots__ = ("complete", "flushing", "heads", "host", "row", "source", "waiting")

    def __init__(self, source: Source, row: Iterable[Operator], host: "Host") -> None:
        self.host: Host = host
        self.source: Source = source
        self.row: tuple[Operator, ...] = tuple(row)
        self.waiting: WaitingOperator | None = None  # its step has suspended
        self.flushing: int | None = None  # the next operator to give its tail; None: not yet
        self.complete: bool = True  # whether the last batch came to its proper end
        self.heads: list[int] = [
            place for place, operator in enumerate(self.row) if operator.head()
        ]
        for place, operator in enumerate(self.row):
            operator.bind(self, place)

    @property
    def closes(self) -> bool:
        return self.source.closes or any(operator.closes for operator in self.row)

    @property
    def holds(self) -> bool:
        return self.source.holds or any(operator.holds for operator in self.row)

    @property
    def busy(self) -> bool:
        return self.source.busy or any(operator.busy for operator in self.row)

    @property
    def any_task(self) -> bool:
        return self.source.any_task and all(operator.any_task for operator in self.row)

    async def batch(self) -> Iterator[Any] | None:
        if self.waiting is not None:
            return await self.go_on(self.waiting)
        if not self.complete:
            raise RuntimeError("a function given to an operator raised StopIteration")
        if self.heads:
            place = self.heads.pop()
            return self.through(self.row[place].head(), place + 1)
        if self.flushing is None:
            batch = await self.source.batch()
            if batch is not None:
                return self.through(batch, 0) if self.row else batch
            self.end(0)
        return self.flush()

    async def go_on(self, operator: WaitingOperator) -> Iterator[Any]:
        self.waiting = None
        try:
            batch = await operator.go_on()
        except BaseException:
            self.waiting = operator
            raise
        return self.through(batch, operator.place + 1, marked=False)

    def flush(self) -> Iterator[Any] | None:
        assert self.flushing is not None
        for place in range(self.flushing, len(self.row)):
            self.flushing = place + 1
            if tail := self.row[place].tail():
                return self.through(tail, place + 1)
        return None

    def through(self, batch: Iterable[Any], place: int, marked: bool = True) -> Iterator[Any]:
        """Apply the row from `place` on.

        A function that raises StopIteration looks like the end of a batch to the C iterators, so
        a mark stands behind the items: a batch that ends without having reached it was cut short.
        A batch of a waiting operator needs none: it draws on a batch that has one.
        """
        if marked:
            self.complete = False
            batch = chain(batch, self.mark())
        items = iter(batch)
        for operator in self.row[place:] if place else self.row:
            items = operator(items)
        return items

    def mark(self) -> Iterator[Any]:
        self.complete = True
        yield from ()

    def end(self, place: int) -> None:
        """From here on nothing comes but the tails of the operators from `place` on."""
        self.flushing = max(place, self.flushing or 0)
        self.heads = [head for head in self.heads if head >= place]
        self.complete = True

    async def close(self, host: "Host") -> None:
        """Close downstream first, then upstream."""
        row, self.row, self.waiting = self.row, (), None  # no cycle is left for the collector
        for operator in reversed(row):
            await operator.close(host)
        await self.source.close(host)
