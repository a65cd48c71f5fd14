"""Operators that run in tasks of their own: buffer, merge."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from .._batches import Recipe, Segment, Source, opened
from .._mailbox import Lane, Mailbox
from .._run import Host, Pump
from .._steps import EMPTY


def merged(streams: Sequence[Recipe], bound: int) -> Callable[[Host], Source]:
    """A mailbox with a lane for each stream, which runs in a task of its own."""

    def origin(host: Host) -> Source:
        box = Mailbox(host.pipeline.new_event)
        for stream in streams:
            pump = Pump(host)
            box.pumps.append(pump)
            pump.start(partial(move, pump, opened(stream, pump), box.lane(bound)))
        return box

    return origin


async def move(pump: Pump, segment: Segment, lane: Lane) -> None:
    """The body of a pump: from a segment into a lane, as far as there is room."""
    batch: Iterator[Any] = EMPTY
    error: BaseException | None = None
    try:
        while lane.room() > 0 or await lane.wait_for_room():
            if lane.fill(batch):
                following = await segment.batch()
                if following is None:
                    break
                batch = following
    except BaseException as exc:
        error = pump.unless_stopped(exc)
    await leave(pump, segment, lane, error)


async def leave(pump: Pump, segment: Segment, lane: Lane, error: BaseException | None) -> None:
    """Close the segment and end the lane, with the error of the step or of the cleanup.

    The reader hears of a failed step before the close, which may take its time. When nobody reads
    any more, errors are kept in the pump, for those who close the pipeline.
    """
    read = not lane.box.stopped
    if error is not None and read:
        lane.finish(error)
    elif error is not None:
        pump.errors.append(error)
    await pump.close(segment)
    if error is None or not read:
        lane.finish(pump.failure() if read else None)
