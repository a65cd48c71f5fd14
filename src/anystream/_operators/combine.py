"""Operators that join streams item by item: chain, zip, combine_latest, with_latest_from."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from .. import _args as check
from .._core.channel import Channel, DropOldest, Lane
from .._core.contracts import (
    MISSING,
    Backend,
    Openable,
    Operator,
    Owner,
    Parts,
    Source,
    SourceDefaults,
)
from .._core.driver import EMPTY
from .._core.producer import Mover
from .._recipe import Recipe
from .concurrent import merged


class Chain(SourceDefaults):
    """Sources one after the other; each is closed when it has ended, before the next one starts."""

    def __init__(self, parts: list[Source], streams: Sequence[Openable], owner: Owner) -> None:
        self.parts = deque(parts)
        self.streams = streams  # that were opened as these
        self.owner = owner
        self.closes: bool = any(part.closes for part in parts)

    @property
    def holds(self) -> bool:
        return any(part.holds for part in self.parts)

    @property
    def busy(self) -> bool:
        return any(part.busy for part in self.parts)

    @property
    def any_task(self) -> bool:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]
        return all(part.any_task for part in self.parts)

    def reads(self) -> Iterable[Source]:
        return self.parts

    def draws_from(self) -> Parts:
        return [(self.parts[0], self.streams[-len(self.parts)])] if self.parts else []

    async def batch(self) -> Iterator[Any] | None:
        while self.parts:
            batch = await self.parts[0].batch()
            if batch is not None:
                return batch
            await self.owner.finish(self.parts.popleft())
            self.owner.unless_over()
        return None

    async def close(self, owner: Owner) -> None:
        for part in reversed(self.parts):
            await part.close(owner)


def chained(streams: Sequence[Openable]) -> Callable[[Owner], Source]:
    return lambda owner: Chain([owner.open_part(each) for each in streams], streams, owner)


class Rows(Channel):
    """Gives a row as soon as there is an item in every lane; a lane that has ended ends it all.

    The lanes are counted where they change, since to look at all of them at each item costs a row
    of n items n squared.
    """

    __slots__ = ("_exhausted", "_filled")

    ends_early = True

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        self._filled = 0  # lanes with an item
        self._exhausted = 0  # lanes without one that have ended

    def arrived(self, lane: Lane) -> None:
        self._filled += 1
        if self._exhausted or self.available():
            self.wake()

    def finished(self, lane: Lane, error: BaseException | None) -> None:
        if not lane.has_items:
            self._exhausted += 1
        super().finished(lane, error)
        self.wake()

    def available(self) -> bool:
        return 0 < self._filled == len(self.lanes)

    def ended(self) -> bool:
        if self._exhausted:
            self.end()
        return super().ended()

    def items(self) -> Iterator[Any]:
        row = tuple([lane.pop() for lane in self.lanes])
        self._filled = sum([lane.has_items for lane in self.lanes])
        self._exhausted = sum([lane.exhausted for lane in self.lanes])
        yield row


class StrictRows(Rows):
    """The same, but all lanes have to end together."""

    __slots__ = ()

    def ended(self) -> bool:
        if self._exhausted and self._filled:
            short = [lane.exhausted for lane in self.lanes].index(True)
            raise uneven(short, [lane.has_items for lane in self.lanes].index(True))
        return self._exhausted == len(self.lanes)


class Zipped(SourceDefaults):
    """The same of sources that never wait, which need no tasks: an item of each, in their order."""

    waits = False

    def __init__(self, parts: Sequence[Source], strict: bool) -> None:
        self.parts = parts
        self.strict = strict
        self.batches = [EMPTY] * len(parts)
        self.row: list[Any] = []  # as far as it has come

    def reads(self) -> Iterable[Source]:
        return self.parts

    async def batch(self) -> Iterator[Any] | None:
        place = len(self.row)  # of the source whose batch has ended
        batch = await self.parts[place].batch()
        if batch is None:
            if self.strict:
                await self.compare(place)
            return None
        self.batches[place] = batch
        return self.rows()

    def rows(self) -> Iterator[Any]:
        row, batches = self.row, self.batches
        while True:
            places = range(len(row), len(batches))
            for batch in map(batches.__getitem__, places) if row else batches:
                item = next(batch, MISSING)
                if item is MISSING:
                    return
                row.append(item)
            yield tuple(row)
            row.clear()

    async def compare(self, short: int) -> None:
        """See that all end where one has ended."""
        if short:
            raise uneven(short, 0)
        for place, part in enumerate(self.parts):
            batch: Iterator[Any] | None = self.batches[place]
            while batch is not None:
                if next(batch, MISSING) is not MISSING:
                    raise uneven(short, place)
                batch = await part.batch()

    async def close(self, owner: Owner) -> None:
        for part in reversed(self.parts):
            await part.close(owner)


def uneven(short: int, longer: int) -> ValueError:
    return ValueError(f"zip(strict=True): source {short} ended before source {longer}")


def zipping(strict: bool) -> Callable[[Sequence[Openable]], Callable[[Owner], Source]]:
    """How to zip: with a task for each source, unless none of them ever waits."""
    check.flag("strict", strict)
    return lambda streams: lambda owner: zipped(owner, streams, strict)


def zipped(owner: Owner, streams: Sequence[Openable], strict: bool) -> Source:
    movers = [Mover(owner) for _ in streams]
    for mover, stream in zip(movers, streams, strict=True):
        mover.read(stream)
    if movers and not any(mover.source.waits for mover in movers):
        return Zipped([mover.source for mover in movers], strict)
    channel = (StrictRows if strict else Rows)(owner.backend)
    for mover in movers:
        mover.fill(channel.lane(0))
    return channel


class Tag(Operator):
    """Pairs of a number and the item; after the last item, of the number and MISSING."""

    leaves_frame = False

    def __init__(self, number: int, ends: bool) -> None:
        self.number = number
        self.ends = ends

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        return map(self.pair, batch)  # a builtin `zip` would keep the last one

    def pair(self, item: Any) -> tuple[int, Any]:
        return self.number, item

    def tail(self) -> Iterable[Any]:
        return ((self.number, MISSING),) if self.ends else ()


def tagged(number: int, part: Recipe, ends: bool) -> Recipe:
    """Pairs of a number and an item of `part`."""
    return part.also(lambda _: Tag(number, ends))


def latest_of(parts: Sequence[Recipe]) -> Callable[[Owner], Source]:
    """The tagged items of all parts."""
    return merged([tagged(number, part, True) for number, part in enumerate(parts)], 0, "wait")


class Latest(Operator):
    """Of tagged items, the latest of each stream, whenever one of them has a new one."""

    def __init__(self, count: int) -> None:
        self.latest = [MISSING] * count
        self.unseen = set(range(count))

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        for number, item in batch:
            if item is not MISSING:
                self.latest[number] = item
                self.unseen.discard(number)
                if not self.unseen:
                    yield tuple(self.latest)
            elif number in self.unseen:  # and so no tuple will ever be complete
                self.ended()
                return


class Sampled(Latest):
    """Of tagged items, those of the first stream, each with the latest of the others."""

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        self.unseen.discard(0)
        for number, item in batch:
            if item is MISSING:
                self.ended()
                return
            if number:
                self.latest[number] = item
                self.unseen.discard(number)
            elif not self.unseen:
                yield (item, *self.latest[1:])


class Companion(DropOldest):
    """A lane for the newest item, which waits for one of the first stream."""

    __slots__ = ()

    suffices = False


def sampled(lead: Openable, others: Sequence[Openable]) -> Callable[[Owner], Source]:
    """The tagged items of `lead`, on demand, and the newest ones of the others at any time."""

    def open_source(owner: Owner) -> Source:
        channel = Channel(owner.backend)
        mover = Mover(owner)
        mover.read(lead)
        mover.fill(channel.lane(0))
        for other in others:
            mover = Mover(owner)
            mover.read(other)
            companion = Companion(channel, 1)
            channel.add(companion)
            mover.fill(companion)
        return channel

    return open_source
