"""The step "next batch": fair slices, and a row of operators over them.

Everything that items come from has one interface: `await source.batch()` gives a lazy synchronous
iterator, or None at the end. A batch holds no item: it computes each one when it is asked for, so
dropping it, or cancelling around it, loses nothing. A batch may be empty, and may end at any time.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from .contracts import (
    MISSING,
    QUANTUM,
    Named,
    Openable,
    Operator,
    Owner,
    Parts,
    Source,
    WaitingOperator,
    clock,
)

PIECE = QUANTUM / 8
"""Seconds of work between two looks at the clock."""


class TimeSlicer:
    """Cuts an iterator into pieces, sized by time so that the event loop gets its turn."""

    __slots__ = ("_due", "_size")

    def __init__(self) -> None:
        self._size: int = 1
        self._due: float = 0.0

    def start(self) -> None:
        self._due = clock() + QUANTUM

    @property
    def is_due(self) -> bool:
        """Whether the event loop is to get its turn."""
        return clock() >= self._due

    def pieces(
        self, items: Iterator[Any], fresh: bool = False
    ) -> Generator[Iterable[Any], None, bool]:
        """Pieces of `items`; returns True if they are exhausted, False if the time is over.

        To find that there are none takes its time as well, if these are not looked at again.
        """
        took = PIECE
        while True:
            first = next(items, MISSING)
            if first is MISSING:
                return not fresh or clock() < self._due
            fresh = False
            if took < PIECE / 2:  # and the last piece was full, since something came after it
                self._size *= 2
            began = clock()
            yield (first,)
            yield islice(items, self._size)
            now = clock()
            took = now - began
            if took > 2 * PIECE:
                self._size = max(1, int(self._size * PIECE / took))
            if now >= self._due:
                return False


class Segment:
    """A source and a row of operators, stepped by one task at a time."""

    __slots__ = (
        "_ask_for",
        "_complete",
        "_failure",
        "_flushing",
        "_gatherer",
        "_heads",
        "_operators",
        "_waiting",
        "owner",
        "source",
        "stream",
    )

    ends_waits = False

    def __init__(
        self, source: Source, row: Sequence[Operator], owner: Owner, stream: Openable
    ) -> None:
        self.owner: Owner = owner
        self.stream: Openable = stream  # that was opened as this
        self._failure: BaseException | None = None  # that has ended it, until it is closed
        self.source: Source = source
        self._operators: tuple[Operator, ...] = tuple(row)
        self._waiting: WaitingOperator | None = None  # its step has suspended
        self._flushing: int | None = None  # the next operator to give its tail; None: not yet
        self._complete: bool = True  # whether the last batch came to its proper end
        self._heads: list[int] = [
            place for place, operator in enumerate(self._operators) if operator.head()
        ]
        for place, operator in enumerate(self._operators):
            operator.bind(self, place)
        self._ask_for = source.asker()
        self._gatherer: Operator | None = None  # which needs several items for one, if any does
        if self._ask_for is not None:
            self._gatherer = next((each for each in row if not each.at_most_one), None)

    @property
    def failure(self) -> BaseException | None:
        """What has ended it, until it is closed."""
        return self._failure

    def has_failed(self, error: BaseException) -> None:
        self._failure = error

    @property
    def operators(self) -> tuple[Operator, ...]:
        return self._operators

    def draws_from(self) -> Parts:
        return ((self.source, self.stream),)

    @property
    def closes(self) -> bool:
        return self.source.closes or any(operator.closes for operator in self._operators)

    @property
    def holds(self) -> bool:
        return self.source.holds or any(operator.holds for operator in self._operators)

    @property
    def busy(self) -> bool:
        return self.source.busy or any(operator.busy for operator in self._operators)

    @property
    def any_task(self) -> bool:
        return self.source.any_task and all(operator.any_task for operator in self._operators)

    @property
    def waits(self) -> bool:
        return self.source.waits or any(operator.waits for operator in self._operators)

    @property
    def awaits_in_batch(self) -> bool:
        return self.source.awaits_in_batch or any(
            operator.awaits_in_batch for operator in self._operators
        )

    def reads(self) -> Iterable[Source]:
        return (self.source, *chain.from_iterable(each.reads() for each in self._operators))

    def is_of(self, call: Named) -> None:
        """Its source came about by that, and was told."""

    async def batch(self) -> Iterator[Any] | None:
        if self._waiting is not None:
            return await self._go_on(self._waiting)
        if not self._complete:
            raise RuntimeError("a function given to an operator raised StopIteration")
        if self._heads:
            await self.owner.backend.checkpoint()  # as a source does before its first item
            place = self._heads.pop()
            return self._through(self._operators[place].head(), place + 1)
        if self._flushing is None:
            if self._ask_for is not None and self._gatherer is not None:
                self._ask_for(self._gatherer.lacks)
            batch = await self.source.batch()
            if batch is not None:
                return self._through(batch, 0) if self._operators else batch
            self.end(0)
        return self._flush()

    def hand_over(self, *, paced: bool) -> Iterator[Any]:
        return iter(())

    def read_whole(self, *, kept: bool) -> None:
        """Its operators may end it, or call functions of the user's."""

    def asker(self) -> Callable[[int], None] | None:
        asker = self.source.asker()
        return asker if all(operator.at_most_one for operator in self._operators) else None

    def wait_for(self, operator: WaitingOperator) -> None:
        """The batch ends here because `operator` has to wait: its `go_on` is called."""
        self._waiting = operator

    async def _go_on(self, operator: WaitingOperator) -> Iterator[Any]:
        self._waiting = None
        try:
            batch = await operator.go_on()
        except BaseException:
            self._waiting = operator
            raise
        return self._through(batch, operator.place + 1, marked=False)

    def _flush(self) -> Iterator[Any] | None:
        assert self._flushing is not None
        for place in range(self._flushing, len(self._operators)):
            self._flushing = place + 1
            if tail := self._operators[place].tail():
                return self._through(tail, place + 1)
        return None

    def _through(self, batch: Iterable[Any], place: int, marked: bool = True) -> Iterator[Any]:
        """Apply the row from `place` on.

        A function that raises StopIteration looks like the end of a batch to the C iterators, so
        a mark stands behind the items: a batch that ends without having reached it was cut short.
        A batch of a waiting operator needs none: it draws on a batch that has one.
        """
        if marked:
            self._complete = False
            batch = chain(batch, self._mark())
        items = iter(batch)
        for operator in self._operators[place:] if place else self._operators:
            items = operator(items)
        return items

    def _mark(self) -> Iterator[Any]:
        self._complete = True
        return
        yield  # not `yield from ()`, which takes longer [map-waiting]

    def flattens(self, place: int) -> bool:
        return any(operator.flattens for operator in self._operators[place + 1 : place + 2])

    def end(self, place: int) -> None:
        """From here on nothing comes but the tails of the operators from `place` on."""
        self._flushing = max(place, self._flushing or 0)
        self._heads = [head for head in self._heads if head >= place]
        self._complete = True

    def abandon(self) -> None:
        self.let_go()

    def let_go(self) -> tuple[Operator, ...]:
        """Drop the operators, which refer to this in turn, and return them."""
        operators, self._operators, self._waiting = self._operators, (), None
        return operators

    async def close(self, owner: Owner) -> None:
        """Close downstream first, then upstream."""
        for operator in reversed(self.let_go()):
            await operator.close(owner)
        self._failure = None
        await self.source.close(owner)
