"""How a stream is made of others, noted down where that is decided: what `explain` draws."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

from ._batches import SOURCE, Recipe
from ._labels import Label


class Way(NamedTuple):
    """How the parts of a stream run, and what waits between them and their reader.

    The kinds:

    in turn   in the task of the reader; `note` says when
    tasks     each in a task of its own, which fills a lane
    perhaps   the same, unless none of them ever waits
    workers   several tasks call a function, and take the items from whoever has them
    newest    in a task of its own, and what the newest item has begun, `inner`, in another
    hub       in a task that deals out its items
    branch    what such a task deals out, which is somebody else's
    thread    a thread, and a task that waits for it
    callback  whoever calls it
    """

    kind: Literal[
        "in turn", "tasks", "perhaps", "workers", "newest", "hub", "branch", "thread", "callback"
    ]
    note: str = ""  # what there is to say beside the bound
    unit: str = "item"
    opens: bool = False  # whether it opens streams that nobody knows yet
    inner: str = ""
    frames: int = SOURCE  # of Python that it takes beside those of the parts, at most


Note: TypeAlias = tuple[Way, Label, Sequence[Recipe], int, int]
"""The fields of `_explain.Stage`, as a plain tuple, which costs nothing to build."""

AGAIN = "again"

IN_TURN = Way("in turn", "in turn")
INSIDE = Way("in turn", "inside", frames=7)
REPEATED = Way("in turn", AGAIN, frames=6)
RESUMED = Way("in turn", AGAIN, opens=True, frames=6)
CAUGHT = Way("in turn", "at first", opens=True, frames=6)

ALONE = Way("tasks")
EACH = Way("tasks", " for each")
PAGES = Way("tasks", unit="page")
CHUNKS = Way("tasks", unit="chunk")
BATCH = Way("tasks", unit="batch")
NEWEST = Way("tasks", ", the newest")
RACING = Way("tasks", " for each, until one has given an item")
SAMPLED = Way("tasks", "; of each other one at most 1 item, the newest")
TRIGGERED = Way("tasks", "; what the trigger gives never waits")
BESIDE = Way("tasks", "; what the background gives never waits")
ZIPPED = Way("perhaps", " for each; no tasks if none ever waits")

IN_ORDER = Way("workers", " in work or to be read, in order", frames=7)
AS_READY = Way("workers", " in work or to be read, as they are ready", frames=7)
PAGES_IN_ORDER = IN_ORDER._replace(unit="page")
PAGES_AS_READY = AS_READY._replace(unit="page")
EXPANDING = Way("workers", " for each of the tasks", opens=True, frames=7)

SWITCHED = Way("newest", inner="the stream for the newest item", opens=True, frames=6)
CALLED = Way("newest", inner="the call for the newest item", frames=6)

DEALT = Way("hub", " for each reader")
GROUPED = Way("hub", ", and as many items for the reader of each", "pair")
BRANCH = Way("branch", " for each reader")

THREAD = Way("thread")
CALLBACK = Way("callback")
