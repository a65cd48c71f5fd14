"""What a run is doing at a moment: the numbers of each call that has tasks.

Nothing is counted for this but what comes into a channel. The rest is read off the open pipeline
when somebody asks. Waits are timed from the first time on that somebody does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from .channel import Channel, StageOrigin
from .contracts import Source, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStatistics:
    """One call with tasks in an open run, at a moment.

    Each item that its tasks have given was read, or waits, or was dropped: `passed` is the sum of
    `read`, `waiting` and `dropped`. The seconds are counted from the first call of
    `run.statistics()` on.

    >>> async def main():
    ...     async with async_range(9).buffer(2, overflow="drop_oldest") as items:
    ...         print(await anext(items))
    ...         stage = items.statistics().stages[0]
    ...         print(stage.passed, stage.read, stage.waiting, stage.dropped)
    >>> anyio.run(main)
    7
    9 1 1 7
    """

    name: str
    """The name that `Stream.named` gave it, or the call as it was written."""
    depth: int
    """How many other stages its items go through before they come to the reader of the run."""
    age: float
    """Seconds since it was opened."""
    passed: int
    """Items that its tasks have given."""
    read: int
    """Those of them that the next stage, or the reader, has taken."""
    waiting: int
    """Those of them that wait to be read."""
    dropped: int
    """Those of them that were dropped by an overflow policy or by the clock."""
    bound: int
    """How many items may wait; 0 means that one is asked for when the reader waits for it."""
    tasks: int
    """Tasks that run for it."""
    waiting_for_room: int
    """Those of them that wait for room, since what comes after is slower."""
    waiting_for_items: int
    """Those of them that wait for an earlier stage."""
    working: int
    """The others: they are inside a function or a source of yours."""
    reader_waits: bool
    """Whether the next stage, or the reader, waits for an item of this one."""
    room_seconds: float
    """How long its tasks have waited for room, all of them together."""
    items_seconds: float
    """How long its tasks have waited for an earlier stage, all of them together."""
    reader_seconds: float
    """How long the next stage, or the reader, has waited for an item of this one."""
    caught: int
    """Errors that `catch`, `on_error` and the like have dealt with in its tasks."""
    retried: int
    """Further attempts of `retry` in its tasks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatistics:
    """An open run at a moment, as `run.statistics()` gives it.

    >>> async def main():
    ...     async with async_range(9).buffer(3) as items:
    ...         print(await anext(items))
    ...         await anyio.sleep(0.01)
    ...         stage = items.statistics().stages[0]
    ...         print(stage.name, stage.passed, stage.read, stage.waiting, stage.bound)
    >>> anyio.run(main)
    0
    buffer(3) 3 1 2 3
    """

    stages: tuple[StageStatistics, ...]
    """The calls with tasks, in the order of `explain`: that which the reader reads comes first."""
    timed: float
    """Seconds since the first call of `run.statistics()`, during which waits were timed."""
    caught: int
    """Errors that were dealt with in the task of the reader."""
    retried: int
    """Further attempts of `retry` in the task of the reader."""

    @property
    def slowest(self) -> StageStatistics | None:
        """The stage that holds up the others; None if the reader does, or nothing is known yet.

        It is the one whose tasks have waited least, of those that are waited for.

        >>> async def slow(n):
        ...     await anyio.sleep(0.01)
        ...     return n
        >>> async def main():
        ...     async with async_range(9).buffer(3).map(slow, concurrency=2).buffer(3) as items:
        ...         items.statistics()  # from here on waits are timed
        ...         for _ in range(6):
        ...             item = await anext(items)
        ...         print(items.statistics().slowest.name)
        >>> anyio.run(main)
        map(slow, concurrency=2)
        """
        if not self.stages or not self.timed:
            return None
        first = self.stages[0]
        reader = 1 - first.reader_seconds / (min(self.timed, first.age) or self.timed)
        slow = max(self.stages, key=self._holding_up)
        return slow if self._holding_up(slow) >= reader else None

    def _holding_up(self, stage: StageStatistics) -> float:
        """The part of the time in which a stage was at work, or was waited for, if that is less."""
        seconds = min(self.timed, stage.age)
        if not stage.tasks or not seconds:
            return 0.0
        waited = stage.room_seconds + stage.items_seconds
        return min(1 - waited / (seconds * stage.tasks), stage.reader_seconds / seconds)


class Picture(NamedTuple):
    """The numbers of a run, and what tells its stages apart: several may have one name."""

    numbers: RunStatistics
    origins: list[StageOrigin]
    ids: list[int]  # which are not the same in two openings


def picture(top: Source | None, now: float, since: float, caught: int, retried: int) -> Picture:
    """The numbers of all that is behind `top`, whose waits were timed `since` then."""
    walk = Walk(now)
    stages = () if top is None else tuple(walk.stages(top, 0))
    numbers = RunStatistics(stages=stages, timed=now - since, caught=caught, retried=retried)
    return Picture(numbers, walk.origins, walk.ids)


class Walk:
    """From the reader to the sources, through each part once."""

    def __init__(self, now: float) -> None:
        self._now = now
        self._seen: set[int] = set()
        self.origins: list[StageOrigin] = []
        self.ids: list[int] = []

    def stages(self, source: Source, depth: int) -> Iterator[StageStatistics]:
        if id(source) in self._seen:  # several workers read it
            return
        self._seen.add(id(source))
        if not isinstance(source, Channel):
            for part in source.reads():
                yield from self.stages(part, depth)
            return
        self.origins.append(source.origin())
        self.ids.append(source.id())
        yield self.stage(source, depth)
        for task in source.feeders():
            for part in task.reads():
                yield from self.stages(part, depth + 1)

    def stage(self, channel: Channel, depth: int) -> StageStatistics:
        feeders = [*channel.feeders()]
        tasks = [task for task in feeders if not task.done]
        waits = [task.waits_for or waits_upstream(task) for task in tasks]
        room, items = waits.count("room"), waits.count("items")
        channel.time_waits(room, [task.waits_for for task in tasks].count("items"))
        seconds = channel.waited()
        counts, gone = channel.counts(), channel.gone
        return StageStatistics(
            name=channel.text(),
            depth=depth,
            age=self._now - channel.opened_at,
            passed=counts.passed,
            read=counts.passed - counts.waiting - counts.dropped,
            waiting=counts.waiting,
            dropped=counts.dropped,
            bound=channel.capacity(),
            tasks=len(tasks),
            waiting_for_room=room,
            waiting_for_items=items,
            working=len(tasks) - room - items,
            reader_waits=channel.read,
            room_seconds=seconds.room,
            items_seconds=seconds.items + sum(task.waited for task in feeders) + gone.waited,
            reader_seconds=seconds.reader,
            caught=sum(task.caught for task in feeders) + gone.caught,
            retried=sum(task.retried for task in feeders) + gone.retried,
        )


def channels(source: Source) -> Iterator[Channel]:
    """The channels that one task reads from."""
    if isinstance(source, Channel):
        yield source
        return
    for part in source.reads():
        yield from channels(part)


def waited_for(source: Source) -> float:
    """How many seconds the task that reads `source` has waited for the channels in there."""
    return sum(each.waited().reader for each in channels(source))


def waits_upstream(task: Task) -> str | None:
    """ "items" if the task waits for one of the channels that it reads from."""
    return "items" if any(each.read for part in task.reads() for each in channels(part)) else None
