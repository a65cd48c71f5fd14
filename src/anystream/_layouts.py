"""How a stream is made of others, noted down where that is decided: what `explain` draws."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

from ._core.contracts import OPERATOR, SOURCE, Openable
from ._labels import Label


class Layout(NamedTuple):
    """How the parts of a stream run, and what waits between them and their reader.

    The kinds:

    in turn   in the task of the reader; `note` says when
    tasks     each in a task of its own, which fills a lane
    perhaps   the same, unless none of them ever waits
    workers   several tasks call a function, and take the items from the task that has them
    newest    in a task of its own, and what the newest item has begun, `inner`, in another
    distributor       in a task that deals out its items
    subscription    what such a task deals out, for other readers
    sender    a task that sends, and may start others
    thread    a thread, and a task that waits for it
    callback  the code that calls it
    """

    kind: Literal[
        "in turn",
        "tasks",
        "perhaps",
        "workers",
        "newest",
        "distributor",
        "subscription",
        "sender",
        "thread",
        "callback",
    ]
    note: str = ""  # what there is to say beside the bound
    unit: str = "item"
    opens: bool = False  # whether it opens streams that nobody knows yet
    inner: str = ""
    frames: int = SOURCE  # of Python that it takes beside those of the parts, at most


Provenance: TypeAlias = tuple[Layout, Label, Sequence[Openable], int, int]
"""The fields of `_explain.Stage`, as a plain tuple: building it costs nothing [first]."""

AGAIN = "again"

IN_TURN = Layout("in turn", "in turn")
INSIDE = Layout("in turn", "inside", frames=7)
REPEATED = Layout("in turn", AGAIN, frames=6)
RESUMED = Layout("in turn", AGAIN, opens=True, frames=6)
CAUGHT = Layout("in turn", "at first", opens=True, frames=6)

ALONE = Layout("tasks")
EACH = Layout("tasks", " for each")
PAGES = Layout("tasks", unit="page")
CHUNKS = Layout("tasks", unit="chunk")
BATCH = Layout("tasks", unit="batch")
BATCH_UNTIL = Layout("tasks", "; of the signals none waits", "batch")
NEWEST = Layout("tasks", ", the newest")
RACING = Layout("tasks", " for each, until one has given an item")
SAMPLED = Layout("tasks", "; of each other one at most 1 item, the newest")
TRIGGERED = Layout("tasks", "; what the trigger gives never waits")
BESIDE = Layout("tasks", "; what the background gives never waits")
WAITED_FOR = Layout("perhaps", "; no task if it never waits")
ZIPPED = Layout("perhaps", " for each; no tasks if none ever waits")

IN_ORDER = Layout("workers", " in work or to be read, in order", frames=7)
AS_READY = Layout("workers", " in work or to be read, as they are ready", frames=7)
REMOTE_IN_ORDER = IN_ORDER._replace(frames=IN_ORDER.frames + OPERATOR)
REMOTE_AS_READY = AS_READY._replace(frames=AS_READY.frames + OPERATOR)
PAGES_IN_ORDER = IN_ORDER._replace(unit="page")
PAGES_AS_READY = AS_READY._replace(unit="page")
EXPANDING = Layout("workers", " for each of the tasks", opens=True, frames=7)

SWITCHED = Layout("newest", inner="the stream for the newest item", opens=True, frames=6)
CALLED = Layout("newest", inner="the call for the newest item", frames=6)

DEALT = Layout("distributor", " for each reader")
GROUPED = Layout("distributor", ", and as many items for the reader of each", "pair")
BRANCH = Layout("subscription", " for each reader")

SENDING = Layout("sender", " for each task")
THREAD = Layout("thread")
CALLBACK = Layout("callback")
