"""Whether the tasks of operators wait for each other in a circle."""

from collections.abc import Iterable, Iterator

from .._core.channel import Channel
from .._core.contracts import Source, Task
from .._core.producer import OWN, LaneProducer


def is_stuck(task: Task | None, waiting: set[Task]) -> bool:
    """Whether `task` can go on only when one of these does that wait, or when itself does."""
    if task in waiting:
        return True
    if not isinstance(task, LaneProducer):
        return False
    if task.waits_for == "room":
        return is_full_for_ever(task.lane.channel, {*waiting, task})
    return any(is_empty_for_ever(each, {*waiting, task}) for each in channels(task.reads()))


def is_full_for_ever(channel: Channel, waiting: set[Task]) -> bool:
    """Whether nobody makes room in a channel that a task has filled."""
    if channel.wanted:  # by a reader who needs something else as well
        return is_empty_for_ever(channel, waiting)
    reader = next((each for each in OWN.values() if channel in channels(each.reads())), None)
    return is_stuck(reader, waiting)


def is_empty_for_ever(channel: Channel, waiting: set[Task]) -> bool:
    """Whether a reader waits for what no task brings."""
    tasks = [task for task in channel.tasks if not task.done]
    return channel.wanted > 0 and bool(tasks) and all(is_stuck(task, waiting) for task in tasks)


def channels(sources: Iterable[Source]) -> Iterator[Channel]:
    """The channels that a task reads from."""
    for source in sources:
        if isinstance(source, Channel):
            yield source
        else:
            yield from channels(source.reads())
