"""Operators that join streams item by item: chain, zip, combine_latest, with_latest_from."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any

from .._batches import MISSING, Operator, Recipe, Segment, Source, WaitingOperator, opened
from .._host import Host
from .._mailbox import Lane, Mailbox
from .._origins import FromIterable
from .._pump import Pump
from .._steps import EMPTY
from .concurrent import feed, supply


class Chain:
    """Sources one after the other; each is closed when it has ended, before the next one starts."""

    def __init__(self, parts: list[Source], host: Host) -> None:
        self.parts = parts
        self.host = host
        self.closes = any(part.closes for part in parts)

    @property
    def holds(self) -> bool:
        return any(part.holds for part in self.parts)

    @property
    def busy(self) -> bool:
        return any(part.busy for part in self.parts)

    @property
    def any_task(self) -> bool:
        return all(part.any_task for part in self.parts)

    async def batch(self) -> Iterator[Any] | None:
        while self.parts:
            batch = await self.parts[0].batch()
            if batch is not None:
                return batch
            await self.host.finish(self.parts.pop(0))
        return None

    async def close(self, host: Host) -> None:
        for part in reversed(self.parts):
            await part.close(host)


def chained(streams: Sequence[Recipe]) -> Callable[[Host], Source]:
    return lambda host: Chain([opened(stream, host) for stream in streams], host)


class Rows(Mailbox):
    """Gives a row as soon as there is an item in every lane; a lane that has ended ends it all."""

    def arrived(self, lane: Lane) -> None:
        if self.available() or any(map(exhausted, self.lanes)):
            self.wake()

    def finished(self, lane: Lane, error: BaseException | None) -> None:
        super().finished(lane, error)
        self.wake()

    def available(self) -> bool:
        return bool(self.lanes) and all(lane.items for lane in self.lanes)

    def ended(self) -> bool:
        if any(map(exhausted, self.lanes)):
            self.end()
        return super().ended()

    def items(self) -> Iterator[Any]:
        row = tuple([lane.items[0] for lane in self.lanes])
        for lane in self.lanes:
            lane.items.clear()
        yield row


class StrictRows(Rows):
    """The same, but all lanes have to end together."""

    def ended(self) -> bool:
        short = [exhausted(lane) for lane in self.lanes]
        if any(short) and any(lane.items for lane in self.lanes):
            longer = next(place for place, lane in enumerate(self.lanes) if lane.items)
            raise uneven(short.index(True), longer)
        return all(short)


class Zipped:
    """The same of sources that never wait, which need no tasks: an item of each, in their order."""

    closes = False
    holds = False
    busy = False
    any_task = True

    def __init__(self, parts: Sequence[Source], strict: bool) -> None:
        self.parts = parts
        self.strict = strict
        self.batches = [EMPTY] * len(parts)
        self.row: list[Any] = []  # as far as it has come

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
            for batch in batches[len(row) :] if row else batches:
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

    async def close(self, host: Host) -> None:
        for part in reversed(self.parts):
            await part.close(host)


def uneven(short: int, longer: int) -> ValueError:
    return ValueError(f"zip(strict=True): source {short} ended before source {longer} did")


def zipping(strict: bool) -> Callable[[Sequence[Recipe]], Callable[[Host], Source]]:
    """How to zip: with a task for each source, unless none of them ever waits."""
    return lambda streams: lambda host: zipped(host, streams, strict)


def zipped(host: Host, streams: Sequence[Recipe], strict: bool) -> Source:
    pumps = [Pump(host) for _ in streams]
    parts = [opened(stream, pump) for stream, pump in zip(streams, pumps, strict=True)]
    if parts and all(map(takes_turns_only, parts)):
        return Zipped(parts, strict)
    box = (StrictRows if strict else Rows)(host.pipeline.new_event)
    for pump, part in zip(pumps, parts, strict=True):
        supply(pump, part, box.lane(0))
    return box


def takes_turns_only(source: Source) -> bool:
    """Whether all that its steps wait for is the next turn of the event loop."""
    if isinstance(source, Segment):
        waiting = any(isinstance(operator, WaitingOperator) for operator in source.row)
        return not waiting and takes_turns_only(source.source)
    return isinstance(source, (FromIterable, Zipped))


def exhausted(lane: Lane) -> bool:
    return lane.over and not lane.items


class Tag(Operator):
    """Pairs of a number and the item; after the last item, of the number and MISSING."""

    def __init__(self, number: int, ends: bool = True) -> None:
        self.number = number
        self.ends = ends

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        return zip(repeat(self.number), batch, strict=False)

    def tail(self) -> Iterable[Any]:
        return ((self.number, MISSING),) if self.ends else ()


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
            self.latest[number] = item
            self.unseen.discard(number)
            if number == 0 and not self.unseen:
                yield tuple(self.latest)


def sampled(lead: Recipe, others: Sequence[Recipe]) -> Callable[[Host], Source]:
    """The tagged items of `lead`, on demand, and the newest ones of the others at any time."""

    def origin(host: Host) -> Source:
        box = Mailbox(host.pipeline.new_event)
        feed(host, lead, box.lane(0))
        for other in others:
            feed(host, other, box.lane(1, "drop_oldest"))
        return box

    return origin
