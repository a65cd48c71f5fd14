"""Operators that run streams in tasks of their own: buffer, merge, race, concurrently."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .. import _args as check
from .._core.channel import Channel, Lane, NonBlocking
from .._core.contracts import Backend, Openable, Owner, Source
from .._core.producer import Mover


class UntilAny(Channel):
    """The end of one lane is the end of all; what has come by then is read."""

    __slots__ = ()

    def asker(self) -> Callable[[int], None] | None:
        return self.ask_for if self._on_demand else None

    def finished(self, lane: Lane, error: BaseException | None) -> None:
        super().finished(lane, error)
        if error is None and self._open_lanes >= 0:  # the first, and none of those it has stopped
            self.end()


class Race(Channel):
    """The first lane in which an item arrives remains; the others are stopped."""

    __slots__ = ("_decided",)

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        self._decided = False

    def arrived(self, lane: Lane) -> None:
        super().arrived(lane)
        if self._decided:
            return
        self._decided = True
        for other, task in zip(self.lanes, self.tasks, strict=True):
            if other is not lane:
                other.stop()
                task.interrupt()


def merged(
    streams: Sequence[Openable],
    bound: int,
    overflow: str,
    channel_type: Callable[[Backend], Channel] = Channel,
) -> Callable[[Owner], Channel]:
    """A channel with a lane for each stream, which runs in a task of its own."""

    def open_source(owner: Owner) -> Channel:
        channel = channel_type(owner.backend)
        for stream in streams:
            mover = Mover(owner)
            mover.read(stream)
            mover.fill(channel.lane(bound, overflow))
        return channel

    return open_source


def racing(streams: Sequence[Openable]) -> Callable[[Owner], Source]:
    return merged(streams, 0, "wait", Race)


def merging(buffer: int, until: str) -> Callable[[Sequence[Openable]], Callable[[Owner], Source]]:
    """How to merge, with as many items of each stream ahead, until all have ended or any has."""
    bound = check.integer("buffer", buffer, 0)
    check.choice("until", until, ("all", "any"))
    channel_type = UntilAny if until == "any" else Channel
    return lambda parts: merged(parts, bound, "wait", channel_type)


class Drain(NonBlocking):
    """A lane from which nothing is read: only errors come through."""

    __slots__ = ()

    part = "background"
    suffices = False

    def fill(self, batch: Iterator[Any]) -> bool:
        deque[Any](maxlen=0).extend(batch)
        return True

    def finish(self, error: BaseException | None = None) -> None:
        if error is not None:
            self.channel.fail(error)


def beside(stream: Openable, background: Openable) -> Callable[[Owner], Channel]:
    """A channel for `stream`, with a `background` that runs for as long as it does."""

    def open_source(owner: Owner) -> Channel:
        channel = UntilAny(owner.backend)
        mover = Mover(owner)
        mover.read(stream)
        mover.fill(channel.lane(0))
        drain = Drain(channel, 1)
        channel.add_silent(drain)
        mover = Mover(owner)
        mover.read(background)
        mover.fill(drain)
        return channel

    return open_source
