"""The errors that the streams themselves raise.

Errors from sources and from functions given to operators propagate unchanged. Errors that the
library itself raises have names of their own::

    StreamError
    ├── StreamBusyError          two tasks in one step, or a close during a step
    ├── StreamClosedError        a step of a run that was closed before its end
    ├── StreamConsumedError      a second opening of a source that can be read only once
    ├── StreamInterruptedError   the step before this one was cancelled and took the source with it
    ├── WrongTaskError           `async with` was left in another task than it was entered in
    ├── WrongOrderError          ... or before something that was entered after it
    ├── NeedsTasksError          a bare `async for` over a stream that needs tasks
    ├── StreamOverflowError      an item came, there was no room, and overflow is "error"
    ├── StreamDepthError         (also a RecursionError) more in a row than Python can open
    ├── StreamDeadlockError      a reader waits for what cannot come unless another part is read
    ├── RemoteError              in the place of an error of a worker that cannot be sent
    ├── EmptyStreamError         (also a ValueError) a terminal call found no item
    └── CleanupTimeoutError      (also a TimeoutError) a source did not close within the grace
"""

from typing import Any

__all__ = [
    "BlockingWarning",
    "CleanupTimeoutError",
    "EmptyStreamError",
    "GeneratorWarning",
    "NeedsTasksError",
    "RemoteError",
    "StreamBusyError",
    "StreamClosedError",
    "StreamConsumedError",
    "StreamDeadlockError",
    "StreamDepthError",
    "StreamError",
    "StreamInterruptedError",
    "StreamOverflowError",
    "WrongOrderError",
    "WrongTaskError",
]


class StreamError(Exception):
    """The base of every error that the library raises about a stream itself."""

    def __reduce__(self) -> tuple[Any, ...]:
        # `Exception` would call the class with the text alone, and some take other arguments.
        return type(self).__new__, (type(self), *self.args), vars(self)


class StreamBusyError(StreamError):
    """A run was stepped or closed while another task was waiting in one of its steps."""


class StreamClosedError(StreamError):
    """A run was stepped after it had been closed before its end.

    A run that has come to its end, or has failed, answers every further step with
    `StopAsyncIteration` instead: nothing is missing there.
    """


class StreamConsumedError(StreamError):
    """A stream over a source that can be read only once was opened a second time.

    Give `Stream` a function that makes the source, and every opening gets a fresh one.
    """


class StreamInterruptedError(StreamError):
    """The previous step was cancelled and the source could not survive that.

    Python finalises an async generator when a cancellation passes through it. To continue would
    look like the end of the stream, with items missing, so the next step raises this error.

    A step also raises it if a source or a function awaited something that was cancelled elsewhere,
    such as a future of asyncio. The task itself is not cancelled, so that is an error like any
    other.
    """


class WrongTaskError(StreamError):
    """An `async with` block of a stream was left in another task while the one that entered runs.

    The run stays open: as long as that task runs, it alone can leave.

    A step raises it in another event loop than the one that the stream was opened in, if it would
    have to wait for a task there.
    """


class WrongOrderError(StreamError):
    """A run was left while a scope that was entered after it, such as another run's, is open.

    All of it is closed by then, but its own scope is still there. If what was entered later is a
    run, both are left with that; after a cancel scope of yours, leave it again. `aclose()` closes
    runs in any order, without this error.
    """


class GeneratorWarning(RuntimeWarning):
    """A stream with tasks was opened inside an async generator that nothing sees to the end of.

    When such a generator is left by `break`, or its reader goes away, Python ends it in another
    task, or never, and the tasks and scopes of the stream cannot be left there. Decorate the
    generator with `@stream(buffer=0)`. Functions for `@asynccontextmanager` are fine.
    """


class BlockingWarning(RuntimeWarning):
    """A plain function behind `concurrency` has held the event loop for more than 0.1 s.

    Nothing else runs meanwhile, also not the other calls. Let an async function call it in a
    thread, by `anyio.to_thread.run_sync`.
    """


class NeedsTasksError(StreamError):
    """A stream that needs tasks was opened in a way that has none.

    A bare `async for` cannot run tasks: nothing tells the stream when the loop is left.
    `async with stream as items` and the terminal calls can.
    """


class StreamDeadlockError(StreamError):
    """Readers of parts of one stream wait for each other.

    A reader has waited for a second, while another part of the same source is full. The reader of
    that part waits as well, or it has none, and no other task could become one. `share`,
    `partition` and `group_by` raise it.
    """


class StreamDepthError(StreamError, RecursionError):
    """There are more operators in a row, or streams one inside the other, than Python can call.

    It is raised where the stream would be opened, and nothing is open then, or drawn.
    """


class StreamOverflowError(StreamError):
    """More items came than there was room for, where the overflow policy is `"error"`."""


class EmptyStreamError(StreamError, ValueError):
    """`first`, `last`, `min` or `max` of a stream without items, and no default given."""


class RemoteError(StreamError):
    """It takes the place of an error in a worker of an executor that does not survive pickling.

    Its text is that of the error, with the type, and its cause is the traceback there.
    """


class CleanupTimeoutError(StreamError, TimeoutError):
    """A source was still closing when its grace period was over, and was cancelled.

    It does not take the place of a `KeyboardInterrupt`, of a `SystemExit` or of a `Task.cancel()`
    that is propagating; these get a note of it. If `complete`, the source has closed all the same,
    as a process has that was killed: then it does not take the place of any cancellation.
    """

    complete: bool = False


for name in __all__:  # so that a traceback shows where to import an error from
    globals()[name].__module__ = "anystream"
