"""Operators that run streams in tasks of their own: buffer, merge, race, concurrently."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from .. import _checks as check
from .. import _labels as label
from .._batches import Recipe, Source, opened
from .._host import Host
from .._mailbox import Lane, Mailbox, Unhindered
from .._pump import Pump
from .._steps import EMPTY


class UntilAny(Mailbox):
    """The end of one lane is the end of all; what has come by then is read."""

    def finished(self, lane: Lane, error: BaseException | None) -> None:
        super().finished(lane, error)
        if error is None:
            self.end()


class Race(Mailbox):
    """The first lane in which an item arrives remains; the others are stopped."""

    decided = False

    def arrived(self, lane: Lane) -> None:
        super().arrived(lane)
        if self.decided:
            return
        self.decided = True
        for other, pump in zip(self.lanes, self.pumps, strict=True):
            if other is not lane:
                other.stop()
                pump.interrupt()


def merged(
    streams: Sequence[Recipe],
    bound: int,
    overflow: str = "wait",
    box_type: type[Mailbox] = Mailbox,
) -> Callable[[Host], Mailbox]:
    """A mailbox with a lane for each stream, which runs in a task of its own."""

    def origin(host: Host) -> Mailbox:
        box = box_type(host.pipeline.new_event)
        for stream in streams:
            feed(host, stream, box.lane(bound, overflow))
        return box

    return origin


def racing(streams: Sequence[Recipe]) -> Callable[[Host], Source]:
    return merged(streams, 0, box_type=Race)


def merging(
    buffer: int, until: str
) -> tuple[Callable[[Sequence[Recipe]], Callable[[Host], Source]], dict[str, Any]]:
    """How to merge, and the arguments for it as somebody would have written them."""
    bound = check.integer("buffer", buffer, 0)
    check.choice("until", until, ("all", "any"))
    box_type = UntilAny if until == "any" else Mailbox
    options = label.options(buffer=(bound, 0), until=(until, "all"))
    return lambda parts: merged(parts, bound, box_type=box_type), options


def feed(host: Host, stream: Recipe, lane: Lane) -> None:
    """Open `stream` in a task of its own, from which its items go into the lane."""
    pump = Pump(host)
    supply(pump, opened(stream, pump), lane)


def supply(pump: Pump, source: Source, lane: Lane) -> None:
    """Start a pump that moves what the source gives into the lane."""
    lane.box.pumps.append(pump)
    awaits = source.closes or not source.any_task
    pump.start(partial(move, pump, source, lane), awaits)


async def move(pump: Pump, source: Source, lane: Lane) -> None:
    """The body of a pump: from a source into a lane, as far as there is room; then the end."""
    error: BaseException | None = None
    try:
        await transfer(pump, source, lane)
    except BaseException as exc:
        error = pump.unless_stopped(exc)
    await leave(pump, lane, error, source)


async def transfer(pump: Pump, source: Source, lane: Lane) -> None:
    batch: Iterator[Any] = EMPTY
    while not pump.stopping and (lane.takes() or await lane.wait_for_room(pump)):
        if lane.fill(batch):
            following = await source.batch()
            if following is None:
                return
            batch = following


async def leave(pump: Pump, lane: Lane, error: BaseException | None, *sources: Source) -> None:
    """Close the sources and end the lane, with the error of the step or of the cleanup.

    The reader hears of a failed step before the close, which may take its time. When nobody reads
    any more, errors are kept in the pump: for the error that has stopped it, or for those who close
    the pipeline.
    """
    read = not lane.stopped
    if pump.stopping and read:
        lane.box.closed = True  # and so this is not the end of what is read
    pump.stopping = True  # nobody interrupts the close
    if error is not None and read:
        lane.finish(error)
    elif error is not None and error is not lane.box.failed:  # several may hear of one error
        pump.unheard(error)
    for source in sources:
        await pump.close(source)
    lane.box.add_siblings(pump)
    if error is None or not read:
        lane.finish(None if lane.stopped else pump.failure())


class Drain(Unhindered):
    """A lane from which nothing is read: only errors come through."""

    def fill(self, batch: Iterator[Any]) -> bool:
        deque[Any](maxlen=0).extend(batch)
        return True

    def finish(self, error: BaseException | None = None) -> None:
        if error is not None:
            self.box.fail(error)


def beside(stream: Recipe, background: Recipe) -> Callable[[Host], Mailbox]:
    """A mailbox for `stream`, with a `background` that runs for as long as it does."""

    def origin(host: Host) -> Mailbox:
        box = UntilAny(host.pipeline.new_event)
        feed(host, stream, box.lane(0))
        drain = Drain(box, 1)
        box.lanes.append(drain)
        feed(host, background, drain)
        return box

    return origin
