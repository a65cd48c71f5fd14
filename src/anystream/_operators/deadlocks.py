"""Whether tasks wait for each other in a circle: those of operators, and those that read them."""

from collections.abc import Iterable, Iterator, Set

from .._core.channel import Channel
from .._core.contracts import Source, Task
from .._core.opening import Opening
from .._core.producer import OWN, LaneProducer, Producer, opening_of

Waiting = Set[Task | int | None]
"""Tasks of this library, and what identifies those of users."""


def is_stuck(task: Task | int | None, waiting: Waiting) -> bool:
    """Whether `task` can go on only when one of these does that wait, or when itself does."""
    if task in waiting:
        return True
    if not isinstance(task, LaneProducer):
        return False
    if task.waits_for == "room":
        return is_full_for_ever(task.lane.channel, {*waiting, task})
    asked = task.reads() if task.waits_for == "items" else task.steps()  # and not by another task
    return any(is_empty_for_ever(each, {*waiting, task}) for each in channels(asked))


def is_full_for_ever(channel: Channel, waiting: Waiting) -> bool:
    """Whether nobody makes room in a channel that a task has filled."""
    if channel.wanted:  # by a reader who needs something else as well
        return is_empty_for_ever(channel, waiting)
    return is_stuck(who_reads(channel), waiting)


def is_empty_for_ever(channel: Channel, waiting: Waiting) -> bool:
    """Whether a reader waits for what neither a task brings nor the clock."""
    if not channel.wanted or channel.looks_again():
        return False
    tasks = [task for task in channel.tasks if not task.done and suffices(task)]
    return bool(tasks) and all(is_stuck(task, waiting) for task in tasks)


def suffices(task: Task) -> bool:
    """Whether what it brings may be what a reader of its channel waits for."""
    return not isinstance(task, LaneProducer) or task.lane.suffices


def who_reads(channel: Channel) -> Task | int | None:
    """Who reads a channel, as far as that is known."""
    for task in running():
        if channel in channels(task.reads()):
            return task
    return next((known(each.host) for each in openings() if channel in read_by(each)), None)


def hosts_in_vain(waiting: Waiting) -> Iterator[int]:
    """The tasks that wait in a block or call for what these tasks would have to bring."""
    for opening in openings():
        if any(is_empty_for_ever(channel, waiting) for channel in read_by(opening)):
            yield from () if opening.host is None else (opening.host,)


def known(task: int | None) -> Task | int | None:
    """The task that has this number, if it is of this library, or else the number."""
    return None if task is None else OWN.get(task, task)


def running() -> list[Producer]:
    """The tasks of this library, in a list, since other threads start and end some as well."""
    return [*OWN.values()]


def openings() -> set[Opening]:
    return {opening_of(task) for task in running()}


def read_by(opening: Opening) -> Iterator[Channel]:
    """The channels that are read in the caller's task."""
    return channels(() if opening.bottom is None else (opening.bottom,))


def channels(sources: Iterable[Source]) -> Iterator[Channel]:
    """The channels that a task reads from."""
    for source in sources:
        if isinstance(source, Channel):
            yield source
        else:
            yield from channels(source.reads())
