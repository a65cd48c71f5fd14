"""Operators in which a new item ends what the last one has started: switch_map, map_latest."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from .._core.channel import Channel, Lane
from .._core.contracts import Openable, Owner, Source, Task
from .._core.driver import resolved
from .._core.producer import LaneProducer
from .._sources.origins import as_source, readable
from .concurrent import merged


class Newest(LaneProducer):
    """What is done for one item: it may be replaced, and the lane continues without it."""

    __slots__ = ("fn", "item")

    def __init__(self, reader: Owner, lane: Lane, fn: Callable[[Any], Any], item: Any) -> None:
        super().__init__(reader)
        self.lane = lane
        self.fn = fn
        self.item = item

    def name(self) -> str:
        return f"{self.lane.channel.text()} newest"

    def call(self) -> Any:
        """Call the function; from then on nothing here refers to the item."""
        item, self.item = self.item, None
        return self.fn(item)

    def report(self, error: BaseException | None, stopped: bool, told: bool) -> bool:
        if error is None or told or self.lane.stopped:
            return False
        self.lane.channel.fail(error)
        return True

    def ended(self, reported: bool) -> None:
        self.tell_of_unread(self.lane.channel.failure)


class Streaming(Newest):
    """The items of the stream that a function gives."""

    __slots__ = ("source",)

    def __init__(self, reader: Owner, lane: Lane, fn: Callable[[Any], Any], item: Any) -> None:
        super().__init__(reader, lane, fn, item)
        self.source: Source | None = None

    async def produce(self) -> None:
        self.source = as_source(await readable(self.call()), self, made=True)
        await self.transfer(self.source)

    def reading(self) -> Iterable[Source]:
        return () if self.source is None else (self.source,)


class Calling(Newest):
    """The result of a function."""

    __slots__ = ()

    async def produce(self) -> None:
        result = await resolved(self.call())
        if self.stopped:  # and the function has not minded
            return
        if self.lane.takes() or await self.wait_for_room(self.lane):
            self.lane.put(result)


class Switch(LaneProducer):
    """It reads on at once, and each item replaces what the last one has begun."""

    __slots__ = ("fn", "latest", "running", "source")

    source: Source

    def __init__(self, reader: Owner, fn: Callable[[Any], Any], latest: type[Newest]) -> None:
        super().__init__(reader)
        self.fn = fn
        self.latest = latest
        self.running: list[Newest] = []

    def read(self, stream: Openable, channel: Channel) -> None:
        """Open what this reads, in a task of its own, to fill `channel`."""
        self.source = merged([stream], 1, "drop_oldest", partial(Channel, feeds=channel))(self)

    def reads(self) -> Iterable[Source]:
        return (self.source,)

    def helpers(self) -> Iterable[Task]:
        return self.running

    async def produce(self) -> None:
        while not self.stopped and (batch := await self.source.batch()) is not None:
            for item in batch:
                await self.stop(self.running)
                while self.running:
                    self.lane.channel.outlives(self.running.pop())
                if self.stopped:  # meanwhile
                    return
                self.running = [self.latest(self, self.lane, self.fn, item)]
                self.running[0].start()
                del item  # nobody else may refer to it any more
        for last in self.running:
            await last.join()

    def reading(self) -> Iterable[Source]:
        return (self.source,)

    async def close_sources(self) -> None:
        await self.stop(self.running)
        await super().close_sources()


def switched(
    stream: Openable, fn: Callable[[Any], Any], latest: type[Newest]
) -> Callable[[Owner], Source]:
    """A channel that is filled by what `latest` does for the newest item of `stream`.

    The stream has a task of its own: it may be in the middle of a step while something is started
    and stopped here.
    """

    def open_source(owner: Owner) -> Source:
        channel = Channel(owner.backend)
        switch = Switch(owner, fn, latest)
        switch.read(stream, channel)
        switch.fill(channel.lane(0))
        return channel

    return open_source
